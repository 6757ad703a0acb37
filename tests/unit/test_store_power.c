/* Power cuts: whatever a disk may have written of a seal, a compaction, a retention, a manifest
 * written anew, or a recovery when the power goes, the store opens, and tells what it told before
 * or after that step, never less than was acknowledged. POWER_SEED, POWER_TRIES (random folders
 * beside the plain ones at each place). */
#include "unit.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "disk.h"
#include "os/file.h"
#include "told.h"

#define T0     INT64_C(1700000000000)
#define DAY_MS INT64_C(86400000)
#define NEXT   (1u << 30)

static char root[64], dir[80], slow[80];

/* What may be told, in the order in which it became true. */
static struct told story[64];
static unsigned n_story;
static uint64_t marked, rebuilt; /* folders */
static struct flow_batch *next;  /* what is sealed after each power cut */

static void begin(void)
{
    disk_remove_below(root);
    n_story = 0;
    marked = rebuilt = 0;
    memset(story, 0, sizeof story);
}

static int setup(void **state)
{
    (void)state;
    if (disk_make_root(root, sizeof root) != 0)
        return 1;
    next = told_batch(NEXT, 5, 2, T0 + 90 * DAY_MS, true);
    (void)snprintf(dir, sizeof dir, "%s/data", root);
    (void)snprintf(slow, sizeof slow, "%s/slow", root);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    flow_batch_unref(next);
    disk_remove_below(root);
    return rmdir(root);
}

static struct store *open_store(void)
{
    struct store *s;
    struct err e = { 0 };

    if (store_open(&s, dir, STORE_WRITE, "", &e) != ERR_OK)
        fail_msg("%s: %s", e.msg, disk_where());
    return s;
}

/* A next state: as the last one, to be changed. */
static struct told *next_state(void)
{
    assert_true(n_story < ARRAY_LEN(story));
    story[n_story] = n_story > 0 ? story[n_story - 1] : (struct told){ 0 };
    return &story[n_story++];
}

static void seal(struct store *s, uint64_t first, uint32_t n, int64_t ms, uint64_t at)
{
    struct err e = { 0 };

    if (told_seal(s, next_state(), first, n, ms, at, &e) != ERR_OK)
        fail_msg("%s", e.msg);
}

static void wrong(const struct told *found, unsigned least, unsigned most)
{
    told_print("found", found);
    for (unsigned i = least; i <= most; i++)
        told_print("could be", &story[i]);
    fail_msg("states %u to %u: %s", least, most, disk_where());
}

static bool look_for_damage(struct told *t)
{
    struct store_check c = { 0 };
    struct err e = { 0 };

    if (store_check(dir, &c, &e) != ERR_OK)
        fail_msg("%s: %s", e.msg, disk_where());
    return c.findings == 0 && c.rows == t->rows && c.options == t->options;
}

/* It opens, tells one of the states, holds nothing else, and goes on sealing. */
static void check(void *ctx, unsigned least, unsigned most)
{
    static unsigned turn;
    struct err e = { 0 };
    struct store_stats st;
    struct told t, after;
    struct store *s = open_store();
    unsigned i;

    (void)ctx;
    store_get_stats(s, &st);
    t = told_by(s);
    rebuilt += st.manifest_rebuilt;
    marked += t.unreadable > 0;
    for (i = least; i < most && !told_same(&t, &story[i]); i++)
        continue;
    if (!told_same(&t, &story[i]) || st.quarantined > 0)
        wrong(&t, least, most);
    after = t;
    if (told_seal_batch(s, &after, next, NEXT, t.at + 5, &e) != ERR_OK)
        fail_msg("%s: %s", e.msg, disk_where());
    store_close(s);
    if (turn++ % 8 == 0 && !look_for_damage(&after))
        fail_msg("damaged: %s", disk_where());
    s = open_store();
    t = told_by(s);
    if (!told_same(&t, &after)) {
        told_print("found", &t);
        told_print("should be", &after);
        fail_msg("after the next seal: %s", disk_where());
    }
    store_close(s);
}

static unsigned env_number(const char *name, unsigned otherwise)
{
    const char *p = getenv(name);

    return p != NULL ? (unsigned)strtoul(p, NULL, 10) : otherwise;
}

