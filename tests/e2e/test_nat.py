#!/usr/bin/env python3
"""usage: test_nat.py WEIR
weir nat: who had a public address and port, held against the world that made the events; NSEL, flow records, 1:1 NAT,
blocks told by size and step; with a server and without; what is said where nothing is known."""
import datetime
import ipaddress
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from checks import WEIR, check, count, weir  # noqa: E402
from harness import Server  # noqa: E402
from nat_events import START_MS, World, ipfix  # noqa: E402

PROTO = {6: "tcp", 17: "udp"}


def clock(ms):
    return (datetime.datetime(1970, 1, 1) + datetime.timedelta(milliseconds=ms)).isoformat(timespec="milliseconds") + "Z"


def nat(folder, who, at, *more):
    return json.loads(weir("nat", who, "--data", folder, "--at", clock(at), "-o", "json", *more))


def agrees(world, answer, pub, port, proto, at):
    want = world.owner(pub, port, proto, at)
    got = {(o["address"], o["port"]) for o in answer["owners"]}
    want = set() if want is None else {(str(ipaddress.ip_address(want[0])), want[1])}
    return check(got == want, f"{world.publics[pub]}:{port} {proto} at {clock(at)}: {got}, the truth is {want}: {json.dumps(answer)[:600]}")


def a_world_of_sessions_and_blocks(tmp):
    w = World(30000, 600)
    (tmp / "w.ipfix").write_bytes(b"".join(ipfix(w.events())))
    weir("import", "--data", tmp / "w", "--exporter", "192.0.2.1", tmp / "w.ipfix")
    for i in range(30):
        pub, port, proto, at = w.lasting()
        if i % 3 == 0: # any moment
            at = START_MS + w.r.randrange(w.span_ms)
        a = nat(tmp / "w", f"{w.publics[pub]}:{port}", at, *(() if port >= 32768 else ("--proto", PROTO[proto])))
        agrees(w, a, pub, port, proto, at)
        for o in a["owners"]:
            runs = w.blocks[pub, port - (port - 32768) % 512] if port >= 32768 else w.truth[pub, port, proto]
            run = next(r for r in runs if r[0] <= at and (r[1] is None or at < r[1]))
            check(o["from"] == clock(run[0]) and (run[1] is None or o["to"] == clock(run[1])), f"from and to: {o}, {run}")
            check(o["exporter"] == "192.0.2.1" and o["domain"] == 1 and o["records"] >= 1, f"who told it: {o}")
    # the very moments of an event, and those beside
    for _ in range(4):
        pub, port, proto, _ = w.lasting()
        if port >= 32768:
            continue
        for a, b, *_ in w.truth[pub, port, proto][:2]:
            for at in (a - 1, a, b - 1 if b else a, b if b else a):
                agrees(w, nat(tmp / "w", f"{w.publics[pub]}:{port}", at, "--proto", PROTO[proto]), pub, port, proto, at)
    index_skips_pages_and_no_rows(tmp / "w", w)
    # merged segments answer the same
    weir("compact", "--data", tmp / "w")
    for _ in range(10):
        pub, port, proto, at = w.lasting()
        agrees(w, nat(tmp / "w", f"{w.publics[pub]}:{port}", at, *(() if port >= 32768 else ("--proto", PROTO[proto]))), pub, port, proto, at)


