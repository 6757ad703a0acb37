#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/be.h"

void buf_free(struct buf *b)
{
    free(b->p);
    *b = buf_init(b->max);
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    b->bad = false;
}

/* Make room for n octets behind len, one more for a terminator. */
static bool grow(struct buf *b, size_t n)
{
    size_t want, cap;
    uint8_t *p;

    if (b->bad || n > b->max - b->len) {
        b->bad = true;
        return false;
    }
    want = b->len + n + 1;
    if (want <= b->cap)
        return true;
    cap = b->cap < 128 ? 128 : b->cap;
    while (cap < want)
        cap += cap / 2;
    p = realloc(b->p, cap);
    if (p == NULL) {
        b->bad = true;
        return false;
    }
    b->p = p;
    b->cap = cap;
    return true;
}

uint8_t *buf_room(struct buf *b, size_t n)
{
    uint8_t *p;

    if (!grow(b, n))
        return NULL;
    p = b->p + b->len;
    b->len += n;
    return p;
}

void buf_put(struct buf *b, const void *data, size_t n)
{
    uint8_t *p = buf_room(b, n);

    if (p != NULL && n > 0)
        memcpy(p, data, n);
}

void buf_str(struct buf *b, const char *s)
{
    buf_put(b, s, strlen(s));
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap, again;
    int n;

    va_start(ap, fmt);
    va_copy(again, ap);
    n = vsnprintf(NULL, 0, fmt, ap);
    if (n < 0) {
        b->bad = true;
    } else if (grow(b, (size_t)n)) {
        (void)vsnprintf((char *)b->p + b->len, (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
    }
    va_end(again);
    va_end(ap);
}

void buf_le(struct buf *b, uint64_t v, size_t n)
{
    uint8_t *p = buf_room(b, n);

    if (p != NULL)
        le_put(p, v, n);
}

void buf_be(struct buf *b, uint64_t v, size_t n)
{
    uint8_t *p = buf_room(b, n);

    if (p != NULL)
        be_put(p, v, n);
}

const char *buf_cstr(struct buf *b)
{
    if (!grow(b, 0))
        return "";
    b->p[b->len] = 0;
    return (const char *)b->p;
}
