#include "decode/session.h"

void set_malformed(struct message *m, enum decode_reason r)
{
    m->x->c.sets_malformed[r]++;
    m->unknown = true;
}

int set_run(struct message *m, struct plan *plan, const struct export_info *h, uint16_t marks,
            const uint8_t *p, size_t len)
{
    struct exporter *x = m->x;
    struct decoder *d = m->d;
    int64_t off = x->clock_offset_ms;
    struct run_result res;
    struct run_env env = { .sink = m->sink,
                           .key = &x->key,
                           .number = &x->number,
                           .h = *h,
                           .max_age_ms = (int64_t)d->lim.max_age_s * 1000,
                           .marks = marks,
                           .boot_known = x->boot_known,
                           .boot_ms = x->boot_ms,
                           .at = d->at,
                           .len = d->len };
    int rc;

    env.clock_offset_ms = off > OFFSET_TRUST_MS || off < -OFFSET_TRUST_MS ? off : 0;
    env.marks |=
        (uint16_t)((x->trusted ? 0 : MARK_UNTRUSTED) | (m->g->import != 0 ? MARK_IMPORT : 0));
    /* a table is never given back: half of them are for exporters that stay */
    if (plan->totals && x->totals == NULL &&
        d->n_totals < (x->trusted && x->established ? TOTALS_TABLES : TOTALS_TABLES / 2) &&
        totals_new(&x->totals) == ERR_OK)
        d->n_totals++;
    env.totals = x->totals;
    rc = run_set(plan, &env, p, len, &res);
    if (plan->shape->kind == SHAPE_OPTION)
        x->c.options += res.records;
    else
        x->c.flows += res.records;
    m->records += (uint32_t)res.records;
    if (res.boot_found) {
        x->boot_known = true;
        x->boot_ms = res.boot_ms;
    }
    if (res.malformed)
        set_malformed(m, DECODE_RECORD);
    else
        x->c.sets_decoded++;
    return rc;
}

int set_data(struct message *m, uint16_t id, const uint8_t *p, size_t len)
{
    bool borrowed;
    struct template *t = template_lookup(m->x, m->port, id, &borrowed);

    if (t == NULL)
        return waiting_put(m, id, p, len);
    m->x->c.sets_borrowed += borrowed;
    return set_run(m, t->plan, &m->h, borrowed ? MARK_BORROWED : 0, p, len);
}

/* ------------------------------------------------------------------------------ template sets */

/* Fields beyond `room` are read over, so that the template behind them is found. */
static void take_fields(struct plan_field *to, unsigned room, struct rd *r, unsigned n, bool pens)
{
    for (unsigned i = 0; i < n; i++) {
        struct plan_field f = { .id = rd_u16(r) };
        f.len = rd_u16(r);
        if (pens && (f.id & 0x8000) != 0) {
            f.id &= 0x7fff;
            f.pen = rd_u32(r);
        }
        if (i < room)
            to[i] = f;
    }
}

struct template_head {
    uint16_t id;
    unsigned n_scope, n;
    bool withdrawal;
};

/* RFC 7011 sections 3.4.1, 3.4.2.2 and 8.1; RFC 3954 sections 5.2 and 6.1. */
static bool template_head(struct rd *r, bool v9, enum shape_kind kind, struct template_head *h)
{
    unsigned scope_octets;

    *h = (struct template_head){ .id = rd_u16(r) };
    if (kind == SHAPE_OPTION && v9) {
        scope_octets = rd_u16(r);
        h->n_scope = scope_octets / 4;
        h->n = rd_u16(r);
        if (scope_octets % 4 != 0 || h->n % 4 != 0)
            return false;
        h->n = h->n / 4 + h->n_scope;
        return rd_ok(r);
    }
    h->n = rd_u16(r);
    if (!v9 && h->n == 0) {
        h->withdrawal = true;
        return rd_ok(r);
    }
    if (kind == SHAPE_OPTION)
        h->n_scope = rd_u16(r);
    return rd_ok(r) && h->n_scope <= h->n;
}

static bool zeros(const struct rd *r)
{
    for (size_t i = 0; i < r->left; i++)
        if (r->p[i] != 0)
            return false;
    return true;
}

static int one_template(struct message *m, struct rd *r, bool v9, enum shape_kind kind,
                        enum decode_reason *bad)
{
    struct template_head h;

    *bad = DECODE_TEMPLATE;
    if (!template_head(r, v9, kind, &h))
        return ERR_OK;
    if (h.withdrawal) {
        if (h.id == (kind == SHAPE_OPTION ? 3 : 2))
            template_withdraw_all(m, kind);
        else if (h.id >= 256)
            template_withdraw(m, h.id);
        else
            return ERR_OK;
        m->templates++;
        *bad = DECODE_REASON_N;
        return ERR_OK;
    }
    if (h.id < 256 || h.n == 0 || h.n > r->left / 4)
        return ERR_OK;
    take_fields(m->d->fields, m->d->lim.max_fields, r, h.n, !v9);
    if (h.n > m->d->lim.max_fields) {
        *bad = rd_ok(r) ? DECODE_TEMPLATE_LIMIT : DECODE_TEMPLATE;
        return ERR_OK;
    }
    for (unsigned i = 0; v9 && i < h.n_scope; i++)
        m->d->fields[i].pen = SHAPE_PEN_V9_SCOPE;
    if (!rd_ok(r))
        return ERR_OK;
    m->templates++;
    return template_learn(m, kind, h.id, h.n_scope, h.n, bad);
}

static int set_templates(struct message *m, struct rd *r, bool v9, enum shape_kind kind)
{
    enum decode_reason bad, worst = DECODE_REASON_N;

    while (r->left >= 4 && !zeros(r)) {
        int rc = one_template(m, r, v9, kind, &bad);
        if (rc != ERR_OK)
            return rc;
        if (bad != DECODE_REASON_N)
            worst = bad;
        if (bad == DECODE_TEMPLATE || !rd_ok(r))
            break; /* where the next one begins is not known */
    }
    if (worst == DECODE_REASON_N)
        m->x->c.sets_template++;
    else
        m->x->c.sets_malformed[worst]++;
    return ERR_OK;
}

int sets_walk(struct message *m, struct rd *r, bool v9)
{
    /* some exporters fill the datagram with zeros behind the last set */
    while (r->left >= 4 && !(be16(r->p + 2) == 0 && zeros(r))) {
        uint16_t id = rd_u16(r), len = rd_u16(r);
        struct rd body = rd_sub(r, len >= 4 ? len - 4u : SIZE_MAX);
        int rc = ERR_OK;
        m->x->c.sets++;
        if (!rd_ok(&body)) {
            set_malformed(m, DECODE_LENGTH);
            return ERR_OK;
        }
        if (id == (v9 ? 0 : 2))
            rc = set_templates(m, &body, v9, SHAPE_FLOW);
        else if (id == (v9 ? 1 : 3))
            rc = set_templates(m, &body, v9, SHAPE_OPTION);
        else if (id < 256)
            set_malformed(m, DECODE_SET_ID);
        else
            rc = set_data(m, id, body.p, body.left);
        if (rc != ERR_OK)
            return rc;
    }
    return ERR_OK;
}
