#!/usr/bin/env python3
"""Names that exporters tell in option records stand beside the numbers in answers, as they were at the record's time.

usage: names.py WEIR
"""
import json
import pathlib
import struct
import subprocess
import sys
import tempfile

T0 = 1700000000
FLOW = [(8, 4), (12, 4), (10, 4), (14, 4), (234, 4), (4, 1), (1, 4), (2, 4), (152, 8), (153, 8)]
OCTETS = 100


class Exporter:
    """IPFIX; datagrams with the second at which they arrive."""

    def __init__(self, address, domain=7):
        self.address, self.domain, self.seq, self.out = address, domain, 0, []

    def send(self, at, number, content, records=0):
        body = struct.pack(">HH", number, 4 + len(content)) + content
        self.out.append((at, self.address, struct.pack(">HHIII", 10, 16 + len(body), T0 + at, self.seq, self.domain) + body))
        self.seq += records

    def flow(self, at, in_if, out_if, vrf=0, n=1):
        self.send(at, 2, struct.pack(">HH", 300, len(FLOW)) + b"".join(struct.pack(">HH", *f) for f in FLOW))
        ms = (T0 + at) * 1000
        row = struct.pack(">IIIIIBIIQQ", 0x0A000001, 0x0A000002, in_if, out_if, vrf, 6, OCTETS, 1, ms, ms)
        self.send(at, 300, row * n, n)

    def told(self, at, scope, element, number, name):
        """One option record: the scope's number, a text of 32 octets."""
        t = struct.pack(">HHH", 400, 2, 1) + struct.pack(">HHHH", scope, 4, element, 32)
        self.send(at, 3, t)
        self.send(at, 400, struct.pack(">I32s", number, name), 1)

    def interface(self, at, number, name):
        self.told(at, 10, 82, number, name)


def pcap(path, datagrams):
    with open(path, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 262144, 101))
        for at, address, p in sorted(datagrams, key=lambda d: d[0]):
            udp = struct.pack(">HHHH", 2055, 4739, 8 + len(p), 0) + p
            ip = struct.pack(">BBHHHBBHII", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, 0xC0000200 + address, 0xC0000263) + udp
            f.write(struct.pack("<IIII", T0 + at, 0, len(ip), len(ip)) + ip)


class Asked:
    def __init__(self, weir, tmp, *exporters):
        self.weir, self.data = weir, tmp / "d"
        pcap(tmp / "x.pcap", [d for e in exporters for d in e.out])
        subprocess.run([weir, "import", "--data", self.data, tmp / "x.pcap"], check=True, capture_output=True)

    def text(self, *words):
        return subprocess.run([self.weir, "query", "--data", self.data, *words], check=True, capture_output=True, text=True).stdout

    def names(self, column, *words):
        """{number: name, None where it has none}; rows that give one number two names are an error."""
        out = {}
        for r in json.loads(self.text("-o", "json", *words))["rows"]:
            name = r.get(column + "_name")
            assert out.setdefault(r[column], name) == name, (column, words, r)
        return out


def renamed(weir, tmp):
    e = Exporter(1)
    e.flow(1, 3, 4)
    e.interface(60, 3, b"ge-0/0/1")
    e.interface(60, 4, b"ge-0/0/2")
    e.flow(70, 3, 4)
    e.interface(120, 3, b"xe-1/0/0")
    e.flow(130, 3, 5)
    a = Asked(weir, tmp, e)
    rows = json.loads(a.text("-o", "json", "--list", "--columns", "start,in if,out if", "--sort", "start"))["rows"]
    got = [(r["in if"], r.get("in if_name"), r["out if"], r.get("out if_name")) for r in rows]
    # told later than the first record: the first name holds for what was before
    assert got == [(3, "ge-0/0/1", 4, "ge-0/0/2"), (3, "ge-0/0/1", 4, "ge-0/0/2"), (3, "xe-1/0/0", 5, None)], got
    assert a.names("in if", "--by", "in if") == {3: "xe-1/0/0"}
    assert a.names("out if", "--by", "out if") == {4: "ge-0/0/2", 5: None}
    assert a.names("in if", "--by", "in if", "--from", "2023-11-14T22:13:20Z", "--to", "2023-11-14T22:14:40Z") == {3: "ge-0/0/1"}
    assert a.names("if", "--by", "if") == {3: "xe-1/0/0", 4: "ge-0/0/2", 5: None}
    text = a.text("--by", "in if")
    assert "3 xe-1/0/0" in text, text
    assert "3 xe" in a.text("--list", "--columns", "in if,bytes")
    assert a.text("--by", "in if", "-o", "csv").splitlines()[1].startswith("3,"), "CSV has the number alone"


def of_several(weir, tmp):
    a, b = Exporter(1), Exporter(2)
    for e, other in ((a, b"eth1"), (b, b"eth7")):
        e.interface(0, 1, b"eth0")
        e.interface(0, 2, other)
        for n in (1, 2, 9):
            e.flow(1, n, 0)
    a.interface(0, 9, b"only one of both tells it")
    q = Asked(weir, tmp, a, b)
    # a number alone has a name where all exporters give it the same
    assert q.names("in if", "--by", "in if") == {1: "eth0", 2: None, 9: None}
    assert q.names("in if", "exporter 192.0.2.2", "--by", "in if") == {1: "eth0", 2: "eth7", 9: None}, "exporters of the rows that count"
    rows = json.loads(q.text("-o", "json", "--by", "exporter,in if"))["rows"]
    got = {(r["exporter"], r["in if"]): r.get("in if_name") for r in rows}
    assert got == {("192.0.2.1", 1): "eth0", ("192.0.2.1", 2): "eth1", ("192.0.2.1", 9): "only one of both tells it",
                   ("192.0.2.2", 1): "eth0", ("192.0.2.2", 2): "eth7", ("192.0.2.2", 9): None}, got
    rows = json.loads(q.text("-o", "json", "--list", "--columns", "exporter,in if"))["rows"]
    assert {(r["exporter"], r["in if"]): r.get("in if_name") for r in rows} == got


def of_another_domain(weir, tmp):
    """A device numbers its interfaces once: in rankings another domain of it may have told the name."""
    a, b = Exporter(1, domain=1), Exporter(1, domain=2)
    a.interface(0, 1, b"eth0")
    a.flow(1, 1, 0)
    b.flow(1, 1, 0)
    q = Asked(weir, tmp, a, b)
    assert q.names("in if", "--by", "exporter,in if") == {1: "eth0"}
    assert q.names("in if", "--by", "in if") == {1: "eth0"}


def vrfs_and_descriptions(weir, tmp):
    e = Exporter(1)
    e.told(0, 234, 236, 5, b"customers")
    e.told(0, 10, 83, 1, b"uplink to the exchange")
    e.told(0, 10, 83, 2, b"a description")
    e.interface(0, 2, b"eth2\x1b[31m")
    e.flow(1, 1, 2, vrf=5)
    q = Asked(weir, tmp, e)
    assert q.names("ingress vrf", "--by", "ingress vrf") == {5: "customers"}
    assert q.names("in if", "--by", "in if") == {1: "uplink to the exchange"}
    assert q.names("out if", "--by", "out if") == {2: "eth2\x1b[31m"}
    assert "2 eth2.[31m" in q.text("--by", "out if"), "a name steers no terminal"


def main():
    for case in (renamed, of_several, of_another_domain, vrfs_and_descriptions):
        with tempfile.TemporaryDirectory(prefix="weir-names-") as tmp:
            case(sys.argv[1], pathlib.Path(tmp))
    print("ok")


main()
