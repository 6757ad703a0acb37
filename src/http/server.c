#include "http/server.h"

#include <jansson.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

#include "http/answer.h"
#include "http/request.h"
#include "os/clock.h"
#include "os/log.h"
#include "os/net.h"
#include "os/thread.h"
#include "present/gaps.h"
#include "present/history.h"

#define TEXT_MAX     (64u << 20)
#define STATUS_MAX   (512u << 20) /* with all exporters: about a kilobyte each */
#define BLOCK_OCTETS (64u << 10)
#define STOP_LOOKS   100
#define STOP_LOOK_MS 10
#define TCP_IDLE_S   30u
#define SEAL_WAIT_MS 60000

struct door {
    struct http_server *s;
    struct MHD_Daemon *daemon;
    bool flows; /* flow data may be asked here */
};
struct http_server {
    struct collect *k;
    struct history *history;
    struct meta_db *meta;
    struct snmp_watch *snmp; /* NULL: nobody is asked */
    struct os_mutex conf_lock;
    struct conf *conf;
    struct apps *apps; /* both under conf_lock */
    atomic_bool stopping;
    atomic_uint answers; /* being sent */
    struct door local, tcp;
};

/* What microhttpd keeps for us per request. */
struct call {
    struct answer *answer;
    struct MHD_Response *response; /* borrowed while the answer is read */
    char *target;
};

static struct conf *present_conf(struct http_server *s)
{
    struct conf *c;

    os_lock(&s->conf_lock);
    c = conf_ref(s->conf);
    os_unlock(&s->conf_lock);
    return c;
}

static unsigned status_of(int code)
{
    static const unsigned short status[ERR_N] = {
        [ERR_ARG] = 400,   [ERR_SYNTAX] = 400,   [ERR_UNSUPPORTED] = 400, [ERR_LIMIT] = 422,
        [ERR_NOMEM] = 503, [ERR_NOTFOUND] = 404, [ERR_BUSY] = 503,        [ERR_CANCEL] = 503,
    };

    return code > 0 && code < ERR_N && status[code] != 0 ? status[code] : 500;
}

static enum MHD_Result send_text(struct MHD_Connection *c, unsigned status, const char *type,
                                 struct buf *text)
{
    struct MHD_Response *r;
    enum MHD_Result ok;

    if (!buf_ok(text))
        return MHD_NO;
    r = MHD_create_response_from_buffer(text->len, (void *)(uintptr_t)buf_cstr(text),
                                        MHD_RESPMEM_MUST_COPY);
    if (r == NULL)
        return MHD_NO;
    (void)MHD_add_response_header(r, "Content-Type", type);
    (void)MHD_add_response_header(r, "Cache-Control", "no-store");
    ok = MHD_queue_response(c, status, r);
    MHD_destroy_response(r);
    return ok;
}

/* RFC 9457. `p` (may be NULL): the question the error is about; "shown" has its caret. */
static enum MHD_Result problem(struct MHD_Connection *c, unsigned status,
                               const struct query_params *p, const struct err *e)
{
    struct buf text = buf_init(TEXT_MAX), shown = buf_init(TEXT_MAX);
    json_t *o = json_object();
    enum MHD_Result ok;
    char *s;

    (void)json_object_set_new(o, "title", json_string(err_name(e->code)));
    (void)json_object_set_new(o, "status", json_integer(status));
    (void)json_object_set_new(o, "detail", json_string(e->msg));
    if (p != NULL && p->where < QUERY_PARAM_N) {
        query_error_show(&shown, p, e);
        (void)json_object_set_new(o, "parameter", json_string(query_param_info[p->where].name));
        (void)json_object_set_new(o, "position", json_integer((json_int_t)e->pos));
        (void)json_object_set_new(o, "length", json_integer((json_int_t)e->len));
        (void)json_object_set_new(o, "shown", json_string(buf_cstr(&shown)));
    }
    s = json_dumps(o, JSON_INDENT(1));
    buf_str(&text, s != NULL ? s : "{}");
    buf_char(&text, '\n');
    ok = send_text(c, status, "application/problem+json", &text);
    free(s);
    json_decref(o);
    buf_free(&text);
    buf_free(&shown);
    return ok;
}

