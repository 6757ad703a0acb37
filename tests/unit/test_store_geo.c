/* AS numbers and countries of addresses in segments: as they were known when a segment was sealed,
 * through merges and repairs; against what a made-up source says of each address. */
#include "unit.h"

#include <unistd.h>

#include "fake_geo.h"
#include "folder.h"
#include "random_batch.h"
#include "store/check.h"
#include "store/merge.h"
#include "store/read.h"

#define FEW 500u

static struct fake_geo geo[3]; /* salts 1, 2, 3 */

struct made {
    struct flow_batch *b;
    struct buf octets;
    struct rowset *rs;
};

static void make(struct made *m, struct rnd *r, unsigned id, const struct geo *today)
{
    int64_t t = 1780000000000 + id * 1000;
    const struct seg_geo known = { .today = today };
    struct seg_info info;
    struct err e;

    m->b = random_batch(r, 3000, 0, &t, 3, 0);
    assert_non_null(m->b);
    m->octets = buf_init(1u << 30);
    assert_int_equal(segment_build_from(&m->b, 1, id, NULL, &known, &m->octets, &info, NULL, &e),
                     ERR_OK);
    assert_int_equal(
        segment_open(&m->rs, "seg-in", (struct os_map){ m->octets.p, m->octets.len }, false, &e),
        ERR_OK);
}

static void drop(struct made *m)
{
    rowset_unref(m->rs);
    flow_batch_unref(m->b);
    buf_free(&m->octets);
}

static bool has(const struct rowset *rs, const struct addr *a)
{
    for (uint32_t lo = 0, hi = rs->n_addrs; lo < hi;) {
        uint32_t mid = lo + (hi - lo) / 2;
        int c = addr_cmp(&rs->addrs[mid], a);
        if (c == 0)
            return true;
        lo = c < 0 ? mid + 1 : lo;
        hi = c < 0 ? hi : mid;
    }
    return false;
}

static void sealed_by_what_was_known(void **state)
{
    struct rnd r = { 5 };
    struct made with, without;

    (void)state;
    make(&with, &r, 1, &geo[0].geo);
    make(&without, &r, 2, NULL);
    assert_true(with.rs->n_addrs > 100);
    for (unsigned k = 0; k < GEO_N; k++) {
        struct rowset_geo g;
        uint32_t *room = malloc((MAX(with.rs->n_addrs, without.rs->n_addrs)) * sizeof *room);
        const uint32_t *v;
        uint32_t today = 0;
        assert_int_equal(with.rs->ops->geo(with.rs, k, &g, NULL), ERR_OK);
        assert_int_equal(g.n_versions, 1);
        assert_int_equal(g.version[0].id, geo[0].geo.version[k].id);
        assert_int_equal(g.version[0].date_ms, geo[0].geo.version[k].date_ms);
        assert_null(g.which);
        for (uint32_t i = 0; i < with.rs->n_addrs; i++)
            assert_int_equal(g.value[i], fake_value(1, FEW, k, &with.rs->addrs[i]));
        rowset_geo(with.rs, k, &geo[1].geo, room, &v, &today);
        assert_ptr_equal(v, g.value);
        assert_int_equal(today, 0);

        assert_int_equal(without.rs->ops->geo(without.rs, k, &g, NULL), ERR_UNSUPPORTED);
        rowset_geo(without.rs, k, &geo[1].geo, room, &v, &today);
        assert_int_equal(today, without.rs->n_addrs);
        for (uint32_t i = 0; i < without.rs->n_addrs; i++)
            assert_int_equal(v[i], fake_value(2, FEW, k, &without.rs->addrs[i]));
        rowset_geo(without.rs, k, NULL, room, &v, &today);
        for (uint32_t i = 0; i < without.rs->n_addrs; i++)
            assert_int_equal(v[i], 0);
        free(room);
    }
    drop(&with);
    drop(&without);
}

static struct rowset *merge(struct rowset *const *in, size_t n, const char *path)
{
    struct merge_options o = { .id = 50 };
    struct merge_result res;
    struct os_map map;
    struct rowset *rs;
    struct err e;

    assert_int_equal(segment_merge(in, n, path, &o, &res, &e), ERR_OK);
    assert_int_equal(os_map_file(&map, path, &e), ERR_OK);
    assert_int_equal(segment_open(&rs, "seg-out", map, true, &e), ERR_OK);
    return rs;
}

