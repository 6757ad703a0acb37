#include "collect/journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rd.h"
#include "os/file.h"
#include "os/mutex.h"

#define MAGIC       "WEIR-JNL"
#define ORDER       0x01020304u /* in the processor's order: refuses a file of another one */
#define HEAD        4096u       /* octets before the first frame */
#define HEAD_SUMMED 40u
#define FILE_MAX    (64u << 20)
#define FILE_MIN    (1u << 18)
#define SLOTS_MAX   4096u
#define SPARE       2u /* files kept for later though nothing in them is needed */
#define PATH_MAX_   4096u

/* ------------------------------------------------------------------ files */

/* The first octets of a file; fields in the processor's order, like the frames. */
struct head {
    uint8_t magic[8];
    uint32_t draft, order, shard, zero;
    uint64_t first;       /* serial of its first frame */
    uint64_t last_before; /* last serial of the file before; 0 = none */
    uint32_t sum;         /* CRC32C of the octets before it */
};

struct slot {
    uint32_t number; /* in the file's name */
    bool used;       /* holds frames that are not released */
    uint64_t first, last, last_before;
};

struct slots {
    struct slot *s; /* by `first` ascending after load() */
    uint32_t n, cap;
};

static void slot_path(char *out, const char *dir, unsigned shard, unsigned number)
{
    (void)snprintf(out, PATH_MAX_, "%s/%02u-%04u.jnl", dir, shard, number);
}

static int slot_add(struct slots *l, struct slot s)
{
    if (l->n == l->cap) {
        uint32_t cap = l->cap * 2 + 16;
        struct slot *p = realloc(l->s, cap * sizeof *p);
        if (p == NULL)
            return ERR_NOMEM;
        l->s = p;
        l->cap = cap;
    }
    l->s[l->n++] = s;
    return ERR_OK;
}

static int by_first(const void *a, const void *b)
{
    const struct slot *x = a, *y = b;

    if (x->used != y->used)
        return x->used ? 1 : -1;
    return x->first < y->first ? -1 : x->first > y->first;
}

/* The frame at `at`, if it is whole and its sum is right. */
static const struct frame *frame_in(const struct os_map *m, size_t at)
{
    const struct frame *f = (const struct frame *)(const void *)(m->p + at);

    if (m->len - at < sizeof *f || f->zero != 0 || f->serial == 0 || f->len > FRAME_OCTETS_MAX ||
        frame_room(f->len) > m->len - at || f->sum != frame_sum(f))
        return NULL;
    return f;
}

/* Steps through the frames of one file, over what is damaged and over what an earlier life of the
 * file left (lower serials). */
struct walk {
    const struct os_map *map;
    size_t at, end; /* end: behind the last frame that counted */
    uint64_t last;  /* its serial; at first: that of the file before */
    bool damaged;   /* octets between it and the one before were no frames */
};

static const struct frame *walk_next(struct walk *w)
{
    w->damaged = false;
    while (w->at < w->map->len) {
        const struct frame *f = frame_in(w->map, w->at);
        if (f == NULL) {
            w->damaged = true;
            w->at += FRAME_ALIGN;
            continue;
        }
        w->at += (size_t)frame_room(f->len);
        if (f->serial > w->last || (f->listener == FRAME_DROPS && f->serial == w->last)) {
            w->end = w->at;
            return f;
        }
    }
    return NULL;
}

