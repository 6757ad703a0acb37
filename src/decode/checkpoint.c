/* The decoder's part of a checkpoint: store/FORMAT.md describes the octets. Times are kept as
 * differences to one nearby, counters that are 0 as a bit, templates as numbers in one table of
 * distinct ones: ten thousand exporters of one model share theirs. */
#include "decode/checkpoint.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/var.h"
#include "decode/session.h"

#define HEAD_OCTETS 24u /* magic, draft, sum of what follows, octets of all */
#define SUM_FROM    16u
#define LOST_MAX    ((uint64_t)1 << 48) /* of one port; more never came */
#define N_COUNTERS  (sizeof(struct decode_counters) / sizeof(uint64_t))
#define MASK_OCTETS ((N_COUNTERS + 7) / 8)
/* Times beyond are damage; differences of two cannot overflow. */
#define TIME_MAX_MS ((int64_t)1 << 60)

/* Bits of flags. */
enum {
    X_TRUSTED = 1,
    X_CLOCK_KNOWN = 2,
    X_CLOCK_MOVED = 4,
    X_BOOT_KNOWN = 8,
    X_TOTALS = 16,
    X_ESTABLISHED = 32
};
enum {
    P_SHARED = 1,
    P_BOOT_KNOWN = 2,
    P_BOOT_MOVED = 4,
    P_SEQ_KNOWN = 8,
    P_UNSURE = 16,
    P_STRAY = 32
};

static uint32_t sum_of(const uint8_t *p, size_t n)
{
    return (uint32_t)XXH3_64bits(p + SUM_FROM, n - SUM_FROM);
}

/* ------------------------------------------------------------------------------------------ save
 */

/* Distinct shapes of all templates, and for each template, in the order they are written, which. */
struct shapes {
    const struct shape **at;
    uint32_t *slot; /* hash: number + 1 */
    uint32_t *no;
    uint32_t n, mask;
    size_t n_no;
};

static int shapes_init(struct shapes *s, size_t n_templates)
{
    size_t slots = 2;

    while (slots < n_templates * 2)
        slots *= 2;
    *s = (struct shapes){ .mask = (uint32_t)(slots - 1) };
    s->at = malloc((n_templates + 1) * sizeof *s->at);
    s->no = malloc((n_templates + 1) * sizeof *s->no);
    s->slot = calloc(slots, sizeof *s->slot);
    return s->at != NULL && s->no != NULL && s->slot != NULL ? ERR_OK : ERR_NOMEM;
}

static void shapes_free(struct shapes *s)
{
    free(s->at);
    free(s->no);
    free(s->slot);
}

static void shapes_add(struct shapes *s, const struct shape *shape)
{
    uint32_t at = (uint32_t)shape->hash & s->mask;

    while (s->slot[at] != 0 && !shape_equal(s->at[s->slot[at] - 1], shape))
        at = (at + 1) & s->mask;
    if (s->slot[at] == 0) {
        s->at[s->n++] = shape;
        s->slot[at] = s->n;
    }
    s->no[s->n_no++] = s->slot[at] - 1;
}

/* In the order in which put_port() asks for them. */
static void shapes_of(struct shapes *s, const struct port *p)
{
    for (uint32_t t = 0; t < p->n; t++)
        shapes_add(s, p->t[t].plan->shape);
}

static int shapes_find(struct shapes *s, const struct decoder *d)
{
    size_t n = 0;

    for (uint32_t i = 0; i < exporter_count(d); i++)
        n += exporter_at(d, i)->n_templates;
    if (n > UINT32_MAX / 4 || shapes_init(s, n) != ERR_OK)
        return ERR_NOMEM;
    for (uint32_t i = 0; i < exporter_count(d); i++) {
        const struct exporter *x = exporter_at(d, i);
        for (uint32_t k = 0; k < x->n_ports; k++)
            shapes_of(s, x->ports[k]);
        for (uint32_t k = 0; k < x->n_sessions; k++)
            shapes_of(s, x->sessions[k]);
    }
    s->n_no = 0;
    return ERR_OK;
}

