#!/usr/bin/env python3
"""usage: test_serve.py WEIR
A server over real sockets: ledgers, metrics, reload, the lock, a clean stop, the command line."""
import grp
import json
import os
import pathlib
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
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


def a_reload_applies_retention_at_once():
    with tempfile.TemporaryDirectory(prefix="weir-e2e-") as d:
        conf = pathlib.Path(d) / "weir.yaml"
        conf.write_text("seal: {rows: 65536, age: 1s}\n")
        with Server(WEIR, "--config", conf, folder=d) as s:
            for i in (0, 1):
                s.send([v5(i * 30, 30)])
                s.wait(lambda: s.status()["store"]["records"] == 30 * (i + 1), "a segment")
            time.sleep(0.5)  # what a seal begins is over
            conf.write_text("seal: {rows: 65536, age: 1s}\nretention: {size: 1}\n")
            s.p.send_signal(signal.SIGHUP)
            s.wait(lambda: s.status()["store"]["records"] < 60, "retention", 20)  # by the clock it is once a minute
            assert s.stop() == 0


def a_users_elements_have_names_and_types():
    fields = [(8, 4), (12, 4), (1, 4), (2, 4), (50001, 2)]
    template = struct.pack(">HH", 256, len(fields)) + b"".join(struct.pack(">HH", *f) for f in fields)
    record = struct.pack(">IIIIh", 0x0A000001, 0x0A000002, 900, 9, 271) + b"\0\0"
    sets = struct.pack(">HH", 0, 4 + len(template)) + template + struct.pack(">HH", 256, 4 + len(record)) + record
    v9 = struct.pack(">HHIIII", 9, 2, 60000, int(time.time()), 1, 7) + sets
    words = ["--list", "--columns", "all", "--names", "ipfix", "-o", "ndjson", "ie(ROOMTEMPERATURE) 271"]
    with tempfile.TemporaryDirectory() as d:
        rows, conf = pathlib.Path(d) / "rows.csv", pathlib.Path(d) / "weir.yaml"
        conf.write_text(f"elements: {rows}\n")
        check = ["config", "check", "--config", conf]
        r = run(*check)
        assert r.returncode == 1 and f"elements: {rows}" in r.stderr, r.stderr
        rows.write_text("pen,id,name,type\n0,50001,roomTemperature,signed61\n")
        for refused, code in ((check, 1), (["serve", "--config", conf, "--data", d + "/data"], 2),
                              (["query", "--config", conf, "--data", d], 2)):
            r = run(*refused)
            assert r.returncode == code, (refused, r.returncode, r.stderr)
            assert f"elements: {rows}:2:25: type: signed61 is none; did you mean signed16" in r.stderr, r.stderr
        rows.write_text("pen,id,name,type\n0,50001,roomTemperature,signed16\n")
        assert run(*check).returncode == 0
        with Server(WEIR, "--elements", rows) as s:
            s.send([v9])
            s.wait(lambda: s.status()["records"]["flows"] == 1, "the record")
            asked = [s.run("query", "--elements", rows, *words).stdout]
            assert s.stop() == 0, s.text()
            asked.append(run("query", "--config", conf, "--data", s.data, *words).stdout)
            for text in asked:
                assert json.loads(text)["roomTemperature"] == 271, asked


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
        (["-v"], 0, "weir "),
        ([], 2, "usage: weir COMMAND"),
        (["qurey"], 2, "did you mean weir query?"),
        (["help", "statsu"], 2, "did you mean weir status?"),
        (["--data", "/x", "query"], 2, "the command comes first"),
        (["serve", "--lisen", "udp://1"], 2, "did you mean --listen?"),
        (["serve", "2055"], 2, "weir serve --listen 'udp://[::]:2055'"),
        (["help", "serve"], 0, "--ring.size"),
        (["query", "help"], 0, "--series"),
        (["query", "--data", "/nonexistent/weir"], 1, "weir import --data /nonexistent/weir FILE begin it"),
        (["serve", "--listen", "2055"], 2, "such as udp://[::]:2055"),
        (["serve", "--data", "/proc/weir/data", "--listen", "udp://127.0.0.1:0"], 1, "--data DIR names another place"),
        (["import", "--data", "/proc/weir", "/nonexistent.pcap"], 1, "/nonexistent.pcap"),
    ]:
        r = run(*words)
        assert r.returncode == code and text in r.stdout + r.stderr, (words, r.returncode, r.stdout, r.stderr)


def a_directory_of_somebody_else_is_explained():
    """As another user: who may read it, and how. Only root can become another user."""
    if os.geteuid() != 0:
        return
    with tempfile.TemporaryDirectory(prefix="weir-e2e-") as d:
        os.chmod(d, 0o755)
        weir, data = f"{d}/weir", f"{d}/data"
        shutil.copy(WEIR, weir)
        with Server(WEIR, folder=d) as s:
            os.chown(data, 0, grp.getgrnam("daemon").gr_gid)
            for words in (["status"], ["status", "--gaps"], ["query"], ["tail"], ["fsck"], ["snapshot", "/nonexistent/x"],
                          ["serve", "--listen", "udp://127.0.0.1:0"]):
                r = subprocess.run([weir, *words, "--data", data], capture_output=True, text=True, timeout=60, user="nobody",
                                   group="nogroup", extra_groups=[], cwd="/")
                assert r.returncode == 1 and "belongs to root" in r.stderr, (words, r.stdout, r.stderr)
                assert words[0] == "serve" or "sudo usermod -aG daemon $USER" in r.stderr, r.stderr
            s.send([v5(0, 7)])
            s.wait(lambda: s.status()["records"]["flows"] == 7, "seven records")
            for f in pathlib.Path(data).rglob("*"):
                os.chown(f, 0, grp.getgrnam("daemon").gr_gid)
            for server in (True, False):  # who is in the group may ask, with and without a server
                r = subprocess.run([weir, "query", "--data", data, "-o", "json", "--dedup", "off"], capture_output=True, text=True, timeout=60,
                                   user="nobody", group="nogroup", extra_groups=["daemon"], cwd="/")
                assert r.returncode == 0 and '"flows":7,' in r.stdout, (server, r.stdout, r.stderr)
                assert not server or s.stop() == 0
                for f in pathlib.Path(data).rglob("*"):
                    os.chown(f, 0, grp.getgrnam("daemon").gr_gid)
            r = run("status", "--data", data)
            assert f"weir serve --data {data} starts one" in r.stdout, r.stdout


for test in [v for k, v in list(globals().items()) if callable(v) and getattr(v, "__module__", "") == "__main__"
             and k != "run"]:
    test()
    print("ok", test.__name__)
