#include "query/number.h"

#include <stdlib.h>
#include <string.h>

#include "query/pool.h"

#define PARTS       16u
#define SAMPLES     64u /* addresses of a rowset looked at to cut the ranges */
#define NEW         0x80000000u
#define MAX_NUMBERS (NEW - 2u)

/* One range of addresses. A slot's lower half is a number, or NEW and a place in fresh[] while the
 * wave runs; its upper half is of the hash. */
struct number_part {
    struct addr from; /* first address of the range */
    uint64_t *slot;
    uint64_t mask;
    uint32_t used;
    struct addr *fresh; /* first seen in this wave */
    uint32_t n_fresh, cap_fresh, base;
};

int number_init(struct numbering *x, struct budget *b, const struct snapshot *snap, uint8_t mask4,
                uint8_t mask6)
{
    bool masked = mask4 < 32 || mask6 < 128;

    *x = (struct numbering){ .mask4 = mask4, .mask6 = mask6, .budget = b, .snap = snap, .n = 1 };
    /* cut addresses may fall into another range: one range then */
    x->n_parts = masked ? 1 : PARTS;
    x->map = calloc(snap->n + 1, sizeof(uint32_t *));
    x->order = calloc(snap->n + 1, sizeof(uint32_t *));
    x->part = calloc(x->n_parts, sizeof *x->part);
    return x->map != NULL && x->order != NULL && x->part != NULL ? ERR_OK : ERR_NOMEM;
}

static void drop_maps(struct numbering *x)
{
    for (size_t i = x->first; x->map != NULL && i < x->end; i++) {
        free(x->map[i]);
        free(x->order[i]);
        x->map[i] = x->order[i] = NULL;
    }
    x->end = x->first;
    if (x->map_octets > 0)
        budget_give(x->budget, x->map_octets);
    x->map_octets = 0;
}

void number_free(struct numbering *x)
{
    drop_maps(x);
    for (uint32_t p = 0; x->part != NULL && p < x->n_parts; p++) {
        free(x->part[p].slot);
        free(x->part[p].fresh);
    }
    free(x->part);
    free(x->map);
    free(x->order);
    free(x->addr);
    memset(x, 0, sizeof *x);
}

/* ------------------------------------------------------------------ ranges */

static int by_addr(const void *a, const void *b)
{
    return addr_cmp(a, b);
}

static int cut_ranges(struct numbering *x)
{
    struct addr *a = malloc((x->end - x->first + 1) * SAMPLES * sizeof *a);
    size_t n = 0;

    if (a == NULL)
        return ERR_NOMEM;
    for (size_t i = x->first; i < x->end; i++) {
        const struct rowset *rs = x->snap->sets[i];
        for (uint32_t k = 0; k < SAMPLES && rs->n_addrs > 0; k++)
            a[n++] = rs->addrs[(uint64_t)k * rs->n_addrs / SAMPLES];
    }
    qsort(a, n, sizeof *a, by_addr);
    for (uint32_t p = 1; p < x->n_parts && n > 0; p++)
        x->part[p].from = a[n * p / x->n_parts];
    free(a);
    return ERR_OK;
}

