/* base/be.h - integers out of and into octets, by shifts; no alignment is assumed.
 * Floor 0. be_ = network order (wire), le_ = little endian (our files). Callers check bounds. */
#ifndef WEIR_BASE_BE_H
#define WEIR_BASE_BE_H

#include <stddef.h>
#include <stdint.h>

static inline uint16_t be16(const uint8_t *p)
{
    return (uint16_t)((unsigned)p[0] << 8 | p[1]);
}
static inline uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}
static inline uint64_t be64(const uint8_t *p)
{
    return (uint64_t)be32(p) << 32 | be32(p + 4);
}
/* n octets, 1..8 */
static inline uint64_t be_uint(const uint8_t *p, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v = v << 8 | p[i];
    return v;
}
static inline void be_put(uint8_t *p, uint64_t v, size_t n)
{
    for (size_t i = n; i-- > 0; v >>= 8)
        p[i] = (uint8_t)v;
}
static inline uint16_t le16(const uint8_t *p)
{
    return (uint16_t)((unsigned)p[1] << 8 | p[0]);
}
static inline uint32_t le32(const uint8_t *p)
{
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}
static inline uint64_t le64(const uint8_t *p)
{
    return (uint64_t)le32(p + 4) << 32 | le32(p);
}
static inline void le_put(uint8_t *p, uint64_t v, size_t n)
{
    for (size_t i = 0; i < n; i++, v >>= 8)
        p[i] = (uint8_t)v;
}

/* Octets that will be read soon: on their way into the near cache. */
static inline void be_prefetch(const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i += 64)
        __builtin_prefetch(p + i);
}
/* The same for one that will be written; it may lie behind the end. */
static inline void be_prefetch_write(const void *p, size_t at)
{
    __builtin_prefetch((const void *)((uintptr_t)p + at), 1);
}

#endif
