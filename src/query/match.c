/* The filter over a vector of rows. */
#include "query/match.h"
#include "query/define.h"

#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "flow/elem.h"

/* ------------------------------------------------------------------ leaves */

bool match_net(const struct expr *x, const struct addr *a)
{
    if (x->map != NULL)
        return addr_map_get(x->map, a) == x->want;
    for (uint32_t i = 0; i < x->n_nets; i++) /* longest prefix first */
        if (net_has(&x->net[i].n, a))
            return !x->net[i].out;
    return false;
}

bool match_ranges(const struct expr *x, uint64_t u)
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

bool match_text(const char *want, const uint8_t *p, size_t len)
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
        if (match_text(x->text[i], p, len))
            return true;
    return false;
}

/* A value as it stands against a leaf. */
static bool test_value(struct scan *s, const struct expr *x, const struct cellv *v)
{
    switch ((enum expr_op)x->op) {
    case EXPR_RANGE:
        return match_ranges(x, v->u);
    case EXPR_MASK:
        return x->mask_any ? (v->u & x->mask) != 0 : (v->u & x->mask) == x->want;
    case EXPR_NET:
        return match_net(x, &v->a);
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
        if (v->kind == VALUE_COL && scan_has(s, row, COL_BIT(v->col)))
            return true;
        if (v->kind == VALUE_CALC && scan_calc_present(s, v->calc, row))
            return true;
        if (v->kind == VALUE_DEF && scan_one(s, v, row, &(struct cellv){ 0 }))
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
        if (!has || !scan_one(s, v, row, &c[i]))
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
        } else if (scan_one(s, v, row, &c) || i + 1u == x->value.n) {
            bool app = v->kind == VALUE_CALC && v->calc == CALC_APP; /* its text stands there */
            if (!app)
                buf_clear(&s->text);
            if (!app && x->op >= EXPR_TEXT && x->op <= EXPR_REGEX &&
                value_type(&x->value) != TYPE_ADDR)
                buf_printf(&s->text, "%llu", (unsigned long long)c.u);
            return test_value(s, x, &c);
        }
    }
    memset(&c, 0, sizeof c);
    buf_clear(&s->text);
    return test_value(s, x, &c);
}

SIMD_CLONES
static void range64(const uint64_t *v, const uint8_t *live, uint8_t *out, uint32_t n, uint64_t lo,
                    uint64_t span)
{
    for (uint32_t i = 0; i < n; i++)
        out[i] |= live[i] & (v[i] - lo <= span);
}

SIMD_CLONES
static void range32(const uint32_t *v, const uint8_t *live, uint8_t *out, uint32_t n, uint32_t lo,
                    uint32_t span)
{
    for (uint32_t i = 0; i < n; i++)
        out[i] |= live[i] & (v[i] - lo <= span);
}

SIMD_CLONES
static void mask64(const uint64_t *v, const uint8_t *live, uint8_t *out, uint32_t n, uint64_t mask,
                   uint64_t want, uint8_t any)
{
    for (uint32_t i = 0; i < n; i++)
        out[i] = live[i] & (any ? (v[i] & mask) != 0 : (v[i] & mask) == want);
}

#define FEW_RANGES 4u

/* Ranges of a column of up to 32 bits. */
static int leaf_range32(struct scan *s, const struct expr *t, enum col col, const uint8_t *live,
                        uint8_t *out)
{
    const uint32_t *c;
    int rc = scan_col32(s, col, &c);

    for (uint32_t k = 0; rc == ERR_OK && k < t->n_ranges; k++)
        if (t->range[k].lo <= UINT32_MAX)
            range32(c, live, out, s->n, (uint32_t)t->range[k].lo,
                    (uint32_t)(MIN(t->range[k].hi, UINT32_MAX) - t->range[k].lo));
    return rc;
}

/* A network or country: codes that match stand in a table; in a sorted one mostly in one run. */
static int leaf_table(struct scan *s, const struct node *x, enum col col, const uint8_t *live,
                      uint8_t *out)
{
    const uint32_t *c;
    int rc = scan_col32(s, col, &c);

    if (rc != ERR_OK || x->hits == 0)
        return rc;
    if (x->run_hi > 0)
        range32(c, live, out, s->n, x->run_lo, x->run_hi - 1 - x->run_lo);
    else
        for (uint32_t i = 0; i < s->n; i++)
            out[i] = live[i] & x->table[c[i]];
    return ERR_OK;
}

