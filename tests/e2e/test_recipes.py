#!/usr/bin/env python3
"""weir exporters config: every recipe has the user's values and nothing unfilled; those of programs that are at hand are tried."""
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

from harness import Server

WEIR = str(pathlib.Path(sys.argv[1]).resolve())


def config(*words, code=0):
    r = subprocess.run([WEIR, "exporters", "config", *words], capture_output=True, text=True)
    assert r.returncode == code, (words, r.returncode, r.stdout, r.stderr)
    return r.stdout if code == 0 else r.stderr


def typed(text):
    """The lines to type, those of the first part only."""
    lines = text.split("\n# If weir exporters")[0].splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def every_recipe_is_filled():
    vendors = [line.split()[0] for line in config().splitlines() if "port " in line and not line.startswith("weir ")]
    want = {"cisco-ios", "cisco-fnf", "cisco-iosxr", "cisco-nxos", "cisco-asa", "juniper-mx", "juniper-srx", "huawei", "mikrotik", "fortinet",
            "paloalto", "vmware", "softflowd", "pmacctd", "openvswitch", "hsflowd"}
    assert want <= set(vendors), want - set(vendors)
    for v in vendors:
        for source in ([], ["--source", "Loopback7"]):
            if source and "--source" not in config(v, "--collector", "203.0.113.9"):
                assert "names none" in config(v, "--collector", "203.0.113.9", *source, code=2)
                continue
            text = config(v, "--collector", "203.0.113.9", "--port", "9995", *source)
            assert "203.0.113.9" in "\n".join(typed(text)), (v, text)
            assert "9995" in "\n".join(typed(text)), (v, text)
            assert not re.search(r"\{\w+\}", text), (v, text)
            assert ("Loopback7" in text) == bool(source), (v, text)


def wrong_words_are_named():
    assert "did you mean softflowd" in config("softflwd", "--collector", "192.0.2.1", code=2)
    assert "did you mean cisco-" in config("cisco", "--collector", "192.0.2.1", code=2)
    assert "--collector 192.0.2.10" in config("huawei", code=2)
    assert "no address" in config("huawei", "--collector", "weir.example.net", code=2)
    for port in ("0", "65536", "x", "-1", "123456789012"):
        assert "is no port" in config("huawei", "--collector", "192.0.2.1", "--port=" + port, code=2)
    assert "one vendor" in config("huawei", "mikrotik", code=2)


def address_of_version_6_in_brackets():
    assert "-n [2001:db8::1]:2055" in config("softflowd", "--collector", "2001:db8::1")


def softflowd_does_what_it_says(tmp):
    """The line as it stands, on a capture instead of an interface."""
    s = Server(WEIR)
    try:
        pcap = tmp / "x.pcap"
        import struct
        with open(pcap, "wb") as f:
            f.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 101))
            for i in range(300):
                udp = struct.pack(">HHHH", 1024 + i % 30, 53, 8 + 40, 0) + bytes(40)
                ip = struct.pack(">BBHHHBBHII", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, 0x0A000001, 0x0A000002) + udp
                f.write(struct.pack("<IIII", 1700000000 + i // 100, 0, len(ip), len(ip)) + ip)
        line, = typed(config("softflowd", "--collector", "127.0.0.1", "--port", str(s.port), "--source", "eth9"))
        words = shlex.split(line)
        at = words.index("-i")
        assert words[at + 1] == "eth9"
        words[at:at + 2] = ["-d", "-r", str(pcap)]
        subprocess.run(words, check=True, capture_output=True, timeout=60)
        s.wait(lambda: s.totals()["packets"] == 300, "what softflowd saw")
        assert s.totals()["flows"] == 30
    finally:
        s.kill_all()


def main():
    every_recipe_is_filled()
    wrong_words_are_named()
    address_of_version_6_in_brackets()
    with tempfile.TemporaryDirectory(prefix="weir-recipes-") as tmp:
        softflowd_does_what_it_says(pathlib.Path(tmp))
    print("ok")


main()
