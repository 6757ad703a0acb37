/* flow/rowset.h - rows to be asked: one sealed segment or one open batch behind the same calls.
 * Floor 2. The embedded store and the batch implement it; the query knows nothing else.
 * Threads: a rowset is immutable; many threads may read it at once, each with its own buffers. */
#ifndef WEIR_FLOW_ROWSET_H
#define WEIR_FLOW_ROWSET_H

#include "flow/fact.h"
#include "flow/geo.h"
#include "flow/rate_rule.h"

#define ROWSET_VECTOR 4096u /* rows per read at most; reads start at multiples of it */

/* Pages: ROWSET_VECTOR rows of a block, numbered through the rowset with room for full blocks: rows
 * first .. of a block are page ROWSET_PAGE(block, first). A bitmap of pages has ROWSET_PAGE_WORDS
 * words. */
#define ROWSET_BLOCK_PAGES          (BATCH_ROWS / ROWSET_VECTOR)
#define ROWSET_PAGE(block, first)   ((block)*ROWSET_BLOCK_PAGES + (first) / ROWSET_VECTOR)
#define ROWSET_PAGE_WORDS(n_blocks) (((n_blocks)*ROWSET_BLOCK_PAGES + 63u) / 64u)

struct rowset;

/* Clocks of two observation points that are off by so much are still told to see one flow. */
#define VIEWS_SKEW_MS 5000

/* Is there a directed 5-tuple in a rowset that two observation points saw at about the same time?
 */
enum rowset_views {
    VIEWS_UNKNOWN,
    VIEWS_APART,  /* none */
    VIEWS_SHARED, /* it seems so */
};

/* An option record (exporter's statement about itself), as sent. */
struct rowset_option {
    int64_t received_ms;
    uint32_t exporter, shape; /* numbers in the rowset's tables */
    const uint8_t *octets;    /* borrowed until rowset_unref */
    uint32_t len;
};

/* Extras of up to ROWSET_VECTOR rows: octets in field order, variable ones with their length as
 * sent. */
struct rowset_extras {
    const uint8_t *p[ROWSET_VECTOR];
    uint32_t len[ROWSET_VECTOR];
    struct buf hold; /* memory behind p[]; initialise with buf_init(), free with buf_free() */
};

/* Marginals: per-minute totals kept beside the rows, so that long charts need no rows. */
enum marginal { MARGINAL_IF, MARGINAL_PROTO, MARGINAL_SERVICE, MARGINAL_N };
struct marginal_row {
    int64_t minute_ms; /* start of the minute, Unix ms */
    uint32_t key[3];   /* IF: exporter number, in_if, out_if; PROTO: proto, 0, 0;
                          SERVICE: proto, the lower of the two ports, 0 */
    uint32_t rate;     /* sampling rate of the rows summed (0 and 1 are kept apart) */
    uint64_t flows;    /* records that start in the minute */
    uint64_t bytes, packets, rev_bytes, rev_packets; /* share inside the minute, flow/share.h */
};

/* AS numbers or countries of a rowset's addresses as they were when it was sealed. */
struct rowset_geo {
    const uint32_t *value;             /* by code */
    const uint8_t *which;              /* by code: 0 = was not looked up, else version[which - 1];
                                          NULL: all are of version[0] */
    const struct geo_version *version; /* all borrowed until rowset_unref */
    uint32_t n_versions;
};

