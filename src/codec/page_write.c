/* Writing pages: what each codec would cost, the cheapest one's octets. Whatever fits is done on
 * 32-bit numbers, in plain loops that the compiler turns into vector instructions. */
#include <string.h>

#include "codec/pack.h"
#include "codec/page.h"

#define ROOM         PAGE_VALUES /* a multiple of PACK_GROUP */
#define DICT_MAX     255u
#define DICT_SLOTS   16384u /* > 2 * PAGE_VALUES: the search for a free slot stays short */
#define FEW          1024u  /* as many possible values are few */
#define DIRECT_RANGE 65536u /* values below are counted in a table, others in a hash */
#define SAMPLE_STEP  4u     /* widths are looked at in every 4th value of a long page */
#define RUN_MEAN     6u     /* values a run at least, for runs to be tried */
#define SPARSE_LOOKS 16u    /* values looked at for one that nearly all have */

/* A page as the codecs see it. */
struct page_in {
    uint64_t base;  /* smallest value, as a signed number */
    uint64_t range; /* largest - smallest */
    uint32_t n;
    const uint32_t *off;  /* value - base, UINT32_MAX where that is more; zeros behind, up to a
                             whole group */
    const uint64_t *wide; /* the values where range needs more than 32 bits, else NULL */
};

/* Frame of reference with exceptions, or raw octets where that is cheaper. */
struct for_plan {
    uint64_t base;
    unsigned w;    /* bits packed */
    unsigned xb;   /* octets an exception, 0 = there are none */
    unsigned raw;  /* > 0: raw form with that many octets a value */
    uint32_t nx;   /* exceptions */
    bool sparse;   /* w = 0 and the base is the value that most have; smaller ones wrap */
    size_t octets; /* in all */
};

struct dict_plan {
    unsigned w, vb;
    uint32_t k, n_escapes, distinct;
    bool direct;
    size_t octets;
    uint64_t value[DICT_MAX + 1]; /* 1..k by falling frequency */
    uint32_t key[ROOM];           /* distinct values, as they come: off, or place of the first */
    uint8_t code[ROOM];           /* of each distinct value */
    uint16_t of[ROOM];            /* not direct: number of the distinct value of each value */
};

struct runs_plan {
    uint32_t n;
    size_t octets; /* SIZE_MAX: too many */
    uint64_t value[ROOM / RUN_MEAN + 1];
    uint32_t len[ROOM / RUN_MEAN + 1];
};

struct trial {
    struct for_plan direct, delta;
    struct dict_plan dict;
    struct runs_plan runs;
    struct page_in deltas;
    uint64_t d64[ROOM];
    uint32_t d[ROOM], d_off[ROOM];
};

/* Tables by value, for pages whose values lie within 65536. `count` is all zero between calls;
 * `code` is written before it is read. */
struct by_value {
    uint16_t count[DIRECT_RANGE];
    uint8_t code[DIRECT_RANGE];
};
static _Thread_local struct by_value by_value;

static unsigned width_of(uint64_t v)
{
    return v == 0 ? 0 : 64u - (unsigned)__builtin_clzll(v);
}

/* Octets, of those sizes that can be loaded at once, for w bits. */
static unsigned octets_of(unsigned w)
{
    return w <= 8 ? 1 : w <= 16 ? 2 : w <= 32 ? 4 : 8;
}

/* le_put() of 1, 2, 4 or 8 octets, each as one store. */
static inline void put_octets(uint8_t *q, uint64_t v, unsigned n)
{
    if (n == 1)
        q[0] = (uint8_t)v;
    else if (n == 2)
        le_put(q, v, 2);
    else if (n == 4)
        le_put(q, v, 4);
    else
        le_put(q, v, 8);
}

static inline uint64_t rest_at(const struct page_in *p, uint32_t i)
{
    return p->wide != NULL ? p->wide[i] - p->base : p->off[i];
}

/* ------------------------------------------------------------------ loops over a page */

SIMD_CLONES
static void bounds64(const uint64_t *v, uint32_t n, uint64_t *min, uint64_t *max)
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

