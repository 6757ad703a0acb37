#include "collect/stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collect/framing.h"
#include "collect/internal.h"
#include "decode/decode.h"
#include "os/clock.h"
#include "os/log.h"
#include "os/proc.h"
#include "os/share.h"
#include "os/tcp.h"
#include "os/tls.h"

#define SESSIONS_MAX 16384u
#define TURNS        3u /* SESSIONS_MAX of numbers each, below that of all sessions */
#define QUEUE_OCTETS (1u << 20)
#define READ_OCTETS  65536u
#define READS_EACH   4u   /* of one session before the others have their turn */
#define ACCEPTS_EACH 64u  /* of one listener */
#define DRAINS_EACH  256u /* messages */
#define READ_ROOM    (READ_OCTETS + READ_OCTETS / 2) /* what one read makes in the queue, mostly */
#define LOOK_MS      200
#define QUIET_MS     1000  /* a NetFlow v9 message behind which nothing comes has ended */
#define STOP_MS      10000 /* for what is under way when the server stops */
#define STRANGERS    4u    /* those not trusted take one part in so many */
/* One part in so many of the ring is for datagrams, which cannot wait. Below three quarters nothing
 * is passed over by the journal either: a slow disk is felt by the exporters, too. */
#define RING_SPARE   2u
#define TOKEN_WAKE   UINT32_MAX
#define TOKEN_LISTEN 0x80000000u

/* Written by the thread only. */
struct listener_counters {
    _Atomic uint64_t open, handshaking, accepted, waits;
    _Atomic uint64_t refused[STREAM_REASON_N], ended[STREAM_REASON_N];
};

struct stream_shared {
    struct listener_counters l[COLLECT_MAX_LISTENERS];
};

enum state {
    FREE,
    HANDSHAKE,
    OPEN,
    ENDING, /* closed; that it has ended is still to be told to the decoder */
};

struct session {
    enum state state;
    bool trusted, verified;
    bool waits;   /* the queue is full */
    bool closing; /* nothing more will come, for the reason `why` */
    enum stream_reason why;
    int fd;
    struct tls_session *tls; /* NULL: plain TCP */
    unsigned listener;
    struct shard *shard;
    uint16_t number; /* in its frames */
    unsigned turn;   /* of its place: part of the number */
    uint8_t ip[16];
    uint16_t port;
    uint64_t messages;
    int64_t since_ms, heard_ms,
        begun_ms;  /* monotonic; begun: the message that is not whole, or 0 */
    uint8_t *held; /* octets not handed over, owned */
    size_t n_held;
};

struct refusal {
    char why[COLLECT_WHY_MAX];
    int64_t at_ms; /* Unix */
};

struct streams {
    struct collect *k;
    struct thread thread;
    struct poller *poller;
    int wake;
    struct tls_server *tls;
    struct conf *conf; /* a reference */
    unsigned conf_seen;
    struct allow allow;
    bool deaf[COLLECT_MAX_LISTENERS]; /* no descriptor was left */
    int64_t now_ms, look_ms;          /* monotonic */
    int64_t unix_ms;
    struct session *session;     /* SESSIONS_MAX */
    uint32_t top;                /* none is used from here on */
    uint64_t held, held_strange; /* octets */
    atomic_bool done;
    struct os_mutex lock;
    struct refusal refusal[COLLECT_MAX_LISTENERS]; /* the last; under lock */
    uint8_t work[FRAMING_MAX + 2 * READ_OCTETS];
};

const char *collect_stream_reason(enum stream_reason r)
{
    static const char *const name[STREAM_REASON_N] = {
        [STREAM_CEILING] = "ceiling",
        [STREAM_ADDRESS] = "address_ceiling",
        [STREAM_STRANGERS] = "untrusted_ceiling",
        [STREAM_DESCRIPTORS] = "no_descriptor",
        [STREAM_NO_CERTIFICATE] = "no_certificate",
        [STREAM_BAD_CERTIFICATE] = "bad_certificate",
        [STREAM_HANDSHAKE] = "handshake",
        [STREAM_CLOSED] = "closed",
        [STREAM_CUT] = "cut",
        [STREAM_RESET] = "reset",
        [STREAM_IDLE] = "idle",
        [STREAM_SLOW] = "slow",
        [STREAM_VERSION] = "version",
        [STREAM_LENGTH] = "length",
        [STREAM_MEMORY] = "memory",
        [STREAM_REPLACED] = "replaced",
        [STREAM_STOPPED] = "stopped",
        [STREAM_DIED] = "died",
    };

    return (unsigned)r < STREAM_REASON_N ? name[r] : "none";
}

