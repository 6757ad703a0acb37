/* query/match.h - what the parts of a scan share: values, the filter's nodes, pruning.
 * Floor 4, inside query/ only. */
#ifndef WEIR_QUERY_MATCH_H
#define WEIR_QUERY_MATCH_H

#include "query/scan.h"

#define COL_BIT(c) (UINT64_C(1) << (c))

/* Columns that every record has, whatever its shape. */
#define ALWAYS_COLS                                                                          \
    (COL_BIT(COL_RECEIVED) | COL_BIT(COL_START) | COL_BIT(COL_END) | COL_BIT(COL_EXPORTER) | \
     COL_BIT(COL_SHAPE) | COL_BIT(COL_MARKS))

/* Load columns, bit per column. */
int scan_load(struct scan *s, uint64_t cols) WARN_UNUSED;
bool scan_has(const struct scan *s, uint32_t row, uint64_t cols); /* COL_SHAPE is loaded */
/* One value of one row; false = absent. */
bool scan_one(struct scan *s, const struct value *v, uint32_t row, struct cellv *out);
bool scan_calc_present(struct scan *s, unsigned what, uint32_t row);

bool match_net(const struct expr *x, const struct addr *a);
bool match_ranges(const struct expr *x, uint64_t u);

bool match_text(const char *want, const uint8_t *p, size_t len); /* equal, ignoring case */

/* The address column whose codes alone decide a leaf; COL_N: there is none. */
enum col match_table_col(const struct scan *s, const struct expr *x);

/* Tables of a filter's tree for the rowset in s->rs. */
int prune_node(struct scan *s, struct node *x) WARN_UNUSED;
/* Codes of a sorted rowset that lie in a network: lo .. hi - 1. */
void prune_codes(const struct rowset *rs, const struct net *n, uint32_t *lo, uint32_t *hi);
/* Tables of the rowset in s->rs: filter per code, columns per shape. */
int prune_tables(struct scan *s) WARN_UNUSED;

enum tri { TRI_NEVER, TRI_MAYBE, TRI_ALWAYS };
/* What is known of the filter without rows; block UINT32_MAX = of the whole rowset. */
enum tri prune_filter(struct scan *s, uint32_t block);
/* The pages that can match into s->pages; false = all. */
bool prune_pages(struct scan *s);
/* No row of the rowset, of the block lies in the time asked for. */
bool prune_rowset(const struct plan *p, const struct query_control *ctl, const struct rowset *rs);
bool prune_block(struct scan *s, uint32_t block);
/* All rows of the block lie in the frame with their whole duration. */
bool prune_inside(struct scan *s, uint32_t block);

#endif