SIMD_CLONES
static void bounds32(const uint32_t *v, uint32_t n, uint32_t *min, uint32_t *max)
{
    uint32_t lo = UINT32_MAX, hi = 0;

    for (uint32_t i = 0; i < n; i++) {
        lo = v[i] < lo ? v[i] : lo;
        hi = v[i] > hi ? v[i] : hi;
    }
    *min = lo;
    *max = hi;
}

SIMD_CLONES
static void narrow(uint32_t *restrict to, const uint64_t *restrict v, uint32_t n, uint64_t base)
{
    for (uint32_t i = 0; i < n; i++)
        to[i] = (uint32_t)(v[i] - base);
}

SIMD_CLONES
static void subtract(uint32_t *restrict to, const uint32_t *restrict v, uint32_t n, uint32_t base)
{
    for (uint32_t i = 0; i < n; i++)
        to[i] = v[i] - base;
}

SIMD_CLONES
static void zigzag32(uint32_t *restrict d, const uint32_t *restrict off, uint32_t n)
{
    d[0] = 0;
    for (uint32_t i = 1; i < n; i++) {
        uint32_t x = off[i] - off[i - 1];
        d[i] = x << 1 ^ (0 - (x >> 31));
    }
}

SIMD_CLONES
static uint32_t count_above(const uint32_t *off, uint32_t n, uint32_t limit)
{
    uint32_t c = 0;

    for (uint32_t i = 0; i < n; i++)
        c += off[i] > limit;
    return c;
}

SIMD_CLONES
static uint32_t count_other(const uint32_t *off, uint32_t n, uint32_t x)
{
    uint32_t c = 0;

    for (uint32_t i = 0; i < n; i++)
        c += off[i] != x;
    return c;
}

SIMD_CLONES
static uint32_t count_changes(const uint32_t *off, uint32_t n)
{
    uint32_t c = 0;

    for (uint32_t i = 1; i < n; i++)
        c += off[i] != off[i - 1];
    return c;
}

static uint32_t whole_groups(uint32_t n)
{
    return (n + PACK_GROUP - 1) / PACK_GROUP * PACK_GROUP;
}

static void pad(uint32_t *v, uint32_t n)
{
    memset(v + n, 0, (whole_groups(n) - n) * sizeof *v);
}

static void take64(struct page_in *p, const uint64_t *v, uint32_t n, uint32_t *room)
{
    uint64_t max;

    bounds64(v, n, &p->base, &max);
    p->range = max - p->base;
    p->n = n;
    p->off = room;
    p->wide = p->range > UINT32_MAX ? v : NULL;
    if (p->wide == NULL)
        narrow(room, v, n, p->base);
    else
        for (uint32_t i = 0; i < n; i++)
            room[i] = (uint32_t)MIN(v[i] - p->base, (uint64_t)UINT32_MAX);
    pad(room, n);
}

static void take32(struct page_in *p, const uint32_t *v, uint32_t n, uint32_t *room)
{
    uint32_t min, max;

    bounds32(v, n, &min, &max);
    *p = (struct page_in){ .base = min, .range = max - min, .n = n, .off = room };
    if (min == 0 && n % PACK_GROUP == 0) {
        p->off = v;
        return;
    }
    subtract(room, v, n, min);
    pad(room, n);
}

/* ------------------------------------------------------------------ frame of reference */

/* How many values have which width, in the sample; returns the values looked at. */
static uint32_t widths(const struct page_in *p, uint32_t hist[66])
{
    uint32_t step = p->wide == NULL && p->n >= 2048 ? SAMPLE_STEP : 1, seen = 0;
    uint32_t h[2][66] = { { 0 } };

    for (uint32_t i = 0; i < p->n; i += step, seen++)
        h[seen & 1][width_of(rest_at(p, i))]++;
    for (unsigned w = 0; w <= 64; w++)
        hist[w] = h[0][w] + h[1][w];
    return seen;
}

static uint32_t exceptions(const struct page_in *p, unsigned w)
{
    uint32_t c = 0;

    if (p->wide == NULL)
        return w >= 32 ? 0 : count_above(p->off, p->n, (1u << w) - 1);
    for (uint32_t i = 0; i < p->n; i++)
        c += rest_at(p, i) >> w != 0;
    return c;
}

