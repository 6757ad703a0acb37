#!/usr/bin/env python3
"""usage: test_query.py WEIR
Asking while records come: visible within a second, counts that only grow and end exact while tiny segments
are sealed all the time, the same answer from the directory after the stop, and the tail."""
import json
import pathlib
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import Server, v5  # noqa: E402

WEIR = sys.argv[1]
SLOW = b"__tsan_" in pathlib.Path(WEIR).read_bytes() or b"__asan_" in pathlib.Path(WEIR).read_bytes()
DATAGRAMS = 400
RECORDS = DATAGRAMS * 30


def visible_within_a_second_and_the_same_after_the_stop():
    with Server(WEIR) as s:
        s.send([v5(i * 30, 30) for i in range(20)])
        begin = time.monotonic()
        s.wait(lambda: s.totals()["flows"] == 600, "600 records")
        took = time.monotonic() - begin
        assert took < 1 or SLOW, f"visible after {took:.1f} s"
        asked = [["--by", "dst ip", "--top", "5"], ["src port > 1029 and src port < 1041"], ["--list", "--limit", "700", "--sort", "src ip"]]
        before = [json.loads(s.run("query", "-o", "json", *q).stdout)["rows"] if q[0].startswith("--") else s.totals(*q)
                  for q in asked]
        assert s.totals() == {"flows": 600, "bytes": 60000, "packets": 1200}
        assert s.totals("src port > 1029 and src port < 1041")["flows"] == 11
        assert s.stop() == 0, s.text()
        after = [json.loads(s.run("query", "-o", "json", *q).stdout)["rows"] if q[0].startswith("--") else s.totals(*q)
                 for q in asked]
        assert before == after, (before, after)


def counts_only_grow_and_end_exact_under_continuous_sealing():
    with Server(WEIR, "--shards", "2", "--seal.rows", "200") as s:
        seen, wrong, done = [], [], threading.Event()

        def ask():
            while not done.is_set():
                t = s.totals()
                if seen and t["flows"] < seen[-1]:
                    wrong.append((seen[-1], t["flows"]))
                if t["bytes"] != 100 * t["flows"] or t["packets"] != 2 * t["flows"]:
                    wrong.append(t)
                seen.append(t["flows"])

        asker = threading.Thread(target=ask)
        asker.start()
        for i in range(DATAGRAMS):
            s.send([v5(i * 30, 30)])
            time.sleep(0.003)
        s.wait(lambda: s.status()["records"]["flows"] == RECORDS, "all records", 60)
        done.set()
        asker.join()
        assert not wrong, wrong
        assert s.totals()["flows"] == RECORDS, s.totals()
        s.wait(lambda: s.status()["seals"] > 3, "many seals")
        assert s.stop() == 0, s.text()
        assert s.totals() == {"flows": RECORDS, "bytes": 100 * RECORDS, "packets": 2 * RECORDS}


def a_tail_shows_every_new_record_once():
    with Server(WEIR, "--seal.rows", "100") as s:
        s.send([v5(0, 30)])
        s.wait(lambda: s.totals()["flows"] == 30, "30 old records")
        out = open(s.dir / "tail", "w+b")
        t = subprocess.Popen([WEIR, "tail", "--data", s.data, "--columns", "src ip,bytes", "-o", "ndjson"], stdout=out)
        time.sleep(1)
        s.send([v5(30 + i * 30, 30) for i in range(40)])
        s.wait(lambda: (s.dir / "tail").read_bytes().count(b"\n") >= 1200, "1200 lines")
        time.sleep(0.5)
        lines = (s.dir / "tail").read_text().splitlines()
        assert len(lines) == 1200 and len(set(lines)) == 1200, (len(lines), len(set(lines)))
        assert s.stop() == 0, s.text()
        assert t.wait(timeout=20) == 0
        out.close()


def what_cannot_be_understood_has_a_caret():
    with Server(WEIR) as s:
        for words in (["src ipp 1"], ["--by", "dst prt"], ["--last", "soon"]):
            r = s.run("query", *words, code=2)
            assert "^" in r.stderr, (words, r.stderr)
        r = s.run("query", "-s", "srcip/bytes", "-n", "10", code=2)
        assert "--by 'src ip'" in r.stderr, r.stderr
        r = s.run("query", "--check", "proto tcp")
        assert "proto tcp" in r.stdout
        raw = subprocess.run(["curl", "-s", "--unix-socket", s.data / "weir.sock",
                              "http://x/api/v1/query?filter=src+ipp"], capture_output=True, timeout=20).stdout
        p = json.loads(raw)
        assert p["status"] == 400 and p["position"] == 4 and p["parameter"] == "filter", p
        assert s.stop() == 0


for test in (visible_within_a_second_and_the_same_after_the_stop, counts_only_grow_and_end_exact_under_continuous_sealing,
             a_tail_shows_every_new_record_once, what_cannot_be_understood_has_a_caret):
    test()
    print("ok", test.__name__, flush=True)
