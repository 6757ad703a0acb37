#include "convert/internal.h"

#include <string.h>

#include "flow/elem.h"

/* Names that tools print for protocols; others are kept as text. RTP, RTCP and UDT run over UDP. */
static const struct {
    const char *name;
    uint8_t number;
    bool keep; /* the number does not give the name back */
} protocols[] = {
    { "tcp", 6, false },       { "udp", 17, false },   { "icmp", 1, false },
    { "icmp6", 58, true },     { "icmpv6", 58, true }, { "ipv6-icmp", 58, false },
    { "igmp", 2, false },      { "gre", 47, false },   { "esp", 50, false },
    { "ah", 51, false },       { "sctp", 132, false }, { "ospf", 89, false },
    { "ospfigp", 89, true },   { "pim", 103, false },  { "ipip", 4, false },
    { "ipencap", 4, true },    { "ipv6", 41, false },  { "eigrp", 88, false },
    { "vrrp", 112, false },    { "l2tp", 115, false }, { "rsvp", 46, false },
    { "udplite", 136, false }, { "dccp", 33, false },  { "egp", 8, false },
    { "rtp", 17, true },       { "rtcp", 17, true },   { "udt", 17, true },
};

bool text_is(const char *s, size_t len, const char *word)
{
    size_t i;

    for (i = 0; i < len && word[i] != '\0'; i++) {
        char a = s[i], b = word[i];
        a = (char)(a >= 'A' && a <= 'Z' ? a + 32 : a);
        b = (char)(b >= 'A' && b <= 'Z' ? b + 32 : b);
        if (a != b)
            return false;
    }
    return i == len && word[i] == '\0';
}

const struct field_spec *field_find(const struct field_spec *table, const char *s, size_t len)
{
    for (; table->name != NULL; table++)
        if (text_is(s, len, table->name))
            return table;
    return NULL;
}

static bool hex_number(const char *s, size_t len, uint64_t *out)
{
    *out = 0;
    if (len == 0 || len > 16)
        return false;
    for (size_t i = 0; i < len; i++) {
        unsigned c = (unsigned char)s[i], lower = c | 0x20;
        if (c >= '0' && c <= '9')
            *out = *out << 4 | (c - '0');
        else if (lower >= 'a' && lower <= 'f')
            *out = *out << 4 | (lower - 'a' + 10);
        else
            return false;
    }
    return true;
}

bool text_number(const char *s, size_t len, uint64_t max, uint64_t *out)
{
    size_t i = 0;

    *out = 0;
    if (len > 2 && s[0] == '0' && (s[1] | 0x20) == 'x')
        return hex_number(s + 2, len - 2, out) && *out <= max;
    for (; i < len && s[i] >= '0' && s[i] <= '9'; i++) {
        uint64_t d = (uint64_t)(s[i] - '0');
        if (*out > (UINT64_MAX - d) / 10)
            return false;
        *out = *out * 10 + d;
    }
    if (i == 0)
        return false;
    if (i < len && s[i] == '.') /* "12.0", as tables of numbers are often written */
        for (i++; i < len && s[i] == '0'; i++)
            ;
    return i == len && *out <= max;
}

static uint64_t largest(unsigned octets)
{
    return octets >= 8 ? UINT64_MAX : (1ull << octets * 8) - 1;
}

static enum convert_reason put_number(struct row *r, const struct field_spec *f, const char *s,
                                      size_t len)
{
    uint64_t v;

    if (!text_number(s, len, largest(f->len), &v))
        return CONVERT_NUMBER;
    row_uint(r, f->pen, f->id, f->len, v);
    return CONVERT_REASON_N;
}

static enum convert_reason put_addr(struct row *r, const struct field_spec *f, const char *s,
                                    size_t len)
{
    struct addr a;

    if (!addr_parse(&a, s, len))
        return CONVERT_ADDRESS;
    if (f->kind == KIND_ADDR && (f->id == 8 || f->id == 12))
        r->v6 = !addr_is_v4(&a);
    if (addr_is_v4(&a) && f->id != 0)
        row_octets(r, f->pen, f->id, a.b + 12, 4);
    else if (!addr_is_v4(&a) && f->id6 != 0)
        row_octets(r, f->pen, f->id6, a.b, 16);
    else
        return CONVERT_ADDRESS;
    return CONVERT_REASON_N;
}

