#include "meta/item.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/near.h"
#include "flow/addr_map.h"
#include "flow/geo.h"
#include "flow/word.h"

/* Digits only, up to max. */
static bool digits(const char *s, size_t len, uint32_t max, uint32_t *out)
{
    uint64_t v = 0;

    if (len == 0 || len > 10)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (s[i] < '0' || s[i] > '9')
            return false;
        v = v * 10 + (uint64_t)(s[i] - '0');
    }
    *out = (uint32_t)v;
    return v <= max;
}

/* N or A..B; A-B too. */
static bool span(const char *s, uint32_t max, uint32_t *lo, uint32_t *hi)
{
    const char *dots = strstr(s, ".."), *dash = strchr(s, '-'), *second;

    if (dots == NULL && dash == NULL) {
        *hi = 0;
        if (!digits(s, strlen(s), max, lo))
            return false;
        *hi = *lo;
        return true;
    }
    second = dots != NULL ? dots + 2 : dash + 1;
    return digits(s, (size_t)((dots != NULL ? dots : dash) - s), max, lo) &&
           digits(second, strlen(second), max, hi) && *lo <= *hi;
}

bool item_as(const char *s, size_t len, uint32_t *as)
{
    return len > 2 && strncasecmp(s, "as", 2) == 0 && digits(s + 2, len - 2, UINT32_MAX, as);
}

static bool protocol(const char *s, size_t len, uint32_t *out)
{
    const struct word_number *w = word_find(words_proto, words_proto_n, s, len);

    if (w == NULL)
        return digits(s, len, 255, out);
    *out = (uint32_t)w->lo;
    return true;
}

int item_net(const char *s, size_t len, struct addr *from, struct addr *to, struct err *e)
{
    struct buf hint = buf_init(256);
    const char *dots = NULL;
    struct net n;
    struct addr last;
    bool cut = false;

    for (size_t i = 0; dots == NULL && i + 1 < len; i++)
        if (s[i] == '.' && s[i + 1] == '.')
            dots = s + i;
    if (dots != NULL) {
        size_t k = (size_t)(dots - s);
        if (!addr_parse(from, s, k) || !addr_parse(to, dots + 2, len - k - 2))
            return err_set(e, ERR_NOTFOUND, "\"%.*s\" is no address or network", (int)len, s);
        if (addr_is_v4(from) != addr_is_v4(to))
            return err_set(e, ERR_ARG, "\"%.*s\": both ends are to be of one family", (int)len, s);
        if (addr_cmp(from, to) > 0)
            return err_set(e, ERR_ARG, "\"%.*s\" is empty: the smaller end comes first", (int)len,
                           s);
        return ERR_OK;
    }
    if (len >= 64 || !net_parse(&n, s, len, &cut))
        return err_set(e, ERR_NOTFOUND, "\"%.*s\" is no address or network", (int)MIN(len, 64u), s);
    last = net_last(&n);
    if (cut) {
        item_net_text(&hint, &n.a, &last);
        (void)err_set(e, ERR_ARG,
                      "\"%.*s\" has host bits: write %s for the network, or %.*s for the one host",
                      (int)len, s, buf_cstr(&hint), (int)strcspn(s, "/"), s);
        buf_free(&hint);
        return ERR_ARG;
    }
    *from = n.a;
    *to = last;
    return ERR_OK;
}

void item_net_text(struct buf *out, const struct addr *from, const struct addr *to)
{
    struct net n = net_of_range(from, to);
    struct addr last = net_last(&n);
    char text[ADDR_TEXT_MAX];

    (void)addr_format(from, text);
    buf_str(out, text);
    if (addr_cmp(&last, to) == 0) {
        if (n.len < 128)
            buf_printf(out, "/%u", n.len - (addr_is_v4(from) && n.len >= 96 ? 96u : 0u));
        return;
    }
    (void)addr_format(to, text);
    buf_printf(out, "..%s", text);
}

/* ------------------------------------------------------------------ words */

/* What stands behind a word: "port 443", "port:443". NULL: another word. */
static const char *behind(const char *s, const char *word)
{
    size_t n = strlen(word);

    if (strncasecmp(s, word, n) != 0 || (s[n] != ' ' && s[n] != ':' && s[n] != '='))
        return NULL;
    s += n + 1;
    while (*s == ' ')
        s++;
    return *s != '\0' ? s : NULL;
}