def index_skips_pages_and_no_rows(folder, w):
    """The same filter with and without the index, which does not know durations."""
    for _ in range(6):
        pub, port, *_ = w.lasting()
        f = f"src xip {w.publics[pub]} and src xport {port}"
        if port >= 32768:
            f = f"src xip {w.publics[pub]} and pblock start <= {port} and pblock end >= {port}"
        a, b = (json.loads(weir("query", x, "--data", folder, "-o", "json")) for x in (f, f"({f}) or duration > 9000d"))
        check(a["totals"]["flows"] == b["totals"]["flows"] >= 2, f"{f}: {a['totals']} with the index, {b['totals']} without")
        check(a["stats"]["rows_scanned"] <= 8 * 4096 < b["stats"]["rows_scanned"] // 2 * 3, f"{f}: {a['stats']['rows_scanned']} rows read, {b['stats']['rows_scanned']} without")


def message(fields, records, at, domain=5):
    """One IPFIX message of one template; values are octets."""
    t = struct.pack(">HH", 300, len(fields)) + b"".join(struct.pack(">HH", *f) for f in fields)
    d = b"".join(b"".join(v for v in r) for r in records)
    body = struct.pack(">HH", 2, 4 + len(t)) + t + struct.pack(">HH", 300, 4 + len(d)) + d
    return struct.pack(">HHIII", 10, 16 + len(body), at // 1000, 0, domain) + body


def ip(a):
    return ipaddress.ip_address(a).packed


def n(v, octets):
    return v.to_bytes(octets, "big")


def kinds_of_devices(tmp):
    t = START_MS
    out = b"".join((
        # 1:1 NAT, no ports
        message([(323, 8), (230, 1), (8, 4), (225, 4)], [[n(t, 8), n(14, 1), ip("10.0.0.1"), ip("198.51.100.1")], [n(t + 60000, 8), n(15, 1), ip("10.0.0.1"), ip("198.51.100.1")]], t + 60000, 1),
        # a block told by its size, with a step of 2
        message([(323, 8), (230, 1), (8, 4), (225, 4), (361, 2), (363, 2), (364, 2)],
                [[n(t, 8), n(16, 1), ip("10.0.0.2"), ip("198.51.100.2"), n(2000, 2), n(2, 2), n(10, 2)]], t, 2),
        # flow records with the translated address, no event
        message([(152, 8), (153, 8), (8, 4), (225, 4), (7, 2), (227, 2), (4, 1), (1, 4)],
                [[n(t, 8), n(t + 9000, 8), ip("10.0.0.3"), ip("198.51.100.3"), n(1111, 2), n(40000, 2), n(6, 1), n(99, 4)],
                 [n(t + 9000, 8), n(t + 20000, 8), ip("10.0.0.3"), ip("198.51.100.3"), n(1111, 2), n(40000, 2), n(6, 1), n(99, 4)]], t + 20000, 3),
        # NSEL: created, deleted with its duration
        message([(152, 8), (323, 8), (233, 1), (8, 4), (225, 4), (7, 2), (227, 2), (4, 1)],
                [[n(t, 8), n(t, 8), n(1, 1), ip("10.0.0.4"), ip("198.51.100.4"), n(2222, 2), n(50000, 2), n(17, 1)],
                 [n(t, 8), n(t + 30000, 8), n(2, 1), ip("10.0.0.4"), ip("198.51.100.4"), n(2222, 2), n(50000, 2), n(17, 1)],
                 [n(t, 8), n(t, 8), n(3, 1), ip("10.0.0.9"), ip("198.51.100.4"), n(2222, 2), n(50000, 2), n(17, 1)]], t + 30000, 4),
        # NAT64, and an exhausted pool that is nobody's
        message([(323, 8), (230, 1), (27, 16), (225, 4), (7, 2), (227, 2), (4, 1)],
                [[n(t, 8), n(6, 1), ip("2001:db8::5"), ip("198.51.100.5"), n(3333, 2), n(60000, 2), n(6, 1)],
                 [n(t + 5, 8), n(3, 1), ip("::"), ip("198.51.100.5"), n(0, 2), n(60000, 2), n(6, 1)]], t, 5),
        # an IPv6 address outside
        message([(323, 8), (230, 1), (27, 16), (281, 16), (7, 2), (227, 2), (4, 1)],
                [[n(t, 8), n(4, 1), ip("fd00::6"), ip("2001:db8:6::1"), n(4444, 2), n(443, 2), n(6, 1)]], t, 6),
        # two inside hosts one after the other; the first one's end was never told
        message([(323, 8), (230, 1), (8, 4), (225, 4), (7, 2), (227, 2), (4, 1)],
                [[n(t, 8), n(4, 1), ip("10.0.0.7"), ip("198.51.100.7"), n(1, 2), n(7000, 2), n(6, 1)],
                 [n(t + 50000, 8), n(4, 1), ip("10.0.0.8"), ip("198.51.100.7"), n(2, 2), n(7000, 2), n(6, 1)]], t + 50000, 7)))
    (tmp / "k.ipfix").write_bytes(out)
    weir("import", "--data", tmp / "k", "--exporter", "192.0.2.9", tmp / "k.ipfix")
    for who, at, want in (("198.51.100.1:12345", t + 5, ("10.0.0.1", None)), ("198.51.100.1:1", t + 59999, ("10.0.0.1", None)), ("198.51.100.1:1", t + 60000, None),
                          ("198.51.100.2:2000", t + 5, ("10.0.0.2", None)), ("198.51.100.2:2018", t + 5, ("10.0.0.2", None)), ("198.51.100.2:2001", t + 5, None),
                          ("198.51.100.2:2020", t + 5, None), ("198.51.100.3:40000", t + 15000, ("10.0.0.3", 1111)), ("198.51.100.3:40001", t + 15000, None),
                          ("198.51.100.3:40000", t + 30000, None), ("198.51.100.4:50000", t + 15000, ("10.0.0.4", 2222)), ("198.51.100.4:50000", t + 30001, None),
                          ("198.51.100.5:60000", t + 6, ("2001:db8::5", 3333)), ("[2001:db8:6::1]:443", t + 6, ("fd00::6", 4444)),
                          ("198.51.100.7:7000", t + 10, ("10.0.0.7", 1)), ("198.51.100.7:7000", t + 60000, ("10.0.0.8", 2)), ("198.51.100.8:7000", t + 10, None)):
        a = nat(tmp / "k", who, at)
        got = {(o["address"], o["port"]) for o in a["owners"]}
        check(got == (set() if want is None else {want}), f"{who} at {at - t}: {got}, wanted {want}: {json.dumps(a)[:500]}")
    a = nat(tmp / "k", "198.51.100.3:40000", t + 15000)["owners"][0]
    check(a["from"] == clock(t) and a["to"] == clock(t + 20000) and a["records"] == 2, f"flows in a row are one: {a}")
    a = nat(tmp / "k", "198.51.100.7:7000", t + 10)["owners"][0]
    check(a["to"] == clock(t + 50000) and "10.0.0.8 has it then" in a["ended"], f"an end that nobody told: {a}")
    check(nat(tmp / "k", "198.51.100.7:7000", t + 10, "--proto", "udp")["owners"] == [], "of another protocol")
    said = weir("nat", "198.51.100.1:1", "--data", tmp / "k", "--at", clock(t + 90000))
    check("nobody, as far as the records tell" in said and "before, until" in said and "10.0.0.1" in said, said)
    said = weir("nat", "198.51.100.4:50000", "--data", tmp / "k", "--at", clock(t + 15000))
    check("udp    10.0.0.4:2222" in said and "flow created" in said and "192.0.2.9, domain 4" in said, said)
    check(nat(tmp / "k", "198.51.100.7:7000", t + 60000, "--back", "5s")["owners"] == [], "not looked for before --back")
    for args, says in ((("198.51.100.7",), "no port"), ((), "name one"), (("198.51.100.7:1", "--at", "noon"), "--at"), (("x:1",), "no address"),
                       (("198.51.100.7:1", "--back", "x"), "--back"), (("198.51.100.7:1", "-o", "csv"), "table json"), (("198.51.100.7:1", "--proto", "tcp or any"), "--proto")):
        said = weir("nat", *args, "--data", tmp / "k", code=2)
        check(says in said, f"{args}: {said}")


def a_server_answers_with_what_is_not_sealed():
    now = int(time.time() * 1000)
    w = World(300, 10, publics=2, span_s=60, start_ms=now - 100_000)
    messages = list(ipfix(w.events(), export_ms=now))
    with Server(WEIR) as s:
        s.send(messages)
        total = sum(len(v) for v in w.truth.values())
        s.wait(lambda: s.status()["records"]["flows"] >= total, "the events")
        for _ in range(10):
            pub, port, proto, at = w.lasting()
            if at > now:
                continue
            agrees(w, nat(s.data, f"{w.publics[pub]}:{port}", at, *(() if port >= 32768 else ("--proto", PROTO[proto]))), pub, port, proto, at)


def main():
    with tempfile.TemporaryDirectory(prefix="weir-nat-") as tmp:
        kinds_of_devices(pathlib.Path(tmp))
        a_world_of_sessions_and_blocks(pathlib.Path(tmp))
        a_server_answers_with_what_is_not_sealed()
    print(f"{count['checks'] - count['failed']} passed, {count['failed']} failed")
    sys.exit(count['failed'] > 0)


main()
