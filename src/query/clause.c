/* The view and the time: clauses of the full form, and the same as options. */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "flow/elem.h"
#include "query/syntax.h"

const struct query_param_info query_param_info[QUERY_PARAM_N] = {
    [QUERY_FILTER] = { "filter", "q", false, "FILTER",
                       "which records count; also the full form with | clauses" },
    [QUERY_BY] = { "by", NULL, false, "KEY[,KEY...]", "rank by these keys" },
    [QUERY_MEASURE] = { "measure", "m", false, "MEASURE[,...]",
                        "what to sum; the first one orders" },
    [QUERY_TOP] = { "top", NULL, false, "N", "rows of a ranking, 0 = all (default 10)" },
    [QUERY_BOTTOM] = { "bottom", NULL, false, "N", "the smallest rows of a ranking" },
    [QUERY_ORDER] = { "order", NULL, false, "MEASURE", "measure that orders, or none" },
    [QUERY_HAVING] = { "having", NULL, false, "COND", "keep rows whose measures fit" },
    [QUERY_SERIES] = { "series", "step", false, "STEP",
                       "time series in steps of 1s to 1d, or auto" },
    [QUERY_LIST] = { "list", NULL, true, NULL, "list records" },
    [QUERY_COLUMNS] = { "columns", "cols", false, "COLUMN[,...]",
                        "columns of the list: short or IANA names, or all" },
    [QUERY_SORT] = { "sort", NULL, false, "COLUMN [desc]", "order of the list" },
    [QUERY_LIMIT] = { "limit", NULL, false, "N", "records of the list, 0 = all" },
    [QUERY_FROM] = { "from", NULL, false, "TIME", "begin of the time frame" },
    [QUERY_TO] = { "to", NULL, false, "TIME", "end of the time frame (not included)" },
    [QUERY_LAST] = { "last", NULL, false, "DURATION", "the time until now" },
    [QUERY_TIME] = { "time", "t", false, "FRAME", "last:1h, A..B, today, this:day" },
    [QUERY_TZ] = { "tz", NULL, false, "ZONE",
                   "time zone of what is written and printed (default UTC)" },
    [QUERY_WHOLE] = { "whole", NULL, true, NULL,
                      "count records that reach out of the frame entirely" },
    [QUERY_RAW] = { "raw", NULL, true, NULL,
                    "volumes as exported, not scaled by the sampling rate" },
    [QUERY_NAMES] = { "names", NULL, false, "weir|ipfix", "names of columns in the output" },
    [QUERY_KIND] = { "kind", NULL, false, "flow|option", "flow records or option records" },
    [QUERY_VIEW] = { "view", NULL, false, "totals|rank|series|list", "view of the answer" },
};

static char *copy_text(const char *s)
{
    size_t n = strlen(s) + 1;
    char *c = malloc(n);

    return c != NULL ? memcpy(c, s, n) : NULL;
}

int query_params_set(struct query_params *p, const char *name, const char *value, struct err *e)
{
    static const char *const later[] = { "compare", "cmp",   "sessions",    "dedup",  "direction",
                                         "around",  "exact", "approximate", "resolve" };
    struct nearest near = { .s = name, .len = strlen(name), .best = 99 };

    for (size_t i = 0; i < QUERY_PARAM_N; i++) {
        const struct query_param_info *q = &query_param_info[i];
        bool unset = q->flag && value != NULL &&
                     (strcmp(value, "0") == 0 || strcasecmp(value, "no") == 0 ||
                      strcasecmp(value, "false") == 0 || strcasecmp(value, "off") == 0);
        char *copy = NULL;
        nearest_try(&near, q->name);
        if (strcasecmp(name, q->name) != 0 && (q->alias == NULL || strcasecmp(name, q->alias) != 0))
            continue;
        if (value == NULL && !q->flag)
            return err_set(e, ERR_ARG, "%s needs a value: %s", q->name, q->value);
        if (value != NULL && strlen(value) > QUERY_TEXT_MAX)
            return err_set(e, ERR_LIMIT, "%s: longer than %u octets", q->name, QUERY_TEXT_MAX);
        if (!unset && (copy = copy_text(q->flag ? "1" : value)) == NULL)
            return err_set(e, ERR_NOMEM, "query: out of memory");
        free(p->text[i]);
        p->text[i] = copy;
        return ERR_OK;
    }
    for (size_t i = 0; i < ARRAY_LEN(later); i++)
        if (strcasecmp(name, later[i]) == 0)
            return err_set(e, ERR_UNSUPPORTED, "not yet: %s", later[i]);
    if (near.word[0] != '\0')
        return err_set(e, ERR_ARG, "no such option: %.60s; did you mean %s?", name, near.word);
    return err_set(e, ERR_ARG, "no such option: %.60s", name);
}

void query_params_free(struct query_params *p)
{
    for (size_t i = 0; i < QUERY_PARAM_N; i++)
        free(p->text[i]);
    *p = (struct query_params){ 0 };
}

/* ---- keys ---- */

