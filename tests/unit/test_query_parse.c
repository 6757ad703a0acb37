#include <stdio.h>

#include "query/parse.h"
#include "unit.h"

#define NOW_MS 1772546400000 /* 2026-03-03T14:00:00Z */

/* clang-format off */
static const struct {
    const char *filter, *text; /* as written, as understood */
} accepted[] = {
    { "! tcp",
      "not proto tcp" },
    { "(((tcp or udp)) and port 53)",
      "((proto tcp or proto udp) and (src port 53 or dst port 53))" },
    { "(tcp and udp) xor port 5",
      "((proto tcp and proto udp) xor (src port 5 or dst port 5))" },
    { "1.2.3.0/24",
      "(src ip 1.2.3.0/24 or dst ip 1.2.3.0/24)" },
    { "1.2.3.4",
      "(src ip 1.2.3.4 or dst ip 1.2.3.4)" },
    { "10.0.0.1:443",
      "((src ip 10.0.0.1 and src port 443) or (dst ip 10.0.0.1 and dst port 443))" },
    { "2001:db8::/32",
      "(src ip 2001:db8::/32 or dst ip 2001:db8::/32)" },
    { "AS3320",
      "(src as 3320 or dst as 3320)" },
    { "[2001:db8::1]:443",
      "((src ip 2001:db8::1 and src port 443) or (dst ip 2001:db8::1 and dst port 443))" },
    { "absent ie(192)",
      "absent ie(ipTTL)" },
    { "absent src vlan",
      "absent src vlan" },
    { "any",
      "any" },
    { "port ssh",
      "(proto tcp and (src port 22 or dst port 22))" },
    { "dst port = SSH",
      "(proto tcp and dst port 22)" },
    { "server service dns",
      "((proto tcp and server port 53) or (proto udp and server port 53))" },
    { "src service in [ssh, radius]",
      "((proto tcp and src port 22) or (proto udp and src port in [1645 1812]))" },
    { "service != ssh",
      "not (proto tcp and (src port 22 or dst port 22))" },
    { "port gt 5",
      "(src port >= 6 or dst port >= 6)" },
    { "app Netflix or application ~ /^microsoft/i",
      "(app \"Netflix\" or app ~ /^microsoft/i)" },
    { "app != \"Microsoft 365\"",
      "not app \"Microsoft 365\"" },
    { "country DE",
      "(src country DE or dst country DE)" },
    { "country in [DE CO CN IN OR]",
      "(src country in [CN CO DE IN OR] or dst country in [CN CO DE IN OR])" },
    { "src geo in",
      "src country IN" },
    { "dst country != ne",
      "not dst country NE" },
    { "dst country [!at at]",
      "none" },
    { "absent src country",
      "absent src country" },
    { "client as name 'x'",
      "client as name \"x\"" },
    { "dst as name !~ /telekom/i",
      "not dst as name ~ /telekom/i" },
    { "as 3320..3330",
      "(src as in [3320..3330] or dst as in [3320..3330])" },
    { "asa event denied nosyn",
      "asa event denied 1004" },
    { "asa event deny",
      "asa event 3" },
    { "asa event ignore",
      "asa event 0" },
    { "asa xevent > 1000",
      "asa event denied >= 1001" },
    { "at 14:00",
      "at 2026-03-03T14:00:00.000Z" },
    { "at 2026-03-03",
      "at 2026-03-03T00:00:00.000Z..2026-03-03T23:59:59.999Z" },
    { "bgpnext ip ::",
      "bgpnext ip in [:: 0.0.0.0]" },
    { "bgpnext ip 0.0.0.0",
      "bgpnext ip in [:: 0.0.0.0]" },
    { "both (ip 10.0.0.0/8)",
      "(src ip 10.0.0.0/8 and dst ip 10.0.0.0/8)" },
    { "both port 123",
      "(src port 123 and dst port 123)" },
    { "bpp < 60",
      "bpp <= 59" },
    { "bps 0",
      "bps 0" },
    { "bytes 0..100",
      "bytes <= 100" },
    { "bytes > 1.5k and packets <= 1Ki or bps > 10Mb",
      "((bytes >= 1501 and packets <= 1024) or bps >= 10000001)" },
    { "bytes ge 0",
      "bytes <= 18446744073709551615" },
    { "bytes lt 0",
      "none" },
    { "client (10.20.0.0/16 and not port 22)",
      "(client ip 10.20.0.0/16 and not client port 22)" },
    { "client (port 1 or port 2)",
      "(client port 1 or client port 2)" },
    { "client 10.0.0.1:443",
      "(client ip 10.0.0.1 and client port 443)" },
    { "client latency > 10",
      "client latency >= 11ms" },
    { "dir 1",
      "flowdir 1" },
    { "domain 17",
      "domain 17" },
    { "dscp ef",
      "tos in [184..187]" },
    { "dst 10.0.0.1:53",
      "(dst ip 10.0.0.1 and dst port 53)" },
    { "dst ip [10.0.0.1 10.0.0.2]",
      "dst ip in [10.0.0.1 10.0.0.2]" },
    { "dst port > 1024",
      "dst port >= 1025" },
    { "dst tos 0xb8",
      "dst tos 184" },
    { "duration > 1h",
      "duration >= 3600001ms" },
    { "egress vrf > 5",
      "egress vrf >= 6" },
    { "egress xace 7",
      "egress xace 7" },
    { "either port 53",
      "(src port 53 or dst port 53)" },
    { "end < 2026-03-03",
      "end <= 2026-03-02T23:59:59.999Z" },
    { "engine-id 1",
      "engine-id 1" },
    { "engine-type 0",
      "engine-type 0" },
    { "exists ie(flowEndReason)",
      "exists ie(flowEndReason)" },
    { "exists src vlan",
      "exists src vlan" },
    { "exists vlan",
      "(exists src vlan or exists dst vlan)" },
    { "exporter 10.0.0.1",
      "exporter 10.0.0.1" },
    { "first seen > today",
      "start >= 2026-03-03T00:00:00.001Z" },
    { "flags 2",
      "flags 2" },
    { "flags = S",
      "flags = S" },
    { "flags > 2",
      "flags >= 3" },
    { "flags S and not flags AFRPU",
      "(flags S and not flags any FRPAU)" },
    { "flags S/SA",
      "flags S/SA" },
    { "flags any RF",
      "flags any FR" },
    { "flowdir ingress",
      "flowdir 0" },
    { "flows 1",
      "flows 1" },
    { "fwdstat 64",
      "fwdstat 64" },
    { "fwdstat drop",
      "fwdstat 128" },
    { "fwdstat dropped",
      "fwdstat in [128..191]" },
    { "host 10.0.0.0/8",
      "(src ip 10.0.0.0/8 or dst ip 10.0.0.0/8)" },
    { "hour 7",
      "hour 7" },
    { "hour in [22..5] and weekday in [mon..fri]",
      "(hour in [0..5 22..23] and weekday in [mon..fri])" },
    { "icmp-code 0",
      "icmp-code 0" },
    { "icmp-type 8",
      "icmp-type 8" },
    { "icmp-type in [0 8]",
      "icmp-type in [0 8]" },
    { "icmp6",
      "proto icmp6" },
    { "ie(192)[2] > 3",
      "ie(ipTTL)[2] >= 4" },
    { "ie(9/12235) ~ /voice/i",
      "ie(9/appHTTPHost) ~ /voice/i" },
    { "ie(ipTTL) < 5",
      "ie(ipTTL) <= 4" },
    { "ie(sourceIPv4Address) 10.0.0.1",
      "ie(sourceIPv4Address) 10.0.0.1" },
    { "if 3",
      "(in if 3 or out if 3)" },
    { "if in [1..5 !3]",
      "(in if in [1..2 4..5] or out if in [1..2 4..5])" },
    { "in bytes > 1k",
      "bytes >= 1001" },
    { "in if in [3 4]",
      "in if in [3..4]" },
    { "in packets 1",
      "packets 1" },
    { "in src mac 00:11:22:33:44:55",
      "in src mac 00:11:22:33:44:55" },
    { "in vlan 5",
      "src vlan 5" },
    { "inet",
      "ipv4" },
    { "inet6",
      "ipv6" },
    { "ingress acl > 4",
      "ingress acl >= 5" },
    { "ingress vrf 5",
      "ingress vrf 5" },
    { "ip 2001:db8::1",
      "(src ip 2001:db8::1 or dst ip 2001:db8::1)" },
    { "ip in [!10.0.0.0/8]",
      "(src ip in [!10.0.0.0/8 0.0.0.0/0 ::/0] or dst ip in [!10.0.0.0/8 0.0.0.0/0 ::/0])" },
    { "ip in [10.0.0.0/8, !10.9.0.0/16, 2001:db8::/32]",
      "(src ip in [!10.9.0.0/16 10.0.0.0/8 2001:db8::/32] or dst ip in [!10.9.0.0/16 10.0.0.0/8 2001:db8::/32])" },
    { "label 7",
      "label 7" },
    { "last seen < yesterday",
      "end <= 2026-03-01T23:59:59.999Z" },
    { "mac 00:11:22:33:44:55",
      "(in src mac 00:11:22:33:44:55 or in dst mac 00:11:22:33:44:55 or out src mac 00:11:22:33:44:55 or out dst mac 00:11:22:33:44:55)" },
    { "mac in [00:11:22:33:44:55 66:77:88:99:aa:bb]",
      "(in src mac in [00:11:22:33:44:55 66:77:88:99:aa:bb] or in dst mac in [00:11:22:33:44:55 66:77:88:99:aa:bb] or out src mac in [00:11:22:33:44:55 66:77:88:99:aa:bb] or out dst mac in [00:11:22:33:44:55 66:77:88:99:aa:bb])" },
    { "mask 24",
      "(src mask 24 or dst mask 24)" },
    { "mpls eos 17",
      "mpls eos 17" },
    { "mpls eos > 16",
      "mpls eos in [17..1048575]" },
    { "mpls exp1 3",
      "mpls exp1 3" },
    { "mpls exp2 in [1 2]",
      "(mpls exp2 1 or mpls exp2 2)" },
    { "mpls label1 > 16",
      "mpls label1 in [17..1048575]" },
    { "mpls label10 5",
      "mpls label10 5" },
    { "nat event 4",
      "nat event 4" },
    { "nat event add and nip 203.0.113.7",
      "(nat event 1 and (src nip 203.0.113.7 or dst nip 203.0.113.7))" },
    { "net 10.0.0.0 255.0.0.0",
      "(src ip 10.0.0.0/8 or dst ip 10.0.0.0/8)" },
    { "net 10.1.2.3/24",
      "(src ip 10.1.2.0/24 or dst ip 10.1.2.0/24)" },
    { "net 10.1/16",
      "(src ip 10.1.0.0/16 or dst ip 10.1.0.0/16)" },
    { "net ::/0",
      "(src ip in [!0.0.0.0/0 ::/0] or dst ip in [!0.0.0.0/0 ::/0])" },
    { "next as 3",
      "next as 3" },
    { "next ip 10.0.0.1",
      "next ip 10.0.0.1" },
    { "nip 203.0.113.7",
      "(src nip 203.0.113.7 or dst nip 203.0.113.7)" },
    { "not (tcp or udp) and port 53",
      "(not (proto tcp or proto udp) and (src port 53 or dst port 53))" },
    { "not net 0.0.0.0/0",
      "not (src ip 0.0.0.0/0 or dst ip 0.0.0.0/0)" },
    { "not not tcp",
      "proto tcp" },
    { "not port 22",
      "not (src port 22 or dst port 22)" },
    { "not tcp and port 53 or port 80",
      "((not proto tcp and (src port 53 or dst port 53)) or (src port 80 or dst port 80))" },
    { "observation domain id > 3",
      "domain >= 4" },
    { "observation point id 4",
      "observation point id 4" },
    { "out bytes 0",
      "out bytes 0" },
    { "out dst mac 00-11-22-33-44-55",
      "out dst mac 00:11:22:33:44:55" },
    { "out if 3..7",
      "out if in [3..7]" },
    { "packets eq 1",
      "packets 1" },
    { "packets ge 5",
      "packets >= 5" },
    { "packets le 5",
      "packets <= 5" },
    { "payload content 'x\"y'",
      "payload content \"x\\\"y\"" },
    { "payload regex 'a/b' i",
      "payload regex ~ /a\\/b/i" },
    { "pblock end 2047",
      "pblock end 2047" },
    { "pblock start >= 1024",
      "pblock start >= 1024" },
    { "pblock step 64",
      "pblock step 64" },
    { "port != 22",
      "not (src port 22 or dst port 22)" },
    { "port in [!80]",
      "(src port in [0..79 81..65535] or dst port in [0..79 81..65535])" },
    { "port in [80,443]",
      "(src port in [80 443] or dst port in [80 443])" },
    { "pps > 1k",
      "pps >= 1001" },
    { "prev as 0",
      "prev as 0" },
    { "proto != tcp",
      "not proto tcp" },
    { "proto gre",
      "proto gre" },
    { "proto in [tcp udp 47]",
      "proto in [tcp udp gre]" },
    { "proto tcp",
      "proto tcp" },
    { "protocol 6",
      "proto tcp" },
    { "raw bps > 5",
      "raw bps >= 6" },
    { "raw packets 1",
      "raw packets 1" },
    { "received > now-2h",
      "received >= 2026-03-03T12:00:00.001Z" },
    { "router ip 127.0.0.11",
      "exporter 127.0.0.11" },
    { "sctp or esp",
      "(proto sctp or proto esp)" },
    { "server host 10.0.0.1",
      "server ip 10.0.0.1" },
    { "server latency > 10ms",
      "server latency >= 11ms" },
    { "server port 22",
      "server port 22" },
    { "src 1.2.3.4",
      "src ip 1.2.3.4" },
    { "src AS5",
      "src as 5" },
    { "src and dst net 10.20.0.0/16",
      "(src ip 10.20.0.0/16 and dst ip 10.20.0.0/16)" },
    { "src and dst port 123",
      "(src port 123 and dst port 123)" },
    { "src as in [0 3320]",
      "src as in [0 3320]" },
    { "src ip != 10.0.0.1",
      "not src ip 10.0.0.1" },
    { "src ip 10.0.0.5..10.0.0.9",
      "src ip in [10.0.0.5 10.0.0.6/31 10.0.0.8/31]" },
    { "src mask > 8",
      "src mask >= 9" },
    { "src nport 80",
      "src nport 80" },
    { "src or dst ip 10.20.77.7",
      "(src ip 10.20.77.7 or dst ip 10.20.77.7)" },
    { "src port 80",
      "src port 80" },
    { "src port in [80 443 8000..8999 !8080]",
      "src port in [80 443 8000..8079 8081..8999]" },
    { "src tos 4",
      "tos 4" },
    { "src vlan 102",
      "src vlan 102" },
    { "src xport 80",
      "src xport 80" },
    { "start > 2026-03-03T14:00Z",
      "start >= 2026-03-03T14:00:00.001Z" },
    { "tcp # and udp",
      "proto tcp" },
    { "tcp & udp",
      "(proto tcp and proto udp)" },
    { "tcp && !udp",
      "(proto tcp and not proto udp)" },
    { "tcp and flags 0",
      "(proto tcp and flags 0)" },
    { "tcp or udp and not port 53 or icmp",
      "(proto tcp or (proto udp and not (src port 53 or dst port 53)) or proto icmp)" },
    { "tcp xor udp",
      "(proto tcp xor proto udp)" },
    { "tcp xor udp xor icmp",
      "(proto tcp xor proto udp xor proto icmp)" },
    { "tcp | by src ip/24,48,dst port | bytes, distinct dst ip | top 5 | having distinct dst ip > 64 and bytes < 1M | series 5m | last 1d",
      "proto tcp" },
    { "tcp | list start,src ip,ie(9/12235),octetDeltaCount; sort bytes desc; limit 5",
      "proto tcp" },
    { "sampling unknown",
      "sampling 0" },
    { "tos 0",
      "tos 0" },
    { "ttl < 5",
      "ttl <= 4" },
    { "tun proto 4",
      "tun proto ipip" },
    { "tun proto gre",
      "tun proto gre" },
    { "tunip 10.0.0.1",
      "(src tunip 10.0.0.1 or dst tunip 10.0.0.1)" },
    { "vlan 5 # comment",
      "(src vlan 5 or dst vlan 5)" },
    { "weekday sat",
      "weekday sat" },
    { "xip 10.0.0.1",
      "(src xip 10.0.0.1 or dst xip 10.0.0.1)" },
    { "xnet 10.0.0.0/8",
      "(src xip 10.0.0.0/8 or dst xip 10.0.0.0/8)" },
    { "| by host pair | flows | tz Europe/Berlin | today",
      "any" },
    { "dst mask in [24 32]",
      "dst mask in [24 32]" },
    { "dst vlan 7",
      "dst vlan 7" },
    { "next as in [1 2]",
      "next as in [1..2]" },
    { "egress acl 5",
      "egress acl 5" },
    { "egress ace 6",
      "egress ace 6" },
    { "ingress xace 7",
      "ingress xace 7" },
    { "dst xport 443",
      "dst xport 443" },
    { "src xnet 10.0.0.0/8",
      "src xip 10.0.0.0/8" },
    { "proto 6..17",
      "proto in [tcp..udp]" },
    { "raw out bytes > 5",
      "raw out bytes >= 6" },
    { "src host 10.0.0.1",
      "src ip 10.0.0.1" },
    { "bpp 40..60",
      "bpp in [40..60]" },
    { "port in pblock",
      "(src port in pblock or dst port in pblock)" },
    { "not src port in pblock",
      "not src port in pblock" },
    { "pblock size 2048",
      "pblock size 2048" },
    { "nfversion 9",
      "version 9" },
    { "portrange 6000-6063",
      "(src port in [6000..6063] or dst port in [6000..6063])" },
    { "src portrange 1-1023",
      "src port in [1..1023]" },
    { "less 128",
      "bpp <= 128" },
    { "greater 1k",
      "bpp >= 1000" },
    { "dst net 10.0.0.0 mask 255.0.0.0",
      "dst ip 10.0.0.0/8" },
    { "ip6 and udp",
      "(ipv6 and proto udp)" },
    { "payload regex 'GET|POST'",
      "payload regex ~ /GET|POST/" },
    { "client latency 5..10",
      "client latency in [5ms..10ms]" },
    { "server latency != 0",
      "not server latency 0ms" },
    { "client latency < 0",
      "none" },
    /* the ambiguous cases of the reference, section 4 */
    { "not port > 1024",
      "not (src port >= 1025 or dst port >= 1025)" },
    { "src port != 22 or dst port != 22",
      "(not src port 22 or not dst port 22)" },
    { "proto tcp or proto udp and port 53",
      "(proto tcp or (proto udp and (src port 53 or dst port 53)))" },
    { "not (tcp and flags SA)",
      "not (proto tcp and flags any SA)" },
    { "not (udp or not flags SA)",
      "not (proto udp or not flags SA)" },
    { "not flags S/SA",
      "not flags S/SA" },
    { "flags SA",
      "flags SA" },
    { "duration 0 and bps > 0",
      "(duration 0ms and bps >= 1)" },
    { "dst port 2048",
      "dst port 2048" },
    { "net 0.0.0.0/0",
      "(src ip 0.0.0.0/0 or dst ip 0.0.0.0/0)" },
    { "net 10/8",
      "(src ip 10.0.0.0/8 or dst ip 10.0.0.0/8)" },
    { "as 0",
      "(src as 0 or dst as 0)" },
    { "tos 0xb8",
      "tos 184" },
    { "dscp 46",
      "tos in [184..187]" },
    { "flow 1",
      "flows 1" },
    { "src in ip [10.0.0.1]",
      "src ip 10.0.0.1" },
    { "flags CE",
      "flags EC" },
    { "inbound and not outbound or transit",
      "((inbound and not outbound) or transit)" },
    { "internal traffic",
      "internal traffic" },
    { "internal and dst external",
      "((src internal or dst internal) and dst external)" },
    { "client internal",
      "client internal" },
    { "server group netflix",
      "server group netflix" },
    { "group in [cdn \"cloud\"]",
      "((src group cdn or dst group cdn) or (src group \"cloud\" or dst group \"cloud\"))" },
    { "src ip in group private",
      "src ip in group \"private\"" },
    { "not as in group Netflix",
      "not (src as in [2906 40027] or dst as in [2906 40027])" },
    { "in boundary external",
      "in boundary external" },
    { "direction != transit",
      "not direction transit" },
};

