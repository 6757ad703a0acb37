/* Terms on numbers: comparisons, ranges, lists, words that stand for numbers, MPLS labels. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "query/term.h"

uint8_t syn_comparison(struct syntax *p)
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
    else if (f->type == FIELD_SAMPLING)
        w = word_find(words_sampling, words_sampling_n, s, len);
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
    else if (f->type == FIELD_SESSION_STATE)
        w = word_find(words_state, ARRAY_LEN(words_state), s, len);
    else if (f->type == FIELD_NAT_EVENT)
        w = word_find(words_nat_event, ARRAY_LEN(words_nat_event), s, len);
    if (w != NULL) {
        *lo = w->lo;
        *hi = w->hi;
        return true;
    }
    if (f->type == FIELD_DURATION || f->type == FIELD_LATENCY) {
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
    if (f->type == FIELD_SESSION_STATE) {
        syn_fail(p, ERR_SYNTAX, &at,
                 "a state is expected: open, closed, refused, unanswered, syn-only");
        return false;
    }
    why = number_parse(lo, s, len,
                       f->type == FIELD_VOLUME || f->type == FIELD_SESSION ? 0
                       : f->type == FIELD_BITS                             ? 1
                                                                           : -1);
    if (why != NULL && f->type == FIELD_PORT && len > 0 && s[0] >= 'a' && s[0] <= 'z')
        syn_fail(p, ERR_UNSUPPORTED, &at, "names of services stand alone: service in [ssh https]");
    else if (why != NULL)
        syn_fail(p, ERR_SYNTAX, &at, "%s%s%s%s", why, near.word[0] != '\0' ? "; did you mean " : "",
                 near.word, near.word[0] != '\0' ? "?" : "");
    else if (*lo > f->max)
        syn_fail(p, ERR_SYNTAX, &at, "%.*s is 0 to %llu", (int)strcspn(what, "|"), what,
                 (unsigned long long)f->max);
    *hi = *lo;
    return p->rc == ERR_OK;
}

bool syn_item(struct syntax *p, const struct field *f, struct numset *set, bool out)
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
        numset_add(set, lo, hi, out);
        return true;
    }
    if (!number_of(p, f, k, s, (size_t)(dots - s), &lo, &hi2) ||
        !number_of(p, f, k, dots + 2, k->len - (size_t)(dots - s) - 2, &lo2, &hi))
        return false;
    if (lo > hi && (f->type == FIELD_HOUR || f->type == FIELD_WEEKDAY)) {
        numset_add(set, lo, f->max, out);
        numset_add(set, f->type == FIELD_WEEKDAY, hi, out);
        return true;
    }
    if (lo > hi) {
        syn_fail(p, ERR_SYNTAX, k, "this range is empty: the smaller end comes first");
        return false;
    }
    numset_add(set, lo, hi, out);
    return true;
}

bool syn_list_begins(struct syntax *p)
{
    const struct token *k = syn_tok(p);

    if (syn_type(p, TOK_LIST))
        return true;
    if (syn_is(p, "set"))
        syn_fail(p, ERR_UNSUPPORTED, k, "not yet: sets");
    else if (syn_is(p, "group"))
        syn_fail(p, ERR_SYNTAX, k, "groups hold addresses, AS numbers, ports, protocols and VLANs");
    else if (k->type == TOK_OPEN)
        syn_fail(p, ERR_UNSUPPORTED, k, "not yet: subqueries");
    else
        syn_fail(p, ERR_SYNTAX, k, "a list is expected: [80 443 8000..8999]");
    return false;
}

bool syn_list_goes_on(struct syntax *p)
{
    while (syn_type(p, TOK_COMMA))
        ;
    return syn_tok(p)->type != TOK_LIST_END && p->rc == ERR_OK;
}

bool syn_list_ends(struct syntax *p, size_t from)
{
    if (p->rc == ERR_OK && p->at == from)
        syn_fail(p, ERR_SYNTAX, syn_tok(p), "an empty list matches nothing: values are expected");
    if (p->rc == ERR_OK && !syn_type(p, TOK_LIST_END))
        syn_fail(p, ERR_SYNTAX, syn_tok(p), "\"]\" is expected");
    return p->rc == ERR_OK;
}

static void compare(struct numset *set, uint8_t comp, uint64_t lo, uint64_t hi)
{
    switch (comp) {
    case TOK_LT:
        if (lo > 0)
            numset_add(set, 0, lo - 1, false);
        break;
    case TOK_LE:
        numset_add(set, 0, hi, false);
        break;
    case TOK_GT:
        if (hi < UINT64_MAX)
            numset_add(set, hi + 1, UINT64_MAX, false);
        break;
    case TOK_GE:
        numset_add(set, lo, UINT64_MAX, false);
        break;
    default:
        numset_add(set, lo, hi, false);
        break;
    }
}

/* comp value | A..B | in [list], as a set of numbers */
static bool numbers(struct syntax *p, const struct field *f, struct numset *set)
{
    struct numset one = { 0 };
    const struct token *k = syn_tok(p);
    uint8_t comp;

    if (syn_word(p, "in") || k->type == TOK_LIST) {
        size_t from;
        if (syn_word(p, "group"))
            return syn_group_numbers(p, f, set);
        if (!syn_list_begins(p))
            return false;
        from = p->at;
        while (syn_list_goes_on(p))
            (void)syn_item(p, f, set, syn_type(p, TOK_NOT));
        if (!syn_list_ends(p, from))
            return false;
        numset_done(set);
        return true;
    }
    comp = syn_comparison(p);
    if (comp == TOK_MATCH || comp == TOK_NO_MATCH) {
        syn_fail(p, ERR_SYNTAX, k, "a pattern fits text only: compare numbers with = != < <= > >=");
        return false;
    }
    set->negate = comp == TOK_NE;
    if (syn_item(p, f, &one, false)) {
        if (one.n == 1)
            compare(set, comp, one.r[0].lo, one.r[0].hi);
        else
            for (uint32_t i = 0; i < one.n; i++)
                numset_add(set, one.r[i].lo, one.r[i].hi, false);
        set->bad |= one.bad;
    }
    numset_free(&one);
    numset_done(set);
    return p->rc == ERR_OK;
}

