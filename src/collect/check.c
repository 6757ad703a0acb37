#include "collect/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collect/history.h"
#include "collect/history_file.h"
#include "collect/journal_file.h"
#include "collect/past.h"
#include "os/file.h"

#define PATH_OCTETS  4096u
#define FILE_OCTETS  ((size_t)1 << 30) /* of one file that is read into memory */
#define FOUND_MAX    1000u             /* places of one shard that are told one by one */
#define LOOKS_MAX    5u                /* at a journal that is written meanwhile */
#define STATE_OCTETS ((size_t)4 << 30)

struct look {
    struct store_check *c;
    const char *dir; /* the data directory */
    char folder[PATH_OCTETS];
    struct err *e;
    bool writer;
    /* the journal of one shard */
    struct journal_damage bad[FOUND_MAX];
    size_t n_bad;
    /* the day of history looked at */
    const char *day;
    size_t octets;
    bool newest;
    struct buf good; /* the records that are none of the damaged ones */
    size_t good_to;
    const uint8_t *p;
};

static void tell(struct look *l, struct store_finding *x)
{
    l->c->findings += !x->note;
    if (l->c->found != NULL)
        l->c->found(l->c->ctx, x);
}

static void step(struct look *l, uint64_t octets)
{
    l->c->files++;
    l->c->octets += octets;
    if (l->c->progress != NULL)
        l->c->progress(l->c->ctx, l->c->octets, l->c->octets);
}

static int enter(struct look *l, const char *folder)
{
    return snprintf(l->folder, sizeof l->folder, "%s/%s", l->dir, folder) < (int)sizeof l->folder
               ? ERR_OK
               : err_set(l->e, ERR_ARG, "%s: path too long", l->dir);
}

/* DIR/quarantine/FOLDER-NAME gets these octets. */
static int keep_aside(struct look *l, const char *folder, const char *name, const uint8_t *p,
                      size_t n)
{
    char path[PATH_OCTETS + 64];
    struct buf b = buf_init(FILE_OCTETS);
    int rc;

    (void)snprintf(path, sizeof path, "%s/quarantine", l->dir);
    if ((rc = os_mkdir(path, l->e)) != ERR_OK)
        return rc;
    (void)snprintf(path, sizeof path, "%s/quarantine/%s-%s", l->dir, folder, name);
    buf_put(&b, p, n);
    rc = os_file_replace(path, &b, l->e);
    buf_free(&b);
    if (rc == ERR_OK) {
        l->c->quarantined++;
        (void)snprintf(path, sizeof path, "%s/quarantine", l->dir);
        rc = os_dir_sync(path, l->e);
    }
    return rc;
}

/* ------------------------------------------------------------------ journal */

static void note(void *ctx, const struct journal_damage *d)
{
    struct look *l = ctx;

    if (l->n_bad < FOUND_MAX)
        l->bad[l->n_bad] = *d;
    l->n_bad++;
}

static void tell_journal(struct look *l, const struct journal_damage *d)
{
    struct store_finding x = { .block = UINT32_MAX, .datagrams = d->lost };
    const char *why = "";

    (void)snprintf(x.file, sizeof x.file, "journal/%.40s", d->file);
    (void)snprintf(x.part, sizeof x.part, "octets %" PRIu64 " to %" PRIu64, d->from, d->to);
    switch (d->kind) {
    case JOURNAL_HEAD_BAD:
        (void)snprintf(x.part, sizeof x.part, "head");
        why = "damaged; the first datagram tells what it said";
        x.note = true;
        break;
    case JOURNAL_NO_FRAMES:
        (void)snprintf(x.part, sizeof x.part, "whole file");
        why = "no head and no datagram can be read";
        break;
    case JOURNAL_OCTETS_BAD:
        why = "damaged (checksum)";
        break;
    case JOURNAL_MISSING:
        (void)snprintf(x.part, sizeof x.part, "what comes before it");
        why = "a file is missing, or the end of the one before is damaged";
        break;
    case JOURNAL_END_TORN:
        (void)snprintf(x.part, sizeof x.part, "end, octet %" PRIu64, d->from);
        why = "cut short by a crash, or damaged";
        break;
    }
    (void)snprintf(x.why, sizeof x.why, "%s", why);
    tell(l, &x);
}

