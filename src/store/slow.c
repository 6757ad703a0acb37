/* The second, slower directory: DIR/slow, a link. */
#include <stdio.h>
#include <string.h>

#include "store/check.h"

bool store_has_slow(const struct store *s)
{
    char path[STORE_PATH];

    store_path(s, path, "slow");
    return os_is_dir(path);
}

struct entry *store_entry(struct store *s, uint64_t id)
{
    for (size_t i = 0; i < s->n_entries; i++)
        if (s->entry[i].info.id == id)
            return &s->entry[i];
    return NULL;
}

/* Are all segments that live in the second directory in this one? */
static int holds_all(struct store *s, const char *dir, struct err *e)
{
    char path[STORE_PATH + 32], old[STORE_PATH];
    struct os_stat st;

    for (size_t i = 0; i < s->m.n_seg; i++) {
        const struct manifest_segment *m = &s->m.seg[i];
        if (m->tier != TIER_SLOW)
            continue;
        (void)snprintf(path, sizeof path, "%s/seg-%012llu.seg", dir,
                       (unsigned long long)m->info.id);
        if (os_file_stat(path, &st, NULL) == ERR_OK && st.octets == m->info.octets)
            continue;
        store_path(s, old, "slow");
        return err_set(
            e, ERR_ARG,
            "storage.slow: segment %llu is not in %s; move all seg-*.seg files from where "
            "%s points to, then start again",
            (unsigned long long)m->info.id, dir, old);
    }
    return ERR_OK;
}

int store_set_slow(struct store *s, const char *slow, struct err *e)
{
    char path[STORE_PATH], target[STORE_PATH], now[STORE_PATH], trash[STORE_PATH + 8];
    int rc;

    if (slow[0] == '\0')
        return ERR_OK;
    if ((rc = os_mkdir(slow, e)) != ERR_OK ||
        (rc = os_realpath(slow, target, sizeof target, e)) != ERR_OK ||
        (rc = os_realpath(s->dir, now, sizeof now, e)) != ERR_OK)
        return rc;
    if (strcmp(target, now) == 0)
        return err_set(e, ERR_ARG, "storage.slow: %s is the data directory itself", slow);
    store_path(s, path, "slow");
    rc = os_realpath(path, now, sizeof now, NULL);
    if (rc != ERR_OK || strcmp(now, target) != 0) {
        if (os_readlink(path, now, sizeof now, NULL) != ERR_OK && os_is_dir(path))
            return err_set(e, ERR_ARG,
                           "storage.slow: %s is a directory; move its files to %s and remove it",
                           path, slow);
        if ((rc = holds_all(s, target, e)) != ERR_OK ||
            (rc = os_symlink(target, path, e)) != ERR_OK || (rc = os_dir_sync(s->dir, e)) != ERR_OK)
            return rc;
    }
    (void)snprintf(trash, sizeof trash, "%s/trash", path);
    return os_mkdir(trash, e);
}

/* ------------------------------------------------------------------ moving */

static void note_bad(void *ctx, const struct seg_damage *d)
{
    (void)d;
    *(bool *)ctx = true;
}
static void no_step(void *ctx, uint64_t octets)
{
    (void)ctx;
    (void)octets;
}

/* What was copied must be what it was: every checksum. */
static int verify_copy(const char *path, const char *name, struct err *e)
{
    static uint8_t blocks[SEG_BLOCKS + 1];
    struct rowset *rs;
    struct os_map map;
    bool bad = false;
    int rc = os_map_file(&map, path, e);

    if (rc == ERR_OK)
        rc = segment_open(&rs, name, map, true, e);
    if (rc != ERR_OK)
        return rc;
    segment_verify(rs, blocks, note_bad, no_step, &bad);
    rowset_unref(rs);
    return bad ? err_set(e, ERR_CORRUPT, "segment %s: damaged; it is not moved, run weir fsck",
                         name)
               : ERR_OK;
}

/* The copy stands there under its name: now it counts. */
static int switch_over(struct store *s, uint64_t id, enum tier to, struct err *e)
{
    struct buf record = buf_init(256);
    const struct manifest_segment *m;
    struct entry *x;
    int rc;

    manifest_put_move(&record, to, &id, 1);
    os_lock(&s->log);
    m = manifest_find(&s->m, id);
    rc = m == NULL || m->tier == to
             ? err_set(e, ERR_NOTFOUND, "segment %llu is gone", (unsigned long long)id)
             : store_log(s, &record, e);
    if (rc == ERR_OK) {
        os_lock(&s->list);
        if ((x = store_entry(s, id)) != NULL) {
            x->tier = (uint8_t)to;
            atomic_store(&x->file->tier, (uint8_t)to);
        }
        s->segments_moved++;
        os_unlock(&s->list);
    }
    os_unlock(&s->log);
    buf_free(&record);
    return rc;
}

static int go_on(void *ctx, size_t octets)
{
    const _Atomic bool *stop = ctx;

    (void)octets;
    return stop != NULL && atomic_load(stop) ? ERR_CANCEL : ERR_OK;
}

int store_move(struct store *s, uint64_t id, enum tier to, const _Atomic bool *stop, struct err *e)
{
    char from[STORE_PATH], part[STORE_PATH], path[STORE_PATH], name[32], dir[STORE_PATH];
    int rc;

    (void)snprintf(name, sizeof name, "seg-%012llu", (unsigned long long)id);
    store_segment_path(s, from, to == TIER_SLOW ? TIER_FAST : TIER_SLOW, id);
    store_segment_path(s, path, to, id);
    store_part_path(s, part, to, id);
    store_path(s, dir, to == TIER_SLOW ? "slow" : "");
    rc = os_copy(from, part, go_on, (void *)(uintptr_t)stop, e);
    if (rc == ERR_OK)
        rc = verify_copy(part, name, e);
    if (rc == ERR_OK && (rc = os_rename(part, path, e)) == ERR_OK &&
        (rc = os_dir_sync(dir, e)) == ERR_OK) {
        os_lock(&s->files);
        rc = switch_over(s, id, to, e);
        /* Whoever knows it in the old place and has not opened it yet finds it in the new one. */
        (void)os_unlink(rc == ERR_OK ? from : path, NULL);
        os_unlock(&s->files);
        return rc;
    }
    (void)os_unlink(part, NULL);
    (void)os_unlink(path, NULL);
    return rc;
}
