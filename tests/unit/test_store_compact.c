#include "unit.h"

#include <stdio.h>
#include <unistd.h>

#include "folder.h"
#include "random_batch.h"
#include "store/compact.h"
#include "store/merge.h"
#include "store/store.h"

#define HOUR_MS 3600000
#define DAY_MS  86400000
#define T0      1780012800000 /* a midnight */

/* ------------------------------------------------------------------ a year, by numbers alone */

struct year {
    struct compact_seg *list;
    size_t n, cap, most;
    uint64_t next_id, rows, written, max_octets;
};

static void arrives(struct year *y, uint32_t rows, uint32_t blocks, int64_t from_ms, int64_t to_ms)
{
    if (y->n == y->cap) {
        y->cap = y->cap == 0 ? 4096 : 2 * y->cap;
        y->list = realloc(y->list, y->cap * sizeof *y->list);
        assert_non_null(y->list);
    }
    y->list[y->n++] = (struct compact_seg){ .info = { .id = y->next_id++,
                                                      .n_rows = rows,
                                                      .n_blocks = blocks,
                                                      .octets = 2000 + rows * 20ull,
                                                      .min_received_ms = from_ms,
                                                      .max_received_ms = to_ms } };
    y->rows += rows;
    y->most = MAX(y->most, y->n);
}

static void compacts(struct year *y, int64_t now_ms)
{
    size_t first, n;

    while (compact_plan(y->list, y->n, now_ms, y->max_octets, &first, &n)) {
        struct seg_info *to = &y->list[first].info;
        assert_in_range(n, 2, COMPACT_MAX_RUN);
        for (size_t i = 1; i < n; i++) {
            const struct seg_info *x = &y->list[first + i].info;
            to->n_rows += x->n_rows;
            to->n_blocks += x->n_blocks;
            to->octets += x->octets;
            to->max_received_ms = MAX(to->max_received_ms, x->max_received_ms);
        }
        assert_true(to->n_rows <= COMPACT_MAX_ROWS);
        if (to->n_rows <= MERGE_REWRITE_ROWS)
            to->n_blocks = MIN(to->n_blocks, 2 * to->n_rows / BATCH_ROWS + 1);
        assert_true(to->n_blocks <= SEG_BLOCKS);
        assert_true(y->max_octets == 0 || to->octets <= y->max_octets);
        assert_true(to->max_received_ms - to->min_received_ms <= DAY_MS + HOUR_MS);
        to->id = y->next_id++;
        y->written += to->n_rows;
        memmove(&y->list[first + 1], &y->list[first + n], (y->n - first - n) * sizeof *y->list);
        y->n -= n - 1;
    }
}

/* Seals of `rows` or every `age_ms`, whatever comes first; compaction every `look` seals. */
static void simulate(struct year *y, uint64_t rate, int64_t days, uint32_t rows, int64_t age_ms,
                     unsigned look)
{
    int64_t step_ms = MIN(age_ms, (int64_t)(rows * 1000ull / rate));
    uint32_t n = (uint32_t)(rate * (uint64_t)step_ms / 1000);
    uint64_t seals = 0;

    memset(y, 0, sizeof *y);
    y->next_id = 1;
    for (int64_t t = T0; t < T0 + days * DAY_MS; t += step_ms, seals++) {
        arrives(y, n, n / BATCH_ROWS + (n % BATCH_ROWS != 0), t, t + step_ms);
        if (seals % look == 0)
            compacts(y, t + step_ms);
    }
    compacts(y, T0 + days * DAY_MS + HOUR_MS);
}