static void put_shape(struct buf *out, const struct shape *s)
{
    buf_le(out, s->proto, 1);
    buf_le(out, s->kind, 1);
    buf_var(out, s->n_scope);
    buf_var(out, s->n_fields);
    for (unsigned i = 0; i < s->n_fields; i++) {
        buf_var(out, s->f[i].pen);
        buf_var(out, s->f[i].id);
        buf_var(out, s->f[i].len);
    }
}

/* How many sets wait is seen from those that do. */
static void put_counters(struct buf *out, const struct decode_counters *c)
{
    struct decode_counters now = *c;
    uint64_t v[N_COUNTERS];
    uint8_t mask[MASK_OCTETS] = { 0 };

    now.sets_waiting = 0;
    memcpy(v, &now, sizeof v);
    for (size_t i = 0; i < N_COUNTERS; i++)
        if (v[i] != 0)
            mask[i / 8] |= (uint8_t)(1u << i % 8);
    buf_put(out, mask, sizeof mask);
    for (size_t i = 0; i < N_COUNTERS; i++)
        if (v[i] != 0)
            buf_var(out, v[i]);
}

/* Times as far from another; in two's complement, so that nothing overflows. */
static void put_near(struct buf *out, int64_t t_ms, int64_t near_ms)
{
    buf_svar(out, (int64_t)((uint64_t)t_ms - (uint64_t)near_ms));
}

static void put_sequence(struct buf *out, const struct sequence *s)
{
    buf_le(out, s->next, 4);
    buf_le(out, s->base, 4);
    buf_le(out, s->next_stray, 4);
    buf_var(out, s->n_gaps);
    for (unsigned i = 0; i < s->n_gaps; i++) {
        buf_var(out, s->next - s->gap[i].from);
        buf_var(out, s->gap[i].n);
    }
    buf_var(out, s->lost);
    buf_var(out, s->reordered);
    buf_var(out, s->duplicated);
}

static void put_port(struct buf *out, const struct exporter *x, const struct port *p,
                     struct shapes *shapes)
{
    unsigned flags = (p->shared ? P_SHARED : 0) | (p->boot_known ? P_BOOT_KNOWN : 0) |
                     (p->boot_moved ? P_BOOT_MOVED : 0) | (p->seq.known ? P_SEQ_KNOWN : 0) |
                     (p->seq.unsure ? P_UNSURE : 0) | (p->seq.stray ? P_STRAY : 0);

    buf_le(out, p->number, 2);
    buf_le(out, flags, 1);
    put_near(out, p->last_ms, x->last_ms);
    buf_le(out, p->boot_ms, 4);
    buf_le(out, p->boot_new_ms, 4);
    buf_le(out, p->uptime_ms, 4);
    buf_var(out, x->serial - p->moved_serial);
    put_sequence(out, &p->seq);
    buf_var(out, p->n);
    for (uint32_t i = 0; i < p->n; i++) {
        buf_le(out, p->t[i].id, 2);
        buf_var(out, shapes->no[shapes->n_no++]);
        put_near(out, p->t[i].seen_ms, x->last_ms);
        buf_var(out, x->serial - p->t[i].serial);
    }
}

static void put_waiting(struct buf *out, const struct exporter *x)
{
    buf_var(out, x->c.sets_waiting);
    for (const struct waiting *w = x->wait_first; w != NULL; w = w->next) {
        put_near(out, w->h.received_ms, x->last_ms);
        put_near(out, w->h.export_ms, w->h.received_ms);
        buf_le(out, w->h.uptime_ms, 4);
        buf_var(out, w->h.rate);
        buf_var(out, x->serial - w->serial);
        buf_le(out, w->port, 2);
        buf_le(out, w->id, 2);
        buf_var(out, w->session);
        buf_var(out, w->len);
        buf_put(out, w->octets, w->len);
    }
}

