/* Records that reach far back get blocks of their own (DESIGN section 4), so that one that lasted
 * an hour, or is dated 1970, does not make its 65 535 neighbours look as old as itself. */
#include <stdlib.h>
#include <string.h>

#include "store/segment.h"

/* A record stands apart that starts more than 10 minutes, and more than the batch lasts, before its
 * first datagram: nearer ones at most double the time that a block seems to cover. */
#define APART_MS 600000

struct parts {
    struct flow_batch **b; /* references held */
    size_t n;
    struct flow_batch *apart; /* the last of b where rows are added; not handed off yet */
};

/* Building refuses a batch that names what it does not hold; here it must do no harm. */
static bool numbers_held(const struct flow_batch *b, uint32_t row)
{
    bool held = ((const uint16_t *)b->col[COL_SHAPE])[row] < atomic_load(&b->n_shapes) &&
                ((const uint16_t *)b->col[COL_EXPORTER])[row] < atomic_load(&b->n_exporters);

    for (unsigned c = 0; c < COL_N; c++)
        if (col_info[c].kind == COL_KIND_ADDR)
            held &= ((const uint32_t *)b->col[c])[row] < atomic_load(&b->n_addrs);
    return held;
}

/* Rows of b that stand apart, ascending, into `rows` (room for all). */
static uint32_t rows_apart(const struct flow_batch *b, uint32_t n, uint32_t *rows)
{
    const int64_t *start = b->col[COL_START], *received = b->col[COL_RECEIVED];
    int64_t first = INT64_MAX, last = INT64_MIN, limit;
    uint32_t k = 0;

    for (uint32_t i = 0; i < n; i++) {
        first = MIN(first, received[i]);
        last = MAX(last, received[i]);
    }
    limit = n > 0 ? first - MAX(last - first, APART_MS) : 0;
    for (uint32_t i = 0; i < n; i++) {
        rows[k] = i;
        k += start[i] < limit && numbers_held(b, i);
    }
    return k;
}

static int tables_copy(struct flow_batch *to, const struct flow_batch *b)
{
    uint32_t addrs = atomic_load(&b->n_addrs), shapes = atomic_load(&b->n_shapes),
             exporters = atomic_load(&b->n_exporters), options = atomic_load(&b->n_options);

    memcpy(to->addrs, b->addrs, addrs * sizeof *b->addrs);
    atomic_store(&to->n_addrs, addrs);
    for (uint32_t i = 0; i < shapes; i++)
        to->shapes[i] = shape_ref(b->shapes[i]);
    atomic_store(&to->n_shapes, shapes);
    memcpy(to->exporters, b->exporters, exporters * sizeof *b->exporters);
    atomic_store(&to->n_exporters, exporters);
    for (uint32_t i = 0; i < options; i++) {
        const struct option_row *o = &b->options[i];
        if (flow_batch_option(to, o->exporter, o->shape, o->received_ms, b->opt_octets + o->off,
                              o->len) != ERR_OK)
            return ERR_NOMEM;
    }
    return ERR_OK;
}

/* Rows [from, to) of b behind the rows of `out`, with the same tables. */
static void rows_copy(struct flow_batch *out, const struct flow_batch *b, uint64_t used,
                      uint32_t from, uint32_t to)
{
    uint32_t at = flow_batch_rows(out), n = to - from;

    if (n == 0)
        return;
    for (unsigned c = 0; c < COL_N; c++) {
        size_t width = col_info[c].bits / 8u;
        if ((used >> c & 1) != 0)
            memcpy((uint8_t *)out->col[c] + at * width, (const uint8_t *)b->col[c] + from * width,
                   n * width);
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t len = b->extra_len[from + i];
        out->extra_off[at + i] = out->extra_used;
        out->extra_len[at + i] = len;
        if (len > 0)
            memcpy(out->extra_octets + out->extra_used, b->extra_octets + b->extra_off[from + i],
                   len);
        out->extra_used += len;
    }
    flow_batch_publish(out, n, used);
}

/* b without the k rows that stand apart. */
static int rest_of(struct flow_batch **out, const struct flow_batch *b, uint64_t used, uint32_t n,
                   const uint32_t *rows, uint32_t k)
{
    uint32_t from = 0;

    if (flow_batch_new(out) != ERR_OK)
        return ERR_NOMEM;
    if (tables_copy(*out, b) != ERR_OK)
        return ERR_NOMEM;
    for (uint32_t i = 0; i < k; from = rows[i++] + 1)
        rows_copy(*out, b, used, from, rows[i]);
    rows_copy(*out, b, used, from, n);
    flow_batch_seal(*out);
    return ERR_OK;
}

