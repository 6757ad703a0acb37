/* cmd/replay.c - weir replay: stored records to another collector, or into a file. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/target.h"
#include "encode/encode.h"
#include "os/clock.h"
#include "os/proc.h"
#include "query/exec.h"
#include "query/parse.h"
#include "store/store.h"

#define WINDOW_MS     10000 /* of received time, sorted at once where the original time counts */
#define WINDOW_MIN_MS 100
#define REFRESH       64u /* messages between two tellings of a template by UDP */

const struct cmd_option replay_options[] = {
    { "target", 't', "udp://ADDR:PORT|FILE", "where to: a collector, FILE.pcap, a file of IPFIX" },
    { "as", 0, "v5|v9|ipfix", "in which protocol (default ipfix)" },
    { "speed", 0, "max|60x|5000/s",
      "times the original speed, or records a second (default 1x; files: max)" },
    { "keep-source", 0, NULL, "UDP: under the exporters' addresses; needs root or CAP_NET_RAW" },
    { "from", 0, "TIME", "begin of the time frame" },
    { "to", 0, "TIME", "end of the time frame (not included)" },
    { "last", 0, "DURATION", "the time until now" },
    { "tz", 0, "ZONE", "time zone of what is written (default UTC)" },
    { "mtu", 0, "N", "octets of a message at most (default 1400)" },
    { 0 },
};

const char replay_help[] =
    "Sends the records that a filter chooses as NetFlow v5, v9 or IPFIX again, with the elements "
    "and octets\n"
    "that they came with. Without a filter the option records of that time (sampling rates, names) "
    "go first.\n"
    "All goes out under one address, so collectors tell exporters by observation domain, or by "
    "address with\n"
    "--keep-source. A capture holds the exporters' addresses. What a running server has not sealed "
    "yet is\n"
    "not sent.\n\n"
    "  weir replay --target udp://192.0.2.9:2055 --as v9 --from 2026-03-03T14:00 --to "
    "2026-03-03T15:00\n"
    "  weir replay 'exporter 192.0.2.1' --target day.pcap --last 1d\n"
    "  weir replay --target udp://192.0.2.9:4739 --speed 10000/s\n";

struct replay {
    struct answer_sink sink; /* first: a sink is its replay */
    const struct args *a;
    enum encode_as as;
    struct encoder *encoder;
    struct target target;
    struct query_params params;
    struct plan *flows, *options; /* options NULL: none are sent */
    struct conf *conf;
    struct snapshot snap;
    struct query_stats stats;
    uint64_t unreadable;
    char missing[256];
    uint64_t corrupt;
    bool terminal;
    int64_t begin_ms, shown_ms;
};

/* --- the answer's rows --- */

static int begin(struct answer_sink *s, const struct answer_head *h)
{
    (void)s;
    (void)h;
    return ERR_OK;
}

static void show_progress(struct replay *r)
{
    int64_t now = clock_mono_ms(), took = MAX(now - r->begin_ms, 1);

    if (!r->terminal || now - r->shown_ms < 200)
        return;
    r->shown_ms = now;
    (void)fprintf(stderr, "\r%" PRIu64 " records, %" PRIu64 " records/s ", r->target.records,
                  r->target.records * 1000 / (uint64_t)took);
}

static int one_row(struct answer_sink *s, const struct answer_row *row)
{
    struct replay *r = (struct replay *)s;
    int rc = encoder_record(r->encoder, row->record);

    if (rc == ERR_CORRUPT) { /* its octets do not fit its elements: counted, the rest goes on */
        r->corrupt++;
        return ERR_OK;
    }
    show_progress(r);
    return rc;
}

static int end(struct answer_sink *s, const struct answer_end *x)
{
    (void)s;
    (void)x;
    return ERR_OK;
}

static int message(void *ctx, const struct message *m)
{
    struct replay *r = ctx;

    return target_send(&r->target, m);
}

/* --- questions --- */

