/* present/present.h - answers as table, CSV, JSON or NDJSON: one interface for command line and
 * HTTP. Floor 5. No I/O: text goes to a callback in pieces. Threads: a presenter belongs to one
 * thread. */
#ifndef WEIR_PRESENT_PRESENT_H
#define WEIR_PRESENT_PRESENT_H

#include "collect/gaps.h"
#include "query/exec.h"

enum present_format { PRESENT_TABLE, PRESENT_CSV, PRESENT_JSON, PRESENT_NDJSON };

/* "table", "csv", "json", "ndjson". False if it is none. */
bool present_format_parse(const char *s, enum present_format *out) WARN_UNUSED;
const char *present_content_type(enum present_format f); /* for HTTP */

struct present;
/* Takes octets; other than ERR_OK ends the query. */
typedef int (*present_write)(void *ctx, const void *data, size_t len);

/* A sink for query_run. Memory is bounded: a table holds at most some hundred rows back to find its
 * widths. Errors: ERR_NOMEM, ERR_NOTFOUND (zone). */
int present_new(struct present **out, enum present_format f, const char *tz, present_write write,
                void *ctx, struct err *e) WARN_UNUSED;
struct answer_sink *present_sink(struct present *p);
/* What was missing in the frame of the question; shown at the end. Borrowed until present_free().
 */
void present_gaps(struct present *p, const struct gap_list *gaps);
/* Hand on what was written so far, for followers: all of it, or (not `all`) only when it is much.
 * The rows that a table holds back for its widths stay held. */
int present_flush(struct present *p, bool all) WARN_UNUSED;
void present_free(struct present *p); /* NULL is allowed */

#endif
