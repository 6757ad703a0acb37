#include "meta/db.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/file.h"
#include "os/mutex.h"
#include "os/proc.h"

#define PATH_OCTETS    4096u
#define BUSY_MS        5000
#define APPLICATION_ID 0x57454952 /* "WEIR" */

/* ------------------------------------------------------------------ SQLite */

static int refused(sqlite3 *db, const char *path, int code, struct err *e)
{
    const char *why = db != NULL ? sqlite3_errmsg(db) : sqlite3_errstr(code);

    switch (code & 0xff) {
    case SQLITE_NOMEM:
        return err_set(e, ERR_NOMEM, "%.300s: out of memory", path);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return err_set(e, ERR_BUSY, "%.300s: somebody else is changing definitions; try again",
                       path);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return err_set(e, ERR_CORRUPT,
                       "%.300s: damaged (%.80s); put it back from a snapshot, or move it away and "
                       "apply an export: weir config apply FILE",
                       path, why);
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
        return err_set(e, ERR_IO, "%.300s: %.100s; who owns the directory may change definitions",
                       path, why);
    case SQLITE_FULL:
        return err_set(e, ERR_IO, "%.300s: the disk is full", path);
    default:
        return err_set(e, ERR_IO, "%.300s: %.150s", path, why);
    }
}

static int run(sqlite3 *db, const char *path, const char *sql, struct err *e)
{
    int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);

    return rc == SQLITE_OK ? ERR_OK : refused(db, path, rc, e);
}

static int number_of(sqlite3 *db, const char *path, const char *sql, int64_t *out, struct err *e)
{
    sqlite3_stmt *q = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &q, NULL);

    if (rc == SQLITE_OK && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        *out = sqlite3_column_int64(q, 0);
        rc = SQLITE_OK;
    }
    if (rc != SQLITE_OK)
        rc = refused(db, path, rc, e);
    (void)sqlite3_finalize(q);
    return rc;
}

static void db_path(const char *dir, char *out)
{
    (void)snprintf(out, PATH_OCTETS, "%s/" META_DB_NAME, dir);
}

/* A file of a directory that this user may not write to: nobody changes it while it is read, as far
 * as this user can tell. */
static int open_fixed(sqlite3 **db, const char *path)
{
    struct buf uri = buf_init(4 * PATH_OCTETS);
    int rc;

    buf_str(&uri, "file:");
    for (const char *p = path; *p != '\0'; p++)
        if (strchr("%?#", *p) != NULL)
            buf_printf(&uri, "%%%02x", (unsigned char)*p);
        else
            buf_char(&uri, *p);
    buf_str(&uri, "?immutable=1");
    rc = sqlite3_open_v2(buf_cstr(&uri), db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL);
    buf_free(&uri);
    return rc;
}

static int check_version(sqlite3 *db, const char *path, bool *empty, struct err *e)
{
    int64_t version = 0, id = 0;
    int rc = number_of(db, path, "PRAGMA user_version", &version, e);

    if (rc == ERR_OK)
        rc = number_of(db, path, "PRAGMA application_id", &id, e);
    if (rc != ERR_OK)
        return rc;
    *empty = version == 0 && id == 0;
    if (!*empty && (version != META_DB_VERSION || id != APPLICATION_ID))
        return err_set(e, ERR_VERSION,
                       "%.300s: of another version (schema %lld; this Weir knows %d)", path,
                       (long long)version, META_DB_VERSION);
    return ERR_OK;
}

/* ERR_NOTFOUND: there is no file. */
static int open_reader(sqlite3 **db, const char *path, struct err *e)
{
    struct os_stat st;
    bool empty = false;
    int rc = os_file_stat(path, &st, e), code;

    *db = NULL;
    if (rc != ERR_OK)
        return rc;
    code = sqlite3_open_v2(path, db, SQLITE_OPEN_READONLY, NULL);
    if (code == SQLITE_OK) {
        (void)sqlite3_busy_timeout(*db, BUSY_MS);
        rc = check_version(*db, path, &empty, e);
        code = sqlite3_errcode(*db) & 0xff;
        if (rc != ERR_OK && (code == SQLITE_CANTOPEN || code == SQLITE_READONLY)) {
            (void)sqlite3_close(*db);
            *db = NULL;
            code = open_fixed(db, path);
            rc = code == SQLITE_OK ? check_version(*db, path, &empty, e) : ERR_IO;
        }
    }
    if (*db == NULL || (code != SQLITE_OK && rc == ERR_OK))
        rc = refused(*db, path, code, e);
    if (rc == ERR_OK && empty)
        rc = ERR_NOTFOUND; /* somebody begins it right now */
    if (rc != ERR_OK) {
        (void)sqlite3_close(*db);
        *db = NULL;
    }
    return rc;
}

