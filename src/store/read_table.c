/* Segment reader: addresses, exporters, shapes, attributes, index, options, marginals. */
#include <stdlib.h>
#include <string.h>

#include "codec/vec.h"
#include "codec/zst.h"
#include "store/filter.h"
#include "store/read.h"

#define EXPORTER_OCTETS 24u

static int damaged(const struct segment *s, const char *what, struct err *e)
{
    return err_set(e, ERR_CORRUPT, "segment %s: %s damaged; its rows cannot be read", s->name,
                   what);
}

static int no_memory(const struct segment *s, struct err *e)
{
    return err_set(e, ERR_NOMEM, "segment %s: out of memory", s->name);
}

/* Out of memory is no damage: what is damaged is put aside or written anew by repairs. */
static int bad(const struct segment *s, int rc, const char *what, struct err *e)
{
    return rc == ERR_NOMEM ? no_memory(s, e) : damaged(s, what, e);
}

/* Open a table chunk; ERR_CORRUPT when damaged. */
static int table_open(const struct segment *s, unsigned t, const char *what, struct rd *r,
                      struct err *e)
{
    const uint8_t *p = segment_chunk(s, s->table[t], what, e);

    if (p == NULL)
        return ERR_CORRUPT;
    *r = rd_init(p, s->table[t].len);
    return ERR_OK;
}

/* A number of values that a chunk claims must be plausible before memory is taken for it: each page
 * of PAGE_VALUES costs at least 11 octets. */
static bool plausible(const struct rd *r, uint64_t n)
{
    return n / PAGE_VALUES * 11 <= r->left;
}

uint64_t *segment_vector(struct rd *r, uint32_t n, int *rc)
{
    struct vec v;
    uint64_t *out = NULL;

    if (*rc == ERR_OK && (!plausible(r, n) || vec_open(&v, r, n) != ERR_OK))
        *rc = ERR_CORRUPT;
    if (*rc != ERR_OK)
        return NULL;
    out = malloc(((size_t)vec_pages(n) * PAGE_VALUES + 1) * sizeof *out);
    *rc = out == NULL ? ERR_NOMEM : vec_decode64(&v, out) != ERR_OK ? ERR_CORRUPT : ERR_OK;
    if (*rc != ERR_OK) {
        free(out);
        return NULL;
    }
    return out;
}

static int fill_addrs(struct segment *s, uint32_t low, uint32_t v4, const uint64_t *d4,
                      const uint64_t *hi, const uint64_t *lo)
{
    uint64_t a = 0, h = 0;
    uint32_t at6 = 0;

    for (uint32_t i = 0; i < s->rs.n_addrs; i++) {
        if (i >= low && i - low < v4) {
            a += d4[i - low];
            s->addrs[i] = addr_from_v4((uint32_t)a);
            continue;
        }
        h += hi[at6];
        be_put(s->addrs[i].b, h, 8);
        be_put(s->addrs[i].b + 8, lo[at6++], 8);
    }
    /* readers search in it, and code 0 means absent */
    if (!addr_is_zero(&s->addrs[0]))
        return ERR_CORRUPT;
    for (uint32_t i = 1; i < s->rs.n_addrs; i++)
        if (addr_cmp(&s->addrs[i - 1], &s->addrs[i]) >= 0)
            return ERR_CORRUPT;
    return ERR_OK;
}

static int load_addrs(struct segment *s, struct err *e)
{
    uint64_t *d4 = NULL, *hi = NULL, *lo = NULL;
    uint64_t low, v4, high;
    struct rd r;
    int rc = table_open(s, TABLE_ADDRS, "address table", &r, e);

    if (rc != ERR_OK)
        return rc;
    low = rd_le(&r, 4);
    v4 = rd_le(&r, 4);
    high = rd_le(&r, 4);
    if (!rd_ok(&r) || low + v4 + high != s->rs.n_addrs || !plausible(&r, s->rs.n_addrs))
        return damaged(s, "address table", e);
    s->addrs = malloc((size_t)s->rs.n_addrs * sizeof *s->addrs);
    if (s->addrs == NULL)
        return no_memory(s, e);
    d4 = segment_vector(&r, (uint32_t)v4, &rc);
    hi = segment_vector(&r, (uint32_t)(low + high), &rc);
    lo = segment_vector(&r, (uint32_t)(low + high), &rc);
    if (rc != ERR_OK || r.left != 0 ||
        fill_addrs(s, (uint32_t)low, (uint32_t)v4, d4, hi, lo) != ERR_OK)
        rc = bad(s, rc, "address table", e);
    free(d4);
    free(hi);
    free(lo);
    return rc;
}

