#!/usr/bin/env python3
"""Real exporters, real traffic, a real socket: softflowd (v5, v9, IPFIX; IPFIX over TCP; PSAMP), pmacctd (v9, IPFIX) and
Open vSwitch (NetFlow v5) see the same traffic between two network namespaces; every datagram they export goes to
Weir and to nfcapd (messages of a TCP session as datagrams). Each record that nfcapd stored, Weir must have too: addresses, ports, protocol, octets,
packets, TCP flags, times, interfaces.

usage: run.py WEIR          (root; exit 77 = skipped: no namespaces to be had)

Everything happens in namespaces made here, and only processes started here are ended.
"""
import collections
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

WEIR = os.path.abspath(sys.argv[1])
FLOWS = 10000  # at least so many records from each exporter
NS_A, NS_B = f"weirA{os.getpid()}", f"weirB{os.getpid()}"
PROCS = []


def sh(cmd, **kw):
    return subprocess.run(cmd, shell=True, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **kw)


def inside(ns, *cmd):
    """nsenter, since "ip netns exec" and "ip -n" mount, which a container or a chroot does not allow."""
    return ["nsenter", f"--net=/run/netns/{ns}", *cmd]


def start(cmd, log, ns=None):
    if ns:
        cmd = inside(ns, *cmd)
    p = subprocess.Popen(cmd, stdout=open(log, "w"), stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    PROCS.append(p)
    return p


def stop(p, sig=signal.SIGTERM, wait=20):
    if p.poll() is None:
        p.send_signal(sig)
        try:
            p.wait(wait)
        except subprocess.TimeoutExpired:
            p.kill()
            p.wait()


def setup():
    sh(f"ip netns add {NS_A}; ip netns add {NS_B}")
    sh(f"ip link add va{os.getpid()} type veth peer name vb{os.getpid()}")
    sh(f"ip link set va{os.getpid()} netns {NS_A}; ip link set vb{os.getpid()} netns {NS_B}")
    for ns, dev, addr in ((NS_A, f"va{os.getpid()}", "10.98.0.1"), (NS_B, f"vb{os.getpid()}", "10.98.0.2")):
        enter = " ".join(inside(ns))
        sh(f"{enter} ip link set {dev} name eth0; {enter} ip addr add {addr}/24 dev eth0;"
           f"{enter} ip -6 addr add fd98::{addr[-1]}/64 dev eth0 nodad;"
           f"{enter} ip link set eth0 up; {enter} ip link set lo up")
        sh(f"{enter} sysctl -q -w net.ipv4.ip_local_port_range='10000 65000'")
        # a userspace bridge sees checksums that nobody filled in, unless offloading is off
        sh(f"{enter} ethtool -K eth0 tx off rx off >/dev/null")


def teardown():
    for p in reversed(PROCS):
        stop(p, wait=5)
    for ns in (NS_A, NS_B):
        subprocess.run(["ip", "netns", "del", ns], stderr=subprocess.DEVNULL)


TEE = r"""
import socket, sys, threading
want = [(int(a), [int(x) for x in b.split('/')]) for a, b in (s.split(':') for s in sys.argv[1:] if s[0] != 't')]
import select

def session(c, tcp, udp):
    # what comes goes on as it is by TCP, and message by message by UDP
    w = socket.create_connection(('127.0.0.1', tcp))
    o = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    have = b''
    while d := c.recv(65536):
        w.sendall(d)
        have += d
        while len(have) >= 4 and len(have) >= (n := int.from_bytes(have[2:4], 'big')):
            o.sendto(have[:n], ('127.0.0.1', udp))
            have = have[n:]
    w.close()

def accept(p, outs):
    t = socket.socket(socket.AF_INET); t.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    t.bind(('127.0.0.1', p)); t.listen(8)
    while True:
        threading.Thread(target=session, args=(t.accept()[0], *outs), daemon=True).start()

for a, b in (s[1:].split(':') for s in sys.argv[1:] if s[0] == 't'):
    threading.Thread(target=accept, args=(int(a), [int(x) for x in b.split('/')]), daemon=True).start()
ins = {}
for p, outs in want:
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('127.0.0.1', p))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    o = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); o.bind(('127.0.0.1', 0))
    ins[s] = (o, outs)
while True:
    for s in select.select(list(ins), [], [])[0]:
        d = s.recv(65535)
        o, outs = ins[s]
        for p in outs:
            try: o.sendto(d, ('127.0.0.1', p))
            except OSError: pass
"""

SERVER = r"""
import socket, threading
u = [socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) for _ in range(4)]
for i, s in enumerate(u):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    s.bind(('::', 7001 + i))
def echo(s):
    while True:
        d, a = s.recvfrom(2048)
        if d[:1] == b'e': s.sendto(d, a)
for s in u: threading.Thread(target=echo, args=(s,), daemon=True).start()
t = socket.socket(socket.AF_INET6); t.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
t.bind(('::', 7080)); t.listen(512)
while True:
    c, _ = t.accept(); d = c.recv(2048); c.sendall(b'x' * 400); c.close()
"""

CLIENT = r"""
import socket, sys, time
n_udp, n_tcp = int(sys.argv[1]), int(sys.argv[2])
for i in range(n_udp):
    v6 = i % 10 == 9
    s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
    to = ('fd98::2' if v6 else '10.98.0.2', 7001 + i % 4)
    for k in range(1 + i % 3): s.sendto((b'e' if i % 5 == 0 else b'q') + b'.' * (i % 300), to)
    s.close()
    if i % 50 == 49: time.sleep(0.02)
for i in range(n_tcp):
    c = socket.create_connection(('10.98.0.2', 7080)); c.sendall(b'GET %d' % i); 
    while c.recv(2048): pass
    c.close()
"""


def exporters(tmp, base):
    """(name, tee port, weir port, nfcapd port, how to start it)"""
    out = []

    def port(i):
        return base + 10 * i, base + 10 * i + 1, base + 10 * i + 2
    for i, v in enumerate((5, 9, 10)):
        tee, weir, nf = port(i)
        t = " ".join(f"-t {x}=1" for x in ("expint", "udp", "tcp", "tcp.rst", "tcp.fin", "general", "icmp")) + " -t maxlife=5"
        cmd = f"softflowd -d -i br0 -v {v} -n 127.0.0.1:{tee} -m 100000 -p {tmp}/sf{v}.pid -c {tmp}/sf{v}.ctl -B 33554432 {t}"
        if v != 5:
            cmd += " -6"
        out.append((f"softflowd-v{v}", tee, weir, nf, cmd.split()))
    for i, v in enumerate((9, 10)):
        tee, weir, nf = port(3 + i)
        conf = f"{tmp}/pmacctd{v}.conf"
        with open(conf, "w", encoding="ascii") as f:
            f.write(f"daemonize: false\npcap_interface: br0\nplugins: nfprobe\nnfprobe_receiver: 127.0.0.1:{tee}\n"
                    f"nfprobe_version: {v}\nnfprobe_timeouts: tcp=2:udp=2:general=2:maxlife=5:expint=1:tcp.rst=2:tcp.fin=2\n"
                    "aggregate: src_host,dst_host,src_port,dst_port,proto,tos,tcpflags\n"
                    "plugin_pipe_size: 67108864\nplugin_buffer_size: 65536\npcap_buffer_size: 33554432\n")
        out.append((f"pmacctd-v{v}", tee, weir, nf, ["pmacctd", "-f", conf]))
    tee, weir, nf = port(5)
    t = " ".join(f"-t {x}=1" for x in ("expint", "udp", "tcp", "tcp.rst", "tcp.fin", "general", "icmp")) + " -t maxlife=5"
    out.append(("softflowd-tcp", tee, weir, nf,
                f"softflowd -d -i br0 -v 10 -P tcp -6 -n 127.0.0.1:{tee} -m 100000 -p {tmp}/sft.pid -c {tmp}/sft.ctl -B 33554432 {t}".split()))
    tee, weir, nf = port(6)
    out.append(("openvswitch-v5", tee, weir, nf, None))
    return out


def start_ovs(tmp, tee):
    """A userspace bridge in namespace B between two veth pairs would need its own traffic path: eth0 of B becomes
    a port of the bridge, and B's addresses move to the bridge's own interface."""
    d, enter = f"{tmp}/ovs", " ".join(inside(NS_B))
    os.mkdir(d)
    sh(f"ovsdb-tool create {d}/conf.db /usr/share/openvswitch/vswitch.ovsschema")
    start(["ovsdb-server", f"{d}/conf.db", f"--remote=punix:{d}/db.sock", f"--unixctl={d}/db.ctl"], f"{d}/db.log", NS_B)
    time.sleep(1)
    sh(f"ovs-vsctl --db=unix:{d}/db.sock --no-wait init")
    env = dict(os.environ, OVS_RUNDIR=d)
    p = subprocess.Popen(inside(NS_B, "ovs-vswitchd", f"unix:{d}/db.sock", f"--unixctl={d}/vs.ctl",
                                f"--log-file={d}/vs.log", "--pidfile=" + f"{d}/vs.pid"),
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env)
    PROCS.append(p)
    sh(f"ovs-vsctl --timeout=20 --db=unix:{d}/db.sock add-br br0 -- set bridge br0 datapath_type=netdev"
       f" -- add-port br0 eth0")
    sh(f"ovs-vsctl --timeout=20 --db=unix:{d}/db.sock -- --id=@nf create NetFlow targets=\\\"127.0.0.1:{tee}\\\""
       f" active_timeout=2 -- set bridge br0 netflow=@nf")
    sh(f"{enter} ip addr flush dev eth0; {enter} ip link set br0 up; {enter} ip addr add 10.98.0.2/24 dev br0;"
       f" {enter} ip -6 addr add fd98::2/64 dev br0 nodad")
    # other-config of the datapath: flows leave the cache (and are exported) after this idle time
    sh(f"ovs-vsctl --timeout=20 --db=unix:{d}/db.sock set Open_vSwitch . other_config:max-idle=1500")


def nf_records(folder):
    files = [f"{folder}/{f}" for f in sorted(os.listdir(folder)) if f.startswith("nfcapd.2")]
    out = []
    for f in files:
        r = subprocess.run(["nfdump", "-q", "-r", f, "-o", "fmt:%sa|%da|%sp|%dp|%pr|%byt|%pkt|%flg|%ts|%te|%in|%out", "-6"],
                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=dict(os.environ, TZ="UTC"))
        for line in r.stdout.splitlines():
            p = [x.strip() for x in line.split("|")]
            if len(p) == 12:
                out.append(p)
    return out


PROTO = {"ICMP": 1, "TCP": 6, "UDP": 17, "ICMP6": 58, "IGMP": 2}


def nf_key(p):
    flags = sum(1 << "FSRPAUEC".index(c) for c in p[7] if c in "FSRPAUEC")
    proto = PROTO.get(p[4], None)
    if proto is None:
        proto = int(p[4])
    dport = p[3]
    if proto in (1, 58) and "." in dport:
        a, b = dport.split(".")
        dport = int(a) * 256 + int(b)
    if proto != 6:
        flags = 0
    return (p[0], p[1], int(p[2]), int(dport), proto, int(p[5]), int(p[6]), flags, *times(p[8], p[9]), int(p[10]), int(p[11]))


def times(a, b):
    """softflowd sometimes reports an end before the start; Weir's effective times are in order then."""
    return tuple(sorted((iso_ms(a), iso_ms(b))))


def weir_records(data):
    cols = "src ip,dst ip,src port,dst port,proto,bytes,packets,flags,start,end,in if,out if"
    r = subprocess.run([WEIR, "query", "--data", data, "--list", "--columns", cols, "--limit", "0", "-o", "ndjson"],
                       stdout=subprocess.PIPE, text=True, check=True)
    out = collections.Counter()
    for line in r.stdout.splitlines():
        o = json.loads(line)
        flags = o["flags"]
        if isinstance(flags, str):
            flags = sum(1 << "FSRPAUEC".index(c) for c in flags if c in "FSRPAUEC")
        if int(o["proto"]) != 6:
            flags = 0
        t = [iso_ms(o[k]) if isinstance(o[k], str) else int(o[k]) for k in ("start", "end")]
        out[(o["src ip"], o["dst ip"], int(o["src port"] or 0), int(o["dst port"] or 0), int(o["proto"]), int(o["bytes"]),
             int(o["packets"]), int(flags or 0) & 0xff, t[0], t[1], int(o["in if"] or 0), int(o["out if"] or 0))] += 1
    return out


def iso_ms(s):
    import calendar
    base, _, rest = s.replace("T", " ").rstrip("Z").partition(".")
    return calendar.timegm(time.strptime(base, "%Y-%m-%d %H:%M:%S")) * 1000 + int((rest + "000")[:3])


def near(have, key):
    """The same record with times that differ by 1 ms of rounding: take it out of `have`. nfcapd leaves the
    port of some ICMP records at 0 where the exporter sent type and code there; then Weir's has to be those."""
    if key[4] in (1, 58) and key[3] == 0:
        for k in have:
            if have[k] > 0 and k[:3] == key[:3] and k[4:8] == key[4:8] and abs(k[8] - key[8]) <= 1 and k[3] > 0:
                have[k] -= 1
                return True
    for ds in (0, -1, 1):
        for de in (0, -1, 1):
            k = key[:8] + (key[8] + ds, key[9] + de) + key[10:]
            if have.get(k, 0) > 0:
                have[k] -= 1
                return True
    return False


def main():
    if os.geteuid() != 0:
        print("not root: no network namespaces")
        sys.exit(77)
    tmp = tempfile.mkdtemp(prefix="weir-exporters-")
    failed = passed = 0
    try:
        try:
            setup()
        except subprocess.CalledProcessError as e:
            print("no network namespaces here:", e.stdout)
            sys.exit(77)
        exps = exporters(tmp, 21000)
        start([sys.executable, "-c", TEE] + [f"{'t' * name.endswith('tcp')}{t}:{w}/{n}" for name, t, w, n, _ in exps], f"{tmp}/tee.log", NS_B)
        servers = []
        for name, _, weir, nf, _ in exps:
            os.makedirs(f"{tmp}/{name}/nf")
            start(["nfcapd", "-w", f"{tmp}/{name}/nf", "-b", "127.0.0.1", "-p", str(nf), "-B", "4000000"], f"{tmp}/{name}/nfcapd.log", NS_B)
            over = "tcp" if name.endswith("tcp") else "udp"
            servers.append(start([WEIR, "serve", "--data", f"{tmp}/{name}/data", "--listen", f"{over}://127.0.0.1:{weir}",
                                  "--http.listen", "off"], f"{tmp}/{name}/weir.log", NS_B))
        start_ovs(tmp, exps[-1][1])
        time.sleep(1)
        for name, _, _, _, cmd in exps[:-1]:
            start(cmd, f"{tmp}/{name}/exporter.log", NS_B)
        start([sys.executable, "-c", SERVER], f"{tmp}/server.log", NS_B)
        time.sleep(3)
        subprocess.run(inside(NS_A, sys.executable, "-c", CLIENT, "11000", "800"), check=True, timeout=90)
        time.sleep(14)
        for p in [x for x in PROCS if "softflowd" in x.args or "pmacctd" in x.args]:
            stop(p)
        time.sleep(2)
        for p in [x for x in PROCS if "nfcapd" in x.args]:
            stop(p)
        for p in servers:
            stop(p)
        for name, *_ in exps:
            nf = [nf_key(p) for p in nf_records(f"{tmp}/{name}/nf")]
            have = weir_records(f"{tmp}/{name}/data")
            total = sum(have.values())
            missing = [k for k in nf if not near(have, k)]
            ok = len(nf) >= FLOWS and not missing and total >= len(nf)
            passed, failed = passed + ok, failed + (not ok)
            print(f"{'ok' if ok else 'FAILED'} {name}: nfcapd {len(nf)} records, Weir {total}, missing {len(missing)}")
            for k in missing[:3]:
                print("   nfcapd has:", k)
                print("   Weir near :", [x for x in have if x[:5] == k[:5]][:2])
    finally:
        teardown()
        if failed == 0 and passed:
            shutil.rmtree(tmp, ignore_errors=True)
        else:
            print("logs are in", tmp)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


main()
