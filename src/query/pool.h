/* query/pool.h - one piece of work on several threads, for the length of one call.
 * Floor 4, inside query/ only. No state outlives the call. */
#ifndef WEIR_QUERY_POOL_H
#define WEIR_QUERY_POOL_H

#include "base/err.h"

#define POOL_MAX 64u

/* fn(ctx, 0) on the caller, fn(ctx, 1) .. fn(ctx, n - 1) on threads of their own; all have ended
 * when this returns. A thread that cannot be started is left out: what it would have done must be
 * taken by the others, so fn takes its work from a shared counter. Returns the code of the lowest
 * worker that failed. */
int pool_run(unsigned n, int (*fn)(void *ctx, unsigned worker), void *ctx) WARN_UNUSED;

#endif
