/* cmd/nat.c - weir nat ADDR:PORT: who had this public address and port then. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "cmd/client.h"
#include "cmd/translation.h"
#include "collect/history_ask.h"
#include "http/request.h"
#include "os/clock.h"
#include "os/net.h"
#include "os/proc.h"
#include "present/gaps.h"
#include "store/store.h"

#define ROWS_BACK    "500" /* newest first; sessions of one address and port are few */
#define ROWS_FORWARD "200"
#define BACK_MS      (30ll * 86400 * 1000)
#define ANSWER_MAX   (16u << 20)

const struct cmd_option nat_options[] = {
    { "at", 0, "TIME", "the moment (default now)" },
    { "proto", 0, "NAME", "only this protocol, such as tcp" },
    { "back", 0, "DURATION", "how long before that moment a translation may have begun (30d)" },
    { "tz", 0, "ZONE", "time zone of what is written (default UTC)" },
    { "output", 'o', "table|json", "form of the answer" },
    { 0 },
};

const char nat_help[] =
    "Who had a public address and port at a moment, from what NAT devices told: events of sessions "
    "and\n"
    "bindings, blocks of ports, Cisco's NSEL, and flow records that hold the translated address. "
    "The answer\n"
    "says the inside address, from when to when, who told it, and on which records it rests; where "
    "nothing\n"
    "is known it says what was missing in that time.\n\n"
    "  weir nat 203.0.113.7:40000 --at 2026-03-03T14:00:05Z\n"
    "  weir nat '[2001:db8::7]:443' --proto tcp --at 2026-03-03T14:00 --tz Europe/Berlin\n";

struct asked {
    const struct args *a;
    struct conf *conf;
    struct net_place who;
    char address[ADDR_TEXT_MAX];
    int64_t at_ms, from_ms, back_ms;
    const char *proto, *tz;
    bool json;
    char dir[4096], sock[4096];
    bool server;
    int64_t took_us; /* of the questions */
    struct translations found;
};

/* --- questions --- */

/* Branches that the index of translations knows: a session's port; a block of ports; neither. */
static void make_filter(const struct asked *q, struct buf *b)
{
    const char *a = q->address;
    unsigned p = q->who.port;

    buf_printf(b,
               "((src xip %s and src xport %u) or (src xip %s and pblock start <= %u and "
               "pblock end >= %u) or (src xip %s and not exists ie(227) and not exists ie(362)))",
               a, p, a, p, p, a);
    if (q->proto != NULL)
        buf_printf(b, " and (proto %s or not exists ie(4))", q->proto);
}

static int set_moment(struct query_params *p, const char *name, int64_t ms, struct err *e)
{
    char text[CLOCK_TEXT_MAX];

    return query_params_set(p, name, clock_text(ms, text), e);
}

/* Records that begin in [from, to). */
static int make_params(const struct asked *q, int64_t from_ms, int64_t to_ms, bool forward,
                       struct query_params *p, struct err *e)
{
    struct buf filter = buf_init(4096);
    char from[CLOCK_TEXT_MAX], to[CLOCK_TEXT_MAX];
    int rc;

    make_filter(q, &filter);
    buf_printf(&filter, " and start >= %s and start < %s", clock_text(from_ms, from),
               clock_text(to_ms, to));
    rc = query_params_set(p, "filter", buf_cstr(&filter), e);
    buf_free(&filter);
    if (rc == ERR_OK)
        rc = query_params_set(p, "columns", TRANSLATION_COLUMNS, e);
    if (rc == ERR_OK)
        rc = query_params_set(p, "sort", forward ? "start" : "start desc", e);
    if (rc == ERR_OK)
        rc = query_params_set(p, "limit", forward ? ROWS_FORWARD : ROWS_BACK, e);
    if (rc == ERR_OK)
        rc = set_moment(p, "from", from_ms, e);
    return rc == ERR_OK ? set_moment(p, "to", to_ms, e) : rc;
}

static bool keep_client(void *ctx, const char *p, size_t n)
{
    struct buf *b = ctx;

    buf_put(b, p, n);
    return buf_ok(b);
}

