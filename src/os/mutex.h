/* os/mutex.h - a lock between threads, held for a short time.
 * Floor 1. Not recursive. A zeroed one is not valid: call os_mutex_init(). */
#ifndef WEIR_OS_MUTEX_H
#define WEIR_OS_MUTEX_H

#include <pthread.h>

struct os_mutex {
    pthread_mutex_t m;
};

static inline void os_mutex_init(struct os_mutex *m)
{
    (void)pthread_mutex_init(&m->m, NULL);
}
static inline void os_mutex_free(struct os_mutex *m)
{
    (void)pthread_mutex_destroy(&m->m);
}
static inline void os_lock(struct os_mutex *m)
{
    (void)pthread_mutex_lock(&m->m);
}
static inline void os_unlock(struct os_mutex *m)
{
    (void)pthread_mutex_unlock(&m->m);
}

#endif
