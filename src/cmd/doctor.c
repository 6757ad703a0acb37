/* weir doctor: is this machine good for Weir, and what should be changed? */
#include "cmd/doctor.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/client.h"
#include "os/file.h"
#include "os/net.h"
#include "os/proc.h"
#include "store/store.h"

#define PATH_OCTETS 4096u
#define STATUS_MAX  (256u << 20)
#define FILE_MAX    (64u << 20)

const struct cmd_option doctor_options[] = {
    { "output", 'o', "table|json", "form of the answer" },
    { "root", 0, "DIR", "look at /proc and /sys below DIR, as copied from another machine" },
    { 0 },
};
const char doctor_help[] =
    "Looks at the machine and at the data directory with the eyes of a server: receive buffers,\n"
    "ports, firewall, network cards, disk speed, free space, permissions, clock, memory, open\n"
    "files. Each line is ok, look (it works, and could be better) or bad, with what was found;\n"
    "below it stands a line to copy that changes it. Writes 32 MB into the data directory to see\n"
    "how fast it is, and removes them. Run it as root: others do not see everything. Exit status:\n"
    "0 nothing is bad, 1 something is.\n";

void doctor_say(struct doctor *d, enum doctor_state state, const char *what, const char *fmt, ...)
{
    struct finding *f = &d->finding[d->n];
    va_list ap;

    if (d->n + 1 < DOCTOR_MAX)
        d->n++;
    *f = (struct finding){ .state = state, .what = what };
    va_start(ap, fmt);
    (void)vsnprintf(f->found, sizeof f->found, fmt, ap);
    va_end(ap);
}

void doctor_fix(struct doctor *d, const char *fmt, ...)
{
    struct finding *f = &d->finding[d->n - 1];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(f->fix, sizeof f->fix, fmt, ap);
    va_end(ap);
}

struct buf doctor_read(const struct doctor *d, const char *path)
{
    struct buf b = buf_init(FILE_MAX);
    char full[PATH_OCTETS];
    struct err e;

    (void)snprintf(full, sizeof full, "%s%s", d->root, path);
    if (os_file_slurp(full, &b, &e) != ERR_OK)
        buf_clear(&b);
    return b;
}

bool doctor_number(const struct doctor *d, const char *path, uint64_t *out)
{
    struct buf b = doctor_read(d, path);
    const char *s = buf_cstr(&b);
    char *end;

    *out = strtoull(s, &end, 10);
    buf_free(&b);
    return end != s;
}

/* ------------------------------------------------------------------ the server */

static void look_at_status(struct doctor *d, const json_t *o)
{
    const json_t *dg = json_object_get(o, "datagrams"), *st = json_object_get(o, "store");
    const json_t *journal = json_object_get(o, "journal");
    const char *why = json_string_value(
        json_object_get(json_is_true(json_object_get(o, "unsafe")) ? o : journal, "unsafe_reason"));
    const json_t *l;
    size_t i;

    json_array_foreach(json_object_get(o, "listeners"), i, l)
    {
        uint64_t got = (uint64_t)client_num(l, "receive_buffer");
        d->buffer_got = i == 0 ? got : MIN(got, d->buffer_got);
    }
    if (json_is_true(json_object_get(o, "unsafe")) ||
        json_is_true(json_object_get(journal, "unsafe"))) {
        doctor_say(d, DOCTOR_BAD, "server", "UNSAFE: %.300s; a crash would lose what is not sealed",
                   why != NULL ? why : "");
        doctor_fix(d, "df -h '%s'; see \"When the disk is full\" in the guide", d->dir);
    }
    if (client_num(dg, "kernel_dropped") > 0 || client_num(dg, "ring_dropped") > 0) {
        doctor_say(d, DOCTOR_LOOK, "drops",
                   "since its first start the kernel dropped %" JSON_INTEGER_FORMAT
                   " datagrams and a full ring %" JSON_INTEGER_FORMAT,
                   client_num(dg, "kernel_dropped"), client_num(dg, "ring_dropped"));
        doctor_fix(d, "weir status --gaps --last 7d");
    }
    if (client_num(st, "segments_damaged") > 0) {
        doctor_say(d, DOCTOR_BAD, "store",
                   "%" JSON_INTEGER_FORMAT " segments cannot be read in full",
                   client_num(st, "segments_damaged"));
        doctor_fix(d, "weir fsck --data '%s'", d->dir);
    }
}

