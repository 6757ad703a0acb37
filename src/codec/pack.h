/* codec/pack.h - bit packing of unsigned numbers, 256 at a time.
 * Floor 1. Pure.
 *
 * A group holds 256 values of w bits in 32*w octets: value i belongs to lane i % 8, each lane is a
 * stream of 32 values, and the lanes' 32-bit little-endian words are interleaved. So that one loop
 * over eight lanes is one vector instruction, without a line of assembler. */
#ifndef WEIR_CODEC_PACK_H
#define WEIR_CODEC_PACK_H

#include "base/defs.h"

#define PACK_GROUP 256u

/* Octets of n values of w bits (whole groups). */
static inline size_t pack_octets(uint32_t n, unsigned w)
{
    return (size_t)((n + PACK_GROUP - 1) / PACK_GROUP) * 32u * w;
}

/* Pack the low w (0..32) bits of n values; `v` has room for whole groups and is zero behind n.
 * `out` has pack_octets(n, w) octets. */
void pack_bits(uint8_t *out, const uint32_t *v, uint32_t n, unsigned w);

/* The reverse, adding `base` modulo 2^32. `in` has pack_octets(n, w) octets; `v` has room for whole
 * groups. */
void unpack_bits(uint32_t *v, const uint8_t *in, uint32_t n, unsigned w, uint32_t base);

#endif
