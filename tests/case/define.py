#!/usr/bin/env python3
"""Direction, classes of interfaces and groups: what is typed, and what the answers must be, as tables written by hand.

usage: define.py WEIR
"""
import collections
import itertools
import json
import pathlib
import struct
import subprocess
import sys
import tempfile

T0 = 1700000000
HOST = {"a": "10.1.0.1", "b": "172.16.5.5", "x": "198.51.100.1", "y": "203.0.113.9"}
IFS = [0, 1, 2, 3, 4, 5, 6, 7]

# source and destination by their letters; "-" = the record has no address there
DIRECTION = {"aa": "internal", "ab": "internal", "ax": "outbound", "ay": "outbound", "a-": None,
             "ba": "internal", "bb": "internal", "bx": "outbound", "by": "outbound", "b-": None,
             "xa": "inbound", "xb": "inbound", "xx": "transit", "xy": "transit", "x-": None,
             "ya": "inbound", "yb": "inbound", "yx": "transit", "yy": "transit", "y-": None}

# ifIndex: boundary, connectivity, provider, name; and where each comes from
CLASS = {0: (None, None, None, None),                           # no interface
         1: ("external", "transit", "ExampleTel", "xe-0/0/1"),  # all by hand
         2: ("internal", None, None, None),                     # by hand, no name and so no rule
         3: ("external", "peering", "DE-CIX", None),            # first rule, on the description that the exporter told
         4: ("internal", "backbone", None, None),               # second rule, on the name that the exporter told
         5: ("internal", "backbone", None, "ae5"),              # second rule, on the name given by hand
         6: ("external", "backbone", None, "ae6"),              # boundary by hand stands before the rule, which gives the rest
         7: (None, None, None, None)}                           # nothing known

TYPED = """
exporter set 192.0.2.1 name=fra1 site=Frankfurt role=core region=eu
interface set fra1 1 name=xe-0/0/1 boundary=external connectivity=transit provider=ExampleTel
interface set 192.0.2.1 2 boundary=internal
interface set fra1 5 name=ae5
interface set fra1 6 name=ae6 boundary=external
rule add ^peering on=description boundary=external connectivity=peering provider=DE-CIX
rule add ^ae[0-9] boundary=internal connectivity=backbone
rule add ^ae boundary=external connectivity=wrong
name set 10.1.0.1 alpha 198.51.100.0/24 outside
group add left 10.0.0.0/8 198.51.100.1
group add right 172.16.0.0/12 !172.16.5.6 port:1
group add both group:left group:right
exporter set 192.0.2.99 sampling=1000 force=yes
interface set 192.0.2.99 1 role=edge
rule add ^zz role=disjoint
"""


def fields(*f):
    return b"".join(struct.pack(">HH", *x) for x in f)


def a_set(number, content):
    pad = -len(content) % 4 if number > 255 else 0
    return struct.pack(">HH", number, 4 + len(content) + pad) + content + bytes(pad)


def ip(text):
    return bytes(int(x) for x in text.split("."))


def records():
    """Source, destination, interfaces and the number of octets, which is different for each."""
    pairs = [(s, d) for s in "abxy" for d in "abxy-"]
    for n, ((s, d), i, o) in enumerate(itertools.product(pairs, IFS, IFS)):
        yield s, d, i, o, 1000 + n


