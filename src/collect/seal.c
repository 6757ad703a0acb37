/* collect/seal.c - the sealing thread: from open batches to segments. */
#include <stdlib.h>
#include <string.h>

#include "collect/internal.h"
#include "os/clock.h"
#include "os/fault.h"
#include "os/log.h"

#define LOOK_MS        200
#define BACKOFF_MS     1000
#define BACKOFF_MAX_MS 30000
#define LAST_TRIES     3 /* when stopping */
#define CHECKPOINT_MAX ((size_t)1 << 31)

struct sealer {
    struct collect *k;
    struct flow_batch **take; /* what is being sealed: batches of k->full from before the cut */
    struct open_batch *done;  /* the same entries, to be dropped after the locks */
    size_t n, room;
    uint64_t records;
    int64_t retry_ms, backoff_ms; /* monotonic; backoff is a span */
    int64_t cut_ms;               /* monotonic: the last cut */
    unsigned tries, seal_seen;
    bool given_up; /* stopping, and the store refuses */
};

/* What the lock protects, looked at once. */
struct due {
    bool all_done; /* no decoder writes any more */
    bool age, rows;
    bool journal; /* it holds datagrams for long, or many of them */
};

static struct due look_locked(struct collect *k, const struct conf *c)
{
    struct due d = { .all_done = true };
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
    d.rows = rows >= conf_num(c, OPT_SEAL_ROWS) || k->n_full >= k->max_full ||
             k->full_octets >= k->max_octets / 2;
    d.age = oldest != INT64_MAX && clock_mono_ms() - oldest >= (int64_t)conf_num(c, OPT_SEAL_AGE);
    return d;
}

/* Datagrams that made no record must leave the journal too. */
static bool journal_waits(const struct collect *k, int64_t since_cut_ms, int64_t age_ms)
{
    bool some = false, full = false;

    for (unsigned i = 0; i < k->n_shards; i++) {
        const struct shard *s = &k->shard[i];
        struct journal_state st;
        journal_get_state(s->journal, &st);
        some |= st.last > s->cut_serial;
        full |= st.last > s->cut_serial && st.octets > st.max_octets / 2;
    }
    return (some && since_cut_ms >= age_ms) || (full && since_cut_ms >= LOOK_MS);
}

/* One cut over all shards: every decoder hands off what it writes and saves its state. Batches
 * handed off before that are in the cut. */
static void cut(struct sealer *z)
{
    struct collect *k = z->k;

    for (unsigned i = 0; i < k->n_shards; i++) {
        (void)atomic_fetch_add(&k->shard[i].cut_want, 1);
        net_event_set(k->shard[i].work_event);
    }
    os_lock(&k->open_lock);
    cond_wake(&k->open_change); /* a decoder may wait for us to seal */
    for (unsigned i = 0; i < k->n_shards; i++) {
        struct shard *s = &k->shard[i];
        while (s->cut_done != atomic_load(&s->cut_want) && !atomic_load(&k->abandoned))
            cond_wait_ms(&k->open_change, &k->open_lock, LOOK_MS);
    }
    os_unlock(&k->open_lock);
    z->cut_ms = clock_mono_ms();
}

static bool in_cut(const struct collect *k, const struct open_batch *o)
{
    return o->cut != atomic_load(&k->shard[o->shard].cut_want);
}

/* Room for everything that may be taken at once. */
static bool make_room(struct sealer *z, size_t n)
{
    struct flow_batch **take;
    struct open_batch *done;

    if (n <= z->room)
        return true;
    if ((take = realloc(z->take, n * sizeof(*take))) != NULL)
        z->take = take;
    if ((done = realloc(z->done, n * sizeof *done)) != NULL)
        z->done = done;
    if (take == NULL || done == NULL)
        return false;
    z->room = n;
    return true;
}

static int take(struct sealer *z)
{
    struct collect *k = z->k;

    os_lock(&k->open_lock);
    z->n = 0;
    z->records = 0;
    if (!make_room(z, k->n_full + 1)) {
        os_unlock(&k->open_lock);
        return ERR_NOMEM;
    }
    for (size_t i = 0; z->take != NULL && i < k->n_full; i++) {
        if (!in_cut(k, &k->full[i]))
            continue;
        z->records += batch_records(k->full[i].b);
        z->take[z->n++] = k->full[i].b;
    }
    os_unlock(&k->open_lock);
    return ERR_OK;
}