static int keep_local(void *ctx, const void *p, size_t n)
{
    struct buf *b = ctx;

    buf_put(b, p, n);
    return buf_ok(b) ? ERR_OK : ERR_LIMIT;
}

static int ask_server(const struct asked *q, const struct query_params *p, struct buf *out,
                      struct err *e)
{
    struct buf target = buf_init(1u << 16);
    struct client_answer r;
    int rc;

    buf_str(&target, "/api/v1/query");
    for (size_t i = 0; i < QUERY_PARAM_N; i++)
        if (p->text[i] != NULL)
            http_add_param(&target, query_param_info[i].name, p->text[i]);
    http_add_param(&target, "format", "ndjson");
    rc = client_get(q->sock, buf_cstr(&target), keep_client, out, &r, e);
    if (rc == ERR_OK && r.status != 200)
        rc = err_set(e, ERR_ARG, "%.400s", buf_cstr(&r.problem));
    if (rc == ERR_OK && (r.error[0] != '\0' || r.incomplete[0] != '\0'))
        (void)fprintf(stderr, "weir nat: the answer may be incomplete: %s%s\n", r.error,
                      r.incomplete);
    buf_free(&r.problem);
    buf_free(&target);
    return rc;
}

static int ask_directory(const struct asked *q, struct query_params *p, struct buf *out,
                         struct err *e)
{
    struct query_control ctl = { .memory_max = conf_num(q->conf, OPT_QUERY_MEMORY),
                                 .threads = (uint32_t)conf_num(q->conf, OPT_QUERY_THREADS),
                                 .open_max = (uint32_t)conf_num(q->conf, OPT_STORE_OPEN_SEGMENTS) };
    struct query_stats stats = { 0 };
    struct snapshot snap = { 0 };
    struct present *to = NULL;
    struct plan *plan = NULL;
    struct store *st = NULL;
    int rc = query_plan(&plan, p, clock_now_ms(), e);

    if (rc == ERR_OK)
        rc = store_open(&st, q->dir, STORE_READ, "", e);
    if (rc == ERR_OK)
        rc = store_snapshot(st, &snap, e);
    if (rc == ERR_OK)
        rc = present_new(&to, PRESENT_NDJSON, plan->tz, keep_local, out, e);
    if (rc == ERR_OK)
        rc = query_run(plan, &snap, present_sink(to), &ctl, &stats, e);
    if (rc == ERR_OK && stats.incomplete)
        (void)fprintf(stderr, "weir nat: the answer may be incomplete: %s\n", stats.message);
    present_free(to);
    snapshot_free(&snap);
    store_close(st);
    plan_free(plan);
    return rc;
}

static int ask(struct asked *q, int64_t from_ms, int64_t to_ms, bool forward, struct err *e)
{
    struct query_params p = { .where = QUERY_PARAM_N };
    struct buf out = buf_init(ANSWER_MAX);
    int rc = make_params(q, from_ms, to_ms, forward, &p, e);

    if (rc == ERR_OK)
        rc = q->server ? ask_server(q, &p, &out, e) : ask_directory(q, &p, &out, e);
    if (rc == ERR_OK)
        rc = translations_read(&q->found, buf_cstr(&out), q->who.port, q->at_ms, e);
    query_params_free(&p);
    buf_free(&out);
    return rc;
}

/* --- the answer --- */

static const char *moment(int64_t ms, char *out)
{
    return ms == INT64_MIN || ms == INT64_MAX ? "?" : clock_text(ms, out);
}

static void inside(const struct owner *o, char *out, size_t cap)
{
    bool v6 = strchr(o->address, ':') != NULL;

    if (o->port >= 0)
        (void)snprintf(out, cap, v6 ? "[%s]:%d" : "%s:%d", o->address, o->port);
    else
        (void)snprintf(out, cap, "%s", o->address);
}

