/* collect/gaps.h - when something is missing, and why: intervals that grow as time goes on.
 * Floor 4. Pure. Threads: the owner's. */
#ifndef WEIR_COLLECT_GAPS_H
#define WEIR_COLLECT_GAPS_H

#include "base/err.h"
#include "flow/batch.h"

#define GAPS_MAX     65536u /* kept; then the oldest quarter goes */
#define GAP_JOIN_MS  90000  /* closer ones of one kind are one gap */
#define GAP_NAME_MAX 64

enum gap_reason {
    GAP_LOST,      /* sequence numbers are missing; count: datagrams (v9) or records (v5, IPFIX) */
    GAP_RESTART,   /* the exporter started anew; count: times */
    GAP_SILENT,    /* nothing came from it */
    GAP_UNDECODED, /* sets without a template, or malformed; count: sets */
    GAP_KERNEL,    /* the kernel's receive buffer was full; count: datagrams */
    GAP_RING,      /* the ring was full; count: datagrams */
    GAP_JOURNAL,   /* not journaled: a crash would have lost them; count: datagrams */
    GAP_REFUSED,   /* datagrams not taken, records that the store refused; count: both */
    GAP_EXPIRED,   /* removed by retention; count: records */
    GAP_DAMAGED,   /* segments became unreadable; count: segments */
    GAP_DOWN,      /* Weir was not running */
    GAP_REASON_N
};
enum gap_whose {
    GAP_OF_WEIR,
    GAP_OF_EXPORTER,
    GAP_OF_OTHERS, /* exporters that had no row of their own in the minute */
};
struct gap {
    int64_t from_ms, to_ms;  /* [from, to) */
    struct exporter_key key; /* GAP_OF_EXPORTER, else zeros */
    uint64_t count;          /* 0: nothing is counted */
    uint8_t reason, whose;   /* enums */
};

struct gap_list {
    struct gap *g; /* in order of their beginning, as they were told */
    size_t n, room;
    uint32_t *slot; /* hash of (whose, key, reason): number of the last + 1 */
    size_t mask;
    uint64_t left_out;        /* gaps that went because there were too many */
    int64_t left_out_till_ms; /* ends of these */
};

/* Enter a gap; one that touches the last of its kind makes that longer. Errors: ERR_NOMEM. */
int gap_add(struct gap_list *l, const struct gap *g) WARN_UNUSED;
/* n of the last gap of that kind were no loss after all. */
void gap_take_back(struct gap_list *l, const struct gap *kind, uint64_t n);
/* Those that overlap [from, to), into `out` (zeroed before). Errors: ERR_NOMEM. */
int gap_between(const struct gap_list *l, int64_t from_ms, int64_t to_ms,
                struct gap_list *out) WARN_UNUSED;
/* Only those of one exporter stay, of all its domains and versions. The list is a copy that
 * gap_between() made: nothing is entered any more. */
void gap_only_of(struct gap_list *copy, const struct addr *exporter);
void gap_list_free(struct gap_list *l);

const char *gap_reason_name(unsigned reason); /* "kernel_dropped"; "none" */
/* What its count counts: "datagrams"; "" where nothing is counted. */
const char *gap_unit(const struct gap *g);

#endif
