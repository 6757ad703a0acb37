/* bench/ask.c - how long an answer takes to form in a process that has the data open, as a server
 * has: bench_ask DIR RUNS THREADS [NAME=VALUE ...], names as the query options ("filter=proto
 * tcp"). Prints one line: median and least milliseconds, median and least of CPU (all threads),
 * rows. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "os/clock.h"
#include "query/exec.h"
#include "query/parse.h"
#include "store/store.h"

#define MAX_RUNS 101u

struct count {
    struct answer_sink sink;
    uint64_t rows;
};

static int on_begin(struct answer_sink *s, const struct answer_head *h)
{
    (void)s;
    (void)h;
    return ERR_OK;
}
static int on_row(struct answer_sink *s, const struct answer_row *r)
{
    (void)r;
    ((struct count *)(void *)s)->rows++;
    return ERR_OK;
}
static int on_end(struct answer_sink *s, const struct answer_end *e)
{
    (void)s;
    (void)e;
    return ERR_OK;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static int take(struct query_params *q, char *word, struct err *e)
{
    char *value = strchr(word, '=');

    if (value == NULL)
        return query_params_set(q, word, "1", e);
    *value = '\0';
    return query_params_set(q, word, value + 1, e);
}

static int measure(const struct plan *p, const struct snapshot *snap, unsigned runs,
                   uint32_t threads, struct err *e)
{
    struct count c = { .sink = { on_begin, on_row, on_end } };
    double ms[MAX_RUNS], cpu[MAX_RUNS];
    int rc = ERR_OK;

    runs = MAX(MIN(runs, MAX_RUNS), 1);
    for (unsigned i = 0; i <= runs && rc == ERR_OK; i++) { /* the first warms up */
        struct query_control ctl = { .memory_max = 1u << 30, .threads = threads };
        struct query_stats st;
        clock_t began = clock();
        c.rows = 0;
        rc = query_run(p, snap, &c.sink, &ctl, &st, e);
        if (i == 0)
            continue;
        ms[i - 1] = st.seconds * 1000;
        cpu[i - 1] = (double)(clock() - began) * 1000 / CLOCKS_PER_SEC;
    }
    if (rc != ERR_OK)
        return rc;
    qsort(ms, runs, sizeof *ms, by_size);
    qsort(cpu, runs, sizeof *cpu, by_size);
    (void)printf("%.2f %.2f cpu %.2f %.2f rows %llu\n", ms[runs / 2], ms[0], cpu[runs / 2], cpu[0],
                 (unsigned long long)c.rows);
    return ERR_OK;
}

int main(int argc, char **argv)
{
    struct query_params q = { .where = QUERY_PARAM_N };
    struct snapshot snap = { 0 };
    struct plan *p = NULL;
    struct store *st = NULL;
    struct err e = { 0 };
    int rc = argc < 4 ? ERR_ARG : store_open(&st, argv[1], STORE_READ, "", &e);

    for (int i = 4; i < argc && rc == ERR_OK; i++)
        rc = take(&q, argv[i], &e);
    if (rc == ERR_OK)
        rc = query_plan(&p, &q, clock_now_ms(), &e);
    if (rc == ERR_OK)
        rc = store_snapshot(st, &snap, &e);
    if (rc == ERR_OK)
        rc = measure(p, &snap, (unsigned)strtoul(argv[2], NULL, 10),
                     (uint32_t)strtoul(argv[3], NULL, 10), &e);
    if (rc != ERR_OK)
        (void)fprintf(stderr, "%s\n",
                      argc < 4 ? "usage: bench_ask DIR RUNS THREADS [NAME=VALUE ...]" : e.msg);
    plan_free(p);
    query_params_free(&q);
    snapshot_free(&snap);
    store_close(st);
    return rc == ERR_OK ? 0 : 1;
}
