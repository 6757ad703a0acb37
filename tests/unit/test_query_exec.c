/* Execution of plans over batches filled by hand, against sums made row by row. */
#include "query/exec.h"

#include "flow/share.h"
#include "unit.h"

#define N_ROWS 9000u

struct got {
    struct answer_sink sink;
    uint32_t n_cols, n;
    struct answer_totals totals;
    struct query_stats stats;
    struct cell total[8], cell[4096][8];
    uint8_t kind[4096];
};

static int on_begin(struct answer_sink *s, const struct answer_head *h)
{
    ((struct got *)(void *)s)->n_cols = h->n_cols;
    return ERR_OK;
}
static int on_row(struct answer_sink *s, const struct answer_row *r)
{
    struct got *g = (struct got *)(void *)s;

    assert_true(g->n < 4096 && g->n_cols <= 8);
    g->kind[g->n] = r->kind;
    memcpy(g->cell[g->n++], r->cell, g->n_cols * sizeof *r->cell);
    return ERR_OK;
}
static int on_end(struct answer_sink *s, const struct answer_end *end)
{
    struct got *g = (struct got *)(void *)s;

    g->totals = *end->totals;
    g->stats = *end->stats;
    if (end->total != NULL)
        memcpy(g->total, end->total, g->n_cols * sizeof *end->total);
    return ERR_OK;
}

static struct flow_batch *batch;
static struct snapshot snap;
static struct rowset *sets[1];

static uint64_t next_random(uint64_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return *x >> 11;
}

static uint64_t at(unsigned col, uint32_t i)
{
    switch (col_info[col].bits) {
    case 8:
        return ((uint8_t *)batch->col[col])[i];
    case 16:
        return ((uint16_t *)batch->col[col])[i];
    case 32:
        return ((uint32_t *)batch->col[col])[i];
    default:
        return ((uint64_t *)batch->col[col])[i];
    }
}

static int setup(void **state)
{
    static const uint16_t ids[] = { 8, 12, 7, 11, 4, 1, 2 };
    static const uint8_t cols[] = { COL_SRC_IP, COL_DST_IP, COL_SRC_PORT, COL_DST_PORT,
                                    COL_PROTO,  COL_BYTES,  COL_PACKETS };
    static const uint8_t lens[] = { 4, 4, 2, 2, 1, 4, 4 };
    struct shape_field f[7];
    struct shape *sh;
    struct exporter_key x = { .addr = addr_from_v4(0x0a000001), .version = 10 };
    uint64_t seed = 88172645463325252u;

    (void)state;
    for (unsigned i = 0; i < 7; i++)
        f[i] = (struct shape_field){
            .id = ids[i], .len = lens[i], .col = cols[i], .conv = i < 2 ? CONV_IP4 : CONV_UINT
        };
    assert_int_equal(flow_batch_new(&batch), ERR_OK);
    assert_int_equal(shape_new(&sh, 10, SHAPE_FLOW, 0, f, 7), ERR_OK);
    (void)flow_batch_shape(batch, sh);
    shape_unref(sh);
    (void)flow_batch_exporter(batch, &x);
    for (uint32_t i = 0; i < N_ROWS; i++) {
        struct addr a = addr_from_v4(0x0a000000u | (uint32_t)(next_random(&seed) % 40));
        struct addr b = addr_from_v4(0x0a000000u | (uint32_t)(next_random(&seed) % 60));
        uint64_t start = 1000000 + next_random(&seed) % 600000;
        ((uint32_t *)batch->col[COL_SRC_IP])[i] = flow_batch_addr(batch, &a);
        ((uint32_t *)batch->col[COL_DST_IP])[i] = flow_batch_addr(batch, &b);
        ((uint16_t *)batch->col[COL_DST_PORT])[i] = (uint16_t)(next_random(&seed) % 50);
        ((uint8_t *)batch->col[COL_PROTO])[i] = next_random(&seed) % 3 == 0 ? 1 : 6;
        ((uint64_t *)batch->col[COL_BYTES])[i] = next_random(&seed) % 100000;
        ((uint64_t *)batch->col[COL_PACKETS])[i] = next_random(&seed) % 100;
        ((uint64_t *)batch->col[COL_REV_BYTES])[i] = i % 4 == 0 ? next_random(&seed) % 5000 : 0;
        ((uint64_t *)batch->col[COL_START])[i] = start;
        ((uint64_t *)batch->col[COL_END])[i] = start + (i % 3) * (next_random(&seed) % 90000);
        ((uint32_t *)batch->col[COL_RATE])[i] = i % 5 == 0 ? 10 : 0;
        ((uint64_t *)batch->col[COL_RECEIVED])[i] = start + 1;
    }
    flow_batch_publish(batch, N_ROWS, UINT64_MAX);
    assert_int_equal(rowset_of_batch(&sets[0], batch), ERR_OK);
    snap = (struct snapshot){ .sets = sets, .n = 1 };
    return 0;
}
static int teardown(void **state)
{
    (void)state;
    rowset_unref(sets[0]);
    flow_batch_unref(batch);
    return 0;
}

