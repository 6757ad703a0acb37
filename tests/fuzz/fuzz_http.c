/* The target of a request: path and parameters to a question, and on to its plan. A question that
 * was understood, written again as `weir query` writes it to a server, is the same question. */
#include <stdlib.h>
#include <string.h>

#include "http/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool same(const char *a, const char *b)
{
    return (a == NULL) == (b == NULL) && (a == NULL || strcmp(a, b) == 0);
}

static void write_again(const struct http_request *q)
{
    static const char *const formats[] = { "table", "csv", "json", "ndjson" };
    struct buf target = buf_init(16u << 20);
    struct http_request again;
    struct err e = { 0 };
    enum present_format f;

    buf_str(&target, "/api/v1/query");
    for (size_t i = 0; i < QUERY_PARAM_N; i++)
        if (q->params.text[i] != NULL)
            http_add_param(&target, query_param_info[i].name, q->params.text[i]);
    for (size_t i = 0; i < ARRAY_LEN(formats); i++)
        if (present_format_parse(formats[i], &f) && f == q->format)
            http_add_param(&target, "format", formats[i]);
    if (buf_ok(&target) && target.len <= HTTP_TARGET_MAX) {
        if (http_request_parse(&again, buf_cstr(&target), &e) != ERR_OK ||
            again.format != q->format)
            abort();
        for (size_t i = 0; i < QUERY_PARAM_N; i++)
            if (!same(q->params.text[i], again.params.text[i]))
                abort();
        http_request_free(&again);
    }
    buf_free(&target);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *target = malloc(size + 1);
    struct http_request q;
    struct plan *p;
    struct err e = { 0 };

    if (target == NULL)
        return 0;
    if (size > 0)
        memcpy(target, data, size);
    target[size] = '\0';
    if (http_request_parse(&q, target, &e) == ERR_OK) {
        if (q.resource >= HTTP_RESOURCE_N)
            abort();
        write_again(&q);
        if (query_plan(&p, &q.params, 1700000000000, &e) == ERR_OK)
            plan_free(p);
        http_request_free(&q);
    } else if (e.msg[0] == '\0')
        abort();
    free(target);
    return 0;
}
