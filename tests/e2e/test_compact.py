#!/usr/bin/env python3
"""usage: test_compact.py WEIR
Many restarts leave many small segments: a server merges them while it answers; by hand without a server."""
import pathlib
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import Server, v5  # noqa: E402

WEIR = sys.argv[1]
STARTS = 18


def server(folder, *options):
    (pathlib.Path(folder) / "log").unlink(missing_ok=True)  # the harness reads there that it answers
    return Server(WEIR, *options, folder=folder)


def segments(s):
    return len(list(s.data.glob("seg-*.seg")))


def restarts(folder, starts, *options):
    """A segment for each; returns the records sent."""
    for i in range(starts):
        with server(folder, *options) as s:
            s.send([v5(i * 30, 30)])
            s.wait(lambda: s.status()["records"]["flows"] == (i + 1) * 30, "thirty more records")
            assert s.stop() == 0, s.text()
    return starts * 30


def a_server_merges_what_restarts_left():
    if time.time() % 86400 > 86280:
        time.sleep(120)  # neighbours of one day are merged: not over midnight
    with tempfile.TemporaryDirectory(prefix="weir-e2e-") as folder:
        sent = restarts(folder, STARTS, "--compact.enabled", "no")
        with server(folder) as s:
            s.wait(lambda: s.status()["compaction"]["merges"] > 0, "a merge")
            for _ in range(20):
                assert s.totals("any")["flows"] == sent
            st = s.status()
            assert st["compaction"]["segments_merged"] >= 16 and st["compaction"]["failures"] == 0, st["compaction"]
            assert st["store"]["records"] == sent and sum(st["store"]["levels"]) == st["store"]["segments"] <= 3, st["store"]
            s.wait(lambda: segments(s) == st["store"]["segments"], "old files to go")
            r = s.run("compact", code=1)
            assert "by itself" in r.stderr, r.stderr
            assert s.stop() == 0, s.text()
            assert s.status()["store"]["records"] == sent


def by_hand_everything_is_merged():
    if time.time() % 86400 > 86340:
        time.sleep(60)
    with tempfile.TemporaryDirectory(prefix="weir-e2e-") as folder:
        sent = restarts(folder, 3, "--compact.enabled", "no")
        with server(folder, "--compact.enabled", "no") as s:
            assert s.stop() == 0
            assert segments(s) == 3
            assert "3 segments are one now" in s.run("compact", "--rate", "10M").stdout
            assert segments(s) == 1
            assert s.totals("any")["flows"] == sent
            assert "0 merges" in s.run("compact").stdout


for test in [a_server_merges_what_restarts_left, by_hand_everything_is_merged]:
    test()
    print("ok", test.__name__)
