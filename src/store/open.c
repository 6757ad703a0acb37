/* Opening a data directory: lock, manifest, what a crash left behind. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/entry.h"

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), k = strlen(end);

    return n >= k && memcmp(s + n - k, end, k) == 0;
}

/* ------------------------------------------------------------------ manifest */

struct listing {
    struct store *s;
    struct err *e;
    const char *dir;
    enum tier tier;
    size_t segments;
};

static int count_segments(void *ctx, const char *name)
{
    ((struct listing *)ctx)->segments += ends_with(name, ".seg");
    return ERR_OK;
}

/* Take what counts of the segments that no record lists. */
static int adopt(struct store *s, bool all, struct err *e)
{
    struct buf records = buf_init(MANIFEST_MAX);
    int rc = store_adopt(s, all, &records, e);

    if (rc == ERR_OK && s->mode == STORE_WRITE && !all && records.len > 0) {
        rc = store_log(s, &records, e);
    } else if (rc == ERR_OK) {
        rc = manifest_reserve(&s->m, records.len);
        if (rc == ERR_OK)
            rc = manifest_apply(&s->m, records.p, records.len);
        if (rc != ERR_OK)
            rc = err_set(e, rc, "store %s: %s", s->dir, err_name(rc));
    }
    buf_free(&records);
    return rc == ERR_OK && all && s->mode == STORE_WRITE ? store_rewrite(s, e) : rc;
}

static int load(struct store *s, struct err *e)
{
    struct buf b = buf_init(MANIFEST_MAX);
    struct listing l = { .s = s, .e = e };
    char path[STORE_PATH];
    int rc;

    store_path(s, path, "manifest");
    manifest_free(&s->m);
    if (s->mode == STORE_READ)
        (void)os_file_stat(path, &s->seen, NULL);
    rc = os_file_slurp(path, &b, e);
    if (rc == ERR_OK)
        rc = manifest_read(&s->m, b.p, b.len, e);
    buf_free(&b);
    if (rc == ERR_OK)
        return s->m.torn ? adopt(s, false, e) : ERR_OK;
    if (rc == ERR_CORRUPT)
        return adopt(s, true, e);
    if (rc != ERR_NOTFOUND)
        return rc;
    rc = os_dir_list(s->dir, count_segments, &l, e);
    if (rc != ERR_OK)
        return rc;
    if (s->mode == STORE_READ && l.segments == 0)
        return err_set(e, ERR_NOTFOUND, "%s: not a data directory of weir (it has no manifest)",
                       s->dir);
    rc = adopt(s, true, e);
    if (l.segments == 0 && s->m.n_seg == 0)
        s->rebuilt = false; /* a new directory */
    return rc;
}

int store_load(struct store *s, struct err *e)
{
    int rc = load(s, e);

    s->m.next_id = MAX(s->m.next_id, s->m.reserved);
    return rc;
}

/* What a crash left: temporary files, parts of unfinished imports, checkpoints of other cuts, and
 * segments that no record lists. Their rows were never acknowledged. What a rebuilt manifest does
 * not take is kept aside: there, the segments alone had to tell. */
static int clean(void *ctx, const char *name)
{
    struct listing *l = ctx;
    struct store *s = l->s;
    char path[STORE_PATH], other[STORE_PATH];
    struct buf record = buf_init(256);
    const struct manifest_segment *m;
    const char *rest = "";
    struct os_stat st;
    uint64_t id, point;
    int rc;

    (void)snprintf(path, sizeof path, "%s/%s", l->dir, name);
    if (ends_with(name, ".tmp") || ends_with(name, ".part"))
        return os_unlink(path, l->e);
    point = store_number(name, "checkpoint-", &rest);
    if (point != 0 && *rest == 0 && point != s->m.cut.id)
        return os_unlink(path, l->e);
    id = store_number(name, "seg-", &rest);
    if (id == 0 || strcmp(rest, ".seg") != 0)
        return ERR_OK;
    m = manifest_find(&s->m, id);
    if (m == NULL)
        return s->rebuilt ? store_quarantine(s, path, name, l->e) : os_unlink(path, l->e);
    if (m->tier == l->tier)
        return ERR_OK;
    /* a move that was not finished, or a file moved by hand */
    store_segment_path(s, other, m->tier, id);
    if (os_file_stat(other, &st, NULL) == ERR_OK && st.octets == m->info.octets)
        return os_unlink(path, l->e);
    manifest_put_move(&record, l->tier, &id, 1);
    rc = store_log(s, &record, l->e);
    buf_free(&record);
    return rc;
}