static bool small_number(struct syntax *p, uint64_t max, uint64_t *out, const char *what)
{
    const struct token *k = syn_tok(p);

    if (k->type != TOK_WORD || number_parse(out, syn_text(p, k), k->len, -1) != NULL ||
        *out > max) {
        syn_fail(p, ERR_SYNTAX, k, "%s is expected, 0 to %llu", what, (unsigned long long)max);
        return false;
    }
    p->at++;
    return true;
}

/* "/24[,48]" behind an address */
static bool prefix(struct syntax *p, struct key *k)
{
    uint64_t four, six = 0;
    bool both;
    size_t n = strlen(k->name);

    if (!syn_type(p, TOK_SLASH))
        return true;
    if (!small_number(p, 32, &four, "a prefix length"))
        return false;
    const struct token *t = syn_ahead(p, 1);
    both = syn_tok(p)->type == TOK_COMMA && t->type == TOK_WORD &&
           strspn(syn_text(p, t), "0123456789") >= t->len;
    if (both) {
        p->at++;
        if (!small_number(p, 128, &six, "a prefix length"))
            return false;
    }
    k->mask4 = (uint8_t)four;
    k->mask6 = both ? (uint8_t)six : (uint8_t)(four * 2);
    (void)snprintf(k->name + n, sizeof k->name - n, both ? "/%u,%u" : "/%u", k->mask4, k->mask6);
    return true;
}

static bool calc_key(struct syntax *p, struct key *k, const char *word, enum calc calc)
{
    if (!syn_word(p, word))
        return false;
    k->a = (struct value_alts){ .v = { { .kind = VALUE_CALC, .calc = (uint8_t)calc } }, .n = 1 };
    (void)snprintf(k->name, sizeof k->name, "%s", word);
    return true;
}

static bool unknown_key(struct syntax *p)
{
    const struct token *k = syn_tok(p);
    struct nearest near = { .s = syn_text(p, k), .len = k->len, .best = 99 };

    nearest_try(&near, "host|host pair|matched host|src|dst|hour|weekday|day|country");
    for (size_t i = 0; i < field_count; i++)
        nearest_try(&near, field_table[i].words);
    syn_fail(p, ERR_SYNTAX, k,
             "no such key%s%s; host, src ip, dst port, proto, as, exporter, in if ... are keys",
             near.word[0] != '\0' ? ": did you mean " : "", near.word);
    return false;
}

bool syn_key(struct syntax *p, struct key *k)
{
    struct sides s;
    struct value_alts v[4];
    const struct field *f;
    size_t n, from = p->at;

    *k = (struct key){ .kind = KEY_VALUE, .mask4 = 32, .mask6 = 128 };
    if (syn_is(p, "host") && syn_is_at(p, 1, "pair")) {
        p->at += 2;
        k->kind = KEY_PAIR;
    } else if (syn_is(p, "matched") && syn_is_at(p, 1, "host")) {
        p->at += 2;
        k->kind = KEY_MATCHED;
    }
    if (k->kind != KEY_VALUE) {
        k->a = field_table[0].v[0];
        k->b = field_table[0].v[1];
        (void)snprintf(k->name, sizeof k->name, "%s",
                       k->kind == KEY_PAIR ? "host pair" : "matched host");
        return prefix(p, k);
    }
    if (calc_key(p, k, "day", CALC_DAY))
        return true;
    if (!syn_sides(p, &s))
        return false;
    if (s.side == SIDE_CLIENT || s.side == SIDE_SERVER) {
        syn_fail(p, ERR_UNSUPPORTED, &p->t.tok[s.from],
                 "not yet: rankings by client and server; use src ip, dst ip, dst port");
        return false;
    }
    if ((s.side == SIDE_NONE) && (syn_is(p, "client") || syn_is(p, "server")))
        return unknown_key(p);
    if ((f = syn_field(p)) == NULL)
        return p->rc == ERR_OK ? unknown_key(p) : false;
    if (f->type == FIELD_IE) {
        k->a.n = 1;
        if (!syn_ie(p, &k->a.v[0]))
            return false;
        (void)field_name(&k->a, k->name, sizeof k->name);
        return true;
    }
    if (f->type == FIELD_AT || f->type == FIELD_MPLS_EOS || f->type == FIELD_PAYLOAD_REGEX ||
        f->type == FIELD_DSCP || f->type == FIELD_MPLS_EXP) {
        syn_fail_from(p, ERR_UNSUPPORTED, from,
                      "not yet: this as a key; tos and mpls label1 are keys");
        return false;
    }
    if ((n = syn_values(p, f, &s, v)) == 0)
        return false;
    if (n > 2 || s.side == SIDE_BOTH) {
        syn_fail_from(p, ERR_SYNTAX, from,
                      "a key is one value of each side: in src mac, out dst mac");
        return false;
    }
    k->a = v[0];
    if (n == 2) {
        k->kind = KEY_EITHER;
        k->b = v[1];
        const char *word = f->type == FIELD_ADDR && f == field_table ? "host" : f->words;
        (void)snprintf(k->name, sizeof k->name, "%.*s", (int)strcspn(word, "|"), word);
    } else {
        (void)field_name(&k->a, k->name, sizeof k->name);
        if (f->type == FIELD_NET || f->type == FIELD_ICMP)
            (void)snprintf(k->name, sizeof k->name, "%s%.*s",
                           s.side == SIDE_SRC   ? "src "
                           : s.side == SIDE_DST ? "dst "
                                                : "",
                           (int)strcspn(f->words, "|"), f->words);
    }
    if (f->type == FIELD_NET && syn_tok(p)->type != TOK_SLASH) {
        syn_fail_from(p, ERR_SYNTAX, from, "how large a network? write src ip/24 or src net/24,48");
        return false;
    }
    return f->type == FIELD_ADDR || f->type == FIELD_NET || f->type == FIELD_EXPORTER ? prefix(p, k)
                                                                                      : true;
}

