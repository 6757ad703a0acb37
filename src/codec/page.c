#include "codec/page.h"

#include <string.h>

#include "codec/pack.h"

#define DICT_MAX   255u
#define DICT_SLOTS 16384u /* > 2 * PAGE_VALUES: the search for a free slot stays short */

/* ------------------------------------------------------------------ plans: what each codec costs
 */

/* Frame of reference with exceptions, or raw octets where that is cheaper. */
struct for_plan {
    uint64_t base;
    unsigned w;    /* bits packed */
    unsigned xb;   /* octets an exception, 0 = there are none */
    unsigned raw;  /* > 0: raw form with that many octets a value */
    uint32_t nx;   /* exceptions */
    size_t octets; /* in all */
};

struct dict_plan {
    unsigned w, vb;
    uint32_t k, n_escapes;
    size_t octets;
    uint64_t value[DICT_MAX + 1]; /* 1..k by falling frequency */
};

static unsigned width_of(uint64_t v)
{
    return v == 0 ? 0 : 64u - (unsigned)__builtin_clzll(v);
}

/* Octets, of those sizes that can be loaded at once, for w bits. */
static unsigned octets_of(unsigned w)
{
    return w <= 8 ? 1 : w <= 16 ? 2 : w <= 32 ? 4 : 8;
}

SIMD_CLONES
static void signed_bounds(const uint64_t *v, uint32_t n, uint64_t *min, uint64_t *max)
{
    int64_t lo = INT64_MAX, hi = INT64_MIN;

    for (uint32_t i = 0; i < n; i++) {
        int64_t x = (int64_t)v[i];
        lo = x < lo ? x : lo;
        hi = x > hi ? x : hi;
    }
    *min = (uint64_t)lo;
    *max = (uint64_t)hi;
}

/* Histogram of bit widths; four tables, so that a run of one width does not wait for itself. */
static void widths(const uint64_t *v, uint32_t n, uint64_t base, uint32_t hist[65])
{
    uint32_t h[4][65] = { { 0 } };
    uint32_t i = 0;

    for (; i + 4 <= n; i += 4)
        for (unsigned k = 0; k < 4; k++)
            h[k][width_of(v[i + k] - base)]++;
    for (; i < n; i++)
        h[0][width_of(v[i] - base)]++;
    for (unsigned w = 0; w <= 64; w++)
        hist[w] = h[0][w] + h[1][w] + h[2][w] + h[3][w];
}

static struct for_plan plan_for(const uint64_t *v, uint32_t n)
{
    struct for_plan p = { .octets = SIZE_MAX };
    uint64_t max;
    uint32_t hist[65], above = 0;
    unsigned top;

    signed_bounds(v, n, &p.base, &max);
    top = width_of(max - p.base);
    widths(v, n, p.base, hist);
    for (unsigned w = top + 1; w-- > 0;) {
        size_t cost = 13 + pack_octets(n, w) + (size_t)above * (2 + octets_of(top));
        if (w <= 32 && cost < p.octets) {
            p.w = w;
            p.nx = above;
            p.xb = above > 0 ? octets_of(top) : 0;
            p.octets = cost;
        }
        above += hist[w];
    }
    /* packed bits decode faster; raw is for few values (groups are 256) and for wide ones */
    if ((10 + (size_t)n * octets_of(top)) * 17 / 16 < p.octets) {
        p.raw = octets_of(top);
        p.octets = 10 + (size_t)n * p.raw;
    }
    return p;
}

struct tally {
    uint64_t value;
    uint32_t count;
};

static uint32_t dict_slot(uint64_t v)
{
    return (uint32_t)(v * 0x9e3779b97f4a7c15u >> 50); /* 14 bits */
}

/* Sort by falling count, then rising value: a total order, so files do not depend on the sort. */
static void sort_tallies(struct tally *t, uint32_t n)
{
    for (uint32_t gap = n / 2; gap > 0; gap /= 2) {
        for (uint32_t i = gap; i < n; i++) {
            struct tally x = t[i];
            uint32_t j = i;
            while (j >= gap && (t[j - gap].count < x.count ||
                                (t[j - gap].count == x.count && t[j - gap].value > x.value))) {
                t[j] = t[j - gap];
                j -= gap;
            }
            t[j] = x;
        }
    }
}

