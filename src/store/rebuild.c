/* Segments that no record lists, judged by what they say of themselves: for a manifest that is lost
 * or damaged, or whose last record is. The rules:
 *
 * - What a readable manifest says that went is not taken, nor a segment of another cut than the
 *   torn record's: a power cut may bring such files back, and a seal that failed may leave them.
 * - A part file is never taken: its import or compaction was not finished.
 * - The newest checkpoint in the directory is that of the last cut (it is written when its segments
 *   are durable, and the one before is removed only later). Segments of a later cut are not taken:
 *   their datagrams stand in the journal behind that checkpoint.
 * - A segment whose rows another present one holds (replaced) is not taken. Where not all parts of
 *   the replacement are there, the replaced ones are taken instead if they all are.
 * - What cannot be read goes to quarantine/. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/entry.h"

#define IDS_AHEAD 1024u

struct found {
    struct seg_info info;
    struct seg_past past;
    enum tier tier;
    bool drop;
};

struct scan {
    struct store *s;
    struct err *e;
    const char *dir;
    enum tier tier;
    struct found *list; /* ascending id when sorted */
    size_t n, cap;
    uint64_t top, checkpoint; /* largest number of any file, newest checkpoint */
    bool all;                 /* there is no manifest to go by */
};

/* "PREFIX-NNNNNNNNNNNN…": its number, 0 if it is none. */
uint64_t store_number(const char *name, const char *prefix, const char **rest)
{
    size_t n = strlen(prefix);
    uint64_t id = 0;
    const char *p = name + n;

    if (strncmp(name, prefix, n) != 0)
        return 0;
    for (; *p >= '0' && *p <= '9' && id < UINT64_MAX / 100; p++)
        id = id * 10 + (uint64_t)(*p - '0');
    *rest = p;
    return id;
}

static struct found *push(struct scan *c)
{
    size_t cap = c->cap == 0 ? 64 : c->cap * 2;
    struct found *list;

    if (c->n == c->cap) {
        list = realloc(c->list, cap * sizeof *list);
        if (list == NULL)
            return NULL;
        c->list = list;
        c->cap = cap;
    }
    memset(&c->list[c->n], 0, sizeof *c->list);
    return &c->list[c->n];
}

int store_quarantine(struct store *s, const char *path, const char *name, struct err *e)
{
    char to[STORE_PATH + 16];
    int rc;

    store_path(s, to, "quarantine");
    if ((rc = os_mkdir(to, e)) != ERR_OK)
        return rc;
    (void)snprintf(to, sizeof to, "%s/quarantine/%s", s->dir, name);
    s->quarantined++;
    return os_rename(path, to, e);
}

/* One file `seg-N.seg` that is not listed. */
static int take(struct scan *c, const char *name, uint64_t id)
{
    char path[STORE_PATH];
    struct rowset *rs = NULL;
    struct err why;
    struct found *f = push(c);
    int rc;

    if (f == NULL)
        return ERR_NOMEM;
    store_segment_path(c->s, path, c->tier, id);
    rc = store_open_segment(c->s, c->tier, id, &rs, &why);
    if (rc == ERR_OK) {
        segment_info(rs, &f->info);
        rc = segment_past(rs, &f->past, &why);
        rowset_unref(rs);
    }
    if (rc == ERR_OK && f->info.id != id) {
        segment_past_free(&f->past);
        rc = ERR_CORRUPT;
    }
    if (rc == ERR_OK) {
        f->tier = c->tier;
        c->n++;
        return ERR_OK;
    }
    /* what the system refuses now it may give later: only damage is put aside */
    if (rc != ERR_CORRUPT && rc != ERR_FORMAT && rc != ERR_NOTFOUND)
        return err_set(c->e, rc, "%s", why.msg);
    if (c->s->mode != STORE_WRITE || !c->all)
        return ERR_OK;
    return store_quarantine(c->s, path, name, c->e);
}

