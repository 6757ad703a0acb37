/* store/read.h - what the parts of the segment reader share.
 * Floor 3; private to store/. */
#ifndef WEIR_STORE_READ_H
#define WEIR_STORE_READ_H

#include <stdatomic.h>

#include "os/mutex.h"
#include "store/segment.h"

struct seg_column {
    struct seg_ref ref;
    uint8_t form; /* 1 = derived, see seg_derive */
    uint64_t min, max;
};

struct seg_block {
    uint32_t n;
    uint64_t present;
    struct seg_ref extras, filter;
    struct seg_column *column; /* one for each bit of `present`, ascending */
    _Atomic uint64_t checked;  /* bit per column: checksum verified */
    _Atomic bool extras_checked, filter_checked;
};

/* AS numbers or countries of addresses as read: owns its memory. */
struct seg_geo_table {
    uint32_t *value;
    uint8_t *which; /* NULL: all of version[0] */
    struct geo_version version[SEG_GEO_VERSIONS];
    uint32_t n_versions;
};

struct segment {
    struct rowset rs;
    struct os_map map;
    bool owned;
    char name[64];
    struct seg_info info;
    struct rd origin; /* that part of the footer, in the map */
    struct seg_ref table[TABLE_N];
    struct seg_block *block;
    struct seg_column *columns; /* memory behind block[].column */
    uint32_t n_columns;
    struct addr *addrs;
    struct exporter_key *exporters;
    struct shape **shapes;

    /* loaded when first asked for, under `late` */
    struct os_mutex late;
    _Atomic(uint32_t *) attr[ATTR_N];
    _Atomic(struct seg_geo_table *) geo[GEO_N];
    _Atomic bool options_loaded;
    struct rowset_option *options;
    struct buf option_octets;
    _Atomic(struct marginal_row *) marginal[MARGINAL_N];
    uint32_t n_marginal[MARGINAL_N];
    _Atomic bool pages_checked;
    _Atomic uint64_t late_octets; /* of memory that these take */
};

static inline struct segment *segment_of(const struct rowset *rs)
{
    return (struct segment *)(uintptr_t)rs;
}

/* The octets of a chunk, checksum verified (again on each call). NULL and *e filled when damaged;
 * `what` names it. */
const uint8_t *segment_chunk(const struct segment *s, struct seg_ref r, const char *what,
                             struct err *e);

/* Asked after octets of a chunk were used: were they those that its checksum is of? Where a read of
 * the file has failed meanwhile, zeros may have stood in their place. */
static inline bool segment_held(const struct segment *s, struct seg_ref r)
{
    return !os_map_faulted(&s->map) || segment_chunk(s, r, "", NULL) != NULL;
}

/* The next page in a list of postings of `width` octets each, or (0) of gaps; *before is 0 at
 * first. False when the list is not whole. */
static inline bool segment_next_page(struct rd *list, uint32_t width, uint32_t *before,
                                     uint32_t *page)
{
    uint32_t gap = 0, octet = 128;

    if (width > 0) {
        *page = (uint32_t)rd_le(list, width);
        return rd_ok(list);
    }
    for (unsigned i = 0; octet > 127 && i < SEG_GAP_OCTETS; i++) {
        octet = rd_u8(list);
        gap |= (octet & 127) << 7 * i;
    }
    *page = *before + gap;
    *before = *page + 1;
    return rd_ok(list) && octet < 128;
}

/* One column of one block, decoded; the operations of the rowset. */
int segment_read(const struct rowset *rs, uint32_t block, enum col col, uint32_t first, uint32_t n,
                 void *out, struct err *e);
int segment_extras(const struct rowset *rs, uint32_t block, uint32_t first, uint32_t n,
                   struct rowset_extras *out, struct err *e);
int segment_option(const struct rowset *rs, uint32_t i, struct rowset_option *out, struct err *e);
int segment_marginal(const struct rowset *rs, enum marginal which, const struct marginal_row **rows,
                     uint32_t *n, struct err *e);
int segment_pages(const struct rowset *rs, uint32_t code, uint64_t *bitmap, struct err *e);
void segment_translated(const struct rowset *rs, const uint64_t *keys, uint32_t n,
                        uint64_t *bitmap);

int segment_geo(const struct rowset *rs, enum geo_kind kind, struct rowset_geo *out,
                struct err *e) WARN_UNUSED;
void segment_geo_free(struct seg_geo_table *t); /* NULL is allowed */

/* Decode the next vector into fresh memory; NULL when *rc was, or is now, ERR_NOMEM or ERR_CORRUPT.
 */
uint64_t *segment_vector(struct rd *r, uint32_t n, int *rc);

/* Attribute table `a` (n_addrs values), loaded if need be. Errors: ERR_CORRUPT, ERR_NOMEM. */
int segment_attr(struct segment *s, enum seg_attr a, const uint32_t **out,
                 struct err *e) WARN_UNUSED;

int segment_load_tables(struct segment *s, struct err *e) WARN_UNUSED;

#endif