/* Distinct values of the page with their counts; returns how many. */
static uint32_t tally_values(const uint64_t *v, uint32_t n, struct tally *t)
{
    uint16_t slots[DICT_SLOTS] = { 0 };
    uint32_t k = 0;

    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = dict_slot(v[i]);
        while (slots[at] != 0 && t[slots[at] - 1].value != v[i])
            at = (at + 1) % DICT_SLOTS;
        if (slots[at] == 0) {
            t[k] = (struct tally){ v[i], 0 };
            slots[at] = (uint16_t)++k;
        }
        t[slots[at] - 1].count++;
    }
    return k;
}

/* A value that stands once costs as much in the dictionary as an escape. */
static uint32_t drop_singles(struct tally *t, uint32_t n)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < n; i++)
        if (t[i].count > 1)
            t[kept++] = t[i];
    return kept;
}

static void plan_dict(const uint64_t *v, uint32_t n, struct dict_plan *p)
{
    struct tally t[PAGE_VALUES];
    uint32_t k = tally_values(v, n, t);
    uint64_t all = 0;

    p->octets = SIZE_MAX;
    for (uint32_t i = 0; i < k; i++)
        all |= t[i].value;
    p->vb = octets_of(width_of(all));
    k = drop_singles(t, k);
    sort_tallies(t, k);
    for (unsigned w = 1; w <= 8; w++) {
        uint32_t keep = MIN(k, (1u << w) - 1), covered = 0;
        size_t cost;
        for (uint32_t i = 0; i < keep; i++)
            covered += t[i].count;
        cost = 6 + pack_octets(n, w) + (size_t)(keep + n - covered) * p->vb;
        if (cost < p->octets) {
            p->octets = cost;
            p->w = w;
            p->k = keep;
            p->n_escapes = n - covered;
        }
        if (keep == k)
            break;
    }
    for (uint32_t i = 0; i < p->k; i++)
        p->value[i + 1] = t[i].value;
}

/* ------------------------------------------------------------------ writing */

static void put_for(struct buf *out, const uint64_t *v, uint32_t n, const struct for_plan *p)
{
    uint32_t low[PAGE_VALUES];
    uint8_t *q;

    if (p->raw > 0) {
        buf_le(out, p->raw + 64, 1);
        buf_le(out, p->base, 8);
        q = buf_room(out, (size_t)n * p->raw);
        for (uint32_t i = 0; q != NULL && i < n; i++, q += p->raw)
            le_put(q, v[i] - p->base, p->raw);
        return;
    }
    buf_le(out, p->w, 1);
    buf_le(out, p->base, 8);
    buf_le(out, p->xb, 1);
    buf_le(out, p->nx, 2);
    for (uint32_t i = 0; i < n; i++)
        low[i] = (uint32_t)(v[i] - p->base);
    for (uint32_t i = n; i < (n + PACK_GROUP - 1) / PACK_GROUP * PACK_GROUP; i++)
        low[i] = 0;
    q = buf_room(out, pack_octets(n, p->w));
    if (q != NULL)
        pack_bits(q, low, n, p->w);
    if (p->nx == 0)
        return;
    q = buf_room(out, (size_t)p->nx * (2 + p->xb));
    if (q == NULL)
        return;
    for (uint32_t i = 0, x = 0; i < n; i++) {
        uint64_t r = v[i] - p->base;
        if (width_of(r) <= p->w)
            continue;
        le_put(q + 2u * x, i, 2);
        le_put(q + 2u * p->nx + (size_t)x * p->xb, r, p->xb);
        x++;
    }
}

static void put_dict(struct buf *out, const uint64_t *v, uint32_t n, const struct dict_plan *p)
{
    uint16_t slots[1024] = { 0 };
    uint32_t code[PAGE_VALUES], groups = (n + PACK_GROUP - 1) / PACK_GROUP * PACK_GROUP;
    uint8_t *q;

    buf_le(out, p->w, 1);
    buf_le(out, p->vb, 1);
    buf_le(out, p->k, 1);
    buf_le(out, p->n_escapes, 2);
    for (uint32_t i = 1; i <= p->k; i++) {
        uint32_t at = dict_slot(p->value[i]) >> 4;
        while (slots[at] != 0)
            at = (at + 1) % 1024;
        slots[at] = (uint16_t)i;
        buf_le(out, p->value[i], p->vb);
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = dict_slot(v[i]) >> 4;
        while (slots[at] != 0 && p->value[slots[at]] != v[i])
            at = (at + 1) % 1024;
        code[i] = slots[at];
    }
    for (uint32_t i = n; i < groups; i++)
        code[i] = 0;
    q = buf_room(out, pack_octets(n, p->w));
    if (q != NULL)
        pack_bits(q, code, n, p->w);
    for (uint32_t i = 0; p->n_escapes > 0 && i < n; i++)
        if (code[i] == 0)
            buf_le(out, v[i], p->vb);
}

