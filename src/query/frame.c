/* The time frame: clauses last, today, this, around, from, to, and the URL's t=. */
#include <stdio.h>
#include <strings.h>

#include "query/clause.h"

static bool moment(struct syntax *p, int64_t *out)
{
    const struct token *k = syn_tok(p);
    char text[64];
    struct err e = { 0 };

    if (k->type != TOK_WORD && k->type != TOK_TEXT) {
        syn_fail(p, ERR_SYNTAX, k,
                 "a time is expected: 2026-03-03, 2026-03-03T14:00Z, 14:00, now-2h, today");
        return false;
    }
    (void)snprintf(text, sizeof text, "%.*s", (int)MIN(k->len, 63u), syn_text(p, k));
    if (query_time(out, text, p->tz, p->now_ms, &e) != ERR_OK) {
        syn_fail(p, e.code, k, "%s", e.msg);
        return false;
    }
    p->at++;
    return true;
}

static void frame_set(struct plan *plan, int64_t from, int64_t to)
{
    plan->framed = true;
    plan->from_ms = from;
    plan->to_ms = to;
}

static void frame_open(struct plan *plan)
{
    if (!plan->framed)
        frame_set(plan, INT64_MIN, INT64_MAX);
}

bool clause_last(struct syntax *p, struct draft *d)
{
    const struct token *k = syn_tok(p);
    int64_t ms = 0;

    if (syn_is(p, "hour") || syn_is(p, "day") || syn_is(p, "week") || syn_is(p, "month")) {
        ms = syn_is(p, "hour")   ? 3600000
             : syn_is(p, "day")  ? 86400000
             : syn_is(p, "week") ? 604800000
                                 : 2592000000;
    } else if (k->type != TOK_WORD || !query_duration(&ms, syn_text(p, k), k->len) || ms == 0 ||
               strspn(syn_text(p, k), "0123456789") >= k->len) {
        syn_fail(p, ERR_SYNTAX, k, "a duration with its unit is expected: 15m, 1h, 7d");
        return false;
    }
    p->at++;
    frame_set(d->plan, p->now_ms - ms, p->now_ms);
    return true;
}

/* this hour | day | week | month */
static bool clause_this(struct syntax *p, struct draft *d)
{
    const int64_t day_ms = 86400000, hour_ms = 3600000;
    int64_t local = p->now_ms + zone_offset_s(p->zone, p->now_ms) * 1000ll, start, next;

    if (syn_word(p, "hour")) {
        start = local - local % hour_ms;
        next = start + hour_ms;
    } else if (syn_word(p, "day")) {
        start = local - local % day_ms;
        next = start + day_ms;
    } else if (syn_word(p, "week")) { /* 1970-01-01 was a Thursday */
        start = local - (local + 3 * day_ms) % (7 * day_ms);
        next = start + 7 * day_ms;
    } else if (syn_word(p, "month")) {
        month_around(local, &start, &next);
    } else {
        syn_fail(p, ERR_SYNTAX, syn_tok(p), "hour, day, week or month is expected");
        return false;
    }
    frame_set(d->plan, zone_to_utc_ms(p->zone, start), zone_to_utc_ms(p->zone, next));
    return true;
}

static bool clause_day(struct syntax *p, struct draft *d, const char *from, const char *to)
{
    int64_t a = 0, b = 0;
    struct err e = { 0 };

    if (query_time(&a, from, p->tz, p->now_ms, &e) != ERR_OK ||
        query_time(&b, to, p->tz, p->now_ms, &e) != ERR_OK) {
        syn_fail(p, e.code, syn_tok(p), "%s", e.msg);
        return false;
    }
    frame_set(d->plan, a, b);
    return true;
}

bool clause_time(struct syntax *p, struct draft *d)
{
    int64_t at, by;
    const struct token *k;

    if (syn_word(p, "last"))
        return clause_last(p, d);
    if (syn_word(p, "today"))
        return clause_day(p, d, "today", "tomorrow");
    if (syn_word(p, "yesterday"))
        return clause_day(p, d, "yesterday", "today");
    if (syn_word(p, "this"))
        return clause_this(p, d);
    if (syn_word(p, "around")) {
        if (!moment(p, &at))
            return false;
        k = syn_tok(p);
        if (k->type != TOK_WORD || !query_duration(&by, syn_text(p, k), k->len)) {
            syn_fail(p, ERR_SYNTAX, k, "a duration is expected: around 14:05 5m");
            return false;
        }
        p->at++;
        frame_set(d->plan, at - by, at + by);
        return true;
    }
    frame_open(d->plan);
    if (syn_word(p, "from") && !moment(p, &d->plan->from_ms))
        return false;
    return !syn_word(p, "to") || moment(p, &d->plan->to_ms);
}

bool clause_is_time(const struct syntax *p)
{
    static const char *const words[] = { "last",   "today", "yesterday", "this",
                                         "around", "from",  "to" };

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (syn_is(p, words[i]))
            return !(syn_is(p, "last") && syn_is_at(p, 1, "seen"));
    return false;
}

bool frame_from(struct syntax *p, struct draft *d)
{
    frame_open(d->plan);
    return moment(p, &d->plan->from_ms);
}
bool frame_to(struct syntax *p, struct draft *d)
{
    frame_open(d->plan);
    return moment(p, &d->plan->to_ms);
}

/* last:1h, this:day, A..B, today */
bool frame_time(struct syntax *p, struct draft *d)
{
    struct token *k = &p->t.tok[p->at];
    const char *s = syn_text(p, k), *dots = strstr(s, ".."), *colon = memchr(s, ':', k->len);
    char text[64];
    struct err e = { 0 };

    if (dots != NULL && k->type == TOK_WORD && dots < s + k->len) {
        frame_open(d->plan);
        (void)snprintf(text, sizeof text, "%.*s", (int)MIN(dots - s, 63), s);
        if (query_time(&d->plan->from_ms, text, p->tz, p->now_ms, &e) == ERR_OK) {
            (void)snprintf(text, sizeof text, "%.*s", (int)MIN(s + k->len - dots - 2, 63),
                           dots + 2);
            if (query_time(&d->plan->to_ms, text, p->tz, p->now_ms, &e) == ERR_OK) {
                p->at++;
                return true;
            }
        }
        syn_fail(p, e.code, k, "%s", e.msg);
        return false;
    }
    if (colon != NULL && (strncasecmp(s, "last:", 5) == 0 || strncasecmp(s, "this:", 5) == 0)) {
        bool last = strncasecmp(s, "last", 4) == 0;
        k->pos += 5;
        k->len -= 5;
        return last ? clause_last(p, d) : clause_this(p, d);
    }
    if (!clause_is_time(p)) {
        syn_fail(p, ERR_SYNTAX, k, "last:1h, this:day, today, or A..B is expected");
        return false;
    }
    return clause_time(p, d);
}
