#include <stdio.h>
#include <string.h>

#include "unit.h"

#include "flow/share.h"
#include "random_batch.h"
#include "store/segment.h"

#define WILD (1ull << COL_BYTES | 1ull << COL_START_SHIFT | 1ull << COL_SRC_AS | 1ull << COL_TOS)

struct sealed {
    struct flow_batch *b[6];
    size_t n;
    struct buf octets;
    struct seg_info info;
    struct rowset *rs;
};

static uint64_t get_col(const struct flow_batch *b, enum col c, uint32_t i)
{
    switch (col_info[c].bits) {
    case 8:
        return ((const uint8_t *)b->col[c])[i];
    case 16:
        return ((const uint16_t *)b->col[c])[i];
    case 32:
        return ((const uint32_t *)b->col[c])[i];
    default:
        return ((const uint64_t *)b->col[c])[i];
    }
}

static void seal(struct sealed *s, uint64_t seed, const uint32_t *rows, size_t n, unsigned shapes,
                 uint64_t wild)
{
    struct rnd r = { seed };
    struct err e;
    int64_t t = 1780000000000;

    memset(s, 0, sizeof *s);
    s->octets = buf_init(1u << 30);
    s->n = n;
    for (size_t i = 0; i < n; i++) {
        s->b[i] = random_batch(&r, rows[i], i % 2 != 0 ? 50 : 0, &t, shapes, wild);
        assert_non_null(s->b[i]);
    }
    assert_int_equal(segment_build(s->b, n, 7, &s->octets, &s->info, NULL, &e), ERR_OK);
    assert_int_equal(
        segment_open(&s->rs, "seg-7", (struct os_map){ s->octets.p, s->octets.len }, false, &e),
        ERR_OK);
}

static void unseal(struct sealed *s)
{
    rowset_unref(s->rs);
    for (size_t i = 0; i < s->n; i++)
        flow_batch_unref(s->b[i]);
    buf_free(&s->octets);
}

/* Value v of column c in batch b as what it names, to compare over renumbering. */
static void same_value(const struct rowset *rs, const struct flow_batch *b, enum col c,
                       uint64_t was, uint64_t is)
{
    if (col_info[c].kind == COL_KIND_ADDR) {
        assert_true(is < rs->n_addrs);
        assert_int_equal(addr_cmp(&rs->addrs[is], &b->addrs[was]), 0);
    } else if (c == COL_SHAPE) {
        assert_true(is < rs->n_shapes);
        assert_true(shape_equal(rs->shapes[is], b->shapes[was]));
    } else if (c == COL_EXPORTER) {
        assert_true(is < rs->n_exporters);
        assert_int_equal(rs->exporters[is].domain, b->exporters[was].domain);
        assert_int_equal(addr_cmp(&rs->exporters[is].addr, &b->exporters[was].addr), 0);
    } else {
        assert_true(is == was);
    }
}

static void same_columns(const struct sealed *s, uint32_t block, const struct flow_batch *b)
{
    uint32_t n = flow_batch_rows(b);
    struct err e;

    assert_int_equal(s->rs->ops->block_rows(s->rs, block), n);
    for (unsigned c = 0; c < COL_N; c++) {
        uint64_t min, max;
        bool used = (atomic_load(&b->used) >> c & 1) != 0;
        assert_true(s->rs->ops->zone(s->rs, block, c, &min, &max));
        for (uint32_t first = 0; first < n; first += ROWSET_VECTOR) {
            uint32_t k = MIN(ROWSET_VECTOR, n - first);
            bool wide = col_info[c].bits > 32;
            void *v = malloc(k * (wide ? 8u : 4u)); /* exact: ASan sees one too many */
            assert_non_null(v);
            assert_int_equal(s->rs->ops->read(s->rs, block, c, first, k, v, &e), ERR_OK);
            for (uint32_t i = 0; i < k; i++) {
                uint64_t is = wide ? ((uint64_t *)v)[i] : ((uint32_t *)v)[i];
                same_value(s->rs, b, c, used ? get_col(b, c, first + i) : 0, is);
                assert_true(is >= min && is <= max);
            }
            free(v);
        }
    }
}