/* ------------------------------------------------------------------ rows */

static void put_columns(struct buf *b, enum meta_table t)
{
    for (unsigned c = 0; c < meta_table_info[t].n; c++)
        buf_printf(b, "%s\"%s\"", c > 0 ? ", " : "", meta_table_info[t].col[c].name);
}

static int make_tables(sqlite3 *db, const char *path, struct err *e)
{
    struct buf b = buf_init(1u << 16);
    int rc;

    for (enum meta_table t = 0; t < META_TABLES; t++) {
        const struct meta_table_info *info = &meta_table_info[t];
        buf_printf(&b, "CREATE TABLE \"%s\" (", info->name);
        for (unsigned c = 0; c < info->n; c++)
            buf_printf(&b, "\"%s\" TEXT COLLATE NOCASE%s, ", info->col[c].name,
                       c < info->n_keys ? " NOT NULL" : "");
        buf_str(&b, "PRIMARY KEY (");
        for (unsigned c = 0; c < info->n_keys; c++)
            buf_printf(&b, "%s\"%s\"", c > 0 ? ", " : "", info->col[c].name);
        buf_str(&b, ")) WITHOUT ROWID;");
    }
    buf_printf(&b, "PRAGMA user_version = %d; PRAGMA application_id = %d;", META_DB_VERSION,
               APPLICATION_ID);
    rc = buf_ok(&b) ? run(db, path, buf_cstr(&b), e) : ERR_NOMEM;
    buf_free(&b);
    return rc;
}

static int by_key(const void *a, const void *b, void *t)
{
    const struct meta_row *x = a, *y = b;

    return meta_row_cmp(*(const enum meta_table *)t, x->v, y->v);
}

/* One row behind the others; false when memory is short. */
static bool take_row(struct meta_doc *d, enum meta_table t, sqlite3_stmt *q)
{
    struct meta_row *r;

    if (d->t[t].n == d->t[t].cap) {
        size_t cap = d->t[t].cap * 2 + 64;
        struct meta_row *p = realloc(d->t[t].row, cap * sizeof *p);
        if (p == NULL)
            return false;
        d->t[t].row = p;
        d->t[t].cap = cap;
    }
    r = &d->t[t].row[d->t[t].n];
    if ((r->v = calloc(META_COLUMNS, sizeof *r->v)) == NULL)
        return false;
    d->t[t].n++;
    for (unsigned c = 0; c < meta_table_info[t].n; c++) {
        const char *s = (const char *)sqlite3_column_text(q, (int)c);
        if (s == NULL && c < meta_table_info[t].n_keys)
            s = "";
        if (s != NULL && (r->v[c] = strdup(s)) == NULL)
            return false;
    }
    return true;
}

static int read_table(sqlite3 *db, const char *path, struct meta_doc *d, enum meta_table t,
                      struct err *e)
{
    struct buf b = buf_init(4096);
    sqlite3_stmt *q = NULL;
    int code, rc = ERR_OK;

