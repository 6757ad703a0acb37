/* Terms joined by and, or, xor, not and brackets. */
#include <stdio.h>
#include <stdlib.h>

#include "query/syntax.h"

static struct expr *join(struct syntax *p, const struct sides *outer);

static bool is_and(const struct syntax *p)
{
    return syn_tok(p)->type == TOK_AND || syn_is(p, "and");
}
static bool is_or(const struct syntax *p)
{
    return syn_tok(p)->type == TOK_OR || syn_is(p, "or");
}
static bool is_xor(const struct syntax *p)
{
    return syn_tok(p)->type == TOK_XOR || syn_is(p, "xor");
}

static struct expr *bracket(struct syntax *p, const struct sides *outer)
{
    const struct token *open = syn_tok(p);
    struct expr *x;

    p->at++;
    if (++p->depth > SYNTAX_MAX_DEPTH) {
        syn_fail(p, ERR_LIMIT, open, "more than %u brackets in each other", SYNTAX_MAX_DEPTH);
        return NULL;
    }
    x = join(p, outer);
    p->depth--;
    if (x != NULL && !syn_type(p, TOK_CLOSE)) {
        if (syn_tok(p)->type == TOK_END)
            syn_fail(p, ERR_SYNTAX, open, "this bracket is not closed");
        else if (syn_tok(p)->type == TOK_PIPE)
            syn_fail(p, ERR_SYNTAX, syn_tok(p),
                     "clauses stand behind the filter, not inside brackets");
        else
            syn_fail(p, ERR_SYNTAX, syn_tok(p), "and, or or \")\" is expected here");
        expr_free(x);
        return NULL;
    }
    return x;
}

/* "client ( … )": the side reaches over the bracket. */
static struct expr *sided_bracket(struct syntax *p, const struct sides *outer)
{
    size_t at = p->at;
    struct sides s;
    struct expr *x = NULL;

    if (p->plan != NULL || !syn_sides(p, &s) || p->at == at || syn_tok(p)->type != TOK_OPEN) {
        p->at = at;
        return NULL;
    }
    if (outer != NULL)
        syn_fail(p, ERR_SYNTAX, &p->t.tok[at], "there is a side before the bracket already");
    else
        x = bracket(p, &s);
    return x;
}

static struct expr *having_term(struct syntax *p);

static struct expr *unary(struct syntax *p, const struct sides *outer)
{
    unsigned nots = 0;
    struct expr *x, *n;

    while (syn_type(p, TOK_NOT) || syn_word(p, "not"))
        nots++;
    p->negated ^= nots % 2 == 1;
    if (syn_tok(p)->type == TOK_OPEN) {
        x = bracket(p, outer);
    } else if (p->plan != NULL) {
        x = having_term(p);
    } else {
        x = sided_bracket(p, outer);
        if (x == NULL && p->rc == ERR_OK)
            x = syn_term(p, outer);
    }
    p->negated ^= nots % 2 == 1;
    if (x == NULL || nots % 2 == 0)
        return x;
    if (x->op == EXPR_NOT) { /* not (not x) */
        n = x->kid[0];
        x->n_kids = 0;
        expr_free(x);
        return n;
    }
    if ((n = expr_new(EXPR_NOT)) == NULL || !expr_add(n, x)) {
        if (n == NULL)
            expr_free(x);
        expr_free(n);
        syn_fail(p, ERR_NOMEM, syn_tok(p), "query: out of memory");
        return NULL;
    }
    return n;
}

/* Put `x` under a node of kind `op` in *node, which is made when the second kid comes. */
static bool gather(struct syntax *p, struct expr **node, enum expr_op op, struct expr *x)
{
    struct expr *n = *node;

    if (x == NULL)
        return false;
    if (n == NULL) {
        *node = x;
        return true;
    }
    if (n->op != op || !n->mask_any) { /* mask_any marks the node under construction */
        struct expr *first = n;
        if ((n = expr_new(op)) == NULL || !expr_add(n, first)) {
            if (n == NULL)
                expr_free(x); /* first stays in *node */
            else
                *node = NULL;
            expr_free(n);
            syn_fail(p, ERR_NOMEM, syn_tok(p), "query: out of memory");
            return false;
        }
        n->mask_any = true;
        *node = n;
    }
    if (expr_add(n, x))
        return true;
    syn_fail(p, ERR_NOMEM, syn_tok(p), "query: out of memory");
    return false;
}

static void close_node(struct expr *x)
{
    if (x != NULL && (x->op == EXPR_AND || x->op == EXPR_OR || x->op == EXPR_XOR))
        x->mask_any = false;
}

static struct expr *and_group(struct syntax *p, const struct sides *outer, bool *several)
{
    struct expr *node = NULL;

    for (;;) {
        if (!gather(p, &node, EXPR_AND, unary(p, outer))) {
            expr_free(node);
            return NULL;
        }
        if (!is_and(p))
            break;
        p->at++;
        *several = true;
    }
    close_node(node);
    return node;
}