static void look_at_server(struct doctor *d)
{
    struct buf body = buf_init(STATUS_MAX);
    struct client_answer r = { .problem = buf_init(1) };
    struct err e;
    char sock[PATH_OCTETS];
    json_t *o;

    if (store_writer(d->dir, &d->server, sock, sizeof sock, &e) != ERR_OK) {
        d->server = 0;
        doctor_say(d, DOCTOR_LOOK, "server", "none runs on %.400s", d->dir);
        doctor_fix(d, d->systemd ? "systemctl enable --now weir" : "weir serve");
    } else if (sock[0] == '\0')
        doctor_say(d, DOCTOR_OK, "server", "process %ld imports or repairs", d->server);
    else if (client_get(sock, "/api/v1/status", client_keep, &body, &r, &e) != ERR_OK ||
             r.status != 200) {
        doctor_say(d, DOCTOR_BAD, "server", "process %ld does not answer at %.300s", d->server,
                   sock);
        doctor_fix(d, d->systemd ? "systemctl status weir" : "sudo weir status");
    } else {
        doctor_say(d, DOCTOR_OK, "server", "process %ld answers at %.300s", d->server, sock);
        o = json_loadb((const char *)body.p, body.len, 0, NULL);
        look_at_status(d, o);
        json_decref(o);
    }
    buf_free(&r.problem);
    buf_free(&body);
}

/* ------------------------------------------------------------------ the command */

static void find_ports(struct doctor *d)
{
    const struct conf_value *v = &d->conf->v[OPT_LISTEN];
    struct net_place p;

    for (size_t i = 0; i < v->n_items && d->n_ports < DOCTOR_PORTS; i++)
        if (net_place_parse(&p, v->item[i], "udp://", "listen", NULL) == ERR_OK)
            d->port[d->n_ports++] = p.port;
}

static void print_table(const struct doctor *d)
{
    static const char *const word[] = { "ok", "look", "bad" };
    static const char *const colour[] = { "\033[32m", "\033[33m", "\033[31m" };
    bool terminal = proc_is_terminal();

    for (size_t i = 0; i < d->n; i++) {
        const struct finding *f = &d->finding[i];
        (void)printf("%s%-5s%s %-15s %s\n", terminal ? colour[f->state] : "", word[f->state],
                     terminal ? "\033[0m" : "", f->what, f->found);
        if (f->fix[0] != '\0')
            (void)printf("      %-15s   %s\n", "", f->fix);
    }
}

static void print_json(const struct doctor *d, size_t look, size_t bad)
{
    static const char *const word[] = { "ok", "look", "bad" };
    json_t *all = json_array(), *o;

    for (size_t i = 0; i < d->n; i++) {
        const struct finding *f = &d->finding[i];
        o = json_pack("{s:s,s:s,s:s}", "check", f->what, "state", word[f->state], "found",
                      f->found);
        if (f->fix[0] != '\0')
            (void)json_object_set_new(o, "change", json_string(f->fix));
        (void)json_array_append_new(all, o);
    }
    o = json_pack("{s:o,s:I,s:I}", "checks", all, "look", (json_int_t)look, "bad", (json_int_t)bad);
    (void)json_dumpf(o, stdout, JSON_INDENT(1));
    (void)printf("\n");
    json_decref(o);
}

static void look_at_all(struct doctor *d)
{
    look_at_server(d);
    doctor_directory(d);
    doctor_space(d);
    doctor_speed(d);
    doctor_journal(d);
    doctor_buffers(d);
    doctor_ports(d);
    doctor_firewall(d);
    doctor_cards(d);
    doctor_clock(d);
    doctor_memory(d);
    doctor_files(d);
    doctor_processors(d);
    doctor_facts(d);
}

int cmd_doctor(const struct args *a)
{
    static struct doctor d;
    const char *format = args_get(a, "output");
    bool json = format != NULL && strcmp(format, "json") == 0;
    char dir[PATH_OCTETS], run[PATH_OCTETS];
    size_t count[3] = { 0 };
    struct conf *c = NULL;
    struct err e;

    if (a->n_operands > 0 || (format != NULL && !json && strcmp(format, "table") != 0))
        return cmd_usage(a, "%s: expected -o table or -o json",
                         a->n_operands > 0 ? a->operand[0] : format);
    d = (struct doctor){ .root = args_get(a, "root") != NULL ? args_get(a, "root") : "" };
    if (cmd_conf(a, &c, &e) != ERR_OK) { /* that is a finding too; the rest as by default */
        doctor_say(&d, DOCTOR_BAD, "configuration", "%s", e.msg);
        doctor_fix(&d, "weir config check");
        if (conf_make(&c, "", NULL, 0, &(struct conf_setting){ OPT_DATA, args_get(a, "data") },
                      args_get(a, "data") != NULL, &e) != ERR_OK)
            return cmd_fail(a, &e);
    } else
        doctor_say(&d, DOCTOR_OK, "configuration", "%.400s",
                   c->path[0] != '\0' ? c->path : "no file; the defaults hold");
    d.conf = c;
    cmd_data_dir(c, dir, sizeof dir);
    d.dir = dir;
    (void)snprintf(run, sizeof run, "%s/run/systemd/system", d.root);
    d.systemd = os_is_dir(run);
    find_ports(&d);
    look_at_all(&d);
    for (size_t i = 0; i < d.n; i++)
        count[d.finding[i].state]++;
    if (json)
        print_json(&d, count[DOCTOR_LOOK], count[DOCTOR_BAD]);
    else
        print_table(&d);
    conf_unref(c);
    return count[DOCTOR_BAD] > 0 ? EXIT_FAILED : EXIT_DONE;
}
