/* Columns read when first asked for, and values of single rows. */
#include <stdlib.h>
#include <string.h>

#include "flow/elem.h"
#include "query/define.h"
#include "query/match.h"
#include "query/service.h"

#define DAY_MS 86400000

/* ------------------------------------------------------------------ columns */

static int no_memory(struct scan *s)
{
    return err_set(s->e, ERR_NOMEM, "query: out of memory");
}

int scan_col32(struct scan *s, enum col c, const uint32_t **out)
{
    int rc;

    if (s->col32[c] == NULL && (s->col32[c] = malloc(ROWSET_VECTOR * sizeof(uint32_t))) == NULL)
        return no_memory(s);
    *out = s->col32[c];
    if ((s->loaded32 >> c & 1) != 0)
        return ERR_OK;
    rc = s->rs->ops->read(s->rs, s->block, c, s->first, s->n, s->col32[c], s->e);
    if (rc == ERR_OK)
        s->loaded32 |= COL_BIT(c);
    return rc;
}

SIMD_CLONES
static void widen(uint64_t *restrict out, const uint32_t *restrict in, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        out[i] = in[i];
}

bool scan_const(const struct scan *s, enum col c, uint64_t *v)
{
    uint64_t max;

    return s->rs->ops->zone(s->rs, s->block, c, v, &max) && *v == max;
}

/* Values that index tables: only a read makes sure that they name what is there. */
static bool names_entry(enum col c)
{
    return col_info[c].kind == COL_KIND_ADDR || c == COL_EXPORTER || c == COL_SHAPE;
}

/* A column that is one value in the block is not decoded, and not written again while it stays. */
static void fill_same(struct scan *s, enum col c, uint64_t v)
{
    s->loaded |= COL_BIT(c);
    if ((s->same >> c & 1) != 0 && s->same_value[c] == v)
        return;
    for (uint32_t i = 0; i < ROWSET_VECTOR; i++)
        s->col[c][i] = v;
    s->same |= COL_BIT(c);
    s->same_value[c] = v;
}

int scan_col(struct scan *s, enum col c, const uint64_t **out)
{
    const uint32_t *v;
    uint64_t one;
    int rc;

    if (s->col[c] == NULL && (s->col[c] = malloc(ROWSET_VECTOR * sizeof(uint64_t))) == NULL)
        return no_memory(s);
    *out = s->col[c];
    if ((s->loaded >> c & 1) != 0)
        return ERR_OK;
    if (!names_entry(c) && scan_const(s, c, &one)) {
        fill_same(s, c, one);
        return ERR_OK;
    }
    s->same &= ~COL_BIT(c);
    if (col_info[c].bits > 32)
        rc = s->rs->ops->read(s->rs, s->block, c, s->first, s->n, s->col[c], s->e);
    else if ((rc = scan_col32(s, c, &v)) == ERR_OK)
        widen(s->col[c], v, s->n);
    if (rc == ERR_OK)
        s->loaded |= COL_BIT(c);
    return rc;
}

int scan_load(struct scan *s, uint64_t cols)
{
    const uint64_t *v;
    int rc;

    for (; cols != 0; cols &= cols - 1)
        if ((rc = scan_col(s, (enum col)__builtin_ctzll(cols), &v)) != ERR_OK)
            return rc;
    return ERR_OK;
}

static int load_extras(struct scan *s)
{
    int rc;

    if (s->extras_loaded)
        return ERR_OK;
    rc = s->rs->ops->extras(s->rs, s->block, s->first, s->n, s->extras, s->e);
    s->extras_loaded = rc == ERR_OK;
    return rc;
}

int scan_load_all(struct scan *s)
{
    int rc = scan_load(s, (UINT64_C(1) << COL_N) - 1);

    return rc == ERR_OK ? load_extras(s) : rc;
}

void scan_record(struct scan *s, uint32_t row, struct record *r)
{
    for (unsigned c = 0; c < COL_N; c++)
        r->v[c] = s->col[c][row];
    r->addrs = s->rs->addrs;
    r->shape = s->rs->shapes[r->v[COL_SHAPE]];
    r->exporter = &s->rs->exporters[r->v[COL_EXPORTER]];
    r->extra = s->extras->p[row];
    r->extra_len = s->extras->len[row];
}

