#!/usr/bin/env python3
"""usage: test_crash.py WEIR [KILLS]
Nothing is lost and nothing counts twice when the data process or all of it is killed, upgraded, or started
with other shards. The template is sent once, before the first kill; sets wait for one that comes at the end."""
import json
import pathlib
import random
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import Server  # noqa: E402
from sender import RECORDS, Sender, SLOW, check  # noqa: E402

WEIR = sys.argv[1]
KILLS = int(sys.argv[2]) if len(sys.argv) > 2 else 4
OCTETS = pathlib.Path(WEIR).read_bytes()
FAULTS = b"WEIR_FAULT" in OCTETS


def kill(s, begin=None):
    """The data process; wait for its successor."""
    pid = s.data_pid()
    while pid is None:
        time.sleep(0.01)
        pid = s.data_pid()
    begin and begin()
    import os
    os.kill(pid, signal.SIGKILL)
    s.wait(lambda: s.data_pid() not in (None, pid), "a new data process")


def per_second():
    return 10000 if SLOW else 200000


def the_data_process_may_die_at_any_moment(mode="async"):
    with Server(WEIR, "--shards", "2", "--seal.rows", "70000", "--seal.age", "1s", "--journal.mode", mode,
                "--journal.size", "256M") as s:
        x = [Sender(s.port, per_second() / 2, f"127.0.0.{i}") for i in (1, 2)]
        for one in x:
            one.template(256)
            one.data(300, 5)  # waits for its template
        s.wait(lambda: s.status()["sets"]["waiting"] == 2, "waiting sets")
        for one in x:
            one.start()
        for _ in range(KILLS):
            time.sleep(random.uniform(0.2, 2 if SLOW else 1))
            kill(s)
        time.sleep(0.3)
        for one in x:
            one.stop()
            one.template(300)
        check(s, x)
        assert s.stop() == 0, s.text()
        assert s.totals()["flows"] == sum(one.records for one in x)


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
        s.wait(lambda: (d := s.status()["datagrams"])["total"] > 0 and d["received"] == d["total"] + d["lost_in_crash"],
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


def named_places(places):
    """Die at each of them once, between writes that belong together."""
    for place in places:
        with Server(WEIR, "--seal.rows", "65536", "--seal.age", "1s", "--journal.size", "256M",
                    env={"WEIR_FAULT": place}) as s:
            x = Sender(s.port, per_second())
            x.template(256)
            x.start()
            s.wait(lambda: "died (SIGKILL)" in s.text(), f"death at {place}", 30)
            time.sleep(0.5)
            x.stop()
            check(s, [x])
            assert s.stop() == 0, s.text()
        print("   ", place, flush=True)


the_data_process_may_die_at_any_moment()
print("ok the_data_process_may_die_at_any_moment", flush=True)
the_data_process_may_die_at_any_moment("sync")
print("ok the_data_process_may_die_at_any_moment, sync", flush=True)
all_processes_may_die_and_another_number_of_shards_goes_on()
print("ok all_processes_may_die_and_another_number_of_shards_goes_on", flush=True)
an_upgrade_loses_no_datagram()
print("ok an_upgrade_loses_no_datagram", flush=True)
a_full_journal_is_said_and_counts_once()
print("ok a_full_journal_is_said_and_counts_once", flush=True)
if FAULTS:
    a_poisoned_datagram_is_put_aside()
    print("ok a_poisoned_datagram_is_put_aside", flush=True)
    # each fsync, rename and unlink of the store comes by: segment, directory, checkpoint, manifest
    named = ["journal.write:3", "journal.sync:2", "os.unlink:2", *(f"os.{p}:{n}" for p in ("sync", "synced") for n in range(3, 13)),
             *(f"os.{p}:{n}" for p in ("rename", "renamed") for n in range(2, 7))]
    named_places(named if KILLS > 20 else random.sample(named, 6))
    print("ok named_places", flush=True)
