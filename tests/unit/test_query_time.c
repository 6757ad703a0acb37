/* Time: adjacent frames add up to the record, hours to the day, the table to its chart, over random
 * records, frames and steps; records dated 1970 or 2100 are there and cost no more than others. */
#include "query_model.h"

#include <inttypes.h>

#include "flow/share.h"
#include "query/exec.h"
#include "query/parse.h"

#define MAX_ROWS 20000u

static struct model model;
static struct snapshot snap;
static struct rowset *set[16];
static struct model_segment seg[16];
static unsigned n_segs;

/* Batches, every other one sealed. */
static void records(uint64_t seed, uint32_t rows, uint32_t cut)
{
    model_init(&model, seed);
    model_fill(&model, rows, cut);
    snap = (struct snapshot){ .sets = set };
    n_segs = 0;
    for (uint32_t i = 0; i < model.n_batches; i++) {
        if (i % 2 == 0) {
            model_seal(&model, i, i + 1, &seg[n_segs]);
            set[snap.n++] = seg[n_segs++].rs;
        } else {
            assert_int_equal(rowset_of_batch(&set[snap.n++], model.batch[i]), ERR_OK);
        }
    }
}
static void forget(void)
{
    for (size_t i = 0; i < snap.n; i++)
        rowset_unref(set[i]);
    for (unsigned i = 0; i < n_segs; i++)
        buf_free(&seg[i].octets);
    model_free(&model);
}

/* A row of an answer: bin or 0, key or 0, three measures. */
struct line {
    int64_t bin;
    uint64_t key[2];
    uint64_t bytes, packets, flows;
};
struct got {
    struct answer_sink sink;
    const struct plan *plan;
    struct answer_totals totals;
    struct query_stats stats;
    uint32_t n;
    struct line *line;
};

static int on_begin(struct answer_sink *s, const struct answer_head *h)
{
    ((struct got *)(void *)s)->plan = h->plan;
    return ERR_OK;
}
static int on_row(struct answer_sink *s, const struct answer_row *r)
{
    struct got *g = (struct got *)(void *)s;
    const struct cell *c = r->cell;
    struct line *l = &g->line[g->n++];

    assert_true(g->n <= MAX_ROWS);
    memset(l, 0, sizeof *l);
    if (g->plan->step_ms != 0)
        l->bin = (int64_t)(c++)->u;
    for (uint32_t k = 0; k < g->plan->n_keys; k++, c++) {
        l->key[0] ^= (uint64_t)c->kind << 60 ^ c->u * 31 ^ be64(c->a.b);
        l->key[1] ^= be64(c->a.b + 8);
    }
    l->key[0] ^= (uint64_t)r->kind << 56;
    l->bytes = c[0].u;
    l->packets = c[1].u;
    l->flows = c[2].u;
    return ERR_OK;
}
static int on_end(struct answer_sink *s, const struct answer_end *e)
{
    ((struct got *)(void *)s)->totals = *e->totals;
    ((struct got *)(void *)s)->stats = *e->stats;
    return ERR_OK;
}