/* One value that nearly all have: no bits, the others as exceptions. Its place, or p->n. */
static uint32_t common_value(const struct page_in *p)
{
    uint32_t step = p->n / SPARSE_LOOKS, place = 0, votes = 0, same = 0;

    if (step == 0)
        return p->n;
    for (uint32_t k = 0; k < SPARSE_LOOKS; k++) {
        uint32_t at = k * step;
        if (votes == 0)
            place = at;
        votes += rest_at(p, at) == rest_at(p, place) ? 1u : 0u - 1u;
    }
    for (uint32_t k = 0; k < SPARSE_LOOKS; k++)
        same += rest_at(p, k * step) == rest_at(p, place);
    return same >= SPARSE_LOOKS * 3 / 4 ? place : p->n;
}

static void plan_sparse(const struct page_in *p, struct for_plan *f)
{
    uint32_t place = common_value(p), nx;
    uint64_t most;
    unsigned xb;
    size_t octets;

    if (place == p->n)
        return;
    most = rest_at(p, place);
    xb = most > 0 ? 8 : octets_of(width_of(p->range)); /* below the base: wraps, all 64 bits */
    if (p->wide == NULL) {
        nx = count_other(p->off, p->n, (uint32_t)most);
    } else {
        nx = 0;
        for (uint32_t i = 0; i < p->n; i++)
            nx += rest_at(p, i) != most;
    }
    octets = 13 + (size_t)nx * (2 + xb);
    if (octets >= f->octets)
        return;
    *f = (struct for_plan){
        .base = p->base + most, .xb = nx > 0 ? xb : 0, .nx = nx, .sparse = true, .octets = octets
    };
}

static void plan_for(const struct page_in *p, struct for_plan *f)
{
    uint32_t hist[66], seen = widths(p, hist), above = 0;
    unsigned top = width_of(p->range), best = MIN(top, 32u);
    size_t least = SIZE_MAX, whole;

    for (unsigned w = top + 1; w-- > 0;) {
        size_t cost = pack_octets(p->n, w) + (size_t)above * p->n / seen * (2 + octets_of(top));
        if (w <= 32 && cost < least) {
            least = cost;
            best = w;
        }
        above += hist[w];
    }
    *f = (struct for_plan){ .base = p->base, .w = best, .nx = exceptions(p, best) };
    f->xb = f->nx > 0 ? octets_of(top) : 0;
    f->octets = 13 + pack_octets(p->n, best) + (size_t)f->nx * (2 + f->xb);
    whole = 13 + pack_octets(p->n, top);
    if (top <= 32 && whole < f->octets) /* the sample had too few of the large ones */
        *f = (struct for_plan){ .base = p->base, .w = top, .octets = whole };
    plan_sparse(p, f);
    /* packed bits decode faster; raw is for few values (groups are 256) and for wide ones */
    whole = 10 + (size_t)p->n * octets_of(top);
    if (whole * 17 / 16 < f->octets)
        *f = (struct for_plan){ .base = p->base, .raw = octets_of(top), .octets = whole };
}

/* Places of the exceptions; one more is written than there are. */
static void find_exceptions(const struct page_in *p, const struct for_plan *f, uint16_t *place)
{
    uint64_t shift = f->base - p->base, limit = f->sparse ? 0 : (1ull << f->w) - 1;
    uint32_t x = 0;

    if (p->wide == NULL) { /* no branch: where the next one comes cannot be foreseen */
        uint32_t s = (uint32_t)shift, l = (uint32_t)limit;
        for (uint32_t i = 0; i < p->n; i++) {
            place[x] = (uint16_t)i;
            x += p->off[i] - s > l;
        }
        return;
    }
    for (uint32_t i = 0; i < p->n; i++) {
        place[x] = (uint16_t)i;
        x += p->wide[i] - f->base > limit;
    }
}

static void put_exceptions(uint8_t *q, const struct page_in *p, const struct for_plan *f)
{
    uint64_t shift = f->base - p->base;
    uint8_t *values = q + 2u * f->nx;
    uint16_t place[ROOM + 1];

    find_exceptions(p, f, place);
    for (uint32_t x = 0; x < f->nx; x++) {
        le_put(q + 2u * x, place[x], 2);
        put_octets(values + (size_t)x * f->xb, rest_at(p, place[x]) - shift, f->xb);
    }
}

