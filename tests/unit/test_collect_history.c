/* What was missing and when: from statuses minute by minute to gaps, over restarts, damage, days
 * and many exporters. */
#include <stdio.h>
#include <time.h>

#include "unit.h"

#include "folder.h"

#include "collect/history.h"
#include "collect/history_file.h"
#include "os/file.h"

#define T0    1700000000000
#define MIN_  60000
#define DAY   86400000
#define MAX_X 20000

static char dir[64];
static struct history *h;
static struct collect_status st;
static struct decode_exporter x[MAX_X];
static int64_t now;
static bool kept;

static void at(int64_t ms)
{
    now = ms;
    st.now_ms = ms;
}

static void open_again(int64_t ms)
{
    struct err e;

    at(ms);
    if (history_open(&h, dir, kept, 400 * (int64_t)DAY, ms, &e) != ERR_OK)
        fail_msg("%s", e.msg);
}

static int setup(void **state)
{
    (void)state;
    assert_int_equal(folder_make(dir), 0);
    memset(&st, 0, sizeof st);
    memset(x, 0, sizeof x);
    st.exporter = x;
    for (unsigned i = 0; i < MAX_X; i++) {
        x[i].key.addr = addr_from_v4(0xc0000200u + i * 7919u % MAX_X); /* not in order */
        x[i].key.version = 5;
        x[i].trusted = true;
    }
    st.n_exporters = 1;
    kept = false;
    open_again(T0);
    history_note(h, &st);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    history_close(h);
    h = NULL;
    return folder_remove(dir);
}

static void hear(unsigned i, uint64_t datagrams)
{
    x[i].c.datagrams += datagrams;
    x[i].c.flows += datagrams * 20;
    if (datagrams > 0)
        x[i].last_ms = now;
}

static void minute(void)
{
    at(now + MIN_);
}

static void note(void)
{
    struct err e;

    history_note(h, &st);
    if (history_flush(h, &e) != ERR_OK)
        fail_msg("%s", e.msg);
}

static struct gap_list gaps(void)
{
    struct gap_list l;

    assert_int_equal(history_gaps(h, INT64_MIN, INT64_MAX, &l, NULL), ERR_OK);
    return l;
}

static void same(const struct gap_list *a, const struct gap_list *b)
{
    assert_int_equal(a->n, b->n);
    for (size_t i = 0; i < a->n; i++) {
        assert_int_equal(a->g[i].from_ms, b->g[i].from_ms);
        assert_int_equal(a->g[i].to_ms, b->g[i].to_ms);
        assert_int_equal(a->g[i].reason, b->g[i].reason);
        assert_int_equal(a->g[i].whose, b->g[i].whose);
        assert_int_equal(a->g[i].count, b->g[i].count);
        assert_true(addr_cmp(&a->g[i].key.addr, &b->g[i].key.addr) == 0);
    }
}

/* A new server on the same directory, `later` ms after; counters begin at 0, as without a journal.
 */
static void restart(int64_t later)
{
    history_close(h);
    for (unsigned i = 0; i < st.n_exporters; i++)
        x[i] = (struct decode_exporter){ .key = x[i].key, .trusted = x[i].trusted };
    open_again(now + later);
}

