/* Terms on addresses: networks, ranges, lists; MAC addresses. */
#include <stdio.h>
#include <stdlib.h>

#include "query/term.h"

#define MAX_NETS_OF_RANGE 256u
#define FEW_NETS          8u /* are tried one by one */

void netset_add(struct netset *s, struct net n, bool out)
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
static void nets_done(struct netset *s)
{
    const struct addr zero = addr_from_v4(0);
    const struct net mapped = { .a = addr_mask(&zero, 96), .len = 96 };
    bool only_out = s->count > 0, wide = false;

    for (uint32_t i = 0; i < s->count; i++) {
        only_out = only_out && s->n[i].out;
        wide = wide || (s->n[i].n.len < 96 && net_has(&s->n[i].n, &mapped.a));
    }
    if (only_out) { /* only exceptions: all others */
        netset_add(s, (struct net){ .len = 0 }, false);
        netset_add(s, mapped, false);
    } else if (wide)
        netset_add(s, mapped, true);
    if (s->count > 0)
        qsort(s->n, s->count, sizeof *s->n, net_order);
}

/* A long list is looked up in a map; the list stays for what is printed. */
static bool many_nets(struct expr *x)
{
    struct addr_rule *r = malloc(x->n_nets * sizeof *r);
    struct addr_map *m = calloc(1, sizeof *m);
    bool ok = r != NULL && m != NULL;

    for (uint32_t i = 0; ok && i < x->n_nets; i++)
        r[i] = (struct addr_rule){ .n = x->net[i].n, .v = x->net[i].out ? 2 : 1 };
    ok = ok && addr_map_make(m, r, x->n_nets) == ERR_OK;
    free(r);
    if (!ok) {
        free(m);
        return false;
    }
    x->map = m;
    x->own_map = true;
    x->want = 1;
    return true;
}

struct expr *leaf_net(struct syntax *p, const struct value_alts *v, const void *what)
{
    const struct netset *s = what;
    struct expr *x = expr_new(EXPR_NET);

    if (x == NULL || s->bad || (x->net = malloc((s->count + 1u) * sizeof *x->net)) == NULL) {
        expr_free(x);
        return tree_oom(p);
    }
    x->value = *v;
    memcpy(x->net, s->n, s->count * sizeof *x->net);
    x->n_nets = s->count;
    if (s->count > FEW_NETS && !many_nets(x)) {
        expr_free(x);
        return tree_oom(p);
    }
    return x;
}

/* A..B of addresses as the fewest networks. */
static bool net_range(struct syntax *p, struct netset *s, const struct token *k, struct addr lo,
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
        netset_add(s, net, out);
        if (addr_cmp(&end, hi) >= 0)
            return true;
        lo = end;
        for (size_t i = 16; i-- > 0 && ++lo.b[i] == 0;)
            ;
    }
    syn_fail(p, ERR_LIMIT, k, "this range is more than %u networks", MAX_NETS_OF_RANGE);
    return false;
}

/* Absent addresses read as unspecified (nfdump's way), so 0.0.0.0 and :: are one question. */
static void add_net(struct netset *s, struct net n, bool out)
{
    static const struct addr six;
    const struct addr four = addr_from_v4(0);

    netset_add(s, n, out);
    if (n.len == 128 && addr_cmp(&n.a, &four) == 0)
        netset_add(s, (struct net){ .a = six, .len = 128 }, out);
    else if (n.len == 128 && addr_cmp(&n.a, &six) == 0)
        netset_add(s, (struct net){ .a = four, .len = 128 }, out);
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

/* One item; `masked`: a netmask may follow (net 10.0.0.0 255.0.0.0), which a list has no room for.
 */
static bool net_value(struct syntax *p, const struct field *f, struct netset *s,
                      struct numset *names, bool out, bool masked)
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
        size_t at = masked && syn_is(p, "mask");
        const struct token *m = syn_ahead(p, at);
        if (masked && n.len == 128 && addr_is_v4(&n.a) && netmask(m, syn_text(p, m), &len)) {
            n.len = (uint8_t)(96 + len);
            n.a = addr_mask(&n.a, n.len);
            p->at += at + 1;
        }
        add_net(s, n, out);
        return true;
    }
    if (strspn(t, "0123456789.:/abcdefABCDEF") >= k->len && strpbrk(t, ".:/") != NULL &&
        strpbrk(t, ".:/") < t + k->len)
        syn_fail(p, ERR_SYNTAX, k, "not an address or network: 10.1.2.3, 10.1/16, 2001:db8::/32");
    else if (f->type == FIELD_EXPORTER)
        return syn_exporter_name(p, names, out);
    else
        return syn_host_name(p, s, out);
    return false;
}

static struct expr *map_leaf(struct syntax *p, const struct value_alts *v, const void *what)
{
    struct expr *x = expr_new(EXPR_NET);

    if (x == NULL)
        return tree_oom(p);
    x->value = *v;
    x->map = what;
    x->want = 1;
    return x;
}

