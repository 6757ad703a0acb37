#include "query/group.h"

#include <stdlib.h>
#include <string.h>

#include "flow/share.h"

#define REVERSED 0x8000u

/* ------------------------------------------------------------------ keys */

static uint8_t mirror_col(uint8_t c, bool *differs)
{
    static const uint8_t pair[][2] = {
        { COL_SRC_IP, COL_DST_IP }, { COL_SRC_PORT, COL_DST_PORT },
        { COL_SRC_AS, COL_DST_AS }, { COL_SRC_MASK, COL_DST_MASK },
        { COL_IN_IF, COL_OUT_IF },  { COL_SRC_VLAN, COL_DST_VLAN },
    };

    for (size_t i = 0; i < ARRAY_LEN(pair); i++) {
        if (c == pair[i][0] || c == pair[i][1]) {
            *differs = true;
            return c == pair[i][0] ? pair[i][1] : pair[i][0];
        }
    }
    return c;
}

static bool uses_col(const struct key *k, uint8_t a, uint8_t b)
{
    for (unsigned i = 0; i < k->a.n; i++)
        if (k->a.v[i].kind == VALUE_COL && (k->a.v[i].col == a || k->a.v[i].col == b))
            return true;
    return false;
}

static int key_init(struct key_state *ks, const struct key *k)
{
    ks->k = k;
    ks->alts[0] = k->a;
    ks->alts[1] = k->kind == KEY_VALUE ? k->a : k->b;
    if (k->kind == KEY_VALUE)
        for (unsigned i = 0; i < k->a.n; i++)
            if (k->a.v[i].kind == VALUE_COL)
                ks->alts[1].v[i].col = mirror_col(k->a.v[i].col, &ks->mirrors);
    if (k->kind == KEY_PAIR ||
        k->kind == KEY_MATCHED) { /* of addresses, whatever the parser filled */
        ks->alts[0] =
            (struct value_alts){ .n = 1, .v = { { .kind = VALUE_COL, .col = COL_SRC_IP } } };
        ks->alts[1] =
            (struct value_alts){ .n = 1, .v = { { .kind = VALUE_COL, .col = COL_DST_IP } } };
    }
    ks->type = value_type(&ks->alts[0]);
    ks->sides = calloc(1, ROWSET_VECTOR);
    for (unsigned i = 0; i < 2; i++) {
        ks->part[i] = malloc(ROWSET_VECTOR * sizeof(uint64_t));
        ks->absent[i] = malloc(ROWSET_VECTOR);
        if (ks->part[i] == NULL || ks->absent[i] == NULL)
            return ERR_NOMEM;
    }
    return ks->sides != NULL ? ERR_OK : ERR_NOMEM;
}

static unsigned mask_len(const struct key *k, const struct addr *a)
{
    if (addr_is_v4(a))
        return k->mask4 > 0 && k->mask4 < 32 ? 96u + k->mask4 : 128;
    return k->mask6 > 0 && k->mask6 < 128 ? k->mask6 : 128;
}

static int addr_id(struct group *g, const struct key *k, const struct addr *a, uint64_t *out)
{
    struct addr m = addr_mask(a, mask_len(k, a));
    uint64_t w[2];
    uint32_t n;
    bool is_new;
    int rc;

    memcpy(w, m.b, 16);
    rc = table_enter(&g->addrs, w, table_hash(w, 2), &n, &is_new);
    *out = n;
    return rc;
}

/* The common case: one address column, through the rowset's codes. */
static int addr_parts(struct group *g, struct key_state *ks, unsigned o, uint8_t col)
{
    struct scan *s = g->s;
    const uint64_t *c, *shape;
    int rc;

    if ((rc = scan_col(s, (enum col)col, &c)) != ERR_OK ||
        (rc = scan_col(s, COL_SHAPE, &shape)) != ERR_OK)
        return rc;
    for (uint32_t j = 0; j < s->n_sel; j++) {
        uint32_t i = s->sel[j];
        uint32_t *id = &ks->map[c[i]];
        if (*id == 0) {
            uint64_t n;
            if ((rc = addr_id(g, ks->k, &s->rs->addrs[c[i]], &n)) != ERR_OK)
                return rc;
            *id = (uint32_t)n + 1;
        }
        ks->part[o][j] = *id - 1;
        ks->absent[o][j] = (s->shape_cols[shape[i]] >> col & 1) == 0;
    }
    return ERR_OK;
}