static void a_loss_is_a_gap_and_stays_one(void **state)
{
    struct gap_list a, b;

    (void)state;
    minute();
    hear(0, 10);
    note();
    minute();
    hear(0, 10);
    x[0].lost = 7;
    note();
    minute();
    hear(0, 10);
    x[0].lost = 12;
    note();
    minute(); /* nothing lost: the gap ends */
    hear(0, 10);
    note();
    minute();
    hear(0, 10);
    note();
    minute();
    hear(0, 10);
    x[0].lost = 13;
    note();
    a = gaps();
    assert_int_equal(a.n, 2);
    assert_int_equal(a.g[0].reason, GAP_LOST);
    assert_int_equal(a.g[0].count, 12);
    assert_int_equal(a.g[0].from_ms, T0 + MIN_);
    assert_int_equal(a.g[0].to_ms, T0 + 3 * MIN_);
    assert_int_equal(a.g[1].count, 1);
    assert_string_equal(gap_unit(&a.g[0]), "records");
    /* of one minute only */
    assert_int_equal(history_gaps(h, T0 + 4 * MIN_, T0 + 5 * MIN_, &b, NULL), ERR_OK);
    assert_int_equal(b.n, 0);
    gap_list_free(&b);
    restart(500);
    b = gaps();
    same(&a, &b);
    gap_list_free(&b);
    assert_int_equal(history_gaps_of(dir, T0, T0 + 6 * MIN_, &b, NULL), ERR_OK);
    same(&a, &b);
    gap_list_free(&a);
    gap_list_free(&b);
}

static void what_comes_late_was_not_lost(void **state)
{
    struct gap_list a;

    (void)state;
    minute();
    hear(0, 10);
    x[0].lost = 5;
    note();
    minute();
    hear(0, 10);
    x[0].lost = 2;
    note();
    a = gaps();
    assert_int_equal(a.n, 1);
    assert_int_equal(a.g[0].count, 2);
    gap_list_free(&a);
    minute();
    hear(0, 10);
    x[0].lost = 0;
    note();
    a = gaps();
    assert_int_equal(a.n, 0);
    gap_list_free(&a);
    /* forgotten and new again: its counters begin at 0, and what it lost is lost */
    minute();
    x[0].c = (struct decode_counters){ 0 };
    hear(0, 3);
    x[0].lost = 4;
    note();
    a = gaps();
    assert_int_equal(a.n, 1);
    assert_int_equal(a.g[0].count, 4);
    gap_list_free(&a);
}

static void the_rest_of_the_reasons(void **state)
{
    static const struct {
        uint8_t reason;
        uint64_t count;
    } want[] = {
        { GAP_KERNEL, 3 },  { GAP_RING, 4 },    { GAP_JOURNAL, 5 },   { GAP_REFUSED, 6 + 7 },
        { GAP_DAMAGED, 1 }, { GAP_RESTART, 2 }, { GAP_UNDECODED, 9 },
    };
    struct gap_list a;

    (void)state;
    minute();
    hear(0, 1);
    st.kernel_dropped = 3;
    st.ring_dropped = 4;
    st.not_journaled = 5;
    st.total.datagrams_refused[DECODE_VERSION] = 6;
    st.records_refused = 7;
    st.store.segments_damaged = 1;
    x[0].restarts = 2;
    x[0].c.sets_expired[DECODE_NO_TEMPLATE] = 5;
    x[0].c.sets_malformed[DECODE_RECORD] = 4;
    note();
    minute();
    hear(0, 1);
    note();
    a = gaps();
    assert_int_equal(a.n, 7);
    for (size_t i = 0; i < a.n; i++) {
        assert_int_equal(a.g[i].reason, want[i].reason);
        assert_int_equal(a.g[i].count, want[i].count);
        assert_int_equal(a.g[i].to_ms, T0 + MIN_);
    }
    gap_list_free(&a);
}

static void what_retention_removes_is_missing_where_it_was(void **state)
{
    struct gap_list a;

    (void)state;
    st.store.rows = 1000;
    st.store.oldest_ms = T0 - 10 * (int64_t)DAY;
    minute();
    note();
    st.store.rows = 600;
    st.store.rows_removed = 400;
    st.store.oldest_ms = T0 - 6 * (int64_t)DAY;
    minute();
    note();
    a = gaps();
    assert_int_equal(a.n, 1);
    assert_int_equal(a.g[0].reason, GAP_EXPIRED);
    assert_int_equal(a.g[0].from_ms, T0 - 10 * (int64_t)DAY);
    assert_int_equal(a.g[0].to_ms, T0 - 6 * (int64_t)DAY);
    assert_int_equal(a.g[0].count, 400);
    gap_list_free(&a);
}

