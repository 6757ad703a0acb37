/* os/file.h - files and directories: the only place with those system calls.
 * Floor 1. Every error message names the path, what the system said, and what helps. ENOMEM is
 * ERR_NOMEM everywhere here.
 * Threads: no shared state. Paths are NUL-terminated; descriptors are closed on exec. */
#ifndef WEIR_OS_FILE_H
#define WEIR_OS_FILE_H

#include "base/buf.h"
#include "base/err.h"

/* A whole file, mapped for reading (os/map.c). The mapping outlives an unlink or rename of the
 * file. What cannot be read (a bad sector, the end of a file that somebody shortens in place) reads
 * as zeros from then on, and the map is marked. Readers that keep what they read ask after reading,
 * and verify again what they hold if the answer is yes. */
struct os_mapped;
struct os_map {
    const uint8_t *p;
    size_t len;
    struct os_mapped *known; /* NULL: memory that is no file */
};
/* Did any read in this map fail since it was made? Costs a load. Any thread. */
bool os_map_faulted(const struct os_map *m);
/* Errors: ERR_NOTFOUND, ERR_IO. An empty file maps to len 0. */
int os_map_file(struct os_map *out, const char *path, struct err *e) WARN_UNUSED;
void os_unmap(struct os_map *m); /* zeroed: nothing to do */

enum os_open_mode {
    OS_OPEN_READ,
    OS_OPEN_CREATE, /* read and write, made (0640) if missing, kept as it is otherwise */
    OS_OPEN_TRUNC,  /* the same, emptied */
};
/* Errors: ERR_NOTFOUND, ERR_IO. */
int os_file_open(int *fd, const char *path, enum os_open_mode mode, struct err *e) WARN_UNUSED;
void os_file_close(int *fd); /* -1: nothing to do; sets it to -1 */

/* These octets of a mapped file will not be read again soon: they stop counting as memory of this
 * process. Reading them again only costs time. */
void os_map_forget(const void *p, size_t len);

/* All n octets at `offset`, or an error. `path` is for messages. Errors: ERR_IO. */
int os_file_write(int fd, const char *path, uint64_t offset, const void *p, size_t n,
                  struct err *e) WARN_UNUSED;
/* Up to n octets at `offset`; *got is less only at the end of the file. Errors: ERR_IO. */
int os_file_read(int fd, const char *path, uint64_t offset, void *p, size_t n, size_t *got,
                 struct err *e) WARN_UNUSED;
int os_file_truncate(int fd, const char *path, uint64_t len, struct err *e);
int os_file_sync(int fd, const char *path, struct err *e) WARN_UNUSED;
/* Only what is needed to read the data back: overwriting allocated octets costs no journal of the
 * file system. */
int os_file_datasync(int fd, const char *path, struct err *e) WARN_UNUSED;
/* Make room on the disk for a file of that length. Errors: ERR_IO. */
int os_file_allocate(int fd, const char *path, uint64_t octets, struct err *e) WARN_UNUSED;
int os_dir_sync(const char *dir, struct err *e) WARN_UNUSED;
/* The directory that `path` is in. One that we may enter but not read is left to the system. */
int os_parent_sync(const char *path, struct err *e) WARN_UNUSED;

/* These octets become the file: written as PATH.tmp, synced, renamed. The directory is not synced.
 */
int os_file_replace(const char *path, const struct buf *with, struct err *e) WARN_UNUSED;

/* Append a file's content to `out` (its ceiling is the limit). Errors: ERR_NOTFOUND, ERR_IO,
 * ERR_LIMIT, ERR_NOMEM. */
int os_file_slurp(const char *path, struct buf *out, struct err *e) WARN_UNUSED;

/* Identity and length, to see whether a file was changed or replaced. */
struct os_stat {
    uint64_t dev, ino, octets;
    int64_t changed_ns;
    bool is_dir;
};
int os_file_stat(const char *path, struct os_stat *out, struct err *e);

/* Whose a file or directory is. */
struct os_owner {
    char user[64], group[64]; /* names, or the numbers where there are none */
    unsigned mode;            /* permission bits */
};
int os_owner(const char *path, struct os_owner *out, struct err *e) WARN_UNUSED;
/* May this process look into a directory, and with `write` make files in it? */
bool os_may_use(const char *dir, bool write);

/* Of the file system that holds `path`: octets that may be written, octets in all. */
int os_space(const char *path, uint64_t *free_octets, uint64_t *octets, struct err *e) WARN_UNUSED;

/* Another name for a file, in the same file system. Errors: ERR_UNSUPPORTED (another file system,
 * or one without such links), ERR_NOTFOUND, ERR_IO. */
int os_link(const char *from, const char *to, struct err *e) WARN_UNUSED;
/* Copy a file, durable when it returns (its directory is not synced). `step` (may be NULL) hears of
 * octets copied and stops the copy with its code. What was begun is removed on failure. */
int os_copy(const char *from, const char *to, int (*step)(void *ctx, size_t octets), void *ctx,
            struct err *e) WARN_UNUSED;
/* `path` becomes a symbolic link to `target`, replacing another link. */
int os_symlink(const char *target, const char *path, struct err *e) WARN_UNUSED;
/* Where a symbolic link points to. ERR_NOTFOUND: it is none, or nothing is there. */
int os_readlink(const char *path, char *out, size_t cap, struct err *e) WARN_UNUSED;
/* The path without links and dots. */
int os_realpath(const char *path, char *out, size_t cap, struct err *e) WARN_UNUSED;

int os_rename(const char *from, const char *to, struct err *e) WARN_UNUSED;
int os_unlink(const char *path, struct err *e); /* a missing file is ERR_NOTFOUND */
/* 0750, durable; an existing directory is fine. */
int os_mkdir(const char *path, struct err *e) WARN_UNUSED;
int os_rmdir(const char *path, struct err *e); /* an empty directory */
bool os_is_dir(const char *path);

/* Call each(ctx, name) for every entry but those that begin with a dot, in no order; stops when it
 * returns anything but ERR_OK and passes that on. Errors: ERR_NOTFOUND, ERR_IO. */
int os_dir_list(const char *path, int (*each)(void *ctx, const char *name), void *ctx,
                struct err *e);

/* Lock an open file as a whole without waiting (OFD lock: belongs to the descriptor, so two opens
 * in one process exclude each other too). A shared lock needs a descriptor open for reading, an
 * exclusive one for writing. Errors: ERR_BUSY, ERR_IO. */
int os_file_lock(int fd, const char *path, bool exclusive, struct err *e) WARN_UNUSED;
/* The same, waiting for it. Only for locks that others hold for moments. */
int os_file_lock_wait(int fd, const char *path, bool exclusive, struct err *e) WARN_UNUSED;
int os_file_unlock(int fd, const char *path, struct err *e);
/* Would an exclusive lock be refused now? */
bool os_file_locked(int fd);

long os_pid(void);

/* Unix ms by the wall clock, for what is stamped into files. */
int64_t os_wall_ms(void);

#endif
