/* One question, one answer: whatever the number of workers, and whether the rows stand in a segment
 * (sorted addresses, zones, totals by minute), in open batches, or in segments of which only a few
 * may be open at once. Runs under TSan too. */
#include "present/present.h"
#include "query/group.h"
#include "query/parse.h"
#include "random_batch.h"
#include "store/segment.h"
#include "unit.h"

#define BATCHES 10u
#define SEALED  6u
#ifdef __SANITIZE_THREAD__ /* ten times slower, and it looks for races only */
#define BATCH_SIZE 4500u
#else
#define BATCH_SIZE 9000u
#endif

static struct flow_batch *batch[BATCHES];
static struct rowset *open_set[BATCHES], *mixed_set[BATCHES - SEALED + 1];
static struct snapshot open_snap, mixed_snap, shut_snap;
static struct buf octets;

/* ------------------------------------------------------------------ segments that are shut */

#define OPEN_MAX 3u

static struct shut {
    struct rowset rs;
    struct buf octets;
    bool damaged;
} shut[BATCHES];
static struct rowset *shut_set[BATCHES];
static struct rowset_ops counting_ops; /* a segment's, but for the end */
static void (*segment_end)(struct rowset *rs);
static unsigned n_open, most_open;

static void count_end(struct rowset *rs)
{
    n_open--;
    segment_end(rs);
}

static int open_shut(struct rowset *rs, struct rowset **out, struct err *e)
{
    struct shut *x = (struct shut *)(void *)rs;
    int rc;

    if (x->damaged)
        return err_set(e, ERR_CORRUPT, "%s: damaged", rs->name);
    rc = segment_open(out, rs->name, (struct os_map){ x->octets.p, x->octets.len }, false, e);
    if (rc != ERR_OK)
        return rc;
    if (segment_end == NULL) {
        counting_ops = *(*out)->ops;
        segment_end = counting_ops.free;
        counting_ops.free = count_end;
    }
    (*out)->ops = &counting_ops;
    n_open++;
    most_open = MAX(most_open, n_open);
    return ERR_OK;
}

static void no_end(struct rowset *rs)
{
    (void)rs;
}

static const struct rowset_ops shut_ops = { .open = open_shut, .free = no_end };

static void make_shut(unsigned n)
{
    struct seg_info i;
    struct err e;

    shut[n].octets = buf_init(1u << 30);
    assert_int_equal(segment_build(&batch[n], 1, n + 2, &shut[n].octets, &i, NULL, &e), ERR_OK);
    shut[n].rs = (struct rowset){ .ops = &shut_ops,
                                  .name = "shut",
                                  .id = n + 1000,
                                  .n_rows = i.n_rows,
                                  .n_blocks = i.n_blocks,
                                  .min_start_ms = i.min_start_ms,
                                  .max_start_ms = i.max_start_ms,
                                  .max_end_ms = i.max_end_ms,
                                  .min_received_ms = i.min_received_ms,
                                  .max_received_ms = i.max_received_ms };
    atomic_init(&shut[n].rs.refs, 1);
    shut_set[n] = &shut[n].rs;
}

/* ------------------------------------------------------------------ records */

static const struct shape *whole_shape(void)
{
    static const struct {
        uint16_t id;
        uint8_t len, col, conv;
    } t[] = { { 8, 4, COL_SRC_IP, CONV_IP4 },    { 12, 4, COL_DST_IP, CONV_IP4 },
              { 7, 2, COL_SRC_PORT, CONV_UINT }, { 11, 2, COL_DST_PORT, CONV_UINT },
              { 4, 1, COL_PROTO, CONV_UINT },    { 1, 8, COL_BYTES, CONV_UINT },
              { 2, 8, COL_PACKETS, CONV_UINT },  { 16, 4, COL_SRC_AS, CONV_UINT },
              { 10, 4, COL_IN_IF, CONV_UINT },   { 14, 4, COL_OUT_IF, CONV_UINT },
              { 34, 4, COL_RATE, CONV_UINT } };
    struct shape_field f[ARRAY_LEN(t)] = { 0 };
    struct shape *s;

    for (unsigned i = 0; i < ARRAY_LEN(t); i++)
        f[i] = (struct shape_field){
            .id = t[i].id, .len = t[i].len, .col = t[i].col, .conv = t[i].conv
        };
    assert_int_equal(shape_new(&s, 10, SHAPE_FLOW, 0, f, ARRAY_LEN(t)), ERR_OK);
    return s;
}

