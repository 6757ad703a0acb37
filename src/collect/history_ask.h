/* collect/history_ask.h - the history of a directory, asked with or without a server: what was
 * missing, and the counters of every minute or hour. Floor 4.
 * Threads: no state; only files are read, also while a server writes them. */
#ifndef WEIR_COLLECT_HISTORY_ASK_H
#define WEIR_COLLECT_HISTORY_ASK_H

#include "collect/history_file.h"

/* Gaps that overlap [from, to) of a directory without a server: only files that can matter are
 * read; gap_list_free() them. Errors: ERR_IO, ERR_NOMEM, ERR_ARG. */
int history_gaps_of(const char *dir, int64_t from_ms, int64_t to_ms, struct gap_list *out,
                    struct err *e) WARN_UNUSED;

/* What was counted in a minute, an hour (older than HISTORY_MINUTE_DAYS), or a step of those. */
struct history_row {
    int64_t from_ms, to_ms; /* [from, to) */
    bool down;              /* Weir did not run: nothing is counted */
    bool unknown;           /* the exporter asked for had no counters of its own */
    uint64_t datagrams, records, restarts, undecoded, templates;
    int64_t lost;        /* negative: more came late than were found missing */
    uint32_t silent;     /* exporters that were silent at the end; of a step: at most */
    uint64_t own[OWN_N]; /* Weir's own; not of one exporter */
};
struct history_series {
    struct history_row *row; /* in order of time */
    size_t n, room;
    bool of_exporter;
    int64_t step_ms; /* 0: as kept */
};
/* Rows that overlap [from, to), as kept, with the time Weir did not run between them; of `exporter`
 * (all its domains and versions) or, NULL, of all together. `serves`: a server runs now.
 * history_series_free() it. Errors: ERR_IO, ERR_NOMEM, ERR_ARG. */
int history_series_of(const char *dir, int64_t from_ms, int64_t to_ms, const struct addr *exporter,
                      bool serves, struct history_series *out, struct err *e) WARN_UNUSED;
/* Sum rows up by the step (multiples of it since 1970) in which they begin. */
void history_series_sum(struct history_series *s, int64_t step_ms);
void history_series_free(struct history_series *s);

#endif
