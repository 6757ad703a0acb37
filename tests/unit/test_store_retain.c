/* Retention by age, size, class and free space; moving to the second directory. */
#include "unit.h"

#include <stdio.h>
#include <unistd.h>

#include "conf/conf.h"
#include "folder.h"
#include "random_batch.h"
#include "store/check.h"

static char dir[64], slow[64];
#define DAY_MS INT64_C(86400000)
#define T0     INT64_C(1700000000000)

static int setup(void **state)
{
    (void)state;
    return folder_make(dir) | folder_make(slow);
}

static int teardown(void **state)
{
    (void)state;
    return folder_remove(dir) | folder_remove(slow);
}

static struct store *open_store(enum store_mode mode)
{
    struct store *s;
    struct err e;

    if (store_open(&s, dir, mode, "", &e) != ERR_OK)
        fail_msg("%s", e.msg);
    return s;
}

/* n rows received at t, every third of exporter 10.0.0.1, the others of 192.0.2.1; `only` < 3: of
 * one exporter alone. */
static void seal_rows(struct store *s, uint32_t n, int64_t t, unsigned only)
{
    struct rnd r = { (uint64_t)t | 1 };
    struct flow_batch *b = random_batch(&r, n, 0, &t, 2, 0);
    uint32_t x = 0, y = 1;

    b->exporters[0].addr = addr_from_v4(0x0a000001);
    b->exporters[1].addr = addr_from_v4(0xc0000201);
    for (uint32_t i = 0; i < n; i++)
        ((uint16_t *)b->col[COL_EXPORTER])[i] = (uint16_t)(only == 1    ? x
                                                           : only == 2  ? y
                                                           : i % 3 == 0 ? x
                                                                        : y);
    assert_int_equal(store_seal(s, &b, 1, NULL), ERR_OK);
    flow_batch_unref(b);
}

/* Rows that can be read, by exporter: [0] 10.0.0.1, [1] others. */
static void count(struct store *s, uint64_t rows[2])
{
    uint32_t v[ROWSET_VECTOR];
    struct snapshot sn;
    struct err e;

    rows[0] = rows[1] = 0;
    assert_int_equal(store_snapshot(s, &sn, &e), ERR_OK);
    for (size_t i = 0; i < sn.n; i++) {
        struct rowset *rs;
        assert_int_equal(rowset_open(sn.sets[i], &rs, &e), ERR_OK);
        for (uint32_t b = 0; b < rs->n_blocks; b++) {
            uint32_t n = rs->ops->block_rows(rs, b);
            assert_true(n <= ROWSET_VECTOR);
            assert_int_equal(rs->ops->read(rs, b, COL_EXPORTER, 0, n, v, &e), ERR_OK);
            for (uint32_t k = 0; k < n; k++)
                rows[be32(rs->exporters[v[k]].addr.b + 12) != 0x0a000001]++;
        }
        rowset_unref(rs);
    }
    snapshot_free(&sn);
}

static void expect(struct store *s, uint64_t a, uint64_t b)
{
    uint64_t rows[2];

    count(s, rows);
    assert_int_equal(rows[0], a);
    assert_int_equal(rows[1], b);
}

static uint32_t retain(struct store *s, const struct store_retention *r, int64_t now)
{
    uint32_t removed;
    struct err e = { 0 };

    if (store_retain(s, r, now, &removed, &e) != ERR_OK)
        fail_msg("%s", e.msg);
    return removed;
}

static void read_conf(struct store_retention *r, const char *classes, int want)
{
    struct conf_setting set[] = { { OPT_RETENTION_CLASSES, classes },
                                  { OPT_RETENTION_AGE, "30d" } };
    struct conf *c;
    struct err e;

    assert_int_equal(conf_make(&c, "", NULL, 0, set, 2, &e), ERR_OK);
    assert_int_equal(store_retention_read(r, c, &e), want);
    if (want != ERR_OK)
        assert_non_null(strstr(e.msg, "retention.classes"));
    conf_unref(c);
}

