/* sFlow version 5 (sflow.org, July 2004). A sample becomes a record of the elements nearest to what
 * it says, with the sample itself as its last element, so that nothing of it is lost: flow samples
 * become flow records, counter samples and what is not known option records. */
#include <stdlib.h>
#include <string.h>

#include "decode/packet.h"
#include "decode/session.h"

#define SFLOW_MAX_FIELDS 96u
#define SFLOW_END_FIELDS 2u    /* agent and sample: there is always room for them */
#define SFLOW_MAX_OCTETS 4096u /* of the other elements */
#define SFLOW_END_OCTETS (16u + 3u + 65535u)
#define SFLOW_PLANS      256u /* kinds of records; power of two */

enum { SAMPLE_FLOW = 1, SAMPLE_COUNTERS, SAMPLE_FLOW_EXPANDED, SAMPLE_COUNTERS_EXPANDED };
enum {
    RECORD_HEADER = 1,
    RECORD_ETHERNET = 2,
    RECORD_IPV4 = 3,
    RECORD_IPV6 = 4,
    RECORD_SWITCH = 1001,
    RECORD_ROUTER = 1002,
    RECORD_GATEWAY = 1003,
    RECORD_USER = 1004,
    RECORD_URL = 1005,
    RECORD_NAT = 1007,
    RECORD_NAT_PORT = 1020,
};

struct known_plan {
    uint64_t hash;
    struct plan *plan; /* NULL: free place */
    struct plan_field *f;
    unsigned n;
};

struct sflow {
    struct plan_field f[SFLOW_MAX_FIELDS + SFLOW_END_FIELDS];
    unsigned n, max_fields;
    size_t used, max_octets;
    struct packet packet;
    struct known_plan known[SFLOW_PLANS];
    unsigned n_known;
    uint8_t octets[SFLOW_MAX_OCTETS + SFLOW_END_OCTETS];
};

static void forget_plans(struct sflow *s)
{
    for (unsigned i = 0; i < SFLOW_PLANS; i++) {
        decode_plan_free(s->known[i].plan);
        free(s->known[i].f);
    }
    memset(s->known, 0, sizeof s->known);
    s->n_known = 0;
}

void sflow_free(struct sflow *s)
{
    if (s != NULL)
        forget_plans(s);
    free(s);
}

/* ---------------------------------------------------------------------------- a record is built */

static void add(struct sflow *s, uint32_t pen, uint16_t id, uint16_t len, const uint8_t *p,
                size_t octets)
{
    if (s->n == s->max_fields || octets > s->max_octets - s->used)
        return; /* it stands in the sample all the same */
    s->f[s->n++] = (struct plan_field){ pen, id, len };
    memcpy(s->octets + s->used, p, octets);
    s->used += octets;
}

static void add_octets(struct sflow *s, uint16_t id, const uint8_t *p, uint16_t len)
{
    add(s, 0, id, len, p, len);
}

static void add_uint(struct sflow *s, uint16_t id, uint16_t len, uint64_t v)
{
    uint8_t b[8];

    be_put(b, v, len);
    add(s, 0, id, len, b, len);
}

static void add_variable(struct sflow *s, uint32_t pen, uint16_t id, const uint8_t *p, size_t len)
{
    uint8_t head[3] = { 255 };

    if (s->n == s->max_fields || len + 3 > s->max_octets - s->used)
        return;
    be_put(head + 1, len, 2);
    memcpy(s->octets + s->used, head, 3);
    s->used += 3;
    add(s, pen, id, SHAPE_LEN_VAR, p, len);
}

static void add_address(struct sflow *s, bool v6, uint16_t v4_id, uint16_t v6_id, const uint8_t *p)
{
    add_octets(s, v6 ? v6_id : v4_id, p, v6 ? 16 : 4);
}

/* ------------------------------------------------------------------------- plans of the records */

static uint64_t fields_hash(const struct sflow *s, enum shape_kind kind)
{
    uint64_t h = (uint64_t)kind + 1;

    for (unsigned i = 0; i < s->n; i++) {
        h ^= (uint64_t)s->f[i].pen << 32 | (uint64_t)s->f[i].id << 16 | s->f[i].len;
        h = (h ^ h >> 29) * 0x9e3779b97f4a7c15u;
    }
    return h ^ h >> 32;
}

