#include "unit.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "folder.h"
#include "random_batch.h"
#include "store/entry.h"

static char dir[64];

static int setup(void **state)
{
    (void)state;
    return folder_make(dir);
}

static int teardown(void **state)
{
    (void)state;
    return folder_remove(dir);
}

static struct store *open_store(enum store_mode mode)
{
    struct store *s;
    struct err e;
    int rc = store_open(&s, dir, mode, "/run/weir.sock", &e);

    if (rc != ERR_OK)
        (void)fprintf(stderr, "%s\n", e.msg);
    assert_int_equal(rc, ERR_OK);
    return s;
}

/* One segment of n rows received from t on. */
static void seal_rows(struct store *s, uint32_t n, int64_t t)
{
    struct rnd r = { (uint64_t)n * 77 + 1 };
    struct flow_batch *b = random_batch(&r, n, 3, &t, 2, 0);
    struct err e;

    assert_int_equal(store_seal(s, &b, 1, &e), ERR_OK);
    flow_batch_unref(b);
}

static uint64_t count_rows(struct store *s, uint64_t *unreadable)
{
    struct snapshot sn;
    struct err e;
    uint64_t rows = 0, lost = 0;

    assert_int_equal(store_snapshot(s, &sn, &e), ERR_OK);
    for (size_t i = 0; i < sn.n; i++) {
        struct rowset *rs;
        if (rowset_open(sn.sets[i], &rs, &e) == ERR_OK) {
            rows += rs->n_rows;
            rowset_unref(rs);
        } else {
            lost += sn.sets[i]->n_rows;
        }
    }
    if (unreadable != NULL)
        *unreadable = lost;
    else
        assert_int_equal(lost, 0);
    snapshot_free(&sn);
    return rows;
}

static void path_of(char *out, const char *name)
{
    (void)snprintf(out, 512, "%s/%s", dir, name);
}

static void sealed_rows_stay(void **state)
{
    struct store_stats st;
    struct store *s = open_store(STORE_WRITE);

    (void)state;
    assert_int_equal(count_rows(s, NULL), 0);
    assert_int_equal(store_seal(s, NULL, 0, NULL), ERR_OK);
    seal_rows(s, 100, 1000000);
    seal_rows(s, 200, 2000000);
    assert_int_equal(count_rows(s, NULL), 300);
    store_close(s);
    s = open_store(STORE_WRITE);
    assert_int_equal(count_rows(s, NULL), 300);
    store_get_stats(s, &st);
    assert_int_equal(st.segments, 2);
    assert_int_equal(st.rows, 300);
    assert_int_equal(st.options, 6);
    assert_in_range(st.oldest_ms, 1000000, 1000010);
    assert_true(st.octets > 1000);
    store_close(s);
}

static void one_writer_and_readers(void **state)
{
    struct store *s = open_store(STORE_WRITE), *other, *reader;
    char sock[100];
    struct err e;
    long pid;

    (void)state;
    seal_rows(s, 10, 1000);
    assert_int_equal(store_open(&other, dir, STORE_WRITE, "", &e), ERR_BUSY);
    assert_null(other);
    assert_non_null(strstr(e.msg, "/run/weir.sock"));
    assert_int_equal(store_writer(dir, &pid, sock, sizeof sock, &e), ERR_OK);
    assert_int_equal(pid, getpid());
    assert_string_equal(sock, "/run/weir.sock");
    reader = open_store(STORE_READ);
    assert_int_equal(count_rows(reader, NULL), 10);
    seal_rows(s, 20, 2000); /* a reader sees what is sealed after it opened */
    assert_int_equal(count_rows(reader, NULL), 30);
    assert_int_equal(store_seal(reader, NULL, 0, &e), ERR_ARG);
    store_close(s);
    assert_int_equal(store_writer(dir, &pid, sock, sizeof sock, &e), ERR_NOTFOUND);
    store_close(reader);
    assert_int_equal(store_open(&other, "/nonexistent/dir", STORE_READ, "", &e), ERR_NOTFOUND);
}

