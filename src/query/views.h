/* query/views.h - one flow that several observation points report is counted once.
 * Floor 4, inside query/ only.
 *
 * An observation point is (exporter, direction of metering, the interface metered: the one it came
 * in by, or of egress metering the one it went out by). Rows with one directed 5-tuple that lie
 * within VIEWS_SKEW_MS of each other are one conversation. Of the points that saw it, and whose
 * rows pass the filter, one counts: by the operator's role for the interface, then the lowest
 * sampling rate, then the most bytes, then the exporter's address and the interface. Rows of the
 * others are set aside where rows of a better point cover the same time; what no better point saw
 * still counts, so that a change of route loses nothing. Two interfaces of one exporter metered in
 * one direction share a clock: their rows are the same flow only where they truly overlap. Nothing
 * is stored: it is chosen for each question. */
#ifndef WEIR_QUERY_VIEWS_H
#define WEIR_QUERY_VIEWS_H

#include "query/group.h"

/* Is this question about flows, each once? Else *why says why not ("" = it was told so). */
bool views_wanted(const struct plan *p, const char **why);
/* What the answer says about it: into the statistics, before anything is read. */
void views_state(const struct plan *p, struct query_stats *st);
/* Choose, and note the rows that do not count in g->aside. Errors: as query_run. */
int views_choose(struct group *g) WARN_UNUSED;

#endif
