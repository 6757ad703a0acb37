/* Sealing: batches to a durable file, then into the manifest, then to be seen. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/entry.h"

#define SEGMENT_MAX ((size_t)1 << 32)

void store_path(const struct store *s, char *out, const char *name)
{
    (void)snprintf(out, STORE_PATH, "%s/%s", s->dir, name);
}

void store_segment_path(const struct store *s, char *out, uint64_t id)
{
    (void)snprintf(out, STORE_PATH, "%s/seg-%012llu.seg", s->dir, (unsigned long long)id);
}

int store_log(struct store *s, const struct buf *record, struct err *e)
{
    char path[STORE_PATH];
    struct err ignored;
    int rc;

    store_path(s, path, "manifest");
    if (!buf_ok(record))
        return err_set(e, ERR_NOMEM, "%s: out of memory", path);
    rc = os_file_write(s->manifest_fd, path, s->m.good, record->p, record->len, e);
    if (rc == ERR_OK)
        rc = os_file_sync(s->manifest_fd, path, e);
    if (rc == ERR_OK)
        s->m.good += record->len;
    else /* what may stand there is a torn record; the next one overwrites it */
        (void)os_file_truncate(s->manifest_fd, path, s->m.good, &ignored);
    return rc;
}

int store_write_durable(const char *path, const struct buf *b, struct err *e)
{
    char temp[STORE_PATH + 8];
    struct err ignored;
    int fd, rc;

    (void)snprintf(temp, sizeof temp, "%s.tmp", path);
    if ((rc = os_file_open(&fd, temp, OS_OPEN_TRUNC, e)) != ERR_OK)
        return rc;
    rc = os_file_write(fd, temp, 0, b->p, b->len, e);
    if (rc == ERR_OK)
        rc = os_file_sync(fd, temp, e);
    os_file_close(&fd);
    if (rc == ERR_OK)
        rc = os_rename(temp, path, e);
    if (rc != ERR_OK)
        (void)os_unlink(temp, &ignored);
    return rc;
}

static int room(struct written *w)
{
    size_t cap = w->cap == 0 ? 4 : w->cap * 2;
    struct seg_info *i;
    struct rowset **r;

    if (w->n < w->cap)
        return ERR_OK;
    i = realloc(w->info, cap * sizeof *i);
    if (i == NULL)
        return ERR_NOMEM;
    w->info = i;
    r = realloc(w->rs, cap * sizeof(struct rowset *));
    if (r == NULL)
        return ERR_NOMEM;
    w->rs = r;
    w->cap = cap;
    return ERR_OK;
}

void written_free(struct written *w, struct store *remove_from)
{
    char path[STORE_PATH];
    struct err ignored;

    for (size_t i = 0; i < w->n; i++) {
        rowset_unref(w->rs[i]);
        if (remove_from == NULL)
            continue;
        store_segment_path(remove_from, path, w->info[i].id);
        (void)os_unlink(path, &ignored);
    }
    free(w->info);
    free(w->rs);
    memset(w, 0, sizeof *w);
}

int store_open_segment(const struct store *s, uint64_t id, struct rowset **out, struct err *e)
{
    char path[STORE_PATH], name[64];
    struct os_map map;
    int rc;

    *out = NULL;
    store_segment_path(s, path, id);
    (void)snprintf(name, sizeof name, "seg-%012llu", (unsigned long long)id);
    if ((rc = os_map_file(&map, path, e)) != ERR_OK)
        return rc;
    return segment_open(out, name, map, true, e);
}

static uint64_t take_id(struct store *s)
{
    uint64_t id;

    os_lock(&s->log);
    id = s->m.next_id++;
    os_unlock(&s->log);
    return id;
}

int store_write(struct store *s, struct flow_batch *const *b, size_t n, struct written *w,
                struct err *e)
{
    struct buf octets = buf_init(SEGMENT_MAX);
    char path[STORE_PATH];
    struct seg_info info;
    int rc;

    if ((rc = room(w)) != ERR_OK)
        return err_set(e, rc, "store %s: out of memory", s->dir);
    rc = segment_build(b, n, take_id(s), &octets, &info, NULL, e);
    if (rc == ERR_LIMIT && n > 1) { /* more exporters or shapes than one segment numbers: two */
        buf_free(&octets);
        rc = store_write(s, b, n / 2, w, e);
        return rc == ERR_OK ? store_write(s, b + n / 2, n - n / 2, w, e) : rc;
    }
    if (rc != ERR_OK)
        goto out;
    store_segment_path(s, path, info.id);
    if ((rc = store_write_durable(path, &octets, e)) != ERR_OK)
        goto out;
    w->info[w->n] = info;
    w->rs[w->n++] = NULL;
    rc = store_open_segment(s, info.id, &w->rs[w->n - 1], e);
out:
    buf_free(&octets);
    return rc;
}

/* Room for n more entries, so that nothing can fail once the record is written. Under `list`. */
static int reserve(struct store *s, size_t n)
{
    size_t cap = MAX(64u, s->cap_entries);
    struct entry *x;

    while (cap < s->n_entries + n)
        cap *= 2;
    if (cap == s->cap_entries)
        return ERR_OK;
    x = realloc(s->entry, cap * sizeof *x);
    if (x == NULL)
        return ERR_NOMEM;
    s->entry = x;
    s->cap_entries = cap;
    return ERR_OK;
}

