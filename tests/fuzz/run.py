#!/usr/bin/env python3
"""Fuzz the targets for a while, as many at a time as there are cores, then say how much of each parser was reached.

usage: run.py [--minutes N] [--jobs N] [--keep] [TARGET ...]

Writes tests/fuzz/results.json (commit, machine, seconds, executions, lines of the parser's sources that the corpus and
what was found reach) and ends with 1 if a target crashed, leaked or hung; the input is left in tests/fuzz/crashes/. Once
the bug is fixed it belongs in corpus/TARGET/, where `make test` replays it. --keep adds what reaches something new to
the corpora (by edges, not by how often; at most 8 kB a file).
"""
import argparse
import concurrent.futures
import csv
import glob
import json
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import threading

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
HERE = ROOT / "tests/fuzz"
MAX_KEPT = 8192
LOCK = threading.Lock()


def call(cmd, **kw):
    return subprocess.run(cmd, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", **kw)


def build(folder, *options):
    if not (ROOT / folder / "build.ninja").exists():
        r = call(["meson", "setup", folder, *options], env=dict(os.environ, CC="clang"))
        if r.returncode:
            sys.exit(r.stdout[-3000:])
    r = call(["ninja", "-C", folder, "--quiet"])
    if r.returncode:
        sys.exit(r.stdout[-3000:])


def fuzz(target, seconds, keep, found):
    corpus, crashes, words = HERE / "corpus" / target, HERE / "crashes", HERE / f"{target}.dict"
    crashes.mkdir(exist_ok=True)
    cmd = [str(ROOT / f"build-fuzz/tests/fuzz/fuzz_{target}"), found, str(corpus), f"-max_total_time={seconds}", "-timeout=25",
           "-rss_limit_mb=4096", "-print_final_stats=1", f"-artifact_prefix={crashes}/{target}-"]
    if words.exists():
        cmd.append(f"-dict={words}")
    r = call(cmd)
    runs = re.search(r"number_of_executed_units:\s*(\d+)", r.stdout)
    if r.returncode == 0 and keep:
        with tempfile.TemporaryDirectory(prefix=f"merge-{target}-") as merged:
            for f in os.listdir(found):
                if os.path.getsize(os.path.join(found, f)) > MAX_KEPT:
                    os.unlink(os.path.join(found, f))
            if call([cmd[0], "-merge=1", "-use_counters=0", merged, str(corpus), found]).returncode == 0:
                for f in os.listdir(merged):
                    if (pathlib.Path(found) / f).exists():
                        shutil.copy(os.path.join(merged, f), corpus / f)
    return r.returncode, int(runs.group(1)) if runs else 0, r.stdout[-4000:]


def coverage(target, folders, sources):
    """Lines of the sources that the inputs of the folders reach, in percent."""
    want = {os.path.realpath(f) for pattern in sources.split() for f in glob.glob(str(ROOT / pattern))}
    exe = ROOT / f"build-cov/tests/fuzz/replay_{target}"
    suffix = "-14" if shutil.which("llvm-profdata-14") else ""
    with tempfile.TemporaryDirectory(prefix="cov-") as tmp:
        raw, data = f"{tmp}/raw", f"{tmp}/data"
        call([str(exe), *map(str, folders)], env=dict(os.environ, LLVM_PROFILE_FILE=raw))
        if not want or not os.path.exists(raw) or call([f"llvm-profdata{suffix}", "merge", "-o", data, raw]).returncode:
            return None
        r = subprocess.run([f"llvm-cov{suffix}", "export", "-summary-only", str(exe), f"-instr-profile={data}"],
                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT / "build-cov")
    if r.returncode:
        return None
    all_, reached = 0, 0
    for f in json.loads(r.stdout)["data"][0]["files"]:
        # paths are kept as the compiler was given them: absolute, or relative to the build folder or above it
        if any(os.path.realpath(base / f["filename"]) in want for base in (ROOT / "build-cov", ROOT)):
            all_ += f["summary"]["lines"]["count"]
            reached += f["summary"]["lines"]["covered"]
    return round(100 * reached / all_, 1) if all_ else None


def one(row, a, results, path):
    target, seconds = row["target"], int(a.minutes * 60)
    corpus = HERE / "corpus" / target
    with tempfile.TemporaryDirectory(prefix=f"fuzz-{target}-") as found:
        before = coverage(target, [corpus], row["sources"])
        rc, runs, said = fuzz(target, seconds, a.keep, found)
        pct = coverage(target, [corpus, found], row["sources"]) if os.listdir(found) else before
    r = {"commit": results["commit"], "seconds": seconds, "executions": runs, "clean": rc == 0, "sources": row["sources"],
         "lines_percent": pct, "corpus_lines_percent": before, "corpus_files": len(os.listdir(corpus))}
    with LOCK:
        results["targets"][target] = r
        path.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
        if rc:
            print(said)
        print(line(target, r), flush=True)
    return rc == 0


def line(target, r):
    return (f"{target:10} {r['seconds']:7} {r['executions']:12} {'clean' if r['clean'] else 'CRASHED':8} {r['corpus_files']:6}"
            f" {r['corpus_lines_percent'] or 0:9} {r['lines_percent'] or 0:9}")


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--minutes", type=float, default=10)
    ap.add_argument("--jobs", type=int, default=os.cpu_count())
    ap.add_argument("--keep", action="store_true")
    ap.add_argument("targets", nargs="*")
    a = ap.parse_args()
    with open(HERE / "targets.csv", newline="", encoding="utf-8") as f:
        rows = list(csv.DictReader(f))
    unknown = set(a.targets) - {r["target"] for r in rows}
    if unknown:
        sys.exit(f"no such target: {' '.join(sorted(unknown))}; there are: {' '.join(r['target'] for r in rows)}")
    rows = [r for r in rows if not a.targets or r["target"] in a.targets]
    flags = "-fprofile-instr-generate -fcoverage-mapping"
    print("building with libFuzzer and sanitizers, and for coverage", flush=True)
    build("build-fuzz", "-Dfuzz=true", "-Db_sanitize=address,undefined", "-Db_lundef=false", "-Doptimization=1")
    build("build-cov", f"-Dc_args={flags}", f"-Dc_link_args={flags}", "-Doptimization=0")
    path = HERE / "results.json"
    results = json.loads(path.read_text()) if path.exists() else {"targets": {}}
    results["commit"] = call(["git", "rev-parse", "--short", "HEAD"]).stdout.strip()
    results["machine"] = f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()} {platform.release()}"
    results["at_a_time"] = a.jobs
    print(f"{len(rows)} targets of {a.minutes:g} minutes, {a.jobs} at a time: about {a.minutes * -(-len(rows) // a.jobs):g} minutes\n")
    print(f"{'target':10} {'seconds':>7} {'executions':>12} {'':8} {'corpus':>6} {'% corpus':>9} {'% found':>9}", flush=True)
    with concurrent.futures.ThreadPoolExecutor(a.jobs) as pool:
        ok = list(pool.map(lambda r: one(r, a, results, path), rows))
    print(f"\n{sum(ok)} clean, {len(ok) - sum(ok)} crashed; lines are those of the sources in tests/fuzz/targets.csv")
    sys.exit(0 if all(ok) else 1)


main()
