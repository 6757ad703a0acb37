/* What is known of addresses, made up: by the address and a salt. */
#ifndef WEIR_TESTS_FAKE_GEO_H
#define WEIR_TESTS_FAKE_GEO_H

#include <stdatomic.h>
#include <stdio.h>

#include "flow/geo.h"

struct fake_geo {
    struct geo geo; /* first */
    uint64_t salt;
    uint32_t few; /* numbers below this; a tenth is not known */
};

static inline uint32_t fake_value(uint64_t salt, uint32_t few, enum geo_kind kind,
                                  const struct addr *a)
{
    uint64_t h = (addr_hash(a) ^ salt * 0x9e3779b97f4a7c15u) * 0xff51afd7ed558ccdu >> 20;

    if (addr_is_zero(a) || h % 10 == 0)
        return 0;
    h = h / 10 % few;
    return kind == GEO_AS ? (uint32_t)h + 1 : GEO_LETTERS('A' + h % 26, 'A' + h / 26 % 26);
}

static inline void fake_look_up(const struct geo *g, enum geo_kind kind, const struct addr *a,
                                size_t n, uint32_t *out)
{
    const struct fake_geo *f = (const struct fake_geo *)(const void *)g;

    for (size_t i = 0; i < n; i++)
        out[i] = fake_value(f->salt, f->few, kind, &a[i]);
}

/* Odd numbers have a name: "net NUMBER". */
static inline bool fake_name_of(const struct geo *g, uint32_t number, struct geo_name *out)
{
    static _Thread_local char name[32];
    const struct fake_geo *f = (const struct fake_geo *)(const void *)g;

    if (number % 2 == 0 || number > f->few)
        return false;
    (void)snprintf(name, sizeof name, "net %u", number);
    *out = (struct geo_name){ number, name, strlen(name) };
    return true;
}

static inline bool fake_name_at(const struct geo *g, size_t i, struct geo_name *out)
{
    return fake_name_of(g, (uint32_t)i * 2 + 1, out);
}

static inline void fake_free(struct geo *g)
{
    (void)g;
}

static inline void fake_geo_init(struct fake_geo *f, uint64_t salt, uint32_t few)
{
    static const struct geo_ops ops = { fake_look_up, fake_name_at, fake_name_of, fake_free };

    memset(f, 0, sizeof *f);
    atomic_init(&f->geo.refs, 1);
    f->geo.ops = &ops;
    f->salt = salt;
    f->few = few;
    for (unsigned k = 0; k < GEO_N; k++)
        f->geo.version[k] = (struct geo_version){ salt * 10 + k + 1, (int64_t)salt * 86400000 };
}

#endif
