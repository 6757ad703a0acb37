"""Checks that are counted, and the program run with words."""
import os
import subprocess
import sys

WEIR = os.path.abspath(sys.argv[1])
count = {"checks": 0, "failed": 0}


def check(ok, what):
    count["checks"] += 1
    if not ok:
        count["failed"] += 1
        print("FAIL", what)
    return ok


def weir(*args, code=0):
    r = subprocess.run([WEIR, *map(str, args)], capture_output=True, text=True, timeout=200, stdin=subprocess.DEVNULL)
    check(code is None or r.returncode == code, f"weir {args}: exit {r.returncode}: {r.stderr}{r.stdout}")
    return r.stdout + r.stderr