static int clean_dirs(struct store *s, struct err *e)
{
    char path[STORE_PATH];
    struct listing l = { .s = s, .e = e, .dir = s->dir };
    int rc = os_dir_list(s->dir, clean, &l, e);

    store_path(s, path, "slow");
    if (rc != ERR_OK || !os_is_dir(path))
        return rc;
    l.dir = path;
    l.tier = TIER_SLOW;
    return os_dir_list(path, clean, &l, e);
}

static int by_id(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;

    return x->info.id < y->info.id ? -1 : x->info.id > y->info.id;
}

/* What the catalogue had of this segment; `old` is sorted by id. */
static struct seg_file *take_old(struct entry *old, size_t n, const struct seg_info *info)
{
    struct entry key = { .info = *info }, *x;
    struct seg_file *f;

    x = n > 0 ? bsearch(&key, old, n, sizeof *old, by_id) : NULL;
    if (x == NULL || x->info.octets != info->octets)
        return NULL;
    f = x->file;
    x->file = NULL;
    return f;
}

int store_fill(struct store *s)
{
    struct entry *old = s->entry, *x = calloc(s->m.n_seg + 64, sizeof *x);
    size_t n_old = s->n_entries;
    int rc = x != NULL ? ERR_OK : ERR_NOMEM;

    if (n_old > 0)
        qsort(old, n_old, sizeof *old, by_id);
    for (size_t i = 0; rc == ERR_OK && i < s->m.n_seg; i++) {
        const struct manifest_segment *m = &s->m.seg[i];
        x[i] = (struct entry){ .info = m->info, .import = m->import, .tier = m->tier };
        x[i].file = take_old(old, n_old, &m->info);
        if (x[i].file != NULL)
            atomic_store(&x[i].file->tier, m->tier);
        else
            rc = seg_file_new(&x[i].file, s->cache, &m->info, m->tier, NULL);
    }
    if (rc != ERR_OK) { /* what was taken is lost to the old list too: empty, until the next look */
        for (size_t i = 0; x != NULL && i < s->m.n_seg; i++)
            if (x[i].file != NULL)
                rowset_unref(&x[i].file->rs);
        free(x);
        x = NULL;
    }
    for (size_t k = 0; k < n_old; k++)
        if (old[k].file != NULL)
            rowset_unref(&old[k].file->rs);
    free(old);
    s->entry = x;
    s->n_entries = x != NULL ? s->m.n_seg : 0;
    s->cap_entries = x != NULL ? s->m.n_seg + 64 : 0;
    return rc;
}

/* A listed segment whose file is missing or of another length: its rows cannot be read. */
static void find_missing(struct store *s)
{
    char path[STORE_PATH];
    struct os_stat st;

    for (size_t i = 0; i < s->n_entries; i++) {
        const struct entry *x = &s->entry[i];
        store_segment_path(s, path, x->tier, x->info.id);
        if (os_file_stat(path, &st, NULL) != ERR_OK || st.octets != x->info.octets)
            atomic_store(&x->file->damaged, true);
    }
}

/* ------------------------------------------------------------------ locks */

/* "PID\nSOCKET\n" */
static void read_owner(const char *path, long *pid, char *socket_path, size_t cap)
{
    struct buf b = buf_init(STORE_PATH);
    const char *text, *nl;
    char *end;

    *pid = 0;
    if (cap > 0)
        socket_path[0] = 0;
    if (os_file_slurp(path, &b, NULL) == ERR_OK) {
        text = buf_cstr(&b);
        *pid = strtol(text, &end, 10);
        nl = *end == '\n' ? strchr(end + 1, '\n') : NULL;
        if (nl != NULL && (size_t)(nl - end) - 1 < cap) {
            memcpy(socket_path, end + 1, (size_t)(nl - end) - 1);
            socket_path[nl - end - 1] = 0;
        }
    }
    buf_free(&b);
}

