/* Segment reader: footer and columns. Trusts nothing that stands in the file. */
#include "store/read.h"

#include <stdlib.h>
#include <string.h>

#include "codec/vec.h"

const uint8_t *segment_chunk(const struct segment *s, struct seg_ref r, const char *what,
                             struct err *e)
{
    const uint8_t *p;

    if (r.len > s->map.len || r.off > s->map.len - r.len) {
        (void)err_set(e, ERR_CORRUPT, "segment %s: %s lies outside the file", s->name, what);
        return NULL;
    }
    p = s->map.p + r.off;
    if (seg_sum(p, r.len) != r.sum) {
        (void)err_set(e, ERR_CORRUPT, "segment %s: %s is damaged (checksum)", s->name, what);
        return NULL;
    }
    return p;
}

/* ------------------------------------------------------------------ columns */

static int damaged(const struct segment *s, uint32_t block, enum col col, struct err *e)
{
    return err_set(e, ERR_CORRUPT,
                   "segment %s: column %s of block %u is damaged; %u rows cannot be read", s->name,
                   col_info[col].name, block, s->block[block].n);
}

static const struct seg_column *column_of(const struct seg_block *b, enum col col)
{
    if ((b->present >> col & 1) == 0)
        return NULL;
    return &b->column[__builtin_popcountll(b->present & ((1ull << col) - 1))];
}

/* Reader over the page of `c` that begins at row `first`; false when damaged. */
static bool find_page(const struct segment *s, struct seg_block *b, enum col col,
                      const struct seg_column *c, uint32_t first, struct rd *page)
{
    struct rd r;
    struct vec v;
    uint32_t n;

    if (c->ref.len > s->map.len || c->ref.off > s->map.len - c->ref.len)
        return false;
    if ((atomic_load_explicit(&b->checked, memory_order_relaxed) >> col & 1) == 0) {
        if (seg_sum(s->map.p + c->ref.off, c->ref.len) != c->ref.sum)
            return false;
        atomic_fetch_or_explicit(&b->checked, 1ull << col, memory_order_relaxed);
    }
    r = rd_init(s->map.p + c->ref.off, c->ref.len);
    if (vec_open(&v, &r, b->n) != ERR_OK || r.left != 0)
        return false;
    *page = vec_page(&v, first / PAGE_VALUES, &n);
    return true;
}

/* Values must not name more than the tables hold: readers index with them. */
static uint32_t table_size(const struct segment *s, enum col col)
{
    if (col_info[col].kind == COL_KIND_ADDR)
        return s->rs.n_addrs;
    if (col == COL_EXPORTER)
        return s->rs.n_exporters;
    return col == COL_SHAPE ? s->rs.n_shapes : 0;
}

SIMD_CLONES
static uint32_t highest(const uint32_t *v, uint32_t n)
{
    uint32_t top = 0;

    for (uint32_t i = 0; i < n; i++)
        top = v[i] > top ? v[i] : top;
    return top;
}

/* A whole page (ROWSET_VECTOR rows, fewer at the end of the block), values of up to 32 bits. */
static int read32(struct segment *s, uint32_t block, enum col col, uint32_t first, uint32_t n,
                  uint32_t *out, struct err *e)
{
    struct seg_block *b = &s->block[block];
    const struct seg_column *c = column_of(b, col);
    const struct derive *d = &seg_derive[col];
    uint32_t codes[PAGE_VALUES], limit = table_size(s, col);
    const uint32_t *attr;
    struct rd page;
    int rc;

    if (c == NULL) {
        memset(out, 0, n * sizeof *out);
        return ERR_OK;
    }
    if (!find_page(s, b, col, c, first, &page) || page_decode32(&page, out, n) != ERR_OK ||
        !segment_held(s, c->ref))
        return damaged(s, block, col, e);
    if (c->form != 0) {
        if ((rc = segment_attr(s, d->attr, &attr, e)) != ERR_OK)
            return rc == ERR_NOMEM ? rc : damaged(s, block, col, e);
        if ((rc = read32(s, block, d->parent, first, n, codes, e)) != ERR_OK)
            return rc;
        for (uint32_t i = 0; i < n; i++)
            out[i] += attr[codes[i]];
    }
    return limit > 0 && highest(out, n) >= limit ? damaged(s, block, col, e) : ERR_OK;
}

