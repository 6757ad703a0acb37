/* Verdicts: each cause at its threshold and below it, what heals, what to type. The end to end test
 * provokes them; here is what takes minutes there. */
#include "unit.h"

#include <math.h>
#include <string.h>

#include "present/verdict.h"

static struct decode_exporter exporter(void)
{
    return (struct decode_exporter){ .key = { .domain = 7, .version = 9 },
                                     .trusted = true,
                                     .templates = 2,
                                     .c = { .flows = 100000 } };
}

static struct survey_exporter seen(void)
{
    return (struct survey_exporter){
        .rows = 100000, .rate = 100, .talks = 200, .talks_both = 200, .longest_ms = 60000
    };
}

/* Causes as bits; *level: of the whole. */
static unsigned judge(const struct verdict_input *in, unsigned *level)
{
    struct verdict v;
    unsigned bits = 0;

    verdict_make(&v, in);
    for (unsigned i = 0; i < v.n; i++) {
        assert_true(v.f[i].text[0] != '\0');
        assert_true(i == 0 || v.f[i].level <= v.f[i - 1].level);
        bits |= 1u << v.f[i].cause;
    }
    assert_true(v.n == 0 || v.level == v.f[0].level);
    assert_true(v.n > 0 || v.level == VERDICT_GREEN);
    *level = v.level;
    return bits;
}

static void expect(const struct verdict_input *in, unsigned cause, unsigned level)
{
    unsigned got, bits = judge(in, &got);

    assert_int_equal(bits, level == VERDICT_GREEN ? 0 : 1u << cause);
    assert_int_equal(got, level);
}

static void causes_at_their_thresholds(void **state)
{
    struct decode_exporter x = exporter();
    struct survey_exporter s = seen();
    struct verdict_input in = { .x = &x, .seen = &s, .received = 1e6, .now_ms = 1000000000 };

    (void)state;
    expect(&in, 0, VERDICT_GREEN);
    x.waiting_since_ms = in.now_ms - VERDICT_WAITING_MS;
    expect(&in, 0, VERDICT_GREEN);
    x.waiting_since_ms--;
    expect(&in, CAUSE_NO_TEMPLATE, VERDICT_RED);
    x = exporter();
    in.recent.undecoded = 3;
    expect(&in, CAUSE_UNDECODED, VERDICT_RED);
    x.c.sets_expired[DECODE_NO_TEMPLATE] = 3;
    expect(&in, CAUSE_NO_TEMPLATE, VERDICT_RED);
    x = exporter();
    in.recent = (struct recent){ .lost = 1, .units = 999 };
    expect(&in, 0, VERDICT_GREEN);
    in.recent.lost = 2;
    expect(&in, CAUSE_LOSS, VERDICT_AMBER);
    in.recent.lost = 11;
    expect(&in, CAUSE_LOSS, VERDICT_RED);
    in.recent.lost = 0;
    in.dropped = 900;
    expect(&in, CAUSE_DROPS, VERDICT_AMBER);
    in.dropped = 1100;
    expect(&in, CAUSE_DROPS, VERDICT_RED);
    in.dropped = 0;
    in.silent_since_ms = in.now_ms - 600000;
    expect(&in, CAUSE_SILENT, VERDICT_AMBER);
    in.silent_since_ms = 0;
    x.clock_offset_ms = -VERDICT_CLOCK_MS - 1;
    expect(&in, 0, VERDICT_GREEN);
    x.clock_known = true;
    expect(&in, CAUSE_CLOCK, VERDICT_AMBER);
    x.clock_offset_ms = VERDICT_CLOCK_MS;
    expect(&in, 0, VERDICT_GREEN);
    x.trusted = false;
    expect(&in, CAUSE_UNTRUSTED, VERDICT_AMBER);
}

