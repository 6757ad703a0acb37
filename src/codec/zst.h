/* codec/zst.h - general compression of octets (zstd), bounded both ways.
 * Floor 1. Pure. Threads: no shared state. */
#ifndef WEIR_CODEC_ZST_H
#define WEIR_CODEC_ZST_H

#include "base/buf.h"
#include "base/err.h"
#include "base/rd.h"

/* Append: u32 plain length, u32 stored length, octets. Stored as they are where compression does
 * not make them smaller (then both lengths are equal). n < 2^32. */
void zst_encode(struct buf *out, const void *p, size_t n);

/* Read one such piece and append its plain octets to `out`. A piece that says it is longer than
 * `max` is refused before memory is taken. Errors: ERR_FORMAT, ERR_NOMEM. */
int zst_decode(struct rd *r, struct buf *out, size_t max) WARN_UNUSED;

/* Move over one piece without decoding. */
int zst_skip(struct rd *r) WARN_UNUSED;

#endif
