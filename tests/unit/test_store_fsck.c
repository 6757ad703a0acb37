/* A bit flipped in every kind of octet, and files removed: what is lost is computed here from the
 * layout, and compared with what the check and a question report, and with what a repair leaves.
 * usage: test_store_fsck [FLIPS anywhere in segments] */
#include "unit.h"

#include <stdio.h>
#include <unistd.h>

#include "fake_geo.h"
#include "folder.h"
#include "query/exec.h"
#include "random_batch.h"
#include "store/check.h"
#include "store/read.h"

#define ROWS_A  700u
#define ROWS_B  300u
#define OPTIONS 4u

static char dir[64];
static struct fake_geo geo;

/* Segments of two blocks, of one import, of a cut; its checkpoint. */
static int setup(void **state)
{
    struct rnd r = { 77 };
    int64_t t = 1700000000000;
    struct buf content = buf_init(1000);
    struct store_cut cut = { .n_shards = 2, .journal = { 5, 6 }, .checkpoint = &content };
    struct store_import *im;
    struct flow_batch *b[2];
    uint8_t sha[32] = { 9 };
    struct store *s;

    (void)state;
    if (folder_make(dir) != 0 || store_open(&s, dir, STORE_WRITE, "", NULL) != ERR_OK)
        return 1;
    fake_geo_init(&geo, 1, 300);
    store_set_geo(s, &geo.geo);
    b[0] = random_batch(&r, ROWS_A, OPTIONS, &t, 5, 0);
    b[1] = random_batch(&r, ROWS_B, 0, &t, 5, 1ull << COL_BYTES);
    for (uint32_t i = 0; i < ROWS_A; i++) /* belongs to the address: kept in a table */
        set_col(b[0], COL_SRC_AS, i, ((uint32_t *)b[0]->col[COL_SRC_IP])[i] * 1771u % 60000u + 1);
    assert_int_equal(store_seal(s, b, 2, NULL), ERR_OK);
    assert_int_equal(store_import_begin(s, "x.pcap", sha, &im, NULL), ERR_OK);
    assert_int_equal(store_import_seal(im, b, 1, NULL), ERR_OK);
    assert_int_equal(store_import_commit(im, NULL), ERR_OK);
    buf_str(&content, "state of the decoders");
    assert_int_equal(store_seal_cut(s, b + 1, 1, &cut, NULL, NULL, NULL), ERR_OK);
    buf_free(&content);
    store_close(s);
    flow_batch_unref(b[0]);
    flow_batch_unref(b[1]);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return folder_remove(dir);
}

#define ALL_ROWS    (2ull * (ROWS_A + ROWS_B))
#define ALL_OPTIONS (2ull * OPTIONS)

static void flip(const char *name, uint64_t at)
{
    char path[512];
    uint8_t c;
    size_t got;
    int fd;

    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(os_file_open(&fd, path, OS_OPEN_CREATE, NULL), ERR_OK);
    assert_int_equal(os_file_read(fd, path, at, &c, 1, &got, NULL), ERR_OK);
    assert_int_equal(got, 1);
    c ^= 4;
    assert_int_equal(os_file_write(fd, path, at, &c, 1, NULL), ERR_OK);
    os_file_close(&fd);
}

/* ------------------------------------------------------------------ asking */

static int on_begin(struct answer_sink *s, const struct answer_head *h)
{
    (void)s;
    (void)h;
    return ERR_OK;
}
static int on_row(struct answer_sink *s, const struct answer_row *r)
{
    (void)s;
    (void)r;
    return ERR_OK;
}
static int on_end(struct answer_sink *s, const struct answer_end *e)
{
    (void)s;
    (void)e;
    return ERR_OK;
}

