#include "collect/recent.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static uint64_t units_of(const struct decode_exporter *x)
{
    return x->key.version == 9 || x->key.version == EXPORT_SFLOW5 ? x->c.datagrams_accepted
                                                                  : x->c.flows + x->c.options;
}

static uint64_t undecoded_of(const struct decode_exporter *x)
{
    uint64_t n = 0;

    for (unsigned r = 0; r < DECODE_REASON_N; r++)
        n += x->c.sets_expired[r] + x->c.sets_malformed[r];
    return n;
}

static int by_key(const void *a, const void *b)
{
    return exporter_key_cmp(&((const struct recent *)a)->key, &((const struct recent *)b)->key);
}

static const struct recent *find(const struct recent_list *l, const struct exporter_key *k)
{
    struct recent key = { .key = *k };

    return l->n > 0 ? bsearch(&key, l->x, l->n, sizeof *l->x, by_key) : NULL;
}

/* A counter that fell is one of an exporter that is new again. */
static double since(uint64_t base, uint64_t now)
{
    return (double)(now >= base ? now - base : now);
}

struct recent recent_of(const struct recent_list *l, const struct decode_exporter *x)
{
    const struct recent *was = find(l, &x->key);
    struct recent r = was != NULL ? *was : (struct recent){ .key = x->key };

    r.units += since(r.units_base, units_of(x));
    r.undecoded += since(r.undecoded_base, undecoded_of(x));
    if (units_of(x) < r.units_base)
        r.lost_base = 0;
    r.lost += (double)x->lost - (double)r.lost_base; /* what came late is taken back */
    r.lost = MAX(r.lost, 0);
    return r;
}

double recent_dropped(const struct recent_list *l, const struct collect_status *s)
{
    return l->dropped + since(l->dropped_base, s->kernel_dropped + s->ring_dropped);
}

double recent_received(const struct recent_list *l, const struct collect_status *s)
{
    return l->received + since(l->received_base, s->received);
}

int recent_note(struct recent_list *l, const struct collect_status *s, bool base)
{
    struct recent_list next = { .noted_ms = s->now_ms, .n = s->n_exporters };
    double fade = exp(-(double)MAX(s->now_ms - l->noted_ms, 0) / RECENT_FADE_MS);

    if ((next.x = malloc((s->n_exporters + 1) * sizeof *next.x)) == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < s->n_exporters; i++) {
        const struct decode_exporter *x = &s->exporter[i];
        struct recent r = base ? (struct recent){ .key = x->key } : recent_of(l, x);
        r.lost *= fade;
        r.units *= fade;
        r.undecoded *= fade;
        r.lost_base = x->lost;
        r.units_base = units_of(x);
        r.undecoded_base = undecoded_of(x);
        next.x[i] = r;
    }
    if (next.n > 1)
        qsort(next.x, next.n, sizeof *next.x, by_key);
    if (!base) {
        next.received = recent_received(l, s) * fade;
        next.dropped = recent_dropped(l, s) * fade;
    }
    next.received_base = s->received;
    next.dropped_base = s->kernel_dropped + s->ring_dropped;
    recent_free(l);
    *l = next;
    return ERR_OK;
}

int recent_copy(struct recent_list *out, const struct recent_list *l)
{
    *out = *l;
    out->x = malloc((l->n + 1) * sizeof *out->x);
    if (out->x == NULL) {
        out->n = 0;
        return ERR_NOMEM;
    }
    if (l->n > 0)
        memcpy(out->x, l->x, l->n * sizeof *out->x);
    return ERR_OK;
}

void recent_free(struct recent_list *l)
{
    free(l->x);
    *l = (struct recent_list){ .n = 0 };
}