static const struct {
    const char *filter;
    size_t      pos;
    const char *msg;
} refused[] = {
    { "\"tcp\"", 1,
      "a term is expected here: host 10.1.2.3, port 443, bytes > 1M" },
    { "'unclosed", 0,
      "this quote is not closed: add '" },
    { "((tcp)", 0,
      "this bracket is not closed" },
    { "a or b", 0,
      "no such word; a term is expected: host 10.1.2.3, port 443, bytes > 1M" },
    { "src app x", 0,
      "app has no such side: write it without" },
    { "bytes > 1.0001k", 8,
      "this is not a whole number" },
    { "bytes > 12x", 8,
      "not a number: digits, then k M G T P or Ki Mi Gi are expected" },
    { "bytes > 99999999999999999999", 8,
      "this number is too large" },
    { "count < 10", 0,
      "count is a number inside nfdump's files: use --limit" },
    { "country DEU", 8,
      "a country is two letters of ISO 3166: DE, US" },
    { "country in set eu", 11,
      "not yet: sets" },
    { "country in []", 12,
      "an empty list matches nothing: values are expected" },
    { "exists as name", 14,
      "not yet: exists of a name; use as name ~ /./" },
    { "in country DE", 0,
      "country has no such side: use src or dst" },
    { "dscp eff", 5,
      "a number is expected here; did you mean ef?" },
    { "dst first seen > now-7d", 0,
      "not yet: first seen of an entity" },
    { "dst ip in set x", 10,
      "not yet: sets" },
    { "duration > 1x", 11,
      "a duration is expected: 500 (ms), 1.5s, 10m, 1h30m" },
    { "exporter core1", 9,
      "no exporter is called \"core1\"; its address works too" },
    { "flags > S", 8,
      "flags are letters of FSRPAUEC (X = FSRPAU), as in S, SA, S/SA, any RF, or a number" },
    { "flags Q", 6,
      "flags are letters of FSRPAUEC (X = FSRPAU), as in S, SA, S/SA, any RF, or a number" },
    { "flags S/A", 6,
      "the flags before the slash must be among those behind it" },
    { "group office", 6,
      "no group is called \"office\"" },
    { "group netflux", 6,
      "no group is called \"netflux\"; did you mean netflix?" },
    { "in group cdn", 0,
      "group has no such side: use src or dst" },
    { "port in group cdn", 14,
      "this group holds no port; \"group cdn\" asks for all members" },
    { "boundary extrnal", 9,
      "no boundary is \"extrnal\"; did you mean external?" },
    { "host 10.20.77", 5,
      "not an address or network: 10.1.2.3, 10.1/16, 2001:db8::/32" },
    { "host example.net", 5,
      "no host is called \"example.net\"; an address or network is expected, or a name of weir name list" },
    { "hostt 1.2.3.4", 0,
      "no such word; did you mean host?" },
    { "hour 25", 5,
      "hour is 0 to 23" },
    { "ie(9/12235) ~ /(/", 16,
      "in this pattern: missing closing parenthesis" },
    { "ie(nosuchelement) 4", 3,
      "no such element; PEN/ID always works" },
    { "if \"xe-0\"", 4,
      "no interface name is \"xe-0\"" },
    { "in host 10.1.1.1", 0,
      "ip has no such side: did you mean inbound, or dst host?" },
    { "in proto tcp", 0,
      "proto has no such side: write it without" },
    { "src inbound", 0,
      "inbound is of the whole record: write it without a side" },
    { "inett", 0,
      "no such word; did you mean inet?" },
    { "exists internal", 15,
      "internal is a test by itself: write it alone, or not internal" },
    { "ip > 10.0.0.1", 3,
      "addresses are compared with = and !=, networks, or A..B" },
    { "ip ~ /x/", 3,
      "a pattern fits names only: name ~ /web/, exporter name ~ /fra/" },
    { "listed drop", 0,
      "not yet: listed" },
    { "mac 1.2.3", 4,
      "a MAC address is expected: 00:11:22:33:44:55" },
    { "new src as 30d", 0,
      "not yet: new" },
    { "payload content", 15,
      "a text in quotes is expected" },
    { "port 22 or 23", 11,
      "a number alone is no term; several values stand in a list: port in [22 23]" },
    { "port 70000", 5,
      "port is 0 to 65535" },
    { "port 9..3", 5,
      "this range is empty: the smaller end comes first" },
    { "port in 80", 8,
      "a list is expected: [80 443 8000..8999]" },
    { "port in [80", 11,
      "a value is expected here, the text ends" },
    { "port in []", 9,
      "an empty list matches nothing: values are expected" },
    { "port sshh", 5,
      "no service has this name; did you mean ssh?" },
    { "port in [22 https]", 12,
      "names of services stand alone: service in [ssh https]" },
    { "service ~ /sql/", 8,
      "not yet: patterns of services" },
    { "service 2222", 8,
      "the name of a service is expected: ssh, https, dns" },
    { "in service ssh", 0,
      "port has no such side: use src or dst" },
    { "exists service", 14,
      "every record with a protocol has a service; use exists proto" },
    { "service endpoint x", 0,
      "not yet: service endpoints" },
    { "port ~ /x/", 5,
      "a pattern fits text only: compare numbers with = != < <= > >=" },
    { "portt 5", 0,
      "no such word; did you mean port?" },
    { "prot tcp", 0,
      "no such word; did you mean proto?" },
    { "proto 300", 6,
      "proto is 0 to 255" },
    { "proto tpc", 6,
      "a number is expected here; did you mean tcp?" },
    { "raw port 5", 0,
      "port has no such side: raw stands before bytes, packets, bps, pps" },
    { "sender ip 10.0.0.1", 0,
      "not yet: sender" },
    { "server packets >= 100 or port 5", 0,
      "not yet: \"or\" and \"not\" around words of sessions and of records together; join the two with "
      "\"and\"" },
    { "exists client bytes", 0,
      "every session has this: exists and absent are of records" },
    { "sessions > 5", 0,
      "not yet: this in a filter" },
    { "src (dst port 5)", 5,
      "there is a side before the bracket already" },
    { "src if 3", 0,
      "if has no such side: use in or out" },
    { "src ip in (tcp | by src ip)", 10,
      "not yet: subqueries" },
    { "src ip in group x", 16,
      "no group is called \"x\"" },
    { "src src port 5", 4,
      "one side is enough: \"src or dst\", \"src and dst\" or both name two" },
    { "start ~ 5", 6,
      "a pattern fits text only: compare numbers with = != < <= > >=" },
    { "portrange 80", 10,
      "two ports are expected: 6000-6063" },
    { "portrange 90-80", 10,
      "this range is empty: the smaller end comes first" },
    { "less", 4,
      "a number of octets is expected" },
    { "src less 5", 0,
      "less has no such side: write it without" },
    { "state opened", 6,
      "a state is expected: open, closed, refused, unanswered, syn-only" },
    { "sysid 1", 0,
      "sysid is a number inside nfdump's files: use exporter" },
    { "tcp ; udp", 4,
      "and, or, \"|\" or the end is expected here" },
    { "tcp and", 7,
      "the text ends, but a term is expected: host 10.1.2.3, port 443, bytes > 1M" },
    { "tcp udp", 4,
      "and, or, \"|\" or the end is expected here" },
    { "tcp xor udp and port 5", 22,
      "xor beside and/or needs brackets" },
    { "tcp || udp ^ port 5", 11,
      "xor beside and/or needs brackets" },
    { "pakets > 5", 0,
      "no such word; did you mean packets?" },
    { "dst prt 5", 4,
      "no such word; did you mean port?" },
    { "bytes >", 7,
      "a value is expected here, the text ends" },
    { "not", 3,
      "the text ends, but a term is expected: host 10.1.2.3, port 443, bytes > 1M" },
};
/* clang-format on */

