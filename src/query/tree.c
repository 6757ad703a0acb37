/* Nodes of a filter: sets of numbers, leaves, and the sides spread over several values. */
#include <stdlib.h>

#include "query/term.h"

void numset_free(struct numset *s)
{
    free(s->r);
    free(s->r_not);
}

void numset_add(struct numset *s, uint64_t lo, uint64_t hi, bool out)
{
    struct num_range **r = out ? &s->r_not : &s->r;
    uint32_t *n = out ? &s->n_not : &s->n;

    if (s->bad || lo > hi)
        return;
    if ((*n & (*n + 1)) == 0) {
        struct num_range *more = realloc(*r, sizeof **r * ((size_t)*n * 2 + 1));
        if (more == NULL) {
            s->bad = true;
            return;
        }
        *r = more;
    }
    (*r)[(*n)++] = (struct num_range){ lo, hi };
}

static int range_order(const void *a, const void *b)
{
    const struct num_range *x = a, *y = b;

    return x->lo < y->lo ? -1 : x->lo > y->lo;
}

static uint32_t merge(struct num_range *r, uint32_t n)
{
    uint32_t k = 0;

    if (n == 0)
        return 0;
    qsort(r, n, sizeof *r, range_order);
    for (uint32_t i = 1; i < n; i++) {
        if (r[k].hi == UINT64_MAX || r[i].lo <= r[k].hi + 1)
            r[k].hi = MAX(r[k].hi, r[i].hi);
        else
            r[++k] = r[i];
    }
    return k + 1;
}

void numset_done(struct numset *s)
{
    struct numset left = { .negate = s->negate, .bad = s->bad };
    uint32_t j = 0;

    if (s->n == 0 && s->n_not > 0)
        numset_add(s, 0, UINT64_MAX, false); /* only exceptions: all others */
    s->n = merge(s->r, s->n);
    s->n_not = merge(s->r_not, s->n_not);
    if (s->n_not == 0)
        return;
    for (uint32_t i = 0; s->r != NULL && i < s->n; i++) {
        uint64_t lo = s->r[i].lo, hi = s->r[i].hi;
        bool open = true;
        while (j < s->n_not && s->r_not[j].hi < lo)
            j++;
        for (uint32_t k = j; open && k < s->n_not && s->r_not[k].lo <= hi; k++) {
            if (s->r_not[k].lo > lo)
                numset_add(&left, lo, s->r_not[k].lo - 1, false);
            open = s->r_not[k].hi < hi;
            lo = open ? s->r_not[k].hi + 1 : lo;
        }
        if (open)
            numset_add(&left, lo, hi, false);
    }
    left.bad |= s->bad;
    numset_free(s);
    *s = left;
}

struct expr *tree_oom(struct syntax *p)
{
    syn_fail(p, ERR_NOMEM, syn_tok(p), "query: out of memory");
    return NULL;
}

struct expr *tree_constant(struct syntax *p, bool yes)
{
    struct expr *x = expr_new(EXPR_CONST);

    if (x == NULL)
        return tree_oom(p);
    x->yes = yes;
    return x;
}

struct expr *tree_not(struct syntax *p, struct expr *x)
{
    struct expr *n = x != NULL ? expr_new(EXPR_NOT) : NULL;

    if (n != NULL && expr_add(n, x))
        return n;
    if (x != NULL && n == NULL)
        expr_free(x);
    expr_free(n);
    return p->rc == ERR_OK ? tree_oom(p) : NULL;
}

struct expr *tree_pair(struct syntax *p, enum expr_op op, struct expr *a, struct expr *b)
{
    struct expr *x = expr_new(op);
    bool ok = x != NULL;

    if (ok) {
        ok = expr_add(x, a);
        ok = expr_add(x, b) && ok;
    } else {
        expr_free(a);
        expr_free(b);
    }
    if (ok)
        return x;
    expr_free(x);
    return p->rc == ERR_OK ? tree_oom(p) : NULL;
}

struct expr *tree_range(struct syntax *p, const struct value_alts *v, const struct numset *s)
{
    struct expr *x;

    if (s->bad)
        return tree_oom(p);
    if (s->n == 0)
        return tree_constant(p, false);
    if ((x = expr_new(EXPR_RANGE)) == NULL ||
        (x->range = malloc(s->n * sizeof *x->range)) == NULL) {
        expr_free(x);
        return tree_oom(p);
    }
    x->value = *v;
    memcpy(x->range, s->r, s->n * sizeof *x->range);
    x->n_ranges = s->n;
    return x;
}

struct expr *tree_range1(struct syntax *p, const struct value_alts *v, uint64_t lo, uint64_t hi)
{
    struct num_range r = { lo, hi };
    struct numset s = { .r = &r, .n = 1 };

    return tree_range(p, v, &s);
}

