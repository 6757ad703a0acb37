#include "query/group.h"

#include <stdlib.h>
#include <string.h>

#include "os/proc.h"
#include "query/conv.h"
#include "query/match.h"
#include "query/pass.h"
#include "query/pool.h"

#define ROWS_PER_WORKER 16384u
/* A wave that numbers addresses has as many as this part of the memory allowed has octets. */
#define WAVE_OF_MEMORY 256u

/* ------------------------------------------------------------------ measures */

static bool raw(const struct group *g, uint32_t m)
{
    return g->p->raw || g->p->measures[m].raw;
}

static uint64_t get(const struct group *g, const uint64_t *acc, unsigned a)
{
    return g->at[a] >= 0 ? acc[g->at[a]] : 0;
}

static uint64_t rate_of(uint64_t v, unsigned factor, int64_t span_ms)
{
    return span_ms <= 0 ? 0 : (uint64_t)((unsigned __int128)v * factor / (uint64_t)span_ms);
}

uint64_t group_measure(const struct group *g, uint32_t m, const uint64_t *acc, int64_t span_ms,
                       double *real)
{
    uint64_t b = get(g, acc, raw(g, m) ? ACC_RAW_BYTES : ACC_BYTES);
    uint64_t p = get(g, acc, raw(g, m) ? ACC_RAW_PACKETS : ACC_PACKETS);

    *real = 0;
    switch ((enum measure_kind)g->p->measures[m].kind) {
    case MEASURE_BYTES:
        return b;
    case MEASURE_BITS:
        return b * 8;
    case MEASURE_PACKETS:
        return p;
    case MEASURE_FLOWS:
        return get(g, acc, ACC_FLOWS);
    case MEASURE_ACTIVE_FLOWS:
        return get(g, acc, ACC_ACTIVE);
    case MEASURE_BPS:
        return rate_of(b, 8000, span_ms);
    case MEASURE_PPS:
        return rate_of(p, 1000, span_ms);
    case MEASURE_BPP:
        *real = p > 0 ? (double)b / (double)p : 0;
        return p > 0 ? b / p : 0;
    case MEASURE_SESSIONS:
        return get(g, acc, ACC_SESSIONS);
    case MEASURE_INITIATED:
        return get(g, acc, ACC_INITIATED);
    case MEASURE_ACCEPTED:
        return get(g, acc, ACC_ACCEPTED);
    case MEASURE_DURATION_MS:
        return get(g, acc, ACC_DURATION);
    case MEASURE_DISTINCT:
        return get(g, acc, ACC_DISTINCT + m);
    case MEASURE_FIRST_SEEN:
        return ~get(g, acc, ACC_FIRST);
    case MEASURE_LAST_SEEN:
        return get(g, acc, ACC_LAST) - 1;
    }
    return 0;
}

/* ------------------------------------------------------------------ what is summed */

static void want(struct group *g, unsigned a)
{
    g->want |= 1u << a;
}

