#!/usr/bin/env python3
"""usage: test_crash.py WEIR [KILLS [RESULT]]
Nothing is lost and nothing counts twice when the data process or all of it is killed, upgraded, or started
with other shards. The template is sent once, before the first kill; sets wait for one that comes at the end.
With more than 20 kills (a release build with -Dfaults=true is meant) all named places are tried; RESULT is a JSON file."""
import collections
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.path[:0] = [str(pathlib.Path(__file__).parent), str(pathlib.Path(__file__).parent.parent / "tools")]
import load  # noqa: E402
from harness import Server  # noqa: E402
from sender import MANY, RECORDS, Sender, SLOW, check, dropped, records_of, twice  # noqa: E402

WEIR = sys.argv[1]
KILLS = int(sys.argv[2]) if len(sys.argv) > 2 else 4
RESULT = {}
OCTETS = pathlib.Path(WEIR).read_bytes()
FAULTS = b"WEIR_FAULT" in OCTETS


def kill(s, begin=None):
    """The data process; wait for its successor."""
    pid = s.data_pid()
    while pid is None:
        time.sleep(0.01)
        pid = s.data_pid()
    begin and begin()
    os.kill(pid, signal.SIGKILL)
    s.wait(lambda: s.data_pid() not in (None, pid), "a new data process")


def per_second():
    return 10000 if SLOW else 200000


def recovering(s):
    try:
        st = s.get("/api/v1/status", 5)
        return st["recovering"] or any(r["used"] > 4 << 20 for r in st["rings"])
    except OSError:
        return True


def snapshots(s, done, made, wrong):
    """Copies while all this goes on: whole, or said not to be."""
    with tempfile.TemporaryDirectory(prefix="weir-snap-", dir=s.dir) as folder:
        while not done.wait(random.uniform(1, 3)):
            to, back = pathlib.Path(folder) / "snap", pathlib.Path(folder) / "back"
            r = subprocess.run([WEIR, "snapshot", "--data", s.data, to], capture_output=True, text=True)
            if r.returncode == 0:
                made["whole"] += 1
                again = subprocess.run([WEIR, "restore", to, back], capture_output=True, text=True)
                if again.returncode != 0:
                    wrong.append(again.stdout + again.stderr)
            else:
                made["refused"] += 1
                if to.exists():
                    wrong.append("refused, and is there: " + r.stderr)
            for x in (to, back):
                shutil.rmtree(x, ignore_errors=True)


def the_data_process_may_die_at_any_moment(mode="async", kills=KILLS):
    """Also soon after its start, when it reads the journal back. Segments are merged and copied meanwhile."""
    with Server(WEIR, "--shards", "2", "--seal.rows", "70000", "--seal.age", "1s", "--journal.mode", mode,
                "--journal.size", "2G" if MANY else "256M", "--receive_buffer", "256M" if MANY else "32M", "--ring.size", "128M") as s:
        x = [Sender(s.port, per_second() / 2, f"127.0.0.{i}") for i in (1, 2)]
        for one in x:
            one.template(256)
            one.data(300, 5)  # waits for its template
        s.wait(lambda: s.status()["sets"]["waiting"] == 2, "waiting sets")
        done, made, wrong = threading.Event(), collections.Counter(), []
        copier = threading.Thread(target=snapshots, args=(s, done, made, wrong))
        copier.start()
        began, merges, replays = time.monotonic(), collections.Counter(), 0
        try:
            for one in x:
                one.start()
            for i in range(kills):
                soon = i % 4 == 3
                if MANY and not soon:  # what came while nothing ran is read back first, or it never comes to an end
                    s.wait(lambda: not recovering(s), "recovery", 60)
                time.sleep(random.uniform(0, 0.1) if soon else random.uniform(0.2, 2 if SLOW else 1))
                try:
                    st = s.get("/api/v1/status", 5)
                    merges[st["pid"]] = st["compaction"]["merges"]
                except OSError:
                    pass
                replays += soon
                kill(s)
            time.sleep(0.3)
        finally:
            for one in x:
                one.halt.set()
            done.set()
            copier.join()
        took = time.monotonic() - began
        for one in x:
            one.stop()
            one.template(300)
        assert not wrong, wrong
        check(s, x)
        d = s.status()["datagrams"]
        merges["last"] = s.status()["compaction"]["merges"]
        assert s.stop() == 0, s.text()
        flows = sum(one.records for one in x)
        stored = s.totals()["flows"]
        missing = sum(d[k] for k in ("kernel_dropped", "ring_dropped", "lost_in_crash"))
        assert stored == flows - RECORDS * missing and (MANY or missing == 0), (stored, flows, d)
        RESULT[f"random, {mode}"] = {
            "kills": kills, "of_these_soon_after_a_start": replays, "deaths_in_the_log": s.text().count("died (SIGKILL)"), "seconds": round(took, 1),
            "flows": flows, "flows_per_second": round(flows / took), "merges_seen": sum(merges.values()), "snapshots": made,
            "lost_datagrams": {k: d[k] for k in ("kernel_dropped", "ring_dropped", "lost_in_crash")}, "unexplained": flows - stored - RECORDS * missing}
        print("   ", json.dumps(RESULT[f"random, {mode}"]), flush=True)