static bool same_fields(const struct known_plan *k, const struct sflow *s, enum shape_kind kind)
{
    if (k->n != s->n || k->plan->shape->kind != kind)
        return false;
    for (unsigned i = 0; i < s->n; i++)
        if (k->f[i].pen != s->f[i].pen || k->f[i].id != s->f[i].id || k->f[i].len != s->f[i].len)
            return false;
    return true;
}

/* The plan for what stands in s->f. Networks send a few kinds of records; when somebody sends very
 * many, all are compiled anew. */
static int plan_for(struct sflow *s, enum shape_kind kind, struct plan **out)
{
    uint64_t h = fields_hash(s, kind);
    unsigned at = (unsigned)h & (SFLOW_PLANS - 1);
    struct known_plan *k;
    int rc;

    if (s->n_known >= SFLOW_PLANS / 4 * 3)
        forget_plans(s);
    for (k = &s->known[at]; k->plan != NULL; k = &s->known[at = (at + 1) & (SFLOW_PLANS - 1)])
        if (k->hash == h && same_fields(k, s, kind)) {
            *out = k->plan;
            return ERR_OK;
        }
    k->f = malloc(s->n * sizeof *k->f);
    if (k->f == NULL)
        return ERR_NOMEM;
    memcpy(k->f, s->f, s->n * sizeof *k->f);
    k->hash = h;
    k->n = s->n;
    rc = plan_new(&k->plan, EXPORT_SFLOW5, kind, 0, s->f, s->n);
    if (rc != ERR_OK) {
        free(k->f);
        *k = (struct known_plan){ 0 };
        return rc;
    }
    s->n_known++;
    *out = k->plan;
    return ERR_OK;
}

struct sample {
    struct message *m;
    struct sflow *s;
    const uint8_t *octets; /* data format, length and body */
    size_t len;
    bool relayed, agent_v6; /* the agent is not the sender */
    const uint8_t *agent;
};

static int sample_end(struct sample *x, enum shape_kind kind)
{
    struct sflow *s = x->s;
    struct plan *plan;
    int rc;

    s->max_fields = SFLOW_MAX_FIELDS + SFLOW_END_FIELDS;
    s->max_octets = sizeof s->octets;
    if (x->relayed)
        add_address(s, x->agent_v6, 130, 131, x->agent);
    add_variable(s, PEN_WEIR, WEIR_SFLOW_SAMPLE, x->octets, x->len);
    rc = plan_for(s, kind, &plan);
    return rc != ERR_OK ? rc : set_run(x->m, plan, &x->m->h, 0, s->octets, s->used);
}

/* --------------------------------------------------------------------------------- flow samples */

struct flow_sample {
    uint32_t rate, frame_octets, octets;
    uint8_t direction; /* 2 = not known */
    uint32_t in_if, out_if;
    bool have_packet, v6;
    uint32_t tag_in, tag_out; /* extended switch; UINT32_MAX = not said */
};

static void put_transport(struct sflow *s, const struct packet_layer *l)
{
    if (l->has_ports) {
        add_uint(s, 7, 2, l->src_port);
        add_uint(s, 11, 2, l->dst_port);
    }
    if (l->has_tcp)
        add_uint(s, 6, 2, l->tcp_flags);
    if (l->has_icmp)
        add_uint(s, l->v6 ? 139 : 32, 2, (uint64_t)l->icmp_type << 8 | l->icmp_code);
}

static void put_layer(struct sflow *s, const struct packet_layer *l)
{
    add_address(s, l->v6, 8, 27, l->src);
    add_address(s, l->v6, 12, 28, l->dst);
    add_uint(s, 4, 1, l->proto);
    add_uint(s, 5, 1, l->tos);
    add_uint(s, 192, 1, l->ttl);
    if (l->v6)
        add_uint(s, 31, 4, l->flow_label);
    if (l->has_fragment) {
        add_uint(s, 54, 4, l->fragment_id);
        add_uint(s, 88, 2, l->fragment_offset);
    }
    put_transport(s, l);
}

