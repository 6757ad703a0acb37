#include <stdlib.h>
#include <string.h>

#include "decode/session.h"

/* A full store keeps what it has: a flood of sets without templates cannot push out older ones. */
static bool fits(const struct message *m, size_t len)
{
    const struct decoder *d = m->d;

    return m->x->waiting_octets + len <= d->lim.max_waiting_octets &&
           budget_fits(&d->waiting, m->x, len, d->lim.max_waiting_total);
}

static void account(struct decoder *d, struct exporter *x, size_t len, bool in)
{
    x->waiting_octets += in ? len : 0 - (uint64_t)len;
    if (in)
        budget_add(&d->waiting, x, len);
    else
        budget_sub(&d->waiting, x, len);
    x->c.sets_waiting += in ? 1u : UINT64_MAX;
}

void waiting_append(struct decoder *d, struct exporter *x, struct waiting *w)
{
    w->next = NULL;
    *x->wait_last = w;
    x->wait_last = &w->next;
    account(d, x, sizeof *w + w->len, true);
}

int waiting_put(struct message *m, uint16_t id, const uint8_t *p, size_t len)
{
    struct waiting *w;

    m->unknown = true;
    if (!fits(m, sizeof *w + len)) {
        m->x->c.sets_expired[DECODE_WAITING_LIMIT]++;
        return ERR_OK;
    }
    w = malloc(sizeof *w + len);
    if (w == NULL)
        return ERR_NOMEM;
    *w = (struct waiting){
        .h = m->h, .serial = m->x->serial, .port = m->port->number, .id = id, .len = (uint32_t)len
    };
    memcpy(w->octets, p, len);
    waiting_append(m->d, m->x, w);
    return ERR_OK;
}

static struct waiting *unlink_waiting(struct decoder *d, struct exporter *x, struct waiting **at)
{
    struct waiting *w = *at;

    *at = w->next;
    if (x->wait_last == &w->next)
        x->wait_last = at;
    account(d, x, sizeof *w + w->len, false);
    return w;
}

static struct template *template_for(const struct exporter *x, const struct waiting *w,
                                     bool *borrowed)
{
    const struct port none = { .number = w->port }, *p = &none;

    for (uint32_t i = 0; i < x->n_ports; i++)
        if (x->ports[i]->number == w->port)
            p = x->ports[i];
    return template_lookup(x, p, w->id, borrowed);
}

int waiting_retry(struct message *m, uint16_t id)
{
    struct waiting **at = &m->x->wait_first;
    int rc = ERR_OK;

    while (*at != NULL && rc == ERR_OK) {
        bool borrowed;
        struct template *t = (*at)->id == id ? template_for(m->x, *at, &borrowed) : NULL;
        uint32_t records = m->records;
        struct waiting *w;
        if (t == NULL) {
            at = &(*at)->next;
            continue;
        }
        w = unlink_waiting(m->d, m->x, at);
        m->x->c.sets_borrowed += borrowed;
        rc = set_run(m, t->plan, &w->h, (uint16_t)(MARK_WAITED | (borrowed ? MARK_BORROWED : 0)),
                     w->octets, w->len);
        if (w->serial != m->x->serial)
            m->records = records; /* not of this message */
        free(w);
    }
    return rc;
}

void waiting_expire(struct decoder *d, struct exporter *x, int64_t now_ms, bool all)
{
    struct waiting **at = &x->wait_first;

    while (*at != NULL) {
        if (!all && now_ms - (*at)->h.received_ms <= (int64_t)d->lim.waiting_ttl_s * 1000) {
            at = &(*at)->next;
            continue;
        }
        free(unlink_waiting(d, x, at));
        x->c.sets_expired[DECODE_NO_TEMPLATE]++;
    }
}