static void print_owner(const struct owner *o)
{
    char a[CLOCK_TEXT_MAX], b[CLOCK_TEXT_MAX], who[80];

    inside(o, who, sizeof who);
    (void)printf("  %-6s %s  from %s  to %s\n", o->proto[0] != '\0' ? o->proto : "any", who,
                 moment(o->from_ms, a),
                 o->to_ms == INT64_MAX ? "now, as far as is known" : moment(o->to_ms, b));
    if (o->user[0] != '\0')
        (void)printf("         user %s\n", o->user);
    if (o->block_start >= 0)
        (void)printf("         ports %d to %d are its own\n", o->block_start, o->block_end);
    (void)printf("         told by %s, domain %" PRIu32 ": %s", o->exporter, o->domain, o->began);
    if (o->ended[0] != '\0')
        (void)printf(", %s", o->ended);
    (void)printf(" (%" PRIu32 " records)\n", o->records);
}

static void print_gaps(const struct asked *q, const struct gap_list *gaps, int64_t from_ms)
{
    struct buf b = buf_init(1u << 20);

    gaps_line(&b, gaps, (struct gaps_frame){ from_ms, q->at_ms + 1 });
    if (b.len > 0)
        (void)printf("  it may have been told and not received. %s", buf_cstr(&b));
    buf_free(&b);
}

static void print_table(const struct asked *q, const struct gap_list *gaps)
{
    char t[CLOCK_TEXT_MAX], f[CLOCK_TEXT_MAX], place[NET_TEXT_MAX];
    const struct translations *x = &q->found;
    int64_t since = q->from_ms;

    (void)printf("%s at %s\n", net_place_text(&q->who, place), clock_text(q->at_ms, t));
    for (size_t i = 0; i < x->n; i++)
        if (x->o[i].holds)
            print_owner(&x->o[i]);
    if (translations_holding(x) > 0)
        return;
    for (size_t i = 0; i < x->n; i++)
        if (x->o[i].to_ms <= q->at_ms)
            since = MAX(since, x->o[i].to_ms);
    (void)printf("  nobody, as far as the records tell: no translation of it holds then; they were "
                 "looked through from %s on\n",
                 clock_text(q->from_ms, f));
    for (size_t i = 0; i < x->n; i++)
        if (x->o[i].to_ms == since) {
            (void)printf("  before, until %s:\n", moment(since, t));
            print_owner(&x->o[i]);
            break;
        }
    print_gaps(q, gaps, since);
}

static void put_moment(json_t *o, const char *name, int64_t ms)
{
    char text[CLOCK_TEXT_MAX];

    (void)json_object_set_new(
        o, name,
        ms == INT64_MIN || ms == INT64_MAX ? json_null() : json_string(clock_text(ms, text)));
}

static json_t *owner_json(const struct owner *o)
{
    json_t *x = json_object();

    (void)json_object_set_new(x, "address", json_string(o->address));
    (void)json_object_set_new(x, "port", o->port >= 0 ? json_integer(o->port) : json_null());
    (void)json_object_set_new(x, "proto",
                              o->proto[0] != '\0' ? json_string(o->proto) : json_null());
    put_moment(x, "from", o->from_ms);
    put_moment(x, "to", o->to_ms);
    if (o->user[0] != '\0')
        (void)json_object_set_new(x, "user", json_string(o->user));
    if (o->block_start >= 0) {
        (void)json_object_set_new(x, "block_start", json_integer(o->block_start));
        (void)json_object_set_new(x, "block_end", json_integer(o->block_end));
    }
    (void)json_object_set_new(x, "exporter", json_string(o->exporter));
    (void)json_object_set_new(x, "domain", json_integer(o->domain));
    (void)json_object_set_new(x, "began", json_string(o->began));
    (void)json_object_set_new(x, "ended",
                              o->ended[0] != '\0' ? json_string(o->ended) : json_null());
    (void)json_object_set_new(x, "records", json_integer(o->records));
    return x;
}

