#!/usr/bin/env python3
"""NetFlow v1 with Cisco's records of 52 octets, of which there is no capture: what nfcapd stores of the same
records in 48 octets (tshark and nfcapd know no others), Weir stores of them in 52 and in 48.

usage: v1.py WEIR
"""
import json
import pathlib
import random
import socket
import struct
import subprocess
import sys
import tempfile
import time

FIELDS = {"%sa": "src ip", "%da": "dst ip", "%nh": "next ip", "%in": "in if", "%out": "out if", "%pkt": "packets", "%byt": "bytes", "%sp": "src port",
          "%dp": "dst port", "%pr": "proto", "%tos": "tos", "%flg": "flags"}
UPTIME, WHEN = 7200_000, 1700000000


def record(r):
    octets = r.randbytes(12) + struct.pack(">HHIIII", r.randrange(1 << 16), r.randrange(1 << 16), r.randrange(1, 1 << 30), r.randrange(1, 1 << 30),
                                           UPTIME - 9000, UPTIME - r.randrange(9000))
    proto = r.choice([6, 17])
    flags = r.randrange(64) if proto == 6 else 0  # nfdump shows them of TCP only
    return octets + struct.pack(">HHHBBB", r.randrange(1 << 16), r.randrange(1 << 16), 0, proto, r.randrange(256), flags) + bytes(7)


def capture(path, datagrams):
    with open(path, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 101))
        for n, d in enumerate(datagrams):
            udp = struct.pack(">HHHH", 2055, 2055, 8 + len(d), 0) + d
            ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0, bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2])) + udp
            f.write(struct.pack("<IIII", WHEN + n, 0, len(ip), len(ip)) + ip)


def nfcapd(tmp, datagrams):
    """The records that nfcapd stored of these."""
    (tmp / "nf").mkdir()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with subprocess.Popen(["nfcapd", "-w", tmp / "nf", "-b", "127.0.0.1", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as p:
        listens = lambda: any(line.split()[1] == "0100007F:%04X" % port for line in open("/proc/net/udp", encoding="ascii").readlines()[1:])
        for _ in range(100):
            if listens():
                break
            time.sleep(0.1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            for d in datagrams:
                s.sendto(d, ("127.0.0.1", port))
        time.sleep(1)
        p.terminate()
    files = [f for f in (tmp / "nf").iterdir() if f.name.startswith("nfcapd.2")]
    out = "".join(subprocess.run(["nfdump", "-q", "-r", f, "-N", "-o", "fmt:" + "|".join(FIELDS)], check=True, capture_output=True, text=True).stdout
                  for f in files)
    return [tuple(c.strip() for c in line.split("|")) for line in out.splitlines() if line.count("|") == len(FIELDS) - 1]


LETTERS = {c: 1 << i for i, c in enumerate("FSRPAUEC")}


def plain(name, v):
    if name == "flags" and isinstance(v, str) and not v.startswith("0x"):
        return str(sum(LETTERS.get(c, 0) for c in v))
    if name == "proto":
        return {"TCP": "6", "UDP": "17", "tcp": "6", "udp": "17"}.get(str(v), str(v))
    return str(v) if "." in str(v) else str(int(str(v), 0))


def weir(tmp, name, datagrams):
    capture(tmp / name, datagrams)
    subprocess.run([sys.argv[1], "import", "--data", tmp / ("d" + name), tmp / name], check=True, capture_output=True)
    out = subprocess.run([sys.argv[1], "query", "--data", tmp / ("d" + name), "--list", "--columns", ",".join(FIELDS.values()), "-o", "ndjson", "--limit", "0"],
                         check=True, capture_output=True, text=True).stdout
    return sorted(tuple(plain(k, row[k]) for k in FIELDS.values()) for row in map(json.loads, out.splitlines()))


def main():
    r, counts = random.Random(1), [1, 24, 7, 23]
    records = [[record(r) for _ in range(n)] for n in counts]
    short, long = ([struct.pack(">HHIII", 1, len(some), UPTIME, WHEN, 0) + b"".join(x + bytes(pad) for x in some) for some in records] for pad in (0, 4))
    with tempfile.TemporaryDirectory(prefix="weir-v1-") as tmp:
        tmp = pathlib.Path(tmp)
        theirs = nfcapd(tmp, short)
        ours = weir(tmp, "48", short), weir(tmp, "52", long)
    theirs = sorted(tuple(plain(k, v) for k, v in zip(FIELDS.values(), row)) for row in theirs)
    print("%d records by nfcapd, %d and %d by Weir" % (len(theirs), *map(len, ours)))
    for x in ours:
        if len(theirs) != sum(counts) or x != theirs:
            print("FAIL", *[(a, b) for a, b in zip(theirs, x) if a != b][:3], sep="\n")
            sys.exit(1)


main()