/* Take the sealed ones from the list; they are kept for tails that have not seen all of them. */
static void drop_locked(struct sealer *z, bool keep_recent)
{
    struct collect *k = z->k;
    size_t n = 0, left = 0;

    for (size_t i = 0; i < k->n_full; i++) {
        if (n < z->n && k->full[i].b == z->take[n]) {
            k->full_octets -= k->full[i].octets;
            z->done[n++] = k->full[i];
        } else
            k->full[left++] = k->full[i];
    }
    k->n_full = left;
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

/* Is everything that is not sealed in a journal? */
static bool journals_hold(struct collect *k)
{
    bool hold = true;

    for (unsigned i = 0; i < k->n_shards; i++) {
        struct shard *s = &k->shard[i];
        os_lock(&s->status_lock);
        hold &= s->write_journal && !s->journal_unsafe;
        os_unlock(&s->status_lock);
    }
    return hold;
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
    z->given_up = true;
    z->retry_ms = 0;
    if (journals_hold(k)) {
        log_line(LOG_LEVEL_WARN,
                 "%llu records are not sealed; the journal keeps them for the next start",
                 (unsigned long long)z->records);
        return;
    }
    os_lock(&k->open_lock);
    drop_locked(z, false);
    k->records_refused += z->records;
    os_unlock(&k->open_lock);
}

/* Batches, positions and states of the decoders, durable together. */
static int seal_cut(struct sealer *z, struct err *e)
{
    struct collect *k = z->k;
    struct buf checkpoint = buf_init(CHECKPOINT_MAX);
    struct store_cut c = { .n_shards = k->n_shards, .checkpoint = &checkpoint };
    int rc;

    for (unsigned i = 0; i < k->n_shards; i++)
        c.journal[i] = k->shard[i].at_cut.serial;
    collect_checkpoint(k, k->records_sealed + z->records, k->records_refused, &checkpoint);
    rc = buf_ok(&checkpoint)
             ? store_seal_cut(k->st, z->take, z->n, &c, sealed, z, e)
             : err_set(e, ERR_NOMEM, "checkpoint: out of memory for the state of the decoders");
    buf_free(&checkpoint);
    for (unsigned i = 0; rc == ERR_OK && i < k->n_shards; i++) {
        k->shard[i].cut_serial = k->shard[i].at_cut.serial;
        journal_release(k->shard[i].journal, k->shard[i].cut_serial);
    }
    return rc;
}

static void seal(struct sealer *z)
{
    struct err e = { 0 };
    bool was_unsafe = z->backoff_ms != 0;
    int rc = take(z);

    if (rc != ERR_OK)
        (void)err_set(&e, rc, "out of memory for sealing");
    if (z->n > 0)
        memset(z->done, 0, z->n * sizeof *z->done);
    if (rc == ERR_OK && seal_cut(z, &e) == ERR_OK) {
        log_line(LOG_LEVEL_DEBUG, "sealed %llu records", (unsigned long long)z->records);
        if (was_unsafe)
            log_line(LOG_LEVEL_INFO, "records are written again");
        z->backoff_ms = 0;
        z->retry_ms = 0;
        atomic_store(&z->k->retain_soon, true);
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
    unsigned want;
    bool go_on = true;

    os_lock(&k->open_lock);
    d = look_locked(k, c);
    now = clock_mono_ms();
    if (!d.all_done && (now < z->retry_ms || (!d.rows && !d.age)))
        cond_wait_ms(&k->open_change, &k->open_lock, LOOK_MS);
    d = look_locked(k, c);
    os_unlock(&k->open_lock);
    now = clock_mono_ms();
    d.journal = journal_waits(k, now - z->cut_ms, (int64_t)conf_num(c, OPT_SEAL_AGE));
    want = atomic_load(&k->seal_want);
    if (now >= z->retry_ms &&
        (d.rows || d.age || d.journal || d.all_done || want != z->seal_seen)) {
        cut(z);
        seal(z);
        if (z->backoff_ms == 0) {
            z->seal_seen = want;
            os_lock(&k->open_lock);
            k->seal_done = want;
            cond_wake(&k->open_change);
            os_unlock(&k->open_lock);
        }
        go_on = !d.all_done || (z->backoff_ms != 0 && !z->given_up);
    }
    conf_unref(c);
    return go_on;
}

int collect_seal(struct collect *k, int64_t wait_ms, struct err *e)
{
    int64_t until = clock_mono_ms() + wait_ms;
    unsigned want = atomic_fetch_add(&k->seal_want, 1) + 1;
    bool done, unsafe;

    os_lock(&k->open_lock);
    cond_wake(&k->open_change);
    while (k->seal_done < want && clock_mono_ms() < until && !atomic_load(&k->finished))
        cond_wait_ms(&k->open_change, &k->open_lock, LOOK_MS);
    done = k->seal_done >= want;
    unsafe = k->unsafe;
    if (!done && unsafe)
        (void)err_set(e, ERR_IO, "records cannot be written: %.400s", k->unsafe_why);
    os_unlock(&k->open_lock);
    if (done)
        return ERR_OK;
    return unsafe ? ERR_IO
                  : err_set(e, ERR_BUSY, "sealing takes longer than %lld s; try again",
                            (long long)(wait_ms / 1000));
}

void *collect_seal_thread(void *arg)
{
    struct sealer z = { .k = arg, .cut_ms = clock_mono_ms() };

    fault_in("seal");
    while (!atomic_load(&z.k->abandoned) && round_of(&z)) {
    }
    atomic_store(&z.k->finished, true);
    for (unsigned i = 0; i < z.k->n_shards; i++)
        net_event_set(z.k->shard[i].work_event);
    free(z.take);
    free(z.done);
    return NULL;
}
