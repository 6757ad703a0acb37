#!/usr/bin/env python3
"""usage: test_snmp.py WEIR
Names, descriptions and counters of interfaces come from a real snmpd, by v2c and v3; what an exporter tells itself stands before
them; counters are held against the flows; a device that does not answer harms nothing."""
import json
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import Server  # noqa: E402

WEIR = str(pathlib.Path(sys.argv[1]).resolve())
V2, V3, DEAD, TELLS = "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"
OCTETS_A_SECOND = 1_000_000  # what the interface counts
# ifXTable as a program of snmpd's: 40 interfaces, so that it takes more than one request
AGENT = r'''
import sys, time
BASE = ".1.3.6.1.2.1.31.1.1.1"
def rows():
    t = time.time() - 1.7e9
    for i in range(1, 41):
        yield (1, i), ("string", "ge-0/0/%d" % i)
    for i in range(1, 41):
        yield (6, i), ("counter64", str(int((1 << 34) + t * OCTETS_A_SECOND)))
    for i in range(1, 41):
        yield (15, i), ("gauge", "10000")
    yield (18, 3), ("string", "uplink to the exchange")
def find(oid, following):
    want = tuple(int(x) for x in oid[len(BASE):].split(".") if x)
    for k, v in rows():
        if (k > want) if following else (k == want):
            return k, v
while True:
    line = sys.stdin.readline()
    if not line:
        break
    line = line.strip()
    if line == "PING":
        print("PONG", flush=True)
        continue
    oid = sys.stdin.readline().strip()
    hit = find(oid, line == "getnext") if oid.startswith(BASE) else None
    if hit is None:
        print("NONE", flush=True)
    else:
        k, (kind, value) = hit
        print("%s.%d.%d" % (BASE, *k))
        print(kind)
        print(value, flush=True)
'''.replace("OCTETS_A_SECOND", str(OCTETS_A_SECOND))


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.2", 0))
        return s.getsockname()[1]


def agent(tmp, port):
    """snmpd on three addresses, in the foreground, with files of its own."""
    (tmp / "agent.py").write_text(AGENT)
    (tmp / "snmpd.conf").write_text(
        f"agentaddress udp:{V2}:{port},udp:{V3}:{port},udp:{TELLS}:{port}\nsysName edge7.example.net\nrocommunity s3cret\n"
        f"createUser weir SHA authpass99 AES privpass99\nrouser weir priv\n"
        f"pass_persist .1.3.6.1.2.1.31.1.1.1 {sys.executable} -u {tmp}/agent.py\n")
    env = dict(os.environ, SNMP_PERSISTENT_DIR=str(tmp / "state"), SNMPCONFPATH=str(tmp), MIBS="")
    return subprocess.Popen(["snmpd", "-f", "-Lf", str(tmp / "snmpd.log"), "-C", "-c", str(tmp / "snmpd.conf"), "-I", "-smux"], env=env)


class Exporter:
    """IPFIX; packets of 982 octets, 1000 on the wire, come in at interface 3 and leave at 4."""

    FIELDS = [(8, 4), (12, 4), (10, 4), (14, 4), (1, 8), (2, 8), (34, 4), (152, 8), (153, 8)]

    def __init__(self, port, address):
        self.to, self.seq = ("127.0.0.1", port), 0
        self.s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.s.bind((address, 0))

    def send(self, number, content, n=0):
        body = struct.pack(">HH", number, 4 + len(content)) + content
        self.s.sendto(struct.pack(">HHIII", 10, 16 + len(body), int(time.time()), self.seq, 7) + body, self.to)
        self.seq += n

    def flows(self, packets, rate):
        self.send(2, struct.pack(">HH", 300, len(self.FIELDS)) + b"".join(struct.pack(">HH", *f) for f in self.FIELDS))
        ms = int(time.time() * 1000)
        self.send(300, struct.pack(">IIIIQQIQQ", 0x0A000001, 0x0A000002, 3, 4, packets * 982, packets, rate, ms, ms), 1)

    def tells(self, number, name):
        t = struct.pack(">HHH", 400, 2, 1) + struct.pack(">HHHH", 10, 4, 82, 16)
        self.send(3, t)
        self.send(400, struct.pack(">I16s", number, name), 1)


