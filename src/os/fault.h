/* os/fault.h - how a test lets the process die.
 * Floor 1. In builds with the option `faults` only: WEIR_FAULT="seal.record:3" kills the process
 * (SIGKILL) when it comes to that place for the third time ("compact/os.sync:3": the third time
 * while it merges), and with WEIR_CRASH set a datagram that holds "WEIR-CRASH" behind its version
 * aborts it. Elsewhere nothing of this costs anything. */
#ifndef WEIR_OS_FAULT_H
#define WEIR_OS_FAULT_H

#include "base/defs.h"

#ifdef WEIR_FAULTS
void fault_point(const char *place);
void fault_in(const char *name); /* what this thread does from now on; "": nothing of note */
void fault_forget(void);         /* children forked from now on live */
void fault_poison(const uint8_t *datagram, size_t len);
#else
static inline void fault_point(const char *place)
{
    (void)place;
}
static inline void fault_in(const char *name)
{
    (void)name;
}
static inline void fault_forget(void)
{
}
static inline void fault_poison(const uint8_t *datagram, size_t len)
{
    (void)datagram;
    (void)len;
}
#endif

#endif