/* Of each address: by the first source, in order, that has it and knew something at all. */
static void first_source_counts(void **state)
{
    /* the source's salt; 0: sealed without */
    static const uint8_t salts[][4] = {
        { 1, 0, 2, 1 }, { 0, 0, 3, 0 }, { 1, 1, 1, 1 }, { 2, 1, 0, 3 }
    };
    char dir[64], path[128], path2[128];

    (void)state;
    assert_int_equal(folder_make(dir), 0);
    (void)snprintf(path, sizeof path, "%s/out", dir);
    (void)snprintf(path2, sizeof path2, "%s/out2", dir);
    for (unsigned round = 0; round < ARRAY_LEN(salts); round++) {
        const uint8_t *salt = salts[round];
        struct rnd r = { 17 + round };
        struct made m[4];
        struct rowset *in[4], *half, *out;
        for (unsigned i = 0; i < 4; i++) {
            make(&m[i], &r, i + 1, salt[i] > 0 ? &geo[salt[i] - 1].geo : NULL);
            in[i] = m[i].rs;
        }
        half = merge(in, 2, path);
        out = merge((struct rowset *[]){ half, in[2], in[3] }, 3, path2);
        for (unsigned k = 0; k < GEO_N; k++) {
            struct rowset_geo g;
            const uint32_t *v;
            uint32_t today = 0, late = 0, *room = malloc(out->n_addrs * sizeof *room);
            bool mixed = false;
            assert_int_equal(out->ops->geo(out, k, &g, NULL), ERR_OK);
            rowset_geo(out, k, &geo[2].geo, room, &v, &today);
            for (uint32_t i = 0; i < out->n_addrs; i++) {
                unsigned first = 0;
                while (first < 4 && (salt[first] == 0 || !has(in[first], &out->addrs[i])))
                    first++;
                late += first == 4;
                mixed |= first == 4 || salt[first] != salt[0];
                if (first == 4) {
                    assert_true(g.which != NULL && g.which[i] == 0);
                    assert_int_equal(v[i], fake_value(3, FEW, k, &out->addrs[i]));
                    continue;
                }
                assert_int_equal(g.version[g.which != NULL ? g.which[i] - 1 : 0].id,
                                 geo[salt[first] - 1].geo.version[k].id);
                assert_int_equal(g.value[i], fake_value(salt[first], FEW, k, &out->addrs[i]));
                assert_int_equal(v[i], g.value[i]);
            }
            assert_int_equal(mixed, g.which != NULL);
            assert_int_equal(today, late);
            free(room);
        }
        rowset_unref(half);
        rowset_unref(out);
        for (unsigned i = 0; i < 4; i++)
            drop(&m[i]);
    }
    (void)unlink(path);
    (void)unlink(path2);
    (void)folder_remove(dir);
}

static void each(void *ctx, const struct store_finding *f)
{
    (void)f;
    ++*(unsigned *)ctx;
}

/* A segment that is written anew (here by a repair) keeps what was known, whatever is known now. */
static void repaired(void **state)
{
    char dir[64], path[128];
    struct rnd r = { 8 };
    int64_t t = 1780000000000;
    struct flow_batch *b;
    struct store *s;
    struct store_check o = { .repair = true, .found = each };
    struct snapshot snap;
    struct rowset *rs;
    struct segment *g;
    struct err e = { 0 };
    unsigned found = 0;
    uint8_t c;
    size_t got;
    int fd;

    (void)state;
    assert_int_equal(folder_make(dir), 0);
    assert_int_equal(store_open(&s, dir, STORE_WRITE, "", &e), ERR_OK);
    store_set_geo(s, &geo[0].geo);
    b = random_batch(&r, 3000, 3, &t, 3, 0);
    assert_int_equal(store_seal(s, &b, 1, &e), ERR_OK);
    flow_batch_unref(b);
    assert_int_equal(store_snapshot(s, &snap, &e), ERR_OK);
    assert_ptr_equal(snap.geo, &geo[0].geo);
    assert_int_equal(rowset_open(snap.sets[0], &rs, &e), ERR_OK);
    g = segment_of(rs);
    (void)snprintf(path, sizeof path, "%s/seg-000000000001.seg", dir);
    assert_int_equal(os_file_open(&fd, path, OS_OPEN_CREATE, &e), ERR_OK);
    assert_int_equal(os_file_read(fd, path, g->table[TABLE_PAGES].off, &c, 1, &got, &e), ERR_OK);
    c ^= 1;
    assert_int_equal(os_file_write(fd, path, g->table[TABLE_PAGES].off, &c, 1, &e), ERR_OK);
    os_file_close(&fd);
    rowset_unref(rs);
    snapshot_free(&snap);
    store_close(s);

    o.ctx = &found;
    assert_int_equal(store_check(dir, &o, &e), ERR_OK);
    assert_true(found > 0);
    assert_int_equal(store_open(&s, dir, STORE_READ, "", &e), ERR_OK);
    store_set_geo(s, &geo[1].geo);
    assert_int_equal(store_snapshot(s, &snap, &e), ERR_OK);
    assert_int_equal(snap.n, 1);
    assert_int_equal(rowset_open(snap.sets[0], &rs, &e), ERR_OK);
    assert_true(rs->n_rows == 3000);
    for (unsigned k = 0; k < GEO_N; k++) {
        struct rowset_geo x;
        assert_int_equal(rs->ops->geo(rs, k, &x, &e), ERR_OK);
        assert_int_equal(x.version[0].id, geo[0].geo.version[k].id);
        for (uint32_t i = 0; i < rs->n_addrs; i++)
            assert_int_equal(x.value[i], fake_value(1, FEW, k, &rs->addrs[i]));
    }
    rowset_unref(rs);
    snapshot_free(&snap);
    store_close(s);
    (void)folder_remove(dir);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(sealed_by_what_was_known),
        cmocka_unit_test(first_source_counts),
        cmocka_unit_test(repaired),
    };

    for (unsigned i = 0; i < 3; i++)
        fake_geo_init(&geo[i], i + 1, FEW);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
