/* Text to tokens. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "query/syntax.h"

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_word(char c)
{
    return is_alpha(c) || is_digit(c) || (c != '\0' && strchr("._:/-+@%", c) != NULL) ||
           (unsigned char)c >= 0x80;
}

/* Operators, longer ones first. */
static const struct {
    const char *s;
    uint8_t type;
} operators[] = {
    { "&&", TOK_AND },  { "||", TOK_OR },       { "^|", TOK_XOR },  { "==", TOK_EQ },
    { "!=", TOK_NE },   { "<=", TOK_LE },       { ">=", TOK_GE },   { "!~", TOK_NO_MATCH },
    { "&", TOK_AND },   { "|", TOK_PIPE },      { "^", TOK_XOR },   { "=", TOK_EQ },
    { "<", TOK_LT },    { ">", TOK_GT },        { "~", TOK_MATCH }, { "!", TOK_NOT },
    { "(", TOK_OPEN },  { ")", TOK_CLOSE },     { "[", TOK_LIST },  { "]", TOK_LIST_END },
    { ",", TOK_COMMA }, { ";", TOK_SEMICOLON },
};

struct lexer {
    struct tokens *t;
    size_t cap, i;
    struct err *e;
};

static int push(struct lexer *x, enum token_type type, size_t pos, size_t len, bool glued)
{
    struct tokens *t = x->t;

    if (t->n == x->cap) {
        size_t cap = x->cap > 0 ? x->cap * 2 : 32;
        struct token *more = realloc(t->tok, cap * sizeof *more);
        if (more == NULL)
            return err_set(x->e, ERR_NOMEM, "query: out of memory");
        t->tok = more;
        x->cap = cap;
    }
    t->tok[t->n++] = (struct token){
        .type = (uint8_t)type, .glued = glued, .pos = (uint32_t)pos, .len = (uint32_t)len
    };
    return ERR_OK;
}

/* "ip/24" is three tokens, "distinct:dst" two; everything else is one. */
static int push_word(struct lexer *x, size_t pos, size_t len, bool glued)
{
    const char *s = x->t->s + pos;
    size_t letters = 0, digits;
    int rc;

    if (len > 9 && strncasecmp(s, "distinct:", 9) == 0) {
        if ((rc = push(x, TOK_WORD, pos, 8, glued)) != ERR_OK)
            return rc;
        return push_word(x, pos + 9, len - 9, true);
    }
    while (letters < len && is_alpha(s[letters]))
        letters++;
    digits = letters + 1;
    while (digits < len && is_digit(s[digits]))
        digits++;
    if (letters > 0 && letters + 1 < len && s[letters] == '/' && digits == len) {
        if ((rc = push(x, TOK_WORD, pos, letters, glued)) != ERR_OK ||
            (rc = push(x, TOK_SLASH, pos + letters, 1, true)) != ERR_OK)
            return rc;
        return push(x, TOK_WORD, pos + letters + 1, len - letters - 1, true);
    }
    return push(x, TOK_WORD, pos, len, glued);
}

static int quoted(struct lexer *x, bool glued)
{
    const char *s = x->t->s;
    char q = s[x->i];
    size_t start = x->i + 1, j = start;

    while (s[j] != '\0' && s[j] != q)
        j += s[j] == '\\' && s[j + 1] != '\0' ? 2 : 1;
    if (s[j] == '\0')
        return err_at(x->e, ERR_SYNTAX, x->i, j - x->i, "this quote is not closed: add %c", q);
    x->i = j + 1;
    return push(x, TOK_TEXT, start, j - start, glued);
}

static int regex(struct lexer *x, bool glued)
{
    const char *s = x->t->s;
    size_t start = x->i + 1, j = start;

    while (s[j] != '\0' && s[j] != '/')
        j += s[j] == '\\' && s[j + 1] != '\0' ? 2 : 1;
    if (s[j] == '\0')
        return err_at(x->e, ERR_SYNTAX, x->i, j - x->i, "this pattern is not closed: add /");
    x->i = j + 1;
    return push(x, TOK_REGEX, start, j - start, glued);
}

