/* From vectors to sums: passes over the rows of a vector, forward and reverse, into groups, bins
 * and totals. */
#include <stdlib.h>
#include <string.h>

#include "flow/share.h"
#include "query/bins.h"
#include "query/error.h"
#include "query/pass.h"

/* ------------------------------------------------------------------ values */

int pass_room(uint64_t **p, size_t n)
{
    if (*p == NULL)
        *p = malloc(n * sizeof **p);
    return *p != NULL ? ERR_OK : ERR_NOMEM;
}

/* Values of the vector, those of the rows of the pass. */
static int gather(struct pass *p, enum col c, const uint64_t *v, const uint64_t **out)
{
    uint64_t *to;
    int rc;

    *out = v;
    if (p->n == p->s->n)
        return ERR_OK;
    if ((rc = pass_room(&p->h->gather[c], ROWSET_VECTOR)) != ERR_OK)
        return rc;
    to = p->h->gather[c];
    for (uint32_t j = 0; j < p->n; j++)
        to[j] = v[p->row[j]];
    *out = to;
    return ERR_OK;
}

/* A column for the rows of the pass. */
static int column(struct pass *p, enum col c, const uint64_t **out)
{
    const uint64_t *v;
    int rc = scan_col(p->s, c, &v);

    return rc == ERR_OK ? gather(p, c, v, out) : rc;
}

static int rates(struct pass *p, const uint64_t **out)
{
    const uint64_t *v;
    int rc = scan_rate(p->s, &v);

    return rc == ERR_OK ? gather(p, COL_RATE, v, out) : rc;
}

static int column32(struct pass *p, enum col c, uint32_t *hold, const uint32_t **out)
{
    const uint32_t *v;
    int rc = scan_col32(p->s, c, &v);

    *out = v;
    if (rc != ERR_OK || p->n == p->s->n)
        return rc;
    for (uint32_t j = 0; j < p->n; j++)
        hold[j] = v[p->row[j]];
    *out = hold;
    return ERR_OK;
}

SIMD_CLONES
static void times_rate(uint64_t *restrict out, const uint64_t *restrict v,
                       const uint64_t *restrict rate, uint32_t n)
{
    for (uint32_t j = 0; j < n; j++)
        out[j] = v[j] * (rate[j] > 1 ? rate[j] : 1);
}

/* Bytes or packets as wanted: scaled or as exported, and the share inside the frame if `cut`. */
static int volume(struct pass *p, enum col col, bool raw, bool cut, enum acc a)
{
    struct hand *h = p->h;
    const struct plan *q = h->g->p;
    const uint64_t *v, *rate;
    uint64_t *to;
    int rc = column(p, col, &v);

    if (rc != ERR_OK || (rc = pass_room(&h->made[a], ROWSET_VECTOR)) != ERR_OK)
        return rc;
    to = h->made[a];
    if (!raw && !scan_unscaled(p->s)) {
        if ((rc = rates(p, &rate)) != ERR_OK)
            return rc;
        times_rate(to, v, rate, p->n);
        v = to;
        h->missed |= h->g->errors && !h->g->sampled;
    }
    if (cut) {
        for (uint32_t j = 0; j < p->n; j++)
            to[j] =
                share_inside(v[j], (int64_t)h->start[j], (int64_t)h->end[j], q->from_ms, q->to_ms);
        v = to;
    }
    h->val[a] = v;
    return ERR_OK;
}

static bool wants(const struct group *g, enum acc a)
{
    return (g->want >> a & 1) != 0;
}

