/* weir snapshot, weir restore: a copy of the data directory as it stands now, and the way back. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cmd/client.h"
#include "meta/db.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/proc.h"
#include "store/store.h"

#define PROGRESS_MS 200
#define PATH_OCTETS 4096

const struct cmd_option snapshot_options[] = {
    { "copy", 0, NULL, "copy every file, also where hard links are possible" },
    { "no-seal", 0, NULL,
      "do not ask the server to seal first: what it holds in memory is left out" },
    { 0 },
};
const char snapshot_help[] =
    "DIR must not exist yet. It becomes a data directory of its own: weir query --data DIR works "
    "on "
    "it.\nOn the same file system segments are hard links, which cost nothing until retention "
    "removes the\noriginals; on another one they are copied. A running server is asked to seal "
    "first, so that what it\nhas in memory is in it. weir restore brings it back.\n";

const struct cmd_option restore_options[] = {
    { "copy", 0, NULL, "copy every file, also where hard links are possible" },
    { 0 },
};
const char restore_help[] =
    "Makes the data directory DIR (which must not exist yet) out of a snapshot. Every checksum is "
    "verified\nand the records are counted before it gets its name; where something is damaged, "
    "nothing is left of it.\nThen start the server with --data DIR.\n";

struct making {
    struct store_copy c;
    int64_t begin_ms, shown_ms;
    bool terminal;
};

static int step(void *ctx, uint64_t octets, uint64_t total)
{
    struct making *m = ctx;
    int64_t now = clock_mono_ms();

    if (!m->terminal || now - m->shown_ms < PROGRESS_MS)
        return ERR_OK;
    m->shown_ms = now;
    cmd_progress(octets, total, now - m->begin_ms);
    return ERR_OK;
}

static int copy(struct making *m, const struct args *a, const char *from, const char *to,
                struct err *e)
{
    struct store *s;
    int rc;

    m->begin_ms = clock_mono_ms();
    m->terminal = proc_on_terminal();
    m->c.copy = args_has(a, "copy");
    m->c.step = step;
    m->c.ctx = m;
    m->c.also = META_DB_NAME;
    m->c.copy_also = meta_db_copy;
    rc = store_open(&s, from, STORE_READ, "", e);
    if (rc == ERR_OK)
        rc = store_copy_to(s, to, &m->c, e);
    store_close(s);
    if (m->terminal && m->shown_ms > 0)
        (void)fprintf(stderr, "\r\033[K");
    return rc;
}

static void say(const struct making *m, const char *to, const char *more)
{
    char size[32];
    int64_t took_ms = clock_mono_ms() - m->begin_ms;

    cmd_octets(m->c.octets, size, sizeof size);
    (void)printf("%s: %" PRIu64 " records and %" PRIu64 " option records in %" PRIu64
                 " segments, %s; %" PRIu64 " files linked, %" PRIu64 " copied, in %.1f s%s\n",
                 to, m->c.rows, m->c.options, m->c.segments, size, m->c.linked, m->c.copied,
                 (double)took_ms / 1000, more);
}

static bool ignore(void *ctx, const char *p, size_t n)
{
    (void)ctx;
    (void)p;
    (void)n;
    return true;
}

/* What a running server has in memory goes to segments first. */
static int seal_first(const struct args *a, const char *dir)
{
    char sock[PATH_OCTETS];
    struct client_answer r;
    struct err e;
    long pid;
    int code = EXIT_DONE;

    if (args_has(a, "no-seal") || store_writer(dir, &pid, sock, sizeof sock, NULL) != ERR_OK)
        return EXIT_DONE;
    if (sock[0] == '\0')
        return EXIT_DONE; /* an import: what it has not finished is not there */
    if (client_post(sock, "/api/v1/seal", ignore, NULL, &r, &e) != ERR_OK)
        code = cmd_fail(a, &e);
    else if (r.status != 200)
        code = client_problem(a, &r);
    buf_free(&r.problem);
    return code;
}

int cmd_snapshot(const struct args *a)
{
    struct making m = { .terminal = false };
    char dir[PATH_OCTETS];
    struct conf *conf;
    struct err e = { 0 };
    int code;

    if (a->n_operands != 1)
        return cmd_usage(a, "name one directory to make: weir snapshot DIR");
    if (cmd_conf(a, &conf, &e) != ERR_OK)
        return cmd_fail(a, &e);
    cmd_data_dir(conf, dir, sizeof dir);
    conf_unref(conf);
    if ((code = seal_first(a, dir)) != EXIT_DONE)
        return code;
    if (copy(&m, a, dir, a->operand[0], &e) != ERR_OK)
        return cmd_fail_dir(a, dir, &e);
    say(&m, a->operand[0], "");
    return EXIT_DONE;
}

int cmd_restore(const struct args *a)
{
    struct making m = { .c = { .verify = true } };
    char path[PATH_OCTETS];
    uint64_t count[3];
    struct err e = { 0 };

    if (a->n_operands != 2)
        return cmd_usage(a,
                         "name the snapshot and the directory to make: weir restore SNAPSHOT DIR");
    if (store_verify_note(a->operand[0], count, &e) != ERR_OK ||
        copy(&m, a, a->operand[0], a->operand[1], &e) != ERR_OK)
        return cmd_fail(a, &e);
    if (m.c.segments != count[0] || m.c.rows != count[1] || m.c.options != count[2]) {
        (void)err_set(&e, ERR_CORRUPT, "%s: has %" PRIu64 " records, the snapshot had %" PRIu64,
                      a->operand[1], m.c.rows, count[1]);
        return cmd_fail(a, &e);
    }
    (void)snprintf(path, sizeof path, "%s/SNAPSHOT", a->operand[1]);
    if (os_unlink(path, &e) != ERR_OK) /* it is no snapshot any more */
        return cmd_fail(a, &e);
    say(&m, a->operand[1], "; every checksum was verified");
    return EXIT_DONE;
}