def all_processes_may_die_and_another_number_of_shards_goes_on():
    with Server(WEIR, "--shards", "1", "--seal.rows", "100000", "--journal.size", "256M") as s:
        x = [Sender(s.port, per_second(), f"127.0.0.{i}") for i in (1, 2, 3)]
        for one in x:
            one.template(256)
        for shards in ("3", "2", "2", "1"):
            for _ in range(100):
                for one in x:
                    one.data(256, RECORDS)
            s.wait(lambda: s.totals()["flows"] == sum(one.records for one in x), "what was sent")
            time.sleep(0.5)  # async: the journal has it
            s.kill_all()
            s.start("--shards", shards, "--seal.rows", "100000", "--journal.size", "256M")
            s.wait(lambda: s.totals()["flows"] == sum(one.records for one in x), "what was recovered")
            assert len(s.status()["rings"]) == int(shards)
        check(s, x)
        assert s.stop() == 0, s.text()
        s.start("--shards", "2")  # a planned restart keeps templates
        for one in x:
            one.data(256, 3)
        check(s, x)
        assert s.stop() == 0, s.text()


def an_answer_that_lacks_what_is_still_read_back_says_so():
    with Server(WEIR, "--seal.rows", "100000000", "--seal.age", "1h", "--journal.size", "256M") as s:
        x = Sender(s.port, per_second())
        x.template(256)
        for i in range(3000 if SLOW else 12000):
            x.data(256, RECORDS)
            if i % 500 == 0:
                s.totals()
        s.wait(lambda: s.totals()["flows"] == x.records, "what was sent")
        pid, asked = s.data_pid(), 0
        os.kill(pid, signal.SIGKILL)
        end = time.monotonic() + 30
        while asked < 5 and time.monotonic() < end:
            try:
                r = s.get("/api/v1/query", format="json", dedup="off")
            except OSError:
                continue
            assert r["totals"]["flows"] == x.records or r["stats"]["incomplete"] and "read back" in r["stats"]["message"], r
            asked += not r["stats"]["incomplete"]
        assert asked == 5 and s.data_pid() != pid, s.text()
        check(s, [x])
        assert s.stop() == 0, s.text()


def an_upgrade_loses_no_datagram():
    with Server(WEIR, "--seal.rows", "100000") as s:
        x = Sender(s.port, per_second() / 2)
        x.template(256)
        x.start()
        for _ in range(3):
            time.sleep(0.5)
            pid = s.data_pid()
            s.p.send_signal(signal.SIGUSR2)
            s.wait(lambda: s.data_pid() not in (None, pid), "the new process")
            s.wait(lambda: s.status()["pid"] == s.data_pid(), "its answer")
        x.stop()
        check(s, [x])
        assert s.stop() == 0, s.text()


