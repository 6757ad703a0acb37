/* Where messages end in a stream: every cut, every length, every neighbour. */
#include "collect/framing.h"

#include "base/buf.h"
#include "unit.h"

#define SIXTEEN 16u

static struct buf out;

static int setup(void **s)
{
    (void)s;
    out = buf_init(1u << 20);
    return 0;
}

static int teardown(void **s)
{
    (void)s;
    buf_free(&out);
    return 0;
}

static void octets(size_t n, uint8_t v)
{
    for (size_t i = 0; i < n; i++)
        buf_be(&out, v, 1);
}

static void ipfix(unsigned len)
{
    buf_be(&out, 10, 2);
    buf_be(&out, len, 2);
    octets(len > 4 ? len - 4 : 0, 0xab);
}

static void v5(unsigned count)
{
    buf_be(&out, 5, 2);
    buf_be(&out, count, 2);
    octets(20 + count * 48, 0xcd);
}

static void v9(const unsigned *set, size_t n)
{
    buf_be(&out, 9, 2);
    octets(18, 0);
    for (size_t i = 0; i < n; i++) {
        buf_be(&out, i == 0 ? 0 : 255 + i, 2);
        buf_be(&out, set[i], 2);
        octets(set[i] - 4, 0xef);
    }
}

/* Exactly n octets of what was made. */
static enum framing next(size_t from, size_t n, bool quiet, size_t *len)
{
    uint8_t *exact = t_dup(out.p + from, n);
    enum framing f = framing_next(exact, n, quiet, len);

    free(exact);
    return f;
}

static void every_cut_of_a_message_wants_more(void **s)
{
    static const unsigned sets[] = { 24, 4, 300 };
    size_t len;

    (void)s;
    for (unsigned kind = 0; kind < 3; kind++) {
        buf_clear(&out);
        if (kind == 0)
            ipfix(200);
        else if (kind == 1)
            v5(3);
        else
            v9(sets, 3);
        size_t whole = out.len;
        ipfix(16);
        for (size_t n = 0; n < whole; n++)
            assert_int_equal(next(0, n, false, &len), FRAMING_MORE);
        assert_int_equal(next(0, out.len, false, &len), FRAMING_MESSAGE);
        assert_int_equal(len, whole);
    }
}

static void ipfix_needs_nothing_behind_it(void **s)
{
    size_t len;

    (void)s;
    for (unsigned n = SIXTEEN; n <= 65535; n += n < 300 ? 1 : 977) {
        buf_clear(&out);
        ipfix(n);
        assert_int_equal(next(0, n, false, &len), FRAMING_MESSAGE);
        assert_int_equal(len, n);
        assert_int_equal(next(0, n - 1, true, &len), FRAMING_MORE);
    }
}

static void a_length_shorter_than_the_header_cannot_be(void **s)
{
    size_t len;

    (void)s;
    for (unsigned n = 0; n < SIXTEEN; n++) {
        buf_clear(&out);
        buf_be(&out, 10, 2);
        buf_be(&out, n, 2);
        octets(100, 0);
        assert_int_equal(next(0, 4, false, &len), FRAMING_LENGTH);
        assert_int_equal(next(0, out.len, false, &len), FRAMING_LENGTH);
    }
}

static void what_is_no_message_is_seen_at_its_second_octet(void **s)
{
    size_t len;

    (void)s;
    for (unsigned v = 0; v < 65536; v++) {
        bool ours = v == 5 || v == 9 || v == 10;
        buf_clear(&out);
        buf_be(&out, v, 2);
        assert_int_equal(next(0, 2, false, &len), ours ? FRAMING_MORE : FRAMING_VERSION);
        assert_int_equal(next(0, 1, false, &len), v < 256 ? FRAMING_MORE : FRAMING_VERSION);
    }
    assert_int_equal(next(0, 0, true, &len), FRAMING_MORE);
}