static void old_and_large_ones_go(void **state)
{
    struct store *s = open_store(STORE_WRITE), *reader;
    struct store_retention age = { .max_age_ms = 1000000 }, size = { .max_octets = 1 };
    struct store_stats st;
    struct snapshot sn;
    struct err e;
    uint32_t removed;
    char path[512];
    struct os_stat os;
    uint32_t v[ROWSET_VECTOR];
    struct rowset *rs;

    (void)state;
    seal_rows(s, 10, 1000000);
    seal_rows(s, 20, 5000000);
    seal_rows(s, 30, 6000000);
    assert_int_equal(store_snapshot(s, &sn, &e), ERR_OK);
    assert_int_equal(store_retain(s, &age, 6000000, &removed, &e), ERR_OK);
    assert_int_equal(removed, 1);
    assert_int_equal(count_rows(s, NULL), 50);
    /* the snapshot taken before still reads what is gone */
    seg_cache_limit(s->cache, 0, 0);
    assert_int_equal(rowset_open(sn.sets[0], &rs, &e), ERR_OK);
    assert_int_equal(rs->ops->read(rs, 0, COL_SRC_IP, 0, 10, v, &e), ERR_OK);
    rowset_unref(rs);
    snapshot_free(&sn);
    path_of(path, "trash/seg-000000000001.seg"); /* until nobody can need it */
    assert_int_equal(os_file_stat(path, &os, &e), ERR_OK);
    assert_int_equal(store_retain(s, &age, 6000000, &removed, &e), ERR_OK);
    assert_int_equal(os_file_stat(path, &os, &e), ERR_NOTFOUND);

    reader = open_store(STORE_READ);
    store_get_stats(s, &st);
    size.max_octets = st.octets - 1;
    assert_int_equal(store_retain(s, &size, 6000000, &removed, &e), ERR_OK);
    assert_int_equal(removed, 1);
    path_of(path, "trash/seg-000000000002.seg"); /* a reader holds the directory */
    assert_int_equal(os_file_stat(path, &os, &e), ERR_OK);
    store_close(reader);
    assert_int_equal(store_retain(s, &age, 6000000, &removed, &e), ERR_OK);
    assert_int_equal(os_file_stat(path, &os, &e), ERR_NOTFOUND);
    store_get_stats(s, &st);
    assert_int_equal(st.segments_removed, 2);
    assert_int_equal(st.rows_removed, 30);
    store_close(s);
    s = open_store(STORE_WRITE);
    assert_int_equal(count_rows(s, NULL), 30);
    store_close(s);
}

static void imports_come_whole(void **state)
{
    struct store *s = open_store(STORE_WRITE);
    struct store_retention age = { .max_age_ms = 1, .import_keep_ms = 1000000 };
    struct store_import *im;
    uint8_t sha[32] = { 1, 2, 3 }, other[32] = { 9 };
    struct flow_batch *b;
    struct rnd r = { 5 };
    int64_t t = 1000;
    uint32_t removed;
    struct err e;

    (void)state;
    b = random_batch(&r, 40, 0, &t, 2, 0);
    assert_int_equal(store_import_begin(s, "a.pcap", sha, &im, &e), ERR_OK);
    assert_int_equal(store_import_seal(im, &b, 1, &e), ERR_OK);
    assert_int_equal(count_rows(s, NULL), 0);
    store_import_abort(im);
    assert_int_equal(store_import_begin(s, "a.pcap", sha, &im, &e), ERR_OK);
    assert_int_equal(store_import_seal(im, &b, 1, &e), ERR_OK);
    assert_int_equal(store_import_seal(im, &b, 1, &e), ERR_OK);
    assert_false(store_import_known(s, sha));
    assert_int_equal(store_import_commit(im, &e), ERR_OK);
    assert_int_equal(count_rows(s, NULL), 80);
    assert_true(store_import_known(s, sha));
    assert_false(store_import_known(s, other));
    /* rows are ancient, the import is fresh */
    assert_int_equal(store_retain(s, &age, os_wall_ms(), &removed, &e), ERR_OK);
    assert_int_equal(removed, 0);
    assert_int_equal(store_retain(s, &age, os_wall_ms() + 2000000, &removed, &e), ERR_OK);
    assert_int_equal(removed, 2);
    assert_false(store_import_known(s, sha));
    store_close(s);
    s = open_store(STORE_WRITE);
    assert_int_equal(count_rows(s, NULL), 0);
    store_close(s);
    flow_batch_unref(b);
}

