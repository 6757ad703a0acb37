/* What exporters say about themselves: read from option records, kept with the times from which it
 * holds, in one table or in one over another, and as the log of a data directory. */
#include "unit.h"

#include <stdio.h>
#include <unistd.h>

#include "flow/fact.h"
#include "os/file.h"
#include "random_batch.h"
#include "store/entry.h"

static const struct exporter_key one = { .domain = 1, .version = 9 },
                                 two = { .domain = 2, .version = 9 };

/* ------------------------------------------------------------------------- table against a list */

struct told {
    const struct exporter_key *x;
    int64_t ms;
    uint8_t kind;
    uint64_t id;
    uint32_t number;
};

/* The last told at or before, of equal times the one told later; else the first of all. */
static bool expected(const struct told *l, size_t n, const struct told *q, uint32_t *number)
{
    const struct told *best = NULL;

    for (size_t i = 0; i < n; i++) {
        if (l[i].x != q->x || l[i].kind != q->kind || l[i].id != q->id)
            continue;
        if (best == NULL || (l[i].ms <= q->ms ? best->ms > q->ms || l[i].ms >= best->ms
                                              : best->ms > q->ms && l[i].ms < best->ms))
            best = &l[i];
    }
    if (best != NULL)
        *number = best->number;
    return best != NULL;
}

static struct told random_told(struct rnd *r)
{
    return (struct told){ .x = rnd_next(r) % 2 != 0 ? &one : &two,
                          .ms = (int64_t)(rnd_next(r) % 1000),
                          .kind = (uint8_t)(rnd_next(r) % 3),
                          .id = rnd_next(r) % 4,
                          .number = (uint32_t)(1 + rnd_next(r) % 1000) };
}

static void check(const struct fact_table *t, const struct told *l, size_t n, struct rnd *r)
{
    for (int i = 0; i < 200; i++) {
        struct told q = random_told(r);
        uint32_t number = 0;
        int64_t since, until;
        struct fact f;
        bool there = expected(l, n, &q, &number);
        assert_int_equal(fact_get(t, q.x, (enum fact_kind)q.kind, q.id, q.ms, &f, &since, &until),
                         there);
        if (!there)
            continue;
        assert_int_equal(f.number, number);
        assert_true(since <= q.ms && q.ms < until);
        for (int64_t ms = MAX(since, -1); ms < MIN(until, 1001); ms += 17) {
            q.ms = ms;
            assert_true(expected(l, n, &q, &number));
            assert_int_equal(f.number, number);
        }
    }
}

/* Among all values with their times one holds at any time, if any was told: fact_get()'s. */
struct held {
    const struct told *q;
    unsigned n;
    uint32_t number;
};

static bool hold(void *ctx, const struct exporter_key *x, const struct fact *f, int64_t from_ms,
                 int64_t to_ms)
{
    struct held *h = ctx;

    assert_true(from_ms < to_ms);
    assert_int_equal(f->kind, h->q->kind);
    if (exporter_key_equal(x, h->q->x) && f->id == h->q->id && from_ms <= h->q->ms &&
        h->q->ms < to_ms) {
        h->n++;
        h->number = f->number;
    }
    return true;
}

static void check_held(const struct fact_table *t, struct rnd *r)
{
    for (int i = 0; i < 50; i++) {
        struct told q = random_told(r);
        struct held h = { .q = &q };
        struct fact f;
        bool there = fact_get(t, q.x, (enum fact_kind)q.kind, q.id, q.ms, &f, NULL, NULL);
        fact_each_value(t, (enum fact_kind)q.kind, hold, &h);
        assert_int_equal(h.n, there ? 1 : 0);
        assert_int_equal(h.number, there ? f.number : 0);
    }
}

static void table_is_as_a_list(void **state)
{
    struct rnd r = { 4711 };

    (void)state;
    for (int round = 0; round < 60; round++) {
        struct told l[80];
        struct fact_table *base, *over, *flat;
        size_t n = rnd_next(&r) % 80, k = n > 0 ? rnd_next(&r) % n : 0;
        assert_int_equal(fact_table_new(&base, NULL), ERR_OK);
        over = NULL;
        for (size_t i = 0; i < n; i++) {
            struct fact f;
            bool news;
            if (i == k)
                assert_int_equal(fact_table_new(&over, base), ERR_OK);
            do { /* at one time a thing has one value */
                l[i] = random_told(&r);
                for (size_t j = 0; j < i; j++)
                    if (l[j].ms == l[i].ms)
                        l[i].ms = -1;
            } while (l[i].ms < 0);
            f = (struct fact){ .kind = l[i].kind, .id = l[i].id, .number = l[i].number };
            assert_int_equal(fact_table_add(over != NULL ? over : base, l[i].x, l[i].ms, &f, &news),
                             ERR_OK);
        }
        if (over == NULL)
            assert_int_equal(fact_table_new(&over, base), ERR_OK);
        check(over, l, n, &r);
        check_held(over, &r);
        assert_int_equal(fact_table_flat(&flat, over), ERR_OK);
        check(flat, l, n, &r);
        check_held(flat, &r);
        fact_table_unref(flat);
        fact_table_unref(base);
        fact_table_unref(over);
    }
}

