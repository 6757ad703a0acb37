/* Segments as questions see them: their counts and time bounds are known from the manifest, the
 * file is opened when somebody first needs more, and the least recently used ones are closed again.
 *
 * A `seg_file` is one segment in the catalogue and in any number of snapshots. It lives until the
 * last of them goes, longer than the store if need be. What it opened may be closed at any time
 * behind the back of the others: whoever reads holds a reference of his own to the opened one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/entry.h"
#include "store/read.h"

#define EVICT_MAX 8u /* closed per opening at most */

struct seg_cache {
    _Atomic uint32_t refs;
    struct os_mutex lock;
    char dir[STORE_PATH - 64];
    size_t max_open;
    uint64_t max_octets;
    size_t n;
    uint64_t octets;
    struct seg_file *newest, *oldest;
};

int seg_cache_new(struct seg_cache **out, const char *dir)
{
    struct seg_cache *c = calloc(1, sizeof *c);

    *out = c;
    if (c == NULL)
        return ERR_NOMEM;
    atomic_init(&c->refs, 1);
    os_mutex_init(&c->lock);
    (void)snprintf(c->dir, sizeof c->dir, "%s", dir);
    c->max_open = STORE_OPEN_SEGMENTS;
    c->max_octets = STORE_OPEN_MEMORY;
    return ERR_OK;
}

void seg_cache_unref(struct seg_cache *c)
{
    if (c == NULL || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1)
        return;
    os_mutex_free(&c->lock);
    free(c);
}

/* ------------------------------------------------------------------ the list; under `lock` */

static void list_remove(struct seg_cache *c, struct seg_file *f)
{
    *(f->newer != NULL ? &f->newer->older : &c->newest) = f->older;
    *(f->older != NULL ? &f->older->newer : &c->oldest) = f->newer;
    f->newer = f->older = NULL;
    c->n--;
    c->octets -= f->octets;
}

static void list_front(struct seg_cache *c, struct seg_file *f)
{
    f->newer = NULL;
    f->older = c->newest;
    *(c->newest != NULL ? &c->newest->newer : &c->oldest) = f;
    c->newest = f;
    c->n++;
    c->octets += f->octets;
}

/* The oldest beyond the limits, taken out; never `keep`. NULL: none. */
static struct rowset *evict(struct seg_cache *c, const struct seg_file *keep)
{
    struct seg_file *f = c->oldest;
    struct rowset *rs;

    if (f == NULL || f == keep || (c->n <= c->max_open && c->octets <= c->max_octets))
        return NULL;
    list_remove(c, f);
    rs = f->real;
    f->real = NULL;
    return rs;
}

/* Close what is beyond the limits, but for `keep`; gone[] has room for EVICT_MAX more from n on. */
static size_t evict_some(struct seg_cache *c, const struct seg_file *keep, struct rowset **gone,
                         size_t n)
{
    for (size_t end = n + EVICT_MAX; n < end && (gone[n] = evict(c, keep)) != NULL;)
        n++;
    return n;
}

/* Install what was opened, unless somebody was faster; returns a reference for the caller. Takes
 * over `rs`. */
static struct rowset *install(struct seg_file *f, struct rowset *rs)
{
    struct seg_cache *c = f->cache;
    struct rowset *gone[EVICT_MAX + 1] = { NULL };
    size_t n = 0;

    os_lock(&c->lock);
    if (f->real != NULL) {
        gone[n++] = rs;
        list_remove(c, f);
    } else {
        f->real = rs;
        f->octets = segment_memory(rs);
    }
    list_front(c, f);
    rs = rowset_ref(f->real);
    n = evict_some(c, f, gone, n);
    os_unlock(&c->lock);
    while (n > 0)
        rowset_unref(gone[--n]);
    return rs;
}

void seg_cache_limit(struct seg_cache *c, size_t max_open, uint64_t max_octets)
{
    struct rowset *gone;

    os_lock(&c->lock);
    c->max_open = max_open;
    c->max_octets = max_octets;
    while ((gone = evict(c, NULL)) != NULL)
        rowset_unref(gone);
    os_unlock(&c->lock);
}

void seg_cache_count(struct seg_cache *c, size_t *open, uint64_t *octets)
{
    os_lock(&c->lock);
    *open = c->n;
    *octets = c->octets;
    os_unlock(&c->lock);
}

