/* One term: [side] field [comparison] value, or a bare word. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "flow/elem.h"
#include "query/syntax.h"

#define MAX_NETS_OF_RANGE 256u

/* Numbers that a term asks for, before they meet a value: sorted and disjoint once set_done() ran.
 */
struct set {
    struct num_range *r; /* owned */
    uint32_t n, n_not;
    struct num_range *r_not; /* exceptions, owned */
    bool negate;             /* != */
    bool bad;
};

static void set_free(struct set *s)
{
    free(s->r);
    free(s->r_not);
}

static void set_add(struct set *s, uint64_t lo, uint64_t hi, bool out)
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

/* Sort, merge, and take the exceptions out. */
static void set_done(struct set *s)
{
    struct set left = { .negate = s->negate, .bad = s->bad };
    uint32_t j = 0;

    if (s->n == 0 && s->n_not > 0)
        set_add(s, 0, UINT64_MAX, false); /* only exceptions: all others */
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
                set_add(&left, lo, s->r_not[k].lo - 1, false);
            open = s->r_not[k].hi < hi;
            lo = open ? s->r_not[k].hi + 1 : lo;
        }
        if (open)
            set_add(&left, lo, hi, false);
    }
    left.bad |= s->bad;
    set_free(s);
    *s = left;
}

static struct expr *oom(struct syntax *p)
{
    syn_fail(p, ERR_NOMEM, syn_tok(p), "query: out of memory");
    return NULL;
}

static struct expr *constant(struct syntax *p, bool yes)
{
    struct expr *x = expr_new(EXPR_CONST);

    if (x == NULL)
        return oom(p);
    x->yes = yes;
    return x;
}

static struct expr *not_of(struct syntax *p, struct expr *x)
{
    struct expr *n = x != NULL ? expr_new(EXPR_NOT) : NULL;

    if (n != NULL && expr_add(n, x))
        return n;
    if (x != NULL && n == NULL)
        expr_free(x);
    expr_free(n);
    return p->rc == ERR_OK ? oom(p) : NULL;
}

static struct expr *pair(struct syntax *p, enum expr_op op, struct expr *a, struct expr *b)
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
    return p->rc == ERR_OK ? oom(p) : NULL;
}

static struct expr *range_leaf(struct syntax *p, const struct value_alts *v, const struct set *s)
{
    struct expr *x;

    if (s->bad)
        return oom(p);
    if (s->n == 0)
        return constant(p, false);
    if ((x = expr_new(EXPR_RANGE)) == NULL ||
        (x->range = malloc(s->n * sizeof *x->range)) == NULL) {
        expr_free(x);
        return oom(p);
    }
    x->value = *v;
    memcpy(x->range, s->r, s->n * sizeof *x->range);
    x->n_ranges = s->n;
    return x;
}

static struct expr *range1(struct syntax *p, const struct value_alts *v, uint64_t lo, uint64_t hi)
{
    struct num_range r = { lo, hi };
    struct set s = { .r = &r, .n = 1 };

    return range_leaf(p, v, &s);
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
    struct set s = { .r = with_ports, .n = 4 };
    struct expr *x = pair(p, EXPR_AND, range1(p, &sport, 1, 1023), range1(p, &dport, 1024, 65535));
    struct expr *one_way = expr_new(EXPR_MASK);

    if (one_way != NULL) {
        one_way->value = marks;
        one_way->mask = MARK_BIFLOW;
    }
    if (x == NULL || one_way == NULL || !expr_add(x, one_way)) {
        if (x == NULL)
            expr_free(one_way);
        expr_free(x);
        return p->rc == ERR_OK ? oom(p) : NULL;
    }
    if (!expr_add(x, range_leaf(p, &proto, &s))) {
        expr_free(x);
        return p->rc == ERR_OK ? oom(p) : NULL;
    }
    return x;
}

/* A leaf for every value that the sides choose: make() is called once for each. */
struct leaf_maker {
    struct expr *(*make)(struct syntax *p, const struct value_alts *v, const void *what);
    const void *what;
};

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
        x = pair(p, EXPR_AND, range1(p, &of, flags ? 6 : 1, flags ? 6 : 1), x);
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
    struct expr *swapped = pair(p, EXPR_AND, answer(p), leaf(p, f, answered, m));
    struct expr *plain = pair(p, EXPR_AND, not_of(p, answer(p)), leaf(p, f, opened, m));
    struct expr *x = pair(p, EXPR_OR, swapped, plain);

    if (x != NULL)
        x->form = client ? FORM_CLIENT : FORM_SERVER;
    return x;
}

static struct expr *sided(struct syntax *p, const struct field *f, const struct sides *s,
                          bool negate, const struct leaf_maker *m)
{
    struct value_alts v[4];
    size_t n = syn_values(p, f, s, v);
    struct expr *x;

    if (n == 0)
        return NULL;
    if (s->side == SIDE_CLIENT || s->side == SIDE_SERVER) {
        x = role(p, f, s->side == SIDE_CLIENT, m);
        return negate ? not_of(p, x) : x;
    }
    if (n == 1) {
        x = leaf(p, f, &v[0], m);
        return negate ? not_of(p, x) : x;
    }
    /* "!=" means that no side is equal, whatever stands before it */
    if ((x = expr_new(s->side == SIDE_BOTH && !negate ? EXPR_AND : EXPR_OR)) == NULL)
        return oom(p);
    for (size_t i = 0; i < n; i++)
        if (!expr_add(x, leaf(p, f, &v[i], m))) {
            expr_free(x);
            return p->rc == ERR_OK ? oom(p) : NULL;
        }
    return negate ? not_of(p, x) : x;
}

/* ---- comparisons ---- */

static uint8_t comparison(struct syntax *p)
{
    static const struct {
        const char *word;
        uint8_t type;
    } words[] = { { "eq", TOK_EQ }, { "ne", TOK_NE }, { "lt", TOK_LT },
                  { "le", TOK_LE }, { "gt", TOK_GT }, { "ge", TOK_GE } };
    uint8_t type = syn_tok(p)->type;

    if (type >= TOK_EQ && type <= TOK_NO_MATCH) {
        p->at++;
        return type;
    }
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (syn_word(p, words[i].word))
            return words[i].type;
    return TOK_END;
}