static uint32_t some_addr(struct rnd *r, struct flow_batch *b)
{
    struct addr a = addr_from_v4(0x0a000000u + (uint32_t)(rnd_next(r) % 30000));

    if (rnd_next(r) % 9 == 0)
        be_put(a.b, 0x20010db800000000u + rnd_next(r) % 300, 8);
    return rnd_next(r) % 50 == 0 ? 0 : flow_batch_addr(b, &a);
}

static void fill(struct flow_batch *b, unsigned n, const struct shape *whole,
                 const struct shape *part)
{
    struct rnd r = { 77 + n };
    uint32_t shape[2] = { flow_batch_shape(b, whole), flow_batch_shape(b, part) };
    struct exporter_key x = { .addr = addr_from_v4(0xc0000201u + n % 3), .version = 10 };

    (void)flow_batch_exporter(b, &x);
    for (uint32_t i = 0; i < BATCH_SIZE; i++) {
        int64_t start = 1700000000000 + n * 40000 + (int64_t)(rnd_next(&r) % 90000);
        set_col(b, COL_SHAPE, i, shape[n % 4 == 3 && rnd_next(&r) % 8 == 0]);
        set_col(b, COL_SRC_IP, i, some_addr(&r, b));
        set_col(b, COL_DST_IP, i, some_addr(&r, b));
        set_col(b, COL_SRC_PORT, i, rnd_next(&r) % 65536);
        set_col(b, COL_DST_PORT, i, rnd_next(&r) % 3 != 0 ? 443 : rnd_next(&r) % 2000);
        set_col(b, COL_PROTO, i, rnd_next(&r) % 5 == 0 ? 1 : 6);
        set_col(b, COL_SRC_AS, i, rnd_next(&r) % 400);
        set_col(b, COL_IN_IF, i, rnd_next(&r) % 4);
        set_col(b, COL_OUT_IF, i, rnd_next(&r) % 4);
        set_col(b, COL_BYTES, i, rnd_next(&r) % 100000);
        set_col(b, COL_PACKETS, i, 1 + rnd_next(&r) % 50);
        set_col(b, COL_REV_BYTES, i, n % 2 != 0 && i % 4 == 0 ? rnd_next(&r) % 5000 : 0);
        set_col(b, COL_RATE, i, n == 5 ? 10 : 0);
        set_col(b, COL_START, i, (uint64_t)start);
        set_col(b, COL_END, i, (uint64_t)start + (i % 3) * (rnd_next(&r) % 90000));
        set_col(b, COL_RECEIVED, i, (uint64_t)start + 100000);
    }
    flow_batch_publish(b, BATCH_SIZE, UINT64_MAX >> (64 - COL_N));
}

