/* query/scan.h - vectors of rows: columns read when first asked for, values of rows, the filter.
 * Floor 4, inside query/ only. A scan belongs to one thread; workers have one each. */
#ifndef WEIR_QUERY_SCAN_H
#define WEIR_QUERY_SCAN_H

#include "query/exec.h"
#include "query/parse.h"

enum value_type { TYPE_NUMBER, TYPE_TIME, TYPE_ADDR, TYPE_TEXT };

struct node {
    const struct expr *x;
    struct node *kid;
    uint32_t n_kids;
    uint8_t *table; /* EXPR_NET on a column: per code of the rowset, 0 or 1 */
    uint32_t table_n, table_cap;
    uint32_t hits;           /* codes that match */
    uint32_t run_lo, run_hi; /* they are run_lo .. run_hi - 1; run_hi = 0: not in one run */
    uint8_t buf[2][ROWSET_VECTOR];
    /* text of an AS name: the numbers for which it holds, or (empty) those for which it does not */
    uint32_t *as, n_as;
    bool empty, names_known;
};

struct define;
struct scan {
    const struct plan *p;
    struct query_control *ctl;
    struct query_stats *stats;
    struct err *e;
    const struct zone *zone; /* borrowed; NULL = UTC */
    struct node *root;       /* NULL = everything matches */
    const struct rowset *rs;
    uint32_t set; /* its number in the snapshot */
    uint32_t block, first, n;
    uint64_t loaded, loaded32; /* bit per column in col[], in col32[] */
    uint64_t *col[COL_N];
    uint32_t *col32[COL_N]; /* those of up to 32 bits */
    uint64_t same;          /* bit per column: col[] holds same_value in all of its room */
    uint64_t same_value[COL_N];
    uint64_t *shape_cols; /* per shape of the rowset: columns that it fills */
    uint32_t shape_cap;
    uint64_t common_cols;           /* columns that all shapes of the rowset fill */
    const struct fact_table *wire;  /* what exporters told; may be NULL */
    const struct fact_table *facts; /* NULL: they say no rate of any exporter of the rowset */
    const struct rate_rules *rules; /* the same, of the operator's */
    bool forced;                    /* some of them stand before what records say */
    struct rate_memo *rate_memo;
    uint64_t *rate;
    const uint64_t *rate_now; /* what scan_rate() gave last */
    bool rate_loaded;
    /* geo.c */
    const struct geo *geo;         /* today's; may be NULL */
    const uint32_t *geo_of[GEO_N]; /* by code of the rowset; NULL: not asked yet */
    uint32_t *geo_room[GEO_N], geo_cap[GEO_N];
    uint32_t *side[GEO_SIDES]; /* of the vector's rows */
    uint8_t sides_loaded;
    /* app.c */
    uint32_t *app_net, app_cap; /* by code of the rowset */
    bool app_nets_known;
    bool inside; /* the block lies in the frame: nothing is cut */
    bool extras_loaded;
    struct rowset_extras *extras;
    void *match; /* pcre2_match_data */
    struct buf text;
    uint64_t *pages;
    size_t page_cap;
    bool by_page;                /* only the pages of `pages` can match */
    bool nothing;                /* nothing of the rowset can match */
    struct define *define;       /* what definitions say; made when first asked */
    uint64_t vector;             /* counts vectors */
    uint16_t sel[ROWSET_VECTOR]; /* rows of the vector that count */
    uint32_t n_sel;
};

int scan_init(struct scan *s, const struct plan *p, struct query_control *ctl,
              struct query_stats *stats, struct err *e) WARN_UNUSED;
void scan_free(struct scan *s);

/* The walk over a snapshot, shared by the workers that do it. A morsel is a run of blocks of one
 * rowset; each goes to one worker, in order. */
struct morsel {
    uint32_t set, block, end; /* blocks [block, end) of snap->sets[set] */
};
struct walk {
    const struct snapshot *snap;
    struct morsel *m;
    size_t n;
    _Atomic size_t next;
    _Atomic bool stop; /* a worker failed: the others end too */
    bool count;        /* into the statistics */
};