static int ask(struct plan **plan, const char *name, const char *text, struct err *e)
{
    struct query_params p = { 0 };
    int rc;

    assert_int_equal(query_params_set(&p, name, text, e), ERR_OK);
    rc = query_plan(plan, &p, NOW_MS, e);
    query_params_free(&p);
    return rc;
}

/* What --check prints is the filter itself: it parses again to the same text. */
static void filters_read_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(accepted); i++) {
        const char *text = accepted[i].filter;
        for (unsigned again = 0; again < 2; again++) {
            struct buf out = buf_init(1u << 20);
            struct err e = { 0 };
            struct plan *plan;
            if (ask(&plan, "filter", text, &e) != ERR_OK)
                fail_msg("%s: %s", text, e.msg);
            query_filter_text(&out, plan->filter);
            assert_string_equal(buf_cstr(&out), accepted[i].text);
            buf_free(&out);
            plan_free(plan);
            text = accepted[i].text;
        }
    }
}

static void mistakes_have_a_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        struct err e = { 0 };
        struct plan *plan;
        if (ask(&plan, "filter", refused[i].filter, &e) == ERR_OK)
            fail_msg("%s: accepted", refused[i].filter);
        assert_null(plan);
        assert_string_equal(e.msg, refused[i].msg);
        assert_int_equal(e.pos, refused[i].pos);
    }
}

