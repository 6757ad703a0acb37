/* A layer under src/os/file.c, for tests: every system call of the store and the journal on files
 * goes through it (the linker's --wrap, see disk_calls in meson.build; programs are not touched).
 *
 * It can fail a call, and it can keep a log of what changes files and folders. From a log it makes
 * the folders that a power cut may leave: after every call, with what was not yet made durable
 * there or not, in any order, and writes torn between sectors. */
#ifndef WEIR_TESTS_DISK_H
#define WEIR_TESTS_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ------------------------------------------------------------------ failing calls */

enum disk_fault {
    DISK_EIO,    /* any call */
    DISK_ENOSPC, /* what takes room; a write is cut short first */
    DISK_EMFILE, /* what takes a descriptor */
    DISK_ENOMEM, /* malloc, calloc, realloc, mmap */
    DISK_FAULTS
};
extern const char *const disk_fault_name[DISK_FAULTS];

/* From now on count the calls that could fail so, and let the at-th (from 1; 0: none) fail; with
 * `stays`, all behind it too. Only files below `root`; NULL: all. */
void disk_fail(enum disk_fault f, uint64_t at, bool stays, const char *root);
/* No more failures; the calls counted. */
uint64_t disk_calm(void);
/* Text of what failed first since disk_fail(): "pwrite /path"; "" if nothing did. */
const char *disk_failed(void);

/* ------------------------------------------------------------------ power cuts */

struct disk_log;

/* From now on log what happens below the folder `root`; what stands there is durable. */
struct disk_log *disk_record(const char *root);
/* The moment at which state number n is acknowledged: a power cut from here on may not take it. */
void disk_mark(struct disk_log *l, unsigned n);
void disk_stop(struct disk_log *l);
void disk_log_free(struct disk_log *l);
unsigned disk_log_ops(const struct disk_log *l); /* without marks */

/* Make, at `root`, every folder that a power cut may leave, `tries` random ones beside the plain
 * ones at each place, and let check(ctx, least, most) look at each: the state acknowledged last
 * and the one that was on its way. Returns how many different ones there were. */
uint64_t disk_replay(struct disk_log *l, uint64_t seed, unsigned tries,
                     void (*check)(void *ctx, unsigned least, unsigned most), void *ctx);
/* Which one is looked at now, for the message of a failed check. */
const char *disk_where(void);

/* ------------------------------------------------------------------ helpers */

int disk_make_root(char *out, size_t cap); /* a new folder, in memory where there is such; 0 */

void disk_remove_below(const char *path);              /* all in it, not itself */
void disk_copy_tree(const char *from, const char *to); /* `to` is emptied */
unsigned disk_open_files(void);                        /* descriptors of this process */

#endif
