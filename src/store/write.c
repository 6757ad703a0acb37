/* Sealing: batches to a durable file, then into the manifest, then to be seen. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/fault.h"
#include "store/check.h"

#define SEGMENT_MAX   ((size_t)1 << 32)
#define REWRITE_AFTER (256u << 10) /* octets of a manifest; shorter ones are left alone */
#define IDS_AHEAD     1024u

void store_path(const struct store *s, char *out, const char *name)
{
    (void)snprintf(out, STORE_PATH, "%s/%s", s->dir, name);
}

/* DIR/name, or DIR/slow/name: `slow` is a link to the second directory, so that whoever has the
 * data directory finds all of it. */
static void tier_path(const struct store *s, char *out, enum tier tier, const char *kind,
                      uint64_t id, const char *end)
{
    (void)snprintf(out, STORE_PATH, "%s%s/%s-%012llu%s", s->dir, tier == TIER_SLOW ? "/slow" : "",
                   kind, (unsigned long long)id, end);
}

void store_segment_path(const struct store *s, char *out, enum tier tier, uint64_t id)
{
    tier_path(s, out, tier, "seg", id, ".seg");
}

void store_part_path(const struct store *s, char *out, enum tier tier, uint64_t id)
{
    tier_path(s, out, tier, "seg", id, ".part");
}

void store_checkpoint_path(const struct store *s, char *out, uint64_t id)
{
    tier_path(s, out, TIER_FAST, "checkpoint", id, "");
}

/* ------------------------------------------------------------------ log */

/* A new file with these octets, durable but for its name. */
static int write_temp(const char *temp, const struct buf *b, int *fd, struct err *e)
{
    int rc;

    if ((rc = os_file_open(fd, temp, OS_OPEN_TRUNC, e)) != ERR_OK)
        return rc;
    rc = os_file_write(*fd, temp, 0, b->p, b->len, e);
    return rc == ERR_OK ? os_file_sync(*fd, temp, e) : rc;
}

/* Octets that the state needs; what the log has beyond is dead weight. */
static size_t state_octets(const struct manifest *m)
{
    return 1024 + m->n_seg * 72 + m->n_import * 320 + MIN(m->n_gone, MANIFEST_GONE) * 8;
}

/* The new file is written and opened before it gets the name: behind that nothing can fail that
 * would let us go on appending to a file that has none. */
int store_rewrite(struct store *s, struct err *e)
{
    struct buf b = buf_init(MANIFEST_MAX);
    char path[STORE_PATH], temp[STORE_PATH + 8];
    struct manifest fresh;
    int rc, fd = -1;

    manifest_empty(&fresh);
    store_path(s, path, "manifest");
    manifest_put_all(&s->m, &b);
    rc = buf_ok(&b) ? manifest_read(&fresh, b.p, b.len, e)
                    : err_set(e, ERR_NOMEM, "%s: out of memory", path);
    (void)snprintf(temp, sizeof temp, "%s.tmp", path);
    if (rc == ERR_OK)
        rc = write_temp(temp, &b, &fd, e);
    if (rc == ERR_OK && (rc = os_rename(temp, path, e)) == ERR_OK) {
        fresh.next_id = MAX(fresh.next_id, s->m.next_id);
        manifest_free(&s->m);
        s->m = fresh;
        manifest_empty(&fresh);
        os_file_close(&s->manifest_fd);
        s->manifest_fd = fd;
        fd = -1;
        s->log_torn = false;
        s->log_name = true;
        if ((rc = os_dir_sync(s->dir, e)) == ERR_OK)
            s->log_name = false;
    } else if (rc != ERR_OK && fd >= 0) {
        (void)os_unlink(temp, NULL);
    }
    os_file_close(&fd);
    manifest_free(&fresh);
    buf_free(&b);
    return rc;
}

/* What the last record left undone: its name in the directory, or octets of one that failed. */
static int settle(struct store *s, const char *path, struct err *e)
{
    int rc;

    if (s->log_name) {
        if ((rc = os_dir_sync(s->dir, e)) != ERR_OK)
            return rc;
        s->log_name = false;
    }
    if (!s->log_torn)
        return ERR_OK;
    rc = os_file_truncate(s->manifest_fd, path, s->m.good, e);
    if (rc == ERR_OK)
        rc = os_file_sync(s->manifest_fd, path, e);
    s->log_torn = rc != ERR_OK;
    return rc;
}