/* ---- measures ---- */

static const struct {
    const char *word;
    uint8_t kind;
} measure_words[] = {
    { "bytes", MEASURE_BYTES },     { "bits", MEASURE_BITS },
    { "packets", MEASURE_PACKETS }, { "flows", MEASURE_FLOWS },
    { "bps", MEASURE_BPS },         { "pps", MEASURE_PPS },
    { "bpp", MEASURE_BPP },         { "duration", MEASURE_DURATION_MS },
};

bool syn_measure(struct syntax *p, struct measure *m)
{
    const struct token *k = syn_tok(p);
    struct nearest near = { .s = syn_text(p, k), .len = k->len, .best = 99 };

    *m = (struct measure){ 0 };
    m->raw = syn_word(p, "raw");
    for (size_t i = 0; i < ARRAY_LEN(measure_words); i++) {
        nearest_try(&near, measure_words[i].word);
        if (!syn_word(p, measure_words[i].word))
            continue;
        m->kind = measure_words[i].kind;
        (void)snprintf(m->name, sizeof m->name, "%s%s", m->raw ? "raw " : "",
                       measure_words[i].word);
        if (syn_is(p, "avg"))
            p->at++;
        if (syn_is(p, "sent") || syn_is(p, "received") || syn_is(p, "both") || syn_is(p, "peak") ||
            syn_is(p, "p95")) {
            syn_fail(p, ERR_UNSUPPORTED, syn_tok(p), "not yet: %.*s", (int)syn_tok(p)->len,
                     syn_text(p, syn_tok(p)));
            return false;
        }
        return true;
    }
    if (syn_is(p, "active") && syn_is_at(p, 1, "flows")) {
        p->at += 2;
        m->kind = MEASURE_ACTIVE_FLOWS;
        (void)snprintf(m->name, sizeof m->name, "active flows");
        return true;
    }
    if ((syn_is(p, "first") || syn_is(p, "last")) && syn_is_at(p, 1, "seen")) {
        m->kind = syn_is(p, "first") ? MEASURE_FIRST_SEEN : MEASURE_LAST_SEEN;
        p->at += 2;
        (void)snprintf(m->name, sizeof m->name, "%s seen",
                       m->kind == MEASURE_FIRST_SEEN ? "first" : "last");
        return true;
    }
    if (syn_word(p, "distinct")) {
        m->kind = MEASURE_DISTINCT;
        if (!syn_key(p, &m->distinct))
            return false;
        (void)snprintf(m->name, sizeof m->name, "distinct %s", m->distinct.name);
        return true;
    }
    if (syn_field(p) != NULL || p->rc == ERR_OK)
        syn_fail(p, ERR_SYNTAX, k,
                 "no such measure%s%s; bytes bits packets flows active flows bps pps bpp duration "
                 "first seen, last seen, distinct KEY",
                 near.word[0] != '\0' ? ": did you mean " : "", near.word);
    return false;
}

/* ---- clauses ---- */

/* Everything that is found while reading; put together at the end. */
struct draft {
    struct plan *plan;
    bool rank, list, series, limited, topped, measured, last_set;
    char order[80];
    bool no_order;
    size_t having_at; /* token index + 1 in the filter's text; 0 = none */
};

static bool at_end(const struct syntax *p)
{
    uint8_t t = syn_tok(p)->type;

    return t == TOK_END || t == TOK_PIPE || t == TOK_SEMICOLON;
}

static bool clause_by(struct syntax *p, struct draft *d)
{
    d->rank = true;
    do {
        if (d->plan->n_keys == PLAN_MAX_KEYS) {
            syn_fail(p, ERR_LIMIT, syn_tok(p), "more than %u keys", PLAN_MAX_KEYS);
            return false;
        }
        if (!syn_key(p, &d->plan->keys[d->plan->n_keys]))
            return false;
        d->plan->n_keys++;
    } while (syn_type(p, TOK_COMMA));
    return true;
}

