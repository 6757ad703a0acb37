#include "enrich/geo.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_OCTETS 4096u

const char *const geo_files[GEO_N] = { "as.rng", "country.rng" };

struct facts {
    struct geo geo; /* first: the two are one object */
    struct ranges *r[GEO_N];
};

static struct facts *facts_of(const struct geo *g)
{
    return (struct facts *)(uintptr_t)g;
}

static void look_up(const struct geo *g, enum geo_kind kind, const struct addr *a, size_t n,
                    uint32_t *out)
{
    ranges_look_up(facts_of(g)->r[kind], a, n, out);
}

static bool name_at(const struct geo *g, size_t i, struct geo_name *out)
{
    const struct ranges *r = facts_of(g)->r[GEO_AS];

    return r != NULL && ranges_name_at(r, i, out);
}

static bool name_of(const struct geo *g, uint32_t number, struct geo_name *out)
{
    const struct ranges *r = facts_of(g)->r[GEO_AS];

    return r != NULL && ranges_name_of(r, number, out);
}

static void facts_free(struct geo *g)
{
    for (unsigned k = 0; k < GEO_N; k++)
        ranges_close(facts_of(g)->r[k]);
    free(facts_of(g));
}

static const struct geo_ops ops = { look_up, name_at, name_of, facts_free };

int geo_of_ranges(struct geo **out, struct ranges *const r[GEO_N])
{
    struct facts *f = calloc(1, sizeof *f);

    *out = NULL;
    for (unsigned k = 0; k < GEO_N; k++) {
        if (f == NULL)
            ranges_close(r[k]);
        else if ((f->r[k] = r[k]) != NULL)
            f->geo.version[k] = ranges_about(r[k])->version;
    }
    if (f == NULL)
        return ERR_NOMEM;
    atomic_init(&f->geo.refs, 1);
    f->geo.ops = &ops;
    *out = &f->geo;
    return ERR_OK;
}

int geo_open(struct geo **out, const char *dir, struct err *e)
{
    struct ranges *r[GEO_N] = { NULL };
    char path[PATH_OCTETS];
    int rc = ERR_OK;

    *out = NULL;
    for (unsigned k = 0; k < GEO_N && rc == ERR_OK; k++) {
        (void)snprintf(path, sizeof path, "%s/%s", dir, geo_files[k]);
        rc = ranges_open(&r[k], path, e);
        if (rc == ERR_OK && ranges_about(r[k])->kind != (enum geo_kind)k)
            rc = err_set(e, ERR_CORRUPT, "%s: holds something else than its name says", path);
        if (rc == ERR_NOTFOUND)
            rc = ERR_OK;
    }
    if (rc == ERR_OK && r[GEO_AS] == NULL && r[GEO_COUNTRY] == NULL)
        return ERR_OK;
    if (rc == ERR_OK)
        return geo_of_ranges(out, r) == ERR_OK ? ERR_OK
                                               : err_set(e, ERR_NOMEM, "%s: out of memory", dir);
    for (unsigned k = 0; k < GEO_N; k++)
        ranges_close(r[k]);
    return rc;
}

const struct ranges_about *geo_about(const struct geo *g, enum geo_kind kind)
{
    return geo_has(g, kind) ? ranges_about(facts_of(g)->r[kind]) : NULL;
}

int geo_install(struct geo_source *s, const char *dir, struct err *e)
{
    char path[PATH_OCTETS];
    int rc = os_mkdir(dir, e);

    for (unsigned k = 0; k < GEO_N && rc == ERR_OK; k++) {
        struct buf b = buf_init(RANGES_OCTETS);
        if (s->draft[k] == NULL)
            continue;
        s->about[k].kind = (enum geo_kind)k;
        (void)snprintf(path, sizeof path, "%s/%s", dir, geo_files[k]);
        rc = ranges_write(s->draft[k], &s->about[k], &b, e);
        if (rc == ERR_OK)
            rc = os_file_replace(path, &b, e);
        buf_free(&b);
    }
    return rc == ERR_OK ? os_dir_sync(dir, e) : rc;
}