static int load_exporters(struct segment *s, struct err *e)
{
    struct rd r;
    int rc = table_open(s, TABLE_EXPORTERS, "exporter table", &r, e);

    if (rc != ERR_OK)
        return rc;
    if (r.left != (size_t)s->rs.n_exporters * EXPORTER_OCTETS)
        return damaged(s, "exporter table", e);
    s->exporters = calloc((size_t)s->rs.n_exporters + 1, sizeof *s->exporters);
    if (s->exporters == NULL)
        return no_memory(s, e);
    for (uint32_t i = 0; i < s->rs.n_exporters; i++) {
        struct exporter_key *k = &s->exporters[i];
        memcpy(k->addr.b, rd_take(&r, 16), 16);
        k->domain = (uint32_t)rd_le(&r, 4);
        k->version = (uint16_t)rd_le(&r, 2);
        k->import = (uint16_t)rd_le(&r, 2);
    }
    return ERR_OK;
}

static int load_shapes(struct segment *s, struct err *e)
{
    struct rd r;
    int rc = table_open(s, TABLE_SHAPES, "shape table", &r, e);

    if (rc != ERR_OK)
        return rc;
    s->shapes = calloc((size_t)s->rs.n_shapes + 1, sizeof(struct shape *));
    if (s->shapes == NULL)
        return no_memory(s, e);
    for (uint32_t i = 0; i < s->rs.n_shapes; i++) {
        rc = shape_read(&s->shapes[i], &r);
        if (rc != ERR_OK)
            return bad(s, rc, "shape table", e);
    }
    return r.left == 0 ? ERR_OK : damaged(s, "shape table", e);
}

int segment_load_tables(struct segment *s, struct err *e)
{
    int rc = load_addrs(s, e);

    if (rc == ERR_OK)
        rc = load_exporters(s, e);
    return rc == ERR_OK ? load_shapes(s, e) : rc;
}

static void count_late(struct segment *s, uint64_t octets)
{
    atomic_fetch_add_explicit(&s->late_octets, octets, memory_order_relaxed);
}

static int load_attr(struct segment *s, enum seg_attr a, struct err *e)
{
    static const char what[] = "table of what belongs to addresses";
    uint32_t *t = NULL;
    uint64_t *v;
    struct rd r;
    int rc = table_open(s, TABLE_ATTR + a, what, &r, e);

    if (rc != ERR_OK)
        return rc;
    v = segment_vector(&r, s->rs.n_addrs, &rc);
    if (rc == ERR_OK && (r.left != 0 || !segment_held(s, s->table[TABLE_ATTR + a])))
        rc = ERR_CORRUPT;
    if (rc == ERR_OK && (t = malloc((size_t)s->rs.n_addrs * sizeof *t)) == NULL)
        rc = ERR_NOMEM;
    for (uint32_t i = 0; t != NULL && i < s->rs.n_addrs; i++)
        t[i] = (uint32_t)v[i];
    free(v);
    if (t != NULL)
        count_late(s, (uint64_t)s->rs.n_addrs * sizeof *t);
    atomic_store_explicit(&s->attr[a], t, memory_order_release);
    return rc == ERR_OK ? rc : bad(s, rc, what, e);
}

int segment_attr(struct segment *s, enum seg_attr a, const uint32_t **out, struct err *e)
{
    int rc = ERR_OK;

    *out = atomic_load_explicit(&s->attr[a], memory_order_acquire);
    if (*out != NULL)
        return ERR_OK;
    os_lock(&s->late);
    if (atomic_load_explicit(&s->attr[a], memory_order_relaxed) == NULL)
        rc = load_attr(s, a, e);
    *out = atomic_load_explicit(&s->attr[a], memory_order_relaxed);
    os_unlock(&s->late);
    return rc;
}

/* ------------------------------------------------------------------ index */

