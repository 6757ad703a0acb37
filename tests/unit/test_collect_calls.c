/* The Nth system call under the journal fails: of the journal alone (what is acknowledged stays,
 * the next try succeeds, nothing is left behind), and under a running collector: it goes on
 * receiving and decoding, says unsafe and why, counts what a crash would take, and is safe again
 * when the disk is. */
#include "unit.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/be.h"
#include "collect/collect.h"
#include "collect/journal.h"
#include "disk.h"
#include "os/clock.h"
#include "os/file.h"

static char root[64], keep[64], dir[80], data[80];
static const struct journal_limits small = { .max_octets = 1u << 20, .file_octets = 1 };

static int setup(void **state)
{
    (void)state;
    if (disk_make_root(root, sizeof root) != 0 || disk_make_root(keep, sizeof keep) != 0)
        return 1;
    (void)snprintf(dir, sizeof dir, "%s/journal", root);
    (void)snprintf(data, sizeof data, "%s/data", root);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    disk_remove_below(root);
    disk_remove_below(keep);
    return rmdir(root) | rmdir(keep);
}

/* ------------------------------------------------------------------ the journal alone */

#define OCTETS 20000u /* of a datagram: some fill a file */

static uint8_t piece[3 * (OCTETS + 64)];

static size_t make_frames(uint64_t first, uint64_t last)
{
    size_t at = 0;

    memset(piece, 0, sizeof piece);
    for (uint64_t n = first; n <= last; n++) {
        struct frame *f = (struct frame *)(void *)(piece + at);
        *f = (struct frame){ .len = OCTETS, .serial = n, .received_ms = 1, .port = 7 };
        memset(f + 1, (int)(n & 0xff), OCTETS);
        f->sum = frame_sum(f);
        at += (size_t)frame_room(OCTETS);
    }
    return at;
}

struct seen {
    uint64_t last;
    bool has[64], wrong;
};

static int see(void *ctx, const struct frame *f, const uint8_t *octets)
{
    struct seen *x = ctx;

    x->wrong |= f->serial <= x->last || f->serial >= ARRAY_LEN(x->has) || f->len != OCTETS ||
                octets[OCTETS - 1] != (f->serial & 0xff);
    if (x->wrong)
        return ERR_CORRUPT;
    x->last = f->serial;
    x->has[f->serial] = true;
    return ERR_OK;
}

/* Everything behind `after` up to `durable` is read; more may be. */
static void expect(uint64_t after, uint64_t durable)
{
    struct journal_found found;
    struct seen x = { 0 };
    struct err e = { 0 };

    if (journal_read(dir, 0, after, UINT64_MAX, see, &x, &found, &e) != ERR_OK)
        fail_msg("%s: %s", disk_failed(), e.msg);
    for (uint64_t n = after + 1; n <= durable; n++)
        if (!x.has[n])
            fail_msg("%s: frame %" PRIu64 " of %" PRIu64 " is lost", disk_failed(), n, durable);
}

/* What stands there at the beginning: frames 1 .. 9, of which 1 .. 4 are released. */
static void prepare(void)
{
    struct journal *j;
    struct err e = { 0 };
    uint64_t last;

    disk_remove_below(root);
    assert_int_equal(os_mkdir(dir, &e), ERR_OK);
    assert_int_equal(journal_open(&j, dir, 0, &small, &last, &e), ERR_OK);
    for (uint64_t n = 1; n <= 9; n += 3)
        assert_int_equal(journal_write(j, piece, make_frames(n, n + 2), n, n + 2, &e), ERR_OK);
    assert_int_equal(journal_sync(j, &e), ERR_OK);
    journal_close(j);
    disk_copy_tree(root, keep);
}

/* Open, write three pieces (a new file among it, and one written over), release, sync, read. */
static int run(uint64_t *durable, uint64_t *given_up, struct err *e)
{
    struct journal_found found;
    struct seen x = { 0 };
    struct journal *j;
    uint64_t last, n;
    int rc = journal_open(&j, dir, 0, &small, &last, e);

    *durable = 9;
    *given_up = 0;
    if (rc != ERR_OK)
        return rc;
    journal_release(j, 4);
    for (n = last + 1; n <= 24 && rc == ERR_OK; n += 3) {
        journal_release(j, n > 12 ? n - 8 : 4);
        rc = journal_write(j, piece, make_frames(n, n + 2), n, n + 2, e);
        if (rc == ERR_OK)
            rc = journal_sync(j, e);
        if (rc == ERR_OK)
            *durable = n + 2;
    }
    *given_up = journal_given_up(j);
    journal_close(j);
    return rc == ERR_OK ? journal_read(dir, 0, 16, UINT64_MAX, see, &x, &found, e) : rc;
}

