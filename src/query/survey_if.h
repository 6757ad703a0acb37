/* query/survey_if.h - interface counters beside what the flows of the same time add up to.
 * Floor 4, inside query/ only. A part of survey.h. */
#ifndef WEIR_QUERY_SURVEY_IF_H
#define WEIR_QUERY_SURVEY_IF_H

#include "query/survey.h"

#define COUNTED_MAX 8192u /* interfaces of all exporters */

/* Octets that came in at one interface, between two times at which its counter was told. */
struct counted {
    uint32_t exporter, in_if; /* exporter: place + 1; 0: empty */
    int64_t from_ms, to_ms;
    uint64_t first, last; /* of the counter */
    uint64_t flows;       /* frames' octets that the records stand for */
    uint64_t samples;     /* packets, as exported */
};
struct counted_list {
    struct counted *slot; /* COUNTED_MAX * 2; NULL: none was told */
    uint32_t n;
};

/* An option record of exporter number `exporter` that may hold counters. Errors: ERR_NOMEM. */
int counted_option(struct counted_list *l, uint32_t exporter, const struct shape *s,
                   const struct rowset_option *o) WARN_UNUSED;
/* The same of one that was asked; what the exporter told itself stays. Errors: ERR_NOMEM. */
int counted_asked(struct counted_list *l, uint32_t exporter,
                  const struct survey_counter *a) WARN_UNUSED;
/* NULL: its counter was not told twice, or within seconds. */
struct counted *counted_find(const struct counted_list *l, uint32_t exporter, uint32_t in_if);
/* A record that came in there: octets and packets of IP as exported. */
void counted_row(struct counted *c, uint64_t rate, uint64_t octets, uint64_t packets,
                 int64_t start_ms, int64_t end_ms);
/* What is known of exporter `exporter` into *x. */
void counted_sum(const struct counted_list *l, uint32_t exporter, struct survey_exporter *x);
void counted_free(struct counted_list *l);

#endif
