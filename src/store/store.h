/* store/store.h - a data directory: sealed segments under a manifest.
 * Floor 3. The only door of floor store. File format: FORMAT.md beside this file (draft).
 * Threads: all calls may come from any thread; sealing and retention are serialised inside; taking
 * a snapshot never waits for a seal in progress. */
#ifndef WEIR_STORE_STORE_H
#define WEIR_STORE_STORE_H

#include "flow/rowset.h"

struct store;

enum store_mode {
    STORE_WRITE, /* one writer: OFD lock on DIR/lock, whose content names pid and socket */
    STORE_READ,  /* shared lock on DIR/readers; nothing is changed */
};

/* Open a data directory; STORE_WRITE makes it if missing. `socket_path` (STORE_WRITE; may be "")
 * is written to DIR/lock, so that a reader finds the server.
 * Errors: ERR_BUSY (another writer: message names pid and socket), ERR_NOTFOUND (STORE_READ: no
 * such directory, or not a data directory), ERR_VERSION, ERR_CORRUPT (manifest), ERR_IO, ERR_NOMEM.
 */
int store_open(struct store **out, const char *dir, enum store_mode mode, const char *socket_path,
               struct err *e) WARN_UNUSED;
void store_close(struct store *s); /* NULL is allowed; rowsets handed out stay valid */
const char *store_dir(const struct store *s);

/* Who writes DIR now: pid and socket path from DIR/lock if the lock is held. ERR_NOTFOUND if
 * nobody. */
int store_writer(const char *dir, long *pid, char *socket_path, size_t cap,
                 struct err *e) WARN_UNUSED;

/* Write the rows and option records of n batches (handed off, in order) as one segment: file,
 * fsync, rename, fsync of the directory, manifest record. On ERR_OK later snapshots hold it. With n
 * batches of zero rows and options nothing is written. Errors: ERR_IO, ERR_NOMEM. */
int store_seal(struct store *s, struct flow_batch *const *b, size_t n, struct err *e) WARN_UNUSED;

/* A cut: with these batches sealed, everything before `journal[i]` of shard i is in segments, and
 * `checkpoint` holds the decoders' state at that point (octets, opaque here; NULL or empty: none).
 * One manifest record makes all of it true at once: after a crash there is this cut or the one
 * before, with its segments and its checkpoint. As store_seal_with otherwise; with nothing to seal,
 * just the cut is recorded. One call at a time. Errors: ERR_IO, ERR_NOMEM, ERR_ARG. */
struct store_cut {
    uint32_t n_shards;
    uint64_t journal[64];
    const struct buf *checkpoint;
};
int store_seal_cut(struct store *s, struct flow_batch *const *b, size_t n,
                   const struct store_cut *cut, void (*sealed)(void *ctx), void *ctx,
                   struct err *e) WARN_UNUSED;
/* The last cut: positions and checkpoint (appended; its ceiling is the limit).
 * Errors: ERR_NOTFOUND (none yet), ERR_CORRUPT (the checkpoint is damaged or missing; the positions
 * are given nevertheless), ERR_IO, ERR_NOMEM. */
int store_last_cut(struct store *s, uint32_t *n_shards, uint64_t journal[64],
                   struct buf *checkpoint, struct err *e) WARN_UNUSED;

/* An import: segments become visible all at once by store_import_commit, in one manifest record
 * with the file's name and SHA-256. Commit ends the import and frees it, whatever it returns. */
struct store_import;
int store_import_begin(struct store *s, const char *file, const uint8_t sha256[32],
                       struct store_import **out, struct err *e) WARN_UNUSED;
int store_import_seal(struct store_import *im, struct flow_batch *const *b, size_t n,
                      struct err *e) WARN_UNUSED;
/* The same by several threads at once: the order of the tickets is the order of the segments, so
 * that what comes out does not depend on which thread is faster. A ticket is used once. (Only where
 * one segment must become two the second one's number is that of the moment.) */
int store_import_ticket(struct store_import *im, uint64_t *ticket, struct err *e) WARN_UNUSED;
int store_import_seal_as(struct store_import *im, uint64_t ticket, struct flow_batch *const *b,
                         size_t n, struct err *e) WARN_UNUSED;
int store_import_commit(struct store_import *im, struct err *e) WARN_UNUSED;
void store_import_abort(struct store_import *im); /* frees; removes what was written */
/* Was a file of this content imported before (and is still listed)? */
bool store_import_known(struct store *s, const uint8_t sha256[32]);

/* All segments as they stand now, to be opened one by one when they are needed (rowset_open); one
 * that cannot be is not noticed before. At most store_set_open() of them stay open beside those in
 * use. Errors: ERR_NOMEM. */
int store_snapshot(struct store *s, struct snapshot *out, struct err *e) WARN_UNUSED;

/* What was asked of an exporter holds from from_ms on: to the log of names where it is news, as
 * what option records say. Errors: ERR_IO, ERR_NOMEM. */
