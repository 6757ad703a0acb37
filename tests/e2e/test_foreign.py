#!/usr/bin/env python3
"""Other tools' flow records through weir import: every value of random rows is found again, as an independent
reading of the same rows has it; bad rows are counted by reason; nfdump's files give the totals and fields that
nfdump itself prints.

usage: test_foreign.py WEIR
"""
import collections
import datetime
import gzip
import ipaddress
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

from checks import WEIR, check, count, weir

DATA = pathlib.Path(__file__).resolve().parent.parent / "data/exporters"
R = random.Random(11)


def records(folder):
    out = weir("query", "--data", folder, "--list", "--columns", "all", "--names", "ipfix", "-o", "ndjson", "--limit", 0)
    return [json.loads(line) for line in out.splitlines()]


def instant(us):
    """As the dictionary prints microseconds or, where nothing finer is there, milliseconds."""
    t = datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=us)
    return t.strftime("%Y-%m-%dT%H:%M:%S.%f") + "Z"


def times(row, start_us, end_us):
    fine = start_us % 1000 or (end_us is not None and end_us % 1000)
    for name, us in (("flowStart", start_us), ("flowEnd", end_us)):
        if us is not None:
            text = instant(us)
            row[name + ("Microseconds" if fine else "Milliseconds")] = text if fine else text[:-4] + "Z"


def same(what, want, got):
    a, b = (collections.Counter(json.dumps(r, sort_keys=True) for r in x) for x in (want, got))
    for r in list((a - b))[:2]:
        print("  wanted:", r)
    for r in list((b - a))[:2]:
        print("  got:   ", r)
    check(a == b, f"{what}: {sum((a - b).values())} of {len(want)} rows are not there, {sum((b - a).values())} are others")


def address(v6):
    return str(ipaddress.ip_address(R.getrandbits(128 if v6 else 32))) if not v6 or R.random() < 0.9 else "2001:db8::1"


def clock():
    """Seconds with 0 to 6 digits, as text, and microseconds."""
    digits = R.choice((0, 1, 3, 6, 6, 6))
    s, part = R.randrange(1_000_000_000, 1_900_000_000), R.randrange(10 ** digits) if digits else 0
    return (f"{s}.{part:0{digits}}" if digits else str(s)), s * 1_000_000 + (part * 10 ** (6 - digits) if digits else 0)




def zeek_rows(n):
    """[(columns as text or None, record as Weir must have it)]"""
    out = []
    for i in range(n):
        v6, kind = R.random() < 0.3, R.choice(("tcp", "udp", "icmp", "unknown_transport"))
        text, start = clock()
        took = None if R.random() < 0.2 else R.randrange(0, 100_000_000)
        src, dst, a, b = address(v6), address(v6), R.randrange(65536), R.randrange(65536)
        if kind == "icmp":
            a, b = a % 256, b % 256
        c = collections.OrderedDict(
            ts=text, uid="C%x" % R.getrandbits(60), orig_h=src, orig_p=str(a), resp_h=dst, resp_p=str(b), proto=kind,
            service=R.choice((None, "dns", "http,ssl")), duration=None if took is None else "%.6f" % (took / 1e6),
            orig_bytes=R.choice((None, str(R.getrandbits(R.randrange(1, 50))))), resp_bytes=R.choice((None, "0")),
            conn_state=R.choice(("SF", "S0", "OTH")), local_orig=R.choice((None, "T", "F")), local_resp=R.choice((None, "T")),
            missed_bytes="0", history=R.choice((None, "ShADadFf", "^c")), orig_pkts=str(R.randrange(10 ** 6)),
            orig_ip_bytes=str(R.getrandbits(40)), resp_pkts=str(R.randrange(3)), resp_ip_bytes=str(R.getrandbits(30)),
            tunnel_parents=R.choice((None, "(empty)", "Cabc,Cdef")))
        ver = "6" if v6 else "4"
        r = {"zeekUid": c["uid"], f"sourceIPv{ver}Address": src, f"destinationIPv{ver}Address": dst}
        if kind == "icmp":
            r.update({f"icmpTypeIPv{ver}": a, f"icmpCodeIPv{ver}": b})
        else:
            r.update(sourceTransportPort=a, destinationTransportPort=b)
        number = {"tcp": 6, "udp": 17, "icmp": 58 if v6 else 1}.get(kind)
        if number is not None:
            r["protocolIdentifier"] = number
        if number in (None, 58):
            r["importedProtocol"] = kind
        for name, key in (("applicationName", "service"), ("zeekConnState", "conn_state"), ("zeekHistory", "history"),
                          ("zeekTunnelParents", "tunnel_parents")):
            if c[key] is not None:
                r[name] = "" if c[key] == "(empty)" else c[key]
        for name, key in (("initiatorOctets", "orig_bytes"), ("responderOctets", "resp_bytes"), ("zeekMissedBytes", "missed_bytes"),
                          ("packetDeltaCount", "orig_pkts"), ("octetDeltaCount", "orig_ip_bytes"),
                          ("reversePacketDeltaCount", "resp_pkts"), ("reverseOctetDeltaCount", "resp_ip_bytes")):
            if c[key] is not None:
                r[name] = int(c[key])
        for name, key in (("zeekLocalOrig", "local_orig"), ("zeekLocalResp", "local_resp")):
            if c[key] is not None:
                r[name] = c[key] == "T"
        times(r, start, None if took is None else start + took)
        out.append((c, r))
    return out


