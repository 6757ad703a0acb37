#include "os/fault.h"

#ifdef WEIR_FAULTS
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local const char *work = "";

void fault_in(const char *name)
{
    work = name;
}

void fault_point(const char *place)
{
    static _Atomic long seen;
    const char *want = getenv("WEIR_FAULT"), *slash = want != NULL ? strchr(want, '/') : NULL;
    size_t n = strlen(place);

    if (slash != NULL) {
        if (strlen(work) != (size_t)(slash - want) || memcmp(want, work, strlen(work)) != 0)
            return;
        want = slash + 1;
    }
    if (want == NULL || strncmp(want, place, n) != 0 || (want[n] != ':' && want[n] != '\0'))
        return;
    if (atomic_fetch_add(&seen, 1) + 1 == (want[n] == ':' ? strtol(want + n + 1, NULL, 10) : 1))
        (void)raise(SIGKILL);
}

void fault_forget(void)
{
    (void)unsetenv("WEIR_FAULT");
}

void fault_poison(const uint8_t *datagram, size_t len)
{
    static const char poison[] = "WEIR-CRASH";

    if (getenv("WEIR_CRASH") != NULL && len >= 2 + sizeof poison - 1 &&
        memcmp(datagram + 2, poison, sizeof poison - 1) == 0)
        abort();
}
#else
typedef int fault_nothing; /* a translation unit is not empty */
#endif
