"""Rankings, aggregations and time windows give the same values as nfdump's -s, -A and -t, group by group.

What the two see differently on purpose is left out by the questions, or made equal here: an absent number or address is a group of
its own for Weir and 0 for nfdump; a record whose two ports, addresses or interfaces are equal counts once in Weir's `port`, `host`
and `if`, twice in nfdump's; a port of ICMP is its type and code for nfdump and no port for Weir; nfdump cuts IPv6 addresses at
half a prefix made for IPv4; a window of nfdump takes records that lie inside as a whole; of a record that says how many flows it stands
for (element 3) and of counters behind the observation point (23, 24) nfdump counts all, Weir the record and what came in. So questions
are about the records of flowgen, which have none of these.
"""
import csv
import datetime
import io
import os
import re
import subprocess

PLAIN = "net 10.20.0.0/16 and not net 10.30.0.0/16 and "  # the records of flowgen
PORTS = "net 10.20.0.0/18 and (proto tcp or proto udp)"
RANKINGS = [  # nfdump's statistic, Weir's key, filter
    ("srcip", "src ip", "dst port 443"), ("dstip", "dst ip", "src net 10.20.0.0/20"), ("ip", "host", "proto icmp and net 10.20.0.0/18"),
    ("srcport", "src port", PORTS), ("dstport", "dst port", PORTS), ("proto", "proto", "any"), ("inif", "in if", "any"),
    ("outif", "out if", "packets > 5"), ("tos", "tos", "bytes > 500"), ("srcas", "src as", "proto udp"),
    ("dstas", "dst as", "proto tcp"), ("nhip", "next ip", "any"), ("srcvlan", "src vlan", "any"),
]
AGGREGATIONS = [  # nfdump's -A and its columns, Weir's keys, filter
    ("srcip4/24", ["sa"], "src ip/24", "ipv4 and dst port 53"), ("proto,dstport", ["pr", "dp"], "proto,dst port", PORTS),
    ("srcip,dstip", ["sa", "da"], "src ip,dst ip", "dst port 22 and src net 10.20.0.0/16"),
    ("dstip,dstport,proto", ["da", "dp", "pr"], "dst ip,dst port,proto", "proto tcp and flags S and src net 10.20.0.0/20"),
    ("srcas,dstas", ["sas", "das"], "src as,dst as", "proto udp and dst port 443"),
]
WINDOWS = 12
NUMBER = {"TCP": "6", "UDP": "17", "ICMP": "1", "ICMP6": "58", "ESP": "50", "GRE": "47", "IPv6": "41", "HOPOPT": "0"}


def nfdump(folder, *words):
    geo = folder.parent / "empty"
    return subprocess.run(["nfdump", "-r", str(folder), *(["-G", str(geo)] if geo.exists() else []), "-N", *words], capture_output=True,
                          text=True, errors="replace", timeout=60, env=dict(os.environ, TZ="UTC")).stdout


def table(text):
    at = text.find("ts,te")
    return list(csv.DictReader(io.StringIO(text[at:].split("\n\n")[0].split("\nSummary")[0]))) if at >= 0 else []


def same(word):
    word = str(word if word is not None else "").strip()
    word = NUMBER.get(word, word).split("/")[0]
    return "0" if word in ("", "0.0.0.0", "::") else word


def group(rows):
    out = {}
    for key, values in rows:
        key = tuple(map(same, key))
        out[key] = tuple(map(sum, zip(out.get(key, (0,) * len(values)), values)))
    return out


def difference(a, b):
    return [(k, a.get(k), b.get(k)) for k in {**a, **b} if a.get(k) != b.get(k)][:3]


def rankings(v, folder, ask):
    for stat, key, text in RANKINGS:
        text = f"{PLAIN}({text})"
        a = group(((r["val"],), (int(r["fl"]), int(r["pkt"]), int(r["byt"]))) for r in table(
            nfdump(folder, "-s", stat + "/bytes", "-n", "0", "-o", "csv", text)))
        b = group(((r[key],), (r["flows"], r["packets"], r["bytes"])) for r in ask(
            q=text, by=key, measure="bytes,packets,flows", top="0")["rows"])
        v.of(a == b and len(a) > 1, f"-s {stat} '{text}': {len(a)} and {len(b)} groups, {difference(a, b)}")


def aggregations(v, folder, ask):
    for how, columns, keys, text in AGGREGATIONS:
        text = f"{PLAIN}({text})"
        a = group(([r[c] for c in columns], (int(r["ipkt"]), int(r["ibyt"]))) for r in table(
            nfdump(folder, "-A", how, "-O", "bytes", "-o", "csv", text)))
        b = group(([r[k] for k in keys.split(",")], (r["packets"], r["bytes"])) for r in ask(
            q=text, by=keys, measure="bytes,packets", top="0")["rows"])
        v.of(a == b and len(a) > 1, f"-A {how} '{text}': {len(a)} and {len(b)} groups, {difference(a, b)}")


def windows(v, folder, ask, begin):
    for i in range(WINDOWS):
        a = begin + datetime.timedelta(minutes=47 * i)
        b = a + datetime.timedelta(minutes=1 + i)
        said = nfdump(folder, "-t", f"{a:%Y/%m/%d.%H:%M:%S}-{b:%Y/%m/%d.%H:%M:%S}", "-o", "null", PLAIN + "proto tcp")
        m = re.search(r"total flows: (\d+), total bytes: (\d+), total packets: (\d+)", said)
        theirs = tuple(map(int, m.groups())) if m else said[-100:]
        t = ask(q=f"{PLAIN}proto tcp and start >= {a:%Y-%m-%dT%H:%M:%S}Z and end <= {b:%Y-%m-%dT%H:%M:%S}Z")["totals"]
        ours = t["flows"], t["bytes"], t["packets"]
        v.of(theirs == ours and ours[0] > 0, f"-t {a} to {b}: nfdump {theirs}, Weir {ours}")


def compare(v, folder, ask):
    """ask(q=FILTER, ...): the answer of Weir as JSON."""
    rankings(v, folder, ask)
    aggregations(v, folder, ask)
    windows(v, folder, ask, datetime.datetime(2026, 3, 3, 9, 0))
