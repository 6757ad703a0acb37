#include "collect/journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collect/journal_file.h"
#include "os/file.h"
#include "os/mutex.h"
#include "os/proc.h"

#define FILE_MAX  (64u << 20)
#define FILE_MIN  (1u << 18)
#define SLOTS_MAX 4096u
#define SPARE     2u /* files kept for later though nothing in them is needed */
#define PATH_MAX_ 4096u

/* ------------------------------------------------------------------ files */

struct slots {
    struct journal_slot *s; /* see journal_order() after load() */
    uint32_t n, cap;
};

static void slot_path(char *out, const char *dir, unsigned shard, unsigned number)
{
    (void)snprintf(out, PATH_MAX_, "%s/%02u-%04u.jnl", dir, shard, number);
}

static int slot_add(struct slots *l, struct journal_slot s)
{
    if (l->n == l->cap) {
        uint32_t cap = l->cap * 2 + 16;
        struct journal_slot *p = realloc(l->s, cap * sizeof *p);
        if (p == NULL)
            return ERR_NOMEM;
        l->s = p;
        l->cap = cap;
    }
    l->s[l->n++] = s;
    return ERR_OK;
}

static int read_head(const char *path, unsigned shard, struct journal_slot *s, struct err *e)
{
    struct os_map map;
    int rc = os_map_file(&map, path, e);

    if (rc != ERR_OK)
        return rc;
    rc = journal_head_get(s, map.p, map.len, shard, path, e);
    os_unmap(&map);
    return rc;
}

struct listing {
    const char *dir;
    unsigned shard;
    struct slots *slots;
    struct err *e;
    unsigned shards; /* highest number and one */
};

static bool parse_name(const char *name, unsigned *shard, unsigned *number)
{
    int n = 0;

    return sscanf(name, "%2u-%4u.jnl%n", shard, number, &n) == 2 && n > 0 && name[n] == '\0';
}

static int list_one(void *ctx, const char *name)
{
    struct listing *l = ctx;
    struct journal_slot s = { .number = 0 };
    char path[PATH_MAX_];
    unsigned shard, number;
    int rc;

    if (!parse_name(name, &shard, &number))
        return ERR_OK;
    l->shards = MAX(l->shards, shard + 1);
    if (l->slots == NULL || shard != l->shard)
        return ERR_OK;
    s.number = number;
    slot_path(path, l->dir, shard, number);
    if ((rc = read_head(path, shard, &s, l->e)) != ERR_OK)
        return rc;
    return slot_add(l->slots, s) == ERR_OK
               ? ERR_OK
               : err_set(l->e, ERR_NOMEM, "journal %s: out of memory", l->dir);
}

/* All files of a shard, in the order of journal_order(). */
static int load(struct slots *l, const char *dir, unsigned shard, struct err *e)
{
    struct listing x = { .dir = dir, .shard = shard, .slots = l, .e = e };
    int rc = os_dir_list(dir, list_one, &x, e);

    if (rc != ERR_OK)
        return rc;
    journal_order(l->s, l->n);
    return ERR_OK;
}

int journal_shards(const char *dir, unsigned *n, struct err *e)
{
    struct listing x = { .dir = dir, .e = e };
    int rc = os_dir_list(dir, list_one, &x, e);

    *n = x.shards;
    return rc == ERR_NOTFOUND ? ERR_OK : rc;
}

int journal_readable(const char *dir, struct err *e)
{
    struct slots l = { 0 };
    unsigned n = 0;
    int rc = journal_shards(dir, &n, e);

    for (unsigned i = 0; rc == ERR_OK && i < n; i++) {
        l.n = 0;
        rc = load(&l, dir, i, e);
    }
    free(l.s);
    return rc;
}

int journal_remove(const char *dir, unsigned shard, struct err *e)
{
    struct slots l = { 0 };
    char path[PATH_MAX_];
    int rc = load(&l, dir, shard, e);

    for (uint32_t i = 0; rc == ERR_OK && i < l.n; i++) {
        slot_path(path, dir, shard, l.s[i].number);
        rc = os_unlink(path, e);
    }
    free(l.s);
    return rc;
}

/* ------------------------------------------------------------------ writing */

struct journal {
    char dir[PATH_MAX_ - 64];
    unsigned shard;
    uint64_t file_octets, max_octets;
    uint32_t max_files;
    uint32_t key; /* of all frames written; new where no file says one */
    int fd;       /* of the file being written; -1 = none */
    char path[PATH_MAX_];
    uint64_t at; /* where it goes on */
    bool dirty;
    uint64_t synced;      /* serial; what is above is not on disk yet */
    uint64_t given_up;    /* frames that a failed sync took, since journal_given_up() */
    struct os_mutex lock; /* slots, cur, last; held for moments */
    struct slots slots;   /* in no order */
    uint32_t cur;         /* being written; UINT32_MAX = none */
    uint32_t next;        /* being made ready, to be written next; UINT32_MAX = none */
    uint64_t last;        /* serial */
};