static void silence_lasts_over_a_restart(void **state)
{
    struct gap_list a;
    int64_t last;

    (void)state;
    for (unsigned i = 0; i < 10; i++) {
        minute();
        hear(0, 5);
        note();
    }
    last = now;
    for (unsigned i = 0; i < 5; i++) {
        minute();
        note();
    }
    a = gaps();
    assert_int_equal(a.n, 1);
    assert_int_equal(a.g[0].reason, GAP_SILENT);
    assert_int_equal(a.g[0].from_ms, last);
    assert_int_equal(a.g[0].to_ms, last + 5 * MIN_);
    gap_list_free(&a);
    restart(500);
    st.n_exporters = 0; /* the new server does not know it */
    history_note(h, &st);
    for (unsigned i = 0; i < 5; i++) {
        minute();
        note();
    }
    a = gaps();
    assert_int_equal(a.n, 1);
    assert_int_equal(a.g[0].from_ms, last);
    assert_true(a.g[0].to_ms >= last + 10 * MIN_);
    gap_list_free(&a);
    st.n_exporters = 1; /* it comes back */
    minute();
    hear(0, 5);
    note();
    minute();
    hear(0, 5);
    note();
    a = gaps();
    assert_int_equal(a.n, 1);
    assert_true(a.g[0].to_ms <= last + 11 * MIN_);
    gap_list_free(&a);
}

static void usual_pauses_and_strangers_are_no_silence(void **state)
{
    struct gap_list a;

    (void)state;
    st.n_exporters = 2;
    x[1].trusted = false; /* anybody may send one forged datagram */
    hear(1, 1);
    for (unsigned i = 0; i < 200; i++) {
        minute();
        if (i % 5 == 0)
            hear(0, i == 0 ? 2 : 1); /* one datagram alone makes nobody known */
        note();
    }
    a = gaps();
    assert_int_equal(a.n, 1); /* the first time: who could know */
    assert_int_equal(a.g[0].reason, GAP_SILENT);
    assert_true(a.g[0].to_ms < T0 + 10 * MIN_);
    gap_list_free(&a);
    at(now + 3 * (int64_t)3600 * 1000); /* but this is */
    note();
    a = gaps();
    assert_int_equal(a.n, 2);
    gap_list_free(&a);
}

static void weir_itself_was_away(void **state)
{
    struct gap_list a;
    int64_t last;

    (void)state;
    minute();
    hear(0, 5);
    note();
    last = now;
    restart(300000);
    st.recovering = true; /* counters move, and say nothing */
    st.n_exporters = 0;
    history_note(h, &st);
    st.n_exporters = 1;
    x[0].lost = 9;
    minute();
    hear(0, 50);
    history_note(h, &st);
    st.recovering = false;
    history_note(h, &st);
    minute();
    hear(0, 5);
    x[0].lost = 10;
    note();
    a = gaps();
    assert_int_equal(a.n, 2);
    assert_int_equal(a.g[0].reason, GAP_DOWN);
    assert_int_equal(a.g[0].from_ms, last);
    assert_int_equal(a.g[0].to_ms, last + 300000);
    assert_int_equal(a.g[1].reason, GAP_LOST);
    assert_int_equal(a.g[1].count, 1);
    gap_list_free(&a);
    restart(5000);
    history_note(h, &st);
    minute();
    note();
    kept = true; /* only the data process died: nothing was missed */
    restart(5000);
    kept = false;
    history_note(h, &st);
    minute();
    note();
    restart(5000); /* it ran for a minute between */
    a = gaps();
    assert_int_equal(a.n, 4);
    assert_int_equal(a.g[3].to_ms - a.g[3].from_ms, 5000);
    gap_list_free(&a);
    history_note(h, &st);
    minute();
    note();
    history_close(h); /* and now it does not run: a direct reader says so */
    h = NULL;
    assert_int_equal(history_gaps_of(dir, now + 1, INT64_MAX, &a, NULL), ERR_OK);
    assert_int_equal(a.n, 1);
    assert_int_equal(a.g[0].reason, GAP_DOWN);
    assert_int_equal(a.g[0].from_ms, now);
    gap_list_free(&a);
}