static void a_year_is_a_bounded_number_of_files(void **state)
{
    static const struct {
        uint64_t rate;
        int64_t days, age_ms;
        uint32_t rows;
        unsigned look;
        size_t most, end;
    } t[] = {
        { 25000, 365, 300000, 1u << 20, 64, 5000, 4400 },
        { 5, 365, 300000, 1u << 20, 3, 450, 365 },
        { 300, 365, 300000, 1u << 20, 3, 450, 365 },
        { 2000, 365, 300000, 1u << 20, 8, 900, 2 * 365 },
        { 5, 2, 1000, 1u << 20, 10, 150, 2 }, /* the shortest seal.age */
        { 100000, 4, 300000, 1u << 20, 16, 250, 200 },
        { 1000000, 1, 300000, 1u << 23, 4, 750, 700 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        struct year y;
        simulate(&y, t[i].rate, t[i].days, t[i].rows, t[i].age_ms, t[i].look);
        print_message("%llu flows/s, %d days: at most %zu files, %zu in the end, every row written "
                      "%.2f times\n",
                      (unsigned long long)t[i].rate, (int)t[i].days, y.most, y.n,
                      1 + (double)y.written / (double)y.rows);
        assert_true(y.most <= t[i].most && y.n <= t[i].end);
        assert_true(y.written <= 5 * y.rows);
        free(y.list);
    }
}

/* Restarts every minute, a spoofed hour, a quiet night: whatever the sizes, few are left. */
static void odd_sizes_are_bounded_too(void **state)
{
    struct rnd r = { 17 };
    struct year y = { .next_id = 1 };
    int64_t t = T0;

    (void)state;
    while (t < T0 + 8 * (int64_t)DAY_MS) {
        uint32_t rows = (uint32_t)(rnd_next(&r) % (1ull << rnd_next(&r) % 22));
        int64_t ms = (int64_t)(rnd_next(&r) % 120000);
        arrives(&y, rows, rows / BATCH_ROWS + 1, t, t + ms);
        compacts(&y, t + ms);
        t += ms;
    }
    assert_true(y.most <= 8 * 20 + 120);
    compacts(&y, INT64_MAX);
    assert_in_range(y.n, 8, 8 * 24);
    free(y.list);
}

static void small_ceilings_hold(void **state)
{
    struct year y = { .next_id = 1, .max_octets = 64u << 20 };

    (void)state;
    for (int64_t t = T0; t < T0 + 2 * (int64_t)DAY_MS; t += 42000) {
        arrives(&y, 1u << 20, 16, t, t + 42000);
        compacts(&y, t);
    }
    assert_in_range(y.n, 2 * 600, 2 * 1100); /* 2 or 3 of 21 MB each */
    free(y.list);
}

static void only_likes_are_merged(void **state)
{
    struct compact_seg s[6];
    size_t first, n;

    (void)state;
    for (unsigned i = 0; i < 6; i++)
        s[i] = (struct compact_seg){ .info = { .id = 6 - i,
                                               .n_rows = 10,
                                               .n_blocks = 1,
                                               .min_received_ms = T0 + 1000 * (6 - i),
                                               .max_received_ms = T0 + 1000 * (6 - i) },
                                     .import = i % 2,
                                     .tier = i == 5 };
    assert_false(compact_plan(s, 6, T0 + 1000, 0, &first, &n)); /* the day has begun */
    assert_true(compact_plan(s, 6, INT64_MAX, 0, &first, &n));
    assert_int_equal(n, 3);
    for (size_t i = 0; i < n; i++)
        assert_true(s[first + i].import == 0 && s[first + i].tier == 0);
    memmove(s + first, s + first + n, (6 - first - n) * sizeof *s);
    assert_true(compact_plan(s, 3, INT64_MAX, 0, &first, &n));
    assert_int_equal(n, 2); /* the third lies in another directory */
    assert_true(s[first].import == 1 && s[first + 1].tier == 0);
}

/* ------------------------------------------------------------------ a real directory */

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

    if (store_open(&s, dir, mode, "", &e) != ERR_OK)
        fail_msg("%s", e.msg);
    return s;
}

static void seal_rows(struct store *s, uint32_t n, int64_t t)
{
    struct rnd r = { (uint64_t)t * 77 + 1 };
    struct flow_batch *b = random_batch(&r, n, 3, &t, 2, 0);
    struct err e;

    assert_int_equal(store_seal(s, &b, 1, &e), ERR_OK);
    flow_batch_unref(b);
}

