#!/usr/bin/env python3
"""Many exporters and hostile ones, at full size, beside a trusted exporter whose every record is known: memory beyond the
idle server, processor time, losses. Writes bench/results/many.json. The scenarios are those of tests/e2e/test_many.py.

With --base, decoding of captures in memory is measured in turn with another build's bench_decode.

usage: many.py --build BUILD [--base BUILD] [--only NAME] [--out FILE] [--size 1.0]
"""
import argparse
import json
import os
import pathlib
import platform
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/e2e"))
import many  # noqa: E402
from harness import Server  # noqa: E402
from many import MIB  # noqa: E402

OPTIONS = {"decoder.memory": 64 * MIB, "decoder.max_waiting_total": 16 * MIB, "seal.memory": 128 * MIB,
           "decoder.max_exporters": 65536, "decoder.max_untrusted": 1024, "compact.memory": 64 * MIB, "receive_buffer": 32 * MIB,
           "ring.size": 256 * MIB}
RATE = 20000


class Bench:
    def __init__(self, a):
        self.builds = {"now": a.build, **({"before": a.base} if a.base else {})}
        self.weir, self.flowgen, self.size = str(a.build / "weir"), str(a.build / "tools/flowgen"), a.size
        self.out = {"machine": {"cpu": cpu_name(), "cores": os.cpu_count(), "kernel": platform.release()},
                    "options": OPTIONS, "rate": RATE, "scenarios": {}}

    def server(self, more):
        self.options = dict(OPTIONS, **more)
        return Server(self.weir, *(w for k, v in self.options.items() for w in (f"--{k}", str(v))))

    def note(self, name, sends, more=None):
        """sends: [(what, send)], one after the other with the same server."""
        with self.server(more or {}) as s:
            idle = many.Meter(s.data_pid()).anonymous()
            trusted = many.Trusted(s.port)
            for what, send in sends:
                before = s.status()["records"]["flows"]
                o = many.measure(s, send, trusted)
                t0 = time.monotonic()
                s.run("status", "-o", "json")
                o["status_s"] = round(time.monotonic() - t0, 3)
                flows = o["records"] - before
                datagrams = o["strangers_sent"]
                o.update(grown_octets=o["anonymous_octets"] - idle, ceiling_octets=many.ceiling(self.options),
                         cpu_s_per_mflow=round(o["cpu_s"] / flows * 1e6, 3) if flows > 1e5 else None,
                         cpu_us_per_datagram=round(o["cpu_s"] / (datagrams + 1) * 1e6, 2))
                lost = sum(o["trusted_sent"].values()) - sum(o["trusted_decoded"].values())
                o["trusted_missing"] = lost
                self.out["scenarios"][f"{name}: {what}" if what else name] = o
                print(f"{name} {what}: {o['grown_octets'] / MIB:.0f} MiB of {o['ceiling_octets'] / MIB:.0f}, {o['cpu_s']} s, "
                      f"{datagrams} datagrams, {o['exporters']} exporters, forgotten {o['memory']['exporters_forgotten']}, refused {o['refused']}, "
                      f"kernel {o['kernel_dropped']} ring {o['ring_dropped']}, trusted missing {lost}", flush=True)

    def replayed(self, *options, rate=RATE):
        f, n = many.flowgen_file(self.flowgen, *options)

        def send(port):
            many.replay(self.flowgen, f, port, rate)
            return n
        send.file = f  # lives as long as this
        return send

    def decode(self):
        """Nanoseconds a record, from memory, one thread: what many exporters cost beyond their smaller datagrams."""
        n = int(1000000 * self.size)
        for what, options in (("1 exporter", ("-E", "1")), ("1 exporter, datagrams as small as many exporters'", ("-E", "1", "-m", "600")),
                              ("10 000 exporters", ("-E", "10000,3600"))):
            f, _ = many.flowgen_file(self.flowgen, "-n", n, *options)
            ns = {k: [] for k in self.builds}
            for _ in range(5):
                for k, build in self.builds.items():
                    r = subprocess.run([build / "bench/bench_decode", f.name, "5"], capture_output=True, text=True, check=True)
                    ns[k].append(json.loads(r.stdout)["ns_per_record"])
            self.out["scenarios"][f"decode: {what}"] = {k: {"ns_per_record": sorted(v)[2], "all": v} for k, v in ns.items()}
            print("decode", what, {k: sorted(v)[2] for k, v in ns.items()}, flush=True)

    def exporters(self):
        n = int(10000 * self.size)
        self.note("exporters", [("", self.replayed("-n", n * 100, "-E", f"{n},3600"))])
        self.note("one_exporter", [("", self.replayed("-n", n * 100, "-E", "1"))])

    def storm(self):
        self.note("template_storm", [
            ("500 templates of 400 fields", lambda p: many.storm(p, 500, 400, 1, 2000)),
            ("redefined as fast as Python sends", lambda p: many.storm(p, 500, 400, max(2, int(20 * self.size)), 1e6))])

    def addresses(self):
        n = int(100000 * self.size)
        for name, more in (("forged_addresses_no_list", {}), ("forged_addresses_list", {"exporters.allow": "127.9.0.0/16"})):
            self.note(name, [("v5", lambda p: many.strangers(p, n, many.one_v5, RATE)),
                             ("v9 with templates", lambda p: many.strangers(p, n, many.one_v9, RATE)),
                             ("v9 without", lambda p: many.strangers(p, n, many.one_v9_waiting, RATE))], more)

    def flows(self):
        n = int(10e6 * self.size)
        for family in ("v4", "v6"):
            self.note("forged_flows_" + family, [("", self.replayed("-n", n, "-F", family, "-E", "5,3600"))])

    def receiver(self):
        """What a datagram costs at moderate rates, where it is the waking that counts."""
        f, n = many.flowgen_file(self.flowgen, "-n", 3000000)
        seconds = max(1, int(8 * self.size))
        for rate in (1000, 5000, 12000, 25000, 50000):
            k = min(n, rate * seconds)
            with self.server({}) as s:
                with many.Meter(s.data_pid()) as m:
                    subprocess.run([self.flowgen, "-r", f.name, "-p", str(s.port), "-P", str(rate), "-k", str(k)], check=True,
                                   capture_output=True)
                    st = many.settle(s, k)
                d, r = st["datagrams"], st["records"]["flows"]
                o = {"datagrams": k, "cpu_s": round(m.cpu_s, 2), "cpu_s_per_mflow": round(m.cpu_s / r * 1e6, 3),
                     "kernel_dropped": d["kernel_dropped"], "ring_dropped": d["ring_dropped"]}
                self.out["scenarios"][f"receiver: {rate} datagrams/s"] = o
                print(f"receiver {rate}/s: {o}", flush=True)

    def waiting(self):
        def sets(i):
            return [many.v9(k, 1, many.a_set(256 + k, many.PLAIN_RECORD * 40)) for k in range(200)]
        n = int(1000 * self.size)
        for name, more in (("waiting_no_list", {}), ("waiting_list", {"exporters.allow": "127.9.0.0/16"})):
            self.note(name, [("", lambda p: many.strangers(p, n, sets, RATE))], more)


def cpu_name():
    return re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")).group(1)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--build", type=pathlib.Path, required=True)
    p.add_argument("--base", type=pathlib.Path)
    p.add_argument("--only")
    p.add_argument("--size", type=float, default=1)
    p.add_argument("--out", type=pathlib.Path, default=ROOT / "bench/results/many.json")
    a = p.parse_args()
    b = Bench(a)
    b.out["version"] = subprocess.run([b.weir, "version"], capture_output=True, text=True, check=False).stdout.strip()
    for name in ("decode", "exporters", "storm", "addresses", "flows", "waiting", "receiver"):
        if a.only in (None, name):
            getattr(b, name)()
    a.out.parent.mkdir(exist_ok=True)
    a.out.write_text(json.dumps(b.out, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
