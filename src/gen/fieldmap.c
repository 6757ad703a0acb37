/* GENERATED from data/fieldmap.csv by tools/gen.py. Do not edit. */
#include "gen/fieldmap.h"

#include "gen/columns.h"

/* sorted by (pen, id) */
const struct fmap fmap_table[] = {
    { 0, 1, COL_BYTES, CONV_UINT, 1, 8, 1 }, /* octetDeltaCount */
    { 0, 2, COL_PACKETS, CONV_UINT, 1, 8, 1 }, /* packetDeltaCount */
    { 0, 4, COL_PROTO, CONV_UINT, 1, 1, 1 }, /* protocolIdentifier */
    { 0, 5, COL_TOS, CONV_UINT, 1, 1, 1 }, /* ipClassOfService */
    { 0, 6, COL_TCP_FLAGS, CONV_UINT, 1, 2, 1 }, /* tcpControlBits */
    { 0, 7, COL_SRC_PORT, CONV_UINT, 1, 2, 1 }, /* sourceTransportPort */
    { 0, 8, COL_SRC_IP, CONV_IP4, 4, 4, 1 }, /* sourceIPv4Address */
    { 0, 9, COL_SRC_MASK, CONV_UINT, 1, 1, 1 }, /* sourceIPv4PrefixLength */
    { 0, 10, COL_IN_IF, CONV_UINT, 1, 4, 1 }, /* ingressInterface */
    { 0, 11, COL_DST_PORT, CONV_UINT, 1, 2, 1 }, /* destinationTransportPort */
    { 0, 12, COL_DST_IP, CONV_IP4, 4, 4, 1 }, /* destinationIPv4Address */
    { 0, 13, COL_DST_MASK, CONV_UINT, 1, 1, 1 }, /* destinationIPv4PrefixLength */
    { 0, 14, COL_OUT_IF, CONV_UINT, 1, 4, 1 }, /* egressInterface */
    { 0, 15, COL_NEXT_IP, CONV_IP4, 4, 4, 1 }, /* ipNextHopIPv4Address */
    { 0, 16, COL_SRC_AS, CONV_UINT, 1, 4, 1 }, /* bgpSourceAsNumber */
    { 0, 17, COL_DST_AS, CONV_UINT, 1, 4, 1 }, /* bgpDestinationAsNumber */
    { 0, 18, COL_BGP_NEXT_IP, CONV_IP4, 4, 4, 1 }, /* bgpNextHopIPv4Address */
    { 0, 21, COL_END, CONV_UPTIME, 4, 4, 5 }, /* flowEndSysUpTime */
    { 0, 22, COL_START, CONV_UPTIME, 4, 4, 5 }, /* flowStartSysUpTime */
    { 0, 23, COL_OUT_BYTES, CONV_UINT, 1, 8, 1 }, /* postOctetDeltaCount */
    { 0, 24, COL_OUT_PACKETS, CONV_UINT, 1, 8, 1 }, /* postPacketDeltaCount */
    { 0, 27, COL_SRC_IP, CONV_IP6, 16, 16, 2 }, /* sourceIPv6Address */
    { 0, 28, COL_DST_IP, CONV_IP6, 16, 16, 2 }, /* destinationIPv6Address */
    { 0, 29, COL_SRC_MASK, CONV_UINT, 1, 1, 2 }, /* sourceIPv6PrefixLength */
    { 0, 30, COL_DST_MASK, CONV_UINT, 1, 1, 2 }, /* destinationIPv6PrefixLength */
    { 0, 34, COL_RATE, CONV_UINT, 1, 4, 1 }, /* samplingInterval */
    { 0, 48, COL_SAMPLER, CONV_UINT, 1, 4, 1 }, /* samplerId */
    { 0, 58, COL_SRC_VLAN, CONV_UINT, 1, 2, 1 }, /* vlanId */
    { 0, 59, COL_DST_VLAN, CONV_UINT, 1, 2, 1 }, /* postVlanId */
    { 0, 61, COL_DIRECTION, CONV_UINT, 1, 1, 1 }, /* flowDirection */
    { 0, 62, COL_NEXT_IP, CONV_IP6, 16, 16, 2 }, /* ipNextHopIPv6Address */
    { 0, 63, COL_BGP_NEXT_IP, CONV_IP6, 16, 16, 2 }, /* bgpNextHopIPv6Address */
    { 0, 85, COL_BYTES, CONV_UINT, 1, 8, 4 }, /* octetTotalCount */
    { 0, 86, COL_PACKETS, CONV_UINT, 1, 8, 4 }, /* packetTotalCount */
    { 0, 150, COL_START, CONV_SEC, 4, 4, 2 }, /* flowStartSeconds */
    { 0, 151, COL_END, CONV_SEC, 4, 4, 2 }, /* flowEndSeconds */
    { 0, 152, COL_START, CONV_MS, 8, 8, 1 }, /* flowStartMilliseconds */
    { 0, 153, COL_END, CONV_MS, 8, 8, 1 }, /* flowEndMilliseconds */
    { 0, 154, COL_START, CONV_NTP, 8, 8, 3 }, /* flowStartMicroseconds */
    { 0, 155, COL_END, CONV_NTP, 8, 8, 3 }, /* flowEndMicroseconds */
    { 0, 156, COL_START, CONV_NTP, 8, 8, 4 }, /* flowStartNanoseconds */
    { 0, 157, COL_END, CONV_NTP, 8, 8, 4 }, /* flowEndNanoseconds */
    { 0, 158, COL_START, CONV_DELTA_US, 1, 4, 6 }, /* flowStartDeltaMicroseconds */
    { 0, 159, COL_END, CONV_DELTA_US, 1, 4, 6 }, /* flowEndDeltaMicroseconds */
    { 0, 231, COL_BYTES, CONV_UINT, 1, 8, 2 }, /* initiatorOctets */
    { 0, 232, COL_REV_BYTES, CONV_UINT, 1, 8, 2 }, /* responderOctets */
    { 0, 243, COL_SRC_VLAN, CONV_UINT, 1, 2, 2 }, /* dot1qVlanId */
    { 0, 254, COL_DST_VLAN, CONV_UINT, 1, 2, 2 }, /* postDot1qVlanId */
    { 0, 298, COL_PACKETS, CONV_UINT, 1, 8, 2 }, /* initiatorPackets */
    { 0, 299, COL_REV_PACKETS, CONV_UINT, 1, 8, 2 }, /* responderPackets */
    { 0, 302, COL_SAMPLER, CONV_UINT, 1, 4, 2 }, /* selectorId */
    { 0, 352, COL_BYTES, CONV_UINT, 1, 8, 3 }, /* layer2OctetDeltaCount */
    { 29305, 1, COL_REV_BYTES, CONV_UINT, 1, 8, 1 }, /* reverseOctetDeltaCount */
    { 29305, 2, COL_REV_PACKETS, CONV_UINT, 1, 8, 1 }, /* reversePacketDeltaCount */
    { 29305, 85, COL_REV_BYTES, CONV_UINT, 1, 8, 4 }, /* reverseOctetTotalCount */
    { 29305, 86, COL_REV_PACKETS, CONV_UINT, 1, 8, 4 }, /* reversePacketTotalCount */
};
const size_t fmap_count = sizeof fmap_table / sizeof fmap_table[0];
