/* base/rd.h - bounded reader for untrusted octets. No allocation, no logging, no globals.
 * Floor 0.
 *
 * The reader fails sticky: the first over-read sets `bad`, drops the rest, and every later read
 * returns 0. Parsers read a whole header and test rd_ok() once, before acting on what they read. */
#ifndef WEIR_BASE_RD_H
#define WEIR_BASE_RD_H

#include "base/be.h"
#include "base/defs.h"

struct rd {
    const uint8_t *p; /* next unread octet; borrowed, never freed here */
    size_t left;      /* octets still readable */
    bool bad;         /* set once by an over-read, never cleared */
};

/* `buf` must outlive the reader. `len` in octets; buf may be NULL only if len is 0. */
static inline struct rd rd_init(const void *buf, size_t len)
{
    static const uint8_t none[1] = { 0 };
    return (struct rd){ .p = len > 0 ? buf : none, .left = len, .bad = false };
}

static inline bool rd_ok(const struct rd *r)
{
    return !r->bad;
}

/* Borrow the next n octets, or NULL. The only function that moves the cursor. It compares lengths
 * and never forms a pointer past the end. */
static inline const uint8_t *rd_take(struct rd *r, size_t n)
{
    const uint8_t *q = r->p;

    if (r->bad || n > r->left) {
        r->bad = true;
        r->left = 0;
        return NULL;
    }
    r->p += n;
    r->left -= n;
    return q;
}

/* Big-endian unsigned of n octets, 1..8 (RFC 7011 section 6.2, reduced-size encoding). */
static inline uint64_t rd_uint(struct rd *r, size_t n)
{
    const uint8_t *q = n - 1 < 8 ? rd_take(r, n) : NULL;

    if (q == NULL) { /* short input, or a length outside 1..8 */
        r->bad = true;
        r->left = 0;
        return 0;
    }
    return be_uint(q, n);
}
static inline uint8_t rd_u8(struct rd *r)
{
    return (uint8_t)rd_uint(r, 1);
}
static inline uint16_t rd_u16(struct rd *r)
{
    return (uint16_t)rd_uint(r, 2);
}
static inline uint32_t rd_u32(struct rd *r)
{
    return (uint32_t)rd_uint(r, 4);
}
static inline uint64_t rd_u64(struct rd *r)
{
    return rd_uint(r, 8);
}

/* Little-endian unsigned of n octets, 1..8: our own files. */
static inline uint64_t rd_le(struct rd *r, size_t n)
{
    const uint8_t *q = n - 1 < 8 ? rd_take(r, n) : NULL;
    uint64_t v = 0;

    if (q == NULL) {
        r->bad = true;
        r->left = 0;
        return 0;
    }
    for (size_t i = n; i-- > 0;)
        v = v << 8 | q[i];
    return v;
}

/* Carve n octets into a child; the child cannot see its siblings (set > record > field). If n does
 * not fit, both parent and child come back bad. */
static inline struct rd rd_sub(struct rd *r, size_t n)
{
    const uint8_t *q = rd_take(r, n);
    struct rd c = rd_init(q, q != NULL ? n : 0);

    c.bad = q == NULL;
    return c;
}

#endif
