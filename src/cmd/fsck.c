/* weir fsck: read every checksum, say what is lost, repair what can be. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"
#include "collect/check.h"
#include "os/clock.h"
#include "os/proc.h"
#include "store/store.h"

#define PROGRESS_MS 200

const struct cmd_option fsck_options[] = {
    { "repair", 0, NULL,
      "make a damaged manifest again, write damaged segments, journals and days of history anew "
      "from what is good of them, and keep the rest in quarantine/; no server may run" },
    { 0 },
};
const char fsck_help[] =
    "Reads every file of the data directory and verifies every checksum. Names each damaged part "
    "and "
    "how\nmany records cannot be read in full for it. Without --repair nothing is changed and a "
    "server "
    "may run.\nA block of 65536 records of which one column is damaged is lost as a whole by a "
    "repair: "
    "ask before it\nwhat does not need that column. Exit status: 0 all is well, 1 damage was found "
    "(repaired or not).\n";

struct look {
    int64_t begin_ms, shown_ms;
    bool terminal;
};

static void clear(const struct look *l)
{
    if (l->terminal && l->shown_ms > 0)
        (void)fprintf(stderr, "\r\033[K");
}

static void progress(void *ctx, uint64_t octets, uint64_t total)
{
    struct look *l = ctx;
    int64_t now = clock_mono_ms();

    if (!l->terminal || now - l->shown_ms < PROGRESS_MS)
        return;
    l->shown_ms = now;
    cmd_progress(octets, total, now - l->begin_ms);
}

static void found(void *ctx, const struct store_finding *f)
{
    const struct look *l = ctx;

    clear(l);
    (void)printf("%s: %s", f->file, f->part);
    if (f->block != UINT32_MAX)
        (void)printf(" of block %" PRIu32, f->block);
    (void)printf(": %s", f->why);
    if (f->rows > 0)
        (void)printf("; %" PRIu64 " records cannot be read in full", f->rows);
    if (f->options > 0)
        (void)printf("; %" PRIu64 " option records lost", f->options);
    if (f->datagrams > 0)
        (void)printf("; at least %" PRIu64 " datagram%s lost", f->datagrams,
                     f->datagrams == 1 ? "" : "s");
    if (f->derived && f->rows == 0)
        (void)printf("; nothing is lost, --repair makes it again");
    (void)printf("\n");
}

static void summary(const struct store_check *c, int64_t took_ms)
{
    char size[32], rate[32];

    cmd_octets(c->octets, size, sizeof size);
    cmd_octets(c->octets * 1000 / (uint64_t)MAX(took_ms, 1), rate, sizeof rate);
    (void)printf("%" PRIu64 " files, %s, %" PRIu64 " records, %" PRIu64
                 " option records and %" PRIu64 " datagrams looked at in %.1f s (%s/s): ",
                 c->files, size, c->rows, c->options, c->datagrams, (double)took_ms / 1000, rate);
    if (c->findings == 0) {
        (void)printf("no damage\n");
        return;
    }
    (void)printf("%" PRIu64 " damaged part%s, %" PRIu64 " records and %" PRIu64
                 " option records lost",
                 c->findings, c->findings == 1 ? "" : "s", c->rows_lost, c->options_lost);
    if (c->datagrams_lost > 0)
        (void)printf(", at least %" PRIu64 " datagrams of the journal", c->datagrams_lost);
    if (c->history_lost > 0)
        (void)printf(", %" PRIu64 " place%s of the history", c->history_lost,
                     c->history_lost == 1 ? "" : "s");
    (void)printf("\n");
    if (c->repair)
        (void)printf("repaired: %" PRIu64 " segments written anew, %" PRIu64
                     " files kept in quarantine/\n",
                     c->segments_written, c->quarantined);
}

int cmd_fsck(const struct args *a)
{
    struct look l = { .begin_ms = clock_mono_ms(), .terminal = proc_on_terminal() };
    struct store_check c = {
        .repair = args_has(a, "repair"), .found = found, .progress = progress, .ctx = &l
    };
    char dir[4096];
    struct conf *conf;
    struct err e = { 0 };
    int rc;

    if (a->n_operands > 0)
        return cmd_usage(a, "it takes no operand; name the directory with --data DIR");
    if (cmd_conf(a, &conf, &e) != ERR_OK)
        return cmd_fail(a, &e);
    cmd_data_dir(conf, dir, sizeof dir);
    conf_unref(conf);
    rc = store_check(dir, &c, &e);
    if (rc == ERR_OK)
        rc = collect_check(dir, &c, &e);
    clear(&l);
    if (rc != ERR_OK)
        return cmd_fail_dir(a, dir, &e);
    summary(&c, clock_mono_ms() - l.begin_ms);
    return c.findings == 0 ? EXIT_DONE : EXIT_FAILED;
}
