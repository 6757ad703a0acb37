/* Looking through a data directory, and repairing it. First all is looked at as a reader, so that
 * both ways find the same; the repair then goes by what was found. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/check.h"

/* A segment with damage. */
struct bad {
    uint64_t id;
    bool unreadable, lost; /* not to be opened; some rows or option records are lost */
    bool foreign;          /* of another draft: no damage that a repair may touch */
    bool options_bad;
    uint8_t *block_bad;
};

struct fsck {
    struct store_check *c;
    struct store *s;
    const char *dir;
    bool writer; /* somebody writes there now */
    uint64_t total;
    struct bad *bad;
    size_t n_bad;
    bool checkpoint_bad;
    struct err *e;

    /* the segment looked at */
    char file[64];
    struct bad *now;
    bool any, rows_derived;
};

static void found(struct fsck *f, struct store_finding *x)
{
    f->c->findings += !x->note;
    if (f->c->found != NULL)
        f->c->found(f->c->ctx, x);
}

static void step(void *ctx, uint64_t octets)
{
    struct fsck *f = ctx;

    f->c->octets += octets;
    if (f->c->progress != NULL)
        f->c->progress(f->c->ctx, f->c->octets, MAX(f->total, f->c->octets));
}

/* ------------------------------------------------------------------ manifest, checkpoint */

static void say_manifest(struct fsck *f, const char *part, const char *why)
{
    struct store_finding x = { .file = "manifest", .block = UINT32_MAX, .derived = true };

    (void)snprintf(x.part, sizeof x.part, "%s", part);
    (void)snprintf(x.why, sizeof x.why, "%s", why);
    found(f, &x);
}

static int look_at_manifest(struct fsck *f)
{
    struct buf b = buf_init(MANIFEST_MAX);
    char path[STORE_PATH];
    struct manifest m;
    int rc;

    (void)snprintf(path, sizeof path, "%s/manifest", f->dir);
    rc = os_file_slurp(path, &b, f->e);
    if (rc == ERR_NOTFOUND) {
        say_manifest(f, "file", "missing; the segments tell what exists");
        return ERR_OK;
    }
    if (rc == ERR_OK) {
        f->c->files++;
        step(f, b.len);
        rc = manifest_read(&m, b.p, b.len, f->e);
        if (rc == ERR_OK && m.torn && !f->writer)
            say_manifest(f, "last record", "cut short or damaged; the segments tell what it said");
        else if (rc == ERR_CORRUPT)
            say_manifest(f, "records", "damaged; the segments tell what exists");
        manifest_free(&m);
    }
    buf_free(&b);
    return rc == ERR_CORRUPT ? ERR_OK : rc;
}

/* Nobody knows what stands in a file that the system does not give us: that is told, but nothing is
 * put aside or called damaged for it. */
static bool refused(const struct fsck *f, int rc)
{
    return rc == ERR_NOMEM || (rc == ERR_IO && (f->c->repair || f->c->strict));
}

static int look_at_checkpoint(struct fsck *f)
{
    struct buf content = buf_init((size_t)4 << 30);
    struct store_finding x = { .part = "decoders' state", .block = UINT32_MAX };
    struct err why = { 0 };
    int rc = store_last_cut(f->s, &f->c->n_shards, f->c->journal, &content, &why);

    f->c->files += rc == ERR_OK && content.len > 0;
    step(f, content.len);
    buf_free(&content);
    if (refused(f, rc))
        return err_set(f->e, rc, "%s", why.msg);
    if (rc == ERR_OK || rc == ERR_NOTFOUND || (f->writer && rc == ERR_CORRUPT))
        return ERR_OK; /* a writer removes the one before at any time */
    f->checkpoint_bad = rc != ERR_VERSION;
    (void)snprintf(x.file, sizeof x.file, "checkpoint-%012llu", (unsigned long long)f->s->m.cut.id);
    (void)snprintf(x.why, sizeof x.why,
                   "%.160s; templates are learned again, sets that waited are lost", why.msg);
    found(f, &x);
    return ERR_OK;
}

