#!/usr/bin/env python3
"""Packets of every kind that a sample may begin with, looked at by tshark and, wrapped into sFlow samples, by Weir:
addresses, protocols, ports, flags, tags, labels and tunnel numbers of all layers must be equal. The same packets as sections of IPFIX
(PSAMP) and NetFlow v9 records: what the outermost headers say must fill the columns.

usage: packets.py WEIR
"""
import json
import pathlib
import struct
import subprocess
import sys
import tempfile

A, B, C, D = (bytes([10, 0, 0, n]) for n in (1, 2, 3, 4))
A6, B6 = (bytes.fromhex("20010db80000000000000000000000%02x" % n) for n in (1, 2))
MAC = bytes.fromhex("020000000001020000000002")


def ip4(proto, body, src=A, dst=B, options=b"", fragment=0, tos=0, ttl=64):
    head = 20 + len(options)
    return struct.pack(">BBHHHBBH", 0x40 | head // 4, tos, head + len(body), 4711, fragment, ttl, proto, 0) + src + dst + options + body


def ip6(proto, body, src=A6, dst=B6, label=0x12345, tos=0):
    return struct.pack(">IHBB", 6 << 28 | tos << 20 | label, len(body), proto, 61) + src + dst + body


def tcp(sport=1000, dport=443, flags=0x12, body=b""):
    return struct.pack(">HHIIBBHHH", sport, dport, 1, 2, 0x50, flags, 100, 0, 0) + body


def udp(sport, dport, body=b"x" * 8):
    return struct.pack(">HHHH", sport, dport, 8 + len(body), 0) + body


def ether(kind, body, tags=()):
    out = MAC
    for tpid, tag in tags:
        out += struct.pack(">HH", tpid, tag)
    return out + struct.pack(">H", kind) + body


def label(n, bottom):
    return struct.pack(">I", n << 12 | (256 if bottom else 0) | 64)


def vxlan(vni, body):
    return udp(50000, 4789, struct.pack(">II", 0x08000000, vni << 8) + body)


def geneve(vni, kind, body, options=b""):
    return udp(50001, 6081, struct.pack(">BBHI", len(options) // 4, 0, kind, vni << 8) + options + body)


def gtp(teid, body, flags=0x30, more=b""):
    return udp(2152, 2152, struct.pack(">BBHI", flags, 255, len(more) + len(body), teid) + more + body)


def gre(kind, body, flags=0, more=b""):
    return struct.pack(">HH", flags, kind) + more + body


def packets():
    inner = ip4(6, tcp(1111, 2222, 0x18), C, D)
    inner6 = ip6(17, udp(53, 5353))
    return {
        "tcp": ether(0x0800, ip4(6, tcp())),
        "tcp with flags CWR ECE NS": ether(0x0800, ip4(6, tcp(flags=0xd1))),
        "udp": ether(0x0800, ip4(17, udp(5000, 53))),
        "udp with IP options": ether(0x0800, ip4(17, udp(5000, 53), options=b"\x94\x04\0\0")),
        "icmp": ether(0x0800, ip4(1, b"\x08\x00" + bytes(14))),
        "icmp unreachable": ether(0x0800, ip4(1, b"\x03\x01" + bytes(6) + ip4(17, udp(9, 9), B, A))),
        "sctp": ether(0x0800, ip4(132, struct.pack(">HHII", 2905, 2906, 7, 0))),
        "esp": ether(0x0800, ip4(50, bytes(24))),
        "tos and ttl": ether(0x0800, ip4(17, udp(1, 2), tos=0xb8, ttl=3)),
        "first fragment": ether(0x0800, ip4(17, udp(1, 2), fragment=0x2000)),
        "later fragment": ether(0x0800, ip4(17, b"no header here!!", fragment=100)),
        "tcp6": ether(0x86dd, ip6(6, tcp(5, 6))),
        "udp6 with class": ether(0x86dd, ip6(17, udp(5, 6), tos=0x28)),
        "icmp6": ether(0x86dd, ip6(58, b"\x80\x00" + bytes(10))),
        "hop by hop": ether(0x86dd, ip6(0, b"\x11\x00\x05\x02\x00\x00\x01\x00" + udp(7, 8))),
        "destination, routing": ether(0x86dd, ip6(60, b"\x2b\x00\x01\x04" + bytes(4) + b"\x06\x00\xfd\x00" + bytes(4) + tcp(9, 10))),
        "authentication": ether(0x86dd, ip6(51, b"\x06\x04" + bytes(22) + tcp(11, 12))),
        "fragment6": ether(0x86dd, ip6(44, b"\x11\x00\x00\x01\x00\x00\x00\x07" + udp(13, 14))),
        "later fragment6": ether(0x86dd, ip6(44, b"\x11\x00\x01\x01\x00\x00\x00\x07" + b"payload of it...")),
        "vlan": ether(0x0800, ip4(6, tcp()), [(0x8100, 0x2064)]),
        "qinq": ether(0x0800, ip4(6, tcp()), [(0x88a8, 100), (0x8100, 200)]),
        "three tags": ether(0x0800, ip4(6, tcp()), [(0x88a8, 100), (0x8100, 200), (0x8100, 300)]),
        "mpls": ether(0x8847, label(16001, False) + label(24, True) + ip4(6, tcp())),
        "mpls6": ether(0x8847, label(2, True) + ip6(6, tcp(15, 16))),
        "mpls in vlan": ether(0x8847, label(77, True) + ip4(17, udp(1, 2)), [(0x8100, 9)]),
        "pppoe": ether(0x8864, struct.pack(">BBHHH", 0x11, 0, 5, 2 + len(inner), 0x21) + inner),
        "pppoe6": ether(0x8864, struct.pack(">BBHHH", 0x11, 0, 5, 2 + len(inner6), 0x57) + inner6),
        "snap": MAC + struct.pack(">H", 8 + len(inner)) + b"\xaa\xaa\x03\0\0\0\x08\0" + inner,
        "arp": ether(0x0806, bytes.fromhex("0001080006040001") + MAC[6:] + A + bytes(6) + B),
        "ip in ip": ether(0x0800, ip4(4, inner)),
        "6in4": ether(0x0800, ip4(41, inner6)),
        "4in6": ether(0x86dd, ip6(4, inner)),
        "6in6": ether(0x86dd, ip6(41, inner6)),
        "gre": ether(0x0800, ip4(47, gre(0x0800, inner))),
        "gre with key": ether(0x0800, ip4(47, gre(0x0800, inner, 0x2000, struct.pack(">I", 99)))),
        "gre with all": ether(0x0800, ip4(47, gre(0x86dd, inner6, 0xb000, struct.pack(">HHII", 0, 0, 98, 1)))),
        "gre with ethernet": ether(0x0800, ip4(47, gre(0x6558, ether(0x0800, inner)))),
        "gre in 6": ether(0x86dd, ip6(47, gre(0x0800, inner))),
        "vxlan": ether(0x0800, ip4(17, vxlan(5001, ether(0x0800, inner)))),
        "vxlan6": ether(0x0800, ip4(17, vxlan(5002, ether(0x86dd, inner6)))),
        "geneve": ether(0x0800, ip4(17, geneve(6001, 0x6558, ether(0x0800, inner)))),
        "geneve with options": ether(0x0800, ip4(17, geneve(6002, 0x6558, ether(0x0800, inner), b"\x01\x02\x03\x01\0\0\0\0"))),
        "gtp-u": ether(0x0800, ip4(17, gtp(7001, inner))),
        "gtp-u6": ether(0x0800, ip4(17, gtp(7002, inner6))),
        "gtp-u with extension": ether(0x0800, ip4(17, gtp(7003, inner, 0x34, b"\0\0\0\x85\x01\x10\x09\0"))),
        "gtp-u with sequence": ether(0x0800, ip4(17, gtp(7004, inner, 0x32, b"\0\x01\0\0"))),
        "three layers": ether(0x0800, ip4(4, ip4(47, gre(0x0800, inner), B, C))),
    }


# tshark's field -> what Weir calls it; all occurrences in order. tshark looks into what ICMP quotes, Weir does not.
FIELDS = {
    "ip.src": "sourceIPv4Address", "ip.dst": "destinationIPv4Address", "ip.ttl": "ipTTL", "ip.id": "fragmentIdentification",
    "ipv6.src": "sourceIPv6Address", "ipv6.dst": "destinationIPv6Address", "ipv6.flow": "flowLabelIPv6", "ipv6.hlim": "ipTTL",
    "tcp.srcport": "sourceTransportPort", "tcp.dstport": "destinationTransportPort", "udp.srcport": "sourceTransportPort",
    "udp.dstport": "destinationTransportPort", "sctp.srcport": "sourceTransportPort", "sctp.dstport": "destinationTransportPort",
    "tcp.flags": "tcpControlBits", "icmp.type": "icmp", "icmpv6.type": "icmp6", "vlan.id": "vlan", "mpls.label": "mpls",
    "vxlan.vni": "id", "geneve.vni": "id", "gtp.teid": "id", "gre.key": "id", "eth.src": "sourceMacAddress",
    "ieee8021ad.id": "vlan", "icmp.code": "", "icmpv6.code": "", "frame.protocols": "", "ipv6.plen": "", "ipv6.tclass": "", "ip.len": "octetDeltaCount", "ip.dsfield": "ipClassOfService",
}


def pcap(path, link, frames):
    with open(path, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 262144, link))
        for i, p in enumerate(frames):
            f.write(struct.pack("<IIII", 1700000000 + i, 0, len(p), len(p)) + p)


def sample(packet, n):
    padded = packet + bytes(-len(packet) % 4)
    record = struct.pack(">IIII", 1, len(packet), 0, len(packet)) + padded
    record = struct.pack(">II", 1, len(record)) + record
    body = struct.pack(">IIIIIIII", n, 3, 512, 1000, 0, 3, 4, 1) + record
    return struct.pack(">II", 1, len(body)) + body


def sflow(packet, n):
    datagram = struct.pack(">II4sIIII", 5, 1, A, 0, n, 1000 * n, 1) + sample(packet, n)
    return ip4(17, udp(6343, 6343, datagram), A, B)


def by_tshark(path):
    args = ["tshark", "-n", "-r", path, "-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE", "-T", "fields", "-E", "occurrence=a", "-E", "aggregator=,",
            "-E", "separator=|"]
    for f in FIELDS:
        args += ["-e", f]
    out = subprocess.run(args, check=True, capture_output=True, text=True).stdout
    return [dict(zip(FIELDS, ([v for v in c.split(",") if v] for c in line.split("|")))) for line in out.splitlines()]


def number(s):
    return int(s, 0) if isinstance(s, str) else s


def many(v):
    return v if isinstance(v, list) else [] if v is None else [v]


def hops(t):
    """TTLs and hop limits of all layers, in whatever order the layers stand."""
    return sorted(number(v) for v in t["ip.ttl"] + t["ipv6.hlim"])


def differences(name, t, w):
    got, want = {}, {}
    get = lambda n: many(w.get(n))
    quotes = name == "icmp unreachable"
    one = (lambda v: v[:1]) if quotes else (lambda v: v)
    for f in ("ip.src", "ip.dst", "ipv6.src", "ipv6.dst"):
        want[f], got[f] = one(t[f]), get(FIELDS[f])
    want["ttl"], got["ttl"] = hops({k: one(v) for k, v in t.items()}), sorted(get("ipTTL"))
    want["label"], got["label"] = [number(v) for v in t["ipv6.flow"]], get("flowLabelIPv6")
    for end in ("srcport", "dstport"):
        ports = [number(v) for p in ("tcp.", "udp.", "sctp.") for v in t[p + end]]
        want[end], got[end] = ([] if quotes else sorted(ports)), sorted(get(FIELDS["udp." + end]))
    want["flags"], got["flags"] = [number(v) for v in t["tcp.flags"]], get("tcpControlBits")
    want["icmp"] = one([number(v) for v in t["icmp.type"] + t["icmpv6.type"]])
    got["icmp"] = [v >> 8 for v in get("icmpTypeCodeIPv4") + get("icmpTypeCodeIPv6")]
    tags = [number(v) for v in t["ieee8021ad.id"] + t["vlan.id"]]
    want["vlan"], got["vlan"] = tags[:2], get("vlanId") + get("dot1qCustomerVlanId")
    want["mpls"] = [number(v) for v in t["mpls.label"]]
    stack = [w[k] for k in ("mplsTopLabelStackSection", "mplsLabelStackSection2") if k in w]
    got["mpls"] = [int(str(v)[:6], 16) >> 4 for v in stack]
    want["id"] = [number(v) for f in ("vxlan.vni", "geneve.vni", "gtp.teid", "gre.key") for v in t[f]][:1]
    got["id"] = get("tunnelIdentifier")
    want["mac"], got["mac"] = t["eth.src"][:1], get("sourceMacAddress")
    if t["ip.src"] and not t["ipv6.src"]:
        want["octets"], got["octets"] = [number(t["ip.len"][0])], get("octetDeltaCount")
        want["tos"], got["tos"] = one([number(v) for v in t["ip.dsfield"]]), get("ipClassOfService")
    return ["%s: tshark %s, weir %s" % (k, want[k], got[k]) for k in want if want[k] != got[k]]


# ------------------------------------------------------------------------------------------- sections of PSAMP and NetFlow v9

def message(version, n, sets):
    head = struct.pack(">HHIII", 10, 16 + len(sets), 1700000000 + n, n, 1) if version == 10 else \
        struct.pack(">HHIIII", 9, 2, 1000, 1700000000 + n, n, 1)
    return ip4(17, udp(4739, 2055, head + sets), A, B)


def section(version, element, octets, n):
    if version == 10:
        fields, value = struct.pack(">HH", element, 65535), b"\xff" + struct.pack(">H", len(octets)) + octets
    else:
        fields, value = struct.pack(">HH", element, len(octets)), octets
    template = struct.pack(">HHHH", 2 if version == 10 else 0, 12, 300, 1) + fields
    value += bytes(-len(value) % 4) if version == 9 else b""
    return message(version, n, template + struct.pack(">HH", 300, 4 + len(value)) + value)


COLUMNS = "src ip,dst ip,src port,dst port,proto,flags,tos,bytes,packets,src vlan"


def outer(name, t, with_tag):
    """What the columns must be: of the first IP header that tshark sees."""
    v6 = "ipv6" in t["frame.protocols"][0].split(":") and ("ip" not in t["frame.protocols"][0].split(":") or
         t["frame.protocols"][0].split(":").index("ipv6") < t["frame.protocols"][0].split(":").index("ip"))
    first = lambda f, none: number(t[f][0]) if t[f] else none
    none = not (t["ipv6.src"] if v6 else t["ip.src"])
    want = {"src ip": "::" if none else (t["ipv6.src"] if v6 else t["ip.src"])[0], "packets": 1}
    want["dst ip"] = "::" if none else (t["ipv6.dst"] if v6 else t["ip.dst"])[0]
    want["bytes"] = 0 if none else first("ipv6.plen", 0) + 40 if v6 else first("ip.len", 0)
    want["tos"] = 0 if none else first("ipv6.tclass", 0) if v6 else first("ip.dsfield", 0)
    if with_tag:
        want["src vlan"] = first("ieee8021ad.id", first("vlan.id", 0))
    tunnels = any(w in name for w in ("gre", " in ", "6in4", "4in6", "6in6", "three")) and "vlan" not in name
    if not tunnels and "later" not in name and "pppoe" not in name:  # the first ports are the outermost
        for c, end in (("src port", "srcport"), ("dst port", "dstport")):
            ports = [number(v) for p in ("udp.", "sctp.", "tcp.") for v in t[p + end][:1]]
            want[c] = ports[0] if ports and "icmp" not in name else 0
        if "icmp" in name:
            want["dst port"] = 256 * first("icmp.type", first("icmpv6.type", 0)) + first("icmp.code", first("icmpv6.code", 0))
    return want


def sections(weir, tmp, names, frames, theirs):
    bad = n = 0
    ip_of = lambda f: f[14:] if f[12:14] in (b"\x08\x00", b"\x86\xdd") else None
    for label_, version, element, cut in (("dataLinkFrameSection", 10, 315, lambda f: f), ("ipHeaderPacketSection", 10, 313, ip_of),
                                          ("layer2packetSectionData", 9, 104, lambda f: f)):
        some = [(a, cut(f), t) for a, f, t in zip(names, frames, theirs) if cut(f) is not None]
        pcap(tmp / (label_ + ".pcap"), 101, [section(version, element, f, i + 1) for i, (_, f, _) in enumerate(some)])
        subprocess.run([weir, "import", "--data", tmp / label_, tmp / (label_ + ".pcap")], check=True, capture_output=True)
        out = subprocess.run([weir, "query", "--data", tmp / label_, "--list", "--columns", COLUMNS, "-o", "ndjson", "--sort", "received", "--limit", "0"],
                             check=True, capture_output=True, text=True).stdout
        ours = [json.loads(line) for line in out.splitlines()]
        n += len(ours)
        if len(ours) != len(some):
            sys.exit("FAIL %s: %d records of %d" % (label_, len(ours), len(some)))
        for (name, _, t), w in zip(some, ours):
            for k, v in outer(name, t, element != 313).items():
                if (w[k] if w[k] is not None else 0) != v:
                    bad += 1
                    print("FAIL %s in %s: %s: tshark %s, weir %s" % (name, label_, k, v, w[k]))
    print("%d sections, %d columns different" % (n, bad))
    return bad


def main():
    weir, bad = sys.argv[1], 0
    names, frames = zip(*packets().items())
    with tempfile.TemporaryDirectory(prefix="weir-packets-") as tmp:
        tmp = pathlib.Path(tmp)
        pcap(tmp / "packets.pcap", 1, frames)
        pcap(tmp / "sflow.pcap", 101, [sflow(p, i + 1) for i, p in enumerate(frames)])
        theirs = by_tshark(tmp / "packets.pcap")
        subprocess.run([weir, "import", "--data", tmp / "d", tmp / "sflow.pcap"], check=True, capture_output=True)
        out = subprocess.run([weir, "query", "--data", tmp / "d", "--list", "--columns", "all", "--names", "ipfix", "-o", "ndjson", "--sort", "received",
                              "--limit", "0"], check=True, capture_output=True, text=True).stdout
        bad += sections(weir, tmp, names, frames, theirs)
        ours = sorted((json.loads(line) for line in out.splitlines()), key=lambda r: struct.unpack(">I", bytes.fromhex(r["sflowSample"])[8:12]))
    if len(theirs) != len(frames) or len(ours) != len(frames):
        sys.exit("FAIL %d packets, tshark %d, weir %d" % (len(frames), len(theirs), len(ours)))
    for name, t, w in zip(names, theirs, ours):
        wrong = differences(name, t, w)
        bad += bool(wrong)
        for line in wrong:
            print("FAIL %s: %s" % (name, line))
        if w["samplingInterval"] != 512 or w["ingressInterface"] != 3 or w["egressInterface"] != 4 or w["flowDirection"] != 0:
            bad += 1
            print("FAIL %s: the sample's own numbers" % name)
    print("%d packets, %d different" % (len(names), bad))
    sys.exit(bad > 0)


main()
