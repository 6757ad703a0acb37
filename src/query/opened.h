/* query/opened.h - the rowsets of a snapshot that a question needs, open a wave at a time: however
 * many segments a question is about, only some of their files are mapped at once.
 * Floor 4, inside query/ only. Threads: the question's own; workers read what is open. */
#ifndef WEIR_QUERY_OPENED_H
#define WEIR_QUERY_OPENED_H

#include "query/exec.h"

/* Addresses of a wave at most: they are in memory while its rowsets are open. */
#define OPENED_ADDRS (UINT64_C(32) << 20)

struct opened {
    /* Those needed, references held: readable inside the wave; outside it they know their counts
     * and time bounds only. */
    struct snapshot sets;
    struct rowset **shut; /* borrowed from the question's snapshot: as they came */
    bool *unreadable;     /* could not be opened: counted, and not tried again */
    size_t lo, hi;        /* open are lo .. hi-1 */
    size_t max;
};

/* `wide` is p within the frame that must be looked at to answer it. Counts all of `snap` in *st
 * (segments, rows, those left out by their time bounds) and opens none. `snap` is borrowed until
 * opened_free(), which is to be called on failure too. Errors: ERR_NOMEM.
 */
int opened_make(struct opened *o, const struct plan *p, const struct plan *wide,
                const struct query_control *ctl, const struct snapshot *snap,
                struct query_stats *st) WARN_UNUSED;
void opened_free(struct opened *o);

/* Make first .. *end-1 the wave: as many as may be open at once, with `max_addrs` addresses if that
 * is more than one rowset; others are closed. A wave that is open already costs nothing. Those that
 * cannot be opened are marked and counted in *st. Errors: ERR_NOMEM. */
int opened_wave(struct opened *o, size_t first, uint64_t max_addrs, size_t *end,
                struct query_stats *st, struct err *e) WARN_UNUSED;

#endif
