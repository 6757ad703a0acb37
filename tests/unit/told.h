/* What a store tells of itself, to be compared before and after something went wrong: every record
 * has a number of its own (its column bytes), so that one lost, doubled or changed is noticed. */
#ifndef WEIR_TESTS_TOLD_H
#define WEIR_TESTS_TOLD_H

#include "unit.h"

#include "random_batch.h"
#include "store/entry.h"

struct told {
    uint64_t rows, sum, options;
    uint64_t unreadable; /* segments that could not be opened or read: the answer is marked */
    uint64_t shards, at; /* last cut: position of shard 0 */
    uint64_t checkpoint; /* its content as a number; UINT64_MAX: cannot be read */
    uint64_t id;         /* of the cut */
};

static inline uint64_t told_mix(uint64_t number)
{
    struct rnd r = { number * 0x9e3779b97f4a7c15u | 1 };

    (void)rnd_next(&r);
    return rnd_next(&r) ^ rnd_next(&r) << 20;
}

/* Rows with numbers first .. first + n - 1, received at t; every third of exporter 10.0.0.1, the
 * others of 192.0.2.1; `mixed` false: all of 192.0.2.1. */
static inline struct flow_batch *told_batch(uint64_t first, uint32_t n, uint32_t options, int64_t t,
                                            bool mixed)
{
    struct rnd r = { first * 77 + 1 };
    struct flow_batch *b = random_batch(&r, n, options, &t, 2, 0);

    assert_non_null(b);
    b->exporters[0].addr = addr_from_v4(0x0a000001);
    b->exporters[1].addr = addr_from_v4(0xc0000201);
    for (uint32_t i = 0; i < n; i++) {
        ((uint64_t *)b->col[COL_BYTES])[i] = first + i;
        ((uint16_t *)b->col[COL_EXPORTER])[i] = (uint16_t)(mixed && i % 3 == 0 ? 0 : 1);
    }
    return b;
}

static inline void told_add(struct told *t, uint64_t first, uint32_t n, uint32_t options)
{
    for (uint32_t i = 0; i < n; i++)
        t->sum += told_mix(first + i);
    t->rows += n;
    t->options += options;
}

/* Those of 10.0.0.1 go. */
static inline void told_less_thirds(struct told *t, uint64_t first, uint32_t n)
{
    for (uint32_t i = 0; i < n; i += 3) {
        t->sum -= told_mix(first + i);
        t->rows--;
    }
}

static inline void told_less(struct told *t, uint64_t first, uint32_t n, uint32_t options)
{
    for (uint32_t i = 0; i < n; i++)
        t->sum -= told_mix(first + i);
    t->rows -= n;
    t->options -= options;
}

static inline bool told_segment(const struct rowset *rs, struct told *t)
{
    uint64_t v[ROWSET_VECTOR];
    struct err e;

    for (uint32_t b = 0; b < rs->n_blocks; b++) {
        uint32_t n = rs->ops->block_rows(rs, b);
        assert_true(n <= ROWSET_VECTOR);
        if (rs->ops->read(rs, b, COL_BYTES, 0, n, v, &e) != ERR_OK)
            return false;
        for (uint32_t i = 0; i < n; i++)
            t->sum += told_mix(v[i]);
        t->rows += n;
    }
    t->options += rs->n_options;
    return true;
}

static inline void told_cut(struct store *s, struct told *t)
{
    struct buf b = buf_init(1u << 20);
    uint64_t journal[64];
    struct err e;
    uint32_t n;
    int rc = store_last_cut(s, &n, journal, &b, &e);

    t->shards = n;
    t->at = n > 0 ? journal[0] : 0;
    t->id = s->m.cut.id;
    if (rc == ERR_OK)
        t->checkpoint = b.len > 0 ? store_sum(b.p, b.len) : 0;
    else if (rc != ERR_NOTFOUND)
        t->checkpoint = UINT64_MAX;
    buf_free(&b);
}

static inline struct told told_by(struct store *s)
{
    struct told t = { 0 };
    struct snapshot sn;
    struct err e;

    assert_int_equal(store_snapshot(s, &sn, &e), ERR_OK);
    for (size_t i = 0; i < sn.n; i++) {
        struct rowset *rs;
        if (rowset_open(sn.sets[i], &rs, &e) != ERR_OK) {
            t.unreadable++;
            continue;
        }
        t.unreadable += !told_segment(rs, &t);
        rowset_unref(rs);
    }
    snapshot_free(&sn);
    told_cut(s, &t);
    return t;
}

static inline bool told_same(const struct told *a, const struct told *b)
{
    return a->rows == b->rows && a->sum == b->sum && a->options == b->options &&
           a->unreadable == b->unreadable && a->shards == b->shards && a->at == b->at &&
           a->checkpoint == b->checkpoint;
}

/* Seal this batch, made by told_batch with 2 options, with a cut at `at`, and say so in *t. Returns
 * what the store said. */
static inline int told_seal_batch(struct store *s, struct told *t, struct flow_batch *batch,
                                  uint64_t first, uint64_t at, struct err *e)
{
    struct buf b = buf_init(4096);
    struct store_cut cut = { .n_shards = 1, .journal = { at }, .checkpoint = &b };
    uint64_t sum;
    int rc;

    for (unsigned i = 0; i < 150; i++) /* longer than a sector */
        buf_le(&b, at * 1000 + i, 8);
    sum = store_sum(b.p, b.len);
    rc = store_seal_cut(s, &batch, 1, &cut, NULL, NULL, e);
    if (rc == ERR_OK) {
        told_add(t, first, flow_batch_rows(batch), 2);
        t->shards = 1;
        t->at = at;
        t->checkpoint = sum;
    }
    buf_free(&b);
    return rc;
}

/* The same with n rows made for it. */
static inline int told_seal(struct store *s, struct told *t, uint64_t first, uint32_t n, int64_t ms,
                            uint64_t at, struct err *e)
{
    struct flow_batch *b = told_batch(first, n, 2, ms, true);
    int rc = told_seal_batch(s, t, b, first, at, e);

    flow_batch_unref(b);
    return rc;
}

static inline void told_print(const char *what, const struct told *t)
{
    print_error("%s: %llu rows (%016llx), %llu options, %llu unreadable, cut at %llu of %llu, "
                "checkpoint %016llx\n",
                what, (unsigned long long)t->rows, (unsigned long long)t->sum,
                (unsigned long long)t->options, (unsigned long long)t->unreadable,
                (unsigned long long)t->at, (unsigned long long)t->shards,
                (unsigned long long)t->checkpoint);
}

#endif
