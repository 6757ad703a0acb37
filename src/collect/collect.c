#include "collect/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/clock.h"
#include "os/log.h"
#include "os/proc.h"
#include "os/share.h"

#define SPARE_BATCHES 8u
#define SMALL_RING    65536u /* octets; nothing is received */

struct conf *collect_conf(struct collect *k)
{
    struct conf *c;

    os_lock(&k->conf_lock);
    c = conf_ref(k->conf);
    os_unlock(&k->conf_lock);
    return c;
}

void collect_reload(struct collect *k, struct conf *c)
{
    struct conf *old;

    os_lock(&k->conf_lock);
    old = k->conf;
    k->conf = conf_ref(c);
    os_unlock(&k->conf_lock);
    (void)atomic_fetch_add(&k->conf_version, 1);
    atomic_store(&k->retain_soon, true); /* its rules may be new, and the disk full */
    conf_unref(old);
}

void open_batch_drop(struct open_batch *o)
{
    rowset_unref(o->rs);
    flow_batch_unref(o->b);
    *o = (struct open_batch){ 0 };
}

static const char *const scheme[TRANSPORT_N] = {
    [TRANSPORT_UDP] = "udp://", [TRANSPORT_TCP] = "tcp://", [TRANSPORT_TLS] = "tls://"
};

/* UDP where it is none of them: its error message shows how to write one. */
static enum transport transport_of(const char *text)
{
    for (unsigned t = 0; t < TRANSPORT_N; t++)
        if (strncmp(text, scheme[t], strlen(scheme[t])) == 0)
            return (enum transport)t;
    return TRANSPORT_UDP;
}

const char *collect_scheme(const struct collect *k, unsigned l)
{
    return scheme[k->transport[l]];
}

static int parse_listeners(struct collect *k, const struct conf *c, struct err *e)
{
    static const uint8_t any[16];
    const struct conf_value *v = &c->v[OPT_LISTEN];
    bool have6 = net_have_ipv6();
    int rc;

    if (v->n_items == 0 || v->n_items > COLLECT_MAX_LISTENERS)
        return err_set(e, ERR_ARG, "listen: %zu listeners; allowed is 1 to %u", v->n_items,
                       COLLECT_MAX_LISTENERS);
    for (size_t i = 0; i < v->n_items; i++) {
        struct net_place *p = &k->listener[i];
        k->transport[i] = transport_of(v->item[i]);
        if ((rc = net_place_parse(p, v->item[i], scheme[k->transport[i]], "listen", e)) != ERR_OK)
            return rc;
        if (p->v6 && !have6 && memcmp(p->ip, any, 16) == 0) {
            p->v6 = false;
            p->ip[10] = p->ip[11] = 0xff;
        }
    }
    k->n_listeners = (unsigned)v->n_items;
    return ERR_OK;
}

static int check_retention(const struct conf *c, struct err *e)
{
    struct store_retention *r = calloc(1, sizeof *r);
    int rc = r == NULL ? err_set(e, ERR_NOMEM, "out of memory") : store_retention_read(r, c, e);

    free(r);
    return rc;
}

static int check_allow(const struct conf *c, struct err *e)
{
    const struct conf_value *v = &c->v[OPT_EXPORTERS_ALLOW];
    struct net n;

    for (size_t i = 0; i < v->n_items; i++)
        if (!net_parse(&n, v->item[i], strlen(v->item[i]), NULL))
            return err_set(e, ERR_ARG, "exporters.allow: \"%s\" is no network; write 192.0.2.0/24",
                           v->item[i]);
    return ERR_OK;
}

/* What a socket is called over an upgrade. */
static void socket_name(const struct collect *k, unsigned listener, unsigned shard, char *out,
                        size_t cap)
{
    char text[NET_TEXT_MAX];

    (void)snprintf(out, cap, "udp:%s:%u:%u", net_place_text(&k->listener[listener], text), shard,
                   k->n_shards);
}

/* One that was kept over an upgrade or a restart; false: there is none. */
static bool take_socket(struct collect *k, unsigned l, unsigned i)
{
    struct shard *s = &k->shard[i];
    char name[NET_TEXT_MAX + 32];

    socket_name(k, l, i, name, sizeof name);
    s->fd[l] = proc_inherited(name);
    if (s->fd[l] < 0)
        return false;
    net_udp_kept(s->fd[l], &k->listener[l], &s->buffer_got[l], &s->shared->drops_seen[l]);
    return true;
}

