#!/usr/bin/env python3
"""Ways in which exporters say their sampling rate, and what Weir must make of them: the volume on the wire, as the exporter of
each case saw it before it sampled.

usage: sampling.py WEIR
"""
import json
import pathlib
import struct
import subprocess
import sys
import tempfile

T0 = 1700000000  # of the first datagram; each case lasts a few minutes
OCTETS, PACKETS = 1500, 3  # of every record, as exported
SYSTEM, INTERFACE = 1, 2  # scopes of NetFlow v9


def field(f):
    """(id, octets) -> a field of a template"""
    return struct.pack(">HH", f[0], f[1])


def body(fields, values):
    return b"".join(v if isinstance(v, bytes) else v.to_bytes(f[1], "big") for f, v in zip(fields, values))


class Exporter:
    """Datagrams of one case, each with the second at which it arrives."""

    def __init__(self, version, domain=7, port=2055):
        self.version, self.domain, self.port, self.seq, self.out = version, domain, port, 0, []

    def send(self, at, *sets, records=1):
        content = b"".join(sets)
        if self.version == 9:
            head = struct.pack(">HHIIII", 9, len(sets), 3600000 + at * 1000, T0 + at, self.seq, self.domain)
            self.seq += 1
        else:
            head = struct.pack(">HHIII", 10, 16 + len(content), T0 + at, self.seq, self.domain)
            self.seq += records
        self.out.append((at, self.port, head + content))

    def set(self, number, content):
        pad = -len(content) % 4 if number >= 256 else 0
        return struct.pack(">HH", number, 4 + len(content) + pad) + content + bytes(pad)

    def template(self, number, fields):
        return self.set(0 if self.version == 9 else 2, struct.pack(">HH", number, len(fields)) + b"".join(field(f) for f in fields))

    def options(self, number, scope, fields):
        both = b"".join(field(f) for f in scope + fields)
        if self.version == 9:
            return self.set(1, struct.pack(">HHH", number, 4 * len(scope), 4 * len(fields)) + both)
        return self.set(3, struct.pack(">HHH", number, len(scope) + len(fields), len(scope)) + both)

    def data(self, number, fields, *rows):
        return self.set(number, b"".join(body(fields, r) for r in rows))


FLOW = [(8, 4), (12, 4), (10, 4), (14, 4), (4, 1), (1, 4), (2, 4)]


def times(e, at):
    """Start and end of a record, by the clock of its protocol."""
    if e.version == 9:
        return [(22, 4), (21, 4)], [3600000 + at * 1000] * 2
    return [(152, 8), (153, 8)], [(T0 + at) * 1000] * 2


def flows(e, at, n=1, extra=(), values=(), in_if=1, number=300, template=True):
    """n records of OCTETS and PACKETS at a second."""
    tf, tv = times(e, at)
    fields = FLOW + tf + list(extra)
    row = [0x0A000001, 0x0A000002, in_if, 2, 6, OCTETS, PACKETS] + tv + list(values)
    sets = [e.template(number, fields)] if template else []
    e.send(at, *sets, e.data(number, fields, *[row] * n), records=n)


def told(e, at, scope, fields, *rows, number=400):
    e.send(at, e.options(number, scope, fields), e.data(number, scope + fields, *rows), records=len(rows))


def v5(rate, n):
    rec = struct.pack(">IIIHHIIIIHHBBBBHHBBH", 1, 2, 0, 1, 2, PACKETS, OCTETS, 3600000, 3600000, 1, 2, 0, 0, 6, 0, 0, 0, 0, 0, 0)
    return struct.pack(">HHIIIIBBH", 5, n, 3600000, T0, 0, 0, 0, 0, 0x4000 | rate) + rec * n


# ------------------------------------------------------------------------------------------------------------------ cases
# each gives datagrams and the number of records by the rate they stand for; 0: not known, they count once

def header_v5():
    return [(0, 2055, v5(100, 4))], {100: 4}