ZEEK_NAMES = {"orig_h": "id.orig_h", "orig_p": "id.orig_p", "resp_h": "id.resp_h", "resp_p": "id.resp_p"}


def zeek_text(rows, labels=()):
    head = ["#separator \\x09", "#set_separator\t,", "#empty_field\t(empty)", "#unset_field\t-", "#path\tconn", "#open\t2023-01-01-00-00-00"]
    names = [ZEEK_NAMES.get(k, k) for k in rows[0][0]]
    head.append("#fields\t" + "\t".join(names) + ("   label   detailed-label" if labels else ""))
    lines = ["\t".join("-" if v is None else v for v in c.values()) for c, _ in rows]
    if labels:
        lines = [line + f"   {a}   {b}" for line, (a, b) in zip(lines, labels)]
    return "\n".join(head + lines + ["#close\t2023-01-01-01-00-00", ""])


def zeek_json(rows):
    out = []
    for c, _ in rows:
        o = {}
        for k, v in c.items():
            if v is None:
                continue
            number = k in ("ts", "duration", "orig_p", "resp_p", "orig_bytes", "resp_bytes", "missed_bytes", "orig_pkts", "orig_ip_bytes",
                           "resp_pkts", "resp_ip_bytes")
            o[ZEEK_NAMES.get(k, k)] = "@" + v + "@" if number else v == "T" if k.startswith("local_") else v
        out.append(json.dumps(o).replace('"@', "").replace('@"', ""))
    return "\n".join(out)


def test_zeek(tmp):
    rows = zeek_rows(3000)
    (tmp / "conn.log").write_text(zeek_text(rows))
    said = weir("import", "--data", tmp / "z1", tmp / "conn.log")
    check("3000 rows of zeek, 3000 records" in said, said)
    same("zeek", [r for _, r in rows], records(tmp / "z1"))
    (tmp / "conn.log.gz").write_bytes(gzip.compress((tmp / "conn.log").read_bytes()[:100000]) + gzip.compress((tmp / "conn.log").read_bytes()[100000:]))
    weir("import", "--data", tmp / "z2", tmp / "conn.log.gz")
    same("zeek, two members of gzip", [r for _, r in rows], records(tmp / "z2"))
    (tmp / "conn.json").write_text(zeek_json(rows))
    weir("import", "--data", tmp / "z3", tmp / "conn.json")
    same("zeek json", [r for _, r in rows], records(tmp / "z3"))
    labels = [R.choice((("Benign", "-"), ("Malicious", "C&C"))) for _ in rows]
    for (_, r), (a, b) in zip(rows, labels):
        r["importedLabel"] = a
        if b != "-":
            r["importedDetailedLabel"] = b
    (tmp / "labelled").write_text(zeek_text(rows, labels))
    weir("import", "--data", tmp / "z4", tmp / "labelled")
    same("zeek with labels", [r for _, r in rows], records(tmp / "z4"))
    said = weir("import", "--data", tmp / "z4", tmp / "labelled", code=1)
    check("imported before" in said, said)
    out = weir("query", "--data", tmp / "z4", "ie(importedDetailedLabel) = 'C&C'", "-o", "json")
    check(json.loads(out)["totals"]["flows"] == sum(b == "C&C" for _, b in labels), "labels are asked for: " + out)
    (tmp / "dns.log").write_text(zeek_text(rows).replace("#path\tconn", "#path\tdns"))
    said = weir("import", "--data", tmp / "z5", tmp / "dns.log", code=1)
    check("conn.log" in said, said)
    (tmp / "cut.gz").write_bytes((tmp / "conn.log.gz").read_bytes()[:-3000])
    said = weir("import", "--data", tmp / "z6", tmp / "cut.gz", code=1)
    check("gzip" in said, said)


