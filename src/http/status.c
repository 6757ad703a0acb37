/* http/status.c - how things stand, as JSON. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "http/server.h"
#include "os/clock.h"
#include "os/proc.h"

#define DAY_MS 86400000.0

static void num(json_t *o, const char *name, uint64_t v)
{
    (void)json_object_set_new(o, name, json_integer((json_int_t)MIN(v, (uint64_t)INT64_MAX)));
}

static void when(json_t *o, const char *name, int64_t ms)
{
    char text[CLOCK_TEXT_MAX];

    (void)json_object_set_new(o, name, ms != 0 ? json_string(clock_text(ms, text)) : json_null());
}

static json_t *sub(json_t *o, const char *name)
{
    json_t *x = json_object();

    (void)json_object_set_new(o, name, x); /* o owns it; a failed allocation makes x NULL */
    return x;
}

/* Only the reasons that occurred. */
static void reasons(json_t *o, const char *name, const uint64_t *v)
{
    json_t *x = sub(o, name);

    for (size_t i = 0; i < DECODE_REASON_N; i++)
        if (v[i] > 0)
            num(x, decode_reason_name((enum decode_reason)i), v[i]);
}

static void counters(json_t *o, const struct decode_counters *c)
{
    json_t *x = sub(o, "datagrams");

    num(x, "total", c->datagrams);
    num(x, "octets", c->octets);
    num(x, "accepted", c->datagrams_accepted);
    reasons(x, "refused", c->datagrams_refused);
    if (c->session_ends > 0)
        num(x, "session_ends", c->session_ends);
    x = sub(o, "sets");
    num(x, "total", c->sets);
    num(x, "decoded", c->sets_decoded);
    num(x, "template", c->sets_template);
    num(x, "waiting", c->sets_waiting);
    reasons(x, "expired", c->sets_expired);
    reasons(x, "malformed", c->sets_malformed);
    num(x, "borrowed", c->sets_borrowed);
    x = sub(o, "records");
    num(x, "flows", c->flows);
    num(x, "options", c->options);
}

static void stream_reasons(json_t *o, const char *name, const uint64_t *v)
{
    json_t *x = sub(o, name);

    for (size_t i = 0; i < STREAM_REASON_N; i++)
        if (v[i] > 0)
            num(x, collect_stream_reason((enum stream_reason)i), v[i]);
}

static void sessions(json_t *listener, const struct collect_stream *t)
{
    json_t *o = sub(listener, "sessions");

    num(o, "open", t->open);
    num(o, "handshaking", t->handshaking);
    num(o, "accepted", t->accepted);
    num(o, "waits", t->waits);
    stream_reasons(o, "refused", t->refused);
    stream_reasons(o, "ended", t->ended);
    if (t->refused_ms != 0) {
        when(o, "refused_last", t->refused_ms);
        (void)json_object_set_new(o, "refused_reason", json_string(t->refused_why));
    }
}

static json_t *listeners(const struct collect_status *s)
{
    json_t *a = json_array();

    for (uint32_t i = 0; i < s->n_listeners; i++) {
        const struct collect_listener *l = &s->listener[i];
        json_t *o = json_object();
        (void)json_object_set_new(o, "listen", json_string(l->text));
        num(o, "datagrams", l->datagrams);
        num(o, "octets", l->octets);
        if (l->streams)
            sessions(o, &l->stream);
        num(o, "kernel_dropped", l->kernel_drops);
        num(o, "receive_buffer_wanted", l->buffer_wanted);
        num(o, "receive_buffer", l->buffer_got);
        (void)json_array_append_new(a, o);
    }
    return a;
}

static json_t *rings(const struct collect_status *s)
{
    json_t *a = json_array();

    for (uint32_t i = 0; i < s->n_shards; i++) {
        const struct collect_ring *r = &s->ring[i];
        json_t *o = json_object();
        num(o, "datagrams", r->datagrams);
        num(o, "dropped", r->dropped);
        num(o, "dropped_octets", r->dropped_octets);
        num(o, "used", r->used_octets);
        num(o, "size", r->capacity_octets);
        (void)json_array_append_new(a, o);
    }
    return a;
}