/* How far sampling may be off; behind bytes and packets. */
static int variances(struct pass *p)
{
    struct hand *h = p->h;
    struct error_rows r = { .bytes = h->val[ACC_BYTES], .packets = h->val[ACC_PACKETS] };
    int rc = ERR_OK;

    if (!h->g->sampled)
        return ERR_OK;
    for (unsigned a = ACC_VAR_BYTES_LO; a <= ACC_VAR_PACKETS; a++) {
        h->val[a] = h->made[ACC_ACTIVE]; /* zeros */
        if (rc == ERR_OK && !scan_unscaled(p->s))
            rc = pass_room(&h->made[a], ROWSET_VECTOR);
    }
    if (rc != ERR_OK || scan_unscaled(p->s) || (rc = rates(p, &r.rate)) != ERR_OK ||
        (rc = column(p, p->reversed ? COL_REV_BYTES : COL_BYTES, &r.raw_bytes)) != ERR_OK ||
        (rc = column(p, p->reversed ? COL_REV_PACKETS : COL_PACKETS, &r.raw_packets)) != ERR_OK)
        return rc;
    error_rows(&r, p->n, h->made[ACC_VAR_BYTES_LO], h->made[ACC_VAR_BYTES_HI],
               h->made[ACC_VAR_PACKETS]);
    for (unsigned a = ACC_VAR_BYTES_LO; a <= ACC_VAR_PACKETS; a++)
        h->val[a] = h->made[a];
    return ERR_OK;
}

static int counts(struct pass *p, bool cut)
{
    struct hand *h = p->h;
    const struct group *g = h->g;
    uint64_t *zero = h->made[ACC_ACTIVE], *v;
    int rc;

    if (wants(g, ACC_SESSIONS) || wants(g, ACC_INITIATED) || wants(g, ACC_ACCEPTED)) {
        if ((rc = pass_room(&h->made[ACC_SESSIONS], ROWSET_VECTOR)) != ERR_OK)
            return rc;
        v = h->made[ACC_SESSIONS];
        for (uint32_t j = 0; j < p->n; j++)
            v[j] = group_bit(g->begins[p->reversed], p->s, p->row[j]) &&
                   (!cut ||
                    ((int64_t)h->start[j] >= g->p->from_ms && (int64_t)h->start[j] < g->p->to_ms));
        h->val[ACC_SESSIONS] = h->val[ACC_INITIATED] = h->val[ACC_ACCEPTED] = v;
    }
    h->val[ACC_FLOWS] = h->val[ACC_ACTIVE] = p->reversed ? zero : NULL;
    h->val[ACC_DURATION] = zero;
    if (p->reversed)
        return ERR_OK;
    if (cut) {
        if ((rc = pass_room(&h->made[ACC_FLOWS], ROWSET_VECTOR)) != ERR_OK)
            return rc;
        v = h->made[ACC_FLOWS];
        for (uint32_t j = 0; j < p->n; j++)
            v[j] = (int64_t)h->start[j] >= g->p->from_ms && (int64_t)h->start[j] < g->p->to_ms;
        h->val[ACC_FLOWS] = v;
    }
    if (!wants(g, ACC_DURATION))
        return ERR_OK;
    if ((rc = pass_room(&h->made[ACC_DURATION], ROWSET_VECTOR)) != ERR_OK)
        return rc;
    v = h->made[ACC_DURATION];
    for (uint32_t j = 0; j < p->n; j++)
        v[j] = (int64_t)h->end[j] > (int64_t)h->start[j] ? h->end[j] - h->start[j] : 0;
    h->val[ACC_DURATION] = v;
    return ERR_OK;
}

static int seen_times(struct pass *p)
{
    struct hand *h = p->h;
    int rc;

    if (!wants(h->g, ACC_FIRST) && !wants(h->g, ACC_LAST))
        return ERR_OK;
    if ((rc = pass_room(&h->made[ACC_FIRST], ROWSET_VECTOR)) != ERR_OK ||
        (rc = pass_room(&h->made[ACC_LAST], ROWSET_VECTOR)) != ERR_OK)
        return rc;
    for (uint32_t j = 0; j < p->n; j++) {
        h->made[ACC_FIRST][j] = ~h->start[j];
        h->made[ACC_LAST][j] = h->end[j] + 1;
    }
    h->val[ACC_FIRST] = h->made[ACC_FIRST];
    h->val[ACC_LAST] = h->made[ACC_LAST];
    return ERR_OK;
}

