/* Templates, waiting, restarts, sequence numbers, times and the rules of columns, with datagrams
 * made here. */
#include "unit.h"

#include "base/buf.h"
#include "ledger.h"

#define NOW 1700000000000

static struct decoder *d;
static struct decode_sink sink;
static struct buf out; /* the datagram being made */
static uint32_t seq;
static uint16_t port;
static uint32_t peer;
static bool trusted;
static int64_t now_ms;
static uint32_t export_s, uptime_ms;

static int next_batch(struct decode_sink *s)
{
    flow_batch_unref(s->batch);
    return flow_batch_new(&s->batch);
}

static int setup_with(const struct decoder_limits *lim)
{
    assert_int_equal(decoder_new(&d, lim), ERR_OK);
    assert_int_equal(flow_batch_new(&sink.batch), ERR_OK);
    sink.next = next_batch;
    out = buf_init(70000);
    seq = 0;
    port = 1000;
    peer = 0xc0000201;
    trusted = true;
    now_ms = NOW;
    export_s = NOW / 1000;
    uptime_ms = 100000000;
    return 0;
}

static int setup(void **state)
{
    struct decoder_limits lim = { 0 };

    (void)state;
    return setup_with(&lim);
}

static int teardown(void **state)
{
    struct decode_counters t;

    (void)state;
    decoder_totals(d, &t);
    assert_true(ledger_holds(&t));
    decoder_free(d);
    flow_batch_unref(sink.batch);
    buf_free(&out);
    return 0;
}

static struct decode_counters totals(void)
{
    struct decode_counters t;

    decoder_totals(d, &t);
    return t;
}

static void feed(void)
{
    uint8_t *exact = t_dup(out.p, out.len);
    struct datagram g = { .octets = exact,
                          .len = out.len,
                          .peer = addr_from_v4(peer),
                          .peer_port = port,
                          .trusted = trusted,
                          .received_ms = now_ms };

    if (be16(out.p) == 10)
        be_put(exact + 2, out.len, 2);
    decoder_expect(d, &g, 1); /* a hint and no more */
    assert_int_equal(decoder_feed(d, &g, &sink), ERR_OK);
    free(exact);
}

static void begin(unsigned version, unsigned count)
{
    buf_clear(&out);
    buf_be(&out, version, 2);
    buf_be(&out, count, 2);
    if (version != 10)
        buf_be(&out, uptime_ms, 4);
    buf_be(&out, export_s, 4);
    if (version == 5)
        buf_be(&out, 0, 4);
    buf_be(&out, seq, 4);
    if (version != 5)
        buf_be(&out, 7, 4); /* domain */
}

/* One template set: pairs of element and length; `pen` 29305 elements are given as id | 0x8000. */
static void template(unsigned set, unsigned id, const uint16_t (*f)[2], unsigned n)
{
    size_t at = out.len;

    buf_be(&out, set, 2);
    buf_be(&out, 0, 2);
    buf_be(&out, id, 2);
    buf_be(&out, n, 2);
    for (unsigned i = 0; i < n; i++) {
        buf_be(&out, f[i][0], 2);
        buf_be(&out, f[i][1], 2);
        if (set == 2 && (f[i][0] & 0x8000) != 0)
            buf_be(&out, 29305, 4);
    }
    be_put(out.p + at + 2, out.len - at, 2);
}

static size_t set_begin(unsigned id)
{
    buf_be(&out, id, 2);
    buf_be(&out, 0, 2);
    return out.len - 4;
}

static void set_end(size_t at)
{
    be_put(out.p + at + 2, out.len - at, 2);
}

static uint64_t value(enum col c, uint32_t row)
{
    assert_true(row < flow_batch_rows(sink.batch));
    return batch_value(sink.batch, c, row);
}

static const uint16_t plain[][2] = { { 8, 4 }, { 12, 4 }, { 7, 2 }, { 11, 2 },
                                     { 4, 1 }, { 1, 4 },  { 2, 4 } };

static void plain_record(unsigned n)
{
    buf_be(&out, 0x0a000001, 4);
    buf_be(&out, 0x0a000002, 4);
    buf_be(&out, 1234, 2);
    buf_be(&out, 80, 2);
    buf_be(&out, 6, 1);
    buf_be(&out, n, 4);
    buf_be(&out, 1, 4);
}

