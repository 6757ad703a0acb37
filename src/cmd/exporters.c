/* weir exporters: what is to be said of each exporter, and what to type into it. */
#include "cmd/exporters.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/near.h"
#include "cmd/client.h"
#include "flow/addr.h"
#include "http/request.h"
#include "os/proc.h"
#include "present/text.h"
#include "store/store.h"

#define PATH_OCTETS 4096u
#define PAGE_MAX    (512u << 20)

const struct cmd_option exporters_options[] = {
    { "output", 'o', "table|json", "form of the answer" },
    { "exporters", 0, "N", "list so many exporters, the busiest, trusted before others (100)" },
    { "all", 0, NULL, "list all exporters" },
    { "collector", 0, "ADDR", "with config: address of this machine, as the device reaches it" },
    { "port", 0, "N", "with config: the port that Weir listens on, if it is not the usual one" },
    { "source", 0, "NAME",
      "with config: interface or address that the device sends from, or that it watches" },
    { 0 },
};
const char exporters_help[] = "Green: in order. Amber: something should be changed. Red: volumes "
                              "are wrong, or data are lost.\n"
                              "With ADDR: all there is to say of that exporter, and the lines to "
                              "type into it. Records of the\n"
                              "last hour are looked at (the newest two million).\n\n"
                              "weir exporters config lists the vendors there are recipes for; with "
                              "VENDOR and --collector it\n"
                              "prints the lines to type into such a device.\n";

static const char *colour_of(const json_t *o)
{
    switch (client_text(o, "verdict")[0]) {
    case 'r':
        return "\033[31m";
    case 'a':
        return "\033[33m";
    default:
        return "\033[32m";
    }
}

/* The verdict, six letters wide. */
static void print_verdict(const json_t *o, bool colour)
{
    (void)printf("%s%-7s%s", colour ? colour_of(o) : "", client_text(o, "verdict"),
                 colour ? "\033[0m" : "");
}

/* "1:1000", "unknown", "-" */
static const char *sampling(const json_t *figures, char out[24])
{
    const json_t *v = json_object_get(figures, "sampling");

    if (v == NULL)
        return "-";
    if (json_is_null(v))
        return "unknown";
    (void)snprintf(out, 24, "1:%" JSON_INTEGER_FORMAT, json_integer_value(v));
    return out;
}

static void print_list(const json_t *o, bool colour)
{
    const json_t *a = json_object_get(o, "exporters"), *v = json_object_get(o, "verdicts"), *x;
    size_t i;

    (void)printf("%" JSON_INTEGER_FORMAT " red, %" JSON_INTEGER_FORMAT
                 " amber, %" JSON_INTEGER_FORMAT " green\n",
                 client_num(v, "red"), client_num(v, "amber"), client_num(v, "green"));
    if (json_array_size(a) > 0)
        (void)printf("%-7s %-24s %15s %-5s %10s %9s  %s\n", "", "address", "domain", "ver",
                     "records", "sampling", "");
    json_array_foreach(a, i, x)
    {
        const json_t *f = json_object_get(x, "figures");
        struct buf records = buf_init(64);
        char rate[24];
        text_human(&records, (uint64_t)client_num(f, "records"));
        print_verdict(x, colour);
        (void)printf(" %-24s %15s %-5s %10s %9s  %s", client_text(x, "address"),
                     client_text(x, "domain"), client_text(x, "version"), buf_cstr(&records),
                     sampling(f, rate), client_text(x, "sentence"));
        if (json_array_size(json_object_get(x, "findings")) > 1)
            (void)printf(" (and %zu more)", json_array_size(json_object_get(x, "findings")) - 1);
        (void)printf("\n");
        buf_free(&records);
    }
    if (client_num(o, "exporters_known") > (json_int_t)json_array_size(a))
        (void)printf("and %" JSON_INTEGER_FORMAT
                     " more, with fewer records or not trusted; weir exporters --all lists them\n",
                     client_num(o, "exporters_known") - (json_int_t)json_array_size(a));
    if (client_num(v, "red") + client_num(v, "amber") > 0)
        (void)printf("weir exporters ADDR says what to type\n");
}

static void print_figures(const json_t *x)
{
    const json_t *f = json_object_get(x, "figures");
    char rate[24];

    (void)printf("        %" JSON_INTEGER_FORMAT " records, %" JSON_INTEGER_FORMAT
                 " option records, %" JSON_INTEGER_FORMAT
                 " templates (changed %" JSON_INTEGER_FORMAT " times), %" JSON_INTEGER_FORMAT
                 " restarts, last heard %s\n",
                 client_num(f, "records"), client_num(f, "options"), client_num(f, "templates"),
                 client_num(f, "templates_changed"), client_num(f, "restarts"),
                 client_text(x, "last_heard"));
    if (json_object_get(f, "records_looked_at") == NULL)
        return;
    (void)printf("        of %" JSON_INTEGER_FORMAT
                 " records looked at: sampling %s, the longest %.3f s, %" JSON_INTEGER_FORMAT
                 " of %" JSON_INTEGER_FORMAT " TCP conversations seen in both directions\n",
                 client_num(f, "records_looked_at"), sampling(f, rate),
                 (double)client_num(f, "longest_ms") / 1000, client_num(f, "in_both_directions"),
                 client_num(f, "tcp_conversations"));
    if (json_is_real(json_object_get(f, "records_to_counters")))
        (void)printf("        its records add up to %.2f of what its interfaces counted\n",
                     json_real_value(json_object_get(f, "records_to_counters")));
}