static int keep(char **to, const char *s, size_t len, struct err *e)
{
    while (len > 0 && s[len - 1] == ' ')
        len--;
    if ((*to = strndup(s, len)) == NULL)
        return err_set(e, ERR_NOMEM, "definitions: out of memory");
    return ERR_OK;
}

static int interface(struct item *x, const char *s, struct err *e)
{
    const char *last = strrchr(s, ' ');
    int rc;

    if (last == NULL || last == s)
        return err_set(e, ERR_ARG, "\"if %.64s\": exporter and ifIndex are expected: if fra1 3", s);
    x->kind = ITEM_IF;
    rc = keep(&x->name, s, (size_t)(last - s), e);
    if (rc == ERR_OK && !digits(last + 1, strlen(last + 1), UINT32_MAX, &x->lo))
        rc = keep(&x->port, last + 1, strlen(last + 1), e);
    x->hi = x->lo;
    return rc;
}

/* "tcp/443", "udp/5000..5010"; false: no such thing. By name only: 10/8 is a network. */
static bool service(struct item *x, const char *s)
{
    const char *slash = strchr(s, '/');
    uint32_t proto;

    if (slash == NULL || (*s >= '0' && *s <= '9') || !protocol(s, (size_t)(slash - s), &proto) ||
        !span(slash + 1, 65535, &x->lo, &x->hi))
        return false;
    x->kind = ITEM_SERVICE;
    x->proto = (uint8_t)proto;
    return true;
}

static int numbers(struct item *x, enum item_kind kind, const char *word, const char *s,
                   uint32_t max, struct err *e)
{
    x->kind = (uint8_t)kind;
    if (span(s, max, &x->lo, &x->hi))
        return ERR_OK;
    return err_set(e, ERR_ARG, "\"%s %.64s\": a number of 0 to %u is expected, or a range A..B",
                   word, s, max);
}

static bool upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static int country(struct item *x, const char *s, struct err *e)
{
    size_t n = strlen(s);

    while (n > 0 && s[n - 1] == ' ')
        n--;
    if (n != 2 || !upper(s[0] & ~32) || !upper(s[1] & ~32))
        return err_set(e, ERR_ARG,
                       "\"country %.64s\": two letters of ISO 3166 are expected: DE, US", s);
    x->kind = ITEM_COUNTRY;
    x->lo = x->hi = GEO_LETTERS(s[0] & ~32, s[1] & ~32);
    return ERR_OK;
}

static int what_else(const char *s, struct err *e)
{
    static const char *const words[] = { "proto", "port",    "vlan",    "group",  "exporter",
                                         "if",    "country", "AS64500", "tcp/443" };
    size_t n = strcspn(s, " :=");
    const char *near = near_word(s, n, words, ARRAY_LEN(words));

    return err_set(e, ERR_ARG,
                   "\"%.100s\" is no member%s%s%s; members are 10.1.0.0/16, 10.1.2.3..10.1.2.9, "
                   "AS64500, country DE, port 443, proto gre, tcp/443, vlan 100, exporter NAME, if "
                   "EXPORTER IFINDEX, group NAME, each with ! in front as an exception",
                   s, near != NULL ? ": did you mean " : "", near != NULL ? near : "",
                   near != NULL ? "?" : "");
}

