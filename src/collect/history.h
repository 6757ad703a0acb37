/* collect/history.h - what was missing and when, over restarts: each exporter's minutes and Weir's
 * own, in small files of the data directory, and as gaps in memory. Floor 4.
 *
 * Files: DIR/history/YYYY-MM-DD.his (UTC), described in store/FORMAT.md. Minutes older than a week
 * become hours with the gaps kept as they were; days older than `keep_ms` go, and the oldest ones
 * when all are larger than HISTORY_OCTETS.
 *
 * Threads: gaps are asked from any; the rest belongs to one at a time. Nothing that receives,
 * decodes or answers waits for its files. */
#ifndef WEIR_COLLECT_HISTORY_H
#define WEIR_COLLECT_HISTORY_H

#include "collect/collect.h"
#include "collect/history_ask.h"
#include "collect/recent.h"

#define HISTORY_OCTETS       (256u << 20) /* of all files */
#define HISTORY_MINUTE_DAYS  7
#define HISTORY_EXPORTERS    256u     /* with a row of their own in a minute; the rest is one row */
#define HISTORY_KNOWN        32768u   /* exporters watched for silence */
#define HISTORY_SILENT_MS    120000   /* no datagram for so long is silence ... */
#define HISTORY_SILENT_TIMES 3        /* ... and for so many times its usual pause */
#define HISTORY_GONE_MS      86400000 /* then it is gone, not silent */

struct history;

/* The history of a data directory, made if missing. What lies between its last minute and now_ms is
 * told as not running, unless the sockets were `kept` meanwhile by a process that outlives this
 * one. keep_ms 0: for ever (within HISTORY_OCTETS). Damaged records are left out; a day of
 * an older draft is put aside. Errors: ERR_VERSION (a newer draft), ERR_IO, ERR_NOMEM. */
int history_open(struct history **out, const char *dir, bool kept, int64_t keep_ms, int64_t now_ms,
                 struct err *e) WARN_UNUSED;
/* Was any file of it written by a newer weir? Changes nothing. Errors: ERR_VERSION, ERR_IO,
 * ERR_NOMEM. */
int history_readable(const char *dir, struct err *e) WARN_UNUSED;
/* How things stand now: the differences to the last call make one row. The first call, and any
 * while the journal is replayed, only say where counters stand: what was decoded twice is told
 * once.
 */
void history_note(struct history *h, const struct collect_status *s);
/* Write what was noted. Errors: ERR_IO (it is kept, and written with the next). */
int history_flush(struct history *h, struct err *e);
/* The same once a minute in a thread of its own, until history_close(). Errors: ERR_LIMIT,
 * ERR_IO. */
int history_follow(struct history *h, struct collect *k, struct err *e) WARN_UNUSED;
/* Ends the thread; a last row is noted before. Call it while `k` still lives. NULL is allowed. */
void history_close(struct history *h);

/* Gaps that overlap [from, to); gap_list_free() them. Errors: ERR_NOMEM. */
int history_gaps(struct history *h, int64_t from_ms, int64_t to_ms, struct gap_list *out,
                 struct err *e) WARN_UNUSED;
/* What exporters sent and lost lately; recent_free() it. Errors: ERR_NOMEM. */
int history_recent(struct history *h, struct recent_list *out, struct err *e) WARN_UNUSED;
/* The counters of its minutes and hours; see history_series_of(). */
int history_series(struct history *h, int64_t from_ms, int64_t to_ms, const struct addr *exporter,
                   struct history_series *out, struct err *e) WARN_UNUSED;

#endif
