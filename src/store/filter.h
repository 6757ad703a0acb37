/* store/filter.h - which pages of a block may hold a key: a Bloom filter for each page.
 * Floor 3; private to store/. Layout: FORMAT.md, "Translations of a block". */
#ifndef WEIR_STORE_FILTER_H
#define WEIR_STORE_FILTER_H

#include "base/buf.h"
#include "base/rd.h"
#include "flow/rowset.h"

#define FILTER_LOG_MIN 6u /* bits of a page's filter, as a power of two */
#define FILTER_LOG_MAX 22u
#define FILTER_LOG_ALL 255u /* every key may be there */
#define FILTER_PROBES  5u

/* The filter of one page, appended to `out`; *log: what stands for it in the head. n 0: none. */
void filter_put(const uint64_t *keys, size_t n, struct buf *out, uint8_t *log);
/* Bit per page of the block that may hold one of the keys. Damaged: all. */
uint32_t filter_pages(const uint8_t *p, size_t len, const uint64_t *keys, uint32_t n);

#endif
