/* collect/seal.c - the sealing thread: from open batches to segments, and retention. */
#include <stdlib.h>
#include <string.h>

#include "collect/internal.h"
#include "os/clock.h"
#include "os/log.h"

#define LOOK_MS        200
#define RETAIN_MS      60000
#define BACKOFF_MS     1000
#define BACKOFF_MAX_MS 30000
#define LAST_TRIES     3 /* when stopping */

struct sealer {
    struct collect *k;
    struct flow_batch **take; /* what is being sealed: the first n of k->full */
    struct open_batch *done;  /* the same entries, to be dropped after the locks */
    size_t n;
    uint64_t records;
    int64_t retry_ms, backoff_ms, retain_ms; /* monotonic; backoff is a span */
    unsigned tries;
};

/* What the lock protects, looked at once. */
struct due {
    bool all_done; /* no decoder writes any more */
    bool age, rows;
    bool empty;
};

static struct due look_locked(struct collect *k, const struct conf *c)
{
    struct due d = { .all_done = true, .empty = k->n_full == 0 };
    int64_t oldest = INT64_MAX;
    uint64_t rows = 0;

    for (unsigned i = 0; i < k->n_shards; i++) {
        d.all_done &= atomic_load(&k->shard[i].decoder_done);
        if (k->shard[i].cur.since_ms != 0)
            oldest = MIN(oldest, k->shard[i].cur.since_ms);
    }
    for (size_t i = 0; i < k->n_full; i++) {
        rows += flow_batch_rows(k->full[i].b);
        oldest = MIN(oldest, k->full[i].since_ms != 0 ? k->full[i].since_ms : oldest);
    }
    d.rows = rows >= conf_num(c, OPT_SEAL_ROWS) || k->n_full >= k->max_full;
    d.age = oldest != INT64_MAX && clock_mono_ms() - oldest >= (int64_t)conf_num(c, OPT_SEAL_AGE);
    return d;
}

/* One cut over all shards: every decoder hands off what it writes. Batches handed off before this
 * are in the same cut. (The journal will take its offsets and the checkpoint the decoders' state
 * here.) */
static void cut(struct collect *k)
{
    for (unsigned i = 0; i < k->n_shards; i++) {
        (void)atomic_fetch_add(&k->shard[i].cut_want, 1);
        net_event_set(k->shard[i].work_event);
    }
    os_lock(&k->open_lock);
    for (unsigned i = 0; i < k->n_shards; i++) {
        struct shard *s = &k->shard[i];
        while (s->cut_done != atomic_load(&s->cut_want) && !atomic_load(&s->decoder_done))
            cond_wait_ms(&k->open_change, &k->open_lock, LOOK_MS);
    }
    os_unlock(&k->open_lock);
}

static void take(struct sealer *z, const struct conf *c, bool all)
{
    struct collect *k = z->k;
    uint64_t rows = 0;

    os_lock(&k->open_lock);
    z->n = 0;
    z->records = 0;
    for (; z->n < k->n_full && rows < conf_num(c, OPT_SEAL_ROWS); z->n++) {
        struct flow_batch *b = k->full[z->n].b;
        rows += flow_batch_rows(b);
        z->records += batch_records(b);
        z->take[z->n] = b;
    }
    if (!all && rows < conf_num(c, OPT_SEAL_ROWS) && k->n_full < k->max_full)
        z->n = 0;
    os_unlock(&k->open_lock);
}

/* Take the first n from the list; sealed ones are kept for tails that have not seen all of them. */
static void drop_locked(struct sealer *z, bool keep_recent)
{
    struct collect *k = z->k;

    memcpy(z->done, k->full, z->n * sizeof *z->done);
    k->n_full -= z->n;
    memmove(k->full, k->full + z->n, k->n_full * sizeof *k->full);
    for (size_t i = 0; keep_recent && k->n_tails > 0 && i < z->n; i++) {
        struct open_batch oldest = { 0 };
        if (k->n_recent == RECENT_MAX) {
            oldest = k->recent[0];
            memmove(k->recent, k->recent + 1, --k->n_recent * sizeof k->recent[0]);
        }
        k->recent[k->n_recent++] = z->done[i];
        z->done[i] = oldest;
    }
    cond_wake(&k->open_change);
}

static void sealed(void *ctx)
{
    struct sealer *z = ctx;

    os_lock(&z->k->open_lock);
    drop_locked(z, true);
    z->k->records_sealed += z->records;
    z->k->seals++;
    z->k->unsafe = false;
    os_unlock(&z->k->open_lock);
}