/* The side that answered is the source: a well-known port there and none at the other end, and the
 * exporter did not say (a biflow begins at who opened). */
static struct expr *answer(struct syntax *p)
{
    static const struct value_alts sport = { .v = { { .kind = VALUE_COL, .col = COL_SRC_PORT } },
                                             .n = 1 };
    static const struct value_alts dport = { .v = { { .kind = VALUE_COL, .col = COL_DST_PORT } },
                                             .n = 1 };
    static const struct value_alts proto = { .v = { { .kind = VALUE_COL, .col = COL_PROTO } },
                                             .n = 1 };
    static const struct value_alts marks = { .v = { { .kind = VALUE_COL, .col = COL_MARKS } },
                                             .n = 1 };
    struct num_range with_ports[] = { { 6, 6 }, { 17, 17 }, { 33, 33 }, { 132, 132 } };
    struct numset s = { .r = with_ports, .n = 4 };
    struct expr *x = tree_pair(p, EXPR_AND, tree_range1(p, &sport, 1, 1023),
                               tree_range1(p, &dport, 1024, 65535));
    struct expr *one_way = expr_new(EXPR_MASK);

    if (one_way != NULL) {
        one_way->value = marks;
        one_way->mask = MARK_BIFLOW;
    }
    if (x == NULL || one_way == NULL || !expr_add(x, one_way)) {
        if (x == NULL)
            expr_free(one_way);
        expr_free(x);
        return p->rc == ERR_OK ? tree_oom(p) : NULL;
    }
    if (!expr_add(x, tree_range(p, &proto, &s))) {
        expr_free(x);
        return p->rc == ERR_OK ? tree_oom(p) : NULL;
    }
    return x;
}

static struct expr *leaf(struct syntax *p, const struct field *f, const struct value_alts *v,
                         const struct leaf_maker *m)
{
    struct expr *x = m->make(p, v, m->what);

    if (x == NULL || f == NULL)
        return x;
    if (f->axis == AXIS_SIDE && (f->type == FIELD_ADDR || f->type == FIELD_NET) &&
        v->v[0].kind == VALUE_COL && x->op == EXPR_NET)
        x->side = v->v[0].col == COL_SRC_IP ? 's' : v->v[0].col == COL_DST_IP ? 'd' : '\0';
    if (f->type == FIELD_FLAGS || f->type == FIELD_ICMP) {
        bool flags = f->type == FIELD_FLAGS;
        struct value_alts of = { .v = { { .kind = flags ? VALUE_COL : VALUE_CALC,
                                          .col = flags ? COL_PROTO : 0,
                                          .calc = flags ? 0 : CALC_IS_ICMP } },
                                 .n = 1 };
        x = tree_pair(p, EXPR_AND, tree_range1(p, &of, flags ? 6 : 1, flags ? 6 : 1), x);
        if (x != NULL)
            x->form = flags ? FORM_FLAGS : FORM_ICMP;
    }
    return x;
}

static struct expr *role(struct syntax *p, const struct field *f, bool client,
                         const struct leaf_maker *m)
{
    const struct value_alts *opened = client ? &f->v[0] : &f->v[1],
                            *answered = client ? &f->v[1] : &f->v[0];
    struct expr *swapped = tree_pair(p, EXPR_AND, answer(p), leaf(p, f, answered, m));
    struct expr *plain = tree_pair(p, EXPR_AND, tree_not(p, answer(p)), leaf(p, f, opened, m));
    struct expr *x = tree_pair(p, EXPR_OR, swapped, plain);

    if (x != NULL)
        x->form = client ? FORM_CLIENT : FORM_SERVER;
    return x;
}

struct expr *tree_sided(struct syntax *p, const struct field *f, const struct sides *s, bool negate,
                        const struct leaf_maker *m)
{
    struct value_alts v[4];
    size_t n = syn_values(p, f, s, v);
    struct expr *x;

    if (n == 0)
        return NULL;
    if (s->side == SIDE_CLIENT || s->side == SIDE_SERVER) {
        x = role(p, f, s->side == SIDE_CLIENT, m);
        return negate ? tree_not(p, x) : x;
    }
    if (n == 1) {
        x = leaf(p, f, &v[0], m);
        return negate ? tree_not(p, x) : x;
    }
    /* "!=" means that no side is equal, whatever stands before it */
    if ((x = expr_new(s->side == SIDE_BOTH && !negate ? EXPR_AND : EXPR_OR)) == NULL)
        return tree_oom(p);
    for (size_t i = 0; i < n; i++)
        if (!expr_add(x, leaf(p, f, &v[i], m))) {
            expr_free(x);
            return p->rc == ERR_OK ? tree_oom(p) : NULL;
        }
    return negate ? tree_not(p, x) : x;
}
