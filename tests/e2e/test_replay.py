#!/usr/bin/env python3
"""weir replay beside other collectors: what it sends comes back the same from Weir itself, and ipfixDump, nfcapd with
nfdump, and tshark read the same records out of it.

usage: test_replay.py WEIR FLOWGEN
"""
import calendar
import collections
import ipaddress
import json
import os
import pathlib
import re
import signal
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

from checks import WEIR, check, count, weir

FLOWGEN = os.path.abspath(sys.argv[2])
DATA = pathlib.Path(__file__).resolve().parent.parent / "data/exporters"
UPTIME = {"flowStartSysUpTime": "flowStartMilliseconds", "flowEndSysUpTime": "flowEndMilliseconds"}


def rows(folder, columns="all", names="ipfix", *more):
    out = weir("query", "--data", folder, "--list", "--columns", columns, "--names", names, "-o", "ndjson", "--limit", 0, *more)
    return [json.loads(line) for line in out.splitlines()]


def same(what, want, got):
    a, b = collections.Counter(want), collections.Counter(got)
    for r in list(a - b)[:2]:
        print("  wanted:", r)
    for r in list(b - a)[:2]:
        print("  got:   ", r)
    return check(a == b, f"{what}: of {sum(a.values())} records {sum((a - b).values())} are not there, {sum((b - a).values())} are others")


def need(*programs):
    for p in programs:
        if shutil.which(p) is None:
            return check(False, f"{p} is not installed: make deps")
    return True


def text(r, without=()):
    return json.dumps({k: v for k, v in r.items() if k not in without}, sort_keys=True)


# v9's numbers of vendors become enterprise elements; what is of no length says nothing
def vendor(r):
    return {k: v for k, v in r.items() if not re.match(r"(\d+/)?\d+$", k) and k.split("/")[-1] not in VENDOR}


VENDOR = set()


def vendor_names():
    for line in (DATA.parent.parent.parent / "data/elements.csv").read_text(encoding="utf-8").splitlines():
        pen, number, name = line.split(",")[:3]
        if (pen == "0" and number.isdigit() and int(number) >= 32768) or pen in ("9", "35632"):
            VENDOR.add(name)


def corpus(tmp):
    """Every capture of the corpus in one directory."""
    for f in sorted(DATA.rglob("*.pcap")):
        weir("import", "--data", tmp / "all", f, code=None)
    return tmp / "all"


def test_corpus(tmp):
    data = corpus(tmp)
    flows, options = rows(data), rows(data, "all", "ipfix", "--kind", "option")
    said = weir("replay", "--data", data, "--target", tmp / "all.ipfix")
    check(f"{len(flows) + len(options)} records in" in said and len(flows) > 5000 and len(options) > 200, said)
    weir("import", "--data", tmp / "again", tmp / "all.ipfix")
    drop = set(UPTIME) | set(UPTIME.values())
    again = rows(tmp / "again")
    same("IPFIX and back", [text(vendor(r), drop) for r in flows], [text(vendor(r), drop) for r in again])
    said = weir("replay", "--data", data, "--as", "v9", "--target", tmp / "nine.pcap", "exporter 192.0.2.1 and version 9")
    check("option records" in said, said)
    weir("import", "--data", tmp / "nine", tmp / "nine.pcap")
    nine = rows(data, "all", "ipfix", "version 9")
    check(len(nine) > 300, f"{len(nine)} records of v9")
    same("v9 and back", map(text, nine), map(text, rows(tmp / "nine")))
    said = weir("replay", "--data", data, "--as", "v5", "--target", tmp / "five.pcap", "version 5")
    weir("import", "--data", tmp / "five", tmp / "five.pcap")
    same("v5 and back", [text({k: v for k, v in r.items() if not k.startswith("padding")}) for r in rows(data, "all", "ipfix", "version 5")],
         [text({k: v for k, v in r.items() if not k.startswith("padding")}) for r in rows(tmp / "five")])
    if need("ipfixDump"):
        ipfix_dump(tmp / "all.ipfix", flows + options)