/* All values that somebody wants, one per row; cut to the frame or whole. */
static int values(struct pass *p, bool cut)
{
    static const uint8_t col[] = { [ACC_BYTES] = COL_BYTES,
                                   [ACC_PACKETS] = COL_PACKETS,
                                   [ACC_RAW_BYTES] = COL_BYTES,
                                   [ACC_RAW_PACKETS] = COL_PACKETS };
    struct hand *h = p->h;
    const struct group *g = h->g;
    bool times =
        cut || g->binning || wants(g, ACC_DURATION) || wants(g, ACC_FIRST) || wants(g, ACC_LAST);
    int rc = ERR_OK;

    if (times && ((rc = column(p, COL_START, &h->start)) != ERR_OK ||
                  (rc = column(p, COL_END, &h->end)) != ERR_OK))
        return rc;
    for (unsigned a = 0; a <= ACC_RAW_PACKETS && rc == ERR_OK; a++) {
        enum col c = (enum col)col[a];
        if (!wants(g, (enum acc)a))
            continue;
        if (p->reversed)
            c = c == COL_BYTES ? COL_REV_BYTES : COL_REV_PACKETS;
        rc = volume(p, c, a >= ACC_RAW_BYTES, cut, (enum acc)a);
    }
    if (rc == ERR_OK)
        rc = variances(p);
    if (rc == ERR_OK)
        rc = counts(p, cut);
    return rc == ERR_OK ? seen_times(p) : rc;
}

/* ------------------------------------------------------------------ totals */

SIMD_CLONES
static uint64_t sum_of(const uint64_t *v, uint32_t n)
{
    uint64_t sum = 0;

    for (uint32_t j = 0; j < n; j++)
        sum += v[j];
    return sum;
}

static void add_totals(struct pass *p)
{
    struct hand *h = p->h;
    uint64_t *t = h->total;

    for (unsigned a = 0; a < ACC_FIRST; a++)
        if (wants(h->g, (enum acc)a))
            t[a] += h->val[a] != NULL ? sum_of(h->val[a], p->n) : p->n;
    for (unsigned a = ACC_FIRST; a <= ACC_LAST; a++)
        for (uint32_t j = 0; j < p->n && wants(h->g, (enum acc)a); j++)
            t[a] = MAX(t[a], h->val[a][j]);
}

/* ------------------------------------------------------------------ different values */

static uint64_t value_of(const struct distinct *d, const struct key_rows *r, uint32_t j,
                         bool reversed, uint32_t i)
{
    if (d->ks->k->kind == KEY_PAIR)
        return r->num[0][j] << d->ks->bits | r->num[1][j];
    return key_number(d->ks, r, j, reversed, i);
}

/* Group and value do not fit a word: told apart under a lock, counted at once. */
static int add_wide(struct pass *p, struct distinct *d, uint32_t m, struct sums *x, uint64_t group,
                    uint64_t value)
{
    struct group *g = p->h->g;
    uint64_t w[2] = { group, value };
    uint32_t n;
    bool is_new = false;
    int rc;

    os_lock(&g->lock);
    rc = table_enter(&d->tuple, w, table_hash(w, 2), &n, &is_new);
    os_unlock(&g->lock);
    if (rc == ERR_OK && is_new)
        rc = sums_bump(x, p->h->i, group, (uint32_t)g->at[ACC_DISTINCT + m]);
    return rc;
}

uint64_t pass_highest(const uint64_t *v, uint32_t n)
{
    uint64_t top = 0;

    for (uint32_t i = 0; i < n; i++)
        top = MAX(top, v[i]);
    return top;
}

