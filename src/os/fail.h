/* os/fail.h - what a system call refused, for the files of this folder.
 * Floor 1. */
#ifndef WEIR_OS_FAIL_H
#define WEIR_OS_FAIL_H

#include "base/err.h"

/* errno as one of ours; the message names the path, what was tried, what the system said, and what
 * helps. Returns ERR_NOTFOUND, ERR_NOMEM or ERR_IO. */
int os_fail(struct err *e, const char *path, const char *what);

#endif
