/* collect/import.c - capture -> decoder -> groups of batches -> sealing threads -> one commit. */
#include "collect/import.h"

#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "base/rd.h"
#include "codec/sha256.h"
#include "collect/framing.h"
#include "os/proc.h"
#include "os/thread.h"

#define GROUP_BATCHES   16u   /* 1 M rows when full */
#define MAX_SEALERS     4u    /* one thread cannot decode for more */
#define PREFETCH_OCTETS 1600u /* the next packet, most likely */
#define PIECE_OCTETS    ((size_t)32 << 20)
#define TICK_MS         1000
#define PROGRESS_EVERY  4096u
#define CONVERTED_EVERY 64u /* messages are large there */
/* What others wrote down is taken at its word: effective times up to ten years before the end. */
#define CONVERTED_AGE_S (10u * 366u * 86400u)

struct group {
    struct group *next;
    struct flow_batch *batch[GROUP_BATCHES];
    size_t n;
};

/* Between decoding and sealing stand as many groups as threads that seal, so that memory is
 * bounded: the decoder waits with the next one. The first thread begins with the digest of the file
 * and only then is it known whether, and as what, the groups are to be sealed. */
struct sealer {
    struct os_mutex lock;
    struct cond wake;
    struct thread thread[MAX_SEALERS];
    unsigned n_threads;
    struct store *store;
    const struct import_source *src;
    struct import_result *result;
    bool again;
    struct store_import *to;   /* NULL until the digest is known */
    struct group *head, *tail; /* waiting, owned, in order */
    unsigned flying;           /* groups waiting or being sealed */
    bool closing, started;     /* nothing more comes; the digest is asked for */
    bool known;                /* imported before: groups are dropped */
    int rc;                    /* first error of sealing */
    struct err why;
};

struct session {
    struct sealer sealer;
    struct decode_sink sink;
    struct decoder *decoder;
    struct udp_reader *udp;
    struct capture *capture; /* NULL: an IPFIX file */
    size_t at;               /* octets read of such */
    struct group *group;     /* being filled, owned */
    const struct import_options *opt;
    struct import_result *result;
    uint32_t *seen;  /* datagrams not wanted, per port; 65536 */
    uint16_t number; /* of the import, in the identity of its exporters */
    int64_t now_ms, tick_ms;
    const struct import_source *src;
    size_t forgotten; /* octets of the file in front */
    struct err *e;
};

/* --- sealing threads --- */

static void group_free(struct group *g)
{
    for (size_t i = 0; g != NULL && i < g->n; i++)
        flow_batch_unref(g->batch[i]);
    free(g);
}

static void no_matter(const void *p, size_t len)
{
    (void)p;
    (void)len;
}

static void seal_failed(struct sealer *s, int rc, const struct err *e)
{
    if (s->rc == ERR_OK) {
        s->rc = rc;
        s->why = *e;
    }
    cond_wake(&s->wake);
}

/* The digest, and what follows from it. */
static void begin(struct sealer *s)
{
    const struct import_source *src = s->src;
    struct store_import *to = NULL;
    struct err e;
    bool known = false;
    int rc = sha256_pieces(src->octets, src->len, PIECE_OCTETS,
                           src->forget != NULL ? src->forget : no_matter, s->result->sha256, &e);

    if (rc == ERR_OK)
        known = !s->again && store_import_known(s->store, s->result->sha256);
    if (rc == ERR_OK && !known)
        rc = store_import_begin(s->store, src->name, s->result->sha256, &to, &e);
    os_lock(&s->lock);
    s->to = to;
    s->known = known;
    if (rc != ERR_OK)
        seal_failed(s, rc, &e);
    cond_wake(&s->wake);
    os_unlock(&s->lock);
}

/* The next group and its ticket; NULL when all is done. */
static struct group *next_group(struct sealer *s, uint64_t *ticket)
{
    struct group *g;
    struct err e;
    int rc;

    os_lock(&s->lock);
    while (!(s->head == NULL && s->closing) &&
           !(s->head != NULL && (s->to != NULL || s->known || s->rc != ERR_OK)))
        cond_wait_ms(&s->wake, &s->lock, 1000);
    g = s->head;
    if (g != NULL) {
        s->head = g->next;
        if (s->to != NULL && (rc = store_import_ticket(s->to, ticket, &e)) != ERR_OK)
            seal_failed(s, rc, &e);
    }
    os_unlock(&s->lock);
    return g;
}