static int open_socket(struct collect *k, unsigned l, unsigned i, const struct conf *c,
                       struct err *e)
{
    struct shard *s = &k->shard[i];
    int rc = net_udp_open(&s->fd[l], &k->listener[l], k->n_shards > 1,
                          conf_num(c, OPT_RECEIVE_BUFFER), &s->buffer_got[l], e);

    return rc == ERR_OK && i == 0 && k->n_shards > 1 ? net_steer(s->fd[l], k->n_shards, e) : rc;
}

/* All sockets of a listener in the order of the shards: the kernel numbers them as they are bound.
 * Kept ones that are not wanted any more hold ports that new ones may need. */
static int open_sockets(struct collect *k, const struct conf *c, struct err *e)
{
    int rc = ERR_OK;

    k->kept = true;
    for (unsigned l = 0; l < k->n_listeners; l++)
        if (k->transport[l] != TRANSPORT_UDP)
            k->kept &= stream_take(k, l);
        else
            for (unsigned i = 0; i < k->n_shards; i++)
                k->kept &= take_socket(k, l, i);
    proc_inherited_close("udp:");
    proc_inherited_close("stream:");
    for (unsigned l = 0; rc == ERR_OK && l < k->n_listeners; l++)
        if (k->transport[l] != TRANSPORT_UDP)
            rc = stream_listen(k, l, e);
        else
            for (unsigned i = 0; rc == ERR_OK && i < k->n_shards; i++)
                if (k->shard[i].fd[l] < 0)
                    rc = open_socket(k, l, i, c, e);
    return rc;
}

int collect_read_keys(struct collect *k, const struct conf *c, struct err *e)
{
    return stream_read_keys(k, c, e);
}

void collect_each_socket(struct collect *k, void (*each)(const char *name, int fd))
{
    char name[NET_TEXT_MAX + 32];

    stream_each_socket(k, each);
    for (unsigned l = 0; l < k->n_listeners; l++)
        for (unsigned i = 0; i < k->n_shards; i++) {
            socket_name(k, l, i, name, sizeof name);
            each(name, k->shard[i].fd[l]);
        }
}

bool collect_kept(const struct collect *k)
{
    return k->kept;
}

static int shard_make(struct collect *k, unsigned i, const struct conf *c, uint64_t ring_octets,
                      struct err *e)
{
    struct shard *s = &k->shard[i];

    k->limits = (struct decoder_limits){
        .max_octets = conf_num(c, OPT_DECODER_MEMORY),
        .max_exporters = (uint32_t)conf_num(c, OPT_DECODER_MAX_EXPORTERS),
        .max_untrusted = (uint32_t)conf_num(c, OPT_DECODER_MAX_UNTRUSTED),
        .max_templates = (uint32_t)conf_num(c, OPT_DECODER_MAX_TEMPLATES),
        .max_fields = (uint32_t)conf_num(c, OPT_DECODER_MAX_FIELDS),
        .max_waiting_octets = (uint32_t)conf_num(c, OPT_DECODER_MAX_WAITING),
        .max_waiting_total = (uint32_t)conf_num(c, OPT_DECODER_MAX_WAITING_TOTAL),
        .waiting_ttl_s = (uint32_t)(conf_num(c, OPT_DECODER_WAITING_AGE) / 1000),
        .template_ttl_s = (uint32_t)(conf_num(c, OPT_DECODER_TEMPLATE_AGE) / 1000),
        .max_age_s = (uint32_t)(conf_num(c, OPT_DECODER_MAX_AGE) / 1000),
        .reorder_window = (uint32_t)conf_num(c, OPT_DECODER_REORDER_WINDOW),
    };
    s->ring = ring_new(ring_octets);
    s->shared = os_share_new(sizeof *s->shared);
    s->inbox = net_inbox_new();
    if (s->ring == NULL || s->shared == NULL || s->inbox == NULL)
        return err_set(e, ERR_NOMEM, "ring.size: no memory for %llu octets a shard",
                       (unsigned long long)ring_octets);
    if (decoder_new(&s->decode, &k->limits) != ERR_OK)
        return err_set(e, ERR_NOMEM, "decoder: out of memory");
    return ERR_OK;
}

static int open_forward(struct collect *k, const struct conf *c, struct err *e)
{
    struct net_place udp[COLLECT_MAX_LISTENERS];
    unsigned n = 0;

    for (unsigned l = 0; l < k->n_listeners; l++)
        if (k->transport[l] == TRANSPORT_UDP)
            udp[n++] = k->listener[l];
    return forward_open(&k->forward, c, udp, n, k->n_shards, e);
}