/* Columns that a calculation reads. */
static uint64_t calc_cols(unsigned calc)
{
    static const uint64_t cols[CALC_N] = {
        [CALC_BYTES] = COL_BIT(COL_BYTES) | COL_BIT(COL_RATE),
        [CALC_PACKETS] = COL_BIT(COL_PACKETS) | COL_BIT(COL_RATE),
        [CALC_OUT_BYTES] = COL_BIT(COL_REV_BYTES) | COL_BIT(COL_OUT_BYTES) | COL_BIT(COL_MARKS) |
                           COL_BIT(COL_RATE),
        [CALC_OUT_PACKETS] = COL_BIT(COL_REV_PACKETS) | COL_BIT(COL_OUT_PACKETS) |
                             COL_BIT(COL_MARKS) | COL_BIT(COL_RATE),
        [CALC_BPS] = COL_BIT(COL_BYTES) | COL_BIT(COL_RATE) | COL_BIT(COL_START) | COL_BIT(COL_END),
        [CALC_PPS] =
            COL_BIT(COL_PACKETS) | COL_BIT(COL_RATE) | COL_BIT(COL_START) | COL_BIT(COL_END),
        [CALC_BPP] = COL_BIT(COL_BYTES) | COL_BIT(COL_PACKETS),
        [CALC_RAW_BYTES] = COL_BIT(COL_BYTES),
        [CALC_RAW_PACKETS] = COL_BIT(COL_PACKETS),
        [CALC_RAW_OUT_BYTES] = COL_BIT(COL_REV_BYTES) | COL_BIT(COL_OUT_BYTES) | COL_BIT(COL_MARKS),
        [CALC_RAW_OUT_PACKETS] =
            COL_BIT(COL_REV_PACKETS) | COL_BIT(COL_OUT_PACKETS) | COL_BIT(COL_MARKS),
        [CALC_RAW_BPS] = COL_BIT(COL_BYTES) | COL_BIT(COL_START) | COL_BIT(COL_END),
        [CALC_RAW_PPS] = COL_BIT(COL_PACKETS) | COL_BIT(COL_START) | COL_BIT(COL_END),
        [CALC_DURATION_MS] = COL_BIT(COL_START) | COL_BIT(COL_END),
        [CALC_HOUR] = COL_BIT(COL_START),
        [CALC_WEEKDAY] = COL_BIT(COL_START),
        [CALC_DAY] = COL_BIT(COL_START),
        [CALC_ICMP_TYPE] = COL_BIT(COL_PROTO) | COL_BIT(COL_DST_PORT) | COL_BIT(COL_SHAPE),
        [CALC_ICMP_CODE] = COL_BIT(COL_PROTO) | COL_BIT(COL_DST_PORT) | COL_BIT(COL_SHAPE),
        [CALC_IS_ICMP] = COL_BIT(COL_PROTO),
        [CALC_IP_VERSION] = COL_BIT(COL_SRC_IP) | COL_BIT(COL_DST_IP),
        [CALC_SAMPLING] = COL_BIT(COL_RATE),
        [CALC_EXPORTER_DOMAIN] = COL_BIT(COL_EXPORTER),
        [CALC_EXPORTER_VERSION] = COL_BIT(COL_EXPORTER),
        [CALC_ENGINE_TYPE] = COL_BIT(COL_EXPORTER),
        [CALC_ENGINE_ID] = COL_BIT(COL_EXPORTER),
        [CALC_SERVICE] = COL_BIT(COL_PROTO) | COL_BIT(COL_SRC_PORT) | COL_BIT(COL_DST_PORT),
    };

    return calc < CALC_N ? cols[calc] : 0;
}

static int scan_load_def(struct scan *s, const struct value *v)
{
    static const uint16_t first = 0;
    const uint32_t *w;
    struct group_rows *g;
    int rc;

    if (!define_is_group(v))
        return define_words(s, (enum def_value)v->calc, &w);
    if ((g = calloc(1, sizeof *g)) == NULL)
        return no_memory(s);
    rc = define_groups(s, (enum def_value)v->calc, &first, 1, g); /* loads what it takes */
    free(g->list);
    free(g);
    return rc;
}

int scan_load_value(struct scan *s, const struct value *v)
{
    const uint64_t *rate;
    const uint32_t *side;
    int rc;

    switch ((enum value_kind)v->kind) {
    case VALUE_COL:
        return scan_load(s, COL_BIT(v->col) | COL_BIT(COL_SHAPE));
    case VALUE_CALC:
        if (v->calc == CALC_APP)
            return (rc = app_load(s)) == ERR_OK
                       ? scan_load(s, COL_BIT(COL_EXPORTER) | COL_BIT(COL_RECEIVED))
                       : rc;
        if (calc_is_geo(v->calc))
            return (rc = geo_side(s, v->calc, &side)) == ERR_OK ? scan_load(s, COL_BIT(COL_SHAPE))
                                                                : rc;
        if ((calc_cols(v->calc) & COL_BIT(COL_RATE)) != 0 && (rc = scan_rate(s, &rate)) != ERR_OK)
            return rc;
        return scan_load(s, calc_cols(v->calc) | COL_BIT(COL_SHAPE));
    case VALUE_EXPORTER:
        return scan_load(s, COL_BIT(COL_EXPORTER));
    case VALUE_DEF:
        return scan_load_def(s, v);
    case VALUE_SESSION:
        return ERR_OK;
    case VALUE_ELEM:
        break;
    }
    return scan_load_all(s);
}