static void classes_are_read(void **state)
{
    struct store_retention r;

    (void)state;
    read_conf(&r, "lab=10.0.0.0/8+fd00::/8=7d/20G wan=192.0.2.0/24=90d big=::/0=1T", ERR_OK);
    assert_int_equal(r.n_classes, 3);
    assert_string_equal(r.class[0].name, "lab");
    assert_int_equal(r.class[0].n_nets, 2);
    assert_int_equal(r.class[0].max_age_ms, 7 * DAY_MS);
    assert_int_equal(r.class[0].max_octets, 20ull << 30);
    assert_int_equal(r.class[1].max_octets, 0);
    assert_int_equal(r.class[2].max_age_ms, 0);
    assert_int_equal(r.class[2].max_octets, 1ull << 40);
    assert_int_equal(r.max_age_ms, 30 * DAY_MS);
    read_conf(&r, "lab", ERR_ARG);
    read_conf(&r, "lab=7d", ERR_ARG);
    read_conf(&r, "=10/8=7d", ERR_ARG);
    read_conf(&r, "lab=nonsense=7d", ERR_ARG);
    read_conf(&r, "lab==7d", ERR_ARG);
    read_conf(&r, "lab=10/8=x", ERR_ARG);
    read_conf(&r, "lab=10/8=7d/x", ERR_ARG);
    read_conf(&r, "lab=10/8=x/7G", ERR_ARG);
    read_conf(&r, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=10/8=7d", ERR_ARG);
    read_conf(&r, "a=1/8=1d b=2/8=1d c=3/8=1d d=4/8=1d e=5/8=1d", ERR_ARG);
}

static void a_short_class_goes_early(void **state)
{
    struct store *s = open_store(STORE_WRITE);
    struct store_retention r;
    struct store_stats st;

    (void)state;
    read_conf(&r, "lab=10.0.0.0/8=7d", ERR_OK);
    seal_rows(s, 300, T0, 0);
    seal_rows(s, 90, T0, 1);
    seal_rows(s, 60, T0 + 5 * DAY_MS, 2);
    expect(s, 190, 260);
    assert_int_equal(retain(s, &r, T0 + 6 * DAY_MS), 0);
    expect(s, 190, 260);
    /* the mixed one is written anew, the one of that class alone is deleted */
    assert_int_equal(retain(s, &r, T0 + 8 * DAY_MS), 1);
    expect(s, 0, 260);
    store_get_stats(s, &st);
    assert_int_equal(st.segments, 2);
    assert_int_equal(st.rows_removed, 190);
    assert_int_equal(retain(s, &r, T0 + 9 * DAY_MS), 0); /* once */
    store_close(s);
    s = open_store(STORE_WRITE);
    expect(s, 0, 260);
    assert_int_equal(retain(s, &r, T0 + 31 * DAY_MS), 1);
    expect(s, 0, 60);
    store_close(s);
}

/* A class that lives longer than the rest keeps its rows, not its neighbours'. */
static void a_long_class_stays(void **state)
{
    struct store *s = open_store(STORE_WRITE);
    struct store_retention r;

    (void)state;
    read_conf(&r, "lab=10.0.0.0/8=365d", ERR_OK);
    seal_rows(s, 300, T0, 0);
    assert_int_equal(retain(s, &r, T0 + 31 * DAY_MS), 0);
    expect(s, 100, 0);
    assert_int_equal(retain(s, &r, T0 + 366 * DAY_MS), 1);
    expect(s, 0, 0);
    store_close(s);
}

static void a_class_has_a_ceiling(void **state)
{
    struct store *s = open_store(STORE_WRITE);
    struct store_retention r;
    struct store_stats st;

    (void)state;
    for (int64_t i = 0; i < 4; i++)
        seal_rows(s, 300, T0 + i * 1000, 0);
    store_get_stats(s, &st);
    read_conf(&r, "lab=10.0.0.0/8=1G", ERR_OK);
    assert_int_equal(retain(s, &r, T0), 0);
    expect(s, 400, 800);
    r.class[0].max_octets = st.octets / 6; /* half of its third */
    assert_int_equal(retain(s, &r, T0), 0);
    expect(s, 200, 800);
    store_close(s);
}

static void old_ones_move(void **state)
{
    struct store *s = open_store(STORE_WRITE), *reader;
    struct store_retention r = { .slow_after_ms = DAY_MS };
    struct snapshot sn;
    struct store_stats st;
    struct rowset *rs;
    char path[600], other[700];
    struct os_stat os;
    struct err e;

    (void)state;
    seal_rows(s, 300, T0, 0);
    seal_rows(s, 90, T0 + 3 * DAY_MS, 1);
    assert_int_equal(retain(s, &r, T0 + 3 * DAY_MS), 0); /* no directory: nothing moves */
    assert_int_equal(store_set_slow(s, dir, &e), ERR_ARG);
    assert_int_equal(store_set_slow(s, slow, &e), ERR_OK);
    assert_int_equal(store_set_slow(s, slow, &e), ERR_OK);
    seg_cache_limit(s->cache, 0, 0);
    reader = open_store(STORE_READ);
    assert_int_equal(store_snapshot(s, &sn, &e), ERR_OK);
    assert_int_equal(retain(s, &r, T0 + 3 * DAY_MS), 0);
    store_get_stats(s, &st);
    assert_int_equal(st.segments_moved, 1);
    assert_true(st.octets_slow > 0 && st.octets_slow < st.octets);
    (void)snprintf(path, sizeof path, "%s/seg-000000000001.seg", slow);
    assert_int_equal(os_file_stat(path, &os, &e), ERR_OK);
    (void)snprintf(path, sizeof path, "%s/seg-000000000001.seg", dir);
    assert_int_equal(os_file_stat(path, &os, &e), ERR_NOTFOUND);
    /* a snapshot taken before, not yet opened, finds it; so does a reader that came before */
    assert_int_equal(rowset_open(sn.sets[0], &rs, &e), ERR_OK);
    rowset_unref(rs);
    snapshot_free(&sn);
    expect(reader, 190, 200);
    store_close(reader);
    store_close(s);

    s = open_store(STORE_WRITE);
    expect(s, 190, 200);
    /* a copy in the wrong place (a crash before the record, or after it) goes */
    (void)snprintf(other, sizeof other, "%s/seg-000000000001.seg", slow);
    assert_int_equal(os_copy(other, path, NULL, NULL, &e), ERR_OK);
    store_close(s);
    s = open_store(STORE_WRITE);
    assert_int_equal(os_file_stat(path, &os, &e), ERR_NOTFOUND);
    expect(s, 190, 200);
    store_close(s);
    /* moved back by hand: found */
    assert_int_equal(os_rename(other, path, &e), ERR_OK);
    s = open_store(STORE_WRITE);
    expect(s, 190, 200);
    store_get_stats(s, &st);
    assert_int_equal(st.octets_slow, 0);
    store_close(s);
    /* and again, then the manifest is lost */
    s = open_store(STORE_WRITE);
    assert_int_equal(retain(s, &r, T0 + 3 * DAY_MS), 0);
    store_close(s);
    (void)snprintf(path, sizeof path, "%s/manifest", dir);
    assert_int_equal(os_unlink(path, &e), ERR_OK);
    s = open_store(STORE_WRITE);
    expect(s, 190, 200);
    store_get_stats(s, &st);
    assert_true(st.octets_slow > 0);
    assert_true(st.manifest_rebuilt);
    /* another directory that does not hold it is refused */
    (void)snprintf(other, sizeof other, "%s/elsewhere", dir);
    assert_int_equal(store_set_slow(s, other, &e), ERR_ARG);
    assert_non_null(strstr(e.msg, "move all"));
    /* removal in the second directory */
    r.max_age_ms = DAY_MS;
    assert_int_equal(retain(s, &r, T0 + 3 * DAY_MS), 1);
    expect(s, 90, 0);
    store_close(s);
}

static void space_is_kept_free(void **state)
{
    struct store *s = open_store(STORE_WRITE);
    struct store_retention r = { 0 };
    uint64_t is_free, all, octets;
    struct store_stats st;
    struct err e;

    (void)state;
    for (int64_t i = 0; i < 3; i++)
        seal_rows(s, 300, T0 + i * 1000, 0);
    store_get_stats(s, &st);
    octets = st.octets;
    assert_int_equal(os_space(dir, &is_free, &all, &e), ERR_OK);
    assert_true(st.free_octets > 0 && st.disk_octets == all);
    r.min_free = 1;
    assert_int_equal(retain(s, &r, T0), 0);
    r.min_free = UINT64_MAX / 2; /* more than there is: everything goes, and nothing else breaks */
    assert_int_equal(store_set_slow(s, slow, &e), ERR_OK);
    assert_int_equal(retain(s, &r, T0), 0); /* first it moves */
    store_get_stats(s, &st);
    assert_int_equal(st.octets_slow, octets);
    assert_int_equal(retain(s, &r, T0), 3);
    expect(s, 0, 0);
    store_close(s);
}

static void damaged_ones_do_not_move(void **state)
{
    struct store *s = open_store(STORE_WRITE);
    struct store_retention r = { .slow_after_ms = DAY_MS };
    struct store_stats st;
    char path[512];
    uint8_t c = 0xff;
    int fd;
    struct err e;

    (void)state;
    seal_rows(s, 300, T0, 0);
    seal_rows(s, 300, T0, 0);
    assert_int_equal(store_set_slow(s, slow, &e), ERR_OK);
    (void)snprintf(path, sizeof path, "%s/seg-000000000001.seg", dir);
    assert_int_equal(os_file_open(&fd, path, OS_OPEN_CREATE, &e), ERR_OK);
    assert_int_equal(os_file_write(fd, path, 40, &c, 1, &e), ERR_OK);
    os_file_close(&fd);
    assert_int_equal(retain(s, &r, T0 + 2 * DAY_MS), 0);
    store_get_stats(s, &st);
    assert_int_equal(st.segments_moved, 1);
    assert_int_equal(st.segments, 2);
    store_close(s);
}

static void the_rate_is_known(void **state)
{
    struct store *s = open_store(STORE_WRITE);
    struct store_stats st;

    (void)state;
    seal_rows(s, 300, T0, 0);
    store_get_stats(s, &st);
    assert_int_equal(st.octets_per_day, 0); /* too short to say */
    for (int64_t i = 1; i <= 10; i++)
        seal_rows(s, 300, T0 + i * DAY_MS, 0);
    store_get_stats(s, &st);
    assert_in_range(st.octets_per_day, st.octets / 11, st.octets / 11 * 5 / 4);
    store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes_are_read),
        cmocka_unit_test_setup_teardown(a_short_class_goes_early, setup, teardown),
        cmocka_unit_test_setup_teardown(a_long_class_stays, setup, teardown),
        cmocka_unit_test_setup_teardown(a_class_has_a_ceiling, setup, teardown),
        cmocka_unit_test_setup_teardown(old_ones_move, setup, teardown),
        cmocka_unit_test_setup_teardown(space_is_kept_free, setup, teardown),
        cmocka_unit_test_setup_teardown(damaged_ones_do_not_move, setup, teardown),
        cmocka_unit_test_setup_teardown(the_rate_is_known, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