static void v5_has_1_to_30_records(void **s)
{
    size_t len;

    (void)s;
    for (unsigned count = 0; count < 40; count++) {
        buf_clear(&out);
        v5(count);
        bool good = count >= 1 && count <= 30;
        assert_int_equal(next(0, out.len, false, &len), good ? FRAMING_MESSAGE : FRAMING_LENGTH);
        assert_true(!good || len == out.len);
    }
}

static void v9_ends_where_another_begins_or_silence(void **s)
{
    static const unsigned sets[] = { 24, 300 };
    static const uint8_t versions[] = { 5, 9, 10 };
    size_t len, whole;

    (void)s;
    v9(sets, 2);
    whole = out.len;
    assert_int_equal(next(0, whole, false, &len), FRAMING_MORE);
    assert_int_equal(next(0, whole, true, &len), FRAMING_MESSAGE);
    assert_int_equal(len, whole);
    assert_int_equal(next(0, whole - 300, true, &len), FRAMING_MESSAGE);
    for (size_t n = whole - 299; n < whole; n++) /* the second set is not whole */
        assert_int_equal(next(0, n, true, &len), FRAMING_MORE);
    for (size_t i = 0; i < sizeof versions; i++) {
        out.len = whole;
        buf_be(&out, versions[i], 2);
        assert_int_equal(next(0, out.len, false, &len), FRAMING_MESSAGE);
        assert_int_equal(len, whole);
        assert_int_equal(next(0, out.len - 1, true, &len), FRAMING_MORE);
    }
    for (unsigned id = 2; id < 256; id++) { /* reserved: neither a set nor a message */
        bool version = id == 5 || id == 9 || id == 10;
        out.len = whole;
        buf_be(&out, id, 2);
        assert_int_equal(next(0, out.len, false, &len), version ? FRAMING_MESSAGE : FRAMING_LENGTH);
    }
    for (unsigned n = 0; n < 4; n++) {
        out.len = whole;
        buf_be(&out, 256, 2);
        buf_be(&out, n, 2);
        assert_int_equal(next(0, out.len, false, &len), FRAMING_LENGTH);
    }
}

static void v9_is_not_longer_than_a_datagram(void **s)
{
    static const unsigned most[] = { 65535 - 20 }, more[] = { 65535 - 19 };
    static const unsigned two[] = { 60000, 5516 };
    size_t len;

    (void)s;
    v9(most, 1);
    assert_int_equal(next(0, out.len, true, &len), FRAMING_MESSAGE);
    buf_clear(&out);
    v9(more, 1);
    assert_int_equal(next(0, 24, false, &len), FRAMING_LENGTH);
    buf_clear(&out);
    v9(two, 2);
    assert_int_equal(next(0, out.len, false, &len), FRAMING_LENGTH);
}

/* A stream of all kinds gives the same messages, whatever the size of the pieces. */
static void pieces_of_any_size_give_the_same_messages(void **s)
{
    static const unsigned a[] = { 24, 40 }, b[] = { 100 };
    size_t ends[64], n = 0, len;

    (void)s;
    for (unsigned i = 0; i < 8; i++) {
        ipfix(16 + i * 31);
        ends[n++] = out.len;
        v9(a, 2);
        ends[n++] = out.len;
        v9(b, 1);
        ends[n++] = out.len;
        v5(1 + i);
        ends[n++] = out.len;
    }
    for (size_t piece = 1; piece < 400; piece += 1 + piece / 9) {
        size_t at = 0, have = 0, k = 0;
        while (have < out.len) {
            have = have + piece < out.len ? have + piece : out.len;
            while (next(at, have - at, have == out.len, &len) == FRAMING_MESSAGE) {
                at += len;
                assert_int_equal(at, ends[k++]);
            }
        }
        assert_int_equal(k, n);
    }
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(every_cut_of_a_message_wants_more),
        T(ipfix_needs_nothing_behind_it),
        T(a_length_shorter_than_the_header_cannot_be),
        T(what_is_no_message_is_seen_at_its_second_octet),
        T(v5_has_1_to_30_records),
        T(v9_ends_where_another_begins_or_silence),
        T(v9_is_not_longer_than_a_datagram),
        T(pieces_of_any_size_give_the_same_messages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