/* Records as sent, all of them: reads every column and extra. */
static void list_all(struct query_stats *st)
{
    struct answer_sink sink = { on_begin, on_row, on_end };
    struct plan *p = calloc(1, sizeof *p);
    struct snapshot sn;
    struct store *s;
    struct err e = { 0 };

    p->filter = expr_new(EXPR_CONST);
    p->filter->yes = true;
    p->view = VIEW_LIST;
    p->all_columns = true;
    p->from_ms = 0;
    p->to_ms = INT64_MAX;
    assert_int_equal(store_open(&s, dir, STORE_READ, "", &e), ERR_OK);
    assert_int_equal(store_snapshot(s, &sn, &e), ERR_OK);
    assert_int_equal(query_run(p, &sn, &sink, NULL, st, &e), ERR_OK);
    snapshot_free(&sn);
    store_close(s);
    plan_free(p);
}

struct seen {
    unsigned n, notes;
    struct store_finding f[64];
};

static void on_found(void *ctx, const struct store_finding *f)
{
    struct seen *s = ctx;

    s->notes += f->note;
    if (!f->note && s->n < 64)
        s->f[s->n++] = *f;
}

static struct store_check check(bool repair, struct seen *seen)
{
    struct store_check c = { .repair = repair, .found = on_found, .ctx = seen };
    struct err e = { 0 };

    memset(seen, 0, sizeof *seen);
    if (store_check(dir, &c, &e) != ERR_OK)
        fail_msg("%s", e.msg);
    return c;
}

/* What must be said of one flipped bit. */
struct expect {
    const char *file, *part;
    uint64_t rows, options;
    bool loses_all; /* of the segment: it cannot be opened */
};

static void verify(const struct expect *x, bool repair)
{
    struct query_stats st;
    struct seen seen;
    struct store_check c = check(false, &seen);

    assert_true(c.findings > 0);
    assert_string_equal(seen.f[0].file, x->file);
    if (strcmp(seen.f[0].part, x->part) != 0)
        fail_msg("%s: %s instead of %s", x->file, seen.f[0].part, x->part);
    assert_int_equal(c.rows_lost, x->rows);
    assert_int_equal(c.options_lost, x->options);
    assert_int_equal(c.rows, ALL_ROWS);
    list_all(&st);
    assert_int_equal(st.rows_unreadable, x->rows);
    assert_int_equal(st.rows_matched, ALL_ROWS - x->rows);
    assert_int_equal(st.incomplete, x->rows > 0);
    if (x->rows > 0 && strncmp(x->part, "column", 6) == 0)
        assert_non_null(strstr(st.message, x->part));
    if (!repair)
        return;
    c = check(true, &seen);
    assert_int_equal(c.rows_lost, x->rows);
    c = check(false, &seen);
    assert_int_equal(c.findings, 0);
    assert_int_equal(c.rows, ALL_ROWS - x->rows);
    assert_int_equal(c.options, ALL_OPTIONS - x->options);
    list_all(&st);
    assert_int_equal(st.rows_unreadable, 0);
    assert_int_equal(st.rows_matched, ALL_ROWS - x->rows);
}

static struct segment *open_seg(struct store **s, const char *name, struct rowset **rs)
{
    const char *rest;
    uint64_t id = store_number(name, "seg-", &rest);

    assert_int_equal(store_open(s, dir, STORE_READ, "", NULL), ERR_OK);
    assert_int_equal(store_open_segment(*s, TIER_FAST, id, rs, NULL), ERR_OK);
    return segment_of(*rs);
}

static const char seg[] = "seg-000000000001.seg";

static void nothing_is_wrong(void **state)
{
    struct seen seen;
    struct store_check c = check(false, &seen);

    (void)state;
    assert_int_equal(c.findings, 0);
    assert_int_equal(c.rows, ALL_ROWS);
    assert_int_equal(c.options, ALL_OPTIONS);
    assert_int_equal(c.files, 5);
    c = check(true, &seen);
    assert_int_equal(c.findings, 0);
    assert_int_equal(c.segments_written, 0);
}