static void put_exporter(struct buf *out, const struct exporter *x, struct shapes *shapes)
{
    unsigned flags = (x->trusted ? X_TRUSTED : 0) | (x->clock_known ? X_CLOCK_KNOWN : 0) |
                     (x->clock_moved ? X_CLOCK_MOVED : 0) | (x->boot_known ? X_BOOT_KNOWN : 0) |
                     (x->totals != NULL ? X_TOTALS : 0) | (x->established ? X_ESTABLISHED : 0);

    buf_put(out, x->key.addr.b, sizeof x->key.addr.b);
    buf_le(out, x->key.domain, 4);
    buf_le(out, x->key.version, 2);
    buf_le(out, x->key.import, 2);
    buf_le(out, flags, 1);
    buf_svar(out, x->last_ms);
    put_near(out, x->first_ms, x->last_ms);
    buf_var(out, x->serial);
    buf_svar(out, x->clock_offset_ms);
    buf_svar(out, x->boot_ms);
    buf_var(out, x->restarts);
    buf_var(out, x->lost);
    buf_var(out, x->reordered);
    buf_var(out, x->duplicated);
    put_counters(out, &x->c);
    buf_var(out, x->n_ports);
    for (uint32_t i = 0; i < x->n_ports; i++)
        put_port(out, x, x->ports[i], shapes);
    buf_var(out, x->n_sessions);
    for (uint32_t i = 0; i < x->n_sessions; i++) {
        buf_var(out, x->sessions[i]->session);
        put_port(out, x, x->sessions[i], shapes);
    }
    put_waiting(out, x);
    if (x->totals != NULL)
        totals_save(x->totals, out);
}

int decoder_save(const struct decoder *d, struct buf *out)
{
    size_t from = out->len;
    struct shapes shapes = { 0 };
    int rc = shapes_find(&shapes, d);

    if (rc == ERR_OK) {
        buf_str(out, DECODER_MAGIC);
        buf_le(out, DECODER_DRAFT, 4);
        buf_le(out, 0, 4);
        buf_le(out, 0, 8);
        buf_var(out, N_COUNTERS);
        buf_var(out, d->lim.max_exporters);
        buf_var(out, d->lim.max_untrusted);
        buf_var(out, d->lim.max_waiting_total);
        buf_var(out, d->lim.max_octets);
        for (unsigned g = 0; g < GROUP_N; g++)
            buf_var(out, d->group[g].hand);
        put_counters(out, &d->none);
        buf_var(out, shapes.n);
        for (uint32_t i = 0; i < shapes.n; i++)
            put_shape(out, shapes.at[i]);
        buf_var(out, exporter_count(d));
        for (uint32_t i = 0; i < exporter_count(d); i++)
            put_exporter(out, exporter_at(d, i), &shapes);
    } else {
        out->bad = true;
    }
    shapes_free(&shapes);
    if (!buf_ok(out))
        return ERR_NOMEM;
    le_put(out->p + from + 16, out->len - from, 8);
    le_put(out->p + from + 12, sum_of(out->p + from, out->len - from), 4);
    return ERR_OK;
}

/* ------------------------------------------------------------------------------------------ load
 */

struct loader {
    struct decoder *d;
    struct rd r;
    size_t octets;
    struct rd *shape; /* each where it stands */
    uint32_t n_shapes;
    /* limits that a change of trust can lead beyond hold only where they are lower than before */
    uint32_t max_trusted, max_untrusted;
    uint64_t max_waiting_untrusted, max_octets;
    struct err *e;
};

static int damaged(const struct loader *l, const char *what)
{
    return err_set(l->e, ERR_CORRUPT, "decoder state: %s does not fit (octet %zu of %zu)", what,
                   l->octets - l->r.left, l->octets);
}

static int no_memory(const struct loader *l)
{
    return err_set(l->e, ERR_NOMEM, "decoder state: out of memory");
}