/* Up to where everything is sealed now; the writer may have gone on. */
static uint64_t sealed_upto(const struct look *l, unsigned shard)
{
    uint64_t journal[64] = { 0 };
    struct store *s;
    uint32_t n = 0;
    struct buf state = buf_init(STATE_OCTETS);
    struct err ignored;

    if (store_open(&s, l->dir, STORE_READ, "", &ignored) == ERR_OK) {
        if (store_last_cut(s, &n, journal, &state, &ignored) == ERR_NOMEM)
            n = 0; /* else the positions are told, whatever became of the state */
        store_close(s);
    }
    buf_free(&state);
    return shard < n ? journal[shard] : 0;
}

static int look_at_shard(struct look *l, unsigned shard)
{
    uint64_t after = shard < l->c->n_shards ? l->c->journal[shard] : 0, now;
    struct journal_found found = { 0 };
    int rc = ERR_OK;

    for (unsigned looks = 0; rc == ERR_OK && looks < LOOKS_MAX; looks++) {
        l->n_bad = 0;
        rc = journal_check(l->folder, shard, after, !l->writer, note, l, &found, l->e);
        if (l->n_bad == 0 || !l->writer || (now = sealed_upto(l, shard)) == after)
            break;
        after = now; /* files that are sealed by now were written over while they were read */
    }
    if (rc != ERR_OK)
        return rc;
    l->c->datagrams += found.frames;
    l->c->datagrams_lost += found.frames_lost;
    step(l, found.octets);
    for (size_t i = 0; i < MIN(l->n_bad, FOUND_MAX); i++)
        tell_journal(l, &l->bad[i]);
    return ERR_OK;
}

/* One file anew, with the frames that can be read; as it was, it goes to quarantine/ first. Serials
 * tell the server how many are missing. */
static int rewrite_journal(struct look *l, unsigned shard, const char *name)
{
    struct buf b = buf_init(FILE_OCTETS);
    char path[PATH_OCTETS + 32];
    struct journal_slot s = { 0 };
    struct journal_walk w = { .at = JOURNAL_HEAD };
    const struct frame *f;
    struct os_map map;
    int rc;

    (void)snprintf(path, sizeof path, "%s/%s", l->folder, name);
    if ((rc = os_map_file(&map, path, l->e)) != ERR_OK)
        return rc;
    rc = journal_head_get(&s, map.p, map.len, shard, path, l->e);
    if (rc == ERR_OK)
        rc = keep_aside(l, "journal", name, map.p, map.len);
    journal_head_put(buf_room(&b, JOURNAL_HEAD), shard, s.key, s.first, 0);
    w.key = s.key;
    w.p = map.p;
    w.len = map.len;
    w.last = s.first > 0 ? s.first - 1 : 0;
    while (rc == ERR_OK && (f = journal_walk_next(&w)) != NULL) {
        w.last = f->serial;
        buf_put(&b, f, (size_t)frame_room(f->len));
    }
    if (rc == ERR_OK)
        rc = s.used ? os_file_replace(path, &b, l->e) : os_unlink(path, l->e);
    if (rc == ERR_OK)
        rc = os_dir_sync(l->folder, l->e);
    os_unmap(&map);
    buf_free(&b);
    return rc;
}

static int repair_shard(struct look *l, unsigned shard)
{
    int rc = ERR_OK;

    for (size_t i = 0; rc == ERR_OK && i < MIN(l->n_bad, FOUND_MAX); i++)
        if (i == 0 || strcmp(l->bad[i].file, l->bad[i - 1].file) != 0)
            rc = rewrite_journal(l, shard, l->bad[i].file);
    return rc;
}

static int look_at_journal(struct look *l)
{
    unsigned shards;
    int rc = enter(l, "journal");

    if (rc == ERR_OK)
        rc = journal_shards(l->folder, &shards, l->e);
    for (unsigned i = 0; rc == ERR_OK && i < shards; i++) {
        rc = look_at_shard(l, i);
        if (rc == ERR_OK && l->c->repair)
            rc = repair_shard(l, i);
    }
    return rc;
}

/* ------------------------------------------------------------------ history */

static void bad_record(void *ctx, size_t from, size_t to)
{
    struct look *l = ctx;
    struct store_finding x = { .block = UINT32_MAX };

    buf_put(&l->good, l->p + l->good_to, from - l->good_to);
    l->good_to = to;
    if (l->writer && l->newest && to == l->octets)
        return; /* being written */
    (void)snprintf(x.file, sizeof x.file, "history/%.32s", l->day);
    (void)snprintf(x.part, sizeof x.part, "octets %zu to %zu", from, to);
    (void)snprintf(x.why, sizeof x.why,
                   to == l->octets ? "cut short or damaged; a minute of counters or more is lost"
                                   : "damaged (checksum); a minute of counters, or a gap, is lost");
    l->c->history_lost++;
    tell(l, &x);
}

