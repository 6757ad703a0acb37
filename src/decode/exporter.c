#include <stdlib.h>
#include <string.h>

#include "decode/session.h"

static uint64_t key_hash(const struct exporter_key *k)
{
    uint64_t h =
        addr_hash(&k->addr) ^ ((uint64_t)k->domain << 32 | (uint32_t)k->version << 16 | k->import);

    h = (h ^ h >> 32) * 0x9e3779b97f4a7c15u;
    return h ^ h >> 29;
}

static bool key_equal(const struct exporter_key *a, const struct exporter_key *b)
{
    return a->domain == b->domain && a->version == b->version && a->import == b->import &&
           addr_cmp(&a->addr, &b->addr) == 0;
}

struct exporter *exporter_find(struct decoder *d, const struct exporter_key *k)
{
    uint64_t h;

    if (d->last != NULL && key_equal(&d->last->key, k))
        return d->last;
    if (d->slot == NULL)
        return NULL;
    h = key_hash(k);
    for (uint32_t at = (uint32_t)h & d->slot_mask; d->slot[at] != 0; at = (at + 1) & d->slot_mask) {
        struct exporter *x = d->list[d->slot[at] - 1];
        if (x->hash == h && key_equal(&x->key, k)) {
            d->last = x;
            return x;
        }
    }
    return NULL;
}

static void slot_enter(struct decoder *d, uint32_t i)
{
    uint32_t at = (uint32_t)d->list[i]->hash & d->slot_mask;

    while (d->slot[at] != 0)
        at = (at + 1) & d->slot_mask;
    d->slot[at] = i + 1;
}

static void slots_again(struct decoder *d)
{
    for (uint32_t i = 0; i <= d->slot_mask; i++)
        d->slot[i] = 0;
    for (uint32_t i = 0; i < d->n; i++)
        slot_enter(d, i);
}

static int grow(struct decoder *d)
{
    uint32_t cap = d->cap > 0 ? d->cap * 2 : 64;
    struct exporter **l = realloc(d->list, cap * sizeof *l);
    uint32_t *s;

    if (l == NULL)
        return ERR_NOMEM;
    d->list = l;
    s = calloc((size_t)cap * 2, sizeof *s);
    if (s == NULL)
        return ERR_NOMEM;
    free(d->slot);
    d->slot = s;
    d->cap = cap;
    d->slot_mask = cap * 2 - 1;
    slots_again(d);
    return ERR_OK;
}

/* Make room for a new untrusted exporter by forgetting the one idle longest; its counts are kept in
 * the sums. The search is repeated only when one can have become idle long enough. */
static bool evict_untrusted(struct decoder *d, int64_t now_ms)
{
    uint32_t oldest = UINT32_MAX;

    if (now_ms < d->evict_after_ms)
        return false;
    for (uint32_t i = 0; i < d->n; i++)
        if (!d->list[i]->trusted &&
            (oldest == UINT32_MAX || d->list[i]->last_ms < d->list[oldest]->last_ms))
            oldest = i;
    if (oldest == UINT32_MAX)
        return false;
    d->evict_after_ms = d->list[oldest]->last_ms + UNTRUSTED_IDLE_MS;
    if (now_ms < d->evict_after_ms)
        return false;
    waiting_expire(d, d->list[oldest], now_ms, true);
    counters_add(&d->none, &d->list[oldest]->c);
    exporter_free(d, d->list[oldest]);
    d->list[oldest] = d->list[--d->n];
    d->n_untrusted--;
    d->last = NULL;
    d->evict_after_ms = 0;
    slots_again(d);
    return true;
}

static void set_trust(struct decoder *d, struct exporter *x, bool trusted)
{
    if (x->trusted == trusted)
        return;
    x->trusted = trusted;
    d->n_trusted += trusted ? 1u : UINT32_MAX;
    d->n_untrusted += trusted ? UINT32_MAX : 1u;
    if (trusted)
        d->waiting_untrusted -= x->waiting_octets;
    else
        d->waiting_untrusted += x->waiting_octets;
}

