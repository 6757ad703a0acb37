/* collect/view.c - what others see of the collector: snapshots, tails, status. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collect/internal.h"
#include "os/clock.h"

/* Append a rowset; takes the reference. */
static int append(struct snapshot *out, struct rowset *rs)
{
    struct rowset **more = realloc(out->sets, (out->n + 1) * sizeof *more);

    if (more == NULL) {
        rowset_unref(rs);
        return ERR_NOMEM;
    }
    out->sets = more;
    out->sets[out->n++] = rs;
    return ERR_OK;
}

/* A new reference to the rowset of an open batch as it stands; *out NULL when it holds nothing. */
static int rows_now(const struct open_batch *o, struct rowset **out)
{
    *out = NULL;
    if (o->b == NULL || batch_records(o->b) == 0)
        return ERR_OK;
    if (o->rs != NULL) {
        *out = rowset_ref(o->rs);
        return ERR_OK;
    }
    return rowset_of_batch(out, o->b);
}

static int append_open(struct snapshot *out, const struct open_batch *o)
{
    struct rowset *rs;
    int rc = rows_now(o, &rs);

    return rc != ERR_OK || rs == NULL ? rc : append(out, rs);
}

static int add_open(void *ctx, struct snapshot *out)
{
    struct collect *k = ctx;
    int rc = ERR_OK;

    os_lock(&k->open_lock);
    for (size_t i = 0; rc == ERR_OK && i < k->n_full; i++)
        rc = append_open(out, &k->full[i]);
    for (unsigned i = 0; rc == ERR_OK && i < k->n_shards; i++)
        rc = append_open(out, &k->shard[i].cur);
    os_unlock(&k->open_lock);
    return rc;
}

int collect_snapshot(struct collect *k, struct snapshot *out, struct err *e)
{
    struct conf *c = collect_conf(k);
    const struct conf_value *v = &c->v[OPT_SAMPLING];
    int rc = store_snapshot_with(k->st, out, add_open, k, e);

    if (rc == ERR_OK && (rc = rate_rules_parse(&out->rules, v->item, v->n_items, e)) != ERR_OK)
        snapshot_free(out);
    conf_unref(c);
    return rc;
}

bool collect_recovering(const struct collect *k)
{
    for (unsigned i = 0; i < k->n_shards; i++)
        if (!atomic_load(&k->shard[i].recovered))
            return true;
    return false;
}

/* How far a tail has come in one batch. */
struct seen {
    uint64_t index;
    uint32_t rows;
};
struct collect_tail {
    struct collect *k;
    struct seen *seen; /* of the batches that were there at the last look */
    size_t n_seen;
    uint64_t next_index, missed;
};

/* All batches there are: kept ones, full ones, written ones. Called with open_lock held. */
static const struct open_batch *batch_at(const struct collect *k, size_t i)
{
    if (i < k->n_recent)
        return &k->recent[i];
    i -= k->n_recent;
    if (i < k->n_full)
        return &k->full[i];
    i -= k->n_full;
    return i < k->n_shards ? &k->shard[i].cur : NULL;
}

static uint32_t seen_rows(const struct collect_tail *t, uint64_t index)
{
    for (size_t i = 0; i < t->n_seen; i++)
        if (t->seen[i].index == index)
            return t->seen[i].rows;
    return 0;
}

static int tail_batch(struct collect_tail *t, const struct open_batch *o, struct seen *now,
                      struct snapshot *out)
{
    uint32_t before = seen_rows(t, o->index);
    struct rowset *rs, *part;
    int rc = rows_now(o, &rs);

    *now = (struct seen){ o->index, before };
    if (rc != ERR_OK || rs == NULL)
        return rc;
    now->rows = rs->n_rows;
    if (rs->n_rows <= before || out == NULL) {
        rowset_unref(rs);
        return ERR_OK;
    }
    rc = slice_new(&part, rs, before);
    rowset_unref(rs);
    return rc == ERR_OK ? append(out, part) : rc;
}

/* Batches made since the last look that are gone again. Called with open_lock held. */
static void count_missed(struct collect_tail *t)
{
    struct collect *k = t->k;
    uint64_t there = 0;

    for (size_t i = 0; batch_at(k, i) != NULL; i++)
        there += batch_at(k, i)->b != NULL && batch_at(k, i)->index >= t->next_index;
    if (k->next_index - t->next_index > there && k->n_recent == RECENT_MAX)
        t->missed += k->next_index - t->next_index - there;
    t->next_index = k->next_index;
}

