/* One JSON object of a line (RFC 8259), as far as records of flows need it: flat pairs. */
#include "convert/internal.h"

#include <string.h>

#define MAX_NAME  256u
#define MAX_DEPTH 8u

struct json {
    const char *p, *end;
    struct buf *hold;
    struct json_pair *out;
    size_t cap, n;
    unsigned depth;
    char prefix[MAX_NAME];
    size_t prefix_len;
};

static void blanks(struct json *j)
{
    while (j->p < j->end && (*j->p == ' ' || *j->p == '\t' || *j->p == '\n' || *j->p == '\r'))
        j->p++;
}

static bool mark(struct json *j, char c)
{
    blanks(j);
    if (j->p >= j->end || *j->p != c)
        return false;
    j->p++;
    return true;
}

static bool hex4(struct json *j, uint32_t *out)
{
    *out = 0;
    for (unsigned i = 0; i < 4; i++, j->p++) {
        unsigned c = j->p < j->end ? (unsigned char)*j->p : 0;
        unsigned lower = c | 0x20;
        if (c >= '0' && c <= '9')
            *out = *out << 4 | (c - '0');
        else if (lower >= 'a' && lower <= 'f')
            *out = *out << 4 | (lower - 'a' + 10);
        else
            return false;
    }
    return true;
}

static void put_utf8(struct buf *b, uint32_t c)
{
    if (c < 0x80) {
        buf_char(b, (char)c);
        return;
    }
    if (c < 0x800) {
        buf_be(b, 0xc0 | c >> 6, 1);
    } else {
        if (c < 0x10000) {
            buf_be(b, 0xe0 | c >> 12, 1);
        } else {
            buf_be(b, 0xf0 | c >> 18, 1);
            buf_be(b, 0x80 | (c >> 12 & 0x3f), 1);
        }
        buf_be(b, 0x80 | (c >> 6 & 0x3f), 1);
    }
    buf_be(b, 0x80 | (c & 0x3f), 1);
}

static bool escape(struct json *j)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *at;
    uint32_t c, low;

    if (j->p >= j->end)
        return false;
    if (*j->p == 'u') {
        j->p++;
        if (!hex4(j, &c))
            return false;
        if (c >= 0xd800 && c < 0xdc00 && j->end - j->p >= 6 && j->p[0] == '\\' && j->p[1] == 'u') {
            j->p += 2;
            if (!hex4(j, &low) || low < 0xdc00 || low > 0xdfff)
                return false;
            c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
        }
        put_utf8(j->hold, c);
        return true;
    }
    at = memchr(from, *j->p, sizeof from - 1);
    if (at == NULL)
        return false;
    buf_char(j->hold, to[at - from]);
    j->p++;
    return true;
}

/* A string into hold; *at is where it begins there. */
static bool string(struct json *j, size_t *at, size_t *len)
{
    if (!mark(j, '"'))
        return false;
    *at = j->hold->len;
    while (j->p < j->end && *j->p != '"') {
        const char *q = j->p;
        while (j->p < j->end && *j->p != '"' && *j->p != '\\')
            j->p++;
        buf_put(j->hold, q, (size_t)(j->p - q));
        if (j->p < j->end && *j->p == '\\') {
            j->p++;
            if (!escape(j))
                return false;
        }
    }
    *len = j->hold->len - *at;
    return j->p++ < j->end && buf_ok(j->hold);
}

/* Over an array as it stands. */
static bool array(struct json *j)
{
    unsigned depth = 0;
    bool text = false;

    for (; j->p < j->end; j->p++) {
        if (text) {
            if (*j->p == '\\')
                j->p++;
            else
                text = *j->p != '"';
            continue;
        }
        text = *j->p == '"';
        depth += *j->p == '[';
        if (*j->p == ']' && --depth == 0) {
            j->p++;
            return true;
        }
    }
    return false;
}

static bool scalar_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-' || c == '+' || c == '.' ||
           c == 'E';
}

static bool object(struct json *j);

static bool value(struct json *j, struct json_pair *x)
{
    size_t at;
    const char *begin;

    blanks(j);
    if (j->p >= j->end)
        return false;
    x->text = *j->p == '"';
    if (x->text) {
        if (!string(j, &at, &x->value_len))
            return false;
        x->value = (const char *)(uintptr_t)at; /* hold may move: made a pointer at the end */
        return true;
    }
    begin = j->p;
    if (*j->p == '[') {
        if (!array(j))
            return false;
    } else {
        while (j->p < j->end && scalar_char(*j->p))
            j->p++;
    }
    x->value = begin;
    x->value_len = (size_t)(j->p - begin);
    x->null = x->value_len == 4 && memcmp(begin, "null", 4) == 0;
    return x->value_len > 0;
}

static bool pair(struct json *j)
{
    struct json_pair *x = &j->out[j->n];
    size_t at, len, outer = j->prefix_len;
    bool ok;

    if (j->n == j->cap || !string(j, &at, &len) || !mark(j, ':'))
        return false;
    blanks(j);
    if (j->p < j->end && *j->p == '{') {
        if (outer + len + 1 > sizeof j->prefix)
            return false;
        memcpy(j->prefix + outer, j->hold->p + at, len);
        j->prefix[outer + len] = '.';
        j->prefix_len = outer + len + 1;
        ok = object(j);
        j->prefix_len = outer;
        return ok;
    }
    *x = (struct json_pair){ 0 };
    if (outer > 0) { /* "outer.name" behind the name itself */
        size_t again = j->hold->len;
        uint8_t *p;
        buf_put(j->hold, j->prefix, outer);
        p = buf_room(j->hold, len);
        if (p == NULL)
            return false;
        memmove(p, j->hold->p + at, len);
        at = again;
        len += outer;
    }
    x->name = (const char *)(uintptr_t)at;
    x->name_len = len;
    j->n++;
    return value(j, x);
}

static bool object(struct json *j)
{
    if (!mark(j, '{') || ++j->depth > MAX_DEPTH)
        return false;
    if (!mark(j, '}')) {
        do {
            blanks(j);
            if (!pair(j))
                return false;
        } while (mark(j, ','));
        if (!mark(j, '}'))
            return false;
    }
    j->depth--;
    return true;
}

bool json_pairs(const char *s, size_t len, struct buf *hold, struct json_pair *out, size_t cap,
                size_t *n)
{
    struct json j = { .p = s, .end = s + len, .hold = hold, .out = out, .cap = cap };
    const char *base;
    bool ok;

    buf_clear(hold);
    ok = object(&j);
    blanks(&j);
    *n = 0;
    if (!ok || j.p != j.end || !buf_ok(hold))
        return false;
    base = buf_cstr(hold);
    for (size_t i = 0; i < j.n; i++) {
        out[i].name = base + (uintptr_t)out[i].name;
        if (out[i].text)
            out[i].value = base + (uintptr_t)out[i].value;
    }
    *n = j.n;
    return true;
}