    buf_str(&b, "SELECT ");
    put_columns(&b, t);
    buf_printf(&b, " FROM \"%s\"", meta_table_info[t].name);
    code = sqlite3_prepare_v2(db, buf_cstr(&b), -1, &q, NULL);
    buf_free(&b);
    while (code == SQLITE_OK && rc == ERR_OK && (code = sqlite3_step(q)) == SQLITE_ROW) {
        code = SQLITE_OK;
        if (d->t[t].n >= META_ROWS_MAX)
            rc = err_set(e, ERR_LIMIT, "%.300s: more than %u %s", path, META_ROWS_MAX,
                         meta_table_info[t].name);
        else if (!take_row(d, t, q))
            rc = err_set(e, ERR_NOMEM, "%.300s: out of memory", path);
    }
    if (rc == ERR_OK && code != SQLITE_DONE)
        rc = refused(db, path, code, e);
    (void)sqlite3_finalize(q);
    if (rc == ERR_OK && d->t[t].n > 0)
        qsort_r(d->t[t].row, d->t[t].n, sizeof(struct meta_row), by_key, &t);
    return rc;
}

/* One moment of all tables. */
static int read_all(sqlite3 *db, const char *path, struct meta_doc *d, bool begin, struct err *e)
{
    int rc = begin ? run(db, path, "BEGIN", e) : ERR_OK;

    *d = (struct meta_doc){ 0 };
    for (enum meta_table t = 0; t < META_TABLES && rc == ERR_OK; t++)
        rc = read_table(db, path, d, t, e);
    if (begin)
        (void)sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    return rc;
}

int meta_db_read(const char *dir, struct meta_doc *out, struct err *e)
{
    char path[PATH_OCTETS];
    sqlite3 *db;
    int rc;

    *out = (struct meta_doc){ 0 };
    db_path(dir, path);
    rc = open_reader(&db, path, e);
    if (rc == ERR_NOTFOUND)
        return ERR_OK;
    if (rc == ERR_OK)
        rc = read_all(db, path, out, true, e);
    (void)sqlite3_close(db);
    return rc;
}

/* ------------------------------------------------------------------ changes */

struct writing {
    sqlite3 *db;
    const char *path;
    const struct meta_change *change;
    struct err *e;
    uint64_t rows;
};

static int bind_row(sqlite3_stmt *q, const struct meta_row *r, unsigned n)
{
    int code = SQLITE_OK;

    for (unsigned c = 0; c < n && code == SQLITE_OK; c++)
        code = r->v[c] != NULL ? sqlite3_bind_text(q, (int)c + 1, r->v[c], -1, SQLITE_STATIC)
                               : sqlite3_bind_null(q, (int)c + 1);
    return code;
}

static int write_row(void *ctx, enum meta_table t, const struct meta_row *was,
                     const struct meta_row *is)
{
    struct writing *w = ctx;
    const struct meta_table_info *info = &meta_table_info[t];
    struct buf b = buf_init(4096);
    sqlite3_stmt *q = NULL;
    int code, rc = ERR_OK;

    if (w->change->each != NULL && (rc = w->change->each(w->change->ctx, t, was, is)) != ERR_OK)
        return rc;
    w->rows++;
    if (w->change->dry)
        return ERR_OK;
    if (is != NULL) {
        buf_printf(&b, "REPLACE INTO \"%s\" (", info->name);
        put_columns(&b, t);
        buf_str(&b, ") VALUES (");
        for (unsigned c = 0; c < info->n; c++)
            buf_str(&b, c > 0 ? ", ?" : "?");
        buf_char(&b, ')');
    } else {
        buf_printf(&b, "DELETE FROM \"%s\" WHERE ", info->name);
        for (unsigned c = 0; c < info->n_keys; c++)
            buf_printf(&b, "%s\"%s\" = ?", c > 0 ? " AND " : "", info->col[c].name);
    }
    code = sqlite3_prepare_v2(w->db, buf_cstr(&b), -1, &q, NULL);
    if (code == SQLITE_OK)
        code = bind_row(q, is != NULL ? is : was, is != NULL ? info->n : info->n_keys);
    if (code == SQLITE_OK && (code = sqlite3_step(q)) == SQLITE_DONE)
        code = SQLITE_OK;
    if (code != SQLITE_OK)
        rc = refused(w->db, w->path, code, w->e);
    (void)sqlite3_finalize(q);
    buf_free(&b);
    return rc;
}

/* Does it hold together? */
static int compiles(const struct meta_doc *d, struct err *e)
{
    struct meta_doc copy;
    struct defs *defs = NULL;
    int rc = meta_doc_copy(&copy, d);

    if (rc != ERR_OK)
        return err_set(e, ERR_NOMEM, "definitions: out of memory");
    rc = defs_make(&defs, &copy, e);
    defs_unref(defs);
    return rc;
}

