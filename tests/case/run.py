#!/usr/bin/env python3
"""Real captures through the whole of weir: import, then list every record as it was sent, then compare.

usage: run.py WEIR DATA [CASE...]

DATA is tests/data. cases.tsv beside this file names every golden case and says why one is not run. For each other
case its captures are imported into an empty data directory, flow and option records are listed with IANA
names, and tools/compare.py holds them against the golden values, option records included. The ledger of
each case is checked too: what the import reported is what the queries return.
"""
import json
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
LIST = ["--list", "--columns", "all", "--names", "ipfix", "-o", "ndjson", "--limit", "0"]


def cases():
    """{(set, output): reason it is not run, or ""}"""
    out = {}
    for line in (HERE / "cases.tsv").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            kind, output, why = line.split("\t")
            out[kind, output] = why
    return out


def golden(folder):
    """{output: (captures, ports)} of a set"""
    out = {}
    for path in sorted(folder.glob("golden/*.json")):
        g = json.loads(path.read_text(encoding="utf-8"))
        if g.get("schema") == "flow-golden-1":
            out.setdefault(g["output"], (g["pcap"], g["ports"]))
    return out


def weir(exe, *args):
    r = subprocess.run([exe, *map(str, args)], capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
    if r.returncode != 0:
        raise RuntimeError("weir %s: exit %d: %s" % (" ".join(map(str, args)), r.returncode, r.stderr.strip()))
    return r.stdout


def run(exe, folder, captures, ports, out):
    """Import and list one case; writes the records to `out`."""
    with tempfile.TemporaryDirectory(prefix="weir-case-") as tmp:
        data = pathlib.Path(tmp) / "data"
        flags = [a for p in sorted(set(ports)) for a in ("--port", p)]
        said = weir(exe, "import", "--data", data, *flags, *[folder / c for c in captures])
        told = [tuple(map(int, m)) for m in re.findall(r"\((\d+) flows, (\d+) options\)", said)]
        flows = weir(exe, "query", "--data", data, *LIST)
        options = weir(exe, "query", "--data", data, "--kind", "option", *LIST)
        out.write_text(flows + options, encoding="utf-8")
        want = tuple(map(sum, zip(*told)))
        got = (len(flows.splitlines()), len(options.splitlines()))
        if want != got:
            raise RuntimeError("import said %s flows and options, the queries return %s" % (want, got))


def main():
    exe, data, only = sys.argv[1], pathlib.Path(sys.argv[2]), set(sys.argv[3:])
    todo, failed, compared, skipped = cases(), 0, 0, 0
    for kind in ("exporters", "attacks"):
        folder = data / kind
        have = golden(folder)
        for output in have:
            if (kind, output) not in todo:
                failed += 1
                print("FAIL %s: not in cases.tsv" % output)
        with tempfile.TemporaryDirectory(prefix="weir-results-") as results:
            results = pathlib.Path(results)
            names = []
            for (where, output), why in todo.items():
                if where != kind or (only and output not in only):
                    continue
                if why:
                    skipped += 1
                    print("not in this version: %s: %s" % (output, why))
                    continue
                names.append(output)
                if output not in have:
                    failed += 1
                    print("FAIL %s: no golden file" % output)
                    continue
                try:
                    run(exe, folder, *have[output], results / (output + ".ndjson"))
                except (RuntimeError, subprocess.TimeoutExpired) as e:
                    failed += 1
                    print("FAIL %s: %s" % (output, e))
            report = results / "report.json"
            r = subprocess.run([sys.executable, data / "tools" / "compare.py", folder / "golden", results,
                                "--strict-options", "--json", report], capture_output=True, text=True)
            wanted = set(names)
            lines = r.stdout.splitlines()
            for view, verdict in zip(json.loads(report.read_text(encoding="utf-8")),
                                     (i for i, l in enumerate(lines) if l[:4] in ("ok  ", "FAIL"))):
                if view["case"].replace("/", "__") not in wanted:
                    continue
                compared += 1
                failed += not view["ok"]
                print(lines[verdict])
                for line in lines[verdict + 1:]:
                    if view["ok"] or not line.startswith("       "):
                        break
                    print(line)
    print("%d views compared, %d failed, %d cases not in this version" % (compared, failed, skipped))
    sys.exit(1 if failed or not compared else 0)


main()
