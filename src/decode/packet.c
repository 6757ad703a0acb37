#include "decode/packet.h"

enum {
    TYPE_IPV4 = 0x0800,
    TYPE_VLAN = 0x8100,
    TYPE_IPV6 = 0x86dd,
    TYPE_MPLS = 0x8847,
    TYPE_MPLS_MULTICAST = 0x8848,
    TYPE_PPPOE = 0x8864,
    TYPE_PPP = 0x880b, /* PPTP's GRE */
    TYPE_SERVICE_VLAN = 0x88a8,
    TYPE_OLD_SERVICE_VLAN = 0x9100,
    TYPE_ETHERNET = 0x6558,
};
enum {
    PROTO_HOP_BY_HOP = 0,
    PROTO_ICMP = 1,
    PROTO_IPV4 = 4,
    PROTO_TCP = 6,
    PROTO_UDP = 17,
    PROTO_DCCP = 33,
    PROTO_IPV6 = 41,
    PROTO_ROUTING = 43,
    PROTO_FRAGMENT = 44,
    PROTO_GRE = 47,
    PROTO_AH = 51,
    PROTO_ICMP6 = 58,
    PROTO_DESTINATION = 60,
    PROTO_SCTP = 132,
    PROTO_MOBILITY = 135,
    PROTO_UDPLITE = 136,
};
#define PORT_GTP_U  2152u
#define PORT_VXLAN  4789u
#define PORT_VXLAN2 8472u /* before IANA gave one */
#define PORT_GENEVE 6081u
#define MAX_STEPS   24u /* headers of one packet, extension headers of one IPv6 */

/* A header was read; what comes behind it, as an EtherType. 0 = nothing that is looked at. */
struct walk {
    struct packet *k;
    struct rd r;
    unsigned type;
    bool outermost; /* no Ethernet header was kept yet */
};

static void tunnel(struct walk *w, enum packet_tunnel kind, unsigned type)
{
    if (w->k->tunnel == TUNNEL_NONE)
        w->k->tunnel = (uint8_t)kind;
    w->type = type;
}

static void tunnel_id(struct walk *w, uint32_t id)
{
    if (w->k->tunnel != TUNNEL_NONE || !rd_ok(&w->r))
        return;
    w->k->tunnel_id = id;
    w->k->has_tunnel_id = true;
}

/* ------------------------------------------------------------------------------------ tunnels */

static void gre(struct walk *w)
{
    uint16_t flags = rd_u16(&w->r), type = rd_u16(&w->r);

    if ((flags & 7) == 1) { /* RFC 2637: length and call id, sequence, acknowledgement */
        (void)rd_u16(&w->r);
        tunnel_id(w, rd_u16(&w->r));
        (void)rd_take(&w->r, ((flags & 0x1000) != 0 ? 4u : 0) + ((flags & 0x80) != 0 ? 4u : 0));
    } else {
        (void)rd_take(&w->r, (flags & 0x8000) != 0 ? 4 : 0);
        if ((flags & 0x2000) != 0)
            tunnel_id(w, rd_u32(&w->r));
        (void)rd_take(&w->r, (flags & 0x1000) != 0 ? 4 : 0);
    }
    if (rd_ok(&w->r))
        tunnel(w, TUNNEL_GRE, type);
}

static unsigned ip_type(const struct rd *r)
{
    if (r->left == 0)
        return 0;
    return r->p[0] >> 4 == 4 ? TYPE_IPV4 : r->p[0] >> 4 == 6 ? TYPE_IPV6 : 0;
}

static void vxlan(struct walk *w)
{
    uint8_t flags = rd_u8(&w->r);

    (void)rd_take(&w->r, 3);
    if ((flags & 8) == 0)
        return;
    tunnel_id(w, rd_u32(&w->r) >> 8);
    if (rd_ok(&w->r))
        tunnel(w, TUNNEL_VXLAN, TYPE_ETHERNET);
}

static void geneve(struct walk *w)
{
    uint8_t head = rd_u8(&w->r);
    uint16_t type;

    (void)rd_u8(&w->r);
    type = rd_u16(&w->r);
    if (head >> 6 != 0)
        return;
    tunnel_id(w, rd_u32(&w->r) >> 8);
    (void)rd_take(&w->r, (head & 63u) * 4);
    if (rd_ok(&w->r))
        tunnel(w, TUNNEL_GENEVE, type);
}

static void gtp_u(struct walk *w)
{
    uint8_t flags = rd_u8(&w->r), message = rd_u8(&w->r), next = 0;

    (void)rd_u16(&w->r);
    if (flags >> 5 != 1 || (flags & 16) == 0 || message != 255)
        return;
    tunnel_id(w, rd_u32(&w->r));
    if ((flags & 7) != 0) {
        (void)rd_take(&w->r, 3);
        next = rd_u8(&w->r);
    }
    for (unsigned i = 0; i < MAX_STEPS && next != 0 && (flags & 4) != 0; i++) {
        size_t words = rd_u8(&w->r);
        if (words == 0 || rd_take(&w->r, words * 4 - 2) == NULL)
            return;
        next = rd_u8(&w->r);
    }
    if (rd_ok(&w->r))
        tunnel(w, TUNNEL_GTP_U, ip_type(&w->r));
}

