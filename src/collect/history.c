#include "collect/history.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collect/history_days.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/log.h"
#include "os/thread.h"

#define DAY_MS        86400000
#define NOTE_MS       60000
#define RECOVERY_MS   20
#define ALIVE_MS      1000       /* how exactly the end of a killed server is known */
#define PAUSE_MAX_MS  1800000    /* a longer pause is no habit */
#define PENDING_MAX   (1u << 20) /* noted and not written yet: days of a full disk */
#define NUMBERS       65536u
#define DOWN_LEAST_MS 1000 /* a shorter stop is none */

/* An exporter that is watched. Ascending by key. */
struct known {
    struct history_exporter row; /* of the minute being made */
    uint64_t datagrams, records, restarts, undecoded, templates,
        lost;         /* as they stood at the last note */
    int64_t last_ms;  /* last datagram */
    int64_t pause_ms; /* its longest usual pause, fading */
    int64_t idle_ms;  /* at the last note */
    bool there;       /* in the present status */
    bool often;       /* heard more than once: forged senders seldom are */
};

struct history {
    char parent[HISTORY_PATH - 64], dir[HISTORY_PATH - 32];
    int64_t keep_ms;
    struct os_mutex lock; /* of the gaps only: a slow disk delays no answer */
    struct gap_list gaps;
    struct recent_list recent; /* under lock */
    struct known *known;
    uint32_t n_known;
    bool noted; /* base values stand */
    uint64_t own[OWN_N], rows_removed;
    int64_t noted_ms, started_ms, oldest_ms;

    struct buf pending;                 /* records not written yet */
    char name[HISTORY_NAME_OCTETS + 1]; /* of the file they belong to */
    uint64_t at;                        /* where they go */
    uint32_t next_number;
    uint64_t pending_lost;

    struct thread thread;
    struct collect *k;
    int alive_fd; /* -1: none */
    struct os_mutex stop_lock;
    struct cond stop_change;
    bool stop; /* under stop_lock */
};

/* ---------------------------------------------------------------------------------------- files */

static int replace_file(const struct history *h, const char *name, const struct buf *with,
                        struct err *e)
{
    char path[HISTORY_PATH];
    int rc;

    (void)snprintf(path, sizeof path, "%s/%s", h->dir, name);
    rc = os_file_replace(path, with, e);
    return rc == ERR_OK ? os_dir_sync(h->dir, e) : rc;
}

static void thin(const struct history *h, const char *name, const struct buf *day)
{
    struct buf out = buf_init(HISTORY_FILE_OCTETS);
    struct err e;

    if (history_thin(&out, day->p, day->len) == ERR_OK && out.len < day->len &&
        replace_file(h, name, &out, &e) != ERR_OK)
        log_line(LOG_LEVEL_ERROR, "history: %s", e.msg);
    buf_free(&out);
}

/* Minutes that are old become hours; days that are too old, or too much, go. */
static void tidy(struct history *h, int64_t now_ms)
{
    struct history_days d = { 0 };
    struct buf day = buf_init(HISTORY_FILE_OCTETS);
    char thin_before[HISTORY_NAME_OCTETS + 1], keep_from[HISTORY_NAME_OCTETS + 1] = "",
                                                                               path[HISTORY_PATH];
    struct gap_list none = { 0 };
    uint64_t octets = 0;

    history_day_name(now_ms - (int64_t)HISTORY_MINUTE_DAYS * DAY_MS, thin_before);
    if (h->keep_ms > 0)
        history_day_name(MAX(now_ms - h->keep_ms, 0), keep_from);
    if (history_days_list(h->dir, &d, NULL) != ERR_OK)
        d.n = 0;
    for (size_t i = d.n; i-- > 0;) { /* newest first */
        struct history_scan s = { .gaps = &none };
        struct os_stat st = { 0 };
        (void)snprintf(path, sizeof path, "%s/%s", h->dir, d.name[i]);
        if (os_file_stat(path, &st, NULL) != ERR_OK)
            continue;
        octets += st.octets;
        if (strcmp(d.name[i], keep_from) < 0 || (octets > HISTORY_OCTETS && i + 1 < d.n)) {
            (void)os_unlink(path, NULL);
            continue;
        }
        if (strcmp(d.name[i], thin_before) >= 0 ||
            history_day_read(h->dir, d.name[i], &day, NULL) != ERR_OK)
            continue;
        history_scan(&s, day.p, day.len);
        gap_list_free(&none);
        if (s.has_minutes)
            thin(h, d.name[i], &day);
    }
    buf_free(&day);
    free(d.name);
}