static int parse(struct item *x, const char *s, struct err *e)
{
    const char *p;
    size_t len = strlen(s);
    int rc;

    if ((p = behind(s, "port")) != NULL)
        return numbers(x, ITEM_PORT, "port", p, 65535, e);
    if ((p = behind(s, "vlan")) != NULL)
        return numbers(x, ITEM_VLAN, "vlan", p, 4095, e);
    if ((p = behind(s, "as")) != NULL)
        return numbers(x, ITEM_AS, "as", p, UINT32_MAX, e);
    if ((p = behind(s, "proto")) != NULL) {
        x->kind = ITEM_PROTO;
        if (!protocol(p, strlen(p), &x->lo))
            return err_set(e, ERR_ARG,
                           "\"proto %.64s\": a name as tcp, gre, esp or a number of 0 "
                           "to 255 is expected",
                           p);
        x->hi = x->lo;
        return ERR_OK;
    }
    if ((p = behind(s, "group")) != NULL) {
        x->kind = ITEM_GROUP;
        return keep(&x->name, p, strlen(p), e);
    }
    if ((p = behind(s, "exporter")) != NULL) {
        x->kind = ITEM_EXPORTER;
        return keep(&x->name, p, strlen(p), e);
    }
    if ((p = behind(s, "if")) != NULL || (p = behind(s, "interface")) != NULL)
        return interface(x, p, e);
    if ((p = behind(s, "country")) != NULL || (p = behind(s, "geo")) != NULL ||
        (p = len == 2 && upper(s[0]) && upper(s[1]) ? s : NULL) != NULL)
        return country(x, p, e);
    if (len > 2 && strncasecmp(s, "as", 2) == 0 && s[2] >= '0' && s[2] <= '9') {
        const char *second = strstr(s + 2, "..");
        char text[64];
        if (second != NULL && strncasecmp(second + 2, "as", 2) == 0 && len < sizeof text) {
            size_t k = (size_t)(second - s);
            memcpy(text, s + 2, k);
            memcpy(text + k, s + k + 4, len - k - 3);
            return numbers(x, ITEM_AS, "as", text, UINT32_MAX, e);
        }
        return numbers(x, ITEM_AS, "as", s + 2, UINT32_MAX, e);
    }
    if (service(x, s))
        return ERR_OK;
    x->kind = ITEM_NET;
    rc = item_net(s, len, &x->from, &x->to, e);
    return rc == ERR_NOTFOUND ? what_else(s, e) : rc;
}

int item_parse(struct item *out, const char *s, struct err *e)
{
    int rc;

    *out = (struct item){ 0 };
    while (*s == ' ')
        s++;
    if (*s == '!') {
        out->out = true;
        for (s++; *s == ' '; s++)
            ;
    }
    if (*s == '\0')
        return err_set(e, ERR_ARG, "an empty member");
    rc = parse(out, s, e);
    if (rc != ERR_OK)
        item_free(out);
    return rc;
}

void item_free(struct item *x)
{
    free(x->name);
    free(x->port);
    *x = (struct item){ 0 };
}

static void span_text(struct buf *out, const struct item *x)
{
    buf_printf(out, "%u", x->lo);
    if (x->hi > x->lo)
        buf_printf(out, "..%u", x->hi);
}

static void protocol_text(struct buf *out, uint32_t n)
{
    const char *word = word_of(words_proto, words_proto_n, n);

    if (word != NULL)
        buf_str(out, word);
    else
        buf_printf(out, "%u", n);
}

void item_text(struct buf *out, const struct item *x)
{
    if (x->out)
        buf_char(out, '!');
    switch ((enum item_kind)x->kind) {
    case ITEM_NET:
        item_net_text(out, &x->from, &x->to);
        break;
    case ITEM_AS:
        buf_str(out, "AS");
        span_text(out, x);
        break;
    case ITEM_COUNTRY:
        buf_printf(out, "country %c%c", (int)(x->lo >> 8), (int)(x->lo & 255));
        break;
    case ITEM_PORT:
        buf_str(out, "port ");
        span_text(out, x);
        break;
    case ITEM_PROTO:
        buf_str(out, "proto ");
        protocol_text(out, x->lo);
        break;
    case ITEM_SERVICE:
        protocol_text(out, x->proto);
        buf_char(out, '/');
        span_text(out, x);
        break;
    case ITEM_VLAN:
        buf_str(out, "vlan ");
        span_text(out, x);
        break;
    case ITEM_EXPORTER:
        buf_printf(out, "exporter %s", x->name);
        break;
    case ITEM_IF:
        buf_printf(out, "if %s ", x->name);
        if (x->port != NULL)
            buf_str(out, x->port);
        else
            buf_printf(out, "%u", x->lo);
        break;
    case ITEM_GROUP:
        buf_printf(out, "group %s", x->name);
        break;
    case ITEM_KINDS:
        break;
    }
}
