#include <stdlib.h>
#include <string.h>

#include "decode/session.h"

static uint32_t lower_bound(const struct port *p, uint16_t id)
{
    uint32_t lo = 0, hi = p->n;

    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (p->t[mid].id < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

struct template *template_find(const struct port *p, uint16_t id)
{
    uint32_t i = lower_bound(p, id);

    return i < p->n && p->t[i].id == id ? &p->t[i] : NULL;
}

struct template *template_lookup(const struct exporter *x, const struct port *p, uint16_t id,
                                 bool *borrowed)
{
    struct template *t = template_find(p, id);

    *borrowed = false;
    if (t != NULL)
        return t;
    for (uint32_t i = 0; i < x->n_ports; i++) {
        struct template *o = template_find(x->ports[i], id);
        if (o == NULL)
            continue;
        if (t != NULL && !shape_equal(t->plan->shape, o->plan->shape))
            return NULL; /* they do not agree: no guess */
        t = o;
    }
    *borrowed = t != NULL;
    return t;
}

static void remove_at(struct decoder *d, struct exporter *x, struct port *p, uint32_t i)
{
    plans_put(d, p->t[i].plan);
    p->n--;
    memmove(&p->t[i], &p->t[i + 1], (p->n - i) * sizeof *p->t);
    x->n_templates--;
}

void template_expire(struct decoder *d, struct exporter *x, struct port *p, int64_t before_ms,
                     uint64_t before_serial)
{
    for (uint32_t i = p->n; i-- > 0;)
        if (p->t[i].seen_ms < before_ms || p->t[i].serial < before_serial)
            remove_at(d, x, p, i);
}

void template_withdraw(struct message *m, uint16_t id)
{
    uint32_t i = lower_bound(m->port, id);

    if (i >= m->port->n || m->port->t[i].id != id)
        return;
    remove_at(m->d, m->x, m->port, i);
    m->x->c.templates_withdrawn++;
}

void template_withdraw_all(struct message *m, enum shape_kind kind)
{
    for (uint32_t i = m->port->n; i-- > 0;)
        if (m->port->t[i].plan->shape->kind == kind) {
            remove_at(m->d, m->x, m->port, i);
            m->x->c.templates_withdrawn++;
        }
}

static bool same(const struct template *t, enum shape_kind kind, unsigned n_scope,
                 const struct plan_field *f, unsigned n)
{
    const struct shape *s = t->plan->shape;

    if (s->kind != kind || s->n_scope != n_scope || s->n_fields != n)
        return false;
    for (unsigned i = 0; i < n; i++)
        if (s->f[i].pen != f[i].pen || s->f[i].id != f[i].id || s->f[i].len != f[i].len)
            return false;
    return true;
}

/* A place for the template in the order of ids; there is room. */
static void insert(struct message *m, uint16_t id, struct plan *plan)
{
    struct port *p = m->port;
    uint32_t i = lower_bound(p, id);

    memmove(&p->t[i + 1], &p->t[i], (p->n - i) * sizeof *p->t);
    p->t[i] = (struct template){ plan, m->h.received_ms, m->x->serial, id };
    p->n++;
    m->x->n_templates++;
    m->x->c.templates_learned++;
}

/* Room for one more. *ok is false at the ceiling of memory. */
static int make_room(struct message *m, bool *ok)
{
    struct port *p = m->port;
    uint32_t cap = p->cap > 0 ? p->cap * 2 : 4;
    struct template *grown;

    *ok = p->n < p->cap || exporter_charge(m->d, m->x, (cap - p->cap) * sizeof *p->t);
    if (p->n < p->cap || !*ok)
        return ERR_OK;
    grown = realloc(p->t, cap * sizeof *grown);
    if (grown == NULL) {
        exporter_discharge(m->d, m->x, (cap - p->cap) * sizeof *p->t);
        return ERR_NOMEM;
    }
    p->t = grown;
    p->cap = cap;
    return ERR_OK;
}

/* Take a new plan, for `t` or, where that is NULL, for a new template. *ok is false at the ceiling
 * of memory; the one that it would have replaced is not true any more and goes. */
static int take(struct message *m, struct template *t, uint16_t id, struct plan *plan, bool *ok)
{
    int rc;

    *ok = exporter_charge(m->d, m->x, 0); /* is it still in bounds with this plan? */
    if (!*ok && t != NULL)
        remove_at(m->d, m->x, m->port, (uint32_t)(t - m->port->t));
    if (!*ok)
        return ERR_OK;
    if (t == NULL) {
        rc = make_room(m, ok);
        if (rc == ERR_OK && *ok)
            insert(m, id, plan);
        return rc;
    }
    plans_put(m->d, t->plan);
    t->plan = plan;
    t->seen_ms = m->h.received_ms;
    t->serial = m->x->serial;
    m->x->c.templates_changed++;
    return ERR_OK;
}

int template_learn(struct message *m, enum shape_kind kind, uint16_t id, unsigned n_scope,
                   unsigned n, enum decode_reason *bad)
{
    struct template *t = template_find(m->port, id);
    struct plan *plan = NULL;
    bool ok;
    int rc;

    *bad = DECODE_REASON_N;
    if (t != NULL && same(t, kind, n_scope, m->d->fields, n)) {
        t->seen_ms = m->h.received_ms;
        t->serial = m->x->serial;
        return ERR_OK;
    }
    if (t == NULL && m->x->n_templates >= m->d->lim.max_templates) {
        *bad = DECODE_TEMPLATE_LIMIT;
        return ERR_OK;
    }
    rc = plans_get(m->d, m->x, &plan, kind, n_scope, m->d->fields, n);
    if (rc == ERR_ARG) {
        *bad = DECODE_TEMPLATE;
        return ERR_OK;
    }
    if (rc != ERR_OK)
        return rc;
    rc = take(m, t, id, plan, &ok);
    if (rc != ERR_OK || !ok) {
        plans_put(m->d, plan);
        *bad = ok ? DECODE_REASON_N : DECODE_TEMPLATE_LIMIT;
        return rc;
    }
    return waiting_retry(m, id);
}
