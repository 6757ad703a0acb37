/* Names of AS numbers that somebody gave, over those of the data. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "flow/geo.h"

struct own {
    struct geo_name name;
    size_t at;    /* its place among all names */
    size_t below; /* names of the data before it, */
    size_t same;  /* of which so many stand behind one of ours */
};
struct named {
    struct geo geo;
    struct geo *base; /* a reference, or NULL */
    size_t n;
    struct own *own;
    char *text;
};

static const struct named *of(const struct geo *g)
{
    return (const struct named *)(const void *)g;
}

static void look_up(const struct geo *g, enum geo_kind kind, const struct addr *a, size_t n,
                    uint32_t *out)
{
    geo_look_up(of(g)->base, kind, a, n, out);
}

static bool base_at(const struct named *t, size_t i, struct geo_name *out)
{
    return geo_has(t->base, GEO_AS) && t->base->ops->name_at(t->base, i, out);
}

/* The first of ours whose place, or number, is not below. */
static size_t first(const struct named *t, bool by_place, size_t key)
{
    size_t lo = 0, hi = t->n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if ((by_place ? t->own[mid].at : t->own[mid].name.number) < key)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static bool name_at(const struct geo *g, size_t i, struct geo_name *out)
{
    const struct named *t = of(g);
    size_t k = first(t, true, i), hidden;
    struct geo_name at;

    if (k < t->n && t->own[k].at == i) {
        *out = t->own[k].name;
        return true;
    }
    hidden = k < t->n ? t->own[k].same : 0;
    if (k == t->n && k > 0)
        hidden = t->own[k - 1].same +
                 (base_at(t, t->own[k - 1].below, &at) && at.number == t->own[k - 1].name.number);
    return base_at(t, i - k + hidden, out);
}

static bool name_of(const struct geo *g, uint32_t number, struct geo_name *out)
{
    const struct named *t = of(g);
    size_t k = first(t, false, number);

    if (k < t->n && t->own[k].name.number == number) {
        *out = t->own[k].name;
        return true;
    }
    return geo_name(t->base, number, out);
}

static void free_named(struct geo *g)
{
    struct named *t = (struct named *)(void *)g;

    geo_unref(t->base);
    free(t->own);
    free(t->text);
    free(t);
}

static const struct geo_ops ops = { look_up, name_at, name_of, free_named };

/* How many names of the data come before this number. */
static size_t before(const struct named *t, uint32_t number)
{
    size_t lo = 0, hi = 1;
    struct geo_name at;

    while (base_at(t, hi, &at) && at.number < number)
        hi *= 2;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (base_at(t, mid, &at) && at.number < number)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static void place(struct named *t)
{
    size_t same = 0;
    struct geo_name at;

    for (size_t i = 0; i < t->n; i++) {
        struct own *o = &t->own[i];
        o->below = before(t, o->name.number);
        o->same = same;
        o->at = o->below - same + i;
        same += base_at(t, o->below, &at) && at.number == o->name.number;
    }
}

int geo_with_names(struct geo **out, struct geo *base, const struct geo_name *name, size_t n)
{
    struct named *t = calloc(1, sizeof *t);
    size_t octets = 0;

    *out = NULL;
    for (size_t i = 0; i < n; i++)
        octets += name[i].len;
    if (t == NULL || (t->own = calloc(n + 1, sizeof *t->own)) == NULL ||
        (t->text = malloc(octets + 1)) == NULL) {
        if (t != NULL)
            free_named(&t->geo);
        return ERR_NOMEM;
    }
    octets = 0;
    for (; t->n < n; t->n++) {
        t->own[t->n].name = name[t->n];
        t->own[t->n].name.text = memcpy(t->text + octets, name[t->n].text, name[t->n].len);
        octets += name[t->n].len;
    }
    atomic_init(&t->geo.refs, 1);
    t->geo.ops = &ops;
    t->geo.own_names = true;
    if (base != NULL)
        memcpy(t->geo.version, base->version, sizeof t->geo.version);
    t->base = geo_ref(base);
    place(t);
    *out = &t->geo;
    return ERR_OK;
}
