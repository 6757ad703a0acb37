/* meta/db.h - DIR/meta.db: where definitions are kept (SQLite, WAL).
 * Floor 3. Any process that may write to the directory may change it; SQLite's locks make one
 * writer of them. A server asks before every question whether it changed. */
#ifndef WEIR_META_DB_H
#define WEIR_META_DB_H

#include "meta/defs.h"

#define META_DB_NAME    "meta.db"
#define META_DB_VERSION 1 /* of the schema: another one is refused */

/* All that is defined; nothing where there is no file. *out is to be freed in any case.
 * Errors: ERR_VERSION, ERR_CORRUPT, ERR_BUSY, ERR_IO, ERR_NOMEM; each names the file. */
int meta_db_read(const char *dir, struct meta_doc *out, struct err *e) WARN_UNUSED;

/* One change: read, edit, compile to see that it holds together, write what differs: all of it or
 * nothing. */
struct meta_change {
    int (*edit)(void *ctx, struct meta_doc *d, struct err *e);
    /* Hears of every row that differs; may be NULL. */
    int (*each)(void *ctx, enum meta_table t, const struct meta_row *was,
                const struct meta_row *is);
    void *ctx;
    bool dry; /* write nothing */
};
/* Errors: those of meta_db_read, of edit, of defs_make; ERR_NOTFOUND (there is no such directory).
 */
int meta_db_change(const char *dir, const struct meta_change *c, struct err *e) WARN_UNUSED;

/* A whole copy as the file `to`, also while somebody writes. ERR_NOTFOUND: there is none. */
int meta_db_copy(const char *dir, const char *to, struct err *e) WARN_UNUSED;

/* Today's definitions, compiled once for each change. Threads: any, at once. */
struct meta_db;
int meta_db_open(struct meta_db **out, const char *dir, struct err *e) WARN_UNUSED;
void meta_db_close(struct meta_db *m); /* NULL is allowed */
/* A reference. When they cannot be read, those from before (or the ready ones) are given all the
 * same and *e says why; the code returned is then that of the failure. Errors with *out NULL:
 * ERR_NOMEM. */
int meta_db_defs(struct meta_db *m, struct defs **out, struct err *e) WARN_UNUSED;

#endif
