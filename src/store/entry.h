/* store/entry.h - the inside of struct store, shared by store.c, snapshot.c, retain.c and import.c.
 * Floor 3; private to store/. */
#ifndef WEIR_STORE_ENTRY_H
#define WEIR_STORE_ENTRY_H

#include "os/mutex.h"
#include "store/manifest.h"
#include "store/store.h"

#define STORE_PATH   4096u
#define MANIFEST_MAX ((size_t)1 << 30)

/* Opened segments: a bounded cache shared by all snapshots (cache.c). */
#define STORE_OPEN_SEGMENTS 1024u
#define STORE_OPEN_MEMORY   ((uint64_t)512 << 20)
struct seg_cache;
int seg_cache_new(struct seg_cache **out, const char *dir) WARN_UNUSED; /* ERR_NOMEM */
void seg_cache_unref(struct seg_cache *c);
void seg_cache_limit(struct seg_cache *c, size_t max_open, uint64_t max_octets);
void seg_cache_count(struct seg_cache *c, size_t *open, uint64_t *octets);

/* A segment as a rowset that is opened when it is needed. */
struct seg_file {
    struct rowset rs; /* first */
    char name[32];    /* "seg-000000000012" */
    struct seg_cache *cache;
    uint64_t id;
    _Atomic uint8_t tier;
    _Atomic bool damaged; /* could not be opened at the last try */
    /* under the cache's lock */
    struct rowset *real;
    uint64_t octets; /* of memory, about */
    struct seg_file *newer, *older;
};
/* `real` (may be NULL) is what was opened already; taken over on ERR_OK. Errors: ERR_NOMEM. */
int seg_file_new(struct seg_file **out, struct seg_cache *c, const struct seg_info *info,
                 enum tier tier, struct rowset *real) WARN_UNUSED;

/* A segment of the catalogue. */
struct entry {
    struct seg_info info;
    uint32_t import; /* as in struct manifest_segment */
    uint8_t tier;
    bool no_rewrite;                        /* it failed: damaged */
    uint32_t class_seen;                    /* class_rows is of these rules; 0: of none */
    uint32_t class_rows[STORE_CLASSES + 1]; /* the last: of no class */
    struct seg_file *file;
};

struct store {
    char dir[STORE_PATH - 64];
    enum store_mode mode;
    int lock_fd, readers_fd, manifest_fd;

    /* Order in which they are taken: files, log, list. */
    struct os_mutex files; /* unlinking, moving; a direct reader's look at the manifest */
    struct os_mutex log;   /* manifest, m, next ids */
    struct os_mutex list;  /* what snapshots copy; held for moments */

    struct manifest m; /* state of the log; under `log` */
    /* Left undone where the disk refused, done before the next record: octets of a record that does
     * not count behind those of m.good; the name of a manifest written anew. Under `log`. */
    _Atomic bool log_torn; /* looked at without the lock too */
    bool log_name;
    struct os_stat seen; /* STORE_READ: the manifest as last read */
    struct entry *entry; /* under `list` */
    size_t n_entries, cap_entries;
    struct seg_cache *cache;
    struct seg_file *
        *doomed; /* out of the catalogue, files in trash, still in a snapshot; `files` */
    size_t n_doomed;
    uint64_t segments_removed, rows_removed, segments_moved;
    uint64_t *spared; /* segments that compaction leaves alone; its caller's thread only */
    size_t n_spared, cap_spared;
    struct geo *geo;          /* what is known of addresses, may be NULL; under `list` */
    struct os_mutex learn;    /* taken before the others; names_good */
    struct fact_table *facts; /* reference held; under `list` */
    size_t names_good;        /* octets of DIR/names that count */
    bool names_damaged;       /* at open: the rest of it was not a torn record only */
    uint32_t quarantined;     /* files moved there since open */
    bool rebuilt;             /* the manifest was made again from the segments */
};

/* DIR/name into out[STORE_PATH]. */
void store_path(const struct store *s, char *out, const char *name);
void store_segment_path(const struct store *s, char *out, enum tier tier, uint64_t id);
/* The file of one that is not committed yet: it is never taken for a segment. */
void store_part_path(const struct store *s, char *out, enum tier tier, uint64_t id);
void store_checkpoint_path(const struct store *s, char *out, uint64_t id);

/* Append records to the manifest, sync it and apply them; on failure it is cut back and nothing
 * changed. Written anew when most of it is dead weight. Under `log`. */
int store_log(struct store *s, const struct buf *record, struct err *e) WARN_UNUSED;
/* Write the manifest anew from s->m and go on appending there. Under `log`. */
int store_rewrite(struct store *s, struct err *e) WARN_UNUSED;

/* A number for a segment or a cut that no other ever had, also before a crash. */
int store_take_id(struct store *s, uint64_t *id, struct err *e) WARN_UNUSED;

/* Segments written durably and not yet listed: by store_write, or by compaction with
 * store_write_octets. */
struct written {
    struct seg_info *info;
    struct rowset **rs; /* opened */
    size_t n, cap;
    bool part;                 /* as part files; renamed when they are published */
    const struct rowset *kept; /* AS numbers and countries as this segment has them; NULL: by the
                                  store's data */
    enum tier tier;
};
int written_add(struct written *w, const struct seg_info *info, struct rowset *rs) WARN_UNUSED;
void written_free(struct written *w, struct store *remove_from); /* NULL: keep the files */

