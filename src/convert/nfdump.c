/* What "nfdump -o json" prints: objects of one pair a line. Of nfdump's forms this one tells what
 * is absent, milliseconds and 64-bit counters. Run with TZ=UTC: its times have no zone. */
#include "convert/internal.h"

#include <string.h>

enum own { OWN_RECEIVED = 1, OWN_ROUTER, OWN_EVENT_TIME, OWN_TYPE };

static const struct field_spec columns[] = {
    { "first", KIND_START, .id = 0 },
    { "last", KIND_END, .id = 0 },
    { "received", KIND_OWN, .own = OWN_RECEIVED },
    { "ip4_router", KIND_OWN, .own = OWN_ROUTER },
    { "ip6_router", KIND_OWN, .own = OWN_ROUTER },
    { "type", KIND_OWN, .own = OWN_TYPE },
    { "in_packets", KIND_UINT, 8, .id = 2 },
    { "in_bytes", KIND_UINT, 8, .id = 1 },
    { "out_packets", KIND_UINT, 8, .id = 24 },
    { "out_bytes", KIND_UINT, 8, .id = 23 },
    { "aggr_flows", KIND_UINT, 8, .id = 3 },
    { "proto", KIND_PROTO, .id = 4 },
    { "tcp_flags", KIND_FLAGS, .id = 6 },
    { "src_port", KIND_PORT, 2, .id = 7 },
    { "dst_port", KIND_PORT, 2, .id = 11 },
    { "icmp_type", KIND_ICMP_TYPE, .id = 0 },
    { "icmp_code", KIND_ICMP_CODE, .id = 0 },
    { "src_tos", KIND_UINT, 1, .id = 5 },
    { "dst_tos", KIND_UINT, 1, .id = 55 },
    { "src4_addr", KIND_ADDR, .id = 8 },
    { "dst4_addr", KIND_ADDR, .id = 12 },
    { "src6_addr", KIND_ADDR, .id = 8, .id6 = 27 },
    { "dst6_addr", KIND_ADDR, .id = 12, .id6 = 28 },
    { "src4_tun_ip", KIND_NEXT, .id = 8 },
    { "dst4_tun_ip", KIND_NEXT, .id = 12 },
    { "src6_tun_ip", KIND_NEXT, .id = 8, .id6 = 27 },
    { "dst6_tun_ip", KIND_NEXT, .id = 12, .id6 = 28 },
    { "src_as", KIND_UINT, 4, .id = 16 },
    { "dst_as", KIND_UINT, 4, .id = 17 },
    { "next_as", KIND_UINT, 4, .id = 128 },
    { "prev_as", KIND_UINT, 4, .id = 129 },
    { "input_snmp", KIND_UINT, 4, .id = 10 },
    { "output_snmp", KIND_UINT, 4, .id = 14 },
    { "src_mask", KIND_MASK, 1, .id = 9, .id6 = 29 },
    { "dst_mask", KIND_MASK, 1, .id = 13, .id6 = 30 },
    { "src_net", KIND_SKIP, .id = 0 }, /* address and mask again */
    { "dst_net", KIND_SKIP, .id = 0 },
    { "fwd_status", KIND_UINT, 1, .id = 89 },
    { "direction", KIND_UINT, 1, .id = 61 },
    { "src_vlan", KIND_UINT, 2, .id = 58 },
    { "dst_vlan", KIND_UINT, 2, .id = 59 },
    { "in_src_mac", KIND_MAC, .id = 56 },
    { "out_dst_mac", KIND_MAC, .id = 57 },
    { "in_dst_mac", KIND_MAC, .id = 80 },
    { "out_src_mac", KIND_MAC, .id = 81 },
    { "ip4_next_hop", KIND_NEXT, .id = 15 },
    { "ip6_next_hop", KIND_NEXT, .id = 15, .id6 = 62 },
    { "bgp4_next_hop", KIND_NEXT, .id = 18 },
    { "bgp6_next_hop", KIND_NEXT, .id = 18, .id6 = 63 },
    { "src4_xlt_ip", KIND_NEXT, .id = 225 },
    { "dst4_xlt_ip", KIND_NEXT, .id = 226 },
    { "src6_xlt_ip", KIND_NEXT, .id = 225, .id6 = 281 },
    { "dst6_xlt_ip", KIND_NEXT, .id = 226, .id6 = 282 },
    { "src_xlt_port", KIND_UINT, 2, .id = 227 },
    { "dst_xlt_port", KIND_UINT, 2, .id = 228 },
    { "connect_id", KIND_UINT, 8, .id = 148 },
    { "event_id", KIND_UINT, 1, .id = 233 },
    { "event", KIND_SKIP, .id = 0 }, /* the number's word */
    { "t_event", KIND_OWN, .id = 323, .own = OWN_EVENT_TIME },
    { "nat_event_id", KIND_UINT, 1, .id = 230 },
    { "nat_event", KIND_SKIP, .id = 0 },
    { "ingress_vrf", KIND_UINT, 4, .id = 234 },
    { "egress_vrf", KIND_UINT, 4, .id = 235 },
    { "pblock_start", KIND_UINT, 2, .id = 361 },
    { "pblock_end", KIND_UINT, 2, .id = 362 },
    { "pblock_step", KIND_UINT, 2, .id = 363 },
    { "pblock_size", KIND_UINT, 2, .id = 364 },
    { "user_name", KIND_TEXT, .id = 371 },
    { "label", KIND_TEXT, 0, PEN_WEIR, IMPORTED_LABEL },
    { "export_sysid", KIND_SKIP, .id = 0 }, /* a number inside the file */
    { 0 },
};

