/* Octets as a segment file: open, then read every column, extras, option records, totals and index.
 * Checksums would keep nearly every mutation out, so the target first makes them right: chunk sums
 * where the directory points into the file, then the footer's. */
#include <stdlib.h>
#include <string.h>

#include "store/segment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fix_ref(uint8_t *p, size_t size, uint8_t *ref)
{
    uint64_t off = le64(ref), len = le32(ref + 8);

    if (len <= size && off <= size - len)
        le_put(ref + 12, seg_sum(p + off, len), 4);
}

/* Footer layout as in FORMAT.md: counts, origin, three more counts, table references, blocks. */
static void fix_sums(uint8_t *p, size_t size)
{
    uint64_t off, len, tables;
    struct rd r;
    uint8_t *f;

    if (size < SEG_HEAD + SEG_TAIL)
        return;
    le_put(p + size - 16, size, 8);
    off = le64(p + size - SEG_TAIL);
    len = le32(p + size - SEG_TAIL + 8);
    if (len > size || off > size - len || len < 60)
        return;
    f = p + off;
    r = rd_init(f + 60, len - 60);
    if (segment_get_origin(&r, NULL) != ERR_OK || r.left < 12 + 16 * TABLE_N) {
        fix_ref(p, size, p + size - SEG_TAIL);
        return;
    }
    tables = len - r.left + 12;
    for (unsigned t = 0; t < TABLE_N; t++)
        fix_ref(p, size, f + tables + 16 * t);
    for (size_t at = tables + 16 * TABLE_N; at + 28 <= len;) {
        uint64_t present = le64(f + at + 4);
        fix_ref(p, size, f + at + 12);
        at += 28;
        for (unsigned c = 0; c < 64; c++) {
            if ((present >> c & 1) == 0)
                continue;
            if (at + 33 > len)
                break;
            fix_ref(p, size, f + at);
            at += 33;
        }
    }
    fix_ref(p, size, p + size - SEG_TAIL);
}

static void read_block(const struct rowset *rs, uint32_t b)
{
    static uint64_t v[ROWSET_VECTOR];
    static struct rowset_extras x;
    uint32_t rows = rs->ops->block_rows(rs, b);
    struct err e;

    x.hold = buf_init(64u << 20);
    for (uint32_t first = 0; first < rows; first += ROWSET_VECTOR) {
        uint32_t n = MIN(ROWSET_VECTOR, rows - first);
        for (unsigned c = 0; c < COL_N; c++) {
            uint32_t top = 0;
            if (rs->ops->read(rs, b, c, first, n, v, &e) != ERR_OK)
                continue;
            for (uint32_t i = 0; i < n; i++)
                top = MAX(top, ((const uint32_t *)v)[i]);
            /* what callers index with must lie inside the tables */
            if ((col_info[c].kind == COL_KIND_ADDR && top >= rs->n_addrs) ||
                (c == COL_SHAPE && top >= rs->n_shapes) ||
                (c == COL_EXPORTER && top >= rs->n_exporters && top > 0))
                abort();
        }
        if (rs->ops->extras(rs, b, first, n, &x, &e) == ERR_OK)
            for (uint32_t i = 0; i < n; i++)
                v[i] = x.len[i] > 0 ? x.p[i][x.len[i] - 1] : 0;
    }
    buf_free(&x.hold);
}

/* What a caller may ask for by mistake is refused. */
static void ask_beyond(const struct rowset *rs)
{
    static struct rowset_extras x;
    uint64_t v[1], min, max;
    struct rowset_option o;
    struct err e;

    x.hold = buf_init(1);
    if (rs->ops->read(rs, rs->n_blocks, COL_BYTES, 0, 1, v, &e) == ERR_OK ||
        rs->ops->read(rs, 0, COL_BYTES, 1, 1, v, &e) == ERR_OK ||
        rs->ops->extras(rs, rs->n_blocks, 0, 1, &x, &e) == ERR_OK ||
        rs->ops->option(rs, rs->n_options, &o, &e) == ERR_OK ||
        rs->ops->pages(rs, rs->n_addrs, v, &e) == ERR_OK ||
        rs->ops->zone(rs, rs->n_blocks, COL_BYTES, &min, &max) ||
        rs->ops->read(rs, 0, COL_BYTES, 0, 0, v, &e) != ERR_OK)
        abort();
}

static void read_all(const struct rowset *rs)
{
    struct seg_info info;
    uint64_t *bits = calloc(ROWSET_PAGE_WORDS(rs->n_blocks) + 1u, sizeof *bits);
    struct seg_past past;
    struct err e;

    if (segment_past(rs, &past, &e) == ERR_OK)
        segment_past_free(&past);
    segment_info(rs, &info);
    if (info.n_rows != rs->n_rows || info.n_blocks != rs->n_blocks ||
        segment_memory(rs) < rs->n_addrs * sizeof *rs->addrs)
        abort();
    ask_beyond(rs);
    for (uint32_t b = 0; b < rs->n_blocks && b < 4; b++) {
        uint64_t min, max;
        for (unsigned c = 0; c < COL_N; c++)
            if (!rs->ops->zone(rs, b, c, &min, &max))
                abort();
        read_block(rs, b);
    }
    for (uint32_t i = 0; i < rs->n_options && i < 100; i++) {
        struct rowset_option o;
        if (rs->ops->option(rs, i, &o, &e) == ERR_OK && o.len > 0 && o.octets[o.len - 1] == 1)
            continue;
    }
    for (unsigned m = 0; m < MARGINAL_N; m++) {
        const struct marginal_row *row;
        uint32_t n;
        if (rs->ops->marginal(rs, m, &row, &n, &e) == ERR_OK && n > 0 && row[n - 1].flows == 1)
            continue;
    }
    for (uint32_t c = 0; bits != NULL && c < rs->n_addrs && c < 200; c++)
        (void)rs->ops->pages(rs, c, bits, &e);
    free(bits);
}

static void one(const uint8_t *p, size_t size)
{
    struct rowset *rs;
    struct err e;

    if (segment_open(&rs, "fuzz", (struct os_map){ .p = p, .len = size }, false, &e) != ERR_OK)
        return;
    read_all(rs);
    rowset_unref(rs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *p = malloc(size + 1);

    if (p == NULL)
        return 0;
    one(data, size);
    if (size > 0)
        memcpy(p, data, size);
    fix_sums(p, size);
    one(p, size);
    free(p);
    return 0;
}