def datagrams():
    time = [(152, 8), (153, 8)]
    ms = struct.pack(">QQ", T0 * 1000, T0 * 1000)
    templates = [a_set(2, struct.pack(">HH", 256, 7) + fields((8, 4), (12, 4), (10, 4), (14, 4), (1, 4), *time)),
                 a_set(2, struct.pack(">HH", 257, 6) + fields((8, 4), (10, 4), (14, 4), (1, 4), *time)),
                 a_set(3, struct.pack(">HHH", 300, 3, 1) + fields((10, 4), (82, 16), (83, 32)))]
    names = [(3, "TenGigE0/3", "Peering DE-CIX"), (4, "ae4", "to the other house")]
    told = b"".join(struct.pack(">I16s32s", i, n.encode(), t.encode()) for i, n, t in names)
    content = templates + [a_set(300, told)]
    seq = 0
    for r in records():
        s, d, i, o, octets = r
        body = struct.pack(">III", i, o, octets) + ms
        content.append(a_set(256, ip(HOST[s]) + ip(HOST[d]) + body) if d != "-" else a_set(257, ip(HOST[s]) + body))
        if sum(map(len, content)) > 1200:
            yield struct.pack(">HHIII", 10, 16 + sum(map(len, content)), T0, seq, 7) + b"".join(content)
            seq += sum(c[:2] in (b"\1\0", b"\1\1") for c in content)
            content = []
    yield struct.pack(">HHIII", 10, 16 + sum(map(len, content)), T0, seq, 7) + b"".join(content)


def pcap(path, sent=None):
    with open(path, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 262144, 101))
        for exporter, p in sent or [(1, p) for p in datagrams()]:
            udp = struct.pack(">HHHH", 2055, 2055, 8 + len(p), 0) + p
            packet = struct.pack(">BBHHHBBHII", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, 0xC0000200 + exporter, 0xC0000309) + udp
            f.write(struct.pack("<IIII", T0, 0, len(packet), len(packet)) + packet)


class Weir:
    def __init__(self, program, data):
        self.program, self.data = program, data

    def run(self, *words, code=0):
        r = subprocess.run([self.program, *words, "--data", self.data], capture_output=True, text=True)
        assert r.returncode == code, (words, r.returncode, r.stdout, r.stderr)
        return r.stdout if code == 0 else r.stderr

    def rank(self, keys, *more):
        rows = json.loads(self.run("query", "-o", "json", "--by", keys, "--measure", "flows,bytes", "--top", "0", *more))["rows"]
        names = keys.split(",")
        return {tuple(r[n] for n in names) if len(names) > 1 else r[keys]: (r["flows"], r["bytes"]) for r in rows}

    def count(self, text, *more):
        t = json.loads(self.run("query", "-o", "json", text, *more))["totals"]
        return t["flows"], t["bytes"]


def summed(key):
    out = collections.defaultdict(lambda: (0, 0))
    for r in records():
        for k in key(*r[:4]):
            out[k] = (out[k][0] + 1, out[k][1] + r[4])
    return dict(out)


def chosen(test):
    n = [r[4] for r in records() if test(*r[:4])]
    return len(n), sum(n)


def once(*values):
    """Of both sides: a record counts once for each different word it has, or as one without."""
    return {v for v in values if v is not None} or {None}


def groups(x):
    return {"a": {"left", "both"}, "x": {"left", "both"}, "b": {"right", "both"}}.get(x, set())


ALL = ["--dedup", "off"]  # one flow at many interfaces, each of which counts


def same(got, want, what):
    if got != want:
        print(f"FAIL {what}: {got}, expected {want}")
    return got == want


