/* Segment writer: tables, columns, footer. */
#include "store/build.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "codec/vec.h"

const struct derive seg_derive[COL_N] = {
    /* datagrams come in time order, so `received` is nearly free and the others hang on it */
    [COL_END] = { DERIVE_DIFF, COL_RECEIVED, 0 },
    [COL_START] = { DERIVE_DIFF, COL_END, 0 },
    [COL_SRC_AS] = { DERIVE_ATTR, COL_SRC_IP, ATTR_AS },
    [COL_DST_AS] = { DERIVE_ATTR, COL_DST_IP, ATTR_AS },
    [COL_SRC_MASK] = { DERIVE_ATTR, COL_SRC_IP, ATTR_MASK },
    [COL_DST_MASK] = { DERIVE_ATTR, COL_DST_IP, ATTR_MASK },
    [COL_SRC_VLAN] = { DERIVE_ATTR, COL_SRC_IP, ATTR_VLAN },
    [COL_DST_VLAN] = { DERIVE_ATTR, COL_DST_IP, ATTR_VLAN },
    [COL_NEXT_IP] = { DERIVE_ATTR, COL_DST_IP, ATTR_NEXT },
};

uint32_t seg_sum(const void *p, size_t n)
{
    return (uint32_t)XXH3_64bits(p, n);
}

struct seg_ref build_ref(const struct buf *out, size_t at)
{
    if (!buf_ok(out))
        return (struct seg_ref){ 0 };
    return (struct seg_ref){ at, (uint32_t)(out->len - at), seg_sum(out->p + at, out->len - at) };
}

/* ------------------------------------------------------------------ tables of the batches */

bool build_numbers_new(struct build_numbers *t, size_t entries)
{
    size_t cap = 64;

    while (cap < entries * 2)
        cap *= 2;
    t->mask = (uint32_t)(cap - 1);
    t->slot = calloc(cap, sizeof *t->slot);
    return t->slot != NULL;
}

uint32_t build_exporter_number(struct build *s, struct build_numbers *t,
                               const struct exporter_key *k)
{
    uint64_t h = (addr_hash(&k->addr) + k->domain) * 0x9e3779b97f4a7c15u + k->version + k->import;
    uint32_t at = (uint32_t)(h >> 32) & t->mask;

    for (; t->slot[at] != 0; at = (at + 1) & t->mask)
        if (exporter_key_equal(s->exporters[t->slot[at] - 1], k))
            return t->slot[at] - 1;
    s->exporters[s->n_exporters++] = k;
    t->slot[at] = s->n_exporters;
    return s->n_exporters - 1;
}

uint32_t build_shape_number(struct build *s, struct build_numbers *t, const struct shape *x)
{
    uint32_t at = (uint32_t)(x->hash >> 20) & t->mask;

    for (; t->slot[at] != 0; at = (at + 1) & t->mask)
        if (shape_equal(s->shapes[t->slot[at] - 1], x))
            return t->slot[at] - 1;
    s->shapes[s->n_shapes++] = x;
    t->slot[at] = s->n_shapes;
    return s->n_shapes - 1;
}