static void same_extras(const struct sealed *s, uint32_t block, const struct flow_batch *b)
{
    static struct rowset_extras x;
    uint32_t n = flow_batch_rows(b);
    struct err e;

    x.hold = buf_init(1u << 30);
    for (uint32_t first = 0; first < n; first += ROWSET_VECTOR) {
        uint32_t k = MIN(ROWSET_VECTOR, n - first);
        assert_int_equal(s->rs->ops->extras(s->rs, block, first, k, &x, &e), ERR_OK);
        for (uint32_t i = 0; i < k; i++) {
            assert_int_equal(x.len[i], b->extra_len[first + i]);
            assert_memory_equal(x.p[i], b->extra_octets + b->extra_off[first + i], x.len[i]);
        }
    }
    buf_free(&x.hold);
}

static void same_options(const struct sealed *s)
{
    uint32_t at = 0;
    struct err e;

    for (size_t k = 0; k < s->n; k++) {
        const struct flow_batch *b = s->b[k];
        for (uint32_t i = 0; i < atomic_load(&b->n_options); i++, at++) {
            struct rowset_option o;
            assert_int_equal(s->rs->ops->option(s->rs, at, &o, &e), ERR_OK);
            assert_int_equal(o.len, b->options[i].len);
            assert_memory_equal(o.octets, b->opt_octets + b->options[i].off, o.len);
            assert_true(o.received_ms == b->options[i].received_ms);
            same_value(s->rs, b, COL_SHAPE, b->options[i].shape, o.shape);
            same_value(s->rs, b, COL_EXPORTER, b->options[i].exporter, o.exporter);
        }
    }
    assert_int_equal(at, s->rs->n_options);
}

static void all_comes_back(void **state)
{
    static const uint32_t rows[] = { 9000, 0, 4096, 65536, 1, 300 };
    struct sealed s;

    (void)state;
    for (unsigned t = 0; t < 3; t++) {
        uint32_t block = 0;
        seal(&s, 11 + t, rows, t == 2 ? 3 : 6, t == 0 ? 1 : 60, t == 1 ? WILD : 0);
        assert_int_equal(s.info.octets, s.octets.len);
        for (size_t i = 0; i < s.n; i++) {
            if (rows[i] == 0)
                continue;
            same_columns(&s, block, s.b[i]);
            same_extras(&s, block, s.b[i]);
            block++;
        }
        assert_int_equal(block, s.rs->n_blocks);
        same_options(&s);
        for (uint32_t i = 1; i < s.rs->n_addrs; i++)
            assert_true(addr_cmp(&s.rs->addrs[i - 1], &s.rs->addrs[i]) < 0);
        assert_true(addr_is_zero(&s.rs->addrs[0]));
        unseal(&s);
    }
}

static void equal_batches_give_equal_files(void **state)
{
    static const uint32_t rows[] = { 5000, 700 };
    struct sealed a, b;

    (void)state;
    seal(&a, 3, rows, 2, 20, WILD);
    seal(&b, 3, rows, 2, 20, WILD);
    assert_int_equal(a.octets.len, b.octets.len);
    assert_memory_equal(a.octets.p, b.octets.p, a.octets.len);
    unseal(&a);
    unseal(&b);
}

/* The index names a page for a code exactly when a row of that page holds it. */
static void index_names_the_pages(void **state)
{
    static const uint32_t rows[] = { 9000, 20000 };
    struct sealed s;
    struct err e;

    (void)state;
    seal(&s, 5, rows, 2, 3, 0);
    for (uint32_t code = 0; code < s.rs->n_addrs; code += 1 + code / 50) {
        uint64_t bits[ROWSET_PAGE_WORDS(2u)] = { 0 }, want[ROWSET_PAGE_WORDS(2u)] = { 0 };
        for (uint32_t block = 0; block < 2; block++) {
            const struct flow_batch *b = s.b[block];
            for (uint32_t i = 0; i < rows[block]; i++) {
                uint32_t page = ROWSET_PAGE(block, i);
                const struct addr *x = &b->addrs[get_col(b, COL_SRC_IP, i)],
                                  *y = &b->addrs[get_col(b, COL_DST_IP, i)];
                if (addr_cmp(x, &s.rs->addrs[code]) == 0 || addr_cmp(y, &s.rs->addrs[code]) == 0)
                    want[page / 64] |= 1ull << page % 64;
            }
        }
        assert_int_equal(s.rs->ops->pages(s.rs, code, bits, &e), ERR_OK);
        assert_memory_equal(bits, want, sizeof bits);
    }
    unseal(&s);
}

