/* What is left of a segment, written as a new one: blocks back to batches, batches sealed again. */
#include <stdlib.h>
#include <string.h>

#include "store/check.h"

#define GROUP_BLOCKS 16u /* in memory at a time */

struct rest {
    struct store *s;
    struct rowset *rs;
    const uint8_t *block_bad;
    row_filter *filter;
    void *ctx;
    bool options;
    uint32_t *addr, *exporter, *shape; /* number in the batch + 1, by number in the segment */
    struct flow_batch **batch;
    size_t n, cap;
    uint32_t next_option;
    struct rowset_extras *extras;
    struct err *e;
};

static int full(const struct rest *r, const char *what)
{
    return err_set(r->e, ERR_LIMIT, "segment %s: %s of a block do not fit in one batch",
                   r->rs->name, what);
}

static int number(struct rest *r, struct flow_batch *b, enum col c, uint64_t v, uint64_t *out)
{
    bool addr = col_info[c].kind == COL_KIND_ADDR;
    uint32_t *map = addr ? r->addr : c == COL_EXPORTER ? r->exporter : r->shape, got;

    if (map[v] == 0) {
        got = addr                ? flow_batch_addr(b, &r->rs->addrs[v])
              : c == COL_EXPORTER ? flow_batch_exporter(b, &r->rs->exporters[v])
                                  : flow_batch_shape(b, r->rs->shapes[v]);
        if (got == UINT32_MAX)
            return full(r, "tables");
        map[v] = got + 1;
    }
    *out = map[v] - 1;
    return ERR_OK;
}

static void put_value(struct flow_batch *b, enum col c, uint32_t row, uint64_t v)
{
    switch (col_info[c].bits) {
    case 8:
        ((uint8_t *)b->col[c])[row] = (uint8_t)v;
        return;
    case 16:
        ((uint16_t *)b->col[c])[row] = (uint16_t)v;
        return;
    case 32:
        ((uint32_t *)b->col[c])[row] = (uint32_t)v;
        return;
    default:
        ((uint64_t *)b->col[c])[row] = v;
    }
}

/* One column of up to ROWSET_VECTOR rows, those kept, to rows at .. of the batch. */
static int copy_column(struct rest *r, struct flow_batch *b, uint32_t block, enum col c,
                       uint32_t first, uint32_t n, const uint8_t *keep, uint32_t at)
{
    uint64_t wide[ROWSET_VECTOR], v;
    const uint32_t *narrow = (const uint32_t *)(const void *)wide;
    bool numbers = col_info[c].kind == COL_KIND_ADDR || c == COL_EXPORTER || c == COL_SHAPE;
    int rc = r->rs->ops->read(r->rs, block, c, first, n, wide, r->e);

    for (uint32_t i = 0; i < n && rc == ERR_OK; i++) {
        if (!keep[i])
            continue;
        v = col_info[c].bits > 32 ? wide[i] : narrow[i];
        if (numbers)
            rc = number(r, b, c, v, &v);
        put_value(b, c, at++, v);
    }
    return rc;
}

static int copy_extras(struct rest *r, struct flow_batch *b, uint32_t block, uint32_t first,
                       uint32_t n, const uint8_t *keep, uint32_t at)
{
    struct rowset_extras *x = r->extras;
    int rc = r->rs->ops->extras(r->rs, block, first, n, x, r->e);

    for (uint32_t i = 0; i < n && rc == ERR_OK; i++) {
        if (!keep[i])
            continue;
        if (x->len[i] > BATCH_EXTRA_OCTETS - b->extra_used)
            return full(r, "extras");
        memcpy(b->extra_octets + b->extra_used, x->p[i], x->len[i]);
        b->extra_off[at] = b->extra_used;
        b->extra_len[at++] = x->len[i];
        b->extra_used += x->len[i];
    }
    return rc;
}

