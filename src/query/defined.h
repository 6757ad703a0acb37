/* query/defined.h - what the files share that read terms on definitions. Floor 4. Only for the
 * parser. Functions that make a tree return NULL after an error was set in the cursor. */
#ifndef WEIR_QUERY_DEFINED_H
#define WEIR_QUERY_DEFINED_H

#include "query/term.h"

extern const struct value_alts defined_side_ip[2]; /* source, destination */
struct value_alts defined_alts(enum def_value v);

/* Words from token `from` to the one before the cursor, as they stand in the text. */
void defined_written(struct syntax *p, size_t from, struct buf *out);
/* A tree that is printed as side and words. Takes x. */
struct expr *defined_named(struct syntax *p, struct expr *x, const char *side, const char *words);
/* Addresses of which the map says `want`; it is borrowed. */
struct expr *defined_map_leaf(struct syntax *p, const struct value_alts *v,
                              const struct addr_map *map, uint32_t want);
/* Exporters of a name or address. */
struct expr *defined_exporter_leaf(struct syntax *p, const char *s);
/* The text of a name at the cursor, quoted or not; steps over it. Owned; NULL after an error. */
char *defined_name_text(struct syntax *p, const char *what, size_t *len);

#endif
