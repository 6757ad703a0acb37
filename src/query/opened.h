/* query/opened.h - the rowsets of a snapshot that a question needs, opened.
 * Floor 4, inside query/ only. */
#ifndef WEIR_QUERY_OPENED_H
#define WEIR_QUERY_OPENED_H

#include "query/exec.h"

/* Counts all of `snap` in *st (segments, rows, those left out by their time bounds, those that
 * cannot be opened). *out holds references; snapshot_free() it, on failure too. Errors: ERR_NOMEM.
 */
int opened_make(struct snapshot *out, const struct plan *p, const struct query_control *ctl,
                const struct snapshot *snap, struct query_stats *st, struct err *e) WARN_UNUSED;

#endif
