/* meta/defs.h - what is defined today, compiled for asking: groups, names, exporters, interfaces.
 * Floor 3. No I/O.
 *
 * Definitions are today's and apply to all of history (DESIGN section 4). A question pins the ones
 * it began with.
 *
 * A name is looked for in this order: what the user defined here, then what the configuration
 * says, then what the exporter told (flow/fact.h).
 *
 * Threads: a struct defs is immutable once made, and counted by references. */
#ifndef WEIR_META_DEFS_H
#define WEIR_META_DEFS_H

#include "flow/addr_map.h"
#include "flow/fact.h"
#include "flow/geo.h"
#include "flow/rate_rule.h"
#include "meta/doc.h"
#include "meta/item.h"

/* Texts are numbers: equal ones (ignoring case) are one, and 0 is none. The first few are fixed. */
enum def_word {
    WORD_NONE,
    WORD_INBOUND, /* from outside into the internal networks */
    WORD_OUTBOUND,
    WORD_INTERNAL, /* both ends inside */
    WORD_TRANSIT,  /* both outside */
    WORD_EXTERNAL,
    WORD_N
};

/* Which observation point counts a conversation: what the operator says of an interface. */
enum def_role { ROLE_UNSET, ROLE_EDGE, ROLE_INTERNAL, ROLE_IGNORE, ROLE_DISJOINT };

/* An exporter, or all observation domains of an address. */
struct def_exporter {
    struct addr addr;
    uint32_t domain;
    bool any_domain;
    uint32_t name, site, role, region; /* words */
    uint8_t as_source;                 /* 0 = not set; 1 exporter, 2 database, 3 both, 4 auto */
    uint8_t trusted;                   /* 0 = not set, 1 = yes, 2 = no */
};

/* What is known of one interface. */
struct def_class {
    uint32_t name, description, boundary, connectivity, provider; /* words */
    uint8_t role;                                                 /* enum def_role */
    uint64_t speed_bps;                                           /* 0 = not known */
};
struct def_interface {
    struct addr addr;
    uint32_t domain;
    bool any_domain;
    uint32_t index;
    struct def_class c;
};

struct def_rule {
    uint8_t on; /* 0 name, 1 description, 2 exporter */
    void *re;   /* pcre2_code, owned */
    const char *match;
    uint32_t order, boundary, connectivity, provider; /* but for order words */
    uint8_t role;
};

/* A group. Its nets are settled: members of groups inside it are among them. */
struct def_group {
    const char *name;
    const struct meta_row *row; /* kind, contact ...; NULL: one that Weir brings */
    struct item *item;          /* owned; of ITEM_GROUP lo is the group's number */
    uint32_t n_items;
    bool only_nets;      /* nothing but addresses decides, here and in groups inside */
    struct addr_map own; /* items of its own: 1 = in, 2 = an exception */
    struct addr_map net; /* only_nets: 1 = in */
};

struct defs {
    _Atomic uint32_t refs;
    struct meta_doc doc; /* what it was made of */
    char **word;
    uint32_t n_words;
    struct word_slot *slot; /* hash of words */
    uint32_t slot_mask;
    struct def_exporter *exporter; /* by address, those of one domain first */
    uint32_t n_exporters;
    struct rate_rules *rates;    /* owned: sampling of exporters; NULL: none */
    struct def_interface *iface; /* by address, index; those of one domain first */
    uint32_t n_ifaces;
    struct def_rule *rule;
    uint32_t n_rules;
    struct def_group *group; /* by name, ignoring case; users', then Weir's own */
    uint32_t n_groups, n_own;
    struct addr_map name;     /* of addresses and networks: words */
    struct geo_name *as_name; /* by number; texts of `doc` */
    uint32_t n_as_names;
    struct addr_map internal, external; /* 1 = yes */
    /* Groups of the user's of which only addresses decide: an address has set `sets`, which is
     * set_group[set_off[set]] .. set_group[set_off[set + 1] - 1]; set 0 is empty. */
    struct addr_map sets;
    uint32_t *set_off, *set_group;
    uint32_t n_sets;
    bool roles, role_ignore; /* some interface may have a role; may be ignored */
};

/* Compile. `doc` is taken over, also on failure. Errors: ERR_ARG (a member, a pattern, a name that
 * is not there, a cycle: what and where), ERR_LIMIT, ERR_NOMEM. */
int defs_make(struct defs **out, struct meta_doc *doc, struct err *e) WARN_UNUSED;
/* Those of somebody who defined nothing: Weir's own groups, the internal networks of RFC 1918, RFC
 * 4193 and link-local. Errors: ERR_NOMEM. */
int defs_default(struct defs **out, struct err *e) WARN_UNUSED;
struct defs *defs_ref(struct defs *d);
void defs_unref(struct defs *d); /* NULL is allowed */

/* "" for 0. */
const char *defs_word(const struct defs *d, uint32_t word);
/* 0 = nothing has this text. */
uint32_t defs_word_find(const struct defs *d, const char *s, size_t len);
/* Number of a group by name, or -1. */
int64_t defs_group(const struct defs *d, const char *name, size_t len);
/* What is said of an exporter; NULL: nothing. */
const struct def_exporter *defs_exporter(const struct defs *d, const struct exporter_key *x);
/* What is known of an interface: the user's definition, then the rules; they see names of the
 * definition, then those that the exporter told last (`wire`, may be NULL). */
void defs_interface(const struct defs *d, const struct exporter_key *x, uint32_t index,
                    const struct fact_table *wire, struct def_class *out);
/* The first rule that matches these names, or NULL. */
const struct def_rule *defs_classify(const struct defs *d, const char *exporter, const char *name,
                                     const char *description);

/* Error for a name that is not there, with the nearest one. */
enum def_names { DEF_NAMES_GROUP, DEF_NAMES_HOST, DEF_NAMES_EXPORTER, DEF_NAMES_IF };
/* Writes "no such group: x; did you mean y?" into out. */
void defs_unknown(const struct defs *d, enum def_names what, const char *s, size_t len, char *out,
                  size_t cap);

#endif
