#include "unit.h"

#include <stdio.h>
#include <unistd.h>

#include "random_batch.h"
#include "store/merge.h"
#include "store/read.h"

#define SEGMENTS 64u
#define WILD     (1ull << COL_BYTES | 1ull << COL_START_SHIFT | 1ull << COL_TOS)

static char dir[64], path[96];

static int setup(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof dir, "/tmp/weir-test-XXXXXX");
    if (mkdtemp(dir) == NULL)
        return 1;
    (void)snprintf(path, sizeof path, "%s/out.tmp", dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    (void)os_unlink(path, NULL);
    return rmdir(dir);
}

/* ------------------------------------------------------------------ inputs */

struct inputs {
    struct flow_batch *b[256]; /* in the order in which the rows are expected */
    size_t n_batches;
    struct buf octets[SEGMENTS];
    struct rowset *rs[SEGMENTS];
    size_t n;
    struct rowset *want; /* all batches in one segment */
    struct buf want_octets;
};

/* What belongs to addresses: by the address alone, or by the segment too. */
static void set_attributes(struct flow_batch *b, unsigned segment, bool steady)
{
    const uint32_t *src = b->col[COL_SRC_IP], *dst = b->col[COL_DST_IP];

    for (uint32_t i = 0; i < flow_batch_rows(b); i++) {
        uint64_t s = addr_hash(&b->addrs[src[i]]), d = addr_hash(&b->addrs[dst[i]]);
        unsigned odd = steady ? 0 : segment * (unsigned)(d % 5 == 0);
        set_col(b, COL_SRC_AS, i, s % 60000 + odd);
        set_col(b, COL_DST_AS, i, d % 60000);
        set_col(b, COL_SRC_MASK, i, s % 3 == 0 ? 0 : s % 32);
        set_col(b, COL_DST_MASK, i, d % 32 + odd);
        set_col(b, COL_SRC_VLAN, i, 0);
        set_col(b, COL_DST_VLAN, i, d % 4000);
        set_col(b, COL_NEXT_IP, i, steady || d % 3 != 0 ? dst[i] : src[i]);
        set_col(b, COL_BGP_NEXT_IP, i, i % 7 == 0 ? src[i] : 0);
    }
}

static void add_segment(struct inputs *in, struct flow_batch **b, size_t n)
{
    struct seg_info info;
    struct err e;
    size_t k = in->n++;

    in->octets[k] = buf_init(1u << 30);
    assert_int_equal(segment_build(b, n, 100 + k, &in->octets[k], &info, NULL, &e), ERR_OK);
    assert_int_equal(segment_open(&in->rs[k], "seg-in",
                                  (struct os_map){ in->octets[k].p, in->octets[k].len }, false, &e),
                     ERR_OK);
}

static void finish(struct inputs *in)
{
    struct seg_info info;
    struct err e;

    in->want_octets = buf_init(1u << 30);
    assert_int_equal(segment_build(in->b, in->n_batches, 7, &in->want_octets, &info, NULL, &e),
                     ERR_OK);
    assert_int_equal(segment_open(&in->want, "seg-want",
                                  (struct os_map){ in->want_octets.p, in->want_octets.len }, false,
                                  &e),
                     ERR_OK);
}

static void drop(struct inputs *in)
{
    for (size_t i = 0; i < in->n; i++) {
        rowset_unref(in->rs[i]);
        buf_free(&in->octets[i]);
    }
    for (size_t i = 0; i < in->n_batches; i++)
        flow_batch_unref(in->b[i]);
    rowset_unref(in->want);
    buf_free(&in->want_octets);
}

/* `segments` of them, of `batches` batches of about `rows` rows, one after the other. */
static void make(struct inputs *in, uint64_t seed, unsigned segments, unsigned batches,
                 uint32_t rows, unsigned shapes, uint64_t wild, bool steady)
{
    struct rnd r = { seed };
    int64_t t = 1780000000000;

    memset(in, 0, sizeof *in);
    for (unsigned s = 0; s < segments; s++) {
        size_t first = in->n_batches;
        for (unsigned k = 0; k < batches; k++) {
            uint32_t n = rows / 2 + (uint32_t)(rnd_next(&r) % (rows + 1));
            struct flow_batch *b = random_batch(&r, MIN(n, BATCH_ROWS), s % 3 == 1 ? 20 : 0, &t,
                                                1 + s % 2 + shapes, wild);
            assert_non_null(b);
            set_attributes(b, s, steady);
            in->b[in->n_batches++] = b;
            t += 5;
        }
        add_segment(in, in->b + first, batches);
    }
    finish(in);
}

