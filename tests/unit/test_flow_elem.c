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
        size_t len = elem_name(e->pen, e->id, name, sizeof name);
        assert_ptr_equal(elem_find(e->pen, e->id), e);
        assert_int_equal(len, strlen(name));
        assert_true(elem_parse(name, len, &pen, &id)); /* as printed, it means that element again */
        assert_int_equal(pen, e->pen);
        assert_int_equal(id, e->id);
        assert_int_equal(strchr(name, '/') != NULL, e->shared);
        assert_true(elem_parse(e->name, strlen(e->name), &pen, &id));
        assert_int_equal(pen != e->pen || id != e->id, e->shared);
        if (i > 0)
            assert_true(e[-1].pen < e->pen || (e[-1].pen == e->pen && e[-1].id < e->id));
    }
    assert_null(elem_find(0, 65));
    assert_null(elem_find(0, 65535));
    assert_null(elem_find(5951, 127));
    assert_non_null(elem_find(0, 491));
    /* the vendor's number in NetFlow v9, which has no enterprises */
    assert_string_equal(elem_find(0, 57590)->name, "L7_PROTO");
    assert_string_equal(elem_find(0, 45004)->name, "clientIPv4Address");
    assert_string_equal(elem_find(9, 12236)->name, "clientIPv4Address");
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
        { "netscalerRoundTripTime", 5951, 128 },
        { "6876/flowDirection", 6876, 954 },
        { "flowDirection", 0, 61 },
        { "35632/L7_PROTO", 35632, 118 },
        { "0/l7_proto", 0, 57590 },
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
    assert_int_equal(elem_name(5951, 127, name, sizeof name), 8);
    assert_string_equal(name, "5951/127");
    (void)elem_name(6876, 954, name, sizeof name);
    assert_string_equal(name, "6876/flowDirection");
    (void)elem_name(6876, 950, name, sizeof name);
    assert_string_equal(name, "ruleId");
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

#define HEAD "pen,id,name,type,semantics,units\n"

static void own_rows(void **state)
{
    static const char text[] = "\xef\xbb\xbf" HEAD "# mine\r\n\r\n"
                               "65000,7,roomTemperature,signed16,quantity,\"degrees, 0.1\"\r\n"
                               "5951,128,\"roundTripMicroseconds\",unsigned32\n"
                               "0,65,ciscoNumber,unsigned16,,\n"
                               "65000,8,flowDirection,string\n"
                               "65001,8,roomtemperature,unsigned8";
    struct elem_own *o;
    struct err e = { 0 };
    char name[96];
    uint32_t pen;
    uint16_t id;

    (void)state;
    assert_int_equal(elem_own_parse(&o, "mine.csv", text, sizeof text - 1, &e), ERR_OK);
    elem_own_use(o);
    assert_int_equal(o->n, 5);
    assert_string_equal(elem_find(65000, 7)->units, "degrees, 0.1");
    assert_string_equal(elem_find(65000, 7)->semantics, "quantity");
    check_json(65000, 7, "\xff\xf6", 2, "-10");
    (void)elem_name(5951, 128, name, sizeof name); /* before the built-in row */
    assert_string_equal(name, "roundTripMicroseconds");
    assert_true(elem_parse("netscalerRoundTripTime", 22, &pen, &id)); /* which keeps its name */
    assert_int_equal(id, 128);
    (void)elem_name(0, 65, name, sizeof name);
    assert_string_equal(name, "ciscoNumber");
    (void)elem_name(65000, 8, name, sizeof name);
    assert_string_equal(name, "65000/flowDirection");
    (void)elem_name(65001, 8, name, sizeof name);
    assert_string_equal(name, "65001/roomtemperature");
    assert_true(elem_parse("ROOMTEMPERATURE", 15, &pen, &id));
    assert_int_equal(pen, 65000);
    assert_true(elem_parse("65001/roomTemperature", 21, &pen, &id));
    assert_int_equal(id, 8);
    assert_string_equal(elem_nearest("roomTemperatur", 14), "roomTemperature");
    for (size_t i = 0; i < elem_count; i++) /* nothing built in is lost */
        assert_non_null(elem_find(elem_table[i].pen, elem_table[i].id));
    elem_own_use(NULL);
    assert_null(elem_find(65000, 7));
    elem_own_free(o);
    elem_own_free(NULL);
}