static int number_parts(struct group *g, struct key_state *ks, unsigned o, uint8_t col)
{
    struct scan *s = g->s;
    const uint64_t *c, *shape;
    int rc;

    if ((rc = scan_col(s, (enum col)col, &c)) != ERR_OK ||
        (rc = scan_col(s, COL_SHAPE, &shape)) != ERR_OK)
        return rc;
    for (uint32_t j = 0; j < s->n_sel; j++) {
        ks->part[o][j] = c[s->sel[j]];
        ks->absent[o][j] = (s->shape_cols[shape[s->sel[j]]] >> col & 1) == 0;
        if (ks->absent[o][j])
            ks->part[o][j] = 0;
    }
    return ERR_OK;
}

static int any_parts(struct group *g, struct key_state *ks, unsigned o)
{
    struct scan *s = g->s;
    struct cellv v;
    uint32_t text;
    int rc = scan_load_alts(s, &ks->alts[o]);

    for (uint32_t j = 0; rc == ERR_OK && j < s->n_sel; j++) {
        bool there = scan_value(s, &ks->alts[o], s->sel[j], &v);
        ks->absent[o][j] = !there;
        ks->part[o][j] = 0;
        if (!there)
            continue;
        if (ks->type == TYPE_ADDR) {
            rc = addr_id(g, ks->k, &v.a, &ks->part[o][j]);
        } else if (ks->type == TYPE_TEXT) {
            rc = texts_enter(&g->texts, s->text.p, s->text.len, &text);
            ks->part[o][j] = text;
        } else {
            ks->part[o][j] = v.u;
        }
    }
    return rc;
}

static int parts(struct group *g, struct key_state *ks, unsigned o)
{
    const struct value_alts *a = &ks->alts[o];

    if (a->n == 1 && a->v[0].kind == VALUE_COL)
        return ks->type == TYPE_ADDR ? addr_parts(g, ks, o, a->v[0].col)
                                     : number_parts(g, ks, o, a->v[0].col);
    return any_parts(g, ks, o);
}

/* Which side's address leaf holds: 1 = src, 2 = dst. A side's leaf under a `not` counts as written.
 */
static int matched_sides(struct scan *s, struct node *x, uint8_t *sides, bool *named)
{
    uint8_t live[ROWSET_VECTOR], out[ROWSET_VECTOR];
    int rc = ERR_OK;

    if (x == NULL)
        return ERR_OK;
    for (uint32_t k = 0; rc == ERR_OK && k < x->n_kids; k++)
        rc = matched_sides(s, &x->kid[k], sides, named);
    if (rc != ERR_OK || x->x->side == 0)
        return rc;
    *named = true;
    memset(live, 1, s->n);
    if ((rc = node_eval(s, x, live, out)) != ERR_OK)
        return rc;
    for (uint32_t j = 0; j < s->n_sel; j++)
        if (out[s->sel[j]])
            sides[j] |= x->x->side == 's' ? 1 : 2;
    return ERR_OK;
}

static int load_key(struct group *g, struct key_state *ks, bool biflow)
{
    bool named = false;
    int rc = parts(g, ks, 0);

    if (rc == ERR_OK && (ks->k->kind != KEY_VALUE || (biflow && ks->mirrors)))
        rc = parts(g, ks, 1);
    if (rc != ERR_OK || ks->k->kind != KEY_MATCHED)
        return rc;
    memset(ks->sides, 0, g->s->n_sel);
    if ((rc = matched_sides(g->s, g->s->root, ks->sides, &named)) != ERR_OK)
        return rc;
    for (uint32_t j = 0; j < g->s->n_sel; j++)
        if (ks->sides[j] == 0)
            ks->sides[j] = 3;
    return ERR_OK;
}

/* Values that a row holds for a key in a direction: up to two, as (value, absent). */
struct choice {
    uint64_t v[2];
    uint8_t absent[2];
    uint8_t n;
};