int scan_load_alts(struct scan *s, const struct value_alts *a)
{
    int rc = ERR_OK;

    for (unsigned i = 0; rc == ERR_OK && i < a->n; i++)
        rc = scan_load_value(s, &a->v[i]);
    return rc;
}

/* ------------------------------------------------------------------ values of one row */

static enum value_type elem_value_type(const struct value *v)
{
    const struct elem *d = elem_find(v->pen, v->id);

    if (v->part_len > 0)
        return TYPE_NUMBER;
    if (d == NULL || d->type == ELEM_STRING || d->type == ELEM_OCTET_ARRAY ||
        d->type == ELEM_MAC_ADDRESS || d->type == ELEM_FLOAT32 || d->type == ELEM_FLOAT64 ||
        d->type >= ELEM_BASIC_LIST)
        return TYPE_TEXT;
    if (d->type == ELEM_IPV4_ADDRESS || d->type == ELEM_IPV6_ADDRESS)
        return TYPE_ADDR;
    if (d->type >= ELEM_DATE_TIME_SECONDS && d->type <= ELEM_DATE_TIME_NANOSECONDS)
        return TYPE_TEXT;
    return d->type >= ELEM_SIGNED8 && d->type <= ELEM_SIGNED64 ? TYPE_TEXT : TYPE_NUMBER;
}

enum value_type value_type(const struct value_alts *a)
{
    const struct value *v = &a->v[0];

    if (v->kind == VALUE_EXPORTER)
        return TYPE_ADDR;
    if (v->kind == VALUE_DEF)
        return TYPE_TEXT;
    if (v->kind == VALUE_COL)
        return col_info[v->col].kind == COL_KIND_ADDR   ? TYPE_ADDR
               : col_info[v->col].kind == COL_KIND_TIME ? TYPE_TIME
                                                        : TYPE_NUMBER;
    if (v->kind == VALUE_CALC && v->calc == CALC_APP)
        return TYPE_TEXT;
    return v->kind == VALUE_ELEM ? elem_value_type(v) : TYPE_NUMBER;
}

static uint64_t times(uint64_t v, uint64_t rate)
{
    unsigned __int128 w = (unsigned __int128)v * (rate > 1 ? rate : 1);

    return w > UINT64_MAX ? UINT64_MAX : (uint64_t)w;
}

static uint64_t per_duration(struct scan *s, uint64_t v, unsigned factor, uint32_t i)
{
    uint64_t a = s->col[COL_START][i], b = s->col[COL_END][i];
    unsigned __int128 w = (unsigned __int128)v * factor;

    if ((int64_t)b <= (int64_t)a)
        return 0;
    w /= b - a;
    return w > UINT64_MAX ? UINT64_MAX : (uint64_t)w;
}

static bool elem_octets(struct scan *s, const struct value *v, uint32_t row, uint32_t nth,
                        struct record *r, struct record_field *f)
{
    struct record_iter it = { 0 };
    uint32_t seen = 0;

    scan_record(s, row, r);
    for (uint32_t k = 0; k < r->shape->n_fields; k++)
        seen += r->shape->f[k].pen == v->pen && r->shape->f[k].id == v->id;
    if (seen <= nth)
        return false;
    seen = 0;
    while (record_next(r, &it, f))
        if (f->f->pen == v->pen && f->f->id == v->id && seen++ == nth)
            return true;
    return false;
}

static uint64_t icmp_part(struct scan *s, uint32_t i, bool type)
{
    uint64_t proto = s->col[COL_PROTO][i], v;

    if (proto != 1 && proto != 58)
        return 0;
    if (s->col[COL_DST_PORT][i] != 0)
        return type ? s->col[COL_DST_PORT][i] >> 8 : s->col[COL_DST_PORT][i] & 255;
    /* no port was sent: the elements icmpTypeIPv4/IPv6, icmpCodeIPv4/IPv6 and icmpTypeCodeIPv4/IPv6
     */
    for (unsigned k = 0; k < 2; k++) {
        struct value e = {
            .kind = VALUE_ELEM,
        };
        struct record r;
        struct record_field f;
        e.id = k == 0 ? (type ? 176 : 177) : (type ? 178 : 179);
        if (scan_load_all(s) == ERR_OK && elem_octets(s, &e, i, 0, &r, &f) && f.len >= 1)
            return f.p[f.len - 1];
        e.id = k == 0 ? 32 : 139;
        if (scan_load_all(s) == ERR_OK && elem_octets(s, &e, i, 0, &r, &f) &&
            elem_number(0, e.id, f.p, f.len, &v))
            return type ? v >> 8 & 255 : v & 255;
    }
    return 0;
}

