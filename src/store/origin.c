/* Where a segment's rows come from: the part of its footer that a lost manifest is made of. */
#include <stdlib.h>
#include <string.h>

#include "store/segment.h"

void segment_put_origin(struct buf *out, const struct seg_origin *o)
{
    buf_le(out, o->n_replaced, 4);
    for (uint32_t i = 0; i < o->n_replaced; i++)
        buf_le(out, o->replaced[i], 8);
    buf_le(out, o->part, 2);
    buf_le(out, o->parts > 0 ? o->parts : 1, 2);
    buf_le(out, o->cut, 8);
    buf_le(out, o->n_shards, 1);
    for (uint32_t i = 0; i < o->n_shards; i++)
        buf_le(out, o->journal[i], 8);
    buf_le(out, o->kind, 1);
    buf_le(out, o->n_import, 4);
    for (uint32_t i = 0; i < o->n_import; i++) {
        size_t n = strnlen(o->import[i].file, SEG_FILE - 1);
        buf_put(out, o->import[i].sha256, 32);
        buf_le(out, (uint64_t)o->import[i].at_ms, 8);
        buf_le(out, n, 2);
        buf_put(out, o->import[i].file, n);
    }
}

void segment_past_free(struct seg_past *p)
{
    free(p->numbers);
    free(p->imports);
    memset(p, 0, sizeof *p);
}

static bool get_import(struct rd *r, struct seg_import *out)
{
    const uint8_t *p = rd_take(r, 32), *name;
    int64_t at_ms = (int64_t)rd_le(r, 8);
    size_t n = (size_t)rd_le(r, 2);

    name = rd_take(r, n);
    if (name == NULL || n >= SEG_FILE)
        return false;
    if (out == NULL)
        return true;
    memset(out, 0, sizeof *out);
    memcpy(out->sha256, p, 32);
    out->at_ms = at_ms;
    memcpy(out->file, name, n);
    return true;
}

/* One pass over the octets; fills p where it has room already. */
static bool walk(struct rd *r, struct seg_origin *o, struct seg_past *p)
{
    o->n_replaced = (uint32_t)rd_le(r, 4);
    if (o->n_replaced > r->left / 8)
        return false;
    for (uint32_t i = 0; i < o->n_replaced; i++) {
        uint64_t id = rd_le(r, 8);
        if (p != NULL)
            p->numbers[i] = id;
    }
    o->part = (uint16_t)rd_le(r, 2);
    o->parts = (uint16_t)rd_le(r, 2);
    o->cut = rd_le(r, 8);
    o->n_shards = (uint32_t)rd_le(r, 1);
    if (o->n_shards > SEG_SHARDS || o->part >= o->parts)
        return false;
    for (uint32_t i = 0; i < o->n_shards; i++) {
        uint64_t at = rd_le(r, 8);
        if (p != NULL)
            p->numbers[o->n_replaced + i] = at;
    }
    o->kind = (uint8_t)rd_le(r, 1);
    o->n_import = (uint32_t)rd_le(r, 4);
    if (o->kind > SEG_MIXED || o->n_import > r->left / 42)
        return false;
    for (uint32_t i = 0; i < o->n_import; i++)
        if (!get_import(r, p != NULL ? &p->imports[i] : NULL))
            return false;
    return rd_ok(r);
}

int segment_get_origin(struct rd *r, struct seg_past *p)
{
    struct rd first = *r;
    struct seg_origin o;

    if (!walk(&first, &o, NULL))
        return ERR_CORRUPT;
    if (p == NULL) {
        *r = first;
        return ERR_OK;
    }
    memset(p, 0, sizeof *p);
    p->numbers = calloc((size_t)o.n_replaced + o.n_shards + 1, sizeof *p->numbers);
    p->imports = calloc((size_t)o.n_import + 1, sizeof *p->imports);
    if (p->numbers == NULL || p->imports == NULL) {
        segment_past_free(p);
        return ERR_NOMEM;
    }
    (void)walk(r, &p->o, p);
    p->o.replaced = p->numbers;
    p->o.journal = p->numbers + o.n_replaced;
    p->o.import = p->imports;
    return ERR_OK;
}