/* All power cuts of what was logged. */
static void cut_power(struct disk_log *l, const char *what)
{
    unsigned seed = env_number("POWER_SEED", 1), tries = env_number("POWER_TRIES", 12), ops;
    uint64_t n;

    disk_stop(l);
    ops = disk_log_ops(l);
    n = disk_replay(l, seed, tries, check, NULL);
    print_message("%s: %u calls, %" PRIu64 " folders, seed %u; %" PRIu64
                  " with the manifest made again, %" PRIu64 " marked\n",
                  what, ops, n, seed, rebuilt, marked);
    assert_int_equal(marked, 0); /* nothing here is lost, so nothing may be marked */
    assert_true(n * 2 > ops);
    disk_log_free(l);
}

/* ------------------------------------------------------------------ what is cut */

static void a_new_folder_and_seals(void **state)
{
    struct disk_log *l;
    struct store *s;

    (void)state;
    begin();
    l = disk_record(root);
    (void)next_state(); /* nothing */
    disk_mark(l, 0);
    s = open_store();
    for (unsigned i = 0; i < 3; i++) {
        seal(s, 1 + i * 100, 20 + i, T0 + i, 10 * (i + 1));
        disk_mark(l, n_story - 1);
    }
    store_close(s);
    cut_power(l, "seals with cuts");
}

static void an_import(void **state)
{
    static const uint8_t sha[32] = { 1, 2, 3 };
    struct store_import *im;
    struct disk_log *l;
    struct store *s;
    struct err e = { 0 };

    (void)state;
    begin();
    s = open_store();
    seal(s, 1, 20, T0, 10);
    l = disk_record(root);
    disk_mark(l, 0);
    assert_int_equal(store_import_begin(s, "x.pcap", sha, &im, &e), ERR_OK);
    (void)next_state();
    for (unsigned i = 0; i < 2; i++) {
        struct flow_batch *b = told_batch(1000 + i * 100, 30, 1, T0 + 5, false);
        assert_int_equal(store_import_seal(im, &b, 1, &e), ERR_OK);
        flow_batch_unref(b);
        told_add(&story[1], 1000 + i * 100, 30, 1);
    }
    assert_int_equal(store_import_commit(im, &e), ERR_OK);
    disk_mark(l, 1);
    store_close(s);
    cut_power(l, "an import");
}

static void compact_all(struct store *s, struct disk_log *l)
{
    struct store_compact_options o = { .now_ms = INT64_MAX };
    struct store_compact_result r;
    struct err e = { 0 };

    do {
        if (store_compact(s, &o, &r, &e) != ERR_OK)
            fail_msg("%s", e.msg);
        (void)next_state();
        disk_mark(l, n_story - 1);
    } while (r.merged > 0);
}

static void forget_the_past(void)
{
    story[0] = story[n_story - 1];
    n_story = 1;
}

/* Twice, so that what was merged is merged again, with seals between. Then records that are not
 * preceded by a sync of the directory: where they are torn, files whose removal is not durable yet
 * must not be taken for what they name. */
static void a_compaction(void **state)
{
    struct store_retention old = { .max_age_ms = 30 * DAY_MS };
    struct disk_log *l;
    struct store *s;
    struct err e = { 0 };
    uint32_t removed;

    (void)state;
    begin();
    s = open_store();
    seal(s, 2000, 20, T0 - 40 * DAY_MS, 5);
    for (unsigned i = 0; i < 4; i++)
        seal(s, 1 + i * 100, 20, T0 + i, 10 * (i + 1));
    store_close(s);
    s = open_store(); /* and none of it in the cache */
    forget_the_past();
    l = disk_record(root);
    disk_mark(l, 0);
    compact_all(s, l);
    assert_true(n_story > 2);
    seal(s, 1000, 20, T0 + 10, 60);
    disk_mark(l, n_story - 1);
    compact_all(s, l);
    told_less(next_state(), 2000, 20, 2);
    if (store_retain(s, &old, T0, &removed, &e) != ERR_OK)
        fail_msg("%s", e.msg);
    disk_mark(l, n_story - 1);
    assert_int_equal(removed, 1);
    os_lock(&s->log);
    s->m.reserved = s->m.next_id; /* the next number wants a record */
    os_unlock(&s->log);
    seal(s, 1100, 20, T0 + 11, 70);
    disk_mark(l, n_story - 1);
    store_close(s);
    cut_power(l, "compactions");
}