/* Numbers of exporters and shapes over all batches, maps, and the address codes. */
static int build_tables(struct build *s, struct err *e)
{
    size_t addrs = 0, exporters = 0, shapes = 0, rows = 0;
    struct build_numbers te = { 0 }, ts = { 0 };
    uint32_t *m, *c;
    int rc = ERR_NOMEM;

    for (size_t i = 0; i < s->n_blocks; i++) {
        addrs += s->block[i].n_addrs;
        exporters += s->block[i].n_exporters;
        shapes += s->block[i].n_shapes;
        rows += s->block[i].n;
    }
    s->n_rows = (uint32_t)rows;
    s->maps = malloc((addrs + exporters + shapes + 1) * sizeof *s->maps);
    s->codes = malloc((rows * 2 + 1) * sizeof *s->codes);
    s->exporters = calloc(exporters + 1, sizeof *s->exporters);
    s->shapes = calloc(shapes + 1, sizeof *s->shapes);
    if (s->maps == NULL || s->codes == NULL || s->exporters == NULL || s->shapes == NULL ||
        !build_numbers_new(&te, exporters) || !build_numbers_new(&ts, shapes))
        goto out;
    m = s->maps;
    c = s->codes;
    for (size_t i = 0; i < s->n_blocks; i++) { /* addresses first: build_addrs fills them in one */
        s->block[i].addr = m;
        m += s->block[i].n_addrs;
        s->block[i].src = c;
        s->block[i].dst = c + s->block[i].n;
        c += (size_t)s->block[i].n * 2;
    }
    for (size_t i = 0; i < s->n_blocks; i++) {
        struct build_block *k = &s->block[i];
        k->exporter = m;
        for (uint32_t x = 0; x < k->n_exporters; x++)
            *m++ = build_exporter_number(s, &te, &k->b->exporters[x]);
        k->shape = m;
        for (uint32_t x = 0; x < k->n_shapes; x++)
            *m++ = build_shape_number(s, &ts, k->b->shapes[x]);
    }
    if (s->n_exporters > SEG_TABLES || s->n_shapes > SEG_TABLES)
        rc = err_set(e, ERR_LIMIT, "%u exporters and %u shapes in one segment; at most %u fit",
                     s->n_exporters, s->n_shapes, SEG_TABLES);
    else
        rc = build_addrs(s, s->maps);
out:
    free(te.slot);
    free(ts.slot);
    return rc;
}

/* A batch is ours, but its numbers index our tables: a wrong one must not write past them. */
static int check_numbers(const struct build_block *k, struct err *e)
{
    static const enum col codes[] = { COL_SRC_IP, COL_DST_IP, COL_NEXT_IP, COL_BGP_NEXT_IP };
    uint32_t top = 0, exporter = 0, shape = 0;

    for (unsigned c = 0; c < ARRAY_LEN(codes); c++) {
        const uint32_t *v = k->b->col[codes[c]];
        for (uint32_t i = 0; i < k->n; i++)
            top = MAX(top, v[i]);
    }
    for (uint32_t i = 0; i < k->n; i++) {
        exporter = MAX(exporter, ((const uint16_t *)k->b->col[COL_EXPORTER])[i]);
        shape = MAX(shape, ((const uint16_t *)k->b->col[COL_SHAPE])[i]);
    }
    if (k->n > 0 && (top >= k->n_addrs || exporter >= k->n_exporters || shape >= k->n_shapes))
        return err_set(e, ERR_ARG,
                       "a batch names an address, exporter or shape that it does not hold");
    return ERR_OK;
}

static void fill_codes(struct build_block *k)
{
    const uint32_t *s = k->b->col[COL_SRC_IP], *d = k->b->col[COL_DST_IP];

    for (uint32_t i = 0; i < k->n; i++) {
        k->src[i] = k->addr[s[i]];
        k->dst[i] = k->addr[d[i]];
    }
}

/* ------------------------------------------------------------------ columns */

SIMD_CLONES
static void widen8(uint32_t *restrict to, const uint8_t *restrict v, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        to[i] = v[i];
}

SIMD_CLONES
static void widen16(uint32_t *restrict to, const uint16_t *restrict v, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        to[i] = v[i];
}

/* A page of a column of up to 32 bits: where it lies as such, or in `room`. */
static const uint32_t *load32(const struct build_block *k, enum col col, uint32_t first, uint32_t n,
                              uint32_t *room)
{
    const uint32_t *map = col_info[col].kind == COL_KIND_ADDR ? k->addr
                          : col == COL_EXPORTER               ? k->exporter
                          : col == COL_SHAPE                  ? k->shape
                                                              : NULL;

    if (col == COL_SRC_IP || col == COL_DST_IP)
        return (col == COL_SRC_IP ? k->src : k->dst) + first;
    if (col_info[col].bits == 32 && map == NULL)
        return (const uint32_t *)k->b->col[col] + first;
    if (col_info[col].bits == 8)
        widen8(room, (const uint8_t *)k->b->col[col] + first, n);
    else if (col_info[col].bits == 16)
        widen16(room, (const uint16_t *)k->b->col[col] + first, n);
    else
        memcpy(room, (const uint32_t *)k->b->col[col] + first, n * sizeof *room);
    for (uint32_t i = 0; map != NULL && i < n; i++)
        room[i] = map[room[i]];
    return room;
}

