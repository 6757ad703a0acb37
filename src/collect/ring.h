/* collect/ring.h - datagrams on their way from the receiving thread to the decoding one and to the
 * journal, without a lock.
 * Floor 4. Threads: one puts, one takes to decode, one copies to the journal; any may read the
 * counters. A full ring refuses (and counts) instead of waiting: the receiver never waits for
 * anybody. A journal that cannot keep up is passed over before the ring is full: see ring_pass().
 *
 * The memory is shared with child processes (os/share.h). A process that dies leaves everything in
 * it; its successor calls ring_take_over() before it starts its threads. */
#ifndef WEIR_COLLECT_RING_H
#define WEIR_COLLECT_RING_H

#include "collect/frame.h"

struct ring;

struct ring_counters {
    uint64_t put, put_octets;         /* datagrams taken in */
    uint64_t dropped, dropped_octets; /* refused because it was full */
    uint64_t octets, capacity;        /* used now, framing included; room in all */
    uint64_t passed;                  /* datagrams that the journal did not get: ring_pass() */
};

/* `octets` is rounded down to a power of two. NULL: out of memory. */
struct ring *ring_new(uint64_t octets);
void ring_free(struct ring *r); /* NULL is allowed */

/* Before any thread uses it: the number of the next datagram; whether a journal copies it; whether
 * the decoder waits until the journal is on disk (ring_durable()). */
void ring_begin(struct ring *r, uint64_t next_serial, bool journal, bool sync);
/* After the death of the process that used it: everything that the journal has not copied is there
 * to be taken again. Returns the number of the next datagram. */
uint64_t ring_take_over(struct ring *r);

/* Writer: copy one datagram in; of *f its time, sender, listener and len. False: no room, counted.
 */
bool ring_put(struct ring *r, const struct frame *f, const uint8_t *octets);
/* Writer: datagrams put and refused, ever; tells a successor how far a batch has come. */
uint64_t ring_seen(const struct ring *r);

/* Decoder: the oldest datagram (its octets follow the frame; borrowed until ring_done()), or NULL.
 */
const struct frame *ring_next(struct ring *r);
/* Decoder: up to n datagrams that ring_next() will show, the oldest first; returns how many. */
unsigned ring_look(const struct ring *r, const struct frame *out[], unsigned n);
/* Decoder: give back the room of what ring_next() showed. */
void ring_done(struct ring *r);
bool ring_empty(const struct ring *r); /* everything was decoded */
bool ring_idle(struct ring *r);        /* decoder: nothing may be decoded now */
/* Decoder: if the ring is three quarters full only because of the journal, let that go on from
 * where the decoder is. */
void ring_pass(struct ring *r);

/* Journal: copy whole frames to out[cap] (cap > FRAME_OCTETS_MAX + frame), sums filled in. They
 * stay in the ring until ring_copied(). */
struct ring_piece {
    size_t len;           /* octets copied; 0 = nothing there */
    uint64_t n;           /* frames */
    uint64_t first, last; /* serials */
    uint64_t end;         /* for ring_copied(), ring_durable() */
};
struct ring_piece ring_copy(struct ring *r, uint8_t *out, size_t cap);
void ring_copied(struct ring *r, const struct ring_piece *p);
/* Journal, sync: what stands before `end` may be decoded. */
void ring_durable(struct ring *r, uint64_t end);

void ring_count(const struct ring *r, struct ring_counters *out);

#endif
