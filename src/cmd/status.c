/* cmd/status.c - weir status: the ledgers, exporters, store and drops, to be read or as JSON. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/client.h"
#include "cmd/past.h"
#include "http/request.h"
#include "os/clock.h"
#include "os/proc.h"
#include "present/text.h"
#include "store/store.h"

#define PATH_OCTETS 4096u
#define STATUS_MAX  (512u << 20)

const struct cmd_option status_options[] = {
    { "output", 'o', "table|json|csv", "form of the answer; csv with --history only" },
    { "exporters", 0, "N",
      "list so many exporters, the busiest first, trusted before others (100)" },
    { "all", 0, NULL, "list all exporters" },
    { "gaps", 0, NULL,
      "list what was missing and when: lost, silent, dropped, expired, not running" },
    { "history", 0, NULL,
      "what was received, stored, lost and dropped, minute by minute, over restarts" },
    { "exporter", 0, "ADDR", "with --gaps, --history: of this exporter only" },
    { "last", 0, "TIME", "with --gaps, --history: of the last TIME only (1h, 7d)" },
    { "from", 0, "TIME", "with --gaps, --history: from that time on" },
    { "to", 0, "TIME", "with --gaps, --history: up to that time" },
    { "series", 0, "STEP", "with --history: summed up by STEP (10m, 1h), not by the time shown" },
    { "tz", 0, "ZONE", "with --gaps, --history: times of that zone" },
    { 0 }
};

/* As in answers: "4.29 G". */
static const char *big(json_int_t v, char out[24])
{
    struct buf b = buf_init(24);

    text_human(&b, v > 0 ? (uint64_t)v : 0);
    (void)snprintf(out, 24, "%s", buf_cstr(&b));
    buf_free(&b);
    return out;
}

static void print_reasons(const json_t *o, const char *name)
{
    const json_t *r = json_object_get(o, name), *v;
    const char *key;

    json_object_foreach((json_t *)(uintptr_t)r, key, v)(void)
        printf("  %s %s %" JSON_INTEGER_FORMAT, name, key, json_integer_value(v));
}

static void print_ledgers(const json_t *o)
{
    const json_t *d = json_object_get(o, "datagrams"), *s = json_object_get(o, "sets"),
                 *r = json_object_get(o, "records");
    char b[6][24];

    (void)printf("datagrams  %s received, %s accepted", big(client_num(d, "received"), b[0]),
                 big(client_num(d, "accepted"), b[1]));
    print_reasons(d, "refused");
    (void)printf("\n           dropped: %" JSON_INTEGER_FORMAT
                 " by the kernel, %" JSON_INTEGER_FORMAT " by a full ring\n",
                 client_num(d, "kernel_dropped"), client_num(d, "ring_dropped"));
    if (client_num(d, "lost_in_crash") > 0 || client_num(d, "quarantined") > 0)
        (void)printf("           a crash took %" JSON_INTEGER_FORMAT ", %" JSON_INTEGER_FORMAT
                     " are in quarantine\n",
                     client_num(d, "lost_in_crash"), client_num(d, "quarantined"));
    (void)printf("sets       %s, %s decoded, %s templates, %s waiting",
                 big(client_num(s, "total"), b[0]), big(client_num(s, "decoded"), b[1]),
                 big(client_num(s, "template"), b[2]), big(client_num(s, "waiting"), b[3]));
    print_reasons(s, "expired");
    print_reasons(s, "malformed");
    (void)printf("\nrecords    %s flows, %s options: %s sealed, %s open, %s refused\n",
                 big(client_num(r, "flows"), b[0]), big(client_num(r, "options"), b[1]),
                 big(client_num(r, "sealed"), b[2]), big(client_num(r, "open"), b[3]),
                 big(client_num(r, "refused"), b[4]));
}

