/* store/manifest.h - which segments exist: an append-only log of checksummed records.
 * Floor 3; private to store/. Every octet is described in FORMAT.md.
 * Threads: the caller serialises.
 *
 * A change is made by writing its record and then applying it with the code that replays the log:
 * what runs now and what is read after a crash cannot differ. */
#ifndef WEIR_STORE_MANIFEST_H
#define WEIR_STORE_MANIFEST_H

#include "store/segment.h"

#define MANIFEST_MAGIC "WEIR-MAN"
#define MANIFEST_DRAFT 2u
#define MANIFEST_HEAD  16u

enum tier { TIER_FAST, TIER_SLOW, TIER_N }; /* DIR, DIR/slow */

struct manifest_segment {
    struct seg_info info;
    uint32_t import; /* number + 1 in imports[]; 0 = live or mixed */
    uint8_t tier;    /* enum tier */
};
struct manifest_import {
    struct seg_import what;
    uint64_t within; /* segment in which its rows lie between others; 0: only in its own */
};

/* Up to where the journals are in segments, and the decoders' state at that point. */
struct manifest_cut {
    uint64_t id; /* 0: there was no cut */
    uint32_t n_shards;
    uint64_t journal[SEG_SHARDS];
    uint64_t octets, sum; /* of the checkpoint file; 0 octets: there is none. XXH3-64 */
};

/* Numbers of segments that went lately. A crash, or a power cut before the directory was durable,
 * may leave their files; they must not be taken for what a torn record named. */
#define MANIFEST_GONE 1024u

/* The state after all records. */
struct manifest {
    struct manifest_segment *seg; /* ascending id */
    size_t n_seg, cap_seg;
    struct manifest_import *import;
    size_t n_import, cap_import;
    struct manifest_cut cut;
    uint64_t next_id;  /* above every number seen in the log */
    uint64_t reserved; /* numbers below may have been given out without a trace in the log */
    uint64_t gone[MANIFEST_GONE];
    size_t n_gone; /* in all; gone[] holds the last ones */
    size_t good;   /* octets of whole records; what follows is a torn one */
    bool torn;
};

/* Replay the octets of a manifest. Errors: ERR_VERSION, ERR_CORRUPT (damage before the last
 * record), ERR_NOMEM. On failure *m is empty. */
int manifest_read(struct manifest *m, const uint8_t *p, size_t n, struct err *e) WARN_UNUSED;
void manifest_free(struct manifest *m);
void manifest_empty(struct manifest *m); /* a new one; what *m held must be freed */

/* NULL: not listed. */
const struct manifest_segment *manifest_find(const struct manifest *m, uint64_t id);
/* Did a segment of that number go lately? */
bool manifest_gone(const struct manifest *m, uint64_t id);
/* Is anything of this import still listed? */
bool manifest_holds(const struct manifest *m, const struct manifest_import *im);

/* Append octets: the head of a manifest, or one record. */
void manifest_put_head(struct buf *out);
/* Segments come; with import != NULL as parts of that import, all in `tier`. */
void manifest_put_add(struct buf *out, const struct seg_info *seg, size_t n, enum tier tier,
                      const struct seg_import *import);
/* Segments come (n may be 0), and with them everything before these positions is in segments. */
void manifest_put_cut(struct buf *out, const struct manifest_cut *cut, const struct seg_info *seg,
                      size_t n);
void manifest_put_remove(struct buf *out, const uint64_t *id, size_t n);
/* Segments give way to others with the same rows. */
void manifest_put_replace(struct buf *out, const uint64_t *old, size_t n_old,
                          const struct seg_info *seg, size_t n, enum tier tier);
/* Segments live in another directory from now on. */
void manifest_put_move(struct buf *out, enum tier to, const uint64_t *id, size_t n);
/* No number at or above `reserved` was given out before the next such record. */
void manifest_put_ids(struct buf *out, uint64_t reserved);
/* An import that lies within a segment between others. */
void manifest_put_within(struct buf *out, const struct manifest_import *im);

/* Room for everything that `octets` octets of records can bring, so that applying them cannot fail
 * for lack of memory. Errors: ERR_NOMEM. */
int manifest_reserve(struct manifest *m, size_t octets) WARN_UNUSED;
/* Apply whole records just made. Errors: ERR_NOMEM (never after manifest_reserve), ERR_CORRUPT. */
int manifest_apply(struct manifest *m, const uint8_t *p, size_t n) WARN_UNUSED;

/* A whole new manifest with the same state. */
void manifest_put_all(const struct manifest *m, struct buf *out);

#endif