/* Totals by minute add up to the rows, and each is the share of the rows inside it. */
static void marginals_are_exact(void **state)
{
    static const uint32_t rows[] = { 20000, 3000 };
    const struct marginal_row *m;
    struct sealed s;
    struct err e;
    uint64_t bytes = 0, flows = 0, want = 0, minute_bytes = 0;
    uint32_t n;

    (void)state;
    seal(&s, 9, rows, 2, 3, 0);
    assert_int_equal(s.rs->ops->marginal(s.rs, MARGINAL_PROTO, &m, &n, &e), ERR_OK);
    assert_true(n > 0);
    for (uint32_t i = 0; i < n; i++) {
        bytes += m[i].bytes;
        flows += m[i].flows;
        if (i > 0)
            assert_true(m[i - 1].minute_ms < m[i].minute_ms || m[i - 1].key[0] < m[i].key[0]);
    }
    assert_int_equal(flows, 23000);
    for (size_t k = 0; k < 2; k++) {
        for (uint32_t i = 0; i < rows[k]; i++) {
            want += get_col(s.b[k], COL_BYTES, i);
            if (get_col(s.b[k], COL_PROTO, i) == m[n / 2].key[0] &&
                get_col(s.b[k], COL_RATE, i) == m[n / 2].rate)
                minute_bytes += share_inside(get_col(s.b[k], COL_BYTES, i),
                                             (int64_t)get_col(s.b[k], COL_START, i),
                                             (int64_t)get_col(s.b[k], COL_END, i),
                                             m[n / 2].minute_ms, m[n / 2].minute_ms + 60000);
        }
    }
    /* a record without duration lies whole in its millisecond: share_inside() leaves it to the end
     */
    for (size_t k = 0; k < 2; k++) {
        for (uint32_t i = 0; i < rows[k]; i++) {
            int64_t st = (int64_t)get_col(s.b[k], COL_START, i);
            if (st == (int64_t)get_col(s.b[k], COL_END, i) && st == m[n / 2].minute_ms &&
                get_col(s.b[k], COL_PROTO, i) == m[n / 2].key[0])
                minute_bytes += get_col(s.b[k], COL_BYTES, i);
        }
    }
    assert_int_equal(bytes, want);
    assert_int_equal(minute_bytes, m[n / 2].bytes);
    unseal(&s);
}