/* -------------------------------------------------------------------------------- IP and above */

static void udp(struct walk *w, const struct packet_layer *l)
{
    (void)rd_take(&w->r, 4); /* length, checksum */
    if (l->dst_port == PORT_VXLAN || l->dst_port == PORT_VXLAN2)
        vxlan(w);
    else if (l->dst_port == PORT_GENEVE)
        geneve(w);
    else if (l->dst_port == PORT_GTP_U)
        gtp_u(w);
}

static void transport(struct walk *w, struct packet_layer *l)
{
    struct rd r = w->r;

    switch (l->proto) {
    case PROTO_TCP:
    case PROTO_UDP:
    case PROTO_DCCP:
    case PROTO_SCTP:
    case PROTO_UDPLITE:
        l->src_port = rd_u16(&w->r);
        l->dst_port = rd_u16(&w->r);
        l->has_ports = rd_ok(&w->r);
        if (l->has_ports && l->proto == PROTO_UDP)
            udp(w, l);
        if (l->proto != PROTO_TCP)
            break;
        (void)rd_take(&r, 12);
        l->tcp_flags = rd_u16(&r) & 0xfffu;
        l->has_tcp = rd_ok(&r);
        break;
    case PROTO_ICMP:
    case PROTO_ICMP6:
        l->icmp_type = rd_u8(&w->r);
        l->icmp_code = rd_u8(&w->r);
        l->has_icmp = rd_ok(&w->r);
        break;
    case PROTO_GRE:
        gre(w);
        break;
    case PROTO_IPV4:
    case PROTO_IPV6:
        tunnel(w, TUNNEL_IP, l->proto == PROTO_IPV4 ? TYPE_IPV4 : TYPE_IPV6);
        break;
    default:
        break;
    }
}

static struct packet_layer *layer(struct walk *w)
{
    w->type = 0;
    return w->k->n_layers < PACKET_LAYERS ? &w->k->layer[w->k->n_layers] : NULL;
}

static void ipv4(struct walk *w)
{
    struct packet_layer *l = layer(w);
    uint8_t head = rd_u8(&w->r);
    uint16_t fragment;

    if (l == NULL || head >> 4 != 4 || (head & 15) < 5)
        return;
    *l = (struct packet_layer){ .has_fragment = true };
    l->tos = rd_u8(&w->r);
    l->octets = rd_u16(&w->r);
    l->fragment_id = rd_u16(&w->r);
    fragment = rd_u16(&w->r);
    l->fragment_offset = (uint16_t)((fragment & 0x1fffu) * 8);
    l->ttl = rd_u8(&w->r);
    l->proto = rd_u8(&w->r);
    (void)rd_u16(&w->r);
    l->src = rd_take(&w->r, 4);
    l->dst = rd_take(&w->r, 4);
    if (!rd_ok(&w->r))
        return;
    w->k->n_layers++;
    if (rd_take(&w->r, ((head & 15u) - 5) * 4) != NULL && l->fragment_offset == 0)
        transport(w, l);
}

/* Over the extension headers; false where a fragment begins that has no transport header. */
static bool extensions(struct walk *w, struct packet_layer *l)
{
    for (unsigned i = 0; i < MAX_STEPS; i++) {
        uint8_t next, len;
        switch (l->proto) {
        case PROTO_FRAGMENT:
            next = rd_u8(&w->r);
            (void)rd_u8(&w->r);
            l->fragment_offset = rd_u16(&w->r) & 0xfff8u;
            l->fragment_id = rd_u32(&w->r);
            l->has_fragment = rd_ok(&w->r);
            break;
        case PROTO_HOP_BY_HOP:
        case PROTO_ROUTING:
        case PROTO_DESTINATION:
        case PROTO_MOBILITY:
        case PROTO_AH:
            next = rd_u8(&w->r);
            len = rd_u8(&w->r);
            (void)rd_take(&w->r, l->proto == PROTO_AH ? (len + 2u) * 4 - 2 : (len + 1u) * 8 - 2);
            break;
        default:
            return true;
        }
        if (!rd_ok(&w->r))
            return false;
        l->proto = next;
        if (l->fragment_offset != 0)
            return false;
    }
    return false;
}

static void ipv6(struct walk *w)
{
    struct packet_layer *l = layer(w);
    uint32_t head = rd_u32(&w->r);

    if (l == NULL || head >> 28 != 6)
        return;
    *l = (struct packet_layer){ .v6 = true };
    l->tos = (uint8_t)(head >> 20);
    l->flow_label = head & 0xfffffu;
    l->octets = rd_u16(&w->r) + 40u;
    l->proto = rd_u8(&w->r);
    l->ttl = rd_u8(&w->r);
    l->src = rd_take(&w->r, 16);
    l->dst = rd_take(&w->r, 16);
    if (!rd_ok(&w->r))
        return;
    w->k->n_layers++;
    if (extensions(w, l))
        transport(w, l);
}