struct expr *leaf_range(struct syntax *p, const struct value_alts *v, const void *what)
{
    return tree_range(p, v, what);
}

struct expr *syn_number_term(struct syntax *p, const struct field *f, const struct sides *s)
{
    struct numset set = { 0 };
    struct leaf_maker m = { leaf_range, &set };
    struct expr *x = NULL;
    unsigned shift = f->type == FIELD_DSCP ? 2 : f->type == FIELD_MPLS_LABEL ? 4 : 0;

    if (numbers(p, f, &set)) {
        for (uint32_t i = 0; i < set.n && shift > 0; i++) {
            set.r[i].lo = MIN(set.r[i].lo, f->max + 1) << shift;
            set.r[i].hi = MIN(set.r[i].hi, f->max) << shift | ((1u << shift) - 1);
            if (set.r[i].lo > set.r[i].hi)
                set.n = i; /* ranges are sorted: the rest lies beyond too */
        }
        x = tree_sided(p, f, s, set.negate, &m);
    }
    numset_free(&set);
    return x;
}

/* Two letters, whatever word of the language they are. */
static bool country(struct syntax *p, struct numset *set, bool out)
{
    const struct token *k = syn_tok(p);
    const char *s = syn_text(p, k);
    bool letters = k->len == 2;

    for (uint32_t i = 0; letters && i < 2; i++)
        letters = (s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z');
    if (!letters) {
        syn_fail(p, ERR_SYNTAX, k, "a country is two letters of ISO 3166: DE, US");
        return false;
    }
    p->at++;
    numset_add(set, GEO_LETTERS(s[0] & ~32, s[1] & ~32), GEO_LETTERS(s[0] & ~32, s[1] & ~32), out);
    return true;
}

struct expr *syn_country_term(struct syntax *p, const struct field *f, const struct sides *s)
{
    struct numset set = { 0 };
    struct leaf_maker m = { leaf_range, &set };
    struct expr *x = NULL;
    bool not = syn_tok(p)->type == TOK_NE, ok;

    if (not || syn_tok(p)->type == TOK_EQ)
        p->at++;
    if (syn_is(p, "in") && (syn_ahead(p, 1)->type == TOK_LIST || syn_is_at(p, 1, "set") ||
                            syn_is_at(p, 1, "group") || syn_ahead(p, 1)->type == TOK_OPEN))
        p->at++;
    if (syn_is(p, "set") || syn_is(p, "group") || syn_tok(p)->type == TOK_OPEN ||
        syn_tok(p)->type == TOK_LIST) {
        size_t from;
        if (!syn_list_begins(p))
            return NULL;
        from = p->at;
        while (syn_list_goes_on(p) && country(p, &set, syn_type(p, TOK_NOT)))
            ;
        ok = syn_list_ends(p, from);
    } else {
        ok = country(p, &set, false);
    }
    numset_done(&set);
    if (ok)
        x = tree_sided(p, f, s, not, &m);
    numset_free(&set);
    return x;
}

/* tcpdump's words mean a range and a comparison that ours have another word for. */
struct expr *syn_tcpdump_term(struct syntax *p, const struct field *f, const struct sides *s)
{
    struct field plain = *f;
    struct numset set = { 0 };
    struct leaf_maker m = { leaf_range, &set };
    const struct token *k = syn_tok(p);
    const char *t = syn_text(p, k), *dash = k->type == TOK_WORD ? memchr(t, '-', k->len) : NULL;
    uint64_t lo = 0, hi = 0, unused;
    struct expr *x = NULL;

    plain.type = f->type == FIELD_PORTRANGE ? FIELD_PORT : FIELD_VOLUME;
    if (k->type != TOK_WORD || (f->type == FIELD_PORTRANGE && dash == NULL)) {
        syn_fail(p, ERR_SYNTAX, k,
                 f->type == FIELD_PORTRANGE ? "two ports are expected: 6000-6063"
                                            : "a number of octets is expected");
        return NULL;
    }
    p->at++;
    if (f->type == FIELD_PORTRANGE) {
        if (!number_of(p, &plain, k, t, (size_t)(dash - t), &lo, &unused) ||
            !number_of(p, &plain, k, dash + 1, k->len - (size_t)(dash - t) - 1, &unused, &hi))
            return NULL;
        if (lo > hi) {
            syn_fail(p, ERR_SYNTAX, k, "this range is empty: the smaller end comes first");
            return NULL;
        }
    } else if (!number_of(p, &plain, k, t, k->len, &lo, &hi)) {
        return NULL;
    }
    numset_add(&set, f->type == FIELD_LESS ? 0 : lo, f->type == FIELD_GREATER ? UINT64_MAX : hi,
               false);
    x = tree_sided(p, &plain, s, false, &m);
    numset_free(&set);
    return x;
}

/* One bound of a latency sent as whole seconds and microseconds: at least (or at most) `ms`. */
static struct expr *latency_bound(struct syntax *p, uint16_t id, uint64_t ms, bool least)
{
    const struct value_alts sec = { .v = { { .kind = VALUE_ELEM, .id = id, .occurrence = 1 } },
                                    .n = 1 };
    struct value_alts usec = sec;
    uint64_t whole = ms / 1000, part = ms % 1000 * 1000;
    struct expr *beyond, *same;

    usec.v[0].id++;
    beyond = least        ? tree_range1(p, &sec, whole + 1, UINT64_MAX)
             : whole == 0 ? tree_constant(p, false)
                          : tree_range1(p, &sec, 0, whole - 1);
    same = tree_pair(p, EXPR_AND, tree_range1(p, &sec, whole, whole),
                     tree_range1(p, &usec, least ? part : 0, least ? UINT64_MAX : part + 999));
    return tree_pair(p, EXPR_OR, beyond, same);
}

static struct expr *latency_pair(struct syntax *p, uint16_t id, const struct numset *set)
{
    struct expr *x = expr_new(EXPR_OR);

    if (x == NULL)
        return tree_oom(p);
    for (uint32_t i = 0; i < set->n; i++) {
        struct expr *r = latency_bound(p, id, set->r[i].lo, true);
        if (set->r[i].hi != UINT64_MAX)
            r = tree_pair(p, EXPR_AND, r, latency_bound(p, id, set->r[i].hi, false));
        if (!expr_add(x, r)) {
            expr_free(x);
            return p->rc == ERR_OK ? tree_oom(p) : NULL;
        }
    }
    return x;
}

static struct expr *has_value(struct syntax *p, const struct value_alts *v)
{
    struct expr *x = expr_new(EXPR_EXISTS);

    if (x == NULL)
        return tree_oom(p);
    x->value = *v;
    return x;
}

/* nprobe sends a latency in ms, or (older) as two elements: seconds, microseconds. A record that
 * has the pair is asked by it. */
struct expr *syn_latency_term(struct syntax *p, const struct field *f)
{
    const uint16_t id = f->v[0].v[0].id == 57595 ? 57554 : 57556;
    const struct value_alts both = {
        .v = { { .kind = VALUE_ELEM, .id = id, .occurrence = 1 },
               { .kind = VALUE_ELEM, .id = (uint16_t)(id + 1), .occurrence = 1 } },
        .n = 2
    };
    struct numset set = { 0 };
    struct expr *x = NULL;

    if (numbers(p, f, &set)) {
        struct expr *one =
            tree_pair(p, EXPR_AND, tree_not(p, has_value(p, &both)), tree_range(p, &f->v[0], &set));
        struct expr *two = tree_pair(p, EXPR_AND, has_value(p, &both), latency_pair(p, id, &set));
        x = tree_pair(p, EXPR_OR, one, two);
        if (x != NULL)
            x->form = FORM_LATENCY;
        if (set.negate)
            x = tree_not(p, x);
    }
    numset_free(&set);
    return x;
}

/* The experimental bits are bits 1..3 of a label's three octets (RFC 3032 section 2.1). */
struct expr *syn_mpls_exp_term(struct syntax *p, const struct field *f)
{
    struct numset set = { 0 };
    struct expr *x = NULL;

    if (numbers(p, f, &set) && (x = expr_new(EXPR_OR)) == NULL)
        (void)tree_oom(p);
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
                x = tree_oom(p);
                break;
            }
        }
    if (x != NULL && x->n_kids == 0) {
        expr_free(x);
        x = tree_constant(p, false);
    } else if (x != NULL && x->n_kids == 1) {
        struct expr *only = x->kid[0];
        x->n_kids = 0;
        expr_free(x);
        x = only;
    }
    if (set.negate)
        x = tree_not(p, x);
    numset_free(&set);
    return x;
}

/* The label at the bottom of the stack: the first one whose S bit is set. */
struct expr *syn_mpls_eos_term(struct syntax *p, const struct field *f)
{
    struct numset set = { 0 };
    struct expr *x = NULL;
    bool ok = numbers(p, f, &set);

    if (ok && (x = expr_new(EXPR_OR)) == NULL)
        (void)tree_oom(p);
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
        if (!expr_add(x, tree_pair(p, EXPR_AND, bottom, tree_range(p, &v, &set)))) {
            expr_free(x);
            x = p->rc == ERR_OK ? tree_oom(p) : NULL;
        }
    }
    if (set.negate)
        x = tree_not(p, x);
    numset_free(&set);
    return x;
}
