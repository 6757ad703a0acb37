/* A copy of a data directory as it stands at one moment: hard links where they can be, copies where
 * not. Made beside the name wanted and renamed when it is whole. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/fault.h"
#include "store/check.h"

#define NOTE_NAME      "SNAPSHOT"
#define CHECKPOINT_MAX ((size_t)4 << 30)
#define OTHER_MAX      ((size_t)16 << 30) /* of a file that is not ours */

struct backup {
    struct store *s;
    struct store_copy *c;
    char to[STORE_PATH - 64]; /* where it is made */
    struct buf note;          /* content of NOTE_NAME */
    uint64_t total;
    struct err *e;
    const char *sub; /* folder of other files now copied: "" or "name/" */
};

static int step(void *ctx, size_t octets)
{
    struct backup *b = ctx;

    b->c->octets += octets;
    return b->c->step != NULL ? b->c->step(b->c->ctx, b->c->octets, MAX(b->total, b->c->octets))
                              : ERR_OK;
}

/* One file: linked if it never changes and the file system allows it. */
static int bring(struct backup *b, const char *from, const char *to, uint64_t octets, bool link)
{
    uint64_t before = b->c->octets;
    int rc = link && !b->c->copy ? os_link(from, to, b->e) : ERR_UNSUPPORTED;

    if (rc == ERR_OK) {
        b->c->linked++;
        return step(b, octets);
    }
    if (rc != ERR_UNSUPPORTED)
        return rc;
    rc = os_copy(from, to, step, b, b->e);
    if (rc == ERR_NOTFOUND)
        b->c->octets = before;
    b->c->copied += rc == ERR_OK;
    return rc;
}

/* ------------------------------------------------------------------ one moment */

/* The manifest of the copy, its checkpoint, and the segments, held so that nobody removes them. */
struct moment {
    struct buf manifest, checkpoint;
    uint64_t cut;
    struct snapshot sn;
    struct seg_info *info;
    size_t n;
};

static void moment_free(struct moment *m)
{
    buf_free(&m->manifest);
    buf_free(&m->checkpoint);
    snapshot_free(&m->sn);
    free(m->info);
}

/* All lie in one directory there. */
static int put_manifest(const struct manifest *m, struct buf *out)
{
    struct manifest flat = *m;
    int rc;

    flat.seg = malloc((m->n_seg + 1) * sizeof *flat.seg);
    rc = flat.seg != NULL ? ERR_OK : ERR_NOMEM;
    for (size_t i = 0; rc == ERR_OK && i < m->n_seg; i++) {
        flat.seg[i] = m->seg[i];
        flat.seg[i].tier = TIER_FAST;
    }
    if (rc == ERR_OK)
        manifest_put_all(&flat, out);
    free(flat.seg);
    return rc;
}

/* Under `log` nothing is cut, removed, replaced or moved by this process. */
static int take_locked(struct backup *b, struct moment *m)
{
    struct store *s = b->s;
    char path[STORE_PATH];
    int rc = put_manifest(&s->m, &m->manifest);

    m->info = calloc(s->m.n_seg + 1, sizeof *m->info);
    if (rc != ERR_OK || m->info == NULL || !buf_ok(&m->manifest))
        return err_set(b->e, ERR_NOMEM, "store %s: out of memory", s->dir);
    for (; m->n < s->m.n_seg; m->n++)
        m->info[m->n] = s->m.seg[m->n].info;
    m->cut = s->m.cut.octets > 0 ? s->m.cut.id : 0;
    if (m->cut == 0)
        return ERR_OK;
    store_checkpoint_path(s, path, m->cut);
    return os_file_slurp(path, &m->checkpoint, b->e);
}

/* Beside a writer of another process the checkpoint may go between two looks: once more then. */
static int take_moment(struct backup *b, struct moment *m)
{
    int rc = ERR_NOTFOUND;

    for (unsigned i = 0; i < 5 && rc == ERR_NOTFOUND; i++) {
        *m = (struct moment){ .manifest = buf_init(MANIFEST_MAX),
                              .checkpoint = buf_init(CHECKPOINT_MAX) };
        rc = store_snapshot(b->s, &m->sn, b->e); /* as a reader: looks at the manifest again */
        if (rc == ERR_OK) {
            os_lock(&b->s->log);
            rc = take_locked(b, m);
            os_unlock(&b->s->log);
        }
        if (rc != ERR_OK)
            moment_free(m);
    }
    return rc == ERR_NOTFOUND
               ? err_set(b->e, ERR_CORRUPT,
                         "store %s: the checkpoint is missing; run weir fsck --repair", b->s->dir)
               : rc;
}

/* ------------------------------------------------------------------ files */

