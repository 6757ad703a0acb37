/* Words of the language and the values behind them. A field is one row. */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "flow/elem.h"
#include "query/sessions.h"
#include "query/syntax.h"

/* clang-format off */
#define COL1(c)      { .v = { { .kind = VALUE_COL, .col = (c) } }, .n = 1 }
#define CALC(c)      { .kind = VALUE_CALC, .calc = (c) }
#define CALC1(c)     { .v = { CALC(c) }, .n = 1 }
#define IE(i)        { .kind = VALUE_ELEM, .id = (i), .occurrence = 1 }
#define IE2(i)       { .kind = VALUE_ELEM, .id = (i), .occurrence = 2 }
#define PART(i, o)   { .kind = VALUE_ELEM, .id = (i), .occurrence = 1, .part_off = (o), .part_len = 4 }
#define PEN(p, i)    { .kind = VALUE_ELEM, .pen = (p), .id = (i), .occurrence = 1 }
#define SESSION1(s)      { .v = { { .kind = VALUE_SESSION, .calc = (s) } }, .n = 1 }
#define ALT1(a)          { .v = { a }, .n = 1 }
#define ALT2(a, b)       { .v = { a, b }, .n = 2 }
#define ALT3(a, b, c)    { .v = { a, b, c }, .n = 3 }
#define DEF1(d)          { .v = { { .kind = VALUE_DEF, .calc = (d) } }, .n = 1 }
#define LATER(words, hint)   { words, FIELD_LATER, AXIS_NONE, 0, { { .n = 0 } }, hint }
#define REFUSED(words, hint) { words, FIELD_REFUSED, AXIS_NONE, 0, { { .n = 0 } }, hint }
#define MPLS(i) \
    { "mpls label" #i, FIELD_MPLS_LABEL, AXIS_NONE, 0xfffff, { ALT1(IE(69 + (i))) }, NULL }, \
    { "mpls exp" #i, FIELD_MPLS_EXP, AXIS_NONE, 7, { ALT1(IE(69 + (i))) }, NULL }

/* Elements: IANA's numbers; 33000 … and 40000 … are Cisco's of NSEL, 575xx nprobe's as NetFlow v9 has them,
 * 35632 is nprobe's enterprise, 6871 yaf's. */
const struct field field_table[] = {
    { "ip|host|addr", FIELD_ADDR, AXIS_SIDE, 0, { COL1(COL_SRC_IP), COL1(COL_DST_IP) }, NULL },
    { "net", FIELD_NET, AXIS_SIDE, 0, { COL1(COL_SRC_IP), COL1(COL_DST_IP) }, NULL },
    { "next ip", FIELD_ADDR, AXIS_NONE, 0, { COL1(COL_NEXT_IP) }, NULL },
    { "bgpnext ip|bgp next ip", FIELD_ADDR, AXIS_NONE, 0, { COL1(COL_BGP_NEXT_IP) }, NULL },
    { "exporter|router ip|ident", FIELD_EXPORTER, AXIS_NONE, 0, { { .v = { { .kind = VALUE_EXPORTER } }, .n = 1 } }, NULL },
    { "xip", FIELD_ADDR, AXIS_SIDE, 0, { ALT3(IE(225), IE(281), IE(40001)), ALT3(IE(226), IE(282), IE(40002)) }, NULL },
    { "xnet", FIELD_NET, AXIS_SIDE, 0, { ALT3(IE(225), IE(281), IE(40001)), ALT3(IE(226), IE(282), IE(40002)) }, NULL },
    { "nip", FIELD_ADDR, AXIS_SIDE, 0, { ALT2(IE(225), IE(281)), ALT2(IE(226), IE(282)) }, NULL },
    { "xport", FIELD_PORT, AXIS_SIDE, 65535, { ALT2(IE(227), IE(40003)), ALT2(IE(228), IE(40004)) }, NULL },
    { "nport", FIELD_PORT, AXIS_SIDE, 65535, { ALT1(IE(227)), ALT1(IE(228)) }, NULL },
    { "tunip|tun ip", FIELD_ADDR, AXIS_SIDE, 0, { ALT2(IE2(8), IE2(27)), ALT2(IE2(12), IE2(28)) }, NULL },
    { "tun proto", FIELD_PROTO, AXIS_NONE, 255, { ALT1(IE2(4)) }, NULL },
    { "port", FIELD_PORT, AXIS_SIDE, 65535, { COL1(COL_SRC_PORT), COL1(COL_DST_PORT) }, NULL },
    { "service", FIELD_SERVICE, AXIS_NONE, 0, { CALC1(CALC_SERVICE) }, NULL },
    { "app|application", FIELD_APP, AXIS_NONE, 0, { CALC1(CALC_APP) }, NULL },
    { "portrange", FIELD_PORTRANGE, AXIS_SIDE, 65535, { COL1(COL_SRC_PORT), COL1(COL_DST_PORT) }, NULL },
    { "proto|protocol", FIELD_PROTO, AXIS_NONE, 255, { COL1(COL_PROTO) }, NULL },
    { "icmp-type|icmp type", FIELD_ICMP, AXIS_NONE, 255, { CALC1(CALC_ICMP_TYPE) }, NULL },
    { "icmp-code|icmp code", FIELD_ICMP, AXIS_NONE, 255, { CALC1(CALC_ICMP_CODE) }, NULL },
    { "flags", FIELD_FLAGS, AXIS_NONE, 65535, { COL1(COL_TCP_FLAGS) }, NULL },
    { "bytes|octets", FIELD_VOLUME, AXIS_IO_ONE, UINT64_MAX, { CALC1(CALC_BYTES), CALC1(CALC_OUT_BYTES), CALC1(CALC_RAW_BYTES), CALC1(CALC_RAW_OUT_BYTES) }, NULL },
    { "packets|pkts", FIELD_VOLUME, AXIS_IO_ONE, UINT64_MAX, { CALC1(CALC_PACKETS), CALC1(CALC_OUT_PACKETS), CALC1(CALC_RAW_PACKETS), CALC1(CALC_RAW_OUT_PACKETS) }, NULL },
    { "flows|flow", FIELD_VOLUME, AXIS_NONE, UINT64_MAX, { ALT2(IE(3), CALC(CALC_FLOWS)) }, NULL },
    { "bps", FIELD_BITS, AXIS_NONE, UINT64_MAX, { CALC1(CALC_BPS), { .n = 0 }, CALC1(CALC_RAW_BPS) }, NULL },
    { "pps", FIELD_VOLUME, AXIS_NONE, UINT64_MAX, { CALC1(CALC_PPS), { .n = 0 }, CALC1(CALC_RAW_PPS) }, NULL },
    { "bpp", FIELD_VOLUME, AXIS_NONE, UINT64_MAX, { CALC1(CALC_BPP), { .n = 0 }, CALC1(CALC_BPP) }, NULL },
    { "less", FIELD_LESS, AXIS_NONE, UINT64_MAX, { CALC1(CALC_BPP) }, NULL },
    { "greater", FIELD_GREATER, AXIS_NONE, UINT64_MAX, { CALC1(CALC_BPP) }, NULL },
    { "duration", FIELD_DURATION, AXIS_NONE, UINT64_MAX, { CALC1(CALC_DURATION_MS) }, NULL },
    { "client latency", FIELD_LATENCY, AXIS_NONE, UINT64_MAX, { ALT2(IE(57595), PEN(35632, 123)) }, NULL },
    { "server latency", FIELD_LATENCY, AXIS_NONE, UINT64_MAX, { ALT2(IE(57596), PEN(35632, 124)) }, NULL },
    { "domain|observation domain id", FIELD_NUM, AXIS_NONE, UINT32_MAX, { CALC1(CALC_EXPORTER_DOMAIN) }, NULL },
    { "sampling", FIELD_SAMPLING, AXIS_NONE, UINT32_MAX, { CALC1(CALC_SAMPLING) }, NULL },
    { "observation point id", FIELD_NUM, AXIS_NONE, UINT64_MAX, { ALT1(IE(138)) }, NULL },
    { "engine-type|engine type", FIELD_NUM, AXIS_NONE, 255, { CALC1(CALC_ENGINE_TYPE) }, NULL },
    { "engine-id|engine id", FIELD_NUM, AXIS_NONE, UINT32_MAX, { CALC1(CALC_ENGINE_ID) }, NULL },
    { "version|nfversion", FIELD_VERSION, AXIS_NONE, 65535, { CALC1(CALC_EXPORTER_VERSION) }, NULL },
    { "if|interface", FIELD_IF, AXIS_IO, UINT32_MAX, { COL1(COL_IN_IF), COL1(COL_OUT_IF) }, NULL },
    { "as", FIELD_NUM, AXIS_SIDE, UINT32_MAX, { CALC1(CALC_SRC_AS), CALC1(CALC_DST_AS) }, NULL },
    { "as name", FIELD_AS_NAME, AXIS_SIDE, 0, { CALC1(CALC_SRC_AS_NAME), CALC1(CALC_DST_AS_NAME) }, NULL },
    { "country|geo", FIELD_COUNTRY, AXIS_SIDE, 0xffff, { CALC1(CALC_SRC_COUNTRY), CALC1(CALC_DST_COUNTRY) }, NULL },
    { "next as", FIELD_NUM, AXIS_NONE, UINT32_MAX, { ALT1(IE(128)) }, NULL },
    { "prev as", FIELD_NUM, AXIS_NONE, UINT32_MAX, { ALT1(IE(129)) }, NULL },
    { "mask", FIELD_NUM, AXIS_SIDE, 128, { COL1(COL_SRC_MASK), COL1(COL_DST_MASK) }, NULL },
    { "vlan", FIELD_NUM, AXIS_VLAN, 65535, { COL1(COL_SRC_VLAN), COL1(COL_DST_VLAN) }, NULL },
    { "tos", FIELD_TOS, AXIS_TOS, 255, { COL1(COL_TOS), ALT1(IE(55)) }, NULL },
    { "dscp", FIELD_DSCP, AXIS_TOS, 63, { COL1(COL_TOS), ALT1(IE(55)) }, NULL },
    { "ttl", FIELD_NUM, AXIS_NONE, 255, { ALT2(IE(192), IE(52)) }, NULL },
    { "label|flow label", FIELD_NUM, AXIS_NONE, 0xfffff, { ALT1(IE(31)) }, NULL },
    { "mac", FIELD_MAC, AXIS_MAC, (1ull << 48) - 1, { ALT1(IE(56)), ALT1(IE(80)), ALT1(IE(81)), ALT1(IE(57)) }, NULL },
    MPLS(1), MPLS(2), MPLS(3), MPLS(4), MPLS(5), MPLS(6), MPLS(7), MPLS(8), MPLS(9), MPLS(10),
    { "mpls eos", FIELD_MPLS_EOS, AXIS_NONE, 0xfffff, { ALT1(IE(70)) }, NULL },
    { "fwdstat", FIELD_FWD, AXIS_NONE, UINT32_MAX, { ALT1(IE(89)) }, NULL },
    { "flowdir|dir", FIELD_DIR, AXIS_NONE, 255, { COL1(COL_DIRECTION) }, NULL },
    { "ingress vrf", FIELD_NUM, AXIS_NONE, UINT32_MAX, { ALT1(IE(234)) }, NULL },
    { "egress vrf", FIELD_NUM, AXIS_NONE, UINT32_MAX, { ALT1(IE(235)) }, NULL },
    { "asa event", FIELD_ASA_EVENT, AXIS_NONE, 255, { ALT2(IE(233), IE(40005)) }, NULL },
    { "asa event denied", FIELD_ASA_DENIED, AXIS_NONE, 65535, { ALT1(IE(33002)) }, NULL },
    { "asa xevent", FIELD_NUM, AXIS_NONE, 65535, { ALT1(IE(33002)) }, NULL },
    { "nat event", FIELD_NAT_EVENT, AXIS_NONE, 255, { ALT1(IE(230)) }, NULL },
    { "ingress acl", FIELD_NUM, AXIS_NONE, UINT32_MAX, { ALT1(PART(33000, 0)) }, NULL },
    { "ingress ace", FIELD_NUM, AXIS_NONE, UINT32_MAX, { ALT1(PART(33000, 4)) }, NULL },
    { "ingress xace", FIELD_NUM, AXIS_NONE, UINT32_MAX, { ALT1(PART(33000, 8)) }, NULL },
    { "egress acl", FIELD_NUM, AXIS_NONE, UINT32_MAX, { ALT1(PART(33001, 0)) }, NULL },
    { "egress ace", FIELD_NUM, AXIS_NONE, UINT32_MAX, { ALT1(PART(33001, 4)) }, NULL },
    { "egress xace", FIELD_NUM, AXIS_NONE, UINT32_MAX, { ALT1(PART(33001, 8)) }, NULL },
    { "pblock start", FIELD_NUM, AXIS_NONE, 65535, { ALT1(IE(361)) }, NULL },
    { "pblock end", FIELD_NUM, AXIS_NONE, 65535, { ALT1(IE(362)) }, NULL },
    { "pblock step", FIELD_NUM, AXIS_NONE, 65535, { ALT1(IE(363)) }, NULL },
    { "pblock size", FIELD_NUM, AXIS_NONE, 65535, { ALT1(IE(364)) }, NULL },
    { "payload content", FIELD_PAYLOAD, AXIS_NONE, 0, { ALT3(PEN(6871, 18), IE(314), IE(313)) }, NULL },
    { "payload regex", FIELD_PAYLOAD_REGEX, AXIS_NONE, 0, { ALT3(PEN(6871, 18), IE(314), IE(313)) }, NULL },
    { "start|first seen", FIELD_TIME, AXIS_NONE, INT64_MAX, { COL1(COL_START) }, NULL },
    { "end|last seen", FIELD_TIME, AXIS_NONE, INT64_MAX, { COL1(COL_END) }, NULL },
    { "received", FIELD_TIME, AXIS_NONE, INT64_MAX, { COL1(COL_RECEIVED) }, NULL },
    { "at", FIELD_AT, AXIS_NONE, INT64_MAX, { COL1(COL_START) }, NULL },
    { "hour", FIELD_HOUR, AXIS_NONE, 23, { CALC1(CALC_HOUR) }, NULL },
    { "weekday", FIELD_WEEKDAY, AXIS_NONE, 7, { CALC1(CALC_WEEKDAY) }, NULL },
    { "ie", FIELD_IE, AXIS_NONE, 0, { { .n = 0 } }, NULL },

    { "group", FIELD_GROUP, AXIS_SIDE, 0, { DEF1(DEF_SRC_GROUP), DEF1(DEF_DST_GROUP) }, NULL },
    { "name", FIELD_NAME, AXIS_SIDE, 0, { DEF1(DEF_SRC_NAME), DEF1(DEF_DST_NAME) }, NULL },
    { "direction", FIELD_WORD, AXIS_NONE, 0, { DEF1(DEF_DIRECTION) }, NULL },
    { "boundary", FIELD_WORD, AXIS_IO, 0, { DEF1(DEF_IN_BOUNDARY), DEF1(DEF_OUT_BOUNDARY) }, NULL },
    { "connectivity", FIELD_WORD, AXIS_IO, 0, { DEF1(DEF_IN_CONNECTIVITY), DEF1(DEF_OUT_CONNECTIVITY) }, NULL },
    { "provider", FIELD_WORD, AXIS_IO, 0, { DEF1(DEF_IN_PROVIDER), DEF1(DEF_OUT_PROVIDER) }, NULL },
    { "if name|interface name", FIELD_WORD, AXIS_IO, 0, { DEF1(DEF_IN_IF_NAME), DEF1(DEF_OUT_IF_NAME) }, NULL },
    { "exporter name", FIELD_WORD, AXIS_NONE, 0, { DEF1(DEF_EXPORTER_NAME) }, NULL },
    { "site", FIELD_WORD, AXIS_NONE, 0, { DEF1(DEF_SITE) }, NULL },
    { "role", FIELD_WORD, AXIS_NONE, 0, { DEF1(DEF_ROLE) }, NULL },
    { "region", FIELD_WORD, AXIS_NONE, 0, { DEF1(DEF_REGION) }, NULL },
    { "internal", FIELD_INSIDE, AXIS_SIDE, 1, { COL1(COL_SRC_IP), COL1(COL_DST_IP) }, NULL },
    { "external", FIELD_INSIDE, AXIS_SIDE, 0, { COL1(COL_SRC_IP), COL1(COL_DST_IP) }, NULL },
    { "inbound", FIELD_DIRECTION, AXIS_NONE, WORD_INBOUND, { { .n = 0 } }, NULL },
    { "outbound", FIELD_DIRECTION, AXIS_NONE, WORD_OUTBOUND, { { .n = 0 } }, NULL },
    { "internal traffic", FIELD_DIRECTION, AXIS_NONE, WORD_INTERNAL, { { .n = 0 } }, NULL },
    { "transit", FIELD_DIRECTION, AXIS_NONE, WORD_TRANSIT, { { .n = 0 } }, NULL },

    LATER("set", "sets"),
    LATER("as pair", "AS pairs as a filter; as pair is a key"), LATER("user", "users"), LATER("vrf", "VRF names"),
    LATER("service endpoint", "service endpoints"),
    LATER("new", "new"), LATER("listed", "listed"), LATER("alerted", "alerted"),
    LATER("filter", "named filters"), LATER("payload ja3", "payload ja3"), LATER("@include", "@include"),
    { "client bytes", FIELD_SESSION, AXIS_NONE, UINT64_MAX, { SESSION1(SESSION_CLIENT_BYTES) }, NULL },
    { "client packets", FIELD_SESSION, AXIS_NONE, UINT64_MAX, { SESSION1(SESSION_CLIENT_PACKETS) }, NULL },
    { "server bytes", FIELD_SESSION, AXIS_NONE, UINT64_MAX, { SESSION1(SESSION_SERVER_BYTES) }, NULL },
    { "server packets", FIELD_SESSION, AXIS_NONE, UINT64_MAX, { SESSION1(SESSION_SERVER_PACKETS) }, NULL },
    { "total bytes", FIELD_SESSION, AXIS_NONE, UINT64_MAX, { SESSION1(SESSION_TOTAL_BYTES) }, NULL },
    { "total packets", FIELD_SESSION, AXIS_NONE, UINT64_MAX, { SESSION1(SESSION_TOTAL_PACKETS) }, NULL },
    { "session duration", FIELD_DURATION, AXIS_NONE, UINT64_MAX, { SESSION1(SESSION_DURATION) }, NULL },
    { "slices", FIELD_SESSION, AXIS_NONE, UINT64_MAX, { SESSION1(SESSION_SLICES) }, NULL },
    { "state", FIELD_SESSION_STATE, AXIS_NONE, 4, { SESSION1(SESSION_STATE) }, NULL },
    LATER("session|sessions|initiated|accepted", "this in a filter"),
    LATER("client first seen|client last seen|server first seen|server last seen|src first seen", "first seen of an entity"),
    LATER("src last seen|dst first seen|dst last seen", "first seen of an entity"),
    LATER("unanswered", "unanswered"), LATER("ratio", "ratio"), LATER("utilisation|utilization", "utilisation"),
    LATER("sender", "sender"), LATER("receiver", "receiver"), LATER("peak", "peak"), LATER("p95", "p95"),
    REFUSED("count", "count is a number inside nfdump's files: use --limit"),
    REFUSED("sysid", "sysid is a number inside nfdump's files: use exporter"),
};
/* clang-format on */
const size_t field_count = ARRAY_LEN(field_table);

/* Tokens that the words of one alternative cover at the cursor; 0 = they do not stand there. */
static size_t covers(const struct syntax *p, const char *words, size_t len)
{
    size_t tokens = 0;

    while (len > 0) {
        const char *space = memchr(words, ' ', len);
        size_t n = space != NULL ? (size_t)(space - words) : len;
        const struct token *k = syn_ahead(p, tokens);
        if (k->type != TOK_WORD || k->len != n || strncasecmp(syn_text(p, k), words, n) != 0)
            return 0;
        tokens++;
        words += n + (space != NULL);
        len -= n + (space != NULL);
    }
    return tokens;
}

const struct field *syn_field(struct syntax *p)
{
    const struct field *best = NULL;
    size_t longest = 0;

    if (syn_tok(p)->type != TOK_WORD)
        return NULL;
    for (size_t i = 0; i < field_count; i++)
        for (const char *w = field_table[i].words; *w != '\0';) {
            size_t len = strcspn(w, "|"), n = covers(p, w, len);
            if (n > longest) {
                longest = n;
                best = &field_table[i];
            }
            w += len + (w[len] != '\0');
        }
    if (best == NULL)
        return NULL;
    if (best->type == FIELD_LATER || best->type == FIELD_REFUSED) {
        struct token k = *syn_tok(p);
        const struct token *last = syn_ahead(p, longest - 1);
        k.len = last->pos + last->len - k.pos;
        if (best->type == FIELD_LATER)
            syn_fail(p, ERR_UNSUPPORTED, &k, "not yet: %s", best->hint);
        else
            syn_fail(p, ERR_SYNTAX, &k, "%s", best->hint);
        return NULL;
    }
    p->at += longest;
    return best;
}

bool syn_ie(struct syntax *p, struct value *v)
{
    const struct token *open = syn_tok(p), *close;
    uint32_t start, end;
    uint64_t n;

    *v = (struct value){ .kind = VALUE_ELEM, .occurrence = 1 };
    if (!syn_type(p, TOK_OPEN)) {
        syn_fail(p, ERR_SYNTAX, open,
                 "the name or number of an element in brackets is expected: ie(ipTTL)");
        return false;
    }
    start = open->pos + 1;
    while (syn_tok(p)->type == TOK_WORD || syn_tok(p)->type == TOK_SLASH)
        p->at++;
    close = syn_tok(p);
    end = close->pos;
    if (!syn_type(p, TOK_CLOSE)) {
        syn_fail(p, ERR_SYNTAX, close, "\")\" is expected behind the element");
        return false;
    }
    while (start < end && p->t.s[start] == ' ')
        start++;
    while (end > start && p->t.s[end - 1] == ' ')
        end--;
    if (!elem_parse(p->t.s + start, end - start, &v->pen, &v->id)) {
        const char *near = elem_nearest(p->t.s + start, end - start);
        struct token k = { .pos = start, .len = end - start };
        syn_fail(p, ERR_SYNTAX, &k, "no such element%s%s%s; PEN/ID always works",
                 near != NULL ? ": did you mean " : "", near != NULL ? near : "",
                 near != NULL ? "?" : "");
        return false;
    }
    if (syn_tok(p)->type == TOK_LIST && syn_tok(p)->glued) {
        const struct token *k = syn_ahead(p, 1);
        p->at++;
        if (k->type != TOK_WORD || number_parse(&n, syn_text(p, k), k->len, -1) != NULL || n < 1 ||
            n > 255 || syn_ahead(p, 1)->type != TOK_LIST_END) {
            syn_fail(p, ERR_SYNTAX, k, "which occurrence? [2] is the second");
            return false;
        }
        v->occurrence = (uint8_t)n;
        p->at += 2;
    }
    return true;
}

static bool wrong_side(struct syntax *p, const struct field *f, const struct sides *s,
                       const char *fix)
{
    char word[40];

    (void)snprintf(word, sizeof word, "%.*s", (int)strcspn(f->words, "|"), f->words);
    syn_fail(p, ERR_SYNTAX, &p->t.tok[s->from], "%s has no such side: %s", word, fix);
    return false;
}

/* Do the written sides fit the field? Sets the error if not. */
static bool sides_fit(struct syntax *p, const struct field *f, const struct sides *s)
{
    bool has_side = s->side != SIDE_NONE || s->either;

    if (s->raw && f->type != FIELD_VOLUME && f->type != FIELD_BITS)
        return wrong_side(p, f, s, "raw stands before bytes, packets, bps, pps");
    switch ((enum field_axis)f->axis) {
    case AXIS_NONE:
        return (!has_side && s->io == IO_NONE) || wrong_side(p, f, s, "write it without");
    case AXIS_SIDE:
        if (s->io == IO_NONE)
            return true;
        return wrong_side(p, f, s,
                          f->type == FIELD_ADDR || f->type == FIELD_NET
                              ? "did you mean inbound, or dst host?"
                              : "use src or dst");
    case AXIS_IO:
    case AXIS_IO_ONE:
        if (s->side == SIDE_BOTH && f->axis == AXIS_IO)
            return true;
        return !has_side || wrong_side(p, f, s, "use in or out");
    case AXIS_TOS:
    case AXIS_VLAN:
        return (!has_side || s->io == IO_NONE) || wrong_side(p, f, s, "one side is enough");
    case AXIS_MAC:
        return s->side < SIDE_CLIENT || wrong_side(p, f, s, "use src or dst");
    }
    return false;
}

size_t syn_values(struct syntax *p, const struct field *f, const struct sides *s,
                  struct value_alts out[4])
{
    size_t n = 0;

    if (!sides_fit(p, f, s))
        return 0;
    if (f->axis == AXIS_NONE || f->axis == AXIS_IO_ONE) {
        out[0] = f->v[(s->io == IO_OUT) + (s->raw ? 2 : 0)];
        if (out[0].n == 0)
            out[0] = f->v[0];
        return 1;
    }
    if (f->axis == AXIS_MAC) { /* in src, in dst, out src, out dst */
        for (unsigned i = 0; i < 4; i++) {
            bool io = s->io == IO_NONE || (s->io == IO_IN) == (i < 2);
            bool side = (s->side != SIDE_SRC && s->side != SIDE_DST) ||
                        (s->side == SIDE_SRC) == (i % 2 == 0);
            if (io && side)
                out[n++] = f->v[i];
        }
        return n;
    }
    bool first = s->side == SIDE_SRC || s->io == IO_IN,
         second = s->side == SIDE_DST || s->io == IO_OUT;
    if (f->axis == AXIS_TOS && !first && !second && s->side == SIDE_NONE && !s->either)
        first = true; /* nfdump's way: the tos of a flow is the one it came with */
    if (first || !second)
        out[n++] = f->v[0];
    if (second || !first)
        out[n++] = f->v[1];
    return n;
}

static bool same_value(const struct value_alts *a, const struct value_alts *b)
{
    if (a->n != b->n)
        return false;
    for (uint8_t i = 0; i < a->n; i++) {
        const struct value *x = &a->v[i], *y = &b->v[i];
        if (x->kind != y->kind || x->col != y->col || x->calc != y->calc ||
            x->occurrence != y->occurrence || x->pen != y->pen || x->id != y->id ||
            x->part_off != y->part_off || x->part_len != y->part_len)
            return false;
    }
    return true;
}

static const char *side_text(const struct field *f, unsigned i)
{
    static const char *const side[] = { "src ", "dst " }, *const io[] = { "in ", "out " };
    static const char *const volume[] = { "", "out ", "raw ", "raw out " };
    static const char *const mac[] = { "in src ", "in dst ", "out src ", "out dst " };

    switch ((enum field_axis)f->axis) {
    case AXIS_NONE:
        return i < 2 ? "" : "raw ";
    case AXIS_IO:
        return io[i & 1];
    case AXIS_IO_ONE:
        return volume[i & 3];
    case AXIS_TOS:
        return i == 0 ? "" : "dst ";
    case AXIS_MAC:
        return mac[i & 3];
    case AXIS_SIDE:
    case AXIS_VLAN:
        return side[i & 1];
    }
    return "";
}

const struct field *field_name(const struct value_alts *v, char *out, size_t cap)
{
    const struct value *e = &v->v[0];
    char name[128];

    for (size_t i = 0; i < field_count; i++)
        for (unsigned k = 0; k < 4; k++) {
            const struct field *f = &field_table[i];
            if (f->v[k].n > 0 && same_value(&f->v[k], v)) {
                (void)snprintf(out, cap, "%s%.*s", side_text(f, k), (int)strcspn(f->words, "|"),
                               f->words);
                return f;
            }
        }
    if (e->kind != VALUE_ELEM) {
        (void)snprintf(out, cap, "?");
        return NULL;
    }
    (void)elem_name(e->pen, e->id, name, sizeof name);
    if (e->occurrence > 1)
        (void)snprintf(out, cap, "ie(%s)[%u]", name, e->occurrence);
    else
        (void)snprintf(out, cap, "ie(%s)", name);
    return NULL;
}