static void forward(json_t *root, const struct collect_status *s)
{
    json_t *o, *a = json_array();

    if (s->n_forward == 0) {
        json_decref(a);
        return;
    }
    o = sub(root, "forward");
    num(o, "dropped", s->forward_dropped);
    num(o, "waiting_octets", s->forward_waiting_octets);
    for (uint32_t i = 0; i < s->n_forward; i++) {
        const struct collect_forward *f = &s->forward[i];
        json_t *t = json_object();
        (void)json_object_set_new(t, "to", json_string(f->text));
        (void)json_object_set_new(t, "may_keep_source", json_boolean(f->may_keep));
        num(t, "datagrams", f->sent);
        num(t, "octets", f->octets);
        num(t, "source_kept", f->kept);
        num(t, "refused", f->refused);
        (void)json_array_append_new(a, t);
    }
    (void)json_object_set_new(o, "targets", a);
}

static json_t *exporter(const struct decode_exporter *x)
{
    json_t *o = json_object();
    char addr[ADDR_TEXT_MAX];

    (void)addr_format(&x->key.addr, addr);
    (void)json_object_set_new(o, "address", json_string(addr));
    num(o, "domain", x->key.domain);
    num(o, "version", x->key.version);
    (void)json_object_set_new(o, "trusted", json_boolean(x->trusted));
    when(o, "first_heard", x->first_ms);
    when(o, "last_heard", x->last_ms);
    counters(o, &x->c);
    num(o, "lost", x->lost);
    num(o, "reordered", x->reordered);
    num(o, "duplicated", x->duplicated);
    num(o, "restarts", x->restarts);
    num(o, "templates", x->templates);
    num(o, "waiting_octets", x->waiting_octets);
    (void)json_object_set_new(o, "clock_offset_ms",
                              x->clock_known ? json_integer(x->clock_offset_ms) : json_null());
    return o;
}

/* One by one: as one tree, a hundred thousand of them would take a gigabyte for a moment. */
static void exporters(struct buf *out, const struct collect_status *s, uint32_t most)
{
    size_t n = most;
    const struct decode_exporter **x = http_exporters(s, HTTP_BUSIEST, &n);

    buf_printf(out,
               ",\n \"exporters_known\": %zu,\n \"exporters_untrusted\": %zu,\n"
               " \"exporters\": [",
               s->n_known, s->n_untrusted);
    for (size_t i = 0; i < n; i++) {
        json_t *o = exporter(x[i]);
        char *text = json_dumps(o, JSON_INDENT(0));
        buf_str(out, i > 0 ? ",\n  " : "\n  ");
        if (text != NULL)
            buf_str(out, text);
        else
            out->bad = true;
        free(text);
        json_decref(o);
    }
    buf_str(out, "\n ]\n}\n");
    free(x);
}

/* What a stranger can fill, and how full it is. */
static void memory(json_t *root, const struct collect_status *s)
{
    json_t *o = sub(root, "memory");

    num(o, "exporters", s->memory.exporters);
    num(o, "exporters_max", s->memory_max);
    num(o, "waiting", s->memory.waiting);
    num(o, "waiting_max", s->waiting_max);
    num(o, "plans", s->memory.n_plans);
    num(o, "plan_octets", s->memory.plans);
    num(o, "open", s->open_octets);
    num(o, "open_max", s->open_octets_max);
    num(o, "exporters_forgotten", s->total.exporters_forgotten);
}

static json_t *days(double octets, const struct store_stats *t)
{
    return t->octets_per_day > 0 ? json_real(octets / (double)t->octets_per_day) : json_null();
}

/* At the rate of the last week: when the store reaches its ceiling (retention.size, or the disk
 * less retention.free), and how far back it reaches then. */
static void forecast(json_t *o, const struct store_stats *t, const struct conf *c)
{
    double limit = (double)conf_num(c, OPT_RETENTION_SIZE);
    double spare = (double)conf_num(c, OPT_RETENTION_FREE);
    double space = (double)t->free_octets - spare;
    double age = (double)conf_num(c, OPT_RETENTION_AGE) / DAY_MS, kept;

    space = space > 0 ? space : 0;
    if (t->slow_disk_octets > 0 && (double)t->slow_free_octets > spare)
        space += (double)t->slow_free_octets - spare;
    space += (double)t->octets;
    limit = limit > 0 && limit < space ? limit : space;
    num(o, "octets_per_day", t->octets_per_day);
    (void)json_object_set_new(o, "days_until_full",
                              days(limit > (double)t->octets ? limit - (double)t->octets : 0, t));
    kept = t->octets_per_day > 0 ? limit / (double)t->octets_per_day : 0;
    (void)json_object_set_new(
        o, "days_kept", kept > 0 ? json_real(age > 0 && age < kept ? age : kept) : json_null());
}

