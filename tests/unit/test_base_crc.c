#include "base/crc.h"
#include "unit.h"

/* RFC 3720 appendix B.4. */
static void known_sums(void **s)
{
    uint8_t b[32];

    (void)s;
    memset(b, 0, 32);
    assert_int_equal(crc32c(0, b, 32), 0x8a9136aa);
    memset(b, 0xff, 32);
    assert_int_equal(crc32c(0, b, 32), 0x62a8ab43);
    for (uint8_t i = 0; i < 32; i++)
        b[i] = i;
    assert_int_equal(crc32c(0, b, 32), 0x46dd794e);
    assert_int_equal(crc32c_plain(0, b, 32), 0x46dd794e);
}

static void twins_agree_in_pieces(void **s)
{
    uint8_t b[300];
    uint32_t x = 1;

    (void)s;
    for (size_t i = 0; i < sizeof b; i++)
        b[i] = (uint8_t)((x = x * 1664525 + 1013904223) >> 24);
    for (size_t n = 0; n <= sizeof b; n++) {
        uint8_t *p = t_dup(b, n);
        uint32_t whole = crc32c(0, p, n);
        assert_int_equal(whole, crc32c_plain(0, p, n));
        assert_int_equal(whole, crc32c(crc32c(0, p, n / 3), p + n / 3, n - n / 3));
        free(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_sums),
        cmocka_unit_test(twins_agree_in_pieces),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
