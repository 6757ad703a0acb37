/* collect/allow.c - whom exporters.allow names. */
#include <stdlib.h>
#include <string.h>

#include "collect/internal.h"

void collect_allow_take(struct allow *a, const struct conf *c)
{
    const struct conf_value *v = &c->v[OPT_EXPORTERS_ALLOW];

    free(a->net);
    *a = (struct allow){ .all = v->n_items == 0 };
    a->net = calloc(v->n_items + 1, sizeof *a->net);
    for (size_t i = 0; a->net != NULL && i < v->n_items; i++)
        if (net_parse(&a->net[a->n], v->item[i], strlen(v->item[i]), NULL))
            a->n++;
}

bool collect_allowed(const struct allow *a, const struct addr *who)
{
    for (size_t i = 0; i < a->n; i++)
        if (net_has(&a->net[i], who))
            return true;
    return a->all;
}