/* microhttpd wants octets. At the end: what could not be read goes into the trailer. */
static ssize_t read_answer(void *ctx, uint64_t pos, char *out, size_t max)
{
    struct call *call = ctx;
    long n = answer_read(call->answer, out, max);

    (void)pos;
    if (n > 0)
        return n;
    if (n < 0)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (answer_incomplete(call->answer)[0] != '\0')
        (void)MHD_add_response_footer(call->response, "Weir-Incomplete",
                                      answer_incomplete(call->answer));
    if (answer_error(call->answer)[0] != '\0')
        (void)MHD_add_response_footer(call->response, "Weir-Error", answer_error(call->answer));
    return MHD_CONTENT_READER_END_OF_STREAM;
}

static int connection_fd(struct MHD_Connection *c)
{
    const union MHD_ConnectionInfo *i =
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);

    return i != NULL ? i->connect_fd : -1;
}

static enum MHD_Result stream(struct call *call, struct MHD_Connection *c,
                              const struct http_request *q)
{
    struct MHD_Response *r =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_OCTETS, read_answer, call, NULL);
    enum MHD_Result ok;

    if (r == NULL)
        return MHD_NO;
    call->response = r;
    (void)MHD_add_response_header(r, "Content-Type",
                                  present_content_type((enum present_format)q->format));
    (void)MHD_add_response_header(r, "Cache-Control", "no-store");
    (void)MHD_add_response_header(r, "Trailer", "Weir-Incomplete, Weir-Error");
    ok = MHD_queue_response(c, MHD_HTTP_OK, r);
    MHD_destroy_response(r);
    return ok;
}

/* With what is defined now; that it cannot be read is no reason to answer nothing. */
static int plan_with_definitions(struct http_server *s, struct http_request *q, struct plan **p,
                                 struct err *e)
{
    struct err why = { 0 };
    struct defs *d;
    int rc = meta_db_defs(s->meta, &d, &why);

    if (d == NULL)
        return err_set(e, rc, "%s", why.msg);
    if (rc != ERR_OK)
        log_line(LOG_LEVEL_WARN, "%s; the definitions from before are used", why.msg);
    q->params.defs = d;
    rc = query_plan(p, &q->params, clock_now_ms(), e);
    q->params.defs = NULL;
    defs_unref(d);
    return rc;
}

/* A tail is a list without end, order and limit. */
static int plan_for(struct http_server *s, struct http_request *q, struct plan **p, struct err *e)
{
    bool follow = q->resource == HTTP_TAIL;
    int rc;

    *p = NULL;
    if (follow && (q->format == PRESENT_TABLE || q->format == PRESENT_JSON))
        q->format =
            q->format == PRESENT_TABLE ? PRESENT_CSV : PRESENT_NDJSON; /* they want an end */
    if (follow && (rc = query_params_set(&q->params, "list", "1", e)) != ERR_OK)
        return rc;
    rc = plan_with_definitions(s, q, p, e);
    if (rc != ERR_OK || !follow)
        return rc;
    if ((*p)->view != VIEW_LIST || (*p)->stitch) {
        plan_free(*p);
        *p = NULL;
        q->params.where = QUERY_PARAM_N;
        return err_set(e, ERR_ARG,
                       "tail follows records as they come; rankings, series and sessions are asked "
                       "with weir query");
    }
    (*p)->limit = 0;
    (*p)->sorted = false;
    (*p)->no_order = true;
    return ERR_OK;
}

static enum MHD_Result ask(struct http_server *s, struct call *call, struct MHD_Connection *c,
                           struct http_request *q)
{
    struct conf *conf = present_conf(s);
    struct answer_place at = { .k = s->k,
                               .history = s->history,
                               .meta = s->meta,
                               .memory_max = conf_num(conf, OPT_QUERY_MEMORY),
                               .threads = (uint32_t)conf_num(conf, OPT_QUERY_THREADS),
                               .idle_ms = (int64_t)conf_num(conf, OPT_SESSION_IDLE),
                               .open_max = (uint32_t)conf_num(conf, OPT_STORE_OPEN_SEGMENTS),
                               .as_source = (enum geo_as_source)conf_num(conf, OPT_AS_SOURCE),
                               .stopping = &s->stopping,
                               .fd = connection_fd(c) };
    struct plan *p;
    struct err e = { 0 };
    int rc;

