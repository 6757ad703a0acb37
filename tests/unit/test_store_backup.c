/* Copies of a data directory: whole, of one moment, verified; and what a damaged one leaves. */
#include "unit.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "folder.h"
#include "random_batch.h"
#include "store/check.h"

static char top[64], dir[80], to[80], back[80];

static int setup(void **state)
{
    (void)state;
    if (folder_make(top) != 0)
        return 1;
    (void)snprintf(dir, sizeof dir, "%s/data", top);
    (void)snprintf(to, sizeof to, "%s/copy", top);
    (void)snprintf(back, sizeof back, "%s/back", top);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return folder_remove(top);
}

static struct store *open_store(const char *path, enum store_mode mode)
{
    struct store *s;
    struct err e;

    if (store_open(&s, path, mode, "", &e) != ERR_OK)
        fail_msg("%s", e.msg);
    return s;
}

static void seal_cut(struct store *s, uint32_t n, uint64_t at, const char *text)
{
    struct rnd r = { at * 7 + 1 };
    int64_t t = 1700000000000 + (int64_t)at;
    struct flow_batch *b = random_batch(&r, n, 2, &t, 2, 0);
    struct buf content = buf_init(1000);
    struct store_cut cut = { .n_shards = 1, .journal = { at }, .checkpoint = &content };
    struct err e;

    buf_str(&content, text);
    if (store_seal_cut(s, &b, 1, &cut, NULL, NULL, &e) != ERR_OK)
        fail_msg("%s", e.msg);
    flow_batch_unref(b);
    buf_free(&content);
}

static void put(const char *under, const char *name, const char *text)
{
    struct buf b = buf_init(1000);
    char path[512];

    buf_str(&b, text);
    (void)snprintf(path, sizeof path, "%s/%s", under, name);
    assert_int_equal(store_write_durable(path, &b, NULL), ERR_OK);
    buf_free(&b);
}

static bool exists(const char *under, const char *name)
{
    char path[256];

    (void)snprintf(path, sizeof path, "%s/%s", under, name);
    return os_file_stat(path, &(struct os_stat){ 0 }, NULL) == ERR_OK;
}

static void fill(void)
{
    struct store *s = open_store(dir, STORE_WRITE);
    char path[256];

    seal_cut(s, 100, 1, "one");
    seal_cut(s, 50, 2, "two");
    store_close(s);
    put(dir, "names.log", "router one");
    put(dir, "left.tmp", "x");
    put(dir, "seg-000000000099.part", "x");
    (void)snprintf(path, sizeof path, "%s/history", dir);
    assert_int_equal(os_mkdir(path, NULL), ERR_OK);
    put(path, "2026", "gaps");
    (void)snprintf(path, sizeof path, "%s/journal", dir);
    assert_int_equal(os_mkdir(path, NULL), ERR_OK);
    put(path, "0-1", "datagrams");
}

static int copy(const char *from, const char *name, struct store_copy *c, struct err *e)
{
    struct store *s = open_store(from, STORE_READ);
    int rc = store_copy_to(s, name, c, e);

    store_close(s);
    return rc;
}

static void flip(const char *under, const char *name, int64_t at)
{
    char path[256];
    struct os_stat st;
    uint8_t c;
    size_t got;
    int fd;

    (void)snprintf(path, sizeof path, "%s/%s", under, name);
    assert_int_equal(os_file_stat(path, &st, NULL), ERR_OK);
    at += at < 0 ? (int64_t)st.octets : 0;
    assert_int_equal(os_file_open(&fd, path, OS_OPEN_CREATE, NULL), ERR_OK);
    assert_int_equal(os_file_read(fd, path, (uint64_t)at, &c, 1, &got, NULL), ERR_OK);
    c ^= 1;
    assert_int_equal(os_file_write(fd, path, (uint64_t)at, &c, 1, NULL), ERR_OK);
    os_file_close(&fd);
}

static void there_and_back(void **state)
{
    struct store_copy c = { .copy = false }, again = { .copy = true, .verify = true };
    struct buf content = buf_init(100);
    struct store_check check = { .repair = false };
    uint64_t count[3], journal[64];
    struct store *s;
    uint32_t n;
    struct err e = { 0 };

    (void)state;
    fill();
    assert_int_equal(copy(dir, to, &c, &e), ERR_OK);
    assert_int_equal(c.segments, 2);
    assert_int_equal(c.rows, 150);
    assert_int_equal(c.options, 4);
    assert_int_equal(c.linked, 2);
    assert_true(exists(to, "names.log") && exists(to, "history/2026") && exists(to, "SNAPSHOT"));
    assert_false(exists(to, "left.tmp") || exists(to, "journal") || exists(to, "lock") ||
                 exists(to, "seg-000000000099.part"));
    assert_int_equal(store_verify_note(to, count, &e), ERR_OK);
    assert_int_equal(count[0], 2);
    assert_int_equal(count[1], 150);
    assert_int_equal(count[2], 4);
    assert_int_equal(store_verify_note(dir, count, &e), ERR_NOTFOUND);
    assert_int_equal(copy(to, back, &again, &e), ERR_OK);
    assert_int_equal(again.linked, 0);
    assert_int_equal(again.rows, 150);
    assert_int_equal(store_check(back, &check, &e), ERR_OK);
    assert_int_equal(check.findings, 0);
    assert_int_equal(check.rows, 150);
    s = open_store(back, STORE_WRITE);
    assert_int_equal(store_last_cut(s, &n, journal, &content, &e), ERR_OK);
    assert_string_equal(buf_cstr(&content), "two");
    assert_int_equal(journal[0], 2);
    seal_cut(s, 10, 3, "three");
    store_close(s);
    assert_int_equal(copy(dir, to, &c, &e), ERR_ARG); /* is not empty */
    buf_free(&content);
}

