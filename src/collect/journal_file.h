/* collect/journal_file.h - the octets of one journal file: its head and the frames in it. Does no
 * I/O and trusts nothing that it reads.
 * Floor 4; private to the journal, fuzzed by tests/fuzz/fuzz_journal.c. */
#ifndef WEIR_COLLECT_JOURNAL_FILE_H
#define WEIR_COLLECT_JOURNAL_FILE_H

#include "base/err.h"
#include "collect/journal.h"

#define JOURNAL_HEAD 4096u /* octets before the first frame */

/* One file of a shard. */
struct journal_slot {
    uint32_t number;      /* in the file's name */
    bool used;            /* holds frames that are not released */
    bool head_bad;        /* made good from the first frame; not `used`: there was none */
    uint32_t draft;       /* 0: not known */
    uint32_t key;         /* that its frames must have */
    uint64_t first;       /* serial of its first frame */
    uint64_t last;        /* of its last one, as far as the file behind it tells */
    uint64_t last_before; /* last serial of the file before; 0 = none or not known */
};

/* The head of a file, with zeros behind it. */
void journal_head_put(uint8_t page[JOURNAL_HEAD], unsigned shard, uint32_t key, uint64_t first,
                      uint64_t last_before);
/* What a file says of itself; s->number stays. A damaged head is made good from the first frame.
 * Errors: ERR_VERSION (another draft, or a machine with another order of octets). */
int journal_head_get(struct journal_slot *s, const uint8_t *p, size_t n, unsigned shard,
                     const char *path, struct err *e) WARN_UNUSED;
/* The unused ones first, then by serial; `last` from the file behind. */
void journal_order(struct journal_slot *s, size_t n);

/* Steps through the frames of one file, over what is damaged and over what an earlier life of the
 * file left (lower serials). Begins at JOURNAL_HEAD. */
struct journal_walk {
    const uint8_t *p; /* the file, at a multiple of 8 */
    size_t len;
    uint32_t key;   /* of the file */
    size_t at, end; /* end: behind the last frame that counted */
    uint64_t last;  /* its serial, kept by the caller; at first: that of the file before */
    bool any_key;   /* the head that says it cannot be read */
    bool damaged;   /* octets between it and the one before were no frames */
    /* NULL, or room for a frame at a multiple of 8: frames are given there, so that what was
     * verified is what is read even if the file cannot be read any more */
    uint8_t *hold;
};
/* The next frame, with its octets behind it; NULL at the end. */
const struct frame *journal_walk_next(struct journal_walk *w);

/* Reading the files of a shard in their order, see journal_read(). */
struct journal_reading {
    uint64_t after, upto;
    int (*fn)(void *ctx, const struct frame *f, const uint8_t *octets);
    void *ctx;
    uint8_t *hold; /* see above */
    /* Hears of everything that is damaged or missing; `file` is left to the caller. NULL: only
     * counted. */
    void (*damage)(void *ctx, const struct journal_damage *d);
    struct journal_found found;
    size_t end; /* of the file read last: behind its last frame that counted */
};
/* Must file i of these n be read? Counts what the file before it should have had. Asked for each
 * file in turn. */
bool journal_wants(struct journal_reading *r, const struct journal_slot *s, size_t n, size_t i);
/* Its octets. Errors: what fn returned. */
int journal_read_file(struct journal_reading *r, const struct journal_slot *s, const uint8_t *p,
                      size_t n) WARN_UNUSED;
/* After the last one, whose octets these are: was something begun behind the last frame? */
bool journal_torn(const struct journal_reading *r, const struct journal_slot *s, const uint8_t *p,
                  size_t n);

#endif
