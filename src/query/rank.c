#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "query/answer.h"
#include "query/bins.h"
#include "query/service.h"

#define RANK_BITS 18u /* keys of that many bits find their rank in an array */

/* ------------------------------------------------------------------ order */

struct ranked {
    uint64_t v;
    double real;
    uint64_t key;
    uint64_t *acc; /* g->n_acc, in the worker's pool */
};

struct order {
    const struct group *g;
    bool bottom, none;
};

/* Best first: by the measure, then by what the keys stand for, so that the order depends on nothing
 * else. */
static int compare(const struct order *o, const struct ranked *a, const struct ranked *b)
{
    if (!o->none && a->v != b->v)
        return (a->v > b->v) != o->bottom ? -1 : 1;
    if (!o->none && (a->real > b->real || a->real < b->real))
        return (a->real > b->real) != o->bottom ? -1 : 1;
    return group_compare(o->g, a->key, b->key);
}
static int by_order(const void *a, const void *b, void *order)
{
    return compare(order, a, b);
}

/* Heap with the worst on top. */
static void sift_down(const struct order *o, struct ranked *h, size_t n, size_t i)
{
    for (size_t k = 2 * i + 1; k < n; i = k, k = 2 * i + 1) {
        struct ranked t = h[i];
        if (k + 1 < n && compare(o, &h[k + 1], &h[k]) > 0)
            k++;
        if (compare(o, &h[k], &h[i]) <= 0)
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
    const struct plan *p = g->p;
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

/* ------------------------------------------------------------------ the best groups */

/* The best groups that one worker saw. What does not stay among them is summed as the rest. */
struct best {
    struct ranked *h;
    size_t n, cap;
    uint64_t groups; /* seen in all */
    uint64_t rest[ACC_N];
};
struct choosing {
    struct group *g;
    struct order order;
    int64_t span;
    size_t max; /* 0 = all */
    struct best *best;
};

static void add_acc(const struct group *g, uint64_t *to, const uint64_t *acc)
{
    for (uint32_t i = 0; i < g->n_sum; i++)
        to[i] += acc[i];
    for (uint32_t i = g->n_sum; i < g->n_acc; i++)
        to[i] = MAX(to[i], acc[i]);
}

static int best_room(struct group *g, struct best *b)
{
    size_t cap = b->cap * 2 + 64;
    struct ranked *h;

    if (b->n < b->cap)
        return ERR_OK;
    if (budget_take(&g->budget, (cap - b->cap) * sizeof *h) != ERR_OK)
        return ERR_LIMIT;
    if ((h = realloc(b->h, cap * sizeof *h)) == NULL)
        return ERR_NOMEM;
    b->h = h;
    b->cap = cap;
    return ERR_OK;
}

static int best_add(struct choosing *c, struct best *b, const struct ranked *r)
{
    struct group *g = c->g;
    struct ranked *to;
    int rc;

    if (c->max > 0 && b->n == c->max) {
        if (compare(&c->order, r, &b->h[0]) >= 0) {
            add_acc(g, b->rest, r->acc);
            return ERR_OK;
        }
        to = &b->h[0];
        add_acc(g, b->rest, to->acc);
    } else {
        if ((rc = best_room(g, b)) != ERR_OK)
            return rc;
        to = &b->h[b->n];
        if (budget_take(&g->budget, g->n_acc * 8) != ERR_OK)
            return ERR_LIMIT;
        if ((to->acc = malloc((g->n_acc + 1) * sizeof(uint64_t))) == NULL)
            return ERR_NOMEM;
        b->n++;
    }
    to->v = r->v;
    to->real = r->real;
    to->key = r->key;
    memcpy(to->acc, r->acc, g->n_acc * sizeof(uint64_t));
    if (c->max == 0 || b->n < c->max)
        return ERR_OK;
    if (to == b->h)
        sift_down(&c->order, b->h, b->n, 0);
    else
        for (size_t k = b->n / 2 + 1; k-- > 0;)
            sift_down(&c->order, b->h, b->n, k);
    return ERR_OK;
}

static int see_group(void *ctx, unsigned worker, uint64_t key, const uint64_t *acc)
{
    struct choosing *c = ctx;
    struct best *b = &c->best[worker];
    struct ranked r = { .key = key, .acc = (uint64_t *)(uintptr_t)acc };

    b->groups++;
    if (c->g->p->having != NULL && !having_holds(c->g, c->g->p->having, acc, c->span)) {
        add_acc(c->g, b->rest, acc);
        return ERR_OK;
    }
    r.v = group_measure(c->g, 0, acc, c->span, &r.real);
    return best_add(c, b, &r);
}

static void best_free(struct best *b, unsigned n)
{
    for (unsigned w = 0; b != NULL && w < n; w++) {
        for (size_t i = 0; i < b[w].n; i++)
            free(b[w].h[i].acc);
        free(b[w].h);
    }
    free(b);
}

/* The groups shown, in order, in (*out)[0]; its rest and groups are those of all workers. */
static int select_top(struct group *g, struct best **out)
{
    struct choosing c = { .g = g,
                          .order = { .g = g, .bottom = g->p->bottom, .none = g->p->no_order },
                          .span = span_of(g),
                          .max = (size_t)MIN(g->p->top, SIZE_MAX / 2) };
    struct best *b = calloc(g->workers, sizeof *b);
    int rc;

    if ((*out = c.best = b) == NULL)
        return ERR_NOMEM;
    rc = sums_each(&g->groups, g->workers, see_group, &c);
    for (unsigned w = 1; w < g->workers && rc == ERR_OK; w++) {
        for (size_t i = 0; i < b[w].n && rc == ERR_OK; i++)
            rc = best_add(&c, &b[0], &b[w].h[i]);
        add_acc(g, b[0].rest, b[w].rest);
        b[0].groups += b[w].groups;
    }
    if (rc == ERR_OK && b->n > 0)
        qsort_r(b->h, b->n, sizeof *b->h, by_order, &c.order);
    return rc;
}

/* ------------------------------------------------------------------ cells */

static void addr_cell(const struct key_state *ks, uint64_t num, struct cell *c)
{
    const struct key *k = ks->k;

    c->kind = CELL_ADDR;
    c->prefix = 255;
    c->a = key_addr(ks, num);
    if (addr_is_v4(&c->a) && k->mask4 < 32)
        c->prefix = k->mask4;
    else if (!addr_is_v4(&c->a) && k->mask6 < 128)
        c->prefix = k->mask6;
}

#define PAIR_TEXT (2 * ADDR_TEXT_MAX + 8)

/* The smaller address, or number, first. */
static void pair_cell(const struct key_state *ks, const uint64_t *num, char *text, struct cell *c)
{
    if (ks->type != TYPE_ADDR) {
        int len = snprintf(text, PAIR_TEXT, "AS%llu <-> AS%llu",
                           (unsigned long long)key_value(ks, num[0]),
                           (unsigned long long)key_value(ks, num[1]));
        *c = (struct cell){ .kind = CELL_TEXT, .text = text, .text_len = (size_t)MAX(len, 0) };
        return;
    }
    struct addr a = key_addr(ks, num[0]), b = key_addr(ks, num[1]);
    bool swap = addr_cmp(&a, &b) > 0;
    size_t n = addr_format(swap ? &b : &a, text);

    memcpy(text + n, " <-> ", 5);
    n += 5;
    n += addr_format(swap ? &a : &b, text + n);
    *c = (struct cell){ .kind = CELL_TEXT, .text = text, .text_len = n };
}

/* Names as they were last in the time asked for. */
static void name_cells(const struct group *g, struct cell *c)
{
    const struct addr *who = NULL;
    enum fact_kind kind;

    for (uint32_t k = 0; k < g->n_keys; k++)
        if (g->p->keys[k].a.v[0].kind == VALUE_EXPORTER && c[k].kind == CELL_ADDR &&
            c[k].prefix == 255)
            who = &c[k].a;
    for (uint32_t k = 0; k < g->n_keys; k++)
        if (names_kind(&g->p->keys[k].a, &kind))
            names_common(g->snap->facts, &g->met, who, kind,
                         g->p->framed && g->p->to_ms != INT64_MAX ? g->p->to_ms - 1 : INT64_MAX,
                         &c[k]);
}

static void key_cells(const struct group *g, uint64_t key, struct cell *c, char text[][PAIR_TEXT])
{
    uint64_t num[GROUP_MAX_WORDS];
    uint32_t w = 0;

    group_numbers(g, key, num);
    for (uint32_t k = 0; k < g->n_keys; k++) {
        const struct key_state *ks = &g->key[k];
        uint64_t v = num[w];
        c[k] = (struct cell){ .kind = CELL_ABSENT };
        if (v == 0)
            ;
        else if (ks->k->kind == KEY_PAIR)
            pair_cell(ks, num + w, text[k], &c[k]);
        else if (ks->how == HOW_WORD || ks->how == HOW_GROUP)
            c[k] = (struct cell){ .kind = CELL_TEXT,
                                  .text = key_word(ks, v),
                                  .text_len = strlen(key_word(ks, v)) };
        else if (ks->type == TYPE_ADDR)
            addr_cell(ks, v, &c[k]);
        else if (ks->type == TYPE_TEXT)
            c[k] = (struct cell){ .kind = CELL_TEXT,
                                  .text = ks->texts.octets + ks->texts.off[v - 1],
                                  .text_len = ks->texts.off[v] - ks->texts.off[v - 1] };
        else if (answer_text(&ks->k->a, key_value(ks, v), text[k]))
            c[k] = (struct cell){ .kind = CELL_TEXT, .text = text[k], .text_len = strlen(text[k]) };
        else
            c[k] = (struct cell){ .kind = ks->type == TYPE_TIME ? CELL_TIME : CELL_UINT,
                                  .u = key_value(ks, v) };
        w += key_words(ks);
    }
    if (g->named)
        name_cells(g, c);
}

static void measure_cells(const struct group *g, const uint64_t *acc, int64_t span, bool rest,
                          struct cell *c)
{
    const struct plan *p = g->p;

    for (uint32_t m = 0; m < p->n_measures - p->n_hidden; m++) {
        unsigned kind = p->measures[m].kind;
        double real;
        uint64_t v = group_measure(g, m, acc, span, &real);
        c[m] = (struct cell){
            .kind = CELL_UINT, .u = v, .real = real, .error = group_error(g, m, acc)
        };
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

/* ------------------------------------------------------------------ answers */

static bool is_as(const struct value *v)
{
    if (v->kind == VALUE_CALC)
        return v->calc == CALC_SRC_AS || v->calc == CALC_DST_AS;
    /* bgpSourceAsNumber, bgpDestinationAsNumber, bgpNextAdjacentAsNumber, bgpPrevAdjacentAsNumber
     */
    return v->kind == VALUE_ELEM && v->pen == 0 &&
           (v->id == 16 || v->id == 17 || v->id == 128 || v->id == 129);
}

static uint8_t what_of(const struct value_alts *a)
{
    return is_as(&a->v[0]) ? WHAT_AS : WHAT_NUMBER;
}

bool answer_text(const struct value_alts *a, uint64_t v, char *out)
{
    const struct value *x = &a->v[0];

    if (x->kind == VALUE_CALC && x->calc == CALC_SERVICE) {
        service_text((uint32_t)v, out, ANSWER_TEXT);
        return true;
    }
    if (x->kind != VALUE_CALC || (x->calc != CALC_SRC_COUNTRY && x->calc != CALC_DST_COUNTRY))
        return false;
    (void)snprintf(out, ANSWER_TEXT, "%c%c", (int)(v >> 8 & 255), (int)(v & 255));
    return true;
}

int answer_begin(struct answer_sink *sink, const struct plan *p, struct geo *geo)
{
    struct answer_head *h = calloc(1, sizeof *h);
    int rc;

    if (h == NULL)
        return ERR_NOMEM;
    h->plan = p;
    h->geo = geo;
    if (p->view == VIEW_LIST || p->view == VIEW_SESSIONS || p->option_records) {
        for (uint32_t i = 0; i < p->n_cols && !p->all_columns && !p->option_records; i++)
            h->col[h->n_cols++] = (struct answer_column){ .name = p->cols[i].name,
                                                          .role = ROLE_FIELD,
                                                          .what = what_of(&p->cols[i].value) };
    } else {
        if (p->step_ms != 0)
            h->col[h->n_cols++] = (struct answer_column){ .name = "time", .role = ROLE_BIN };
        for (uint32_t k = 0; p->view == VIEW_RANK && k < p->n_keys; k++)
            h->col[h->n_cols++] = (struct answer_column){ .name = p->keys[k].name,
                                                          .role = ROLE_KEY,
                                                          .what = p->keys[k].kind == KEY_PAIR
                                                                      ? WHAT_NUMBER
                                                                      : what_of(&p->keys[k].a) };
        for (uint32_t m = 0; m < p->n_measures - p->n_hidden; m++)
            h->col[h->n_cols++] = (struct answer_column){ .name = p->measures[m].name,
                                                          .role = ROLE_MEASURE,
                                                          .measure = p->measures[m].kind };
    }
    rc = sink->begin(sink, h);
    free(h);
    return rc;
}

static int rank_rows(struct group *g, const struct best *b, struct answer_sink *sink)
{
    struct cell c[PLAN_MAX_KEYS + PLAN_MAX_MEASURES];
    char text[PLAN_MAX_KEYS][PAIR_TEXT];
    int64_t span = span_of(g);
    struct answer_row row = { .cell = c };
    int rc = ERR_OK;

    for (size_t i = 0; rc == ERR_OK && i < b->n; i++) {
        key_cells(g, b->h[i].key, c, text);
        measure_cells(g, b->h[i].acc, span, false, c + g->n_keys);
        rc = sink->row(sink, &row);
    }
    if (rc != ERR_OK || b->n == b->groups)
        return rc;
    for (uint32_t k = 0; k < g->n_keys; k++)
        c[k] = (struct cell){ .kind = CELL_ABSENT };
    measure_cells(g, b->rest, span, true, c + g->n_keys);
    row.kind = ROW_REST;
    return sink->row(sink, &row);
}

/* ------------------------------------------------------------------ series */

static int by_bin(const void *a, const void *b, void *n_ranks)
{
    const struct ranked *x = a, *y = b;
    uint64_t n = *(uint64_t *)n_ranks + 1;

    if (x->key / n != y->key / n)
        return x->key / n < y->key / n ? -1 : 1;
    /* 0, the rest, comes last in its bin */
    return x->key % n - 1 < y->key % n - 1 ? -1 : x->key % n - 1 > y->key % n - 1;
}

static int bin_row(struct group *g, const struct ranked *b, const struct best *top,
                   struct answer_sink *sink)
{
    const struct plan *p = g->p;
    struct cell c[1 + PLAN_MAX_KEYS + PLAN_MAX_MEASURES];
    char text[PLAN_MAX_KEYS][PAIR_TEXT];
    struct answer_row row = { .cell = c };
    uint64_t rank1 = b->key % (g->n_ranks + 1);
    int64_t from = bins_time(g, b->key / (g->n_ranks + 1)), to;

    c[0] = (struct cell){ .kind = CELL_TIME, .u = (uint64_t)from };
    (void)bin_start(g->zone, from, g->step_ms, &to);
    if (p->framed)
        from = MAX(from, p->from_ms);
    if (p->framed)
        to = MIN(to, p->to_ms);
    if (rank1 > 0)
        key_cells(g, top->h[rank1 - 1].key, c + 1, text);
    for (uint32_t k = 0; rank1 == 0 && k < g->n_keys; k++)
        c[1 + k] = (struct cell){ .kind = CELL_ABSENT };
    if (rank1 == 0 && g->n_keys > 0)
        row.kind = ROW_REST;
    measure_cells(g, b->acc, to - from, false, c + 1 + g->n_keys);
    return sink->row(sink, &row);
}

static int see_bin(void *ctx, unsigned worker, uint64_t key, const uint64_t *acc)
{
    struct choosing *c = ctx;
    struct ranked r = { .key = key, .acc = (uint64_t *)(uintptr_t)acc };

    return best_add(c, &c->best[worker], &r);
}

static int bin_rows(struct group *g, const struct best *top, struct answer_sink *sink)
{
    struct choosing c = { .g = g, .best = calloc(g->workers, sizeof *c.best) };
    struct best *b = c.best;
    int rc;

    if (b == NULL)
        return ERR_NOMEM;
    rc = sums_each(&g->bins, g->workers, see_bin, &c);
    for (unsigned w = 1; w < g->workers && rc == ERR_OK; w++)
        for (size_t i = 0; i < b[w].n && rc == ERR_OK; i++)
            rc = best_add(&c, &b[0], &b[w].h[i]);
    if (rc == ERR_OK && b->n > 0)
        qsort_r(b->h, b->n, sizeof *b->h, by_bin, &g->n_ranks);
    for (size_t i = 0; i < b->n && rc == ERR_OK; i++)
        rc = bin_row(g, &b->h[i], top, sink);
    best_free(b, g->workers);
    return rc;
}

/* Groups shown to their ranks, for the second pass. */
static int keep_ranks(struct group *g, const struct best *top)
{
    uint32_t n;
    bool is_new;
    int rc = table_init(&g->ranks, &g->budget, 1, 0);

    g->n_ranks = top->n;
    for (size_t i = 0; i < top->n && rc == ERR_OK; i++)
        rc = table_enter(&g->ranks, &top->h[i].key, table_hash(&top->h[i].key, 1), &n, &is_new);
    if (rc != ERR_OK || g->tuples || g->bits > RANK_BITS)
        return rc;
    if ((g->rank_of = calloc((size_t)1 << g->bits, sizeof *g->rank_of)) == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < top->n; i++)
        g->rank_of[top->h[i].key] = (uint32_t)i + 1;
    return ERR_OK;
}

/* The second pass: the same rows again, summed by bin and rank. */
static int series_pass(struct group *g, const struct best *top)
{
    int rc = keep_ranks(g, top);

    g->want_total = false;
    sums_free(&g->groups);
    if (rc == ERR_OK)
        rc = bins_start(g);
    return rc == ERR_OK ? group_scan(g, false) : rc;
}

static int series(struct group *g, struct answer_sink *sink, bool two)
{
    struct best none = { 0 }, *top = NULL;
    int rc = ERR_OK;

    if (two && g->n_keys > 0)
        rc = select_top(g, &top);
    if (two && rc == ERR_OK)
        rc = series_pass(g, top != NULL ? top : &none);
    if (rc == ERR_OK)
        rc = group_count_distinct(g, &g->bins);
    if (rc == ERR_OK)
        rc = bin_rows(g, top != NULL ? top : &none, sink);
    best_free(top, g->workers);
    return rc;
}

static int ranking(struct group *g, struct answer_sink *sink)
{
    struct best *top = NULL;
    int rc = select_top(g, &top);

    if (rc == ERR_OK)
        rc = rank_rows(g, top, sink);
    best_free(top, g->workers);
    return rc;
}

int answer_groups(struct group *g, struct answer_sink *sink, struct cell *total)
{
    const struct plan *p = g->p;
    bool two = g->n_keys > 0 || p->step_ms < 0;
    uint64_t acc[ACC_N];
    int rc = ERR_OK;

    g->step_ms = p->step_ms;
    if (p->step_ms != 0 && !two)
        rc = bins_start(g);
    if (rc == ERR_OK)
        rc = group_scan(g, true);
    if (rc == ERR_OK && g->missed)
        return ERR_FULL;
    names_sort(&g->met);
    if (rc == ERR_OK && !g->binning)
        rc = group_count_distinct(g, &g->groups);
    if (p->step_ms < 0)
        g->step_ms = query_auto_step(span_of(g));
    if (rc == ERR_OK && p->step_ms != 0)
        rc = series(g, sink, two);
    else if (rc == ERR_OK && g->n_keys > 0)
        rc = ranking(g, sink);
    compact(g, acc);
    for (uint32_t k = 0; k < g->n_keys + (p->step_ms != 0); k++)
        total[k] = (struct cell){ .kind = CELL_ABSENT };
    measure_cells(g, acc, span_of(g), false, total + g->n_keys + (p->step_ms != 0));
    return rc;
}
