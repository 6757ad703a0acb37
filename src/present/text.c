#include "present/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "flow/elem.h"

#define DAY_MS 86400000

/* Days since 1970 to year, month, day (proleptic Gregorian; Howard Hinnant's era method). */
static void civil(int64_t days, int64_t *y, unsigned *m, unsigned *d)
{
    int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097;
    unsigned doe = (unsigned)(z - era * 146097);
    unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;

    *d = doy - (153 * mp + 2) / 5 + 1;
    *m = mp < 10 ? mp + 3 : mp - 9;
    *y = (int64_t)yoe + era * 400 + (*m <= 2);
}

void text_domain_cell(uint32_t domain, uint16_t version, char out[24])
{
    if (version != EXPORT_SFLOW5)
        (void)snprintf(out, 24, "%u", domain);
    else if (domain >> 24 == 0) /* an IPv6 address is known by a hash */
        (void)snprintf(out, 24, "#%06x", domain);
    else
        (void)snprintf(out, 24, "%u.%u.%u.%u", domain >> 24, domain >> 16 & 255, domain >> 8 & 255,
                       domain & 255);
}

const char *text_version_cell(uint16_t version, char out[24])
{
    if (version == EXPORT_SFLOW5)
        return "sFlow";
    if (version == 10)
        return "IPFIX";
    (void)snprintf(out, 24, "v%u", version);
    return out;
}

void text_domain(struct buf *out, uint32_t domain, uint16_t version)
{
    char cell[24];

    text_domain_cell(domain, version, cell);
    buf_printf(out, "%s %s, ", version == EXPORT_SFLOW5 ? "agent" : "domain", cell);
    if (version == EXPORT_SFLOW5 || version == 10)
        buf_str(out, version == 10 ? "IPFIX" : "sFlow v5");
    else
        buf_printf(out, "NetFlow v%u", version);
}

void text_time(struct buf *out, int64_t utc_ms, const struct zone *z, char gap)
{
    int32_t off = zone_offset_s(z, utc_ms);
    int64_t ms = utc_ms + (int64_t)off * 1000, days = ms / DAY_MS, rest = ms % DAY_MS, y;
    unsigned mon, day;

    if (rest < 0) {
        rest += DAY_MS;
        days--;
    }
    civil(days, &y, &mon, &day);
    buf_printf(out, "%04lld-%02u-%02u%c%02u:%02u:%02u.%03u", (long long)y, mon, day, gap,
               (unsigned)(rest / 3600000), (unsigned)(rest / 60000 % 60),
               (unsigned)(rest / 1000 % 60), (unsigned)(rest % 1000));
    if (gap != 'T')
        return;
    if (off == 0)
        buf_char(out, 'Z');
    else
        buf_printf(out, "%c%02d:%02d", off < 0 ? '-' : '+', (off < 0 ? -off : off) / 3600,
                   (off < 0 ? -off : off) / 60 % 60);
}

void text_human_real(struct buf *out, double v)
{
    static const char prefix[] = "kMGTPE";
    size_t i = 0;

    if (v < 99999.5) {
        text_real(out, v);
        return;
    }
    for (v /= 1000; v >= 999.5 && i + 2 < sizeof prefix; i++)
        v /= 1000;
    buf_printf(out, "%.*f %c", v < 9.995 ? 2 : v < 99.95 ? 1 : 0, v, prefix[i]);
}

void text_human(struct buf *out, uint64_t v)
{
    if (v < 100000)
        buf_printf(out, "%llu", (unsigned long long)v);
    else
        text_human_real(out, (double)v);
}

void text_real(struct buf *out, double v)
{
    if (!isfinite(v))
        buf_char(out, '0');
    else if (v == floor(v) && fabs(v) < 1e15)
        buf_printf(out, "%.0f", v);
    else
        buf_printf(out, "%.3f", v);
}

void text_error(struct buf *out, double relative)
{
    double percent = relative * 100;

    if (percent >= 9.95)
        buf_printf(out, " \u00b1%.0f %%", percent);
    else if (percent >= 0.095)
        buf_printf(out, " \u00b1%.1f %%", percent);
    else if (percent > 0)
        buf_str(out, " \u00b1<0.1 %");
}

