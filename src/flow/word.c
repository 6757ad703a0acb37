#include "flow/word.h"

#include <string.h>
#include <strings.h>

#define ONE(word, n) \
    {                \
        word, n, n   \
    }

/* The names in use of IANA's protocol registry; what has none is written as a number. */
const struct word_number words_proto[] = {
    ONE("tcp", 6),         ONE("udp", 17),       ONE("icmp", 1),        ONE("icmp6", 58),
    ONE("igmp", 2),        ONE("ggp", 3),        ONE("ipip", 4),        ONE("st", 5),
    ONE("cbt", 7),         ONE("egp", 8),        ONE("igp", 9),         ONE("nvp-ii", 11),
    ONE("pup", 12),        ONE("chaos", 16),     ONE("hmp", 20),        ONE("prm", 21),
    ONE("xns-idp", 22),    ONE("rdp", 27),       ONE("irtp", 28),       ONE("iso-tp4", 29),
    ONE("netblt", 30),     ONE("dccp", 33),      ONE("idpr", 35),       ONE("xtp", 36),
    ONE("ddp", 37),        ONE("il", 40),        ONE("sdrp", 42),       ONE("idrp", 45),
    ONE("rsvp", 46),       ONE("gre", 47),       ONE("dsr", 48),        ONE("esp", 50),
    ONE("ah", 51),         ONE("i-nlsp", 52),    ONE("swipe", 53),      ONE("narp", 54),
    ONE("mobile", 55),     ONE("tlsp", 56),      ONE("skip", 57),       ONE("vmtp", 81),
    ONE("eigrp", 88),      ONE("ospf", 89),      ONE("mtp", 92),        ONE("etherip", 97),
    ONE("encap", 98),      ONE("pim", 103),      ONE("ipcomp", 108),    ONE("vrrp", 112),
    ONE("pgm", 113),       ONE("l2tp", 115),     ONE("isis", 124),      ONE("crtp", 126),
    ONE("sctp", 132),      ONE("fc", 133),       ONE("udplite", 136),   ONE("mpls-in-ip", 137),
    ONE("manet", 138),     ONE("shim6", 139),    ONE("wesp", 140),      ONE("rohc", 142),
    ONE("ipv6-icmp", 58),  ONE("icmpv6", 58),    ONE("ospfigp", 89),    ONE("hopopt", 0),
    ONE("ipv6-route", 43), ONE("ipv6-frag", 44), ONE("ipv6-nonxt", 59), ONE("ipv6-opts", 60),
    ONE("bna", 49),
};
const size_t words_proto_n = ARRAY_LEN(words_proto);

const struct word_number *word_find(const struct word_number *w, size_t n, const char *s,
                                    size_t len)
{
    for (size_t i = 0; i < n; i++)
        if (strlen(w[i].word) == len && strncasecmp(w[i].word, s, len) == 0)
            return &w[i];
    return NULL;
}

const char *word_of(const struct word_number *w, size_t n, uint64_t v)
{
    for (size_t i = 0; i < n; i++)
        if (w[i].lo == v && w[i].hi == v)
            return w[i].word;
    return NULL;
}
