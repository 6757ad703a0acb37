/* collect/framing.h - where a message ends in a stream of octets.
 * Floor 4. Pure: no state, no I/O.
 *
 * IPFIX says its length (RFC 7011 section 10.4.2). NetFlow v5 has a count of records of fixed
 * length. NetFlow v9 has no length: its sets are walked by theirs until another message begins,
 * which cannot be taken for a set (set numbers 2 to 255 are reserved, RFC 3954 section 5.2). */
#ifndef WEIR_COLLECT_FRAMING_H
#define WEIR_COLLECT_FRAMING_H

#include "base/defs.h"

#define FRAMING_MAX 65535u /* octets of a message */

enum framing {
    FRAMING_MESSAGE, /* *len octets at p are one */
    FRAMING_MORE,    /* not all of it is there */
    FRAMING_VERSION, /* no message begins here */
    FRAMING_LENGTH,  /* its length, or that of one of its sets, cannot be */
};

/* `quiet`: nothing more has come for a while: a v9 message whose last set is whole has ended. */
enum framing framing_next(const uint8_t *p, size_t n, bool quiet, size_t *len);

#endif