/* Go on in the file that was written last. */
static int resume(struct journal *j, struct err *e)
{
    struct journal_slot *s = &j->slots.s[j->slots.n - 1];
    struct os_map map;
    struct journal_walk w = { .at = JOURNAL_HEAD, .end = JOURNAL_HEAD, .last = s->first - 1 };
    const struct frame *f;
    int rc;

    slot_path(j->path, j->dir, j->shard, s->number);
    if ((rc = os_map_file(&map, j->path, e)) != ERR_OK)
        return rc;
    w.p = map.p;
    w.len = map.len;
    w.key = s->key;
    while ((f = journal_walk_next(&w)) != NULL)
        w.last = f->serial;
    s->last = j->last = j->synced = w.last;
    if (s->draft != JOURNAL_DRAFT || s->key == 0) { /* read to its end, and not gone on with */
        os_unmap(&map);
        return ERR_OK;
    }
    j->key = s->key;
    j->at = w.end;
    rc = os_file_open(&j->fd, j->path, OS_OPEN_CREATE, e);
    j->cur = j->slots.n - 1;
    j->dirty = true; /* what a killed process wrote last is not on disk for that */
    os_unmap(&map);
    return rc;
}

int journal_open(struct journal **out, const char *dir, unsigned shard,
                 const struct journal_limits *lim, uint64_t *last, struct err *e)
{
    struct journal *j = calloc(1, sizeof *j);
    uint64_t file = lim->file_octets;
    int rc;

    *out = NULL;
    if (j == NULL)
        return err_set(e, ERR_NOMEM, "journal %s: out of memory", dir);
    os_mutex_init(&j->lock);
    j->fd = -1;
    j->cur = j->next = UINT32_MAX;
    j->shard = shard;
    if (file == 0)
        file = MIN(MAX(lim->max_octets / 8, FILE_MIN), FILE_MAX);
    j->file_octets = MAX(file, JOURNAL_HEAD + 2 * frame_room(FRAME_OCTETS_MAX));
    j->max_files = (uint32_t)MIN(MAX(lim->max_octets / j->file_octets, 2), SLOTS_MAX);
    j->max_octets = j->max_files * j->file_octets;
    if (strlen(dir) >= sizeof j->dir) {
        rc = err_set(e, ERR_ARG, "journal %s: path too long", dir);
        goto fail;
    }
    memcpy(j->dir, dir, strlen(dir) + 1);
    if ((rc = load(&j->slots, dir, shard, e)) != ERR_OK)
        goto fail;
    if (j->slots.n > 0 && j->slots.s[j->slots.n - 1].used && (rc = resume(j, e)) != ERR_OK)
        goto fail;
    if (j->key == 0)
        j->key = proc_random();
    *last = j->last;
    *out = j;
    return ERR_OK;
fail:
    journal_close(j);
    return rc;
}

void journal_close(struct journal *j)
{
    if (j == NULL)
        return;
    os_file_close(&j->fd);
    free(j->slots.s);
    os_mutex_free(&j->lock);
    free(j);
}

/* j->next becomes a file that may be written over, or a new number. Under the lock. */
static int free_slot(struct journal *j, struct err *e)
{
    uint32_t highest = 0;

    for (uint32_t i = 0; i < j->slots.n; i++) {
        if (!j->slots.s[i].used) {
            j->next = i;
            return ERR_OK;
        }
        highest = MAX(highest, j->slots.s[i].number + 1);
    }
    if (j->slots.n >= j->max_files || highest >= SLOTS_MAX)
        return err_set(e, ERR_LIMIT,
                       "journal %s: its ceiling of %llu octets is reached (journal.size)", j->dir,
                       (unsigned long long)j->max_octets);
    if (slot_add(&j->slots, (struct journal_slot){ .number = highest }) != ERR_OK)
        return err_set(e, ERR_NOMEM, "journal %s: out of memory", j->dir);
    j->next = j->slots.n - 1;
    return ERR_OK;
}

/* The head is on disk before the first frame: an old head would put new frames in a wrong order.
 * So is the file's name, also where an earlier try came no further than to make the file. */
static int write_head(struct journal *j, int fd, const char *path, uint64_t first, struct err *e)
{
    uint8_t page[JOURNAL_HEAD];
    struct os_stat st;
    int rc = os_file_stat(path, &st, e);

    if (rc == ERR_OK && st.octets < j->file_octets)
        rc = os_file_allocate(fd, path, j->file_octets, e);
    journal_head_put(page, j->shard, j->key, first, j->last);
    if (rc == ERR_OK)
        rc = os_file_write(fd, path, 0, page, sizeof page, e);
    if (rc == ERR_OK)
        rc = os_file_sync(fd, path, e);
    return rc == ERR_OK ? os_dir_sync(j->dir, e) : rc;
}

