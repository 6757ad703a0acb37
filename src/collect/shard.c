/* collect/shard.c - the two threads of a shard: receive into the ring, decode out of it. */
#include <stdlib.h>
#include <string.h>

#include "collect/internal.h"
#include "decode/checkpoint.h"
#include "os/clock.h"
#include "os/fault.h"
#include "os/log.h"

#define SLEEP_MS       200
#define ROUND          512u /* datagrams decoded between two looks at everything else */
#define STATUS_MS      200
#define TICK_MS        1000
#define WAIT_FULL_MS   100
#define REPLAY_TRIES   10u
#define REPLAY_WAIT_MS 500
/* Where datagrams come one by one, each would wake two threads: the receiver lets some gather. What
 * comes meanwhile must fit the smallest receive buffer that kernels give (about 90 of full size).
 */
#define GATHER_US 500
#define GATHER_FULL                                                               \
    32u /* so many since the last wait: they come fast enough to be taken at once \
         */

static void bump(_Atomic uint64_t *c, uint64_t n)
{
    atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

/* Datagrams `from` .. n-1 of the inbox into the ring. */
static void put_inbox(struct shard *s, unsigned l, unsigned from, unsigned n)
{
    struct frame f = { .received_ms = clock_now_ms(), .listener = (uint16_t)l };

    for (unsigned i = from; i < n; i++) {
        struct net_datagram d = net_inbox_get(s->inbox, i);
        memcpy(f.ip, d.ip, sizeof f.ip);
        f.port = d.port;
        f.len = (uint32_t)d.len;
        bump(&s->shared->octets[l], d.len);
        (void)ring_put(s->ring, &f, d.octets);
    }
    bump(&s->shared->datagrams[l], n);
    atomic_store_explicit(&s->shared->inbox_open, false, memory_order_release);
}

/* Everything that is in one socket now. */
static unsigned receive(struct shard *s, unsigned l)
{
    struct shard_shared *h = s->shared;
    uint32_t drops = h->drops_seen[l];
    unsigned n;

    net_inbox_clear(s->inbox);
    h->inbox_listener = l;
    h->inbox_seen = ring_seen(s->ring);
    atomic_store_explicit(&h->inbox_open, true, memory_order_release);
    n = net_receive(s->inbox, s->fd[l], &drops);
    put_inbox(s, l, 0, n);
    bump(&h->kernel_drops[l], drops - h->drops_seen[l]); /* wraps at 2^32 */
    h->drops_seen[l] = drops;
    return n;
}

/* What the kernel had given to a predecessor that died before it had put it into the ring. */
static void receive_left(struct shard *s)
{
    struct shard_shared *h = s->shared;

    if (atomic_load(&h->inbox_open))
        put_inbox(s, h->inbox_listener, (unsigned)(ring_seen(s->ring) - h->inbox_seen),
                  net_inbox_held(s->inbox));
}

static void wake(atomic_bool *sleeps, int event)
{
    if (atomic_exchange(sleeps, false))
        net_event_set(event);
}

static void sleep_for_more(struct shard *s, const int *fds)
{
    uint64_t ready[4];

    atomic_store(&s->receiver_sleeps, true);
    if (!stream_ready(s))
        net_wait(fds, s->k->n_listeners + 2, SLEEP_MS, ready);
    atomic_store(&s->receiver_sleeps, false);
    if (s->queue_event >= 0)
        net_event_clear(s->queue_event);
}

void *collect_receive_thread(void *arg)
{
    struct shard *s = arg;
    struct collect *k = s->k;
    int fds[COLLECT_MAX_LISTENERS + 2];
    unsigned n, got = 0; /* since the last wait */
    bool last = false;

    memcpy(fds, s->fd, sizeof s->fd);
    fds[k->n_listeners] = s->stop_event;
    fds[k->n_listeners + 1] = s->queue_event;
    receive_left(s);
    for (;;) {
        n = 0;
        for (unsigned l = 0; l < k->n_listeners; l++)
            n += s->fd[l] >= 0 ? receive(s, l) : 0;
        got += n;
        n += stream_drain(s);
        if (n > 0) {
            wake(&s->decoder_sleeps, s->work_event);
            wake(&s->writer_sleeps, s->journal_event);
            continue;
        }
        if (last && (stream_idle(s) || atomic_load(&k->abandoned)))
            break; /* stopping, and everything was empty since */
        last = atomic_load(&k->stopping) && stream_done(k);
        if (last && stream_idle(s))
            continue;
        if (got > 0 && got < GATHER_FULL)
            clock_sleep_us(GATHER_US);
        got = 0;
        sleep_for_more(s, fds);
    }
    atomic_store(&s->receiver_done, true);
    net_event_set(s->work_event);
    net_event_set(s->journal_event);
    return NULL;
}

/* The options that a decoder looks at itself. */
static void take_conf(struct shard *s)
{
    unsigned version = atomic_load(&s->k->conf_version);

    if (s->conf != NULL && version == s->conf_seen)
        return;
    conf_unref(s->conf);
    s->conf = collect_conf(s->k);
    s->conf_seen = version;
    collect_allow_take(&s->allow, s->conf);
}

/* Put the written batch behind the full ones. Called with open_lock held. */
static void hand_off_locked(struct shard *s, struct rowset *rs)
{
    struct collect *k = s->k;

    if (k->n_full == k->room_full) { /* one datagram that freed many waiting sets */
        size_t room = k->room_full * 2;
        struct open_batch *more = realloc(k->full, room * sizeof *more);
        if (more == NULL)
            abort(); /* the records of a datagram would be torn apart */
        k->full = more;
        k->room_full = room;
    }
    s->cur.rs = rs;
    s->cur.shard = s->number;
    s->cur.cut = s->cut_done;
    s->cur.octets = flow_batch_octets(s->cur.b);
    k->full_octets += s->cur.octets;
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

/* A fresh batch for the decoder. */
static int fresh(struct shard *s, struct decode_sink *sink)
{
    struct collect *k = s->k;
    struct flow_batch *b;
    int rc;

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

void collect_list_unref(struct exporter_list *l)
{
    if (l != NULL && atomic_fetch_sub_explicit(&l->refs, 1, memory_order_acq_rel) == 1)
        free(l);
}

/* All exporters, in memory that nobody looks at. NULL: none for it; the old list stays. */
static struct exporter_list *list_exporters(struct shard *s)
{
    struct exporter_list *l = s->list_spare;
    size_t n = decoder_exporters(s->decode);

    if (l == NULL || l->room < n) {
        size_t room = n + n / 8 + 16;
        collect_list_unref(l);
        s->list_spare = l = malloc(sizeof *l + room * sizeof l->x[0]);
        if (l == NULL)
            return NULL;
        atomic_init(&l->refs, 1);
        l->room = room;
    }
    for (l->n = 0; l->n < n && decoder_exporter(s->decode, (uint32_t)l->n, &l->x[l->n]);)
        l->n++;
    s->list_spare = NULL;
    return l;
}

/* The list is made outside the lock and changed for the old one inside: who reads the status never
 * delays the decoder. */
static void publish(struct shard *s)
{
    struct shard_status *p = &s->status;
    struct exporter_list *l = list_exporters(s), *old = NULL;
    struct decode_counters total;

    decoder_totals(s->decode, &total);
    os_lock(&s->status_lock);
    p->total = total;
    if (l != NULL) {
        old = p->list;
        p->list = l;
    }
    decoder_memory(s->decode, &p->memory);
    p->missing = s->missing;
    p->replayed = s->replayed;
    p->quarantined = s->quarantined;
    p->records = s->records_handed + (s->cur.b != NULL ? batch_records(s->cur.b) : 0);
    os_unlock(&s->status_lock);
    if (old != NULL && atomic_load_explicit(&old->refs, memory_order_acquire) == 1)
        s->list_spare = old;
    else
        collect_list_unref(old);
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

/* Too many full batches wait for the store: do not begin another datagram. The ring fills then, and
 * counts what it cannot take. */
static bool store_is_behind(struct shard *s)
{
    struct collect *k = s->k;
    bool behind;

    os_lock(&k->open_lock);
    behind = k->n_full >= k->max_full || k->full_octets >= k->max_octets;
    if (behind && atomic_load(&s->cut_want) == s->cut_done)
        cond_wait_ms(&k->open_change, &k->open_lock, WAIT_FULL_MS);
    os_unlock(&k->open_lock);
    return behind;
}

static void feed(struct shard *s, const struct frame *f, struct decode_sink *sink)
{
    static struct log_class failed;
    struct shard_shared *h = s->shared;
    struct datagram g = { .octets = (const uint8_t *)(f + 1),
                          .len = f->len,
                          .peer_port = f->port,
                          .session = frame_session(f),
                          .received_ms = f->received_ms };

    if (g.session != 0 && f->len == 0) {
        decoder_session_end(s->decode, g.session);
        return;
    }
    memcpy(g.peer.b, f->ip, sizeof g.peer.b);
    g.trusted = (g.session != 0 && (f->listener & FRAME_VERIFIED) != 0) ||
                collect_allowed(&s->allow, &g.peer);
    if (h->deaths >= 2 && h->suspect == f->serial) {
        decoder_refuse(s->decode, &g, DECODE_QUARANTINED);
        s->quarantined++;
        collect_quarantine(s, f);
        return;
    }
    atomic_store_explicit(&h->decoding, f->serial, memory_order_relaxed);
    fault_poison(g.octets, g.len);
    if (decoder_feed(s->decode, &g, sink) != ERR_OK)
        log_limited(&failed, LOG_LEVEL_ERROR, "out of memory while decoding; records are lost");
    atomic_store_explicit(&h->decoding, 0, memory_order_relaxed);
}

/* One datagram, from the ring or the journal; each serial once. False: not now, try again. */
static bool take_frame(struct shard *s, const struct frame *f, struct decode_sink *sink)
{
    uint64_t rows_max = MIN(conf_num(s->conf, OPT_SEAL_ROWS), BATCH_ROWS);

    if (f->serial <= s->serial)
        return true;
    if (store_is_behind(s) || !ensure_batch(s, sink))
        return false;
    s->missing += f->serial - s->serial - 1;
    feed(s, f, sink);
    s->serial = f->serial;
    if (s->cur.b != NULL && flow_batch_rows(s->cur.b) >= rows_max)
        hand_off(s);
    return true;
}

/* Tell the decoder what comes next; returns how many datagrams that are. */
static unsigned expect(const struct shard *s)
{
    const struct frame *f[DECODE_AHEAD];
    struct datagram g[DECODE_AHEAD] = { 0 };
    unsigned n = ring_look(s->ring, f, DECODE_AHEAD);

    for (unsigned i = 0; i < n; i++) {
        g[i].octets = (const uint8_t *)(f[i] + 1);
        g[i].len = f[i]->len;
        memcpy(g[i].peer.b, f[i]->ip, sizeof f[i]->ip);
    }
    decoder_expect(s->decode, g, n);
    return n;
}

/* Up to ROUND datagrams; returns how many. */
static unsigned decode_round(struct shard *s, struct decode_sink *sink)
{
    const struct frame *f;
    unsigned n = 0, ahead = 0;

    for (; n < ROUND && (f = ring_next(s->ring)) != NULL; n++) {
        bool fresh_one = f->serial > s->serial; /* else it was read back from the journal */
        ahead = ahead > 0 ? ahead : expect(s);
        if (!take_frame(s, f, sink))
            break;
        if (fresh_one)
            forward_put(s->k->forward, s->number, f);
        ring_done(s->ring);
        ahead--;
    }
    ring_pass(s->ring);
    mark_since(s);
    return n;
}

/* Remember everything as it is between two datagrams. */
static void save_state(struct shard *s)
{
    struct shard_cut *c = &s->at_cut;
    struct frame_drops d = collect_drops(s);

    c->serial = s->serial;
    c->records = s->records_handed;
    c->missing = s->missing;
    c->quarantined = s->quarantined;
    c->kernel_drops = d.kernel;
    c->ring_drops = d.ring;
    c->ring_drop_octets = d.ring_octets;
    c->not_journaled = d.not_journaled;
    buf_clear(&c->decoder);
    if (decoder_save(s->decode, &c->decoder) != ERR_OK)
        c->decoder.bad = true; /* the cut is not made; the next one tries again */
}

/* The sealer asked for what is written: hand it off and say so. */
static void answer_cut(struct shard *s)
{
    unsigned want = atomic_load(&s->cut_want);

    if (want == s->cut_done)
        return;
    hand_off(s);
    save_state(s);
    os_lock(&s->k->open_lock);
    s->cut_done = want;
    cond_wake(&s->k->open_change);
    os_unlock(&s->k->open_lock);
}

static void sleep_for_work(struct shard *s)
{
    uint64_t ready[4];

    atomic_store(&s->decoder_sleeps, true);
    if (ring_idle(s->ring) && atomic_load(&s->cut_want) == s->cut_done &&
        (!atomic_load(&s->receiver_done) || atomic_load(&s->decoder_done)) &&
        !atomic_load(&s->k->finished))
        net_wait(&s->work_event, 1, SLEEP_MS, ready);
    atomic_store(&s->decoder_sleeps, false);
    net_event_clear(s->work_event);
}

/* What a decoder does beside decoding, between datagrams. */
struct rounds {
    struct decode_sink sink;
    int64_t next_tick, next_status; /* monotonic */
};

static void between(struct shard *s, struct rounds *r, int64_t decode_now_ms)
{
    int64_t now = clock_mono_ms();

    take_conf(s);
    r->sink.batch = s->cur.b;
    if (now >= r->next_tick) {
        if (ensure_batch(s, &r->sink))
            decoder_tick(s->decode, decode_now_ms);
        r->next_tick = now + TICK_MS;
    }
    answer_cut(s);
    r->sink.batch = s->cur.b;
    now = clock_mono_ms();
    if (now >= r->next_status) {
        publish(s);
        /* many exporters make a long list: spend a fiftieth of the time on it at most */
        now = clock_mono_ms() - now;
        r->next_status = clock_mono_ms() + MAX(STATUS_MS, 50 * now);
    }
}

struct replay {
    struct shard *s;
    struct rounds *r;
    unsigned n;
};

static int replay_frame(void *ctx, const struct frame *f, const uint8_t *octets)
{
    struct replay *x = ctx;
    struct shard *s = x->s;

    (void)octets;
    if (atomic_load(&s->k->finished))
        return ERR_CANCEL;
    if (f->listener == FRAME_DROPS) {
        collect_take_drops(s, f);
        return ERR_OK;
    }
    if (x->n++ % ROUND == 0)
        between(s, x->r, f->received_ms);
    while (!take_frame(s, f, &x->r->sink)) {
        if (atomic_load(&s->k->finished))
            return ERR_CANCEL;
        between(s, x->r, f->received_ms);
    }
    mark_since(s);
    s->replayed++;
    fault_point("replay.datagram");
    return ERR_OK;
}

/* What a crash left undone: from the last cut to the end of the journal, as it was found. */
static void replay(struct shard *s, struct rounds *r)
{
    struct replay x = { .s = s, .r = r };
    struct journal_found found;
    struct err e = { 0 };
    int rc;

    if (s->journal == NULL || s->replay_upto <= s->serial)
        return;
    /* What the system refuses now it may give later (open files, memory); the journal is written
     * over once a later cut is made, so it is asked for some time. */
    for (unsigned tries = 0;; tries++) {
        rc = journal_read(s->k->journal_dir, s->number, s->serial, s->replay_upto, replay_frame, &x,
                          &found, &e);
        if ((rc != ERR_IO && rc != ERR_NOMEM) || tries == REPLAY_TRIES ||
            atomic_load(&s->k->finished))
            break;
        log_line(LOG_LEVEL_WARN, "shard %u: the journal cannot be read: %s; it is tried again",
                 s->number, e.msg);
        clock_sleep_ms(REPLAY_WAIT_MS);
    }
    if (rc != ERR_OK)
        log_line(LOG_LEVEL_ERROR, "shard %u: the journal cannot be read in full: %s", s->number,
                 e.msg);
    log_line(found.damaged_places > 0 ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO,
             "shard %u: recovered %llu datagrams from the journal; %llu places of it are damaged",
             s->number, (unsigned long long)s->replayed, (unsigned long long)found.damaged_places);
}

static void all_decoded(struct shard *s)
{
    hand_off(s);
    publish(s);
    os_lock(&s->k->open_lock);
    atomic_store(&s->decoder_done, true);
    cond_wake(&s->k->open_change);
    os_unlock(&s->k->open_lock);
}

void *collect_decode_thread(void *arg)
{
    struct shard *s = arg;
    struct rounds r = { .sink = { .next = next_batch, .ctx = s } };

    take_conf(s);
    replay(s, &r);
    if (!s->k->has_streams)
        decoder_no_sessions(s->decode);
    publish(s);
    while (!atomic_load(&s->k->finished)) {
        bool last = atomic_load(&s->receiver_done); /* before looking into the ring */
        if (s->serial >= s->ring_upto && !atomic_load(&s->recovered)) {
            publish(s);
            atomic_store(&s->recovered, true);
        }
        between(s, &r, clock_now_ms());
        if (decode_round(s, &r.sink) > 0)
            continue;
        if (last && ring_empty(s->ring) && !atomic_load(&s->decoder_done))
            all_decoded(s);
        sleep_for_work(s);
    }
    publish(s);
    return NULL;
}
