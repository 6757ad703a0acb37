/* query/table.h - hash of fixed-size keys (words of 64 bits) to dense numbers, and of texts.
 * Floor 4, inside query/ only. All memory is counted against one ceiling. */
#ifndef WEIR_QUERY_TABLE_H
#define WEIR_QUERY_TABLE_H

#include <stdatomic.h>

#include "base/defs.h"
#include "base/err.h"

#define TABLE_NONE UINT32_MAX

struct budget { /* shared by the workers of a question */
    _Atomic uint64_t used;
    uint64_t max;
};

struct table {
    struct budget *budget;
    uint32_t stride; /* words of a key */
    uint32_t n_acc;  /* words of accumulators beside each key */
    uint32_t n, cap;
    uint64_t *key, *acc; /* n * stride, n * n_acc */
    uint64_t *slot;      /* upper half: upper half of the hash; lower: number + 1 */
    uint64_t mask;
};

int table_init(struct table *t, struct budget *b, uint32_t stride, uint32_t n_acc) WARN_UNUSED;
void table_free(struct table *t);

static inline uint64_t table_hash(const uint64_t *key, uint32_t stride)
{
    uint64_t h = 0x9e3779b97f4a7c15u;

    for (uint32_t i = 0; i < stride; i++) {
        h = (h ^ key[i]) * 0xff51afd7ed558ccdu;
        h ^= h >> 32;
    }
    h *= 0xc4ceb9fe1a85ec53u;
    return h ^ h >> 29;
}
static inline void table_prefetch(const struct table *t, uint64_t hash)
{
    __builtin_prefetch(&t->slot[hash & t->mask]);
}
/* Number of a key, or TABLE_NONE. */
uint32_t table_find(const struct table *t, const uint64_t *key, uint64_t hash);
/* The same, entered with zeroed accumulators when new. Errors: ERR_LIMIT, ERR_NOMEM. */
int table_enter(struct table *t, const uint64_t *key, uint64_t hash, uint32_t *out,
                bool *is_new) WARN_UNUSED;

/* Texts to dense numbers. */
struct texts {
    struct table table; /* hash of the text, counted up on collision */
    char *octets;
    uint64_t len, cap;
    uint64_t *off; /* n + 1 */
    uint32_t off_cap;
};
int texts_init(struct texts *t, struct budget *b) WARN_UNUSED;
void texts_free(struct texts *t);
int texts_enter(struct texts *t, const void *p, size_t len, uint32_t *out) WARN_UNUSED;

int budget_take(struct budget *b, uint64_t octets) WARN_UNUSED; /* ERR_LIMIT */
void budget_give(struct budget *b, uint64_t octets);

#endif
