/* query/clause.h - what the files share that read clauses and put the plan together. Floor 4. Only
 * for the parser. Readers return false after an error was set in the cursor. */
#ifndef WEIR_QUERY_CLAUSE_H
#define WEIR_QUERY_CLAUSE_H

#include "query/syntax.h"

/* Everything that is found while reading; put together at the end. */
struct draft {
    struct plan *plan;
    bool rank, list, sessions, series, limited, topped, measured, last_set;
    char order[80];
    bool no_order;
    size_t having_at; /* token index + 1 in the filter's text; 0 = none */
};

/* ---- query/clause.c: one clause each, behind its word */
bool clause_by(struct syntax *p, struct draft *d);
bool clause_measures(struct syntax *p, struct draft *d);
bool clause_series(struct syntax *p, struct draft *d);
bool clause_columns(struct syntax *p, struct draft *d);
bool clause_sort(struct syntax *p, struct draft *d);
bool clause_top(struct syntax *p, struct draft *d, bool bottom);
bool clause_order(struct syntax *p, struct draft *d);
bool clause_limit(struct syntax *p, struct draft *d);
bool clause_sessions(struct syntax *p, struct draft *d);
bool clause_dedup(struct syntax *p, struct draft *d);
/* "| clause | clause" to the end of the text */
bool clause_all(struct syntax *p, struct draft *d);
bool clause_at_end(const struct syntax *p);

/* ---- query/frame.c */
bool clause_last(struct syntax *p, struct draft *d);
bool clause_time(struct syntax *p, struct draft *d); /* with its word */
bool clause_is_time(const struct syntax *p);         /* does a clause of time begin here? */
bool frame_from(struct syntax *p, struct draft *d);
bool frame_to(struct syntax *p, struct draft *d);
bool frame_time(struct syntax *p, struct draft *d); /* last:1h, this:day, A..B, today */

/* ---- query/key.c */
bool syn_small_number(struct syntax *p, uint64_t max, uint64_t *out, const char *what);
const char *measure_word(uint8_t kind); /* enum measure_kind; "" = it takes more than a word */

#endif
