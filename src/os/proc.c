#include "os/proc.h"

#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

bool proc_is_root(void)
{
    return geteuid() == 0;
}

bool proc_is_terminal(void)
{
    return isatty(STDOUT_FILENO) == 1;
}

long proc_pid(void)
{
    return (long)getpid();
}

bool proc_on_terminal(void)
{
    return isatty(STDERR_FILENO) == 1;
}

unsigned proc_cpus(void)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    return (unsigned)MAX(CPU_COUNT(&set), 1);
}

void proc_ignore_pipe(void)
{
    struct sigaction sa = { .sa_handler = SIG_IGN };

    (void)sigaction(SIGPIPE, &sa, NULL);
}

static void held(sigset_t *s)
{
    (void)sigemptyset(s);
    (void)sigaddset(s, SIGTERM);
    (void)sigaddset(s, SIGINT);
    (void)sigaddset(s, SIGHUP);
}

void proc_hold_signals(void)
{
    sigset_t s;

    held(&s);
    (void)pthread_sigmask(SIG_BLOCK, &s, NULL);
}

enum proc_signal proc_wait_signal(int64_t ms)
{
    struct timespec t = { .tv_sec = (time_t)(ms / 1000), .tv_nsec = ms % 1000 * 1000000 };
    sigset_t s;
    int got;

    held(&s);
    got = sigtimedwait(&s, NULL, &t);
    if (got == SIGHUP)
        return PROC_RELOAD;
    return got == SIGTERM || got == SIGINT ? PROC_STOP : PROC_NOTHING;
}

void proc_raise_file_limit(void)
{
    struct rlimit r;

    if (getrlimit(RLIMIT_NOFILE, &r) != 0)
        return;
    r.rlim_cur = r.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &r);
}

static int find_user(const char *user, struct passwd *pw, char *hold, size_t cap, struct err *e)
{
    struct passwd *found = NULL;

    if (getpwnam_r(user, pw, hold, cap, &found) != 0 || found == NULL)
        return err_set(e, ERR_NOTFOUND, "user: there is no user \"%s\" on this machine", user);
    return ERR_OK;
}

int proc_give(const char *path, const char *user, struct err *e)
{
    struct passwd pw;
    char hold[4096];
    int rc;

    if ((rc = find_user(user, &pw, hold, sizeof hold, e)) != ERR_OK)
        return rc;
    if (chown(path, pw.pw_uid, pw.pw_gid) != 0)
        return err_set(e, ERR_IO, "%s: cannot give it to user %s: %s", path, user, strerror(errno));
    return ERR_OK;
}

int proc_drop(const char *user, struct err *e)
{
    struct passwd pw;
    char hold[4096];
    int rc;

    if (user[0] != '\0') {
        if (!proc_is_root())
            return err_set(e, ERR_ARG, "user: only root can become %s; leave the option out", user);
        if ((rc = find_user(user, &pw, hold, sizeof hold, e)) != ERR_OK)
            return rc;
        if (initgroups(pw.pw_name, pw.pw_gid) != 0 || setgid(pw.pw_gid) != 0 ||
            setuid(pw.pw_uid) != 0)
            return err_set(e, ERR_IO, "user: cannot become %s: %s", user, strerror(errno));
        if (pw.pw_uid != 0 && setuid(0) == 0)
            return err_set(e, ERR_IO, "user: root could be regained after becoming %s", user);
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return err_set(e, ERR_IO, "no_new_privs: %s", strerror(errno));
    return ERR_OK;
}

void proc_notify(const char *state)
{
    (void)sd_notify(0, state);
}

void proc_notify_reloading(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    (void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRId64,
                     (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000);
}

int64_t proc_watchdog_ms(void)
{
    uint64_t us = 0;

    if (sd_watchdog_enabled(0, &us) <= 0)
        return 0;
    return (int64_t)(us / 2000); /* twice as often as asked for */
}