int exporter_enter(struct decoder *d, struct exporter *x)
{
    if (d->n == d->cap && grow(d) != ERR_OK)
        return ERR_NOMEM;
    x->hash = key_hash(&x->key);
    d->n_trusted += x->trusted;
    d->n_untrusted += !x->trusted;
    d->list[d->n++] = x;
    slot_enter(d, d->n - 1);
    d->last = x;
    return ERR_OK;
}

int exporter_get(struct decoder *d, const struct datagram *g, const struct exporter_key *k,
                 struct exporter **out)
{
    struct exporter *x = exporter_find(d, k);

    *out = x;
    if (x != NULL) {
        set_trust(d, x, g->trusted);
        return ERR_OK;
    }
    if (g->trusted ? d->n_trusted >= d->lim.max_exporters
                   : d->n_untrusted >= d->lim.max_untrusted && !evict_untrusted(d, g->received_ms))
        return ERR_OK;
    x = calloc(1, sizeof *x);
    if (x == NULL)
        return ERR_NOMEM;
    x->key = *k;
    x->trusted = g->trusted;
    x->first_ms = g->received_ms;
    x->wait_last = &x->wait_first;
    if (exporter_enter(d, x) != ERR_OK) {
        free(x);
        return ERR_NOMEM;
    }
    *out = x;
    return ERR_OK;
}

/* Sums of waiting octets and such, when an exporter comes to a decoder or leaves it. */
static void account_for(struct decoder *d, const struct exporter *x, bool in)
{
    uint32_t one = in ? 1u : UINT32_MAX;
    uint64_t by = in ? x->waiting_octets : 0 - x->waiting_octets;

    d->n_trusted += x->trusted ? one : 0;
    d->n_untrusted += x->trusted ? 0 : one;
    d->n_totals += x->totals != NULL ? one : 0;
    d->waiting_total += by;
    d->waiting_untrusted += x->trusted ? 0 : by;
}

int decoder_move(struct decoder *to, struct decoder *from,
                 bool (*want)(void *ctx, const struct exporter_key *k), void *ctx)
{
    int rc = ERR_OK;

    for (uint32_t i = 0; rc == ERR_OK && i < from->n;) {
        struct exporter *x = from->list[i];
        sessions_free(from, x); /* their numbers mean nothing there */
        if (!want(ctx, &x->key)) {
            i++;
            continue;
        }
        if (to->n == to->cap && (rc = grow(to)) != ERR_OK)
            break;
        account_for(from, x, false);
        from->list[i] = from->list[--from->n];
        x->number = (struct batch_number){ 0 };
        to->list[to->n++] = x;
        slot_enter(to, to->n - 1);
        account_for(to, x, true);
    }
    from->last = NULL;
    if (from->slot != NULL)
        slots_again(from);
    counters_add(&to->none, &from->none);
    memset(&from->none, 0, sizeof from->none);
    return rc;
}

void port_reset(struct exporter *x, struct port *p)
{
    template_expire(x, p, INT64_MAX, UINT64_MAX);
    free(p->t);
    x->lost += p->seq.lost;
    x->reordered += p->seq.reordered;
    x->duplicated += p->seq.duplicated;
    *p = (struct port){ .number = p->number, .session = p->session };
}

void exporter_free(struct decoder *d, struct exporter *x)
{
    for (uint32_t i = 0; i < x->n_ports; i++) {
        port_reset(x, x->ports[i]);
        free(x->ports[i]);
    }
    free(x->ports);
    sessions_free(d, x);
    while (x->wait_first != NULL) {
        struct waiting *w = x->wait_first;
        x->wait_first = w->next;
        free(w);
    }
    d->n_totals -= x->totals != NULL;
    totals_free(x->totals);
    free(x);
}

/* Beyond MAX_PORTS a port takes the place of one silent for long, else it shares the last place: a
 * flood of forged ports cannot push out the one that is in use. */
