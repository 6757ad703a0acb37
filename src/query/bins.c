#include "query/bins.h"

#include "flow/share.h"

static int64_t floor_to(int64_t t, int64_t step)
{
    int64_t r = t % step;

    return t - (r < 0 ? r + step : r);
}

/* Bins lie on multiples of the step in the zone. Up to an hour the offset of the moment is used, so
 * that a clock that is set back does not join two hours; beyond, bins follow the wall clock. */
int64_t bin_start(const struct zone *z, int64_t t, int64_t step, int64_t *next)
{
    int64_t off, at;

    if (z == NULL || 900000 % step == 0) {
        at = floor_to(t, step);
        *next = at + step;
        return at;
    }
    off = zone_offset_s(z, t) * INT64_C(1000);
    at = floor_to(t + off, step);
    if (step <= 3600000 && 3600000 % step == 0) {
        *next = at + step - off;
        return at - off;
    }
    *next = zone_to_utc_ms(z, at + step);
    return zone_to_utc_ms(z, at);
}

int64_t bins_time(const struct group *g, uint64_t bin)
{
    return g->base_ms + (int64_t)bin * (g->regular ? g->step_ms : 1);
}

int bins_start(struct group *g)
{
    int64_t from = INT64_MAX, to = INT64_MIN, next;
    uint64_t bins;
    int rc;

    for (size_t i = 0; i < g->snap->n; i++) {
        const struct rowset *rs = g->snap->sets[i];
        from = MIN(from, rs->min_start_ms);
        to = MAX(to, MAX(rs->max_end_ms, rs->max_start_ms + 1));
    }
    if (from > to)
        from = to = 0;
    if (g->p->framed) {
        from = MAX(from, g->p->from_ms);
        to = MIN(MAX(to, from), g->p->to_ms);
    }
    g->regular = g->zone == NULL || 900000 % g->step_ms == 0;
    g->base_ms = bin_start(g->zone, from, g->step_ms, &next);
    if (!g->regular)
        g->base_ms -= 2 * 86400000ll; /* a clock set back may name an earlier bin */
    bins = (uint64_t)(to - g->base_ms) / (uint64_t)(g->regular ? g->step_ms : 1) + 1;
    g->binning = true;
    if (bins >= (UINT64_C(1) << 62) / (g->n_ranks + 1))
        return ERR_LIMIT;
    bins *= g->n_ranks + 1;
    rc = sums_init(&g->bins, &g->budget, g->workers, bins <= UINT64_C(1) << GROUP_DENSE_BITS,
                   g->n_sum, g->n_acc - g->n_sum);
    return rc == ERR_OK ? group_start_distinct(g, group_bits(bins)) : rc;
}

static int flush_bins(struct pass *p)
{
    struct hand *h = p->h;
    struct group *g = h->g;
    const uint64_t *val[SUMS_MAX_ACC];
    int rc = ERR_OK;

    for (uint32_t a = 0; a < g->n_acc; a++)
        val[a] = g->used[a] >= ACC_DISTINCT ? h->made[ACC_ACTIVE] : h->bin_val[a];
    if (g->bins.dense)
        rc = sums_reserve(&g->bins, h->i, pass_highest(h->bin_key, h->n_bin) + 1);
    if (rc == ERR_OK)
        rc = sums_add(&g->bins, h->i, h->n_bin, h->bin_key, val);
    if (rc == ERR_OK)
        rc = pass_add_values(p, &g->bins, h->n_bin, h->bin_key, h->bin_row);
    h->n_bin = 0;
    return rc;
}

/* What row j adds to a bin of which it covers [from, to). */
static uint64_t bin_value(const struct pass *p, unsigned acc, uint32_t j, int64_t from, int64_t to,
                          bool first)
{
    const struct hand *h = p->h;
    const struct plan *q = h->g->p;
    int64_t start = (int64_t)h->start[j], end = (int64_t)h->end[j];

    if (acc <= ACC_RAW_PACKETS)
        return q->whole ? h->val[acc][j] : share_inside(h->val[acc][j], start, end, from, to);
    if (acc == ACC_FLOWS)
        return first && !p->reversed &&
               (!q->framed || q->whole || (start >= q->from_ms && start < q->to_ms));
    if (acc == ACC_SESSIONS)
        return first && h->val[acc][j] != 0 &&
               (!q->framed || q->whole || (start >= q->from_ms && start < q->to_ms));
    if (acc == ACC_ACTIVE)
        return !p->reversed;
    if (acc == ACC_DURATION)
        return first ? h->val[acc][j] : 0;
    return acc <= ACC_LAST ? h->val[acc][j] : 0;
}

struct bin {
    int64_t at, next;
    uint64_t key;
};

static void find_bin(const struct group *g, int64_t t, struct bin *b)
{
    b->at = bin_start(g->zone, t, g->step_ms, &b->next);
    b->key = (uint64_t)(b->at - g->base_ms);
    if (g->regular)
        b->key /= (uint64_t)g->step_ms;
    b->key *= g->n_ranks + 1;
    if (b->next <= t)
        b->next = t + 1; /* a zone that jumps by more than the step */
}

/* A row spread over the bins it touches. Each bin gets its share; the start's bin gets the flow. */
static int put_bins(struct pass *p, uint32_t j, uint64_t rank1, struct bin *b)
{
    struct hand *h = p->h;
    const struct group *g = h->g;
    int64_t t = (int64_t)h->start[j], last = MAX((int64_t)h->end[j], t + 1);
    bool first = true;
    int rc = ERR_OK;

    if (g->p->framed) {
        t = MAX(t, g->p->from_ms);
        last = MIN(last, g->p->to_ms);
    }
    while (rc == ERR_OK && t < last) {
        uint32_t i = h->n_bin++;
        if (t < b->at || t >= b->next)
            find_bin(g, t, b);
        h->bin_key[i] = b->key + rank1;
        h->bin_row[i] = (uint16_t)j;
        for (uint32_t a = 0; a < g->n_acc; a++)
            h->bin_val[a][i] = bin_value(p, g->used[a], j, t, MIN(b->next, last), first);
        if (h->n_bin == ROWSET_VECTOR)
            rc = flush_bins(p);
        if (g->p->whole)
            break;
        first = false;
        t = b->next;
    }
    return rc;
}

static uint64_t rank_of(const struct group *g, uint64_t key)
{
    uint32_t n;

    if (g->rank_of != NULL)
        return g->rank_of[key];
    n = table_find(&g->ranks, &key, table_hash(&key, 1));
    return n == TABLE_NONE ? 0 : n + UINT64_C(1);
}

uint64_t bins_key(const struct group *g, int64_t ms, uint64_t key)
{
    struct bin b;

    find_bin(g, ms, &b);
    return b.key + (key != UINT64_MAX ? rank_of(g, key) : 0);
}

int bins_add(struct pass *p, uint32_t n, const uint64_t *key, const uint16_t *row)
{
    const struct group *g = p->h->g;
    struct bin b = { 0 };
    uint64_t last = UINT64_MAX, rank1 = 0;
    int rc = ERR_OK;

    b.at = b.next = INT64_MIN;
    for (uint32_t a = 0; a < g->n_acc; a++)
        if ((rc = pass_room(&p->h->bin_val[a], ROWSET_VECTOR)) != ERR_OK)
            return rc;
    for (uint32_t i = 0; i < n && rc == ERR_OK; i++) {
        if (key != NULL && key[i] != last) {
            last = key[i];
            rank1 = rank_of(g, last);
        }
        rc = put_bins(p, row != NULL ? row[i] : i, rank1, &b);
    }
    return rc == ERR_OK ? flush_bins(p) : rc;
}