/* Accumulators of the measures, and what the total needs beside them. */
static void choose_accs(struct group *g)
{
    const struct plan *p = g->p;
    bool span = p->step_ms < 0;
    uint32_t measured;

    for (uint32_t m = 0; m < p->n_measures; m++) {
        unsigned k = p->measures[m].kind;
        bool pk = k == MEASURE_PACKETS || k == MEASURE_PPS || k == MEASURE_BPP;
        bool by = k == MEASURE_BYTES || k == MEASURE_BITS || k == MEASURE_BPS || k == MEASURE_BPP;
        span |= k == MEASURE_BPS || k == MEASURE_PPS;
        if (g->sampled && !raw(g, m) && by) {
            want(g, ACC_VAR_BYTES_LO);
            want(g, ACC_VAR_BYTES_HI);
        }
        if (g->sampled && !raw(g, m) && pk)
            want(g, ACC_VAR_PACKETS);
        if (by)
            want(g, raw(g, m) ? ACC_RAW_BYTES : ACC_BYTES);
        if (pk)
            want(g, raw(g, m) ? ACC_RAW_PACKETS : ACC_PACKETS);
        if (k == MEASURE_FLOWS)
            want(g, ACC_FLOWS);
        if (k == MEASURE_ACTIVE_FLOWS)
            want(g, ACC_ACTIVE);
        if (k == MEASURE_SESSIONS)
            want(g, ACC_SESSIONS);
        if (k == MEASURE_INITIATED)
            want(g, ACC_INITIATED);
        if (k == MEASURE_ACCEPTED)
            want(g, ACC_ACCEPTED);
        if (k == MEASURE_DURATION_MS)
            want(g, ACC_DURATION);
        if (k == MEASURE_FIRST_SEEN)
            want(g, ACC_FIRST);
        if (k == MEASURE_LAST_SEEN)
            want(g, ACC_LAST);
        if (k == MEASURE_DISTINCT)
            want(g, ACC_DISTINCT + m);
    }
    measured = g->want;
    want(g, ACC_FLOWS);
    want(g, p->raw ? ACC_RAW_BYTES : ACC_BYTES);
    want(g, p->raw ? ACC_RAW_PACKETS : ACC_PACKETS);
    if (g->sampled) {
        want(g, ACC_VAR_BYTES_LO);
        want(g, ACC_VAR_BYTES_HI);
        want(g, ACC_VAR_PACKETS);
    }
    if (span) {
        want(g, ACC_FIRST);
        want(g, ACC_LAST);
    }
    memset(g->at, -1, sizeof g->at);
    for (unsigned half = 0; half < 2; half++) {
        for (unsigned a = 0; a < ACC_N; a++) {
            bool max = a == ACC_FIRST || a == ACC_LAST;
            if ((measured >> a & 1) == 0 || max != (half == 1))
                continue;
            g->at[a] = (int8_t)g->n_acc;
            g->used[g->n_acc++] = (uint8_t)a;
        }
        if (half == 0)
            g->n_sum = g->n_acc;
    }
}

/* ------------------------------------------------------------------ life */

static bool uses_col(const struct key *k, uint8_t a, uint8_t b)
{
    for (unsigned i = 0; i < k->a.n; i++)
        if (k->a.v[i].kind == VALUE_COL && (k->a.v[i].col == a || k->a.v[i].col == b))
            return true;
    return false;
}

/* Keys of one address column with the same prefix lengths share a numbering. */
static int share_numbering(struct group *g, struct key_state *ks, uint64_t addrs)
{
    struct numbering *x;
    uint32_t i = 0;
    int rc;

    for (; i < g->n_numberings; i++)
        if (g->numbering[i].mask4 == ks->k->mask4 && g->numbering[i].mask6 == ks->k->mask6)
            break;
    x = &g->numbering[i];
    if (i == g->n_numberings) {
        if ((rc = number_init(x, &g->budget, g->snap, ks->k->mask4, ks->k->mask6)) != ERR_OK)
            return rc;
        g->n_numberings++;
    }
    ks->number = x;
    ks->bits = (uint8_t)MIN(group_bits(addrs + 1), 31);
    return ERR_OK;
}

int group_hosts(struct group *g)
{
    uint32_t i = 0;
    int rc;

    while (i < g->n_numberings && (g->numbering[i].mask4 != 32 || g->numbering[i].mask6 != 128))
        i++;
    if (i == g->n_numberings) {
        if ((rc = number_init(&g->numbering[i], &g->budget, g->snap, 32, 128)) != ERR_OK)
            return rc;
        g->n_numberings++;
    }
    g->hosts = &g->numbering[i];
    return ERR_OK;
}

static int add_key(struct group *g, const struct key *k, uint64_t addrs)
{
    struct key_state *ks = &g->key[g->n_states++];
    int rc = key_init(ks, k, g->p->defs, &g->budget);

    return rc == ERR_OK && ks->how == HOW_CODE ? share_numbering(g, ks, addrs) : rc;
}

static bool counted_up(const struct key_state *ks)
{
    return key_words(ks) == 1 && ks->how != HOW_NARROW;
}