static int setup(void **state)
{
    struct shape_field f[2] = { { .id = 8, .len = 4, .col = COL_SRC_IP, .conv = CONV_IP4 },
                                { .id = 1, .len = 8, .col = COL_BYTES, .conv = CONV_UINT } };
    const struct shape *whole = whole_shape();
    struct shape *part;
    struct seg_info info;
    struct err e;

    (void)state;
    assert_int_equal(shape_new(&part, 10, SHAPE_FLOW, 0, f, 2), ERR_OK);
    for (unsigned n = 0; n < BATCHES; n++) {
        assert_int_equal(flow_batch_new(&batch[n]), ERR_OK);
        fill(batch[n], n, whole, part);
        assert_int_equal(rowset_of_batch(&open_set[n], batch[n]), ERR_OK);
        make_shut(n);
    }
    shape_unref(whole);
    shape_unref(part);
    octets = buf_init(1u << 30);
    assert_int_equal(segment_build(batch, SEALED, 1, &octets, &info, NULL, &e), ERR_OK);
    assert_int_equal(
        segment_open(&mixed_set[0], "one", (struct os_map){ octets.p, octets.len }, false, &e),
        ERR_OK);
    for (unsigned n = SEALED; n < BATCHES; n++)
        mixed_set[n - SEALED + 1] = open_set[n];
    open_snap = (struct snapshot){ .sets = open_set, .n = BATCHES };
    shut_snap = (struct snapshot){ .sets = shut_set, .n = BATCHES };
    mixed_snap = (struct snapshot){ .sets = mixed_set, .n = BATCHES - SEALED + 1 };
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rowset_unref(mixed_set[0]);
    for (unsigned n = 0; n < BATCHES; n++) {
        rowset_unref(open_set[n]);
        flow_batch_unref(batch[n]);
        buf_free(&shut[n].octets);
    }
    buf_free(&octets);
    return 0;
}

static int put(void *ctx, const void *data, size_t len)
{
    buf_put(ctx, data, len);
    return ERR_OK;
}

/* The answer as CSV. */
static struct buf ask(struct query_params *q, const struct snapshot *snap, uint32_t threads,
                      uint64_t memory, struct query_stats *stats)
{
    struct query_control ctl = { .threads = threads, .memory_max = memory, .open_max = OPEN_MAX };
    struct buf out = buf_init(64u << 20);
    struct present *to;
    struct plan *p;
    struct err e = { 0 };
    int rc = query_plan(&p, q, 1700000600000, &e);

    if (rc == ERR_OK && (rc = present_new(&to, PRESENT_CSV, p->tz, put, &out, &e)) == ERR_OK) {
        rc = query_run(p, snap, present_sink(to), &ctl, stats, &e);
        present_free(to);
    }
    plan_free(p);
    if (rc != ERR_OK)
        fail_msg("%s: %s: %s", q->text[QUERY_BY] != NULL ? q->text[QUERY_BY] : "", err_name(rc),
                 e.msg);
    return out;
}

static void take_words(struct query_params *q, const char *const *word, size_t n)
{
    struct err e = { 0 };

    *q = (struct query_params){ .where = QUERY_PARAM_N };
    for (size_t i = 0; i + 1 < n && word[i] != NULL; i += 2)
        if (query_params_set(q, word[i], word[i + 1], &e) != ERR_OK)
            fail_msg("%s: %s", word[i], e.msg);
}

static void same_for_all(const char *const *word, size_t n)
{
    /* little memory: addresses are numbered in several waves */
    static const struct {
        const struct snapshot *snap;
        uint32_t threads;
        uint64_t memory;
    } way[] = { { &mixed_snap, 1, 0 },       { &mixed_snap, 4, 0 }, { &open_snap, 4, 0 },
                { &mixed_snap, 1, 0 },       { &shut_snap, 4, 0 },  { &shut_snap, 1, 18u << 20 },
                { &open_snap, 1, 18u << 20 } };
    struct query_params q;
    struct buf first = { 0 };

    take_words(&q, word, n);
    for (unsigned k = 0; k < ARRAY_LEN(way); k++) {
#ifdef __SANITIZE_THREAD__
        if (k > 0 && way[k].threads == 1)
            continue;
#endif
        struct buf b = ask(&q, way[k].snap, way[k].threads, way[k].memory, NULL);
        assert_int_equal(n_open, 0);
        if (k == 0) {
            first = b;
            if (first.len < 30)
                fail_msg("%s %s: no answer: %s", word[0], word[1], buf_cstr(&first));
            continue;
        }
        if (b.len != first.len || memcmp(b.p, first.p, b.len) != 0)
            fail_msg("%s %s: answer %u differs:\n%.600s\n-- from\n%.600s", word[0], word[1], k,
                     buf_cstr(&b), buf_cstr(&first));
        buf_free(&b);
    }
    buf_free(&first);
    query_params_free(&q);
}