static void plain_data(unsigned version, unsigned records)
{
    size_t at;

    begin(version, records);
    at = set_begin(256);
    for (unsigned i = 0; i < records; i++)
        plain_record(i);
    set_end(at);
}

static void plain_template(unsigned version)
{
    begin(version, 1);
    template(version == 9 ? 0 : 2, 256, plain, ARRAY_LEN(plain));
}

static void waits_for_its_template(void **state)
{
    (void)state;
    plain_data(9, 3);
    feed();
    assert_int_equal(totals().sets_waiting, 1);
    assert_int_equal(flow_batch_rows(sink.batch), 0);
    plain_template(9);
    feed();
    assert_int_equal(totals().sets_waiting, 0);
    assert_int_equal(totals().flows, 3);
    assert_true((value(COL_MARKS, 0) & MARK_WAITED) != 0);
    assert_int_equal(value(COL_BYTES, 2), 2);
    plain_data(9, 1);
    feed();
    assert_int_equal(value(COL_MARKS, 3) & MARK_WAITED, 0);
}

static void waiting_has_a_ceiling_and_an_end(void **state)
{
    struct decoder_limits lim = { .max_waiting_octets = 300, .waiting_ttl_s = 10 };

    (void)teardown(state);
    (void)setup_with(&lim);
    for (unsigned i = 0; i < 20; i++) {
        plain_data(9, 3);
        feed();
    }
    assert_true(totals().sets_waiting > 0 && totals().sets_waiting < 20);
    assert_int_equal(totals().sets_waiting + totals().sets_expired[DECODE_WAITING_LIMIT], 20);
    decoder_tick(d, now_ms + 10000);
    assert_true(totals().sets_waiting > 0);
    decoder_tick(d, now_ms + 10001);
    assert_int_equal(totals().sets_waiting, 0);
    assert_true(totals().sets_expired[DECODE_NO_TEMPLATE] > 0);
}

static void borrows_only_what_all_ports_agree_on(void **state)
{
    static const uint16_t other[][2] = { { 8, 4 }, { 12, 4 } };

    (void)state;
    port = 1000;
    plain_template(9);
    feed();
    port = 2000;
    plain_data(9, 2);
    feed();
    assert_int_equal(totals().sets_borrowed, 1);
    assert_int_equal(value(COL_MARKS, 0) & MARK_BORROWED, MARK_BORROWED);
    port = 3000;
    begin(9, 1);
    template(0, 256, other, ARRAY_LEN(other));
    feed();
    port = 2000;
    plain_data(9, 2);
    feed();
    assert_int_equal(totals().sets_waiting, 1);
    assert_int_equal(totals().sets_borrowed, 1);
}

static void withdrawal_and_redefinition(void **state)
{
    static const uint16_t other[][2] = { { 8, 4 }, { 12, 4 }, { 27, 16 } };
    size_t at;

    (void)state;
    plain_template(10);
    feed();
    plain_template(10);
    feed();
    assert_int_equal(totals().templates_learned, 1);
    assert_int_equal(totals().templates_changed, 0);
    begin(10, 0);
    template(2, 256, other, ARRAY_LEN(other));
    template(2, 300, other, ARRAY_LEN(other));
    feed();
    assert_int_equal(totals().templates_changed, 1);
    begin(10, 0);
    template(2, 300, NULL, 0); /* RFC 7011 section 8.1 */
    feed();
    assert_int_equal(totals().templates_withdrawn, 1);
    begin(10, 0);
    template(2, 2, NULL, 0);
    feed();
    assert_int_equal(totals().templates_withdrawn, 2);
    plain_data(10, 1);
    feed();
    assert_int_equal(totals().sets_waiting, 1);
    begin(10, 0);
    at = set_begin(17); /* reserved */
    set_end(at);
    feed();
    assert_int_equal(totals().sets_malformed[DECODE_SET_ID], 1);
}