/* "in group NAME": the addresses of a group. Printed as it is written. */
static struct expr *in_group(struct syntax *p, const struct field *f, const struct sides *s)
{
    const struct addr_map *map;
    const struct token *k = syn_tok(p);
    struct leaf_maker m = { map_leaf, NULL };
    struct expr *x;
    char name[160], side[8] = "";

    if (!syn_group_nets(p, &map))
        return NULL;
    m.what = map;
    if ((x = tree_sided(p, f, s, false, &m)) == NULL)
        return NULL;
    if (s->side == SIDE_SRC || s->side == SIDE_DST || s->side == SIDE_BOTH ||
        s->side >= SIDE_CLIENT)
        (void)snprintf(side, sizeof side, "%s",
                       s->side == SIDE_SRC      ? "src "
                       : s->side == SIDE_DST    ? "dst "
                       : s->side == SIDE_BOTH   ? "both "
                       : s->side == SIDE_CLIENT ? "client "
                                                : "server ");
    (void)snprintf(name, sizeof name, "%s%.*s in group \"%.*s\"", side, (int)strcspn(f->words, "|"),
                   f->words, (int)MIN(k->len, 100u), syn_text(p, k));
    free(x->pattern);
    x->pattern = strdup(name);
    x->pattern_len = strlen(name);
    x->form = FORM_NAMED;
    if (x->pattern != NULL)
        return x;
    expr_free(x);
    return tree_oom(p);
}

struct expr *syn_addr_term(struct syntax *p, const struct field *f, const struct sides *s)
{
    struct netset nets = { 0 };
    struct numset names = { 0 };
    struct leaf_maker m = { leaf_net, &nets };
    struct expr *x = NULL;
    const struct token *k = syn_tok(p);
    bool negate = false;

    if (syn_word(p, "in") || k->type == TOK_LIST) {
        size_t from;
        if (syn_word(p, "group"))
            return in_group(p, f, s);
        if (!syn_list_begins(p))
            return NULL;
        from = p->at;
        while (syn_list_goes_on(p))
            (void)net_value(p, f, &nets, &names, syn_type(p, TOK_NOT), false);
        (void)syn_list_ends(p, from);
        if (p->rc == ERR_OK && nets.count > 0 && names.n_not > 0)
            syn_fail(p, ERR_UNSUPPORTED, k,
                     "not yet: an exporter's name as an exception beside addresses");
    } else {
        uint8_t comp = syn_comparison(p);
        negate = comp == TOK_NE;
        if (comp == TOK_MATCH || comp == TOK_NO_MATCH)
            syn_fail(p, ERR_SYNTAX, k,
                     "a pattern fits names only: name ~ /web/, exporter name ~ /fra/");
        else if (comp != TOK_END && comp != TOK_EQ && comp != TOK_NE)
            syn_fail(p, ERR_SYNTAX, k, "addresses are compared with = and !=, networks, or A..B");
        else
            (void)net_value(p, f, &nets, &names, false, f->type == FIELD_NET);
    }
    if (p->rc == ERR_OK) {
        nets_done(&nets);
        numset_done(&names);
        if (nets.count > 0 || names.n == 0)
            x = tree_sided(p, f, s, negate && names.n == 0, &m);
        if (p->rc == ERR_OK && names.n > 0)
            x = syn_exporter_names(p, x, &names);
        if (negate && names.n > 0)
            x = tree_not(p, x);
    }
    free(nets.n);
    numset_free(&names);
    return x;
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

struct expr *syn_mac_term(struct syntax *p, const struct field *f, const struct sides *s)
{
    struct numset set = { 0 };
    struct leaf_maker m = { leaf_range, &set };
    struct expr *x = NULL;
    bool list = syn_word(p, "in");
    size_t from;

    if (list) {
        if (!syn_list_begins(p))
            return NULL;
    } else {
        uint8_t comp = syn_comparison(p);
        set.negate = comp == TOK_NE;
        if (comp != TOK_END && comp != TOK_EQ && comp != TOK_NE)
            syn_fail(p, ERR_SYNTAX, syn_tok(p), "MAC addresses are compared with = and !=");
    }
    from = p->at;
    while (p->rc == ERR_OK && (list ? syn_list_goes_on(p) : p->at == from)) {
        bool out = list && syn_type(p, TOK_NOT);
        const struct token *k = syn_tok(p);
        uint64_t mac;
        if (k->type != TOK_WORD || !mac_parse(syn_text(p, k), k->len, &mac)) {
            syn_fail(p, ERR_SYNTAX, k, "a MAC address is expected: 00:11:22:33:44:55");
            break;
        }
        numset_add(&set, mac, mac, out);
        p->at++;
    }
    if (p->rc == ERR_OK && (!list || syn_list_ends(p, from))) {
        numset_done(&set);
        x = tree_sided(p, f, s, set.negate, &m);
    }
    numset_free(&set);
    return x;
}
