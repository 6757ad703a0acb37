/* cmd/cmd.h - the sub-commands of weir: one row in a table each (cmd.c), one file each.
 * Floor 7: the only place that builds the object graph. Everything here runs on the main thread.
 *
 * A new sub-command: cmd/NAME.c with `int cmd_NAME(const struct args *a)` and its table of options,
 * both declared below, and a row in cmd.c. */
#ifndef WEIR_CMD_CMD_H
#define WEIR_CMD_CMD_H

#include "base/err.h"
#include "conf/conf.h"

enum exit_code { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct cmd_option {
    const char *name; /* without the dashes */
    char letter;      /* short form, or 0 */
    const char *arg;  /* its value: the words it may be ("a|b"), else what it is called in the
                         help ("N"; FILE and DIR are completed as such); NULL = takes none */
    const char *doc;
};

/* Which options of the configuration a command takes besides its own. */
enum cmd_conf {
    CMD_CONF_NONE,
    CMD_CONF_PLACE, /* --config, --data, --socket: enough to find a data directory and its server */
    CMD_CONF_NAMES, /* those, --elements, --facts.dir, --as.source: what a question may name */
    CMD_CONF_ALL,   /* --config and every option of gen/options.h */
};

struct args;
struct command {
    const char *name, *operands,
        *summary;                     /* operands: as in `arg` above, in the order they stand */
    const struct cmd_option *options; /* ends with a NULL name; NULL = none */
    const struct cmd_option *(*more)(
        void);                        /* instead of `options`, where they are made at run time */
    uint8_t conf;                     /* enum cmd_conf */
    int (*run)(const struct args *a); /* returns an enum exit_code */
    /* Called with the command's arguments when an option is unknown: true if it explained what to
     * type instead. May be NULL. */
    bool (*foreign)(int argc, char **argv);
    const char *help; /* more text for `weir help NAME`, or NULL. Lines that begin with a blank
                         stay as they are in the manual page */
    bool hidden;      /* works, and is not shown */
};

const struct cmd_option *command_options(const struct command *c);
/* The i-th command of the table; NULL behind the last one. */
const struct command *command_at(size_t i);
bool command_takes(const struct command *c, enum opt o);

/* A parsed command line. Texts point into argv. */
struct arg {
    const struct cmd_option *o; /* own option, or */
    enum opt opt;               /* option of the configuration; OPT_N otherwise */
    const char *value;          /* NULL when the option takes none */
};
struct args {
    const struct command *command;
    struct arg *opt;
    size_t n_opts;
    const char **operand;
    size_t n_operands;
};

/* Value of an option (the last one, where it stands several times), or NULL. */
const char *args_get(const struct args *a, const char *name);
/* The i-th value of a repeatable option, or NULL. */
const char *args_nth(const struct args *a, const char *name, size_t i);
bool args_has(const struct args *a, const char *name);

/* Parse argv[0..argc) behind the command's name. Prints what is wrong to stderr.
 * Returns an enum exit_code. *a is to be freed with args_free() in any case. */
int args_parse(struct args *a, const struct command *c, int argc, char **argv) WARN_UNUSED;
void args_free(struct args *a);

/* The configuration: --config FILE, else /etc/weir/weir.yaml where it exists, then the command
 * line. The caller owns one reference. */
int cmd_conf(const struct args *a, struct conf **out, struct err *e) WARN_UNUSED;
/* The user's rows of the element dictionary (option `elements`), for the rest of the process:
 * before threads start, and not again. */
int cmd_elements(const struct conf *c, struct err *e) WARN_UNUSED;
/* Where facts about addresses are (option `facts.dir`), and what is there: *out NULL and ERR_OK
 * when there is nothing. The caller owns a reference. */
void cmd_facts_dir(const struct conf *c, char *out, size_t cap);
struct geo;
struct store;
int cmd_geo(const struct conf *c, struct geo **out, struct err *e) WARN_UNUSED;
/* And the store seals and asks by it from now on. */
int cmd_use_geo(const struct conf *c, struct store *s, struct err *e) WARN_UNUSED;
/* The user's applications (option `apps`) before the built-in ones; the caller owns a reference. */
struct apps;
int cmd_apps(const struct conf *c, struct apps **out, struct err *e) WARN_UNUSED;
/* The data directory and the socket of its server as configured, with the documented defaults. */
void cmd_data_dir(const struct conf *c, char *out, size_t cap);
void cmd_socket(const struct conf *c, char *out, size_t cap);

/* A data directory could not be read: cmd_fail(), and where nothing is stored yet or it belongs to
 * somebody else, what to type. */
int cmd_fail_dir(const struct args *a, const char *dir, const struct err *e);
/* Print "weir NAME: message" and return EXIT_FAILED. */
int cmd_fail(const struct args *a, const struct err *e);
/* Print "weir NAME: text" with the way to the help and return EXIT_USAGE. */
int cmd_usage(const struct args *a, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* "1.5 GB" */
void cmd_octets(uint64_t n, char *out, size_t cap);
/* One line on the terminal, written over the one before: done, rate, time left. */
void cmd_progress(uint64_t done, uint64_t total, int64_t took_ms);

/* Run `weir ARGV[1] ...`; returns the exit code of the process. */
int cmd_main(int argc, char **argv);

int cmd_import(const struct args *a);
extern const struct cmd_option import_options[];
extern const char import_help[];

int cmd_replay(const struct args *a);
extern const struct cmd_option replay_options[];
extern const char replay_help[];

int cmd_nat(const struct args *a);
extern const struct cmd_option nat_options[];
extern const char nat_help[];

int cmd_fsck(const struct args *a);
extern const struct cmd_option fsck_options[];
extern const char fsck_help[];

int cmd_snapshot(const struct args *a);
int cmd_restore(const struct args *a);
extern const struct cmd_option snapshot_options[], restore_options[];
extern const char snapshot_help[], restore_help[];

int cmd_compact(const struct args *a);
extern const struct cmd_option compact_options[];
extern const char compact_help[];

int cmd_group(const struct args *a);
int cmd_name(const struct args *a);
extern const struct cmd_option group_options[], name_options[];
extern const char group_help[], name_help[];

int cmd_exporter(const struct args *a);
int cmd_interface(const struct args *a);
int cmd_rule(const struct args *a);
extern const struct cmd_option exporter_options[];
extern const char exporter_help[], interface_help[], rule_help[];

int cmd_doctor(const struct args *a);
extern const struct cmd_option doctor_options[];
extern const char doctor_help[];

int cmd_exporters(const struct args *a);
extern const struct cmd_option exporters_options[];
extern const char exporters_help[];

int cmd_completion(const struct args *a);
int cmd_manual(const struct args *a);
extern const char completion_help[];

int cmd_data(const struct args *a);
extern const struct cmd_option data_options[];
extern const char data_help[];

int cmd_config(const struct args *a);
int cmd_query(const struct args *a);
int cmd_serve(const struct args *a);
int cmd_status(const struct args *a);
int cmd_tail(const struct args *a);
extern const struct cmd_option config_options[], serve_options[], status_options[];
extern const char serve_help[], query_help[], config_help[];
const struct cmd_option *query_options(void); /* made from the query's table of parameters */
bool query_foreign(int argc, char **argv);

#endif