/* The head is what says that it is a history, so without it the file counts for nothing; what
 * stands behind it is still good for a repair. */
static void bad_head(struct look *l)
{
    struct store_finding x = { .part = "head", .block = UINT32_MAX };

    (void)snprintf(x.file, sizeof x.file, "history/%.32s", l->day);
    (void)snprintf(x.why, sizeof x.why,
                   "damaged, or not a history; the day says nothing until it is repaired");
    l->c->history_lost++;
    tell(l, &x);
}

static int look_at_day(struct look *l, const char *name, const struct buf *day)
{
    struct gap_list gaps = { 0 };
    struct history_scan s = { .gaps = &gaps, .bad = bad_record, .ctx = l };
    struct buf fixed = buf_init(FILE_OCTETS);
    uint64_t before = l->c->history_lost;
    uint32_t draft = history_draft(day->p, day->len);
    char path[PATH_OCTETS + 32];
    int rc = ERR_OK;

    l->day = name;
    l->octets = day->len;
    l->good_to = 0;
    buf_clear(&l->good);
    history_put_head(&fixed);
    if (day->len > HISTORY_HEAD_OCTETS)
        buf_put(&fixed, day->p + HISTORY_HEAD_OCTETS, day->len - HISTORY_HEAD_OCTETS);
    l->p = fixed.p;
    if (!buf_ok(&fixed)) {
        rc = ERR_NOMEM;
    } else if (draft == 0) {
        bad_head(l);
    } else if (draft != HISTORY_DRAFT) {
        rc = err_set(l->e, ERR_VERSION,
                     "history/%s: written in draft %u of the format, this weir reads draft %u; use "
                     "the weir that wrote it",
                     name, draft, HISTORY_DRAFT);
    }
    if (rc == ERR_OK) {
        history_scan(&s, fixed.p, fixed.len);
        buf_put(&l->good, fixed.p + l->good_to, fixed.len - l->good_to);
        rc = s.no_memory || !buf_ok(&l->good) ? ERR_NOMEM : ERR_OK;
    }
    if (rc == ERR_OK && l->c->repair && l->c->history_lost > before) {
        (void)snprintf(path, sizeof path, "%s/%s", l->folder, name);
        rc = keep_aside(l, "history", name, day->p, day->len);
        if (rc == ERR_OK)
            rc = os_file_replace(path, &l->good, l->e);
        if (rc == ERR_OK)
            rc = os_dir_sync(l->folder, l->e);
    }
    gap_list_free(&gaps);
    buf_free(&fixed);
    return rc == ERR_NOMEM ? err_set(l->e, rc, "history: out of memory") : rc;
}

struct names {
    char (*name)[32];
    size_t n, room;
};

