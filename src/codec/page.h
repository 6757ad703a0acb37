/* codec/page.h - up to 4096 numbers as octets, by the cheapest of a few codecs.
 * Floor 1. Pure: octets in, octets out. Threads: no state but the caller's.
 *
 * Page forms are described octet for octet in src/store/FORMAT.md. The octets depend on nothing but
 * the values and the choice so far, so equal input gives equal files. */
#ifndef WEIR_CODEC_PAGE_H
#define WEIR_CODEC_PAGE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/rd.h"

#define PAGE_VALUES 4096u

enum page_codec {
    PAGE_CONST, /* one value */
    PAGE_RAW,   /* base and 1, 2, 4 or 8 octets a value */
    PAGE_FOR,   /* base, w bits a value, exceptions aside */
    PAGE_DELTA, /* difference to the value before, zigzag, in the form of PAGE_FOR */
    PAGE_DICT,  /* up to 255 values, codes of w bits, code 0 = escape */
    PAGE_RUNS,  /* values that stand several times in a row, and how often: two pages in one */
    PAGE_CODEC_N
};

/* What the pages before taught: start with all zero for each chunk. The cheapest codec of the first
 * page is used again until it costs 20 % more a value than it did; then all are tried again. */
struct page_choice {
    bool known;
    bool no_runs;  /* PAGE_RUNS is not to be chosen */
    uint8_t codec; /* enum page_codec */
    size_t octets; /* of the page for which it was chosen */
    uint32_t n;    /* values of that page */
};

/* Append n (1..PAGE_VALUES) values as one page. Values are 64-bit patterns; the smallest as a
 * signed number is the base, so small negative differences stay cheap. */
void page_encode(struct buf *out, const uint64_t *v, uint32_t n, struct page_choice *c);
/* The same octets for the same values, faster. */
void page_encode32(struct buf *out, const uint32_t *v, uint32_t n, struct page_choice *c);

/* Decode exactly n values. Trusts nothing. The page must fill `r` to its end.
 * page_decode32 keeps the low 32 bits. `out` needs room for n rounded up to 256 values.
 * Errors: ERR_FORMAT. */
int page_decode32(struct rd *r, uint32_t *out, uint32_t n) WARN_UNUSED;
int page_decode64(struct rd *r, uint64_t *out, uint32_t n) WARN_UNUSED;

#endif
