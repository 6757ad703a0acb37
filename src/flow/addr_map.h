/* flow/addr_map.h - a number for every address: networks, the most specific one wins, as sorted
 * ranges. Floor 2. No I/O.
 * Threads: immutable once made. */
#ifndef WEIR_FLOW_ADDR_MAP_H
#define WEIR_FLOW_ADDR_MAP_H

#include "flow/addr.h"

struct addr_rule {
    struct net n;
    uint32_t v;
};

/* Range i is lo[i] up to the one before lo[i + 1]; what lies before lo[0] has 0. */
struct addr_map {
    struct addr *lo; /* owned, ascending */
    uint32_t *v;     /* owned; neighbours differ */
    uint32_t n;
};

/* Of two equal networks the later one wins. A network that would hold the mapped IPv4 addresses
 * (::/0) means IPv6 only, as everywhere. Errors: ERR_NOMEM. */
int addr_map_make(struct addr_map *out, const struct addr_rule *r, uint32_t n) WARN_UNUSED;
void addr_map_free(struct addr_map *m); /* zeroed: nothing to do */

/* The number of an address, 0 where no network holds it. */
uint32_t addr_map_get(const struct addr_map *m, const struct addr *a);
/* The same for n addresses; `sorted`: they ascend, which saves the searching. */
void addr_map_fill(const struct addr_map *m, const struct addr *a, uint32_t n, bool sorted,
                   uint32_t *out);

/* The last address of a network. */
struct addr net_last(const struct net *n);
/* The one behind it; all zero behind the last one there is. */
struct addr addr_next(const struct addr *a);
/* The largest network that begins at *lo and ends at or before *hi. Cut off one after the other,
 * they make a range of addresses. */
struct net net_of_range(const struct addr *lo, const struct addr *hi);

#endif
