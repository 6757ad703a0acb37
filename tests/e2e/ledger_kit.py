"""Exporters that lose, reorder and repeat datagrams of NetFlow v5, v9 and IPFIX, and know what they left out."""
import collections
import random
import socket
import struct
import time

UPTIME = 3600_000  # ms, of an exporter at its first datagram
FIELDS = [(8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (1, 4), (2, 4), (22, 4), (21, 4)]


def record(n, begin, end):
    return struct.pack("!IIHHBIIII", 0x0A000000 + n % 5000, 0xC0A80000 + n % 77, 1024 + n % 3, 443, 17, 100, 2,
                       begin, end)


def v5_record(n, begin, end):
    return struct.pack("!IIIHHIIIIHHBBBBHHBBH", 0x0A000000 + n % 5000, 0xC0A80000 + n % 77, 0, 1, 2, 2, 100,
                       begin, end, 1024 + n % 3, 443, 0, 0x1B, 6, 0, 0, 0, 24, 24, 0)


def a_set(number, body):
    return struct.pack("!HH", number, 4 + len(body)) + body


def template(version):
    fields = b"".join(struct.pack("!HH", *f) for f in FIELDS)
    return a_set(0 if version == 9 else 2, struct.pack("!HH", 300, len(FIELDS)) + fields)


class Source:
    """One port of one exporter, with a sequence of its own. What it would send, it makes in order; what it leaves
    out, it counts."""

    def __init__(self, version, domain, address="127.0.0.1", first_template=0, lose=0.1, late=0.15, repeat=0.1, run=6):
        self.version, self.domain, self.address = version, domain, address
        self.lose, self.late, self.repeat = lose, late, repeat
        self.run = run  # datagrams after a start that arrive, in order
        self.first_template = first_template  # datagrams before it; None = never
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((address, 0))
        self.made = self.lost = self.repeated = self.restarts = 0
        self.sent = collections.Counter()
        self.start(UPTIME, random.getrandbits(32))

    def start(self, uptime_ms, seq):
        self.boot = time.time() - uptime_ms / 1000
        self.seq = seq
        self.since = 0
        self.queue = []

    def restart(self):
        """The device restarts: uptime and sequence begin anew. Nobody can see what was lost before it, unless it is told."""
        self.start(1000, 0)
        self.restarts += 1

    def make(self):
        """(datagram, what it adds to the ledgers, units of the sequence)"""
        n, now = random.randint(1, 20), time.time()
        uptime = int((now - self.boot) * 1000)
        begin, end = max(0, uptime - 5000), max(0, uptime - 1000)
        known = self.first_template is not None and self.made >= self.first_template
        with_template = known and (self.made == self.first_template or self.since == 0 or random.random() < 0.1)
        sets, count = [], n
        adds = collections.Counter(datagrams=1, data=1, flows=n)
        if self.version == 5:
            body = b"".join(v5_record(self.made * 20 + i, begin, end) for i in range(n))
            head = struct.pack("!HHIIIIHH", 5, n, uptime, int(now), 0, self.seq, self.domain, 0)
            units = n
        else:
            if with_template:
                sets.append(template(self.version))
                adds["template"] += 1
                count += 1
            sets.append(a_set(300, b"".join(record(self.made * 20 + i, begin, end) for i in range(n))))
            body = b"".join(sets)
            if self.version == 9:
                head = struct.pack("!HHIIII", 9, count, uptime, int(now), self.seq, self.domain)
                units = 1
            else:
                head = struct.pack("!HHIII", 10, 16 + len(body), int(now), self.seq, self.domain)
                units = n
        self.seq = (self.seq + units) & 0xFFFFFFFF
        self.made += 1
        self.since += 1
        return head + body, adds, units

    def some(self, k, last):
        """The next k, some lost, some late by a few, some twice. The first ones and the very last are sent, in order:
        nobody can see what was lost before or behind them."""
        for i in range(k):
            datagram, adds, units = self.make()
            safe = self.since <= self.run or (last and i == k - 1)
            chance = random.random()
            if safe:
                self.queue.append((0, datagram, adds))
            elif chance < self.lose:
                self.lost += units
            else:
                late = random.randint(1, 4) if chance < self.lose + self.late else 0
                self.queue.append((late, datagram, adds))
                if chance > 1 - self.repeat:
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


