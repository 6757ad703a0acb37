/* collect/journal.h - the journal of one shard: datagrams in preallocated files that are written
 * over and over, until the records made of them are sealed.
 * Floor 4. Files: DIR/NN-SSSS.jnl (shard, slot); every octet is described in store/FORMAT.md.
 * Threads: one writes; reading belongs to one thread and may go on beside writing, as long as only
 * what was read is released. */
#ifndef WEIR_COLLECT_JOURNAL_H
#define WEIR_COLLECT_JOURNAL_H

#include "base/err.h"
#include "collect/frame.h"

#define JOURNAL_DRAFT 2u

struct journal;

struct journal_limits {
    uint64_t max_octets;  /* of all files of this shard */
    uint64_t file_octets; /* of one; 0 = chosen by max_octets, at most 64 MiB */
};

/* Open for writing behind the last whole frame; DIR must exist. *last is its serial (0 = none).
 * Errors: ERR_VERSION, ERR_IO, ERR_NOMEM. */
int journal_open(struct journal **out, const char *dir, unsigned shard,
                 const struct journal_limits *lim, uint64_t *last, struct err *e) WARN_UNUSED;
void journal_close(struct journal *j); /* NULL is allowed; does not sync */

/* Append whole frames (as ring_copy() makes them; key and sum are set here), serials first .. last.
 * They are in the hands of the system then, and on disk after journal_sync(). On an error those
 * above journal_last() are not written. Errors: ERR_LIMIT (max_octets, nothing released), ERR_IO.
 */
int journal_write(struct journal *j, uint8_t *frames, size_t len, uint64_t first, uint64_t last,
                  struct err *e) WARN_UNUSED;
/* ERR_IO: what was written since the last sync may not be there after a power cut, and no later
 * sync makes up for it. */
int journal_sync(struct journal *j, struct err *e) WARN_UNUSED;
/* How many frames that was, since the last call. Syncs happen in journal_write() too. */
uint64_t journal_given_up(struct journal *j);
/* Everything up to this serial is sealed: its files may be written over. */
void journal_release(struct journal *j, uint64_t serial);

/* All of it is sealed and no more comes: remove the files. Errors: ERR_IO (some stay). */
int journal_empty(struct journal *j, struct err *e);

struct journal_state {
    uint64_t octets, max_octets; /* in use (not released); ceiling */
    uint32_t files;              /* there are, in use or not */
    uint64_t first, last;        /* serials in use; first > last = none */
};
void journal_get_state(const struct journal *j, struct journal_state *out);

uint64_t journal_last(const struct journal *j); /* serial of the last frame written; writer only */

/* Call fn for every frame with a serial above `after` and up to `upto`, ascending (those of
 * listener FRAME_DROPS too); fn returns ERR_OK or what ends the reading. Damage is stepped over.
 * Errors: ERR_IO, ERR_NOMEM, what fn returned. */
struct journal_found {
    uint64_t frames, octets; /* given to fn */
    uint64_t last;           /* serial of the last whole frame, also of those not given */
    uint64_t damaged_places; /* where frames could not be read */
    uint64_t frames_lost;    /* in these, as the serials say */
};
int journal_read(const char *dir, unsigned shard, uint64_t after, uint64_t upto,
                 int (*fn)(void *ctx, const struct frame *f, const uint8_t *octets), void *ctx,
                 struct journal_found *found, struct err *e) WARN_UNUSED;

/* Look through the files of a shard for what is damaged or missing behind serial `after`, up to the
 * last frame. `quiet`: nobody writes there, so that an end that is no frame is told too. */
enum journal_damage_kind {
    JOURNAL_HEAD_BAD,   /* made good from the first frame; nothing is lost */
    JOURNAL_NO_FRAMES,  /* neither head nor frames can be read */
    JOURNAL_OCTETS_BAD, /* between two frames */
    JOURNAL_MISSING,    /* the frames in front of this file: the end of the one before, or a file */
    JOURNAL_END_TORN,   /* the last frame was cut short by a crash, or is damaged */
};
struct journal_damage {
    char file[16]; /* its name */
    enum journal_damage_kind kind;
    uint64_t from, to; /* octets of the file; to 0: not known */
    uint64_t lost;     /* datagrams, at least */
};
int journal_check(const char *dir, unsigned shard, uint64_t after, bool quiet,
                  void (*report)(void *ctx, const struct journal_damage *d), void *ctx,
                  struct journal_found *found, struct err *e) WARN_UNUSED;

/* How many shards have files there: the highest number and one. Errors: ERR_IO. */
int journal_shards(const char *dir, unsigned *n, struct err *e) WARN_UNUSED;
/* Can all of them be read? Looks at heads only. Errors: ERR_VERSION, ERR_IO, ERR_NOMEM. */
int journal_readable(const char *dir, struct err *e) WARN_UNUSED;
/* Remove the files of a shard. */
int journal_remove(const char *dir, unsigned shard, struct err *e);

#endif