static bool fail_one(enum disk_fault f, uint64_t at, bool stays, uint64_t *calls)
{
    static const int code[] = { ERR_IO, ERR_IO, ERR_IO, ERR_NOMEM };
    unsigned files = disk_open_files();
    uint64_t durable, given_up;
    struct err e = { 0 };
    bool reached;
    int rc;

    disk_copy_tree(keep, root);
    disk_fail(f, at, stays, root);
    rc = run(&durable, &given_up, &e);
    *calls = disk_calm();
    reached = disk_failed()[0] != '\0';
    if (rc != ERR_OK && (!reached || rc != code[f] || strstr(e.msg, "journal") == NULL))
        fail_msg("%s at %s: %s: \"%s\"", disk_fault_name[f], disk_failed(), err_name(rc), e.msg);
    if (reached && strncmp(disk_failed(), "fdatasync", 9) == 0 && given_up != 3)
        fail_msg("a failed sync gave up %" PRIu64 " frames", given_up);
    expect(durable > 11 ? durable - 7 : 4, durable); /* acknowledged, not released */
    rc = run(&durable, &given_up, &e);
    if (rc != ERR_OK || given_up != 0)
        fail_msg("%s at %s: the next try: %s", disk_fault_name[f], disk_failed(), e.msg);
    expect(17, 24);
    if (disk_open_files() != files)
        fail_msg("%s at %s: %u descriptors instead of %u", disk_fault_name[f], disk_failed(),
                 disk_open_files(), files);
    return reached;
}

static void every_call_of_the_journal_fails(void **state)
{
    (void)state;
    prepare();
    for (unsigned f = 0; f < DISK_FAULTS; f++) {
        for (unsigned stays = 0; stays < 2; stays++) {
            uint64_t n = 1, calls;
            while (fail_one(f, n, stays != 0, &calls))
                n++;
            print_message("journal: %s%s, %" PRIu64 " of %" PRIu64 " calls failed\n",
                          disk_fault_name[f], stays ? " that stays" : "", n - 1, calls);
        }
    }
}

/* A file that was begun and could not be allocated is none that can be written over as it is. */
static void a_file_begun_in_vain_is_made_whole(void **state)
{
    struct journal *j;
    struct err e = { 0 };
    struct os_stat st;
    char path[128];
    uint64_t last;

    (void)state;
    disk_remove_below(root);
    assert_int_equal(os_mkdir(dir, &e), ERR_OK);
    assert_int_equal(journal_open(&j, dir, 0, &small, &last, &e), ERR_OK);
    disk_fail(DISK_ENOSPC, 2, false, root); /* open, allocate */
    assert_int_equal(journal_write(j, piece, make_frames(1, 3), 1, 3, &e), ERR_IO);
    (void)disk_calm();
    assert_non_null(strstr(disk_failed(), "fallocate"));
    assert_int_equal(journal_last(j), 0);
    assert_int_equal(journal_write(j, piece, make_frames(1, 3), 1, 3, &e), ERR_OK);
    assert_int_equal(journal_sync(j, &e), ERR_OK);
    journal_close(j);
    (void)snprintf(path, sizeof path, "%s/00-0000.jnl", dir);
    assert_int_equal(os_file_stat(path, &st, &e), ERR_OK);
    assert_true(st.octets > 128u << 10);
    expect(0, 3);
}

/* ------------------------------------------------------------------ under a collector */

#define WAIT_MS 20000

static uint16_t free_port(void)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof a;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    (void)close(fd);
    return ntohs(a.sin_port);
}

