/* cmd/conf.c - where the configuration, the data directory and the socket are. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/cmd.h"
#include "os/proc.h"

#define CONF_PLACE "/etc/weir/weir.yaml"

/* The file's text, or *text NULL when `must` is false and it does not exist. */
static int read_text(const char *path, bool must, char **text, size_t *len, struct err *e)
{
    FILE *f = fopen(path, "re");
    int rc = ERR_OK;

    *text = NULL;
    *len = 0;
    if (f == NULL) {
        if (!must && errno == ENOENT)
            return ERR_OK;
        return err_set(e, ERR_IO, "configuration %s: %s", path, strerror(errno));
    }
    *text = malloc(CONF_TEXT_MAX + 1);
    if (*text == NULL)
        rc = err_set(e, ERR_NOMEM, "configuration %s: out of memory", path);
    else
        *len = fread(*text, 1, CONF_TEXT_MAX + 1, f);
    if (rc == ERR_OK && ferror(f))
        rc = err_set(e, ERR_IO, "configuration %s: %s", path, strerror(errno));
    (void)fclose(f);
    if (rc != ERR_OK) {
        free(*text);
        *text = NULL;
    }
    return rc;
}

int cmd_conf(const struct args *a, struct conf **out, struct err *e)
{
    const char *path = args_get(a, "config");
    struct conf_setting *set = calloc(a->n_opts + 1, sizeof *set);
    char *text = NULL;
    size_t len = 0, n = 0;
    int rc;

    *out = NULL;
    if (set == NULL)
        return err_set(e, ERR_NOMEM, "configuration: out of memory");
    for (size_t i = 0; i < a->n_opts; i++)
        if (a->opt[i].opt != OPT_N)
            set[n++] = (struct conf_setting){ a->opt[i].opt, a->opt[i].value };
    rc = read_text(path != NULL ? path : CONF_PLACE, path != NULL, &text, &len, e);
    if (rc == ERR_OK)
        rc = conf_make(out,
                       text == NULL   ? ""
                       : path != NULL ? path
                                      : CONF_PLACE,
                       text, len, set, n, e);
    free(text);
    free(set);
    return rc;
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
        (void)snprintf(out, cap, "weir-data");
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