static uint64_t local_ms(struct scan *s, uint32_t i)
{
    int64_t t = (int64_t)s->col[COL_START][i];

    if (s->zone != NULL)
        t += zone_offset_s(s->zone, t) * INT64_C(1000);
    return t < 0 ? 0 : (uint64_t)t;
}

static uint64_t out_counter(struct scan *s, enum col rev, enum col post, uint32_t i)
{
    return (s->col[COL_MARKS][i] & MARK_BIFLOW) != 0 ? s->col[rev][i] : s->col[post][i];
}

static uint64_t ip_version(struct scan *s, uint32_t i)
{
    const struct addr *a = &s->rs->addrs[s->col[COL_SRC_IP][i]];

    if (addr_is_zero(a))
        a = &s->rs->addrs[s->col[COL_DST_IP][i]];
    return addr_is_zero(a) ? 0 : addr_is_v4(a) ? 4 : 6;
}

static uint64_t calc(struct scan *s, unsigned what, uint32_t i)
{
    uint64_t *const *c = s->col;
    const struct exporter_key *x = s->rs->exporters;

    switch ((enum calc)what) {
    case CALC_BYTES:
        return times(c[COL_BYTES][i], s->rate_now[i]);
    case CALC_PACKETS:
        return times(c[COL_PACKETS][i], s->rate_now[i]);
    case CALC_OUT_BYTES:
        return times(out_counter(s, COL_REV_BYTES, COL_OUT_BYTES, i), s->rate_now[i]);
    case CALC_OUT_PACKETS:
        return times(out_counter(s, COL_REV_PACKETS, COL_OUT_PACKETS, i), s->rate_now[i]);
    case CALC_BPS:
        return per_duration(s, times(c[COL_BYTES][i], s->rate_now[i]), 8000, i);
    case CALC_PPS:
        return per_duration(s, times(c[COL_PACKETS][i], s->rate_now[i]), 1000, i);
    case CALC_BPP:
        return c[COL_PACKETS][i] > 0 ? c[COL_BYTES][i] / c[COL_PACKETS][i] : 0;
    case CALC_RAW_BYTES:
        return c[COL_BYTES][i];
    case CALC_RAW_PACKETS:
        return c[COL_PACKETS][i];
    case CALC_RAW_OUT_BYTES:
        return out_counter(s, COL_REV_BYTES, COL_OUT_BYTES, i);
    case CALC_RAW_OUT_PACKETS:
        return out_counter(s, COL_REV_PACKETS, COL_OUT_PACKETS, i);
    case CALC_RAW_BPS:
        return per_duration(s, c[COL_BYTES][i], 8000, i);
    case CALC_RAW_PPS:
        return per_duration(s, c[COL_PACKETS][i], 1000, i);
    case CALC_FLOWS:
        return 1;
    case CALC_DURATION_MS:
        return (int64_t)c[COL_END][i] > (int64_t)c[COL_START][i] ? c[COL_END][i] - c[COL_START][i]
                                                                 : 0;
    case CALC_HOUR:
        return local_ms(s, i) / 3600000 % 24;
    case CALC_WEEKDAY: /* 1970-01-01 was a Thursday */
        return (local_ms(s, i) / DAY_MS + 3) % 7 + 1;
    case CALC_DAY:
        return local_ms(s, i) / DAY_MS;
    case CALC_ICMP_TYPE:
        return icmp_part(s, i, true);
    case CALC_ICMP_CODE:
        return icmp_part(s, i, false);
    case CALC_IS_ICMP:
        return c[COL_PROTO][i] == 1 || c[COL_PROTO][i] == 58;
    case CALC_IP_VERSION:
        return ip_version(s, i);
    case CALC_SAMPLING:
        return s->rate_now[i];
    case CALC_EXPORTER_DOMAIN:
        return x[c[COL_EXPORTER][i]].domain;
    case CALC_EXPORTER_VERSION:
        return x[c[COL_EXPORTER][i]].version;
    case CALC_ENGINE_TYPE:
        return x[c[COL_EXPORTER][i]].version < 10 ? x[c[COL_EXPORTER][i]].domain >> 8 & 255 : 0;
    case CALC_ENGINE_ID:
        return x[c[COL_EXPORTER][i]].version < 10 ? x[c[COL_EXPORTER][i]].domain & 255 : 0;
    case CALC_SERVICE:
        return service_of(c[COL_PROTO][i], c[COL_SRC_PORT][i], c[COL_DST_PORT][i]);
    case CALC_SRC_AS:
    case CALC_DST_AS:
    case CALC_SRC_COUNTRY:
    case CALC_DST_COUNTRY:
    case CALC_SRC_AS_NAME:
    case CALC_DST_AS_NAME:
        return geo_row(s, what, i);
    case CALC_APP: /* a text: scan_one() */
    case CALC_N:
        break;
    }
    return 0;
}

