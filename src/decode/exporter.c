#include <stdlib.h>
#include <string.h>

#include "base/be.h"
#include "decode/session.h"

static uint64_t key_hash(const struct exporter_key *k)
{
    uint64_t h =
        addr_hash(&k->addr) ^ ((uint64_t)k->domain << 32 | (uint32_t)k->version << 16 | k->import);

    h = (h ^ h >> 32) * 0x9e3779b97f4a7c15u;
    return h ^ h >> 29;
}

static uint32_t slot_place(const struct decoder *d, uint64_t h, const struct exporter_key *k)
{
    uint32_t at = (uint32_t)h & d->slot_mask;

    while (d->slot[at].x != NULL &&
           !(d->slot[at].hash == h && exporter_key_equal(&d->slot[at].x->key, k)))
        at = (at + 1) & d->slot_mask;
    return at;
}

struct exporter *exporter_find(struct decoder *d, const struct exporter_key *k)
{
    struct exporter *x;
    uint64_t h;

    if (d->last != NULL && exporter_key_equal(&d->last->key, k))
        return d->last;
    if (d->slot == NULL)
        return NULL;
    h = key_hash(k);
    x = d->slot[slot_place(d, h, k)].x;
    d->last = x != NULL ? x : d->last;
    return x;
}

/* Whose datagram is it? Header layouts: RFC 3954 section 5.1, RFC 7011 section 3.1, Cisco's v5. */
static struct exporter_key key_of(const struct datagram *g)
{
    struct exporter_key k = { .addr = g->peer, .import = g->import };

    if (g->len < 24)
        return k;
    k.version = be16(g->octets);
    k.domain = k.version == 5   ? be16(g->octets + 20)
               : k.version == 9 ? be32(g->octets + 16)
                                : be32(g->octets + 12);
    return k;
}

/* Slots first, then the exporters in them, then their ports: each is on its way when the next asks
 * for it. With ten thousand exporters none of these is near by itself. */
void decoder_expect(const struct decoder *d, const struct datagram *g, unsigned n)
{
    struct exporter_key k[DECODE_AHEAD];
    const struct exporter *x[DECODE_AHEAD];
    uint64_t h[DECODE_AHEAD];

    if (exporter_count(d) < EXPECT_FROM)
        return;
    for (unsigned i = 0; i < n; i++) {
        k[i] = key_of(&g[i]);
        h[i] = key_hash(&k[i]);
        __builtin_prefetch(&d->slot[h[i] & d->slot_mask]);
    }
    for (unsigned i = 0; i < n; i++) {
        const struct slot *s = &d->slot[h[i] & d->slot_mask];
        x[i] = s->hash == h[i] ? s->x : NULL;
        if (x[i] != NULL)
            be_prefetch((const uint8_t *)x[i], offsetof(struct exporter, c) + 128);
    }
    for (unsigned i = 0; i < n; i++)
        if (x[i] != NULL && x[i]->port != NULL)
            be_prefetch((const uint8_t *)x[i]->port, offsetof(struct port, seq) + 64);
    for (unsigned i = 0; i < n; i++)
        if (x[i] != NULL && x[i]->port != NULL && x[i]->port->n > 0)
            __builtin_prefetch(x[i]->port->t);
}

static void slot_enter(struct decoder *d, struct exporter *x)
{
    d->slot[slot_place(d, x->hash, &x->key)] = (struct slot){ x->hash, x };
}

static void slot_leave(struct decoder *d, const struct exporter *x)
{
    uint32_t hole = slot_place(d, x->hash, &x->key), at;

    /* those behind that were pushed on by this one come nearer */
    for (at = (hole + 1) & d->slot_mask; d->slot[at].x != NULL; at = (at + 1) & d->slot_mask) {
        uint32_t home = (uint32_t)d->slot[at].hash & d->slot_mask;
        if (((at - home) & d->slot_mask) < ((at - hole) & d->slot_mask))
            continue;
        d->slot[hole] = d->slot[at];
        hole = at;
    }
    d->slot[hole] = (struct slot){ 0 };
}

static int slots_grow(struct decoder *d)
{
    uint32_t old = d->slot != NULL ? d->slot_mask + 1 : 0, room = old > 0 ? old * 2 : 128;
    struct slot *was = d->slot, *slot = calloc(room, sizeof *slot);

    if (slot == NULL)
        return ERR_NOMEM;
    d->slot = slot;
    d->slot_mask = room - 1;
    for (uint32_t i = 0; i < old; i++)
        if (was[i].x != NULL)
            slot_enter(d, was[i].x);
    free(was);
    return ERR_OK;
}

