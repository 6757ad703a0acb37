#include <pthread.h>
#include <sched.h>

#include "collect/ring.h"
#include "unit.h"

static struct frame item(uint32_t len)
{
    return (struct frame){ .len = len, .port = (uint16_t)len };
}

static struct ring *ring_of(uint64_t octets, bool journal, bool sync)
{
    struct ring *r = ring_new(octets);

    assert_non_null(r);
    ring_begin(r, 1, journal, sync);
    return r;
}

static void what_goes_in_comes_out_in_order_over_many_wraps(void **s)
{
    struct ring *r = ring_of(4096, false, false);
    uint8_t octets[1500];
    const struct frame *f;
    unsigned in = 0, out = 0;

    (void)s;
    while (out < 20000) {
        for (;;) {
            uint32_t len = in * 7 % 1400;
            struct frame x = item(len);
            memset(octets, (int)(in & 0xff), sizeof octets);
            if (!ring_put(r, &x, octets))
                break;
            in++;
        }
        assert_true(in > out);
        while ((f = ring_next(r)) != NULL) {
            const uint8_t *p = (const uint8_t *)(f + 1);
            const struct frame *l[3];
            unsigned ahead = ring_look(r, l, 3);
            assert_int_equal(ahead, MIN(3, in - out));
            assert_ptr_equal(l[0], f);
            for (unsigned i = 0; i < ahead; i++)
                assert_int_equal(l[i]->serial, out + 1 + i);
            assert_int_equal(f->len, out * 7 % 1400);
            assert_int_equal(f->serial, out + 1);
            for (uint32_t i = 0; i < f->len; i++)
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
    struct ring *r = ring_of(5000, false, false);
    struct ring_counters c;
    uint8_t octets[5000] = { 0 };
    struct frame x = item(960), huge = item(4900);

    (void)s;
    for (int i = 0; i < 4; i++)
        assert_true(ring_put(r, &x, octets)); /* 4 of 1008 octets with their frame */
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

struct both {
    struct ring *r;
    unsigned journaled;
    uint64_t last;
    bool wrong;
};

static void *writer(void *arg)
{
    struct both *b = arg;
    uint8_t octets[64];

    for (unsigned i = 0; i < MANY;) {
        struct frame x = item(i % 64);
        memset(octets, (int)(i & 0xff), sizeof octets);
        if (ring_put(b->r, &x, octets))
            i++;
        else
            (void)sched_yield(); /* the others may have to share this core */
    }
    return NULL;
}

static void *copier(void *arg)
{
    struct both *b = arg;
    static uint64_t out[(1 << 17) / 8];

    while (b->last < MANY) {
        struct ring_piece p = ring_copy(b->r, (uint8_t *)out, sizeof out);
        for (size_t at = 0; at < p.len;) {
            const struct frame *f = (const void *)((const uint8_t *)out + at);
            b->wrong |= f->serial <= b->last || f->len != (f->serial - 1) % 64;
            b->last = f->serial;
            b->journaled++;
            at += frame_room(f->len);
        }
        if (p.len == 0) {
            (void)sched_yield();
            continue;
        }
        ring_copied(b->r, &p);
        ring_durable(b->r, p.end);
    }
    return NULL;
}

/* One puts, one decodes, one copies; nothing is lost, mixed or seen twice. */
static void three_threads(bool journal, bool sync, bool pass)
{
    struct both b = { .r = ring_of(16384, journal, sync) };
    struct ring_counters c;
    pthread_t t, j;
    const struct frame *f;

    assert_int_equal(pthread_create(&t, NULL, writer, &b), 0);
    if (journal)
        assert_int_equal(pthread_create(&j, NULL, copier, &b), 0);
    for (unsigned i = 0; i < MANY;) {
        if (pass && i < MANY - 1000)
            ring_pass(b.r);
        if ((f = ring_next(b.r)) == NULL) {
            (void)sched_yield();
            continue;
        }
        assert_int_equal(f->len, i % 64);
        assert_int_equal(f->serial, i + 1);
        if (f->len > 0)
            assert_int_equal(((const uint8_t *)(f + 1))[f->len - 1], i & 0xff);
        ring_done(b.r);
        i++;
    }
    assert_int_equal(pthread_join(t, NULL), 0);
    if (journal) {
        assert_int_equal(pthread_join(j, NULL), 0);
        ring_count(b.r, &c);
        assert_false(b.wrong);
        assert_int_equal(b.journaled + c.passed, MANY);
        assert_true(pass || c.passed == 0);
    }
    ring_free(b.r);
}

static void threads_lose_and_mix_nothing(void **s)
{
    (void)s;
    three_threads(false, false, false);
    three_threads(true, false, false);
    three_threads(true, true, false);
    three_threads(true, false, true);
    three_threads(true, true, true);
}

static void a_journal_that_stands_still_is_passed_over(void **s)
{
    struct ring *r = ring_of(4096, true, false);
    uint64_t out[(1 << 17) / 8];
    struct ring_piece p;
    struct ring_counters c;
    uint8_t octets[100] = { 0 };
    struct frame x = item(100);
    unsigned put = 0;

    (void)s;
    for (unsigned i = 0; i < 1000; i++) {
        assert_true(ring_put(r, &x, octets));
        put++;
        assert_non_null(ring_next(r));
        ring_done(r);
        ring_pass(r);
    }
    p = ring_copy(r, (uint8_t *)out, sizeof out);
    ring_copied(r, &p);
    ring_count(r, &c);
    assert_int_equal(c.dropped, 0);
    assert_true(c.passed > 900 && p.n > 0);
    assert_int_equal(c.passed + p.n, put);
    assert_int_equal(p.last, put);
    ring_free(r);
}

static void a_successor_finds_what_was_not_journaled(void **s)
{
    struct ring *r = ring_of(65536, true, false);
    uint64_t out[(1 << 17) / 8];
    struct ring_piece p;
    const struct frame *f;
    uint8_t octets[100] = { 0 };
    struct frame x = item(100);

    (void)s;
    for (unsigned i = 0; i < 10; i++)
        assert_true(ring_put(r, &x, octets));
    p = ring_copy(r, (uint8_t *)out, sizeof out);
    assert_int_equal(p.n, 10);
    ring_copied(r, &p);
    for (unsigned i = 0; i < 20; i++)
        assert_true(ring_put(r, &x, octets));
    for (unsigned i = 0; i < 25; i++) { /* the decoder is further than the journal */
        assert_non_null(ring_next(r));
        ring_done(r);
    }
    assert_int_equal(ring_take_over(r), 31);
    for (unsigned i = 11; i <= 30; i++) {
        f = ring_next(r);
        assert_non_null(f);
        assert_int_equal(f->serial, i);
        ring_done(r);
    }
    assert_null(ring_next(r));
    p = ring_copy(r, (uint8_t *)out, sizeof out);
    assert_int_equal(p.first, 11);
    assert_int_equal(p.last, 30);
    ring_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_goes_in_comes_out_in_order_over_many_wraps),
        cmocka_unit_test(a_full_ring_refuses_and_counts),
        cmocka_unit_test(threads_lose_and_mix_nothing),
        cmocka_unit_test(a_journal_that_stands_still_is_passed_over),
        cmocka_unit_test(a_successor_finds_what_was_not_journaled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
