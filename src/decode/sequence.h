/* decode/sequence.h - what one stream of sequence numbers tells about lost datagrams.
 * Floor 3. Pure.
 *
 * Units are those of the export version: flow records (v5, v7; Cisco), datagrams (sFlow; v9, RFC
 * 3954 section 5.1), data records (IPFIX; RFC 7011 section 3.1). A gap is counted as lost when it
 * is seen and taken back when the missing numbers come late, within the reorder window. */
#ifndef WEIR_DECODE_SEQUENCE_H
#define WEIR_DECODE_SEQUENCE_H

#include "base/defs.h"

#define SEQUENCE_GAPS 32u

struct sequence {
    bool known, unsure; /* unsure: a set's records could not be counted, so the next is unknown */
    bool stray;         /* the last datagram was far off; next_stray would follow it */
    uint32_t next, base, next_stray;
    unsigned n_gaps;
    uint64_t lost, reordered, duplicated;
    struct {
        uint32_t from, n;
    } gap[SEQUENCE_GAPS]; /* oldest first; looked at only where something is missing */
};

/* A datagram with number `seq` that holds `units`; countable = false: it holds an unknown number
 * more. True when two datagrams in a row show that the numbers began anew below the window. */
bool sequence_see(struct sequence *s, uint32_t seq, uint32_t units, bool countable,
                  uint32_t window);

/* Begin anew at the next datagram; counts stay. */
void sequence_restart(struct sequence *s);

#endif