/* Room for one more. */
static int group_room(struct group *g)
{
    uint32_t cap = g->cap > 0 ? g->cap * 2 : 16;
    struct exporter **more;

    if (g->n < g->cap)
        return ERR_OK;
    more = realloc(g->x, cap * sizeof(struct exporter *));
    if (more == NULL)
        return ERR_NOMEM;
    g->x = more;
    g->cap = cap;
    return ERR_OK;
}

static void group_enter(struct group *g, struct exporter *x)
{
    x->at = g->n;
    g->x[g->n++] = x;
}

static void group_leave(struct group *g, const struct exporter *x)
{
    struct exporter *last = g->x[--g->n];

    g->x[x->at] = last;
    last->at = x->at;
}

/* ---------------------------------------------------------------------------------------- memory
 */

static bool is_fresh(const struct exporter *x)
{
    return !x->trusted || !x->established;
}

bool budget_fits(const struct budget *b, const struct exporter *x, uint64_t octets, uint64_t max)
{
    return b->all + octets <= max && (!is_fresh(x) || b->fresh + octets <= max / 2) &&
           (x->trusted || b->strange + octets <= max / 4);
}

void budget_add(struct budget *b, const struct exporter *x, uint64_t octets)
{
    b->all += octets;
    b->fresh += is_fresh(x) ? octets : 0;
    b->strange += x->trusted ? 0 : octets;
}

void budget_sub(struct budget *b, const struct exporter *x, uint64_t octets)
{
    b->all -= octets;
    b->fresh -= is_fresh(x) ? octets : 0;
    b->strange -= x->trusted ? 0 : octets;
}

static bool forget_one(struct decoder *d, struct group *g, int64_t now_ms, uint32_t *at);

/* x is heard now, so it is not among those that may be forgotten for it. */
bool exporter_charge(struct decoder *d, struct exporter *x, uint64_t octets)
{
    uint32_t at;

    for (unsigned i = 0; i < FORGET_FOR_IT; i++)
        if (budget_fits(&d->memory, x, octets, d->lim.max_octets) ||
            !(forget_one(d, &d->group[STRANGERS], x->last_ms, &at) ||
              (x->trusted && forget_one(d, &d->group[TRUSTED], x->last_ms, &at))))
            break;
    if (!budget_fits(&d->memory, x, octets, d->lim.max_octets))
        return false;
    budget_add(&d->memory, x, octets);
    x->octets += octets;
    return true;
}

void exporter_discharge(struct decoder *d, struct exporter *x, uint64_t octets)
{
    budget_sub(&d->memory, x, octets);
    x->octets -= octets;
}

/* What it holds, in or out of the sums. */
static void account_for(struct decoder *d, const struct exporter *x, bool in)
{
    void (*move)(struct budget *, const struct exporter *, uint64_t) = in ? budget_add : budget_sub;

    move(&d->memory, x, x->octets);
    move(&d->waiting, x, x->waiting_octets);
    d->n_totals += x->totals == NULL ? 0 : in ? 1u : UINT32_MAX;
}

/* It has become more than it was: so have its plans. */
static void plans_of(struct decoder *d, const struct exporter *x)
{
    for (uint32_t i = 0; i < x->n_ports; i++)
        for (uint32_t k = 0; k < x->ports[i]->n; k++)
            plans_pay(d, x->ports[i]->t[k].plan, x);
    for (uint32_t i = 0; i < x->n_sessions; i++)
        for (uint32_t k = 0; k < x->sessions[i]->n; k++)
            plans_pay(d, x->sessions[i]->t[k].plan, x);
}

void exporter_heard(struct decoder *d, struct exporter *x)
{
    if (x->established || x->serial < ESTABLISHED_N || x->last_ms - x->first_ms < ESTABLISHED_MS)
        return;
    account_for(d, x, false);
    x->established = true;
    account_for(d, x, true);
    plans_of(d, x);
}

static void set_trust(struct decoder *d, struct exporter *x, bool trusted)
{
    if (x->trusted == trusted)
        return;
    if (group_room(&d->group[trusted]) != ERR_OK)
        return; /* tried again with its next datagram */
    group_leave(&d->group[x->trusted], x);
    group_enter(&d->group[trusted], x);
    account_for(d, x, false);
    x->trusted = trusted;
    account_for(d, x, true);
    plans_of(d, x);
}