/* Change one octet of a file, or cut it. */
static void damage(const char *name, int64_t at, bool cut)
{
    char path[512];
    struct os_stat st;
    uint8_t c;
    size_t got;
    int fd;

    path_of(path, name);
    assert_int_equal(os_file_stat(path, &st, NULL), ERR_OK);
    if (at < 0)
        at += (int64_t)st.octets;
    assert_int_equal(os_file_open(&fd, path, OS_OPEN_CREATE, NULL), ERR_OK);
    if (cut) {
        assert_int_equal(os_file_truncate(fd, path, (uint64_t)at, NULL), ERR_OK);
    } else {
        assert_int_equal(os_file_read(fd, path, (uint64_t)at, &c, 1, &got, NULL), ERR_OK);
        c ^= 16;
        assert_int_equal(os_file_write(fd, path, (uint64_t)at, &c, 1, NULL), ERR_OK);
    }
    os_file_close(&fd);
}

static void manifest_survives(void **state)
{
    struct store *s = open_store(STORE_WRITE);
    uint64_t lost;
    char path[512];
    struct os_stat st;
    struct err e;
    int fd;

    (void)state;
    seal_rows(s, 10, 1000);
    seal_rows(s, 20, 2000);
    seal_rows(s, 30, 3000);
    store_close(s);
    damage("manifest", -5, true); /* torn last record, but the segment is whole: it counts */
    s = open_store(STORE_WRITE);
    assert_int_equal(count_rows(s, NULL), 60);
    seal_rows(s, 40, 4000);
    store_close(s);
    damage("manifest", 40, false); /* damage before the end: from the segments' footers */
    s = open_store(STORE_READ);
    assert_int_equal(count_rows(s, NULL), 100);
    store_close(s);
    s = open_store(STORE_WRITE);
    assert_int_equal(count_rows(s, NULL), 100);
    store_close(s);
    path_of(path, "manifest");
    assert_int_equal(os_unlink(path, &e), ERR_OK); /* lost: the same */
    path_of(path, "seg-000000000099.seg.tmp");
    assert_int_equal(os_file_open(&fd, path, OS_OPEN_CREATE, &e), ERR_OK);
    os_file_close(&fd);
    s = open_store(STORE_WRITE);
    assert_int_equal(count_rows(s, NULL), 100);
    assert_int_equal(os_file_stat(path, &st, &e), ERR_NOTFOUND);
    store_close(s);
    damage("seg-000000000002.seg", -40, false); /* its footer: counted as not readable */
    s = open_store(STORE_WRITE);
    assert_int_equal(count_rows(s, &lost), 80);
    assert_int_equal(lost, 20);
    store_close(s);
    damage("manifest", 8, false);
    assert_int_equal(store_open(&s, dir, STORE_WRITE, "", &e), ERR_VERSION);
}

