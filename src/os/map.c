/* Mapped files, and what happens when one cannot be read.
 *
 * A page of a mapped file that cannot be read (a bad sector, a file that was shortened in place)
 * reaches the process as SIGBUS. The handler puts a page of zeros in its place and notes that in
 * the map, so that reading goes on, and readers who look find out: see os_map_faulted(). Nothing is
 * unwound, no lock stays held, and reading costs nothing while files are sound. */
#include "os/fail.h"
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* A map, as the handler finds it. Entries are never freed: the handler may be looking at one. */
struct os_mapped {
    struct os_mapped *next; /* of all; does not change */
    struct os_mapped *free; /* of those without a map; under `lock` */
    _Atomic uintptr_t from;
    _Atomic size_t len;
    atomic_bool faulted;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic(struct os_mapped *) all;
static struct os_mapped *unused; /* under `lock` */
static uintptr_t page_octets;

/* Entries change beside this; at worst a map that came or went right now is marked for nothing. */
static bool mark(uintptr_t at)
{
    bool known = false;

    for (struct os_mapped *x = atomic_load(&all); x != NULL; x = x->next) {
        if (at - atomic_load(&x->from) >= atomic_load(&x->len))
            continue;
        atomic_store(&x->faulted, true);
        known = true;
    }
    return known;
}

/* On the thread that read. The mark comes first: who sees the zeros sees it. */
static void on_fault(int sig, siginfo_t *info, void *context)
{
    uintptr_t at = (uintptr_t)info->si_addr / page_octets * page_octets;
    int no = errno;

    (void)context;
    if (mark((uintptr_t)info->si_addr) &&
        mmap((void *)at, page_octets, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
            (void *)at) {
        errno = no;
        return;
    }
    (void)signal(sig, SIG_DFL); /* the read is tried again, and ends the process */
}

static void install(void)
{
    struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_RESTART };

    page_octets = (uintptr_t)sysconf(_SC_PAGESIZE);
    (void)sigemptyset(&sa.sa_mask);
    (void)sigaction(SIGBUS, &sa, NULL);
}

static struct os_mapped *enter(const void *p, size_t len)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct os_mapped *x;

    (void)pthread_once(&once, install);
    (void)pthread_mutex_lock(&lock);
    x = unused;
    if (x != NULL) {
        unused = x->free;
    } else if ((x = calloc(1, sizeof *x)) != NULL) {
        x->next = atomic_load(&all);
        atomic_store(&all, x);
    }
    (void)pthread_mutex_unlock(&lock);
    if (x == NULL)
        return NULL;
    atomic_store(&x->faulted, false);
    atomic_store(&x->from, (uintptr_t)p);
    atomic_store(&x->len, len);
    return x;
}

static void leave(struct os_mapped *x)
{
    atomic_store(&x->len, 0);
    (void)pthread_mutex_lock(&lock);
    x->free = unused;
    unused = x;
    (void)pthread_mutex_unlock(&lock);
}

static int map_octets(struct os_map *out, int fd, const char *path, size_t n, struct err *e)
{
    void *p = mmap(NULL, n, PROT_READ, MAP_SHARED, fd, 0);
    struct os_mapped *known;

    if (p == MAP_FAILED)
        return os_fail(e, path, "mmap");
    known = enter(p, n);
    if (known == NULL) {
        (void)munmap(p, n);
        errno = ENOMEM;
        return os_fail(e, path, "mmap");
    }
    *out = (struct os_map){ p, n, known };
    return ERR_OK;
}

int os_map_file(struct os_map *out, const char *path, struct err *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), rc = ERR_OK;
    struct stat st;

    *out = (struct os_map){ 0 };
    if (fd < 0)
        return os_fail(e, path, "open");
    if (fstat(fd, &st) != 0)
        rc = os_fail(e, path, "stat");
    else if (!S_ISREG(st.st_mode))
        rc = err_set(e, ERR_IO, "%s: not a file", path);
    else if (st.st_size > 0)
        rc = map_octets(out, fd, path, (size_t)st.st_size, e);
    (void)close(fd);
    return rc;
}

bool os_map_faulted(const struct os_map *m)
{
    if (m->known == NULL)
        return false;
    atomic_thread_fence(memory_order_acquire); /* what was read before was read before this */
    return atomic_load_explicit(&m->known->faulted, memory_order_relaxed);
}

void os_map_forget(const void *p, size_t len)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), from = (uintptr_t)p, to = from + len;

    from = (from + page - 1) / page * page;
    to = to / page * page;
    if (to > from)
        (void)madvise((void *)from, to - from, MADV_DONTNEED);
}

void os_unmap(struct os_map *m)
{
    if (m->known != NULL)
        leave(m->known);
    if (m->len > 0)
        (void)munmap((void *)(uintptr_t)m->p, m->len);
    *m = (struct os_map){ 0 };
}
