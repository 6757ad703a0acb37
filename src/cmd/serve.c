/* cmd/serve.c - weir serve: builds the object graph, waits for signals, takes it down. */
#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"
#include "collect/collect.h"
#include "http/server.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/log.h"
#include "os/net.h"
#include "os/proc.h"

#define PATH_OCTETS 4096u
#define LOOK_MS     500

struct server {
    const struct args *a;
    struct conf *conf;
    struct collect *collect;
    struct store *store;
    struct http_server *http;
    int unix_fd, tcp_fd;
    char dir[PATH_OCTETS], sock[PATH_OCTETS];
};

const struct cmd_option serve_options[] = { { 0 } };

static int open_http(struct server *s, struct err *e)
{
    const char *tcp = conf_text(s->conf, OPT_HTTP_LISTEN);
    struct net_place p;
    char text[NET_TEXT_MAX];
    int rc = net_unix_listen(&s->unix_fd, s->sock, 0660, e);

    if (rc != ERR_OK || tcp[0] == '\0' || strcmp(tcp, "off") == 0)
        return rc;
    if ((rc = net_place_parse(&p, tcp, "", "http.listen", e)) != ERR_OK)
        return rc;
    if ((rc = net_tcp_listen(&s->tcp_fd, &p, e)) == ERR_OK)
        log_line(LOG_LEVEL_INFO, "metrics at http://%s/metrics", net_place_text(&p, text));
    return rc;
}

static int drop(struct server *s, struct err *e)
{
    const char *user = conf_text(s->conf, OPT_USER);
    int rc;

    if (user[0] != '\0' && proc_is_root()) {
        if ((rc = proc_give(s->dir, user, e)) != ERR_OK ||
            (rc = proc_give(s->sock, user, e)) != ERR_OK)
            return rc;
    }
    return proc_drop(user, e);
}

/* The sockets first, while there are rights to bind them; the store after the rights are gone, so
 * that its files belong to the user. */
static int build(struct server *s, struct err *e)
{
    long pid;
    char other[PATH_OCTETS];
    int rc;

    cmd_data_dir(s->conf, s->dir, sizeof s->dir);
    cmd_socket(s->conf, s->sock, sizeof s->sock);
    if (store_writer(s->dir, &pid, other, sizeof other, NULL) == ERR_OK)
        return err_set(e, ERR_BUSY, "data directory %s is in use by process %ld (socket %s)",
                       s->dir, pid, other);
    if ((rc = os_mkdir(s->dir, e)) != ERR_OK ||
        (rc = collect_new(&s->collect, s->conf, e)) != ERR_OK || (rc = open_http(s, e)) != ERR_OK ||
        (rc = drop(s, e)) != ERR_OK ||
        (rc = store_open(&s->store, s->dir, STORE_WRITE, s->sock, e)) != ERR_OK)
        return rc;
    store_set_open(s->store, (size_t)conf_num(s->conf, OPT_STORE_OPEN_SEGMENTS));
    if ((rc = store_set_slow(s->store, conf_text(s->conf, OPT_STORAGE_SLOW), e)) != ERR_OK ||
        (rc = collect_start(s->collect, s->store, e)) != ERR_OK)
        return rc;
    rc = http_server_start(&s->http, s->collect, s->conf, s->unix_fd, s->tcp_fd, e);
    s->unix_fd = s->tcp_fd = -1; /* the server's now */
    return rc;
}

static void say_hello(struct server *s)
{
    struct collect_status st;
    struct err e;

    if (collect_status(s->collect, &st, &e) != ERR_OK)
        return;
    for (uint32_t i = 0; i < st.n_listeners; i++) {
        const struct collect_listener *l = &st.listener[i];
        log_line(LOG_LEVEL_INFO, "listening on %s", l->text);
        if (l->buffer_got < l->buffer_wanted && i == 0)
            log_line(
                LOG_LEVEL_WARN,
                "receive buffer: wanted %llu, got %llu; type: sysctl -w net.core.rmem_max=%llu",
                (unsigned long long)l->buffer_wanted, (unsigned long long)l->buffer_got,
                (unsigned long long)l->buffer_wanted);
    }
    log_line(LOG_LEVEL_INFO, "weir " WEIR_VERSION " stores in %s, answers at %s", s->dir, s->sock);
    collect_status_free(&st);
}

