/* os/log.h - one line per event on standard error.
 * Floor 1. Any thread. Nothing that the network can cause is logged line by line: such events have
 * a struct log_class, which lets one line through in ten seconds and says how many it kept back. */
#ifndef WEIR_OS_LOG_H
#define WEIR_OS_LOG_H

#include "base/defs.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

struct log_class {
    _Atomic int64_t next_ms; /* no line before; monotonic clock */
    _Atomic uint64_t kept_back;
};

void log_set_level(enum log_level least);
void log_line(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);
void log_limited(struct log_class *c, enum log_level level, const char *fmt, ...) PRINTF_LIKE(3, 4);

#endif