def answers(w):
    direction = lambda s, d: DIRECTION[s + d]  # noqa: E731
    ok = [same(w.rank("direction", *ALL), summed(lambda s, d, i, o: {direction(s, d)}), "by direction"),
          same(w.rank("in boundary,out boundary", *ALL), summed(lambda s, d, i, o: {(CLASS[i][0], CLASS[o][0])}), "by in, out boundary"),
          same(w.rank("in connectivity,out provider", *ALL), summed(lambda s, d, i, o: {(CLASS[i][1], CLASS[o][2])}), "connectivity, provider"),
          same(w.rank("direction,in boundary,out boundary", *ALL), summed(lambda s, d, i, o: {(direction(s, d), CLASS[i][0], CLASS[o][0])}),
               "direction and boundaries"),
          same(w.rank("boundary", *ALL), summed(lambda s, d, i, o: once(CLASS[i][0], CLASS[o][0])), "by boundary"),
          same(w.rank("provider", *ALL), summed(lambda s, d, i, o: once(CLASS[i][2], CLASS[o][2])), "by provider"),
          same(w.rank("in if name", *ALL), summed(lambda s, d, i, o: {CLASS[i][3]}), "by name of interface"),
          same(w.rank("site,role,region,exporter name", *ALL), summed(lambda *r: {("Frankfurt", "core", "eu", "fra1")}), "of the exporter"),
          same(w.rank("src name", *ALL), summed(lambda s, d, i, o: {{"a": "alpha", "x": "outside"}.get(s)}), "by src name"),
          same(w.rank("group", *ALL), summed(lambda s, d, i, o: (groups(s) | groups(d)) or {None}), "by group"),
          same(w.rank("src group,dst group", *ALL), summed(lambda s, d, i, o: itertools.product(groups(s) or {None}, groups(d) or {None})),
               "by src, dst group")]
    inside, outside = "ab", "xy"
    filters = {
        "inbound": lambda s, d, i, o: DIRECTION[s + d] == "inbound",
        "outbound": lambda s, d, i, o: DIRECTION[s + d] == "outbound",
        "internal traffic": lambda s, d, i, o: DIRECTION[s + d] == "internal",
        "transit": lambda s, d, i, o: DIRECTION[s + d] == "transit",
        "not inbound and not outbound": lambda s, d, i, o: DIRECTION[s + d] not in ("inbound", "outbound"),
        "internal": lambda s, d, i, o: s in inside or d in inside,
        "both external": lambda s, d, i, o: s in outside and d in outside,
        "dst external": lambda s, d, i, o: d in outside,
        "absent dst ip and not dst internal and not dst external": lambda s, d, i, o: d == "-",
        "inbound and in boundary external and out boundary internal":
            lambda s, d, i, o: DIRECTION[s + d] == "inbound" and CLASS[i][0] == "external" and CLASS[o][0] == "internal",
        "boundary external": lambda s, d, i, o: "external" in (CLASS[i][0], CLASS[o][0]),
        "both boundary external": lambda s, d, i, o: CLASS[i][0] == CLASS[o][0] == "external",
        "in boundary != internal": lambda s, d, i, o: CLASS[i][0] != "internal",
        "absent in boundary": lambda s, d, i, o: CLASS[i][0] is None,
        "in connectivity in [transit peering]": lambda s, d, i, o: CLASS[i][1] in ("transit", "peering"),
        "out provider ~ /^de/i": lambda s, d, i, o: CLASS[o][2] == "DE-CIX",
        "in if \"xe-0/0/1\"": lambda s, d, i, o: i == 1,
        "in if \"fra1 ae5\" or out if ae6": lambda s, d, i, o: i == 5 or o == 6,
        "in if 3": lambda s, d, i, o: i == 3,
        "exporter fra1": lambda *r: True,
        "exporter != fra1": lambda *r: False,
        "host alpha": lambda s, d, i, o: "a" in (s, d),
        "ip in [alpha 203.0.113.9]": lambda s, d, i, o: s in "ay" or d in "ay",
        "name outside": lambda s, d, i, o: "x" in (s, d),
        "both group both": lambda s, d, i, o: groups(s) and groups(d),
        "src group left and not group right": lambda s, d, i, o: "left" in groups(s) and "right" not in groups(s) | groups(d),
        "absent group": lambda s, d, i, o: not groups(s) | groups(d),
        "dst ip in group left": lambda s, d, i, o: "left" in groups(d),
        "group in [left right]": lambda s, d, i, o: bool(groups(s) | groups(d)),
    }
    ok += [same(w.count(text, *ALL), chosen(test), text) for text, test in filters.items()]
    return all(ok)