static int64_t get_time(struct rd *r, int64_t near_ms)
{
    int64_t t = (int64_t)((uint64_t)near_ms + (uint64_t)rd_svar(r));

    if (t < -TIME_MAX_MS || t > TIME_MAX_MS)
        r->bad = true;
    return t;
}

/* A serial number that is not above `top`. */
static uint64_t get_serial(struct rd *r, uint64_t top)
{
    return top - rd_var(r, top);
}

static bool get_shape_head(struct rd *r, uint8_t *proto, enum shape_kind *kind, unsigned *n_scope,
                           unsigned *n)
{
    uint8_t k;

    *proto = (uint8_t)rd_le(r, 1);
    k = (uint8_t)rd_le(r, 1);
    *kind = k == SHAPE_OPTION ? SHAPE_OPTION : SHAPE_FLOW;
    *n_scope = (unsigned)rd_var(r, SHAPE_MAX_FIELDS);
    *n = (unsigned)rd_var(r, SHAPE_MAX_FIELDS);
    return rd_ok(r) && k <= SHAPE_OPTION && *n_scope <= *n;
}

static struct plan_field get_field(struct rd *r)
{
    struct plan_field f = { .pen = (uint32_t)rd_var(r, UINT32_MAX) };

    f.id = (uint16_t)rd_var(r, UINT16_MAX);
    f.len = (uint16_t)rd_var(r, UINT16_MAX);
    return f;
}

static int get_shapes(struct loader *l)
{
    uint64_t n = rd_var(&l->r, l->r.left / 4);

    l->shape = calloc(n + 1, sizeof *l->shape);
    if (l->shape == NULL)
        return no_memory(l);
    for (; l->n_shapes < n; l->n_shapes++) {
        uint8_t proto;
        enum shape_kind kind;
        unsigned n_scope, n_fields;
        l->shape[l->n_shapes] = l->r;
        if (!get_shape_head(&l->r, &proto, &kind, &n_scope, &n_fields))
            return damaged(l, "a template");
        for (unsigned i = 0; i < n_fields; i++)
            (void)get_field(&l->r);
    }
    return rd_ok(&l->r) ? ERR_OK : damaged(l, "the table of templates");
}

static bool counters_hold(const struct decode_counters *c)
{
    uint64_t refused = c->session_ends,
             ended = c->sets_decoded + c->sets_template + c->sets_waiting;

    for (unsigned i = 0; i < DECODE_REASON_N; i++) {
        refused += c->datagrams_refused[i];
        ended += c->sets_expired[i] + c->sets_malformed[i];
    }
    return c->datagrams == c->datagrams_accepted + refused && c->sets == ended;
}

static bool get_counters(struct rd *r, struct decode_counters *c)
{
    uint64_t v[N_COUNTERS] = { 0 };
    const uint8_t *mask = rd_take(r, MASK_OCTETS);

    for (size_t i = 0; mask != NULL && i < N_COUNTERS; i++)
        if ((mask[i / 8] >> i % 8 & 1) != 0)
            v[i] = rd_var(r, UINT64_MAX);
    memcpy(c, v, sizeof v);
    return rd_ok(r) && c->sets_waiting == 0;
}

/* -------------------------------------------------------------------------------------- templates
 */

static void loader_add(struct loader *l, struct exporter *x, uint64_t octets)
{
    budget_add(&l->d->memory, x, octets);
    x->octets += octets;
}

/* The fields of a shape into d->fields; false where a limit is lower now. */
static bool take_shape(struct loader *l, uint32_t no, uint8_t *proto, enum shape_kind *kind,
                       unsigned *n_scope, unsigned *n)
{
    struct rd r = l->shape[no];

    (void)get_shape_head(&r, proto, kind, n_scope, n);
    for (unsigned i = 0; i < *n; i++)
        l->d->fields[i] = get_field(&r);
    return *n <= l->d->lim.max_fields;
}

