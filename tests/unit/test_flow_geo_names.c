/* Names of one's own over those of the data, held against a list by number. */
#include "unit.h"

#include "fake_geo.h"

#define FEW 40u /* the data names odd numbers below */

static uint64_t seed = 88172645463325252u;

static unsigned dice(unsigned n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)(seed >> 33) % n;
}

static void same_name(const struct geo_name *got, uint32_t number, const char *text)
{
    assert_int_equal(got->number, number);
    assert_int_equal(got->len, strlen(text));
    assert_memory_equal(got->text, text, got->len);
}

static void as_a_list(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 500; round++) {
        struct fake_geo data;
        struct geo_name own[60], got;
        char text[60][16], want[60][32] = { "" };
        struct geo *g;
        bool base = dice(4) > 0;
        size_t n = 0, i = 0;
        fake_geo_init(&data, round, FEW);
        for (uint32_t as = 1; base && as <= FEW; as += 2)
            (void)snprintf(want[as], sizeof want[as], "net %u", as);
        for (uint32_t as = 1, rare = 1 + dice(20); as < 60; as++)
            if (dice(rare) == 0) {
                (void)snprintf(text[n], sizeof text[n], "own %u", as);
                memcpy(want[as], text[n], sizeof text[n]);
                own[n] = (struct geo_name){ as, text[n], strlen(text[n]) };
                n++;
            }
        assert_int_equal(geo_with_names(&g, base ? &data.geo : NULL, own, n), ERR_OK);
        memset(text, 'x', sizeof text); /* they were copied */
        assert_int_equal(geo_has(g, GEO_AS), base);
        for (uint32_t as = 0; as < 60; as++) {
            assert_int_equal(geo_name(g, as, &got), want[as][0] != '\0');
            if (want[as][0] == '\0')
                continue;
            same_name(&got, as, want[as]);
            assert_true(g->ops->name_at(g, i++, &got));
            same_name(&got, as, want[as]);
        }
        assert_false(g->ops->name_at(g, i, &got));
        assert_false(g->ops->name_at(g, i + 7, &got));
        geo_unref(g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(as_a_list) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