static int one(struct lexer *x)
{
    const char *s = x->t->s + x->i;
    bool glued = x->i > 0 && !is_space(s[-1]);
    uint8_t last = x->t->n > 0 ? x->t->tok[x->t->n - 1].type : TOK_END;

    if ((last == TOK_MATCH || last == TOK_NO_MATCH) && *s == '/')
        return regex(x, glued);
    if (*s == '"' || *s == '\'')
        return quoted(x, glued);
    if (is_word(*s)) {
        size_t n = 0;
        while (is_word(s[n]))
            n++;
        x->i += n;
        return push_word(x, x->i - n, n, glued);
    }
    for (size_t k = 0; k < ARRAY_LEN(operators); k++) {
        size_t n = strlen(operators[k].s);
        if (strncmp(s, operators[k].s, n) == 0) {
            x->i += n;
            return push(x, (enum token_type)operators[k].type, x->i - n, n, glued);
        }
    }
    return err_at(x->e, ERR_SYNTAX, x->i, 1,
                  "this character has no meaning here: quote the text it "
                  "belongs to");
}

int tokens_make(struct tokens *out, const char *s, struct err *e)
{
    struct lexer x = { .t = out, .e = e };
    int rc = ERR_OK;

    *out = (struct tokens){ .s = s, .len = strlen(s) };
    if (out->len > QUERY_TEXT_MAX)
        return err_set(e, ERR_LIMIT, "query: longer than %u octets", QUERY_TEXT_MAX);
    while (rc == ERR_OK && s[x.i] != '\0') {
        if (is_space(s[x.i])) {
            x.i++;
        } else if (s[x.i] == '#') {
            while (s[x.i] != '\0' && s[x.i] != '\n')
                x.i++;
        } else {
            rc = one(&x);
        }
    }
    if (rc == ERR_OK)
        rc = push(&x, TOK_END, out->len, 0, false);
    if (rc != ERR_OK)
        tokens_free(out);
    return rc;
}

void tokens_free(struct tokens *t)
{
    free(t->tok);
    t->tok = NULL;
    t->n = 0;
}

const struct token *syn_ahead(const struct syntax *p, size_t n)
{
    return &p->t.tok[n < p->t.n - p->at ? p->at + n : p->t.n - 1];
}

const struct token *syn_tok(const struct syntax *p)
{
    return syn_ahead(p, 0);
}

const char *syn_text(const struct syntax *p, const struct token *k)
{
    return p->t.s + k->pos;
}

bool syn_is_at(const struct syntax *p, size_t n, const char *word)
{
    const struct token *k = syn_ahead(p, n);

    return k->type == TOK_WORD && strlen(word) == k->len &&
           strncasecmp(syn_text(p, k), word, k->len) == 0;
}

bool syn_is(const struct syntax *p, const char *word)
{
    return syn_is_at(p, 0, word);
}

bool syn_word(struct syntax *p, const char *word)
{
    bool yes = syn_is(p, word);

    p->at += yes;
    return yes;
}

bool syn_type(struct syntax *p, enum token_type type)
{
    bool yes = syn_tok(p)->type == type && type != TOK_END;

    p->at += yes;
    return yes;
}

PRINTF_LIKE(5, 0)
static void fail_va(struct syntax *p, int code, size_t pos, size_t len, const char *fmt, va_list ap)
{
    char msg[400];

    if (p->rc != ERR_OK)
        return;
    (void)vsnprintf(msg, sizeof msg, fmt, ap);
    p->rc = err_at(p->e, code, pos, len, "%s", msg);
}

void syn_fail(struct syntax *p, int code, const struct token *k, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    fail_va(p, code, k->pos, k->len > 0 ? k->len : 1, fmt, ap);
    va_end(ap);
}

void syn_fail_from(struct syntax *p, int code, size_t from, const char *fmt, ...)
{
    const struct token *a = &p->t.tok[from], *z = &p->t.tok[p->at > from ? p->at - 1 : from];
    va_list ap;

    va_start(ap, fmt);
    fail_va(p, code, a->pos, z->pos + z->len - a->pos, fmt, ap);
    va_end(ap);
}