/* How the keys make a group, and how groups are kept. */
static int choose_groups(struct group *g)
{
    const struct key_state *one = &g->key[0];
    unsigned likely = MIN(group_bits(g->addrs + 1), 31);
    bool dense;
    uint32_t words = 0;

    g->simple = true;
    for (uint32_t k = 0; k < g->n_keys; k++) {
        const struct key_state *ks = &g->key[k];
        words += key_words(ks);
        g->bits += ks->bits * key_words(ks);
        g->simple &= ks->k->kind == KEY_VALUE && ks->how != HOW_GROUP;
    }
    g->tuples = g->bits > 62;
    if (g->tuples) {
        g->simple = false;
        g->bits = 32;
        if (table_init(&g->tuple, &g->budget, words, 0) != ERR_OK)
            return ERR_NOMEM;
    }
    dense = g->tuples || g->bits <= GROUP_DENSE_BITS || (g->n_keys == 1 && counted_up(one));
    if (g->n_keys == 1 && one->how == HOW_CODE && counted_up(one) && likely > GROUP_DENSE_BITS)
        dense = (UINT64_C(1) << likely) * (g->n_acc * 8 + 1) * g->workers < g->budget.max / 4;
    g->by_code = dense && g->n_keys == 1 && one->how == HOW_CODE && one->k->kind == KEY_VALUE &&
                 one->k->role == KEY_NO_ROLE && (g->want >> ACC_INITIATED & 1) == 0 &&
                 (g->want >> ACC_ACCEPTED & 1) == 0;
    return sums_init(&g->groups, &g->budget, g->workers, dense, g->n_sum, g->n_acc - g->n_sum);
}

int group_start_distinct(struct group *g, unsigned bits)
{
    int rc = ERR_OK;

    for (uint32_t m = 0; m < g->p->n_measures && rc == ERR_OK; m++) {
        struct distinct *d = &g->distinct[m];
        if (d->ks == NULL)
            continue;
        d->bits = d->ks->bits * key_words(d->ks);
        d->wide = bits + d->bits > 62;
        sums_free(&d->pairs);
        table_free(&d->tuple);
        rc = sums_init(&d->pairs, &g->budget, g->workers, false, 0, 0);
        if (rc == ERR_OK)
            rc = table_init(&d->tuple, &g->budget, 2, 0);
        if (rc != ERR_OK || !g->want_total)
            continue;
        sums_free(&d->all);
        rc = sums_init(&d->all, &g->budget, g->workers,
                       counted_up(d->ks) || d->bits <= GROUP_DENSE_BITS, 0, 0);
    }
    return rc;
}

static int hand_init(struct group *g, struct hand *h, unsigned i)
{
    int rc = scan_init(&h->s, g->p, g->ctl, &h->stats, &h->e);

    h->g = g;
    h->i = i;
    h->s.zone = g->zone;
    for (uint32_t k = 0; k < g->n_states && rc == ERR_OK; k++)
        rc = key_rows_init(&h->key[k]);
    h->made[ACC_ACTIVE] = calloc(ROWSET_VECTOR, sizeof(uint64_t));
    h->group_key = malloc(ROWSET_VECTOR * sizeof(uint64_t));
    h->pair_key = malloc(2 * ROWSET_VECTOR * sizeof(uint64_t));
    h->entry_side = malloc(ROWSET_VECTOR);
    h->entry_row = malloc(ROWSET_VECTOR * sizeof(uint16_t));
    h->bin_key = malloc(ROWSET_VECTOR * sizeof(uint64_t));
    h->bin_row = malloc(ROWSET_VECTOR * sizeof(uint16_t));
    if (h->made[ACC_ACTIVE] == NULL || h->group_key == NULL || h->pair_key == NULL ||
        h->entry_row == NULL || h->entry_side == NULL || h->bin_key == NULL || h->bin_row == NULL)
        return ERR_NOMEM;
    if (rc == ERR_OK && g->groups.dense && g->bits <= GROUP_DENSE_BITS && !g->tuples)
        rc = sums_reserve(&g->groups, i, UINT64_C(1) << g->bits);
    return rc;
}

