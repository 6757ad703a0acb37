/* Argus' flow records as "ra -c ," prints them, and data sets made so (binetflow). */
#include "convert/internal.h"

#include <string.h>

enum own { OWN_PROTO = 1, OWN_SRC, OWN_DST, OWN_SPORT, OWN_DPORT, OWN_TOT_BYTES, OWN_TOT_PKTS };

static const struct field_spec columns[] = {
    { "StartTime", KIND_START, .id = 0 },
    { "LastTime", KIND_END, .id = 0 },
    { "Dur", KIND_DURATION, .id = 0 },
    { "Proto", KIND_PROTO, .id = 4 },
    { "SrcAddr", KIND_OWN, .id = 8, .id6 = 27, .own = OWN_SRC },
    { "DstAddr", KIND_OWN, .id = 12, .id6 = 28, .own = OWN_DST },
    { "Sport", KIND_OWN, 2, .id = 7, .own = OWN_SPORT },
    { "Dport", KIND_OWN, 2, .id = 11, .own = OWN_DPORT },
    { "Dir", KIND_TEXT, 0, PEN_WEIR, ARGUS_DIRECTION },
    { "State", KIND_TEXT, 0, PEN_WEIR, ARGUS_STATE },
    { "sTos", KIND_UINT, 1, .id = 5 },
    { "dTos", KIND_UINT, 1, PEN_REVERSE, 5 },
    { "sTtl", KIND_UINT, 1, .id = 192 },
    { "dTtl", KIND_UINT, 1, PEN_REVERSE, 192 },
    { "TotPkts", KIND_OWN, 8, .own = OWN_TOT_PKTS },
    { "TotBytes", KIND_OWN, 8, .own = OWN_TOT_BYTES },
    { "SrcPkts", KIND_UINT, 8, .id = 2 },
    { "DstPkts", KIND_UINT, 8, PEN_REVERSE, 2 },
    { "SrcBytes", KIND_UINT, 8, .id = 1 },
    { "DstBytes", KIND_UINT, 8, PEN_REVERSE, 1 },
    { "Label", KIND_TEXT, 0, PEN_WEIR, IMPORTED_LABEL },
    { 0 },
};

struct line {
    struct convert *c;
    bool icmp;
    uint64_t total_bytes, total_packets, src_bytes, src_packets;
    bool has_total_bytes, has_total_packets, has_src_bytes, has_src_packets;
};

static void port_text(struct line *l, const struct field_spec *f, const char *s, size_t len)
{
    row_text(&l->c->row, PEN_WEIR, f->own == OWN_SPORT ? ARGUS_SRC_PORT : ARGUS_DST_PORT, s, len);
}

/* Ports of TCP and UDP are numbers. Of ICMP the first is type and code (the octets of a little
 * endian number, 0x0103 is type 3 code 1), the second an identifier. */
static enum convert_reason port(struct line *l, const struct field_spec *f, const char *s,
                                size_t len)
{
    struct row *r = &l->c->row;
    uint64_t v;

    if (!text_number(s, len, UINT16_MAX, &v)) {
        port_text(l, f, s, len); /* a name, or more than a port */
        return CONVERT_REASON_N;
    }
    if (!l->icmp) {
        row_uint(r, 0, f->id, 2, v);
        if (len > 2 && s[1] == 'x')
            port_text(l, f, s, len);
        return CONVERT_REASON_N;
    }
    port_text(l, f, s, len);
    if (f->own == OWN_SPORT) {
        r->icmp_type_set = r->icmp_code_set = true;
        r->icmp_type = (uint8_t)v;
        r->icmp_code = (uint8_t)(v >> 8);
    }
    return CONVERT_REASON_N;
}

static enum convert_reason address(struct line *l, const struct field_spec *f, const char *s,
                                   size_t len)
{
    struct field_spec ip = *f;
    struct addr a;

    ip.kind = KIND_ADDR;
    if (addr_parse(&a, s, len))
        return field_put(&l->c->row, &ip, s, len);
    if (len == 17) { /* of protocols below IP */
        ip = (struct field_spec){ .kind = KIND_MAC, .id = f->own == OWN_SRC ? 56 : 80 };
        return field_put(&l->c->row, &ip, s, len);
    }
    row_unknown(&l->c->row, f->name, strlen(f->name), s, len);
    return CONVERT_REASON_N;
}

static enum convert_reason total(const char *s, size_t len, uint64_t *v, bool *has)
{
    *has = true;
    return text_number(s, len, UINT64_MAX, v) ? CONVERT_REASON_N : CONVERT_NUMBER;
}

