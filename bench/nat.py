#!/usr/bin/env python3
"""How long weir nat takes over many translation events, and whether it names the right owner.

usage: nat.py WEIR [EVENTS [OUT.json]]

A made-up world (tests/e2e/nat_events.py) of sessions and blocks of ports tells so many events (default 10 million) as IPFIX,
which are imported; then addresses and ports at random moments are asked for, of a directory and of a running server, before
and after its segments are merged. Every answer is held against the world. Time is that of the questions inside weir nat.
"""
import datetime
import ipaddress
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/e2e"))
from nat_events import World, ipfix  # noqa: E402

WEIR = os.path.abspath(sys.argv[1])
EVENTS = int(sys.argv[2]) if len(sys.argv) > 2 else 10_000_000
OUT = pathlib.Path(sys.argv[3]) if len(sys.argv) > 3 else ROOT / "bench/results/nat.json"
QUESTIONS = 200
PROTO = {6: "tcp", 17: "udp"}


def clock(ms):
    return (datetime.datetime(1970, 1, 1) + datetime.timedelta(milliseconds=ms)).isoformat(timespec="milliseconds") + "Z"


def run(*args):
    return subprocess.run([WEIR, *map(str, args)], check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout


def ask(world, data, n):
    """Right answers, seconds inside weir nat, processor seconds of the whole command (a busy machine changes these least)."""
    right, inside, whole = 0, [], []
    for _ in range(n):
        pub, port, proto, at = world.lasting()
        words = ["nat", f"{world.publics[pub]}:{port}", "--data", data, "--at", clock(at), "-o", "json"]
        if port < 32768:
            words += ["--proto", PROTO[proto]]
        began = os.times()
        a = json.loads(run(*words))
        ended = os.times()
        whole.append(ended.children_user + ended.children_system - began.children_user - began.children_system)
        inside.append(a["seconds"])
        want = world.owner(pub, port, proto, at)
        got = {(o["address"], o["port"]) for o in a["owners"]}
        right += got == (set() if want is None else {(str(ipaddress.ip_address(want[0])), want[1])})
    return right, inside, whole


def summary(t):
    right, inside, whole = t

    def of(x):
        x = sorted(x)
        return {"median_ms": round(1000 * statistics.median(x), 2), "p99_ms": round(1000 * x[int(len(x) * 0.99) - 1], 2)}
    return {"questions": len(inside), "right": right, "inside": of(inside), "processor": of(whole)}


def main():
    world = World(EVENTS * 49 // 100, EVENTS // 100, publics=256, span_s=7 * 86400)
    result = {"what": __doc__.splitlines()[0], "machine": platform.processor() or platform.machine(), "cpus": os.cpu_count(), "kernel": platform.release()}
    with tempfile.TemporaryDirectory(prefix="weir-bench-nat-") as tmp:
        tmp = pathlib.Path(tmp)
        with open(tmp / "events.ipfix", "wb") as f:
            for m in ipfix(world.events(), most=1000):
                f.write(m)
        data = tmp / "data"
        began = time.monotonic()
        print(run("import", "--data", data, "--exporter", "192.0.2.1", tmp / "events.ipfix").splitlines()[0])
        result["import_s"] = round(time.monotonic() - began, 1)
        (tmp / "events.ipfix").unlink()
        result["events"] = json.loads(run("query", "--data", data, "-o", "json"))["totals"]["flows"]
        result["octets"] = sum(f.stat().st_size for f in data.glob("seg-*.seg"))
        ask(world, data, 20)
        result["directory"] = summary(ask(world, data, QUESTIONS))
        began = time.monotonic()
        run("compact", "--data", data)
        result["compact_s"] = round(time.monotonic() - began, 1)
        result["octets_merged"] = sum(f.stat().st_size for f in data.glob("seg-*.seg"))
        result["merged"] = summary(ask(world, data, QUESTIONS))
        from harness import Server
        with Server(WEIR, folder=tmp) as s:
            ask(world, data, 20)
            result["server"] = summary(ask(world, data, QUESTIONS))
            assert s.p.poll() is None
    print(json.dumps(result, indent=1))
    OUT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


main()