static bool clause_measures(struct syntax *p, struct draft *d)
{
    d->measured = true;
    do {
        if (d->plan->n_measures == PLAN_MAX_MEASURES) {
            syn_fail(p, ERR_LIMIT, syn_tok(p), "more than %u measures", PLAN_MAX_MEASURES);
            return false;
        }
        if (!syn_measure(p, &d->plan->measures[d->plan->n_measures]))
            return false;
        d->plan->n_measures++;
    } while (syn_type(p, TOK_COMMA));
    return true;
}

static bool clause_series(struct syntax *p, struct draft *d)
{
    const struct token *k = syn_tok(p);
    int64_t ms;

    d->series = true;
    d->plan->step_ms = -1;
    if (at_end(p) || syn_word(p, "auto"))
        return true;
    if (k->type != TOK_WORD || !query_duration(&ms, syn_text(p, k), k->len) || ms < 1000 ||
        ms > 86400000) {
        syn_fail(p, ERR_SYNTAX, k, "a step of 1s to 1d is expected: 10s, 5m, 1h, auto");
        return false;
    }
    d->plan->step_ms = ms;
    p->at++;
    return true;
}

/* One value by its field, short name of a column, or an element's name. */
static bool value_by_name(struct syntax *p, struct value_alts *out, char *name, size_t cap)
{
    size_t at = p->at, from = p->at;
    const struct token *k = syn_tok(p);
    struct sides s;
    struct value_alts v[4];
    const struct field *f;
    struct value ie = { .kind = VALUE_ELEM, .occurrence = 1 };
    const char *near;

    if (k->type == TOK_WORD && elem_find(0, 0) == NULL &&
        elem_parse(syn_text(p, k), k->len, &ie.pen, &ie.id) && k->len > 6 &&
        strspn(syn_text(p, k), "0123456789/") < k->len) {
        *out = (struct value_alts){ .v = { ie }, .n = 1 };
        (void)elem_name(ie.pen, ie.id, name, cap);
        p->at++;
        return true;
    }
    if (!syn_sides(p, &s))
        return false;
    if ((f = syn_field(p)) != NULL) {
        if (f->type == FIELD_IE) {
            out->n = 1;
            if (!syn_ie(p, &out->v[0]))
                return false;
        } else {
            size_t n = syn_values(p, f, &s, v);
            if (n == 0)
                return false;
            if (n > 1) {
                syn_fail_from(p, ERR_SYNTAX, at, "a column holds one value: src or dst, in or out");
                return false;
            }
            *out = v[0];
        }
        (void)field_name(out, name, cap);
        if (f->type == FIELD_DSCP)
            syn_fail_from(p, ERR_UNSUPPORTED, at, "not yet: dscp as a column; use tos");
        return p->rc == ERR_OK;
    }
    if (p->rc != ERR_OK)
        return false;
    p->at = from;
    for (size_t i = 0; i < COL_N; i++) {
        char text[64] = "";
        const char *w = col_info[i].short_name;
        size_t tokens = 0;
        while (tokens < 3 && syn_ahead(p, tokens)->type == TOK_WORD) {
            size_t have = strlen(text);
            (void)snprintf(text + have, sizeof text - have, "%s%.*s", have > 0 ? " " : "",
                           (int)syn_ahead(p, tokens)->len, syn_text(p, syn_ahead(p, tokens)));
            tokens++;
            if (*w != '\0' && strcasecmp(text, w) == 0) {
                p->at += tokens;
                *out = (struct value_alts){ .v = { { .kind = VALUE_COL, .col = (uint8_t)i } },
                                            .n = 1 };
                (void)snprintf(name, cap, "%s", w);
                return true;
            }
        }
    }
    if (k->type == TOK_WORD && elem_parse(syn_text(p, k), k->len, &ie.pen, &ie.id)) {
        *out = (struct value_alts){ .v = { ie }, .n = 1 };
        (void)elem_name(ie.pen, ie.id, name, cap);
        p->at++;
        return true;
    }
    near = elem_nearest(syn_text(p, k), k->len);
    syn_fail(p, ERR_SYNTAX, k,
             "no such column%s%s; start, src ip, dst port, bytes, or an element's name%s",
             near != NULL ? ": did you mean " : "", near != NULL ? near : "",
             k->type == TOK_END ? " is expected" : "");
    return false;
}

static bool clause_columns(struct syntax *p, struct draft *d)
{
    struct plan *plan = d->plan;

    d->list = true;
    while (!at_end(p)) {
        if (syn_is(p, "sort") || syn_is(p, "limit"))
            break;
        if (syn_word(p, "all")) {
            plan->all_columns = true;
        } else {
            struct list_column *c = &plan->cols[plan->n_cols];
            if (plan->n_cols == PLAN_MAX_COLUMNS) {
                syn_fail(p, ERR_LIMIT, syn_tok(p), "more than %u columns", PLAN_MAX_COLUMNS);
                return false;
            }
            *c = (struct list_column){ 0 };
            if (!value_by_name(p, &c->value, c->name, sizeof c->name))
                return false;
            plan->n_cols++;
        }
        if (!syn_type(p, TOK_COMMA) && !at_end(p) && !syn_is(p, "sort") && !syn_is(p, "limit")) {
            syn_fail(p, ERR_SYNTAX, syn_tok(p), "a comma is expected between columns");
            return false;
        }
    }
    return true;
}