static void put_packet(struct sflow *s, struct flow_sample *f)
{
    const struct packet *k = &s->packet;

    if (k->src_mac != NULL) {
        add_octets(s, 56, k->src_mac, 6);
        add_octets(s, 80, k->dst_mac, 6);
        add_uint(s, 256, 2, k->ether_type);
    }
    if (k->n_tags > 0 && f->tag_in == UINT32_MAX)
        f->tag_in = k->tag[0] & 0xfffu;
    if (k->n_tags > 1)
        add_uint(s, 245, 2, k->tag[1] & 0xfffu);
    for (unsigned i = 0; i < k->n_labels; i++)
        add_octets(s, (uint16_t)(70 + i), k->label[i], 3);
    for (unsigned i = 0; i < k->n_layers; i++)
        put_layer(s, &k->layer[i]);
    if (k->tunnel != TUNNEL_NONE && k->n_layers > 1) {
        add(s, PEN_WEIR, WEIR_TUNNEL_KIND, 1, &k->tunnel, 1);
        if (k->has_tunnel_id) {
            uint8_t id[4];
            be_put(id, k->tunnel_id, 4);
            add(s, PEN_WEIR, WEIR_TUNNEL_ID, 4, id, 4);
        }
    }
    if (k->n_layers > 0) {
        f->octets = k->layer[0].octets;
        f->v6 = k->layer[0].v6;
    }
}

static void record_header(struct sflow *s, struct flow_sample *f, struct rd *r)
{
    uint32_t link = rd_u32(r), frame = rd_u32(r), len;
    const uint8_t *p;

    (void)rd_u32(r); /* stripped */
    len = rd_u32(r);
    p = rd_take(r, len);
    if (p == NULL || f->have_packet)
        return;
    f->frame_octets = f->octets = frame;
    f->have_packet = packet_parse(&s->packet, link, p, len);
    if (f->have_packet)
        put_packet(s, f);
}

static void record_ethernet(struct sflow *s, struct flow_sample *f, struct rd *r)
{
    uint32_t frame = rd_u32(r), type;
    const uint8_t *src = rd_take(r, 8), *dst = rd_take(r, 8); /* of each 6 are used */

    type = rd_u32(r);
    if (!rd_ok(r) || f->have_packet)
        return;
    f->frame_octets = f->octets = frame;
    add_octets(s, 56, src, 6);
    add_octets(s, 80, dst, 6);
    add_uint(s, 256, 2, MIN(type, (uint32_t)UINT16_MAX));
}

static void record_ip(struct sflow *s, struct flow_sample *f, struct rd *r, bool v6)
{
    struct packet_layer l = { .v6 = v6, .octets = rd_u32(r), .proto = (uint8_t)rd_u32(r) };

    l.src = rd_take(r, v6 ? 16 : 4);
    l.dst = rd_take(r, v6 ? 16 : 4);
    l.src_port = (uint16_t)rd_u32(r);
    l.dst_port = (uint16_t)rd_u32(r);
    l.tcp_flags = (uint16_t)rd_u32(r);
    l.tos = (uint8_t)rd_u32(r);
    if (!rd_ok(r) || f->have_packet)
        return;
    l.has_ports = l.proto == 6 || l.proto == 17 || l.proto == 132;
    l.has_tcp = l.proto == 6;
    add_address(s, v6, 8, 27, l.src);
    add_address(s, v6, 12, 28, l.dst);
    add_uint(s, 4, 1, l.proto);
    add_uint(s, 5, 1, l.tos);
    put_transport(s, &l);
    f->octets = l.octets;
    f->v6 = v6;
    f->have_packet = true;
}

/* An address with its type before it; NULL where there is none. */
static const uint8_t *typed_address(struct rd *r, bool *v6)
{
    uint32_t type = rd_u32(r);

    *v6 = type == 2;
    return type == 1 || type == 2 ? rd_take(r, type == 2 ? 16 : 4) : NULL;
}

static void record_router(struct sflow *s, const struct flow_sample *f, struct rd *r)
{
    bool v6;
    const uint8_t *next = typed_address(r, &v6);
    uint32_t src = rd_u32(r), dst = rd_u32(r);

    if (!rd_ok(r))
        return;
    if (next != NULL)
        add_address(s, v6, 15, 62, next);
    add_uint(s, f->v6 ? 29 : 9, 1, src & 0xffu);
    add_uint(s, f->v6 ? 30 : 13, 1, dst & 0xffu);
}

