/* flow/elem.c - the dictionary of information elements, and their values as JSON and as text. */
#include "flow/elem.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "flow/addr.h"
#include "flow/elem_list.h"
#include "flow/shape.h"

#define APPLICATION_ID  95 /* RFC 6759: engine octet, then selector */
#define NTP_UNIX_S      2208988800u
#define NAME_MAX_OCTETS 96u

static int elem_cmp(const struct elem *e, uint32_t pen, uint16_t id)
{
    if (e->pen != pen)
        return e->pen < pen ? -1 : 1;
    if (e->id != id)
        return e->id < id ? -1 : 1;
    return 0;
}

/* Said once before threads start, only read afterwards. */
static const struct elem_own *own;

void elem_own_use(const struct elem_own *o)
{
    own = o;
}

static const struct elem *find(const struct elem *e, size_t n, uint32_t pen, uint16_t id)
{
    size_t lo = 0, hi = n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = elem_cmp(&e[mid], pen, id);
        if (c == 0)
            return &e[mid];
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

const struct elem *elem_find(uint32_t pen, uint16_t id)
{
    const struct elem *e = own != NULL ? find(own->row, own->n, pen, id) : NULL;

    if (e != NULL)
        return e;
    if (pen == 0 && id < ELEM_PLACES)
        return elem_place[id] == ELEM_NO_PLACE ? NULL : &elem_table[elem_place[id]];
    return find(elem_table, elem_count, pen, id);
}

/* --- names --- */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool same_word(const char *name, const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (name[i] == '\0' || lower(name[i]) != lower(s[i]))
            return false;
    return name[len] == '\0';
}

static bool parse_number(const char *s, size_t len, uint32_t max, uint32_t *out)
{
    uint64_t v = 0;

    if (len == 0 || len > 10)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (s[i] < '0' || s[i] > '9')
            return false;
        v = v * 10 + (uint64_t)(s[i] - '0');
    }
    if (v > max)
        return false;
    *out = (uint32_t)v;
    return true;
}

/* A name under one enterprise, or under any when `any`. The table is short; names are only looked
 * up when a question is read, not per row. */
static const struct elem *by_name(const char *s, size_t len, bool any, uint32_t pen)
{
    for (size_t i = 0; i < elem_count; i++)
        if ((any || elem_table[i].pen == pen) && same_word(elem_table[i].name, s, len))
            return &elem_table[i];
    for (size_t i = 0; own != NULL && i < own->n; i++)
        if ((any || own->row[i].pen == pen) && same_word(own->row[i].name, s, len))
            return &own->row[i];
    return NULL;
}

bool elem_parse(const char *s, size_t len, uint32_t *pen, uint16_t *id)
{
    const char *slash = memchr(s, '/', len);
    const char *last = s;
    const struct elem *e;
    uint32_t enterprise = 0, number;
    size_t last_len = len;

    if (slash != NULL) {
        if (!parse_number(s, (size_t)(slash - s), UINT32_MAX, &enterprise))
            return false;
        last = slash + 1;
        last_len = len - (size_t)(last - s);
    }
    if (parse_number(last, last_len, UINT16_MAX, &number)) {
        *pen = enterprise;
        *id = (uint16_t)number;
        return true;
    }
    e = by_name(last, last_len, slash == NULL, enterprise);
    if (e == NULL)
        return false;
    *pen = e->pen;
    *id = e->id;
    return true;
}

/* Edit distance of two words ignoring case, given up (as limit + 1) beyond `limit`. */
static unsigned distance(const char *name, const char *s, size_t len, unsigned limit)
{
    unsigned row[NAME_MAX_OCTETS + 1];
    size_t n = strlen(name);

    if (len > NAME_MAX_OCTETS || (n > len ? n - len : len - n) > limit)
        return limit + 1;
    for (size_t j = 0; j <= len; j++)
        row[j] = (unsigned)j;
    for (size_t i = 1; i <= n; i++) {
        unsigned diagonal = row[0], best;
        row[0] = (unsigned)i;
        best = row[0];
        for (size_t j = 1; j <= len; j++) {
            unsigned change = diagonal + (lower(name[i - 1]) != lower(s[j - 1]));
            diagonal = row[j];
            row[j] = MIN(MIN(row[j] + 1, row[j - 1] + 1), change);
            best = MIN(best, row[j]);
        }
        if (best > limit)
            return limit + 1;
    }
    return row[len];
}

