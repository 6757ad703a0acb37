#!/usr/bin/env python3
"""Measure Weir beside its peers on the standard data, in one run, and write bench/results/dN.json; bench/table.py makes
docs/performance.md of it.

usage: run.py --build BUILD [--records 10000000] [--runs 5] [--only ingest|query|udp|duckdb] [--work DIR] [--out FILE]

What stands beside what:
- a command: `weir query` on its data directory and `nfdump`, whole processes in turn (A B A B), start included;
- a running engine: a question over the socket of `weir serve`, from the request to the last octet, and DuckDB inside Node with
  its own clock (answer formed);
- ingest by UDP: `weir serve` and `nfcapd` at a row of rates, in turn, the sender on the same cores; the highest loss-free rate
  counts. nfcapd does not read captures, so ingest from a file stands beside DuckDB's load of the same records as CSV.
The median of the runs counts (3 runs where one takes over 30 s). Machines differ and are shared: ratios, not figures. Memory of
Weir and DuckDB is anonymous memory; peak_mib has the mapped pages of files too.
"""
import argparse
import csv
import hashlib
import json
import mmap
import os
import pathlib
import platform
import re
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent
DEVNULL = subprocess.DEVNULL
ENV = dict(os.environ, TZ="UTC")
RATES = [0.5e6, 0.75e6, 1.0e6, 1.25e6, 1.5e6, 1.75e6, 1.9e6, 2.25e6, 2.5e6, 3e6, 3.5e6, 4e6]
COLD_RUNS, SLOW_S, SLOW_RUNS = 3, 30, 3
TRIES = 2  # a rate is lost when it fails so often: the machine has other things to do now and then


def timed(cmd, **kw):
    """-> wall s, cpu s, peak MiB, exit code"""
    t0 = time.monotonic()
    p = subprocess.Popen(cmd, stdout=DEVNULL, stderr=DEVNULL, stdin=DEVNULL, env=ENV, **kw)
    _, status, ru = os.wait4(p.pid, 0)
    p.returncode = os.waitstatus_to_exitcode(status)
    return time.monotonic() - t0, ru.ru_utime + ru.ru_stime, ru.ru_maxrss / 1024, p.returncode


def anonymous(pid):
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as f:
            m = re.search(r"RssAnon:\s+(\d+)", f.read())
        return int(m.group(1)) / 1024 if m else 0
    except OSError:
        return 0


def peak_anonymous(cmd):
    p = subprocess.Popen(cmd, stdout=DEVNULL, stderr=DEVNULL, stdin=DEVNULL, env=ENV)
    most = 0
    while p.poll() is None:
        most = max(most, anonymous(p.pid))
        time.sleep(0.002)
    return round(most, 1)


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


def files_of(d):
    return [f for f in pathlib.Path(d).rglob("*") if f.is_file()]


def folder_octets(d):
    return sum(f.stat().st_size for f in files_of(d))


def forget(d):
    """Put the files of a folder out of the page cache, as far as the kernel follows (it needs no rights)."""
    for f in files_of(d):
        fd = os.open(f, os.O_RDONLY)
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)


def free_port(kind=socket.SOCK_DGRAM):
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def output(*c, **kw):
    return subprocess.run(c, stdout=subprocess.PIPE, stderr=DEVNULL, text=True, cwd=kw.pop("cwd", ROOT), env=ENV, **kw).stdout.strip()


def both(a, b):
    return f"({a}) and ({b})" if a and b else a or b


def questions():
    """(name, row of queries.csv, filter): each query as it is, then with every filter of filters.csv."""
    with open(ROOT / "bench/queries.csv", newline="", encoding="utf-8") as f, open(ROOT / "bench/filters.csv", newline="", encoding="utf-8") as g:
        filters = list(csv.DictReader(g))
        return [(q["name"] + x["suffix"], q, both(q["filter"], x["filter"])) for q in csv.DictReader(f) for x in filters]


def url_of(filter_, words):
    """What `weir query` asks its server: options and parameters have the same names."""
    pairs, w = [("filter", filter_)] if filter_ else [], shlex.split(words)
    while w:
        name = w.pop(0)
        if name == "-o":
            pairs.append(("format", w.pop(0)))
        else:
            pairs.append((name[2:], w.pop(0) if w and not w[0].startswith("-") else "1"))
    if "format" not in dict(pairs):
        pairs.append(("format", "table"))
    return "/api/v1/query?" + urllib.parse.urlencode(pairs)


