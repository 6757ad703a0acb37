/* Definitions: members, groups inside groups, maps of addresses, the file they are kept in. What a
 * group holds is held against plain loops over its members. */
#include "unit.h"

#include <stdio.h>
#include <unistd.h>

#include "folder.h"
#include "meta/db.h"

static uint64_t seed = 20261125;

static uint64_t dice(uint64_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed % n;
}

/* Few different octets, so that networks meet. */
static struct addr some_addr(void)
{
    struct addr a = { { 0 } };

    if (dice(3) > 0)
        return addr_from_v4((uint32_t)(dice(4) << 30 | dice(2) << 24 | dice(4) << 14 | dice(8)));
    a.b[0] = (uint8_t)(dice(2) * 0x20);
    a.b[7] = (uint8_t)dice(3);
    a.b[15] = (uint8_t)dice(4);
    return a;
}

static struct net some_net(void)
{
    static const uint8_t len[] = { 0, 1, 8, 64, 96, 97, 98, 104, 110, 120, 127, 128, 128, 128 };
    struct addr a = some_addr();
    struct net n = { .len = len[dice(ARRAY_LEN(len))] };

    if (addr_is_v4(&a) && n.len < 96 && dice(4) > 0)
        n.len = 112;
    n.a = addr_mask(&a, n.len);
    return n;
}

/* Octet by octet, without addr_mask or net_has. */
static bool holds(const struct net *n, const struct addr *a)
{
    static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

    if (n->len < 96 && memcmp(a->b, mapped, 12) == 0)
        return false; /* of IPv6 only */
    for (unsigned i = 0; i < n->len; i++)
        if (((a->b[i / 8] ^ n->a.b[i / 8]) >> (7 - i % 8) & 1) != 0)
            return false;
    return true;
}

static int by_addr(const void *a, const void *b)
{
    return addr_cmp(a, b);
}

static void maps_give_the_most_specific(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 400; round++) {
        struct addr_rule r[40];
        struct addr_map m;
        struct addr a[64];
        uint32_t n = (uint32_t)dice(ARRAY_LEN(r)), got[64];
        for (uint32_t i = 0; i < n; i++)
            r[i] = (struct addr_rule){ some_net(), (uint32_t)dice(4) };
        assert_int_equal(addr_map_make(&m, r, n), ERR_OK);
        for (uint32_t i = 1; i < m.n; i++) {
            assert_true(addr_cmp(&m.lo[i - 1], &m.lo[i]) < 0);
            assert_true(m.v[i - 1] != m.v[i]);
        }
        for (unsigned k = 0; k < ARRAY_LEN(a); k++)
            a[k] = some_addr();
        for (unsigned sorted = 0; sorted < 2; sorted++) {
            if (sorted)
                qsort(a, ARRAY_LEN(a), sizeof *a, by_addr);
            addr_map_fill(&m, a, ARRAY_LEN(a), sorted != 0, got);
            for (unsigned k = 0; k < ARRAY_LEN(a); k++) {
                int best = -1;
                uint32_t want = 0;
                for (uint32_t i = 0; i < n; i++)
                    if (holds(&r[i].n, &a[k]) && (int)r[i].n.len >= best) {
                        best = r[i].n.len;
                        want = r[i].v;
                    }
                assert_int_equal(addr_map_get(&m, &a[k]), want);
                assert_int_equal(got[k], want);
            }
        }
        addr_map_free(&m);
    }
}

static void ranges_are_cut_into_networks(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 2000; round++) {
        struct addr lo = some_addr(), hi = some_addr(), at;
        if (addr_cmp(&lo, &hi) > 0) {
            at = lo;
            lo = hi;
            hi = at;
        }
        at = lo;
        for (unsigned n = 0;; n++) {
            struct net x = net_of_range(&at, &hi);
            struct addr last = net_last(&x);
            assert_true(n < 256);
            assert_int_equal(addr_cmp(&x.a, &at), 0);
            assert_true(addr_cmp(&last, &hi) <= 0);
            if (addr_cmp(&last, &hi) == 0)
                break;
            at = addr_next(&last);
            assert_true(addr_cmp(&at, &last) > 0);
        }
    }
}