static int get_template(struct loader *l, struct exporter *x, struct port *p, bool keep)
{
    struct template t = { .id = (uint16_t)rd_le(&l->r, 2) };
    uint32_t no = (uint32_t)rd_var(&l->r, UINT32_MAX);
    enum shape_kind kind;
    unsigned n_scope, n;
    uint8_t proto;
    int rc;

    t.seen_ms = get_time(&l->r, x->last_ms);
    t.serial = get_serial(&l->r, x->serial);
    if (!rd_ok(&l->r) || t.id < 256 || no >= l->n_shapes || (p->n > 0 && p->t[p->n - 1].id >= t.id))
        return damaged(l, "a template of an exporter");
    if (!keep)
        return ERR_OK;
    if (!take_shape(l, no, &proto, &kind, &n_scope, &n) ||
        x->n_templates >= l->d->lim.max_templates) {
        l->d->left_out.templates++;
        return ERR_OK;
    }
    if (proto != x->key.version)
        return damaged(l, "the version of a template");
    rc = plans_get(l->d, x, &t.plan, kind, n_scope, l->d->fields, n);
    if (rc != ERR_OK)
        return rc == ERR_NOMEM ? no_memory(l) : damaged(l, "the fields of a template");
    if (l->d->memory.all > l->max_octets) {
        plans_put(l->d, t.plan);
        l->d->left_out.templates++;
        return ERR_OK;
    }
    p->t[p->n++] = t;
    x->n_templates++;
    return ERR_OK;
}

/* ------------------------------------------------------------------------------------------ ports
 */

static bool get_sequence(struct rd *r, struct sequence *s)
{
    uint64_t missing = 0;

    s->next = (uint32_t)rd_le(r, 4);
    s->base = (uint32_t)rd_le(r, 4);
    s->next_stray = (uint32_t)rd_le(r, 4);
    s->n_gaps = (unsigned)rd_var(r, SEQUENCE_GAPS);
    for (unsigned i = 0; i < s->n_gaps; i++) {
        s->gap[i].from = s->next - (uint32_t)rd_var(r, UINT32_MAX);
        s->gap[i].n = (uint32_t)rd_var(r, UINT32_MAX);
        missing += s->gap[i].n;
    }
    s->lost = rd_var(r, LOST_MAX);
    s->reordered = rd_var(r, UINT64_MAX);
    s->duplicated = rd_var(r, UINT64_MAX);
    return rd_ok(r) && missing <= s->lost;
}

static bool get_port_head(struct loader *l, const struct exporter *x, struct port *p)
{
    struct rd *r = &l->r;
    unsigned flags;

    p->number = (uint16_t)rd_le(r, 2);
    flags = (unsigned)rd_le(r, 1);
    p->shared = (flags & P_SHARED) != 0;
    p->boot_known = (flags & P_BOOT_KNOWN) != 0;
    p->boot_moved = (flags & P_BOOT_MOVED) != 0;
    p->seq.known = (flags & P_SEQ_KNOWN) != 0;
    p->seq.unsure = (flags & P_UNSURE) != 0;
    p->seq.stray = (flags & P_STRAY) != 0;
    p->last_ms = get_time(r, x->last_ms);
    p->boot_ms = (uint32_t)rd_le(r, 4);
    p->boot_new_ms = (uint32_t)rd_le(r, 4);
    p->uptime_ms = (uint32_t)rd_le(r, 4);
    p->moved_serial = get_serial(r, x->serial);
    return get_sequence(r, &p->seq) && flags >> 6 == 0;
}

/* `p` is in x->ports already. */
static int get_port(struct loader *l, struct exporter *x, struct port *p, bool keep)
{
    uint64_t n;
    int rc = ERR_OK;

    if (!get_port_head(l, x, p) || (p->shared && x->n_ports != MAX_PORTS))
        return damaged(l, "a port of an exporter");
    n = rd_var(&l->r, l->r.left / 5);
    if (keep && n > 0) {
        p->cap = (uint32_t)MIN(n, l->d->lim.max_templates);
        p->t = malloc(p->cap * sizeof *p->t);
        if (p->t == NULL) {
            p->cap = 0;
            return no_memory(l);
        }
        loader_add(l, x, p->cap * sizeof *p->t);
    }
    for (uint64_t i = 0; i < n && rc == ERR_OK; i++)
        rc = get_template(l, x, p, keep);
    return rc;
}

