/* The target of a request: path and parameters to a question, and on to its plan. */
#include <stdlib.h>
#include <string.h>

#include "http/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
        if (query_plan(&p, &q.params, 1700000000000, &e) == ERR_OK)
            plan_free(p);
        http_request_free(&q);
    } else if (e.msg[0] == '\0')
        abort();
    free(target);
    return 0;
}
