/* query/expr.h - a filter as understood: a tree of tests on single values, all sides resolved.
 * Floor 4. Made by parse (query/parse.h), run by exec. The parser turns words, sides, lists and
 * units into these few forms; exec knows no words.
 *
 * Absent numbers read as 0, absent addresses as ::, absent text as "" (QUERY.md section 3);
 * EXPR_EXISTS tells them apart. */
#ifndef WEIR_QUERY_EXPR_H
#define WEIR_QUERY_EXPR_H

#include "flow/addr_map.h"
#include "flow/rowset.h"

/* Values computed from columns. All volumes are scaled by the row's sampling rate (rate 0 counts as
 * 1); the RAW_ twins are as exported. Integer arithmetic; of zero duration bps and pps are 0. */
enum calc {
    CALC_BYTES,
    CALC_PACKETS, /* forward direction */
    CALC_OUT_BYTES,
    CALC_OUT_PACKETS, /* reverse of a biflow, else post-… counters */
    CALC_BPS,
    CALC_PPS,
    CALC_BPP, /* 8000*bytes/duration_ms, 1000*packets/duration_ms, bytes/packets */
    CALC_RAW_BYTES,
    CALC_RAW_PACKETS,
    CALC_RAW_OUT_BYTES,
    CALC_RAW_OUT_PACKETS,
    CALC_RAW_BPS,
    CALC_RAW_PPS,
    CALC_FLOWS, /* 1 per record */
    CALC_DURATION_MS,
    CALC_HOUR,
    CALC_WEEKDAY,
    CALC_DAY, /* of start, in the query's zone; Monday = 1; day = days since 1970 */
    CALC_ICMP_TYPE,
    CALC_ICMP_CODE,  /* from dst_port or the ICMP elements; 0 for other protocols */
    CALC_IS_ICMP,    /* proto 1 or 58 */
    CALC_IP_VERSION, /* 4, 6, 0 = no addresses */
    CALC_SAMPLING,   /* rate: one packet of so many; 0 = not known */
    CALC_EXPORTER_DOMAIN,
    CALC_EXPORTER_VERSION,
    CALC_ENGINE_TYPE,
    CALC_ENGINE_ID,
    /* of an address: query/geo.c. The order matters there: src and dst alternate */
    CALC_SRC_AS, /* exported or looked up, see enum geo_as_source */
    CALC_DST_AS,
    CALC_SRC_COUNTRY, /* GEO_LETTERS; 0 = not known */
    CALC_DST_COUNTRY,
    CALC_SRC_AS_NAME, /* leaves of text only: the name of that AS number */
    CALC_DST_AS_NAME,
    CALC_APP,     /* query/app.c; a text */
    CALC_SERVICE, /* query/service.h */
    CALC_N
};

/* What today's definitions say of a record (meta/defs.h): words, 0 = none. Two in a row are the two
 * directions of a biflow. */
enum def_value {
    DEF_SRC_GROUP,
    DEF_DST_GROUP, /* several: text only, and a key of many values */
    DEF_SRC_NAME,
    DEF_DST_NAME,
    DEF_IN_BOUNDARY,
    DEF_OUT_BOUNDARY,
    DEF_IN_CONNECTIVITY,
    DEF_OUT_CONNECTIVITY,
    DEF_IN_PROVIDER,
    DEF_OUT_PROVIDER,
    DEF_IN_IF_NAME,
    DEF_OUT_IF_NAME,
    DEF_DIRECTION,
    DEF_DIRECTION_BACK,
    DEF_EXPORTER_NAME,
    DEF_SITE,
    DEF_ROLE,
    DEF_REGION,
    DEF_N
};

enum value_kind {
    VALUE_COL,      /* a column; u64 (address columns: an address) */
    VALUE_CALC,     /* enum calc; u64 */
    VALUE_EXPORTER, /* exporter's address; an address */
    VALUE_DEF,      /* enum def_value; text */
    VALUE_SESSION,  /* of a session (query/sessions.h), never of a record; calc says which */
    VALUE_ELEM,     /* an element as sent, typed by the dictionary: number, address, text, octets */
};

#define GEO_SIDES 4u /* AS and country, src and dst */
static inline bool calc_is_geo(unsigned calc)
{
    return calc >= CALC_SRC_AS && calc <= CALC_DST_AS_NAME;
}