void text_duration(struct buf *out, uint64_t ms)
{
    if (ms < 60000)
        buf_printf(out, "%llu.%03llu s", (unsigned long long)(ms / 1000),
                   (unsigned long long)(ms % 1000));
    else if (ms < 86400000)
        buf_printf(out, "%02llu:%02llu:%02llu", (unsigned long long)(ms / 3600000),
                   (unsigned long long)(ms / 60000 % 60), (unsigned long long)(ms / 1000 % 60));
    else
        buf_printf(out, "%llu d %02llu:%02llu", (unsigned long long)(ms / 86400000),
                   (unsigned long long)(ms / 3600000 % 24), (unsigned long long)(ms / 60000 % 60));
}

void text_proto(struct buf *out, uint64_t proto)
{
    static const struct {
        uint8_t number;
        const char *name;
    } names[] = { { 1, "icmp" },  { 2, "igmp" },  { 4, "ipip" },   { 6, "tcp" },   { 17, "udp" },
                  { 41, "ipv6" }, { 47, "gre" },  { 50, "esp" },   { 51, "ah" },   { 58, "icmp6" },
                  { 89, "ospf" }, { 103, "pim" }, { 112, "vrrp" }, { 132, "sctp" } };

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (names[i].number == proto) {
            buf_str(out, names[i].name);
            return;
        }
    buf_printf(out, "%llu", (unsigned long long)proto);
}

void text_flags(struct buf *out, uint64_t flags)
{
    static const char letters[] = "CEUAPRSF";

    for (unsigned i = 0; i < 8; i++)
        buf_char(out, (flags >> (7 - i) & 1) != 0 ? letters[i] : '.');
}

void text_json_string(struct buf *out, const char *s, size_t len)
{
    buf_char(out, '"');
    for (size_t i = 0; i < len; i++) {
        uint8_t c = (uint8_t)s[i];
        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c < 0x20)
            buf_printf(out, "\\u%04x", c);
        else
            buf_put(out, &s[i], 1);
    }
    buf_char(out, '"');
}

void text_csv(struct buf *out, const char *s, size_t len)
{
    bool quote = false;

    for (size_t i = 0; i < len; i++)
        quote |= s[i] == '"' || s[i] == ',' || s[i] == '\n' || s[i] == '\r';
    if (!quote) {
        buf_put(out, s, len);
        return;
    }
    buf_char(out, '"');
    for (size_t i = 0; i < len; i++) {
        if (s[i] == '"')
            buf_char(out, '"');
        buf_put(out, &s[i], 1);
    }
    buf_char(out, '"');
}

static void text_addr(struct buf *out, const struct cell *c)
{
    char text[ADDR_TEXT_MAX];

    (void)addr_format(&c->a, text);
    buf_str(out, text);
    if (c->prefix != 255)
        buf_printf(out, "/%u", c->prefix);
}

void text_cell(struct buf *out, const struct cell *c, const struct zone *z, bool json)
{
    switch ((enum cell_kind)c->kind) {
    case CELL_ABSENT:
        if (json)
            buf_str(out, "null");
        return;
    case CELL_UINT:
        buf_printf(out, "%llu", (unsigned long long)c->u);
        return;
    case CELL_REAL:
        text_real(out, c->real);
        return;
    case CELL_TIME:
        if (json)
            buf_char(out, '"');
        text_time(out, (int64_t)c->u, z, 'T');
        if (json)
            buf_char(out, '"');
        return;
    case CELL_ADDR:
        if (json)
            buf_char(out, '"');
        text_addr(out, c);
        if (json)
            buf_char(out, '"');
        return;
    case CELL_TEXT:
        if (json)
            text_json_string(out, c->text, c->text_len);
        else
            text_csv(out, c->text, c->text_len);
        return;
    }
}

static bool is_volume(const struct answer_column *col)
{
    const char *n = col->name;

    return strstr(n, "bytes") != NULL || strstr(n, "packets") != NULL || strcmp(n, "bps") == 0 ||
           strcmp(n, "pps") == 0 || strcmp(n, "flows") == 0;
}

