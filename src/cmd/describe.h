/* cmd/describe.h - commands and options as they are shown: help, manual pages, completion.
 * Floor 7. All three are made from the table in cmd.c and from gen/options.h. */
#ifndef WEIR_CMD_DESCRIBE_H
#define WEIR_CMD_DESCRIBE_H

#include "base/buf.h"
#include "cmd/cmd.h"

/* One option, its own or of the configuration. Texts live as long as the struct. */
struct shown_option {
    const char *name, *doc, *def; /* def: "" = none */
    char letter;
    char arg[128]; /* "" = takes none; "a|b" = one of these words */
    bool conf;     /* of the configuration */
};

/* The i-th option of a command; false behind the last one. */
bool shown_option_at(const struct command *c, size_t i, struct shown_option *out);
/* What a value of a configuration's option looks like: "yes|no", "N", "DIR"; into out[cap]. */
void shown_conf_arg(enum opt o, char *out, size_t cap);

/* `weir help NAME` on standard output. */
void describe_help(const struct command *c);

#endif
