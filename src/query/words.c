/* Names of numbers, near words, numbers with units. */
#include <stdio.h>
#include <strings.h>

#include "query/syntax.h"

#define ONE(word, n) \
    {                \
        word, n, n   \
    }

/* RFC 2474, 2597, 3246, 5865, 8622. */
const struct word_number words_dscp[] = {
    ONE("cs0", 0),   ONE("be", 0),    ONE("default", 0),      ONE("le", 1),    ONE("cs1", 8),
    ONE("af11", 10), ONE("af12", 12), ONE("af13", 14),        ONE("cs2", 16),  ONE("af21", 18),
    ONE("af22", 20), ONE("af23", 22), ONE("cs3", 24),         ONE("af31", 26), ONE("af32", 28),
    ONE("af33", 30), ONE("cs4", 32),  ONE("af41", 34),        ONE("af42", 36), ONE("af43", 38),
    ONE("cs5", 40),  ONE("va", 44),   ONE("voice-admit", 44), ONE("ef", 46),   ONE("cs6", 48),
    ONE("cs7", 56),
};
const size_t words_dscp_n = ARRAY_LEN(words_dscp);

/* RFC 7270 section 4.12; the short words are nfdump's, each one code. */
const struct word_number words_fwd[] = {
    { "unknown", 0, 63 },     { "forwarded", 64, 127 }, { "dropped", 128, 191 },
    { "consumed", 192, 255 }, ONE("forw", 64),          ONE("frag", 65),
    ONE("nofrag", 66),        ONE("drop", 128),
};
const size_t words_fwd_n = ARRAY_LEN(words_fwd);

const struct word_number words_sampling[] = { ONE("unknown", 0) };
const size_t words_sampling_n = ARRAY_LEN(words_sampling);

const struct word_number words_state[5] = { ONE("open", 0), ONE("closed", 1), ONE("refused", 2),
                                            ONE("unanswered", 3), ONE("syn-only", 4) };

const struct word_number words_weekday[] = {
    ONE("mon", 1), ONE("tue", 2), ONE("wed", 3), ONE("thu", 4),
    ONE("fri", 5), ONE("sat", 6), ONE("sun", 7),
};

static unsigned lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (unsigned)(c - 'A' + 'a') : (unsigned char)c;
}

/* Levenshtein distance, one row; words of up to 40 octets. */
static unsigned distance(const char *a, size_t na, const char *b, size_t nb)
{
    unsigned row[41];

    if (na > 40 || nb > 40)
        return 99;
    for (unsigned j = 0; j <= nb; j++)
        row[j] = j;
    for (unsigned i = 1; i <= na; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= nb; j++) {
            unsigned up = row[j];
            unsigned change = diagonal + (lower(a[i - 1]) != lower(b[j - 1]));
            row[j] = MIN(MIN(up, row[j - 1]) + 1, change);
            diagonal = up;
        }
    }
    return row[nb];
}

void nearest_try(struct nearest *n, const char *words)
{
    while (*words != '\0') {
        size_t len = strcspn(words, "|");
        unsigned d = distance(n->s, n->len, words, len);
        if (d < n->best && d <= n->len / 3 + 1 && d < n->len && len < sizeof n->word) {
            n->best = d;
            memcpy(n->word, words, len);
            n->word[len] = '\0';
        }
        words += len + (words[len] != '\0');
    }
}

void nearest_term(struct nearest *n)
{
    n->best = 99;
    n->word[0] = '\0';
    nearest_try(
        n, "src|dst|client|server|either|both|not|any|none|exists|absent|inet|inet6|ipv4|ipv6");
    for (size_t i = 0; i < field_count; i++)
        if (field_table[i].type != FIELD_LATER && field_table[i].type != FIELD_REFUSED)
            nearest_try(n, field_table[i].words);
    for (size_t i = 0; i < words_proto_n; i++)
        nearest_try(n, words_proto[i].word);
}

/* Power of 1000 (k M G T P) or of 1024 (Ki …) at s; *used octets. 1 if there is none. */
static uint64_t scale(const char *s, size_t len, size_t *used)
{
    static const char letters[] = "kmgtp";
    const char *at = len > 0 ? memchr(letters, (int)lower(s[0]), 5) : NULL;
    uint64_t base, v = 1;

    *used = 0;
    if (at == NULL)
        return 1;
    base = len > 1 && lower(s[1]) == 'i' && !(len > 2 && lower(s[2]) == 't') ? 1024 : 1000;
    *used = base == 1024 ? 2 : 1;
    for (ptrdiff_t i = 0; i <= at - letters; i++)
        v *= base;
    return v;
}