static void *seal_all(void *arg)
{
    struct sealer *s = arg;
    struct group *g;
    uint64_t ticket = 0;
    bool first;

    os_lock(&s->lock);
    first = !s->started;
    s->started = true;
    os_unlock(&s->lock);
    if (first)
        begin(s);
    while ((g = next_group(s, &ticket)) != NULL) {
        struct err e;
        int rc = ERR_OK;
        bool drop;
        os_lock(&s->lock);
        drop = s->rc != ERR_OK || s->to == NULL;
        os_unlock(&s->lock);
        if (!drop)
            rc = store_import_seal_as(s->to, ticket, g->batch, g->n, &e);
        group_free(g);
        os_lock(&s->lock);
        s->flying--;
        if (rc != ERR_OK)
            seal_failed(s, rc, &e);
        cond_wake(&s->wake);
        os_unlock(&s->lock);
    }
    return NULL;
}

static int sealer_failed(const struct sealer *s, struct err *e)
{
    return err_set(e, s->rc, "%s", s->why.msg);
}

/* Give a group over; waits while all threads have one. Takes the group in any case. */
static int sealer_give(struct sealer *s, struct group *g, struct err *e)
{
    int rc = ERR_OK;

    os_lock(&s->lock);
    while (s->flying >= s->n_threads && s->rc == ERR_OK && !s->known)
        cond_wait_ms(&s->wake, &s->lock, 1000);
    if (s->rc != ERR_OK) {
        rc = sealer_failed(s, e);
    } else if (!s->known) {
        g->next = NULL;
        if (s->head == NULL)
            s->head = g;
        else
            s->tail->next = g;
        s->tail = g;
        s->flying++;
        g = NULL;
        cond_wake(&s->wake);
    }
    os_unlock(&s->lock);
    group_free(g);
    return rc;
}

static bool sealer_knows(struct sealer *s)
{
    bool known;

    os_lock(&s->lock);
    known = s->known;
    os_unlock(&s->lock);
    return known;
}

/* Wait until everything given is sealed. */
static int sealer_finish(struct sealer *s, struct err *e)
{
    os_lock(&s->lock);
    s->closing = true;
    cond_wake(&s->wake);
    os_unlock(&s->lock);
    for (unsigned i = 0; i < s->n_threads; i++)
        thread_join(&s->thread[i]);
    for (struct group *g = s->head; g != NULL; g = s->head) {
        s->head = g->next;
        group_free(g);
    }
    cond_destroy(&s->wake);
    os_mutex_free(&s->lock);
    return s->rc == ERR_OK ? ERR_OK : sealer_failed(s, e);
}

static int sealer_start(struct sealer *s, struct err *e)
{
    unsigned want = MIN(proc_cpus(), MAX_SEALERS);
    struct err ignored;

    os_mutex_init(&s->lock);
    cond_init(&s->wake);
    for (s->n_threads = 0; s->n_threads < want; s->n_threads++) {
        int rc = thread_start(&s->thread[s->n_threads], "seal", seal_all, s, e);
        if (rc == ERR_OK)
            continue;
        if (s->n_threads > 0)
            break; /* fewer will do */
        (void)sealer_finish(s, &ignored);
        return rc;
    }
    return ERR_OK;
}

/* --- batches --- */

static int give_group(struct session *s)
{
    struct group *g = s->group;

    s->group = NULL;
    if (g == NULL || g->n == 0) {
        free(g);
        return ERR_OK;
    }
    return sealer_give(&s->sealer, g, s->e);
}

/* Take the open batch out of the decoder's hands. */
static int close_batch(struct session *s)
{
    struct flow_batch *b = s->sink.batch;

    s->sink.batch = NULL;
    if (b == NULL)
        return ERR_OK;
    if (flow_batch_rows(b) == 0 && atomic_load(&b->n_options) == 0) {
        flow_batch_unref(b);
        return ERR_OK;
    }
    flow_batch_seal(b);
    if (s->group == NULL)
        s->group = calloc(1, sizeof *s->group);
    if (s->group == NULL) {
        flow_batch_unref(b);
        return err_set(s->e, ERR_NOMEM, "import: out of memory");
    }
    s->group->batch[s->group->n++] = b;
    return s->group->n == GROUP_BATCHES ? give_group(s) : ERR_OK;
}

