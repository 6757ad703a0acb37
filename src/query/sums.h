/* query/sums.h - sums by key, for many workers: each adds to memory of its own, merged at the end.
 * Floor 4, inside query/ only.
 *
 * Keys are one word below 2^63. Two ways of keeping them, chosen once for a question:
 *   dense  arrays indexed by the key, for small domains and for keys that are numbers counted up;
 *   parts  entries (key, values) appended to one of SUMS_PARTS lists by the key's hash. A list is
 *          summed on its own, in a hash that fits a cache, by whoever is free: no worker's table is
 *          ever merged with another's, and no key's order of arrival matters. A small table in
 *          front catches keys that come again soon, where there are such. */
#ifndef WEIR_QUERY_SUMS_H
#define WEIR_QUERY_SUMS_H

#include "query/table.h"

#define SUMS_PARTS   256u
#define SUMS_MAX_ACC 32u

struct sums_chunk;
struct sums_part {
    struct sums_chunk *chunk; /* newest first; older ones are full */
    uint64_t *at, *end;       /* where the next entry goes, in the newest */
    uint64_t n;               /* entries */
};

struct sums_worker {
    /* dense */
    uint64_t *acc; /* domain * n_acc */
    uint8_t *seen; /* domain */
    uint64_t domain;
    /* parts */
    struct sums_part *part;
    uint64_t *front;       /* FRONT entries */
    uint64_t raw;          /* entries appended since the lists were last summed */
    uint64_t keys, caught; /* that came, that the front caught, since it was last judged */
    bool past;             /* the front catches too few: keys go past it */
};

struct sums {
    struct budget *budget;
    bool dense;
    uint32_t n_sum, n_max; /* values that are added, values of which the largest is kept */
    uint32_t n_acc;        /* both together */
    unsigned n_workers;
    struct sums_worker *worker;
    _Atomic uint32_t next;
};

int sums_init(struct sums *x, struct budget *b, unsigned workers, bool dense, uint32_t n_sum,
              uint32_t n_max) WARN_UNUSED;
void sums_free(struct sums *x);

/* Dense: keys below `domain` will come. */
int sums_reserve(struct sums *x, unsigned worker, uint64_t domain) WARN_UNUSED;
/* n entries. val[a] = NULL adds 1 for every key. Errors: ERR_LIMIT, ERR_NOMEM. */
int sums_add(struct sums *x, unsigned worker, uint32_t n, const uint64_t *key,
             const uint64_t *const *val) WARN_UNUSED;
/* One key's sum `a` plus one. */
int sums_bump(struct sums *x, unsigned worker, uint64_t key, uint32_t a) WARN_UNUSED;
/* Dense: the same by codes of up to 32 bits, into arrays `acc`, `seen` of the caller. */
void sums_add_codes(const struct sums *x, uint64_t *acc, uint8_t *seen, uint32_t n,
                    const uint32_t *code, const uint64_t *const *val);
/* ... which are then added under the codes' numbers. */
void sums_add_mapped(struct sums *x, unsigned worker, const uint64_t *acc, const uint8_t *seen,
                     uint32_t n, const uint32_t *map);

/* All keys with their sums, once, in no order: fn(ctx, worker, key, acc) from `workers` threads.
 * Nothing may be added after
 * it, unless dense. Errors: what fn returned, ERR_LIMIT, ERR_NOMEM. */
typedef int sums_fn(void *ctx, unsigned worker, uint64_t key, const uint64_t *acc);
int sums_each(struct sums *x, unsigned workers, sums_fn *fn, void *ctx) WARN_UNUSED;

#endif
