#!/usr/bin/env python3
"""Filters count the same as nfdump does, and rankings, aggregations and windows (answers.py) give the same values: 1 000 000 records of tools/flowgen and records.py go to nfcapd over loopback
and, as the same datagrams in captures, to Weir; then every filter of filters.txt is asked of both.

usage: run.py WEIR FLOWGEN

filters.txt      equal counts, each between 1 and N - 1
refused.txt      neither accepts them
differences.tsv  where Weir differs on purpose, and where nfdump 1.7.1 cannot be followed, with the reason; a row whose
                 counts have become equal fails, so that the table stays true
"""
import concurrent.futures
import csv
import http.client
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]
import answers  # noqa: E402
import harness  # noqa: E402
import records  # noqa: E402

WEIR, FLOWGEN = map(os.path.abspath, sys.argv[1:3])
N, PER_KIND = 1_000_000, 1400
AT_LEAST, AT_LEAST_MIXED, AT_LEAST_REFUSED = 120, 30, 20


def expressions():
    """(group, filter for nfdump, filter for Weir)"""
    group = None
    for line in (HERE / "filters.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            group = line.strip("[]")
        elif line and not line.startswith("#"):
            theirs, _, ours = line.partition(" ==> ")
            yield group, theirs, ours or theirs


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def send_extra(port, datagrams, per_second):
    sockets = {}
    for n, (source, data) in enumerate(datagrams):
        if source not in sockets:
            sockets[source] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sockets[source].bind((source, 0))
        sockets[source].sendto(data, ("127.0.0.1", port))
        if n % 20 == 19:
            time.sleep(20 / per_second)
    for s in sockets.values():
        s.close()


def nfdump(folder, text):
    """Records that pass, or None and what nfdump said."""
    geo = folder.parent / "empty"
    r = subprocess.run(["nfdump", "-r", str(folder), *(["-G", str(geo)] if geo.exists() else []), "-N", "-o", "null", text],
                       capture_output=True, text=True, errors="replace", timeout=60)
    m = re.search(r"passed: (\d+)", r.stdout)
    return (int(m.group(1)), "") if m and r.returncode == 0 else (None, (r.stdout + r.stderr).strip()[:120])


def collect(folder, capture, extra):
    """The datagrams over loopback to nfcapd, slower when some were lost."""
    for pps in (16000, 8000, 3000):
        for f in folder.glob("*"):
            f.unlink()
        port = free_port()
        p = subprocess.Popen(["nfcapd", "-w", str(folder), "-b", "127.0.0.1", "-p", str(port), "-B", "16000000", "-t", "86400"],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        try:
            time.sleep(0.7)
            send_extra(port, extra, pps)
            subprocess.run([FLOWGEN, "-r", str(capture), "-p", str(port), "-P", str(pps)], check=True, capture_output=True,
                           timeout=120)
            time.sleep(1.5)
        finally:
            p.terminate()
            p.wait(30)
        have, why = nfdump(folder, "any")
        if have == N:
            return
        print(f"nfcapd has {have} of {N} records at {pps} datagrams a second {why}")
    raise SystemExit("nfcapd loses datagrams on this machine")


class Unix(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(self.path)


class Weir:
    """One server answers every filter."""

    def __init__(self, path):
        self.http = Unix(path)

    def get(self, **question):
        self.http.request("GET", "/api/v1/query?format=json&dedup=off&" + urllib.parse.urlencode(question))
        r = self.http.getresponse()
        body = r.read().decode(errors="replace")
        return (json.loads(body), "") if r.status == 200 else (None, body[:200])

    def ask(self, text):
        answer, why = self.get(q=text)
        return answer["totals"]["flows"] if answer else None, why

    def answer(self, **question):
        answer, why = self.get(**question)
        if not answer:
            raise SystemExit(f"{question}: {why}")
        return answer


class Verdict:
    def __init__(self):
        self.passed = self.failed = 0

    def of(self, good, text):
        self.passed += good
        self.failed += not good
        if not good:
            print("FAILED", text)


def compare(v, weir, theirs):
    groups = {}
    for group, nf, ours in expressions():
        a, why = theirs(nf)
        b, say = weir.ask(ours)
        v.of(a is not None and a == b and 0 < a < N, f"[{group}] {nf}: nfdump {a} {why}, Weir {b} {say}")
        groups[group] = groups.get(group, 0) + 1
    v.of(sum(groups.values()) >= AT_LEAST and groups["mixed"] >= AT_LEAST_MIXED, f"too few filters: {groups}")


def refused(v, weir, theirs):
    lines = [x for x in (HERE / "refused.txt").read_text(encoding="utf-8").splitlines() if x and not x.startswith("#")]
    for text in lines:
        a, b = theirs(text)[0], weir.ask(text)[0]
        v.of(a is None and b is None, f"{text}: nfdump {a}, Weir {b}; both should refuse it")
    v.of(len(lines) >= AT_LEAST_REFUSED, "too few refused filters")


def differences(v, weir, theirs):
    for row in csv.DictReader((HERE / "differences.tsv").open(encoding="utf-8"), delimiter="\t", quoting=csv.QUOTE_NONE):
        (a, _), (b, say) = theirs(row["filter"]), weir.ask(row["filter"])
        want = {"refused": None, "any": b}.get(row["weir"], int(row["weir"]) if row["weir"].isdigit() else b)
        v.of(a != b and b == want and (b is not None or row["weir"] == "refused"),
             f"{row['filter']}: nfdump {a}, Weir {b} {say}; the table says: {row['reason']}")


def main():
    extra = list(records.datagrams(PER_KIND))
    v = Verdict()
    with tempfile.TemporaryDirectory(prefix="weir-nfdump-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as tmp:
        tmp = pathlib.Path(tmp)
        (tmp / "nf").mkdir()
        subprocess.run([FLOWGEN, "-n", str(N - PER_KIND * len(records.KINDS)), "-9", str(tmp / "flows.pcap")], check=True,
                       capture_output=True, timeout=120)
        records.pcap(tmp / "extra.pcap", extra)
        collect(tmp / "nf", tmp / "flows.pcap", extra)
        # filters on AS want a geo database in 1.7.1; an empty file of flows passes for one
        subprocess.run(["nfdump", "-r", str(tmp / "nf"), "-w", str(tmp / "empty"), "proto 254"], check=True, capture_output=True)
        subprocess.run([WEIR, "import", "--data", str(tmp / "data"), str(tmp / "flows.pcap"), str(tmp / "extra.pcap")], check=True,
                       capture_output=True, timeout=120)
        (tmp / "flows.pcap").unlink()
        asked = [nf for _, nf, _ in expressions()]
        with concurrent.futures.ThreadPoolExecutor(2) as pool, harness.Server(WEIR, folder=tmp) as server:
            counts = dict(zip(asked, pool.map(lambda f: nfdump(tmp / "nf", f), asked)))
            weir = Weir(str(server.data / "weir.sock"))
            v.of(weir.ask("any")[0] == N, "Weir has all records")
            compare(v, weir, counts.__getitem__)
            refused(v, weir, lambda f: nfdump(tmp / "nf", f))
            differences(v, weir, lambda f: nfdump(tmp / "nf", f))
            answers.compare(v, tmp / "nf", weir.answer)
            server.stop()
    print(f"{v.passed} passed, {v.failed} failed")
    sys.exit(v.failed > 0)


main()