int exporter_port(struct exporter *x, uint16_t number, int64_t now_ms, struct port **out)
{
    struct port *p = NULL, **grown;

    for (uint32_t i = 0; i < x->n_ports && p == NULL; i++)
        if (x->ports[i]->number == number && !x->ports[i]->shared)
            p = x->ports[i];
    if (p == NULL && x->n_ports == MAX_PORTS) {
        p = x->ports[0];
        for (uint32_t i = 1; i < x->n_ports - 1; i++)
            if (x->ports[i]->last_ms < p->last_ms)
                p = x->ports[i];
        if (now_ms - p->last_ms > PORT_IDLE_MS) {
            port_reset(x, p);
        } else {
            p = x->ports[MAX_PORTS - 1];
            p->shared = true;
        }
        p->number = number;
    }
    *out = p;
    if (p == NULL) {
        grown = realloc(x->ports, (x->n_ports + 1) * sizeof(struct port *));
        if (grown == NULL)
            return ERR_NOMEM;
        x->ports = grown;
        p = calloc(1, sizeof *p);
        if (p == NULL)
            return ERR_NOMEM;
        p->number = number;
        x->ports[x->n_ports++] = p;
        *out = p;
    }
    p->last_ms = now_ms;
    return ERR_OK;
}

/* Exporter's clock minus ours, smoothed; a jump of over a minute is believed the second time. */
void exporter_clock(struct exporter *x, const struct export_info *h)
{
    int64_t off = h->export_ms - h->received_ms, d = off - x->clock_offset_ms;

    if (!x->clock_known) {
        x->clock_known = true;
        x->clock_offset_ms = off;
    } else if (d > OFFSET_TRUST_MS || d < -OFFSET_TRUST_MS) {
        if (x->clock_moved)
            x->clock_offset_ms = off;
        x->clock_moved = !x->clock_moved;
    } else {
        x->clock_offset_ms += d / 16;
        x->clock_moved = false;
    }
}

static bool moved(uint32_t a, uint32_t b)
{
    return a - b > BOOT_MOVED_MS && b - a > BOOT_MOVED_MS;
}

static void restarted(struct message *m, uint32_t boot_ms, uint64_t serial)
{
    m->x->restarts++;
    m->port->boot_ms = boot_ms;
    m->port->boot_moved = false;
    template_expire(m->x, m->port, INT64_MIN, serial);
    sequence_restart(&m->port->seq);
}

void exporter_boot(struct message *m, uint32_t seq, uint32_t window)
{
    struct port *p = m->port;
    uint32_t boot = (uint32_t)((uint64_t)m->h.export_ms - m->h.uptime_ms);
    uint32_t seq_fell = p->seq.next - seq, up_fell = p->uptime_ms - m->h.uptime_ms;

    if (p->shared)
        return;
    if (!p->boot_known) {
        p->boot_known = true;
        p->boot_ms = boot;
    } else if (moved(boot, p->boot_ms)) {
        if (seq_fell > window && seq_fell <= INT32_MAX && up_fell > window &&
            up_fell <= INT32_MAX) {
            restarted(m, boot, m->x->serial);
        } else if (p->boot_moved && !moved(boot, p->boot_new_ms)) {
            restarted(m, boot, p->moved_serial);
        } else {
            p->boot_moved = true;
            p->boot_new_ms = boot;
            p->moved_serial = m->x->serial;
        }
    } else {
        p->boot_moved = false;
    }
    p->uptime_ms = m->h.uptime_ms;
}

uint64_t exporter_lost(const struct exporter *x, uint64_t *reordered, uint64_t *duplicated)
{
    uint64_t lost = x->lost;

    *reordered = x->reordered;
    *duplicated = x->duplicated;
    for (uint32_t i = 0; i < x->n_ports + x->n_sessions; i++) {
        const struct port *p = i < x->n_ports ? x->ports[i] : x->sessions[i - x->n_ports];
        lost += p->seq.lost;
        *reordered += p->seq.reordered;
        *duplicated += p->seq.duplicated;
    }
    return lost;
}
