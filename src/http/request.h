/* http/request.h - from the target of a request to what is asked.
 * Floor 6. Pure. */
#ifndef WEIR_HTTP_REQUEST_H
#define WEIR_HTTP_REQUEST_H

#include "present/present.h"
#include "query/parse.h"

#define HTTP_EXPORTERS  100u         /* listed in a status unless more are asked for */
#define HTTP_TARGET_MAX (256u << 10) /* octets of a request's target */

enum http_resource {
    HTTP_QUERY,    /* /api/v1/query */
    HTTP_TAIL,     /* /api/v1/tail */
    HTTP_STATUS,   /* /api/v1/status */
    HTTP_GAPS,     /* /api/v1/gaps */
    HTTP_HISTORY,  /* /api/v1/history */
    HTTP_VERDICTS, /* /api/v1/exporters */
    HTTP_SEAL,     /* POST /api/v1/seal */
    HTTP_METRICS,  /* /metrics */
    HTTP_HEALTH,   /* /healthz */
    HTTP_RESOURCE_N
};

struct http_request {
    uint8_t resource;   /* enum http_resource */
    uint8_t format;     /* enum present_format */
    uint32_t exporters; /* of the status, verdicts: how many are listed */
    bool of_exporter;   /* gaps, history, verdicts: of this one only */
    struct addr exporter;
    struct query_params params;
};

/* Understand "/path?name=value&...": names are those of query_param_info, "format", of the status
 * "exporters" (a number, or all), of gaps, history and exporters "exporter". "+" is a blank, %XX an
 * octet. On success the contents are the caller's, to be freed with http_request_free(). Errors:
 * ERR_NOTFOUND (no such path; ERR_ARG in all other cases of bad names and values), ERR_UNSUPPORTED,
 * ERR_LIMIT, ERR_NOMEM. */
int http_request_parse(struct http_request *out, const char *target, struct err *e) WARN_UNUSED;
void http_request_free(struct http_request *r);

/* Append one "name=value" pair, escaped, with "?" or "&" before it. */
void http_add_param(struct buf *target, const char *name, const char *value);

#endif