int store_tell(struct store *s, const struct exporter_key *x, int64_t from_ms, const struct fact *f,
               size_t n, struct err *e) WARN_UNUSED;

void store_set_open(struct store *s, size_t segments);

/* What is known of addresses from now on: looked up when segments are sealed. NULL: nothing. A
 * reference is taken. Any thread. */
void store_set_geo(struct store *s, struct geo *g);
struct geo *store_geo(struct store *s); /* with a reference; NULL: nothing */

/* The same as store_snapshot, atomically joined with open batches: under the lock that seals take
 * to publish, call open(ctx, out) which appends rowsets of what is not yet sealed. So no row is
 * seen twice or not at all. */
int store_snapshot_with(struct store *s, struct snapshot *out,
                        int (*open)(void *ctx, struct snapshot *out), void *ctx,
                        struct err *e) WARN_UNUSED;
/* As store_seal; `sealed(ctx)` is called under that same lock in the moment the segment becomes
 * visible, to drop the batches from the list of open ones. */
int store_seal_with(struct store *s, struct flow_batch *const *b, size_t n,
                    void (*sealed)(void *ctx), void *ctx, struct err *e) WARN_UNUSED;

/* What is kept, and where. 0 = no rule.
 *
 * A record belongs to the first class whose networks hold its exporter's address, or to the rest,
 * for which max_age_ms counts. A segment is kept as long as the longest-lived record in it needs.
 * When it outlives one of its classes it is written anew without that class's records, so they are
 * gone within minutes of their age; option records stay with the segment. Cost: a segment is
 * rewritten at most once for each class shorter than its longest, and only what stays is written.
 * A class's size is counted by its share of rows; above its ceiling its oldest records go first.
 *
 * Imports younger than import_keep_ms (since the import) are spared by age, not by size. */
#define STORE_CLASSES    4u
#define STORE_CLASS_NETS 64u
struct store_class {
    char name[32];
    struct net net[STORE_CLASS_NETS];
    uint32_t n_nets;
    int64_t max_age_ms; /* by the segment's newest received time */
    uint64_t max_octets;
};
struct store_retention {
    uint64_t max_octets;
    int64_t max_age_ms;
    int64_t import_keep_ms;
    uint64_t min_free;     /* octets kept free on each file system: move or delete for it */
    int64_t slow_after_ms; /* segments older than this move to the second directory */
    struct store_class class[STORE_CLASSES];
    uint32_t n_classes;
    const _Atomic bool *stop; /* give up soon; may be NULL */
};
/* From the configuration (retention.*, storage.slow_after). Errors: ERR_ARG. */
struct conf;
int store_retention_read(struct store_retention *r, const struct conf *c,
                         struct err *e) WARN_UNUSED;

/* Hold the rules once: delete, rewrite, move (at most about a gigabyte of the last two in one
 * call). Files are unlinked when no other process holds DIR/readers and no snapshot the segment,
 * else moved to DIR/trash and removed later. One call at a time. */
int store_retain(struct store *s, const struct store_retention *r, int64_t now_ms,
                 uint32_t *removed, struct err *e) WARN_UNUSED;

/* The second, slower directory: made if missing; DIR/slow becomes a link to it. Empty: as it was.
 * Errors: ERR_ARG (segments live in another one; the message says what to do), ERR_IO. */
int store_set_slow(struct store *s, const char *slow, struct err *e) WARN_UNUSED;

/* Look through a data directory: every checksum of every file. Without `repair` nothing is changed,
 * and a server may run. With it nobody else may write; a damaged manifest is made again, segments
 * are written anew from what is good of them, and what cannot be read is kept in DIR/quarantine. */
struct store_finding {
    char file[64];
    char part[64];          /* of it: "column bytes", "footer", "last record" */
    uint32_t block;         /* UINT32_MAX: not of a block */
    uint64_t rows, options; /* records that cannot be read in full for it */
    uint64_t datagrams;     /* of a journal: not there any more, at least */
    bool derived;           /* nothing is lost: it can be made again */
    bool note;              /* worth saying, not damage */
    char why[256];
};
struct store_check {
    bool repair;
    bool strict; /* a file that the system does not let us read ends it, as it does a repair */
    void (*found)(void *ctx, const struct store_finding *f);             /* may be NULL */
    void (*progress)(void *ctx, uint64_t octets, uint64_t octets_total); /* may be NULL */
    void *ctx;

    uint64_t files, octets, rows, options; /* looked at */
    uint64_t findings;                     /* damaged parts */
    uint64_t rows_lost, options_lost;      /* each counted once */
    uint64_t datagrams, datagrams_lost;    /* of the journals, behind the last cut */
    uint64_t history_lost;                 /* places of history/ that say nothing any more */
    uint32_t n_shards;                     /* of the last cut, and up to where all is sealed */
    uint64_t journal[64];
    uint64_t segments_written, quarantined; /* by the repair */
};
/* Manifest, checkpoint and segments; collect_check() does the rest. Errors: as store_open; damage
 * is not one. With `repair`, ERR_IO and ERR_NOMEM come before anything was changed for the file
 * that they name. */
