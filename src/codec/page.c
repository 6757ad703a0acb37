/* Reading pages; page_write.c writes them. */
#include "codec/page.h"

#include <string.h>

#include "codec/pack.h"

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

static int decode_simple(struct rd *r, uint64_t *out, uint32_t n)
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

/* The two pages inside a page of runs. The pages inside have no runs. */
struct runs_parts {
    uint64_t value[PAGE_VALUES], len[PAGE_VALUES];
    uint32_t n;
};

static bool get_runs(struct rd *r, uint32_t n, struct runs_parts *p)
{
    struct rd lens;
    uint64_t sum = 0;

    p->n = (uint32_t)rd_le(r, 2);
    lens = rd_sub(r, (size_t)rd_le(r, 2));
    if (!rd_ok(&lens) || p->n == 0 || p->n > n || decode_simple(&lens, p->len, p->n) != ERR_OK ||
        decode_simple(r, p->value, p->n) != ERR_OK)
        return false;
    for (uint32_t i = 0; i < p->n; i++) {
        if (p->len[i] == 0 || p->len[i] > n)
            return false;
        sum += p->len[i];
    }
    return sum == n;
}

int page_decode64(struct rd *r, uint64_t *out, uint32_t n)
{
    struct rd peek = *r;
    struct runs_parts p;

    if (rd_le(&peek, 1) != PAGE_RUNS)
        return decode_simple(r, out, n);
    if (!get_runs(&peek, n, &p))
        return ERR_FORMAT;
    for (uint32_t i = 0; i < p.n; i++)
        for (uint64_t k = p.len[i]; k > 0; k--)
            *out++ = p.value[i];
    return ERR_OK;
}

static int runs32(struct rd *r, uint32_t *out, uint32_t n)
{
    struct runs_parts p;

    if (!get_runs(r, n, &p))
        return ERR_FORMAT;
    for (uint32_t i = 0; i < p.n; i++)
        for (uint64_t k = p.len[i]; k > 0; k--)
            *out++ = (uint32_t)p.value[i];
    return ERR_OK;
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
    if (codec == PAGE_RUNS)
        return runs32(&peek, out, n);
    if (codec == PAGE_DICT) {
        return get_dict(&peek, n, &d) ? dict32(&d, out, n) : ERR_FORMAT;
    }
    if ((rc = page_decode64(r, wide, n)) != ERR_OK)
        return rc;
    for (uint32_t i = 0; i < n; i++)
        out[i] = (uint32_t)wide[i];
    return ERR_OK;
}
