/* query/number.h - one number per address for a whole question, whatever codes its rowsets use.
 * Floor 4, inside query/ only.
 *
 * Segments number their addresses each for itself. A ranking by address first gives every address
 * of the rowsets it will read one number; from there on groups are small integers. The tables are
 * sorted, so ranges of addresses are numbered independently, each by one worker in a hash that fits
 * its cache, and the numbers do not depend on how many workers there are.
 *
 * Work goes in waves of rowsets, so that the maps of a wave, not those of a year, are in memory. */
#ifndef WEIR_QUERY_NUMBER_H
#define WEIR_QUERY_NUMBER_H

#include "flow/rowset.h"
#include "query/table.h"

struct number_part;

struct numbering {
    uint8_t mask4, mask6; /* prefix lengths kept, as in struct key; 32, 128 = whole addresses */
    struct budget *budget;
    struct addr *addr; /* number to address; number 0 is no address */
    uint32_t n, cap;
    uint32_t **map;      /* rowset of the snapshot to its codes' numbers; NULL outside the wave */
    uint32_t **order;    /* of unsorted rowsets: codes by range, behind where each range begins */
    uint64_t map_octets; /* of the wave */
    size_t first, end;
    struct number_part *part;
    uint32_t n_parts;
    _Atomic uint32_t next;
    const struct snapshot *snap;
};

int number_init(struct numbering *x, struct budget *b, const struct snapshot *snap, uint8_t mask4,
                uint8_t mask6) WARN_UNUSED;
void number_free(struct numbering *x);

/* Number the addresses of the rowsets first .. end-1; the maps of the wave before are dropped.
 * Errors: ERR_LIMIT, ERR_NOMEM. */
int number_wave(struct numbering *x, size_t first, size_t end, unsigned workers) WARN_UNUSED;

static inline struct addr number_mask(const struct numbering *x, const struct addr *a)
{
    unsigned len = addr_is_v4(a) ? 96u + x->mask4 : x->mask6;

    return len >= 128 ? *a : addr_mask(a, len);
}

#endif