def ipfix_dump(file, ours):
    out = subprocess.run(["ipfixDump", "--in", str(file)], capture_output=True, text=True, errors="replace", timeout=120)
    stats = re.search(r"File Stats: (\d+) Messages, (\d+) Data Records", out.stdout)
    check(stats is not None and int(stats.group(2)) == len(ours), f"ipfixDump: {stats and stats.group(0)}, {len(ours)} were sent")
    check("out of sequence" not in out.stderr + out.stdout and "Missing external template" not in out.stderr + out.stdout
          and "Ignoring template" not in out.stderr + out.stdout, "ipfixDump complains: " + out.stderr[:300])
    names = ("sourceIPv4Address", "destinationIPv4Address", "sourceIPv6Address", "octetDeltaCount", "packetDeltaCount",
             "sourceTransportPort", "destinationTransportPort", "protocolIdentifier", "ingressInterface", "bgpSourceAsNumber")
    theirs, now = [], None
    for line in out.stdout.splitlines():
        m = re.match(r"\s*\((?:\d+/)?(\d+)\)\s+(\w+) : (.*)$", line)
        if line.startswith("--- data record") or line.startswith("--- Data Record") or "Data Record" in line and line.startswith("---"):
            now = {}
            theirs.append(now)
        elif m and now is not None and m.group(2) in names:
            value = m.group(3).strip()
            now.setdefault(m.group(2), str(ipaddress.ip_address(value)) if "Address" in m.group(2) else value)
    want = [text({k: str(v[0] if isinstance(v, list) else v) for k, v in r.items() if k in names}) for r in ours]
    same("ipfixDump", want, map(text, theirs))


# ------------------------------------------------------------------------------- generated, whole records

KEYS = ("src ip", "dst ip", "src port", "dst port", "proto", "packets", "bytes", "flags", "tos", "in if", "out if", "src mask", "dst mask", "start")


