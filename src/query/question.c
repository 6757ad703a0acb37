/* From the pieces of a question to its plan. */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "query/clause.h"
#include "query/sessions.h"

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
    struct syntax p = { .e = q->e,
                        .now_ms = q->now_ms,
                        .zone = q->zone,
                        .tz = q->d.plan->tz,
                        .defs = q->d.plan->defs };
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
    else if (syn_word(p, "sessions"))
        d->sessions = true;
    else if (syn_word(p, "series"))
        d->series = true;
    else if (!syn_word(p, "rank") && !syn_word(p, "totals"))
        syn_fail(p, ERR_SYNTAX, syn_tok(p), "totals, rank, series, list or sessions is expected");
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
        (void)clause_all(p, &q->d);
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

static void session_columns(struct plan *plan)
{
    static const uint8_t v[] = {
        SESSION_START,        SESSION_DURATION,       SESSION_PROTO,          SESSION_CLIENT,
        SESSION_CLIENT_PORT,  SESSION_SERVER,         SESSION_SERVER_PORT,    SESSION_CLIENT_BYTES,
        SESSION_SERVER_BYTES, SESSION_CLIENT_PACKETS, SESSION_SERVER_PACKETS, SESSION_SLICES,
        SESSION_STATE
    };

    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        struct list_column *c = &plan->cols[plan->n_cols++];
        c->value = (struct value_alts){ .v = { { .kind = VALUE_SESSION, .calc = v[i] } }, .n = 1 };
        (void)snprintf(c->name, sizeof c->name, "%s",
                       v[i] == SESSION_DURATION ? "duration" : session_value_name(v[i]));
    }
}

static bool of_session(const struct expr *x)
{
    bool yes = x->value.n > 0 && x->value.v[0].kind == VALUE_SESSION;

    for (uint32_t k = 0; k < x->n_kids; k++)
        yes |= of_session(x->kid[k]);
    return yes;
}
static bool of_record(const struct expr *x)
{
    bool yes = x->value.n > 0 && x->value.v[0].kind != VALUE_SESSION;

    for (uint32_t k = 0; k < x->n_kids; k++)
        yes |= of_record(x->kid[k]);
    return yes;
}

static bool exists_session(const struct expr *x)
{
    bool yes = x->op == EXPR_EXISTS && of_session(x);

    for (uint32_t k = 0; k < x->n_kids; k++)
        yes |= exists_session(x->kid[k]);
    return yes;
}

/* An "and" of one term is that term. */
static struct expr *plain(struct expr *x)
{
    struct expr *one = x->kid[0];

    if (x->n_kids != 1)
        return x;
    x->n_kids = 0;
    expr_free(x);
    return one;
}

/* Terms joined by "and" are of records or of sessions: two filters, one behind the other. */
static int split_filter(struct asking *q)
{
    struct plan *plan = q->d.plan;
    struct expr *x = plan->filter, *rows, *sessions;

    if (!of_session(x))
        return ERR_OK;
    plan->stitch = true;
    rows = expr_new(EXPR_AND);
    sessions = expr_new(EXPR_AND);
    if (x->op != EXPR_AND) { /* as if it stood in an "and" */
        struct expr *one = expr_new(EXPR_AND);
        plan->filter = one;
        if (one == NULL || !expr_add(one, x)) {
            expr_free(rows);
            expr_free(sessions);
            return ERR_NOMEM;
        }
        x = one;
    }
    for (uint32_t k = 0; rows != NULL && sessions != NULL && k < x->n_kids; k++) {
        struct expr *kid = x->kid[k];
        if (exists_session(kid)) {
            expr_free(rows);
            expr_free(sessions);
            q->params->where = QUERY_FILTER;
            return err_at(q->e, ERR_SYNTAX, kid->pos, MAX(kid->len, 1u),
                          "every session has this: exists and absent are of records");
        }
        if (of_session(kid) && of_record(kid)) {
            expr_free(rows);
            expr_free(sessions);
            q->params->where = QUERY_FILTER;
            return err_at(q->e, ERR_UNSUPPORTED, kid->pos, MAX(kid->len, 1u),
                          "not yet: \"or\" and \"not\" around words of sessions and of records "
                          "together; join the two with \"and\"");
        }
        x->kid[k] = NULL;
        if (!expr_add(of_session(kid) ? sessions : rows, kid)) {
            expr_free(rows);
            expr_free(sessions);
            return ERR_NOMEM;
        }
    }
    if (rows == NULL || sessions == NULL) {
        expr_free(rows);
        expr_free(sessions);
        return ERR_NOMEM;
    }
    expr_free(x);
    if (rows->n_kids == 0) {
        rows->op = EXPR_CONST;
        rows->yes = true;
    } else {
        rows = plain(rows);
    }
    plan->filter = rows;
    plan->session_filter = plain(sessions);
    return ERR_OK;
}