def in_the_record():
    e = Exporter(9)
    flows(e, 1, 3, [(34, 4)], [250])
    return e.out, {250: 3}


def system_before():
    e = Exporter(9)
    told(e, 0, [(SYSTEM, 4)], [(34, 4), (35, 1)], [7, 512, 1])
    flows(e, 1, 2)
    return e.out, {512: 2}


def system_late():
    e = Exporter(9)
    flows(e, 1, 2)
    told(e, 60, [(SYSTEM, 4)], [(34, 4), (35, 1)], [7, 512, 1])
    return e.out, {512: 2}


def by_sampler():
    e = Exporter(9)
    told(e, 0, [(SYSTEM, 4)], [(48, 1), (49, 1), (50, 4)], [7, 5, 2, 1000])
    flows(e, 1, 2, [(48, 1)], [5])
    return e.out, {1000: 2}


def two_samplers():
    e = Exporter(9)
    told(e, 0, [(SYSTEM, 4)], [(48, 1), (49, 1), (50, 4)], [7, 1, 2, 100], [7, 2, 2, 2000])
    flows(e, 1, 4, [(48, 1)], [1])
    flows(e, 2, 3, [(48, 1)], [2], number=301)
    return e.out, {100: 4, 2000: 3}


def sampler_with_name_and_late():
    e = Exporter(9)
    flows(e, 1, 4, [(48, 2)], [300])
    told(e, 90, [(SYSTEM, 4)], [(48, 2), (84, 8), (49, 1), (50, 2)], [7, 300, b"edge\0\0\0\0", 2, 64])
    return e.out, {64: 4}


def by_interface():
    e = Exporter(9)
    told(e, 0, [(INTERFACE, 4)], [(34, 4)], [11, 300], [12, 700])
    flows(e, 1, 2, in_if=11)
    flows(e, 2, 3, in_if=12, template=False)
    return e.out, {300: 2, 700: 3}


def interface_before_system():
    e = Exporter(9)
    told(e, 0, [(SYSTEM, 4)], [(34, 4)], [7, 50])
    told(e, 1, [(INTERFACE, 4)], [(34, 4)], [11, 300], number=401)
    flows(e, 2, 2, in_if=11)
    flows(e, 3, 2, in_if=12, template=False)
    return e.out, {300: 2, 50: 2}


def interface_of_ipfix():
    e = Exporter(10)
    told(e, 0, [(10, 4)], [(34, 4)], [11, 40])
    flows(e, 1, 2, in_if=11)
    return e.out, {40: 2}


def selector_interval_and_space():
    e = Exporter(10)
    told(e, 0, [(302, 8)], [(304, 2), (305, 4), (306, 4)], [9, 1, 1, 127])
    flows(e, 1, 2, [(302, 8)], [9])
    return e.out, {128: 2}


def size_and_population():
    e = Exporter(10)
    told(e, 0, [(302, 4)], [(304, 2), (309, 4), (310, 4)], [9, 3, 2, 512])
    flows(e, 1, 2, [(302, 4)], [9])
    return e.out, {256: 2}


def probability():
    e = Exporter(10)
    told(e, 0, [(302, 4)], [(304, 2), (311, 8)], [9, 4, struct.pack(">d", 1 / 400)])
    flows(e, 1, 2, [(302, 4)], [9])
    return e.out, {400: 2}


def interval_in_the_record():
    e = Exporter(10)
    flows(e, 1, 2, [(305, 4), (306, 4)], [10, 990])
    return e.out, {100: 2}


def one_in_one():
    e = Exporter(9)
    told(e, 0, [(SYSTEM, 4)], [(34, 4)], [7, 1])
    flows(e, 1, 5)
    return e.out, {1: 5}


def nobody_says():
    e = Exporter(9)
    flows(e, 1, 5)
    return e.out, {0: 5}


