/* Ranges of addresses: random ones against a linear search, the file's octets, CSV, damage. */
#include "unit.h"

#include <stdio.h>

#include "enrich/geo.h"

#define RANGES 60
#define ASKED  400

static uint64_t seed = 88172645463325252u;
static uint32_t rnd(uint32_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 20) % n;
}

/* Few different addresses, at both ends of both families too, so that ranges meet and overlap. */
static struct addr random_addr(bool v4)
{
    struct addr a = { { 0 } };
    uint32_t near = rnd(40), where = rnd(4);

    if (v4)
        return addr_from_v4(where == 0   ? near
                            : where == 1 ? 0xffffffffu - near
                            : where == 2 ? 0x0a000000u + (near << 16)
                                         : 0x0affff00u + near);
    if (where == 1)
        memset(a.b, 0xff, sizeof a.b);
    if (where >= 2)
        be_put(a.b, 0x20010db800000000u + (where == 3 ? near : 0), 8);
    if (where == 1)
        a.b[15] = (uint8_t)(255 - near);
    else if (where != 3 && near > 0)
        be_put(a.b + 8, near + 1, 8);
    return a; /* none of them is IPv4 */
}

struct range {
    struct addr first, last;
    uint32_t number;
};

/* What the header says in words, one range after the other. */
static uint32_t linear(const struct range *r, size_t n, const struct addr *a)
{
    const struct range *best = NULL;

    for (size_t i = 0; i < n; i++) {
        const struct range *x = &r[i];
        int c;
        if (addr_is_v4(&x->first) != addr_is_v4(a) || addr_cmp(&x->first, a) > 0 ||
            addr_cmp(&x->last, a) < 0)
            continue;
        c = best == NULL ? 1 : addr_cmp(&x->first, &best->first);
        if (c > 0 || (c == 0 && addr_cmp(&x->last, &best->last) <= 0))
            best = x;
    }
    return best != NULL ? best->number : 0;
}

static struct ranges *make(const struct range *r, size_t n, struct buf *out,
                           struct ranges_about *about)
{
    struct ranges_draft *d;
    struct ranges *x;
    struct err e = { 0 };

    assert_int_equal(ranges_draft_new(&d), ERR_OK);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(ranges_draft_add(d, &r[i].first, &r[i].last, r[i].number), ERR_OK);
    *about = (struct ranges_about){
        .kind = GEO_AS, .version.date_ms = 1700000000000, .source = "made up", .licence = "none"
    };
    assert_int_equal(ranges_write(d, about, out, &e), ERR_OK);
    ranges_draft_free(d);
    assert_int_equal(ranges_open_octets(&x, "test", out->p, out->len, &e), ERR_OK);
    return x;
}

static int by_addr(const void *a, const void *b)
{
    return addr_cmp(a, b);
}

static void test_random_ranges(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 300; round++) {
        struct range r[RANGES];
        struct addr ask[ASKED];
        uint32_t got[ASKED];
        size_t n = rnd(RANGES + 1);
        struct buf out = buf_init(1u << 20);
        struct ranges_about about;
        struct ranges *x;

        for (size_t i = 0; i < n; i++) {
            struct addr a = random_addr(i % 2), b = random_addr(i % 2);
            bool less = addr_cmp(&a, &b) <= 0;
            r[i] = (struct range){ less ? a : b, less ? b : a, rnd(5) };
        }
        x = make(r, n, &out, &about);
        for (unsigned i = 0; i < ASKED; i++) {
            struct addr a =
                i < 2 * n ? (i % 2 ? r[i / 2].last : r[i / 2].first) : random_addr(i % 2);
            if (rnd(3) == 0 && a.b[15] < 255)
                a.b[15]++;
            ask[i] = a;
        }
        if (round % 2)
            qsort(ask, ASKED, sizeof *ask, by_addr);
        ranges_look_up(x, ask, ASKED, got);
        for (unsigned i = 0; i < ASKED; i++)
            assert_int_equal(got[i], linear(r, n, &ask[i]));
        assert_int_equal(ranges_about(x)->version.id, about.version.id);
        assert_int_equal(ranges_about(x)->version.date_ms, 1700000000000);
        assert_string_equal(ranges_about(x)->source, "made up");
        ranges_close(x);
        buf_free(&out);
    }
}

