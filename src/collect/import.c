/* collect/import.c - capture -> decoder -> groups of batches -> sealing thread -> one commit. */
#include "collect/import.h"

#include <stdlib.h>
#include <string.h>

#include "base/rd.h"
#include "os/thread.h"

#define GROUP_BATCHES  16u /* 1 M rows when full */
#define TICK_MS        1000
#define PROGRESS_EVERY 4096u

struct group {
    struct flow_batch *batch[GROUP_BATCHES];
    size_t n;
};

/* Between the two threads stands one group at most, so that memory is bounded: one filling, one
 * waiting, one being sealed. */
struct sealer {
    struct os_mutex lock;
    struct cond wake;
    struct thread thread;
    struct store_import *to;
    struct group *waiting; /* owned */
    bool closing;
    int rc; /* first error of sealing */
    struct err why;
};

struct session {
    struct sealer sealer;
    struct decode_sink sink;
    struct decoder *decoder;
    struct udp_reader *udp;
    struct capture *capture;
    struct group *group; /* being filled, owned */
    const struct import_options *opt;
    struct import_result *result;
    uint32_t *seen;  /* datagrams not wanted, per port; 65536 */
    uint16_t number; /* of the import, in the identity of its exporters */
    int64_t now_ms, tick_ms;
    size_t len;
    struct err *e;
};

/* --- sealing thread --- */

static void group_free(struct group *g)
{
    for (size_t i = 0; g != NULL && i < g->n; i++)
        flow_batch_unref(g->batch[i]);
    free(g);
}

static void *seal_all(void *arg)
{
    struct sealer *s = arg;

    for (;;) {
        struct group *g;
        struct err e;
        int rc = ERR_OK;
        os_lock(&s->lock);
        while (s->waiting == NULL && !s->closing)
            cond_wait_ms(&s->wake, &s->lock, 1000);
        g = s->waiting;
        s->waiting = NULL;
        cond_wake(&s->wake);
        os_unlock(&s->lock);
        if (g == NULL)
            return NULL;
        if (s->rc == ERR_OK) /* only this thread writes it */
            rc = store_import_seal(s->to, g->batch, g->n, &e);
        group_free(g);
        if (rc != ERR_OK) {
            os_lock(&s->lock);
            s->rc = rc;
            s->why = e;
            os_unlock(&s->lock);
        }
    }
}

static int sealer_failed(const struct sealer *s, struct err *e)
{
    return err_set(e, s->rc, "%s", s->why.msg);
}

/* Give a group over; waits while another one waits. Takes the group in any case. */
static int sealer_give(struct sealer *s, struct group *g, struct err *e)
{
    int rc = ERR_OK;

    os_lock(&s->lock);
    while (s->waiting != NULL && s->rc == ERR_OK)
        cond_wait_ms(&s->wake, &s->lock, 1000);
    if (s->rc == ERR_OK) {
        s->waiting = g;
        g = NULL;
        cond_wake(&s->wake);
    } else {
        rc = sealer_failed(s, e);
    }
    os_unlock(&s->lock);
    group_free(g);
    return rc;
}

static int sealer_start(struct sealer *s, struct store_import *to, struct err *e)
{
    os_mutex_init(&s->lock);
    cond_init(&s->wake);
    s->to = to;
    return thread_start(&s->thread, "seal", seal_all, s, e);
}

/* Wait until everything given is sealed. */
static int sealer_finish(struct sealer *s, struct err *e)
{
    os_lock(&s->lock);
    s->closing = true;
    cond_wake(&s->wake);
    os_unlock(&s->lock);
    thread_join(&s->thread);
    group_free(s->waiting);
    s->waiting = NULL;
    cond_destroy(&s->wake);
    os_mutex_free(&s->lock);
    return s->rc == ERR_OK ? ERR_OK : sealer_failed(s, e);
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
    case 5: /* header 24, record 48 octets, at most 30 */
        return count >= 1 && count <= 30 && len >= 24u + count * 48u;
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
    if (!rd_ok(&r))
        return;
    if (version == 0 && next == 5 && d->len >= 28) /* sFlow's version is 32 bits */
        s->result->sflow++;
    else if ((version == 1 && next >= 1 && next <= 30 && d->len >= 16u + next * 48u) ||
             ((version == 7 || version == 8) && next >= 1 && d->len >= 24u + next * 24u))
        s->result->old_netflow++;
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

static void tell(struct session *s)
{
    struct import_progress p = { .at = capture_at(s->capture), .len = s->len };
    struct decode_counters c;

    decoder_totals(s->decoder, &c);
    p.records = c.flows + c.options;
    s->opt->progress(s->opt->ctx, &p);
}

static int read_all(struct session *s)
{
    struct capture_packet p;
    struct udp_datagram d;
    int rc;

    while ((rc = capture_next(s->capture, &p, &s->result->cut_why)) == ERR_OK) {
        enum udp_result r = udp_extract(s->udp, &p, &d);
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
        if (s->opt->progress != NULL && s->result->packets % PROGRESS_EVERY == 0)
            tell(s);
    }
    if (rc == ERR_NOMEM)
        return err_set(s->e, rc, "import: out of memory");
    s->result->cut = rc == ERR_FORMAT;
    return ERR_OK;
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

static int session_open(struct session *s, const struct import_source *src)
{
    static const struct decoder_limits limits = { 0 }; /* the defaults */
    int rc = capture_open(&s->capture, src->octets, src->len, s->e);

    if (rc != ERR_OK)
        return rc;
    s->seen = calloc(65536, sizeof *s->seen);
    if (s->seen == NULL || udp_reader_new(&s->udp) != ERR_OK ||
        decoder_new(&s->decoder, &limits) != ERR_OK || flow_batch_new(&s->sink.batch) != ERR_OK)
        return err_set(s->e, ERR_NOMEM, "import: out of memory");
    s->sink.next = next_batch;
    s->sink.ctx = s;
    /* the same content is the same import, wherever it is read; 0 means live */
    s->number = (uint16_t)(1 + be16(src->sha256) % 65535u);
    s->now_ms = src->changed_ms;
    s->len = src->len;
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

static int decode_and_seal(struct session *s, struct store_import *to)
{
    struct err late;
    int rc = sealer_start(&s->sealer, to, s->e);
    int sealed;

    if (rc != ERR_OK)
        return rc;
    rc = read_all(s);
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
    struct session s = { .opt = opt, .result = out, .e = e != NULL ? e : &unheard };
    struct store_import *to = NULL;
    int rc;

    *out = (struct import_result){ 0 };
    s.e->code = ERR_OK;
    if ((rc = session_open(&s, src)) != ERR_OK)
        goto done;
    if ((rc = store_import_begin(store, src->name, src->sha256, &to, s.e)) != ERR_OK)
        goto done;
    if ((rc = decode_and_seal(&s, to)) != ERR_OK)
        goto done;
    if (out->datagrams == 0)
        goto done; /* nothing to keep, and the file may be tried again with --port */
    rc = store_import_commit(to, s.e);
    to = NULL;
    out->committed = rc == ERR_OK;
done:
    if (to != NULL)
        store_import_abort(to);
    session_close(&s);
    return rc;
}
