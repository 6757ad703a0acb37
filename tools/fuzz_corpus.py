#!/usr/bin/env python3
"""Make the seeds of the fuzz targets nf5, nf9, ipfix, lists, ranges, framing, pcap, config, convert, http and meta, and their dictionaries,
from data/*.csv, the captures of tests/data, and what is written here.

usage: fuzz_corpus.py ROOT

Decoder seeds are sequences of datagrams as tests/fuzz/fuzz_decode.h reads them: 2 octets length, 1 octet of flags, the
datagram without its version. A file is at most 8 kB. What fuzzing finds beside (tests/fuzz/run.py --keep) stays.
"""
import csv
import pathlib
import random
import struct
import sys

ROOT = pathlib.Path(sys.argv[1])
TARGET = {5: "nf5", 9: "nf9", 10: "ipfix"}
MAX_OCTETS = 8192
UNTRUSTED, LATER, TICK, AS_IS = 4, 8, 16, 32
RESTART = b"\0\0" + bytes([AS_IS | 2])
NOW = 1700000000  # when the target's clock begins
R = random.Random(1)


def save(target, name, octets):
    folder = ROOT / "tests/fuzz/corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    assert len(octets) <= MAX_OCTETS, (target, name, len(octets))
    (folder / name).write_bytes(octets)


def words(target, lines):
    text = "".join('"' + "".join(f"\\x{b:02x}" if b < 33 or b > 126 or b in b'"\\' else chr(b) for b in w) + '"\n'
                   for w in dict.fromkeys(lines) if w)
    (ROOT / f"tests/fuzz/{target}.dict").write_text(text, encoding="ascii")


def rows(name):
    with open(ROOT / "data" / name, newline="", encoding="utf-8") as f:
        return list(csv.DictReader(f))


# ------------------------------------------------------------------------------------------- datagrams

def p16(*v):
    return struct.pack(f">{len(v)}H", *v)


def p32(*v):
    return struct.pack(f">{len(v)}I", *(x & 0xffffffff for x in v))


def piece(g, flags=0, port=0, peer=0):
    """One datagram (whole, with its version) as the target reads it."""
    body = g if flags & AS_IS else g[2:]
    return struct.pack(">HB", len(body), flags | port | peer << 6) + body


def v5(n, seq=0, up=100000, when=NOW, engine=0, sampling=0, count=None, body=None):
    record = (p32(0x0a000001, 0x0a000002, 0xc0000201) + p16(1, 2) + p32(10, 1000, up - 5000, up - 1000) + p16(1234, 80)
              + bytes([0, 0x1b, 6, 0]) + p16(1, 2) + bytes([24, 16, 0, 0]))
    return p16(5, n if count is None else count) + p32(up, when, 500000000, seq) + p16(engine, sampling) + (
        record * n if body is None else body)


def v9(*sets, seq=0, up=100000, when=NOW, domain=0, count=1):
    return p16(9, count) + p32(up, when, seq, domain) + b"".join(sets)


def v10(*sets, seq=0, when=NOW, domain=0, length=None):
    body = b"".join(sets)
    return p16(10, 16 + len(body) if length is None else length) + p32(when, seq, domain) + body


def set_of(sid, body, pad=0, length=None):
    return p16(sid, 4 + len(body) + pad if length is None else length) + body + bytes(pad)


def fields(fs):
    """(id, length) or (id, length, enterprise)"""
    return b"".join(p16(f[0] | 0x8000, f[1]) + p32(f[2]) if len(f) > 2 else p16(f[0], f[1]) for f in fs)


def template(tid, fs):
    return p16(tid, len(fs)) + fields(fs)


def options9(tid, scope, fs):
    return p16(tid, 4 * len(scope), 4 * len(fs)) + fields(scope) + fields(fs)


def options10(tid, scope, fs):
    return p16(tid, len(scope) + len(fs), len(scope)) + fields(scope) + fields(fs)


