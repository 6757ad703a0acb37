/* Time zones: TZif files (RFC 8536), read whole and looked up by binary search. */
#include <stdio.h>
#include <stdlib.h>

#include "base/rd.h"
#include "os/file.h"
#include "query/parse.h"

#define ZONE_MAX_OCTETS (256u << 10)
#define ZONE_MAX_TIMES  4096u

struct zone {
    uint32_t n; /* moments at which the offset changes, ascending */
    int64_t *at_s;
    int32_t *offset; /* n + 1: offset[0] holds before the first, offset[i + 1] from at_s[i] on */
};

void zone_free(struct zone *z)
{
    if (z == NULL)
        return;
    free(z->at_s);
    free(z->offset);
    free(z);
}

static int zone_alloc(struct zone **out, uint32_t n)
{
    struct zone *z = calloc(1, sizeof *z);

    *out = z;
    if (z == NULL)
        return ERR_NOMEM;
    z->n = n;
    z->at_s = calloc(n + 1u, sizeof *z->at_s);
    z->offset = calloc(n + 1u, sizeof *z->offset);
    return z->at_s != NULL && z->offset != NULL ? ERR_OK : ERR_NOMEM;
}

struct tzif {
    uint32_t isut, isstd, leap, times, types, chars;
};

/* RFC 8536 section 3.1 */
static bool header(struct rd *r, struct tzif *h)
{
    const uint8_t *magic = rd_take(r, 4);

    if (magic == NULL || memcmp(magic, "TZif", 4) != 0)
        return false;
    (void)rd_take(r, 16); /* version, reserved */
    h->isut = rd_u32(r);
    h->isstd = rd_u32(r);
    h->leap = rd_u32(r);
    h->times = rd_u32(r);
    h->types = rd_u32(r);
    h->chars = rd_u32(r);
    return rd_ok(r) && h->times <= ZONE_MAX_TIMES && h->types > 0 && h->types <= 256 &&
           h->leap <= 4096 && h->chars <= 4096 && h->isut <= 256 && h->isstd <= 256;
}

/* The rule behind the last change ("CET-1CEST,M3.5.0,M10.5.0/3") is not read: Debian installs the
 * database with all changes until 2037. */
static int body(struct zone **out, struct rd *r, const struct tzif *h)
{
    struct rd when = rd_sub(r, (size_t)h->times * 8), which = rd_sub(r, h->times);
    int32_t offset[256] = { 0 };
    int rc;

    for (uint32_t i = 0; i < h->types; i++) {
        offset[i] = (int32_t)rd_u32(r);
        (void)rd_u16(r); /* is daylight saving, index of the designation */
    }
    (void)rd_take(r, (size_t)h->chars + (size_t)h->leap * 12 + h->isstd + h->isut);
    if (!rd_ok(r) || !rd_ok(&when) || !rd_ok(&which))
        return ERR_FORMAT;
    if ((rc = zone_alloc(out, h->times)) != ERR_OK)
        return rc;
    (*out)->offset[0] = offset[0];
    for (uint32_t i = 0; i < h->times; i++) {
        uint8_t type = rd_u8(&which);
        (*out)->at_s[i] = (int64_t)rd_u64(&when);
        (*out)->offset[i + 1] = type < h->types ? offset[type] : 0;
        if (i > 0 && (*out)->at_s[i] <= (*out)->at_s[i - 1])
            return ERR_FORMAT;
    }
    return ERR_OK;
}

static int parse(struct zone **out, const uint8_t *p, size_t len)
{
    struct rd r = rd_init(p, len);
    struct tzif h;

    if (!header(&r, &h))
        return ERR_FORMAT;
    /* the first block has 32-bit times; the one we want follows it */
    (void)rd_take(&r, (size_t)h.times * 5 + (size_t)h.types * 6 + h.chars + (size_t)h.leap * 8 +
                          h.isstd + h.isut);
    if (!header(&r, &h))
        return ERR_FORMAT;
    return body(out, &r, &h);
}

static bool fixed(const char *s, int32_t *offset)
{
    int32_t sign = s[0] == '-' ? -1 : 1, v = 0;
    size_t n = 0;

    if (s[0] != '+' && s[0] != '-')
        return false;
    for (s++; *s != '\0'; s++) {
        if (*s == ':')
            continue;
        if (*s < '0' || *s > '9' || ++n > 4)
            return false;
        v = v * 10 + (*s - '0');
    }
    if (n != 4 || v / 100 > 23 || v % 100 > 59)
        return false;
    *offset = sign * (v / 100 * 3600 + v % 100 * 60);
    return true;
}

static bool good_name(const char *s)
{
    for (size_t i = 0; s[i] != '\0'; i++) {
        char c = s[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (i > 60 || (!letter && strchr("_+-/", c) == NULL))
            return false;
    }
    return s[0] != '/' && s[0] != '\0';
}

int zone_open(struct zone **out, const char *name, struct err *e)
{
    struct buf file = buf_init(ZONE_MAX_OCTETS);
    char path[128] = "/etc/localtime";
    int32_t offset = 0;
    int rc;

    *out = NULL;
    if (name[0] == '\0' || strcmp(name, "UTC") == 0 || strcmp(name, "Z") == 0 ||
        fixed(name, &offset)) {
        if ((rc = zone_alloc(out, 0)) != ERR_OK)
            goto fail;
        (*out)->offset[0] = offset;
        return ERR_OK;
    }
    rc = ERR_NOTFOUND;
    if (strcmp(name, "local") != 0) {
        if (!good_name(name))
            goto fail;
        (void)snprintf(path, sizeof path, "/usr/share/zoneinfo/%s", name);
    }
    if ((rc = os_file_slurp(path, &file, NULL)) == ERR_OK)
        rc = parse(out, file.p, file.len);
    buf_free(&file);
    if (rc == ERR_OK)
        return ERR_OK;
fail:
    zone_free(*out);
    *out = NULL;
    if (rc == ERR_NOMEM)
        return err_set(e, rc, "time zone: out of memory");
    return err_at(e, ERR_SYNTAX, 0, strlen(name),
                  "time zone %.60s is not known: Europe/Berlin, +01:00 or UTC is expected", name);
}

int32_t zone_offset_s(const struct zone *z, int64_t utc_ms)
{
    int64_t s = utc_ms / 1000 - (utc_ms % 1000 < 0);
    uint32_t lo = 0, hi;

    if (z == NULL)
        return 0;
    hi = z->n;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (z->at_s[mid] <= s)
            lo = mid + 1;
        else
            hi = mid;
    }
    return z->offset[lo];
}

int64_t zone_to_utc_ms(const struct zone *z, int64_t local_ms)
{
    int64_t before = zone_offset_s(z, local_ms - 86400000),
            after = zone_offset_s(z, local_ms + 86400000);
    int64_t early = local_ms - before * 1000;

    return zone_offset_s(z, early) == before ? early : local_ms - after * 1000;
}
