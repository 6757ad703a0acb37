/* Tests only: the export datagrams of a classic little-endian pcap (Ethernet or raw, IPv4/IPv6,
 * UDP). */
#ifndef WEIR_TESTS_CAPTURE_H
#define WEIR_TESTS_CAPTURE_H

#include <stdio.h>

#include "base/be.h"
#include "decode/decode.h"

typedef void capture_fn(void *ctx, const struct datagram *g);

static inline bool capture_udp(const uint8_t *p, size_t n, struct datagram *g)
{
    size_t at = 0, head;

    if (n >= 14 && (be16(p + 12) == 0x0800 || be16(p + 12) == 0x86dd))
        at = 14;
    if (n < at + 20)
        return false;
    if (p[at] >> 4 == 4) {
        head = (size_t)(p[at] & 15) * 4;
        if (p[at + 9] != 17)
            return false;
        g->peer = addr_from_v4(be32(p + at + 12));
    } else {
        head = 40;
        if (n < at + 48 || p[at + 6] != 17)
            return false;
        memcpy(g->peer.b, p + at + 8, 16);
    }
    at += head;
    if (n < at + 8)
        return false;
    g->peer_port = be16(p + at);
    g->octets = p + at + 8;
    g->len = be16(p + at + 4) >= 8 ? be16(p + at + 4) - 8u : 0;
    return g->len <= n - at - 8;
}

/* Calls fn for every UDP datagram; returns how many, or -1 if the file cannot be read. */
static inline long capture_each(const char *path, capture_fn *fn, void *ctx)
{
    FILE *f = fopen(path, "rb");
    uint8_t h[24], *p;
    long n = 0;

    if (f == NULL)
        return -1;
    p = malloc(1u << 18);
    if (p == NULL || fread(h, 1, 24, f) != 24 || le32(h) != 0xa1b2c3d4u) {
        (void)fclose(f);
        free(p);
        return -1;
    }
    while (fread(h, 1, 16, f) == 16) {
        struct datagram g = { .trusted = true };
        uint32_t len = le32(h + 8);
        if (len > 1u << 18 || fread(p, 1, len, f) != len)
            break;
        g.received_ms = (int64_t)le32(h) * 1000 + le32(h + 4) / 1000;
        if (!capture_udp(p, len, &g))
            continue;
        fn(ctx, &g);
        n++;
    }
    (void)fclose(f);
    free(p);
    return n;
}

#endif
