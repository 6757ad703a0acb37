#include "query/exec.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "query/answer.h"

static double now_s(void)
{
    struct timespec t;

    (void)timespec_get(&t, TIME_UTC);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void set_totals(const struct group *g, struct answer_totals *t)
{
    bool raw = g->s->p->raw;

    t->flows = g->total[ACC_FLOWS];
    t->bytes = g->total[raw ? ACC_RAW_BYTES : ACC_BYTES];
    t->packets = g->total[raw ? ACC_RAW_PACKETS : ACC_PACKETS];
}

static int run(struct group *g, const struct snapshot *snap, struct answer_sink *sink,
               struct query_stats *st, double began)
{
    struct scan *s = g->s;
    struct cell total[PLAN_MAX_KEYS + PLAN_MAX_MEASURES + 1];
    struct answer_totals t = { 0 };
    struct answer_end end = { .totals = &t, .stats = st };
    bool list = s->p->view == VIEW_LIST || s->p->option_records;
    int rc = answer_begin(sink, s->p);

    if (rc != ERR_OK)
        return rc;
    if (s->p->option_records)
        rc = answer_options(s, snap, sink, &st->rows_matched);
    else if (list)
        rc = answer_list(g, snap, sink);
    else
        rc = answer_groups(g, snap, sink, total);
    if (rc != ERR_OK)
        return rc;
    set_totals(g, &t);
    end.total = list ? NULL : total;
    st->rows_unreadable += snap->rows_unreadable;
    st->segments_unreadable += snap->segments_unreadable;
    st->incomplete |= st->rows_unreadable > 0 || st->segments_unreadable > 0;
    st->seconds = now_s() - began;
    return sink->end(sink, &end);
}

int query_run(const struct plan *p, const struct snapshot *snap, struct answer_sink *sink,
              struct query_control *ctl, struct query_stats *stats, struct err *e)
{
    struct query_stats own = { 0 }, *st = stats != NULL ? stats : &own;
    struct err none = { 0 };
    struct scan *s = malloc(sizeof *s);
    struct group *g = calloc(1, sizeof *g);
    double began = now_s();
    int rc = ERR_NOMEM;

    if (e == NULL)
        e = &none;
    memset(st, 0, sizeof *st);
    if (s != NULL && g != NULL && (rc = scan_init(s, p, ctl, st, e)) == ERR_OK &&
        (rc = group_init(g, s)) == ERR_OK)
        rc = run(g, snap, sink, st, began);
    if (rc == ERR_LIMIT)
        (void)err_set(e, rc,
                      "query: more groups or rows than %llu MiB of memory hold; narrow the "
                      "filter or the time, or raise query.memory",
                      (unsigned long long)(g->budget.max >> 20));
    else if (rc == ERR_NOMEM)
        (void)err_set(e, rc, "query: out of memory");
    if (g != NULL)
        group_free(g);
    if (s != NULL)
        scan_free(s);
    free(g);
    free(s);
    return rc;
}
