/* cmd/query.c - weir query and weir tail: the same question to a running server, or to the
 * directory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/client.h"
#include "collect/history_ask.h"
#include "http/request.h"
#include "meta/db.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/proc.h"
#include "present/gaps.h"
#include "store/store.h"

#define PATH_OCTETS 4096u

/* Filled once from query_param_info, so that options and URL parameters are one table. */
static struct cmd_option options[QUERY_PARAM_N + 4];

const struct cmd_option *query_options(void)
{
    size_t n = 0;

    if (options[0].name != NULL)
        return options;
    for (size_t i = 0; i < QUERY_PARAM_N; i++) {
        const struct query_param_info *p = &query_param_info[i];
        if (i == QUERY_FILTER)
            continue;
        options[n++] = (struct cmd_option){ p->name, 0,
                                            p->flag            ? NULL
                                            : p->value != NULL ? p->value
                                                               : "TEXT",
                                            p->doc };
    }
    options[n++] =
        (struct cmd_option){ "output", 'o', "table|csv|json|ndjson", "form of the answer" };
    options[n++] =
        (struct cmd_option){ "check", 0, NULL, "print the question as understood, ask nothing" };
    return options;
}

const char query_help[] = "The filter is nfdump's language, and tcpdump's words are understood. "
                          "Without a view the answer\n"
                          "is totals; without a time, everything that is stored counts.\n\n"
                          "  weir query 'src net 10.20.0.0/16 and dst port 443' --last 1h\n"
                          "  weir query 'proto tcp' --by 'dst port' --measure flows,bytes --top 5\n"
                          "  weir query --series 5m --by proto --last 1d -o csv\n"
                          "  weir query 'host 198.51.100.77' --list --limit 20\n"
                          "  weir query --check 'port 22 or port 23 and not src net 10/8'\n";

bool query_foreign(int argc, char **argv)
{
    struct buf b = buf_init(1u << 16);
    bool yes = query_from_nfdump(&b, argc, argv);

    if (yes)
        (void)fputs(buf_cstr(&b), stderr);
    buf_free(&b);
    return yes;
}

struct question {
    const struct args *a;
    struct conf *conf;
    struct query_params params;
    enum present_format format;
    char dir[PATH_OCTETS], sock[PATH_OCTETS];
    struct defs *defs;
};

/* All operands are one filter: quoting it is good style, not needed. */
static int take_filter(struct question *q, struct err *e)
{
    struct buf b = buf_init(QUERY_TEXT_MAX);
    int rc = ERR_OK;

    for (size_t i = 0; i < q->a->n_operands; i++) {
        if (i > 0)
            buf_char(&b, ' ');
        buf_str(&b, q->a->operand[i]);
    }
    if (!buf_ok(&b))
        rc = err_set(e, ERR_LIMIT, "the filter is longer than %u octets", QUERY_TEXT_MAX);
    else if (b.len > 0)
        rc = query_params_set(&q->params, query_param_info[QUERY_FILTER].name, buf_cstr(&b), e);
    buf_free(&b);
    return rc;
}

static int take_words(struct question *q, struct err *e)
{
    const char *format = args_get(q->a, "output");
    int rc = take_filter(q, e);

    for (size_t i = 0; rc == ERR_OK && i < q->a->n_opts; i++) {
        const struct arg *x = &q->a->opt[i];
        if (x->o == NULL || strcmp(x->o->name, "output") == 0 || strcmp(x->o->name, "check") == 0 ||
            strcmp(x->o->name, "config") == 0)
            continue;
        rc = query_params_set(&q->params, x->o->name, x->value, e);
    }
    if (rc == ERR_OK && format != NULL && !present_format_parse(format, &q->format))
        rc = err_set(e, ERR_ARG, "-o: \"%s\" is none of: table csv json ndjson", format);
    return rc;
}

static int show_error(struct question *q, const struct err *e)
{
    struct buf b = buf_init(1u << 20);

    if (e->code == ERR_SYNTAX || e->code == ERR_UNSUPPORTED || e->code == ERR_LIMIT) {
        query_error_show(&b, &q->params, e);
        (void)fprintf(stderr, "weir %s: %s%s", q->a->command->name, buf_cstr(&b),
                      b.len > 0 && b.p[b.len - 1] == '\n' ? "" : "\n");
    } else
        (void)cmd_fail(q->a, e);
    buf_free(&b);
    return e->code == ERR_NOMEM || e->code == ERR_IO ? EXIT_FAILED : EXIT_USAGE;
}

