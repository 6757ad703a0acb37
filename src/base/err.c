#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>

static const char *const names[ERR_N] = {
    [ERR_OK] = "ok",
    [ERR_NOMEM] = "out of memory",
    [ERR_IO] = "input/output error",
    [ERR_FORMAT] = "malformed",
    [ERR_FULL] = "full",
    [ERR_ARG] = "bad value",
    [ERR_SYNTAX] = "syntax error",
    [ERR_NOTFOUND] = "not found",
    [ERR_BUSY] = "busy",
    [ERR_LIMIT] = "limit reached",
    [ERR_VERSION] = "other format version",
    [ERR_CORRUPT] = "damaged",
    [ERR_CANCEL] = "cancelled",
    [ERR_UNSUPPORTED] = "not supported",
};

static PRINTF_LIKE(5, 0) void fill(struct err *e, int code, size_t pos, size_t len, const char *fmt,
                                   va_list ap)
{
    e->code = code;
    e->pos = pos;
    e->len = len;
    (void)vsnprintf(e->msg, sizeof e->msg, fmt, ap);
}

int err_set(struct err *e, int code, const char *fmt, ...)
{
    va_list ap;

    if (e == NULL)
        return code;
    va_start(ap, fmt);
    fill(e, code, 0, 0, fmt, ap);
    va_end(ap);
    return code;
}

int err_at(struct err *e, int code, size_t pos, size_t len, const char *fmt, ...)
{
    va_list ap;

    if (e == NULL)
        return code;
    va_start(ap, fmt);
    fill(e, code, pos, len, fmt, ap);
    va_end(ap);
    return code;
}

const char *err_name(int code)
{
    return code >= 0 && code < ERR_N ? names[code] : "unknown error";
}