static void store(json_t *root, const struct store_stats *t, const struct conf *c)
{
    json_t *o = sub(root, "store"), *levels = json_array();

    num(o, "segments", t->segments);
    num(o, "records", t->rows);
    num(o, "options", t->options);
    num(o, "octets", t->octets);
    (void)json_object_set_new(o, "octets_per_record",
                              t->rows > 0 ? json_real((double)t->octets / (double)t->rows)
                                          : json_null());
    when(o, "oldest", t->oldest_ms);
    when(o, "newest", t->newest_ms);
    forecast(o, t, c);
    num(o, "octets_slow", t->octets_slow);
    num(o, "free_octets", t->free_octets);
    num(o, "segments_open", t->segments_open);
    num(o, "segments_moved", t->segments_moved);
    num(o, "quarantined", t->quarantined);
    (void)json_object_set_new(o, "manifest_rebuilt", json_boolean(t->manifest_rebuilt));
    for (unsigned i = 0; i < STORE_LEVELS; i++)
        (void)json_array_append_new(levels, json_integer((json_int_t)t->level_segments[i]));
    (void)json_object_set_new(o, "levels", levels);
    num(o, "segments_removed", t->segments_removed);
    num(o, "records_removed", t->rows_removed);
    num(o, "segments_damaged", t->segments_damaged);
}

static void compaction(json_t *root, const struct collect_compaction *c)
{
    json_t *o = sub(root, "compaction");

    (void)json_object_set_new(o, "running", json_boolean(c->running));
    num(o, "merges", c->merges);
    num(o, "segments_merged", c->segments_merged);
    num(o, "octets_read", c->octets_read);
    num(o, "octets_written", c->octets_written);
    num(o, "failures", c->failures);
    num(o, "segments_left_alone", c->damaged);
    if (c->failed_why[0] != '\0')
        (void)json_object_set_new(o, "failed", json_string(c->failed_why));
}

static void drops(json_t *root, const struct collect_status *s)
{
    json_t *o = json_object_get(root, "datagrams");

    num(o, "received", s->received);
    num(o, "kernel_dropped", s->kernel_dropped);
    num(o, "ring_dropped", s->ring_dropped);
    num(o, "lost_in_crash", s->missing);
    num(o, "not_journaled", s->not_journaled);
    num(o, "quarantined", s->quarantined);
    num(o, "recovered", s->replayed);
}

static void journal(json_t *root, const struct collect_journal *j, const char *mode)
{
    json_t *o = sub(root, "journal");

    (void)json_object_set_new(o, "mode", json_string(mode));
    num(o, "octets", j->octets);
    num(o, "max_octets", j->max_octets);
    num(o, "files", j->files);
    num(o, "longest_sync_ms", (uint64_t)j->longest_sync_ms);
    (void)json_object_set_new(o, "unsafe", json_boolean(j->unsafe));
    if (j->unsafe)
        (void)json_object_set_new(o, "unsafe_reason", json_string(j->why));
}

void http_status_json(struct buf *out, const struct collect_status *s, const struct conf *c,
                      uint32_t most)
{
    json_t *root = json_object(), *r;
    char *text, *end;

    (void)json_object_set_new(root, "version", json_string(WEIR_VERSION));
    (void)json_object_set_new(root, "recovering", json_boolean(s->recovering));
    num(root, "pid", (uint64_t)proc_pid());
    when(root, "now", s->now_ms);
    when(root, "started", s->started_ms);
    (void)json_object_set_new(root, "unsafe", json_boolean(s->unsafe));
    if (s->unsafe)
        (void)json_object_set_new(root, "unsafe_reason", json_string(s->unsafe_why));
    counters(root, &s->total);
    drops(root, s);
    r = json_object_get(root, "records");
    num(r, "sealed", s->records_sealed);
    num(r, "open", s->records_open);
    num(r, "refused", s->records_refused);
    num(root, "batches_open", s->batches_open);
    num(root, "batches_max", s->batches_max);
    num(root, "seals", s->seals);
    num(root, "seal_failures", s->seal_failures);
    journal(root, &s->journal, conf_text(c, OPT_JOURNAL_MODE));
    (void)json_object_set_new(root, "listeners", listeners(s));
    (void)json_object_set_new(root, "rings", rings(s));
    forward(root, s);
    memory(root, s);
    store(root, &s->store, c);
    compaction(root, &s->compaction);
    text = json_dumps(root, JSON_INDENT(1));
    end = text != NULL ? strrchr(text, '\n') : NULL; /* the last bracket stands behind it */
    if (end != NULL) {
        *end = '\0';
        buf_str(out, text);
        exporters(out, s, most);
    } else
        out->bad = true;
    free(text);
    json_decref(root);
}
