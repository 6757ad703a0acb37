/* What is known of addresses. The first octet says which: 0 a compiled file, to which the checksum
 * is made; 1 lines of CSV; 2 a MaxMind DB file; 3 rows of applications. What CSV or a
 * database gave is compiled and must open. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>

#include "enrich/source.h"
#include "flow/apps.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* MMDB_open() keeps some kilobytes of a file that it refuses. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libmaxminddb\n";
}

/* Every place that the input names, and both ends of both families. */
static void ask(const struct ranges *r, const uint8_t *p, size_t n)
{
    struct addr a[64] = { { { 0 } } };
    uint32_t v[64];
    struct geo_name name;
    size_t k = 2;

    memset(a[1].b, 0xff, sizeof a[1].b);
    for (size_t i = 0; i + 16 <= n && k < 62; i += n / 32 + 1) {
        memcpy(a[k++].b, p + i, 16);
        a[k++] = addr_from_v4(be32(p + i));
    }
    ranges_look_up(r, a, k, v);
    for (size_t i = 0; ranges_name_at(r, i, &name); i++) {
        struct geo_name again;
        if (!ranges_name_of(r, name.number, &again) || again.text != name.text ||
            again.len != name.len)
            abort();
    }
}

static void compiled(const uint8_t *data, size_t size)
{
    uint8_t *p = malloc(size + 1);
    struct ranges *r;

    if (p == NULL)
        abort();
    memcpy(p, data, size);
    if (size >= 8)
        le_put(p + size - 8, XXH3_64bits(p, size - 8), 8);
    if (ranges_open_octets(&r, "fuzz", p, size, NULL) == ERR_OK) {
        ask(r, data, size);
        ranges_close(r);
    }
    free(p);
}

static void compile(struct geo_source *s, const uint8_t *data, size_t size)
{
    for (unsigned k = 0; k < GEO_N; k++) {
        struct buf b = buf_init(64u << 20);
        struct ranges *r;
        s->about[k].kind = (enum geo_kind)k;
        if (s->draft[k] != NULL && ranges_write(s->draft[k], &s->about[k], &b, NULL) == ERR_OK) {
            if (ranges_open_octets(&r, "fuzz", b.p, b.len, NULL) != ERR_OK)
                abort();
            ask(r, data, size);
            ranges_close(r);
        }
        buf_free(&b);
    }
}

static void applications(const uint8_t *data, size_t size)
{
    const struct addr any = addr_from_v4(0x0a000001);
    struct app_side side[2] = { { &any, 0, 5, 80 }, { &any, APP_NONE, 64500, 443 } };
    struct apps *a;

    if (apps_make(&a, "fuzz", (const char *)data, size, NULL) != ERR_OK)
        return;
    side[0].net = apps_net(a, 0, &any);
    for (unsigned proto = 0; proto < 256; proto += 17) {
        uint32_t i = apps_find(a, side, (uint8_t)proto, proto == 17 ? UINT64_C(13) << 56 | 7 : 0);
        if (i != APP_NONE && i >= apps_count(a))
            abort();
    }
    apps_unref(a);
}

static void database(struct geo_source *s, const uint8_t *data, size_t size)
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    char path[64];

    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    (void)!geo_source_mmdb(s, path, NULL);
    (void)close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct geo_source s = { .draft = { NULL } };

    if (size == 0)
        return 0;
    if (data[0] == 0)
        compiled(data + 1, size - 1);
    else if (data[0] == 1)
        (void)!geo_source_csv(&s, "fuzz", (const char *)data + 1, size - 1, NULL);
    else if (data[0] == 2)
        database(&s, data + 1, size - 1);
    else
        applications(data + 1, size - 1);
    compile(&s, data + 1, size - 1);
    geo_source_free(&s);
    return 0;
}