def generated(tmp):
    subprocess.run([FLOWGEN, "-n", "6000", "-F", "v4", "-9", tmp / "g9.pcap"], check=True, capture_output=True,
                   env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"))  # it leaves its buffers to the end of the process
    weir("import", "--data", tmp / "g", tmp / "g9.pcap")
    return rows(tmp / "g", ",".join(KEYS) + ",end,src as,dst as", "weir")


def ms(t):
    base, _, rest = t.replace("T", " ").rstrip("Z").partition(".")
    return calendar.timegm(time.strptime(base, "%Y-%m-%d %H:%M:%S")) * 1000 + int((rest + "000")[:3])


class Nfcapd:
    def __init__(self, folder):
        folder.mkdir()
        self.folder = folder
        probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        probe.bind(("127.0.0.1", 0))
        self.port = probe.getsockname()[1]
        probe.close()
        self.p = subprocess.Popen(["nfcapd", "-l", str(folder), "-p", str(self.port), "-b", "127.0.0.1", "-t", "3600", "-B", "8000000"],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while f"{self.port:04X}" not in pathlib.Path("/proc/net/udp").read_text() and time.monotonic() < deadline:
            time.sleep(0.05)

    def records(self):
        time.sleep(0.5)
        self.p.send_signal(signal.SIGTERM)
        self.p.wait(30)
        out = []
        for f in sorted(self.folder.iterdir()):
            r = subprocess.run(["nfdump", "-r", str(f), "-o", "json", "-q"], capture_output=True, text=True, env=dict(os.environ, TZ="UTC"))
            t = r.stdout.strip().strip("[]").rstrip().rstrip(",")
            out += json.loads("[" + t + "]") if t else []
        return out


def test_nfcapd(tmp, ours):
    if not need("nfcapd", "nfdump"):
        return
    full = weir("query", "--data", tmp / "g", "--list", "--columns", "start,end,src ip,dst ip,bytes", "-o", "ndjson", "--limit", 1)
    check('"end"' in full, full)
    for kind in ("v5", "v9", "ipfix"):
        c = Nfcapd(tmp / f"nf-{kind}")
        try:
            said = weir("replay", "--data", tmp / "g", "--as", kind, "--speed", "20000/s", "--target", f"udp://127.0.0.1:{c.port}")
            check("6000 records in" in said or (kind == "v5" and "not IPv4" in said), said)
        finally:
            theirs = c.records()
        want = collections.Counter()
        for r in ours:
            a, b = r["src as"] or 0, r["dst as"] or 0
            if kind == "v5":
                a, b = (23456 if x > 65535 else x for x in (a, b))
            icmp = r["proto"] in (1, 58)
            if kind == "v5" and ":" in r["src ip"]:
                continue
            want[(r["src ip"], r["dst ip"] or "::", None if icmp else r["src port"], None if icmp else r["dst port"], r["proto"], r["packets"], r["bytes"],
                  r["tos"], r["in if"], r["out if"], a, b, ms(r["start"]), ms(r["end"]))] += 1
        got = collections.Counter()
        for x in theirs:
            proto = x["proto"]
            icmp = proto in (1, 58)
            got[(x.get("src4_addr") or x["src6_addr"], x.get("dst4_addr") or x["dst6_addr"], None if icmp else x["src_port"], None if icmp else x["dst_port"], proto, x["in_packets"], x["in_bytes"],
                 x["src_tos"], x["input_snmp"], x["output_snmp"], x.get("src_as", 0), x.get("dst_as", 0),
                 ms(x["first"]), ms(x["last"]))] += 1
        same(f"nfcapd, {kind}", want.elements(), got.elements())


def test_tshark(tmp, ours):
    if not need("tshark"):
        return
    fields = ["srcaddr", "dstaddr", "protocol", "packets", "octets"]
    for kind in ("v5", "v9", "ipfix"):
        weir("replay", "--data", tmp / "g", "--as", kind, "--target", tmp / f"g-{kind}.pcap")
        cmd = ["tshark", "-r", str(tmp / f"g-{kind}.pcap"), "-d", "udp.port==2055,cflow", "-T", "fields", "-E", "aggregator=,", "-E", "occurrence=a"]
        for f in fields:
            cmd += ["-e", "cflow." + f]
        out = subprocess.run(cmd, capture_output=True, text=True, timeout=120)
        theirs = []
        for line in out.stdout.splitlines():
            theirs += zip(*(c.split(",") for c in line.split("\t")[:5]))
        want = [(r["src ip"], r["dst ip"], str(r["proto"]), str(r["packets"]), str(r["bytes"])) for r in ours if ":" not in r["src ip"]]
        theirs = [t for t in theirs if t[0] != ""]
        if not same(f"tshark, {kind}", want, theirs):
            print(out.stderr[:300])
        bad = subprocess.run(["tshark", "-r", str(tmp / f"g-{kind}.pcap"), "-d", "udp.port==2055,cflow", "-Y",
                              "_ws.malformed or (ip.checksum.status == 0) or (udp.checksum.status == 0)", "-o", "ip.check_checksum:TRUE",
                              "-o", "udp.check_checksum:TRUE"], capture_output=True, text=True, timeout=120)
        check(bad.stdout.strip() == "", f"tshark, {kind}: {bad.stdout[:300]}")


# ------------------------------------------------------------------------------- speed, order, addresses

class Listener(threading.Thread):
    def __init__(self):
        super().__init__(daemon=True)
        self.s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self.s.bind(("127.0.0.1", 0))
        self.s.settimeout(0.2)
        self.port = self.s.getsockname()[1]
        self.got, self.stop = [], False
        self.start()

    def run(self):
        while True:
            try:
                self.got.append(self.s.recvfrom(65536))
            except socket.timeout:
                if self.stop:
                    return

    def end(self):
        time.sleep(0.3)
        self.stop = True
        self.join()
        self.s.close()
        return self.got


def sequences_hold(datagrams):
    """RFC 7011 section 3.1: each header says how many data records its domain sent before; all records here are of fixed length."""
    lengths, expect = {}, collections.defaultdict(int)
    for d, _ in datagrams:
        domain, at = d[12:16], 16
        if int.from_bytes(d[8:12], "big") != expect[domain] or int.from_bytes(d[2:4], "big") != len(d):
            return False
        while at < len(d):
            kind, size = int.from_bytes(d[at:at + 2], "big"), int.from_bytes(d[at + 2:at + 4], "big")
            if kind == 2:
                number, n = int.from_bytes(d[at + 4:at + 6], "big"), int.from_bytes(d[at + 6:at + 8], "big")
                lengths[domain, number] = sum(int.from_bytes(d[at + 10 + 4 * i:at + 12 + 4 * i], "big") for i in range(n))
            elif (size - 4) % lengths[domain, kind]:
                return False
            else:
                expect[domain] += (size - 4) // lengths[domain, kind]
            at += size
    return len(datagrams) > 10


def test_times(tmp, ours):
    """What a capture of the replay holds has the same effective times and exporters, whatever the protocol."""
    columns = "exporter,start,end,received,src ip,dst ip,bytes"
    for kind in ("v5", "v9", "ipfix"):
        weir("import", "--data", tmp / f"back-{kind}", tmp / f"g-{kind}.pcap")
        want = [r for r in rows(tmp / "g", columns, "weir") if kind != "v5" or ":" not in r["src ip"]]
        got = rows(tmp / f"back-{kind}", columns, "weir")
        for r in want + got:
            r["received"] = r["received"][:19]
        same(f"times, {kind}", map(text, want), map(text, got))


def test_order(tmp):
    heard = Listener()
    begin = time.monotonic()
    weir("replay", "--data", tmp / "g", "--as", "ipfix", "--speed", "5000/s", "--target", f"udp://127.0.0.1:{heard.port}")
    check(time.monotonic() - begin > 1.0, "6000 records at 5000/s take longer than a second")
    got = heard.end()
    heard = Listener()
    said = weir("replay", "--data", tmp / "g", "--as", "ipfix", "--speed", "1000000x", "--target", f"udp://127.0.0.1:{heard.port}")
    check("6000 records in" in said, said)
    ordered = heard.end()
    times = [int.from_bytes(d[4:8], "big") for d, _ in ordered]
    check(times == sorted(times) and len(times) > 10, "in the order of arrival")
    for name, g in (("by number", got), ("by time", ordered)):
        check(sequences_hold(g), f"sequence numbers count the data records, {name}")
        templates = sum(d[16:18] == b"\0\2" for d, _ in g)
        check(templates > len(g) / 200 and max(len(d) for d, _ in g) <= 1400, f"templates are told again, {name}: {templates} in {len(g)}")
    if os.geteuid() == 0:
        heard = Listener()
        weir("replay", "--data", tmp / "g", "--as", "v9", "--speed", "max", "--keep-source", "--mtu", "9000", "--target", f"udp://127.0.0.1:{heard.port}",
             "bytes > 100000")
        got = heard.end()
        exporters = {json.loads(line)["exporter"] for line in weir("query", "--data", tmp / "g", "bytes > 100000", "--list", "--columns", "exporter",
                                                                   "-o", "ndjson", "--limit", 0).splitlines()}
        check({a[0] for _, a in got} == exporters and got, f"addresses kept: {set(a[0] for _, a in got)} {exporters}")


def test_refusals(tmp):
    for args, says in ((("--as", "v5", "--target", tmp / "x"), "FILE.pcap"), (("--as", "v7", "--target", "udp://127.0.0.1:9"), "v5 v9 ipfix"),
                       ((), "--target"), (("--target", "udp://127.0.0.1"), "no port"), (("--target", "tcp://127.0.0.1:9"), "udp://"),
                       (("--speed", "fast", "--target", tmp / "x"), "60x"), (("--speed", "0x", "--target", tmp / "x"), "60x"),
                       (("--mtu", "100", "--target", tmp / "x"), "512"), (("prt 22", "--target", tmp / "x"), "port"),
                       (("any | by src ip", "--target", tmp / "x"), "")):
        said = weir("replay", "--data", tmp / "g", *args, code=2)
        check(says in said, f"{args}: {said}")
    said = weir("replay", "--data", tmp / "none", "--target", tmp / "x", code=1)
    check("none" in said, said)


def main():
    vendor_names()
    with tempfile.TemporaryDirectory(prefix="weir-replay-") as tmp:
        tmp = pathlib.Path(tmp)
        test_corpus(tmp)
        ours = generated(tmp)
        test_nfcapd(tmp, ours)
        test_tshark(tmp, ours)
        test_times(tmp, ours)
        test_order(tmp)
        test_refusals(tmp)
    print(f"{count['checks'] - count['failed']} passed, {count['failed']} failed")
    sys.exit(count['failed'] > 0)


main()
