#include "flow/rowset.h"

#include <stdlib.h>
#include <string.h>

struct rowset *rowset_ref(struct rowset *rs)
{
    atomic_fetch_add_explicit(&rs->refs, 1, memory_order_relaxed);
    return rs;
}

void rowset_unref(struct rowset *rs)
{
    if (rs != NULL && atomic_fetch_sub_explicit(&rs->refs, 1, memory_order_acq_rel) == 1)
        rs->ops->free(rs);
}

int rowset_open(struct rowset *rs, struct rowset **out, struct err *e)
{
    if (rs->ops->open != NULL)
        return rs->ops->open(rs, out, e);
    *out = rowset_ref(rs);
    return ERR_OK;
}

void rowset_geo(const struct rowset *rs, enum geo_kind kind, const struct geo *today,
                uint32_t *room, const uint32_t **out, uint32_t *n_today)
{
    struct rowset_geo g;

    *out = room;
    if (rs->ops->geo == NULL || rs->ops->geo(rs, kind, &g, NULL) != ERR_OK) {
        geo_look_up(today, kind, rs->addrs, rs->n_addrs, room);
        *n_today += rs->n_addrs;
        return;
    }
    if (g.which == NULL || memchr(g.which, 0, rs->n_addrs) == NULL) {
        *out = g.value;
        return;
    }
    for (uint32_t i = 0, k; i < rs->n_addrs; i = k) { /* runs of what was and was not looked up */
        for (k = i; k < rs->n_addrs && (g.which[k] == 0) == (g.which[i] == 0); k++)
            ;
        if (g.which[i] != 0)
            memcpy(room + i, g.value + i, (k - i) * sizeof *room);
        else
            geo_look_up(today, kind, rs->addrs + i, k - i, room + i);
        *n_today += g.which[i] == 0 ? k - i : 0;
    }
}

void snapshot_free(struct snapshot *s)
{
    for (size_t i = 0; i < s->n; i++)
        rowset_unref(s->sets[i]);
    free(s->sets);
    fact_table_unref(s->facts);
    rate_rules_unref(s->rules);
    geo_unref(s->geo);
    memset(s, 0, sizeof *s);
}

static int learn_from(struct fact_table *t, const struct rowset *rs)
{
    struct rowset_option o;
    int rc = ERR_OK;

    for (uint32_t i = 0; rc == ERR_OK && i < rs->n_options; i++)
        if ((rc = rs->ops->option(rs, i, &o, NULL)) == ERR_OK)
            rc = fact_table_learn(t, &rs->exporters[o.exporter], rs->shapes[o.shape], o.octets,
                                  o.len, o.received_ms, NULL, NULL);
    return rc;
}

int snapshot_learn(struct snapshot *s)
{
    struct fact_table *over = NULL;
    int rc = ERR_OK;

    for (size_t i = 0; rc == ERR_OK && i < s->n; i++) {
        const struct rowset *rs = s->sets[i];
        if (rs->ops->open != NULL || rs->n_options == 0)
            continue; /* sealed: learned then */
        if (over == NULL)
            rc = fact_table_new(&over, s->facts);
        if (rc == ERR_OK)
            rc = learn_from(over, rs);
    }
    if (rc == ERR_OK && over != NULL) {
        fact_table_unref(s->facts);
        s->facts = over;
    } else {
        fact_table_unref(over);
    }
    return rc;
}

/* ------------------------------------------------------------------ a batch as a rowset */

struct batch_rowset {
    struct rowset rs;
    struct flow_batch *b;
    uint64_t used;
};

static const struct batch_rowset *of(const struct rowset *rs)
{
    return (const struct batch_rowset *)(const void *)rs;
}

static uint32_t batch_block_rows(const struct rowset *rs, uint32_t block)
{
    (void)block;
    return rs->n_rows;
}

static bool batch_zone(const struct rowset *rs, uint32_t block, enum col col, uint64_t *min,
                       uint64_t *max)
{
    (void)block;
    if ((of(rs)->used >> col & 1) != 0)
        return false;
    *min = *max = 0;
    return true;
}

static int batch_read(const struct rowset *rs, uint32_t block, enum col col, uint32_t first,
                      uint32_t n, void *out, struct err *e)
{
    const struct batch_rowset *br = of(rs);
    const void *src = br->b->col[col];
    uint32_t *o = out;

    (void)block;
    (void)e;
    switch (col_info[col].bits) {
    case 8:
        for (uint32_t i = 0; i < n; i++)
            o[i] = ((const uint8_t *)src)[first + i];
        break;
    case 16:
        for (uint32_t i = 0; i < n; i++)
            o[i] = ((const uint16_t *)src)[first + i];
        break;
    case 32:
        memcpy(out, (const uint32_t *)src + first, n * sizeof(uint32_t));
        break;
    default:
        memcpy(out, (const uint64_t *)src + first, n * sizeof(uint64_t));
        break;
    }
    return ERR_OK;
}