/* Each column of each block: the rows of that block, and those of the columns that hang on it. */
static void columns(void **state)
{
    struct rowset *rs;
    struct store *s;
    struct segment *g = open_seg(&s, seg, &rs);
    unsigned n = 0;

    (void)state;
    for (uint32_t b = 0; b < rs->n_blocks; b++) {
        uint32_t at = 0;
        for (unsigned c = 0; c < COL_N; c++) {
            char part[64];
            struct expect x = { seg, part, b == 0 ? ROWS_A : ROWS_B, 0, false };
            struct seg_ref r;
            if ((g->block[b].present >> c & 1) == 0)
                continue;
            r = g->block[b].column[at++].ref;
            (void)snprintf(part, sizeof part, "column %s", col_info[c].name);
            flip(seg, r.off + r.len / 2);
            verify(&x, false);
            flip(seg, r.off + r.len / 2);
            n++;
        }
        if (g->block[b].extras.len > 0) {
            struct expect x = { seg, "extras", b == 0 ? ROWS_A : ROWS_B, 0, false };
            flip(seg, g->block[b].extras.off);
            verify(&x, false);
            flip(seg, g->block[b].extras.off);
            n++;
        }
    }
    assert_true(n > 30);
    rowset_unref(rs);
    store_close(s);
}

static void tables(void **state)
{
    static const struct {
        unsigned table;
        const char *part;
        bool all, options;
    } t[] = {
        { TABLE_ADDRS, "whole file", true, true },
        { TABLE_EXPORTERS, "whole file", true, true },
        { TABLE_SHAPES, "whole file", true, true },
        { TABLE_PAGES, "index of addresses", false, false },
        { TABLE_OPTIONS, "option records", false, true },
        { TABLE_MARGINAL + MARGINAL_IF, "totals by interface", false, false },
        { TABLE_MARGINAL + MARGINAL_PROTO, "totals by protocol", false, false },
        { TABLE_MARGINAL + MARGINAL_SERVICE, "totals by service", false, false },
        { TABLE_GEO + GEO_AS, "looked up AS of addresses", false, false },
        { TABLE_GEO + GEO_COUNTRY, "country of addresses", false, false },
    };
    struct rowset *rs;
    struct store *s;
    struct segment *g = open_seg(&s, seg, &rs);
    unsigned n = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        struct seg_ref r = g->table[t[i].table];
        struct expect x = { seg, t[i].part, t[i].all ? ROWS_A + ROWS_B : 0,
                            t[i].options ? OPTIONS : 0, t[i].all };
        if (r.len == 0)
            continue;
        flip(seg, r.off + r.len - 1);
        verify(&x, false);
        flip(seg, r.off + r.len - 1);
        n++;
    }
    assert_true(n >= 5);
    rowset_unref(rs);
    store_close(s);
}

/* What belongs to addresses: the rows whose columns need it. */
static void table_of_attributes(void **state)
{
    struct expect x = { seg, "AS of addresses", 0, 0, false };
    struct rowset *rs;
    struct store *s;
    struct segment *g = open_seg(&s, seg, &rs);
    struct seg_ref r = g->table[TABLE_ATTR + ATTR_AS];

    (void)state;
    assert_true(r.len > 0);
    for (uint32_t b = 0; b < rs->n_blocks; b++) {
        uint32_t at = 0;
        bool needs = false;
        for (unsigned c = 0; c < COL_N; c++)
            if ((g->block[b].present >> c & 1) != 0)
                needs |= g->block[b].column[at++].form == 1 && (c == COL_SRC_AS || c == COL_DST_AS);
        x.rows += needs ? (b == 0 ? ROWS_A : ROWS_B) : 0;
    }
    assert_true(x.rows > 0);
    flip(seg, r.off + r.len / 2);
    rowset_unref(rs);
    store_close(s);
    verify(&x, true);
}

