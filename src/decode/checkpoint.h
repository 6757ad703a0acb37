/* decode/checkpoint.h - all state of a decoder as octets, and back.
 * Floor 3. Pure. Threads: the decoder's own.
 *
 * A decoder that was saved and loaded gives exactly the rows, marks and counters for the rest of
 * the stream that the saved one would have given. The octets are described in store/FORMAT.md
 * ("Checkpoint: the decoder's part"). */
#ifndef WEIR_DECODE_CHECKPOINT_H
#define WEIR_DECODE_CHECKPOINT_H

#include "decode/decode.h"

#define DECODER_MAGIC "WEIR-DEC"
#define DECODER_DRAFT 2u

/* Append the state to *out. Errors: ERR_NOMEM (out->max included); *out is then `bad`. */
int decoder_save(const struct decoder *d, struct buf *out) WARN_UNUSED;

/* A decoder of what decoder_save() wrote: exactly n octets. On failure *out is NULL.
 * What does not fit into lower limits is left out, the first of each kind staying, and counted in
 * decoder_left_out(); the ledgers still add up (sets that waited become expired, the counts of an
 * exporter go to the sums).
 * Errors: ERR_VERSION (another draft), ERR_CORRUPT, ERR_NOMEM. */
int decoder_load(struct decoder **out, const struct decoder_limits *lim, const uint8_t *p, size_t n,
                 struct err *e) WARN_UNUSED;

/* What decoder_load() could not keep. */
struct decoder_left_out {
    uint64_t exporters, templates, sets; /* sets: that waited for a template */
};
void decoder_left_out(const struct decoder *d, struct decoder_left_out *out);

#endif
