#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "collect/journal.h"
#include "os/file.h"
#include "unit.h"

static char dir[] = "/tmp/weir-journal-XXXXXX";

static int remove_one(void *ctx, const char *name)
{
    char path[512];

    (void)ctx;
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    return os_unlink(path, NULL);
}

static int fresh(void **s)
{
    (void)s;
    if (os_is_dir(dir))
        return os_dir_list(dir, remove_one, NULL, NULL);
    return mkdtemp(dir) != NULL ? 0 : 1;
}

static int gone(void **s)
{
    return fresh(s) != 0 || rmdir(dir) != 0;
}

/* Frames with serials first .. last; the octets are a function of the serial. */
static void frames(struct buf *b, uint64_t first, uint64_t last)
{
    *b = buf_init(64u << 20);
    for (uint64_t n = first; n <= last; n++) {
        struct frame *f;
        uint32_t len = (uint32_t)(n * 37 % 1400);
        size_t at = b->len;
        memset(buf_room(b, (size_t)frame_room(len)), 0, (size_t)frame_room(len));
        f = (struct frame *)(void *)(b->p + at);
        *f = (struct frame){ .len = len, .serial = n, .received_ms = (int64_t)n * 10, .port = 7 };
        memset(f + 1, (int)(n & 0xff), len);
        f->sum = frame_sum(f);
    }
}

static struct journal *open_at(const struct journal_limits *lim, uint64_t last)
{
    struct journal *j;
    struct err e = { 0 };
    uint64_t found;

    if (journal_open(&j, dir, 3, lim, &found, &e) != ERR_OK)
        fail_msg("%s", e.msg);
    assert_int_equal(found, last);
    return j;
}

static int put(struct journal *j, uint64_t first, uint64_t last)
{
    struct buf b;
    struct err e;
    int rc;

    frames(&b, first, last);
    rc = journal_write(j, b.p, b.len, first, last, &e);
    buf_free(&b);
    return rc;
}

struct seen {
    uint64_t first, last, n;
    bool wrong;
};

static int see(void *ctx, const struct frame *f, const uint8_t *octets)
{
    struct seen *x = ctx;

    x->first = x->n == 0 ? f->serial : x->first;
    x->wrong |= f->serial <= x->last || f->len != f->serial * 37 % 1400;
    for (uint32_t i = 0; i < f->len; i++)
        x->wrong |= octets[i] != (f->serial & 0xff);
    x->last = f->serial;
    x->n++;
    return ERR_OK;
}

static struct seen read_all(uint64_t after, uint64_t upto, struct journal_found *found)
{
    struct seen x = { 0 };
    struct err e = { 0 };

    if (journal_read(dir, 3, after, upto, see, &x, found, &e) != ERR_OK)
        fail_msg("%s", e.msg);
    assert_false(x.wrong);
    return x;
}

static const struct journal_limits small = { .max_octets = 4u << 20, .file_octets = 1u << 18 };

static void written_is_read_and_writing_goes_on_after_a_new_start(void **s)
{
    struct journal_found found;
    struct journal *j = open_at(&small, 0);
    struct err e;
    struct seen x;

    (void)s;
    for (uint64_t n = 1; n < 1000; n += 100)
        assert_int_equal(put(j, n, n + 99), ERR_OK);
    assert_int_equal(journal_sync(j, &e), ERR_OK);
    journal_close(j);
    j = open_at(&small, 1000);
    assert_int_equal(put(j, 1001, 1500), ERR_OK);
    x = read_all(300, UINT64_MAX, &found);
    assert_true(x.first == 301 && x.last == 1500 && x.n == 1200);
    assert_true(found.damaged_places == 0 && found.frames_lost == 0);
    x = read_all(0, 777, &found);
    assert_true(x.first == 1 && x.last == 777 && x.n == 777);
    journal_close(j);
}

