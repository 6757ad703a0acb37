/* flow/share.h - how a counter of a record is spread over time (DESIGN: a time frame counts the
 * share of the duration that lies inside, in whole numbers). Floor 2. Pure.
 *
 * A record covers [start, end) in ms; one without duration lies whole in its millisecond. The share
 * is a cumulative floor, so the shares of adjacent bins add up to the counter exactly. */
#ifndef WEIR_FLOW_SHARE_H
#define WEIR_FLOW_SHARE_H

#include <stdint.h>

/* Portion of v that lies before time t. */
static inline uint64_t share_before(uint64_t v, int64_t start_ms, int64_t end_ms, int64_t t_ms)
{
    if (t_ms <= start_ms)
        return 0;
    if (t_ms >= end_ms)
        return v;
    if (v <= UINT32_MAX && end_ms - start_ms <= INT32_MAX)
        return v * (uint64_t)(t_ms - start_ms) / (uint64_t)(end_ms - start_ms);
    return (uint64_t)((unsigned __int128)v * (uint64_t)(t_ms - start_ms) /
                      (uint64_t)(end_ms - start_ms));
}

/* Portion of v inside [from, to). */
static inline uint64_t share_inside(uint64_t v, int64_t start_ms, int64_t end_ms, int64_t from_ms,
                                    int64_t to_ms)
{
    return share_before(v, start_ms, end_ms, to_ms) - share_before(v, start_ms, end_ms, from_ms);
}

#endif
