#!/usr/bin/env python3
"""Write one tiny capture of each kind that weir import reads (and some damaged ones).

usage: make_captures.py DIR

Every sound capture holds one NetFlow v5 datagram of one record, sent by 192.0.2.9 (or 2001:db8::9) port 9995 to
port 2055 at 2023-11-14T22:13:20.125Z. tests/unit/test_collect_capture.c knows what is in each file.
"""
import pathlib
import struct
import sys

OUT = pathlib.Path(sys.argv[1])
S, MS = 1700000000, 125
V5 = struct.pack(">HHIIIIBBH", 5, 1, 100000, S, 0, 7, 1, 2, 0) + bytes(
    [192, 0, 2, 1, 198, 51, 100, 2, 0, 0, 0, 0]) + struct.pack(
    ">HHIIIIHHBBBBHHBBH", 3, 4, 10, 1000, 90000, 95000, 1234, 443, 0, 0x1b, 6, 0, 65000, 65001, 24, 16, 0)
SRC6, DST6 = (bytes.fromhex("20010db8000000000000000000000000")[:15] + bytes([n]) for n in (9, 10))


def udp(data=V5):
    return struct.pack(">HHHH", 9995, 2055, 8 + len(data), 0) + data


def ip4(data, frag=0, options=b"", proto=17, ident=77):
    n = 20 + len(options)
    return struct.pack(">BBHHHBBH4s4s", 0x40 | n // 4, 0, n + len(data), ident, frag, 64, proto, 0,
                       bytes([192, 0, 2, 9]), bytes([192, 0, 2, 10])) + options + data


def ip6(data, nxt=17):
    return struct.pack(">IHBB", 6 << 28, len(data), nxt, 64) + SRC6 + DST6 + data


def ether(data, kind=0x0800, tags=()):
    return bytes(6) + bytes(6) + b"".join(struct.pack(">HH", t, v) for t, v in tags) + struct.pack(">H", kind) + data


def pcap(packets, link=1, order="<", ns=False, snap=None):
    out = struct.pack(order + "IHHiIII", 0xa1b23c4d if ns else 0xa1b2c3d4, 2, 4, 0, 0, 65535, link)
    for p in packets:
        kept = p if snap is None else p[:snap]
        out += struct.pack(order + "IIII", S, MS * (10**6 if ns else 1000), len(kept), len(p)) + kept
    return out


def block(order, kind, body):
    body += bytes(-len(body) % 4)
    n = struct.pack(order + "I", len(body) + 12)
    return struct.pack(order + "I", kind) + n + body + n


def section(order):
    return block(order, 0x0a0d0d0a, struct.pack(order + "IHHq", 0x1a2b3c4d, 1, 0, -1))


def iface(order, link=1, options=b""):
    return block(order, 1, struct.pack(order + "HHI", link, 0, 65535) + options)


def option(order, code, value):
    return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def epb(order, packet, t, number=0):
    return block(order, 6, struct.pack(order + "IIIII", number, t >> 32, t & 0xffffffff, len(packet), len(packet)) + packet)


def fragments(whole, size, order):
    parts = [(i, whole[i:i + size], i + size < len(whole)) for i in range(0, len(whole), size)]
    return [parts[i] for i in order]