static void files_are_written_over_and_what_they_held_does_not_come_back(void **s)
{
    struct journal_found found;
    struct journal_state st;
    struct journal *j = open_at(&small, 0);
    struct seen x;

    (void)s;
    for (uint64_t n = 1; n <= 50000; n += 50) {
        assert_int_equal(put(j, n, n + 49), ERR_OK);
        if (n > 500)
            journal_release(j, n - 500);
    }
    journal_get_state(j, &st);
    assert_true(st.files <= 6 && st.first <= 49501 && st.last == 50000);
    x = read_all(49451, UINT64_MAX, &found);
    assert_true(x.first == 49452 && x.last == 50000 && x.n == 549);
    assert_int_equal(found.damaged_places, 0);
    journal_close(j);
    journal_close(open_at(&small, 50000));
}

static void a_full_journal_says_so_and_goes_on_when_released(void **s)
{
    struct journal *j = open_at(&small, 0);
    uint64_t n = 1;
    struct journal_found found;
    struct seen x;

    (void)s;
    while (put(j, n, n + 49) == ERR_OK)
        n += 50;
    assert_true(n > 4000);
    assert_true(journal_last(j) < n + 49);
    journal_release(j, n - 1000);
    assert_int_equal(put(j, n + 50, n + 99), ERR_OK); /* what was refused is gone */
    x = read_all(n - 1000, UINT64_MAX, &found);
    assert_true(x.last == n + 99 && x.n >= 1050 && x.n <= 1100);
    journal_close(j);
}

static size_t whole_file(const char *name, uint8_t **out)
{
    struct os_map m;
    struct err e;
    char path[512];
    size_t n;

    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(os_map_file(&m, path, &e), ERR_OK);
    *out = t_dup(m.p, m.len);
    n = m.len;
    os_unmap(&m);
    return n;
}

static void store_file(const char *name, const uint8_t *p, size_t n)
{
    struct err e;
    char path[512];
    int fd;

    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(os_file_open(&fd, path, OS_OPEN_TRUNC, &e), ERR_OK);
    assert_int_equal(os_file_write(fd, path, 0, p, n, &e), ERR_OK);
    os_file_close(&fd);
}

/* A flip anywhere costs the frame that it hits, or the rest of the file's end, and is said. */
static void a_flipped_octet_costs_its_frame_only(void **s)
{
    struct journal_found found;
    struct journal *j = open_at(&small, 0);
    struct seen x;
    uint8_t *file;
    size_t n, end = 4096;

    (void)s;
    assert_int_equal(put(j, 1, 60), ERR_OK);
    journal_close(j);
    for (uint64_t k = 1; k <= 60; k++)
        end += (size_t)frame_room((uint32_t)(k * 37 % 1400));
    n = whole_file("03-0000.jnl", &file);
    for (size_t at = 0; at < end; at += 11) {
        file[at] ^= 0x10;
        store_file("03-0000.jnl", file, n);
        x = read_all(0, UINT64_MAX, &found);
        assert_true(x.n >= 59 || at < 4096);
        assert_true(at >= 4096 || x.n == 60);
        assert_true(x.n == 60 || found.frames_lost == 1 || x.last == 59);
        file[at] ^= 0x10;
    }
    for (size_t cut = 4096; cut < end; cut += 101) { /* a torn end is no damage */
        uint8_t *part = t_dup(file, n);
        memset(part + cut, 0, n - cut);
        store_file("03-0000.jnl", part, n);
        x = read_all(0, UINT64_MAX, &found);
        assert_true(x.n == x.last && found.damaged_places == 0);
        free(part);
    }
    free(file);
}

/* Datagrams full of what looks like frames of a far serial, as anybody may send them: where a file
 * is written over, the end of the new frames lies in the midst of an old one. */
