/* Terms on what is defined but groups (group_term.c): names, inside and outside, directions, where
 * it was seen. They become tests on addresses and numbers, evaluated once for each distinct address
 * or interface. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "query/defined.h"

const struct value_alts defined_side_ip[2] = {
    { .v = { { .kind = VALUE_COL, .col = COL_SRC_IP } }, .n = 1 },
    { .v = { { .kind = VALUE_COL, .col = COL_DST_IP } }, .n = 1 }
};

struct value_alts defined_alts(enum def_value v)
{
    return (struct value_alts){ .v = { { .kind = VALUE_DEF, .calc = (uint8_t)v } }, .n = 1 };
}

/* ------------------------------------------------------------------ how it was written */

/* Words from token `from` to the one before the cursor, as they stand in the text. */
void defined_written(struct syntax *p, size_t from, struct buf *out)
{
    if (p->at <= from)
        return;
    const struct token *a = &p->t.tok[from], *b = &p->t.tok[p->at - 1];
    bool qa = a->type == TOK_TEXT || a->type == TOK_REGEX;
    bool qb = b->type == TOK_TEXT || b->type == TOK_REGEX;
    size_t lo = a->pos - (qa ? 1u : 0u), hi = b->pos + b->len + (qb ? 1u : 0u);

    buf_put(out, p->t.s + lo, hi - lo);
}

/* A tree that is printed as side and words. Takes x. */
struct expr *defined_named(struct syntax *p, struct expr *x, const char *side, const char *words)
{
    size_t n = strlen(side) + strlen(words);

    if (x == NULL)
        return NULL;
    free(x->pattern);
    if ((x->pattern = malloc(n + 1)) == NULL) {
        expr_free(x);
        return tree_oom(p);
    }
    (void)snprintf(x->pattern, n + 1, "%s%s", side, words);
    x->pattern_len = n;
    x->form = FORM_NAMED;
    return x;
}

/* ------------------------------------------------------------------ leaves */

struct expr *defined_map_leaf(struct syntax *p, const struct value_alts *v,
                              const struct addr_map *map, uint32_t want)
{
    struct expr *x = expr_new(EXPR_NET);

    if (x == NULL)
        return tree_oom(p);
    x->value = *v;
    x->map = map;
    x->want = want;
    if (v->v[0].kind == VALUE_COL)
        x->side = v->v[0].col == COL_SRC_IP ? 's' : v->v[0].col == COL_DST_IP ? 'd' : '\0';
    return x;
}

/* Exporters of a name or address, whichever observation domain they have. */
struct expr *defined_exporter_leaf(struct syntax *p, const char *s)
{
    static const struct value_alts addr = { .v = { { .kind = VALUE_EXPORTER } }, .n = 1 };
    static const struct value_alts dom = {
        .v = { { .kind = VALUE_CALC, .calc = CALC_EXPORTER_DOMAIN } }, .n = 1
    };
    size_t n = strcspn(s, "#"), len = strlen(s);
    struct netset nets = { 0 };
    struct net one = { .len = 128 };
    uint32_t w = defs_word_find(p->defs, s, len);
    struct value_alts name = defined_alts(DEF_EXPORTER_NAME);
    struct expr *x;

    if (!addr_parse(&one.a, s, n))
        return w != 0 ? tree_range1(p, &name, w, w) : tree_constant(p, false);
    netset_add(&nets, one, false);
    x = leaf_net(p, &addr, &nets);
    free(nets.n);
    if (s[n] == '#') {
        uint64_t d = strtoull(s + n + 1, NULL, 10);
        x = tree_pair(p, EXPR_AND, x, tree_range1(p, &dom, d, d));
    }
    return x;
}

/* The text of a name at the cursor, quoted or not; steps over it. NULL after an error. */
char *defined_name_text(struct syntax *p, const char *what, size_t *len)
{
    const struct token *k = syn_tok(p);

    if (k->type != TOK_WORD && k->type != TOK_TEXT) {
        syn_fail(p, ERR_SYNTAX, k, "the name of %s is expected here", what);
        return NULL;
    }
    p->at++;
    return syn_text_value(p, k, len);
}

/* ------------------------------------------------------------------ words that somebody defined */