def main():
    eth = ether(ip4(udp()))
    t = S * 10**6 + MS * 1000
    f4 = [ether(ip4(d, (0x2000 if more else 0) | off // 8)) for off, d, more in fragments(udp(), 24, (2, 0, 3, 1))]
    f6 = [ip6(struct.pack(">BBHI", 17, 0, off | more, 99) + d, 44) for off, d, more in fragments(udp(), 32, (1, 0, 2))]
    l = "<"
    cap = {
        "le-us": pcap([eth]), "be-us": pcap([eth], order=">"),
        "le-ns": pcap([eth], ns=True), "be-ns": pcap([eth], order=">", ns=True),
        "padded": pcap([eth + bytes(6)]),
        "vlan": pcap([ether(ip4(udp()), tags=[(0x8100, 5)])]),
        "qinq": pcap([ether(ip4(udp()), tags=[(0x88a8, 5), (0x8100, 6)])]),
        "sll": pcap([bytes(14) + b"\x08\x00" + ip4(udp())], link=113),
        "sll2": pcap([b"\x08\x00" + bytes(18) + ip4(udp())], link=276),
        "raw101": pcap([ip4(udp())], link=101), "raw12": pcap([ip4(udp())], link=12),
        "raw14": pcap([ip6(udp())], link=14), "raw228": pcap([ip4(udp())], link=228),
        "raw229": pcap([ip6(udp())], link=229),
        "null": pcap([struct.pack("<I", 2) + ip4(udp())], link=0),
        "loop": pcap([struct.pack(">I", 30) + ip6(udp())], link=108),
        "options4": pcap([ether(ip4(udp(), options=bytes([1] * 8)))]),
        "fragments4": pcap(f4),
        "fragments4-twice": pcap([f4[0], f4[1], f4[1], f4[0], f4[2], f4[3]]),
        "fragments4-contradict": pcap([f4[0], f4[2], ether(ip4(bytes(8), 2))]),
        "extensions6": pcap([ether(ip6(bytes([60, 0] + [0] * 6) + bytes([17, 1] + [0] * 14) + udp(), 0), 0x86dd)]),
        "fragments6": pcap(f6, link=229),
        "atomic6": pcap([ip6(struct.pack(">BBHI", 17, 0, 0, 1) + udp(), 44)], link=229),
        "snap": pcap([eth, eth[:60]], snap=60),
        "tcp": pcap([ether(ip4(bytes(20), proto=6))]),
        "arp": pcap([ether(bytes(28), 0x0806)]),
        "wifi": pcap([bytes(64)], link=105),
        "udp-length": pcap([ether(ip4(struct.pack(">HHHH", 1, 2, 200, 0) + bytes(8)))]),
        "ng-le": section("<") + iface("<") + epb("<", eth, t),
        "ng-be": section(">") + iface(">") + epb(">", eth, t),
        "ng-sections": section("<") + iface("<") + epb("<", eth, t) + section(">") + iface(">", 101) + epb(">", ip4(udp()), t),
        "ng-interfaces": section(l) + iface(l, 113) + iface(l, 1, option(l, 9, b"\x09") + option(l, 0, b"")) + epb(l, eth, t * 1000, 1),
        "ng-binary": section(l) + iface(l, 1, option(l, 9, b"\x8a")) + epb(l, eth, S * 1024 + 128),
        "ng-offset": section(l) + iface(l, 1, option(l, 2, b"eth0") + option(l, 14, struct.pack("<q", 1000))) + epb(l, eth, t - 1000 * 10**6),
        "ng-simple": section(l) + iface(l) + epb(l, ether(bytes(28), 0x0806), t) + block(l, 3, struct.pack("<I", len(eth)) + eth),
        "ng-old": section(l) + iface(l) + block(l, 2, struct.pack("<HHIIII", 0, 0, t >> 32, t & 0xffffffff, len(eth), len(eth)) + eth),
        "ng-unknown-block": section(l) + block(l, 0x0bad, b"some") + iface(l) + epb(l, eth, t),
        "ng-no-interface": section(l) + epb(l, eth, t),
        "ng-cut": (section(l) + iface(l) + epb(l, eth, t) * 2)[:-20],
        "ng-length": section(l) + iface(l) + epb(l, eth, t) + struct.pack("<II", 6, 8) + bytes(16),
        "cut": pcap([eth, eth])[:-7],
        "huge": pcap([eth]) + struct.pack("<IIII", S, 0, 0x7fffffff, 0x7fffffff),
        "no-packets": pcap([]),
        "gzip": b"\x1f\x8b\x08" + bytes(30), "text": b"this is no capture at all, but a text",
        "short": b"\xd4\xc3\xb2\xa1", "empty": b"",
    }
    OUT.mkdir(parents=True, exist_ok=True)
    for name, data in cap.items():
        (OUT / name).write_bytes(data)
    print(len(cap), "captures")


main()
