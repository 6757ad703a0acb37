/* store/entry.h - the inside of struct store, shared by store.c, snapshot.c, retain.c and import.c.
 * Floor 3; private to store/. */
#ifndef WEIR_STORE_ENTRY_H
#define WEIR_STORE_ENTRY_H

#include "os/mutex.h"
#include "store/manifest.h"
#include "store/store.h"

#define STORE_PATH 4096u

/* A segment of the catalogue. */
struct entry {
    struct seg_info info;
    uint32_t import;   /* as in struct manifest_segment */
    struct rowset *rs; /* opened; NULL = not yet */
    bool damaged;
};

struct store {
    char dir[STORE_PATH - 64];
    enum store_mode mode;
    int lock_fd, readers_fd, manifest_fd;

    /* Order in which they are taken: files, log, list. */
    struct os_mutex files; /* opening files by a snapshot against unlinking by retention */
    struct os_mutex log;   /* manifest, m, next ids */
    struct os_mutex list;  /* what snapshots copy; held for moments */

    struct manifest m;   /* state of the log; under `log` */
    struct os_stat seen; /* STORE_READ: the manifest as last read */
    struct entry *entry; /* under `list` */
    size_t n_entries, cap_entries;
    uint64_t segments_removed, rows_removed;
};

/* DIR/name into out[STORE_PATH]. */
void store_path(const struct store *s, char *out, const char *name);
void store_segment_path(const struct store *s, char *out, uint64_t id);

/* Append octets to the manifest and sync it; on failure it is cut back. Under `log`. */
int store_log(struct store *s, const struct buf *record, struct err *e) WARN_UNUSED;

/* Build and write one segment, durable, not yet listed. Its id is taken from the store. Splits
 * where tables overflow, so several may come out. */
struct written {
    struct seg_info *info;
    struct rowset **rs; /* opened */
    size_t n, cap;
};
int store_write(struct store *s, struct flow_batch *const *b, size_t n, struct written *w,
                struct err *e) WARN_UNUSED;
void written_free(struct written *w, struct store *remove_from); /* NULL: keep the files */

/* Publish what was written under the lock of the list, calling sealed(ctx) in that moment. */
int store_publish(struct store *s, struct written *w, const struct manifest_import *import,
                  void (*sealed)(void *ctx), void *ctx, struct err *e) WARN_UNUSED;

/* Remove a file, or move it to trash while a reader holds DIR/readers. */
int store_unlink(struct store *s, const char *name, struct err *e) WARN_UNUSED;
void store_empty_trash(struct store *s);

/* Open the file of a segment. */
int store_open_segment(const struct store *s, uint64_t id, struct rowset **out,
                       struct err *e) WARN_UNUSED;
/* Octets to a file: temporary file, fsync, rename. The caller syncs the directory. */
int store_write_durable(const char *path, const struct buf *b, struct err *e) WARN_UNUSED;

/* Read the manifest into s->m; rebuild it from the segments where it is damaged or lost. Under
 * `log`. */
int store_load(struct store *s, struct err *e) WARN_UNUSED;

/* Make the catalogue from the manifest's state. Under `log`. */
int store_fill(struct store *s) WARN_UNUSED;

#endif
