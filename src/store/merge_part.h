/* store/merge_part.h - what the parts of the merge share.
 * Floor 3; private to store/merge*.c. */
#ifndef WEIR_STORE_MERGE_PART_H
#define WEIR_STORE_MERGE_PART_H

#include <xxhash.h>

#include "store/build.h"
#include "store/merge.h"
#include "store/read.h"

struct merge_input {
    struct segment *s;
    uint32_t *addr, *exporter, *shape; /* number here -> number in the output */
    bool same_exporters, same_shapes;  /* the numbers stay */
    bool same_attr[ATTR_N];            /* the tables agree for every address here */
    uint32_t *block_at;                /* per block: its number in the output */
};

/* A block of an input. */
struct merge_piece {
    int64_t received_ms; /* earliest */
    uint32_t input, block, rows;
    bool apart; /* its records reach far back (store/part.c): behind the others, not joined to them
                 */
};

/* Index gathered from the codes of the rows, for outputs with joined blocks. */
struct merge_index {
    uint32_t *seen;  /* per code: last page + 1 that was noted */
    uint32_t *count; /* per code: pages */
    uint32_t *code;  /* noted codes, page by page */
    size_t n, cap;
    size_t *page_end; /* per page: how many were noted until its end */
};

struct merge {
    const struct merge_options *o;
    struct merge_input *in;
    size_t n_in;
    struct merge_piece *piece;
    uint32_t n_pieces;
    bool join;
    struct build b; /* tables of the output; writes to `chunk` */
    struct build_numbers exporter_slots, shape_slots;
    struct merge_index index; /* only with `join` */

    /* the block at hand */
    struct flow_batch *batch;
    struct build_block k;
    uint32_t *same; /* 0, 1, 2, ...: a map that changes nothing */
    struct buf extras;
    struct rowset_extras *read_extras;

    /* the file */
    int fd;
    char path[4096];
    uint64_t at, synced;
    struct buf chunk;   /* what is being made */
    struct buf pending; /* not yet in the file; its first octet belongs at `at` */
    struct buf blocks;  /* entries of the footer */
    XXH3_state_t *sum;
    uint64_t chunk_at;
    uint64_t unpaced;
    struct merge_result *r;
    struct err *e;
};

/* Append to the file; what is read and written is paced. */
int merge_write(struct merge *m, const void *p, size_t n) WARN_UNUSED;
int merge_pace(struct merge *m, uint64_t octets) WARN_UNUSED;
/* m->chunk as one chunk; emptied. ref.len 0 when it is empty. */
int merge_put_chunk(struct merge *m, struct seg_ref *ref) WARN_UNUSED;
/* A chunk in pieces. Errors of end: ERR_LIMIT (longer than a reference can say). */
void merge_begin(struct merge *m);
int merge_put(struct merge *m, const void *p, size_t n) WARN_UNUSED;
int merge_end(struct merge *m, struct seg_ref *ref) WARN_UNUSED;

/* Which input is to blame for rc. */
int merge_blame(struct merge *m, size_t input, int rc);

/* Before the blocks: tables of the output and the maps to them. */
int merge_numbers(struct merge *m) WARN_UNUSED;
/* AS numbers and countries of addresses into m->b.geo; the maps are there. */
int merge_geo(struct merge *m) WARN_UNUSED;
/* After the blocks: every table, each a function of its own. */
int merge_tables(struct merge *m) WARN_UNUSED;

int merge_index_new(struct merge *m) WARN_UNUSED;
/* The codes of the block at hand, which is number `block` of the output. */
int merge_index_note(struct merge *m, uint32_t block) WARN_UNUSED;

#endif