/* Every octet of header and trailer, many of the footer: the segment cannot be opened. */
static void frame_of_a_segment(void **state)
{
    struct expect x = { seg, "whole file", ROWS_A + ROWS_B, OPTIONS, true };
    struct rowset *rs;
    struct store *s;
    struct segment *g = open_seg(&s, seg, &rs);
    uint64_t len = g->map.len, footer = le64(g->map.p + len - SEG_TAIL);

    (void)state;
    rowset_unref(rs);
    store_close(s);
    for (uint64_t at = 0; at < len; at += at < SEG_HEAD || at >= len - SEG_TAIL ? 1 : 61) {
        if (at >= SEG_HEAD && at < footer) {
            at = footer;
        }
        flip(seg, at);
        verify(&x, false);
        flip(seg, at);
    }
}

static unsigned flips = 60; /* in the next test; the argument */

static bool holds(struct seg_ref r, uint64_t at)
{
    return r.len > 0 && at >= r.off && at < r.off + r.len;
}

/* Rows of the blocks with a column that is kept against this table. */
static uint64_t rows_against(const struct segment *g, unsigned attr)
{
    uint64_t rows = 0;

    for (uint32_t b = 0; b < g->rs.n_blocks; b++) {
        uint32_t at = 0;
        bool needs = false;
        for (unsigned c = 0; c < COL_N; c++)
            if ((g->block[b].present >> c & 1) != 0)
                needs |= g->block[b].column[at++].form == 1 && seg_derive[c].kind == DERIVE_ATTR &&
                         seg_derive[c].attr == attr;
        rows += needs ? g->block[b].n : 0;
    }
    return rows;
}

/* What one octet of a segment costs, by the layout; every octet belongs to something. */
static struct expect cost_of(const struct segment *g, uint64_t at)
{
    static const char *const derived[TABLE_N] = {
        [TABLE_PAGES] = "index of addresses",
        [TABLE_OPTIONS] = "option records",
        [TABLE_MARGINAL + MARGINAL_IF] = "totals by interface",
        [TABLE_MARGINAL + MARGINAL_PROTO] = "totals by protocol",
        [TABLE_MARGINAL + MARGINAL_SERVICE] = "totals by service",
        [TABLE_ATTR + ATTR_AS] = "AS of addresses",
        [TABLE_ATTR + ATTR_MASK] = "mask of addresses",
        [TABLE_ATTR + ATTR_VLAN] = "VLAN of addresses",
        [TABLE_ATTR + ATTR_NEXT] = "next hop of addresses",
        [TABLE_GEO + GEO_AS] = "looked up AS of addresses",
        [TABLE_GEO + GEO_COUNTRY] = "country of addresses",
    };
    static char column[64];
    struct expect x = { .part = "whole file",
                        .rows = g->info.n_rows,
                        .options = g->info.n_options,
                        .loses_all = true };

    if (at < SEG_HEAD || at >= le64(g->map.p + g->map.len - SEG_TAIL))
        return x;
    for (unsigned t = 0; t < TABLE_N; t++) {
        if (!holds(g->table[t], at))
            continue;
        if (derived[t] != NULL)
            x = (struct expect){ .part = derived[t],
                                 .rows = t >= TABLE_ATTR && t < TABLE_GEO
                                             ? rows_against(g, t - TABLE_ATTR)
                                             : 0,
                                 .options = t == TABLE_OPTIONS ? g->info.n_options : 0 };
        return x;
    }
    for (uint32_t b = 0; b < g->rs.n_blocks; b++) {
        uint32_t k = 0;
        x = (struct expect){ .part = "extras", .rows = g->block[b].n };
        if (holds(g->block[b].extras, at))
            return x;
        for (unsigned c = 0; c < COL_N; c++) {
            if ((g->block[b].present >> c & 1) == 0)
                continue;
            (void)snprintf(column, sizeof column, "column %s", col_info[c].name);
            x.part = column;
            if (holds(g->block[b].column[k++].ref, at))
                return x;
        }
    }
    fail_msg("octet %lu belongs to nothing", at);
    return x;
}

