/* collect/keep.c - the thread that keeps the rules of retention: deletes, rewrites, moves. Apart
 * from sealing, which never waits for it. */
#include <stdlib.h>

#include "collect/internal.h"
#include "os/clock.h"
#include "os/fault.h"
#include "os/log.h"

#define RETAIN_MS 60000
#define LOOK_MS   200

static void retain(struct collect *k)
{
    static struct log_class failed;
    struct conf *c = collect_conf(k);
    struct store_retention *r = calloc(1, sizeof *r);
    uint32_t removed = 0;
    struct err e = { 0 };
    int rc = r == NULL ? err_set(&e, ERR_NOMEM, "out of memory") : store_retention_read(r, c, &e);

    conf_unref(c);
    if (r != NULL && rc == ERR_OK) {
        r->stop = &k->stopping;
        rc = store_retain(k->st, r, clock_now_ms(), &removed, &e);
    }
    if (rc != ERR_OK && rc != ERR_CANCEL)
        log_limited(&failed, LOG_LEVEL_ERROR, "retention: %s", e.msg);
    if (removed > 0)
        log_line(LOG_LEVEL_INFO, "retention removed %u segments", removed);
    free(r);
}

void *collect_keep_thread(void *arg)
{
    struct collect *k = arg;
    int64_t due_ms = clock_mono_ms() + RETAIN_MS;

    fault_in("retain");
    while (!atomic_load(&k->stopping)) {
        if (atomic_exchange(&k->retain_soon, false) || clock_mono_ms() >= due_ms) {
            retain(k);
            due_ms = clock_mono_ms() + RETAIN_MS;
        }
        clock_sleep_ms(LOOK_MS);
    }
    return NULL;
}
