/* cmd/import.c - weir import FILE... */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/foreign.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/proc.h"

#define MAX_PORTS   64u
#define PROGRESS_MS 200

const struct cmd_option import_options[] = {
    { "port", 'p', "N", "take only datagrams sent to this UDP port (repeatable)" },
    { "exporter", 0, "ADDR", "who made a file that does not say it: IPFIX, text" },
    { "format", 0, "zeek|argus|vpc|csv|nfdump",
      "what the files are, where their content does not tell" },
    { "map", 0, "FIELD=COLUMN,...", "what the columns of a CSV are: start=ts,src ip=saddr" },
    { "once", 0, NULL, "skip files whose content was imported before, without an error" },
    { "force", 0, NULL, "import again what was imported before: its records then count twice" },
    { 0 },
};

const char import_help[] =
    "Reads pcap and pcapng captures of NetFlow, IPFIX and sFlow datagrams, as tcpdump or Wireshark "
    "write\n"
    "them, into the data directory. Receive time is the time of capture. IPFIX files (RFC 5655), "
    "and\n"
    "the octets of a TCP session, are taken too: receive time is the time of export. A file's "
    "records become\n"
    "visible all at once, when it has been read to its end.\n\n"
    "Also read, and known by their content: Zeek's conn.log (text or JSON), CSV of Argus "
    "(binetflow), flow\n"
    "logs of AWS VPC, all of them as they are or in gzip, and nfdump's files, if nfdump is "
    "installed. Any\n"
    "other CSV with a line of names needs to be told what its columns are, by the words of a "
    "query or the\n"
    "names of elements:\n\n"
    "  weir import --map 'start=ts,duration=td,src ip=sa,dst ip=da,bytes=ibyt' flows.csv\n";

struct job {
    const struct args *a;
    const char *path;
    struct store *store;
    struct addr exporter;
    struct import_options opt;
    uint16_t ports[MAX_PORTS];
    struct foreign foreign; /* of the file at hand */
    bool terminal;
    int64_t begin_ms, shown_ms;
};

static void show_progress(void *ctx, const struct import_progress *p)
{
    struct job *j = ctx;
    int64_t now = clock_mono_ms(), took = MAX(now - j->begin_ms, 1);

    if (now - j->shown_ms < PROGRESS_MS)
        return;
    j->shown_ms = now;
    (void)fprintf(stderr, "\r%s: %3u %%, %" PRIu64 " records, %" PRIu64 " records/s ", j->path,
                  (unsigned)(p->at * 100 / MAX(p->len, 1)), p->records,
                  p->records * 1000 / (uint64_t)took);
}

static void clear_progress(const struct job *j)
{
    if (j->terminal && j->shown_ms > 0)
        (void)fprintf(stderr, "\r\033[K");
}

/* "  refused: 3 datagrams (short header 2, version 1)"; nothing when all are zero. */
static void show_reasons(const char *what, const char *unit, const uint64_t *count)
{
    const char *between = "";
    uint64_t sum = 0;

    for (size_t i = 0; i < DECODE_REASON_N; i++)
        sum += count[i];
    if (sum == 0)
        return;
    (void)printf("  %s: %" PRIu64 " %s (", what, sum, unit);
    for (size_t i = 0; i < DECODE_REASON_N; i++) {
        if (count[i] == 0)
            continue;
        (void)printf("%s%s %" PRIu64, between, decode_reason_name((enum decode_reason)i), count[i]);
        between = ", ";
    }
    (void)printf(")\n");
}

static void show_packets(FILE *f, const struct import_result *r)
{
    const uint64_t *n = r->udp.result;

    if (n[UDP_CUT] > 0)
        (void)fprintf(f,
                      "  not taken: %" PRIu64
                      " packets of which the capture kept only a part; capture with tcpdump -s 0\n",
                      n[UDP_CUT]);
    if (n[UDP_MALFORMED] > 0)
        (void)fprintf(f, "  not taken: %" PRIu64 " packets whose lengths do not fit\n",
                      n[UDP_MALFORMED]);
    if (n[UDP_LINK] > 0)
        (void)fprintf(f,
                      "  not taken: %" PRIu64 " packets of link type %u, which is not understood\n",
                      n[UDP_LINK], r->unknown_link);
    if (r->udp.expired > 0)
        (void)fprintf(f, "  not taken: %" PRIu64 " datagrams with missing fragments\n",
                      r->udp.expired);
    if (r->netflow_v8 > 0)
        (void)fprintf(f,
                      "  not taken: %" PRIu64
                      " NetFlow v8 datagrams: they hold sums over flows; let the router send v9\n",
                      r->netflow_v8);
    if (r->cut)
        (void)fprintf(f, "  incomplete: %s; everything before was imported\n", r->cut_why.msg);
}