/* Columns of a block whose values belong to the addresses of one side. */
struct side {
    const uint32_t *codes;
    uint8_t mask; /* bit per attribute */
    uint8_t n, attr[ATTR_N], col[ATTR_N];
};

static struct side side_of(const struct build_block *k, enum col parent)
{
    struct side x = { .codes = parent == COL_SRC_IP ? k->src : k->dst };

    for (unsigned c = 0; c < COL_N; c++) {
        const struct derive *d = &seg_derive[c];
        if (d->kind != DERIVE_ATTR || d->parent != parent || (k->used >> c & 1) == 0)
            continue;
        x.attr[x.n] = d->attr;
        x.col[x.n++] = (uint8_t)c;
        x.mask |= (uint8_t)(1u << d->attr);
    }
    return x;
}

/* The attributes of addresses that have none yet. */
static void note_attrs(struct build *s, const struct build_block *k, const struct side *x,
                       uint8_t *have)
{
    uint32_t room[ATTR_N][PAGE_VALUES];
    const uint32_t *v[ATTR_N];

    for (uint32_t first = 0; x->n > 0 && first < k->n; first += PAGE_VALUES) {
        uint32_t n = MIN(PAGE_VALUES, k->n - first);
        for (unsigned a = 0; a < x->n; a++)
            v[a] = load32(k, x->col[a], first, n, room[a]);
        for (uint32_t i = 0; i < n; i++) {
            uint32_t code = x->codes[first + i];
            if ((have[code] & x->mask) == x->mask)
                continue;
            for (unsigned a = 0; a < x->n; a++)
                if ((have[code] >> x->attr[a] & 1) == 0)
                    s->attr[x->attr[a]][code] = v[a][i];
            have[code] |= x->mask;
        }
    }
}

/* Attribute tables: the first value seen with each address. Of the absent address (code 0) they are
 * 0, so that what comes without it is kept as it is. */
static int build_attrs(struct build *s)
{
    uint8_t *have = calloc((size_t)s->n_addrs + 1, 1);

    for (size_t i = 0; i < s->n_blocks && have != NULL; i++) {
        const struct build_block *k = &s->block[i];
        const struct side side[2] = { side_of(k, COL_SRC_IP), side_of(k, COL_DST_IP) };
        have[0] = UINT8_MAX;
        for (unsigned a = 0; a < ATTR_N && k->n > 0; a++) {
            if (((side[0].mask | side[1].mask) >> a & 1) == 0 || s->attr[a] != NULL)
                continue;
            s->attr[a] = calloc((size_t)s->n_addrs + 1, sizeof **s->attr);
            if (s->attr[a] == NULL) {
                free(have);
                return ERR_NOMEM;
            }
        }
        note_attrs(s, k, &side[0], have);
        note_attrs(s, k, &side[1], have);
    }
    if (have == NULL)
        return ERR_NOMEM;
    free(have);
    return ERR_OK;
}

SIMD_CLONES
static void differences(uint64_t *restrict out, const uint64_t *restrict parent,
                        const uint64_t *restrict v, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        out[i] = parent[i] - v[i];
}

/* Append a page of what is stored for a derived column. */
static void put_derived(const struct build *s, const struct build_block *k, enum col col,
                        uint32_t first, uint32_t n, struct page_choice *choice, struct buf *out)
{
    const struct derive *d = &seg_derive[col];
    uint64_t w[PAGE_VALUES];

    if (d->kind == DERIVE_DIFF) {
        differences(w, (const uint64_t *)k->b->col[d->parent] + first,
                    (const uint64_t *)k->b->col[col] + first, n);
    } else {
        const uint32_t *t = s->attr[d->attr];
        const uint32_t *codes = (d->parent == COL_SRC_IP ? k->src : k->dst) + first;
        uint32_t room[PAGE_VALUES], any = 0;
        const uint32_t *v = load32(k, col, first, n, room);
        for (uint32_t i = 0; i < n; i++) {
            uint32_t entry = t[codes[i]];
            any |= v[i] ^ entry;
            w[i] = (uint64_t)v[i] - entry;
        }
        if (any == 0) { /* as nearly always */
            memset(room, 0, n * sizeof *room);
            page_encode32(out, room, n, choice);
            return;
        }
    }
    page_encode(out, w, n, choice);
}

