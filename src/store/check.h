/* store/check.h - looking through a segment for damage, and writing what is left of one.
 * Floor 3; private to store/. */
#ifndef WEIR_STORE_CHECK_H
#define WEIR_STORE_CHECK_H

#include "store/entry.h"

/* A chunk whose checksum does not hold. */
struct seg_damage {
    char part[64];          /* "column bytes", "extras", "option records", ... */
    uint32_t block;         /* UINT32_MAX: not of a block */
    uint64_t rows, options; /* that cannot be read in full for it */
    bool derived;           /* can be made again from the columns */
};

/* Verify every chunk of an opened segment; bad(ctx, ...) is called for each damaged one and
 * step(ctx, octets) now and then. block_bad[] (n_blocks) is set where rows of the block are lost.
 */
void segment_verify(const struct rowset *rs, uint8_t *block_bad,
                    void (*bad)(void *ctx, const struct seg_damage *d),
                    void (*step)(void *ctx, uint64_t octets), void *ctx);

/* Which rows are kept: fills keep[n] for rows first .. of a block (n <= ROWSET_VECTOR) and returns
 * ERR_OK; NULL: all. */
typedef int row_filter(void *ctx, const struct rowset *rs, uint32_t block, uint32_t first,
                       uint32_t n, uint8_t *keep, struct err *e);

/* Write a segment anew without some of its blocks (block_bad[], NULL: none) and rows (NULL: none),
 * as one or more part files of `tier` added to w, to be published with store_replace_some(). Option
 * records come along where they can be read (and `options`). w->n is 0 when nothing is left. At
 * most 16 blocks are in memory at a time. Errors: ERR_IO, ERR_NOMEM, ERR_CORRUPT. */
int store_write_rest(struct store *s, struct rowset *rs, const uint8_t *block_bad,
                     row_filter *filter, void *ctx, bool options, struct written *w,
                     struct err *e) WARN_UNUSED;

/* As store_replace, where rows were left out on purpose. With an empty w, the old ones are just
 * removed. quarantine: their files are kept there. */
int store_replace_some(struct store *s, const uint64_t *old, size_t n_old, struct written *w,
                       bool quarantine, struct err *e) WARN_UNUSED;

#endif