/* ------------------------------------------------------------------------------- option records */

static struct fact found[8];
static unsigned n_found;

static void keep(void *ctx, const struct fact *f)
{
    (void)ctx;
    assert_true(n_found < ARRAY_LEN(found));
    found[n_found++] = *f;
}

static void each(unsigned n_scope, const struct shape_field *f, unsigned n, const char *octets,
                 size_t len)
{
    uint8_t *exact = t_dup(octets, len);
    struct shape *s;

    n_found = 0;
    assert_int_equal(shape_new(&s, 9, SHAPE_OPTION, n_scope, f, n), ERR_OK);
    fact_each(s, exact, len, keep, NULL);
    for (unsigned i = 0; i < n_found; i++)
        if (found[i].len > 0)
            found[i].text = (const uint8_t *)octets + (found[i].text - exact);
    for (size_t cut = 0; cut < len; cut++) { /* records cut short say nothing, and do no harm */
        uint8_t *part = t_dup(octets, cut);
        unsigned before = n_found;
        fact_each(s, part, cut, keep, NULL);
        assert_int_equal(n_found, before);
        free(part);
    }
    free(exact);
    shape_unref(s);
}

static void option_records_say(void **state)
{
    static const struct shape_field names[] = {
        { .pen = SHAPE_PEN_V9_SCOPE, .id = 1, .len = 4, .col = COL_NONE },
        { .id = 10, .len = 4, .col = COL_NONE },
        { .id = 82, .len = 8, .col = COL_NONE },
        { .id = 83, .len = SHAPE_LEN_VAR, .col = COL_NONE },
    };
    static const struct shape_field app[] = {
        { .id = 95, .len = 4, .col = COL_NONE },
        { .id = 96, .len = 6, .col = COL_NONE },
    };
    static const struct shape_field rate[] = {
        { .pen = SHAPE_PEN_V9_SCOPE, .id = 2, .len = 2, .col = COL_NONE },
        { .id = 34, .len = 4, .col = COL_NONE },
    };

    (void)state;
    each(1, names, 4, "\0\0\0\1\0\0\0\7xe-0/0/1\4up  ", 21);
    assert_int_equal(n_found, 2);
    assert_int_equal(found[0].kind, FACT_IF_NAME);
    assert_int_equal(found[0].id, 7);
    assert_int_equal(found[0].len, 8);
    assert_memory_equal(found[0].text, "xe-0/0/1", 8);
    assert_int_equal(found[1].kind, FACT_IF_TEXT);
    assert_int_equal(found[1].len, 2);
    each(1, app, 2,
         "\3\0\0\x35"
         "dns\0\0\0",
         10);
    assert_int_equal(n_found, 1);
    assert_int_equal(found[0].kind, FACT_APP_NAME);
    assert_true(found[0].id == ((uint64_t)3 << 56 | 0x35));
    assert_int_equal(found[0].len, 3);
    each(1, rate, 2, "\0\7\0\0\3\xe8", 6);
    assert_int_equal(n_found, 1);
    assert_int_equal(found[0].kind, FACT_RATE_IF);
    assert_int_equal(found[0].id, 7);
    assert_int_equal(found[0].number, 1000);
    each(1, rate, 2, "\0\7\0\0\0\0", 6); /* a rate of 0 says nothing */
    assert_int_equal(n_found, 0);
}

static void an_exporter_has_a_ceiling(void **state)
{
    struct fact_table *t;
    struct fact f = { .kind = FACT_IF_NAME, .text = (const uint8_t *)"x", .len = 1 };
    uint64_t refused;
    bool news;
    int rc = ERR_OK;

    (void)state;
    assert_int_equal(fact_table_new(&t, NULL), ERR_OK);
    for (f.id = 0; rc == ERR_OK && f.id < 1000000; f.id++)
        rc = fact_table_add(t, &one, 1, &f, &news);
    assert_int_equal(rc, ERR_LIMIT);
    assert_int_equal(fact_table_add(t, &two, 1, &f, &news), ERR_OK);
    assert_true(news);
    assert_true(fact_table_count(t, &refused) < 100000);
    assert_int_equal(refused, 1);
    assert_false(fact_any_rate(t, &one));
    fact_table_unref(t);
}

/* ------------------------------------------------------------------------------------ on a disk */

static char dir[64];

static int each_remove(void *ctx, const char *name)
{
    char path[512];

    (void)snprintf(path, sizeof path, "%s/%s", (const char *)ctx, name);
    if (os_is_dir(path))
        (void)rmdir(path);
    else
        (void)os_unlink(path, NULL);
    return ERR_OK;
}

static int setup(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof dir, "/tmp/weir-test-XXXXXX");
    return mkdtemp(dir) != NULL ? 0 : 1;
}