static void full_form(void **state)
{
    struct err e = { 0 };
    struct plan *p;

    (void)state;
    assert_int_equal(ask(&p, "filter",
                         "tcp | by src ip/24,48,dst port | bytes, distinct dst ip | top 5 | having "
                         "flows > 64 and bytes < 1M | series 5m | last 1d",
                         &e),
                     ERR_OK);
    assert_int_equal(p->view, VIEW_RANK);
    assert_int_equal(p->n_keys, 2);
    assert_string_equal(p->keys[0].name, "src ip/24,48");
    assert_int_equal(p->keys[0].mask4, 24);
    assert_int_equal(p->keys[0].mask6, 48);
    assert_int_equal(p->n_measures, 3);
    assert_int_equal(p->n_hidden, 1);
    assert_int_equal(p->having->kid[0]->value.v[0].calc, 2);
    assert_int_equal(p->having->kid[0]->range[0].lo, 65);
    assert_int_equal(p->top, 5);
    assert_int_equal(p->step_ms, 300000);
    assert_int_equal(p->from_ms, NOW_MS - 86400000);
    plan_free(p);
    assert_int_equal(ask(&p, "measure", "distinct:dst ip", &e), ERR_OK);
    assert_string_equal(p->measures[0].name, "distinct dst ip");
    plan_free(p);
    assert_int_equal(ask(&p, "time", "this:month", &e), ERR_OK);
    assert_int_equal(p->from_ms, 1772323200000); /* 2026-03-01 */
    assert_int_equal(p->to_ms, 1775001600000);   /* 2026-04-01 */
    plan_free(p);
    assert_int_equal(ask(&p, "filter", "| this month | tz Europe/Berlin", &e), ERR_OK);
    assert_int_equal(p->from_ms, 1772319600000);
    assert_int_equal(p->to_ms, 1774994400000); /* summer time by then */
    plan_free(p);
    assert_int_equal(ask(&p, "by", "client/24,server port", &e), ERR_OK);
    assert_string_equal(p->keys[0].name, "client/24");
    assert_string_equal(p->keys[1].name, "server port");
    assert_true(p->stitch && p->keys[0].role == KEY_CLIENT && p->keys[1].role == KEY_SERVER);
    plan_free(p);
    assert_int_equal(ask(&p, "by", "client if", &e), ERR_SYNTAX);
    assert_int_equal(ask(&p, "measure", "sessions,sessions:initiated,accepted", &e), ERR_OK);
    assert_int_equal(p->measures[1].kind, MEASURE_INITIATED);
    assert_string_equal(p->measures[2].name, "accepted");
    plan_free(p);
    assert_int_equal(
        ask(&p, "filter",
            "port 22 and (server packets >= 100 or not state refused) | sessions client,"
            "total bytes | sort total bytes desc | limit 5",
            &e),
        ERR_OK);
    {
        struct buf out = buf_init(1u << 20);
        query_filter_text(&out, p->filter);
        buf_char(&out, '|');
        query_filter_text(&out, p->session_filter);
        assert_string_equal(
            buf_cstr(&out),
            "(src port 22 or dst port 22)|(server packets >= 100 or not state refused)");
        buf_free(&out);
    }
    assert_int_equal(p->view, VIEW_SESSIONS);
    assert_int_equal(p->n_cols, 2);
    assert_true(p->sorted && p->sort_desc && p->limit == 5);
    plan_free(p);
    assert_int_equal(ask(&p, "filter", "| sessions | by client", &e), ERR_SYNTAX);
    assert_int_equal(ask(&p, "filter", "| by client | sessions | series 1h", &e), ERR_OK);
    plan_free(p);
    assert_int_equal(ask(&p, "filter", "| initiated | series 1h", &e), ERR_UNSUPPORTED);
    assert_int_equal(ask(&p, "filter", "| list client bytes", &e), ERR_SYNTAX);
    assert_int_equal(ask(&p, "dedup", "maybe", &e), ERR_SYNTAX);
    assert_int_equal(ask(&p, "dedup", "off", &e), ERR_OK);
    assert_int_equal(p->dedup, DEDUP_OFF);
    plan_free(p);
    assert_int_equal(ask(&p, "top", "x", &e), ERR_SYNTAX);
}

