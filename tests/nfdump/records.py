"""Datagrams of NetFlow v9 and IPFIX with what tools/flowgen does not send: MAC addresses, MPLS stacks, NAT and firewall
events, access lists, port blocks, latencies, payload, reverse counters, several engines. Deterministic; every
value that a filter may ask for occurs in some records and not in others.
"""
import ipaddress
import random
import struct

BOOT_S = 1772490000
START_MS = 1772500000_000  # inside the day of the generator
PER_DATAGRAM = 20


def uint(n):
    return lambda v: int(v).to_bytes(n, "big")


def ip(text):
    return ipaddress.ip_address(text).packed


def mac(n):
    return bytes([0, 0x11, 0x22, 0x33, 0x44, n])


def mpls(label, exp, bottom):
    return (label << 4 | exp << 1 | bottom).to_bytes(3, "big")


def base4(r, i):
    """The fields that every record of IPv4 has here, and their values."""
    start = START_MS + i * 1000 + r.randrange(1000)
    return [(8, ip(f"10.30.{r.randrange(4)}.{r.randrange(1, 250)}")), (12, ip(f"192.0.2.{r.randrange(1, 200)}")),
            (7, uint(2)(r.randrange(1024, 60000))), (11, uint(2)(r.choice((80, 443, 53, 25)))), (4, uint(1)(r.choice((6, 17)))),
            (6, uint(1)(r.choice((2, 18, 24, 27)))), (1, uint(4)(r.randrange(40, 200000))), (2, uint(4)(r.randrange(1, 300))),
            (152, uint(8)(start)), (153, uint(8)(start + r.randrange(30000)))]


def base6(r, i):
    out = base4(r, i)
    out[0] = (27, ip(f"2001:db8:30::{r.randrange(1, 200):x}"))
    out[1] = (28, ip(f"2001:db8:31::{r.randrange(1, 200):x}"))
    return out


def link(r, i):
    return base4(r, i) + [(56, mac(r.randrange(8))), (57, mac(r.randrange(4, 12))), (80, mac(r.randrange(8, 16))),
                          (81, mac(r.randrange(12, 20))), (58, uint(2)(r.randrange(300, 310))), (59, uint(2)(r.randrange(305, 315))),
                          (5, uint(1)(r.choice((0, 0xb8, 0x28)))), (55, uint(1)(r.choice((0, 0xb8, 0x68)))),
                          (89, uint(1)(r.choice((64, 65, 66, 128, 130)))), (61, uint(1)(r.randrange(2)))]


def routing(r, i):
    return base4(r, i) + [(15, ip(f"10.31.0.{r.randrange(5)}")), (18, ip(f"10.32.0.{r.randrange(1, 6)}")),
                          (128, uint(4)(r.randrange(64500, 64510))), (129, uint(4)(r.randrange(64505, 64520))),
                          (16, uint(4)(r.randrange(64600, 64620))), (17, uint(4)(4200000000 + r.randrange(5))),
                          (9, uint(1)(r.choice((8, 16, 24)))), (13, uint(1)(r.choice((20, 24, 32)))),
                          (10, uint(4)(r.randrange(501, 510))), (14, uint(4)(r.randrange(505, 515)))]


def routing6(r, i):
    return base6(r, i) + [(62, ip(f"2001:db8:ff::{r.randrange(1, 5)}")), (63, ip(f"2001:db8:fe::{r.randrange(1, 5)}")),
                          (29, uint(1)(r.choice((32, 48, 64)))), (30, uint(1)(r.choice((40, 56, 64))))]


def labels(r, i):
    depth = r.randrange(1, 11)
    stack = [(70 + n, mpls(r.randrange(10, 40) + 100 * n, r.randrange(8), n == depth - 1) if n < depth else b"\0\0\0")
             for n in range(10)]
    return base4(r, i) + stack


def firewall(r, i):
    event = r.choice((1, 2, 3, 5))
    denied = r.choice((1001, 1002, 1003, 1004)) if event == 3 else r.choice((0, 2001, 2031))
    return base4(r, i) + [(148, uint(4)(i)), (233, uint(1)(event)), (33002, uint(2)(denied)), (323, uint(8)(START_MS + i)),
                          (225, ip(f"203.0.113.{r.randrange(1, 20)}")), (226, ip(f"198.18.0.{r.randrange(1, 20)}")),
                          (227, uint(2)(r.randrange(5000, 5050))), (228, uint(2)(r.choice((80, 8080, 443)))),
                          (33000, b"".join(uint(4)(r.randrange(n, n + 6)) for n in (100, 200, 300))),
                          (33001, b"".join(uint(4)(r.randrange(n, n + 6)) for n in (400, 500, 600)))]


