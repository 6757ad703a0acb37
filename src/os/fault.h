/* os/fault.h - places at which a test lets the process die.
 * Floor 1. In builds with the option `faults` only: WEIR_FAULT="seal.record:3" kills the process
 * (SIGKILL) when it comes to that place for the third time; elsewhere a place costs nothing. */
#ifndef WEIR_OS_FAULT_H
#define WEIR_OS_FAULT_H

#ifdef WEIR_FAULTS
void fault_point(const char *place);
#else
static inline void fault_point(const char *place)
{
    (void)place;
}
#endif

#endif
