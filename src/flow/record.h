/* flow/record.h - from columns and extras back to the octets of the record as sent (promise P1).
 * Floor 2. No I/O. */
#ifndef WEIR_FLOW_RECORD_H
#define WEIR_FLOW_RECORD_H

#include "flow/rowset.h"

/* One row, gathered: every column as 64 bits (address columns: codes), tables borrowed. */
struct record {
    uint64_t v[COL_N];
    const struct addr *addrs; /* table that address codes point into */
    const struct shape *shape;
    const struct exporter_key *exporter;
    const uint8_t *extra; /* octets of the extras, field order */
    uint32_t extra_len;
};

/* One field of a record, octets as sent. `p` points into the extras or into `scratch`. Variable
 * length fields: p/len are the value, without the length that stood before it; long_len says that
 * the three-octet form was used (RFC 7011 section 7). */
struct record_field {
    const struct shape_field *f;
    const uint8_t *p;
    uint32_t len;
    bool long_len;
    uint8_t scratch[16];
};

/* Walk the fields in the order they were sent. Start with *it = (struct record_iter){ 0 }.
 * Returns true and fills *out, or false at the end or when the extras are too short (then
 * it->bad is set). */
struct record_iter {
    uint32_t field, extra_at;
    bool bad;
};
bool record_next(const struct record *r, struct record_iter *it, struct record_field *out);

/* Append the record as it stood on the wire. Errors: ERR_CORRUPT (extras do not fit the shape),
 * ERR_NOMEM. */
int record_encode(const struct record *r, struct buf *out) WARN_UNUSED;

#endif
