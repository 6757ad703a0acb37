#!/usr/bin/env python3
"""usage: test_define.py WEIR
Definitions beside a running server: the next question uses them, from the command line and at the HTTP door; a refused change
changes nothing; a snapshot holds them; a damaged file is told and the rest is answered."""
import json
import pathlib
import subprocess
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import Server, v5  # noqa: E402

WEIR = sys.argv[1]


def used_from_the_next_question_on():
    with Server(WEIR) as s:
        s.send([v5(i * 30, 30) for i in range(10)])  # from 10.0.0.0 on, one address a record
        s.wait(lambda: s.totals()["flows"] == 300, "300 records")
        assert 'no group is called "some"' in s.run("query", "group some", code=2).stderr
        s.run("group", "add", "some", "10.0.0.0/28")
        assert s.totals("group some")["flows"] == 16
        assert s.get("/api/v1/query", filter="src group some", format="json")["totals"]["flows"] == 16
        s.run("group", "add", "some", "!10.0.0.3", "10.0.0.32/28")
        assert s.get("/api/v1/query", filter="src group some", format="json")["totals"]["flows"] == 31
        s.run("group", "add", "some", "10.0.0.300", code=2)
        s.run("group", "add", "some", "group some", code=2)
        assert s.totals("group some")["flows"] == 31
        s.run("exporter", "set", "127.0.0.1", "name=here")
        s.run("interface", "set", "here", "1", "name=eth0", "boundary=internal")
        rows = s.get("/api/v1/query", by="exporter name,in if name,group", format="json", measure="flows")["rows"]
        assert {(r["exporter name"], r["in if name"], r["group"]): r["flows"] for r in rows} == {
            ("here", "eth0", "some"): 31, ("here", "eth0", None): 269}, rows
        s.run("interface", "set", "here", "1", "role=ignore")
        once = lambda: json.loads(s.run("query", "-o", "json", "proto tcp").stdout)["totals"]["flows"]  # noqa: E731
        assert once() == 0 and s.totals()["flows"] == 300
        assert s.get("/api/v1/query", filter="proto tcp", format="json")["totals"]["flows"] == 0
        s.run("interface", "unset", "here", "1", "role")
        assert once() == 300
        s.run("group", "delete", "some")
        assert 'no group is called "some"' in s.run("query", "group some", code=2).stderr


def sampling_by_a_command():
    with Server(WEIR) as s:
        s.send([v5(i * 30, 30) for i in range(10)])
        s.wait(lambda: s.totals()["flows"] == 300, "300 records")
        served = lambda: s.get("/api/v1/query", filter="| dedup off", format="json")["totals"]["bytes"]  # noqa: E731
        verdict = lambda: [x["figures"].get("sampling", 0) for x in s.get("/api/v1/exporters")["exporters"]]  # noqa: E731
        assert served() == 30000
        s.wait(lambda: verdict() == [None], "the verdict")
        s.run("exporter", "set", "127.0.0.1", "sampling=20")
        assert served() == s.totals()["bytes"] == 600000
        s.wait(lambda: verdict() == [20], "the verdict")
        with open(s.dir / "tail", "w+b") as out:
            t = subprocess.Popen([WEIR, "tail", "--data", s.data, "--columns", "bytes", "-o", "ndjson"], stdout=out)
            said = lambda: [json.loads(line)["bytes"] for line in (s.dir / "tail").read_text().splitlines()]  # noqa: E731
            n = 10
            for sampling in (20, 50):
                s.run("exporter", "set", "127.0.0.1", f"sampling={sampling}")
                while sampling * 100 not in said():  # until it has begun; a tail tells what comes after that
                    s.send([v5(n * 30, 30)])
                    n += 1
                    s.wait(lambda: s.totals()["flows"] == n * 30, "a datagram")
            assert sorted(set(said())) == [2000, 5000], set(said())
            assert served() == n * 30 * 100 * 50
            assert s.stop() == 0, s.text()
            assert t.wait(timeout=20) == 0
        assert s.totals()["bytes"] == n * 30 * 100 * 50  # from the directory


def many_at_once():
    """Writers wait for each other, questions go on, nothing is lost."""
    with Server(WEIR) as s:
        s.send([v5(0, 30)])
        s.wait(lambda: s.totals()["flows"] == 30, "30 records")
        s.run("group", "add", "g", "192.0.2.255")
        bad = []

        def write(k):
            for i in range(6):
                r = subprocess.run([WEIR, "group", "--data", s.data, "add", "g", f"10.0.{k}.{i}"], capture_output=True, text=True)
                if r.returncode != 0:
                    bad.append(r.stderr)

        writers = [threading.Thread(target=write, args=(k,)) for k in range(3)]
        for t in writers:
            t.start()
        while any(t.is_alive() for t in writers):
            s.totals("group g")
        for t in writers:
            t.join()
        assert not bad, bad
        assert s.run("group", "show", "g").stdout.count("10.0.") == 18
        assert s.totals("src group g")["flows"] == 6


def in_snapshots_and_over_restarts():
    with Server(WEIR) as s:
        s.send([v5(0, 30)])
        s.wait(lambda: s.totals()["flows"] == 30, "30 records")
        s.run("group", "add", "some", "10.0.0.0/29")
        s.run("name", "set", "10.0.0.1", "one")
        s.run("snapshot", str(s.dir / "copy"))
        subprocess.run([WEIR, "restore", s.dir / "copy", s.dir / "again"], check=True, capture_output=True)
        for folder in ("copy", "again"):
            out = subprocess.run([WEIR, "query", "--data", s.dir / folder, "-o", "json", "group some and not host one"],
                                 check=True, capture_output=True).stdout
            assert json.loads(out)["totals"]["flows"] == 7, (folder, out)
        assert s.stop() == 0, s.text()
        s.start()
        assert s.totals("group some")["flows"] == 8


def damaged():
    with Server(WEIR) as s:
        s.send([v5(0, 30)])
        s.wait(lambda: s.totals()["flows"] == 30, "30 records")
        s.run("group", "add", "some", "10.0.0.0/29")
        assert s.totals("group some")["flows"] == 8
        assert s.stop() == 0
        for f in s.data.glob("meta.db-*"):
            f.unlink()
        (s.data / "meta.db").write_bytes(b"this is no database" * 1000)
        s.start()
        assert s.get("/api/v1/query", filter="src ip 10.0.0.0/29", format="json")["totals"]["flows"] == 8
        r = s.run("query", "-o", "json", "src ip 10.0.0.0/29")
        assert json.loads(r.stdout)["totals"]["flows"] == 8 and "meta.db: damaged" in r.stderr, r.stderr
        assert "meta.db: damaged" in s.run("group", "list", code=1).stderr
        assert "meta.db: damaged" in s.run("group", "add", "x", "10.0.0.1", code=1).stderr


def main():
    for test in (used_from_the_next_question_on, sampling_by_a_command, many_at_once, in_snapshots_and_over_restarts, damaged):
        test()
        print("ok", test.__name__)


main()