static const char *nearest(const struct elem *e, size_t n, const char *s, size_t len,
                           unsigned *limit)
{
    const char *found = NULL;

    for (size_t i = 0; i<n && * limit> 0; i++) {
        unsigned d = distance(e[i].name, s, len, *limit - 1);
        if (d < *limit) { /* only a nearer one replaces it */
            found = e[i].name;
            *limit = d;
        }
    }
    return found;
}

const char *elem_nearest(const char *s, size_t len)
{
    unsigned limit = len < 4 ? 2 : len < 12 ? 4 : 6; /* less than that many changes */
    const char *found = nearest(elem_table, elem_count, s, len, &limit);
    const char *nearer = own != NULL ? nearest(own->row, own->n, s, len, &limit) : NULL;

    return nearer != NULL ? nearer : found;
}

size_t elem_name(uint32_t pen, uint16_t id, char *out, size_t cap)
{
    const struct elem *e = elem_find(pen, id);
    int n;

    if (e != NULL && e->shared)
        n = snprintf(out, cap, "%lu/%s", (unsigned long)pen, e->name);
    else if (e != NULL)
        n = snprintf(out, cap, "%s", e->name);
    else if (pen == SHAPE_PEN_V9_SCOPE)
        n = snprintf(out, cap, "scope/%u", id);
    else
        n = snprintf(out, cap, "%lu/%u", (unsigned long)pen, id);
    if (n < 0)
        return 0;
    return cap > 0 && (size_t)n >= cap ? cap - 1 : (size_t)n;
}

/* --- values --- */

/* How a value can be shown, after type and length have been looked at together. */
enum show {
    SHOW_HEX,
    SHOW_UINT,
    SHOW_INT,
    SHOW_FLOAT,
    SHOW_BOOL,
    SHOW_MAC,
    SHOW_STRING,
    SHOW_TIME,
    SHOW_IP4,
    SHOW_IP6,
    SHOW_APP
};

static enum show show_number(enum show want, size_t len)
{
    /* Wider than the registry's type is taken too: NetFlow v9 leaves the length to the template. */
    return len >= 1 && len <= 8 ? want : SHOW_HEX;
}

static enum show how_to_show(const struct elem *e, size_t len)
{
    if (e == NULL)
        return SHOW_HEX;
    switch ((enum elem_type)e->type) {
    case ELEM_UNSIGNED8:
    case ELEM_UNSIGNED16:
    case ELEM_UNSIGNED32:
    case ELEM_UNSIGNED64:
        return show_number(SHOW_UINT, len);
    case ELEM_SIGNED8:
    case ELEM_SIGNED16:
    case ELEM_SIGNED32:
    case ELEM_SIGNED64:
        return show_number(SHOW_INT, len);
    case ELEM_FLOAT32:
    case ELEM_FLOAT64:
        return len == 4 || len == 8 ? SHOW_FLOAT : SHOW_HEX;
    case ELEM_BOOLEAN:
        return len == 1 ? SHOW_BOOL : SHOW_HEX;
    case ELEM_MAC_ADDRESS:
        return len == 6 ? SHOW_MAC : SHOW_HEX;
    case ELEM_STRING:
        return SHOW_STRING;
    case ELEM_DATE_TIME_SECONDS:
        return len == 4 ? SHOW_TIME : SHOW_HEX;
    case ELEM_DATE_TIME_MILLISECONDS:
    case ELEM_DATE_TIME_MICROSECONDS:
    case ELEM_DATE_TIME_NANOSECONDS:
        return len == 8 ? SHOW_TIME : SHOW_HEX;
    case ELEM_IPV4_ADDRESS:
        return len == 4 ? SHOW_IP4 : SHOW_HEX;
    case ELEM_IPV6_ADDRESS:
        return len == 16 ? SHOW_IP6 : SHOW_HEX;
    case ELEM_OCTET_ARRAY:
        return e->pen == 0 && e->id == APPLICATION_ID && len >= 2 && len <= 9 ? SHOW_APP : SHOW_HEX;
    case ELEM_BASIC_LIST:
    case ELEM_SUB_TEMPLATE_LIST:
    case ELEM_SUB_TEMPLATE_MULTI_LIST:
    case ELEM_TYPE_N:
        break;
    }
    return SHOW_HEX;
}