static int each(void *ctx, const char *name)
{
    struct scan *c = ctx;
    const char *rest = "";
    uint64_t id = store_number(name, "seg-", &rest), point = 0;

    c->top = MAX(c->top, id);
    if (id == 0 && (point = store_number(name, "checkpoint-", &rest)) != 0) {
        c->top = MAX(c->top, point);
        if (*rest == 0 && c->dir != NULL)
            c->checkpoint = MAX(c->checkpoint, point);
        return ERR_OK;
    }
    if (id == 0 || c->dir == NULL || strcmp(rest, ".seg") != 0 ||
        manifest_find(&c->s->m, id) != NULL || manifest_gone(&c->s->m, id))
        return ERR_OK;
    return take(c, name, id);
}

/* Also what lies aside has used up its number. */
static int scan_dirs(struct scan *c, struct err *e)
{
    static const char *const names[] = { "", "slow", "trash", "quarantine" };
    char path[STORE_PATH];
    int rc = ERR_OK;

    for (size_t i = 0; i < ARRAY_LEN(names) && rc == ERR_OK; i++) {
        store_path(c->s, path, names[i]);
        c->dir = i < TIER_N ? path : NULL;
        c->tier = i == 1 ? TIER_SLOW : TIER_FAST;
        rc = os_dir_list(path, each, c, e);
        if (rc == ERR_NOTFOUND && i > 0)
            rc = ERR_OK;
    }
    return rc == ERR_NOMEM ? err_set(e, rc, "store %s: out of memory", c->s->dir) : rc;
}

static int by_id(const void *a, const void *b)
{
    const struct found *x = a, *y = b;

    return x->info.id < y->info.id ? -1 : x->info.id > y->info.id;
}

static struct found *find(const struct scan *c, uint64_t id)
{
    struct found key = { .info.id = id };

    return c->n > 0 ? bsearch(&key, c->list, c->n, sizeof key, by_id) : NULL;
}

/* Are all parts of the replacement that f is one of present? */
static bool whole(const struct scan *c, const struct found *f)
{
    const struct seg_origin *o = &f->past.o;
    uint32_t parts = 0;

    for (size_t i = 0; i < c->n; i++) {
        const struct seg_origin *x = &c->list[i].past.o;
        parts += x->parts == o->parts && x->n_replaced == o->n_replaced &&
                 memcmp(x->replaced, o->replaced, o->n_replaced * sizeof *o->replaced) == 0;
    }
    return parts >= o->parts;
}

/* Old or new, never both. */
static void choose(struct scan *c, struct found *f)
{
    const struct seg_origin *o = &f->past.o;
    bool complete = whole(c, f), listed = false;
    uint32_t present = 0;

    for (uint32_t i = 0; i < o->n_replaced; i++) {
        listed |= manifest_find(&c->s->m, o->replaced[i]) != NULL;
        present += find(c, o->replaced[i]) != NULL;
    }
    if (o->n_replaced == 0)
        return;
    if (listed || (!complete && present == o->n_replaced)) {
        f->drop = true;
        return;
    }
    for (uint32_t i = 0; i < o->n_replaced; i++) {
        struct found *old = find(c, o->replaced[i]);
        if (old != NULL)
            old->drop = true;
    }
}

/* The last cut as files and footers tell it. A checkpoint that is damaged does not count; one that
 * the system does not give us now is an error: without it, a cut would be taken for undone. */
