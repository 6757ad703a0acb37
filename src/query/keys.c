#include "query/keys.h"

#include <stdlib.h>
#include <string.h>

#include "query/group.h"
#include "query/match.h"

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

static uint8_t mirror_calc(uint8_t c, bool *differs)
{
    if (!calc_is_geo(c))
        return c;
    *differs = true;
    return (c - CALC_SRC_AS) % 2 == 0 ? c + 1 : c - 1;
}

/* Bits of a value that is always a small number, or 0. */
static uint8_t narrow_bits(const struct value *v)
{
    if (v->kind == VALUE_COL && col_info[v->col].bits <= 32)
        return col_info[v->col].bits;
    if (v->kind == VALUE_CALC && (v->calc == CALC_SRC_COUNTRY || v->calc == CALC_DST_COUNTRY))
        return 16;
    if (v->kind == VALUE_CALC && v->calc >= CALC_HOUR)
        return 32;
    return 0;
}

static bool one_column(const struct value_alts *a)
{
    return a->n == 1 && a->v[0].kind == VALUE_COL;
}

static enum key_how how_of(struct key_state *ks)
{
    uint8_t bits = 0;

    if (ks->alts[0].v[0].kind == VALUE_DEF) {
        bool group = define_is_group(&ks->alts[0].v[0]);
        uint32_t n = ks->defs == NULL ? 1 : group ? ks->defs->n_groups + 1 : ks->defs->n_words;
        ks->bits = (uint8_t)(32 - __builtin_clz(n));
        return group ? HOW_GROUP : HOW_WORD;
    }
    if (ks->type == TYPE_ADDR)
        return one_column(&ks->alts[0]) && one_column(&ks->alts[1]) ? HOW_CODE : HOW_ADDR;
    if (ks->type == TYPE_TEXT)
        return HOW_TEXT;
    for (unsigned o = 0; o < 2; o++)
        for (unsigned i = 0; i < ks->alts[o].n; i++) {
            uint8_t b = narrow_bits(&ks->alts[o].v[i]);
            if (b == 0)
                return HOW_VALUE;
            bits = MAX(bits, b);
        }
    ks->bits = bits + 1;
    return HOW_NARROW;
}

int key_init(struct key_state *ks, const struct key *k, const struct defs *defs, struct budget *b)
{
    ks->k = k;
    ks->defs = defs;
    ks->alts[0] = k->a;
    ks->alts[1] = k->kind == KEY_VALUE && k->role == KEY_NO_ROLE ? k->a : k->b;
    for (unsigned i = 0; k->kind == KEY_VALUE && k->role == KEY_NO_ROLE && i < k->a.n; i++) {
        if (k->a.v[i].kind == VALUE_COL) {
            ks->alts[1].v[i].col = mirror_col(k->a.v[i].col, &ks->mirrors);
        } else if (k->a.v[i].kind == VALUE_CALC) {
            ks->alts[1].v[i].calc = mirror_calc(k->a.v[i].calc, &ks->mirrors);
        } else if (k->a.v[i].kind == VALUE_DEF) {
            ks->alts[1].v[i].calc = (uint8_t)define_mirror(k->a.v[i].calc);
            ks->mirrors |= ks->alts[1].v[i].calc != k->a.v[i].calc;
        }
    }
    if ((k->kind == KEY_PAIR && k->a.v[0].kind != VALUE_CALC) ||
        k->kind == KEY_MATCHED) { /* of addresses, whatever the parser filled */
        ks->alts[0] =
            (struct value_alts){ .n = 1, .v = { { .kind = VALUE_COL, .col = COL_SRC_IP } } };
        ks->alts[1] =
            (struct value_alts){ .n = 1, .v = { { .kind = VALUE_COL, .col = COL_DST_IP } } };
    }
    ks->type = value_type(&ks->alts[0]);
    ks->bits = 32;
    ks->how = (uint8_t)how_of(ks);
    os_mutex_init(&ks->lock);
    if (ks->how == HOW_TEXT)
        return texts_init(&ks->texts, b);
    if (ks->how == HOW_VALUE || ks->how == HOW_ADDR)
        return table_init(&ks->values, b, ks->how == HOW_ADDR ? 2 : 1, 0);
    return ERR_OK;
}