static int send_values(struct pass *p, struct sums *to, uint32_t *k)
{
    struct hand *h = p->h;
    uint32_t n = *k;
    int rc = ERR_OK;

    *k = 0;
    if (to->dense)
        rc = sums_reserve(to, h->i, pass_highest(h->pair_key, n) + 1);
    return rc == ERR_OK ? sums_add(to, h->i, n, h->pair_key, NULL) : rc;
}

/* Entries i of a list of groups (NULL: of the total), which belong to rows row[i] of the pass. */
static int add_values(struct pass *p, uint32_t m, struct sums *x, uint32_t n, const uint64_t *key,
                      const uint16_t *row)
{
    struct hand *h = p->h;
    struct distinct *d = &h->g->distinct[m];
    struct sums *to = key != NULL ? &d->pairs : &d->all;
    uint32_t k = 0;
    int rc = ERR_OK;

    for (uint32_t i = 0; i < n && rc == ERR_OK; i++) {
        uint32_t j = row != NULL ? row[i] : i;
        uint32_t values = key_count(d->ks, &h->key[d->key], j, p->reversed);
        for (uint32_t y = 0; y < values && rc == ERR_OK; y++) {
            uint64_t v = value_of(d, &h->key[d->key], j, p->reversed, y);
            if (v == 0)
                continue;
            if (key != NULL && d->wide)
                rc = add_wide(p, d, m, x, key[i], v);
            else
                h->pair_key[k++] = key != NULL ? key[i] << d->bits | v : v;
            if (k == 2 * ROWSET_VECTOR)
                rc = send_values(p, to, &k);
        }
    }
    return rc == ERR_OK ? send_values(p, to, &k) : rc;
}

int pass_add_values(struct pass *p, struct sums *x, uint32_t n, const uint64_t *key,
                    const uint16_t *row)
{
    int rc = ERR_OK;

    for (uint32_t m = 0; m < p->h->g->p->n_measures && rc == ERR_OK; m++)
        if (p->h->g->distinct[m].ks != NULL)
            rc = add_values(p, m, x, n, key, row);
    return rc;
}

/* ------------------------------------------------------------------ groups */

/* Which side of a row a group of the first key is of: 0 source, 1 destination, 2 both or neither.
 */
static unsigned side_of(const struct key_state *ks, bool reversed)
{
    const struct value *v = &ks->alts[0].v[0];
    bool dst = v->kind == VALUE_COL &&
               (v->col == COL_DST_IP || v->col == COL_DST_PORT || v->col == COL_DST_AS);

    if (ks->k->kind != KEY_VALUE || !ks->mirrors)
        return 2;
    return dst != reversed;
}

/* Sessions that the side opened which a group is of, or those that it was asked for. */
static int opened_by(struct pass *p, uint32_t n, const uint16_t *row, bool accepted, uint64_t *to)
{
    struct hand *h = p->h;
    const struct group *g = h->g;
    const struct key_state *ks = &g->key[0];
    unsigned fixed = g->n_keys > 0 ? side_of(ks, p->reversed) : 2;
    uint8_t role = g->n_keys > 0 ? ks->k->role : KEY_NO_ROLE;

    for (uint32_t i = 0; i < n; i++) {
        uint32_t j = row != NULL ? row[i] : i;
        unsigned side = row != NULL && ks->k->kind != KEY_VALUE ? h->entry_side[i] : fixed;
        bool server = group_bit(g->swapped, p->s, p->row[j]) != (side == 1);
        to[i] = h->val[ACC_SESSIONS][j];
        if (role != KEY_NO_ROLE)
            to[i] *= (role == KEY_SERVER) == accepted;
        else if (side != 2)
            to[i] *= server == accepted;
    }
    return ERR_OK;
}

