#include "meta/yaml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/near.h"

/* ------------------------------------------------------------------ writing */

/* Plain where nobody can take it for anything else. */
static bool is_plain(const char *s)
{
    static const char *const words[] = {
        "yes", "no", "true", "false", "on", "off", "null", "y", "n"
    };
    size_t n = strlen(s);

    if (n == 0 || s[n - 1] == ' ')
        return false;
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strlen(words[i]) == n && near_distance(s, n, words[i], n) == 0)
            return false;
    for (size_t i = 0; i < n; i++) {
        bool letter = (s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z') ||
                      (s[i] >= '0' && s[i] <= '9');
        if (!letter && (i == 0 || strchr(" ._/+@-", s[i]) == NULL))
            return false;
    }
    return true;
}

static void put_text(struct buf *out, const char *s)
{
    if (is_plain(s)) {
        buf_str(out, s);
        return;
    }
    buf_char(out, '"');
    for (; *s != '\0'; s++) {
        if (*s == '"' || *s == '\\')
            buf_char(out, '\\');
        buf_char(out, *s);
    }
    buf_char(out, '"');
}

/* "name: "; what other readers of YAML take for yes and no is quoted. */
static void put_key(struct buf *out, const char *s)
{
    put_text(out, s);
    buf_str(out, ": ");
}

static void put_yes(struct buf *out, enum meta_table t, unsigned c, const char *s)
{
    if (meta_table_info[t].col[c].type == META_YES)
        buf_str(out, s);
    else
        put_text(out, s);
}

static void put_columns(struct buf *out, enum meta_table t, const struct meta_row *r,
                        unsigned first, unsigned indent)
{
    for (unsigned c = first; c < meta_table_info[t].n; c++) {
        if (r->v[c] == NULL)
            continue;
        buf_printf(out, "%*s", (int)indent, "");
        put_key(out, meta_table_info[t].col[c].name);
        put_yes(out, t, c, r->v[c]);
        buf_char(out, '\n');
    }
}

static void put_group(struct buf *out, const struct meta_doc *d, const struct meta_row *r)
{
    const char *key[] = { r->v[0] };
    size_t at, n = meta_find(d, META_MEMBERS, key, 1, &at);

    put_columns(out, META_GROUPS, r, 1, 4);
    buf_str(out, n == 0 ? "    members: []\n" : "    members:\n");
    for (size_t i = at; i < at + n; i++) {
        buf_str(out, "      - ");
        put_text(out, d->t[META_MEMBERS].row[i].v[1]);
        buf_char(out, '\n');
    }
}

static void put_list_row(struct buf *out, enum meta_table t, const struct meta_row *r)
{
    bool first = true;

    for (unsigned c = 0; c < meta_table_info[t].n; c++) {
        if (r->v[c] == NULL)
            continue;
        buf_str(out, first ? "  - " : "    ");
        put_key(out, meta_table_info[t].col[c].name);
        put_yes(out, t, c, r->v[c]);
        buf_char(out, '\n');
        first = false;
    }
}

void meta_yaml_write(struct buf *out, const struct meta_doc *d)
{
    for (enum meta_table t = 0; t < META_TABLES; t++) {
        if (t == META_MEMBERS)
            continue;
        buf_printf(out, "%s:%s\n", meta_table_info[t].name,
                   d->t[t].n > 0                             ? ""
                   : t == META_INTERFACES || t == META_RULES ? " []"
                                                             : " {}");
        for (size_t i = 0; i < d->t[t].n; i++) {
            const struct meta_row *r = &d->t[t].row[i];
            if (t == META_INTERFACES || t == META_RULES) {
                put_list_row(out, t, r);
                continue;
            }
            buf_str(out, "  ");
            put_text(out, r->v[0]);
            if (t == META_NAMES) {
                buf_str(out, ": ");
                put_text(out, r->v[1] != NULL ? r->v[1] : "");
                buf_char(out, '\n');
                continue;
            }
            buf_str(out, ":\n");
            if (t == META_GROUPS)
                put_group(out, d, r);
            else
                put_columns(out, t, r, 1, 4);
        }
    }
}

/* ------------------------------------------------------------------ reading */

struct reader {
    struct meta_doc *d;
    const char *path;
    yaml_document_t y;
    struct err *e;
};