/* --------------------------------------------------------------------------- entering and leaving
 */

static int tables_room(struct decoder *d, bool trusted)
{
    if ((d->slot == NULL || exporter_count(d) > d->slot_mask / 2) && slots_grow(d) != ERR_OK)
        return ERR_NOMEM;
    return group_room(&d->group[trusted]);
}

int exporter_enter(struct decoder *d, struct exporter *x)
{
    if (tables_room(d, x->trusted) != ERR_OK)
        return ERR_NOMEM;
    group_enter(&d->group[x->trusted], x);
    x->hash = key_hash(&x->key);
    x->octets += EXPORTER_OCTETS;
    account_for(d, x, true);
    slot_enter(d, x);
    d->last = x;
    return ERR_OK;
}

static void leave(struct decoder *d, struct exporter *x)
{
    slot_leave(d, x);
    group_leave(&d->group[x->trusted], x);
    account_for(d, x, false);
    d->last = NULL;
}

/* A place that a forged datagram took is soon free again; one that is used keeps it through any
 * flood. */
static bool forgettable(const struct exporter *x, int64_t now_ms)
{
    int64_t idle_ms = now_ms - x->last_ms;

    return idle_ms >= (x->established   ? FORGET_LONG_MS
                       : x->serial <= 1 ? FORGET_SINGLE_MS
                                        : FORGET_NEW_MS);
}

/* Make room for a new exporter by forgetting one that is silent; its counts are kept in the sums.
 * *at is the place that is free now. The search goes on where it ended: the oldest come first. */
static bool forget_one(struct decoder *d, struct group *g, int64_t now_ms, uint32_t *at)
{
    for (uint32_t looks = MIN(g->n, FORGET_LOOKS); looks > 0; looks--) {
        struct exporter *x;
        g->hand = g->hand < g->n ? g->hand : 0;
        x = g->x[g->hand++];
        if (!forgettable(x, now_ms))
            continue;
        *at = x->at;
        waiting_expire(d, x, now_ms, true);
        decode_counters_add(&d->none, &x->c);
        d->none.exporters_forgotten++;
        leave(d, x);
        exporter_free(d, x);
        return true;
    }
    return false;
}

/* The newest takes the place of the one forgotten, so that places are searched in order of age. */
static void take_place(struct group *g, uint32_t at)
{
    struct exporter *newest = g->x[g->n - 1], *other = g->x[at];

    g->x[at] = newest;
    g->x[g->n - 1] = other;
    other->at = g->n - 1;
    newest->at = at;
}

static bool room_for_one(const struct decoder *d, bool trusted)
{
    const struct exporter like = { .trusted = trusted };

    return d->group[trusted].n < (trusted ? d->lim.max_exporters : d->lim.max_untrusted) &&
           budget_fits(&d->memory, &like, EXPORTER_OCTETS, d->lim.max_octets);
}

int exporter_get(struct decoder *d, const struct datagram *g, const struct exporter_key *k,
                 struct exporter **out)
{
    struct exporter *x = exporter_find(d, k);
    struct group *group = &d->group[g->trusted];
    uint32_t at = UINT32_MAX;

    *out = x;
    if (x != NULL) {
        set_trust(d, x, g->trusted);
        return ERR_OK;
    }
    if (!room_for_one(d, g->trusted) &&
        (!forget_one(d, group, g->received_ms, &at) || !room_for_one(d, g->trusted)))
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
    if (at < group->n)
        take_place(group, at);
    *out = x;
    return ERR_OK;
}

/* ------------------------------------------------------------------------- to another decoder */

/* Its templates with plans of that decoder: plans belong to one thread. */
static int adopt_plans(struct decoder *to, struct decoder *from, struct exporter *x)
{
    struct plan **fresh = calloc(x->n_templates + 1u, sizeof(struct plan *));
    uint32_t n = 0;
    int rc = fresh != NULL ? ERR_OK : ERR_NOMEM;

    for (uint32_t i = 0; rc == ERR_OK && i < x->n_ports; i++)
        for (uint32_t k = 0; rc == ERR_OK && k < x->ports[i]->n; k++) {
            const struct shape *s = x->ports[i]->t[k].plan->shape;
            for (unsigned f = 0; f < s->n_fields; f++)
                to->fields[f] = (struct plan_field){ s->f[f].pen, s->f[f].id, s->f[f].len };
            rc = plans_get(to, x, &fresh[n], s->kind, s->n_scope, to->fields, s->n_fields);
            n += rc == ERR_OK;
        }
    for (uint32_t i = 0, at = 0; rc == ERR_OK && i < x->n_ports; i++)
        for (uint32_t k = 0; k < x->ports[i]->n; k++, at++) {
            struct plan *old = x->ports[i]->t[k].plan;
            x->ports[i]->t[k].plan = fresh[at];
            fresh[at] = NULL;
            plans_put(from, old);
        }
    for (uint32_t i = 0; fresh != NULL && i < n; i++)
        plans_put(to, fresh[i]);
    free(fresh);
    return rc;
}

