/* query/group.h - groups, series and their measures. Floor 4, inside query/ only.
 *
 * struct group is the question, shared by the workers; struct hand is what one worker has for
 * itself. A vector becomes one or two passes (forward; the reverse direction of biflows), a pass a
 * list of keys and arrays of values, and those go into the sums. */
#ifndef WEIR_QUERY_GROUP_H
#define WEIR_QUERY_GROUP_H

#include "query/keys.h"
#include "query/names.h"
#include "query/opened.h"
#include "query/sums.h"

/* What a group sums. */
enum acc {
    ACC_BYTES,
    ACC_PACKETS,
    ACC_RAW_BYTES,
    ACC_RAW_PACKETS,
    ACC_FLOWS,
    ACC_ACTIVE,
    ACC_SESSIONS,
    ACC_INITIATED, /* where the group is of the side that opened */
    ACC_ACCEPTED,
    ACC_DURATION,
    /* How far sampling may be off: variances, of bytes in two parts (error.c). */
    ACC_VAR_BYTES_LO,
    ACC_VAR_BYTES_HI,
    ACC_VAR_PACKETS,
    ACC_FIRST,
    ACC_LAST,     /* kept as ~first, so that both are maxima and zero means none */
    ACC_DISTINCT, /* + number of the measure */
    ACC_N = ACC_DISTINCT + PLAN_MAX_MEASURES
};
_Static_assert(ACC_N <= SUMS_MAX_ACC, "sums keep that many");

#define GROUP_ADDR_COLS  4u /* columns of kind COL_KIND_ADDR */
#define GROUP_MAX_WORDS  (PLAN_MAX_KEYS * 2u)
#define GROUP_DENSE_BITS 18u /* keys of that many bits index arrays */
#define GROUP_MAX_KEYS   (PLAN_MAX_KEYS + PLAN_MAX_MEASURES)

/* Different values of one measure, by group; and of all together. */
struct distinct {
    struct key_state *ks; /* NULL = another measure */
    uint32_t key;         /* its place in key[] */
    unsigned bits;        /* of a value */
    struct sums pairs;    /* keys: group << bits | value */
    struct sums all;      /* keys: value */
    bool wide;            /* group and value do not fit a word: tuples */
    struct table tuple;   /* with lock: group, value */
    uint64_t total;
};

struct hand;
struct group {
    const struct plan *p;
    struct query_control *ctl;
    struct query_stats *stats;
    struct err *e;
    struct opened *open;
    const struct snapshot *snap; /* open->sets */
    uint64_t
        addrs; /* different ones in the rowsets, each counted for itself: as many as is likely */
    unsigned workers;
    struct budget budget;
    struct zone *zone;
    struct key_state key[GROUP_MAX_KEYS]; /* keys, then keys of distinct */
    uint32_t n_keys, n_states;
    struct distinct distinct[PLAN_MAX_MEASURES];
    struct numbering numbering[GROUP_MAX_KEYS + 1]; /* one for each pair of prefix lengths */
    uint32_t n_numberings;
    struct numbering *hosts; /* that of whole addresses, once group_hosts() was called */
    /* Bits by set, block and row: not counted, their direction was seen at a better point; NULL =
     * none of the rowset. [1]: the other direction of biflows. */
    uint64_t **aside[2];
    /* Of stitched sessions, in the same way: where one begins, in which direction of the row; rows
     * whose source is the server. */
    uint64_t **begins[2], **swapped;
    struct os_mutex points_lock;
    struct table points; /* exporters as they are told apart where rows are compared */
    struct exporter_key *exporter;
    uint32_t exporter_cap;
    bool *done; /* rowsets of the wave that need not be read: unreadable, or their totals were added
                 */

    uint32_t want; /* bit per acc that somebody reads, of groups or of the total */
    int8_t at[ACC_N];
    uint8_t used[ACC_N]; /* sums first, then maxima */
    uint32_t n_acc, n_sum;

    bool port_key; /* a ranking by port without the protocol leaves ICMP out */
    bool by_code;  /* one address column: summed by the rowset's codes first */
    bool tuples;   /* the keys' numbers do not fit one word */
    bool simple;   /* every row has one value for each key, and they fit one word */
    unsigned bits; /* of a group's key */
    struct os_mutex lock;
    struct table tuple;
    struct sums groups;

    /* series */
    int64_t step_ms, base_ms; /* bins are counted from base_ms */
    bool binning, regular;    /* regular: bins are base_ms + k * step_ms */
    struct table ranks;       /* second pass: keys of the groups shown, in order */
    uint64_t n_ranks;
    uint32_t *rank_of; /* the same for keys of few bits: rank + 1, or 0 */
    struct sums bins;  /* keys: bin * (n_ranks + 1) + rank + 1; 0 = the rest */

    bool named; /* a key has names: exporters of the rows are gathered, under lock */
    struct names_met met;

