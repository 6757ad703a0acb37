/* collect/frame.h - how a datagram stands in the ring and in the journal: a frame, then its octets,
 * filled up to a multiple of 8. Both use the same form, so that a piece of the ring is written to
 * the journal as it is; the journal belongs to one machine (octet order of its processor).
 * Floor 4. */
#ifndef WEIR_COLLECT_FRAME_H
#define WEIR_COLLECT_FRAME_H

#include "base/crc.h"

#define FRAME_ALIGN      8u
#define FRAME_OCTETS_MAX 65535u     /* of a datagram */
#define FRAME_DROPS      UINT16_MAX /* listener of a frame that holds struct frame_drops */
#define FRAME_SKIP       UINT32_MAX /* len, in the ring only: go on at the start of the memory */

struct frame {
    uint32_t sum;    /* CRC32C of what follows; in the journal only, like `key` */
    uint32_t len;    /* octets of the datagram */
    uint64_t serial; /* of the datagram in its shard: from 1, one more each, over restarts too */
    int64_t received_ms; /* Unix ms */
    uint8_t ip[16];      /* of the sender, network order */
    uint16_t port, listener;
    uint32_t key; /* of the journal: a sender cannot put a frame into its datagrams */
};
_Static_assert(sizeof(struct frame) == 48, "a file format");

/* What was lost before the journal, since the shard's first start; written when it changes. */
struct frame_drops {
    uint64_t kernel, ring, ring_octets, not_journaled;
};

static inline uint64_t frame_room(uint32_t len)
{
    return (sizeof(struct frame) + len + FRAME_ALIGN - 1) / FRAME_ALIGN * FRAME_ALIGN;
}

/* f stands before its octets. */
static inline uint32_t frame_sum(const struct frame *f)
{
    return crc32c(0, &f->len, sizeof *f - sizeof f->sum + f->len);
}

#endif
