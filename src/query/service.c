/* Services: a port of a protocol by name. As a filter they are ports and protocols like any others;
 * as a key a record has one: see service_of(). */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "gen/services.h"
#include "query/service.h"
#include "query/term.h"

/* First row of the table that does not lie before (proto, port). */
static size_t place(uint8_t proto, uint16_t port)
{
    size_t lo = 0, hi = service_count;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        const struct service *x = &service_table[mid];
        if (x->proto != proto ? x->proto < proto : x->port < port)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static const struct service *named(uint8_t proto, uint16_t port)
{
    const struct service *x = &service_table[place(proto, port)];

    return x < service_table + service_count && x->proto == proto && x->port == port ? x : NULL;
}

#define NAMED (UINT32_C(1) << 24) /* else protocol << 16 | port */

static bool has_ports(uint64_t proto)
{
    return proto == 6 || proto == 17 || proto == 33 || proto == 132;
}

uint32_t service_of(uint64_t proto, uint64_t src_port, uint64_t dst_port)
{
    uint16_t lo = (uint16_t)MIN(src_port, dst_port), hi = (uint16_t)MAX(src_port, dst_port);
    const struct service *x;

    if (!has_ports(proto))
        return (uint32_t)(proto & 255) << 16;
    x = named((uint8_t)proto, lo);
    if (x == NULL)
        x = named((uint8_t)proto, hi);
    return x != NULL ? NAMED | x->first : (uint32_t)proto << 16 | lo;
}

void service_text(uint32_t service, char *out, size_t cap)
{
    const char *word = NULL;
    char number[16];

    if ((service & NAMED) != 0) {
        (void)snprintf(out, cap, "%s", service_table[service & 0xffff].name);
        return;
    }
    word = word_of(words_proto, words_proto_n, service >> 16);
    (void)snprintf(number, sizeof number, "proto %u", service >> 16);
    (void)snprintf(out, cap, has_ports(service >> 16) ? "%s/%u" : "%s",
                   word != NULL ? word : number, service & 65535);
}

/* ------------------------------------------------------------------ terms */

/* Bit per port of the three protocols that have names. */
struct ports {
    struct numset set[3];
};
static const uint8_t protos[3] = { 6, 17, 132 };

static bool add_name(struct syntax *p, struct ports *x)
{
    const struct token *k = syn_tok(p);
    const char *s = syn_text(p, k);
    struct nearest near = { .s = s, .len = k->len, .best = 99 };
    bool found = false;

    for (size_t i = 0; k->type == TOK_WORD && i < service_count; i++) {
        const struct service *v = &service_table[i];
        nearest_try(&near, v->name);
        if (strlen(v->name) != k->len || strncasecmp(v->name, s, k->len) != 0)
            continue;
        for (unsigned n = 0; n < 3; n++)
            if (protos[n] == v->proto)
                numset_add(&x->set[n], v->port, v->port, false);
        found = true;
    }
    if (!found)
        syn_fail(p, ERR_SYNTAX, k,
                 near.word[0] != '\0' ? "no service has this name; did you mean %s?"
                                      : "the name of a service is expected: ssh, https, dns%s",
                 near.word);
    else
        p->at++;
    return found;
}

/* One test for each protocol: that, and one of its ports. */
static struct expr *tests(struct syntax *p, const struct sides *s, struct ports *x)
{
    static const struct value_alts proto = { .v = { { .kind = VALUE_COL, .col = COL_PROTO } },
                                             .n = 1 };
    static const struct field port = {
        .words = "port",
        .type = FIELD_PORT,
        .axis = AXIS_SIDE,
        .max = 65535,
        .v = { { .v = { { .kind = VALUE_COL, .col = COL_SRC_PORT } }, .n = 1 },
               { .v = { { .kind = VALUE_COL, .col = COL_DST_PORT } }, .n = 1 } }
    };
    struct expr *all = NULL, *one;

    for (unsigned n = 0; n < 3 && p->rc == ERR_OK; n++) {
        struct leaf_maker m = { leaf_range, &x->set[n] };
        numset_done(&x->set[n]);
        if (x->set[n].n == 0)
            continue;
        one = tree_pair(p, EXPR_AND, tree_range1(p, &proto, protos[n], protos[n]),
                        tree_sided(p, &port, s, false, &m));
        all = all == NULL ? one : tree_pair(p, EXPR_OR, all, one);
    }
    return all;
}

struct expr *syn_service_term(struct syntax *p, const struct sides *s)
{
    struct ports x = { .set = { { .n = 0 } } };
    struct expr *e = NULL;
    bool not = syn_tok(p)->type == TOK_NE, ok;

    if (syn_tok(p)->type == TOK_MATCH || syn_tok(p)->type == TOK_NO_MATCH) {
        syn_fail(p, ERR_UNSUPPORTED, syn_tok(p), "not yet: patterns of services");
        return NULL;
    }
    if (not || syn_tok(p)->type == TOK_EQ)
        p->at++;
    if (syn_word(p, "in") || syn_tok(p)->type == TOK_LIST) {
        size_t from;
        if (!syn_list_begins(p))
            return NULL;
        from = p->at;
        while (syn_list_goes_on(p) && add_name(p, &x))
            ;
        ok = syn_list_ends(p, from);
    } else {
        ok = add_name(p, &x);
    }
    if (ok)
        e = tests(p, s, &x);
    for (unsigned n = 0; n < 3; n++)
        numset_free(&x.set[n]);
    return not &&e != NULL ? tree_not(p, e) : e;
}
