/* A bit flipped anywhere in journals and days of history, and files removed: what is lost is
 * computed here from the layout, and compared with what the check says, what a reader gets, and
 * what a repair leaves. usage: test_collect_check [FLIPS] */
#include "unit.h"

#include <stdio.h>
#include <unistd.h>

#include "collect/check.h"
#include "collect/history.h"
#include "collect/history_file.h"
#include "collect/journal.h"
#include "collect/past.h"
#include "decode/checkpoint.h"
#include "os/file.h"

#define SEALED 20u /* of shard 0, as the last cut says */
#define LAST   300u
#define HEAD   4096u

static char dir[64];
static unsigned flips = 80;

static int each_remove(void *ctx, const char *name)
{
    char path[512];

    (void)snprintf(path, sizeof path, "%s/%s", (const char *)ctx, name);
    if (os_is_dir(path)) {
        (void)os_dir_list(path, each_remove, path, NULL);
        (void)rmdir(path);
    } else {
        (void)os_unlink(path, NULL);
    }
    return ERR_OK;
}

/* ------------------------------------------------------------------ layout */

static uint32_t len_of(uint64_t serial)
{
    return (uint32_t)(serial * 37 % 1400);
}

static void frames(struct buf *b, uint64_t first, uint64_t last)
{
    *b = buf_init(4u << 20);
    for (uint64_t n = first; n <= last; n++) {
        size_t at = b->len, room = (size_t)frame_room(len_of(n));
        struct frame *f;
        memset(buf_room(b, room), 0, room);
        f = (struct frame *)(void *)(b->p + at);
        *f = (struct frame){ .len = len_of(n), .serial = n };
        memset(f + 1, (int)(n & 0xff), len_of(n));
        f->sum = frame_sum(f);
    }
}

/* Two files of shard 0; the first holds 1 .. *in_first. */
static uint64_t in_first;

static void put_journal(void)
{
    struct journal_limits lim = { .max_octets = 4u << 20, .file_octets = 1 };
    char path[128];
    uint64_t last, at = HEAD, n = 0;
    struct os_stat st;
    struct journal *j;
    struct buf b;

    (void)snprintf(path, sizeof path, "%s/journal", dir);
    assert_int_equal(os_mkdir(path, NULL), ERR_OK);
    assert_int_equal(journal_open(&j, path, 0, &lim, &last, NULL), ERR_OK);
    frames(&b, 1, LAST);
    assert_int_equal(journal_write(j, b.p, b.len, 1, LAST, NULL), ERR_OK);
    buf_free(&b);
    journal_close(j);
    (void)snprintf(path, sizeof path, "%s/journal/00-0000.jnl", dir);
    assert_int_equal(os_file_stat(path, &st, NULL), ERR_OK);
    while (at + frame_room(len_of(n + 1)) <= st.octets)
        at += frame_room(len_of(++n));
    in_first = n;
    assert_true(n > 100 && n < LAST - 50);
}

/* A few minutes of two exporters, with a gap here and there. */
static void put_day(const char *name, int64_t from_ms)
{
    struct history_exporter x[2] = { { .number = 0, .datagrams = 10, .records = 300 },
                                     { .number = 1, .datagrams = 5, .records = 20 } };
    struct buf b = buf_init(1u << 20);
    char path[128];

    history_put_head(&b);
    history_put_begin(&b, 0, from_ms);
    for (unsigned i = 0; i < 2; i++) {
        x[i].key.addr = addr_from_v4(0xc0000201u + i);
        x[i].key.version = 9;
        history_put_exporter(&b, &x[i]);
    }
    for (int64_t i = 0; i < 30; i++) {
        struct history_minute m = {
            .from_ms = from_ms + i * 60000, .to_ms = from_ms + (i + 1) * 60000, .x = x, .n = 2
        };
        struct gap g = { .reason = GAP_DOWN,
                         .whose = GAP_OF_WEIR,
                         .from_ms = m.from_ms + 1000,
                         .to_ms = m.from_ms + 3000 };
        m.own[OWN_KERNEL] = i % 4 == 0 ? 7 : 0;
        x[i % 2].lost = i % 3;
        history_put_minute(&b, &m);
        if (i % 7 == 0)
            history_put_gap(&b, &g);
    }
    (void)snprintf(path, sizeof path, "%s/history", dir);
    assert_int_equal(os_mkdir(path, NULL), ERR_OK);
    (void)snprintf(path, sizeof path, "%s/history/%s", dir, name);
    assert_int_equal(os_file_replace(path, &b, NULL), ERR_OK);
    buf_free(&b);
}

static struct buf state; /* what the collector kept at the cut */