/* Marks the words in use for a value. */
static void words_used(const struct defs *d, enum def_value v, uint8_t *used)
{
    for (uint32_t i = 0; i < d->name.n && v <= DEF_DST_NAME; i++)
        used[d->name.v[i]] = 1;
    for (uint32_t i = 0; i < d->n_exporters && v >= DEF_EXPORTER_NAME; i++) {
        const struct def_exporter *x = &d->exporter[i];
        used[v == DEF_EXPORTER_NAME ? x->name
             : v == DEF_SITE        ? x->site
             : v == DEF_ROLE        ? x->role
                                    : x->region] = 1;
    }
    for (uint32_t i = 0; i < d->n_ifaces && v >= DEF_IN_BOUNDARY && v < DEF_DIRECTION; i++) {
        const struct def_class *c = &d->iface[i].c;
        used[v <= DEF_OUT_BOUNDARY       ? c->boundary
             : v <= DEF_OUT_CONNECTIVITY ? c->connectivity
             : v <= DEF_OUT_PROVIDER     ? c->provider
                                         : c->name] = 1;
    }
    for (uint32_t i = 0; i < d->n_rules && v >= DEF_IN_BOUNDARY && v < DEF_IN_IF_NAME; i++)
        used[v <= DEF_OUT_BOUNDARY       ? d->rule[i].boundary
             : v <= DEF_OUT_CONNECTIVITY ? d->rule[i].connectivity
                                         : d->rule[i].provider] = 1;
    if (v == DEF_DIRECTION)
        used[WORD_INBOUND] = used[WORD_OUTBOUND] = used[WORD_INTERNAL] = used[WORD_TRANSIT] = 1;
    if (v == DEF_IN_BOUNDARY || v == DEF_OUT_BOUNDARY)
        used[WORD_INTERNAL] = used[WORD_EXTERNAL] = 1;
    used[WORD_NONE] = 0;
}

struct choice {
    uint8_t *used, *yes; /* by word, owned */
    uint32_t n;          /* words chosen */
    const char *what;    /* for messages: the field */
};

static bool choose_word(struct syntax *p, struct choice *c, const struct token *k, const char *s,
                        size_t len)
{
    uint32_t w = defs_word_find(p->defs, s, len);
    struct nearest near = { .s = s, .len = len, .best = 99 };

    if (w != 0 && c->used[w]) {
        c->yes[w] = 1;
        c->n++;
        return true;
    }
    for (uint32_t i = 1; i < p->defs->n_words; i++)
        if (c->used[i] && strchr(defs_word(p->defs, i), '|') == NULL)
            nearest_try(&near, defs_word(p->defs, i));
    if (near.word[0] != '\0')
        syn_fail(p, ERR_SYNTAX, k, "no %s is \"%.*s\"; did you mean %s?", c->what,
                 (int)MIN(len, 64u), s, near.word);
    else
        syn_fail(p, ERR_SYNTAX, k, "no %s is \"%.*s\"", c->what, (int)MIN(len, 64u), s);
    return false;
}

static bool choose_by_pattern(struct syntax *p, struct choice *c)
{
    void *re = syn_pattern(p);
    pcre2_match_data *data = re != NULL ? pcre2_match_data_create(1, NULL) : NULL;

    for (uint32_t w = 1; data != NULL && w < p->defs->n_words; w++) {
        const char *s = defs_word(p->defs, w);
        if (!c->used[w] || pcre2_match(re, (PCRE2_SPTR)s, strlen(s), 0, 0, data, NULL) < 0)
            continue;
        c->yes[w] = 1;
        c->n++;
    }
    if (re != NULL && data == NULL)
        (void)tree_oom(p);
    pcre2_match_data_free(data);
    pcre2_code_free(re);
    return re != NULL && data != NULL;
}

/* One value at the cursor. */
static bool choose_here(struct syntax *p, struct choice *c)
{
    const struct token *k = syn_tok(p);
    size_t len;
    char *s = defined_name_text(p, c->what, &len);
    bool ok = s != NULL && choose_word(p, c, k, s, len);

    free(s);
    return ok;
}

static bool choose_list(struct syntax *p, struct choice *c)
{
    uint8_t *yes = c->yes, *no = calloc(p->defs->n_words, 1);
    bool any_in = false, any_out = false;
    size_t from;

    if (no == NULL) {
        (void)tree_oom(p);
        return false;
    }
    if (!syn_type(p, TOK_LIST)) {
        syn_fail(p, ERR_SYNTAX, syn_tok(p), "a list is expected: [one \"and another\"]");
        free(no);
        return false;
    }
    from = p->at;
    while (syn_list_goes_on(p)) {
        bool out = syn_type(p, TOK_NOT);
        any_in |= !out;
        any_out |= out;
        c->yes = out ? no : yes;
        (void)choose_here(p, c);
    }
    c->yes = yes;
    for (uint32_t w = 0; w < p->defs->n_words && any_out; w++)
        yes[w] = (!any_in || yes[w]) && !no[w]; /* only exceptions: all others, no value too */
    free(no);
    return syn_list_ends(p, from);
}

