/* cmd/compact.c - weir compact: merge the segments of a data directory on which no server runs. */
#include <inttypes.h>
#include <stdio.h>

#include "cmd/cmd.h"
#include "os/file.h"
#include "os/proc.h"
#include "store/store.h"

#define PATH_OCTETS 4096u

const struct cmd_option compact_options[] = {
    { "rate", 0, "SIZE",
      "octets a second, read and written together; without it as fast as it goes" },
    { 0 },
};
const char compact_help[] =
    "A server does this by itself, bit by bit. By hand it is for a directory into which captures\n"
    "were imported: segments of one import, and those of live records, are merged among\n"
    "themselves, day by day. It may be stopped at any time; nothing is lost.\n";

struct job {
    const struct args *a;
    uint64_t rate;
    uint64_t merges, segments, octets_read, octets_written;
    unsigned failures;
};

static bool stop(void *ctx)
{
    (void)ctx;
    return proc_wait_signal(0) == PROC_STOP;
}

static void count(struct job *j, const struct store_compact_result *r)
{
    j->merges += r->merged > 0;
    j->segments += r->merged;
    j->octets_read += r->octets_read;
    j->octets_written += r->octets_written;
    if (r->merged > 0)
        (void)printf("%u segments are one now: %" PRIu64 " records, %" PRIu64 " octets\n",
                     r->merged, r->rows, r->octets_written);
    (void)fflush(stdout);
}

static int run(struct job *j, struct store *s, const struct conf *c)
{
    uint64_t keep = conf_num(c, OPT_RETENTION_SIZE);
    struct store_compact_options o = {
        .rate = j->rate,
        .memory = conf_num(c, OPT_COMPACT_MEMORY),
        .max_octets = keep / 16,
        .now_ms = INT64_MAX,
        .stop = stop,
    };
    struct store_compact_result r;
    struct err e = { 0 };
    int rc;

    do {
        rc = store_compact(s, &o, &r, &e);
        count(j, &r);
        if (rc == ERR_CORRUPT) { /* that one is left alone from now on */
            j->failures++;
            (void)cmd_fail(j->a, &e);
        }
    } while (rc == ERR_CORRUPT || (rc == ERR_OK && (r.merged > 0 || r.again)));
    if (rc == ERR_OK || rc == ERR_CANCEL)
        return j->failures == 0 && rc == ERR_OK ? EXIT_DONE : EXIT_FAILED;
    return cmd_fail(j->a, &e);
}

static int open_for_me(const struct args *a, const char *dir, struct store **s)
{
    struct err e;
    char told[sizeof e.msg];

    if (!os_is_dir(dir)) {
        (void)err_set(&e, ERR_NOTFOUND, "%s: no such directory", dir);
        return cmd_fail(a, &e);
    }
    if (store_open(s, dir, STORE_WRITE, "", &e) == ERR_OK)
        return EXIT_DONE;
    if (e.code == ERR_BUSY) {
        (void)snprintf(told, sizeof told, "%s", e.msg);
        (void)err_set(&e, ERR_BUSY, "%.280s. A server merges by itself; nothing was done", told);
    }
    return cmd_fail(a, &e);
}

int cmd_compact(const struct args *a)
{
    struct job j = { .a = a };
    const char *rate = args_get(a, "rate");
    char dir[PATH_OCTETS];
    struct store_stats st;
    struct store *s;
    struct conf *c;
    struct err e;
    int code;

    if (a->n_operands > 0)
        return cmd_usage(a, "%s: no operand is expected", a->operand[0]);
    if (rate != NULL && !conf_parse_number(OPT_TYPE_SIZE, rate, &j.rate))
        return cmd_usage(a, "--rate %s: expected a size, as 50M", rate);
    if (cmd_conf(a, &c, &e) != ERR_OK) {
        (void)cmd_fail(a, &e);
        return EXIT_USAGE;
    }
    cmd_data_dir(c, dir, sizeof dir);
    proc_hold_signals();
    code = open_for_me(a, dir, &s);
    if (code == EXIT_DONE) {
        code = run(&j, s, c);
        store_get_stats(s, &st);
        (void)printf("%" PRIu64 " merges of %" PRIu64 " segments; the store has %" PRIu64
                     " segments, %" PRIu64 " records, %" PRIu64 " octets\n",
                     j.merges, j.segments, st.segments, st.rows, st.octets);
        store_close(s);
    }
    conf_unref(c);
    return code;
}
