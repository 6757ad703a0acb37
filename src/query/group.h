/* query/group.h - groups, series and their measures. Floor 4, inside query/ only. */
#ifndef WEIR_QUERY_GROUP_H
#define WEIR_QUERY_GROUP_H

#include "query/scan.h"
#include "query/table.h"

/* What a group sums. */
enum acc {
    ACC_BYTES,
    ACC_PACKETS,
    ACC_RAW_BYTES,
    ACC_RAW_PACKETS,
    ACC_FLOWS,
    ACC_ACTIVE,
    ACC_DURATION,
    ACC_FIRST,
    ACC_LAST,     /* kept as ~first, so that both are maxima and zero means none */
    ACC_DISTINCT, /* + number of the measure */
    ACC_N = ACC_DISTINCT + PLAN_MAX_MEASURES
};

#define GROUP_MAX_WORDS (PLAN_MAX_KEYS * 2u + 2u)
#define GROUP_BATCH     1024u

/* Values of one key for the chosen rows of a vector: [0] src or as is, [1] dst or mirrored. */
struct key_state {
    const struct key *k;
    struct value_alts alts[2];
    enum value_type type;
    bool mirrors;      /* KEY_VALUE that differs in the reverse direction of a biflow */
    uint64_t *part[2]; /* ROWSET_VECTOR each */
    uint8_t *absent[2];
    uint8_t *sides; /* KEY_MATCHED: 1 = src, 2 = dst */
    uint32_t *map;  /* code of the rowset to address id + 1 */
    uint32_t map_cap;
};

struct group {
    struct scan *s;
    struct budget budget;
    struct key_state key[PLAN_MAX_KEYS + PLAN_MAX_MEASURES]; /* keys, then keys of distinct */
    uint32_t n_keys;
    int8_t distinct_key[PLAN_MAX_MEASURES]; /* index into key[], -1 = none */
    int8_t at[ACC_N];                       /* place of an accumulator, -1 = not kept */
    uint8_t used[ACC_N];
    uint32_t n_acc;
    bool port_key;      /* a ranking by port without the protocol leaves ICMP out */
    struct table addrs; /* two words each */
    struct texts texts;
    struct table groups;  /* by keys */
    struct table bins;    /* series: bin, rank + 1 */
    struct table seen;    /* distinct: measure and group, absent, value */
    struct table *target; /* where flush sums: groups or bins */
    const uint32_t *rank; /* second pass of a series: group to rank, or TABLE_NONE */
    int64_t step_ms;
    bool binning;
    uint64_t total[ACC_N];
    bool want_total;
    uint32_t words; /* of a group's key */
    /* contributions that wait */
    uint32_t n_wait;
    uint64_t *wait_key; /* GROUP_BATCH * GROUP_MAX_WORDS */
    uint64_t *wait_hash;
    uint64_t *wait_acc; /* GROUP_BATCH * ACC_DISTINCT */
    uint16_t *wait_row; /* index into sel; bit 15: reversed */
};

int group_init(struct group *g, struct scan *s) WARN_UNUSED;
void group_free(struct group *g);
int group_rowset(struct scan *s, void *group);
int group_vector(struct scan *s, void *group);
/* A measure of a group's accumulators; `span_ms` for rates. */
uint64_t group_measure(const struct group *g, uint32_t m, const uint64_t *acc, int64_t span_ms,
                       double *real);
int64_t bin_start(const struct scan *s, int64_t t, int64_t step, int64_t *next);

#endif
