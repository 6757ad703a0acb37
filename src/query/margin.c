/* Answers from the per-minute totals that a rowset keeps by protocol, where they are exact: no
 * other column asked for, the rowset wholly inside the frame, bins of whole minutes. Everything
 * else is read from the rows. */
#include <string.h>

#include "query/bins.h"
#include "query/match.h"

#define MINUTE_MS 60000

/* Does the filter name nothing but the protocol? */
static bool filter_fits(const struct expr *x)
{
    bool own = x->value.n == 1 && x->value.v[0].kind == VALUE_COL && x->value.v[0].col == COL_PROTO;

    if (x->op == EXPR_CONST)
        return true;
    if (x->op == EXPR_RANGE || x->op == EXPR_MASK)
        return own;
    if (x->op != EXPR_NOT && x->op != EXPR_AND && x->op != EXPR_OR && x->op != EXPR_XOR)
        return false;
    for (uint32_t k = 0; k < x->n_kids; k++)
        if (!filter_fits(x->kid[k]))
            return false;
    return true;
}

static bool passes(const struct expr *x, uint64_t proto)
{
    bool yes = x->op == EXPR_AND;

    if (x->op == EXPR_CONST)
        return x->yes;
    if (x->op == EXPR_RANGE)
        return match_ranges(x, proto);
    if (x->op == EXPR_MASK)
        return x->mask_any ? (proto & x->mask) != 0 : (proto & x->mask) == x->want;
    if (x->op == EXPR_NOT)
        return !passes(x->kid[0], proto);
    for (uint32_t k = 0; k < x->n_kids; k++) {
        bool kid = passes(x->kid[k], proto);
        yes = x->op == EXPR_AND ? yes && kid : x->op == EXPR_OR ? yes || kid : yes != kid;
    }
    return yes;
}

#define ACC_BIT(a) (UINT32_C(1) << (a))

bool margin_fits(const struct group *g)
{
    const uint32_t kept = ACC_BIT(ACC_BYTES) | ACC_BIT(ACC_PACKETS) | ACC_BIT(ACC_RAW_BYTES) |
                          ACC_BIT(ACC_RAW_PACKETS) | ACC_BIT(ACC_FLOWS) |
                          ACC_BIT(ACC_VAR_BYTES_LO) | ACC_BIT(ACC_VAR_BYTES_HI) |
                          ACC_BIT(ACC_VAR_PACKETS); /* of rows that are not sampled: 0 */
    const struct key_state *ks = &g->key[0];

    if (g->ctl != NULL && g->ctl->received_to_ms != 0)
        return false;
    /* first and last seen are known of all rows together only */
    if ((g->want & ~(kept | ACC_BIT(ACC_FIRST) | ACC_BIT(ACC_LAST))) != 0 || g->n_sum != g->n_acc)
        return false;
    if ((g->want & ~kept) != 0 && g->p->filter->op != EXPR_CONST)
        return false;
    if (g->n_states > 1 || g->n_states != g->n_keys || !filter_fits(g->p->filter))
        return false;
    if (g->binning && (g->p->whole || g->step_ms % MINUTE_MS != 0))
        return false;
    return g->n_keys == 0 ||
           (ks->k->kind == KEY_VALUE && ks->how == HOW_NARROW && ks->alts[0].n == 1 &&
            ks->alts[0].v[0].kind == VALUE_COL && ks->alts[0].v[0].col == COL_PROTO);
}

/* All shapes carry the protocol, so that none is absent. */
static bool proto_sent(const struct rowset *rs)
{
    for (uint32_t i = 0; i < rs->n_shapes; i++) {
        bool there = false;
        for (uint32_t k = 0; k < rs->shapes[i]->n_fields; k++)
            there |= rs->shapes[i]->f[k].col == COL_PROTO;
        if (!there)
            return false;
    }
    return true;
}

/* Do options or the operator give a rate to records that state none? *forced: to all records. */
static bool rates_said(const struct group *g, const struct rowset *rs, bool *forced)
{
    bool said = false, against;

    *forced = false;
    for (uint32_t i = 0; i < rs->n_exporters; i++) {
        said |= rate_rules_any(g->snap->rules, &rs->exporters[i].addr, &against) ||
                fact_any_rate(g->snap->facts, &rs->exporters[i]);
        *forced |= against;
    }
    return said;
}

