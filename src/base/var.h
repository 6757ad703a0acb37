/* base/var.h - numbers of variable length in our files: 7 bits an octet, lowest first, the top bit
 * says that more follow. Signed ones are folded first (0, -1, 1, -2, ...), so that small ones are
 * short.
 * Floor 0. */
#ifndef WEIR_BASE_VAR_H
#define WEIR_BASE_VAR_H

#include "base/buf.h"
#include "base/rd.h"

#define VAR_MAX_OCTETS 10u

static inline void buf_var(struct buf *b, uint64_t v)
{
    uint8_t o[VAR_MAX_OCTETS];
    size_t n = 0;

    while (v >= 0x80) {
        o[n++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    o[n++] = (uint8_t)v;
    buf_put(b, o, n);
}

static inline void buf_svar(struct buf *b, int64_t v)
{
    buf_var(b, v < 0 ? ~((uint64_t)v << 1) : (uint64_t)v << 1);
}

/* A number of at most `max`; anything else makes the reader bad and gives 0. */
static inline uint64_t rd_var(struct rd *r, uint64_t max)
{
    uint64_t v = 0;

    for (unsigned shift = 0; shift < 7 * VAR_MAX_OCTETS; shift += 7) {
        const uint8_t *p = rd_take(r, 1);
        if (p == NULL)
            return 0;
        if (shift == 63 && *p > 1) /* beyond 64 bits */
            break;
        v |= (uint64_t)(*p & 0x7f) << shift;
        if ((*p & 0x80) != 0)
            continue;
        if (v <= max)
            return v;
        break;
    }
    r->bad = true;
    r->left = 0;
    return 0;
}

static inline int64_t rd_svar(struct rd *r)
{
    uint64_t v = rd_var(r, UINT64_MAX);

    return (int64_t)(v >> 1 ^ (0 - (v & 1)));
}

#endif