static int get_ports(struct loader *l, struct exporter *x, bool keep)
{
    uint64_t n = rd_var(&l->r, MAX_PORTS);
    int rc = ERR_OK;

    x->ports = calloc(n + 1, sizeof *x->ports);
    if (x->ports == NULL)
        return no_memory(l);
    for (uint64_t i = 0; i < n && rc == ERR_OK; i++) {
        struct port *p = calloc(1, sizeof *p);
        if (p == NULL)
            return no_memory(l);
        if (keep && i > 0)
            loader_add(l, x, PORT_OCTETS);
        x->ports[x->n_ports++] = p;
        rc = get_port(l, x, p, keep);
    }
    return rc == ERR_OK && !rd_ok(&l->r) ? damaged(l, "the ports of an exporter") : rc;
}

static int get_sessions(struct loader *l, struct exporter *x, bool keep)
{
    uint64_t n = rd_var(&l->r, MIN(SESSIONS_MAX, l->r.left / 2));
    int rc = ERR_OK;

    for (uint64_t i = 0; i < n && rc == ERR_OK; i++) {
        uint32_t session = (uint32_t)rd_var(&l->r, DECODE_ALL_SESSIONS - 1);
        struct port *p;
        if (session == 0 || session_find(x, session) != NULL)
            return damaged(l, "the number of a session");
        if (session_add(l->d, x, session, &p) != ERR_OK)
            return no_memory(l);
        if (keep)
            loader_add(l, x, PORT_OCTETS);
        rc = get_port(l, x, p, keep);
        if (rc == ERR_OK && p->shared)
            return damaged(l, "a session of an exporter");
    }
    return rc == ERR_OK && !rd_ok(&l->r) ? damaged(l, "the sessions of an exporter") : rc;
}

/* ---------------------------------------------------------------------------------------- waiting
 */

static bool waiting_fits(const struct loader *l, const struct exporter *x, size_t octets)
{
    const struct decoder *d = l->d;

    return x->waiting_octets + octets <= d->lim.max_waiting_octets &&
           d->waiting.all + octets <= d->lim.max_waiting_total &&
           (x->trusted || d->waiting.strange + octets <= l->max_waiting_untrusted);
}

static int get_set(struct loader *l, struct exporter *x, bool keep)
{
    struct rd *r = &l->r;
    struct waiting head = { 0 }, *w;
    const uint8_t *p;

    head.h.received_ms = get_time(r, x->last_ms);
    head.h.export_ms = get_time(r, head.h.received_ms);
    head.h.uptime_ms = (uint32_t)rd_le(r, 4);
    head.h.rate = (uint32_t)rd_var(r, UINT32_MAX);
    head.serial = get_serial(r, x->serial);
    head.port = (uint16_t)rd_le(r, 2);
    head.id = (uint16_t)rd_le(r, 2);
    head.session = (uint32_t)rd_var(r, DECODE_ALL_SESSIONS - 1);
    head.len = (uint32_t)rd_var(r, UINT16_MAX);
    p = rd_take(r, head.len);
    if (p == NULL || head.id < 256 || (head.session != 0 && session_find(x, head.session) == NULL))
        return damaged(l, "a set that waits for its template");
    if (!keep || !waiting_fits(l, x, sizeof *w + head.len)) {
        x->c.sets_expired[DECODE_WAITING_LIMIT]++;
        l->d->left_out.sets++;
        return ERR_OK;
    }
    w = malloc(sizeof *w + head.len);
    if (w == NULL)
        return no_memory(l);
    *w = head;
    memcpy(w->octets, p, head.len);
    waiting_append(l->d, x, w);
    return ERR_OK;
}