static int batch_extras(const struct rowset *rs, uint32_t block, uint32_t first, uint32_t n,
                        struct rowset_extras *out, struct err *e)
{
    const struct flow_batch *b = of(rs)->b;

    (void)block;
    (void)e;
    for (uint32_t i = 0; i < n; i++) {
        out->p[i] = b->extra_octets + b->extra_off[first + i];
        out->len[i] = b->extra_len[first + i];
    }
    return ERR_OK;
}

static int batch_option(const struct rowset *rs, uint32_t i, struct rowset_option *out,
                        struct err *e)
{
    const struct flow_batch *b = of(rs)->b;
    const struct option_row *o = &b->options[i];

    if (i >= rs->n_options)
        return err_set(e, ERR_ARG, "option record %u of %u", i, rs->n_options);
    *out = (struct rowset_option){ .received_ms = o->received_ms,
                                   .exporter = o->exporter,
                                   .shape = o->shape,
                                   .octets = b->opt_octets + o->off,
                                   .len = o->len };
    return ERR_OK;
}

static void batch_rowset_free(struct rowset *rs)
{
    struct batch_rowset *br = (struct batch_rowset *)(void *)rs;

    flow_batch_unref(br->b);
    free(br);
}

static const struct rowset_ops batch_ops = {
    .block_rows = batch_block_rows,
    .zone = batch_zone,
    .read = batch_read,
    .extras = batch_extras,
    .option = batch_option,
    .free = batch_rowset_free,
};

static void bounds(const int64_t *v, uint32_t n, int64_t *min, int64_t *max)
{
    int64_t lo = n > 0 ? v[0] : 0, hi = lo;

    for (uint32_t i = 1; i < n; i++) {
        lo = MIN(lo, v[i]);
        hi = MAX(hi, v[i]);
    }
    if (min != NULL)
        *min = lo;
    *max = hi;
}

int rowset_of_batch(struct rowset **out, struct flow_batch *b)
{
    struct batch_rowset *br = calloc(1, sizeof *br);
    struct rowset *rs;

    *out = NULL;
    if (br == NULL)
        return ERR_NOMEM;
    rs = &br->rs;
    atomic_init(&rs->refs, 1);
    rs->ops = &batch_ops;
    rs->name = "open";
    rs->id = b->id;
    /* rows first: whatever tables they name was published before them */
    rs->n_rows = flow_batch_rows(b);
    rs->n_options = atomic_load_explicit(&b->n_options, memory_order_acquire);
    rs->n_blocks = rs->n_rows > 0;
    br->used = atomic_load_explicit(&b->used, memory_order_acquire);
    rs->addrs = b->addrs;
    rs->n_addrs = atomic_load_explicit(&b->n_addrs, memory_order_acquire);
    rs->shapes = b->shapes;
    rs->n_shapes = atomic_load_explicit(&b->n_shapes, memory_order_acquire);
    rs->exporters = b->exporters;
    rs->n_exporters = atomic_load_explicit(&b->n_exporters, memory_order_acquire);
    bounds(b->col[COL_START], rs->n_rows, &rs->min_start_ms, &rs->max_start_ms);
    bounds(b->col[COL_END], rs->n_rows, NULL, &rs->max_end_ms);
    bounds(b->col[COL_RECEIVED], rs->n_rows, &rs->min_received_ms, &rs->max_received_ms);
    br->b = flow_batch_ref(b);
    *out = rs;
    return ERR_OK;
}

static uint64_t exporter_slot(const struct exporter_key *k)
{
    uint64_t h = (addr_hash(&k->addr) ^ k->domain) * 0x9e3779b97f4a7c15u + k->version;

    return h * 0xff51afd7ed558ccdu >> 20;
}

static bool same_exporter(const struct exporter_key *a, const struct exporter_key *b)
{
    return a->domain == b->domain && a->version == b->version && addr_cmp(&a->addr, &b->addr) == 0;
}

bool exporters_within(const struct exporter_key *a, uint32_t n_a, const struct exporter_key *b,
                      uint32_t n_b)
{
    uint64_t cap = 16, at;
    uint32_t *slot, found = 0;

    while (cap < (uint64_t)n_b * 2)
        cap *= 2;
    if ((slot = calloc(cap, sizeof *slot)) == NULL)
        return false;
    for (uint32_t i = 0; i < n_b; i++) {
        for (at = exporter_slot(&b[i]) & (cap - 1); slot[at] != 0; at = (at + 1) & (cap - 1))
            if (same_exporter(&b[slot[at] - 1], &b[i]))
                break;
        slot[at] = i + 1;
    }
    for (uint32_t i = 0; i < n_a; i++) {
        at = exporter_slot(&a[i]) & (cap - 1);
        while (slot[at] != 0 && !same_exporter(&b[slot[at] - 1], &a[i]))
            at = (at + 1) & (cap - 1);
        found += slot[at] != 0;
    }
    free(slot);
    return found == n_a;
}
