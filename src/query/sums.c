#include "query/sums.h"

#include <stdlib.h>
#include <string.h>

#include "query/pool.h"

#define CHUNK_WORDS 1022u /* one chunk is two pages of memory */
#define FRONT       2048u
#define HELD        (UINT64_C(1) << 63) /* in a stored key: not an empty slot */
#define DENSE_PIECE 16384u
#define JUDGED_KEYS 32768u

struct sums_chunk {
    struct sums_chunk *older;
    uint64_t used; /* words; of the newest see sums_part.at */
    uint64_t word[CHUNK_WORDS];
};

int sums_init(struct sums *x, struct budget *b, unsigned workers, bool dense, uint32_t n_sum,
              uint32_t n_max)
{
    uint32_t stride = 1 + n_sum + n_max;

    memset(x, 0, sizeof *x);
    x->budget = b;
    x->dense = dense;
    x->n_sum = n_sum;
    x->n_max = n_max;
    x->n_acc = n_sum + n_max;
    if ((x->worker = calloc(workers, sizeof *x->worker)) == NULL)
        return ERR_NOMEM;
    x->n_workers = workers;
    for (unsigned w = 0; w < workers && !dense; w++) {
        x->worker[w].part = calloc(SUMS_PARTS, sizeof *x->worker[w].part);
        x->worker[w].front = calloc(FRONT * (size_t)stride, 8);
        if (x->worker[w].part == NULL || x->worker[w].front == NULL)
            return ERR_NOMEM;
    }
    return ERR_OK;
}

static void free_part(struct sums *x, struct sums_part *p)
{
    while (p->chunk != NULL) {
        struct sums_chunk *c = p->chunk;
        p->chunk = c->older;
        budget_give(x->budget, sizeof *c);
        free(c);
    }
    p->at = p->end = NULL;
    p->n = 0;
}

void sums_free(struct sums *x)
{
    for (unsigned w = 0; x->worker != NULL && w < x->n_workers; w++) {
        struct sums_worker *k = &x->worker[w];
        budget_give(x->budget, k->domain * (x->n_acc * 8 + 1));
        free(k->acc);
        free(k->seen);
        for (uint32_t p = 0; k->part != NULL && p < SUMS_PARTS; p++)
            free_part(x, &k->part[p]);
        free(k->part);
        free(k->front);
    }
    free(x->worker);
    memset(x, 0, sizeof *x);
}

/* ------------------------------------------------------------------ dense */

int sums_reserve(struct sums *x, unsigned worker, uint64_t domain)
{
    struct sums_worker *k = &x->worker[worker];
    size_t width = x->n_acc * sizeof(uint64_t);
    uint64_t *acc;
    uint8_t *seen;

    if (domain <= k->domain)
        return ERR_OK;
    if (k->domain > 0) /* numbers counted up: not again for each */
        domain = MAX(domain, k->domain + k->domain / 2);
    if (budget_take(x->budget, (domain - k->domain) * (width + 1)) != ERR_OK)
        return ERR_LIMIT;
    /* fresh memory comes zeroed, page by page as it is touched */
    acc = calloc(domain + 1, MAX(width, 1));
    seen = calloc(domain + 1, 1);
    if (acc == NULL || seen == NULL) {
        free(acc);
        free(seen);
        budget_give(x->budget, (domain - k->domain) * (width + 1));
        return ERR_NOMEM;
    }
    if (k->domain > 0) {
        memcpy(acc, k->acc, k->domain * width);
        memcpy(seen, k->seen, k->domain);
    }
    free(k->acc);
    free(k->seen);
    k->acc = acc;
    k->seen = seen;
    k->domain = domain;
    return ERR_OK;
}

static inline void add_one(uint64_t *to, const uint64_t *const *val, uint32_t i, uint32_t n_sum,
                           uint32_t n_acc)
{
    for (uint32_t a = 0; a < n_sum; a++)
        to[a] += val[a] != NULL ? val[a][i] : 1;
    for (uint32_t a = n_sum; a < n_acc; a++)
        to[a] = MAX(to[a], val[a][i]);
}

