/* Which pages of a block tell of a translated address and port. */
#include <stdlib.h>
#include <string.h>

#include "codec/vec.h"
#include "flow/translated.h"
#include "store/build.h"
#include "store/filter.h"

struct keys {
    uint64_t *key;
    size_t n, room;
    uint64_t last_often;
    bool bad; /* out of memory */
};

static void add(void *ctx, uint64_t key, bool often)
{
    struct keys *k = ctx;

    if (often && key == k->last_often) /* runs of one address */
        return;
    if (often)
        k->last_often = key;
    if (k->n == k->room) {
        size_t room = k->room * 2 + 4096;
        uint64_t *p = realloc(k->key, room * sizeof *p);
        if (p == NULL) {
            k->bad = true;
            return;
        }
        k->key = p;
        k->room = room;
    }
    k->key[k->n++] = key;
}

static bool any_shape(const struct build_block *k, const bool *tells)
{
    const uint16_t *shape = k->b->col[COL_SHAPE];

    for (uint32_t i = 0; i < k->n; i++)
        if (tells[k->shape[shape[i]]])
            return true;
    return false;
}

/* Keys of one page; false: it says more than is known. */
static bool page_keys(const struct build *s, const struct build_block *k, const bool *tells,
                      uint32_t first, struct keys *x)
{
    const uint16_t *shape = k->b->col[COL_SHAPE];

    x->n = 0;
    x->last_often = 0;
    for (uint32_t i = first; i < MIN(first + PAGE_VALUES, k->n); i++) {
        uint32_t number = k->shape[shape[i]];
        if (tells[number] &&
            !translated_row(s->shapes[number], k->b->extra_octets + k->b->extra_off[i],
                            k->b->extra_len[i], add, x))
            return false;
    }
    return true;
}

int build_filter(struct build *s, const struct build_block *k, struct buf *out)
{
    bool *tells = calloc((size_t)s->n_shapes + 1, sizeof *tells), any = false;
    struct keys x = { 0 };
    size_t head = out->len;

    if (tells == NULL)
        return ERR_NOMEM;
    for (uint32_t i = 0; i < s->n_shapes; i++)
        any |= tells[i] = translated_shape(s->shapes[i]);
    if (any && any_shape(k, tells)) {
        uint8_t log[ROWSET_BLOCK_PAGES] = { 0 };
        (void)buf_room(out, ROWSET_BLOCK_PAGES);
        for (uint32_t p = 0; p < ROWSET_BLOCK_PAGES; p++) {
            if (page_keys(s, k, tells, p * PAGE_VALUES, &x) && x.n <= 1u << (FILTER_LOG_MAX - 3))
                filter_put(x.key, x.n, out, &log[p]);
            else
                log[p] = FILTER_LOG_ALL;
        }
        if (buf_ok(out))
            memcpy(out->p + head, log, sizeof log);
    }
    free(tells);
    free(x.key);
    return x.bad || !buf_ok(out) ? ERR_NOMEM : ERR_OK;
}
