/* collect/ring.h - datagrams between one receiving and one decoding thread, without a lock.
 * Floor 4. One thread puts, one thread takes; any thread may read the counters. A full ring refuses
 * (and counts) instead of waiting: the receiver never waits for anybody. */
#ifndef WEIR_COLLECT_RING_H
#define WEIR_COLLECT_RING_H

#include "base/defs.h"

struct ring;

struct ring_item {
    int64_t received_ms; /* Unix ms */
    uint8_t ip[16];      /* of the sender, network order */
    uint16_t port;
    uint16_t listener;
    uint32_t len; /* octets of the datagram */
};

struct ring_counters {
    uint64_t put, put_octets;         /* datagrams taken in */
    uint64_t dropped, dropped_octets; /* refused because it was full */
    uint64_t octets, capacity;        /* used now, framing included; room in all */
};

/* `octets` is rounded down to a power of two. NULL: out of memory. */
struct ring *ring_new(uint64_t octets);
void ring_free(struct ring *r); /* NULL is allowed */

/* Writer: copy one datagram in. False: no room, counted. */
bool ring_put(struct ring *r, const struct ring_item *item, const uint8_t *octets);
/* Reader: the oldest datagram, or false when empty. *octets is borrowed until ring_done(). */
bool ring_next(struct ring *r, struct ring_item *item, const uint8_t **octets);
/* Reader: give back the room of what ring_next() showed. */
void ring_done(struct ring *r);
bool ring_empty(const struct ring *r);

void ring_count(const struct ring *r, struct ring_counters *out);

#endif
