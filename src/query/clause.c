/* The view: clauses of the full form; the options of the command line are read by the same
 * functions. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "flow/elem.h"
#include "query/clause.h"
#include "query/sessions.h"

bool clause_at_end(const struct syntax *p)
{
    uint8_t t = syn_tok(p)->type;

    return t == TOK_END || t == TOK_PIPE || t == TOK_SEMICOLON;
}

bool clause_by(struct syntax *p, struct draft *d)
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

bool clause_measures(struct syntax *p, struct draft *d)
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

bool clause_series(struct syntax *p, struct draft *d)
{
    const struct token *k = syn_tok(p);
    int64_t ms;

    d->series = true;
    d->plan->step_ms = -1;
    if (clause_at_end(p) || syn_word(p, "auto"))
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
        } else if (f->type == FIELD_INSIDE || f->type == FIELD_DIRECTION) {
            syn_fail_from(p, ERR_SYNTAX, at, "%s is a test; the column is direction", f->words);
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
        if (out->v[0].kind == VALUE_SESSION) {
            syn_fail_from(p, ERR_SYNTAX, at, "this is of sessions, not of records: --sessions");
            return false;
        }
        (void)field_name(out, name, cap);
        if (f->type == FIELD_AS_NAME)
            syn_fail_from(p, ERR_SYNTAX, at, "use src as: the name is shown beside the number");
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

/* A column of a session by its name. */
static bool session_by_name(struct syntax *p, struct value_alts *out, char *name, size_t cap)
{
    const struct token *k = syn_tok(p);
    struct nearest near = { .s = syn_text(p, k), .len = k->len, .best = 99 };

    for (unsigned v = 0; v < SESSION_VALUE_N; v++) {
        const char *w = session_value_name(v), *space = strchr(w, ' ');
        size_t len = space != NULL ? (size_t)(space - w) : strlen(w);
        char first[32];
        nearest_try(&near, w);
        (void)snprintf(first, sizeof first, "%.*s", (int)len, w);
        if (!syn_is(p, first) || (space != NULL && !syn_is_at(p, 1, space + 1)))
            continue;
        if (space == NULL && v <= SESSION_SERVER && v >= SESSION_CLIENT &&
            (syn_is_at(p, 1, "port") || syn_is_at(p, 1, "bytes") || syn_is_at(p, 1, "packets")))
            continue;
        p->at += space != NULL ? 2 : 1;
        *out =
            (struct value_alts){ .v = { { .kind = VALUE_SESSION, .calc = (uint8_t)v } }, .n = 1 };
        (void)snprintf(name, cap, "%s", v == SESSION_DURATION ? "duration" : w);
        return true;
    }
    if (syn_word(p, "duration")) {
        *out = (struct value_alts){ .v = { { .kind = VALUE_SESSION, .calc = SESSION_DURATION } },
                                    .n = 1 };
        (void)snprintf(name, cap, "duration");
        return true;
    }
    syn_fail(
        p, ERR_SYNTAX, k,
        "no such column of a session%s%s; start, end, duration, client, server, client port, "
        "server port, proto, client|server|total bytes|packets, sender, receiver, slices, state",
        near.word[0] != '\0' ? ": did you mean " : "", near.word);
    return false;
}

bool clause_sessions(struct syntax *p, struct draft *d)
{
    d->sessions = true;
    return clause_columns(p, d);
}

bool clause_columns(struct syntax *p, struct draft *d)
{
    struct plan *plan = d->plan;

    d->list = d->list || !d->sessions;
    while (!clause_at_end(p)) {
        if (syn_is(p, "sort") || syn_is(p, "limit"))
            break;
        if (!d->sessions && syn_word(p, "all")) {
            plan->all_columns = true;
        } else {
            struct list_column *c = &plan->cols[plan->n_cols];
            if (plan->n_cols == PLAN_MAX_COLUMNS) {
                syn_fail(p, ERR_LIMIT, syn_tok(p), "more than %u columns", PLAN_MAX_COLUMNS);
                return false;
            }
            *c = (struct list_column){ 0 };
            if (!(d->sessions ? session_by_name : value_by_name)(p, &c->value, c->name,
                                                                 sizeof c->name))
                return false;
            plan->n_cols++;
        }
        if (!syn_type(p, TOK_COMMA) && !clause_at_end(p) && !syn_is(p, "sort") &&
            !syn_is(p, "limit")) {
            syn_fail(p, ERR_SYNTAX, syn_tok(p), "a comma is expected between columns");
            return false;
        }
    }
    return true;
}