int segment_pages(const struct rowset *rs, uint32_t code, uint64_t *bitmap, struct err *e)
{
    struct segment *s = segment_of(rs);
    uint32_t groups = vec_pages(rs->n_addrs), pages = rs->n_blocks * ROWSET_BLOCK_PAGES, width;
    uint64_t counts[PAGE_VALUES], at;
    uint32_t before = 0, page;
    const uint8_t *starts;
    struct vec v;
    struct rd r, list;

    if (code >= rs->n_addrs)
        return err_set(e, ERR_ARG, "segment %s: no address has code %u", s->name, code);
    if (!atomic_load_explicit(&s->pages_checked, memory_order_acquire)) {
        if (segment_chunk(s, s->table[TABLE_PAGES], "index of addresses", e) == NULL)
            return ERR_CORRUPT;
        atomic_store_explicit(&s->pages_checked, true, memory_order_release);
    }
    r = rd_init(s->map.p + s->table[TABLE_PAGES].off, s->table[TABLE_PAGES].len);
    width = (uint32_t)rd_le(&r, 1);
    starts = rd_take(&r, (size_t)groups * 4);
    if (starts == NULL || width > 2 || vec_open(&v, &r, rs->n_addrs) != ERR_OK ||
        vec_page64(&v, code / PAGE_VALUES, counts) != ERR_OK)
        return damaged(s, "index of addresses", e);
    at = le32(starts + 4u * (code / PAGE_VALUES));
    for (uint32_t i = 0; i < code % PAGE_VALUES; i++)
        at += counts[i] & UINT32_MAX;
    if (rd_take(&r, (size_t)at * MAX(1u, width)) == NULL ||
        counts[code % PAGE_VALUES] > (uint64_t)pages * SEG_GAP_OCTETS)
        return damaged(s, "index of addresses", e);
    list = rd_sub(&r, (size_t)counts[code % PAGE_VALUES] * MAX(1u, width));
    if (!rd_ok(&list))
        return damaged(s, "index of addresses", e);
    while (list.left > 0) {
        if (!segment_next_page(&list, width, &before, &page) || page >= pages)
            return damaged(s, "index of addresses", e);
        bitmap[page / 64] |= 1ull << page % 64;
    }
    return segment_held(s, s->table[TABLE_PAGES]) ? ERR_OK : damaged(s, "index of addresses", e);
}

void segment_translated(const struct rowset *rs, const uint64_t *keys, uint32_t n, uint64_t *bitmap)
{
    struct segment *s = segment_of(rs);

    for (uint32_t i = 0; i < rs->n_blocks; i++) {
        struct seg_block *b = &s->block[i];
        uint32_t pages = UINT32_MAX, at = ROWSET_PAGE(i, 0);
        if (b->filter.len == 0)
            continue;
        if (!atomic_load_explicit(&b->filter_checked, memory_order_relaxed) &&
            segment_chunk(s, b->filter, "index of translations", NULL) != NULL)
            atomic_store_explicit(&b->filter_checked, true, memory_order_relaxed);
        if (atomic_load_explicit(&b->filter_checked, memory_order_relaxed))
            pages = filter_pages(s->map.p + b->filter.off, b->filter.len, keys, n);
        if (!segment_held(s, b->filter))
            pages = UINT32_MAX; /* damaged: any of them */
        for (uint32_t p = 0; p < ROWSET_BLOCK_PAGES; p++)
            bitmap[(at + p) / 64] |= (uint64_t)(pages >> p & 1) << (at + p) % 64;
    }
}

/* ------------------------------------------------------------------ option records */

/* With all four vectors decoded: the octets, and a row for each record. */
static int fill_options(struct segment *s, struct rd *r, uint64_t *const v[4], uint32_t n)
{
    uint32_t pieces = (uint32_t)rd_le(r, 4);
    size_t at = 0;
    int rc = ERR_OK;

    for (uint32_t i = 0; rd_ok(r) && i < pieces && rc == ERR_OK; i++)
        rc = zst_decode(r, &s->option_octets, BATCH_OPTION_OCTETS);
    if (rc != ERR_OK || !rd_ok(r) || r->left != 0)
        return rc != ERR_OK ? rc : ERR_CORRUPT;
    s->options = calloc((size_t)n + 1, sizeof *s->options);
    if (s->options == NULL)
        return ERR_NOMEM;
    for (uint32_t i = 0; i < n; i++) {
        if (v[1][i] >= s->rs.n_exporters || v[2][i] >= s->rs.n_shapes ||
            v[3][i] > s->option_octets.len - at)
            return ERR_CORRUPT;
        s->options[i] = (struct rowset_option){ .received_ms = (int64_t)v[0][i],
                                                .exporter = (uint32_t)v[1][i],
                                                .shape = (uint32_t)v[2][i],
                                                .octets = s->option_octets.p + at,
                                                .len = (uint32_t)v[3][i] };
        at += v[3][i];
    }
    return ERR_OK;
}

