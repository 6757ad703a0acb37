/* query/syntax.h - what the files of the parser share: tokens, the cursor, fields and words.
 * Floor 4. Only for src/query. */
#ifndef WEIR_QUERY_SYNTAX_H
#define WEIR_QUERY_SYNTAX_H

#include "flow/word.h"
#include "query/parse.h"

#define SYNTAX_MAX_DEPTH 200u    /* brackets in brackets */
#define SYNTAX_MAX_NODES 100000u /* tests in one filter */

enum token_type {
    TOK_END,
    TOK_WORD,  /* letters digits . _ : / - + @ and everything beyond ASCII */
    TOK_TEXT,  /* "…" or '…'; pos, len are those of the content */
    TOK_REGEX, /* between the slashes */
    TOK_OPEN,
    TOK_CLOSE,
    TOK_LIST,
    TOK_LIST_END,
    TOK_COMMA,
    TOK_SEMICOLON,
    TOK_SLASH,
    TOK_PIPE,
    TOK_AND,
    TOK_OR,
    TOK_XOR,
    TOK_NOT,
    TOK_EQ,
    TOK_NE,
    TOK_LT,
    TOK_LE,
    TOK_GT,
    TOK_GE,
    TOK_MATCH,
    TOK_NO_MATCH,
};

struct token {
    uint8_t type; /* enum token_type */
    bool glued;   /* no space before it */
    uint32_t pos, len;
};

struct tokens {
    const char *s; /* the text; borrowed, ends with NUL */
    size_t len;
    struct token *tok; /* owned; last one is TOK_END */
    size_t n;
};
/* Errors: ERR_SYNTAX (open quote, strange character), ERR_LIMIT, ERR_NOMEM. */
int tokens_make(struct tokens *out, const char *s, struct err *e) WARN_UNUSED;
void tokens_free(struct tokens *t);

/* A cursor over tokens. Functions of the parser return NULL, false or a code after an error was
 * set. */
struct syntax {
    struct tokens t;
    size_t at;
    unsigned depth;
    uint32_t nodes;
    bool negated; /* an odd number of "not" stands before the term, brackets included */
    int rc;       /* ERR_OK until something failed */
    struct err *e;
    int64_t now_ms;
    const struct zone *zone;
    const char *tz;
    const struct defs *defs; /* today's definitions; never NULL while terms are read */
    struct plan *plan;       /* terms of "having" name its measures; NULL in a filter */
};

const struct token *syn_tok(const struct syntax *p);             /* the current one */
const struct token *syn_ahead(const struct syntax *p, size_t n); /* n further */
bool syn_is(const struct syntax *p, const char *word); /* current is this word, case ignored */
bool syn_is_at(const struct syntax *p, size_t n, const char *word);
bool syn_word(struct syntax *p, const char *word);     /* and step over it */
bool syn_type(struct syntax *p, enum token_type type); /* step over a token of that type */
const char *syn_text(const struct syntax *p, const struct token *k);

