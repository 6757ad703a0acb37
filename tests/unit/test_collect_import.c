/* collect/import: captures into a data directory, all or nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "codec/sha256.h"
#include "collect/import.h"
#include "os/file.h"
#include "unit.h"

static char dir[] = "/tmp/weir-test-import-XXXXXX";
static struct store *store;

static int set_up(void **state)
{
    struct err e;

    (void)state;
    if (mkdtemp(dir) == NULL)
        return 1;
    return store_open(&store, dir, STORE_WRITE, "", &e);
}

static int tear_down(void **state)
{
    char command[128];

    (void)state;
    store_close(store);
    (void)snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

static uint64_t rows(uint64_t *options)
{
    struct store_stats st;

    store_get_stats(store, &st);
    if (options != NULL)
        *options = st.options;
    return st.rows;
}

static int import(const char *name, const struct import_options *opt, size_t keep,
                  struct import_result *r, uint8_t *sha)
{
    struct import_source src = { .name = name };
    struct os_map m;
    struct err e = { 0 };
    char path[4096];
    int rc;

    (void)snprintf(path, sizeof path, "%s/%s", WEIR_TEST_DATA, name);
    assert_int_equal(os_map_file(&m, path, &e), ERR_OK);
    src.octets = m.p;
    src.len = MIN(m.len, keep);
    assert_int_equal(sha256(src.octets, src.len, sha, &e), ERR_OK);
    rc = import_capture(store, &src, opt, r, &e);
    if (rc != ERR_OK)
        assert_true(e.msg[0] != '\0');
    else
        assert_memory_equal(r->sha256, sha, SHA256_OCTETS);
    os_unmap(&m);
    return rc;
}

#define SYNSCAN "attacks/exports-softflowd/synscan.v9.pcap"

static void whole_file_at_once(void **state)
{
    const struct import_options any = { 0 };
    struct import_result r;
    uint8_t sha[SHA256_OCTETS];
    uint64_t options;

    (void)state;
    assert_int_equal(import(SYNSCAN, &any, SIZE_MAX, &r, sha), ERR_OK);
    assert_true(r.committed);
    assert_false(r.cut);
    assert_int_equal(r.counters.flows, 2002);
    assert_int_equal(r.counters.options, 6);
    assert_int_equal(rows(&options), 2002);
    assert_int_equal(options, 6);
    assert_true(store_import_known(store, sha));
    sha[0] ^= 1;
    assert_false(store_import_known(store, sha));
}

static void the_same_content_is_known(void **state)
{
    const struct import_options any = { 0 }, again = { .again = true };
    struct import_result r;
    uint8_t sha[SHA256_OCTETS];
    uint64_t before = rows(NULL);

    (void)state;
    assert_int_equal(import(SYNSCAN, &any, SIZE_MAX, &r, sha), ERR_OK);
    assert_true(r.known);
    assert_false(r.committed);
    assert_int_equal(rows(NULL), before);
    assert_int_equal(import(SYNSCAN, &again, SIZE_MAX, &r, sha), ERR_OK);
    assert_false(r.known);
    assert_true(r.committed);
    assert_int_equal(rows(NULL), before + 2002);
}

static void good_part_of_a_cut_file(void **state)
{
    const struct import_options any = { 0 };
    struct import_result r;
    uint8_t sha[SHA256_OCTETS];
    uint64_t before = rows(NULL);

    (void)state;
    assert_int_equal(import(SYNSCAN, &any, 50000, &r, sha), ERR_OK);
    assert_true(r.committed);
    assert_true(r.cut);
    assert_non_null(strstr(r.cut_why.msg, "cut off"));
    assert_in_range(r.counters.flows, 1, 2001);
    assert_int_equal(rows(NULL), before + r.counters.flows);
}

static void nothing_inside_leaves_nothing(void **state)
{
    static const uint16_t other[] = { 9 };
    const struct import_options any = { 0 }, port = { .ports = other, .n_ports = 1 };
    struct import_result r;
    uint8_t sha[SHA256_OCTETS];
    uint64_t before = rows(NULL);

    (void)state;
    assert_int_equal(import(SYNSCAN, &port, SIZE_MAX, &r, sha), ERR_OK);
    assert_false(r.committed);
    assert_int_equal(r.datagrams, 0);
    assert_int_equal(r.not_wanted, 89);
    assert_int_equal(r.port[0].port, 2055);
    assert_int_equal(r.port[0].datagrams, 89);
    assert_int_equal(import("PROVENANCE.md", &any, SIZE_MAX, &r, sha), ERR_FORMAT);
    assert_false(store_import_known(store, sha));
    assert_int_equal(rows(NULL), before);
}

static void plausible_headers(void **state)
{
    static const uint8_t v9[] = { 0, 9, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                                  0, 0, 0, 0, 0, 0, 1, 0, 0, 8, 1, 2, 3, 4 };
    static const uint8_t ipfix[] = { 0, 10, 0, 24, 0, 0, 0, 0, 0, 0, 0, 0,
                                     0, 0,  0, 0,  0, 2, 0, 8, 1, 2, 3, 4 };
    uint8_t v5[24 + 48] = { 0, 5, 0, 1 };

    (void)state;
    for (size_t n = 0; n < sizeof v5; n++) {
        uint8_t *exact = t_dup(v5, n);
        assert_false(import_plausible(exact, n));
        free(exact);
    }
    assert_true(import_plausible(v5, sizeof v5));
    for (size_t n = 0; n < sizeof v9; n++) {
        uint8_t *exact = t_dup(v9, n);
        assert_false(import_plausible(exact, n));
        free(exact);
    }
    assert_true(import_plausible(v9, sizeof v9));
    for (size_t n = 0; n < sizeof ipfix; n++) {
        uint8_t *exact = t_dup(ipfix, n);
        assert_false(import_plausible(exact, n));
        free(exact);
    }
    assert_true(import_plausible(ipfix, sizeof ipfix));
}

static size_t octets_heard;

static void heard(const void *p, size_t len)
{
    (void)p;
    octets_heard += len;
}

static void digest(void **state)
{
    /* FIPS 180-4, "abc" */
    static const uint8_t abc[] = { 0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40,
                                   0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17,
                                   0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad };
    uint8_t got[SHA256_OCTETS];

    (void)state;
    assert_int_equal(sha256((const uint8_t *)"abc", 3, got, NULL), ERR_OK);
    assert_memory_equal(got, abc, sizeof abc);
    assert_int_equal(sha256_pieces((const uint8_t *)"abc", 3, 2, heard, got, NULL), ERR_OK);
    assert_memory_equal(got, abc, sizeof abc);
    assert_int_equal(octets_heard, 3);
    assert_int_equal(sha256(NULL, 0, got, NULL), ERR_OK);
    assert_int_equal(got[0], 0xe3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_file_at_once),      cmocka_unit_test(the_same_content_is_known),
        cmocka_unit_test(good_part_of_a_cut_file), cmocka_unit_test(nothing_inside_leaves_nothing),
        cmocka_unit_test(plausible_headers),       cmocka_unit_test(digest),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