static int read64(struct segment *s, uint32_t block, enum col col, uint32_t first, uint32_t n,
                  uint64_t *out, struct err *e)
{
    struct seg_block *b = &s->block[block];
    const struct seg_column *c = column_of(b, col);
    uint64_t parent[PAGE_VALUES];
    struct rd page;
    int rc;

    if (c == NULL) {
        memset(out, 0, n * sizeof *out);
        return ERR_OK;
    }
    if (!find_page(s, b, col, c, first, &page) || page_decode64(&page, out, n) != ERR_OK ||
        !segment_held(s, c->ref))
        return damaged(s, block, col, e);
    if (c->form == 0)
        return ERR_OK;
    if ((rc = read64(s, block, seg_derive[col].parent, first, n, parent, e)) != ERR_OK)
        return rc;
    for (uint32_t i = 0; i < n; i++)
        out[i] = parent[i] - out[i];
    return ERR_OK;
}

int segment_read(const struct rowset *rs, uint32_t block, enum col col, uint32_t first, uint32_t n,
                 void *out, struct err *e)
{
    struct segment *s = segment_of(rs);
    uint32_t whole;
    uint64_t page[PAGE_VALUES];
    bool wide = col_info[col].bits > 32;
    int rc;

    if (n == 0)
        return ERR_OK;
    if (block >= rs->n_blocks || first % ROWSET_VECTOR != 0 || n > ROWSET_VECTOR ||
        first >= s->block[block].n || n > s->block[block].n - first)
        return err_set(e, ERR_ARG, "segment %s: no rows %u to %u in block %u", s->name, first,
                       first + n, block);
    whole = MIN(ROWSET_VECTOR, s->block[block].n - first);
    /* Straight into `out` where it has room for what the unpacking writes: whole groups of 256. */
    if (n == ROWSET_VECTOR)
        return wide ? read64(s, block, col, first, n, out, e)
                    : read32(s, block, col, first, n, out, e);
    if (wide)
        rc = read64(s, block, col, first, whole, page, e);
    else
        rc = read32(s, block, col, first, whole, (uint32_t *)page, e);
    if (rc == ERR_OK)
        memcpy(out, page, n * (wide ? sizeof(uint64_t) : sizeof(uint32_t)));
    return rc;
}

static uint32_t block_rows(const struct rowset *rs, uint32_t block)
{
    return block < rs->n_blocks ? segment_of(rs)->block[block].n : 0;
}

static bool zone(const struct rowset *rs, uint32_t block, enum col col, uint64_t *min,
                 uint64_t *max)
{
    const struct seg_column *c;

    if (block >= rs->n_blocks)
        return false;
    c = column_of(&segment_of(rs)->block[block], col);
    *min = c != NULL ? c->min : 0;
    *max = c != NULL ? c->max : 0;
    return true;
}

/* ------------------------------------------------------------------ opening */

static struct seg_ref get_ref(struct rd *r)
{
    struct seg_ref x = { .off = rd_le(r, 8) };

    x.len = (uint32_t)rd_le(r, 4);
    x.sum = (uint32_t)rd_le(r, 4);
    return x;
}

static int bad_footer(const struct segment *s, const char *why, struct err *e)
{
    return err_set(e, ERR_CORRUPT, "segment %s: %s; its rows cannot be read", s->name, why);
}

/* Header, trailer, and a reader over the checked footer. */
static int find_footer(const struct segment *s, struct rd *footer, struct err *e)
{
    struct rd head = rd_init(s->map.p, s->map.len), tail;
    const uint8_t *magic = rd_take(&head, 8), *p;
    uint32_t draft = (uint32_t)rd_le(&head, 4);
    struct seg_ref f;

    if (s->map.len < SEG_HEAD + SEG_TAIL || magic == NULL || memcmp(magic, SEG_MAGIC, 8) != 0)
        return bad_footer(s, "not a segment file", e);
    if (draft != SEG_DRAFT)
        return err_set(
            e, ERR_VERSION,
            "segment %s: written in draft %u of the format, this weir reads draft %u only; "
            "import the data again or use the weir that wrote it",
            s->name, draft, SEG_DRAFT);
    if (rd_le(&head, 4) != 0)
        return bad_footer(s, "header damaged", e);
    tail = rd_init(s->map.p + s->map.len - SEG_TAIL, SEG_TAIL);
    f = get_ref(&tail);
    if (rd_le(&tail, 8) != s->map.len)
        return bad_footer(s, "cut short or not complete", e);
    magic = rd_take(&tail, 8);
    if (magic == NULL || memcmp(magic, SEG_END, 8) != 0 ||
        f.len > s->map.len - SEG_TAIL - SEG_HEAD || f.off != s->map.len - SEG_TAIL - f.len)
        return bad_footer(s, "trailer damaged", e);
    p = segment_chunk(s, f, "footer", e);
    if (p == NULL)
        return ERR_CORRUPT;
    *footer = rd_init(p, f.len);
    return ERR_OK;
}

