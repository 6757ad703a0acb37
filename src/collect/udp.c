/* collect/udp.c - link, IP and UDP headers of captured packets; reassembly. */
#include "collect/udp.h"

#include <stdlib.h>
#include <string.h>

#include "base/rd.h"

#define SLOTS          64u
#define SLOT_OCTETS    65536u
#define UNIT_OCTETS    8u /* fragment offsets count these */
#define EXPIRE_MS      60000
#define MAX_TAGS       8
#define MAX_EXTENSIONS 16

enum ether {
    ETHER_IPV4 = 0x0800,
    ETHER_IPV6 = 0x86dd,
    ETHER_VLAN = 0x8100,
    ETHER_QINQ = 0x88a8,
    ETHER_OLD_QINQ = 0x9100
};
enum protocol {
    PROTO_HOP = 0,
    PROTO_UDP = 17,
    PROTO_ROUTING = 43,
    PROTO_FRAGMENT = 44,
    PROTO_AUTH = 51,
    PROTO_DESTINATION = 60,
    PROTO_MOBILITY = 135
};

struct key {
    struct addr src, dst;
    uint32_t id;
    uint8_t proto, family;
};

struct slot {
    bool used;
    struct key key;
    int64_t first_ms;
    uint32_t total;  /* octets of the whole; 0 while the last piece is missing */
    uint32_t have;   /* octets that came */
    uint32_t end;    /* behind the last octet that came; never beyond total */
    uint8_t *octets; /* SLOT_OCTETS, owned, made when first needed */
    uint8_t got[SLOT_OCTETS / UNIT_OCTETS / 8]; /* bit per unit */
};

struct udp_reader {
    struct slot slot[SLOTS];
    struct udp_stats stats;
};

struct packet {
    struct key key;
    bool cut; /* the capture kept less than the wire had */
    int64_t time_ms;
};

int udp_reader_new(struct udp_reader **out)
{
    *out = calloc(1, sizeof **out);
    return *out != NULL ? ERR_OK : ERR_NOMEM;
}

void udp_reader_free(struct udp_reader *u)
{
    if (u == NULL)
        return;
    for (size_t i = 0; i < SLOTS; i++)
        free(u->slot[i].octets);
    free(u);
}

void udp_get_stats(const struct udp_reader *u, struct udp_stats *out)
{
    *out = u->stats;
}

/* --- reassembly --- */

static bool key_equal(const struct key *a, const struct key *b)
{
    return a->id == b->id && a->proto == b->proto && a->family == b->family &&
           addr_cmp(&a->src, &b->src) == 0 && addr_cmp(&a->dst, &b->dst) == 0;
}

/* The slot of this datagram: the one it has, else a free one, else the oldest. NULL: out of memory.
 */
static struct slot *slot_for(struct udp_reader *u, const struct packet *p)
{
    struct slot *pick = NULL;

    for (size_t i = 0; i < SLOTS; i++) {
        struct slot *s = &u->slot[i];
        if (s->used && p->time_ms - s->first_ms > EXPIRE_MS) {
            s->used = false;
            u->stats.expired++;
        }
        if (s->used && key_equal(&s->key, &p->key))
            return s;
        if (pick == NULL || (pick->used && (!s->used || s->first_ms < pick->first_ms)))
            pick = s;
    }
    if (pick->used)
        u->stats.expired++;
    if (pick->octets == NULL)
        pick->octets = malloc(SLOT_OCTETS);
    if (pick->octets == NULL)
        return NULL;
    pick->used = true;
    pick->key = p->key;
    pick->first_ms = p->time_ms;
    pick->total = 0;
    pick->have = 0;
    pick->end = 0;
    memset(pick->got, 0, sizeof pick->got);
    return pick;
}

/* Keep the units of a piece that have not come yet: the first one wins, a repeated piece changes
 * nothing. */
static void slot_add(struct slot *s, uint32_t offset, const uint8_t *p, uint32_t len)
{
    for (uint32_t at = 0; at < len; at += UNIT_OCTETS) {
        uint32_t unit = (offset + at) / UNIT_OCTETS;
        uint32_t n = MIN(UNIT_OCTETS, len - at);
        uint8_t bit = (uint8_t)(1u << unit % 8);
        if (s->got[unit / 8] & bit)
            continue;
        s->got[unit / 8] |= bit;
        memcpy(s->octets + offset + at, p + at, n);
        s->have += n;
    }
}