static int next_batch(struct decode_sink *sink)
{
    struct session *s = sink->ctx;
    int rc = close_batch(s);

    if (rc != ERR_OK)
        return rc;
    if (flow_batch_new(&sink->batch) != ERR_OK)
        return err_set(s->e, ERR_NOMEM, "import: out of memory for a batch of rows");
    return ERR_OK;
}

/* --- which datagrams --- */

static bool plausible_sets(struct rd r, bool ipfix)
{
    uint16_t id = rd_u16(&r), len = rd_u16(&r);
    bool template_set = ipfix ? id == 2 || id == 3 : id <= 1;

    return rd_ok(&r) && (template_set || id >= 256) && len >= 4 && len - 4u <= r.left;
}

bool import_plausible(const uint8_t *p, size_t len)
{
    struct rd r = rd_init(p, len);
    uint16_t version = rd_u16(&r), count = rd_u16(&r);

    switch (version) {
    case 0: /* sFlow's version has 32 bits: an agent's address, four numbers */
        return count == 5 && len >= 28 && (be32(p + 4) == 1 || (be32(p + 4) == 2 && len >= 40));
    case 1: /* header 16, record 48 or 52 octets, at most 30; no more behind them */
        return count >= 1 && count <= 30 && (len == 16u + count * 48u || len == 16u + count * 52u);
    case 5: /* header 24, record 48 octets, at most 30 */
        return count >= 1 && count <= 30 && len >= 24u + count * 48u;
    case 7:
        return count >= 1 && count <= 28 && len >= 24u + count * 52u;
    case 9:
        (void)rd_take(&r, 16);
        return rd_ok(&r) && plausible_sets(r, false);
    case 10: /* count is the message's length */
        (void)rd_take(&r, 12);
        return rd_ok(&r) && count >= 16 && count <= len && (count == 16 || plausible_sets(r, true));
    default:
        return false;
    }
}

static bool wanted_port(const struct import_options *opt, uint16_t port)
{
    for (size_t i = 0; i < opt->n_ports; i++)
        if (opt->ports[i] == port)
            return true;
    return false;
}

static void not_wanted(struct session *s, const struct udp_datagram *d)
{
    struct rd r = rd_init(d->octets, d->len);
    uint16_t version = rd_u16(&r), next = rd_u16(&r);

    s->result->not_wanted++;
    s->seen[d->dst_port] += s->seen[d->dst_port] < UINT32_MAX;
    if (rd_ok(&r))
        s->result->netflow_v8 += version == 8 && next >= 1 && d->len >= 28u + next * 24u;
}

/* --- reading thread --- */

static int one_datagram(struct session *s, const struct udp_datagram *d)
{
    struct datagram g = {
        .octets = d->octets,
        .len = d->len,
        .peer = d->src,
        .peer_port = d->src_port,
        .import = s->number,
        .trusted = true,
        .received_ms = s->now_ms,
    };
    bool take = s->opt->n_ports > 0 ? wanted_port(s->opt, d->dst_port)
                                    : import_plausible(d->octets, d->len);

    if (!take) {
        not_wanted(s, d);
        return ERR_OK;
    }
    s->result->datagrams++;
    s->result->octets += d->len;
    if (s->now_ms - s->tick_ms >= TICK_MS) {
        decoder_tick(s->decoder, s->now_ms);
        s->tick_ms = s->now_ms;
    }
    return decoder_feed(s->decoder, &g, &s->sink);
}

static size_t position(const struct session *s)
{
    if (s->src->convert_at != NULL)
        return MIN(*s->src->convert_at, s->src->len);
    return s->capture != NULL ? capture_at(s->capture) : s->at;
}

static void tell(struct session *s)
{
    struct import_progress p = { .at = position(s), .len = s->src->len };
    struct decode_counters c;

    decoder_totals(s->decoder, &c);
    p.records = c.flows + c.options;
    s->opt->progress(s->opt->ctx, &p);
}

/* Now and then: tell how far we are. True when there is no need to go on. */
static bool pass(struct session *s)
{
    size_t at = position(s);

    if (s->opt->progress != NULL)
        tell(s);
    if (s->src->forget != NULL && at - s->forgotten >= PIECE_OCTETS) {
        s->src->forget(s->src->octets + s->forgotten, at - s->forgotten);
        s->forgotten = at;
    }
    return sealer_knows(&s->sealer);
}

