#include "http/request.h"

#include <stdlib.h>
#include <string.h>

#include "base/near.h"

static const char *const paths[HTTP_RESOURCE_N] = {
    [HTTP_QUERY] = "/api/v1/query",        [HTTP_TAIL] = "/api/v1/tail",
    [HTTP_STATUS] = "/api/v1/status",      [HTTP_GAPS] = "/api/v1/gaps",
    [HTTP_SEAL] = "/api/v1/seal",          [HTTP_METRICS] = "/metrics",
    [HTTP_HISTORY] = "/api/v1/history",    [HTTP_HEALTH] = "/healthz",
    [HTTP_VERDICTS] = "/api/v1/exporters",
};

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* RFC 3986 section 2.1, and "+" as forms send blanks. NUL is refused: texts end there. */
static int unescape(struct buf *out, const char *s, size_t len, struct err *e)
{
    buf_clear(out);
    for (size_t i = 0; i < len; i++) {
        int c = (unsigned char)s[i];
        if (c == '+')
            c = ' ';
        else if (c == '%') {
            int hi = len - i > 2 ? hex(s[i + 1]) : -1, lo = hi >= 0 ? hex(s[i + 2]) : -1;
            if (lo < 0)
                return err_set(e, ERR_ARG, "the address holds a %% without two hexadecimal digits");
            c = hi * 16 + lo;
            i += 2;
        }
        if (c == 0)
            return err_set(e, ERR_ARG, "the address holds a NUL character");
        buf_char(out, (char)c);
    }
    return buf_ok(out) ? ERR_OK : err_set(e, ERR_NOMEM, "request: out of memory");
}

static int take_exporters(struct http_request *r, const char *value, struct err *e)
{
    size_t digits = strspn(value, "0123456789");

    if (strcmp(value, "all") == 0)
        r->exporters = UINT32_MAX;
    else if (digits > 0 && digits < 10 && value[digits] == '\0')
        r->exporters = (uint32_t)strtoul(value, NULL, 10);
    else
        return err_set(e, ERR_ARG, "exporters: \"%s\" is neither a number nor all", value);
    return ERR_OK;
}

static int take_pair(struct http_request *r, const char *name, const char *value, struct err *e)
{
    bool past =
        r->resource == HTTP_GAPS || r->resource == HTTP_HISTORY || r->resource == HTTP_VERDICTS;
    enum present_format f;

    if (strcmp(name, "exporters") == 0)
        return take_exporters(r, value != NULL ? value : "", e);
    if (past && strcmp(name, "exporter") == 0) {
        r->of_exporter = value != NULL && addr_parse(&r->exporter, value, strlen(value));
        return r->of_exporter ? ERR_OK
                              : err_set(e, ERR_ARG, "exporter: \"%s\" is no address",
                                        value != NULL ? value : "");
    }
    if (strcmp(name, "format") != 0)
        return query_params_set(&r->params, name, value, e);
    if (!present_format_parse(value != NULL ? value : "", &f))
        return err_set(e, ERR_ARG, "format: \"%s\" is none of: table csv json ndjson",
                       value != NULL ? value : "");
    r->format = (uint8_t)f;
    return ERR_OK;
}

static int parse_pairs(struct http_request *r, const char *s, struct err *e)
{
    struct buf name = buf_init(HTTP_TARGET_MAX), value = buf_init(HTTP_TARGET_MAX);
    int rc = ERR_OK;

    while (rc == ERR_OK && *s != '\0') {
        size_t n = strcspn(s, "&"), eq = strcspn(s, "=&");
        if (n > 0) {
            rc = unescape(&name, s, eq, e);
            if (rc == ERR_OK)
                rc = unescape(&value, s + MIN(eq + 1, n), n - MIN(eq + 1, n), e);
            if (rc == ERR_OK)
                rc = take_pair(r, buf_cstr(&name), eq < n ? buf_cstr(&value) : NULL, e);
        }
        s += n + (s[n] == '&');
    }
    buf_free(&name);
    buf_free(&value);
    return rc;
}

int http_request_parse(struct http_request *out, const char *target, struct err *e)
{
    size_t n = strcspn(target, "?");
    char path[64];
    const char *near;
    int rc;

    *out = (struct http_request){ .resource = HTTP_RESOURCE_N,
                                  .format = PRESENT_JSON,
                                  .exporters = HTTP_EXPORTERS };
    if (strlen(target) > HTTP_TARGET_MAX)
        return err_set(e, ERR_LIMIT, "the address is longer than %u octets", HTTP_TARGET_MAX);
    for (size_t i = 0; i < HTTP_RESOURCE_N; i++)
        if (strlen(paths[i]) == n && memcmp(paths[i], target, n) == 0)
            out->resource = (uint8_t)i;
    if (out->resource == HTTP_RESOURCE_N) {
        n = MIN(n, sizeof path - 1);
        memcpy(path, target, n);
        path[n] = '\0';
        near = near_word(path, n, paths, HTTP_RESOURCE_N);
        return err_set(e, ERR_NOTFOUND, "there is nothing at %s%s%s", path,
                       near != NULL ? "; did you mean " : "", near != NULL ? near : "");
    }
    if (target[n] == '\0')
        return ERR_OK;
    rc = parse_pairs(out, target + n + 1, e);
    if (rc != ERR_OK)
        http_request_free(out);
    return rc;
}

void http_request_free(struct http_request *r)
{
    query_params_free(&r->params);
}

void http_add_param(struct buf *target, const char *name, const char *value)
{
    bool first = buf_ok(target) && memchr(target->p, '?', target->len) == NULL;

    buf_char(target, first ? '?' : '&');
    buf_printf(target, "%s=", name);
    for (; *value != '\0'; value++) {
        unsigned char c = (unsigned char)*value;
        if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
            strchr("-._~", c) != NULL)
            buf_char(target, (char)c);
        else
            buf_printf(target, "%%%02X", c);
    }
}