/* Take one piece; true when the datagram is whole, then *whole is its payload. */
static enum udp_result reassemble(struct udp_reader *u, const struct packet *p, uint32_t offset,
                                  bool more, struct rd piece, struct rd *whole)
{
    uint32_t end;
    struct slot *s;

    if (piece.left == 0 || offset + piece.left > SLOT_OCTETS - 1)
        return UDP_MALFORMED;
    if (more && piece.left % UNIT_OCTETS != 0)
        return UDP_MALFORMED;
    end = offset + (uint32_t)piece.left;
    s = slot_for(u, p);
    if (s == NULL)
        return UDP_FRAGMENT;
    if ((s->total != 0 && (end > s->total || (!more && end != s->total))) ||
        (!more && s->end > end)) {
        s->used = false; /* pieces that contradict each other about the length */
        return UDP_MALFORMED;
    }
    if (!more)
        s->total = end;
    s->end = MAX(s->end, end);
    slot_add(s, offset, piece.p, (uint32_t)piece.left);
    if (s->total == 0 || s->have < s->total)
        return UDP_FRAGMENT;
    s->used = false;
    u->stats.reassembled++;
    *whole = rd_init(s->octets, s->total);
    return UDP_OK;
}

/* --- transport --- */

static enum udp_result transport(const struct packet *p, uint8_t proto, struct rd r,
                                 struct udp_datagram *out)
{
    uint16_t len;

    if (proto != PROTO_UDP)
        return UDP_OTHER;
    out->src = p->key.src;
    out->dst = p->key.dst;
    out->src_port = rd_u16(&r);
    out->dst_port = rd_u16(&r);
    len = rd_u16(&r);
    (void)rd_u16(&r); /* checksum: offloading leaves it wrong in captures */
    if (!rd_ok(&r))
        return p->cut ? UDP_CUT : UDP_MALFORMED;
    if (len < 8)
        return UDP_MALFORMED;
    out->len = len - 8u;
    out->octets = rd_take(&r, out->len);
    if (out->octets == NULL)
        return p->cut ? UDP_CUT : UDP_MALFORMED;
    return UDP_OK;
}

/* --- IPv4 --- */

static enum udp_result ipv4(struct udp_reader *u, struct packet *p, struct rd r,
                            struct udp_datagram *out)
{
    struct rd whole = r;
    size_t head = (size_t)(rd_u8(&r) & 15) * 4, total;
    uint16_t fragment;
    uint8_t proto;

    (void)rd_u8(&r);
    total = rd_u16(&r);
    p->key.id = rd_u16(&r);
    fragment = rd_u16(&r);
    (void)rd_u8(&r);
    proto = rd_u8(&r);
    (void)rd_u16(&r);
    p->key.src = addr_from_v4(rd_u32(&r));
    p->key.dst = addr_from_v4(rd_u32(&r));
    p->key.proto = proto;
    p->key.family = 4;
    if (!rd_ok(&r))
        return p->cut ? UDP_CUT : UDP_MALFORMED;
    if (total == 0)
        total = whole.left; /* segmentation offload */
    if (head < 20 || total < head)
        return UDP_MALFORMED;
    if (total > whole.left)
        p->cut = true;
    else
        whole.left = total; /* behind it is the link's padding */
    if (proto != PROTO_UDP)
        return UDP_OTHER;
    (void)rd_take(&whole, head);
    if (!rd_ok(&whole))
        return UDP_CUT;
    if ((fragment & 0x3fff) != 0) { /* more fragments, or an offset */
        enum udp_result rc;
        if (p->cut)
            return UDP_CUT;
        rc = reassemble(u, p, (fragment & 0x1fffu) * UNIT_OCTETS, (fragment & 0x2000) != 0, whole,
                        &whole);
        if (rc != UDP_OK)
            return rc;
    }
    return transport(p, proto, whole, out);
}

/* --- IPv6 --- */

static enum udp_result ipv6_fragment(struct udp_reader *u, struct packet *p, uint8_t next,
                                     struct rd *r)
{
    uint16_t where = rd_u16(r);

    p->key.id = rd_u32(r);
    p->key.proto = next;
    p->key.family = 6;
    if (!rd_ok(r) || p->cut)
        return p->cut ? UDP_CUT : UDP_MALFORMED;
    if ((where & 0xfff9) == 0)
        return UDP_OK; /* atomic (RFC 6946) */
    return reassemble(u, p, where & 0xfff8u, (where & 1) != 0, *r, r);
}