static void anywhere(void **state)
{
    static const char *const names[] = { seg, "seg-000000000002.seg" };
    struct rnd r = { 99 };

    (void)state;
    for (unsigned i = 0; i < flips; i++) {
        const char *name = names[i % 2];
        struct rowset *rs;
        struct store *s;
        struct segment *g = open_seg(&s, name, &rs);
        uint64_t at = flips > 2 * g->map.len ? i / 2 % g->map.len : rnd_next(&r) % g->map.len;
        struct expect x = cost_of(g, at);

        x.file = name;
        rowset_unref(rs);
        store_close(s);
        flip(name, at);
        verify(&x, false);
        flip(name, at);
    }
}

static void repair_columns(void **state)
{
    struct expect x = { seg, "column bytes", ROWS_B, 0, false };
    struct rowset *rs;
    struct store *s;
    struct segment *g = open_seg(&s, seg, &rs);
    uint32_t at = (uint32_t)__builtin_popcountll(g->block[1].present & ((1ull << COL_BYTES) - 1));
    struct os_stat st;
    char path[512];

    (void)state;
    flip(seg, g->block[1].column[at].ref.off);
    rowset_unref(rs);
    store_close(s);
    verify(&x, true);
    (void)snprintf(path, sizeof path, "%s/quarantine/%s", dir, seg);
    assert_int_equal(os_file_stat(path, &st, NULL), ERR_OK);
}

static void repair_derived(void **state)
{
    struct expect x = { seg, "index of addresses", 0, 0, false };
    struct rowset *rs;
    struct store *s;
    struct segment *g = open_seg(&s, seg, &rs);
    struct os_stat st;
    char path[512];

    (void)state;
    flip(seg, g->table[TABLE_PAGES].off);
    rowset_unref(rs);
    store_close(s);
    verify(&x, true);
    (void)snprintf(path, sizeof path, "%s/quarantine/%s", dir, seg); /* nothing was lost */
    assert_int_equal(os_file_stat(path, &st, NULL), ERR_NOTFOUND);
}

static void repair_options(void **state)
{
    struct expect x = { seg, "option records", 0, OPTIONS, false };
    struct rowset *rs;
    struct store *s;
    struct segment *g = open_seg(&s, seg, &rs);

    (void)state;
    flip(seg, g->table[TABLE_OPTIONS].off + 3);
    rowset_unref(rs);
    store_close(s);
    verify(&x, true);
}

static void repair_unreadable(void **state)
{
    struct expect x = { seg, "whole file", ROWS_A + ROWS_B, OPTIONS, true };

    (void)state;
    flip(seg, 2);
    verify(&x, true);
}

static void repair_missing(void **state)
{
    struct expect x = { seg, "whole file", ROWS_A + ROWS_B, OPTIONS, true };
    char path[512];

    (void)state;
    (void)snprintf(path, sizeof path, "%s/%s", dir, seg);
    assert_int_equal(os_unlink(path, NULL), ERR_OK);
    verify(&x, true);
}

/* An import is remembered through a repair. */
static void repair_import(void **state)
{
    static const char name[] = "seg-000000000002.seg";
    struct expect x = { name, "index of addresses", 0, 0, false };
    struct rowset *rs;
    struct store *s;
    struct segment *g = open_seg(&s, name, &rs);
    uint8_t sha[32] = { 9 };

    (void)state;
    flip(name, g->table[TABLE_PAGES].off);
    rowset_unref(rs);
    store_close(s);
    verify(&x, true);
    assert_int_equal(store_open(&s, dir, STORE_WRITE, "", NULL), ERR_OK);
    assert_true(store_import_known(s, sha));
    store_close(s);
}