/* Open damaged octets and read whatever can be read: an error or the same data, never a crash. */
static bool read_everything(const uint8_t *p, size_t n, const struct rowset *good)
{
    static uint64_t is[ROWSET_VECTOR], was[ROWSET_VECTOR];
    static struct rowset_extras x, y;
    struct rowset *rs;
    struct err e;
    bool bad = false;

    if (segment_open(&rs, "damaged", (struct os_map){ p, n }, false, &e) != ERR_OK)
        return true;
    x.hold = buf_init(1u << 28);
    y.hold = buf_init(1u << 28);
    for (uint32_t b = 0; b < rs->n_blocks; b++) {
        uint32_t k = MIN(ROWSET_VECTOR, rs->ops->block_rows(rs, b));
        for (unsigned c = 0; c < COL_N; c++) {
            size_t octets = k * (col_info[c].bits > 32 ? 8u : 4u);
            if (rs->ops->read(rs, b, c, 0, k, is, &e) != ERR_OK) {
                assert_int_equal(e.code, ERR_CORRUPT);
                bad = true;
                continue;
            }
            assert_int_equal(good->ops->read(good, b, c, 0, k, was, &e), ERR_OK);
            assert_memory_equal(is, was, octets);
        }
        if (rs->ops->extras(rs, b, 0, k, &x, &e) != ERR_OK) {
            bad = true;
            continue;
        }
        assert_int_equal(good->ops->extras(good, b, 0, k, &y, &e), ERR_OK);
        for (uint32_t i = 0; i < k; i++)
            assert_true(x.len[i] == y.len[i] && memcmp(x.p[i], y.p[i], x.len[i]) == 0);
    }
    for (uint32_t i = 0; i < rs->n_options; i++) {
        struct rowset_option o;
        bad |= rs->ops->option(rs, i, &o, &e) != ERR_OK;
    }
    for (unsigned m = 0; m < MARGINAL_N; m++) {
        const struct marginal_row *row;
        uint32_t k;
        int rc = rs->ops->marginal(rs, m, &row, &k, &e);
        bad |= rc != ERR_OK && rc != ERR_UNSUPPORTED;
    }
    {
        uint64_t bits[64] = { 0 };
        bad |= rs->ops->pages(rs, 0, bits, &e) != ERR_OK;
    }
    buf_free(&x.hold);
    buf_free(&y.hold);
    rowset_unref(rs);
    return bad;
}

static void flipped_bits_are_found(void **state)
{
    static const uint32_t rows[] = { 300, 120 };
    struct rnd r = { 77 };
    struct sealed s;
    unsigned found = 0, tries = 1500;

    (void)state;
    seal(&s, 21, rows, 2, 4, WILD);
    for (unsigned t = 0; t < tries; t++) {
        uint8_t *p = t_dup(s.octets.p, s.octets.len);
        size_t at = rnd_next(&r) % s.octets.len;
        p[at] ^= (uint8_t)(1u << rnd_next(&r) % 8);
        found += read_everything(p, s.octets.len, s.rs);
        free(p);
    }
    /* the few octets of the header that nothing reads may change unseen */
    assert_in_range(found, tries - 20, tries);
    unseal(&s);
}

/* Extras that mostly say what a column says: destination port and ICMP type as routers send them.
 */
static struct flow_batch *related_batch(uint64_t seed, uint32_t n)
{
    static const struct shape_field f[] = {
        { .id = 4, .len = 1, .col = COL_PROTO, .conv = CONV_UINT },
        { .id = 11, .len = 2, .col = COL_NONE },
        { .id = 32, .len = 2, .col = COL_NONE },
        { .id = 1, .len = 8, .col = COL_NONE },
    };
    struct rnd r = { seed };
    struct shape *s = NULL;
    struct flow_batch *b;
    struct exporter_key who = { .domain = 1, .version = 9 };
    uint8_t *p;

    assert_int_equal(shape_new(&s, 9, SHAPE_FLOW, 0, f, ARRAY_LEN(f)), ERR_OK);
    assert_int_equal(flow_batch_new(&b), ERR_OK);
    assert_int_equal(flow_batch_exporter(b, &who), 0);
    assert_int_equal(flow_batch_shape(b, s), 0);
    shape_unref(s);
    p = b->extra_octets;
    for (uint32_t i = 0; i < n; i++, p += 12) {
        uint8_t proto = rnd_next(&r) % 5 == 0 ? (rnd_next(&r) % 2 != 0 ? 1 : 58) : 6;
        uint16_t port = (uint16_t)rnd_next(&r);
        uint64_t bytes = rnd_next(&r) % 5000, odd = rnd_next(&r) % 300 == 0 ? rnd_next(&r) : 0;
        ((uint8_t *)b->col[COL_PROTO])[i] = proto;
        ((uint16_t *)b->col[COL_DST_PORT])[i] = port;
        ((uint64_t *)b->col[COL_BYTES])[i] = bytes;
        be_put(p, (proto == 6 ? port : 0) + odd, 2);
        be_put(p + 2, (proto == 6 ? 0 : port) - odd, 2);
        be_put(p + 4, bytes + odd, 8);
        b->extra_off[i] = 12 * i;
        b->extra_len[i] = 12;
    }
    flow_batch_publish(b, n, 1ull << COL_PROTO | 1ull << COL_DST_PORT | 1ull << COL_BYTES);
    flow_batch_seal(b);
    return b;
}

