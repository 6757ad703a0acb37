/* Text of other tools to IPFIX messages: forms of time, which format a file has, lines of any
 * length. What rows say is held against another reading of them in
 * tests/e2e/test_foreign.py. */
#include "convert/internal.h"
#include "unit.h"

struct feed {
    const char *p;
    size_t len, at, piece;
    uint64_t messages, octets, templates;
};

static int read_some(void *ctx, uint8_t *buf, size_t cap, size_t *got, struct err *e)
{
    struct feed *f = ctx;

    (void)e;
    *got = MIN(MIN(f->piece, cap), f->len - f->at);
    if (*got > 0)
        memcpy(buf, f->p + f->at, *got);
    f->at += *got;
    return ERR_OK;
}

static int take(void *ctx, const uint8_t *p, size_t len, const struct addr *exporter, int64_t at_ms)
{
    struct feed *f = ctx;

    (void)exporter;
    assert_true(len >= 16 && len <= 65535 && be16(p) == 10 && be16(p + 2) == len);
    assert_int_equal(be32(p + 4), (uint32_t)(at_ms / 1000));
    f->messages++;
    f->octets += len;
    for (size_t i = 16; i < len; i += be16(p + i + 2)) {
        assert_true(i + 4 <= len && be16(p + i + 2) >= 4);
        f->templates += be16(p + i) == 2;
    }
    return ERR_OK;
}

static struct convert_stats run(enum convert_format format, const char *text, size_t len,
                                size_t piece, int want, struct feed *f)
{
    struct convert_stats st;
    struct convert_options opt = { .format = format, .read = read_some, .give = take, .ctx = f };
    struct err e;

    *f = (struct feed){ .p = text, .len = len, .piece = piece };
    assert_int_equal(convert_run(&opt, &st, &e), want);
    return st;
}

static void times(void **s)
{
    static const struct {
        const char *text;
        int64_t us;
    } good[] = {
        { "0", 0 },
        { "1614592800", 1614592800000000 },
        { "1614592800.5", 1614592800500000 },
        { "1614592800.1234567", 1614592800123456 },
        { "1614592800123", 1614592800123000 },
        { "1614592800123.5", 1614592800123500 },
        { "1614592800123456", 1614592800123456 },
        { "1614592800123456789", 1614592800123456 },
        { "1970-01-01", 0 },
        { "2021-03-01T10:00:00Z", 1614592800000000 },
        { "2021-03-01 10:00", 1614592800000000 },
        { "2021/03/01.10:00:00.25", 1614592800250000 },
        { "2021-3-1 10:00:00,25", 1614592800250000 },
        { "2021-03-01T12:00:00.000001+02:00", 1614592800000001 },
        { "2021-03-01T04:30:00-0530", 1614592800000000 },
        { "2000-02-29", 951782400000000 },
        { "2106-02-07T06:28:15.999999", 4294967295999999 },
    };
    static const char *const bad[] = {
        "",
        "x",
        "-1",
        "1e9",
        "1614592800x",
        "2021-13-01",
        "2021-00-01",
        "2021-01-32",
        "2021-01-01T24:00",
        "2021-01-01T10:60",
        "2021-01-01T10",
        "1969-12-31",
        "2107-01-01",
        "2021-01-01T10:00:00.",
        "99999999999999999999",
        "1.2.3",
        "2021-01-01T10:00:00+25:00",
        "2021-01-01T10:00:00 CET",
    };
    int64_t us;

    (void)s;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_true(time_parse(good[i].text, strlen(good[i].text), &us));
        assert_int_equal(us, good[i].us);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(time_parse(bad[i], strlen(bad[i]), &us));
    assert_true(duration_parse("0.000435", 8, &us) && us == 435);
    assert_true(duration_parse("9.5e-05", 7, &us) && us == 95);
    assert_true(duration_parse("3550.182373", 11, &us) && us == 3550182373);
    assert_false(duration_parse("-1", 2, &us) || duration_parse("nan", 3, &us) ||
                 duration_parse("1e99", 4, &us) || duration_parse("0x1p3", 5, &us));
}