def changed_in_mid_stream():
    e = Exporter(9)
    told(e, 0, [(SYSTEM, 4)], [(34, 4)], [7, 100])
    flows(e, 10, 3)
    told(e, 60, [(SYSTEM, 4)], [(34, 4)], [7, 400])
    flows(e, 70, 2)
    told(e, 120, [(SYSTEM, 4)], [(34, 4)], [7, 100])
    flows(e, 130, 1)
    return e.out, {100: 4, 400: 2}


def zero_in_the_record():
    e = Exporter(9)
    told(e, 0, [(SYSTEM, 4)], [(34, 4)], [7, 500])
    flows(e, 1, 2, [(34, 4)], [0])
    return e.out, {500: 2}


def sampler_that_nobody_told():
    e = Exporter(9)
    told(e, 0, [(SYSTEM, 4)], [(34, 4)], [7, 500])
    flows(e, 1, 2, [(48, 1)], [77])
    return e.out, {500: 2}


def record_before_options():
    e = Exporter(9)
    told(e, 0, [(SYSTEM, 4)], [(34, 4)], [7, 500])
    flows(e, 1, 2, [(34, 4)], [20])
    return e.out, {20: 2}


def from_another_port():
    e, o = Exporter(9), Exporter(9, port=9999)
    told(o, 0, [(SYSTEM, 4)], [(34, 4)], [7, 500])
    flows(e, 1, 2)
    return o.out + e.out, {500: 2}


def of_another_domain():
    e, o = Exporter(9), Exporter(9, domain=8)
    told(o, 0, [(SYSTEM, 4)], [(34, 4)], [8, 500])
    flows(e, 1, 2)
    return o.out + e.out, {0: 2}


def told_again_and_again():
    e = Exporter(10)
    for i in range(0, 600, 60):
        told(e, i, [(302, 4)], [(305, 4), (306, 4)], [9, 1, 9])
        flows(e, i + 1, 1, [(302, 4)], [9])
    return e.out, {10: 10}


def declared(what, case, want, typed=()):
    """A case, and what the operator declares in the configuration and by commands: 192.0.2.1 is the exporter of all of them."""
    def with_rules():
        return case()[0], want, what, typed
    with_rules.__name__ = "declared %s: %s" % (" ".join([*what, *typed]), case.__name__)
    return with_rules


def on_two_interfaces():
    e = Exporter(9)
    flows(e, 1, 2, in_if=11)
    flows(e, 2, 3, in_if=12, template=False)
    return e.out, None


def system_and_records():
    e = Exporter(9)
    told(e, 0, [(SYSTEM, 4)], [(34, 4)], [7, 500])
    flows(e, 1, 2, [(34, 4)], [20])
    flows(e, 2, 3, number=301)
    return e.out, None