static void show_result(const struct job *j, const struct import_result *r, int64_t took_ms)
{
    const struct decode_counters *c = &r->counters;
    uint64_t records = c->flows + c->options;
    uint64_t ms = (uint64_t)MAX(took_ms, 1);

    if (j->foreign.format != CONVERT_NONE)
        (void)printf("%s: %" PRIu64 " rows of %s, %" PRIu64 " records in %" PRIu64 ".%03" PRIu64
                     " s, %" PRIu64 " records/s\n",
                     j->path, j->foreign.stats.rows, convert_format_name(j->foreign.format),
                     records, ms / 1000, ms % 1000, records * 1000 / ms);
    else
        (void)printf("%s: %" PRIu64 " %s, %" PRIu64 " records (%" PRIu64 " flows, %" PRIu64
                     " options), %" PRIu64 " octets in %" PRIu64 ".%03" PRIu64 " s, %" PRIu64
                     " records/s\n",
                     j->path, r->datagrams, r->messages ? "messages" : "datagrams", records,
                     c->flows, c->options, r->octets, ms / 1000, ms % 1000, records * 1000 / ms);
    show_reasons("refused", "datagrams", c->datagrams_refused);
    show_reasons("malformed", "sets", c->sets_malformed);
    show_reasons("given up", "sets", c->sets_expired);
    if (c->sets_waiting > 0)
        (void)printf("  not decoded: %" PRIu64 " sets whose template is not in the file\n",
                     c->sets_waiting);
    if (j->foreign.format != CONVERT_NONE)
        foreign_show(stdout, &j->foreign);
    else
        show_packets(stdout, r);
}

static void show_nothing_inside(const struct job *j, const struct import_result *r)
{
    const uint64_t *n = r->udp.result;
    const char *between = " ";

    if (j->foreign.format != CONVERT_NONE) {
        (void)fprintf(stderr, "weir import: %s: no record of %s inside\n", j->path,
                      convert_format_name(j->foreign.format));
        foreign_show(stderr, &j->foreign);
        return;
    }
    (void)fprintf(stderr,
                  "weir import: %s: no export datagrams inside (%" PRIu64 " packets, %" PRIu64
                  " of them UDP datagrams)\n",
                  j->path, r->packets, n[UDP_OK]);
    show_packets(stderr, r);
    if (r->netflow_v8 > 0 || n[UDP_CUT] == r->packets)
        return; /* that was the reason */
    if (r->port[0].datagrams > 0) {
        (void)fprintf(stderr, "  UDP ports seen:");
        for (size_t i = 0; i < IMPORT_PORTS_SHOWN && r->port[i].datagrams > 0; i++) {
            (void)fprintf(stderr, "%s%u (%u)", between, r->port[i].port, r->port[i].datagrams);
            between = ", ";
        }
        (void)fprintf(stderr, "\n");
        if (j->opt.n_ports > 0)
            (void)fprintf(stderr, "  without --port every port is looked at: weir import %s\n",
                          j->path);
        else
            (void)fprintf(
                stderr, "  if one of them is where an exporter sent to: weir import --port %u %s\n",
                r->port[0].port, j->path);
    }
    if (j->opt.n_ports == 0)
        (void)fprintf(
            stderr,
            "  if it is a capture of ordinary packets, make flows of them: run weir serve, "
            "then\n    softflowd -r %s -n 127.0.0.1:2055 -v 9\n",
            j->path);
}

static int busy_or(const struct args *a, struct err *e)
{
    char told[sizeof e->msg];

    if (e->code == ERR_BUSY) {
        (void)snprintf(told, sizeof told, "%s", e->msg);
        (void)err_set(e, ERR_BUSY, "%.300s; or import into another directory: --data OTHER", told);
    }
    return cmd_fail(a, e);
}

static int known_before(const struct job *j, struct err *e)
{
    if (!args_has(j->a, "once"))
        return err_set(e, ERR_ARG,
                       "%s: this content was imported before; nothing was done. To skip such "
                       "files: --once. To count its records twice: --force",
                       j->path);
    (void)printf("%s: imported before, skipped\n", j->path);
    return ERR_OK;
}

#define NEEDS_MAP \
    "; if it is a table, say what its columns are: --map 'start=COLUMN,src ip=COLUMN,...'"

/* Nothing that weir import knows, but a line of words with commas or tabs between them. */
static bool is_table(const struct os_map *m)
{
    size_t seps = 0, i = 0;

    for (; i < m->len && i < 4096 && m->p[i] != '\n'; i++) {
        if (m->p[i] < ' ' && m->p[i] != '\t' && m->p[i] != '\r')
            return false;
        seps += m->p[i] == ',' || m->p[i] == '\t' || m->p[i] == ';';
    }
    return seps > 0;
}