/* Where a held segment is: its directory, the other one, their trash. */
static int bring_segment(struct backup *b, const struct seg_info *x)
{
    static const char *const where[] = { "", "slow/", "trash/", "slow/trash/" };
    char from[STORE_PATH], to[STORE_PATH], name[32];
    int rc = ERR_NOTFOUND;

    (void)snprintf(name, sizeof name, "seg-%012llu.seg", (unsigned long long)x->id);
    (void)snprintf(to, sizeof to, "%s/%s", b->to, name);
    for (unsigned round = 0; round < 2 && rc == ERR_NOTFOUND; round++) /* it may move meanwhile */
        for (size_t i = 0; i < ARRAY_LEN(where) && rc == ERR_NOTFOUND; i++) {
            (void)snprintf(from, sizeof from, "%s/%s%s", b->s->dir, where[i], name);
            rc = bring(b, from, to, x->octets, true);
        }
    if (rc == ERR_NOTFOUND)
        return err_set(b->e, ERR_CORRUPT, "%s/%s: missing; run weir fsck --repair", b->s->dir,
                       name);
    if (rc == ERR_OK) {
        b->c->segments++;
        b->c->rows += x->n_rows;
        b->c->options += x->n_options;
    }
    return rc;
}

/* Files of the directory that are not the store's: names, history. They change in place or grow, so
 * they are copied, and their octets are noted. `also` and what lies beside it under its name is
 * copied by who knows how. */
static bool is_other(const char *name, const char *also)
{
    static const char *const ours[] = { "lock",  "readers",    "manifest", NOTE_NAME,  "journal",
                                        "trash", "quarantine", "slow",     "weir.sock" };
    const char *rest, *dot = strrchr(name, '.');

    for (size_t i = 0; i < ARRAY_LEN(ours); i++)
        if (strcmp(name, ours[i]) == 0)
            return false;
    if (also != NULL && strncmp(name, also, strlen(also)) == 0)
        return false;
    if (dot != NULL &&
        (strcmp(dot, ".tmp") == 0 || strcmp(dot, ".part") == 0 || strcmp(dot, ".sock") == 0))
        return false;
    return store_number(name, "seg-", &rest) == 0 && store_number(name, "checkpoint-", &rest) == 0;
}

static void note_file(struct backup *b, const char *name, const struct buf *content)
{
    buf_printf(&b->note, "file %zu %016" PRIx64 " %s\n", content->len,
               store_sum(content->p, content->len), name);
}

/* Octets of ours that are made here, durable. */
static int put_file(struct backup *b, const char *name, const struct buf *content)
{
    char path[STORE_PATH];
    int rc;

    (void)snprintf(path, sizeof path, "%s/%s", b->to, name);
    rc = store_write_durable(path, content, b->e);
    if (rc == ERR_OK && strcmp(name, NOTE_NAME) != 0)
        note_file(b, name, content);
    return rc;
}

static int bring_other(void *ctx, const char *name)
{
    struct backup *b = ctx;
    struct buf content = buf_init(OTHER_MAX);
    char from[STORE_PATH * 2], to[STORE_PATH * 2], rel[STORE_PATH];
    const char *sub = b->sub;
    int rc;

    if (!is_other(name, b->c->also))
        return ERR_OK;
    (void)snprintf(rel, sizeof rel, "%s%s", sub, name);
    (void)snprintf(from, sizeof from, "%s/%s", b->s->dir, rel);
    (void)snprintf(to, sizeof to, "%s/%s", b->to, rel);
    if (os_is_dir(from)) {
        char below[STORE_PATH];
        if (sub[0] != '\0')
            return ERR_OK;
        (void)snprintf(below, sizeof below, "%s/", name);
        if ((rc = os_mkdir(to, b->e)) != ERR_OK)
            return rc;
        b->sub = below;
        rc = os_dir_list(from, bring_other, b, b->e);
        b->sub = sub;
        return rc == ERR_OK ? os_dir_sync(to, b->e) : rc;
    }
    rc = bring(b, from, to, 0, false);
    if (rc == ERR_OK)
        rc = os_file_slurp(to, &content, b->e);
    if (rc == ERR_OK)
        note_file(b, rel, &content);
    buf_free(&content);
    return rc == ERR_NOTFOUND ? ERR_OK : rc; /* gone meanwhile */
}

/* The file that the caller copies himself. */
static int bring_also(struct backup *b)
{
    struct buf content = buf_init(OTHER_MAX);
    char to[STORE_PATH];
    int rc;

    if (b->c->also == NULL)
        return ERR_OK;
    (void)snprintf(to, sizeof to, "%s/%s", b->to, b->c->also);
    rc = b->c->copy_also(b->s->dir, to, b->e);
    if (rc == ERR_OK)
        rc = os_file_slurp(to, &content, b->e);
    if (rc == ERR_OK) {
        note_file(b, b->c->also, &content);
        b->c->copied++;
        b->c->octets += content.len;
    }
    buf_free(&content);
    return rc == ERR_NOTFOUND ? ERR_OK : rc; /* there is none */
}