static void print_compaction(const json_t *c)
{
    char b[3][24];

    if (client_num(c, "merges") > 0 || json_is_true(json_object_get(c, "running")))
        (void)printf("compaction %s merges of %s segments, %s octets written%s\n",
                     big(client_num(c, "merges"), b[0]),
                     big(client_num(c, "segments_merged"), b[1]),
                     big(client_num(c, "octets_written"), b[2]),
                     json_is_true(json_object_get(c, "running")) ? "; one is running" : "");
    if (json_is_string(json_object_get(c, "failed")))
        (void)printf("           the last merge failed, it is tried again: %s\n",
                     client_text(c, "failed"));
}

static void print_store(const json_t *o)
{
    const json_t *s = json_object_get(o, "store"), *v;
    char b[4][24];

    if (client_num(s, "segments") == 0 && client_num(s, "segments_damaged") == 0 &&
        !json_is_true(json_object_get(s, "manifest_rebuilt"))) {
        (void)printf("store      nothing is sealed yet\n");
        return;
    }
    (void)printf("store      %s records in %s segments, %s octets",
                 big(client_num(s, "records"), b[0]), big(client_num(s, "segments"), b[1]),
                 big(client_num(s, "octets"), b[2]));
    v = json_object_get(s, "octets_per_record");
    if (json_is_real(v))
        (void)printf(", %.1f a record", json_real_value(v));
    (void)printf("\n           from %s to %s", client_text(s, "oldest"), client_text(s, "newest"));
    v = json_object_get(s, "days_kept");
    if (json_is_real(v))
        (void)printf(
            "\n           at the rate of the last week %s octets a day: full in %.1f days, "
            "%.1f days are kept",
            big(client_num(s, "octets_per_day"), b[3]),
            json_real_value(json_object_get(s, "days_until_full")), json_real_value(v));
    (void)printf("\n");
    if (json_is_true(json_object_get(s, "manifest_rebuilt")))
        (void)printf(
            "           the manifest was damaged and made again from the segments at start; "
            "run weir fsck\n");
    v = json_object_get(s, "levels");
    if (json_array_size(v) > 0) {
        (void)printf("           segments by level:");
        for (size_t i = 0; i < json_array_size(v); i++)
            (void)printf(" %" JSON_INTEGER_FORMAT, json_integer_value(json_array_get(v, i)));
        (void)printf("\n");
    }
    print_compaction(json_object_get(o, "compaction"));
    if (client_num(s, "segments_damaged") > 0)
        (void)printf("           DAMAGED: %" JSON_INTEGER_FORMAT
                     " segments cannot be read in full\n",
                     client_num(s, "segments_damaged"));
}

static void print_journal(const json_t *o, bool colour)
{
    const json_t *j = json_object_get(o, "journal");
    char b[2][24];

    if (strcmp(client_text(j, "mode"), "off") == 0)
        (void)printf("journal    off: a crash loses what is not sealed\n");
    else
        (void)printf("journal    %s, %s of %s octets in use, longest commit %" JSON_INTEGER_FORMAT
                     " ms\n",
                     client_text(j, "mode"), big(client_num(j, "octets"), b[0]),
                     big(client_num(j, "max_octets"), b[1]), client_num(j, "longest_sync_ms"));
    if (json_is_true(json_object_get(j, "unsafe")))
        (void)printf("           %sUNSAFE: %s; a crash would lose what is not sealed%s\n",
                     colour ? "\033[31m" : "", client_text(j, "unsafe_reason"),
                     colour ? "\033[0m" : "");
}

/* "slow 3, idle 1" */
static void session_reasons(const char *what, const json_t *o)
{
    const char *name, *between = "";
    json_t *v;

    if (json_object_size(o) == 0)
        return;
    (void)printf(", %s: ", what);
    json_object_foreach((json_t *)(uintptr_t)o, name, v)
    {
        (void)printf("%s%s %" JSON_INTEGER_FORMAT, between, name, json_integer_value(v));
        between = ", ";
    }
}

