/* cmd/serve.c - weir serve: a parent that holds the sockets and its rights, and does nothing else
 * than to start the data process again when it dies; and that process, which builds the object
 * graph, waits for signals and takes it down. */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"
#include "collect/check.h"
#include "collect/history.h"
#include "collect/snmp.h"
#include "flow/apps.h"
#include "http/server.h"
#include "os/clock.h"
#include "os/fault.h"
#include "os/file.h"
#include "os/log.h"
#include "os/net.h"
#include "os/proc.h"
#include "os/share.h"

#define PATH_OCTETS    4096u
#define LOOK_MS        500
#define WATCH_MS       100
#define CALM_MS        10000 /* a child that lived as long is started again at once */
#define RESTART_MS     100
#define RESTART_MAX_MS 2000

/* What the data process tells its parent. */
struct serve_shared {
    atomic_bool ready;
    atomic_uint beats;
};

struct server {
    const struct args *a;
    struct conf *conf;
    struct apps *apps;
    struct collect *collect;
    struct store *store;
    struct history *history;
    struct meta_db *meta;
    struct http_server *http;
    struct snmp_secrets secrets; /* read while there were rights for it */
    struct snmp_watch *snmp;
    int unix_fd, tcp_fd;
    char tcp_name[NET_TEXT_MAX + 8];
    struct serve_shared *shared;
    long parent;
    bool again; /* not the first child */
    bool kept;  /* the sockets were open before this process, as over an upgrade or a restart */
    char dir[PATH_OCTETS], sock[PATH_OCTETS];
};

const struct cmd_option serve_options[] = { { 0 } };
const char serve_help[] =
    "Signals of its parent process: SIGTERM stops it with everything sealed, SIGHUP reads the\n"
    "configuration again and opens the log file anew, SIGUSR2 goes on with the program as it is "
    "now\n"
    "installed, without losing a datagram.\n";

static int read_secrets(struct server *s, struct err *e)
{
    const char *path = conf_text(s->conf, OPT_SNMP_SECRETS);
    struct buf text = buf_init(SNMP_SECRETS_OCTETS);
    struct err why;
    int rc;

    if (path[0] == '\0')
        return ERR_OK;
    if (!os_snmp_there())
        return err_set(e, ERR_UNSUPPORTED,
                       "snmp.secrets: this weir is built without net-snmp; install libsnmp-dev and "
                       "build it again, or leave the option out");
    rc = os_file_slurp(path, &text, &why);
    if (rc == ERR_OK)
        rc = snmp_secrets_parse(&s->secrets, path, (char *)(uintptr_t)buf_cstr(&text), &why);
    if (text.len > 0)
        explicit_bzero(text.p, text.len);
    buf_free(&text);
    return rc == ERR_OK ? ERR_OK : err_set(e, rc, "snmp.secrets: %.480s", why.msg);
}

static int open_http(struct server *s, struct err *e)
{
    const char *tcp = conf_text(s->conf, OPT_HTTP_LISTEN);
    struct net_place p;
    char text[NET_TEXT_MAX];
    int rc = ERR_OK;

    if ((s->unix_fd = proc_inherited("unix")) < 0)
        rc = net_unix_listen(&s->unix_fd, s->sock, 0660, e);
    if (rc != ERR_OK || tcp[0] == '\0' || strcmp(tcp, "off") == 0)
        return rc;
    if ((rc = net_place_parse(&p, tcp, "", "http.listen", e)) != ERR_OK)
        return rc;
    (void)snprintf(s->tcp_name, sizeof s->tcp_name, "tcp:%s", net_place_text(&p, text));
    if ((s->tcp_fd = proc_inherited(s->tcp_name)) >= 0)
        net_tcp_kept(s->tcp_fd, &p);
    else if ((rc = net_tcp_listen(&s->tcp_fd, &p, "http.listen ", e)) != ERR_OK)
        return rc;
    log_line(LOG_LEVEL_INFO, "metrics at http://%s/metrics", net_place_text(&p, text));
    return ERR_OK;
}

