/* cmd/config.c - weir config check | show | export | apply */
#include <stdio.h>
#include <string.h>

#include "base/near.h"
#include "cmd/define.h"
#include "flow/apps.h"
#include "meta/yaml.h"
#include "os/file.h"

const struct cmd_option config_options[] = {
    { "dry-run", 0, NULL, "with apply: print the difference, change nothing" },
    { 0 },
};
const char config_help[] = "check reads the configuration and says what is wrong with it; show "
                           "prints every option and where its\n"
                           "value comes from.\n\n"
                           "export writes what is defined (groups, names, exporters, interfaces, "
                           "rules) as one YAML document, and\n"
                           "apply takes one in: all of it or nothing. What a section of the file "
                           "holds replaces all of that section;\n"
                           "sections that are not in the file stay.\n\n"
                           "  weir config export > weir-definitions.yaml\n"
                           "  weir config apply --dry-run weir-definitions.yaml\n"
                           "  weir config apply weir-definitions.yaml\n";

static void show(const struct conf *c)
{
    char source[512], dir[4096], sock[4096];

    cmd_data_dir(c, dir, sizeof dir);
    cmd_socket(c, sock, sizeof sock);
    for (size_t o = 0; o < OPT_N; o++) {
        const char *text = conf_text(c, (enum opt)o);
        if (o == OPT_DATA)
            text = dir;
        if (o == OPT_SOCKET)
            text = sock;
        (void)printf("%-27s %-34s # %s\n", opt_info[o].name, text[0] != '\0' ? text : "\"\"",
                     conf_source_text(c, (enum opt)o, source, sizeof source));
    }
}

/* ------------------------------------------------------------------ definitions */

static int export(const struct args *a)
{
    struct buf b = buf_init(1u << 30);
    struct meta_doc d;
    struct err e;
    int code = define_read(a, &d);

    if (code == EXIT_DONE) {
        meta_yaml_write(&b, &d);
        if (!buf_ok(&b)) {
            (void)define_oom(&e);
            code = cmd_fail(a, &e);
        } else if (fwrite(buf_cstr(&b), 1, b.len, stdout) != b.len || fflush(stdout) != 0) {
            (void)err_set(&e, ERR_IO, "the output could not be written");
            code = cmd_fail(a, &e);
        }
    }
    meta_doc_free(&d);
    buf_free(&b);
    return code;
}

struct applying {
    const char *path;
    struct buf text;
    uint64_t added, changed, removed;
    bool show;
};

static int replace_all(void *ctx, struct meta_doc *d, struct err *e)
{
    struct applying *x = ctx;

    return meta_yaml_read(d, x->path, buf_cstr(&x->text), x->text.len, e);
}

static void show_row(char sign, enum meta_table t, const struct meta_row *r)
{
    const struct meta_table_info *info = &meta_table_info[t];

    (void)printf("%c %s", sign, info->one);
    for (unsigned c = 0; c < info->n; c++)
        if (r->v[c] != NULL && c < info->n_keys)
            (void)printf(" %s", r->v[c]);
        else if (r->v[c] != NULL)
            (void)printf(" %s=%s", info->col[c].name, r->v[c]);
    (void)putchar('\n');
}

static int count_row(void *ctx, enum meta_table t, const struct meta_row *was,
                     const struct meta_row *is)
{
    struct applying *x = ctx;

    x->added += was == NULL;
    x->removed += is == NULL;
    x->changed += was != NULL && is != NULL;
    if (x->show && was != NULL)
        show_row('-', t, was);
    if (x->show && is != NULL)
        show_row('+', t, is);
    return ERR_OK;
}

static int apply(const struct args *a)
{
    struct applying x = { .path = a->operand[1],
                          .text = buf_init(META_YAML_MAX),
                          .show = args_has(a, "dry-run") };
    struct meta_change c = {
        .edit = replace_all, .each = count_row, .ctx = &x, .dry = args_has(a, "dry-run")
    };
    char dir[DEFINE_PATH] = "";
    struct err e = { 0 };
    int rc = os_file_slurp(x.path, &x.text, &e);

    if (rc == ERR_OK)
        rc = define_dir(a, dir, &e);
    if (rc == ERR_OK)
        rc = meta_db_change(dir, &c, &e);
    buf_free(&x.text);
    if (rc != ERR_OK && dir[0] != '\0')
        (void)cmd_fail_dir(a, dir, &e);
    else if (rc != ERR_OK)
        (void)cmd_fail(a, &e);
    else
        (void)printf("%s%llu added, %llu changed, %llu removed\n", c.dry ? "would be: " : "",
                     (unsigned long long)x.added, (unsigned long long)x.changed,
                     (unsigned long long)x.removed);
    return rc == ERR_OK                                                 ? EXIT_DONE
           : rc == ERR_SYNTAX || rc == ERR_ARG || rc == ERR_UNSUPPORTED ? EXIT_USAGE
                                                                        : EXIT_FAILED;
}

int cmd_config(const struct args *a)
{
    static const char *const verbs[] = { "check", "show", "export", "apply" };
    const char *verb = a->n_operands == 1 ? a->operand[0] : "";
    const char *near;
    struct conf *c;
    struct err e;

    if (strcmp(verb, "export") == 0)
        return export(a);
    if (a->n_operands == 2 && strcmp(a->operand[0], "apply") == 0)
        return apply(a);
    if (strcmp(verb, "apply") == 0)
        return cmd_usage(a, "name the file: weir config apply FILE");

    if (strcmp(verb, "check") != 0 && strcmp(verb, "show") != 0) {
        near = near_word(verb, strlen(verb), verbs, ARRAY_LEN(verbs));
        if (near != NULL && verb[0] != '\0')
            return cmd_usage(a, "unknown: %s; did you mean weir config %s?", verb, near);
        if (a->n_operands == 2)
            return cmd_usage(a, "%s: a file is named by --config: weir config %s --config %s",
                             a->operand[1], a->operand[0], a->operand[1]);
        return cmd_usage(a, "say what to do: weir config check, show, export, or apply FILE");
    }
    if (cmd_conf(a, &c, &e) != ERR_OK)
        return cmd_fail(a, &e);
    struct apps *apps = NULL;
    if (strcmp(verb, "check") == 0 &&
        (cmd_elements(c, &e) != ERR_OK || cmd_apps(c, &apps, &e) != ERR_OK)) {
        conf_unref(c);
        return cmd_fail(a, &e);
    }
    apps_unref(apps);
    if (strcmp(verb, "show") == 0)
        show(c);
    else if (c->path[0] != '\0')
        (void)printf("%s is valid\n", c->path);
    else
        (void)printf("there is no configuration file; the defaults hold\n");
    conf_unref(c);
    return EXIT_DONE;
}