/* Build and write one segment. Splits where tables overflow, so several may come out. */
int store_write(struct store *s, struct flow_batch *const *b, size_t n,
                const struct seg_origin *from, struct written *w, struct err *e) WARN_UNUSED;
/* Write the octets of a whole segment, open it, add it to w. */
int store_write_octets(struct store *s, const struct buf *octets, const struct seg_info *info,
                       struct written *w, struct err *e) WARN_UNUSED;

/* Publish what was written under the lock of the list, calling sealed(ctx) in that moment. One
 * record: a cut, an import, a replacement (n_old > 0), or else plain rows. */
struct publish {
    const struct seg_import *import;
    const struct manifest_cut *cut;
    const uint64_t *old;
    size_t n_old;
    struct seg_file **gone; /* room for n_old: what left the catalogue, to be discarded */
    void (*sealed)(void *ctx);
    void *ctx;
};
int store_publish(struct store *s, struct written *w, const struct publish *p,
                  struct err *e) WARN_UNUSED;

/* Compaction: n_old segments give way, in one record, to what holds the same rows. The new ones'
 * footers must name the old ones (struct seg_origin: replaced, part, parts; the newest cut among
 * them; kind and imports: all different ones of the old). They are written as part files
 * (w->part = true). Snapshots held before keep the old ones, whose files go at once or to trash.
 * What is in `w` is taken over by ERR_OK; otherwise written_free(w, s) removes it.
 * Errors: ERR_NOTFOUND (an old one is not listed any more: retention was faster), ERR_ARG (rows or
 * options do not add up), ERR_IO, ERR_NOMEM. */
int store_replace(struct store *s, const uint64_t *old, size_t n_old, struct written *w,
                  struct err *e) WARN_UNUSED;

#define CHECKPOINT_MAGIC "WEIR-CKP"
#define CHECKPOINT_DRAFT 1u

/* Checkpoint files: content with its cut. */
void checkpoint_put(struct buf *out, const struct manifest_cut *cut, const struct buf *content);
/* Errors: ERR_CORRUPT, ERR_VERSION. *content is borrowed from p. */
int checkpoint_get(const uint8_t *p, size_t n, const char *name, struct manifest_cut *cut,
                   struct rd *content, struct err *e) WARN_UNUSED;

/* Out of the catalogue; the reference is the caller's. NULL: not there. Under `list`. */
struct seg_file *store_forget(struct store *s, uint64_t id);

/* Remove the file of a segment that is out of the catalogue; to trash while a reader of another
 * process holds DIR/readers, or a snapshot of ours holds the segment. Takes the reference. Under
 * `files`. */
int store_discard(struct store *s, struct seg_file *f, struct err *e) WARN_UNUSED;
void store_empty_trash(struct store *s); /* under `files` */

/* Open the file of a segment, past the cache. */
int store_open_segment(const struct store *s, enum tier tier, uint64_t id, struct rowset **out,
                       struct err *e) WARN_UNUSED;
/* Entry of the catalogue, or NULL. Under `list` or `log`. */
struct entry *store_entry(struct store *s, uint64_t id);
/* Move a segment to another directory: copy, fsync, verify, record, unlink. ERR_CANCEL: *stop. */
int store_move(struct store *s, uint64_t id, enum tier to, const _Atomic bool *stop,
               struct err *e) WARN_UNUSED;
bool store_has_slow(const struct store *s);

/* Octets to a file: temporary file, fsync, rename. The caller syncs the directory. */
int store_write_durable(const char *path, const struct buf *b, struct err *e) WARN_UNUSED;

/* Records for the segments that the manifest in s->m does not list and that count nevertheless;
 * with `all`, s->m is emptied before. Under `log`. */
int store_adopt(struct store *s, bool all, struct buf *records, struct err *e) WARN_UNUSED;
/* Number of a file PREFIXNNN…, 0 if it has none; *rest is what follows. */
uint64_t store_number(const char *name, const char *prefix, const char **rest);
/* Move a file that cannot be read to DIR/quarantine. */
int store_quarantine(struct store *s, const char *path, const char *name,
                     struct err *e) WARN_UNUSED;
uint64_t store_sum(const void *p, size_t n); /* XXH3-64 */

/* Read the manifest into s->m; rebuild it from the segments where it is damaged or lost. Under
 * `log`. */
int store_load(struct store *s, struct err *e) WARN_UNUSED;

/* names.c: DIR/names into s->facts. Errors: ERR_VERSION, ERR_IO, ERR_NOMEM; damage is none. */
int store_open_names(struct store *s, struct err *e) WARN_UNUSED;
/* What the option records of these batches say that was not known: to DIR/names and s->facts. */
int store_learn(struct store *s, struct flow_batch *const *b, size_t n, struct err *e) WARN_UNUSED;
/* names_file.c: the head of a log, one record. */
#define NAMES_HEAD 16u
void names_put_head(struct buf *b);
void names_put(struct buf *b, const struct exporter_key *x, int64_t from_ms, const struct fact *f);
/* All records of a log into a table; *good: octets that are whole. Errors: ERR_CORRUPT (behind
 * *good), ERR_VERSION, ERR_NOMEM. */
int names_read(const uint8_t *p, size_t n, const char *path, struct fact_table *t, size_t *good,
               struct err *e) WARN_UNUSED;
struct fact_table *store_facts(struct store *s); /* a reference */

/* Make the catalogue from the manifest's state. Under `log`. */
int store_fill(struct store *s) WARN_UNUSED;

#endif
