/* The pieces of a question by name: options of the command line, parameters of a URL. */
#include <stdlib.h>
#include <strings.h>

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
    [QUERY_SESSIONS] = { "sessions", NULL, true, NULL, "list stitched sessions" },
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
    [QUERY_DEDUP] = { "dedup", NULL, false, "on|off",
                      "count a flow once that several exporters or interfaces report (default on, "
                      "off for lists and where the question names exporters or interfaces)" },
    [QUERY_NAMES] = { "names", NULL, false, "weir|ipfix", "names of columns in the output" },
    [QUERY_KIND] = { "kind", NULL, false, "flow|option", "flow records or option records" },
    [QUERY_VIEW] = { "view", NULL, false, "totals|rank|series|list|sessions",
                     "view of the answer" },
};

static char *copy_text(const char *s)
{
    size_t n = strlen(s) + 1;
    char *c = malloc(n);

    return c != NULL ? memcpy(c, s, n) : NULL;
}

int query_params_set(struct query_params *p, const char *name, const char *value, struct err *e)
{
    static const char *const later[] = { "compare", "cmp",         "direction", "around",
                                         "exact",   "approximate", "resolve" };
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
