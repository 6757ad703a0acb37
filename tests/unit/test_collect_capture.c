/* collect/capture and collect/udp, over the captures that tests/tools/make_captures.py wrote. */
#include <stdio.h>

#include "collect/capture.h"
#include "collect/udp.h"
#include "os/file.h"
#include "unit.h"

#define TIME_MS   1700000000125
#define V5_OCTETS 72u

static const char folder[] = WEIR_TEST_DATA "/../fuzz/corpus/pcap";

struct outcome {
    int open_rc, end_rc;
    unsigned packets, result[UDP_RESULT_N];
    bool all_v5; /* each datagram is the one that was put in */
    bool right_time;
    struct err e;
};

static void run(const uint8_t *p, size_t len, struct outcome *o)
{
    struct udp_reader *u;
    struct capture *c;
    struct capture_packet k;
    struct udp_datagram d;

    *o = (struct outcome){ .all_v5 = true, .right_time = true };
    o->open_rc = capture_open(&c, p, len, &o->e);
    if (o->open_rc != ERR_OK)
        return;
    assert_int_equal(udp_reader_new(&u), ERR_OK);
    while ((o->end_rc = capture_next(c, &k, &o->e)) == ERR_OK) {
        enum udp_result r = udp_extract(u, &k, &d);
        o->packets++;
        o->result[r]++;
        o->right_time = o->right_time && k.time_ms == TIME_MS;
        if (r == UDP_OK)
            o->all_v5 = o->all_v5 && d.len == V5_OCTETS && d.octets[1] == 5 &&
                        d.octets[67] == 0xe9 && d.src_port == 9995 && d.dst_port == 2055 &&
                        d.src.b[15] == 9;
    }
    assert_true(capture_at(c) <= len);
    capture_close(c);
    udp_reader_free(u);
}

static void load(const char *name, struct os_map *m)
{
    char path[4096];

    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(os_map_file(m, path, NULL), ERR_OK);
}

struct expected {
    const char *name;
    unsigned packets, ok, other; /* other: packets with result `why` */
    int why;
    int end;
};
static const struct expected expected[] = {
    { "le-us", 1, 1, 0, 0, ERR_NOTFOUND },
    { "be-us", 1, 1, 0, 0, ERR_NOTFOUND },
    { "le-ns", 1, 1, 0, 0, ERR_NOTFOUND },
    { "be-ns", 1, 1, 0, 0, ERR_NOTFOUND },
    { "padded", 1, 1, 0, 0, ERR_NOTFOUND },
    { "vlan", 1, 1, 0, 0, ERR_NOTFOUND },
    { "qinq", 1, 1, 0, 0, ERR_NOTFOUND },
    { "sll", 1, 1, 0, 0, ERR_NOTFOUND },
    { "sll2", 1, 1, 0, 0, ERR_NOTFOUND },
    { "raw101", 1, 1, 0, 0, ERR_NOTFOUND },
    { "raw12", 1, 1, 0, 0, ERR_NOTFOUND },
    { "raw14", 1, 1, 0, 0, ERR_NOTFOUND },
    { "raw228", 1, 1, 0, 0, ERR_NOTFOUND },
    { "raw229", 1, 1, 0, 0, ERR_NOTFOUND },
    { "null", 1, 1, 0, 0, ERR_NOTFOUND },
    { "loop", 1, 1, 0, 0, ERR_NOTFOUND },
    { "options4", 1, 1, 0, 0, ERR_NOTFOUND },
    { "fragments4", 4, 1, 3, UDP_FRAGMENT, ERR_NOTFOUND },
    { "fragments4-twice", 6, 1, 5, UDP_FRAGMENT, ERR_NOTFOUND },
    { "fragments4-contradict", 3, 0, 1, UDP_MALFORMED, ERR_NOTFOUND },
    { "extensions6", 1, 1, 0, 0, ERR_NOTFOUND },
    { "fragments6", 3, 1, 2, UDP_FRAGMENT, ERR_NOTFOUND },
    { "atomic6", 1, 1, 0, 0, ERR_NOTFOUND },
    { "snap", 2, 0, 2, UDP_CUT, ERR_NOTFOUND },
    { "tcp", 1, 0, 1, UDP_OTHER, ERR_NOTFOUND },
    { "arp", 1, 0, 1, UDP_OTHER, ERR_NOTFOUND },
    { "wifi", 1, 0, 1, UDP_LINK, ERR_NOTFOUND },
    { "udp-length", 1, 0, 1, UDP_MALFORMED, ERR_NOTFOUND },
    { "ng-le", 1, 1, 0, 0, ERR_NOTFOUND },
    { "ng-be", 1, 1, 0, 0, ERR_NOTFOUND },
    { "ng-sections", 2, 2, 0, 0, ERR_NOTFOUND },
    { "ng-interfaces", 1, 1, 0, 0, ERR_NOTFOUND },
    { "ng-binary", 1, 1, 0, 0, ERR_NOTFOUND },
    { "ng-offset", 1, 1, 0, 0, ERR_NOTFOUND },
    { "ng-simple", 2, 1, 1, UDP_OTHER, ERR_NOTFOUND },
    { "ng-old", 1, 1, 0, 0, ERR_NOTFOUND },
    { "ng-unknown-block", 1, 1, 0, 0, ERR_NOTFOUND },
    { "ng-cut", 1, 1, 0, 0, ERR_FORMAT },
    { "ng-length", 1, 1, 0, 0, ERR_FORMAT },
    { "cut", 1, 1, 0, 0, ERR_FORMAT },
    { "huge", 1, 1, 0, 0, ERR_FORMAT },
    { "no-packets", 0, 0, 0, 0, ERR_NOTFOUND },
};