static const struct word_number words_dir[] = { { "ingress", 0, 0 }, { "egress", 1, 1 } };
static const struct word_number words_asa_event[] = {
    { "ignore", 0, 0 }, { "create", 1, 1 }, { "term", 2, 2 },   { "delete", 2, 2 },
    { "deny", 3, 3 },   { "alert", 4, 4 },  { "update", 5, 5 },
};
static const struct word_number words_asa_denied[] = {
    { "ingress", 1001, 1001 },
    { "egress", 1002, 1002 },
    { "interface", 1003, 1003 },
    { "nosyn", 1004, 1004 },
};
static const struct word_number words_nat_event[] = { { "add", 1, 1 },
                                                      { "create", 1, 1 },
                                                      { "delete", 2, 2 } };

/* One number of a field: digits with units, or a word of the field. A word may name a span. */
static bool number_of(struct syntax *p, const struct field *f, const struct token *k, const char *s,
                      size_t len, uint64_t *lo, uint64_t *hi)
{
    const struct word_number *w = NULL;
    const char *why, *what = f->words;
    struct token at = { .type = k->type, .pos = (uint32_t)(s - p->t.s), .len = (uint32_t)len };
    struct nearest near = { .s = s, .len = len, .best = 99 };
    int64_t ms;

    if (f->type == FIELD_PROTO)
        w = word_find(words_proto, words_proto_n, s, len);
    else if (f->type == FIELD_DSCP)
        w = word_find(words_dscp, words_dscp_n, s, len);
    else if (f->type == FIELD_FWD)
        w = word_find(words_fwd, words_fwd_n, s, len);
    else if (f->type == FIELD_WEEKDAY)
        w = word_find(words_weekday, 7, s, len < 3 ? len : 3);
    else if (f->type == FIELD_DIR)
        w = word_find(words_dir, ARRAY_LEN(words_dir), s, len);
    else if (f->type == FIELD_ASA_EVENT)
        w = word_find(words_asa_event, ARRAY_LEN(words_asa_event), s, len);
    else if (f->type == FIELD_ASA_DENIED)
        w = word_find(words_asa_denied, ARRAY_LEN(words_asa_denied), s, len);
    else if (f->type == FIELD_NAT_EVENT)
        w = word_find(words_nat_event, ARRAY_LEN(words_nat_event), s, len);
    if (w != NULL) {
        *lo = w->lo;
        *hi = w->hi;
        return true;
    }
    if (f->type == FIELD_DURATION) {
        if (!query_duration(&ms, s, len)) {
            syn_fail(p, ERR_SYNTAX, &at, "a duration is expected: 500 (ms), 1.5s, 10m, 1h30m");
            return false;
        }
        *lo = *hi = (uint64_t)ms;
        return true;
    }
    if (f->type == FIELD_TIME || f->type == FIELD_AT) {
        char text[64];
        struct err e = { 0 };
        (void)snprintf(text, sizeof text, "%.*s", (int)MIN(len, sizeof text - 1), s);
        if (query_time(&ms, text, p->tz, p->now_ms, &e) != ERR_OK) {
            syn_fail(p, e.code, &at, "%s", e.msg);
            return false;
        }
        *lo = *hi = ms > 0 ? (uint64_t)ms : 0;
        return true;
    }
    if (f->type == FIELD_PROTO)
        for (size_t i = 0; i < words_proto_n; i++)
            nearest_try(&near, words_proto[i].word);
    if (f->type == FIELD_DSCP)
        for (size_t i = 0; i < words_dscp_n; i++)
            nearest_try(&near, words_dscp[i].word);
    why = number_parse(lo, s, len, f->type == FIELD_VOLUME ? 0 : f->type == FIELD_BITS ? 1 : -1);
    if (why != NULL && f->type == FIELD_PORT && len > 0 && s[0] >= 'a' && s[0] <= 'z')
        syn_fail(p, ERR_UNSUPPORTED, &at,
                 "not yet: names of services; write the number of the port");
    else if (why != NULL)
        syn_fail(p, ERR_SYNTAX, &at, "%s%s%s%s", why, near.word[0] != '\0' ? "; did you mean " : "",
                 near.word, near.word[0] != '\0' ? "?" : "");
    else if (*lo > f->max)
        syn_fail(p, ERR_SYNTAX, &at, "%.*s is 0 to %llu", (int)strcspn(what, "|"), what,
                 (unsigned long long)f->max);
    *hi = *lo;
    return p->rc == ERR_OK;
}

/* A value or A..B at the cursor, into the set. hour and weekday wrap around. */
static bool item(struct syntax *p, const struct field *f, struct set *set, bool out)
{
    const struct token *k = syn_tok(p);
    const char *s = syn_text(p, k), *dots = NULL;
    uint64_t lo, hi, lo2, hi2;

    if (k->type == TOK_TEXT && f->axis == AXIS_IO) {
        syn_fail(p, ERR_UNSUPPORTED, k, "not yet: interface names");
        return false;
    }
    if (k->type != TOK_WORD && k->type != TOK_TEXT) {
        syn_fail(p, ERR_SYNTAX, k, "a value is expected here%s",
                 k->type == TOK_END ? ", the text ends" : "");
        return false;
    }
    for (uint32_t i = 0; dots == NULL && i + 1 < k->len; i++)
        if (s[i] == '.' && s[i + 1] == '.')
            dots = s + i;
    p->at++;
    if (dots == NULL) {
        if (!number_of(p, f, k, s, k->len, &lo, &hi))
            return false;
        set_add(set, lo, hi, out);
        return true;
    }
    if (!number_of(p, f, k, s, (size_t)(dots - s), &lo, &hi2) ||
        !number_of(p, f, k, dots + 2, k->len - (size_t)(dots - s) - 2, &lo2, &hi))
        return false;
    if (lo > hi && (f->type == FIELD_HOUR || f->type == FIELD_WEEKDAY)) {
        set_add(set, lo, f->max, out);
        set_add(set, f->type == FIELD_WEEKDAY, hi, out);
        return true;
    }
    if (lo > hi) {
        syn_fail(p, ERR_SYNTAX, k, "this range is empty: the smaller end comes first");
        return false;
    }
    set_add(set, lo, hi, out);
    return true;
}

/* What may stand behind "in" besides a list is refused by name. True = a list begins (stepped
 * over). */
static bool list_begins(struct syntax *p)
{
    const struct token *k = syn_tok(p);

    if (syn_type(p, TOK_LIST))
        return true;
    if (syn_is(p, "set"))
        syn_fail(p, ERR_UNSUPPORTED, k, "not yet: sets");
    else if (syn_is(p, "group"))
        syn_fail(p, ERR_UNSUPPORTED, k, "not yet: groups");
    else if (k->type == TOK_OPEN)
        syn_fail(p, ERR_UNSUPPORTED, k, "not yet: subqueries");
    else
        syn_fail(p, ERR_SYNTAX, k, "a list is expected: [80 443 8000..8999]");
    return false;
}

