#include <stdlib.h>
#include <string.h>

#include "query/answer.h"

/* ------------------------------------------------------------------ order */

struct ranked {
    uint64_t v;
    double real;
    uint32_t group;
};

static int compare(const struct ranked *a, const struct ranked *b, bool bottom)
{
    if (a->v != b->v)
        return (a->v > b->v) != bottom ? -1 : 1;
    if (a->real > b->real || a->real < b->real)
        return (a->real > b->real) != bottom ? -1 : 1;
    return a->group < b->group ? -1 : a->group > b->group;
}
static int by_most(const void *a, const void *b)
{
    return compare(a, b, false);
}
static int by_least(const void *a, const void *b)
{
    return compare(a, b, true);
}
static int by_group(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;

    return x->group < y->group ? -1 : x->group > y->group;
}

/* Heap with the worst on top. */
static void sift_down(struct ranked *h, size_t n, size_t i, int (*cmp)(const void *, const void *))
{
    for (size_t k = 2 * i + 1; k < n; i = k, k = 2 * i + 1) {
        struct ranked t = h[i];
        if (k + 1 < n && cmp(&h[k + 1], &h[k]) > 0)
            k++;
        if (cmp(&h[k], &h[i]) <= 0)
            return;
        h[i] = h[k];
        h[k] = t;
    }
}

static bool having_holds(const struct group *g, const struct expr *x, const uint64_t *acc,
                         int64_t span)
{
    bool yes = x->op == EXPR_AND;
    uint64_t v;
    double real;

    if (x->op == EXPR_CONST)
        return x->yes;
    if (x->op == EXPR_NOT)
        return !having_holds(g, x->kid[0], acc, span);
    if (x->op == EXPR_RANGE) {
        v = group_measure(g, x->value.v[0].calc, acc, span, &real);
        for (uint32_t i = 0; i < x->n_ranges; i++)
            yes |= v >= x->range[i].lo && v <= x->range[i].hi;
        return yes;
    }
    for (uint32_t k = 0; k < x->n_kids; k++) {
        bool kid = having_holds(g, x->kid[k], acc, span);
        yes = x->op == EXPR_AND ? yes && kid : x->op == EXPR_OR ? yes || kid : yes != kid;
    }
    return yes;
}

static int64_t span_of(const struct group *g)
{
    const struct plan *p = g->s->p;
    int64_t from = (int64_t)~g->total[ACC_FIRST], to = (int64_t)g->total[ACC_LAST];

    if (g->total[ACC_LAST] == 0)
        from = to = 0;
    if (to > from + 1)
        to--; /* the last record's end; one without duration fills its millisecond */
    if (p->framed && p->from_ms != INT64_MIN)
        from = p->from_ms;
    if (p->framed && p->to_ms != INT64_MAX)
        to = p->to_ms;
    return to - from;
}

/* The best groups in order into *out; n of them. */
static int select_top(struct group *g, struct ranked **out, size_t *n)
{
    const struct plan *p = g->s->p;
    int (*cmp)(const void *, const void *) = p->bottom ? by_least : by_most;
    size_t max = p->top > 0 ? (size_t)MIN(p->top, g->groups.n) : g->groups.n;
    struct ranked *h;

    *n = 0;
    if (budget_take(&g->budget, max * sizeof *h) != ERR_OK)
        return ERR_LIMIT;
    if ((*out = h = malloc((max + 1) * sizeof *h)) == NULL)
        return ERR_NOMEM;
    if (p->no_order)
        cmp = by_group;
    for (uint32_t i = 0; i < g->groups.n && max > 0; i++) {
        const uint64_t *acc = g->groups.acc + (size_t)i * g->n_acc;
        struct ranked r = { .group = i };
        if (p->having != NULL && !having_holds(g, p->having, acc, span_of(g)))
            continue;
        r.v = group_measure(g, 0, acc, span_of(g), &r.real);
        if (*n < max) {
            h[(*n)++] = r;
            if (*n == max)
                for (size_t k = max / 2 + 1; k-- > 0;)
                    sift_down(h, max, k, cmp);
        } else if (cmp(&r, &h[0]) < 0) {
            h[0] = r;
            sift_down(h, max, 0, cmp);
        }
    }
    qsort(h, *n, sizeof *h, cmp);
    return ERR_OK;
}