/* Rows, octets and options over all, and a digest of all columns of numbers in any order. */
struct totals {
    uint64_t rows, bytes, digest, options, unreadable;
    size_t segments;
};

static struct totals totals_of(struct store *s)
{
    static const enum col cols[] = { COL_BYTES, COL_START, COL_END, COL_RECEIVED };
    struct totals t = { 0 };
    struct snapshot sn;
    struct err e;
    uint64_t v[ARRAY_LEN(cols)][ROWSET_VECTOR];

    assert_int_equal(store_snapshot(s, &sn, &e), ERR_OK);
    t.unreadable = sn.rows_unreadable;
    t.segments = sn.n;
    for (size_t i = 0; i < sn.n; i++) {
        struct rowset *rs;
        if (rowset_open(sn.sets[i], &rs, &e) != ERR_OK) {
            t.unreadable += sn.sets[i]->n_rows;
            continue;
        }
        t.options += rs->n_options;
        t.rows += rs->n_rows;
        for (uint32_t b = 0; b < rs->n_blocks; b++)
            for (uint32_t first = 0, n = rs->ops->block_rows(rs, b); first < n;
                 first += ROWSET_VECTOR) {
                uint32_t k = MIN(ROWSET_VECTOR, n - first);
                bool whole = true;
                for (size_t c = 0; c < ARRAY_LEN(cols); c++)
                    whole &= rs->ops->read(rs, b, cols[c], first, k, v[c], &e) == ERR_OK;
                for (uint32_t x = 0; whole && x < k; x++) {
                    uint64_t h = 0;
                    for (size_t c = 0; c < ARRAY_LEN(cols); c++)
                        h = (h ^ v[c][x]) * 0x9e3779b97f4a7c15u;
                    t.digest += h;
                    t.bytes += v[0][x];
                }
            }
        rowset_unref(rs);
    }
    snapshot_free(&sn);
    return t;
}

static void same_totals(struct totals a, struct totals b)
{
    assert_true(a.rows == b.rows && a.bytes == b.bytes && a.digest == b.digest &&
                a.options == b.options && a.unreadable == b.unreadable);
}

static uint32_t compact_all(struct store *s, const struct store_compact_options *o)
{
    struct store_compact_result r;
    uint32_t merges = 0;
    struct err e;

    do {
        int rc = store_compact(s, o, &r, &e);
        if (rc != ERR_OK)
            fail_msg("%s", e.msg);
        merges += r.merged > 0;
    } while (r.merged > 0 || r.again);
    return merges;
}

static const struct store_compact_options everything = { .now_ms = INT64_MAX };

struct listed {
    size_t segments, others;
};

static int each_count(void *ctx, const char *name)
{
    struct listed *l = ctx;
    size_t n = strlen(name);

    l->segments += n > 4 && strcmp(name + n - 4, ".seg") == 0;
    l->others += strstr(name, ".part") != NULL || strstr(name, ".tmp") != NULL;
    return ERR_OK;
}

static struct listed files(const char *sub)
{
    struct listed l = { 0 };
    char path[128];

    (void)snprintf(path, sizeof path, "%s%s", dir, sub);
    (void)os_dir_list(path, each_count, &l, NULL);
    return l;
}

