/* decode/totals.h - running totals per flow become deltas: a bounded table by flow key.
 * Floor 3. Pure. */
#ifndef WEIR_DECODE_TOTALS_H
#define WEIR_DECODE_TOTALS_H

#include "decode/plan.h"

struct totals;

/* An empty table of fixed size. Errors: ERR_NOMEM. */
int totals_new(struct totals **out) WARN_UNUSED;
void totals_free(struct totals *t); /* NULL is allowed */

/* The totals `v` of the flow `key` (a hash) that started at start_ms. Gives what was added since it
 * was last told, or returns false where that cannot be known: a counter went down, or the flow may
 * have been told before and was put out of the table since. */
bool totals_delta(struct totals *t, uint64_t key, int64_t start_ms, int64_t received_ms,
                  const uint64_t v[TOTAL_N], uint64_t delta[TOTAL_N]) WARN_UNUSED;

/* The table as octets, and back. totals_load() trusts nothing. Errors: ERR_CORRUPT, ERR_NOMEM. */
void totals_save(const struct totals *t, struct buf *out);
int totals_load(struct totals **out, struct rd *r) WARN_UNUSED;

#endif