/* The loops over rows, by type of the key; one sum is the usual case. */
#define DENSE_LOOPS(name, type)                                                      \
    static void name(const struct sums *x, uint64_t *acc, uint8_t *seen, uint32_t n, \
                     const type *key, const uint64_t *const *val)                    \
    {                                                                                \
        uint32_t n_sum = x->n_sum, n_acc = x->n_acc;                                 \
                                                                                     \
        for (uint32_t i = 0; i < n; i++)                                             \
            seen[key[i]] = 1;                                                        \
        if (n_acc == 1 && n_sum == 1 && val[0] == NULL)                              \
            for (uint32_t i = 0; i < n; i++)                                         \
                acc[key[i]]++;                                                       \
        else if (n_acc == 1 && n_sum == 1)                                           \
            for (uint32_t i = 0; i < n; i++)                                         \
                acc[key[i]] += val[0][i];                                            \
        else if (n_acc > 0)                                                          \
            for (uint32_t i = 0; i < n; i++)                                         \
                add_one(acc + (size_t)key[i] * n_acc, val, i, n_sum, n_acc);         \
    }
DENSE_LOOPS(add_dense, uint64_t)
DENSE_LOOPS(add_dense32, uint32_t)

void sums_add_codes(const struct sums *x, uint64_t *acc, uint8_t *seen, uint32_t n,
                    const uint32_t *code, const uint64_t *const *val)
{
    add_dense32(x, acc, seen, n, code, val);
}

static void merge_acc(const struct sums *x, uint64_t *to, const uint64_t *from)
{
    for (uint32_t a = 0; a < x->n_sum; a++)
        to[a] += from[a];
    for (uint32_t a = x->n_sum; a < x->n_acc; a++)
        to[a] = MAX(to[a], from[a]);
}

void sums_add_mapped(struct sums *x, unsigned worker, const uint64_t *acc, const uint8_t *seen,
                     uint32_t n, const uint32_t *map)
{
    struct sums_worker *k = &x->worker[worker];

    for (uint32_t c = 0; c < n; c++) {
        if (!seen[c])
            continue;
        k->seen[map[c]] = 1;
        merge_acc(x, k->acc + (size_t)map[c] * x->n_acc, acc + (size_t)c * x->n_acc);
    }
}

/* ------------------------------------------------------------------ parts */

static inline uint64_t mix(uint64_t key)
{
    key = (key ^ key >> 32) * 0x9e3779b97f4a7c15u;
    key = (key ^ key >> 29) * 0xff51afd7ed558ccdu;
    return key ^ key >> 32;
}

static void close_chunk(struct sums_part *p)
{
    if (p->chunk != NULL)
        p->chunk->used = (uint64_t)(p->at - p->chunk->word);
}

static int new_chunk(struct sums *x, struct sums_part *p)
{
    struct sums_chunk *c;

    if (budget_take(x->budget, sizeof *c) != ERR_OK)
        return ERR_LIMIT;
    if ((c = malloc(sizeof *c)) == NULL)
        return ERR_NOMEM;
    close_chunk(p);
    c->older = p->chunk;
    p->chunk = c;
    p->at = c->word;
    p->end = c->word + CHUNK_WORDS;
    return ERR_OK;
}

static inline int append(struct sums *x, struct sums_worker *k, const uint64_t *entry)
{
    uint32_t stride = 1 + x->n_acc;
    struct sums_part *p = &k->part[mix(entry[0] & ~HELD) >> 56];
    int rc;

    if (p->end - p->at < stride && (rc = new_chunk(x, p)) != ERR_OK)
        return rc;
    for (uint32_t i = 0; i < stride; i++)
        p->at[i] = entry[i];
    p->at += stride;
    p->n++;
    k->raw++;
    return ERR_OK;
}

/* Hash of one part, by linear probing; slots hold whole entries. */
struct hash {
    uint64_t *slot;
    uint64_t n, cap; /* slots: a power of two */
};

static int hash_room(struct sums *x, struct hash *h, uint64_t entries)
{
    size_t stride = 1 + x->n_acc;
    uint64_t cap = 1024;

    while (cap < entries * 3 / 2)
        cap *= 2;
    if (cap > h->cap) {
        budget_give(x->budget, h->cap * stride * 8);
        free(h->slot);
        h->slot = NULL;
        h->cap = 0;
        if (budget_take(x->budget, cap * stride * 8) != ERR_OK)
            return ERR_LIMIT;
        if ((h->slot = malloc(cap * stride * 8)) == NULL) {
            budget_give(x->budget, cap * stride * 8);
            return ERR_NOMEM;
        }
        h->cap = cap;
    }
    h->n = cap;
    memset(h->slot, 0, cap * stride * 8);
    return ERR_OK;
}

