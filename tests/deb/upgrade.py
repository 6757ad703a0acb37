#!/usr/bin/env python3
"""usage: upgrade.py WEIR ROOT DEB
In the Debian under ROOT: upgrade the package to DEB while its server receives, restart it as the unit and systemd
would, and find every record that was sent, once. WEIR is any build of it here (it tells how fast to send)."""
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(sys.argv[2])
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from manager import Manager  # noqa: E402
from sender import Sender  # noqa: E402


def chroot(*words, code=0):
    r = subprocess.run(["chroot", ROOT, *words], capture_output=True, text=True, timeout=600,
                       env=dict(os.environ, DEBIAN_FRONTEND="noninteractive", LC_ALL="C"))
    assert r.returncode == code, (words, r.stdout, r.stderr)
    return r.stdout


def wait(true, what):
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end, f"waited for {what}"
        time.sleep(0.05)


def status():
    return json.loads(chroot("weir", "status", "-o", "json"))


def main():
    probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
    probe.close()
    conf = ROOT / "etc/weir/weir.yaml"
    text = conf.read_text() + f"listen: udp://127.0.0.1:{port}\nhttp: {{listen: 'off'}}\nring: {{size: 64M}}\n"
    conf.write_text(text)
    run = ROOT / "run/notify"
    run.mkdir()
    run.chmod(0o777)
    m = Manager(run)
    os.chmod(m.path, 0o777)
    m.path = "/run/notify/notify"  # as it is called inside
    log = open(ROOT / "run/notify/log", "ab")
    exe = ROOT / "usr/bin/weir"
    unit = (ROOT / "usr/lib/systemd/system/weir.service").read_text()
    start = re.search(r"^ExecStart=(.*)$", unit, re.M).group(1).split()

    def begin():
        ready = m.said.count("READY=1")
        p = m.start(["chroot", "--userspec=weir:weir", ROOT, *start], dict(os.environ), stdout=log, stderr=log)
        wait(lambda: m.said.count("READY=1") > ready or p.poll() is not None, "READY=1")
        assert p.poll() is None, (ROOT / "run/notify/log").read_text()
        return p

    p = begin()
    x = Sender(port, 50000)
    x.template(256)
    x.start()
    time.sleep(1)
    before = os.stat(f"/proc/{p.pid}/exe").st_ino
    chroot("apt-get", "-qq", "-y", "-o", "Dpkg::Options::=--force-confold", "install", "--no-install-recommends", sys.argv[3])
    assert p.poll() is None and os.stat(f"/proc/{p.pid}/exe").st_ino == before != exe.stat().st_ino
    assert conf.read_text() == text
    p.send_signal(signal.SIGTERM)  # systemctl restart
    assert p.wait(timeout=60) == 0
    p = begin()
    assert os.stat(f"/proc/{p.pid}/exe").st_ino == exe.stat().st_ino
    time.sleep(0.5)
    x.stop()
    wait(lambda: status()["records"]["flows"] >= x.records, f"{x.records} records")
    s = status()
    d = s["datagrams"]
    assert s["records"]["flows"] == x.records and d["kernel_dropped"] == d["ring_dropped"] == d["lost_in_crash"] == 0, (x.records, s)
    assert sum(e["lost"] for e in s["exporters"]) == 0, s["exporters"]
    p.send_signal(signal.SIGTERM)
    assert p.wait(timeout=60) == 0
    totals = json.loads(chroot("weir", "query", "-o", "json", "--dedup", "off"))["totals"]
    assert totals["flows"] == x.records and totals["bytes"] == x.octets, (totals, x.records)
    print(f"{x.records} records sent, none lost")
    for f in run.iterdir():
        f.unlink()
    run.rmdir()


main()
