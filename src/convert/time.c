#include "convert/internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LATEST_S 4294967295 /* 2106, where seconds of 32 bits end */

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits at the cursor, `n` of them exactly, or 1 or 2 with n 0. */
static bool take(const char **s, const char *end, unsigned n, int64_t *out)
{
    unsigned got = 0;

    for (*out = 0; *s < end && digit(**s) && got < (n > 0 ? n : 2u); got++)
        *out = *out * 10 + (*(*s)++ - '0');
    return n > 0 ? got == n : got > 0;
}

static bool sign(const char **s, const char *end, const char *any)
{
    if (*s >= end)
        return false;
    for (; *any != '\0'; any++)
        if (**s == *any) {
            ++*s;
            return true;
        }
    return false;
}

/* ".123456789" at the cursor in microseconds, cut. */
static bool fraction(const char **s, const char *end, int64_t *us)
{
    int64_t unit = 100000;

    *us = 0;
    if (!sign(s, end, ".,"))
        return true;
    if (*s >= end || !digit(**s))
        return false;
    for (; *s < end && digit(**s); unit /= 10)
        *us += (*(*s)++ - '0') * unit;
    return true;
}

/* Days from 1970 to a civil date (Gregorian). */
static int64_t days_of(int64_t y, int64_t m, int64_t d)
{
    int64_t year = y - (m <= 2), era = year / 400, yoe = year - era * 400;
    int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;

    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static bool zone(const char **s, const char *end, int64_t *offset_s)
{
    int64_t h, m = 0, way;

    *offset_s = 0;
    (void)sign(s, end, " ");
    if (*s == end || sign(s, end, "Zz"))
        return *s == end;
    way = **s == '-' ? -1 : 1;
    if (!sign(s, end, "+-") || !take(s, end, 2, &h))
        return false;
    (void)sign(s, end, ":");
    if (*s < end && !take(s, end, 2, &m))
        return false;
    *offset_s = way * (h * 3600 + m * 60);
    return *s == end && h < 24 && m < 60;
}

static bool calendar(const char *s, const char *end, int64_t *us)
{
    int64_t y, mo, d, h = 0, mi = 0, sec = 0, part = 0, offset;

    if (!take(&s, end, 4, &y) || !sign(&s, end, "-/") || !take(&s, end, 0, &mo) ||
        !sign(&s, end, "-/") || !take(&s, end, 0, &d))
        return false;
    if (s < end && sign(&s, end, " T._") &&
        (!take(&s, end, 0, &h) || !sign(&s, end, ":") || !take(&s, end, 2, &mi) ||
         (sign(&s, end, ":") && (!take(&s, end, 2, &sec) || !fraction(&s, end, &part)))))
        return false;
    if (!zone(&s, end, &offset) || y < 1970 || mo < 1 || mo > 12 || d < 1 || d > 31 || h > 23 ||
        mi > 59 || sec > 60)
        return false;
    sec += days_of(y, mo, d) * 86400 + h * 3600 + mi * 60 - offset;
    *us = sec * 1000000 + part;
    return sec >= 0 && sec <= LATEST_S;
}

bool time_parse(const char *s, size_t len, int64_t *us)
{
    const char *end = s + len, *at = s;
    int64_t v = 0, part, unit;

    for (; at < end && digit(*at); at++) {
        if (v > INT64_MAX / 10 - 1)
            return false;
        v = v * 10 + (*at - '0');
    }
    if (at == s)
        return false;
    if (at < end && *at != '.')
        return calendar(s, end, us);
    /* seconds until 2106, then ms, us, ns: each of them begins after 1970-02-19 */
    unit = v <= LATEST_S ? 1000000 : v <= LATEST_S * 1000 ? 1000 : v <= LATEST_S * 1000000 ? 1 : 0;
    if (!fraction(&at, end, &part) || at != end)
        return false;
    *us = unit == 0 ? v / 1000 : v * unit + (int64_t)((uint64_t)part * (uint64_t)unit / 1000000);
    return *us <= LATEST_S * 1000000;
}

bool duration_parse(const char *s, size_t len, int64_t *us)
{
    char text[48], *end;
    double v;

    if (len == 0 || len >= sizeof text || (s[0] != '.' && !digit(s[0])))
        return false;
    for (size_t i = 0; i < len; i++)
        if (!digit(s[i]) && strchr(".eE+-", s[i]) == NULL)
            return false;
    memcpy(text, s, len);
    text[len] = '\0';
    v = strtod(text, &end); /* 53 bits hold a century of microseconds */
    if (*end != '\0' || !(v >= 0 && v <= (double)LATEST_S))
        return false;
    *us = llround(v * 1e6);
    return true;
}