static void every_cut_of_a_manifest(void **state)
{
    struct buf b = buf_init(1 << 20);
    struct seg_info seg[3] = { { .id = 1, .n_rows = 5 }, { .id = 2 }, { .id = 9 } };
    struct seg_import im = { .at_ms = 77, .file = "x.pcap", .sha256 = { 4 } };
    struct manifest m, again;
    struct err e;
    uint64_t gone = 2;

    (void)state;
    manifest_put_head(&b);
    manifest_put_add(&b, seg, 2, TIER_FAST, NULL);
    manifest_put_add(&b, seg + 2, 1, TIER_FAST, &im);
    manifest_put_remove(&b, &gone, 1);
    for (size_t n = 0; n <= b.len; n++) {
        uint8_t *p = t_dup(b.p, n);
        int rc = manifest_read(&m, p, n, &e);
        assert_int_equal(rc, n < 16 ? ERR_CORRUPT : ERR_OK);
        assert_true(rc != ERR_OK || m.n_seg <= 3);
        manifest_free(&m);
        free(p);
    }
    for (size_t i = 16; i < b.len; i++) {
        uint8_t *p = t_dup(b.p, b.len);
        p[i] ^= 1;
        if (manifest_read(&m, p, b.len, &e) == ERR_OK)
            assert_true(m.good < b.len);
        manifest_free(&m);
        free(p);
    }
    assert_int_equal(manifest_read(&m, b.p, b.len, &e), ERR_OK);
    assert_int_equal(m.n_seg, 2);
    assert_int_equal(m.seg[1].info.id, 9);
    assert_int_equal(m.seg[1].import, 1);
    assert_int_equal(m.next_id, 10);
    buf_clear(&b);
    manifest_put_all(&m, &b);
    assert_int_equal(manifest_read(&again, b.p, b.len, &e), ERR_OK);
    assert_int_equal(again.n_seg, 2);
    assert_string_equal(again.import[again.seg[1].import - 1].what.file, "x.pcap");
    manifest_free(&m);
    manifest_free(&again);
    buf_free(&b);
}

/* ------------------------------------------------------------------ counting while it is sealed */

struct race {
    struct store *s;
    struct flow_batch *open[1], *fresh;
    _Atomic bool stop;
    _Atomic uint64_t made;
};

static int append_open(void *ctx, struct snapshot *out)
{
    struct race *r = ctx;

    out->sets = calloc(1, sizeof(struct rowset *));
    if (r->open[0] != NULL && rowset_of_batch(&out->sets[0], r->open[0]) == ERR_OK)
        out->n = 1;
    return ERR_OK;
}

static void drop_first(void *ctx)
{
    struct race *r = ctx;

    r->open[0] = NULL;
}

static void *reader_thread(void *arg)
{
    struct race *r = arg;
    uint64_t last = 0, *failed = calloc(1, sizeof *failed);

    while (!atomic_load(&r->stop)) {
        struct snapshot sn;
        uint64_t rows = 0, made = atomic_load(&r->made);
        if (store_snapshot_with(r->s, &sn, append_open, r, NULL) != ERR_OK) {
            *failed += 1;
            continue;
        }
        for (size_t i = 0; i < sn.n; i++)
            rows += sn.sets[i]->n_rows;
        *failed += rows < last || rows < made || rows % 50 != 0;
        last = rows;
        snapshot_free(&sn);
    }
    return failed;
}

static void add_batch(void *ctx)
{
    struct race *r = ctx;

    r->open[0] = r->fresh;
}

/* Batches of 50 rows become visible open, then sealed; each count is a multiple of 50, never falls
 * and is never behind what was there before the snapshot. */
static void counts_are_exact_under_sealing(void **state)
{
    struct race r = { .s = open_store(STORE_WRITE) };
    pthread_t t;
    void *failed;
    struct rnd rn = { 3 };
    int64_t at = 1000;
    struct err e;

    (void)state;
    assert_int_equal(pthread_create(&t, NULL, reader_thread, &r), 0);
    for (unsigned i = 0; i < 60; i++) {
        struct flow_batch *b = random_batch(&rn, 50, 0, &at, 2, 0);
        /* enter the list of open batches under the lock that snapshots take: a seal of nothing */
        r.fresh = b;
        assert_int_equal(store_seal_with(r.s, NULL, 0, add_batch, &r, &e), ERR_OK);
        atomic_fetch_add(&r.made, 50);
        assert_int_equal(store_seal_with(r.s, &b, 1, drop_first, &r, &e), ERR_OK);
        flow_batch_unref(b);
    }
    atomic_store(&r.stop, true);
    assert_int_equal(pthread_join(t, &failed), 0);
    assert_int_equal(*(uint64_t *)failed, 0);
    free(failed);
    assert_int_equal(count_rows(r.s, NULL), 3000);
    store_close(r.s);
}

/* ------------------------------------------------------------------ cuts */

