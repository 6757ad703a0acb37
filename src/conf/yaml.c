/* conf/yaml.c - a YAML text to options. Mappings nest by the dots of an option's name; `ring.size:
 * 64M` and `ring: { size: 64M }` are the same. Aliases and tags are refused: nothing here needs
 * them, and they make small texts large. */
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "base/near.h"
#include "conf/internal.h"

#define MAX_DEPTH       8u
#define PATH_MAX_OCTETS 128u

struct reader {
    struct conf *c;
    struct err *e;
    yaml_parser_t y;
    char path[PATH_MAX_OCTETS]; /* dotted name of where we are */
    size_t path_len;
};

static int refuse(struct reader *r, int code, const yaml_mark_t *m, const char *what,
                  const char *name)
{
    return err_at(r->e, code, m->index, 1, "%.200s:%zu:%zu: %s%s", r->c->path, m->line + 1,
                  m->column + 1, what, name);
}

static int next(struct reader *r, yaml_event_t *ev)
{
    if (yaml_parser_parse(&r->y, ev) == 1)
        return ERR_OK;
    if (r->y.error == YAML_MEMORY_ERROR)
        return err_set(r->e, ERR_NOMEM, "configuration: out of memory");
    /* a reader error (not UTF-8) has an offset, no mark */
    return err_at(r->e, ERR_SYNTAX, r->y.problem_mark.index, 1, "%.200s:%zu:%zu: not YAML: %s",
                  r->c->path, r->y.problem_mark.line + 1, r->y.problem_mark.column + 1,
                  r->y.problem != NULL ? r->y.problem : "unreadable");
}

/* "retention" of "retention.size": groups are keys too, and are mistyped as often. */
static const char *nearest_group(const struct reader *r, char name[OPT_N][PATH_MAX_OCTETS])
{
    const char *all[OPT_N];

    for (size_t o = 0; o < OPT_N; o++) {
        size_t n = strcspn(opt_info[o].name, ".");
        all[o] = opt_info[o].name[n] == '.' ? name[o] : NULL;
        (void)snprintf(name[o], PATH_MAX_OCTETS, "%.*s", (int)n, opt_info[o].name);
    }
    return near_word(r->path, r->path_len, all, OPT_N);
}

static int unknown(struct reader *r, const yaml_mark_t *m)
{
    char text[3 * PATH_MAX_OCTETS], group[OPT_N][PATH_MAX_OCTETS];
    const char *near = conf_nearest(r->path, r->path_len);

    if (near == NULL)
        near = nearest_group(r, group);

    (void)snprintf(text, sizeof text, "\"%s\"%s%s%s", r->path,
                   near != NULL ? "; did you mean " : "; weir config show lists all options",
                   near != NULL ? near : "", near != NULL ? "?" : "");
    return refuse(r, ERR_SYNTAX, m, "unknown option ", text);
}

/* Is path the beginning of some option, up to a dot? */
static bool is_group(const struct reader *r)
{
    for (size_t o = 0; o < OPT_N; o++)
        if (strncmp(opt_info[o].name, r->path, r->path_len) == 0 &&
            opt_info[o].name[r->path_len] == '.')
            return true;
    return false;
}

static int put_scalar(struct reader *r, enum opt o, const yaml_event_t *ev)
{
    const char *s = (const char *)ev->data.scalar.value;
    struct conf_place at = { CONF_FILE, (uint32_t)ev->start_mark.line + 1,
                             (uint32_t)ev->start_mark.column + 1 };

    if (ev->data.scalar.tag != NULL || ev->data.scalar.anchor != NULL)
        return refuse(r, ERR_SYNTAX, &ev->start_mark, "tags and anchors are not used here", "");
    if (strlen(s) != ev->data.scalar.length)
        return refuse(r, ERR_SYNTAX, &ev->start_mark, "a NUL character inside ", r->path);
    return conf_put(r->c, o, s, &at, r->e);
}

static int read_sequence(struct reader *r, enum opt o)
{
    yaml_event_t ev;
    int rc;
    bool more = true;

    while (more) {
        if ((rc = next(r, &ev)) != ERR_OK)
            return rc;
        more = ev.type != YAML_SEQUENCE_END_EVENT;
        if (ev.type == YAML_SCALAR_EVENT)
            rc = put_scalar(r, o, &ev);
        else if (more)
            rc = refuse(r, ERR_SYNTAX, &ev.start_mark, "expected a plain value in the list ",
                        r->path);
        yaml_event_delete(&ev);
        if (rc != ERR_OK)
            return rc;
    }
    return ERR_OK;
}

static int read_mapping(struct reader *r, unsigned depth);

