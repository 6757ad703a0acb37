/* The file of ranges as it is read. */
#include "enrich/ranges.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/rd.h"

#define BUCKETS 65536u /* by the first 16 bits of an address */
#define NEAR    4u     /* ranges behind the last answer that are tried before a search */

struct ranges {
    struct os_map map;
    struct ranges_about about;
    uint32_t n4, n6, text_octets;
    const uint8_t *start4, *value4;                      /* n4 of 4 octets each */
    const uint8_t *hi6, *lo6, *value6;                   /* n6 of 8, 8, 4 */
    const uint8_t *number, *end, *text;                  /* names: 4, 4; octets */
    uint32_t bucket4[BUCKETS + 1], bucket6[BUCKETS + 1]; /* range that holds the bucket's first */
};

static uint32_t start4(const struct ranges *r, uint32_t i)
{
    return le32(r->start4 + 4 * (size_t)i);
}
static uint64_t hi6(const struct ranges *r, uint32_t i)
{
    return le64(r->hi6 + 8 * (size_t)i);
}
static uint64_t lo6(const struct ranges *r, uint32_t i)
{
    return le64(r->lo6 + 8 * (size_t)i);
}

/* ------------------------------------------------------------------ opening */

static int damaged(const char *name, const char *what, struct err *e)
{
    return err_set(e, ERR_CORRUPT, "%s: %s damaged; make it again: weir data import", name, what);
}

static bool get_text(struct rd *r, char *out)
{
    size_t n = (size_t)rd_le(r, 2);
    const uint8_t *p = n < RANGES_TEXT ? rd_take(r, n) : NULL;

    if (p == NULL || memchr(p, 0, n) != NULL)
        return false;
    memcpy(out, p, n);
    out[n] = '\0';
    return true;
}

/* Ascending from 0, so that every address lies in a range. */
static bool sound_starts(const struct ranges *r)
{
    if (r->n4 == 0 || r->n6 == 0 || start4(r, 0) != 0 || hi6(r, 0) != 0 || lo6(r, 0) != 0)
        return false;
    for (uint32_t i = 1; i < r->n4; i++)
        if (start4(r, i) <= start4(r, i - 1))
            return false;
    for (uint32_t i = 1; i < r->n6; i++)
        if (hi6(r, i) < hi6(r, i - 1) || (hi6(r, i) == hi6(r, i - 1) && lo6(r, i) <= lo6(r, i - 1)))
            return false;
    return true;
}

static bool sound_names(const struct ranges *r)
{
    uint32_t before = 0;

    for (uint32_t i = 0; i < r->about.n_names; i++) {
        uint32_t end = le32(r->end + 4 * (size_t)i);
        if (end < before || end - before > RANGES_NAME ||
            (i > 0 && le32(r->number + 4 * (size_t)i) <= le32(r->number + 4 * (size_t)(i - 1))))
            return false;
        before = end;
    }
    return before == r->text_octets;
}

static void fill_buckets(struct ranges *r)
{
    uint32_t i4 = 0, i6 = 0;

    for (uint32_t b = 0; b < BUCKETS; b++) {
        while (i4 + 1 < r->n4 && start4(r, i4 + 1) <= b << 16)
            i4++;
        while (i6 + 1 < r->n6 && (hi6(r, i6 + 1) < (uint64_t)b << 48 ||
                                  (hi6(r, i6 + 1) == (uint64_t)b << 48 && lo6(r, i6 + 1) == 0)))
            i6++;
        r->bucket4[b] = i4;
        r->bucket6[b] = i6;
    }
    r->bucket4[BUCKETS] = r->n4 - 1;
    r->bucket6[BUCKETS] = r->n6 - 1;
}

static int read_all(struct ranges *r, const char *name, struct err *e)
{
    struct rd in = rd_init(r->map.p, r->map.len);
    struct ranges_about *a = &r->about;
    const uint8_t *magic = rd_take(&in, 8);
    uint32_t draft = (uint32_t)rd_le(&in, 4), kind;
    uint64_t sum;

    if (!rd_ok(&in) || magic == NULL || memcmp(magic, RANGES_MAGIC, 8) != 0)
        return err_set(e, ERR_CORRUPT, "%s: no file of ranges; make it again: weir data import",
                       name);
    if (draft != RANGES_DRAFT)
        return err_set(e, ERR_VERSION,
                       "%s: draft %u, this version reads %u; make it again: weir data import", name,
                       draft, RANGES_DRAFT);
    if (in.left < 8)
        return damaged(name, "end", e);
    sum = le64(r->map.p + r->map.len - 8);
    if (sum != XXH3_64bits(r->map.p, r->map.len - 8) || os_map_faulted(&r->map))
        return damaged(name, "content", e);
    in.left -= 8;
    kind = (uint32_t)rd_le(&in, 4);
    a->version =
        (struct geo_version){ .id = sum != 0 ? sum : 1, .date_ms = (int64_t)rd_le(&in, 8) };
    a->n_v4 = (uint32_t)rd_le(&in, 4);
    a->n_v6 = (uint32_t)rd_le(&in, 4);
    r->n4 = (uint32_t)rd_le(&in, 4);
    r->n6 = (uint32_t)rd_le(&in, 4);
    a->n_names = (uint32_t)rd_le(&in, 4);
    r->text_octets = (uint32_t)rd_le(&in, 4);
    if (!get_text(&in, a->source) || !get_text(&in, a->licence) || kind >= GEO_N)
        return damaged(name, "head", e);
    a->kind = (enum geo_kind)kind;
    r->start4 = rd_take(&in, (size_t)r->n4 * 4);
    r->value4 = rd_take(&in, (size_t)r->n4 * 4);
    r->hi6 = rd_take(&in, (size_t)r->n6 * 8);
    r->lo6 = rd_take(&in, (size_t)r->n6 * 8);
    r->value6 = rd_take(&in, (size_t)r->n6 * 4);
    r->number = rd_take(&in, (size_t)a->n_names * 4);
    r->end = rd_take(&in, (size_t)a->n_names * 4);
    r->text = rd_take(&in, r->text_octets);
    if (!rd_ok(&in) || in.left != 0 || !sound_starts(r) || !sound_names(r))
        return damaged(name, "tables", e);
    fill_buckets(r);
    return ERR_OK;
}