/* comparison and value behind a field of words; *negate: written with != or !~ */
static bool choose(struct syntax *p, const struct field *f, struct choice *c, bool *negate)
{
    char what[40];
    uint8_t comp;
    bool ok;

    *c = (struct choice){ .used = calloc(p->defs->n_words + 1u, 1),
                          .yes = calloc(p->defs->n_words + 1u, 1) };
    if (c->used == NULL || c->yes == NULL) {
        (void)tree_oom(p);
        return false;
    }
    (void)snprintf(what, sizeof what, "%.*s", (int)strcspn(f->words, "|"), f->words);
    if (strcmp(f->words, "if") == 0)
        (void)snprintf(what, sizeof what, "interface name");
    c->what = what;
    words_used(p->defs, (enum def_value)f->v[0].v[0].calc, c->used);
    *negate = false;
    if (syn_word(p, "in") || syn_tok(p)->type == TOK_LIST) {
        ok = choose_list(p, c);
    } else {
        comp = syn_comparison(p);
        *negate = comp == TOK_NE || comp == TOK_NO_MATCH;
        if (comp == TOK_MATCH || comp == TOK_NO_MATCH) {
            ok = choose_by_pattern(p, c);
        } else if (comp != TOK_END && comp != TOK_EQ && comp != TOK_NE) {
            syn_fail(p, ERR_SYNTAX, syn_tok(p), "names are compared with =, !=, ~ and in [...]");
            ok = false;
        } else {
            ok = choose_here(p, c);
        }
    }
    c->what = NULL;
    return ok;
}

static void choice_free(struct choice *c)
{
    free(c->used);
    free(c->yes);
}

/* "in " of "in boundary". */
static const char *side_word(const struct field *f, const struct value_alts *v)
{
    static char none[1] = "";
    bool second = v->v[0].calc == f->v[1].v[0].calc;

    if (f->axis == AXIS_SIDE)
        return second ? "dst " : "src ";
    return f->axis == AXIS_IO ? (second ? "out " : "in ") : none;
}

struct word_term {
    const struct field *f;
    const struct choice *c;
    const char *words;
};

static struct expr *make_words(struct syntax *p, const struct value_alts *v, const void *what)
{
    const struct word_term *t = what;
    struct numset set = { 0 };
    struct expr *x;

    for (uint32_t w = 0; w < p->defs->n_words; w++)
        if (t->c->yes[w])
            numset_add(&set, w, w, false);
    numset_done(&set);
    x = defined_named(p, tree_range(p, v, &set), side_word(t->f, v), t->words);
    numset_free(&set);
    return x;
}

/* Names of addresses: which networks have one that was chosen. */
static struct expr *make_name(struct syntax *p, const struct value_alts *v, const void *what)
{
    const struct word_term *t = what;
    const struct addr_map *m = &p->defs->name;
    bool dst = v->v[0].calc == DEF_DST_NAME;
    struct addr_map *own = calloc(1, sizeof *own);
    struct expr *x = own != NULL ? defined_map_leaf(p, &defined_side_ip[dst], own, 1) : tree_oom(p);

    if (x == NULL) {
        free(own);
        return NULL;
    }
    x->own_map = true;
    own->lo = malloc((m->n + 2u) * sizeof *own->lo);
    own->v = malloc((m->n + 2u) * sizeof *own->v);
    if (own->lo == NULL || own->v == NULL) {
        expr_free(x);
        return tree_oom(p);
    }
    if (t->c->yes[WORD_NONE] && (m->n == 0 || !addr_is_zero(&m->lo[0]))) {
        memset(&own->lo[0], 0, sizeof own->lo[0]); /* what has no name, before the first that has */
        own->v[own->n++] = 1;
    }
    for (uint32_t i = 0; i < m->n; i++) {
        uint32_t yes = t->c->yes[m->v[i]];
        if ((own->n > 0 ? own->v[own->n - 1] : 0) == yes)
            continue;
        own->lo[own->n] = m->lo[i];
        own->v[own->n++] = yes;
    }
    return defined_named(p, x, dst ? "dst " : "src ", t->words);
}