/* ------------------------------------------------------------------ comparing */

static uint64_t *flat(const struct rowset *rs, enum col c)
{
    uint64_t *v = malloc(((size_t)rs->n_rows + 1) * sizeof *v);
    bool wide = col_info[c].bits > 32;
    size_t at = 0;
    struct err e;

    assert_non_null(v);
    for (uint32_t b = 0; b < rs->n_blocks; b++) {
        uint64_t min, max;
        assert_true(rs->ops->zone(rs, b, c, &min, &max));
        for (uint32_t first = 0, n = rs->ops->block_rows(rs, b); first < n;
             first += ROWSET_VECTOR) {
            uint32_t k = MIN(ROWSET_VECTOR, n - first);
            uint32_t narrow[ROWSET_VECTOR];
            int rc = rs->ops->read(rs, b, c, first, k, wide ? (void *)(v + at) : narrow, &e);
            if (rc != ERR_OK)
                fail_msg("%s", e.msg);
            for (uint32_t i = 0; i < k; i++) {
                v[at + i] = wide ? v[at + i] : narrow[i];
                assert_true(v[at + i] >= min && v[at + i] <= max);
            }
            at += k;
        }
    }
    assert_int_equal(at, rs->n_rows);
    return v;
}

static void same_exporter(const struct rowset *a, uint64_t x, const struct rowset *b, uint64_t y)
{
    assert_true(x < a->n_exporters && y < b->n_exporters);
    assert_int_equal(a->exporters[x].domain, b->exporters[y].domain);
    assert_int_equal(addr_cmp(&a->exporters[x].addr, &b->exporters[y].addr), 0);
}

static void same_columns(const struct rowset *a, const struct rowset *b)
{
    assert_int_equal(a->n_rows, b->n_rows);
    for (unsigned c = 0; c < COL_N; c++) {
        uint64_t *x = flat(a, c), *y = flat(b, c);
        for (uint32_t i = 0; i < a->n_rows; i++) {
            if (col_info[c].kind == COL_KIND_ADDR)
                assert_int_equal(addr_cmp(&a->addrs[x[i]], &b->addrs[y[i]]), 0);
            else if (c == COL_SHAPE)
                assert_true(shape_equal(a->shapes[x[i]], b->shapes[y[i]]));
            else if (c == COL_EXPORTER)
                same_exporter(a, x[i], b, y[i]);
            else if (x[i] != y[i])
                fail_msg("%s of row %u", col_info[c].name, i);
        }
        free(x);
        free(y);
    }
}

static struct buf all_extras(const struct rowset *rs)
{
    static struct rowset_extras x;
    struct buf out = buf_init(1u << 30);
    struct err e;

    x.hold = buf_init(1u << 30);
    for (uint32_t b = 0; b < rs->n_blocks; b++)
        for (uint32_t first = 0, n = rs->ops->block_rows(rs, b); first < n;
             first += ROWSET_VECTOR) {
            uint32_t k = MIN(ROWSET_VECTOR, n - first);
            int rc = rs->ops->extras(rs, b, first, k, &x, &e);
            if (rc != ERR_OK)
                fail_msg("%s", e.msg);
            for (uint32_t i = 0; i < k; i++) {
                buf_le(&out, x.len[i], 4);
                buf_put(&out, x.p[i], x.len[i]);
            }
        }
    buf_free(&x.hold);
    return out;
}

static void same_extras(const struct rowset *a, const struct rowset *b)
{
    struct buf x = all_extras(a), y = all_extras(b);

    assert_int_equal(x.len, y.len);
    if (x.len > 0)
        assert_memory_equal(x.p, y.p, x.len);
    buf_free(&x);
    buf_free(&y);
}

