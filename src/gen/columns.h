/* GENERATED from data/columns.csv by tools/gen.py. Do not edit.
 * Floor 1. The core columns of a flow record. */
#ifndef WEIR_GEN_COLUMNS_H
#define WEIR_GEN_COLUMNS_H

#include <stdint.h>

enum col {
    COL_RECEIVED, /* when the datagram reached Weir, Unix ms */
    COL_START, /* effective start of the flow, Unix ms: the exporter's, corrected and clamped as the guide says */
    COL_END, /* effective end of the flow, Unix ms */
    COL_START_SHIFT, /* exporter's start minus the effective start, ms, modulo 2^64; 0 where nothing was changed */
    COL_END_SHIFT, /* exporter's end minus the effective end, ms, modulo 2^64 */
    COL_UPTIME_BASE, /* export time minus sysUpTime of the datagram, ms modulo 2^32; gives sysUpTime elements back */
    COL_EXPORTER, /* number in the exporter table of the batch or segment */
    COL_SHAPE, /* number in the shape table of the batch or segment */
    COL_SRC_IP, /* source address (code in the address table); IPv4 as ::ffff:a.b.c.d */
    COL_DST_IP, /* destination address */
    COL_NEXT_IP, /* next hop */
    COL_BGP_NEXT_IP, /* BGP next hop */
    COL_SRC_PORT, /* source port */
    COL_DST_PORT, /* destination port; of ICMP type*256+code */
    COL_PROTO, /* protocol (IANA number) */
    COL_TCP_FLAGS, /* TCP control bits seen, OR of all packets */
    COL_TOS, /* type of service octet (DSCP and ECN) */
    COL_DIRECTION, /* where it was metered: 0 ingress, 1 egress */
    COL_BYTES, /* octets, by the rule of the guide; as exported, not scaled */
    COL_PACKETS, /* packets, by the same rule */
    COL_REV_BYTES, /* octets of the reverse direction of a biflow */
    COL_REV_PACKETS, /* packets of the reverse direction of a biflow */
    COL_OUT_BYTES, /* octets after the observation point (postOctetDeltaCount) */
    COL_OUT_PACKETS, /* packets after the observation point (postPacketDeltaCount) */
    COL_IN_IF, /* ingress interface (SNMP index) */
    COL_OUT_IF, /* egress interface */
    COL_SRC_AS, /* source AS number as exported */
    COL_DST_AS, /* destination AS number as exported */
    COL_SRC_MASK, /* source prefix length */
    COL_DST_MASK, /* destination prefix length */
    COL_SRC_VLAN, /* VLAN id on ingress */
    COL_DST_VLAN, /* VLAN id on egress */
    COL_RATE, /* sampling rate that record or header stated (1 in N); 0 = look up by exporter, sampler, interface */
    COL_SAMPLER, /* sampler or selector id the record names; 0 = none */
    COL_MARKS, /* bits of enum mark: how this row was understood */
    COL_N,
    COL_NONE = 255 /* no column: the element lives in the extras */
};

enum col_kind { COL_KIND_UINT, COL_KIND_TIME, COL_KIND_ADDR };

struct col_info {
    const char *name;       /* file format and code */
    const char *short_name; /* query language and lists; "" = not offered there */
    const char *doc;
    uint8_t kind;  /* enum col_kind */
    uint8_t bits;  /* width in a batch: 8, 16, 32, 64 */
    uint8_t zone;  /* 1: min and max are kept per block */
};

extern const struct col_info col_info[COL_N];

#endif