    conf_unref(conf);
    if ((rc = plan_for(s, q, &p, &e)) != ERR_OK)
        return problem(c, rc == ERR_NOTFOUND ? 400 : status_of(rc), &q->params, &e);
    os_lock(&s->conf_lock);
    at.apps = apps_ref(s->apps);
    os_unlock(&s->conf_lock);
    rc = answer_start(&call->answer, &at, p, (enum present_format)q->format,
                      q->resource == HTTP_TAIL, &e);
    if (rc == ERR_OK)
        (void)atomic_fetch_add(&s->answers, 1);
    if (rc == ERR_OK && q->resource != HTTP_TAIL)
        rc = answer_wait(call->answer, &e);
    if (rc != ERR_OK)
        return problem(c, status_of(rc), NULL, &e);
    return stream(call, c, q);
}

static enum MHD_Result state(struct http_server *s, struct MHD_Connection *c,
                             enum http_resource what, uint32_t exporters)
{
    struct buf text = buf_init(STATUS_MAX);
    struct collect_status st;
    struct conf *conf;
    struct err e = { 0 };
    enum MHD_Result ok;
    int rc = collect_status(s->k, &st, what != HTTP_HEALTH, &e);

    if (rc != ERR_OK)
        return problem(c, status_of(rc), NULL, &e);
    conf = present_conf(s);
    if (what == HTTP_STATUS)
        http_status_json(&text, &st, conf, exporters);
    else if (what == HTTP_METRICS)
        http_metrics_text(&text, &st);
    else
        buf_str(&text, st.unsafe ? "unsafe: records cannot be written\n" : "ok\n");
    ok = send_text(c, what == HTTP_HEALTH && st.unsafe ? 503 : 200,
                   what == HTTP_STATUS    ? "application/json"
                   : what == HTTP_METRICS ? "text/plain; version=0.0.4; charset=utf-8"
                                          : "text/plain; charset=utf-8",
                   &text);
    conf_unref(conf);
    collect_status_free(&st);
    buf_free(&text);
    return ok;
}

static int gaps_text(struct http_server *s, const struct http_request *q, struct gaps_frame f,
                     const struct zone *z, struct buf *out, struct err *e)
{
    struct gap_list l = { 0 };
    int rc;

    if (q->format != PRESENT_TABLE && q->format != PRESENT_JSON)
        return err_set(e, ERR_ARG, "format: gaps are told as table or json");
    rc = history_gaps(s->history, f.from_ms, f.to_ms, &l, e);
    if (rc == ERR_OK && q->of_exporter)
        gap_only_of(&l, &q->exporter);
    if (rc == ERR_OK && q->format == PRESENT_TABLE)
        gaps_table(out, &l, z);
    else if (rc == ERR_OK)
        gaps_all_json(out, &l, z);
    gap_list_free(&l);
    return rc;
}

static int history_text(struct http_server *s, const struct http_request *q, struct gaps_frame f,
                        int64_t step_ms, const struct zone *z, struct buf *out, struct err *e)
{
    struct history_series x;
    int rc;

    if (q->format == PRESENT_NDJSON)
        return err_set(e, ERR_ARG, "format: the history is told as table, csv or json");
    rc =
        history_series(s->history, f.from_ms, f.to_ms, q->of_exporter ? &q->exporter : NULL, &x, e);
    if (rc != ERR_OK)
        return rc;
    history_choose_step(&x, step_ms);
    history_show(out, &x, z, (enum present_format)q->format);
    history_series_free(&x);
    return ERR_OK;
}

/* What was missing, or counted, in a time frame. */
static enum MHD_Result past(struct http_server *s, struct MHD_Connection *c, struct http_request *q)
{
    struct buf text = buf_init(TEXT_MAX);
    struct zone *z = NULL;
    struct plan *p;
    struct err e = { 0 };
    enum MHD_Result ok;
    int rc = query_plan(&p, &q->params, clock_now_ms(), &e);

    if (rc == ERR_OK && p->tz[0] != '\0')
        rc = zone_open(&z, p->tz, &e);
    if (rc == ERR_OK && q->resource == HTTP_GAPS)
        rc = gaps_text(s, q, gaps_frame_of(p), z, &text, &e);
    else if (rc == ERR_OK)
        rc = history_text(s, q, gaps_frame_of(p), p->step_ms, z, &text, &e);
    ok = rc == ERR_OK
             ? send_text(c, 200, present_content_type((enum present_format)q->format), &text)
             : problem(c, rc == ERR_NOTFOUND ? 400 : status_of(rc), &q->params, &e);
    zone_free(z);
    plan_free(p);
    buf_free(&text);
    return ok;
}