static void test_refused_ranges(void **state)
{
    struct ranges_draft *d;
    struct addr a = addr_from_v4(5), b = addr_from_v4(4), c = { { 0 } };

    (void)state;
    assert_int_equal(ranges_draft_new(&d), ERR_OK);
    assert_int_equal(ranges_draft_add(d, &a, &b, 1), ERR_ARG);
    assert_int_equal(ranges_draft_add(d, &c, &a, 1), ERR_ARG);
    assert_int_equal(ranges_draft_add(d, &b, &b, 1), ERR_OK);
    ranges_draft_free(d);
}

/* Any octet changed, and any end cut off, is told. */
static void test_damage(void **state)
{
    struct range r = { addr_from_v4(1), addr_from_v4(2), 7 };
    struct buf out = buf_init(1u << 20);
    struct ranges_about about;
    struct ranges *x = make(&r, 1, &out, &about);

    (void)state;
    ranges_close(x);
    for (size_t n = 0; n < out.len; n++) {
        uint8_t *p = t_dup(out.p, n);
        assert_int_not_equal(ranges_open_octets(&x, "t", p, n, NULL), ERR_OK);
        assert_null(x);
        free(p);
        p = t_dup(out.p, out.len);
        p[n] ^= 0x11;
        assert_int_not_equal(ranges_open_octets(&x, "t", p, out.len, NULL), ERR_OK);
        free(p);
    }
    buf_free(&out);
}

static struct geo *from_csv(const char *text, struct err *e, int want)
{
    struct geo_source s = { .draft = { NULL } };
    struct buf out[GEO_N] = { buf_init(1u << 20), buf_init(1u << 20) };
    char dir[] = "/tmp/weir-geo-XXXXXX", path[64];
    struct geo *g = NULL;
    char *exact = (char *)t_dup(text, strlen(text));
    int rc = geo_source_csv(&s, "t.csv", exact, strlen(text), e);

    free(exact);
    assert_int_equal(rc, want);
    if (rc == ERR_OK) {
        assert_non_null(mkdtemp(dir));
        assert_int_equal(geo_install(&s, dir, e), ERR_OK);
        assert_int_equal(geo_open(&g, dir, e), ERR_OK);
        for (unsigned k = 0; k < GEO_N; k++) {
            (void)snprintf(path, sizeof path, "%s/%s", dir, geo_files[k]);
            (void)os_unlink(path, NULL);
        }
        (void)os_rmdir(dir, NULL);
    }
    geo_source_free(&s);
    buf_free(&out[0]);
    buf_free(&out[1]);
    return g;
}

static uint32_t one(const struct geo *g, enum geo_kind kind, const char *text)
{
    struct addr a;
    uint32_t v;

    assert_true(addr_parse(&a, text, strlen(text)));
    geo_look_up(g, kind, &a, 1, &v);
    return v;
}