struct rowset_ops {
    /* Not NULL: the rowset knows its name, id, counts and time bounds only (tables are empty, the
     * other calls but free are NULL), and this opens it: see rowset_open. */
    int (*open)(struct rowset *rs, struct rowset **out, struct err *e);
    uint32_t (*block_rows)(const struct rowset *rs, uint32_t block);
    /* Smallest and largest value of a column in a block. False = not kept, assume anything. */
    bool (*zone)(const struct rowset *rs, uint32_t block, enum col col, uint64_t *min,
                 uint64_t *max);
    /* Rows first .. first+n-1 of one block; n <= ROWSET_VECTOR, first % ROWSET_VECTOR == 0.
     * uint32_t values for columns of up to 32 bits (addresses: codes), else uint64_t. */
    int (*read)(const struct rowset *rs, uint32_t block, enum col col, uint32_t first, uint32_t n,
                void *out, struct err *e);
    int (*extras)(const struct rowset *rs, uint32_t block, uint32_t first, uint32_t n,
                  struct rowset_extras *out, struct err *e);
    int (*option)(const struct rowset *rs, uint32_t i, struct rowset_option *out, struct err *e);
    /* All rows of one marginal, sorted by (minute, key, rate), borrowed until rowset_unref. NULL in
     * ops, or ERR_UNSUPPORTED: this rowset keeps none (an open batch; a marginal that grew beyond
     * its ceiling); read the rows instead. */
    int (*marginal)(const struct rowset *rs, enum marginal which, const struct marginal_row **rows,
                    uint32_t *n, struct err *e);
    /* Which pages hold address `code` as source or destination (COL_SRC_IP, COL_DST_IP): sets bit
     * p % 64 of bitmap[p / 64] for each such page p and leaves the other bits alone, so that the
     * pages of several codes can be gathered. NULL in ops, or ERR_UNSUPPORTED: no index is kept,
     * read all pages. Never false negatives. Cheap: about 3 us a code. */
    int (*pages)(const struct rowset *rs, uint32_t code, uint64_t *bitmap, struct err *e);
    /* What was looked up when the rowset was sealed. NULL in ops, or ERR_UNSUPPORTED: nothing was.
     */
    int (*geo)(const struct rowset *rs, enum geo_kind kind, struct rowset_geo *out, struct err *e);
    /* Which pages may tell of a translation by one of these keys (flow/translated.h): sets bits as
     * `pages` does. NULL in ops: no index is kept, read all pages. Never false negatives. */
    void (*translated)(const struct rowset *rs, const uint64_t *keys, uint32_t n, uint64_t *bitmap);
    void (*free)(struct rowset *rs); /* called when the last reference goes */
};

struct rowset {
    _Atomic uint32_t refs;
    const struct rowset_ops *ops;
    const char *name; /* for messages: "seg-000012" or "open" */
    uint64_t id;      /* unique in the process */
    uint32_t n_rows, n_blocks, n_options;
    int64_t min_start_ms, max_start_ms, max_end_ms; /* effective; of all rows */
    int64_t min_received_ms, max_received_ms;
    const struct addr *addrs; /* code -> address; addrs[0] = :: */
    uint32_t n_addrs;
    bool addrs_sorted; /* ascending by addr_cmp: a network is a range of codes */
    const struct exporter_key *exporters;
    uint32_t n_exporters;
    const struct shape *const *shapes;
    uint32_t n_shapes;
    uint8_t views; /* enum rowset_views; known once it is open */
};

struct rowset *rowset_ref(struct rowset *rs);
void rowset_unref(struct rowset *rs); /* NULL is allowed */

/* A reference to the rowset that can be read: rs itself, or what it stands for, opened. Rowsets of
 * a snapshot are opened one by one, when the time bounds say that they are needed, and let go
 * after: so a question about a day does not hold a year's files. Errors: ERR_CORRUPT, ERR_VERSION,
 * ERR_NOTFOUND, ERR_IO (its rows cannot be read), ERR_NOMEM. */
int rowset_open(struct rowset *rs, struct rowset **out, struct err *e) WARN_UNUSED;

/* AS number or country of every address of the rowset: as it was when it was sealed, else by
 * today's data (may be NULL), which counts into *n_today. room[] has n_addrs; *out is room or,
 * where nothing had to be looked up, memory of the rowset. What is damaged was not looked up. */
void rowset_geo(const struct rowset *rs, enum geo_kind kind, const struct geo *today,
                uint32_t *room, const uint32_t **out, uint32_t *n_today);

/* Are the exporters a all among b? Imports of one exporter count as the same. False when memory is
 * short. */
bool exporters_within(const struct exporter_key *a, uint32_t n_a, const struct exporter_key *b,
                      uint32_t n_b);

/* A batch's rows published until now, as a rowset of one block. Holds a reference to b.
 * Errors: ERR_NOMEM. */
int rowset_of_batch(struct rowset **out, struct flow_batch *b) WARN_UNUSED;

/* What one question looks at: a fixed list, so that no row is seen twice or not at all. */
struct snapshot {
    struct rowset **sets; /* references held */
    size_t n;
    struct fact_table
        *facts; /* what the exporters of these rows say; reference held, may be NULL */
    struct rate_rules *rules; /* what the operator says of their sampling; the same */
    struct geo *geo;          /* what is known of addresses today; the same */
    /* rows that the snapshot knows of but cannot read (damaged segments) */
    uint64_t rows_unreadable;
    uint32_t segments_unreadable;
};
void snapshot_free(struct snapshot *s); /* drops references, frees the list, zeroes *s */
/* Put what the option records of open batches say over s->facts. Errors: ERR_NOMEM. */
int snapshot_learn(struct snapshot *s) WARN_UNUSED;

#endif