/* A word of another view is no silent nothing. */
static void words_of_another_view_are_told(void **state)
{
    static const struct {
        const char *filter, *msg; /* NULL: a list */
    } t[] = {
        { "| sort bytes", NULL },
        { "| limit 5", NULL },
        { "| by proto | sort bytes",
          "sort is of lists; a ranking is ordered by its first measure, or by order" },
        { "| by proto | limit 3", "limit is of lists; of a ranking say top" },
        { "| series 5m | limit 3", "limit is of lists; of a ranking say top" },
        { "| series 5m | columns src ip",
          "a series and a list are two views: leave out series, or list and columns" },
        { "| by proto | columns src ip",
          "a ranking and a list are two views: leave out by, or list and columns" },
        { "| top 5", "top and bottom are of rankings: say by what, as in by src ip" },
        { "| series 5m | bottom 5",
          "top and bottom are of rankings: say by what, as in by src ip" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        struct err e = { 0 };
        struct plan *p;
        int rc = ask(&p, "filter", t[i].filter, &e);
        if (rc != (t[i].msg != NULL ? ERR_SYNTAX : ERR_OK))
            fail_msg("%s: %s", t[i].filter, e.msg);
        if (t[i].msg != NULL)
            assert_string_equal(e.msg, t[i].msg);
        else
            assert_int_equal(p->view, VIEW_LIST);
        plan_free(p);
    }
}

static void moments(void **state)
{
    static const struct {
        const char *s, *tz;
        int64_t ms;
    } t[] = {
        { "2026-03-03T14:00:00Z", "", NOW_MS },
        { "2026-03-03T15:00+01:00", "", NOW_MS },
        { "2026/03/03.14:00:00", "", NOW_MS },
        { "14:00", "", NOW_MS },
        { "now-2h", "", NOW_MS - 7200000 },
        { "-1h", "", NOW_MS - 3600000 },
        { "today", "", NOW_MS - 14 * 3600000 },
        { "yesterday", "", NOW_MS - 38 * 3600000 },
        { "15:00", "Europe/Berlin", NOW_MS },
        { "2026-07-01T02:00", "Europe/Berlin", 1782864000000 },
        { "@1772546400", "", NOW_MS },
    };
    int64_t ms;
    struct err e = { 0 };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        assert_int_equal(query_time(&ms, t[i].s, t[i].tz, NOW_MS, &e), ERR_OK);
        assert_int_equal(ms, t[i].ms);
    }
    assert_int_equal(query_time(&ms, "2026-02-30", "", NOW_MS, &e), ERR_SYNTAX);
    assert_int_equal(query_time(&ms, "today", "Nowhere/City", NOW_MS, &e), ERR_SYNTAX);
}