static void answers_do_not_depend_on_workers_and_storage(void **state)
{
    static const char *const t[][9] = {
        { "by", "src ip", "measure", "bytes,flows,active flows,duration,first seen,last seen" },
        { "by", "src ip,dst ip", "measure", "bytes,packets", "top", "30" },
        { "by", "src ip,dst ip,src port,dst port,proto,src as,in if", "top", "40" },
        { "by", "dst port", "measure", "flows", "top", "7", "filter", "bytes > 100" },
        { "by", "proto", "measure", "bytes,flows" },
        { "by", "ip", "measure", "bytes,distinct dst port,distinct ip", "top", "20" },
        { "by", "src ip/24", "measure", "flows,distinct dst ip", "filter", "proto tcp" },
        { "by", "src ip/0", "measure", "flows,distinct src ip/0,9" },
        { "by", "src ip/0,64", "measure", "flows" },
        { "by", "src as,out if", "measure", "distinct src ip,bps", "bottom", "9" },
        { "by", "exporter", "measure", "bytes,distinct bytes" },
        { "by", "bytes", "measure", "flows", "top", "15" },
        { "series", "1m", "measure", "bytes,packets,flows" },
        { "series", "1m", "by", "proto", "filter", "proto icmp or proto tcp" },
        { "series", "7s", "by", "src as", "measure", "bytes,distinct src ip", "top", "4" },
        { "series", "1m", "by", "dst ip", "top", "3", "filter", "src net 10.0.1.0/24" },
        { "list", "1", "columns", "start,src ip,dst ip,bytes", "sort", "bytes", "limit", "25" },
        { "list", "1", "columns", "src ip,bytes", "sort", "src ip", "filter", "bytes < 400" },
        { "list", "1", "columns", "start,src ip,dst ip,bytes", "filter", "net 10.0.0.16/28" },
        { "series", "1h", "filter", "not src net 10.0.4.0/22 or dst port 443" },
        { "list", "1", "columns", "all", "sort", "bytes", "limit", "25" },
        { "list", "1", "columns", "all", "filter", "bytes < 400" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(t); i++)
        same_for_all(t[i], ARRAY_LEN(t[i]));
    assert_int_equal(most_open, OPEN_MAX);
}

/* One that cannot be opened is left out of every pass and counted once. */
static void an_unreadable_segment_is_counted_once(void **state)
{
    static const char *const t[][7] = { { "series", "1m", "by", "dst ip", "top", "3" },
                                        { "by", "src ip,dst ip" },
                                        { "list", "1", "columns", "src ip,bytes" } };
    struct rowset *left[BATCHES - 1];
    const struct snapshot rest = { .sets = left, .n = BATCHES - 1 };

    (void)state;
    shut[4].damaged = true;
    for (unsigned n = 0; n < BATCHES - 1; n++)
        left[n] = shut_set[n < 4 ? n : n + 1];
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        struct query_params q;
        struct query_stats st;
        struct buf a, b;
        take_words(&q, t[i], ARRAY_LEN(t[i]));
        a = ask(&q, &shut_snap, 2, 0, &st);
        b = ask(&q, &rest, 2, 0, NULL);
        assert_int_equal(st.segments_unreadable, 1);
        assert_int_equal(st.rows_unreadable, BATCH_SIZE);
        assert_string_equal(st.message, "shut: damaged");
        assert_true(st.incomplete);
        assert_string_equal(buf_cstr(&a), buf_cstr(&b));
        buf_free(&a);
        buf_free(&b);
        query_params_free(&q);
    }
    shut[4].damaged = false;
}

static void address_columns_are_counted(void **state)
{
    unsigned n = 0;

    (void)state;
    for (unsigned c = 0; c < COL_N; c++)
        n += col_info[c].kind == COL_KIND_ADDR;
    assert_int_equal(n, GROUP_ADDR_COLS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_do_not_depend_on_workers_and_storage),
        cmocka_unit_test(an_unreadable_segment_is_counted_once),
        cmocka_unit_test(address_columns_are_counted),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
