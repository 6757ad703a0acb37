#!/usr/bin/env python3
"""A long run: make soak MINUTES=60. A server takes flows without a pause, is asked all the time, dies again and again, merges to the
second level, deletes by size; afterwards every record is accounted for, and it has not grown.

usage: soak.py --build BUILD [--minutes 60] [--rate 300000] [--kills 20] [--size 12G] [--data DIR] [--out FILE]

retention.size begins at 32G and becomes --size by a reload once there is a segment of the second level and a third of the time is
over: no merge makes more than a sixteenth of retention.size, and one of the second level has 64 M records at least. An hour at 0.3 M
flows/s is about 22 GB in 20 octets a record, so 12G is reached after some 35 minutes. All but the last 40 % of the time have kills, every
fifth of both processes. The sender and the server run before other work of the machine where that is allowed.
"""
import argparse
import json
import os
import pathlib
import random
import shutil
import signal
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tests/e2e"), str(ROOT / "tests/tools")]
import load  # noqa: E402
from harness import Server  # noqa: E402

FIRST_SIZE = "32G"
SAMPLE_S, WARM_S, LAG_S = 10, 600, 10  # warm: the open segments' memory has reached its ceiling (512 MiB)
CALM = 0.6  # of the time; nobody is killed after it
MAX_FILES, MAX_CATCH_UP_S = 400, 60
GROWTH_MIB, GROWTH_PART, GROWTH_FDS = 48, 0.15, 16  # of the slope, over the time without kills
MERGE_MEMORY = "128M"


def say(*a):
    print(time.strftime("%H:%M:%S"), *a, flush=True)