static int load_options(struct segment *s, struct err *e)
{
    uint64_t *v[4] = { NULL };
    struct rd r;
    uint32_t n;
    int rc = table_open(s, TABLE_OPTIONS, "table of option records", &r, e);

    if (rc != ERR_OK)
        return rc;
    n = (uint32_t)rd_le(&r, 4);
    if (!rd_ok(&r) || n != s->info.n_options)
        rc = ERR_CORRUPT;
    for (unsigned c = 0; c < 4; c++)
        v[c] = segment_vector(&r, n, &rc);
    if (rc == ERR_OK)
        rc = fill_options(s, &r, v, n);
    if (rc == ERR_OK && !segment_held(s, s->table[TABLE_OPTIONS]))
        rc = ERR_CORRUPT;
    for (unsigned c = 0; c < 4; c++)
        free(v[c]);
    if (rc != ERR_OK) {
        free(s->options);
        s->options = NULL;
        buf_free(&s->option_octets);
        return bad(s, rc, "table of option records", e);
    }
    count_late(s, (uint64_t)n * sizeof *s->options + s->option_octets.len);
    atomic_store_explicit(&s->options_loaded, true, memory_order_release);
    return ERR_OK;
}

int segment_option(const struct rowset *rs, uint32_t i, struct rowset_option *out, struct err *e)
{
    struct segment *s = segment_of(rs);
    int rc = ERR_OK;

    if (i >= rs->n_options)
        return err_set(e, ERR_ARG, "segment %s: option record %u of %u", s->name, i, rs->n_options);
    if (!atomic_load_explicit(&s->options_loaded, memory_order_acquire)) {
        os_lock(&s->late);
        if (!atomic_load_explicit(&s->options_loaded, memory_order_relaxed))
            rc = load_options(s, e);
        os_unlock(&s->late);
    }
    if (rc == ERR_OK)
        *out = s->options[i];
    return rc;
}

/* ------------------------------------------------------------------ marginals */

static struct marginal_row *load_marginal(struct rd *r, uint32_t n, int *rc)
{
    struct marginal_row *row = NULL;

    *rc = plausible(r, n) ? ERR_OK : ERR_CORRUPT;
    if (*rc == ERR_OK && (row = calloc((size_t)n + 1, sizeof *row)) == NULL)
        *rc = ERR_NOMEM;
    for (unsigned c = 0; c < 10 && row != NULL; c++) {
        uint64_t *v = segment_vector(r, n, rc);
        if (v == NULL) {
            free(row);
            return NULL;
        }
        for (uint32_t i = 0; i < n; i++) {
            uint64_t x = v[i];
            switch (c) {
            case 0:
                row[i].minute_ms = (int64_t)x;
                break;
            case 1:
            case 2:
            case 3:
                row[i].key[c - 1] = (uint32_t)x;
                break;
            case 4:
                row[i].rate = (uint32_t)x;
                break;
            case 5:
                row[i].flows = x;
                break;
            case 6:
                row[i].bytes = x;
                break;
            case 7:
                row[i].packets = x;
                break;
            case 8:
                row[i].rev_bytes = x;
                break;
            default:
                row[i].rev_packets = x;
                break;
            }
        }
        free(v);
    }
    return row;
}

/* Keys of MARGINAL_IF name exporters: readers index with them. */
static bool keys_fit(const struct segment *s, enum marginal which, const struct marginal_row *row,
                     uint32_t n)
{
    for (uint32_t i = 0; which == MARGINAL_IF && i < n; i++)
        if (row[i].key[0] >= s->rs.n_exporters)
            return false;
    return true;
}

int segment_marginal(const struct rowset *rs, enum marginal which, const struct marginal_row **rows,
                     uint32_t *n, struct err *e)
{
    struct segment *s = segment_of(rs);
    struct marginal_row *row = atomic_load_explicit(&s->marginal[which], memory_order_acquire);
    struct rd r;
    int rc = ERR_OK;

    *rows = NULL;
    *n = 0;
    if (s->table[TABLE_MARGINAL + which].len == 0)
        return err_set(e, ERR_UNSUPPORTED, "segment %s keeps no such totals", s->name);
    if (row == NULL) {
        os_lock(&s->late);
        row = atomic_load_explicit(&s->marginal[which], memory_order_relaxed);
        if (row == NULL &&
            (rc = table_open(s, TABLE_MARGINAL + which, "table of totals", &r, e)) == ERR_OK) {
            s->n_marginal[which] = (uint32_t)rd_le(&r, 4);
            row = load_marginal(&r, s->n_marginal[which], &rc);
            if (row == NULL || r.left != 0 || !keys_fit(s, which, row, s->n_marginal[which]) ||
                !segment_held(s, s->table[TABLE_MARGINAL + which])) {
                rc = bad(s, rc, "table of totals", e);
                free(row);
                row = NULL;
            }
            if (row != NULL)
                count_late(s, (uint64_t)s->n_marginal[which] * sizeof *row);
            atomic_store_explicit(&s->marginal[which], row, memory_order_release);
        }
        os_unlock(&s->late);
    }
    if (rc != ERR_OK)
        return rc;
    *rows = row;
    *n = s->n_marginal[which];
    return ERR_OK;
}
