#include "os/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

#include "os/clock.h"

#define LIMIT_MS 10000

static _Atomic int least_severe = LOG_LEVEL_INFO;

void log_set_level(enum log_level least)
{
    atomic_store_explicit(&least_severe, (int)least, memory_order_relaxed);
}

static PRINTF_LIKE(3, 0) void write_line(enum log_level level, uint64_t kept_back, const char *fmt,
                                         va_list ap)
{
    static const char *const word[] = { "error", "warn", "info", "debug" };
    char text[1200], when[CLOCK_TEXT_MAX], more[64] = "";

    (void)vsnprintf(text, sizeof text, fmt, ap);
    if (kept_back > 0)
        (void)snprintf(more, sizeof more, " (and %" PRIu64 " more like it)", kept_back);
    /* one call, so that lines of several threads do not mix */
    (void)fprintf(stderr, "%s %-5s %s%s\n", clock_text(clock_now_ms(), when), word[level], text,
                  more);
}

void log_line(enum log_level level, const char *fmt, ...)
{
    va_list ap;

    if ((int)level > atomic_load_explicit(&least_severe, memory_order_relaxed))
        return;
    va_start(ap, fmt);
    write_line(level, 0, fmt, ap);
    va_end(ap);
}

void log_limited(struct log_class *c, enum log_level level, const char *fmt, ...)
{
    int64_t now = clock_mono_ms(), next = atomic_load(&c->next_ms);
    va_list ap;

    if ((int)level > atomic_load_explicit(&least_severe, memory_order_relaxed))
        return;
    if ((next != 0 && now < next) ||
        !atomic_compare_exchange_strong(&c->next_ms, &next, now + LIMIT_MS)) {
        (void)atomic_fetch_add(&c->kept_back, 1);
        return;
    }
    va_start(ap, fmt);
    write_line(level, atomic_exchange(&c->kept_back, 0), fmt, ap);
    va_end(ap);
}