    bool want_total;
    uint64_t total[ACC_N];
    struct hand *hand; /* workers */

    bool errors;  /* the answer has room for errors of sampling */
    bool sampled; /* they are summed */
    bool missed;  /* they are not, and there was a sampled row */
};

/* `open` is borrowed until group_free. `sampled`: rows are known to be; else that is guessed from
 * the first wave, and g->missed says behind the scan whether the guess was wrong. */
int group_init(struct group *g, const struct plan *p, struct opened *open,
               struct query_control *ctl, struct query_stats *stats, bool sampled,
               struct err *e) WARN_UNUSED;
void group_free(struct group *g);

/* Read all rows once: into the groups, or the bins when g->binning. `count`: into the statistics.
 */
int group_scan(struct group *g, bool count) WARN_UNUSED;
/* Read all rows once with another visitor, which gets its struct hand. One worker sees the rows in
 * the order of the snapshot. */
int group_walk(struct group *g, unsigned workers,
               int (*vector)(struct scan *s, void *hand)) WARN_UNUSED;
/* The same for rows within another frame; rowsets out[i] are left out (out NULL = none), `count`:
 * into the statistics. */
int group_look(struct group *g, const struct plan *frame, const bool *out, bool count,
               int (*vector)(struct scan *s, void *hand)) WARN_UNUSED;
/* Number whole addresses too, in all scans to come. */
int group_hosts(struct group *g) WARN_UNUSED;
/* Is the row in a bitmap of g->aside or its like? */
static inline bool group_bit(uint64_t *const *set, const struct scan *s, uint32_t row)
{
    uint64_t at = (uint64_t)s->block * BATCH_ROWS + s->first + row;

    return set != NULL && set[s->set] != NULL && (set[s->set][at / 64] >> at % 64 & 1) != 0;
}
/* Set a bit of row `row` (conv.h) in a set of bitmaps, made when first needed. Any worker may. */
int group_set_bit(struct group *g, uint64_t **set, uint64_t row) WARN_UNUSED;
int group_bits_new(struct group *g, uint64_t ***set) WARN_UNUSED;
void group_bits_free(struct group *g, uint64_t ***set);
/* The totals of a vector only, for lists. */
int group_totals(struct scan *s, void *hand) WARN_UNUSED;
/* Behind the scans: numbers of different values into `x` (groups or bins) and the total. */
int group_count_distinct(struct group *g, struct sums *x) WARN_UNUSED;
/* Empty sets of different values, for groups or bins whose keys have so many bits. */
int group_start_distinct(struct group *g, unsigned bits) WARN_UNUSED;

/* The keys' numbers behind a group: GROUP_MAX_WORDS at most. */
void group_numbers(const struct group *g, uint64_t key, uint64_t *num);
/* Order by what the keys stand for. */
int group_compare(const struct group *g, uint64_t a, uint64_t b);
/* A measure of a group's accumulators; `span_ms` for rates. */
uint64_t group_measure(const struct group *g, uint32_t m, const uint64_t *acc, int64_t span_ms,
                       double *real);

/* error.c: the relative error of a measure at 95 %, 0.02 for 2 %; 0: it is exact, or not known. */
double group_error(const struct group *g, uint32_t m, const uint64_t *acc);
/* The same of all bytes, all packets. */
double group_total_error(const struct group *g, bool packets);
/* Is any row of the wave 0 .. end-1 sampled? */
bool group_guess_sampled(const struct group *g, size_t end);

/* Bits that numbers below n take. */
static inline unsigned group_bits(uint64_t n)
{
    return n == 0 ? 1 : 64u - (unsigned)__builtin_clzll(n);
}

/* One worker. */
struct hand {
    struct group *g;
    unsigned i;
    struct scan s;
    struct query_stats stats;
    struct err e;
    bool ready;
    uint64_t total[ACC_N];
    bool missed;  /* see struct group */
    uint8_t *met; /* exporters of the rowset that were met, g->named */
    struct key_rows key[GROUP_MAX_KEYS];

    /* the rowset's own sums, g->by_code */
    uint64_t *code_acc;
    uint8_t *code_seen;
    uint64_t code_cap;

    /* a pass */
    uint16_t row[3][ROWSET_VECTOR];
    uint64_t *gather[COL_N]; /* ROWSET_VECTOR each, made when needed */
    uint64_t *made[ACC_N];
    const uint64_t *val[ACC_N]; /* by enum acc; NULL = 1 for every row */
    const uint64_t *start, *end;
    uint64_t *group_key, *pair_key;
    uint16_t *entry_row;
    uint8_t *entry_side; /* 0 = by the value of src, 1 = of dst, 2 = of both */

    /* rows in bins that wait to be summed */
    uint32_t n_bin;
    uint64_t *bin_key, *bin_val[ACC_N];
    uint16_t *bin_row;

    void *list; /* list.c: the rows this worker keeps */
    void *conv; /* conv.c: the rows this worker notes */
};

#endif