static void cut_rows(struct store *s, uint32_t n, uint64_t at, const char *state)
{
    struct rnd r = { at * 13 + 1 };
    int64_t t = (int64_t)at * 1000;
    struct flow_batch *b = n > 0 ? random_batch(&r, n, 2, &t, 2, 0) : NULL;
    struct buf content = buf_init(1000);
    struct store_cut cut = { .n_shards = 2, .journal = { at, at * 2 }, .checkpoint = &content };
    struct err e;

    buf_str(&content, state);
    assert_int_equal(store_seal_cut(s, &b, n > 0, &cut, NULL, NULL, &e), ERR_OK);
    flow_batch_unref(b);
    buf_free(&content);
}

static void expect_cut(struct store *s, uint64_t at, const char *state)
{
    struct buf content = buf_init(1000);
    uint64_t journal[64];
    uint32_t n;
    struct err e;

    assert_int_equal(store_last_cut(s, &n, journal, &content, &e),
                     state != NULL ? ERR_OK : ERR_CORRUPT);
    assert_int_equal(n, 2);
    assert_int_equal(journal[0], at);
    assert_int_equal(journal[1], at * 2);
    if (state != NULL)
        assert_string_equal(buf_cstr(&content), state);
    buf_free(&content);
}

static int count_checkpoint(void *ctx, const char *name)
{
    *(unsigned *)ctx += strncmp(name, "checkpoint-", 11) == 0;
    return ERR_OK;
}

static unsigned checkpoints(void)
{
    unsigned n = 0;

    assert_int_equal(os_dir_list(dir, count_checkpoint, &n, NULL), ERR_OK);
    return n;
}

static int find_checkpoint(void *ctx, const char *name)
{
    if (strncmp(name, "checkpoint-", 11) == 0)
        (void)snprintf(ctx, 64, "%s", name);
    return ERR_OK;
}

static void a_cut_is_whole_or_not_there(void **state)
{
    struct store *s = open_store(STORE_WRITE);
    struct buf content = buf_init(1000);
    uint64_t journal[64], lost;
    char path[512], name[64];
    uint32_t n;
    struct err e;

    (void)state;
    assert_int_equal(store_last_cut(s, &n, journal, &content, &e), ERR_NOTFOUND);
    cut_rows(s, 10, 1, "one");
    expect_cut(s, 1, "one");
    cut_rows(s, 20, 2, "two");
    cut_rows(s, 0, 3, "three"); /* nothing to seal: the cut alone */
    expect_cut(s, 3, "three");
    assert_int_equal(checkpoints(), 1);
    assert_int_equal(count_rows(s, NULL), 30);
    store_close(s);
    s = open_store(STORE_READ);
    expect_cut(s, 3, "three");
    store_close(s);
    path_of(path, "manifest");
    assert_int_equal(os_unlink(path, &e), ERR_OK); /* rebuilt: the checkpoint knows it all */
    s = open_store(STORE_WRITE);
    expect_cut(s, 3, "three");
    assert_int_equal(count_rows(s, NULL), 30);
    cut_rows(s, 5, 4, "four");
    store_close(s);
    damage("manifest", -5, true); /* torn, but all that it would name is whole */
    s = open_store(STORE_WRITE);
    expect_cut(s, 4, "four");
    assert_int_equal(count_rows(s, &lost), 35);
    store_close(s);
    assert_int_equal(os_dir_list(dir, find_checkpoint, name, NULL), ERR_OK);
    damage(name, -9, false); /* content damaged: positions are still given */
    s = open_store(STORE_WRITE);
    expect_cut(s, 4, NULL);
    store_close(s);
    assert_int_equal(os_unlink(path, &e), ERR_OK);
    s = open_store(STORE_WRITE);
    expect_cut(s, 4, NULL);
    store_close(s);
    damage(name, 9, true); /* nothing left of it, nor of the manifest: from the footers */
    assert_int_equal(os_unlink(path, &e), ERR_OK);
    s = open_store(STORE_WRITE);
    expect_cut(s, 4, NULL);
    assert_int_equal(count_rows(s, NULL), 35);
    cut_rows(s, 5, 6, "six");
    store_close(s);
    /* the next cut's segment without its checkpoint, and no manifest: not taken, the journal
     * has its rows */
    s = open_store(STORE_WRITE);
    assert_int_equal(os_dir_list(dir, find_checkpoint, name, NULL), ERR_OK);
    cut_rows(s, 7, 7, "");
    store_close(s);
    assert_int_equal(checkpoints(), 0);
    path_of(path, name);
    assert_int_equal(os_file_open(&(int){ 0 }, path, OS_OPEN_CREATE, &e), ERR_OK);
    path_of(path, "manifest");
    assert_int_equal(os_unlink(path, &e), ERR_OK);
    s = open_store(STORE_WRITE);
    assert_int_equal(count_rows(s, NULL), 40);
    store_close(s);
    buf_free(&content);
}