/* ------------------------------------------------------------------ segments */

static void bad_part(void *ctx, const struct seg_damage *d)
{
    struct fsck *f = ctx;
    struct store_finding x = {
        .block = d->block, .rows = d->rows, .options = d->options, .derived = d->derived
    };

    memcpy(x.file, f->file, sizeof x.file);
    memcpy(x.part, d->part, sizeof d->part);
    (void)snprintf(x.why, sizeof x.why, "damaged (checksum)");
    f->any = true;
    f->now->options_bad |= d->options > 0;
    f->c->options_lost += d->options;
    found(f, &x);
}

static void unreadable(struct fsck *f, const struct entry *x, const struct err *why)
{
    struct store_finding y = { .part = "whole file",
                               .block = UINT32_MAX,
                               .rows = x->info.n_rows,
                               .options = x->info.n_options };

    memcpy(y.file, f->file, sizeof y.file);
    (void)snprintf(y.why, sizeof y.why, "%.255s", why->msg);
    f->any = true;
    f->now->unreadable = f->now->lost = true;
    f->now->foreign = why->code == ERR_VERSION;
    f->c->rows_lost += x->info.n_rows;
    f->c->options_lost += x->info.n_options;
    found(f, &y);
}

static int look_at_segment(struct fsck *f, const struct entry *x)
{
    struct rowset *rs = NULL;
    struct err why = { 0 };
    struct bad *b = &f->bad[f->n_bad];
    int rc;

    *b = (struct bad){ .id = x->info.id };
    f->now = b;
    f->any = false;
    (void)snprintf(f->file, sizeof f->file, "%s%s.seg", x->tier == TIER_SLOW ? "slow/" : "",
                   x->file->name);
    f->c->rows += x->info.n_rows;
    f->c->options += x->info.n_options;
    rc = rowset_open(&x->file->rs, &rs, &why);
    if (refused(f, rc))
        return err_set(f->e, rc, "%s", why.msg);
    if (rc != ERR_OK) {
        unreadable(f, x, &why);
        f->n_bad++;
        return ERR_OK;
    }
    f->c->files++;
    b->block_bad = calloc(rs->n_blocks + 1u, 1);
    if (b->block_bad == NULL) {
        rowset_unref(rs);
        return err_set(f->e, ERR_NOMEM, "fsck: out of memory");
    }
    segment_verify(rs, b->block_bad, bad_part, step, f);
    for (uint32_t i = 0; i < rs->n_blocks; i++) {
        f->c->rows_lost += b->block_bad[i] ? rs->ops->block_rows(rs, i) : 0;
        b->lost |= b->block_bad[i] != 0;
    }
    b->lost |= b->options_bad;
    rowset_unref(rs);
    if (f->any) {
        f->n_bad++;
    } else {
        free(b->block_bad);
        b->block_bad = NULL;
    }
    return ERR_OK;
}

/* A segment that stands there and is not listed. */
static int look_unlisted(void *ctx, const char *name)
{
    struct fsck *f = ctx;
    struct store_finding x = { .part = "whole file", .block = UINT32_MAX, .note = true };
    const char *rest = "";
    uint64_t id = store_number(name, "seg-", &rest);
    struct rowset *rs = NULL;

    if (id == 0 || strcmp(rest, ".seg") != 0 || manifest_find(&f->s->m, id) != NULL)
        return ERR_OK;
    (void)snprintf(x.file, sizeof x.file, "%.63s", name);
    (void)snprintf(x.why, sizeof x.why,
                   "not listed in the manifest: left by a crash; the writer removes it");
    if (f->s->rebuilt && store_open_segment(f->s, TIER_FAST, id, &rs, NULL) != ERR_OK) {
        x.note = false;
        (void)snprintf(x.why, sizeof x.why,
                       "cannot be read, and the manifest is lost that knew how many records "
                       "it has");
    }
    rowset_unref(rs);
    found(f, &x);
    return ERR_OK;
}