struct value {
    uint8_t kind;       /* enum value_kind */
    uint8_t col;        /* VALUE_COL: enum col */
    uint8_t calc;       /* VALUE_CALC: enum calc; VALUE_DEF: enum def_value */
    uint8_t occurrence; /* VALUE_ELEM: 1 = first; 0 = any occurrence */
    uint32_t pen;       /* VALUE_ELEM */
    uint16_t id;
    uint8_t part_off,
        part_len; /* VALUE_ELEM: part_len > 0: the number in these octets of the value (network
                     order, 1..8; absent where the value is shorter); 0 = the whole value */
};

/* An element that several numbers may carry (old and new name of one fact): up to 4, first present
 * wins. */
struct value_alts {
    struct value v[4];
    uint8_t n;
};

enum expr_op {
    EXPR_CONST, /* yes */
    EXPR_NOT,   /* kid[0] */
    EXPR_AND,
    EXPR_OR,
    EXPR_XOR,     /* kids 0..n_kids-1 */
    EXPR_RANGE,   /* number (of VALUE_DEF: word) lies in one of the ranges */
    EXPR_MASK,    /* (number & mask) compared with want, see mask_any */
    EXPR_NET,     /* address: the most specific matching item decides; `out` items are exceptions */
    EXPR_TEXT,    /* text equals one of the strings (ignoring case) */
    EXPR_REGEX,   /* text matches (PCRE2, unanchored) */
    EXPR_OCTETS,  /* octets: contains (payload content) */
    EXPR_EXISTS,  /* the record was sent with this element (or one that fills this column) */
    EXPR_INSIDE,  /* value.v[0] lies in v[1]..v[2] of the same record, both included */
    EXPR_OVERLAP, /* record overlaps [lo, hi] in effective time (clause `at`) */
};

struct num_range {
    uint64_t lo, hi; /* both included; sorted, disjoint */
};
struct net_item {
    struct net n;
    bool out; /* written with ! in a list */
};

/* How a term of several leaves was written; for printing only, exec ignores it. */
enum expr_form {
    FORM_PLAIN,
    FORM_FLAGS,  /* AND (proto tcp, leaf on flags) */
    FORM_ICMP,   /* AND (is icmp, leaf on type or code) */
    FORM_CLIENT, /* OR (AND (answer, dst leaf), AND (NOT answer, src leaf)) */
    FORM_SERVER,
    FORM_NAMED,   /* `pattern` is how it was written, side included */
    FORM_LATENCY, /* kid[0]->kid[1] asks the element in ms, kid[1] its older pair, see compare.c */
};

struct expr {
    uint8_t op;   /* enum expr_op */
    uint8_t form; /* enum expr_form */
    bool yes; /* EXPR_CONST. EXPR_REGEX: on the octets as sent, not on their text. EXPR_MASK, for
                 printing only: written with a slash (flags S/SA) */
    bool mask_any;           /* EXPR_MASK: true: (v & mask) != 0; false: (v & mask) == want */
    struct value_alts value; /* leaves */
    struct expr **kid;       /* owned */
    uint32_t n_kids;
    struct num_range *range; /* EXPR_RANGE, owned */
    uint32_t n_ranges;
    uint64_t mask, want;
    struct net_item *net; /* EXPR_NET, owned; sorted by prefix length, longest first */
    uint32_t n_nets;
    /* EXPR_NET: instead of `net`: addresses of which this map says `want`. Borrowed from the plan's
     * definitions, or owned. */
    const struct addr_map *map;
    bool own_map;
    char **text; /* EXPR_TEXT, owned */
    uint32_t n_texts;
    void *regex;   /* EXPR_REGEX: pcre2_code, owned; compiled with a match limit */
    char *pattern; /* EXPR_REGEX, EXPR_OCTETS: as written, owned */
    size_t pattern_len;
    int64_t lo_ms, hi_ms; /* EXPR_OVERLAP */
    size_t pos, len;      /* where it stood in the text */
    /* for "matched host": which side an address leaf tests: 's' or 'd', 0 = neither */
    char side;
};

struct expr *expr_new(enum expr_op op); /* NULL when out of memory */
void expr_free(struct expr *x);         /* with all kids; NULL is allowed */

/* Append a kid. Takes ownership of `kid` in every case; false when out of memory or kid is NULL. */
bool expr_add(struct expr *x, struct expr *kid) WARN_UNUSED;
/* A deep copy, or NULL. A regular expression is copied too. */
struct expr *expr_copy(const struct expr *x);

#endif