static int read_all(struct session *s)
{
    struct capture_packet p;
    struct udp_datagram d;
    int rc;

    while ((rc = capture_next(s->capture, &p, &s->result->cut_why)) == ERR_OK) {
        enum udp_result r = udp_extract(s->udp, &p, &d);
        be_prefetch(s->src->octets + capture_at(s->capture),
                    MIN(PREFETCH_OCTETS, s->src->len - capture_at(s->capture)));
        s->result->packets++;
        if (p.time_ms > 0)
            s->now_ms = p.time_ms;
        if (r == UDP_LINK)
            s->result->unknown_link = p.link;
        if (r == UDP_OK && (rc = one_datagram(s, &d)) != ERR_OK) {
            if (s->e != NULL && s->e->code != rc)
                return err_set(s->e, rc, "import: %s", err_name(rc));
            return rc;
        }
        if (s->result->packets % PROGRESS_EVERY == 0 && pass(s))
            return ERR_OK;
    }
    if (rc == ERR_NOMEM)
        return err_set(s->e, rc, "import: out of memory");
    s->result->cut = rc == ERR_FORMAT;
    return ERR_OK;
}

/* Seconds stand at octet 4 of IPFIX's header, at octet 8 of the others' (RFC 7011 section 3.1, RFC
 * 3954 section 5.1). */
static int64_t exported_ms(const uint8_t *p, size_t len)
{
    size_t at = be16(p) == 10 ? 4 : 8;

    return len >= at + 4 ? (int64_t)be32(p + at) * 1000 : 0;
}

/* Messages without transport. Nobody wrote down when they were received: that is when they were
 * sent. */
static int read_messages(struct session *s)
{
    const uint8_t *p = s->src->octets;
    size_t len;
    enum framing f;

    while ((f = framing_next(p + s->at, s->src->len - s->at, true, &len)) == FRAMING_MESSAGE) {
        struct datagram g = { .octets = p + s->at,
                              .len = len,
                              .peer = s->src->exporter,
                              .import = s->number,
                              .session = 1,
                              .trusted = true,
                              .received_ms = exported_ms(p + s->at, len) };
        int rc = decoder_feed(s->decoder, &g, &s->sink);
        if (rc != ERR_OK)
            return s->e->code == rc ? rc : err_set(s->e, rc, "import: %s", err_name(rc));
        s->result->datagrams++;
        s->result->octets += len;
        s->at += len;
        if (s->result->datagrams % PROGRESS_EVERY == 0 && pass(s))
            return ERR_OK;
    }
    s->result->cut = s->at < s->src->len;
    if (s->result->cut)
        (void)err_set(&s->result->cut_why, ERR_FORMAT,
                      f == FRAMING_MORE ? "the last message, at octet %zu, is cut off"
                                        : "no message begins at octet %zu",
                      s->at);
    return ERR_OK;
}

/* import_give: a message that was made of another tool's records. */
static int converted(void *door, const uint8_t *p, size_t len, const struct addr *exporter,
                     int64_t received_ms)
{
    struct session *s = door;
    struct datagram g = { .octets = p,
                          .len = len,
                          .peer = *exporter,
                          .import = s->number,
                          .trusted = true,
                          .received_ms = received_ms };
    int rc = decoder_feed(s->decoder, &g, &s->sink);

    if (rc != ERR_OK)
        return s->e->code == rc ? rc : err_set(s->e, rc, "import: %s", err_name(rc));
    s->result->datagrams++;
    s->result->octets += len;
    return s->result->datagrams % CONVERTED_EVERY == 0 && pass(s) ? ERR_CANCEL : ERR_OK;
}

/* Is the first of the file a message, and does another begin behind it? */
static bool holds_messages(const struct import_source *src)
{
    size_t len, next;
    enum framing f = framing_next(src->octets, src->len, true, &len);

    if (f != FRAMING_MESSAGE || !import_plausible(src->octets, len))
        return false;
    f = framing_next(src->octets + len, src->len - len, true, &next);
    return f == FRAMING_MESSAGE || f == FRAMING_MORE;
}

/* The ports that most of the datagrams not wanted went to. */
static void rank_ports(const uint32_t *seen, struct import_port *out)
{
    for (uint32_t port = 0; port < 65536; port++) {
        size_t at = IMPORT_PORTS_SHOWN;
        while (at > 0 && seen[port] > out[at - 1].datagrams)
            at--;
        if (at == IMPORT_PORTS_SHOWN)
            continue;
        memmove(&out[at + 1], &out[at], (IMPORT_PORTS_SHOWN - 1 - at) * sizeof *out);
        out[at] = (struct import_port){ (uint16_t)port, seen[port] };
    }
}