/* ------------------------------------------------------------------ opening */

static struct seg_file *file_of(struct rowset *rs)
{
    return (struct seg_file *)rs;
}

/* In its directory, in the other one (it was just moved), in the trash (it was just removed). */
static int map_anywhere(const struct seg_file *f, struct os_map *map, struct err *e)
{
    static const char *const where[TIER_N][4] = {
        { "", "slow/", "trash/", "slow/trash/" },
        { "slow/", "", "slow/trash/", "trash/" },
    };
    const char *const *dirs = where[atomic_load(&f->tier)];
    char path[STORE_PATH];
    struct err first;
    int rc = ERR_NOTFOUND;

    for (size_t i = 0; i < 4 && rc == ERR_NOTFOUND; i++) {
        (void)snprintf(path, sizeof path, "%s/%s%s.seg", f->cache->dir, dirs[i], f->name);
        rc = os_map_file(map, path, i == 0 ? &first : NULL);
        if (rc != ERR_OK && rc != ERR_NOTFOUND)
            return os_map_file(map, path, e);
    }
    return rc == ERR_OK ? rc : err_set(e, rc, "%s", first.msg);
}

static int load(struct seg_file *f, struct rowset **out, struct err *e)
{
    struct seg_info found;
    struct os_map map;
    int rc = map_anywhere(f, &map, e);

    if (rc == ERR_OK)
        rc = segment_open(out, f->name, map, true, e);
    if (rc != ERR_OK)
        return rc;
    segment_info(*out, &found);
    if (found.id == f->id && found.n_rows == f->rs.n_rows)
        return ERR_OK;
    rowset_unref(*out);
    return err_set(e, ERR_CORRUPT, "segment %s: not the file that the manifest means", f->name);
}

static int file_open(struct rowset *rs, struct rowset **out, struct err *e)
{
    struct seg_file *f = file_of(rs);
    struct seg_cache *c = f->cache;
    struct rowset *gone[EVICT_MAX + 1];
    size_t n = 0;
    int rc;

    *out = NULL;
    os_lock(&c->lock);
    if (f->real != NULL) {
        *out = rowset_ref(f->real);
        list_remove(c, f);
        f->octets = segment_memory(f->real); /* what it loaded since then */
        list_front(c, f);
        n = evict_some(c, f, gone, 0);
    }
    os_unlock(&c->lock);
    while (n > 0)
        rowset_unref(gone[--n]);
    if (*out != NULL)
        return ERR_OK;
    rc = load(f, out, e);
    if (rc == ERR_OK)
        *out = install(f, *out);
    else
        *out = NULL;
    if (rc != ERR_NOMEM)
        atomic_store(&f->damaged, rc != ERR_OK);
    return rc;
}

static void file_free(struct rowset *rs)
{
    struct seg_file *f = file_of(rs);
    struct rowset *real;

    os_lock(&f->cache->lock);
    real = f->real;
    if (real != NULL)
        list_remove(f->cache, f);
    os_unlock(&f->cache->lock);
    rowset_unref(real);
    seg_cache_unref(f->cache);
    free(f);
}

static const struct rowset_ops file_ops = { .open = file_open, .free = file_free };

int seg_file_new(struct seg_file **out, struct seg_cache *c, const struct seg_info *info,
                 enum tier tier, struct rowset *real)
{
    static _Atomic uint64_t next_id = 1;
    struct seg_file *f = calloc(1, sizeof *f);

    *out = f;
    if (f == NULL)
        return ERR_NOMEM;
    (void)snprintf(f->name, sizeof f->name, "seg-%012llu", (unsigned long long)info->id);
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    f->cache = c;
    f->id = info->id;
    atomic_init(&f->tier, tier);
    f->rs = (struct rowset){
        .ops = &file_ops,
        .name = f->name,
        .id = 1ull << 62 | atomic_fetch_add(&next_id, 1),
        .n_rows = info->n_rows,
        .n_blocks = info->n_blocks,
        .n_options = info->n_options,
        .min_start_ms = info->min_start_ms,
        .max_start_ms = info->max_start_ms,
        .max_end_ms = info->max_end_ms,
        .min_received_ms = info->min_received_ms,
        .max_received_ms = info->max_received_ms,
    };
    atomic_init(&f->rs.refs, 1);
    if (real != NULL)
        rowset_unref(install(f, real));
    return ERR_OK;
}