static void refused(struct sealer *z, const struct err *e)
{
    struct collect *k = z->k;
    bool first;

    os_lock(&k->open_lock);
    first = !k->unsafe;
    k->unsafe = true;
    k->seal_failures++;
    (void)memcpy(k->unsafe_why, e->msg, sizeof k->unsafe_why);
    os_unlock(&k->open_lock);
    if (first)
        log_line(
            LOG_LEVEL_ERROR,
            "UNSAFE: records cannot be written: %s; they stay in memory, and it is tried again",
            e->msg);
    z->backoff_ms = z->backoff_ms == 0 ? BACKOFF_MS : MIN(z->backoff_ms * 2, BACKOFF_MAX_MS);
    if (atomic_load(&k->stopping)) {
        z->backoff_ms = BACKOFF_MS;
        z->tries++;
    }
    z->retry_ms = clock_mono_ms() + z->backoff_ms;
    if (z->tries < LAST_TRIES)
        return;
    os_lock(&k->open_lock);
    drop_locked(z, false);
    k->records_refused += z->records;
    os_unlock(&k->open_lock);
    z->retry_ms = 0;
}

static void retain(struct sealer *z, const struct conf *c)
{
    static struct log_class failed;
    struct store_retention r = { .max_octets = conf_num(c, OPT_RETENTION_SIZE),
                                 .max_age_ms = (int64_t)conf_num(c, OPT_RETENTION_AGE),
                                 .import_keep_ms =
                                     (int64_t)conf_num(c, OPT_RETENTION_IMPORT_KEEP) };
    uint32_t removed = 0;
    struct err e = { 0 };

    z->retain_ms = clock_mono_ms() + RETAIN_MS;
    if (r.max_octets == 0 && r.max_age_ms == 0)
        return;
    if (store_retain(z->k->st, &r, clock_now_ms(), &removed, &e) != ERR_OK)
        log_limited(&failed, LOG_LEVEL_ERROR, "retention: %s", e.msg);
    else if (removed > 0)
        log_line(LOG_LEVEL_INFO, "retention removed %u segments", removed);
}

static void seal(struct sealer *z, const struct conf *c, bool all)
{
    struct err e = { 0 };
    bool was_unsafe = z->backoff_ms != 0;

    take(z, c, all);
    if (z->n == 0)
        return;
    memset(z->done, 0, z->n * sizeof *z->done);
    if (store_seal_with(z->k->st, z->take, z->n, sealed, z, &e) == ERR_OK) {
        log_line(LOG_LEVEL_DEBUG, "sealed %llu records", (unsigned long long)z->records);
        if (was_unsafe)
            log_line(LOG_LEVEL_INFO, "records are written again");
        z->backoff_ms = 0;
        z->retry_ms = 0;
        retain(z, c);
    } else
        refused(z, &e);
    for (size_t i = 0; i < z->n; i++)
        open_batch_drop(&z->done[i]);
}

/* One look; false when everything is done. */
static bool round_of(struct sealer *z)
{
    struct collect *k = z->k;
    struct conf *c = collect_conf(k);
    struct due d;
    int64_t now;

    os_lock(&k->open_lock);
    d = look_locked(k, c);
    now = clock_mono_ms();
    if (!(d.all_done && d.empty) && (now < z->retry_ms || (!d.rows && !d.age && !d.all_done)))
        cond_wait_ms(&k->open_change, &k->open_lock, LOOK_MS);
    d = look_locked(k, c);
    os_unlock(&k->open_lock);
    if (clock_mono_ms() >= z->retry_ms && (d.rows || d.age || d.all_done)) {
        if (d.age && !d.all_done)
            cut(k);
        seal(z, c, d.age || d.all_done);
    }
    if (clock_mono_ms() >= z->retain_ms)
        retain(z, c);
    conf_unref(c);
    return !(d.all_done && d.empty);
}

void *collect_seal_thread(void *arg)
{
    struct collect *k = arg;
    struct sealer z = { .k = k };

    z.take = calloc(k->room_full, sizeof(*z.take));
    z.done = calloc(k->room_full, sizeof *z.done);
    while (z.take == NULL || z.done == NULL) {
        log_line(LOG_LEVEL_ERROR, "out of memory for the sealing thread; waiting");
        clock_sleep_ms(BACKOFF_MS);
        free(z.take);
        free(z.done);
        z.take = calloc(k->room_full, sizeof(*z.take));
        z.done = calloc(k->room_full, sizeof *z.done);
    }
    while (round_of(&z)) {
    }
    free(z.take);
    free(z.done);
    return NULL;
}