static void bump(_Atomic uint64_t *c, uint64_t n)
{
    atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

/* ------------------------------------------------------------------------ the receiver's side */

static bool roomy(const struct shard *s)
{
    struct ring_counters c;

    if (atomic_load(&s->k->stopping))
        return true;
    ring_count(s->ring, &c);
    return c.octets < c.capacity - c.capacity / RING_SPARE;
}

unsigned stream_drain(struct shard *s)
{
    struct shard_shared *h = s->shared;
    const struct frame *f;
    unsigned n = 0;

    if (s->queue == NULL || !roomy(s))
        return 0;
    while (n < DRAINS_EACH && (f = ring_next(s->queue)) != NULL && ring_fits(s->ring, f->len)) {
        if (f->len > 0) {
            bump(&h->datagrams[f->listener & FRAME_LISTENER], 1);
            bump(&h->octets[f->listener & FRAME_LISTENER], f->len);
        }
        (void)ring_put(s->ring, f, (const uint8_t *)(f + 1));
        ring_done(s->queue);
        n++;
    }
    if (n > 0 && atomic_exchange(&s->queue_full, false))
        net_event_set(s->k->streams->wake);
    return n;
}

bool stream_ready(struct shard *s)
{
    const struct frame *f = s->queue != NULL ? ring_next(s->queue) : NULL;

    return f != NULL && roomy(s) && ring_fits(s->ring, f->len);
}

bool stream_idle(struct shard *s)
{
    return s->queue == NULL || ring_idle(s->queue);
}

bool stream_done(const struct collect *k)
{
    return k->streams == NULL || atomic_load(&k->streams->done);
}

/* ------------------------------------------------------------------------------ into the queue */

/* Room for so many octets; if not, the receiver wakes us when there may be. */
static bool has_room(struct shard *s, size_t octets)
{
    if (ring_fits(s->queue, octets))
        return true;
    atomic_store(&s->queue_full, true);
    return ring_fits(s->queue, octets);
}

/* Frames come out of here in the order in which they went in. */
static bool queue_put(struct shard *s, const struct frame *f, const uint8_t *octets)
{
    if (!has_room(s, f->len))
        return false;
    (void)ring_put(s->queue, f, octets);
    if (atomic_exchange(&s->receiver_sleeps, false))
        net_event_set(s->queue_event);
    return true;
}

static struct frame frame_of(const struct streams *t, const struct session *s, size_t len)
{
    struct frame f = { .len = (uint32_t)len,
                       .received_ms = t->unix_ms,
                       .port = s->number,
                       .listener = (uint16_t)(s->listener | FRAME_SESSION |
                                              (s->verified ? FRAME_VERIFIED : 0)) };

    memcpy(f.ip, s->ip, sizeof f.ip);
    return f;
}

static bool put_message(struct streams *t, struct session *s, const uint8_t *p, size_t len)
{
    struct frame f = frame_of(t, s, len);

    if (!queue_put(s->shard, &f, p))
        return false;
    s->messages++;
    return true;
}

/* ---------------------------------------------------------------------------------- one session */

static struct listener_counters *counters(const struct streams *t, const struct session *s)
{
    return &t->k->stream_shared->l[s->listener];
}

static uint32_t token_of(const struct streams *t, const struct session *s)
{
    return (uint32_t)(s - t->session);
}

static void account(struct streams *t, const struct session *s, size_t n, bool in)
{
    uint64_t by = in ? n : 0 - (uint64_t)n;

    t->held += by;
    t->held_strange += s->trusted ? 0 : by;
}

static void drop_held(struct streams *t, struct session *s)
{
    account(t, s, s->n_held, false);
    free(s->held);
    s->held = NULL;
    s->n_held = 0;
}

/* Keep the octets behind those handed over. An unfinished message must fit into the memory for
 * such; what only waits for room in the ring is bounded by what one read gives. */
static bool hold(struct streams *t, struct session *s, const uint8_t *p, size_t n, bool unfinished)
{
    uint64_t max = conf_num(t->conf, OPT_STREAM_MEMORY);
    uint8_t *fresh = NULL;

    drop_held(t, s);
    if (n == 0)
        return true;
    if (unfinished && (t->held + n > max || (!s->trusted && t->held_strange + n > max / STRANGERS)))
        return false;
    fresh = malloc(n);
    if (fresh == NULL)
        return false;
    memcpy(fresh, p, n);
    s->held = fresh;
    s->n_held = n;
    account(t, s, n, true);
    return true;
}

static void tell_end(const struct streams *t, struct session *s)
{
    struct frame f = frame_of(t, s, 0);

    if (queue_put(s->shard, &f, (const uint8_t *)""))
        s->state = FREE;
}

static void note_refusal(struct streams *t, unsigned l, const uint8_t ip[16], uint16_t port,
                         enum stream_reason why, const char *text)
{
    static struct log_class refused;
    struct addr a;
    char who[ADDR_TEXT_MAX];
    struct refusal *r = &t->refusal[l];

    bump(&t->k->stream_shared->l[l].refused[why], 1);
    memcpy(a.b, ip, sizeof a.b);
    (void)addr_format(&a, who);
    os_lock(&t->lock);
    r->at_ms = t->unix_ms;
    (void)snprintf(r->why, sizeof r->why, "%s port %u: %s%s%s", who, port,
                   collect_stream_reason(why), text[0] != '\0' ? ": " : "", text);
    log_limited(&refused, LOG_LEVEL_WARN, "a session was refused: %s", r->why);
    os_unlock(&t->lock);
}

static void end(struct streams *t, struct session *s, enum stream_reason why, const char *text)
{
    struct listener_counters *c = counters(t, s);

    if (s->state == HANDSHAKE) {
        bump(&c->handshaking, UINT64_MAX);
        note_refusal(t, s->listener, s->ip, s->port, why, text);
    } else {
        bump(&c->open, UINT64_MAX);
        bump(&c->ended[why], 1);
    }
    tls_session_free(s->tls);
    s->tls = NULL;
    net_close(s->fd);
    s->fd = -1;
    drop_held(t, s);
    s->state = s->messages > 0 ? ENDING : FREE;
    if (s->state == ENDING)
        tell_end(t, s);
}

static void wait_for_room(struct streams *t, struct session *s)
{
    if (s->waits)
        return;
    s->waits = true;
    bump(&counters(t, s)->waits, 1);
    poller_want(t->poller, s->fd, token_of(t, s), false, false);
}

/* Of n octets in t->work: hand over what is whole, hold the rest. False: it has ended, or waits. */
static bool take(struct streams *t, struct session *s, size_t n, bool quiet)
{
    enum framing f;
    size_t at = 0, len;

    while ((f = framing_next(t->work + at, n - at, quiet, &len)) == FRAMING_MESSAGE &&
           put_message(t, s, t->work + at, len))
        at += len;
    if (f == FRAMING_VERSION || f == FRAMING_LENGTH) {
        end(t, s, f == FRAMING_VERSION ? STREAM_VERSION : STREAM_LENGTH, "");
        return false;
    }
    if (!hold(t, s, t->work + at, n - at, f == FRAMING_MORE)) {
        end(t, s, STREAM_MEMORY, "");
        return false;
    }
    if (n == at)
        s->begun_ms = 0;
    else if (at > 0 || s->begun_ms == 0)
        s->begun_ms = t->now_ms;
    if (f == FRAMING_MESSAGE)
        wait_for_room(t, s);
    else if (s->closing)
        end(t, s, n > at && s->why == STREAM_CLOSED ? STREAM_CUT : s->why, "");
    return s->state == OPEN && !s->waits;
}

/* True: there may be more. */
static bool read_session(struct streams *t, struct session *s)
{
    for (unsigned i = 0; i < READS_EACH; i++) {
        size_t n = s->n_held;
        long got;
        if (!has_room(s->shard, READ_ROOM)) {
            wait_for_room(t, s);
            return false;
        }
        if (n > 0)
            memcpy(t->work, s->held, n);
        got = s->tls != NULL ? tls_read(s->tls, t->work + n, READ_OCTETS)
                             : tcp_read(s->fd, t->work + n, READ_OCTETS);
        if (got == TCP_NOTHING)
            return false;
        s->heard_ms = t->now_ms;
        if (got < 0) {
            s->closing = true;
            s->why = got == TCP_CLOSED ? STREAM_CLOSED : STREAM_RESET;
            got = 0;
        }
        if (!take(t, s, n + (size_t)got, s->closing))
            return false;
    }
    return true;
}

/* There may be room again. */
static void go_on(struct streams *t, struct session *s)
{
    size_t n = s->n_held;

    if (!has_room(s->shard, READ_ROOM))
        return;
    s->waits = false;
    s->begun_ms = 0;
    s->heard_ms = t->now_ms;
    if (n > 0)
        memcpy(t->work, s->held, n);
    if (take(t, s, n, s->closing))
        poller_want(t->poller, s->fd, token_of(t, s), true, false);
}

static void opened(struct streams *t, struct session *s)
{
    s->state = OPEN;
    s->since_ms = s->heard_ms = t->now_ms;
    bump(&counters(t, s)->accepted, 1);
    bump(&counters(t, s)->open, 1);
}

static void shake_hands(struct streams *t, struct session *s)
{
    enum tls_step step = tls_handshake(s->tls);

    switch (step) {
    case TLS_WANT_READ:
    case TLS_WANT_WRITE:
        poller_want(t->poller, s->fd, token_of(t, s), step == TLS_WANT_READ,
                    step == TLS_WANT_WRITE);
        return;
    case TLS_NO_CERTIFICATE:
        end(t, s, STREAM_NO_CERTIFICATE, tls_why(s->tls));
        return;
    case TLS_BAD_CERTIFICATE:
        end(t, s, STREAM_BAD_CERTIFICATE, tls_why(s->tls));
        return;
    case TLS_FAILED:
        end(t, s, STREAM_HANDSHAKE, tls_why(s->tls));
        return;
    case TLS_DONE:
        break;
    }
    bump(&counters(t, s)->handshaking, UINT64_MAX);
    s->verified = tls_verified(s->tls);
    s->trusted |= s->verified;
    opened(t, s);
    poller_want(t->poller, s->fd, token_of(t, s), true, false);
    (void)read_session(t, s);
}

/* ------------------------------------------------------------------------------------ newcomers */

struct crowd {
    uint32_t all, same_address, strangers;
    struct session *silent; /* has told nothing for longest, and long enough */
    struct session *silent_stranger;
};

static bool older(const struct session *a, const struct session *b)
{
    return b == NULL || a->since_ms < b->since_ms;
}

static struct crowd look_around(const struct streams *t, const uint8_t ip[16])
{
    int64_t patience = (int64_t)conf_num(t->conf, OPT_STREAM_PATIENCE);
    struct crowd c = { 0 };

    for (uint32_t i = 0; i < t->top; i++) {
        struct session *s = &t->session[i];
        if (s->state == FREE)
            continue;
        c.all++;
        c.same_address += memcmp(s->ip, ip, 16) == 0;
        c.strangers += !s->trusted;
        if (s->state == ENDING || s->messages > 0 || t->now_ms - s->since_ms < patience)
            continue;
        if (older(s, c.silent))
            c.silent = s;
        if (!s->trusted && older(s, c.silent_stranger))
            c.silent_stranger = s;
    }
    return c;
}

/* Is there a place? One that was taken and never used is given away. STREAM_REASON_N: yes. */
static enum stream_reason place_for(struct streams *t, const uint8_t ip[16], bool stranger)
{
    uint64_t max = conf_num(t->conf, OPT_STREAM_SESSIONS);
    struct crowd c = look_around(t, ip);
    bool full = c.all >= max, full_of_strangers = stranger && c.strangers >= max / STRANGERS;
    struct session *gone = full_of_strangers ? c.silent_stranger : c.silent;

    if (c.same_address >= conf_num(t->conf, OPT_STREAM_PER_ADDRESS))
        return STREAM_ADDRESS;
    if (!full && !full_of_strangers)
        return STREAM_REASON_N;
    if (gone == NULL)
        return full ? STREAM_CEILING : STREAM_STRANGERS;
    end(t, gone, STREAM_REPLACED, "it had told nothing, and its place was wanted");
    return STREAM_REASON_N;
}

static struct session *free_place(struct streams *t)
{
    for (uint32_t i = 0; i < t->top; i++)
        if (t->session[i].state == FREE)
            return &t->session[i];
    return t->top < SESSIONS_MAX ? &t->session[t->top++] : NULL;
}

/* Those that live have different numbers, and one is not used again at once. */
static uint16_t number_of(const struct streams *t, const struct session *s)
{
    return (uint16_t)(1 + token_of(t, s) + s->turn * SESSIONS_MAX);
}

static void admit(struct streams *t, unsigned l, int fd, const uint8_t ip[16], uint16_t port)
{
    bool tls = t->k->transport[l] == TRANSPORT_TLS;
    enum stream_reason why;
    struct addr a;
    struct session *s = NULL;
    bool trusted;

    memcpy(a.b, ip, sizeof a.b);
    trusted = collect_allowed(&t->allow, &a);
    why = place_for(t, ip, tls || !trusted);
    if (why == STREAM_REASON_N && (s = free_place(t)) == NULL)
        why = STREAM_CEILING;
    if (why != STREAM_REASON_N) {
        note_refusal(t, l, ip, port, why, "");
        net_close(fd);
        return;
    }
    *s = (struct session){ .state = tls ? HANDSHAKE : OPEN,
                           .trusted = trusted && !tls,
                           .fd = fd,
                           .listener = l,
                           .port = port,
                           .turn = (s->turn + 1) % TURNS,
                           .since_ms = t->now_ms };
    memcpy(s->ip, ip, sizeof s->ip);
    s->shard = &t->k->shard[net_steered(ip, t->k->n_shards)];
    s->number = number_of(t, s);
    if ((tls && tls_session_new(&s->tls, t->tls, fd) != ERR_OK) ||
        poller_add(t->poller, fd, token_of(t, s)) != ERR_OK) {
        tls_session_free(s->tls);
        net_close(fd);
        s->state = FREE;
        note_refusal(t, l, ip, port, STREAM_DESCRIPTORS, "");
        return;
    }
    if (tls)
        bump(&counters(t, s)->handshaking, 1);
    else
        opened(t, s);
}

static void accept_some(struct streams *t, unsigned l)
{
    static struct log_class none_left;
    uint8_t ip[16];
    uint16_t port;
    int fd;

    for (unsigned i = 0; i < ACCEPTS_EACH; i++) {
        enum tcp_accept a = tcp_accept(t->k->stream_fd[l], &fd, ip, &port);
        if (a == TCP_NONE)
            return;
        if (a == TCP_ACCEPTED) {
            admit(t, l, fd, ip, port);
            continue;
        }
        log_limited(&none_left, LOG_LEVEL_ERROR,
                    "no descriptor is left for a session; raise the limit of open files");
        t->deaf[l] = true; /* until the next look */
        poller_want(t->poller, t->k->stream_fd[l], TOKEN_LISTEN | l, false, false);
        return;
    }
}

/* -------------------------------------------------------------------------------- now and then */

static void take_conf(struct streams *t)
{
    unsigned version = atomic_load(&t->k->conf_version);
    struct tls_server *fresh;
    struct err e;
    int rc;

    if (t->conf != NULL && version == t->conf_seen)
        return;
    conf_unref(t->conf);
    t->conf = collect_conf(t->k);
    collect_allow_take(&t->allow, t->conf);
    if (t->k->tls_files != NULL) {
        rc = tls_server_new(&fresh, t->k->tls_files,
                            conf_num(t->conf, OPT_TLS_CLIENT_CERTIFICATE) != 0, &e);
        if (rc == ERR_BUSY)
            return; /* looks again */
        if (rc == ERR_OK) {
            tls_server_unref(t->tls);
            t->tls = fresh;
        } else {
            log_line(LOG_LEVEL_ERROR, "%s; the certificates from before stay", e.msg);
        }
    }
    t->conf_seen = version;
}

/* A v9 message has no length: silence ends it. */
static bool may_be_whole(const struct streams *t, const struct session *s)
{
    return s->n_held >= 2 && s->held[1] == 9 && t->now_ms - s->heard_ms >= QUIET_MS;
}

static void look_at(struct streams *t, struct session *s)
{
    int64_t patience = (int64_t)conf_num(t->conf, OPT_STREAM_PATIENCE);
    int64_t idle = (int64_t)conf_num(t->conf, OPT_STREAM_IDLE);

    if (s->state == ENDING) {
        tell_end(t, s);
    } else if (s->state == HANDSHAKE) {
        if (t->now_ms - s->since_ms > patience)
            end(t, s, STREAM_SLOW, "the handshake took too long");
    } else if (s->waits) {
        go_on(t, s);
    } else if (may_be_whole(t, s)) {
        memcpy(t->work, s->held, s->n_held);
        if (take(t, s, s->n_held, true) && s->begun_ms != 0 && t->now_ms - s->begun_ms > patience)
            end(t, s, STREAM_SLOW, "");
    } else if (s->begun_ms != 0 && t->now_ms - s->begun_ms > patience) {
        end(t, s, STREAM_SLOW, "");
    } else if (t->now_ms - s->heard_ms > idle) {
        end(t, s, STREAM_IDLE, "");
    }
}

static void look(struct streams *t)
{
    take_conf(t);
    for (uint32_t i = 0; i < t->top; i++)
        if (t->session[i].state != FREE)
            look_at(t, &t->session[i]);
    while (t->top > 0 && t->session[t->top - 1].state == FREE)
        t->top--;
    for (unsigned l = 0; l < t->k->n_listeners; l++)
        if (t->deaf[l]) {
            t->deaf[l] = false;
            poller_want(t->poller, t->k->stream_fd[l], TOKEN_LISTEN | l, true, false);
        }
    t->look_ms = t->now_ms + LOOK_MS;
}

/* Sessions that wait for room, and ends to be told; true while there are some. */
static bool waiting_ones(struct streams *t)
{
    bool any = false;

    for (uint32_t i = 0; i < t->top; i++) {
        struct session *s = &t->session[i];
        if (s->state == ENDING)
            tell_end(t, s);
        else if (s->state == OPEN && s->waits)
            go_on(t, s);
        any |= s->state == ENDING || (s->state == OPEN && s->waits);
    }
    return any;
}

static void tell_time(struct streams *t)
{
    t->now_ms = clock_mono_ms();
    t->unix_ms = clock_now_ms();
}

static void on_ready(struct streams *t, uint32_t token)
{
    struct session *s;

    if (token == TOKEN_WAKE) {
        net_event_clear(t->wake);
        (void)waiting_ones(t);
        return;
    }
    if ((token & TOKEN_LISTEN) != 0) {
        accept_some(t, token & ~TOKEN_LISTEN);
        return;
    }
    s = &t->session[token];
    if (s->state == HANDSHAKE)
        shake_hands(t, s);
    else if (s->state == OPEN && !s->waits)
        (void)read_session(t, s);
}

/* ---------------------------------------------------------------------------------- its beginning
 */

/* The shards hear first that no session of a run before lives. */
static void end_all_before(struct streams *t)
{
    const struct frame f = { .received_ms = clock_now_ms(),
                             .port = DECODE_ALL_SESSIONS,
                             .listener = FRAME_SESSION };

    for (unsigned i = 0; i < t->k->n_shards; i++)
        (void)queue_put(&t->k->shard[i], &f, (const uint8_t *)""); /* the first: there is room */
    for (unsigned l = 0; l < t->k->n_listeners; l++) {
        struct listener_counters *c = &t->k->stream_shared->l[l];
        bump(&c->ended[STREAM_DIED], atomic_load(&c->open));
        bump(&c->refused[STREAM_DIED], atomic_load(&c->handshaking));
        atomic_store(&c->open, 0);
        atomic_store(&c->handshaking, 0);
    }
}

/* What has arrived is taken in, within bounds; then all sessions end. */
static void finish(struct streams *t)
{
    int64_t until;
    uint32_t token[POLLER_READY];
    bool more = true;

    tell_time(t);
    until = t->now_ms + STOP_MS;
    while (more && t->now_ms < until && !atomic_load(&t->k->abandoned)) {
        more = false;
        for (uint32_t i = 0; i < t->top; i++) {
            struct session *s = &t->session[i];
            if (s->state == OPEN && !s->waits)
                more |= read_session(t, s);
        }
        if (waiting_ones(t)) {
            more = true;
            (void)poller_wait(t->poller, 1, token);
        }
        tell_time(t);
    }
    for (uint32_t i = 0; i < t->top; i++)
        if (t->session[i].state == OPEN || t->session[i].state == HANDSHAKE)
            end(t, &t->session[i], STREAM_STOPPED, "the server stops");
    while (waiting_ones(t) && t->now_ms < until && !atomic_load(&t->k->abandoned)) {
        (void)poller_wait(t->poller, 1, token);
        tell_time(t);
    }
}

static void *stream_thread(void *arg)
{
    struct streams *t = arg;
    uint32_t token[POLLER_READY];

    end_all_before(t);
    while (!atomic_load(&t->k->stopping)) {
        unsigned n;
        tell_time(t);
        if (t->now_ms >= t->look_ms)
            look(t);
        n = poller_wait(t->poller, LOOK_MS, token);
        tell_time(t);
        for (unsigned i = 0; i < n; i++)
            on_ready(t, token[i]);
    }
    finish(t);
    atomic_store(&t->done, true);
    for (unsigned i = 0; i < t->k->n_shards; i++)
        net_event_set(t->k->shard[i].queue_event);
    return NULL;
}

static int make_queues(struct collect *k, struct err *e)
{
    for (unsigned i = 0; i < k->n_shards; i++) {
        struct shard *s = &k->shard[i];
        int rc = net_event_open(&s->queue_event, e);
        if (rc != ERR_OK)
            return rc;
        s->queue = ring_new(QUEUE_OCTETS);
        if (s->queue == NULL)
            return err_set(e, ERR_NOMEM, "sessions: out of memory");
        ring_begin(s->queue, 1, false, false);
    }
    return ERR_OK;
}

static int make_poller(struct streams *t, struct err *e)
{
    struct collect *k = t->k;
    int rc;

    if ((rc = net_event_open(&t->wake, e)) != ERR_OK || (rc = poller_new(&t->poller, e)) != ERR_OK)
        return rc;
    rc = poller_add(t->poller, t->wake, TOKEN_WAKE);
    for (unsigned l = 0; rc == ERR_OK && l < k->n_listeners; l++)
        if (k->stream_fd[l] >= 0)
            rc = poller_add(t->poller, k->stream_fd[l], TOKEN_LISTEN | l);
    return rc == ERR_OK ? rc : err_set(e, rc, "sessions: the listeners cannot be watched");
}

int stream_prepare(struct collect *k, struct err *e)
{
    struct streams *t;
    int rc;

    if (!k->has_streams)
        return ERR_OK;
    if ((rc = make_queues(k, e)) != ERR_OK)
        return rc;
    t = calloc(1, sizeof *t);
    if (t == NULL)
        return err_set(e, ERR_NOMEM, "sessions: out of memory");
    k->streams = t;
    t->k = k;
    t->wake = -1;
    os_mutex_init(&t->lock);
    t->session = calloc(SESSIONS_MAX, sizeof *t->session);
    atomic_store(&t->done, true);
    if (t->session == NULL)
        return err_set(e, ERR_NOMEM, "sessions: out of memory");
    take_conf(t);
    if (k->tls_files != NULL && t->tls == NULL)
        return err_set(e, ERR_ARG, "tls: the certificates cannot be used");
    return make_poller(t, e);
}

int stream_start(struct collect *k, struct err *e)
{
    struct streams *t = k->streams;
    int rc;

    if (t == NULL)
        return ERR_OK;
    atomic_store(&t->done, false);
    rc = thread_start(&t->thread, "weir-streams", stream_thread, t, e);
    if (rc != ERR_OK)
        atomic_store(&t->done, true);
    return rc;
}

void stream_join(struct collect *k)
{
    if (k->streams == NULL)
        return;
    if (k->streams->wake >= 0)
        net_event_set(k->streams->wake);
    thread_join(&k->streams->thread);
}

void stream_free(struct collect *k)
{
    struct streams *t = k->streams;

    for (unsigned l = 0; l < COLLECT_MAX_LISTENERS; l++)
        net_close(k->stream_fd[l]);
    tls_files_free(k->tls_files);
    os_share_free(k->stream_shared, sizeof *k->stream_shared);
    if (t == NULL)
        return;
    for (uint32_t i = 0; t->session != NULL && i < t->top; i++)
        if (t->session[i].state == OPEN || t->session[i].state == HANDSHAKE) {
            tls_session_free(t->session[i].tls);
            net_close(t->session[i].fd);
            free(t->session[i].held);
        }
    poller_free(t->poller);
    net_close(t->wake);
    tls_server_unref(t->tls);
    conf_unref(t->conf);
    free(t->allow.net);
    os_mutex_free(&t->lock);
    free(t->session);
    free(t);
    k->streams = NULL;
}

/* ------------------------------------------------------------------------------- the parent's part
 */

static void stream_name(const struct collect *k, unsigned l, char *out, size_t cap)
{
    char text[NET_TEXT_MAX];

    (void)snprintf(out, cap, "stream:%s", net_place_text(&k->listener[l], text));
}

bool stream_take(struct collect *k, unsigned l)
{
    char name[NET_TEXT_MAX + 32];

    stream_name(k, l, name, sizeof name);
    k->stream_fd[l] = proc_inherited(name);
    if (k->stream_fd[l] >= 0)
        net_tcp_kept(k->stream_fd[l], &k->listener[l]);
    return k->stream_fd[l] >= 0;
}

int stream_listen(struct collect *k, unsigned l, struct err *e)
{
    if (k->stream_shared == NULL)
        k->stream_shared = os_share_new(sizeof *k->stream_shared);
    if (k->stream_shared == NULL)
        return err_set(e, ERR_NOMEM, "listen: out of memory");
    k->has_streams = true;
    if (k->stream_fd[l] >= 0)
        return ERR_OK;
    return net_tcp_listen(&k->stream_fd[l], &k->listener[l], "listen tcp://", e);
}

void stream_each_socket(struct collect *k, void (*each)(const char *name, int fd))
{
    char name[NET_TEXT_MAX + 32];

    for (unsigned l = 0; l < k->n_listeners; l++) {
        if (k->stream_fd[l] < 0)
            continue;
        stream_name(k, l, name, sizeof name);
        each(name, k->stream_fd[l]);
    }
}

int stream_read_keys(struct collect *k, const struct conf *c, struct err *e)
{
    bool any = false;

    for (unsigned l = 0; l < k->n_listeners; l++)
        any |= k->transport[l] == TRANSPORT_TLS;
    if (!any)
        return ERR_OK;
    if (k->tls_files == NULL)
        k->tls_files = tls_files_new();
    if (k->tls_files == NULL)
        return err_set(e, ERR_NOMEM, "tls: out of memory");
    return tls_files_read(k->tls_files, conf_text(c, OPT_TLS_CERTIFICATE),
                          conf_text(c, OPT_TLS_KEY), conf_text(c, OPT_TLS_CLIENT_CA),
                          conf_num(c, OPT_TLS_CLIENT_CERTIFICATE) != 0, e);
}

void stream_status(struct collect *k, unsigned l, struct collect_stream *out)
{
    struct listener_counters *c = &k->stream_shared->l[l];

    *out = (struct collect_stream){ .open = atomic_load(&c->open),
                                    .handshaking = atomic_load(&c->handshaking),
                                    .accepted = atomic_load(&c->accepted),
                                    .waits = atomic_load(&c->waits) };
    for (unsigned r = 0; r < STREAM_REASON_N; r++) {
        out->refused[r] = atomic_load(&c->refused[r]);
        out->ended[r] = atomic_load(&c->ended[r]);
    }
    if (k->streams == NULL)
        return;
    os_lock(&k->streams->lock);
    out->refused_ms = k->streams->refusal[l].at_ms;
    memcpy(out->refused_why, k->streams->refusal[l].why, sizeof out->refused_why);
    os_unlock(&k->streams->lock);
}