static int make_dir(const char *dir, struct err *e)
{
    struct err why;
    struct os_owner o = { .user = "somebody else" };
    int rc = os_mkdir(dir, &why);

    if (rc != ERR_OK)
        return err_set(e, rc, "%.400s; --data DIR names another place", why.msg);
    if (os_may_use(dir, true))
        return ERR_OK;
    (void)!os_owner(dir, &o, NULL);
    return err_set(e, ERR_IO,
                   "%.300s belongs to %s; start the service that records there (systemctl start "
                   "weir), or name another place: --data DIR",
                   dir, o.user);
}

/* The parent's part, with all rights: sockets, buffers, ownership of the directory. */
static int prepare(struct server *s, struct err *e)
{
    const char *user = conf_text(s->conf, OPT_USER);
    long pid;
    char other[PATH_OCTETS];
    int rc;

    cmd_data_dir(s->conf, s->dir, sizeof s->dir);
    cmd_socket(s->conf, s->sock, sizeof s->sock);
    if (store_writer(s->dir, &pid, other, sizeof other, NULL) == ERR_OK)
        return err_set(e, ERR_BUSY,
                       "%s: weir runs there already, process %ld, and answers at %s; "
                       "a second one needs --data OTHER and --listen",
                       s->dir, pid, other);
    if ((rc = log_open(conf_text(s->conf, OPT_LOG_TO), e)) != ERR_OK ||
        (rc = read_secrets(s, e)) != ERR_OK || (rc = make_dir(s->dir, e)) != ERR_OK ||
        (rc = collect_new(&s->collect, s->conf, e)) != ERR_OK || (rc = open_http(s, e)) != ERR_OK)
        return rc;
    proc_inherited_close("");
    s->kept = collect_kept(s->collect);
    collect_each_socket(s->collect, proc_keep);
    if (user[0] == '\0' || !proc_is_root())
        return ERR_OK;
    if ((rc = proc_give(s->dir, user, e)) == ERR_OK && conf_text(s->conf, OPT_LOG_TO)[0] == '/')
        rc = proc_give(conf_text(s->conf, OPT_LOG_TO), user, e);
    return rc == ERR_OK ? proc_give(s->sock, user, e) : rc;
}

/* What is known of addresses, as it lies there now. Nobody loses a record for the want of it. */
static void use_geo(struct server *s)
{
    struct err e;

    if (cmd_use_geo(s->conf, s->store, &e) != ERR_OK)
        log_line(LOG_LEVEL_WARN, "AS numbers and countries of addresses stay as they were: %s",
                 e.msg);
}

/* The child's part: no rights any more; the files it makes belong to the user. */
static int build(struct server *s, struct err *e)
{
    int rc;

    if ((rc = proc_drop(conf_text(s->conf, OPT_USER), e)) != ERR_OK)
        return rc;
    proc_follow(s->parent);
    if (!proc_confine())
        log_line(LOG_LEVEL_WARN, "this kernel has no seccomp: system calls are not confined");
    if (s->secrets.n > 0)
        os_snmp_init(); /* before threads start */
    fault_in("recover");
    if ((rc = collect_check_drafts(s->dir, e)) != ERR_OK ||
        (rc = store_open(&s->store, s->dir, STORE_WRITE, s->sock, e)) != ERR_OK)
        return rc;
    store_set_open(s->store, (size_t)conf_num(s->conf, OPT_STORE_OPEN_SEGMENTS));
    use_geo(s);
    if ((rc = store_set_slow(s->store, conf_text(s->conf, OPT_STORAGE_SLOW), e)) != ERR_OK ||
        (rc = history_open(&s->history, s->dir, s->again || s->kept,
                           (int64_t)conf_num(s->conf, OPT_HISTORY_KEEP), clock_now_ms(), e)) !=
            ERR_OK ||
        (rc = collect_start(s->collect, s->store, e)) != ERR_OK ||
        (rc = history_follow(s->history, s->collect, e)) != ERR_OK ||
        (rc = meta_db_open(&s->meta, s->dir, e)) != ERR_OK)
        return rc;
    if (s->secrets.n > 0 &&
        (rc = snmp_watch_start(&s->snmp, s->collect, s->store, &s->secrets,
                               (int64_t)conf_num(s->conf, OPT_SNMP_EVERY),
                               (uint16_t)conf_num(s->conf, OPT_SNMP_PORT), e)) != ERR_OK)
        return rc;
    rc = http_server_start(&s->http,
                           &(struct http_parts){ .collect = s->collect,
                                                 .history = s->history,
                                                 .meta = s->meta,
                                                 .snmp = s->snmp,
                                                 .apps = s->apps,
                                                 .conf = s->conf },
                           s->unix_fd, s->tcp_fd, e);
    s->unix_fd = s->tcp_fd = -1; /* the server's now */
    return rc;
}

