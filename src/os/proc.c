#include "os/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <malloc.h>
#include <pwd.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
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

#define LARGE_OCTETS (1 << 20)
#define KEPT_OCTETS  (16 << 20) /* free at the end of the main heap, for the next small ones */

void proc_return_memory(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, LARGE_OCTETS);
    (void)mallopt(M_TRIM_THRESHOLD, KEPT_OCTETS);
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
    (void)sigaddset(s, SIGUSR2);
    (void)sigaddset(s, SIGCHLD);
}

void proc_hold_signals(void)
{
    sigset_t s;

    held(&s);
    (void)pthread_sigmask(SIG_BLOCK, &s, NULL);
}

uint32_t proc_random(void)
{
    uint32_t x = 0;

    while (x == 0)
        if (getentropy(&x, sizeof x) != 0)
            abort(); /* only a kernel without it */
    return x;
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
    if (got == SIGUSR2)
        return PROC_UPGRADE;
    if (got == SIGCHLD)
        return PROC_CHILD;
    return got == SIGTERM || got == SIGINT ? PROC_STOP : PROC_NOTHING;
}

long proc_fork(struct err *e)
{
    long parent = (long)getpid();
    pid_t pid = fork();

    if (pid == 0)
        proc_follow(parent);
    if (pid < 0)
        (void)err_set(e, ERR_IO, "fork: %s", strerror(errno));
    return (long)pid;
}

void proc_follow(long parent)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    if ((long)getppid() != parent) /* it died before we asked */
        (void)raise(SIGTERM);
}

bool proc_reap(long pid, int *code, int *signal)
{
    int status;

    if (waitpid((pid_t)pid, &status, WNOHANG) != (pid_t)pid)
        return false;
    *signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    *code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    return true;
}

void proc_send(long pid, enum proc_signal s)
{
    (void)kill((pid_t)pid, s == PROC_RELOAD ? SIGHUP : SIGTERM);
}

const char *proc_signal_name(int signal)
{
    const char *name = sigabbrev_np(signal);

    return name != NULL ? name : "?";
}

bool proc_confine(void)
{
    static const int refused[] = {
#ifndef WEIR_SANITIZED /* the leak checker traces */
        SCMP_SYS(ptrace),
#endif
        SCMP_SYS(execve),
        SCMP_SYS(execveat),
        SCMP_SYS(process_vm_readv),
        SCMP_SYS(process_vm_writev),
        SCMP_SYS(mount),
        SCMP_SYS(umount2),
        SCMP_SYS(pivot_root),
        SCMP_SYS(chroot),
        SCMP_SYS(init_module),
        SCMP_SYS(finit_module),
        SCMP_SYS(delete_module),
        SCMP_SYS(kexec_load),
        SCMP_SYS(reboot),
        SCMP_SYS(swapon),
        SCMP_SYS(swapoff),
        SCMP_SYS(bpf),
        SCMP_SYS(perf_event_open),
        SCMP_SYS(unshare),
        SCMP_SYS(setns),
        SCMP_SYS(keyctl),
        SCMP_SYS(add_key),
        SCMP_SYS(request_key),
        SCMP_SYS(userfaultfd),
        SCMP_SYS(open_by_handle_at),
        SCMP_SYS(acct),
        SCMP_SYS(settimeofday),
        SCMP_SYS(clock_settime),
        SCMP_SYS(sethostname),
        SCMP_SYS(iopl),
    };
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
    bool ok = f != NULL;

    for (size_t i = 0; ok && i < ARRAY_LEN(refused); i++)
        (void)seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), refused[i], 0); /* unknown here: fine */
    ok = ok && seccomp_load(f) == 0;
    if (f != NULL)
        seccomp_release(f);
    return ok;
}

#define INHERIT    "WEIR_SOCKETS" /* NAME=FD;NAME=FD; */
#define MANAGER_US 2000000        /* how long the service manager may take */

/* An entry of the environment's list as a descriptor of ours, or -1. */
static int taken(const char *number)
{
    int fd = (int)strtol(number, NULL, 10);
    int flags = fd > STDERR_FILENO ? fcntl(fd, F_GETFD) : -1;

    if (flags < 0)
        return -1;
    (void)fcntl(fd, F_SETFD, flags | FD_CLOEXEC);
    return fd;
}

