/* One term: [side] field [comparison] value, or a bare word. */
#include <stdlib.h>
#include <strings.h>

#include "flow/elem.h"
#include "query/sessions.h"
#include "query/term.h"

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
        return syn_text_term(p, &f, &s, EXPR_TEXT);
    if (type == TOK_MATCH || type == TOK_NO_MATCH ||
        syn_ahead(p, type >= TOK_EQ && type <= TOK_GE)->type == TOK_TEXT)
        return syn_text_term(p, &f, &s, EXPR_TEXT);
    if (el != NULL && (el->type == ELEM_IPV4_ADDRESS || el->type == ELEM_IPV6_ADDRESS))
        return syn_addr_term(p, &f, &s);
    if (el != NULL && el->type == ELEM_MAC_ADDRESS)
        return syn_mac_term(p, &f, &s);
    return syn_number_term(p, &f, &s);
}

static struct expr *at_term(struct syntax *p, const struct field *f)
{
    struct numset set = { 0 };
    struct expr *x = NULL;
    const struct token *k = syn_tok(p);

    if (syn_item(p, f, &set, false) && !set.bad) {
        if ((x = expr_new(EXPR_OVERLAP)) == NULL)
            (void)tree_oom(p);
        else {
            x->lo_ms = (int64_t)set.r[0].lo;
            x->hi_ms = (int64_t)set.r[0].hi;
            if (k->len == 10 && memchr(syn_text(p, k), ':', 10) == NULL) /* a date: the whole day */
                x->hi_ms += 86400000 - 1;
        }
    }
    numset_free(&set);
    return x;
}

static struct expr *make_exists(struct syntax *p, const struct value_alts *v, const void *what)
{
    struct expr *x = expr_new(EXPR_EXISTS);

    (void)what;
    if (x == NULL)
        return tree_oom(p);
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
    } else if (f->type == FIELD_SERVICE) {
        syn_fail(p, ERR_SYNTAX, syn_tok(p),
                 "every record with a protocol has a service; use %s proto",
                 absent ? "absent" : "exists");
        return NULL;
    } else if (f->type == FIELD_AS_NAME || f->type == FIELD_APP) {
        syn_fail(p, ERR_UNSUPPORTED, syn_tok(p), "not yet: %s of a name; use %s ~ /./",
                 absent ? "absent" : "exists", f->type == FIELD_APP ? "app" : "as name");
        return NULL;
    } else if (f->type == FIELD_FLAGS || f->type == FIELD_ICMP) {
        ie.v[0] = f->v[0];
        f = &ie;
    }
    if (f->type == FIELD_INSIDE || f->type == FIELD_DIRECTION) {
        syn_fail(p, ERR_SYNTAX, syn_tok(p), "%s is a test by itself: write it alone, or not %s",
                 f->words, f->words);
        return NULL;
    }
    if (f->type == FIELD_GROUP)
        return syn_any_group(p, f, &s, absent);
    return tree_sided(p, f, &s, absent, &m);
}

static struct expr *leaf_inside(struct syntax *p, const struct value_alts *v, const void *what)
{
    struct expr *x = expr_new(EXPR_INSIDE);

    (void)what;
    if (x == NULL)
        return tree_oom(p);
    x->value = (struct value_alts){ .v = { v->v[0],
                                           { .kind = VALUE_ELEM, .id = 361, .occurrence = 1 },
                                           { .kind = VALUE_ELEM, .id = 362, .occurrence = 1 } },
                                    .n = 3 };
    return x;
}

/* "port in pblock": the port lies between start and end of the record's NAT port block. */
static struct expr *port_term(struct syntax *p, const struct field *f, const struct sides *s)
{
    struct leaf_maker m = { leaf_inside, NULL };

    const struct token *k =
        syn_ahead(p, syn_tok(p)->type == TOK_EQ || syn_tok(p)->type == TOK_NE ? 1 : 0);
    bool plain = f->v[0].v[0].kind == VALUE_COL && k->type == TOK_WORD && k->len > 2;

    /* a name: letters first, and no comparison of two letters */
    if (plain && strspn(syn_text(p, k), "0123456789") == 0)
        return syn_service_term(p, s);
    if (!syn_is(p, "in") || !syn_is_at(p, 1, "pblock"))
        return syn_number_term(p, f, s);
    p->at += 2;
    return tree_sided(p, f, s, false, &m);
}