# One flow that three points saw, and one that a single point saw: exporter, interface, source port, octets.
SEEN = [(1, 1, 1000, 5000), (2, 1, 1000, 6000), (2, 2, 1000, 5500), (2, 2, 2000, 70)]
# what is typed, and the octets that count; each line stands alone
ROLES = [
    ("", 6070),  # the most bytes
    ("interface set 192.0.2.1 1 role=edge", 5070),
    ("interface set 192.0.2.2 1 role=internal", 5570),
    ("interface set 192.0.2.2 1 role=internal; interface set 192.0.2.2 2 role=internal", 5070),
    ("interface set 192.0.2.2 1 role=ignore", 5570),
    ("interface set 192.0.2.2 2 role=ignore", 6000),  # also what nobody else saw
    ("interface set 192.0.2.1 1 role=disjoint", 11070),
    ("interface set 192.0.2.1 1 role=disjoint; interface set 192.0.2.2 2 role=disjoint", 16570),
    ("interface set 192.0.2.1 1 role=disjoint; interface set 192.0.2.2 1 role=ignore; interface set 192.0.2.2 2 role=ignore", 5000),
    ("interface set 192.0.2.1 2 role=edge", 6070),  # another interface
    ("interface set 192.0.2.3 1 role=edge", 6070),  # another exporter
    ("interface set 192.0.2.1#7 1 role=edge", 5070),
    ("interface set 192.0.2.1#8 1 role=edge", 6070),  # another domain
    ("exporter set 192.0.2.1 name=one; interface set one 1 role=edge", 5070),
    ("rule add ^up role=edge", 5070),  # by the name that the exporter told
    ("rule add ^up role=ignore", 6070),
    ("interface set 192.0.2.2 2 name=up7; rule add ^up role=ignore", 6000),
    ("rule add ^up role=ignore; interface set 192.0.2.1 1 role=edge", 5070),  # the definition before the rule
    ("interface set 192.0.2.1 0 role=edge", 6070),
]