static void print_one(const json_t *x, bool colour)
{
    const json_t *a = json_object_get(x, "findings"), *f, *line;
    size_t i, k;

    print_verdict(x, colour);
    (void)printf(" %s, domain %s, %s", client_text(x, "address"), client_text(x, "domain"),
                 client_text(x, "version"));
    if (json_is_string(json_object_get(x, "name")))
        (void)printf(", %s by SNMP", client_text(x, "name"));
    if (json_is_string(json_object_get(x, "vendor")))
        (void)printf(", most likely %s", client_text(x, "vendor"));
    (void)printf("\n");
    print_figures(x);
    if (json_array_size(a) == 0)
        (void)printf("        %s\n", client_text(x, "sentence"));
    json_array_foreach(a, i, f)
    {
        (void)printf("\n");
        print_verdict(f, colour);
        (void)printf(" %s\n", client_text(f, "sentence"));
        json_array_foreach(json_object_get(f, "type"), k, line)(void)
            printf("            %s\n", json_string_value(line));
    }
}

static int print(const struct args *a, const struct buf *body)
{
    json_t *o = json_loadb((const char *)body->p, body->len, 0, NULL), *x, *list;
    bool colour = proc_is_terminal();
    size_t i;

    list = json_object_get(o, "exporters");
    if (a->n_operands == 0)
        print_list(o, colour);
    json_array_foreach(list, i, x)
    {
        if (a->n_operands > 0 && i > 0)
            (void)printf("\n");
        if (a->n_operands > 0)
            print_one(x, colour);
    }
    i = json_array_size(list);
    json_decref(o);
    if (a->n_operands == 0 || i > 0)
        return EXIT_DONE;
    (void)fprintf(stderr, "weir exporters: nothing was heard from %s; weir exporters lists whom\n",
                  a->operand[0]);
    return EXIT_FAILED;
}

static int ask(const struct args *a, const char *sock, bool json)
{
    struct buf body = buf_init(PAGE_MAX), target = buf_init(1u << 12);
    struct client_answer r;
    struct err e;
    int code = EXIT_DONE;

    buf_str(&target, "/api/v1/exporters");
    if (args_has(a, "all") || a->n_operands > 0 || args_get(a, "exporters") != NULL)
        http_add_param(&target, "exporters",
                       args_has(a, "all") || a->n_operands > 0 ? "all" : args_get(a, "exporters"));
    if (a->n_operands > 0)
        http_add_param(&target, "exporter", a->operand[0]);
    if (client_get(sock, buf_cstr(&target), client_keep, &body, &r, &e) != ERR_OK)
        code = cmd_fail(a, &e);
    else if (r.status != 200)
        code = client_problem(a, &r);
    else if (json)
        (void)fputs(buf_cstr(&body), stdout);
    else
        code = print(a, &body);
    buf_free(&r.problem);
    buf_free(&target);
    buf_free(&body);
    return code;
}

/* Options of the other half. */
static const char *stray(const struct args *a)
{
    static const char *const config[] = { "collector", "port", "source" };

    for (size_t i = 0; i < ARRAY_LEN(config); i++)
        if (args_has(a, config[i]))
            return config[i];
    return NULL;
}

static int usage(const struct args *a)
{
    static const char *const words[] = { "config" };
    const char *word = a->operand[0];

    if (near_word(word, strlen(word), words, ARRAY_LEN(words)) != NULL)
        return cmd_usage(a, "unknown: %s; did you mean weir exporters config?", word);
    return cmd_usage(a, "%s is no address of an exporter; weir exporters lists them", word);
}

int cmd_exporters(const struct args *a)
{
    enum present_format format = PRESENT_TABLE;
    char dir[PATH_OCTETS], sock[PATH_OCTETS];
    struct addr who;
    struct conf *c;
    struct err e;
    long pid;

    if (a->n_operands > 0 && strcmp(a->operand[0], "config") == 0)
        return exporters_config(a);
    if (stray(a) != NULL)
        return cmd_usage(a, "--%s: only with weir exporters config", stray(a));
    if (a->n_operands > 1)
        return cmd_usage(a, "%s: one exporter at a time", a->operand[1]);
    if (a->n_operands > 0 && !addr_parse(&who, a->operand[0], strlen(a->operand[0])))
        return usage(a);
    if (args_get(a, "output") != NULL && (!present_format_parse(args_get(a, "output"), &format) ||
                                          (format != PRESENT_TABLE && format != PRESENT_JSON)))
        return cmd_usage(a, "%s: expected -o table or -o json", args_get(a, "output"));
    proc_ignore_pipe();
    if (cmd_conf(a, &c, &e) != ERR_OK) {
        (void)cmd_fail(a, &e);
        return EXIT_USAGE;
    }
    cmd_data_dir(c, dir, sizeof dir);
    conf_unref(c);
    if (store_writer(dir, &pid, sock, sizeof sock, NULL) == ERR_OK && sock[0] != '\0')
        return ask(a, sock, format == PRESENT_JSON);
    (void)fprintf(stderr,
                  "weir exporters: no server runs on %s, and verdicts are a server's; weir serve "
                  "--data %s starts one,\nweir query --data %s --by exporter ranks those stored\n",
                  dir, dir, dir);
    return EXIT_FAILED;
}