static struct value col_value(unsigned c)
{
    return (struct value){ .kind = VALUE_COL, .col = (uint8_t)c };
}
static struct value_alts alts(unsigned c)
{
    return (struct value_alts){ .n = 1, .v = { col_value(c) } };
}

static struct key whole_address(enum col c)
{
    return (struct key){ .kind = KEY_VALUE, .a = alts(c), .mask4 = 32, .mask6 = 128 };
}
static struct expr *everything(void)
{
    struct expr *x = expr_new(EXPR_CONST);

    x->yes = true;
    return x;
}
static struct expr *range(unsigned col, uint64_t lo, uint64_t hi)
{
    struct expr *x = expr_new(EXPR_RANGE);

    x->value = alts(col);
    x->range = malloc(sizeof *x->range);
    x->range[0] = (struct num_range){ lo, hi };
    x->n_ranges = 1;
    return x;
}
static struct plan *question(struct expr *filter, unsigned view)
{
    struct plan *p = calloc(1, sizeof *p);

    p->filter = filter;
    p->view = (uint8_t)view;
    p->n_measures = 3;
    p->measures[0].kind = MEASURE_BYTES;
    p->measures[1].kind = MEASURE_PACKETS;
    p->measures[2].kind = MEASURE_FLOWS;
    return p;
}
static struct got *ask(struct plan *p)
{
    static struct got g;
    struct err e = { 0 };
    int rc;

    memset(&g, 0, sizeof g);
    g.sink = (struct answer_sink){ on_begin, on_row, on_end };
    rc = query_run(p, &snap, &g.sink, NULL, NULL, &e);
    if (rc != ERR_OK)
        fail_msg("%s: %s", err_name(rc), e.msg);
    return &g;
}
static void done(struct plan *p)
{
    expr_free(p->filter);
    free(p);
}
static uint64_t scaled(uint32_t i, uint64_t v)
{
    return v * MAX(at(COL_RATE, i), 1);
}

static void totals_equal_the_rows(void **state)
{
    struct plan *p = question(range(COL_DST_PORT, 10, 20), VIEW_TOTALS);
    struct got *g = ask(p);
    uint64_t bytes = 0, flows = 0;

    (void)state;
    for (uint32_t i = 0; i < N_ROWS; i++) {
        if (at(COL_DST_PORT, i) < 10 || at(COL_DST_PORT, i) > 20)
            continue;
        flows++;
        bytes += scaled(i, at(COL_BYTES, i) + at(COL_REV_BYTES, i));
    }
    assert_true(flows > 100);
    assert_int_equal(g->totals.flows, flows);
    assert_int_equal(g->totals.bytes, bytes);
    assert_int_equal(g->total[0].u, bytes);
    assert_int_equal(g->stats.rows_matched, flows);
    done(p);
}