static void test_csv(void **state)
{
    struct err e = { 0 };
    struct geo_name name;
    struct geo *g = from_csv("first,last,as,name\r\n"
                             "# a remark\n\n"
                             "192.0.2.0,192.0.2.127,64500,\"Example, \"\"Inc.\"\"\"\r\n"
                             "2001:db8::/32,AS64501,Beispiel AG\n"
                             "198.51.100.0/24,64500,another name\n"
                             "192.0.2.0/24,de\n"
                             "2001:db8::,2001:db8::ffff,FR",
                             &e, ERR_OK);

    (void)state;
    assert_int_equal(one(g, GEO_AS, "192.0.2.127"), 64500);
    assert_int_equal(one(g, GEO_AS, "192.0.2.128"), 0);
    assert_int_equal(one(g, GEO_AS, "2001:db8:ffff::1"), 64501);
    assert_int_equal(one(g, GEO_AS, "2001:db9::"), 0);
    assert_int_equal(one(g, GEO_COUNTRY, "192.0.2.200"), GEO_LETTERS('D', 'E'));
    assert_int_equal(one(g, GEO_COUNTRY, "2001:db8::ffff"), GEO_LETTERS('F', 'R'));
    assert_int_equal(one(g, GEO_COUNTRY, "2001:db8::1:0"), 0);
    assert_true(geo_name(g, 64500, &name));
    assert_int_equal(name.len, strlen("Example, \"Inc.\""));
    assert_memory_equal(name.text, "Example, \"Inc.\"", name.len);
    assert_true(geo_name(g, 64501, &name));
    assert_memory_equal(name.text, "Beispiel AG", name.len);
    assert_false(geo_name(g, 64502, &name));
    assert_true(g->ops->name_at(g, 1, &name) && name.number == 64501);
    assert_false(g->ops->name_at(g, 2, &name));
    geo_unref(g);

    assert_null(from_csv("192.0.2.0,192.0.2.1,1\n192.0.2.9,192.0.2.1,1\n", &e, ERR_FORMAT));
    assert_non_null(strstr(e.msg, "t.csv: line 2: "));
    assert_null(from_csv("192.0.2.0,192.0.2.1\n", &e, ERR_FORMAT));
    assert_null(from_csv("192.0.2.0,192.0.2.1,DEU\n", &e, ERR_FORMAT));
    assert_null(from_csv("192.0.2.0/33,DE\n", &e, ERR_FORMAT));
    assert_null(from_csv("192.0.2.0,192.0.2.1,4294967296\n", &e, ERR_FORMAT));
    assert_null(from_csv("192.0.2.0,2001:db8::,5\n", &e, ERR_FORMAT));
}

/* Without data nothing is known, and that is no error. */
static void test_nothing(void **state)
{
    struct geo *g;
    struct geo_name name;
    struct addr a = addr_from_v4(1);
    uint32_t v = 9;

    (void)state;
    assert_int_equal(geo_open(&g, "/nonexistent", NULL), ERR_OK);
    assert_null(g);
    geo_look_up(NULL, GEO_AS, &a, 1, &v);
    assert_int_equal(v, 0);
    assert_false(geo_name(NULL, 1, &name));
    geo_unref(NULL);
}

static void test_which_as(void **state)
{
    static const uint32_t quiet[] = { 0,     23456,       64512,       65000,
                                      65535, 4200000000u, 4294967294u, UINT32_MAX };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(quiet); i++) {
        assert_int_equal(geo_as(GEO_AS_AUTO, quiet[i], 3320), 3320);
        assert_int_equal(geo_as(GEO_AS_AUTO, quiet[i], 0), quiet[i]);
        assert_int_equal(geo_as(GEO_AS_EXPORTER, quiet[i], 3320), quiet[i]);
    }
    assert_int_equal(geo_as(GEO_AS_AUTO, 64511, 3320), 64511);
    assert_int_equal(geo_as(GEO_AS_AUTO, 65536, 3320), 65536);
    assert_int_equal(geo_as(GEO_AS_AUTO, 4199999999u, 3320), 4199999999u);
    assert_int_equal(geo_as(GEO_AS_DATABASE, 5, 3320), 3320);
    assert_int_equal(geo_as(GEO_AS_DATABASE, 5, 0), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_ranges), cmocka_unit_test(test_refused_ranges),
        cmocka_unit_test(test_damage),        cmocka_unit_test(test_csv),
        cmocka_unit_test(test_nothing),       cmocka_unit_test(test_which_as),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
