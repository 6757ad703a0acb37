#!/usr/bin/env python3
"""usage: test_exporters.py WEIR
weir exporters: each fault is provoked by an exporter of its own and named, with its verdict and what to type; an exporter
without fault is green."""
import json
import os
import pathlib
import signal
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import Server  # noqa: E402

WEIR = str(pathlib.Path(sys.argv[1]).resolve())
BASE = [(8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (10, 4), (1, 4), (2, 4), (152, 8), (153, 8)]
CLIENT, SERVER = 0x0A000000, 0xC0A80000


class Exporter:
    """IPFIX. Element numbers may be (number, enterprise)."""

    def __init__(self, port, address, extra=(), ahead=0):
        self.address, self.to, self.seq, self.ahead = address, ("127.0.0.1", port), 0, ahead
        self.fields = BASE + list(extra)
        self.s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.s.bind((address, 0))

    def send(self, body, records, count=True):
        head = struct.pack("!HHIII", 10, 16 + len(body), int(time.time()) + self.ahead, self.seq, 7)
        self.s.sendto(head + body, self.to)
        self.seq += records if count else 0
        time.sleep(0.001)

    @staticmethod
    def a_set(number, body):
        return struct.pack("!HH", number, 4 + len(body)) + body

    @staticmethod
    def field(f):
        return struct.pack("!HHI", f[0] | 0x8000, f[1], f[2]) if len(f) > 2 else struct.pack("!HH", *f)

    def template(self):
        self.send(self.a_set(2, struct.pack("!HH", 300, len(self.fields)) + b"".join(self.field(f) for f in self.fields)), 0)

    def options(self, rate):
        """For the whole observation domain."""
        fields = [(149, 4), (305, 4), (306, 4)]
        t = struct.pack("!HHH", 400, len(fields), 1) + b"".join(self.field(f) for f in fields)
        self.send(self.a_set(3, t), 0)
        self.send(self.a_set(400, struct.pack("!III", 7, 1, rate - 1)), 1)

    def record(self, i, back=False, lasts=2000, packets=10, extra=b""):
        """Of the TCP conversation i, in one of its directions."""
        now = (int(time.time()) + self.ahead) * 1000
        a, b = (CLIENT + i, 1024 + i), (SERVER + i % 7, 443)
        if back:
            a, b = b, a
        return struct.pack("!IIHHBIIIQQ", a[0], b[0], a[1], b[1], 6, 3, packets * 100, packets, now - lasts, now) + extra

    def data(self, *records):
        for at in range(0, len(records), 20):
            some = records[at:at + 20]
            self.send(self.a_set(300, b"".join(some)), len(some))

    def talk(self, n=40, **how):
        """n conversations, both directions of each."""
        self.data(*(self.record(i, back, **how) for i in range(n) for back in (False, True)))


def healthy(x):
    x.template()
    x.options(100)
    x.talk()


def never_a_template(x):
    x.talk()


def nobody_says_the_rate(x):
    x.template()
    x.talk()


def cisco_does_not_say_the_rate(x):
    x.template()
    x.talk(extra=b"\0\0\0\1")


def records_against_options(x):
    x.template()
    x.options(100)
    x.talk(extra=struct.pack("!I", 500))


def two_rates_in_turn(x):
    x.template()
    x.data(*(x.record(i, back, extra=struct.pack("!I", 100 if i % 20 < 10 else 400)) for i in range(40) for back in (False, True)))


def rate_changes_once(x):
    x.template()
    x.data(*(x.record(i, back, extra=struct.pack("!I", 100 if i < 20 else 400)) for i in range(40) for back in (False, True)))


def a_few_are_lost(x):
    healthy(x)
    for _ in range(12):
        x.talk()
    x.seq += 5  # of a thousand
    x.talk()


def many_are_lost(x):
    healthy(x)
    x.seq += 50
    x.talk()


def long_flows_come_late(x):
    x.template()
    x.options(100)
    x.talk(lasts=300_000)


def metered_twice(x):
    x.template()
    x.options(100)
    for way in (b"\0", b"\1"):
        x.talk(extra=way)


def metered_on_the_way_out(x):
    x.template()
    x.options(100)
    x.talk(extra=b"\1")


def one_direction(x):
    x.template()
    x.options(100)
    x.data(*(x.record(i) for i in range(40)))


def one_direction_of_short_ones(x):
    """A scan, or a sampled exporter's few packets: says nothing."""
    x.template()
    x.options(100)
    x.data(*(x.record(i, packets=2) for i in range(40)))


#        what is sent, further elements, its clock, verdict and causes
CASES = [
    (healthy, [], 0, "green", []),
    (never_a_template, [], 0, "red", ["no_template"]),
    (nobody_says_the_rate, [], 0, "amber", ["rate_unknown"]),
    (cisco_does_not_say_the_rate, [(12234, 4, 9)], 0, "amber", ["rate_unknown"]),
    (records_against_options, [(34, 4)], 0, "red", ["two_rates"]),
    (two_rates_in_turn, [(34, 4)], 0, "red", ["two_rates"]),
    (rate_changes_once, [(34, 4)], 0, "green", []),
    (a_few_are_lost, [], 0, "amber", ["loss"]),
    (many_are_lost, [], 0, "red", ["loss"]),
    (long_flows_come_late, [], 0, "amber", ["active_timeout"]),
    (healthy, [], 7200, "amber", ["clock"]),
    (healthy, [], -7200, "amber", ["clock"]),
    (healthy, [], 30, "green", []),
    (metered_twice, [(61, 1)], 0, "amber", ["both_metered"]),
    (metered_on_the_way_out, [(61, 1)], 0, "green", []),
    (one_direction, [], 0, "amber", ["one_direction"]),
    (one_direction_of_short_ones, [], 0, "green", []),
]
STRANGER = "127.0.1.9"


class Agent:
    """sFlow: samples of frames of 1000 octets, one in `rate`, and the counter of interface 3."""

    def __init__(self, port, address):
        self.address, self.to, self.seq, self.n = address, ("127.0.0.1", port), 0, 0
        self.s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.s.bind((address, 0))

    def send(self, kind, body, n=1):
        self.seq += 1
        head = struct.pack(">II4sIIII", 5, 1, socket.inet_aton(self.address), 0, self.seq, int(time.monotonic() * 1000) % 2 ** 32, n)
        self.s.sendto(head + struct.pack(">II", kind, len(body)) + body, self.to)
        time.sleep(0.001)

    def counter(self, octets):
        ifs = struct.pack(">IIQIIQIIIIIIQIIIIII", 3, 6, 10 ** 9, 1, 3, octets, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
        assert len(ifs) == 88
        self.send(2, struct.pack(">III", self.seq, 3, 1) + struct.pack(">II", 1, 88) + ifs)

    def samples(self, n, rate):
        for i in range(n):
            a, b = (0x0A000000 + i, 0xC0A80001)[::1 if i % 2 else -1]
            tcp = struct.pack(">HHIIBBHHH", 1024, 443, 0, 0, 0x50, 0x10, 0, 0, 0)
            ip = struct.pack(">BBHHHBBHII", 0x45, 0, 982, 0, 0, 64, 6, 0, a, b)
            frame = bytes(12) + b"\x08\0" + ip + tcp
            frame += bytes(-len(frame) % 4)
            raw = struct.pack(">IIII", 1, 1000, 4, len(frame)) + frame
            self.n += 1
            self.send(1, struct.pack(">IIIIIIII", self.n, 3, rate, self.n * rate, 0, 3, 4, 1) + struct.pack(">II", 1, len(raw)) + raw)


# what the interface counts, over what the samples stand for
AGENTS = [(1.0, "green", []), (10.0, "red", ["counters"]), (0.1, "red", ["counters"]), (2.0, "amber", ["counters"]), (1.2, "green", [])]


def counters_are_held_against_samples(s):
    agents = [Agent(s.port, f"127.0.0.{100 + i}") for i in range(len(AGENTS))]
    base = 5 * 10 ** 12
    for a in agents:
        a.counter(base)
    time.sleep(0.1)
    for a in agents:
        a.samples(200, 1000)
    time.sleep(5.2)
    for a, (times, _, _) in zip(agents, AGENTS):
        a.counter(base + int(200 * 1000 * 1000 * times))
    s.wait(lambda: all(page(s)[1].get(a.address, {"figures": {}})["figures"].get("records_to_counters") for a in agents), "the counters")
    by = page(s)[1]
    for a, (times, verdict, cause) in zip(agents, AGENTS):
        x = by[a.address]
        assert abs(x["figures"]["records_to_counters"] * times - 1) < 0.01, x
        assert (x["verdict"], causes(x)) == (verdict, cause), x
    assert "off by 10.0 times" in by[agents[1].address]["sentence"] and "counted more" in by[agents[1].address]["sentence"]
    assert "add up to 0.50 of what its interfaces counted" in s.run("exporters", agents[3].address).stdout


def address(i):
    return f"127.0.0.{10 + i}"


def page(s):
    o = json.loads(s.run("exporters", "-o", "json").stdout)
    return o, {x["address"]: x for x in o["exporters"]}


def causes(x):
    return [f["cause"] for f in x["findings"]]


def every_fault_is_named(s):
    for i, (case, extra, ahead, _, _) in enumerate(CASES):
        case(Exporter(s.port, address(i), extra, ahead))
    healthy(Exporter(s.port, STRANGER))
    s.wait(lambda: "no_template" in causes(page(s)[1].get(address(1), {"findings": []})), "the sets without a template to expire")
    o, by = page(s)
    wrong = []
    for i, (case, _, ahead, verdict, cause) in enumerate(CASES):
        x = by[address(i)]
        if x["verdict"] != verdict or causes(x) != cause:
            wrong.append((case.__name__, ahead, verdict, cause, x["verdict"], x["findings"]))
        assert bool(x["findings"]) or x["sentence"].startswith("in order"), x
    assert not wrong, wrong
    assert (by[STRANGER]["verdict"], causes(by[STRANGER])) == ("amber", ["not_trusted"]), by[STRANGER]
    colours = [x["verdict"] for x in o["exporters"]]
    assert colours == sorted(colours, key=["red", "amber", "green"].index), colours
    assert o["verdicts"] == {v: colours.count(v) for v in ("red", "amber", "green")}, o["verdicts"]


def what_to_type(s):
    _, by = page(s)
    cisco = by[address(3)]
    assert cisco["vendor"] == "cisco-fnf", cisco
    assert " option sampler-table timeout 300" in cisco["findings"][0]["type"], cisco
    unknown = by[address(2)]
    assert unknown["vendor"] is None
    assert any("weir exporters config" in line for line in unknown["findings"][0]["type"]), unknown
    assert f"sampling: [{address(2)}=1]" in unknown["findings"][0]["type"], unknown


def tables(s):
    text = s.run("exporters").stdout
    assert text.splitlines()[0].endswith(" green"), text
    assert f"amber   {address(2)} " in text and "sampling is unknown for 100 % of its records" in text, text
    text = s.run("exporters", address(3)).stdout
    assert "most likely cisco-fnf" in text and " option sampler-table timeout 300" in text, text
    assert address(2) not in text, text
    text = s.run("exporters", address(0)).stdout
    assert text.startswith("green   " + address(0)) and "sampling 1:100" in text, text
    assert "40 of 40 TCP conversations seen in both directions" in text, text
    assert "nothing was heard" in s.run("exporters", "127.0.0.250", code=1).stderr
    assert "did you mean weir exporters config" in s.run("exporters", "confg", code=2).stderr
    assert "no address" in s.run("exporters", "router1", code=2).stderr
    assert "only with weir exporters config" in s.run("exporters", "--port", "5", code=2).stderr
    assert [x["address"] for x in s.get("/api/v1/exporters", exporter=address(4))["exporters"]] == [address(4)]


def an_operators_rate_mends_it(s, conf):
    """Without a restart, and for what is stored; what the exporter tells counts before it, but against one that is forced."""
    assert s.totals(f"exporter {address(2)}")["bytes"] == 80 * 1000
    assert s.totals(f"exporter {address(4)}")["bytes"] == 80 * 1000 * 500
    conf.write_text(f'sampling: ["{address(2)}=1000", "{address(0)}=7", "{address(4)}=200!"]\n')
    s.p.send_signal(signal.SIGHUP)
    s.wait(lambda: s.totals(f"exporter {address(2)}")["bytes"] == 80 * 1000 * 1000, "the declared rate")
    assert s.totals(f"exporter {address(0)}")["bytes"] == 80 * 1000 * 100
    assert s.totals(f"exporter {address(4)}")["bytes"] == 80 * 1000 * 200
    _, by = page(s)
    for i in (0, 2, 4):
        assert by[address(i)]["verdict"] == "green", by[address(i)]


def a_tail_scales_too(s):
    out = open(s.dir / "tail", "w+b")
    t = subprocess.Popen([WEIR, "tail", "--data", s.data, "--columns", "bytes", "-o", "ndjson", f"exporter {address(0)}"], stdout=out)
    try:
        time.sleep(1)
        x = Exporter(s.port, address(0))
        x.template()
        x.talk()
        s.wait(lambda: (s.dir / "tail").read_bytes().count(b"\n") >= 80, "80 lines")
    finally:
        t.terminate()
        t.wait()
    assert {json.loads(line)["bytes"] for line in (s.dir / "tail").read_text().splitlines()} == {1000 * 100}


def what_the_kernel_dropped(s):
    """The data process stands still, and the receive buffer is small."""
    assert page(s)[1][address(0)]["verdict"] == "green"
    child = [p for p in s.pids() if p != s.p.pid]
    x = Exporter(s.port, address(0))
    for p in child:
        os.kill(p, signal.SIGSTOP)
    try:
        for i in range(4000):
            x.s.sendto(bytes(1000), x.to)
    finally:
        for p in child:
            os.kill(p, signal.SIGCONT)
    healthy(x)
    s.wait(lambda: "drops" in causes(page(s)[1][address(0)]), "the drops to be known")
    x = page(s)[1][address(0)]
    drops = [f for f in x["findings"] if f["cause"] == "drops"][0]
    assert drops["verdict"] == "red" and "weir doctor" in drops["type"], drops


def main():
    import tempfile
    with tempfile.TemporaryDirectory(prefix="weir-exporters-") as tmp:
        conf = pathlib.Path(tmp) / "weir.yaml"
        conf.write_text("{}\n")
        s = Server(WEIR, "--config", conf, "--decoder.waiting_age", "1s", "--exporters.allow", "127.0.0.0/24", "--receive_buffer", "64K")
        try:
            every_fault_is_named(s)
            what_to_type(s)
            tables(s)
            counters_are_held_against_samples(s)
            an_operators_rate_mends_it(s, conf)
            a_tail_scales_too(s)
            what_the_kernel_dropped(s)
        finally:
            s.kill_all()
    print("ok")


main()