static bool get_info(struct segment *s, struct rd *r)
{
    struct seg_info *i = &s->info;

    i->octets = s->map.len;
    i->id = rd_le(r, 8);
    i->n_rows = (uint32_t)rd_le(r, 4);
    i->n_blocks = (uint32_t)rd_le(r, 4);
    i->n_options = (uint32_t)rd_le(r, 4);
    i->min_start_ms = (int64_t)rd_le(r, 8);
    i->max_start_ms = (int64_t)rd_le(r, 8);
    i->max_end_ms = (int64_t)rd_le(r, 8);
    i->min_received_ms = (int64_t)rd_le(r, 8);
    i->max_received_ms = (int64_t)rd_le(r, 8);
    i->views = (uint8_t)rd_le(r, 1);
    if (i->views > VIEWS_SHARED)
        return false;
    s->origin = *r;
    if (segment_get_origin(r, NULL) != ERR_OK)
        return false;
    s->rs.n_addrs = (uint32_t)rd_le(r, 4);
    s->rs.n_exporters = (uint32_t)rd_le(r, 4);
    s->rs.n_shapes = (uint32_t)rd_le(r, 4);
    for (unsigned t = 0; t < TABLE_N; t++)
        s->table[t] = get_ref(r);
    return rd_ok(r);
}

/* The blocks' entries; first pass counts columns, second fills them in. */
static bool get_blocks(struct segment *s, struct rd r, bool fill)
{
    uint64_t rows = 0;
    uint32_t at = 0;

    for (uint32_t i = 0; i < s->info.n_blocks; i++) {
        struct seg_block *b = &s->block[i];
        b->n = (uint32_t)rd_le(&r, 4);
        b->present = rd_le(&r, 8);
        b->extras = get_ref(&r);
        b->filter = get_ref(&r);
        if (!rd_ok(&r) || b->n == 0 || b->n > BATCH_ROWS || b->present >> COL_N != 0)
            return false;
        b->column = fill ? s->columns + at : NULL;
        for (unsigned c = 0; c < COL_N; c++) {
            struct seg_column x;
            if ((b->present >> c & 1) == 0)
                continue;
            x.ref = get_ref(&r);
            x.form = (uint8_t)rd_le(&r, 1);
            x.min = rd_le(&r, 8);
            x.max = rd_le(&r, 8);
            if (x.form > 1 || (x.form == 1 && seg_derive[c].kind == DERIVE_NONE))
                return false;
            if (fill)
                s->columns[at] = x;
            at++;
        }
        rows += b->n;
    }
    s->n_columns = at;
    return rd_ok(&r) && r.left == 0 && rows == s->info.n_rows;
}

static void segment_free(struct rowset *rs)
{
    struct segment *s = segment_of(rs);

    for (uint32_t i = 0; s->shapes != NULL && i < rs->n_shapes; i++)
        shape_unref(s->shapes[i]);
    for (unsigned a = 0; a < ATTR_N; a++)
        free(atomic_load(&s->attr[a]));
    for (unsigned k = 0; k < GEO_N; k++)
        segment_geo_free(atomic_load(&s->geo[k]));
    for (unsigned m = 0; m < MARGINAL_N; m++)
        free(atomic_load(&s->marginal[m]));
    free(s->options);
    buf_free(&s->option_octets);
    free(s->shapes);
    free(s->exporters);
    free(s->addrs);
    free(s->columns);
    free(s->block);
    if (s->owned)
        os_unmap(&s->map);
    os_mutex_free(&s->late);
    free(s);
}

static const struct rowset_ops segment_ops = {
    .block_rows = block_rows,
    .zone = zone,
    .read = segment_read,
    .extras = segment_extras,
    .option = segment_option,
    .marginal = segment_marginal,
    .pages = segment_pages,
    .geo = segment_geo,
    .translated = segment_translated,
    .free = segment_free,
};

