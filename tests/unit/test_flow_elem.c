/* flow/elem: the dictionary, and values as JSON and text. */
#include "flow/elem.h"
#include "flow/shape.h"
#include "unit.h"

static void check_json(uint32_t pen, uint16_t id, const char *octets, size_t len, const char *want)
{
    struct buf b = buf_init(4096);
    uint8_t *exact = t_dup(octets, len);

    elem_json(&b, pen, id, exact, len);
    assert_string_equal(buf_cstr(&b), want);
    buf_free(&b);
    free(exact);
}

static void check_text(uint16_t id, const char *octets, size_t len, const char *want)
{
    struct buf b = buf_init(4096);
    uint8_t *exact = t_dup(octets, len);

    elem_text(&b, 0, id, exact, len);
    assert_string_equal(buf_cstr(&b), want);
    buf_free(&b);
    free(exact);
}
#define JSON(id, octets, want) check_json(0, id, octets, sizeof octets - 1, want)
#define TEXT(id, octets, want) check_text(id, octets, sizeof octets - 1, want)

static void table_is_sorted_and_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < elem_count; i++) {
        const struct elem *e = &elem_table[i];
        uint32_t pen;
        uint16_t id;
        char name[96];
        assert_ptr_equal(elem_find(e->pen, e->id), e);
        assert_true(elem_parse(e->name, strlen(e->name), &pen, &id));
        assert_int_equal(pen, e->pen);
        assert_int_equal(id, e->id);
        assert_int_equal(elem_name(pen, id, name, sizeof name), strlen(e->name));
        assert_string_equal(name, e->name);
        if (i > 0)
            assert_true(e[-1].pen < e->pen || (e[-1].pen == e->pen && e[-1].id < e->id));
    }
    assert_null(elem_find(0, 65));
    assert_null(elem_find(0, 65535));
    assert_null(elem_find(5951, 128));
    assert_non_null(elem_find(0, 491));
}

static void names(void **state)
{
    static const struct {
        const char *text;
        uint32_t pen;
        uint16_t id;
    } good[] = {
        { "octetDeltaCount", 0, 1 },
        { "OCTETDELTACOUNT", 0, 1 },
        { "reverseOctetDeltaCount", PEN_REVERSE, 1 },
        { "5951/128", 5951, 128 },
        { "0/8", 0, 8 },
        { "8", 0, 8 },
        { "0/sourceIPv4Address", 0, 8 },
        { "4294967295/2", SHAPE_PEN_V9_SCOPE, 2 },
    };
    static const char *const bad[] = {
        "",        "/",  "1/",   "/1", "octetDelta", "octetDeltaCountx", "65536", "4294967296/1",
        "1/65536", "-1", "1/2/3"
    };
    char name[96];
    uint32_t pen;
    uint16_t id;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_true(elem_parse(good[i].text, strlen(good[i].text), &pen, &id));
        assert_int_equal(pen, good[i].pen);
        assert_int_equal(id, good[i].id);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(elem_parse(bad[i], strlen(bad[i]), &pen, &id));
    assert_int_equal(elem_name(5951, 128, name, sizeof name), 8);
    assert_string_equal(name, "5951/128");
    (void)elem_name(0, 65, name, sizeof name);
    assert_string_equal(name, "0/65");
    (void)elem_name(SHAPE_PEN_V9_SCOPE, 9, name, sizeof name);
    assert_string_equal(name, "scope/9");
    assert_int_equal(elem_name(0, 1, name, 4), 3); /* cut, not overrun */
    assert_string_equal(name, "oct");
    assert_string_equal(elem_nearest("octetDeltaCont", 14), "octetDeltaCount");
    assert_string_equal(elem_nearest("sourceIpv6Adress", 16), "sourceIPv6Address");
    assert_null(elem_nearest("zzzzzzzzzzzzzzzz", 16));
}

static void numbers(void **state)
{
    (void)state;
    JSON(1, "\x05", "5");
    JSON(1, "\xff\xff\xff\xff\xff\xff\xff\xff", "18446744073709551615");
    JSON(1, "\x00\x20\x00\x00\x00\x00\x00\x01", "9007199254740993"); /* 2^53 + 1 */
    JSON(4, "\x00\x11", "17");                                       /* wider than unsigned8 */
    JSON(1, "\x00\x01\x02\x03\x04\x05\x06\x07\x08", "\"000102030405060708\"");
    JSON(1, "", "\"\"");
    JSON(434, "\xff\xfe", "-2"); /* mibObjectValueInteger, reduced size keeps the sign */
    JSON(434, "\x80\x00\x00\x00", "-2147483648");
    JSON(434, "\x7f", "127");
}

static void floats_and_booleans(void **state)
{
    (void)state;
    JSON(311, "\x3f\xf8\x00\x00\x00\x00\x00\x00", "1.5"); /* samplingProbability, float64 */
    JSON(311, "\x3e\x80\x00\x00", "0.25");                /* reduced to float32 */
    JSON(311, "\x7f\xc0\x00\x00", "\"nan\"");
    JSON(311, "\x7f\x80\x00\x00", "\"inf\"");
    JSON(276, "\x01", "true"); /* dataRecordsReliability */
    JSON(276, "\x02", "false");
    JSON(276, "\x00", "0");
    JSON(276, "\x00\x01", "\"0001\"");
}

