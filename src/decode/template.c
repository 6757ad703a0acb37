#include <stdlib.h>
#include <string.h>

#include "decode/session.h"

static uint32_t lower_bound(const struct port *p, uint16_t id)
{
    uint32_t lo = 0, hi = p->n;

    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (p->t[mid]->id < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

struct template *template_find(const struct port *p, uint16_t id)
{
    uint32_t i = lower_bound(p, id);

    return i < p->n && p->t[i]->id == id ? p->t[i] : NULL;
}

struct template *template_lookup(const struct exporter *x, const struct port *p, uint16_t id,
                                 bool *borrowed)
{
    struct template *t = template_find(p, id);

    *borrowed = false;
    if (t != NULL || p->session != 0)
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

static void remove_at(struct exporter *x, struct port *p, uint32_t i)
{
    decode_plan_free(p->t[i]->plan);
    free(p->t[i]);
    p->n--;
    memmove(&p->t[i], &p->t[i + 1], (p->n - i) * sizeof(struct template *));
    x->n_templates--;
}

void template_expire(struct exporter *x, struct port *p, int64_t before_ms, uint64_t before_serial)
{
    for (uint32_t i = p->n; i-- > 0;)
        if (p->t[i]->seen_ms < before_ms || p->t[i]->serial < before_serial)
            remove_at(x, p, i);
}

void template_withdraw(struct message *m, uint16_t id)
{
    uint32_t i = lower_bound(m->port, id);

    if (i >= m->port->n || m->port->t[i]->id != id)
        return;
    remove_at(m->x, m->port, i);
    m->x->c.templates_withdrawn++;
}

void template_withdraw_all(struct message *m, enum shape_kind kind)
{
    for (uint32_t i = m->port->n; i-- > 0;)
        if (m->port->t[i]->plan->shape->kind == kind) {
            remove_at(m->x, m->port, i);
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

static int insert(struct message *m, uint16_t id, struct plan *plan)
{
    struct port *p = m->port;
    uint32_t i = lower_bound(p, id);
    struct template *t;

    if (p->n == p->cap) {
        uint32_t cap = p->cap > 0 ? p->cap * 2 : 8;
        struct template **grown = realloc(p->t, cap * sizeof *grown);
        if (grown == NULL)
            return ERR_NOMEM;
        p->t = grown;
        p->cap = cap;
    }
    t = calloc(1, sizeof *t);
    if (t == NULL)
        return ERR_NOMEM;
    *t = (struct template){ plan, m->h.received_ms, m->x->serial, id };
    memmove(&p->t[i + 1], &p->t[i], (p->n - i) * sizeof *p->t);
    p->t[i] = t;
    p->n++;
    m->x->n_templates++;
    m->x->c.templates_learned++;
    return ERR_OK;
}

int template_learn(struct message *m, enum shape_kind kind, uint16_t id, unsigned n_scope,
                   unsigned n, enum decode_reason *bad)
{
    struct template *t = template_find(m->port, id);
    struct plan *plan = NULL;
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
    rc = plan_new(&plan, (uint8_t)m->x->key.version, kind, n_scope, m->d->fields, n);
    if (rc == ERR_ARG) {
        *bad = DECODE_TEMPLATE;
        return ERR_OK;
    }
    if (rc != ERR_OK)
        return rc;
    if (t != NULL) {
        decode_plan_free(t->plan);
        t->plan = plan;
        t->seen_ms = m->h.received_ms;
        t->serial = m->x->serial;
        m->x->c.templates_changed++;
    } else if ((rc = insert(m, id, plan)) != ERR_OK) {
        decode_plan_free(plan);
        return rc;
    }
    return waiting_retry(m, id);
}