static void restart_forgets_templates(void **state)
{
    struct decode_exporter x;

    (void)state;
    plain_template(9);
    feed();
    uptime_ms = 5000; /* boot time moved; believed the second time */
    seq = 1;
    plain_data(9, 1);
    feed();
    assert_true(decoder_exporter(d, 0, &x));
    assert_int_equal(x.restarts, 0);
    seq = 2;
    plain_data(9, 1);
    feed();
    assert_true(decoder_exporter(d, 0, &x));
    assert_int_equal(x.restarts, 1);
    assert_int_equal(x.templates, 0);
    assert_int_equal(totals().sets_waiting, 1);
    seq = 3;
    uptime_ms = UINT32_MAX - 100000; /* the wrap of sysUpTime is no restart */
    plain_data(9, 1);
    feed();
    feed();
    assert_true(decoder_exporter(d, 0, &x));
    assert_int_equal(x.restarts, 2);
    export_s += 101;
    uptime_ms = 999;
    plain_data(9, 1);
    feed();
    feed();
    assert_true(decoder_exporter(d, 0, &x));
    assert_int_equal(x.restarts, 2);
}

static void v5_record(uint32_t first, uint32_t last)
{
    begin(5, 1);
    buf_be(&out, 0x0102, 2);       /* engine */
    buf_be(&out, 0x4000 | 100, 2); /* sampling 1:100 */
    for (unsigned i = 0; i < 3; i++)
        buf_be(&out, 0xc0a80001 + i, 4);
    buf_be(&out, 3, 2);
    buf_be(&out, 4, 2);
    buf_be(&out, 10, 4);
    buf_be(&out, 1500, 4);
    buf_be(&out, first, 4);
    buf_be(&out, last, 4);
    buf_be(&out, 5353, 2);
    buf_be(&out, 53, 2);
    buf_be(&out, 0x001b11, 3);
    buf_be(&out, 0, 1);
    buf_be(&out, 64512, 2);
    buf_be(&out, 64513, 2);
    buf_be(&out, 0x18100000, 4);
}

static void v5_columns_and_uptime_wrap(void **state)
{
    (void)state;
    v5_record(uptime_ms - 5000, uptime_ms - 1000);
    feed();
    assert_int_equal(value(COL_START, 0), NOW - 5000);
    assert_int_equal(value(COL_END, 0), NOW - 1000);
    assert_int_equal(value(COL_BYTES, 0), 1500);
    assert_int_equal(value(COL_PACKETS, 0), 10);
    assert_int_equal(value(COL_RATE, 0), 100);
    assert_int_equal(value(COL_IN_IF, 0), 3);
    assert_int_equal(value(COL_TCP_FLAGS, 0), 0x1b);
    assert_int_equal(value(COL_PROTO, 0), 17);
    assert_int_equal(value(COL_SRC_AS, 0), 64512);
    assert_int_equal(value(COL_SRC_MASK, 0), 24);
    assert_int_equal(sink.batch->exporters[0].domain, 0x0102);
    uptime_ms = 2000;
    v5_record(UINT32_MAX - 999, 1000); /* began 3 s before the export, over the wrap */
    feed();
    assert_int_equal(value(COL_START, 1), NOW - 3000);
    assert_int_equal(value(COL_END, 1), NOW - 1000);
    v5_record(1000, UINT32_MAX - 999); /* ends before it starts */
    feed();
    assert_int_equal(value(COL_START, 2), value(COL_END, 2));
    assert_true((value(COL_MARKS, 2) & MARK_TIME_CLAMPED) != 0);
    v5_record(1, 2);
    out.p[3] = 2; /* says two, holds one */
    feed();
    assert_int_equal(totals().datagrams_refused[DECODE_COUNT], 1);
}

static const uint16_t timed[][2] = { { 152, 8 }, { 153, 8 }, { 1, 8 } };

static void timed_record(int64_t start, int64_t end)
{
    size_t at;

    begin(10, 0);
    template(2, 256, timed, ARRAY_LEN(timed));
    at = set_begin(256);
    buf_be(&out, (uint64_t)start, 8);
    buf_be(&out, (uint64_t)end, 8);
    buf_be(&out, 1, 8);
    set_end(at);
    feed();
}