static void addresses(void **state)
{
    (void)state;
    JSON(8, "\xc0\x00\x02\x01", "\"192.0.2.1\"");
    JSON(8, "\xc0\x00\x02", "\"c00002\"");
    JSON(27, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", "\"2001:db8::1\"");
    JSON(27, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x01", "\"::ffff:192.0.2.1\"");
    JSON(56, "\x00\x50\x56\xb9\x26\x46", "\"00:50:56:b9:26:46\"");
    JSON(70, "\x00\x01\x41", "\"000141\"");    /* MPLS label stack entry */
    JSON(95, "\x03\x00\x00\x50", "\"3..80\""); /* RFC 6759 */
    JSON(95, "\x0d", "\"0d\"");
}

static void strings(void **state)
{
    (void)state;
    JSON(82, "eth0\0\0\0", "\"eth0\"");
    JSON(82, "", "\"\"");
    JSON(82, "a\"b\\c\n\x01", "\"a\\\"b\\\\c\\u000a\\u0001\"");
    JSON(82, "\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80", "\"\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80\"");
    JSON(82, "a\xff", "\"61ff\"");          /* not UTF-8 */
    JSON(82, "\xc0\x80", "\"c080\"");       /* overlong */
    JSON(82, "\xed\xa0\x80", "\"eda080\""); /* surrogate */
    JSON(82, "\xf4\x90\x80\x80", "\"f4908080\"");
    JSON(82, "\xe2\x82", "\"e282\""); /* cut */
    TEXT(82, "a\"b\0c", "a\"b");
    TEXT(82, "\xff", "ff");
}

static void times(void **state)
{
    (void)state;
    JSON(150, "\x00\x00\x00\x00", "\"1970-01-01T00:00:00Z\"");
    JSON(150, "\xff\xff\xff\xff", "\"2106-02-07T06:28:15Z\"");
    JSON(152, "\x00\x00\x01\x56\x0d\xa6\x03\xd8", "\"2016-07-21T13:29:59.000Z\"");
    JSON(152, "\xff\xff\xff\xff\xff\xff\xff\xff", "18446744073709551615");
    JSON(152, "\x00\x00", "\"0000\"");
    /* 2016-11-11T11:42:39.000127Z; fraction rounded down by the exporter */
    JSON(154, "\xdb\xd0\x2d\x2f\x00\x08\x50\x00", "\"2016-11-11T11:42:39.000127Z\"");
    JSON(156, "\x83\xaa\x7e\x80\x80\x00\x00\x00", "\"1970-01-01T00:00:00.500000000Z\"");
    JSON(154, "\x83\xaa\x7e\x80\xff\xff\xff\xff", "\"1970-01-01T00:00:01.000000Z\"");
    JSON(154, "\0\0\0\0\0\0\0\0", "\"2036-02-07T06:28:16.000000Z\""); /* era 1 */
    JSON(22, "\x00\x00\x00\x05", "5");                                /* sysUpTime is a number */
}

static void unknown_elements_are_hex(void **state)
{
    (void)state;
    check_json(5951, 128, "\x01\xab", 2, "\"01ab\"");
    JSON(65, "\x0e\x0c", "\"0e0c\"");
    JSON(291, "\x03\x00\x01", "\"030001\"");
    check_json(PEN_REVERSE, 1, "\x01\x00", 2, "256");
}

static void number_of_a_value(void **state)
{
    uint64_t v = 0;

    (void)state;
    assert_true(elem_number(0, 8, (const uint8_t *)"\xc0\x00\x02\x01", 4, &v));
    assert_int_equal(v, 0xc0000201);
    assert_true(elem_number(0, 56, (const uint8_t *)"\0\0\0\0\1\2", 6, &v));
    assert_int_equal(v, 0x102);
    assert_true(elem_number(0, 70, (const uint8_t *)"\0\1\x41", 3, &v));
    assert_int_equal(v, 0x141);
    assert_true(elem_number(0, 154, (const uint8_t *)"\x83\xaa\x7e\x81\x80\0\0\0", 8, &v));
    assert_int_equal(v, 1500000);
    assert_false(elem_number(0, 82, (const uint8_t *)"12", 2, &v));
    assert_false(elem_number(0, 27, (const uint8_t *)"0123456789abcdef", 16, &v));
    assert_false(elem_number(5951, 1, (const uint8_t *)"012345678", 9, &v));
    assert_false(elem_number(0, 1, (const uint8_t *)"", 0, &v));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_is_sorted_and_found),
        cmocka_unit_test(names),
        cmocka_unit_test(numbers),
        cmocka_unit_test(floats_and_booleans),
        cmocka_unit_test(addresses),
        cmocka_unit_test(strings),
        cmocka_unit_test(times),
        cmocka_unit_test(unknown_elements_are_hex),
        cmocka_unit_test(number_of_a_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