static int bring_all(struct backup *b, const struct moment *m)
{
    char name[64];
    int rc = ERR_OK;

    for (size_t i = 0; i < m->n; i++)
        b->total += m->info[i].octets;
    for (size_t i = 0; i < m->n && rc == ERR_OK; i++)
        rc = bring_segment(b, &m->info[i]);
    if (rc == ERR_OK && m->cut != 0) {
        (void)snprintf(name, sizeof name, "checkpoint-%012llu", (unsigned long long)m->cut);
        rc = put_file(b, name, &m->checkpoint);
    }
    if (rc == ERR_OK)
        rc = os_dir_list(b->s->dir, bring_other, b, b->e);
    if (rc == ERR_OK)
        rc = bring_also(b);
    if (rc == ERR_OK)
        rc = put_file(b, "manifest", &m->manifest);
    buf_printf(&b->note, "segments %" PRIu64 "\nrecords %" PRIu64 "\noptions %" PRIu64 "\nend\n",
               b->c->segments, b->c->rows, b->c->options);
    if (rc == ERR_OK && !buf_ok(&b->note))
        rc = err_set(b->e, ERR_NOMEM, "%s: out of memory", b->to);
    if (rc == ERR_OK)
        rc = put_file(b, NOTE_NAME, &b->note);
    return rc == ERR_OK ? os_dir_sync(b->to, b->e) : rc;
}

/* ------------------------------------------------------------------ making it */

static int remove_below(void *ctx, const char *name)
{
    char path[STORE_PATH * 2];

    (void)snprintf(path, sizeof path, "%s/%s", (const char *)ctx, name);
    if (os_is_dir(path) && os_readlink(path, (char[STORE_PATH]){ 0 }, STORE_PATH, NULL) != ERR_OK) {
        (void)os_dir_list(path, remove_below, path, NULL);
        return os_rmdir(path, NULL);
    }
    return os_unlink(path, NULL);
}

static void remove_tree(const char *path)
{
    (void)os_dir_list(path, remove_below, (void *)(uintptr_t)path, NULL);
    (void)os_rmdir(path, NULL);
}

static int count_any(void *ctx, const char *name)
{
    (void)name;
    ++*(size_t *)ctx;
    return ERR_OK;
}

/* The name must be free; an empty directory is. */
static int is_free(const char *to, struct err *e)
{
    struct os_stat st;
    size_t n = 0;
    int rc = os_file_stat(to, &st, e);

    if (rc == ERR_NOTFOUND)
        return ERR_OK;
    if (rc == ERR_OK && !st.is_dir)
        return err_set(e, ERR_ARG, "%s: exists and is not a directory", to);
    if (rc != ERR_OK || (rc = os_dir_list(to, count_any, &n, e)) != ERR_OK)
        return rc;
    return n == 0 ? ERR_OK
                  : err_set(e, ERR_ARG,
                            "%s: is not empty; name a directory that does not exist yet", to);
}

static void trim(char *path)
{
    for (size_t n = strlen(path); n > 1 && path[n - 1] == '/'; n--)
        path[n - 1] = '\0';
}

int store_copy_to(struct store *s, const char *dir, struct store_copy *c, struct err *e)
{
    struct backup b = { .s = s, .c = c, .e = e, .sub = "", .note = buf_init(64u << 20) };
    char name[STORE_PATH - 128];
    struct moment m;
    int rc;

    if (strlen(dir) >= sizeof name)
        return err_set(e, ERR_ARG, "%s: path too long", dir);
    fault_in("snapshot");
    (void)snprintf(name, sizeof name, "%s", dir);
    trim(name);
    (void)snprintf(b.to, sizeof b.to, "%s.part", name);
    if ((rc = is_free(name, e)) != ERR_OK)
        return rc;
    remove_tree(b.to); /* one that was not finished */
    if ((rc = os_mkdir(b.to, e)) != ERR_OK || (rc = take_moment(&b, &m)) != ERR_OK) {
        remove_tree(b.to);
        return rc;
    }
    buf_printf(&b.note, "weir snapshot 1\nat %" PRId64 "\n", os_wall_ms());
    rc = bring_all(&b, &m);
    moment_free(&m);
    buf_free(&b.note);
    if (rc == ERR_OK && c->verify)
        rc = store_verify_copy(b.to, c, e);
    if (rc == ERR_OK)
        rc = os_rename(b.to, name, e);
    if (rc == ERR_OK && (rc = os_parent_sync(name, e)) != ERR_OK)
        remove_tree(name);
    if (rc != ERR_OK)
        remove_tree(b.to);
    return rc;
}

