/* query/answer.h - what rankings, series and lists share when they hand out rows.
 * Floor 4, inside query/ only. */
#ifndef WEIR_QUERY_ANSWER_H
#define WEIR_QUERY_ANSWER_H

#include "query/group.h"

int answer_begin(struct answer_sink *sink, const struct plan *p, struct geo *geo) WARN_UNUSED;
/* A number that is shown as a text: a country. False: it is shown as it is. */
#define ANSWER_TEXT 64u
bool answer_text(const struct value_alts *a, uint64_t v, char *out);
/* Rows of the ranking or series; reads the rows itself. `total` gets the measures of all that
 * matched. ERR_FULL: g->missed, and no row was handed out: ask again with room for errors. */
int answer_groups(struct group *g, struct answer_sink *sink, struct cell *total) WARN_UNUSED;
/* List of flow records, totals summed on the way; list of option records. */
int answer_list(struct group *g, struct answer_sink *sink) WARN_UNUSED;
int answer_options(struct group *g, struct answer_sink *sink) WARN_UNUSED;

#endif