static void own_rows_refused(void **state)
{
    static const struct {
        const char *text, *said;
    } bad[] = {
        { "", "m:1:1: the first line is to name the columns" },
        { "# only this\n", "m:1:1: the first line is to name the columns" },
        { "id,pen,name,type\n", "m:1:1: the column pen is expected here" },
        { "pen,id,name\n", "m:1:12: the column type is missing" },
        { HEAD "1,2,a", "m:2:6: the cell type is missing" },
        { "pen,id,name,type\n1,2,a,string,flags\n", "m:2:14: one cell more" },
        { HEAD "1,2,a,string,,,\n", "m:2:16: a line has at most six cells" },
        { HEAD "\n4294967294,2,a,string\n", "m:3:1: pen: 4294967294" },
        { HEAD "x,2,a,string\n", "m:2:1: pen: x" },
        { HEAD "1,32768,a,string\n", "m:2:3: id: 32768 is no number of an element, 0 to 32767" },
        { HEAD "0,65536,a,string\n", "m:2:3: id: 65536 is no number of an element, 0 to 65535" },
        { HEAD "1,,a,string\n", "m:2:3: id:" },
        { HEAD "1,2,,string\n", "m:2:5: name: an empty cell" },
        { HEAD "1,2,3a,string\n", "m:2:5: name: 3a" },
        { HEAD "1,2,a b,string\n", "m:2:5: name: a b" },
        { HEAD "1,2,a,strin\n", "m:2:7: type: strin is none; did you mean string" },
        { HEAD "1,2,a,string,flag,\n", "m:2:14: semantics: flag is none; did you mean flags" },
        { HEAD "1,2,a,string,,\t\n", "m:2:15: units:" },
        { HEAD "1,2,\"a,string\n", "m:2:5: the cell's closing quote" },
        { HEAD "1,2,\"a\"b,string\n", "m:2:5: the cell's closing quote" },
        { HEAD "1,2,a,string\n1,3,b,string\n1,2,c,string\n",
          "m:4:1: 1/2 c stands twice: line 2 has the same number" },
        { HEAD "1,2,a,string\n\n1,3,A,string\n",
          "m:4:1: 1/3 A stands twice: line 2 has the same name" },
        { HEAD "9,1,clientpackets,string\n", "m:2:1: clientpackets is the name of 9/9265 already" },
    };
    static const char nul[] = HEAD "1,2,a\0b,string\n";
    struct elem_own *o;
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(elem_own_parse(&o, "m", bad[i].text, strlen(bad[i].text), &e), ERR_SYNTAX);
        assert_null(o);
        if (strncmp(e.msg, bad[i].said, strlen(bad[i].said)) != 0)
            assert_string_equal(e.msg, bad[i].said);
    }
    assert_int_equal(elem_own_parse(&o, "m", nul, sizeof nul - 1, &e), ERR_SYNTAX);
    assert_string_equal(e.msg, "m:2:5: a NUL octet is no text");
}

