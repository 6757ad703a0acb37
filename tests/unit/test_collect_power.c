/* Power cuts under the journal: what a sync has acknowledged is read again afterwards, whatever the
 * disk did with the rest, and writing goes on. Alone, with syncs after every write (sync) or after
 * some (async), and together with the cuts that let its files be written over. */
#include "unit.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "collect/journal.h"
#include "disk.h"
#include "os/file.h"
#include "told.h"

#define T0 INT64_C(1700000000000)

static char root[64], dir[80], data[80];
static const struct journal_limits small = { .max_octets = 1u << 20, .file_octets = 1 };

/* What is true when state n is acknowledged. */
static struct {
    uint64_t durable;  /* serial: acknowledged up to here */
    uint64_t written;  /* handed over up to here */
    uint64_t released; /* may be written over up to here: in segments */
} story[512];
static unsigned n_story;
static uint64_t most_lost;

static int setup(void **state)
{
    (void)state;
    if (disk_make_root(root, sizeof root) != 0)
        return 1;
    (void)snprintf(data, sizeof data, "%s/data", root);
    (void)snprintf(dir, sizeof dir, "%s/data/journal", root);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    disk_remove_below(root);
    return rmdir(root);
}

static uint32_t length(uint64_t serial)
{
    return (uint32_t)(serial * 7919 % 9000);
}

static void frames(struct buf *b, uint64_t first, uint64_t last)
{
    *b = buf_init(64u << 20);
    for (uint64_t n = first; n <= last; n++) {
        size_t at = b->len, room = (size_t)frame_room(length(n));
        struct frame *f;
        memset(buf_room(b, room), 0, room);
        f = (struct frame *)(void *)(b->p + at);
        *f = (struct frame){ .len = length(n), .serial = n, .received_ms = (int64_t)n, .port = 7 };
        memset(f + 1, (int)(n & 0xff), length(n));
        f->sum = frame_sum(f);
    }
}

static int put(struct journal *j, uint64_t first, uint64_t last, struct err *e)
{
    struct buf b;
    int rc;

    frames(&b, first, last);
    rc = journal_write(j, b.p, b.len, first, last, e);
    buf_free(&b);
    return rc;
}

struct seen {
    uint64_t last, n;
    uint8_t has[4096]; /* by serial */
    bool wrong;
};

static int see(void *ctx, const struct frame *f, const uint8_t *octets)
{
    struct seen *x = ctx;

    x->wrong |= f->serial <= x->last || f->len != length(f->serial) || f->serial >= sizeof x->has;
    for (uint32_t i = 0; i < f->len; i += 97)
        x->wrong |= octets[i] != (f->serial & 0xff);
    if (x->wrong)
        return ERR_CORRUPT;
    x->last = f->serial;
    x->has[f->serial] = 1;
    x->n++;
    return ERR_OK;
}

static void read_all(struct seen *x, uint64_t after)
{
    struct journal_found found;
    struct err e = { 0 };

    memset(x, 0, sizeof *x);
    if (journal_read(dir, 0, after, UINT64_MAX, see, x, &found, &e) != ERR_OK || x->wrong)
        fail_msg("%s%s: %s", x->wrong ? "wrong frame" : "", e.msg, disk_where());
}

static struct journal *open_journal(uint64_t *last)
{
    struct journal *j = NULL;
    struct err e = { 0 };

    if (os_mkdir(data, &e) != ERR_OK || os_mkdir(dir, &e) != ERR_OK ||
        journal_open(&j, dir, 0, &small, last, &e) != ERR_OK)
        fail_msg("%s: %s", e.msg, disk_where());
    return j;
}

/* All acknowledged frames behind `after` are there, and none that nobody wrote. */
static void held(const struct seen *x, uint64_t after, unsigned least, unsigned most)
{
    uint64_t lost = 0;

    for (uint64_t n = after + 1; n <= story[least].durable; n++)
        if (!x->has[n])
            fail_msg("frame %" PRIu64 " of %" PRIu64 " acknowledged ones is lost: %s", n,
                     story[least].durable, disk_where());
    if (x->last > story[most].written)
        fail_msg("frame %" PRIu64 " was never written: %s", x->last, disk_where());
    for (uint64_t n = story[least].durable + 1; n <= story[most].written; n++)
        lost += !x->has[n];
    most_lost = MAX(most_lost, lost);
}

/* It is written on behind what is there, and read again. */
static void goes_on(struct seen *before, uint64_t after)
{
    static struct seen x;
    uint64_t last, more;
    struct err e = { 0 };
    struct journal *j = open_journal(&last);

    if (last < before->last)
        fail_msg("goes on at %" PRIu64 ", behind it stands %" PRIu64 ": %s", last, before->last,
                 disk_where());
    more = MAX(last, after);
    journal_release(j, after);
    if (put(j, more + 1, more + 3, &e) != ERR_OK || journal_sync(j, &e) != ERR_OK)
        fail_msg("%s: %s", e.msg, disk_where());
    journal_close(j);
    read_all(&x, after);
    for (uint64_t n = after + 1; n <= more + 3; n++)
        if (x.has[n] != (n > more || before->has[n]))
            fail_msg("frame %" PRIu64 " after going on: %s", n, disk_where());
}

static void check_journal(void *ctx, unsigned least, unsigned most)
{
    static struct seen x;
    uint64_t after = story[most].released;

    (void)ctx;
    if (!os_is_dir(dir)) {
        assert_int_equal(story[least].durable, 0);
        return;
    }
    read_all(&x, after);
    held(&x, after, least, most);
    goes_on(&x, after);
}

