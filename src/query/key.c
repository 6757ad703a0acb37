/* Keys and measures of a ranking. */
#include <stdio.h>
#include <string.h>

#include "query/clause.h"

bool syn_small_number(struct syntax *p, uint64_t max, uint64_t *out, const char *what)
{
    const struct token *k = syn_tok(p);

    if (k->type != TOK_WORD || number_parse(out, syn_text(p, k), k->len, -1) != NULL ||
        *out > max) {
        syn_fail(p, ERR_SYNTAX, k, "%s is expected, 0 to %llu", what, (unsigned long long)max);
        return false;
    }
    p->at++;
    return true;
}

/* "/24[,48]" behind an address */
static bool prefix(struct syntax *p, struct key *k)
{
    uint64_t four, six = 0;
    bool both;
    size_t n = strlen(k->name);

    if (!syn_type(p, TOK_SLASH))
        return true;
    if (!syn_small_number(p, 32, &four, "a prefix length"))
        return false;
    const struct token *t = syn_ahead(p, 1);
    both = syn_tok(p)->type == TOK_COMMA && t->type == TOK_WORD &&
           strspn(syn_text(p, t), "0123456789") >= t->len;
    if (both) {
        p->at++;
        if (!syn_small_number(p, 128, &six, "a prefix length"))
            return false;
    }
    k->mask4 = (uint8_t)four;
    k->mask6 = both ? (uint8_t)six : (uint8_t)(four * 2);
    (void)snprintf(k->name + n, sizeof k->name - n, both ? "/%u,%u" : "/%u", k->mask4, k->mask6);
    return true;
}

static bool calc_key(struct syntax *p, struct key *k, const char *word, enum calc calc)
{
    if (!syn_word(p, word))
        return false;
    k->a = (struct value_alts){ .v = { { .kind = VALUE_CALC, .calc = (uint8_t)calc } }, .n = 1 };
    (void)snprintf(k->name, sizeof k->name, "%s", word);
    return true;
}

static bool unknown_key(struct syntax *p)
{
    const struct token *k = syn_tok(p);
    struct nearest near = { .s = syn_text(p, k), .len = k->len, .best = 99 };

    nearest_try(&near,
                "host|host pair|matched host|client|server|src|dst|hour|weekday|day|as pair");
    for (size_t i = 0; i < field_count; i++)
        nearest_try(&near, field_table[i].words);
    syn_fail(p, ERR_SYNTAX, k,
             "no such key%s%s%s host, src ip, dst port, proto, as, exporter, in if ... are keys",
             near.word[0] != '\0' ? ": did you mean " : ";", near.word,
             near.word[0] != '\0' ? "?" : "");
    return false;
}

/* client, server port, client ip/24: the value of the side that opened, or of the other. */
static bool role_key(struct syntax *p, struct key *k, bool server)
{
    const struct field *f = syn_field(p);
    char word[40];

    if (p->rc != ERR_OK)
        return false;
    if (f != NULL &&
        (f->axis != AXIS_SIDE || f->v[0].v[0].kind != VALUE_COL || f->type == FIELD_PORTRANGE)) {
        syn_fail(p, ERR_SYNTAX, &p->t.tok[p->at - 1],
                 "client and server stand before ip, net, port, as, mask");
        return false;
    }
    k->role = server ? KEY_SERVER : KEY_CLIENT;
    k->a = f != NULL ? f->v[0] : field_table[0].v[0];
    k->b = f != NULL ? f->v[1] : field_table[0].v[1];
    (void)snprintf(word, sizeof word, "%.*s", f != NULL ? (int)strcspn(f->words, "|") : 0,
                   f != NULL ? f->words : "");
    if (f == NULL || f->type == FIELD_ADDR)
        word[0] = '\0';
    (void)snprintf(k->name, sizeof k->name, "%s%s%s", server ? "server" : "client",
                   word[0] != '\0' ? " " : "", word);
    if (f != NULL && f->type != FIELD_ADDR && f->type != FIELD_NET)
        return true;
    if (f != NULL && f->type == FIELD_NET && syn_tok(p)->type != TOK_SLASH) {
        syn_fail(p, ERR_SYNTAX, syn_tok(p),
                 "how large a network? write client/24 or client net/24,48");
        return false;
    }
    return prefix(p, k);
}