static void record_gateway(struct sflow *s, struct rd *r)
{
    bool v6;
    const uint8_t *next = typed_address(r, &v6);
    uint32_t own = rd_u32(r), src = rd_u32(r), previous = rd_u32(r), segments = rd_u32(r);
    uint32_t first = 0, last = 0;

    for (uint32_t i = 0; i < segments && rd_ok(r); i++) {
        uint32_t kind = rd_u32(r), n = rd_u32(r);
        const uint8_t *as = n <= UINT16_MAX ? rd_take(r, (size_t)n * 4) : NULL;
        if (as == NULL)
            return;
        if (n == 0)
            continue;
        first = first != 0 ? first : be32(as);
        if (kind == 2) /* a sequence: its last is where the path ends */
            last = be32(as + ((size_t)n - 1) * 4);
    }
    if (!rd_ok(r))
        return;
    if (next != NULL)
        add_address(s, v6, 18, 63, next);
    /* no path: the destination is in the router's own system */
    add_uint(s, 16, 4, src != 0 ? src : own);
    add_uint(s, 17, 4, segments > 0 ? last : own);
    add_uint(s, 128, 4, first);
    add_uint(s, 129, 4, previous);
}

static void add_text(struct sflow *s, uint16_t id, struct rd *r)
{
    uint32_t len = rd_u32(r);
    const uint8_t *p = rd_take(r, len);

    (void)rd_take(r, -len & 3);
    if (p != NULL && len > 0 && len <= 512)
        add_variable(s, 0, id, p, len);
}

static void record_user(struct sflow *s, struct rd *r)
{
    (void)rd_u32(r); /* character set */
    add_text(s, 371, r);
    (void)rd_u32(r);
    add_text(s, 371, r);
}

static void record_url(struct sflow *s, struct rd *r)
{
    (void)rd_u32(r); /* direction */
    add_text(s, 461, r);
    add_text(s, 460, r);
}

static void record_nat(struct sflow *s, struct rd *r)
{
    bool v6;
    const uint8_t *p = typed_address(r, &v6);

    if (p != NULL)
        add_address(s, v6, 225, 281, p);
    p = typed_address(r, &v6);
    if (p != NULL)
        add_address(s, v6, 226, 282, p);
}

static void record_nat_port(struct sflow *s, struct rd *r)
{
    uint32_t src = rd_u32(r), dst = rd_u32(r);

    if (!rd_ok(r))
        return;
    add_uint(s, 227, 2, src & 0xffffu);
    add_uint(s, 228, 2, dst & 0xffffu);
}

static void record_switch(struct flow_sample *f, struct rd *r)
{
    uint32_t in = rd_u32(r), out;

    (void)rd_u32(r); /* priority */
    out = rd_u32(r);
    if (!rd_ok(r))
        return;
    f->tag_in = in;
    f->tag_out = out;
}

static void flow_record(struct sflow *s, struct flow_sample *f, uint32_t format, struct rd *r)
{
    switch (format) {
    case RECORD_HEADER:
        record_header(s, f, r);
        break;
    case RECORD_ETHERNET:
        record_ethernet(s, f, r);
        break;
    case RECORD_IPV4:
    case RECORD_IPV6:
        record_ip(s, f, r, format == RECORD_IPV6);
        break;
    case RECORD_SWITCH:
        record_switch(f, r);
        break;
    case RECORD_ROUTER:
        record_router(s, f, r);
        break;
    case RECORD_GATEWAY:
        record_gateway(s, r);
        break;
    case RECORD_USER:
        record_user(s, r);
        break;
    case RECORD_URL:
        record_url(s, r);
        break;
    case RECORD_NAT:
        record_nat(s, r);
        break;
    case RECORD_NAT_PORT:
        record_nat_port(s, r);
        break;
    default: /* kept as it came */
        break;
    }
}

/* The packet's own records first: others say of which IP version they are by it. */
static bool flow_records(struct sflow *s, struct flow_sample *f, const struct rd *from, uint32_t n)
{
    for (int pass = 0; pass < 2; pass++) {
        struct rd r = *from;
        for (uint32_t i = 0; i < n; i++) {
            uint32_t format = rd_u32(&r), len = rd_u32(&r);
            struct rd body = rd_sub(&r, len);
            (void)rd_take(&r, -len & 3);
            if (!rd_ok(&body))
                return false;
            if ((format <= RECORD_IPV6) == (pass == 0))
                flow_record(s, f, format, &body);
        }
    }
    return true;
}