static void hand_free(struct hand *h)
{
    if (h->g == NULL)
        return;
    scan_free(&h->s);
    for (size_t k = 0; k < ARRAY_LEN(h->key); k++)
        key_rows_free(&h->key[k]);
    for (unsigned c = 0; c < COL_N; c++)
        free(h->gather[c]);
    for (unsigned a = 0; a < ACC_N; a++) {
        free(h->made[a]);
        free(h->bin_val[a]);
    }
    free(h->met);
    free(h->code_acc);
    free(h->code_seen);
    free(h->group_key);
    free(h->pair_key);
    free(h->entry_row);
    free(h->entry_side);
    free(h->bin_key);
    free(h->bin_row);
}

/* Rows and addresses that may be read; decides how many hands it takes. Of what is not in the first
 * wave only rows are known, and each of them may bring an address in every column: *addrs are the
 * most there can be, g->addrs as many as it will be if the others are like those of the wave. */
static int look_ahead(struct group *g, uint64_t *addrs)
{
    bool guess = g->errors && !g->sampled;
    const struct snapshot *snap = g->snap;
    unsigned most = g->ctl != NULL && g->ctl->threads > 0 ? g->ctl->threads : proc_cpus();
    uint64_t rows = 0, seen_rows = 0, seen = 0;
    size_t end;
    int rc;

    if ((g->done = calloc(snap->n + 1, sizeof *g->done)) == NULL)
        return ERR_NOMEM;
    if ((rc = opened_wave(g->open, 0, OPENED_ADDRS, &end, g->stats, g->e)) != ERR_OK)
        return rc;
    g->sampled |= guess && group_guess_sampled(g, end);
    for (size_t i = 0; i < snap->n; i++) {
        const struct rowset *rs = snap->sets[i];
        rows += rs->n_rows;
        seen_rows += i < end ? rs->n_rows : 0;
        seen += i < end ? rs->n_addrs : 0;
    }
    *addrs = seen + (rows - seen_rows) * GROUP_ADDR_COLS + (snap->n - end);
    g->addrs = rows > seen_rows && seen_rows > 0
                   ? (uint64_t)((double)seen * (double)rows / (double)seen_rows)
                   : *addrs;
    most = MIN(most, POOL_MAX);
    g->workers = (unsigned)MAX(MIN(rows / ROWS_PER_WORKER, most), 1);
    return ERR_OK;
}

int group_init(struct group *g, const struct plan *p, struct opened *open,
               struct query_control *ctl, struct query_stats *stats, bool sampled, struct err *e)
{
    bool proto = false;
    uint64_t addrs = 0;
    int rc;

    memset(g, 0, sizeof *g);
    g->p = p;
    g->open = open;
    g->snap = &open->sets;
    g->ctl = ctl;
    g->stats = stats;
    g->e = e;
    g->budget.max = ctl != NULL && ctl->memory_max > 0 ? ctl->memory_max : 1ull << 30;
    g->want_total = true;
    os_mutex_init(&g->lock);
    os_mutex_init(&g->points_lock);
    g->n_keys = p->view == VIEW_RANK ? p->n_keys : 0;
    if (p->tz[0] != '\0' && strcmp(p->tz, "UTC") != 0 &&
        (rc = zone_open(&g->zone, p->tz, e)) != ERR_OK)
        return rc;
    g->errors = p->view != VIEW_LIST && !p->option_records && p->step_ms == 0 && !p->raw;
    g->sampled = g->errors && sampled;
    rc = look_ahead(g, &addrs);
    choose_accs(g);
    for (uint32_t k = 0; k < g->n_keys && rc == ERR_OK; k++) {
        rc = add_key(g, &p->keys[k], addrs);
        g->port_key |= uses_col(&p->keys[k], COL_SRC_PORT, COL_DST_PORT);
        proto |= uses_col(&p->keys[k], COL_PROTO, COL_PROTO);
        g->named |= g->snap->facts != NULL && names_kind(&p->keys[k].a, &(enum fact_kind){ 0 });
    }
    g->port_key = g->port_key && !proto;
    for (uint32_t m = 0; m < p->n_measures && rc == ERR_OK; m++) {
        if (p->measures[m].kind != MEASURE_DISTINCT)
            continue;
        g->distinct[m].key = g->n_states;
        g->distinct[m].ks = &g->key[g->n_states];
        rc = add_key(g, &p->measures[m].distinct, addrs);
    }
    if (rc == ERR_OK)
        rc = choose_groups(g);
    if (rc == ERR_OK)
        rc = group_start_distinct(g, g->bits);
    if (rc == ERR_OK && (g->hand = calloc(g->workers, sizeof *g->hand)) == NULL)
        rc = ERR_NOMEM;
    for (unsigned i = 0; i < g->workers && rc == ERR_OK; i++)
        rc = hand_init(g, &g->hand[i], i);
    return rc;
}