static void formats(void **s)
{
    static const struct {
        const char *text;
        enum convert_format is;
    } t[] = {
        { "#separator \\x09\n", CONVERT_ZEEK },
        { "{\"ts\":1,\"id.orig_h\":\"1.2.3.4\"}", CONVERT_ZEEK },
        { "{\"ts\":1}", CONVERT_NONE },
        { "StartTime,Dur,Proto,SrcAddr\n", CONVERT_ARGUS },
        { "version account-id srcaddr dstaddr\n", CONVERT_VPC },
        { "2 1 eni-1 192.0.2.1 198.51.100.1 1 2 6 3 4 5 6 ACCEPT OK\n", CONVERT_VPC },
        { "2 1 eni-1 192.0.2.1 198.51.100.1 1 2 6 3 4 5 6 ACCEPT\n", CONVERT_NONE },
        { "a,b,c\n", CONVERT_NONE },
        { "", CONVERT_NONE },
    };

    (void)s;
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        size_t n = strlen(t[i].text);
        uint8_t *exact = t_dup(t[i].text, n);
        assert_int_equal(convert_detect(exact, n), t[i].is);
        free(exact);
    }
    for (unsigned f = CONVERT_ZEEK; f <= CONVERT_NFDUMP; f++)
        assert_int_equal(convert_format_parse(convert_format_name((enum convert_format)f)), f);
    assert_int_equal(convert_format_parse("zeeek"), CONVERT_NONE);
}

#define VPC "2 1 eni-1 192.0.2.1 198.51.100.1 1 2 6 3 4 1418530010 1418530070 ACCEPT OK"

/* Read in pieces of every size, a text gives the same; cut anywhere, only its last line goes. */
static void pieces(void **s)
{
    static const char text[] = VPC "\r\n\n" VPC "\n2 1 - x\n" VPC;
    struct feed f, g;
    struct convert_stats st = run(CONVERT_VPC, text, sizeof text - 1, SIZE_MAX, ERR_OK, &f);

    (void)s;
    assert_int_equal(st.rows, 3);
    assert_int_equal(st.lines, 5);
    assert_int_equal(st.not_taken[CONVERT_COLUMNS], 1);
    assert_int_equal(st.shown[0].line, 4);
    assert_string_equal(st.shown[0].text, "2 1 - x");
    for (size_t n = 1; n < sizeof text; n++) {
        st = run(CONVERT_VPC, text, sizeof text - 1, n, ERR_OK, &g);
        assert_true(st.rows == 3 && g.octets == f.octets && g.messages == f.messages);
        st = run(CONVERT_VPC, text, n, SIZE_MAX, ERR_OK, &g);
        assert_true(st.rows >= n / (sizeof VPC + 8));
    }
}

/* A line of exactly the ceiling is read, one octet more is counted, and what follows is whole. */
static void long_lines(void **s)
{
    size_t n = sizeof VPC - 1, cap = CONVERT_MAX_LINE + 2 * n + 16;
    char *text = malloc(cap);
    struct feed f;

    (void)s;
    assert_non_null(text);
    for (unsigned more = 0; more < 2; more++) {
        size_t len = CONVERT_MAX_LINE + more, at = 0;
        struct convert_stats st;
        memcpy(text, VPC, n);
        memset(text + n, ' ', len - n); /* blanks at the end are not looked at */
        text[len] = '\n';
        memcpy(text + len + 1, VPC, n);
        at = len + 1 + n;
        for (size_t piece = 1000; piece < 3000000; piece *= 7) {
            st = run(CONVERT_VPC, text, at, piece, ERR_OK, &f);
            assert_int_equal(st.rows, 2 - more);
            assert_int_equal(st.not_taken[CONVERT_TOO_LONG], more);
            assert_int_equal(st.lines, 2);
        }
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times),
        cmocka_unit_test(formats),
        cmocka_unit_test(pieces),
        cmocka_unit_test(long_lines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