static void who_is_heard_first_after_the_start_is_told_of_in_full(void **state)
{
    struct gap_list a;

    (void)state;
    restart(500);
    at(now + 10);
    hear(0, 5);
    x[0].first_ms = now;
    x[0].lost = 3;
    history_note(h, &st); /* the first look, and it was heard already */
    minute();
    hear(0, 5);
    note();
    a = gaps();
    assert_int_equal(a.n, 1);
    assert_int_equal(a.g[0].count, 3);
    gap_list_free(&a);
}

/* -------------------------------------------------------------------------------------- damage */

static void today(char out[256])
{
    (void)snprintf(out, 256, "%s/history/2023-11-14.his", dir); /* T0's day */
}

static struct buf some_day(void)
{
    struct buf b = buf_init(1u << 20);
    char path[256];

    st.n_exporters = 3;
    for (unsigned i = 0; i < 6; i++) {
        minute();
        hear(0, 4);
        hear(1, 4);
        hear(2, i % 2);
        x[i % 3].lost += i;
        note();
        minute();
        hear(0, 1);
        hear(1, 1);
        note();
    }
    today(path);
    assert_int_equal(os_file_slurp(path, &b, NULL), ERR_OK);
    return b;
}

static void put_back(const uint8_t *p, size_t n)
{
    char path[256];
    int fd;

    today(path);
    assert_int_equal(os_file_open(&fd, path, OS_OPEN_TRUNC, NULL), ERR_OK);
    assert_int_equal(os_file_write(fd, path, 0, p, n, NULL), ERR_OK);
    os_file_close(&fd);
}

static void a_torn_end_costs_the_last_record(void **state)
{
    struct buf b = some_day();
    struct gap_list whole = gaps(), a;
    size_t before = 0;

    (void)state;
    history_close(h);
    assert_true(whole.n >= 5);
    for (size_t n = 0; n <= b.len; n++) {
        struct gap_list l = { 0 };
        struct history_scan s = { .gaps = &l };
        uint8_t *exact = t_dup(b.p, n);
        history_scan(&s, exact, n);
        assert_true(l.n >= before && l.n <= whole.n && s.good_octets <= n);
        before = l.n;
        free(exact);
        gap_list_free(&l);
    }
    assert_int_equal(before, whole.n);
    put_back(b.p, b.len - 3); /* the writer goes on behind the last good record */
    open_again(now + 500);
    history_note(h, &st);
    minute();
    hear(0, 1);
    x[0].lost += 100;
    note();
    a = gaps();
    history_close(h);
    open_again(now + 500);
    gap_list_free(&whole);
    whole = gaps();
    same(&whole, &a);
    gap_list_free(&whole);
    gap_list_free(&a);
    buf_free(&b);
}

static void a_flipped_octet_costs_a_record(void **state)
{
    struct buf b = some_day();
    struct gap_list whole = gaps();

    (void)state;
    for (size_t i = 0; i < b.len; i++) {
        struct gap_list l = { 0 };
        struct history_scan s = { .gaps = &l };
        uint8_t *exact = t_dup(b.p, b.len);
        exact[i] ^= 0x41;
        history_scan(&s, exact, b.len);
        /* nothing is made up: what is told was told before, at most cut in two */
        assert_true(l.n <= whole.n + 1);
        assert_true(s.damaged > 0 || (i >= 12 && i < 16) || s.good_octets == 0);
        for (size_t k = 0; k < l.n; k++)
            assert_true(l.g[k].from_ms >= T0 - 10 * MIN_ && l.g[k].to_ms <= now);
        free(exact);
        gap_list_free(&l);
    }
    gap_list_free(&whole);
    buf_free(&b);
}