static void put_plain(const struct build_block *k, enum col col, uint32_t first, uint32_t n,
                      struct page_choice *choice, struct buf *out)
{
    uint32_t room[PAGE_VALUES];

    if (col_info[col].bits == 64)
        page_encode(out, (const uint64_t *)k->b->col[col] + first, n, choice);
    else
        page_encode32(out, load32(k, col, first, n, room), n, choice);
}

SIMD_CLONES
static void bounds64(const uint64_t *v, uint32_t n, uint64_t *min, uint64_t *max)
{
    uint64_t lo = *min, hi = *max;

    for (uint32_t i = 0; i < n; i++) {
        lo = v[i] < lo ? v[i] : lo;
        hi = v[i] > hi ? v[i] : hi;
    }
    *min = lo;
    *max = hi;
}

SIMD_CLONES
static void bounds32(const uint32_t *v, uint32_t n, uint32_t *min, uint32_t *max)
{
    uint32_t lo = *min, hi = *max;

    for (uint32_t i = 0; i < n; i++) {
        lo = v[i] < lo ? v[i] : lo;
        hi = v[i] > hi ? v[i] : hi;
    }
    *min = lo;
    *max = hi;
}

/* Smallest and largest value of a column in a block. */
static void bounds(const struct build_block *k, enum col col, uint64_t *min, uint64_t *max)
{
    uint32_t room[PAGE_VALUES], lo = UINT32_MAX, hi = 0;

    *min = UINT64_MAX;
    *max = 0;
    if (col_info[col].bits == 64) {
        bounds64(k->b->col[col], k->n, min, max);
        return;
    }
    for (uint32_t first = 0; first < k->n; first += PAGE_VALUES) {
        uint32_t n = MIN(PAGE_VALUES, k->n - first);
        bounds32(load32(k, col, first, n, room), n, &lo, &hi);
    }
    *min = lo;
    *max = hi;
}

/* Is the derived form of the first page at least 5 % smaller than the plain one? */
static bool derive_pays(const struct build *s, const struct build_block *k, enum col col)
{
    uint32_t n = MIN(PAGE_VALUES, k->n);
    struct buf plain = buf_init(1u << 20), derived = buf_init(1u << 20);
    struct page_choice a = { 0 }, b = { 0 };
    bool pays;

    if (seg_derive[col].kind == DERIVE_NONE)
        return false;
    put_plain(k, col, 0, n, &a, &plain);
    put_derived(s, k, col, 0, n, &b, &derived);
    pays = derived.len + derived.len / 20 < plain.len;
    buf_free(&plain);
    buf_free(&derived);
    return pays;
}

/* What a block taught about a column holds for the next few blocks too. */
#define LEARN_BLOCKS 4u

static struct build_learned *learned(struct build *s, const struct build_block *k, enum col col)
{
    struct build_learned *l = &s->learned[col];

    if (l->blocks == 0) {
        *l = (struct build_learned){ .derived = derive_pays(s, k, col) };
        l->blocks = LEARN_BLOCKS;
    }
    l->blocks--;
    return l;
}

void build_put_column(struct build *s, const struct build_block *k, enum col col,
                      struct build_column *c)
{
    struct buf *out = s->out;
    size_t at = out->len, lens = at;
    uint32_t pages = vec_pages(k->n);
    struct build_learned *l;

    *c = (struct build_column){ 0 };
    bounds(k, col, &c->min, &c->max);
    if (c->max == 0)
        return;
    l = learned(s, k, col);
    c->form = l->derived;
    (void)buf_room(out, 2u * pages);
    for (uint32_t p = 0; p < pages && buf_ok(out); p++) {
        uint32_t first = p * PAGE_VALUES, n = MIN(PAGE_VALUES, k->n - first);
        size_t page = out->len;
        if (l->derived)
            put_derived(s, k, col, first, n, &l->choice, out);
        else
            put_plain(k, col, first, n, &l->choice, out);
        if (buf_ok(out))
            le_put(out->p + lens + 2u * p, out->len - page, 2);
    }
    if (l->derived && seg_derive[col].kind == DERIVE_ATTR)
        s->attr_used[seg_derive[col].attr] = true;
    c->ref = build_ref(out, at);
}

