#!/usr/bin/env python3
"""How long does receiving stand still while another process saturates the disk? Writes bench/results/stall.json.

usage: stall.py --build BUILD [--seconds 40] [--pairs 2] [--rate 200000] [--folder DIR] [--out FILE]

A server stores on a real disk what a sender sends at a steady pace; every other run has two writers beside it on the same disk: one writes
256 MB and calls fsync, again and again; the other 4 KB and fsync. What the kernel holds for the server's socket is read every millisecond
or so from /proc/net/udp. The server reads the socket until it is empty, so it stands still for as long as the queue only grows: the
longest such time counts (first sample that was not empty to the last one before it shrank). What the queue held at most, by the rate at
which it fills, says the same in another way, also where the one who looks was late himself.
"""
import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests/e2e"), str(ROOT / "tests/tools")]
import load  # noqa: E402
from harness import Server  # noqa: E402

LOOK_S, STATUS_S = 0.001, 0.2


def write_for_ever(path, octets):
    piece = os.urandom(min(octets, 4 << 20))
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    written = syncs = 0
    worst = 0.0
    end = time.monotonic() + float(sys.argv[4])
    while time.monotonic() < end:
        os.lseek(fd, 0, os.SEEK_SET)
        for _ in range(0, octets, len(piece)):
            written += os.write(fd, piece)
        t0 = time.monotonic()
        os.fsync(fd)
        worst = max(worst, time.monotonic() - t0)
        syncs += 1
    print(written, syncs, round(worst * 1000))


class Queue:
    """What the kernel holds for one port."""

    def __init__(self, port):
        self.end = f":{port:04X}"
        self.f = open("/proc/net/udp", encoding="ascii")
        self.most = self.drops = 0
        self.stall = self.own_gap = 0.0
        self.done = threading.Event()
        self.samples = 0

    def read(self):
        self.f.seek(0)
        for line in self.f:
            w = line.split()
            if len(w) > 12 and w[1].endswith(self.end) and w[2].endswith(":0000"):
                self.drops = int(w[12])
                return int(w[4].split(":")[1], 16)
        raise AssertionError("no such socket")

    def run(self):
        since = last = time.monotonic()
        before = 0
        while not self.done.is_set():
            n, now = self.read(), time.monotonic()
            self.samples += 1
            self.own_gap = max(self.own_gap, now - last)
            if n == 0 or n < before:
                since = now
            else:
                self.stall = max(self.stall, now - since)
            self.most = max(self.most, n)
            before, last = n, now
            time.sleep(LOOK_S)


def once(a, pcap, writers):
    folder = a.folder / "stall"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with Server(str(a.build / "weir"), "--http.listen", "off", "--ring.size", "256M", "--journal.size", "2G", folder=folder, before=load.first) as s:
        x = load.Load(a.build, pcap, s.port, a.rate, a.seconds + 10, folder)
        time.sleep(3)  # files are made, memory is touched
        p = [subprocess.Popen([sys.executable, __file__, "--writer", folder / f"noise{octets}", str(octets), str(a.seconds)], stdout=subprocess.PIPE, text=True)
             for octets in ((256 << 20, 4096) if writers else ())]
        q = Queue(s.port)
        looker = threading.Thread(target=q.run, daemon=True)
        looker.start()
        ring = slow = 0
        end = time.monotonic() + a.seconds
        while time.monotonic() < end:
            t0 = time.monotonic()
            st = s.get("/api/v1/status", 60)
            slow = max(slow, time.monotonic() - t0)
            ring = max(ring, st["rings"][0]["used"])
            time.sleep(STATUS_S)
        q.done.set()
        looker.join()
        noise = [[int(v) for v in one.communicate()[0].split()] for one in p]
        x.stop()
        sent = x[load.FLOWS]
        s.wait(lambda: s.get("/api/v1/status")["records"]["flows"] >= sent, "all records", 120)
        st = s.get("/api/v1/status")
        d = st["datagrams"]
        per_ms = x[load.DATAGRAMS] / x[load.FLOWS] * a.rate / 1000
        row = {"writers": writers, "longest_stall_ms": round(q.stall * 1000, 1), "most_queued_octets": q.most, "samples": q.samples,
               "longest_gap_between_samples_ms": round(q.own_gap * 1000, 1), "datagrams_per_ms": round(per_ms, 2),
               "kernel_dropped": d["kernel_dropped"], "ring_dropped": d["ring_dropped"], "not_journaled": d["not_journaled"], "most_ring_octets": ring,
               "longest_journal_sync_ms": st["journal"]["longest_sync_ms"], "slowest_status_ms": round(slow * 1000, 1), "sender_late_ms": x[load.LATE_MS],
               "all_stored": st["records"]["flows"] == sent and d["kernel_dropped"] == d["ring_dropped"] == 0, "flows": sent}
        if noise:
            row["written_beside"] = {"octets": sum(n[0] for n in noise), "octets_per_s": round(sum(n[0] for n in noise) / a.seconds), "fsyncs": sum(n[1] for n in noise),
                                     "longest_fsync_ms": max(n[2] for n in noise)}
        assert s.stop() == 0, s.text()
    shutil.rmtree(folder)
    print(row, flush=True)
    return row


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--build", type=lambda p: pathlib.Path(p).resolve(), required=True)
    ap.add_argument("--seconds", type=float, default=40)
    ap.add_argument("--pairs", type=int, default=2)
    ap.add_argument("--rate", type=int, default=200000)
    ap.add_argument("--folder", type=lambda p: pathlib.Path(p).resolve(), help="on the disk that is meant; default: in BUILD")
    ap.add_argument("--out", type=pathlib.Path, default=ROOT / "bench/results/stall.json")
    a = ap.parse_args()
    a.folder = a.folder or a.build / "bench-data"
    a.folder.mkdir(parents=True, exist_ok=True)
    load.build(a.build, "weir", "tools/flowgen", "tests/soak/soak_send")
    pcap = load.capture(a.build, a.folder)
    runs = [once(a, pcap, bool(i % 2)) for i in range(2 * a.pairs)]
    worst = {k: max(r["longest_stall_ms"] for r in runs if r["writers"] == w) for k, w in (("alone", False), ("beside_writers", True))}
    load.save(a.out, load.origin() | {"rate": a.rate, "seconds_each": a.seconds, "file_system": load.file_system(a.folder), "longest_stall_ms": worst,
                                      "longest_journal_sync_ms": max(r["longest_journal_sync_ms"] for r in runs), "lost": not all(r["all_stored"] for r in runs), "runs": runs})


if sys.argv[1:2] == ["--writer"]:
    write_for_ever(sys.argv[2], int(sys.argv[3]))
else:
    main()
