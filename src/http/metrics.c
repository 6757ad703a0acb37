/* http/metrics.c - /metrics in Prometheus' text form (exposition format 0.0.4). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "gen/metrics.h"
#include "http/server.h"

#define EXPORTERS_SHOWN 1000u /* each is four lines; status --all has all of them */

static void head(struct buf *b, enum metric m)
{
    buf_printf(b, "# HELP weir_%s %s\n# TYPE weir_%s %s\n", metric_info[m].name, metric_info[m].doc,
               metric_info[m].name, metric_info[m].type);
}

static void value(struct buf *b, enum metric m, const char *label, const char *text, uint64_t v)
{
    buf_printf(b, "weir_%s", metric_info[m].name);
    if (label != NULL)
        buf_printf(b, "{%s=\"%s\"}", label, text);
    buf_printf(b, " %" PRIu64 "\n", v);
}

static void one(struct buf *b, enum metric m, uint64_t v)
{
    head(b, m);
    value(b, m, NULL, NULL, v);
}

static void reasons(struct buf *b, enum metric m, const uint64_t *v)
{
    head(b, m);
    for (size_t i = 0; i < DECODE_REASON_N; i++)
        value(b, m, "reason", decode_reason_name((enum decode_reason)i), v[i]);
}

static void listeners(struct buf *b, const struct collect_status *s)
{
    head(b, METRIC_KERNEL_DROPS_TOTAL);
    for (uint32_t i = 0; i < s->n_listeners; i++)
        value(b, METRIC_KERNEL_DROPS_TOTAL, "listener", s->listener[i].text,
              s->listener[i].kernel_drops);
    head(b, METRIC_RECEIVE_BUFFER_WANTED_BYTES);
    for (uint32_t i = 0; i < s->n_listeners; i++)
        value(b, METRIC_RECEIVE_BUFFER_WANTED_BYTES, "listener", s->listener[i].text,
              s->listener[i].buffer_wanted);
    head(b, METRIC_RECEIVE_BUFFER_BYTES);
    for (uint32_t i = 0; i < s->n_listeners; i++)
        value(b, METRIC_RECEIVE_BUFFER_BYTES, "listener", s->listener[i].text,
              s->listener[i].buffer_got);
}

static void stream_reasons(struct buf *b, const struct collect_status *s, enum metric m)
{
    uint64_t v[STREAM_REASON_N] = { 0 };

    for (uint32_t i = 0; i < s->n_listeners; i++)
        for (unsigned r = 0; r < STREAM_REASON_N; r++)
            v[r] += m == METRIC_STREAM_REFUSED_TOTAL ? s->listener[i].stream.refused[r]
                                                     : s->listener[i].stream.ended[r];
    head(b, m);
    for (unsigned r = 0; r < STREAM_REASON_N; r++)
        if (v[r] > 0)
            value(b, m, "reason", collect_stream_reason((enum stream_reason)r), v[r]);
}

static void streams(struct buf *b, const struct collect_status *s)
{
    static const enum metric m[] = { METRIC_STREAM_SESSIONS, METRIC_STREAM_SESSIONS_TOTAL,
                                     METRIC_STREAM_WAITS_TOTAL };

    for (size_t k = 0; k < ARRAY_LEN(m); k++) {
        head(b, m[k]);
        for (uint32_t i = 0; i < s->n_listeners; i++) {
            const struct collect_listener *l = &s->listener[i];
            const uint64_t v[] = { l->stream.open, l->stream.accepted, l->stream.waits };
            if (l->streams)
                value(b, m[k], "listener", l->text, v[k]);
        }
    }
    stream_reasons(b, s, METRIC_STREAM_REFUSED_TOTAL);
    stream_reasons(b, s, METRIC_STREAM_ENDED_TOTAL);
}