/* What a worker does. All but `vector` may be NULL. ERR_CORRUPT from `vector` or from a read skips
 * the vector. */
struct visitor {
    void *ctx;
    int (*enter)(struct scan *s, void *ctx);  /* before the first vector of a rowset */
    int (*vector)(struct scan *s, void *ctx); /* a vector with rows that pass: s->sel */
    int (*leave)(struct scan *s, void *ctx);  /* behind the last one this worker sees for now */
};

/* Morsels of the rowsets first .. end-1 of the snapshot that the plan's time does not rule out, but
 * for those with done[]. `count`: into the statistics, in the first pass. */
int walk_init(struct walk *w, const struct plan *p, const struct query_control *ctl,
              const struct snapshot *snap, size_t first, size_t end, const bool *done,
              bool count) WARN_UNUSED;
void walk_free(struct walk *w);
/* Take morsels until none is left. Threads: each worker with a scan of its own. */
int scan_walk(struct scan *s, struct walk *w, const struct visitor *v) WARN_UNUSED;

/* Column of the vector. Errors: what read returned. */
int scan_col(struct scan *s, enum col c, const uint64_t **out) WARN_UNUSED;
int scan_col32(struct scan *s, enum col c, const uint32_t **out) WARN_UNUSED; /* up to 32 bits */
/* The column has one value in the whole block: *v. */
bool scan_const(const struct scan *s, enum col c, uint64_t *v);

/* rate.c: sampling rates of the vector's rows, 0 = not known; valid until the next vector. */
int scan_rate(struct scan *s, const uint64_t **out) WARN_UNUSED;
/* All rows of the block count as they are. */
bool scan_unscaled(const struct scan *s);
/* The rowset in s->rs: does anything said by options or by the operator concern it? */
int rate_enter(struct scan *s, const struct snapshot *snap) WARN_UNUSED;

/* geo.c: a new rowset; AS numbers or countries by code; those of the vector's rows (loads what they
 * are made of), and of one row once they were loaded. */
void geo_enter(struct scan *s, const struct geo *today);
int geo_codes(struct scan *s, enum geo_kind kind, const uint32_t **out) WARN_UNUSED;
int geo_side(struct scan *s, unsigned calc, const uint32_t **out) WARN_UNUSED;
uint32_t geo_row(const struct scan *s, unsigned calc, uint32_t row);
enum col geo_addr_col(unsigned calc); /* source or destination address */
enum geo_as_source geo_source(const struct scan *s);
/* For a leaf of text on the name of an AS: which numbers; does it hold for this one? */
int geo_names(struct scan *s, struct node *x) WARN_UNUSED;
bool geo_named(const struct node *x, uint32_t as);

/* app.c: load what an application is told from; its name into s->text, false: it has none. */
int app_load(struct scan *s) WARN_UNUSED;
bool app_text(struct scan *s, uint32_t row);

enum value_type value_type(const struct value_alts *a);

/* One value of one row; what it needs has been loaded by scan_load_alts. False = absent.
 * Text stands in s->text until the next call. */
struct cellv {
    uint64_t u;
    struct addr a;
};
int scan_load_alts(struct scan *s, const struct value_alts *a) WARN_UNUSED;
int scan_load_value(struct scan *s, const struct value *v) WARN_UNUSED;
bool scan_value(struct scan *s, const struct value_alts *a, uint32_t row, struct cellv *out);

/* The row gathered; all columns must be loaded (scan_load_all). */
int scan_load_all(struct scan *s) WARN_UNUSED;
void scan_record(struct scan *s, uint32_t row, struct record *r);

/* A node and all below it over an expression. Errors: ERR_NOMEM; free it then too. */
int node_make(struct node *x, const struct expr *e) WARN_UNUSED;
void node_free(struct node *x);
/* Rows where a node holds, restricted to live. */
int node_eval(struct scan *s, struct node *x, const uint8_t *live, uint8_t *out) WARN_UNUSED;

#endif