static void print_sessions(const json_t *l, bool colour)
{
    const json_t *s = json_object_get(l, "sessions");
    char b[2][24];

    (void)printf("listen     %s  %s messages, %s sessions open", client_text(l, "listen"),
                 big(client_num(l, "datagrams"), b[0]), big(client_num(s, "open"), b[1]));
    session_reasons("ended", json_object_get(s, "ended"));
    session_reasons("refused", json_object_get(s, "refused"));
    (void)printf("\n");
    if (json_object_get(s, "refused_reason") != NULL)
        (void)printf("           %srefused at %s: %s%s\n", colour ? "\033[33m" : "",
                     client_text(s, "refused_last"), client_text(s, "refused_reason"),
                     colour ? "\033[0m" : "");
}

static void print_listeners(const json_t *o, bool colour)
{
    const json_t *l;
    char b[2][24];
    size_t i;

    json_array_foreach(json_object_get(o, "listeners"), i, l)
    {
        json_int_t want = client_num(l, "receive_buffer_wanted"),
                   got = client_num(l, "receive_buffer");
        if (json_object_get(l, "sessions") != NULL) {
            print_sessions(l, colour);
            continue;
        }
        (void)printf("listen     %s  %s datagrams, buffer %s octets\n", client_text(l, "listen"),
                     big(client_num(l, "datagrams"), b[0]), big(got, b[1]));
        if (got < want)
            (void)printf("           %swanted %s octets; type: sysctl -w "
                         "net.core.rmem_max=%" JSON_INTEGER_FORMAT "%s\n",
                         colour ? "\033[33m" : "", big(want, b[1]), want, colour ? "\033[0m" : "");
    }
    json_array_foreach(json_object_get(o, "rings"), i, l)(void)
        printf("ring %-5zu %s of %s octets in use, %" JSON_INTEGER_FORMAT " dropped\n", i,
               big(client_num(l, "used"), b[0]), big(client_num(l, "size"), b[1]),
               client_num(l, "dropped"));
}

static void print_forward(const json_t *o, bool colour)
{
    const json_t *f = json_object_get(o, "forward"), *t;
    char b[2][24];
    size_t i;

    json_array_foreach(json_object_get(f, "targets"), i, t)
    {
        (void)printf("forward    %s  %s datagrams under the %s", client_text(t, "to"),
                     big(client_num(t, "datagrams"), b[0]),
                     json_is_true(json_object_get(t, "may_keep_source")) ? "senders' addresses"
                                                                         : "address of this host");
        if (client_num(t, "refused") > 0)
            (void)printf(", %s%s refused by the system%s", colour ? "\033[33m" : "",
                         big(client_num(t, "refused"), b[1]), colour ? "\033[0m" : "");
        (void)printf("\n");
    }
    if (client_num(f, "dropped") > 0)
        (void)printf("           %s%s datagrams were not sent on: forward_queue was full%s\n",
                     colour ? "\033[33m" : "", big(client_num(f, "dropped"), b[0]),
                     colour ? "\033[0m" : "");
}

static void print_exporter(const json_t *x)
{
    const json_t *d = json_object_get(x, "datagrams"), *s = json_object_get(x, "sets");
    const json_t *offset = json_object_get(x, "clock_offset_ms");
    char b[4][24], domain[24], version[24];

    text_domain_cell((uint32_t)client_num(x, "domain"), (uint16_t)client_num(x, "version"), domain);
    (void)printf("  %-24s %15s %5s %-7s %9s %9s %9s %7s %5" JSON_INTEGER_FORMAT
                 " %7" JSON_INTEGER_FORMAT "  %-24s  %s",
                 client_text(x, "address"), domain,
                 text_version_cell((uint16_t)client_num(x, "version"), version),
                 json_is_true(json_object_get(x, "trusted")) ? "yes" : "NO",
                 big(client_num(d, "total"), b[0]), big(client_num(s, "total"), b[1]),
                 big(client_num(json_object_get(x, "records"), "flows"), b[2]),
                 big(client_num(x, "lost"), b[3]), client_num(x, "templates"),
                 client_num(s, "waiting"), client_text(x, "last_heard"),
                 client_text(x, "first_heard"));
    if (json_is_integer(offset) && llabs(json_integer_value(offset)) >= 1000)
        (void)printf("  clock %+.1f s", (double)json_integer_value(offset) / 1000);
    print_reasons(d, "refused");
    print_reasons(s, "malformed");
    print_reasons(s, "expired");
    (void)printf("\n");
}

