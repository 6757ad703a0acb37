#include "os/fault.h"

#ifdef WEIR_FAULTS
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

void fault_point(const char *place)
{
    static _Atomic long seen;
    const char *want = getenv("WEIR_FAULT");
    size_t n = strlen(place);

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
