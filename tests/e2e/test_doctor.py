#!/usr/bin/env python3
"""usage: test_doctor.py WEIR
Each check of weir doctor, on a /proc and /sys made for it, on made-up firewalls, and beside a real server."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import Server  # noqa: E402

WEIR = sys.argv[1]
UDP = ("   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n"
       "  101: 00000000:%04X 00000000:0000 07 00000000:00000000 00:00000000 00000000   105        0 %d 2 0000000000000000 %d\n")


class Machine:
    """A folder with what doctor reads of /proc and /sys, and programs that stand in for nft and iptables-save."""

    def __init__(self, folder):
        self.root = pathlib.Path(folder) / "root"
        self.bin = pathlib.Path(folder) / "bin"
        self.data = pathlib.Path(folder) / "data"
        self.data.mkdir(mode=0o750)
        self.bin.mkdir()
        self.put("proc/sys/net/core/rmem_max", "33554432\n")
        self.put("proc/meminfo", "MemTotal:       16000000 kB\nMemFree:  1 kB\n")
        self.put("proc/net/udp", UDP.splitlines()[0] + "\n")
        self.put("proc/net/softnet_stat", "0000a000 00000000 00000000\n")
        self.card("eth0")
        self.program("nft", "")
        self.program("iptables-save", "")

    def put(self, path, text):
        p = self.root / path
        p.parent.mkdir(parents=True, exist_ok=True)
        p.write_text(text)

    def card(self, name, queues=1, rps="00", missed=0):
        self.put(f"sys/class/net/{name}/device/x", "")
        for i in range(queues):
            self.put(f"sys/class/net/{name}/queues/rx-{i}/rps_cpus", rps + "\n")
        self.put(f"sys/class/net/{name}/statistics/rx_missed_errors", f"{missed}\n")

    def program(self, name, text):
        (self.bin / name).write_text(f"#!/bin/sh\ncat <<'E'\n{text}\nE\n")
        (self.bin / name).chmod(0o755)

    def socket(self, port, inode, drops, pid=None, comm=None):
        self.put("proc/net/udp", UDP % (port, inode, drops))
        if pid:
            self.put(f"proc/{pid}/comm", comm + "\n")
            fd = self.root / f"proc/{pid}/fd"
            fd.mkdir(exist_ok=True)
            (fd / "7").symlink_to(f"socket:[{inode}]")

    def ask(self, *options, code=0, table=False):
        r = subprocess.run([WEIR, "doctor", "--root", self.root, "--data", self.data, *options, *([] if table else ["-o", "json"])],
                           capture_output=True, text=True, timeout=120, env=dict(os.environ, PATH=f"{self.bin}:{os.environ['PATH']}"))
        assert r.returncode == code, (options, r.returncode, r.stdout, r.stderr)
        return r.stdout if table else Answer(json.loads(r.stdout))


class Answer(dict):
    def __call__(self, check, state, found="", change=""):
        """The one finding of a check has this state and these words."""
        all_of = [c for c in self["checks"] if c["check"] == check]
        good = [c for c in all_of if c["state"] == state and found in c["found"] and change in c.get("change", "")]
        assert good, (check, state, found, change, all_of)


def on(test):
    with tempfile.TemporaryDirectory(prefix="weir-doctor-") as d:
        test(Machine(d))


def a_good_machine(m):
    a = m.ask("--retention.free", "1M")
    for check in ("configuration", "data directory", "free space", "journal", "receive buffer", "port", "memory", "network card"):
        a(check, "ok")
    assert a["bad"] == 0, a
    assert a["look"] == sum(c["state"] == "look" for c in a["checks"]), a
    assert not list(m.data.iterdir())  # what was written to measure the disk is gone
    assert any(c["check"] == "disk speed" and "/s written" in c["found"] for c in a["checks"]), a
    text = m.ask("--retention.free", "1M", table=True)
    assert "ok    receive buffer  33.6 MB a socket" in text, text


def buffers(m):
    m.put("proc/sys/net/core/rmem_max", "212992\n")
    m.ask()("receive buffer", "look", "213 kB allowed", "net.core.rmem_max=33554432")
    m.ask("--receive_buffer", "100K")("receive buffer", "ok")


def ports(m):
    m.socket(2055, 4711, 0, 77, "nfcapd")
    a = m.ask(code=1)
    a("port", "bad", "UDP 2055 is taken by nfcapd, process 77", "sport = :2055")
    a("port", "ok", "UDP 4739 is free")
    for pid in (1, 500):  # systemd keeps the sockets of a service too, whatever comes first
        m.socket(2055, 4711, 0, pid, "systemd")
        m.socket(2055, 4711, 0, 78, "weir") if pid == 1 else None
        m.put("proc/77/comm", "bash\n")
        m.ask(code=1)("port", "bad", "UDP 2055 is taken by weir, process 78")
    m.ask("--listen", "udp://127.0.0.1:9")("port", "ok", "UDP 9 is free")


def firewall(m):
    two = "--listen", "udp://[::]:2055,udp://[::]:4739"
    m.program("nft", "table inet filter {\n\tchain input {\n\t\ttype filter hook input priority filter; policy drop;\n"
                     "\t\tudp dport 4739 accept\n\t}\n}")
    a = m.ask(*two)
    a("firewall", "look", "nftables drops what no rule lets in, and none names UDP 2055",
      "nft insert rule inet filter input udp dport 2055 accept")
    assert sum(c["check"] == "firewall" for c in a["checks"]) == 1, a
    m.program("nft", "table inet filter {\n\tchain input {\n\t\ttype filter hook input priority filter; policy drop;\n"
                     "\t\tudp dport { 2055, 4739 } accept\n\t}\n}")
    m.ask(*two)("firewall", "ok", "rules name the ports")
    m.program("nft", "")
    m.program("iptables-save", "*filter\n:INPUT DROP [0:0]\n-A INPUT -p udp -m udp --dport 12055 -j ACCEPT\nCOMMIT")
    m.ask(*two)("firewall", "look", "iptables", "iptables -I INPUT -p udp --dport 2055 -j ACCEPT")


def cards(m):
    m.card("eth1", missed=9)
    m.put("sys/class/net/lo/statistics/rx_missed_errors", "5\n")  # no device: not looked at
    m.put("proc/net/softnet_stat", "0000a000 00000000 0\n0000a000 0000001f 0\n")
    a = m.ask("--shards", "2")
    a("network card", "look", "eth1 lost 9 packets", "ethtool -G eth1")
    a("network card", "look", "eth0 has one queue", "/sys/class/net/eth0/queues/rx-0/rps_cpus")
    a("backlog", "look", "31 packets", "netdev_max_backlog")
    assert not any(" lo " in c["found"] or c["found"].startswith("lo") for c in a["checks"]), a
    m.card("eth0", rps="03")
    m.ask("--shards", "2")("network card", "ok", "eth0")


def memory(m):
    m.put("proc/meminfo", "MemTotal:       500000 kB\n")
    m.ask(code=1)("memory", "bad", "the machine has 512 MB", "ring.size")
    m.put("proc/meminfo", "MemTotal:       2100000 kB\n")
    m.ask()("memory", "look")
    (m.root / "proc/meminfo").unlink()
    m.ask()("memory", "look", "cannot be read")


def directory_and_journal(m):
    m.data.chmod(0o755)
    m.ask()("data directory", "look", "open to everybody", "chmod o=")
    m.data.chmod(0o050)
    m.ask(code=1)("data directory", "bad", "may not use it", "chmod 0750")
    m.data.chmod(0o750)
    m.ask("--user", "nobody", code=1)("data directory", "bad", "the server becomes nobody", "chown -R nobody:")
    m.ask("--journal.mode", "off")("journal", "look", "a crash loses", "journal.mode: async")
    m.ask("--journal.size", "16384G")("journal", "look", "may grow to", "journal.size: ")
    m.data.rmdir()
    a = m.ask()
    a("data directory", "look", "No such file", "weir serve --data")
    assert not any(c["check"] == "disk speed" for c in a["checks"]), a


def space(m):
    m.ask()("free space", "look", "nothing is ever deleted", "retention.free: 20G")
    m.ask("--retention.size", "1000P")("free space", "look", "full before", "retention.size: ")
    m.ask("--retention.age", "1d")("free space", "ok")


def files_and_processors(m):
    m.ask("--shards", "64", "--ring.size", "1M", "--decoder.max_waiting_total", "1M",
          "--receive_buffer", "64K")("processors", "look", "64 shards", "set shards: ")
    r = subprocess.run(["sh", "-c", f"ulimit -n 200; exec '{WEIR}' doctor --data '{m.data}' --root '{m.root}' -o json"],
                       capture_output=True, text=True, timeout=120)
    assert r.returncode == 1, r.stdout
    Answer(json.loads(r.stdout))("open files", "bad", "200 allowed", "65536")


def a_wrong_configuration(m):
    conf = m.root / "weir.yaml"
    conf.write_text("sards: 3\n")
    m.ask("--config", conf, code=1)("configuration", "bad", "did you mean shards?", "weir config check")


def beside_a_server(m):
    with Server(WEIR, "--receive_buffer", "64K") as s:
        r = subprocess.run([WEIR, "doctor", "--data", s.data, "--listen", f"udp://127.0.0.1:{s.port}", "--receive_buffer", "64K",
                            "-o", "json"], capture_output=True, text=True, timeout=120)
        a = Answer(json.loads(r.stdout))
        a("server", "ok", "answers at")
        a("receive buffer", "ok")
        a("port", "ok", f"UDP {s.port}: ")
        a("open files", "ok")
        r = subprocess.run([WEIR, "doctor", "--data", s.data, "--listen", "udp://127.0.0.1:9", "-o", "json", "--receive_buffer", "1G"],
                           capture_output=True, text=True, timeout=120)
        assert r.returncode == 1, r.stdout
        a = Answer(json.loads(r.stdout))
        a("port", "bad", "UDP 9: the server does not listen there")
        a("receive buffer", "look", "the server got")
        assert s.stop() == 0


for test in (a_good_machine, buffers, ports, firewall, cards, memory, directory_and_journal, space, files_and_processors,
             a_wrong_configuration, beside_a_server):
    on(test)
    print("ok", test.__name__, flush=True)