static void put_for(struct buf *out, const struct page_in *p, const struct for_plan *f)
{
    uint8_t *q;

    if (f->raw > 0) {
        buf_le(out, f->raw + 64, 1);
        buf_le(out, f->base, 8);
        q = buf_room(out, (size_t)p->n * f->raw);
        for (uint32_t i = 0; q != NULL && i < p->n; i++, q += f->raw)
            put_octets(q, rest_at(p, i), f->raw);
        return;
    }
    q = buf_room(out, f->octets - 1); /* the codec is written */
    if (q == NULL)
        return;
    le_put(q, f->w, 1);
    le_put(q + 1, f->base, 8);
    le_put(q + 9, f->xb, 1);
    le_put(q + 10, f->nx, 2);
    pack_bits(q + 12, p->off, p->n, f->w);
    if (f->nx > 0)
        put_exceptions(q + 12 + pack_octets(p->n, f->w), p, f);
}

/* ------------------------------------------------------------------ dictionary */

static uint32_t dict_slot(uint64_t v)
{
    return (uint32_t)(v * 0x9e3779b97f4a7c15u >> 50); /* 14 bits */
}

/* Distinct values with their counts: of a few possible ones, by value. Four tables, since runs of
 * one value would wait for their own counter. */
static void tally_few(const struct page_in *p, struct dict_plan *d, uint16_t *count)
{
    uint16_t c[4][FEW] = { { 0 } };
    uint32_t k = 0, i = 0, few = (uint32_t)p->range + 1;

    for (; i + 4 <= p->n; i += 4)
        for (unsigned t = 0; t < 4; t++)
            c[t][p->off[i + t]]++;
    for (; i < p->n; i++)
        c[0][p->off[i]]++;
    for (uint32_t x = 0; x < few; x++) {
        uint16_t sum = (uint16_t)(c[0][x] + c[1][x] + c[2][x] + c[3][x]);
        d->key[k] = x;
        count[k] = sum;
        k += sum != 0;
    }
    d->distinct = k;
}

/* Of up to 65536 possible ones, as they come. */
static void tally_direct(const struct page_in *p, struct dict_plan *d, uint16_t *count)
{
    uint32_t k = 0;

    for (uint32_t i = 0; i < p->n; i++) {
        uint32_t x = p->off[i];
        d->key[k] = x;
        k += by_value.count[x]++ == 0;
    }
    for (uint32_t i = 0; i < k; i++) {
        count[i] = by_value.count[d->key[i]];
        by_value.count[d->key[i]] = 0;
    }
    d->distinct = k;
}

static void tally_hashed(const struct page_in *p, struct dict_plan *d, uint16_t *count)
{
    uint16_t slots[DICT_SLOTS] = { 0 };
    uint32_t k = 0;

    for (uint32_t i = 0; i < p->n; i++) {
        uint64_t x = rest_at(p, i);
        uint32_t at = dict_slot(x), number;
        while (slots[at] != 0 && rest_at(p, d->key[slots[at] - 1]) != x)
            at = (at + 1) % DICT_SLOTS;
        number = slots[at];
        if (number == 0) {
            d->key[k] = i;
            count[k] = 0;
            slots[at] = (uint16_t)(number = ++k);
        }
        count[number - 1]++;
        d->of[i] = (uint16_t)(number - 1);
    }
    d->distinct = k;
}

static uint64_t distinct_value(const struct page_in *p, const struct dict_plan *d, uint32_t k)
{
    return p->base + (d->direct ? d->key[k] : rest_at(p, d->key[k]));
}

/* Numbers of the distinct values that stand more than once, by falling count and then in the order
 * of the tally; at most DICT_MAX. One that stands once costs as much in the dictionary as an
 * escape. */
static uint32_t most_frequent(const struct dict_plan *d, const uint16_t *count, uint16_t *order)
{
    uint16_t at[PAGE_VALUES + 2] = { 0 };
    uint32_t sum = 0, top = 0;

    for (uint32_t k = 0; k < d->distinct; k++) {
        at[count[k]]++;
        top = MAX(top, count[k]);
    }
    for (uint32_t c = top; c > 1; c--) {
        uint32_t here = at[c];
        at[c] = (uint16_t)sum;
        sum += here;
    }
    for (uint32_t k = 0; k < d->distinct; k++) {
        if (count[k] < 2)
            continue;
        if (at[count[k]] < DICT_MAX)
            order[at[count[k]]] = (uint16_t)k;
        at[count[k]]++;
    }
    return MIN(sum, DICT_MAX);
}

