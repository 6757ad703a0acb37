/* Text to plan to check text and back. What is printed must parse again. */
#include <stdlib.h>
#include <string.h>

#include "query/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct query_params p = { 0 }, q = { 0 };
    struct buf out = buf_init(8u << 20);
    struct plan *plan, *again;
    struct err e = { 0 };
    char *text = malloc(size + 1);

    if (text == NULL)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    if (query_params_set(&p, "filter", text, &e) == ERR_OK) {
        if (query_plan(&plan, &p, 1772546400000, &e) == ERR_OK) {
            query_check(&out, plan);
            buf_clear(&out);
            query_filter_text(&out, plan->filter);
            if (buf_ok(&out) && query_params_set(&q, "filter", buf_cstr(&out), &e) == ERR_OK &&
                query_plan(&again, &q, 1772546400000, &e) == ERR_OK)
                plan_free(again);
            plan_free(plan);
        } else {
            query_error_show(&out, &p, &e);
        }
    }
    query_params_free(&p);
    query_params_free(&q);
    buf_free(&out);
    free(text);
    return 0;
}