/* Its lock is not held while the disk works: the sealer may release files meanwhile, which moves
 * slots. */
static int next_file(struct journal *j, uint64_t first, struct err *e)
{
    char path[PATH_MAX_];
    int fd, rc;

    if ((rc = journal_sync(j, e)) != ERR_OK)
        return rc;
    os_lock(&j->lock);
    rc = free_slot(j, e);
    if (rc == ERR_OK)
        slot_path(path, j->dir, j->shard, j->slots.s[j->next].number);
    os_unlock(&j->lock);
    if (rc != ERR_OK)
        return rc;
    if ((rc = os_file_open(&fd, path, OS_OPEN_CREATE, e)) == ERR_OK &&
        (rc = write_head(j, fd, path, first, e)) != ERR_OK)
        os_file_close(&fd); /* its slot stays free */
    os_lock(&j->lock);
    if (rc == ERR_OK) {
        struct journal_slot *s = &j->slots.s[j->next];
        s->used = true;
        s->first = first;
        s->last = first - 1;
        j->cur = j->next;
    }
    j->next = UINT32_MAX;
    os_unlock(&j->lock);
    if (rc != ERR_OK)
        return rc;
    os_file_close(&j->fd);
    j->fd = fd;
    j->at = JOURNAL_HEAD;
    memcpy(j->path, path, sizeof path);
    return ERR_OK;
}

/* Octets of whole frames that fit into `room`. */
static size_t fit(const uint8_t *frames, size_t len, uint64_t room, uint64_t *last)
{
    size_t at = 0;

    while (at < len) {
        const struct frame *f = (const struct frame *)(const void *)(frames + at);
        if (at + frame_room(f->len) > room)
            break;
        *last = f->serial;
        at += (size_t)frame_room(f->len);
    }
    return at;
}

static void seal_frames(const struct journal *j, uint8_t *frames, size_t len)
{
    for (size_t at = 0; at < len;) {
        struct frame *f = (struct frame *)(void *)(frames + at);
        f->key = j->key;
        f->sum = frame_sum(f);
        at += (size_t)frame_room(f->len);
    }
}

int journal_write(struct journal *j, uint8_t *frames, size_t len, uint64_t first, uint64_t last,
                  struct err *e)
{
    int rc;

    seal_frames(j, frames, len);
    while (len > 0) {
        uint64_t to = last;
        bool none = j->fd < 0 || j->at > j->file_octets;
        size_t n = none || len <= j->file_octets - j->at
                       ? len
                       : fit(frames, len, j->file_octets - j->at, &to);
        if (none || n == 0) {
            if ((rc = next_file(j, first, e)) != ERR_OK)
                return rc;
            continue;
        }
        if ((rc = os_file_write(j->fd, j->path, j->at, frames, n, e)) != ERR_OK)
            return rc;
        j->at += n;
        j->dirty = true;
        frames += n;
        len -= n;
        first = to + 1;
        os_lock(&j->lock);
        j->last = j->slots.s[j->cur].last = to;
        os_unlock(&j->lock);
    }
    return ERR_OK;
}

int journal_sync(struct journal *j, struct err *e)
{
    int rc;

    if (!j->dirty)
        return ERR_OK;
    rc = os_file_datasync(j->fd, j->path, e);
    if (rc != ERR_OK) /* the system may have let go of these octets: a second sync would succeed */
        j->given_up += j->last - j->synced;
    j->synced = j->last;
    j->dirty = false;
    return rc;
}

uint64_t journal_given_up(struct journal *j)
{
    uint64_t n = j->given_up;

    j->given_up = 0;
    return n;
}

void journal_release(struct journal *j, uint64_t serial)
{
    char path[PATH_MAX_];
    uint32_t spare = 0;

    os_lock(&j->lock);
    for (uint32_t i = j->slots.n; i-- > 0;) {
        struct journal_slot *s = &j->slots.s[i];
        if (i != j->cur && s->used && s->last <= serial)
            s->used = false;
        if (i == j->cur || i == j->next || s->used || spare++ < SPARE)
            continue;
        slot_path(path, j->dir, j->shard, s->number);
        if (os_unlink(path, NULL) != ERR_OK)
            continue; /* stays as a spare one */
        *s = j->slots.s[--j->slots.n];
        if (j->cur == j->slots.n)
            j->cur = i;
        if (j->next == j->slots.n)
            j->next = i;
    }
    os_unlock(&j->lock);
}