/* Every octet of the manifest: rows, imports and the cut are the same after the repair. */
static void manifest(void **state)
{
    struct buf whole = buf_init(1 << 20), content = buf_init(1000);
    char path[512];
    uint8_t sha[32] = { 9 };
    uint64_t journal[64];
    uint32_t n;

    (void)state;
    (void)snprintf(path, sizeof path, "%s/manifest", dir);
    assert_int_equal(os_file_slurp(path, &whole, NULL), ERR_OK);
    for (size_t at = 0; at < whole.len; at += at < 60 ? 1 : 7) {
        struct expect x = { "manifest", "records", 0, 0, false };
        struct store_check c;
        struct store *s;
        struct seen seen;
        if (at >= 8 && at < 12)
            continue; /* the draft: refused */
        assert_int_equal(store_write_durable(path, &whole, NULL), ERR_OK);
        flip("manifest", at);
        c = check(false, &seen);
        x.part = seen.f[0].part;
        assert_true(strcmp(x.part, "records") == 0 || strcmp(x.part, "last record") == 0);
        verify(&x, at % 5 == 0);
        assert_int_equal(store_open(&s, dir, STORE_WRITE, "", NULL), ERR_OK);
        assert_true(store_import_known(s, sha));
        buf_clear(&content);
        assert_int_equal(store_last_cut(s, &n, journal, &content, NULL), ERR_OK);
        assert_string_equal(buf_cstr(&content), "state of the decoders");
        assert_int_equal(journal[1], 6);
        store_close(s);
        assert_int_equal(c.rows_lost, 0);
    }
    buf_free(&content);
    buf_free(&whole);
}

static int find_checkpoint(void *ctx, const char *name)
{
    if (strncmp(name, "checkpoint-", 11) == 0)
        (void)snprintf(ctx, 64, "%s", name);
    return ERR_OK;
}

static void checkpoint(void **state)
{
    char name[64], path[512];
    struct expect x = { name, "decoders' state", 0, 0, false };
    struct os_stat st;

    (void)state;
    assert_int_equal(os_dir_list(dir, find_checkpoint, name, NULL), ERR_OK);
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(os_file_stat(path, &st, NULL), ERR_OK);
    for (uint64_t at = 0; at < st.octets; at++) {
        flip(name, at);
        verify(&x, false);
        flip(name, at);
    }
    flip(name, 60);
    verify(&x, true);
}

static void checkpoint_missing(void **state)
{
    char name[64], path[512];
    struct expect x = { name, "decoders' state", 0, 0, false };

    (void)state;
    assert_int_equal(os_dir_list(dir, find_checkpoint, name, NULL), ERR_OK);
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(os_unlink(path, NULL), ERR_OK);
    verify(&x, true);
}

static void a_writer_excludes_repair(void **state)
{
    struct store_check c = { .repair = true };
    struct store *s;
    struct err e;

    (void)state;
    assert_int_equal(store_open(&s, dir, STORE_WRITE, "", NULL), ERR_OK);
    assert_int_equal(store_check(dir, &c, &e), ERR_BUSY);
    c.repair = false;
    assert_int_equal(store_check(dir, &c, &e), ERR_OK);
    assert_int_equal(c.findings, 0);
    store_close(s);
}

/* ------------------------------------------------------------------ what is left */

static uint64_t row_sum(struct rowset *rs, uint32_t b, uint32_t first, uint32_t n, bool all,
                        const uint8_t *keep, uint64_t *rows)
{
    static struct rowset_extras x;
    uint64_t v[ROWSET_VECTOR], sum[ROWSET_VECTOR] = { 0 }, total = 0;
    struct err e;

    for (unsigned c = 0; c < COL_N; c++) {
        assert_int_equal(rs->ops->read(rs, b, c, first, n, v, &e), ERR_OK);
        for (uint32_t i = 0; i < n; i++) {
            uint64_t y = col_info[c].bits > 32 ? v[i] : ((uint32_t *)v)[i];
            if (col_info[c].kind == COL_KIND_ADDR)
                y = addr_hash(&rs->addrs[y]);
            else if (c == COL_EXPORTER)
                y = addr_hash(&rs->exporters[y].addr) + rs->exporters[y].domain;
            else if (c == COL_SHAPE)
                y = rs->shapes[y]->hash;
            sum[i] = sum[i] * 31 + y;
        }
    }
    x.hold = buf_init(64u << 20);
    assert_int_equal(rs->ops->extras(rs, b, first, n, &x, &e), ERR_OK);
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t k = 0; k < x.len[i]; k++)
            sum[i] = sum[i] * 31 + x.p[i][k];
        if (all || keep[i]) {
            total += sum[i] * (sum[i] | 1);
            ++*rows;
        }
    }
    buf_free(&x.hold);
    return total;
}