/* Look at everything; out NULL: only remember. */
static int tail_look(struct collect_tail *t, struct snapshot *out, struct err *e)
{
    struct collect *k = t->k;
    const struct open_batch *o;
    struct seen *now;
    size_t n = 0;
    int rc = ERR_OK;

    os_lock(&k->open_lock);
    now = calloc(k->n_recent + k->n_full + k->n_shards + 1, sizeof *now);
    if (now == NULL)
        rc = ERR_NOMEM;
    for (size_t i = 0; rc == ERR_OK && (o = batch_at(k, i)) != NULL; i++)
        if (o->b != NULL)
            rc = tail_batch(t, o, &now[n++], out);
    count_missed(t);
    os_unlock(&k->open_lock);
    if (rc != ERR_OK) {
        free(now);
        return err_set(e, rc, "tail: out of memory");
    }
    free(t->seen);
    t->seen = now;
    t->n_seen = n;
    return ERR_OK;
}

int collect_tail_open(struct collect *k, struct collect_tail **out, struct err *e)
{
    struct collect_tail *t = calloc(1, sizeof *t);
    int rc;

    *out = NULL;
    if (t == NULL)
        return err_set(e, ERR_NOMEM, "tail: out of memory");
    t->k = k;
    os_lock(&k->open_lock);
    k->n_tails++;
    t->next_index = k->next_index;
    os_unlock(&k->open_lock);
    if ((rc = tail_look(t, NULL, e)) != ERR_OK) {
        collect_tail_close(t);
        return rc;
    }
    *out = t;
    return ERR_OK;
}

/* What is known of the rows' sampling, as a snapshot of everything has it. */
static int tail_rates(struct collect_tail *t, struct snapshot *out, struct err *e)
{
    struct snapshot all;
    int rc = collect_snapshot(t->k, &all, e);

    if (rc != ERR_OK)
        return rc;
    out->facts = all.facts;
    out->rules = all.rules;
    all.facts = NULL;
    all.rules = NULL;
    snapshot_free(&all);
    return ERR_OK;
}

int collect_tail_next(struct collect_tail *t, struct snapshot *out, uint64_t *missed, struct err *e)
{
    int rc;

    *out = (struct snapshot){ .geo = store_geo(t->k->st) };
    rc = tail_look(t, out, e);
    if (rc == ERR_OK && out->n > 0)
        rc = tail_rates(t, out, e);
    if (rc != ERR_OK)
        snapshot_free(out);
    *missed = t->missed;
    return rc;
}

void collect_tail_close(struct collect_tail *t)
{
    struct open_batch gone[RECENT_MAX];
    size_t n = 0;

    if (t == NULL)
        return;
    os_lock(&t->k->open_lock);
    if (--t->k->n_tails == 0) {
        n = t->k->n_recent;
        memcpy(gone, t->k->recent, n * sizeof gone[0]);
        t->k->n_recent = 0;
    }
    os_unlock(&t->k->open_lock);
    for (size_t i = 0; i < n; i++)
        open_batch_drop(&gone[i]);
    free(t->seen);
    free(t);
}

static void listener_status(struct collect *k, unsigned l, struct collect_listener *out)
{
    char text[NET_TEXT_MAX];

    (void)snprintf(out->text, sizeof out->text, "%s%s", collect_scheme(k, l),
                   net_place_text(&k->listener[l], text));
    out->streams = k->transport[l] != TRANSPORT_UDP;
    if (out->streams)
        stream_status(k, l, &out->stream);
    out->buffer_wanted = out->streams ? 0 : conf_num(k->conf, OPT_RECEIVE_BUFFER);
    out->buffer_got = out->streams ? 0 : UINT64_MAX;
    for (unsigned i = 0; i < k->n_shards; i++) {
        const struct shard *s = &k->shard[i];
        const struct shard_shared *h = s->shared;
        out->datagrams += atomic_load_explicit(&h->datagrams[l], memory_order_relaxed);
        out->octets += atomic_load_explicit(&h->octets[l], memory_order_relaxed);
        out->kernel_drops += atomic_load_explicit(&h->kernel_drops[l], memory_order_relaxed);
        out->buffer_got = MIN(out->buffer_got, s->buffer_got[l]);
    }
}

/* *list: a reference. */
static void shard_status_into(struct shard *s, struct collect_status *out, uint64_t *records,
                              struct exporter_list **list)
{
    const struct decode_memory *m = &s->status.memory;

