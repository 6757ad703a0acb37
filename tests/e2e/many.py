"""What strangers send, and what it costs: senders from many addresses of 127.0.0.0/8, a trusted exporter among them
whose every record is known, and the memory of the server meanwhile. For test_many.py and bench/many.py."""
import json
import os
import re
import socket
import struct
import subprocess
import tempfile
import threading
import time

from harness import v5

MIB = 1 << 20
TRUSTED = "127.9.0.1"


def a_set(number, body):
    return struct.pack("!HH", number, 4 + len(body)) + body


BOOT = int(time.time()) - 3600


def v9(seq, domain, *sets):
    now = time.time()
    return struct.pack("!HHIIII", 9, len(sets), int((now - BOOT) * 1000), int(now), seq, domain) + b"".join(sets)


PLAIN = [(8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (1, 4), (2, 4)]
PLAIN_RECORD = struct.pack("!IIHHBII", 0x0A000001, 0x0A000002, 1025, 443, 6, 100, 2)


def template(number, fields):
    return a_set(0, struct.pack("!HH", number, len(fields)) + b"".join(struct.pack("!HH", *f) for f in fields))


def address(i):
    """Stranger i: 127.16.0.0 and on."""
    return socket.inet_ntoa(struct.pack("!I", 0x7F100000 + i))


class Trusted:
    """Sends v5 and v9 from one address and port at a steady pace, `with` it; goes on where it was the next time."""

    def __init__(self, port, pause_s=0.002):
        self.port, self.pause_s = port, pause_s
        self.flows = {5: 0, 9: 0}
        self.datagrams = self.seq = 0
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((TRUSTED, 0))

    def run(self):
        while not self.done.is_set():
            self.sock.sendto(v5(self.flows[5], 10), ("127.0.0.1", self.port))
            self.flows[5] += 10
            sets = [a_set(300, PLAIN_RECORD * 10)]
            if self.seq == 0:  # once, never again
                sets.insert(0, template(300, PLAIN))
            self.sock.sendto(v9(self.seq, 1, *sets), ("127.0.0.1", self.port))
            self.flows[9] += 10
            self.seq += 1
            self.datagrams += 2
            time.sleep(self.pause_s)

    def __enter__(self):
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()
        return self

    def __exit__(self, *why):
        self.done.set()
        self.thread.join()


class Meter(threading.Thread):
    """Largest anonymous memory of a process, and its processor time."""

    def __init__(self, pid):
        super().__init__()
        self.pid = pid
        self.peak = 0
        self.done = threading.Event()
        self.cpu0 = self.cpu()

    def cpu(self):
        words = open(f"/proc/{self.pid}/stat", encoding="ascii").read().rsplit(")", 1)[1].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def anonymous(self):
        with open(f"/proc/{self.pid}/status", encoding="ascii", errors="replace") as f:
            return int(re.search(r"RssAnon:\s+(\d+)", f.read()).group(1)) * 1024

    def run(self):
        while not self.done.wait(0.05):
            self.peak = max(self.peak, self.anonymous())

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *why):
        self.done.set()
        self.join()
        self.peak = max(self.peak, self.anonymous())
        self.cpu_s = self.cpu() - self.cpu0


class Pace:
    """Not faster than so many a second: what is measured is no sender that outruns the kernel's buffer."""

    def __init__(self, a_second):
        self.a_second, self.n, self.t0 = a_second, 0, time.monotonic()

    def step(self):
        self.n += 1
        if self.n % 64 == 0:
            ahead = self.n / self.a_second - (time.monotonic() - self.t0)
            if ahead > 0:
                time.sleep(ahead)


def strangers(port, n, make, a_second, times=1):
    """make(i) -> datagrams of stranger i; each stranger has an address and a socket of its own."""
    pace, sent = Pace(a_second), 0
    for _ in range(times):
        for i in range(n):
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.bind((address(i), 0))
            for d in make(i):
                s.sendto(d, ("127.0.0.1", port))
                sent += 1
                pace.step()
            s.close()
    return sent


def one_v5(i):
    return [v5(0, 1, base_ip=i)]


def one_v9(i):
    return [v9(0, 1, template(256, PLAIN), a_set(256, PLAIN_RECORD))]


def one_v9_waiting(i):
    return [v9(0, 1, a_set(256, PLAIN_RECORD * 10))]


def storm(port, templates, fields, rounds, a_second, source=TRUSTED):
    """Templates that mean something else each time, one record behind each."""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((source, 0))
    pace, sent = Pace(a_second), 0
    for r in range(rounds):
        for t in range(templates):
            f = [(1 + (i * 7 + t + 13 * r) % 400, 1 if i % 3 else 4) for i in range(fields)]
            record = bytes(sum(n for _, n in f))
            s.sendto(v9(sent, 77, template(1000 + t, f), a_set(1000 + t, record)), ("127.0.0.1", port))
            sent += 1
            pace.step()
    s.close()
    return sent