static void human_uint(struct buf *out, uint64_t u, const struct answer_column *col)
{
    if (col->role == ROLE_MEASURE && col->measure == MEASURE_DURATION_MS)
        text_duration(out, u);
    else if (col->role == ROLE_MEASURE || is_volume(col))
        text_human(out, u);
    else if (col->what == WHAT_AS)
        buf_printf(out, "AS%llu", (unsigned long long)u);
    else if (strcmp(col->name, "proto") == 0)
        text_proto(out, u);
    else if (strcmp(col->name, "flags") == 0)
        text_flags(out, u);
    else if (strcmp(col->name, "duration") == 0)
        text_duration(out, u);
    else
        buf_printf(out, "%llu", (unsigned long long)u);
}

/* A terminal must not be steered by a record. */
static void text_plain(struct buf *out, const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        buf_char(out, (uint8_t)s[i] < 0x20 || s[i] == 0x7f ? '.' : s[i]);
}

void text_cell_human(struct buf *out, const struct cell *c, const struct answer_column *col,
                     const struct zone *z)
{
    switch ((enum cell_kind)c->kind) {
    case CELL_ABSENT:
        buf_str(out, "\xe2\x80\x93"); /* en dash: absent is not zero */
        return;
    case CELL_UINT:
        human_uint(out, c->u, col);
        if (c->name_len > 0)
            buf_char(out, ' ');
        text_plain(out, c->name, c->name_len);
        return;
    case CELL_REAL:
        text_human_real(out, c->real);
        return;
    case CELL_TIME:
        text_time(out, (int64_t)c->u, z, ' ');
        return;
    case CELL_ADDR:
        text_addr(out, c);
        return;
    case CELL_TEXT:
        text_plain(out, c->text, c->text_len);
        return;
    }
}

/* --------------------------------------------------------------- whole records */

static bool same_element(const struct shape_field *a, const struct shape_field *b)
{
    return a->pen == b->pen && a->id == b->id;
}

static bool stands_before(const struct shape *s, unsigned i)
{
    for (unsigned k = 0; k < i; k++)
        if (same_element(&s->f[k], &s->f[i]))
            return true;
    return false;
}

static bool stands_behind(const struct shape *s, unsigned i)
{
    for (unsigned k = i + 1u; k < s->n_fields; k++)
        if (same_element(&s->f[k], &s->f[i]))
            return true;
    return false;
}

static void value_json(struct buf *out, const struct record_field *f)
{
    elem_json(out, f->f->pen, f->f->id, f->p, f->len);
}

/* All values of the element at field i, which stands there for the first time, as an array. */
static void array_json(struct buf *out, const struct record *r, unsigned i)
{
    struct record_iter it = { 0 };
    struct record_field f;
    const char *sep = "[";

    while (record_next(r, &it, &f)) {
        if (!same_element(f.f, &r->shape->f[i]))
            continue;
        buf_str(out, sep);
        value_json(out, &f);
        sep = ",";
    }
    buf_char(out, ']');
}

static void facts_json(struct buf *out, const struct answer_row *row, const struct zone *z)
{
    char addr[ADDR_TEXT_MAX];
    const struct exporter_key *k = row->record->exporter;

    (void)addr_format(&k->addr, addr);
    buf_printf(out, "\"weir.exporter\":\"%s\",\"weir.domain\":%u,\"weir.version\":%u", addr,
               k->domain, k->version);
    buf_str(out, ",\"weir.received\":\"");
    text_time(out, row->received_ms, z, 'T');
    buf_str(out, "\",\"weir.start\":\"");
    text_time(out, row->start_ms, z, 'T');
    buf_str(out, "\",\"weir.end\":\"");
    text_time(out, row->end_ms, z, 'T');
    buf_char(out, '"');
}

void text_record_json(struct buf *out, const struct answer_row *row, const struct zone *z,
                      bool facts)
{
    const struct record *r = row->record;
    struct record_iter it = { 0 };
    struct record_field f;
    const char *sep = "";
    char name[128];

    buf_char(out, '{');
    if (facts) {
        facts_json(out, row, z);
        sep = ",";
    }
    while (record_next(r, &it, &f)) {
        unsigned i = it.field - 1u;
        if (stands_before(r->shape, i))
            continue;
        (void)elem_name(f.f->pen, f.f->id, name, sizeof name);
        buf_str(out, sep);
        sep = ",";
        text_json_string(out, name, strlen(name));
        buf_char(out, ':');
        if (stands_behind(r->shape, i))
            array_json(out, r, i);
        else
            value_json(out, &f);
    }
    buf_char(out, '}');
}