    os_lock(&s->status_lock);
    decode_counters_add(&out->total, &s->status.total);
    *records += s->status.records;
    out->memory.exporters += m->exporters;
    out->memory.waiting += m->waiting;
    out->memory.plans += m->plans;
    out->memory.n_plans += m->n_plans;
    *list = s->status.list;
    if (*list != NULL)
        (void)atomic_fetch_add_explicit(&(*list)->refs, 1, memory_order_relaxed);
    os_unlock(&s->status_lock);
    out->memory_max += s->k->limits.max_octets;
    out->waiting_max += s->k->limits.max_waiting_total;
    for (size_t i = 0; *list != NULL && i < (*list)->n; i++)
        out->n_untrusted += !(*list)->x[i].trusted;
    out->n_known += *list != NULL ? (*list)->n : 0;
}

/* One list of all shards, where it is wanted. */
static int join_lists(struct exporter_list *const *list, unsigned n, struct collect_status *out)
{
    out->exporter = malloc((out->n_known + 1) * sizeof *out->exporter);
    if (out->exporter == NULL)
        return ERR_NOMEM;
    for (unsigned i = 0; i < n; i++) {
        if (list[i] == NULL)
            continue;
        memcpy(out->exporter + out->n_exporters, list[i]->x, list[i]->n * sizeof *out->exporter);
        out->n_exporters += list[i]->n;
    }
    return ERR_OK;
}

static void shard_sums(struct shard *s, struct collect_status *out)
{
    const struct shard_shared *h = s->shared;
    struct collect_journal *j = &out->journal;
    struct frame_drops d = collect_drops(s);
    struct journal_state st;
    struct ring_counters c;

    ring_count(s->ring, &c);
    out->ring[s->number] =
        (struct collect_ring){ c.put,    c.put_octets, c.dropped, c.dropped_octets,
                               c.octets, c.capacity };
    out->kernel_dropped += d.kernel;
    out->ring_dropped += d.ring;
    out->not_journaled += d.not_journaled;
    out->received +=
        atomic_load(&h->received_before) + atomic_load(&h->ring_drops_before) + c.put + c.dropped;
    journal_get_state(s->journal, &st);
    j->octets += st.octets;
    j->max_octets += st.max_octets;
    j->files += st.files;
    os_lock(&s->status_lock);
    out->missing += s->status.missing;
    out->replayed += s->status.replayed;
    out->quarantined += s->status.quarantined;
    j->written = s->write_journal;
    j->longest_sync_ms = MAX(j->longest_sync_ms, s->longest_sync_ms);
    if (s->journal_unsafe) {
        j->unsafe = true;
        memcpy(j->why, s->journal_why, sizeof j->why);
    }
    os_unlock(&s->status_lock);
}

int collect_status(struct collect *k, struct collect_status *out, bool exporters, struct err *e)
{
    struct exporter_list *list[COLLECT_MAX_SHARDS];
    uint64_t records = 0;
    int rc = ERR_OK;

    *out = (struct collect_status){ .started_ms = k->started_ms,
                                    .now_ms = clock_now_ms(),
                                    .n_listeners = k->n_listeners,
                                    .n_shards = k->n_shards };
    os_lock(&k->conf_lock);
    for (unsigned l = 0; l < k->n_listeners; l++)
        listener_status(k, l, &out->listener[l]);
    os_unlock(&k->conf_lock);
    out->recovering = collect_recovering(k);
    for (unsigned i = 0; i < k->n_shards; i++) {
        shard_sums(&k->shard[i], out);
        shard_status_into(&k->shard[i], out, &records, &list[i]);
    }
    if (exporters)
        rc = join_lists(list, k->n_shards, out);
    for (unsigned i = 0; i < k->n_shards; i++)
        collect_list_unref(list[i]);
    os_lock(&k->open_lock);
    out->records_sealed = k->records_sealed;
    out->records_refused = k->records_refused;
    out->batches_open = (uint32_t)k->n_full;
    out->batches_max = (uint32_t)k->max_full;
    out->open_octets = k->full_octets;
    out->open_octets_max = k->max_octets;
    out->seals = k->seals;
    out->seal_failures = k->seal_failures;
    out->unsafe = k->unsafe;
    memcpy(out->unsafe_why, k->unsafe_why, sizeof out->unsafe_why);
    os_unlock(&k->open_lock);
    /* what the decoders had published, less what was sealed since: never below zero */
    records -= MIN(records, out->records_sealed + out->records_refused);
    out->records_open = records;
    store_get_stats(k->st, &out->store);
    collect_compact_status(k, &out->compaction);
    forward_status(k->forward, out);
    if (rc != ERR_OK) {
        collect_status_free(out);
        return err_set(e, rc, "status: out of memory");
    }
    return ERR_OK;
}

void collect_status_free(struct collect_status *s)
{
    free(s->exporter);
    s->exporter = NULL;
    s->n_exporters = 0;
}