class Soak:
    def __init__(self, a):
        self.a = a
        self.seconds = a.minutes * 60
        self.bad, self.samples, self.queries, self.kills = [], [], {}, []
        self.removed, self.merged, self.merges, self.levels_seen = {}, {}, {}, [0, 0, 0]
        self.down = []           # [from, to or None]: nobody need answer, or not with everything
        self.done = threading.Event()
        self.books = []          # (monotonic, flows sent, by minute)
        self.floor = (0, 0)      # totals were so large, with so many removed
        self.lost = self.lost_seen = self.dropped_seen = self.tree_lost = self.kernel_lost = 0
        self.checked = {"totals": 0, "minutes": 0, "minutes_equal": 0, "sums": 0, "marked": 0}
        self.tree_down = False   # of the last of these: all processes died, and records with them
        self.lowered_at = self.level2_at = self.full_at = None
        self.cpu = {}

    # ------------------------------------------------------------------ the server

    def configure(self, size):
        f = self.dir / "weir.yaml"
        f.with_suffix(".new").write_text(f"retention:\n  size: {size}\n")
        f.with_suffix(".new").rename(f)

    def options(self):
        return ["--config", str(self.dir / "weir.yaml"), "--http.listen", "off", "--ring.size", "256M", "--journal.size", "1G",
                "--compact.memory", MERGE_MEMORY, "--query.threads", "1"]

    def status(self):
        st = self.s.get("/api/v1/status", 20)
        pid = st["pid"]
        self.removed[pid] = st["store"]["records_removed"]
        self.merges[pid] = st["compaction"]["merges"]
        self.merged[pid] = st["compaction"]["octets_read"] + st["compaction"]["octets_written"]
        self.levels_seen = [max(x) for x in zip(self.levels_seen, st["store"]["levels"])]
        self.lost = sum(x["lost"] for x in st["exporters"])
        return st

    def told(self, st):
        """Flows that were decoded, or are known to be lost by their exporter's numbers."""
        return sum(x["records"]["flows"] + x["lost"] for x in st["exporters"])

    def wrong(self, *what):
        self.bad.append(" ".join(map(str, what)))
        say("WRONG", *what)

    # ------------------------------------------------------------------ asking

    def is_down(self, since):
        return any(x[0] < time.monotonic() and (x[1] is None or x[1] >= since) for x in self.down)

    def ask(self, name, **params):
        t0 = time.monotonic()
        try:
            r = self.s.get("/api/v1/query", 120, format="json", dedup="off", **params)
        except OSError as e:
            if not self.is_down(t0):
                self.wrong(name, "was not answered:", e)
            return None, t0
        took = time.monotonic() - t0
        if r["stats"]["incomplete"] and self.is_down(t0):  # it says so: something is still read back
            self.checked["marked"] += 1
            return None, t0
        self.queries.setdefault(name, []).append(took)
        if r["stats"]["incomplete"] or r["stats"]["rows_unreadable"]:
            self.wrong(name, "is incomplete:", r["stats"])
        return r, t0

    def totals(self):
        r, t0 = self.ask("totals")
        if r is None:
            return
        removed = sum(self.removed.values())
        try:
            self.status()
        except OSError:
            return
        n, after, sent = r["totals"]["flows"], sum(self.removed.values()), self.load[load.FLOWS]
        floor, had = self.floor
        if self.is_down(t0) and self.tree_down:
            return
        if not floor - (after - had) <= n <= sent:
            self.wrong("totals:", n, "before", floor, "removed since", after - had, "sent", sent)
        self.checked["totals"] += 1
        self.floor = (n, removed)

    def a_minute(self):
        """Records that began in a minute of the past: what was sent, less what is known to be lost."""
        old = [b for b in self.books if b[0] < time.monotonic() - LAG_S]
        if not old:
            return
        minute = random.choice(list(old[-1][2]))
        stamp = [time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(60 * (minute + i))) for i in (0, 1)]
        r, t0 = self.ask("a minute", **{"from": stamp[0], "to": stamp[1]})
        if r is None:
            return
        most = self.load.minutes()[minute]
        try:
            st = self.status()
        except OSError:
            return
        if self.is_down(t0) or st["store"]["segments_removed"] and (st["store"]["oldest"] or "") > stamp[0][:19]:
            return
        n, least = r["totals"]["flows"], old[-1][2][minute] - self.lost
        if not least <= n <= most:
            self.wrong("minute", stamp[0], n, "not in", least, most)
        self.checked["minutes"] += 1
        self.checked["minutes_equal"] += n == most

    def sums(self, name, **params):
        r, _ = self.ask(name, **params)
        if r is None:
            return
        n = sum(x["flows"] for x in r["rows"])
        if n != r["totals"]["flows"]:
            self.wrong(name, n, r["totals"])
        self.checked["sums"] += 1

    def asker(self):
        questions = [self.totals, self.a_minute,
                     lambda: self.sums("exporters of 1m", by="exporter", measure="flows", top=0, last="1m"), self.a_minute,
                     lambda: self.ask("top sources of 2m", by="src ip", measure="bytes", top=10, last="2m"), self.totals,
                     lambda: self.ask("series of 10m by protocol", series="1m", by="proto", measure="bytes", top=0, last="10m"),
                     lambda: self.ask("a host, everything", filter="host 198.51.100.77", list=1, limit=20),
                     lambda: self.sums("protocols of 30s", by="proto", measure="flows", top=0, last="30s")]
        try:
            while not self.done.is_set():
                for question in questions:
                    t0 = time.monotonic()
                    question()
                    self.done.wait(min(5, 0.2 + 2 * (time.monotonic() - t0)))  # a third of a processor for questions
        except Exception as e:  # a thread's end is not seen otherwise
            self.wrong("asking ended:", repr(e))

    # ------------------------------------------------------------------ dying

    def kill(self, tree):
        pid = self.s.data_pid()
        if pid is None:
            self.wrong("no data process before a kill")
            return
        try:
            st = self.status()
        except OSError:
            st = {"compaction": {"running": None}}
        before = self.lost
        if "datagrams" in st:
            self.explain(st)
        gap = [time.monotonic(), None]
        self.down.append(gap)
        self.cpu[pid] = load.cpu_s(pid)
        t0 = time.monotonic()
        self.tree_down = tree
        if tree:
            self.s.kill_all()
            sent = self.load[load.FLOWS]
            self.s.start(*self.options())
        else:
            sent = self.load[load.FLOWS]
            os.kill(pid, signal.SIGKILL)
        back = self.until(lambda: self.s.data_pid() not in (None, pid), t0)
        answers = self.until(lambda: self.status()["pid"] != pid, t0)
        # until all that was sent before is decoded again, or known to be lost
        caught_up = self.until(lambda: self.told(self.status()) >= sent and self.status()["rings"][0]["used"] < 1 << 20, t0)
        if tree:
            self.floor = (0, sum(self.removed.values()))  # what nobody had written is gone, and counted
        st2 = self.status()
        row = {"at": round(t0 - self.t0, 1), "what": "all" if tree else "data", "merging": st["compaction"]["running"], "process_s": back, "answers_s": answers,
               "caught_up_s": caught_up, "lost": self.lost - before, "kernel_dropped": st2["datagrams"]["kernel_dropped"],
               "lost_in_crash": st2["datagrams"]["lost_in_crash"]}
        gap[1] = time.monotonic()
        self.explain(st2, tree)
        self.kills.append(row)
        say("kill", len(self.kills), row)

    def explain(self, st, tree=False):
        """What was lost since the last look: with all processes, or dropped by the kernel, which counts it; nothing else."""
        lost, dropped = self.lost - self.lost_seen, st["datagrams"]["kernel_dropped"] - self.dropped_seen
        if tree:
            self.tree_lost += lost
        elif dropped:
            self.kernel_lost += lost
        elif lost:
            self.wrong(lost, "records lost, and nobody dropped a datagram")
        self.lost_seen, self.dropped_seen = self.lost, st["datagrams"]["kernel_dropped"]

    def until(self, true, t0):
        while time.monotonic() < t0 + MAX_CATCH_UP_S:
            try:
                if true():
                    return round(time.monotonic() - t0, 2)
            except OSError:
                pass
            time.sleep(0.03)
        self.wrong("not recovered within", MAX_CATCH_UP_S, "s")
        return None

    # ------------------------------------------------------------------ looking

    def sample(self):
        pid = self.s.data_pid()
        st = self.status()
        files = sum(len(f) for _, _, f in os.walk(self.s.data))
        x = load.Sample(round(time.monotonic() - self.t0, 1), pid, load.memory(pid), load.descriptors(pid), files, st["store"]["segments"],
                        st["store"]["levels"], st["store"]["octets"], st["journal"]["octets"], st["rings"][0]["used"])
        self.samples.append(x)
        self.explain(st)
        self.cpu[pid] = load.cpu_s(pid)
        if st["unsafe"] or st["seal_failures"] or st["compaction"]["failures"]:
            self.wrong("status:", st.get("unsafe_reason"), st["seal_failures"], st["compaction"])
        if self.level2_at is None and st["store"]["levels"][2]:
            self.level2_at = x.at
        if self.full_at is None and sum(self.removed.values()):
            self.full_at = x.at
        if self.lowered_at is None and (self.level2_at is not None and x.at > self.seconds / 3 or x.at > self.seconds * 0.6):
            self.configure(self.a.size)
            self.s.p.send_signal(signal.SIGHUP)
            self.lowered_at = x.at
        say(f"{x.at:6.0f} s sent {self.load[load.FLOWS] / 1e6:.1f} M, {(x.memory or 0) >> 20} MiB, {x.descriptors} fds, {files} files, levels {x.levels}, "
            f"{x.store_octets / 1e9:.2f} GB, removed {sum(self.removed.values()) / 1e6:.1f} M, ring {x.ring_octets >> 10} K, lost {self.lost}")

    # ------------------------------------------------------------------ all of it

    def run(self):
        a = self.a
        random.seed(a.seed)
        self.dir = a.data / "run"
        shutil.rmtree(self.dir, ignore_errors=True)
        self.dir.mkdir(parents=True)
        self.configure(FIRST_SIZE)
        pcap = load.capture(a.build, a.data)
        calm = CALM * self.seconds
        due = sorted(random.uniform(0.03 * self.seconds, calm) for _ in range(a.kills))
        trees = set(range(4, a.kills, 5))
        with Server(str(a.build / "weir"), *self.options(), folder=self.dir, before=load.first) as self.s:
            self.load = load.Load(a.build, pcap, self.s.port, a.rate, self.seconds, self.dir)
            self.t0 = time.monotonic()
            self.began = time.time()
            asker = threading.Thread(target=self.asker, daemon=True)
            asker.start()
            try:
                next_sample = next_book = 0
                while (at := time.monotonic() - self.t0) < self.seconds and self.load.p.poll() is None:
                    if at >= next_book:
                        self.books = self.books[-20:] + [(time.monotonic(), self.load[load.FLOWS], self.load.minutes())]
                        next_book = at + 2
                    if len(self.kills) < len(due) and at >= due[len(self.kills)]:
                        self.kill(len(self.kills) in trees)
                        continue
                    if at >= next_sample:
                        self.sample()
                        next_sample += SAMPLE_S
                    time.sleep(0.1)
                self.took = time.monotonic() - self.t0
                self.cpu["sender"] = load.cpu_s(self.load.p.pid)
                self.load.stop()
            finally:
                self.done.set()
                asker.join(180)
            return self.end()

    def end(self):
        s, sent = self.s, self.load[load.FLOWS]
        s.wait(lambda: self.told(self.status()) == sent, "all records, or word of their loss", 120)
        s.wait(lambda: (d := self.status()["datagrams"])["received"] == d["total"], "all datagrams in the status")
        st = self.status()
        self.explain(st)
        d, r, sets = st["datagrams"], st["records"], st["sets"]
        by = {x["address"]: x for x in st["exporters"]}
        for name, n in self.load.exporters().items():
            if by[name]["records"]["flows"] + by[name]["lost"] != n or by[name]["duplicated"] or by[name]["restarts"]:
                self.wrong(name, "sent", n, "has", by[name])
        stored, removed = s.get("/api/v1/query", format="json", dedup="off")["totals"]["flows"], sum(self.removed.values())
        if self.status()["store"]["records_removed"] != st["store"]["records_removed"]:
            return self.end()  # retention ran just now
        ledger = {"sent": sent, "decoded": r["flows"], "stored": stored, "removed_by_retention": removed, "lost_by_number": self.lost,
                  "lost_with_all_processes": self.tree_lost, "lost_in_the_kernel": self.kernel_lost,
                  "kernel_dropped_datagrams": d["kernel_dropped"], "ring_dropped_datagrams": d["ring_dropped"],
                  "lost_in_crash_datagrams": d["lost_in_crash"], "not_journaled_datagrams": d["not_journaled"], "quarantined": d["quarantined"],
                  "datagrams_sent": self.load[load.DATAGRAMS], "datagrams_received": d["received"]}
        checks = {
            "sent = decoded + lost": sent == r["flows"] + self.lost,
            "decoded = stored + removed": r["flows"] == stored + removed,
            "decoded = sealed + open + refused": r["flows"] + r["options"] == r["sealed"] + r["open"] + r["refused"] and r["refused"] == 0,
            "datagrams = accepted + refused": d["received"] == d["total"] == d["accepted"] + sum(d["refused"].values()) and not d["refused"],
            "sets = decoded + templates": sets["total"] == sets["decoded"] + sets["template"],
            "lost only with all processes or in the kernel, which counts": self.lost == self.tree_lost + self.kernel_lost,
            "no ring drop": d["ring_dropped"] == 0,
        }
        code = s.stop()
        checks["stops well"] = code == 0
        return self.result(ledger, checks, stored)

    def flat(self):
        """The slope over the time without kills, of samples of a process that is warm."""
        born, out = {}, {}
        for x in self.samples:
            born.setdefault(x.pid, x.at)
        last = [x for x in self.samples if x.at >= CALM * self.seconds and x.at >= born[x.pid] + WARM_S and x.memory and x.descriptors]
        span = last[-1].at - last[0].at if last else 0
        for name, unit in (("memory", 1 << 20), ("descriptors", 1)):
            v = sorted(getattr(x, name) / unit for x in last) or [0]
            out[name] = {"samples": len(last), "least": round(v[0], 1), "median": round(v[len(v) // 2], 1), "most": round(v[-1], 1),
                         "growth_by_slope": round(load.slope([(x.at, getattr(x, name) / unit) for x in last]) * span, 2)}
        out["seconds"], out["warm_s"] = round(span), WARM_S
        out["memory"]["bound"] = max(GROWTH_MIB, round(GROWTH_PART * out["memory"]["median"], 1))
        out["descriptors"]["bound"] = GROWTH_FDS
        return out

    def result(self, ledger, checks, stored):
        flat = self.flat()
        most_files = max(x.files for x in self.samples)
        checks |= {"enough samples to see growth": self.a.minutes < 10 or flat["memory"]["samples"] >= 2 * self.a.minutes,
                   "memory flat": flat["memory"]["growth_by_slope"] <= flat["memory"]["bound"],
                   "descriptors flat": flat["descriptors"]["growth_by_slope"] <= flat["descriptors"]["bound"],
                   f"at most {MAX_FILES} files": most_files <= MAX_FILES,
                   "merged to the second level": self.levels_seen[2] > 0,
                   "retention by size": ledger["removed_by_retention"] > 0,
                   "all kills": len(self.kills) == self.a.kills,
                   "no wrong answer": not self.bad}
        all_of = [t for q in self.queries.values() for t in q]
        return load.origin() | {
            "minutes": self.a.minutes, "rate": self.a.rate, "rate_reached": round(ledger["sent"] / self.took), "sender_late_ms": self.load[load.LATE_MS],
            "priority": load.first_or_not(), "data_on": load.file_system(self.dir), "retention_size": [FIRST_SIZE, self.a.size], "size_lowered_at_s": self.lowered_at,
            "first_second_level_at_s": self.level2_at, "first_removal_at_s": self.full_at, "seed": self.a.seed,
            "checks": checks, "wrong": self.bad, "ledger": ledger, "octets_per_record": round(self.samples[-1].store_octets / max(stored, 1), 2),
            "cpu_s": {"sender": self.cpu.pop("sender"), "server": round(sum(self.cpu.values()), 1)},
            "kills": self.kills, "recovery_s": {"all": load.stats([k["caught_up_s"] for k in self.kills if k["what"] == "all" and k["caught_up_s"]]),
                                                "data": load.stats([k["caught_up_s"] for k in self.kills if k["what"] == "data" and k["caught_up_s"]])},
            "compaction": {"merges": sum(self.merges.values()), "octets": sum(self.merged.values()), "most_segments_by_level": self.levels_seen},
            "queries": {"all": load.stats(all_of)} | {k: load.stats(v) for k, v in self.queries.items()}, "answers_checked": self.checked,
            "most_files": most_files, "most_segments": max(x.segments for x in self.samples), "most_ring_octets": max(x.ring_octets for x in self.samples),
            "flat": flat,
            "series": [[x.at, x.pid, round((x.memory or 0) / (1 << 20), 1), x.descriptors, x.files, x.levels, round(x.store_octets / 1e9, 3)] for x in self.samples],
            "series_columns": ["s", "process", "anonymous MiB", "descriptors", "files", "segments by level", "store GB"]}


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--build", type=lambda p: pathlib.Path(p).resolve(), required=True)
    ap.add_argument("--minutes", type=float, default=60)
    ap.add_argument("--rate", type=int, default=300000)
    ap.add_argument("--kills", type=int, default=20)
    ap.add_argument("--size", default="12G")
    ap.add_argument("--data", type=lambda p: pathlib.Path(p).resolve())
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--out", type=pathlib.Path, default=ROOT / "bench/results/soak.json")
    a = ap.parse_args()
    a.data = a.data or a.build / "soak-data"
    a.data.mkdir(parents=True, exist_ok=True)
    load.build(a.build, "weir", "tools/flowgen", "tests/soak/soak_send")
    soak = Soak(a)
    r = soak.run()
    load.save(a.out, r)
    shutil.rmtree(soak.dir)
    print(json.dumps({k: r[k] for k in ("checks", "ledger", "recovery_s", "flat", "wrong")}, indent=1))
    sys.exit(0 if all(r["checks"].values()) else 1)


main()
