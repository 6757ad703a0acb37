/* store/manifest.h - which segments exist: an append-only log of checksummed records.
 * Floor 3; private to store/. Every octet is described in FORMAT.md.
 * Threads: the caller serialises. */
#ifndef WEIR_STORE_MANIFEST_H
#define WEIR_STORE_MANIFEST_H

#include "store/segment.h"

#define MANIFEST_MAGIC "WEIR-MAN"
#define MANIFEST_DRAFT 1u
#define MANIFEST_NAME  256u /* of an imported file; longer ones are cut */

struct manifest_segment {
    struct seg_info info;
    uint32_t import; /* number + 1 in imports[]; 0 = live */
};
struct manifest_import {
    uint8_t sha256[32];
    int64_t at_ms; /* when it was committed */
    char file[MANIFEST_NAME];
};

/* The state after all records. */
struct manifest {
    struct manifest_segment *seg; /* ascending id */
    size_t n_seg, cap_seg;
    struct manifest_import *import;
    size_t n_import, cap_import;
    uint64_t next_id;
    size_t removed; /* segments whose records are dead weight in the log */
    size_t good;    /* octets of whole records; what follows is a torn one */
};

/* Replay the octets of a manifest. Errors: ERR_VERSION, ERR_CORRUPT (damage before the last
 * record), ERR_NOMEM. On failure *m is empty. */
int manifest_read(struct manifest *m, const uint8_t *p, size_t n, struct err *e) WARN_UNUSED;
void manifest_free(struct manifest *m);

/* Append octets: the head of a manifest; a record that adds segments (with import != NULL as parts
 * of that import); a record that removes some. */
void manifest_put_head(struct buf *out);
void manifest_put_add(struct buf *out, const struct seg_info *seg, size_t n,
                      const struct manifest_import *import);
void manifest_put_remove(struct buf *out, const uint64_t *id, size_t n);

/* The same changes to the state. Errors: ERR_NOMEM. */
int manifest_add(struct manifest *m, const struct seg_info *seg, size_t n,
                 const struct manifest_import *import) WARN_UNUSED;
void manifest_remove(struct manifest *m, uint64_t id);

/* A whole new manifest with the same state. */
void manifest_put_all(const struct manifest *m, struct buf *out);

#endif