static bool unit(const char *s, size_t len, int bits, uint64_t *mul, uint64_t *div)
{
    static const char *const in_bits[] = { "b", "bit", "bits", "bps", "bit/s", NULL };
    static const char *const in_octets[] = { "B", "byte", "bytes", "octets", "B/s", NULL };

    for (size_t i = 0; in_bits[i] != NULL; i++) {
        size_t n = strlen(in_bits[i]);
        if (n == len && (i == 0 ? s[0] == 'b' : strncasecmp(s, in_bits[i], n) == 0)) {
            *div = bits == 0 ? 8 : 1;
            return true;
        }
    }
    for (size_t i = 0; in_octets[i] != NULL; i++) {
        size_t n = strlen(in_octets[i]);
        if (n == len && (i == 0 ? s[0] == 'B' : strncasecmp(s, in_octets[i], n) == 0)) {
            *mul = bits == 1 ? 8 : 1;
            return true;
        }
    }
    return false;
}

static const char *hex(uint64_t *out, const char *s, size_t len)
{
    uint64_t v = 0;

    if (len == 0 || len > 16)
        return "not a hexadecimal number of up to 16 digits";
    for (size_t i = 0; i < len; i++) {
        unsigned c = lower(s[i]);
        unsigned d = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;
        if (d > 15)
            return "not a hexadecimal number";
        v = v << 4 | d;
    }
    *out = v;
    return NULL;
}

const char *number_parse(uint64_t *out, const char *s, size_t len, int bits)
{
    unsigned __int128 v = 0;
    uint64_t mul = 1, div = 1, places = 1;
    size_t i = 0, used;

    *out = 0;
    if (len > 2 && s[0] == '0' && lower(s[1]) == 'x')
        return hex(out, s + 2, len - 2);
    for (; i < len && s[i] >= '0' && s[i] <= '9'; i++) {
        v = v * 10 + (unsigned)(s[i] - '0');
        if (v > UINT64_MAX)
            return "this number is too large";
    }
    if (i == 0)
        return "a number is expected here";
    if (i + 1 < len && s[i] == '.' && s[i + 1] >= '0' && s[i + 1] <= '9')
        for (i++; i < len && s[i] >= '0' && s[i] <= '9'; i++) {
            if (places >= 1000000000000u)
                return "this number has too many decimals";
            v = v * 10 + (unsigned)(s[i] - '0');
            places *= 10;
        }
    v *= scale(s + i, len - i, &used);
    i += used;
    if (i < len && (bits < 0 || !unit(s + i, len - i, bits, &mul, &div)))
        return "not a number: digits, then k M G T P or Ki Mi Gi are expected";
    v *= mul;
    if (v % ((unsigned __int128)places * div) != 0)
        return "this is not a whole number";
    v /= (unsigned __int128)places * div;
    if (v > UINT64_MAX)
        return "this number is too large";
    *out = (uint64_t)v;
    return NULL;
}

bool query_duration(int64_t *out_ms, const char *s, size_t len)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = { { "ms", 1 },    { "s", 1000 },    { "sec", 1000 },   { "min", 60000 },
                  { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 }, { "w", 604800000 } };
    unsigned __int128 sum = 0;
    size_t i = 0;

    if (len == 0)
        return false;
    while (i < len) {
        unsigned __int128 v = 0;
        uint64_t places = 1;
        size_t start = i, letters = 0;
        int64_t ms = 0;
        for (; i < len && s[i] >= '0' && s[i] <= '9' && v < INT64_MAX / 4; i++)
            v = v * 10 + (unsigned)(s[i] - '0');
        if (i == start)
            return false;
        if (i + 1 < len && s[i] == '.')
            for (i++; i < len && s[i] >= '0' && s[i] <= '9' && places < 1000000; i++, places *= 10)
                v = v * 10 + (unsigned)(s[i] - '0');
        while (i + letters < len && lower(s[i + letters]) >= 'a' && lower(s[i + letters]) <= 'z')
            letters++;
        if (letters == 0 && start == 0 && i == len)
            ms = 1;
        for (size_t k = 0; k < ARRAY_LEN(units); k++)
            if (strlen(units[k].unit) == letters && strncasecmp(s + i, units[k].unit, letters) == 0)
                ms = units[k].ms;
        if (ms == 0)
            return false;
        sum += v * (uint64_t)ms / places;
        if (sum > INT64_MAX / 4)
            return false;
        i += letters;
    }
    *out_ms = (int64_t)sum;
    return true;
}
