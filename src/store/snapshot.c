/* What questions look at, and how files go away under them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/compact.h"
#include "store/entry.h"

#define HOUR_MS INT64_C(3600000)
#define DAY_MS  (24 * HOUR_MS)

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
    if (rc == ERR_OK)
        out->geo = geo_ref(s->geo);
    if (rc == ERR_OK && s->facts != NULL)
        out->facts = fact_table_ref(s->facts);
    os_unlock(&s->list);
    if (rc == ERR_OK && (rc = snapshot_learn(out)) != ERR_OK)
        rc = err_set(e, rc, "snapshot: out of memory");
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

void store_set_geo(struct store *s, struct geo *g)
{
    struct geo *old;

    os_lock(&s->list);
    old = s->geo;
    s->geo = geo_ref(g);
    os_unlock(&s->list);
    geo_unref(old);
}

struct geo *store_geo(struct store *s)
{
    struct geo *g;

    os_lock(&s->list);
    g = geo_ref(s->geo);
    os_unlock(&s->list);
    return g;
}

/* ------------------------------------------------------------------ what goes away */

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

/* Octets that came per day, over the last week there is. Under `list`. */
static uint64_t per_day(const struct store *s, int64_t newest_ms)
{
    int64_t from = newest_ms - 7 * DAY_MS, oldest = newest_ms;
    double octets = 0;

    for (size_t i = 0; i < s->n_entries; i++) {
        const struct seg_info *x = &s->entry[i].info;
        int64_t begin = MAX(x->min_received_ms, from),
                span = x->max_received_ms - x->min_received_ms;
        if (s->entry[i].import != 0 || x->max_received_ms < from || x->n_rows == 0)
            continue;
        octets += (double)x->octets *
                  (span > 0 ? (double)(x->max_received_ms - begin) / (double)span : 1.0);
        oldest = MIN(oldest, begin);
    }
    if (newest_ms - oldest < HOUR_MS) /* too short to say */
        return 0;
    return (uint64_t)(octets * (double)DAY_MS / (double)(newest_ms - oldest));
}

static void space(const struct store *s, const char *name, uint64_t *free_octets, uint64_t *octets)
{
    char path[STORE_PATH];

    store_path(s, path, name);
    if (os_space(path, free_octets, octets, NULL) != ERR_OK)
        *free_octets = *octets = 0;
}

void store_get_stats(struct store *s, struct store_stats *out)
{
    size_t open;

    memset(out, 0, sizeof *out);
    os_lock(&s->list);
    for (size_t i = 0; i < s->n_entries; i++) {
        const struct seg_info *x = &s->entry[i].info;
        out->segments++;
        out->rows += x->n_rows;
        out->options += x->n_options;
        out->octets += x->octets;
        out->octets_slow += s->entry[i].tier == TIER_SLOW ? x->octets : 0;
        out->oldest_ms = i == 0 ? x->min_received_ms : MIN(out->oldest_ms, x->min_received_ms);
        out->newest_ms = i == 0 ? x->max_received_ms : MAX(out->newest_ms, x->max_received_ms);
        out->segments_damaged += atomic_load(&s->entry[i].file->damaged);
        out->level_segments[compact_level(x)]++;
    }
    out->segments_removed = s->segments_removed;
    out->rows_removed = s->rows_removed;
    out->segments_moved = s->segments_moved;
    out->manifest_rebuilt = s->rebuilt;
    out->quarantined = s->quarantined;
    out->octets_per_day = per_day(s, out->newest_ms);
    os_unlock(&s->list);
    seg_cache_count(s->cache, &open, &out->octets_open);
    out->segments_open = open;
    space(s, "", &out->free_octets, &out->disk_octets);
    space(s, "slow", &out->slow_free_octets, &out->slow_disk_octets);
}