/* ------------------------------------------------------------------ cells */

static void addr_cell(const struct group *g, const struct key *k, uint64_t id, struct cell *c)
{
    c->kind = CELL_ADDR;
    c->prefix = 255;
    memcpy(c->a.b, g->addrs.key + id * 2, 16);
    if (addr_is_v4(&c->a) && k->mask4 > 0 && k->mask4 < 32)
        c->prefix = k->mask4;
    else if (!addr_is_v4(&c->a) && k->mask6 > 0 && k->mask6 < 128)
        c->prefix = k->mask6;
}

static void pair_cell(const struct group *g, const uint64_t *key, char *text, struct cell *c)
{
    struct addr a, b;
    size_t n;
    int order;

    memcpy(a.b, g->addrs.key + key[0] * 2, 16);
    memcpy(b.b, g->addrs.key + key[1] * 2, 16);
    order = addr_cmp(&a, &b); /* not by number, which depends on the order of the records */
    n = addr_format(order <= 0 ? &a : &b, text);
    memcpy(text + n, " <-> ", 5);
    n += 5;
    n += addr_format(order <= 0 ? &b : &a, text + n);
    *c = (struct cell){ .kind = CELL_TEXT, .text = text, .text_len = n };
}

#define PAIR_TEXT (2 * ADDR_TEXT_MAX + 8)

static void key_cells(const struct group *g, const uint64_t *key, struct cell *c,
                      char text[][PAIR_TEXT])
{
    uint64_t absent = key[g->words - 1];
    uint32_t w = 0;

    for (uint32_t k = 0; k < g->n_keys; k++) {
        const struct key_state *ks = &g->key[k];
        uint64_t v = key[w];
        c[k] = (struct cell){ .kind = CELL_ABSENT };
        if ((absent >> k & 1) != 0)
            ;
        else if (ks->k->kind == KEY_PAIR)
            pair_cell(g, key + w, text[k], &c[k]);
        else if (ks->type == TYPE_ADDR)
            addr_cell(g, ks->k, v, &c[k]);
        else if (ks->type == TYPE_TEXT)
            c[k] = (struct cell){ .kind = CELL_TEXT,
                                  .text = g->texts.octets + g->texts.off[v],
                                  .text_len = g->texts.off[v + 1] - g->texts.off[v] };
        else
            c[k] = (struct cell){ .kind = ks->type == TYPE_TIME ? CELL_TIME : CELL_UINT, .u = v };
        w += ks->k->kind == KEY_PAIR ? 2 : 1;
    }
}

static void measure_cells(const struct group *g, const uint64_t *acc, int64_t span, bool rest,
                          struct cell *c)
{
    const struct plan *p = g->s->p;

    for (uint32_t m = 0; m < p->n_measures - p->n_hidden; m++) {
        unsigned kind = p->measures[m].kind;
        double real;
        uint64_t v = group_measure(g, m, acc, span, &real);
        c[m] = (struct cell){ .kind = CELL_UINT, .u = v, .real = real };
        if (kind == MEASURE_BPP)
            c[m].kind = CELL_REAL;
        if (kind == MEASURE_FIRST_SEEN || kind == MEASURE_LAST_SEEN)
            c[m].kind = v != UINT64_MAX ? CELL_TIME : CELL_ABSENT; /* of no record */
        if (rest && kind == MEASURE_DISTINCT) /* not the sum: a value may stand in several groups */
            c[m].kind = CELL_ABSENT;
    }
}

static void compact(const struct group *g, uint64_t *acc)
{
    for (uint32_t i = 0; i < g->n_acc; i++)
        acc[i] = g->total[g->used[i]];
}