static void plan_dict(const struct page_in *p, struct dict_plan *d)
{
    uint16_t count[ROOM], order[DICT_MAX];
    uint64_t all = 0;
    uint32_t k, covered = 0, done = 0;

    d->direct = p->range < DIRECT_RANGE;
    if (p->range < FEW)
        tally_few(p, d, count);
    else if (d->direct)
        tally_direct(p, d, count);
    else
        tally_hashed(p, d, count);
    for (uint32_t i = 0; i < d->distinct; i++)
        all |= distinct_value(p, d, i);
    d->vb = octets_of(width_of(all));
    k = most_frequent(d, count, order);
    d->octets = SIZE_MAX;
    for (unsigned w = 1; w <= 8; w++) {
        uint32_t keep = MIN(k, (1u << w) - 1);
        size_t cost;
        for (; done < keep; done++)
            covered += count[order[done]];
        cost = 6 + pack_octets(p->n, w) + (size_t)(keep + p->n - covered) * d->vb;
        if (cost < d->octets) {
            d->octets = cost;
            d->w = w;
            d->k = keep;
            d->n_escapes = p->n - covered;
        }
        if (keep == k)
            break;
    }
    memset(d->code, 0, d->distinct);
    for (uint32_t i = 0; i < d->k; i++) {
        d->code[order[i]] = (uint8_t)(i + 1);
        d->value[i + 1] = distinct_value(p, d, order[i]);
    }
}

static void dict_codes(const struct page_in *p, const struct dict_plan *d, uint32_t *code)
{
    if (!d->direct) {
        for (uint32_t i = 0; i < p->n; i++)
            code[i] = d->code[d->of[i]];
        return;
    }
    for (uint32_t k = 0; k < d->distinct; k++)
        by_value.code[d->key[k]] = d->code[k];
    for (uint32_t i = 0; i < p->n; i++)
        code[i] = by_value.code[p->off[i]];
}

static void put_dict(struct buf *out, const struct page_in *p, const struct dict_plan *d)
{
    uint32_t code[ROOM];
    uint16_t escape[ROOM + 1];
    uint32_t m = 0;
    uint8_t *q = buf_room(out, d->octets - 1); /* the codec is written */

    if (q == NULL)
        return;
    dict_codes(p, d, code);
    pad(code, p->n);
    le_put(q, d->w, 1);
    le_put(q + 1, d->vb, 1);
    le_put(q + 2, d->k, 1);
    le_put(q + 3, d->n_escapes, 2);
    q += 5;
    for (uint32_t i = 1; i <= d->k; i++, q += d->vb)
        put_octets(q, d->value[i], d->vb);
    pack_bits(q, code, p->n, d->w);
    q += pack_octets(p->n, d->w);
    for (uint32_t i = 0; i < p->n; i++) {
        escape[m] = (uint16_t)i;
        m += code[i] == 0;
    }
    for (uint32_t x = 0; x < m; x++, q += d->vb)
        put_octets(q, p->base + rest_at(p, escape[x]), d->vb);
}

/* ------------------------------------------------------------------ choice */

static void plan_delta(const struct page_in *p, struct trial *t)
{
    if (p->range <= INT32_MAX) {
        zigzag32(t->d, p->off, p->n);
        take32(&t->deltas, t->d, p->n, t->d_off);
    } else {
        uint64_t before = rest_at(p, 0);
        t->d64[0] = 0;
        for (uint32_t i = 0; i < p->n; i++) {
            uint64_t r = rest_at(p, i), x = r - before;
            t->d64[i] = x << 1 ^ (0 - (x >> 63));
            before = r;
        }
        take64(&t->deltas, t->d64, p->n, t->d_off);
    }
    plan_for(&t->deltas, &t->delta);
}

/* ------------------------------------------------------------------ runs */

/* The pages inside are of the other codecs: runs of runs cannot be shorter. */
static void put_runs_pages(struct buf *out, const struct runs_plan *r)
{
    size_t at = out->len;
    struct page_choice lens = { .no_runs = true }, values = { .no_runs = true };

    (void)buf_room(out, 4);
    page_encode32(out, r->len, r->n, &lens);
    if (buf_ok(out)) {
        le_put(out->p + at, r->n, 2);
        le_put(out->p + at + 2, out->len - at - 4, 2);
    }
    page_encode(out, r->value, r->n, &values);
}