/* The same content is the same import, wherever it is read; 0 means live. The digest comes too late
 * for it, so it is made of the length and some octets all over the file. */
static uint16_t content_number(const uint8_t *p, size_t len)
{
    const size_t look = 4096, looks = 16;
    uint64_t h = XXH3_64bits(p, MIN(len, look)) + len;

    for (size_t i = 1; i < looks && len > look * looks; i++)
        h = h * 0x9e3779b97f4a7c15u + XXH3_64bits(p + len / looks * i, look);
    if (len > look)
        h = h * 0x9e3779b97f4a7c15u + XXH3_64bits(p + len - look, look);
    return (uint16_t)(1 + (h ^ h >> 32) % 65535u);
}

static int session_open(struct session *s, const struct import_source *src)
{
    struct decoder_limits limits = { 0 }; /* the defaults */
    int rc;

    if (src->convert != NULL) {
        s->result->messages = true;
        limits.max_age_s = CONVERTED_AGE_S;
    } else {
        rc = capture_open(&s->capture, src->octets, src->len, s->e);
        s->result->messages = rc == ERR_FORMAT && holds_messages(src);
        if (rc != ERR_OK && !s->result->messages)
            return rc;
    }
    s->e->code = ERR_OK;
    s->seen = calloc(65536, sizeof *s->seen);
    if (s->seen == NULL || udp_reader_new(&s->udp) != ERR_OK ||
        decoder_new(&s->decoder, &limits) != ERR_OK || flow_batch_new(&s->sink.batch) != ERR_OK)
        return err_set(s->e, ERR_NOMEM, "import: out of memory");
    s->sink.next = next_batch;
    s->sink.ctx = s;
    s->number = content_number(src->octets, src->len);
    s->now_ms = src->changed_ms;
    return ERR_OK;
}

static void session_close(struct session *s)
{
    if (s->seen != NULL)
        rank_ports(s->seen, s->result->port);
    if (s->udp != NULL)
        udp_get_stats(s->udp, &s->result->udp);
    if (s->decoder != NULL)
        decoder_totals(s->decoder, &s->result->counters);
    flow_batch_unref(s->sink.batch);
    group_free(s->group);
    capture_close(s->capture);
    udp_reader_free(s->udp);
    decoder_free(s->decoder);
    free(s->seen);
}

static int decode_and_seal(struct session *s)
{
    struct err late;
    int rc = sealer_start(&s->sealer, s->e);
    int sealed;

    if (rc != ERR_OK)
        return rc;
    if (s->src->convert != NULL)
        rc = s->src->convert(s->src->convert_ctx, converted, s, s->e);
    else
        rc = s->capture != NULL ? read_all(s) : read_messages(s);
    if (rc == ERR_OK)
        rc = close_batch(s);
    if (rc == ERR_OK)
        rc = give_group(s);
    sealed = sealer_finish(&s->sealer, &late);
    if (rc == ERR_OK && sealed != ERR_OK)
        rc = err_set(s->e, sealed, "%s", late.msg);
    return rc;
}

int import_capture(struct store *store, const struct import_source *src,
                   const struct import_options *opt, struct import_result *out, struct err *e)
{
    struct err unheard = { 0 };
    struct session s = { .opt = opt, .src = src, .result = out, .e = e != NULL ? e : &unheard };
    int rc;

    *out = (struct import_result){ 0 };
    s.e->code = ERR_OK;
    s.sealer = (struct sealer){ .store = store, .src = src, .result = out, .again = opt->again };
    if ((rc = session_open(&s, src)) != ERR_OK)
        goto done;
    if ((rc = decode_and_seal(&s)) != ERR_OK)
        goto done;
    if (src->map != NULL && os_map_faulted(src->map)) {
        rc = err_set(s.e, ERR_IO, "part of the file cannot be read; nothing was imported");
        goto done;
    }
    out->known = s.sealer.known;
    if (out->known || out->datagrams == 0)
        goto done; /* nothing to keep, and the file may be tried again with --port */
    rc = store_import_commit(s.sealer.to, s.e);
    s.sealer.to = NULL;
    out->committed = rc == ERR_OK;
done:
    if (s.sealer.to != NULL)
        store_import_abort(s.sealer.to);
    session_close(&s);
    return rc;
}
