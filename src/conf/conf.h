/* conf/conf.h - the configuration: one YAML file plus options of the command line, against the
 * table gen/options.h. Floor 2. Reads no file itself: the text is given. libyaml is used at the
 * level of its events, because every value keeps the line it came from and every complaint names
 * line and column; a schema binding over it (libcyaml) reports neither for values.
 *
 * A struct conf is immutable once made and counted by references: a reload makes a new one, and
 * whoever holds the old one keeps it as long as wanted. Any thread may read it. */
#ifndef WEIR_CONF_CONF_H
#define WEIR_CONF_CONF_H

#include "base/err.h"
#include "gen/options.h"

#define CONF_TEXT_MAX (1u << 20) /* octets of a configuration file */
#define CONF_LIST_MAX 4096u      /* items of one list */

enum conf_source { CONF_DEFAULT, CONF_FILE, CONF_COMMAND_LINE };

struct conf_value {
    char *text;   /* as given; lists: items joined by one space */
    uint64_t num; /* UINT; SIZE in octets; DURATION in ms; BOOL 0/1; ENUM: index of the word */
    char **item;  /* LIST */
    size_t n_items;
    uint32_t line;  /* CONF_FILE: where, from 1 */
    uint8_t source; /* enum conf_source */
};

struct conf {
    _Atomic uint32_t refs;
    char *path; /* of the file; "" when there is none */
    struct conf_value v[OPT_N];
};

/* One option of the command line. Lists: the option may stand several times, or hold several items
 * separated by commas or blanks. */
struct conf_setting {
    enum opt opt;
    const char *text;
};

/* Defaults, then the file's text (may be NULL), then the command line; every value checked. `path`
 * is only for messages and for `config show`. The caller owns one reference of *out. Errors:
 * ERR_SYNTAX (not YAML, unknown option, set twice; message begins with path:line:column), ERR_ARG
 * (value refused: option, value and what is allowed), ERR_NOMEM. */
int conf_make(struct conf **out, const char *path, const char *text, size_t len,
              const struct conf_setting *set, size_t n_set, struct err *e) WARN_UNUSED;
struct conf *conf_ref(struct conf *c);
void conf_unref(struct conf *c); /* NULL is allowed */

static inline uint64_t conf_num(const struct conf *c, enum opt o)
{
    return c->v[o].num;
}
static inline const char *conf_text(const struct conf *c, enum opt o)
{
    return c->v[o].text;
}

/* The option of that name, or OPT_N. */
enum opt conf_find(const char *name, size_t len);
/* The option whose name is closest, or NULL. */
const char *conf_nearest(const char *name, size_t len);
/* "default", "FILE:LINE" or "command line" into out; returns out. */
const char *conf_source_text(const struct conf *c, enum opt o, char *out, size_t cap);

/* A number with a unit: sizes in octets (K M G T P are powers of 1024), durations in ms (ms s m h d
 * w; seconds without a unit), plain numbers (k M G are powers of 1000). False when it is not one.
 */
bool conf_parse_number(enum opt_type type, const char *s, uint64_t *out);

#endif