static void default_measures(struct plan *plan)
{
    static const uint8_t kinds[] = { MEASURE_BYTES, MEASURE_PACKETS, MEASURE_FLOWS };

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct measure *m = &plan->measures[plan->n_measures++];
        m->kind = kinds[i];
        (void)snprintf(m->name, sizeof m->name, "%s", measure_word(kinds[i]));
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

static int out_of_place_code(struct asking *q, int code, enum query_param which, const char *why)
{
    q->params->where = q->params->text[which] != NULL ? (uint8_t)which : QUERY_FILTER;
    return err_at(q->e, code, 0, 1, "%s", why);
}
static int out_of_place(struct asking *q, enum query_param which, const char *why)
{
    return out_of_place_code(q, ERR_SYNTAX, which, why);
}

/* What is given must mean something: words of another view are no silent nothing. Sort and limit
 * alone make a list, as columns do. */
static int view_words(struct asking *q)
{
    struct draft *d = &q->d;
    bool sorted = d->plan->sorted, whole = !d->rank && !d->series;

    if (whole && (sorted || d->limited) && !d->sessions && q->params->text[QUERY_VIEW] == NULL)
        d->list = true;
    if (d->sessions && (d->list || d->rank || d->series))
        return out_of_place(
            q, QUERY_SESSIONS,
            "a list of sessions is a view of its own: leave out sessions, or list, "
            "by and series; to rank sessions say by client and the measure sessions");
    if (d->sessions && d->measured)
        return out_of_place(q, QUERY_MEASURE, "a list of sessions has columns, no measures");
    if (d->list && d->rank)
        return out_of_place(
            q, QUERY_BY, "a ranking and a list are two views: leave out by, or list and columns");
    if (d->list && d->series)
        return out_of_place(
            q, QUERY_SERIES,
            "a series and a list are two views: leave out series, or list and columns");
    if (sorted && !d->list && !d->sessions)
        return out_of_place(
            q, QUERY_SORT,
            "sort is of lists; a ranking is ordered by its first measure, or by order");
    if (d->limited && !d->list && !d->sessions)
        return out_of_place(q, QUERY_LIMIT, "limit is of lists; of a ranking say top");
    if (d->topped && !d->rank)
        return out_of_place(q, d->plan->bottom ? QUERY_BOTTOM : QUERY_TOP,
                            "top and bottom are of rankings: say by what, as in by src ip");
    return ERR_OK;
}

/* Who asks for sessions. */
static int stitching(struct asking *q)
{
    struct plan *plan = q->d.plan;
    bool opened = false;

    plan->stitch |= plan->view == VIEW_SESSIONS;
    for (uint32_t k = 0; k < plan->n_keys; k++)
        plan->stitch |= plan->keys[k].role != KEY_NO_ROLE;
    for (uint32_t m = 0; m < plan->n_measures; m++) {
        const struct measure *x = &plan->measures[m];
        bool by_side = x->kind == MEASURE_INITIATED || x->kind == MEASURE_ACCEPTED;
        opened |= by_side;
        plan->stitch |= by_side || x->kind == MEASURE_SESSIONS ||
                        (x->kind == MEASURE_DISTINCT && x->distinct.role != KEY_NO_ROLE);
    }
    if (opened && q->d.series)
        return out_of_place_code(q, ERR_UNSUPPORTED, QUERY_MEASURE,
                                 "not yet: initiated and accepted in a series; use sessions, by "
                                 "client or by server");
    if (plan->session_filter != NULL && plan->view == VIEW_LIST && plan->option_records)
        return out_of_place(q, QUERY_KIND, "option records are of no session");
    return ERR_OK;
}

static int finish(struct asking *q)
{
    struct draft *d = &q->d;
    struct plan *plan = d->plan;
    int rc;

    d->list = d->list || (plan->option_records && !d->rank);
    if ((rc = view_words(q)) != ERR_OK)
        return rc;
    if ((rc = split_filter(q)) != ERR_OK)
        return rc == ERR_NOMEM ? err_set(q->e, rc, "query: out of memory") : rc;
    plan->view = d->rank       ? VIEW_RANK
                 : d->sessions ? VIEW_SESSIONS
                 : d->list     ? VIEW_LIST
                               : VIEW_TOTALS;
    if (plan->view == VIEW_SESSIONS && plan->n_cols == 0)
        session_columns(plan);
    if ((rc = stitching(q)) != ERR_OK)
        return rc;
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

static bool is_group(const struct value_alts *v)
{
    return v->n > 0 && v->v[0].kind == VALUE_DEF &&
           (v->v[0].calc == DEF_SRC_GROUP || v->v[0].calc == DEF_DST_GROUP);
}

/* Is a group shown, or ranked by? */
static int read_groups(struct asking *q)
{
    struct plan *p = q->d.plan;
    bool any = is_group(&p->sort);

    for (uint32_t i = 0; i < p->n_keys; i++)
        any |= is_group(&p->keys[i].a);
    for (uint32_t i = 0; i < p->n_measures; i++)
        any |= is_group(&p->measures[i].distinct.a);
    for (uint32_t i = 0; i < p->n_cols; i++)
        any |= is_group(&p->cols[i].value);
    if (any)
        (void)syn_mixed_groups(&q->filter, p);
    return q->filter.rc;
}

static int read_having_clause(struct asking *q)
{
    struct syntax *p = &q->filter;

    if (q->d.having_at == 0)
        return ERR_OK;
    q->params->where = QUERY_FILTER;
    p->at = q->d.having_at - 1;
    if (read_having(p, &q->d) && !clause_at_end(p))
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
        { QUERY_LIMIT, clause_limit },     { QUERY_LAST, clause_last },
        { QUERY_FROM, frame_from },        { QUERY_TO, frame_to },
        { QUERY_TIME, frame_time },        { QUERY_NAMES, read_names },
        { QUERY_KIND, read_kind },         { QUERY_VIEW, read_view },
        { QUERY_DEDUP, clause_dedup },
    };
    int rc;

    if ((rc = find_zone(q)) != ERR_OK || (rc = read_filter(q)) != ERR_OK)
        return rc;
    q->d.list = q->d.list || q->params->text[QUERY_LIST] != NULL;
    q->d.sessions = q->d.sessions || q->params->text[QUERY_SESSIONS] != NULL ||
                    (q->params->text[QUERY_VIEW] != NULL &&
                     strcasecmp(q->params->text[QUERY_VIEW], "sessions") == 0);
    for (size_t i = 0; i < ARRAY_LEN(options); i++)
        if ((rc = option(q, (enum query_param)options[i].which, options[i].read)) != ERR_OK)
            return rc;
    if ((rc = finish(q)) != ERR_OK || (rc = read_having_clause(q)) != ERR_OK)
        return rc;
    if ((rc = option(q, QUERY_HAVING, read_having)) != ERR_OK)
        return rc;
    return read_groups(q);
}

static int take_defs(struct asking *q)
{
    struct defs *d = q->params->defs;
    int rc = ERR_OK;

    if (d != NULL)
        q->d.plan->defs = defs_ref(d);
    else
        rc = defs_default(&q->d.plan->defs, q->e);
    q->filter.defs = q->d.plan->defs;
    return rc;
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
    rc = take_defs(&q);
    if (rc == ERR_OK)
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