static void reload(struct server *s)
{
    struct conf *fresh;
    struct err e;

    proc_notify_reloading();
    if (cmd_conf(s->a, &fresh, &e) != ERR_OK) {
        log_line(LOG_LEVEL_ERROR, "reload refused, the old configuration stays: %s", e.msg);
        proc_notify("READY=1");
        return;
    }
    for (size_t o = 0; o < OPT_N; o++) {
        const char *was = conf_text(s->conf, (enum opt)o), *is = conf_text(fresh, (enum opt)o);
        if (strcmp(was, is) == 0)
            continue;
        if (opt_info[o].reload)
            log_line(LOG_LEVEL_INFO, "%s is now %s", opt_info[o].name, is);
        else
            log_line(LOG_LEVEL_WARN, "%s: %s needs a restart; %s stays", opt_info[o].name, is, was);
    }
    log_set_level((enum log_level)conf_num(fresh, OPT_LOG_LEVEL));
    collect_reload(s->collect, fresh);
    http_server_reload(s->http, fresh);
    conf_unref(s->conf);
    s->conf = fresh;
    log_line(LOG_LEVEL_INFO, "configuration reloaded");
    proc_notify("READY=1");
}

static void wait_for_the_end(struct server *s)
{
    int64_t watchdog_ms = proc_watchdog_ms(), next = 0;

    for (;;) {
        enum proc_signal sig =
            proc_wait_signal(watchdog_ms > 0 ? MIN(watchdog_ms, LOOK_MS) : LOOK_MS);
        if (sig == PROC_STOP)
            return;
        if (sig == PROC_RELOAD)
            reload(s);
        if (watchdog_ms > 0 && clock_mono_ms() >= next) {
            proc_notify("WATCHDOG=1");
            next = clock_mono_ms() + watchdog_ms;
        }
    }
}

/* Everything in the reverse order; accepts a half-built server. */
static int take_down(struct server *s, bool started, struct err *e)
{
    int rc = ERR_OK;

    http_server_stop(s->http);
    if (started)
        rc = collect_stop(s->collect, e);
    collect_free(s->collect);
    store_close(s->store);
    if (s->store != NULL)
        net_unlink(s->sock);
    net_close(s->unix_fd);
    net_close(s->tcp_fd);
    conf_unref(s->conf);
    return rc;
}

int cmd_serve(const struct args *a)
{
    struct server s = { .a = a, .unix_fd = -1, .tcp_fd = -1 };
    struct err e = { 0 }, why = { 0 };
    int rc;

    if (a->n_operands > 0)
        return cmd_usage(a, "%s: serve takes options only", a->operand[0]);
    if (cmd_conf(a, &s.conf, &e) != ERR_OK) {
        (void)cmd_fail(a, &e);
        return e.code == ERR_ARG || e.code == ERR_SYNTAX ? EXIT_USAGE : EXIT_FAILED;
    }
    log_set_level((enum log_level)conf_num(s.conf, OPT_LOG_LEVEL));
    proc_ignore_pipe();
    proc_hold_signals();
    proc_raise_file_limit();
    if ((rc = build(&s, &e)) != ERR_OK) {
        bool started = s.store != NULL;
        (void)cmd_fail(a, &e);
        (void)!take_down(&s, started, &why);
        return rc == ERR_ARG ? EXIT_USAGE : EXIT_FAILED;
    }
    say_hello(&s);
    proc_notify("READY=1");
    wait_for_the_end(&s);
    log_line(LOG_LEVEL_INFO, "stopping: decoding what has arrived, sealing all of it");
    proc_notify("STOPPING=1");
    if (take_down(&s, true, &e) != ERR_OK) {
        log_line(LOG_LEVEL_ERROR, "%s", e.msg);
        return EXIT_FAILED;
    }
    log_line(LOG_LEVEL_INFO, "stopped");
    return EXIT_DONE;
}
