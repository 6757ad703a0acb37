/* The file of a checkpoint: content that the store does not look into, with its cut. */
#include <string.h>
#include <xxhash.h>

#include "store/entry.h"

#define CHECKPOINT_HEAD 32u /* without the positions */

uint64_t store_sum(const void *p, size_t n)
{
    return XXH3_64bits(p, n);
}

void checkpoint_put(struct buf *out, const struct manifest_cut *cut, const struct buf *content)
{
    size_t at = out->len;

    buf_put(out, CHECKPOINT_MAGIC, 8);
    buf_le(out, CHECKPOINT_DRAFT, 4);
    buf_le(out, cut->n_shards, 4);
    buf_le(out, cut->id, 8);
    buf_le(out, content->len, 8);
    for (uint32_t i = 0; i < cut->n_shards; i++)
        buf_le(out, cut->journal[i], 8);
    if (buf_ok(out)) /* positions alone are worth something when the content is damaged */
        buf_le(out, store_sum(out->p + at, out->len - at), 8);
    buf_put(out, content->p, content->len);
    if (buf_ok(out))
        buf_le(out, store_sum(content->p, content->len), 8);
}

int checkpoint_get(const uint8_t *p, size_t n, const char *name, struct manifest_cut *cut,
                   struct rd *content, struct err *e)
{
    struct rd r = rd_init(p, n);
    const uint8_t *magic = rd_take(&r, 8);
    uint32_t draft = (uint32_t)rd_le(&r, 4);
    uint64_t octets, sum, shards = rd_le(&r, 4);

    memset(cut, 0, sizeof *cut);
    *content = rd_init(NULL, 0);
    cut->id = rd_le(&r, 8);
    octets = rd_le(&r, 8);
    if (!rd_ok(&r) || memcmp(magic, CHECKPOINT_MAGIC, 8) != 0)
        return err_set(e, ERR_CORRUPT, "%s: not a checkpoint", name);
    if (draft != CHECKPOINT_DRAFT)
        return err_set(e, ERR_VERSION,
                       "%s: written in draft %u of the format, this weir reads draft %u only; its "
                       "state is learned anew",
                       name, draft, CHECKPOINT_DRAFT);
    for (uint64_t i = 0; i < shards && i < SEG_SHARDS; i++)
        cut->journal[i] = rd_le(&r, 8);
    sum = rd_le(&r, 8);
    /* what is summed is there: the positions and the sum behind them could be read */
    if (shards > SEG_SHARDS || !rd_ok(&r) ||
        sum != store_sum(p, CHECKPOINT_HEAD + (size_t)shards * 8)) {
        cut->id = 0;
        return err_set(e, ERR_CORRUPT, "%s: head is damaged", name);
    }
    cut->n_shards = (uint32_t)shards;
    if (r.left < 8 || octets != r.left - 8)
        return err_set(e, ERR_CORRUPT, "%s: cut short or not complete", name);
    *content = rd_sub(&r, (size_t)octets);
    if (rd_le(&r, 8) != store_sum(content->p, content->left)) {
        *content = rd_init(NULL, 0);
        return err_set(e, ERR_CORRUPT, "%s: content is damaged (checksum)", name);
    }
    return ERR_OK;
}
