#include "http/answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/clock.h"
#include "os/net.h"
#include "os/thread.h"
#include "present/gaps.h"

#define HELD_OCTETS (1u << 20) /* made and not yet sent; then the question waits */
#define LOOK_MS     50         /* how soon a client's end is seen */
#define FOLLOW_MS   100

struct answer {
    struct answer_place at;
    struct plan *plan;
    enum present_format format;
    bool follow, started;
    struct thread thread;
    struct query_control ctl;
    struct query_stats stats;

    struct os_mutex lock;
    struct cond change;
    char *held; /* HELD_OCTETS */
    size_t n_held;
    bool done, gone, any; /* any: some octet was ever made */
    int rc;
    struct err err;
    char incomplete[400];
};

static bool is_gone(struct answer *a)
{
    bool gone;

    os_lock(&a->lock);
    gone = a->gone;
    os_unlock(&a->lock);
    return gone;
}

static int put(void *ctx, const void *data, size_t len)
{
    struct answer *a = ctx;
    const char *p = data;
    bool gone;

    os_lock(&a->lock);
    while (len > 0 && !a->gone) {
        size_t n = MIN(len, HELD_OCTETS - a->n_held);
        if (n == 0) {
            cond_wait_ms(&a->change, &a->lock, LOOK_MS);
            continue;
        }
        memcpy(a->held + a->n_held, p, n);
        a->n_held += n;
        a->any = true;
        p += n;
        len -= n;
        cond_wake(&a->change);
    }
    gone = a->gone;
    os_unlock(&a->lock);
    return gone ? ERR_CANCEL : ERR_OK;
}

/* Following asks the newest rows again and again: one head, no end between. */
struct follow_sink {
    struct answer_sink sink;
    struct answer_sink *to;
    bool begun;
};

static struct follow_sink *of(struct answer_sink *s)
{
    return (struct follow_sink *)(void *)s;
}

static int follow_begin(struct answer_sink *s, const struct answer_head *h)
{
    if (of(s)->begun)
        return ERR_OK;
    of(s)->begun = true;
    return of(s)->to->begin(of(s)->to, h);
}

static int follow_row(struct answer_sink *s, const struct answer_row *r)
{
    return of(s)->to->row(of(s)->to, r);
}

static int follow_end(struct answer_sink *s, const struct answer_end *e)
{
    (void)s;
    (void)e;
    return ERR_OK;
}

/* What is declared of sampling now, behind what the configuration says. */
static int tail_rates(struct answer *a, struct snapshot *snap, struct err *e)
{
    struct err why = { 0 };
    struct defs *d;
    int rc = meta_db_defs(a->at.meta, &d, &why);

    if (d == NULL)
        return err_set(e, rc, "%s", why.msg);
    rc = rate_rules_join(&snap->rules, d->rates, e); /* if need be those from before */
    defs_unref(d);
    return rc;
}

static int run_follow(struct answer *a, struct present *p, struct err *e)
{
    struct follow_sink f = { .sink = { follow_begin, follow_row, follow_end },
                             .to = present_sink(p) };
    struct collect_tail *t;
    struct snapshot snap;
    uint64_t missed = 0;
    int rc = collect_tail_open(a->at.k, &t, e);

    while (rc == ERR_OK && !is_gone(a)) {
        rc = collect_tail_next(t, &snap, &missed, e);
        if (rc == ERR_OK && snap.n > 0)
            rc = tail_rates(a, &snap, e);
        if (rc == ERR_OK && (snap.n > 0 || !f.begun))
            rc = query_run(a->plan, &snap, &f.sink, &a->ctl, &a->stats, e);
        if (rc == ERR_OK)
            rc = present_flush(p, true);
        snapshot_free(&snap);
        clock_sleep_ms(FOLLOW_MS);
    }
    collect_tail_close(t);
    if (missed > 0)
        (void)snprintf(a->incomplete, sizeof a->incomplete,
                       "%llu batches of records came faster than they were read",
                       (unsigned long long)missed);
    return rc;
}

static void say_incomplete(struct answer *a)
{
    if (a->stats.rows_unreadable > 0 || a->stats.segments_unreadable > 0)
        (void)snprintf(a->incomplete, sizeof a->incomplete, "%llu records could not be read: %s",
                       (unsigned long long)a->stats.rows_unreadable, a->stats.message);
    else
        (void)snprintf(a->incomplete, sizeof a->incomplete, "%s", a->stats.message);
}

