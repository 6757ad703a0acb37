/* The Nth system call fails, for N = 1, 2, 3 ... until the step runs through unharmed: the code and
 * the text are right, nothing durable is lost, no descriptor and no memory stay behind, and the
 * next try without the fault succeeds. A fault hits one call, or that and all behind it. Of
 * allocations and of faults that stay, which are many, some are picked (CALLS_ALL=1: all). */
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

static char root[64], keep[64], dir[80], slow[80], copy[80], back[80];
static struct store *s; /* opened before the step; NULL: the step opens it */
static struct flow_batch *next;
static uint64_t tried;

static int setup(void **state)
{
    (void)state;
    if (disk_make_root(root, sizeof root) != 0 || disk_make_root(keep, sizeof keep) != 0)
        return 1;
    next = told_batch(NEXT, 5, 2, T0 + DAY_MS, true);
    (void)snprintf(dir, sizeof dir, "%s/data", root);
    (void)snprintf(slow, sizeof slow, "%s/slow", root);
    (void)snprintf(copy, sizeof copy, "%s/copy", root);
    (void)snprintf(back, sizeof back, "%s/back", root);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    flow_batch_unref(next);
    disk_remove_below(root);
    disk_remove_below(keep);
    return rmdir(root) | rmdir(keep);
}

/* ------------------------------------------------------------------ steps */

struct step {
    const char *name;
    int (*run)(struct err *e);
    bool opens;  /* the step opens the store itself */
    bool little; /* may do less than all without an error: the next time does the rest */
    void (*prepare)(void);
};

static int step_open(struct err *e)
{
    struct store *x = NULL;
    int rc = store_open(&x, dir, STORE_WRITE, "", e);

    assert_true((rc == ERR_OK) == (x != NULL));
    store_close(x);
    return rc;
}

static int step_seal(struct err *e)
{
    struct told ignored = { 0 };

    return told_seal_batch(s, &ignored, next, NEXT, 1000, e);
}

static int step_import(struct err *e)
{
    static const uint8_t sha[32] = { 9 };
    struct store_import *im;
    int rc = store_import_begin(s, "x.pcap", sha, &im, e);

    if (rc != ERR_OK)
        return rc;
    if ((rc = store_import_seal(im, &next, 1, e)) != ERR_OK) {
        store_import_abort(im);
        return rc;
    }
    return store_import_commit(im, e);
}

static int step_rewrite(struct err *e)
{
    int rc;

    os_lock(&s->log);
    rc = store_rewrite(s, e);
    os_unlock(&s->log);
    return rc;
}

static int step_compact(struct err *e)
{
    struct store_compact_options o = { .now_ms = INT64_MAX };
    struct store_compact_result r;
    int rc;

    do {
        rc = store_compact(s, &o, &r, e);
    } while (rc == ERR_OK && (r.merged > 0 || r.again));
    return rc;
}

static int step_retain(struct err *e)
{
    struct store_retention r = { .max_age_ms = 30 * DAY_MS,
                                 .slow_after_ms = 5 * DAY_MS,
                                 .n_classes = 1 };
    uint32_t removed;

    r.class[0] = (struct store_class){ .n_nets = 1, .max_age_ms = 7 * DAY_MS, .name = "lab" };
    if (!net_parse(&r.class[0].net[0], "10.0.0.0/8", 10, NULL))
        abort();
    for (unsigned i = 0; i < 2; i++) { /* what is written anew moves at the next time */
        int rc = store_retain(s, &r, T0, &removed, e);
        if (rc != ERR_OK)
            return rc;
    }
    return ERR_OK;
}

static int step_slow(struct err *e)
{
    return store_set_slow(s, slow, e);
}

static int step_snapshot(struct err *e)
{
    struct store_copy c = { .verify = true };

    return store_copy_to(s, copy, &c, e);
}

static int step_restore(struct err *e)
{
    struct store_copy c = { .verify = true };
    struct store *x;
    uint64_t count[3];
    int rc = store_verify_note(copy, count, e);

    if (rc == ERR_OK)
        rc = store_open(&x, copy, STORE_READ, "", e);
    if (rc != ERR_OK)
        return rc;
    rc = store_copy_to(x, back, &c, e);
    store_close(x);
    return rc;
}

static int step_repair(struct err *e)
{
    struct store_check c = { .repair = true };

    return store_check(dir, &c, e);
}

/* ------------------------------------------------------------------ what they begin with */

static struct store *open_store(void)
{
    struct store *x;
    struct err e = { 0 };

    if (store_open(&x, dir, STORE_WRITE, "", &e) != ERR_OK)
        fail_msg("%s", e.msg);
    return x;
}