static void choices(const struct key_state *ks, uint32_t j, bool reversed, struct choice *c)
{
    unsigned o = reversed && ks->mirrors;

    c->n = 1;
    if (ks->k->kind == KEY_MATCHED && ks->sides[j] == 2)
        o = 1;
    c->v[0] = ks->part[o][j];
    c->absent[0] = ks->absent[o][j];
    if (ks->k->kind == KEY_VALUE || ks->k->kind == KEY_PAIR ||
        (ks->k->kind == KEY_MATCHED && ks->sides[j] != 3))
        return;
    c->v[1] = ks->part[1][j];
    c->absent[1] = ks->absent[1][j];
    c->n = c->v[0] == c->v[1] && c->absent[0] == c->absent[1] ? 1 : 2;
}

/* ------------------------------------------------------------------ sums */

static int count_distinct(struct group *g, uint32_t m, uint64_t group, uint32_t j, bool reversed,
                          uint64_t *acc)
{
    struct choice c;
    uint64_t key[3];
    uint32_t n;
    bool is_new;
    int rc;

    choices(&g->key[g->distinct_key[m]], j, reversed, &c);
    if (g->key[g->distinct_key[m]].k->kind == KEY_PAIR) { /* both values make one */
        const struct key_state *ks = &g->key[g->distinct_key[m]];
        uint64_t a = MIN(ks->part[0][j], ks->part[1][j]), b = MAX(ks->part[0][j], ks->part[1][j]);
        c.v[0] = a << 32 | b;
    }
    for (unsigned i = 0; i < c.n; i++) {
        key[0] = (uint64_t)m << 40 | group;
        key[1] = c.absent[i];
        key[2] = c.v[i];
        if (c.absent[i])
            continue;
        if ((rc = table_enter(&g->seen, key, table_hash(key, 3), &n, &is_new)) != ERR_OK)
            return rc;
        *acc += is_new;
    }
    return ERR_OK;
}

static void add(uint64_t *into, const uint64_t *c, const uint8_t *used, uint32_t n)
{
    for (uint32_t a = 0; a < n; a++) {
        if (used[a] >= ACC_DISTINCT)
            break;
        if (used[a] >= ACC_FIRST)
            into[a] = MAX(into[a], c[used[a]]);
        else
            into[a] += c[used[a]];
    }
}

static int flush_one(struct group *g, uint32_t i)
{
    struct table *t = g->target;
    uint32_t stride = t->stride, n;
    uint64_t *acc;
    bool is_new;
    int rc;

    if ((rc = table_enter(t, g->wait_key + (size_t)i * GROUP_MAX_WORDS, g->wait_hash[i], &n,
                          &is_new)) != ERR_OK)
        return rc;
    (void)stride;
    acc = t->acc + (size_t)n * g->n_acc;
    add(acc, g->wait_acc + (size_t)i * ACC_DISTINCT, g->used, g->n_acc);
    for (uint32_t m = 0; m < g->s->p->n_measures; m++)
        if (g->distinct_key[m] >= 0 &&
            (rc = count_distinct(g, m, n, g->wait_row[i] & ~REVERSED, g->wait_row[i] & REVERSED,
                                 &acc[g->at[ACC_DISTINCT + m]])) != ERR_OK)
            return rc;
    return ERR_OK;
}

static int flush(struct group *g)
{
    struct table *t = g->target;
    int rc = ERR_OK;

    for (uint32_t i = 0; i < g->n_wait; i++) {
        g->wait_hash[i] = table_hash(g->wait_key + (size_t)i * GROUP_MAX_WORDS, t->stride);
        table_prefetch(t, g->wait_hash[i]);
    }
    for (uint32_t i = 0; rc == ERR_OK && i < g->n_wait; i++)
        rc = flush_one(g, i);
    g->n_wait = 0;
    return rc;
}

/* ------------------------------------------------------------------ bins */

static int64_t floor_to(int64_t t, int64_t step)
{
    int64_t r = t % step;

    return t - (r < 0 ? r + step : r);
}

/* Bins lie on multiples of the step in the zone. Up to an hour the offset of the moment is used, so
 * that a clock that is set back does not join two hours; beyond, bins follow the wall clock. */
int64_t bin_start(const struct scan *s, int64_t t, int64_t step, int64_t *next)
{
    int64_t off, at;

    if (s->zone == NULL || 900000 % step == 0) {
        at = floor_to(t, step);
        *next = at + step;
        return at;
    }
    off = zone_offset_s(s->zone, t) * INT64_C(1000);
    at = floor_to(t + off, step);
    if (step <= 3600000 && 3600000 % step == 0) {
        *next = at + step - off;
        return at - off;
    }
    *next = zone_to_utc_ms(s->zone, at + step);
    return zone_to_utc_ms(s->zone, at);
}

