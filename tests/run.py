#!/usr/bin/env python3
"""Run every suite of tests/budget.csv, print seconds beside the budget, and end with
"N passed, N failed, N skipped". Exit 1 if something failed, was skipped without a reason in
tests/skips.txt, or took longer than its budget by half (the machine may be busy; a suite that
creeps up is noticed all the same).

usage: run.py [SUITE ...]
"""
import csv
import json
import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILDS = {
    "release": ("gcc", ["-Dwerror=true", "-Dprefix=/usr"]),
    "clang": ("clang", ["-Dwerror=true", "-Doptimization=1"]),
    "asan": ("gcc", ["-Dwerror=false", "-Dfaults=true", "-Db_sanitize=address,undefined", "-Db_lundef=false", "-Doptimization=1"]),
    "tsan": ("gcc", ["-Dwerror=false", "-Db_sanitize=thread", "-Db_lundef=false", "-Doptimization=1"]),
}
ENV = dict(os.environ,
           ASAN_OPTIONS="detect_leaks=1:abort_on_error=0:allocator_may_return_null=1",
           UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1",
           TSAN_OPTIONS="halt_on_error=1:second_deadlock_stack=1")


class Count:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped


def skips():
    out = {}
    for line in (ROOT / "tests/skips.txt").read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            name, _, why = line.partition("\t")
            out[name] = why.strip()
    return out


def call(cmd, show=True, **kw):
    r = subprocess.run(cmd, cwd=ROOT, env=kw.pop("env", ENV), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       text=True, errors="replace", stdin=subprocess.DEVNULL, **kw)
    if r.returncode != 0 and show:
        print(r.stdout[-6000:])
    return r


def build(kind):
    compiler, options = BUILDS[kind]
    folder = ROOT / f"build-{kind}"
    if not (folder / "build.ninja").exists():
        r = call(["meson", "setup", str(folder), *options], env=dict(ENV, CC=compiler))
        if r.returncode != 0:
            return None
    r = call(["ninja", "-C", str(folder), "--quiet"])
    return folder if r.returncode == 0 else None


def inner(name, result, text):
    """How many checks a test made: its own closing line where it has one, else the test itself."""
    c = Count()
    own = re.findall(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?", text, re.M)
    cm = re.findall(r"^\[  PASSED  \] (\d+) test", text, re.M)
    cmf = re.findall(r"^\[  FAILED  \] (\d+) test", text, re.M)
    if own:
        c.passed, c.failed, c.skipped = (sum(int(o[i] or 0) for o in own) for i in range(3))
    elif cm:
        c.passed, c.failed = sum(map(int, cm)), sum(map(int, cmf))
    elif result == "OK":
        c.passed = 1
    if result not in ("OK", "SKIP") and c.failed == 0:
        c.failed = 1
    if result == "SKIP":
        c.skipped = max(c.skipped, 1)
    return c


def meson_suite(folder, suite):
    total = Count()
    log = folder / "meson-logs" / "testlog.json"
    if log.exists():
        log.unlink()
    call(["meson", "test", "-C", str(folder), "--no-rebuild", "--suite", suite, "-t", "4", "--num-processes", "2"],
         show=False)
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    allowed = skips()
    for line in lines:
        t = json.loads(line)
        name = t["name"].split(" / ")[-1]
        text = t.get("stdout") or ""
        c = inner(name, t["result"], text + "\n" + (t.get("stderr") or ""))
        total.add(c)
        if c.failed:
            print(f"FAILED {suite}/{name}: {t['result']}")
            print((text + "\n" + (t.get("stderr") or ""))[-6000:])
        if c.skipped:
            if name in allowed:
                said = text.strip().splitlines()
                print(f"skipped {suite}/{name}: {allowed[name]}" + (f" (it says: {said[0]})" if said else ""))
            else:
                print(f"FAILED {suite}/{name}: skipped, and tests/skips.txt gives no reason")
                total.failed += 1
    if not lines:
        print(f"FAILED {suite}: no test ran")
        total.failed += 1
    return total


def script(cmd):
    c = Count()
    if call(cmd).returncode == 0:
        c.passed = 1
    else:
        c.failed = 1
    return c


def run_suite(row):
    kind, name = row["build"], row["suite"]
    bad = Count()
    bad.failed = 1
    if name == "floors":
        return script([sys.executable, "tools/floors.py", "."])
    if name == "drift":
        return script([sys.executable, "tools/gen.py", ".", "--check"])
    if name == "format":
        return script(["sh", "-c", "git ls-files '*.c' '*.h' | grep -v '^src/gen/\\|^tools/flowgen.c' | "
                       "xargs clang-format --dry-run -Werror"])
    folder = build(kind)
    if folder is None:
        print(f"FAILED {name}: build-{kind} does not build")
        return bad
    if name == "compile-clang":
        good = Count()
        good.passed = 1
        return good
    if name == "package":
        return script([sys.executable, "tests/deb/test_package.py", str(folder)])
    return meson_suite(folder, "e2e" if name == "tsan" else name)


def main():
    with open(ROOT / "tests/budget.csv", newline="", encoding="utf-8") as f:
        rows = list(csv.DictReader(f))
    wanted = sys.argv[1:]
    unknown = set(wanted) - {r["suite"] for r in rows}
    if unknown:
        print("no such suite:", ", ".join(sorted(unknown)), "- there are:", ", ".join(r["suite"] for r in rows))
        sys.exit(2)
    total, table = Count(), []
    start = time.monotonic()
    for row in rows:
        if wanted and row["suite"] not in wanted:
            continue
        t0 = time.monotonic()
        c = run_suite(row)
        took = time.monotonic() - t0
        if took > 1.5 * float(row["seconds"]):
            print(f"FAILED {row['suite']}: {took:.0f} s, budget {row['seconds']} s")
            c.failed += 1
        total.add(c)
        table.append((row["suite"], took, row["seconds"], c))
        print(f"{row['suite']:14} {took:6.1f} s of {row['seconds']:>4}  {c.passed} passed, {c.failed} failed,"
              f" {c.skipped} skipped", flush=True)
    print(f"\n{'suite':14} seconds budget")
    for name, took, budget, _ in table:
        print(f"{name:14} {took:7.1f} {budget:>6}")
    print(f"{'all':14} {time.monotonic() - start:7.1f}\n")
    print(f"{total.passed} passed, {total.failed} failed, {total.skipped} skipped")
    sys.exit(1 if total.failed else 0)


main()
