/* flow/addr.h - addresses: 128 bits, IPv4 as ::ffff:a.b.c.d. One code path for both families.
 * Floor 2. No I/O. */
#ifndef WEIR_FLOW_ADDR_H
#define WEIR_FLOW_ADDR_H

#include <string.h>

#include "base/be.h"
#include "base/defs.h"

#define ADDR_TEXT_MAX 46 /* longest text with terminator (RFC 5952 form) */

struct addr {
    uint8_t b[16]; /* network order; all zero = unspecified = absent */
};

static inline struct addr addr_from_v4(uint32_t host_order)
{
    struct addr a = { .b = { [10] = 0xff, [11] = 0xff } };

    be_put(a.b + 12, host_order, 4);
    return a;
}
static inline bool addr_is_v4(const struct addr *a)
{
    return be64(a->b) == 0 && be32(a->b + 8) == 0xffff;
}
static inline uint32_t addr_v4(const struct addr *a)
{
    return be32(a->b + 12);
}
static inline bool addr_is_zero(const struct addr *a)
{
    return (be64(a->b) | be64(a->b + 8)) == 0;
}
static inline int addr_cmp(const struct addr *a, const struct addr *b)
{
    return memcmp(a->b, b->b, sizeof a->b);
}
/* A well mixed hash. Both halves are folded first: v4-mapped addresses differ in 32 bits only. */
static inline uint64_t addr_hash(const struct addr *a)
{
    uint64_t lo, hi, h;

    memcpy(&hi, a->b, 8);
    memcpy(&lo, a->b + 8, 8);
    h = (lo ^ (hi * 0x9e3779b97f4a7c15u)) * 0xff51afd7ed558ccdu;
    h ^= h >> 32;
    h *= 0xc4ceb9fe1a85ec53u;
    return h ^ h >> 29;
}

/* A network: prefix length counts from bit 0 of the 128, so 10.0.0.0/8 has len 104. */
struct net {
    struct addr a; /* host bits zero */
    uint8_t len;
};

static inline bool net_has(const struct net *n, const struct addr *a)
{
    size_t whole = n->len / 8u;
    unsigned rest = n->len % 8u;

    if (memcmp(n->a.b, a->b, whole) != 0)
        return false;
    return rest == 0 || (n->a.b[whole] ^ a->b[whole]) >> (8 - rest) == 0;
}

/* Keep the first `len` (of 128) bits. */
struct addr addr_mask(const struct addr *a, unsigned len);

/* Text form (RFC 5952; IPv4 as dotted quad) into out[ADDR_TEXT_MAX]; returns its length. */
size_t addr_format(const struct addr *a, char *out);

/* "192.0.2.1" or "2001:db8::1"; nothing else (no port, no zone, no prefix). */
bool addr_parse(struct addr *out, const char *s, size_t len) WARN_UNUSED;

/* ADDRESS or ADDRESS/LEN. IPv4 may be short ("10/8", "10.1/16"). Host bits are cut and
 * *had_host_bits (may be NULL) set. */
bool net_parse(struct net *out, const char *s, size_t len, bool *had_host_bits) WARN_UNUSED;

#endif