static struct expr *word_term(struct syntax *p, const struct field *f, const struct sides *s,
                              struct expr *(*make)(struct syntax *p, const struct value_alts *v,
                                                   const void *what))
{
    struct buf w = buf_init(QUERY_TEXT_MAX);
    struct choice c;
    struct word_term t = { .f = f, .c = &c };
    struct leaf_maker m = { make, &t };
    struct expr *x = NULL;
    size_t from = p->at;
    bool negate;

    if (choose(p, f, &c, &negate)) {
        size_t begin = from;
        if (p->t.tok[begin].type == TOK_NE)
            begin++; /* the `not` says it */
        buf_printf(&w, "%.*s ", (int)strcspn(f->words, "|"), f->words);
        if (p->t.tok[begin].type == TOK_NO_MATCH) {
            buf_str(&w, "~ ");
            begin++;
        }
        defined_written(p, begin, &w);
        t.words = buf_cstr(&w);
        x = tree_sided(p, f, s, negate, &m);
    }
    choice_free(&c);
    buf_free(&w);
    return x;
}

struct expr *syn_word_term(struct syntax *p, const struct field *f, const struct sides *s)
{
    return word_term(p, f, s, make_words);
}

struct expr *syn_name_term(struct syntax *p, const struct field *f, const struct sides *s)
{
    return word_term(p, f, s, make_name);
}

/* ------------------------------------------------------------------ names in place of addresses */

bool syn_host_name(struct syntax *p, struct netset *to, bool out)
{
    const struct token *k = syn_tok(p);
    const struct addr_map *m = &p->defs->name;
    size_t len;
    char why[256], *s = defined_name_text(p, "a host", &len);
    uint32_t w = s != NULL ? defs_word_find(p->defs, s, len) : 0;
    bool found = false;

    for (uint32_t i = 0; i < m->n && w != 0; i++) {
        static const struct addr last_there_is = { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                                     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                                     0xff } };
        struct addr from, end = last_there_is;
        if (m->v[i] != w)
            continue;
        if (i + 1 < m->n) {
            end = m->lo[i + 1];
            for (size_t b = 16; b-- > 0 && end.b[b]-- == 0;)
                ;
        }
        for (from = m->lo[i];;) {
            struct net n = net_of_range(&from, &end);
            struct addr last = net_last(&n);
            netset_add(to, n, out);
            if (addr_cmp(&last, &end) >= 0)
                break;
            from = addr_next(&last);
        }
        found = true;
    }
    if (s != NULL && !found) {
        defs_unknown(p->defs, DEF_NAMES_HOST, s, len, why, sizeof why);
        syn_fail(p, ERR_SYNTAX, k,
                 "%s; an address or network is expected, or a name of weir name "
                 "list",
                 why);
    }
    free(s);
    return found;
}

bool syn_exporter_name(struct syntax *p, struct numset *to, bool out)
{
    const struct token *k = syn_tok(p);
    size_t len;
    char why[256], *s = defined_name_text(p, "an exporter", &len);
    uint32_t w = s != NULL ? defs_word_find(p->defs, s, len) : 0;
    bool found = false;

    for (uint32_t i = 0; i < p->defs->n_exporters && w != 0; i++)
        found |= p->defs->exporter[i].name == w;
    if (found) {
        numset_add(to, w, w, out);
    } else if (s != NULL) {
        defs_unknown(p->defs, DEF_NAMES_EXPORTER, s, len, why, sizeof why);
        syn_fail(p, ERR_SYNTAX, k, "%s; its address works too", why);
    }
    free(s);
    return found;
}

struct expr *syn_exporter_names(struct syntax *p, struct expr *nets, const struct numset *names)
{
    struct value_alts v = defined_alts(DEF_EXPORTER_NAME);
    struct buf w = buf_init(QUERY_TEXT_MAX);
    struct expr *x;

    buf_str(&w, "exporter in [");
    for (uint32_t i = 0; i < names->n; i++)
        buf_printf(&w, "%s\"%s\"", i > 0 ? " " : "", defs_word(p->defs, (uint32_t)names->r[i].lo));
    buf_char(&w, ']');
    x = defined_named(p, tree_range(p, &v, names), "", buf_cstr(&w));
    buf_free(&w);
    return nets != NULL ? tree_pair(p, EXPR_OR, nets, x) : x;
}

/* ------------------------------------------------------------------ interfaces by name */

