/* A cut: segments, journal positions and the decoders' state, true in one moment or not at all.
 *
 * Order: segments (fsync, rename), fsync of the directory, checkpoint (fsync, rename), fsync of the
 * directory, manifest record (fsync), and only then the checkpoint before it is removed. So a
 * checkpoint that stands in the directory means that its segments stand there too: where the
 * manifest is lost, the newest checkpoint tells which segments count. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/entry.h"

#define CHECKPOINT_MAX ((size_t)4 << 30)

static int write_checkpoint(struct store *s, struct manifest_cut *cut, const struct buf *content,
                            struct err *e)
{
    struct buf b = buf_init(CHECKPOINT_MAX);
    char path[STORE_PATH];
    int rc;

    store_checkpoint_path(s, path, cut->id);
    checkpoint_put(&b, cut, content);
    cut->octets = b.len;
    cut->sum = buf_ok(&b) ? store_sum(b.p, b.len) : 0;
    rc = buf_ok(&b) ? store_write_durable(path, &b, e)
                    : err_set(e, ERR_NOMEM, "%s: out of memory", path);
    buf_free(&b);
    return rc;
}

/* Segments first, so that the checkpoint never stands there without them. */
static int write_all(struct store *s, struct flow_batch *const *b, size_t n,
                     struct manifest_cut *cut, const struct buf *content, struct written *w,
                     struct err *e)
{
    struct seg_origin from = { .cut = cut->id, .n_shards = cut->n_shards, .journal = cut->journal };
    uint64_t records = 0;
    int rc = ERR_OK;

    for (size_t i = 0; i < n; i++)
        records +=
            flow_batch_rows(b[i]) + atomic_load_explicit(&b[i]->n_options, memory_order_acquire);
    if (records > 0) {
        rc = store_write(s, b, n, &from, w, e);
        if (rc == ERR_OK)
            rc = os_dir_sync(s->dir, e);
    }
    if (rc == ERR_OK && content != NULL && content->len > 0)
        rc = write_checkpoint(s, cut, content, e);
    return rc;
}

int store_seal_cut(struct store *s, struct flow_batch *const *b, size_t n,
                   const struct store_cut *cut, void (*sealed)(void *ctx), void *ctx, struct err *e)
{
    struct manifest_cut c = { .n_shards = cut->n_shards };
    struct publish p = { .cut = &c, .sealed = sealed, .ctx = ctx };
    struct written w = { 0 };
    char path[STORE_PATH];
    uint64_t before;
    int rc;

    if (cut->checkpoint != NULL && !buf_ok(cut->checkpoint))
        return err_set(e, ERR_NOMEM, "store %s: out of memory for the checkpoint", s->dir);
    if (s->mode != STORE_WRITE || cut->n_shards > SEG_SHARDS)
        return err_set(e, ERR_ARG, "store %s: %s", s->dir,
                       s->mode != STORE_WRITE ? "opened for reading" : "too many shards");
    memcpy(c.journal, cut->journal, cut->n_shards * sizeof *c.journal);
    if ((rc = store_take_id(s, &c.id, e)) != ERR_OK)
        return rc;
    os_lock(&s->log);
    before = s->m.cut.octets > 0 ? s->m.cut.id : 0;
    os_unlock(&s->log);
    rc = write_all(s, b, n, &c, cut->checkpoint, &w, e);
    if (rc == ERR_OK)
        rc = store_publish(s, &w, &p, e);
    store_checkpoint_path(s, path, rc == ERR_OK ? before : c.id);
    if (rc == ERR_OK ? before != 0 : !s->log_torn)
        (void)os_unlink(path, NULL); /* one that stays is removed at the next start */
    if (rc != ERR_OK && w.n > 0 && os_dir_sync(s->dir, NULL) != ERR_OK) {
        written_free(&w, NULL); /* a checkpoint never stands there without its segments */
        return rc;
    }
    written_free(&w, rc == ERR_OK ? NULL : s);
    return rc;
}

int store_last_cut(struct store *s, uint32_t *n_shards, uint64_t journal[64],
                   struct buf *checkpoint, struct err *e)
{
    struct buf b = buf_init(CHECKPOINT_MAX);
    char path[STORE_PATH];
    struct manifest_cut c, found;
    struct rd content;
    int rc;

    os_lock(&s->log);
    c = s->m.cut;
    os_unlock(&s->log);
    *n_shards = c.n_shards;
    memcpy(journal, c.journal, sizeof c.journal);
    if (c.id == 0)
        return err_set(e, ERR_NOTFOUND, "store %s: nothing was cut yet", s->dir);
    if (c.octets == 0)
        return ERR_OK;
    store_checkpoint_path(s, path, c.id);
    rc = os_file_slurp(path, &b, e);
    if (rc == ERR_NOTFOUND)
        rc = err_set(e, ERR_CORRUPT, "%s: missing", path);
    if (rc == ERR_OK)
        rc = checkpoint_get(b.p, b.len, path, &found, &content, e);
    if (rc == ERR_OK && found.id != c.id)
        rc = err_set(e, ERR_CORRUPT, "%s: is not the one that the manifest names", path);
    if (rc == ERR_OK) {
        buf_put(checkpoint, content.p, content.left);
        if (!buf_ok(checkpoint))
            rc = err_set(e, ERR_NOMEM, "%s: out of memory", path);
    }
    buf_free(&b);
    return rc;
}