def a_full_journal_is_said_and_counts_once():
    with Server(WEIR, "--journal.size", "2M", "--seal.rows", "100000000", "--seal.age", "1h") as s:
        x = Sender(s.port, 100000)
        x.template(256)
        for _ in range(3000):
            x.data(256, RECORDS)
        s.wait(lambda: s.totals()["flows"] == x.records, "all records", 60)
        check(s, [x])
        assert s.status()["journal"]["octets"] <= 2 << 20, s.status()["journal"]
        before = s.status()["datagrams"]
        assert before["not_journaled"] > 0, before
        kill(s)  # what was counted is not counted again
        x.data(256, 1)  # its number tells how many the crash took
        s.wait(lambda: (d := s.status().get("datagrams")) and d["total"] > 0 and d["received"] == d["total"] + d["lost_in_crash"],
               "what a full journal could keep")
        d = s.status()["datagrams"]
        assert d["not_journaled"] - before["not_journaled"] in (0, 1) and d["received"] == before["received"] + 1, (before, d)
        assert s.stop() == 0, s.text()


def a_poisoned_datagram_is_put_aside():
    with Server(WEIR, env={"WEIR_CRASH": "1"}) as s:
        x = Sender(s.port, 1000)
        x.template(256)
        x.data(256, 10)
        s.wait(lambda: s.totals()["flows"] == 10, "ten records")
        x.s.sendto(b"\0\5WEIR-CRASH", x.to)
        s.wait(lambda: "is kept in" in s.text(), "quarantine")
        x.data(256, 10)
        s.wait(lambda: s.totals()["flows"] == 20, "ten more")
        s.wait(lambda: s.status()["datagrams"]["total"] == 4, "all datagrams in the status")
        d = s.status()["datagrams"]
        assert d["quarantined"] == 1 and d["refused"]["quarantined"] == 1 and d["received"] == d["total"] == 4, d
        kept = list((s.data / "quarantine").iterdir())
        assert len(kept) == 1 and b"WEIR-CRASH" in kept[0].read_bytes(), kept
        assert s.stop() == 0, s.text()


def die(s, place, senders, seconds=40):
    try:
        s.wait(lambda: "died (SIGKILL)" in s.text(), f"death at {place}", seconds)
        time.sleep(0.5)
    finally:
        for one in senders:
            one.halt.set()
    for one in senders:
        one.stop()


def in_the_work(place):
    """Die between writes that belong together: of a seal, a merge, the journal."""
    rows = ("2000" if SLOW else "20000") if place.startswith("compact/") else "65536"
    with Server(WEIR, "--seal.rows", rows, "--seal.age", "1s", "--journal.size", "256M", env={"WEIR_FAULT": place}) as s:
        x = Sender(s.port, per_second())
        x.template(256)
        x.start()
        die(s, place, [x])
        check(s, [x])
        assert s.stop() == 0, s.text()
        return x.records


def in_retention(place):
    """What is left is the newest of each exporter, whole and once; what is gone was counted."""
    with Server(WEIR, "--seal.rows", "20000", "--seal.age", "1s", "--journal.size", "256M", "--retention.size", "100K" if SLOW else "2M",
                env={"WEIR_FAULT": place}) as s:
        x = [Sender(s.port, per_second() / 2, f"127.0.0.{i}") for i in (1, 2)]
        for one in x:
            one.template(256)
            one.start()
        die(s, place, x)
        flows = sum(one.records for one in x)
        s.wait(lambda: records_of(s)[0] == flows, f"{flows} records", 60)
        dropped(s)
        assert s.stop() == 0, s.text()
        rows = json.loads(s.run("query", "-o", "json", "--by", "exporter", "--measure", "flows,bytes", "--top", "0").stdout)["rows"]
        left = {r["exporter"]: (r["flows"], r["bytes"]) for r in rows}
        assert len(left) == 2 and not twice(s, x), left
        for i, one in enumerate(x):
            n, octets = left[f"127.0.0.{i + 1}"]
            assert 0 < n < one.records and octets == sum(k % 1000 + 1 for k in range(one.records - n, one.records)), (place, n, octets, one.records)
        return flows


