/* query/plan.h - a question as understood: filter x view x time. Made by parse, run by exec.
 * Floor 4. */
#ifndef WEIR_QUERY_PLAN_H
#define WEIR_QUERY_PLAN_H

#include "meta/defs.h"
#include "query/expr.h"

#define PLAN_MAX_KEYS     8u
#define PLAN_MAX_MEASURES 16u
#define PLAN_MAX_COLUMNS  128u

enum key_kind {
    KEY_VALUE,   /* one value */
    KEY_EITHER,  /* src and dst value: a record counts once for each different value it holds */
    KEY_PAIR,    /* unordered pair of src and dst address */
    KEY_MATCHED, /* the side(s) whose address leaf of the filter matched; both when no leaf names
                    one */
};

enum key_role {
    KEY_NO_ROLE,
    KEY_CLIENT, /* the side that opened the session that the record belongs to; */
    KEY_SERVER, /* a is then the value of src, b of dst */
};

struct key {
    uint8_t kind;           /* enum key_kind */
    uint8_t role;           /* KEY_VALUE: enum key_role */
    struct value_alts a, b; /* KEY_VALUE uses a */
    uint8_t mask4, mask6;   /* address keys: prefix length for IPv4 (0..32) and IPv6 (0..128) */
    char name[64];          /* as written, normalised: "src ip/24" */
};

enum measure_kind {
    MEASURE_BYTES,
    MEASURE_BITS,
    MEASURE_PACKETS,
    MEASURE_FLOWS,
    MEASURE_ACTIVE_FLOWS,
    MEASURE_SESSIONS,
    MEASURE_INITIATED, /* of groups by one side or by either: sessions that it opened, */
    MEASURE_ACCEPTED,  /* that it was asked for */
    MEASURE_BPS,
    MEASURE_PPS, /* average over the frame */
    MEASURE_BPP,
    MEASURE_DURATION_MS, /* sum of durations */
    MEASURE_DISTINCT,    /* exact number of different values of key `distinct` */
    MEASURE_FIRST_SEEN,
    MEASURE_LAST_SEEN, /* smallest start, largest end in the frame */
};
struct measure {
    uint8_t kind; /* enum measure_kind */
    bool raw;     /* as exported, not scaled */
    struct key distinct;
    char name[80]; /* "bytes", "raw packets", "distinct dst ip" */
};

enum view_kind { VIEW_TOTALS, VIEW_RANK, VIEW_LIST, VIEW_SESSIONS };

/* Is a flow that several observation points report counted once? */
enum dedup {
    DEDUP_AUTO, /* rankings, series and totals: yes, unless the question names such points */
    DEDUP_ON,
    DEDUP_OFF,
};

/* One column of a list. */
struct list_column {
    struct value_alts value;
    char name[64]; /* short name, or IANA name as written */
};

struct having {
    struct expr *x; /* leaves: EXPR_RANGE whose value.v[0].calc is an index into measures[] */
};

struct plan {
    struct expr *filter; /* never NULL; EXPR_CONST yes = everything */
    uint8_t view;        /* enum view_kind */
    /* Of stitched sessions: leaves are EXPR_RANGE of VALUE_SESSION. NULL = all. */
    struct expr *session_filter;
    bool stitch; /* a key, measure, filter or the view needs sessions */

    struct key keys[PLAN_MAX_KEYS];
    uint32_t n_keys;
    struct measure measures[PLAN_MAX_MEASURES]; /* first one orders; at least one */
    uint32_t n_measures;
    uint32_t n_hidden; /* last n_hidden measures are only for having; not shown */
    uint64_t top;      /* 0 = all */
    bool bottom;
    struct expr *having; /* NULL = none; see struct having for its leaves */
    bool has_having;

    int64_t step_ms; /* > 0: series over the ranking's top keys, or of the total; -1: "auto"
                        without a frame: query_auto_step() of the span of what matches */

    struct list_column cols[PLAN_MAX_COLUMNS];
    uint32_t n_cols;
    bool all_columns;    /* every element of each record, as sent */
    bool option_records; /* list option records instead of flow records */
    bool ipfix_names;    /* names in the output are IANA's */
    struct value_alts sort;
    bool sorted, sort_desc;
    uint64_t limit; /* 0 = all */

    bool framed;            /* a time frame was given */
    int64_t from_ms, to_ms; /* [from, to); INT64_MIN, INT64_MAX = open */
    bool whole;             /* overlapping records count entirely */
    bool raw;               /* all measures as exported */
    uint8_t dedup;          /* enum dedup */
    bool no_order;          /* --order none: as they come */
    struct defs *defs;      /* reference held; NULL: nothing of them is asked */
    struct expr **mixed;    /* owned: of key "group", see query/group_term.c; pairs src, dst */
    uint32_t n_mixed;       /* pairs */
    uint32_t *mixed_group;  /* owned: the group of each pair */
    char tz[64];            /* zone for hour, weekday, printing; "" = UTC */
};

/* Move the ends of the frame outwards, if there is one. */
void plan_widen(struct plan *p, int64_t before_ms, int64_t after_ms);

void plan_free(struct plan *p); /* contents and *p; NULL is allowed */

#endif
