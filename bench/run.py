#!/usr/bin/env python3
"""Measure Weir beside its peers on the standard data, in one run, and write bench/results/*.json.

usage: run.py --build BUILD [--records 10000000] [--runs 5] [--only ingest|udp|query|peers] [--work DIR]

Whole processes are timed: Weir and nfdump in turn (A B A B …), the median of the runs is what counts, and
ratios, since machines differ and are shared. DuckDB runs inside Node with its own clock (answer formed).
"""
import argparse
import csv
import hashlib
import json
import os
import pathlib
import platform
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
DEVNULL = subprocess.DEVNULL
ENV = dict(os.environ, TZ="UTC")


def timed(cmd, **kw):
    """-> wall s, cpu s, peak MiB, exit code"""
    t0 = time.monotonic()
    p = subprocess.Popen(cmd, stdout=DEVNULL, stderr=DEVNULL, stdin=DEVNULL, env=ENV, **kw)
    _, status, ru = os.wait4(p.pid, 0)
    p.returncode = os.waitstatus_to_exitcode(status)
    return time.monotonic() - t0, ru.ru_utime + ru.ru_stime, ru.ru_maxrss / 1024, p.returncode


def stats(values):
    v = sorted(values)
    return {"median": round(v[len(v) // 2], 4), "min": round(v[0], 4), "max": round(v[-1], 4), "runs": len(v)}


def say(*a):
    print(*a, flush=True)


def sha256(path):
    h = hashlib.sha256()
    with open(path, "rb") as f:
        while chunk := f.read(1 << 20):
            h.update(chunk)
    return h.hexdigest()


def folder_octets(d):
    return sum(f.stat().st_size for f in pathlib.Path(d).rglob("*") if f.is_file())


class Bench:
    def __init__(self, a):
        self.a = a
        self.weir, self.flowgen = str(a.build / "weir"), str(a.build / "tools/flowgen")
        self.work = a.work
        self.work.mkdir(parents=True, exist_ok=True)
        self.out = {"commit": self.cmd("git", "rev-parse", "--short", "HEAD"), "compiler": self.cmd("gcc", "--version").split("\n")[0],
                    "machine": f"{os.cpu_count()} cores, {self.cpu()}, {platform.system()} {platform.release()}",
                    "records": a.records}
        self.pcap = {v: self.work / f"d{a.records}.{v}.pcap" for v in ("v9", "ipfix", "v5")}
        self.csv = self.work / f"d{a.records}.num.csv"

    @staticmethod
    def cmd(*c):
        return subprocess.run(c, stdout=subprocess.PIPE, text=True, cwd=ROOT).stdout.strip()

    @staticmethod
    def cpu():
        m = re.search(r"model name\s*:\s*(.*)", open("/proc/cpuinfo").read())
        return m.group(1) if m else platform.machine()

    def data(self):
        if not all(p.exists() for p in self.pcap.values()) or not self.csv.exists():
            say("making the standard data:", self.a.records, "records")
            subprocess.run([self.flowgen, "-n", str(self.a.records), "-9", self.pcap["v9"], "-i", self.pcap["ipfix"], "-5", self.pcap["v5"],
                            "-C", self.csv], check=True, stderr=DEVNULL)
        self.out["data_sha256"] = {k: sha256(p) for k, p in self.pcap.items()}

    def ingest(self):
        """From a capture file, final segments written and synced."""
        rows = {}
        for v, pcap in self.pcap.items():
            wall, cpu, rss = [], [], []
            for _ in range(self.a.runs):
                data = self.work / "import"
                shutil.rmtree(data, ignore_errors=True)
                w, c, m, rc = timed([self.weir, "import", "--data", str(data), str(pcap)])
                if rc != 0:
                    sys.exit(f"weir import failed ({rc})")
                wall.append(w), cpu.append(c), rss.append(m)
            n = json.loads(subprocess.run([self.weir, "query", "--data", str(data), "-o", "json"], stdout=subprocess.PIPE, text=True).stdout)["totals"]["flows"]
            rows[v] = {"records": n, "seconds": stats(wall), "cpu_seconds": stats(cpu), "peak_mib": stats(rss),
                       "mflows_per_s": round(n / stats(wall)["median"] / 1e6, 3), "cpu_s_per_mflow": round(stats(cpu)["median"] / n * 1e6, 3),
                       "octets_per_flow": round(folder_octets(data) / n, 2)}
            say("ingest", v, rows[v])
            if v == "v9":
                shutil.rmtree(self.work / "weir", ignore_errors=True)
                shutil.copytree(data, self.work / "weir")
        self.out["ingest_pcap"] = rows

    def receiver(self, who, folder, port):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        if who == "weir":
            cmd = [self.weir, "serve", "--data", str(folder / "data"), "--listen", f"udp://127.0.0.1:{port}", "--http.listen", "off"]
        else:
            cmd = ["nfcapd", "-w", str(folder), "-b", "127.0.0.1", "-p", str(port), "-B", "32000000", *(["-y"] if who == "nfcapd-lz4" else [])]
        p = subprocess.Popen(cmd, stdout=DEVNULL, stderr=DEVNULL, stdin=DEVNULL, env=ENV)
        time.sleep(1.0)
        return p

    def count(self, who, folder):
        if who == "weir":
            r = subprocess.run([self.weir, "query", "--data", str(folder / "data"), "-o", "json"], stdout=subprocess.PIPE, text=True)
            return json.loads(r.stdout)["totals"]["flows"]
        n = 0
        for f in folder.glob("nfcapd.2*"):
            r = subprocess.run(["nfdump", "-q", "-r", str(f), "-I"], stdout=subprocess.PIPE, stderr=DEVNULL, text=True, env=ENV)
            m = re.search(r"^Flows:\s*(\d+)", r.stdout, re.M)
            n += int(m.group(1)) if m else 0
        return n

    def udp_once(self, who, rate, seconds, port):
        folder = self.work / f"udp-{who}"
        p = self.receiver(who, folder, port)
        per_datagram = 21.6
        r = subprocess.run([self.flowgen, "-r", str(self.pcap["v9"]), "-p", str(port), "-P", str(int(rate / per_datagram)),
                            "-k", str(int(rate / per_datagram * seconds)), "-l", "1000"], stderr=subprocess.PIPE, text=True)
        time.sleep(2)
        p.send_signal(signal.SIGTERM)
        _, status, ru = os.wait4(p.pid, 0)
        p.returncode = os.waitstatus_to_exitcode(status)
        got = self.count(who, folder)
        shutil.rmtree(folder, ignore_errors=True)
        return got, ru.ru_utime + ru.ru_stime, r.stderr

    def udp(self):
        """The highest of a row of rates that arrives without loss (sender on the same cores)."""
        rates = [0.5e6, 0.75e6, 1.0e6, 1.25e6, 1.5e6, 1.75e6, 2.0e6, 2.5e6]
        result = {}
        for who in ("weir", "nfcapd-none", "nfcapd-lz4"):
            best = None
            for i, rate in enumerate(rates):
                got, cpu, text = self.udp_once(who, rate, self.a.udp_seconds, 23456)
                m = re.search(r"(\d+) datagrams.*?([\d.]+) s", text)
                sent = self.flows_in(int(m.group(1))) if m else None
                row = {"rate": rate, "sent": sent, "stored": got, "cpu_s_per_mflow": round(cpu / max(got, 1) * 1e6, 3),
                       "sender": text.strip().split("\n")[-1]}
                result.setdefault(who, []).append(row)
                say("udp", who, row)
                if sent is not None and got < sent:
                    break
                best = rate
            result[who + "_loss_free"] = best
        self.out["ingest_udp"] = result

    def flows_in(self, datagrams):
        """Records in the first `datagrams` of the v9 capture, repeated as the sender repeats it."""
        if not hasattr(self, "cum"):
            import mmap
            import struct
            self.cum = [0]
            sizes = {}
            with open(self.pcap["v9"], "rb") as f:
                d = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)
                at, end = 24, len(d)
                while at + 16 <= end:
                    n = struct.unpack_from("<I", d, at + 8)[0]
                    p, stop, flows = at + 16 + 14 + 20 + 8 + 20, at + 16 + n, 0
                    src = d[at + 16 + 14 + 20 + 8 + 16:at + 16 + 14 + 20 + 8 + 20]
                    while p + 4 <= stop:
                        sid, ln = struct.unpack_from(">HH", d, p)
                        if ln < 4:
                            break
                        if sid == 0:
                            q = p + 4
                            while q + 4 <= p + ln:
                                tid, nf = struct.unpack_from(">HH", d, q)
                                q += 4
                                sizes[src, tid] = sum(struct.unpack_from(">HH", d, q + 4 * i)[1] for i in range(nf))
                                q += 4 * nf
                        elif sid >= 256 and (src, sid) in sizes:
                            flows += (ln - 4) // sizes[src, sid]
                        p += ln
                    self.cum.append(self.cum[-1] + flows)
                    at += 16 + n
        whole, rest = divmod(datagrams, len(self.cum) - 1)
        return whole * self.cum[-1] + self.cum[rest]

    def nfdump_store(self):
        folder = self.work / "nfdump"
        if folder.exists() and any(folder.glob("nfcapd.2*")):
            return folder
        p = self.receiver("nfcapd-lz4", folder, 23457)
        subprocess.run([self.flowgen, "-r", str(self.pcap["v9"]), "-p", "23457", "-P", "25000"], stderr=DEVNULL, check=True)
        time.sleep(2)
        p.terminate()
        p.wait()
        return folder

    def queries(self):
        store = self.nfdump_store()
        out = {}
        n = self.count("nfcapd-lz4", store)
        out["nfdump_records"], out["nfdump_octets_per_flow"] = n, round(folder_octets(store) / max(n, 1), 2)
        for q in csv.DictReader(open(ROOT / "bench/queries.csv", newline="", encoding="utf-8")):
            a = [self.weir, "query", "--data", str(self.work / "weir"), *shlex.split(q["weir"])]
            b = ["nfdump", "-R", str(store), *shlex.split(q["nfdump"])] if q["nfdump"] else None
            ta, tb, ma, mb = [], [], [], []
            for i in range(self.a.runs + 1):  # the first is a warm-up
                w, _, m, rc = timed(a)
                if rc != 0:
                    sys.exit(f"{q['name']}: weir exit {rc}: {shlex.join(a)}")
                if i:
                    ta.append(w), ma.append(m)
                if b:
                    w, _, m, rc = timed(b)
                    if i:
                        tb.append(w), mb.append(m)
            row = {"what": q["what"], "command": "weir query " + q["weir"], "weir_seconds": stats(ta), "weir_peak_mib": stats(ma)["median"]}
            if b:
                row |= {"nfdump": q["nfdump"], "nfdump_seconds": stats(tb), "nfdump_peak_mib": stats(mb)["median"],
                        "nfdump_over_weir": round(stats(tb)["median"] / stats(ta)["median"], 2)}
            out[q["name"]] = row
            say(q["name"], row["weir_seconds"]["median"], row.get("nfdump_seconds", {}).get("median"), row.get("nfdump_over_weir"))
        self.out["queries"] = out

    def duckdb(self):
        here = ROOT / "bench"
        if not (here / "node_modules").exists():
            subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=here, check=True, stdout=DEVNULL)
        db = self.work / "duck.db"
        if not db.exists():
            r = subprocess.run(["node", "peer-duckdb.mjs", "load", str(db), str(self.csv)], cwd=here, stdout=subprocess.PIPE, text=True)
            self.out["duckdb_load"] = json.loads(r.stdout)
        r = subprocess.run(["node", "peer-duckdb.mjs", "query", str(db), str(self.a.runs)], cwd=here, stdout=subprocess.PIPE, text=True)
        self.out["duckdb_queries"] = json.loads(r.stdout)
        say("duckdb", self.out["duckdb_queries"])

    def save(self):
        d = ROOT / "bench/results"
        d.mkdir(exist_ok=True)
        path = d / f"d{self.a.records // 1000000}.json"
        old = json.loads(path.read_text()) if path.exists() else {}
        old.update(self.out)
        path.write_text(json.dumps(old, indent=1) + "\n")
        say("wrote", path.relative_to(ROOT))


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--build", type=lambda p: pathlib.Path(p).resolve(), required=True)
    ap.add_argument("--records", type=int, default=10000000)
    ap.add_argument("--runs", type=int, default=5)
    ap.add_argument("--udp-seconds", type=float, default=10)
    ap.add_argument("--only", choices=["ingest", "udp", "query", "duckdb"], action="append")
    ap.add_argument("--work", type=pathlib.Path)
    a = ap.parse_args()
    a.work = (a.work or a.build / "bench-data").resolve()
    subprocess.run(["ninja", "-C", str(a.build), "--quiet", "weir", "tools/flowgen"], check=True)
    b = Bench(a)
    b.data()
    for name, step in (("ingest", b.ingest), ("query", b.queries), ("udp", b.udp), ("duckdb", b.duckdb)):
        if not a.only or name in a.only:
            step()
            b.save()


main()