class Bench:
    def __init__(self, a):
        self.a = a
        self.weir, self.flowgen = str(a.build / "weir"), str(a.build / "tools/flowgen")
        self.work = a.work
        self.work.mkdir(parents=True, exist_ok=True)
        self.out = {"commit": output("git", "rev-parse", "--short", "HEAD") + ("+changes" if output("git", "status", "--porcelain", "-uno") else ""),
                    "compiler": output("cc", "--version").split("\n")[0], "flags": self.flags(), "date": time.strftime("%Y-%m-%d"),
                    "machine": f"{os.cpu_count()} cores, {self.cpu()}, {os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') >> 30} GB, "
                               f"{platform.system()} {platform.release()}",
                    "peers": {"nfdump": output("nfdump", "-V"), "node": output("node", "--version")}, "records": a.records, "runs": a.runs}
        self.pcap = {v: self.work / f"d{a.records}.{v}.pcap" for v in ("v9", "ipfix", "v5")}
        self.csv = self.work / f"d{a.records}.num.csv"

    def flags(self):
        text = output("meson", "introspect", str(self.a.build), "--buildoptions")
        o = {x["name"]: x["value"] for x in json.loads(text or "[]")}
        return " ".join(f"{k}={o[k] if not isinstance(o[k], list) else ' '.join(o[k])}"
                        for k in ("buildtype", "optimization", "b_ndebug", "b_lto", "b_sanitize", "c_args") if k in o)

    @staticmethod
    def cpu():
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as f:
            m = re.search(r"model name\s*:\s*(.*)", f.read())
        return m.group(1) if m else platform.machine()

    def data(self):
        if not all(p.exists() for p in self.pcap.values()) or not self.csv.exists():
            say("making the standard data:", self.a.records, "records")
            subprocess.run([self.flowgen, "-n", str(self.a.records), "-9", self.pcap["v9"], "-i", self.pcap["ipfix"], "-5", self.pcap["v5"],
                            "-C", self.csv], check=True, stderr=DEVNULL)
        self.out["data"] = f"flowgen -n {self.a.records} -9 v9.pcap -i ipfix.pcap -5 v5.pcap -C num.csv (seed 1)"
        self.out["data_sha256"] = {k: sha256(p) for k, p in self.pcap.items()}

    def runs_for(self, first_s):
        return min(self.a.runs, SLOW_RUNS) if first_s > SLOW_S else self.a.runs

    # ------------------------------------------------------------------------------------ ingest

    def ingest(self):
        """From a capture file, final segments written and synced; the capture is in the page cache for all runs."""
        rows = {}
        for v, pcap in self.pcap.items():
            data = self.work / "import"
            cmd = [self.weir, "import", "--data", str(data), str(pcap)]
            wall, cpu, rss, n_runs = [], [], [], self.a.runs
            while len(wall) < n_runs:
                shutil.rmtree(data, ignore_errors=True)
                w, c, m, rc = timed(cmd)
                if rc != 0:
                    sys.exit(f"weir import failed ({rc}): {shlex.join(cmd)}")
                wall.append(w), cpu.append(c), rss.append(m)
                n_runs = self.runs_for(wall[0])
            n = self.count("weir", self.work, data)
            rows[v] = {"command": f"weir import {v}.pcap", "records": n, "seconds": stats(wall), "cpu_seconds": stats(cpu), "peak_mib": stats(rss),
                       "mflows_per_s": round(n / stats(wall)["median"] / 1e6, 3), "cpu_s_per_mflow": round(stats(cpu)["median"] / n * 1e6, 3),
                       "octets_per_flow": round(folder_octets(data) / n, 2)}
            say("ingest", v, f"{rows[v]['mflows_per_s']} M flows/s, {rows[v]['cpu_s_per_mflow']} CPU s/M, {rows[v]['octets_per_flow']} octets/flow")
            if v == "v9":
                shutil.rmtree(self.work / "weir", ignore_errors=True)
                shutil.move(data, self.work / "weir")
            shutil.rmtree(data, ignore_errors=True)
        self.out["ingest_pcap"] = rows

    # ------------------------------------------------------------------------------------ UDP

    def receiver(self, who, folder, port):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        if who == "weir":
            cmd = [self.weir, "serve", "--data", str(folder / "data"), "--listen", f"udp://127.0.0.1:{port}", "--http.listen", "off"]
        else:
            cmd = ["nfcapd", "-w", str(folder), "-b", "127.0.0.1", "-p", str(port), "-B", "32000000", *(["-y"] if who == "nfcapd lz4" else [])]
        p = subprocess.Popen(cmd, stdout=DEVNULL, stderr=DEVNULL, stdin=DEVNULL, env=ENV)
        time.sleep(1.0)
        if p.poll() is not None:
            sys.exit(f"{who} did not start: {shlex.join(cmd)}")
        return p

    def count(self, who, folder, data=None):
        if who == "weir":
            r = output(self.weir, "query", "--data", str(data or folder / "data"), "-o", "json", "--dedup", "off")
            return json.loads(r)["totals"]["flows"] if r else 0
        m = [re.search(r"^Flows:\s*(\d+)", output("nfdump", "-q", "-r", str(f), "-I"), re.M) for f in folder.glob("nfcapd.2*")]
        return sum(int(x.group(1)) for x in m if x)

    def udp_once(self, who, rate, seconds):
        folder, port = self.work / "udp", free_port()
        p = self.receiver(who, folder, port)
        pps = rate / self.flows_in(-1) * self.datagrams
        r = subprocess.run([self.flowgen, "-r", str(self.pcap["v9"]), "-p", str(port), "-P", str(int(pps)), "-k", str(int(pps * seconds)), "-l", "100000"],
                           stderr=subprocess.PIPE, text=True)
        time.sleep(2)
        p.send_signal(signal.SIGTERM)
        _, status, ru = os.wait4(p.pid, 0)
        p.returncode = os.waitstatus_to_exitcode(status)
        got = self.count(who, folder)
        shutil.rmtree(folder, ignore_errors=True)
        m = re.search(r"(\d+) datagrams.*?([\d.]+) s", r.stderr)
        if m is None:
            sys.exit(f"flowgen -r said: {r.stderr}")
        sent, took = self.flows_in(int(m.group(1))), float(m.group(2))
        cpu = ru.ru_utime + ru.ru_stime
        return {"rate": rate, "sender_kept_pace": took < 1.05 * seconds, "sent": sent, "stored": got, "lost_percent": round(100 * (1 - got / sent), 3), "rate_reached": round(sent / max(took, 0.001)),
                "cpu_s_per_mflow": round(cpu / max(got, 1) * 1e6, 3), "peak_mib": round(ru.ru_maxrss / 1024, 1)}

    def udp(self):
        """The highest of a row of rates that arrives without loss (sender on the same cores), receivers in turn."""
        result, alive = {}, ["weir", "nfcapd none", "nfcapd lz4"]
        for rate in RATES:
            for who in list(alive):
                for attempt in range(TRIES):
                    row = self.udp_once(who, rate, self.a.udp_seconds)
                    row["attempt"] = attempt + 1
                    result.setdefault(who, {"loss_free": None, "rates": []})["rates"].append(row)
                    say(f"udp {who} {rate / 1e6:g} M flows/s: sent {row['sent']}, stored {row['stored']}, {row['cpu_s_per_mflow']} CPU s/M")
                    if row["stored"] >= row["sent"]:
                        break
                if row["stored"] < row["sent"] or not row["sender_kept_pace"]:
                    alive.remove(who)
                if row["stored"] >= row["sent"]:
                    result[who]["loss_free"] = row["rate_reached"]
                    result[who]["cpu_s_per_mflow"] = row["cpu_s_per_mflow"]
            if not alive:
                break
        result["seconds_each"] = self.a.udp_seconds
        self.out["ingest_udp"] = result

    def flows_in(self, datagrams):
        """Records in the first `datagrams` (-1: in all) of the v9 capture, repeated as the sender repeats it."""
        if not hasattr(self, "cum"):
            self.cum, sizes = [0], {}
            with open(self.pcap["v9"], "rb") as f:
                d = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)
                at, end = 24, len(d)
                while at + 16 <= end:
                    n = struct.unpack_from("<I", d, at + 8)[0]
                    p, stop, flows = at + 16 + 14 + 20 + 8 + 20, at + 16 + n, 0
                    src = d[p - 4:p]
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
            self.datagrams = len(self.cum) - 1
        if datagrams < 0:
            return self.cum[-1]
        whole, rest = divmod(datagrams, self.datagrams)
        return whole * self.cum[-1] + self.cum[rest]

    # ------------------------------------------------------------------------------------ queries

    def nfdump_store(self):
        """nfcapd with lz4, its default compression, fed slowly enough to lose nothing."""
        folder = self.work / "nfdump"
        if folder.exists() and self.count("nfdump", folder) == self.a.records:
            return folder
        port = free_port()
        p = self.receiver("nfcapd lz4", folder, port)
        subprocess.run([self.flowgen, "-r", str(self.pcap["v9"]), "-p", str(port), "-P", "25000"], stderr=DEVNULL, check=True)
        time.sleep(2)
        p.terminate()
        p.wait()
        got = self.count("nfdump", folder)
        if got != self.a.records:
            sys.exit(f"nfcapd stored {got} of {self.a.records} records; the machine is too busy for a fair comparison")
        return folder

    def weir_store(self):
        d = self.work / "weir"
        if not d.exists() or self.count("weir", self.work, d) != self.a.records:
            shutil.rmtree(d, ignore_errors=True)
            if timed([self.weir, "import", "--data", str(d), str(self.pcap["v9"])])[3] != 0:
                sys.exit("weir import failed")
        return d

    def in_turn(self, a, b):
        """Both commands, in turn, once to warm up and then a.runs times."""
        ta, tb, ca, cb, ma, mb, n, i = [], [], [], [], [], [], self.a.runs, 0
        while i <= n:
            w, c, m, rc = timed(a)
            if rc != 0:
                sys.exit(f"exit {rc}: {shlex.join(a)}")
            first = w
            if i:
                ta.append(w), ca.append(c), ma.append(m)
            if b:
                w, c, m, rc = timed(b)
                if rc != 0:
                    sys.exit(f"exit {rc}: {shlex.join(b)}")
                first = max(first, w)
                if i:
                    tb.append(w), cb.append(c), mb.append(m)
            n = self.runs_for(first) if i == 0 else n
            i += 1
        one = {"seconds": stats(ta), "cpu_seconds": stats(ca)["median"], "peak_mib": round(stats(ma)["median"], 1)}
        two = {"seconds": stats(tb), "cpu_seconds": stats(cb)["median"], "peak_mib": round(stats(mb)["median"], 1)} if b else None
        return one, two

    @staticmethod
    def cold(cmd, folder):
        t = []
        for _ in range(COLD_RUNS):
            forget(folder)
            t.append(timed(cmd)[0])
        return stats(t)

    def queries(self):
        peer, data = self.nfdump_store(), self.weir_store()
        out, flows = {}, {}
        self.out["nfdump_octets_per_flow"] = round(folder_octets(peer) / self.a.records, 2)
        self.out["weir_octets_per_flow"] = round(folder_octets(data) / self.a.records, 2)
        for name, q, filter_ in questions():
            a = [self.weir, "query", "--data", str(data), *([filter_] if filter_ else []), *shlex.split(q["weir"])]
            b = ["nfdump", "-R", str(peer), *shlex.split(q["nfdump"]), *([filter_] if filter_ else [])] if q["nfdump"] else None
            one, two = self.in_turn(a, b)
            row = {"what": q["what"], "note": q["note"], "filter": filter_,
                   "weir": {"command": shlex.join(["weir", "query", *a[4:]]), **one, "cold_seconds": self.cold(a, data), "anon_mib": peak_anonymous(a)}}
            if b:
                row["nfdump"] = {"command": shlex.join(["nfdump", "-R", "STORE", *b[3:]]), **two, "cold_seconds": self.cold(b, peer)}
                row["nfdump_over_weir"] = round(two["seconds"]["median"] / one["seconds"]["median"], 2)
            if filter_ not in flows:
                flows[filter_] = self.matched(data, peer, filter_)
            out[name] = row
            say(f"{name:4} weir {one['seconds']['median']:.4f} s, nfdump {two['seconds']['median'] if two else '-'} s")
        self.serve(data, out)
        self.out["queries"] = out
        self.out["flows_matched"] = [{"filter": k, **v} for k, v in flows.items()]

    def matched(self, data, peer, filter_):
        """The same filter selects the same records, or the comparison is of no use."""
        words = [filter_] if filter_ else []
        ours = json.loads(output(self.weir, "query", "--data", str(data), "-o", "json", "--dedup", "off", *words))["totals"]["flows"]
        m = re.search(r"total flows: (\d+)", output("nfdump", "-R", str(peer), "-o", "null", *words))
        theirs = int(m.group(1)) if m else -1
        if ours != theirs:
            say(f"DIFFERENT: {filter_ or 'everything'}: weir {ours}, nfdump {theirs}")
        return {"weir": ours, "nfdump": theirs, "same": ours == theirs}

    def serve(self, data, out):
        """The same questions to a running server."""
        p = subprocess.Popen([self.weir, "serve", "--data", str(data), "--listen", f"udp://127.0.0.1:{free_port()}", "--http.listen", "off"],
                             stdout=DEVNULL, stderr=DEVNULL, stdin=DEVNULL, env=ENV)
        path = str(data / "weir.sock")
        for _ in range(100):
            if os.path.exists(path):
                break
            time.sleep(0.1)
        try:
            for name, q, filter_ in questions():
                url, times, n, i = url_of(filter_, q["weir"]), [], self.a.runs, 0
                while i <= n:
                    t = self.get(path, url)
                    n = self.runs_for(t) if i == 0 else n
                    times += [t] if i else []
                    i += 1
                out[name]["weir_server"] = {"url": url, "seconds": stats(times), "anon_mib": round(anonymous(p.pid), 1)}
                say(f"{name:4} server {out[name]['weir_server']['seconds']['median']:.4f} s")
        finally:
            p.send_signal(signal.SIGTERM)
            p.wait()

    @staticmethod
    def get(path, url):
        t0 = time.monotonic()
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(path)
            s.sendall(f"GET {url} HTTP/1.1\r\nHost: weir\r\nConnection: close\r\n\r\n".encode())
            head = s.recv(65536)
            if not head.startswith(b"HTTP/1.1 200"):
                sys.exit(f"{url}: {head[:300]}")
            while s.recv(1 << 20):
                pass
        return time.monotonic() - t0

    # ------------------------------------------------------------------------------------ DuckDB

    def duckdb(self):
        here = ROOT / "bench"
        if not (here / "node_modules").exists():
            subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=here, check=True, stdout=DEVNULL)
        db = self.work / f"d{self.a.records}.duck"
        db.unlink(missing_ok=True)
        r = output("node", "peer-duckdb.mjs", "load", str(db), str(self.csv), cwd=here)
        self.out["duckdb_load"] = json.loads(r)
        r = json.loads(output("node", "peer-duckdb.mjs", "query", str(db), str(self.a.runs), cwd=here))
        self.out["peers"]["duckdb"], self.out["duckdb_peak_mib"] = r["version"], r["peak_mib"]
        self.out["duckdb"] = r["queries"]
        for name, q in r["queries"].items():
            say(f"{name:4} duckdb {q['seconds']['median']:.4f} s")

    def save(self):
        path = self.a.out or ROOT / f"bench/results/d{self.a.records // 1000000}.json"
        path.parent.mkdir(exist_ok=True, parents=True)
        old = json.loads(path.read_text()) if path.exists() else {}
        if self.a.only and old.get("commit") != self.out["commit"]:
            old = {}  # figures of different commits do not stand beside each other
        path.write_text(json.dumps(old | self.out, indent=1) + "\n")
        say("wrote", path)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--build", type=lambda p: pathlib.Path(p).resolve(), required=True)
    ap.add_argument("--records", type=int, default=10000000)
    ap.add_argument("--runs", type=int, default=5)
    ap.add_argument("--udp-seconds", type=float, default=10)
    ap.add_argument("--only", choices=["ingest", "udp", "query", "duckdb"], action="append")
    ap.add_argument("--work", type=pathlib.Path)
    ap.add_argument("--out", type=pathlib.Path)
    a = ap.parse_args()
    a.work = (a.work or a.build / "bench-data").resolve()
    subprocess.run(["ninja", "-C", str(a.build), "--quiet", "weir", "tools/flowgen"], check=True)
    b = Bench(a)
    b.data()
    for name, step in (("ingest", b.ingest), ("query", b.queries), ("duckdb", b.duckdb), ("udp", b.udp)):
        if not a.only or name in a.only:
            step()
            b.save()


main()
