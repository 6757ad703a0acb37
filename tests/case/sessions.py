#!/usr/bin/env python3
"""Flows that several exporters report, and sessions: what Weir answers beside plain loops over the records that the generator
says it made, each once.

usage: sessions.py WEIR FLOWGEN
"""
import collections
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

RECORD = struct.Struct("<QQQQ16s16s16sIIIIHHHHBBBBBBBB")  # flowgen.c, struct rec
Flow = collections.namedtuple("Flow", "start end bytes packets src dst next src_as dst_as in_if out_if sport dport src_vlan dst_vlan "
                              "exporter proto flags tos src_mask dst_mask direction af")
IDLE = 300_000
V4 = "inet"  # flowgen's IPv6 templates have no destination: such records belong to no conversation
FLOWS = 12_000


def flows(path):
    """The generator's IPv4 records."""
    data = path.read_bytes()
    return [f for f in map(Flow._make, RECORD.iter_unpack(data)) if f.af == 4]


def well_known(port):
    return 1 <= port <= 1023


def sessions(records):
    """[(client, server, [bytes of the client, of the server], slices)]: every record once, by 5-tuple and idle timeout."""
    by_tuple = collections.defaultdict(list)
    for f in records:
        icmp = f.proto in (1, 58)
        a, b = (f.src, 0 if icmp else f.sport), (f.dst, 0 if icmp else f.dport)
        by_tuple[(min(a, b), max(a, b), f.proto)].append((f.start, f.end, a > b, f))
    out = []
    for (a, b, proto), rows in by_tuple.items():
        rows.sort(key=lambda r: r[0])
        part, top = [], None
        for r in rows + [None]:
            if part and (r is None or r[0] > top + IDLE):
                out.append(part)
                part, top = [], None
            if r is not None:
                part.append(r)
                top = r[1] if top is None else max(top, r[1])
    return out


ENV = dict(os.environ, ASAN_OPTIONS="detect_leaks=0")  # the generator frees nothing


class Case:
    def __init__(self, weir, flowgen, work):
        self.weir, self.flowgen, self.work, self.n, self.checks = weir, flowgen, work, 0, 0

    def make(self, name, *options):
        pcap, binary = self.work / f"{name}.pcap", self.work / f"{name}.bin"
        subprocess.run([self.flowgen, "-n", str(FLOWS), "-9", pcap, "-b", binary, *options], check=True, stderr=subprocess.DEVNULL,
                       env=ENV)
        return pcap, binary

    def store(self, *pcaps):
        self.n += 1
        self.data = self.work / f"data{self.n}"
        for p in pcaps:  # one after the other: a segment each
            subprocess.run([self.weir, "import", "--data", self.data, p], check=True, stdout=subprocess.DEVNULL)

    def ask(self, *words):
        r = subprocess.run([self.weir, "query", "--data", self.data, "-o", "json", *words], check=True, stdout=subprocess.PIPE)
        return json.loads(r.stdout)

    def totals(self, what, want, *words, dedup=None, aside=None):
        a = self.ask(*words)
        got = tuple(a["totals"][k] for k in ("flows", "bytes", "packets"))
        assert got == want, f"{what}: {got} flows, bytes, packets, not {want}"
        if dedup is not None:
            assert a["stats"]["dedup"] == dedup, f"{what}: {a['stats']}"
        if aside is not None:
            assert a["stats"]["records_set_aside"] == aside, f"{what}: {a['stats']['records_set_aside']} set aside, not {aside}"
        self.checks += 1
        return a

    def sessions(self, what, want, *words):
        a = self.ask(*words, "--measure", "flows,sessions")
        got = a["total"]["sessions"]
        assert got == len(want), f"{what}: {got} sessions, not {len(want)}"
        listed = self.ask(*words, "--sessions", "--columns", "client,server,proto,client bytes,server bytes,slices,start")["rows"]
        assert len(listed) == len(want), f"{what}: {len(listed)} sessions listed, not {len(want)}"
        both = collections.Counter((frozenset((r["client"], r["server"])), r["proto"], r["client bytes"] + r["server bytes"], r["slices"])
                                   for r in listed)
        ours = collections.Counter((frozenset((text(s[0][3].src), text(s[0][3].dst))), s[0][3].proto, sum(r[3].bytes for r in s), len(s))
                                   for s in want)
        assert both == ours, f"{what}: {list((both - ours).items())[:3]} listed, not {list((ours - both).items())[:3]}"
        ranked = self.ask(*words, "--by", "client", "--measure", "sessions,initiated,accepted", "--top", "0")
        assert sum(r["sessions"] for r in ranked["rows"]) == len(want), f"{what}: ranked by client"
        assert all(r["initiated"] == r["sessions"] and r["accepted"] == 0 for r in ranked["rows"])
        counted = collections.Counter(r["client"] for r in listed)
        assert {r["client"]: r["sessions"] for r in ranked["rows"] if r["sessions"]} == counted, f"{what}: clients"
        self.checks += 5


