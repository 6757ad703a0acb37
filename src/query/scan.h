/* query/scan.h - vectors of rows: columns read when first asked for, values of rows, the filter.
 * Floor 4, inside query/ only. A scan belongs to one thread. */
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
    uint32_t hits; /* codes that match */
    uint8_t buf[2][ROWSET_VECTOR];
};

struct scan {
    const struct plan *p;
    struct query_control *ctl;
    struct query_stats *stats;
    struct err *e;
    struct zone *zone;
    struct node *root; /* NULL = everything matches */
    const struct rowset *rs;
    uint32_t block, first, n;
    uint64_t loaded; /* bit per column in col[] */
    uint64_t *col[COL_N];
    uint64_t *shape_cols; /* per shape of the rowset: columns that it fills */
    uint32_t shape_cap;
    bool extras_loaded;
    struct rowset_extras *extras;
    uint32_t *narrow; /* read buffer */
    void *match;      /* pcre2_match_data */
    struct buf text;
    uint64_t *pages;
    size_t page_cap;
    uint16_t sel[ROWSET_VECTOR]; /* rows of the vector that count */
    uint32_t n_sel;
};

int scan_init(struct scan *s, const struct plan *p, struct query_control *ctl,
              struct query_stats *stats, struct err *e) WARN_UNUSED;
void scan_free(struct scan *s);

/* Visit every vector with rows that pass; fn sees s->sel. ERR_CORRUPT from fn or from a read skips
 * the vector. `rowset` (may be NULL) is called before the first vector of each rowset. */
int scan_run(struct scan *s, const struct snapshot *snap, bool count,
             int (*rowset)(struct scan *s, void *ctx), int (*fn)(struct scan *s, void *ctx),
             void *ctx) WARN_UNUSED;

/* Column of the vector. Errors: what read returned. */
int scan_col(struct scan *s, enum col c, const uint64_t **out) WARN_UNUSED;

enum value_type value_type(const struct value_alts *a);

/* One value of one row; what it needs has been loaded by scan_load_alts. False = absent.
 * Text stands in s->text until the next call. */
struct cellv {
    uint64_t u;
    struct addr a;
};
int scan_load_alts(struct scan *s, const struct value_alts *a) WARN_UNUSED;
bool scan_value(struct scan *s, const struct value_alts *a, uint32_t row, struct cellv *out);

/* The row gathered; all columns must be loaded (scan_load_all). */
int scan_load_all(struct scan *s) WARN_UNUSED;
void scan_record(struct scan *s, uint32_t row, struct record *r);

/* Rows where a node holds, restricted to live. */
int node_eval(struct scan *s, struct node *x, const uint8_t *live, uint8_t *out) WARN_UNUSED;

#endif