void group_free(struct group *g)
{
    if (g->p == NULL)
        return;
    for (unsigned i = 0; g->hand != NULL && i < g->workers; i++)
        hand_free(&g->hand[i]);
    free(g->hand);
    for (uint32_t m = 0; m < PLAN_MAX_MEASURES; m++) {
        sums_free(&g->distinct[m].pairs);
        sums_free(&g->distinct[m].all);
        table_free(&g->distinct[m].tuple);
    }
    sums_free(&g->groups);
    sums_free(&g->bins);
    for (uint32_t k = 0; k < g->n_states; k++)
        key_free(&g->key[k]);
    for (uint32_t k = 0; k < g->n_numberings; k++)
        number_free(&g->numbering[k]);
    names_free(&g->met);
    table_free(&g->tuple);
    table_free(&g->ranks);
    free(g->rank_of);
    free(g->done);
    group_bits_free(g, &g->aside[0]);
    group_bits_free(g, &g->aside[1]);
    group_bits_free(g, &g->begins[0]);
    group_bits_free(g, &g->begins[1]);
    group_bits_free(g, &g->swapped);
    conv_free(g);
    zone_free(g->zone);
    os_mutex_free(&g->points_lock);
    os_mutex_free(&g->lock);
}

/* ------------------------------------------------------------------ reading */

struct crew {
    struct group *g;
    const struct plan *frame; /* whose rows are read */
    const bool *out;          /* rowsets not read; NULL = none */
    struct walk walk;
    struct visitor v; /* ctx is filled by each worker */
    unsigned workers;
    bool count;   /* into the statistics */
    bool margins; /* totals by minute may stand for rows */
};

static int crew_worker(void *ctx, unsigned worker)
{
    struct crew *c = ctx;
    struct visitor v = c->v;

    v.ctx = &c->g->hand[worker];
    return scan_walk(&c->g->hand[worker].s, &c->walk, &v);
}

static void gather_stats(struct group *g)
{
    struct query_stats *t = g->stats;

    for (unsigned i = 0; i < g->workers; i++) {
        struct query_stats *s = &g->hand[i].stats;
        t->segments_pruned += s->segments_pruned;
        t->blocks += s->blocks;
        t->blocks_pruned += s->blocks_pruned;
        t->rows_scanned += s->rows_scanned;
        t->rows_matched += s->rows_matched;
        t->rows_unreadable += s->rows_unreadable;
        t->incomplete |= s->incomplete;
        t->geo_today |= s->geo_today;
        t->geo_none |= s->geo_none;
        if (t->message[0] == '\0')
            memcpy(t->message, s->message, sizeof t->message);
        memset(s, 0, sizeof *s);
    }
}

static bool group_any_aside(const struct group *g, size_t set)
{
    return (g->aside[0] != NULL && g->aside[0][set] != NULL) ||
           (g->aside[1] != NULL && g->aside[1][set] != NULL);
}