static struct expr *field_term(struct syntax *p, const struct field *f, const struct sides *s)
{
    switch ((enum field_type)f->type) {
    case FIELD_ADDR:
    case FIELD_NET:
    case FIELD_EXPORTER:
        return syn_addr_term(p, f, s);
    case FIELD_FLAGS:
        return syn_flags_term(p, f, s);
    case FIELD_MAC:
        return syn_mac_term(p, f, s);
    case FIELD_MPLS_EXP:
        return syn_mpls_exp_term(p, f);
    case FIELD_MPLS_EOS:
        return syn_mpls_eos_term(p, f);
    case FIELD_PAYLOAD:
        return syn_text_term(p, f, s, EXPR_OCTETS);
    case FIELD_PAYLOAD_REGEX:
        return syn_text_term(p, f, s, EXPR_REGEX);
    case FIELD_IE:
        return ie_term(p);
    case FIELD_AT:
        return at_term(p, f);
    case FIELD_PORT:
        return port_term(p, f, s);
    case FIELD_PORTRANGE:
    case FIELD_LESS:
    case FIELD_GREATER:
        return syn_tcpdump_term(p, f, s);
    case FIELD_LATENCY:
        return syn_latency_term(p, f);
    case FIELD_SERVICE:
        return syn_service_term(p, s);
    case FIELD_COUNTRY:
        return syn_country_term(p, f, s);
    case FIELD_APP:
    case FIELD_AS_NAME:
        return syn_text_term(p, f, s, EXPR_TEXT);
    case FIELD_GROUP:
        return syn_group_term(p, f, s);
    case FIELD_NAME:
        return syn_name_term(p, f, s);
    case FIELD_WORD:
        return syn_word_term(p, f, s);
    case FIELD_INSIDE:
        return syn_inside_term(p, f, s);
    case FIELD_DIRECTION:
        return syn_direction_term(p, f, s);
    case FIELD_IF:
        return syn_if_named(p) ? syn_if_name_term(p, f, s) : syn_number_term(p, f, s);
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
    case FIELD_SAMPLING:
    case FIELD_ASA_EVENT:
    case FIELD_ASA_DENIED:
    case FIELD_NAT_EVENT:
    case FIELD_TIME:
    case FIELD_HOUR:
    case FIELD_WEEKDAY:
    case FIELD_VERSION:
    case FIELD_SESSION:
    case FIELD_SESSION_STATE:
        return syn_number_term(p, f, s);
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
    struct netset nets = { 0 };
    struct net n = { .len = 128 };
    struct numset set = { 0 };
    struct leaf_maker ma = { leaf_net, &nets }, mp = { leaf_range, &set };
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
    netset_add(&nets, n, false);
    numset_add(&set, number, number, false);
    for (unsigned i = 0; i < 2 && p->rc == ERR_OK; i++) {
        struct sides one = { .side = i == 0 ? SIDE_SRC : SIDE_DST, .from = s->from };
        if (s->side == SIDE_CLIENT || s->side == SIDE_SERVER)
            one.side = s->side;
        else if ((s->side == SIDE_SRC && i == 1) || (s->side == SIDE_DST && i == 0))
            continue;
        struct expr *here = tree_pair(p, EXPR_AND, tree_sided(p, fa, &one, false, &ma),
                                      tree_sided(p, fp, &one, false, &mp));
        x = x == NULL ? here : tree_pair(p, s->side == SIDE_BOTH ? EXPR_AND : EXPR_OR, x, here);
        if (one.side != SIDE_SRC)
            break;
    }
    free(nets.n);
    numset_free(&set);
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
                   ? syn_addr_term(p, field_by_type(FIELD_ADDR), s)
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
    static const struct value_alts state = {
        .v = { { .kind = VALUE_SESSION, .calc = SESSION_STATE } }, .n = 1
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
            .v = { { .v = { { .kind = VALUE_CALC, .calc = CALC_SRC_AS } }, .n = 1 },
                   { .v = { { .kind = VALUE_CALC, .calc = CALC_DST_AS } }, .n = 1 } }
        };
        struct num_range r = { as, as };
        struct numset set = { .r = &r, .n = 1 };
        struct leaf_maker m = { leaf_range, &set };
        p->at++;
        return tree_sided(p, &f, s, false, &m);
    }
    if (s->side != SIDE_NONE || s->either || s->io != IO_NONE)
        return NULL;
    if (syn_word(p, "answered"))
        return tree_range1(p, &state, STATE_OPEN, STATE_REFUSED);
    if (syn_word(p, "inet") || syn_word(p, "ipv4") || syn_word(p, "ip4"))
        return tree_range1(p, &version, 4, 4);
    if (syn_word(p, "inet6") || syn_word(p, "ipv6") || syn_word(p, "ip6"))
        return tree_range1(p, &version, 6, 6);
    if ((w = word_find(words_proto, words_proto_n, t, k->len)) == NULL)
        return NULL;
    p->at++;
    return tree_range1(p, &proto, w->lo, w->hi);
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
        return tree_constant(p, true);
    if (syn_word(p, "none"))
        return tree_constant(p, false);
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