static void check_time(uint32_t row, int64_t start, int64_t end, int64_t sent_start,
                       int64_t sent_end, unsigned marks)
{
    assert_int_equal(value(COL_START, row), start);
    assert_int_equal(value(COL_END, row), end);
    assert_int_equal(value(COL_START, row) + value(COL_START_SHIFT, row), (uint64_t)sent_start);
    assert_int_equal(value(COL_END, row) + value(COL_END_SHIFT, row), (uint64_t)sent_end);
    assert_int_equal(value(COL_MARKS, row), marks);
}

static void effective_times(void **state)
{
    const int64_t day = 86400000;

    (void)state;
    timed_record(NOW - 1000, NOW);
    check_time(0, NOW - 1000, NOW, NOW - 1000, NOW, 0);
    timed_record(0, 0); /* 1970 */
    check_time(1, NOW - day, NOW - day, 0, 0, MARK_TIME_CLAMPED);
    timed_record(4102444800000, 4102444800000); /* 2100 */
    check_time(2, NOW + 60000, NOW + 60000, 4102444800000, 4102444800000, MARK_TIME_CLAMPED);
    timed_record(NOW - 700000, NOW);
    check_time(3, NOW - 700000, NOW, NOW - 700000, NOW, MARK_LONG);
    peer++; /* another exporter, its clock an hour ahead */
    export_s += 3600;
    timed_record(NOW + 3600000 - 10, NOW + 3600000);
    check_time(4, NOW - 10, NOW, NOW + 3600000 - 10, NOW + 3600000, MARK_TIME_SHIFTED);
}

/* Outside as a whole: moved as a whole, with its duration; partly: cut. */
static void a_clamped_record_keeps_its_duration(void **state)
{
    const int64_t day = 86400000, lo = NOW - day, hi = NOW + 60000, far = 4102444800000;

    (void)state;
    timed_record(1000, 1061);
    check_time(0, lo, lo + 61, 1000, 1061, MARK_TIME_CLAMPED);
    timed_record(far, far + 61);
    check_time(1, hi - 61, hi, far, far + 61, MARK_TIME_CLAMPED);
    timed_record(lo - 5000, lo + 3000);
    check_time(2, lo, lo + 3000, lo - 5000, lo + 3000, MARK_TIME_CLAMPED);
    timed_record(hi - 3000, hi + 5000);
    check_time(3, hi - 3000, hi, hi - 3000, hi + 5000, MARK_TIME_CLAMPED);
    timed_record(1000, 1000 + 2 * day); /* longer than there is room */
    check_time(4, lo, hi, 1000, 1000 + 2 * day, MARK_TIME_CLAMPED | MARK_LONG);
    timed_record(1061, 1000); /* ends before it begins */
    check_time(5, lo, lo, 1061, 1000, MARK_TIME_CLAMPED);
    timed_record(1000, far); /* from one side to the other */
    check_time(6, lo, hi, 1000, far, MARK_TIME_CLAMPED | MARK_LONG);
    timed_record(INT64_MIN, INT64_MAX);
    check_time(7, lo, hi, INT64_MIN, INT64_MAX, MARK_TIME_CLAMPED | MARK_LONG);
}

static void rules_of_columns(void **state)
{
    static const uint16_t f[][2] = { { 1, 4 },  { 231, 4 }, { 298, 4 }, { 4, 1 },
                                     { 11, 2 }, { 32, 2 },  { 305, 4 }, { 306, 4 },
                                     { 8, 4 },  { 8, 4 },   { 154, 8 }, { 161, 4 } };
    struct buf again = buf_init(1000);
    struct record r;
    size_t at, from;

    (void)state;
    begin(10, 0);
    template(2, 256, f, ARRAY_LEN(f));
    at = set_begin(256);
    from = out.len;
    buf_be(&out, 0, 4);   /* delta is zero: */
    buf_be(&out, 500, 4); /* the initiator's octets count */
    buf_be(&out, 5, 4);
    buf_be(&out, 1, 1);
    buf_be(&out, 0, 2);
    buf_be(&out, 0x0801, 2);
    buf_be(&out, 1, 4);
    buf_be(&out, 99, 4);
    buf_be(&out, 0x0a000001, 4);
    buf_be(&out, 0x0a000002, 4); /* inner header: kept, not asked by the column */
    buf_be(&out, (uint64_t)(NOW / 1000 - 2 + 2208988800) << 32 | 0x80000000u, 8);
    buf_be(&out, 250, 4);
    set_end(at);
    feed();
    assert_int_equal(value(COL_BYTES, 0), 500);
    assert_int_equal(value(COL_PACKETS, 0), 5);
    assert_int_equal(value(COL_DST_PORT, 0), 0x0801);
    assert_int_equal(value(COL_RATE, 0), 100);
    assert_int_equal(addr_v4(&sink.batch->addrs[value(COL_SRC_IP, 0)]), 0x0a000001);
    assert_int_equal(value(COL_START, 0), NOW - 1500);
    assert_int_equal(value(COL_END, 0), NOW - 1250);
    r = batch_record(sink.batch, 0);
    assert_int_equal(record_encode(&r, &again), ERR_OK);
    assert_int_equal(again.len, out.len - from);
    assert_memory_equal(again.p, out.p + from, again.len);
    buf_free(&again);
}

