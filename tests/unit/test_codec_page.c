#include "unit.h"

#include "codec/pack.h"
#include "codec/vec.h"
#include "codec/zst.h"

static uint64_t seed = 1;

static uint64_t rnd(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* Values of one of many kinds that the codecs are made for, and some that no codec likes. */
static void make(uint64_t *v, uint32_t n, unsigned kind)
{
    uint64_t run = 1780000000000u;

    for (uint32_t i = 0; i < n; i++) {
        switch (kind % 14) {
        case 0:
            v[i] = 42;
            break;
        case 1:
            v[i] = rnd() % 1000;
            break;
        case 2:
            v[i] = rnd();
            break;
        case 3:
            v[i] = rnd() % 50 == 0 ? rnd() : rnd() % 64;
            break;
        case 4:
            v[i] = rnd() % 20 == 0 ? run += rnd() % 9 : run;
            break;
        case 5:
            v[i] = rnd() % 10 == 0 ? rnd() % 65536 : 443 + rnd() % 5 * 1000;
            break;
        case 6:
            v[i] = 0 - rnd() % 300;
            break;
        case 7:
            v[i] = i == n / 2 ? UINT64_MAX : 0;
            break;
        case 8:
            v[i] = (uint64_t)INT64_MIN + rnd() % 3;
            break;
        case 9:
            v[i] = i % 2 != 0 ? (uint64_t)INT64_MAX : (uint64_t)INT64_MIN;
            break;
        case 10:
            v[i] = rnd() & UINT32_MAX;
            break;
        case 11:
            v[i] = i > 0 && rnd() % 21 != 0 ? v[i - 1] : rnd() % 7 * 1000000;
            break;
        case 12:
            v[i] = i > 0 && rnd() % 30 != 0 ? v[i - 1] : rnd();
            break;
        default:
            v[i] = rnd() % 300 * 0x100000001u;
            break;
        }
    }
}

static void bits_round_trip(void **state)
{
    (void)state;
    for (unsigned w = 0; w <= 32; w++) {
        uint32_t n = 1 + (uint32_t)(rnd() % 1000), room = (n + 255) / 256 * 256;
        uint32_t *v = calloc(room, sizeof *v), *back = calloc(room, sizeof *v);
        uint8_t *p = malloc(pack_octets(n, w) + 1);
        assert_true(v != NULL && back != NULL && p != NULL);
        for (uint32_t i = 0; i < n; i++)
            v[i] = (uint32_t)(rnd() & ((1ull << w) - 1));
        pack_bits(p, v, n, w);
        p = realloc(p, pack_octets(n, w) > 0 ? pack_octets(n, w) : 1);
        unpack_bits(back, p, n, w, 7);
        for (uint32_t i = 0; i < n; i++)
            assert_int_equal(back[i], v[i] + 7);
        free(v);
        free(back);
        free(p);
    }
}

static void pages_round_trip(void **state)
{
    static uint64_t v[PAGE_VALUES], back[PAGE_VALUES];
    static uint32_t back32[PAGE_VALUES];

    (void)state;
    for (unsigned t = 0; t < 600; t++) {
        uint32_t n = t % 3 == 0 ? PAGE_VALUES : 1 + (uint32_t)(rnd() % PAGE_VALUES);
        struct buf b = buf_init(1 << 20), again = buf_init(1 << 20);
        /* a choice learned from other data must do too, only dearer */
        struct page_choice c = { .known = t % 2 != 0,
                                 .codec = (uint8_t)(PAGE_FOR + rnd() % 4),
                                 .octets = 1u << 20,
                                 .n = 1 };
        struct page_choice c2 = c;
        uint8_t *exact;
        struct rd r;
        make(v, n, t);
        page_encode(&b, v, n, &c);
        page_encode(&again, v, n, &c2);
        assert_true(buf_ok(&b) && b.len == again.len && memcmp(b.p, again.p, b.len) == 0);
        assert_in_range(b.len, 1, 65535);
        exact = t_dup(b.p, b.len);
        r = rd_init(exact, b.len);
        assert_int_equal(page_decode64(&r, back, n), ERR_OK);
        assert_memory_equal(v, back, n * sizeof *v);
        r = rd_init(exact, b.len);
        assert_int_equal(page_decode32(&r, back32, n), ERR_OK);
        for (uint32_t i = 0; i < n; i++)
            assert_int_equal(back32[i], (uint32_t)v[i]);
        free(exact);
        buf_free(&b);
        buf_free(&again);
    }
}

/* 32-bit input gives the octets that the same numbers give as 64-bit input, whatever was learned.
 */
static void narrow_input_writes_the_same(void **state)
{
    static uint64_t v[PAGE_VALUES];
    static uint32_t v32[PAGE_VALUES];

    (void)state;
    for (unsigned t = 0; t < 600; t++) {
        uint32_t n = t % 3 == 0 ? PAGE_VALUES : 1 + (uint32_t)(rnd() % PAGE_VALUES);
        struct buf a = buf_init(1 << 20), b = buf_init(1 << 20);
        struct page_choice c = { .known = t % 2 != 0,
                                 .codec = (uint8_t)(PAGE_FOR + rnd() % 4),
                                 .octets = 1u << 20,
                                 .n = 1 };
        struct page_choice c2 = c;
        make(v, n, t);
        for (uint32_t i = 0; i < n; i++)
            v[i] = v32[i] = (uint32_t)v[i];
        page_encode(&a, v, n, &c);
        page_encode32(&b, v32, n, &c2);
        assert_true(buf_ok(&a) && a.len == b.len && memcmp(a.p, b.p, a.len) == 0);
        assert_true(c.known == c2.known && c.codec == c2.codec && c.octets == c2.octets);
        buf_free(&a);
        buf_free(&b);
    }
}

/* One value nearly throughout costs its exceptions only, also where they lie on both sides of it,
 * and the page is read back the same. */
static void rare_values_cost_only_themselves(void **state)
{
    static uint64_t v[PAGE_VALUES], back[PAGE_VALUES];

    (void)state;
    for (unsigned t = 0; t < 40; t++) {
        struct page_choice c = { 0 };
        struct buf b = buf_init(1 << 20);
        uint64_t common = t % 2 != 0 ? 0 : 1 + rnd() % 100000;
        struct rd r;
        for (uint32_t i = 0; i < PAGE_VALUES; i++)
            v[i] = common;
        for (unsigned x = 0; x < 10; x++)
            v[rnd() % PAGE_VALUES] = common + (rnd() % 2 != 0 ? 1 + rnd() % 65000 : 0 - rnd() % 7);
        page_encode(&b, v, PAGE_VALUES, &c);
        assert_in_range(b.len, 1, 13 + 10 * 10);
        r = rd_init(b.p, b.len);
        assert_int_equal(page_decode64(&r, back, PAGE_VALUES), ERR_OK);
        assert_memory_equal(v, back, sizeof v);
        buf_free(&b);
    }
}

/* The same octets from every build and every processor: the scalar loops (as under a sanitizer) and
 * the vector ones are held to one sum. Change it together with the form of pages only. */
static void octets_do_not_depend_on_the_machine(void **state)
{
    static uint64_t v[PAGE_VALUES];
    uint64_t sum = 14695981039346656037u;

    (void)state;
    seed = 77;
    for (unsigned t = 0; t < 280; t++) {
        struct page_choice c = { 0 };
        struct buf b = buf_init(1 << 20);
        make(v, PAGE_VALUES - t % 5 * 300, t);
        page_encode(&b, v, PAGE_VALUES - t % 5 * 300, &c);
        for (size_t i = 0; i < b.len; i++)
            sum = (sum ^ b.p[i]) * 1099511628211u;
        buf_free(&b);
    }
    assert_true(sum == 0x76adc1e23eb38185u);
}

static void every_truncation_is_refused(void **state)
{
    static uint64_t v[700], back[768];

    (void)state;
    for (unsigned kind = 0; kind < 14; kind++) {
        for (unsigned codec = PAGE_FOR; codec < PAGE_CODEC_N; codec++) {
            struct buf b = buf_init(1 << 20);
            struct page_choice c = {
                .known = true, .codec = (uint8_t)codec, .octets = 1u << 20, .n = 1
            };
            make(v, 700, kind);
            page_encode(&b, v, 700, &c);
            for (size_t n = 0; n < b.len; n++) {
                uint8_t *exact = t_dup(b.p, n);
                struct rd r = rd_init(exact, n);
                assert_int_equal(page_decode64(&r, back, 700), ERR_FORMAT);
                free(exact);
            }
            buf_free(&b);
        }
    }
}

static void garbage_never_crashes(void **state)
{
    static uint64_t v[PAGE_VALUES], back[PAGE_VALUES];
    static uint32_t back32[PAGE_VALUES];
    unsigned taken = 0;

    (void)state;
    for (unsigned t = 0; t < 3000; t++) {
        uint32_t n = 1 + (uint32_t)(rnd() % PAGE_VALUES);
        struct buf b = buf_init(1 << 20);
        struct page_choice c = { 0 };
        uint8_t *exact;
        struct rd r;
        make(v, n, t);
        page_encode(&b, v, n, &c);
        exact = t_dup(b.p, b.len);
        for (unsigned k = 0; k < 3; k++)
            exact[rnd() % MIN(b.len, 24)] ^= (uint8_t)(1u << rnd() % 8);
        r = rd_init(exact, b.len);
        taken += page_decode64(&r, back, n) == ERR_OK;
        r = rd_init(exact, b.len);
        taken += page_decode32(&r, back32, n) == ERR_OK;
        free(exact);
        buf_free(&b);
    }
    assert_in_range(taken, 1, 5999);
}

static void vectors(void **state)
{
    static const uint32_t sizes[] = { 0, 1, 4095, 4096, 4097, 20000 };

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(sizes); i++) {
        uint32_t n = sizes[i], room = vec_pages(n) * PAGE_VALUES + 1;
        uint64_t *v = calloc(room, 8), *back = calloc(room, 8);
        struct buf b = buf_init(1 << 20);
        struct vec x;
        struct rd r;
        assert_true(v != NULL && back != NULL);
        make(v, n, 5);
        vec_encode(&b, v, n);
        buf_le(&b, 0xabcd, 2);
        r = rd_init(b.p, b.len);
        assert_int_equal(vec_open(&x, &r, n), ERR_OK);
        assert_int_equal(rd_le(&r, 2), 0xabcd);
        assert_int_equal(vec_decode64(&x, back), ERR_OK);
        assert_memory_equal(v, back, n * sizeof *v);
        if (n > PAGE_VALUES) {
            assert_int_equal(vec_page64(&x, 1, back), ERR_OK);
            assert_int_equal(back[0], v[PAGE_VALUES]);
        }
        r = rd_init(b.p, n > 0 ? b.len - 3 : 0);
        assert_int_equal(vec_open(&x, &r, n), n > 0 ? ERR_FORMAT : ERR_OK);
        buf_free(&b);
        free(v);
        free(back);
    }
}

