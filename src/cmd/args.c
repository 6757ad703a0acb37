#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/near.h"
#include "cmd/cmd.h"

static const struct cmd_option opt_config = { "config", 0, "FILE", "configuration file" };
static const struct cmd_option opt_help = { "help", 'h', NULL, "this help" };

int cmd_usage(const struct args *a, const char *fmt, ...)
{
    va_list ap;

    (void)fprintf(stderr, "weir %s: ", a->command->name);
    va_start(ap, fmt);
    (void)vfprintf(stderr, fmt, ap);
    va_end(ap);
    (void)fprintf(stderr, "\ntry: weir help %s\n", a->command->name);
    return EXIT_USAGE;
}

int cmd_fail(const struct args *a, const struct err *e)
{
    (void)fprintf(stderr, "weir %s: %s\n", a->command->name, e->msg);
    return EXIT_FAILED;
}

bool command_takes(const struct command *c, enum opt o)
{
    if (o == OPT_DATA || o == OPT_SOCKET)
        return c->conf != CMD_CONF_NONE;
    return c->conf == CMD_CONF_ALL ||
           (c->conf == CMD_CONF_NAMES &&
            (o == OPT_ELEMENTS || o == OPT_APPS || o == OPT_FACTS_DIR || o == OPT_AS_SOURCE));
}

/* Fill *out with the option called name; false when there is none. */
static bool find_long(const struct command *c, const char *name, size_t len, struct arg *out)
{
    enum opt o = conf_find(name, len);

    for (const struct cmd_option *p = command_options(c); p != NULL && p->name != NULL; p++)
        if (strlen(p->name) == len && memcmp(p->name, name, len) == 0) {
            *out = (struct arg){ .o = p, .opt = OPT_N };
            return true;
        }
    if (o != OPT_N && command_takes(c, o)) {
        *out = (struct arg){ .opt = o };
        return true;
    }
    if (len == 4 && memcmp(name, "help", 4) == 0) {
        *out = (struct arg){ .o = &opt_help, .opt = OPT_N };
        return true;
    }
    if (c->conf != CMD_CONF_NONE && len == 6 && memcmp(name, "config", 6) == 0) {
        *out = (struct arg){ .o = &opt_config, .opt = OPT_N };
        return true;
    }
    return false;
}

static bool find_letter(const struct command *c, char letter, struct arg *out)
{
    if (letter == 'h') {
        *out = (struct arg){ .o = &opt_help, .opt = OPT_N };
        return true;
    }
    for (const struct cmd_option *p = command_options(c); p != NULL && p->name != NULL; p++)
        if (p->letter == letter) {
            *out = (struct arg){ .o = p, .opt = OPT_N };
            return true;
        }
    return false;
}

static const char *nearest_option(const struct command *c, const char *name, size_t len)
{
    const char *all[OPT_N + 64];
    size_t n = 0;

    for (const struct cmd_option *p = command_options(c); p != NULL && p->name != NULL && n < 60;
         p++)
        all[n++] = p->name;
    for (size_t o = 0; o < OPT_N; o++)
        if (command_takes(c, (enum opt)o))
            all[n++] = opt_info[o].name;
    if (c->conf != CMD_CONF_NONE)
        all[n++] = opt_config.name;
    return near_word(name, len, all, n);
}

static bool wants_value(const struct arg *x)
{
    return x->o == NULL || x->o->arg != NULL;
}

static const char *arg_name(const struct arg *x)
{
    return x->o != NULL ? x->o->name : opt_info[x->opt].name;
}

struct cursor {
    int argc, at;
    char **argv;
};

static int unknown(const struct args *a, const char *name, size_t len, const char *dashes)
{
    const char *near = nearest_option(a->command, name, len);

    if (near != NULL && len > 1)
        return cmd_usage(a, "unknown option %s%.*s; did you mean --%s?", dashes, (int)len, name,
                         near);
    return cmd_usage(a, "unknown option %s%.*s", dashes, (int)len, name);
}

/* One word that begins with a dash; takes the next word as its value where one is needed. */
static int parse_option(struct args *a, struct cursor *k)
{
    const char *w = k->argv[k->at];
    bool is_long = w[1] == '-';
    const char *name = w + (is_long ? 2 : 1);
    size_t len = is_long ? strcspn(name, "=") : 1;
    struct arg x;

    if (is_long ? !find_long(a->command, name, len, &x) : !find_letter(a->command, *name, &x))
        return unknown(a, name, is_long ? len : strlen(name), is_long ? "--" : "-");
    x.value = name[len] != '\0' ? name + len + (is_long || name[len] == '=') : NULL;
    if (!wants_value(&x) && x.value != NULL)
        return cmd_usage(a, "--%s takes no value", arg_name(&x));
    if (wants_value(&x) && x.value == NULL) {
        if (k->at + 1 >= k->argc)
            return cmd_usage(a, "--%s needs a value", arg_name(&x));
        x.value = k->argv[++k->at];
    }
    a->opt[a->n_opts++] = x;
    return EXIT_DONE;
}

int args_parse(struct args *a, const struct command *c, int argc, char **argv)
{
    struct cursor k = { .argc = argc, .argv = argv };
    bool only_operands = false;

    *a = (struct args){ .command = c };
    a->opt = calloc((size_t)argc + 1, sizeof *a->opt);
    a->operand = calloc((size_t)argc + 1, sizeof *a->operand);
    if (a->opt == NULL || a->operand == NULL)
        return cmd_usage(a, "out of memory");
    if (c->foreign != NULL && c->foreign(argc, argv))
        return EXIT_USAGE;
    for (; k.at < argc; k.at++) {
        const char *w = argv[k.at];
        int rc;
        if (only_operands || w[0] != '-' || w[1] == '\0') {
            a->operand[a->n_operands++] = w;
            continue;
        }
        if (strcmp(w, "--") == 0) {
            only_operands = true;
            continue;
        }
        if ((rc = parse_option(a, &k)) != EXIT_DONE)
            return rc;
    }
    return EXIT_DONE;
}

void args_free(struct args *a)
{
    free(a->opt);
    free(a->operand);
    *a = (struct args){ 0 };
}

const char *args_nth(const struct args *a, const char *name, size_t i)
{
    for (size_t k = 0; k < a->n_opts; k++)
        if (strcmp(arg_name(&a->opt[k]), name) == 0 && i-- == 0)
            return a->opt[k].value;
    return NULL;
}

const char *args_get(const struct args *a, const char *name)
{
    const char *v = NULL;

    for (size_t k = 0; k < a->n_opts; k++)
        if (strcmp(arg_name(&a->opt[k]), name) == 0)
            v = a->opt[k].value;
    return v;
}

bool args_has(const struct args *a, const char *name)
{
    for (size_t k = 0; k < a->n_opts; k++)
        if (strcmp(arg_name(&a->opt[k]), name) == 0)
            return true;
    return false;
}