static int refuse(struct reader *r, const yaml_node_t *at, const char *why)
{
    return err_at(r->e, ERR_SYNTAX, at->start_mark.index, 1, "%.150s:%zu:%zu: %.300s", r->path,
                  at->start_mark.line + 1, at->start_mark.column + 1, why);
}

static int oom(struct reader *r)
{
    return err_set(r->e, ERR_NOMEM, "%.150s: out of memory", r->path);
}

/* The text of a plain value, or NULL after an error. */
static const char *scalar(struct reader *r, const yaml_node_t *n)
{
    const char *s = n->type == YAML_SCALAR_NODE ? (const char *)n->data.scalar.value : NULL;

    if (s == NULL)
        (void)refuse(r, n, "one plain value is expected here");
    else if (strlen(s) != n->data.scalar.length) {
        (void)refuse(r, n, "a NUL character inside");
        s = NULL;
    }
    return s;
}

static bool is_empty(const yaml_node_t *n)
{
    return n->type == YAML_SCALAR_NODE && n->data.scalar.length == 0 &&
           n->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

/* The kept form of a key; false after an error. `hold` is for it. */
static bool key_text(struct reader *r, enum meta_table t, unsigned c, const yaml_node_t *n,
                     struct buf *hold)
{
    const char *s = scalar(r, n);
    struct err why = { 0 };

    if (s == NULL)
        return false;
    if (meta_canonical(t, c, s, hold, &why) != ERR_OK || hold->len == 0) {
        (void)refuse(r, n, hold->len == 0 && why.msg[0] == '\0' ? "an empty name" : why.msg);
        return false;
    }
    if (!buf_ok(hold)) {
        (void)oom(r);
        return false;
    }
    return true;
}

static int set_column(struct reader *r, struct meta_row *row, enum meta_table t,
                      const yaml_node_t *key, const yaml_node_t *value)
{
    const char *name = scalar(r, key), *s;
    struct err why = { 0 };
    int c, rc;

    if (name == NULL)
        return ERR_SYNTAX;
    if ((c = meta_column(t, name, strlen(name), &why)) < 0)
        return refuse(r, key, why.msg);
    if ((s = scalar(r, value)) == NULL)
        return ERR_SYNTAX;
    if (row->v[c] != NULL)
        return refuse(r, key, "set twice");
    rc = meta_set(row, t, (unsigned)c, s, &why);
    return rc == ERR_OK || rc == ERR_NOMEM ? rc : refuse(r, value, why.msg);
}

static struct meta_row *new_row(struct reader *r, enum meta_table t, const char *const *key,
                                const yaml_node_t *at)
{
    bool made;
    struct meta_row *row = meta_row(r->d, t, key, &made);

    if (row == NULL)
        (void)oom(r);
    else if (!made) {
        char why[160];
        (void)snprintf(why, sizeof why, "%s %.60s stands here twice", meta_table_info[t].one,
                       key[0]);
        (void)refuse(r, at, why);
        row = NULL;
    }
    return row;
}

static yaml_node_t *node(struct reader *r, int number)
{
    return yaml_document_get_node(&r->y, number);
}

static int read_members(struct reader *r, const char *group, const yaml_node_t *list)
{
    const char *key[2] = { group, NULL };

    if (is_empty(list))
        return ERR_OK;
    if (list->type != YAML_SEQUENCE_NODE)
        return refuse(r, list, "a list of members is expected: [10.1.0.0/16, AS64500]");
    for (yaml_node_item_t *i = list->data.sequence.items.start; i < list->data.sequence.items.top;
         i++) {
        struct buf hold = buf_init(META_TEXT_MAX + 64);
        const yaml_node_t *n = node(r, *i);
        bool ok = key_text(r, META_MEMBERS, 1, n, &hold);
        key[1] = buf_cstr(&hold);
        ok = ok && new_row(r, META_MEMBERS, key, n) != NULL;
        buf_free(&hold);
        if (!ok)
            return r->e->code;
    }
    return ERR_OK;
}

/* One group or exporter: its columns. */
static int read_columns(struct reader *r, enum meta_table t, const char *key,
                        const yaml_node_t *map, struct meta_row *row)
{
    bool members = false;
    int rc = ERR_OK;

    if (is_empty(map))
        return ERR_OK;
    if (map->type != YAML_MAPPING_NODE)
        return refuse(r, map, "key: value is expected here");
    for (yaml_node_pair_t *p = map->data.mapping.pairs.start;
         rc == ERR_OK && p < map->data.mapping.pairs.top; p++) {
        const yaml_node_t *k = node(r, p->key);
        bool list = t == META_GROUPS && k->type == YAML_SCALAR_NODE &&
                    strcmp((const char *)k->data.scalar.value, "members") == 0;
        if (list && members)
            rc = refuse(r, k, "set twice");
        else if (list)
            rc = read_members(r, key, node(r, p->value));
        else
            rc = set_column(r, row, t, k, node(r, p->value));
        members |= list;
    }
    return rc;
}

/* groups, names, exporters: by key. */
static int read_map(struct reader *r, enum meta_table t, const yaml_node_t *map)
{
    int rc = ERR_OK;

    if (is_empty(map))
        return ERR_OK;
    if (map->type != YAML_MAPPING_NODE)
        return refuse(r, map, "names with their values are expected here");
    for (yaml_node_pair_t *p = map->data.mapping.pairs.start;
         rc == ERR_OK && p < map->data.mapping.pairs.top; p++) {
        const yaml_node_t *k = node(r, p->key), *v = node(r, p->value);
        struct buf hold = buf_init(META_TEXT_MAX + 64);
        const char *key[1], *s;
        struct meta_row *row = NULL;
        if (key_text(r, t, 0, k, &hold)) {
            key[0] = buf_cstr(&hold);
            row = new_row(r, t, key, k);
        }
        if (row == NULL)
            rc = r->e->code;
        else if (t != META_NAMES)
            rc = read_columns(r, t, key[0], v, row);
        else if ((s = scalar(r, v)) == NULL)
            rc = ERR_SYNTAX;
        else if (s[0] == '\0')
            rc = refuse(r, v, "an empty name");
        else {
            struct err why = { 0 };
            rc = meta_set(row, t, 1, s, &why);
            if (rc == ERR_ARG)
                rc = refuse(r, v, why.msg);
        }
        buf_free(&hold);
    }
    return rc;
}

/* The value of a key column in a row of a list; NULL: it is not there. */
static const yaml_node_t *find_key(struct reader *r, const yaml_node_t *map, const char *name)
{
    for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top;
         p++) {
        const yaml_node_t *k = node(r, p->key);
        if (k->type == YAML_SCALAR_NODE && strcmp((const char *)k->data.scalar.value, name) == 0)
            return node(r, p->value);
    }
    return NULL;
}