static void add_rest(const struct group *g, uint64_t *rest, const uint64_t *acc)
{
    for (uint32_t i = 0; i < g->n_acc; i++)
        rest[i] = g->used[i] == ACC_FIRST || g->used[i] == ACC_LAST ? MAX(rest[i], acc[i])
                                                                    : rest[i] + acc[i];
}

/* ------------------------------------------------------------------ answers */

int answer_begin(struct answer_sink *sink, const struct plan *p)
{
    struct answer_head *h = calloc(1, sizeof *h);
    int rc;

    if (h == NULL)
        return ERR_NOMEM;
    h->plan = p;
    if (p->view == VIEW_LIST || p->option_records) {
        for (uint32_t i = 0; i < p->n_cols && !p->all_columns && !p->option_records; i++)
            h->col[h->n_cols++] =
                (struct answer_column){ .name = p->cols[i].name, .role = ROLE_FIELD };
    } else {
        if (p->step_ms != 0)
            h->col[h->n_cols++] = (struct answer_column){ .name = "time", .role = ROLE_BIN };
        for (uint32_t k = 0; p->view == VIEW_RANK && k < p->n_keys; k++)
            h->col[h->n_cols++] =
                (struct answer_column){ .name = p->keys[k].name, .role = ROLE_KEY };
        for (uint32_t m = 0; m < p->n_measures - p->n_hidden; m++)
            h->col[h->n_cols++] = (struct answer_column){ .name = p->measures[m].name,
                                                          .role = ROLE_MEASURE,
                                                          .measure = p->measures[m].kind };
    }
    rc = sink->begin(sink, h);
    free(h);
    return rc;
}

static int rank_rows(struct group *g, const struct ranked *top, size_t n, struct answer_sink *sink)
{
    struct cell c[PLAN_MAX_KEYS + PLAN_MAX_MEASURES];
    char text[PLAN_MAX_KEYS][PAIR_TEXT];
    uint64_t rest[ACC_N] = { 0 };
    int64_t span = span_of(g);
    struct answer_row row = { .cell = c };
    uint8_t *shown;
    int rc = ERR_OK;

    for (size_t i = 0; rc == ERR_OK && i < n; i++) {
        key_cells(g, g->groups.key + (size_t)top[i].group * g->words, c, text);
        measure_cells(g, g->groups.acc + (size_t)top[i].group * g->n_acc, span, false,
                      c + g->n_keys);
        rc = sink->row(sink, &row);
    }
    if (rc != ERR_OK || n == g->groups.n)
        return rc;
    if ((shown = calloc(1, g->groups.n)) == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < n; i++)
        shown[top[i].group] = 1;
    for (uint32_t i = 0; i < g->groups.n; i++)
        if (!shown[i])
            add_rest(g, rest, g->groups.acc + (size_t)i * g->n_acc);
    free(shown);
    for (uint32_t k = 0; k < g->n_keys; k++)
        c[k] = (struct cell){ .kind = CELL_ABSENT };
    measure_cells(g, rest, span, true, c + g->n_keys);
    row.kind = ROW_REST;
    return sink->row(sink, &row);
}

struct bin_row {
    int64_t at;
    uint64_t rank1; /* 0 = the rest, last in its bin */
    uint32_t n;
};

static int by_bin(const void *a, const void *b)
{
    const struct bin_row *x = a, *y = b;

    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    return x->rank1 - 1 < y->rank1 - 1 ? -1 : x->rank1 - 1 > y->rank1 - 1;
}

static int bin_row(struct group *g, const struct bin_row *b, const struct ranked *top,
                   struct answer_sink *sink)
{
    const struct plan *p = g->s->p;
    struct cell c[1 + PLAN_MAX_KEYS + PLAN_MAX_MEASURES];
    char text[PLAN_MAX_KEYS][PAIR_TEXT];
    struct answer_row row = { .cell = c };
    int64_t from = b->at, to;