void key_free(struct key_state *ks)
{
    if (ks->k == NULL)
        return;
    os_mutex_free(&ks->lock);
    table_free(&ks->values);
    texts_free(&ks->texts);
}

int key_rows_init(struct key_rows *r)
{
    r->sides = malloc(ROWSET_VECTOR);
    r->num[0] = malloc(ROWSET_VECTOR * sizeof(uint64_t));
    r->num[1] = malloc(ROWSET_VECTOR * sizeof(uint64_t));
    r->groups = calloc(1, sizeof *r->groups);
    if (r->groups == NULL)
        return ERR_NOMEM;
    return r->sides != NULL && r->num[0] != NULL && r->num[1] != NULL ? ERR_OK : ERR_NOMEM;
}

void key_rows_free(struct key_rows *r)
{
    free(r->sides);
    free(r->num[0]);
    free(r->num[1]);
    if (r->groups != NULL)
        free(r->groups->list);
    free(r->groups);
}

/* ------------------------------------------------------------------ numbers of rows */

/* A single column that all shapes of the rowset have never is absent. */
static int absent_rows(struct scan *s, enum col col, const uint16_t *row, uint32_t n, uint64_t *num)
{
    const uint32_t *shape;
    int rc;

    if ((s->common_cols >> col & 1) != 0)
        return ERR_OK;
    if ((rc = scan_col32(s, COL_SHAPE, &shape)) != ERR_OK)
        return rc;
    for (uint32_t j = 0; j < n; j++)
        num[j] = (s->shape_cols[shape[row[j]]] >> col & 1) != 0 ? num[j] : 0;
    return ERR_OK;
}

static int load_column(const struct key_state *ks, struct scan *s, enum col col,
                       const uint16_t *row, uint32_t n, uint64_t *num)
{
    const uint32_t *map, *c;
    int rc = scan_col32(s, col, &c);

    if (rc != ERR_OK)
        return rc;
    if (ks->how == HOW_CODE) {
        map = ks->number->map[s->set];
        for (uint32_t j = 0; j < n; j++)
            num[j] = map[c[row[j]]];
    } else {
        for (uint32_t j = 0; j < n; j++)
            num[j] = c[row[j]] + UINT64_C(1);
    }
    return ks->k->kind == KEY_PAIR ? ERR_OK : absent_rows(s, col, row, n, num);
}

static int enter_value(struct key_state *ks, struct scan *s, const struct cellv *v, uint64_t *num)
{
    struct addr a;
    uint64_t w[2] = { v->u, 0 };
    uint32_t n = 0;
    bool is_new;
    int rc;

    if (ks->how == HOW_TEXT) {
        rc = texts_enter(&ks->texts, s->text.p, s->text.len, &n);
    } else {
        if (ks->how == HOW_ADDR) {
            struct numbering masks = { .mask4 = ks->k->mask4, .mask6 = ks->k->mask6 };
            a = number_mask(&masks, &v->a);
            memcpy(w, a.b, sizeof a.b);
        }
        rc = table_enter(&ks->values, w, table_hash(w, ks->values.stride), &n, &is_new);
    }
    *num = n + UINT64_C(1);
    return rc;
}

static int load_values(struct key_state *ks, struct scan *s, unsigned o, const uint16_t *row,
                       uint32_t n, uint64_t *num)
{
    struct cellv v;
    int rc = scan_load_alts(s, &ks->alts[o]);

    if (rc != ERR_OK)
        return rc;
    os_lock(&ks->lock);
    for (uint32_t j = 0; rc == ERR_OK && j < n; j++) {
        num[j] = 0;
        if (!scan_value(s, &ks->alts[o], row[j], &v))
            continue;
        if (ks->how == HOW_NARROW)
            num[j] = (v.u & UINT32_MAX) + 1;
        else
            rc = enter_value(ks, s, &v, &num[j]);
    }
    os_unlock(&ks->lock);
    return rc;
}

static bool one_geo(const struct value_alts *a)
{
    return a->n == 1 && a->v[0].kind == VALUE_CALC && calc_is_geo(a->v[0].calc);
}

