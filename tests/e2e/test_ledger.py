#!/usr/bin/env python3
"""usage: test_ledger.py WEIR
A sender that loses, reorders and repeats datagrams of v5, v9 and IPFIX from several ports, while somebody asks all
the time and tiny segments are sealed: the three ledgers are exact, loss is what was left out, no count ever falls."""
import collections
import json
import pathlib
import random
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import Server  # noqa: E402

WEIR = sys.argv[1]
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else 20260303
ROUNDS = 24
AT = int(time.time())
UPTIME = 3600_000
FIELDS = [(8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (1, 4), (2, 4), (22, 4), (21, 4)]


def record(n):
    return struct.pack("!IIHHBIIII", 0x0A000000 + n % 5000, 0xC0A80000 + n % 77, 1024 + n % 3, 443, 17, 100, 2,
                       UPTIME - 5000, UPTIME - 1000)


def v5_record(n):
    return struct.pack("!IIIHHIIIIHHBBBBHHBBH", 0x0A000000 + n % 5000, 0xC0A80000 + n % 77, 0, 1, 2, 2, 100,
                       UPTIME - 5000, UPTIME - 1000, 1024 + n % 3, 443, 0, 0x1B, 6, 0, 0, 0, 24, 24, 0)


def a_set(number, body):
    return struct.pack("!HH", number, 4 + len(body)) + body


def template(version):
    fields = b"".join(struct.pack("!HH", *f) for f in FIELDS)
    return a_set(0 if version == 9 else 2, struct.pack("!HH", 300, len(FIELDS)) + fields)


class Source:
    """One port of one exporter, with a sequence of its own. What it would send, it makes in order; what it leaves
    out, it counts."""

    def __init__(self, version, domain, address="127.0.0.1", first_template=0):
        self.version, self.domain, self.address = version, domain, address
        self.seq = random.getrandbits(32)
        self.made = 0
        self.first_template = first_template  # datagrams before it; None = never
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((address, 0))
        self.queue = []
        self.lost = self.repeated = 0
        self.sent = collections.Counter()

    def make(self):
        """(datagram, what it adds to the ledgers, units of the sequence)"""
        n = random.randint(1, 20)
        known = self.first_template is not None and self.made >= self.first_template
        with_template = known and (self.made == self.first_template or random.random() < 0.1)
        sets, count = [], n
        adds = collections.Counter(datagrams=1, data=1, flows=n)
        if self.version == 5:
            body = b"".join(v5_record(self.made * 20 + i) for i in range(n))
            head = struct.pack("!HHIIIIHH", 5, n, UPTIME, AT, 0, self.seq, self.domain, 0)
            units = n
        else:
            if with_template:
                sets.append(template(self.version))
                adds["template"] += 1
                count += 1
            sets.append(a_set(300, b"".join(record(self.made * 20 + i) for i in range(n))))
            body = b"".join(sets)
            if self.version == 9:
                head = struct.pack("!HHIIII", 9, count, UPTIME, AT, self.seq, self.domain)
                units = 1
            else:
                head = struct.pack("!HHIII", 10, 16 + len(body), AT, self.seq, self.domain)
                units = n
        self.seq = (self.seq + units) & 0xFFFFFFFF
        self.made += 1
        return head + body, adds, units

    def some(self, k, last):
        """The next k, some lost, some late by a few, some twice. The first ones and the very last are sent, in order:
        nobody can see what was lost before or behind them."""
        for i in range(k):
            datagram, adds, units = self.make()
            safe = self.made <= 6 or (last and i == k - 1)
            chance = random.random()
            if safe:
                self.queue.append((0, datagram, adds))
            elif chance < 0.1:
                self.lost += units
            else:
                late = random.randint(1, 4) if chance < 0.25 else 0
                self.queue.append((late, datagram, adds))
                if chance > 0.9:
                    self.repeated += 1
                    self.queue.append((random.randint(0, 3), datagram, adds))
        order = sorted(range(len(self.queue)), key=lambda i: (i + self.queue[i][0], i))
        if last:  # nothing overtakes the very last
            order.remove(len(self.queue) - 1)
            order.append(len(self.queue) - 1)
        for i in order:
            yield self.queue[i][1:]
        self.queue = []

    def send(self, port, datagram, adds):
        self.sock.sendto(datagram, ("127.0.0.1", port))
        self.sent.update(adds)


def ledgers(o):
    d, s = o["datagrams"], o["sets"]
    assert d["accepted"] + sum(d["refused"].values()) == d["total"], d
    assert s["decoded"] + s["template"] + s["waiting"] + sum(s["expired"].values()) + sum(s["malformed"].values()) \
        == s["total"], s


def ask_all_the_time(server, sources, done, wrong):
    seen = collections.Counter()
    while not done.is_set():
        rows = json.loads(server.run("query", "-o", "json", "--by", "exporter,domain", "--top", "0").stdout)["rows"]
        # asked before: what had been sent when the answer came is no less
        sent = sum(s.sent["flows"] for s in sources)
        total = 0
        for r in rows:
            key = (r["exporter"], r["domain"])
            if r["flows"] < seen[key] or r["bytes"] != 100 * r["flows"] or r["packets"] != 2 * r["flows"]:
                wrong.append((key, seen[key], r))
            seen[key] = r["flows"]
            total += r["flows"]
        if total > sent:
            wrong.append(("more than was sent", total, sent))
        time.sleep(0.05)  # starting a client costs more than its question


def loss_reordering_and_repetition_are_counted_exactly():
    random.seed(SEED)
    sources = [Source(5, 0x0101), Source(5, 0x0102), Source(9, 7), Source(9, 8, first_template=4),
               Source(9, 9, first_template=None), Source(10, 20), Source(10, 21), Source(10, 21),
               Source(10, 20, address="127.0.0.2"), Source(9, 7, address="127.0.0.2")]
    bad = [b"\x00\x05", b"\x00\x63" + bytes(40), struct.pack("!HHIII", 10, 900, AT, 0, 20), b"", b"\x09"]
    with Server(WEIR, "--shards", "2", "--seal.rows", "400") as s:
        done, wrong, garbage = threading.Event(), [], 0
        asker = threading.Thread(target=ask_all_the_time, args=(s, sources, done, wrong))
        asker.start()
        try:
            for r in range(ROUNDS):
                for x in sources:
                    for datagram, adds in x.some(8 if x.first_template is not None else 3, r == ROUNDS - 1):
                        x.send(s.port, datagram, adds)
                if r % 10 == 5:
                    s.send(bad)
                    garbage += len(bad)
                sent = garbage + sum(x.sent["datagrams"] for x in sources)
                if r % 4 == 3 or r == ROUNDS - 1:  # not faster than a small receive buffer is read
                    s.wait(lambda: s.status()["datagrams"]["total"] == sent, f"{sent} datagrams", 60)
                time.sleep(0.005)
        finally:
            done.set()
            asker.join()
        assert not wrong, (SEED, wrong[:5])

        decoded = [x for x in sources if x.first_template is not None]
        flows = sum(x.sent["flows"] for x in decoded)
        s.wait(lambda: s.status()["records"]["flows"] == flows, "the last records", 30)
        st = s.status()
        d, r, sets = st["datagrams"], st["records"], st["sets"]
        assert d["kernel_dropped"] == 0 and d["ring_dropped"] == 0 and d["received"] == d["total"] == sent, d
        assert sum(d["refused"].values()) == garbage, (d, garbage)
        assert sets["waiting"] == sum(x.sent["data"] for x in sources if x not in decoded), sets
        assert sets["decoded"] == sum(x.sent["data"] for x in decoded), sets
        assert sets["template"] == sum(x.sent["template"] for x in sources), sets
        assert r["flows"] == flows == r["sealed"] + r["open"] + r["refused"] and r["refused"] == 0, r
        assert st["store"]["segments"] > 5, st["store"]
        ledgers(st)

        want = collections.defaultdict(collections.Counter)
        for x in sources:
            k = want[x.address, x.version, x.domain]
            k.update(x.sent)
            k.update(lost=x.lost, repeated=x.repeated)
            if x.first_template is None:
                k["flows"] = 0
        assert len(st["exporters"]) == len(want), st["exporters"]
        for o in st["exporters"]:
            k = want[o["address"], o["version"], o["domain"]]
            ledgers(o)
            assert o["datagrams"]["accepted"] == k["datagrams"] and o["records"]["flows"] == k["flows"], (SEED, o, k)
            assert o["lost"] == k["lost"], (SEED, o["lost"], k, o)
            assert o["duplicated"] == k["repeated"] and o["restarts"] == 0, (SEED, o, k)
            assert k["lost"] > 0 and (o["reordered"] > 0 or k["flows"] == 0), (SEED, o, k)

        def by_exporter():
            rows = json.loads(s.run("query", "-o", "json", "--by", "exporter,version,domain", "--top", "0").stdout)
            return {(x["exporter"], x["version"], x["domain"]): (x["flows"], x["bytes"], x["packets"])
                    for x in rows["rows"]}
        answer = {k: (v["flows"], 100 * v["flows"], 2 * v["flows"]) for k, v in want.items() if v["flows"]}
        assert by_exporter() == answer, (SEED, by_exporter(), answer)
        assert s.stop() == 0, s.text()
        assert by_exporter() == answer, (SEED, by_exporter(), answer)


loss_reordering_and_repetition_are_counted_exactly()
print("ok loss_reordering_and_repetition_are_counted_exactly")