static bool list_goes_on(struct syntax *p)
{
    while (syn_type(p, TOK_COMMA))
        ;
    return syn_tok(p)->type != TOK_LIST_END && p->rc == ERR_OK;
}

static bool list_ends(struct syntax *p, size_t from)
{
    if (p->rc == ERR_OK && p->at == from)
        syn_fail(p, ERR_SYNTAX, syn_tok(p), "an empty list matches nothing: values are expected");
    if (p->rc == ERR_OK && !syn_type(p, TOK_LIST_END))
        syn_fail(p, ERR_SYNTAX, syn_tok(p), "\"]\" is expected");
    return p->rc == ERR_OK;
}

static void compare(struct set *set, uint8_t comp, uint64_t lo, uint64_t hi)
{
    switch (comp) {
    case TOK_LT:
        if (lo > 0)
            set_add(set, 0, lo - 1, false);
        break;
    case TOK_LE:
        set_add(set, 0, hi, false);
        break;
    case TOK_GT:
        if (hi < UINT64_MAX)
            set_add(set, hi + 1, UINT64_MAX, false);
        break;
    case TOK_GE:
        set_add(set, lo, UINT64_MAX, false);
        break;
    default:
        set_add(set, lo, hi, false);
        break;
    }
}

/* comp value | A..B | in [list], as a set of numbers */
static bool numbers(struct syntax *p, const struct field *f, struct set *set)
{
    struct set one = { 0 };
    const struct token *k = syn_tok(p);
    uint8_t comp;

    if (syn_word(p, "in") || k->type == TOK_LIST) {
        size_t from;
        if (!list_begins(p))
            return false;
        from = p->at;
        while (list_goes_on(p))
            (void)item(p, f, set, syn_type(p, TOK_NOT));
        if (!list_ends(p, from))
            return false;
        set_done(set);
        return true;
    }
    comp = comparison(p);
    if (comp == TOK_MATCH || comp == TOK_NO_MATCH) {
        syn_fail(p, ERR_SYNTAX, k, "a pattern fits text only: compare numbers with = != < <= > >=");
        return false;
    }
    set->negate = comp == TOK_NE;
    if (item(p, f, &one, false)) {
        if (one.n == 1)
            compare(set, comp, one.r[0].lo, one.r[0].hi);
        else
            for (uint32_t i = 0; i < one.n; i++)
                set_add(set, one.r[i].lo, one.r[i].hi, false);
        set->bad |= one.bad;
    }
    set_free(&one);
    set_done(set);
    return p->rc == ERR_OK;
}

static struct expr *make_range(struct syntax *p, const struct value_alts *v, const void *what)
{
    return range_leaf(p, v, what);
}

static struct expr *number_term(struct syntax *p, const struct field *f, const struct sides *s)
{
    struct set set = { 0 };
    struct leaf_maker m = { make_range, &set };
    struct expr *x = NULL;
    unsigned shift = f->type == FIELD_DSCP ? 2 : f->type == FIELD_MPLS_LABEL ? 4 : 0;

    if (numbers(p, f, &set)) {
        for (uint32_t i = 0; i < set.n && shift > 0; i++) {
            set.r[i].lo = MIN(set.r[i].lo, f->max + 1) << shift;
            set.r[i].hi = MIN(set.r[i].hi, f->max) << shift | ((1u << shift) - 1);
            if (set.r[i].lo > set.r[i].hi)
                set.n = i; /* ranges are sorted: the rest lies beyond too */
        }
        x = sided(p, f, s, set.negate, &m);
    }
    set_free(&set);
    return x;
}

/* The experimental bits are bits 1..3 of a label's three octets (RFC 3032 section 2.1). */
static struct expr *mpls_exp(struct syntax *p, const struct field *f)
{
    struct set set = { 0 };
    struct expr *x = NULL;

    if (numbers(p, f, &set) && (x = expr_new(EXPR_OR)) == NULL)
        (void)oom(p);
    for (uint64_t n = 0; x != NULL && n < 8; n++)
        for (uint32_t i = 0; i < set.n; i++) {
            struct expr *m;
            if (n < set.r[i].lo || n > set.r[i].hi)
                continue;
            if ((m = expr_new(EXPR_MASK)) != NULL) {
                m->value = f->v[0];
                m->mask = 7 << 1;
                m->want = n << 1;
            }
            if (!expr_add(x, m)) {
                expr_free(x);
                x = oom(p);
                break;
            }
        }
    if (x != NULL && x->n_kids == 0) {
        expr_free(x);
        x = constant(p, false);
    } else if (x != NULL && x->n_kids == 1) {
        struct expr *only = x->kid[0];
        x->n_kids = 0;
        expr_free(x);
        x = only;
    }
    if (set.negate)
        x = not_of(p, x);
    set_free(&set);
    return x;
}

/* The label at the bottom of the stack: the first one whose S bit is set. */
static struct expr *mpls_eos(struct syntax *p, const struct field *f)
{
    struct set set = { 0 };
    struct expr *x = NULL;
    bool ok = numbers(p, f, &set);

    if (ok && (x = expr_new(EXPR_OR)) == NULL)
        (void)oom(p);
    for (uint32_t i = 0; x != NULL && i < set.n; i++) {
        set.r[i].lo = MIN(set.r[i].lo, f->max + 1) << 4;
        set.r[i].hi = MIN(set.r[i].hi, f->max) << 4 | 15;
        if (set.r[i].lo > set.r[i].hi)
            set.n = i;
    }
    for (uint16_t i = 0; x != NULL && i < 10; i++) {
        struct value_alts v = {
            .v = { { .kind = VALUE_ELEM, .id = (uint16_t)(70 + i), .occurrence = 1 } }, .n = 1
        };
        struct expr *bottom = expr_new(EXPR_MASK);
        if (bottom != NULL) {
            bottom->value = v;
            bottom->mask = bottom->want = 1;
        }
        if (!expr_add(x, pair(p, EXPR_AND, bottom, range_leaf(p, &v, &set)))) {
            expr_free(x);
            x = p->rc == ERR_OK ? oom(p) : NULL;
        }
    }
    if (set.negate)
        x = not_of(p, x);
    set_free(&set);
    return x;
}