bool syn_key(struct syntax *p, struct key *k)
{
    struct sides s;
    struct value_alts v[4];
    const struct field *f;
    size_t n, from = p->at;

    *k = (struct key){ .kind = KEY_VALUE, .mask4 = 32, .mask6 = 128 };
    if (syn_is(p, "host") && syn_is_at(p, 1, "pair")) {
        p->at += 2;
        k->kind = KEY_PAIR;
    } else if (syn_is(p, "matched") && syn_is_at(p, 1, "host")) {
        p->at += 2;
        k->kind = KEY_MATCHED;
    }
    if (k->kind != KEY_VALUE) {
        k->a = field_table[0].v[0];
        k->b = field_table[0].v[1];
        (void)snprintf(k->name, sizeof k->name, "%s",
                       k->kind == KEY_PAIR ? "host pair" : "matched host");
        return prefix(p, k);
    }
    if (syn_is(p, "as") && syn_is_at(p, 1, "pair")) {
        p->at += 2;
        k->kind = KEY_PAIR;
        k->a = (struct value_alts){ .v = { { .kind = VALUE_CALC, .calc = CALC_SRC_AS } }, .n = 1 };
        k->b = (struct value_alts){ .v = { { .kind = VALUE_CALC, .calc = CALC_DST_AS } }, .n = 1 };
        (void)snprintf(k->name, sizeof k->name, "as pair");
        return true;
    }
    if (calc_key(p, k, "day", CALC_DAY))
        return true;
    if (!syn_sides(p, &s))
        return false;
    if (s.side == SIDE_CLIENT || s.side == SIDE_SERVER)
        return role_key(p, k, s.side == SIDE_SERVER);
    if ((f = syn_field(p)) == NULL)
        return p->rc == ERR_OK ? unknown_key(p) : false;
    if (f->type == FIELD_SESSION || f->type == FIELD_SESSION_STATE) {
        syn_fail_from(p, ERR_UNSUPPORTED, from,
                      "not yet: this as a key; client, server and server port are keys");
        return false;
    }
    if (f->type == FIELD_IE) {
        k->a.n = 1;
        if (!syn_ie(p, &k->a.v[0]))
            return false;
        (void)field_name(&k->a, k->name, sizeof k->name);
        return true;
    }
    if (f->type == FIELD_AS_NAME) {
        syn_fail_from(p, ERR_SYNTAX, from, "rank by as: the names are shown beside the numbers");
        return false;
    }
    if (f->type == FIELD_INSIDE || f->type == FIELD_DIRECTION) {
        syn_fail_from(p, ERR_SYNTAX, from, "%s is a test; the key is direction", f->words);
        return false;
    }
    if (f->type == FIELD_AT || f->type == FIELD_MPLS_EOS || f->type == FIELD_PAYLOAD_REGEX ||
        f->type == FIELD_DSCP || f->type == FIELD_MPLS_EXP ||
        (f->type >= FIELD_PORTRANGE && f->type <= FIELD_GREATER)) {
        syn_fail_from(p, ERR_UNSUPPORTED, from,
                      "not yet: this as a key; tos and mpls label1 are keys");
        return false;
    }
    if ((n = syn_values(p, f, &s, v)) == 0)
        return false;
    if (n > 2 || s.side == SIDE_BOTH) {
        syn_fail_from(p, ERR_SYNTAX, from,
                      "a key is one value of each side: in src mac, out dst mac");
        return false;
    }
    k->a = v[0];
    if (n == 2) {
        k->kind = KEY_EITHER;
        k->b = v[1];
        const char *word = f->type == FIELD_ADDR && f == field_table ? "host" : f->words;
        (void)snprintf(k->name, sizeof k->name, "%.*s", (int)strcspn(word, "|"), word);
    } else {
        (void)field_name(&k->a, k->name, sizeof k->name);
        if (f->type == FIELD_NET || f->type == FIELD_ICMP)
            (void)snprintf(k->name, sizeof k->name, "%s%.*s",
                           s.side == SIDE_SRC   ? "src "
                           : s.side == SIDE_DST ? "dst "
                                                : "",
                           (int)strcspn(f->words, "|"), f->words);
    }
    if (f->type == FIELD_NET && syn_tok(p)->type != TOK_SLASH) {
        syn_fail_from(p, ERR_SYNTAX, from, "how large a network? write src ip/24 or src net/24,48");
        return false;
    }
    return f->type == FIELD_ADDR || f->type == FIELD_NET || f->type == FIELD_EXPORTER ? prefix(p, k)
                                                                                      : true;
}

