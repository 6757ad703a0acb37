#include "query/table.h"

#include <stdlib.h>
#include <string.h>

int budget_take(struct budget *b, uint64_t octets)
{
    uint64_t was = atomic_load_explicit(&b->used, memory_order_relaxed);

    do {
        if (octets > b->max || was > b->max - octets)
            return ERR_LIMIT;
    } while (!atomic_compare_exchange_weak_explicit(&b->used, &was, was + octets,
                                                    memory_order_relaxed, memory_order_relaxed));
    return ERR_OK;
}

void budget_give(struct budget *b, uint64_t octets)
{
    atomic_fetch_sub_explicit(&b->used, octets, memory_order_relaxed);
}

int table_init(struct table *t, struct budget *b, uint32_t stride, uint32_t n_acc)
{
    *t = (struct table){ .budget = b, .stride = stride, .n_acc = n_acc, .mask = 1023 };
    t->slot = calloc(t->mask + 1, sizeof *t->slot);
    return t->slot != NULL ? ERR_OK : ERR_NOMEM;
}

void table_free(struct table *t)
{
    free(t->key);
    free(t->acc);
    free(t->slot);
    memset(t, 0, sizeof *t);
}

static int grow_rows(struct table *t)
{
    uint32_t cap = t->cap > 0 ? t->cap * 2 : 1024;
    uint64_t words = (uint64_t)(cap - t->cap) * (t->stride + t->n_acc);
    uint64_t *p;

    if (cap < t->cap || budget_take(t->budget, words * 8) != ERR_OK)
        return ERR_LIMIT;
    if ((p = realloc(t->key, (size_t)cap * t->stride * 8)) == NULL)
        return ERR_NOMEM;
    t->key = p;
    if (t->n_acc > 0) {
        if ((p = realloc(t->acc, (size_t)cap * t->n_acc * 8)) == NULL)
            return ERR_NOMEM;
        t->acc = p;
    }
    t->cap = cap;
    return ERR_OK;
}

static int grow_slots(struct table *t)
{
    uint64_t mask = t->mask * 2 + 1, *s;

    if (budget_take(t->budget, (t->mask + 1) * 8) != ERR_OK)
        return ERR_LIMIT;
    if ((s = calloc(mask + 1, sizeof *s)) == NULL)
        return ERR_NOMEM;
    for (uint64_t i = 0; i <= t->mask; i++) {
        uint64_t at;
        uint32_t n = (uint32_t)t->slot[i];
        if (n == 0)
            continue;
        at = table_hash(t->key + (size_t)(n - 1) * t->stride, t->stride) & mask;
        while (s[at] != 0)
            at = (at + 1) & mask;
        s[at] = t->slot[i];
    }
    free(t->slot);
    t->slot = s;
    t->mask = mask;
    return ERR_OK;
}

static uint32_t probe(const struct table *t, const uint64_t *key, uint64_t hash, uint64_t *where)
{
    uint64_t at = hash & t->mask;

    for (; t->slot[at] != 0; at = (at + 1) & t->mask) {
        uint32_t n = (uint32_t)t->slot[at] - 1;
        if (t->slot[at] >> 32 == hash >> 32 &&
            memcmp(t->key + (size_t)n * t->stride, key, t->stride * 8u) == 0)
            return n;
    }
    *where = at;
    return TABLE_NONE;
}

uint32_t table_find(const struct table *t, const uint64_t *key, uint64_t hash)
{
    uint64_t at;

    return probe(t, key, hash, &at);
}

int table_enter(struct table *t, const uint64_t *key, uint64_t hash, uint32_t *out, bool *is_new)
{
    uint64_t at = 0;
    int rc;

    *out = probe(t, key, hash, &at);
    *is_new = *out == TABLE_NONE;
    if (!*is_new)
        return ERR_OK;
    if (t->n == t->cap && (rc = grow_rows(t)) != ERR_OK)
        return rc;
    if (t->n >= t->mask / 2) {
        if ((rc = grow_slots(t)) != ERR_OK)
            return rc;
        (void)probe(t, key, hash, &at);
    }
    *out = t->n++;
    t->slot[at] = hash >> 32 << 32 | (*out + 1u);
    memcpy(t->key + (size_t)*out * t->stride, key, t->stride * 8u);
    if (t->n_acc > 0)
        memset(t->acc + (size_t)*out * t->n_acc, 0, t->n_acc * 8u);
    return ERR_OK;
}

int texts_init(struct texts *t, struct budget *b)
{
    memset(t, 0, sizeof *t);
    return table_init(&t->table, b, 1, 0);
}

void texts_free(struct texts *t)
{
    table_free(&t->table);
    free(t->octets);
    free(t->off);
    memset(t, 0, sizeof *t);
}

static int texts_room(struct texts *t, size_t len)
{
    struct budget *b = t->table.budget;

    if (t->len + len > t->cap) {
        uint64_t cap = MAX(t->cap * 2, t->len + len + 4096);
        char *p;
        if (budget_take(b, cap - t->cap) != ERR_OK)
            return ERR_LIMIT;
        if ((p = realloc(t->octets, cap)) == NULL)
            return ERR_NOMEM;
        t->octets = p;
        t->cap = cap;
    }
    if (t->table.n + 2 > t->off_cap) {
        uint32_t cap = t->off_cap * 2 + 1024;
        uint64_t *p;
        if (budget_take(b, (cap - t->off_cap) * 8ull) != ERR_OK)
            return ERR_LIMIT;
        if ((p = realloc(t->off, (size_t)cap * 8)) == NULL)
            return ERR_NOMEM;
        t->off = p;
        t->off_cap = cap;
    }
    return ERR_OK;
}

int texts_enter(struct texts *t, const void *p, size_t len, uint32_t *out)
{
    const uint8_t *q = p;
    uint64_t h = 14695981039346656037u;
    bool is_new;
    int rc;

    for (size_t i = 0; i < len; i++)
        h = (h ^ q[i]) * 1099511628211u;
    for (;; h++) { /* equal hashes of different texts: take the next number */
        uint32_t n = table_find(&t->table, &h, table_hash(&h, 1));
        if (n == TABLE_NONE)
            break;
        if (t->off[n + 1] - t->off[n] == len &&
            (len == 0 || memcmp(t->octets + t->off[n], p, len) == 0)) {
            *out = n;
            return ERR_OK;
        }
    }
    if ((rc = texts_room(t, len)) != ERR_OK ||
        (rc = table_enter(&t->table, &h, table_hash(&h, 1), out, &is_new)) != ERR_OK)
        return rc;
    if (len > 0)
        memcpy(t->octets + t->len, p, len);
    t->off[*out] = t->len;
    t->len += len;
    t->off[*out + 1] = t->len;
    return ERR_OK;
}