/* ---- addresses ---- */

struct nets {
    struct net_item *n; /* owned */
    uint32_t count;
    bool bad;
};

static void nets_add(struct nets *s, struct net n, bool out)
{
    if (s->bad)
        return;
    for (uint32_t i = 0; i < s->count; i++)
        if (s->n[i].n.len == n.len && addr_cmp(&s->n[i].n.a, &n.a) == 0 && s->count < 1000) {
            s->n[i].out = s->n[i].out && out;
            return;
        }
    if ((s->count & (s->count + 1)) == 0) {
        struct net_item *more = realloc(s->n, sizeof *more * ((size_t)s->count * 2 + 1));
        if (more == NULL) {
            s->bad = true;
            return;
        }
        s->n = more;
    }
    s->n[s->count++] = (struct net_item){ .n = n, .out = out };
}

static int net_order(const void *a, const void *b)
{
    const struct net_item *x = a, *y = b;

    return x->n.len != y->n.len ? (int)y->n.len - (int)x->n.len : addr_cmp(&x->n.a, &y->n.a);
}

/* ::/0 means IPv6: what is mapped from IPv4 is taken out of networks that would hold it. */
static void nets_done(struct nets *s)
{
    const struct addr zero = addr_from_v4(0);
    const struct net mapped = { .a = addr_mask(&zero, 96), .len = 96 };
    bool only_out = s->count > 0, wide = false;

    for (uint32_t i = 0; i < s->count; i++) {
        only_out = only_out && s->n[i].out;
        wide = wide || (s->n[i].n.len < 96 && net_has(&s->n[i].n, &mapped.a));
    }
    if (only_out) { /* only exceptions: all others */
        nets_add(s, (struct net){ .len = 0 }, false);
        nets_add(s, mapped, false);
    } else if (wide)
        nets_add(s, mapped, true);
    if (s->count > 0)
        qsort(s->n, s->count, sizeof *s->n, net_order);
}

static struct expr *make_net(struct syntax *p, const struct value_alts *v, const void *what)
{
    const struct nets *s = what;
    struct expr *x = expr_new(EXPR_NET);

    if (x == NULL || s->bad || (x->net = malloc((s->count + 1u) * sizeof *x->net)) == NULL) {
        expr_free(x);
        return oom(p);
    }
    x->value = *v;
    memcpy(x->net, s->n, s->count * sizeof *x->net);
    x->n_nets = s->count;
    return x;
}

/* A..B of addresses as the fewest networks. */
static bool net_range(struct syntax *p, struct nets *s, const struct token *k, struct addr lo,
                      const struct addr *hi, bool out)
{
    for (unsigned n = 0; n < MAX_NETS_OF_RANGE; n++) {
        unsigned len = 128;
        struct addr end = lo;
        struct net net;
        while (len > 0) { /* widen while the network begins at lo and ends at or before hi */
            struct addr base = addr_mask(&lo, len - 1), last = lo;
            unsigned bit = len - 1;
            for (unsigned b = bit; b < 128; b++)
                last.b[b / 8] |= (uint8_t)(0x80u >> b % 8);
            if (addr_cmp(&base, &lo) != 0 || addr_cmp(&last, hi) > 0)
                break;
            len = bit;
            end = last;
        }
        net = (struct net){ .a = lo, .len = (uint8_t)len };
        nets_add(s, net, out);
        if (addr_cmp(&end, hi) >= 0)
            return true;
        lo = end;
        for (size_t i = 16; i-- > 0 && ++lo.b[i] == 0;)
            ;
    }
    syn_fail(p, ERR_LIMIT, k, "this range is more than %u networks", MAX_NETS_OF_RANGE);
    return false;
}

static bool netmask(const struct token *k, const char *s, uint8_t *len)
{
    struct addr m;
    uint32_t v;

    if (k->type != TOK_WORD || !addr_parse(&m, s, k->len) || !addr_is_v4(&m))
        return false;
    v = addr_v4(&m);
    *len = 0;
    while (v >> 31) {
        v <<= 1;
        (*len)++;
    }
    return v == 0;
}

static bool net_value(struct syntax *p, struct nets *s, bool out)
{
    const struct token *k = syn_tok(p);
    const char *t = syn_text(p, k), *dots = NULL;
    struct net n;
    struct addr a, b;
    uint8_t len;

    if (k->type != TOK_WORD && k->type != TOK_TEXT) {
        syn_fail(p, ERR_SYNTAX, k, "an address or network is expected here%s",
                 k->type == TOK_END ? ", the text ends" : "");
        return false;
    }
    for (uint32_t i = 0; dots == NULL && i + 1 < k->len; i++)
        if (t[i] == '.' && t[i + 1] == '.')
            dots = t + i;
    if (dots != NULL && addr_parse(&a, t, (size_t)(dots - t)) &&
        addr_parse(&b, dots + 2, k->len - (size_t)(dots - t) - 2)) {
        if (addr_cmp(&a, &b) > 0) {
            syn_fail(p, ERR_SYNTAX, k, "this range is empty: the smaller end comes first");
            return false;
        }
        p->at++;
        return net_range(p, s, k, a, &b, out);
    }
    if (k->len < 64 && net_parse(&n, t, k->len, NULL)) {
        p->at++;
        if (n.len == 128 && netmask(syn_tok(p), syn_text(p, syn_tok(p)), &len)) {
            n.len = (uint8_t)(96 + len);
            n.a = addr_mask(&n.a, n.len);
            p->at++;
        } else if (n.len == 128 && syn_is(p, "mask") &&
                   netmask(syn_ahead(p, 1), syn_text(p, syn_ahead(p, 1)), &len)) {
            n.len = (uint8_t)(96 + len);
            n.a = addr_mask(&n.a, n.len);
            p->at += 2;
        }
        nets_add(s, n, out);
        return true;
    }
    if (strspn(t, "0123456789.:/abcdefABCDEF") >= k->len && strpbrk(t, ".:/") != NULL &&
        strpbrk(t, ".:/") < t + k->len)
        syn_fail(p, ERR_SYNTAX, k, "not an address or network: 10.1.2.3, 10.1/16, 2001:db8::/32");
    else
        syn_fail(p, ERR_UNSUPPORTED, k,
                 "not yet: names of hosts and exporters; an address or network is expected");
    return false;
}

static struct expr *addr_term(struct syntax *p, const struct field *f, const struct sides *s)
{
    struct nets nets = { 0 };
    struct leaf_maker m = { make_net, &nets };
    struct expr *x = NULL;
    const struct token *k = syn_tok(p);
    bool negate = false;