static void compaction_changes_nothing_but_the_files(void **state)
{
    struct store *s = open_store(STORE_WRITE);
    struct totals before;
    struct snapshot sn;
    struct err e;
    uint64_t v[ROWSET_VECTOR];

    (void)state;
    for (int i = 0; i < 40; i++)
        seal_rows(s, 300 + 50 * (uint32_t)(i % 9), T0 + i * 2 * (int64_t)HOUR_MS);
    before = totals_of(s);
    assert_int_equal(store_snapshot(s, &sn, &e), ERR_OK);
    assert_int_equal(compact_all(s, &everything), 4); /* four days */
    same_totals(before, totals_of(s));
    assert_int_equal(totals_of(s).segments, 4);
    assert_int_equal(files("").segments, 4);
    assert_int_equal(files("").others, 0);
    /* who looked before reads on */
    assert_int_equal(sn.n, 40);
    for (size_t i = 0; i < sn.n; i++) {
        struct rowset *rs;
        assert_int_equal(rowset_open(sn.sets[i], &rs, &e), ERR_OK);
        assert_int_equal(rs->ops->read(rs, 0, COL_BYTES, 0, 300, v, &e), ERR_OK);
        rowset_unref(rs);
    }
    snapshot_free(&sn);
    store_close(s);
    s = open_store(STORE_WRITE);
    same_totals(before, totals_of(s));
    assert_int_equal(compact_all(s, &everything), 0);
    store_close(s);
    s = open_store(STORE_READ);
    same_totals(before, totals_of(s));
    store_close(s);
}

/* Without the manifest the segments themselves say which of them count. */
static void a_lost_manifest_does_not_count_twice(void **state)
{
    struct store *s = open_store(STORE_WRITE);
    struct totals before;
    char path[128];

    (void)state;
    for (int i = 0; i < 6; i++)
        seal_rows(s, 500, T0 + i * 1000);
    before = totals_of(s);
    assert_int_equal(compact_all(s, &everything), 1);
    store_close(s);
    (void)snprintf(path, sizeof path, "%s/manifest", dir);
    assert_int_equal(os_unlink(path, NULL), ERR_OK);
    s = open_store(STORE_WRITE);
    same_totals(before, totals_of(s));
    assert_int_equal(totals_of(s).segments, 1);
    store_close(s);
}

static void imports_stay_apart(void **state)
{
    struct store *s = open_store(STORE_WRITE);
    struct totals before;
    struct err e;

    (void)state;
    for (uint8_t f = 1; f <= 2; f++) {
        uint8_t sha[32] = { f };
        struct store_import *im;
        assert_int_equal(store_import_begin(s, f == 1 ? "one.pcap" : "two.pcap", sha, &im, &e),
                         ERR_OK);
        for (int i = 0; i < 3; i++) {
            struct rnd r = { f * 10u + (unsigned)i };
            int64_t t = T0 + i * 1000;
            struct flow_batch *b = random_batch(&r, 200, 1, &t, 2, 0);
            assert_int_equal(store_import_seal(im, &b, 1, &e), ERR_OK);
            flow_batch_unref(b);
        }
        assert_int_equal(store_import_commit(im, &e), ERR_OK);
    }
    seal_rows(s, 100, T0);
    seal_rows(s, 100, T0 + 2000);
    before = totals_of(s);
    assert_int_equal(compact_all(s, &everything), 3);
    same_totals(before, totals_of(s));
    assert_int_equal(totals_of(s).segments, 3);
    for (int round = 0; round < 2; round++) {
        uint8_t sha[32] = { 2 };
        assert_true(store_import_known(s, sha));
        sha[0] = 3;
        assert_false(store_import_known(s, sha));
        store_close(s);
        s = open_store(STORE_WRITE);
    }
    /* the import is spared by retention of age, the live rows are not */
    struct store_retention age = { .max_age_ms = 1, .import_keep_ms = DAY_MS };
    uint32_t removed;
    assert_int_equal(store_retain(s, &age, os_wall_ms(), &removed, &e), ERR_OK);
    assert_int_equal(removed, 1);
    assert_int_equal(totals_of(s).segments, 2);
    store_close(s);
}

