#include "collect/forward.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collect/ring.h"
#include "os/log.h"
#include "os/send.h"
#include "os/thread.h"

#define ROUND   64u /* datagrams of a queue before the next one's turn */
#define IDLE_MS 200

enum source { SOURCE_AUTO, SOURCE_KEEP, SOURCE_OWN }; /* words of forward_source */

struct target {
    struct net_place place;
    int fd; /* under this host's address */
    _Atomic uint64_t sent, octets, kept, refused;
};

struct forward {
    unsigned n, n_shards;
    struct target target[COLLECT_MAX_FORWARD];
    int raw[2]; /* IPv4, IPv6; -1: not permitted, not wanted */
    bool only_kept;
    struct ring **queue; /* per shard */
    struct thread thread;
    int event;
    atomic_bool sleeps, stopping;
};

static void bump(_Atomic uint64_t *c, uint64_t n)
{
    (void)atomic_fetch_add_explicit(c, n, memory_order_relaxed);
}

/* A datagram sent there would come back to us. */
static bool is_own(const struct net_place *to, const struct net_place *listener)
{
    static const uint8_t any6[16], any4[16] = { [10] = 0xff, [11] = 0xff };
    bool any = memcmp(listener->ip, listener->v6 ? any6 : any4, 16) == 0;

    if (to->port != listener->port)
        return false;
    if (!any)
        return memcmp(to->ip, listener->ip, 16) == 0;
    return (listener->v6 || !to->v6) && net_is_local(to);
}

static int open_target(struct forward *f, const char *text, const struct net_place *listener,
                       unsigned n_listeners, struct err *e)
{
    struct target *t = &f->target[f->n];
    int rc = net_place_parse(&t->place, text, "udp://", "forward", e);

    if (rc == ERR_OK && t->place.port == 0)
        rc = err_set(e, ERR_ARG, "forward: \"%s\": port 0 is none", text);
    for (unsigned l = 0; rc == ERR_OK && l < n_listeners; l++)
        if (is_own(&t->place, &listener[l]))
            rc = err_set(e, ERR_ARG,
                         "forward: \"%s\" is where this server listens: every datagram would come "
                         "back for ever",
                         text);
    if (rc == ERR_OK)
        rc = send_open(&t->fd, &t->place, e);
    f->n += rc == ERR_OK;
    return rc;
}

static int open_raw(struct forward *f, const struct conf *c, struct err *e)
{
    enum source want = (enum source)conf_num(c, OPT_FORWARD_SOURCE);
    bool need[2] = { false, false };
    int rc = ERR_OK;

    f->only_kept = want == SOURCE_KEEP;
    if (want == SOURCE_OWN)
        return ERR_OK;
    for (unsigned i = 0; i < f->n; i++)
        need[f->target[i].place.v6] = true;
    for (unsigned v6 = 0; rc == ERR_OK && v6 < 2; v6++)
        if (need[v6])
            rc = send_open_raw(&f->raw[v6], v6 == 1, e);
    if (rc == ERR_UNSUPPORTED && want == SOURCE_AUTO)
        return ERR_OK; /* the status says so */
    if (rc == ERR_UNSUPPORTED)
        return err_set(e, rc,
                       "forward_source is keep: sending under the address of another host needs "
                       "root or CAP_NET_RAW; auto sends under this host's where that is missing");
    return rc;
}

int forward_open(struct forward **out, const struct conf *c, const struct net_place *listener,
                 unsigned n_listeners, unsigned n_shards, struct err *e)
{
    const struct conf_value *v = &c->v[OPT_FORWARD];
    struct forward *f;
    int rc = ERR_OK;

    *out = NULL;
    if (v->n_items == 0)
        return ERR_OK;
    if (v->n_items > COLLECT_MAX_FORWARD)
        return err_set(e, ERR_ARG, "forward: %zu targets; at most %u are possible", v->n_items,
                       COLLECT_MAX_FORWARD);
    if ((f = calloc(1, sizeof *f)) == NULL)
        return err_set(e, ERR_NOMEM, "forward: out of memory");
    f->n_shards = n_shards;
    f->raw[0] = f->raw[1] = f->event = -1;
    for (size_t i = 0; rc == ERR_OK && i < v->n_items; i++)
        rc = open_target(f, v->item[i], listener, n_listeners, e);
    if (rc == ERR_OK)
        rc = open_raw(f, c, e);
    if (rc != ERR_OK) {
        forward_free(f);
        return rc;
    }
    *out = f;
    return ERR_OK;
}

/* --- the thread --- */