/* The copy does not change when the original does. */
static void a_copy_is_of_one_moment(void **state)
{
    struct store_copy c = { .copy = false };
    struct store_retention all = { .max_octets = 1 };
    struct store_check check = { .repair = false };
    struct store *s;
    uint32_t removed;
    struct err e;

    (void)state;
    fill();
    assert_int_equal(copy(dir, to, &c, &e), ERR_OK);
    s = open_store(dir, STORE_WRITE);
    seal_cut(s, 10, 3, "three");
    assert_int_equal(store_retain(s, &all, 0, &removed, &e), ERR_OK);
    assert_int_equal(removed, 3);
    store_close(s);
    assert_int_equal(store_check(to, &check, &e), ERR_OK);
    assert_int_equal(check.findings, 0);
    assert_int_equal(check.rows, 150);
}

static void damage_is_refused(void **state)
{
    static const struct {
        const char *name;
        int64_t at;
    } bits[] = { { "seg-000000000002.seg", 100 },
                 { "seg-000000000002.seg", -60 },
                 { "manifest", 40 },
                 { "manifest", -3 },
                 { "checkpoint-000000000003", -2 },
                 { "names.log", 2 },
                 { "history/2026", 0 },
                 { "SNAPSHOT", 3 },
                 { "SNAPSHOT", 17 },
                 { "SNAPSHOT", -2 } };
    struct store_copy c = { .copy = true };
    struct err e;

    (void)state;
    fill();
    assert_int_equal(copy(dir, to, &c, &e), ERR_OK);
    for (size_t i = 0; i < ARRAY_LEN(bits); i++) {
        struct store_copy again = { .copy = true, .verify = true };
        uint64_t count[3];
        int rc;
        flip(to, bits[i].name, bits[i].at);
        rc = store_verify_note(to, count, &e);
        if (rc == ERR_OK)
            rc = copy(to, back, &again, &e);
        if (rc != ERR_CORRUPT)
            fail_msg("%s %lld: %d", bits[i].name, (long long)bits[i].at, rc);
        assert_true(e.msg[0] != '\0');
        assert_false(exists(top, "back") || exists(top, "back.part"));
        flip(to, bits[i].name, bits[i].at);
    }
}

static void missing_is_refused(void **state)
{
    struct store_copy c = { .copy = true };
    char path[256];
    struct err e;

    (void)state;
    fill();
    (void)snprintf(path, sizeof path, "%s/seg-000000000002.seg", dir);
    assert_int_equal(os_unlink(path, &e), ERR_OK);
    assert_int_equal(copy(dir, to, &c, &e), ERR_CORRUPT);
    assert_non_null(strstr(e.msg, "seg-000000000002"));
    assert_false(exists(top, "copy") || exists(top, "copy.part"));
}

static int stop(void *ctx, uint64_t octets, uint64_t total)
{
    assert_true(octets <= total);
    return ++*(unsigned *)ctx > 1 ? ERR_CANCEL : ERR_OK;
}

static void it_can_be_stopped(void **state)
{
    unsigned n = 0;
    struct store_copy c = { .copy = true, .step = stop, .ctx = &n };
    struct err e;

    (void)state;
    fill();
    assert_int_equal(copy(dir, to, &c, &e), ERR_CANCEL);
    assert_false(exists(top, "copy") || exists(top, "copy.part"));
    put(top, "copy", "a file");
    assert_int_equal(copy(dir, to, &c, &e), ERR_ARG);
}

/* ------------------------------------------------------------------ beside a writer */

static _Atomic bool done;

static void *copier(void *arg)
{
    unsigned n = 0, *failed = arg;

    while (!atomic_load(&done)) {
        struct store_copy c = { .copy = n % 2 == 0 };
        struct store_check check = { .repair = false };
        struct err e = { 0 };
        char name[100];
        struct store *s;
        (void)snprintf(name, sizeof name, "%s/c%u", top, n++);
        if (store_open(&s, dir, STORE_READ, "", &e) != ERR_OK ||
            store_copy_to(s, name, &c, &e) != ERR_OK || store_check(name, &check, &e) != ERR_OK ||
            check.findings != 0 || check.rows != c.rows || c.rows % 100 != 0) {
            (void)fprintf(stderr, "copy %u: %s, %llu rows\n", n, e.msg,
                          (unsigned long long)check.rows);
            ++*failed;
        }
        store_close(s);
    }
    return NULL;
}

static void copies_beside_a_writer_are_whole(void **state)
{
    struct store *s = open_store(dir, STORE_WRITE);
    unsigned failed = 0;
    pthread_t t;
    struct err e;

    (void)state;
    seal_cut(s, 100, 1, "first");
    atomic_store(&done, false);
    assert_int_equal(pthread_create(&t, NULL, copier, &failed), 0);
    for (uint64_t i = 2; i < 40; i++) {
        struct store_stats st;
        seal_cut(s, 100, i, "more");
        store_get_stats(s, &st);
        if (i % 5 == 0) { /* the oldest go */
            struct store_retention half = { .max_octets = st.octets / 2 };
            uint32_t removed;
            assert_int_equal(store_retain(s, &half, 0, &removed, &e), ERR_OK);
        }
    }
    atomic_store(&done, true);
    assert_int_equal(pthread_join(t, NULL), 0);
    assert_int_equal(failed, 0);
    store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(there_and_back, setup, teardown),
        cmocka_unit_test_setup_teardown(a_copy_is_of_one_moment, setup, teardown),
        cmocka_unit_test_setup_teardown(damage_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(missing_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(it_can_be_stopped, setup, teardown),
        cmocka_unit_test_setup_teardown(copies_beside_a_writer_are_whole, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