/* ------------------------------------------------------------------ verifying */

static bool take_line(const char **p, const char *word, uint64_t *v)
{
    size_t n = strlen(word);
    char *end;

    if (strncmp(*p, word, n) != 0 || (*p)[n] != ' ')
        return false;
    *v = strtoull(*p + n + 1, &end, 10);
    if (*end != '\n')
        return false;
    *p = end + 1;
    return true;
}

/* "file OCTETS SUM NAME": is it there, and the same? */
static int verify_file(const char *dir, const char **p, struct err *e)
{
    struct buf content = buf_init(OTHER_MAX);
    char path[STORE_PATH * 2], *end;
    const char *nl = strchr(*p, '\n');
    uint64_t octets = strtoull(*p + 5, &end, 10), sum = strtoull(end, &end, 16);
    int rc;

    if (nl == NULL || *end != ' ' || end >= nl || nl - end > 1000)
        return err_set(e, ERR_CORRUPT, "%s/" NOTE_NAME ": damaged", dir);
    (void)snprintf(path, sizeof path, "%s/%.*s", dir, (int)(nl - end - 1), end + 1);
    if (strstr(path + strlen(dir), "/../") != NULL)
        return err_set(e, ERR_CORRUPT, "%s/" NOTE_NAME ": damaged", dir);
    *p = nl + 1;
    rc = os_file_slurp(path, &content, e);
    if (rc == ERR_OK && (content.len != octets || store_sum(content.p, content.len) != sum))
        rc = err_set(e, ERR_CORRUPT, "%s: is not what it was in the snapshot", path);
    buf_free(&content);
    return rc;
}

static int verify_note(const char *dir, const char *p, uint64_t count[3], struct err *e)
{
    uint64_t at;
    int rc = ERR_OK;

    if (strncmp(p, "weir snapshot 1\n", 16) != 0)
        return err_set(e, ERR_CORRUPT, "%s/" NOTE_NAME ": not of a snapshot that this weir knows",
                       dir);
    p += 16;
    if (!take_line(&p, "at", &at))
        return err_set(e, ERR_CORRUPT, "%s/" NOTE_NAME ": damaged", dir);
    while (rc == ERR_OK && strncmp(p, "file ", 5) == 0)
        rc = verify_file(dir, &p, e);
    if (rc == ERR_OK &&
        (!take_line(&p, "segments", &count[0]) || !take_line(&p, "records", &count[1]) ||
         !take_line(&p, "options", &count[2]) || strcmp(p, "end\n") != 0))
        rc = err_set(e, ERR_CORRUPT, "%s/" NOTE_NAME ": damaged", dir);
    return rc;
}

int store_verify_note(const char *dir, uint64_t count[3], struct err *e)
{
    struct buf b = buf_init(64u << 20);
    char path[STORE_PATH];
    int rc;

    (void)snprintf(path, sizeof path, "%s/" NOTE_NAME, dir);
    rc = os_file_slurp(path, &b, e);
    if (rc == ERR_NOTFOUND)
        rc = err_set(e, rc, "%s: not a snapshot (it has no file " NOTE_NAME ")", dir);
    if (rc == ERR_OK)
        rc = verify_note(dir, buf_cstr(&b), count, e);
    buf_free(&b);
    return rc;
}

/* What the first finding says. */
static void first_finding(void *ctx, const struct store_finding *f)
{
    struct store_finding *first = ctx;

    if (first->file[0] == '\0' && !f->note)
        *first = *f;
}

int store_verify_copy(const char *dir, const struct store_copy *made, struct err *e)
{
    struct store_finding first = { .file = "" };
    struct store_check c = { .strict = true, .found = first_finding, .ctx = &first };
    uint64_t count[3];
    int rc = store_verify_note(dir, count, e);

    if (rc == ERR_OK)
        rc = store_check(dir, &c, e);
    if (rc != ERR_OK)
        return rc;
    if (c.findings > 0)
        return err_set(e, ERR_CORRUPT,
                       "%s: %s: %s; %llu damaged parts, %llu records lost: weir fsck %s says more",
                       first.file, first.part, first.why, (unsigned long long)c.findings,
                       (unsigned long long)c.rows_lost, "--data SNAPSHOT");
    if (c.rows != count[1] || c.options != count[2] || made->segments != count[0])
        return err_set(e, ERR_CORRUPT,
                       "%s: %llu segments with %llu records instead of %llu with %llu", dir,
                       (unsigned long long)made->segments, (unsigned long long)c.rows,
                       (unsigned long long)count[0], (unsigned long long)count[1]);
    return ERR_OK;
}