static void nfdump_options(void **state)
{
    char s[] = "-s", by[] = "srcip/bytes", n[] = "-n", ten[] = "10", tcp[] = "proto tcp";
    char top[] = "--top", o[] = "-o", json[] = "json";
    char *const stat[] = { s, by, n, ten, tcp };
    char *const ours[] = { tcp, top, ten, o, json };
    static const struct {
        const char *nfdump, *weir; /* NULL: not nfdump's */
    } t[] = {
        { "-s ip/flows", "weir query --by host --measure flows\n" },
        { "-A srcip4/24,dstport -O bytes",
          "weir query --by 'src ip/24,dst port' --measure bytes\n" },
        { "-s dstport:p/bps", "weir query --by 'dst port,proto' --measure bps\n" },
        { "-c 20", "weir query --list --limit 20\n" },
        { "-O tstart", "weir query --list --sort start\n" },
        { "-o fmt:%ts%sa%byt", "weir query --list --columns 'start,src ip,bytes'\n" },
        { "-o raw any", "weir query any --list --columns all\n" },
        { "-q -N", "weir query -o csv\n" },
        { "-t 2026/03/03.14:00:00-2026/03/03.14:20:00",
          "weir query --from 2026-03-03T14:00 --to 2026-03-03T14:20\n" },
        { "-I", "weir status\n" },
        { "-E", "weir status\n" },
        { "-s srcip -O bytes -c 20", "weir query --by 'src ip' --measure flows\n" },
        { "-X any", "weir query any --check\n" },
        { "-r nfcapd.2026 -s dstport",
          "weir query --by 'dst port' --measure flows\n-r, -R: Weir asks its own data, --data DIR, "
          "and "
          "needs no list of files; captures come in with weir import\n" },
        { "--sort -bytes --list", NULL },
        { "--from -1h tcp -o csv", NULL },
    };
    struct buf out = buf_init(65536);

    (void)state;
    assert_true(query_from_nfdump(&out, 5, stat));
    assert_non_null(
        strstr(buf_cstr(&out), "weir query 'proto tcp' --by 'src ip' --measure bytes --top 10"));
    assert_false(query_from_nfdump(&out, 5, ours));
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        char line[120], *argv[16];
        int argc = 0;
        (void)snprintf(line, sizeof line, "%s", t[i].nfdump);
        for (char *w = line, *end; *w != '\0'; w = end) {
            end = w + strcspn(w, " ");
            argv[argc++] = w;
            if (*end != '\0')
                *end++ = '\0';
        }
        buf_clear(&out);
        if (query_from_nfdump(&out, argc, argv) != (t[i].weir != NULL))
            fail_msg("%s", t[i].nfdump);
        if (t[i].weir != NULL)
            assert_string_equal(strstr(buf_cstr(&out), "weir"), t[i].weir);
    }
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filters_read_back), cmocka_unit_test(mistakes_have_a_place),
        cmocka_unit_test(full_form),         cmocka_unit_test(words_of_another_view_are_told),
        cmocka_unit_test(moments),           cmocka_unit_test(nfdump_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