static int choose(struct rest *r, uint32_t block, uint32_t first, uint32_t n, uint8_t *keep,
                  uint32_t *kept)
{
    int rc = ERR_OK;

    memset(keep, 1, n);
    if (r->filter != NULL)
        rc = r->filter(r->ctx, r->rs, block, first, n, keep, r->e);
    *kept = 0;
    for (uint32_t i = 0; i < n; i++)
        *kept += keep[i] != 0;
    return rc;
}

static int copy_block(struct rest *r, struct flow_batch *b, uint32_t block)
{
    uint32_t rows = r->rs->ops->block_rows(r->rs, block), at = 0, kept;
    uint8_t keep[ROWSET_VECTOR];
    uint64_t used = 1ull << COL_EXPORTER | 1ull << COL_SHAPE, lo, hi;
    int rc = ERR_OK;

    for (unsigned c = 0; c < COL_N; c++)
        if (!r->rs->ops->zone(r->rs, block, c, &lo, &hi) || hi > 0)
            used |= 1ull << c;
    for (uint32_t first = 0; first < rows && rc == ERR_OK; first += ROWSET_VECTOR, at += kept) {
        uint32_t n = MIN(ROWSET_VECTOR, rows - first);
        rc = choose(r, block, first, n, keep, &kept);
        for (unsigned c = 0; c < COL_N && kept > 0 && rc == ERR_OK; c++)
            if ((used >> c & 1) != 0)
                rc = copy_column(r, b, block, c, first, n, keep, at);
        if (rc == ERR_OK && kept > 0)
            rc = copy_extras(r, b, block, first, n, keep, at);
    }
    if (rc == ERR_OK)
        flow_batch_publish(b, at, used);
    return rc;
}

static int fresh(struct rest *r)
{
    struct flow_batch *b, **more;

    if (r->n == r->cap) {
        more = realloc(r->batch, (r->cap + GROUP_BLOCKS) * sizeof(struct flow_batch *));
        if (more == NULL)
            return err_set(r->e, ERR_NOMEM, "segment %s: out of memory", r->rs->name);
        r->batch = more;
        r->cap += GROUP_BLOCKS;
    }
    if (flow_batch_new(&b) != ERR_OK)
        return err_set(r->e, ERR_NOMEM, "segment %s: out of memory", r->rs->name);
    memset(r->addr, 0, r->rs->n_addrs * sizeof *r->addr);
    memset(r->exporter, 0, (r->rs->n_exporters + 1u) * sizeof *r->exporter);
    memset(r->shape, 0, (r->rs->n_shapes + 1u) * sizeof *r->shape);
    r->batch[r->n++] = b;
    return ERR_OK;
}

/* As many option records as one batch takes (each fits: it came out of one). They stand in batches
 * of their own. */
