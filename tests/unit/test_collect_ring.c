#include <pthread.h>

#include "collect/ring.h"
#include "unit.h"

static struct ring_item item(uint32_t len)
{
    return (struct ring_item){ .len = len, .port = (uint16_t)len };
}

static void what_goes_in_comes_out_in_order_over_many_wraps(void **s)
{
    struct ring *r = ring_new(4096);
    uint8_t octets[1500];
    const uint8_t *p;
    struct ring_item it;
    unsigned in = 0, out = 0;

    (void)s;
    while (out < 20000) {
        for (;;) {
            uint32_t len = in * 7 % 1400;
            struct ring_item x = item(len);
            memset(octets, (int)(in & 0xff), sizeof octets);
            if (!ring_put(r, &x, octets))
                break;
            in++;
        }
        assert_true(in > out);
        while (ring_next(r, &it, &p)) {
            assert_int_equal(it.len, out * 7 % 1400);
            for (uint32_t i = 0; i < it.len; i++)
                assert_int_equal(p[i], out & 0xff);
            ring_done(r);
            out++;
        }
        assert_int_equal(in, out);
        assert_true(ring_empty(r));
    }
    ring_free(r);
}

static void a_full_ring_refuses_and_counts(void **s)
{
    struct ring *r = ring_new(5000);
    struct ring_counters c;
    uint8_t octets[5000] = { 0 };
    struct ring_item x = item(960), huge = item(4900);

    (void)s;
    for (int i = 0; i < 4; i++)
        assert_true(ring_put(r, &x, octets)); /* 4 of 1000 octets with their frame */
    assert_false(ring_put(r, &x, octets));
    assert_false(ring_put(r, &huge, octets));
    ring_count(r, &c);
    assert_int_equal(c.put, 4);
    assert_int_equal(c.dropped, 2);
    assert_int_equal(c.dropped_octets, 960 + 4900);
    assert_int_equal(c.capacity, 4096);
    ring_free(r);
}

#define MANY 200000u

static void *writer(void *arg)
{
    struct ring *r = arg;
    uint8_t octets[64];

    for (unsigned i = 0; i < MANY;) {
        struct ring_item x = item(i % 64);
        memset(octets, (int)(i & 0xff), sizeof octets);
        i += ring_put(r, &x, octets);
    }
    return NULL;
}

static void two_threads_lose_and_mix_nothing(void **s)
{
    struct ring *r = ring_new(8192);
    pthread_t t;
    struct ring_item it;
    const uint8_t *p;

    (void)s;
    assert_int_equal(pthread_create(&t, NULL, writer, r), 0);
    for (unsigned i = 0; i < MANY;) {
        if (!ring_next(r, &it, &p))
            continue;
        assert_int_equal(it.len, i % 64);
        if (it.len > 0)
            assert_int_equal(p[it.len - 1], i & 0xff);
        ring_done(r);
        i++;
    }
    assert_int_equal(pthread_join(t, NULL), 0);
    ring_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_goes_in_comes_out_in_order_over_many_wraps),
        cmocka_unit_test(a_full_ring_refuses_and_counts),
        cmocka_unit_test(two_threads_lose_and_mix_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