static bool is_key(enum meta_table t, const yaml_node_t *k)
{
    for (unsigned c = 0; c < meta_table_info[t].n_keys; c++)
        if (k->type == YAML_SCALAR_NODE &&
            strcmp((const char *)k->data.scalar.value, meta_table_info[t].col[c].name) == 0)
            return true;
    return false;
}

static int read_list_row(struct reader *r, enum meta_table t, const yaml_node_t *map)
{
    const struct meta_table_info *info = &meta_table_info[t];
    struct buf hold[2] = { buf_init(META_TEXT_MAX + 64), buf_init(META_TEXT_MAX + 64) };
    const char *key[2] = { NULL, NULL };
    struct meta_row *row = NULL;
    char why[80];
    int rc = ERR_OK;

    if (map->type != YAML_MAPPING_NODE)
        return refuse(r, map, "key: value is expected here");
    for (unsigned c = 0; c < info->n_keys && rc == ERR_OK; c++) {
        const yaml_node_t *n = find_key(r, map, info->col[c].name);
        (void)snprintf(why, sizeof why, "%s: is missing", info->col[c].name);
        if (n == NULL)
            rc = refuse(r, map, why);
        else if (!key_text(r, t, c, n, &hold[c]))
            rc = r->e->code;
        key[c] = buf_cstr(&hold[c]);
    }
    if (rc == ERR_OK && (row = new_row(r, t, key, map)) == NULL)
        rc = r->e->code;
    for (yaml_node_pair_t *p = map->data.mapping.pairs.start;
         rc == ERR_OK && p < map->data.mapping.pairs.top; p++)
        if (!is_key(t, node(r, p->key)))
            rc = set_column(r, row, t, node(r, p->key), node(r, p->value));
    buf_free(&hold[0]);
    buf_free(&hold[1]);
    return rc;
}

