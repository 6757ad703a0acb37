/* query/term.h - what the files share that read one term: sets of numbers and networks, trees of
 * tests, and one reader for each kind of value. Floor 4. Only for the parser.
 * Functions that make a tree return NULL after an error was set in the cursor. */
#ifndef WEIR_QUERY_TERM_H
#define WEIR_QUERY_TERM_H

#include "query/syntax.h"

/* Numbers that a term asks for, before they meet a value: sorted and disjoint once numset_done()
 * ran. */
struct numset {
    struct num_range *r; /* owned */
    uint32_t n, n_not;
    struct num_range *r_not; /* exceptions, owned */
    bool negate;             /* != */
    bool bad;                /* memory was short */
};
void numset_add(struct numset *s, uint64_t lo, uint64_t hi, bool out);
void numset_done(struct numset *s); /* sort, merge, and take the exceptions out */
void numset_free(struct numset *s);

/* Networks that a term asks for. */
struct netset {
    struct net_item *n; /* owned */
    uint32_t count;
    bool bad;
};
void netset_add(struct netset *s, struct net n, bool out);

/* ---- query/tree.c: nodes. What is handed in is owned by the node, also after an error. */
struct expr *tree_oom(struct syntax *p); /* NULL, and the error set */
struct expr *tree_constant(struct syntax *p, bool yes);
struct expr *tree_not(struct syntax *p, struct expr *x);
struct expr *tree_pair(struct syntax *p, enum expr_op op, struct expr *a, struct expr *b);
struct expr *tree_range(struct syntax *p, const struct value_alts *v, const struct numset *s);
struct expr *tree_range1(struct syntax *p, const struct value_alts *v, uint64_t lo, uint64_t hi);

/* A leaf for every value that the sides choose: make() is called once for each. */
struct leaf_maker {
    struct expr *(*make)(struct syntax *p, const struct value_alts *v, const void *what);
    const void *what;
};
struct expr *tree_sided(struct syntax *p, const struct field *f, const struct sides *s, bool negate,
                        const struct leaf_maker *m);

struct expr *leaf_range(struct syntax *p, const struct value_alts *v,
                        const void *what); /* a numset */
struct expr *leaf_net(struct syntax *p, const struct value_alts *v,
                      const void *what); /* a netset */

/* ---- query/compare.c: comparisons, lists and ranges of numbers */
uint8_t syn_comparison(struct syntax *p); /* enum token_type; TOK_END = none is written */
/* A value or A..B at the cursor, into the set. hour and weekday wrap around. */
bool syn_item(struct syntax *p, const struct field *f, struct numset *set, bool out);
/* What may stand behind "in" besides a list is refused by name. True = a list begins (stepped
 * over). */
bool syn_list_begins(struct syntax *p);
bool syn_list_goes_on(struct syntax *p);
bool syn_list_ends(struct syntax *p, size_t from);
struct expr *syn_number_term(struct syntax *p, const struct field *f, const struct sides *s);
/* A country, or a list of them; codes that are keywords (IN, OR, NE) are safe here. */
struct expr *syn_country_term(struct syntax *p, const struct field *f, const struct sides *s);
/* query/service.c: behind "service", or "port" where a name stands. */
struct expr *syn_service_term(struct syntax *p, const struct sides *s);
struct expr *syn_latency_term(struct syntax *p, const struct field *f);
struct expr *syn_tcpdump_term(struct syntax *p, const struct field *f, const struct sides *s);
struct expr *syn_mpls_exp_term(struct syntax *p, const struct field *f);
struct expr *syn_mpls_eos_term(struct syntax *p, const struct field *f);

/* ---- query/defined.c, group_term.c: what is defined (meta/defs.h) */
struct expr *syn_group_term(struct syntax *p, const struct field *f, const struct sides *s);
struct expr *syn_any_group(struct syntax *p, const struct field *f, const struct sides *s,
                           bool absent);
struct expr *syn_word_term(struct syntax *p, const struct field *f, const struct sides *s);
struct expr *syn_name_term(struct syntax *p, const struct field *f, const struct sides *s);
struct expr *syn_inside_term(struct syntax *p, const struct field *f, const struct sides *s);
struct expr *syn_direction_term(struct syntax *p, const struct field *f, const struct sides *s);
/* Does the name of an interface follow, or a pattern, and no number? */
bool syn_if_named(struct syntax *p);
struct expr *syn_if_name_term(struct syntax *p, const struct field *f, const struct sides *s);
/* "group NAME" in place of a list, the cursor on the name: its addresses, its numbers of the
 * field's kind. False after an error. */
bool syn_group_nets(struct syntax *p, const struct addr_map **map);
bool syn_group_numbers(struct syntax *p, const struct field *f, struct numset *set);
/* A friendly name at the cursor as its networks; an exporter's as its word. */
bool syn_host_name(struct syntax *p, struct netset *to, bool out);
bool syn_exporter_name(struct syntax *p, struct numset *to, bool out);
/* Exporters by those words, or else by `nets` (may be NULL; taken). */
struct expr *syn_exporter_names(struct syntax *p, struct expr *nets, const struct numset *names);

/* ---- query/text.c */
/* The content of a word or text token, escapes resolved; owned by the caller. NULL after an error.
 */
char *syn_text_value(struct syntax *p, const struct token *k, size_t *len);
/* A pattern at the cursor, compiled (pcre2_code); steps over it. NULL after an error. */
void *syn_pattern(struct syntax *p);

/* ---- query/address.c, flags.c, text.c: everything behind a field of that kind */
struct expr *syn_addr_term(struct syntax *p, const struct field *f, const struct sides *s);
struct expr *syn_mac_term(struct syntax *p, const struct field *f, const struct sides *s);
struct expr *syn_flags_term(struct syntax *p, const struct field *f, const struct sides *s);
/* op: what a plain comparison means for this text */
struct expr *syn_text_term(struct syntax *p, const struct field *f, const struct sides *s,
                           enum expr_op op);

#endif