/* ------------------------------------------------------------------ footer */

static void put_ref(struct buf *out, struct seg_ref r)
{
    buf_le(out, r.off, 8);
    buf_le(out, r.len, 4);
    buf_le(out, r.sum, 4);
}

/* What was done since the last call was of this stage. */
static void lap(struct seg_sizes *z, enum seg_stage stage)
{
    uint64_t now;

    if (z->clock_ns == NULL)
        return;
    now = z->clock_ns();
    z->stage_ns[stage] += now - z->since_ns;
    z->since_ns = now;
}

void build_put_entry(struct buf *footer, uint32_t n, struct seg_ref extras, struct seg_ref filter,
                     const struct build_column c[COL_N])
{
    uint64_t present = 0;

    for (unsigned i = 0; i < COL_N; i++)
        present |= c[i].ref.len > 0 ? 1ull << i : 0;
    buf_le(footer, n, 4);
    buf_le(footer, present, 8);
    put_ref(footer, extras);
    put_ref(footer, filter);
    for (unsigned i = 0; i < COL_N; i++) {
        if (c[i].ref.len == 0)
            continue;
        put_ref(footer, c[i].ref);
        buf_le(footer, c[i].form, 1);
        buf_le(footer, c[i].min, 8);
        buf_le(footer, c[i].max, 8);
    }
}

/* One block: columns, extras, and its entry of the footer. */
static int put_block(struct build *s, const struct build_block *k, struct buf *footer,
                     struct seg_sizes *sizes)
{
    struct build_column c[COL_N] = { 0 };
    struct seg_ref extras = { 0 }, filter = { 0 };
    size_t at;
    int rc;

    for (unsigned i = 0; i < COL_N; i++) {
        if ((k->used >> i & 1) == 0)
            continue;
        build_put_column(s, k, i, &c[i]);
        sizes->column[i] += c[i].ref.len;
    }
    lap(sizes, STAGE_COLUMNS);
    at = s->out->len;
    if ((rc = build_extras(s, k, s->out)) != ERR_OK)
        return rc;
    lap(sizes, STAGE_EXTRAS);
    sizes->column[COL_N] += s->out->len - at;
    extras = s->out->len > at ? build_ref(s->out, at) : extras;
    at = s->out->len;
    if ((rc = build_filter(s, k, s->out)) != ERR_OK)
        return rc;
    filter = s->out->len > at ? build_ref(s->out, at) : filter;
    sizes->column[COL_N] += filter.len;
    build_put_entry(footer, k->n, extras, filter, c);
    return ERR_OK;
}

void build_put_tables(struct build *s)
{
    size_t at;
    uint64_t *v;

    build_put_addrs(s);
    at = s->out->len;
    for (uint32_t i = 0; i < s->n_exporters; i++) {
        const struct exporter_key *x = s->exporters[i];
        buf_put(s->out, x->addr.b, 16);
        buf_le(s->out, x->domain, 4);
        buf_le(s->out, x->version, 2);
        buf_le(s->out, x->import, 2);
    }
    s->table[TABLE_EXPORTERS] = build_ref(s->out, at);
    at = s->out->len;
    for (uint32_t i = 0; i < s->n_shapes; i++)
        shape_write(s->shapes[i], s->out);
    s->table[TABLE_SHAPES] = build_ref(s->out, at);
    v = malloc(((size_t)s->n_addrs + 1) * sizeof *v);
    for (unsigned a = 0; v != NULL && a < ATTR_N; a++) {
        if (!s->attr_used[a])
            continue;
        at = s->out->len;
        for (uint32_t i = 0; i < s->n_addrs; i++)
            v[i] = s->attr[a][i];
        vec_encode(s->out, v, s->n_addrs);
        s->table[TABLE_ATTR + a] = build_ref(s->out, at);
    }
    s->out->bad |= v == NULL;
    free(v);
    build_put_geo(s);
}

