/* query/names.h - names that exporters told in options, beside numbers in answers: of interfaces,
 * VRFs.
 * Floor 4, inside query/ only. */
#ifndef WEIR_QUERY_NAMES_H
#define WEIR_QUERY_NAMES_H

#include "query/scan.h"

#define NAMES_EXPORTERS \
    4096u /* met in one question; where there are more, rankings have no names */

/* Is it a number that has a name, of that kind? */
bool names_kind(const struct value_alts *a, enum fact_kind *kind);
/* The name that held at a time, into the cell: borrowed from the table. */
void names_cell(const struct fact_table *t, const struct exporter_key *x, enum fact_kind kind,
                int64_t at_ms, struct cell *c);

/* Exporters of the rows of a ranking. */
struct names_met {
    struct exporter_key *x; /* ascending, once names_sort() was called */
    uint32_t n, cap;
    bool many;
};
int names_meet(struct names_met *m, const struct exporter_key *x) WARN_UNUSED; /* ERR_NOMEM */
void names_sort(struct names_met *m);
void names_free(struct names_met *m);
/* The same of a group that may stand for rows of many exporters: a name that all of them give, or
 * all of one address (`who`; NULL: of all). */
void names_common(const struct fact_table *t, const struct names_met *m, const struct addr *who,
                  enum fact_kind kind, int64_t at_ms, struct cell *c);

#endif