static int ask_server(struct question *q, const char *path)
{
    struct buf target = buf_init(1u << 20);
    struct client_answer r;
    struct err e;
    char format[16];
    int rc, code = EXIT_DONE;
    static const char *const names[] = { [PRESENT_TABLE] = "table",
                                         [PRESENT_CSV] = "csv",
                                         [PRESENT_JSON] = "json",
                                         [PRESENT_NDJSON] = "ndjson" };

    (void)snprintf(format, sizeof format, "%s", names[q->format]);
    buf_str(&target, path);
    for (size_t i = 0; i < QUERY_PARAM_N; i++)
        if (q->params.text[i] != NULL)
            http_add_param(&target, query_param_info[i].name, q->params.text[i]);
    http_add_param(&target, "format", format);
    rc = client_get(q->sock, buf_cstr(&target), client_to_stdout, NULL, &r, &e);
    if (rc != ERR_OK && r.error[0] == '\0')
        code = cmd_fail(q->a, &e);
    else if (!r.sink_failed && r.status != 200)
        code = client_problem(q->a, &r);
    if (r.incomplete[0] != '\0')
        (void)fprintf(stderr, "weir %s: the answer is incomplete: %s\n", q->a->command->name,
                      r.incomplete);
    if (r.error[0] != '\0') {
        (void)fprintf(stderr, "weir %s: %s\n", q->a->command->name, r.error);
        code = EXIT_FAILED;
    }
    buf_free(&r.problem);
    buf_free(&target);
    return code;
}

static int to_stdout(void *ctx, const void *data, size_t len)
{
    (void)ctx;
    return fwrite(data, 1, len, stdout) == len ? ERR_OK : ERR_CANCEL;
}

static int ask_directory(struct question *q, const struct plan *p, struct err *e)
{
    struct query_control ctl = { .memory_max = conf_num(q->conf, OPT_QUERY_MEMORY),
                                 .threads = (uint32_t)conf_num(q->conf, OPT_QUERY_THREADS),
                                 .idle_ms = (int64_t)conf_num(q->conf, OPT_SESSION_IDLE),
                                 .open_max = (uint32_t)conf_num(q->conf, OPT_STORE_OPEN_SEGMENTS),
                                 .as_source =
                                     (enum geo_as_source)conf_num(q->conf, OPT_AS_SOURCE) };
    struct query_stats stats = { 0 };
    struct snapshot snap = { 0 };
    struct present *out = NULL;
    struct gap_list gaps = { 0 };
    struct store *st = NULL;
    int rc = cmd_apps(q->conf, &ctl.apps, e);

    if (rc == ERR_OK)
        rc = store_open(&st, q->dir, STORE_READ, "", e);
    if (rc == ERR_OK) {
        store_set_open(st, (size_t)conf_num(q->conf, OPT_STORE_OPEN_SEGMENTS));
        rc = cmd_use_geo(q->conf, st, e);
    }
    if (rc == ERR_OK) {
        rc = store_snapshot(st, &snap, e);
    }
    if (rc == ERR_OK)
        rc = rate_rules_parse(&snap.rules, q->conf->v[OPT_SAMPLING].item,
                              q->conf->v[OPT_SAMPLING].n_items, e);
    if (rc == ERR_OK)
        rc = rate_rules_join(&snap.rules, p->defs->rates, e);
    if (rc == ERR_OK)
        rc = present_new(&out, q->format, p->tz, to_stdout, NULL, e);
    if (rc == ERR_OK)
        rc = history_gaps_of(q->dir, gaps_frame_of(p).from_ms, gaps_frame_of(p).to_ms, &gaps, e);
    if (rc == ERR_OK) {
        present_gaps(out, &gaps);
        rc = query_run(p, &snap, present_sink(out), &ctl, &stats, e);
    }
    present_free(out);
    gap_list_free(&gaps);
    if ((fflush(stdout) != 0 || ferror(stdout)) && rc == ERR_CANCEL)
        rc = ERR_OK; /* nobody reads any more */
    if (rc == ERR_OK && stats.incomplete)
        (void)fprintf(stderr,
                      "weir query: the answer is incomplete: %llu records could not be read: %s\n",
                      (unsigned long long)stats.rows_unreadable, stats.message);
    snapshot_free(&snap);
    store_close(st);
    apps_unref(ctl.apps);
    return rc;
}