static int take_day(void *ctx, const char *name)
{
    struct names *d = ctx;
    size_t len = strlen(name);

    if (len >= sizeof *d->name || len < 5 || strcmp(name + len - 4, ".his") != 0)
        return ERR_OK;
    if (d->n == d->room) {
        size_t room = d->room * 2 + 64;
        char(*more)[32] = realloc(d->name, room * sizeof *more);
        if (more == NULL)
            return ERR_NOMEM;
        d->name = more;
        d->room = room;
    }
    memcpy(d->name[d->n++], name, len + 1);
    return ERR_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Two numbers that agree, or nobody knows when a server was last alive. */
static void look_at_alive(struct look *l)
{
    struct store_finding x = {
        .file = "history/alive", .part = "whole file", .block = UINT32_MAX, .note = true
    };
    struct buf b = buf_init(64);
    char path[PATH_OCTETS + 8];
    int rc;

    (void)snprintf(path, sizeof path, "%s/alive", l->folder);
    rc = os_file_slurp(path, &b, NULL);
    if (rc != ERR_NOTFOUND && !l->writer)
        step(l, b.len);
    if (rc != ERR_NOTFOUND && !l->writer && b.len > 0 &&
        (rc != ERR_OK || b.len != 16 || le64(b.p) != ~le64(b.p + 8))) {
        (void)snprintf(x.why, sizeof x.why,
                       "damaged; since when no server ran is known to a minute only");
        tell(l, &x);
    }
    buf_free(&b);
}

static int look_at_history(struct look *l)
{
    struct names d = { 0 };
    struct buf day = buf_init(FILE_OCTETS);
    char path[PATH_OCTETS + 32];
    int rc = enter(l, "history");

    if (rc == ERR_OK)
        rc = os_dir_list(l->folder, take_day, &d, l->e);
    if (rc == ERR_OK && d.n > 0)
        qsort(d.name, d.n, sizeof *d.name, by_name);
    for (size_t i = 0; rc == ERR_OK && i < d.n; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", l->folder, d.name[i]);
        buf_clear(&day);
        rc = os_file_slurp(path, &day, l->e);
        if (rc == ERR_NOTFOUND) { /* its time had come */
            rc = ERR_OK;
            continue;
        }
        l->newest = i + 1 == d.n;
        step(l, day.len);
        if (rc == ERR_OK)
            rc = look_at_day(l, d.name[i], &day);
    }
    if (rc == ERR_OK)
        look_at_alive(l);
    free(d.name);
    buf_free(&day);
    return rc == ERR_NOTFOUND ? ERR_OK : rc;
}

/* ------------------------------------------------------------------ state */

/* The checkpoint's sums were looked at; does what they are of make sense? */
static int look_at_state(struct look *l)
{
    struct store_finding x = { .part = "decoders' state", .block = UINT32_MAX };
    struct decoder_limits none = { 0 };
    struct buf state = buf_init(STATE_OCTETS);
    struct past *p = calloc(1, sizeof *p);
    struct err why = { 0 };
    struct store *s;
    uint64_t journal[64];
    uint32_t n;
    int rc = p != NULL ? store_open(&s, l->dir, STORE_READ, "", l->e)
                       : err_set(l->e, ERR_NOMEM, "checkpoint: out of memory");

    if (rc == ERR_OK) {
        if (store_last_cut(s, &n, journal, &state, &why) == ERR_OK && state.len > 0 &&
            past_get(p, state.p, state.len, &none, &why) != ERR_OK) {
            (void)snprintf(x.file, sizeof x.file, "checkpoint");
            (void)snprintf(x.why, sizeof x.why, "%.255s", why.msg);
            x.note = why.code == ERR_VERSION;
            tell(l, &x);
        }
        store_close(s);
        past_clear(p);
    }
    free(p);
    buf_free(&state);
    return rc;
}

/* What the decoders know, as a newer weir writes it. */
static int state_readable(const char *dir, struct err *e)
{
    struct buf state = buf_init(STATE_OCTETS);
    struct err ignored;
    struct store *s;
    uint64_t journal[64];
    uint32_t n, newer = 0;
    int rc = store_open(&s, dir, STORE_READ, "", e);

    if (rc != ERR_OK) /* a new directory; what else is wrong is told by the writer */
        return rc == ERR_VERSION ? rc : ERR_OK;
    if (store_last_cut(s, &n, journal, &state, &ignored) == ERR_OK)
        newer = past_newer(state.p, state.len);
    store_close(s);
    buf_free(&state);
    return newer == 0
               ? ERR_OK
               : err_set(e, ERR_VERSION,
                         "%s: the decoders' state is written in draft %u of the format, this "
                         "weir reads draft %u; use the weir that wrote it",
                         dir, newer, CUT_DRAFT);
}

int collect_check_drafts(const char *dir, struct err *e)
{
    char folder[PATH_OCTETS];
    int rc = state_readable(dir, e);

    if (rc == ERR_OK && snprintf(folder, sizeof folder, "%s/journal", dir) < (int)sizeof folder)
        rc = journal_readable(folder, e);
    return rc == ERR_OK ? history_readable(dir, e) : rc;
}

int collect_check(const char *dir, struct store_check *c, struct err *e)
{
    struct look *l = calloc(1, sizeof *l);
    struct err none;
    char sock[PATH_OCTETS];
    long pid;
    int rc;

    if (l == NULL)
        return err_set(e, ERR_NOMEM, "fsck: out of memory");
    l->c = c;
    l->dir = dir;
    l->e = e != NULL ? e : &none;
    l->good = buf_init(FILE_OCTETS);
    l->writer = store_writer(dir, &pid, sock, sizeof sock, NULL) == ERR_OK;
    if (l->writer && c->repair) {
        rc =
            err_set(e, ERR_BUSY, "%s: process %ld writes there; stop it before a repair", dir, pid);
    } else {
        rc = look_at_state(l);
        if (rc == ERR_OK)
            rc = look_at_journal(l);
        if (rc == ERR_OK)
            rc = look_at_history(l);
    }
    buf_free(&l->good);
    free(l);
    return rc;
}