    if (syn_word(p, "in") || k->type == TOK_LIST) {
        size_t from;
        if (!list_begins(p))
            return NULL;
        from = p->at;
        while (list_goes_on(p))
            (void)net_value(p, &nets, syn_type(p, TOK_NOT));
        (void)list_ends(p, from);
    } else {
        uint8_t comp = comparison(p);
        negate = comp == TOK_NE;
        if (comp == TOK_MATCH || comp == TOK_NO_MATCH)
            syn_fail(p, ERR_UNSUPPORTED, k, "not yet: names; a pattern fits text only");
        else if (comp != TOK_END && comp != TOK_EQ && comp != TOK_NE)
            syn_fail(p, ERR_SYNTAX, k, "addresses are compared with = and !=, networks, or A..B");
        else
            (void)net_value(p, &nets, false);
    }
    if (p->rc == ERR_OK) {
        nets_done(&nets);
        x = sided(p, f, s, negate, &m);
    }
    free(nets.n);
    return x;
}

/* ---- TCP flags ---- */

static bool flag_letters(const char *s, size_t len, uint64_t *out)
{
    static const char letters[] = "FSRPAUEC";

    *out = 0;
    for (size_t i = 0; i < len; i++) {
        char c = s[i] >= 'a' && s[i] <= 'z' ? (char)(s[i] - 'a' + 'A') : s[i];
        const char *at = strchr(letters, c);
        if (c == 'X')
            *out |= 0x3f;
        else if (c == '\0' || at == NULL)
            return false;
        else
            *out |= 1u << (at - letters);
    }
    return len > 0;
}

struct mask {
    uint64_t mask, want;
    bool any;
};

static struct expr *make_mask(struct syntax *p, const struct value_alts *v, const void *what)
{
    const struct mask *m = what;
    struct expr *x = expr_new(EXPR_MASK);

    if (x == NULL)
        return oom(p);
    x->value = *v;
    x->mask = m->mask;
    x->want = m->want;
    x->mask_any = m->any;
    return x;
}

static struct expr *flags_term(struct syntax *p, const struct field *f, const struct sides *s)
{
    size_t from = p->at;
    uint8_t comp = syn_is(p, "in") ? TOK_END : comparison(p);
    const struct token *k;
    const char *t, *slash;
    struct mask m = { .any = comp == TOK_END && syn_word(p, "any") };
    struct leaf_maker maker = { make_mask, &m };

    k = syn_tok(p);
    t = syn_text(p, k);
    if (!m.any && (k->type == TOK_LIST || syn_is(p, "in") ||
                   (k->type == TOK_WORD && t[0] >= '0' && t[0] <= '9'))) {
        p->at = from;
        return number_term(p, f, s);
    }
    slash = k->type == TOK_WORD ? memchr(t, '/', k->len) : NULL;
    if (k->type == TOK_WORD && slash != NULL && comp == TOK_END && !m.any &&
        flag_letters(slash + 1, k->len - (size_t)(slash - t) - 1, &m.mask) &&
        (slash == t + 1 && *t == '0' ? true : flag_letters(t, (size_t)(slash - t), &m.want))) {
        if ((m.want & ~m.mask) != 0) {
            syn_fail(p, ERR_SYNTAX, k, "the flags before the slash must be among those behind it");
            return NULL;
        }
    } else if (k->type == TOK_WORD && slash == NULL && flag_letters(t, k->len, &m.want) &&
               (comp == TOK_END || comp == TOK_EQ || comp == TOK_NE)) {
        m.mask = comp == TOK_END ? m.want : 0xff;
    } else {
        syn_fail(
            p, ERR_SYNTAX, k,
            "flags are letters of FSRPAUEC (X = FSRPAU), as in S, SA, S/SA, any RF, or a number");
        return NULL;
    }
    p->at++;
    return sided(p, f, s, comp == TOK_NE, &maker);
}

/* ---- MAC ---- */

static bool mac_parse(const char *s, size_t len, uint64_t *out)
{
    size_t n = 0;

    *out = 0;
    for (size_t i = 0; i < len; i++) {
        char c = s[i];
        unsigned d = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                     : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
                     : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A' + 10)
                                            : 16;
        if (d > 15 && c != ':' && c != '-' && c != '.')
            return false;
        if (d > 15)
            continue;
        *out = *out << 4 | d;
        n++;
    }
    return n == 12 && len <= 17;
}

static struct expr *mac_term(struct syntax *p, const struct field *f, const struct sides *s)
{
    struct set set = { 0 };
    struct leaf_maker m = { make_range, &set };
    struct expr *x = NULL;
    bool list = syn_word(p, "in");
    size_t from;

    if (list) {
        if (!list_begins(p))
            return NULL;
    } else {
        uint8_t comp = comparison(p);
        set.negate = comp == TOK_NE;
        if (comp != TOK_END && comp != TOK_EQ && comp != TOK_NE)
            syn_fail(p, ERR_SYNTAX, syn_tok(p), "MAC addresses are compared with = and !=");
    }
    from = p->at;
    while (p->rc == ERR_OK && (list ? list_goes_on(p) : p->at == from)) {
        bool out = list && syn_type(p, TOK_NOT);
        const struct token *k = syn_tok(p);
        uint64_t mac;
        if (k->type != TOK_WORD || !mac_parse(syn_text(p, k), k->len, &mac)) {
            syn_fail(p, ERR_SYNTAX, k, "a MAC address is expected: 00:11:22:33:44:55");
            break;
        }
        set_add(&set, mac, mac, out);
        p->at++;
    }
    if (p->rc == ERR_OK && (!list || list_ends(p, from))) {
        set_done(&set);
        x = sided(p, f, s, set.negate, &m);
    }
    set_free(&set);
    return x;
}

/* ---- text ---- */

/* The content of a text token, escapes resolved; owned by the caller. */
static char *text_of(struct syntax *p, const struct token *k, size_t *len)
{
    const char *s = syn_text(p, k);
    char *out = malloc(k->len + 1u);

    *len = 0;
    if (out == NULL) {
        (void)oom(p);
        return NULL;
    }
    for (uint32_t i = 0; i < k->len; i++) {
        if (k->type == TOK_TEXT && s[i] == '\\' && i + 1 < k->len &&
            strchr("\\\"'", s[i + 1]) != NULL)
            i++;
        out[(*len)++] = s[i];
    }
    out[*len] = '\0';
    return out;
}

