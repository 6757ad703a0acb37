#include "unit.h"

#include "flow/addr.h"

static void text_round_trip(void **state)
{
    static const char *const texts[] = { "0.0.0.0", "192.0.2.1",   "255.255.255.255",
                                         "::",      "2001:db8::1", "fe80::1:0:0:1" };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct addr a;
        char out[ADDR_TEXT_MAX];
        assert_true(addr_parse(&a, texts[i], strlen(texts[i])));
        assert_int_equal(addr_format(&a, out), strlen(texts[i]));
        assert_string_equal(out, texts[i]);
    }
}

static void networks(void **state)
{
    struct net n;
    struct addr a;
    bool cut;

    (void)state;
    assert_true(net_parse(&n, "10.1/16", 7, &cut));
    assert_int_equal(n.len, 112);
    assert_false(cut);
    assert_true(addr_parse(&a, "10.1.255.255", 12));
    assert_true(net_has(&n, &a));
    assert_true(addr_parse(&a, "10.2.0.0", 8));
    assert_false(net_has(&n, &a));
    assert_true(net_parse(&n, "10.1.2.3/24", 11, &cut));
    assert_true(cut);
    assert_true(net_parse(&n, "2001:db8::/33", 13, &cut));
    assert_int_equal(n.len, 33);
    assert_false(net_parse(&n, "10.0.0.0/33", 11, NULL));
    assert_false(net_parse(&n, "10", 2, NULL));
    assert_false(net_parse(&n, "10.0.0.256", 10, NULL));
    assert_false(net_parse(&n, "/8", 2, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_round_trip),
        cmocka_unit_test(networks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