static void same_options(const struct rowset *a, const struct rowset *b)
{
    assert_int_equal(a->n_options, b->n_options);
    for (uint32_t i = 0; i < a->n_options; i++) {
        struct rowset_option x, y;
        struct err e;
        assert_int_equal(a->ops->option(a, i, &x, &e), ERR_OK);
        assert_int_equal(b->ops->option(b, i, &y, &e), ERR_OK);
        assert_true(x.received_ms == y.received_ms && x.len == y.len);
        assert_memory_equal(x.octets, y.octets, x.len);
        same_exporter(a, x.exporter, b, y.exporter);
        assert_true(shape_equal(a->shapes[x.shape], b->shapes[y.shape]));
    }
}

/* Exporters are numbered alike in both: in order of appearance. */
static void same_totals(const struct rowset *a, const struct rowset *b)
{
    for (unsigned w = 0; w < MARGINAL_N; w++) {
        const struct marginal_row *x, *y;
        uint32_t n, k;
        struct err e;
        int rc = a->ops->marginal(a, w, &x, &n, &e);
        if (rc == ERR_UNSUPPORTED)
            continue; /* too many for all of them together, or for a part */
        assert_int_equal(rc, ERR_OK);
        assert_int_equal(b->ops->marginal(b, w, &y, &k, &e), ERR_OK);
        assert_int_equal(n, k);
        assert_memory_equal(x, y, n * sizeof *x);
    }
}

/* The index names a page for a code exactly when a row of that page holds it. */
static void index_is_exact(const struct rowset *rs)
{
    uint64_t *src = flat(rs, COL_SRC_IP), *dst = flat(rs, COL_DST_IP);
    size_t words = ROWSET_PAGE_WORDS((size_t)rs->n_blocks + 1);
    uint64_t *is = calloc(words, sizeof *is), *should = calloc(words, sizeof *should);
    struct err e;

    for (uint32_t code = 0; code < rs->n_addrs; code += 1 + code / 12) {
        size_t at = 0;
        memset(is, 0, words * sizeof *is);
        memset(should, 0, words * sizeof *should);
        for (uint32_t b = 0; b < rs->n_blocks; b++)
            for (uint32_t i = 0; i < rs->ops->block_rows(rs, b); i++, at++) {
                uint32_t page = ROWSET_PAGE(b, i);
                if (src[at] == code || dst[at] == code)
                    should[page / 64] |= 1ull << page % 64;
            }
        assert_int_equal(rs->ops->pages(rs, code, is, &e), ERR_OK);
        assert_memory_equal(is, should, words * sizeof *is);
    }
    free(src);
    free(dst);
    free(is);
    free(should);
}

static struct rowset *merged(const struct inputs *in, bool keep_blocks, struct merge_result *r)
{
    struct merge_options o = { .id = 4242, .keep_blocks = keep_blocks };
    struct rowset *rs;
    struct os_map map;
    struct err e;
    int rc = segment_merge(in->rs, in->n, path, &o, r, &e);

    if (rc != ERR_OK)
        fail_msg("%s", e.msg);
    assert_int_equal(os_map_file(&map, path, &e), ERR_OK);
    rc = segment_open(&rs, "seg-merged", map, true, &e);
    if (rc != ERR_OK)
        fail_msg("%s", e.msg);
    return rs;
}

static void same_bounds(const struct inputs *in, const struct merge_result *r,
                        const struct rowset *rs)
{
    struct seg_info is, want;

    segment_info(rs, &is);
    segment_info(in->want, &want);
    assert_memory_equal(&is, &r->info, sizeof is);
    assert_true(is.id == 4242 && is.n_rows == want.n_rows && is.n_options == want.n_options);
    assert_true(is.min_start_ms == want.min_start_ms && is.max_start_ms == want.max_start_ms &&
                is.max_end_ms == want.max_end_ms);
    assert_true(is.min_received_ms == want.min_received_ms &&
                is.max_received_ms == want.max_received_ms);
    assert_int_equal(rs->n_addrs, in->want->n_addrs);
    assert_memory_equal(rs->addrs, in->want->addrs, rs->n_addrs * sizeof *rs->addrs);
    assert_int_equal(rs->n_exporters, in->want->n_exporters);
    assert_int_equal(rs->n_shapes, in->want->n_shapes);
}

