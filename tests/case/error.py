#!/usr/bin/env python3
"""How far sampling may be off. Many small networks are made up, each packet of them is looked at with a chance of one in N, and what was
exported is asked for: the truth must lie within the stated error in at least 93 of 100 networks, and the error must be the one that
this file computes by itself.

usage: error.py WEIR
"""
import collections
import json
import math
import pathlib
import random
import struct
import subprocess
import sys
import tempfile

T0 = 1700000000
NETWORKS = 700  # each is one destination address
FIELDS = [(8, 4), (12, 4), (10, 4), (4, 1), (1, 8), (2, 8), (34, 4), (152, 8), (153, 8)]
AT_LEAST, AT_MOST = 0.93, 0.99  # of the networks; an error stated too wide is wrong too


def sampled(rng, n, rate):
    """How many of n packets are looked at."""
    if rate == 1:
        return n
    if n < 200:
        return sum(rng.random() * rate < 1 for _ in range(n))
    return max(0, round(rng.gauss(n / rate, math.sqrt(n / rate * (1 - 1 / rate)))))


def network(rng, rates):
    """Flows of many sizes -> the truth (octets, packets), records (octets, packets, rate)."""
    octets = packets = 0
    records = []
    for i in range(rng.randint(100, 400)):
        rate = rates[i % len(rates)]
        n = min(int(rng.paretovariate(1.1) * rate / 4) + 1, 50 * rate)
        size = rng.choice((52, 90, 300, 576, 1200, 1500, 1500))
        seen = sampled(rng, n, rate)
        octets += n * size
        packets += n
        if seen:
            records.append((seen * size, seen, rate))
    return (octets, packets), records


def expected(records):
    """Errors in percent, by the formula."""
    out = []
    for what in (0, 1):
        total = var = 0.0
        for o, p, rate in records:
            v = o if what == 0 else p
            total += v * rate
            var += rate * (rate - 1) * (o * o / p if what == 0 else p)
        out.append(196 * math.sqrt(var) / total if total else 0)
    return out


def pcap(path, networks):
    def field(f):
        return struct.pack(">HH", *f)
    template = struct.pack(">HHHH", 2, 8 + 4 * len(FIELDS), 300, len(FIELDS)) + b"".join(field(f) for f in FIELDS)
    with open(path, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 262144, 101))
        seq = 0

        def send(body):
            udp = struct.pack(">HHHH", 2055, 2055, 24 + len(body), 0) + struct.pack(">HHIII", 10, 16 + len(body), T0, seq, 7) + body
            ip = struct.pack(">BBHHHBBHII", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, 0xC0000201, 0xC0000202) + udp
            f.write(struct.pack("<IIII", T0, 0, len(ip), len(ip)) + ip)
        send(template)
        for k, (_, records) in enumerate(networks):
            for at in range(0, len(records), 30):
                rows = b"".join(struct.pack(">IIIBQQIQQ", 0x0A000000 + i, 0xC0A80000 + k, 1, 6, o, p, rate, T0 * 1000, T0 * 1000 + 5)
                                for i, (o, p, rate) in enumerate(records[at:at + 30], at))
                send(struct.pack(">HH", 300, 4 + len(rows)) + rows)
                seq += len(records[at:at + 30])


def ask(weir, data, *words):
    return json.loads(subprocess.run([weir, "query", "--data", data, "-o", "json", *words], check=True, capture_output=True,
                                     text=True).stdout)


def near(a, b):
    return abs(a - b) <= 0.011 + 0.001 * b


def check(weir, tmp, name, rates):
    rng = random.Random("networks of " + name)
    networks = [network(rng, rates) for _ in range(NETWORKS)]
    pcap(tmp / "x.pcap", networks)
    subprocess.run([weir, "import", "--data", tmp / "d", tmp / "x.pcap"], check=True, capture_output=True)
    rows = ask(weir, tmp / "d", "--by", "dst ip", "--measure", "bytes,packets,flows,pps,raw bytes", "--top", "0")
    assert len(rows["rows"]) == NETWORKS, len(rows["rows"])
    inside = collections.Counter()
    for r in rows["rows"]:
        a = r["dst ip"].split(".")
        truth, records = networks[int(a[2]) * 256 + int(a[3])]
        for what, true, want in zip(("bytes", "packets"), truth, expected(records)):
            error = r.get(what + "_error_percent", 0)
            assert near(error, want), (name, what, r, want)
            inside[what] += abs(r[what] - true) <= r[what] * error / 100
        assert near(r.get("pps_error_percent", 0), expected(records)[1]), r
        assert "flows_error_percent" not in r and "raw bytes_error_percent" not in r, r
    every = [x for _, records in networks for x in records]
    for t in (rows["totals"], ask(weir, tmp / "d")["totals"]):
        for what, want in zip(("bytes", "packets"), expected(every)):
            assert near(t.get(what + "_error_percent", 0), want), (name, t, want)
    for what in ("bytes", "packets"):
        part = inside[what] / NETWORKS
        print("%s: the truth of %s lies within the error in %.1f %% of %d networks" % (name, what, 100 * part, NETWORKS))
        if max(rates) > 1:
            assert AT_LEAST <= part <= AT_MOST, part
        else:
            assert part == 1, part
    return tmp / "d"


def shown(weir, data, some):
    text = subprocess.run([weir, "query", "--data", data, "--by", "dst ip", "--top", "3"], check=True, capture_output=True,
                          text=True).stdout
    assert (" %  " in text and "\u00b1" in text) == some, text
    for words in (["--raw"], ["--series", "1m"], ["--list", "--limit", "3"]):
        assert "error_percent" not in json.dumps(ask(weir, data, *words)), words


def main():
    weir = sys.argv[1]
    for name, rates in (("one rate", [100]), ("two rates", [50, 1000]), ("half", [2]), ("sampled and not", [1, 1, 400]), ("not sampled", [1])):
        with tempfile.TemporaryDirectory(prefix="weir-error-") as tmp:
            shown(weir, check(weir, pathlib.Path(tmp), name, rates), max(rates) > 1)


main()