/* Values in the order of the sums, for rows row[i] of the pass (NULL = all). */
static int in_order(struct pass *p, uint32_t n, const uint16_t *row, const uint64_t **val)
{
    struct hand *h = p->h;
    const struct group *g = h->g;
    int rc;

    for (uint32_t a = 0; a < g->n_acc; a++) {
        unsigned acc = g->used[a];
        const uint64_t *v = acc >= ACC_DISTINCT ? h->made[ACC_ACTIVE] : h->val[acc];
        val[a] = v;
        if (acc == ACC_INITIATED || acc == ACC_ACCEPTED) {
            if ((rc = pass_room(&h->bin_val[a], ROWSET_VECTOR)) != ERR_OK ||
                (rc = opened_by(p, n, row, acc == ACC_ACCEPTED, h->bin_val[a])) != ERR_OK)
                return rc;
            val[a] = h->bin_val[a];
            continue;
        }
        if (row == NULL || v == NULL || v == h->made[ACC_ACTIVE])
            continue;
        if ((rc = pass_room(&h->bin_val[a], ROWSET_VECTOR)) != ERR_OK)
            return rc;
        for (uint32_t i = 0; i < n; i++)
            h->bin_val[a][i] = v[row[i]];
        val[a] = h->bin_val[a];
    }
    return ERR_OK;
}

static int add_groups(struct pass *p, uint32_t n, const uint64_t *key, const uint16_t *row)
{
    struct group *g = p->h->g;
    const uint64_t *val[SUMS_MAX_ACC];
    int rc = in_order(p, n, row, val);

    if (rc == ERR_OK && g->groups.dense)
        rc = sums_reserve(&g->groups, p->h->i, pass_highest(key, n) + 1);
    if (rc == ERR_OK)
        rc = sums_add(&g->groups, p->h->i, n, key, val);
    return rc == ERR_OK ? pass_add_values(p, &g->groups, n, key, row) : rc;
}

/* ------------------------------------------------------------------ keys */

/* The tuple of numbers as one. */
static int enter_tuple(struct group *g, const uint64_t *num, uint64_t *key)
{
    uint32_t n = 0;
    bool is_new;
    int rc;

    os_lock(&g->lock);
    rc = table_enter(&g->tuple, num, table_hash(num, g->tuple.stride), &n, &is_new);
    os_unlock(&g->lock);
    *key = n;
    return rc;
}

/* Every row has one value for every key: the loops are over rows, key by key. */
static void simple_keys(struct pass *p)
{
    struct hand *h = p->h;
    const struct group *g = h->g;
    uint64_t *key = h->group_key;

    for (uint32_t k = 0; k < g->n_keys; k++) {
        const struct key_state *ks = &g->key[k];
        const uint64_t *num = h->key[k].num[p->reversed && ks->mirrors];
        unsigned bits = ks->bits;
        for (uint32_t j = 0; j < p->n; j++)
            key[j] = (k > 0 ? key[j] << bits : 0) | num[j];
    }
}

/* Combination at[] of the values that row j holds; false when it has no such one. */
static int one_key(struct pass *p, uint32_t j, const uint32_t *at, bool *there, uint64_t *key)
{
    struct hand *h = p->h;
    struct group *g = h->g;
    uint64_t num[GROUP_MAX_WORDS];
    uint32_t w = 0;

    *key = 0;
    *there = true;
    for (uint32_t k = 0; k < g->n_keys; k++) {
        const struct key_state *ks = &g->key[k];
        if (at[k] >= key_count(ks, &h->key[k], j, p->reversed)) {
            *there = false;
            return ERR_OK;
        }
        num[w++] = key_number(ks, &h->key[k], j, p->reversed, at[k]);
        *key = *key << ks->bits | num[w - 1];
        if (ks->k->kind == KEY_PAIR) {
            num[w++] = h->key[k].num[1][j];
            *key = *key << ks->bits | num[w - 1];
        }
    }
    return g->tuples ? enter_tuple(g, num, key) : ERR_OK;
}

