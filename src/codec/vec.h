/* codec/vec.h - any number of 64-bit numbers as pages, with a table of page lengths in front.
 * Floor 1. Pure.
 *
 * Form: for each page of PAGE_VALUES values (the last may be shorter) its length in octets (u16),
 * then the pages. The number of values stands elsewhere. */
#ifndef WEIR_CODEC_VEC_H
#define WEIR_CODEC_VEC_H

#include "codec/page.h"

static inline uint32_t vec_pages(uint32_t n)
{
    return n / PAGE_VALUES + (n % PAGE_VALUES != 0);
}

void vec_encode(struct buf *out, const uint64_t *v, uint32_t n);

/* Open the vector of n values that begins at r and move r behind it. */
struct vec {
    const uint8_t *lens, *pages; /* borrowed */
    size_t octets;               /* of the pages */
    uint32_t n;
};
int vec_open(struct vec *v, struct rd *r, uint32_t n) WARN_UNUSED;

/* Reader over page i (0 ..), and how many values it holds. */
struct rd vec_page(const struct vec *v, uint32_t i, uint32_t *n);

/* All values, or one page, decoded. `out` needs room for the page count rounded up to 256.
 * Errors: ERR_FORMAT. */
int vec_decode64(const struct vec *v, uint64_t *out) WARN_UNUSED;
int vec_page64(const struct vec *v, uint32_t i, uint64_t *out) WARN_UNUSED;
int vec_page32(const struct vec *v, uint32_t i, uint32_t *out) WARN_UNUSED;

#endif
