#include "conf/conf.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/near.h"
#include "conf/internal.h"

struct unit {
    const char *name;
    uint64_t factor;
};
static const struct unit size_units[] = { { "", 1 },           { "K", 1u << 10 },
                                          { "M", 1u << 20 },   { "G", 1u << 30 },
                                          { "T", 1ull << 40 }, { "P", 1ull << 50 } };
static const struct unit time_units[] = { { "", 1000 },      { "ms", 1 },      { "s", 1000 },
                                          { "m", 60000 },    { "h", 3600000 }, { "d", 86400000 },
                                          { "w", 604800000 } };
static const struct unit count_units[] = {
    { "", 1 }, { "k", 1000 }, { "M", 1000000 }, { "G", 1000000000 }
};

static const char *const type_help[] = {
    [OPT_TYPE_BOOL] = "yes or no",
    [OPT_TYPE_UINT] = "a whole number",
    [OPT_TYPE_SIZE] = "a size such as 64M or 2G",
    [OPT_TYPE_DURATION] = "a duration such as 30s, 5m, 1h or 7d",
    [OPT_TYPE_TEXT] = "a text",
    [OPT_TYPE_ENUM] = "a word",
    [OPT_TYPE_LIST] = "a list",
};

bool conf_parse_number(enum opt_type type, const char *s, uint64_t *out)
{
    const struct unit *u = type == OPT_TYPE_SIZE       ? size_units
                           : type == OPT_TYPE_DURATION ? time_units
                                                       : count_units;
    size_t n = type == OPT_TYPE_SIZE       ? ARRAY_LEN(size_units)
               : type == OPT_TYPE_DURATION ? ARRAY_LEN(time_units)
                                           : ARRAY_LEN(count_units);
    uint64_t v = 0;
    const char *p = s;

    for (; *p >= '0' && *p <= '9'; p++) {
        if (v > (UINT64_MAX - 9) / 10)
            return false;
        v = v * 10 + (uint64_t)(*p - '0');
    }
    if (p == s)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(p, u[i].name) != 0)
            continue;
        if (v > UINT64_MAX / u[i].factor)
            return false;
        *out = v * u[i].factor;
        return true;
    }
    return false;
}

enum opt conf_find(const char *name, size_t len)
{
    for (size_t o = 0; o < OPT_N; o++)
        if (strlen(opt_info[o].name) == len && memcmp(opt_info[o].name, name, len) == 0)
            return (enum opt)o;
    return OPT_N;
}

const char *conf_nearest(const char *name, size_t len)
{
    const char *all[OPT_N];

    for (size_t o = 0; o < OPT_N; o++)
        all[o] = opt_info[o].name;
    return near_word(name, len, all, OPT_N);
}

static void value_clear(struct conf_value *v)
{
    for (size_t i = 0; i < v->n_items; i++)
        free(v->item[i]);
    free(v->item);
    free(v->text);
    *v = (struct conf_value){ 0 };
}

struct conf *conf_ref(struct conf *c)
{
    (void)atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

void conf_unref(struct conf *c)
{
    if (c == NULL || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t o = 0; o < OPT_N; o++)
        value_clear(&c->v[o]);
    free(c->path);
    free(c);
}

const char *conf_source_text(const struct conf *c, enum opt o, char *out, size_t cap)
{
    switch ((enum conf_source)c->v[o].source) {
    case CONF_DEFAULT:
        (void)snprintf(out, cap, "default");
        break;
    case CONF_FILE:
        (void)snprintf(out, cap, "%s:%u", c->path, c->v[o].line);
        break;
    case CONF_COMMAND_LINE:
        (void)snprintf(out, cap, "command line");
        break;
    }
    return out;
}

static bool parse_bool(const char *s, uint64_t *out)
{
    static const char *const words[2][4] = { { "no", "false", "off", "0" },
                                             { "yes", "true", "on", "1" } };

    for (unsigned v = 0; v < 2; v++)
        for (unsigned i = 0; i < 4; i++)
            if (strcmp(s, words[v][i]) == 0) {
                *out = v;
                return true;
            }
    return false;
}

static bool parse_word(const char *words, const char *s, uint64_t *out)
{
    size_t len = strlen(s);
    uint64_t at = 0;

    for (const char *p = words; *p != '\0'; at++) {
        size_t n = strcspn(p, " ");
        if (n == len && memcmp(p, s, n) == 0) {
            *out = at;
            return true;
        }
        p += n + (p[n] == ' ');
    }
    return false;
}

/* Checks and converts one text. `where` is "" or "FILE:LINE:COLUMN: ". */
static int convert(const struct opt_info *info, const char *s, const char *where, uint64_t *num,
                   struct err *e)
{
    uint64_t min = 0, max = UINT64_MAX;
    enum opt_type type = (enum opt_type)info->type;

