/* collect/journal_thread.c - from the ring to the journal: group commit, and what happens when the
 * disk refuses or is slow. Receiving and decoding never wait here, unless journal.mode is sync. */
#include <stdlib.h>
#include <string.h>

#include "collect/internal.h"
#include "os/clock.h"
#include "os/fault.h"
#include "os/log.h"

#define GATHER_MS 10 /* async: pieces smaller than GATHER wait this long for more */
#define GATHER    (STAGE_OCTETS / 4)
#define IDLE_MS   200
#define RETRY_MS  1000 /* after the disk refused */

struct writer {
    struct shard *s;
    bool sync;
    int64_t commit_ms;          /* span between two syncs */
    int64_t next_sync, retry;   /* monotonic */
    struct frame_drops written; /* counters as the journal has them */
    uint64_t last;              /* serial copied last */
};

static void set_unsafe(struct shard *s, const struct err *e)
{
    bool first;

    os_lock(&s->status_lock);
    first = !s->journal_unsafe;
    s->journal_unsafe = true;
    (void)memcpy(s->journal_why, e->msg, sizeof s->journal_why);
    os_unlock(&s->status_lock);
    if (first)
        log_line(LOG_LEVEL_ERROR,
                 "UNSAFE: the journal cannot be written: %s; receiving goes on, and a crash would "
                 "lose what is not sealed",
                 e->msg);
}

static void set_safe(struct shard *s)
{
    bool was;

    os_lock(&s->status_lock);
    was = s->journal_unsafe;
    s->journal_unsafe = false;
    os_unlock(&s->status_lock);
    if (was)
        log_line(LOG_LEVEL_INFO, "shard %u: the journal is written again", s->number);
}

static void lose(struct shard *s, uint64_t n)
{
    (void)atomic_fetch_add(&s->shared->not_journaled, n);
}

/* What is staged, from the frame behind `after`. */
static int write_staged(struct shard *s, uint64_t after, struct err *e)
{
    struct shard_shared *h = s->shared;
    size_t len = (size_t)atomic_load(&h->stage_len), at = 0;
    uint64_t first = h->stage_first;

    while (at < len && first <= after) {
        const struct frame *f = (const struct frame *)(const void *)(h->stage + at);
        first = f->serial + 1;
        at += (size_t)frame_room(f->len);
    }
    if (at < len)
        return journal_write(s->journal, h->stage + at, len - at, first, h->stage_last, e);
    return ERR_OK;
}

int collect_write_stage(struct shard *s, struct err *e)
{
    int rc = ERR_OK;

    if (atomic_load(&s->shared->stage_len) > 0)
        rc = write_staged(s, journal_last(s->journal), e);
    atomic_store(&s->shared->stage_len, 0);
    return rc;
}

struct frame_drops collect_drops(const struct shard *s)
{
    const struct shard_shared *h = s->shared;
    struct frame_drops d = { .kernel = atomic_load(&h->kernel_drops_before) };
    struct ring_counters ring;

    ring_count(s->ring, &ring);
    for (unsigned l = 0; l < s->k->n_listeners; l++)
        d.kernel += atomic_load_explicit(&h->kernel_drops[l], memory_order_relaxed);
    d.ring = atomic_load(&h->ring_drops_before) + ring.dropped;
    d.ring_octets = atomic_load(&h->ring_drop_octets_before) + ring.dropped_octets;
    d.not_journaled =
        atomic_load(&h->not_journaled_before) + atomic_load(&h->not_journaled) + ring.passed;
    return d;
}

/* Losses since the last commit, so that a new start knows of them. */
static int write_drops(struct writer *w, struct err *e)
{
    struct {
        struct frame f;
        struct frame_drops d;
    } x = { .f = { .len = sizeof x.d,
                   .serial = w->last,
                   .received_ms = clock_now_ms(),
                   .listener = FRAME_DROPS },
            .d = collect_drops(w->s) };
    int rc;

    if (w->last == 0 || memcmp(&x.d, &w->written, sizeof x.d) == 0)
        return ERR_OK;
    rc = journal_write(w->s->journal, (uint8_t *)&x, sizeof x, w->last, w->last, e);
    if (rc == ERR_OK)
        w->written = x.d;
    return rc;
}

