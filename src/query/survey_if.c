#include "query/survey_if.h"

#include <stdlib.h>

#include "base/be.h"
#include "flow/share.h"

#define SLOTS        (COUNTED_MAX * 2u) /* power of two */
#define IE_IN_IF     10u
#define IN_OCTETS    (WEIR_IF_TYPE + 4u) /* ifInOctets */
#define FRAME_OCTETS 18u /* header and check of Ethernet, which the counter counts ... */
#define FRAME_LEAST  64u /* ... and no frame is shorter */
#define SHORTEST_MS  5000

static uint32_t place_of(uint32_t exporter, uint32_t in_if)
{
    uint64_t h = ((uint64_t)exporter << 32 | in_if) * 0x9e3779b97f4a7c15u;

    return (uint32_t)(h >> 40) & (SLOTS - 1);
}

static struct counted *find(const struct counted_list *l, uint32_t exporter, uint32_t in_if)
{
    uint32_t at = place_of(exporter, in_if);

    while (l->slot[at].exporter != 0 &&
           (l->slot[at].exporter != exporter || l->slot[at].in_if != in_if))
        at = (at + 1) & (SLOTS - 1);
    return &l->slot[at];
}

/* Interface and counter out of the octets of an option record. */
static bool read_counter(const struct shape *s, const struct rowset_option *o, uint32_t *in_if,
                         uint64_t *octets)
{
    struct rd r = rd_init(o->octets, o->len);
    bool has_if = false, has_octets = false;

    for (unsigned i = 0; i < s->n_fields; i++) {
        const struct shape_field *f = &s->f[i];
        const uint8_t *p = f->len != SHAPE_LEN_VAR ? rd_take(&r, f->len) : NULL;
        if (p == NULL)
            break; /* the sample itself stands behind what is wanted */
        if (f->pen == 0 && f->id == IE_IN_IF && f->len == 4) {
            *in_if = (uint32_t)be_uint(p, 4);
            has_if = true;
        } else if (f->pen == PEN_WEIR && f->id == IN_OCTETS && f->len == 8) {
            *octets = be_uint(p, 8);
            has_octets = true;
        }
    }
    return has_if && has_octets;
}

int counted_option(struct counted_list *l, uint32_t exporter, const struct shape *s,
                   const struct rowset_option *o)
{
    struct counted *c;
    uint32_t in_if = 0;
    uint64_t octets = 0;

    if (!read_counter(s, o, &in_if, &octets))
        return ERR_OK;
    if (l->slot == NULL && (l->slot = calloc(SLOTS, sizeof *l->slot)) == NULL)
        return ERR_NOMEM;
    c = find(l, exporter, in_if);
    if (c->exporter == 0) {
        if (l->n == COUNTED_MAX)
            return ERR_OK;
        l->n++;
        *c = (struct counted){ .exporter = exporter, .in_if = in_if, .to_ms = INT64_MIN };
    }
    if (c->to_ms == INT64_MIN || octets < c->last) { /* the first; or it began anew */
        c->from_ms = o->received_ms;
        c->first = octets;
    }
    c->to_ms = o->received_ms;
    c->last = octets;
    return ERR_OK;
}

int counted_asked(struct counted_list *l, uint32_t exporter, const struct survey_counter *a)
{
    struct counted *c;

    if (l->slot == NULL && (l->slot = calloc(SLOTS, sizeof *l->slot)) == NULL)
        return ERR_NOMEM;
    c = find(l, exporter, a->in_if);
    if (c->exporter != 0 || l->n == COUNTED_MAX)
        return ERR_OK;
    l->n++;
    *c = (struct counted){ .exporter = exporter,
                           .in_if = a->in_if,
                           .from_ms = a->from_ms,
                           .to_ms = a->to_ms,
                           .first = a->first,
                           .last = a->last };
    return ERR_OK;
}

struct counted *counted_find(const struct counted_list *l, uint32_t exporter, uint32_t in_if)
{
    struct counted *c = l->slot != NULL ? find(l, exporter, in_if) : NULL;

    return c != NULL && c->exporter != 0 && c->to_ms - c->from_ms >= SHORTEST_MS ? c : NULL;
}

void counted_row(struct counted *c, uint64_t rate, uint64_t octets, uint64_t packets,
                 int64_t start_ms, int64_t end_ms)
{
    uint64_t frames = MAX(octets + FRAME_OCTETS * packets, FRAME_LEAST * packets);

    c->flows += share_inside(frames * MAX(rate, 1), start_ms, MAX(end_ms, start_ms + 1), c->from_ms,
                             c->to_ms);
    c->samples += share_inside(packets, start_ms, MAX(end_ms, start_ms + 1), c->from_ms, c->to_ms);
}

void counted_sum(const struct counted_list *l, uint32_t exporter, struct survey_exporter *x)
{
    for (uint32_t i = 0; l->slot != NULL && i < SLOTS; i++) {
        const struct counted *c = &l->slot[i];
        if (c->exporter != exporter || c->samples == 0)
            continue; /* an interface without records may well be one that is not watched */
        x->counted_octets += c->last - c->first;
        x->counted_flows += c->flows;
        x->counted_samples += c->samples;
        x->counted_ifs++;
    }
}

void counted_free(struct counted_list *l)
{
    free(l->slot);
    *l = (struct counted_list){ .n = 0 };
}
