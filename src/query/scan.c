#include "query/scan.h"

#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "flow/elem.h"

#define DAY_MS 86400000

/* ------------------------------------------------------------------ columns */

int scan_col(struct scan *s, enum col c, const uint64_t **out)
{
    int rc;

    if (s->col[c] == NULL && (s->col[c] = malloc(ROWSET_VECTOR * sizeof(uint64_t))) == NULL)
        return err_set(s->e, ERR_NOMEM, "query: out of memory");
    *out = s->col[c];
    if ((s->loaded >> c & 1) != 0)
        return ERR_OK;
    if (col_info[c].bits > 32) {
        rc = s->rs->ops->read(s->rs, s->block, c, s->first, s->n, s->col[c], s->e);
    } else {
        rc = s->rs->ops->read(s->rs, s->block, c, s->first, s->n, s->narrow, s->e);
        if (rc == ERR_OK)
            for (uint32_t i = 0; i < s->n; i++)
                s->col[c][i] = s->narrow[i];
    }
    if (rc == ERR_OK)
        s->loaded |= UINT64_C(1) << c;
    return rc;
}

static int load(struct scan *s, uint64_t cols)
{
    const uint64_t *v;
    int rc;

    for (unsigned c = 0; c < COL_N; c++)
        if ((cols >> c & 1) != 0 && (rc = scan_col(s, (enum col)c, &v)) != ERR_OK)
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
    int rc = load(s, (UINT64_C(1) << COL_N) - 1);

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

#define BIT(c) (UINT64_C(1) << (c))

/* Columns that every record has, whatever its shape. */
#define ALWAYS_COLS                                                                           \
    (BIT(COL_RECEIVED) | BIT(COL_START) | BIT(COL_END) | BIT(COL_EXPORTER) | BIT(COL_SHAPE) | \
     BIT(COL_MARKS))

/* Columns that a calculation reads. */
static uint64_t calc_cols(unsigned calc)
{
    static const uint64_t cols[CALC_N] = {
        [CALC_BYTES] = BIT(COL_BYTES) | BIT(COL_RATE),
        [CALC_PACKETS] = BIT(COL_PACKETS) | BIT(COL_RATE),
        [CALC_OUT_BYTES] = BIT(COL_REV_BYTES) | BIT(COL_OUT_BYTES) | BIT(COL_MARKS) | BIT(COL_RATE),
        [CALC_OUT_PACKETS] =
            BIT(COL_REV_PACKETS) | BIT(COL_OUT_PACKETS) | BIT(COL_MARKS) | BIT(COL_RATE),
        [CALC_BPS] = BIT(COL_BYTES) | BIT(COL_RATE) | BIT(COL_START) | BIT(COL_END),
        [CALC_PPS] = BIT(COL_PACKETS) | BIT(COL_RATE) | BIT(COL_START) | BIT(COL_END),
        [CALC_BPP] = BIT(COL_BYTES) | BIT(COL_PACKETS),
        [CALC_RAW_BYTES] = BIT(COL_BYTES),
        [CALC_RAW_PACKETS] = BIT(COL_PACKETS),
        [CALC_RAW_OUT_BYTES] = BIT(COL_REV_BYTES) | BIT(COL_OUT_BYTES) | BIT(COL_MARKS),
        [CALC_RAW_OUT_PACKETS] = BIT(COL_REV_PACKETS) | BIT(COL_OUT_PACKETS) | BIT(COL_MARKS),
        [CALC_RAW_BPS] = BIT(COL_BYTES) | BIT(COL_START) | BIT(COL_END),
        [CALC_RAW_PPS] = BIT(COL_PACKETS) | BIT(COL_START) | BIT(COL_END),
        [CALC_DURATION_MS] = BIT(COL_START) | BIT(COL_END),
        [CALC_HOUR] = BIT(COL_START),
        [CALC_WEEKDAY] = BIT(COL_START),
        [CALC_DAY] = BIT(COL_START),
        [CALC_ICMP_TYPE] = BIT(COL_PROTO) | BIT(COL_DST_PORT) | BIT(COL_SHAPE),
        [CALC_ICMP_CODE] = BIT(COL_PROTO) | BIT(COL_DST_PORT) | BIT(COL_SHAPE),
        [CALC_IS_ICMP] = BIT(COL_PROTO),
        [CALC_IP_VERSION] = BIT(COL_SRC_IP) | BIT(COL_DST_IP),
        [CALC_EXPORTER_DOMAIN] = BIT(COL_EXPORTER),
        [CALC_EXPORTER_VERSION] = BIT(COL_EXPORTER),
        [CALC_ENGINE_TYPE] = BIT(COL_EXPORTER),
        [CALC_ENGINE_ID] = BIT(COL_EXPORTER),
    };

    return calc < CALC_N ? cols[calc] : 0;
}

static int load_value(struct scan *s, const struct value *v)
{
    switch ((enum value_kind)v->kind) {
    case VALUE_COL:
        return load(s, BIT(v->col) | BIT(COL_SHAPE));
    case VALUE_CALC:
        return load(s, calc_cols(v->calc) | BIT(COL_SHAPE));
    case VALUE_EXPORTER:
        return load(s, BIT(COL_EXPORTER));
    case VALUE_ELEM:
        break;
    }
    return scan_load_all(s);
}

int scan_load_alts(struct scan *s, const struct value_alts *a)
{
    int rc = ERR_OK;

    for (unsigned i = 0; rc == ERR_OK && i < a->n; i++)
        rc = load_value(s, &a->v[i]);
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
    if (v->kind == VALUE_COL)
        return col_info[v->col].kind == COL_KIND_ADDR   ? TYPE_ADDR
               : col_info[v->col].kind == COL_KIND_TIME ? TYPE_TIME
                                                        : TYPE_NUMBER;
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
        return times(c[COL_BYTES][i], c[COL_RATE][i]);
    case CALC_PACKETS:
        return times(c[COL_PACKETS][i], c[COL_RATE][i]);
    case CALC_OUT_BYTES:
        return times(out_counter(s, COL_REV_BYTES, COL_OUT_BYTES, i), c[COL_RATE][i]);
    case CALC_OUT_PACKETS:
        return times(out_counter(s, COL_REV_PACKETS, COL_OUT_PACKETS, i), c[COL_RATE][i]);
    case CALC_BPS:
        return per_duration(s, times(c[COL_BYTES][i], c[COL_RATE][i]), 8000, i);
    case CALC_PPS:
        return per_duration(s, times(c[COL_PACKETS][i], c[COL_RATE][i]), 1000, i);
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
    case CALC_EXPORTER_DOMAIN:
        return x[c[COL_EXPORTER][i]].domain;
    case CALC_EXPORTER_VERSION:
        return x[c[COL_EXPORTER][i]].version;
    case CALC_ENGINE_TYPE:
        return x[c[COL_EXPORTER][i]].version != 10 ? x[c[COL_EXPORTER][i]].domain >> 8 & 255 : 0;
    case CALC_ENGINE_ID:
        return x[c[COL_EXPORTER][i]].version != 10 ? x[c[COL_EXPORTER][i]].domain & 255 : 0;
    case CALC_N:
        break;
    }
    return 0;
}