def test_argus(tmp):
    want, lines = [], ["StartTime,Dur,Proto,SrcAddr,Sport,Dir,DstAddr,Dport,State,sTos,dTos,TotPkts,TotBytes,SrcBytes,Label"]
    for _ in range(3000):
        start, took = R.randrange(1_300_000_000_000_000, 1_320_000_000_000_000), R.randrange(0, 3_600_000_000)
        kind, v6 = R.choice(("tcp", "udp", "icmp", "arp", "rtp", "ipv6-icmp")), False
        v6 = kind == "ipv6-icmp"
        ver = "6" if v6 else "4"
        src, dst = address(v6), address(v6)
        total = R.getrandbits(40)
        sent, packets = R.randrange(total + 1), R.randrange(1, 1000)
        stos, dtos = R.choice(("", "0", "192")), R.choice(("", "0"))
        way, state, label = R.choice(("  <->", "   ->", "  <?>")), R.choice(("CON", "S_RA", "")), "flow=From-Botnet-V42 x"
        r = {f"sourceIPv{ver}Address": src, f"destinationIPv{ver}Address": dst, "argusDirection": way.strip(), "octetDeltaCount": sent,
             "reverseOctetDeltaCount": total - sent, "packetDeltaCount": packets, "importedLabel": label}
        number = {"tcp": 6, "udp": 17, "icmp": 1, "rtp": 17, "ipv6-icmp": 58}.get(kind)
        if number is not None:
            r["protocolIdentifier"] = number
        if kind in ("arp", "rtp"):
            r["importedProtocol"] = kind
        if kind in ("icmp", "ipv6-icmp"):
            t, code, ident = R.randrange(256), R.randrange(256), R.randrange(65536)
            sport, dport = "0x%04x" % (code << 8 | t), "0x%04x" % ident
            r.update({f"icmpTypeIPv{ver}": t, f"icmpCodeIPv{ver}": code, "argusSourcePort": sport, "argusDestinationPort": dport})
        elif kind == "arp":
            sport = dport = ""
        else:
            a, b = R.randrange(65536), R.randrange(65536)
            sport, dport = str(a), str(b)
            r.update(sourceTransportPort=a, destinationTransportPort=b)
        if state:
            r["argusState"] = state
        if stos:
            r["ipClassOfService"] = int(stos)
        if dtos:
            r["reverseIpClassOfService"] = int(dtos)
        times(r, start, start + took)
        want.append(r)
        at = (datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=start)).strftime("%Y/%m/%d %H:%M:%S.%f")
        lines.append(f"{at},{took / 1e6:.6f},{kind},{src},{sport},{way},{dst},{dport},{state},{stos},{dtos},{packets},{total},{sent},{label}")
    (tmp / "a.binetflow").write_text("\n".join(lines) + "\n")
    weir("import", "--data", tmp / "a", tmp / "a.binetflow")
    same("argus", want, records(tmp / "a"))
    out = json.loads(weir("query", "--data", tmp / "a", "--dedup", "off", "-o", "json"))
    check(out["totals"]["bytes"] == sum(r["octetDeltaCount"] + r["reverseOctetDeltaCount"] for r in want), "argus: bytes of both directions")


