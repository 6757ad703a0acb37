/* encode/encode.h - stored records to datagrams of NetFlow v5, v9 or IPFIX again.
 * Floor 3. Pure: no socket, clock, log or global.
 * Threads: one encoder belongs to one thread.
 *
 * IPFIX and v9 carry the record's own list of elements with the octets as they were sent, but for
 * what the other protocol cannot say: in IPFIX, times that count from the boot of a NetFlow device
 * become flowStartMilliseconds and flowEndMilliseconds, and vendors' numbers of v9 their enterprise
 * elements; in v9, enterprise elements and those of variable length are left out. v5 carries the
 * columns that it has room for; the answer direction of a biflow becomes a record of its own. */
#ifndef WEIR_ENCODE_ENCODE_H
#define WEIR_ENCODE_ENCODE_H

#include "encode/messages.h"
#include "flow/record.h"

enum encode_as { ENCODE_V5, ENCODE_V9, ENCODE_IPFIX };

/* Why a record was not sent. */
enum encode_reason {
    ENCODE_NOT_IPV4, /* v5 */
    ENCODE_COUNTER,  /* v5: bytes or packets above 4294967295 */
    ENCODE_OPTION,   /* v5 has no option records */
    ENCODE_EMPTY,    /* v9: nothing of it is left */
    ENCODE_TOO_LONG, /* for one message */
    ENCODE_REASON_N
};
const char *encode_reason_name(enum encode_reason r);

struct encode_stats {
    uint64_t messages, records; /* sent; v5: the answer of a biflow counts */
    uint64_t answers;           /* v5: of those */
    uint64_t not_sent[ENCODE_REASON_N];
    uint64_t fields_left_out; /* v9 */
    uint64_t changed;         /* v5: records with an AS, interface, flag or mask that is cut */
};

struct encode_options {
    enum encode_as as;
    uint32_t max_octets; /* of a message; 0 = 1400 */
    uint32_t refresh;    /* templates again after so many messages; 0 = never */
    bool per_exporter;   /* see messages.h */
    int (*send)(void *ctx, const struct message *m);
    void *ctx;
};

struct encoder;

/* Errors: ERR_NOMEM. */
int encoder_new(struct encoder **out, const struct encode_options *opt) WARN_UNUSED;
void encoder_free(struct encoder *e); /* NULL is allowed */
/* Errors: ERR_CORRUPT (its octets do not fit its elements), ERR_NOMEM, what send() returned. */
int encoder_record(struct encoder *e, const struct record *r) WARN_UNUSED;
int encoder_flush(struct encoder *e) WARN_UNUSED;
void encoder_stats(const struct encoder *e, struct encode_stats *out);

#endif