static void plain(void)
{
    static const int days[] = { 40, 10, 6, 1 };
    struct told ignored = { 0 };
    struct store *x = open_store();
    struct err e = { 0 };

    for (unsigned i = 0; i < ARRAY_LEN(days); i++)
        if (told_seal(x, &ignored, 100 * (i + 1), 21, T0 - days[i] * DAY_MS, 10 * (i + 1), &e) !=
            ERR_OK)
            fail_msg("%s", e.msg);
    store_close(x);
}

static void of_one_day(void)
{
    struct told ignored = { 0 };
    struct store *x = open_store();
    struct err e = { 0 };

    for (unsigned i = 0; i < 3; i++)
        if (told_seal(x, &ignored, 100 * (i + 1), 21, T0 + i, 10 * (i + 1), &e) != ERR_OK)
            fail_msg("%s", e.msg);
    store_close(x);
}

static void with_slow(void)
{
    struct store *x;
    struct err e;

    plain();
    x = open_store();
    assert_int_equal(store_set_slow(x, slow, &e), ERR_OK);
    store_close(x);
}

static void with_a_copy(void)
{
    struct store_copy c = { 0 };
    struct store *x;
    struct err e;

    plain();
    x = open_store();
    assert_int_equal(store_copy_to(x, copy, &c, &e), ERR_OK);
    store_close(x);
}

static void change_file(const char *name, int64_t cut, int64_t flip)
{
    char path[160];
    struct os_stat st;
    struct err e;
    uint8_t octet;
    size_t got;
    int fd;

    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(os_file_stat(path, &st, &e), ERR_OK);
    assert_int_equal(os_file_open(&fd, path, OS_OPEN_CREATE, &e), ERR_OK);
    if (cut > 0)
        assert_int_equal(os_file_truncate(fd, path, st.octets - (uint64_t)cut, &e), ERR_OK);
    if (flip > 0) {
        assert_int_equal(os_file_read(fd, path, (uint64_t)flip, &octet, 1, &got, &e), ERR_OK);
        octet ^= 1;
        assert_int_equal(os_file_write(fd, path, (uint64_t)flip, &octet, 1, &e), ERR_OK);
    }
    os_file_close(&fd);
}

static void with_a_torn_record(void)
{
    plain();
    change_file("manifest", 9, 0);
}

static void without_a_manifest(void)
{
    char path[160];

    plain();
    (void)snprintf(path, sizeof path, "%s/manifest", dir);
    assert_int_equal(os_unlink(path, NULL), ERR_OK);
}

static int first_segment(void *ctx, const char *name)
{
    char *out = ctx;

    if (strstr(name, ".seg") != NULL && (out[0] == '\0' || strcmp(name, out) < 0))
        (void)snprintf(out, 64, "%s", name);
    return ERR_OK;
}

static void damaged(void)
{
    char name[64] = "";

    plain();
    assert_int_equal(os_dir_list(dir, first_segment, name, NULL), ERR_OK);
    change_file(name, 0, 200);
    change_file("manifest", 0, 40);
}

/* ------------------------------------------------------------------ the sweep */

static void begin(const struct step *x)
{
    disk_copy_tree(keep, root);
    s = x->opens ? NULL : open_store();
}

static struct told look(void)
{
    struct store *x = s != NULL ? s : open_store();
    struct told t = told_by(x);

    if (s == NULL)
        store_close(x);
    return t;
}

static void finish(void)
{
    store_close(s);
    s = NULL;
}

static void fault_text(const struct step *x, enum disk_fault f, int rc, const struct err *e)
{
    static const char *const fix[] = { "dmesg", "make room", "open files", "emory" };
    static const int code[] = { ERR_IO, ERR_IO, ERR_IO, ERR_NOMEM };

    if (rc == ERR_OK)
        return;
    if (rc != code[f] || e->code != rc || (f != DISK_ENOMEM && strchr(e->msg, '/') == NULL) ||
        strstr(e->msg, fix[f]) == NULL)
        fail_msg("%s, %s at %s: %s: \"%s\"", x->name, disk_fault_name[f], disk_failed(),
                 err_name(rc), e->msg);
}

static void same(const struct step *x, enum disk_fault f, const char *when,
                 const struct told *found, const struct told *want)
{
    char what[64];

    if (told_same(found, want))
        return;
    (void)snprintf(what, sizeof what, "%s", when);
    told_print("found", found);
    told_print("should be", want);
    fail_msg("%s, %s at %s: %s", x->name, disk_fault_name[f], disk_failed(), what);
}

/* Before or behind the step; between, where it does several things. */
static void between(const struct step *x, enum disk_fault f, int rc, const struct told *found,
                    const struct told *before, const struct told *after)
{
    uint64_t least = MIN(before->rows, after->rows), most = MAX(before->rows, after->rows);

    if (x->little && found->unreadable == 0 && found->rows >= least && found->rows <= most)
        return;
    if (rc != ERR_OK && told_same(found, before))
        return;
    same(x, f, rc == ERR_OK ? "done" : "refused", found, after);
}

