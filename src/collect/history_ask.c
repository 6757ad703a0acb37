#include "collect/history_ask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collect/history_days.h"
#include "os/clock.h"

#define DAY_MS        86400000
#define DOWN_LEAST_MS 1000 /* a shorter stop is none */

/* Files that can say something of [from, to), all gaps of them into s->gaps; without a server also
 * that none has run since. A directory without a history has none. */
static int read_past(const char *dir, int64_t from_ms, int64_t to_ms, bool serves,
                     struct history_scan *s, struct err *e)
{
    char path[HISTORY_PATH], newest[HISTORY_NAME_OCTETS + 1];
    char from[HISTORY_NAME_OCTETS + 1] = "", to[HISTORY_NAME_OCTETS + 1] = "~";
    struct buf day = buf_init(HISTORY_FILE_OCTETS);
    struct gap down = { .reason = GAP_DOWN, .whose = GAP_OF_WEIR, .to_ms = clock_now_ms() };
    int rc;

    /* a day more on both sides: a gap begins or ends in another file */
    if (from_ms > DAY_MS)
        history_day_name(from_ms - DAY_MS, from);
    if (to_ms < down.to_ms && to_ms > 0)
        history_day_name(to_ms + DAY_MS, to);
    if (snprintf(path, sizeof path, "%s/history", dir) >= (int)sizeof path)
        return err_set(e, ERR_ARG, "history: the path %s is too long", dir);
    rc = history_days_scan(path, from, to, s, &day, newest, e);
    buf_free(&day);
    if (rc != ERR_OK || serves || s->last_ms == 0)
        return rc == ERR_NOTFOUND ? ERR_OK : rc;
    down.from_ms = MAX(s->last_ms, history_last_alive(path, down.to_ms));
    if (down.to_ms - down.from_ms >= DOWN_LEAST_MS && gap_add(s->gaps, &down) != ERR_OK)
        return err_set(e, ERR_NOMEM, "history: out of memory");
    return ERR_OK;
}

int history_gaps_of(const char *dir, int64_t from_ms, int64_t to_ms, struct gap_list *out,
                    struct err *e)
{
    struct gap_list all = { 0 };
    struct history_scan s = { .gaps = &all };
    int rc;

    *out = (struct gap_list){ 0 };
    rc = read_past(dir, from_ms, to_ms, false, &s, e);
    if (rc == ERR_OK && gap_between(&all, from_ms, to_ms, out) != ERR_OK)
        rc = err_set(e, ERR_NOMEM, "gaps: out of memory");
    gap_list_free(&all);
    if (rc != ERR_OK)
        gap_list_free(out);
    return rc;
}

/* --------------------------------------------------------------------------------------- series */

struct asking {
    struct history_series *out;
    int64_t from_ms, to_ms;
    const struct addr *exporter;
    bool no_memory;
};

static void add_counts(struct history_row *r, const struct history_exporter *x)
{
    r->datagrams += x->datagrams;
    r->records += x->records;
    r->restarts += x->restarts;
    r->undecoded += x->undecoded;
    r->templates += x->templates;
    r->lost += x->lost;
    r->silent += x->silent_ms > 0;
}

static void add_row(struct asking *a, const struct history_row *r)
{
    struct history_series *s = a->out;

    if (s->n == s->room) {
        size_t room = s->room > 0 ? s->room * 2 : 256;
        struct history_row *more = realloc(s->row, room * sizeof *more);
        if (more == NULL) {
            a->no_memory = true;
            return;
        }
        s->row = more;
        s->room = room;
    }
    s->row[s->n++] = *r;
}

static void take_minute(void *ctx, const struct history_minute *m)
{
    struct asking *a = ctx;
    struct history_row r = { .from_ms = m->from_ms, .to_ms = m->to_ms };
    bool found = a->exporter == NULL;

    if (m->from_ms >= a->to_ms || m->to_ms <= a->from_ms)
        return;
    for (uint32_t i = 0; i < m->n; i++) {
        if (a->exporter != NULL && addr_cmp(&m->x[i].key.addr, a->exporter) != 0)
            continue;
        add_counts(&r, &m->x[i]);
        found = true;
    }
    r.unknown = !found && m->n_others > 0; /* it may be one of them */
    if (a->exporter == NULL) {
        add_counts(&r, &m->others);
        memcpy(r.own, m->own, sizeof r.own);
    }
    add_row(a, &r);
}

static int by_time(const void *a, const void *b)
{
    const struct history_row *x = a, *y = b;

    if (x->from_ms != y->from_ms)
        return x->from_ms < y->from_ms ? -1 : 1;
    return (x->to_ms > y->to_ms) - (x->to_ms < y->to_ms);
}

int history_series_of(const char *dir, int64_t from_ms, int64_t to_ms, const struct addr *exporter,
                      bool serves, struct history_series *out, struct err *e)
{
    struct gap_list gaps = { 0 };
    struct asking a = { .out = out, .from_ms = from_ms, .to_ms = to_ms, .exporter = exporter };
    struct history_scan s = { .gaps = &gaps, .minute = take_minute, .ctx = &a };
    int rc;

    *out = (struct history_series){ .of_exporter = exporter != NULL };
    rc = read_past(dir, from_ms, to_ms, serves, &s, e);
    for (size_t i = 0; rc == ERR_OK && i < gaps.n; i++) {
        const struct gap *g = &gaps.g[i];
        if (g->reason == GAP_DOWN && g->from_ms < to_ms && g->to_ms > from_ms)
            add_row(&a, &(struct history_row){ g->from_ms, g->to_ms, .down = true });
    }
    gap_list_free(&gaps);
    if (rc == ERR_OK && a.no_memory)
        rc = err_set(e, ERR_NOMEM, "history: out of memory");
    if (rc != ERR_OK)
        history_series_free(out);
    else if (out->n > 1)
        qsort(out->row, out->n, sizeof *out->row, by_time);
    return rc;
}

static void sum_up(struct history_row *to, const struct history_row *r)
{
    to->unknown |= r->unknown;
    to->datagrams += r->datagrams;
    to->records += r->records;
    to->restarts += r->restarts;
    to->undecoded += r->undecoded;
    to->templates += r->templates;
    to->lost += r->lost;
    to->silent = MAX(to->silent, r->silent);
    for (unsigned i = 0; i < OWN_N; i++)
        to->own[i] += r->own[i];
}

void history_series_sum(struct history_series *s, int64_t step_ms)
{
    size_t n = 0, last = SIZE_MAX; /* the newest step */

    for (size_t i = 0; i < s->n; i++) {
        struct history_row r = s->row[i];
        int64_t into = r.from_ms % step_ms;
        if (!r.down) {
            r.from_ms -= into < 0 ? into + step_ms : into;
            r.to_ms = r.from_ms + step_ms;
        }
        if (!r.down && last != SIZE_MAX && s->row[last].from_ms == r.from_ms) {
            sum_up(&s->row[last], &r);
            continue;
        }
        last = r.down ? last : n;
        s->row[n++] = r;
    }
    s->n = n;
    s->step_ms = step_ms;
}

void history_series_free(struct history_series *s)
{
    free(s->row);
    *s = (struct history_series){ 0 };
}