bool scan_has(const struct scan *s, uint32_t row, uint64_t cols)
{
    return (s->shape_cols[s->col[COL_SHAPE][row]] & cols) != 0;
}

bool scan_calc_present(struct scan *s, unsigned what, uint32_t row)
{
    uint64_t cols = calc_cols(what) & ~(ALWAYS_COLS | COL_BIT(COL_RATE));

    if (calc_is_geo(what)) /* what was told, and what is known though it was not */
        return geo_row(s, what, row) != 0 ||
               (what == CALC_SRC_AS && scan_has(s, row, COL_BIT(COL_SRC_AS))) ||
               (what == CALC_DST_AS && scan_has(s, row, COL_BIT(COL_DST_AS)));
    if (what == CALC_SERVICE)
        return scan_has(s, row, COL_BIT(COL_PROTO));
    return cols == 0 || what == CALC_IP_VERSION || what == CALC_IS_ICMP || what == CALC_ICMP_TYPE ||
           what == CALC_ICMP_CODE || scan_has(s, row, cols);
}

static bool elem_value(struct scan *s, const struct value *v, uint32_t row, struct cellv *out)
{
    struct record r;
    struct record_field f;

    if (!elem_octets(s, v, row, v->occurrence > 1 ? v->occurrence - 1u : 0, &r, &f))
        return false;
    if (v->part_len > 0) {
        if (v->part_len > 8 || v->part_off + v->part_len > (int)f.len)
            return false;
        out->u = be_uint(f.p + v->part_off, v->part_len);
        return true;
    }
    if (elem_value_type(v) == TYPE_ADDR) {
        if (f.len == 4)
            out->a = addr_from_v4(be32(f.p));
        else if (f.len == 16)
            memcpy(out->a.b, f.p, 16);
        return f.len == 4 || f.len == 16;
    }
    if (elem_value_type(v) == TYPE_TEXT) {
        buf_clear(&s->text);
        elem_text(&s->text, v->pen, v->id, f.p, f.len);
        return true;
    }
    return elem_number(v->pen, v->id, f.p, f.len, &out->u);
}

static bool def_value(struct scan *s, const struct value *v, uint32_t row, struct cellv *out)
{
    uint32_t w = 0;
    bool any = false;

    buf_clear(&s->text);
    if (define_is_group(v))
        return define_group_text(s, (enum def_value)v->calc, row, &any) == ERR_OK && any;
    if (define_word(s, (enum def_value)v->calc, row, &w) != ERR_OK || w == 0)
        return false;
    out->u = w;
    buf_str(&s->text, defs_word(s->p->defs, w));
    return true;
}

bool scan_one(struct scan *s, const struct value *v, uint32_t row, struct cellv *out)
{
    switch ((enum value_kind)v->kind) {
    case VALUE_COL:
        out->u = s->col[v->col][row];
        if (col_info[v->col].kind == COL_KIND_ADDR)
            out->a = s->rs->addrs[out->u];
        return scan_has(s, row, COL_BIT(v->col));
    case VALUE_CALC:
        if (v->calc == CALC_APP)
            return app_text(s, row);
        out->u = calc(s, v->calc, row);
        return scan_calc_present(s, v->calc, row);
    case VALUE_EXPORTER:
        out->a = s->rs->exporters[s->col[COL_EXPORTER][row]].addr;
        return true;
    case VALUE_DEF:
        return def_value(s, v, row, out);
    case VALUE_SESSION:
        return false;
    case VALUE_ELEM:
        break;
    }
    return elem_value(s, v, row, out);
}

bool scan_value(struct scan *s, const struct value_alts *a, uint32_t row, struct cellv *out)
{
    memset(out, 0, sizeof *out);
    for (unsigned i = 0; i < a->n; i++)
        if (scan_one(s, &a->v[i], row, out))
            return true;
    memset(out, 0, sizeof *out);
    buf_clear(&s->text);
    return false;
}