static struct got *ask(struct got *g, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static struct got *ask(struct got *g, const char *fmt, ...)
{
    struct query_params params = { 0 };
    struct plan *plan = NULL;
    struct err e = { 0 };
    char words[512];
    va_list a;

    va_start(a, fmt);
    (void)vsnprintf(words, sizeof words, fmt, a);
    va_end(a);
    if (g->line == NULL)
        g->line = malloc(MAX_ROWS * sizeof *g->line);
    assert_non_null(g->line);
    g->n = 0;
    g->sink = (struct answer_sink){ on_begin, on_row, on_end };
    if (query_params_set(&params, "filter", words, &e) != ERR_OK ||
        query_plan(&plan, &params, MODEL_T0, &e) != ERR_OK)
        fail_msg("%s: %s", words, e.msg);
    if (query_run(plan, &snap, &g->sink, NULL, NULL, &e) != ERR_OK)
        fail_msg("%s: %s", words, e.msg);
    plan_free(plan);
    query_params_free(&params);
    return g;
}

static int by_time(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;

    return *x < *y ? -1 : *x > *y;
}
static int by_key(const void *a, const void *b)
{
    return memcmp(((const struct line *)a)->key, ((const struct line *)b)->key, 16);
}
static int by_bin_and_key(const void *a, const void *b)
{
    const struct line *x = a, *y = b;

    return x->bin != y->bin ? (x->bin < y->bin ? -1 : 1) : by_key(a, b);
}

/* Lines of equal bin and key become one. */
static void join(struct got *g)
{
    uint32_t n = 0;

    qsort(g->line, g->n, sizeof *g->line, by_bin_and_key);
    for (uint32_t i = 0; i < g->n; i++) {
        if (n > 0 && by_bin_and_key(&g->line[n - 1], &g->line[i]) == 0) {
            g->line[n - 1].bytes += g->line[i].bytes;
            g->line[n - 1].packets += g->line[i].packets;
            g->line[n - 1].flows += g->line[i].flows;
        } else {
            g->line[n++] = g->line[i];
        }
    }
    g->n = n;
}

static void same_lines(const struct got *a, const struct got *b, const char *what, uint64_t seed)
{
    bool same = a->n == b->n;

    for (uint32_t i = 0; same && i < a->n; i++)
        same = memcmp(&a->line[i], &b->line[i], sizeof a->line[i]) == 0;
    if (!same)
        fail_msg("%s: %u and %u lines differ, seed %" PRIu64, what, a->n, b->n, seed);
}

static const char *iso(int64_t ms)
{
    static char text[4][40];
    static unsigned at;
    char *t = text[at++ % 4];

    (void)snprintf(t, sizeof text[0], "2026-03-%02dT%02d:%02d:%02d.%03dZ",
                   (int)(ms / MODEL_DAY_MS - 20512), (int)(ms % MODEL_DAY_MS / 3600000),
                   (int)(ms / 60000 % 60), (int)(ms / 1000 % 60), (int)(ms % 1000));
    return t;
}

static void shares_add_up(void **state)
{
    struct rnd r = { 4711 };

    (void)state;
    for (unsigned i = 0; i < 100000; i++) {
        int64_t start = (int64_t)below(&r, 1ull << (1 + below(&r, 42))) - 1000000;
        int64_t end = start + (int64_t)below(&r, 1ull << (1 + below(&r, 40))) - 1;
        uint64_t v = rnd_next(&r) >> below(&r, 53), sum = 0;
        int64_t t = start - (int64_t)below(&r, 5000), bin;
        while (t < MAX(end, start + 1)) { /* the millisecond of one without duration */
            bin = 1 + (int64_t)below(&r, (uint64_t)MAX(end - start, 1) / 3 + 1);
            sum += share_inside(v, start, end, t, t + bin);
            t += bin;
        }
        assert_true(sum == v);
    }
}

/* Every record counts here: which of several points counts for a flow is chosen for each frame. */
static void adjacent_frames_add_up(void **state)
{
    struct got g = { 0 };

    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct answer_totals all;
        int64_t cut[24];
        uint64_t bytes = 0, packets = 0, flows = 0;
        records(seed, 400, 130);
        all = ask(&g, "any | dedup off")->totals;
        assert_int_equal(all.flows, model.n);
        for (unsigned i = 0; i < ARRAY_LEN(cut); i++) {
            const struct model_record *r = &model.r[below(&model.rnd, model.n)];
            cut[i] = below(&model.rnd, 3) == 0   ? r->start
                     : below(&model.rnd, 3) == 0 ? r->end
                                                 : r->start + (int64_t)below(&model.rnd, 600000);
        }
        qsort(cut, ARRAY_LEN(cut), sizeof *cut, by_time);
        for (unsigned i = 0; i <= ARRAY_LEN(cut); i++) {
            if (i > 0 && i < ARRAY_LEN(cut) && cut[i - 1] == cut[i])
                continue;
            if (i == 0)
                (void)ask(&g, "any | dedup off | to %s", iso(cut[0]));
            else if (i == ARRAY_LEN(cut))
                (void)ask(&g, "any | dedup off | from %s", iso(cut[i - 1]));
            else
                (void)ask(&g, "any | dedup off | from %s to %s", iso(cut[i - 1]), iso(cut[i]));
            bytes += g.totals.bytes;
            packets += g.totals.packets;
            flows += g.totals.flows;
        }
        if (bytes != all.bytes || packets != all.packets || flows != all.flows)
            fail_msg("frames give %" PRIu64 " bytes of %" PRIu64 ", seed %" PRIu64, bytes,
                     all.bytes, seed);
        forget();
    }
    free(g.line);
}

static void hours_add_up_to_the_day(void **state)
{
    static const char *const zones[] = { "UTC", "+05:30", "Europe/Berlin" };
    struct got hours = { 0 }, days = { 0 };

    (void)state;
    for (uint64_t seed = 20; seed < 29; seed++) {
        const char *tz = zones[seed % 3];
        int64_t off = seed % 3 == 0 ? 0 : seed % 3 == 1 ? 19800000 : 3600000;
        records(seed, 700, 200);
        (void)ask(&hours, "any | by proto | top 0 | bytes, packets, flows | series 1h | tz %s", tz);
        (void)ask(&days, "any | by proto | top 0 | bytes, packets, flows | series 1d | tz %s", tz);
        for (uint32_t i = 0; i < hours.n; i++) {
            int64_t wall = hours.line[i].bin + off;
            assert_int_equal(wall % 3600000, seed % 3 == 1 ? 0 : wall % 3600000);
            hours.line[i].bin = wall - wall % MODEL_DAY_MS - off;
        }
        join(&hours);
        join(&days);
        same_lines(&hours, &days, "hours and days", seed);
        forget();
    }
    free(hours.line);
    free(days.line);
}