bool syn_if_named(struct syntax *p)
{
    static const char *const compared[] = { "eq", "ne", "lt", "le", "gt", "ge" };
    size_t at = syn_is(p, "in");
    const struct token *k = syn_ahead(p, at);

    if (k->type == TOK_MATCH || k->type == TOK_NO_MATCH)
        return true;
    for (size_t i = 0; at == 0 && i < ARRAY_LEN(compared); i++)
        if (syn_is(p, compared[i]))
            return false;
    if (k->type == TOK_LIST || (k->type >= TOK_EQ && k->type <= TOK_GE))
        k = syn_ahead(p, ++at);
    if (k->type == TOK_NOT)
        k = syn_ahead(p, ++at);
    if (k->type == TOK_TEXT)
        return true;
    return k->type == TOK_WORD && !(syn_text(p, k)[0] >= '0' && syn_text(p, k)[0] <= '9') &&
           !syn_is_at(p, at, "group") && !syn_is_at(p, at, "set");
}

/* "fra1 xe-0/0/1": exporter, then interface. */
static struct expr *two_names(struct syntax *p, const struct field *f, const struct sides *s)
{
    const struct token *k = syn_tok(p);
    size_t len, from = p->at;
    char *text, *space;
    struct field plain = *f;
    struct choice c = { 0 };
    struct buf w = buf_init(QUERY_TEXT_MAX);
    struct word_term t = { .f = f, .c = &c };
    struct leaf_maker m = { make_words, &t };
    struct expr *x = NULL;

    if (k->type != TOK_TEXT || (text = syn_text_value(p, k, &len)) == NULL)
        return NULL;
    space = strchr(text, ' ');
    if (defs_word_find(p->defs, text, len) != 0 || space == NULL) {
        free(text);
        return NULL;
    }
    *space = '\0';
    c.used = calloc(p->defs->n_words + 1u, 1);
    c.yes = calloc(p->defs->n_words + 1u, 1);
    c.what = "interface";
    if (c.used == NULL || c.yes == NULL) {
        (void)tree_oom(p);
    } else {
        words_used(p->defs, DEF_IN_IF_NAME, c.used);
        p->at++;
        if (choose_word(p, &c, k, space + 1, strlen(space + 1))) {
            buf_str(&w, "if ");
            defined_written(p, from, &w);
            t.words = buf_cstr(&w);
            x = tree_pair(p, EXPR_AND, defined_exporter_leaf(p, text),
                          tree_sided(p, &plain, s, false, &m));
            x = defined_named(p, x,
                              s->io == IO_IN    ? "in "
                              : s->io == IO_OUT ? "out "
                                                : "",
                              t.words);
        }
    }
    choice_free(&c);
    buf_free(&w);
    free(text);
    return x;
}

struct expr *syn_if_name_term(struct syntax *p, const struct field *f, const struct sides *s)
{
    struct field named_if = { .words = "if",
                              .type = f->type,
                              .axis = AXIS_IO,
                              .v = { defined_alts(DEF_IN_IF_NAME),
                                     defined_alts(DEF_OUT_IF_NAME) } };
    struct expr *x = two_names(p, &named_if, s);

    if (x != NULL || p->rc != ERR_OK)
        return x;
    return word_term(p, &named_if, s, make_words);
}

/* ------------------------------------------------------------------ inside and outside */

static struct expr *inside_leaf(struct syntax *p, bool dst, bool inside)
{
    struct expr *x = defined_map_leaf(p, &defined_side_ip[dst],
                                      inside ? &p->defs->internal : &p->defs->external, 1);

    return defined_named(p, x, dst ? "dst " : "src ", inside ? "internal" : "external");
}

static struct expr *make_inside(struct syntax *p, const struct value_alts *v, const void *what)
{
    return inside_leaf(p, v->v[0].col == COL_DST_IP, *(const bool *)what);
}

struct expr *syn_inside_term(struct syntax *p, const struct field *f, const struct sides *s)
{
    bool inside = f->max != 0;
    struct leaf_maker m = { make_inside, &inside };

    return tree_sided(p, f, s, false, &m);
}

struct expr *syn_direction_term(struct syntax *p, const struct field *f, const struct sides *s)
{
    bool src = f->max == WORD_OUTBOUND || f->max == WORD_INTERNAL;
    bool dst = f->max == WORD_INBOUND || f->max == WORD_INTERNAL;

    if (s->side != SIDE_NONE || s->either || s->io != IO_NONE || s->raw) {
        syn_fail(p, ERR_SYNTAX, &p->t.tok[s->from],
                 "%s is of the whole record: write it without a side", f->words);
        return NULL;
    }
    return defined_named(
        p, tree_pair(p, EXPR_AND, inside_leaf(p, false, src), inside_leaf(p, true, dst)), "",
        f->words);
}
