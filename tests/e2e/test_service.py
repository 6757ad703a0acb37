#!/usr/bin/env python3
"""usage: test_service.py WEIR
What weir.service asks of the server: notification, sockets kept over a restart without losing a datagram,
and the log: levels, journal priorities, a file that is rotated."""
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import Server, v5  # noqa: E402
from manager import Manager  # noqa: E402
from sender import RECORDS, Sender, SLOW, check  # noqa: E402

WEIR = sys.argv[1]


def restarts_and_a_crash_of_all_lose_no_datagram():
    with tempfile.TemporaryDirectory(prefix="weir-e2e-") as d:
        m = Manager(d)
        with Server(WEIR, "--shards", "2", "--seal.rows", "100000", folder=d, popen=m.start) as s:
            s.wait(lambda: "READY=1" in m.said, "READY=1")
            assert sorted(m.kept) == [f"udp_127.0.0.1_{s.port}_{i}_2" for i in (0, 1)], m.kept
            x = [Sender(s.port, 2500 if SLOW else 100000, f"127.0.0.{i}") for i in (1, 2)]
            for one in x:
                one.template(256)
                one.start()
            for _ in range(1 if SLOW else 3):  # systemctl restart weir
                time.sleep(0.5)
                ready = m.said.count("READY=1")
                assert s.stop() == 0, s.text()
                assert "STOPPING=1" in m.said
                s.start("--shards", "2", "--seal.rows", "100000")
                s.wait(lambda: m.said.count("READY=1") > ready, "READY=1 again")
            for one in x:
                one.stop()
            check(s, x)
            for one in x:  # all processes die with nothing on its way; what comes then waits in the sockets
                one.data(256, RECORDS)
            check(s, x)
            time.sleep(0.6)  # the journal has it
            s.kill_all()
            for one in x:
                one.data(256, RECORDS)
            s.start("--shards", "2", "--seal.rows", "100000")
            check(s, x)
            gaps = s.run("status", "--gaps", "-o", "json").stdout
            assert "not_running" not in gaps, gaps
            assert s.stop() == 0, s.text()
            # another number of shards: the old sockets give way, the manager forgets them
            s.start("--shards", "1")
            s.wait(lambda: list(m.kept) == [f"udp_127.0.0.1_{s.port}_0_1"], "the new socket alone")
            x[0].data(256, RECORDS)
            check(s, x)
            assert s.stop() == 0, s.text()


def an_upgrade_to_another_number_of_shards_takes_the_port_again():
    with tempfile.TemporaryDirectory(prefix="weir-e2e-") as d:
        conf = pathlib.Path(d) / "weir.yaml"
        conf.write_text("shards: 1\n")
        with Server(WEIR, "--config", conf, folder=d) as s:
            conf.write_text("shards: 2\n")
            pid = s.data_pid()
            s.p.send_signal(signal.SIGUSR2)
            s.wait(lambda: s.data_pid() not in (None, pid), "the new process")
            s.wait(lambda: s.status()["pid"] == s.data_pid(), "its answer")
            assert len(s.status()["rings"]) == 2
            s.send([v5(0, 5)])
            s.wait(lambda: s.status()["records"]["flows"] == 5, "five records")
            assert s.stop() == 0, s.text()


def a_log_file_is_opened_anew_on_sighup():
    with tempfile.TemporaryDirectory(prefix="weir-e2e-") as d:
        log, old = pathlib.Path(d) / "weir.log", pathlib.Path(d) / "weir.log.1"
        # the harness reads what the server says: through the same file
        with Server(WEIR, "--log.to", log, folder=d, logfile=log) as s:
            assert log.stat().st_mode & 0o777 == 0o640
            assert re.search(r"^\S+Z info    listening on", log.read_text(), re.M), log.read_text()
            log.rename(old)
            s.p.send_signal(signal.SIGHUP)
            s.wait(lambda: log.exists() and "reloaded" in log.read_text(), "the new file")
            assert "reloaded" not in old.read_text()
            size = old.stat().st_size
            assert s.stop() == 0
            assert "stopped" in log.read_text() and old.stat().st_size == size
        for to, why in (("here.log", "neither stderr, journal nor an absolute path"), ("/proc/no/log", "/proc/no/log: ")):
            r = subprocess.run([WEIR, "serve", "--data", f"{d}/x", "--listen", "udp://127.0.0.1:0", "--log.to", to],
                               capture_output=True, text=True, timeout=60)
            assert r.returncode in (1, 2) and why in r.stderr, r.stderr


def the_journal_gets_priorities_and_the_level_holds():
    with tempfile.TemporaryDirectory(prefix="weir-e2e-") as d:
        with Server(WEIR, "--log.to", "journal", folder=d) as s:
            lines = s.text().splitlines()
            assert lines and all(re.match(r"<[3-7]>\S", line) for line in lines), lines
            assert any(line.startswith("<6>listening on") for line in lines), lines
            assert s.stop() == 0
    with tempfile.TemporaryDirectory(prefix="weir-e2e-") as d:  # standard error is the journal's own stream
        with open(f"{d}/stream", "ab") as out:
            st = os.fstat(out.fileno())
            p = subprocess.Popen([WEIR, "serve", "--data", f"{d}/data", "--listen", "udp://127.0.0.1:0", "--http.listen", "off",
                                  "--ring.size", "1M"], stderr=out, env=dict(os.environ, JOURNAL_STREAM=f"{st.st_dev}:{st.st_ino}"))
            end = time.monotonic() + 60
            while "answers at" not in pathlib.Path(d, "stream").read_text():
                assert p.poll() is None and time.monotonic() < end, pathlib.Path(d, "stream").read_text()
                time.sleep(0.02)
            p.send_signal(signal.SIGTERM)
            assert p.wait(timeout=60) == 0
            assert pathlib.Path(d, "stream").read_text().startswith("<6>"), pathlib.Path(d, "stream").read_text()
    with tempfile.TemporaryDirectory(prefix="weir-e2e-") as d:
        with Server(WEIR, "--log.level", "warning", folder=d, quiet=True) as s:
            assert "info" not in s.text(), s.text()
            assert s.stop() == 0


for test in [v for k, v in list(globals().items()) if callable(v) and getattr(v, "__module__", "") == "__main__"]:
    test()
    print("ok", test.__name__, flush=True)