static int run_once(struct answer *a, struct present *p, struct gap_list *gaps, struct err *e)
{
    struct snapshot snap = { 0 };
    struct gaps_frame f = gaps_frame_of(a->plan);
    int rc;

    if (collect_recovering(a->at.k))
        a->ctl.missing = "what was received before a restart is still read back; ask again";
    rc = collect_snapshot(a->at.k, &snap, e);
    if (rc == ERR_OK)
        rc = rate_rules_join(&snap.rules, a->plan->defs->rates, e);
    if (rc == ERR_OK)
        rc = history_gaps(a->at.history, f.from_ms, f.to_ms, gaps, e);
    present_gaps(p, gaps);
    if (rc == ERR_OK)
        rc = query_run(a->plan, &snap, present_sink(p), &a->ctl, &a->stats, e);
    if (rc == ERR_OK && a->stats.incomplete)
        say_incomplete(a);
    snapshot_free(&snap);
    return rc;
}

static void *run(void *arg)
{
    struct answer *a = arg;
    struct present *p = NULL;
    struct gap_list gaps = { 0 };
    struct err e = { 0 };
    int rc = present_new(&p, a->format, a->plan->tz, put, a, &e);

    if (rc == ERR_OK)
        rc = a->follow ? run_follow(a, p, &e) : run_once(a, p, &gaps, &e);
    present_free(p);
    gap_list_free(&gaps);
    os_lock(&a->lock);
    a->rc = rc;
    a->err = e;
    a->done = true;
    cond_wake(&a->change);
    os_unlock(&a->lock);
    return NULL;
}

int answer_start(struct answer **out, const struct answer_place *at, struct plan *p,
                 enum present_format f, bool follow, struct err *e)
{
    struct answer *a = calloc(1, sizeof *a);
    int rc;

    *out = NULL;
    if (a == NULL) {
        apps_unref(at->apps);
        plan_free(p);
        return err_set(e, ERR_NOMEM, "query: out of memory");
    }
    a->at = *at;
    a->plan = p;
    a->format = f;
    a->follow = follow;
    a->ctl.memory_max = at->memory_max;
    a->ctl.threads = at->threads;
    a->ctl.open_max = at->open_max;
    a->ctl.as_source = at->as_source;
    a->ctl.apps = at->apps;
    a->ctl.idle_ms = at->idle_ms;
    os_mutex_init(&a->lock);
    cond_init(&a->change);
    a->held = malloc(HELD_OCTETS);
    rc = a->held == NULL ? err_set(e, ERR_NOMEM, "query: out of memory")
                         : thread_start(&a->thread, "weir-query", run, a, e);
    if (rc != ERR_OK) {
        answer_free(a);
        return rc;
    }
    *out = a;
    return ERR_OK;
}

static void leave(struct answer *a)
{
    a->gone = true;
    atomic_store(&a->ctl.cancel, true);
    cond_wake(&a->change);
}

/* Wait for octets or the end. Called with the lock held. */
static void wait_locked(struct answer *a)
{
    while (a->n_held == 0 && !a->done && !a->gone) {
        cond_wait_ms(&a->change, &a->lock, LOOK_MS);
        if (atomic_load(a->at.stopping) || net_peer_gone(a->at.fd))
            leave(a);
    }
}

int answer_wait(struct answer *a, struct err *e)
{
    int rc = ERR_OK;

    os_lock(&a->lock);
    wait_locked(a);
    if (a->gone || (a->done && !a->any)) {
        rc = a->rc != ERR_OK ? a->rc : a->gone ? ERR_CANCEL : ERR_OK;
        *e = a->err;
    }
    os_unlock(&a->lock);
    return rc;
}

long answer_read(struct answer *a, char *out, size_t max)
{
    size_t n;
    bool cut;

    os_lock(&a->lock);
    wait_locked(a);
    n = MIN(max, a->n_held);
    memcpy(out, a->held, n);
    a->n_held -= n;
    memmove(a->held, a->held + n, a->n_held);
    cut = a->gone && !a->follow; /* a tail has no end to miss */
    cond_wake(&a->change);
    os_unlock(&a->lock);
    return cut ? -1 : (long)n;
}

const char *answer_incomplete(const struct answer *a)
{
    return a->incomplete;
}

const char *answer_error(const struct answer *a)
{
    return a->rc != ERR_OK ? a->err.msg : "";
}

void answer_free(struct answer *a)
{
    if (a == NULL)
        return;
    os_lock(&a->lock);
    leave(a);
    os_unlock(&a->lock);
    thread_join(&a->thread);
    plan_free(a->plan);
    apps_unref(a->ctl.apps);
    cond_destroy(&a->change);
    os_mutex_free(&a->lock);
    free(a->held);
    free(a);
}