static void send_on(struct forward *f, struct target *t, const struct frame *x)
{
    const uint8_t *octets = (const uint8_t *)(x + 1);
    int raw = f->raw[t->place.v6], rc = ERR_UNSUPPORTED;
    bool kept = raw >= 0;

    if (raw >= 0)
        rc = send_as(raw, &t->place, x->ip, x->port, octets, x->len);
    if (rc == ERR_UNSUPPORTED && !f->only_kept) {
        kept = false;
        rc = send_datagram(t->fd, octets, x->len);
    }
    if (rc != ERR_OK) {
        bump(&t->refused, 1);
        return;
    }
    bump(&t->sent, 1);
    bump(&t->octets, x->len);
    bump(&t->kept, kept);
}

static unsigned round_of(struct forward *f, struct ring *q)
{
    const struct frame *x;
    unsigned n = 0;

    for (; n < ROUND && (x = ring_next(q)) != NULL; n++) {
        for (unsigned i = 0; i < f->n; i++)
            send_on(f, &f->target[i], x);
        ring_done(q);
    }
    return n;
}

static bool all_empty(const struct forward *f)
{
    for (unsigned i = 0; i < f->n_shards; i++)
        if (!ring_empty(f->queue[i]))
            return false;
    return true;
}

static void *run(void *arg)
{
    struct forward *f = arg;
    uint64_t ready[4];

    for (;;) {
        bool last = atomic_load(&f->stopping); /* before looking into the queues */
        unsigned n = 0;
        for (unsigned i = 0; i < f->n_shards; i++)
            n += round_of(f, f->queue[i]);
        if (n > 0)
            continue;
        if (last)
            return NULL;
        atomic_store(&f->sleeps, true);
        if (all_empty(f) && !atomic_load(&f->stopping))
            net_wait(&f->event, 1, IDLE_MS, ready);
        atomic_store(&f->sleeps, false);
        net_event_clear(f->event);
    }
}

int forward_start(struct forward *f, const struct conf *c, struct err *e)
{
    int rc;

    if (f == NULL)
        return ERR_OK;
    if ((f->queue = calloc(f->n_shards, sizeof(struct ring *))) == NULL)
        return err_set(e, ERR_NOMEM, "forward: out of memory");
    for (unsigned i = 0; i < f->n_shards; i++) {
        f->queue[i] = ring_new(conf_num(c, OPT_FORWARD_QUEUE));
        if (f->queue[i] == NULL)
            return err_set(e, ERR_NOMEM, "forward_queue: no memory for it");
        ring_begin(f->queue[i], 1, false, false);
    }
    if ((rc = net_event_open(&f->event, e)) != ERR_OK)
        return rc;
    for (unsigned i = 0; i < f->n; i++) {
        char text[NET_TEXT_MAX];
        const struct net_place *p = &f->target[i].place;
        log_line(LOG_LEVEL_INFO, "forwarding to udp://%s, under the %s", net_place_text(p, text),
                 f->raw[p->v6] >= 0 ? "senders' addresses" : "address of this host");
    }
    return thread_start(&f->thread, "weir-forward", run, f, e);
}

void forward_put(struct forward *f, unsigned shard, const struct frame *frame)
{
    if (f == NULL || frame_session(frame) != 0)
        return;
    (void)ring_put(f->queue[shard], frame, (const uint8_t *)(frame + 1));
    if (atomic_exchange(&f->sleeps, false))
        net_event_set(f->event);
}

void forward_stop(struct forward *f)
{
    if (f == NULL)
        return;
    atomic_store(&f->stopping, true);
    if (f->event >= 0)
        net_event_set(f->event);
    thread_join(&f->thread);
}

void forward_free(struct forward *f)
{
    if (f == NULL)
        return;
    for (unsigned i = 0; i < f->n; i++)
        net_close(f->target[i].fd);
    for (unsigned i = 0; f->queue != NULL && i < f->n_shards; i++)
        ring_free(f->queue[i]);
    net_close(f->raw[0]);
    net_close(f->raw[1]);
    net_close(f->event);
    free(f->queue);
    free(f);
}

void forward_status(const struct forward *f, struct collect_status *out)
{
    char text[NET_TEXT_MAX];

    for (unsigned i = 0; f != NULL && i < f->n; i++) {
        const struct target *t = &f->target[i];
        struct collect_forward *x = &out->forward[i];
        (void)snprintf(x->text, sizeof x->text, "udp://%s", net_place_text(&t->place, text));
        x->may_keep = f->raw[t->place.v6] >= 0;
        x->sent = atomic_load(&t->sent);
        x->octets = atomic_load(&t->octets);
        x->kept = atomic_load(&t->kept);
        x->refused = atomic_load(&t->refused);
        out->n_forward = i + 1;
    }
    for (unsigned i = 0; f != NULL && f->queue != NULL && i < f->n_shards; i++) {
        struct ring_counters c;
        if (f->queue[i] == NULL)
            continue;
        ring_count(f->queue[i], &c);
        out->forward_dropped += c.dropped;
        out->forward_waiting_octets += c.octets;
    }
}
