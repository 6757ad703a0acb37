/* decode/packet.h - the headers at the beginning of a sampled packet.
 * Floor 3. Pure. Nothing is copied: pointers go into the octets given.
 *
 * Follows IEEE 802.3 and 802.1Q, RFC 3032 (MPLS), RFC 2516 (PPPoE), RFC 791, RFC 8200 (IPv6 and its
 * extension headers), RFC 2784 and 2890 (GRE), RFC 2637 (PPTP's GRE), RFC 7348 (VXLAN), RFC 8926
 * (Geneve), 3GPP TS 29.281 (GTP-U). A packet that is cut short gives what was there. */
#ifndef WEIR_DECODE_PACKET_H
#define WEIR_DECODE_PACKET_H

#include "base/rd.h"

#define PACKET_LAYERS 3u  /* IP in IP in IP; deeper ones are not looked at */
#define PACKET_TAGS   3u  /* VLAN tags, outermost first */
#define PACKET_LABELS 10u /* MPLS; as many as there are elements for (70 to 79) */

/* How the packet begins: header_protocol of sFlow version 5. */
enum packet_link {
    PACKET_ETHERNET = 1,
    PACKET_PPP = 7,
    PACKET_IPV4 = 11,
    PACKET_IPV6 = 12,
    PACKET_MPLS = 13,
};

enum packet_tunnel {
    TUNNEL_NONE,
    TUNNEL_IP, /* IPv4 or IPv6 in IPv4 or IPv6 */
    TUNNEL_GRE,
    TUNNEL_VXLAN,
    TUNNEL_GENEVE,
    TUNNEL_GTP_U,
};

struct packet_layer {
    const uint8_t *src, *dst; /* 4 or 16 octets */
    uint32_t octets;          /* IP header and payload, as the header says */
    uint32_t flow_label;      /* IPv6 */
    uint32_t fragment_id;
    uint16_t fragment_offset; /* octets */
    uint16_t src_port, dst_port;
    uint16_t tcp_flags;
    uint8_t proto, tos, ttl;
    uint8_t icmp_type, icmp_code;
    bool v6, has_fragment, has_ports, has_tcp, has_icmp;
};

struct packet {
    const uint8_t *dst_mac, *src_mac;    /* NULL: no Ethernet header */
    const uint8_t *label[PACKET_LABELS]; /* 3 octets each: label, class, bottom of stack */
    uint16_t ether_type;                 /* of the payload, behind tags */
    uint16_t tag[PACKET_TAGS];           /* priority, DEI and VLAN id */
    unsigned n_labels, n_tags, n_layers;
    uint32_t tunnel_id; /* key, VNI or TEID */
    uint8_t tunnel;     /* enum packet_tunnel: what the second layer lies in */
    bool has_tunnel_id;
    struct packet_layer layer[PACKET_LAYERS];
};

/* False where nothing of it is understood. */
bool packet_parse(struct packet *out, unsigned link, const uint8_t *p, size_t len);

#endif
