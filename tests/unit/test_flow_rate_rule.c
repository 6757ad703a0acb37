/* Rates that the operator declares: two tables joined, held against a plain list of both. */
#include "unit.h"

#include "flow/rate_rule.h"

static uint64_t seed = 88172645463325252u;

static unsigned dice(unsigned n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)(seed >> 33) % n;
}

static struct addr address(unsigned i)
{
    struct addr a = { { 0 } };

    a.b[15] = (uint8_t)i;
    return a;
}

static size_t fill(struct rate_rule *r)
{
    size_t n = dice(12);

    for (size_t i = 0; i < n; i++) {
        r[i] = (struct rate_rule){ .exporter = address(dice(4)),
                                   .of_if = dice(2) == 0,
                                   .force = dice(3) == 0,
                                   .rate = 1 + dice(1000) };
        r[i].in_if = r[i].of_if ? dice(3) : 0;
    }
    return n;
}

/* The last that is for this, of the first list, then of the second. */
static const struct rate_rule *in_lists(const struct rate_rule *a, size_t n_a,
                                        const struct rate_rule *b, size_t n_b, unsigned exporter,
                                        bool of_if, uint32_t in_if)
{
    const struct addr x = address(exporter);

    for (unsigned k = 0; k < 2; k++) {
        const struct rate_rule *r = k == 0 ? a : b;
        for (size_t i = k == 0 ? n_a : n_b; i-- > 0;)
            if (addr_cmp(&r[i].exporter, &x) == 0 && r[i].of_if == of_if && r[i].in_if == in_if)
                return &r[i];
    }
    return NULL;
}

static void joined_as_lists(void **state)
{
    unsigned found = 0, both = 0;

    (void)state;
    for (unsigned round = 0; round < 2000; round++) {
        struct rate_rule a[12], b[12];
        size_t n_a = fill(a), n_b = fill(b);
        struct rate_rules *rules, *below;
        assert_int_equal(rate_rules_new(&rules, a, n_a, NULL), ERR_OK);
        assert_int_equal(rate_rules_new(&below, b, n_b, NULL), ERR_OK);
        both += rules != NULL && below != NULL;
        assert_int_equal(rate_rules_join(&rules, below, NULL), ERR_OK);
        rate_rules_unref(below);
        for (unsigned x = 0; x < 5; x++) {
            struct addr who = address(x);
            bool any = false, forced = false, is_forced;
            for (uint32_t i = 0; i < 4; i++) {
                const struct rate_rule *got = rate_rule_find(rules, &who, i);
                const struct rate_rule *of_if = in_lists(a, n_a, b, n_b, x, true, i);
                const struct rate_rule *of_all = in_lists(a, n_a, b, n_b, x, false, 0);
                const struct rate_rule *want = of_if != NULL ? of_if : of_all;
                assert_true((got != NULL) == (want != NULL));
                any |= of_if != NULL || of_all != NULL;
                forced |= (of_if != NULL && of_if->force) || (of_all != NULL && of_all->force);
                if (got == NULL)
                    continue;
                assert_int_equal(got->rate, want->rate);
                assert_int_equal(got->force, want->force);
                found++;
            }
            assert_int_equal(rate_rules_any(rules, &who, &is_forced), any);
            assert_int_equal(is_forced, forced);
        }
        rate_rules_unref(rules);
    }
    assert_true(found > 10000 && both > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(joined_as_lists) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
