#include "collect/past.h"

#include <string.h>

#include "base/rd.h"
#include "decode/checkpoint.h"

#define MAGIC "WEIR-CUT"
#define HEAD  32u
#define SHARD 68u

void past_put_head(struct buf *out, uint32_t shards, uint64_t sealed, uint64_t refused)
{
    buf_put(out, MAGIC, 8);
    buf_le(out, CUT_DRAFT, 4);
    buf_le(out, shards, 4);
    buf_le(out, sealed, 8);
    buf_le(out, refused, 8);
}

void past_put_shard(struct buf *out, const struct shard_cut *c)
{
    buf_le(out, c->serial, 8);
    buf_le(out, c->records, 8);
    buf_le(out, c->missing, 8);
    buf_le(out, c->quarantined, 8);
    buf_le(out, c->kernel_drops, 8);
    buf_le(out, c->ring_drops, 8);
    buf_le(out, c->ring_drop_octets, 8);
    buf_le(out, c->not_journaled, 8);
    buf_le(out, c->decoder.len, 4);
    buf_put(out, c->decoder.p, c->decoder.len);
    out->bad |= !buf_ok(&c->decoder);
}

void past_clear(struct past *p)
{
    for (unsigned i = 0; i < p->n; i++)
        decoder_free(p->shard[i].decode);
    memset(p, 0, sizeof *p);
}

static int get_shard(struct past_shard *p, struct rd *r, const struct decoder_limits *lim,
                     struct err *e)
{
    struct rd decoder;

    p->cut = (struct shard_cut){ .serial = rd_le(r, 8),
                                 .records = rd_le(r, 8),
                                 .missing = rd_le(r, 8),
                                 .quarantined = rd_le(r, 8),
                                 .kernel_drops = rd_le(r, 8),
                                 .ring_drops = rd_le(r, 8),
                                 .ring_drop_octets = rd_le(r, 8),
                                 .not_journaled = rd_le(r, 8) };
    decoder = rd_sub(r, (size_t)rd_le(r, 4));
    if (!rd_ok(r))
        return err_set(e, ERR_CORRUPT, "checkpoint: cut short");
    return decoder_load(&p->decode, lim, decoder.p, decoder.left, e);
}

uint32_t past_newer(const uint8_t *octets, size_t n)
{
    struct rd r = rd_init(octets, n);
    const uint8_t *magic = rd_take(&r, 8);
    uint32_t draft = (uint32_t)rd_le(&r, 4);

    if (!rd_ok(&r) || memcmp(magic, MAGIC, 8) != 0)
        return 0;
    if (draft > CUT_DRAFT)
        return draft;
    /* past the head, and the shard's numbers before its decoder's octets */
    if (draft < CUT_DRAFT || rd_take(&r, HEAD - 12) == NULL || rd_take(&r, SHARD) == NULL)
        return 0;
    magic = rd_take(&r, 8);
    draft = (uint32_t)rd_le(&r, 4);
    return rd_ok(&r) && memcmp(magic, DECODER_MAGIC, 8) == 0 && draft > DECODER_DRAFT ? draft : 0;
}

int past_get(struct past *p, const uint8_t *octets, size_t n, const struct decoder_limits *lim,
             struct err *e)
{
    struct rd r = rd_init(octets, n);
    const uint8_t *magic = rd_take(&r, 8);
    uint32_t draft = (uint32_t)rd_le(&r, 4);
    uint32_t shards = (uint32_t)rd_le(&r, 4);
    int rc = ERR_OK;

    if (!rd_ok(&r) || memcmp(magic, MAGIC, 8) != 0)
        return err_set(e, ERR_CORRUPT, "checkpoint: not a checkpoint");
    if (draft != CUT_DRAFT)
        return err_set(e, ERR_VERSION,
                       "checkpoint: written in draft %u of the format, this weir reads draft %u",
                       draft, CUT_DRAFT);
    p->sealed = rd_le(&r, 8);
    p->refused = rd_le(&r, 8);
    if (!rd_ok(&r) || shards == 0 || shards > COLLECT_MAX_SHARDS)
        return err_set(e, ERR_CORRUPT, "checkpoint: not a checkpoint");
    for (; rc == ERR_OK && p->n < shards; p->n++)
        rc = get_shard(&p->shard[p->n], &r, lim, e);
    return rc == ERR_OK && r.left != 0 ? err_set(e, ERR_CORRUPT, "checkpoint: too long") : rc;
}