static int read_list(struct reader *r, enum meta_table t, const yaml_node_t *list)
{
    int rc = ERR_OK;

    if (is_empty(list))
        return ERR_OK;
    if (list->type != YAML_SEQUENCE_NODE)
        return refuse(r, list, "a list is expected here: lines that begin with \"- \"");
    for (yaml_node_item_t *i = list->data.sequence.items.start;
         rc == ERR_OK && i < list->data.sequence.items.top; i++)
        rc = read_list_row(r, t, node(r, *i));
    return rc;
}

static int unknown_section(struct reader *r, const yaml_node_t *key)
{
    static const char *const names[] = { "groups", "names", "exporters", "interfaces", "rules" };
    const char *s = scalar(r, key), *near;
    char why[200];

    if (s == NULL)
        return ERR_SYNTAX;
    near = near_word(s, strlen(s), names, ARRAY_LEN(names));
    (void)snprintf(why, sizeof why, "unknown section \"%.64s\"; %s%s%s", s,
                   near != NULL ? "did you mean "
                                : "there are: groups names exporters interfaces rules",
                   near != NULL ? near : "", near != NULL ? "?" : "");
    return refuse(r, key, why);
}

static int read_section(struct reader *r, const yaml_node_t *key, const yaml_node_t *value,
                        bool *seen)
{
    enum meta_table t = META_GROUPS;

    while (t < META_TABLES &&
           (t == META_MEMBERS || key->type != YAML_SCALAR_NODE ||
            strcmp((const char *)key->data.scalar.value, meta_table_info[t].name) != 0))
        t++;
    if (t == META_TABLES)
        return unknown_section(r, key);
    if (seen[t])
        return refuse(r, key, "set twice");
    seen[t] = true;
    meta_delete(r->d, t, 0, r->d->t[t].n);
    if (t == META_GROUPS)
        meta_delete(r->d, META_MEMBERS, 0, r->d->t[META_MEMBERS].n);
    return t == META_INTERFACES || t == META_RULES ? read_list(r, t, value) : read_map(r, t, value);
}

static int read_root(struct reader *r)
{
    const yaml_node_t *root = yaml_document_get_root_node(&r->y);
    bool seen[META_TABLES] = { false };
    int rc = ERR_OK;

    if (root == NULL || is_empty(root))
        return ERR_OK;
    if (root->type != YAML_MAPPING_NODE)
        return refuse(r, root,
                      "sections are expected: groups: names: exporters: interfaces: rules:");
    for (yaml_node_pair_t *p = root->data.mapping.pairs.start;
         rc == ERR_OK && p < root->data.mapping.pairs.top; p++)
        rc = read_section(r, node(r, p->key), node(r, p->value), seen);
    return rc;
}

int meta_yaml_read(struct meta_doc *d, const char *path, const char *text, size_t len,
                   struct err *e)
{
    struct err unused;
    struct reader r = { .d = d, .path = path, .e = e != NULL ? e : &unused };
    yaml_parser_t y;
    int rc;

    if (len > META_YAML_MAX)
        return err_set(e, ERR_LIMIT, "%.300s: larger than %u octets", path, META_YAML_MAX);
    if (yaml_parser_initialize(&y) != 1)
        return oom(&r);
    yaml_parser_set_input_string(&y, (const unsigned char *)text, len);
    if (yaml_parser_load(&y, &r.y) == 1) {
        rc = read_root(&r);
        yaml_document_delete(&r.y);
        if (rc == ERR_OK && yaml_parser_load(&y, &r.y) == 1) {
            if (yaml_document_get_root_node(&r.y) != NULL)
                rc = err_set(e, ERR_SYNTAX, "%.300s: a second document; one is read", path);
            yaml_document_delete(&r.y);
        }
    } else if (y.error == YAML_MEMORY_ERROR) {
        rc = oom(&r);
    } else {
        rc = err_at(r.e, ERR_SYNTAX, y.problem_mark.index, 1, "%.150s:%zu:%zu: not YAML: %.200s",
                    path, y.problem_mark.line + 1, y.problem_mark.column + 1,
                    y.problem != NULL ? y.problem : "unreadable");
    }
    yaml_parser_delete(&y);
    return rc;
}