static enum convert_reason value(struct line *l, const struct field_spec *f, const char *s,
                                 size_t len)
{
    for (; len > 0 && *s == ' '; len--)
        s++;
    while (len > 0 && s[len - 1] == ' ')
        len--;
    if (len == 0)
        return CONVERT_REASON_N;
    if (f->kind == KIND_UINT && f->pen == 0 && f->id == 1)
        (void)total(s, len, &l->src_bytes, &l->has_src_bytes);
    if (f->kind == KIND_UINT && f->pen == 0 && f->id == 2)
        (void)total(s, len, &l->src_packets, &l->has_src_packets);
    switch (f->own) {
    case OWN_SRC:
    case OWN_DST:
        return address(l, f, s, len);
    case OWN_SPORT:
    case OWN_DPORT:
        return port(l, f, s, len);
    case OWN_TOT_BYTES:
        return total(s, len, &l->total_bytes, &l->has_total_bytes);
    case OWN_TOT_PKTS:
        return total(s, len, &l->total_packets, &l->has_total_packets);
    default:
        return convert_value(l->c, f, s, len);
    }
}

/* The total of both directions less the one that is known is the other; alone it is taken as the
 * forward one. */
static enum convert_reason put_total(struct line *l, uint16_t id, uint64_t all, bool has_src,
                                     uint64_t src, bool has_dst)
{
    if (has_src && all < src)
        return CONVERT_NUMBER;
    if (!has_src)
        row_uint(&l->c->row, 0, id, 8, all);
    else if (!has_dst)
        row_uint(&l->c->row, PEN_REVERSE, id, 8, all - src);
    return CONVERT_REASON_N;
}

static enum convert_reason one_line(struct line *l, const char **bad, size_t *bad_len)
{
    struct convert *c = l->c;
    enum convert_reason why = CONVERT_REASON_N;

    if (c->n_columns != c->n_specs)
        return CONVERT_COLUMNS;
    for (size_t i = 0; i < c->n_specs; i++) /* before its ports */
        if (c->spec[i].kind == KIND_PROTO)
            l->icmp = text_is(c->column[i], c->column_len[i], "icmp") ||
                      text_is(c->column[i], c->column_len[i], "ipv6-icmp");
    for (size_t i = 0; why == CONVERT_REASON_N && i < c->n_specs; i++) {
        *bad = c->column[i];
        *bad_len = c->column_len[i];
        why = value(l, &c->spec[i], c->column[i], c->column_len[i]);
    }
    if (why == CONVERT_REASON_N && l->has_total_bytes)
        why = put_total(l, 1, l->total_bytes, l->has_src_bytes, l->src_bytes,
                        convert_has(c, "DstBytes"));
    if (why == CONVERT_REASON_N && l->has_total_packets)
        why = put_total(l, 2, l->total_packets, l->has_src_packets, l->src_packets,
                        convert_has(c, "DstPkts"));
    return why;
}

static int header(struct convert *c, char *line, size_t len)
{
    int rc;

    if (!split_line(c, line, len, ',', false))
        return err_set(c->e, ERR_FORMAT, "the header has more than %u columns", MAX_COLUMNS);
    if ((rc = convert_header(c, columns)) != ERR_OK)
        return rc;
    if (!convert_has(c, "StartTime") || !convert_has(c, "SrcAddr") || !convert_has(c, "DstAddr"))
        return err_set(c->e, ERR_FORMAT,
                       "the header names no StartTime, SrcAddr and DstAddr: print them with "
                       "ra -c , -s stime dur proto saddr sport dir daddr dport state pkts bytes");
    return ERR_OK;
}

int argus_run(struct convert *c)
{
    const char *line, *bad;
    size_t len, bad_len;
    int rc;

    while ((rc = input_line(&c->in, &line, &len, c->e)) == ERR_OK) {
        struct line l = { .c = c };
        enum convert_reason why = CONVERT_TOO_LONG;
        char *own = (char *)c->in.p + (line - (const char *)c->in.p); /* of the buffer */
        c->st->lines++;
        if (len == 0)
            continue;
        if (c->n_specs == 0) {
            if ((rc = header(c, own, len == SIZE_MAX ? 0 : len)) != ERR_OK)
                return rc;
            continue;
        }
        row_clear(&c->row, &c->opt->exporter);
        bad = line;
        bad_len = len == SIZE_MAX ? 40 : len;
        if (len != SIZE_MAX)
            why = split_line(c, own, len, ',', false) ? one_line(&l, &bad, &bad_len)
                                                      : CONVERT_COLUMNS;
        if ((rc = convert_row(c, why, bad, bad_len)) != ERR_OK)
            return rc;
    }
    if (rc != ERR_NOTFOUND)
        return rc;
    return c->n_specs > 0 ? ERR_OK : err_set(c->e, ERR_FORMAT, "the file is empty");
}