/* NetFlow v5 with one record. */
static void send_one(int fd, uint16_t port, uint32_t sequence)
{
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_port = htons(port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    uint8_t p[72] = { 0 };
    uint64_t now_s = (uint64_t)clock_now_ms() / 1000;

    be_put(p, 5, 2);
    be_put(p + 2, 1, 2);
    be_put(p + 4, 100000, 4);
    be_put(p + 8, now_s, 4);
    be_put(p + 16, sequence, 4);
    be_put(p + 24, 0x0a000001, 4);
    be_put(p + 28, 0x0a000002, 4);
    be_put(p + 40, 1, 4);
    be_put(p + 44, 100, 4);
    be_put(p + 48, 90000, 4);
    be_put(p + 52, 95000, 4);
    p[62] = 6;
    assert_int_equal(sendto(fd, p, sizeof p, 0, (struct sockaddr *)&a, sizeof a), sizeof p);
}

struct state {
    uint64_t received, records, not_journaled;
    bool unsafe;
    char why[512];
};

static struct state state_of(struct collect *k)
{
    struct collect_status *st = calloc(1, sizeof *st);
    struct state x;
    struct err e;

    assert_non_null(st);
    assert_int_equal(collect_status(k, st, false, &e), ERR_OK);
    x = (struct state){ .received = st->received,
                        .records = st->records_open + st->records_sealed,
                        .not_journaled = st->not_journaled,
                        .unsafe = st->journal.unsafe };
    memcpy(x.why, st->journal.why, sizeof x.why);
    collect_status_free(st);
    free(st);
    return x;
}

/* Send until the journal is (un)safe and everything sent is decoded. */
static struct state send_until(struct collect *k, int fd, uint16_t port, uint32_t *sent,
                               bool unsafe)
{
    int64_t until = clock_mono_ms() + WAIT_MS;
    struct state x;

    do {
        send_one(fd, port, (*sent)++);
        clock_sleep_ms(20);
        x = state_of(k);
    } while (x.unsafe != unsafe && clock_mono_ms() < until);
    while (x.records < *sent && clock_mono_ms() < until) {
        clock_sleep_ms(20);
        x = state_of(k);
    }
    assert_int_equal(x.unsafe, unsafe);
    assert_int_equal(x.records, *sent); /* received and decoded, whatever the disk says */
    assert_int_equal(x.received, *sent);
    return x;
}

static void receiving_goes_on(const char *mode)
{
    static const enum disk_fault fault[] = { DISK_EIO, DISK_ENOSPC, DISK_EIO, DISK_ENOSPC };
    static const uint64_t at[] = { 1, 1, 2, 3 };
    uint16_t port = free_port();
    char listen[64];
    struct conf_setting set[] = {
        { OPT_LISTEN, listen },         { OPT_DATA, data },         { OPT_JOURNAL_MODE, mode },
        { OPT_JOURNAL_COMMIT, "10ms" }, { OPT_JOURNAL_SIZE, "2M" }, { OPT_RING_SIZE, "1M" },
        { OPT_RECEIVE_BUFFER, "64K" },  { OPT_HISTORY_KEEP, "1d" },
    };
    struct collect *k = NULL;
    struct store *s = NULL;
    struct conf *c = NULL;
    struct err e = { 0 };
    struct state x;
    char journal[96];
    uint32_t sent = 0;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    disk_remove_below(root);
    (void)snprintf(listen, sizeof listen, "udp://127.0.0.1:%u", port);
    (void)snprintf(journal, sizeof journal, "%s/journal", data);
    if (conf_make(&c, "", NULL, 0, set, ARRAY_LEN(set), &e) != ERR_OK ||
        store_open(&s, data, STORE_WRITE, "", &e) != ERR_OK || collect_new(&k, c, &e) != ERR_OK ||
        collect_start(k, s, &e) != ERR_OK)
        fail_msg("%s", e.msg);
    x = send_until(k, fd, port, &sent, false);
    for (unsigned i = 0; i < ARRAY_LEN(fault); i++) {
        uint64_t before = x.not_journaled;
        disk_fail(fault[i], at[i], true, journal);
        x = send_until(k, fd, port, &sent, true);
        if (strstr(x.why, journal) == NULL ||
            strstr(x.why, fault[i] == DISK_EIO ? "dmesg" : "make room") == NULL)
            fail_msg("%s", x.why);
        assert_true(x.not_journaled > before);
        (void)disk_calm();
        x = send_until(k, fd, port, &sent, false);
    }
    if (collect_stop(k, &e) != ERR_OK)
        fail_msg("%s", e.msg);
    collect_free(k);
    store_close(s);
    conf_unref(c);
    (void)close(fd);
    print_message("collector, %s: %u datagrams, all decoded; %" PRIu64 " without a journal\n", mode,
                  sent, x.not_journaled);
}

static void receiving_goes_on_in_mode_async(void **state)
{
    (void)state;
    receiving_goes_on("async");
}

static void receiving_goes_on_in_mode_sync(void **state)
{
    (void)state;
    receiving_goes_on("sync");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_of_the_journal_fails),
        cmocka_unit_test(a_file_begun_in_vain_is_made_whole),
        cmocka_unit_test(receiving_goes_on_in_mode_async),
        cmocka_unit_test(receiving_goes_on_in_mode_sync),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
