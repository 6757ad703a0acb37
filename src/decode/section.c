/* Records that hold the beginning of a packet (PSAMP, RFC 5477 section 8.5; layer2packetSectionData
 * of Cisco): columns that no element of the record fills are read from its headers, the outermost
 * ones, as those of an sFlow sample are. The section itself stays as sent. */
#include "decode/packet.h"
#include "decode/run.h"

#define IP_HEADER_SECTION 313u /* ipHeaderPacketSection; the others begin with Ethernet */

void plan_section(struct plan *p, const struct plan_field *f, unsigned n)
{
    for (unsigned i = 0; i < n && p->from_section == 0; i++) {
        p->from_section = shape_section_cols(f[i].pen, f[i].id) & ~p->used;
        p->section = (uint16_t)i;
        p->section_is_ip = f[i].id == IP_HEADER_SECTION;
    }
    p->used |= p->from_section;
}

static bool put_address(struct run_rows *r, enum col col, uint32_t i, const uint8_t *p, bool v6)
{
    uint32_t *code = (uint32_t *)r->b->col[col] + r->row + i;

    return (r->plan->from_section >> col & 1) == 0 || flow_batch_addrs(r->b, p, 0, v6, 1, code);
}

static void put_number(struct run_rows *r, enum col col, uint32_t i, uint64_t v)
{
    if ((r->plan->from_section >> col & 1) != 0)
        run_put(r, col, i, v);
}

static bool put_layer(struct run_rows *r, uint32_t i, const struct packet_layer *l)
{
    put_number(r, COL_PROTO, i, l->proto);
    put_number(r, COL_TOS, i, l->tos);
    put_number(r, COL_BYTES, i, l->octets);
    put_number(r, COL_SRC_PORT, i, l->src_port);
    put_number(r, COL_DST_PORT, i,
               l->has_icmp ? (uint64_t)l->icmp_type << 8 | l->icmp_code : l->dst_port);
    put_number(r, COL_TCP_FLAGS, i, l->tcp_flags);
    return put_address(r, COL_SRC_IP, i, l->src, l->v6) &&
           put_address(r, COL_DST_IP, i, l->dst, l->v6);
}

bool run_sections(struct run_rows *r)
{
    const struct plan *p = r->plan;
    struct packet k;

    for (uint32_t i = 0; i < r->n; i++) {
        const uint8_t *octets = r->p + i * r->stride + r->at[p->section];
        size_t len = r->len[p->section];
        unsigned link = !p->section_is_ip                ? PACKET_ETHERNET
                        : len > 0 && octets[0] >> 4 == 6 ? PACKET_IPV6
                                                         : PACKET_IPV4;
        put_number(r, COL_PACKETS, i, 1);
        if (!packet_parse(&k, link, octets, len))
            continue;
        if (k.n_tags > 0)
            put_number(r, COL_SRC_VLAN, i, k.tag[0] & 0xfffu);
        if (k.n_layers > 0 && !put_layer(r, i, &k.layer[0]))
            return false;
    }
    return true;
}