BASIC = [(8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (1, 4), (2, 4), (22, 4), (21, 4)]
BASIC10 = BASIC[:7] + [(152, 8), (153, 8)]


def basic(up=100000, octets=1000):
    return p32(0x0a000001, 0x0a000002) + p16(1234, 80) + b"\x06" + p32(octets, 3, up - 2000, up - 1000)


def basic10(octets=1000, begin=NOW * 1000 - 3000):
    return p32(0x0a000001, 0x0a000002) + p16(1234, 80) + b"\x06" + p32(octets, 3) + struct.pack(">QQ", begin, begin + 1000)


def varied(width):
    """Values that lie at edges, of one width."""
    return [bytes(width), b"\xff" * width, bytes(width - 1) + b"\x01", R.randbytes(width)]


def elements():
    """Every element that fills a column, and every one that the decoder knows by name, in each width it may have."""
    extra = [(0, i) for i in (32, 34, 50, 139, 176, 177, 178, 179, 258, 305, 306, 308, 309, 310, 160, 161, 210, 322, 323, 324, 325, 85,
                              86, 23, 24, 82, 95, 96, 233, 148, 27, 28, 62, 63)]
    out = []
    for r in rows("fieldmap.csv"):
        out.append((int(r["pen"]), int(r["id"]), sorted({int(r["min"]), int(r["max"]), 4, 8, 3})))
    out += [(pen, i, [1, 2, 4, 8, 16]) for pen, i in extra]
    return out


def by_element(version):
    """Templates of one or two elements in several widths, with edge values; many small files."""
    head, tset = (v9, 0) if version == 9 else (v10, 2)
    files, now = {}, []
    todo = elements()
    for k, (pen, i, widths) in enumerate(todo):
        for w in widths:
            f = (i, w) if pen == 0 or version == 9 else (i, w, pen)
            other = (todo[(k * 7 + w) % len(todo)][1], 4)
            now.append(piece(head(set_of(tset, template(256, [f, other])),
                                  set_of(256, b"".join(v + o for v, o in zip(varied(w), varied(4)))), seq=k)))
    size = 0
    for n, g in enumerate(now):
        files.setdefault(size // 6000, bytearray()).extend(g)
        size += len(g)
    for n, octets in files.items():
        save(TARGET[version], f"made-elements-{n}", bytes(octets))


def made_5():
    save("nf5", "made-sequence", b"".join(piece(v5(3, seq=s)) for s in (0, 3, 9, 6, 6, 12, 5000, 15, 0xfffffffe)))
    save("nf5", "made-restart", piece(v5(1, 9000, 900000)) + piece(v5(1, 1, 1000, NOW + 1)) + piece(v5(1, 2, 2000, NOW + 2))
         + piece(v5(1, 3, 3000, NOW + 3)) + piece(v5(1, 4, 100000, NOW + 100)) + piece(v5(1, 5, 100000, NOW + 200)))
    save("nf5", "made-broken", piece(v5(1, count=2)) + piece(v5(0)) + piece(v5(1)[:20]) + piece(b"\0", AS_IS) + piece(b"", AS_IS)
         + piece(p16(7, 1), AS_IS) + piece(v5(30, sampling=0x4064)) + piece(v5(1, when=0, up=0)) + piece(v5(1, when=0xffffffff)))
    save("nf5", "made-exporters", b"".join(piece(v5(1, engine=e), UNTRUSTED if e & 1 else 0, peer=e & 3) for e in range(12))
         + piece(v5(1), LATER | TICK | UNTRUSTED) + piece(v5(1, engine=77), UNTRUSTED) + piece(v5(1, engine=77)))
    save("nf5", "made-weir-restarts", piece(v5(2)) + piece(v5(1, 2), peer=1) + piece(v5(1), UNTRUSTED, peer=2) + RESTART + piece(v5(1, 2)) + piece(b"x", AS_IS) + RESTART)
    save("nf5", "made-ports", b"".join(piece(v5(0, seq=p) + bytes([p]), AS_IS, 3) for p in range(90))
         + piece(v5(1), LATER | TICK, 1) + piece(v5(1) + b"\xc8", AS_IS, 3))


def made_templates(v):
    head, t, o = (v9, 0, 1) if v == 9 else (v10, 2, 3)
    one = basic() if v == 9 else basic10()
    fs = BASIC if v == 9 else BASIC10
    options = options9 if v == 9 else options10
    name = TARGET[v]
    tset, data = set_of(t, template(256, fs)), set_of(256, one * 2)
    save(name, "made-before", piece(head(data, tset)) + piece(head(set_of(257, one))) + piece(head(set_of(258, one), domain=3))
         + piece(head(set_of(t, template(257, fs)), seq=2)) + piece(head(data, data, seq=3), TICK) + piece(head(seq=4), LATER)
         + piece(head(set_of(300, one), seq=5), LATER) + piece(head(seq=6), LATER) + piece(head(seq=7), LATER | TICK)
         + piece(head(data, seq=8), LATER | TICK) + piece(head(data, seq=9)))
    save(name, "made-waiting-limit", b"".join(piece(head(set_of(400 + i % 3, one * 20), seq=i), peer=i & 1) for i in range(8))
         + b"".join(piece(head(set_of(400, one * 9), seq=i), UNTRUSTED, peer=2) for i in range(5))
         + piece(head(set_of(t, template(401, fs) + template(400, fs)), seq=9)))
    save(name, "made-redefine", piece(head(tset, data)) + piece(head(set_of(t, template(256, fs[::-1])), data, seq=1))
         + piece(head(set_of(t, template(256, fs)), data, seq=2)) + piece(head(set_of(t, template(256, fs[:3])), data, seq=3)))
    save(name, "made-limits", b"".join(piece(head(set_of(t, template(256 + i, fs[:1 + i % 8])), seq=i)) for i in range(12))
         + piece(head(set_of(t, template(500, [(1, 1)] * 65) + template(501, fs)))) + piece(head(set_of(t, template(502, [(1, 1)] * 64)))))
    save(name, "made-weir-restarts", piece(head(tset, data)) + RESTART + piece(head(data, seq=1)) + piece(head(set_of(300, one), seq=2), port=1) + RESTART
         + piece(head(set_of(t, template(300, fs)), seq=3), port=1) + piece(head(data, seq=9), UNTRUSTED, peer=1) + RESTART + piece(head(data, seq=4)))
    save(name, "made-borrow", piece(head(tset, data)) + piece(head(data), port=1) + piece(head(set_of(t, template(256, fs[::-1]))), port=2)
         + piece(head(data, seq=1), port=1) + piece(head(data, data, seq=2), port=2) + piece(head(data, seq=3), UNTRUSTED, port=3))
    save(name, "made-options", piece(head(set_of(o, options(260, [(1, 4)], [(34, 4), (35, 1), (41, 8)])),
                                          set_of(260, p32(7, 100) + b"\x02" + bytes(8)), set_of(260, bytes(17 * 3), 3)))
         + piece(head(set_of(o, options(261, [(10, 2), (2, 2)], [(82, 16), (83, 32)]), 2), set_of(261, p16(1, 2) + b"eth0".ljust(48, b"\0"))))
         + piece(head(set_of(o, options(262, [], [(36, 2)])), set_of(262, p16(1))))
         + piece(head(set_of(o, options(263, [(48, 1)], [(49, 1), (50, 4), (305, 4), (306, 4)])), set_of(263, b"\1\2" + p32(10, 10, 90)))))
    save(name, "made-broken", b"".join(piece(head(s)) for s in (
        set_of(t, template(255, fs)), set_of(t, template(256, [])), set_of(t, p16(256, 500) + fields(fs)), set_of(2 if v == 9 else 0, b"1234"),
        set_of(255, one), set_of(t, b"\1"), set_of(256, one, length=3), set_of(256, one, length=900), set_of(t, template(270, [(1, 0)])),
        set_of(t, template(271, [(1, 0), (2, 0)])), p16(256, 4), b"\1\2\3", set_of(o, p16(256, 3, 4) + fields(fs)), set_of(o, p16(260, 2, 3)),
        set_of(o, p16(3, 4, 4) + fields(fs[:2])), tset + set_of(256, one[:-1]), tset + set_of(256, b""), tset + set_of(256, one, 3)))
        + b"".join(piece(head(tset, data)[:n]) for n in (3, 12, 17, 21)) + piece(b"\0" * 1, AS_IS) + piece(b"", AS_IS))
    save(name, "made-exporters", b"".join(piece(head(tset, data, domain=i), UNTRUSTED * (i & 1), peer=i & 3) for i in range(10))
         + piece(head(domain=90), LATER | TICK | UNTRUSTED) + piece(head(tset, data, domain=91), UNTRUSTED)
         + piece(head(set_of(300, one), domain=91)) + piece(head(set_of(300, one), domain=91), UNTRUSTED) + piece(head(domain=91)))
    save(name, "made-ports", b"".join(piece(head(seq=p & 3) + bytes([p]), AS_IS, 3) for p in range(80))
         + piece(head(tset, data) + b"\xf0", AS_IS, 3) + piece(head(), LATER | TICK, 1) + piece(head(tset, data) + b"\xf1", AS_IS, 3))
    save(name, "made-sequence", b"".join(piece(head(tset, data, seq=s)) for s in (0, 1, 2, 2, 9, 5, 8, 7, 12, 5000, 5001, 3, 40, 60, 50, 0xffffffff, 0, 1))
         + b"".join(piece(head(data, seq=2 * s)) for s in range(3, 60)))
    late = NOW + 7200
    save(name, "made-clock", b"".join(piece(head(tset, data, seq=i, when=late + i)) for i in range(6))
         + b"".join(piece(head(data, seq=6 + i, when=100)) for i in range(6)) + piece(head(data, when=0xffffffff)))


def made_9():
    boot = [(1, 100000, NOW), (9000, 900000, NOW + 800), (1, 1000, NOW + 801), (2, 2000, NOW + 802), (3, 900000, NOW + 9000), (4, 900500, NOW + 9001),
            (5, 100, NOW + 9002), (6, 1000000, NOW + 9003)]
    tset = set_of(0, template(256, BASIC))
    save("nf9", "made-restart", b"".join(piece(v9(tset if i < 2 else b"", set_of(256, basic(up)), seq=s, up=up, when=w))
                                        for i, (s, up, w) in enumerate(boot)))
    save("nf9", "made-wrap", b"".join(piece(v9(tset, set_of(256, basic(u)), up=10, seq=i)) for i, u in enumerate((5000, 2**32 - 10, 2**31 + 11, 10))))
    save("nf9", "made-others", piece(v9(tset)) + piece(v5(2), AS_IS) + piece(v10(set_of(2, template(256, BASIC))), AS_IS))


def made_10():
    t = set_of(2, template(256, BASIC10))
    data = set_of(256, basic10())
    name = "ipfix"
    save(name, "made-withdraw", piece(v10(t, data)) + piece(v10(set_of(2, p16(256, 0)), data, seq=1)) + piece(v10(t, seq=2))
         + piece(v10(set_of(3, options10(300, [(149, 4)], [(41, 8)])), seq=2)) + piece(v10(set_of(2, p16(2, 0)), set_of(3, p16(3, 0)), data, seq=2))
         + piece(v10(set_of(2, p16(999, 0) + p16(5, 0)))) + piece(v10(set_of(3, p16(2, 0)))))
    var = [(82, 65535), (83, 65535, 0), (1, 8), (100, 65535, 9)]
    save(name, "made-variable", piece(v10(set_of(2, template(256, var)),
                                          set_of(256, b"\4eth0\0" + bytes(8) + b"\xff\1\0" + b"x" * 256 + b"\1a\xff\0\3abc" + bytes(8) + b"\0"),
                                          set_of(256, b"\xff\xff\xff"), set_of(256, b"\4eth"), set_of(256, b"\0\0" + bytes(8) + b"\0\0\0\0")))
         + piece(v10(set_of(2, template(257, [(8, 65535), (27, 65535), (152, 65535), (7, 65535), (1, 65535)])),
                     set_of(257, b"\4\x0a\0\0\1\x10" + bytes(15) + b"\1\x08" + struct.pack(">Q", NOW * 1000) + b"\2\0\x50\3\0\0\1"),
                     set_of(257, b"\x10" + bytes(16) + b"\4\1\2\3\4\3\1\2\3\1\7\0"))))
    flow = [(8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (85, 8), (86, 8), (152, 8), (153, 8), (136, 1)]

    def total(n, port=80, end=3):
        return p32(0x0a000001, 0x0a000002) + p16(1234, port) + b"\x11" + struct.pack(">QQQQ", n * 1000, n, NOW * 1000 - 5000, NOW * 1000) + bytes([end])

    save(name, "made-totals", piece(v10(set_of(2, template(256, flow)), set_of(256, b"".join(total(n) for n in (1, 5, 9, 9, 2, 4)))))
         + b"".join(piece(v10(set_of(256, b"".join(total(3 + k, p * 50 + k) for k in range(40))), seq=p), LATER) for p in range(3)))
    biflow = [(8, 4), (12, 4), (4, 1), (1, 4), (2, 4), (1, 4, 29305), (2, 4, 29305), (85, 4, 29305), (239, 1), (152, 8), (161, 4)]
    save(name, "made-biflow", piece(v10(set_of(2, template(256, biflow)),
                                        set_of(256, p32(1, 2) + b"\6" + p32(9, 1, 8, 1, 7) + b"\1" + struct.pack(">QI", NOW * 1000, 5)))))
    times = [[(150, 4), (151, 4)], [(154, 8), (155, 8)], [(156, 8), (157, 8)], [(158, 4), (159, 4)], [(160, 8), (22, 4), (21, 4)], [(152, 8), (161, 4)],
             [(153, 8), (162, 4)], [(153, 8)], [(323, 8), (1, 4)], [(322, 4), (1, 4)], [(324, 8), (152, 8)], [(325, 8)], [(150, 4), (153, 8)],
             [(152, 8), (153, 8), (156, 8), (157, 8)], [(21, 4), (22, 4)]]
    out = b""
    for i, fs in enumerate(times):
        value = b"".join({4: p32(NOW - 5), 8: struct.pack(">Q", (NOW * 1000 - 5000) if f[0] in (152, 153, 160, 323) else ((NOW + 2208988800) << 32) | i)}[f[1]]
                         for f in fs)
        out += piece(v10(set_of(2, template(256 + i % 8, fs)), set_of(256 + i % 8, value + R.randbytes(len(value))), seq=i))
    save(name, "made-times", out)
    save(name, "made-several", piece(v10(t, data) + v10(data, seq=1) + v10(data, seq=2, domain=5)) + piece(v10(t) + v10(data, length=9))
         + piece(v10(t) + v10(data, length=900)) + piece(v10(data, length=15)) + piece(v10(data, length=2000)) + piece(v10(t) + b"\0\x0a\0")
         + b"".join(piece(v10(t, domain=d) + v10(t, domain=d + 9)) for d in range(4)))
    icmp = [(8, 4), (12, 4), (4, 1), (32, 2), (7, 2), (11, 2)]
    save(name, "made-icmp", b"".join(piece(v10(set_of(2, template(256 + i, fs)), set_of(256 + i, bytes(7) + b"\x08" + bytes(R.randbytes(24)))))
                                     for i, fs in enumerate((icmp, icmp[:4], [(4, 1), (139, 2), (11, 2)], [(4, 1), (176, 1), (177, 1)], [(4, 1), (178, 1), (179, 1)]))))
    rates = [(305, 4), (306, 4), (34, 4), (50, 4), (1, 4)]
    save(name, "made-rates", b"".join(piece(v10(set_of(2, template(256 + i, rates[i % 3:])), set_of(256 + i, p32(*([0, 1, 10, 90, 0xffffffff] * 6)[i:i + 15]))))
                                      for i in range(6)))
    save(name, "made-others", piece(v10(t)) + piece(v9(set_of(0, template(256, BASIC))), AS_IS) + piece(v5(1), AS_IS))


def captures():
    for cap in sorted(ROOT.glob("tests/data/**/*.pcap")):
        out = {}
        for g in datagrams(cap):
            if len(g) < 2 or struct.unpack_from(">H", g)[0] not in TARGET:
                continue
            have = out.setdefault(struct.unpack_from(">H", g)[0], bytearray())
            if len(have) + len(g) + 1 <= MAX_OCTETS:
                have += piece(g)
        for version, octets in out.items():
            if octets:
                save(TARGET[version], cap.stem, bytes(octets))


def datagrams(path):
    data = path.read_bytes()
    at = 24
    while at + 16 <= len(data):
        n = struct.unpack_from("<I", data, at + 8)[0]
        p = data[at + 16:at + 16 + n]
        at += 16 + n
        if p[12:14] == b"\x08\x00" and p[23] == 17:
            yield p[14 + (p[14] & 15) * 4 + 8:]


# ------------------------------------------------------------------------------------------- captures

def block(kind, body, order="<", length=None):
    n = 12 + (len(body) + 3) // 4 * 4
    return struct.pack(order + "II", kind, n if length is None else length) + body.ljust(n - 12, b"\0") + struct.pack(order + "I", n)


def option(code, value, order="<"):
    return struct.pack(order + "HH", code, len(value)) + value.ljust((len(value) + 3) // 4 * 4, b"\0")


def shb(order="<"):
    return block(0x0a0d0d0a, struct.pack(order + "IHHq", 0x1a2b3c4d, 1, 0, -1), order)


def idb(link=1, opts=b"", order="<"):
    return block(1, struct.pack(order + "HHI", link, 0, 65535) + opts, order)


def ether(ip, kind=0x0800):
    return bytes(12) + p16(kind) + ip


def ip4(body, proto=17, frag=0, ident=1, total=None, ihl=5):
    return bytes([0x40 | ihl, 0]) + p16(20 + len(body) if total is None else total, ident, frag) + bytes([64, proto]) + p16(0) + p32(0x0a000001, 0x0a000002) + bytes(
        (max(ihl, 5) - 5) * 4) + body


def ip6(body, nxt=17, total=None):
    return p32(0x60000000) + p16(len(body) if total is None else total) + bytes([nxt, 64]) + bytes(15) + b"\1" + bytes(15) + b"\2" + body


def udp(body=b"\0\5\0\0", length=None):
    return p16(1024, 2055, 8 + len(body) if length is None else length, 0) + body


def pcap(packets, link=1, magic=0xa1b2c3d4, order="<"):
    return struct.pack(order + "IHHIIII", magic, 2, 4, 0, 0, 65535, link) + b"".join(
        struct.pack(order + "IIII", NOW + i, 0, len(p) if isinstance(p, bytes) else len(p[0]), len(p) if isinstance(p, bytes) else p[1])
        + (p if isinstance(p, bytes) else p[0]) for i, p in enumerate(packets))


def stream(octets, flags=0, size=255, last=0):
    """A stream as the target framing reads it: flags, octets of the piece, the piece."""
    parts = [octets[i:i + size] for i in range(0, len(octets), size)] or [b""]
    return b"".join(bytes([flags | (last if i == len(parts) - 1 else 0), len(p)]) + p for i, p in enumerate(parts))


def made_framing():
    quiet, end, restart, datagram, late, whole = 4, 8, 16, 32, 64, 128
    ten = [v10(set_of(2, template(256, BASIC10)), set_of(256, basic10() * 2)), v10(set_of(256, basic10()), seq=2), v10()]
    nine = [v9(set_of(0, template(256, BASIC)), set_of(256, basic() * 2)), v9(set_of(256, basic()), seq=1), v9(seq=2)]
    withdraw = v10(set_of(2, p16(256, 0)))
    for size in (1, 3, 16, 255):
        save("framing", f"made-pieces-{size}", stream(b"".join(ten + nine[:1] + [v5(2)] + nine + ten[1:]), 1, size, quiet))
    save("framing", "made-two-sessions", stream(ten[0]) + stream(ten[1], 1) + stream(ten[0], 1) + stream(ten[1], 0, last=end)
         + stream(ten[1]) + stream(ten[1], 1, last=end | whole) + stream(ten[1], 1))
    save("framing", "made-restart", stream(ten[0], last=restart) + stream(ten[1] + v10(set_of(300, basic10())), last=restart)
         + stream(v10(set_of(2, template(300, BASIC10))), last=restart | end) + stream(ten[1], last=restart))
    save("framing", "made-withdraw", stream(ten[0] + withdraw + ten[1] + v10(set_of(2, template(256, BASIC10[::-1]))) + ten[1]))
    save("framing", "made-beside-datagrams", stream(ten[0], datagram) + stream(ten[1]) + stream(ten[0]) + stream(ten[1], datagram, last=late) + stream(ten[1])
         + stream(ten[1], datagram))
    save("framing", "made-domains", b"".join(stream(v10(set_of(2, template(256, BASIC10)), domain=i), i & 1) for i in range(6)) + stream(b"", 0, last=end) + stream(b"", 1, last=end))
    for i, t in enumerate((p16(10, 15), p16(10, 0), p16(0x1603, 1), b"\x01", p16(5, 31), p16(5, 0), v9() + p16(2, 8), v9() + p16(256, 3), v9(set_of(256, bytes(200))) + p16(256, 65500),
                           v9() + p16(256, 65500), p16(8, 1), v9() + b"\x01", ten[0][:-1])):
        save("framing", f"made-broken-{i}", stream(t, 0, 255, quiet) + stream(ten[0], 0, last=end) + stream(ten[0]))


def made_lists():
    """A kind, then the list (RFC 6313)."""
    basic = b"\x03" + p16(14, 4) + p32(1, 4, 8)
    many = {"basic": b"\0" + basic, "variable": b"\0\x04" + p16(82, 65535) + b"\x03ge0\xff\0\x02xe",
            "enterprise": b"\0\xff" + p16(0x8001, 1) + p32(29305) + b"\x07", "nested": b"\0\x03" + p16(291, 65535) + bytes([len(basic)]) + basic,
            "deep": b"\0", "template": b"\1\x03" + p16(258) + b"\xaa\xbb", "templates": b"\2\x01" + p16(258, 5) + b"\xaa" + p16(259, 4)}
    inner = basic
    for _ in range(6):
        inner = b"\x03" + p16(291, 65535) + bytes([len(inner)]) + inner
    many["deep"] += inner
    for name, octets in many.items():
        save("lists", name, octets)


def made_ranges():
    """What is known of addresses: compiled, as CSV, as MaxMind DB (the target's first octet says which)."""
    sys.path.insert(0, str(ROOT / "tests/e2e"))
    import ipaddress

    from mmdb import U16, mmdb
    v4 = [(0, 0), (0x0A000000, 3320), (0x0A010000, 0), (0xC0000200, 64500)]
    v6 = [(0, 0), (0x20010db8 << 96, 64501), (0x20010db9 << 96, 0)]
    names = [(3320, b"Netz, eins"), (64500, b""), (64501, "Zwölf".encode())]
    head = b"WEIR-RNG" + struct.pack("<IIQIIIIII", 1, 0, 1767225600000, 2, 1, len(v4), len(v6), len(names), sum(len(n) for _, n in names))
    octets = head + struct.pack("<H", 4) + b"test" + struct.pack("<H", 0)
    octets += b"".join(struct.pack("<I", a) for a, _ in v4) + b"".join(struct.pack("<I", v) for _, v in v4)
    octets += b"".join(struct.pack("<Q", a >> 64) for a, _ in v6) + b"".join(struct.pack("<Q", a & (1 << 64) - 1) for a, _ in v6)
    octets += b"".join(struct.pack("<I", v) for _, v in v6) + b"".join(struct.pack("<I", n) for n, _ in names)
    end = 0
    for _, n in names:
        end += len(n)
        octets += struct.pack("<I", end)
    save("ranges", "made-compiled", b"\0" + octets + b"".join(n for _, n in names) + bytes(8))
    csvs = ["first,last,as,name\r\n1.0.0.0,1.0.0.255,13335,\"Cloudflare, \"\"Inc.\"\"\"\n2001:db8::/32,AS64501,x\n",
            "10.0.0.0,10.0.0.255,DE\n10.0.0.9/32,fr\n0.0.0.0/0,US\n::/0,GB\n255.255.255.255,255.255.255.255,AT\n",
            "# remark\n\n10/8,5\n10.0.0.0/8,6,\"open\n", "1.2.3.4,1.2.3.4,DE,,,,\n", "9.9.9.9,1.1.1.1,7\n"]
    for i, text in enumerate(csvs):
        save("ranges", f"made-csv-{i}", b"\1" + text.encode())
    save("ranges", "made-apps-0", b"\3app,as,prefix,proto,port,appid\nErp,,10.20.0.0/24,tcp,8000-8010,\nPartner,AS64500,,,,\nVoice,,,,,13:7\n")
    save("ranges", "made-apps-1", b"\3# x\nA,5,10.0.0.0/8,17,80,13:7\nA,,::/1\nB,,,132,65535\n\"C\"\"\",,,gre,1\n")
    nets = [("10.0.0.0/8", {"country": {"iso_code": "DE"}}), ("10.1.0.0/16", {"country_code": "FR"}),
            ("192.0.2.0/24", {"autonomous_system_number": 3320, "autonomous_system_organization": "Netz"}),
            ("192.0.2.9/32", {"autonomous_system_number": U16(7), "country": {"iso_code": "DEU"}})]
    tmp = ROOT / "tests/fuzz/corpus/ranges/tmp"
    for bits in (32, 128):
        mmdb(tmp, [(ipaddress.ip_network(n), v) for n, v in nets + ([("2001:db8::/32", nets[0][1])] if bits == 128 else [])], bits)
        save("ranges", f"made-mmdb-{bits}", b"\2" + tmp.read_bytes())
    tmp.unlink()
    words("ranges", [b"WEIR-RNG", b"AS", b"DE", b"country", b"iso_code", b"autonomous_system_number", b"\xab\xcd\xefMaxMind.com",
                     b"::", b"/32", b"10.0.0.0", b",", b'"', b"record_size", b"node_count", b"ip_version"])


def made_captures():
    g = ether(ip4(udp()))
    epb = struct.pack("<IIIII", 0, 0, 0, len(g), len(g)) + g
    kinds = [(2, struct.pack("<HHIIII", 0, 0, 0, 0, len(g), len(g)) + g), (3, struct.pack("<I", len(g)) + g), (4, b"names"), (5, b"stats"), (6, epb), (10, b"key"),
             (0xbad, b"custom"), (0x40000bad, b""), (6, epb[:20]), (6, struct.pack("<IIIII", 0, 0, 0, 999, 999) + g), (6, struct.pack("<IIIII", 7, 0, 0, 4, 4) + g)]
    for i, (k, body) in enumerate(kinds):
        save("pcap", f"made-block-{i}", shb() + idb() + block(k, body))
    for i, opts in enumerate((option(9, b"\6"), option(9, b"\x89"), option(9, b"\x80"), option(9, b"\xff"), option(9, b"\x7f"), option(14, bytes(7) + b"\1"),
                              option(14, b"\xff" * 8), option(9, b""), option(2, b"eth0") + option(0, b""), b"\x09\0\xff\xff")):
        save("pcap", f"made-interface-{i}", shb() + idb(1, opts) + block(6, epb))
    save("pcap", "made-sections", shb() + idb() + block(6, epb) + shb(">") + idb(101, order=">") + shb() + block(6, epb))
    save("pcap", "made-no-order", shb() + block(0x0a0d0d0a, bytes(16)))
    save("pcap", "made-lengths", shb() + idb() + block(6, epb)[:-4] + p32(1))
    save("pcap", "made-interfaces", shb() + idb() * 330)
    f = [ether(ip4(b"x" * 8, frag=0x2000 | o, ident=i)) for i in range(80) for o in (0, 1)][:90]
    save("pcap", "made-many-fragments", pcap(f))
    odd = [ether(ip4(udp(), total=n)) for n in (0, 10, 19, 21, 30, 900)] + [ether(ip4(udp(length=n))) for n in (0, 7, 9, 900)] + [
        ether(ip4(udp(), ihl=n)) for n in (4, 6, 15)] + [ether(ip4(b"")), ether(ip4(udp(), proto=47)), ether(b"\x45"), ether(b""), b"", bytes(13), ether(b"\x55" + bytes(30))]
    save("pcap", "made-odd-4", pcap(odd + [(p[:len(p) // 2 + 8], len(p)) for p in odd]))
    ext = ip6(bytes([60, 0]) + bytes(6) + bytes([17, 0]) + bytes(6) + udp(), 0)
    odd = [ether(x, 0x86dd) for x in (ip6(udp()), ip6(udp(), total=0), ip6(udp(), total=999), ip6(b"", 17), ext, ip6(bytes([17]), 0), ip6(bytes([44, 255]) + bytes(6), 0),
                                      ip6(bytes([17, 0, 0, 1, 0, 0, 0, 9]) + udp(), 44), ip6(bytes([17, 0, 0, 8, 0, 0, 0, 9]) + udp(), 44), ip6(bytes([59, 0]) + bytes(6), 43),
                                      ip6(bytes([17, 2]) + bytes(14) + udp(), 51), ip6(bytes(4), 44), ip6(b"", 59), ip6(b"", 58), ip6(b"")[:20])]
    save("pcap", "made-odd-6", pcap(odd + [(p[:len(p) * 2 // 3], len(p)) for p in odd]))
    tags = [p16(0x8100, 1), p16(0x88a8, 1), p16(0x9100, 1)]
    save("pcap", "made-links", b"".join(pcap([x], link=k) for k, x in ((1, g),)) + b"")
    for k, x in ((0, p32(2) + g[14:]), (0, struct.pack("<I", 30) + ip6(udp())), (0, p32(99)), (0, b"\2"), (12, g[14:]), (101, b""), (108, p32(2) + g[14:]), (113, bytes(14) + b"\x08\0" + g[14:]),
                 (113, bytes(10)), (276, b"\x08\0" + bytes(18) + g[14:]), (276, bytes(5)), (228, g[14:]), (229, ip6(udp())), (105, bytes(40)),
                 (1, bytes(12) + tags[0] + tags[1] + tags[2] + p16(0x0800) + g[14:]), (1, bytes(12) + tags[0]), (1, bytes(12) + p16(0x8847) + b"\0\0\x11\x40" + g[14:]),
                 (1, bytes(12) + p16(40) + b"\xaa\xaa\3\0\0\0\x08\0" + g[14:]), (1, bytes(12) + p16(0x8864) + bytes(6) + p16(0x21) + g[14:]), (9, b"\xff\3\0\x21" + g[14:]), (50, b"\0\x21" + g[14:])):
        save("pcap", f"made-link-{k}-{len(x)}", pcap([x, (x[:max(0, len(x) - 5)], len(x))], link=k))
    words("pcap", [struct.pack(o + "I", m) for o in "<>" for m in (0xa1b2c3d4, 0xa1b23c4d, 0x0a0d0d0a, 0x1a2b3c4d, 1, 2, 3, 6, 12, 101, 113, 228, 229, 276)]
          + [p16(x) for x in (0x0800, 0x86dd, 0x8100, 0x88a8, 0x2000, 0x1fff)] + [b"\x45", b"\x60", b"\x11", b"\x2c", b"\x00\x2b", b"\x09\x00\x01\x00", b"\x0e\x00\x08\x00"])


# ------------------------------------------------------------------------------------------- texts

VALUE = {"bool": ["yes", "no", "on", "false", "1", "maybe"], "uint": ["1", "2k", "0", "99999999999", "1M", "x", "99999999999999999999999"],
         "size": ["64M", "1G", "4K", "2T", "1P", "0", "1X", "18446744073709551615P"], "duration": ["5m", "100ms", "7d", "1h", "2w", "30", "30s", "1y"],
         "text": ["abc", "''", "127.0.0.1:8055", "off"], "enum": ["info", "debug", "loud"], "list": ["[a, b]", "a b, c", "[]", "[udp://[::]:2055]", "[[a]]", "{a: b}"]}


def made_config():
    options = rows("options.csv")
    for i, o in enumerate(options):
        group, _, rest = o["name"].partition(".")
        for k, v in enumerate(VALUE[o["type"]] + (o["words"].split() if o["words"] else [])):
            line = f"{o['name']}: {v}\n" if k % 2 or not rest else f"{group}: {{{rest}: {v}}}\n"
            save("config", f"made-{o['name']}-{k}", line.encode())
    good = [(o["name"], o["default"] or "a") for o in options]
    save("config", "made-all", "".join(f'{n}: "{v}"\n' for n, v in good).encode())
    save("config", "made-command-line", ("log.level: warn\n\f" + "".join(f"{n} {v}\n" for n, v in good)).encode())
    save("config", "made-command-line-bad", b"\fshards 65\n")
    save("config", "made-command-line-list", b"listen: [a]\n\flisten b\nlisten c,d\n")
    for i, t in enumerate(("shards: 1\nshards: 2\n", "- a\n", "shards\n", "*a\n", "&a shards: 1\n", "shards: &a 1\n", "listen: [!x a]\n", "ring: 1M\n", "ring:\n - a\n", "shards: [1]\n", "shards: {a: b}\n",
                           "? [a]\n: b\n", "'': 1\n", "a\\0: 1\n", '"sh\\0": 1\n', 'shards: "1\\0"\n', "a: 1\n--- \nb: 2\n", "\t\n", "{", "shards: |\n 1\n", "listen: [" + "a," * 300 + "]\n", "sahrds: 1\n", "retenion: {size: 1}\n",
                           "x" * 200 + ": 1\n", "\xff\xfe", "%YAML 9.9\n---\na: 1\n", "<<: *a\n")):
        save("config", f"made-{i}", t.encode("latin-1"))
    words("config", [o["name"].encode() for o in options] + [w.encode() for v in VALUE.values() for w in v]
          + [b": ", b"\n", b"\n - ", b"---\n", b"\f", b"[", b"]", b"{", b"}", b"&a ", b"*a", b"!!int ", b'"', b"\\0", b"| \n "])


def made_http():
    q = "/api/v1/query?"
    pairs = ["filter=src+ip+10.0.0.0/8%20and%20not%20port%2022", "q=proto%20tcp", "by=src%20ip,dst%20port", "measure=bytes,flows", "m=distinct%20dst%20ip", "top=5", "bottom=3", "order=flows", "order=none",
             "having=bytes%3E1M", "series=5m", "step=auto", "list", "list=0", "list=yes", "columns=all", "cols=start,bytes", "sort=bytes%20desc", "limit=0", "from=-1h", "from=2026-01-02T03:04:05Z",
             "to=now", "last=15m", "time=today", "t=this:day", "tz=Europe/Berlin", "tz=Nowhere/No", "whole", "whole=off", "raw=1", "names=ipfix", "kind=option", "view=rank", "view=no", "format=csv",
             "format=ndjson", "format=table", "format=json", "format=xml", "format", "session=1", "top", "top=x", "=", "a%zz=1", "a=%4", "a=%4g", "a=%aF", "a=%00", "%66ilter=any", "filter=%F0%9F%A6%80", "by=host+pair"]
    for i, p in enumerate(pairs):
        save("http", f"made-{i}", (q + p).encode())
        save("http", f"made-two-{i}", (q + p + "&" + pairs[(i * 5 + 2) % len(pairs)]).encode())
    for i, t in enumerate(("/", "", "?", "/api/v1/tail?q=any&format=ndjson", "/api/v1/status?x=1", "/healthz", "/metrics?", "/api/v1/query?" + "filter=any&" * 300, "/" + "a" * 90, "/api/v1/qurey?a=b")):
        save("http", f"made-path-{i}", t.encode())
    words("http", [w.encode() for w in ("/api/v1/query", "/api/v1/tail", "/api/v1/status", "/metrics", "/healthz", "&", "=", "?", "%00", "+", "%2C", "%7C")]
          + [p.partition("=")[0].encode() + b"=" for p in pairs] + [p.partition("=")[2].encode() for p in pairs if "=" in p and p != "="])


def made_meta():
    members = ["10.0.0.0/8", "!10.1.0.0/16", "10.0.0.1..10.0.0.9", "2001:db8::/32", "::/0", "AS64500", "as1..as5", "port 443", "port:1-9", "proto tcp", "proto 47", "udp/53", "tcp/1..5",
               "vlan 7", "exporter fra1", "if fra1 3", "if fra 1 xe-0/0/1", "group b", "! group c", "country DE", "10.1.2.3/8", "", "!", "port 70000", "as4294967296", "10.1/16", "proto", "if a",
               "10.0.0.9..10.0.0.1", "::1..10.0.0.1", "example.net", "10.0.0.1...", "AS", "tcp/", "/8", "0/0"]
    for i, m in enumerate(members):
        save("meta", f"made-member-{i}", b"@" + m.encode())
    whole = """groups:
  office:
    kind: site
    contact: "noc@example.net"
    note: 'a # b'
    capacity: 10G
    tags: a,b
    members: [10.20.0.0/16, "!10.20.9.0/24", group servers]
  servers: {members: [tcp/443, AS64500, exporter fra1, if fra1 3, if fra1 xe-0/0/1]}
names:
  10.20.0.1: gateway
  10.20.0.0/16: office net
exporters:
  192.0.2.1: {name: fra1, site: Frankfurt, role: core, region: eu}
  "192.0.2.1#7":
    name: fra7
interfaces:
  - exporter: fra1
    index: 3
    name: xe-0/0/1
    description: Transit ExampleTel
    speed: 2.5G
    boundary: external
rules:
  - {order: 10, "on": description, match: "^(transit|up)", boundary: external, provider: ExampleTel}
"""
    save("meta", "made-whole", whole.encode())
    for i, t in enumerate((
            "", "groups:\n", "groups: {a: }\n", "groups: {a: {members: [group b]}, b: {members: [group a]}}\n", "groups: {a: {}, A: {}}\n", "grups: {}\n", "groups: []\n", "names: {10.0.0.1: ''}\n",
            "names: {x: y}\n", "names: {AS1: y}\n", "exporters: {1.1.1.1: {sampling: 5}}\n", "rules: [{order: 1}]\n", "rules: [{match: a}]\n", "rules: [{order: 1, match: '(', boundary: internal}]\n", "interfaces: [{exporter: 1.1.1.1, index: x}]\n",
            "interfaces: [{exporter: nobody, index: 1}]\n", "exporters: {1.1.1.1: {sit: a}}\n", "exporters: {1.1.1.1: {site: a, site: b}}\n", "groups: &a {x: *a}\n", "groups: {x: &y {note: a}, z: *y}\n",
            "a: b\n---\nc: d\n", "- a\n", "*x\n", "{", '"a\\0": b\n', "names:\n  ? [a]\n  : b\n", "groups: {a: {members: [10.0.0.0/8, 10.0.0.0/8]}}\n", "groups: {a: {capacity: 1.5}}\n",
            "groups: {internal: {members: [port 5]}}\n", "groups: {a: {members: ['!10.0.0.0/8', '!::/0']}}\n")):
        save("meta", f"made-{i}", t.encode())
    for i in range(3, len(whole), 97):
        save("meta", f"made-cut-{i}", whole[:i].encode())
    terms = ["group office", "src group mixed", "group in [office mixed \"a b\"]", "not client group mixed", "exists group", "absent dst group", "ip in group office", "port in group mixed",
             "exporter in group mixed", "name gateway", "name ~ /^lab/i", "name in [!gateway \"lab x\"]", "src name != gateway", "host gateway", "ip in [gateway !\"lab x\" 10.0.0.1]",
             "exporter fra1", "exporter in [fra1 192.0.2.9 fra7]", "exporter != fra7", "if xe-0/0/1", "in if \"fra1 xe-0/0/1\"", "if in [\"xe-0/0/1\"]", "if ~ /xe/", "internal", "both external",
             "inbound or outbound", "internal traffic", "not transit", "direction in [inbound outbound]", "boundary external", "out boundary != internal", "site Frankfurt", "role ~ /o/", "region eu",
             "exporter name ~ /fra/", "provider x", "server (group office and not internal)"]
    for i, t in enumerate(terms):
        save("query", f"made-defined-{i}", t.encode())
        save("query", f"made-defined-two-{i}", (t + " and not (" + terms[(i * 7 + 3) % len(terms)] + ")").encode())
    for i, t in enumerate(("group", "src group,dst group", "name", "src name", "direction", "boundary", "in provider", "site,role", "exporter name", "internal", "inbound", "if name")):
        save("query", f"made-defined-by-{i}", f"@by {t}\n@measure bytes,distinct group\ngroup mixed".encode())
        save("query", f"made-defined-list-{i}", f"@columns {t}\n@sort {t}\nany".encode())


def decoder_words():
    ids = sorted({int(r["id"]) for r in rows("fieldmap.csv")} | {82, 83, 34, 35, 36, 41, 305, 306})
    common = [p16(i, n) for i in ids for n in (1, 2, 4, 8) if i < 400] + [p16(i, 65535) for i in (1, 82, 83)]
    words("nf9", common + [p16(0), p16(1), p16(256), p16(257), p16(1, 4)])
    words("ipfix", common + [p16(2), p16(3), p16(256), p16(257), p32(29305), p16(0x8001, 4) + p32(29305), p16(2, 0), p16(3, 0), p16(256, 0), b"\xff\x01\x00"])


ZEEK_HEAD = ("#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n#fields\tts\tuid\tid.orig_h\tid.orig_p"
             "\tid.resp_h\tid.resp_p\tproto\tservice\tduration\torig_bytes\tresp_bytes\tconn_state\tlocal_orig\tlocal_resp\tmissed_bytes"
             "\thistory\torig_pkts\torig_ip_bytes\tresp_pkts\tresp_ip_bytes\ttunnel_parents")
ZEEK_ROWS = ["1300475168.853899\tCmE\t192.0.2.1\t43927\t198.51.100.2\t53\tudp\tdns\t0.000435\t0\t89\tSHR\tF\tT\t0\tCd\t0\t0\t1\t117\t(empty)",
             "1300475168.652003\tCP5\t2001:db8::1\t136\t2001:db8::2\t0\ticmp\t-\t-\t-\t-\tOTH\t-\t-\t0\t\\x41b\t1\t72\t0\t0\t-",
             "1300475169.78\tC3\t192.0.2.1\t8\t198.51.100.2\t0\ticmp\t-\t1e-05\t56\t56\tOTH\t-\t-\t0\t-\t1\t84\t1\t84\tCa,Cb"]
ARGUS = ("StartTime,Dur,Proto,SrcAddr,Sport,Dir,DstAddr,Dport,State,sTos,dTos,TotPkts,TotBytes,SrcBytes,Label\n"
         "2011/08/10 09:46:53.047277,3550.182373,udp,192.0.2.179,39678,  <->,198.51.100.229,13363,CON,0,0,12,875,413,flow=Background\n"
         "2011/08/10 09:46:59.607825,0.000000,icmp,192.0.2.20,0x0103,   ->,198.51.100.165,0x2cc6,URP,0,,1,60,60,flow=Background\n"
         "2011/08/10 09:46:59,0.5,arp,02:00:00:00:00:01,,  who,198.51.100.1,,INT,,,2,120,120,flow=From-Botnet\n")
VPC2 = ("2 123456789010 eni-1 192.0.2.139 198.51.100.21 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK\n"
        "2 123456789010 eni-1 - - - - - - - 1431280876 1431280934 - NODATA\n"
        "2 123456789010 eni-1 2001:db8::1 2001:db8::2 1 2 17 1 64 1431280876 1431280934 REJECT OK\n")
VPC5 = ("version vpc-id srcaddr dstaddr pkt-srcaddr pkt-dstaddr protocol bytes packets start end action tcp-flags log-status flow-direction traffic-path region\n"
        "5 vpc-a 192.0.2.42 198.51.100.62 192.0.2.42 2001:db8::1 6 568 8 1566848875 1566848933 REJECT 2 OK ingress 1 eu-west-1\n")
TABLE = ("a,b,c,d,e,f,g,h,i,j,k\n2021-03-01T10:00:00.5+01:00,1614592800500,1.5,192.0.2.1,198.51.100.2,TCP,1000,24,02:00:00:00:00:01,1614592800,rest\n"
         "1614592800,,,\"2001:db8::1\",2001:db8::2,icmp,12.0,64,,,\"x \"\"y\"\"\"\n")
NFDUMP = ('{\n\t"type" : "FLOW",\n\t"sampled" : 1,\n\t"export_sysid" : 1,\n\t"first" : "2021-03-01T10:00:00.123",\n\t"last" : "2021-03-01T10:00:01.000",\n'
          '\t"received" : "2021-03-01T10:00:02.000",\n\t"in_packets" : 1,\n\t"in_bytes" : 18446744073709551615,\n\t"proto" : 58,\n\t"tcp_flags" : "...AP.SF",\n'
          '\t"src6_addr" : "2001:db8::1",\n\t"dst6_addr" : "2001:db8::2",\n\t"icmp_type" : 1,\n\t"icmp_code" : 2,\n\t"src_mask" : 64,\n\t"ip4_router" : "192.0.2.9",\n'
          '\t"t_event" : "2021-03-01T10:00:01.5",\n\t"in_src_mac" : "02:00:00:00:00:01",\n\t"src4_xlt_ip" : "192.0.2.1",\n\t"user_name" : "<empty>",\n\t"label" : "<none>"\n},\n')


def made_convert():
    zeek = ZEEK_HEAD + "\n" + "\n".join(ZEEK_ROWS) + "\n#close\n"
    labelled = ZEEK_HEAD + "   label   detailed-label\n" + "\n".join(r + "   Malicious   C&C" for r in ZEEK_ROWS)
    obj = ('{"ts":1300475168.85,"uid":"C\\u00e9\\n","id.orig_h":"192.0.2.1","id.orig_p":1,"id":{"resp_h":"198.51.100.2","resp_p":2},"proto":"tcp",'
           '"duration":1.2e-05,"local_orig":true,"orig_pkts":null,"tunnel_parents":["a","b]"],"new":-1}\n')
    texts = [(1, zeek), (1, labelled), (1, obj * 2 + "{\n{}\n"), (2, ARGUS), (3, VPC2), (3, VPC5), (3, VPC5 + VPC2), (4 | 8, TABLE), (4, TABLE),
             (4, "start;src ip;dst_ip;octetDeltaCount\n1;192.0.2.1;::1;5\n"), (5, "[\n" + NFDUMP * 2 + "]\n")]
    for i, (kind, text) in enumerate(texts):
        for end in ("\n", "\r\n"):
            save("convert", f"made-{i}-{len(end)}", bytes([kind]) + text.replace("\n", end).encode())
        for k in range(1, 6):
            save("convert", f"made-{i}-cut-{k}", bytes([kind]) + text.encode()[:len(text) * k // 6])
    words("convert", [w.encode() for w in (ZEEK_HEAD + ARGUS.split("\n")[0] + VPC5.split("\n")[0]).replace("\n", "\t").replace(",", "\t").replace(" ", "\t").split("\t") if w]
          + [w.split(":")[0].strip().encode() for w in NFDUMP.split("\n")] + [b"1300475168.853899", b"2011/08/10 09:46:53.047277", b"NODATA", b"SKIPDATA", b"(empty)", b"\\x09", b"\\u00e9", b"1e-05"])


captures()
by_element(9)
by_element(10)
made_5()
made_templates(9)
made_templates(10)
made_9()
made_10()
made_lists()
made_ranges()
made_framing()
made_captures()
made_config()
made_http()
made_meta()
decoder_words()
made_convert()