    (void)bin_start(g->s, from, g->step_ms, &to);
    if (p->framed)
        from = MAX(from, p->from_ms);
    if (p->framed)
        to = MIN(to, p->to_ms);
    c[0] = (struct cell){ .kind = CELL_TIME, .u = (uint64_t)b->at };
    if (b->rank1 > 0 && top != NULL)
        key_cells(g, g->groups.key + (size_t)top[b->rank1 - 1].group * g->words, c + 1, text);
    for (uint32_t k = 0; b->rank1 == 0 && k < g->n_keys; k++)
        c[1 + k] = (struct cell){ .kind = CELL_ABSENT };
    if (b->rank1 == 0 && g->n_keys > 0)
        row.kind = ROW_REST;
    measure_cells(g, g->bins.acc + (size_t)b->n * g->n_acc, to - from, false, c + 1 + g->n_keys);
    return sink->row(sink, &row);
}

static int bin_rows(struct group *g, const struct ranked *top, struct answer_sink *sink)
{
    uint32_t n = g->bins.n;
    struct bin_row *b;
    int rc = ERR_OK;

    if (budget_take(&g->budget, n * sizeof *b) != ERR_OK)
        return ERR_LIMIT;
    if ((b = malloc((n + 1) * sizeof *b)) == NULL)
        return ERR_NOMEM;
    for (uint32_t i = 0; i < n; i++)
        b[i] = (struct bin_row){ (int64_t)g->bins.key[2 * i], g->bins.key[2 * i + 1], i };
    qsort(b, n, sizeof *b, by_bin);
    for (uint32_t i = 0; rc == ERR_OK && i < n; i++)
        rc = bin_row(g, &b[i], top, sink);
    free(b);
    return rc;
}

/* The second pass: the same rows again, summed by bin and rank. */
static int series_pass(struct group *g, const struct snapshot *snap, const struct ranked *top,
                       size_t n)
{
    uint32_t *rank = malloc((g->groups.n + 1) * sizeof *rank);
    int rc;

    if (rank == NULL)
        return ERR_NOMEM;
    memset(rank, 0xff, (g->groups.n + 1) * sizeof *rank);
    for (size_t i = 0; i < n; i++)
        rank[top[i].group] = (uint32_t)i;
    g->rank = rank;
    g->binning = true;
    g->want_total = false;
    g->target = &g->bins;
    table_free(&g->seen);
    rc = table_init(&g->seen, &g->budget, 3, 0);
    if (rc == ERR_OK)
        rc = scan_run(g->s, snap, false, group_rowset, group_vector, g);
    free(rank);
    g->rank = NULL;
    return rc;
}

int answer_groups(struct group *g, const struct snapshot *snap, struct answer_sink *sink,
                  struct cell *total)
{
    const struct plan *p = g->s->p;
    bool two = g->n_keys > 0 || p->step_ms < 0;
    struct ranked *top = NULL;
    uint64_t acc[ACC_N];
    size_t n = 0;
    int rc;

    g->step_ms = p->step_ms;
    if (p->step_ms != 0 && !two) {
        g->binning = true;
        g->target = &g->bins;
    }
    if ((rc = scan_run(g->s, snap, true, group_rowset, group_vector, g)) != ERR_OK)
        return rc;
    if (p->step_ms < 0)
        g->step_ms = query_auto_step(span_of(g));
    rc = g->n_keys > 0 ? select_top(g, &top, &n) : ERR_OK;
    if (rc == ERR_OK && p->step_ms != 0 && two)
        rc = series_pass(g, snap, top, n);
    if (rc == ERR_OK && p->step_ms != 0)
        rc = bin_rows(g, top, sink);
    else if (rc == ERR_OK && g->n_keys > 0)
        rc = rank_rows(g, top, n, sink);
    compact(g, acc);
    for (uint32_t k = 0; k < g->n_keys + (p->step_ms != 0); k++)
        total[k] = (struct cell){ .kind = CELL_ABSENT };
    measure_cells(g, acc, span_of(g), false, total + g->n_keys + (p->step_ms != 0));
    free(top);
    return rc;
}
