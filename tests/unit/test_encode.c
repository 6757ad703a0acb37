/* Messages that are made are messages that are understood: more lists of elements than the table of
 * templates holds, more streams than there are places, records of every length, in both protocols.
 * Beside other collectors: tests/e2e/test_replay.py. */
#include "decode/decode.h"
#include "encode/messages.h"
#include "ledger.h"
#include "unit.h"

struct feed {
    struct decoder *d;
    struct decode_sink sink;
    uint64_t messages, records, longest;
};

static int next(struct decode_sink *s)
{
    flow_batch_unref(s->batch);
    return flow_batch_new(&s->batch);
}

static int take(void *ctx, const struct message *m)
{
    struct feed *f = ctx;
    uint8_t *exact = t_dup(m->octets, m->len);
    struct datagram g = { .octets = exact,
                          .len = m->len,
                          .peer = m->exporter,
                          .import = 1,
                          .trusted = true,
                          .received_ms = m->received_ms };

    assert_int_equal(decoder_feed(f->d, &g, &f->sink), ERR_OK);
    free(exact);
    f->messages++;
    f->records += m->records;
    f->longest = MAX(f->longest, m->len);
    return ERR_OK;
}

static struct messages *begin(struct feed *f, uint16_t version, uint32_t max_octets)
{
    struct decoder_limits lim = { .max_templates = 8192 };
    struct messages_options opt = {
        .version = version, .max_octets = max_octets, .per_exporter = true, .send = take, .ctx = f
    };
    struct messages *m;

    *f = (struct feed){ .sink = { .next = next } };
    assert_int_equal(flow_batch_new(&f->sink.batch), ERR_OK);
    assert_int_equal(decoder_new(&f->d, &lim), ERR_OK);
    assert_int_equal(messages_new(&m, &opt), ERR_OK);
    return m;
}

/* Everything that was given came out of the decoder, and nothing was refused on the way. */
static void finish(struct feed *f, struct messages *m, uint64_t records)
{
    struct decode_counters c;

    assert_int_equal(messages_flush(m), ERR_OK);
    decoder_totals(f->d, &c);
    assert_true(ledger_holds(&c));
    assert_int_equal(f->records, records);
    assert_int_equal(c.flows + c.options, records);
    assert_int_equal(c.datagrams_accepted, f->messages);
    assert_int_equal(c.sets_waiting, 0);
    for (unsigned i = 0; i < DECODE_REASON_N; i++)
        assert_int_equal(c.sets_malformed[i] + c.sets_expired[i], 0);
    messages_free(m);
    decoder_free(f->d);
    flow_batch_unref(f->sink.batch);
}

static void many_templates(void **s)
{
    (void)s;
    for (uint16_t version = 9; version <= 10; version++) {
        struct feed f;
        struct messages *m = begin(&f, version, 0);
        uint64_t n = 0;
        for (unsigned round = 0; round < 2; round++)
            for (unsigned k = 0; k < MESSAGES_MAX_TEMPLATES + 500; k++, n++) {
                /* 13 bits of k: an element of length 1 or 2 each */
                struct message_field list[14] = { { 0, 1, 8 } };
                uint8_t octets[64] = { 1 };
                struct message_record r = { .exporter = addr_from_v4(0x0a000001),
                                            .domain = 7,
                                            .export_ms = 1700000000000 + (int64_t)(n / 100) * 1000,
                                            .received_ms =
                                                1700000000000 + (int64_t)(n / 100) * 1000,
                                            .n_fields = 14,
                                            .f = list,
                                            .octets = octets,
                                            .len = 8 };
                for (unsigned b = 0; b < 13; b++) {
                    list[b + 1] = (struct message_field){ 0, (uint16_t)(400 + b),
                                                          (uint16_t)(1 + (k >> b & 1)) };
                    r.len += list[b + 1].len;
                }
                assert_int_equal(messages_add(m, &r), ERR_OK);
            }
        finish(&f, m, n);
    }
}

static void many_streams(void **s)
{
    struct feed f;
    struct messages *m = begin(&f, 10, 0);
    static const struct message_field list[] = { { 0, 8, 4 }, { 0, 1, 8 } };
    static const uint8_t octets[12] = { 10 };
    uint64_t n = 0;

    (void)s;
    for (unsigned round = 0; round < 2; round++)
        for (uint32_t k = 0; k < MESSAGES_MAX_STREAMS + 300; k++, n++) {
            struct message_record r = { .exporter = addr_from_v4(0x0a000000 + k % 50),
                                        .domain = k,
                                        .export_ms = 1700000000000,
                                        .received_ms = 1700000000000,
                                        .n_fields = 2,
                                        .f = list,
                                        .octets = octets,
                                        .len = 12 };
            assert_int_equal(messages_add(m, &r), ERR_OK);
        }
    finish(&f, m, n);
}

/* Of variable length, around the ceiling of a message; what does not fit any is refused, and the
 * next one goes on. */
static void lengths(void **s)
{
    static const struct message_field list[] = { { 0, 82, SHAPE_LEN_VAR }, { 0, 1, 8 } };
    static uint8_t octets[70000];
    struct feed f;
    struct messages *m = begin(&f, 10, 1400);
    uint64_t n = 0;

    (void)s;
    for (size_t len = 0; len < 65530; len += len < 1500 ? 7 : 977) {
        struct message_record r = { .export_ms = 1700000000000,
                                    .received_ms = 1700000000000,
                                    .exporter = addr_from_v4(1),
                                    .n_fields = 2,
                                    .f = list,
                                    .octets = octets,
                                    .len = 3 + len + 8 };
        octets[0] = 255;
        be_put(octets + 1, len, 2);
        assert_int_equal(messages_add(m, &r), len > MESSAGES_MAX_OCTETS - 100 ? ERR_LIMIT : ERR_OK);
        n += len <= MESSAGES_MAX_OCTETS - 100;
    }
    assert_true(f.longest > 60000);
    finish(&f, m, n);
}

/* An exporter that was restarted tells its templates again; receivers forget them then. */
static void restarts(void **s)
{
    static const struct message_field list[] = { { 0, 22, 4 }, { 0, 21, 4 }, { 0, 1, 8 } };
    static const uint8_t octets[16] = { 0, 0, 1, 0, 0, 0, 1 };
    struct feed f;
    struct messages *m = begin(&f, 9, 0);
    uint64_t n = 0;

    (void)s;
    for (; n < 500; n++) {
        int64_t at = 1700000000000 + (int64_t)n * 700;
        struct message_record r = { .exporter = addr_from_v4(1),
                                    .export_ms = at,
                                    .received_ms = at,
                                    .uptime_matters = n % 7 != 3,
                                    .uptime_base_ms =
                                        (uint32_t)(at - 900 - (int64_t)(n % 50) * 700),
                                    .n_fields = 3,
                                    .f = list,
                                    .octets = octets,
                                    .len = 16 };
        assert_int_equal(messages_add(m, &r), ERR_OK);
    }
    finish(&f, m, n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_templates),
        cmocka_unit_test(many_streams),
        cmocka_unit_test(lengths),
        cmocka_unit_test(restarts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
