/* os/pipe.h - another program's output, read by a pipe. No shell.
 * Floor 1. Threads: a pipe belongs to one thread. */
#ifndef WEIR_OS_PIPE_H
#define WEIR_OS_PIPE_H

#include "base/err.h"

#define OS_PIPE_SAID 200u /* octets of its complaints that are kept */

struct os_pipe {
    long pid;
    int fd, complaints; /* its output; its standard error */
};

/* Start argv[0], looked for in PATH, with standard input empty and TZ=UTC.
 * Errors: ERR_NOTFOUND (no such program), ERR_IO. */
int os_pipe_open(struct os_pipe *p, const char *const *argv, struct err *e) WARN_UNUSED;
/* Up to cap octets; *got 0 = it closed its output. Errors: ERR_IO. */
int os_pipe_read(struct os_pipe *p, uint8_t *buf, size_t cap, size_t *got,
                 struct err *e) WARN_UNUSED;
/* Ends it if it has not ended (SIGTERM). Errors: ERR_IO (it failed by itself: *e says how, and the
 * end of its complaints). */
int os_pipe_close(struct os_pipe *p, struct err *e);

#endif
