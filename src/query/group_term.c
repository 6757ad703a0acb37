/* Terms on groups: a member of a kind is a test of its own, a group of addresses one look into its
 * map. */
#include <stdlib.h>

#include "query/defined.h"

/* What the leaves of one term share. */
struct term {
    const char *words; /* field and value */
    uint32_t group;
};

static struct expr *many(struct syntax *p, enum expr_op op, struct expr **kid, uint32_t n)
{
    struct expr *x = n == 1 ? kid[0] : expr_new(op);
    bool ok = x != NULL;

    for (uint32_t i = 0; n > 1 && i < n; i++) {
        if (!ok)
            expr_free(kid[i]);
        else
            ok = expr_add(x, kid[i]);
    }
    if (ok)
        return x;
    if (n > 1)
        expr_free(x);
    return p->rc == ERR_OK ? tree_oom(p) : NULL;
}

/* ------------------------------------------------------------------ groups */

/* Members that go into one leaf, then all leaves. */
struct leaves {
    struct expr **x;
    uint32_t n, cap;
};

static bool keep_leaf(struct syntax *p, struct leaves *l, struct expr *x)
{
    if (x == NULL)
        return false;
    if (++p->nodes > SYNTAX_MAX_NODES) {
        expr_free(x);
        syn_fail(p, ERR_LIMIT, syn_tok(p), "more than %u terms", SYNTAX_MAX_NODES);
        return false;
    }
    if (l->n == l->cap) {
        uint32_t cap = l->cap * 2 + 8;
        struct expr **more = realloc(l->x, cap * sizeof *more);
        if (more == NULL) {
            expr_free(x);
            (void)tree_oom(p);
            return false;
        }
        l->x = more;
        l->cap = cap;
    }
    l->x[l->n++] = x;
    return true;
}

static void drop_leaves(struct leaves *l)
{
    for (uint32_t i = 0; i < l->n; i++)
        expr_free(l->x[i]);
    free(l->x);
}

static const struct value_alts *item_value(const struct item *x, bool dst, struct value_alts *hold)
{
    static const uint8_t col[ITEM_KINDS][2] = {
        [ITEM_PORT] = { COL_SRC_PORT, COL_DST_PORT },
        [ITEM_PROTO] = { COL_PROTO, COL_PROTO },
        [ITEM_SERVICE] = { COL_SRC_PORT, COL_DST_PORT },
        [ITEM_VLAN] = { COL_SRC_VLAN, COL_DST_VLAN },
        [ITEM_IF] = { COL_IN_IF, COL_OUT_IF },
    };

    hold->n = 1;
    if (x->kind == ITEM_AS)
        hold->v[0] = (struct value){ .kind = VALUE_CALC, .calc = dst ? CALC_DST_AS : CALC_SRC_AS };
    else if (x->kind == ITEM_COUNTRY)
        hold->v[0] =
            (struct value){ .kind = VALUE_CALC, .calc = dst ? CALC_DST_COUNTRY : CALC_SRC_COUNTRY };
    else
        hold->v[0] = (struct value){ .kind = VALUE_COL, .col = col[x->kind][dst] };
    return hold;
}

static struct expr *group_tree(struct syntax *p, uint32_t group, bool dst);

/* A member that is no network. */
static struct expr *item_leaf(struct syntax *p, const struct item *x, bool dst)
{
    static const struct value_alts proto = { .v = { { .kind = VALUE_COL, .col = COL_PROTO } },
                                             .n = 1 };
    struct value_alts v, name = defined_alts(dst ? DEF_OUT_IF_NAME : DEF_IN_IF_NAME);
    uint32_t w;

    switch ((enum item_kind)x->kind) {
    case ITEM_AS:
    case ITEM_COUNTRY:
    case ITEM_PORT:
    case ITEM_PROTO:
    case ITEM_VLAN:
        return tree_range1(p, item_value(x, dst, &v), x->lo, x->hi);
    case ITEM_SERVICE:
        return tree_pair(p, EXPR_AND, tree_range1(p, &proto, x->proto, x->proto),
                         tree_range1(p, item_value(x, dst, &v), x->lo, x->hi));
    case ITEM_EXPORTER:
        return defined_exporter_leaf(p, x->name);
    case ITEM_IF:
        w = x->port != NULL ? defs_word_find(p->defs, x->port, strlen(x->port)) : 0;
        return tree_pair(p, EXPR_AND, defined_exporter_leaf(p, x->name),
                         x->port != NULL ? tree_range1(p, &name, w, w)
                                         : tree_range1(p, item_value(x, dst, &v), x->lo, x->hi));
    case ITEM_GROUP:
        return group_tree(p, x->lo, dst);
    case ITEM_NET:
    case ITEM_KINDS:
        break;
    }
    return tree_constant(p, false);
}