static int move_one(struct decoder *to, struct decoder *from, struct exporter *x)
{
    int rc = tables_room(to, x->trusted);

    if (rc == ERR_OK)
        rc = adopt_plans(to, from, x);
    if (rc != ERR_OK)
        return rc;
    leave(from, x);
    x->octets -= EXPORTER_OCTETS;
    x->number = (struct batch_number){ 0 };
    return exporter_enter(to, x);
}

int decoder_move(struct decoder *to, struct decoder *from,
                 bool (*want)(void *ctx, const struct exporter_key *k), void *ctx)
{
    int rc = ERR_OK;

    for (unsigned g = 0; g < GROUP_N; g++)
        for (uint32_t i = 0; rc == ERR_OK && i < from->group[g].n;) {
            struct exporter *x = from->group[g].x[i];
            sessions_free(from, x); /* their numbers mean nothing there */
            if (want(ctx, &x->key))
                rc = move_one(to, from, x);
            else
                i++;
        }
    decode_counters_add(&to->none, &from->none);
    memset(&from->none, 0, sizeof from->none);
    return rc;
}

/* ----------------------------------------------------------------------------------------- ports
 */

void port_reset(struct decoder *d, struct exporter *x, struct port *p)
{
    template_expire(d, x, p, INT64_MAX, UINT64_MAX);
    free(p->t);
    exporter_discharge(d, x, p->cap * sizeof *p->t);
    x->lost += p->seq.lost;
    x->reordered += p->seq.reordered;
    x->duplicated += p->seq.duplicated;
    *p = (struct port){ .number = p->number, .session = p->session };
}

/* It has left the tables; what it holds is not in the sums any more. */
void exporter_free(struct decoder *d, struct exporter *x)
{
    account_for(d, x, true);
    for (uint32_t i = 0; i < x->n_ports; i++) {
        port_reset(d, x, x->ports[i]);
        free(x->ports[i]);
    }
    sessions_free(d, x);
    account_for(d, x, false);
    free(x->ports);
    while (x->wait_first != NULL) {
        struct waiting *w = x->wait_first;
        x->wait_first = w->next;
        free(w);
    }
    totals_free(x->totals);
    free(x);
}

static struct port *port_find(const struct exporter *x, uint16_t number)
{
    for (uint32_t i = 0; i < x->n_ports; i++)
        if (x->ports[i]->number == number && !x->ports[i]->shared)
            return x->ports[i];
    return NULL;
}

/* Beyond MAX_PORTS a port takes the place of one silent for long, else it shares the
 * last place. A flood of forged ports cannot push out the one that is in use. */
static struct port *port_shared(struct decoder *d, struct exporter *x, uint16_t number,
                                int64_t now_ms)
{
    struct port *p = x->ports[0];

    for (uint32_t i = 1; i < MAX_PORTS - 1; i++)
        if (x->ports[i]->last_ms < p->last_ms)
            p = x->ports[i];
    if (now_ms - p->last_ms > PORT_IDLE_MS) {
        port_reset(d, x, p);
    } else {
        p = x->ports[MAX_PORTS - 1];
        p->shared = true;
    }
    p->number = number;
    return p;
}

int exporter_port(struct decoder *d, struct exporter *x, uint16_t number, int64_t now_ms,
                  struct port **out)
{
    struct port *p = x->port, **grown;

    if (p == NULL || p->number != number || p->shared)
        p = port_find(x, number);
    if (p == NULL && x->n_ports == MAX_PORTS)
        p = port_shared(d, x, number, now_ms);
    *out = p;
    if (p == NULL && x->n_ports > 0 && !exporter_charge(d, x, PORT_OCTETS))
        return ERR_OK;
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
    x->port = p;
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
    template_expire(m->d, m->x, m->port, INT64_MIN, serial);
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
