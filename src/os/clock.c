#include "os/clock.h"

#include <errno.h>
#include <stdio.h>
#include <sys/timex.h>
#include <time.h>

static int64_t read_ms(clockid_t id)
{
    struct timespec t;

    (void)clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t clock_now_ms(void)
{
    return read_ms(CLOCK_REALTIME);
}

int64_t clock_mono_ms(void)
{
    return read_ms(CLOCK_MONOTONIC);
}

int64_t clock_mono_us(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

bool clock_synchronized(int64_t *off_us)
{
    struct timex t = { .modes = 0 };
    int state = adjtimex(&t);

    *off_us = t.maxerror;
    return state >= 0 && state != TIME_ERROR && (t.status & STA_UNSYNC) == 0;
}

void clock_sleep_us(int64_t us)
{
    struct timespec t = { .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000 };

    while (nanosleep(&t, &t) != 0 && errno == EINTR) {
    }
}

void clock_sleep_ms(int64_t ms)
{
    clock_sleep_us(ms * 1000);
}

const char *clock_text(int64_t unix_ms, char *out)
{
    int64_t s = unix_ms / 1000, ms = unix_ms % 1000;
    time_t t;
    struct tm tm;

    if (ms < 0) {
        ms += 1000;
        s--;
    }
    t = (time_t)s;
    if (gmtime_r(&t, &tm) == NULL || tm.tm_year > 8099) {
        (void)snprintf(out, CLOCK_TEXT_MAX, "out of range");
        return out;
    }
    (void)snprintf(out, CLOCK_TEXT_MAX, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
                   (tm.tm_year + 1900) % 10000, (tm.tm_mon + 1) % 100, tm.tm_mday % 100,
                   tm.tm_hour % 100, tm.tm_min % 100, tm.tm_sec % 100, (int)(ms % 1000));
    return out;
}