/* Set an error at a token; keeps the first. */
void syn_fail(struct syntax *p, int code, const struct token *k, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
/* The same over everything from token index `from` to the one before the cursor. */
void syn_fail_from(struct syntax *p, int code, size_t from, const char *fmt, ...) PRINTF_LIKE(4, 5);

/* query/filter.c: "terms joined" until a token that cannot continue it. NULL after an error. */
struct expr *syn_filter(struct syntax *p);
/* query/term.c: one term, without brackets and operators. */
enum side { SIDE_NONE, SIDE_SRC, SIDE_DST, SIDE_BOTH, SIDE_CLIENT, SIDE_SERVER };
enum io { IO_NONE, IO_IN, IO_OUT };
struct sides {
    uint8_t side; /* enum side */
    bool either;  /* written out: "either", "src or dst" */
    uint8_t io;   /* enum io */
    bool raw;
    size_t from; /* token index of the first word */
};
struct expr *syn_term(struct syntax *p, const struct sides *outer);
/* Side words at the cursor; false after an error. Leaves the cursor behind them. */
bool syn_sides(struct syntax *p, struct sides *s);

/* ---- fields ---- */
enum field_type {
    FIELD_NUM,
    FIELD_PORT,
    FIELD_PORTRANGE, /* tcpdump's: portrange 6000-6063 */
    FIELD_LESS,      /* tcpdump's, of a packet's length: the mean length of a record's packets */
    FIELD_GREATER,
    FIELD_PROTO,
    FIELD_ADDR,
    FIELD_NET,
    FIELD_FLAGS,
    FIELD_VOLUME,
    FIELD_BITS,
    FIELD_DURATION,
    FIELD_LATENCY,
    FIELD_MAC,
    FIELD_TOS,
    FIELD_DSCP,
    FIELD_MPLS_LABEL,
    FIELD_MPLS_EXP,
    FIELD_MPLS_EOS,
    FIELD_ICMP,
    FIELD_DIR,
    FIELD_FWD,
    FIELD_SAMPLING,
    FIELD_ASA_EVENT,
    FIELD_ASA_DENIED,
    FIELD_NAT_EVENT,
    FIELD_TIME,
    FIELD_AT,
    FIELD_HOUR,
    FIELD_WEEKDAY,
    FIELD_PAYLOAD,
    FIELD_PAYLOAD_REGEX,
    FIELD_IE,
    FIELD_EXPORTER,
    FIELD_VERSION,
    FIELD_COUNTRY,
    FIELD_AS_NAME,
    FIELD_SERVICE,
    FIELD_APP,
    FIELD_GROUP,
    FIELD_NAME,
    FIELD_WORD,      /* of the definitions, one for each record or interface */
    FIELD_INSIDE,    /* bare; max: 1 = internal, 0 = external */
    FIELD_DIRECTION, /* bare; max: enum def_word */
    FIELD_IF,        /* a number, or a name */
    FIELD_SESSION,   /* of stitched sessions: a number */
    FIELD_SESSION_STATE,
    FIELD_LATER,
    FIELD_REFUSED,
};
enum field_axis {
    AXIS_NONE,   /* one value */
    AXIS_SIDE,   /* src, dst */
    AXIS_IO,     /* in, out; nothing = either */
    AXIS_IO_ONE, /* in, out; nothing = in */
    AXIS_TOS,    /* src, dst or in, out; nothing = src */
    AXIS_VLAN,   /* src, dst or in, out; nothing = either */
    AXIS_MAC,    /* in, out and src, dst */
};
struct field {
    const char *words; /* "dst port"-less name; alternatives separated by '|', first = printed */
    uint8_t type;      /* enum field_type */
    uint8_t axis;      /* enum field_axis */
    uint64_t max;      /* largest number */
    struct value_alts v[4]; /* by axis: src dst, in out, in-src in-dst out-src out-dst */
    const char *hint;       /* FIELD_LATER: what comes later; FIELD_REFUSED: message */
};
extern const struct field field_table[];
extern const size_t field_count;

/* The field whose words stand at the cursor (longest wins); steps over them. NULL: none, cursor
 * kept. */
const struct field *syn_field(struct syntax *p);
/* "ie(NAME)[2]" behind the word ie. */
bool syn_ie(struct syntax *p, struct value *v);
/* Values of a field that the sides choose, n of them; 0 after an error. either = one of them is
 * enough. */
size_t syn_values(struct syntax *p, const struct field *f, const struct sides *s,
                  struct value_alts out[4]);
/* Printed name of a value: "src port", "bytes", "ie(ipTTL)[2]". Returns the field or NULL. */
const struct field *field_name(const struct value_alts *v, char *out, size_t cap);

/* ---- words ---- */
extern const struct word_number words_state[5]; /* of enum session_state */
extern const struct word_number words_dscp[], words_fwd[], words_sampling[], words_weekday[];
extern const size_t words_dscp_n, words_fwd_n, words_sampling_n;
/* Nearest of a list by edit distance, or NULL. Alternatives inside one entry are separated by '|'.
 */
struct nearest {
    const char *s;
    size_t len;
    unsigned best;
    char word[64];
};
void nearest_try(struct nearest *n, const char *words);
/* Nearest word that may begin a term; "" if none. */
void nearest_term(struct nearest *n);

/* 1.5k, 0x1f, 10Mb: `bits` 1 = the field counts bits, 0 = octets, -1 = no unit allowed.
 * NULL on success, else what is wrong. */
const char *number_parse(uint64_t *out, const char *s, size_t len, int bits);

/* query/time.c: first moments of the month that a wall time lies in, and of the next. */
void month_around(int64_t local_ms, int64_t *start_ms, int64_t *next_ms);

/* query/group_term.c: what a key or column `group` needs of groups that are more than addresses. */
bool syn_mixed_groups(struct syntax *p, struct plan *plan);

/* query/key.c */
bool syn_key(struct syntax *p, struct key *k);
bool syn_measure(struct syntax *p, struct measure *m);
/* query/check.c: a "having" tree, measures by name. */
void query_having_text(struct buf *out, const struct expr *x, const struct plan *plan);
void key_names(struct buf *out);

#endif