/* ------------------------------------------------------------------ members */

static void members_have_one_spelling(void **state)
{
    static const struct {
        const char *text, *kept;
    } good[] = {
        { "10.20.0.0/16", "10.20.0.0/16" },
        { "10.1/16", "10.1.0.0/16" },
        { " !10.0.0.1", "!10.0.0.1" },
        { "10.0.0.0..10.0.0.255", "10.0.0.0/24" },
        { "10.0.0.1..10.0.0.9", "10.0.0.1..10.0.0.9" },
        { "2001:DB8::/32", "2001:db8::/32" },
        { "::/0", "::/0" },
        { "0.0.0.0/0", "0.0.0.0/0" },
        { "AS64500", "AS64500" },
        { "as64512..65534", "AS64512..65534" },
        { "AS1..AS5", "AS1..5" },
        { "port 443", "port 443" },
        { "port:8000..8999", "port 8000..8999" },
        { "port 10-20", "port 10..20" },
        { "proto TCP", "proto tcp" },
        { "proto 47", "proto gre" },
        { "proto 200", "proto 200" },
        { "UDP/53", "udp/53" },
        { "! tcp/1..5", "!tcp/1..5" },
        { "vlan 7", "vlan 7" },
        { "DE", "country DE" },
        { "country de", "country DE" },
        { "!geo:US ", "!country US" },
        { "AS", "country AS" }, /* American Samoa */
        { "exporter fra 1", "exporter fra 1" },
        { "if fra 1 3", "if fra 1 3" },
        { "interface fra1 xe-0/0/1", "if fra1 xe-0/0/1" },
        { "GROUP servers", "group servers" },
    };
    static const struct {
        const char *text, *why;
    } bad[] = {
        { "", "an empty member" },
        { "!", "an empty member" },
        { "10.1.2.3/24", "has host bits: write 10.1.2.0/24 for the network, or 10.1.2.3" },
        { "10.0.0.9..10.0.0.1", "is empty: the smaller end comes first" },
        { "10.0.0.1..::1", "both ends are to be of one family" },
        { "port 70000", "a number of 0 to 65535" },
        { "port 9..3", "a number of 0 to 65535" },
        { "vlan 5000", "a number of 0 to 4095" },
        { "AS4294967296", "a number of 0 to 4294967295" },
        { "proto tpc", "a name as tcp" },
        { "prot tcp", "did you mean proto?" },
        { "if fra1", "exporter and ifIndex are expected" },
        { "country DEU", "two letters of ISO 3166" },
        { "country D1", "two letters of ISO 3166" },
        { "country", "is no member" },
        { "de", "is no member" },
        { "counrty DE", "did you mean country?" },
        { "10.0.0.256", "is no member" },
        { "example.net", "is no member" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        const char *text = good[i].text;
        for (unsigned again = 0; again < 2; again++) {
            struct buf b = buf_init(1000);
            struct item x;
            struct err e = { 0 };
            if (item_parse(&x, text, &e) != ERR_OK)
                fail_msg("%s: %s", text, e.msg);
            item_text(&b, &x);
            assert_string_equal(buf_cstr(&b), good[i].kept);
            item_free(&x);
            buf_free(&b);
            text = good[i].kept;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct item x;
        struct err e = { 0 };
        assert_int_not_equal(item_parse(&x, bad[i].text, &e), ERR_OK);
        if (strstr(e.msg, bad[i].why) == NULL)
            fail_msg("%s: %s", bad[i].text, e.msg);
    }
}

/* ------------------------------------------------------------------ groups */

struct member {
    bool out, is_group;
    struct net n;
    unsigned group;
};
struct made {
    unsigned n;
    struct member m[6];
};

static bool in_group(const struct made *g, unsigned at, const struct addr *a)
{
    const struct made *x = &g[at];
    int best = -1;
    bool own = false, out = false, only_out = x->n > 0, yes = false, no = false;

    for (unsigned i = 0; i < x->n; i++)
        only_out &= x->m[i].out;
    for (unsigned i = 0; i < x->n; i++) {
        const struct member *m = &x->m[i];
        if (m->is_group) {
            bool in = in_group(g, m->group, a);
            yes |= !m->out && in;
            no |= m->out && in;
        } else if (holds(&m->n, a) && (int)m->n.len > best) {
            best = m->n.len;
            own = !m->out;
            out = m->out;
        }
    }
    if (only_out && best < 0)
        own = true;
    return (own || yes) && !out && !no;
}

static void put(struct meta_doc *d, enum meta_table t, const char *a, const char *b)
{
    const char *key[] = { a, b };

    assert_non_null(meta_row(d, t, key, NULL));
}

static void groups_hold_what_their_members_say(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 300; round++) {
        struct made g[7] = { 0 };
        struct meta_doc d = { 0 };
        struct defs *defs;
        struct err e = { 0 };
        char name[16], item[80], text[ADDR_TEXT_MAX];
        for (unsigned i = 0; i < ARRAY_LEN(g); i++) {
            (void)snprintf(name, sizeof name, "G%u", i);
            put(&d, META_GROUPS, name, NULL);
            g[i].n = (unsigned)dice(ARRAY_LEN(g[i].m) + 1);
            for (unsigned k = 0; k < g[i].n; k++) {
                struct member *m = &g[i].m[k];
                *m = (struct member){ .out = dice(4) == 0, .is_group = i > 0 && dice(4) == 0 };
                if (m->is_group) {
                    m->group = (unsigned)dice(i);
                    (void)snprintf(item, sizeof item, "%sgroup g%u", m->out ? "!" : "", m->group);
                } else {
                    do
                        m->n = some_net();
                    while (m->n.len == 0);
                    (void)addr_format(&m->n.a, text);
                    (void)snprintf(item, sizeof item, "%s%s/%u", m->out ? "!" : "", text,
                                   m->n.len - (addr_is_v4(&m->n.a) && m->n.len >= 96 ? 96u : 0u));
                }
                for (unsigned j = 0; j < k; j++) /* one network, one meaning */
                    if (!m->is_group && !g[i].m[j].is_group && g[i].m[j].n.len == m->n.len &&
                        addr_cmp(&g[i].m[j].n.a, &m->n.a) == 0)
                        item[0] = '\0';
                if (item[0] == '\0') {
                    k--;
                    g[i].n--;
                    continue;
                }
                put(&d, META_MEMBERS, name, item);
            }
        }
        if (defs_make(&defs, &d, &e) != ERR_OK)
            fail_msg("%s", e.msg);
        for (unsigned k = 0; k < 100; k++) {
            struct addr a = some_addr();
            uint32_t set = addr_map_get(&defs->sets, &a), at = defs->set_off[set];
            for (unsigned i = 0; i < ARRAY_LEN(g); i++) {
                bool want = in_group(g, i, &a);
                int64_t no;
                (void)snprintf(name, sizeof name, "g%u", i);
                no = defs_group(defs, name, 2);
                assert_true(no >= 0 && defs->group[no].only_nets);
                if ((addr_map_get(&defs->group[no].net, &a) == 1) != want) {
                    (void)addr_format(&a, text);
                    fail_msg("round %u, group %s, %s: %d expected", round, name, text, want);
                }
                if (want)
                    assert_int_equal(defs->set_group[at++], no);
            }
            assert_int_equal(at, defs->set_off[set + 1]);
        }
        defs_unref(defs);
    }
}

static void inside_is_what_is_said(void **state)
{
    static const struct {
        const char *addr;
        bool in, out, own_in;
    } want[] = {
        { "10.1.2.3", true, false, false },     { "172.31.0.1", true, false, false },
        { "172.32.0.1", false, true, false },   { "192.168.1.1", true, false, false },
        { "169.254.1.1", true, false, false },  { "fd00::1", true, false, false },
        { "fe80::1", true, false, false },      { "8.8.8.8", false, true, true },
        { "2001:db8::1", false, true, false },  { "0.0.0.0", false, false, false },
        { "::", false, false, false },          { "255.255.255.255", false, true, false },
        { "ffff:ffff::1", false, true, false },
    };
    struct meta_doc d = { 0 };
    struct defs *a, *b;
    struct err e = { 0 };

    (void)state;
    put(&d, META_GROUPS, "Internal", NULL);
    put(&d, META_MEMBERS, "Internal", "8.8.0.0/16");
    assert_int_equal(defs_default(&a, &e), ERR_OK);
    assert_int_equal(defs_make(&b, &d, &e), ERR_OK);
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        struct addr x;
        bool none = !want[i].in && !want[i].out;
        assert_true(addr_parse(&x, want[i].addr, strlen(want[i].addr)));
        assert_int_equal(addr_map_get(&a->internal, &x), want[i].in);
        assert_int_equal(addr_map_get(&a->external, &x), want[i].out);
        assert_int_equal(addr_map_get(&b->internal, &x), want[i].own_in);
        assert_int_equal(addr_map_get(&b->external, &x), !none && !want[i].own_in);
    }
    defs_unref(a);
    defs_unref(b);
}