struct text {
    enum expr_op op;
    char *s;
    size_t len;
    uint32_t options; /* PCRE2 */
    const struct token *k;
};

static struct expr *make_text(struct syntax *p, const struct value_alts *v, const void *what)
{
    const struct text *t = what;
    struct expr *x = expr_new(t->op);
    int code;
    PCRE2_SIZE at;
    PCRE2_UCHAR why[120];

    if (x == NULL || (x->pattern = malloc(t->len + 1)) == NULL)
        goto memory;
    x->value = *v;
    memcpy(x->pattern, t->s, t->len + 1);
    x->pattern_len = t->len;
    if (t->op == EXPR_TEXT) {
        if ((x->text = calloc(1, sizeof *x->text)) == NULL)
            goto memory;
        x->text[x->n_texts++] = x->pattern;
        x->pattern = NULL;
        x->pattern_len = 0;
    }
    if (t->op == EXPR_REGEX) {
        x->mask = (t->options & PCRE2_CASELESS) != 0;
        x->regex = pcre2_compile((PCRE2_SPTR)t->s, t->len, t->options | PCRE2_NEVER_BACKSLASH_C,
                                 &code, &at, NULL);
        if (x->regex == NULL) {
            (void)pcre2_get_error_message(code, why, sizeof why);
            struct token k = { .pos = t->k->pos + (uint32_t)MIN(at, t->k->len), .len = 1 };
            syn_fail(p, ERR_SYNTAX, &k, "in this pattern: %s", (const char *)why);
            expr_free(x);
            return NULL;
        }
    }
    return x;
memory:
    expr_free(x);
    return oom(p);
}

static bool regex_flags(struct syntax *p, uint32_t *options)
{
    const struct token *k = syn_tok(p);
    const char *s = syn_text(p, k);

    *options = 0;
    if (k->type != TOK_WORD || !(k->glued || k->len == 1) || strspn(s, "ims") < k->len)
        return true;
    for (uint32_t i = 0; i < k->len; i++)
        *options |= s[i] == 'i' ? PCRE2_CASELESS : s[i] == 'm' ? PCRE2_MULTILINE : PCRE2_DOTALL;
    p->at++;
    return true;
}

/* op: what a plain comparison means for this text */
static struct expr *text_term(struct syntax *p, const struct field *f, const struct sides *s,
                              enum expr_op op)
{
    uint8_t comp = comparison(p);
    struct text t = { .op = comp == TOK_MATCH || comp == TOK_NO_MATCH ? EXPR_REGEX : op,
                      .k = syn_tok(p) };
    struct leaf_maker m = { make_text, &t };
    struct expr *x = NULL;

    if (t.op == EXPR_REGEX ? t.k->type != TOK_REGEX && t.k->type != TOK_TEXT
                           : t.k->type != TOK_TEXT && t.k->type != TOK_WORD) {
        syn_fail(p, ERR_SYNTAX, t.k,
                 t.op == EXPR_REGEX ? "a pattern is expected: /text/ or /text/i"
                                    : "a text in quotes is expected");
        return NULL;
    }
    p->at++;
    if (t.op == EXPR_REGEX && !regex_flags(p, &t.options))
        return NULL;
    if ((t.s = text_of(p, t.k, &t.len)) != NULL)
        x = sided(p, f, s, comp == TOK_NE || comp == TOK_NO_MATCH, &m);
    free(t.s);
    return x;
}

/* ---- elements by name ---- */

static struct expr *ie_term(struct syntax *p)
{
    struct field f = { .words = "ie", .type = FIELD_NUM, .axis = AXIS_NONE, .max = UINT64_MAX };
    struct sides s = { 0 };
    const struct elem *el;
    uint8_t type;

    f.v[0].n = 1;
    if (!syn_ie(p, &f.v[0].v[0]))
        return NULL;
    el = elem_find(f.v[0].v[0].pen, f.v[0].v[0].id);
    type = syn_tok(p)->type;
    if (el != NULL && el->type == ELEM_STRING)
        return text_term(p, &f, &s, EXPR_TEXT);
    if (type == TOK_MATCH || type == TOK_NO_MATCH ||
        syn_ahead(p, type >= TOK_EQ && type <= TOK_GE)->type == TOK_TEXT)
        return text_term(p, &f, &s, EXPR_TEXT);
    if (el != NULL && (el->type == ELEM_IPV4_ADDRESS || el->type == ELEM_IPV6_ADDRESS))
        return addr_term(p, &f, &s);
    if (el != NULL && el->type == ELEM_MAC_ADDRESS)
        return mac_term(p, &f, &s);
    return number_term(p, &f, &s);
}

static struct expr *at_term(struct syntax *p, const struct field *f)
{
    struct set set = { 0 };
    struct expr *x = NULL;
    const struct token *k = syn_tok(p);

    if (item(p, f, &set, false) && !set.bad) {
        if ((x = expr_new(EXPR_OVERLAP)) == NULL)
            (void)oom(p);
        else {
            x->lo_ms = (int64_t)set.r[0].lo;
            x->hi_ms = (int64_t)set.r[0].hi;
            if (k->len == 10 && memchr(syn_text(p, k), ':', 10) == NULL) /* a date: the whole day */
                x->hi_ms += 86400000 - 1;
        }
    }
    set_free(&set);
    return x;
}

static struct expr *make_exists(struct syntax *p, const struct value_alts *v, const void *what)
{
    struct expr *x = expr_new(EXPR_EXISTS);

    (void)what;
    if (x == NULL)
        return oom(p);
    x->value = *v;
    return x;
}

/* [side] field behind exists or absent */
static struct expr *exists_term(struct syntax *p, bool absent)
{
    struct sides s;
    struct leaf_maker m = { make_exists, NULL };
    struct field ie = { .words = "ie", .type = FIELD_NUM, .axis = AXIS_NONE };
    const struct field *f = NULL;

    if (syn_sides(p, &s))
        f = syn_field(p);
    if (f == NULL) {
        syn_fail(p, ERR_SYNTAX, syn_tok(p),
                 "a field is expected behind %s: vlan, next ip, ie(ipTTL)",
                 absent ? "absent" : "exists");
        return NULL;
    }
    if (f->type == FIELD_IE) {
        ie.v[0].n = 1;
        if (!syn_ie(p, &ie.v[0].v[0]))
            return NULL;
        f = &ie;
    } else if (f->type == FIELD_FLAGS || f->type == FIELD_ICMP) {
        ie.v[0] = f->v[0];
        f = &ie;
    }
    return sided(p, f, &s, absent, &m);
}