/* How many values of each key a row of the pass has at most. */
static void most_values(struct pass *p, uint32_t *most)
{
    const struct group *g = p->h->g;

    for (uint32_t k = 0; k < g->n_keys; k++) {
        const struct key_state *ks = &g->key[k];
        most[k] = ks->k->kind == KEY_EITHER || ks->k->kind == KEY_MATCHED ? 2 : 1;
        if (ks->how != HOW_GROUP)
            continue;
        most[k] = 1;
        for (uint32_t j = 0; j < p->n; j++)
            most[k] = MAX(most[k], key_count(ks, &p->h->key[k], j, p->reversed));
    }
}

/* The next combination; false behind the last one. */
static bool next_combination(uint32_t *at, const uint32_t *most, uint32_t n)
{
    for (uint32_t k = 0; k < n; k++) {
        if (++at[k] < most[k])
            return true;
        at[k] = 0;
    }
    return false;
}

/* Which side the first key's value in combination `at` is of. */
static uint8_t entry_side(const struct pass *p, uint32_t j, uint32_t at)
{
    const struct key_state *ks = &p->h->g->key[0];
    unsigned side[2], n = key_sides(ks, &p->h->key[0], j, p->reversed, side);

    if (ks->k->kind == KEY_PAIR || ks->how == HOW_GROUP || (n == 1 && ks->k->kind == KEY_EITHER))
        return 2;
    return (uint8_t)side[n == 2 ? at & 1 : 0];
}

/* Every combination of the values that the keys hold in the rows. */
static int add_combinations(struct pass *p)
{
    struct hand *h = p->h;
    struct group *g = h->g;
    uint32_t at[PLAN_MAX_KEYS] = { 0 }, most[PLAN_MAX_KEYS];
    int rc = ERR_OK;

    most_values(p, most);
    do {
        uint32_t n = 0;
        for (uint32_t j = 0; j < p->n && rc == ERR_OK; j++) {
            bool there;
            rc = one_key(p, j, at, &there, &h->group_key[n]);
            h->entry_row[n] = (uint16_t)j;
            h->entry_side[n] = entry_side(p, j, at[0]);
            n += there;
        }
        if (rc == ERR_OK && n > 0)
            rc = g->binning ? bins_add(p, n, h->group_key, h->entry_row)
                            : add_groups(p, n, h->group_key, h->entry_row);
    } while (rc == ERR_OK && next_combination(at, most, g->n_keys));
    return rc;
}

static int load_keys(struct pass *p)
{
    struct group *g = p->h->g;
    int rc = ERR_OK;

    for (uint32_t k = 0; k < g->n_states && rc == ERR_OK; k++)
        if (!g->by_code || p->reversed || g->n_states > 1 || g->binning)
            rc = key_load(&g->key[k], &p->h->key[k], p->s, p->row, p->n, p->reversed);
    return rc;
}

/* One address column that every record has: summed by the rowset's codes, whose array is small. */
static int add_codes(struct pass *p, enum col col)
{
    struct hand *h = p->h;
    struct group *g = h->g;
    const uint64_t *val[SUMS_MAX_ACC];
    const uint32_t *code;
    uint32_t hold[ROWSET_VECTOR];
    int rc = column32(p, col, hold, &code);

    if (rc != ERR_OK || (rc = in_order(p, p->n, NULL, val)) != ERR_OK)
        return rc;
    sums_add_codes(&g->groups, h->code_acc, h->code_seen, p->n, code, val);
    if (g->n_states == 1)
        return ERR_OK;
    simple_keys(p);
    return pass_add_values(p, &g->groups, p->n, h->group_key, NULL);
}

