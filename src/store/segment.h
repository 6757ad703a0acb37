/* store/segment.h - one sealed segment: built from batches as octets, read back as a rowset.
 * Floor 3; private to store/. Every octet is described in FORMAT.md.
 * Threads: building shares nothing; a segment read is immutable to its readers (what it loads late,
 * it loads under a lock of its own). */
#ifndef WEIR_STORE_SEGMENT_H
#define WEIR_STORE_SEGMENT_H

#include "base/rd.h"
#include "flow/rowset.h"
#include "os/file.h"

#define SEG_MAGIC         "WEIR-SEG"
#define SEG_END           "WEIR-END"
#define SEG_DRAFT         4u
#define SEG_HEAD          16u    /* octets of the header */
#define SEG_TAIL          32u    /* octets of the trailer */
#define SEG_BLOCKS        4095u  /* blocks a segment at most: page numbers fit 16 bits */
#define SEG_TABLES        65535u /* exporters, shapes a segment at most */
#define SEG_EXTRA_COLUMNS 1024u
#define SEG_GAP_OCTETS    3u  /* of a gap between pages at most */
#define SEG_SHARDS        64u /* journals a cut names at most */
#define SEG_FILE          256u /* name of an imported file, with its terminator; longer ones are cut */

/* Tables beside the blocks, in the order of the footer. */
enum seg_table {
    TABLE_ADDRS,
    TABLE_PAGES, /* code -> pages */
    TABLE_EXPORTERS,
    TABLE_SHAPES,
    TABLE_OPTIONS,
    TABLE_MARGINAL,                           /* .. + MARGINAL_N - 1 */
    TABLE_ATTR = TABLE_MARGINAL + MARGINAL_N, /* .. + ATTR_N - 1 */
    TABLE_N = TABLE_ATTR + 4,
};

/* What belongs to an address in nearly every record: kept once per address, rows hold the rest. */
enum seg_attr { ATTR_AS, ATTR_MASK, ATTR_VLAN, ATTR_NEXT, ATTR_N };
_Static_assert(TABLE_ATTR + ATTR_N == TABLE_N, "attribute tables");

enum derive_kind {
    DERIVE_NONE,
    DERIVE_DIFF, /* stored = parent - value */
    DERIVE_ATTR, /* stored = value - table[code in parent] */
};
struct derive {
    uint8_t kind, parent, attr;
};
extern const struct derive seg_derive[COL_N];

/* What the numbers of an extra field are kept as: the rest over a column that mostly says the same.
 * One octet: kind << 6 | column. */
enum extra_relation {
    RELATION_NONE,     /* the number itself */
    RELATION_COLUMN,   /* number - column */
    RELATION_ICMP,     /* number - (column of an ICMP or ICMPv6 record, else 0) */
    RELATION_NOT_ICMP, /* number - (0 of an ICMP or ICMPv6 record, else column) */
};
_Static_assert(COL_N <= 64, "a column fits six bits");
/* Columns that may be so used: their values do not depend on numbers of tables. */
static inline bool relation_column(unsigned col)
{
    return col < COL_N && col_info[col].kind == COL_KIND_UINT && col != COL_EXPORTER &&
           col != COL_SHAPE;
}
static inline uint64_t relation_value(enum extra_relation kind, uint64_t column, uint64_t proto)
{
    bool icmp = proto == 1 || proto == 58;

    return kind == RELATION_NONE || (kind == RELATION_ICMP && !icmp) ||
                   (kind == RELATION_NOT_ICMP && icmp)
               ? 0
               : column;
}

struct seg_ref {
    uint64_t off;
    uint32_t len, sum; /* sum: low half of XXH3-64; len 0 = absent */
};
uint32_t seg_sum(const void *p, size_t n);

/* What the catalogue knows of a segment without opening it. */
struct seg_info {
    uint64_t id, octets;
    uint32_t n_rows, n_blocks, n_options;
    int64_t min_start_ms, max_start_ms, max_end_ms, min_received_ms, max_received_ms;
};

/* A file that was imported. */
struct seg_import {
    uint8_t sha256[32];
    int64_t at_ms;
    char file[SEG_FILE];
};

