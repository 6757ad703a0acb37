#!/usr/bin/env python3
"""usage: test_forward.py WEIR
Received datagrams are sent on octet for octet, under the sender's address where that is permitted, each once."""
import ctypes
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import Server, v5  # noqa: E402

WEIR = os.path.abspath(sys.argv[1])
ROOT = os.geteuid() == 0
CAP_NET_RAW, PR_CAPBSET_DROP = 13, 24


class Heard(threading.Thread):
    """A collector that remembers what it gets."""

    def __init__(self, address="127.0.0.1"):
        super().__init__(daemon=True)
        self.s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        self.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self.s.bind((address, 0))
        self.port = self.s.getsockname()[1]
        self.got = []
        self.start()

    def run(self):
        while True:
            d, a = self.s.recvfrom(65536)
            self.got.append((d, a[:2]))


def no_raw():
    ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_NET_RAW, 0, 0, 0)


def sender(ip):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((ip, 0))
    return s


def every_datagram_goes_to_all_targets_as_it_came():
    a, b = Heard(), Heard()
    r = random.Random(3)
    sent = [v5(i * 3, 3) for i in range(200)] + [b"", b"x", bytes(9000), r.randbytes(60000)] + [v5(600, 30)]
    with Server(WEIR, "--shards", "2", "--forward", f"udp://127.0.0.1:{a.port}", "--forward", f"udp://127.0.0.1:{b.port}") as s:
        ports = {}
        for ip in ("127.0.0.5", "127.0.0.6"):
            q = sender(ip)
            ports[ip] = q.getsockname()[1]
            for d in sent:
                q.sendto(d, ("127.0.0.1", s.port))
                time.sleep(0.001)
        s.wait(lambda: len(a.got) >= 2 * len(sent) and len(b.got) >= 2 * len(sent), "everything to arrive")
        for x in (a, b):
            if ROOT:
                for ip, port in ports.items():
                    assert [d for d, src in x.got if src == (ip, port)] == sent, f"from {ip}"
            assert sorted(d for d, _ in x.got) == sorted(sent * 2)
        f = s.status()["forward"]
        assert f["dropped"] == 0 and len(f["targets"]) == 2, f
        for t in f["targets"]:
            assert t["datagrams"] == 2 * len(sent) and t["refused"] == 0 and t["octets"] == 2 * sum(map(len, sent)), f
            assert t["may_keep_source"] == ROOT and t["source_kept"] == (2 * len(sent) if ROOT else 0), f
        text = subprocess.run([WEIR, "status", "--data", s.data], capture_output=True, text=True).stdout
        assert f"forward    udp://127.0.0.1:{a.port}" in text and ("senders' addresses" in text) == ROOT, text
        s.wait(lambda: s.status()["datagrams"]["total"] == 2 * len(sent), "all of them decoded")


def without_the_right_it_goes_out_under_the_own_address():
    for options, before in ((("--forward_source", "own"), None), ((), no_raw if ROOT else None)):
        a = Heard()
        with Server(WEIR, "--forward", f"udp://127.0.0.1:{a.port}", *options, before=before) as s:
            q = sender("127.0.0.7")
            q.sendto(v5(0, 1), ("127.0.0.1", s.port))
            s.wait(lambda: a.got, "the datagram")
            assert a.got[0][0] and a.got[0][1][0] == "127.0.0.1" and a.got[0][1][1] != q.getsockname()[1], a.got
            assert s.status()["forward"]["targets"][0]["may_keep_source"] is False
    if ROOT:
        r = subprocess.run([WEIR, "serve", "--data", "/nonexistent/x", "--listen", "udp://127.0.0.1:0", "--http.listen", "off", "--forward", "udp://127.0.0.1:9",
                            "--forward_source", "keep"], capture_output=True, text=True, preexec_fn=no_raw, timeout=60)
        assert r.returncode != 0, r
        folder = pathlib.Path(os.environ.get("TMPDIR", "/tmp")) / f"weir-keep-{os.getpid()}"
        r = subprocess.run([WEIR, "serve", "--data", folder, "--listen", "udp://127.0.0.1:0", "--http.listen", "off", "--forward", "udp://127.0.0.1:9",
                            "--forward_source", "keep"], capture_output=True, text=True, preexec_fn=no_raw, timeout=60)
        shutil.rmtree(folder, ignore_errors=True)
        assert r.returncode != 0 and "CAP_NET_RAW" in r.stderr, r