/* One row in one direction. */
struct part {
    uint64_t bytes, packets, rate; /* as exported */
    int64_t start, end;
    uint32_t j;
    bool reversed;
};

static bool starts_inside(const struct plan *p, int64_t start)
{
    return !p->framed || p->whole || (start >= p->from_ms && start < p->to_ms);
}

static void fill_acc(const struct plan *p, const struct part *r, int64_t from, int64_t to,
                     bool spread, bool flow, uint64_t *c)
{
    uint64_t b = r->bytes * r->rate, k = r->packets * r->rate;

    c[ACC_BYTES] = spread ? share_inside(b, r->start, r->end, from, to) : b;
    c[ACC_PACKETS] = spread ? share_inside(k, r->start, r->end, from, to) : k;
    c[ACC_RAW_BYTES] = spread ? share_inside(r->bytes, r->start, r->end, from, to) : r->bytes;
    c[ACC_RAW_PACKETS] = spread ? share_inside(r->packets, r->start, r->end, from, to) : r->packets;
    c[ACC_FLOWS] = flow && !r->reversed && starts_inside(p, r->start);
    c[ACC_ACTIVE] = !r->reversed;
    c[ACC_DURATION] = flow && !r->reversed && r->end > r->start ? (uint64_t)(r->end - r->start) : 0;
    c[ACC_FIRST] = ~(uint64_t)r->start;
    c[ACC_LAST] = (uint64_t)r->end + 1;
}

static int put(struct group *g, const uint64_t *key, const struct part *r, int64_t from, int64_t to,
               bool spread, bool flow)
{
    uint32_t i = g->n_wait++;

    memcpy(g->wait_key + (size_t)i * GROUP_MAX_WORDS, key, g->target->stride * 8u);
    fill_acc(g->s->p, r, from, to, spread, flow, g->wait_acc + (size_t)i * ACC_DISTINCT);
    g->wait_row[i] = (uint16_t)(r->j | (r->reversed ? REVERSED : 0));
    return g->n_wait == GROUP_BATCH ? flush(g) : ERR_OK;
}

/* A row spread over the bins it touches. Each bin gets its share; the start's bin gets the flow. */
static int put_bins(struct group *g, uint64_t rank1, const struct part *r)
{
    const struct plan *p = g->s->p;
    int64_t t = r->start, last = MAX(r->end, r->start + 1), next;
    uint64_t key[2] = { 0, rank1 };
    bool first = true;
    int rc = ERR_OK;

    if (p->framed && t < p->from_ms)
        t = p->from_ms;
    if (p->framed && last > p->to_ms)
        last = p->to_ms;
    while (rc == ERR_OK && t < last) {
        int64_t at = bin_start(g->s, t, g->step_ms, &next);
        key[0] = (uint64_t)at;
        if (next <= t)
            next = t + 1; /* a zone that jumps by more than the step */
        rc = put(g, key, r, t, MIN(next, last), !p->whole, first);
        if (p->whole)
            break;
        first = false;
        t = next;
    }
    return rc;
}

static int put_row(struct group *g, const uint64_t *key, const struct part *r)
{
    const struct plan *p = g->s->p;
    uint32_t n, rank;

    if (!g->binning)
        return put(g, key, r, p->from_ms, p->to_ms, p->framed && !p->whole, true);
    if (g->n_keys == 0)
        return put_bins(g, 0, r);
    n = table_find(&g->groups, key, table_hash(key, g->words));
    rank = n != TABLE_NONE ? g->rank[n] : TABLE_NONE;
    return put_bins(g, rank == TABLE_NONE ? 0 : rank + 1ull, r);
}

