/* Applications: random rules against a walk over all of them in order, the file, its mistakes. */
#include "unit.h"

#include <stdio.h>

#include "base/buf.h"
#include "flow/apps.h"

static uint64_t seed = 88172645463325252u;
static uint32_t rnd(uint32_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 20) % n;
}

struct row {
    char name[8];
    uint32_t as, net, len; /* len 0: any */
    uint8_t proto;
    uint16_t lo, hi;
    uint64_t id;
};

struct side {
    uint32_t addr, as;
    uint16_t port;
};

static const uint8_t protos[] = { 6, 17, 132, 1 };

static bool holds(const struct row *r, const struct side *s, uint8_t proto)
{
    bool ports = proto == 6 || proto == 17 || proto == 132;

    if (r->as != 0 && r->as != s->as)
        return false;
    if (r->len != 0 && (r->net ^ s->addr) >> (32 - r->len) != 0)
        return false;
    if (r->proto != 0 && r->proto != proto)
        return false;
    return r->hi == 0 || (ports && s->port >= r->lo && s->port <= r->hi);
}

static const char *walk(const struct row *r, size_t n, const struct side s[2], uint8_t proto,
                        uint64_t id)
{
    for (size_t i = 0; i < n; i++)
        if ((r[i].id == 0 || r[i].id == id) &&
            (holds(&r[i], &s[0], proto) || holds(&r[i], &s[1], proto)))
            return r[i].name;
    return NULL;
}

static struct row random_row(void)
{
    struct row r = { .as = rnd(2) == 0 ? 1 + rnd(5) : 0 };

    (void)snprintf(r.name, sizeof r.name, "app%u", (unsigned)rnd(30));
    if (rnd(3) == 0) {
        r.len = 24 + rnd(9);
        r.net = (0x0a000000u + rnd(4) * 256 + rnd(256)) >> (32 - r.len) << (32 - r.len);
    }
    if (rnd(3) == 0)
        r.proto = protos[rnd(4)];
    if (rnd(2) == 0) {
        r.lo = (uint16_t)(1 + rnd(20));
        r.hi = (uint16_t)(r.lo + (rnd(3) == 0 ? rnd(10) : 0));
    }
    if (rnd(6) == 0)
        r.id = 13ull << 56 | (1 + rnd(3));
    if (r.as == 0 && r.len == 0 && r.hi == 0 && r.id == 0)
        r.as = 3;
    return r;
}

static void say(struct buf *b, const struct row *r)
{
    buf_printf(b, "%s,", r->name);
    if (r->as != 0)
        buf_printf(b, "%s%u", rnd(2) ? "AS" : "", r->as);
    buf_str(b, ",");
    if (r->len != 0)
        buf_printf(b, "%u.%u.%u.%u/%u", r->net >> 24, r->net >> 16 & 255, r->net >> 8 & 255,
                   r->net & 255, r->len);
    buf_printf(b, ",%s,",
               r->proto == 6     ? "tcp"
               : r->proto == 17  ? "udp"
               : r->proto == 132 ? "132"
               : r->proto == 1   ? "icmp"
                                 : "");
    if (r->hi != 0)
        buf_printf(b, r->hi > r->lo ? "%u-%u" : "%u", r->lo, r->hi);
    if (r->id != 0)
        buf_printf(b, ",13:%u", (unsigned)(r->id & 0xffffff));
    buf_str(b, "\n");
}

