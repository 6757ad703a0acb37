/* Moments as people write them. */
#include <strings.h>

#include "query/syntax.h"

#define DAY_MS 86400000ll

/* Days since 1970 of a date in the Gregorian calendar; years from March, so that the leap day is
 * last. */
static int64_t days_of(int64_t y, int64_t m, int64_t d)
{
    int64_t year = m > 2 ? y : y - 1, era = year / 400, in_era = year - era * 400;
    int64_t day = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;

    return era * 146097 + in_era * 365 + in_era / 4 - in_era / 100 + day - 719468;
}

struct scan {
    const char *s;
};

/* Exactly n digits, or -1 and nothing consumed. */
static int64_t digits(struct scan *c, int n)
{
    int64_t v = 0;

    for (int i = 0; i < n; i++) {
        if (c->s[i] < '0' || c->s[i] > '9')
            return -1;
        v = v * 10 + (c->s[i] - '0');
    }
    c->s += n;
    return v;
}

static bool next_is(struct scan *c, char x)
{
    bool yes = *c->s == x;

    c->s += yes;
    return yes;
}

/* HH:MM[:SS[.fraction]] */
static bool clock_time(struct scan *c, int64_t *ms)
{
    int64_t h = digits(c, 2), m = next_is(c, ':') ? digits(c, 2) : -1, s = 0, unit = 100;

    if (h < 0 || h > 24 || m < 0 || m > 59)
        return false;
    *ms = (h * 60 + m) * 60000;
    if (next_is(c, ':')) {
        if ((s = digits(c, 2)) < 0 || s > 60)
            return false;
        *ms += s * 1000;
        if (next_is(c, '.')) {
            if (*c->s < '0' || *c->s > '9')
                return false;
            for (; *c->s >= '0' && *c->s <= '9'; c->s++, unit /= 10)
                *ms += (*c->s - '0') * unit;
        }
    }
    return *ms <= DAY_MS;
}

/* Z or +HH:MM; *given false if the text ends here. */
static bool offset_of(struct scan *c, int64_t *offset_ms, bool *given)
{
    int64_t sign, h, m;

    *given = *c->s != '\0';
    *offset_ms = 0;
    if (!*given)
        return true;
    if (next_is(c, 'Z') || next_is(c, 'z'))
        return *c->s == '\0';
    sign = *c->s == '-'                   ? -1
           : *c->s == '+' || *c->s == ' ' ? 1
                                          : 0; /* + is a space in a sloppy URL */
    if (sign == 0)
        return false;
    c->s++;
    h = digits(c, 2);
    (void)next_is(c, ':');
    m = digits(c, 2);
    *offset_ms = sign * (h * 60 + m) * 60000;
    return h >= 0 && h < 24 && m >= 0 && m < 60 && *c->s == '\0';
}

static bool absolute(const char *s, const struct zone *z, int64_t *out)
{
    struct scan c = { s };
    int64_t y = digits(&c, 4), m, d, ms = 0, offset;
    char sep = *c.s;
    bool given;

    if (y < 0 || (sep != '-' && sep != '/'))
        return false;
    c.s++;
    m = digits(&c, 2);
    if (m < 1 || m > 12 || !next_is(&c, sep))
        return false;
    d = digits(&c, 2);
    if (d < 1 || d > 31 || days_of(y, m, d) >= days_of(m == 12 ? y + 1 : y, m == 12 ? 1 : m + 1, 1))
        return false;
    if (sep == '/' ? next_is(&c, '.') : next_is(&c, 'T') || next_is(&c, 't') || next_is(&c, ' ')) {
        if (!clock_time(&c, &ms))
            return false;
    }
    if (!offset_of(&c, &offset, &given))
        return false;
    ms += days_of(y, m, d) * DAY_MS;
    *out = given ? ms - offset : zone_to_utc_ms(z, ms);
    return true;
}

void month_around(int64_t local_ms, int64_t *start_ms, int64_t *next_ms)
{
    int64_t day = local_ms / DAY_MS - (local_ms % DAY_MS < 0);
    int64_t y = 1970 + day / 366 - (day < 0), m = 1; /* never after it */

    while (days_of(y + 1, 1, 1) <= day)
        y++;
    while (m < 12 && days_of(y, m + 1, 1) <= day)
        m++;
    *start_ms = days_of(y, m, 1) * DAY_MS;
    *next_ms = (m == 12 ? days_of(y + 1, 1, 1) : days_of(y, m + 1, 1)) * DAY_MS;
}

static int64_t day_start(const struct zone *z, int64_t now_ms, int64_t plus_days)
{
    int64_t local = now_ms + zone_offset_s(z, now_ms) * 1000ll;
    int64_t day = local / DAY_MS - (local % DAY_MS < 0);

    return zone_to_utc_ms(z, (day + plus_days) * DAY_MS);
}

static bool relative(const char *s, const struct zone *z, int64_t now_ms, int64_t *out)
{
    static const struct {
        const char *word;
        int day; /* 2 = this very moment */
    } anchors[] = { { "now", 2 }, { "today", 0 }, { "yesterday", -1 }, { "tomorrow", 1 } };
    int64_t base = now_ms, by;
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(anchors); i++)
        if (strncasecmp(s, anchors[i].word, strlen(anchors[i].word)) == 0) {
            n = strlen(anchors[i].word);
            base = anchors[i].day == 2 ? now_ms : day_start(z, now_ms, anchors[i].day);
        }
    *out = base;
    if (s[n] == '\0')
        return n > 0;
    if ((s[n] != '-' && s[n] != '+') || !query_duration(&by, s + n + 1, strlen(s + n + 1)))
        return false;
    *out = s[n] == '-' ? base - by : base + by;
    return true;
}

int query_time(int64_t *out_ms, const char *s, const char *tz, int64_t now_ms, struct err *e)
{
    struct zone *z;
    struct scan c = { s };
    int64_t ms = 0;
    int rc = zone_open(&z, tz, e);

    *out_ms = 0;
    if (rc != ERR_OK)
        return rc;
    if (s[0] == '@' && strlen(s) > 1 && strlen(s) < 12 &&
        strspn(s + 1, "0123456789") == strlen(s) - 1) {
        for (c.s++; *c.s != '\0'; c.s++)
            *out_ms = *out_ms * 10 + (*c.s - '0');
        *out_ms *= 1000;
    } else if (absolute(s, z, out_ms) || relative(s, z, now_ms, out_ms)) {
        rc = ERR_OK;
    } else if (clock_time(&c, &ms) && *c.s == '\0') {
        *out_ms = zone_to_utc_ms(z, day_start(z, now_ms, 0) +
                                        zone_offset_s(z, day_start(z, now_ms, 0)) * 1000ll + ms);
    } else {
        rc = err_at(e, ERR_SYNTAX, 0, strlen(s),
                    "a time is expected: 2026-03-03, 2026-03-03T14:00Z, 14:00, now-2h, today");
    }
    zone_free(z);
    return rc;
}

int64_t query_auto_step(int64_t span_ms)
{
    static const int64_t steps_s[] = { 1, 5, 10, 30, 60, 300, 600, 1800, 3600, 21600 };

    for (size_t i = 0; i < ARRAY_LEN(steps_s); i++)
        if (span_ms / (steps_s[i] * 1000) <= 120)
            return steps_s[i] * 1000;
    return DAY_MS;
}