int proc_inherited(const char *name)
{
    const char *list = getenv(INHERIT), *p = list, *end;
    size_t n = strlen(name);
    char *rest;
    int fd;

    for (; p != NULL && *p != '\0'; p = end + 1) {
        if ((end = strchr(p, ';')) == NULL)
            return -1;
        if (strncmp(p, name, n) != 0 || p[n] != '=')
            continue;
        fd = taken(p + n + 1);
        if (asprintf(&rest, "%.*s%s", (int)(p - list), list, end + 1) < 0)
            return -1;
        (void)setenv(INHERIT, rest, 1);
        free(rest);
        return fd;
    }
    return -1;
}

/* The service manager allows no colon in a name, we use no '_'. */
static void swap_char(char *s, char from, char to)
{
    for (; *s != '\0'; s++)
        if (*s == from)
            *s = to;
}

static void tell_name(const char *what, const char *name, const int *fd)
{
    char *state;

    if (asprintf(&state, "%s\nFDNAME=%s", what, name) < 0)
        return;
    swap_char(state, ':', '_');
    (void)sd_pid_notify_with_fds(0, 0, state, fd, fd != NULL ? 1 : 0);
    free(state);
}

void proc_keep(const char *name, int fd)
{
    if (fd >= 0)
        tell_name("FDSTORE=1\nFDPOLL=0", name, &fd);
}

void proc_inherited_close(const char *prefix)
{
    const char *given = getenv(INHERIT);
    char *list = strdup(given != NULL ? given : ""), *hold = NULL, *name;
    bool any = false;
    int fd;

    for (name = list != NULL ? strtok_r(list, ";", &hold) : NULL; name != NULL;
         name = strtok_r(NULL, ";", &hold)) {
        char *equals = strchr(name, '=');
        if (equals == NULL || strncmp(name, prefix, strlen(prefix)) != 0)
            continue;
        *equals = '\0';
        if ((fd = proc_inherited(name)) >= 0) {
            tell_name("FDSTOREREMOVE=1", name, NULL);
            (void)close(fd);
            any = true;
        }
    }
    if (any) /* the port is free when the manager has closed its own */
        (void)sd_notify_barrier(0, MANAGER_US);
    free(list);
}

void proc_inherit_kept(void)
{
    char **name = NULL;
    int n = sd_listen_fds_with_names(1, &name);

    for (int i = 0; i < n; i++) {
        swap_char(name[i], '_', ':');
        proc_bequeath(name[i], SD_LISTEN_FDS_START + i);
        free(name[i]);
    }
    free(name);
}

void proc_bequeath(const char *name, int fd)
{
    const char *old = getenv(INHERIT);
    char *text;

    if (fd < 0 || asprintf(&text, "%s%s=%d;", old != NULL ? old : "", name, fd) < 0)
        return;
    (void)setenv(INHERIT, text, 1);
    free(text);
    (void)fcntl(fd, F_SETFD, 0);
}

#define ARGUMENTS_MAX 4096u

void proc_replace(struct err *e)
{
    static char words[1u << 17];
    char *argv[ARGUMENTS_MAX + 1], path[4096];
    static const char gone[] = " (deleted)"; /* what an upgrade makes of its name */
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t len = fd >= 0 ? read(fd, words, sizeof words - 1) : -1;
    size_t argc = 0;

    if (fd >= 0)
        (void)close(fd);
    if (n < 0 || len <= 0) {
        (void)err_set(e, ERR_IO, "upgrade: /proc/self cannot be read: %s", strerror(errno));
        return;
    }
    path[n] = '\0';
    if ((size_t)n >= sizeof gone && strcmp(path + n - (sizeof gone - 1), gone) == 0)
        path[(size_t)n - (sizeof gone - 1)] = '\0';
    for (ssize_t at = 0; at < len && argc < ARGUMENTS_MAX; at += (ssize_t)strlen(words + at) + 1)
        argv[argc++] = words + at;
    argv[argc] = NULL;
    (void)execv(path, argv);
    (void)err_set(e, ERR_IO, "upgrade: %s: %s", path, strerror(errno));
}

void proc_raise_file_limit(void)
{
    struct rlimit r;

    if (getrlimit(RLIMIT_NOFILE, &r) != 0)
        return;
    r.rlim_cur = r.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &r);
}

uint64_t proc_file_limit(void)
{
    struct rlimit r;

    return getrlimit(RLIMIT_NOFILE, &r) == 0 ? (uint64_t)r.rlim_max : 0;
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

/* Those that a unit file gave: the sockets are open, nothing needs them any more. */
static void drop_capabilities(void)
{
    struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    (void)syscall(SYS_capset, &head, none);
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
    if (!proc_is_root())
        drop_capabilities();
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
