/* Sizes and progress of long work, for people. */
#include <inttypes.h>
#include <stdio.h>

#include "cmd/cmd.h"

void cmd_octets(uint64_t n, char *out, size_t cap)
{
    static const char *const unit[] = { "B", "kB", "MB", "GB", "TB", "PB" };
    double v = (double)n;
    size_t u = 0;

    for (; v >= 1000 && u + 1 < ARRAY_LEN(unit); u++)
        v /= 1000;
    (void)snprintf(out, cap, u == 0 || v >= 100 ? "%.0f %s" : "%.1f %s", v, unit[u]);
}

void cmd_progress(uint64_t done, uint64_t total, int64_t took_ms)
{
    char a[32], b[32], rate[32];
    uint64_t per_s = done * 1000 / (uint64_t)MAX(took_ms, 1);
    uint64_t left_s = per_s > 0 && total > done ? (total - done) / per_s : 0;

    cmd_octets(done, a, sizeof a);
    cmd_octets(total, b, sizeof b);
    cmd_octets(per_s, rate, sizeof rate);
    (void)fprintf(stderr, "\r%s of %s, %s/s, %" PRIu64 ":%02u left \033[K", a, b, rate, left_s / 60,
                  (unsigned)(left_s % 60));
}
