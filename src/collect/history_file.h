/* collect/history_file.h - the octets of a day of history: records to be appended, and back.
 * Floor 4. Pure. store/FORMAT.md describes them. */
#ifndef WEIR_COLLECT_HISTORY_FILE_H
#define WEIR_COLLECT_HISTORY_FILE_H

#include "base/buf.h"
#include "collect/gaps.h"

#define HISTORY_HEAD_OCTETS 16u
#define HISTORY_DRAFT       2u

/* Weir's own counters of a minute, in the order of their gap reasons. */
enum history_own { OWN_KERNEL, OWN_RING, OWN_JOURNAL, OWN_REFUSED, OWN_DAMAGED, OWN_N };

/* What one exporter, or all that have no row of their own, did in a minute. */
struct history_exporter {
    struct exporter_key key;
    bool trusted;
    uint32_t number; /* in the file; UINT32_MAX: not named yet */
    uint64_t datagrams, records, restarts, undecoded;
    uint64_t templates; /* that changed, or were withdrawn */
    int64_t lost;       /* negative: more came late than were found missing */
    uint64_t silent_ms; /* for how long it has been silent at the end; 0: it is not */
};

struct history_minute {
    int64_t from_ms, to_ms;
    uint64_t own[OWN_N];
    const struct history_exporter *x;
    uint32_t n, n_others;
    struct history_exporter others; /* sums of n_others exporters */
    bool hour; /* many minutes in one; its gaps stand in records of their own */
};

void history_put_head(struct buf *out);
/* A server begins: numbers of exporters start again, and from last_ms (0: unknown) on none ran. */
void history_put_begin(struct buf *out, int64_t last_ms, int64_t now_ms);
void history_put_exporter(struct buf *out, const struct history_exporter *x);
/* x[].number must have been put before. */
void history_put_minute(struct buf *out, const struct history_minute *m);
void history_put_gap(struct buf *out, const struct gap *g);

/* What a day's file says, record by record. */
struct history_scan {
    struct gap_list *gaps; /* gets all of them */
    int64_t last_ms;       /* end of the last row; 0: none; goes on from file to file */
    void (*minute)(void *ctx, const struct history_minute *m); /* NULL: not wanted */
    void (*bad)(void *ctx, size_t from, size_t to); /* octets that are no record; may be NULL */
    void *ctx;
    uint32_t damaged; /* such places */
    bool has_minutes; /* not thinned to hours yet */
    bool no_memory;
    size_t good_octets; /* behind the last good record; 0: the head is not ours */
};
/* The draft a file is in; 0: it is none of ours, or the head is damaged. */
uint32_t history_draft(const uint8_t *p, size_t n);
/* Read one file. Damaged records and a torn end are left out. */
void history_scan(struct history_scan *s, const uint8_t *p, size_t n);

/* The gaps of one minute. Errors: ERR_NOMEM. */
int history_fold(struct gap_list *gaps, const struct history_minute *m) WARN_UNUSED;

/* A day with its minutes as hours. Errors: ERR_NOMEM. */
int history_thin(struct buf *out, const uint8_t *p, size_t n) WARN_UNUSED;

#endif
