/* collect/past.h - the octets that a cut keeps of the collector: sums and decoders of all shards
 * (the content of a checkpoint file). Does no I/O.
 * Floor 4; private to collect/, fuzzed by tests/fuzz/fuzz_past.c. */
#ifndef WEIR_COLLECT_PAST_H
#define WEIR_COLLECT_PAST_H

#include "collect/collect.h"
#include "decode/decode.h"

#define CUT_DRAFT 1u

/* A shard at a cut: between two datagrams. */
struct shard_cut {
    uint64_t serial; /* of the last datagram decoded */
    uint64_t records, missing, quarantined;
    uint64_t kernel_drops, ring_drops, ring_drop_octets, not_journaled;
    struct buf decoder; /* its whole state */
};

/* The parts in their order: the head, then every shard. */
void past_put_head(struct buf *out, uint32_t shards, uint64_t sealed, uint64_t refused);
void past_put_shard(struct buf *out, const struct shard_cut *c);

/* What was read. */
struct past {
    unsigned n;
    struct past_shard {
        struct shard_cut cut; /* without `decoder` */
        struct decoder *decode;
    } shard[COLLECT_MAX_SHARDS];
    uint64_t sealed, refused;
};
/* The number of a draft that stands in these octets and is newer than ours, the collector's or the
 * first decoder's; 0: none. */
uint32_t past_newer(const uint8_t *octets, size_t n);
/* *p is zeroed or cleared. On an error it holds what was read before; past_clear() it.
 * Errors: ERR_CORRUPT, ERR_VERSION, ERR_NOMEM. */
int past_get(struct past *p, const uint8_t *octets, size_t n, const struct decoder_limits *lim,
             struct err *e) WARN_UNUSED;
void past_clear(struct past *p);

#endif