static void own_rows_are_bounded(void **state)
{
    struct buf b = buf_init(ELEM_OWN_OCTETS + 1);
    struct elem_own *o;
    struct err e;

    (void)state;
    buf_str(&b, HEAD);
    for (unsigned i = 0; i < ELEM_OWN_ROWS; i++)
        buf_printf(&b, "%u,%u,e%u,string\n", 70000 + i % 3, i / 3, i);
    assert_int_equal(elem_own_parse(&o, "m", buf_cstr(&b), b.len, &e), ERR_OK);
    assert_int_equal(o->n, ELEM_OWN_ROWS);
    elem_own_use(o);
    assert_string_equal(elem_find(70002, 1000)->name, "e3002");
    elem_own_use(NULL);
    elem_own_free(o);
    buf_str(&b, "1,1,more,string\n");
    assert_int_equal(elem_own_parse(&o, "m", buf_cstr(&b), b.len, &e), ERR_LIMIT);
    assert_string_equal(e.msg, "m:65538:1: more than 65536 elements");
    assert_non_null(buf_room(&b, ELEM_OWN_OCTETS + 1 - b.len));
    assert_int_equal(elem_own_parse(&o, "m", (const char *)b.p, b.len, &e), ERR_LIMIT);
    buf_free(&b);
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
    check_json(5951, 127, "\x01\xab", 2, "\"01ab\"");
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

/* RFC 6313: semantic, element, length (and enterprise), values */
static void lists(void **state)
{
    (void)state;
    JSON(291, "\x03\x00\x0e\x00\x04\x00\x00\x00\x01\x00\x00\x00\x04\x00\x00\x00\x08",
         "{\"semantic\":\"allOf\",\"element\":\"egressInterface\",\"values\":[1,4,8]}");
    TEXT(291, "\x03\x00\x0e\x00\x04\x00\x00\x00\x01\x00\x00\x00\x04",
         "allOf egressInterface [1,4]");
    JSON(291, "\x04\x00\x52\xff\xff\x03ge0\xff\x00\x02xe", /* both forms of a length */
         "{\"semantic\":\"ordered\",\"element\":\"interfaceName\",\"values\":[\"ge0\",\"xe\"]}");
    JSON(291, "\xff\x80\x01\x00\x01\x00\x00\x01\x00\x07",
         "{\"semantic\":\"undefined\",\"element\":\"256/1\",\"values\":[\"07\"]}");
    JSON(484, "\x03\x01\xe3\x00\x04\xfe\x00\x00\x01",
         "{\"semantic\":\"allOf\",\"element\":\"bgpCommunity\",\"values\":[4261412865]}");
    JSON(291, "\x00\x00\x0e\x00\x04", /* none of nothing */
         "{\"semantic\":\"noneOf\",\"element\":\"egressInterface\",\"values\":[]}");
    JSON(291, "\x03\x01\x23\xff\xff\x07\x03\x00\x0e\x00\x02\x00\x09", /* a list of lists */
         "{\"semantic\":\"allOf\",\"element\":\"basicList\",\"values\":[{\"semantic\":\"allOf\","
         "\"element\":\"egressInterface\",\"values\":[9]}]}");
    JSON(292, "\x03\x01\x02\xaa\xbb",
         "{\"semantic\":\"allOf\",\"records\":[{\"template\":258,\"octets\":\"aabb\"}]}");
    JSON(293, "\x01\x01\x02\x00\x05\xaa\x01\x03\x00\x04",
         "{\"semantic\":\"exactlyOneOf\",\"records\":[{\"template\":258,\"octets\":\"aa\"},"
         "{\"template\":259,\"octets\":\"\"}]}");
    TEXT(293, "\x01\x01\x02\x00\x05\xaa", "exactlyOneOf [template 258: aa]");
    /* what is no list stands there as octets */
    JSON(291, "\x03\x00\x0e\x00\x04\x00\x00", "\"03000e00040000\"");
    JSON(291, "\x03\x00\x0e\x00\x00\x01", "\"03000e000001\"");
    JSON(293, "\x01\x01\x02\x00\x09\xaa", "\"0101020009aa\"");
    JSON(292, "\x03\x01", "\"0301\"");
    TEXT(291, "", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_is_sorted_and_found),
        cmocka_unit_test(names),
        cmocka_unit_test(lists),
        cmocka_unit_test(own_rows),
        cmocka_unit_test(own_rows_refused),
        cmocka_unit_test(own_rows_are_bounded),
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
