#include "base/udp_packet.h"

#include <string.h>

#include "base/be.h"

#define PROTO_UDP 17u
#define HOPS      64u

static bool is_v4(const uint8_t *ip)
{
    return be64(ip) == 0 && be32(ip + 8) == 0xffff;
}

bool udp_packet_possible(const struct udp_ends *x)
{
    return is_v4(x->src) == is_v4(x->dst);
}

/* RFC 1071 */
static uint32_t add(uint32_t sum, const uint8_t *p, size_t len)
{
    for (; len > 1; p += 2, len -= 2)
        sum += be16(p);
    if (len == 1)
        sum += (uint32_t)p[0] << 8;
    return (sum & 0xffff) + (sum >> 16);
}

static uint16_t folded(uint32_t sum)
{
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

/* The sum may not stand as 0, which says that there is none. */
static uint16_t udp_sum(const uint8_t *src, const uint8_t *dst, size_t ip_len, const uint8_t *udp,
                        const uint8_t *payload, size_t len)
{
    uint32_t sum = PROTO_UDP + 8 + (uint32_t)len;
    uint16_t v;

    sum = add(sum, src, ip_len);
    sum = add(sum, dst, ip_len);
    sum = add(sum, udp, 8);
    for (size_t at = 0; at < len; at += 32768) /* the sum of so many words fits 32 bits */
        sum = add(sum, payload + at, MIN(len - at, (size_t)32768));
    v = folded(sum);
    return v != 0 ? v : 0xffff;
}

size_t udp_packet_head(const struct udp_ends *x, const uint8_t *payload, size_t len, uint8_t *out)
{
    bool v4 = is_v4(x->src);
    size_t ip = v4 ? 20 : 40, skip = v4 ? 12 : 0, octets = 16 - skip;
    uint8_t *udp = out + ip;

    if (!udp_packet_possible(x) || len > UDP_PACKET_MAX)
        return 0;
    memset(out, 0, ip + 8);
    if (v4) {
        out[0] = 0x45;
        be_put(out + 2, ip + 8 + len, 2);
        out[8] = HOPS;
        out[9] = PROTO_UDP;
        memcpy(out + 12, x->src + 12, 4);
        memcpy(out + 16, x->dst + 12, 4);
        be_put(out + 10, folded(add(0, out, 20)), 2);
    } else {
        out[0] = 0x60;
        be_put(out + 4, 8 + len, 2);
        out[6] = PROTO_UDP;
        out[7] = HOPS;
        memcpy(out + 8, x->src, 16);
        memcpy(out + 24, x->dst, 16);
    }
    be_put(udp, x->src_port, 2);
    be_put(udp + 2, x->dst_port, 2);
    be_put(udp + 4, 8 + len, 2);
    be_put(udp + 6, udp_sum(x->src + skip, x->dst + skip, octets, udp, payload, len), 2);
    return ip + 8;
}