static void rings(struct buf *b, const struct collect_status *s)
{
    static const enum metric m[] = { METRIC_RING_DROPS_TOTAL, METRIC_RING_USED_BYTES,
                                     METRIC_RING_SIZE_BYTES };
    char shard[16];

    for (size_t k = 0; k < ARRAY_LEN(m); k++) {
        head(b, m[k]);
        for (uint32_t i = 0; i < s->n_shards; i++) {
            const struct collect_ring *r = &s->ring[i];
            const uint64_t v[] = { r->dropped, r->used_octets, r->capacity_octets };
            (void)snprintf(shard, sizeof shard, "%u", i);
            value(b, m[k], "shard", shard, v[k]);
        }
    }
}

static void forward(struct buf *b, const struct collect_status *s)
{
    if (s->n_forward == 0)
        return;
    head(b, METRIC_FORWARD_DATAGRAMS_TOTAL);
    for (uint32_t i = 0; i < s->n_forward; i++)
        value(b, METRIC_FORWARD_DATAGRAMS_TOTAL, "target", s->forward[i].text, s->forward[i].sent);
    head(b, METRIC_FORWARD_REFUSED_TOTAL);
    for (uint32_t i = 0; i < s->n_forward; i++)
        value(b, METRIC_FORWARD_REFUSED_TOTAL, "target", s->forward[i].text, s->forward[i].refused);
    one(b, METRIC_FORWARD_DROPPED_TOTAL, s->forward_dropped);
}

static void exporters(struct buf *b, const struct collect_status *s)
{
    static const enum metric m[] = { METRIC_EXPORTER_DATAGRAMS_TOTAL, METRIC_EXPORTER_RECORDS_TOTAL,
                                     METRIC_EXPORTER_LOST_TOTAL,
                                     METRIC_EXPORTER_LAST_HEARD_TIMESTAMP_SECONDS };
    char addr[ADDR_TEXT_MAX];
    size_t n = EXPORTERS_SHOWN;
    const struct decode_exporter **list = http_exporters(s, HTTP_OLDEST, &n);

    for (size_t k = 0; k < ARRAY_LEN(m); k++) {
        head(b, m[k]);
        for (size_t i = 0; i < n; i++) {
            const struct decode_exporter *x = list[i];
            const uint64_t v[] = { x->c.datagrams, x->c.flows, x->lost,
                                   (uint64_t)(x->last_ms / 1000) };
            (void)addr_format(&x->key.addr, addr);
            buf_printf(b, "weir_%s{exporter=\"%s\",domain=\"%u\",version=\"%u\"} %" PRIu64 "\n",
                       metric_info[m[k]].name, addr, x->key.domain, x->key.version, v[k]);
        }
    }
    free(list);
}

static void memory(struct buf *b, const struct collect_status *s)
{
    one(b, METRIC_EXPORTERS, s->n_known);
    one(b, METRIC_EXPORTERS_UNTRUSTED, s->n_untrusted);
    one(b, METRIC_EXPORTERS_FORGOTTEN_TOTAL, s->total.exporters_forgotten);
    one(b, METRIC_DECODER_MEMORY_BYTES, s->memory.exporters);
    one(b, METRIC_DECODER_MEMORY_MAX_BYTES, s->memory_max);
    one(b, METRIC_DECODER_WAITING_BYTES, s->memory.waiting);
    one(b, METRIC_DECODER_WAITING_MAX_BYTES, s->waiting_max);
    one(b, METRIC_DECODER_PLANS, s->memory.n_plans);
    one(b, METRIC_OPEN_MEMORY_BYTES, s->open_octets);
    one(b, METRIC_OPEN_MEMORY_MAX_BYTES, s->open_octets_max);
}