static int add_rows(struct pass *p)
{
    struct hand *h = p->h;
    struct group *g = h->g;
    int rc;

    if (g->n_keys == 0)
        return bins_add(p, p->n, NULL, NULL);
    if (g->by_code && !p->reversed && !g->binning) {
        enum col col = (enum col)g->key[0].alts[0].v[0].col;
        if ((p->s->common_cols >> col & 1) != 0)
            return add_codes(p, col);
        if ((rc = key_load(&g->key[0], &h->key[0], p->s, p->row, p->n, false)) != ERR_OK)
            return rc;
    }
    if (!g->simple)
        return add_combinations(p);
    simple_keys(p);
    return g->binning ? bins_add(p, p->n, h->group_key, NULL)
                      : add_groups(p, p->n, h->group_key, NULL);
}

/* ------------------------------------------------------------------ passes */

static int total_pass(struct pass *p, bool cut)
{
    struct group *g = p->h->g;
    int rc = values(p, cut);

    if (rc != ERR_OK)
        return rc;
    add_totals(p);
    return g->n_states > g->n_keys ? pass_add_values(p, NULL, p->n, NULL, NULL) : ERR_OK;
}

/* Totals count all rows; a ranking by port leaves ICMP out, so its rows may be fewer. */
static int do_pass(struct pass *p, bool group)
{
    struct group *g = p->h->g;
    bool cut = !p->s->inside && !g->p->whole;
    struct pass fewer = *p;
    const uint32_t *proto;
    int rc;

    if (p->n == 0)
        return ERR_OK;
    if ((group || g->n_states > g->n_keys) && (rc = load_keys(p)) != ERR_OK)
        return rc;
    if (g->want_total && (rc = total_pass(p, cut)) != ERR_OK)
        return rc;
    if (!group)
        return ERR_OK;
    if (g->port_key) {
        if ((rc = scan_col32(p->s, COL_PROTO, &proto)) != ERR_OK)
            return rc;
        fewer.row = p->h->row[1];
        fewer.n = 0;
        for (uint32_t j = 0; j < p->n; j++) {
            p->h->row[1][fewer.n] = p->row[j];
            fewer.n += proto[p->row[j]] != 1 && proto[p->row[j]] != 58;
        }
        if (fewer.n < p->n && fewer.n > 0 && (rc = load_keys(&fewer)) != ERR_OK)
            return rc;
    }
    if (fewer.n == 0)
        return ERR_OK;
    /* bins cut every row themselves */
    if ((!g->want_total || fewer.n < p->n || (g->binning && cut)) &&
        (rc = values(&fewer, cut && !g->binning)) != ERR_OK)
        return rc;
    return add_rows(&fewer);
}

/* Rows with counters of the other direction. */
static int reverse_rows(struct scan *s, struct hand *h, uint32_t *n)
{
    const uint64_t *b, *k;
    uint64_t x, y;
    int rc;

    *n = 0;
    if (scan_const(s, COL_REV_BYTES, &x) && scan_const(s, COL_REV_PACKETS, &y) && (x | y) == 0)
        return ERR_OK;
    if ((rc = scan_col(s, COL_REV_BYTES, &b)) != ERR_OK ||
        (rc = scan_col(s, COL_REV_PACKETS, &k)) != ERR_OK)
        return rc;
    for (uint32_t j = 0; j < s->n_sel; j++) {
        h->row[0][*n] = s->sel[j];
        *n += (b[s->sel[j]] | k[s->sel[j]]) != 0 && !group_bit(h->g->aside[1], s, s->sel[j]);
    }
    return ERR_OK;
}

/* What is read late below, so that a damaged column leaves the rows out of all sums. */
static int read_ahead(struct scan *s, const struct group *g, bool reversed)
{
    const uint32_t *v;
    int rc = ERR_OK;

    if (g->port_key)
        rc = scan_col32(s, COL_PROTO, &v);
    if (g->by_code && rc == ERR_OK)
        rc = scan_col32(s, (enum col)g->key[0].alts[0].v[0].col, &v);
    for (uint32_t k = 0; k < g->n_states && rc == ERR_OK; k++)
        if ((reversed && g->key[k].mirrors && g->key[k].how != HOW_GROUP) ||
            g->key[k].k->role != KEY_NO_ROLE)
            rc = scan_load_alts(s, &g->key[k].alts[1]);
    return rc;
}

