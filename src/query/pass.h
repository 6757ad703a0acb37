/* query/pass.h - what a worker does with the vectors of a scan; see group.h.
 * Floor 4, inside query/ only. */
#ifndef WEIR_QUERY_PASS_H
#define WEIR_QUERY_PASS_H

#include "query/group.h"

int pass_enter(struct scan *s, void *hand) WARN_UNUSED;
int pass_vector(struct scan *s, void *hand) WARN_UNUSED;
int pass_leave(struct scan *s, void *hand) WARN_UNUSED;

/* Key of a bin for a moment and the key of a group; UINT64_MAX = there are no groups. */
uint64_t pass_bin_key(const struct group *g, int64_t ms, uint64_t key);

/* Can totals by minute and protocol (flow/rowset.h) answer this scan? */
bool margin_fits(const struct group *g);
/* If they can for this rowset, they are added and *done is set. */
int margin_add(struct group *g, const struct rowset *rs, bool count, bool *done) WARN_UNUSED;

#endif
