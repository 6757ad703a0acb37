#!/usr/bin/env python3
"""What AS numbers and countries cost: look-ups a second, and sealing with and without them, in pairs.

usage: facts.py --build BUILD --facts DIR [--records N] [--pairs N]

DIR: compiled data (make facts). Writes bench/results/facts.json.
"""
import argparse
import datetime
import json
import pathlib
import platform
import statistics
import subprocess
import tempfile

HERE = pathlib.Path(__file__).resolve().parent


def run(*words):
    return json.loads(subprocess.run([str(w) for w in words], check=True, capture_output=True, text=True).stdout)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--build", required=True, type=pathlib.Path)
    ap.add_argument("--facts", required=True, type=pathlib.Path)
    ap.add_argument("--records", type=int, default=2000000)
    ap.add_argument("--pairs", type=int, default=9)
    a = ap.parse_args()
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as tmp:
        pcap = pathlib.Path(tmp) / "v9.pcap"
        subprocess.run([a.build / "tools/flowgen", "-n", str(a.records), "-9", pcap], check=True, capture_output=True)
        pairs = [(run(a.build / "bench/bench_seal", pcap, 1000000), run(a.build / "bench/bench_seal", pcap, 1000000, a.facts))
                 for _ in range(a.pairs)]
    head = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=HERE, capture_output=True, text=True).stdout.strip()
    out = {
        "commit": head, "date": str(datetime.date.today()), "machine": f"{platform.machine()}, Linux {platform.release()}",
        "load_average_before": pathlib.Path("/proc/loadavg").read_text().split()[0],
        "data": f"flowgen -n {a.records} -9 (seed 1), sealed in segments of 1 M rows; the packages of data/facts.csv",
        "lookup": run(a.build / "bench/bench_lookup", a.facts),
        "seal": {
            "pairs": a.pairs,
            "ns_per_row_without": statistics.median(p[0]["ns_per_row"] for p in pairs),
            "ns_per_row_with": statistics.median(p[1]["ns_per_row"] for p in pairs),
            "median_of_ratios": round(statistics.median(p[1]["ns_per_row"] / p[0]["ns_per_row"] for p in pairs), 4),
            "ns_per_row_looking_up": statistics.median(p[1]["ns_per_row_by_stage"]["geo"] for p in pairs),
            "octets_per_row_without": pairs[0][0]["octets"], "octets_per_row_with": pairs[0][1]["octets"],
        },
    }
    (HERE / "results/facts.json").write_text(json.dumps(out, indent=1) + "\n")
    print(json.dumps(out, indent=1))


main()