static bool clause_sort(struct syntax *p, struct draft *d)
{
    char name[64];
    const struct token *k = syn_tok(p);

    if (k->type == TOK_WORD && syn_text(p, k)[0] == '-' && k->len > 1) {
        d->plan->sort_desc = true;
        p->t.tok[p->at].pos++;
        p->t.tok[p->at].len--;
    }
    if (!value_by_name(p, &d->plan->sort, name, sizeof name))
        return false;
    if (syn_word(p, "desc"))
        d->plan->sort_desc = true;
    else if (syn_word(p, "asc"))
        d->plan->sort_desc = false;
    d->plan->sorted = true;
    return true;
}

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

static void frame(struct plan *plan, int64_t from, int64_t to)
{
    plan->framed = true;
    plan->from_ms = from;
    plan->to_ms = to;
}

static void open_frame(struct plan *plan)
{
    if (!plan->framed)
        frame(plan, INT64_MIN, INT64_MAX);
}

static bool clause_last(struct syntax *p, struct draft *d)
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
    frame(d->plan, p->now_ms - ms, p->now_ms);
    return true;
}

/* this hour | day | week */
static bool clause_this(struct syntax *p, struct draft *d)
{
    const int64_t day_ms = 86400000, hour_ms = 3600000;
    int64_t local = p->now_ms + zone_offset_s(p->zone, p->now_ms) * 1000ll, len, start;

    if (syn_word(p, "hour")) {
        len = hour_ms;
        start = local - local % len;
    } else if (syn_word(p, "day")) {
        len = day_ms;
        start = local - local % len;
    } else if (syn_word(p, "week")) { /* 1970-01-01 was a Thursday */
        len = 7 * day_ms;
        start = local - (local + 3 * day_ms) % len;
    } else {
        syn_fail(p, ERR_SYNTAX, syn_tok(p), "hour, day or week is expected");
        return false;
    }
    frame(d->plan, zone_to_utc_ms(p->zone, start), zone_to_utc_ms(p->zone, start + len));
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
    frame(d->plan, a, b);
    return true;
}

static bool clause_time(struct syntax *p, struct draft *d)
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
        frame(d->plan, at - by, at + by);
        return true;
    }
    open_frame(d->plan);
    if (syn_word(p, "from") && !moment(p, &d->plan->from_ms))
        return false;
    return !syn_word(p, "to") || moment(p, &d->plan->to_ms);
}

static bool clause_top(struct syntax *p, struct draft *d, bool bottom)
{
    d->topped = true;
    d->plan->bottom = bottom;
    if (at_end(p))
        return true;
    return small_number(p, 1000000000, &d->plan->top, "a number of rows");
}

static bool clause_order(struct syntax *p, struct draft *d)
{
    struct measure m;

    if (syn_word(p, "none")) {
        d->no_order = true;
        return true;
    }
    if (!syn_measure(p, &m))
        return false;
    (void)snprintf(d->order, sizeof d->order, "%s", m.name);
    return true;
}

static bool is_time_word(const struct syntax *p)
{
    static const char *const words[] = { "last",   "today", "yesterday", "this",
                                         "around", "from",  "to" };

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (syn_is(p, words[i]))
            return !(syn_is(p, "last") && syn_is_at(p, 1, "seen"));
    return false;
}

static void skip_clause(struct syntax *p)
{
    while (syn_tok(p)->type != TOK_END && syn_tok(p)->type != TOK_PIPE)
        p->at++;
}

static bool clause(struct syntax *p, struct draft *d)
{
    static const char *const later[] = { "compare", "sessions", "dedup", "approximate" };

    for (size_t i = 0; i < ARRAY_LEN(later); i++)
        if (syn_is(p, later[i])) {
            syn_fail(p, ERR_UNSUPPORTED, syn_tok(p), "not yet: %s", later[i]);
            return false;
        }
    if (syn_word(p, "by"))
        return clause_by(p, d);
    if (syn_is(p, "top") || syn_is(p, "bottom")) {
        bool bottom = syn_is(p, "bottom");
        p->at++;
        return clause_top(p, d, bottom);
    }
    if (syn_word(p, "having")) {
        d->having_at = p->at + 1;
        skip_clause(p);
        return true;
    }
    if (syn_word(p, "series"))
        return clause_series(p, d);
    if (syn_word(p, "list") || syn_word(p, "columns"))
        return clause_columns(p, d);
    if (syn_word(p, "sort"))
        return clause_sort(p, d);
    if (syn_word(p, "limit")) {
        d->limited = true;
        return small_number(p, UINT64_MAX, &d->plan->limit, "a number of records");
    }
    if (syn_word(p, "order"))
        return clause_order(p, d);
    if (syn_word(p, "tz")) { /* read before: find_zone() */
        p->at++;
        return true;
    }
    if (syn_word(p, "whole"))
        return d->plan->whole = true;
    if (syn_word(p, "exact"))
        return true;
    if (syn_is(p, "raw") &&
        (syn_ahead(p, 1)->type == TOK_PIPE || syn_ahead(p, 1)->type == TOK_END)) {
        p->at++;
        return d->plan->raw = true;
    }
    if (is_time_word(p))
        return clause_time(p, d);
    return clause_measures(p, d);
}