bool clause_sort(struct syntax *p, struct draft *d)
{
    char name[64];
    const struct token *k = syn_tok(p);

    if (k->type == TOK_WORD && syn_text(p, k)[0] == '-' && k->len > 1) {
        d->plan->sort_desc = true;
        p->t.tok[p->at].pos++;
        p->t.tok[p->at].len--;
    }
    if (!(d->sessions ? session_by_name : value_by_name)(p, &d->plan->sort, name, sizeof name))
        return false;
    if (syn_word(p, "desc"))
        d->plan->sort_desc = true;
    else if (syn_word(p, "asc"))
        d->plan->sort_desc = false;
    d->plan->sorted = true;
    return true;
}

bool clause_top(struct syntax *p, struct draft *d, bool bottom)
{
    d->topped = true;
    d->plan->bottom = bottom;
    if (clause_at_end(p))
        return true;
    return syn_small_number(p, 1000000000, &d->plan->top, "a number of rows");
}

bool clause_order(struct syntax *p, struct draft *d)
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

bool clause_dedup(struct syntax *p, struct draft *d)
{
    d->plan->dedup = syn_is(p, "on") ? DEDUP_ON : DEDUP_OFF;
    if (!syn_word(p, "on") && !syn_word(p, "off"))
        syn_fail(p, ERR_SYNTAX, syn_tok(p), "on or off is expected: dedup off");
    return p->rc == ERR_OK;
}

static void skip_clause(struct syntax *p)
{
    while (syn_tok(p)->type != TOK_END && syn_tok(p)->type != TOK_PIPE)
        p->at++;
}

static bool clause(struct syntax *p, struct draft *d)
{
    static const char *const later[] = { "compare", "approximate" };

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
    if (syn_is(p, "sessions") && !syn_is_at(p, 1, "initiated") && !syn_is_at(p, 1, "accepted") &&
        !d->rank && syn_ahead(p, 1)->type != TOK_COMMA) {
        p->at++;
        return clause_sessions(p, d);
    }
    if (syn_word(p, "list") || syn_word(p, "columns"))
        return clause_columns(p, d);
    if (syn_word(p, "sort"))
        return clause_sort(p, d);
    if (syn_word(p, "limit")) {
        d->limited = true;
        return syn_small_number(p, UINT64_MAX, &d->plan->limit, "a number of records");
    }
    if (syn_word(p, "order"))
        return clause_order(p, d);
    if (syn_word(p, "tz")) { /* read before: find_zone() */
        p->at++;
        return true;
    }
    if (syn_word(p, "whole"))
        return d->plan->whole = true;
    if (syn_word(p, "dedup"))
        return clause_dedup(p, d);
    if (syn_word(p, "exact"))
        return true;
    if (syn_is(p, "raw") &&
        (syn_ahead(p, 1)->type == TOK_PIPE || syn_ahead(p, 1)->type == TOK_END)) {
        p->at++;
        return d->plan->raw = true;
    }
    if (clause_is_time(p))
        return clause_time(p, d);
    return clause_measures(p, d);
}

bool clause_all(struct syntax *p, struct draft *d)
{
    while (p->rc == ERR_OK && (syn_type(p, TOK_PIPE) || syn_type(p, TOK_SEMICOLON) ||
                               syn_is(p, "sort") || syn_is(p, "limit")))
        (void)clause(p, d);
    if (p->rc == ERR_OK && syn_tok(p)->type != TOK_END)
        syn_fail(p, ERR_SYNTAX, syn_tok(p), "\"|\" and the next clause, or the end is expected");
    return p->rc == ERR_OK;
}

bool clause_limit(struct syntax *p, struct draft *d)
{
    d->limited = true;
    return syn_small_number(p, UINT64_MAX, &d->plan->limit, "a number of records");
}
