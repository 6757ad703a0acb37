/* meta/compile.h - between the files that compile definitions. Floor 3. Only for src/meta. */
#ifndef WEIR_META_COMPILE_H
#define WEIR_META_COMPILE_H

#include "meta/defs.h"

struct rules {
    struct addr_rule *r; /* owned */
    uint32_t n, cap;
};

int compile_oom(struct err *e);
/* The number of a text, entered if it is new; false when memory is short. NULL and "" are 0. */
bool compile_word(struct defs *d, const char *s, uint32_t *out) WARN_UNUSED;
/* A range of addresses as networks of one value. Errors: ERR_NOMEM. */
int compile_range(struct rules *r, struct addr from, const struct addr *to, uint32_t v,
                  struct err *e) WARN_UNUSED;
/* "192.0.2.1" or "192.0.2.1#7" */
bool compile_address(const char *s, struct addr *a, uint32_t *domain, bool *any);
/* Exporters of that name or address, one after the other; *at begins as 0. NULL: no more. An
 * address need not be defined: it is given in *hold. */
const struct def_exporter *compile_exporter(const struct defs *d, const char *s, uint32_t *at,
                                            struct def_exporter *hold);
/* meta/group.c: groups, internal networks, sets. */
int compile_groups(struct defs *d, struct err *e) WARN_UNUSED;

#endif