void elem_hex(struct buf *out, const uint8_t *p, size_t len)
{
    static const char digit[] = "0123456789abcdef";
    uint8_t *q;

    if (len > SIZE_MAX / 2 || len == 0)
        return;
    q = buf_room(out, len * 2);
    if (q == NULL)
        return;
    for (size_t i = 0; i < len; i++) {
        q[2 * i] = (uint8_t)digit[p[i] >> 4];
        q[2 * i + 1] = (uint8_t)digit[p[i] & 15];
    }
}

static void put_uint(struct buf *out, uint64_t v)
{
    char text[20];
    size_t at = sizeof text;

    do {
        text[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    buf_put(out, text + at, sizeof text - at);
}

/* Two's complement of n octets, 1..8 (RFC 7011 section 6.2: reduced size keeps the sign). */
static int64_t signed_of(const uint8_t *p, size_t n)
{
    uint64_t v = be_uint(p, n);

    if (n < 8 && (p[0] & 0x80) != 0)
        v |= UINT64_MAX << (8 * n);
    return v <= INT64_MAX ? (int64_t)v : -(int64_t)(UINT64_MAX - v) - 1;
}

static double float_of(const uint8_t *p, size_t n)
{
    uint64_t bits = be_uint(p, n);
    double wide;

    if (n == 4) {
        uint32_t low = (uint32_t)bits;
        float f;
        memcpy(&f, &low, sizeof f);
        return (double)f;
    }
    memcpy(&wide, &bits, sizeof wide);
    return wide;
}

/* Octets of the longest valid UTF-8 sequence at p (RFC 3629); 0 if there is none. */
static size_t utf8_len(const uint8_t *p, size_t left)
{
    uint8_t low = 0x80, high = 0xbf;
    size_t n;

    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xc2 || p[0] > 0xf4)
        return 0;
    n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (n > left)
        return 0;
    if (p[0] == 0xe0)
        low = 0xa0; /* overlong */
    else if (p[0] == 0xed)
        high = 0x9f; /* surrogates */
    else if (p[0] == 0xf0)
        low = 0x90; /* overlong */
    else if (p[0] == 0xf4)
        high = 0x8f; /* beyond U+10FFFF */
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

static bool utf8_valid(const uint8_t *p, size_t len)
{
    size_t n;

    for (size_t i = 0; i < len; i += n) {
        n = utf8_len(p + i, len - i);
        if (n == 0)
            return false;
    }
    return true;
}

static size_t before_nul(const uint8_t *p, size_t len)
{
    const uint8_t *nul = len > 0 ? memchr(p, 0, len) : NULL;

    return nul != NULL ? (size_t)(nul - p) : len;
}

/* Text of valid UTF-8 with JSON's escapes (RFC 8259 section 7). */
static void put_json_text(struct buf *out, const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (p[i] == '"' || p[i] == '\\') {
            buf_char(out, '\\');
            buf_char(out, (char)p[i]);
        } else if (p[i] < 0x20 || p[i] == 0x7f) {
            buf_printf(out, "\\u%04x", p[i]);
        } else {
            buf_char(out, (char)p[i]);
        }
    }
}

/* Days since 1970 to a civil date (Gregorian); days may be negative. */
static void put_date(struct buf *out, int64_t days)
{
    int64_t z = days + 719468; /* from 0000-03-01, so that leap days end a year */
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    int64_t day = doy - (153 * mp + 2) / 5 + 1;
    int64_t month = mp < 10 ? mp + 3 : mp - 9;
    int64_t year = yoe + era * 400 + (month <= 2 ? 1 : 0);

    buf_printf(out, "%04d-%02d-%02d", (int)year, (int)month, (int)day);
}

static void put_instant(struct buf *out, int64_t s, uint32_t fraction, int digits)
{
    int64_t days = s >= 0 ? s / 86400 : -((-s + 86399) / 86400);
    int64_t rest = s - days * 86400;

    put_date(out, days);
    buf_printf(out, "T%02d:%02d:%02d", (int)(rest / 3600), (int)(rest / 60 % 60), (int)(rest % 60));
    if (digits > 0)
        buf_printf(out, ".%0*u", digits, (unsigned)fraction);
    buf_char(out, 'Z');
}

/* RFC 7011 section 6.1.9 and 6.1.10: seconds and 2^-32 parts since 1900. The first bit says which
 * era (RFC 4330 section 3): set = 1968..2036, clear = 2036..2104. */
static int64_t ntp_unix_s(uint32_t s)
{
    return (int64_t)s - (int64_t)NTP_UNIX_S + (s & 0x80000000u ? 0 : (int64_t)1 << 32);
}

#define LAST_MS 253402300799999u /* 9999-12-31T23:59:59.999Z */

static bool time_fits(const struct elem *e, const uint8_t *p)
{
    return e->type != ELEM_DATE_TIME_MILLISECONDS || be64(p) <= LAST_MS;
}

/* Parts of a second in an NTP time, rounded, because exporters round down when they make 2^-32
 * parts of a decimal fraction. May be a whole second. */
static uint64_t ntp_parts(const uint8_t *p, uint32_t per_s)
{
    return ((uint64_t)be32(p + 4) * per_s + (1u << 31)) >> 32;
}

static uint32_t parts_per_s(const struct elem *e)
{
    return e->type == ELEM_DATE_TIME_MICROSECONDS ? 1000000 : 1000000000;
}

static void put_time(struct buf *out, const struct elem *e, const uint8_t *p)
{
    uint32_t per_s = parts_per_s(e);
    uint64_t part;
    int64_t s;

    if (e->type == ELEM_DATE_TIME_SECONDS) {
        put_instant(out, (int64_t)be32(p), 0, 0);
        return;
    }
    if (e->type == ELEM_DATE_TIME_MILLISECONDS) {
        put_instant(out, (int64_t)(be64(p) / 1000), (uint32_t)(be64(p) % 1000), 3);
        return;
    }
    part = ntp_parts(p, per_s);
    s = ntp_unix_s(be32(p)) + (part == per_s);
    put_instant(out, s, part == per_s ? 0 : (uint32_t)part, per_s == 1000000 ? 6 : 9);
}

/* RFC 6759 section 4: classification engine and selector, as in "3..80". */
static void put_app(struct buf *out, const uint8_t *p, size_t len)
{
    put_uint(out, p[0]);
    buf_str(out, "..");
    put_uint(out, be_uint(p + 1, len - 1));
}

static void put_addr(struct buf *out, const uint8_t *p, size_t len)
{
    char text[ADDR_TEXT_MAX];
    struct addr a;

    if (len == 4) {
        a = addr_from_v4(be32(p));
    } else {
        memcpy(a.b, p, sizeof a.b);
        if (addr_is_v4(&a)) /* it was sent with 16 octets: say so */
            buf_str(out, "::ffff:");
    }
    buf_put(out, text, addr_format(&a, text));
}

static void put_float(struct buf *out, double v, size_t len)
{
    buf_printf(out, "%.*g", len == 4 ? 9 : 17, v);
}

/* Everything that looks the same in JSON (without the quotes) and in plain text. */
static void put_plain(struct buf *out, const struct elem *e, enum show how, const uint8_t *p,
                      size_t len)
{
    switch (how) {
    case SHOW_HEX:
        elem_hex(out, p, len);
        break;
    case SHOW_UINT:
        put_uint(out, be_uint(p, len));
        break;
    case SHOW_INT:
        buf_printf(out, "%lld", (long long)signed_of(p, len));
        break;
    case SHOW_FLOAT:
        put_float(out, float_of(p, len), len);
        break;
    case SHOW_BOOL: /* RFC 7011 section 6.1.5: 1 is true, 2 is false; others are shown as they are
                     */
        if (p[0] == 1 || p[0] == 2)
            buf_str(out, p[0] == 1 ? "true" : "false");
        else
            put_uint(out, p[0]);
        break;
    case SHOW_MAC:
        buf_printf(out, "%02x:%02x:%02x:%02x:%02x:%02x", p[0], p[1], p[2], p[3], p[4], p[5]);
        break;
    case SHOW_TIME:
        if (time_fits(e, p))
            put_time(out, e, p);
        else
            put_uint(out, be64(p));
        break;
    case SHOW_IP4:
    case SHOW_IP6:
        put_addr(out, p, len);
        break;
    case SHOW_APP:
        put_app(out, p, len);
        break;
    case SHOW_STRING:
        break; /* differs: see the callers */
    }
}

static bool is_bare(const struct elem *e, enum show how, const uint8_t *p, size_t len)
{
    switch (how) {
    case SHOW_UINT:
    case SHOW_INT:
    case SHOW_BOOL:
        return true;
    case SHOW_FLOAT:
        return isfinite(float_of(p, len)); /* JSON has no word for the others */
    case SHOW_TIME:
        return !time_fits(e, p);
    case SHOW_HEX:
    case SHOW_MAC:
    case SHOW_STRING:
    case SHOW_IP4:
    case SHOW_IP6:
    case SHOW_APP:
        break;
    }
    return false;
}

/* Octets that are not UTF-8 are shown as hex: replacing some would make unequal values look equal.
 */
static enum show string_or_hex(enum show how, const uint8_t *p, size_t *len)
{
    size_t n;

    if (how != SHOW_STRING)
        return how;
    n = before_nul(p, *len);
    if (!utf8_valid(p, n))
        return SHOW_HEX;
    *len = n;
    return how;
}

void elem_json(struct buf *out, uint32_t pen, uint16_t id, const uint8_t *p, size_t len)
{
    const struct elem *e = elem_find(pen, id);
    enum show how = string_or_hex(how_to_show(e, len), p, &len);

    if (e != NULL && elem_is_list(e->type) && elem_list_put(out, e->type, true, p, len))
        return;
    if (is_bare(e, how, p, len)) {
        put_plain(out, e, how, p, len);
        return;
    }
    buf_char(out, '"');
    if (how == SHOW_STRING)
        put_json_text(out, p, len);
    else
        put_plain(out, e, how, p, len);
    buf_char(out, '"');
}

void elem_text(struct buf *out, uint32_t pen, uint16_t id, const uint8_t *p, size_t len)
{
    const struct elem *e = elem_find(pen, id);
    enum show how = string_or_hex(how_to_show(e, len), p, &len);

    if (e != NULL && elem_is_list(e->type) && elem_list_put(out, e->type, false, p, len))
        return;
    if (how == SHOW_STRING)
        buf_put(out, p, len);
    else
        put_plain(out, e, how, p, len);
}

/* A time since 1970 in the unit of its type. */
static uint64_t time_number(const struct elem *e, const uint8_t *p, size_t len)
{
    if (e->type == ELEM_DATE_TIME_SECONDS || e->type == ELEM_DATE_TIME_MILLISECONDS)
        return be_uint(p, len);
    return (uint64_t)ntp_unix_s(be32(p)) * parts_per_s(e) + ntp_parts(p, parts_per_s(e));
}

bool elem_number(uint32_t pen, uint16_t id, const uint8_t *p, size_t len, uint64_t *out)
{
    const struct elem *e = elem_find(pen, id);

    switch (how_to_show(e, len)) {
    case SHOW_INT:
        *out = (uint64_t)signed_of(p, len);
        return true;
    case SHOW_UINT:
    case SHOW_BOOL:
    case SHOW_MAC:
    case SHOW_IP4:
    case SHOW_APP:
        if (len > 8)
            return false;
        *out = be_uint(p, len);
        return true;
    case SHOW_TIME:
        *out = time_number(e, p, len);
        return true;
    case SHOW_HEX:
        if (len == 0 || len > 8)
            return false;
        *out = be_uint(p, len);
        return true;
    case SHOW_FLOAT:
    case SHOW_STRING:
    case SHOW_IP6:
        break;
    }
    return false;
}