struct nfdump {
    struct convert *c;
    bool event; /* NSEL, NEL: counters of zero are none */
};

/* "... 09:47:49.5" is 5 ms: nfdump prints the fraction of this one as a number. */
static enum convert_reason event_time(struct row *r, const char *s, size_t len)
{
    const char *dot = memchr(s, '.', len);
    uint64_t ms = 0;
    int64_t us;

    if (dot != NULL && !text_number(dot + 1, len - (size_t)(dot - s) - 1, 999, &ms))
        return CONVERT_TIME;
    if (!time_parse(s, dot != NULL ? (size_t)(dot - s) : len, &us))
        return CONVERT_TIME;
    if (us > 0)
        row_uint(r, 0, 323, 8, (uint64_t)us / 1000 + ms);
    return CONVERT_REASON_N;
}

static enum convert_reason own(struct nfdump *n, const struct field_spec *f, const char *s,
                               size_t len)
{
    struct row *r = &n->c->row;
    int64_t us;

    switch (f->own) {
    case OWN_TYPE:
        n->event = text_is(s, len, "EVENT");
        return CONVERT_REASON_N;
    case OWN_RECEIVED:
        if (!time_parse(s, len, &us))
            return CONVERT_TIME;
        r->received_ms = us / 1000;
        return CONVERT_REASON_N;
    case OWN_ROUTER:
        return addr_parse(&r->exporter, s, len) ? CONVERT_REASON_N : CONVERT_ADDRESS;
    default:
        return event_time(r, s, len);
    }
}

static bool placeholder(const char *s, size_t len)
{
    return text_is(s, len, "<none>") || text_is(s, len, "<empty>");
}

static enum convert_reason value(struct nfdump *n, const struct json_pair *x)
{
    const struct field_spec *f = field_find(columns, x->name, x->name_len);
    struct convert *c = n->c;
    uint64_t v;

    if (x->null || (x->text && placeholder(x->value, x->value_len)))
        return CONVERT_REASON_N;
    if (f == NULL) {
        /* said in every record, mostly with 0: not sampled */
        if (text_is(x->name, x->name_len, "sampled") && text_is(x->value, x->value_len, "0"))
            return CONVERT_REASON_N;
        row_unknown(&c->row, x->name, x->name_len, x->value, x->value_len);
        return CONVERT_REASON_N;
    }
    if (f->kind == KIND_OWN)
        return own(n, f, x->value, x->value_len);
    if (f->kind == KIND_SKIP)
        return CONVERT_REASON_N;
    if (n->event && (f->id == 1 || f->id == 2) && f->kind == KIND_UINT &&
        text_number(x->value, x->value_len, UINT64_MAX, &v) && v == 0)
        return CONVERT_REASON_N;
    return convert_value(c, f, x->value, x->value_len);
}

static enum convert_reason one_object(struct nfdump *n, const char *s, size_t len, const char **bad,
                                      size_t *bad_len)
{
    struct convert *c = n->c;
    enum convert_reason why = CONVERT_REASON_N;
    struct row *r = &c->row;
    size_t pairs;

    if (!json_pairs(s, len, &c->hold, c->pair, MAX_COLUMNS, &pairs))
        return CONVERT_JSON;
    n->event = false;
    for (size_t i = 0; why == CONVERT_REASON_N && i < pairs; i++) {
        *bad = c->pair[i].value;
        *bad_len = c->pair[i].value_len;
        why = value(n, &c->pair[i]);
    }
    r->has_start &= r->start_us > 0; /* 1970 stands for none: events have no end */
    r->has_end &= r->end_us > 0;
    return why;
}

/* Objects begin with a line "{" and end with one that begins with "}". */
int nfdump_run(struct convert *c)
{
    struct nfdump n = { .c = c };
    struct buf one = buf_init(CONVERT_MAX_LINE);
    const char *line, *bad;
    size_t len, bad_len;
    bool inside = false;
    int rc;

    while ((rc = input_line(&c->in, &line, &len, c->e)) == ERR_OK) {
        enum convert_reason why = CONVERT_TOO_LONG;
        c->st->lines++;
        if (len == SIZE_MAX) {
            one.bad = true;
            continue;
        }
        if (!inside && (len == 0 || line[0] != '{'))
            continue;
        if (!inside)
            buf_clear(&one);
        inside = true;
        if (line[0] == '}')
            len = 1;
        buf_put(&one, line, len);
        buf_char(&one, '\n');
        if (line[0] != '}')
            continue;
        inside = false;
        row_clear(&c->row, &c->opt->exporter);
        bad = line;
        bad_len = 1;
        if (buf_ok(&one))
            why = one_object(&n, (const char *)one.p, one.len, &bad, &bad_len);
        if ((rc = convert_row(c, why, bad, bad_len)) != ERR_OK)
            break;
    }
    if (rc == ERR_NOTFOUND && inside) { /* the last object is not whole */
        row_clear(&c->row, &c->opt->exporter);
        rc = convert_row(c, CONVERT_JSON, "the last record is cut off", 26);
    }
    buf_free(&one);
    return rc == ERR_NOTFOUND ? ERR_OK : rc;
}