static void fill_rowset(struct segment *s)
{
    static _Atomic uint64_t next_id = 1;
    struct rowset *rs = &s->rs;

    /* batches count from 1: the upper half keeps both apart */
    rs->id = 1ull << 63 | atomic_fetch_add(&next_id, 1);
    rs->n_rows = s->info.n_rows;
    rs->n_blocks = s->info.n_blocks;
    rs->n_options = s->info.n_options;
    rs->min_start_ms = s->info.min_start_ms;
    rs->max_start_ms = s->info.max_start_ms;
    rs->max_end_ms = s->info.max_end_ms;
    rs->min_received_ms = s->info.min_received_ms;
    rs->max_received_ms = s->info.max_received_ms;
    rs->views = s->info.views;
    rs->addrs_sorted = true;
    rs->addrs = s->addrs;
    rs->exporters = s->exporters;
    rs->shapes = (const struct shape *const *)s->shapes;
}

static int open_footer(struct segment *s, struct err *e)
{
    struct rd footer;
    int rc = find_footer(s, &footer, e);

    if (rc != ERR_OK)
        return rc;
    if (!get_info(s, &footer) || s->info.n_blocks > SEG_BLOCKS || s->rs.n_addrs == 0 ||
        s->rs.n_exporters > SEG_TABLES || s->rs.n_shapes > SEG_TABLES)
        return bad_footer(s, "footer damaged", e);
    s->block = calloc((size_t)s->info.n_blocks + 1, sizeof *s->block);
    if (s->block == NULL)
        return err_set(e, ERR_NOMEM, "segment %s: out of memory", s->name);
    if (!get_blocks(s, footer, false))
        return bad_footer(s, "list of blocks damaged", e);
    s->columns = calloc((size_t)s->n_columns + 1, sizeof *s->columns);
    if (s->columns == NULL)
        return err_set(e, ERR_NOMEM, "segment %s: out of memory", s->name);
    if (!get_blocks(s, footer, true))
        return bad_footer(s, "list of blocks damaged", e);
    return ERR_OK;
}

/* A read failed while all that was taken from the file: is it what it should be? */
static int open_again(const struct segment *s, struct err *e)
{
    static const unsigned loaded[] = { TABLE_ADDRS, TABLE_EXPORTERS, TABLE_SHAPES };
    struct rd footer;
    int rc = find_footer(s, &footer, e);

    for (unsigned i = 0; rc == ERR_OK && i < ARRAY_LEN(loaded); i++)
        if (segment_chunk(s, s->table[loaded[i]], "table", e) == NULL)
            rc = ERR_CORRUPT;
    return rc;
}

int segment_open(struct rowset **out, const char *name, struct os_map map, bool owned,
                 struct err *e)
{
    struct segment *s = calloc(1, sizeof *s);
    size_t n = MIN(strlen(name), sizeof s->name - 1);
    int rc;

    *out = NULL;
    if (s == NULL) {
        if (owned)
            os_unmap(&map);
        return err_set(e, ERR_NOMEM, "segment %s: out of memory", name);
    }
    s->map = map;
    s->owned = owned;
    memcpy(s->name, name, n);
    s->option_octets = buf_init(SIZE_MAX / 2);
    os_mutex_init(&s->late);
    atomic_init(&s->rs.refs, 1);
    s->rs.ops = &segment_ops;
    s->rs.name = s->name;
    rc = open_footer(s, e);
    if (rc == ERR_OK)
        rc = segment_load_tables(s, e);
    if (rc == ERR_OK && os_map_faulted(&s->map))
        rc = open_again(s, e);
    if (rc != ERR_OK) {
        segment_free(&s->rs);
        return rc;
    }
    fill_rowset(s);
    *out = &s->rs;
    return ERR_OK;
}

void segment_info(const struct rowset *rs, struct seg_info *out)
{
    *out = segment_of(rs)->info;
}

int segment_past(const struct rowset *rs, struct seg_past *out, struct err *e)
{
    struct segment *s = segment_of(rs);
    struct rd r = s->origin;
    struct rd footer;
    int rc = segment_get_origin(&r, out);

    if (rc == ERR_OK && os_map_faulted(&s->map) && find_footer(s, &footer, e) != ERR_OK) {
        segment_past_free(out);
        return ERR_CORRUPT;
    }
    return rc == ERR_OK ? rc : err_set(e, rc, "segment %s: %s", s->name, err_name(rc));
}

uint64_t segment_memory(const struct rowset *rs)
{
    const struct segment *s = segment_of(rs);

    return sizeof *s + (uint64_t)rs->n_addrs * sizeof *s->addrs +
           (uint64_t)rs->n_blocks * sizeof *s->block + (uint64_t)s->n_columns * sizeof *s->columns +
           (uint64_t)rs->n_exporters * sizeof *s->exporters + (uint64_t)rs->n_shapes * 512 +
           atomic_load_explicit(&s->late_octets, memory_order_relaxed);
}