def in_replay(place):
    """All processes died; then the one that reads the journal back dies too."""
    with Server(WEIR, "--seal.rows", "10000000", "--seal.age", "1h", "--journal.size", "256M") as s:
        x = Sender(s.port, per_second())
        x.template(256)
        for _ in range(4000):
            x.data(256, RECORDS)
        s.wait(lambda: s.totals()["flows"] == x.records, "what was sent")
        time.sleep(0.5)  # async: the journal has it
        s.kill_all()
        s.env = dict(s.env, WEIR_FAULT=place)
        s.start("--seal.rows", "65536", "--seal.age", "1s", "--journal.size", "256M")
        x.start()
        die(s, place, [x])
        check(s, [x])
        assert s.stop() == 0, s.text()
        return x.records


def in_a_snapshot(place):
    """The program that copies dies: nothing has the name, the server notices nothing, the next copy is whole."""
    with Server(WEIR, "--seal.rows", "65536", "--seal.age", "1s", "--journal.size", "256M") as s:
        x = Sender(s.port, per_second())
        x.template(256)
        x.start()
        s.wait(lambda: s.status()["store"]["segments"] > 3, "segments")
        to, back = s.dir / "snap", s.dir / "back"
        r = subprocess.run([WEIR, "snapshot", "--data", s.data, to], env=dict(os.environ, WEIR_FAULT=place), capture_output=True, text=True)
        x.stop()
        assert r.returncode == -signal.SIGKILL, (place, r)
        whole = place.split("/")[1] == "os.renamed" or to.exists()
        if not whole:
            s.run("snapshot", to)
        r = subprocess.run([WEIR, "restore", to, back], capture_output=True, text=True)
        assert r.returncode == 0, (place, r)
        check(s, [x])
        assert s.stop() == 0, s.text()
        return x.records


def named_places(places):
    """Die at each of them once."""
    how = {"retain": in_retention, "replay.datagram": in_replay, "snapshot": in_a_snapshot}
    flows = 0
    for place in places:
        try:
            flows += how.get(place.split("/")[0].split(":")[0], in_the_work)(place)
        except AssertionError:
            print("    failed at", place, flush=True)
            raise
        print("   ", place, flush=True)
    RESULT["named"] = {"places": places, "flows": flows, "unexplained": 0}


def done(name):
    print("ok", name, flush=True)
    if len(sys.argv) > 3:
        load.save(sys.argv[3], load.origin() | RESULT)


the_data_process_may_die_at_any_moment()
done("the_data_process_may_die_at_any_moment")
the_data_process_may_die_at_any_moment("sync", min(KILLS, 20))
done("the_data_process_may_die_at_any_moment, sync")
all_processes_may_die_and_another_number_of_shards_goes_on()
done("all_processes_may_die_and_another_number_of_shards_goes_on")
an_answer_that_lacks_what_is_still_read_back_says_so()
done("an_answer_that_lacks_what_is_still_read_back_says_so")
an_upgrade_loses_no_datagram()
done("an_upgrade_loses_no_datagram")
a_full_journal_is_said_and_counts_once()
done("a_full_journal_is_said_and_counts_once")
if FAULTS:
    a_poisoned_datagram_is_put_aside()
    done("a_poisoned_datagram_is_put_aside")
    # each fsync, rename, unlink and manifest record of a seal with its checkpoint, a merge, retention; links and more of a snapshot
    n = {"seal": {"os.sync": 7, "os.rename": 2, "os.unlink": 1, "manifest.write": 2}, "compact": {"os.sync": 3, "os.rename": 1, "os.unlink": 16, "manifest.write": 1},
         "retain": {"os.sync": 1, "os.unlink": 2, "manifest.write": 2}, "snapshot": {"os.link": 3, "os.sync": 3, "os.rename": 1}}
    behind = {"os.sync": "os.synced", "os.rename": "os.renamed", "manifest.write": "manifest.written"}
    named = ["journal.write:3", "journal.sync:2", *(f"replay.datagram:{k}" for k in (1, 2, 500, 3999))]
    for work, points in n.items():
        for point, most in points.items():
            for k in sorted({1, 2, most} & set(range(1, most + 1)) if point in ("os.unlink", "os.link") else range(1, most + 1)):
                named += [f"{work}/{p}:{k}" for p in (point, behind.get(point)) if p]
    named_places(named if MANY else random.sample(named, 5))
    done("named_places")