/* "port in pblock": the port lies between start and end of the block. The columns of two values
 * cannot be compared in one leaf, so it is refused by name. */
static bool pblock(struct syntax *p)
{
    if (!syn_is(p, "in") || !syn_is_at(p, 1, "pblock"))
        return false;
    p->at++;
    syn_fail(p, ERR_UNSUPPORTED, syn_tok(p), "not yet: port in pblock");
    return true;
}

static struct expr *field_term(struct syntax *p, const struct field *f, const struct sides *s)
{
    switch ((enum field_type)f->type) {
    case FIELD_ADDR:
    case FIELD_NET:
    case FIELD_EXPORTER:
        return addr_term(p, f, s);
    case FIELD_FLAGS:
        return flags_term(p, f, s);
    case FIELD_MAC:
        return mac_term(p, f, s);
    case FIELD_MPLS_EXP:
        return mpls_exp(p, f);
    case FIELD_MPLS_EOS:
        return mpls_eos(p, f);
    case FIELD_PAYLOAD:
        return text_term(p, f, s, EXPR_OCTETS);
    case FIELD_PAYLOAD_REGEX:
        return text_term(p, f, s, EXPR_REGEX);
    case FIELD_IE:
        return ie_term(p);
    case FIELD_AT:
        return at_term(p, f);
    case FIELD_PORT:
        return pblock(p) ? NULL : number_term(p, f, s);
    case FIELD_NUM:
    case FIELD_PROTO:
    case FIELD_VOLUME:
    case FIELD_BITS:
    case FIELD_DURATION:
    case FIELD_TOS:
    case FIELD_DSCP:
    case FIELD_MPLS_LABEL:
    case FIELD_ICMP:
    case FIELD_DIR:
    case FIELD_FWD:
    case FIELD_ASA_EVENT:
    case FIELD_ASA_DENIED:
    case FIELD_NAT_EVENT:
    case FIELD_TIME:
    case FIELD_HOUR:
    case FIELD_WEEKDAY:
    case FIELD_VERSION:
        return number_term(p, f, s);
    case FIELD_LATER:
    case FIELD_REFUSED:
        break;
    }
    return NULL;
}

/* ---- sides and bare words ---- */

bool syn_sides(struct syntax *p, struct sides *s)
{
    static const struct {
        const char *word;
        uint8_t side;
    } sides[] = { { "src", SIDE_SRC },       { "dst", SIDE_DST },   { "client", SIDE_CLIENT },
                  { "server", SIDE_SERVER }, { "both", SIDE_BOTH }, { "either", SIDE_NONE } };

    *s = (struct sides){ .from = p->at };
    for (;;) {
        size_t at = p->at, i = 0;
        const struct field *f = syn_field(p);
        if (f != NULL || p->rc != ERR_OK) { /* "client latency" is a field, not a side */
            p->at = at;
            return p->rc == ERR_OK;
        }
        if (syn_word(p, "raw")) {
            s->raw = true;
            continue;
        }
        if ((s->io == IO_NONE) && (syn_is(p, "in") || syn_is(p, "out"))) {
            s->io = syn_word(p, "in") ? IO_IN : IO_OUT;
            if (s->io == IO_OUT)
                p->at++;
            continue;
        }
        while (i < ARRAY_LEN(sides) && !syn_is(p, sides[i].word))
            i++;
        if (i == ARRAY_LEN(sides))
            return true;
        if (s->side != SIDE_NONE || s->either) {
            syn_fail(p, ERR_SYNTAX, syn_tok(p),
                     "one side is enough: \"src or dst\", \"src and dst\" or both name two");
            return false;
        }
        p->at++;
        s->side = sides[i].side;
        s->either = sides[i].side == SIDE_NONE;
        bool other = (s->side == SIDE_SRC && syn_is_at(p, 1, "dst")) ||
                     (s->side == SIDE_DST && syn_is_at(p, 1, "src"));
        if (other && (syn_is(p, "or") || syn_tok(p)->type == TOK_OR)) {
            *s = (struct sides){ .from = s->from, .either = true, .io = s->io, .raw = s->raw };
            p->at += 2;
        } else if (other && (syn_is(p, "and") || syn_tok(p)->type == TOK_AND)) {
            s->side = SIDE_BOTH;
            p->at += 2;
        }
    }
}

static const struct field *field_by_type(enum field_type type)
{
    for (size_t i = 0; i < field_count; i++)
        if (field_table[i].type == type)
            return &field_table[i];
    return NULL;
}

/* ADDRESS:PORT or [V6]:PORT as one side's address and port. */
static struct expr *endpoint(struct syntax *p, const struct token *k, const char *ip, size_t ip_len,
                             const char *port, size_t port_len, const struct sides *s)
{
    struct nets nets = { 0 };
    struct net n = { .len = 128 };
    struct set set = { 0 };
    struct leaf_maker ma = { make_net, &nets }, mp = { make_range, &set };
    const struct field *fa = field_by_type(FIELD_ADDR), *fp = NULL;
    uint64_t number;
    struct expr *x = NULL;

    for (size_t i = 0; fp == NULL; i++)
        if (strcmp(field_table[i].words, "port") == 0)
            fp = &field_table[i];
    if (!addr_parse(&n.a, ip, ip_len) || number_parse(&number, port, port_len, -1) != NULL ||
        number > 65535) {
        syn_fail(p, ERR_SYNTAX, k, "ADDRESS:PORT is expected: 10.1.2.3:443 or [2001:db8::1]:443");
        return NULL;
    }
    nets_add(&nets, n, false);
    set_add(&set, number, number, false);
    for (unsigned i = 0; i < 2 && p->rc == ERR_OK; i++) {
        struct sides one = { .side = i == 0 ? SIDE_SRC : SIDE_DST, .from = s->from };
        if (s->side == SIDE_CLIENT || s->side == SIDE_SERVER)
            one.side = s->side;
        else if ((s->side == SIDE_SRC && i == 1) || (s->side == SIDE_DST && i == 0))
            continue;
        struct expr *here =
            pair(p, EXPR_AND, sided(p, fa, &one, false, &ma), sided(p, fp, &one, false, &mp));
        x = x == NULL ? here : pair(p, s->side == SIDE_BOTH ? EXPR_AND : EXPR_OR, x, here);
        if (one.side != SIDE_SRC)
            break;
    }
    free(nets.n);
    set_free(&set);
    return x;
}