/* Every combination of the values that the keys hold in this row. */
static int put_keys(struct group *g, const struct part *r)
{
    struct choice c[PLAN_MAX_KEYS];
    uint32_t combos = 1;
    int rc = ERR_OK;

    for (uint32_t k = 0; k < g->n_keys; k++) {
        choices(&g->key[k], r->j, r->reversed, &c[k]);
        combos *= c[k].n;
    }
    for (uint32_t at = 0; rc == ERR_OK && at < combos; at++) {
        uint64_t key[GROUP_MAX_WORDS];
        uint64_t absent = 0;
        uint32_t w = 0, left = at;
        for (uint32_t k = 0; k < g->n_keys; k++) {
            const struct key_state *ks = &g->key[k];
            unsigned i = left % c[k].n;
            left /= c[k].n;
            if (ks->k->kind == KEY_PAIR) {
                uint64_t a = ks->part[0][r->j], b = ks->part[1][r->j];
                key[w++] = MIN(a, b);
                key[w++] = MAX(a, b);
                absent |= (uint64_t)(ks->absent[0][r->j] & ks->absent[1][r->j]) << k;
                continue;
            }
            key[w++] = c[k].v[i];
            absent |= (uint64_t)c[k].absent[i] << k;
        }
        key[w] = absent;
        rc = put_row(g, key, r);
    }
    return rc;
}

/* ------------------------------------------------------------------ a vector */

int group_rowset(struct scan *s, void *group)
{
    struct group *g = group;

    for (uint32_t k = 0; k < ARRAY_LEN(g->key) && g->key[k].k != NULL; k++) {
        struct key_state *ks = &g->key[k];
        if (ks->type != TYPE_ADDR)
            continue;
        if (s->rs->n_addrs > ks->map_cap) {
            free(ks->map);
            ks->map_cap = 0;
            if ((ks->map = malloc(s->rs->n_addrs * sizeof *ks->map)) == NULL)
                return ERR_NOMEM;
            ks->map_cap = s->rs->n_addrs;
        }
        memset(ks->map, 0, s->rs->n_addrs * sizeof *ks->map);
    }
    return ERR_OK;
}

static int sum_total(struct group *g, const struct part *r, bool whole_record)
{
    uint64_t c[ACC_DISTINCT];
    const struct plan *p = g->s->p;
    uint64_t unused;
    int rc = ERR_OK;

    fill_acc(p, r, p->from_ms, p->to_ms, p->framed && !p->whole, whole_record, c);
    for (unsigned a = 0; a < ACC_FIRST; a++)
        g->total[a] += c[a];
    g->total[ACC_FIRST] = MAX(g->total[ACC_FIRST], c[ACC_FIRST]);
    g->total[ACC_LAST] = MAX(g->total[ACC_LAST], c[ACC_LAST]);
    for (uint32_t m = 0; rc == ERR_OK && m < p->n_measures; m++)
        if (g->distinct_key[m] >= 0) {
            unused = 0;
            rc = count_distinct(g, m, TABLE_NONE, r->j, r->reversed, &unused);
            g->total[ACC_DISTINCT + m] += unused;
        }
    return rc;
}

static int one_row(struct group *g, struct part *r, uint64_t rev_bytes, uint64_t rev_packets,
                   bool left_out)
{
    const struct plan *p = g->s->p;
    bool group = (g->n_keys > 0 || g->binning) && !left_out;
    int rc = ERR_OK;

    if (g->want_total)
        rc = sum_total(g, r, true);
    if (rc == ERR_OK && group)
        rc = put_keys(g, r);
    if (rc != ERR_OK || (rev_bytes | rev_packets) == 0)
        return rc;
    r->bytes = rev_bytes;
    r->packets = rev_packets;
    r->reversed = true;
    (void)p;
    if (g->want_total)
        rc = sum_total(g, r, true);
    return rc == ERR_OK && group ? put_keys(g, r) : rc;
}

/* Totals where every record counts whole: sums over the vector, no shares. `c` as in group_vector.
 */
static void sum_whole(struct group *g, const uint64_t *const *c)
{
    const struct scan *s = g->s;
    uint64_t *t = g->total;

    for (uint32_t j = 0; j < s->n_sel; j++) {
        uint32_t i = s->sel[j];
        uint64_t rate = MAX(c[4][i], 1), b = c[0][i] + c[2][i], k = c[1][i] + c[3][i];
        t[ACC_BYTES] += b * rate;
        t[ACC_PACKETS] += k * rate;
        t[ACC_RAW_BYTES] += b;
        t[ACC_RAW_PACKETS] += k;
        t[ACC_DURATION] += (int64_t)c[6][i] > (int64_t)c[5][i] ? c[6][i] - c[5][i] : 0;
        t[ACC_FIRST] = MAX(t[ACC_FIRST], ~c[5][i]);
        t[ACC_LAST] = MAX(t[ACC_LAST], c[6][i] + 1);
    }
    t[ACC_FLOWS] += s->n_sel;
    t[ACC_ACTIVE] += s->n_sel;
}

