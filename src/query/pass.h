/* query/pass.h - what a worker does with the vectors of a scan; see group.h.
 * Floor 4, inside query/ only. */
#ifndef WEIR_QUERY_PASS_H
#define WEIR_QUERY_PASS_H

#include "query/group.h"

int pass_enter(struct scan *s, void *hand) WARN_UNUSED;
int pass_vector(struct scan *s, void *hand) WARN_UNUSED;
int pass_leave(struct scan *s, void *hand) WARN_UNUSED;

#endif