static void compare(const struct inputs *in, bool keep_blocks, bool totals)
{
    struct merge_result r;
    struct rowset *rs = merged(in, keep_blocks, &r);

    same_bounds(in, &r, rs);
    same_columns(in->want, rs);
    same_extras(in->want, rs);
    same_options(in->want, rs);
    if (totals)
        same_totals(in->want, rs);
    index_is_exact(rs);
    rowset_unref(rs);
}

static void a_merge_holds_what_the_inputs_hold(void **state)
{
    static const struct {
        unsigned segments, batches;
        uint32_t rows;
        unsigned shapes;
        uint64_t wild;
        bool steady;
    } t[] = {
        { 3, 3, 9000, 1, 0, true },      { 2, 2, 70000, 1, 0, true },
        { 4, 2, 3000, 60, WILD, false }, { 2, 2, 20000, 5, WILD, false },
        { 1, 3, 500, 3, 0, true },
    };
    static struct inputs in;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        make(&in, 5 + i, t[i].segments, t[i].batches, t[i].rows, t[i].shapes, t[i].wild,
             t[i].steady);
        compare(&in, true, t[i].wild == 0);
        compare(&in, false, t[i].wild == 0);
        drop(&in);
    }
}

static void tiny_segments_become_full_blocks(void **state)
{
    static struct inputs in;
    struct merge_result r;
    struct rowset *rs;

    (void)state;
    make(&in, 77, SEGMENTS, 1, 1500, 3, 0, false);
    compare(&in, false, true);
    rs = merged(&in, false, &r);
    assert_in_range(rs->n_blocks, 2, 2 * rs->n_rows / BATCH_ROWS + 1);
    rowset_unref(rs);
    drop(&in);
    make(&in, 78, SEGMENTS, 1, 2, 1, 0, true);
    compare(&in, false, true);
    compare(&in, true, true);
    drop(&in);
}

/* Blocks of two shards, sealed in turns: the merge has them in order of time. */
static void blocks_stand_in_order_of_time(void **state)
{
    static struct inputs in;
    struct flow_batch *b[2][3];
    struct rnd r = { 99 };
    int64_t t = 1780000000000;

    (void)state;
    memset(&in, 0, sizeof in);
    for (unsigned k = 0; k < 6; k++) { /* 0 0, 1 0, 0 1, 1 1, ... */
        b[k % 2][k / 2] = random_batch(&r, 3000, k == 3 ? 5 : 0, &t, 2 + k, 0);
        set_attributes(b[k % 2][k / 2], k, false);
        in.b[in.n_batches++] = b[k % 2][k / 2];
        t += 1000;
    }
    add_segment(&in, b[0], 3);
    add_segment(&in, b[1], 3);
    finish(&in);
    for (int keep = 0; keep < 2; keep++) {
        struct merge_result res;
        struct rowset *rs = merged(&in, keep != 0, &res);
        same_columns(in.want, rs);
        same_extras(in.want, rs);
        same_options(in.want, rs);
        index_is_exact(rs);
        rowset_unref(rs);
    }
    drop(&in);
}

static void options_alone_are_kept(void **state)
{
    static struct inputs in;
    struct flow_batch *b;
    struct rnd r = { 3 };
    int64_t t = 1780000000000;

    (void)state;
    memset(&in, 0, sizeof in);
    for (unsigned k = 0; k < 3; k++) {
        b = random_batch(&r, k == 1 ? 400 : 0, 30, &t, 3, 0);
        in.b[in.n_batches++] = b;
        add_segment(&in, &b, 1);
        t += 100;
    }
    finish(&in);
    compare(&in, false, true);
    compare(&in, true, true);
    drop(&in);
}