static void what_records_show(void **state)
{
    struct decode_exporter x = exporter();
    struct survey_exporter s = seen();
    struct verdict_input in = { .x = &x, .seen = &s, .received = 1e6, .now_ms = 1000000000 };

    (void)state;
    s.rate_unknown = 1000;
    expect(&in, 0, VERDICT_GREEN);
    s.rate_unknown = 1001;
    expect(&in, CAUSE_RATE_UNKNOWN, VERDICT_AMBER);
    s = seen();
    s.rate_against = 1001;
    expect(&in, CAUSE_TWO_RATES, VERDICT_RED);
    s = seen();
    s.rate_turns = VERDICT_RATE_TURNS - 1;
    expect(&in, 0, VERDICT_GREEN);
    s.rate_turns++;
    expect(&in, CAUSE_TWO_RATES, VERDICT_RED);
    s = seen();
    s.lasting = 10;
    expect(&in, 0, VERDICT_GREEN);
    s.lasting = 11;
    expect(&in, CAUSE_TIMEOUT, VERDICT_AMBER);
    s = seen();
    s.talks_both = 20;
    expect(&in, 0, VERDICT_GREEN);
    s.talks_both = 19;
    expect(&in, CAUSE_ONE_DIRECTION, VERDICT_AMBER);
    s.talks = VERDICT_TALKS_LEAST - 1;
    s.talks_both = 0;
    expect(&in, 0, VERDICT_GREEN);
    s = seen();
    s.metered = 100;
    s.metered_both = 10;
    expect(&in, 0, VERDICT_GREEN);
    s.metered_both = 11;
    expect(&in, CAUSE_BOTH_METERED, VERDICT_AMBER);
    s = seen();
    s.counted_octets = 1000000;
    s.counted_flows = 670000;
    s.counted_samples = VERDICT_COUNTED_SAMPLES;
    expect(&in, 0, VERDICT_GREEN);
    s.counted_flows = 660000;
    expect(&in, CAUSE_COUNTERS, VERDICT_AMBER);
    s.counted_flows = 3100000;
    expect(&in, CAUSE_COUNTERS, VERDICT_RED);
    s.counted_samples--;
    expect(&in, 0, VERDICT_GREEN);
    in.seen = NULL;
    expect(&in, 0, VERDICT_GREEN);
}

static void makers_are_named_where_sure(void **state)
{
    struct decode_exporter x = exporter();
    struct survey_exporter s = seen();
    struct verdict_input in = { .x = &x, .seen = &s, .received = 1e6, .now_ms = 1000000000 };
    struct buf b = buf_init(1u << 16);
    struct verdict v;

    (void)state;
    s.lasting = 50000;
    for (uint32_t bit = 1; bit <= MAKER_PALOALTO; bit <<= 1) {
        s.makers = bit;
        verdict_make(&v, &in);
        assert_non_null(v.vendor);
        assert_int_equal(v.f[0].section, RECIPE_TIMEOUT);
        buf_clear(&b);
        verdict_fix(&b, &v, &v.f[0], &x.key);
        assert_non_null(v.vendor->section[RECIPE_TIMEOUT]);
        assert_true(b.len > 10);
    }
    s.makers = MAKER_CISCO | MAKER_JUNIPER;
    verdict_make(&v, &in);
    assert_null(v.vendor);
    buf_clear(&b);
    verdict_fix(&b, &v, &v.f[0], &x.key);
    assert_non_null(strstr(buf_cstr(&b), "weir exporters config"));
    buf_free(&b);
}

/* ------------------------------------------------------------------ what fades */

static void recent_counters_fade(void **state)
{
    struct decode_exporter x = exporter();
    struct collect_status s = { .exporter = &x, .n_exporters = 1, .now_ms = 1000000 };
    struct recent_list l = { 0 };
    struct recent r;

    (void)state;
    x.c.datagrams_accepted = 1000;
    x.lost = 500;
    r = recent_of(&l, &x); /* nothing was noted yet: all of it */
    assert_true(fabs(r.lost - (500)) < 1e-9);
    assert_int_equal(recent_note(&l, &s, true), ERR_OK);
    r = recent_of(&l, &x); /* what was before a start is not recent */
    assert_true(fabs(r.lost - (0)) < 1e-9);
    x.lost += 10;
    x.c.datagrams_accepted += 90;
    s.kernel_dropped = 7;
    r = recent_of(&l, &x);
    assert_true(fabs(r.lost - (10)) < 1e-9);
    assert_true(fabs(r.units - (90)) < 1e-9);
    assert_true(fabs(recent_dropped(&l, &s) - (7)) < 1e-9);
    for (int minute = 0; minute < 60; minute++) {
        s.now_ms += 60000;
        assert_int_equal(recent_note(&l, &s, false), ERR_OK);
    }
    r = recent_of(&l, &x);
    assert_true(fabs(r.lost - (10 / 2.718281828)) < 1e-3);
    assert_true(fabs(r.units - (90 / 2.718281828)) < 1e-2);
    assert_true(fabs(recent_dropped(&l, &s) - (7 / 2.718281828)) < 1e-3);
    x.lost -= 10; /* they came late */
    r = recent_of(&l, &x);
    assert_true(fabs(r.lost - (0)) < 1e-9);
    x.lost = 2; /* forgotten, and new again */
    x.c.datagrams_accepted = 5;
    r = recent_of(&l, &x);
    assert_true(fabs(r.lost - (2 + 10 / 2.718281828)) < 1e-3);
    recent_free(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(causes_at_their_thresholds),
        cmocka_unit_test(what_records_show),
        cmocka_unit_test(makers_are_named_where_sure),
        cmocka_unit_test(recent_counters_fade),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