static void logic_of_filters(void **state)
{
    static const unsigned ops[] = { EXPR_AND, EXPR_OR, EXPR_XOR };

    (void)state;
    for (unsigned k = 0; k < 3; k++) {
        struct expr *x = expr_new((enum expr_op)ops[k]), *no = expr_new(EXPR_NOT);
        struct plan *p;
        uint64_t want = 0;
        assert_true(expr_add(no, range(COL_PROTO, 1, 1)));
        assert_true(expr_add(x, no) && expr_add(x, range(COL_DST_PORT, 0, 24)) &&
                    expr_add(x, range(COL_BYTES, 50000, UINT64_MAX)));
        for (uint32_t i = 0; i < N_ROWS; i++) {
            unsigned a = at(COL_PROTO, i) != 1, b = at(COL_DST_PORT, i) <= 24,
                     c = at(COL_BYTES, i) >= 50000;
            want += k == 0 ? a & b & c : k == 1 ? a | b | c : a ^ b ^ c;
        }
        p = question(x, VIEW_TOTALS);
        assert_int_equal(ask(p)->totals.flows, want);
        done(p);
    }
}

static void ranking_gives_reverse_bytes_to_the_other_side(void **state)
{
    struct plan *p = question(everything(), VIEW_RANK);
    struct got *g;

    (void)state;
    p->n_keys = 1;
    p->keys[0] = whole_address(COL_SRC_IP);
    g = ask(p);
    assert_int_equal(g->n, 60);
    for (uint32_t r = 0; r < g->n; r++) {
        uint64_t bytes = 0, flows = 0;
        for (uint32_t i = 0; i < N_ROWS; i++) {
            if (addr_cmp(&batch->addrs[at(COL_SRC_IP, i)], &g->cell[r][0].a) == 0) {
                bytes += scaled(i, at(COL_BYTES, i));
                flows++;
            }
            if (addr_cmp(&batch->addrs[at(COL_DST_IP, i)], &g->cell[r][0].a) == 0)
                bytes += scaled(i, at(COL_REV_BYTES, i));
        }
        assert_int_equal(g->cell[r][1].u, bytes);
        assert_int_equal(g->cell[r][3].u, flows);
        assert_true(r == 0 || g->cell[r - 1][1].u >= g->cell[r][1].u);
    }
    done(p);
}

static void top_and_rest_make_the_total(void **state)
{
    struct plan *p = question(everything(), VIEW_RANK);
    struct got *g;
    uint64_t sum = 0;

    (void)state;
    p->n_keys = 2;
    p->keys[0] = whole_address(COL_SRC_IP);
    p->keys[1] = whole_address(COL_DST_IP);
    p->top = 7;
    g = ask(p);
    assert_int_equal(g->n, 8);
    assert_int_equal(g->kind[7], ROW_REST);
    for (uint32_t r = 0; r < g->n; r++)
        sum += g->cell[r][2].u;
    assert_int_equal(sum, g->totals.bytes);
    done(p);
}

static void either_key_counts_a_record_once_for_each_value(void **state)
{
    struct plan *p = question(everything(), VIEW_RANK);
    struct got *g;

    (void)state;
    p->n_keys = 1;
    p->keys[0] = whole_address(COL_SRC_IP);
    p->keys[0].kind = KEY_EITHER;
    p->keys[0].b = alts(COL_DST_IP);
    p->n_measures = 4;
    p->measures[3].kind = MEASURE_DISTINCT;
    p->measures[3].distinct = (struct key){ .kind = KEY_VALUE, .a = alts(COL_DST_PORT) };
    g = ask(p);
    for (uint32_t r = 0; r < g->n; r++) {
        uint64_t flows = 0, ports = 0;
        bool seen[50] = { false };
        for (uint32_t i = 0; i < N_ROWS; i++) {
            if (addr_cmp(&batch->addrs[at(COL_SRC_IP, i)], &g->cell[r][0].a) != 0 &&
                addr_cmp(&batch->addrs[at(COL_DST_IP, i)], &g->cell[r][0].a) != 0)
                continue;
            flows++;
            /* the reverse of a biflow goes to what was its source port: 0 */
            ports += !seen[at(COL_DST_PORT, i)];
            seen[at(COL_DST_PORT, i)] = true;
            if (at(COL_REV_BYTES, i) > 0) {
                ports += !seen[0];
                seen[0] = true;
            }
        }
        assert_int_equal(g->cell[r][3].u, flows);
        assert_int_equal(g->cell[r][4].u, ports);
    }
    assert_int_equal(g->totals.flows, N_ROWS);
    done(p);
}