static int import_mapped(struct job *j, const struct os_map *m, struct err *e)
{
    struct import_source src = {
        .name = j->path,
        .octets = m->p,
        .len = m->len,
        .forget = os_map_forget,
        .map = m,
        .exporter = j->exporter,
    };
    struct import_result r;
    struct os_stat st;
    int rc;

    if (os_file_stat(j->path, &st, NULL) == ERR_OK)
        src.changed_ms = st.changed_ns / 1000000;
    j->foreign = (struct foreign){ .path = j->path,
                                   .map = args_get(j->a, "map"),
                                   .octets = m->p,
                                   .len = m->len,
                                   .exporter = j->exporter,
                                   .changed_ms = src.changed_ms };
    if ((rc = foreign_which(&j->foreign, args_get(j->a, "format"), e)) != ERR_OK)
        return rc;
    if (j->foreign.format != CONVERT_NONE) {
        src.convert = foreign_convert;
        src.convert_ctx = &j->foreign;
        src.convert_at = &j->foreign.at;
    }
    j->begin_ms = clock_mono_ms();
    j->shown_ms = 0;
    rc = import_capture(j->store, &src, &j->opt, &r, e);
    clear_progress(j);
    if (rc != ERR_OK) {
        struct err inner = *e;
        return err_set(
            e, rc, "%s: %.300s%s", j->path, inner.msg,
            rc == ERR_FORMAT && j->foreign.format == CONVERT_NONE && is_table(m) ? NEEDS_MAP : "");
    }
    if (r.known)
        return known_before(j, e);
    if (r.committed) {
        show_result(j, &r, clock_mono_ms() - j->begin_ms);
        return ERR_OK;
    }
    show_nothing_inside(j, &r);
    return ERR_NOTFOUND; /* said already */
}

static int import_one(struct job *j)
{
    struct os_map m = { 0 };
    struct err e = { 0 };
    int rc;

    if (os_is_dir(j->path))
        rc = err_set(&e, ERR_ARG, "%s is a directory; name the files in it", j->path);
    else
        rc = os_map_file(&m, j->path, &e);
    if (rc != ERR_OK)
        return cmd_fail(j->a, &e);
    rc = import_mapped(j, &m, &e);
    os_unmap(&m);
    (void)fflush(stdout);
    if (rc == ERR_OK)
        return EXIT_DONE;
    return rc == ERR_NOTFOUND && e.code != ERR_NOTFOUND ? EXIT_FAILED : cmd_fail(j->a, &e);
}

static bool read_ports(struct job *j)
{
    const char *text;

    for (size_t i = 0; (text = args_nth(j->a, "port", i)) != NULL; i++) {
        char *end;
        unsigned long v = strtoul(text, &end, 10);
        if (i >= MAX_PORTS || text[0] < '0' || text[0] > '9' || *end != '\0' || v == 0 ||
            v > 65535) {
            (void)cmd_usage(j->a,
                            i >= MAX_PORTS ? "--port: at most 64 (%s is one more)"
                                           : "--port %s: a port is a number from 1 to 65535",
                            text);
            return false;
        }
        j->ports[i] = (uint16_t)v;
        j->opt.n_ports = i + 1;
    }
    j->opt.ports = j->ports;
    return true;
}

static bool read_exporter(struct job *j)
{
    const char *text = args_nth(j->a, "exporter", 0);

    if (text == NULL || addr_parse(&j->exporter, text, strlen(text)))
        return true;
    (void)cmd_usage(j->a, "--exporter %s: that is no address", text);
    return false;
}

int cmd_import(const struct args *a)
{
    struct job j = { .a = a, .terminal = proc_on_terminal() };
    char dir[4096];
    struct os_stat st;
    struct conf *c;
    struct err e = { 0 };
    struct geo *geo = NULL;
    int rc, exit_code = EXIT_DONE;

    if (a->n_operands == 0)
        return cmd_usage(a, "name the files: weir import FILE...");
    if (args_get(a, "format") != NULL &&
        convert_format_parse(args_get(a, "format")) == CONVERT_NONE)
        return cmd_usage(a, "--format %s: it is none of: zeek argus vpc csv nfdump",
                         args_get(a, "format"));
    if (args_get(a, "map") != NULL && args_get(a, "format") != NULL &&
        convert_format_parse(args_get(a, "format")) != CONVERT_CSV)
        return cmd_usage(a, "--map is for --format csv; the columns of %s are known",
                         args_get(a, "format"));
    if (!read_ports(&j) || !read_exporter(&j))
        return EXIT_USAGE;
    if (cmd_conf(a, &c, &e) != ERR_OK)
        return cmd_fail(a, &e);
    cmd_data_dir(c, dir, sizeof dir);
    rc = cmd_elements(c, &e);
    if (rc == ERR_OK)
        rc = cmd_geo(c, &geo, &e);
    conf_unref(c);
    if (rc != ERR_OK)
        return cmd_fail(a, &e);
    /* before a data directory is made for a name mistyped */
    for (size_t i = 0; i < a->n_operands && rc == ERR_OK; i++)
        rc = os_file_stat(a->operand[i], &st, &e);
    if (rc != ERR_OK || store_open(&j.store, dir, STORE_WRITE, "", &e) != ERR_OK) {
        geo_unref(geo);
        return rc != ERR_OK ? cmd_fail(a, &e) : busy_or(a, &e);
    }
    store_set_geo(j.store, geo);
    geo_unref(geo);
    j.opt.again = args_has(a, "force");
    if (j.terminal) {
        j.opt.progress = show_progress;
        j.opt.ctx = &j;
    }
    for (size_t i = 0; i < a->n_operands; i++) {
        j.path = a->operand[i];
        if (import_one(&j) != EXIT_DONE)
            exit_code = EXIT_FAILED;
    }
    store_close(j.store);
    return exit_code;
}