static void store(struct buf *b, const struct collect_status *s)
{
    const struct collect_compaction *c = &s->compaction;
    char level[16];

    one(b, METRIC_COMPACTIONS_TOTAL, c->merges);
    one(b, METRIC_COMPACTION_SEGMENTS_TOTAL, c->segments_merged);
    one(b, METRIC_COMPACTION_READ_BYTES_TOTAL, c->octets_read);
    one(b, METRIC_COMPACTION_WRITTEN_BYTES_TOTAL, c->octets_written);
    one(b, METRIC_COMPACTION_FAILURES_TOTAL, c->failures);
    head(b, METRIC_STORE_LEVEL_SEGMENTS);
    for (unsigned i = 0; i < STORE_LEVELS; i++) {
        (void)snprintf(level, sizeof level, "%u", i);
        value(b, METRIC_STORE_LEVEL_SEGMENTS, "level", level, s->store.level_segments[i]);
    }
    one(b, METRIC_STORE_UNSAFE, s->unsafe);
    one(b, METRIC_STORE_SEGMENTS, s->store.segments);
    one(b, METRIC_STORE_RECORDS, s->store.rows);
    one(b, METRIC_STORE_BYTES, s->store.octets);
    one(b, METRIC_STORE_OLDEST_TIMESTAMP_SECONDS, (uint64_t)(s->store.oldest_ms / 1000));
    one(b, METRIC_STORE_NEWEST_TIMESTAMP_SECONDS, (uint64_t)(s->store.newest_ms / 1000));
    one(b, METRIC_STORE_SEGMENTS_DAMAGED, s->store.segments_damaged);
}

void http_metrics_text(struct buf *b, const struct collect_status *s)
{
    const struct decode_counters *t = &s->total;

    one(b, METRIC_UPTIME_SECONDS, (uint64_t)((s->now_ms - s->started_ms) / 1000));
    head(b, METRIC_BUILD_INFO);
    value(b, METRIC_BUILD_INFO, "version", WEIR_VERSION, 1);
    one(b, METRIC_DATAGRAMS_TOTAL, t->datagrams);
    one(b, METRIC_DATAGRAM_OCTETS_TOTAL, t->octets);
    one(b, METRIC_DATAGRAMS_ACCEPTED_TOTAL, t->datagrams_accepted);
    reasons(b, METRIC_DATAGRAMS_REFUSED_TOTAL, t->datagrams_refused);
    one(b, METRIC_DATAGRAMS_LOST_IN_CRASH_TOTAL, s->missing);
    one(b, METRIC_DATAGRAMS_NOT_JOURNALED_TOTAL, s->not_journaled);
    one(b, METRIC_DATAGRAMS_QUARANTINED_TOTAL, s->quarantined);
    one(b, METRIC_JOURNAL_UNSAFE, s->journal.unsafe);
    one(b, METRIC_JOURNAL_USED_BYTES, s->journal.octets);
    one(b, METRIC_JOURNAL_SIZE_BYTES, s->journal.max_octets);
    listeners(b, s);
    streams(b, s);
    rings(b, s);
    forward(b, s);
    one(b, METRIC_SETS_TOTAL, t->sets);
    one(b, METRIC_SETS_DECODED_TOTAL, t->sets_decoded);
    one(b, METRIC_SETS_TEMPLATE_TOTAL, t->sets_template);
    one(b, METRIC_SETS_WAITING, t->sets_waiting);
    reasons(b, METRIC_SETS_EXPIRED_TOTAL, t->sets_expired);
    reasons(b, METRIC_SETS_MALFORMED_TOTAL, t->sets_malformed);
    head(b, METRIC_RECORDS_TOTAL);
    value(b, METRIC_RECORDS_TOTAL, "kind", "flow", t->flows);
    value(b, METRIC_RECORDS_TOTAL, "kind", "option", t->options);
    one(b, METRIC_RECORDS_SEALED_TOTAL, s->records_sealed);
    one(b, METRIC_RECORDS_OPEN, s->records_open);
    one(b, METRIC_RECORDS_REFUSED_TOTAL, s->records_refused);
    one(b, METRIC_SEALS_TOTAL, s->seals);
    one(b, METRIC_SEAL_FAILURES_TOTAL, s->seal_failures);
    store(b, s);
    memory(b, s);
    exporters(b, s);
}