static void a_sender_cannot_write_frames(void **s)
{
    struct journal *j = open_at(&small, 0);
    struct journal_found found;
    uint64_t n = 1;
    struct seen x;

    (void)s;
    for (; n <= 700; n++) {
        uint32_t room = (uint32_t)frame_room(1440);
        uint8_t *octets = calloc(1, room);
        struct frame *f = (struct frame *)(void *)octets;
        struct err e;
        assert_non_null(octets);
        *f = (struct frame){ .len = 1440, .serial = n };
        for (struct frame *g = f + 1; (uint8_t *)(g + 1) <= octets + room; g++) {
            *g = (struct frame){ .serial = UINT64_MAX - 1 };
            g->sum = frame_sum(g);
        }
        assert_int_equal(journal_write(j, octets, room, n, n, &e), ERR_OK);
        free(octets);
        if (n > 200)
            journal_release(j, n - 1);
    }
    for (; n <= 1400; n++) {
        assert_int_equal(put(j, n, n), ERR_OK);
        journal_release(j, n - 1);
        if (n % 50 == 0) {
            journal_close(j);
            j = open_at(&small, n);
        }
    }
    journal_close(j);
    x = read_all(1390, UINT64_MAX, &found);
    assert_true(x.n == 10 && x.last == 1400);
}

/* The sealer releases files while the journal thread waits for the disk to make the next one ready.
 */
static struct journal *release_in_sync;
static uint64_t release_upto;
int __real_os_file_sync(int fd, const char *path, struct err *e);
int __wrap_os_file_sync(int fd, const char *path, struct err *e);

int __wrap_os_file_sync(int fd, const char *path, struct err *e)
{
    if (release_in_sync != NULL)
        journal_release(release_in_sync, release_upto);
    return __real_os_file_sync(fd, path, e);
}

static void a_release_meanwhile_takes_no_file_that_is_made_ready(void **s)
{
    struct journal *j = open_at(&small, 0);
    struct journal_found found;
    struct journal_state st;
    struct seen x;
    uint64_t n = 1;

    (void)s;
    do {
        assert_int_equal(put(j, n, n), ERR_OK);
        n++;
        journal_get_state(j, &st);
    } while (st.files < 8);
    journal_release(j, n / 4); /* the next file is one of these */
    release_in_sync = j;
    for (uint64_t end = n + 1000; n < end; n++) { /* several files */
        release_upto = n - 400;
        assert_int_equal(put(j, n, n), ERR_OK);
    }
    release_in_sync = NULL;
    journal_close(j);
    x = read_all(n - 400, UINT64_MAX, &found);
    assert_int_equal(x.first, n - 399);
    assert_int_equal(x.n, 399);
    assert_int_equal(found.damaged_places, 0);
}

static void a_missing_file_is_counted(void **s)
{
    struct journal_found found;
    struct journal *j = open_at(&small, 0);
    struct seen x;
    char path[512];

    (void)s;
    for (uint64_t n = 1; n < 2000; n += 50)
        assert_int_equal(put(j, n, n + 49), ERR_OK);
    journal_close(j);
    (void)snprintf(path, sizeof path, "%s/03-0001.jnl", dir);
    assert_int_equal(os_unlink(path, NULL), ERR_OK);
    x = read_all(0, UINT64_MAX, &found);
    assert_int_equal(x.n + found.frames_lost, 2000);
    assert_true(found.damaged_places == 1 && x.last == 2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(written_is_read_and_writing_goes_on_after_a_new_start, fresh),
        cmocka_unit_test_setup(files_are_written_over_and_what_they_held_does_not_come_back, fresh),
        cmocka_unit_test_setup(a_full_journal_says_so_and_goes_on_when_released, fresh),
        cmocka_unit_test_setup(a_flipped_octet_costs_its_frame_only, fresh),
        cmocka_unit_test_setup(a_sender_cannot_write_frames, fresh),
        cmocka_unit_test_setup(a_release_meanwhile_takes_no_file_that_is_made_ready, fresh),
        cmocka_unit_test_setup_teardown(a_missing_file_is_counted, fresh, gone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
