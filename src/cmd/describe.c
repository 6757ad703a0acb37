#include "cmd/describe.h"

#include <stdio.h>
#include <string.h>

void shown_conf_arg(enum opt o, char *out, size_t cap)
{
    static const char *const arg[] = {
        [OPT_TYPE_BOOL] = "yes|no",   [OPT_TYPE_UINT] = "N",    [OPT_TYPE_SIZE] = "SIZE",
        [OPT_TYPE_DURATION] = "TIME", [OPT_TYPE_TEXT] = "TEXT", [OPT_TYPE_ENUM] = "WORD",
        [OPT_TYPE_LIST] = "ITEM",
    };
    const struct opt_info *p = &opt_info[o];
    const char *word = p->words[0] != '\0' ? p->words : arg[p->type];

    if (p->type == OPT_TYPE_TEXT && strcmp(p->unit, "file") == 0)
        word = "FILE";
    if (p->type == OPT_TYPE_TEXT && strcmp(p->unit, "directory") == 0)
        word = "DIR";
    (void)snprintf(out, cap, "%s", word);
    for (char *s = out; *s != '\0'; s++)
        if (*s == ' ')
            *s = '|';
}

static bool conf_option_at(const struct command *c, size_t i, struct shown_option *out)
{
    if (i == 0) {
        *out = (struct shown_option){
            .name = "config",
            .doc = "configuration; without it /etc/weir/weir.yaml if it exists",
            .def = "",
            .arg = "FILE",
        };
        return true;
    }
    for (size_t o = 0; o < OPT_N; o++) {
        bool takes = command_takes(c, (enum opt)o);
        if (!takes || --i > 0)
            continue;
        *out = (struct shown_option){
            .name = opt_info[o].name, .doc = opt_info[o].doc, .def = opt_info[o].def, .conf = true
        };
        shown_conf_arg((enum opt)o, out->arg, sizeof out->arg);
        return true;
    }
    return false;
}

bool shown_option_at(const struct command *c, size_t i, struct shown_option *out)
{
    const struct cmd_option *o = command_options(c);

    for (; o != NULL && o->name != NULL; o++)
        if (i-- == 0) {
            *out = (struct shown_option){
                .name = o->name, .doc = o->doc, .def = "", .letter = o->letter
            };
            (void)snprintf(out->arg, sizeof out->arg, "%s", o->arg != NULL ? o->arg : "");
            return true;
        }
    return c->conf != CMD_CONF_NONE && conf_option_at(c, i, out);
}

static void print_option(const struct shown_option *o)
{
    char left[224];

    (void)snprintf(left, sizeof left, "%s%c%s--%s%s%s", o->letter != 0 ? "-" : "   ",
                   o->letter != 0 ? o->letter : ' ', o->letter != 0 ? ", " : "", o->name,
                   o->arg[0] != '\0' ? " " : "", o->arg);
    (void)printf("  %-32s %s\n", left, o->doc);
    if (o->def[0] != '\0')
        (void)printf("  %-32s default %s\n", "", o->def);
}

void describe_help(const struct command *c)
{
    struct shown_option o;

    (void)printf("usage: weir %s [OPTION...]%s%s\n\n%s\n", c->name, c->operands[0] ? " " : "",
                 c->operands, c->summary);
    if (c->help != NULL)
        (void)printf("\n%s", c->help);
    if (shown_option_at(c, 0, &o))
        (void)printf("\noptions:\n");
    for (size_t i = 0; shown_option_at(c, i, &o); i++)
        print_option(&o);
}