/* Merge two segments of equal content size by sealing their batches again. */
static int replace(struct store *s, const uint64_t *old, size_t n_old, uint32_t rows, uint64_t *id,
                   struct err *e)
{
    struct seg_origin from = { .replaced = old, .n_replaced = (uint32_t)n_old };
    struct written w = { .part = true };
    struct rnd r = { 7 };
    int64_t t = 1000;
    struct flow_batch *b = random_batch(&r, rows, 0, &t, 2, 0);
    int rc = store_write(s, &b, 1, &from, &w, e);

    assert_int_equal(rc, ERR_OK);
    *id = w.info[0].id;
    rc = store_replace(s, old, n_old, &w, e);
    if (rc != ERR_OK)
        written_free(&w, s);
    flow_batch_unref(b);
    return rc;
}

static void one_for_many(void **state)
{
    struct store *s = open_store(STORE_WRITE);
    struct rnd r = { 1 };
    int64_t t = 1000;
    struct flow_batch *b = random_batch(&r, 10, 0, &t, 2, 0);
    uint64_t old[3] = { 1, 2, 3 }, id, id2, none = 77;
    uint8_t sha[32] = { 5 };
    struct store_import *im;
    char path[512], copy[600];
    struct buf octets = buf_init(1 << 20);
    struct store_stats st;
    struct snapshot sn;
    struct err e;

    (void)state;
    assert_int_equal(store_seal(s, &b, 1, &e), ERR_OK);
    assert_int_equal(store_seal(s, &b, 1, &e), ERR_OK);
    assert_int_equal(store_import_begin(s, "a.pcap", sha, &im, &e), ERR_OK);
    assert_int_equal(store_import_seal(im, &b, 1, &e), ERR_OK);
    assert_int_equal(store_import_commit(im, &e), ERR_OK);
    assert_int_equal(store_snapshot(s, &sn, &e), ERR_OK);
    path_of(path, "seg-000000000001.seg");
    assert_int_equal(os_file_slurp(path, &octets, &e), ERR_OK);
    assert_int_equal(replace(s, old, 3, 29, &id, &e), ERR_ARG);
    assert_int_equal(replace(s, &none, 1, 10, &id, &e), ERR_NOTFOUND);
    assert_int_equal(count_rows(s, NULL), 30);
    assert_int_equal(replace(s, old, 3, 30, &id, &e), ERR_OK);
    assert_true(id > 5); /* the failed ones used up theirs */
    store_get_stats(s, &st);
    assert_int_equal(st.segments, 1);
    assert_int_equal(st.rows, 30);
    assert_int_equal(sn.n, 3); /* the snapshot before reads the old ones */
    snapshot_free(&sn);
    assert_true(store_import_known(s, sha)); /* its rows lie within */
    store_close(s);
    s = open_store(STORE_WRITE);
    assert_int_equal(count_rows(s, NULL), 30);
    assert_true(store_import_known(s, sha));
    assert_int_equal(replace(s, &id, 1, 30, &id2, &e), ERR_OK);
    assert_true(store_import_known(s, sha));
    store_close(s);
    /* an old one stands there again (a crash before it was removed), the manifest is lost */
    old[0] = id2;
    s = open_store(STORE_WRITE);
    path_of(path, "manifest");
    assert_int_equal(os_unlink(path, &e), ERR_OK);
    assert_int_equal(replace(s, old, 1, 30, &id, &e), ERR_OK);
    store_close(s);
    (void)snprintf(copy, sizeof copy, "%s/seg-%012llu.seg", dir, 1ull);
    assert_int_equal(store_write_durable(copy, &octets, &e), ERR_OK);
    (void)os_unlink(path, &e);
    s = open_store(STORE_WRITE);
    assert_int_equal(count_rows(s, NULL), 40); /* 1 is not among those that `id` replaced */
    store_close(s);
    flow_batch_unref(b);
    buf_free(&octets);
}