static enum udp_result ipv6_chain(struct udp_reader *u, struct packet *p, uint8_t next, struct rd r,
                                  struct udp_datagram *out)
{
    for (int i = 0; i < MAX_EXTENSIONS; i++) {
        uint8_t this = next;
        enum udp_result rc;
        size_t len;
        if (this != PROTO_HOP && this != PROTO_ROUTING && this != PROTO_DESTINATION &&
            this != PROTO_MOBILITY && this != PROTO_AUTH && this != PROTO_FRAGMENT)
            return transport(p, this, r, out);
        next = rd_u8(&r);
        len = rd_u8(&r);
        if (this == PROTO_FRAGMENT) { /* its second octet is reserved */
            rc = ipv6_fragment(u, p, next, &r);
            if (rc != UDP_OK)
                return rc;
            continue;
        }
        (void)rd_take(&r, this == PROTO_AUTH ? (len + 2) * 4 - 2 : (len + 1) * 8 - 2);
        if (!rd_ok(&r))
            return p->cut ? UDP_CUT : UDP_MALFORMED;
    }
    return UDP_MALFORMED;
}

static enum udp_result ipv6(struct udp_reader *u, struct packet *p, struct rd r,
                            struct udp_datagram *out)
{
    const uint8_t *src, *dst;
    size_t payload;
    uint8_t next;

    (void)rd_u32(&r);
    payload = rd_u16(&r);
    next = rd_u8(&r);
    (void)rd_u8(&r);
    src = rd_take(&r, 16);
    dst = rd_take(&r, 16);
    if (src == NULL || dst == NULL)
        return p->cut ? UDP_CUT : UDP_MALFORMED;
    memcpy(p->key.src.b, src, 16);
    memcpy(p->key.dst.b, dst, 16);
    if (payload > r.left)
        p->cut = true;
    else if (payload > 0) /* 0: jumbogram or offload */
        r.left = payload;
    return ipv6_chain(u, p, next, r, out);
}

static enum udp_result ip(struct udp_reader *u, struct packet *p, struct rd r,
                          struct udp_datagram *out)
{
    if (r.left == 0)
        return p->cut ? UDP_CUT : UDP_OTHER;
    switch (r.p[0] >> 4) {
    case 4:
        return ipv4(u, p, r, out);
    case 6:
        return ipv6(u, p, r, out);
    default:
        return UDP_OTHER;
    }
}

/* --- links --- */

static enum udp_result ether_type(struct udp_reader *u, struct packet *p, uint16_t type,
                                  struct rd r, struct udp_datagram *out)
{
    for (int i = 0; i < MAX_TAGS; i++) {
        if (type == ETHER_IPV4 || type == ETHER_IPV6)
            return ip(u, p, r, out);
        if (type != ETHER_VLAN && type != ETHER_QINQ && type != ETHER_OLD_QINQ)
            return UDP_OTHER;
        (void)rd_u16(&r);
        type = rd_u16(&r);
    }
    return UDP_OTHER;
}

static enum udp_result by_link(struct udp_reader *u, struct packet *p, uint16_t link, struct rd r,
                               struct udp_datagram *out)
{
    uint16_t type;

    switch (link) {
    case LINK_ETHERNET:
        (void)rd_take(&r, 12);
        type = rd_u16(&r);
        return ether_type(u, p, type, r, out);
    case LINK_SLL:
        (void)rd_take(&r, 14);
        type = rd_u16(&r);
        return ether_type(u, p, type, r, out);
    case LINK_SLL2:
        type = rd_u16(&r);
        (void)rd_take(&r, 18);
        return ether_type(u, p, type, r, out);
    case LINK_NULL:
    case LINK_LOOP: /* an address family in the order of some machine; the IP version says the same
                     */
        (void)rd_take(&r, 4);
        return ip(u, p, r, out);
    case LINK_RAW:
    case LINK_RAW_BSD:
    case LINK_RAW_OPENBSD:
    case LINK_IPV4:
    case LINK_IPV6:
        return ip(u, p, r, out);
    default:
        return UDP_LINK;
    }
}

enum udp_result udp_extract(struct udp_reader *u, const struct capture_packet *c,
                            struct udp_datagram *out)
{
    struct packet p = { .cut = c->len < c->wire_len, .time_ms = c->time_ms };
    enum udp_result rc;

    *out = (struct udp_datagram){ 0 };
    rc = by_link(u, &p, c->link, rd_init(c->octets, c->len), out);
    u->stats.result[rc]++;
    return rc;
}
