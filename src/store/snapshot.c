/* What questions look at, and what retention takes away. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/entry.h"

/* ------------------------------------------------------------------ snapshot */

/* A direct reader beside a writer: has the manifest changed since it was read? */
static int refresh(struct store *s, struct err *e)
{
    struct os_stat now;
    char path[STORE_PATH];
    int rc;

    store_path(s, path, "manifest");
    if (os_file_stat(path, &now, NULL) != ERR_OK ||
        (now.ino == s->seen.ino && now.octets == s->seen.octets &&
         now.changed_ns == s->seen.changed_ns))
        return ERR_OK;
    os_lock(&s->log);
    rc = store_load(s, e);
    os_lock(&s->list);
    if (rc == ERR_OK && (rc = store_fill(s)) != ERR_OK)
        rc = err_set(e, rc, "store %s: out of memory", s->dir);
    os_unlock(&s->list);
    os_unlock(&s->log);
    return rc;
}

/* References to all that is listed, in front of which open() puts nothing: sealed ones first. */
static int copy_list(struct store *s, struct snapshot *out, struct err *e)
{
    struct rowset **sets = malloc((s->n_entries + out->n + 1) * sizeof(struct rowset *));

    if (sets == NULL)
        return err_set(e, ERR_NOMEM, "snapshot: out of memory");
    for (size_t i = 0; i < s->n_entries; i++)
        sets[i] = rowset_ref(&s->entry[i].file->rs);
    for (size_t i = 0; i < out->n; i++)
        sets[s->n_entries + i] = out->sets[i];
    free(out->sets);
    out->sets = sets;
    out->n += s->n_entries;
    return ERR_OK;
}

int store_snapshot_with(struct store *s, struct snapshot *out,
                        int (*open)(void *ctx, struct snapshot *out), void *ctx, struct err *e)
{
    int rc = ERR_OK;

    memset(out, 0, sizeof *out);
    if (s->mode == STORE_READ) {
        os_lock(&s->files);
        rc = refresh(s, e);
        os_unlock(&s->files);
    }
    os_lock(&s->list);
    if (rc == ERR_OK && open != NULL && (rc = open(ctx, out)) != ERR_OK)
        rc = err_set(e, rc, "snapshot: open batches: %s", err_name(rc));
    if (rc == ERR_OK)
        rc = copy_list(s, out, e);
    os_unlock(&s->list);
    if (rc != ERR_OK)
        snapshot_free(out);
    return rc;
}

int store_snapshot(struct store *s, struct snapshot *out, struct err *e)
{
    return store_snapshot_with(s, out, NULL, NULL, e);
}

void store_set_open(struct store *s, size_t segments)
{
    seg_cache_limit(s->cache, segments, STORE_OPEN_MEMORY);
}

/* ------------------------------------------------------------------ retention */

struct sweep {
    struct store *s;
    char path[STORE_PATH];
};

static bool is_doomed(const struct store *s, uint64_t id)
{
    for (size_t i = 0; i < s->n_doomed; i++)
        if (s->doomed[i]->id == id)
            return true;
    return false;
}

static int unlink_trash(void *ctx, const char *name)
{
    struct sweep *w = ctx;
    char path[STORE_PATH * 2];
    const char *rest;

    if (is_doomed(w->s, store_number(name, "seg-", &rest)))
        return ERR_OK;
    (void)snprintf(path, sizeof path, "%s/%s", w->path, name);
    (void)os_unlink(path, NULL); /* one that stays is tried again next time */
    return ERR_OK;
}

void store_empty_trash(struct store *s)
{
    struct sweep w = { .s = s };
    size_t n = 0;

    for (size_t i = 0; i < s->n_doomed; i++) {
        struct seg_file *f = s->doomed[i];
        if (atomic_load_explicit(&f->rs.refs, memory_order_acquire) > 1)
            s->doomed[n++] = f;
        else
            rowset_unref(&f->rs);
    }
    s->n_doomed = n;
    if (os_file_lock(s->readers_fd, "readers", true, NULL) != ERR_OK)
        return;
    store_path(s, w.path, "trash");
    (void)os_dir_list(w.path, unlink_trash, &w, NULL);
    store_path(s, w.path, "slow/trash");
    (void)os_dir_list(w.path, unlink_trash, &w, NULL);
    (void)os_file_unlock(s->readers_fd, "readers", NULL);
}

int store_discard(struct store *s, struct seg_file *f, struct err *e)
{
    char path[STORE_PATH], to[STORE_PATH + 16];
    enum tier tier = atomic_load(&f->tier);
    bool held = atomic_load_explicit(&f->rs.refs, memory_order_acquire) > 1;
    struct seg_file **doomed;
    int rc;

    store_segment_path(s, path, tier, f->id);
    if (held) {
        doomed = realloc(s->doomed, (s->n_doomed + 1) * sizeof(struct seg_file *));
        if (doomed == NULL) { /* the file stays until the next start */
            rowset_unref(&f->rs);
            return err_set(e, ERR_NOMEM, "store %s: out of memory", s->dir);
        }
        s->doomed = doomed;
    }
    if (!held && os_file_lock(s->readers_fd, "readers", true, NULL) == ERR_OK) {
        rc = os_unlink(path, e);
        (void)os_file_unlock(s->readers_fd, "readers", NULL);
    } else {
        (void)snprintf(to, sizeof to, "%s/%strash/%s.seg", s->dir, tier == TIER_SLOW ? "slow/" : "",
                       f->name);
        rc = os_rename(path, to, e);
    }
    if (held)
        s->doomed[s->n_doomed++] = f;
    else
        rowset_unref(&f->rs);
    return rc == ERR_NOTFOUND ? ERR_OK : rc; /* gone already: damaged or taken by hand */
}