def seen():
    fields_of = fields((8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (10, 4), (1, 4), (152, 8), (153, 8))
    yield 1, message(a_set(3, struct.pack(">HHH", 300, 2, 1) + fields((10, 4), (82, 16))) + a_set(300, struct.pack(">I16s", 1, b"up1")))
    for exporter, i, port, octets in SEEN:
        record = ip(HOST["a"]) + ip(HOST["x"]) + struct.pack(">HHBIIQQ", port, 443, 6, i, octets, T0 * 1000, T0 * 1000 + 500)
        yield exporter, message(a_set(2, struct.pack(">HH", 256, 9) + fields_of) + a_set(256, record))


def message(content):
    return struct.pack(">HHIII", 10, 16 + len(content), T0, 0, 7) + content


def roles(program, tmp):
    pcap(tmp / "seen.pcap", list(seen()))
    ok = []
    for n, (typed, octets) in enumerate(ROLES):
        w = Weir(program, str(tmp / f"roles{n}"))
        w.run("import", str(tmp / "seen.pcap"))
        for line in filter(None, typed.split("; ")):
            w.run(*line.split())
        every = sum(s[3] for s in SEEN)
        ok += [same(w.count("proto tcp")[1], octets, typed or "no role"),
               same(w.count("proto tcp | dedup off")[1], every, typed + ", dedup off"),
               same(sum(b for f, b in w.rank("src port").values()), octets, typed + ", by port")]
    return all(ok)


def names_of_as(program, tmp):
    """Without data on AS numbers; with it: tests/e2e/test_facts.py."""
    fields_of = fields((8, 4), (12, 4), (16, 4), (17, 4), (1, 4), (152, 8), (153, 8))
    template, sent = a_set(2, struct.pack(">HH", 256, 7) + fields_of), []
    for src, dst, octets in ((3320, 64500, 1), (64500, 64501, 10), (64501, 3320, 100)):
        record = ip(HOST["x"]) + ip(HOST["y"]) + struct.pack(">IIIQQ", src, dst, octets, T0 * 1000, T0 * 1000)
        sent.append((1, message(template + a_set(256, record))))
    pcap(tmp / "as.pcap", sent)
    w = Weir(program, str(tmp / "as"))
    w.run("import", str(tmp / "as.pcap"))
    none = w.count('as name "Example"', *ALL)
    w.run("name", "set", "AS64500", "Example", "as3320", "Example East")
    w.run("name", "set", "10.0.0.1", "host")
    rows = json.loads(w.run("query", "-o", "json", "--by", "src as", *ALL))["rows"]
    ok = [same(none, (0, 0), "no names"),
          same({r["src as"]: r.get("src as_name") for r in rows}, {3320: "Example East", 64500: "Example", 64501: None}, "shown"),
          same("64500 Example" in w.run("query", "--by", "src as", *ALL), True, "shown in a table"),
          same(w.count('src as name "example"', *ALL), (1, 10), "as name"),
          same(w.count('as name ~ /east$/i', *ALL), (2, 101), "as name ~"),
          same(w.count('dst as name ~ /^Example/', *ALL), (2, 101), "dst as name ~")]
    w.run("name", "remove", "AS3320")
    ok += [same(w.count('as name ~ /east$/i', *ALL), (0, 0), "removed"),
           same("AS0 stands for no AS" in w.run("name", "set", "AS0", "x", code=2), True, "AS0"),
           same("AS64500: Example" in w.run("config", "export"), True, "exported")]
    whole = w.run("config", "export")
    (tmp / "as.yaml").write_text(whole)
    v = Weir(program, str(tmp / "as2"))
    v.run("import", str(tmp / "as.pcap"))
    v.run("config", "apply", str(tmp / "as.yaml"))
    return all(ok + [same(v.run("config", "export"), whole, "applied")])


def main():
    program = sys.argv[1]
    with tempfile.TemporaryDirectory(prefix="weir-define-") as tmp:
        tmp = pathlib.Path(tmp)
        pcap(tmp / "x.pcap")
        one, two = Weir(program, str(tmp / "one")), Weir(program, str(tmp / "two"))
        for w in (one, two):
            w.run("import", str(tmp / "x.pcap"))
        for line in TYPED.strip().splitlines():
            one.run(*line.split())
        good = answers(one)
        for words in (["--columns", "src internal"], ["--columns", "transit"], ["--by", "inbound"], ["--list", "--sort", "src external"]):
            assert "is a test; the" in one.run("query", *words, code=2), words
        # the same as a file, and nothing left to change
        whole = one.run("config", "export")
        (tmp / "all.yaml").write_text(whole)
        assert "would be: " in two.run("config", "apply", "--dry-run", str(tmp / "all.yaml"))
        assert two.run("config", "export") != whole
        two.run("config", "apply", str(tmp / "all.yaml"))
        assert two.run("config", "export") == whole
        assert "0 added, 0 changed, 0 removed" in two.run("config", "apply", str(tmp / "all.yaml"))
        good &= answers(two)
        # a refused file changes nothing
        (tmp / "bad.yaml").write_text(whole.replace("site: Frankfurt", "sit: Frankfurt"))
        line = 1 + whole[:whole.index("site: Frankfurt")].count("\n")
        assert f"bad.yaml:{line}:5: exporter has no \"sit\"; did you mean site?" in two.run("config", "apply", str(tmp / "bad.yaml"), code=2)
        assert two.run("config", "export") == whole
        # with a group of that name, other addresses are one's own
        two.run("group", "add", "internal", "198.51.100.0/24")
        good &= same(two.count("inbound", *ALL), chosen(lambda s, d, i, o: s != "x" and d == "x"), "inbound by another group internal")
        two.run("group", "delete", "internal")
        good &= same(two.count("inbound", *ALL), chosen(lambda s, d, i, o: DIRECTION[s + d] == "inbound"), "inbound as before")
        good &= roles(program, tmp)
        good &= names_of_as(program, tmp)
    print("all as written" if good else "FAILED")
    sys.exit(0 if good else 1)


main()