static bool has_cols(struct scan *s, uint32_t row, uint64_t cols)
{
    return (s->shape_cols[s->col[COL_SHAPE][row]] & cols) != 0;
}

static bool calc_present(struct scan *s, unsigned what, uint32_t row)
{
    uint64_t cols = calc_cols(what) & ~(ALWAYS_COLS | BIT(COL_RATE));

    return cols == 0 || what == CALC_IP_VERSION || what == CALC_IS_ICMP || what == CALC_ICMP_TYPE ||
           what == CALC_ICMP_CODE || has_cols(s, row, cols);
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

static bool one_value(struct scan *s, const struct value *v, uint32_t row, struct cellv *out)
{
    switch ((enum value_kind)v->kind) {
    case VALUE_COL:
        out->u = s->col[v->col][row];
        if (col_info[v->col].kind == COL_KIND_ADDR)
            out->a = s->rs->addrs[out->u];
        return has_cols(s, row, BIT(v->col));
    case VALUE_CALC:
        out->u = calc(s, v->calc, row);
        return calc_present(s, v->calc, row);
    case VALUE_EXPORTER:
        out->a = s->rs->exporters[s->col[COL_EXPORTER][row]].addr;
        return true;
    case VALUE_ELEM:
        break;
    }
    return elem_value(s, v, row, out);
}

bool scan_value(struct scan *s, const struct value_alts *a, uint32_t row, struct cellv *out)
{
    memset(out, 0, sizeof *out);
    for (unsigned i = 0; i < a->n; i++)
        if (one_value(s, &a->v[i], row, out))
            return true;
    memset(out, 0, sizeof *out);
    buf_clear(&s->text);
    return false;
}

/* ------------------------------------------------------------------ leaves */

static bool net_decides(const struct expr *x, const struct addr *a)
{
    for (uint32_t i = 0; i < x->n_nets; i++) /* longest prefix first */
        if (net_has(&x->net[i].n, a))
            return !x->net[i].out;
    return false;
}

static bool in_ranges(const struct expr *x, uint64_t u)
{
    uint32_t lo = 0, hi = x->n_ranges;

    while (lo < hi) { /* first range whose end is not below u */
        uint32_t mid = lo + (hi - lo) / 2;
        if (x->range[mid].hi < u)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < x->n_ranges && x->range[lo].lo <= u;
}

static bool same_text(const char *want, const uint8_t *p, size_t len)
{
    size_t n = strlen(want);

    if (n != len)
        return false;
    for (size_t i = 0; i < n; i++) {
        unsigned a = (unsigned char)want[i], b = p[i];
        a += a >= 'A' && a <= 'Z' ? 32 : 0;
        b += b >= 'A' && b <= 'Z' ? 32 : 0;
        if (a != b)
            return false;
    }
    return true;
}

static bool holds(const uint8_t *p, size_t len, const char *want, size_t n)
{
    return n == 0 || (p != NULL && len >= n && memmem(p, len, want, n) != NULL);
}

static bool test_text(struct scan *s, const struct expr *x, const uint8_t *p, size_t len)
{
    static const uint8_t none[1] = { 0 };

    if (p == NULL)
        p = none;
    if (x->op == EXPR_OCTETS)
        return holds(p, len, x->pattern, x->pattern_len);
    if (x->op == EXPR_REGEX)
        return pcre2_match(x->regex, p, len, 0, 0, s->match, NULL) >= 0;
    for (uint32_t i = 0; i < x->n_texts; i++)
        if (same_text(x->text[i], p, len))
            return true;
    return false;
}

/* A value as it stands against a leaf. */
static bool test_value(struct scan *s, const struct expr *x, const struct cellv *v)
{
    switch ((enum expr_op)x->op) {
    case EXPR_RANGE:
        return in_ranges(x, v->u);
    case EXPR_MASK:
        return x->mask_any ? (v->u & x->mask) != 0 : (v->u & x->mask) == x->want;
    case EXPR_NET:
        return net_decides(x, &v->a);
    case EXPR_TEXT:
    case EXPR_REGEX:
    case EXPR_OCTETS:
        return test_text(s, x, s->text.p, s->text.len);
    case EXPR_CONST:
    case EXPR_NOT:
    case EXPR_AND:
    case EXPR_OR:
    case EXPR_XOR:
    case EXPR_EXISTS:
    case EXPR_INSIDE:
    case EXPR_OVERLAP:
        break;
    }
    return false;
}

/* Text tests see every value as text, octet tests the octets as sent. */
static bool test_elem_field(struct scan *s, const struct expr *x, const struct value *v,
                            const struct record_field *f)
{
    struct cellv c = { 0 };

    if (x->op == EXPR_OCTETS)
        return holds(f->p, f->len, x->pattern, x->pattern_len);
    if (x->op == EXPR_REGEX && x->yes)
        return test_text(s, x, f->p, f->len);
    if (x->op == EXPR_TEXT || x->op == EXPR_REGEX) {
        buf_clear(&s->text);
        elem_text(&s->text, v->pen, v->id, f->p, f->len);
    } else if (x->op == EXPR_NET) {
        if (f->len == 4)
            c.a = addr_from_v4(be32(f->p));
        else if (f->len == 16)
            memcpy(c.a.b, f->p, 16);
    } else if (v->part_len > 0) {
        if (v->part_len <= 8 && v->part_off + v->part_len <= (int)f->len)
            c.u = be_uint(f->p + v->part_off, v->part_len);
    } else {
        (void)elem_number(v->pen, v->id, f->p, f->len, &c.u);
    }
    return test_value(s, x, &c);
}

static bool shape_has(const struct shape *sh, const struct value *v)
{
    uint32_t nth = 0;

    for (uint32_t k = 0; k < sh->n_fields; k++)
        if (sh->f[k].pen == v->pen && sh->f[k].id == v->id && ++nth >= MAX(v->occurrence, 1))
            return true;
    return false;
}

/* Every occurrence is tried where the leaf names none; *found says that there was one. */
static bool test_elem(struct scan *s, const struct expr *x, const struct value *v, uint32_t row,
                      bool *found)
{
    struct record r;
    struct record_field f;
    struct record_iter it = { 0 };
    uint32_t nth = 0;

    if (!shape_has(s->rs->shapes[s->col[COL_SHAPE][row]], v))
        return false; /* the row need not be loaded, see leaf_load() */
    scan_record(s, row, &r);
    while (record_next(&r, &it, &f)) {
        if (f.f->pen != v->pen || f.f->id != v->id)
            continue;
        nth++;
        if (v->occurrence != 0 && nth != v->occurrence)
            continue;
        *found = true;
        if (test_elem_field(s, x, v, &f))
            return true;
    }
    return false;
}

static bool exists(struct scan *s, const struct expr *x, uint32_t row)
{
    for (unsigned i = 0; i < x->value.n; i++) {
        const struct value *v = &x->value.v[i];
        if (v->kind == VALUE_COL && has_cols(s, row, BIT(v->col)))
            return true;
        if (v->kind == VALUE_CALC && calc_present(s, v->calc, row))
            return true;
        if (v->kind == VALUE_EXPORTER ||
            (v->kind == VALUE_ELEM && shape_has(s->rs->shapes[s->col[COL_SHAPE][row]], v)))
            return true;
    }
    return false;
}

/* Numbers only; what is absent reads as 0. */
static bool inside(struct scan *s, const struct expr *x, uint32_t row)
{
    struct cellv c[3] = { 0 };

    for (unsigned i = 0; i < 3; i++) {
        const struct value *v = &x->value.v[i];
        bool has = v->kind != VALUE_ELEM || shape_has(s->rs->shapes[s->col[COL_SHAPE][row]], v);
        if (!has || !one_value(s, v, row, &c[i]))
            c[i].u = 0;
    }
    return c[0].u >= c[1].u && c[0].u <= c[2].u;
}

static bool slow_leaf(struct scan *s, const struct expr *x, uint32_t row)
{
    struct cellv c = { 0 };

    if (x->op == EXPR_INSIDE)
        return inside(s, x, row);
    if (x->op == EXPR_EXISTS)
        return exists(s, x, row);
    for (unsigned i = 0; i < x->value.n; i++) {
        const struct value *v = &x->value.v[i];
        bool found = false, yes;
        if (v->kind == VALUE_ELEM) {
            yes = test_elem(s, x, v, row, &found);
            if (found)
                return yes;
        } else if (one_value(s, v, row, &c) || i + 1u == x->value.n) {
            buf_clear(&s->text);
            if (x->op >= EXPR_TEXT && x->op <= EXPR_REGEX && value_type(&x->value) != TYPE_ADDR)
                buf_printf(&s->text, "%llu", (unsigned long long)c.u);
            return test_value(s, x, &c);
        }
    }
    memset(&c, 0, sizeof c);
    buf_clear(&s->text);
    return test_value(s, x, &c);
}

SIMD_CLONES
static void leaf_range(const uint64_t *v, const uint8_t *live, uint8_t *out, uint32_t n,
                       uint64_t lo, uint64_t span, uint8_t first)
{
    for (uint32_t i = 0; i < n; i++)
        out[i] = (uint8_t)((first ? 0 : out[i]) | (live[i] & (v[i] - lo <= span)));
}

SIMD_CLONES
static void leaf_mask(const uint64_t *v, const uint8_t *live, uint8_t *out, uint32_t n,
                      uint64_t mask, uint64_t want, uint8_t any)
{
    for (uint32_t i = 0; i < n; i++)
        out[i] = live[i] & (any ? (v[i] & mask) != 0 : (v[i] & mask) == want);
}

static int fast_leaf(struct scan *s, struct node *x, const uint8_t *live, uint8_t *out, bool *done)
{
    const struct expr *t = x->x;
    const struct value *v = &t->value.v[0];
    const uint64_t *c;
    int rc;

    *done = false;
    if (t->value.n != 1 || v->kind != VALUE_COL || (t->op == EXPR_NET && x->table == NULL))
        return ERR_OK;
    if (t->op != EXPR_RANGE && t->op != EXPR_MASK && t->op != EXPR_NET)
        return ERR_OK;
    if ((rc = scan_col(s, (enum col)v->col, &c)) != ERR_OK)
        return rc;
    *done = true;
    if (t->op == EXPR_MASK)
        leaf_mask(c, live, out, s->n, t->mask, t->want, t->mask_any);
    else if (t->op == EXPR_NET)
        for (uint32_t i = 0; i < s->n; i++)
            out[i] = live[i] & x->table[c[i]];
    else if (t->n_ranges <= 4 && t->n_ranges > 0)
        for (uint32_t k = 0; k < t->n_ranges; k++)
            leaf_range(c, live, out, s->n, t->range[k].lo, t->range[k].hi - t->range[k].lo, k == 0);
    else
        for (uint32_t i = 0; i < s->n; i++)
            out[i] = live[i] && in_ranges(t, c[i]);
    return ERR_OK;
}

/* Has a live row one of a leaf's elements? */
static bool elems_live(struct scan *s, const struct expr *t, const uint8_t *live)
{
    uint64_t last = UINT64_MAX;

    for (uint32_t i = 0; i < s->n; i++) {
        uint64_t shape = s->col[COL_SHAPE][i];
        if (!live[i] || shape == last)
            continue;
        last = shape;
        for (unsigned k = 0; k < t->value.n; k++)
            if (t->value.v[k].kind == VALUE_ELEM && shape_has(s->rs->shapes[shape], &t->value.v[k]))
                return true;
    }
    return false;
}

/* What a leaf reads. Whole records only where a row has an element that the leaf asks for. */
static int leaf_load(struct scan *s, const struct expr *t, const uint8_t *live)
{
    int rc = load(s, BIT(COL_SHAPE));

    if (rc != ERR_OK || t->op == EXPR_EXISTS)
        return rc;
    if (elems_live(s, t, live))
        return scan_load_alts(s, &t->value);
    for (unsigned i = 0; rc == ERR_OK && i < t->value.n; i++)
        if (t->value.v[i].kind != VALUE_ELEM)
            rc = load_value(s, &t->value.v[i]);
    return rc;
}

static int leaf(struct scan *s, struct node *x, const uint8_t *live, uint8_t *out)
{
    const struct expr *t = x->x;
    const uint64_t *a, *b;
    bool done;
    int rc = fast_leaf(s, x, live, out, &done);

    if (rc != ERR_OK || done)
        return rc;
    if (t->op == EXPR_OVERLAP) {
        if ((rc = scan_col(s, COL_START, &a)) != ERR_OK ||
            (rc = scan_col(s, COL_END, &b)) != ERR_OK)
            return rc;
        for (uint32_t i = 0; i < s->n; i++)
            out[i] = live[i] && (int64_t)a[i] <= t->hi_ms && (int64_t)b[i] >= t->lo_ms;
        return ERR_OK;
    }
    if ((rc = leaf_load(s, t, live)) != ERR_OK)
        return rc;
    for (uint32_t i = 0; i < s->n; i++)
        out[i] = live[i] && slow_leaf(s, t, i);
    return ERR_OK;
}

static bool any_set(const uint8_t *v, uint32_t n)
{
    return memchr(v, 1, n) != NULL;
}

static int eval_many(struct scan *s, struct node *x, const uint8_t *live, uint8_t *out)
{
    unsigned op = x->x->op;
    uint8_t *rest = x->buf[0], *got = x->buf[1];
    int rc;

    memcpy(rest, live, s->n);
    memset(out, 0, s->n);
    for (uint32_t k = 0; k < x->n_kids && any_set(rest, s->n); k++) {
        if ((rc = node_eval(s, &x->kid[k], rest, got)) != ERR_OK)
            return rc;
        if (op == EXPR_AND) {
            memcpy(rest, got, s->n);
            continue;
        }
        for (uint32_t i = 0; i < s->n; i++) {
            out[i] ^= got[i]; /* or: rest no longer holds what matched before, so xor is or */
            rest[i] = op == EXPR_OR ? rest[i] & (uint8_t)!got[i] : rest[i];
        }
    }
    if (op == EXPR_AND)
        memcpy(out, rest, s->n);
    return ERR_OK;
}

int node_eval(struct scan *s, struct node *x, const uint8_t *live, uint8_t *out)
{
    int rc;

    switch ((enum expr_op)x->x->op) {
    case EXPR_CONST:
        for (uint32_t i = 0; i < s->n; i++)
            out[i] = live[i] & x->x->yes;
        return ERR_OK;
    case EXPR_NOT:
        if ((rc = node_eval(s, &x->kid[0], live, x->buf[0])) != ERR_OK)
            return rc;
        for (uint32_t i = 0; i < s->n; i++)
            out[i] = live[i] & (uint8_t)!x->buf[0][i];
        return ERR_OK;
    case EXPR_AND:
    case EXPR_OR:
    case EXPR_XOR:
        return eval_many(s, x, live, out);
    case EXPR_RANGE:
    case EXPR_MASK:
    case EXPR_NET:
    case EXPR_TEXT:
    case EXPR_REGEX:
    case EXPR_OCTETS:
    case EXPR_EXISTS:
    case EXPR_INSIDE:
    case EXPR_OVERLAP:
        break;
    }
    return leaf(s, x, live, out);
}

/* ------------------------------------------------------------------ before the rows are read */

static bool is_table_leaf(const struct expr *x)
{
    return x->op == EXPR_NET && x->value.n == 1 && x->value.v[0].kind == VALUE_COL;
}

/* First code whose address is not below a (sorted tables). */
static uint32_t code_bound(const struct rowset *rs, const struct addr *a)
{
    uint32_t lo = 0, hi = rs->n_addrs;

    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (addr_cmp(&rs->addrs[mid], a) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* Last address of a network, then the first code beyond it. */
static uint32_t code_after(const struct rowset *rs, const struct net *n)
{
    struct addr top = n->a;
    uint32_t at;

    for (unsigned i = n->len; i < 128; i++)
        top.b[i / 8] |= (uint8_t)(0x80u >> i % 8);
    at = code_bound(rs, &top);
    return at < rs->n_addrs && addr_cmp(&rs->addrs[at], &top) == 0 ? at + 1 : at;
}

static int fill_table(struct scan *s, struct node *x)
{
    const struct rowset *rs = s->rs;

    if (rs->n_addrs > x->table_cap) {
        free(x->table);
        x->table_cap = 0;
        if ((x->table = malloc(rs->n_addrs)) == NULL)
            return err_set(s->e, ERR_NOMEM, "query: out of memory");
        x->table_cap = rs->n_addrs;
    }
    x->table_n = rs->n_addrs;
    x->hits = 0;
    if (!rs->addrs_sorted) {
        for (uint32_t c = 0; c < rs->n_addrs; c++)
            x->hits += x->table[c] = net_decides(x->x, &rs->addrs[c]);
        return ERR_OK;
    }
    memset(x->table, 0, rs->n_addrs);
    for (uint32_t i = x->x->n_nets; i-- > 0;) { /* short prefixes first: longer ones overwrite */
        const struct net_item *t = &x->x->net[i];
        uint32_t lo = code_bound(rs, &t->n.a), hi = code_after(rs, &t->n);
        if (lo < hi)
            memset(x->table + lo, !t->out, hi - lo);
    }
    for (uint32_t c = 0; c < rs->n_addrs; c++)
        x->hits += x->table[c];
    return ERR_OK;
}

static int fill_tables(struct scan *s, struct node *x)
{
    int rc = is_table_leaf(x->x) && s->rs->n_addrs > 0 ? fill_table(s, x) : ERR_OK;

    for (uint32_t k = 0; rc == ERR_OK && k < x->n_kids; k++)
        rc = fill_tables(s, &x->kid[k]);
    return rc;
}

enum tri { NEVER, MAYBE, ALWAYS };

static enum tri range_tri(struct scan *s, const struct expr *x, uint32_t block)
{
    uint64_t lo, hi;

    if (block == UINT32_MAX || x->value.n != 1 || x->value.v[0].kind != VALUE_COL ||
        !col_info[x->value.v[0].col].zone ||
        !s->rs->ops->zone(s->rs, block, (enum col)x->value.v[0].col, &lo, &hi))
        return MAYBE;
    for (uint32_t i = 0; i < x->n_ranges; i++) {
        if (x->range[i].lo <= lo && x->range[i].hi >= hi)
            return ALWAYS;
        if (x->range[i].lo <= hi && x->range[i].hi >= lo)
            return MAYBE;
    }
    return NEVER;
}

/* What is known of a node before rows are read; block UINT32_MAX = of the whole rowset. */
static enum tri node_tri(struct scan *s, const struct node *x, uint32_t block)
{
    bool conj = x->x->op == EXPR_AND;
    enum tri t = conj ? ALWAYS : NEVER, k;

    switch ((enum expr_op)x->x->op) {
    case EXPR_CONST:
        return x->x->yes ? ALWAYS : NEVER;
    case EXPR_NOT:
        return (enum tri)(ALWAYS - node_tri(s, &x->kid[0], block));
    case EXPR_AND:
    case EXPR_OR:
        for (uint32_t i = 0; i < x->n_kids; i++) {
            k = node_tri(s, &x->kid[i], block);
            t = conj ? MIN(t, k) : MAX(t, k);
        }
        return t;
    case EXPR_NET:
        if (!is_table_leaf(x->x) || x->table == NULL || x->table_n != s->rs->n_addrs)
            return MAYBE;
        return x->hits == 0 ? NEVER : x->hits == x->table_n ? ALWAYS : MAYBE;
    case EXPR_RANGE:
        return range_tri(s, x->x, block);
    case EXPR_XOR:
    case EXPR_MASK:
    case EXPR_TEXT:
    case EXPR_REGEX:
    case EXPR_OCTETS:
    case EXPR_EXISTS:
    case EXPR_INSIDE:
    case EXPR_OVERLAP:
        break;
    }
    return MAYBE;
}

#define FEW_CODES 64u

/* Pages that a node can match in, when few addresses decide it. False = no way to know. */
static bool node_pages(struct scan *s, const struct node *x)
{
    if (x->x->op == EXPR_AND) {
        for (uint32_t k = 0; k < x->n_kids; k++)
            if (node_pages(s, &x->kid[k]))
                return true;
        return false;
    }
    if (x->x->op == EXPR_OR) {
        for (uint32_t k = 0; k < x->n_kids; k++)
            if (!node_pages(s, &x->kid[k]))
                return false;
        return x->n_kids > 0;
    }
    if (!is_table_leaf(x->x) || x->hits > FEW_CODES || x->table == NULL ||
        (x->x->value.v[0].col != COL_SRC_IP && x->x->value.v[0].col != COL_DST_IP))
        return false;
    for (uint32_t c = 0; c < x->table_n; c++)
        if (x->table[c] && s->rs->ops->pages(s->rs, c, s->pages, NULL) != ERR_OK)
            return false;
    return true;
}

static bool use_pages(struct scan *s)
{
    size_t words = ROWSET_PAGE_WORDS((size_t)s->rs->n_blocks);

    if (s->root == NULL || s->rs->ops->pages == NULL || words == 0)
        return false;
    if (words > s->page_cap) {
        free(s->pages);
        s->page_cap = 0;
        if ((s->pages = malloc(words * sizeof *s->pages)) == NULL)
            return false;
        s->page_cap = words;
    }
    memset(s->pages, 0, words * sizeof *s->pages);
    return node_pages(s, s->root);
}

/* icmpTypeCode of IPv4 and IPv6, and type and code apart */
static bool is_icmp_elem(uint16_t id)
{
    return id == 32 || id == 139 || (id >= 176 && id <= 179);
}

static int shape_tables(struct scan *s)
{
    const struct rowset *rs = s->rs;

    if (rs->n_shapes > s->shape_cap) {
        free(s->shape_cols);
        s->shape_cap = 0;
        if ((s->shape_cols = malloc(rs->n_shapes * sizeof *s->shape_cols)) == NULL)
            return err_set(s->e, ERR_NOMEM, "query: out of memory");
        s->shape_cap = rs->n_shapes;
    }
    for (uint32_t i = 0; i < rs->n_shapes; i++) {
        uint64_t m = ALWAYS_COLS;
        for (uint32_t k = 0; k < rs->shapes[i]->n_fields; k++) {
            const struct shape_field *f = &rs->shapes[i]->f[k];
            if (f->col < COL_N)
                m |= BIT(f->col);
            for (size_t t = 0; t < fmap_count; t++)
                if (fmap_table[t].pen == f->pen && fmap_table[t].id == f->id &&
                    fmap_table[t].col < COL_N)
                    m |= BIT(fmap_table[t].col);
            if (f->pen == 0 && is_icmp_elem(f->id)) /* type and code stand in the port */
                m |= BIT(COL_DST_PORT);
        }
        s->shape_cols[i] = m;
    }
    return ERR_OK;
}

static bool outside(const struct scan *s)
{
    const struct rowset *rs = s->rs;
    const struct query_control *c = s->ctl;

    if (s->p->framed && (rs->max_end_ms < s->p->from_ms || rs->min_start_ms >= s->p->to_ms))
        return true;
    return c != NULL && c->received_to_ms != 0 &&
           (rs->max_received_ms < c->received_from_ms || rs->min_received_ms >= c->received_to_ms);
}

static bool block_outside(struct scan *s, uint32_t block)
{
    uint64_t lo, hi;

    if (!s->p->framed)
        return false;
    if (s->rs->ops->zone(s->rs, block, COL_START, &lo, &hi) && (int64_t)lo >= s->p->to_ms)
        return true;
    return s->rs->ops->zone(s->rs, block, COL_END, &lo, &hi) && (int64_t)hi < s->p->from_ms;
}

/* ------------------------------------------------------------------ the walk */

static int frame_mask(struct scan *s, uint8_t *live)
{
    const uint64_t *a, *b;
    int rc;

    if (s->ctl != NULL && s->ctl->received_to_ms != 0) {
        if ((rc = scan_col(s, COL_RECEIVED, &a)) != ERR_OK)
            return rc;
        for (uint32_t i = 0; i < s->n; i++)
            live[i] &=
                (int64_t)a[i] >= s->ctl->received_from_ms && (int64_t)a[i] < s->ctl->received_to_ms;
    }
    if (!s->p->framed)
        return ERR_OK;
    if ((rc = scan_col(s, COL_START, &a)) != ERR_OK || (rc = scan_col(s, COL_END, &b)) != ERR_OK)
        return rc;
    for (uint32_t i = 0; i < s->n; i++) {
        int64_t start = (int64_t)a[i], end = (int64_t)b[i], from = s->p->from_ms;
        live[i] &= start < s->p->to_ms && (end > from || start >= from);
    }
    return ERR_OK;
}

static int one_vector(struct scan *s, int (*fn)(struct scan *, void *), void *ctx, bool count)
{
    uint8_t live[ROWSET_VECTOR], out[ROWSET_VECTOR];
    int rc;

    s->loaded = 0;
    s->extras_loaded = false;
    s->n_sel = 0;
    memset(live, 1, s->n);
    if ((rc = frame_mask(s, live)) != ERR_OK)
        return rc;
    if (s->root != NULL && any_set(live, s->n)) {
        if ((rc = node_eval(s, s->root, live, out)) != ERR_OK)
            return rc;
        memcpy(live, out, s->n);
    }
    for (uint32_t i = 0; i < s->n; i++) {
        s->sel[s->n_sel] = (uint16_t)i;
        s->n_sel += live[i];
    }
    rc = s->n_sel > 0 ? fn(s, ctx) : ERR_OK;
    if (rc == ERR_OK && count) {
        s->stats->rows_scanned += s->n;
        s->stats->rows_matched += s->n_sel;
    }
    return rc;
}

static void damaged(struct scan *s, uint64_t rows, bool count)
{
    s->stats->incomplete = true;
    if (count)
        s->stats->rows_unreadable += rows;
    if (s->stats->message[0] == '\0' && s->e != NULL)
        memcpy(s->stats->message, s->e->msg, sizeof s->stats->message - 1);
}

static int one_block(struct scan *s, bool pages, int (*fn)(struct scan *, void *), void *ctx,
                     bool count)
{
    uint32_t rows = s->rs->ops->block_rows(s->rs, s->block);
    int rc;

    for (s->first = 0; s->first < rows; s->first += ROWSET_VECTOR) {
        uint32_t page = ROWSET_PAGE(s->block, s->first);
        if (s->ctl != NULL && atomic_load_explicit(&s->ctl->cancel, memory_order_relaxed))
            return err_set(s->e, ERR_CANCEL, "query: cancelled");
        if (pages && (s->pages[page / 64] >> page % 64 & 1) == 0)
            continue;
        s->n = MIN(rows - s->first, ROWSET_VECTOR);
        rc = one_vector(s, fn, ctx, count);
        if (rc == ERR_CORRUPT)
            damaged(s, s->n, count);
        else if (rc != ERR_OK)
            return rc;
    }
    return ERR_OK;
}

static int one_rowset(struct scan *s, int (*rowset)(struct scan *, void *),
                      int (*fn)(struct scan *, void *), void *ctx, bool count)
{
    bool pages;
    int rc;

    if (s->root != NULL) {
        if ((rc = fill_tables(s, s->root)) != ERR_OK)
            return rc;
        if (node_tri(s, s->root, UINT32_MAX) == NEVER) {
            s->stats->segments_pruned += count;
            return ERR_OK;
        }
    }
    if ((rc = shape_tables(s)) != ERR_OK || (rowset != NULL && (rc = rowset(s, ctx)) != ERR_OK))
        return rc;
    pages = use_pages(s);
    for (s->block = 0; s->block < s->rs->n_blocks; s->block++) {
        s->stats->blocks += count;
        if (block_outside(s, s->block) ||
            (s->root != NULL && node_tri(s, s->root, s->block) == NEVER)) {
            s->stats->blocks_pruned += count;
            continue;
        }
        if ((rc = one_block(s, pages, fn, ctx, count)) != ERR_OK)
            return rc;
    }
    return ERR_OK;
}

int scan_run(struct scan *s, const struct snapshot *snap, bool count,
             int (*rowset)(struct scan *, void *), int (*fn)(struct scan *, void *), void *ctx)
{
    struct rowset *rs;
    int rc = ERR_OK;

    for (size_t i = 0; rc == ERR_OK && i < snap->n; i++) {
        s->rs = snap->sets[i];
        if (count) {
            s->stats->segments++;
            s->stats->rows += s->rs->n_rows;
        }
        if (outside(s) || s->rs->n_rows == 0) {
            s->stats->segments_pruned += count;
            continue;
        }
        rc = rowset_open(snap->sets[i], &rs, s->e);
        if (rc != ERR_OK && rc != ERR_NOMEM) {
            s->stats->segments_unreadable += count;
            damaged(s, s->rs->n_rows, count);
            rc = ERR_OK;
            continue;
        }
        if (rc != ERR_OK)
            return rc;
        s->rs = rs;
        rc = one_rowset(s, rowset, fn, ctx, count);
        if (rc == ERR_CORRUPT) { /* the rowset's own tables */
            damaged(s, s->rs->n_rows, count);
            rc = ERR_OK;
        }
        s->rs = NULL;
        rowset_unref(rs);
    }
    return rc;
}

/* ------------------------------------------------------------------ life */

static int node_make(struct node *x, const struct expr *e)
{
    x->x = e;
    if (e->n_kids == 0)
        return ERR_OK;
    if ((x->kid = calloc(e->n_kids, sizeof *x->kid)) == NULL)
        return ERR_NOMEM;
    x->n_kids = e->n_kids;
    for (uint32_t k = 0; k < e->n_kids; k++)
        if (node_make(&x->kid[k], e->kid[k]) != ERR_OK)
            return ERR_NOMEM;
    return ERR_OK;
}

static void node_free(struct node *x)
{
    for (uint32_t k = 0; k < x->n_kids; k++)
        node_free(&x->kid[k]);
    free(x->kid);
    free(x->table);
}

int scan_init(struct scan *s, const struct plan *p, struct query_control *ctl,
              struct query_stats *stats, struct err *e)
{
    bool all = p->filter->op == EXPR_CONST && p->filter->yes;

    memset(s, 0, sizeof *s);
    s->p = p;
    s->ctl = ctl;
    s->stats = stats;
    s->e = e;
    s->text = buf_init(1u << 20);
    s->narrow = malloc(ROWSET_VECTOR * sizeof *s->narrow);
    s->extras = calloc(1, sizeof *s->extras);
    s->match = pcre2_match_data_create(8, NULL);
    s->root = all ? NULL : calloc(1, sizeof *s->root);
    if (s->narrow == NULL || s->extras == NULL || s->match == NULL || (!all && s->root == NULL))
        return err_set(e, ERR_NOMEM, "query: out of memory");
    s->extras->hold = buf_init(BATCH_EXTRA_OCTETS);
    if (s->root != NULL && node_make(s->root, p->filter) != ERR_OK)
        return err_set(e, ERR_NOMEM, "query: out of memory");
    if (p->tz[0] != '\0' && strcmp(p->tz, "UTC") != 0)
        return zone_open(&s->zone, p->tz, e);
    return ERR_OK;
}

void scan_free(struct scan *s)
{
    if (s->root != NULL)
        node_free(s->root);
    free(s->root);
    for (unsigned c = 0; c < COL_N; c++)
        free(s->col[c]);
    free(s->shape_cols);
    if (s->extras != NULL)
        buf_free(&s->extras->hold);
    free(s->extras);
    free(s->narrow);
    pcre2_match_data_free(s->match);
    buf_free(&s->text);
    free(s->pages);
    zone_free(s->zone);
}
