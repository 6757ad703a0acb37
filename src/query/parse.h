/* query/parse.h - from the words of a question to its plan, and back to words.
 * Floor 4. No I/O except reading a zone file (query_plan, through os/). Threads: no state; every
 * function may be called by many threads at once, each with its own arguments. */
#ifndef WEIR_QUERY_PARSE_H
#define WEIR_QUERY_PARSE_H

#include "base/buf.h"
#include "base/err.h"
#include "query/plan.h"

#define QUERY_TEXT_MAX (1u << 20) /* octets of one piece of text */

/* The pieces of a question. Command line and URL share this table: query_param_info says the names.
 */
enum query_param {
    QUERY_FILTER,  /* filter or full form "filter | by … | …" */
    QUERY_BY,      /* keys: "src ip/24,dst port" */
    QUERY_MEASURE, /* measures: "bytes,distinct dst ip" (or "distinct:dst ip") */
    QUERY_TOP,
    QUERY_BOTTOM,
    QUERY_ORDER, /* measure that orders, or "none" */
    QUERY_HAVING,
    QUERY_SERIES,   /* step: "5m", "auto" */
    QUERY_LIST,     /* flag */
    QUERY_SESSIONS, /* flag */
    QUERY_COLUMNS,
    QUERY_SORT, /* "bytes desc", "-bytes" */
    QUERY_LIMIT,
    QUERY_FROM,
    QUERY_TO,
    QUERY_LAST,
    QUERY_TIME, /* URL's t=: "last:1h", "A..B", "this:day", "today" */
    QUERY_TZ,
    QUERY_WHOLE, /* flag */
    QUERY_RAW,   /* flag */
    QUERY_DEDUP, /* "on", "off" */
    QUERY_NAMES, /* "weir" or "ipfix" */
    QUERY_KIND,  /* "flow" or "option" */
    QUERY_VIEW,  /* URL's view=: totals, rank, series, list */
    QUERY_PARAM_N
};

struct query_param_info {
    const char *name;  /* option without "--", and URL parameter */
    const char *alias; /* URL's short name, or NULL */
    bool flag;         /* takes no value on the command line */
    const char *value; /* what stands behind the option in the help, or NULL */
    const char *doc;
};
extern const struct query_param_info query_param_info[QUERY_PARAM_N];

struct query_params {
    char *text[QUERY_PARAM_N]; /* owned; NULL = not given. A flag that is set holds "1" */
    uint8_t where;             /* enum query_param that query_plan's error is about */
};

/* Set one piece by name ("by", URL aliases too; case ignored). Value is copied; NULL for a flag
 * means "1", and "0", "no", "false", "off" unset a flag. The last one set counts. Errors: ERR_ARG
 * (no such name: message with the nearest one; words of later versions: ERR_UNSUPPORTED "not yet:
 * compare"), ERR_LIMIT (longer than QUERY_TEXT_MAX), ERR_NOMEM. */
int query_params_set(struct query_params *p, const char *name, const char *value,
                     struct err *e) WARN_UNUSED;
void query_params_free(struct query_params *p); /* contents only; all zero afterwards */

/* Understand a question. On success *out is owned by the caller (plan_free). On failure *out is
 * NULL, e->pos and e->len say where in p->text[p->where]. now_ms is what relative times count from.
 * Errors: ERR_SYNTAX, ERR_UNSUPPORTED (a word of a later version), ERR_LIMIT, ERR_NOMEM. */
int query_plan(struct plan **out, struct query_params *p, int64_t now_ms,
               struct err *e) WARN_UNUSED;

/* The error as several lines: message, the line of the text it is in, a caret under the place. */
void query_error_show(struct buf *out, const struct query_params *p, const struct err *e);

/* The filter as understood, with all brackets and sides, in the language itself: it parses again to
 * an equal filter. */
void query_filter_text(struct buf *out, const struct expr *x);

/* For --check: filter, view, time as understood, and the keys and measures there are. */
void query_check(struct buf *out, const struct plan *p);

/* Does argv (arguments of "weir query", without program and sub-command) hold options of nfdump?
 * Then true, and `out` gets the equal Weir command with a line about it; the caller prints it and
 * exits 2. */
bool query_from_nfdump(struct buf *out, int argc, char *const *argv);

/* A moment: RFC 3339, "2026-03-03", "2026-03-03T14:00", "2026/03/03.14:00:05", "14:00" (today),
 * "now-2h", "-2h", "now", "today", "yesterday", or seconds since 1970 ("@1772546400").
 * A date without a clock time is its first moment in the zone.
 * Errors: ERR_SYNTAX with pos, ERR_NOTFOUND (zone). */
int query_time(int64_t *out_ms, const char *s, const char *tz, int64_t now_ms,
               struct err *e) WARN_UNUSED;

/* "1500", "15m", "2d12h" to ms; bare numbers are ms. False if it is none. */
bool query_duration(int64_t *out_ms, const char *s, size_t len) WARN_UNUSED;

/* Step for a series "auto" over a span: about 100 bins, one of 1s 5s 10s 30s 1m 5m 10m 30m 1h 6h
 * 1d. */
int64_t query_auto_step(int64_t span_ms);

/* Time zones by the system's database (TZif, RFC 8536), without the C library's global state. */
struct zone;
/* "" and "UTC" are UTC; "+01:00" fixed; else a name of /usr/share/zoneinfo; "local" =
 * /etc/localtime. Errors: ERR_NOTFOUND, ERR_FORMAT, ERR_NOMEM. */
int zone_open(struct zone **out, const char *name, struct err *e) WARN_UNUSED;
void zone_free(struct zone *z); /* NULL is allowed */
/* Seconds to add to UTC at that moment. z NULL = UTC. */
int32_t zone_offset_s(const struct zone *z, int64_t utc_ms);
/* Local wall time (ms as if it were UTC) to UTC; a time that does not exist or exists twice gives
 * the earlier offset's reading. */
int64_t zone_to_utc_ms(const struct zone *z, int64_t local_ms);

#endif