static int every_third(void *ctx, const struct rowset *rs, uint32_t block, uint32_t first,
                       uint32_t n, uint8_t *keep, struct err *e)
{
    (void)ctx;
    (void)rs;
    (void)block;
    (void)e;
    for (uint32_t i = 0; i < n; i++)
        keep[i] = (first + i) % 3 == 0;
    return ERR_OK;
}

/* Rows written again are the same in every column and extra, and only those chosen. */
static void rest_is_the_same(void **state)
{
    struct written w = { 0 };
    struct rowset *rs, *again;
    uint64_t id = 1, a = 0, b = 0, rows_a = 0, rows_b = 0;
    struct store *s;
    struct err e;

    (void)state;
    assert_int_equal(store_open(&s, dir, STORE_WRITE, "", &e), ERR_OK);
    assert_int_equal(store_open_segment(s, TIER_FAST, id, &rs, &e), ERR_OK);
    assert_int_equal(store_write_rest(s, rs, NULL, every_third, NULL, true, &w, &e), ERR_OK);
    assert_int_equal(w.n, 1);
    again = w.rs[0];
    assert_int_equal(again->n_options, OPTIONS);
    for (uint32_t k = 0; k < 2; k++) {
        uint8_t keep[ROWSET_VECTOR];
        uint32_t n = k == 0 ? ROWS_A : ROWS_B;
        assert_int_equal(every_third(NULL, rs, k, 0, n, keep, &e), ERR_OK);
        a += row_sum(rs, k, 0, n, false, keep, &rows_a);
        b += row_sum(again, k, 0, again->ops->block_rows(again, k), true, NULL, &rows_b);
    }
    assert_int_equal(rows_a, rows_b);
    assert_true(a == b);
    rowset_unref(rs);
    assert_int_equal(store_replace_some(s, &id, 1, &w, false, &e), ERR_OK);
    store_close(s);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_is_wrong, setup, teardown),
        cmocka_unit_test_setup_teardown(columns, setup, teardown),
        cmocka_unit_test_setup_teardown(tables, setup, teardown),
        cmocka_unit_test_setup_teardown(table_of_attributes, setup, teardown),
        cmocka_unit_test_setup_teardown(frame_of_a_segment, setup, teardown),
        cmocka_unit_test_setup_teardown(anywhere, setup, teardown),
        cmocka_unit_test_setup_teardown(repair_columns, setup, teardown),
        cmocka_unit_test_setup_teardown(repair_derived, setup, teardown),
        cmocka_unit_test_setup_teardown(repair_options, setup, teardown),
        cmocka_unit_test_setup_teardown(repair_unreadable, setup, teardown),
        cmocka_unit_test_setup_teardown(repair_missing, setup, teardown),
        cmocka_unit_test_setup_teardown(repair_import, setup, teardown),
        cmocka_unit_test_setup_teardown(manifest, setup, teardown),
        cmocka_unit_test_setup_teardown(checkpoint, setup, teardown),
        cmocka_unit_test_setup_teardown(checkpoint_missing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_writer_excludes_repair, setup, teardown),
        cmocka_unit_test_setup_teardown(rest_is_the_same, setup, teardown),
    };

    if (argc > 1)
        flips = (unsigned)strtoul(argv[1], NULL, 10);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
