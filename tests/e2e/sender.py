"""An exporter that sends numbered records at a pace, and the check that all of them are there, once."""
import json
import pathlib
import socket
import struct
import sys
import threading
import time

OCTETS = pathlib.Path(sys.argv[1]).read_bytes()
SLOW = b"__tsan_" in OCTETS or b"__asan_" in OCTETS
RECORDS = 40  # of a datagram
MANY = sys.argv[2:3] != [] and int(sys.argv[2]) > 20  # kills: the machine may be too slow for what is sent meanwhile


class Sender(threading.Thread):
    """One IPFIX exporter. Each record has a source address of its own and (its number % 1000 + 1) octets."""

    def __init__(self, port, per_second, source="127.0.0.1"):
        super().__init__(daemon=True)
        self.s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.s.bind((source, 0))
        self.to = ("127.0.0.1", port)
        self.gap = RECORDS / per_second
        self.records = self.octets = self.waiting = 0
        self.halt = threading.Event()
        self.began = int(time.time())
        self.base = 0x0A000000 + (int(source.split(".")[-1]) << 27)

    def message(self, body, n):
        self.s.sendto(struct.pack("!HHIII", 10, 16 + len(body), int(time.time()), self.records, 7) + body, self.to)
        self.records += n

    def template(self, number):
        fields = [(8, 4), (12, 4), (1, 4), (2, 4), (152, 8), (153, 8)]
        t = struct.pack("!HH", number, len(fields)) + b"".join(struct.pack("!HH", *f) for f in fields)
        self.message(struct.pack("!HH", 2, 4 + len(t)) + t, 0)

    def data(self, number, n):
        now = int(time.time() * 1000)
        out = b"".join(struct.pack("!IIIIQQ", self.base + i, 0xC0A80001, i % 1000 + 1, 1, now - 5, now)
                       for i in range(self.records, self.records + n))
        self.octets += sum(i % 1000 + 1 for i in range(self.records, self.records + n))
        self.message(struct.pack("!HH", number, 4 + len(out)) + out, n)

    def run(self):
        due = time.monotonic()
        while not self.halt.is_set():
            self.data(256, RECORDS)
            due += self.gap
            while (left := due - time.monotonic()) > 0:
                time.sleep(left)

    def stop(self):
        self.halt.set()
        self.join()


def dropped(s):
    d = s.status()["datagrams"]
    assert d["kernel_dropped"] == 0 and d["ring_dropped"] == 0 and d["lost_in_crash"] == 0, d
    return d


def records_of(s):
    """Flows that the exporters sent, by what their numbers say was lost: (flows, lost)."""
    x = s.status()["exporters"]
    return sum(e["records"]["flows"] for e in x), sum(e["lost"] for e in x)


def twice(s, senders):
    """Records that are there more than once. Twins have the same times, so frames are asked one after the other: memory for each."""
    rows, at, step = [], min(x.began for x in senders) - 60, 20
    while at < time.time() + 60:
        frame = [f"{word}={time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(t))}" for word, t in (("--from", at), ("--to", at + step))] if MANY else []
        rows += json.loads(s.run("query", "-o", "json", "--dedup", "off", "--by", "src ip", "--measure", "flows", "--having", "flows > 1", *frame).stdout)["rows"]
        at = at + step if MANY else time.time() + 3600
    return [r for r in rows if r.get("src ip")]


def check(s, senders):
    """Every record that was sent is there, once."""
    flows, octets = sum(x.records for x in senders), sum(x.octets for x in senders)
    s.wait(lambda: sum(records_of(s)) >= flows, f"{flows} records, or word of their loss", 60)
    lost = records_of(s)[1]
    if MANY and lost:  # a machine that is too slow; each datagram that is missing was counted where it went
        d = s.status()["datagrams"]
        assert lost == RECORDS * (d["kernel_dropped"] + d["ring_dropped"] + d["lost_in_crash"]), (lost, d)
        assert records_of(s)[0] == s.totals()["flows"] == flows - lost, (flows, lost, s.totals())
        return
    s.wait(lambda: s.totals()["flows"] >= flows, f"{flows} records", 60)
    t = s.totals()
    rows = twice(s, senders)
    assert t["flows"] == flows and t["bytes"] == octets and not rows, (t, flows, octets, rows[:3])
    s.wait(lambda: (d := s.status()["datagrams"])["total"] >= d["received"], "all datagrams in the status", 10)
    d, r = dropped(s), s.status()["records"]
    assert d["received"] == d["total"] == d["accepted"] + sum(d["refused"].values()), d
    assert r["flows"] == flows and r["sealed"] + r["open"] + r["refused"] == r["flows"] + r["options"], r