static void uptime_in_ipfix_needs_the_boot_time(void **state)
{
    static const uint16_t f[][2] = { { 22, 4 }, { 21, 4 }, { 1, 4 } };
    static const uint16_t opt[] = { 3, 14, 300, 1, 1, 160, 8 };
    size_t at;

    (void)state;
    for (unsigned round = 0; round < 2; round++) {
        begin(10, 0);
        template(2, 256, f, ARRAY_LEN(f));
        if (round == 1) {
            for (unsigned i = 0; i < ARRAY_LEN(opt); i++)
                buf_be(&out, opt[i], 2);
            at = set_begin(300);
            buf_be(&out, NOW - 1000000, 8);
            set_end(at);
        }
        at = set_begin(256);
        buf_be(&out, 990000, 4);
        buf_be(&out, 995000, 4);
        buf_be(&out, 1, 4);
        set_end(at);
        feed();
    }
    assert_int_equal(totals().options, 1);
    assert_int_equal(value(COL_MARKS, 0), MARK_NO_TIME);
    assert_int_equal(value(COL_START, 0), NOW);
    assert_int_equal(value(COL_MARKS, 1), 0);
    assert_int_equal(value(COL_START, 1), NOW - 10000);
    assert_int_equal(value(COL_END, 1), NOW - 5000);
}

static void totals_become_deltas(void **state)
{
    static const uint16_t f[][2] = { { 8, 4 }, { 152, 8 }, { 153, 8 }, { 85, 8 }, { 86, 4 } };
    static const unsigned told[] = { 100, 250, 250, 40 };
    static const unsigned want[] = { 100, 150, 0, 40 };

    (void)state;
    begin(10, 0);
    template(2, 256, f, ARRAY_LEN(f));
    feed();
    for (unsigned i = 0; i < ARRAY_LEN(told); i++) {
        size_t at;
        begin(10, 0);
        at = set_begin(256);
        buf_be(&out, 0x0a000001, 4);
        buf_be(&out, NOW - 100, 8);
        buf_be(&out, NOW, 8);
        buf_be(&out, told[i], 8);
        buf_be(&out, told[i] / 10, 4);
        set_end(at);
        feed();
        assert_int_equal(value(COL_BYTES, i), want[i]);
        assert_int_equal(value(COL_PACKETS, i), want[i] / 10);
        assert_int_equal(value(COL_MARKS, i), i == 3 ? MARK_TOTALS : 0);
    }
}

static void untrusted_have_a_small_budget(void **state)
{
    struct decoder_limits lim = { .max_exporters = 2, .max_untrusted = 3 };
    struct decode_exporter x;
    unsigned n = 0;

    (void)teardown(state);
    (void)setup_with(&lim);
    plain_template(9);
    feed();
    trusted = false;
    for (unsigned i = 0; i < 100; i++) {
        peer = 0x0b000000 + i;
        plain_template(9);
        feed();
    }
    assert_int_equal(totals().datagrams_refused[DECODE_EXPORTER_LIMIT], 97);
    now_ms += 3600000; /* the idle ones may go, the trusted one stays */
    peer = 0x0c000000;
    feed();
    assert_int_equal(totals().datagrams_refused[DECODE_EXPORTER_LIMIT], 97);
    while (decoder_exporter(d, n, &x))
        n++;
    assert_int_equal(n, 4);
    assert_true(decoder_exporter(d, 0, &x));
    assert_true(x.trusted);
    plain_data(9, 1);
    feed();
    assert_true((value(COL_MARKS, 0) & MARK_UNTRUSTED) != 0);
}