static struct expr *bare_address(struct syntax *p, const struct sides *s)
{
    const struct token *k = syn_tok(p);
    const char *t = syn_text(p, k), *colon;
    struct net n;

    if (k->type == TOK_LIST && syn_ahead(p, 2)->type == TOK_LIST_END && syn_ahead(p, 3)->glued &&
        syn_ahead(p, 3)->type == TOK_WORD && syn_text(p, syn_ahead(p, 3))[0] == ':') {
        const struct token *ip = syn_ahead(p, 1), *port = syn_ahead(p, 3);
        p->at += 4;
        return endpoint(p, k, syn_text(p, ip), ip->len, syn_text(p, port) + 1, port->len - 1, s);
    }
    if (k->type != TOK_WORD || k->len > 90)
        return NULL;
    if (net_parse(&n, t, k->len, NULL) || strspn(t, "0123456789./") >= k->len)
        return memchr(t, '.', k->len) != NULL || memchr(t, ':', k->len) != NULL ||
                       memchr(t, '/', k->len) != NULL
                   ? addr_term(p, field_by_type(FIELD_ADDR), s)
                   : NULL;
    for (colon = t + k->len - 1; colon > t && *colon != ':'; colon--)
        ;
    if (colon > t && memchr(t, '.', k->len) != NULL && strspn(t, "0123456789.:") >= k->len) {
        p->at++;
        return endpoint(p, k, t, (size_t)(colon - t), colon + 1, k->len - (size_t)(colon - t) - 1,
                        s);
    }
    return NULL;
}

static struct expr *bare(struct syntax *p, const struct sides *s)
{
    static const struct value_alts proto = { .v = { { .kind = VALUE_COL, .col = COL_PROTO } },
                                             .n = 1 };
    static const struct value_alts version = {
        .v = { { .kind = VALUE_CALC, .calc = CALC_IP_VERSION } }, .n = 1
    };
    const struct token *k = syn_tok(p);
    const char *t = syn_text(p, k);
    const struct word_number *w;
    struct expr *x = bare_address(p, s);
    uint64_t as;

    if (x != NULL || p->rc != ERR_OK || k->type != TOK_WORD)
        return x;
    if (k->len > 2 && strncasecmp(t, "as", 2) == 0 &&
        number_parse(&as, t + 2, k->len - 2, -1) == NULL &&
        strspn(t + 2, "0123456789") >= k->len - 2 && as <= UINT32_MAX) {
        static const struct field f = {
            .words = "as",
            .type = FIELD_NUM,
            .axis = AXIS_SIDE,
            .max = UINT32_MAX,
            .v = { { .v = { { .kind = VALUE_COL, .col = COL_SRC_AS } }, .n = 1 },
                   { .v = { { .kind = VALUE_COL, .col = COL_DST_AS } }, .n = 1 } }
        };
        struct num_range r = { as, as };
        struct set set = { .r = &r, .n = 1 };
        struct leaf_maker m = { make_range, &set };
        p->at++;
        return sided(p, &f, s, false, &m);
    }
    if (s->side != SIDE_NONE || s->either || s->io != IO_NONE)
        return NULL;
    if (syn_word(p, "inet") || syn_word(p, "ipv4") || syn_word(p, "ip4"))
        return range1(p, &version, 4, 4);
    if (syn_word(p, "inet6") || syn_word(p, "ipv6") || syn_word(p, "ip6"))
        return range1(p, &version, 6, 6);
    if ((w = word_find(words_proto, words_proto_n, t, k->len)) == NULL)
        return NULL;
    p->at++;
    return range1(p, &proto, w->lo, w->hi);
}

static struct expr *unknown(struct syntax *p)
{
    const struct token *k = syn_tok(p);
    struct nearest near = { .s = syn_text(p, k), .len = k->len };

    if (p->rc != ERR_OK)
        return NULL;
    if (k->type == TOK_END)
        syn_fail(p, ERR_SYNTAX, k,
                 "the text ends, but a term is expected: host 10.1.2.3, port 443, bytes > 1M");
    else if (k->type != TOK_WORD)
        syn_fail(p, ERR_SYNTAX, k, "a term is expected here: host 10.1.2.3, port 443, bytes > 1M");
    else {
        nearest_term(&near);
        if (p->at >= 2 && k->len > 0 && strspn(syn_text(p, k), "0123456789") >= k->len)
            syn_fail(p, ERR_SYNTAX, k,
                     "a number alone is no term; several values stand in a list: port in [22 23]");
        else if (near.word[0] != '\0')
            syn_fail(p, ERR_SYNTAX, k, "no such word; did you mean %s?", near.word);
        else
            syn_fail(p, ERR_SYNTAX, k,
                     "no such word; a term is expected: host 10.1.2.3, port 443, bytes > 1M");
    }
    return NULL;
}

struct expr *syn_term(struct syntax *p, const struct sides *outer)
{
    struct sides s;
    const struct field *f;
    struct expr *x;

    if (++p->nodes > SYNTAX_MAX_NODES) {
        syn_fail(p, ERR_LIMIT, syn_tok(p), "more than %u terms", SYNTAX_MAX_NODES);
        return NULL;
    }
    if (syn_word(p, "any"))
        return constant(p, true);
    if (syn_word(p, "none"))
        return constant(p, false);
    if (syn_word(p, "exists"))
        return exists_term(p, false);
    if (syn_word(p, "absent"))
        return exists_term(p, true);
    if (!syn_sides(p, &s))
        return NULL;
    bool own = s.side != SIDE_NONE || s.either || s.io != IO_NONE;
    if (own && outer != NULL) {
        syn_fail(p, ERR_SYNTAX, &p->t.tok[s.from], "there is a side before the bracket already");
        return NULL;
    }
    if (!own && outer != NULL)
        s = (struct sides){ .side = outer->side,
                            .either = outer->either,
                            .io = outer->io,
                            .raw = s.raw,
                            .from = outer->from };
    f = syn_field(p);
    if (p->rc != ERR_OK)
        return NULL;
    if (f == NULL) {
        x = bare(p, &s);
        return x != NULL ? x : unknown(p);
    }
    if (s.io == IO_IN && (f->type == FIELD_ADDR || f->type == FIELD_PORT) &&
        syn_tok(p)->type == TOK_LIST)
        s.io = IO_NONE; /* nfdump's "src in ip [...]" */
    return field_term(p, f, &s);
}
