/* Union of the batches' address tables, sorted; the address table and the index of pages. */
#include <stdlib.h>
#include <string.h>

#include "codec/vec.h"
#include "store/build.h"

struct key6 {
    uint64_t hi, lo;
    uint32_t at; /* place in the concatenated tables */
};

/* One stable counting pass over `bits` bits of 64-bit keys. */
static void radix64(uint64_t *to, const uint64_t *from, size_t n, unsigned shift, unsigned bits)
{
    uint32_t start[2048] = { 0 }, sum = 0, mask = (1u << bits) - 1;

    for (size_t i = 0; i < n; i++)
        start[from[i] >> shift & mask]++;
    for (uint32_t k = 0; k <= mask; k++) {
        uint32_t c = start[k];
        start[k] = sum;
        sum += c;
    }
    for (size_t i = 0; i < n; i++)
        to[start[from[i] >> shift & mask]++] = from[i];
}

static unsigned byte6(const struct key6 *k, unsigned pass)
{
    return (unsigned)((pass < 8 ? k->lo : k->hi) >> pass % 8 * 8 & 255);
}

/* One pass over octet `pass` (0 = lowest); false when all keys are alike there. */
static bool radix6(struct key6 *to, const struct key6 *from, size_t n, unsigned pass)
{
    uint32_t start[256] = { 0 }, sum = 0;

    for (size_t i = 0; i < n; i++)
        start[byte6(&from[i], pass)]++;
    if (start[byte6(&from[0], pass)] == n)
        return false;
    for (uint32_t k = 0; k < 256; k++) {
        uint32_t c = start[k];
        start[k] = sum;
        sum += c;
    }
    for (size_t i = 0; i < n; i++)
        to[start[byte6(&from[i], pass)]++] = from[i];
    return true;
}

static bool before_v4(const struct key6 *k)
{
    return k->hi == 0 && k->lo >> 32 < 0xffff;
}

/* Append sorted v6 keys [i, n) while `low` matches; returns where it stopped. */
static size_t take6(struct build *s, uint32_t *code_of, const struct key6 *k, size_t i, size_t n,
                    bool low)
{
    for (; i < n && before_v4(&k[i]) == low; i++) {
        if (i == 0 || k[i].hi != k[i - 1].hi || k[i].lo != k[i - 1].lo) {
            struct addr *a = &s->addrs[s->n_addrs++];
            be_put(a->b, k[i].hi, 8);
            be_put(a->b + 8, k[i].lo, 8);
        }
        code_of[k[i].at] = s->n_addrs - 1;
    }
    return i;
}

int build_addrs(struct build *s, uint32_t *code_of)
{
    size_t total = 0, n4 = 0, n6 = 0, i6;
    uint64_t *k4, *t4;
    struct key6 *k6, *t6;
    int rc = ERR_NOMEM;

    for (size_t i = 0; i < s->n_blocks; i++)
        total += s->block[i].n_addrs;
    k4 = malloc((total + 1) * sizeof *k4);
    t4 = malloc((total + 1) * sizeof *t4);
    for (size_t i = 0; i < s->n_blocks; i++)
        for (uint32_t k = 0; k < s->block[i].n_addrs; k++)
            n6 += !addr_is_v4(&s->block[i].b->addrs[k]);
    k6 = calloc(n6 + 1, sizeof *k6);
    t6 = malloc((n6 + 1) * sizeof *t6);
    s->addrs = malloc((total + 1) * sizeof *s->addrs);
    if (k4 == NULL || t4 == NULL || k6 == NULL || t6 == NULL || s->addrs == NULL)
        goto out;
    n6 = 0;
    for (size_t i = 0, at = 0; i < s->n_blocks; i++) {
        const struct addr *a = s->block[i].b->addrs;
        for (uint32_t k = 0; k < s->block[i].n_addrs; k++, at++) {
            if (addr_is_v4(&a[k]))
                k4[n4++] = (uint64_t)addr_v4(&a[k]) << 32 | at;
            else
                k6[n6++] = (struct key6){ be64(a[k].b), be64(a[k].b + 8), (uint32_t)at };
        }
    }
    radix64(t4, k4, n4, 32, 11);
    radix64(k4, t4, n4, 43, 11);
    radix64(t4, k4, n4, 54, 10);
    for (unsigned pass = 0; pass < 16 && n6 > 0; pass++) {
        if (radix6(t6, k6, n6, pass)) {
            struct key6 *x = k6;
            k6 = t6;
            t6 = x;
        }
    }
    i6 = take6(s, code_of, k6, 0, n6, true);
    for (size_t i = 0; i < n4; i++) {
        if (i == 0 || t4[i] >> 32 != t4[i - 1] >> 32)
            s->addrs[s->n_addrs++] = addr_from_v4((uint32_t)(t4[i] >> 32));
        code_of[(uint32_t)t4[i]] = s->n_addrs - 1;
    }
    (void)take6(s, code_of, k6, i6, n6, false);
    rc = ERR_OK;
out:
    free(k4);
    free(t4);
    free(k6);
    free(t6);
    return rc;
}