static bool clauses(struct syntax *p, struct draft *d)
{
    while (p->rc == ERR_OK && (syn_type(p, TOK_PIPE) || syn_type(p, TOK_SEMICOLON) ||
                               syn_is(p, "sort") || syn_is(p, "limit")))
        (void)clause(p, d);
    if (p->rc == ERR_OK && syn_tok(p)->type != TOK_END)
        syn_fail(p, ERR_SYNTAX, syn_tok(p), "\"|\" and the next clause, or the end is expected");
    return p->rc == ERR_OK;
}

/* ---- putting it together ---- */

struct asking {
    struct query_params *params;
    struct draft d;
    struct syntax filter; /* tokens of the filter stay until "having" is read */
    struct zone *zone;
    int64_t now_ms;
    struct err *e;
};

/* One piece of text through one clause. */
static int option(struct asking *q, enum query_param which,
                  bool (*read)(struct syntax *p, struct draft *d))
{
    struct syntax p = { .e = q->e, .now_ms = q->now_ms, .zone = q->zone, .tz = q->d.plan->tz };
    int rc;

    if (q->params->text[which] == NULL)
        return ERR_OK;
    q->params->where = (uint8_t)which;
    if ((rc = tokens_make(&p.t, q->params->text[which], q->e)) != ERR_OK)
        return rc;
    if (read(&p, &q->d) && syn_tok(&p)->type != TOK_END)
        syn_fail(&p, ERR_SYNTAX, syn_tok(&p), "the end is expected here");
    tokens_free(&p.t);
    return p.rc;
}

static bool read_top(struct syntax *p, struct draft *d)
{
    return clause_top(p, d, false);
}
static bool read_bottom(struct syntax *p, struct draft *d)
{
    return clause_top(p, d, true);
}
static bool read_limit(struct syntax *p, struct draft *d)
{
    d->limited = true;
    return small_number(p, UINT64_MAX, &d->plan->limit, "a number of records");
}
static bool read_from(struct syntax *p, struct draft *d)
{
    open_frame(d->plan);
    return moment(p, &d->plan->from_ms);
}
static bool read_to(struct syntax *p, struct draft *d)
{
    open_frame(d->plan);
    return moment(p, &d->plan->to_ms);
}

static bool read_having(struct syntax *p, struct draft *d)
{
    struct expr *x;

    p->plan = d->plan;
    x = syn_filter(p);
    p->plan = NULL;
    if (x == NULL)
        return false;
    expr_free(d->plan->having);
    d->plan->having = x;
    d->plan->has_having = true;
    return true;
}