static int ask(struct replay *r, const struct plan *p, int64_t from_ms, int64_t to_ms,
               struct err *e)
{
    struct query_control ctl = {
        .memory_max = conf_num(r->conf, OPT_QUERY_MEMORY),
        .threads = (uint32_t)conf_num(r->conf, OPT_QUERY_THREADS),
        .open_max = (uint32_t)conf_num(r->conf, OPT_STORE_OPEN_SEGMENTS),
        .received_from_ms = from_ms,
        .received_to_ms = to_ms,
    };
    struct query_stats st = { 0 };
    int rc = query_run(p, &r->snap, &r->sink, &ctl, &st, e);

    if (st.incomplete && r->missing[0] == '\0')
        (void)snprintf(r->missing, sizeof r->missing, "%s", st.message);
    r->unreadable = MAX(r->unreadable, st.rows_unreadable);
    if (rc != ERR_OK && r->target.e.code == rc)
        *e = r->target.e;
    return rc;
}

/* Where rows may have been received at `at` or later: the first such moment; INT64_MAX: nowhere. */
static int64_t next_received(const struct snapshot *s, const struct plan *p, int64_t at_ms)
{
    int64_t first = INT64_MAX;

    for (size_t i = 0; i < s->n; i++) {
        const struct rowset *rs = s->sets[i];
        if (rs->max_received_ms < at_ms || rs->n_rows == 0)
            continue;
        if (p->framed && (rs->max_end_ms < p->from_ms || rs->min_start_ms >= p->to_ms))
            continue;
        first = MIN(first, MAX(rs->min_received_ms, at_ms));
    }
    return first;
}

/* In the order of arrival: a window of time at once, sorted. One that does not fit the memory is
 * halved; nothing of it was sent then. */
static int in_order(struct replay *r, struct err *e)
{
    int64_t at = INT64_MIN, window = WINDOW_MS;
    int rc = ERR_OK;

    while (rc == ERR_OK && (at = next_received(&r->snap, r->flows, at)) != INT64_MAX) {
        rc = ask(r, r->flows, at, at + window, e);
        if (rc == ERR_LIMIT && window > WINDOW_MIN_MS) {
            window = MAX(window / 2, WINDOW_MIN_MS);
            rc = ERR_OK;
            continue;
        }
        at += window;
        window = MIN(window * 2, WINDOW_MS);
    }
    return rc;
}

static int send_all(struct replay *r, struct err *e)
{
    int rc = r->options != NULL ? ask(r, r->options, 0, 0, e) : ERR_OK;

    if (rc == ERR_OK)
        rc = r->target.times > 0 ? in_order(r, e) : ask(r, r->flows, 0, 0, e);
    if (rc == ERR_OK && (rc = encoder_flush(r->encoder)) != ERR_OK)
        *e = r->target.e;
    return rc;
}

/* --- command line --- */

static int set(struct replay *r, const char *name, const char *value, struct err *e)
{
    return value == NULL ? ERR_OK : query_params_set(&r->params, name, value, e);
}

static int take_words(struct replay *r, struct err *e)
{
    static const char *const same[] = { "from", "to", "last", "tz" };
    struct buf b = buf_init(QUERY_TEXT_MAX);
    int rc = ERR_OK;

    for (size_t i = 0; i < r->a->n_operands; i++) {
        if (i > 0)
            buf_char(&b, ' ');
        buf_str(&b, r->a->operand[i]);
    }
    if (b.len > 0)
        rc = set(r, "filter", buf_cstr(&b), e);
    buf_free(&b);
    for (size_t i = 0; rc == ERR_OK && i < ARRAY_LEN(same); i++)
        rc = set(r, same[i], args_get(r->a, same[i]), e);
    if (rc == ERR_OK)
        rc = set(r, "list", "1", e);
    if (rc == ERR_OK)
        rc = set(r, "columns", "all", e);
    if (rc == ERR_OK)
        rc = set(r, "limit", "0", e);
    return rc;
}