static struct shard *shards_new(struct collect *k, unsigned n)
{
    struct shard *all = calloc(n, sizeof *all);

    for (unsigned i = 0; all != NULL && i < n; i++) {
        all[i].k = k;
        all[i].number = i;
        all[i].stop_event = all[i].work_event = all[i].journal_event = all[i].queue_event = -1;
        for (size_t l = 0; l < COLLECT_MAX_LISTENERS; l++)
            all[i].fd[l] = -1;
        os_mutex_init(&all[i].status_lock);
    }
    return all;
}

/* Everything but sockets and shards. */
static int make(struct collect **out, struct conf *c, unsigned n_shards, struct err *e)
{
    struct collect *k = calloc(1, sizeof *k);

    *out = k;
    if (k == NULL)
        return err_set(e, ERR_NOMEM, "collect: out of memory");
    for (size_t l = 0; l < COLLECT_MAX_LISTENERS; l++)
        k->stream_fd[l] = -1;
    os_mutex_init(&k->conf_lock);
    os_mutex_init(&k->open_lock);
    cond_init(&k->open_change);
    k->conf = conf_ref(c);
    k->started_ms = clock_now_ms();
    k->n_shards = n_shards;
    k->max_full = 2 * (size_t)((conf_num(c, OPT_SEAL_ROWS) + BATCH_ROWS - 1) / BATCH_ROWS) +
                  2 * k->n_shards + SPARE_BATCHES;
    k->room_full = k->max_full + k->n_shards + 1;
    k->max_octets = conf_num(c, OPT_SEAL_MEMORY);
    k->full = calloc(k->room_full, sizeof *k->full);
    k->shard = shards_new(k, k->n_shards);
    return k->full != NULL && k->shard != NULL ? ERR_OK
                                               : err_set(e, ERR_NOMEM, "collect: out of memory");
}

int collect_new(struct collect **out, struct conf *c, struct err *e)
{
    unsigned n = (unsigned)conf_num(c, OPT_SHARDS);
    struct collect *k;
    int rc = make(&k, c, n, e);

    *out = NULL;
    if (rc == ERR_OK && (rc = parse_listeners(k, c, e)) == ERR_OK &&
        (rc = check_allow(c, e)) == ERR_OK)
        rc = check_retention(c, e);
    for (unsigned i = 0; rc == ERR_OK && i < n; i++)
        rc = shard_make(k, i, c, conf_num(c, OPT_RING_SIZE), e);
    if (rc == ERR_OK)
        rc = stream_read_keys(k, c, e);
    if (rc == ERR_OK)
        rc = open_sockets(k, c, e);
    if (rc == ERR_OK)
        rc = open_forward(k, c, e);
    if (rc != ERR_OK) {
        collect_free(k);
        return rc;
    }
    *out = k;
    return ERR_OK;
}

int collect_new_shards(struct collect **out, struct conf *c, unsigned n, struct err *e)
{
    struct collect *k;
    int rc = make(&k, c, n, e);

    *out = NULL;
    for (unsigned i = 0; rc == ERR_OK && i < n; i++)
        rc = shard_make(k, i, c, SMALL_RING, e);
    if (rc != ERR_OK) {
        collect_free(k);
        return rc;
    }
    *out = k;
    return ERR_OK;
}

/* Threads that did start end by themselves once `stopping` is set. */
static void join_all(struct collect *k)
{
    atomic_store(&k->stopping, true);
    stream_join(k);
    for (unsigned i = 0; i < k->n_shards; i++) {
        struct shard *s = &k->shard[i];
        net_event_set(s->stop_event);
        thread_join(&s->receiver);
        atomic_store(&s->receiver_done, true);
        net_event_set(s->work_event);
        net_event_set(s->journal_event);
        thread_join(&s->writer);
    }
    thread_join(&k->sealer);
    thread_join(&k->keeper);
    collect_compact_stop(k);
    for (unsigned i = 0; i < k->n_shards; i++)
        thread_join(&k->shard[i].decoder);
    forward_stop(k->forward);
}

static int start_shard(struct shard *s, struct err *e)
{
    int rc;

    if ((rc = thread_start(&s->receiver, "weir-receive", collect_receive_thread, s, e)) == ERR_OK &&
        s->write_journal)
        rc = thread_start(&s->writer, "weir-journal", collect_journal_thread, s, e);
    if (rc == ERR_OK)
        rc = thread_start(&s->decoder, "weir-decode", collect_decode_thread, s, e);
    return rc;
}