static void print_exporters(const json_t *o)
{
    const json_t *a = json_object_get(o, "exporters"), *x;
    size_t i;

    if (client_num(o, "exporters_known") == 0) {
        (void)printf("exporters  none heard yet\n");
        return;
    }
    (void)printf("exporters\n  %-24s %15s %5s %-7s %9s %9s %9s %7s %5s %7s  %-24s  %s\n", "address",
                 "domain", "ver", "trusted", "datagrams", "sets", "records", "lost", "templ",
                 "waiting", "last heard", "first heard");
    json_array_foreach(a, i, x) print_exporter(x);
    if (client_num(o, "exporters_known") > (json_int_t)json_array_size(a))
        (void)printf("  and %" JSON_INTEGER_FORMAT " more, with fewer records or not trusted; weir "
                     "status --all lists them\n",
                     client_num(o, "exporters_known") - (json_int_t)json_array_size(a));
}

/* Only where something is half full, or was full: it is nobody's daily reading. */
static void print_memory(const json_t *o)
{
    const json_t *m = json_object_get(o, "memory");
    char b[6][24];

    if (client_num(m, "exporters") * 2 < client_num(m, "exporters_max") &&
        client_num(m, "waiting") * 2 < client_num(m, "waiting_max") &&
        client_num(m, "open") * 2 < client_num(m, "open_max") &&
        client_num(m, "exporters_forgotten") == 0)
        return;
    (void)printf("memory     exporters and templates %s of %s octets, waiting sets %s of %s, open "
                 "records %s of %s; %" JSON_INTEGER_FORMAT " exporters forgotten\n",
                 big(client_num(m, "exporters"), b[0]), big(client_num(m, "exporters_max"), b[1]),
                 big(client_num(m, "waiting"), b[2]), big(client_num(m, "waiting_max"), b[3]),
                 big(client_num(m, "open"), b[4]), big(client_num(m, "open_max"), b[5]),
                 client_num(m, "exporters_forgotten"));
}

static void print_all(const json_t *o, bool colour)
{
    (void)printf("weir %s, process %" JSON_INTEGER_FORMAT ", since %s, now %s\n",
                 client_text(o, "version"), client_num(o, "pid"), client_text(o, "started"),
                 client_text(o, "now"));
    if (json_is_true(json_object_get(o, "unsafe")))
        (void)printf("%sUNSAFE: records cannot be written: %s%s\n", colour ? "\033[31m" : "",
                     client_text(o, "unsafe_reason"), colour ? "\033[0m" : "");
    print_ledgers(o);
    print_store(o);
    print_journal(o, colour);
    print_listeners(o, colour);
    print_forward(o, colour);
    print_memory(o);
    print_exporters(o);
}

static int ask(const struct args *a, const char *sock, bool json)
{
    struct buf body = buf_init(STATUS_MAX), target = buf_init(1u << 12);
    struct client_answer r;
    struct err e;
    json_t *o;
    int code = EXIT_DONE;

    buf_str(&target, "/api/v1/status");
    if (args_has(a, "all") || args_get(a, "exporters") != NULL)
        http_add_param(&target, "exporters", args_has(a, "all") ? "all" : args_get(a, "exporters"));
    if (client_get(sock, buf_cstr(&target), client_keep, &body, &r, &e) != ERR_OK)
        code = cmd_fail(a, &e);
    else if (r.status != 200)
        code = client_problem(a, &r);
    else if (json)
        (void)fputs(buf_cstr(&body), stdout);
    else {
        o = json_loadb((const char *)body.p, body.len, 0, NULL);
        print_all(o, proc_is_terminal());
        json_decref(o);
    }
    buf_free(&r.problem);
    buf_free(&target);
    buf_free(&body);
    return code;
}

