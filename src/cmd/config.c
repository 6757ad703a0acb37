/* cmd/config.c - weir config check | show */
#include <stdio.h>
#include <string.h>

#include "base/near.h"
#include "cmd/cmd.h"
#include "flow/apps.h"

const struct cmd_option config_options[] = { { 0 } };

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

int cmd_config(const struct args *a)
{
    static const char *const verbs[] = { "check", "show" };
    const char *verb = a->n_operands == 1 ? a->operand[0] : "";
    const char *near;
    struct conf *c;
    struct err e;

    if (strcmp(verb, "check") != 0 && strcmp(verb, "show") != 0) {
        near = near_word(verb, strlen(verb), verbs, ARRAY_LEN(verbs));
        if (near != NULL && verb[0] != '\0')
            return cmd_usage(a, "unknown: %s; did you mean weir config %s?", verb, near);
        if (a->n_operands == 2)
            return cmd_usage(a, "%s: a file is named by --config: weir config %s --config %s",
                             a->operand[1], a->operand[0], a->operand[1]);
        return cmd_usage(a, "say what to do: weir config check, or weir config show");
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