static void refusals_name_the_thing(void **state)
{
    static const struct {
        const char *row[6]; /* table digit, then key or group and item, ... */
        const char *why;
    } bad[] = {
        { { "0a", "0b", "1a|group b", "1b|group a" }, "in a circle: a > b > a" },
        { { "0a", "1a|group a" }, "in a circle: a > a" },
        { { "0office", "0b", "1b|group ofice" }, "did you mean office?" },
        { { "0a", "1a|exporter fra1" }, "no exporter is called \"fra1\"" },
        { { "0internal", "1internal|port 80" }, "addresses, networks and groups" },
        { { "4fra1|3" }, "no exporter is called \"fra1\"; an address works without" },
        { { "51" }, "a pattern is expected" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct meta_doc d = { 0 };
        struct defs *defs;
        struct err e = { 0 };
        for (size_t k = 0; k < 6 && bad[i].row[k] != NULL; k++) {
            char text[64], *bar;
            (void)snprintf(text, sizeof text, "%s", bad[i].row[k] + 1);
            if ((bar = strchr(text, '|')) != NULL)
                *bar++ = '\0';
            put(&d, (enum meta_table)(bad[i].row[k][0] - '0'), text, bar);
        }
        assert_int_equal(defs_make(&defs, &d, &e), ERR_ARG);
        assert_null(defs);
        if (strstr(e.msg, bad[i].why) == NULL)
            fail_msg("%zu: %s", i, e.msg);
    }
}

/* ------------------------------------------------------------------ the file */

static char folder[FOLDER_NAME];

static int setup(void **state)
{
    (void)state;
    return folder_make(folder);
}
static int teardown(void **state)
{
    (void)state;
    return folder_remove(folder);
}

static int add_two(void *ctx, struct meta_doc *d, struct err *e)
{
    const char *g[] = { "office" }, *m[] = { "office", ctx };

    return meta_row(d, META_GROUPS, g, NULL) != NULL && meta_row(d, META_MEMBERS, m, NULL) != NULL
               ? ERR_OK
               : err_set(e, ERR_NOMEM, "memory");
}

static int drop_all(void *ctx, struct meta_doc *d, struct err *e)
{
    (void)ctx;
    (void)e;
    for (enum meta_table t = 0; t < META_TABLES; t++)
        meta_delete(d, t, 0, d->t[t].n);
    return ERR_OK;
}

static bool office_has(struct meta_db *m, const char *addr)
{
    struct defs *d;
    struct err e = { 0 };
    struct addr a;
    int64_t g;
    bool yes;

    assert_int_equal(meta_db_defs(m, &d, &e), ERR_OK);
    assert_true(addr_parse(&a, addr, strlen(addr)));
    g = defs_group(d, "office", 6);
    yes = g >= 0 && addr_map_get(&d->group[g].net, &a) == 1;
    defs_unref(d);
    return yes;
}

static void a_change_is_seen_at_once(void **state)
{
    struct meta_change c = { .edit = add_two, .ctx = (char[]){ "10.0.0.1" } };
    struct meta_doc d;
    struct meta_db *m;
    struct err e = { 0 };
    char path[200];

    (void)state;
    assert_int_equal(meta_db_open(&m, folder, &e), ERR_OK);
    assert_int_equal(meta_db_read(folder, &d, &e), ERR_OK); /* no file is no definitions */
    assert_int_equal(d.t[META_GROUPS].n, 0);
    meta_doc_free(&d);
    assert_false(office_has(m, "10.0.0.1"));
    c.dry = true;
    assert_int_equal(meta_db_change(folder, &c, &e), ERR_OK);
    (void)snprintf(path, sizeof path, "%s/" META_DB_NAME, folder);
    assert_int_not_equal(access(path, F_OK), 0);
    c.dry = false;
    assert_int_equal(meta_db_change(folder, &c, &e), ERR_OK);
    assert_true(office_has(m, "10.0.0.1"));
    assert_false(office_has(m, "10.0.0.2"));
    c.ctx = (char[]){ "10.0.0.2" };
    assert_int_equal(meta_db_change(folder, &c, &e), ERR_OK);
    assert_true(office_has(m, "10.0.0.1"));
    assert_true(office_has(m, "10.0.0.2"));
    c.ctx = (char[]){ "group nothing" }; /* nothing of a refused change stays */
    assert_int_equal(meta_db_change(folder, &c, &e), ERR_ARG);
    assert_int_equal(meta_db_read(folder, &d, &e), ERR_OK);
    assert_int_equal(d.t[META_MEMBERS].n, 2);
    meta_doc_free(&d);
    /* another file in its place, as after a restore */
    assert_int_equal(unlink(path), 0);
    (void)snprintf(path, sizeof path, "%s/" META_DB_NAME "-wal", folder);
    (void)unlink(path);
    (void)snprintf(path, sizeof path, "%s/" META_DB_NAME "-shm", folder);
    (void)unlink(path);
    assert_false(office_has(m, "10.0.0.2"));
    c.ctx = (char[]){ "10.0.0.3" };
    assert_int_equal(meta_db_change(folder, &c, &e), ERR_OK);
    assert_true(office_has(m, "10.0.0.3"));
    assert_false(office_has(m, "10.0.0.1"));
    c.edit = drop_all;
    assert_int_equal(meta_db_change(folder, &c, &e), ERR_OK);
    assert_false(office_has(m, "10.0.0.3"));
    meta_db_close(m);
}

static void a_damaged_file_is_told_and_the_rest_goes_on(void **state)
{
    struct meta_change c = { .edit = add_two, .ctx = (char[]){ "10.0.0.1" } };
    struct meta_doc d;
    struct meta_db *m;
    struct defs *defs;
    struct err e = { 0 };
    char path[200];
    FILE *f;

    (void)state;
    (void)snprintf(path, sizeof path, "%s/" META_DB_NAME, folder);
    f = fopen(path, "w");
    assert_non_null(f);
    for (unsigned i = 0; i < 1000; i++)
        (void)fputs("this is no database ", f);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(meta_db_read(folder, &d, &e), ERR_CORRUPT);
    assert_non_null(strstr(e.msg, META_DB_NAME));
    assert_int_equal(meta_db_change(folder, &c, &e), ERR_CORRUPT);
    assert_int_equal(meta_db_open(&m, folder, &e), ERR_OK);
    assert_int_equal(meta_db_defs(m, &defs, &e), ERR_CORRUPT);
    assert_non_null(defs);
    assert_true(defs_group(defs, "netflix", 7) >= 0);
    defs_unref(defs);
    meta_db_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_give_the_most_specific),
        cmocka_unit_test(ranges_are_cut_into_networks),
        cmocka_unit_test(members_have_one_spelling),
        cmocka_unit_test(groups_hold_what_their_members_say),
        cmocka_unit_test(inside_is_what_is_said),
        cmocka_unit_test(refusals_name_the_thing),
        cmocka_unit_test_setup_teardown(a_change_is_seen_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(a_damaged_file_is_told_and_the_rest_goes_on, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