/* Does the age rule take this one? */
static bool too_old(const struct store *s, const struct entry *x, const struct store_retention *r,
                    int64_t now_ms)
{
    if (r->max_age_ms <= 0 || x->info.max_received_ms >= now_ms - r->max_age_ms)
        return false;
    return x->import == 0 || s->m.import[x->import - 1].what.at_ms <= now_ms - r->import_keep_ms;
}

static int by_newest(const void *a, const void *b)
{
    const struct seg_info *x = a, *y = b;

    if (x->max_received_ms != y->max_received_ms)
        return x->max_received_ms < y->max_received_ms ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* Fills list[] with what must go; returns how many. */
static size_t choose(const struct store *s, const struct store_retention *r, int64_t now_ms,
                     struct seg_info *list, struct seg_info *rest)
{
    uint64_t octets = 0;
    size_t n = 0, m = 0;

    for (size_t i = 0; i < s->n_entries; i++) {
        if (too_old(s, &s->entry[i], r, now_ms)) {
            list[n++] = s->entry[i].info;
        } else {
            rest[m++] = s->entry[i].info;
            octets += s->entry[i].info.octets;
        }
    }
    if (r->max_octets == 0)
        return n;
    qsort(rest, m, sizeof *rest, by_newest);
    for (size_t i = 0; i < m && octets > r->max_octets; i++) {
        octets -= rest[i].octets;
        list[n++] = rest[i];
    }
    return n;
}

struct seg_file *store_forget(struct store *s, uint64_t id)
{
    for (size_t i = 0; i < s->n_entries; i++) {
        struct seg_file *f = s->entry[i].file;
        if (s->entry[i].info.id != id)
            continue;
        memmove(&s->entry[i], &s->entry[i + 1], (s->n_entries - i - 1) * sizeof *s->entry);
        s->n_entries--;
        return f;
    }
    return NULL;
}

static int remove_all(struct store *s, const struct seg_info *list, size_t n, uint32_t *removed,
                      struct err *e)
{
    struct buf record = buf_init(1u << 28);
    uint64_t *id = malloc((n + 1) * sizeof *id);
    struct seg_file **gone = calloc(n + 1, sizeof(struct seg_file *));
    int rc;

    if (id == NULL || gone == NULL) {
        rc = err_set(e, ERR_NOMEM, "store %s: out of memory", s->dir);
        goto out;
    }
    for (size_t i = 0; i < n; i++)
        id[i] = list[i].id;
    manifest_put_remove(&record, id, n);
    if ((rc = store_log(s, &record, e)) != ERR_OK)
        goto out;
    os_lock(&s->list);
    for (size_t i = 0; i < n; i++) {
        gone[i] = store_forget(s, id[i]);
        s->segments_removed++;
        s->rows_removed += list[i].n_rows;
    }
    os_unlock(&s->list);
    for (size_t i = 0; i < n; i++) {
        int one = gone[i] != NULL ? store_discard(s, gone[i], e) : ERR_OK;
        rc = rc == ERR_OK ? one : rc;
        (*removed)++;
    }
out:
    buf_free(&record);
    free(id);
    free(gone);
    return rc;
}

int store_retain(struct store *s, const struct store_retention *r, int64_t now_ms,
                 uint32_t *removed, struct err *e)
{
    struct seg_info *list, *rest;
    size_t n = 0;
    int rc = ERR_OK;

    *removed = 0;
    if (s->mode != STORE_WRITE)
        return err_set(e, ERR_ARG, "store %s: opened for reading", s->dir);
    os_lock(&s->files);
    os_lock(&s->log);
    list = malloc((s->n_entries + 1) * sizeof *list);
    rest = malloc((s->n_entries + 1) * sizeof *rest);
    if (list == NULL || rest == NULL)
        rc = err_set(e, ERR_NOMEM, "store %s: out of memory", s->dir);
    else
        n = choose(s, r, now_ms, list, rest);
    if (rc == ERR_OK && n > 0)
        rc = remove_all(s, list, n, removed, e);
    store_empty_trash(s);
    os_unlock(&s->log);
    os_unlock(&s->files);
    free(list);
    free(rest);
    return rc;
}

void store_get_stats(struct store *s, struct store_stats *out)
{
    memset(out, 0, sizeof *out);
    os_lock(&s->list);
    for (size_t i = 0; i < s->n_entries; i++) {
        const struct seg_info *x = &s->entry[i].info;
        out->segments++;
        out->rows += x->n_rows;
        out->options += x->n_options;
        out->octets += x->octets;
        out->oldest_ms = i == 0 ? x->min_received_ms : MIN(out->oldest_ms, x->min_received_ms);
        out->newest_ms = i == 0 ? x->max_received_ms : MAX(out->newest_ms, x->max_received_ms);
        out->segments_damaged += atomic_load(&s->entry[i].file->damaged);
    }
    out->segments_removed = s->segments_removed;
    out->rows_removed = s->rows_removed;
    os_unlock(&s->list);
}