static int get_waiting(struct loader *l, struct exporter *x, bool keep)
{
    uint64_t n = rd_var(&l->r, l->r.left / 14);
    int rc = ERR_OK;

    for (uint64_t i = 0; i < n && rc == ERR_OK; i++)
        rc = get_set(l, x, keep);
    return rc;
}

/* -------------------------------------------------------------------------------------- exporters
 */

static bool get_exporter_head(struct loader *l, struct exporter *x, bool *totals)
{
    struct rd *r = &l->r;
    const uint8_t *addr = rd_take(r, sizeof x->key.addr.b);
    unsigned flags;

    if (addr != NULL)
        memcpy(x->key.addr.b, addr, sizeof x->key.addr.b);
    x->key.domain = (uint32_t)rd_le(r, 4);
    x->key.version = (uint16_t)rd_le(r, 2);
    x->key.import = (uint16_t)rd_le(r, 2);
    flags = (unsigned)rd_le(r, 1);
    x->trusted = (flags & X_TRUSTED) != 0;
    x->clock_known = (flags & X_CLOCK_KNOWN) != 0;
    x->clock_moved = (flags & X_CLOCK_MOVED) != 0;
    x->boot_known = (flags & X_BOOT_KNOWN) != 0;
    *totals = (flags & X_TOTALS) != 0;
    x->established = (flags & X_ESTABLISHED) != 0;
    x->last_ms = get_time(r, 0);
    x->first_ms = get_time(r, x->last_ms);
    x->serial = rd_var(r, UINT64_MAX);
    x->clock_offset_ms = get_time(r, 0);
    x->boot_ms = rd_svar(r);
    x->restarts = (uint32_t)rd_var(r, UINT32_MAX);
    x->lost = rd_var(r, LOST_MAX);
    x->reordered = rd_var(r, UINT64_MAX);
    x->duplicated = rd_var(r, UINT64_MAX);
    return get_counters(r, &x->c) && flags >> 6 == 0;
}

static int get_totals(struct loader *l, struct exporter *x)
{
    int rc;

    if (l->d->n_totals == TOTALS_TABLES)
        return damaged(l, "the number of tables of running totals");
    rc = totals_load(&x->totals, &l->r);
    if (rc != ERR_OK)
        return rc == ERR_NOMEM ? no_memory(l) : damaged(l, "a table of running totals");
    l->d->n_totals++;
    return ERR_OK;
}

/* All that hangs on x; where it is not kept it is read over. */
static int get_rest(struct loader *l, struct exporter *x, bool totals, bool keep)
{
    int rc = get_ports(l, x, keep);

    if (rc == ERR_OK)
        rc = get_sessions(l, x, keep);
    if (rc == ERR_OK)
        rc = get_waiting(l, x, keep);
    if (rc == ERR_OK && totals)
        rc = get_totals(l, x);
    if (rc == ERR_OK && !(rd_ok(&l->r) && counters_hold(&x->c)))
        rc = damaged(l, "a counter of an exporter");
    return rc;
}

static int get_exporter(struct loader *l)
{
    struct decoder *d = l->d;
    struct exporter *x = calloc(1, sizeof *x);
    bool totals, keep;
    int rc;

    if (x == NULL)
        return no_memory(l);
    x->wait_last = &x->wait_first;
    if (!get_exporter_head(l, x, &totals) || exporter_find(d, &x->key) != NULL) {
        free(x);
        return damaged(l, "an exporter");
    }
    keep = x->trusted ? d->group[TRUSTED].n < l->max_trusted
                      : d->group[STRANGERS].n < l->max_untrusted;
    keep = keep && EXPORTER_OCTETS <= l->max_octets &&
           d->memory.all <= l->max_octets - EXPORTER_OCTETS;
    if (keep) {
        if (exporter_enter(d, x) != ERR_OK) {
            free(x);
            return no_memory(l);
        }
        return get_rest(l, x, totals, true);
    }
    rc = get_rest(l, x, totals, false);
    decode_counters_add(&d->none, &x->c);
    d->left_out.exporters++;
    exporter_free(d, x);
    return rc;
}

