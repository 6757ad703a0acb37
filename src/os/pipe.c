#include "os/pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* The environment with TZ=UTC; NULL: out of memory. */
static char **utc_environment(void)
{
    static char utc[] = "TZ=UTC";
    size_t n = 0, at = 0;
    char **to;

    while (environ[n] != NULL)
        n++;
    if ((to = calloc(n + 2, sizeof *to)) == NULL)
        return NULL;
    for (size_t i = 0; i < n; i++)
        if (strncmp(environ[i], "TZ=", 3) != 0)
            to[at++] = environ[i];
    to[at] = utc;
    return to;
}

static int spawn(struct os_pipe *p, const char *const *argv, int out, int err)
{
    posix_spawn_file_actions_t fa;
    posix_spawnattr_t attr;
    char **env = utc_environment();
    sigset_t defaults;
    pid_t pid = 0;
    int rc = env == NULL ? ENOMEM : posix_spawn_file_actions_init(&fa);

    if (rc != 0) {
        free(env);
        return rc;
    }
    (void)sigemptyset(&defaults);
    (void)sigaddset(&defaults, SIGPIPE); /* ignored here: it would write for ever */
    rc = posix_spawnattr_init(&attr);
    if (rc == 0)
        rc = posix_spawn_file_actions_addopen(&fa, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(&fa, out, STDOUT_FILENO);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(&fa, err, STDERR_FILENO);
    if (rc == 0)
        rc = posix_spawnattr_setsigdefault(&attr, &defaults);
    if (rc == 0)
        rc = posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF);
    if (rc == 0) /* it changes none of its arguments */
        rc = posix_spawnp(&pid, argv[0], &fa, &attr, (char *const *)(uintptr_t)argv, env);
    (void)posix_spawnattr_destroy(&attr);
    (void)posix_spawn_file_actions_destroy(&fa);
    free(env);
    p->pid = (long)pid;
    return rc;
}

int os_pipe_open(struct os_pipe *p, const char *const *argv, struct err *e)
{
    int out[2] = { -1, -1 }, err[2] = { -1, -1 };
    int rc;

    *p = (struct os_pipe){ .fd = -1, .complaints = -1 };
    if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0) {
        rc = errno;
    } else {
        rc = spawn(p, argv, out[1], err[1]);
        /* never read before the end, so it must not wait for us */
        if (fcntl(err[1], F_SETFL, O_NONBLOCK) != 0 || fcntl(err[0], F_SETFL, O_NONBLOCK) != 0)
            rc = rc != 0 ? rc : errno;
    }
    for (unsigned i = 0; i < 2; i++) {
        int fd = i == 0 ? out[1] : err[1];
        if (fd >= 0)
            (void)close(fd);
    }
    p->fd = out[0];
    p->complaints = err[0];
    if (rc == 0)
        return ERR_OK;
    (void)os_pipe_close(p, NULL);
    if (rc == ENOENT)
        return err_set(e, ERR_NOTFOUND, "%s is not installed", argv[0]);
    return err_set(e, ERR_IO, "%s cannot be started: %s", argv[0], strerror(rc));
}

int os_pipe_read(struct os_pipe *p, uint8_t *buf, size_t cap, size_t *got, struct err *e)
{
    ssize_t n;

    do
        n = read(p->fd, buf, cap);
    while (n < 0 && errno == EINTR);
    *got = n > 0 ? (size_t)n : 0;
    return n >= 0 ? ERR_OK : err_set(e, ERR_IO, "pipe: %s", strerror(errno));
}

/* Its last complaint, one line. */
static void complaint(int fd, char *text, size_t cap)
{
    char all[4096];
    ssize_t n = read(fd, all, sizeof all - 1);
    size_t len = n > 0 ? (size_t)n : 0, from = 0;

    while (len > 0 && (all[len - 1] == '\n' || all[len - 1] == ' '))
        len--;
    all[len] = '\0';
    for (size_t i = 0; i < len; i++)
        if (all[i] == '\n')
            from = i + 1;
        else if ((unsigned char)all[i] < ' ')
            all[i] = ' ';
    (void)snprintf(text, cap, "%.*s", (int)(cap - 1), all + from);
}

int os_pipe_close(struct os_pipe *p, struct err *e)
{
    char text[OS_PIPE_SAID] = "";
    int status = 0, rc = ERR_OK;

    if (p->fd >= 0)
        (void)close(p->fd); /* if it still writes it gets SIGPIPE */
    if (p->pid > 0) {
        pid_t got = 0;
        for (unsigned i = 0; i < 20 && (got = waitpid((pid_t)p->pid, &status, WNOHANG)) == 0; i++)
            (void)usleep(5000);
        if (got == 0) {
            (void)kill((pid_t)p->pid, SIGTERM);
            (void)waitpid((pid_t)p->pid, &status, 0);
            status = 0; /* we ended it */
        }
    }
    if (p->complaints >= 0) {
        complaint(p->complaints, text, sizeof text);
        (void)close(p->complaints);
    }
    if (WIFSIGNALED(status) && WTERMSIG(status) != SIGPIPE)
        rc = err_set(e, ERR_IO, "it died of signal %d", WTERMSIG(status));
    else if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
        rc = err_set(e, ERR_IO, "it ended with code %d: %s", WEXITSTATUS(status), text);
    *p = (struct os_pipe){ .fd = -1, .complaints = -1 };
    return rc;
}