static void damaged_ones_are_left_alone(void **state)
{
    struct store *s = open_store(STORE_WRITE);
    struct store_compact_result r;
    struct totals before;
    struct os_stat st;
    char path[128];
    uint8_t x;
    size_t got;
    int fd, rc, failures = 0;
    struct err e;

    (void)state;
    for (int i = 0; i < 7; i++)
        seal_rows(s, 400, T0 + i * 1000);
    (void)snprintf(path, sizeof path, "%s/seg-000000000003.seg", dir);
    assert_int_equal(os_file_stat(path, &st, &e), ERR_OK);
    assert_int_equal(os_file_open(&fd, path, OS_OPEN_CREATE, &e), ERR_OK);
    assert_int_equal(os_file_read(fd, path, 200, &x, 1, &got, &e), ERR_OK);
    x ^= 64;
    assert_int_equal(os_file_write(fd, path, 200, &x, 1, &e), ERR_OK);
    os_file_close(&fd);
    before = totals_of(s);
    do {
        rc = store_compact(s, &everything, &r, &e);
        if (rc == ERR_CORRUPT) {
            assert_non_null(strstr(e.msg, "seg-000000000003"));
            failures++;
        } else {
            assert_int_equal(rc, ERR_OK);
        }
    } while (rc != ERR_OK || r.merged > 0);
    assert_int_equal(failures, 1);
    same_totals(before, totals_of(s));
    assert_int_equal(totals_of(s).segments, 2);
    assert_int_equal(files("").others, 0);
    assert_int_equal(os_file_stat(path, &st, &e), ERR_OK);
    store_close(s);
}

static void readers_keep_old_files(void **state)
{
    struct store *s = open_store(STORE_WRITE), *reader;
    struct totals before;
    struct store_retention none = { .max_octets = UINT64_MAX };
    uint32_t removed;
    struct err e;

    (void)state;
    for (int i = 0; i < 5; i++)
        seal_rows(s, 200, T0 + i * 1000);
    reader = open_store(STORE_READ);
    before = totals_of(s);
    assert_int_equal(compact_all(s, &everything), 1);
    assert_int_equal(files("/trash").segments, 5);
    same_totals(before, totals_of(reader)); /* sees the new list */
    store_close(reader);
    assert_int_equal(store_retain(s, &none, T0, &removed, &e), ERR_OK);
    assert_int_equal(files("/trash").segments, 0);
    store_close(s);
}

/* ------------------------------------------------------------------ meanwhile */

struct meanwhile {
    struct store *s;
    unsigned calls, at;
    int what; /* 0 stop, 1 seal and ask, 2 delete an input, 3 slow: busy */
    struct totals before;
};

static bool happens(void *ctx)
{
    struct meanwhile *m = ctx;
    struct store_retention all = { .max_octets = 1 };
    uint32_t removed;
    struct err e;

    if (m->calls++ != m->at)
        return false;
    if (m->what == 1) {
        same_totals(m->before, totals_of(m->s));
        seal_rows(m->s, 111, T0 + 500000);
    } else if (m->what == 2) {
        assert_int_equal(store_retain(m->s, &all, T0, &removed, &e), ERR_OK);
        assert_true(removed > 0);
    }
    return m->what == 0;
}

static bool is_busy(void *ctx)
{
    return ++*(unsigned *)ctx < 10;
}

static void the_store_lives_on_meanwhile(void **state)
{
    struct meanwhile m = { .s = open_store(STORE_WRITE) };
    struct store_compact_options o = { .now_ms = INT64_MAX, .stop = happens, .ctx = &m };
    struct store_compact_result r;
    struct err e;

    (void)state;
    for (int i = 0; i < 4; i++)
        seal_rows(m.s, 40000, T0 + i * 1000);
    m.before = totals_of(m.s);
    for (unsigned at = 0; at < 20; at++) { /* stopped anywhere, nothing is left of it */
        m.calls = 0;
        m.at = at;
        int rc = store_compact(m.s, &o, &r, &e);
        if (rc == ERR_OK)
            break;
        assert_int_equal(rc, ERR_CANCEL);
        same_totals(m.before, totals_of(m.s));
        assert_int_equal(files("").others, 0);
        assert_int_equal(files("").segments, 4);
        assert_true(at < 19);
    }
    seal_rows(m.s, 40000, T0 + 5000);
    m.before = totals_of(m.s);
    m.what = 1;
    m.calls = 0;
    m.at = 2;
    assert_int_equal(store_compact(m.s, &o, &r, &e), ERR_OK);
    assert_int_equal(r.merged, 2);
    assert_int_equal(totals_of(m.s).rows, m.before.rows + 111);
    assert_int_equal(totals_of(m.s).segments, 2);
    m.what = 2;
    m.calls = 0;
    assert_int_equal(store_compact(m.s, &o, &r, &e), ERR_OK);
    assert_true(r.merged == 0 && r.again);
    assert_int_equal(files("").others, 0);
    store_close(m.s);
}