def a_dead_target_holds_up_nobody():
    a = Heard()
    gone = Heard()
    port = gone.port
    probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    probe.bind(("127.0.0.1", 0))
    nobody = probe.getsockname()[1]
    probe.close()
    with Server(WEIR, "--forward_source", "own", "--forward", f"udp://127.0.0.1:{nobody},udp://127.0.0.1:{a.port}") as s:
        sent = [v5(i, 1) for i in range(500)]
        s.send(sent)
        s.wait(lambda: len(a.got) == 500, "all of them at the living one")
        assert [d for d, _ in a.got] == sent
        assert port != nobody


def own_listeners_and_nonsense_are_refused():
    tmp = pathlib.Path(os.environ.get("TMPDIR", "/tmp")) / f"weir-forward-{os.getpid()}"
    for listen, forward, says in (("udp://127.0.0.1:29571", "udp://127.0.0.1:29571", "come back"), ("udp://0.0.0.0:29571", "udp://127.0.0.3:29571", "come back"),
                                  ("udp://[::]:29571", "udp://127.0.0.1:29571", "come back"), ("udp://[::]:29571", "udp://[::1]:29571", "come back"),
                                  ("udp://127.0.0.1:0", "udp://127.0.0.1:0", "port 0"), ("udp://127.0.0.1:0", "tcp://127.0.0.1:9", "udp://"),
                                  ("udp://127.0.0.1:0", ",".join(f"udp://127.0.0.1:{n}" for n in range(100, 117)), "at most 16")):
        r = subprocess.run([WEIR, "serve", "--data", tmp, "--listen", listen, "--forward", forward, "--http.listen", "off"], capture_output=True, text=True,
                           timeout=60)
        assert r.returncode == 2 and says in r.stderr, (listen, forward, r)
    shutil.rmtree(tmp, ignore_errors=True)


def a_death_sends_nothing_twice():
    a = Heard()
    with Server(WEIR, "--forward", f"udp://127.0.0.1:{a.port}") as s:
        first = [v5(i, 1) for i in range(300)]
        s.send(first)
        s.wait(lambda: len(a.got) == 300, "the first ones")
        s.kill_data() if hasattr(s, "kill_data") else os.kill(s.status()["pid"], signal.SIGKILL)
        time.sleep(0.3)
        second = [v5(300 + i, 1) for i in range(300)]
        s.send(second)
        s.wait(lambda: s.answers() and s.status()["datagrams"]["total"] == 600, "the successor", 60)
        s.wait(lambda: len(a.got) >= 600, "the others")
        time.sleep(0.5)
        assert [d for d, _ in a.got] == first + second, len(a.got)


def large_ones_go_in_fragments():
    """Where a packet of 1500 octets is the longest, in a network namespace of its own."""
    if not ROOT:
        return
    if os.environ.get("WEIR_FORWARD_INNER") is None:
        r = subprocess.run(["unshare", "-n", "sh", "-c", "ip link set lo mtu 1500 up && exec \"$@\"", "sh", sys.executable, __file__, WEIR],
                           env=dict(os.environ, WEIR_FORWARD_INNER="1"), capture_output=True, text=True, timeout=120)
        assert r.returncode == 0, r
        return
    a = Heard()
    r = random.Random(5)
    sent = [r.randbytes(n) for n in (100, 1471, 1472, 1473, 1474, 2952, 2953, 8000, 40000, 65000)]
    with Server(WEIR, "--forward", f"udp://127.0.0.1:{a.port}") as s:
        q = sender("127.0.0.9")
        for d in sent:
            q.sendto(d, ("127.0.0.1", s.port))
            time.sleep(0.02)
        s.wait(lambda: len(a.got) == len(sent), "all sizes")
        assert [d for d, _ in a.got] == sent and {x[0] for _, x in a.got} == {"127.0.0.9"}, [len(d) for d, _ in a.got]
        assert s.status()["forward"]["targets"][0]["source_kept"] == len(sent)


TESTS = [every_datagram_goes_to_all_targets_as_it_came, without_the_right_it_goes_out_under_the_own_address, a_dead_target_holds_up_nobody,
         own_listeners_and_nonsense_are_refused, a_death_sends_nothing_twice, large_ones_go_in_fragments]
if os.environ.get("WEIR_FORWARD_INNER"):
    TESTS = [large_ones_go_in_fragments]
for test in TESTS:
    test()
print(f"{len(TESTS)} passed, 0 failed")