static void every_kind_is_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        const struct expected *x = &expected[i];
        struct outcome o;
        struct os_map m;
        load(x->name, &m);
        run(m.p, m.len, &o);
        if (o.open_rc != ERR_OK || o.end_rc != x->end || o.packets != x->packets ||
            o.result[UDP_OK] != x->ok || (x->other > 0 && o.result[x->why] != x->other) ||
            !o.all_v5 || !o.right_time)
            fail_msg("%s: open %d, end %d, packets %u, ok %u, other %u, payload %d, time %d: %s",
                     x->name, o.open_rc, o.end_rc, o.packets, o.result[UDP_OK], o.result[x->why],
                     o.all_v5, o.right_time, o.e.msg);
        os_unmap(&m);
    }
}

static void unknown_interface_has_no_link(void **state)
{
    struct outcome o;
    struct os_map m;

    (void)state;
    load("ng-no-interface", &m);
    run(m.p, m.len, &o);
    assert_int_equal(o.result[UDP_LINK], 1);
    os_unmap(&m);
}

static void other_files_are_named(void **state)
{
    static const struct {
        const char *name, *say;
    } files[] = {
        { "gzip", "gzip -dk" },
        { "text", "not a pcap" },
        { "short", "too short" },
        { "empty", "empty" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        struct outcome o;
        struct os_map m;
        load(files[i].name, &m);
        run(m.p, m.len, &o);
        assert_int_equal(o.open_rc, ERR_FORMAT);
        assert_non_null(strstr(o.e.msg, files[i].say));
        os_unmap(&m);
    }
}

/* A file cut anywhere gives a prefix of its datagrams, and says that it was cut. */
static void every_truncation(void **state)
{
    static const char *const files[] = { "ng-sections", "fragments4", "ng-interfaces", "be-ns",
                                         "extensions6" };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        struct outcome whole, o;
        struct os_map m;
        load(files[i], &m);
        run(m.p, m.len, &whole);
        for (size_t n = 0; n < m.len; n++) {
            uint8_t *exact = t_dup(m.p, n);
            run(exact, n, &o);
            assert_true(o.packets <= whole.packets);
            assert_true(o.all_v5);
            if (o.open_rc == ERR_OK && o.end_rc == ERR_FORMAT)
                assert_true(o.e.msg[0] != '\0');
            free(exact);
        }
        os_unmap(&m);
    }
}

/* More datagrams in pieces than there is room for: bounded, counted, and the last one still comes
 * whole. */
static void reassembly_is_bounded(void **state)
{
    uint8_t ip[20 + 16] = {
        0x45, 0, 0, 36, 0, 0, 0x20, 0, 64, 17, 0, 0, 192, 0, 2, 9, 192, 0, 2, 10
    };
    struct capture_packet p = {
        .octets = ip, .len = 36, .wire_len = 36, .link = LINK_RAW, .time_ms = 1000
    };
    struct udp_reader *u;
    struct udp_datagram d;
    struct udp_stats st;

    (void)state;
    ip[25] = 32; /* UDP length: 8 + 24 */
    assert_int_equal(udp_reader_new(&u), ERR_OK);
    for (unsigned id = 0; id < 500; id++) {
        be_put(ip + 4, id, 2);
        assert_int_equal(udp_extract(u, &p, &d), UDP_FRAGMENT);
    }
    udp_get_stats(u, &st);
    assert_int_equal(st.expired, 500 - 64);
    be_put(ip + 6, 2, 2); /* offset 16, the last piece */
    assert_int_equal(udp_extract(u, &p, &d), UDP_OK);
    assert_int_equal(d.len, 24);
    be_put(ip + 4, 498, 2);
    p.time_ms = 70000; /* too late */
    assert_int_equal(udp_extract(u, &p, &d), UDP_FRAGMENT);
    udp_get_stats(u, &st);
    assert_int_equal(st.expired, 500 - 1);
    udp_reader_free(u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_is_read),    cmocka_unit_test(unknown_interface_has_no_link),
        cmocka_unit_test(other_files_are_named), cmocka_unit_test(every_truncation),
        cmocka_unit_test(reassembly_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