static void put_store(void)
{
    const struct decoder_limits lim = { .max_exporters = 6 };
    struct shard_cut c = { .serial = SEALED, .decoder = buf_init(1u << 20) };
    struct store_cut cut = { .n_shards = 1, .journal = { SEALED }, .checkpoint = &state };
    struct decoder *d;
    struct store *s;

    state = buf_init(1u << 20);
    assert_int_equal(decoder_new(&d, &lim), ERR_OK);
    assert_int_equal(decoder_save(d, &c.decoder), ERR_OK);
    past_put_head(&state, 1, 0, 0);
    past_put_shard(&state, &c);
    assert_int_equal(store_open(&s, dir, STORE_WRITE, "", NULL), ERR_OK);
    assert_int_equal(store_seal_cut(s, NULL, 0, &cut, NULL, NULL, NULL), ERR_OK);
    store_close(s);
    decoder_free(d);
    buf_free(&c.decoder);
}

static int setup(void **x)
{
    (void)x;
    (void)snprintf(dir, sizeof dir, "/tmp/weir-test-XXXXXX");
    if (mkdtemp(dir) == NULL)
        return 1;
    put_store();
    put_journal();
    put_day("2023-11-14.his", 1700000000000);
    put_day("2023-11-15.his", 1700086400000);
    return 0;
}

static int teardown(void **x)
{
    (void)x;
    buf_free(&state);
    (void)os_dir_list(dir, each_remove, dir, NULL);
    return rmdir(dir);
}

/* ------------------------------------------------------------------ looking */

struct seen {
    unsigned n, notes;
    struct store_finding f[64];
};

static void on_found(void *ctx, const struct store_finding *f)
{
    struct seen *s = ctx;

    s->notes += f->note;
    if (s->n < 64)
        s->f[s->n++] = *f;
}

static struct store_check check(bool repair, struct seen *seen)
{
    struct store_check c = { .repair = repair, .found = on_found, .ctx = seen };
    struct err e = { 0 };

    memset(seen, 0, sizeof *seen);
    if (store_check(dir, &c, &e) != ERR_OK || collect_check(dir, &c, &e) != ERR_OK)
        fail_msg("%s", e.msg);
    return c;
}

static struct buf load(const char *name)
{
    struct buf b = buf_init(4u << 20);
    char path[128];

    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(os_file_slurp(path, &b, NULL), ERR_OK);
    return b;
}

static void store_as(const char *name, const struct buf *b)
{
    char path[128];

    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(os_file_replace(path, b, NULL), ERR_OK);
}

static uint64_t rnd_state = 4711;

static uint64_t rnd(void)
{
    rnd_state ^= rnd_state << 13;
    rnd_state ^= rnd_state >> 7;
    rnd_state ^= rnd_state << 17;
    return rnd_state >> 11;
}

/* Do the octets named by a finding hold this one? */
static bool names(const struct store_finding *f, uint64_t at)
{
    uint64_t from = 0, to = 0;

    return sscanf(f->part, "octets %lu to %lu", &from, &to) == 2 ? at >= from && at < to : true;
}

static void all_is_well(void **x)
{
    struct seen seen;
    struct store_check c = check(false, &seen);

    (void)x;
    assert_int_equal(seen.n, 0);
    assert_int_equal(c.findings, 0);
    assert_int_equal(c.datagrams, LAST - SEALED);
    assert_int_equal(c.datagrams_lost, 0);
    assert_int_equal(collect_check_drafts(dir, NULL), ERR_OK);
}

/* ------------------------------------------------------------------ journal */

static int right(void *ctx, const struct frame *f, const uint8_t *octets)
{
    uint64_t *n = ctx;

    assert_int_equal(f->len, len_of(f->serial));
    for (uint32_t i = 0; i < f->len; i++)
        assert_int_equal(octets[i], f->serial & 0xff);
    (*n)++;
    return ERR_OK;
}

static uint64_t readable(void)
{
    struct journal_found found;
    uint64_t n = 0;
    char path[128];

    (void)snprintf(path, sizeof path, "%s/journal", dir);
    assert_int_equal(journal_read(path, 0, SEALED, UINT64_MAX, right, &n, &found, NULL), ERR_OK);
    return n;
}

/* The frame that holds this octet of a file that begins with `serial`; 0: none. *inside is the
 * octet's place in it. */
static uint64_t serial_at(uint64_t serial, uint64_t last, uint64_t at, uint64_t *inside)
{
    uint64_t from = HEAD;

    for (; serial <= last; from += frame_room(len_of(serial++)))
        if (at >= from && at < from + frame_room(len_of(serial))) {
            *inside = at - from;
            return serial;
        }
    return 0;
}