/* An interface: index, or in the highest two bits what else stands there (a discard's reason,
 * several interfaces); 0x3fffffff is not known. */
static uint32_t interface_of(uint32_t format, uint32_t value)
{
    return format == 0 && value != 0x3fffffffu ? value : 0;
}

static void source_direction(struct flow_sample *f, uint32_t class, uint32_t index)
{
    f->direction = 2;
    if (class == 0 && index != 0 && (index == f->in_if) != (index == f->out_if))
        f->direction = index == f->out_if;
}

static int flow_sample(struct sample *x, struct rd r, bool expanded)
{
    struct sflow *s = x->s;
    struct flow_sample f = { .tag_in = UINT32_MAX, .tag_out = UINT32_MAX };
    uint32_t class, index, n;
    size_t at;
    bool whole;

    (void)rd_u32(&r); /* sequence of the source */
    class = rd_u32(&r);
    index = expanded ? rd_u32(&r) : class & 0xffffffu;
    class = expanded ? class : class >> 24;
    f.rate = rd_u32(&r);
    (void)rd_u32(&r); /* pool */
    (void)rd_u32(&r); /* drops */
    if (expanded) {
        uint32_t format = rd_u32(&r);
        f.in_if = interface_of(format, rd_u32(&r));
        format = rd_u32(&r);
        f.out_if = interface_of(format, rd_u32(&r));
    } else {
        uint32_t in = rd_u32(&r), out = rd_u32(&r);
        f.in_if = interface_of(in >> 30, in & 0x3fffffffu);
        f.out_if = interface_of(out >> 30, out & 0x3fffffffu);
    }
    n = rd_u32(&r);
    if (!rd_ok(&r)) {
        set_malformed(x->m, DECODE_RECORD);
        return ERR_OK;
    }
    source_direction(&f, class, index);
    add_uint(s, 34, 4, f.rate);
    add_uint(s, 10, 4, f.in_if);
    add_uint(s, 14, 4, f.out_if);
    if (f.direction < 2)
        add_uint(s, 61, 1, f.direction);
    add_uint(s, 2, 4, 1);
    add_uint(s, 1, 4, 0); /* these two are known when the packet is */
    add_uint(s, 312, 2, 0);
    at = s->used;
    whole = flow_records(s, &f, &r, n);
    if (f.tag_in <= 0xfff)
        add_uint(s, 58, 2, f.tag_in);
    if (f.tag_out <= 0xfff)
        add_uint(s, 59, 2, f.tag_out);
    be_put(s->octets + at - 6, f.octets, 4);
    be_put(s->octets + at - 2, MIN(f.frame_octets, (uint32_t)UINT16_MAX), 2);
    if (!whole) {
        set_malformed(x->m, DECODE_RECORD);
        return ERR_OK;
    }
    return sample_end(x, SHAPE_FLOW);
}

/* ------------------------------------------------------------------------------ counter samples */

/* The generic interface counters, field for field (RFC 2233's). */
static const uint8_t counter_octets[] = { 4, 4, 8, 4, 4, 8, 4, 4, 4, 4, 4, 4, 8, 4, 4, 4, 4, 4, 4 };
#define COUNTERS_OCTETS 88u

static int counter_sample(struct sample *x, struct rd r, bool expanded)
{
    struct sflow *s = x->s;
    uint32_t n;

    (void)rd_u32(&r); /* sequence of the source */
    (void)rd_take(&r, expanded ? 8 : 4);
    n = rd_u32(&r);
    for (uint32_t i = 0; i < n && rd_ok(&r); i++) {
        uint32_t format = rd_u32(&r), len = rd_u32(&r);
        const uint8_t *p = rd_take(&r, len);
        (void)rd_take(&r, -len & 3);
        if (format != 1 || len != COUNTERS_OCTETS || p == NULL || s->n > 0)
            continue;
        add_octets(s, 10, p, 4);
        for (unsigned k = 1, at = 4; k < ARRAY_LEN(counter_octets); at += counter_octets[k++])
            add(s, PEN_WEIR, (uint16_t)(WEIR_IF_TYPE + k - 1), counter_octets[k], p + at,
                counter_octets[k]);
    }
    if (!rd_ok(&r)) {
        set_malformed(x->m, DECODE_RECORD);
        return ERR_OK;
    }
    return sample_end(x, SHAPE_OPTION);
}

