#include "base/crc.h"

#include <string.h>

/* The table of the reflected polynomial 0x82f63b78 for four bits at a time: small, and made by
 * nobody at run time. */
static const uint32_t nibble[16] = {
    0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
    0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
};

uint32_t crc32c_plain(uint32_t crc, const void *p, size_t n)
{
    const uint8_t *q = p;

    crc = ~crc;
    for (size_t i = 0; i < n; i++) {
        crc ^= q[i];
        crc = crc >> 4 ^ nibble[crc & 15];
        crc = crc >> 4 ^ nibble[crc & 15];
    }
    return ~crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc32c_sse(uint32_t crc, const uint8_t *q,
                                                             size_t n)
{
    uint64_t c = ~crc;

    for (; n >= 8; n -= 8, q += 8) {
        uint64_t w;
        memcpy(&w, q, 8);
        c = __builtin_ia32_crc32di(c, w);
    }
    for (; n > 0; n--, q++)
        c = __builtin_ia32_crc32qi((uint32_t)c, *q);
    return ~(uint32_t)c;
}

uint32_t crc32c(uint32_t crc, const void *p, size_t n)
{
    return __builtin_cpu_supports("sse4.2") ? crc32c_sse(crc, p, n) : crc32c_plain(crc, p, n);
}
#else
uint32_t crc32c(uint32_t crc, const void *p, size_t n)
{
    return crc32c_plain(crc, p, n);
}
#endif