/* A newer one is refused, and nothing is changed. */
static void another_draft_is_put_aside(void **state)
{
    struct buf b = some_day(), again = buf_init(1u << 20);
    struct gap_list a;
    struct err e = { 0 };
    char path[300];

    (void)state;
    history_close(h);
    b.p[8]++;
    put_back(b.p, b.len);
    assert_int_equal(history_open(&h, dir, false, 0, now, &e), ERR_VERSION);
    assert_null(h);
    assert_non_null(strstr(e.msg, "draft 2"));
    today(path);
    assert_int_equal(os_file_slurp(path, &again, NULL), ERR_OK);
    assert_int_equal(again.len, b.len);
    assert_memory_equal(again.p, b.p, b.len);
    buf_clear(&again);
    b.p[8] = 0;
    put_back(b.p, b.len);
    open_again(now + 500);
    a = gaps();
    assert_int_equal(a.n, 0);
    gap_list_free(&a);
    today(path);
    (void)strcat(path, ".aside");
    assert_int_equal(os_file_slurp(path, &again, NULL), ERR_OK);
    assert_int_equal(again.len, b.len);
    buf_free(&again);
    buf_free(&b);
}

/* -------------------------------------------------------------------------------- days, crowds */

static uint64_t octets_of(int64_t day_ms)
{
    char path[256], sub[16];
    struct os_stat s = { 0 };
    time_t t = (time_t)(day_ms / 1000);
    struct tm tm;

    assert_non_null(gmtime_r(&t, &tm));
    assert_int_equal(strftime(sub, sizeof sub, "%Y-%m-%d", &tm), 10);
    (void)snprintf(path, sizeof path, "%s/history/%s.his", dir, sub);
    return os_file_stat(path, &s, NULL) == ERR_OK ? s.octets : 0;
}

static void old_minutes_become_hours_and_gaps_stay(void **state)
{
    struct gap_list a, b;
    uint64_t fresh;

    (void)state;
    st.n_exporters = 20;
    for (unsigned i = 0; i < 3 * 1440; i++) {
        minute();
        for (unsigned k = 0; k < 20; k++)
            hear(k, 3);
        if (i % 97 == 0)
            x[i % 20].lost += 5;
        if (i % 500 == 0)
            st.ring_dropped += 2;
        if (i % 100 == 99)
            note();
        else
            history_note(h, &st); /* written together: fsync takes its time */
    }
    a = gaps();
    fresh = octets_of(T0 + DAY);
    restart(500);
    b = gaps();
    same(&a, &b);
    gap_list_free(&b);
    assert_int_equal(octets_of(T0 + DAY), fresh);
    history_close(h);
    open_again(T0 + 12 * (int64_t)DAY);
    assert_true(octets_of(T0 + DAY) > 0 && octets_of(T0 + DAY) < fresh / 10);
    b = gaps();
    assert_int_equal(b.g[b.n - 1].reason, GAP_DOWN);
    b.n--; /* the nine days between */
    assert_int_equal(a.n, b.n);
    history_close(h);
    open_again(T0 + 12 * (int64_t)DAY + 500); /* once is enough */
    gap_list_free(&b);
    b = gaps();
    assert_int_equal(a.n, b.n - 1);
    for (size_t i = 0; i < a.n; i++) {
        bool found = false;
        for (size_t k = 0; k < b.n; k++)
            found |= memcmp(&a.g[i].key, &b.g[k].key, sizeof a.g[i].key) == 0 &&
                     a.g[i].from_ms == b.g[k].from_ms && a.g[i].to_ms == b.g[k].to_ms &&
                     a.g[i].count == b.g[k].count && a.g[i].reason == b.g[k].reason;
        assert_true(found);
    }
    gap_list_free(&a);
    gap_list_free(&b);
    history_close(h); /* and what is too old goes */
    open_again(T0 + 405 * (int64_t)DAY);
    assert_int_equal(octets_of(T0 + DAY), 0);
}