/* last:1h, this:day, A..B, today */
static bool read_time(struct syntax *p, struct draft *d)
{
    struct token *k = &p->t.tok[p->at];
    const char *s = syn_text(p, k), *dots = strstr(s, ".."), *colon = memchr(s, ':', k->len);
    char text[64];
    struct err e = { 0 };

    if (dots != NULL && k->type == TOK_WORD && dots < s + k->len) {
        open_frame(d->plan);
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
    if (!is_time_word(p)) {
        syn_fail(p, ERR_SYNTAX, k, "last:1h, this:day, today, or A..B is expected");
        return false;
    }
    return clause_time(p, d);
}

static bool read_names(struct syntax *p, struct draft *d)
{
    d->plan->ipfix_names = syn_is(p, "ipfix");
    if (!syn_word(p, "ipfix") && !syn_word(p, "weir"))
        syn_fail(p, ERR_SYNTAX, syn_tok(p), "weir or ipfix is expected");
    return p->rc == ERR_OK;
}
static bool read_kind(struct syntax *p, struct draft *d)
{
    d->plan->option_records = syn_is(p, "option");
    if (!syn_word(p, "option") && !syn_word(p, "flow"))
        syn_fail(p, ERR_SYNTAX, syn_tok(p), "flow or option is expected");
    return p->rc == ERR_OK;
}
static bool read_view(struct syntax *p, struct draft *d)
{
    if (syn_word(p, "list"))
        d->list = true;
    else if (syn_word(p, "series"))
        d->series = true;
    else if (!syn_word(p, "rank") && !syn_word(p, "totals"))
        syn_fail(p, syn_is(p, "sessions") ? ERR_UNSUPPORTED : ERR_SYNTAX, syn_tok(p),
                 syn_is(p, "sessions") ? "not yet: sessions"
                                       : "totals, rank, series or list is expected");
    return p->rc == ERR_OK;
}

/* The zone first: everything with a time needs it. In the full form it is the clause "tz ZONE". */
static int find_zone(struct asking *q)
{
    const char *name = q->params->text[QUERY_TZ];
    char text[64] = "";
    size_t pos = 0;
    int rc;

    q->params->where = QUERY_TZ;
    for (size_t i = 0; name == NULL && i + 1 < q->filter.t.n; i++) {
        const struct token *k = &q->filter.t.tok[i], *w = k + 1;
        if (k->type == TOK_PIPE && w->type == TOK_WORD && w->len == 2 && i + 2 < q->filter.t.n &&
            strncasecmp(q->filter.t.s + w->pos, "tz", 2) == 0) {
            (void)snprintf(text, sizeof text, "%.*s", (int)MIN(w[1].len, 63u),
                           q->filter.t.s + w[1].pos);
            pos = w[1].pos;
            name = text;
            q->params->where = QUERY_FILTER;
        }
    }
    if (name == NULL)
        name = "";
    rc = zone_open(&q->zone, strlen(name) < sizeof q->d.plan->tz ? name : "?", q->e);
    if (rc != ERR_OK) {
        if (q->e != NULL)
            q->e->pos += pos;
        return rc;
    }
    (void)snprintf(q->d.plan->tz, sizeof q->d.plan->tz, "%s", name);
    return ERR_OK;
}

static int read_filter(struct asking *q)
{
    struct syntax *p = &q->filter;
    uint8_t first;

    q->params->where = QUERY_FILTER;
    p->zone = q->zone;
    p->tz = q->d.plan->tz;
    first = syn_tok(p)->type;
    if (first != TOK_END && first != TOK_PIPE) {
        q->d.plan->filter = syn_filter(p);
        if (q->d.plan->filter != NULL && syn_tok(p)->type != TOK_END &&
            syn_tok(p)->type != TOK_PIPE) {
            const struct token *k = syn_tok(p), *before = &p->t.tok[p->at - 1];
            if (k->type == TOK_WORD && p->at >= 2 &&
                (syn_text(p, k)[0] >= '0' && syn_text(p, k)[0] <= '9'))
                syn_fail(p, ERR_SYNTAX, k,
                         "and, or, \"|\" or the end is expected here; several values stand in a "
                         "list: [%.*s %.*s]",
                         (int)MIN(before->len, 40u), syn_text(p, before), (int)MIN(k->len, 40u),
                         syn_text(p, k));
            else
                syn_fail(p, ERR_SYNTAX, k, "and, or, \"|\" or the end is expected here");
        }
    } else if ((q->d.plan->filter = expr_new(EXPR_CONST)) != NULL) {
        q->d.plan->filter->yes = true;
    } else {
        syn_fail(p, ERR_NOMEM, syn_tok(p), "query: out of memory");
    }
    if (p->rc == ERR_OK)
        (void)clauses(p, &q->d);
    return p->rc;
}

static void default_columns(struct plan *plan)
{
    static const struct value v[] = {
        { .kind = VALUE_COL, .col = COL_START },
        { .kind = VALUE_CALC, .calc = CALC_DURATION_MS },
        { .kind = VALUE_COL, .col = COL_PROTO },
        { .kind = VALUE_COL, .col = COL_SRC_IP },
        { .kind = VALUE_COL, .col = COL_SRC_PORT },
        { .kind = VALUE_COL, .col = COL_DST_IP },
        { .kind = VALUE_COL, .col = COL_DST_PORT },
        { .kind = VALUE_COL, .col = COL_TCP_FLAGS },
        { .kind = VALUE_CALC, .calc = CALC_PACKETS },
        { .kind = VALUE_CALC, .calc = CALC_BYTES },
    };

    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        struct list_column *c = &plan->cols[plan->n_cols++];
        c->value = (struct value_alts){ .v = { v[i] }, .n = 1 };
        (void)field_name(&c->value, c->name, sizeof c->name);
    }
}

static void default_measures(struct plan *plan)
{
    static const uint8_t kinds[] = { MEASURE_BYTES, MEASURE_PACKETS, MEASURE_FLOWS };

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct measure *m = &plan->measures[plan->n_measures++];
        m->kind = kinds[i];
        for (size_t k = 0; k < ARRAY_LEN(measure_words); k++)
            if (measure_words[k].kind == kinds[i])
                (void)snprintf(m->name, sizeof m->name, "%s", measure_words[k].word);
    }
}

/* The measure that orders goes first. */
static int put_order(struct asking *q)
{
    struct plan *plan = q->d.plan;
    uint32_t i = 0;
    struct measure m;

    plan->no_order = q->d.no_order;
    if (q->d.order[0] == '\0')
        return ERR_OK;
    while (i < plan->n_measures && strcmp(plan->measures[i].name, q->d.order) != 0)
        i++;
    if (i == plan->n_measures) {
        q->params->where = q->params->text[QUERY_ORDER] != NULL ? QUERY_ORDER : QUERY_FILTER;
        return err_at(q->e, ERR_SYNTAX, 0, 1, "%s is not among the measures; --measure %s first",
                      q->d.order, q->d.order);
    }
    m = plan->measures[i];
    memmove(&plan->measures[1], &plan->measures[0], i * sizeof m);
    plan->measures[0] = m;
    return ERR_OK;
}