/* 0 is told by who sent the record, or not known. */
static int load_geo(struct scan *s, unsigned calc, const uint16_t *row, uint32_t n, uint64_t *num)
{
    const uint32_t *v, *shape;
    int rc = geo_side(s, calc, &v);

    if (rc == ERR_OK)
        rc = scan_load(s, COL_BIT(COL_SHAPE));
    if (rc != ERR_OK || (rc = scan_col32(s, COL_SHAPE, &shape)) != ERR_OK)
        return rc;
    for (uint32_t j = 0; j < n; j++)
        num[j] = scan_calc_present(s, calc, row[j]) ? v[row[j]] + UINT64_C(1) : 0;
    return ERR_OK;
}

static int load_words(const struct key_state *ks, struct scan *s, unsigned o, const uint16_t *row,
                      uint32_t n, uint64_t *num)
{
    const uint32_t *w;
    int rc = define_words(s, (enum def_value)ks->alts[o].v[0].calc, &w);

    for (uint32_t j = 0; rc == ERR_OK && j < n; j++)
        num[j] = w[row[j]];
    return rc;
}

static int load_side(struct key_state *ks, struct key_rows *r, struct scan *s, unsigned o,
                     const uint16_t *row, uint32_t n)
{
    if (ks->how == HOW_WORD)
        return load_words(ks, s, o, row, n, r->num[o]);
    if (one_column(&ks->alts[o]) && (ks->how == HOW_CODE || ks->how == HOW_NARROW))
        return load_column(ks, s, (enum col)ks->alts[o].v[0].col, row, n, r->num[o]);
    if (one_geo(&ks->alts[o]))
        return load_geo(s, ks->alts[o].v[0].calc, row, n, r->num[o]);
    return load_values(ks, s, o, row, n, r->num[o]);
}

/* Which side's address leaf holds, for every row of the vector. A side's leaf under a `not` counts
 * as written. */
static int matched_sides(struct scan *s, struct node *x, uint8_t *sides)
{
    uint8_t live[ROWSET_VECTOR], out[ROWSET_VECTOR];
    int rc = ERR_OK;

    if (x == NULL)
        return ERR_OK;
    for (uint32_t k = 0; rc == ERR_OK && k < x->n_kids; k++)
        rc = matched_sides(s, &x->kid[k], sides);
    if (rc != ERR_OK || x->x->side == 0)
        return rc;
    memset(live, 1, s->n);
    if ((rc = node_eval(s, x, live, out)) != ERR_OK)
        return rc;
    for (uint32_t i = 0; i < s->n; i++)
        sides[i] |= out[i] != 0 ? (x->x->side == 's' ? 1 : 2) : 0;
    return ERR_OK;
}

static int load_sides(struct key_rows *r, struct scan *s, const uint16_t *row, uint32_t n)
{
    uint8_t all[ROWSET_VECTOR] = { 0 };
    int rc = matched_sides(s, s->root, all);

    for (uint32_t j = 0; j < n; j++)
        r->sides[j] = all[row[j]] != 0 ? all[row[j]] : 3;
    return rc;
}

/* Smaller number first; without both addresses there is no pair. */
static int order_pairs(const struct key_state *ks, struct key_rows *r, struct scan *s,
                       const uint16_t *row, uint32_t n)
{
    const uint64_t both = COL_BIT(COL_SRC_IP) | COL_BIT(COL_DST_IP);
    const uint32_t *shape;
    int rc = scan_col32(s, COL_SHAPE, &shape);

    for (uint32_t j = 0; rc == ERR_OK && j < n; j++) {
        uint64_t a = r->num[0][j], b = r->num[1][j];
        bool none =
            ks->type == TYPE_ADDR ? (s->shape_cols[shape[row[j]]] & both) == 0 : a == 0 || b == 0;
        r->num[0][j] = none ? 0 : MIN(a, b);
        r->num[1][j] = none ? 0 : MAX(a, b);
    }
    return rc;
}

/* The value of the side that opened the row's session, or of the other one; in both directions. */
static void choose_role(const struct key_state *ks, struct key_rows *r, const struct scan *s,
                        const uint16_t *row, uint32_t n)
{
    bool server = ks->k->role == KEY_SERVER;

    for (uint32_t j = 0; j < n; j++)
        if (group_bit(ks->swapped, s, row[j]) != server)
            r->num[0][j] = r->num[1][j];
}

