/* cmd/conf.c - where the configuration, the data directory and the socket are. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/cmd.h"
#include "flow/apps.h"
#include "flow/elem.h"
#include "flow/rate_rule.h"
#include "os/file.h"
#include "os/proc.h"

#define CONF_PLACE "/etc/weir/weir.yaml"
#define LOCAL_DIR  "weir-data" /* of a user who is not root; `make run` has its data there */

/* The file's text; *found says whether there is one, which is an error only if it was named. */
static int read_text(const char *path, bool named, struct buf *text, bool *found, struct err *e)
{
    int rc = os_file_slurp(path, text, e);

    *found = rc == ERR_OK;
    return rc == ERR_NOTFOUND && !named ? ERR_OK : rc;
}

/* Lists are checked where they are understood. */
static int check_sampling(const struct conf *c, struct err *e)
{
    const struct conf_value *v = &c->v[OPT_SAMPLING];
    struct rate_rules *rules;
    struct err why;
    int rc = rate_rules_parse(&rules, v->item, v->n_items, &why);

    rate_rules_unref(rules);
    if (rc != ERR_OK && v->source == CONF_FILE)
        return err_set(e, rc, "%s:%u: %.400s", c->path, v->line, why.msg);
    return rc != ERR_OK ? err_set(e, rc, "%s", why.msg) : ERR_OK;
}

int cmd_conf(const struct args *a, struct conf **out, struct err *e)
{
    const char *path = args_get(a, "config");
    struct conf_setting *set = calloc(a->n_opts + 1, sizeof *set);
    struct buf text = buf_init(CONF_TEXT_MAX);
    size_t n = 0;
    bool found;
    int rc;

    *out = NULL;
    if (set == NULL)
        return err_set(e, ERR_NOMEM, "configuration: out of memory");
    for (size_t i = 0; i < a->n_opts; i++)
        if (a->opt[i].opt != OPT_N)
            set[n++] = (struct conf_setting){ a->opt[i].opt, a->opt[i].value };
    rc = read_text(path != NULL ? path : CONF_PLACE, path != NULL, &text, &found, e);
    if (rc == ERR_OK)
        rc = conf_make(out,
                       !found         ? ""
                       : path != NULL ? path
                                      : CONF_PLACE,
                       found ? buf_cstr(&text) : NULL, text.len, set, n, e);
    if (rc == ERR_OK && (rc = check_sampling(*out, e)) != ERR_OK) {
        conf_unref(*out);
        *out = NULL;
    }
    buf_free(&text);
    free(set);
    return rc;
}

int cmd_elements(const struct conf *c, struct err *e)
{
    const char *path = conf_text(c, OPT_ELEMENTS);
    struct buf text = buf_init(ELEM_OWN_OCTETS);
    struct elem_own *own;
    struct err why;
    int rc;

    if (path[0] == '\0')
        return ERR_OK;
    rc = os_file_slurp(path, &text, &why);
    if (rc == ERR_OK)
        rc = elem_own_parse(&own, path, buf_cstr(&text), text.len, &why);
    buf_free(&text);
    if (rc != ERR_OK)
        return err_set(e, rc, "elements: %.480s", why.msg);
    elem_own_use(own);
    return ERR_OK;
}

int cmd_apps(const struct conf *c, struct apps **out, struct err *e)
{
    const char *path = conf_text(c, OPT_APPS);
    struct buf text = buf_init(APPS_OCTETS);
    struct err why;
    int rc = ERR_OK;

    *out = NULL;
    if (path[0] != '\0')
        rc = os_file_slurp(path, &text, &why);
    if (rc == ERR_OK)
        rc = apps_make(out, path, path[0] != '\0' ? buf_cstr(&text) : NULL, text.len, &why);
    buf_free(&text);
    return rc == ERR_OK ? rc : err_set(e, rc, "apps: %.480s", why.msg);
}

void cmd_data_dir(const struct conf *c, char *out, size_t cap)
{
    const char *state = getenv("XDG_STATE_HOME");

    if (conf_text(c, OPT_DATA)[0] != '\0')
        (void)snprintf(out, cap, "%s", conf_text(c, OPT_DATA));
    else if (proc_is_root())
        (void)snprintf(out, cap, "/var/lib/weir");
    else if (state != NULL && state[0] == '/')
        (void)snprintf(out, cap, "%s/weir", state);
    else
        (void)snprintf(out, cap, LOCAL_DIR);
}

/* The directory is somebody else's: who may use it, and how to become one of them. */
static void explain_rights(const char *dir)
{
    struct os_owner o;

    if (os_owner(dir, &o, NULL) != ERR_OK)
        return;
    (void)fprintf(stderr, "%s belongs to %s; type the same with sudo in front", dir, o.user);
    if ((o.mode & 050) == 050 && strcmp(o.group, "root") != 0)
        (void)fprintf(
            stderr,
            ", or join the group that may read it, and log in again: sudo usermod -aG %s $USER",
            o.group);
    (void)fprintf(stderr, "\n");
}

int cmd_fail_dir(const struct args *a, const char *dir, const struct err *e)
{
    (void)cmd_fail(a, e);
    if (os_is_dir(dir) && !os_may_use(dir, false))
        explain_rights(dir);
    if (e->code != ERR_NOTFOUND || os_is_dir(dir))
        return EXIT_FAILED;
    if (args_has(a, "data"))
        (void)fprintf(stderr, "weir serve --data %s and weir import --data %s FILE begin it\n", dir,
                      dir);
    else if (strcmp(dir, LOCAL_DIR) != 0 && os_is_dir(LOCAL_DIR))
        (void)fprintf(stderr,
                      "there is a folder " LOCAL_DIR " here; to ask that: weir %s --data " LOCAL_DIR
                      "\n",
                      a->command->name);
    else
        (void)fprintf(stderr, "weir serve and weir import FILE begin it; --data DIR names another "
                              "directory\n");
    return EXIT_FAILED;
}

void cmd_socket(const struct conf *c, char *out, size_t cap)
{
    if (conf_text(c, OPT_SOCKET)[0] != '\0') {
        (void)snprintf(out, cap, "%s", conf_text(c, OPT_SOCKET));
        return;
    }
    cmd_data_dir(c, out, cap);
    (void)snprintf(out + strlen(out), cap - strlen(out), "/weir.sock");
}
