#include "query/exec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "query/answer.h"
#include "query/sessions.h"
#include "query/views.h"

static double now_s(void)
{
    struct timespec t;

    (void)timespec_get(&t, TIME_UTC);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void set_totals(const struct group *g, struct answer_totals *t)
{
    bool raw = g->p->raw;

    t->flows = g->total[ACC_FLOWS];
    t->bytes = g->total[raw ? ACC_RAW_BYTES : ACC_BYTES];
    t->packets = g->total[raw ? ACC_RAW_PACKETS : ACC_PACKETS];
    t->bytes_error = group_total_error(g, false);
    t->packets_error = group_total_error(g, true);
}

static int run(struct group *g, struct answer_sink *sink, struct query_stats *st, double began,
               bool again)
{
    struct cell total[PLAN_MAX_KEYS + PLAN_MAX_MEASURES + 1];
    struct answer_totals t = { 0 };
    struct answer_end end = { .totals = &t, .stats = st };
    bool list = g->p->view == VIEW_LIST || g->p->view == VIEW_SESSIONS || g->p->option_records;
    int rc = again ? ERR_OK : answer_begin(sink, g->p, g->snap->geo);

    if (rc != ERR_OK)
        return rc;
    if (g->p->option_records)
        rc = answer_options(g, sink);
    else
        rc = views_choose(g);
    if (rc == ERR_OK && g->p->view == VIEW_SESSIONS)
        rc = answer_sessions(g, sink);
    else if (rc == ERR_OK && sessions_wanted(g->p))
        rc = sessions_stitch(g);
    if (rc == ERR_OK && g->p->view != VIEW_SESSIONS && !g->p->option_records)
        rc = list ? answer_list(g, sink) : answer_groups(g, sink, total);
    if (rc != ERR_OK)
        return rc;
    set_totals(g, &t);
    end.total = list ? NULL : total;
    st->rows_unreadable += g->snap->rows_unreadable;
    st->segments_unreadable += g->snap->segments_unreadable;
    st->incomplete |= st->rows_unreadable > 0 || st->segments_unreadable > 0;
    st->seconds = now_s() - began;
    return sink->end(sink, &end);
}

/* Everything from the start. ERR_FULL: sampled rows came where none were expected. */
static int attempt(const struct plan *p, const struct snapshot *snap, struct answer_sink *sink,
                   struct query_control *ctl, struct query_stats *st, double began, bool again,
                   struct err *e)
{
    struct group *g = calloc(1, sizeof *g);
    struct opened open = { 0 };
    struct plan wide = *p; /* lists of rows are borrowed */
    int rc = ERR_NOMEM;

    memset(st, 0, sizeof *st);
    if (ctl != NULL && ctl->missing != NULL) {
        st->incomplete = true;
        (void)snprintf(st->message, sizeof st->message, "%s", ctl->missing);
    }
    views_state(p, st);
    if (st->dedup)
        plan_widen(&wide, VIEWS_SKEW_MS, VIEWS_SKEW_MS);
    if (sessions_wanted(p))
        plan_widen(&wide, sessions_idle_ms(ctl), sessions_idle_ms(ctl));
    if (g != NULL && (rc = opened_make(&open, p, &wide, ctl, snap, st)) == ERR_OK &&
        (rc = group_init(g, p, &open, ctl, st, again, e)) == ERR_OK)
        rc = run(g, sink, st, began, again);
    if (rc == ERR_LIMIT)
        (void)err_set(e, rc,
                      "query: more groups or rows than %llu MiB of memory hold; narrow the "
                      "filter or the time, or raise query.memory",
                      (unsigned long long)(g->budget.max >> 20));
    else if (rc == ERR_NOMEM)
        (void)err_set(e, rc, "query: out of memory");
    if (g != NULL)
        group_free(g);
    opened_free(&open);
    free(g);
    return rc;
}

int query_run(const struct plan *p, const struct snapshot *snap, struct answer_sink *sink,
              struct query_control *ctl, struct query_stats *stats, struct err *e)
{
    struct query_stats own = { 0 }, *st = stats != NULL ? stats : &own;
    struct err none = { 0 };
    double began = now_s();
    int rc;

    if (e == NULL)
        e = &none;
    rc = attempt(p, snap, sink, ctl, st, began, false, e);
    return rc == ERR_FULL ? attempt(p, snap, sink, ctl, st, began, true, e) : rc;
}