/* Without a server: what the directory says. */
static int look(const struct args *a, const char *dir, bool json)
{
    struct store *st;
    struct store_stats t;
    struct err e;
    json_t *o;
    char when[CLOCK_TEXT_MAX];

    if (store_open(&st, dir, STORE_READ, "", &e) != ERR_OK)
        return cmd_fail_dir(a, dir, &e);
    store_get_stats(st, &t);
    store_close(st);
    o = json_pack("{s:n,s:{s:I,s:I,s:I,s:I,s:I,s:[III]}}", "pid", "store", "segments",
                  (json_int_t)t.segments, "records", (json_int_t)t.rows, "options",
                  (json_int_t)t.options, "octets", (json_int_t)t.octets, "segments_damaged",
                  (json_int_t)t.segments_damaged, "levels", (json_int_t)t.level_segments[0],
                  (json_int_t)t.level_segments[1], (json_int_t)t.level_segments[2]);
    if (t.rows > 0) {
        json_t *s = json_object_get(o, "store");
        (void)json_object_set_new(s, "octets_per_record",
                                  json_real((double)t.octets / (double)t.rows));
        (void)json_object_set_new(s, "oldest", json_string(clock_text(t.oldest_ms, when)));
        (void)json_object_set_new(s, "newest", json_string(clock_text(t.newest_ms, when)));
    }
    if (json)
        (void)json_dumpf(o, stdout, JSON_INDENT(1));
    else {
        (void)printf("no server runs on %s; weir serve --data %s starts one\n", dir, dir);
        print_store(o);
    }
    json_decref(o);
    return EXIT_DONE;
}

/* What only makes sense with --gaps or --history. */
static const char *stray(const struct args *a)
{
    static const char *const past[] = { "exporter", "last", "from", "to", "tz" };

    for (size_t i = 0; i < ARRAY_LEN(past); i++)
        if (args_has(a, past[i]) && !args_has(a, "gaps") && !args_has(a, "history"))
            return past[i];
    return args_has(a, "series") && !args_has(a, "history") ? "series" : NULL;
}

int cmd_status(const struct args *a)
{
    bool gaps = args_has(a, "gaps"), history = args_has(a, "history");
    enum present_format format = PRESENT_TABLE;
    char dir[PATH_OCTETS], sock[PATH_OCTETS];
    struct conf *c;
    struct err e;
    bool serves;
    long pid;

    if (stray(a) != NULL)
        return cmd_usage(a, "--%s: only with %s; counters of now have no time", stray(a),
                         args_has(a, "series") ? "--history" : "--gaps or --history");
    if (gaps && history)
        return cmd_usage(a, "--gaps or --history, not both");
    if (a->n_operands > 0)
        return cmd_usage(a, "%s: takes no words", a->operand[0]);
    if (args_get(a, "output") != NULL &&
        (!present_format_parse(args_get(a, "output"), &format) || format == PRESENT_NDJSON ||
         (format == PRESENT_CSV && !history)))
        return cmd_usage(a, "%s: expected -o table%s or -o json", args_get(a, "output"),
                         history ? ", -o csv" : "");
    proc_ignore_pipe();
    if (cmd_conf(a, &c, &e) != ERR_OK) {
        (void)cmd_fail(a, &e);
        return EXIT_USAGE;
    }
    cmd_data_dir(c, dir, sizeof dir);
    conf_unref(c);
    serves = store_writer(dir, &pid, sock, sizeof sock, NULL) == ERR_OK && sock[0] != '\0';
    if (gaps || history)
        return past_show(a, dir, serves ? sock : NULL, format);
    return serves ? ask(a, sock, format == PRESENT_JSON) : look(a, dir, format == PRESENT_JSON);
}