static void deltas(const uint64_t *v, uint32_t n, uint64_t *d)
{
    d[0] = 0;
    for (uint32_t i = 1; i < n; i++) {
        uint64_t x = v[i] - v[i - 1];
        d[i] = x << 1 ^ (uint64_t)((int64_t)x >> 63);
    }
}

static bool all_equal(const uint64_t *v, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++)
        if (v[i] != v[0])
            return false;
    return true;
}

/* All plans of one page; only those asked for are filled in. */
struct trial {
    struct for_plan direct, delta;
    struct dict_plan dict;
    uint64_t d[PAGE_VALUES];
};

static size_t try_codec(struct trial *t, enum page_codec codec, const uint64_t *v, uint32_t n)
{
    switch (codec) {
    case PAGE_FOR:
    case PAGE_RAW:
    case PAGE_CONST:
        t->direct = plan_for(v, n);
        return t->direct.octets;
    case PAGE_DELTA:
        deltas(v, n, t->d);
        t->delta = plan_for(t->d, n);
        return t->delta.octets + 8;
    case PAGE_DICT:
        plan_dict(v, n, &t->dict);
        return t->dict.octets;
    case PAGE_CODEC_N:
        break;
    }
    return SIZE_MAX;
}

static enum page_codec choose(struct trial *t, const uint64_t *v, uint32_t n, struct page_choice *c)
{
    enum page_codec best = PAGE_FOR;
    size_t least, octets;

    if (c->known) {
        octets = try_codec(t, c->codec, v, n);
        if (octets * 5 * c->n <= c->octets * 6 * n)
            return c->codec;
    }
    least = try_codec(t, PAGE_FOR, v, n);
    for (enum page_codec k = PAGE_DELTA; k <= PAGE_DICT; k++) {
        octets = try_codec(t, k, v, n);
        /* slower to decode than packed bits: must save 5 % */
        if (octets + octets / 20 < least) {
            least = octets;
            best = k;
        }
    }
    *c = (struct page_choice){ .known = true, .codec = (uint8_t)best, .octets = least, .n = n };
    return best;
}

void page_encode(struct buf *out, const uint64_t *v, uint32_t n, struct page_choice *c)
{
    struct trial t;

    if (all_equal(v, n)) {
        buf_le(out, PAGE_CONST, 1);
        buf_le(out, v[0], 8);
        return;
    }
    switch (choose(&t, v, n, c)) {
    case PAGE_DELTA:
        buf_le(out, PAGE_DELTA, 1);
        buf_le(out, v[0], 8);
        put_for(out, t.d, n, &t.delta);
        return;
    case PAGE_DICT:
        buf_le(out, PAGE_DICT, 1);
        put_dict(out, v, n, &t.dict);
        return;
    case PAGE_FOR:
    case PAGE_RAW:
    case PAGE_CONST:
    case PAGE_CODEC_N:
        break;
    }
    buf_le(out, t.direct.raw > 0 ? PAGE_RAW : PAGE_FOR, 1);
    put_for(out, v, n, &t.direct);
}

/* ------------------------------------------------------------------ reading */

/* Where the pieces of a page of the form FOR lie. */
struct for_parts {
    uint64_t base;
    unsigned w, xb, raw;
    uint32_t nx;
    const uint8_t *packed, *pos, *values;
};

static bool get_for(struct rd *r, uint32_t n, struct for_parts *p)
{
    memset(p, 0, sizeof *p);
    p->w = (unsigned)rd_le(r, 1);
    p->base = rd_le(r, 8);
    if (p->w > 64) {
        p->raw = p->w - 64;
        if (p->raw != 1 && p->raw != 2 && p->raw != 4 && p->raw != 8)
            return false;
        p->packed = rd_take(r, (size_t)n * p->raw);
        return p->packed != NULL && r->left == 0;
    }
    p->xb = (unsigned)rd_le(r, 1);
    p->nx = (uint32_t)rd_le(r, 2);
    if (p->w > 32 || p->xb > 8 || (p->nx > 0 && p->xb == 0) || p->nx > n)
        return false;
    p->packed = rd_take(r, pack_octets(n, p->w));
    p->pos = rd_take(r, (size_t)p->nx * 2);
    p->values = rd_take(r, (size_t)p->nx * p->xb);
    if (p->packed == NULL || !rd_ok(r) || r->left != 0)
        return false;
    for (uint32_t x = 0; x < p->nx; x++)
        if (le16(p->pos + 2u * x) >= n)
            return false;
    return true;
}