static void block_bounds(const struct build_block *k, struct seg_info *info)
{
    const int64_t *st = k->b->col[COL_START], *en = k->b->col[COL_END],
                  *re = k->b->col[COL_RECEIVED];

    for (uint32_t i = 0; i < k->n; i++) {
        info->min_start_ms = MIN(info->min_start_ms, st[i]);
        info->max_start_ms = MAX(info->max_start_ms, st[i]);
        info->max_end_ms = MAX(info->max_end_ms, en[i]);
        info->min_received_ms = MIN(info->min_received_ms, re[i]);
        info->max_received_ms = MAX(info->max_received_ms, re[i]);
    }
}

/* Options alone have receive times too: retention goes by them. */
static void option_bounds(const struct build_block *k, struct seg_info *info)
{
    uint32_t n = atomic_load_explicit(&k->b->n_options, memory_order_acquire);

    for (uint32_t i = 0; i < n; i++) {
        info->min_received_ms = MIN(info->min_received_ms, k->b->options[i].received_ms);
        info->max_received_ms = MAX(info->max_received_ms, k->b->options[i].received_ms);
    }
    info->n_options += n;
}

static void fill_info(const struct build *s, struct seg_info *info)
{
    *info = (struct seg_info){ .id = info->id,
                               .n_rows = s->n_rows,
                               .min_start_ms = INT64_MAX,
                               .max_start_ms = INT64_MIN,
                               .max_end_ms = INT64_MIN,
                               .min_received_ms = INT64_MAX,
                               .max_received_ms = INT64_MIN };
    for (size_t i = 0; i < s->n_blocks; i++) {
        info->n_blocks += s->block[i].n > 0;
        block_bounds(&s->block[i], info);
        option_bounds(&s->block[i], info);
    }
    if (s->n_rows == 0)
        info->min_start_ms = info->max_start_ms = info->max_end_ms = 0;
    if (s->n_rows == 0 && info->n_options == 0)
        info->min_received_ms = info->max_received_ms = 0;
}

static void put_info(struct buf *f, const struct seg_info *i, const struct build *s)
{
    static const struct seg_origin live;

    buf_le(f, i->id, 8);
    buf_le(f, i->n_rows, 4);
    buf_le(f, i->n_blocks, 4);
    buf_le(f, i->n_options, 4);
    buf_le(f, (uint64_t)i->min_start_ms, 8);
    buf_le(f, (uint64_t)i->max_start_ms, 8);
    buf_le(f, (uint64_t)i->max_end_ms, 8);
    buf_le(f, (uint64_t)i->min_received_ms, 8);
    buf_le(f, (uint64_t)i->max_received_ms, 8);
    buf_le(f, i->views, 1);
    segment_put_origin(f, s->from != NULL ? s->from : &live);
    buf_le(f, s->n_addrs, 4);
    buf_le(f, s->n_exporters, 4);
    buf_le(f, s->n_shapes, 4);
}

void build_put_footer(const struct build *s, const struct seg_info *info, const struct buf *blocks,
                      uint64_t at, struct buf *out)
{
    size_t begin = out->len;
    struct seg_ref f;

    put_info(out, info, s);
    for (unsigned t = 0; t < TABLE_N; t++)
        put_ref(out, s->table[t]);
    buf_put(out, blocks->p, blocks->len);
    f = build_ref(out, begin);
    f.off = at;
    put_ref(out, f);
    buf_le(out, at + (out->len - begin) + 16, 8); /* length of the file */
    buf_put(out, SEG_END, 8);
}