static struct expr *join(struct syntax *p, const struct sides *outer)
{
    struct expr *node = NULL;
    bool saw_xor = false, saw_other = false;

    for (;;) {
        if (!gather(p, &node, saw_xor ? EXPR_XOR : EXPR_OR, and_group(p, outer, &saw_other)))
            goto fail;
        if (!is_or(p) && !is_xor(p))
            break;
        saw_xor = saw_xor || is_xor(p);
        saw_other = saw_other || is_or(p);
        if (saw_xor && saw_other) {
            syn_fail(p, ERR_SYNTAX, syn_tok(p), "xor beside and/or needs brackets");
            goto fail;
        }
        p->at++;
    }
    if (saw_xor && saw_other) {
        syn_fail(p, ERR_SYNTAX, syn_tok(p), "xor beside and/or needs brackets");
        goto fail;
    }
    close_node(node);
    return node;
fail:
    expr_free(node);
    return NULL;
}

struct expr *syn_filter(struct syntax *p)
{
    return join(p, NULL);
}

/* ---- having: measures compared with numbers ---- */

static struct expr *having_term(struct syntax *p)
{
    struct measure m;
    size_t from = p->at;
    uint32_t i = 0;
    struct expr *x;
    uint8_t comp;
    const struct token *k;
    uint64_t v = 0;
    int64_t ms;
    const char *why = NULL;

    if (!syn_measure(p, &m))
        return NULL;
    comp = syn_tok(p)->type;
    if (comp < TOK_EQ || comp > TOK_GE) {
        syn_fail(p, ERR_SYNTAX, syn_tok(p), "a comparison is expected behind %s: %s > 1000", m.name,
                 m.name);
        return NULL;
    }
    p->at++;
    k = syn_tok(p);
    if (k->type != TOK_WORD) {
        syn_fail(p, ERR_SYNTAX, k, "a number is expected");
        return NULL;
    }
    if (m.kind == MEASURE_FIRST_SEEN || m.kind == MEASURE_LAST_SEEN) {
        char text[64];
        struct err e = { 0 };
        (void)snprintf(text, sizeof text, "%.*s", (int)MIN(k->len, 63u), syn_text(p, k));
        if (query_time(&ms, text, p->tz, p->now_ms, &e) != ERR_OK) {
            syn_fail(p, e.code, k, "%s", e.msg);
            return NULL;
        }
        v = ms > 0 ? (uint64_t)ms : 0;
    } else if (m.kind == MEASURE_DURATION_MS) {
        if (!query_duration(&ms, syn_text(p, k), k->len))
            why = "a duration is expected: 500 (ms), 1.5s, 10m";
        else
            v = (uint64_t)ms;
    } else {
        why = number_parse(&v, syn_text(p, k), k->len,
                           m.kind == MEASURE_BITS || m.kind == MEASURE_BPS);
    }
    if (why != NULL) {
        syn_fail(p, ERR_SYNTAX, k, "%s", why);
        return NULL;
    }
    p->at++;
    while (i < p->plan->n_measures && strcmp(p->plan->measures[i].name, m.name) != 0)
        i++;
    if (i == p->plan->n_measures) {
        if (i == PLAN_MAX_MEASURES) {
            syn_fail_from(p, ERR_LIMIT, from, "more than %u measures", PLAN_MAX_MEASURES);
            return NULL;
        }
        p->plan->measures[p->plan->n_measures++] = m;
        p->plan->n_hidden++;
    }
    if ((comp == TOK_LT && v == 0) || (comp == TOK_GT && v == UINT64_MAX)) {
        x = expr_new(EXPR_CONST);
    } else if ((x = expr_new(EXPR_RANGE)) != NULL) {
        x->value.n = 1;
        x->value.v[0] = (struct value){ .kind = VALUE_CALC, .calc = (uint8_t)i };
        x->range = malloc(sizeof *x->range * 2);
        x->n_ranges = 1;
        if (x->range != NULL) {
            x->range[0].lo = comp == TOK_GT ? v + 1 : comp == TOK_GE || comp == TOK_EQ ? v : 0;
            x->range[0].hi = comp == TOK_LT                     ? v - 1
                             : comp == TOK_LE || comp == TOK_EQ ? v
                                                                : UINT64_MAX;
            if (comp == TOK_NE) {
                x->range[0] = (struct num_range){ 0, v - (v > 0) };
                x->range[1] = (struct num_range){ v + (v < UINT64_MAX), UINT64_MAX };
                x->n_ranges = 2;
                if (v == 0)
                    x->range[0] = x->range[1];
                if (v == 0 || v == UINT64_MAX)
                    x->n_ranges = 1;
            }
        } else {
            expr_free(x);
            x = NULL;
        }
    }
    if (x == NULL)
        syn_fail(p, ERR_NOMEM, k, "query: out of memory");
    return x;
}