static int last_cut(const struct scan *c, struct manifest_cut *cut)
{
    struct buf b = buf_init((size_t)4 << 30);
    char path[STORE_PATH];
    struct rd content;
    int rc;

    memset(cut, 0, sizeof *cut);
    if (c->checkpoint != 0) {
        store_checkpoint_path(c->s, path, c->checkpoint);
        rc = os_file_slurp(path, &b, c->e);
        if (rc == ERR_OK) {
            if (checkpoint_get(b.p, b.len, path, cut, &content, NULL) == ERR_VERSION)
                cut->id = 0;
            cut->octets = MAX(b.len, 1);
            cut->sum = store_sum(b.p, b.len);
        }
        buf_free(&b);
        if (rc != ERR_OK && rc != ERR_NOTFOUND)
            return rc;
    }
    if (cut->id == c->checkpoint && cut->id != 0)
        return ERR_OK;
    memset(cut, 0, sizeof *cut);
    for (size_t i = 0; i < c->n; i++) {
        const struct seg_origin *o = &c->list[i].past.o;
        if (c->list[i].drop || o->cut <= cut->id)
            continue;
        cut->id = o->cut;
        cut->n_shards = o->n_shards;
        memcpy(cut->journal, o->journal, o->n_shards * sizeof *o->journal);
    }
    cut->id = MAX(cut->id, c->checkpoint);
    cut->octets = cut->id != 0; /* there was a checkpoint, and it cannot be read */
    return ERR_OK;
}

static void put_one(struct buf *out, const struct found *f)
{
    const struct seg_origin *o = &f->past.o;

    manifest_put_add(out, &f->info, 1, f->tier, o->kind == SEG_IMPORT ? o->import : NULL);
    for (uint32_t i = 0; o->kind == SEG_MIXED && i < o->n_import; i++) {
        struct manifest_import im = { .what = o->import[i], .within = f->info.id };
        manifest_put_within(out, &im);
    }
}

/* Beside a readable manifest: sealed with another cut than that of the torn record. Where it had a
 * record, that would have named it; where it failed and was tried again, the next one has its rows.
 */
static bool of_other_cut(const struct scan *c, const struct seg_origin *o, uint64_t torn)
{
    return !c->all && o->kind == SEG_LIVE && o->n_replaced == 0 && o->cut != 0 &&
           (o->cut != torn || torn <= c->s->m.cut.id);
}

/* Records for everything that counts. */
static int judge(struct scan *c, struct buf *out)
{
    struct manifest_cut cut;
    uint64_t limit;
    int rc;

    if (c->n > 0)
        qsort(c->list, c->n, sizeof *c->list, by_id);
    if ((rc = last_cut(c, &cut)) != ERR_OK)
        return rc;
    /* beside a readable manifest, a cut that cannot be read did not happen */
    if (!c->all && (cut.id <= c->s->m.cut.id || cut.octets <= 1))
        cut = c->s->m.cut;
    limit = c->all ? c->checkpoint : cut.id;
    for (size_t i = 0; i < c->n; i++)
        c->list[i].drop = (c->list[i].past.o.cut > limit && (limit != 0 || !c->all)) ||
                          of_other_cut(c, &c->list[i].past.o, limit);
    for (size_t i = 0; i < c->n; i++)
        if (!c->list[i].drop)
            choose(c, &c->list[i]);
    for (size_t i = 0; i < c->n; i++)
        if (!c->list[i].drop)
            put_one(out, &c->list[i]);
    if (c->all && (rc = last_cut(c, &cut)) != ERR_OK) /* positions of those taken */
        return rc;
    if (cut.id != 0 && cut.id != c->s->m.cut.id)
        manifest_put_cut(out, &cut, NULL, 0);
    for (size_t i = 0; i < c->n; i++)
        c->top = MAX(c->top, c->list[i].past.o.cut);
    if (c->all && c->top > 0)
        manifest_put_ids(out, c->top + 1 + IDS_AHEAD);
    return ERR_OK;
}

int store_adopt(struct store *s, bool all, struct buf *records, struct err *e)
{
    struct scan c = { .s = s, .e = e, .all = all };
    int rc;

    if (all) {
        manifest_free(&s->m);
        manifest_empty(&s->m);
        s->rebuilt = true;
    }
    rc = scan_dirs(&c, e);
    if (rc == ERR_OK)
        rc = judge(&c, records);
    for (size_t i = 0; i < c.n; i++)
        segment_past_free(&c.list[i].past);
    free(c.list);
    if (rc == ERR_OK && !buf_ok(records))
        rc = err_set(e, ERR_NOMEM, "store %s: out of memory", s->dir);
    return rc;
}