static int show_error(struct replay *r, const struct err *e)
{
    struct buf b = buf_init(1u << 20);

    query_error_show(&b, &r->params, e);
    (void)fprintf(stderr, "weir replay: %s%s", buf_cstr(&b),
                  b.len > 0 && b.p[b.len - 1] == '\n' ? "" : "\n");
    buf_free(&b);
    return EXIT_USAGE;
}

/* Plans for flow records, and for the option records of the same time. */
static int make_plans(struct replay *r, struct err *e)
{
    int64_t now = clock_now_ms();
    int rc;

    if (r->target.times > 0 && (rc = set(r, "sort", "received", e)) != ERR_OK)
        return rc;
    if ((rc = query_plan(&r->flows, &r->params, now, e)) != ERR_OK)
        return rc;
    if (r->flows->view != VIEW_LIST || !r->flows->all_columns)
        return err_set(e, ERR_ARG, "a filter chooses what is sent; leave out what is behind |");
    if (r->a->n_operands > 0 || r->as == ENCODE_V5)
        return ERR_OK;
    free(r->params.text[QUERY_SORT]);
    r->params.text[QUERY_SORT] = NULL;
    if ((rc = set(r, "kind", "option", e)) != ERR_OK)
        return rc;
    return query_plan(&r->options, &r->params, now, e);
}

static bool read_number(const char *text, uint32_t low, uint32_t high, uint32_t *out)
{
    char *stop;
    unsigned long v = strtoul(text, &stop, 10);

    *out = (uint32_t)v;
    return text[0] >= '0' && text[0] <= '9' && *stop == '\0' && v >= low && v <= high;
}

/* EXIT_DONE, or what to end with: it was said. */
static int read_options(struct replay *r, struct encode_options *opt)
{
    static const char *const protocols[] = {
        [ENCODE_V5] = "v5", [ENCODE_V9] = "v9", [ENCODE_IPFIX] = "ipfix"
    };
    const char *target = args_get(r->a, "target"), *as = args_get(r->a, "as"),
               *speed = args_get(r->a, "speed"), *mtu = args_get(r->a, "mtu");
    size_t i = as == NULL ? ENCODE_IPFIX : 0;
    bool udp;

    if (target == NULL)
        return cmd_usage(r->a, "say where to: --target udp://ADDRESS:PORT, FILE.pcap or FILE");
    while (as != NULL && i < ARRAY_LEN(protocols) && strcmp(as, protocols[i]) != 0)
        i++;
    if (i == ARRAY_LEN(protocols))
        return cmd_usage(r->a, "--as %s: it is none of: v5 v9 ipfix", as);
    r->as = (enum encode_as)i;
    udp = strstr(target, "://") != NULL;
    if (!target_speed(&r->target, speed != NULL ? speed : udp ? "1x" : "max"))
        return cmd_usage(r->a,
                         "--speed %s: write max, a multiple of the original speed such as 1x or "
                         "60x, or records a second such as 5000/s",
                         speed);
    if (mtu != NULL && !read_number(mtu, 512, MESSAGES_MAX_OCTETS - 36, &opt->max_octets))
        return cmd_usage(r->a, "--mtu %s: a number of octets from 512 to %u", mtu,
                         MESSAGES_MAX_OCTETS - 36);
    r->target.keep_source = args_has(r->a, "keep-source");
    opt->as = r->as;
    opt->per_exporter = r->target.keep_source || (!udp && strstr(target, ".pcap") != NULL);
    opt->refresh = udp ? REFRESH : 0;
    return EXIT_DONE;
}

