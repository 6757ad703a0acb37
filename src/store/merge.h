/* store/merge.h - several sealed segments into one larger file.
 * Floor 3; private to store/.
 *
 * Blocks are kept in the order of the first datagram in them; columns are copied as octets where no
 * number in them changes. Memory is bounded: what grows is the dictionary, the tables beside it,
 * and (for small outputs, whose blocks may be joined) the index. The file is written as a stream.
 * Threads: shares nothing; inputs may be read by others at the same time. */
#ifndef WEIR_STORE_MERGE_H
#define WEIR_STORE_MERGE_H

#include "store/segment.h"

/* Up to this many rows an output may join small blocks, which rewrites them. */
#define MERGE_REWRITE_ROWS ((1u << 24) + (1u << 21))
/* Neighbours that together fit one block are joined while one of them is smaller than this. */
#define MERGE_SMALL_ROWS (BATCH_ROWS / 2)
/* What a source costs in memory for each of its addresses, and the output for each of its own. */
#define MERGE_IN_OCTETS  46u
#define MERGE_OUT_OCTETS 66u

struct merge_options {
    uint64_t id;                   /* of the output */
    const struct seg_origin *from; /* for the footer; NULL: live rows */
    uint64_t memory;               /* ceiling in octets for dictionaries and tables; 0: none */
    bool keep_blocks;              /* never join blocks */
    /* Called every few 100 kB with the octets read and written since: waits as long as it likes.
     * Anything but ERR_OK ends the merge with that code. May be NULL. */
    int (*pace)(void *ctx, uint64_t octets);
    void *ctx;
};

struct merge_result {
    struct seg_info info;
    struct seg_sizes sizes;
    uint64_t octets_read;
    size_t damaged; /* ERR_CORRUPT: which of the inputs; n = none of them */
};

/* Write `in` (n segments, opened by segment_open, in order of time) to the file `path`, synced. The
 * caller renames it. On failure no file is left.
 * Errors: ERR_CORRUPT (out->damaged says which), ERR_LIMIT (more blocks, exporters, shapes, options
 * or memory than one segment may have: merge fewer), ERR_IO, ERR_NOMEM, what pace() returned. */
int segment_merge(struct rowset *const *in, size_t n, const char *path,
                  const struct merge_options *o, struct merge_result *out,
                  struct err *e) WARN_UNUSED;

#endif