static void plan_runs(const struct page_in *p, struct runs_plan *r)
{
    struct buf trial = buf_init(1u << 20);
    uint32_t begin = 0;

    r->octets = SIZE_MAX;
    r->n = 0;
    if (p->wide == NULL && (count_changes(p->off, p->n) + 1) * RUN_MEAN > p->n)
        return;
    for (uint32_t i = 1; i <= p->n; i++) {
        if (i < p->n && rest_at(p, i) == rest_at(p, begin))
            continue;
        if ((r->n + 1) * RUN_MEAN > p->n)
            return;
        r->value[r->n] = p->base + rest_at(p, begin);
        r->len[r->n++] = i - begin;
        begin = i;
    }
    put_runs_pages(&trial, r);
    r->octets = buf_ok(&trial) ? 1 + trial.len : SIZE_MAX;
    buf_free(&trial);
}

static size_t try_codec(struct trial *t, enum page_codec codec, const struct page_in *p)
{
    switch (codec) {
    case PAGE_FOR:
    case PAGE_RAW:
    case PAGE_CONST:
        plan_for(p, &t->direct);
        return t->direct.octets;
    case PAGE_DELTA:
        plan_delta(p, t);
        return t->delta.octets + 8;
    case PAGE_DICT:
        plan_dict(p, &t->dict);
        return t->dict.octets;
    case PAGE_RUNS:
        plan_runs(p, &t->runs);
        return t->runs.octets;
    case PAGE_CODEC_N:
        break;
    }
    return SIZE_MAX;
}

static enum page_codec choose(struct trial *t, const struct page_in *p, struct page_choice *c)
{
    enum page_codec best = PAGE_FOR;
    size_t least, octets;

    if (c->known) {
        octets = try_codec(t, c->codec, p);
        if (octets < SIZE_MAX && octets * 5 * c->n <= c->octets * 6 * p->n)
            return c->codec;
    }
    least = try_codec(t, PAGE_FOR, p);
    for (enum page_codec k = PAGE_DELTA; k < (c->no_runs ? PAGE_RUNS : PAGE_CODEC_N); k++) {
        octets = try_codec(t, k, p);
        /* slower to decode than packed bits: must save 5 % */
        if (octets < least && octets + octets / 20 < least) {
            least = octets;
            best = k;
        }
    }
    *c = (struct page_choice){
        .known = true, .no_runs = c->no_runs, .codec = (uint8_t)best, .octets = least, .n = p->n
    };
    return best;
}

static void encode(struct buf *out, const struct page_in *p, struct page_choice *c)
{
    struct trial t;

    if (p->range == 0) {
        buf_le(out, PAGE_CONST, 1);
        buf_le(out, p->base, 8);
        return;
    }
    switch (choose(&t, p, c)) {
    case PAGE_DELTA:
        buf_le(out, PAGE_DELTA, 1);
        buf_le(out, p->base + rest_at(p, 0), 8);
        put_for(out, &t.deltas, &t.delta);
        return;
    case PAGE_DICT:
        buf_le(out, PAGE_DICT, 1);
        put_dict(out, p, &t.dict);
        return;
    case PAGE_RUNS:
        buf_le(out, PAGE_RUNS, 1);
        put_runs_pages(out, &t.runs);
        return;
    case PAGE_FOR:
    case PAGE_RAW:
    case PAGE_CONST:
    case PAGE_CODEC_N:
        break;
    }
    buf_le(out, t.direct.raw > 0 ? PAGE_RAW : PAGE_FOR, 1);
    put_for(out, p, &t.direct);
}

void page_encode(struct buf *out, const uint64_t *v, uint32_t n, struct page_choice *c)
{
    uint32_t room[ROOM];
    struct page_in p;

    take64(&p, v, n, room);
    encode(out, &p, c);
}

void page_encode32(struct buf *out, const uint32_t *v, uint32_t n, struct page_choice *c)
{
    uint32_t room[ROOM];
    struct page_in p;

    take32(&p, v, n, room);
    encode(out, &p, c);
}