static void a_crowd_has_few_rows(void **state)
{
    struct gap_list a;
    uint64_t lost = 0, before;

    (void)state;
    st.n_exporters = MAX_X;
    minute();
    for (unsigned i = 0; i < MAX_X; i++)
        hear(i, 1);
    note();
    before = octets_of(T0);
    minute();
    for (unsigned i = 0; i < MAX_X; i++) {
        hear(i, 1);
        x[i].lost = i % 20 == 0; /* 1000 of them have something to say */
    }
    note();
    assert_true(octets_of(T0) - before < HISTORY_EXPORTERS * 60);
    a = gaps();
    assert_int_equal(a.n, HISTORY_EXPORTERS + 1);
    for (size_t i = 0; i < a.n; i++)
        lost += a.g[i].count;
    assert_int_equal(lost, MAX_X / 20); /* all of them count */
    assert_int_equal(a.g[a.n - 1].whose, GAP_OF_OTHERS);
    gap_list_free(&a);
    before = octets_of(T0);
    minute();
    for (unsigned i = 0; i < MAX_X; i++)
        hear(i, 1);
    note();
    assert_true(octets_of(T0) - before < HISTORY_EXPORTERS * 60);
}

static void strangers_take_no_rows_of_the_known(void **state)
{
    const unsigned known = MAX_X - 1;
    struct gap_list a;
    bool told = false;

    (void)state;
    st.n_exporters = MAX_X;
    x[known].key.addr = addr_from_v4(0xfffffffe); /* the last in order */
    for (unsigned i = 0; i < MAX_X; i++)
        x[i].trusted = i % 2 == 1; /* half of the others are trusted for want of a list */
    for (unsigned k = 0; k < 3; k++) {
        minute();
        hear(known, 5);
        for (unsigned i = 0; k == 1 && i < known; i++) {
            hear(i, 1);
            x[i].c.sets_malformed[DECODE_RECORD] = 1;
        }
        x[known].lost += k == 1;
        note();
    }
    a = gaps();
    assert_int_equal(a.n, HISTORY_EXPORTERS + 1);
    for (size_t i = 0; i < a.n; i++)
        told |= a.g[i].reason == GAP_LOST && a.g[i].whose == GAP_OF_EXPORTER;
    assert_true(told);
    gap_list_free(&a);
    for (unsigned k = 0; k < 30; k++) { /* one datagram each: nobody waits for the next */
        minute();
        hear(known, 5);
        note();
    }
    a = gaps();
    for (size_t i = 0; i < a.n; i++)
        assert_int_not_equal(a.g[i].reason, GAP_SILENT);
    gap_list_free(&a);
}

static struct history_series series(const struct addr *exporter)
{
    struct history_series a, b;

    assert_int_equal(history_series(h, INT64_MIN, INT64_MAX, exporter, &a, NULL), ERR_OK);
    assert_int_equal(history_series_of(dir, INT64_MIN, INT64_MAX, exporter, true, &b, NULL),
                     ERR_OK);
    assert_int_equal(a.n, b.n);
    for (size_t i = 0; i < a.n; i++)
        assert_memory_equal(&a.row[i], &b.row[i], sizeof *a.row);
    history_series_free(&b);
    return a;
}

static void same_row(const struct history_row *r, int64_t from, int64_t to, uint64_t datagrams,
                     int64_t lost, uint64_t ring)
{
    assert_false(r->down || r->unknown);
    assert_int_equal(r->from_ms, from);
    assert_int_equal(r->to_ms, to);
    assert_int_equal(r->datagrams, datagrams);
    assert_int_equal(r->records, datagrams * 20);
    assert_int_equal(r->lost, lost);
    assert_int_equal(r->own[OWN_RING], ring);
}