/* Segments that go, that are written anew without a class, and that move. */
static void a_retention(void **state)
{
    struct store_retention r = { .max_age_ms = 30 * DAY_MS,
                                 .slow_after_ms = 5 * DAY_MS,
                                 .n_classes = 1 };
    struct told *t;
    struct disk_log *l;
    struct store *s;
    struct err e = { 0 };
    uint32_t removed;

    (void)state;
    begin();
    r.class[0] = (struct store_class){ .n_nets = 1, .max_age_ms = 7 * DAY_MS, .name = "lab" };
    assert_true(net_parse(&r.class[0].net[0], "10.0.0.0/8", 10, NULL));
    s = open_store();
    assert_int_equal(store_set_slow(s, slow, &e), ERR_OK);
    seal(s, 100, 21, T0 - 40 * DAY_MS, 10); /* goes */
    seal(s, 200, 21, T0 - 41 * DAY_MS, 20); /* goes */
    seal(s, 300, 21, T0 - 10 * DAY_MS, 30); /* the class goes, later it moves */
    seal(s, 400, 21, T0 - 9 * DAY_MS, 40);  /* the same */
    seal(s, 500, 21, T0 - 6 * DAY_MS, 50);  /* moves */
    seal(s, 600, 21, T0 - 1 * DAY_MS, 60);
    forget_the_past();
    l = disk_record(root);
    disk_mark(l, 0);
    t = next_state(); /* one record for both */
    told_less(t, 100, 21, 2);
    told_less(t, 200, 21, 2);
    told_less_thirds(next_state(), 300, 21);
    told_less_thirds(next_state(), 400, 21);
    if (store_retain(s, &r, T0, &removed, &e) != ERR_OK)
        fail_msg("%s", e.msg);
    assert_int_equal(removed, 2);
    disk_mark(l, 3);
    (void)next_state(); /* those that were written anew move at the next time */
    if (store_retain(s, &r, T0, &removed, &e) != ERR_OK)
        fail_msg("%s", e.msg);
    disk_mark(l, 4);
    store_close(s);
    cut_power(l, "a retention");
}

static void a_manifest_written_anew(void **state)
{
    struct disk_log *l;
    struct store *s;
    struct err e = { 0 };

    (void)state;
    begin();
    s = open_store();
    for (unsigned i = 0; i < 5; i++)
        seal(s, 1 + i * 100, 20, T0 + i, 10 * (i + 1));
    forget_the_past();
    l = disk_record(root);
    disk_mark(l, 0);
    os_lock(&s->log);
    if (store_rewrite(s, &e) != ERR_OK)
        fail_msg("%s", e.msg);
    os_unlock(&s->log);
    (void)next_state();
    disk_mark(l, 1);
    seal(s, 1000, 20, T0 + 10, 60);
    disk_mark(l, n_story - 1);
    store_close(s);
    cut_power(l, "a manifest written anew");
}

/* A seal. */
static int step_seal(struct store *s, struct flow_batch *b, struct told *t, struct err *e)
{
    return told_seal_batch(s, t, b, 1000, 20, e);
}

/* A manifest written anew, which is no matter if it fails, and a record without an fsync of the
 * directory before it. */
static int step_rewrite(struct store *s, struct flow_batch *b, struct told *t, struct err *e)
{
    struct store_retention old = { .max_age_ms = 30 * DAY_MS };
    uint32_t removed;
    int rc;

    (void)b;
    os_lock(&s->log);
    rc = store_rewrite(s, e);
    os_unlock(&s->log);
    if (rc != ERR_OK)
        (void)disk_calm();
    rc = store_retain(s, &old, T0, &removed, e);
    if (rc == ERR_OK)
        told_less(t, 1, 20, 2);
    return rc;
}

/* A call of a step fails, or all from that one on, it is tried again without, and then the power
 * goes: the first try may not count beside the second one, nor leave a record without what it
 * names, nor may a manifest take records with it whose name is not durable. */