int store_publish(struct store *s, struct written *w, const struct manifest_import *import,
                  void (*sealed)(void *ctx), void *ctx, struct err *e)
{
    struct buf record = buf_init(1u << 28);
    int rc = os_dir_sync(s->dir, e);

    if (rc != ERR_OK)
        return rc;
    manifest_put_add(&record, w->info, w->n, import);
    os_lock(&s->log);
    os_lock(&s->list);
    rc = reserve(s, w->n);
    os_unlock(&s->list);
    if (rc == ERR_OK && (rc = manifest_add(&s->m, w->info, w->n, import)) == ERR_OK &&
        (rc = store_log(s, &record, e)) != ERR_OK) {
        for (size_t i = 0; i < w->n; i++)
            manifest_remove(&s->m, w->info[i].id);
        s->m.n_import -= import != NULL;
    } else if (rc != ERR_OK) {
        rc = err_set(e, rc, "store %s: out of memory", s->dir);
    }
    if (rc == ERR_OK) {
        os_lock(&s->list);
        for (size_t i = 0; i < w->n; i++) {
            s->entry[s->n_entries++] = (struct entry){
                .info = w->info[i],
                .import = import != NULL ? (uint32_t)s->m.n_import : 0,
                .rs = w->rs[i],
            };
            w->rs[i] = NULL; /* now the catalogue's */
        }
        if (sealed != NULL)
            sealed(ctx);
        os_unlock(&s->list);
    }
    os_unlock(&s->log);
    buf_free(&record);
    return rc;
}

int store_seal_with(struct store *s, struct flow_batch *const *b, size_t n,
                    void (*sealed)(void *ctx), void *ctx, struct err *e)
{
    struct written w = { 0 };
    uint64_t records = 0;
    int rc;

    if (s->mode != STORE_WRITE)
        return err_set(e, ERR_ARG, "store %s: opened for reading", s->dir);
    for (size_t i = 0; i < n; i++)
        records +=
            flow_batch_rows(b[i]) + atomic_load_explicit(&b[i]->n_options, memory_order_acquire);
    if (records == 0) {
        os_lock(&s->list);
        if (sealed != NULL)
            sealed(ctx);
        os_unlock(&s->list);
        return ERR_OK;
    }
    rc = store_write(s, b, n, &w, e);
    if (rc == ERR_OK)
        rc = store_publish(s, &w, NULL, sealed, ctx, e);
    written_free(&w, rc == ERR_OK ? NULL : s);
    return rc;
}

int store_seal(struct store *s, struct flow_batch *const *b, size_t n, struct err *e)
{
    return store_seal_with(s, b, n, NULL, NULL, e);
}

/* ------------------------------------------------------------------ imports */

struct store_import {
    struct store *s;
    struct os_mutex lock;
    struct written w;
};

int store_import_begin(struct store *s, struct store_import **out, struct err *e)
{
    struct store_import *im;

    *out = NULL;
    if (s->mode != STORE_WRITE)
        return err_set(e, ERR_ARG, "store %s: opened for reading", s->dir);
    im = calloc(1, sizeof *im);
    if (im == NULL)
        return err_set(e, ERR_NOMEM, "store %s: out of memory", s->dir);
    im->s = s;
    os_mutex_init(&im->lock);
    *out = im;
    return ERR_OK;
}

int store_import_seal(struct store_import *im, struct flow_batch *const *b, size_t n, struct err *e)
{
    struct written w = { 0 };
    uint64_t records = 0;
    int rc;

    for (size_t i = 0; i < n; i++)
        records +=
            flow_batch_rows(b[i]) + atomic_load_explicit(&b[i]->n_options, memory_order_acquire);
    if (records == 0)
        return ERR_OK;
    rc = store_write(im->s, b, n, &w, e);
    os_lock(&im->lock);
    for (size_t i = 0; rc == ERR_OK && i < w.n; i++) {
        rc = room(&im->w);
        if (rc != ERR_OK) {
            rc = err_set(e, rc, "import: out of memory");
            break;
        }
        im->w.info[im->w.n] = w.info[i];
        im->w.rs[im->w.n++] = rowset_ref(w.rs[i]);
    }
    os_unlock(&im->lock);
    written_free(&w, rc == ERR_OK ? NULL : im->s);
    return rc;
}

static void import_free(struct store_import *im, bool keep)
{
    written_free(&im->w, keep ? NULL : im->s);
    os_mutex_free(&im->lock);
    free(im);
}

int store_import_commit(struct store_import *im, const char *file, const uint8_t sha256[32],
                        struct err *e)
{
    struct manifest_import what = { .at_ms = os_wall_ms() };
    int rc;

    memcpy(what.sha256, sha256, 32);
    (void)snprintf(what.file, sizeof what.file, "%s", file);
    rc = store_publish(im->s, &im->w, &what, NULL, NULL, e);
    import_free(im, rc == ERR_OK);
    return rc;
}

void store_import_abort(struct store_import *im)
{
    if (im != NULL)
        import_free(im, false);
}

bool store_import_known(struct store *s, const uint8_t sha256[32])
{
    bool known = false;

    os_lock(&s->log);
    for (size_t i = 0; i < s->m.n_seg && !known; i++)
        known = s->m.seg[i].import > 0 &&
                memcmp(s->m.import[s->m.seg[i].import - 1].sha256, sha256, 32) == 0;
    os_unlock(&s->log);
    return known;
}
