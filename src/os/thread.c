#include "os/thread.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void must(int rc)
{
    if (rc != 0)
        abort();
}

void cond_init(struct cond *c)
{
    pthread_condattr_t a;

    must(pthread_condattr_init(&a));
    must(pthread_condattr_setclock(&a, CLOCK_MONOTONIC));
    must(pthread_cond_init(&c->c, &a));
    must(pthread_condattr_destroy(&a));
}

void cond_destroy(struct cond *c)
{
    must(pthread_cond_destroy(&c->c));
}

void cond_wake(struct cond *c)
{
    must(pthread_cond_broadcast(&c->c));
}

void cond_wait_ms(struct cond *c, struct os_mutex *m, int64_t ms)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += (time_t)(ms / 1000);
    t.tv_nsec += ms % 1000 * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    (void)pthread_cond_timedwait(&c->c, &m->m, &t);
}

#define IOPRIO_WHO_PROCESS 1
#define IOPRIO_IDLE        (3 << 13)
#define NICE               15

void thread_background(void)
{
    (void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICE); /* Linux: of this thread */
    (void)syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_IDLE);
}

int thread_start(struct thread *t, const char *name, void *(*fn)(void *), void *arg, struct err *e)
{
    int rc = pthread_create(&t->t, NULL, fn, arg);

    t->running = rc == 0;
    if (rc != 0)
        return err_set(e, ERR_LIMIT, "thread %s: %s", name, strerror(rc));
    (void)pthread_setname_np(t->t, name);
    return ERR_OK;
}

void thread_join(struct thread *t)
{
    if (!t->running)
        return;
    must(pthread_join(t->t, NULL));
    t->running = false;
}