def nat(r, i):
    start = r.randrange(16) * 2048 + 1024
    out = base4(r, i) + [(230, uint(1)(r.choice((1, 2, 4)))), (234, uint(4)(r.randrange(1, 5))), (235, uint(4)(r.randrange(3, 8))),
                         (323, uint(8)(START_MS + i)),
                         (225, ip(f"203.0.113.{r.randrange(1, 20)}")), (226, ip(f"198.18.0.{r.randrange(1, 20)}")),
                         (227, uint(2)(r.randrange(5000, 5050))), (228, uint(2)(r.choice((80, 8080, 443)))),
                         (361, uint(2)(start)), (362, uint(2)(start + 2047)), (363, uint(2)(r.choice((32, 64)))), (364, uint(2)(2048))]
    out[2] = (7, uint(2)(r.choice((start + 7, start + 2047, start + 2048, start - 1))))
    return out


def latency(r, i):
    return base4(r, i) + [(57554, uint(4)(r.randrange(3))), (57555, uint(4)(r.randrange(1000000))),
                          (57556, uint(4)(r.randrange(2))), (57557, uint(4)(r.randrange(1000000))),
                          (57558, uint(4)(0)), (57559, uint(4)(r.randrange(1000000)))]


def both_ways(r, i):
    return base4(r, i) + [(23, uint(4)(r.randrange(5000))), (24, uint(4)(r.randrange(50)))]


def several_flows(r, i):
    return base4(r, i) + [(3, uint(4)(r.randrange(1, 9)))]


def icmp(r, i):
    out = base4(r, i)
    out[4] = (4, uint(1)(1))
    kind, code = r.choice(((0, 0), (3, 1), (3, 3), (8, 0), (11, 0)))
    out[2], out[3] = (7, uint(2)(0)), (11, uint(2)(kind << 8 | code))
    return out + [(32, uint(2)(kind << 8 | code))]


def icmp6(r, i):
    out = base6(r, i)
    out[4] = (4, uint(1)(58))
    kind, code = r.choice(((128, 0), (129, 0), (1, 4), (3, 0)))
    out[2], out[3] = (7, uint(2)(0)), (11, uint(2)(kind << 8 | code))
    return out + [(32, uint(2)(kind << 8 | code))]


def reverse(r, i):
    return base4(r, i) + [((29305, 1), uint(4)(r.randrange(5000))), ((29305, 2), uint(4)(r.randrange(50)))]


def point(r, i):
    return base4(r, i) + [(138, uint(8)(r.randrange(70, 75)))]


def payload(r, i):
    text = r.choice((b"GET /index.html HTTP/1.1\r\nHost: www.example.net\r\n", b"SSH-2.0-OpenSSH_9.2\r\n", b"POST /api HTTP/1.1\r\n",
                     b"220 mail.example.org ESMTP\r\n"))
    return base4(r, i) + [((6871, 18), text)]


# version, source id, what makes a record
KINDS = [(9, 0x0305, link), (9, 0x0306, routing), (9, 0x0406, routing6), (9, 0x0407, labels), (9, 0x0408, firewall),
         (9, 0x0509, nat), (9, 0x050A, latency), (9, 0x050B, both_ways), (9, 0x050C, several_flows), (9, 0x060D, icmp),
         (9, 0x060E, icmp6), (10, 77, reverse), (10, 78, point), (10, 80, payload)]


def template(version, kind_no, fields, variable):
    out = struct.pack("!HH", 256 + kind_no, len(fields))
    for f, v in fields:
        pen, element = f if isinstance(f, tuple) else (0, f)
        out += struct.pack("!HH", element | (0x8000 if pen else 0), 65535 if f in variable else len(v))
        if pen:
            out += struct.pack("!I", pen)
    return struct.pack("!HH", 0 if version == 9 else 2, 4 + len(out)) + out


def record(fields, variable):
    return b"".join((bytes([len(v)]) if f in variable else b"") + v for f, v in fields)


def datagrams(per_kind, seed=1):
    """(source address, datagram) of per_kind records of each kind."""
    for no, (version, domain, make) in enumerate(KINDS):
        r, sequence = random.Random(seed * 1000 + no), 0
        variable = {(6871, 18)}
        for first in range(0, per_kind, PER_DATAGRAM):
            rows = [make(r, i) for i in range(first, min(first + PER_DATAGRAM, per_kind))]
            body = b"".join(record(x, variable) for x in rows)
            pad = -len(body) % 4 if version == 9 else 0
            sets = template(version, no, rows[0], variable) + struct.pack("!HH", 256 + no, 4 + len(body) + pad) + body + b"\0" * pad
            now = BOOT_S + 20000 + first
            if version == 9:
                head = struct.pack("!HHIIII", 9, len(rows) + 1, 20000_000 + first * 1000, now, sequence, domain)
                sequence += 1
            else:
                head = struct.pack("!HHIII", 10, 16 + len(sets), now, sequence, domain)
                sequence += len(rows)
            yield f"127.0.0.{31 + no}", head + sets


def pcap(path, packets, port=2055):
    with open(path, "wb") as f:
        f.write(struct.pack("!IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101))  # raw IP
        for i, (source, data) in enumerate(packets):
            now = BOOT_S + 30000 + i // 1000
            udp = struct.pack("!HHHH", 40000, port, 8 + len(data), 0) + data
            head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + ip(source) + ip("127.0.0.1")
            f.write(struct.pack("!IIII", now, i % 1000, len(head) + len(udp), len(head) + len(udp)) + head + udp)
