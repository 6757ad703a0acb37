#include "os/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/clock.h"

#define LIMIT_MS        10000
#define KINDS           64u /* remembered at a time; those beyond are not limited */
#define LINE_MAX_OCTETS 1300u

/* Messages of one format. */
struct kind {
    const char *fmt; /* NULL: free */
    enum log_level level;
    int64_t since_ms;
    unsigned lines;
    uint64_t kept_back;
    char last[200]; /* of those kept back */
};

static _Atomic int least_severe = LOG_LEVEL_INFO;
static _Atomic unsigned burst = 20;
static _Atomic int64_t window_ms = LOG_WINDOW_MS;
static _Atomic int out_fd = STDERR_FILENO;
static atomic_bool priorities;                           /* for the journal */
static char path[4096];                                  /* of the file, or "" */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of what follows */
static struct kind kinds[KINDS];

void log_set_level(enum log_level least)
{
    atomic_store_explicit(&least_severe, (int)least, memory_order_relaxed);
}

void log_set_burst(unsigned lines, int64_t ms)
{
    atomic_store(&window_ms, ms);
    atomic_store_explicit(&burst, lines, memory_order_relaxed);
}

/* systemd names the stream that it gave to a service as standard error. */
static bool stderr_is_journal(void)
{
    const char *s = getenv("JOURNAL_STREAM");
    char is[64];
    struct stat st;

    if (s == NULL || fstat(STDERR_FILENO, &st) != 0)
        return false;
    (void)snprintf(is, sizeof is, "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
    return strcmp(s, is) == 0;
}

static int open_file(const char *to, struct err *e)
{
    int old = atomic_load(&out_fd);
    int fd = open(to, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);

    if (fd < 0)
        return err_set(e, ERR_IO, "log.to: %s: %s", to, strerror(errno));
    if (old == STDERR_FILENO)
        atomic_store(&out_fd, fd);
    else { /* in one step for threads that write now */
        (void)dup3(fd, old, O_CLOEXEC);
        (void)close(fd);
    }
    return ERR_OK;
}

int log_open(const char *to, struct err *e)
{
    bool is_stderr = strcmp(to, "stderr") == 0, is_journal = strcmp(to, "journal") == 0;
    int rc;

    if (is_stderr || is_journal || to[0] == '\0') {
        atomic_store(&priorities, is_journal || (!is_stderr && stderr_is_journal()));
        return ERR_OK;
    }
    if (to[0] != '/' || strlen(to) >= sizeof path)
        return err_set(e, ERR_ARG, "log.to: \"%s\" is neither stderr, journal nor an absolute path",
                       to);
    if ((rc = open_file(to, e)) == ERR_OK)
        (void)snprintf(path, sizeof path, "%s", to);
    return rc;
}

int log_reopen(struct err *e)
{
    return path[0] != '\0' ? open_file(path, e) : ERR_OK;
}

/* One write, so that lines of threads and processes do not mix. */
static void put(enum log_level level, const char *text, uint64_t kept_back)
{
    static const char *const word[] = { "error", "warning", "notice", "info", "debug" };
    static const char priority[] = "34567"; /* of syslog */
    char line[LINE_MAX_OCTETS + 128], when[CLOCK_TEXT_MAX], more[64] = "";
    int n;

    if (kept_back > 0)
        (void)snprintf(more, sizeof more, " (%" PRIu64 " more like this suppressed)", kept_back);
    if (atomic_load(&priorities))
        n = snprintf(line, sizeof line, "<%c>%s%s\n", priority[level], text, more);
    else
        n = snprintf(line, sizeof line, "%s %-7s %s%s\n", clock_text(clock_now_ms(), when),
                     word[level], text, more);
    if (n > 0 && write(atomic_load(&out_fd), line, MIN((size_t)n, sizeof line - 1)) < 0)
        return; /* a log that cannot be written stops nothing */
}

static struct kind *find_kind(const char *fmt)
{
    size_t at = ((uintptr_t)fmt >> 3) % KINDS;

    for (size_t i = 0; i < KINDS; i++) {
        struct kind *k = &kinds[(at + i) % KINDS];
        if (k->fmt == fmt || k->fmt == NULL)
            return k;
    }
    return NULL;
}

/* May a line of this kind be written? *told: how many were kept back before it. */
static bool admit(enum log_level level, const char *fmt, const char *text, uint64_t *told)
{
    unsigned most = atomic_load_explicit(&burst, memory_order_relaxed);
    int64_t now = clock_mono_ms();
    struct kind *k;
    bool yes = true;

    *told = 0;
    if (most == 0)
        return true;
    (void)pthread_mutex_lock(&lock);
    if ((k = find_kind(fmt)) != NULL) {
        if (k->fmt == NULL || now - k->since_ms >= atomic_load(&window_ms)) {
            *told = k->kept_back;
            *k = (struct kind){ .fmt = fmt, .since_ms = now };
        }
        yes = k->lines++ < most;
        if (!yes) {
            k->kept_back++;
            k->level = level;
            (void)snprintf(k->last, sizeof k->last, "%.199s", text);
        }
    }
    (void)pthread_mutex_unlock(&lock);
    return yes;
}

void log_line(enum log_level level, const char *fmt, ...)
{
    char text[LINE_MAX_OCTETS];
    uint64_t kept_back;
    va_list ap;

    if ((int)level > atomic_load_explicit(&least_severe, memory_order_relaxed))
        return;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (admit(level, fmt, text, &kept_back))
        put(level, text, kept_back);
}

void log_limited(struct log_class *c, enum log_level level, const char *fmt, ...)
{
    int64_t now = clock_mono_ms(), next = atomic_load(&c->next_ms);
    char text[LINE_MAX_OCTETS];
    va_list ap;

    if ((int)level > atomic_load_explicit(&least_severe, memory_order_relaxed))
        return;
    if ((next != 0 && now < next) ||
        !atomic_compare_exchange_strong(&c->next_ms, &next, now + LOG_WINDOW_MS)) {
        (void)atomic_fetch_add(&c->kept_back, 1);
        return;
    }
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    put(level, text, atomic_exchange(&c->kept_back, 0));
}

void log_flush(void)
{
    int64_t now = clock_mono_ms();

    for (size_t i = 0; i < KINDS; i++) {
        struct kind k = { 0 };
        (void)pthread_mutex_lock(&lock);
        if (kinds[i].kept_back > 0 && now - kinds[i].since_ms >= atomic_load(&window_ms)) {
            k = kinds[i];
            kinds[i].kept_back = 0;
        }
        (void)pthread_mutex_unlock(&lock);
        if (k.kept_back > 0)
            put(k.level, k.last, k.kept_back);
    }
}