/* A scaled share is rounded once; rounded by minutes and then scaled it would be another. */
static bool rows_fit(const struct group *g, const struct rowset *rs, const struct marginal_row *row,
                     uint32_t n)
{
    bool forced, said = rates_said(g, rs, &forced);
    int64_t next;

    if (forced || (g->n_keys > 0 && !proto_sent(rs)))
        return false;
    for (uint32_t i = 0; i < n; i++) {
        if (row[i].rate == 0 && said) /* by whom, the totals do not tell */
            return false;
        if (row[i].rate > 1 && g->errors) /* nor how long the packets were */
            return false;
        if (!g->binning)
            continue;
        if (row[i].rate > 1)
            return false;
        (void)bin_start(g->zone, row[i].minute_ms, g->step_ms, &next);
        if (next - row[i].minute_ms < MINUTE_MS)
            return false;
    }
    return true;
}

static int add_row(struct group *g, const struct marginal_row *r)
{
    uint64_t rate = r->rate > 1 ? r->rate : 1;
    uint64_t b = r->bytes + r->rev_bytes, k = r->packets + r->rev_packets;
    const uint64_t acc[ACC_N] = { [ACC_BYTES] = b * rate,
                                  [ACC_PACKETS] = k * rate,
                                  [ACC_RAW_BYTES] = b,
                                  [ACC_RAW_PACKETS] = k,
                                  [ACC_FLOWS] = r->flows };
    const uint64_t *val[SUMS_MAX_ACC];
    uint64_t key = r->key[0] + UINT64_C(1);
    struct sums *x = g->binning ? &g->bins : &g->groups;
    int rc = ERR_OK;

    for (unsigned a = 0; a < ACC_FIRST && g->want_total; a++)
        g->hand[0].total[a] += acc[a];
    if (g->n_keys == 0 && !g->binning)
        return ERR_OK;
    for (uint32_t a = 0; a < g->n_acc; a++)
        val[a] = &acc[g->used[a]];
    if (g->binning)
        key = bins_key(g, r->minute_ms, g->n_keys > 0 ? key : UINT64_MAX);
    if (x->dense)
        rc = sums_reserve(x, 0, key + 1);
    return rc == ERR_OK ? sums_add(x, 0, 1, &key, val) : rc;
}

static void add_times(struct group *g, const struct rowset *rs)
{
    uint64_t *t = g->hand[0].total;

    if (!g->want_total || (g->want & (ACC_BIT(ACC_FIRST) | ACC_BIT(ACC_LAST))) == 0)
        return;
    t[ACC_FIRST] = MAX(t[ACC_FIRST], ~(uint64_t)rs->min_start_ms);
    t[ACC_LAST] = MAX(t[ACC_LAST], (uint64_t)rs->max_end_ms + 1);
}

int margin_add(struct group *g, const struct rowset *rs, bool count, bool *done)
{
    const struct marginal_row *row;
    uint32_t n;
    int rc;

    *done = false;
    if (rs->ops->marginal == NULL ||
        (g->p->framed && (rs->min_start_ms < g->p->from_ms || rs->max_start_ms >= g->p->to_ms ||
                          rs->max_end_ms > g->p->to_ms)))
        return ERR_OK;
    rc = rs->ops->marginal(rs, MARGINAL_PROTO, &row, &n, NULL);
    if (rc != ERR_OK) /* none, or damaged: the rows say the same */
        return rc == ERR_NOMEM ? rc : ERR_OK;
    if (!rows_fit(g, rs, row, n))
        return ERR_OK;
    for (uint32_t i = 0; i < n; i++) {
        if (!passes(g->p->filter, row[i].key[0]))
            continue;
        if ((rc = add_row(g, &row[i])) != ERR_OK)
            return rc;
        g->stats->rows_matched += count ? row[i].flows : 0;
    }
    add_times(g, rs);
    *done = true;
    return ERR_OK;
}
