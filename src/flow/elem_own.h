/* flow/elem_own.h - a user's own rows of the element dictionary, from a file.
 * Floor 2. Reads no file itself: the text is given. */
#ifndef WEIR_FLOW_ELEM_OWN_H
#define WEIR_FLOW_ELEM_OWN_H

#include "base/err.h"
#include "gen/elements.h"

#define ELEM_OWN_ROWS   65536u
#define ELEM_OWN_OCTETS (8u << 20) /* of the file */
#define ELEM_OWN_NAME   64u        /* octets of a name */

struct elem_own {
    struct elem *row; /* sorted by (pen, id) */
    size_t n;
    char *text; /* the rows' words lie in it */
};

/* CSV with the columns of data/elements.csv: a first line "pen,id,name,type" with ",semantics" and
 * ",units" behind it or not, then one element a line. Cells may be in double quotes; empty lines
 * and lines that begin with # are passed over. Refused are numbers out of bounds, names that could
 * not be asked for, unknown types and semantics, and an element or, within an enterprise, a name
 * that stands twice. `path` is for messages, which begin with path:line:column. The caller owns
 * *out. Errors: ERR_SYNTAX, ERR_LIMIT, ERR_NOMEM. */
int elem_own_parse(struct elem_own **out, const char *path, const char *text, size_t len,
                   struct err *e) WARN_UNUSED;
void elem_own_free(struct elem_own *o); /* NULL is allowed */

#endif