int group_vector(struct scan *s, void *group)
{
    static const uint8_t need[] = { COL_BYTES, COL_PACKETS, COL_REV_BYTES, COL_REV_PACKETS,
                                    COL_RATE,  COL_START,   COL_END,       COL_PROTO };
    struct group *g = group;
    const uint64_t *c[ARRAY_LEN(need)];
    uint64_t any = 0;
    bool whole;
    int rc;

    for (size_t i = 0; i < ARRAY_LEN(need); i++)
        if ((rc = scan_col(s, (enum col)need[i], &c[i])) != ERR_OK)
            return rc;
    for (uint32_t j = 0; j < s->n_sel; j++)
        any |= c[2][s->sel[j]] | c[3][s->sel[j]];
    for (uint32_t k = 0; k < ARRAY_LEN(g->key) && g->key[k].k != NULL; k++)
        if ((rc = load_key(g, &g->key[k], any != 0)) != ERR_OK)
            return rc;
    whole = g->want_total && (!s->p->framed || s->p->whole) && !g->key[g->n_keys].k;
    if (whole)
        sum_whole(g, c);
    if (whole && g->n_keys == 0 && !g->binning)
        return ERR_OK;
    g->want_total = g->want_total && !whole;
    for (uint32_t j = 0; j < s->n_sel && rc == ERR_OK; j++) {
        uint32_t i = s->sel[j];
        struct part r = { .bytes = c[0][i],
                          .packets = c[1][i],
                          .rate = MAX(c[4][i], 1),
                          .start = (int64_t)c[5][i],
                          .end = (int64_t)c[6][i],
                          .j = j };
        bool left_out = g->port_key && (c[7][i] == 1 || c[7][i] == 58);
        rc = one_row(g, &r, c[2][i], c[3][i], left_out);
    }
    g->want_total = g->want_total || whole;
    return rc == ERR_OK ? flush(g) : rc;
}

/* ------------------------------------------------------------------ measures */

static bool raw(const struct group *g, uint32_t m)
{
    return g->s->p->raw || g->s->p->measures[m].raw;
}

static uint64_t get(const struct group *g, const uint64_t *acc, unsigned a)
{
    return g->at[a] >= 0 ? acc[g->at[a]] : 0;
}

static uint64_t rate_of(uint64_t v, unsigned factor, int64_t span_ms)
{
    return span_ms <= 0 ? 0 : (uint64_t)((unsigned __int128)v * factor / (uint64_t)span_ms);
}

uint64_t group_measure(const struct group *g, uint32_t m, const uint64_t *acc, int64_t span_ms,
                       double *real)
{
    uint64_t b = get(g, acc, raw(g, m) ? ACC_RAW_BYTES : ACC_BYTES);
    uint64_t p = get(g, acc, raw(g, m) ? ACC_RAW_PACKETS : ACC_PACKETS);

    *real = 0;
    switch ((enum measure_kind)g->s->p->measures[m].kind) {
    case MEASURE_BYTES:
        return b;
    case MEASURE_BITS:
        return b * 8;
    case MEASURE_PACKETS:
        return p;
    case MEASURE_FLOWS:
        return get(g, acc, ACC_FLOWS);
    case MEASURE_ACTIVE_FLOWS:
        return get(g, acc, ACC_ACTIVE);
    case MEASURE_BPS:
        return rate_of(b, 8000, span_ms);
    case MEASURE_PPS:
        return rate_of(p, 1000, span_ms);
    case MEASURE_BPP:
        *real = p > 0 ? (double)b / (double)p : 0;
        return p > 0 ? b / p : 0;
    case MEASURE_DURATION_MS:
        return get(g, acc, ACC_DURATION);
    case MEASURE_DISTINCT:
        return get(g, acc, ACC_DISTINCT + m);
    case MEASURE_FIRST_SEEN:
        return ~get(g, acc, ACC_FIRST);
    case MEASURE_LAST_SEEN:
        return get(g, acc, ACC_LAST) - 1;
    }
    return 0;
}

static void keep(struct group *g, unsigned a)
{
    g->at[a] = 1;
}