/* What a file says of itself. A damaged head is made good from the first frame. False: not used. */
static int read_head(const char *path, unsigned shard, struct slot *s, struct err *e)
{
    struct head h;
    struct os_map map;
    const struct frame *f;
    struct walk w = { .map = &map, .at = HEAD };
    int rc = os_map_file(&map, path, e);

    if (rc != ERR_OK)
        return rc;
    if (map.len >= sizeof h) {
        memcpy(&h, map.p, sizeof h);
        if (memcmp(h.magic, MAGIC, 8) == 0 && h.sum == crc32c(0, &h, HEAD_SUMMED)) {
            if (h.draft != JOURNAL_DRAFT || h.order != ORDER)
                rc = err_set(e, ERR_VERSION,
                             "%s: written in draft %u of the format, this weir reads draft %u; "
                             "start the weir that wrote it once more, stop it, and it is empty",
                             path, h.draft, JOURNAL_DRAFT);
            s->used = h.first > 0 && h.shard == shard;
            s->first = h.first;
            s->last_before = h.last_before;
        } else if ((f = walk_next(&w)) != NULL) {
            s->used = true;
            s->first = f->serial;
        }
    }
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
    struct slot s = { .number = 0 };
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

/* All files of a shard, the unused ones first, then by serial; `last` from the file behind. */
static int load(struct slots *l, const char *dir, unsigned shard, struct err *e)
{
    struct listing x = { .dir = dir, .shard = shard, .slots = l, .e = e };
    int rc = os_dir_list(dir, list_one, &x, e);

    if (rc != ERR_OK)
        return rc;
    if (l->n > 0)
        qsort(l->s, l->n, sizeof *l->s, by_first);
    for (uint32_t i = 0; i + 1 < l->n; i++)
        if (l->s[i].used)
            l->s[i].last = l->s[i + 1].first - 1;
    return ERR_OK;
}

int journal_shards(const char *dir, unsigned *n, struct err *e)
{
    struct listing x = { .dir = dir, .e = e };
    int rc = os_dir_list(dir, list_one, &x, e);

    *n = x.shards;
    return rc == ERR_NOTFOUND ? ERR_OK : rc;
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
    int fd; /* of the file being written; -1 = none */
    char path[PATH_MAX_];
    uint64_t at; /* where it goes on */
    bool dirty;
    uint64_t synced;      /* serial; what is above is not on disk yet */
    uint64_t given_up;    /* frames that a failed sync took, since journal_given_up() */
    struct os_mutex lock; /* slots, cur, last; held for moments */
    struct slots slots;   /* in no order */
    uint32_t cur;         /* being written; UINT32_MAX = none */
    uint64_t last;        /* serial */
};

/* Go on in the file that was written last. */
static int resume(struct journal *j, struct err *e)
{
    struct slot *s = &j->slots.s[j->slots.n - 1];
    struct os_map map;
    struct walk w = { .map = &map, .at = HEAD, .end = HEAD, .last = s->first - 1 };
    const struct frame *f;
    int rc;

    slot_path(j->path, j->dir, j->shard, s->number);
    if ((rc = os_map_file(&map, j->path, e)) != ERR_OK)
        return rc;
    while ((f = walk_next(&w)) != NULL)
        w.last = f->serial;
    s->last = j->last = j->synced = w.last;
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
    j->cur = UINT32_MAX;
    j->shard = shard;
    if (file == 0)
        file = MIN(MAX(lim->max_octets / 8, FILE_MIN), FILE_MAX);
    j->file_octets = MAX(file, HEAD + 2 * frame_room(FRAME_OCTETS_MAX));
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

/* A file that may be written over, or a new number. Under the lock. */
static int free_slot(struct journal *j, uint32_t *out, struct err *e)
{
    uint32_t highest = 0;

    for (uint32_t i = 0; i < j->slots.n; i++) {
        if (!j->slots.s[i].used) {
            *out = i;
            return ERR_OK;
        }
        highest = MAX(highest, j->slots.s[i].number + 1);
    }
    if (j->slots.n >= j->max_files || highest >= SLOTS_MAX)
        return err_set(e, ERR_LIMIT,
                       "journal %s: its ceiling of %llu octets is reached (journal.size)", j->dir,
                       (unsigned long long)j->max_octets);
    *out = j->slots.n;
    return slot_add(&j->slots, (struct slot){ .number = highest }) == ERR_OK
               ? ERR_OK
               : err_set(e, ERR_NOMEM, "journal %s: out of memory", j->dir);
}

/* The head is on disk before the first frame: an old head would put new frames in a wrong order.
 * So is the file's name, also where an earlier try came no further than to make the file. */
static int write_head(struct journal *j, int fd, const char *path, uint64_t first, struct err *e)
{
    uint8_t page[HEAD] = { 0 };
    struct head h = { .draft = JOURNAL_DRAFT,
                      .order = ORDER,
                      .shard = j->shard,
                      .first = first,
                      .last_before = j->last };
    struct os_stat st;
    int rc = os_file_stat(path, &st, e);

    if (rc == ERR_OK && st.octets < j->file_octets)
        rc = os_file_allocate(fd, path, j->file_octets, e);
    memcpy(h.magic, MAGIC, 8);
    h.sum = crc32c(0, &h, HEAD_SUMMED);
    memcpy(page, &h, sizeof h);
    if (rc == ERR_OK)
        rc = os_file_write(fd, path, 0, page, sizeof page, e);
    if (rc == ERR_OK)
        rc = os_file_sync(fd, path, e);
    return rc == ERR_OK ? os_dir_sync(j->dir, e) : rc;
}

static int next_file(struct journal *j, uint64_t first, struct err *e)
{
    char path[PATH_MAX_];
    uint32_t i = 0;
    int fd, rc;

    if ((rc = journal_sync(j, e)) != ERR_OK)
        return rc;
    os_lock(&j->lock);
    rc = free_slot(j, &i, e);
    os_unlock(&j->lock);
    if (rc != ERR_OK)
        return rc;
    slot_path(path, j->dir, j->shard, j->slots.s[i].number);
    if ((rc = os_file_open(&fd, path, OS_OPEN_CREATE, e)) != ERR_OK)
        return rc;
    if ((rc = write_head(j, fd, path, first, e)) != ERR_OK) {
        os_file_close(&fd);
        return rc; /* its slot stays free */
    }
    os_file_close(&j->fd);
    j->fd = fd;
    j->at = HEAD;
    memcpy(j->path, path, sizeof path);
    os_lock(&j->lock);
    j->slots.s[i].used = true;
    j->slots.s[i].first = first;
    j->slots.s[i].last = first - 1;
    j->cur = i;
    os_unlock(&j->lock);
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

int journal_write(struct journal *j, const uint8_t *frames, size_t len, uint64_t first,
                  uint64_t last, struct err *e)
{
    int rc;

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
        struct slot *s = &j->slots.s[i];
        if (i != j->cur && s->used && s->last <= serial)
            s->used = false;
        if (i == j->cur || s->used || spare++ < SPARE)
            continue;
        slot_path(path, j->dir, j->shard, s->number);
        if (os_unlink(path, NULL) != ERR_OK)
            continue; /* stays as a spare one */
        *s = j->slots.s[--j->slots.n];
        if (j->cur == j->slots.n)
            j->cur = i;
    }
    os_unlock(&j->lock);
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

struct reading {
    uint64_t after, upto;
    int (*fn)(void *ctx, const struct frame *f, const uint8_t *octets);
    void *ctx;
    struct journal_found *found;
};

static void note_loss(struct journal_found *found, uint64_t frames)
{
    found->damaged_places++;
    found->frames_lost += frames;
}

static int read_file(struct reading *r, const struct os_map *map)
{
    struct journal_found *found = r->found;
    struct walk w = { .map = map, .at = HEAD, .last = found->last };
    const struct frame *f;
    int rc = ERR_OK;

    while (rc == ERR_OK && (f = walk_next(&w)) != NULL) {
        uint64_t from = MAX(w.last, r->after);
        if (f->serial > r->upto)
            break;
        if (w.damaged && f->serial > from + 1)
            note_loss(found, f->serial - from - 1);
        w.last = found->last = f->serial;
        if (f->serial <= r->after)
            continue;
        found->frames++;
        found->octets += f->len;
        rc = r->fn(r->ctx, f, (const uint8_t *)(f + 1));
    }
    return rc;
}

int journal_read(const char *dir, unsigned shard, uint64_t after, uint64_t upto,
                 int (*fn)(void *ctx, const struct frame *f, const uint8_t *octets), void *ctx,
                 struct journal_found *found, struct err *e)
{
    struct reading r = { .after = after, .upto = upto, .fn = fn, .ctx = ctx, .found = found };
    struct slots l = { 0 };
    int rc = load(&l, dir, shard, e);

    *found = (struct journal_found){ 0 };
    for (uint32_t i = 0; rc == ERR_OK && i < l.n; i++) {
        char path[PATH_MAX_];
        struct os_map map;
        bool first = i == 0 || !l.s[i - 1].used;
        uint64_t from = MAX(found->last, after);
        if (!l.s[i].used || (i + 1 < l.n && l.s[i].last <= after) || l.s[i].first > upto)
            continue;
        /* frames that the file before should have had */
        if (l.s[i].last_before > from && (!first || after > 0))
            note_loss(found, l.s[i].last_before - from);
        found->last = MAX(found->last, l.s[i].first - 1);
        slot_path(path, dir, shard, l.s[i].number);
        if ((rc = os_map_file(&map, path, e)) != ERR_OK)
            break;
        rc = read_file(&r, &map);
        os_unmap(&map);
    }
    free(l.s);
    return rc == ERR_NOTFOUND ? ERR_OK : rc;
}
