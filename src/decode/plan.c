#include "decode/plan.h"

#include <stdlib.h>
#include <string.h>

static const uint16_t aux_id[AUX_N] = {
    [AUX_ICMP4] = 32,        [AUX_ICMP6] = 139,         [AUX_ICMP4_TYPE] = 176,
    [AUX_ICMP4_CODE] = 177,  [AUX_ICMP6_TYPE] = 178,    [AUX_ICMP6_CODE] = 179,
    [AUX_DURATION_MS] = 161, [AUX_DURATION_US] = 162,   [AUX_BOOT_MS] = 160,
    [AUX_SEEN_SEC] = 322,    [AUX_SEEN_MS] = 323,       [AUX_SEEN_US] = 324,
    [AUX_SEEN_NS] = 325,     [AUX_RATE_INTERVAL] = 305, [AUX_RATE_SPACE] = 306,
};
static const struct {
    uint32_t pen;
    uint16_t id;
} total_elem[TOTAL_N] = {
    [TOTAL_BYTES] = { 0, 85 },
    [TOTAL_PACKETS] = { 0, 86 },
    [TOTAL_REV_BYTES] = { PEN_REVERSE, 85 },
    [TOTAL_REV_PACKETS] = { PEN_REVERSE, 86 },
};

static const struct fmap *fmap_find(uint32_t pen, uint16_t id)
{
    size_t lo = 0, hi = fmap_count;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        const struct fmap *m = &fmap_table[mid];
        if (m->pen == pen && m->id == id)
            return m;
        if (m->pen < pen || (m->pen == pen && m->id < id))
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

/* Can octets of this length be read at all by this conversion? Variable lengths are looked at again
 * in each record. */
static bool readable(enum conv conv, uint16_t len)
{
    switch (conv) {
    case CONV_UINT:
    case CONV_DELTA_US:
        return (len >= 1 && len <= 8) || len == SHAPE_LEN_VAR;
    case CONV_IP4:
    case CONV_SEC:
    case CONV_UPTIME:
        return len == 4;
    case CONV_IP6:
        return len == 16;
    case CONV_MS:
    case CONV_NTP:
        return len == 8;
    case CONV_NONE:
    case CONV_N:
        break;
    }
    return false;
}

/* Does the column give these octets back exactly? The same rule as shape_read(). */
static bool exact(const struct fmap *m, uint16_t len, uint8_t proto)
{
    switch ((enum conv)m->conv) {
    case CONV_UINT:
        return len * 8u <= col_info[m->col].bits;
    case CONV_IP4:
    case CONV_IP6:
    case CONV_SEC:
    case CONV_MS:
        return true;
    case CONV_UPTIME:
        return proto != 10;
    case CONV_NONE:
    case CONV_NTP:
    case CONV_DELTA_US:
    case CONV_N:
        break;
    }
    return false;
}

struct compiler {
    struct plan *p;
    const struct plan_field *f;
    struct shape_field *sf;
    unsigned n, n_cand;
    uint8_t proto;
};

static bool is_total(const struct plan_field *f)
{
    for (unsigned t = 0; t < TOTAL_N; t++)
        if (f->pen == total_elem[t].pen && f->id == total_elem[t].id)
            return true;
    return false;
}

static bool has_icmp(const struct plan *p)
{
    for (unsigned a = AUX_ICMP4; a <= AUX_ICMP6_CODE; a++)
        if (p->aux[a] != PLAN_NO_FIELD)
            return true;
    return false;
}

static void find_special(struct compiler *c)
{
    for (unsigned a = 0; a < AUX_N; a++)
        c->p->aux[a] = PLAN_NO_FIELD;
    for (unsigned t = 0; t < TOTAL_N; t++)
        c->p->total[t] = PLAN_NO_FIELD;
    for (unsigned i = c->n; i-- > 0;) { /* backwards: the first occurrence stays */
        for (unsigned a = 0; a < AUX_N; a++)
            if (c->f[i].pen == 0 && c->f[i].id == aux_id[a])
                c->p->aux[a] = (uint16_t)i;
        for (unsigned t = 0; t < TOTAL_N; t++)
            if (c->f[i].pen == total_elem[t].pen && c->f[i].id == total_elem[t].id)
                c->p->total[t] = (uint16_t)i;
    }
}

/* Candidates of one column into cand[], best rank first, then order in the template. */
static unsigned collect(struct compiler *c, uint8_t col, unsigned *n_fields)
{
    struct plan_cand *at = c->p->cand + c->n_cand;
    unsigned n = 0;

    *n_fields = 0;
    for (unsigned i = 0; i < c->n; i++) {
        const struct fmap *m = fmap_find(c->f[i].pen, c->f[i].id);
        unsigned k = n;
        if (m == NULL || m->col != col || !readable((enum conv)m->conv, c->f[i].len))
            continue;
        ++*n_fields;
        if (is_total(&c->f[i])) {
            c->p->totals = true;
            continue;
        }
        for (; k > 0 && at[k - 1].rank > m->rank; k--)
            at[k] = at[k - 1];
        at[k] = (struct plan_cand){ (uint16_t)i, m->conv, m->rank };
        n++;
    }
    return n;
}

static enum pick_rule rule_of(uint8_t col)
{
    switch (col) {
    case COL_BYTES:
    case COL_PACKETS:
    case COL_REV_BYTES:
    case COL_REV_PACKETS:
    case COL_OUT_BYTES:
    case COL_OUT_PACKETS:
        return PICK_COUNTER;
    case COL_DST_PORT:
        return PICK_PORT;
    case COL_RATE:
        return PICK_RATE;
    case COL_START:
    case COL_END:
        return PICK_TIME;
    default:
        return PICK_FIRST;
    }
}

/* Other elements may change what this column says, so its one candidate is no plain load. */
static bool influenced(const struct plan *p, uint8_t col)
{
    if (col == COL_DST_PORT)
        return has_icmp(p);
    return false;
}

static void compile_column(struct compiler *c, uint8_t col)
{
    struct plan *p = c->p;
    unsigned n_fields, n = collect(c, col, &n_fields);
    const struct plan_cand *one = p->cand + c->n_cand;
    const struct fmap *m;
    bool rate = col == COL_RATE && p->aux[AUX_RATE_INTERVAL] != PLAN_NO_FIELD &&
                p->aux[AUX_RATE_SPACE] != PLAN_NO_FIELD;

    if (n_fields == 0 && !influenced(p, col) && !rate)
        return;
    p->used |= 1ull << col;
    m = n == 1 ? fmap_find(c->f[one->field].pen, c->f[one->field].id) : NULL;
    if (m != NULL && n_fields == 1 && !influenced(p, col) &&
        c->f[one->field].len != SHAPE_LEN_VAR && exact(m, c->f[one->field].len, c->proto)) {
        p->load[p->n_load++] = (struct plan_load){ one->field, col, one->conv };
        c->sf[one->field].col = col;
        c->sf[one->field].conv = one->conv;
        p->needs_base |= one->conv == CONV_UPTIME;
        return;
    }
    p->pick[p->n_pick++] =
        (struct plan_pick){ col, (uint8_t)rule_of(col), (uint16_t)c->n_cand, (uint16_t)n };
    c->n_cand += n;
}

static struct plan_pick *pick_of(struct plan *p, uint8_t col)
{
    for (unsigned i = 0; i < p->n_pick; i++)
        if (p->pick[i].col == col)
            return &p->pick[i];
    return NULL;
}

/* Rank of the candidates of a time column: bit per rank. */
static uint32_t time_ranks(const struct compiler *c, uint8_t col)
{
    uint32_t ranks = 0;

    for (unsigned i = 0; i < c->n; i++) {
        const struct fmap *m = fmap_find(c->f[i].pen, c->f[i].id);
        if (m != NULL && m->col == col && readable((enum conv)m->conv, c->f[i].len))
            ranks |= 1u << (m->rank & 31);
    }
    return ranks;
}

/* Start and end from the same kind of time where the template has one for both. */
static void choose_times(struct compiler *c)
{
    uint32_t both = time_ranks(c, COL_START) & time_ranks(c, COL_END);

    for (unsigned col = COL_START; col <= COL_END; col++) {
        struct plan_pick *k = pick_of(c->p, (uint8_t)col);
        if (k == NULL || k->n == 0)
            continue;
        for (unsigned i = 0; i < k->n; i++) {
            struct plan_cand *cand = &c->p->cand[k->first + i];
            if ((both & 1u << (cand->rank & 31)) != 0 &&
                (both & ((1u << (cand->rank & 31)) - 1)) == 0) {
                k->first = (uint16_t)(k->first + i);
                break;
            }
        }
        k->n = 1;
        c->p->needs_boot |= c->p->cand[k->first].conv == CONV_UPTIME && c->proto == 10;
    }
}

static void compile_flow(struct compiler *c)
{
    struct plan *p = c->p;

    for (unsigned col = 0; col < COL_N; col++)
        compile_column(c, (uint8_t)col);
    choose_times(c);
    plan_section(p, c->f, c->n);
    p->has_start = (p->used >> COL_START & 1) != 0;
    p->has_end = (p->used >> COL_END & 1) != 0;
    p->biflow = (p->used & (1ull << COL_REV_BYTES | 1ull << COL_REV_PACKETS)) != 0;
    p->used |= 1ull << COL_RECEIVED | 1ull << COL_EXPORTER | 1ull << COL_SHAPE | 1ull << COL_START |
               1ull << COL_END;
    if (p->needs_base)
        p->used |= 1ull << COL_UPTIME_BASE;
}

static void lay_out(struct compiler *c)
{
    struct plan *p = c->p;
    uint32_t off = 0;

    for (unsigned i = 0; i < c->n; i++) {
        struct plan_span *last = p->n_span > 0 ? &p->span[p->n_span - 1] : NULL;
        uint32_t len = c->f[i].len == SHAPE_LEN_VAR ? 0 : c->f[i].len;
        p->off[i] = off;
        p->len[i] = len;
        off += len;
        if (c->sf[i].col != COL_NONE || len == 0)
            continue;
        if (last != NULL && last->off + last->len == p->off[i])
            last->len += len;
        else /* plan_new made room: NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
            p->span[p->n_span++] = (struct plan_span){ p->off[i], len };
    }
}

int plan_new(struct plan **out, uint8_t proto, enum shape_kind kind, unsigned n_scope,
             const struct plan_field *f, unsigned n)
{
    struct plan *p = calloc(1, sizeof *p);
    struct compiler c = { .p = p, .f = f, .n = n, .proto = proto };
    size_t room = n > 0 ? n : 1;
    struct shape *shape = NULL;
    int rc = ERR_NOMEM;

    *out = NULL;
    if (p == NULL)
        return ERR_NOMEM;
    c.sf = calloc(room, sizeof *c.sf);
    p->off = calloc(room, sizeof *p->off);
    p->len = calloc(room, sizeof *p->len);
    p->load = calloc(room, sizeof *p->load);
    p->cand = calloc(room, sizeof *p->cand);
    p->span = calloc(room, sizeof *p->span);
    if (c.sf == NULL || p->off == NULL || p->len == NULL || p->load == NULL || p->cand == NULL ||
        p->span == NULL)
        goto fail;
    for (unsigned i = 0; i < n; i++)
        c.sf[i] = (struct shape_field){ f[i].pen, f[i].id, f[i].len, COL_NONE, CONV_NONE };
    find_special(&c);
    if (kind == SHAPE_FLOW)
        compile_flow(&c);
    lay_out(&c);
    rc = shape_new(&shape, proto, kind, n_scope, c.sf, n);
    if (rc != ERR_OK)
        goto fail;
    p->shape = shape;
    if (shape->min_octets == 0) { /* endless records in any set */
        rc = ERR_ARG;
        goto fail;
    }
    free(c.sf);
    p->octets = (uint32_t)(sizeof *p + sizeof *shape +
                           room * (sizeof *p->off + sizeof *p->len + sizeof *p->load +
                                   sizeof *p->cand + sizeof *p->span + sizeof *c.sf));
    *out = p;
    return ERR_OK;
fail:
    free(c.sf);
    decode_plan_free(p);
    return rc;
}

void decode_plan_free(struct plan *p)
{
    if (p == NULL)
        return;
    shape_unref(p->shape);
    free(p->off);
    free(p->len);
    free(p->load);
    free(p->cand);
    free(p->span);
    free(p);
}