static void random_rules(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 200; round++) {
        struct row r[60];
        struct buf text = buf_init(1u << 16);
        size_t n = 1 + rnd(60);
        struct apps *a;
        struct err e = { 0 };
        buf_str(&text, rnd(2) ? "app,as,prefix,proto,port,appid\n" : "# mine\n\n");
        for (size_t i = 0; i < n; i++) {
            r[i] = random_row();
            say(&text, &r[i]);
        }
        if (apps_make(&a, "t", (const char *)text.p, text.len, &e) != ERR_OK)
            fail_msg("%s", e.msg);
        for (unsigned i = 0; i < 500; i++) {
            struct side s[2];
            struct app_side x[2];
            struct addr addr[2];
            uint8_t proto = protos[rnd(4)];
            uint64_t id = rnd(2) == 0 ? 13ull << 56 | (1 + rnd(4)) : 0;
            uint32_t got;
            const char *want;
            for (unsigned k = 0; k < 2; k++) {
                s[k] = (struct side){ 0x0a000000u + rnd(1024), rnd(7), (uint16_t)rnd(25) };
                addr[k] = addr_from_v4(s[k].addr);
                x[k] = (struct app_side){ &addr[k], apps_net(a, 0, &addr[k]), s[k].as, s[k].port };
            }
            got = apps_find(a, x, proto, id);
            want = walk(r, n, s, proto, id);
            if (want == NULL) /* nor do the built-in rows know these numbers */
                assert_int_equal(got, APP_NONE);
            else
                assert_string_equal(apps_rule(a, got)->name, want);
            if (got != APP_NONE)
                for (uint32_t q = 0; q < got; q++)
                    assert_string_not_equal(apps_rule(a, q)->name, apps_rule(a, got)->name);
        }
        apps_unref(a);
        buf_free(&text);
    }
}

static void built_in(void **state)
{
    struct apps *a;
    struct addr x, none = { { 0 } };
    struct app_side s[2] = { { .addr = &none, .net = APP_NONE }, { .addr = &x } };

    (void)state;
    assert_int_equal(apps_make(&a, "", NULL, 0, NULL), ERR_OK);
    assert_true(addr_parse(&x, "52.113.1.2", 10));
    s[1].net = apps_net(a, 0, &x);
    s[1].as = 8075;
    s[1].port = 443;
    assert_string_equal(apps_rule(a, apps_find(a, s, 6, 0))->name, "Microsoft Teams");
    s[1].net = APP_NONE;
    assert_string_equal(apps_rule(a, apps_find(a, s, 6, 0))->name, "Microsoft");
    s[1].as = 0;
    assert_int_equal(apps_find(a, s, 6, 0), APP_NONE);
    s[0].port = 51820;
    assert_string_equal(apps_rule(a, apps_find(a, s, 17, 0))->name, "WireGuard");
    assert_int_equal(apps_find(a, s, 6, 0), APP_NONE);
    apps_unref(a);
}

static void mistakes(void **state)
{
    static const struct {
        const char *text, *why;
    } bad[] = {
        { "x\n", "line 1: an AS, a network" },
        { "# a\n,1\n", "line 2: a name of 1 to 63" },
        { "x,AS\n", "line 1: the second field" },
        { "x,4294967296\n", "line 1: the second field" },
        { "x,,10.0.0.0/33\n", "line 1: the third field" },
        { "x,,::/0\n", "line 1: the third field" },
        { "x,1,,tpc\n", "line 1: the fourth field" },
        { "x,1,,,0\n", "line 1: the fifth field" },
        { "x,1,,,9-8\n", "line 1: the fifth field" },
        { "x,1,,,70000\n", "line 1: the fifth field" },
        { "x,1,,,,13\n", "line 1: the sixth field" },
        { "x,1,,,,256:1\n", "line 1: the sixth field" },
    };
    struct apps *a;
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char *exact = (char *)t_dup(bad[i].text, strlen(bad[i].text));
        assert_int_equal(apps_make(&a, "my.csv", exact, strlen(bad[i].text), &e), ERR_FORMAT);
        assert_null(a);
        if (strncmp(e.msg, "my.csv: ", 8) != 0 || strstr(e.msg, bad[i].why) == NULL)
            fail_msg("%s: %s", bad[i].text, e.msg);
        free(exact);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_rules),
        cmocka_unit_test(built_in),
        cmocka_unit_test(mistakes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
