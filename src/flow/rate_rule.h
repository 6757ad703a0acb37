/* flow/rate_rule.h - sampling rates that the operator declares for exporters, because they tell
 * none or a wrong one (DESIGN section 4). Floor 2. Pure. Threads: a table is immutable; its
 * reference count is atomic. */
#ifndef WEIR_FLOW_RATE_RULE_H
#define WEIR_FLOW_RATE_RULE_H

#include "flow/batch.h"

#define RATE_RULES_MAX 65536u

struct rate_rule {
    struct addr exporter; /* all its domains and protocols */
    uint32_t in_if;
    bool of_if; /* only for records that came in at in_if */
    bool force; /* before what the exporter says; else only where it says nothing */
    uint32_t rate;
};

struct rate_rules; /* sorted by exporter */

/* `r` is copied. Where two are for the same, the later one counts. *out NULL where n is 0.
 * Errors: ERR_LIMIT, ERR_NOMEM. */
int rate_rules_new(struct rate_rules **out, const struct rate_rule *r, size_t n,
                   struct err *e) WARN_UNUSED;
/* The same out of texts ADDRESS=N, ADDRESS/INTERFACE=N, with "!" behind it: forced. Errors: also
 * ERR_ARG, naming the text. */
int rate_rules_parse(struct rate_rules **out, char *const *text, size_t n,
                     struct err *e) WARN_UNUSED;
/* Add those of `below` for which *rules has none; either may be NULL. Errors: ERR_NOMEM, with
 * *rules as it was. */
int rate_rules_join(struct rate_rules **rules, struct rate_rules *below, struct err *e) WARN_UNUSED;
struct rate_rules *rate_rules_ref(struct rate_rules *t); /* NULL is allowed */
void rate_rules_unref(struct rate_rules *t);

/* Of the interface, else of the exporter as a whole; NULL: none is declared. */
const struct rate_rule *rate_rule_find(const struct rate_rules *t, const struct addr *exporter,
                                       uint32_t in_if);
/* Is anything declared of the exporter? *forced (may be NULL): something that is forced. */
bool rate_rules_any(const struct rate_rules *t, const struct addr *exporter, bool *forced);

#endif