def text(address):
    return ".".join(map(str, address[12:]))


def sums(records):
    return len(records), sum(f.bytes for f in records), sum(f.packets for f in records)


def moved(pcap, to):
    """The same datagrams from other exporters: the second octet of their addresses becomes 254."""
    data, at = bytearray(pcap.read_bytes()), 24
    while at < len(data):
        n = struct.unpack_from("<I", data, at + 8)[0]
        ip = at + 16 + 14
        old, new = data[ip + 13], 254
        data[ip + 13] = new
        total = struct.unpack_from(">H", data, ip + 10)[0]  # RFC 1624
        total = (~total & 0xffff) + (~old & 0xffff) + new
        while total >> 16:
            total = (total & 0xffff) + (total >> 16)
        struct.pack_into(">H", data, ip + 10, ~total & 0xffff)
        struct.pack_into(">H", data, ip + 20 + 6, 0)  # no UDP checksum
        at += 16 + n
    to.write_bytes(data)
    return to


def by_views(c, views):
    for name, options in (("plain", ()), ("slices of 60 s", ("-t", "60000")), ("slices of 300 s", ("-t", "300000")),
                          ("one direction", ("-O",))):
        key = f"d{views}-{name.replace(' ', '-')}"
        once = flows(c.make(key + "-once", *options)[1])
        pcap, binary = c.make(key, *options, "-D", str(views))
        seen = flows(binary)
        what = f"-D {views}, {name}"
        c.store(pcap)
        c.totals(what, sums(once), V4, dedup=True, aside=len(seen) - len(once))
        c.totals(what + ", dedup off", sums(seen), V4, "--dedup", "off", dedup=False)
        c.totals(what + ", an exporter", sums([f for f in seen if f.exporter == 2]), V4 + " and exporter 10.255.0.2", dedup=False)
        c.totals(what + ", an interface", sums([f for f in seen if f.in_if == 20]), V4 + " and in if 20", dedup=False)
        c.totals(what + ", a port", sums([f for f in once if f.dport == 443]), V4 + " and dst port 443")
        per = c.ask(V4, "--by", "exporter", "--measure", "flows", "--top", "0")
        assert sum(r["flows"] for r in per["rows"]) == len(seen) and "exporters" in per["stats"]["dedup_off"], what
        c.sessions(what, sessions(once), V4)
        # the same records in many segments, whose borders fall anywhere
        if name != "one direction":
            for old in c.work.glob(key + ".pcap.*"):
                old.unlink()
            subprocess.run([c.flowgen, "-n", str(FLOWS), "-9", c.work / (key + ".pcap"), "-x", "7200", *options, "-D", str(views)],
                           check=True, stderr=subprocess.DEVNULL, env=ENV)
            parts = sorted(c.work.glob(key + ".pcap.[0-9]*"))
            assert len(parts) == 12
            c.store(*parts)
            c.totals(what + ", twelve segments", sums(once), V4, dedup=True, aside=len(seen) - len(once))
            c.sessions(what + ", twelve segments", sessions(once), V4)


def one_view_sampled(c):
    pcap, binary = c.make("whole")
    once = flows(binary)
    thin, _ = c.make("thin", "-S", "100")
    other = moved(thin, c.work / "thin-moved.pcap")
    c.store(pcap, other)
    a = c.totals("one view sampled 1:100", sums(once), V4, dedup=True)
    assert a["stats"]["records_set_aside"] > 500
    c.sessions("one view sampled 1:100", sessions(once), V4)
    c.store(other, pcap)
    c.totals("one view sampled 1:100, first", sums(once), V4, dedup=True)


def main():
    weir, flowgen = sys.argv[1:3]
    with tempfile.TemporaryDirectory() as d:
        c = Case(weir, flowgen, pathlib.Path(d))
        for views in (1, 2, 3, 4):
            by_views(c, views)
        one_view_sampled(c)
        print(f"{c.checks} answers equal")


if __name__ == "__main__":
    main()