/* True when the call was reached. */
static bool fail_one(const struct step *x, enum disk_fault f, uint64_t n, bool stays,
                     const struct told *before, const struct told *after, uint64_t *calls)
{
    unsigned files = disk_open_files();
    struct err e = { 0 };
    struct told t;
    bool reached;
    int rc;

    begin(x);
    disk_fail(f, n, stays, root);
    rc = x->run(&e);
    *calls = disk_calm();
    reached = disk_failed()[0] != '\0';
    tried += reached;
    if (!reached && rc != ERR_OK)
        fail_msg("%s: %s", x->name, e.msg);
    fault_text(x, f, rc, &e);
    if (stays) { /* a new start meets it */
        finish();
        s = x->opens ? NULL : open_store();
    }
    t = look();
    between(x, f, rc, &t, before, after);
    /* what ends with an error has not happened: once more. What succeeded must not happen again. */
    if ((rc != ERR_OK && (!told_same(&t, after) || told_same(before, after))) || x->little) {
        memset(&e, 0, sizeof e);
        rc = x->run(&e);
        if (rc == ERR_ARG && stays && strstr(e.msg, "is not empty") != NULL) {
            disk_remove_below(strncmp(e.msg, back, strlen(back)) == 0
                                  ? back
                                  : copy); /* nor could it be removed */
            rc = x->run(&e);
        }
        if (rc != ERR_OK)
            fail_msg("%s, %s at %s: the next try: %s", x->name, disk_fault_name[f], disk_failed(),
                     e.msg);
    }
    t = look();
    same(x, f, "after the next try", &t, after);
    finish();
    t = look();
    same(x, f, "after a new start", &t, after);
    if (disk_open_files() != files)
        fail_msg("%s, %s at %s: %u descriptors instead of %u", x->name, disk_fault_name[f],
                 disk_failed(), disk_open_files(), files);
    return reached;
}

/* All of the first twenty, and where a fault ends after one call, all calls. */
static uint64_t after_this(uint64_t n, enum disk_fault f, bool stays, bool dear)
{
    if (n < 20 || getenv("CALLS_ALL") != NULL)
        return n + 1;
    if (f == DISK_ENOMEM)
        return n + 1 + n / (dear ? 2 : 4);
    return n + (!stays ? 1 : dear ? 8 : 3);
}

static void sweep(const struct step *x)
{
    struct told before, after;
    struct err e = { 0 };
    uint64_t calls = 0;

    disk_remove_below(root);
    x->prepare();
    disk_copy_tree(root, keep);
    begin(x);
    before = look();
    finish();
    begin(x);
    if (x->run(&e) != ERR_OK)
        fail_msg("%s: %s", x->name, e.msg);
    after = look();
    finish();
    for (unsigned f = 0; f < DISK_FAULTS; f++) {
        for (unsigned stays = 0; stays < 2; stays++) {
            uint64_t n = 1, from = tried;
            while (fail_one(x, f, n, stays != 0, &before, &after, &calls))
                n = after_this(n, f, stays != 0, x->little);
            print_message("%s: %s%s, %" PRIu64 " of %" PRIu64 " calls failed\n", x->name,
                          disk_fault_name[f], stays ? " that stays" : "", tried - from, calls);
        }
    }
}

#define SWEEP(name_, text, opens_, little_, prepare_)                                   \
    static void sweep_##name_(void **state)                                             \
    {                                                                                   \
        static const struct step x = { text, step_##name_, opens_, little_, prepare_ }; \
        (void)state;                                                                    \
        sweep(&x);                                                                      \
    }
#define step_torn step_open
#define step_lost step_open
SWEEP(open, "open", true, false, with_slow)
SWEEP(torn, "open behind a torn record", true, false, with_a_torn_record)
SWEEP(lost, "open without a manifest", true, false, without_a_manifest)
SWEEP(seal, "seal with a cut", false, false, plain)
SWEEP(import, "import", false, false, plain)
SWEEP(rewrite, "manifest written anew", false, false, plain)
SWEEP(compact, "compaction", false, true, of_one_day)
SWEEP(retain, "retention", false, true, with_slow)
SWEEP(slow, "second directory", false, false, plain)
SWEEP(snapshot, "snapshot", false, false, plain)
SWEEP(restore, "restore", true, false, with_a_copy)
SWEEP(repair, "fsck --repair", true, true, damaged)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sweep_open),    cmocka_unit_test(sweep_torn),
        cmocka_unit_test(sweep_lost),    cmocka_unit_test(sweep_seal),
        cmocka_unit_test(sweep_import),  cmocka_unit_test(sweep_rewrite),
        cmocka_unit_test(sweep_compact), cmocka_unit_test(sweep_retain),
        cmocka_unit_test(sweep_slow),    cmocka_unit_test(sweep_snapshot),
        cmocka_unit_test(sweep_restore), cmocka_unit_test(sweep_repair),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
