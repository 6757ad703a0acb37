/* Files that are shortened while they are mapped: what a bad sector does to a reader. The process
 * goes on, what cannot be read is counted and named, the rest is as it was. What is lost is
 * computed here from the layout. */
#include "unit.h"

#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collect/journal.h"
#include "query/exec.h"
#include "random_batch.h"
#include "store/check.h"
#include "store/merge.h"
#include "store/read.h"

#define BLOCKS 6u
#define ROWS   900u
#define PAGE   4096u /* at most the system's: files are cut at its multiples */

static char dir[64], path[128];
static struct sigaction ours;

/* The test library takes the signal for itself before each test. */
static void take_signal(void)
{
    assert_int_equal(sigaction(SIGBUS, &ours, NULL), 0);
}

static int each_remove(void *ctx, const char *name)
{
    char at[512];

    (void)snprintf(at, sizeof at, "%s/%s", (const char *)ctx, name);
    if (os_is_dir(at)) {
        (void)os_dir_list(at, each_remove, at, NULL);
        (void)rmdir(at);
    } else {
        (void)os_unlink(at, NULL);
    }
    return ERR_OK;
}

/* One segment of six blocks. */
static int setup(void **state)
{
    struct rnd r = { 5 };
    int64_t t = 1700000000000;
    struct flow_batch *b[BLOCKS];
    struct store *s;

    (void)state;
    (void)snprintf(dir, sizeof dir, "/tmp/weir-test-XXXXXX");
    if (mkdtemp(dir) == NULL || store_open(&s, dir, STORE_WRITE, "", NULL) != ERR_OK)
        return 1;
    for (unsigned i = 0; i < BLOCKS; i++)
        b[i] = random_batch(&r, ROWS, 2, &t, 3, 1ull << COL_BYTES);
    assert_int_equal(store_seal(s, b, BLOCKS, NULL), ERR_OK);
    for (unsigned i = 0; i < BLOCKS; i++)
        flow_batch_unref(b[i]);
    store_close(s);
    (void)snprintf(path, sizeof path, "%s/seg-000000000001.seg", dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    (void)os_dir_list(dir, each_remove, dir, NULL);
    return rmdir(dir);
}

static void shorten(const char *file, uint64_t octets)
{
    assert_int_equal(truncate(file, (off_t)octets), 0);
}

/* Beyond `end`? */
static bool gone(struct seg_ref r, uint64_t end)
{
    return r.len > 0 && r.off + r.len > end;
}

/* Rows of the blocks of which anything lies behind `end`. */
static uint64_t rows_behind(const struct segment *s, uint64_t end)
{
    uint64_t rows = 0;

    for (uint32_t b = 0; b < s->rs.n_blocks; b++) {
        const struct seg_block *x = &s->block[b];
        bool bad = gone(x->extras, end);
        for (int c = 0; c < __builtin_popcountll(x->present); c++)
            bad |= gone(x->column[c].ref, end);
        rows += bad ? x->n : 0;
    }
    return rows;
}

/* ------------------------------------------------------------------ asking */

static int on_begin(struct answer_sink *s, const struct answer_head *h)
{
    (void)s;
    (void)h;
    return ERR_OK;
}
static int on_row(struct answer_sink *s, const struct answer_row *r)
{
    (void)s;
    (void)r;
    return ERR_OK;
}
static int on_end(struct answer_sink *s, const struct answer_end *e)
{
    (void)s;
    (void)e;
    return ERR_OK;
}

/* Every column and extra of every record. */
static void list_all(const struct snapshot *sn, struct query_stats *st)
{
    struct answer_sink sink = { on_begin, on_row, on_end };
    struct plan *p = calloc(1, sizeof *p);
    struct err e = { 0 };

    p->filter = expr_new(EXPR_CONST);
    p->filter->yes = true;
    p->view = VIEW_LIST;
    p->all_columns = true;
    p->to_ms = INT64_MAX;
    assert_int_equal(query_run(p, sn, &sink, NULL, st, &e), ERR_OK);
    plan_free(p);
}

/* At each page of the file: the answer lacks what lies behind it, whether it was read before (and
 * its checksums were found right) or not. */
static void a_question_goes_on(void **state)
{
    struct buf whole = buf_init(64u << 20);
    unsigned partly = 0;

    (void)state;
    take_signal();
    assert_int_equal(os_file_slurp(path, &whole, NULL), ERR_OK);
    assert_true(whole.len > 20 * PAGE);
    for (uint64_t end = whole.len / PAGE * PAGE; end >= PAGE; end -= MIN(end, 3 * PAGE)) {
        for (unsigned before = 0; before < 2; before++) {
            struct query_stats st;
            struct rowset *rs;
            struct snapshot sn;
            struct store *s;
            uint64_t rows;
            int fd;

            assert_int_equal(os_file_open(&fd, path, OS_OPEN_TRUNC, NULL), ERR_OK);
            assert_int_equal(os_file_write(fd, path, 0, whole.p, whole.len, NULL), ERR_OK);
            os_file_close(&fd);
            assert_int_equal(store_open(&s, dir, STORE_READ, "", NULL), ERR_OK);
            assert_int_equal(store_snapshot(s, &sn, NULL), ERR_OK);
            assert_int_equal(rowset_open(sn.sets[0], &rs, NULL), ERR_OK);
            if (before > 0) {
                list_all(&sn, &st);
                assert_false(st.incomplete);
                assert_int_equal(st.rows_matched, BLOCKS * ROWS);
            }
            shorten(path, end);
            rows = rows_behind(segment_of(rs), end);
            list_all(&sn, &st);
            assert_int_equal(st.rows_unreadable, rows);
            assert_int_equal(st.rows_matched, BLOCKS * ROWS - rows);
            assert_int_equal(st.incomplete, rows > 0);
            if (rows > 0)
                assert_non_null(strstr(st.message, "seg-000000000001"));
            partly += rows > 0 && rows < (uint64_t)BLOCKS * ROWS;
            rowset_unref(rs);
            snapshot_free(&sn);
            store_close(s);
        }
    }
    assert_true(partly > 4);
    buf_free(&whole);
}

static void not_even_the_footer(void **state)
{
    struct rowset *rs = NULL;
    struct os_map map;
    struct err e = { 0 };

    (void)state;
    take_signal();
    assert_int_equal(os_map_file(&map, path, &e), ERR_OK);
    assert_false(os_map_faulted(&map));
    shorten(path, 0);
    assert_int_equal(segment_open(&rs, "seg-1", map, true, &e), ERR_CORRUPT);
    assert_null(rs);
}

static void count(void *ctx, const struct seg_damage *d)
{
    unsigned *n = ctx;

    (void)d;
    (*n)++;
}

static void no_step(void *ctx, uint64_t octets)
{
    (void)ctx;
    (void)octets;
}

/* Tables that are loaded late, options, totals, index: refused, and the check names them all. */
static void every_table(void **state)
{
    struct rowset *rs = NULL;
    struct os_map map;
    struct seg_past past;
    struct rowset_option o;
    const struct marginal_row *row;
    uint64_t bits[64] = { 0 };
    uint8_t bad[BLOCKS];
    unsigned n = 0;
    uint32_t rows;

    (void)state;
    take_signal();
    assert_int_equal(os_map_file(&map, path, NULL), ERR_OK);
    assert_int_equal(segment_open(&rs, "seg-1", map, true, NULL), ERR_OK);
    shorten(path, 0);
    assert_int_equal(rs->ops->option(rs, 0, &o, NULL), ERR_CORRUPT);
    assert_int_equal(rs->ops->pages(rs, 1, bits, NULL), ERR_CORRUPT);
    assert_int_equal(rs->ops->marginal(rs, MARGINAL_PROTO, &row, &rows, NULL), ERR_CORRUPT);
    assert_int_equal(segment_past(rs, &past, NULL), ERR_CORRUPT);
    memset(bad, 0, sizeof bad);
    segment_verify(rs, bad, count, no_step, &n);
    assert_true(n > BLOCKS * 10);
    for (unsigned i = 0; i < BLOCKS; i++)
        assert_int_equal(bad[i], 1);
    rowset_unref(rs);
}

/* Nothing of it gets into another segment. */
static void a_merge_ends(void **state)
{
    struct rowset *rs[2];
    struct os_map map;
    struct merge_options o = { .id = 9 };
    struct merge_result r;
    struct err e = { 0 };
    char out[128];
    struct os_stat st;

    (void)state;
    take_signal();
    (void)snprintf(out, sizeof out, "%s/out", dir);
    for (unsigned i = 0; i < 2; i++) {
        char copy[160];
        (void)snprintf(copy, sizeof copy, "%s/copy-%u", dir, i);
        assert_int_equal(os_copy(path, copy, NULL, NULL, NULL), ERR_OK);
        assert_int_equal(os_map_file(&map, copy, NULL), ERR_OK);
        assert_int_equal(segment_open(&rs[i], copy, map, true, NULL), ERR_OK);
    }
    assert_int_equal(segment_merge(rs, 2, out, &o, &r, &e), ERR_OK);
    assert_int_equal(os_unlink(out, NULL), ERR_OK);
    (void)snprintf(out, sizeof out, "%s/copy-1", dir);
    shorten(out, 2 * PAGE);
    (void)snprintf(out, sizeof out, "%s/out", dir);
    assert_int_equal(segment_merge(rs, 2, out, &o, &r, &e), ERR_CORRUPT);
    assert_int_equal(r.damaged, 1);
    assert_int_equal(os_file_stat(out, &st, NULL), ERR_NOTFOUND);
    rowset_unref(rs[0]);
    rowset_unref(rs[1]);
}

/* ------------------------------------------------------------------ journal */

#define FRAMES 200u
#define LEN    1000u

static int see(void *ctx, const struct frame *f, const uint8_t *octets)
{
    uint64_t *last = ctx;
    char file[128];

    assert_int_equal(f->serial, *last + 1);
    if (f->serial == 10) { /* the rest of it, and of this frame, is gone */
        (void)snprintf(file, sizeof file, "%s/journal/00-0000.jnl", dir);
        shorten(file, 4096);
    }
    assert_int_equal(f->len, LEN);
    for (uint32_t i = 0; i < LEN; i++)
        assert_int_equal(octets[i], f->serial & 0xff);
    *last = f->serial;
    return ERR_OK;
}

static void a_journal_gives_what_it_has(void **state)
{
    struct journal_limits lim = { .max_octets = 4u << 20, .file_octets = 1u << 19 };
    struct buf b = buf_init(1u << 20);
    struct journal_found found;
    struct journal *j;
    uint64_t last = 0;
    char at[128];

    (void)state;
    take_signal();
    for (uint64_t n = 1; n <= FRAMES; n++) {
        size_t from = b.len, room = (size_t)frame_room(LEN);
        struct frame *f;
        memset(buf_room(&b, room), 0, room);
        f = (struct frame *)(void *)(b.p + from);
        *f = (struct frame){ .len = LEN, .serial = n };
        memset(f + 1, (int)(n & 0xff), LEN);
        f->sum = frame_sum(f);
    }
    (void)snprintf(at, sizeof at, "%s/journal", dir);
    assert_int_equal(os_mkdir(at, NULL), ERR_OK);
    assert_int_equal(journal_open(&j, at, 0, &lim, &last, NULL), ERR_OK);
    assert_int_equal(journal_write(j, b.p, b.len, 1, FRAMES, NULL), ERR_OK);
    journal_close(j);
    assert_int_equal(journal_read(at, 0, 0, UINT64_MAX, see, &last, &found, NULL), ERR_OK);
    assert_true(last >= 10 && last < 20);
    assert_int_equal(found.frames, last);
    buf_free(&b);
}

/* ------------------------------------------------------------------ others */

/* What is not ours is not hidden. */
static void a_foreign_map_still_kills(void **state)
{
    pid_t child;
    int status = 0;

    (void)state;
    take_signal();
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct os_map own;
        int fd;
        volatile const uint8_t *p;
        if (os_map_file(&own, path, NULL) != ERR_OK ||
            os_file_open(&fd, path, OS_OPEN_READ, NULL) != ERR_OK)
            _exit(1);
        p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
        shorten(path, 0);
        if (freopen("/dev/null", "w", stderr) == NULL)
            _exit(2);
        _exit(p[0] == 0 ? 2 : 3);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
}

int main(int argc, char **argv)
{
    struct os_map map;

    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_question_goes_on, setup, teardown),
        cmocka_unit_test_setup_teardown(not_even_the_footer, setup, teardown),
        cmocka_unit_test_setup_teardown(every_table, setup, teardown),
        cmocka_unit_test_setup_teardown(a_merge_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(a_journal_gives_what_it_has, setup, teardown),
        cmocka_unit_test_setup_teardown(a_foreign_map_still_kills, setup, teardown),
    };

    (void)argc;
    if (os_map_file(&map, argv[0], NULL) != ERR_OK || sigaction(SIGBUS, NULL, &ours) != 0)
        return 1;
    os_unmap(&map);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