static void bins_add_up_to_the_table(void **state)
{
    static const int64_t steps[] = { 1000, 7000, 60000, 3600000 };

    (void)state;
    for (unsigned k = 0; k < 4; k++) {
        struct plan *p = question(everything(), VIEW_RANK);
        struct got *g;
        uint64_t bytes = 0, flows = 0, want = 0;
        p->framed = true;
        p->from_ms = 1100123;
        p->to_ms = 1400777;
        p->step_ms = steps[k];
        p->n_keys = 1;
        p->keys[0] = (struct key){ .kind = KEY_VALUE, .a = alts(COL_PROTO) };
        p->top = 1;
        g = ask(p);
        for (uint32_t r = 0; r < g->n; r++) {
            bytes += g->cell[r][2].u;
            flows += g->cell[r][4].u;
        }
        for (uint32_t i = 0; i < N_ROWS; i++) {
            int64_t a = (int64_t)at(COL_START, i), b = (int64_t)at(COL_END, i);
            want += share_inside(scaled(i, at(COL_BYTES, i)), a, b, p->from_ms, p->to_ms) +
                    share_inside(scaled(i, at(COL_REV_BYTES, i)), a, b, p->from_ms, p->to_ms);
        }
        assert_int_equal(bytes, want);
        assert_int_equal(g->totals.bytes, want);
        assert_int_equal(flows, g->totals.flows);
        done(p);
    }
}

static void sorted_list_is_sorted_and_limited(void **state)
{
    struct plan *p = question(everything(), VIEW_LIST);
    struct got *g;
    uint64_t above = 0;

    (void)state;
    p->n_cols = 2;
    p->cols[0].value = alts(COL_BYTES);
    p->cols[1].value = alts(COL_SRC_IP);
    p->sorted = p->sort_desc = true;
    p->sort = alts(COL_BYTES);
    p->limit = 25;
    g = ask(p);
    assert_int_equal(g->n, 25);
    for (uint32_t r = 1; r < g->n; r++)
        assert_true(g->cell[r - 1][0].u >= g->cell[r][0].u);
    for (uint32_t i = 0; i < N_ROWS; i++)
        above += at(COL_BYTES, i) > g->cell[24][0].u;
    assert_true(above <= 24);
    assert_int_equal(g->totals.flows, N_ROWS);
    done(p);
}

static void too_little_memory_is_said(void **state)
{
    struct plan *p = question(everything(), VIEW_RANK);
    struct query_control ctl = { .memory_max = 4096 };
    struct got *g = calloc(1, sizeof *g);
    struct err e;

    (void)state;
    p->n_keys = 1;
    p->keys[0] = (struct key){ .kind = KEY_VALUE, .a = alts(COL_BYTES) };
    g->sink = (struct answer_sink){ on_begin, on_row, on_end };
    assert_int_equal(query_run(p, &snap, &g->sink, &ctl, NULL, &e), ERR_LIMIT);
    assert_non_null(strstr(e.msg, "query.memory"));
    atomic_store(&ctl.cancel, true);
    assert_int_equal(query_run(p, &snap, &g->sink, &ctl, NULL, &e), ERR_CANCEL);
    free(g);
    done(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(totals_equal_the_rows),
        cmocka_unit_test(logic_of_filters),
        cmocka_unit_test(ranking_gives_reverse_bytes_to_the_other_side),
        cmocka_unit_test(top_and_rest_make_the_total),
        cmocka_unit_test(either_key_counts_a_record_once_for_each_value),
        cmocka_unit_test(bins_add_up_to_the_table),
        cmocka_unit_test(sorted_list_is_sorted_and_limited),
        cmocka_unit_test(too_little_memory_is_said),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