static void compressed_pieces(void **state)
{
    struct buf b = buf_init(1 << 20), out = buf_init(1 << 20);
    uint8_t zeros[5000] = { 0 }, noise[300];
    struct rd r;

    (void)state;
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (uint8_t)rnd();
    zst_encode(&b, zeros, sizeof zeros);
    assert_in_range(b.len, 9, 100);
    zst_encode(&b, noise, sizeof noise);
    zst_encode(&b, NULL, 0);
    r = rd_init(b.p, b.len);
    assert_int_equal(zst_decode(&r, &out, 4999), ERR_FORMAT);
    r = rd_init(b.p, b.len);
    assert_int_equal(zst_decode(&r, &out, 5000), ERR_OK);
    assert_int_equal(zst_skip(&r), ERR_OK);
    assert_int_equal(zst_decode(&r, &out, 0), ERR_OK);
    assert_int_equal(r.left, 0);
    assert_int_equal(out.len, 5000);
    for (size_t n = 0; n < b.len; n++) {
        uint8_t *exact = t_dup(b.p, n);
        int rc = ERR_OK;
        r = rd_init(exact, n);
        buf_clear(&out);
        for (unsigned k = 0; rc == ERR_OK && k < 3; k++)
            rc = zst_decode(&r, &out, 10000);
        assert_int_equal(rc, ERR_FORMAT);
        free(exact);
    }
    buf_free(&b);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bits_round_trip),
        cmocka_unit_test(pages_round_trip),
        cmocka_unit_test(narrow_input_writes_the_same),
        cmocka_unit_test(rare_values_cost_only_themselves),
        cmocka_unit_test(octets_do_not_depend_on_the_machine),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(garbage_never_crashes),
        cmocka_unit_test(vectors),
        cmocka_unit_test(compressed_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