static const struct {
    const char *word;
    uint8_t kind;
} measure_words[] = {
    { "bytes", MEASURE_BYTES },       { "bits", MEASURE_BITS },
    { "packets", MEASURE_PACKETS },   { "flows", MEASURE_FLOWS },
    { "bps", MEASURE_BPS },           { "pps", MEASURE_PPS },
    { "bpp", MEASURE_BPP },           { "duration", MEASURE_DURATION_MS },
    { "sessions", MEASURE_SESSIONS },
};

const char *measure_word(uint8_t kind)
{
    for (size_t i = 0; i < ARRAY_LEN(measure_words); i++)
        if (measure_words[i].kind == kind)
            return measure_words[i].word;
    return "";
}

/* initiated, sessions initiated, sessions:initiated; the same with accepted */
static bool opened_measure(struct syntax *p, struct measure *m)
{
    bool two =
        syn_is(p, "sessions") && (syn_is_at(p, 1, "initiated") || syn_is_at(p, 1, "accepted"));

    if (!two && !syn_is(p, "initiated") && !syn_is(p, "accepted") &&
        !syn_is(p, "sessions:initiated") && !syn_is(p, "sessions:accepted"))
        return false;
    p->at += two;
    m->kind = syn_is(p, "initiated") || syn_is(p, "sessions:initiated") ? MEASURE_INITIATED
                                                                        : MEASURE_ACCEPTED;
    p->at++;
    (void)snprintf(m->name, sizeof m->name, "%s",
                   m->kind == MEASURE_INITIATED ? "initiated" : "accepted");
    return true;
}

bool syn_measure(struct syntax *p, struct measure *m)
{
    const struct token *k = syn_tok(p);
    struct nearest near = { .s = syn_text(p, k), .len = k->len, .best = 99 };

    *m = (struct measure){ 0 };
    if (opened_measure(p, m))
        return true;
    m->raw = syn_word(p, "raw");
    for (size_t i = 0; i < ARRAY_LEN(measure_words); i++) {
        nearest_try(&near, measure_words[i].word);
        if (!syn_word(p, measure_words[i].word))
            continue;
        m->kind = measure_words[i].kind;
        (void)snprintf(m->name, sizeof m->name, "%s%s", m->raw ? "raw " : "",
                       measure_words[i].word);
        if (syn_is(p, "avg"))
            p->at++;
        if (syn_is(p, "sent") || syn_is(p, "received") || syn_is(p, "both") || syn_is(p, "peak") ||
            syn_is(p, "p95")) {
            syn_fail(p, ERR_UNSUPPORTED, syn_tok(p), "not yet: %.*s", (int)syn_tok(p)->len,
                     syn_text(p, syn_tok(p)));
            return false;
        }
        return true;
    }
    if (syn_is(p, "active") && syn_is_at(p, 1, "flows")) {
        p->at += 2;
        m->kind = MEASURE_ACTIVE_FLOWS;
        (void)snprintf(m->name, sizeof m->name, "active flows");
        return true;
    }
    if ((syn_is(p, "first") || syn_is(p, "last")) && syn_is_at(p, 1, "seen")) {
        m->kind = syn_is(p, "first") ? MEASURE_FIRST_SEEN : MEASURE_LAST_SEEN;
        p->at += 2;
        (void)snprintf(m->name, sizeof m->name, "%s seen",
                       m->kind == MEASURE_FIRST_SEEN ? "first" : "last");
        return true;
    }
    if (syn_word(p, "distinct")) {
        m->kind = MEASURE_DISTINCT;
        if (!syn_key(p, &m->distinct))
            return false;
        (void)snprintf(m->name, sizeof m->name, "distinct %s", m->distinct.name);
        return true;
    }
    if (syn_field(p) != NULL || p->rc == ERR_OK)
        syn_fail(p, ERR_SYNTAX, k,
                 "no such measure%s%s%s bytes bits packets flows active flows sessions initiated "
                 "accepted bps pps bpp duration "
                 "first seen, last seen, distinct KEY",
                 near.word[0] != '\0' ? ": did you mean " : ";", near.word,
                 near.word[0] != '\0' ? "?" : "");
    return false;
}