int store_log(struct store *s, const struct buf *record, struct err *e)
{
    char path[STORE_PATH];
    int rc;

    store_path(s, path, "manifest");
    if (!buf_ok(record) || manifest_reserve(&s->m, record->len) != ERR_OK)
        return err_set(e, ERR_NOMEM, "%s: out of memory", path);
    if (s->manifest_fd < 0 && (rc = os_file_open(&s->manifest_fd, path, OS_OPEN_CREATE, e)) != 0)
        return rc;
    if ((rc = settle(s, path, e)) != ERR_OK)
        return rc;
    fault_point("manifest.write");
    rc = os_file_write(s->manifest_fd, path, s->m.good, record->p, record->len, e);
    fault_point("manifest.written");
    if (rc == ERR_OK)
        rc = os_file_sync(s->manifest_fd, path, e);
    if (rc != ERR_OK) { /* what may stand there must not count after a crash */
        s->log_torn = true;
        if (!s->m.torn) /* else this was to make a torn record good: the next start tries again */
            (void)settle(s, path, NULL);
        return rc;
    }
    if (manifest_apply(&s->m, record->p, record->len) != ERR_OK)
        abort(); /* cannot be: room was made, and we made the record */
    return ERR_OK;
}

/* As much again as the state is worth, and not for trifles. */
static void rewrite_if_worth(struct store *s)
{
    struct err e;

    if (s->m.good > REWRITE_AFTER && s->m.good > 4 * state_octets(&s->m))
        if (store_rewrite(s, &e) != ERR_OK)
            return; /* the old one is as good; tried again at the next record */
}

/* Numbers are reserved in the log, many at a time: so one that was given out before a crash and
 * left no trace is not given out again. */
int store_take_id(struct store *s, uint64_t *id, struct err *e)
{
    struct buf record = buf_init(64);
    int rc = ERR_OK;

    os_lock(&s->log);
    if (s->m.next_id >= s->m.reserved) {
        manifest_put_ids(&record, s->m.next_id + IDS_AHEAD);
        rc = store_log(s, &record, e);
        buf_free(&record);
    }
    if (rc == ERR_OK)
        *id = s->m.next_id++;
    os_unlock(&s->log);
    return rc;
}

/* ------------------------------------------------------------------ files */