/* A merge of merges is a merge. */
static void merges_can_be_merged(void **state)
{
    static struct inputs in;
    struct inputs second;
    struct merge_result r;
    struct merge_options o = { .id = 4242 };
    struct rowset *half[2];
    struct buf octets[2];
    struct err e;

    (void)state;
    make(&in, 21, 8, 2, 5000, 7, WILD, false);
    second = in;
    for (unsigned i = 0; i < 2; i++) {
        octets[i] = buf_init(1u << 30);
        o.keep_blocks = i == 1;
        assert_int_equal(segment_merge(in.rs + i * 4, 4, path, &o, &r, &e), ERR_OK);
        assert_int_equal(os_file_slurp(path, &octets[i], &e), ERR_OK);
        assert_int_equal(segment_open(&half[i], "seg-half",
                                      (struct os_map){ octets[i].p, octets[i].len }, false, &e),
                         ERR_OK);
        second.rs[i] = half[i];
    }
    second.n = 2;
    compare(&second, true, false);
    compare(&second, false, false);
    for (unsigned i = 0; i < 2; i++) {
        rowset_unref(half[i]);
        buf_free(&octets[i]);
    }
    drop(&in);
}

/* ------------------------------------------------------------------ what goes wrong */

/* One bit, anywhere: the merge fails and says where, or its rows are those of the inputs. */
static void damage_is_noticed(void **state)
{
    static struct inputs in;
    struct merge_options o = { .id = 1 };
    struct merge_result r;
    struct rnd rnd = { 8 };
    unsigned caught = 0;

    (void)state;
    make(&in, 31, 3, 1, 1200, 3, 0, false);
    for (unsigned i = 0; i < 100; i++) {
        size_t at = SEG_HEAD + rnd_next(&rnd) % (in.octets[1].len - SEG_HEAD);
        struct rowset *was = in.rs[1];
        struct err e;
        int rc;
        in.octets[1].p[at] ^= (uint8_t)(1u << i % 8);
        (void)os_unlink(path, NULL);
        o.keep_blocks = i % 2 != 0;
        rc = segment_open(&in.rs[1], "seg-bad", (struct os_map){ in.octets[1].p, in.octets[1].len },
                          false, &e);
        if (rc == ERR_OK) {
            rc = segment_merge(in.rs, in.n, path, &o, &r, &e);
            rowset_unref(in.rs[1]);
            if (rc == ERR_CORRUPT) {
                struct os_stat st;
                assert_int_equal(r.damaged, 1);
                assert_int_equal(os_file_stat(path, &st, NULL), ERR_NOTFOUND);
                caught++;
            } else {
                assert_int_equal(rc, ERR_OK);
            }
        }
        in.rs[1] = was;
        if (rc == ERR_OK)
            compare(&in, o.keep_blocks, true);
        in.octets[1].p[at] ^= (uint8_t)(1u << i % 8);
    }
    assert_in_range(caught, 40, 100);
    drop(&in);
}

static int stop_after(void *ctx, uint64_t octets)
{
    uint64_t *left = ctx;

    if (octets > *left)
        return ERR_CANCEL;
    *left -= octets;
    return ERR_OK;
}

static void a_merge_can_be_stopped_and_is_bounded(void **state)
{
    static struct inputs in;
    struct merge_result r;
    struct os_stat st;
    struct err e;

    (void)state;
    (void)os_unlink(path, NULL);
    make(&in, 41, 4, 1, 20000, 3, 0, true);
    for (uint64_t n = 0; n < 3000000; n += 700000) {
        uint64_t left = n;
        struct merge_options o = { .id = 1, .pace = stop_after, .ctx = &left };
        int rc = segment_merge(in.rs, in.n, path, &o, &r, &e);
        if (rc != ERR_OK) {
            assert_int_equal(rc, ERR_CANCEL);
            assert_int_equal(os_file_stat(path, &st, NULL), ERR_NOTFOUND);
        }
        assert_true(n > 0 || rc == ERR_CANCEL);
    }
    struct merge_options o = { .id = 1, .memory = 100000 };
    assert_int_equal(segment_merge(in.rs, in.n, path, &o, &r, &e), ERR_LIMIT);
    drop(&in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_merge_holds_what_the_inputs_hold),
        cmocka_unit_test(tiny_segments_become_full_blocks),
        cmocka_unit_test(blocks_stand_in_order_of_time),
        cmocka_unit_test(options_alone_are_kept),
        cmocka_unit_test(merges_can_be_merged),
        cmocka_unit_test(damage_is_noticed),
        cmocka_unit_test(a_merge_can_be_stopped_and_is_bounded),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
