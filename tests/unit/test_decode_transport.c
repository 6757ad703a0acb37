/* Sessions of a reliable transport: templates are a session's own, may be withdrawn and told anew,
 * never expire, end with it, and survive a checkpoint. */
#include "unit.h"

#include "base/buf.h"
#include "decode/checkpoint.h"
#include "ledger.h"

#define NOW 1700000000000

static struct decoder *d;
static struct decode_sink sink;
static struct buf out;
static uint32_t seq, domain;
static int64_t now_ms;

static int next_batch(struct decode_sink *s)
{
    flow_batch_unref(s->batch);
    return flow_batch_new(&s->batch);
}

static int setup(void **state)
{
    struct decoder_limits lim = { .template_ttl_s = 60 };

    (void)state;
    assert_int_equal(decoder_new(&d, &lim), ERR_OK);
    assert_int_equal(flow_batch_new(&sink.batch), ERR_OK);
    sink.next = next_batch;
    out = buf_init(1u << 24);
    seq = 0;
    domain = 7;
    now_ms = NOW;
    return 0;
}

static struct decode_counters totals(void)
{
    struct decode_counters t;

    decoder_totals(d, &t);
    assert_true(ledger_holds(&t));
    return t;
}

static int teardown(void **state)
{
    (void)state;
    (void)totals();
    decoder_free(d);
    flow_batch_unref(sink.batch);
    buf_free(&out);
    return 0;
}

static void begin(void)
{
    buf_clear(&out);
    buf_be(&out, 10, 2);
    buf_be(&out, 0, 2);
    buf_be(&out, (uint64_t)now_ms / 1000, 4);
    buf_be(&out, seq, 4);
    buf_be(&out, domain, 4);
}

/* Message by the session (0: UDP); its peer is always the same address and port. */
static void feed(uint32_t session)
{
    struct datagram g = { .peer = addr_from_v4(0xc0000201),
                          .peer_port = 4711,
                          .session = session,
                          .trusted = true,
                          .received_ms = now_ms };
    uint8_t *exact;

    out.p[2] = (uint8_t)(out.len >> 8);
    out.p[3] = (uint8_t)out.len;
    exact = t_dup(out.p, out.len);
    g.octets = exact;
    g.len = out.len;
    assert_int_equal(decoder_feed(d, &g, &sink), ERR_OK);
    free(exact);
}

/* n fields of 4 octets from octetDeltaCount on; 0 withdraws. */
static void tell(uint32_t session, uint16_t id, unsigned n)
{
    begin();
    buf_be(&out, 2, 2);
    buf_be(&out, 8 + 4 * n, 2);
    buf_be(&out, id, 2);
    buf_be(&out, n, 2);
    for (unsigned i = 0; i < n; i++) {
        buf_be(&out, 1 + i, 2);
        buf_be(&out, 4, 2);
    }
    feed(session);
}

/* One record of n fields: counted as decoded? */
static bool data(uint32_t session, uint16_t id, unsigned n)
{
    uint64_t before = totals().flows, waiting = totals().sets_waiting;
    bool decoded;

    begin();
    buf_be(&out, id, 2);
    buf_be(&out, 4 + 4 * n, 2);
    for (unsigned i = 0; i < n; i++)
        buf_be(&out, 100 + i, 4);
    feed(session);
    decoded = totals().flows == before + 1;
    assert_int_equal(totals().sets_waiting, waiting + !decoded);
    return decoded;
}

static void templates_are_the_sessions_own(void **state)
{
    (void)state;
    tell(1, 300, 2);
    assert_true(data(1, 300, 2));
    assert_false(data(2, 300, 2)); /* waits */
    assert_false(data(0, 300, 2)); /* a datagram borrows nothing from a session */
    tell(0, 301, 2);
    assert_false(data(1, 301, 2)); /* nor the other way */
    tell(2, 300, 2);
    assert_int_equal(totals().sets_waiting, 2);
    assert_int_equal(totals().flows, 2);
    assert_int_equal(totals().sets_borrowed, 0);
}

