/* cmd/define.h - what the commands share that change or show definitions (DIR/meta.db).
 * Floor 7. */
#ifndef WEIR_CMD_DEFINE_H
#define WEIR_CMD_DEFINE_H

#include "cmd/cmd.h"
#include "meta/db.h"

#define DEFINE_PATH 4096u

/* The verb (first operand) of `verbs`, n of them, or -1 after an explanation. */
int define_verb(const struct args *a, const char *const *verbs, size_t n);
/* The data directory as configured. */
int define_dir(const struct args *a, char *dir, struct err *e) WARN_UNUSED;
/* One change; prints what is wrong. Returns an enum exit_code. */
int define_change(const struct args *a, int (*edit)(void *ctx, struct meta_doc *d, struct err *e),
                  void *ctx);
/* All definitions. Prints what is wrong; an enum exit_code. *d is to be freed in any case. */
int define_read(const struct args *a, struct meta_doc *d);
/* "key=value" from operand i on into a row. */
int define_set_columns(const struct args *a, size_t i, struct meta_row *r, enum meta_table t,
                       struct err *e) WARN_UNUSED;
int define_oom(struct err *e);

/* Lines of a file without comments (from # on, at the begin or behind a blank) and empty ones:
 * each(ctx, line, text). Errors name file and line. */
int define_lines(const char *path, int (*each)(void *ctx, char *text, struct err *e), void *ctx,
                 struct err *e) WARN_UNUSED;

/* A table for people, or with -o json objects by column. Rows of texts, NULL = nothing. */
struct define_table {
    const char *const *head;
    unsigned n;
    char **cell; /* owned, n a row */
    size_t rows, cap;
    bool bad;
};
void define_put(struct define_table *t, unsigned column,
                const char *text);                             /* column 0: a new row */
int define_show(const struct args *a, struct define_table *t); /* and free it */

#endif