/* All that was received until now goes to segments; answered when it is there. */
static enum MHD_Result seal(struct http_server *s, struct MHD_Connection *c)
{
    struct buf text = buf_init(64);
    struct err e = { 0 };
    enum MHD_Result ok;

    if (collect_seal(s->k, SEAL_WAIT_MS, &e) != ERR_OK)
        return problem(c, 503, NULL, &e);
    buf_str(&text, "{}\n");
    ok = send_text(c, 200, "application/json", &text);
    buf_free(&text);
    return ok;
}

/* How each exporter is set up. */
static enum MHD_Result verdicts(struct http_server *s, struct MHD_Connection *c,
                                const struct http_request *q)
{
    struct buf text = buf_init(STATUS_MAX);
    struct err e = { 0 };
    struct conf *conf = present_conf(s);
    enum MHD_Result ok;
    int rc = q->format == PRESENT_JSON
                 ? http_verdicts_json(&text, s->k, s->history, s->snmp, s->meta, conf, q->exporters,
                                      q->of_exporter ? &q->exporter : NULL, &e)
                 : err_set(&e, ERR_ARG, "format: exporters are told as json");

    ok = rc == ERR_OK ? send_text(c, 200, "application/json", &text)
                      : problem(c, status_of(rc), NULL, &e);
    conf_unref(conf);
    buf_free(&text);
    return ok;
}

/* Does the method fit what is asked? */
static bool fits(const struct http_request *q, bool post)
{
    return post == (q->resource == HTTP_SEAL);
}

static enum MHD_Result route(struct door *d, struct call *call, bool post, struct MHD_Connection *c)
{
    struct http_request q;
    struct err e = { 0 };
    enum MHD_Result ok = MHD_NO;
    int rc = http_request_parse(&q, call->target != NULL ? call->target : "", &e);

    if (rc != ERR_OK)
        return problem(c, status_of(rc), NULL, &e);
    if (!fits(&q, post)) {
        (void)err_set(&e, ERR_ARG, post ? "only GET is answered here" : "only POST does that");
        http_request_free(&q);
        return problem(c, 405, NULL, &e);
    }
    switch ((enum http_resource)q.resource) {
    case HTTP_QUERY:
    case HTTP_TAIL:
    case HTTP_STATUS:
    case HTTP_GAPS:
    case HTTP_HISTORY:
    case HTTP_VERDICTS:
    case HTTP_SEAL:
        if (!d->flows) {
            (void)err_set(
                &e, ERR_NOTFOUND,
                "flow data is answered on the Unix socket only; here: /metrics, /healthz");
            ok = problem(c, 404, NULL, &e);
        } else if (q.resource == HTTP_STATUS)
            ok = state(d->s, c, HTTP_STATUS, q.exporters);
        else if (q.resource == HTTP_GAPS || q.resource == HTTP_HISTORY)
            ok = past(d->s, c, &q);
        else if (q.resource == HTTP_VERDICTS)
            ok = verdicts(d->s, c, &q);
        else if (q.resource == HTTP_SEAL)
            ok = seal(d->s, c);
        else
            ok = ask(d->s, call, c, &q);
        break;
    case HTTP_METRICS:
    case HTTP_HEALTH:
        ok = state(d->s, c, (enum http_resource)q.resource, 0);
        break;
    case HTTP_RESOURCE_N:
        break;
    }
    http_request_free(&q);
    return ok;
}

static void *begin_call(void *ctx, const char *uri, struct MHD_Connection *c)
{
    struct call *call = calloc(1, sizeof *call);

    (void)ctx;
    (void)c;
    if (call != NULL)
        call->target = strdup(uri);
    return call;
}

static void end_call(void *ctx, struct MHD_Connection *c, void **req,
                     enum MHD_RequestTerminationCode why)
{
    struct call *call = *req;
    struct http_server *s = ctx;