static int put_all(struct build *s, struct seg_info *info, struct seg_sizes *sizes)
{
    struct buf *out = s->out, blocks = buf_init(1u << 28);
    int rc = ERR_OK;

    buf_put(out, SEG_MAGIC, 8);
    buf_le(out, SEG_DRAFT, 4);
    buf_le(out, 0, 4);
    for (size_t i = 0; i < s->n_blocks && rc == ERR_OK; i++)
        if (s->block[i].n > 0)
            rc = put_block(s, &s->block[i], &blocks, sizes);
    build_put_tables(s);
    lap(sizes, STAGE_TABLES);
    if (rc != ERR_OK || (rc = build_pages(s)) != ERR_OK || (rc = build_options(s)) != ERR_OK)
        goto done;
    lap(sizes, STAGE_INDEX);
    if ((rc = build_marginals(s)) != ERR_OK)
        goto done;
    lap(sizes, STAGE_TOTALS);
    for (unsigned t = 0; t < TABLE_N; t++)
        sizes->table[t] = s->table[t].len;
    build_put_footer(s, info, &blocks, out->len, out);
    info->octets = out->len;
    if (!buf_ok(out) || !buf_ok(&blocks))
        rc = ERR_NOMEM;
done:
    buf_free(&blocks);
    return rc;
}

static void build_free(struct build *s)
{
    for (unsigned a = 0; a < ATTR_N; a++)
        free(s->attr[a]);
    build_geo_free(s);
    free(s->block);
    free(s->maps);
    free(s->codes);
    free(s->addrs);
    free(s->exporters);
    free(s->shapes);
    free(s->extra_form);
}

int segment_build(struct flow_batch *const *b, size_t n, uint64_t id, struct buf *out,
                  struct seg_info *info, struct seg_sizes *sizes, struct err *e)
{
    return segment_build_from(b, n, id, NULL, NULL, out, info, sizes, e);
}

int segment_build_from(struct flow_batch *const *b, size_t n, uint64_t id,
                       const struct seg_origin *from, const struct seg_geo *geo, struct buf *out,
                       struct seg_info *info, struct seg_sizes *sizes, struct err *e)
{
    struct build s = { .from = from, .known = geo, .out = out, .n_blocks = n };
    struct seg_sizes own = { .clock_ns = NULL };
    int rc = ERR_OK;

    if (sizes == NULL)
        sizes = &own;
    *sizes = (struct seg_sizes){ .clock_ns = sizes->clock_ns };
    if (sizes->clock_ns != NULL)
        sizes->since_ns = sizes->clock_ns();
    *info = (struct seg_info){ .id = id };
    if (n == 0 || n > SEG_BLOCKS)
        return err_set(e, n == 0 ? ERR_ARG : ERR_LIMIT, "%zu batches in one segment; 1 to %u fit",
                       n, SEG_BLOCKS);
    s.block = calloc(n, sizeof *s.block);
    if (s.block == NULL)
        rc = ERR_NOMEM;
    for (size_t i = 0; i < n && rc == ERR_OK; i++) {
        struct build_block *k = &s.block[i];
        k->b = b[i];
        k->n = flow_batch_rows(b[i]);
        k->used = atomic_load_explicit(&b[i]->used, memory_order_acquire);
        k->n_addrs = atomic_load_explicit(&b[i]->n_addrs, memory_order_acquire);
        k->n_exporters = atomic_load_explicit(&b[i]->n_exporters, memory_order_acquire);
        k->n_shapes = atomic_load_explicit(&b[i]->n_shapes, memory_order_acquire);
        rc = check_numbers(k, e);
    }
    if (rc != ERR_OK || (rc = build_tables(&s, e)) != ERR_OK)
        goto out;
    for (size_t i = 0; i < n; i++)
        fill_codes(&s.block[i]);
    fill_info(&s, info);
    lap(sizes, STAGE_ADDRESSES);
    if ((rc = build_views(&s, info)) != ERR_OK)
        goto out;
    lap(sizes, STAGE_VIEWS);
    s.extra_form = calloc((size_t)s.n_shapes + 1, 1);
    rc = s.extra_form != NULL ? build_attrs(&s) : ERR_NOMEM;
    if (rc != ERR_OK)
        goto out;
    build_extra_forms(&s);
    lap(sizes, STAGE_ATTRS);
    if ((rc = build_geo(&s)) != ERR_OK)
        goto out;
    lap(sizes, STAGE_GEO);
    rc = put_all(&s, info, sizes);
out:
    if (rc == ERR_NOMEM)
        rc = err_set(e, ERR_NOMEM, "segment %llu: out of memory while it was built",
                     (unsigned long long)id);
    build_free(&s);
    return rc;
}