static void choose_accs(struct group *g)
{
    const struct plan *p = g->s->p;

    memset(g->at, -1, sizeof g->at);
    for (uint32_t m = 0; m < p->n_measures; m++) {
        unsigned k = p->measures[m].kind;
        bool pk = k == MEASURE_PACKETS || k == MEASURE_PPS || k == MEASURE_BPP;
        bool by = k == MEASURE_BYTES || k == MEASURE_BITS || k == MEASURE_BPS || k == MEASURE_BPP;
        if (by)
            keep(g, raw(g, m) ? ACC_RAW_BYTES : ACC_BYTES);
        if (pk)
            keep(g, raw(g, m) ? ACC_RAW_PACKETS : ACC_PACKETS);
        if (k == MEASURE_FLOWS)
            keep(g, ACC_FLOWS);
        if (k == MEASURE_ACTIVE_FLOWS)
            keep(g, ACC_ACTIVE);
        if (k == MEASURE_DURATION_MS)
            keep(g, ACC_DURATION);
        if (k == MEASURE_FIRST_SEEN)
            keep(g, ACC_FIRST);
        if (k == MEASURE_LAST_SEEN)
            keep(g, ACC_LAST);
        if (k == MEASURE_DISTINCT)
            keep(g, ACC_DISTINCT + m);
    }
    for (unsigned a = 0; a < ACC_N; a++) {
        if (g->at[a] < 0)
            continue;
        g->at[a] = (int8_t)g->n_acc;
        g->used[g->n_acc++] = (uint8_t)a;
    }
}

int group_init(struct group *g, struct scan *s)
{
    const struct plan *p = s->p;
    bool proto = false;
    uint32_t n = 0;

    memset(g, 0, sizeof *g);
    g->s = s;
    g->budget.max = s->ctl != NULL && s->ctl->memory_max > 0 ? s->ctl->memory_max : 1ull << 30;
    g->n_keys = p->view == VIEW_RANK ? p->n_keys : 0;
    choose_accs(g);
    for (uint32_t k = 0; k < g->n_keys; k++, n++) {
        if (key_init(&g->key[n], &p->keys[k]) != ERR_OK)
            return ERR_NOMEM;
        g->words += p->keys[k].kind == KEY_PAIR ? 2 : 1;
        g->port_key |= uses_col(&p->keys[k], COL_SRC_PORT, COL_DST_PORT);
        proto |= uses_col(&p->keys[k], COL_PROTO, COL_PROTO);
    }
    g->port_key = g->port_key && !proto;
    g->words++;
    for (uint32_t m = 0; m < p->n_measures; m++) {
        g->distinct_key[m] = -1;
        if (p->measures[m].kind != MEASURE_DISTINCT)
            continue;
        g->distinct_key[m] = (int8_t)n;
        if (key_init(&g->key[n++], &p->measures[m].distinct) != ERR_OK)
            return ERR_NOMEM;
    }
    g->wait_key = malloc(GROUP_BATCH * GROUP_MAX_WORDS * 8ull);
    g->wait_hash = malloc(GROUP_BATCH * 8ull);
    g->wait_acc = malloc(GROUP_BATCH * ACC_DISTINCT * 8ull);
    g->wait_row = malloc(GROUP_BATCH * sizeof(uint16_t));
    if (g->wait_key == NULL || g->wait_hash == NULL || g->wait_acc == NULL || g->wait_row == NULL)
        return ERR_NOMEM;
    if (table_init(&g->addrs, &g->budget, 2, 0) != ERR_OK ||
        texts_init(&g->texts, &g->budget) != ERR_OK ||
        table_init(&g->groups, &g->budget, g->words, g->n_acc) != ERR_OK ||
        table_init(&g->bins, &g->budget, 2, g->n_acc) != ERR_OK ||
        table_init(&g->seen, &g->budget, 3, 0) != ERR_OK)
        return ERR_NOMEM;
    g->target = &g->groups;
    g->want_total = true;
    return ERR_OK;
}

void group_free(struct group *g)
{
    for (size_t k = 0; k < ARRAY_LEN(g->key); k++) {
        for (unsigned i = 0; i < 2; i++) {
            free(g->key[k].part[i]);
            free(g->key[k].absent[i]);
        }
        free(g->key[k].sides);
        free(g->key[k].map);
    }
    table_free(&g->addrs);
    texts_free(&g->texts);
    table_free(&g->groups);
    table_free(&g->bins);
    table_free(&g->seen);
    free(g->wait_key);
    free(g->wait_hash);
    free(g->wait_acc);
    free(g->wait_row);
}