static struct decode_memory memory(void)
{
    struct decode_memory m;

    decoder_memory(d, &m);
    return m;
}

static bool find(uint32_t address, struct decode_exporter *x)
{
    struct addr a = addr_from_v4(address);

    for (uint32_t i = 0; decoder_exporter(d, i, x); i++)
        if (addr_cmp(&x->key.addr, &a) == 0)
            return true;
    return false;
}

/* What was heard for long stays through a flood of addresses that are heard once; what is new finds
 * a place when it has gone on for ten seconds. Nothing is lost from the sums. */
static void a_flood_pushes_out_only_its_own(void **state)
{
    struct decoder_limits lim = { .max_exporters = 100 };
    const uint32_t known = 0x0a000001, lately = 0x0a000002, late = 0x0a000003;
    struct decode_exporter x;
    unsigned tries = 0;

    (void)teardown(state);
    (void)setup_with(&lim);
    for (unsigned i = 0; i < 12; i++, now_ms += 60000) {
        peer = known;
        plain_template(9);
        feed();
    }
    now_ms += 12 * 3600000; /* silent for half a day, and still there */
    peer = lately;
    plain_template(9);
    feed();
    feed();
    for (unsigned i = 0; i < 20000; i++, now_ms += 20) { /* 400 s */
        peer = 0x0b000000 + i;
        plain_template(9);
        feed();
    }
    assert_true(find(known, &x) && x.templates == 1 && x.c.datagrams == 12);
    assert_true(find(lately, &x) && x.templates == 1);
    assert_int_equal(decoder_exporters(d), 100);
    /* 98 places, each for ten seconds */
    assert_in_range(totals().exporters_forgotten, 98 * 39 - 98, 98 * 40);
    assert_int_equal(totals().datagrams, 12 + 2 + 20000);
    assert_int_equal(totals().datagrams_refused[DECODE_EXPORTER_LIMIT],
                     20000 - 98 - totals().exporters_forgotten);
    for (bool in = false; !in && tries < 600; tries++, now_ms += 20) { /* the flood goes on */
        peer = 0x0b010000 + tries;
        plain_template(9);
        feed();
        peer = late;
        plain_template(9);
        feed();
        in = find(late, &x);
    }
    assert_true(tries < 600);
    peer = known;
    plain_data(9, 3);
    feed();
    assert_int_equal(flow_batch_rows(sink.batch), 3);
    now_ms += 86400000 + 1; /* a day of silence ends it, when its place is wanted */
    for (unsigned i = 0; i < 1000; i++) {
        peer = 0x0c000000 + i;
        plain_template(9);
        feed();
    }
    assert_false(find(known, &x));
    assert_int_equal(totals().flows, 3);
}

static void equal_templates_share_a_plan(void **state)
{
    static const uint16_t other[][2] = { { 8, 4 }, { 12, 4 } };
    uint64_t one;

    (void)state;
    plain_template(9);
    feed();
    one = memory().plans;
    for (unsigned i = 1; i < 500; i++) {
        peer = 0x0a000000 + i;
        plain_template(9);
        feed();
    }
    assert_int_equal(memory().n_plans, 1);
    assert_int_equal(memory().plans, one);
    begin(9, 1);
    template(0, 300, other, 2);
    template(0, 301, plain, ARRAY_LEN(plain) - 1);
    feed();
    assert_int_equal(memory().n_plans, 3);
    for (unsigned i = 1; i < 500; i++) { /* each id has another meaning now */
        peer = 0x0a000000 + i;
        begin(9, 1);
        template(0, 300, other, 1);
        template(0, 301, other, 1);
        feed();
    }
    assert_in_range(memory().n_plans, 2, 3);
    peer = 0xc0000201;
    plain_data(9, 3);
    feed();
    assert_int_equal(flow_batch_rows(sink.batch), 3);
}