int journal_empty(struct journal *j, struct err *e)
{
    char path[PATH_MAX_];
    int rc = ERR_OK;

    os_file_close(&j->fd);
    os_lock(&j->lock);
    j->cur = UINT32_MAX;
    while (rc == ERR_OK && j->slots.n > 0) {
        slot_path(path, j->dir, j->shard, j->slots.s[j->slots.n - 1].number);
        rc = os_unlink(path, e);
        j->slots.n -= rc == ERR_OK;
    }
    os_unlock(&j->lock);
    return rc;
}

void journal_get_state(const struct journal *j, struct journal_state *out)
{
    struct os_mutex *lock = (struct os_mutex *)(uintptr_t)&j->lock;

    *out = (struct journal_state){ .max_octets = j->max_octets, .first = UINT64_MAX };
    os_lock(lock);
    out->files = j->slots.n;
    for (uint32_t i = 0; i < j->slots.n; i++) {
        if (!j->slots.s[i].used)
            continue;
        out->octets += j->file_octets;
        out->first = MIN(out->first, j->slots.s[i].first);
    }
    out->last = j->last;
    os_unlock(lock);
}

/* ------------------------------------------------------------------ reading */

uint64_t journal_last(const struct journal *j)
{
    return j->last;
}

/* Reading the files of a shard, or looking through them. */
struct tour {
    struct journal_reading r;
    void (*report)(void *ctx, const struct journal_damage *d); /* looking through; or NULL */
    void *ctx;
    const char *dir;
    unsigned shard, number; /* of the file at hand */
    bool quiet;
};

static int read_one(struct tour *t, const struct journal_slot *s, bool last, struct err *e)
{
    struct journal_damage torn = { .kind = JOURNAL_END_TORN, .lost = 1 };
    char path[PATH_MAX_];
    struct os_map map;
    int rc;

    slot_path(path, t->dir, t->shard, t->number);
    if ((rc = os_map_file(&map, path, e)) != ERR_OK)
        return rc;
    rc = journal_read_file(&t->r, s, map.p, map.len);
    torn.from = t->r.end;
    if (rc == ERR_OK && last && t->quiet && journal_torn(&t->r, s, map.p, map.len)) {
        t->r.found.damaged_places++;
        t->r.found.frames_lost++;
        t->r.damage(t->r.ctx, &torn);
    }
    os_unmap(&map);
    return rc;
}

static int read_shard(struct tour *t, struct err *e)
{
    struct slots l = { 0 };
    int rc = load(&l, t->dir, t->shard, e);

    t->r.hold = malloc((size_t)frame_room(FRAME_OCTETS_MAX));
    if (rc == ERR_OK && t->r.hold == NULL)
        rc = err_set(e, ERR_NOMEM, "journal %s: out of memory", t->dir);
    for (uint32_t i = 0; rc == ERR_OK && i < l.n; i++) {
        t->number = l.s[i].number;
        if (journal_wants(&t->r, l.s, l.n, i))
            rc = read_one(t, &l.s[i], i + 1 == l.n, e);
    }
    free(t->r.hold);
    free(l.s);
    return rc == ERR_NOTFOUND ? ERR_OK : rc;
}

int journal_read(const char *dir, unsigned shard, uint64_t after, uint64_t upto,
                 int (*fn)(void *ctx, const struct frame *f, const uint8_t *octets), void *ctx,
                 struct journal_found *found, struct err *e)
{
    struct tour t = { .r = { .after = after, .upto = upto, .fn = fn, .ctx = ctx },
                      .dir = dir,
                      .shard = shard };
    int rc = read_shard(&t, e);

    *found = t.r.found;
    return rc;
}

static int pass_by(void *ctx, const struct frame *f, const uint8_t *octets)
{
    (void)ctx;
    (void)f;
    (void)octets;
    return ERR_OK;
}

static void tell(void *ctx, const struct journal_damage *d)
{
    struct tour *t = ctx;
    struct journal_damage named = *d;

    (void)snprintf(named.file, sizeof named.file, "%02u-%04u.jnl", t->shard % 100,
                   t->number % 10000);
    t->report(t->ctx, &named);
}

int journal_check(const char *dir, unsigned shard, uint64_t after, bool quiet,
                  void (*report)(void *ctx, const struct journal_damage *d), void *ctx,
                  struct journal_found *found, struct err *e)
{
    struct tour t = { .r = { .after = after, .upto = UINT64_MAX, .fn = pass_by, .damage = tell },
                      .report = report,
                      .ctx = ctx,
                      .dir = dir,
                      .shard = shard,
                      .quiet = quiet };
    int rc;

    t.r.ctx = &t;
    rc = read_shard(&t, e);
    *found = t.r.found;
    return rc;
}