static void it_gives_way(void **state)
{
    struct store *s = open_store(STORE_WRITE);
    unsigned asked = 0;
    struct store_compact_options o = {
        .now_ms = INT64_MAX, .rate = 20 << 20, .busy = is_busy, .ctx = &asked
    };
    struct totals before;
    int64_t begun_ms = os_wall_ms();

    (void)state;
    for (int i = 0; i < 4; i++)
        seal_rows(s, 60000, T0 + i * 1000);
    before = totals_of(s);
    begun_ms = os_wall_ms();
    assert_int_equal(compact_all(s, &o), 1);
    assert_true(asked > 10);
    assert_true(os_wall_ms() - begun_ms >= 9 * 20);
    same_totals(before, totals_of(s));
    store_close(s);
}

/* What a crash in a merge leaves, and what one leaves after the rename. */
static void leftovers_go_at_the_next_start(void **state)
{
    static const char *const left[] = { "seg-000000000099.part", "seg-000000000098.seg.tmp" };
    struct store *s = open_store(STORE_WRITE);
    struct totals before;
    char path[128];
    int fd;

    (void)state;
    for (int i = 0; i < 3; i++)
        seal_rows(s, 100, T0 + i * 1000);
    before = totals_of(s);
    store_close(s);
    for (size_t i = 0; i < ARRAY_LEN(left); i++) {
        (void)snprintf(path, sizeof path, "%s/%s", dir, left[i]);
        assert_int_equal(os_file_open(&fd, path, OS_OPEN_TRUNC, NULL), ERR_OK);
        assert_int_equal(os_file_write(fd, path, 0, "WEIR-SEG", 8, NULL), ERR_OK);
        os_file_close(&fd);
    }
    s = open_store(STORE_WRITE);
    assert_int_equal(files("").others, 0);
    same_totals(before, totals_of(s));
    assert_int_equal(compact_all(s, &everything), 1);
    store_close(s);
}

static void memory_bounds_what_is_merged(void **state)
{
    struct store *s = open_store(STORE_WRITE);
    struct store_compact_options o = { .now_ms = INT64_MAX, .memory = 4u << 20 };
    struct totals before;

    (void)state;
    for (int i = 0; i < 12; i++)
        seal_rows(s, 9000, T0 + i * 1000);
    before = totals_of(s);
    assert_in_range(compact_all(s, &o), 1, 11);
    assert_in_range(totals_of(s).segments, 2, 11);
    same_totals(before, totals_of(s));
    store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_year_is_a_bounded_number_of_files),
        cmocka_unit_test(odd_sizes_are_bounded_too),
        cmocka_unit_test(small_ceilings_hold),
        cmocka_unit_test(only_likes_are_merged),
        cmocka_unit_test_setup_teardown(compaction_changes_nothing_but_the_files, setup, teardown),
        cmocka_unit_test_setup_teardown(a_lost_manifest_does_not_count_twice, setup, teardown),
        cmocka_unit_test_setup_teardown(imports_stay_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(damaged_ones_are_left_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(readers_keep_old_files, setup, teardown),
        cmocka_unit_test_setup_teardown(the_store_lives_on_meanwhile, setup, teardown),
        cmocka_unit_test_setup_teardown(it_gives_way, setup, teardown),
        cmocka_unit_test_setup_teardown(leftovers_go_at_the_next_start, setup, teardown),
        cmocka_unit_test_setup_teardown(memory_bounds_what_is_merged, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