static int finish(struct asking *q)
{
    struct draft *d = &q->d;
    struct plan *plan = d->plan;
    int rc;

    plan->view = d->rank ? VIEW_RANK : d->list || plan->option_records ? VIEW_LIST : VIEW_TOTALS;
    if (d->list && d->rank) {
        q->params->where = q->params->text[QUERY_BY] != NULL ? QUERY_BY : QUERY_FILTER;
        return err_at(q->e, ERR_SYNTAX, 0, 1,
                      "a ranking and a list are two views: leave out by, or list and columns");
    }
    if (plan->view == VIEW_LIST && plan->n_cols == 0 && !plan->all_columns) {
        default_columns(plan);
        if (plan->option_records)
            plan->all_columns = true;
    }
    if (!d->measured)
        default_measures(plan);
    if ((rc = put_order(q)) != ERR_OK)
        return rc;
    if (!d->topped)
        plan->top = 10;
    if (plan->framed && plan->from_ms >= plan->to_ms) {
        q->params->where = q->params->text[QUERY_TO] != NULL     ? QUERY_TO
                           : q->params->text[QUERY_TIME] != NULL ? QUERY_TIME
                                                                 : QUERY_FILTER;
        return err_at(q->e, ERR_SYNTAX, 0, 1,
                      "this frame is empty: its end is not after its begin");
    }
    if (d->series && plan->step_ms < 0 && plan->framed && plan->from_ms != INT64_MIN) {
        int64_t end = MIN(plan->to_ms, q->now_ms);
        plan->step_ms = query_auto_step(end > plan->from_ms ? end - plan->from_ms : 1000);
    }
    plan->raw = plan->raw || q->params->text[QUERY_RAW] != NULL;
    plan->whole = plan->whole || q->params->text[QUERY_WHOLE] != NULL;
    if (plan->no_order && plan->bottom)
        plan->bottom = false;
    return ERR_OK;
}

static int read_having_clause(struct asking *q)
{
    struct syntax *p = &q->filter;

    if (q->d.having_at == 0)
        return ERR_OK;
    q->params->where = QUERY_FILTER;
    p->at = q->d.having_at - 1;
    if (read_having(p, &q->d) && !at_end(p))
        syn_fail(p, ERR_SYNTAX, syn_tok(p), "and, or or the next clause is expected");
    return p->rc;
}

static int read_all(struct asking *q)
{
    static const struct {
        uint8_t which;
        bool (*read)(struct syntax *p, struct draft *d);
    } options[] = {
        { QUERY_BY, clause_by },           { QUERY_MEASURE, clause_measures },
        { QUERY_TOP, read_top },           { QUERY_BOTTOM, read_bottom },
        { QUERY_ORDER, clause_order },     { QUERY_SERIES, clause_series },
        { QUERY_COLUMNS, clause_columns }, { QUERY_SORT, clause_sort },
        { QUERY_LIMIT, read_limit },       { QUERY_LAST, clause_last },
        { QUERY_FROM, read_from },         { QUERY_TO, read_to },
        { QUERY_TIME, read_time },         { QUERY_NAMES, read_names },
        { QUERY_KIND, read_kind },         { QUERY_VIEW, read_view },
    };
    int rc;

    if ((rc = find_zone(q)) != ERR_OK || (rc = read_filter(q)) != ERR_OK)
        return rc;
    q->d.list = q->d.list || q->params->text[QUERY_LIST] != NULL;
    for (size_t i = 0; i < ARRAY_LEN(options); i++)
        if ((rc = option(q, (enum query_param)options[i].which, options[i].read)) != ERR_OK)
            return rc;
    if ((rc = finish(q)) != ERR_OK || (rc = read_having_clause(q)) != ERR_OK)
        return rc;
    return option(q, QUERY_HAVING, read_having);
}

int query_plan(struct plan **out, struct query_params *params, int64_t now_ms, struct err *e)
{
    struct err unused;
    struct asking q = { .params = params, .now_ms = now_ms, .e = e != NULL ? e : &unused };
    const char *text = params->text[QUERY_FILTER] != NULL ? params->text[QUERY_FILTER] : "";
    int rc;

    *out = NULL;
    params->where = QUERY_FILTER;
    q.filter = (struct syntax){ .e = q.e, .now_ms = now_ms };
    if ((q.d.plan = calloc(1, sizeof *q.d.plan)) == NULL)
        return err_set(q.e, ERR_NOMEM, "query: out of memory");
    rc = tokens_make(&q.filter.t, text, q.e);
    if (rc == ERR_OK)
        rc = read_all(&q);
    tokens_free(&q.filter.t);
    zone_free(q.zone);
    if (rc != ERR_OK) {
        plan_free(q.d.plan);
        return rc;
    }
    *out = q.d.plan;
    return ERR_OK;
}
