/* Terms on text: equality, patterns, octets of a payload. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>

#include "query/term.h"

char *syn_text_value(struct syntax *p, const struct token *k, size_t *len)
{
    const char *s = syn_text(p, k);
    char *out = malloc(k->len + 1u);

    *len = 0;
    if (out == NULL) {
        (void)tree_oom(p);
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
    bool octets;      /* match the octets as sent, whatever type the dictionary gives them */
    const struct token *k;
};

static pcre2_code *compile(struct syntax *p, const struct text *t)
{
    int code;
    PCRE2_SIZE at;
    PCRE2_UCHAR why[120];
    pcre2_code *re = pcre2_compile((PCRE2_SPTR)t->s, t->len, t->options | PCRE2_NEVER_BACKSLASH_C,
                                   &code, &at, NULL);

    if (re == NULL) {
        (void)pcre2_get_error_message(code, why, sizeof why);
        struct token k = { .pos = t->k->pos + (uint32_t)MIN(at, t->k->len), .len = 1 };
        syn_fail(p, ERR_SYNTAX, &k, "in this pattern: %s", (const char *)why);
    }
    return re;
}

static struct expr *make_text(struct syntax *p, const struct value_alts *v, const void *what)
{
    const struct text *t = what;
    struct expr *x = expr_new(t->op);

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
        x->yes = t->octets;
        x->mask = (t->options & PCRE2_CASELESS) != 0;
        if ((x->regex = compile(p, t)) == NULL) {
            expr_free(x);
            return NULL;
        }
    }
    return x;
memory:
    expr_free(x);
    return tree_oom(p);
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

void *syn_pattern(struct syntax *p)
{
    struct text t = { .op = EXPR_REGEX, .k = syn_tok(p) };
    pcre2_code *re = NULL;

    if (t.k->type != TOK_REGEX && t.k->type != TOK_TEXT) {
        syn_fail(p, ERR_SYNTAX, t.k, "a pattern is expected: /text/ or /text/i");
        return NULL;
    }
    p->at++;
    if (regex_flags(p, &t.options) && (t.s = syn_text_value(p, t.k, &t.len)) != NULL)
        re = compile(p, &t);
    free(t.s);
    return re;
}

struct expr *syn_text_term(struct syntax *p, const struct field *f, const struct sides *s,
                           enum expr_op op)
{
    uint8_t comp = syn_comparison(p);
    struct text t = { .op = comp == TOK_MATCH || comp == TOK_NO_MATCH ? EXPR_REGEX : op,
                      .octets = f->type == FIELD_PAYLOAD || f->type == FIELD_PAYLOAD_REGEX,
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
    if ((t.s = syn_text_value(p, t.k, &t.len)) != NULL)
        x = tree_sided(p, f, s, comp == TOK_NE || comp == TOK_NO_MATCH, &m);
    free(t.s);
    return x;
}