ENV = dict(os.environ, ASAN_OPTIONS="detect_leaks=0")  # the generator frees nothing


def flowgen_file(flowgen, *options):
    f = tempfile.NamedTemporaryFile(suffix=".pcap", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
    said = subprocess.run([flowgen, *map(str, options), "-9", f.name], capture_output=True, text=True, check=True, env=ENV).stderr
    return f, int(re.search(r"datagrams v9 (\d+)", said).group(1))


def replay(flowgen, pcap, port, a_second):
    subprocess.run([flowgen, "-r", pcap.name, "-p", str(port), "-P", str(int(a_second))], check=True, capture_output=True, env=ENV)


def settle(server, datagrams, seconds=120):
    """Until all of them are decoded; -> status."""
    end = time.monotonic() + seconds
    while True:
        st = server.status()
        d = st["datagrams"]
        if d["total"] + d["kernel_dropped"] + d["ring_dropped"] >= datagrams or time.monotonic() > end:
            return st
        time.sleep(0.1)


def ledgers(o):
    d, s, r = o["datagrams"], o["sets"], o["records"]
    assert d["accepted"] + sum(d["refused"].values()) == d["total"], d
    assert s["decoded"] + s["template"] + s["waiting"] + sum(s["expired"].values()) + sum(s["malformed"].values()) \
        == s["total"], s
    assert r["flows"] + r["options"] == r["sealed"] + r["open"] + r["refused"], r


# Options that make the ceilings low enough to be reached in seconds.
OPTIONS = {"decoder.memory": 2 * MIB, "decoder.max_waiting_total": MIB, "seal.memory": 16 * MIB, "decoder.max_exporters": 20000,
           "decoder.max_untrusted": 200, "seal.rows": 1048576, "compact.enabled": "no"}
TOTALS = 27 * MIB      # tables of running totals: constants of the decoder
BATCH = 24 * MIB       # the batch being written with its index, and what malloc keeps
STATUS = 3 * 560       # of each exporter: three lists for the status


def ceiling(options, shards=1):
    """Octets of anonymous memory beyond the idle server that no stranger can make it go (docs/guide.md): sealing takes
    twice what it seals."""
    exporters = options["decoder.max_exporters"] + options["decoder.max_untrusted"]
    exporters = min(exporters, options["decoder.memory"] // 900)
    one = options["decoder.memory"] + options["decoder.max_waiting_total"] + STATUS * exporters
    merging = options["compact.memory"] if options.get("compact.enabled") != "no" else 0
    return int(shards * (one + BATCH) + 3 * options["seal.memory"] + merging)


def measure(server, send, trusted=None):
    """send(port) -> datagrams, beside a trusted exporter. -> what there is to know."""
    d = server.status()["datagrams"]
    t = trusted or Trusted(server.port)
    before = d["total"] + d["kernel_dropped"] + d["ring_dropped"] - t.datagrams
    with Meter(server.data_pid()) as m:
        with t:
            time.sleep(0.2)
            t0 = time.monotonic()
            sent = send(server.port)
            sending_s = time.monotonic() - t0
            time.sleep(0.2)
        st = settle(server, before + sent + t.datagrams)
    ledgers(st)
    mine = {o["version"]: o for o in st["exporters"] if o["address"] == TRUSTED and o["domain"] in (0, 1)}
    return {"strangers_sent": sent, "sending_s": round(sending_s, 2), "trusted_sent": dict(t.flows),
            "trusted_decoded": {v: o["records"]["flows"] for v, o in mine.items()},
            "trusted_lost": sum(o["lost"] for o in mine.values()), "kernel_dropped": st["datagrams"]["kernel_dropped"],
            "ring_dropped": st["datagrams"]["ring_dropped"], "refused": st["datagrams"]["refused"],
            "expired": st["sets"]["expired"], "malformed": st["sets"]["malformed"], "waiting": st["sets"]["waiting"],
            "records": st["records"]["flows"], "exporters": st["exporters_known"], "untrusted": st["exporters_untrusted"],
            "memory": st["memory"], "anonymous_octets": m.peak, "cpu_s": round(m.cpu_s, 2), "total": st["datagrams"]["total"]}


def trusted_is_whole(server, o):
    """Every record of the trusted exporter is decoded and can be asked for."""
    assert o["kernel_dropped"] == 0 and o["ring_dropped"] == 0, o
    assert o["trusted_decoded"] == o["trusted_sent"] and o["trusted_lost"] == 0, o
    trusted_is_stored(server, o)


def trusted_is_stored(server, o):
    rows = json.loads(server.run("query", "-o", "json", f"exporter {TRUSTED} and bytes 100", "--by", "version,domain",
                                 "--top", "0").stdout)["rows"]
    got = {(r["version"], r["domain"]): (r["flows"], r["bytes"], r["packets"]) for r in rows}
    for key in ((5, 0), (9, 1)):
        n = o["trusted_sent"][key[0]]
        assert got[key] == (n, 100 * n, 2 * n), (key, got, n)