/* Where the rows of a segment come from. It stands in the footer too, so that a lost manifest can
 * be made again from the segments alone. All zero: live rows without a journal. */
enum seg_kind {
    SEG_LIVE,
    SEG_IMPORT, /* of one import, and nothing else */
    SEG_MIXED,  /* merged from live rows and imports, or from several imports */
};
struct seg_origin {
    uint64_t cut; /* number of the cut that sealed them (the newest, when merged); 0: no journal */
    uint32_t n_shards;
    const uint64_t *journal;  /* positions covered by that cut, per shard */
    const uint64_t *replaced; /* segments whose rows these are now */
    uint32_t n_replaced;
    uint16_t part, parts; /* replaced ones became `parts` segments, this is number `part` from 0;
                             parts 0 means 1 */
    uint8_t kind;         /* enum seg_kind */
    const struct seg_import *import;
    uint32_t n_import;
};
void segment_put_origin(struct buf *out, const struct seg_origin *o);

/* The same as read: owns its memory. */
struct seg_past {
    struct seg_origin o; /* points to what follows */
    uint64_t *numbers;
    struct seg_import *imports;
};
void segment_past_free(struct seg_past *p);
/* Read past an origin; with p == NULL only past it. Errors: ERR_CORRUPT, ERR_NOMEM. */
int segment_get_origin(struct rd *r, struct seg_past *p) WARN_UNUSED;

enum seg_stage {
    STAGE_ADDRESSES, /* tables of the batches become one, codes per row */
    STAGE_ATTRS,     /* what belongs to addresses */
    STAGE_COLUMNS,
    STAGE_EXTRAS,
    STAGE_TABLES,
    STAGE_INDEX,  /* code -> pages */
    STAGE_TOTALS, /* by minute */
    STAGE_N
};
struct seg_sizes {
    uint64_t column[COL_N + 1], table[TABLE_N];
    uint64_t (*clock_ns)(void); /* set by the caller, who wants to know where time goes; or NULL */
    uint64_t stage_ns[STAGE_N], since_ns;
};
/* Append a whole segment file made of n batches to `out`. Octets per column and
 * table go to *sizes (may be NULL; extras count as column COL_N), of which the caller has set
 * clock_ns.
 * Errors: ERR_NOMEM, ERR_LIMIT (more exporters, shapes or blocks than a segment holds: seal fewer
 * batches at once), ERR_ARG (a batch names what it does not hold). */
int segment_build(struct flow_batch *const *b, size_t n, uint64_t id, struct buf *out,
                  struct seg_info *info, struct seg_sizes *sizes, struct err *e) WARN_UNUSED;
/* The same, saying where the rows come from. */
int segment_build_from(struct flow_batch *const *b, size_t n, uint64_t id,
                       const struct seg_origin *from, struct buf *out, struct seg_info *info,
                       struct seg_sizes *sizes, struct err *e) WARN_UNUSED;
/* The same with the records that reach far back in blocks of their own, behind the others: one
 * batch may become two blocks. */
int segment_build_apart(struct flow_batch *const *b, size_t n, uint64_t id,
                        const struct seg_origin *from, struct buf *out, struct seg_info *info,
                        struct err *e) WARN_UNUSED;

/* Read a segment. `name` is for messages. The map is taken over (also on failure); for memory that
 * the caller keeps, owned = false.
 * Errors: ERR_VERSION, ERR_CORRUPT, ERR_NOMEM. */
int segment_open(struct rowset **out, const char *name, struct os_map map, bool owned,
                 struct err *e) WARN_UNUSED;
/* id, counts, bounds as the footer says. */
void segment_info(const struct rowset *rs, struct seg_info *out);
/* Octets of memory that an opened one takes, about; without its pages of the file. */
uint64_t segment_memory(const struct rowset *rs);
/* Where its rows come from, read again from the footer. Errors: ERR_CORRUPT, ERR_NOMEM. */
int segment_past(const struct rowset *rs, struct seg_past *out, struct err *e) WARN_UNUSED;

#endif