static int get_all(struct loader *l)
{
    struct decoder *d = l->d;
    uint64_t n;
    int rc;

    if (rd_var(&l->r, UINT64_MAX) != N_COUNTERS)
        return err_set(l->e, ERR_VERSION,
                       "decoder state: written by another version of Weir (its counters differ)");
    l->max_trusted = (uint32_t)rd_var(&l->r, UINT32_MAX);
    l->max_untrusted = (uint32_t)rd_var(&l->r, UINT32_MAX);
    l->max_waiting_untrusted = rd_var(&l->r, UINT32_MAX);
    l->max_octets = rd_var(&l->r, UINT64_MAX);
    l->max_octets = d->lim.max_octets < l->max_octets ? d->lim.max_octets : UINT64_MAX;
    l->max_trusted = d->lim.max_exporters < l->max_trusted ? d->lim.max_exporters : UINT32_MAX;
    l->max_untrusted = d->lim.max_untrusted < l->max_untrusted ? d->lim.max_untrusted : UINT32_MAX;
    l->max_waiting_untrusted = d->lim.max_waiting_total < l->max_waiting_untrusted
                                   ? d->lim.max_waiting_total / 4
                                   : UINT64_MAX;
    for (unsigned g = 0; g < GROUP_N; g++)
        d->group[g].hand = (uint32_t)rd_var(&l->r, UINT32_MAX);
    if (!get_counters(&l->r, &d->none) || !counters_hold(&d->none))
        return damaged(l, "a counter");
    rc = get_shapes(l);
    if (rc != ERR_OK)
        return rc;
    n = rd_var(&l->r, UINT32_MAX);
    for (uint64_t i = 0; i < n && rc == ERR_OK; i++)
        rc = get_exporter(l);
    if (rc == ERR_OK && (!rd_ok(&l->r) || l->r.left > 0))
        rc = damaged(l, "the end");
    return rc;
}

/* The draft is looked at first: how another one guards its octets is not known. */
static int check(const uint8_t *p, size_t n, struct err *e)
{
    if (n < HEAD_OCTETS || memcmp(p, DECODER_MAGIC, 8) != 0)
        return err_set(e, ERR_CORRUPT, "decoder state: no header (%zu octets)", n);
    if (le32(p + 8) != DECODER_DRAFT)
        return err_set(
            e, ERR_VERSION,
            "decoder state of draft %u, this Weir reads draft %u only: start that version "
            "once more, or go on without the state",
            (unsigned)le32(p + 8), DECODER_DRAFT);
    if (le64(p + 16) != n)
        return err_set(e, ERR_CORRUPT, "decoder state: %zu octets where %llu were written", n,
                       (unsigned long long)le64(p + 16));
    if (le32(p + 12) != sum_of(p, n))
        return err_set(e, ERR_CORRUPT, "decoder state: the checksum of %zu octets is wrong", n);
    return ERR_OK;
}

int decoder_load(struct decoder **out, const struct decoder_limits *lim, const uint8_t *p, size_t n,
                 struct err *e)
{
    struct loader l = { .octets = n, .e = e };
    int rc = check(p, n, e);

    *out = NULL;
    if (rc != ERR_OK)
        return rc;
    if (decoder_new(&l.d, lim) != ERR_OK)
        return no_memory(&l);
    l.r = rd_init(p + HEAD_OCTETS, n - HEAD_OCTETS);
    rc = get_all(&l);
    free(l.shape);
    if (rc != ERR_OK) {
        decoder_free(l.d);
        return rc;
    }
    *out = l.d;
    return ERR_OK;
}

void decoder_left_out(const struct decoder *d, struct decoder_left_out *out)
{
    *out = d->left_out;
}
