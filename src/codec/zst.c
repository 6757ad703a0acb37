#include "codec/zst.h"

#include <string.h>
#include <zstd.h>

void zst_encode(struct buf *out, const void *p, size_t n)
{
    size_t head = out->len, bound = ZSTD_compressBound(n), stored = n;
    uint8_t *q = buf_room(out, 8 + bound);

    if (q == NULL)
        return;
    if (n > 0) {
        stored = ZSTD_compress(q + 8, bound, p, n, 1);
        if (ZSTD_isError(stored) || stored >= n) {
            memcpy(q + 8, p, n);
            stored = n;
        }
    }
    le_put(q, n, 4);
    le_put(q + 4, stored, 4);
    out->len = head + 8 + stored;
}

int zst_decode(struct rd *r, struct buf *out, size_t max)
{
    size_t n = (size_t)rd_le(r, 4), stored = (size_t)rd_le(r, 4), got;
    const uint8_t *p = rd_take(r, stored);
    uint8_t *q;

    /* zstd cannot make more than about 64 ki of one octet: a small piece may not claim much memory
     */
    if (p == NULL || n > max || stored > n || n / (1u << 17) > stored)
        return ERR_FORMAT;
    q = buf_room(out, n);
    if (q == NULL)
        return ERR_NOMEM;
    if (stored == n) {
        if (n > 0)
            memcpy(q, p, n);
        return ERR_OK;
    }
    got = ZSTD_decompress(q, n, p, stored);
    return ZSTD_isError(got) || got != n ? ERR_FORMAT : ERR_OK;
}

int zst_skip(struct rd *r)
{
    size_t stored;

    (void)rd_le(r, 4);
    stored = (size_t)rd_le(r, 4);
    return rd_take(r, stored) != NULL ? ERR_OK : ERR_FORMAT;
}