def send(right, wrong, halt):
    """One says the rate that is true, the other a tenth of it."""
    began, sent = time.monotonic(), 0
    while not halt.is_set():
        due = int((time.monotonic() - began) * OCTETS_A_SECOND / 1000 / 10)
        right.flows(due - sent, 10)
        wrong.flows(due - sent, 1)
        sent = due
        time.sleep(0.1)


def names(s, address):
    rows = json.loads(s.run("query", "-o", "json", "--by", "in if,out if", f"exporter {address}").stdout)["rows"]
    if not rows:  # not visible yet
        return None
    assert len(rows) == 1, rows
    return rows[0].get("in if_name"), rows[0].get("out if_name")


def refused(tmp):
    """Bad lines are named, and no secret is."""
    bad = tmp / "bad"
    for text, what in (("192.0.2.1 v2c\n", ":1: behind v2c"), ("# x\n\nrouter v2c public\n", ":3: the first word"), ("192.0.2.1 v1 public", "v2c or v3"),
                       ("192.0.2.1 v3 weir SHA short", "8 to 127"), ("192.0.2.1 v3 weir SHA longenough9 ROT13 hiddenword", "DES or AES"),
                       ("192.0.2.1 v2c hiddenword more", "too many words")):
        bad.write_text(text)
        r = subprocess.run([WEIR, "serve", "--data", tmp / "d", "--listen", "udp://127.0.0.1:0", "--http.listen", "off", "--snmp.secrets", bad],
                           capture_output=True, text=True, timeout=60)
        assert r.returncode != 0 and what in r.stderr and "hiddenword" not in r.stderr, (text, r.stderr)


def main():
    if not shutil.which("snmpd"):
        sys.exit("snmpd is missing: tools/deps.sh test installs it")
    with tempfile.TemporaryDirectory(prefix="weir-snmp-") as tmp:
        tmp = pathlib.Path(tmp)
        refused(tmp)
        port = free_port()
        secrets = tmp / "secrets"
        secrets.write_text(f"# who may be asked with what\n127.0.0.0/8 v2c s3cret\n{V3}/32 v3 weir SHA authpass99 AES privpass99\n")
        d = agent(tmp, port)
        s, halt = None, threading.Event()
        try:
            s = Server(WEIR, "--snmp.secrets", secrets, "--snmp.every", "1s", "--snmp.port", str(port))
            right, wrong, dead, tells = (Exporter(s.port, a) for a in (V2, V3, DEAD, TELLS))
            for e in (dead, tells):
                e.flows(1, 1)
            sending = threading.Thread(target=send, args=(right, wrong, halt))
            sending.start()
            tells.tells(3, b"own name")
            s.wait(lambda: names(s, V2) == ("ge-0/0/3", "ge-0/0/4"), "names by v2c", 30)
            s.wait(lambda: names(s, V3) == ("ge-0/0/3", "ge-0/0/4"), "names by v3", 30)
            s.wait(lambda: names(s, TELLS) == ("own name", "ge-0/0/4"), "what is missing to be filled", 30)
            assert names(s, DEAD) == (None, None)
            time.sleep(8)
            by = {x["address"]: x for x in json.loads(s.run("exporters", "-o", "json").stdout)["exporters"]}
            for a, ratio, verdict in ((V2, 1.0, "green"), (V3, 0.1, "red")):
                got = by[a]["figures"]["records_to_counters"]
                assert ratio / 1.4 < got < ratio * 1.4, (a, ratio, by[a])
                assert by[a]["name"] == "edge7.example.net", by[a]
                assert ("counters" in [f["cause"] for f in by[a]["findings"]]) == (verdict == "red"), by[a]
            assert "name" not in by[DEAD], by[DEAD]
            assert f"snmp: {DEAD} does not answer" in s.text(), s.text()
            assert "s3cret" not in s.text() and "authpass99" not in s.text()
            halt.set()
            sending.join()
            s.p.terminate()
            s.p.wait(30)
            assert names(s, V2) == ("ge-0/0/3", "ge-0/0/4"), "names outlive the server"
        finally:
            halt.set()
            if s:
                s.kill_all()
            d.terminate()
            d.wait()
    print("ok")


main()