static void after_a_fault(int (*step)(struct store *, struct flow_batch *, struct told *,
                                      struct err *),
                          enum disk_fault f, bool stays, const char *what)
{
    struct flow_batch *b = told_batch(1000, 20, 2, T0 + 10, true);
    uint64_t folders = 0;
    unsigned at = 0;
    bool reached;

    do {
        struct disk_log *l;
        struct store *s;
        struct err e = { 0 };
        begin();
        s = open_store();
        seal(s, 1, 20, T0 - 40 * DAY_MS, 10);
        l = disk_record(root);
        disk_mark(l, 0);
        (void)next_state();
        disk_fail(f, ++at, stays, root);
        if (step(s, b, &story[1], &e) != ERR_OK) {
            (void)disk_calm();
            if (step(s, b, &story[1], &e) != ERR_OK)
                fail_msg("%s", e.msg);
        }
        (void)disk_calm();
        reached = disk_failed()[0] != '\0';
        disk_mark(l, 1);
        seal(s, 2000, 20, T0 + 20, 30);
        disk_mark(l, 2);
        store_close(s);
        folders +=
            disk_replay(l, env_number("POWER_SEED", 1), env_number("POWER_TRIES", 1), check, NULL);
        assert_int_equal(marked, 0);
        disk_log_free(l);
    } while (reached);
    print_message("%s, %s%s at each of %u calls: %" PRIu64 " folders\n", what, disk_fault_name[f],
                  stays ? " that stays" : "", at - 1, folders);
    assert_true(at > 4);
    flow_batch_unref(b);
}

static void a_seal_that_failed_once(void **state)
{
    (void)state;
    after_a_fault(step_seal, DISK_EIO, false, "a seal");
    after_a_fault(step_seal, DISK_ENOSPC, true, "a seal");
}

static void a_manifest_that_failed_once(void **state)
{
    (void)state;
    after_a_fault(step_rewrite, DISK_EIO, false, "a manifest written anew");
    after_a_fault(step_rewrite, DISK_ENOSPC, true, "a manifest written anew");
}

/* The power goes once more, in the recovery. */
static void a_recovery(const char *what, unsigned chop)
{
    struct disk_log *l;
    struct store *s;
    char path[128];
    struct err e = { 0 };
    struct os_stat st;
    int fd;

    begin();
    s = open_store();
    for (unsigned i = 0; i < 4; i++)
        seal(s, 1 + i * 100, 20, T0 + i, 10 * (i + 1));
    store_close(s);
    (void)snprintf(path, sizeof path, "%s/manifest", dir);
    if (chop == 0) {
        assert_int_equal(os_unlink(path, &e), ERR_OK);
    } else { /* what a torn last record is: segment and checkpoint stand there already */
        assert_int_equal(os_file_stat(path, &st, &e), ERR_OK);
        assert_int_equal(os_file_open(&fd, path, OS_OPEN_CREATE, &e), ERR_OK);
        assert_int_equal(os_file_truncate(fd, path, st.octets - chop, &e), ERR_OK);
        os_file_close(&fd);
    }
    forget_the_past();
    l = disk_record(root);
    disk_mark(l, 0);
    s = open_store();
    (void)next_state();
    disk_mark(l, 1);
    seal(s, 1000, 20, T0 + 10, 60);
    disk_mark(l, 2);
    store_close(s);
    cut_power(l, what);
}

static void a_recovery_of_a_torn_record(void **state)
{
    (void)state;
    a_recovery("recovery of a torn record", 9);
}

static void a_recovery_of_a_lost_manifest(void **state)
{
    (void)state;
    a_recovery("recovery of a lost manifest", 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_folder_and_seals),
        cmocka_unit_test(an_import),
        cmocka_unit_test(a_compaction),
        cmocka_unit_test(a_retention),
        cmocka_unit_test(a_manifest_written_anew),
        cmocka_unit_test(a_seal_that_failed_once),
        cmocka_unit_test(a_manifest_that_failed_once),
        cmocka_unit_test(a_recovery_of_a_torn_record),
        cmocka_unit_test(a_recovery_of_a_lost_manifest),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