static void print_json(const struct asked *q, const struct gap_list *gaps)
{
    json_t *root = json_object(), *owners = json_array(), *before = json_array();
    struct buf b = buf_init(1u << 20);
    char *text;

    (void)json_object_set_new(root, "address", json_string(q->address));
    (void)json_object_set_new(root, "port", json_integer(q->who.port));
    put_moment(root, "at", q->at_ms);
    put_moment(root, "searched_from", q->from_ms);
    for (size_t i = 0; i < q->found.n; i++)
        (void)json_array_append_new(q->found.o[i].holds ? owners : before,
                                    owner_json(&q->found.o[i]));
    (void)json_object_set_new(root, "owners", owners);
    (void)json_object_set_new(root, "others", before);
    gaps_json(&b, gaps, NULL);
    (void)json_object_set_new(root, "gaps", json_loads(buf_cstr(&b), 0, NULL));
    (void)json_object_set_new(root, "seconds", json_real((double)q->took_us / 1e6));
    text = json_dumps(root, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
    if (text != NULL)
        (void)printf("%s\n", text);
    free(text);
    buf_free(&b);
    json_decref(root);
}

static int answer(struct asked *q, struct err *e)
{
    struct gap_list gaps = { 0 };
    int64_t began = clock_mono_us();
    int rc = ask(q, q->from_ms, q->at_ms + 1, false, e);

    if (rc == ERR_OK && translations_open(&q->found))
        rc = ask(q, q->at_ms + 1, q->at_ms + q->back_ms, true, e);
    q->took_us = clock_mono_us() - began;
    if (rc == ERR_OK)
        rc = history_gaps_of(q->dir, q->from_ms, q->at_ms + 1, &gaps, e);
    if (rc == ERR_OK) {
        translations_sort(&q->found);
        if (q->json)
            print_json(q, &gaps);
        else
            print_table(q, &gaps);
    }
    gap_list_free(&gaps);
    return rc;
}

/* --- command line --- */

static bool is_word(const char *s)
{
    return s[0] != '\0' && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(s);
}

static int read_words(struct asked *q)
{
    const char *at = args_get(q->a, "at"), *back = args_get(q->a, "back"),
               *output = args_get(q->a, "output");
    struct err e = { 0 };
    struct addr who;

    if (q->a->n_operands != 1)
        return cmd_usage(q->a, "name one address and port: weir nat 203.0.113.7:40000");
    if (net_place_parse(&q->who, q->a->operand[0], "", "nat", &e) != ERR_OK)
        return cmd_usage(q->a, "%s", e.msg);
    memcpy(who.b, q->who.ip, sizeof who.b);
    (void)addr_format(&who, q->address);
    q->proto = args_get(q->a, "proto");
    q->tz = args_get(q->a, "tz") != NULL ? args_get(q->a, "tz") : "";
    if (q->proto != NULL && !is_word(q->proto))
        return cmd_usage(q->a, "--proto %s: a protocol by name or number", q->proto);
    if (output != NULL && strcmp(output, "table") != 0 && strcmp(output, "json") != 0)
        return cmd_usage(q->a, "-o: \"%s\" is none of: table json", output);
    q->json = output != NULL && strcmp(output, "json") == 0;
    q->at_ms = clock_now_ms();
    if (at != NULL && query_time(&q->at_ms, at, q->tz, clock_now_ms(), &e) != ERR_OK)
        return cmd_usage(q->a, "--at: %s", e.msg);
    q->back_ms = BACK_MS;
    if (back != NULL && (!query_duration(&q->back_ms, back, strlen(back)) || q->back_ms <= 0))
        return cmd_usage(q->a, "--back %s: a duration such as 12h or 30d", back);
    q->from_ms = MAX(q->at_ms - q->back_ms, 0);
    return EXIT_DONE;
}

int cmd_nat(const struct args *a)
{
    struct asked q = { .a = a };
    struct err e = { 0 };
    long pid;
    int code = read_words(&q);

    if (code != EXIT_DONE)
        return code;
    proc_ignore_pipe();
    if (cmd_conf(a, &q.conf, &e) != ERR_OK || cmd_elements(q.conf, &e) != ERR_OK) {
        code = cmd_fail(a, &e);
    } else {
        cmd_data_dir(q.conf, q.dir, sizeof q.dir);
        q.server =
            store_writer(q.dir, &pid, q.sock, sizeof q.sock, NULL) == ERR_OK && q.sock[0] != '\0';
        if (answer(&q, &e) != ERR_OK)
            code = e.code == ERR_SYNTAX ? cmd_usage(a, "%s", e.msg) : cmd_fail_dir(a, q.dir, &e);
    }
    translations_free(&q.found);
    conf_unref(q.conf);
    return code;
}