# what the operator says counts last, or first where it is forced; it holds for what was stored before
DECLARED = [
    declared(["192.0.2.1=1000"], nobody_says, {1000: 5}),
    declared(["192.0.2.1=1000!"], nobody_says, {1000: 5}),
    declared(["192.0.2.1=1"], nobody_says, {1: 5}),
    declared(["192.0.2.2=1000!"], nobody_says, {0: 5}),
    declared(["192.0.2.1=1000"], system_before, {512: 2}),
    declared(["192.0.2.1=1000!"], system_before, {1000: 2}),
    declared(["192.0.2.1=1000"], system_late, {512: 2}),
    declared(["192.0.2.1=1000"], changed_in_mid_stream, {100: 4, 400: 2}),
    declared(["192.0.2.1=30!"], changed_in_mid_stream, {30: 6}),
    declared(["192.0.2.1=1000"], header_v5, {100: 4}),
    declared(["192.0.2.1=7!"], header_v5, {7: 4}),
    declared(["192.0.2.1=1000"], in_the_record, {250: 3}),
    declared(["192.0.2.1=1!"], in_the_record, {1: 3}),
    declared(["192.0.2.1/11=40"], on_two_interfaces, {40: 2, 0: 3}),
    declared(["192.0.2.1/11=40", "192.0.2.1=9"], on_two_interfaces, {40: 2, 9: 3}),
    declared(["192.0.2.1=9!", "192.0.2.1/12=40"], on_two_interfaces, {9: 2, 40: 3}),
    declared(["192.0.2.1=9", "192.0.2.1=8"], on_two_interfaces, {8: 5}),
    declared(["192.0.2.1/11=40!"], by_interface, {40: 2, 700: 3}),
    declared(["192.0.2.1/11=40"], by_interface, {300: 2, 700: 3}),
    declared(["192.0.2.1=6"], system_and_records, {20: 2, 500: 3}),
    declared(["192.0.2.1=6!"], system_and_records, {6: 5}),
    declared(["192.0.2.1=6"], of_another_domain, {6: 2}),
    # by commands: the same, behind the configuration
    declared([], nobody_says, {1000: 5}, ["exporter set 192.0.2.1 sampling=1000"]),
    declared([], system_before, {512: 2}, ["exporter set 192.0.2.1 sampling=1000"]),
    declared([], changed_in_mid_stream, {30: 6}, ["exporter set 192.0.2.1 sampling=30 force=yes"]),
    declared([], header_v5, {7: 4}, ["exporter set 192.0.2.1 sampling=7 force=yes"]),
    declared([], system_before, {512: 2}, ["exporter set 192.0.2.1 sampling=7 force=no"]),
    declared([], nobody_says, {0: 5}, ["exporter set 192.0.2.2 sampling=1000 force=yes"]),
    declared([], of_another_domain, {6: 2}, ["exporter set 192.0.2.1 sampling=6"]),
    declared([], nobody_says, {0: 5}, ["exporter set 192.0.2.1 sampling=6 name=x", "exporter unset 192.0.2.1 sampling"]),
    declared(["192.0.2.1=9"], nobody_says, {9: 5}, ["exporter set 192.0.2.1 sampling=1000"]),
    declared(["192.0.2.1=9"], system_before, {512: 2}, ["exporter set 192.0.2.1 sampling=1000 force=yes"]),
    declared(["192.0.2.1/11=40"], on_two_interfaces, {40: 2, 9: 3}, ["exporter set 192.0.2.1 sampling=9"]),
    declared(["192.0.2.1/11=40"], by_interface, {300: 2, 9: 3}, ["exporter set 192.0.2.1 sampling=9 force=yes"]),
    declared(["192.0.2.0=3", "192.0.2.2=4"], nobody_says, {8: 5}, ["exporter set 192.0.2.1 sampling=8", "exporter set 192.0.2.3 sampling=9"]),
]
# commands that are refused, and what they say
REFUSED_WORDS = [
    ("exporter set 192.0.2.1 sampling=0", "sampling is 1 (every packet) or more"),
    ("exporter set 192.0.2.1 force=yes", "force=yes says nothing without sampling"),
    ("exporter set 192.0.2.1#7 sampling=5", "all observation domains of an address; set it for 192.0.2.1"),
    ("exporter set 192.0.2.1 sampling=4294967296", "4294967295"),
    ("exporter set 192.0.2.1 sampling=-1", "sampling"),
    ("exporter set 192.0.2.1 sampling=5 force=maybe", "yes"),
]
REFUSED = ["192.0.2.1", "192.0.2.1=", "192.0.2.1=0", "=5", "192.0.2.1=5x", "192.0.2.1=-5", "192.0.2.1/=5", "192.0.2.1/x=5", "192.0.2.1=!",
           "192.0.2.1=4294967296", "router=5", "192.0.2.0/24/1=5"]

CASES = [header_v5, in_the_record, system_before, system_late, by_sampler, two_samplers, sampler_with_name_and_late, by_interface,
         interface_before_system, interface_of_ipfix, selector_interval_and_space, size_and_population, probability, interval_in_the_record,
         one_in_one, nobody_says, changed_in_mid_stream, zero_in_the_record, sampler_that_nobody_told, record_before_options,
         from_another_port, of_another_domain, told_again_and_again]