static void show_result(const struct replay *r, int64_t took_ms)
{
    struct encode_stats s;
    const char *between = "";
    uint64_t not_sent = 0, ms = (uint64_t)MAX(took_ms, 1);

    encoder_stats(r->encoder, &s);
    (void)printf("%" PRIu64 " records in %" PRIu64 " messages, %" PRIu64
                 " octets, to %s in %" PRIu64 ".%03" PRIu64 " s\n",
                 s.records, s.messages, r->target.octets, r->target.text, ms / 1000, ms % 1000);
    for (size_t i = 0; i < ENCODE_REASON_N; i++)
        not_sent += s.not_sent[i];
    if (not_sent > 0) {
        (void)printf("  not sent: %" PRIu64 " records (", not_sent);
        for (size_t i = 0; i < ENCODE_REASON_N; i++) {
            if (s.not_sent[i] == 0)
                continue;
            (void)printf("%s%s %" PRIu64, between, encode_reason_name((enum encode_reason)i),
                         s.not_sent[i]);
            between = ", ";
        }
        (void)printf(")\n");
    }
    if (s.answers > 0)
        (void)printf("  %" PRIu64 " of them are the answers of records of two directions\n",
                     s.answers);
    if (s.changed > 0)
        (void)printf("  cut: %" PRIu64 " records with a number that v5 has no room for (AS 23456, "
                     "interface 0)\n",
                     s.changed);
    if (s.fields_left_out > 0)
        (void)printf("  left out: %" PRIu64 " values of elements that v9 cannot carry (enterprise, "
                     "variable length); --as ipfix sends them\n",
                     s.fields_left_out);
    if (r->corrupt > 0)
        (void)printf("  not sent: %" PRIu64 " damaged records\n", r->corrupt);
    if (r->options == NULL && r->as != ENCODE_V5)
        (void)printf("  option records (sampling rates, names) are sent without a filter only\n");
    if (r->missing[0] != '\0')
        (void)fprintf(stderr,
                      "weir replay: incomplete: %" PRIu64 " records could not be read: %s\n",
                      r->unreadable, r->missing);
}

static int run(struct replay *r, const char *dir, struct encode_options *opt, struct err *e)
{
    struct store *st = NULL;
    struct err late;
    int rc = store_open(&st, dir, STORE_READ, "", e), closed;

    if (rc == ERR_OK) {
        store_set_open(st, (size_t)conf_num(r->conf, OPT_STORE_OPEN_SEGMENTS));
        rc = store_snapshot(st, &r->snap, e);
    }
    if (rc == ERR_OK && encoder_new(&r->encoder, opt) != ERR_OK)
        rc = err_set(e, ERR_NOMEM, "out of memory");
    if (rc == ERR_OK)
        rc = target_open(&r->target, args_get(r->a, "target"), r->as == ENCODE_IPFIX, e);
    r->begin_ms = clock_mono_ms();
    if (rc == ERR_OK) {
        rc = send_all(r, e);
        closed = target_close(&r->target, &late);
        if (rc == ERR_OK && closed != ERR_OK)
            rc = err_set(e, closed, "%s", late.msg);
        if (r->shown_ms > 0)
            (void)fprintf(stderr, "\r\033[K");
    }
    if (rc == ERR_OK)
        show_result(r, clock_mono_ms() - r->begin_ms);
    encoder_free(r->encoder);
    snapshot_free(&r->snap);
    store_close(st);
    return rc;
}

int cmd_replay(const struct args *a)
{
    struct replay r = { .a = a,
                        .sink = { .begin = begin, .row = one_row, .end = end },
                        .terminal = proc_on_terminal(),
                        .target = { .fd = -1 } };
    struct encode_options opt = { .send = message, .ctx = &r };
    char dir[4096];
    struct err e = { 0 };
    int code = read_options(&r, &opt);

    if (code != EXIT_DONE)
        return code;
    r.params.where = QUERY_PARAM_N;
    if (cmd_conf(a, &r.conf, &e) != ERR_OK || cmd_elements(r.conf, &e) != ERR_OK) {
        code = cmd_fail(a, &e);
    } else if (take_words(&r, &e) != ERR_OK || make_plans(&r, &e) != ERR_OK) {
        code = show_error(&r, &e);
    } else {
        cmd_data_dir(r.conf, dir, sizeof dir);
        if (run(&r, dir, &opt, &e) != ERR_OK)
            code = e.code == ERR_ARG ? cmd_usage(a, "%s", e.msg) : cmd_fail_dir(a, dir, &e);
    }
    plan_free(r.flows);
    plan_free(r.options);
    query_params_free(&r.params);
    conf_unref(r.conf);
    return code;
}
