#!/usr/bin/env python3
"""usage: test_many.py WEIR FLOWGEN [SIZE]
What a stranger can cost: many exporters, storms of templates, floods of forged addresses and of forged flows, sets that
never get a template. The server's anonymous memory stays below the ceiling that its options add up to, and a trusted exporter
among them loses nothing. SIZE 1 (the default) takes seconds; 100 is the full size: 10 000 exporters, 100 000 strangers."""
import json
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import many  # noqa: E402
from harness import Server  # noqa: E402
from many import MIB  # noqa: E402

WEIR, FLOWGEN = sys.argv[1], sys.argv[2]
SIZE = float(sys.argv[3]) if len(sys.argv) > 3 else 1
SANITIZED = b"__asan_init" in pathlib.Path(WEIR).read_bytes() or b"__tsan_init" in pathlib.Path(WEIR).read_bytes()
RATE = 4000  # datagrams a second that a sanitizer's build takes without a drop


def server(**more):
    options = dict(many.OPTIONS, **{k.replace("__", "."): v for k, v in more.items()})
    words = [w for k, v in options.items() for w in (f"--{k}", str(v))]
    s = Server(WEIR, *words)
    s.options = options
    s.idle = many.Meter(s.data_pid()).anonymous()
    return s


def below(s, o):
    grown = o["anonymous_octets"] - s.idle
    print(f"   {grown / MIB:.0f} MiB of {many.ceiling(s.options) / MIB:.0f}, {o['exporters']} exporters, "
          f"{o['strangers_sent']} datagrams, {o['cpu_s']} s", flush=True)
    if not SANITIZED:
        assert grown < many.ceiling(s.options), o
    m = o["memory"]
    assert m["exporters"] <= m["exporters_max"] and m["waiting"] <= m["waiting_max"], m


def ten_thousand_exporters():
    n = max(100, int(100 * SIZE))
    f, datagrams = many.flowgen_file(FLOWGEN, "-n", n * 100, "-E", f"{n},3600")
    with f, server(decoder__memory=int((2 + SIZE) * MIB)) as s:
        def send(port):
            many.replay(FLOWGEN, f, port, RATE)
            return datagrams
        o = many.measure(s, send)
        below(s, o)
        many.trusted_is_whole(s, o)
        assert o["exporters"] == n + 2 and o["memory"]["plans"] < 20, o
        assert o["records"] == n * 100 + sum(o["trusted_sent"].values()), o
        st = s.status()
        assert len(st["exporters"]) == 100 and st["exporters_known"] == n + 2, len(st["exporters"])
        flows = [x["records"]["flows"] for x in st["exporters"]]
        assert flows == sorted(flows, reverse=True), flows
        text = s.run("status").stdout
        assert f"and {n + 2 - 100} more" in text, text[-400:]
        t0 = time.monotonic()
        everything = json.loads(s.run("status", "-o", "json", "--all").stdout)["exporters"]
        took = time.monotonic() - t0
        assert len(everything) == n + 2 and took < 20, (len(everything), took)
        assert sum(x["records"]["flows"] for x in everything) == o["records"], "the list and the sums"
        assert len(json.loads(s.run("status", "-o", "json", "--exporters", "7").stdout)["exporters"]) == 7


def a_storm_of_templates():
    with server() as s:
        fields, templates = 400, max(50, int(5 * SIZE))
        o = many.measure(s, lambda port: many.storm(port, templates, fields, 12, RATE / 8))
        below(s, o)
        many.trusted_is_whole(s, o)
        assert o["memory"]["plan_octets"] < templates * fields * 60 + MIB, o["memory"]
        assert o["records"] == o["strangers_sent"] + sum(o["trusted_sent"].values()), o


def forged_addresses(allow):
    """One datagram from each address: v5, v9 with its template, v9 that waits for one. Three times the same addresses."""
    n = max(1500, int(1000 * SIZE))
    more = {"exporters__allow": "127.9.0.0/16"} if allow else {}
    with server(**more) as s:
        trusted = many.Trusted(s.port)
        for make in (many.one_v5, many.one_v9, many.one_v9_waiting):
            o = many.measure(s, lambda port, make=make: many.strangers(port, n, make, RATE), trusted)
            below(s, o)
            many.trusted_is_whole(s, o)
            if allow:
                assert o["untrusted"] <= s.options["decoder.max_untrusted"], o
            part = o["memory"]["exporters_max"] // (4 if allow else 2)  # of those that nobody knows yet
            assert o["memory"]["exporters"] <= part + 8192, o["memory"]
            assert o["refused"].get("exporter_limit", 0) > 0, o["refused"]
        assert s.stop() == 0, s.text()
        many.trusted_is_stored(s, o)


def forged_flows(family):
    n = max(50000 if SANITIZED else 200000, int(20000 * SIZE))
    f, datagrams = many.flowgen_file(FLOWGEN, "-n", n, "-F", family, "-E", "5,3600")
    with f, server() as s:
        def send(port):
            many.replay(FLOWGEN, f, port, RATE)
            return datagrams
        o = many.measure(s, send)
        below(s, o)
        many.trusted_is_whole(s, o)
        assert o["records"] == n + sum(o["trusted_sent"].values()), o


def sets_that_wait_for_ever():
    n = max(40, int(SIZE))
    with server(decoder__max_waiting_total=1 * MIB, exporters__allow="127.9.0.0/16") as s:
        def send(port):
            def sets(i):
                return [many.v9(k, 1, many.a_set(256 + k, many.PLAIN_RECORD * 40)) for k in range(60)]
            return many.strangers(port, n, sets, RATE)
        o = many.measure(s, send)
        below(s, o)
        many.trusted_is_whole(s, o)
        assert o["expired"]["waiting_limit"] > 0 and o["memory"]["waiting"] <= MIB // 4, o


TESTS = [ten_thousand_exporters, a_storm_of_templates, lambda: forged_addresses(False), lambda: forged_addresses(True),
         lambda: forged_flows("v4"), lambda: forged_flows("v6"), sets_that_wait_for_ever]
NAMES = ["ten_thousand_exporters", "a_storm_of_templates", "forged_addresses_all_trusted", "forged_addresses_with_a_list",
         "forged_flows_v4", "forged_flows_v6", "sets_that_wait_for_ever"]
only = sys.argv[4:]
for name, t in zip(NAMES, TESTS):
    if only and name not in only:
        continue
    t0 = time.monotonic()
    t()
    print(f"ok {name}  {time.monotonic() - t0:.1f} s", flush=True)
