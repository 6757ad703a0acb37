/* collect/slice.c - the newer rows of an open batch as a rowset of their own, for tails. */
#include <stdatomic.h>
#include <stdlib.h>

#include "collect/internal.h"

struct slice {
    struct rowset rs;
    struct rowset *base; /* a reference; one block */
    uint32_t first;
};

static const struct slice *of(const struct rowset *rs)
{
    return (const struct slice *)(const void *)rs;
}

static uint32_t slice_block_rows(const struct rowset *rs, uint32_t block)
{
    return block == 0 ? rs->n_rows : 0;
}

static bool slice_zone(const struct rowset *rs, uint32_t block, enum col col, uint64_t *min,
                       uint64_t *max)
{
    (void)rs;
    (void)block;
    (void)col;
    (void)min;
    (void)max;
    return false;
}

/* The base is a batch: its arrays can be read from any row on. */
static int slice_read(const struct rowset *rs, uint32_t block, enum col col, uint32_t first,
                      uint32_t n, void *out, struct err *e)
{
    const struct slice *s = of(rs);

    return s->base->ops->read(s->base, block, col, s->first + first, n, out, e);
}

static int slice_extras(const struct rowset *rs, uint32_t block, uint32_t first, uint32_t n,
                        struct rowset_extras *out, struct err *e)
{
    const struct slice *s = of(rs);

    return s->base->ops->extras(s->base, block, s->first + first, n, out, e);
}

static int slice_option(const struct rowset *rs, uint32_t i, struct rowset_option *out,
                        struct err *e)
{
    const struct slice *s = of(rs);

    return s->base->ops->option(s->base, i, out, e);
}

static void slice_free(struct rowset *rs)
{
    struct slice *s = (struct slice *)(void *)rs;

    rowset_unref(s->base);
    free(s);
}

static const struct rowset_ops slice_ops = {
    .block_rows = slice_block_rows,
    .zone = slice_zone,
    .read = slice_read,
    .extras = slice_extras,
    .option = slice_option,
    .free = slice_free,
};

int slice_new(struct rowset **out, struct rowset *base, uint32_t first)
{
    static _Atomic uint64_t next_id = UINT64_C(1) << 62; /* apart from the numbers of batches */
    struct slice *s = calloc(1, sizeof *s);

    *out = NULL;
    if (s == NULL)
        return ERR_NOMEM;
    s->rs = *base; /* tables and bounds hold for a part as well */
    atomic_init(&s->rs.refs, 1);
    s->rs.ops = &slice_ops;
    s->rs.id = atomic_fetch_add(&next_id, 1);
    s->rs.n_rows = base->n_rows - first;
    s->rs.n_options = 0;
    s->base = rowset_ref(base);
    s->first = first;
    *out = &s->rs;
    return ERR_OK;
}