static void many_fields(unsigned version, unsigned id, unsigned n)
{
    uint16_t f[400][2];

    for (unsigned i = 0; i < n; i++) {
        f[i][0] = (uint16_t)(1 + (i * 7 + id) % 400);
        f[i][1] = 4;
    }
    begin(version, 1);
    template(version == 9 ? 0 : 2, id, (const uint16_t(*)[2])f, n);
}

/* New exporters fill half of the memory, strangers a quarter; the rest is for those known long. */
static void memory_has_a_ceiling(void **state)
{
    struct decoder_limits lim = { .max_octets = 4u << 20 };
    struct decode_exporter x;

    (void)teardown(state);
    (void)setup_with(&lim);
    for (unsigned i = 0; i < 12; i++, now_ms += 60000) {
        plain_template(9);
        feed();
    }
    trusted = false;
    for (unsigned i = 0; i < 200; i++) {
        peer = 0x0b000000 + i % 3;
        many_fields(9, 300 + i, 300);
        feed();
    }
    assert_in_range(memory().exporters, lim.max_octets / 5, lim.max_octets / 4 + 4096);
    trusted = true;
    for (unsigned i = 0; i < 400; i++) {
        peer = 0x0a000000 + i % 3;
        many_fields(9, 300 + i, 300);
        feed();
    }
    assert_in_range(memory().exporters, lim.max_octets / 5 * 2, lim.max_octets / 2 + 4096);
    assert_true(totals().sets_malformed[DECODE_TEMPLATE_LIMIT] > 100);
    for (unsigned i = 0; i < 5000; i++) { /* ports, and exporters, too */
        port = (uint16_t)(2000 + i);
        peer = 0x0a010000 + i / 64;
        plain_template(9);
        feed();
    }
    assert_true(totals().datagrams_refused[DECODE_EXPORTER_LIMIT] > 0);
    assert_true(memory().exporters <= lim.max_octets / 2 + 4096);
    port = 1000;
    peer = 0xc0000201; /* known for long */
    for (unsigned i = 0; i < 60; i++) {
        many_fields(9, 300 + i, 300);
        feed();
    }
    assert_true(find(peer, &x) && x.templates == 61);
    for (unsigned i = 0; i < 400; i++) {
        many_fields(9, 400 + i, 300);
        feed();
    }
    assert_in_range(memory().exporters, lim.max_octets - 16384, lim.max_octets);
    for (unsigned i = 0; i < 2000; i++) { /* redefined again and again */
        many_fields(9, 300 + i % 60, 100 + i % 300);
        feed();
    }
    assert_true(memory().exporters <= lim.max_octets);
    assert_true(memory().plans <= memory().exporters);
}

static uint32_t rnd_state;
static uint32_t rnd(uint32_t n)
{
    rnd_state = rnd_state * 1664525u + 1013904223u;
    return (rnd_state >> 8) % n;
}

/* A stream with loss, duplicates and reordering inside the window: lost is exactly what never came.
 */
static void sequence_is_exact(unsigned version)
{
    enum { N = 2000 };
    static struct {
        uint32_t seq, records;
        unsigned order;
    } g[2 * N];
    uint32_t next = UINT32_MAX - 300, lost = 0, n = 0, duplicates = 0; /* over the wrap */
    struct decode_exporter x;

    if (version != 5) {
        plain_template(version);
        seq = next - (version == 9 ? 1 : 0);
        be_put(out.p + (version == 9 ? 12 : 8), seq, 4);
        feed();
    }
    for (unsigned i = 0; i < N; i++) {
        uint32_t records = 1 + rnd(5), units = version == 9 ? 1 : records;
        bool keep = i == 0 || i == N - 1 || rnd(10) != 0;
        if (keep) {
            unsigned late = i > 0 && i < N - 1 && rnd(20) == 0 ? 1 + rnd(12) : 0;
            g[n].seq = next;
            g[n].records = records;
            g[n++].order = (i + late) * 4;
            if (i > 0 && i < N - 20 && rnd(30) == 0) {
                g[n] = g[n - 1];
                g[n++].order += 1 + rnd(20);
                duplicates++;
            }
        } else {
            lost += units;
        }
        next += units;
    }
    for (unsigned o = 0; o < (N + 20) * 4; o++)
        for (unsigned i = 0; i < n; i++) {
            if (g[i].order != o)
                continue;
            seq = g[i].seq;
            if (version == 5) {
                uint8_t record[48];
                v5_record(1, 2);
                be_put(out.p + 2, g[i].records, 2);
                memcpy(record, out.p + 24, sizeof record);
                for (uint32_t k = 1; k < g[i].records; k++)
                    buf_put(&out, record, sizeof record);
            } else {
                plain_data(version, g[i].records);
            }
            feed();
        }
    assert_true(decoder_exporter(d, 0, &x));
    assert_int_equal(x.lost, lost);
    assert_int_equal(x.duplicated, duplicates);
    assert_true(x.reordered > 0);
    assert_int_equal(x.restarts, 0);
    assert_int_equal(totals().datagrams, totals().datagrams_accepted);
}

