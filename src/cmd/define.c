#include "cmd/define.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/near.h"
#include "os/file.h"

#define FILE_MAX (64u << 20)

int define_verb(const struct args *a, const char *const *verbs, size_t n)
{
    const char *verb = a->n_operands > 0 ? a->operand[0] : "";
    const char *near;

    for (size_t i = 0; i < n; i++)
        if (strcmp(verbs[i], verb) == 0)
            return (int)i;
    near = verb[0] != '\0' ? near_word(verb, strlen(verb), verbs, n) : NULL;
    if (near != NULL)
        (void)cmd_usage(a, "unknown: %s; did you mean weir %s %s?", verb, a->command->name, near);
    else if (verb[0] != '\0')
        (void)cmd_usage(a, "unknown: %s; say what to do: %s", verb, a->command->operands);
    else
        (void)cmd_usage(a, "say what to do: %s", a->command->operands);
    return -1;
}

int define_dir(const struct args *a, char *dir, struct err *e)
{
    struct conf *conf;
    int rc = cmd_conf(a, &conf, e);

    if (rc == ERR_OK) {
        cmd_data_dir(conf, dir, DEFINE_PATH);
        conf_unref(conf);
    }
    return rc;
}

int define_oom(struct err *e)
{
    return err_set(e, ERR_NOMEM, "definitions: out of memory");
}

int define_change(const struct args *a, int (*edit)(void *ctx, struct meta_doc *d, struct err *e),
                  void *ctx)
{
    struct meta_change c = { .edit = edit, .ctx = ctx };
    char dir[DEFINE_PATH];
    struct err e = { 0 };
    int rc = define_dir(a, dir, &e);

    if (rc == ERR_OK)
        rc = meta_db_change(dir, &c, &e);
    else
        dir[0] = '\0';
    if (rc == ERR_OK)
        return EXIT_DONE;
    (void)cmd_fail_dir(a, dir, &e);
    return rc == ERR_ARG || rc == ERR_UNSUPPORTED ? EXIT_USAGE : EXIT_FAILED;
}

int define_read(const struct args *a, struct meta_doc *d)
{
    char dir[DEFINE_PATH] = "";
    struct err e = { 0 };

    *d = (struct meta_doc){ 0 };
    if (define_dir(a, dir, &e) != ERR_OK || meta_db_read(dir, d, &e) != ERR_OK)
        return cmd_fail_dir(a, dir, &e);
    return EXIT_DONE;
}

int define_set_columns(const struct args *a, size_t i, struct meta_row *r, enum meta_table t,
                       struct err *e)
{
    int rc = ERR_OK;

    for (; i < a->n_operands && rc == ERR_OK; i++) {
        const char *s = a->operand[i], *eq = strchr(s, '=');
        int c;
        if (eq == NULL)
            return err_set(e, ERR_ARG, "\"%.64s\": key=value is expected, as in note=\"my text\"",
                           s);
        if ((c = meta_column(t, s, (size_t)(eq - s), e)) < 0)
            return ERR_ARG;
        rc = meta_set(r, t, (unsigned)c, eq + 1, e);
    }
    return rc;
}

int define_lines(const char *path, int (*each)(void *ctx, char *text, struct err *e), void *ctx,
                 struct err *e)
{
    struct buf text = buf_init(FILE_MAX);
    struct err why = { 0 };
    int rc = os_file_slurp(path, &text, e);
    char *s = rc == ERR_OK ? strdup(buf_cstr(&text)) : NULL, *line = s;

    if (rc == ERR_OK && s == NULL)
        rc = define_oom(e);
    for (unsigned long n = 1; rc == ERR_OK && line != NULL; n++) {
        char *end = strchr(line, '\n'), *next = end != NULL ? end + 1 : NULL;
        if (end != NULL)
            *end = '\0';
        for (char *p = line; *p != '\0'; p++)
            if (*p == '#' && (p == line || p[-1] == ' ' || p[-1] == '\t')) {
                *p = '\0';
                break;
            }
        while (*line == ' ' || *line == '\t')
            line++;
        for (size_t k = strlen(line); k > 0 && strchr(" \t\r", line[k - 1]) != NULL; k--)
            line[k - 1] = '\0';
        if (line[0] != '\0' && (rc = each(ctx, line, &why)) != ERR_OK)
            rc = err_set(e, rc, "%.150s:%lu: %.330s", path, n, why.msg);
        line = next;
    }
    free(s);
    buf_free(&text);
    return rc;
}

/* ------------------------------------------------------------------ tables */

void define_put(struct define_table *t, unsigned column, const char *text)
{
    if (column == 0 && !t->bad) {
        if (t->rows == t->cap) {
            size_t cap = t->cap * 2 + 32;
            char **p = realloc(t->cell, cap * t->n * sizeof *p);
            t->bad = p == NULL;
            if (t->bad)
                return;
            t->cell = p;
            t->cap = cap;
        }
        memset(t->cell + t->rows * t->n, 0, t->n * sizeof *t->cell);
        t->rows++;
    }
    if (t->bad || text == NULL || t->rows == 0)
        return;
    if ((t->cell[(t->rows - 1) * t->n + column] = strdup(text)) == NULL)
        t->bad = true;
}

/* Characters that a terminal shows for a text in UTF-8. */
static size_t width(const char *s)
{
    size_t n = 0;

    for (; *s != '\0'; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

static void show_text(const struct define_table *t)
{
    size_t wide[META_COLUMNS + 4] = { 0 };

    for (unsigned c = 0; c < t->n; c++)
        wide[c] = width(t->head[c]);
    for (size_t i = 0; i < t->rows * t->n; i++)
        if (t->cell[i] != NULL)
            wide[i % t->n] = MAX(wide[i % t->n], width(t->cell[i]));
    for (size_t r = 0; r <= t->rows; r++) {
        for (unsigned c = 0; c < t->n; c++) {
            const char *s = r == 0 ? t->head[c] : t->cell[(r - 1) * t->n + c];
            bool none = s == NULL || s[0] == '\0';
            if (none)
                s = "–";
            (void)printf("%s%s", c > 0 ? "  " : "", s);
            for (size_t k = width(s); c + 1 < t->n && k < wide[c]; k++)
                (void)putchar(' ');
        }
        (void)putchar('\n');
    }
}

static void show_json(const struct define_table *t)
{
    json_t *all = json_array();

    for (size_t r = 0; r < t->rows; r++) {
        json_t *o = json_object();
        for (unsigned c = 0; c < t->n; c++) {
            const char *s = t->cell[r * t->n + c];
            if (s != NULL)
                (void)json_object_set_new(o, t->head[c], json_string(s));
        }
        (void)json_array_append_new(all, o);
    }
    (void)json_dumpf(all, stdout, JSON_INDENT(2));
    (void)putchar('\n');
    json_decref(all);
}

int define_show(const struct args *a, struct define_table *t)
{
    const char *form = args_get(a, "output");
    struct err e;
    int code = EXIT_DONE;

    if (form != NULL && strcmp(form, "table") != 0 && strcmp(form, "json") != 0)
        code = cmd_usage(a, "-o: \"%s\" is none of: table json", form);
    else if (t->bad) {
        (void)define_oom(&e);
        code = cmd_fail(a, &e);
    } else if (form != NULL && strcmp(form, "json") == 0)
        show_json(t);
    else
        show_text(t);
    for (size_t i = 0; i < t->rows * t->n; i++)
        free(t->cell[i]);
    free(t->cell);
    *t = (struct define_table){ 0 };
    return code;
}