static void say_hello(struct server *s)
{
    struct collect_status st;
    struct err e;

    if (collect_status(s->collect, &st, false, &e) != ERR_OK)
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

static void reload_apps(struct server *s, const struct conf *fresh)
{
    struct apps *apps;
    struct err e;

    if (cmd_apps(fresh, &apps, &e) != ERR_OK) {
        log_line(LOG_LEVEL_ERROR, "applications stay as they were: %s", e.msg);
        return;
    }
    apps_unref(s->apps);
    s->apps = apps;
}

static void reload(struct server *s)
{
    struct conf *fresh;
    struct err e;

    if (cmd_conf(s->a, &fresh, &e) != ERR_OK) {
        log_line(LOG_LEVEL_ERROR, "reload refused, the old configuration stays: %s", e.msg);
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
    log_set_burst((unsigned)conf_num(fresh, OPT_LOG_BURST), LOG_WINDOW_MS);
    collect_reload(s->collect, fresh);
    reload_apps(s, fresh);
    http_server_reload(s->http, fresh, s->apps);
    conf_unref(s->conf);
    s->conf = fresh;
    use_geo(s);
    log_line(LOG_LEVEL_INFO, "configuration reloaded");
}

/* The log file may have been renamed. */
static void reopen_log(void)
{
    struct err e;

    if (log_reopen(&e) != ERR_OK)
        log_line(LOG_LEVEL_ERROR, "%s; the old file stays", e.msg);
}

static void wait_for_the_end(struct server *s)
{
    for (;;) {
        enum proc_signal sig = proc_wait_signal(LOOK_MS);
        if (sig == PROC_STOP)
            return;
        if (sig == PROC_RELOAD) {
            reopen_log();
            reload(s);
        }
        log_flush();
        (void)atomic_fetch_add(&s->shared->beats, 1);
    }
}

/* Everything in the reverse order; accepts a half-built server. */
static int take_down(struct server *s, bool started, struct err *e)
{
    int rc = ERR_OK;

    http_server_stop(s->http);
    meta_db_close(s->meta);
    snmp_watch_stop(s->snmp);
    if (started)
        rc = collect_stop(s->collect, e);
    history_close(s->history); /* its last row is of all that was decoded */
    collect_free(s->collect);
    store_close(s->store);
    net_close(s->unix_fd);
    net_close(s->tcp_fd);
    apps_unref(s->apps);
    conf_unref(s->conf);
    return rc;
}

/* The data process: everything but the sockets' opening. Returns its exit code. */
static int data_process(struct server *s)
{
    struct err e = { 0 }, why = { 0 };
    struct conf *fresh;
    int rc;

    if (s->again && cmd_conf(s->a, &fresh, &e) == ERR_OK) { /* what was reloaded stays so */
        conf_unref(s->conf);
        s->conf = fresh;
        collect_reload(s->collect, fresh);
    }
    if ((rc = build(s, &e)) != ERR_OK) {
        bool started = s->http != NULL;
        (void)cmd_fail(s->a, &e);
        (void)!take_down(s, started, &why);
        return rc == ERR_ARG ? EXIT_USAGE : EXIT_FAILED;
    }
    say_hello(s);
    atomic_store(&s->shared->ready, true);
    wait_for_the_end(s);
    log_line(LOG_LEVEL_INFO, "stopping: decoding what has arrived, sealing all of it");
    if (take_down(s, true, &e) != ERR_OK) {
        log_line(LOG_LEVEL_ERROR, "%s", e.msg);
        return EXIT_FAILED;
    }
    log_line(LOG_LEVEL_INFO, "stopped");
    return EXIT_DONE;
}

/* ------------------------------------------------------------------ the parent */

/* What the parent knows of its child. */
struct watch {
    long pid;                            /* 0: none now */
    int64_t began_ms, again_ms, wait_ms; /* monotonic; span */
    int64_t beat_ms, told_ms, watchdog_ms;
    unsigned beats;
    bool ready, stopping, upgrading;
};

static void tell_manager(struct server *s, struct watch *w)
{
    int64_t now = clock_mono_ms();
    unsigned beats = atomic_load(&s->shared->beats);

    if (!w->ready && atomic_load(&s->shared->ready)) {
        w->ready = true;
        proc_notify("READY=1");
    }
    if (beats != w->beats) {
        w->beats = beats;
        w->beat_ms = now;
    }
    /* a child that hangs makes the manager act */
    if (w->watchdog_ms > 0 && now - w->told_ms >= w->watchdog_ms &&
        (now - w->beat_ms < w->watchdog_ms + 2 * LOOK_MS || !w->ready)) {
        proc_notify("WATCHDOG=1");
        w->told_ms = now;
    }
}

/* The child has ended. True: so do we, with *code. */
static bool ended(struct server *s, struct watch *w, int signal, int *code)
{
    int64_t now = clock_mono_ms(), lived = now - w->began_ms;

    w->pid = 0;
    if (w->upgrading && !w->stopping)
        return false;
    if (w->stopping || (signal == 0 && (*code == EXIT_DONE || !w->ready)))
        return true;
    fault_forget();
    w->wait_ms = lived > CALM_MS ? 0 : MIN(MAX(w->wait_ms * 2, RESTART_MS), RESTART_MAX_MS);
    w->again_ms = now + w->wait_ms;
    s->again = true;
    if (signal != 0)
        log_line(LOG_LEVEL_ERROR, "the data process died (SIG%s); it starts again in %lld ms",
                 proc_signal_name(signal), (long long)w->wait_ms);
    else
        log_line(LOG_LEVEL_ERROR, "the data process ended with code %d; it starts again in %lld ms",
                 *code, (long long)w->wait_ms);
    return false;
}

static void on_signal(const struct watch *w, enum proc_signal sig, struct watch *out)
{
    if (sig == PROC_STOP && !w->stopping)
        proc_notify("STOPPING=1");
    out->stopping |= sig == PROC_STOP;
    out->upgrading |= sig == PROC_UPGRADE;
    if (w->pid != 0 && (sig == PROC_STOP || sig == PROC_UPGRADE))
        proc_send(w->pid, PROC_STOP);
    if (sig == PROC_RELOAD)
        reopen_log();
    if (w->pid != 0 && sig == PROC_RELOAD)
        proc_send(w->pid, PROC_RELOAD);
}

/* The same program's new version goes on with the sockets. */
static void upgrade(struct server *s, struct watch *w)
{
    struct err e = { 0 };

    log_line(LOG_LEVEL_INFO, "upgrading; the sockets stay open");
    collect_each_socket(s->collect, proc_bequeath);
    proc_bequeath("unix", s->unix_fd);
    proc_bequeath(s->tcp_name, s->tcp_fd);
    proc_replace(&e);
    log_line(LOG_LEVEL_ERROR, "%s; this version goes on", e.msg);
    w->upgrading = false;
}

/* The child may have no right to: certificates and keys for its sessions to come. It says itself
 * what is wrong with the configuration. */
static void read_keys(struct server *s)
{
    struct conf *fresh;
    struct err e = { 0 };

    if (cmd_conf(s->a, &fresh, &e) != ERR_OK)
        return;
    if (collect_read_keys(s->collect, fresh, &e) != ERR_OK)
        log_line(LOG_LEVEL_ERROR, "%s; the certificates from before stay", e.msg);
    conf_unref(fresh);
}

/* Start children until one ends well. In a child: returns its exit code too. */
static int supervise(struct server *s)
{
    struct watch w = { .watchdog_ms = proc_watchdog_ms() };
    struct err e = { 0 };
    int code = EXIT_FAILED, signal = 0;
    enum proc_signal sig;

    for (;;) {
        if (w.pid == 0 && w.upgrading && !w.stopping)
            upgrade(s, &w);
        if (w.pid == 0 && w.stopping)
            return EXIT_DONE;
        if (w.pid == 0 && clock_mono_ms() >= w.again_ms) {
            w.began_ms = w.beat_ms = clock_mono_ms();
            w.pid = proc_fork(&e);
            if (w.pid == 0)
                return data_process(s);
            if (w.pid < 0) {
                (void)cmd_fail(s->a, &e);
                return EXIT_FAILED;
            }
        }
        sig = proc_wait_signal(WATCH_MS);
        if (sig == PROC_RELOAD)
            read_keys(s);
        on_signal(&w, sig, &w);
        if (w.pid != 0 && proc_reap(w.pid, &code, &signal) && ended(s, &w, signal, &code))
            return signal == 0 ? code : EXIT_FAILED;
        tell_manager(s, &w);
    }
}

int cmd_serve(const struct args *a)
{
    struct server s = { .a = a, .unix_fd = -1, .tcp_fd = -1, .parent = proc_pid() };
    struct err e = { 0 };
    int rc, code;

    if (a->n_operands > 0 && strspn(a->operand[0], "0123456789") == strlen(a->operand[0]))
        return cmd_usage(a, "%s: to listen on that port: weir serve --listen 'udp://[::]:%s'",
                         a->operand[0], a->operand[0]);
    if (a->n_operands > 0)
        return cmd_usage(a, "%s: serve takes options only", a->operand[0]);
    if (cmd_conf(a, &s.conf, &e) != ERR_OK || cmd_elements(s.conf, &e) != ERR_OK ||
        cmd_apps(s.conf, &s.apps, &e) != ERR_OK) {
        (void)cmd_fail(a, &e);
        conf_unref(s.conf);
        return e.code == ERR_ARG || e.code == ERR_SYNTAX ? EXIT_USAGE : EXIT_FAILED;
    }
    log_set_level((enum log_level)conf_num(s.conf, OPT_LOG_LEVEL));
    log_set_burst((unsigned)conf_num(s.conf, OPT_LOG_BURST), LOG_WINDOW_MS);
    proc_ignore_pipe();
    proc_return_memory();
    proc_hold_signals();
    proc_raise_file_limit();
    proc_inherit_kept();
    s.shared = os_share_new(sizeof *s.shared);
    rc = s.shared != NULL ? prepare(&s, &e) : err_set(&e, ERR_NOMEM, "serve: out of memory");
    if (rc != ERR_OK) {
        (void)cmd_fail(a, &e);
        (void)!take_down(&s, false, &e);
        snmp_secrets_free(&s.secrets);
        os_share_free(s.shared, sizeof *s.shared);
        return rc == ERR_ARG ? EXIT_USAGE : EXIT_FAILED;
    }
    code = supervise(&s);
    if (proc_pid() == s.parent) {
        net_unlink(s.sock);
        (void)!take_down(&s, false, &e);
    }
    snmp_secrets_free(&s.secrets);
    os_share_free(s.shared, sizeof *s.shared);
    return code;
}
