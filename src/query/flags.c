/* Terms on TCP flags. */
#include <string.h>

#include "query/term.h"

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
    bool slash; /* written "SA/SA": for printing only */
};

static struct expr *make_mask(struct syntax *p, const struct value_alts *v, const void *what)
{
    const struct mask *m = what;
    struct expr *x = expr_new(EXPR_MASK);

    if (x == NULL)
        return tree_oom(p);
    x->value = *v;
    x->mask = m->mask;
    x->want = m->want;
    x->mask_any = m->any;
    x->yes = m->slash;
    return x;
}

struct expr *syn_flags_term(struct syntax *p, const struct field *f, const struct sides *s)
{
    size_t from = p->at;
    uint8_t comp = syn_is(p, "in") ? TOK_END : syn_comparison(p);
    const struct token *k;
    const char *t, *slash;
    struct mask m = { .any = comp == TOK_END && syn_word(p, "any") };
    struct leaf_maker maker = { make_mask, &m };

    k = syn_tok(p);
    t = syn_text(p, k);
    if (!m.any && (k->type == TOK_LIST || syn_is(p, "in") ||
                   (k->type == TOK_WORD && t[0] >= '0' && t[0] <= '9'))) {
        p->at = from;
        return syn_number_term(p, f, s);
    }
    slash = k->type == TOK_WORD ? memchr(t, '/', k->len) : NULL;
    if (k->type == TOK_WORD && slash != NULL && comp == TOK_END && !m.any &&
        flag_letters(slash + 1, k->len - (size_t)(slash - t) - 1, &m.mask) &&
        (slash == t + 1 && *t == '0' ? true : flag_letters(t, (size_t)(slash - t), &m.want))) {
        m.slash = true;
        if ((m.want & ~m.mask) != 0) {
            syn_fail(p, ERR_SYNTAX, k, "the flags before the slash must be among those behind it");
            return NULL;
        }
    } else if (k->type == TOK_WORD && slash == NULL && flag_letters(t, k->len, &m.want) &&
               (comp == TOK_END || comp == TOK_EQ || comp == TOK_NE)) {
        m.mask = comp == TOK_END ? m.want : 0xff;
        /* "flags S and not flags AFRPU" is only SYN: behind "not" letters mean none of them, as in
         * nfdump, though without it they mean all of them. */
        m.any = m.any || (comp == TOK_END && p->negated);
    } else {
        syn_fail(
            p, ERR_SYNTAX, k,
            "flags are letters of FSRPAUEC (X = FSRPAU), as in S, SA, S/SA, any RF, or a number");
        return NULL;
    }
    p->at++;
    return tree_sided(p, f, s, comp == TOK_NE, &maker);
}