static inline uint64_t le_uint(const uint8_t *p, unsigned n)
{
    switch (n) {
    case 1:
        return p[0];
    case 2:
        return le16(p);
    case 4:
        return le32(p);
    case 8:
        return le64(p);
    default:
        break;
    }
    uint64_t v = 0;
    for (unsigned i = n; i-- > 0;)
        v = v << 8 | p[i];
    return v;
}

SIMD_CLONES
static void widen(uint64_t *restrict out, const uint32_t *restrict in, uint32_t n, uint64_t base)
{
    for (uint32_t i = 0; i < n; i++)
        out[i] = in[i] + base;
}

static void raw64(const struct for_parts *p, uint64_t *out, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        out[i] = p->base + le_uint(p->packed + (size_t)i * p->raw, p->raw);
}

static void for32(const struct for_parts *p, uint32_t *out, uint32_t n)
{
    uint32_t base = (uint32_t)p->base;

    if (p->raw > 0) {
        for (uint32_t i = 0; i < n; i++)
            out[i] = base + (uint32_t)le_uint(p->packed + (size_t)i * p->raw, p->raw);
        return;
    }
    unpack_bits(out, p->packed, n, p->w, base);
    for (uint32_t x = 0; x < p->nx; x++)
        out[le16(p->pos + 2u * x)] = base + (uint32_t)le_uint(p->values + (size_t)x * p->xb, p->xb);
}

static void for64(const struct for_parts *p, uint64_t *out, uint32_t n)
{
    uint32_t low[PAGE_VALUES];

    if (p->raw > 0) {
        raw64(p, out, n);
        return;
    }
    unpack_bits(low, p->packed, n, p->w, 0);
    widen(out, low, n, p->base);
    for (uint32_t x = 0; x < p->nx; x++)
        out[le16(p->pos + 2u * x)] = p->base + le_uint(p->values + (size_t)x * p->xb, p->xb);
}

/* Where the pieces of a dictionary page lie. */
struct dict_parts {
    unsigned w, vb;
    uint32_t k, n_escapes;
    const uint8_t *values, *packed, *escapes;
};

static bool get_dict(struct rd *r, uint32_t n, struct dict_parts *p)
{
    p->w = (unsigned)rd_le(r, 1);
    p->vb = (unsigned)rd_le(r, 1);
    p->k = (uint32_t)rd_le(r, 1);
    p->n_escapes = (uint32_t)rd_le(r, 2);
    if (!rd_ok(r) || p->w == 0 || p->w > 8 || p->vb == 0 || p->vb > 8 || p->n_escapes > n ||
        p->k >> p->w != 0)
        return false;
    p->values = rd_take(r, (size_t)p->k * p->vb);
    p->packed = rd_take(r, pack_octets(n, p->w));
    p->escapes = rd_take(r, (size_t)p->n_escapes * p->vb);
    return rd_ok(r) && r->left == 0 && p->values != NULL && p->packed != NULL && p->escapes != NULL;
}

/* Codes must not name more than the page holds. */
SIMD_CLONES
static bool codes_fit(const uint32_t *code, uint32_t n, uint32_t k, uint32_t n_escapes)
{
    uint32_t zeros = 0, top = 0;

    for (uint32_t i = 0; i < n; i++) {
        zeros += code[i] == 0;
        top = code[i] > top ? code[i] : top;
    }
    return zeros == n_escapes && top <= k;
}

/* Little-endian numbers of vb octets; the sizes that the encoder writes have loops of their own. */
static void numbers64(uint64_t *out, const uint8_t *p, uint32_t n, unsigned vb)
{
    if (vb == 1)
        for (uint32_t i = 0; i < n; i++)
            out[i] = p[i];
    else if (vb == 2)
        for (uint32_t i = 0; i < n; i++)
            out[i] = le16(p + 2 * (size_t)i);
    else if (vb == 4)
        for (uint32_t i = 0; i < n; i++)
            out[i] = le32(p + 4 * (size_t)i);
    else
        for (uint32_t i = 0; i < n; i++)
            out[i] = le_uint(p + (size_t)i * vb, vb);
}

static void numbers32(uint32_t *out, const uint8_t *p, uint32_t n, unsigned vb)
{
    if (vb == 1)
        for (uint32_t i = 0; i < n; i++)
            out[i] = p[i];
    else if (vb == 2)
        for (uint32_t i = 0; i < n; i++)
            out[i] = le16(p + 2 * (size_t)i);
    else
        for (uint32_t i = 0; i < n; i++)
            out[i] = (uint32_t)le_uint(p + (size_t)i * vb, vb);
}

