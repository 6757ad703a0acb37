/* query/exec.h - runs a plan over a snapshot and hands the answer to a sink, row by row.
 * Floor 4. Threads: no global state; any number of questions may run at once. */
#ifndef WEIR_QUERY_EXEC_H
#define WEIR_QUERY_EXEC_H

#include "flow/apps.h"
#include "flow/record.h"
#include "query/plan.h"

enum cell_kind {
    CELL_ABSENT, /* the records had no such element: shown as a dash or null */
    CELL_UINT,
    CELL_REAL,
    CELL_TIME, /* u is Unix ms */
    CELL_ADDR, /* a, prefix */
    CELL_TEXT, /* text, text_len; borrowed until the callback returns */
};
struct cell {
    uint8_t kind;   /* enum cell_kind */
    uint8_t prefix; /* CELL_ADDR: length shown behind the address; 255 = none */
    uint64_t u;
    double real;
    double error; /* of a measure: relative, at 95 %, because packets were sampled; 0: none */
    struct addr a;
    const char *text;
    size_t text_len;
    const char *name; /* CELL_UINT: what the exporter calls it; borrowed as text, any octets */
    size_t name_len;  /* 0: no name */
};

/* What a number is: forms may say more than the number. */
enum answer_what { WHAT_NUMBER, WHAT_AS };

enum answer_role { ROLE_BIN, ROLE_KEY, ROLE_MEASURE, ROLE_FIELD };
struct answer_column {
    const char *name; /* borrowed from the plan */
    uint8_t role;     /* enum answer_role */
    uint8_t measure;  /* ROLE_MEASURE: enum measure_kind */
    uint8_t what;     /* enum answer_what */
};

#define ANSWER_MAX_COLUMNS (PLAN_MAX_COLUMNS + PLAN_MAX_KEYS + PLAN_MAX_MEASURES + 2u)

struct answer_head {
    const struct plan *plan;
    struct geo *geo; /* names of AS numbers; may be NULL; borrowed until the end */
    struct answer_column col[ANSWER_MAX_COLUMNS]; /* none for lists of all columns */
    uint32_t n_cols;
};

enum row_kind { ROW_NORMAL, ROW_REST };
struct answer_row {
    uint8_t kind;                          /* enum row_kind; keys of the rest are CELL_ABSENT */
    const struct cell *cell;               /* head's n_cols */
    const struct record *record;           /* list of all columns: the record as sent; else NULL */
    int64_t received_ms, start_ms, end_ms; /* with record; start, end effective */
};

struct answer_totals {
    uint64_t flows, bytes, packets;    /* scaled, or raw with plan.raw */
    double bytes_error, packets_error; /* as in cells; of totals and rankings */
};
struct query_stats {
    double seconds;
    uint64_t segments, segments_pruned;
    uint64_t blocks, blocks_pruned;
    uint64_t rows, rows_scanned, rows_matched;
    bool geo_today; /* some sealed records' AS numbers or countries are looked up today only */
    bool geo_none;  /* a country was asked for, and nothing is known of some addresses' */
    uint64_t rows_unreadable;
    uint32_t segments_unreadable;
    /* Flows that several observation points reported were counted once: then so many records of the
     * others, with so many bytes (as the question counts them), were set aside. Else why not; "" =
     * it was asked not to. */
    bool dedup;
    const char *dedup_why; /* static text */
    uint64_t aside_rows, aside_bytes;
    bool incomplete;
    char message[256]; /* of the first damage met, or what else is missing; "" = none */
};
struct answer_end {
    const struct answer_totals *totals;
    const struct cell *total; /* the head's columns summed; keys absent; NULL for lists */
    const struct query_stats *stats;
};

/* Where the answer goes. A callback that returns other than ERR_OK ends the query with that code.
 */
struct answer_sink {
    int (*begin)(struct answer_sink *s, const struct answer_head *h);
    int (*row)(struct answer_sink *s, const struct answer_row *r);
    int (*end)(struct answer_sink *s, const struct answer_end *end);
};

/* What the operator says of an interface: the better one to count a flow at first. */
enum point_role_kind {
    POINT_EDGE, /* external edge */
    POINT_NONE, /* nothing is said */
    POINT_INTERNAL,
    POINT_DISJOINT, /* nothing it sees is seen elsewhere: always counted, hides nothing */
    POINT_IGNORE,   /* never counted where flows are counted once */
};
struct point_role {
    struct addr exporter;
    uint32_t if_index;
    uint8_t role; /* enum point_role_kind */
};

/* However many segments a question is about, it holds no more of them open at once. */
#define QUERY_OPEN_MAX 256u

struct query_control {
    _Atomic bool cancel; /* set by anyone: the query ends with ERR_CANCEL within 4096 rows */
    uint64_t memory_max; /* octets for groups and sorted rows; 0 = 1 GiB */
    uint32_t threads;    /* at most; 0 = as many as the process may use */
    uint32_t open_max;   /* segments open at once; 0 or more than that = QUERY_OPEN_MAX */
    /* Following (weir tail): only rows received in [received_from_ms, received_to_ms). 0, 0 = all.
     * What arrived is visible within one second, so a follower asks up to a second ago and goes on
     * there. */
    int64_t received_from_ms, received_to_ms;
    int64_t idle_ms;                /* a longer pause ends a session; 0 = 5 minutes */
    const struct point_role *roles; /* before what is defined; borrowed; n_roles of them */
    size_t n_roles;
    struct apps *apps;            /* applications; NULL: only names that exporters tell. Borrowed */
    enum geo_as_source as_source; /* which AS number of a record counts */
    const char *missing; /* why the snapshot is known to lack something; NULL: it does not */
};

/* Run a plan. `ctl` and `stats` may be NULL.
 * Damaged chunks do not fail a query: their rows are left out, counted, and stats->incomplete is
 * set. Errors: ERR_CANCEL, ERR_LIMIT (memory_max: narrow the question, or raise query.memory),
 * ERR_NOMEM, ERR_IO, ERR_NOTFOUND (zone), what the sink returned. */
int query_run(const struct plan *p, const struct snapshot *snap, struct answer_sink *sink,
              struct query_control *ctl, struct query_stats *stats, struct err *e) WARN_UNUSED;

#endif
