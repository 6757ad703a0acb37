#!/usr/bin/env python3
"""Duplicates and sessions: Q2 with every flow counted once of three exporters' records (Q10), top clients by sessions (Q11), the
needle's sessions (Q12), and what sealing spends on knowing whether there are duplicates. With --base, importing is measured in
turn with another build. Writes bench/results/sessions.json; processor seconds stand beside wall seconds, because they hold on a
busy machine too.

usage: sessions.py --build BUILD [--base BUILD] [--flows 1000000] [--runs 5] [--work DIR] [--out FILE]
"""
import argparse
import json
import os
import pathlib
import platform
import re
import resource
import shutil
import statistics
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
Q2 = ("--by", "src ip", "--measure", "bytes", "--top", "10")
Q11 = ("--by", "client", "--measure", "sessions", "--top", "10")
Q12 = ("host 198.51.100.77", "--sessions")


def run(*argv):
    """(wall, processor seconds, output)"""
    t0, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    p = subprocess.Popen([str(a) for a in argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    out, err = p.communicate()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert p.returncode == 0, (argv, err)
    return (time.monotonic() - t0, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, out)


def several(n, *argv):
    r = [run(*argv) for _ in range(n)]
    stats = json.loads(r[-1][2])["stats"] if "json" in argv else {}
    inside = [json.loads(x[2])["stats"]["seconds"] for x in r] if "json" in argv else [x[0] for x in r]
    return {"seconds": round(statistics.median(inside), 4), "min": round(min(inside), 4), "max": round(max(inside), 4),
            "cpu_s": round(statistics.median(x[1] for x in r), 4), "rows": stats.get("rows"),
            "set_aside": stats.get("records_set_aside")}


def main():
    a = argparse.ArgumentParser(description=__doc__)
    a.add_argument("--build", type=pathlib.Path, required=True)
    a.add_argument("--base", type=pathlib.Path)
    a.add_argument("--flows", type=int, default=1_000_000)
    a.add_argument("--runs", type=int, default=5)
    a.add_argument("--work", type=pathlib.Path)
    a.add_argument("--out", type=pathlib.Path, default=ROOT / "bench/results/sessions.json")
    a = a.parse_args()
    weir = a.build / "weir"
    work = pathlib.Path(tempfile.mkdtemp(dir=a.work))
    out = {"commit": run("git", "-C", ROOT, "rev-parse", "HEAD")[2].strip(), "kernel": platform.release(), "cores": os.cpu_count(),
           "load": os.getloadavg()[0], "flows": a.flows, "queries": {}, "import": {}, "sealing": {}}
    try:
        for views in (1, 3):
            pcap, data = work / f"d{views}.pcap", work / f"data{views}"
            run(a.build / "tools/flowgen", "-n", a.flows, "-D", views, "-9", pcap)
            builds = {"now": a.build, **({"before": a.base} if a.base else {})}
            spent = {k: [] for k in builds}
            for i in range(a.runs if a.base else 1):
                for k, b in builds.items():
                    shutil.rmtree(data, ignore_errors=True)
                    spent[k].append(run(b / "weir", "import", "--data", data, pcap)[1])
            out["import"][f"-D {views}"] = {k: round(statistics.median(v), 3) for k, v in spent.items()}
            shutil.rmtree(data, ignore_errors=True)
            run(weir, "import", "--data", data, pcap)
            stages = json.loads(run(a.build / "bench/bench_seal", pcap)[2])
            out["sealing"][f"-D {views}"] = {"ns_per_row": stages["ns_per_row"], "views": stages["ns_per_row_by_stage"]["views"]}

            def ask(*words):
                return several(a.runs, weir, "query", "--data", data, "-o", "json", *words)
            q = out["queries"][f"-D {views}"] = {"Q2, every record": ask(*Q2, "--dedup", "off"), "Q10": ask(*Q2), "Q11": ask(*Q11),
                                                 "Q11, every record": ask(*Q11, "--dedup", "off"), "Q12": ask(*Q12),
                                                 "Q1": ask(), "Q1, every record": ask("--dedup", "off")}
            base = q["Q2, every record"]["cpu_s"]
            q["Q10 / Q2"] = round(q["Q10"]["cpu_s"] / base, 2)
            q["Q11 / Q2"] = round(q["Q11"]["cpu_s"] / base, 2)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    text = json.dumps(out, indent=1)
    a.out.write_text(re.sub(r"\{[^{}]*\}", lambda m: re.sub(r"\s+", " ", m.group()), text) + "\n")
    print(text)


if __name__ == "__main__":
    main()