/* ------------------------------------------------------------------------------------ below IP */

static void ethernet(struct walk *w)
{
    const uint8_t *mac = rd_take(&w->r, 12);

    w->type = rd_u16(&w->r);
    if (mac != NULL && w->outermost) {
        w->k->dst_mac = mac;
        w->k->src_mac = mac + 6;
    }
    if (w->type <= 1500) { /* a length: LLC, with SNAP an EtherType behind it (RFC 1042) */
        const uint8_t *llc = rd_take(&w->r, 6);
        w->type = llc != NULL && be32(llc) >> 8 == 0xaaaa03 ? rd_u16(&w->r) : 0;
    }
}

static void vlan(struct walk *w)
{
    uint16_t tag = rd_u16(&w->r);

    w->type = rd_u16(&w->r);
    if (rd_ok(&w->r) && w->outermost && w->k->n_tags < PACKET_TAGS)
        w->k->tag[w->k->n_tags++] = tag;
}

/* Behind the bottom of the stack the first half octet tells IP; else it is a pseudo wire: Ethernet,
 * mostly behind a control word that begins with 0 (RFC 4448, RFC 8469). */
static void mpls(struct walk *w)
{
    bool bottom = false;

    for (unsigned i = 0; i < MAX_STEPS && !bottom; i++) {
        const uint8_t *label = rd_take(&w->r, 4);
        if (label == NULL)
            break;
        bottom = (label[2] & 1) != 0;
        if (w->k->n_labels < PACKET_LABELS && w->k->n_layers == 0)
            w->k->label[w->k->n_labels++] = label;
    }
    w->type = bottom ? ip_type(&w->r) : 0;
    if (bottom && w->type == 0 && w->r.left > 4 && w->r.p[0] >> 4 == 0) {
        (void)rd_take(&w->r, 4);
        w->type = TYPE_ETHERNET;
        w->outermost &= w->k->dst_mac == NULL;
    }
}

static void ppp(struct walk *w)
{
    unsigned protocol;

    if (w->r.left >= 2 && w->r.p[0] == 0xff && w->r.p[1] == 3) /* address and control, RFC 1662 */
        (void)rd_u16(&w->r);
    protocol = rd_u8(&w->r); /* may be one octet: then it is odd */
    if ((protocol & 1) == 0)
        protocol = protocol << 8 | rd_u8(&w->r);
    w->type = protocol == 0x21     ? TYPE_IPV4
              : protocol == 0x57   ? TYPE_IPV6
              : protocol == 0x0281 ? TYPE_MPLS
                                   : 0;
}

static void step(struct walk *w)
{
    unsigned type = w->type;

    switch (type) {
    case TYPE_ETHERNET:
        ethernet(w);
        return;
    case TYPE_VLAN:
    case TYPE_SERVICE_VLAN:
    case TYPE_OLD_SERVICE_VLAN:
        vlan(w);
        return;
    case TYPE_PPPOE:
        (void)rd_take(&w->r, 6);
        ppp(w);
        return;
    case TYPE_PPP:
        ppp(w);
        return;
    default:
        break;
    }
    if (w->outermost) {
        w->k->ether_type = (uint16_t)type;
        w->outermost = type == TYPE_MPLS || type == TYPE_MPLS_MULTICAST;
    }
    w->type = 0;
    if (type == TYPE_MPLS || type == TYPE_MPLS_MULTICAST)
        mpls(w);
    else if (type == TYPE_IPV4)
        ipv4(w);
    else if (type == TYPE_IPV6)
        ipv6(w);
}

static unsigned first_type(unsigned link)
{
    switch (link) {
    case PACKET_ETHERNET:
        return TYPE_ETHERNET;
    case PACKET_PPP:
        return TYPE_PPP;
    case PACKET_IPV4:
        return TYPE_IPV4;
    case PACKET_IPV6:
        return TYPE_IPV6;
    case PACKET_MPLS:
        return TYPE_MPLS;
    default:
        return 0;
    }
}

bool packet_parse(struct packet *out, unsigned link, const uint8_t *p, size_t len)
{
    struct walk w = { .k = out, .r = rd_init(p, len), .type = first_type(link), .outermost = true };

    out->dst_mac = out->src_mac = NULL;
    out->ether_type = 0;
    out->n_labels = out->n_tags = out->n_layers = 0;
    out->tunnel = TUNNEL_NONE;
    out->tunnel_id = 0;
    out->has_tunnel_id = false;
    for (unsigned i = 0; i < MAX_STEPS && w.type != 0; i++)
        step(&w);
    return out->n_layers > 0 || out->dst_mac != NULL;
}
