/* os/share.h - memory that a process and the children it forks see alike.
 * Floor 1. It outlives a child that dies, so that its successor finds what was not yet written. */
#ifndef WEIR_OS_SHARE_H
#define WEIR_OS_SHARE_H

#include "base/defs.h"

/* Zeroed, on a page boundary; pages are taken as they are touched. NULL: out of memory. */
void *os_share_new(size_t octets);
void os_share_free(void *p, size_t octets); /* NULL is allowed */

#endif