void field_put_proto(struct row *r)
{
    const char *s = r->proto_text;
    size_t len = r->proto_len;
    uint64_t v;

    if (s == NULL)
        return;
    if (text_number(s, len, 255, &v)) {
        row_uint(r, 0, 4, 1, v);
        r->proto = (uint8_t)v;
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(protocols); i++) {
        if (!text_is(s, len, protocols[i].name))
            continue;
        v = protocols[i].number;
        r->proto = (uint8_t)(v == 1 && r->v6 ? 58 : v);
        row_uint(r, 0, 4, 1, r->proto);
        if (protocols[i].keep || r->proto != v)
            row_text(r, PEN_WEIR, IMPORTED_PROTOCOL, s, len);
        return;
    }
    row_text(r, PEN_WEIR, IMPORTED_PROTOCOL, s, len);
}

static enum convert_reason put_flags(struct row *r, const char *s, size_t len)
{
    static const char letters[] = "FSRPAUEC";
    uint64_t v = 0;

    if (!text_number(s, len, UINT16_MAX, &v))
        for (size_t i = 0; i < len; i++) {
            const char *at = s[i] == '\0' ? NULL : strchr(letters, s[i]);
            if (at == NULL && s[i] != '.')
                return CONVERT_NUMBER;
            v |= at != NULL ? 1ull << (at - letters) : 0;
        }
    row_uint(r, 0, 6, v > 255 ? 2 : 1, v);
    return CONVERT_REASON_N;
}

static enum convert_reason put_mac(struct row *r, const struct field_spec *f, const char *s,
                                   size_t len)
{
    uint8_t mac[6];
    uint64_t v;

    if (len != 17)
        return CONVERT_ADDRESS;
    for (size_t i = 0; i < 6; i++) {
        if (!hex_number(s + i * 3, 2, &v) || (i < 5 && s[i * 3 + 2] != ':' && s[i * 3 + 2] != '-'))
            return CONVERT_ADDRESS;
        mac[i] = (uint8_t)v;
    }
    row_octets(r, f->pen, f->id, mac, 6);
    return CONVERT_REASON_N;
}

static enum convert_reason put_bool(struct row *r, const struct field_spec *f, const char *s,
                                    size_t len)
{
    bool yes = text_is(s, len, "T") || text_is(s, len, "true") || text_is(s, len, "1");

    if (!yes && !text_is(s, len, "F") && !text_is(s, len, "false") && !text_is(s, len, "0"))
        return CONVERT_NUMBER;
    row_uint(r, f->pen, f->id, 1, yes ? 1 : 2);
    return CONVERT_REASON_N;
}

uint64_t field_ntp(int64_t us)
{
    uint64_t s = (uint64_t)us / 1000000, part = (uint64_t)us % 1000000;

    return (s + 2208988800u) << 32 | ((part << 32) + 999999) / 1000000;
}

/* A value by the dictionary's type of its element. */
static enum convert_reason put_element(struct row *r, const struct field_spec *f, const char *s,
                                       size_t len)
{
    const struct elem *x =
        elem_find(f->pen == PEN_REVERSE ? 0 : f->pen, f->id); /* RFC 5103: of the same type */
    struct field_spec y = *f;
    int64_t us;

    switch (x != NULL ? (enum elem_type)x->type : ELEM_STRING) {
    case ELEM_UNSIGNED8:
        y.len = 1;
        return put_number(r, &y, s, len);
    case ELEM_UNSIGNED16:
        y.len = 2;
        return put_number(r, &y, s, len);
    case ELEM_UNSIGNED32:
        y.len = 4;
        return put_number(r, &y, s, len);
    case ELEM_UNSIGNED64:
        y.len = 8;
        return put_number(r, &y, s, len);
    case ELEM_BOOLEAN:
        return put_bool(r, &y, s, len);
    case ELEM_MAC_ADDRESS:
        return put_mac(r, &y, s, len);
    case ELEM_IPV4_ADDRESS:
        y.kind = KIND_NEXT;
        y.id6 = 0;
        return put_addr(r, &y, s, len);
    case ELEM_IPV6_ADDRESS:
        y.kind = KIND_NEXT;
        y.id6 = y.id;
        y.id = 0;
        return put_addr(r, &y, s, len);
    case ELEM_DATE_TIME_SECONDS:
    case ELEM_DATE_TIME_MILLISECONDS:
    case ELEM_DATE_TIME_MICROSECONDS:
    case ELEM_DATE_TIME_NANOSECONDS:
        if (!time_parse(s, len, &us))
            return CONVERT_TIME;
        if (x->type == ELEM_DATE_TIME_SECONDS)
            row_uint(r, f->pen, f->id, 4, (uint64_t)us / 1000000);
        else if (x->type == ELEM_DATE_TIME_MILLISECONDS)
            row_uint(r, f->pen, f->id, 8, (uint64_t)us / 1000);
        else
            row_uint(r, f->pen, f->id, 8, field_ntp(us));
        return CONVERT_REASON_N;
    case ELEM_OCTET_ARRAY:
    case ELEM_SIGNED8:
    case ELEM_SIGNED16:
    case ELEM_SIGNED32:
    case ELEM_SIGNED64:
    case ELEM_FLOAT32:
    case ELEM_FLOAT64:
    case ELEM_BASIC_LIST:
    case ELEM_SUB_TEMPLATE_LIST:
    case ELEM_SUB_TEMPLATE_MULTI_LIST:
        return CONVERT_NUMBER; /* refused where the map is read */
    case ELEM_STRING:
    case ELEM_TYPE_N:
        break;
    }
    row_text(r, f->pen, f->id, s, len);
    return CONVERT_REASON_N;
}