/* First place of part p: of a sorted rowset a code, else a place in its order. */
static uint32_t first_of(const struct numbering *x, size_t set, uint32_t p)
{
    const struct rowset *rs = x->snap->sets[set];
    uint32_t lo = 0, hi = rs->n_addrs;

    if (x->order[set] != NULL)
        return x->order[set][p];
    if (p == 0)
        return 0;
    if (p >= x->n_parts)
        return rs->n_addrs;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (addr_cmp(&rs->addrs[mid], &x->part[p].from) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static uint32_t part_of(const struct numbering *x, const struct addr *a)
{
    uint32_t lo = 0, hi = x->n_parts;

    while (hi - lo > 1) {
        uint32_t mid = (lo + hi) / 2;
        if (addr_cmp(a, &x->part[mid].from) < 0)
            hi = mid;
        else
            lo = mid;
    }
    return lo;
}

/* ------------------------------------------------------------------ numbering */

static int grow(struct numbering *x, struct number_part *t)
{
    uint64_t mask = t->mask > 0 ? t->mask * 2 + 1 : 1023, *s;

    if (budget_take(x->budget, (mask - t->mask) * 8) != ERR_OK)
        return ERR_LIMIT;
    if ((s = calloc(mask + 1, sizeof *s)) == NULL)
        return ERR_NOMEM;
    for (uint64_t i = 0; t->slot != NULL && i <= t->mask; i++) {
        uint32_t n = (uint32_t)t->slot[i];
        uint64_t at;
        if (n == 0)
            continue;
        at = addr_hash((n & NEW) != 0 ? &t->fresh[n & ~NEW] : &x->addr[n]) & mask;
        while (s[at] != 0)
            at = (at + 1) & mask;
        s[at] = t->slot[i];
    }
    free(t->slot);
    t->slot = s;
    t->mask = mask;
    return ERR_OK;
}

static int keep_fresh(struct numbering *x, struct number_part *t, const struct addr *a)
{
    if (t->n_fresh == t->cap_fresh) {
        uint32_t cap = t->cap_fresh * 2 + 1024;
        struct addr *p;
        if (cap >= NEW || budget_take(x->budget, (cap - t->cap_fresh) * sizeof *p) != ERR_OK)
            return ERR_LIMIT;
        if ((p = realloc(t->fresh, cap * sizeof *p)) == NULL)
            return ERR_NOMEM;
        t->fresh = p;
        t->cap_fresh = cap;
    }
    t->fresh[t->n_fresh++] = *a;
    return ERR_OK;
}

static int enter(struct numbering *x, struct number_part *t, const struct addr *a, uint64_t hash,
                 uint32_t *out)
{
    uint64_t at;
    int rc;

    if (t->used >= t->mask / 2 && (rc = grow(x, t)) != ERR_OK)
        return rc;
    for (at = hash & t->mask; t->slot[at] != 0; at = (at + 1) & t->mask) {
        uint32_t n = (uint32_t)t->slot[at];
        if (t->slot[at] >> 32 == hash >> 32 &&
            addr_cmp((n & NEW) != 0 ? &t->fresh[n & ~NEW] : &x->addr[n], a) == 0) {
            *out = n;
            return ERR_OK;
        }
    }
    if ((rc = keep_fresh(x, t, a)) != ERR_OK)
        return rc;
    *out = NEW | (t->n_fresh - 1);
    t->slot[at] = hash >> 32 << 32 | *out;
    t->used++;
    return ERR_OK;
}

#define AHEAD 64u

/* Places lo .. hi-1 of a rowset; in a sorted one equal cut addresses follow each other. */
static int number_codes(struct numbering *x, struct number_part *t, size_t set, uint32_t lo,
                        uint32_t hi)
{
    const struct rowset *rs = x->snap->sets[set];
    const uint32_t *order = x->order[set] != NULL ? x->order[set] + PARTS + 1 : NULL;
    bool masked = x->n_parts == 1;
    struct addr a[AHEAD];
    uint64_t hash[AHEAD];
    uint32_t code[AHEAD], *map = x->map[set];
    int rc;

    while (lo < hi) {
        uint32_t n = MIN(AHEAD, hi - lo);
        for (uint32_t i = 0; i < n; i++, lo++) {
            code[i] = order != NULL ? order[lo] : lo;
            a[i] = masked ? number_mask(x, &rs->addrs[code[i]]) : rs->addrs[code[i]];
            hash[i] = addr_hash(&a[i]);
            if (t->mask > 0)
                __builtin_prefetch(&t->slot[hash[i] & t->mask]);
        }
        for (uint32_t i = 0; i < n; i++) {
            if (i > 0 && masked && addr_cmp(&a[i], &a[i - 1]) == 0)
                map[code[i]] = map[code[i - 1]];
            else if ((rc = enter(x, t, &a[i], hash[i], &map[code[i]])) != ERR_OK)
                return rc;
        }
    }
    return ERR_OK;
}

static int number_worker(void *ctx, unsigned worker)
{
    struct numbering *x = ctx;
    uint32_t p;
    int rc = ERR_OK;

    (void)worker;
    while (rc == ERR_OK && (p = atomic_fetch_add(&x->next, 1)) < x->n_parts)
        for (size_t i = x->first; rc == ERR_OK && i < x->end; i++)
            if (x->map[i] != NULL)
                rc = number_codes(x, &x->part[p], i, first_of(x, i, p), first_of(x, i, p + 1));
    return rc;
}

static void settle_codes(struct numbering *x, uint32_t base, size_t set, uint32_t lo, uint32_t hi)
{
    const uint32_t *order = x->order[set] != NULL ? x->order[set] + PARTS + 1 : NULL;
    uint32_t *map = x->map[set];

    for (uint32_t i = lo; i < hi; i++) {
        uint32_t c = order != NULL ? order[i] : i;
        map[c] = (map[c] & NEW) != 0 ? (map[c] & ~NEW) + base : map[c];
    }
}

/* What was new in its range gets its number; then slots and maps tell it. */
static int settle_worker(void *ctx, unsigned worker)
{
    struct numbering *x = ctx;
    uint32_t p;

    (void)worker;
    while ((p = atomic_fetch_add(&x->next, 1)) < x->n_parts) {
        struct number_part *t = &x->part[p];
        if (t->n_fresh > 0)
            memcpy(x->addr + t->base, t->fresh, t->n_fresh * sizeof *t->fresh);
        for (uint64_t s = 0; t->slot != NULL && s <= t->mask; s++)
            if ((t->slot[s] & NEW) != 0)
                t->slot[s] = (t->slot[s] & ~(uint64_t)NEW) + t->base;
        for (size_t i = x->first; i < x->end; i++)
            if (x->map[i] != NULL)
                settle_codes(x, t->base, i, first_of(x, i, p), first_of(x, i, p + 1));
    }
    return ERR_OK;
}

static int make_room(struct numbering *x)
{
    uint64_t n = x->n;
    struct addr *p;

    for (uint32_t i = 0; i < x->n_parts; i++) {
        x->part[i].base = (uint32_t)n;
        n += x->part[i].n_fresh;
        if (n > MAX_NUMBERS)
            return ERR_LIMIT;
    }
    if (budget_take(x->budget, (n - x->n) * sizeof *p) != ERR_OK)
        return ERR_LIMIT;
    if ((p = realloc(x->addr, n * sizeof *p)) == NULL)
        return ERR_NOMEM;
    x->addr = p;
    memset(&x->addr[0], 0, sizeof x->addr[0]);
    x->n = (uint32_t)n;
    return ERR_OK;
}

static void forget_fresh(struct numbering *x)
{
    for (uint32_t p = 0; p < x->n_parts; p++) {
        struct number_part *t = &x->part[p];
        budget_give(x->budget, t->cap_fresh * sizeof *t->fresh);
        free(t->fresh);
        t->fresh = NULL;
        t->n_fresh = t->cap_fresh = 0;
    }
}

/* Codes of an unsorted rowset, by range. */
static int order_codes(struct numbering *x, size_t set)
{
    const struct rowset *rs = x->snap->sets[set];
    uint32_t at[PARTS + 1] = { 0 }, *o = malloc((rs->n_addrs + PARTS + 1) * sizeof *o);
    uint8_t *of = malloc(rs->n_addrs + 1u);

    for (uint32_t c = 0; o != NULL && of != NULL && c < rs->n_addrs; c++) {
        of[c] = (uint8_t)part_of(x, &rs->addrs[c]);
        at[of[c] + 1]++;
    }
    for (uint32_t p = 0; o != NULL && p <= PARTS; p++)
        o[p] = at[p] += p > 0 ? at[p - 1] : 0;
    for (uint32_t c = 0; o != NULL && of != NULL && c < rs->n_addrs; c++)
        o[PARTS + 1 + at[of[c]]++] = c;
    x->order[set] = o;
    free(of);
    return o != NULL && of != NULL ? ERR_OK : ERR_NOMEM;
}

static int order_worker(void *ctx, unsigned worker)
{
    struct numbering *x = ctx;
    uint32_t i;
    int rc = ERR_OK;

    (void)worker;
    while (rc == ERR_OK && (i = atomic_fetch_add(&x->next, 1)) < x->end - x->first)
        if (x->map[x->first + i] != NULL && !x->snap->sets[x->first + i]->addrs_sorted)
            rc = order_codes(x, x->first + i);
    return rc;
}

static int make_maps(struct numbering *x)
{
    for (size_t i = x->first; i < x->end; i++) {
        uint64_t n = x->snap->sets[i]->n_addrs;
        if (n == 0)
            continue;
        if (budget_take(x->budget, n * 4) != ERR_OK)
            return ERR_LIMIT;
        x->map_octets += n * 4;
        if ((x->map[i] = malloc(n * sizeof(uint32_t))) == NULL)
            return ERR_NOMEM;
    }
    return ERR_OK;
}

int number_wave(struct numbering *x, size_t first, size_t end, unsigned workers)
{
    bool begun = x->n > 1;
    int rc;

    if (begun && first == x->first && end == x->end)
        return ERR_OK; /* a second pass over the one wave */
    drop_maps(x);
    x->first = first;
    x->end = end;
    if ((rc = make_maps(x)) != ERR_OK || (!begun && (rc = cut_ranges(x)) != ERR_OK))
        return rc;
    atomic_store(&x->next, 0);
    if (x->n_parts > 1 && (rc = pool_run(workers, order_worker, x)) != ERR_OK)
        return rc;
    atomic_store(&x->next, 0);
    if ((rc = pool_run(MIN(workers, x->n_parts), number_worker, x)) != ERR_OK ||
        (rc = make_room(x)) != ERR_OK)
        return rc;
    atomic_store(&x->next, 0);
    rc = pool_run(MIN(workers, x->n_parts), settle_worker, x);
    forget_fresh(x);
    return rc;
}