/* Numbers of one kind stand in one leaf. */
static bool number_leaf(struct syntax *p, const struct def_group *g, enum item_kind kind, bool out,
                        bool dst, struct leaves *to)
{
    struct numset set = { 0 };
    struct value_alts v;
    const struct item *one = NULL;
    bool ok = true;

    for (uint32_t i = 0; i < g->n_items; i++)
        if (g->item[i].kind == kind && g->item[i].out == out) {
            one = &g->item[i];
            numset_add(&set, one->lo, one->hi, false);
        }
    if (one != NULL) {
        numset_done(&set);
        ok = keep_leaf(p, to, tree_range(p, item_value(one, dst, &v), &set));
    }
    numset_free(&set);
    return ok;
}

static bool group_leaves(struct syntax *p, const struct def_group *g, bool out, bool dst,
                         struct leaves *to)
{
    static const uint8_t numbers[] = { ITEM_AS, ITEM_COUNTRY, ITEM_PORT, ITEM_PROTO, ITEM_VLAN };
    bool ok = true;

    for (uint32_t i = 0; i < g->own.n; i++)
        if (g->own.v[i] == (out ? 2u : 1u)) {
            ok = keep_leaf(p, to, defined_map_leaf(p, &defined_side_ip[dst], &g->own, out ? 2 : 1));
            break;
        }
    for (size_t k = 0; k < ARRAY_LEN(numbers) && ok; k++)
        ok = number_leaf(p, g, (enum item_kind)numbers[k], out, dst, to);
    for (uint32_t i = 0; i < g->n_items && ok; i++)
        if (g->item[i].out == out &&
            (g->item[i].kind == ITEM_SERVICE || g->item[i].kind >= ITEM_EXPORTER))
            ok = keep_leaf(p, to, item_leaf(p, &g->item[i], dst));
    return ok;
}

/* Is one side of a record in a group: any member, and no exception. */
static struct expr *group_tree(struct syntax *p, uint32_t group, bool dst)
{
    const struct def_group *g = &p->defs->group[group];
    struct leaves in = { 0 }, out = { 0 };
    struct expr *x = NULL;

    if (++p->nodes > SYNTAX_MAX_NODES) {
        syn_fail(p, ERR_LIMIT, syn_tok(p), "more than %u terms", SYNTAX_MAX_NODES);
        return NULL;
    }
    if (g->only_nets)
        return defined_map_leaf(p, &defined_side_ip[dst], &g->net, 1);
    if (!group_leaves(p, g, false, dst, &in) || !group_leaves(p, g, true, dst, &out)) {
        drop_leaves(&in);
        drop_leaves(&out);
        return NULL;
    }
    x = in.n > 0 ? many(p, EXPR_OR, in.x, in.n) : tree_constant(p, g->n_items > 0 && out.n > 0);
    if (out.n > 0) {
        struct expr *no = tree_not(p, many(p, EXPR_OR, out.x, out.n));
        x = tree_pair(p, EXPR_AND, x, no);
    }
    free(in.x);
    free(out.x);
    return x;
}

static struct expr *make_group(struct syntax *p, const struct value_alts *v, const void *what)
{
    const struct term *t = what;
    bool dst = v->v[0].calc == DEF_DST_GROUP;

    return defined_named(p, group_tree(p, t->group, dst), dst ? "dst " : "src ", t->words);
}

/* The group named at the cursor; -1 after an error. */
static int64_t group_name(struct syntax *p)
{
    const struct token *k = syn_tok(p);
    char why[256];
    size_t len;
    char *s = defined_name_text(p, "a group", &len);
    int64_t at = s != NULL ? defs_group(p->defs, s, len) : -1;

    if (s != NULL && at < 0) {
        defs_unknown(p->defs, DEF_NAMES_GROUP, s, len, why, sizeof why);
        syn_fail(p, ERR_SYNTAX, k, "%s", why);
    }
    free(s);
    return at;
}

/* In one of several groups. */
static struct expr *group_list(struct syntax *p, const struct field *f, const struct sides *s)
{
    struct expr *x = NULL;
    size_t begin;

    if (!syn_type(p, TOK_LIST)) {
        syn_fail(p, ERR_SYNTAX, syn_tok(p), "a list of groups is expected: [office servers]");
        return NULL;
    }
    begin = p->at;
    while (syn_list_goes_on(p)) {
        size_t at = p->at;
        struct buf w = buf_init(QUERY_TEXT_MAX);
        struct term t = { 0 };
        struct leaf_maker m = { make_group, &t };
        int64_t g = group_name(p);
        if (g < 0) {
            buf_free(&w);
            break;
        }
        t.group = (uint32_t)g;
        buf_str(&w, "group ");
        defined_written(p, at, &w);
        t.words = buf_cstr(&w);
        struct expr *one = tree_sided(p, f, s, false, &m);
        x = x == NULL ? one : tree_pair(p, EXPR_OR, x, one);
        buf_free(&w);
    }
    if (syn_list_ends(p, begin) && x != NULL)
        return x;
    expr_free(x);
    return NULL;
}

struct expr *syn_group_term(struct syntax *p, const struct field *f, const struct sides *s)
{
    struct buf w = buf_init(QUERY_TEXT_MAX);
    struct term t = { 0 };
    struct leaf_maker m = { make_group, &t };
    struct expr *x = NULL;
    size_t from = p->at;
    uint8_t comp;
    int64_t g;