static int commit(struct writer *w, struct err *e)
{
    int64_t began = clock_mono_ms(), took;
    int rc = write_drops(w, e);

    if (rc == ERR_OK)
        rc = journal_sync(w->s->journal, e);
    lose(w->s, journal_given_up(w->s->journal));
    took = clock_mono_ms() - began;
    w->next_sync = clock_mono_ms() + w->commit_ms;
    os_lock(&w->s->status_lock);
    w->s->longest_sync_ms = MAX(w->s->longest_sync_ms, took);
    os_unlock(&w->s->status_lock);
    fault_point("journal.sync");
    return rc;
}

/* One piece; its octets, 0 when there is nothing. */
static size_t write_piece(struct writer *w)
{
    struct shard *s = w->s;
    struct shard_shared *h = s->shared;
    struct ring_piece p = ring_copy(s->ring, h->stage, sizeof h->stage);
    struct err e = { 0 };
    int rc = ERR_OK;

    if (p.len == 0)
        return 0;
    h->stage_first = p.first;
    h->stage_last = p.last;
    atomic_store(&h->stage_len, p.len);
    ring_copied(s->ring, &p);
    w->last = p.last;
    if (clock_mono_ms() < w->retry) {
        lose(s, p.n);
    } else {
        rc = write_staged(s, p.first - 1, &e);
        fault_point("journal.write");
        if (rc == ERR_OK && w->sync)
            rc = commit(w, &e);
        if (rc == ERR_OK) {
            set_safe(s);
        } else {
            lose(s, p.last - MAX(journal_last(s->journal), p.first - 1) +
                        journal_given_up(s->journal));
            set_unsafe(s, &e);
            w->retry = clock_mono_ms() + RETRY_MS;
        }
    }
    atomic_store(&h->stage_len, 0);
    if (w->sync) {
        ring_durable(s->ring, p.end);
        if (atomic_exchange(&s->decoder_sleeps, false))
            net_event_set(s->work_event);
    }
    return p.len;
}

static void rest(struct writer *w, size_t len)
{
    struct shard *s = w->s;
    uint64_t ready[4];

    if (len > 0) {
        if (!w->sync && len < GATHER)
            clock_sleep_ms(GATHER_MS);
        return;
    }
    atomic_store(&s->writer_sleeps, true);
    if (!atomic_load(&s->receiver_done))
        net_wait(&s->journal_event, 1, IDLE_MS, ready);
    atomic_store(&s->writer_sleeps, false);
    net_event_clear(s->journal_event);
}

void *collect_journal_thread(void *arg)
{
    struct shard *s = arg;
    struct conf *c = collect_conf(s->k);
    struct writer w = { .s = s,
                        .sync = conf_num(c, OPT_JOURNAL_MODE) == JOURNAL_SYNC,
                        .commit_ms = (int64_t)conf_num(c, OPT_JOURNAL_COMMIT),
                        .last = journal_last(s->journal) };
    struct err e = { 0 };

    conf_unref(c);
    for (;;) {
        bool last = atomic_load(&s->receiver_done); /* before looking into the ring */
        size_t len = write_piece(&w);
        if (!w.sync && clock_mono_ms() >= w.next_sync && clock_mono_ms() >= w.retry &&
            commit(&w, &e) != ERR_OK) {
            set_unsafe(s, &e);
            w.retry = clock_mono_ms() + RETRY_MS;
        }
        if (last && len == 0)
            break;
        rest(&w, len);
    }
    if (commit(&w, &e) != ERR_OK)
        set_unsafe(s, &e);
    return NULL;
}