/* Rowsets of the wave that are not read: those that cannot be, and those whose totals by minute
 * answer this scan. */
static int mark_done(struct group *g, const bool *out, size_t first, size_t end, bool margins,
                     bool count)
{
    bool fits = margins && margin_fits(g);
    int rc = ERR_OK;

    for (size_t i = first; i < end && rc == ERR_OK; i++) {
        g->done[i] = g->open->unreadable[i] || (out != NULL && out[i]);
        if (fits && !g->done[i] && !group_any_aside(g, i))
            rc = margin_add(g, g->snap->sets[i], count, &g->done[i]);
    }
    return rc;
}

static int one_wave(struct group *g, struct crew *c, size_t first, size_t end)
{
    int rc = ERR_OK;

    for (uint32_t k = 0; k < g->n_numberings && rc == ERR_OK; k++)
        rc = number_wave(&g->numbering[k], first, end, g->workers);
    if (rc == ERR_OK)
        rc = mark_done(g, c->out, first, end, c->margins, c->count);
    if (rc == ERR_OK)
        rc = walk_init(&c->walk, c->frame, g->ctl, g->snap, first, end, g->done, c->count);
    if (rc == ERR_OK)
        rc = pool_run((unsigned)MAX(MIN(c->workers, c->walk.n), 1), crew_worker, c);
    walk_free(&c->walk);
    gather_stats(g);
    for (unsigned i = 0; i < g->workers && rc != ERR_OK; i++)
        if (g->hand[i].e.code == rc)
            *g->e = g->hand[i].e;
    return rc;
}

static int walk_all(struct group *g, struct crew *c)
{
    uint64_t most =
        g->n_numberings > 0 ? g->budget.max / WAVE_OF_MEMORY / g->n_numberings : OPENED_ADDRS;
    size_t first = 0, end;
    int rc = ERR_OK;

    while (first < g->snap->n && rc == ERR_OK) {
        rc = opened_wave(g->open, first, most, &end, g->stats, g->e);
        if (rc == ERR_OK)
            rc = one_wave(g, c, first, end);
        first = end;
    }
    return rc;
}

static void gather_totals(struct group *g)
{
    for (unsigned i = 0; i < g->workers; i++) {
        uint64_t *t = g->hand[i].total;
        for (unsigned a = 0; a < ACC_N; a++)
            g->total[a] =
                a == ACC_FIRST || a == ACC_LAST ? MAX(g->total[a], t[a]) : g->total[a] + t[a];
        memset(t, 0, sizeof g->total);
        g->missed |= g->hand[i].missed;
    }
}

int group_scan(struct group *g, bool count)
{
    struct crew c = { .g = g,
                      .frame = g->p,
                      .v = { .enter = pass_enter, .vector = pass_vector, .leave = pass_leave },
                      .workers = g->workers,
                      .count = count,
                      .margins = true };
    int rc = walk_all(g, &c);

    gather_totals(g);
    return rc;
}

int group_walk(struct group *g, unsigned workers, int (*vector)(struct scan *s, void *hand))
{
    struct crew c = {
        .g = g, .frame = g->p, .v = { .vector = vector }, .workers = workers, .count = true
    };
    int rc = walk_all(g, &c);

    gather_totals(g);
    return rc;
}

int group_look(struct group *g, const struct plan *frame, const bool *out, bool count,
               int (*vector)(struct scan *s, void *hand))
{
    struct crew c = { .g = g,
                      .frame = frame,
                      .out = out,
                      .v = { .vector = vector },
                      .workers = g->workers,
                      .count = count };
    int rc;

    for (unsigned i = 0; i < g->workers; i++)
        g->hand[i].s.p = frame;
    rc = walk_all(g, &c);
    for (unsigned i = 0; i < g->workers; i++)
        g->hand[i].s.p = g->p;
    return rc;
}

/* ------------------------------------------------------------------ bits of rows */

int group_bits_new(struct group *g, uint64_t ***set)
{
    if (*set == NULL && (*set = calloc(g->snap->n + 1, sizeof **set)) == NULL)
        return ERR_NOMEM;
    return ERR_OK;
}

