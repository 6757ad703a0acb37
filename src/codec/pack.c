#include "codec/pack.h"

#include <string.h>

#include "base/be.h"

#define LANES 8u

/* Eight little-endian words. On little-endian machines this is one copy. */
static inline void load_words(uint32_t *w, const uint8_t *p)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    memcpy(w, p, LANES * 4);
#else
    for (unsigned k = 0; k < LANES; k++)
        w[k] = le32(p + 4 * k);
#endif
}
static inline void store_words(uint8_t *p, const uint32_t *w)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    memcpy(p, w, LANES * 4);
#else
    for (unsigned k = 0; k < LANES; k++)
        le_put(p + 4 * k, w[k], 4);
#endif
}

SIMD_CLONES
void pack_bits(uint8_t *out, const uint32_t *v, uint32_t n, unsigned w)
{
    const uint32_t mask = w == 32 ? UINT32_MAX : (1u << w) - 1;

    if (w == 0)
        return;
    for (uint32_t at = 0; at < n; at += PACK_GROUP) {
        uint32_t acc[LANES] = { 0 };
        unsigned bit = 0;
        for (unsigned j = 0; j < 32; j++, v += LANES) {
            for (unsigned k = 0; k < LANES; k++)
                acc[k] |= (v[k] & mask) << bit;
            bit += w;
            if (bit < 32)
                continue;
            store_words(out, acc);
            out += LANES * 4;
            bit -= 32;
            /* what did not fit; a shift by 32 is undefined, so in two steps */
            for (unsigned k = 0; k < LANES; k++)
                acc[k] = (v[k] & mask) >> (w - bit - 1) >> 1;
        }
    }
}

SIMD_CLONES
void unpack_bits(uint32_t *v, const uint8_t *in, uint32_t n, unsigned w, uint32_t base)
{
    const uint32_t mask = w == 32 ? UINT32_MAX : (1u << (w & 31)) - 1;

    if (w == 0) {
        for (uint32_t i = 0; i < n; i++)
            v[i] = base;
        return;
    }
    for (uint32_t at = 0; at < n; at += PACK_GROUP) {
        const uint8_t *end = in + (size_t)32 * w;
        uint32_t a[LANES], b[LANES] = { 0 };
        unsigned bit = 0;
        load_words(a, in);
        in += LANES * 4;
        for (unsigned j = 0; j < 32; j++, v += LANES) {
            if (bit + w < 32) {
                for (unsigned k = 0; k < LANES; k++)
                    v[k] = (a[k] >> bit & mask) + base;
                bit += w;
                continue;
            }
            if (in < end)
                load_words(b, in);
            for (unsigned k = 0; k < LANES; k++)
                v[k] = ((a[k] >> bit | b[k] << 1 << (31 - bit)) & mask) + base;
            memcpy(a, b, sizeof a);
            in += LANES * 4;
            bit += w - 32;
        }
        in = end;
    }
}
