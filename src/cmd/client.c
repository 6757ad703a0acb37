#include "cmd/client.h"

#include <curl/curl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define PROBLEM_MAX (1u << 20)

struct transfer {
    CURL *h;
    bool (*put)(void *ctx, const char *p, size_t n);
    void *ctx;
    struct client_answer *out;
};

static size_t on_body(char *p, size_t one, size_t n, void *ctx)
{
    struct transfer *t = ctx;
    long status = 0;

    (void)curl_easy_getinfo(t->h, CURLINFO_RESPONSE_CODE, &status);
    n *= one;
    if (status != 200) {
        buf_put(&t->out->problem, p, n);
        return n;
    }
    if (t->put(t->ctx, p, n))
        return n;
    t->out->sink_failed = true;
    return 0;
}

static void take_header(const char *name, const char *p, size_t n, char *out, size_t cap)
{
    size_t len = strlen(name);

    if (n <= len || strncasecmp(p, name, len) != 0 || p[len] != ':')
        return;
    p += len + 1;
    n -= len + 1;
    while (n > 0 && *p == ' ') {
        p++;
        n--;
    }
    while (n > 0 && (p[n - 1] == '\r' || p[n - 1] == '\n'))
        n--;
    (void)snprintf(out, cap, "%.*s", (int)MIN(n, cap - 1), p);
}

/* libcurl gives trailers the same way as headers. */
static size_t on_header(char *p, size_t one, size_t n, void *ctx)
{
    struct transfer *t = ctx;

    take_header("Weir-Incomplete", p, n * one, t->out->incomplete, sizeof t->out->incomplete);
    take_header("Weir-Error", p, n * one, t->out->error, sizeof t->out->error);
    return n * one;
}

static int request(const char *socket_path, const char *target, bool post,
                   bool (*put)(void *ctx, const char *p, size_t n), void *ctx,
                   struct client_answer *out, struct err *e)
{
    struct buf url = buf_init(1u << 20);
    struct transfer t = { .put = put, .ctx = ctx, .out = out };
    long status = 0;
    CURLcode rc = CURLE_OUT_OF_MEMORY;

    *out = (struct client_answer){ .problem = buf_init(PROBLEM_MAX) };
    buf_str(&url, "http://weir");
    buf_str(&url, target);
    t.h = curl_easy_init();
    if (t.h != NULL && buf_ok(&url)) {
        (void)curl_easy_setopt(t.h, CURLOPT_URL, buf_cstr(&url));
        (void)curl_easy_setopt(t.h, CURLOPT_UNIX_SOCKET_PATH, socket_path);
        (void)curl_easy_setopt(t.h, CURLOPT_PROXY, "");
        (void)curl_easy_setopt(t.h, CURLOPT_NOSIGNAL, 1L);
        (void)curl_easy_setopt(t.h, CURLOPT_WRITEFUNCTION, on_body);
        (void)curl_easy_setopt(t.h, CURLOPT_WRITEDATA, &t);
        (void)curl_easy_setopt(t.h, CURLOPT_HEADERFUNCTION, on_header);
        (void)curl_easy_setopt(t.h, CURLOPT_HEADERDATA, &t);
        if (post) {
            (void)curl_easy_setopt(t.h, CURLOPT_POSTFIELDS, "");
            (void)curl_easy_setopt(t.h, CURLOPT_POSTFIELDSIZE, 0L);
        }
        rc = curl_easy_perform(t.h);
        (void)curl_easy_getinfo(t.h, CURLINFO_RESPONSE_CODE, &status);
    }
    if (t.h != NULL)
        curl_easy_cleanup(t.h);
    buf_free(&url);
    out->status = (int)status;
    if (rc == CURLE_OK || out->sink_failed)
        return ERR_OK;
    return err_set(e, ERR_IO, "server at %s: %s", socket_path, curl_easy_strerror(rc));
}

int client_get(const char *socket_path, const char *target,
               bool (*put)(void *ctx, const char *p, size_t n), void *ctx,
               struct client_answer *out, struct err *e)
{
    return request(socket_path, target, false, put, ctx, out, e);
}

int client_post(const char *socket_path, const char *target,
                bool (*put)(void *ctx, const char *p, size_t n), void *ctx,
                struct client_answer *out, struct err *e)
{
    return request(socket_path, target, true, put, ctx, out, e);
}

int client_problem(const struct args *a, struct client_answer *r)
{
    json_t *o = json_loadb((const char *)r->problem.p, r->problem.len, 0, NULL);
    const char *shown = json_string_value(json_object_get(o, "shown"));
    const char *detail = json_string_value(json_object_get(o, "detail"));

    if (shown != NULL && shown[0] != '\0')
        (void)fprintf(stderr, "weir %s: %s%s", a->command->name, shown,
                      shown[strlen(shown) - 1] == '\n' ? "" : "\n");
    else
        (void)fprintf(stderr, "weir %s: %s\n", a->command->name,
                      detail != NULL ? detail : "the server refused without a reason");
    json_decref(o);
    return r->status == 400 ? EXIT_USAGE : EXIT_FAILED;
}

bool client_to_stdout(void *ctx, const char *p, size_t n)
{
    (void)ctx;
    return fwrite(p, 1, n, stdout) == n && fflush(stdout) == 0;
}

bool client_keep(void *buf, const char *p, size_t n)
{
    buf_put(buf, p, n);
    return buf_ok(buf);
}

json_int_t client_num(const json_t *o, const char *name)
{
    return json_integer_value(json_object_get(o, name));
}

const char *client_text(const json_t *o, const char *name)
{
    const char *s = json_string_value(json_object_get(o, name));

    return s != NULL ? s : "-";
}