static int teardown(void **state)
{
    (void)state;
    (void)os_dir_list(dir, each_remove, dir, NULL);
    return rmdir(dir);
}

static struct store *open_store(void)
{
    struct store *s;
    struct err e;

    assert_int_equal(store_open(&s, dir, STORE_WRITE, "", &e), ERR_OK);
    return s;
}

/* A batch whose option record says that one packet of `rate` is looked at. */
static struct flow_batch *saying(uint32_t rate, int64_t ms)
{
    static const struct shape_field f[] = {
        { .pen = SHAPE_PEN_V9_SCOPE, .id = 1, .len = 4, .col = COL_NONE },
        { .id = 34, .len = 4, .col = COL_NONE },
    };
    uint8_t octets[8] = { 0 };
    struct flow_batch *b;
    struct shape *s;
    uint32_t x, n;

    be_put(octets + 4, rate, 4);
    assert_int_equal(flow_batch_new(&b), ERR_OK);
    assert_int_equal(shape_new(&s, 9, SHAPE_OPTION, 1, f, 2), ERR_OK);
    x = flow_batch_exporter(b, &one);
    n = flow_batch_shape(b, s);
    assert_int_equal(flow_batch_option(b, x, n, ms, octets, sizeof octets), ERR_OK);
    shape_unref(s);
    flow_batch_seal(b);
    return b;
}

static void seal(struct store *s, uint32_t rate, int64_t ms)
{
    struct flow_batch *b = saying(rate, ms);
    struct err e;

    assert_int_equal(store_seal(s, &b, 1, &e), ERR_OK);
    flow_batch_unref(b);
}

static uint32_t rate_at(struct store *s, int64_t ms)
{
    struct fact_table *t = store_facts(s);
    int64_t since, until;
    uint32_t rate = fact_rate(t, &one, 0, 3, ms, &since, &until);

    fact_table_unref(t);
    return rate;
}

static size_t names_octets(void)
{
    struct os_stat st;
    char path[128];

    (void)snprintf(path, sizeof path, "%s/names", dir);
    return os_file_stat(path, &st, NULL) == ERR_OK ? st.octets : 0;
}

static void what_is_sealed_is_known_later(void **state)
{
    struct store *s = open_store();
    size_t octets;

    (void)state;
    assert_int_equal(rate_at(s, 5000), 0);
    seal(s, 100, 1000);
    octets = names_octets();
    seal(s, 100, 2000); /* nothing new */
    assert_int_equal(names_octets(), octets);
    seal(s, 400, 3000);
    assert_true(names_octets() > octets);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(rate_at(s, 0), 100);
        assert_int_equal(rate_at(s, 2999), 100);
        assert_int_equal(rate_at(s, 3000), 400);
        store_close(s);
        s = open_store();
    }
    store_close(s);
}

/* A crash while it was written, or damage: what is whole counts, and the log goes on behind it. */
static void a_torn_log_goes_on(void **state)
{
    struct store *s = open_store();
    char path[128];
    size_t whole, all, got;
    uint8_t was;
    int fd;

    (void)state;
    seal(s, 100, 1000);
    whole = names_octets();
    seal(s, 400, 3000);
    all = names_octets();
    store_close(s);
    (void)snprintf(path, sizeof path, "%s/names", dir);
    assert_int_equal(os_file_open(&fd, path, OS_OPEN_CREATE, NULL), ERR_OK);
    assert_int_equal(os_file_truncate(fd, path, all - 1, NULL), ERR_OK);
    s = open_store();
    assert_int_equal(rate_at(s, 9999), 100);
    seal(s, 250, 4000);
    assert_int_equal(names_octets(), all);
    store_close(s);
    s = open_store();
    assert_int_equal(rate_at(s, 9999), 250);
    store_close(s);
    assert_int_equal(os_file_read(fd, path, whole - 9, &was, 1, &got, NULL), ERR_OK);
    assert_int_equal(os_file_write(fd, path, whole - 9, "?", 1, NULL), ERR_OK);
    s = open_store(); /* damage costs one record, not what stands behind it */
    assert_int_equal(rate_at(s, 0), 250);
    store_close(s);
    assert_int_equal(os_file_write(fd, path, whole - 9, &was, 1, NULL), ERR_OK);
    assert_int_equal(os_file_write(fd, path, whole + 20, "?", 1, NULL), ERR_OK);
    s = open_store();
    assert_int_equal(rate_at(s, 9999), 100);
    assert_true(s->names_damaged);
    store_close(s);
    assert_int_equal(os_file_write(fd, path, 8, "\7", 1, NULL), ERR_OK);
    os_file_close(&fd);
    assert_int_equal(store_open(&s, dir, STORE_WRITE, "", NULL), ERR_VERSION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_is_as_a_list),
        cmocka_unit_test(option_records_say),
        cmocka_unit_test(an_exporter_has_a_ceiling),
        cmocka_unit_test_setup_teardown(what_is_sealed_is_known_later, setup, teardown),
        cmocka_unit_test_setup_teardown(a_torn_log_goes_on, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