def test_vpc(tmp):
    names = ("version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status vpc-id "
             "tcp-flags type pkt-srcaddr pkt-dstaddr region flow-direction traffic-path new-field").split()
    want, lines, nothing = [], [" ".join(names)], 0
    for i in range(3000):
        if i % 10 == 0:
            lines.append(" ".join(["5", "1", "eni-1"] + ["-"] * 7 + ["1418530010", "1418530070", "-", R.choice(("NODATA", "SKIPDATA"))] + ["-"] * 9))
            nothing += 1
            continue
        v6 = R.random() < 0.2
        ver = "6" if v6 else "4"
        start = R.randrange(1_400_000_000, 1_700_000_000)
        end, src, dst, psrc = start + R.randrange(600), address(v6), address(v6), address(v6)
        a, b, proto, packets, octets = R.randrange(65536), R.randrange(65536), R.choice((6, 17, 1)), R.getrandbits(20), R.getrandbits(45)
        action, flags, way, path = R.choice(("ACCEPT", "REJECT")), R.choice(("-", "19")), R.choice(("ingress", "egress")), R.choice(("-", "8"))
        lines.append(f"5 {i} eni-{i % 7} {src} {dst} {a} {b} {proto} {packets} {octets} {start} {end} {action} OK vpc-1 {flags} IPv{ver} {psrc} - eu-west-1 {way} {path} x{i}")
        r = {"awsVersion": 5, "awsAccountId": str(i), "interfaceName": f"eni-{i % 7}", f"sourceIPv{ver}Address": src,
             f"destinationIPv{ver}Address": dst, "sourceTransportPort": a, "destinationTransportPort": b, "protocolIdentifier": proto,
             "packetDeltaCount": packets, "octetDeltaCount": octets, "forwardingStatus": 64 if action == "ACCEPT" else 128, "awsVpcId": "vpc-1",
             "awsTrafficType": f"IPv{ver}", f"awsPacketSourceIPv{ver}Address": psrc, "awsRegion": "eu-west-1",
             "flowDirection": int(way == "egress"), "importedColumn": f"new-field=x{i}"}
        if flags != "-":
            r["tcpControlBits"] = 19
        if path != "-":
            r["awsTrafficPath"] = 8
        times(r, start * 1_000_000, end * 1_000_000)
        want.append(r)
    (tmp / "v.log").write_text("\n".join(lines) + "\n")
    said = weir("import", "--data", tmp / "v", tmp / "v.log")
    check(f"not taken: {nothing} rows (NODATA" in said and "SKIPDATA" in said, said)
    same("vpc", want, records(tmp / "v"))
    (tmp / "v2.log").write_text("2 1 eni-1 192.0.2.1 198.51.100.1 1 2 6 3 4 1418530010 1418530070 ACCEPT OK\n")
    weir("import", "--data", tmp / "v2", tmp / "v2.log")
    check(records(tmp / "v2")[0]["octetDeltaCount"] == 4, "vpc without a header")


def test_csv(tmp):
    want, lines = [], ["when;took;sa;da;dp;pr;bytes;Src AS;sourceMacAddress;note"]
    for i in range(2000):
        text, start = clock()
        took, src, dst, port, octets = R.randrange(100_000), address(False), address(True), R.randrange(65536), R.getrandbits(40)
        note = R.choice(("plain", 'with "quotes"', "semi;colon", ""))
        quoted = '"' + note.replace('"', '""') + '"' if set(note) & set('";') else note
        form = R.randrange(3)
        when = text
        if form == 1:
            when = instant(start)
        elif form == 2:
            when = (datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=start, hours=2)).strftime('%Y-%m-%d %H:%M:%S.%f+02:00')
        mac = ":".join("%02x" % R.randrange(256) for _ in range(6))
        lines.append(f"{when};{took};{src};{dst};{port};{R.choice(('TCP', '6', 'tcp'))};{octets};{i};{mac};{quoted}")
        r = {"sourceIPv4Address": src, "destinationIPv6Address": dst, "destinationTransportPort": port, "protocolIdentifier": 6,
             "octetDeltaCount": octets, "bgpSourceAsNumber": i, "sourceMacAddress": mac}
        if note:
            r["importedColumn"] = "note=" + note
        times(r, start, start + took * 1000)
        want.append(r)
    (tmp / "c.csv").write_text("\n".join(lines) + "\n")
    said = weir("import", "--data", tmp / "c0", tmp / "c.csv", code=1)
    check("--map" in said, said)
    weir("import", "--data", tmp / "c", "--map", "start=when,duration ms=took,src ip=sa,destinationIPv6Address=da,dst_port=dp,proto=pr", tmp / "c.csv")
    same("csv", want, records(tmp / "c"))
    for bad, says in (("start=nothing", "no column"), ("strat=when", "did you mean start?"), ("start", "FIELD=COLUMN"), ("start=when,", "")):
        said = weir("import", "--data", tmp / "c1", "--force", "--map", bad, tmp / "c.csv", code=1 if says else 0)
        check(says in said, f"--map {bad}: {said}")