static void flip_journal(const char *name, uint64_t first, uint64_t last, bool repair)
{
    static const char *const files[] = { "journal/00-0000.jnl", "journal/00-0001.jnl" };
    struct buf b = load(name), bad = load(name), all[2] = { load(files[0]), load(files[1]) };
    uint64_t end = HEAD, inside = 0, at, serial, lost = 0;
    struct store_check c;
    struct seen seen;

    for (uint64_t n = first; n <= last; n++)
        end += frame_room(len_of(n));
    at = rnd() % 10 == 0 ? rnd() % 44 : HEAD + rnd() % (end - HEAD);
    serial = serial_at(first, last, at, &inside);
    bad.p[at] ^= (uint8_t)(1u << rnd() % 8);
    store_as(name, &bad);
    if (serial > SEALED && inside < sizeof(struct frame) + len_of(serial))
        lost = 1;
    c = check(false, &seen);
    /* of the last one it is told only if it still looks like one */
    if (serial == LAST && c.datagrams_lost == 0 && inside >= 4 && inside < sizeof(struct frame))
        lost = 0;
    if (c.datagrams_lost != lost)
        fail_msg("%s: octet %lu, in datagram %lu at %lu: %lu lost, not %lu", name, at, serial,
                 inside, c.datagrams_lost, lost);
    assert_int_equal(readable(), LAST - SEALED - lost -
                                     (serial == LAST && lost == 0 &&
                                      inside < sizeof(struct frame) + len_of(LAST)));
    assert_int_equal(c.findings, lost);
    assert_int_equal(seen.n, at < 44 ? 1 : lost);
    if (lost > 0) {
        assert_int_equal(seen.f[0].datagrams, 1);
        assert_true(names(&seen.f[0], at));
        if (serial != in_first)
            assert_string_equal(seen.f[0].file, name);
    }
    if (repair && seen.n > 0) {
        c = check(true, &seen);
        assert_int_equal(c.quarantined, 1);
        c = check(false, &seen);
        assert_int_equal(seen.n, 0);
        assert_int_equal(readable(), LAST - SEALED - lost);
    }
    for (unsigned i = 0; i < 2; i++) { /* a repair may have written either */
        store_as(files[i], &all[i]);
        buf_free(&all[i]);
    }
    buf_free(&b);
    buf_free(&bad);
}

static void a_flip_costs_a_datagram(void **x)
{
    (void)x;
    for (unsigned i = 0; i < flips; i++) {
        if (rnd() % 2 == 0)
            flip_journal("journal/00-0000.jnl", 1, in_first, i % 8 == 0);
        else
            flip_journal("journal/00-0001.jnl", in_first + 1, LAST, i % 8 == 0);
    }
}

/* The file behind it tells. Of the last one nobody knows: that it was there is known to it alone.
 */
static void a_journal_file_is_gone(void **x)
{
    struct store_check c;
    struct seen seen;
    char path[128];

    (void)x;
    (void)snprintf(path, sizeof path, "%s/journal/00-0000.jnl", dir);
    assert_int_equal(os_unlink(path, NULL), ERR_OK);
    c = check(false, &seen);
    assert_int_equal(c.datagrams_lost, in_first - SEALED);
    assert_string_equal(seen.f[0].file, "journal/00-0001.jnl");
    assert_int_equal(readable(), LAST - in_first);
    c = check(true, &seen);
    c = check(false, &seen);
    assert_int_equal(c.findings, 0);
    (void)snprintf(path, sizeof path, "%s/journal/00-0001.jnl", dir);
    assert_int_equal(os_unlink(path, NULL), ERR_OK);
    c = check(false, &seen);
    assert_int_equal(c.findings, 0);
}

static void nothing_of_a_file_is_left(void **x)
{
    struct buf b = load("journal/00-0001.jnl");
    struct store_check c;
    struct seen seen;

    (void)x;
    for (size_t i = 0; i < b.len; i++)
        b.p[i] = (uint8_t)(rnd() | 1);
    store_as("journal/00-0001.jnl", &b);
    c = check(false, &seen);
    assert_int_equal(c.findings, 1);
    assert_string_equal(seen.f[0].part, "whole file");
    assert_int_equal(readable(), in_first - SEALED);
    c = check(true, &seen);
    assert_int_equal(c.quarantined, 1);
    c = check(false, &seen);
    assert_int_equal(c.findings, 0);
    buf_free(&b);
}

/* ------------------------------------------------------------------ history */

static void same_gaps(const struct buf *a, const struct buf *b)
{
    struct gap_list x = { 0 }, y = { 0 };
    struct history_scan s = { .gaps = &x }, t = { .gaps = &y };

    history_scan(&s, a->p, a->len);
    history_scan(&t, b->p, b->len);
    assert_int_equal(x.n, y.n);
    for (size_t i = 0; i < x.n; i++)
        assert_true(x.g[i].from_ms == y.g[i].from_ms && x.g[i].to_ms == y.g[i].to_ms &&
                    x.g[i].reason == y.g[i].reason && x.g[i].count == y.g[i].count);
    assert_int_equal(s.last_ms, t.last_ms);
    gap_list_free(&x);
    gap_list_free(&y);
}

