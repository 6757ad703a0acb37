#!/usr/bin/env python3
"""Conservation: exporters of NetFlow v5, v9 and IPFIX lose, repeat and reorder datagrams and restart, for half an hour. At the end the
three ledgers are exact, what Weir reports as lost is what the exporters left out, no restart is reported that was none, and records decoded
with the template of another port are right and marked.

usage: conserve.py --build BUILD [--minutes 30] [--rate 1500] [--seed N] [--out FILE]
"""
import argparse
import collections
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tests/e2e"), str(ROOT / "tests/tools")]
from harness import Server  # noqa: E402
from ledger_kit import Source, ledgers  # noqa: E402

LOSE, LATE, REPEAT = 0.02, 0.01, 0.01
BORROWED = 1  # enum mark
ROUND = 40  # datagrams of a source
UP_S = 120  # a device that restarts stays up so long: two restarts within seconds, and within the reorder window, look like reordering


def sources():
    kind = {"lose": LOSE, "late": LATE, "repeat": REPEAT}
    many = [Source(v, d, a, **kind) for v, d, a in ((5, 1, "127.0.0.1"), (5, 2, "127.0.0.1"), (9, 7, "127.0.0.1"), (9, 8, "127.0.0.2"),
                                                    (10, 20, "127.0.0.1"), (10, 21, "127.0.0.2"), (5, 1, "127.0.0.3"), (9, 7, "127.0.0.3"))]
    late = Source(9, 9, "127.0.0.1", first_template=40, **kind)  # 40 datagrams wait for their template
    # a second port that never tells a template, of an exporter whose first port does
    owner, other = Source(9, 30, "127.0.0.4", **kind), Source(9, 30, "127.0.0.4", first_template=None, **kind)
    return many + [late, owner, other], other


def run(a):
    random.seed(a.seed)
    every, borrower = sources()
    restarting = [x for x in every if x is not borrower]
    took = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="weir-conserve-") as tmp, \
            Server(str(a.build / "weir"), "--shards", "2", "--seal.rows", "200000", folder=pathlib.Path(tmp)) as s:
        end, due, rounds = time.monotonic() + a.minutes * 60, time.monotonic(), 0
        while True:
            last = time.monotonic() >= end
            for x in every:
                again = not last and x in restarting and time.time() - x.boot > UP_S and random.random() < 0.01
                for datagram, adds in x.some(ROUND, last or again):
                    x.send(s.port, datagram, adds)
                if again:
                    x.restart()
            rounds += 1
            due += len(every) * ROUND / a.rate
            time.sleep(max(0, due - time.monotonic()))
            if last:
                break
        flows = sum(x.sent["flows"] for x in every)
        s.wait(lambda: s.status()["records"]["flows"] >= flows, "the last records", 60)
        return result(a, s, every, rounds, time.monotonic() - took)


def marks(a, s, words, limit):
    """How many records are marked as decoded with another port's template."""
    with subprocess.Popen([a.build / "weir", "query", "--data", s.data, "--list", "--columns", "marks", "--limit", limit, "-o", "csv", words],
                          stdout=subprocess.PIPE, text=True) as p:
        return sum(int(line) & BORROWED for line in p.stdout if line[:1].isdigit())


def result(a, s, every, rounds, took):
    st = s.status()
    d, r, checks = st["datagrams"], st["records"], {}
    ledgers(st)
    sent = sum((x.sent for x in every), collections.Counter())
    checks["datagrams: received = sent, none refused or dropped"] = (
        d["received"] == d["total"] == d["accepted"] == sent["datagrams"] and d["kernel_dropped"] == d["ring_dropped"] == 0)
    checks["sets: decoded = data sent, none waits"] = st["sets"]["decoded"] == sent["data"] and st["sets"]["waiting"] == 0
    checks["templates"] = st["sets"]["template"] == sent["template"]
    checks["records: sent = sealed + open, none refused"] = r["flows"] == sent["flows"] == r["sealed"] + r["open"] and r["refused"] == 0
    want, wrong = collections.defaultdict(collections.Counter), []
    for x in every:
        want[x.address, x.version, x.domain].update(x.sent)
        want[x.address, x.version, x.domain].update(lost=x.lost, repeated=x.repeated, restarts=x.restarts)
    for o in st["exporters"]:
        ledgers(o)
        k = want[o["address"], o["version"], o["domain"]]
        for name, ours, theirs in (("flows", o["records"]["flows"], k["flows"]), ("lost", o["lost"], k["lost"]),
                                   ("duplicated", o["duplicated"], k["repeated"]), ("restarts", o["restarts"], k["restarts"])):
            if ours != theirs:
                wrong.append(f"{o['address']} v{o['version']} domain {o['domain']}: {name} {ours}, sent {theirs}")
    checks["exporters: flows, lost, repeated, restarts"] = not wrong and len(st["exporters"]) == len(want)
    rows = json.loads(s.run("query", "-o", "json", "--by", "exporter,version,domain", "--top", "0").stdout)["rows"]
    got = {(x["exporter"], x["version"], x["domain"]): (x["flows"], x["bytes"], x["packets"]) for x in rows}
    checks["answers: flows, bytes, packets of each"] = got == {k: (v["flows"], 100 * v["flows"], 2 * v["flows"]) for k, v in want.items()}
    borrowed = [x for x in every if x.first_template is None]
    marked = marks(a, s, "domain 30", "0"), marks(a, s, "not domain 30", "1000000")
    checks["records decoded with another port's template: all marked, no others"] = (
        marked == (sum(x.sent["flows"] for x in borrowed), 0) and
        next(o["sets"]["borrowed"] for o in st["exporters"] if o["domain"] == 30) == sum(x.sent["data"] for x in borrowed))
    return {"what": "conservation", "seed": a.seed, "seconds": round(took), "rounds": rounds, "exporters": len(want), "sources": len(every),
            "chances": {"lost": LOSE, "late": LATE, "repeated": REPEAT}, "sent": dict(sent), "lost": sum(x.lost for x in every),
            "repeated": sum(x.repeated for x in every), "reordered": sum(o["reordered"] for o in st["exporters"]),
            "restarts": sum(x.restarts for x in every), "borrowed": marked, "checks": checks, "wrong": wrong}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", type=pathlib.Path, required=True)
    p.add_argument("--minutes", type=float, default=30)
    p.add_argument("--rate", type=int, default=1500, help="datagrams a second")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--out", type=pathlib.Path)
    a = p.parse_args()
    out = run(a)
    out["commit"] = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    text = json.dumps(out, indent=1)
    print(text)
    if a.out:
        a.out.write_text(text + "\n")
    sys.exit(not all(out["checks"].values()))


main()