    (void)c;
    (void)why;
    if (call == NULL)
        return;
    if (call->answer != NULL) {
        answer_free(call->answer);
        (void)atomic_fetch_sub(&s->answers, 1);
    }
    free(call->target);
    free(call);
    *req = NULL;
}

static enum MHD_Result handle(void *ctx, struct MHD_Connection *c, const char *url,
                              const char *method, const char *version, const char *body,
                              size_t *body_len, void **req)
{
    bool post = strcmp(method, "POST") == 0;
    struct err e;

    (void)url;
    (void)version;
    (void)body;
    if (*req == NULL)
        return MHD_NO;
    *body_len = 0;
    if (!post && strcmp(method, "GET") != 0) {
        (void)err_set(&e, ERR_ARG, "only GET is answered here");
        return problem(c, 405, NULL, &e);
    }
    return route(ctx, *req, post, c);
}

/* microhttpd's own messages name clients that went away; one line in a while is enough. */
static void PRINTF_LIKE(2, 0) mhd_log(void *ctx, const char *fmt, va_list ap)
{
    static struct log_class class;

    (void)ctx;
    (void)ap;
    log_limited(&class, LOG_LEVEL_DEBUG, "http: %s", fmt);
}

static int open_door(struct door *d, struct http_server *s, struct conf *c, int fd, bool flows,
                     struct err *e)
{
    d->s = s;
    d->flows = flows;
    if (fd < 0)
        return ERR_OK;
    d->daemon = MHD_start_daemon(
        MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL |
            MHD_USE_ERROR_LOG | MHD_USE_ITC,
        0, NULL, NULL, handle, d, MHD_OPTION_EXTERNAL_LOGGER, mhd_log, NULL,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)conf_num(c, OPT_HTTP_CONNECTIONS), MHD_OPTION_CONNECTION_TIMEOUT,
        flows ? 0u : TCP_IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)HTTP_TARGET_MAX + (32u << 10), MHD_OPTION_URI_LOG_CALLBACK, begin_call, NULL,
        MHD_OPTION_NOTIFY_COMPLETED, end_call, s, MHD_OPTION_END);
    if (d->daemon == NULL) {
        net_close(fd);
        return err_set(e, ERR_IO, "http: the server could not be started");
    }
    return ERR_OK;
}

int http_server_start(struct http_server **out, const struct http_parts *p, int unix_fd, int tcp_fd,
                      struct err *e)
{
    struct http_server *s = calloc(1, sizeof *s);
    int rc;

    *out = NULL;
    if (s == NULL) {
        net_close(unix_fd);
        net_close(tcp_fd);
        return err_set(e, ERR_NOMEM, "http: out of memory");
    }
    s->k = p->collect;
    s->history = p->history;
    s->meta = p->meta;
    s->snmp = p->snmp;
    s->conf = conf_ref(p->conf);
    s->apps = apps_ref(p->apps);
    os_mutex_init(&s->conf_lock);
    rc = open_door(&s->local, s, p->conf, unix_fd, true, e);
    if (rc == ERR_OK)
        rc = open_door(&s->tcp, s, p->conf, tcp_fd, false, e);
    else
        net_close(tcp_fd);
    if (rc != ERR_OK) {
        http_server_stop(s);
        return rc;
    }
    *out = s;
    return ERR_OK;
}

void http_server_reload(struct http_server *s, struct conf *c, struct apps *apps)
{
    struct conf *old;
    struct apps *old_apps;

    os_lock(&s->conf_lock);
    old = s->conf;
    s->conf = conf_ref(c);
    old_apps = s->apps;
    s->apps = apps_ref(apps);
    os_unlock(&s->conf_lock);
    conf_unref(old);
    apps_unref(old_apps);
}

void http_server_stop(struct http_server *s)
{
    if (s == NULL)
        return;
    atomic_store(&s->stopping, true);
    /* answers see it and end properly; microhttpd would cut them off */
    for (int i = 0; i < STOP_LOOKS && atomic_load(&s->answers) > 0; i++)
        clock_sleep_ms(STOP_LOOK_MS);
    if (s->local.daemon != NULL)
        MHD_stop_daemon(s->local.daemon);
    if (s->tcp.daemon != NULL)
        MHD_stop_daemon(s->tcp.daemon);
    conf_unref(s->conf);
    apps_unref(s->apps);
    os_mutex_free(&s->conf_lock);
    free(s);
}