/* One row by what its numbers name; false when the batch is full. */
static bool row_add(struct flow_batch *to, const struct flow_batch *b, uint64_t used, uint32_t row)
{
    uint32_t at = flow_batch_rows(to), len = b->extra_len[row], no;

    if (at >= BATCH_ROWS || len > BATCH_EXTRA_OCTETS - to->extra_used)
        return false;
    rows_copy(to, b, used, row, row + 1); /* and now the numbers; a row that fails is taken back */
    for (unsigned c = 0; c < COL_N; c++) {
        uint32_t *code = (uint32_t *)to->col[c] + at;
        if (col_info[c].kind != COL_KIND_ADDR || (used >> c & 1) == 0)
            continue;
        if ((*code = flow_batch_addr(to, &b->addrs[*code])) == UINT32_MAX)
            goto full;
    }
    if ((no = flow_batch_shape(to, b->shapes[((const uint16_t *)b->col[COL_SHAPE])[row]])) ==
        UINT32_MAX)
        goto full;
    ((uint16_t *)to->col[COL_SHAPE])[at] = (uint16_t)no;
    if ((no = flow_batch_exporter(
             to, &b->exporters[((const uint16_t *)b->col[COL_EXPORTER])[row]])) == UINT32_MAX)
        goto full;
    ((uint16_t *)to->col[COL_EXPORTER])[at] = (uint16_t)no;
    return true;
full:
    for (unsigned c = 0; c < COL_N; c++) {
        size_t width = col_info[c].bits / 8u;
        memset((uint8_t *)to->col[c] + at * width, 0, width);
    }
    atomic_store(&to->n, at);
    to->extra_used -= len;
    return false;
}

static int rows_take(struct parts *p, const struct flow_batch *b, uint64_t used,
                     const uint32_t *rows, uint32_t k)
{
    for (uint32_t i = 0; i < k; i++) {
        for (unsigned tries = 0; p->apart == NULL || !row_add(p->apart, b, used, rows[i]);
             tries++) {
            if (p->apart != NULL)
                flow_batch_seal(p->apart);
            p->apart = NULL;
            if (tries == 2 || flow_batch_new(&p->apart) != ERR_OK)
                return ERR_NOMEM;
            p->b[p->n++] = p->apart;
        }
    }
    return ERR_OK;
}

/* Every batch as it is, or without the rows that stand apart; these behind all others, so that
 * blocks go on to lie in the order of arrival. */
static int parts_make(struct parts *p, struct flow_batch *const *b, size_t n)
{
    uint32_t *rows = malloc((BATCH_ROWS + 1) * sizeof *rows);
    struct parts apart = { .b = NULL };
    int rc = ERR_OK;

    /* rows apart fill at most as many batches as they come from, and as many again for each of
     * shapes, exporters and extras, which may be full before */
    p->b = calloc(n * 5 + 4, sizeof *p->b);
    apart.b = calloc(n * 4 + 4, sizeof *apart.b);
    if (rows == NULL || p->b == NULL || apart.b == NULL)
        rc = ERR_NOMEM;
    for (size_t i = 0; i < n && rc == ERR_OK; i++) {
        uint32_t all = flow_batch_rows(b[i]), k = rows_apart(b[i], all, rows);
        uint64_t used = atomic_load_explicit(&b[i]->used, memory_order_acquire);
        if (k == 0 || k == all) {
            p->b[p->n++] = flow_batch_ref(b[i]);
            continue;
        }
        rc = rest_of(&p->b[p->n], b[i], used, all, rows, k);
        p->n += p->b[p->n] != NULL;
        if (rc == ERR_OK)
            rc = rows_take(&apart, b[i], used, rows, k);
    }
    if (apart.apart != NULL)
        flow_batch_seal(apart.apart);
    for (size_t i = 0; i < apart.n; i++)
        p->b[p->n++] = apart.b[i];
    free(apart.b);
    free(rows);
    return rc;
}

int segment_build_apart(struct flow_batch *const *b, size_t n, uint64_t id,
                        const struct seg_origin *from, const struct seg_geo *geo, struct buf *out,
                        struct seg_info *info, struct err *e)
{
    struct parts p = { .b = NULL };
    int rc = parts_make(&p, b, n);

    if (rc == ERR_OK)
        rc = segment_build_from(p.b, p.n, id, from, geo, out, info, NULL, e);
    else
        rc = err_set(e, rc, "segment %llu: out of memory while it was built",
                     (unsigned long long)id);
    for (size_t i = 0; i < p.n; i++)
        flow_batch_unref(p.b[i]);
    free(p.b);
    return rc;
}