static bool server_holds(struct question *q)
{
    char sock[PATH_OCTETS];
    long pid;

    if (store_writer(q->dir, &pid, sock, sizeof sock, NULL) != ERR_OK || sock[0] == '\0')
        return false;
    (void)memcpy(q->sock, sock, sizeof q->sock);
    return true;
}

/* What is defined today. What cannot be read is told, and asked without. */
static int take_definitions(struct question *q, struct err *e)
{
    struct meta_db *m;
    struct err why = { 0 };
    int rc = meta_db_open(&m, q->dir, e);

    if (rc != ERR_OK)
        return rc;
    rc = meta_db_defs(m, &q->defs, &why);
    meta_db_close(m);
    if (q->defs == NULL)
        return err_set(e, rc, "%s", why.msg);
    if (rc != ERR_OK)
        (void)fprintf(stderr, "weir %s: %s; groups and names are left out\n", q->a->command->name,
                      why.msg);
    q->params.defs = q->defs;
    return ERR_OK;
}

static int prepare(struct question *q, struct err *e)
{
    int rc = cmd_conf(q->a, &q->conf, e);

    if (rc != ERR_OK || (rc = cmd_elements(q->conf, e)) != ERR_OK)
        return rc;
    cmd_data_dir(q->conf, q->dir, sizeof q->dir);
    rc = take_definitions(q, e);
    return rc == ERR_OK ? take_words(q, e) : rc;
}

static void finish(struct question *q)
{
    query_params_free(&q->params);
    defs_unref(q->defs);
    conf_unref(q->conf);
}

/* What was typed is wrong, or the machine failed before it was looked at. */
static int refuse(const struct args *a, const struct err *e)
{
    (void)cmd_fail(a, e);
    return e->code == ERR_IO || e->code == ERR_NOMEM ? EXIT_FAILED : EXIT_USAGE;
}

int cmd_query(const struct args *a)
{
    struct question q = { .a = a, .format = PRESENT_TABLE };
    struct buf text = buf_init(1u << 20);
    struct plan *p = NULL;
    struct err e = { 0 };
    int code = EXIT_DONE;

    proc_ignore_pipe();
    q.params.where = QUERY_PARAM_N;
    if (prepare(&q, &e) != ERR_OK)
        code = refuse(a, &e);
    else if (query_plan(&p, &q.params, clock_now_ms(), &e) != ERR_OK &&
             (os_may_use(q.dir, false) || !server_holds(&q)))
        code = show_error(&q, &e); /* who may not look into the directory lacks its definitions */
    else if (args_has(a, "check") && p != NULL) {
        query_check(&text, p);
        (void)fputs(buf_cstr(&text), stdout);
    } else if (server_holds(&q))
        code = ask_server(&q, "/api/v1/query");
    else if (ask_directory(&q, p, &e) != ERR_OK)
        code = cmd_fail_dir(a, q.dir, &e);
    plan_free(p);
    buf_free(&text);
    finish(&q);
    return code;
}

int cmd_tail(const struct args *a)
{
    struct question q = { .a = a, .format = PRESENT_CSV };
    struct err e = { 0 };
    int code;

    proc_ignore_pipe();
    if (prepare(&q, &e) != ERR_OK)
        code = refuse(a, &e);
    else if (server_holds(&q))
        code = ask_server(&q, "/api/v1/tail");
    else {
        (void)err_set(&e, ERR_NOTFOUND,
                      os_may_use(q.dir, false) || !os_is_dir(q.dir)
                          ? "no server runs on %s, so nothing new comes; start weir serve"
                          : "%s: Permission denied",
                      q.dir);
        code = cmd_fail_dir(a, q.dir, &e);
    }
    finish(&q);
    return code;
}
