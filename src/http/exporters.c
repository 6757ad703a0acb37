/* http/exporters.c - which of many exporters are shown, and in which order. */
#include <stdlib.h>

#include "http/server.h"

static int busiest(const void *a, const void *b)
{
    const struct decode_exporter *x = *(const struct decode_exporter *const *)a;
    const struct decode_exporter *y = *(const struct decode_exporter *const *)b;

    if (x->trusted != y->trusted)
        return x->trusted ? -1 : 1;
    if (x->c.flows != y->c.flows)
        return x->c.flows > y->c.flows ? -1 : 1;
    return exporter_key_cmp(&x->key, &y->key);
}

static int oldest(const void *a, const void *b)
{
    const struct decode_exporter *x = *(const struct decode_exporter *const *)a;
    const struct decode_exporter *y = *(const struct decode_exporter *const *)b;

    if (x->trusted != y->trusted)
        return x->trusted ? -1 : 1;
    if (x->first_ms != y->first_ms)
        return x->first_ms < y->first_ms ? -1 : 1;
    return exporter_key_cmp(&x->key, &y->key);
}

const struct decode_exporter **http_exporters(const struct collect_status *s, enum http_order by,
                                              size_t *n)
{
    const struct decode_exporter **x = malloc((s->n_exporters + 1) * sizeof *x);

    *n = x != NULL ? MIN(*n, s->n_exporters) : 0;
    for (size_t i = 0; x != NULL && i < s->n_exporters; i++)
        x[i] = &s->exporter[i];
    if (x != NULL && s->n_exporters > 1)
        qsort(x, s->n_exporters, sizeof *x, by == HTTP_BUSIEST ? busiest : oldest);
    return x;
}
