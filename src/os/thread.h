/* os/thread.h - threads, and conditions beside os/mutex.h with monotonic timeouts.
 * Floor 1. Misuse (unlocking what is not locked, a thread that cannot be joined) ends the process:
 * going on would corrupt state. */
#ifndef WEIR_OS_THREAD_H
#define WEIR_OS_THREAD_H

#include <pthread.h>

#include "base/err.h"
#include "os/mutex.h"

struct cond {
    pthread_cond_t c; /* waits by the monotonic clock */
};
struct thread {
    pthread_t t;
    bool running; /* started and not joined */
};

void cond_init(struct cond *c);
void cond_destroy(struct cond *c);
void cond_wake(struct cond *c); /* all waiters */
/* Wait at most ms; wakes without a reason may happen: test the condition again. */
void cond_wait_ms(struct cond *c, struct os_mutex *m, int64_t ms);

/* The calling thread takes what others leave of processors and disk. Where the system refuses, it
 * goes on as before. */
void thread_background(void);

/* Start fn(arg); `name` (up to 15 letters) is shown by ps and top. Errors: ERR_LIMIT. */
int thread_start(struct thread *t, const char *name, void *(*fn)(void *), void *arg,
                 struct err *e) WARN_UNUSED;
void thread_join(struct thread *t); /* nothing if it never started */

#endif