/* ------------------------------------------------------------------------------------ exporters */

static int by_key(const void *a, const void *b)
{
    const struct decode_exporter *const *x = a, *const *y = b;

    return exporter_key_cmp(&(*x)->key, &(*y)->key);
}

static struct known *find_known(struct history *h, const struct exporter_key *k, uint32_t *at)
{
    uint32_t lo = 0, hi = h->n_known;

    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (exporter_key_cmp(&h->known[mid].row.key, k) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    *at = lo;
    return lo < h->n_known && exporter_key_cmp(&h->known[lo].row.key, k) == 0 ? &h->known[lo]
                                                                              : NULL;
}

/* At open: who was heard lately, so that a silence that lasts over the restart is seen. */
static void remember(void *ctx, const struct history_minute *m)
{
    struct history *h = ctx;
    uint32_t at;

    if (m->to_ms < h->started_ms - HISTORY_GONE_MS || m->to_ms > h->started_ms)
        return;
    for (uint32_t i = 0; i < m->n; i++) {
        struct known *k = find_known(h, &m->x[i].key, &at), *more;
        if (m->x[i].datagrams == 0 || (k == NULL && h->n_known == HISTORY_KNOWN))
            continue;
        if (k == NULL) {
            more = realloc(h->known, (h->n_known + 1) * sizeof *more);
            if (more == NULL)
                return;
            h->known = more;
            memmove(more + at + 1, more + at, (h->n_known - at) * sizeof *more);
            h->n_known++;
            k = &more[at];
            *k = (struct known){ .row = { .key = m->x[i].key, .number = UINT32_MAX } };
        }
        k->row.trusted = m->x[i].trusted;
        k->last_ms = m->to_ms;
        k->often = true;
    }
}

static uint64_t undecoded(const struct decode_counters *c)
{
    uint64_t n = 0;

    for (unsigned r = 0; r < DECODE_REASON_N; r++)
        n += c->sets_expired[r] + c->sets_malformed[r];
    return n;
}

/* How much more; a counter that fell is one of an exporter that was forgotten in between. */
static uint64_t more(uint64_t *was, uint64_t is)
{
    uint64_t d = is >= *was ? is - *was : is;

    *was = is;
    return d;
}

static void silence(struct known *k, int64_t now_ms, int64_t started_ms)
{
    int64_t from = MAX(k->last_ms, started_ms), idle = now_ms - from;

    if (k->row.datagrams > 0) {
        if (k->idle_ms > 0)
            k->pause_ms = MAX(k->pause_ms, MIN(k->idle_ms, (int64_t)PAUSE_MAX_MS));
        k->pause_ms -= k->pause_ms / 64;
    }
    k->idle_ms = idle;
    if (k->row.trusted && k->often && k->last_ms != 0 && now_ms - k->last_ms < HISTORY_GONE_MS &&
        idle > MAX((int64_t)HISTORY_SILENT_MS, HISTORY_SILENT_TIMES * k->pause_ms))
        k->row.silent_ms = (uint64_t)idle;
}

/* What it did since the last note; `base`: nothing, the counters are only looked at. */
static void measure(struct known *k, const struct decode_exporter *x, bool base)
{
    uint64_t lost = k->lost;

    k->there = true;
    k->often |= x->c.datagrams > 1;
    k->row.trusted = x->trusted;
    k->row.datagrams = more(&k->datagrams, x->c.datagrams);
    k->row.records = more(&k->records, x->c.flows + x->c.options);
    k->row.restarts = more(&k->restarts, x->restarts);
    k->row.undecoded = more(&k->undecoded, undecoded(&x->c));
    k->row.templates = more(&k->templates, x->c.templates_changed + x->c.templates_withdrawn);
    k->lost = x->lost;
    /* a fall is datagrams that came late, or, with all the counters, an exporter that is new again
     */
    k->row.lost = k->row.datagrams == k->datagrams ? (int64_t)x->lost : (int64_t)(x->lost - lost);
    k->last_ms = MAX(k->last_ms, x->last_ms);
    if (base) {
        k->row.datagrams = k->row.records = k->row.restarts = k->row.undecoded = 0;
        k->row.lost = 0;
        k->row.templates = 0;
    }
}

/* The present exporters and those of before become one list. Both are in order. */
static int merge(struct history *h, const struct collect_status *s, bool base)
{
    const struct decode_exporter **x = malloc((s->n_exporters + 1) * sizeof *x);
    struct known *all = malloc((s->n_exporters + h->n_known + 1) * sizeof *all);
    uint32_t n = 0, old = 0;

    if (x == NULL || all == NULL) {
        free(x);
        free(all);
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < s->n_exporters; i++)
        x[i] = &s->exporter[i];
    if (s->n_exporters > 1)
        qsort(x, s->n_exporters, sizeof *x, by_key);
    for (size_t i = 0; i < s->n_exporters || old < h->n_known;) {
        int c = i == s->n_exporters ? 1
                : old == h->n_known ? -1
                                    : exporter_key_cmp(&x[i]->key, &h->known[old].row.key);
        struct known *k = &all[n];
        if (c >= 0)
            *k = h->known[old++];
        else
            *k = (struct known){ .row.key = x[i]->key, .row.number = UINT32_MAX };
        k->there = false;
        k->row = (struct history_exporter){ .key = k->row.key,
                                            .trusted = k->row.trusted,
                                            .number = k->row.number };
        if (c <= 0) {
            /* first heard after the start: all it did is news, and the next note's */
            k->there = base && x[i]->first_ms >= h->started_ms;
            if (!k->there)
                measure(k, x[i], base);
            i++;
        }
        /* those no more told of are watched for a day */
        n +=
            k->there || (k->often && s->now_ms - k->last_ms < HISTORY_GONE_MS && n < HISTORY_KNOWN);
    }
    free(x);
    free(h->known);
    h->known = all;
    h->n_known = n;
    return ERR_OK;
}

/* ---------------------------------------------------------------------------------------- notes */

static bool says_something(const struct history_exporter *x)
{
    return x->lost != 0 || x->restarts > 0 || x->undecoded > 0 || x->silent_ms > 0 ||
           x->templates > 0;
}

static void sum_up(struct history_minute *m, const struct history_exporter *x)
{
    m->n_others++;
    m->others.datagrams += x->datagrams;
    m->others.records += x->records;
    m->others.restarts += x->restarts;
    m->others.undecoded += x->undecoded;
    m->others.templates += x->templates;
    m->others.lost += x->lost;
}

/* Strangers come last, wherever room is short. */
static unsigned class_of(const struct known *k)
{
    return !k->row.trusted ? 2 : k->often ? 0 : 1;
}

/* Rows of their own for those with something to say first, then for the rest while there is room.
 */
static void choose(struct history *h, struct history_minute *m,
                   struct history_exporter row[HISTORY_EXPORTERS])
{
    for (unsigned pass = 0; pass < 6; pass++)
        for (uint32_t i = 0; i < h->n_known; i++) {
            struct history_exporter *x = &h->known[i].row;
            if (says_something(x) != (pass < 3) || class_of(&h->known[i]) != pass % 3 ||
                (pass >= 3 && x->datagrams == 0))
                continue;
            if (x->number == UINT32_MAX && m->n < HISTORY_EXPORTERS && h->next_number < NUMBERS) {
                x->number = h->next_number++;
                history_put_exporter(&h->pending, x);
            }
            if (m->n < HISTORY_EXPORTERS && x->number != UINT32_MAX)
                row[m->n++] = *x;
            else
                sum_up(m, x);
        }
    m->x = row;
}

static void own_counters(const struct collect_status *s, uint64_t out[OWN_N])
{
    memset(out, 0, OWN_N * sizeof *out);
    out[OWN_KERNEL] = s->kernel_dropped;
    out[OWN_RING] = s->ring_dropped;
    out[OWN_JOURNAL] = s->not_journaled;
    for (unsigned r = 0; r < DECODE_REASON_N; r++)
        out[OWN_REFUSED] += s->total.datagrams_refused[r];
    out[OWN_REFUSED] += s->records_refused;
    out[OWN_DAMAGED] = s->store.segments_damaged;
}

/* Records that retention removed: they are missing where they were, not now. */
static void expired(struct history *h, const struct collect_status *s)
{
    struct gap g = { .reason = GAP_EXPIRED,
                     .whose = GAP_OF_WEIR,
                     .from_ms = h->oldest_ms,
                     .to_ms = s->store.rows > 0 ? s->store.oldest_ms : s->now_ms };

    g.count = more(&h->rows_removed, s->store.rows_removed);
    if (h->noted && g.count > 0 && g.from_ms != 0 && g.to_ms > g.from_ms) {
        history_put_gap(&h->pending, &g);
        os_lock(&h->lock);
        (void)!gap_add(&h->gaps, &g);
        os_unlock(&h->lock);
    }
    h->oldest_ms = s->store.rows > 0 ? s->store.oldest_ms : 0;
}

static void begin_file(struct history *h, const char *name)
{
    memcpy(h->name, name, sizeof h->name);
    h->at = 0;
    h->next_number = 0;
    for (uint32_t i = 0; i < h->n_known; i++)
        h->known[i].row.number = UINT32_MAX;
    history_put_head(&h->pending);
}

/* A clock that goes back a day changes nothing: rows carry their times. */
static void new_day(struct history *h, int64_t now_ms)
{
    char today[HISTORY_NAME_OCTETS + 1];

    history_day_name(now_ms, today);
    if (strcmp(today, h->name) <= 0)
        return;
    (void)history_flush(h, NULL);
    if (h->pending.len > 0)
        h->pending_lost++;
    buf_clear(&h->pending);
    begin_file(h, today);
    tidy(h, now_ms);
}

void history_note(struct history *h, const struct collect_status *s)
{
    struct history_minute m = { .from_ms = h->noted_ms, .to_ms = s->now_ms };
    struct history_exporter *row = malloc(HISTORY_EXPORTERS * sizeof *row);
    uint64_t own[OWN_N];
    bool base = !h->noted || s->recovering;

    if (row == NULL || merge(h, s, base) != ERR_OK) {
        free(row);
        return; /* the next note tells of two minutes */
    }
    os_lock(&h->lock);
    (void)!recent_note(&h->recent, s, base);
    os_unlock(&h->lock);
    own_counters(s, own);
    for (unsigned i = 0; i < OWN_N; i++)
        m.own[i] = more(&h->own[i], own[i]);
    if (!base && m.to_ms > m.from_ms) {
        new_day(h, m.to_ms);
        expired(h, s);
        for (uint32_t i = 0; i < h->n_known; i++)
            silence(&h->known[i], m.to_ms, h->started_ms);
        choose(h, &m, row);
        history_put_minute(&h->pending, &m);
        os_lock(&h->lock);
        (void)!history_fold(&h->gaps, &m);
        os_unlock(&h->lock);
    } else {
        expired(h, s);
    }
    h->noted = !s->recovering; /* exporters of before may not be there yet */
    h->noted_ms = s->now_ms;
    free(row);
}

/* What cannot be written stays, and goes to the same place next time. */
int history_flush(struct history *h, struct err *e)
{
    char path[HISTORY_PATH];
    int fd, rc;

    if (h->pending.len == 0)
        return ERR_OK;
    if (!buf_ok(&h->pending)) { /* more than the ceiling: the gaps are known until a restart */
        h->pending_lost++;
        buf_clear(&h->pending);
        return err_set(e, ERR_NOMEM, "history: minutes are lost, they could not be written");
    }
    (void)snprintf(path, sizeof path, "%s/%s", h->dir, h->name);
    if ((rc = os_file_open(&fd, path, OS_OPEN_CREATE, e)) != ERR_OK)
        return rc;
    rc = os_file_write(fd, path, h->at, h->pending.p, h->pending.len, e);
    if (rc == ERR_OK)
        rc = os_file_sync(fd, path, e);
    os_file_close(&fd);
    if (rc != ERR_OK)
        return rc;
    h->at += h->pending.len;
    buf_clear(&h->pending);
    return ERR_OK;
}

/* ----------------------------------------------------------------------------------------- open */

static void say_alive(struct history *h)
{
    uint64_t now = (uint64_t)clock_now_ms();
    uint8_t o[16];

    le_put(o, now, 8);
    le_put(o + 8, ~now, 8);
    if (h->alive_fd >= 0)
        (void)!os_file_write(h->alive_fd, "history/alive", 0, o, sizeof o, NULL);
}

/* Go on where the newest file ends if it is today's; what is torn behind that goes, a file that is
 * not ours is put aside. */
static int go_on(struct history *h, const struct history_scan *s, const char *newest, bool kept,
                 int64_t now_ms, struct err *e)
{
    char today[HISTORY_NAME_OCTETS + 1], path[HISTORY_PATH], aside[HISTORY_PATH];
    struct gap down = {
        .reason = GAP_DOWN, .whose = GAP_OF_WEIR, .from_ms = s->last_ms, .to_ms = now_ms
    };
    bool known = !kept && s->last_ms != 0 && now_ms - s->last_ms >= DOWN_LEAST_MS;
    int fd, rc = ERR_OK;

    history_day_name(now_ms, today);
    if (strcmp(newest, today) > 0) /* the clock went back */
        memcpy(today, newest, sizeof today);
    (void)snprintf(path, sizeof path, "%s/%s", h->dir, today);
    (void)snprintf(aside, sizeof aside, "%s/%s.aside", h->dir, today);
    begin_file(h, today);
    if (strcmp(newest, today) == 0 && s->good_octets > 0) {
        buf_clear(&h->pending);
        h->at = s->good_octets;
        rc = os_file_open(&fd, path, OS_OPEN_CREATE, e);
        if (rc == ERR_OK) {
            rc = os_file_truncate(fd, path, h->at, e);
            os_file_close(&fd);
        }
    } else if (strcmp(newest, today) == 0) {
        rc = os_rename(path, aside, e);
    }
    if (rc != ERR_OK)
        return rc;
    history_put_begin(&h->pending, known ? s->last_ms : 0, now_ms);
    if (known && gap_add(&h->gaps, &down) != ERR_OK)
        return err_set(e, ERR_NOMEM, "history: out of memory");
    return history_flush(h, e);
}

int history_readable(const char *dir, struct err *e)
{
    char folder[HISTORY_PATH - 32], path[HISTORY_PATH];
    struct history_days d = { 0 };
    int rc;

    if (snprintf(folder, sizeof folder, "%s/history", dir) >= (int)sizeof folder)
        return err_set(e, ERR_ARG, "history: the path %s is too long", dir);
    rc = history_days_list(folder, &d, e);
    for (size_t i = 0; rc == ERR_OK && i < d.n; i++) {
        uint8_t head[HISTORY_HEAD_OCTETS];
        size_t got = 0;
        int fd;
        (void)snprintf(path, sizeof path, "%s/%s", folder, d.name[i]);
        if (os_file_open(&fd, path, OS_OPEN_READ, NULL) != ERR_OK)
            continue; /* it is read later, and the error told then */
        if (os_file_read(fd, path, 0, head, sizeof head, &got, NULL) == ERR_OK &&
            history_draft(head, got) > HISTORY_DRAFT)
            rc = err_set(e, ERR_VERSION,
                         "%s: written in draft %u of the format, this weir reads draft %u; use the "
                         "weir that wrote it, or move that file away",
                         path, history_draft(head, got), HISTORY_DRAFT);
        os_file_close(&fd);
    }
    free(d.name);
    return rc == ERR_NOTFOUND ? ERR_OK : rc;
}

int history_open(struct history **out, const char *dir, bool kept, int64_t keep_ms, int64_t now_ms,
                 struct err *e)
{
    struct history *h = calloc(1, sizeof *h);
    struct buf day = buf_init(HISTORY_FILE_OCTETS);
    struct history_scan s = { 0 };
    char newest[HISTORY_NAME_OCTETS + 1];
    int rc;