static void hash_free(struct sums *x, struct hash *h)
{
    budget_give(x->budget, h->cap * (1 + x->n_acc) * 8);
    free(h->slot);
}

static inline void hash_add(const struct sums *x, struct hash *h, const uint64_t *entry,
                            uint64_t at)
{
    size_t stride = 1 + x->n_acc;
    uint64_t *s = h->slot + at * stride;

    while (s[0] != entry[0] && s[0] != 0) {
        at = (at + 1) & (h->n - 1);
        s = h->slot + at * stride;
    }
    if (s[0] != 0)
        merge_acc(x, s + 1, entry + 1);
    else
        for (uint32_t i = 0; i < stride; i++)
            s[i] = entry[i];
}

static void hash_chunks(const struct sums *x, struct hash *h, struct sums_part *p)
{
    size_t stride = 1 + x->n_acc;
    uint64_t at[CHUNK_WORDS];

    close_chunk(p);
    for (const struct sums_chunk *c = p->chunk; c != NULL; c = c->older) {
        uint64_t n = 0;
        for (uint64_t i = 0; i < c->used; i += stride) {
            at[n] = mix(c->word[i] & ~HELD) & (h->n - 1);
            __builtin_prefetch(h->slot + at[n++] * stride);
        }
        n = 0;
        for (uint64_t i = 0; i < c->used; i += stride)
            hash_add(x, h, c->word + i, at[n++]);
    }
}

#define RAW_OCTETS (UINT64_C(192) << 20) /* of all workers, before lists are summed early */

/* The worker's lists have become long: keep each key once. */
static int compact(struct sums *x, struct sums_worker *k)
{
    struct hash h = { 0 };
    int rc = ERR_OK;

    for (uint32_t p = 0; rc == ERR_OK && p < SUMS_PARTS; p++) {
        struct sums_part *part = &k->part[p];
        if ((rc = hash_room(x, &h, part->n)) != ERR_OK)
            break;
        hash_chunks(x, &h, part);
        free_part(x, part);
        for (uint64_t i = 0; rc == ERR_OK && i < h.n; i++)
            if (h.slot[i * (1 + x->n_acc)] != 0)
                rc = append(x, k, h.slot + i * (1 + x->n_acc));
    }
    hash_free(x, &h);
    k->raw = 0;
    return rc;
}

static int add_front(struct sums *x, struct sums_worker *k, uint32_t n, const uint64_t *key,
                     const uint64_t *const *val)
{
    size_t stride = 1 + x->n_acc;
    int rc;

    k->keys += n;
    k->caught += n;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t held = key[i] | HELD;
        uint64_t *s = k->front + (mix(key[i]) & (FRONT - 1)) * stride;
        if (s[0] != held) {
            k->caught--;
            if (s[0] != 0 && (rc = append(x, k, s)) != ERR_OK)
                return rc;
            memset(s, 0, stride * 8);
            s[0] = held;
        }
        add_one(s + 1, val, i, x->n_sum, x->n_acc);
    }
    if (k->keys > JUDGED_KEYS) {
        k->past = k->caught < k->keys / 4;
        k->keys = k->caught = 0;
    }
    return ERR_OK;
}

static int add_past(struct sums *x, struct sums_worker *k, uint32_t n, const uint64_t *key,
                    const uint64_t *const *val)
{
    uint64_t entry[1 + SUMS_MAX_ACC];
    int rc;

    for (uint32_t i = 0; i < n; i++) {
        entry[0] = key[i] | HELD;
        for (uint32_t a = 0; a < x->n_acc; a++)
            entry[1 + a] = val[a] != NULL ? val[a][i] : 1;
        if ((rc = append(x, k, entry)) != ERR_OK)
            return rc;
    }
    return ERR_OK;
}

static int add_parts(struct sums *x, struct sums_worker *k, uint32_t n, const uint64_t *key,
                     const uint64_t *const *val)
{
    int rc = k->past ? add_past(x, k, n, key, val) : add_front(x, k, n, key, val);

    if (rc != ERR_OK || k->raw * (1 + x->n_acc) * 8 * x->n_workers <= RAW_OCTETS)
        return rc;
    return compact(x, k);
}

