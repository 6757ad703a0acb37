#include "query/pool.h"

#include "os/thread.h"

struct worker {
    struct thread t;
    int (*fn)(void *ctx, unsigned worker);
    void *ctx;
    unsigned i;
    int rc;
};

static void *work(void *arg)
{
    struct worker *w = arg;

    w->rc = w->fn(w->ctx, w->i);
    return NULL;
}

int pool_run(unsigned n, int (*fn)(void *ctx, unsigned worker), void *ctx)
{
    struct worker w[POOL_MAX];
    int rc;

    n = MIN(n, POOL_MAX);
    for (unsigned i = 1; i < n; i++) {
        w[i] = (struct worker){ .fn = fn, .ctx = ctx, .i = i, .rc = ERR_OK };
        if (thread_start(&w[i].t, "weir-scan", work, &w[i], NULL) != ERR_OK)
            n = i; /* fewer hands do the same work */
    }
    rc = fn(ctx, 0);
    for (unsigned i = 1; i < n; i++) {
        thread_join(&w[i].t);
        if (rc == ERR_OK)
            rc = w[i].rc;
    }
    return rc;
}