static void minutes_are_told_over_a_restart(void **state)
{
    const int64_t again = T0 + 2 * MIN_ + 300000, hour = T0 - T0 % (60 * MIN_);
    struct history_series s;

    (void)state;
    st.n_exporters = 2;
    minute();
    hear(0, 10);
    note();
    minute();
    hear(0, 10);
    hear(1, 5);
    x[0].lost = 7;
    st.ring_dropped = 3;
    note();
    restart(300000);
    st.ring_dropped = 0;
    note();
    minute();
    hear(0, 4);
    note();
    s = series(NULL);
    assert_int_equal(s.n, 4);
    same_row(&s.row[0], T0, T0 + MIN_, 10, 0, 0);
    same_row(&s.row[1], T0 + MIN_, T0 + 2 * MIN_, 15, 7, 3);
    assert_true(s.row[2].down);
    assert_int_equal(s.row[2].from_ms, T0 + 2 * MIN_);
    assert_int_equal(s.row[2].to_ms, again);
    same_row(&s.row[3], again, again + MIN_, 4, 0, 0);
    history_series_sum(&s, 60 * MIN_);
    assert_int_equal(s.n, 2);
    same_row(&s.row[0], hour, hour + 60 * MIN_, 29, 7, 3);
    assert_true(s.row[1].down);
    history_series_free(&s);
    s = series(&x[0].key.addr);
    assert_int_equal(s.n, 4);
    same_row(&s.row[1], T0 + MIN_, T0 + 2 * MIN_, 10, 7, 0); /* Weir's own are not its */
    history_series_free(&s);
    s = series(&x[1].key.addr);
    same_row(&s.row[0], T0, T0 + MIN_, 0, 0, 0);
    same_row(&s.row[1], T0 + MIN_, T0 + 2 * MIN_, 5, 0, 0);
    history_series_free(&s);
    assert_int_equal(history_series_of(dir, T0 + MIN_, T0 + 2 * MIN_, NULL, true, &s, NULL),
                     ERR_OK);
    assert_int_equal(s.n, 1); /* what touches the frame only is out */
    history_series_free(&s);
    assert_int_equal(history_series_of("/nowhere", T0, T0 + 1, NULL, false, &s, NULL), ERR_OK);
    assert_int_equal(s.n, 0);
}

/* Of one that may be among the others nothing is known. */
static void a_crowd_hides_an_exporter(void **state)
{
    struct history_series s;
    unsigned unknown = 0;

    (void)state;
    st.n_exporters = HISTORY_EXPORTERS + 10;
    minute();
    for (unsigned i = 0; i < st.n_exporters; i++)
        hear(i, 1);
    note();
    s = series(NULL);
    same_row(&s.row[s.n - 1], T0, T0 + MIN_, HISTORY_EXPORTERS + 10, 0, 0);
    history_series_free(&s);
    for (unsigned i = 0; i < st.n_exporters; i++) {
        s = series(&x[i].key.addr);
        unknown += s.row[s.n - 1].unknown;
        history_series_free(&s);
    }
    assert_int_equal(unknown, 10);
}

static void gaps_of_one_exporter(void **state)
{
    struct gap_list l;

    (void)state;
    st.n_exporters = 2;
    minute();
    hear(0, 1);
    hear(1, 1);
    x[0].lost = 3;
    x[1].lost = 4;
    st.kernel_dropped = 9;
    note();
    l = gaps();
    assert_int_equal(l.n, 3);
    gap_only_of(&l, &x[1].key.addr);
    assert_int_equal(l.n, 1);
    assert_int_equal(l.g[0].count, 4);
    gap_list_free(&l);
}

