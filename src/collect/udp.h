/* collect/udp.h - UDP payloads out of captured packets.
 * Floor 4. No I/O, no clock: time is the packets' own.
 * Threads: one reader belongs to one thread.
 *
 * Links: Ethernet (VLAN stacks), Linux cooked (SLL, SLL2), raw IP, BSD loopback. IPv4 with options,
 * IPv6 with extension headers (RFC 8200 section 4), fragments of both put together (RFC 791, RFC
 * 8200 section 4.5). */
#ifndef WEIR_COLLECT_UDP_H
#define WEIR_COLLECT_UDP_H

#include "collect/capture.h"
#include "flow/addr.h"

struct udp_datagram {
    struct addr src, dst;
    uint16_t src_port, dst_port;
    const uint8_t *octets; /* valid until the next call */
    size_t len;
};

enum udp_result {
    UDP_OK,        /* *out is filled */
    UDP_OTHER,     /* not IP, or not UDP */
    UDP_LINK,      /* a link type that is not understood */
    UDP_CUT,       /* the capture kept only a part (snap length) */
    UDP_FRAGMENT,  /* a piece; held until the others come */
    UDP_MALFORMED, /* lengths that do not fit */
    UDP_RESULT_N
};

struct udp_reader;

struct udp_stats {
    uint64_t result[UDP_RESULT_N];
    uint64_t reassembled; /* datagrams put together from fragments */
    uint64_t expired;     /* datagrams given up: pieces missing after 60 s, or too many at once */
};

/* Memory is bounded: 64 datagrams under reassembly at a time, 64 KiB each. Errors: ERR_NOMEM. */
int udp_reader_new(struct udp_reader **out) WARN_UNUSED;
void udp_reader_free(struct udp_reader *u); /* NULL is allowed */

enum udp_result udp_extract(struct udp_reader *u, const struct capture_packet *c,
                            struct udp_datagram *out);

void udp_get_stats(const struct udp_reader *u, struct udp_stats *out);

#endif
