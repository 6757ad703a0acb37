/* meta/doc.h - what operators define, as they wrote it: groups, names, exporters, interfaces,
 * rules. Floor 3. No I/O.
 *
 * A document is a few tables of rows of texts; meta_table_info says what each column may hold, and
 * everything that shows, stores, exports or changes definitions goes by it. What the texts mean is
 * compiled in meta/defs.h.
 *
 * Threads: a document belongs to one thread. */
#ifndef WEIR_META_DOC_H
#define WEIR_META_DOC_H

#include "base/buf.h"
#include "base/err.h"

enum meta_table {
    META_GROUPS,
    META_MEMBERS,    /* of groups, one item a row */
    META_NAMES,      /* of addresses, networks, AS numbers */
    META_EXPORTERS,  /* by source address */
    META_INTERFACES, /* by exporter and ifIndex */
    META_RULES,      /* that classify interfaces, in order */
    META_TABLES
};

enum meta_type {
    META_TEXT,
    META_WORD,    /* one of `words` */
    META_RATE,    /* bit/s: 10G */
    META_NUMBER,  /* up to `max` */
    META_YES,     /* yes, no */
    META_ADDRESS, /* of an exporter: ADDRESS or ADDRESS#DOMAIN */
};

#define META_COLUMNS  10u /* of a table at most */
#define META_TEXT_MAX 1024u
#define META_ROWS_MAX 2000000u /* of a table */

struct meta_column {
    const char *name;
    uint8_t type;      /* enum meta_type */
    const char *words; /* META_WORD: "a|b|c" */
    uint64_t max;      /* META_NUMBER */
    const char *doc;
    const char
        *later; /* not NULL: nothing uses it yet, so that setting it is refused by this name */
};
struct meta_table_info {
    const char *name, *one; /* "groups", "group" */
    unsigned n_keys;        /* the first columns name the row */
    unsigned n;
    struct meta_column col[META_COLUMNS];
};
extern const struct meta_table_info meta_table_info[META_TABLES];

/* One text a column, NULL = not set. Owned. */
struct meta_row {
    char **v; /* META_COLUMNS */
};
struct meta_doc {
    struct {
        struct meta_row *row; /* sorted by key */
        size_t n, cap;
    } t[META_TABLES];
};
void meta_doc_free(struct meta_doc *d); /* contents; empty afterwards */
int meta_doc_copy(struct meta_doc *out, const struct meta_doc *d) WARN_UNUSED;

/* Order of keys: case is ignored, numbers by value. */
int meta_row_cmp(enum meta_table t, char *const *a, char *const *b);
/* Rows whose first n key columns are these: *first and how many. */
size_t meta_find(const struct meta_doc *d, enum meta_table t, const char *const *key, unsigned n,
                 size_t *first);
/* The row of that key (valid until the next one is made or deleted), made if missing; NULL when
 * memory is short or the table is full. *made (may be NULL) says which. */
struct meta_row *meta_row(struct meta_doc *d, enum meta_table t, const char *const *key,
                          bool *made);
void meta_delete(struct meta_doc *d, enum meta_table t, size_t at, size_t n);

/* Column by name, or -1; `e` says which there are. Keys are no columns to set. */
int meta_column(enum meta_table t, const char *name, size_t len, struct err *e);
/* Set a column from text as a person writes it; "" unsets it. Errors: ERR_ARG (what may stand
 * there), ERR_NOMEM. */
int meta_set(struct meta_row *r, enum meta_table t, unsigned column, const char *text,
             struct err *e) WARN_UNUSED;
/* The form in which a text is kept: words in lower case, numbers and addresses in one spelling. */
int meta_canonical(enum meta_table t, unsigned column, const char *text, struct buf *out,
                   struct err *e) WARN_UNUSED;

/* What makes `b` of `a`: each(ctx, table, row of a or NULL, row of b or NULL), in order. */
int meta_diff(const struct meta_doc *a, const struct meta_doc *b,
              int (*each)(void *ctx, enum meta_table t, const struct meta_row *was,
                          const struct meta_row *is),
              void *ctx) WARN_UNUSED;

#endif