/* The value behind a key; r->path names it. */
static int read_value(struct reader *r, const yaml_mark_t *key, unsigned depth)
{
    enum opt o = conf_find(r->path, r->path_len);
    struct conf_place at = { CONF_FILE, (uint32_t)key->line + 1, (uint32_t)key->column + 1 };
    yaml_event_t ev;
    int rc;

    if (o == OPT_N && !is_group(r))
        return unknown(r, key);
    if (o != OPT_N && r->c->v[o].source == CONF_FILE)
        return refuse(r, ERR_SYNTAX, key, "set twice: ", r->path);
    if ((rc = next(r, &ev)) != ERR_OK)
        return rc;
    if (o == OPT_N)
        rc = ev.type == YAML_MAPPING_START_EVENT
                 ? read_mapping(r, depth + 1)
                 : refuse(r, ERR_SYNTAX, &ev.start_mark, "expected options inside ", r->path);
    else if (ev.type == YAML_SCALAR_EVENT)
        rc = put_scalar(r, o, &ev);
    else if (ev.type == YAML_SEQUENCE_START_EVENT && opt_info[o].type == OPT_TYPE_LIST) {
        rc = conf_put(r->c, o, "", &at, r->e); /* an empty list replaces the default too */
        if (rc == ERR_OK)
            rc = read_sequence(r, o);
    } else
        rc = refuse(r, ERR_SYNTAX, &ev.start_mark, "expected one value for ", r->path);
    yaml_event_delete(&ev);
    return rc;
}

static int read_key(struct reader *r, const yaml_event_t *ev, unsigned depth)
{
    size_t before = r->path_len, n = ev->data.scalar.length;
    const char *key = (const char *)ev->data.scalar.value;
    int rc;

    if (before + n + 2 > sizeof r->path || strlen(key) != n || n == 0)
        return refuse(r, ERR_SYNTAX, &ev->start_mark, "this is no option's name", "");
    if (before > 0)
        r->path[r->path_len++] = '.';
    memcpy(r->path + r->path_len, key, n);
    r->path_len += n;
    r->path[r->path_len] = '\0';
    rc = read_value(r, &ev->start_mark, depth);
    r->path_len = before;
    r->path[before] = '\0';
    return rc;
}

static int read_mapping(struct reader *r, unsigned depth)
{
    yaml_event_t ev;
    int rc;
    bool more = true;

    while (more) {
        if ((rc = next(r, &ev)) != ERR_OK)
            return rc;
        more = ev.type != YAML_MAPPING_END_EVENT;
        if (more && (ev.type != YAML_SCALAR_EVENT || depth >= MAX_DEPTH))
            rc = refuse(r, ERR_SYNTAX, &ev.start_mark, "expected the name of an option", "");
        else if (more)
            rc = read_key(r, &ev, depth);
        yaml_event_delete(&ev);
        if (rc != ERR_OK)
            return rc;
    }
    return ERR_OK;
}

/* Stream and document around the one mapping. An empty file sets nothing. */
static int read_stream(struct reader *r)
{
    yaml_event_t ev;
    unsigned documents = 0;
    int rc = ERR_OK;
    bool more = true;

    while (more && rc == ERR_OK) {
        if ((rc = next(r, &ev)) != ERR_OK)
            return rc;
        more = ev.type != YAML_STREAM_END_EVENT;
        if (ev.type == YAML_DOCUMENT_START_EVENT && documents++ > 0)
            rc = refuse(r, ERR_SYNTAX, &ev.start_mark, "a second document; one is read", "");
        else if (ev.type == YAML_MAPPING_START_EVENT)
            rc = read_mapping(r, 0);
        else if (ev.type == YAML_SCALAR_EVENT && ev.data.scalar.length == 0)
            rc = ERR_OK; /* only comments */
        else if (ev.type == YAML_SCALAR_EVENT || ev.type == YAML_SEQUENCE_START_EVENT ||
                 ev.type == YAML_ALIAS_EVENT)
            rc = refuse(r, ERR_SYNTAX, &ev.start_mark, "expected `option: value` lines", "");
        yaml_event_delete(&ev);
    }
    return rc;
}

int conf_read_yaml(struct conf *c, const char *text, size_t len, struct err *e)
{
    struct reader r = { .c = c, .e = e };
    int rc;

    if (len > CONF_TEXT_MAX)
        return err_set(e, ERR_SYNTAX, "%.200s: larger than %u octets", c->path, CONF_TEXT_MAX);
    if (yaml_parser_initialize(&r.y) != 1)
        return err_set(e, ERR_NOMEM, "configuration: out of memory");
    yaml_parser_set_input_string(&r.y, (const unsigned char *)text, len);
    rc = read_stream(&r);
    yaml_parser_delete(&r.y);
    return rc;
}