static int vector(struct scan *s, struct hand *h, bool group)
{
    struct pass p = { .h = h, .s = s, .row = s->sel, .n = s->n_sel };
    struct pass back = { .h = h, .s = s, .row = h->row[0], .reversed = true };
    int rc = reverse_rows(s, h, &back.n);

    if (h->g->aside[0] != NULL && h->g->aside[0][s->set] != NULL) {
        p.row = h->row[2];
        p.n = 0;
        for (uint32_t j = 0; j < s->n_sel; j++) {
            h->row[2][p.n] = s->sel[j];
            p.n += !group_bit(h->g->aside[0], s, s->sel[j]);
        }
    }
    if (rc == ERR_OK)
        rc = read_ahead(s, h->g, back.n > 0);
    if (rc == ERR_OK)
        rc = do_pass(&p, group);
    return rc == ERR_OK ? do_pass(&back, group) : rc;
}

/* Exporters of the rows that count, for names. */
static int meet(struct scan *s, struct hand *h)
{
    const uint32_t *x;
    int rc = scan_col32(s, COL_EXPORTER, &x);

    for (uint32_t j = 0; rc == ERR_OK && j < s->n_sel; j++)
        h->met[x[s->sel[j]]] = 1;
    return rc;
}

int pass_vector(struct scan *s, void *hand)
{
    struct hand *h = hand;
    int rc = h->g->named ? meet(s, h) : ERR_OK;

    if (rc != ERR_OK)
        return rc;

    return vector(s, h, h->g->n_keys > 0 || h->g->binning);
}

int group_totals(struct scan *s, void *hand)
{
    return vector(s, hand, false);
}

/* ------------------------------------------------------------------ a rowset's own sums */

int pass_enter(struct scan *s, void *hand)
{
    struct hand *h = hand;
    struct group *g = h->g;
    size_t n = s->rs->n_addrs, width = g->n_acc * sizeof(uint64_t);
    int rc;

    if (g->named) {
        free(h->met);
        if ((h->met = calloc(s->rs->n_exporters + 1, 1)) == NULL)
            return ERR_NOMEM;
    }
    if (!g->by_code || g->binning)
        return ERR_OK;
    if ((rc = sums_reserve(&g->groups, h->i, g->key[0].number->n)) != ERR_OK)
        return rc;
    if (n > h->code_cap) {
        free(h->code_acc);
        free(h->code_seen);
        budget_give(&g->budget, h->code_cap * (width + 1));
        h->code_acc = NULL;
        h->code_seen = NULL;
        h->code_cap = 0;
        if (budget_take(&g->budget, n * (width + 1)) != ERR_OK)
            return ERR_LIMIT;
        h->code_cap = n;
        h->code_acc = malloc(n * width + 1);
        h->code_seen = malloc(n);
        if (h->code_acc == NULL || h->code_seen == NULL)
            return ERR_NOMEM;
    }
    memset(h->code_acc, 0, n * width);
    memset(h->code_seen, 0, n);
    return ERR_OK;
}

int pass_leave(struct scan *s, void *hand)
{
    struct hand *h = hand;
    struct group *g = h->g;
    int rc = ERR_OK;

    if (g->named) {
        os_lock(&g->lock);
        for (uint32_t i = 0; rc == ERR_OK && i < s->rs->n_exporters; i++)
            if (h->met[i] != 0)
                rc = names_meet(&g->met, &s->rs->exporters[i]);
        os_unlock(&g->lock);
        if (rc != ERR_OK)
            return rc;
    }
    if (g->by_code && !g->binning)
        sums_add_mapped(&g->groups, h->i, h->code_acc, h->code_seen, s->rs->n_addrs,
                        g->key[0].number->map[s->set]);
    return ERR_OK;
}