void group_bits_free(struct group *g, uint64_t ***set)
{
    for (size_t i = 0; *set != NULL && i < g->snap->n; i++)
        free((*set)[i]);
    free(*set);
    *set = NULL;
}

int group_set_bit(struct group *g, uint64_t **set, uint64_t row)
{
    uint32_t i = (uint32_t)(row >> 32), at = (uint32_t)row;
    uint64_t *words = __atomic_load_n(&set[i], __ATOMIC_ACQUIRE);
    size_t n = (size_t)g->snap->sets[i]->n_blocks * (BATCH_ROWS / 64);

    if (words == NULL) {
        int rc = ERR_OK;
        os_lock(&g->lock);
        if (set[i] == NULL && (rc = budget_take(&g->budget, n * sizeof *words)) == ERR_OK) {
            words = calloc(n, sizeof *words);
            __atomic_store_n(&set[i], words, __ATOMIC_RELEASE);
            rc = words != NULL ? ERR_OK : ERR_NOMEM;
        }
        words = set[i];
        os_unlock(&g->lock);
        if (rc != ERR_OK)
            return rc;
    }
    (void)__atomic_fetch_or(&words[at / 64], UINT64_C(1) << at % 64, __ATOMIC_RELAXED);
    return ERR_OK;
}

/* ------------------------------------------------------------------ behind the scan */

struct counting {
    struct group *g;
    struct sums *x;
    uint32_t m;
    uint64_t n[POOL_MAX];
};

static int count_pair(void *ctx, unsigned worker, uint64_t key, const uint64_t *acc)
{
    struct counting *c = ctx;
    const struct distinct *d = &c->g->distinct[c->m];

    (void)acc;
    return sums_bump(c->x, worker, key >> d->bits, (uint32_t)c->g->at[ACC_DISTINCT + c->m]);
}

static int count_value(void *ctx, unsigned worker, uint64_t key, const uint64_t *acc)
{
    struct counting *c = ctx;

    (void)key;
    (void)acc;
    c->n[worker]++;
    return ERR_OK;
}

int group_count_distinct(struct group *g, struct sums *x)
{
    int rc = ERR_OK;

    for (uint32_t m = 0; m < g->p->n_measures && rc == ERR_OK; m++) {
        struct distinct *d = &g->distinct[m];
        struct counting c = { .g = g, .x = x, .m = m };
        if (d->ks == NULL)
            continue;
        rc = sums_each(&d->pairs, g->workers, count_pair, &c);
        if (rc != ERR_OK || !g->want_total)
            continue;
        rc = sums_each(&d->all, g->workers, count_value, &c);
        for (unsigned w = 0; w < g->workers; w++)
            g->total[ACC_DISTINCT + m] += c.n[w];
    }
    return rc;
}

void group_numbers(const struct group *g, uint64_t key, uint64_t *num)
{
    uint32_t words = 0;

    for (uint32_t k = 0; k < g->n_keys; k++)
        words += key_words(&g->key[k]);
    if (g->tuples) {
        memcpy(num, g->tuple.key + key * g->tuple.stride, words * sizeof *num);
        return;
    }
    for (uint32_t k = g->n_keys; k-- > 0;)
        for (unsigned i = key_words(&g->key[k]); i-- > 0;) {
            num[--words] = key & ((UINT64_C(1) << g->key[k].bits) - 1);
            key >>= g->key[k].bits;
        }
}

int group_compare(const struct group *g, uint64_t a, uint64_t b)
{
    uint64_t x[GROUP_MAX_WORDS], y[GROUP_MAX_WORDS];
    uint32_t w = 0;
    int c = 0;

    if (a == b)
        return 0;
    group_numbers(g, a, x);
    group_numbers(g, b, y);
    for (uint32_t k = 0; k < g->n_keys && c == 0; k++) {
        c = key_compare(&g->key[k], x + w, y + w);
        w += key_words(&g->key[k]);
    }
    return c;
}
