/* Look-ups of AS numbers and countries: random addresses, and ascending ones as a seal has them.
 * usage: lookup FACTS_DIR [ADDRESSES]. One JSON object to stdout. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "enrich/geo.h"

static double now_s(void)
{
    struct timespec t;

    (void)timespec_get(&t, TIME_UTC);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint64_t state = 88172645463325252u;
static uint64_t rnd(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state * 0x2545f4914f6cdd1du;
}

static int order(const void *a, const void *b)
{
    return addr_cmp(a, b);
}

/* Median of nine rounds, million look-ups a second. */
static double speed(const struct geo *g, enum geo_kind kind, const struct addr *a, size_t n,
                    uint32_t *out, uint64_t *sum)
{
    double best[9];

    for (unsigned r = 0; r < 9; r++) {
        double t = now_s(), v;
        unsigned i = r;
        geo_look_up(g, kind, a, n, out);
        v = (double)n / (now_s() - t) / 1e6;
        for (; i > 0 && best[i - 1] > v; i--)
            best[i] = best[i - 1];
        best[i] = v;
        *sum += out[n / 2];
    }
    return best[4];
}

int main(int argc, char **argv)
{
    static const uint16_t top[4] = { 0x2001, 0x2400, 0x2600, 0x2a02 };
    static const char *const kinds[GEO_N] = { "as", "country" };
    size_t n = argc > 2 ? strtoull(argv[2], NULL, 10) : 1000000;
    struct addr *a = malloc((n + 1) * sizeof *a);
    uint32_t *out = malloc((n + 1) * sizeof *out);
    struct geo *g = NULL;
    struct err e = { 0 };
    uint64_t sum = 0;

    if (argc < 2 || a == NULL || out == NULL || geo_open(&g, argv[1], &e) != ERR_OK || g == NULL) {
        (void)fprintf(
            stderr, "usage: lookup FACTS_DIR [ADDRESSES] (weir data import makes one) %s\n", e.msg);
        return 1;
    }
    (void)printf("{\"addresses\": %zu, \"m_lookups_per_s\": {", n);
    for (unsigned v6 = 0; v6 < 2; v6++) {
        for (size_t i = 0; i < n; i++) { /* of IPv6 what is given out most */
            a[i] = addr_from_v4((uint32_t)rnd());
            if (v6 == 0)
                continue;
            be_put(a[i].b, (uint64_t)top[rnd() >> 62] << 48 | rnd() >> 16, 8);
            be_put(a[i].b + 8, rnd(), 8);
        }
        for (unsigned sorted = 0; sorted < 2; sorted++) {
            if (sorted)
                qsort(a, n, sizeof *a, order);
            for (unsigned k = 0; k < GEO_N; k++)
                (void)printf("%s\"%s %s %s\": %.1f", v6 + sorted + k > 0 ? ", " : "", kinds[k],
                             v6 ? "ipv6" : "ipv4", sorted ? "ascending" : "random",
                             speed(g, (enum geo_kind)k, a, n, out, &sum));
        }
    }
    (void)printf("}, \"sum\": %llu}\n", (unsigned long long)sum);
    geo_unref(g);
    free(a);
    free(out);
    return 0;
}