static int dict64(const struct dict_parts *p, uint64_t *out, uint32_t n)
{
    uint64_t value[256] = { 0 }, escape[PAGE_VALUES + 1];
    uint32_t code[PAGE_VALUES], at = 0;

    unpack_bits(code, p->packed, n, p->w, 0);
    if (!codes_fit(code, n, p->k, p->n_escapes))
        return ERR_FORMAT;
    numbers64(value + 1, p->values, p->k, p->vb);
    if (p->n_escapes == 0) {
        for (uint32_t i = 0; i < n; i++)
            out[i] = value[code[i]];
        return ERR_OK;
    }
    numbers64(escape, p->escapes, p->n_escapes, p->vb);
    escape[p->n_escapes] = 0; /* read, never used, behind the last escape */
    for (uint32_t i = 0; i < n; i++) {
        uint32_t c = code[i], none = c == 0;
        out[i] = value[c] | (escape[at] & (0 - (uint64_t)none)); /* value[0] is 0 */
        at += none;
    }
    return ERR_OK;
}

/* In place: a second array of codes would stand in the way of the stores. */
static int dict32(const struct dict_parts *p, uint32_t *out, uint32_t n)
{
    uint32_t value[256] = { 0 }, escape[PAGE_VALUES + 1], at = 0;

    unpack_bits(out, p->packed, n, p->w, 0);
    if (!codes_fit(out, n, p->k, p->n_escapes))
        return ERR_FORMAT;
    numbers32(value + 1, p->values, p->k, p->vb);
    if (p->n_escapes == 0) {
        for (uint32_t i = 0; i < n; i++)
            out[i] = value[out[i]];
        return ERR_OK;
    }
    numbers32(escape, p->escapes, p->n_escapes, p->vb);
    escape[p->n_escapes] = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t c = out[i], none = 0 - (uint32_t)(c == 0);
        out[i] = value[c] | (escape[at] & none);
        at -= none;
    }
    return ERR_OK;
}

static uint64_t unzigzag(uint64_t z)
{
    return z >> 1 ^ (0 - (z & 1));
}

static int decode_delta(struct rd *r, uint64_t *out, uint32_t n)
{
    uint64_t sum = rd_le(r, 8);
    struct for_parts p;

    if (!get_for(r, n, &p))
        return ERR_FORMAT;
    for64(&p, out, n);
    for (uint32_t i = 0; i < n; i++) {
        sum += unzigzag(out[i]);
        out[i] = sum;
    }
    return ERR_OK;
}

int page_decode64(struct rd *r, uint64_t *out, uint32_t n)
{
    unsigned codec = (unsigned)rd_le(r, 1);
    struct for_parts p;
    struct dict_parts d;
    uint64_t v;

    switch (codec) {
    case PAGE_CONST:
        v = rd_le(r, 8);
        if (!rd_ok(r) || r->left != 0)
            return ERR_FORMAT;
        for (uint32_t i = 0; i < n; i++)
            out[i] = v;
        return ERR_OK;
    case PAGE_RAW:
    case PAGE_FOR:
        if (!get_for(r, n, &p) || (p.raw > 0) != (codec == PAGE_RAW))
            return ERR_FORMAT;
        for64(&p, out, n);
        return ERR_OK;
    case PAGE_DELTA:
        return decode_delta(r, out, n);
    case PAGE_DICT:
        return get_dict(r, n, &d) ? dict64(&d, out, n) : ERR_FORMAT;
    default:
        return ERR_FORMAT;
    }
}

int page_decode32(struct rd *r, uint32_t *out, uint32_t n)
{
    struct rd peek = *r;
    unsigned codec = (unsigned)rd_le(&peek, 1);
    struct for_parts p;
    struct dict_parts d;
    uint64_t wide[PAGE_VALUES];
    int rc;

    if (codec == PAGE_FOR || codec == PAGE_RAW) {
        if (!get_for(&peek, n, &p) || (p.raw > 0) != (codec == PAGE_RAW))
            return ERR_FORMAT;
        for32(&p, out, n);
        return ERR_OK;
    }
    if (codec == PAGE_DICT) {
        return get_dict(&peek, n, &d) ? dict32(&d, out, n) : ERR_FORMAT;
    }
    if ((rc = page_decode64(r, wide, n)) != ERR_OK)
        return rc;
    for (uint32_t i = 0; i < n; i++)
        out[i] = (uint32_t)wide[i];
    return ERR_OK;
}
