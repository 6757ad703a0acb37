/* collect/capture.h - packets out of capture files: pcap and pcapng.
 * Floor 4. Works on octets in memory; no I/O, no clock.
 * Threads: one capture belongs to one thread.
 *
 * pcap: all four magic numbers (micro- and nanoseconds, either octet order). pcapng: section,
 * interface, enhanced, simple and obsolete packet blocks; several sections and interfaces,
 * if_tsresol and if_tsoffset. Everything else in a pcapng file is stepped over by its length. */
#ifndef WEIR_COLLECT_CAPTURE_H
#define WEIR_COLLECT_CAPTURE_H

#include "base/err.h"

/* Link types that udp.h understands (tcpdump.org/linktypes). */
enum capture_link {
    LINK_NULL = 0,
    LINK_ETHERNET = 1,
    LINK_RAW_BSD = 12,
    LINK_RAW_OPENBSD = 14,
    LINK_RAW = 101,
    LINK_LOOP = 108,
    LINK_SLL = 113,
    LINK_IPV4 = 228,
    LINK_IPV6 = 229,
    LINK_SLL2 = 276,
    LINK_UNKNOWN = 65535, /* a packet of an interface that the file does not describe */
};

struct capture_packet {
    const uint8_t *octets; /* borrowed from the file */
    uint32_t len;          /* octets kept */
    uint32_t wire_len;     /* octets on the wire; more than len when the capture cut it */
    uint16_t link;         /* a link type number */
    int64_t time_ms;       /* Unix ms; the last known time where a packet has none (0 at first) */
};

struct capture;

/* Look at the head of a file. mem must outlive the capture. The message says what the file is
 * instead, where that can be seen. Errors: ERR_FORMAT, ERR_NOMEM. */
int capture_open(struct capture **out, const uint8_t *mem, size_t len, struct err *e) WARN_UNUSED;
void capture_close(struct capture *c); /* NULL is allowed */

/* The next packet. ERR_NOTFOUND at the regular end; ERR_FORMAT where the file is cut off or damaged
 * (the message says which, and at what octet): what came before is good. Errors: those, ERR_NOMEM.
 */
int capture_next(struct capture *c, struct capture_packet *p, struct err *e) WARN_UNUSED;

/* Octets read so far, for progress. */
size_t capture_at(const struct capture *c);

#endif