int store_writer(const char *dir, long *pid, char *socket_path, size_t cap, struct err *e)
{
    char path[STORE_PATH];
    int fd, rc;
    bool held;

    *pid = 0;
    if (cap > 0)
        socket_path[0] = 0;
    (void)snprintf(path, sizeof path, "%s/lock", dir);
    if ((rc = os_file_open(&fd, path, OS_OPEN_READ, e)) != ERR_OK)
        return rc;
    held = os_file_locked(fd);
    os_file_close(&fd);
    if (!held)
        return err_set(e, ERR_NOTFOUND, "%s: nobody writes there now", dir);
    read_owner(path, pid, socket_path, cap);
    return ERR_OK;
}

static int lock_writer(struct store *s, const char *socket_path, struct err *e)
{
    char path[STORE_PATH], text[STORE_PATH + 32], other[STORE_PATH];
    long pid;
    int rc, n;

    store_path(s, path, "lock");
    if ((rc = os_file_open(&s->lock_fd, path, OS_OPEN_CREATE, e)) != ERR_OK)
        return rc;
    rc = os_file_lock(s->lock_fd, path, true, e);
    if (rc == ERR_BUSY) {
        read_owner(path, &pid, other, sizeof other);
        return err_set(e, ERR_BUSY, "%s: process %ld writes there%s%s; stop it first (kill %ld)",
                       s->dir, pid, other[0] != 0 ? " and answers at " : "", other, pid);
    }
    if (rc != ERR_OK)
        return rc;
    n = snprintf(text, sizeof text, "%ld\n%s\n", os_pid(), socket_path);
    rc = os_file_truncate(s->lock_fd, path, 0, e);
    if (rc == ERR_OK)
        rc = os_file_write(s->lock_fd, path, 0, text, (size_t)n, e);
    return rc;
}

/* The draft in the first octets of a file with this magic; 0: it cannot be told. */
static uint32_t draft_of(const char *path, const char *magic)
{
    uint8_t head[12];
    size_t got = 0;
    int fd, rc;

    if (os_file_open(&fd, path, OS_OPEN_READ, NULL) != ERR_OK)
        return 0;
    rc = os_file_read(fd, path, 0, head, sizeof head, &got, NULL);
    os_file_close(&fd);
    return rc == ERR_OK && got == sizeof head && memcmp(head, magic, 8) == 0 ? le32(head + 8) : 0;
}

/* Another weir has gone on here: nothing is touched. The newest segments tell; two, as a damaged
 * octet may make one look so. An older checkpoint is damage: it only holds what is learned again.
 */
static int refuse_other_drafts(const struct store *s, struct err *e)
{
    size_t n = MIN(s->m.n_seg, 2);
    uint32_t draft = 0;
    char path[STORE_PATH];

    for (size_t i = 0; i < n; i++) {
        const struct manifest_segment *m = &s->m.seg[s->m.n_seg - 1 - i];
        store_segment_path(s, path, m->tier, m->info.id);
        draft = draft_of(path, SEG_MAGIC);
        if (draft == 0 || draft == SEG_DRAFT)
            break;
        if (i + 1 == n)
            return err_set(e, ERR_VERSION,
                           "%s: written in draft %u of the format, this weir reads draft %u only; "
                           "use the weir that wrote it, or another data directory",
                           path, draft, SEG_DRAFT);
    }
    store_checkpoint_path(s, path, s->m.cut.id);
    draft = s->m.cut.id != 0 ? draft_of(path, CHECKPOINT_MAGIC) : 0;
    if (draft > CHECKPOINT_DRAFT)
        return err_set(e, ERR_VERSION,
                       "%s: written in draft %u of the format, this weir reads draft %u only; use "
                       "the weir that wrote it, or another data directory",
                       path, draft, CHECKPOINT_DRAFT);
    return ERR_OK;
}

