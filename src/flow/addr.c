#include "flow/addr.h"

#include <arpa/inet.h>
#include <stdio.h>

struct addr addr_mask(const struct addr *a, unsigned len)
{
    struct addr r = { { 0 } };
    size_t whole = len / 8;

    if (len >= 128)
        return *a;
    memcpy(r.b, a->b, whole);
    if (len % 8 != 0)
        r.b[whole] = (uint8_t)(a->b[whole] & 0xff00u >> len % 8);
    return r;
}

size_t addr_format(const struct addr *a, char *out)
{
    if (addr_is_v4(a)) {
        int n = snprintf(out, ADDR_TEXT_MAX, "%u.%u.%u.%u", a->b[12], a->b[13], a->b[14], a->b[15]);
        return n > 0 ? (size_t)n : 0;
    }
    if (inet_ntop(AF_INET6, a->b, out, ADDR_TEXT_MAX) == NULL)
        out[0] = 0;
    return strlen(out);
}

bool addr_parse(struct addr *out, const char *s, size_t len)
{
    char text[ADDR_TEXT_MAX];
    uint8_t v4[4];

    if (len == 0 || len >= sizeof text)
        return false;
    memcpy(text, s, len);
    text[len] = 0;
    if (inet_pton(AF_INET, text, v4) == 1) {
        *out = addr_from_v4(be32(v4));
        return true;
    }
    return inet_pton(AF_INET6, text, out->b) == 1;
}

/* "10", "10.1", "10.1.2", "10.1.2.3": missing octets are zero. */
static bool short_v4(struct addr *out, const char *s, size_t len)
{
    uint32_t v = 0;
    unsigned part = 0, n_parts = 0, digits = 0;

    for (size_t i = 0; i <= len; i++) {
        if (i < len && s[i] >= '0' && s[i] <= '9') {
            part = part * 10 + (unsigned)(s[i] - '0');
            if (++digits > 3 || part > 255)
                return false;
        } else if ((i == len || s[i] == '.') && digits > 0 && n_parts < 4) {
            v |= (uint32_t)part << (24 - 8 * n_parts++);
            part = digits = 0;
        } else {
            return false;
        }
    }
    *out = addr_from_v4(v);
    return true;
}

bool net_parse(struct net *out, const char *s, size_t len, bool *had_host_bits)
{
    const char *slash = len > 0 ? memchr(s, '/', len) : NULL;
    size_t a_len = slash != NULL ? (size_t)(slash - s) : len;
    struct addr a;
    unsigned bits = 0, max;
    bool full = addr_parse(&a, s, a_len);

    if (!full && (slash == NULL || !short_v4(&a, s, a_len)))
        return false;
    max = addr_is_v4(&a) && memchr(s, ':', a_len) == NULL ? 32 : 128;
    if (slash == NULL) {
        bits = max;
    } else {
        size_t n = len - a_len - 1;
        if (n == 0 || n > 3)
            return false;
        for (size_t i = 0; i < n; i++) {
            if (slash[1 + i] < '0' || slash[1 + i] > '9')
                return false;
            bits = bits * 10 + (unsigned)(slash[1 + i] - '0');
        }
        if (bits > max)
            return false;
    }
    out->len = (uint8_t)(bits + 128 - max);
    out->a = addr_mask(&a, out->len);
    if (had_host_bits != NULL)
        *had_host_bits = addr_cmp(&out->a, &a) != 0;
    return true;
}