/* Not shared with children: each has its own. */
static int open_events(struct collect *k, struct err *e)
{
    int rc = ERR_OK;

    for (unsigned i = 0; rc == ERR_OK && i < k->n_shards; i++) {
        struct shard *s = &k->shard[i];
        if ((rc = net_event_open(&s->stop_event, e)) == ERR_OK &&
            (rc = net_event_open(&s->work_event, e)) == ERR_OK)
            rc = net_event_open(&s->journal_event, e);
    }
    return rc;
}

int collect_start(struct collect *k, struct store *st, struct err *e)
{
    int rc;

    k->st = st;
    (void)snprintf(k->journal_dir, sizeof k->journal_dir, "%s/journal", store_dir(st));
    (void)snprintf(k->quarantine_dir, sizeof k->quarantine_dir, "%s/quarantine", store_dir(st));
    if ((rc = open_events(k, e)) != ERR_OK || (rc = collect_recover(k, e)) != ERR_OK ||
        (rc = stream_prepare(k, e)) != ERR_OK ||
        (rc = forward_start(k->forward, k->conf, e)) != ERR_OK)
        return rc;
    k->started = true;
    for (unsigned i = 0; rc == ERR_OK && i < k->n_shards; i++)
        rc = start_shard(&k->shard[i], e);
    if (rc == ERR_OK)
        rc = thread_start(&k->sealer, "weir-seal", collect_seal_thread, k, e);
    if (rc == ERR_OK)
        rc = thread_start(&k->keeper, "weir-keep", collect_keep_thread, k, e);
    if (rc == ERR_OK)
        rc = collect_compact_start(k, e);
    if (rc == ERR_OK)
        rc = stream_start(k, e);
    if (rc == ERR_OK)
        return ERR_OK;
    atomic_store(&k->abandoned, true);
    atomic_store(&k->finished, true);
    join_all(k);
    return rc;
}

/* After the last cut: a journal of which everything is sealed goes, so that a weir of another draft
 * finds nothing there that it cannot read. */
static void remove_sealed(struct collect *k)
{
    for (unsigned i = 0; i < k->n_shards; i++) {
        struct shard *s = &k->shard[i];
        struct err e = { 0 };
        if (s->journal == NULL || s->cut_serial < journal_last(s->journal) ||
            atomic_load(&s->shared->stage_len) > 0)
            continue;
        if (journal_empty(s->journal, &e) != ERR_OK)
            log_line(LOG_LEVEL_WARN, "%s", e.msg);
    }
}

int collect_stop(struct collect *k, struct err *e)
{
    uint64_t refused = k->records_refused;

    join_all(k);
    if (k->started && !k->abandoned)
        remove_sealed(k);
    if (k->records_refused > refused)
        return err_set(e, ERR_IO, "%llu records are lost: %s",
                       (unsigned long long)(k->records_refused - refused), k->unsafe_why);
    return ERR_OK;
}

void collect_free(struct collect *k)
{
    if (k == NULL)
        return;
    stream_free(k);
    for (unsigned i = 0; k->shard != NULL && i < k->n_shards; i++) {
        struct shard *s = &k->shard[i];
        for (size_t l = 0; l < COLLECT_MAX_LISTENERS; l++)
            net_close(s->fd[l]);
        net_close(s->stop_event);
        net_close(s->work_event);
        net_close(s->journal_event);
        net_close(s->queue_event);
        ring_free(s->queue);
        open_batch_drop(&s->cur);
        decoder_free(s->decode);
        journal_close(s->journal);
        ring_free(s->ring);
        net_inbox_free(s->inbox);
        os_share_free(s->shared, sizeof *s->shared);
        buf_free(&s->at_cut.decoder);
        conf_unref(s->conf);
        free(s->allow.net);
        collect_list_unref(s->status.list);
        collect_list_unref(s->list_spare);
        os_mutex_free(&s->status_lock);
    }
    collect_compact_free(k);
    forward_free(k->forward);
    free(k->shard);
    for (size_t i = 0; k->full != NULL && i < k->n_full; i++)
        open_batch_drop(&k->full[i]);
    for (size_t i = 0; i < k->n_recent; i++)
        open_batch_drop(&k->recent[i]);
    free(k->full);
    conf_unref(k->conf);
    cond_destroy(&k->open_change);
    os_mutex_free(&k->open_lock);
    os_mutex_free(&k->conf_lock);
    free(k);
}