    *num = 0;
    if (type == OPT_TYPE_TEXT || type == OPT_TYPE_LIST)
        return ERR_OK;
    if (type == OPT_TYPE_BOOL && parse_bool(s, num))
        return ERR_OK;
    if (type == OPT_TYPE_ENUM) {
        if (parse_word(info->words, s, num))
            return ERR_OK;
        return err_set(e, ERR_ARG, "%s%s: \"%s\" is none of: %s", where, info->name, s,
                       info->words);
    }
    if (type == OPT_TYPE_BOOL || !conf_parse_number(type, s, num))
        return err_set(e, ERR_ARG, "%s%s: \"%s\" is not %s", where, info->name, s, type_help[type]);
    if (info->min[0] != '\0')
        (void)conf_parse_number(type, info->min, &min);
    if (info->max[0] != '\0')
        (void)conf_parse_number(type, info->max, &max);
    if (*num < min || *num > max)
        return err_set(e, ERR_ARG, "%s%s: %s is out of bounds; allowed is %s to %s", where,
                       info->name, s, info->min, info->max);
    return ERR_OK;
}

static int value_join(struct conf_value *v)
{
    size_t room = 1;
    char *p;

    for (size_t i = 0; i < v->n_items; i++)
        room += strlen(v->item[i]) + 1;
    free(v->text);
    v->text = p = malloc(room);
    if (p == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < v->n_items; i++) {
        size_t n = strlen(v->item[i]);
        if (i > 0)
            *p++ = ' ';
        memcpy(p, v->item[i], n);
        p += n;
    }
    *p = '\0';
    return ERR_OK;
}

/* Append the items of s, which stand between blanks and commas. */
static int value_items(struct conf_value *v, const char *name, const char *s, struct err *e)
{
    for (;;) {
        size_t n;
        char **more, *one;
        s += strspn(s, " ,\t\r\n");
        n = strcspn(s, " ,\t\r\n");
        if (n == 0)
            return ERR_OK;
        if (v->n_items == CONF_LIST_MAX)
            return err_set(e, ERR_ARG, "%s: more than %u items", name, CONF_LIST_MAX);
        more = realloc(v->item, (v->n_items + 1) * sizeof *more);
        if (more == NULL)
            return err_set(e, ERR_NOMEM, "%s: out of memory", name);
        v->item = more;
        one = strndup(s, n);
        if (one == NULL)
            return err_set(e, ERR_NOMEM, "%s: out of memory", name);
        v->item[v->n_items++] = one;
        s += n;
    }
}

int conf_put(struct conf *c, enum opt o, const char *text, const struct conf_place *at,
             struct err *e)
{
    struct conf_value *v = &c->v[o];
    const struct opt_info *info = &opt_info[o];
    char where[400] = "";
    int rc;

    if (at->source == CONF_FILE)
        (void)snprintf(where, sizeof where, "%.300s:%u:%u: ", c->path, at->line, at->column);
    /* a list grows while it comes from one source; anything newer replaces it */
    if (v->source != at->source || info->type != OPT_TYPE_LIST || at->source == CONF_DEFAULT)
        value_clear(v);
    v->source = (uint8_t)at->source;
    if (v->line == 0)
        v->line = at->line;
    if ((rc = convert(info, text, where, &v->num, e)) != ERR_OK)
        return rc;
    if (info->type == OPT_TYPE_LIST) {
        if ((rc = value_items(v, info->name, text, e)) != ERR_OK)
            return rc;
        return value_join(v) == ERR_OK ? ERR_OK
                                       : err_set(e, ERR_NOMEM, "%s: out of memory", info->name);
    }
    v->text = strdup(text);
    return v->text != NULL ? ERR_OK : err_set(e, ERR_NOMEM, "%s: out of memory", info->name);
}

int conf_make(struct conf **out, const char *path, const char *text, size_t len,
              const struct conf_setting *set, size_t n_set, struct err *e)
{
    struct conf *c = calloc(1, sizeof *c);
    int rc = ERR_NOMEM;

    *out = NULL;
    if (c == NULL)
        return err_set(e, ERR_NOMEM, "configuration: out of memory");
    atomic_init(&c->refs, 1);
    c->path = strdup(path != NULL ? path : "");
    if (c->path == NULL) {
        (void)err_set(e, ERR_NOMEM, "configuration: out of memory");
        goto fail;
    }
    for (size_t o = 0; o < OPT_N; o++) {
        struct conf_place at = { .source = CONF_DEFAULT };
        if ((rc = conf_put(c, (enum opt)o, opt_info[o].def, &at, e)) != ERR_OK)
            goto fail;
    }
    if (text != NULL && (rc = conf_read_yaml(c, text, len, e)) != ERR_OK)
        goto fail;
    for (size_t i = 0; i < n_set; i++) {
        struct conf_place at = { .source = CONF_COMMAND_LINE };
        if ((rc = conf_put(c, set[i].opt, set[i].text, &at, e)) != ERR_OK)
            goto fail;
    }
    *out = c;
    return ERR_OK;
fail:
    conf_unref(c);
    return rc;
}
