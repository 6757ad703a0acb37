#include "cmd/past.h"

#include <stdio.h>
#include <string.h>

#include "cmd/client.h"
#include "collect/history_ask.h"
#include "http/request.h"
#include "os/clock.h"
#include "present/gaps.h"
#include "present/history.h"
#include "store/store.h"

#define TEXT_MAX (256u << 20)

/* Options that say which time, in the words of a question. */
static const char *const time_words[] = { "last", "from", "to", "tz", "series" };

struct past {
    const struct args *a;
    bool history;
    enum present_format format;
    struct query_params params;
    struct plan *p;
    struct addr exporter;
    bool of_exporter;
};

static int understand(struct past *q, struct err *e)
{
    const char *x = args_get(q->a, "exporter");
    int rc = ERR_OK;

    q->params.where = QUERY_PARAM_N;
    for (size_t i = 0; i < ARRAY_LEN(time_words) && rc == ERR_OK; i++)
        if (args_has(q->a, time_words[i]))
            rc = query_params_set(&q->params, time_words[i], args_get(q->a, time_words[i]), e);
    if (rc == ERR_OK && (rc = query_plan(&q->p, &q->params, clock_now_ms(), e)) != ERR_OK)
        return rc;
    q->of_exporter = x != NULL;
    if (x != NULL && !addr_parse(&q->exporter, x, strlen(x)))
        return err_set(e, ERR_ARG, "--exporter: \"%s\" is no address", x);
    return rc;
}

static int ask(const struct past *q, const char *sock)
{
    struct buf target = buf_init(1u << 12);
    struct client_answer r;
    struct err e;
    int code = EXIT_DONE;

    buf_str(&target, q->history ? "/api/v1/history" : "/api/v1/gaps");
    http_add_param(&target, "format",
                   q->format == PRESENT_TABLE ? "table"
                   : q->format == PRESENT_CSV ? "csv"
                                              : "json");
    for (size_t i = 0; i < ARRAY_LEN(time_words); i++)
        if (args_has(q->a, time_words[i]))
            http_add_param(&target, time_words[i], args_get(q->a, time_words[i]));
    if (q->of_exporter)
        http_add_param(&target, "exporter", args_get(q->a, "exporter"));
    if (client_get(sock, buf_cstr(&target), client_to_stdout, NULL, &r, &e) != ERR_OK)
        code = cmd_fail(q->a, &e);
    else if (!r.sink_failed && r.status != 200)
        code = client_problem(q->a, &r);
    buf_free(&r.problem);
    buf_free(&target);
    return code;
}

static int gaps_text(const struct past *q, const char *dir, const struct zone *z, struct buf *out,
                     struct err *e)
{
    struct gaps_frame f = gaps_frame_of(q->p);
    struct gap_list l;
    int rc = history_gaps_of(dir, f.from_ms, f.to_ms, &l, e);

    if (rc != ERR_OK)
        return rc;
    if (q->of_exporter)
        gap_only_of(&l, &q->exporter);
    if (q->format == PRESENT_JSON)
        gaps_all_json(out, &l, z);
    else
        gaps_table(out, &l, z);
    gap_list_free(&l);
    return ERR_OK;
}

static int history_text(const struct past *q, const char *dir, const struct zone *z,
                        struct buf *out, struct err *e)
{
    struct gaps_frame f = gaps_frame_of(q->p);
    struct history_series s;
    int rc = history_series_of(dir, f.from_ms, f.to_ms, q->of_exporter ? &q->exporter : NULL, false,
                               &s, e);

    if (rc != ERR_OK)
        return rc;
    history_choose_step(&s, q->p->step_ms);
    history_show(out, &s, z, q->format);
    history_series_free(&s);
    return ERR_OK;
}

static int look(const struct past *q, const char *dir)
{
    struct buf text = buf_init(TEXT_MAX);
    struct zone *z = NULL;
    struct store *st;
    struct err e;
    int rc = store_open(&st, dir, STORE_READ, "", &e); /* is it a data directory at all? */

    if (rc != ERR_OK)
        return cmd_fail_dir(q->a, dir, &e);
    store_close(st);
    if (q->p->tz[0] != '\0')
        rc = zone_open(&z, q->p->tz, &e);
    if (rc == ERR_OK)
        rc = q->history ? history_text(q, dir, z, &text, &e) : gaps_text(q, dir, z, &text, &e);
    if (rc == ERR_OK)
        (void)fputs(buf_cstr(&text), stdout);
    zone_free(z);
    buf_free(&text);
    return rc == ERR_OK ? EXIT_DONE : cmd_fail(q->a, &e);
}

int past_show(const struct args *a, const char *dir, const char *sock, enum present_format f)
{
    struct past q = { .a = a, .history = args_has(a, "history"), .format = f };
    struct err e;
    int code;

    if (understand(&q, &e) != ERR_OK)
        code = cmd_usage(
            a, q.params.where < QUERY_PARAM_N ? "--%s: %s" : "%s%s",
            q.params.where < QUERY_PARAM_N ? query_param_info[q.params.where].name : "", e.msg);
    else
        code = sock != NULL ? ask(&q, sock) : look(&q, dir);
    plan_free(q.p);
    query_params_free(&q.params);
    return code;
}