static enum convert_reason put_time(struct row *r, const struct field_spec *f, const char *s,
                                    size_t len)
{
    bool start = f->kind == KIND_START;
    int64_t us;

    if (!time_parse(s, len, &us))
        return CONVERT_TIME;
    if (f->kind == KIND_TIME_MS) {
        row_uint(r, f->pen, f->id, 8, (uint64_t)us / 1000);
        return CONVERT_REASON_N;
    }
    *(start ? &r->has_start : &r->has_end) = true;
    *(start ? &r->start_us : &r->end_us) = us;
    return CONVERT_REASON_N;
}

static enum convert_reason put_icmp(struct row *r, const struct field_spec *f, const char *s,
                                    size_t len)
{
    bool type = f->kind == KIND_ICMP_TYPE;
    uint64_t v;

    if (!text_number(s, len, 255, &v))
        return CONVERT_NUMBER;
    *(type ? &r->icmp_type_set : &r->icmp_code_set) = true;
    *(type ? &r->icmp_type : &r->icmp_code) = (uint8_t)v;
    return CONVERT_REASON_N;
}

static enum convert_reason put_duration(struct row *r, bool ms, const char *s, size_t len)
{
    uint64_t v;

    r->has_duration = true;
    if (!ms)
        return duration_parse(s, len, &r->duration_us) ? CONVERT_REASON_N : CONVERT_TIME;
    if (!text_number(s, len, UINT32_MAX, &v))
        return CONVERT_TIME;
    r->duration_us = (int64_t)v * 1000;
    return CONVERT_REASON_N;
}

enum convert_reason field_put(struct row *r, const struct field_spec *f, const char *s, size_t len)
{
    struct field_spec y = *f;

    switch ((enum field_kind)f->kind) {
    case KIND_UINT:
    case KIND_PORT:
        return put_number(r, f, s, len);
    case KIND_TEXT:
        row_text(r, f->pen, f->id, s, len);
        return CONVERT_REASON_N;
    case KIND_ADDR:
    case KIND_NEXT:
        return put_addr(r, f, s, len);
    case KIND_PROTO:
        r->proto_text = s; /* "icmp" means another number where the addresses are IPv6 */
        r->proto_len = len;
        return CONVERT_REASON_N;
    case KIND_BOOL:
        return put_bool(r, f, s, len);
    case KIND_MAC:
        return put_mac(r, f, s, len);
    case KIND_FLAGS:
        return put_flags(r, s, len);
    case KIND_MASK:
        y.id = r->v6 ? f->id6 : f->id;
        return put_number(r, &y, s, len);
    case KIND_START:
    case KIND_END:
    case KIND_TIME_MS:
        return put_time(r, f, s, len);
    case KIND_DURATION:
        return put_duration(r, false, s, len);
    case KIND_DURATION_MS:
        return put_duration(r, true, s, len);
    case KIND_ICMP_TYPE:
    case KIND_ICMP_CODE:
        return put_icmp(r, f, s, len);
    case KIND_ELEMENT:
        return put_element(r, f, s, len);
    case KIND_SKIP:
    case KIND_OWN:
        break;
    }
    return CONVERT_REASON_N;
}