static void a_table_equals_its_chart(void **state)
{
    static const char *const keys[] = { "src ip", "host", "dst port", "proto,in if", "dst ip/16" };
    static const char *const steps[] = { "1m", "7m", "10m", "1h", "5h", "1d" };
    struct got table = { 0 }, chart = { 0 };

    (void)state;
    for (uint64_t seed = 40; seed < 55; seed++) {
        char frame[96] = "";
        const char *top = seed % 2 == 0 ? "0" : "3";
        const char *whole = seed % 4 == 3 ? " | whole" : "";
        records(seed, 300, 110);
        for (unsigned k = 0; k < ARRAY_LEN(keys); k++) {
            int64_t a = MODEL_T0 + (int64_t)below(&model.rnd, 3600000);
            if (below(&model.rnd, 3) != 0)
                (void)snprintf(frame, sizeof frame, " | from %s to %s%s", iso(a),
                               iso(a + 1 + (int64_t)below(&model.rnd, 5400000)), whole);
            (void)ask(&table, "any%s | by %s | top %s | bytes, packets, flows", frame, keys[k],
                      top);
            (void)ask(&chart, "any%s | by %s | top %s | bytes, packets, flows | series %s", frame,
                      keys[k], top, steps[below(&model.rnd, ARRAY_LEN(steps))]);
            for (uint32_t i = 0; i < chart.n; i++)
                chart.line[i].bin = 0;
            join(&table);
            join(&chart);
            same_lines(&table, &chart, "table and chart", seed);
        }
        forget();
    }
    free(table.line);
    free(chart.line);
}

/* Two hours of records that last seconds, in 10 blocks; questions about 5 minutes. */
static void odd_dates_cost_nothing(void **state)
{
    struct got g = { 0 };
    uint64_t scanned[2] = { 0 }, flows[2], blocks[2] = { 0 };

    (void)state;
    for (unsigned odd = 0; odd < 2; odd++) {
        struct model *m = &model;
        uint64_t longest = 0;
        model_init(m, 99);
        m->calm = true;
        m->span_ms = 12000000;
        for (unsigned b = 0; b < 10; b++) {
            m->odd = odd * 3; /* three in each block */
            m->span_ms = 720000;
            for (uint32_t until = m->n + 2000; m->n < until;) {
                m->now += 9000;
                model_ipfix(m, 0, b % 2, 25);
            }
            if (b < 9)
                (void)model_next_batch(&m->sink);
        }
        snap = (struct snapshot){ .sets = set };
        n_segs = 0;
        for (unsigned s = 0; s < 2; s++) {
            model_seal(m, s * 5, s * 5 + 5, &seg[n_segs]);
            set[snap.n++] = seg[n_segs++].rs;
        }
        flows[odd] = ask(&g, "any")->totals.flows;
        assert_int_equal(flows[odd], m->n);
        for (int64_t at = MODEL_T0 - MODEL_DAY_MS; at < MODEL_T0 + 7200000; at += 300000) {
            (void)ask(&g, "any | from %s to %s", iso(at), iso(at + 300000));
            scanned[odd] += g.stats.rows_scanned;
            blocks[odd] += g.stats.blocks - g.stats.blocks_pruned;
            longest = MAX(longest, g.stats.rows_scanned);
        }
        assert_true(longest < 3 * 2100);
        /* none has vanished: a frame as wide as the clamp holds them all */
        assert_int_equal(ask(&g, "any | from %s to %s | whole", iso(MODEL_T0 - MODEL_DAY_MS),
                             iso(m->now + 60001))
                             ->stats.rows_matched,
                         m->n);
        assert_int_equal(ask(&g, "duration > 10m")->totals.flows, odd * 10);
        forget();
    }
    print_message("odd dates: %" PRIu64 " rows scanned, %" PRIu64 " without\n", scanned[1],
                  scanned[0]);
    assert_int_equal(flows[0], flows[1]);
    assert_true(scanned[1] < scanned[0] + 2 * 313 * 10 * 3);
    free(g.line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_add_up),           cmocka_unit_test(adjacent_frames_add_up),
        cmocka_unit_test(hours_add_up_to_the_day), cmocka_unit_test(a_table_equals_its_chart),
        cmocka_unit_test(odd_dates_cost_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