/* Each octet of a day, by the argument, or some: one record is lost, and the others say what they
 * said. */
static void a_flip_costs_a_record(void **x)
{
    static const char name[] = "history/2023-11-14.his";
    struct buf b = load(name);

    (void)x;
    for (unsigned i = 0; i < flips; i++) {
        uint64_t at = flips >= b.len ? i % b.len : rnd() % b.len, from = HISTORY_HEAD_OCTETS, to;
        struct buf bad = load(name), rest = buf_init(1u << 20);
        struct store_check c;
        struct seen seen;
        if (at >= 8 && at < 12)
            at += 4; /* the draft: another test */
        for (to = from; at >= HISTORY_HEAD_OCTETS && to <= at; to += 8 + le32(b.p + to))
            from = to;
        if (at >= HISTORY_HEAD_OCTETS) {
            buf_put(&rest, b.p, from);
            buf_put(&rest, b.p + to, b.len - to);
        } else {
            buf_put(&rest, b.p, b.len);
        }
        bad.p[at] ^= (uint8_t)(1u << rnd() % 8);
        store_as(name, &bad);
        c = check(false, &seen);
        if (at >= 12 && at < HISTORY_HEAD_OCTETS) { /* says nothing yet */
            assert_int_equal(c.findings, 0);
        } else {
            assert_int_equal(c.history_lost, 1);
            assert_int_equal(seen.n, 1);
            assert_string_equal(seen.f[0].file, name);
            assert_true(names(&seen.f[0], at));
        }
        if (at >= HISTORY_HEAD_OCTETS)
            same_gaps(&bad, &rest);
        if (c.findings > 0 && i % 8 == 0) {
            struct buf after;
            c = check(true, &seen);
            assert_int_equal(c.quarantined, 1);
            c = check(false, &seen);
            assert_int_equal(seen.n, 0);
            after = load(name);
            assert_int_equal(after.len, rest.len);
            assert_memory_equal(after.p, rest.p, rest.len);
            buf_free(&after);
        }
        store_as(name, &b);
        buf_free(&bad);
        buf_free(&rest);
    }
    buf_free(&b);
}

/* ------------------------------------------------------------------ drafts */

static void a_newer_draft_is_refused(void **x)
{
    struct store_cut cut = { .n_shards = 1, .journal = { SEALED }, .checkpoint = &state };
    struct buf b = load("history/2023-11-15.his");
    struct err e = { 0 };
    struct store *s;

    (void)x;
    b.p[8]++;
    store_as("history/2023-11-15.his", &b);
    assert_int_equal(collect_check_drafts(dir, &e), ERR_VERSION);
    assert_non_null(strstr(e.msg, "2023-11-15.his: written in draft 3"));
    assert_non_null(strstr(e.msg, "reads draft 2"));
    b.p[8]--;
    store_as("history/2023-11-15.his", &b);
    assert_int_equal(collect_check_drafts(dir, &e), ERR_OK);
    for (unsigned i = 0; i < 2; i++) { /* the collector's state, a decoder's */
        size_t at = i == 0 ? 8 : 32 + 68 + 8;
        state.p[at]++;
        assert_int_equal(past_newer(state.p, state.len), (i == 0 ? CUT_DRAFT : DECODER_DRAFT) + 1);
        assert_int_equal(store_open(&s, dir, STORE_WRITE, "", NULL), ERR_OK);
        assert_int_equal(store_seal_cut(s, NULL, 0, &cut, NULL, NULL, NULL), ERR_OK);
        store_close(s);
        assert_int_equal(collect_check_drafts(dir, &e), ERR_VERSION);
        assert_non_null(strstr(e.msg, "this weir reads draft"));
        state.p[at] = 0; /* an older one is learned anew */
        assert_int_equal(past_newer(state.p, state.len), 0);
        state.p[at] = (uint8_t)(i == 0 ? CUT_DRAFT : DECODER_DRAFT);
    }
    buf_free(&b);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_is_well, setup, teardown),
        cmocka_unit_test_setup_teardown(a_flip_costs_a_datagram, setup, teardown),
        cmocka_unit_test_setup_teardown(a_journal_file_is_gone, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_of_a_file_is_left, setup, teardown),
        cmocka_unit_test_setup_teardown(a_flip_costs_a_record, setup, teardown),
        cmocka_unit_test_setup_teardown(a_newer_draft_is_refused, setup, teardown),
    };

    if (argc > 1)
        flips = (unsigned)strtoul(argv[1], NULL, 10);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