def pcap(path, datagrams):
    with open(path, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 262144, 101))
        for at, port, p in datagrams:
            udp = struct.pack(">HHHH", port, 2055, 8 + len(p), 0) + p
            ip = struct.pack(">BBHHHBBHII", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, 0xC0000201, 0xC0000202) + udp
            f.write(struct.pack("<IIII", T0 + at, 0, len(ip), len(ip)) + ip)


def ask(weir, tmp, *words):
    out = subprocess.run([weir, "query", "--config", tmp / "weir.yaml", "--data", tmp / "d", "-o", "json", "--dedup", "off", *words], check=True,
                         capture_output=True, text=True).stdout
    return json.loads(out)["totals"]


def check(weir, tmp, datagrams, want, rules=(), typed=()):
    """What is wrong with the answers, as text."""
    wrong = []
    pcap(tmp / "x.pcap", datagrams)
    (tmp / "weir.yaml").write_text("sampling: [%s]\n" % ", ".join('"%s"' % r for r in rules))
    subprocess.run([weir, "import", "--data", tmp / "d", tmp / "x.pcap"], check=True, capture_output=True)
    for line in typed:
        word, *rest = line.split()
        subprocess.run([weir, word, "--data", tmp / "d", *rest], check=True, capture_output=True)
    n = sum(want.values())
    scaled = sum(k * max(1, rate) for rate, k in want.items())
    for words, factor in (([], scaled), (["--raw"], n)):
        t = ask(weir, tmp, *words)
        if (t["flows"], t["bytes"], t["packets"]) != (n, factor * OCTETS, factor * PACKETS):
            wrong.append("%s gave %s, expected %d flows, %d bytes" % (words, t, n, factor * OCTETS))
    for rate, k in want.items():
        q = "sampling unknown" if rate == 0 else "sampling %d" % rate
        for text in (q, "%s and bytes %d" % (q, OCTETS * max(1, rate))):
            t = ask(weir, tmp, text)
            if t["flows"] != k or t["bytes"] != k * OCTETS * max(1, rate):
                wrong.append("%s gave %s, expected %d flows" % (text, t, k))
    by_minute = subprocess.run([weir, "query", "--config", tmp / "weir.yaml", "--data", tmp / "d", "-o", "json", "--dedup", "off", "--series", "1m", "--measure", "bytes"], check=True,
                               capture_output=True, text=True).stdout
    total = json.loads(by_minute)["totals"]["bytes"]
    if total != scaled * OCTETS:
        wrong.append("series: %d bytes, expected %d" % (total, scaled * OCTETS))
    return wrong


def refused(weir, rule):
    with tempfile.TemporaryDirectory(prefix="weir-sampling-") as tmp:
        path = pathlib.Path(tmp) / "weir.yaml"
        path.write_text('sampling: ["%s"]\n' % rule)
        r = subprocess.run([weir, "config", "check", "--config", path], capture_output=True, text=True)
    return r.returncode != 0 and "%s:1: sampling: " % path in r.stderr and '"%s"' % rule in r.stderr


def main():
    weir, bad = sys.argv[1], 0
    for rule in REFUSED:
        if not refused(weir, rule):
            print("FAIL %s was not refused" % rule)
            bad += 1
    with tempfile.TemporaryDirectory(prefix="weir-sampling-") as tmp:
        for line, why in REFUSED_WORDS:
            word, *rest = line.split()
            r = subprocess.run([weir, word, "--data", tmp, *rest], capture_output=True, text=True)
            if r.returncode != 2 or why not in r.stderr:
                print("FAIL %s: exit %d, %s" % (line, r.returncode, r.stderr))
                bad += 1
    for case in CASES + DECLARED:
        with tempfile.TemporaryDirectory(prefix="weir-sampling-") as tmp:
            wrong = check(weir, pathlib.Path(tmp), *case())
        bad += bool(wrong)
        for line in wrong:
            print("FAIL %s: %s" % (case.__name__, line))
    print("%d cases, %d failed" % (len(CASES + DECLARED), bad))
    sys.exit(bad > 0)


main()