int sums_add(struct sums *x, unsigned worker, uint32_t n, const uint64_t *key,
             const uint64_t *const *val)
{
    struct sums_worker *k = &x->worker[worker];

    if (!x->dense)
        return add_parts(x, k, n, key, val);
    add_dense(x, k->acc, k->seen, n, key, val);
    return ERR_OK;
}

int sums_bump(struct sums *x, unsigned worker, uint64_t key, uint32_t a)
{
    static const uint64_t zero = 0, one = 1;
    const uint64_t *val[SUMS_MAX_ACC];
    int rc = x->dense ? sums_reserve(x, worker, key + 1) : ERR_OK;

    for (uint32_t i = 0; i < x->n_acc; i++)
        val[i] = i == a ? &one : &zero;
    return rc == ERR_OK ? sums_add(x, worker, 1, &key, val) : rc;
}

/* ------------------------------------------------------------------ all keys */

struct each {
    struct sums *x;
    sums_fn *fn;
    void *ctx;
    uint64_t domain;
};

static int each_part(struct each *e, unsigned worker, struct hash *h, uint32_t p)
{
    struct sums *x = e->x;
    size_t stride = 1 + x->n_acc;
    uint64_t entries = 0;
    int rc;

    for (unsigned w = 0; w < x->n_workers; w++)
        entries += x->worker[w].part[p].n;
    if (entries == 0)
        return ERR_OK;
    if ((rc = hash_room(x, h, entries)) != ERR_OK)
        return rc;
    for (unsigned w = 0; w < x->n_workers; w++) {
        hash_chunks(x, h, &x->worker[w].part[p]);
        free_part(x, &x->worker[w].part[p]);
    }
    for (uint64_t i = 0; rc == ERR_OK && i < h->n; i++)
        if (h->slot[i * stride] != 0)
            rc = e->fn(e->ctx, worker, h->slot[i * stride] & ~HELD, h->slot + i * stride + 1);
    return rc;
}

static int each_piece(struct each *e, unsigned worker, uint64_t lo, uint64_t hi)
{
    struct sums *x = e->x;
    uint64_t acc[SUMS_MAX_ACC];
    int rc = ERR_OK;

    for (uint64_t key = lo; rc == ERR_OK && key < hi; key++) {
        bool seen = false;
        memset(acc, 0, x->n_acc * sizeof *acc);
        for (unsigned w = 0; w < x->n_workers; w++) {
            const struct sums_worker *k = &x->worker[w];
            if (key >= k->domain || !k->seen[key])
                continue;
            seen = true;
            merge_acc(x, acc, k->acc + key * x->n_acc);
        }
        if (seen)
            rc = e->fn(e->ctx, worker, key, acc);
    }
    return rc;
}

static int each_worker(void *ctx, unsigned worker)
{
    struct each *e = ctx;
    struct sums *x = e->x;
    struct hash h = { 0 };
    uint64_t at;
    int rc = ERR_OK;

    while (rc == ERR_OK) {
        at = atomic_fetch_add(&x->next, 1);
        if (x->dense ? at * DENSE_PIECE >= e->domain : at >= SUMS_PARTS)
            break;
        rc = x->dense
                 ? each_piece(e, worker, at * DENSE_PIECE, MIN((at + 1) * DENSE_PIECE, e->domain))
                 : each_part(e, worker, &h, (uint32_t)at);
    }
    hash_free(x, &h);
    return rc;
}

static int empty_fronts(struct sums *x)
{
    size_t stride = 1 + x->n_acc;
    int rc = ERR_OK;

    for (unsigned w = 0; w < x->n_workers && !x->dense; w++) {
        struct sums_worker *k = &x->worker[w];
        for (uint32_t i = 0; rc == ERR_OK && i < FRONT; i++)
            if (k->front[i * stride] != 0)
                rc = append(x, k, k->front + i * stride);
        memset(k->front, 0, FRONT * stride * 8);
    }
    return rc;
}

int sums_each(struct sums *x, unsigned workers, sums_fn *fn, void *ctx)
{
    struct each e = { .x = x, .fn = fn, .ctx = ctx };
    int rc = empty_fronts(x);

    for (unsigned w = 0; w < x->n_workers; w++)
        e.domain = MAX(e.domain, x->worker[w].domain);
    atomic_store(&x->next, 0);
    return rc == ERR_OK ? pool_run(workers, each_worker, &e) : rc;
}
