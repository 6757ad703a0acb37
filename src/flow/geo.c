#include "flow/geo.h"

#include <stdatomic.h>
#include <string.h>

struct geo *geo_ref(struct geo *g)
{
    if (g != NULL)
        atomic_fetch_add_explicit(&g->refs, 1, memory_order_relaxed);
    return g;
}

void geo_unref(struct geo *g)
{
    if (g != NULL && atomic_fetch_sub_explicit(&g->refs, 1, memory_order_acq_rel) == 1)
        g->ops->free(g);
}

void geo_look_up(const struct geo *g, enum geo_kind kind, const struct addr *a, size_t n,
                 uint32_t *out)
{
    if (geo_has(g, kind))
        g->ops->look_up(g, kind, a, n, out);
    else
        memset(out, 0, n * sizeof *out);
}

bool geo_name(const struct geo *g, uint32_t number, struct geo_name *out)
{
    return geo_has_names(g) && g->ops->name_of(g, number, out);
}