    *out = NULL;
    if (h == NULL)
        return err_set(e, ERR_NOMEM, "history: out of memory");
    os_mutex_init(&h->lock);
    os_mutex_init(&h->stop_lock);
    cond_init(&h->stop_change);
    h->alive_fd = -1;
    h->keep_ms = keep_ms;
    h->started_ms = h->noted_ms = now_ms;
    h->pending = buf_init(PENDING_MAX);
    s = (struct history_scan){ .gaps = &h->gaps, .minute = remember, .ctx = h };
    rc = snprintf(h->parent, sizeof h->parent, "%s", dir) < (int)sizeof h->parent &&
                 snprintf(h->dir, sizeof h->dir, "%s/history", dir) < (int)sizeof h->dir
             ? ERR_OK
             : err_set(e, ERR_ARG, "history: the path %s is too long", dir);
    if (rc == ERR_OK)
        rc = history_readable(dir, e);
    if (rc == ERR_OK)
        rc = os_mkdir(h->dir, e);
    if (rc == ERR_OK) {
        tidy(h, now_ms);
        rc = history_days_scan(h->dir, "", "~", &s, &day, newest, e);
    }
    if (rc == ERR_OK && s.damaged > 0)
        log_line(LOG_LEVEL_WARN, "history: %u damaged records are left out", s.damaged);
    if (rc == ERR_OK && s.last_ms != 0)
        s.last_ms = MAX(s.last_ms, history_last_alive(h->dir, now_ms));
    if (rc == ERR_OK)
        rc = go_on(h, &s, newest, kept, now_ms, e);
    buf_free(&day);
    if (rc != ERR_OK) {
        history_close(h);
        return rc;
    }
    *out = h;
    return ERR_OK;
}

/* --------------------------------------------------------------------------------------- thread */

/* True if it is worth looking again at once: the journal is still replayed. */
static bool look(struct history *h)
{
    static struct log_class failed;
    struct collect_status *s = malloc(sizeof *s);
    bool recovering = false;
    struct err e;

    if (s != NULL && collect_status(h->k, s, true, NULL) == ERR_OK) {
        recovering = s->recovering;
        history_note(h, s);
        collect_status_free(s);
        if (history_flush(h, &e) != ERR_OK)
            log_limited(&failed, LOG_LEVEL_ERROR, "history: %s", e.msg);
    }
    free(s);
    return recovering;
}

static void *follow(void *arg)
{
    struct history *h = arg;
    int64_t next = clock_mono_ms();
    bool stop;

    do {
        next = look(h) ? clock_mono_ms() + RECOVERY_MS : next + NOTE_MS;
        os_lock(&h->stop_lock);
        while (!h->stop && clock_mono_ms() < next) {
            os_unlock(&h->stop_lock);
            say_alive(h);
            os_lock(&h->stop_lock);
            if (!h->stop)
                cond_wait_ms(&h->stop_change, &h->stop_lock,
                             MIN((int64_t)ALIVE_MS, MAX(next - clock_mono_ms(), (int64_t)0)));
        }
        stop = h->stop;
        os_unlock(&h->stop_lock);
    } while (!stop);
    (void)look(h);
    return NULL;
}

int history_follow(struct history *h, struct collect *k, struct err *e)
{
    char path[HISTORY_PATH];

    h->k = k;
    (void)snprintf(path, sizeof path, "%s/alive", h->dir);
    if (os_file_open(&h->alive_fd, path, OS_OPEN_CREATE, e) != ERR_OK)
        return ERR_IO;
    return thread_start(&h->thread, "weir-history", follow, h, e);
}

void history_close(struct history *h)
{
    struct err e;

    if (h == NULL)
        return;
    os_lock(&h->stop_lock);
    h->stop = true;
    cond_wake(&h->stop_change);
    os_unlock(&h->stop_lock);
    thread_join(&h->thread);
    if (history_flush(h, &e) != ERR_OK)
        log_line(LOG_LEVEL_ERROR, "history: %s", e.msg);
    os_file_close(&h->alive_fd);
    gap_list_free(&h->gaps);
    recent_free(&h->recent);
    buf_free(&h->pending);
    free(h->known);
    cond_destroy(&h->stop_change);
    os_mutex_free(&h->stop_lock);
    os_mutex_free(&h->lock);
    free(h);
}

/* --------------------------------------------------------------------------------------- asking */

int history_gaps(struct history *h, int64_t from_ms, int64_t to_ms, struct gap_list *out,
                 struct err *e)
{
    int rc;

    *out = (struct gap_list){ 0 };
    os_lock(&h->lock);
    rc = gap_between(&h->gaps, from_ms, to_ms, out);
    os_unlock(&h->lock);
    if (rc == ERR_OK)
        return ERR_OK;
    gap_list_free(out);
    return err_set(e, rc, "gaps: out of memory");
}

int history_recent(struct history *h, struct recent_list *out, struct err *e)
{
    int rc;

    os_lock(&h->lock);
    rc = recent_copy(out, &h->recent);
    os_unlock(&h->lock);
    return rc == ERR_OK ? ERR_OK : err_set(e, rc, "history: out of memory");
}

/* What is noted is written with the same breath, so the files say all of it. */
int history_series(struct history *h, int64_t from_ms, int64_t to_ms, const struct addr *exporter,
                   struct history_series *out, struct err *e)
{
    return history_series_of(h->parent, from_ms, to_ms, exporter, true, out, e);
}
