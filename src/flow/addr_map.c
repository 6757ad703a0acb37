#include "flow/addr_map.h"

#include <stdlib.h>

#include "base/err.h"

#define MAPPED_LEN 96u /* ::ffff:0:0/96, all of IPv4 */

struct addr net_last(const struct net *n)
{
    struct addr a = n->a;

    for (unsigned b = n->len; b < 128; b++)
        a.b[b / 8] |= (uint8_t)(0x80u >> b % 8);
    return a;
}

struct addr addr_next(const struct addr *a)
{
    struct addr n = *a;

    for (size_t i = 16; i-- > 0 && ++n.b[i] == 0;)
        ;
    return n;
}

struct net net_of_range(const struct addr *lo, const struct addr *hi)
{
    struct net n = { .a = *lo, .len = 128 };

    while (n.len > 0) {
        struct net wider = { .a = addr_mask(lo, n.len - 1u), .len = (uint8_t)(n.len - 1) };
        struct addr last = net_last(&wider);
        if (addr_cmp(&wider.a, lo) != 0 || addr_cmp(&last, hi) > 0)
            break;
        n = wider;
    }
    return n;
}

/* A network before what lies inside it. */
static int by_place(const void *a, const void *b)
{
    const struct addr_rule *x = a, *y = b;
    int c = addr_cmp(&x->n.a, &y->n.a);

    return c != 0 ? c : (int)x->n.len - (int)y->n.len;
}

/* qsort is not stable: of equal networks the last stays, before they are sorted among others. */
static uint32_t drop_equal(struct addr_rule *r, uint32_t n)
{
    uint32_t k = 0;

    for (uint32_t i = 0; i < n; i++) {
        if (k > 0 && r[k - 1].n.len == r[i].n.len && addr_cmp(&r[k - 1].n.a, &r[i].n.a) == 0)
            k--;
        r[k++] = r[i];
    }
    return k;
}

static void merge_sort(struct addr_rule *r, struct addr_rule *room, uint32_t n)
{
    uint32_t half = n / 2, i = 0, k = half, at = 0;

    if (n < 2)
        return;
    merge_sort(r, room, half);
    merge_sort(r + half, room, n - half);
    while (i < half && k < n)
        room[at++] = by_place(&r[i], &r[k]) <= 0 ? r[i++] : r[k++];
    while (i < half)
        room[at++] = r[i++];
    memcpy(r, room, at * sizeof *r);
}

static void put(struct addr_map *m, const struct addr *lo, uint32_t v)
{
    if (m->n > 0 && addr_cmp(&m->lo[m->n - 1], lo) == 0)
        m->n--; /* nothing lay between */
    if ((m->n > 0 ? m->v[m->n - 1] : 0) == v)
        return;
    m->lo[m->n] = *lo;
    m->v[m->n++] = v;
}

/* Networks whose end comes before `next` (NULL: all) end: behind each goes on what it lies in. */
static uint32_t close_nets(struct addr_map *m, const struct addr_rule *open, uint32_t depth,
                           const struct addr *next)
{
    while (depth > 0) {
        struct addr last = net_last(&open[depth - 1].n), behind = addr_next(&last);
        if (next != NULL && addr_cmp(&last, next) >= 0)
            break;
        depth--;
        if (!addr_is_zero(&behind))
            put(m, &behind, depth > 0 ? open[depth - 1].v : 0);
    }
    return depth;
}

int addr_map_make(struct addr_map *out, const struct addr_rule *r, uint32_t n)
{
    struct addr_rule open[130]; /* one a prefix length at most lies in the other */
    struct addr_rule *all = malloc(((size_t)n + 1) * sizeof *all),
                     *room = malloc(((size_t)n + 1) * sizeof *room);
    struct addr four = addr_from_v4(0);
    struct net mapped = { .a = addr_mask(&four, MAPPED_LEN), .len = MAPPED_LEN };
    uint32_t depth = 0;
    bool wide = false, whole = false;

    *out = (struct addr_map){ .lo = malloc(((size_t)n * 2 + 3) * sizeof *out->lo),
                              .v = malloc(((size_t)n * 2 + 3) * sizeof *out->v) };
    if (all == NULL || room == NULL || out->lo == NULL || out->v == NULL) {
        free(all);
        free(room);
        addr_map_free(out);
        return ERR_NOMEM;
    }
    if (n > 0)
        memcpy(all, r, n * sizeof *all);
    for (uint32_t i = 0; i < n; i++) {
        wide |= r[i].n.len < MAPPED_LEN && net_has(&r[i].n, &mapped.a);
        whole |= r[i].n.len == MAPPED_LEN && addr_cmp(&r[i].n.a, &mapped.a) == 0;
    }
    if (wide && !whole)
        all[n++] = (struct addr_rule){ .n = mapped };
    merge_sort(all, room, n);
    n = drop_equal(all, n);
    for (uint32_t i = 0; i < n; i++) {
        depth = close_nets(out, open, depth, &all[i].n.a);
        open[depth++] = all[i];
        put(out, &all[i].n.a, all[i].v);
    }
    (void)close_nets(out, open, depth, NULL);
    free(all);
    free(room);
    return ERR_OK;
}

void addr_map_free(struct addr_map *m)
{
    free(m->lo);
    free(m->v);
    *m = (struct addr_map){ 0 };
}

/* How many ranges begin at or before a. */
static uint32_t ranges_to(const struct addr_map *m, const struct addr *a)
{
    uint32_t lo = 0, hi = m->n;

    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (addr_cmp(&m->lo[mid], a) <= 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

uint32_t addr_map_get(const struct addr_map *m, const struct addr *a)
{
    uint32_t i = ranges_to(m, a);

    return i > 0 ? m->v[i - 1] : 0;
}

void addr_map_fill(const struct addr_map *m, const struct addr *a, uint32_t n, bool sorted,
                   uint32_t *out)
{
    uint32_t k = sorted && n > 0 ? ranges_to(m, &a[0]) : 0;

    sorted = sorted && m->n / 16 <= n; /* few addresses step over many ranges */
    for (uint32_t i = 0; i < n; i++) {
        if (!sorted)
            k = ranges_to(m, &a[i]);
        while (sorted && k < m->n && addr_cmp(&m->lo[k], &a[i]) <= 0)
            k++;
        out[i] = k > 0 ? m->v[k - 1] : 0;
    }
}