static void next_state(struct disk_log *l, uint64_t durable, uint64_t written, uint64_t released)
{
    assert_true(n_story < ARRAY_LEN(story));
    story[n_story].durable = durable;
    story[n_story].written = written;
    story[n_story].released = released;
    disk_mark(l, n_story++);
}

static unsigned env_number(const char *name, unsigned otherwise)
{
    const char *p = getenv(name);

    return p != NULL ? (unsigned)strtoul(p, NULL, 10) : otherwise;
}

static void cut_power(struct disk_log *l, const char *what, unsigned tries,
                      void (*check)(void *ctx, unsigned least, unsigned most))
{
    unsigned seed = env_number("POWER_SEED", 1), ops;
    uint64_t n;

    disk_stop(l);
    ops = disk_log_ops(l);
    most_lost = 0;
    n = disk_replay(l, seed, env_number("POWER_TRIES", tries), check, NULL);
    print_message("%s: %u calls, %" PRIu64 " folders, seed %u; at most %" PRIu64
                  " datagrams lost that were not acknowledged\n",
                  what, ops, n, seed, most_lost);
    assert_true(n > ops);
    disk_log_free(l);
}

/* Pieces of some frames, a sync after every `group` of them; what is older than `keep` frames is
 * released, so that files are written over. The bound: no more is lost than one group, the one that
 * was being synced included. */
static void write_in_groups(unsigned pieces, unsigned group, const char *what)
{
    struct disk_log *l;
    struct journal *j;
    struct err e = { 0 };
    uint64_t last, n = 0, durable = 0, released = 0;

    disk_remove_below(root);
    n_story = 0;
    l = disk_record(root);
    next_state(l, 0, 0, 0);
    j = open_journal(&last);
    for (unsigned i = 1; i <= pieces; i++, n += 3) {
        /* from here on a cut may show them: the mark that ends it says they were written */
        assert_int_equal(put(j, n + 1, n + 3, &e), ERR_OK);
        if (i % group == 0) {
            assert_int_equal(journal_sync(j, &e), ERR_OK);
            durable = n + 3;
        }
        next_state(l, durable, n + 3, released);
        if (n > 60 && durable > released + 40) {
            released = durable - 40;
            journal_release(j, released);
            next_state(l, durable, n + 3, released);
        }
    }
    journal_close(j);
    cut_power(l, what, 2, check_journal);
    assert_true(most_lost <= 3 * group);
}

static void sync_loses_nothing_acknowledged(void **state)
{
    (void)state;
    write_in_groups(40, 1, "journal, sync");
    assert_true(most_lost <= 3); /* those on their way */
}

static void async_loses_one_group(void **state)
{
    (void)state;
    write_in_groups(40, 4, "journal, group commit");
    assert_true(most_lost > 3); /* or the test shows nothing */
}

/* ------------------------------------------------------------------ with cuts */

/* Row n was made of datagram n: what the segments and the journal behind the cut hold, together, is
 * every acknowledged one, once. */
static void check_both(void *ctx, unsigned least, unsigned most)
{
    static struct seen x;
    struct told t, want = { 0 };
    struct store *s;
    struct err e = { 0 };

    (void)ctx;
    if (!os_is_dir(dir)) {
        assert_int_equal(story[least].durable, 0);
        return;
    }
    if (store_open(&s, data, STORE_WRITE, "", &e) != ERR_OK)
        fail_msg("%s: %s", e.msg, disk_where());
    t = told_by(s);
    store_close(s);
    told_add(&want, 1, (uint32_t)t.at, 0);
    if (t.rows != want.rows || t.sum != want.sum || t.unreadable > 0 || t.checkpoint == UINT64_MAX)
        fail_msg("%" PRIu64 " rows in segments, the cut is at %" PRIu64 ": %s", t.rows, t.at,
                 disk_where());
    if (t.at < story[least].released || t.at > story[most].written)
        fail_msg("the cut is at %" PRIu64 ": %s", t.at, disk_where());
    read_all(&x, t.at);
    held(&x, t.at, least, most);
    goes_on(&x, t.at);
}

static void the_journal_and_cuts_together(void **state)
{
    struct told t = { 0 };
    struct disk_log *l;
    struct journal *j;
    struct store *s;
    struct err e = { 0 };
    uint64_t last, n = 0;

    (void)state;
    disk_remove_below(root);
    n_story = 0;
    l = disk_record(root);
    next_state(l, 0, 0, 0);
    j = open_journal(&last);
    assert_int_equal(store_open(&s, data, STORE_WRITE, "", &e), ERR_OK);
    for (unsigned i = 1; i <= 24; i++, n += 3) {
        assert_int_equal(put(j, n + 1, n + 3, &e), ERR_OK);
        if (i % 2 == 0)
            assert_int_equal(journal_sync(j, &e), ERR_OK);
        next_state(l, i % 2 == 0 ? n + 3 : n, n + 3, t.at);
        if (i % 6 != 0)
            continue;
        assert_int_equal(
            told_seal(s, &t, t.at + 1, (uint32_t)(n + 3 - t.at), T0 + (int64_t)n, n + 3, &e),
            ERR_OK);
        next_state(l, n + 3, n + 3, t.at);
        journal_release(j, t.at);
    }
    journal_close(j);
    store_close(s);
    cut_power(l, "journal and cuts", 2, check_both);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sync_loses_nothing_acknowledged),
        cmocka_unit_test(async_loses_one_group),
        cmocka_unit_test(the_journal_and_cuts_together),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