static void sequence_v5(void **state)
{
    (void)state;
    sequence_is_exact(5);
}
static void sequence_v9(void **state)
{
    (void)state;
    sequence_is_exact(9);
}
static void sequence_ipfix(void **state)
{
    (void)state;
    sequence_is_exact(10);
}

static void a_full_batch_is_handed_on(void **state)
{
    (void)state;
    plain_template(10);
    feed();
    for (unsigned i = 0; i < 60; i++) {
        plain_data(10, 2000);
        feed();
    }
    assert_int_equal(totals().flows, 120000);
    assert_int_equal(flow_batch_rows(sink.batch), 120000 - BATCH_ROWS);
}

/* The memory of a batch is used again: nothing of the rows before may show. */
static void a_new_batch_reads_as_zeros(void **state)
{
    (void)state;
    trusted = false;
    v5_record(1000, UINT32_MAX - 999);
    feed();
    plain_template(9);
    feed();
    plain_data(9, 50);
    feed();
    assert_true(value(COL_MARKS, 0) != 0);
    assert_int_equal(next_batch(&sink), ERR_OK);
    assert_int_equal(flow_batch_rows(sink.batch), 0);
    assert_int_equal(atomic_load(&sink.batch->n_addrs), 1);
    assert_int_equal(atomic_load(&sink.batch->used), 0);
    for (unsigned c = 0; c < COL_N; c++)
        for (uint32_t row = 0; row < 51; row++)
            assert_int_equal(batch_value(sink.batch, c, row), 0);
    feed();
    assert_int_equal(flow_batch_rows(sink.batch), 50);
}

static void bad_templates(void **state)
{
    static const uint16_t nothing[][2] = { { 8, 0 }, { 12, 0 } };
    struct decoder_limits lim = { .max_templates = 2, .max_fields = 6 };

    (void)teardown(state);
    (void)setup_with(&lim);
    begin(9, 1);
    template(0, 256, nothing, 2); /* records without octets would never end */
    template(0, 255, plain, 2);
    template(0, 257, plain, ARRAY_LEN(plain));
    template(0, 258, plain, 2);
    template(0, 259, plain, 2);
    template(0, 260, plain, 2);
    feed();
    assert_int_equal(totals().sets_malformed[DECODE_TEMPLATE], 2);
    assert_int_equal(totals().sets_malformed[DECODE_TEMPLATE_LIMIT], 2);
    assert_int_equal(totals().sets_template, 2);
    buf_clear(&out);
    buf_be(&out, 6, 2);
    feed();
    assert_int_equal(totals().datagrams_refused[DECODE_VERSION], 1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(waits_for_its_template),
        T(waiting_has_a_ceiling_and_an_end),
        T(borrows_only_what_all_ports_agree_on),
        T(withdrawal_and_redefinition),
        T(restart_forgets_templates),
        T(v5_columns_and_uptime_wrap),
        T(effective_times),
        T(a_clamped_record_keeps_its_duration),
        T(rules_of_columns),
        T(uptime_in_ipfix_needs_the_boot_time),
        T(totals_become_deltas),
        T(untrusted_have_a_small_budget),
        T(a_flood_pushes_out_only_its_own),
        T(equal_templates_share_a_plan),
        T(memory_has_a_ceiling),
        T(sequence_v5),
        T(sequence_v9),
        T(sequence_ipfix),
        T(a_full_batch_is_handed_on),
        T(a_new_batch_reads_as_zeros),
        T(bad_templates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