def test_bad_rows(tmp):
    huge = "x" * (1 << 21)
    rows = zeek_rows(40)
    text = zeek_text(rows).split("\n")
    head, good, tail = text[:7], text[7:47], text[47:]
    bad = [huge, good[0].replace(rows[0][0]["orig_h"], "300.1.2.3"), "x\ty", good[1].replace(rows[1][0]["ts"], "yesterday"),
           good[2].replace("\t" + rows[2][0]["orig_pkts"] + "\t", "\t-5\t"), "{" + good[3], "\0\1\2"]
    mixed = []
    for i, g in enumerate(good):
        mixed.append(g)
        if i < len(bad):
            mixed.append(bad[i])
    (tmp / "bad.log").write_text("\n".join(head + mixed + tail))
    said = weir("import", "--data", tmp / "b", tmp / "bad.log")
    check("40 rows of zeek" in said and "too long 1" in said and "address 1" in said and "time 1" in said and "number 1" in said
          and "not JSON 1" in said and "number of columns 2" in said, said)
    check("line 9: too long: xxx" in said, said)
    same("good rows between bad ones", [r for _, r in rows], records(tmp / "b"))
    (tmp / "none.log").write_text("\n".join(head + ["x"]))
    said = weir("import", "--data", tmp / "b2", tmp / "none.log", code=1)
    check("no record of zeek inside" in said, said)
    (tmp / "empty").write_text("")
    weir("import", "--data", tmp / "b3", "--format", "csv", tmp / "empty", code=1)
    said = weir("import", "--data", tmp / "b3", "--format", "zek", tmp / "empty", code=2)
    check("zeek argus vpc csv nfdump" in said, said)


# ---------------------------------------------------------------------------------------------- nfdump