static int change_within(struct writing *w)
{
    struct meta_doc was, is = { 0 };
    int rc = read_all(w->db, w->path, &was, false, w->e);

    if (rc == ERR_OK && meta_doc_copy(&is, &was) != ERR_OK)
        rc = err_set(w->e, ERR_NOMEM, "definitions: out of memory");
    if (rc == ERR_OK)
        rc = w->change->edit(w->change->ctx, &is, w->e);
    if (rc == ERR_OK)
        rc = compiles(&is, w->e);
    if (rc == ERR_OK)
        rc = meta_diff(&was, &is, write_row, w);
    meta_doc_free(&was);
    meta_doc_free(&is);
    return rc;
}

/* Root makes it for whom the directory belongs to: the server writes beside it. */
static void give_away(const char *dir, const char *path)
{
    struct os_owner o;

    if (proc_is_root() && os_owner(dir, &o, NULL) == ERR_OK)
        (void)!proc_give(path, o.user, NULL);
}

static int begin_file(struct writing *w, const char *dir)
{
    bool empty = false;
    int rc = check_version(w->db, w->path, &empty, w->e);

    if (rc != ERR_OK || !empty)
        return rc;
    give_away(dir, w->path);
    rc = run(w->db, w->path, "PRAGMA journal_mode = WAL; BEGIN IMMEDIATE", w->e);
    if (rc == ERR_OK) /* another one may have come first */
        rc = check_version(w->db, w->path, &empty, w->e);
    if (rc == ERR_OK && empty)
        rc = make_tables(w->db, w->path, w->e);
    return run(w->db, w->path, rc == ERR_OK ? "COMMIT" : "ROLLBACK", rc == ERR_OK ? w->e : NULL) ==
                   ERR_OK
               ? rc
               : ERR_IO;
}

/* Without a file there is nothing that a dry run would have to read. */
static int change_dry(const struct meta_change *c, struct err *e)
{
    struct writing w = { .change = c, .e = e };
    struct meta_doc was = { 0 }, is = { 0 };
    int rc = c->edit(c->ctx, &is, e);

    if (rc == ERR_OK)
        rc = compiles(&is, e);
    if (rc == ERR_OK)
        rc = meta_diff(&was, &is, write_row, &w);
    meta_doc_free(&is);
    return rc;
}

