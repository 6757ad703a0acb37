/* os/log.h - one line per event: to standard error, to systemd's journal, or to a file.
 * Floor 1. Any thread. Never a line per packet: what the network can cause has a struct log_class,
 * which lets one line through in ten seconds. Every other message is limited by its kind, which is
 * its format: log_set_burst(). What was kept back is told as a number. */
#ifndef WEIR_OS_LOG_H
#define WEIR_OS_LOG_H

#include "base/err.h"

#define LOG_WINDOW_MS 10000

enum log_level {
    LOG_LEVEL_ERROR,
    LOG_LEVEL_WARN,
    LOG_LEVEL_NOTICE,
    LOG_LEVEL_INFO,
    LOG_LEVEL_DEBUG
};

struct log_class {
    _Atomic int64_t next_ms; /* no line before; monotonic clock */
    _Atomic uint64_t kept_back;
};

void log_set_level(enum log_level least);
/* Lines of one kind in a window; 0: no limit. 20 in LOG_WINDOW_MS until it is called. */
void log_set_burst(unsigned lines, int64_t window_ms);

/* Where lines go from now on: "stderr", "journal" (standard error with "<3>" and the like in front,
 * as systemd reads it), "" (the one of both that standard error is), or an absolute path, made 0640
 * if missing. Main thread. Errors: ERR_ARG (no absolute path), ERR_IO; then nothing changes. */
int log_open(const char *to, struct err *e) WARN_UNUSED;
/* Open the file anew: somebody may have renamed it. Nothing without a file. Errors as above; the
 * old file stays. */
int log_reopen(struct err *e) WARN_UNUSED;

void log_line(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);
void log_limited(struct log_class *c, enum log_level level, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Tell what was kept back and is not told yet, where its ten seconds are over. */
void log_flush(void);

#endif