static int copy_options(struct rest *r)
{
    struct flow_batch *b;
    int rc = fresh(r);

    if (rc != ERR_OK)
        return rc;
    /* fresh() made it. NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
    b = r->batch[r->n - 1];
    for (; r->next_option < r->rs->n_options; r->next_option++) {
        struct rowset_option o;
        uint64_t exporter, shape;
        rc = r->rs->ops->option(r->rs, r->next_option, &o, r->e);
        if (rc == ERR_OK)
            rc = number(r, b, COL_EXPORTER, o.exporter, &exporter);
        if (rc == ERR_OK)
            rc = number(r, b, COL_SHAPE, o.shape, &shape);
        if (rc != ERR_OK)
            return rc;
        if (flow_batch_option(b, (uint32_t)exporter, (uint32_t)shape, o.received_ms, o.octets,
                              o.len) != ERR_OK)
            break;
    }
    return ERR_OK;
}

static bool usable(const struct rest *r, uint32_t block)
{
    return r->block_bad == NULL || !r->block_bad[block];
}

/* Rows that stay of a block. */
static int count_kept(struct rest *r, uint32_t block, uint64_t *kept)
{
    uint32_t rows = r->rs->ops->block_rows(r->rs, block), k;
    uint8_t keep[ROWSET_VECTOR];
    int rc = ERR_OK;

    for (uint32_t first = 0; first < rows && rc == ERR_OK; first += ROWSET_VECTOR) {
        rc = choose(r, block, first, MIN(ROWSET_VECTOR, rows - first), keep, &k);
        *kept += k;
    }
    return rc;
}

/* How many segments come out: one for each group of blocks with rows left. The option records go
 * into the first. */
static int count_parts(struct rest *r, uint16_t *parts)
{
    uint32_t in_group = 0, groups = 0;
    int rc = ERR_OK;

    for (uint32_t b = 0; b < r->rs->n_blocks && rc == ERR_OK; b++) {
        uint64_t kept = 0;
        if (usable(r, b))
            rc = count_kept(r, b, &kept);
        if (kept == 0)
            continue;
        groups += in_group == 0;
        in_group = (in_group + 1) % GROUP_BLOCKS;
    }
    *parts = (uint16_t)MAX(groups, r->options && r->rs->n_options > 0 ? 1u : 0u);
    return rc;
}

static void drop_batches(struct rest *r)
{
    for (size_t i = 0; i < r->n; i++)
        flow_batch_unref(r->batch[i]);
    r->n = 0;
}

/* One segment of the batches gathered. */
static int write_group(struct rest *r, struct seg_origin *from, struct written *w)
{
    int rc = ERR_OK;

    while (r->options && r->next_option < r->rs->n_options && rc == ERR_OK)
        rc = copy_options(r);
    if (rc == ERR_OK && r->n > 0)
        rc = store_write(r->s, r->batch, r->n, from, w, r->e);
    from->part++;
    drop_batches(r);
    return rc;
}

static int write_all(struct rest *r, struct seg_origin *from, struct written *w)
{
    int rc = ERR_OK;

    for (uint32_t b = 0; b < r->rs->n_blocks && rc == ERR_OK; b++) {
        uint64_t kept = 0;
        if (usable(r, b))
            rc = count_kept(r, b, &kept);
        if (kept == 0 || rc != ERR_OK)
            continue;
        rc = fresh(r);
        if (rc == ERR_OK) /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
            rc = copy_block(r, r->batch[r->n - 1], b);
        if (rc == ERR_OK && r->n == GROUP_BLOCKS)
            rc = write_group(r, from, w);
    }
    if (rc == ERR_OK && (r->n > 0 || from->part < from->parts))
        rc = write_group(r, from, w);
    drop_batches(r);
    free(r->batch);
    return rc;
}

int store_write_rest(struct store *s, struct rowset *rs, const uint8_t *block_bad,
                     row_filter *filter, void *ctx, bool options, struct written *w, struct err *e)
{
    struct rest r = { .s = s,
                      .rs = rs,
                      .block_bad = block_bad,
                      .filter = filter,
                      .ctx = ctx,
                      .options = options,
                      .e = e };
    struct seg_info info;
    struct seg_past past;
    struct seg_origin from;
    int rc = segment_past(rs, &past, e);

    if (rc != ERR_OK)
        return rc;
    segment_info(rs, &info);
    from = past.o;
    from.replaced = &info.id;
    from.n_replaced = 1;
    from.part = 0;
    r.addr = malloc((rs->n_addrs + 1u) * sizeof *r.addr);
    r.exporter = malloc((rs->n_exporters + 1u) * sizeof *r.exporter);
    r.shape = malloc((rs->n_shapes + 1u) * sizeof *r.shape);
    r.extras = calloc(1, sizeof *r.extras);
    if (r.addr == NULL || r.exporter == NULL || r.shape == NULL || r.extras == NULL) {
        rc = err_set(e, ERR_NOMEM, "segment %s: out of memory", rs->name);
    } else {
        r.extras->hold = buf_init(BATCH_EXTRA_OCTETS);
        w->part = true;
        w->kept = rs;
        rc = count_parts(&r, &from.parts);
        if (rc == ERR_OK && from.parts > 0)
            rc = write_all(&r, &from, w);
        buf_free(&r.extras->hold);
    }
    w->kept = NULL;
    free(r.addr);
    free(r.exporter);
    free(r.shape);
    free(r.extras);
    segment_past_free(&past);
    return rc;
}