static void gaps_have_a_ceiling(void **state)
{
    struct gap_list l = { 0 }, out = { 0 };

    (void)state;
    for (unsigned i = 0; i < GAPS_MAX + 10; i++) {
        struct gap g = { .from_ms = T0 + (int64_t)i * 10 * MIN_,
                         .to_ms = T0 + (int64_t)i * 10 * MIN_ + 1000,
                         .reason = GAP_RING,
                         .count = 1 };
        assert_int_equal(gap_add(&l, &g), ERR_OK);
        assert_true(l.n <= GAPS_MAX);
    }
    assert_int_equal(l.left_out, GAPS_MAX / 4);
    assert_int_equal(l.n + l.left_out, GAPS_MAX + 10);
    assert_int_equal(gap_between(&l, T0, INT64_MAX, &out), ERR_OK);
    assert_int_equal(out.n, l.n);
    assert_int_equal(out.left_out, l.left_out); /* said where it matters */
    gap_list_free(&out);
    assert_int_equal(gap_between(&l, l.left_out_till_ms, INT64_MAX, &out), ERR_OK);
    assert_int_equal(out.left_out, 0);
    gap_list_free(&out);
    gap_list_free(&l);
}

/* test_collect_history [FILE]: writes a small day to FILE, for the corpus of the fuzz target */
/* No gap, but an event of the exporter's. */
static void template_changes_are_counted(void **state)
{
    struct history_series s;
    struct gap_list a;

    (void)state;
    for (int i = 0; i < 3; i++) {
        minute();
        hear(0, 5);
        x[0].c.templates_changed += i == 1 ? 4 : 0;
        x[0].c.templates_withdrawn += i == 1 ? 1 : 0;
        note();
    }
    for (int all = 0; all < 2; all++) {
        s = series(all ? NULL : &x[0].key.addr);
        assert_int_equal(s.n, 3);
        for (size_t i = 0; i < 3; i++)
            assert_int_equal(s.row[i].templates, i == 1 ? 5 : 0);
        history_series_sum(&s, 60 * MIN_);
        assert_int_equal(s.row[0].templates, 5);
        history_series_free(&s);
    }
    a = gaps();
    assert_int_equal(a.n, 0);
    gap_list_free(&a);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_loss_is_a_gap_and_stays_one, setup, teardown),
        cmocka_unit_test_setup_teardown(what_comes_late_was_not_lost, setup, teardown),
        cmocka_unit_test_setup_teardown(the_rest_of_the_reasons, setup, teardown),
        cmocka_unit_test_setup_teardown(what_retention_removes_is_missing_where_it_was, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(silence_lasts_over_a_restart, setup, teardown),
        cmocka_unit_test_setup_teardown(usual_pauses_and_strangers_are_no_silence, setup, teardown),
        cmocka_unit_test_setup_teardown(weir_itself_was_away, setup, teardown),
        cmocka_unit_test_setup_teardown(who_is_heard_first_after_the_start_is_told_of_in_full,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_torn_end_costs_the_last_record, setup, teardown),
        cmocka_unit_test_setup_teardown(a_flipped_octet_costs_a_record, setup, teardown),
        cmocka_unit_test_setup_teardown(another_draft_is_put_aside, setup, teardown),
        cmocka_unit_test_setup_teardown(old_minutes_become_hours_and_gaps_stay, setup, teardown),
        cmocka_unit_test_setup_teardown(a_crowd_has_few_rows, setup, teardown),
        cmocka_unit_test_setup_teardown(strangers_take_no_rows_of_the_known, setup, teardown),
        cmocka_unit_test_setup_teardown(minutes_are_told_over_a_restart, setup, teardown),
        cmocka_unit_test_setup_teardown(a_crowd_hides_an_exporter, setup, teardown),
        cmocka_unit_test_setup_teardown(gaps_of_one_exporter, setup, teardown),
        cmocka_unit_test_setup_teardown(template_changes_are_counted, setup, teardown),
        cmocka_unit_test(gaps_have_a_ceiling),
    };

    if (argc > 1) {
        void *none = NULL;
        struct buf b;
        FILE *f = fopen(argv[1], "wb");
        (void)setup(&none);
        b = some_day();
        if (f == NULL || fwrite(b.p, 1, b.len, f) != b.len || fclose(f) != 0)
            return 1;
        buf_free(&b);
        return teardown(&none);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