    if (syn_word(p, "in") || syn_tok(p)->type == TOK_LIST)
        return group_list(p, f, s);
    comp = syn_comparison(p);
    if (comp != TOK_END && comp != TOK_EQ && comp != TOK_NE) {
        syn_fail(p, ERR_SYNTAX, &p->t.tok[from], "groups are compared with = and !=, or in [...]");
        return NULL;
    }
    from = p->at;
    if ((g = group_name(p)) >= 0) {
        t.group = (uint32_t)g;
        buf_str(&w, "group ");
        defined_written(p, from, &w);
        t.words = buf_cstr(&w);
        x = tree_sided(p, f, s, comp == TOK_NE, &m);
    }
    buf_free(&w);
    return x;
}

/* In any group of the user's. */
static struct expr *make_any_group(struct syntax *p, const struct value_alts *v, const void *what)
{
    bool dst = v->v[0].calc == DEF_DST_GROUP;
    struct leaves l = { 0 };
    struct expr *x;

    (void)what;
    for (uint32_t g = 0; g < p->defs->n_own; g++)
        if (!keep_leaf(p, &l, group_tree(p, g, dst))) {
            drop_leaves(&l);
            return NULL;
        }
    x = l.n > 0 ? many(p, EXPR_OR, l.x, l.n) : tree_constant(p, false);
    free(l.x);
    return defined_named(p, x, "exists ", dst ? "dst group" : "src group");
}

struct expr *syn_any_group(struct syntax *p, const struct field *f, const struct sides *s,
                           bool absent)
{
    struct leaf_maker m = { make_any_group, NULL };

    return tree_sided(p, f, s, absent, &m);
}

bool syn_group_nets(struct syntax *p, const struct addr_map **map)
{
    const struct token *k = syn_tok(p);
    int64_t g = group_name(p);

    if (g < 0)
        return false;
    *map = &p->defs->group[g].net;
    if ((*map)->n > 0)
        return true;
    syn_fail(p, ERR_SYNTAX, k, "this group holds no addresses; \"group %s\" asks for all members",
             p->defs->group[g].name);
    return false;
}

/* Members of one kind, of groups inside too. */
static void collect_numbers(const struct defs *d, uint32_t group, enum item_kind kind,
                            struct numset *set)
{
    const struct def_group *g = &d->group[group];

    for (uint32_t i = 0; i < g->n_items; i++) {
        const struct item *x = &g->item[i];
        if (x->kind == kind)
            numset_add(set, x->lo, x->hi, x->out);
        else if (x->kind == ITEM_GROUP && !x->out)
            collect_numbers(d, x->lo, kind, set);
    }
}

bool syn_group_numbers(struct syntax *p, const struct field *f, struct numset *set)
{
    const struct token *k = syn_tok(p);
    const struct value *v = &f->v[0].v[0];
    enum item_kind kind = v->kind == VALUE_CALC && v->calc == CALC_SRC_AS ? ITEM_AS
                          : v->kind != VALUE_COL                          ? ITEM_KINDS
                          : v->col == COL_SRC_PORT                        ? ITEM_PORT
                          : v->col == COL_SRC_VLAN                        ? ITEM_VLAN
                          : v->col == COL_PROTO                           ? ITEM_PROTO
                                                                          : ITEM_KINDS;
    int64_t g;

    if (kind == ITEM_KINDS) {
        syn_fail(p, ERR_SYNTAX, k, "groups hold addresses, AS numbers, ports, protocols and VLANs");
        return false;
    }
    if ((g = group_name(p)) < 0)
        return false;
    collect_numbers(p->defs, (uint32_t)g, kind, set);
    numset_done(set);
    if (set->n > 0)
        return true;
    syn_fail(p, ERR_SYNTAX, k, "this group holds no %.*s; \"group %s\" asks for all members",
             (int)strcspn(f->words, "|"), f->words, p->defs->group[g].name);
    return false;
}

/* ------------------------------------------------------------------ keys and columns */

bool syn_mixed_groups(struct syntax *p, struct plan *plan)
{
    const struct defs *d = p->defs;
    uint32_t n = 0;

    for (uint32_t g = 0; g < d->n_own; g++)
        n += !d->group[g].only_nets;
    plan->mixed = calloc((size_t)n * 2 + 1, sizeof(struct expr *));
    plan->mixed_group = calloc(n + 1u, sizeof *plan->mixed_group);
    if (plan->mixed == NULL || plan->mixed_group == NULL) {
        (void)tree_oom(p);
        return false;
    }
    for (uint32_t g = 0; g < d->n_own; g++) {
        if (d->group[g].only_nets)
            continue;
        plan->mixed_group[plan->n_mixed] = g;
        for (unsigned dst = 0; dst < 2; dst++)
            if ((plan->mixed[plan->n_mixed * 2 + dst] = group_tree(p, g, dst != 0)) == NULL) {
                expr_free(plan->mixed[(size_t)plan->n_mixed * 2]);
                return false;
            }
        plan->n_mixed++;
    }
    return true;
}