static void numbers_are_never_used_again(void **state)
{
    struct store *s = open_store(STORE_WRITE);
    uint64_t a, b;
    struct err e;
    char path[512];

    (void)state;
    seal_rows(s, 10, 1000);
    assert_int_equal(store_take_id(s, &a, &e), ERR_OK);
    store_close(s);
    s = open_store(STORE_WRITE);
    assert_int_equal(store_take_id(s, &b, &e), ERR_OK);
    assert_true(b > a);
    for (unsigned i = 0; i < 3000; i++)
        assert_int_equal(store_take_id(s, &a, &e), ERR_OK);
    store_close(s);
    s = open_store(STORE_WRITE);
    assert_int_equal(store_take_id(s, &b, &e), ERR_OK);
    assert_true(b > a);
    seal_rows(s, 10, 1000);
    store_close(s);
    path_of(path, "manifest");
    assert_int_equal(os_unlink(path, &e), ERR_OK);
    s = open_store(STORE_WRITE);
    assert_int_equal(store_take_id(s, &a, &e), ERR_OK);
    assert_true(a > b + 1);
    store_close(s);
}

/* A log that is mostly history is written anew while it runs, and says the same. */
static void a_long_log_is_written_anew(void **state)
{
    struct store *s = open_store(STORE_WRITE);
    struct os_stat st;
    char path[512];

    (void)state;
    seal_rows(s, 10, 1000);
    for (unsigned i = 1; i < 700; i++) {
        struct store_cut cut = { .n_shards = 64, .journal = { i, i * 2 } };
        assert_int_equal(store_seal_cut(s, NULL, 0, &cut, NULL, NULL, NULL), ERR_OK);
    }
    path_of(path, "manifest");
    assert_int_equal(os_file_stat(path, &st, NULL), ERR_OK);
    assert_true(st.octets < 280000); /* 550 octets each would be 380000 */
    cut_rows(s, 0, 3, "");
    store_close(s);
    s = open_store(STORE_WRITE);
    expect_cut(s, 3, "");
    assert_int_equal(count_rows(s, NULL), 10);
    store_close(s);
}

/* ------------------------------------------------------------------ the cache */

static void few_are_open_at_a_time(void **state)
{
    struct store *s = open_store(STORE_WRITE);
    const struct marginal_row *rows;
    struct rowset *first;
    struct snapshot sn;
    uint32_t v[ROWSET_VECTOR], n = 0;
    uint64_t octets;
    size_t open;
    struct err e;

    (void)state;
    for (uint32_t i = 0; i < 12; i++)
        seal_rows(s, 10 + i, 1000 * (int64_t)i);
    store_close(s);
    s = open_store(STORE_READ);
    seg_cache_limit(s->cache, 3, UINT64_MAX);
    assert_int_equal(store_snapshot(s, &sn, &e), ERR_OK);
    seg_cache_count(s->cache, &open, &octets);
    assert_int_equal(open, 0); /* a snapshot opens nothing */
    assert_int_equal(sn.n, 12);
    assert_int_equal(rowset_open(sn.sets[0], &first, &e), ERR_OK);
    for (size_t i = 0; i < sn.n; i++) {
        struct rowset *rs;
        assert_int_equal(rowset_open(sn.sets[i], &rs, &e), ERR_OK);
        assert_int_equal(rs->n_rows, 10 + i);
        assert_int_equal(rs->min_start_ms, sn.sets[i]->min_start_ms);
        seg_cache_count(s->cache, &open, &octets);
        assert_int_equal(open, MIN(i + 1, 3));
        assert_true(octets > 0);
        rowset_unref(rs);
    }
    /* closed behind our back, and still good: the reference is ours */
    assert_int_equal(first->ops->read(first, 0, COL_SRC_IP, 0, 10, v, &e), ERR_OK);
    rowset_unref(first);
    /* what it loads later counts at the next opening */
    seg_cache_limit(s->cache, 1, UINT64_MAX);
    for (unsigned i = 0; i < 2; i++) {
        uint64_t before = octets;
        assert_int_equal(rowset_open(sn.sets[4], &first, &e), ERR_OK);
        seg_cache_count(s->cache, &open, &octets);
        if (i == 0)
            assert_int_equal(first->ops->marginal(first, MARGINAL_PROTO, &rows, &n, &e), ERR_OK);
        else
            assert_true(octets >= before + n * sizeof *rows);
        rowset_unref(first);
    }
    assert_true(n > 0);
    seg_cache_limit(s->cache, 1024, 1); /* by memory: the last one only */
    seg_cache_count(s->cache, &open, &octets);
    assert_int_equal(open, 0);
    store_close(s);
    assert_int_equal(rowset_open(sn.sets[5], &first, &e), ERR_OK); /* longer than the store */
    snapshot_free(&sn);
    assert_int_equal(first->ops->read(first, 0, COL_SRC_IP, 0, 10, v, &e), ERR_OK);
    rowset_unref(first);
}