/* u32 below v4, u32 v4, u32 above; vectors: v4 differences, upper halves' differences, lower halves
 */
void build_put_addrs(struct build *s)
{
    uint64_t *v = malloc(((size_t)s->n_addrs + 1) * sizeof *v), before = 0;
    uint32_t lo = 0, v4 = 0, k = 0;
    size_t at = s->out->len;

    if (v == NULL) {
        s->out->bad = true;
        return;
    }
    while (lo < s->n_addrs && addr_cmp(&s->addrs[lo], &(struct addr){ { [10] = 0xff, 0xff } }) < 0)
        lo++;
    while (lo + v4 < s->n_addrs && addr_is_v4(&s->addrs[lo + v4]))
        v4++;
    buf_le(s->out, lo, 4);
    buf_le(s->out, v4, 4);
    buf_le(s->out, s->n_addrs - lo - v4, 4);
    for (uint32_t i = 0; i < v4; i++) {
        uint32_t a = addr_v4(&s->addrs[lo + i]);
        v[i] = a - before;
        before = a;
    }
    vec_encode(s->out, v, v4);
    before = 0;
    for (uint32_t i = 0; i < s->n_addrs; i++) {
        uint64_t hi = be64(s->addrs[i].b);
        if (i >= lo && i < lo + v4)
            continue;
        v[k++] = hi - before;
        before = hi;
    }
    vec_encode(s->out, v, k);
    k = 0;
    for (uint32_t i = 0; i < s->n_addrs; i++)
        if (i < lo || i >= lo + v4)
            v[k++] = be64(s->addrs[i].b + 8);
    vec_encode(s->out, v, k);
    s->table[TABLE_ADDRS] = build_ref(s->out, at);
    free(v);
}

/* ------------------------------------------------------------------ index: code -> pages */

struct postings {
    uint32_t *seen;     /* per code: last page + 1 that was noted */
    uint64_t *count;    /* per code */
    uint32_t *code;     /* noted codes, page by page */
    uint32_t *page_end; /* per page: how many were noted until its end */
    uint32_t n;
};

static void note(struct postings *p, const uint32_t *codes, uint32_t n, uint32_t page)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t c = codes[i];
        if (p->seen[c] == page + 1)
            continue;
        p->seen[c] = page + 1;
        p->count[c]++;
        p->code[p->n++] = c;
    }
}

/* u8 octets a page number; for every PAGE_VALUES codes u32 place of their first posting (in
 * postings); vector of counts; postings, by code, then page. */
static void put_postings(struct build *s, const struct postings *p, uint32_t n_pages)
{
    unsigned width = n_pages <= 256 ? 1 : 2;
    uint32_t *start = p->seen, sum = 0, from = 0;
    uint8_t *q;

    buf_le(s->out, width, 1);
    for (uint32_t c = 0; c < s->n_addrs; c++) {
        if (c % PAGE_VALUES == 0)
            buf_le(s->out, sum, 4);
        start[c] = sum;
        sum += (uint32_t)p->count[c];
    }
    vec_encode(s->out, p->count, s->n_addrs);
    q = buf_room(s->out, (size_t)sum * width);
    for (uint32_t page = 0; q != NULL && page < n_pages; page++) {
        for (; from < p->page_end[page]; from++) {
            uint32_t at = start[p->code[from]]++;
            if (width == 1)
                q[at] = (uint8_t)page;
            else
                le_put(q + 2u * (size_t)at, page, 2);
        }
    }
}

int build_pages(struct build *s)
{
    struct postings p = { 0 };
    uint32_t n_pages = 0;
    size_t at = s->out->len;
    int rc = ERR_NOMEM;

    for (size_t i = 0; i < s->n_blocks; i++)
        n_pages += s->block[i].n > 0 ? ROWSET_BLOCK_PAGES : 0;
    p.seen = calloc((size_t)s->n_addrs + 1, sizeof *p.seen);
    p.count = calloc((size_t)s->n_addrs + 1, sizeof *p.count);
    p.code = malloc(((size_t)s->n_rows * 2 + 1) * sizeof *p.code);
    p.page_end = calloc((size_t)n_pages + 1, sizeof *p.page_end);
    if (p.seen == NULL || p.count == NULL || p.code == NULL || p.page_end == NULL)
        goto out;
    n_pages = 0;
    for (size_t i = 0; i < s->n_blocks; i++) {
        const struct build_block *k = &s->block[i];
        if (k->n == 0)
            continue;
        for (uint32_t first = 0; first < BATCH_ROWS; first += ROWSET_VECTOR, n_pages++) {
            uint32_t n = first < k->n ? MIN(ROWSET_VECTOR, k->n - first) : 0;
            note(&p, k->src + first, n, n_pages);
            note(&p, k->dst + first, n, n_pages);
            p.page_end[n_pages] = p.n;
        }
    }
    put_postings(s, &p, n_pages);
    s->table[TABLE_PAGES] = build_ref(s->out, at);
    rc = ERR_OK;
out:
    free(p.seen);
    free(p.count);
    free(p.code);
    free(p.page_end);
    return rc;
}