static void extras_lean_on_columns(void **state)
{
    struct flow_batch *b = related_batch(5, 10000);
    struct sealed s = { .b = { b }, .n = 1, .octets = buf_init(1u << 30) };
    struct seg_sizes sizes = { .clock_ns = NULL };
    struct err e;

    (void)state;
    assert_int_equal(segment_build(s.b, 1, 7, &s.octets, &s.info, &sizes, &e), ERR_OK);
    assert_in_range(sizes.column[COL_N], 1, 10000 / 5); /* of 120000 */
    assert_int_equal(
        segment_open(&s.rs, "seg-7", (struct os_map){ s.octets.p, s.octets.len }, false, &e),
        ERR_OK);
    same_extras(&s, 0, b);
    unseal(&s);
}

static void truncations_are_refused(void **state)
{
    static const uint32_t rows[] = { 200 };
    struct sealed s;

    (void)state;
    seal(&s, 22, rows, 1, 4, 0);
    for (size_t n = 0; n < s.octets.len; n += 1 + n / 64) {
        uint8_t *p = t_dup(s.octets.p, n);
        struct rowset *rs;
        struct err e;
        assert_int_equal(segment_open(&rs, "cut", (struct os_map){ p, n }, false, &e), ERR_CORRUPT);
        assert_null(rs);
        free(p);
    }
    unseal(&s);
}

static void other_drafts_are_refused(void **state)
{
    static const uint32_t rows[] = { 5 };
    struct sealed s;
    struct rowset *rs;
    struct err e;

    (void)state;
    seal(&s, 23, rows, 1, 1, 0);
    s.octets.p[8]++;
    assert_int_equal(
        segment_open(&rs, "other", (struct os_map){ s.octets.p, s.octets.len }, false, &e),
        ERR_VERSION);
    assert_non_null(strstr(e.msg, "draft"));
    s.octets.p[8]--;
    unseal(&s);
}

/* The corpus of the fuzz target: few rows of every kind. */
static void write_corpus(const char *to)
{
    static const uint32_t rows[] = { 0, 1, 40, 200 };
    struct sealed s;
    char path[4096];

    for (size_t i = 0; i <= ARRAY_LEN(rows); i++) {
        struct buf out = buf_init(1u << 20);
        struct flow_batch *b;
        struct seg_info info;
        struct err e;
        FILE *f;
        if (i < ARRAY_LEN(rows)) {
            seal(&s, 30 + i, rows + i, 1, 2, 0);
            (void)snprintf(path, sizeof path, "%s/%u-rows.seg", to, rows[i]);
            buf_put(&out, s.octets.p, s.octets.len);
            unseal(&s);
        } else {
            b = related_batch(9, 100);
            assert_int_equal(segment_build(&b, 1, 8, &out, &info, NULL, &e), ERR_OK);
            (void)snprintf(path, sizeof path, "%s/related.seg", to);
            flow_batch_unref(b);
        }
        f = fopen(path, "wb");
        assert_non_null(f);
        assert_int_equal(fwrite(out.p, 1, out.len, f), out.len);
        assert_int_equal(fclose(f), 0);
        buf_free(&out);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_comes_back),          cmocka_unit_test(equal_batches_give_equal_files),
        cmocka_unit_test(index_names_the_pages),   cmocka_unit_test(marginals_are_exact),
        cmocka_unit_test(extras_lean_on_columns),  cmocka_unit_test(flipped_bits_are_found),
        cmocka_unit_test(truncations_are_refused), cmocka_unit_test(other_drafts_are_refused),
    };
    if (argc == 3 && strcmp(argv[1], "--corpus") == 0) {
        write_corpus(argv[2]);
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