struct opener {
    struct snapshot sn;
    struct seg_cache *cache;
    _Atomic unsigned failed;
};

static void *opener_thread(void *arg)
{
    struct opener *o = arg;
    struct rnd r = { (uint64_t)(uintptr_t)&r | 1 };
    uint32_t v[ROWSET_VECTOR];

    for (unsigned i = 0; i < 300; i++) {
        struct rowset *rs;
        if (rowset_open(o->sn.sets[rnd_next(&r) % o->sn.n], &rs, NULL) != ERR_OK) {
            atomic_fetch_add(&o->failed, 1);
            continue;
        }
        if (rs->ops->read(rs, 0, COL_DST_IP, 0, 10, v, NULL) != ERR_OK)
            atomic_fetch_add(&o->failed, 1);
        rowset_unref(rs);
    }
    return NULL;
}

static void many_open_at_once(void **state)
{
    struct store *s = open_store(STORE_WRITE);
    struct opener o = { .cache = s->cache };
    struct store_retention all = { .max_octets = 1 };
    uint32_t removed;
    pthread_t t[4];
    struct err e;

    (void)state;
    for (uint32_t i = 0; i < 6; i++)
        seal_rows(s, 10 + i, 1000 * (int64_t)i);
    seg_cache_limit(s->cache, 2, UINT64_MAX);
    assert_int_equal(store_snapshot(s, &o.sn, &e), ERR_OK);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&t[i], NULL, opener_thread, &o), 0);
    assert_int_equal(store_retain(s, &all, 0, &removed, &e), ERR_OK); /* under their feet */
    assert_int_equal(removed, 6);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(pthread_join(t[i], NULL), 0);
    assert_int_equal(atomic_load(&o.failed), 0);
    snapshot_free(&o.sn);
    store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_cut_is_whole_or_not_there, setup, teardown),
        cmocka_unit_test_setup_teardown(one_for_many, setup, teardown),
        cmocka_unit_test_setup_teardown(numbers_are_never_used_again, setup, teardown),
        cmocka_unit_test_setup_teardown(a_long_log_is_written_anew, setup, teardown),
        cmocka_unit_test_setup_teardown(few_are_open_at_a_time, setup, teardown),
        cmocka_unit_test_setup_teardown(many_open_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(sealed_rows_stay, setup, teardown),
        cmocka_unit_test_setup_teardown(one_writer_and_readers, setup, teardown),
        cmocka_unit_test_setup_teardown(old_and_large_ones_go, setup, teardown),
        cmocka_unit_test_setup_teardown(imports_come_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(manifest_survives, setup, teardown),
        cmocka_unit_test(every_cut_of_a_manifest),
        cmocka_unit_test_setup_teardown(counts_are_exact_under_sealing, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