static int open_writer(struct store *s, const char *socket_path, struct err *e)
{
    char path[STORE_PATH];
    int rc;

    if ((rc = os_mkdir(s->dir, e)) != ERR_OK || (rc = lock_writer(s, socket_path, e)) != ERR_OK)
        return rc;
    store_path(s, path, "trash");
    if ((rc = os_mkdir(path, e)) != ERR_OK)
        return rc;
    store_path(s, path, "readers");
    if ((rc = os_file_open(&s->readers_fd, path, OS_OPEN_CREATE, e)) != ERR_OK)
        return rc;
    if ((rc = store_load(s, e)) != ERR_OK || (rc = refuse_other_drafts(s, e)) != ERR_OK ||
        (rc = clean_dirs(s, e)) != ERR_OK)
        return rc;
    store_path(s, path, "manifest");
    if ((s->manifest_fd < 0 &&
         (rc = os_file_open(&s->manifest_fd, path, OS_OPEN_CREATE, e)) != ERR_OK) ||
        (rc = os_file_truncate(s->manifest_fd, path, s->m.good, e)) != ERR_OK)
        return rc;
    s->m.torn = false;
    return ERR_OK;
}

static int open_reader(struct store *s, struct err *e)
{
    char path[STORE_PATH];
    struct os_stat st;
    int rc = os_file_stat(s->dir, &st, e);

    if (rc == ERR_NOTFOUND || (rc == ERR_OK && !st.is_dir))
        return err_set(e, ERR_NOTFOUND, "%s: no such directory", s->dir);
    if (rc != ERR_OK)
        return rc;
    store_path(s, path, "readers");
    rc = os_file_open(&s->readers_fd, path, OS_OPEN_READ, e);
    if (rc == ERR_OK) /* the writer holds it for the moments in which it unlinks */
        rc = os_file_lock_wait(s->readers_fd, path, false, e);
    else if (rc == ERR_NOTFOUND)
        rc = ERR_OK; /* a copy of a data directory: nobody unlinks there */
    return rc == ERR_OK ? store_load(s, e) : rc;
}

int store_open(struct store **out, const char *dir, enum store_mode mode, const char *socket_path,
               struct err *e)
{
    struct store *s = calloc(1, sizeof *s);
    int rc = ERR_OK;

    *out = NULL;
    if (s == NULL)
        return err_set(e, ERR_NOMEM, "store %s: out of memory", dir);
    s->mode = mode;
    s->lock_fd = s->readers_fd = s->manifest_fd = -1;
    os_mutex_init(&s->files);
    os_mutex_init(&s->log);
    os_mutex_init(&s->list);
    os_mutex_init(&s->learn);
    if (strlen(dir) >= sizeof s->dir || strlen(socket_path) >= STORE_PATH - 32) {
        rc = err_set(e, ERR_ARG, "store: path too long");
    } else {
        (void)snprintf(s->dir, sizeof s->dir, "%s", dir);
        rc = seg_cache_new(&s->cache, dir);
        if (rc != ERR_OK)
            rc = err_set(e, rc, "store %s: out of memory", dir);
    }
    if (rc == ERR_OK) {
        rc = mode == STORE_WRITE ? open_writer(s, socket_path, e) : open_reader(s, e);
    }
    if (rc == ERR_OK && (rc = store_fill(s)) != ERR_OK)
        rc = err_set(e, rc, "store %s: out of memory", dir);
    if (rc == ERR_OK)
        rc = store_open_names(s, e);
    if (rc != ERR_OK) {
        store_close(s);
        return rc;
    }
    if (mode == STORE_WRITE) {
        find_missing(s);
        store_empty_trash(s);
    }
    *out = s;
    return ERR_OK;
}

const char *store_dir(const struct store *s)
{
    return s->dir;
}

void store_close(struct store *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->n_entries; i++)
        rowset_unref(&s->entry[i].file->rs);
    for (size_t i = 0; i < s->n_doomed; i++)
        rowset_unref(&s->doomed[i]->rs);
    seg_cache_unref(s->cache);
    free(s->doomed);
    free(s->entry);
    free(s->spared);
    manifest_free(&s->m);
    os_file_close(&s->manifest_fd);
    os_file_close(&s->readers_fd);
    os_file_close(&s->lock_fd);
    os_mutex_free(&s->files);
    os_mutex_free(&s->log);
    os_mutex_free(&s->list);
    os_mutex_free(&s->learn);
    fact_table_unref(s->facts);
    geo_unref(s->geo);
    free(s);
}
