#include <stdlib.h>

#include "decode/session.h"

static uint64_t mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * 0xff51afd7ed558ccdu;
    return h ^ h >> 32;
}

static uint64_t key_of(uint8_t proto, enum shape_kind kind, unsigned n_scope,
                       const struct plan_field *f, unsigned n)
{
    uint64_t h = mix(mix(proto, kind), n_scope);

    for (unsigned i = 0; i < n; i++)
        h = mix(h, (uint64_t)f[i].pen << 32 | (uint64_t)f[i].id << 16 | f[i].len);
    return h;
}

static bool says(const struct plan *p, uint8_t proto, enum shape_kind kind, unsigned n_scope,
                 const struct plan_field *f, unsigned n)
{
    const struct shape *s = p->shape;

    if (s->proto != proto || s->kind != kind || s->n_scope != n_scope || s->n_fields != n)
        return false;
    for (unsigned i = 0; i < n; i++)
        if (s->f[i].pen != f[i].pen || s->f[i].id != f[i].id || s->f[i].len != f[i].len)
            return false;
    return true;
}

static void enter(struct plans *c, struct plan *p)
{
    uint32_t at = (uint32_t)p->key & c->mask;

    while (c->slot[at] != NULL)
        at = (at + 1) & c->mask;
    c->slot[at] = p;
}

static int grow(struct plans *c)
{
    uint32_t old = c->slot != NULL ? c->mask + 1 : 0, room = old > 0 ? old * 2 : 16;
    struct plan **was = c->slot, **slot = calloc(room, sizeof(struct plan *));

    if (slot == NULL)
        return ERR_NOMEM;
    c->slot = slot;
    c->mask = room - 1;
    for (uint32_t i = 0; i < old; i++)
        if (was[i] != NULL)
            enter(c, was[i]);
    free(was);
    return ERR_OK;
}

void plans_pay(struct decoder *d, struct plan *p, const struct exporter *x)
{
    bool fresh = !x->trusted || !x->established;

    d->memory.fresh -= p->fresh && !fresh ? p->octets : 0;
    d->memory.strange -= p->strange && x->trusted ? p->octets : 0;
    p->fresh = p->fresh && fresh;
    p->strange = p->strange && !x->trusted;
}

int plans_get(struct decoder *d, const struct exporter *x, struct plan **out, enum shape_kind kind,
              unsigned n_scope, const struct plan_field *f, unsigned n)
{
    struct plans *c = &d->plans;
    uint8_t proto = (uint8_t)x->key.version;
    uint64_t key = key_of(proto, kind, n_scope, f, n);
    uint32_t at = (uint32_t)key & c->mask;
    int rc;

    *out = NULL;
    for (; c->slot != NULL && c->slot[at] != NULL; at = (at + 1) & c->mask)
        if (c->slot[at]->key == key && says(c->slot[at], proto, kind, n_scope, f, n)) {
            *out = c->slot[at];
            plans_pay(d, *out, x);
            (*out)->refs++;
            return ERR_OK;
        }
    if ((c->slot == NULL || c->n > c->mask / 2) && grow(c) != ERR_OK)
        return ERR_NOMEM;
    if ((rc = plan_new(out, proto, kind, n_scope, f, n)) != ERR_OK)
        return rc;
    (*out)->key = key;
    (*out)->refs = 1;
    (*out)->fresh = !x->trusted || !x->established;
    (*out)->strange = !x->trusted;
    budget_add(&d->memory, x, (*out)->octets);
    enter(c, *out);
    c->n++;
    c->octets += (*out)->octets;
    return ERR_OK;
}

void plans_put(struct decoder *d, struct plan *p)
{
    struct plans *c = &d->plans;
    uint32_t at, hole;

    if (p == NULL || --p->refs > 0)
        return;
    for (hole = (uint32_t)p->key & c->mask; c->slot[hole] != p;)
        hole = (hole + 1) & c->mask;
    /* those behind that were pushed on by this one come nearer */
    for (at = (hole + 1) & c->mask; c->slot[at] != NULL; at = (at + 1) & c->mask) {
        uint32_t home = (uint32_t)c->slot[at]->key & c->mask;
        if (((at - home) & c->mask) < ((at - hole) & c->mask))
            continue;
        c->slot[hole] = c->slot[at];
        hole = at;
    }
    c->slot[hole] = NULL;
    c->n--;
    c->octets -= p->octets;
    d->memory.all -= p->octets;
    d->memory.fresh -= p->fresh ? p->octets : 0;
    d->memory.strange -= p->strange ? p->octets : 0;
    decode_plan_free(p);
}

void plans_free(struct plans *c)
{
    free(c->slot);
    *c = (struct plans){ 0 };
}
