/* collect/compactor.c - the thread that merges segments while nothing else needs the machine. */
#include <stdlib.h>
#include <string.h>

#include "collect/internal.h"
#include "os/clock.h"
#include "os/log.h"

#define LOOK_MS        1000
#define IDLE_MS        5000 /* after a look that found nothing */
#define BACKOFF_MS     60000
#define BACKOFF_MAX_MS 3600000
/* Retention deletes whole segments: none is larger than this part of retention.size. */
#define PART_OF_SIZE 16u
#define LEAST_OCTETS (4ull << 20)

struct compactor {
    struct collect *k;
    struct thread thread;
    struct os_mutex lock;
    struct collect_compaction now; /* under lock */
    int64_t backoff_ms;
};

static bool stop(void *ctx)
{
    const struct compactor *c = ctx;

    return atomic_load(&c->k->stopping);
}

/* Is anything on its way that has not become records yet? A quarter of a ring is a second or more;
 * and full batches that wait for the sealer will want the disk. */
static bool busy(void *ctx)
{
    const struct compactor *c = ctx;
    struct collect *k = c->k;
    bool many;

    for (unsigned i = 0; i < k->n_shards; i++) {
        struct ring_counters r;
        ring_count(k->shard[i].ring, &r);
        if (r.octets > r.capacity / 4)
            return true;
    }
    os_lock(&k->open_lock);
    many = k->n_full > k->max_full * 3 / 4;
    os_unlock(&k->open_lock);
    return many;
}

static void nap(const struct compactor *c, int64_t ms)
{
    for (int64_t until = clock_mono_ms() + ms; !atomic_load(&c->k->stopping);) {
        int64_t left = until - clock_mono_ms();
        if (left <= 0)
            return;
        clock_sleep_ms(MIN(left, 100));
    }
}

static void count(struct compactor *c, const struct store_compact_result *r, int rc,
                  const struct err *e)
{
    bool failed = rc != ERR_OK && rc != ERR_CANCEL;

    os_lock(&c->lock);
    c->now.running = false;
    c->now.octets_read += r->octets_read;
    c->now.octets_written += r->octets_written;
    c->now.merges += r->merged > 0;
    c->now.segments_merged += r->merged;
    c->now.failures += failed;
    c->now.damaged += rc == ERR_CORRUPT;
    if (failed)
        (void)memcpy(c->now.failed_why, e->msg, sizeof c->now.failed_why);
    else if (r->merged > 0)
        c->now.failed_why[0] = '\0';
    os_unlock(&c->lock);
}

/* How long to wait for the next look. */
static int64_t step(struct compactor *c, const struct conf *conf)
{
    static struct log_class failed;
    uint64_t keep = conf_num(conf, OPT_RETENTION_SIZE);
    struct store_compact_options o = {
        .rate = conf_num(conf, OPT_COMPACT_RATE),
        .memory = conf_num(conf, OPT_COMPACT_MEMORY),
        .max_octets = keep == 0 ? 0 : MAX(keep / PART_OF_SIZE, LEAST_OCTETS),
        .now_ms = clock_now_ms(),
        .busy = busy,
        .stop = stop,
        .ctx = c,
    };
    struct store_compact_result r;
    struct err e = { 0 };
    int rc;

    os_lock(&c->lock);
    c->now.running = true;
    os_unlock(&c->lock);
    rc = store_compact(c->k->st, &o, &r, &e);
    count(c, &r, rc, &e);
    if (rc == ERR_OK) {
        c->backoff_ms = 0;
        if (r.merged > 0)
            log_line(LOG_LEVEL_DEBUG, "compaction: %u segments are one now, %llu records", r.merged,
                     (unsigned long long)r.rows);
        return r.merged > 0 || r.again ? 0 : IDLE_MS;
    }
    if (rc == ERR_CANCEL)
        return 0;
    log_limited(&failed, LOG_LEVEL_WARN, "compaction: %s", e.msg);
    if (rc == ERR_CORRUPT)
        return 0; /* that one is left alone from now on */
    c->backoff_ms = c->backoff_ms == 0 ? BACKOFF_MS : MIN(c->backoff_ms * 2, BACKOFF_MAX_MS);
    return c->backoff_ms;
}

static void *run(void *arg)
{
    struct compactor *c = arg;

    thread_background();
    while (!atomic_load(&c->k->stopping)) {
        struct conf *conf = collect_conf(c->k);
        int64_t wait_ms = conf_num(conf, OPT_COMPACT_ENABLED) != 0 ? step(c, conf) : LOOK_MS;
        conf_unref(conf);
        nap(c, wait_ms);
    }
    return NULL;
}

int collect_compact_start(struct collect *k, struct err *e)
{
    struct compactor *c = calloc(1, sizeof *c);

    if (c == NULL)
        return err_set(e, ERR_NOMEM, "compaction: out of memory");
    c->k = k;
    os_mutex_init(&c->lock);
    k->compactor = c;
    return thread_start(&c->thread, "weir-compact", run, c, e);
}

void collect_compact_stop(struct collect *k)
{
    if (k->compactor != NULL)
        thread_join(&k->compactor->thread);
}

void collect_compact_free(struct collect *k)
{
    if (k->compactor == NULL)
        return;
    os_mutex_free(&k->compactor->lock);
    free(k->compactor);
    k->compactor = NULL;
}

void collect_compact_status(struct collect *k, struct collect_compaction *out)
{
    struct compactor *c = k->compactor;

    memset(out, 0, sizeof *out);
    if (c == NULL)
        return;
    os_lock(&c->lock);
    *out = c->now;
    os_unlock(&c->lock);
}