static void two_sessions_may_differ(void **state)
{
    (void)state;
    tell(1, 300, 2);
    tell(2, 300, 3);
    for (unsigned i = 0; i < 4; i++) {
        assert_true(data(1, 300, 2));
        assert_true(data(2, 300, 3));
    }
    assert_int_equal(totals().templates_changed, 0);
    assert_int_equal(totals().sets_malformed[DECODE_RECORD], 0);
}

static void withdrawal_and_another_meaning(void **state)
{
    (void)state;
    tell(1, 300, 2);
    assert_true(data(1, 300, 2));
    tell(1, 300, 0);
    assert_int_equal(totals().templates_withdrawn, 1);
    assert_false(data(1, 300, 3));
    tell(1, 300, 3);
    assert_int_equal(totals().flows, 2);
    assert_int_equal(totals().templates_changed, 0);
    tell(1, 300, 4); /* without a withdrawal: taken, and an event */
    assert_true(data(1, 300, 4));
    assert_int_equal(totals().templates_changed, 1);
}

/* RFC 7011 section 8.4 */
static void a_datagram_withdraws_nothing(void **state)
{
    (void)state;
    tell(0, 300, 2);
    tell(0, 300, 0);
    assert_int_equal(totals().templates_withdrawn, 0);
    assert_int_equal(totals().sets_template, 2);
    assert_true(data(0, 300, 2));
    tell(1, 300, 2);
    tell(0, 2, 0); /* all of them */
    assert_true(data(0, 300, 2));
    assert_true(data(1, 300, 2));
    tell(1, 2, 0);
    assert_int_equal(totals().templates_withdrawn, 1);
    assert_false(data(1, 300, 2));
    assert_true(data(0, 300, 2));
}

static void the_end_forgets_everything(void **state)
{
    struct decode_exporter x;

    (void)state;
    tell(1, 300, 2);
    tell(2, 300, 2);
    assert_false(data(1, 999, 2));
    assert_false(data(0, 999, 2));
    decoder_session_end(d, 1);
    assert_int_equal(totals().session_ends, 1);
    assert_int_equal(totals().sets_waiting, 1); /* the datagram's */
    assert_int_equal(totals().sets_expired[DECODE_NO_TEMPLATE], 1);
    assert_true(decoder_exporter(d, 0, &x));
    assert_int_equal(x.templates, 1);
    assert_true(data(2, 300, 2));
    assert_false(data(3, 300, 2));
    tell(3, 300, 2);
    decoder_session_end(d, DECODE_ALL_SESSIONS);
    assert_true(decoder_exporter(d, 0, &x));
    assert_int_equal(x.templates, 0);
    assert_int_equal(totals().session_ends, 2);
    decoder_session_end(d, 77); /* never heard of */
    assert_int_equal(totals().session_ends, 3);
}

static void nobody_listens_for_sessions_any_more(void **state)
{
    struct decode_exporter x;

    (void)state;
    tell(1, 300, 2);
    tell(0, 301, 2);
    decoder_no_sessions(d);
    assert_int_equal(totals().session_ends, 0);
    assert_true(decoder_exporter(d, 0, &x));
    assert_int_equal(x.templates, 1);
}

static void one_session_may_speak_for_many_domains(void **state)
{
    (void)state;
    for (domain = 1; domain <= 40; domain++)
        tell(5, 300, 2);
    for (domain = 1; domain <= 40; domain++)
        assert_true(data(5, 300, 2));
    decoder_session_end(d, 5);
    for (domain = 1; domain <= 40; domain++)
        assert_false(data(6, 300, 2));
}

static void time_takes_nothing_from_a_session(void **state)
{
    (void)state;
    tell(1, 300, 2);
    tell(0, 300, 2);
    now_ms += 3600000;
    decoder_tick(d, now_ms);
    assert_true(data(1, 300, 2));
    assert_false(data(0, 300, 2));
}