/* AS number or country of each row; a name is that of a number. */
static int leaf_geo(struct scan *s, struct node *x, const uint8_t *live, uint8_t *out)
{
    const struct expr *t = x->x;
    const uint32_t *v;
    int rc = geo_side(s, t->value.v[0].calc, &v);

    if (rc == ERR_OK && t->op != EXPR_RANGE)
        rc = geo_names(s, x);
    if (rc != ERR_OK)
        return rc;
    memset(out, 0, s->n);
    if (t->op == EXPR_RANGE && t->n_ranges <= FEW_RANGES)
        for (uint32_t k = 0; k < t->n_ranges && t->range[k].lo <= UINT32_MAX; k++)
            range32(v, live, out, s->n, (uint32_t)t->range[k].lo,
                    (uint32_t)(MIN(t->range[k].hi, UINT32_MAX) - t->range[k].lo));
    else
        for (uint32_t i = 0; i < s->n; i++)
            out[i] = live[i] && (t->op == EXPR_RANGE ? match_ranges(t, v[i]) : geo_named(x, v[i]));
    return ERR_OK;
}

/* Ranges of words. */
static int leaf_words(struct scan *s, const struct expr *t, const uint8_t *live, uint8_t *out)
{
    const uint32_t *w;
    int rc = define_words(s, (enum def_value)t->value.v[0].calc, &w);

    if (rc != ERR_OK)
        return rc;
    memset(out, 0, s->n);
    if (t->n_ranges <= FEW_RANGES)
        for (uint32_t k = 0; k < t->n_ranges; k++)
            range32(w, live, out, s->n, (uint32_t)t->range[k].lo,
                    (uint32_t)(t->range[k].hi - t->range[k].lo));
    else
        for (uint32_t i = 0; i < s->n; i++)
            out[i] = live[i] && match_ranges(t, w[i]);
    return ERR_OK;
}

/* Leaves on one column, without a look at the single row. */
static int fast_leaf(struct scan *s, struct node *x, const uint8_t *live, uint8_t *out, bool *done)
{
    const struct expr *t = x->x;
    const struct value *v = &t->value.v[0];
    const uint64_t *c;
    int rc;

    *done = false;
    if (match_table_col(s, t) != COL_N && x->table != NULL) {
        *done = true;
        memset(out, 0, s->n);
        return leaf_table(s, x, match_table_col(s, t), live, out);
    }
    if (t->value.n == 1 && v->kind == VALUE_CALC && calc_is_geo(v->calc) && t->op != EXPR_EXISTS) {
        *done = true;
        return leaf_geo(s, x, live, out);
    }
    if (t->value.n == 1 && v->kind == VALUE_DEF && t->op == EXPR_RANGE && !define_is_group(v)) {
        *done = true;
        return leaf_words(s, t, live, out);
    }
    if (t->value.n != 1 || v->kind != VALUE_COL || t->op == EXPR_NET)
        return ERR_OK;
    if (t->op != EXPR_RANGE && t->op != EXPR_MASK)
        return ERR_OK;
    *done = true;
    memset(out, 0, s->n);
    if (t->op == EXPR_RANGE && t->n_ranges <= FEW_RANGES && col_info[v->col].bits <= 32)
        return leaf_range32(s, t, (enum col)v->col, live, out);
    if ((rc = scan_col(s, (enum col)v->col, &c)) != ERR_OK)
        return rc;
    if (t->op == EXPR_MASK)
        mask64(c, live, out, s->n, t->mask, t->want, t->mask_any);
    else if (t->n_ranges <= FEW_RANGES)
        for (uint32_t k = 0; k < t->n_ranges; k++)
            range64(c, live, out, s->n, t->range[k].lo, t->range[k].hi - t->range[k].lo);
    else
        for (uint32_t i = 0; i < s->n; i++)
            out[i] = live[i] && match_ranges(t, c[i]);
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
    int rc = scan_load(s, COL_BIT(COL_SHAPE));

    if (rc != ERR_OK || t->op == EXPR_EXISTS) {
        for (unsigned i = 0; rc == ERR_OK && i < t->value.n; i++)
            if (t->value.v[i].kind == VALUE_DEF ||
                (t->value.v[i].kind == VALUE_CALC && calc_is_geo(t->value.v[i].calc)))
                rc = scan_load_value(s, &t->value.v[i]);
        return rc;
    }
    if (elems_live(s, t, live))
        return scan_load_alts(s, &t->value);
    for (unsigned i = 0; rc == ERR_OK && i < t->value.n; i++)
        if (t->value.v[i].kind != VALUE_ELEM)
            rc = scan_load_value(s, &t->value.v[i]);
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

/* out ^= got; of an `or`, rest no longer holds what matched before, so xor is or. */
SIMD_CLONES
static void join(uint8_t *restrict out, const uint8_t *restrict got, uint8_t *restrict rest,
                 uint32_t n, bool drop)
{
    uint8_t mask = drop ? 1 : 0;

    for (uint32_t i = 0; i < n; i++) {
        out[i] ^= got[i];
        rest[i] &= (uint8_t) ~(got[i] & mask);
    }
}

SIMD_CLONES
static void but_not(uint8_t *restrict out, const uint8_t *restrict live,
                    const uint8_t *restrict got, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        out[i] = live[i] & (got[i] ^ 1);
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
        join(out, got, rest, s->n, op == EXPR_OR);
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
        but_not(out, live, x->buf[0], s->n);
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