int store_check(const char *dir, struct store_check *c, struct err *e) WARN_UNUSED;

/* A copy of the directory as it stands at one moment, itself a data directory: segments as hard
 * links where the file system allows it (they never change), the checkpoint, other files of the
 * directory (names, history, definitions) as copies, and SNAPSHOT, which says how much there is.
 * Open batches and the journal are not in it. Made as DIR.part and renamed when whole; on failure
 * nothing is left. `s` may be open in either mode, beside a writer of another process too. */
struct store_copy {
    bool copy;   /* never link */
    bool verify; /* read all of it again before it gets its name */
    /* Octets so far and in all; anything but ERR_OK stops with that code. May be NULL. */
    int (*step)(void *ctx, uint64_t octets, uint64_t total);
    void *ctx;
    /* A file of the directory (and what lies beside it under its name, as NAME-wal) that is copied
     * by copy_also(directory, path of the copy), not octet by octet. ERR_NOTFOUND: there is none.
     * NULL: nothing is special. */
    const char *also;
    int (*copy_also)(const char *from, const char *to, struct err *e);
    uint64_t segments, rows, options, octets; /* in it */
    uint64_t linked, copied;                  /* files */
};
/* Errors: ERR_ARG (dir exists and is not empty), ERR_CORRUPT (a file is missing, or with verify
 * damaged), ERR_IO, ERR_NOMEM, what step() said. */
int store_copy_to(struct store *s, const char *dir, struct store_copy *c,
                  struct err *e) WARN_UNUSED;
/* Is DIR a snapshot, with its small files as they were? Segments, records and option records that
 * it has go to count[]. Errors: ERR_NOTFOUND (no snapshot), ERR_CORRUPT, ERR_IO. */
int store_verify_note(const char *dir, uint64_t count[3], struct err *e) WARN_UNUSED;
/* The same, and every checksum. */
int store_verify_copy(const char *dir, const struct store_copy *made, struct err *e) WARN_UNUSED;

/* One step of compaction: merge one run of neighbouring segments (by receive time; live rows or
 * those of one import; in one directory) into one. Called until `merged` is 0, it keeps the number
 * of files small: 16 of a size become one of the next, and when an hour or a day (UTC) is over,
 * what is small in it becomes one. No lock is held meanwhile: sealing and questions go on.
 * A crash leaves what was before or what is after; half a file is removed at the next start.
 * One call at a time. */
struct store_compact_options {
    uint64_t rate;           /* octets a second, read and written together; 0: as fast as it goes */
    uint64_t memory;         /* octets for dictionaries and tables; 0: no ceiling */
    uint64_t max_octets;     /* of one segment; 0: none. Retention deletes whole segments */
    int64_t now_ms;          /* what ended ten minutes before is over; INT64_MAX: everything is */
    bool (*busy)(void *ctx); /* something more urgent wants the machine; may be NULL */
    bool (*stop)(void *ctx); /* give up now; may be NULL */
    void *ctx;
};
struct store_compact_result {
    uint32_t merged; /* segments that became one; 0: nothing to do */
    bool again;      /* nothing was merged, but the next call may: what was chosen has changed */
    uint64_t id;     /* of the new segment */
    uint64_t rows, octets_read, octets_written;
};
/* Errors: ERR_CORRUPT (a segment is damaged: the message names it, it is left alone from now on; go
 * on), ERR_FULL (the disk has no room for it now), ERR_CANCEL (stop() said so), ERR_IO, ERR_NOMEM.
 */
int store_compact(struct store *s, const struct store_compact_options *o,
                  struct store_compact_result *out, struct err *e) WARN_UNUSED;

#define STORE_LEVELS 3u /* as sealed; about 16 M rows or an hour; about 256 M rows or a day */

struct store_stats {
    uint64_t segments, rows, options, octets; /* on disk */
    int64_t oldest_ms, newest_ms;             /* received times; 0 when empty */
    uint64_t segments_removed, rows_removed;  /* by retention since open */
    uint64_t segments_damaged;
    uint64_t octets_slow, segments_moved; /* in the second directory; moved since open */
    uint64_t segments_open, octets_open;  /* open now; memory that they take */
    uint64_t free_octets, disk_octets;    /* of the file system; 0 when not known */
    uint64_t slow_free_octets, slow_disk_octets;
    uint64_t octets_per_day; /* that came, over the last week; 0: not known yet */
    uint64_t quarantined;    /* files put aside since open */
    bool manifest_rebuilt;   /* at open: it was damaged or missing */
    uint64_t level_segments[STORE_LEVELS];
};
void store_get_stats(struct store *s, struct store_stats *out);

#endif