int store_write_durable(const char *path, const struct buf *b, struct err *e)
{
    char temp[STORE_PATH + 8];
    struct err ignored;
    int fd, rc;

    (void)snprintf(temp, sizeof temp, "%s.tmp", path);
    rc = write_temp(temp, b, &fd, e);
    if (rc != ERR_OK && fd < 0)
        return rc;
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

int written_add(struct written *w, const struct seg_info *info, struct rowset *rs)
{
    int rc = room(w);

    if (rc != ERR_OK)
        return rc;
    w->info[w->n] = *info;
    w->rs[w->n++] = rs;
    return ERR_OK;
}

void written_free(struct written *w, struct store *remove_from)
{
    char path[STORE_PATH];
    struct err ignored;

    for (size_t i = 0; i < w->n; i++) {
        rowset_unref(w->rs[i]);
        /* a record that failed and could not be taken back may count after a crash */
        if (remove_from == NULL || remove_from->log_torn)
            continue;
        store_part_path(remove_from, path, w->tier, w->info[i].id);
        (void)os_unlink(path, &ignored);
        store_segment_path(remove_from, path, w->tier, w->info[i].id);
        (void)os_unlink(path, &ignored);
    }
    free(w->info);
    free(w->rs);
    memset(w, 0, sizeof *w);
}

static int open_file(const char *path, uint64_t id, struct rowset **out, struct err *e)
{
    char name[64];
    struct os_map map;
    int rc;

    *out = NULL;
    (void)snprintf(name, sizeof name, "seg-%012llu", (unsigned long long)id);
    if ((rc = os_map_file(&map, path, e)) != ERR_OK)
        return rc;
    return segment_open(out, name, map, true, e);
}

int store_open_segment(const struct store *s, enum tier tier, uint64_t id, struct rowset **out,
                       struct err *e)
{
    char path[STORE_PATH];

    store_segment_path(s, path, tier, id);
    return open_file(path, id, out, e);
}

int store_write_octets(struct store *s, const struct buf *octets, const struct seg_info *info,
                       struct written *w, struct err *e)
{
    char path[STORE_PATH];
    struct rowset *rs = NULL;
    int rc;

    if (w->part)
        store_part_path(s, path, w->tier, info->id);
    else
        store_segment_path(s, path, w->tier, info->id);
    if ((rc = store_write_durable(path, octets, e)) != ERR_OK)
        return rc;
    rc = open_file(path, info->id, &rs, e);
    if (rc == ERR_OK && written_add(w, info, rs) != ERR_OK)
        rc = err_set(e, ERR_NOMEM, "store %s: out of memory", s->dir);
    if (rc != ERR_OK) {
        rowset_unref(rs);
        (void)os_unlink(path, NULL);
    }
    return rc;
}

static int write_as(struct store *s, uint64_t id, struct flow_batch *const *b, size_t n,
                    const struct seg_origin *from, struct written *w, struct err *e)
{
    struct buf octets = buf_init(SEGMENT_MAX);
    struct geo *today = store_geo(s);
    const struct seg_geo known = { .today = today, .kept = w->kept };
    struct seg_info info;
    int rc;

    rc = segment_build_apart(b, n, id, from, &known, &octets, &info, e);
    geo_unref(today);
    if (rc == ERR_LIMIT && n > 1) { /* more exporters or shapes than one segment numbers: two */
        buf_free(&octets);
        rc = write_as(s, id, b, n / 2, from, w, e);
        return rc == ERR_OK ? store_write(s, b + n / 2, n - n / 2, from, w, e) : rc;
    }
    if (rc == ERR_OK)
        rc = store_write_octets(s, &octets, &info, w, e);
    buf_free(&octets);
    return rc;
}

int store_write(struct store *s, struct flow_batch *const *b, size_t n,
                const struct seg_origin *from, struct written *w, struct err *e)
{
    uint64_t id;
    int rc = store_take_id(s, &id, e);

    if (rc == ERR_OK)
        rc = store_learn(s, b, n, e);
    return rc == ERR_OK ? write_as(s, id, b, n, from, w, e) : rc;
}

/* ------------------------------------------------------------------ publishing */

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

/* Part files get the name of segments: from now on they count when the manifest is lost. */
static int rename_parts(struct store *s, struct written *w, struct err *e)
{
    char from[STORE_PATH], to[STORE_PATH];
    int rc = ERR_OK;

    for (size_t i = 0; w->part && i < w->n && rc == ERR_OK; i++) {
        store_part_path(s, from, w->tier, w->info[i].id);
        store_segment_path(s, to, w->tier, w->info[i].id);
        rc = os_rename(from, to, e);
    }
    return rc;
}

static int sync_tier(struct store *s, enum tier tier, struct err *e)
{
    char path[STORE_PATH];

    if (tier == TIER_FAST)
        return os_dir_sync(s->dir, e);
    store_path(s, path, "slow");
    return os_dir_sync(path, e);
}

static void put_record(struct buf *out, const struct written *w, const struct publish *p)
{
    if (p->cut != NULL)
        manifest_put_cut(out, p->cut, w->info, w->n);
    else if (p->n_old > 0)
        manifest_put_replace(out, p->old, p->n_old, w->info, w->n, w->tier);
    else
        manifest_put_add(out, w->info, w->n, w->tier, p->import);
}

/* The catalogue follows the manifest. Under `log` and `list`; room was made, `file` holds what is
 * entered. */
static void enter(struct store *s, const struct written *w, struct seg_file **file,
                  const struct publish *p)
{
    for (size_t i = 0; i < p->n_old; i++)
        p->gone[i] = store_forget(s, p->old[i]);
    for (size_t i = 0; i < w->n; i++) {
        const struct manifest_segment *m = manifest_find(&s->m, w->info[i].id);
        s->entry[s->n_entries++] = (struct entry){
            .info = w->info[i],
            .import = m != NULL ? m->import : 0,
            .tier = (uint8_t)w->tier,
            .file = file[i],
        };
    }
}

static void drop_files(struct seg_file **file, size_t n)
{
    for (size_t i = 0; file != NULL && i < n; i++)
        if (file[i] != NULL)
            rowset_unref(&file[i]->rs);
    free(file);
}

/* One for the catalogue per segment; what was opened goes with it. */
static struct seg_file **make_files(struct store *s, struct written *w)
{
    struct seg_file **file = calloc(w->n + 1, sizeof(struct seg_file *));

    for (size_t i = 0; file != NULL && i < w->n; i++) {
        if (seg_file_new(&file[i], s->cache, &w->info[i], w->tier, w->rs[i]) != ERR_OK) {
            drop_files(file, w->n);
            return NULL;
        }
        w->rs[i] = NULL;
    }
    return file;
}

int store_publish(struct store *s, struct written *w, const struct publish *p, struct err *e)
{
    struct buf record = buf_init(1u << 28);
    struct seg_file **file;
    int rc = rename_parts(s, w, e);

    if (rc == ERR_OK)
        rc = sync_tier(s, w->tier, e);
    if (rc != ERR_OK)
        return rc;
    if ((file = make_files(s, w)) == NULL)
        return err_set(e, ERR_NOMEM, "store %s: out of memory", s->dir);
    put_record(&record, w, p);
    os_lock(&s->log);
    for (size_t i = 0; i < p->n_old && rc == ERR_OK; i++)
        if (manifest_find(&s->m, p->old[i]) == NULL)
            rc = err_set(e, ERR_NOTFOUND, "store %s: segment %llu is not listed any more", s->dir,
                         (unsigned long long)p->old[i]);
    os_lock(&s->list);
    if (rc == ERR_OK && (rc = reserve(s, w->n)) != ERR_OK)
        rc = err_set(e, rc, "store %s: out of memory", s->dir);
    os_unlock(&s->list);
    if (rc == ERR_OK)
        rc = store_log(s, &record, e);
    if (rc == ERR_OK) {
        os_lock(&s->list);
        enter(s, w, file, p);
        if (p->sealed != NULL)
            p->sealed(p->ctx);
        os_unlock(&s->list);
        rewrite_if_worth(s);
    }
    os_unlock(&s->log);
    if (rc == ERR_OK)
        free(file);
    else
        drop_files(file, w->n);
    buf_free(&record);
    return rc;
}

static uint64_t count_records(struct flow_batch *const *b, size_t n)
{
    uint64_t records = 0;

    for (size_t i = 0; i < n; i++)
        records +=
            flow_batch_rows(b[i]) + atomic_load_explicit(&b[i]->n_options, memory_order_acquire);
    return records;
}

int store_seal_with(struct store *s, struct flow_batch *const *b, size_t n,
                    void (*sealed)(void *ctx), void *ctx, struct err *e)
{
    struct publish p = { .sealed = sealed, .ctx = ctx };
    struct written w = { 0 };
    int rc;

    if (s->mode != STORE_WRITE)
        return err_set(e, ERR_ARG, "store %s: opened for reading", s->dir);
    if (count_records(b, n) == 0) {
        os_lock(&s->list);
        if (sealed != NULL)
            sealed(ctx);
        os_unlock(&s->list);
        return ERR_OK;
    }
    rc = store_write(s, b, n, NULL, &w, e);
    if (rc == ERR_OK)
        rc = store_publish(s, &w, &p, e);
    written_free(&w, rc == ERR_OK ? NULL : s);
    return rc;
}

int store_seal(struct store *s, struct flow_batch *const *b, size_t n, struct err *e)
{
    return store_seal_with(s, b, n, NULL, NULL, e);
}

/* Rows and option records of the old ones less those of the new; false: an old one is not there. */
static bool balance(struct store *s, const uint64_t *old, size_t n_old, const struct written *w,
                    int64_t *rows, int64_t *options)
{
    bool all = true;

    *rows = *options = 0;
    os_lock(&s->log);
    for (size_t i = 0; i < n_old; i++) {
        const struct manifest_segment *m = manifest_find(&s->m, old[i]);
        all &= m != NULL;
        *rows += m != NULL ? m->info.n_rows : 0;
        *options += m != NULL ? m->info.n_options : 0;
    }
    os_unlock(&s->log);
    for (size_t i = 0; i < w->n; i++) {
        *rows -= w->info[i].n_rows;
        *options -= w->info[i].n_options;
    }
    return all;
}

static int keep_aside(struct store *s, struct seg_file *f)
{
    char path[STORE_PATH], name[64];
    int rc;

    store_segment_path(s, path, atomic_load(&f->tier), f->id);
    (void)snprintf(name, sizeof name, "%s.seg", f->name);
    rc = store_quarantine(s, path, name, NULL);
    rowset_unref(&f->rs);
    return rc;
}

static int replace(struct store *s, const uint64_t *old, size_t n_old, struct written *w,
                   bool exact, bool quarantine, struct err *e)
{
    struct publish p = { .old = old, .n_old = n_old };
    int64_t rows, options;
    int rc;

    if (s->mode != STORE_WRITE || n_old == 0)
        return err_set(e, ERR_ARG, "store %s: nothing to replace", s->dir);
    p.gone = calloc(n_old, sizeof(struct seg_file *));
    if (p.gone == NULL)
        return err_set(e, ERR_NOMEM, "store %s: out of memory", s->dir);
    os_lock(&s->files);
    if (balance(s, old, n_old, w, &rows, &options) &&
        (exact ? rows != 0 || options != 0 : rows < 0 || options < 0))
        rc = err_set(e, ERR_ARG, "store %s: a replacement has other rows than what it replaces",
                     s->dir);
    else
        rc = store_publish(s, w, &p, e); /* says which is not there */
    for (size_t i = 0; i < n_old && rc == ERR_OK; i++) {
        if (p.gone[i] == NULL)
            continue;
        /* a file that stays is removed at the next start */
        if ((quarantine ? keep_aside(s, p.gone[i]) : store_discard(s, p.gone[i], NULL)) != ERR_OK)
            continue;
    }
    os_unlock(&s->files);
    if (rc == ERR_OK)
        written_free(w, NULL);
    free(p.gone);
    return rc;
}

int store_replace(struct store *s, const uint64_t *old, size_t n_old, struct written *w,
                  struct err *e)
{
    return replace(s, old, n_old, w, true, false, e);
}

int store_replace_some(struct store *s, const uint64_t *old, size_t n_old, struct written *w,
                       bool quarantine, struct err *e)
{
    return replace(s, old, n_old, w, false, quarantine, e);
}

/* ------------------------------------------------------------------ imports */

struct store_import {
    struct store *s;
    struct seg_import what;
    struct os_mutex lock;
    struct written w;
};

int store_import_begin(struct store *s, const char *file, const uint8_t sha256[32],
                       struct store_import **out, struct err *e)
{
    struct store_import *im;

    *out = NULL;
    if (s->mode != STORE_WRITE)
        return err_set(e, ERR_ARG, "store %s: opened for reading", s->dir);
    im = calloc(1, sizeof *im);
    if (im == NULL)
        return err_set(e, ERR_NOMEM, "store %s: out of memory", s->dir);
    im->s = s;
    im->w.part = true;
    im->what.at_ms = os_wall_ms();
    memcpy(im->what.sha256, sha256, 32);
    (void)snprintf(im->what.file, sizeof im->what.file, "%s", file);
    os_mutex_init(&im->lock);
    *out = im;
    return ERR_OK;
}

int store_import_ticket(struct store_import *im, uint64_t *ticket, struct err *e)
{
    return store_take_id(im->s, ticket, e);
}

int store_import_seal(struct store_import *im, struct flow_batch *const *b, size_t n, struct err *e)
{
    uint64_t ticket;
    int rc = store_import_ticket(im, &ticket, e);

    return rc == ERR_OK ? store_import_seal_as(im, ticket, b, n, e) : rc;
}

int store_import_seal_as(struct store_import *im, uint64_t ticket, struct flow_batch *const *b,
                         size_t n, struct err *e)
{
    struct seg_origin from = { .kind = SEG_IMPORT, .import = &im->what, .n_import = 1 };
    struct written w = { .part = true };
    int rc;

    if (count_records(b, n) == 0)
        return ERR_OK;
    if ((rc = store_learn(im->s, b, n, e)) == ERR_OK)
        rc = write_as(im->s, ticket, b, n, &from, &w, e);
    os_lock(&im->lock);
    for (size_t i = 0; rc == ERR_OK && i < w.n; i++) {
        struct rowset *rs = rowset_ref(w.rs[i]);
        if ((rc = written_add(&im->w, &w.info[i], rs)) == ERR_OK)
            continue;
        rowset_unref(rs);
        im->w.n -= i; /* their files go with w */
        for (size_t k = 0; k < i; k++)
            rowset_unref(im->w.rs[im->w.n + k]);
        rc = err_set(e, rc, "import: out of memory");
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

/* By rising id: threads finish in any order. */
static void sort_written(struct written *w)
{
    for (size_t n = 1; n < w->n; n++) {
        for (size_t i = n; i > 0 && w->info[i - 1].id > w->info[i].id; i--) {
            struct seg_info info = w->info[i];
            struct rowset *rs = w->rs[i];
            w->info[i] = w->info[i - 1];
            w->rs[i] = w->rs[i - 1];
            w->info[i - 1] = info;
            w->rs[i - 1] = rs;
        }
    }
}

int store_import_commit(struct store_import *im, struct err *e)
{
    struct publish p = { .import = &im->what };
    int rc;

    sort_written(&im->w);
    rc = store_publish(im->s, &im->w, &p, e);

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
    for (size_t i = 0; i < s->m.n_import && !known; i++)
        known = memcmp(s->m.import[i].what.sha256, sha256, 32) == 0 &&
                manifest_holds(&s->m, &s->m.import[i]);
    os_unlock(&s->log);
    return known;
}
