/* store/compact.h - which segments are merged next.
 * Floor 3; private to store/. Pure: numbers in, a choice out. */
#ifndef WEIR_STORE_COMPACT_H
#define WEIR_STORE_COMPACT_H

#include "store/segment.h"

#define COMPACT_MAX_ROWS (1u << 28)
#define COMPACT_MAX_RUN  128u /* segments merged at once */
#define COMPACT_FAN      16u  /* so many of a size become one */

struct compact_seg {
    struct seg_info info;
    uint32_t import, tier; /* only equal ones are merged */
};

/* Choose a run: `list` (reordered) [*first, *first + *n) is to become one segment. False: nothing
 * to do. `now_ms`, `max_octets`: as in struct store_compact_options. */
bool compact_plan(struct compact_seg *list, size_t n_list, int64_t now_ms, uint64_t max_octets,
                  size_t *first, size_t *n);

/* 0 .. STORE_LEVELS - 1, for the status. */
unsigned compact_level(const struct seg_info *i);

#endif
