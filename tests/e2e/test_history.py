#!/usr/bin/env python3
"""What was received and lost is told minute by minute, over restarts, by a server and from its directory alone."""
import csv
import io
import json
import sys
import tempfile
import time

from harness import Server, v5


def rows(s, *words):
    return json.loads(s.run("status", "--history", "-o", "json", *words).stdout)["rows"]


def counts(r, *names):
    return tuple(r[n] for n in names)


def run_once(weir, folder, *datagrams):
    """A server that takes these and stops: one row each; -> what the command says then, without a server."""
    with Server(weir, folder=folder) as s:
        before = s.status()["records"]["flows"]
        s.send(datagrams)
        s.wait(lambda: s.status()["records"]["flows"] == before + 10 * len(datagrams), "the records")
        assert s.stop() == 0
        time.sleep(1.2)
        return rows(s)


def main(weir):
    with tempfile.TemporaryDirectory(prefix="weir-e2e-") as folder:
        run_once(weir, folder, v5(0, 10), v5(10, 10))
        run_once(weir, folder, v5(20, 10), v5(80, 10))  # 50 records are missing
        off = run_once(weir, folder, v5(90, 10))
        names = "datagrams", "records", "lost", "kernel_dropped", "ring_dropped", "undecoded"
        want = [(2, 20, 0, 0, 0, 0), None, (2, 20, 50, 0, 0, 0), None, (1, 10, 0, 0, 0, 0), None]
        assert [counts(r, *names) if r["running"] else None for r in off] == want, off
        assert all(a["to"] <= b["from"] for a, b in zip(off, off[1:])), off
        with Server(weir, folder=folder) as s:
            on = rows(s)
            assert on[:5] == off[:5] and not on[5]["running"] and len(on) == 6, on
            lost = on[2]
            assert rows(s, "--from", lost["from"], "--to", lost["to"]) == [lost]
            assert rows(s, "--exporter", "192.0.2.9", "--from", lost["from"], "--to", lost["to"])[0]["lost"] == 0
            mine = rows(s, "--exporter", "127.0.0.1", "--last", "1h")
            assert [r.get("lost") for r in mine] == [0, None, 50, None, 0, None] and "ring_dropped" not in mine[0], mine
            day = rows(s, "--series", "1d")
            assert sum(r["lost"] for r in day if r["running"]) == 50, day
            table = s.run("status", "--history").stdout.splitlines()
            assert len(table) == 7 and "lost" in table[0] and "50" in table[3] and table[2].endswith("not running"), table
            out = list(csv.DictReader(io.StringIO(s.run("status", "--history", "-o", "csv").stdout)))
            assert [r["lost"] for r in out] == ["0", "", "50", "", "0", ""] and out[1]["running"] == "no", out
            gaps = json.loads(s.run("status", "--gaps", "-o", "json", "--exporter", "127.0.0.1").stdout)["gaps"]
            assert [(g["reason"], g["count"]) for g in gaps] == [("lost", 50)], gaps
            assert json.loads(s.run("status", "--gaps", "-o", "json", "--exporter", "192.0.2.9").stdout)["gaps"] == []
            at = json.loads(s.run("status", "--gaps", "-o", "json", "--from", lost["from"], "--to", lost["to"]).stdout)["gaps"]
            assert [g["reason"] for g in at if g["reason"] == "lost"] == ["lost"], at
            for words in (["--exporter", "127.0.0.1"], ["--series", "1h"], ["--gaps", "--series", "1h"], ["--gaps", "--history"],
                          ["--history", "--exporter", "router"], ["--history", "--from", "nonsense"], ["--history", "-o", "ndjson"],
                          ["--gaps", "-o", "csv"]):
                s.run("status", *words, code=2)
            assert s.stop() == 0
        gaps = json.loads(s.run("status", "--gaps", "-o", "json", "--exporter", "127.0.0.1").stdout)["gaps"]
        assert [(g["reason"], g["count"]) for g in gaps] == [("lost", 50)], gaps
    print("history: ok")


main(sys.argv[1])
