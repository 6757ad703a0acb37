#!/usr/bin/env python3
"""Fuzz every target for a while, then say how much of each parser its corpus reaches.

usage: run.py [--minutes N] [--keep] [TARGET ...]

Writes tests/fuzz/results.json (commit, machine, seconds, executions, line coverage) and stops with 1 if a
target crashed, leaked or hung; the input is left in tests/fuzz/crashes/. --keep adds what was found to the
corpora (minimised).
"""
import argparse
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

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
HERE = ROOT / "tests/fuzz"


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


def fuzz(target, seconds, keep):
    corpus, found = HERE / "corpus" / target, tempfile.mkdtemp(prefix=f"fuzz-{target}-")
    crashes = HERE / "crashes"
    crashes.mkdir(exist_ok=True)
    words = HERE / f"{target}.dict"
    cmd = [str(ROOT / f"build-fuzz/tests/fuzz/fuzz_{target}"), found, str(corpus), f"-max_total_time={seconds}", "-timeout=25",
           "-rss_limit_mb=4096", "-print_final_stats=1", f"-artifact_prefix={crashes}/{target}-"]
    if words.exists():
        cmd.append(f"-dict={words}")
    r = call(cmd)
    runs = re.search(r"number_of_executed_units:\s*(\d+)", r.stdout)
    if r.returncode == 0 and keep:
        merged = tempfile.mkdtemp(prefix=f"merge-{target}-")
        if call([cmd[0], "-merge=1", merged, str(corpus), found]).returncode == 0:
            for f in os.listdir(merged):
                if not (corpus / f).exists() and os.path.getsize(os.path.join(merged, f)) <= 8192:
                    shutil.copy(os.path.join(merged, f), corpus / f)
        shutil.rmtree(merged)
    if r.returncode:
        print(r.stdout[-4000:])
    return r.returncode, int(runs.group(1)) if runs else 0, found


def coverage(target, folders, sources):
    """Lines of the parser's sources that the inputs reach, in percent."""
    raw = tempfile.mktemp(prefix="cov-", suffix=".profraw")
    exe = ROOT / f"build-cov/tests/fuzz/replay_{target}"
    call([str(exe), *map(str, folders)], env=dict(os.environ, LLVM_PROFILE_FILE=raw))
    files = [f for pattern in sources.split() for f in glob.glob(str(ROOT / pattern))]
    tool = "llvm-profdata-14" if shutil.which("llvm-profdata-14") else "llvm-profdata"
    if not os.path.exists(raw) or not files or call([tool, "merge", "-o", raw + ".data", raw]).returncode:
        return None
    r = subprocess.run([tool.replace("profdata", "cov"), "export", "-summary-only", str(exe), f"-instr-profile={raw}.data"],
                       stdout=subprocess.PIPE, text=True, cwd=ROOT)
    os.unlink(raw)
    os.unlink(raw + ".data")
    if r.returncode:
        return None
    wanted = {os.path.realpath(f) for f in files}  # the tool's own filter does not know build-cov/../src
    lines = [f["summary"]["lines"] for f in json.loads(r.stdout)["data"][0]["files"] if os.path.realpath(f["filename"]) in wanted]
    count = sum(x["count"] for x in lines)
    return round(100 * sum(x["covered"] for x in lines) / count, 1) if count else None


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--minutes", type=float, default=10)
    ap.add_argument("--keep", action="store_true")
    ap.add_argument("targets", nargs="*")
    a = ap.parse_args()
    with open(HERE / "targets.csv", newline="", encoding="utf-8") as f:
        rows = [r for r in csv.DictReader(f) if not a.targets or r["target"] in a.targets]
    build("build-fuzz", "-Dfuzz=true", "-Db_sanitize=address,undefined", "-Db_lundef=false", "-Doptimization=1")
    flags = "-fprofile-instr-generate -fcoverage-mapping"
    build("build-cov", f"-Dc_args={flags}", f"-Dc_link_args={flags}", "-Doptimization=0")
    path = HERE / "results.json"
    results = json.loads(path.read_text()) if path.exists() else {"targets": {}}
    results["commit"] = call(["git", "rev-parse", "--short", "HEAD"]).stdout.strip()
    results["machine"] = f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()} {platform.release()}"
    bad = 0
    for r in rows:
        seconds = int(a.minutes * 60)
        rc, runs, found = fuzz(r["target"], seconds, a.keep)
        bad += rc != 0
        pct = coverage(r["target"], [HERE / "corpus" / r["target"], found], r["sources"])
        results["targets"][r["target"]] = {"seconds": seconds, "executions": runs, "clean": rc == 0, "lines_percent": pct,
                                           "commit": results["commit"]}
        shutil.rmtree(found)
        print(f"{r['target']:10} {seconds:5} s {runs:10} executions  {'clean' if rc == 0 else 'CRASHED'}  {pct} % of lines", flush=True)
        path.write_text(json.dumps(results, indent=1) + "\n")
    sys.exit(1 if bad else 0)


main()
