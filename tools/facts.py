#!/usr/bin/env python3
"""Fetch the packages of data/facts.csv with npm, compare their SHA-512, and hand them to weir data import.

usage: facts.py WEIR DIR [--quiet]    DIR: where the facts go (option facts.dir)

--quiet: where npm or the network is missing, say one line and exit 0: Weir runs without.
"""
import base64
import csv
import hashlib
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent


def fetch(row, folder):
    spec = f"{row['package']}@{row['version']}"
    r = subprocess.run(["npm", "pack", "--silent", "--ignore-scripts", "--cache", folder / "cache", spec], cwd=folder,
                       capture_output=True, text=True, timeout=300)
    files = list(folder.glob("*.tgz"))
    if r.returncode != 0 or len(files) != 1:
        raise RuntimeError(f"{spec}: npm pack failed: {(r.stderr or r.stdout).strip()[-200:]}")
    got = base64.b64encode(hashlib.sha512(files[0].read_bytes()).digest()).decode()
    if got != row["sha512"]:
        raise RuntimeError(f"{spec}: SHA-512 is {got}, data/facts.csv has {row['sha512']}")
    with tarfile.open(files[0]) as t:
        for m in t.getmembers():
            name = pathlib.PurePosixPath(m.name)
            if m.isfile() and len(name.parts) == 2 and name.suffix in (".csv", ".json") and not name.name.endswith("-num.csv"):
                (folder / name.name).write_bytes(t.extractfile(m).read())
    files[0].unlink()
    shutil.rmtree(folder / "cache", ignore_errors=True)
    return folder


def main():
    weir, to = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2])
    quiet = "--quiet" in sys.argv
    with open(ROOT / "data" / "facts.csv", newline="") as f, tempfile.TemporaryDirectory(prefix="weir-facts-") as tmp:
        try:
            if shutil.which("npm") is None:
                raise RuntimeError("npm is not installed")
            folders = []
            for i, row in enumerate(csv.DictReader(f)):
                folder = pathlib.Path(tmp) / str(i)
                folder.mkdir()
                folders.append(fetch(row, folder))
        except (RuntimeError, subprocess.TimeoutExpired, OSError) as e:
            print(f"AS numbers and countries of addresses are not fetched: {e}", file=sys.stderr)
            return 0 if quiet else 1
        return subprocess.run([weir, "data", "import", *folders, "--facts.dir", to],
                              stdout=subprocess.DEVNULL if quiet else None).returncode


sys.exit(main())
