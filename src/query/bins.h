/* query/bins.h - series: where the bins of a step begin and end, and rows spread over those they
 * touch. Floor 4, inside query/ only. */
#ifndef WEIR_QUERY_BINS_H
#define WEIR_QUERY_BINS_H

#include "query/pass.h"

/* The bin that holds t, and where the next one begins. z: NULL = UTC. */
int64_t bin_start(const struct zone *z, int64_t t, int64_t step, int64_t *next);

/* Make bins what the next scan sums into: of the step in g->step_ms, for the groups in g->ranks. */
int bins_start(struct group *g) WARN_UNUSED;
/* When bin number `bin` begins. */
int64_t bins_time(const struct group *g, uint64_t bin);
/* Key in g->bins for a moment and the key of a group; UINT64_MAX = there are no groups. */
uint64_t bins_key(const struct group *g, int64_t ms, uint64_t key);
/* Rows row[i] (NULL = i) of the pass, each of group key[i] (NULL = there are none), into the bins
 * they touch. */
int bins_add(struct pass *p, uint32_t n, const uint64_t *key, const uint16_t *row) WARN_UNUSED;

#endif