static int sample(struct sample *x, uint32_t format, struct rd body)
{
    x->s->n = 0;
    x->s->used = 0;
    x->s->max_fields = SFLOW_MAX_FIELDS;
    x->s->max_octets = SFLOW_MAX_OCTETS;
    switch (format) {
    case SAMPLE_FLOW:
    case SAMPLE_FLOW_EXPANDED:
        return flow_sample(x, body, format == SAMPLE_FLOW_EXPANDED);
    case SAMPLE_COUNTERS:
    case SAMPLE_COUNTERS_EXPANDED:
        return counter_sample(x, body, format == SAMPLE_COUNTERS_EXPANDED);
    default:
        return sample_end(x, SHAPE_OPTION);
    }
}

/* ------------------------------------------------------------------------------------- datagram */

/* The agent is the domain: an IPv4 address as its number, of an IPv6 address a hash of 24 bits,
 * which is no IPv4 address of a host. Its sub-agents number their datagrams each by itself, as
 * ports do elsewhere. */
static uint32_t agent_domain(const uint8_t *p, bool v6)
{
    struct addr a;

    if (!v6)
        return be32(p);
    memcpy(a.b, p, sizeof a.b);
    return (uint32_t)(addr_hash(&a) & 0xffffffu);
}

static bool is_peer(const struct datagram *g, const uint8_t *p, bool v6)
{
    struct addr a;

    if (!v6)
        a = addr_from_v4(be32(p));
    else
        memcpy(a.b, p, sizeof a.b);
    return addr_cmp(&a, &g->peer) == 0;
}

static int samples(struct message *m, struct sample *x, struct rd *r, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        const uint8_t *begin = r->p;
        uint32_t format = rd_u32(r), len = rd_u32(r);
        struct rd body = rd_sub(r, len);
        int rc;
        m->x->c.sets++;
        if (!rd_ok(&body)) {
            set_malformed(m, DECODE_LENGTH);
            return ERR_OK;
        }
        x->octets = begin;
        x->len = len + 8u;
        rc = sample(x, format, body);
        if (rc != ERR_OK)
            return rc;
        (void)rd_take(r, -len & 3);
    }
    return ERR_OK;
}

int sflow_feed(struct decoder *d, const struct datagram *g, struct decode_sink *sink)
{
    struct datagram of_sub_agent = *g;
    struct message m = { .d = d, .g = &of_sub_agent, .sink = sink };
    struct rd r = rd_init(g->octets, g->len);
    struct exporter_key key = { .addr = g->peer, .version = EXPORT_SFLOW5, .import = g->import };
    struct sample x = { .m = &m };
    uint32_t type, seq, n;
    bool ok;
    int rc;

    (void)rd_u32(&r);
    type = rd_u32(&r);
    x.agent_v6 = type == 2;
    x.agent = rd_take(&r, x.agent_v6 ? 16 : 4);
    of_sub_agent.peer_port = (uint16_t)rd_u32(&r);
    seq = rd_u32(&r);
    m.h.uptime_ms = rd_u32(&r);
    n = rd_u32(&r);
    if (!rd_ok(&r)) {
        datagram_refuse(d, g, NULL, DECODE_SHORT_HEADER);
        return ERR_OK;
    }
    if (type < 1 || type > 2) {
        datagram_refuse(d, g, NULL, DECODE_VERSION);
        return ERR_OK;
    }
    if (d->sflow == NULL && (d->sflow = calloc(1, sizeof *d->sflow)) == NULL)
        return ERR_NOMEM;
    x.s = d->sflow;
    key.domain = agent_domain(x.agent, x.agent_v6);
    x.relayed = !is_peer(g, x.agent, x.agent_v6);
    m.h.export_ms = m.h.received_ms = g->received_ms; /* it tells no other clock */
    rc = message_begin(&m, &key, true, &ok);
    if (rc != ERR_OK || !ok)
        return rc;
    exporter_boot(&m, seq, d->lim.reorder_window);
    rc = samples(&m, &x, &r, n);
    if (!m.port->shared)
        m.x->restarts += sequence_see(&m.port->seq, seq, 1, true, d->lim.reorder_window);
    return rc;
}