int meta_db_change(const char *dir, const struct meta_change *c, struct err *e)
{
    char path[PATH_OCTETS];
    struct writing w = { .path = path, .change = c, .e = e };
    struct os_stat st;
    int rc = ERR_OK, code;

    db_path(dir, path);
    if (!os_is_dir(dir))
        return err_set(e, ERR_NOTFOUND, "%.300s: there is no such directory", dir);
    if (c->dry && os_file_stat(path, &st, NULL) == ERR_NOTFOUND)
        return change_dry(c, e);
    code = sqlite3_open_v2(path, &w.db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
    if (code != SQLITE_OK)
        rc = refused(w.db, path, code, e);
    if (rc == ERR_OK) {
        (void)sqlite3_busy_timeout(w.db, BUSY_MS);
        rc = begin_file(&w, dir);
    }
    if (rc == ERR_OK)
        rc = run(w.db, path, "PRAGMA synchronous = FULL; BEGIN IMMEDIATE", e);
    if (rc == ERR_OK) {
        rc = change_within(&w);
        if (rc == ERR_OK && !c->dry)
            rc = run(w.db, path, "COMMIT", e);
        else
            (void)sqlite3_exec(w.db, "ROLLBACK", NULL, NULL, NULL);
    }
    (void)sqlite3_close(w.db);
    return rc;
}

int meta_db_copy(const char *dir, const char *to, struct err *e)
{
    char path[PATH_OCTETS];
    sqlite3 *from, *out = NULL;
    sqlite3_backup *b = NULL;
    int rc, code;

    db_path(dir, path);
    if ((rc = open_reader(&from, path, e)) != ERR_OK)
        return rc;
    code = sqlite3_open_v2(to, &out, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
    if (code == SQLITE_OK && (b = sqlite3_backup_init(out, "main", from, "main")) == NULL)
        code = sqlite3_errcode(out);
    if (code == SQLITE_OK && (code = sqlite3_backup_step(b, -1)) == SQLITE_DONE)
        code = SQLITE_OK;
    if (b != NULL)
        (void)sqlite3_backup_finish(b);
    if (code != SQLITE_OK)
        rc = refused(out, to, code, e);
    else /* one file, whatever the original has beside it */
        rc = run(out, to, "PRAGMA journal_mode = DELETE", e);
    (void)sqlite3_close(out);
    (void)sqlite3_close(from);
    return rc;
}

/* ------------------------------------------------------------------ today's */

struct meta_db {
    char path[PATH_OCTETS];
    struct os_mutex lock;
    sqlite3 *db; /* NULL: not open */
    struct os_stat file;
    int64_t version; /* PRAGMA data_version of what defs was made of */
    struct defs *defs;
};

int meta_db_open(struct meta_db **out, const char *dir, struct err *e)
{
    struct meta_db *m = calloc(1, sizeof *m);

    *out = NULL;
    if (m == NULL)
        return err_set(e, ERR_NOMEM, "definitions: out of memory");
    db_path(dir, m->path);
    os_mutex_init(&m->lock);
    *out = m;
    return ERR_OK;
}

void meta_db_close(struct meta_db *m)
{
    if (m == NULL)
        return;
    (void)sqlite3_close(m->db);
    defs_unref(m->defs);
    os_mutex_free(&m->lock);
    free(m);
}

static void shut(struct meta_db *m)
{
    (void)sqlite3_close(m->db);
    m->db = NULL;
    m->version = -1;
}

/* Is another file there now? */
static bool replaced(struct meta_db *m)
{
    struct os_stat st;

    if (os_file_stat(m->path, &st, NULL) != ERR_OK)
        return true;
    return st.dev != m->file.dev || st.ino != m->file.ino;
}

static int look(struct meta_db *m, struct err *e)
{
    struct meta_doc doc = { 0 };
    struct defs *fresh = NULL;
    int64_t version = 0;
    int rc = ERR_OK;

    if (m->db != NULL && replaced(m))
        shut(m);
    if (m->db == NULL) {
        if (os_file_stat(m->path, &m->file, NULL) == ERR_OK)
            rc = open_reader(&m->db, m->path, e);
        m->version = -1;
        if (rc != ERR_OK && rc != ERR_NOTFOUND)
            return rc;
    }
    if (m->db != NULL) {
        rc = number_of(m->db, m->path, "PRAGMA data_version", &version, e);
        if (rc == ERR_OK && m->defs != NULL && version == m->version)
            return ERR_OK;
        if (rc == ERR_OK)
            rc = read_all(m->db, m->path, &doc, true, e);
    } else {
        rc = ERR_OK;
        if (m->defs != NULL && m->defs->n_own == 0 && m->defs->doc.t[META_NAMES].n == 0 &&
            m->defs->n_exporters == 0 && m->defs->n_ifaces == 0 && m->defs->n_rules == 0)
            return ERR_OK; /* nothing then, nothing now */
    }
    if (rc == ERR_OK)
        rc = defs_make(&fresh, &doc, e);
    else
        meta_doc_free(&doc);
    if (rc != ERR_OK)
        return rc;
    defs_unref(m->defs);
    m->defs = fresh;
    m->version = version;
    return ERR_OK;
}

int meta_db_defs(struct meta_db *m, struct defs **out, struct err *e)
{
    int rc;

    *out = NULL;
    os_lock(&m->lock);
    rc = look(m, e);
    if (rc != ERR_OK)
        shut(m);
    if (m->defs == NULL && defs_default(&m->defs, NULL) != ERR_OK)
        m->defs = NULL;
    if (m->defs != NULL)
        *out = defs_ref(m->defs);
    os_unlock(&m->lock);
    return *out != NULL ? rc : err_set(e, ERR_NOMEM, "definitions: out of memory");
}