int key_load(struct key_state *ks, struct key_rows *r, struct scan *s, const uint16_t *row,
             uint32_t n, bool reversed)
{
    bool value = ks->k->kind == KEY_VALUE && ks->k->role == KEY_NO_ROLE,
         mirrored = reversed && ks->mirrors;
    int rc = ERR_OK;

    if (ks->how == HOW_GROUP)
        return define_groups(s, value ? (enum def_value)ks->alts[mirrored].v[0].calc : DEF_N, row,
                             n, r->groups);
    if (!value || !mirrored)
        rc = load_side(ks, r, s, 0, row, n);
    if (rc == ERR_OK && (!value || mirrored))
        rc = load_side(ks, r, s, 1, row, n);
    if (rc == ERR_OK && ks->k->kind == KEY_MATCHED)
        rc = load_sides(r, s, row, n);
    if (rc == ERR_OK && ks->k->role != KEY_NO_ROLE)
        choose_role(ks, r, s, row, n);
    return rc == ERR_OK && ks->k->kind == KEY_PAIR ? order_pairs(ks, r, s, row, n) : rc;
}

/* ------------------------------------------------------------------ what a number stands for */

struct addr key_addr(const struct key_state *ks, uint64_t num)
{
    struct addr a;

    if (ks->how == HOW_CODE)
        return ks->number->addr[num];
    memcpy(a.b, ks->values.key + (num - 1) * 2, sizeof a.b);
    return a;
}

uint64_t key_value(const struct key_state *ks, uint64_t num)
{
    return ks->how == HOW_VALUE ? ks->values.key[num - 1] : num - 1;
}

const char *key_word(const struct key_state *ks, uint64_t num)
{
    if (ks->how == HOW_GROUP)
        return ks->defs->group[num - 1].name;
    return defs_word(ks->defs, (uint32_t)num);
}

static int compare_text(const struct texts *t, uint64_t a, uint64_t b)
{
    uint64_t la = t->off[a] - t->off[a - 1], lb = t->off[b] - t->off[b - 1];
    int c = 0;

    if (MIN(la, lb) > 0)
        c = memcmp(t->octets + t->off[a - 1], t->octets + t->off[b - 1], MIN(la, lb));
    return c != 0 ? c : la < lb ? -1 : la > lb;
}

static int compare_pair(const struct key_state *ks, const uint64_t *a, const uint64_t *b)
{
    struct addr x[2] = { key_addr(ks, a[0]), key_addr(ks, a[1]) };
    struct addr y[2] = { key_addr(ks, b[0]), key_addr(ks, b[1]) };
    unsigned i = addr_cmp(&x[0], &x[1]) > 0, k = addr_cmp(&y[0], &y[1]) > 0;
    int c = addr_cmp(&x[i], &y[k]);

    return c != 0 ? c : addr_cmp(&x[!i], &y[!k]);
}

int key_compare(const struct key_state *ks, const uint64_t *a, const uint64_t *b)
{
    struct addr x, y;
    uint64_t u, v;

    if (a[0] == b[0] && (key_words(ks) == 1 || a[1] == b[1]))
        return 0;
    if (a[0] == 0 || b[0] == 0)
        return a[0] == 0 ? 1 : -1;
    if (ks->k->kind == KEY_PAIR && ks->type == TYPE_ADDR)
        return compare_pair(ks, a, b);
    if (ks->k->kind == KEY_PAIR && a[0] == b[0])
        return a[1] < b[1] ? -1 : 1;
    if (ks->how == HOW_WORD || ks->how == HOW_GROUP)
        return strcmp(key_word(ks, a[0]), key_word(ks, b[0]));
    if (ks->type == TYPE_TEXT)
        return compare_text(&ks->texts, a[0], b[0]);
    if (ks->type != TYPE_ADDR) {
        u = key_value(ks, a[0]);
        v = key_value(ks, b[0]);
        return u < v ? -1 : u > v;
    }
    x = key_addr(ks, a[0]);
    y = key_addr(ks, b[0]);
    return addr_cmp(&x, &y);
}