def payloads(path):
    """UDP payloads over IPv4 of a pcap file."""
    b = path.read_bytes()
    end = "little" if b[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else "big"
    link, at = int.from_bytes(b[20:22] if end == "little" else b[22:24], end), 24
    while at + 16 <= len(b):
        n = int.from_bytes(b[at + 8:at + 12], end)
        p, at = b[at + 16:at + 16 + n], at + 16 + n
        if link == 1:
            kind, p = p[12:14], p[14:]
            if kind == b"\x81\x00":
                kind, p = p[2:4], p[4:]
        else:
            kind, p = (p[14:16], p[16:]) if link == 113 else (b"\x08\x00", p)
        if kind == b"\x08\x00" and p[9] == 17:
            yield p[(p[0] & 15) * 4 + 8:]


def nfcapd(folder, datagrams):
    """A file of nfcapd with what it makes of these datagrams."""
    folder.mkdir()
    probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
    probe.close()
    p = subprocess.Popen(["nfcapd", "-l", str(folder), "-p", str(port), "-b", "127.0.0.1", "-t", "3600"], stdout=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while f"{port:04X}" not in pathlib.Path("/proc/net/udp").read_text() and time.monotonic() < deadline:
            time.sleep(0.05)
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for i, d in enumerate(datagrams):
            s.sendto(d, ("127.0.0.1", port))
            if i % 8 == 7:
                time.sleep(0.01)
        time.sleep(0.5)
    finally:
        p.send_signal(signal.SIGTERM)
        p.wait(30)
    return next(f for f in folder.iterdir() if f.name.startswith("nfcapd.2"))


CAPTURES = ["logstash-codec-netflow/pcap/" + f + ".pcap" for f in (
    "netflow-9-cisco-asa", "netflow-9-cisco-asr1001-x", "netflow-9-macaddress", "netflow-5-valid-01", "ipfix-nokia-bras",
    "netflow-9-huawei-netstream", "ipfix-mikrotik-routeros-6-39-2", "ipfix-vmware-virtual-distributed-switch", "netflow-9-valid-01",
    "netflow5-juniper-mx80", "netflow-9-fortigate-fortios-54x-appid")] + ["openvswitch/ovs-netflow5-ipfix-sflow.pcap"]

FIELDS = {"in_packets": "packetDeltaCount", "in_bytes": "octetDeltaCount", "out_packets": "postPacketDeltaCount", "out_bytes": "postOctetDeltaCount",
          "proto": "protocolIdentifier", "src_port": "sourceTransportPort", "dst_port": "destinationTransportPort", "src_tos": "ipClassOfService",
          "dst_tos": "postIpClassOfService", "src4_addr": "sourceIPv4Address", "dst4_addr": "destinationIPv4Address", "src6_addr": "sourceIPv6Address",
          "dst6_addr": "destinationIPv6Address", "src_as": "bgpSourceAsNumber", "dst_as": "bgpDestinationAsNumber", "input_snmp": "ingressInterface",
          "output_snmp": "egressInterface", "fwd_status": "forwardingStatus", "direction": "flowDirection", "src_vlan": "vlanId", "dst_vlan": "postVlanId",
          "in_src_mac": "sourceMacAddress", "out_dst_mac": "postDestinationMacAddress", "in_dst_mac": "destinationMacAddress",
          "out_src_mac": "postSourceMacAddress", "ip4_next_hop": "ipNextHopIPv4Address", "ip6_next_hop": "ipNextHopIPv6Address",
          "bgp4_next_hop": "bgpNextHopIPv4Address", "src4_xlt_ip": "postNATSourceIPv4Address", "dst4_xlt_ip": "postNATDestinationIPv4Address",
          "src_xlt_port": "postNAPTSourceTransportPort", "dst_xlt_port": "postNAPTDestinationTransportPort", "aggr_flows": "deltaFlowCount",
          "connect_id": "flowId", "event_id": "firewallEvent", "nat_event_id": "natEvent", "ingress_vrf": "ingressVRFID", "egress_vrf": "egressVRFID"}


def of_nfdump(x):
    """The record that Weir must have, of nfdump's."""
    r = {}
    v6 = "src6_addr" in x
    for key, name in FIELDS.items():
        if key not in x or (x["type"] == "EVENT" and key in ("in_packets", "in_bytes") and x[key] == 0):
            continue
        r[name] = int(x[key]) if str(x[key]).isdigit() else x[key]
    for key, name in (("src_mask", "sourceIPv%dPrefixLength"), ("dst_mask", "destinationIPv%dPrefixLength")):
        if key in x:
            r[name % (6 if v6 else 4)] = x[key]
    for key, name in (("icmp_type", "icmpTypeIPv%d"), ("icmp_code", "icmpCodeIPv%d")):
        if key in x:
            r[name % (6 if v6 else 4)] = x[key]
    if "tcp_flags" in x:
        r["tcpControlBits"] = sum(1 << "FSRPAUEC".index(c) for c in x["tcp_flags"] if c != ".")
    for key, name in (("first", "flowStartMilliseconds"), ("last", "flowEndMilliseconds")):
        if not x[key].startswith("1970-01-01T00:00:00.000"):
            r[name] = x[key] + "Z"
    return r


def test_nfdump(tmp):
    if shutil.which("nfdump") is None or shutil.which("nfcapd") is None:
        check(False, "nfdump and nfcapd are not installed: apt-get install nfdump")
        return
    file = nfcapd(tmp / "nf", [p for c in CAPTURES for p in payloads(DATA / c)])
    out = subprocess.run(["nfdump", "-r", file, "-o", "json", "-q"], capture_output=True, text=True, env=dict(os.environ, TZ="UTC")).stdout
    theirs = json.loads("[" + out.strip().strip("[]").rstrip().rstrip(",") + "]")
    said = weir("import", "--data", tmp / "n", file)
    check(f"{len(theirs)} rows of nfdump, {len(theirs)} records" in said and len(theirs) > 150, said)
    ours = records(tmp / "n")
    for r in ours:
        for name in ("importedColumn", "observationTimeMilliseconds", "userName"):
            r.pop(name, None)
    same("nfdump", [of_nfdump(x) for x in theirs], ours)
    totals = json.loads(weir("query", "--data", tmp / "n", "--raw", "--dedup", "off", "-o", "json"))["totals"]
    info = dict(line.split(": ") for line in subprocess.run(["nfdump", "-r", file, "-I"], capture_output=True, text=True).stdout.splitlines() if ": " in line)
    check(totals["flows"] == int(info["Flows"]), f"flows: {totals} {info}")
    check(totals["bytes"] == sum(x["in_bytes"] for x in theirs), f"bytes: {totals}")
    by = json.loads(weir("query", "--data", tmp / "n", "--by", "exporter", "--measure", "flows", "-o", "json"))
    check("127.0.0.1" in json.dumps(by), "the exporter is the one that nfcapd heard")
    path = os.environ["PATH"]
    os.environ["PATH"] = "/nonexistent"
    said = weir("import", "--data", tmp / "n2", file, code=1)
    os.environ["PATH"] = path
    check("apt-get install nfdump" in said, said)
    (tmp / "broken").write_bytes(file.read_bytes()[:3000])
    weir("import", "--data", tmp / "n3", tmp / "broken", code=1)


def main():
    with tempfile.TemporaryDirectory(prefix="weir-foreign-") as tmp:
        for test in (test_zeek, test_argus, test_vpc, test_csv, test_bad_rows, test_nfdump):
            test(pathlib.Path(tmp))
    print(f"{count['checks'] - count['failed']} passed, {count['failed']} failed")
    sys.exit(count['failed'] > 0)


main()
