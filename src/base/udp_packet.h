/* base/udp_packet.h - a datagram as an IP packet: headers of IPv4 (RFC 791) or IPv6 (RFC 8200) and
 * UDP (RFC 768), with checksums.
 * Floor 0. Pure. */
#ifndef WEIR_BASE_UDP_PACKET_H
#define WEIR_BASE_UDP_PACKET_H

#include "base/defs.h"

#define UDP_PACKET_V4  28u /* octets of both headers */
#define UDP_PACKET_V6  48u
#define UDP_PACKET_MAX 65487u /* payload that fits both families */

/* Addresses are 16 octets, IPv4 as ::ffff:a.b.c.d. */
struct udp_ends {
    uint8_t src[16], dst[16];
    uint16_t src_port, dst_port;
};

/* Both ends of one family? Else there is no packet. */
bool udp_packet_possible(const struct udp_ends *x);
/* The headers before a payload into out[UDP_PACKET_V6]; returns their octets, 0 if not possible. */
size_t udp_packet_head(const struct udp_ends *x, const uint8_t *payload, size_t len, uint8_t *out);

#endif
