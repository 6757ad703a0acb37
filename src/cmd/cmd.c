#include "cmd/cmd.h"

#include <stdio.h>
#include <string.h>

#include "base/near.h"
#include "cmd/describe.h"

static const struct command commands[] = {
    { "serve", "", "receive, store and answer until told to stop", .options = serve_options,
      .conf = CMD_CONF_ALL, .run = cmd_serve, .help = serve_help },
    { "query", "[FILTER]", "ask about flows: totals, or with --by, --series, --list",
      .more = query_options, .conf = CMD_CONF_NAMES, .run = cmd_query, .foreign = query_foreign,
      .help = query_help },
    { "tail", "[FILTER]", "follow the records as they come", .more = query_options,
      .conf = CMD_CONF_NAMES, .run = cmd_tail, .foreign = query_foreign },
    { "status", "", "exporters, ledgers, drops and the store", .options = status_options,
      .conf = CMD_CONF_PLACE, .run = cmd_status },
    { "exporters", "[ADDR, or: config VENDOR]",
      "a verdict on each exporter, and what to type into devices", .options = exporters_options,
      .conf = CMD_CONF_PLACE, .run = cmd_exporters, .help = exporters_help },
    { "config", "check|show|export|apply [FILE]",
      "check or show the configuration; export or apply what is defined", .options = config_options,
      .conf = CMD_CONF_ALL, .run = cmd_config, .help = config_help },
    { "import", "FILE...",
      "read captures of export datagrams, and flows of other tools, into the data directory",
      .options = import_options, .conf = CMD_CONF_NAMES, .run = cmd_import, .help = import_help },
    { "replay", "[FILTER]", "send stored records to another collector, or into a file",
      .options = replay_options, .conf = CMD_CONF_NAMES, .run = cmd_replay, .help = replay_help },
    { "group", "list|show|set|add|remove|delete [NAME] [MEMBER...|KEY=VALUE...]",
      "what addresses, ports, exporters belong together", .options = group_options,
      .conf = CMD_CONF_PLACE, .run = cmd_group, .help = group_help },
    { "name", "list|set|remove [ADDRESS] [NAME]", "names of addresses and networks",
      .options = name_options, .conf = CMD_CONF_PLACE, .run = cmd_name, .help = name_help },
    { "exporter", "list|set|unset [ADDRESS] [KEY=VALUE...]", "names, sites, roles of exporters",
      .options = exporter_options, .conf = CMD_CONF_PLACE, .run = cmd_exporter,
      .help = exporter_help },
    { "interface", "list|set|unset [EXPORTER] [INDEX] [KEY=VALUE...]",
      "names and classes of interfaces", .options = exporter_options, .conf = CMD_CONF_PLACE,
      .run = cmd_interface, .help = interface_help },
    { "rule", "list|add|remove|preview [PATTERN] [KEY=VALUE...]",
      "classify interfaces by their names", .options = exporter_options, .conf = CMD_CONF_PLACE,
      .run = cmd_rule, .help = rule_help },
    { "nat", "ADDR:PORT", "who had this public address and port then", .options = nat_options,
      .conf = CMD_CONF_NAMES, .run = cmd_nat, .help = nat_help },
    { "fsck", "", "look through the data directory for damage, and repair it",
      .options = fsck_options, .conf = CMD_CONF_PLACE, .run = cmd_fsck, .help = fsck_help },
    { "snapshot", "DIR", "a copy of the data directory as it is now", .options = snapshot_options,
      .conf = CMD_CONF_PLACE, .run = cmd_snapshot, .help = snapshot_help },
    { "restore", "SNAPSHOT DIR", "a data directory out of a snapshot, verified",
      .options = restore_options, .conf = CMD_CONF_NONE, .run = cmd_restore, .help = restore_help },
    { "compact", "", "merge small segments into larger ones, where no server runs",
      .options = compact_options, .conf = CMD_CONF_PLACE, .run = cmd_compact,
      .help = compact_help },
    { "data", "[import FILE... | lookup ADDRESS...]",
      "AS numbers and countries of addresses: what is known, and new data", .options = data_options,
      .conf = CMD_CONF_NAMES, .run = cmd_data, .help = data_help },
    { "doctor", "", "look through machine and directory, and say what to change",
      .options = doctor_options, .conf = CMD_CONF_ALL, .run = cmd_doctor, .help = doctor_help },
    { "completion", "bash|zsh|fish", "what a shell needs to complete commands and options",
      .conf = CMD_CONF_NONE, .run = cmd_completion, .help = completion_help },
    { "manual", "PAGE", "a manual page: weir, weir-COMMAND or weir.yaml", .conf = CMD_CONF_NONE,
      .run = cmd_manual, .hidden = true },
};

const struct command *command_at(size_t i)
{
    return i < ARRAY_LEN(commands) ? &commands[i] : NULL;
}

const struct cmd_option *command_options(const struct command *c)
{
    return c->more != NULL ? c->more() : c->options;
}

static void overview(FILE *f)
{
    (void)fprintf(f, "weir " WEIR_VERSION
                     " - records every network flow and answers questions about it\n\n"
                     "usage: weir COMMAND [OPTION...] [OPERAND...]\n\n");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (!commands[i].hidden)
            (void)fprintf(f, "  %-11s %s\n", commands[i].name, commands[i].summary);
    (void)fprintf(f, "\n  weir help COMMAND    its options\n  weir --version\n");
}

static const struct command *find(const char *name)
{
    const char *names[ARRAY_LEN(commands) + 1];
    const char *near;

    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
        names[i] = commands[i].name;
    }
    names[ARRAY_LEN(commands)] = "help";
    if (name[0] == '-') {
        (void)fprintf(stderr, "weir: %s: the command comes first, as in: weir query --last 1h\n",
                      name);
        return NULL;
    }
    near = near_word(name, strlen(name), names, ARRAY_LEN(names));
    if (near != NULL)
        (void)fprintf(stderr, "weir: unknown command %s; did you mean weir %s?\n", name, near);
    else
        (void)fprintf(stderr, "weir: unknown command %s; weir help lists them\n", name);
    return NULL;
}

int cmd_main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "help";
    const struct command *c;
    struct args a;
    int rc;

    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0 || strcmp(word, "-v") == 0 ||
        strcmp(word, "version") == 0) {
        (void)printf("weir " WEIR_VERSION "\n");
        return EXIT_DONE;
    }
    if (strcmp(word, "help") == 0 || strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        if (argc <= 2) {
            overview(argc > 1 ? stdout : stderr);
            return argc > 1 ? EXIT_DONE : EXIT_USAGE;
        }
        if ((c = find(argv[2])) == NULL)
            return EXIT_USAGE;
        describe_help(c);
        return EXIT_DONE;
    }
    if ((c = find(word)) == NULL)
        return EXIT_USAGE;
    if (argc == 3 && strcmp(argv[2], "help") == 0) {
        describe_help(c);
        return EXIT_DONE;
    }
    rc = args_parse(&a, c, argc - 2, argv + 2);
    if (rc == EXIT_DONE && args_has(&a, "help"))
        describe_help(c);
    else if (rc == EXIT_DONE)
        rc = c->run(&a);
    args_free(&a);
    return rc;
}