static int look(struct fsck *f)
{
    int rc = look_at_manifest(f);
    struct store *s;

    if (rc == ERR_OK)
        rc = store_open(&f->s, f->dir, STORE_READ, "", f->e);
    if (rc != ERR_OK)
        return rc;
    s = f->s;
    f->bad = calloc(s->n_entries + 1, sizeof *f->bad);
    if (f->bad == NULL)
        return err_set(f->e, ERR_NOMEM, "fsck: out of memory");
    seg_cache_limit(s->cache, 1, STORE_OPEN_MEMORY);
    f->total = f->c->octets;
    for (size_t i = 0; i < s->n_entries; i++)
        f->total += s->entry[i].info.octets;
    rc = look_at_checkpoint(f);
    for (size_t i = 0; i < s->n_entries && rc == ERR_OK; i++)
        rc = look_at_segment(f, &s->entry[i]);
    if (rc == ERR_OK && !f->writer)
        rc = os_dir_list(f->dir, look_unlisted, f, f->e);
    return rc;
}

/* ------------------------------------------------------------------ repair */

static int repair_segment(struct fsck *f, const struct bad *b)
{
    const struct manifest_segment *m = manifest_find(&f->s->m, b->id);
    struct written w = { .part = true };
    struct rowset *rs = NULL;
    int rc = ERR_OK;

    if (b->foreign)
        return ERR_OK;
    if (m == NULL) /* the rebuilt manifest could not take it: it is in quarantine by now */
        return ERR_OK;
    if (!b->unreadable) {
        w.tier = m->tier;
        rc = store_open_segment(f->s, m->tier, b->id, &rs, f->e);
        if (rc == ERR_OK)
            rc = store_write_rest(f->s, rs, b->block_bad, NULL, NULL, !b->options_bad, &w, f->e);
        rowset_unref(rs);
    }
    f->c->segments_written += w.n;
    if (rc == ERR_OK)
        rc = store_replace_some(f->s, &b->id, 1, &w, b->lost, f->e);
    if (rc != ERR_OK)
        written_free(&w, f->s);
    return rc;
}

/* The positions stay, the state that goes with them is gone. */
static int repair_checkpoint(struct fsck *f)
{
    struct store_cut cut = { .n_shards = f->s->m.cut.n_shards };
    char path[STORE_PATH], name[64];
    int rc;

    (void)snprintf(name, sizeof name, "checkpoint-%012llu", (unsigned long long)f->s->m.cut.id);
    store_checkpoint_path(f->s, path, f->s->m.cut.id);
    rc = store_quarantine(f->s, path, name, f->e);
    if (rc != ERR_OK && rc != ERR_NOTFOUND)
        return rc;
    memcpy(cut.journal, f->s->m.cut.journal, sizeof cut.journal);
    return store_seal_cut(f->s, NULL, 0, &cut, NULL, NULL, f->e);
}

static int repair(struct fsck *f)
{
    int rc;

    store_close(f->s);
    rc = store_open(&f->s, f->dir, STORE_WRITE, "", f->e); /* makes the manifest again */
    for (size_t i = 0; i < f->n_bad && rc == ERR_OK; i++)
        rc = repair_segment(f, &f->bad[i]);
    if (rc == ERR_OK && f->checkpoint_bad)
        rc = repair_checkpoint(f);
    if (f->s != NULL)
        f->c->quarantined = f->s->quarantined;
    return rc;
}

int store_check(const char *dir, struct store_check *c, struct err *e)
{
    struct fsck f = { .c = c, .dir = dir, .e = e };
    char sock[STORE_PATH];
    struct err none;
    long pid;
    int rc;

    if (e == NULL)
        f.e = &none;
    f.writer = store_writer(dir, &pid, sock, sizeof sock, NULL) == ERR_OK;
    if (f.writer && c->repair)
        return err_set(e, ERR_BUSY, "%s: process %ld writes there; stop it before a repair", dir,
                       pid);
    rc = look(&f);
    if (rc == ERR_OK && c->repair)
        rc = repair(&f);
    for (size_t i = 0; i < f.n_bad; i++)
        free(f.bad[i].block_bad);
    free(f.bad);
    store_close(f.s);
    return rc;
}
