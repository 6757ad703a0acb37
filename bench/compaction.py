#!/usr/bin/env python3
"""What does merging cost those who receive and ask? Writes bench/results/compaction.json.

usage: compaction.py --build BUILD [--segments 64] [--seconds 30] [--pairs 3] [--folder DIR] [--out FILE]

A store of sealed segments that nobody has merged is made once. Each run begins with it as it was (hard links), with merging on or off, in
turn (off on on off ...), and has two parts: questions one after the other while 0.3 M flows/s arrive; then as many flows as the sender can
send, of which those that are decoded in a second count, and what the server's processor time makes of a million of them.
"""
import argparse
import os
import pathlib
import shutil
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests/e2e"), str(ROOT / "tests/tools")]
import load  # noqa: E402
from harness import Server  # noqa: E402

RATE, TOO_MUCH, MAKE_RATE = 300000, 3000000, 700000
FLOOD_S = 12
BOUND = 0.20
QUESTIONS = {"totals": {}, "top sources": {"by": "src ip", "measure": "bytes", "top": 10, "last": "30s"},
             "ports, filtered": {"filter": "proto tcp", "by": "dst port", "measure": "flows", "top": 10, "last": "10s"},
             "a host, everything": {"filter": "host 198.51.100.77", "list": 1, "limit": 20},
             "pairs": {"by": "src ip,dst ip", "measure": "bytes", "top": 10, "last": "10s"}}


def server(a, folder, merging, **kw):
    return Server(str(a.build / "weir"), "--http.listen", "off", "--ring.size", "256M", "--journal.size", "1G", "--query.threads", "1",
                  "--compact.enabled", "yes" if merging else "no", folder=folder, **kw)


def link_or_copy(src, dst):
    if src.endswith(".seg"):
        os.link(src, dst)
    else:
        shutil.copy2(src, dst)


def make(a, pcap):
    """Segments of a million records, none of them merged."""
    folder = a.folder / "unmerged"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    with server(a, folder, False) as s:
        x = load.Load(a.build, pcap, s.port, MAKE_RATE, 3600, folder)
        s.wait(lambda: s.get("/api/v1/status")["store"]["segments"] >= a.segments, "segments", 600)
        x.stop()
        assert s.stop() == 0, s.text()
    return folder


def once(a, pcap, made, merging):
    folder = a.folder / "run"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    shutil.copytree(made / "data", folder / "data", copy_function=link_or_copy, ignore=shutil.ignore_patterns("weir.sock"))
    with server(a, folder, merging, before=load.first) as s:
        pid = s.data_pid()
        before = s.get("/api/v1/status")
        x = load.Load(a.build, pcap, s.port, RATE, 3600, folder)
        times = {k: [] for k in QUESTIONS}
        cpu, end = load.cpu_s(pid), time.monotonic() + a.seconds
        while time.monotonic() < end:
            for name, q in QUESTIONS.items():
                t0 = time.monotonic()
                s.get("/api/v1/query", 120, format="json", **q)
                times[name].append(time.monotonic() - t0)
                time.sleep(0.05)
        calm = s.get("/api/v1/status")
        x.stop()
        cpu_calm = load.cpu_s(pid) - cpu
        time.sleep(0.5)
        x = load.Load(a.build, pcap, s.port, TOO_MUCH, 3600, folder)
        time.sleep(1)
        st0, t0, cpu = s.get("/api/v1/status"), time.monotonic(), load.cpu_s(pid)
        time.sleep(FLOOD_S)
        st1, took, cpu = s.get("/api/v1/status"), time.monotonic() - t0, load.cpu_s(pid) - cpu
        x.stop()
        c, drops = calm["compaction"], [x["datagrams"]["kernel_dropped"] + x["datagrams"]["ring_dropped"] for x in (before, calm)]
        flows = st1["records"]["flows"] - st0["records"]["flows"]
        row = {"merging": merging, "questions_s": {k: load.stats(v) for k, v in times.items()}, "cpu_s_beside_questions": round(cpu_calm, 2),
               "dropped_at_0.3M": drops[1] - drops[0],
               "merging_octets_per_s": round((c["octets_read"] + c["octets_written"]) / a.seconds), "merges": c["merges"], "segments": [before["store"]["segments"], calm["store"]["segments"]],
               "merging_at_the_end": c["running"],
               "flood": {"decoded_per_s": round(flows / took), "cpu_s_per_mflow": round(cpu / flows * 1e6, 3), "merging": [st0["compaction"]["running"], st1["compaction"]["running"]]}}
        s.kill_all()
    shutil.rmtree(folder)
    print(row, flush=True)
    return row


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--build", type=lambda p: pathlib.Path(p).resolve(), required=True)
    ap.add_argument("--segments", type=int, default=64)
    ap.add_argument("--seconds", type=float, default=30)
    ap.add_argument("--pairs", type=int, default=3)
    ap.add_argument("--folder", type=lambda p: pathlib.Path(p).resolve())
    ap.add_argument("--out", type=pathlib.Path, default=ROOT / "bench/results/compaction.json")
    a = ap.parse_args()
    a.folder = a.folder or a.build / "bench-data"
    a.folder.mkdir(parents=True, exist_ok=True)
    load.build(a.build, "weir", "tools/flowgen", "tests/soak/soak_send")
    pcap = load.capture(a.build, a.folder)
    made = make(a, pcap)
    runs = [once(a, pcap, made, bool((i + 1) // 2 % 2)) for i in range(2 * a.pairs)]
    shutil.rmtree(made)

    def middle(merging, get):
        v = sorted(get(r) for r in runs if r["merging"] == merging)
        return (v[(len(v) - 1) // 2] + v[len(v) // 2]) / 2

    ratio = {f"median of {k}": round(middle(True, lambda r: r["questions_s"][k]["median"]) / middle(False, lambda r: r["questions_s"][k]["median"]), 3) for k in QUESTIONS}
    ratio["decoded per second, flood"] = round(middle(True, lambda r: r["flood"]["decoded_per_s"]) / middle(False, lambda r: r["flood"]["decoded_per_s"]), 3)
    load.save(a.out, load.origin() | {"file_system": load.file_system(a.folder), "segments": a.segments, "seconds_each": a.seconds, "bound": BOUND,
                                      "with_merging_over_without": ratio,
                                      "within_bound": {k: v <= 1 + BOUND if k.startswith("median") else v >= 1 - BOUND for k, v in ratio.items()}, "runs": runs})


main()