static void sequences_are_the_sessions_own(void **state)
{
    struct decode_exporter x;

    (void)state;
    for (uint32_t session = 1; session <= 3; session++) {
        seq = session * 1000;
        tell(session, 300, 2);
        for (unsigned i = 0; i < 5; i++, seq++)
            (void)data(session, 300, 2);
    }
    assert_true(decoder_exporter(d, 0, &x));
    assert_int_equal(x.lost, 0);
    assert_int_equal(x.restarts, 0);
    seq += 4;
    assert_true(data(3, 300, 2));
    decoder_session_end(d, 3);
    assert_true(decoder_exporter(d, 0, &x));
    assert_int_equal(x.lost, 4); /* stays known */
}

static void many_sessions_of_one_exporter_share_nothing(void **state)
{
    (void)state;
    for (uint32_t session = 1; session <= 300; session++)
        tell(session, 300, 1 + session % 5);
    for (uint32_t session = 1; session <= 300; session++)
        assert_true(data(session, 300, 1 + session % 5));
    for (uint32_t session = 1; session <= 300; session += 2)
        decoder_session_end(d, session);
    for (uint32_t session = 2; session <= 300; session += 2)
        assert_true(data(session, 300, 1 + session % 5));
}

static void a_checkpoint_keeps_sessions(void **state)
{
    struct decoder_limits lim = { .template_ttl_s = 60 };
    struct buf b = buf_init(1u << 24), again = buf_init(1u << 24);
    struct decode_counters before;
    struct decoder *loaded;
    struct err e;

    (void)state;
    tell(1, 300, 2);
    tell(2, 300, 3);
    tell(0, 300, 4);
    assert_false(data(1, 400, 2));
    assert_false(data(2, 400, 3));
    before = totals();
    assert_int_equal(decoder_save(d, &b), ERR_OK);
    assert_int_equal(decoder_load(&loaded, &lim, b.p, b.len, &e), ERR_OK);
    assert_int_equal(decoder_save(loaded, &again), ERR_OK);
    assert_int_equal(again.len, b.len);
    assert_memory_equal(again.p, b.p, b.len);
    decoder_free(d);
    d = loaded;
    assert_int_equal(totals().sets_waiting, before.sets_waiting);
    assert_true(data(1, 300, 2));
    assert_true(data(2, 300, 3));
    assert_true(data(0, 300, 4));
    tell(2, 400, 3);
    assert_int_equal(totals().sets_waiting, 1);
    decoder_session_end(d, 1);
    assert_int_equal(totals().sets_waiting, 0);
    decoder_session_end(d, DECODE_ALL_SESSIONS);
    assert_false(data(2, 300, 3));
    buf_free(&b);
    buf_free(&again);
}

static bool all(void *ctx, const struct exporter_key *k)
{
    (void)ctx;
    (void)k;
    return true;
}

static void sessions_do_not_move_to_another_decoder(void **state)
{
    struct decoder_limits lim = { 0 };
    struct decoder *to;

    (void)state;
    tell(1, 300, 2);
    tell(0, 301, 2);
    assert_false(data(1, 400, 2));
    assert_int_equal(decoder_new(&to, &lim), ERR_OK);
    assert_int_equal(decoder_move(to, d, all, NULL), ERR_OK);
    decoder_free(d);
    d = to;
    assert_int_equal(totals().sets_waiting, 0);
    assert_false(data(1, 300, 2));
    assert_true(data(0, 301, 2));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(templates_are_the_sessions_own),
        T(two_sessions_may_differ),
        T(withdrawal_and_another_meaning),
        T(a_datagram_withdraws_nothing),
        T(the_end_forgets_everything),
        T(nobody_listens_for_sessions_any_more),
        T(one_session_may_speak_for_many_domains),
        T(time_takes_nothing_from_a_session),
        T(sequences_are_the_sessions_own),
        T(many_sessions_of_one_exporter_share_nothing),
        T(a_checkpoint_keeps_sessions),
        T(sessions_do_not_move_to_another_decoder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
