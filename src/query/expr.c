#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include "query/plan.h"

struct expr *expr_new(enum expr_op op)
{
    struct expr *x = calloc(1, sizeof *x);

    if (x != NULL)
        x->op = (uint8_t)op;
    return x;
}

void expr_free(struct expr *x)
{
    if (x == NULL)
        return;
    for (uint32_t i = 0; i < x->n_kids; i++)
        expr_free(x->kid[i]);
    for (uint32_t i = 0; i < x->n_texts; i++)
        free(x->text[i]);
    if (x->regex != NULL)
        pcre2_code_free(x->regex);
    if (x->own_map) {
        struct addr_map m = *x->map;
        addr_map_free(&m);
        free((void *)(uintptr_t)x->map);
    }
    free(x->kid);
    free(x->range);
    free(x->net);
    free(x->text);
    free(x->pattern);
    free(x);
}

bool expr_add(struct expr *x, struct expr *kid)
{
    if (kid == NULL)
        return false;
    if ((x->n_kids & (x->n_kids + 1u)) == 0) { /* grow at 0, 1, 3, 7, ... */
        struct expr **more = realloc(x->kid, sizeof *more * ((size_t)x->n_kids * 2 + 1));
        if (more == NULL) {
            expr_free(kid);
            return false;
        }
        x->kid = more;
    }
    x->kid[x->n_kids++] = kid;
    return true;
}

/* n elements of `size` octets, or NULL; *ok turns false only when memory is short. */
static void *copy_of(const void *p, size_t n, size_t size, bool *ok)
{
    void *q;

    if (p == NULL || n == 0)
        return NULL;
    q = malloc(n * size);
    if (q == NULL)
        *ok = false;
    else
        memcpy(q, p, n * size);
    return q;
}

static bool copy_map(struct expr *to, const struct addr_map *m)
{
    struct addr_map *c = calloc(1, sizeof *c);
    bool ok = c != NULL;

    if (!ok)
        return false;
    c->n = m->n;
    c->lo = copy_of(m->lo, m->n, sizeof *m->lo, &ok);
    c->v = copy_of(m->v, m->n, sizeof *m->v, &ok);
    to->map = c;
    to->own_map = true;
    return ok;
}

struct expr *expr_copy(const struct expr *x)
{
    struct expr *c = expr_new((enum expr_op)x->op);
    bool ok = true;

    if (c == NULL)
        return NULL;
    *c = *x;
    c->kid = NULL;
    c->text = NULL;
    c->regex = NULL;
    c->n_kids = c->n_texts = 0;
    c->map = x->own_map ? NULL : x->map;
    c->own_map = false;
    c->range = copy_of(x->range, x->n_ranges, sizeof *x->range, &ok);
    c->net = copy_of(x->net, x->n_nets, sizeof *x->net, &ok);
    c->pattern = copy_of(x->pattern, x->pattern != NULL ? x->pattern_len + 1 : 0, 1, &ok);
    if (x->n_texts > 0)
        c->text = calloc(x->n_texts, sizeof *c->text);
    for (uint32_t i = 0; ok && c->text != NULL && i < x->n_texts; i++, c->n_texts++) {
        c->text[i] = copy_of(x->text[i], strlen(x->text[i]) + 1, 1, &ok);
        if (!ok)
            break;
    }
    if (ok && x->own_map)
        ok = copy_map(c, x->map);
    for (uint32_t i = 0; ok && i < x->n_kids; i++)
        ok = expr_add(c, expr_copy(x->kid[i]));
    if (ok && x->regex != NULL)
        c->regex = pcre2_code_copy(x->regex);
    if (!ok || c->n_texts != x->n_texts || (x->regex != NULL && c->regex == NULL)) {
        expr_free(c);
        return NULL;
    }
    return c;
}

static int64_t moved(int64_t at, int64_t by)
{
    int64_t to;

    if (at == INT64_MIN || at == INT64_MAX)
        return at;
    return __builtin_add_overflow(at, by, &to) ? (by < 0 ? INT64_MIN : INT64_MAX) : to;
}

void plan_widen(struct plan *p, int64_t before_ms, int64_t after_ms)
{
    if (!p->framed)
        return;
    p->from_ms = moved(p->from_ms, -before_ms);
    p->to_ms = moved(p->to_ms, after_ms);
}

void plan_free(struct plan *p)
{
    if (p == NULL)
        return;
    expr_free(p->filter);
    expr_free(p->session_filter);
    expr_free(p->having);
    for (uint32_t i = 0; i < p->n_mixed * 2; i++)
        expr_free(p->mixed[i]);
    free(p->mixed);
    free(p->mixed_group);
    defs_unref(p->defs);
    free(p);
}
