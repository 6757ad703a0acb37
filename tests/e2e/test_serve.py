#!/usr/bin/env python3
"""usage: test_serve.py WEIR
A server over real sockets: ledgers, metrics, reload, the lock, a clean stop, the command line."""
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import Server, v5  # noqa: E402

WEIR = sys.argv[1]


def run(*words):
    return subprocess.run([WEIR, *words], capture_output=True, text=True, timeout=60)


def ledgers_are_exact_and_a_stop_seals_everything():
    with Server(WEIR, "--shards", "2", "--seal.rows", "500", "--seal.age", "2s") as s:
        s.send([v5(i * 30, 30) for i in range(100)] + [b"\x00\x05", b"\x00\x63" + bytes(30)])
        s.wait(lambda: s.status()["datagrams"]["total"] == 102, "all datagrams")
        st = s.status()
        d, r = st["datagrams"], st["records"]
        assert d["received"] == 102 and d["accepted"] == 100, d
        assert d["accepted"] + sum(d["refused"].values()) == d["total"], d
        assert d["kernel_dropped"] == 0 and d["ring_dropped"] == 0, d
        assert r["flows"] == 3000 and r["sealed"] + r["open"] + r["refused"] == 3000, r
        assert len(st["exporters"]) == 1 and st["exporters"][0]["address"] == "127.0.0.1", st["exporters"]
        s.wait(lambda: s.status()["records"]["open"] == 0, "sealing by age")
        s.send([v5(3000, 7)])
        s.wait(lambda: s.status()["records"]["flows"] == 3007, "seven more")
        assert s.stop() == 0, s.text()
        assert s.status()["store"]["records"] == 3007


def metrics_please_promtool_and_show_no_flows():
    with Server(WEIR) as s:
        s.send([v5(0, 5)])
        s.wait(lambda: s.status()["records"]["flows"] == 5, "five records")
        base = re.search(r"metrics at (http://\S+)/metrics", s.text()).group(1)
        text = urllib.request.urlopen(base + "/metrics", timeout=10).read()
        assert b'weir_records_total{kind="flow"} 5' in text, text
        assert urllib.request.urlopen(base + "/healthz", timeout=10).read() == b"ok\n"
        for path in ("/api/v1/status", "/api/v1/query"):
            try:
                urllib.request.urlopen(base + path, timeout=10)
                raise SystemExit(f"{path} answered on TCP")
            except urllib.error.HTTPError as e:
                assert e.code == 404 and b"Unix socket" in e.read()
        if shutil.which("promtool"):
            r = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, timeout=60)
            assert r.returncode == 0, r.stdout + r.stderr
        assert s.stop() == 0


def a_second_server_is_told_who_holds_the_directory():
    with Server(WEIR) as s:
        r = run("serve", "--data", s.data, "--listen", "udp://127.0.0.1:0", "--http.listen", "off")
        assert r.returncode == 1 and str(s.data_pid()) in r.stderr and "weir.sock" in r.stderr, r.stderr
        assert s.status()["pid"] == s.data_pid()
        assert s.stop() == 0


def a_reload_takes_what_it_may_and_names_the_rest():
    with Server(WEIR) as first:
        conf = first.dir / "weir.yaml"
        conf.write_text("shards: 1\nlog: {level: info}\n")
        with Server(WEIR, "--config", conf) as s:
            conf.write_text("shards: 2\nlog: {level: debug}\nretention: {size: 1G}\n")
            s.p.send_signal(signal.SIGHUP)
            s.wait(lambda: "configuration reloaded" in s.text(), "the reload")
            assert "shards: 2 needs a restart" in s.text() and "log.level is now debug" in s.text(), s.text()
            conf.write_text("shard: 2\n")
            s.p.send_signal(signal.SIGHUP)
            s.wait(lambda: "did you mean shards?" in s.text(), "the refusal")
            assert s.status()["pid"] == s.data_pid()
            assert s.stop() == 0
        assert first.stop() == 0


def wrong_words_are_answered_with_the_right_ones():
    for words, code, text in [
        (["sevre"], 2, "did you mean weir serve?"),
        (["serve", "--sards", "2"], 2, "did you mean --shards?"),
        (["serve", "--shards", "65"], 2, "allowed is 1 to 64"),
        (["serve", "--listen", "sctp://127.0.0.1:1"], 2, "does not begin with udp://"),
        (["serve", "--exporters.allow", "300/8", "--listen", "udp://127.0.0.1:0"], 2, "is no network"),
        (["status", "--data", "/nonexistent/weir"], 1, "/nonexistent/weir"),
        (["config", "check", "--config", "/nonexistent.yaml"], 1, "/nonexistent.yaml"),
        (["status", "-o", "xml"], 2, "expected -o table or -o json"),
        (["--version"], 0, "weir "),
        (["version"], 0, "weir "),
        (["help", "serve"], 0, "--ring.size"),
        (["query", "help"], 0, "--series"),
        (["query", "--data", "/nonexistent/weir"], 1, "weir import --data /nonexistent/weir FILE begin it"),
        (["serve", "--listen", "2055"], 2, "such as udp://[::]:2055"),
        (["serve", "--data", "/proc/weir/data", "--listen", "udp://127.0.0.1:0"], 1, "--data DIR names another place"),
        (["import", "--data", "/proc/weir", "/nonexistent.pcap"], 1, "/nonexistent.pcap"),
    ]:
        r = run(*words)
        assert r.returncode == code and text in r.stdout + r.stderr, (words, r.returncode, r.stdout, r.stderr)


for test in [v for k, v in list(globals().items()) if callable(v) and getattr(v, "__module__", "") == "__main__"
             and k != "run"]:
    test()
    print("ok", test.__name__)
