/* collect/shard.c - the two threads of a shard: receive into the ring, decode out of it. */
#include <stdlib.h>
#include <string.h>

#include "collect/internal.h"
#include "os/clock.h"
#include "os/log.h"

#define SLEEP_MS     200
#define ROUND        512u /* datagrams decoded between two looks at everything else */
#define STATUS_MS    200
#define TICK_MS      1000
#define WAIT_FULL_MS 100

static void bump(_Atomic uint64_t *c, uint64_t n)
{
    atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

/* Everything that is in one socket now. */
static unsigned receive(struct shard *s, unsigned l, struct net_inbox *in, uint32_t *drops_seen)
{
    uint32_t drops = *drops_seen;
    unsigned n = net_receive(in, s->fd[l], &drops);
    struct ring_item item = { .received_ms = clock_now_ms(), .listener = (uint16_t)l };

    for (unsigned i = 0; i < n; i++) {
        struct net_datagram d = net_inbox_get(in, i);
        memcpy(item.ip, d.ip, sizeof item.ip);
        item.port = d.port;
        item.len = (uint32_t)d.len;
        bump(&s->octets[l], d.len);
        (void)ring_put(s->ring, &item, d.octets);
    }
    bump(&s->datagrams[l], n);
    bump(&s->kernel_drops[l], drops - *drops_seen); /* wraps at 2^32 */
    *drops_seen = drops;
    return n;
}

void *collect_receive_thread(void *arg)
{
    struct shard *s = arg;
    struct collect *k = s->k;
    struct net_inbox *in = net_inbox_new();
    uint32_t drops[COLLECT_MAX_LISTENERS] = { 0 };
    int fds[COLLECT_MAX_LISTENERS + 1];
    uint64_t ready[4];
    bool last = in == NULL, any;

    if (in == NULL)
        log_line(LOG_LEVEL_ERROR, "shard %u: out of memory, it receives nothing", s->number);
    memcpy(fds, s->fd, sizeof s->fd);
    fds[k->n_listeners] = s->stop_event;
    while (in != NULL) {
        any = false;
        for (unsigned l = 0; l < k->n_listeners; l++)
            any |= receive(s, l, in, &drops[l]) > 0;
        if (any && atomic_exchange(&s->decoder_sleeps, false))
            net_event_set(s->work_event);
        if (any)
            continue;
        if (last) /* stopping, and every socket was empty since */
            break;
        last = atomic_load(&k->stopping);
        if (!last)
            net_wait(fds, k->n_listeners + 1, SLEEP_MS, ready);
    }
    net_inbox_free(in);
    atomic_store(&s->receiver_done, true);
    net_event_set(s->work_event);
    return NULL;
}

/* The options that a decoder looks at itself. */
static void take_conf(struct shard *s)
{
    unsigned version = atomic_load(&s->k->conf_version);
    const struct conf_value *v;

    if (s->conf != NULL && version == s->conf_seen)
        return;
    conf_unref(s->conf);
    s->conf = collect_conf(s->k);
    s->conf_seen = version;
    free(s->allow);
    v = &s->conf->v[OPT_EXPORTERS_ALLOW];
    s->n_allow = 0;
    s->allow = calloc(v->n_items + 1, sizeof *s->allow);
    for (size_t i = 0; s->allow != NULL && i < v->n_items; i++)
        if (net_parse(&s->allow[s->n_allow], v->item[i], strlen(v->item[i]), NULL))
            s->n_allow++;
}

static bool is_trusted(const struct shard *s, const struct addr *a)
{
    if (s->conf->v[OPT_EXPORTERS_ALLOW].n_items == 0)
        return true;
    for (size_t i = 0; i < s->n_allow; i++)
        if (net_has(&s->allow[i], a))
            return true;
    return false;
}

/* Put the written batch behind the full ones. Called with open_lock held. */
static void hand_off_locked(struct shard *s, struct rowset *rs)
{
    struct collect *k = s->k;

    if (k->n_full == k->room_full)
        abort(); /* cannot be: a shard writes a batch only after n_full was below max_full */
    s->cur.rs = rs;
    k->full[k->n_full++] = s->cur;
    s->cur = (struct open_batch){ 0 };
    cond_wake(&k->open_change);
}

/* Hand off the batch being written, if it holds anything. Then s->cur.b is NULL. */
static void hand_off(struct shard *s)
{
    struct flow_batch *b = s->cur.b;
    struct rowset *rs = NULL;
    struct open_batch empty = { 0 };

    if (b == NULL)
        return;
    if (batch_records(b) > 0) {
        flow_batch_seal(b);
        s->records_handed += batch_records(b);
        /* made here, outside the lock; without memory for it each snapshot makes its own */
        (void)!rowset_of_batch(&rs, b);
    }
    os_lock(&s->k->open_lock);
    if (batch_records(b) > 0)
        hand_off_locked(s, rs);
    else {
        empty = s->cur;
        s->cur = (struct open_batch){ 0 };
    }
    os_unlock(&s->k->open_lock);
    open_batch_drop(&empty);
}

/* A fresh batch for the decoder. Waits while too many full ones wait for the store: then the ring
 * fills, and it counts what it cannot take. */
static int fresh(struct shard *s, struct decode_sink *sink)
{
    struct collect *k = s->k;
    struct flow_batch *b;
    int rc;

    os_lock(&k->open_lock);
    while (k->n_full >= k->max_full) {
        s->cut_done = atomic_load(&s->cut_want); /* nothing is being written: cut as it stands */
        cond_wake(&k->open_change);
        cond_wait_ms(&k->open_change, &k->open_lock, WAIT_FULL_MS);
    }
    os_unlock(&k->open_lock);
    if ((rc = flow_batch_new(&b)) != ERR_OK)
        return rc;
    os_lock(&k->open_lock);
    s->cur = (struct open_batch){ .b = b, .index = k->next_index++ };
    os_unlock(&k->open_lock);
    sink->batch = b;
    return ERR_OK;
}

static int next_batch(struct decode_sink *sink)
{
    struct shard *s = sink->ctx;

    hand_off(s);
    sink->batch = NULL;
    return fresh(s, sink);
}

static bool ensure_batch(struct shard *s, struct decode_sink *sink)
{
    static struct log_class no_memory;

    if (s->cur.b != NULL)
        return true;
    if (fresh(s, sink) == ERR_OK)
        return true;
    log_limited(&no_memory, LOG_LEVEL_ERROR, "out of memory for a batch of records; waiting");
    clock_sleep_ms(WAIT_FULL_MS);
    return false;
}

static void publish(struct shard *s)
{
    struct shard_status *p = &s->status;
    struct decode_exporter x;
    uint32_t n = 0;

    os_lock(&s->status_lock);
    decoder_totals(s->decode, &p->total);
    for (; decoder_exporter(s->decode, n, &x); n++) {
        if (n == p->room) {
            size_t room = p->room > 0 ? p->room * 2 : 16;
            struct decode_exporter *more = realloc(p->exporter, room * sizeof *more);
            if (more == NULL)
                break; /* the list is shorter, the totals are right */
            p->exporter = more;
            p->room = room;
        }
        p->exporter[n] = x;
    }
    p->n_exporters = n;
    p->records = s->records_handed + (s->cur.b != NULL ? batch_records(s->cur.b) : 0);
    os_unlock(&s->status_lock);
}

/* The age of the written batch counts from its first record. */
static void mark_since(struct shard *s)
{
    if (s->cur.b == NULL || s->cur.since_ms != 0 || batch_records(s->cur.b) == 0)
        return;
    os_lock(&s->k->open_lock);
    s->cur.since_ms = clock_mono_ms();
    cond_wake(&s->k->open_change);
    os_unlock(&s->k->open_lock);
}

/* Up to ROUND datagrams; returns how many. */
static unsigned decode_round(struct shard *s, struct decode_sink *sink)
{
    static struct log_class failed;
    uint64_t rows_max = MIN(conf_num(s->conf, OPT_SEAL_ROWS), BATCH_ROWS);
    struct ring_item item;
    const uint8_t *octets;
    unsigned n = 0;

    while (n < ROUND && ring_next(s->ring, &item, &octets)) {
        struct datagram g = { .octets = octets,
                              .len = item.len,
                              .peer_port = item.port,
                              .received_ms = item.received_ms };
        if (!ensure_batch(s, sink))
            return n;
        memcpy(g.peer.b, item.ip, sizeof g.peer.b);
        g.trusted = is_trusted(s, &g.peer);
        if (decoder_feed(s->decode, &g, sink) != ERR_OK)
            log_limited(&failed, LOG_LEVEL_ERROR, "out of memory while decoding; records are lost");
        ring_done(s->ring);
        n++;
        if (s->cur.b != NULL && flow_batch_rows(s->cur.b) >= rows_max)
            hand_off(s);
    }
    mark_since(s);
    return n;
}

/* The sealer asked for what is written: hand it off and say so. */
static void answer_cut(struct shard *s)
{
    unsigned want = atomic_load(&s->cut_want);

    if (want == s->cut_done)
        return;
    hand_off(s);
    os_lock(&s->k->open_lock);
    s->cut_done = want;
    cond_wake(&s->k->open_change);
    os_unlock(&s->k->open_lock);
}

static void sleep_for_work(struct shard *s)
{
    uint64_t ready[4];

    atomic_store(&s->decoder_sleeps, true);
    if (ring_empty(s->ring) && atomic_load(&s->cut_want) == s->cut_done &&
        !atomic_load(&s->receiver_done))
        net_wait(&s->work_event, 1, SLEEP_MS, ready);
    atomic_store(&s->decoder_sleeps, false);
    net_event_clear(s->work_event);
}

void *collect_decode_thread(void *arg)
{
    struct shard *s = arg;
    struct decode_sink sink = { .next = next_batch, .ctx = s };
    int64_t next_tick = 0, next_status = 0;

    for (;;) {
        bool last = atomic_load(&s->receiver_done); /* before looking into the ring */
        int64_t now = clock_mono_ms();
        take_conf(s);
        sink.batch = s->cur.b;
        if (now >= next_tick) {
            if (ensure_batch(s, &sink))
                decoder_tick(s->decode, clock_now_ms());
            next_tick = now + TICK_MS;
        }
        if (decode_round(s, &sink) == 0) {
            if (last && ring_empty(s->ring))
                break;
            sleep_for_work(s);
        }
        answer_cut(s);
        now = clock_mono_ms();
        if (now >= next_status) {
            publish(s);
            /* many exporters make a long list: spend a fiftieth of the time on it at most */
            next_status = now + MAX(STATUS_MS, 50 * (clock_mono_ms() - now));
        }
    }
    hand_off(s);
    publish(s);
    os_lock(&s->k->open_lock);
    atomic_store(&s->decoder_done, true);
    cond_wake(&s->k->open_change);
    os_unlock(&s->k->open_lock);
    return NULL;
}