static int open_map(struct ranges **out, const char *name, struct os_map map, struct err *e)
{
    struct ranges *r = calloc(1, sizeof *r);
    int rc;

    *out = NULL;
    if (r == NULL) {
        os_unmap(&map);
        return err_set(e, ERR_NOMEM, "%s: out of memory", name);
    }
    r->map = map;
    if ((rc = read_all(r, name, e)) != ERR_OK) {
        ranges_close(r);
        return rc;
    }
    *out = r;
    return ERR_OK;
}

int ranges_open(struct ranges **out, const char *path, struct err *e)
{
    struct os_map map;
    int rc = os_map_file(&map, path, e);

    *out = NULL;
    return rc == ERR_OK ? open_map(out, path, map, e) : rc;
}

int ranges_open_octets(struct ranges **out, const char *name, const uint8_t *p, size_t len,
                       struct err *e)
{
    return open_map(out, name, (struct os_map){ .p = p, .len = len }, e);
}

void ranges_close(struct ranges *r)
{
    if (r == NULL)
        return;
    if (r->map.known != NULL)
        os_unmap(&r->map);
    free(r);
}

const struct ranges_about *ranges_about(const struct ranges *r)
{
    return &r->about;
}

/* ------------------------------------------------------------------ looking up */

/* The last range that begins at or before a; it is one of lo .. hi. */
static uint32_t search4(const struct ranges *r, uint32_t a, uint32_t lo, uint32_t hi)
{
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo + 1) / 2;
        bool below = start4(r, mid) <= a;
        lo = below ? mid : lo;
        hi = below ? hi : mid - 1;
    }
    return lo;
}

static bool at_or_before6(const struct ranges *r, uint32_t i, uint64_t hi, uint64_t lo)
{
    uint64_t h = hi6(r, i);

    return h < hi || (h == hi && lo6(r, i) <= lo);
}

static uint32_t search6(const struct ranges *r, uint64_t ahi, uint64_t alo, uint32_t lo,
                        uint32_t hi)
{
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo + 1) / 2;
        bool below = at_or_before6(r, mid, ahi, alo);
        lo = below ? mid : lo;
        hi = below ? hi : mid - 1;
    }
    return lo;
}

/* `at` is where the last answer stood: the next address of a sorted list is mostly near. */
static uint32_t find4(const struct ranges *r, uint32_t a, uint32_t at)
{
    uint32_t end = MIN(at + NEAR, r->n4 - 1);

    if (start4(r, at) <= a) {
        while (at < end && start4(r, at + 1) <= a)
            at++;
        if (at + 1 >= r->n4 || start4(r, at + 1) > a)
            return at;
    }
    return search4(r, a, r->bucket4[a >> 16], r->bucket4[(a >> 16) + 1]);
}

static uint32_t find6(const struct ranges *r, uint64_t hi, uint64_t lo, uint32_t at)
{
    uint32_t end = MIN(at + NEAR, r->n6 - 1);

    if (at_or_before6(r, at, hi, lo)) {
        while (at < end && at_or_before6(r, at + 1, hi, lo))
            at++;
        if (at + 1 >= r->n6 || !at_or_before6(r, at + 1, hi, lo))
            return at;
    }
    return search6(r, hi, lo, r->bucket6[hi >> 48], r->bucket6[(hi >> 48) + 1]);
}

void ranges_look_up(const struct ranges *r, const struct addr *a, size_t n, uint32_t *out)
{
    uint32_t at4 = 0, at6 = 0;

    for (size_t i = 0; i < n; i++) {
        if (addr_is_v4(&a[i])) {
            at4 = find4(r, addr_v4(&a[i]), at4);
            out[i] = le32(r->value4 + 4 * (size_t)at4);
        } else {
            at6 = find6(r, be64(a[i].b), be64(a[i].b + 8), at6);
            out[i] = le32(r->value6 + 4 * (size_t)at6);
        }
    }
}

bool ranges_name_at(const struct ranges *r, size_t i, struct geo_name *out)
{
    uint32_t begin, end;

    if (i >= r->about.n_names)
        return false;
    begin = i > 0 ? le32(r->end + 4 * (i - 1)) : 0;
    end = le32(r->end + 4 * i);
    if (end < begin || end > r->text_octets) /* a bad sector since: zeros */
        return false;
    *out = (struct geo_name){ .number = le32(r->number + 4 * i),
                              .text = (const char *)r->text + begin,
                              .len = end - begin };
    return true;
}

bool ranges_name_of(const struct ranges *r, uint32_t number, struct geo_name *out)
{
    uint32_t lo = 0, hi = r->about.n_names;

    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (le32(r->number + 4 * (size_t)mid) < number)
            lo = mid + 1;
        else
            hi = mid;
    }
    return ranges_name_at(r, lo, out) && out->number == number;
}
