#!/usr/bin/env python3
"""usage: test_stream.py WEIR
IPFIX over TCP: messages in any pieces, templates that belong to their session, garbage, ceilings, back-pressure, stop,
crash and upgrade; IPFIX files."""
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import Server, v5  # noqa: E402
from stream_kit import (FIELDS, Session, a_set, another_implementation, check_ledgers, free_port, message, of, records, template, v9,  # noqa: E402
                        withdrawal)

WEIR = sys.argv[1]
DATA = pathlib.Path(__file__).resolve().parent.parent / "data"
R = random.Random(5)


def serve(*options, **kw):
    port = free_port()
    s = Server(WEIR, "--listen", f"tcp://127.0.0.1:{port}", *options, **kw)
    s.tcp = port
    return s


def flows(s):
    return s.status()["records"]["flows"]


def messages_arrive_in_any_pieces():
    with serve("--shards", "2", "--seal.rows", "500") as s:
        sessions = [Session(s.tcp, domain=i, address=f"127.0.0.{1 + i % 5}") for i in range(40)]
        todo, want = [], 0
        for x in sessions:
            octets = message(template(), domain=x.domain)
            for i in range(5):
                n = R.randint(1, 30)
                octets += message(records(n, base=i), seq=x.seq, domain=x.domain)
                x.seq += n
                want += n
            todo.append((x, octets))
        while todo:
            i = R.randrange(len(todo))
            x, octets = todo[i]
            n = R.choice((1, 2, 15, 16, 17, 200, 1500))
            x.sock.sendall(octets[:n])
            todo[i] = (x, octets[n:])
            if len(octets) <= n:
                todo.pop(i)
        s.wait(lambda: flows(s) == want, f"{want} records")
        st = check_ledgers(s)
        assert sum(x["lost"] for x in st["exporters"]) == 0 and len(st["exporters"]) == 40, st["exporters"]
        assert of(s)["open"] == of(s)["accepted"] == 40, of(s)
        listener = next(x for x in st["listeners"] if x["listen"].startswith("tcp"))
        assert listener["datagrams"] == 40 * 6, listener
        base = re.search(r"metrics at (http://\S+)/metrics", s.text()).group(1)
        text = urllib.request.urlopen(base + "/metrics", timeout=10).read()
        assert f'weir_stream_sessions{{listener="tcp://127.0.0.1:{s.tcp}"}} 40'.encode() in text, text
        if shutil.which("promtool"):
            r = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, timeout=60)
            assert r.returncode == 0, r.stdout + r.stderr
        for x in sessions:
            x.close()
        s.wait(lambda: of(s)["open"] == 0, "all to have ended")
        assert of(s)["ended"] == {"closed": 40}, of(s)
        s.wait(lambda: s.status()["datagrams"].get("session_ends") == 42, "their ends and two beginnings")
        st = check_ledgers(s)
        assert st["datagrams"]["received"] == st["datagrams"]["total"] == 40 * 6 + 42, st["datagrams"]
        assert all(x["templates"] == 0 for x in st["exporters"])
        assert s.totals()["flows"] == want
        assert "closed 40" in s.run("status").stdout
        assert s.stop() == 0, s.text()


def templates_live_and_die_with_their_session():
    short = FIELDS[:7]
    with serve() as s:
        a, b = Session(s.tcp), Session(s.tcp)
        a.send(template())
        a.data(3)
        s.wait(lambda: flows(s) == 3, "three records")
        b.data(2)  # the same exporter and domain, another session
        s.wait(lambda: s.status()["sets"]["waiting"] == 1, "a set to wait")
        b.send(template(300, short))  # the waiting set is not of this form: 2 * 37 octets are two records of 25 and a rest
        s.wait(lambda: s.status()["sets"]["waiting"] == 0, "the set to be read")
        a.data(4)
        base = flows(s)
        a.send(withdrawal(), template(300, short))
        a.data(5, fields=short)
        s.wait(lambda: flows(s) >= base + 5, "records of the new form")
        assert s.status()["exporters"][0]["templates"] == 2
        a.send(template(300, FIELDS))  # another meaning without a withdrawal: the newest counts
        a.data(6)
        a.send(withdrawal())
        a.data(7)
        s.wait(lambda: s.status()["sets"]["waiting"] == 1, "a set without a template any more")
        before = flows(s)
        a.close()
        s.wait(lambda: s.status()["sets"]["expired"].get("no_template") == 1, "the end to forget it")
        c = Session(s.tcp)
        c.data(1)
        s.wait(lambda: s.status()["sets"]["waiting"] == 1, "the new session to know nothing")
        assert flows(s) == before
        st = check_ledgers(s)
        assert st["exporters"][0]["templates"] == 1, st["exporters"]
        b.close()
        c.close()


def older_versions_have_ends_too():
    with serve() as s:
        x = Session(s.tcp)
        fields = [(8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (1, 4), (2, 4)]
        t = a_set(0, struct.pack("!HH", 300, len(fields)) + b"".join(struct.pack("!HH", *f) for f in fields))
        octets = v9(t, records(2, fields=fields)) + v9(records(3, fields=fields), seq=1) + v5(0, 7) + v9(records(4, fields=fields), seq=2)
        for i in range(0, len(octets), 13):
            x.sock.sendall(octets[i:i + 13])
        s.wait(lambda: flows(s) == 2 + 3 + 7 + 4, "the last v9 message, behind which nothing comes")
        x.sock.sendall(v9(records(1, fields=fields), seq=3))
        x.close()
        s.wait(lambda: flows(s) == 17, "the message that the end ends")
        s.wait(lambda: of(s)["ended"] == {"closed": 1}, "a regular end")
        check_ledgers(s)


def what_is_no_message_ends_the_session():
    with serve("--stream.patience", "400ms") as s:
        good = Session(s.tcp)
        good.send(template())
        for octets, why in ((b"GET / HTTP/1.1\r\n\r\n", "version"), (b"\x16\x03\x01\x02\x00" + bytes(50), "version"), (b"\x00\x08", "version"),
                            (struct.pack("!HH", 10, 15) + bytes(60), "length"), (struct.pack("!HH", 10, 0), "length"),
                            (struct.pack("!HH", 5, 31), "length"), (v9() + a_set(7, b""), "length"),
                            (message(template()) + b"\xff", "version"), (message(template())[:-1], "slow"), (b"\x00", "slow")):
            before = of(s)["ended"].get(why, 0)
            x = Session(s.tcp)
            x.sock.sendall(octets)
            assert x.is_closed(), (octets, of(s))
            s.wait(lambda: of(s)["ended"].get(why, 0) == before + 1, f"{why} to be counted for {octets[:20]}")
            good.data(1)
        x = Session(s.tcp)
        x.sock.sendall(message(template())[:20])
        x.close()
        s.wait(lambda: of(s)["ended"].get("cut") == 1, "an end within a message")
        x = Session(s.tcp)
        x.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        x.close()
        s.wait(lambda: of(s)["ended"].get("reset") == 1, "a reset")
        s.wait(lambda: flows(s) == 10, "the good session, which heard nothing of all that")
        check_ledgers(s)
        good.close()


def silence_ends_a_session():
    with serve("--stream.idle", "1s") as s:
        silent, good = Session(s.tcp), Session(s.tcp)
        good.send(template())
        sent = 0
        while not silent.is_closed(0.2):
            good.data(1)
            sent += 1
            assert sent < 100
        s.wait(lambda: flows(s) == sent, "the other one to be heard")
        assert of(s)["ended"] == {"idle": 1} and of(s)["open"] == 1, of(s)
        assert good.is_closed()


def a_stranger_cannot_hold_places():
    def connect(s, address):
        return socket.create_connection(("127.0.0.1", s.tcp), timeout=20, source_address=(address, 0))

    with serve("--stream.sessions", "200", "--stream.per_address", "50", "--stream.patience", "1h") as s:
        good = [Session(s.tcp, domain=i, address="127.0.0.9") for i in range(5)]
        for x in good:
            x.send(template())
        s.wait(lambda: s.status()["sets"]["template"] == 5, "the good ones")
        idle = [connect(s, "127.0.0.9") for _ in range(60)]
        s.wait(lambda: of(s)["refused"] == {"address_ceiling": 15}, "the ceiling of an address")
        idle += [connect(s, f"127.0.0.{10 + i % 20}") for i in range(1000)]
        s.wait(lambda: of(s)["refused"] == {"address_ceiling": 15, "ceiling": 850}, "the ceiling of all")
        assert of(s)["open"] == 200 and "ceiling" in of(s)["refused_reason"], of(s)
        assert len(os.listdir(f"/proc/{s.data_pid()}/fd")) < 300
        for x in good:
            x.data(1)
        s.wait(lambda: flows(s) == 5, "the good ones, who feel nothing of it")
        for x in idle:
            x.close()
        s.wait(lambda: of(s)["open"] == 5, "only those that speak")
        check_ledgers(s)
    with serve("--stream.sessions", "8", "--stream.patience", "100ms") as s:
        good = [Session(s.tcp, domain=i) for i in range(4)]
        for x in good:
            x.send(template())
        s.wait(lambda: s.status()["sets"]["template"] == 4, "the good ones")
        late = []
        for i in range(20):  # who told nothing makes room for those that come later
            late.append(connect(s, "127.0.0.9"))
            time.sleep(0.15)
        s.wait(lambda: of(s)["ended"] == {"replaced": 16}, "places to be given on")
        assert of(s)["open"] == 8 and of(s)["refused"] == {}, of(s)
        assert all(x.recv(1) == b"" for x in late[:16])
        for x in good:
            x.data(2)
        s.wait(lambda: flows(s) == 8, "the good ones, who keep theirs")
        check_ledgers(s)


def a_stranger_cannot_hold_memory():
    half = struct.pack("!HHIII", 10, 65535, 0, 0, 0) + bytes(60000)
    with serve("--stream.memory", "1M", "--stream.per_address", "1000") as s:
        holders = []
        for _ in range(40):
            x = Session(s.tcp)
            holders.append(x)
            try:
                x.sock.sendall(half)
            except OSError:
                pass
        s.wait(lambda: of(s)["ended"].get("memory", 0) == 40 - (1 << 20) // len(half), "those beyond the ceiling to end")
        x = Session(s.tcp)
        x.send(template(), records(3), n=3)  # whole in one piece: needs no memory
        s.wait(lambda: flows(s) == 3, "another one to be heard")
        check_ledgers(s)
    with serve("--stream.sessions", "40", "--exporters.allow", "10.0.0.0/8") as s:
        strangers = [Session(s.tcp) for _ in range(30)]
        s.wait(lambda: of(s)["refused"].get("untrusted_ceiling") == 20, "a quarter for those not trusted")
        strangers[0].send(template(), records(2), n=2)
        s.wait(lambda: flows(s) == 2, "a stranger's records")
        assert s.status()["exporters"][0]["trusted"] is False


def a_full_ring_makes_the_exporter_wait():
    n, each = 300, 700
    with serve("--ring.size", "1M", "--seal.rows", "100000") as s:
        x = Session(s.tcp)
        x.send(template())
        body = records(each)
        for _ in range(n):
            x.send(body, n=each)
        s.wait(lambda: flows(s) == n * each, f"{n * each} records", 120)
        st = check_ledgers(s)
        assert st["datagrams"]["ring_dropped"] == 0 and st["exporters"][0]["lost"] == 0, st["datagrams"]
        assert of(s)["waits"] > 0, of(s)


def a_stop_takes_what_has_arrived():
    n, each = 60, 700
    with serve() as s:
        sessions = [Session(s.tcp, domain=i) for i in range(4)]
        s.wait(lambda: of(s)["open"] == 4, "all to be taken")
        for x in sessions:
            x.send(template())
            for _ in range(n // 4):
                x.data(each)
        assert s.stop() == 0, s.text()
        assert s.totals()["flows"] == n * each
        assert all(x.is_closed() for x in sessions)


def a_crash_ends_sessions_and_forgets_their_templates():
    with serve("--journal.commit", "50ms") as s:
        x = Session(s.tcp)
        x.send(template())
        x.data(10)
        s.wait(lambda: flows(s) == 10, "ten records")
        os.kill(s.data_pid(), signal.SIGKILL)
        assert x.is_closed()
        s.wait(lambda: s.text().count("answers at") == 2, "the next data process", 60)
        s.wait(lambda: flows(s) == 10, "the ten to be there again", 60)
        y = Session(s.tcp)
        y.data(1)  # maybe with the number that the dead session had
        s.wait(lambda: s.status()["sets"]["waiting"] == 1, "nothing to be known of the dead session")
        y.send(template())
        y.data(4)
        s.wait(lambda: flows(s) == 15, "the new session")
        assert of(s)["ended"] == {"died": 1} and of(s)["open"] == 1, of(s)
        st = check_ledgers(s)
        assert st["datagrams"]["received"] == st["datagrams"]["total"] + st["datagrams"]["lost_in_crash"], st["datagrams"]
        time.sleep(0.3)
        s.kill_all()  # both processes: the journal only is left
        s.start("--listen", f"tcp://127.0.0.1:{s.tcp}")
        s.wait(lambda: flows(s) == 15, "the journal", 60)
        z = Session(s.tcp)
        z.data(1)
        s.wait(lambda: s.status()["sets"]["waiting"] == 1, "nothing to be known again")
        assert s.status()["exporters"][0]["templates"] == 0
        check_ledgers(s)


def crashes_between_datagrams_and_sessions_count_nothing_twice():
    over, sent = threading.Event(), [0]

    def session(i):
        while not over.is_set():
            try:
                x = Session(s.tcp, domain=i, address=f"127.0.0.{1 + i}")
                x.send(template())
                for _ in range(R.randint(1, 100)):
                    x.data(20)
                    if over.wait(0.001):
                        break
                x.close()
            except OSError:
                over.wait(0.02)

    def datagrams():
        while not over.wait(0.002):
            s.send([v5(sent[0] * 5, 5)])
            sent[0] += 1

    with serve("--shards", "2", "--seal.rows", "3000", "--ring.size", "4M") as s:
        threads = [threading.Thread(target=session, args=(i,)) for i in range(3)] + [threading.Thread(target=datagrams)]
        for t in threads:
            t.start()
        try:
            for n in range(3):
                time.sleep(0.7)
                os.kill(s.data_pid(), signal.SIGKILL)
                s.wait(lambda: s.text().count("answers at") == n + 2, "the next data process", 60)
        finally:
            over.set()
            for t in threads:
                t.join()
        s.wait(lambda: of(s)["open"] == 0, "the sessions to end", 60)

        def even():
            d = s.status()["datagrams"]
            return d["received"] == d["total"] + d["lost_in_crash"] + d["ring_dropped"]
        s.wait(even, "the rest to be decoded", 60)
        st = check_ledgers(s)
        assert sum(x["datagrams"]["accepted"] for x in st["exporters"] if x["version"] == 5) == sent[0], (sent, st["datagrams"])
        assert all(x["templates"] == 0 for x in st["exporters"]) and st["sets"]["waiting"] == 0, st["exporters"]
        assert s.stop() == 0, s.text()


def an_upgrade_keeps_the_listener():
    with serve() as s:
        x = Session(s.tcp)
        x.send(template())
        x.data(5)
        s.wait(lambda: flows(s) == 5, "five records")
        s.p.send_signal(signal.SIGUSR2)
        assert x.is_closed(30)
        y = Session(s.tcp)  # the socket listens meanwhile
        y.send(template())
        y.data(6)
        s.wait(lambda: s.text().count("answers at") == 2, "the new version", 60)
        s.wait(lambda: s.totals()["flows"] == 11, "both", 60)
        assert s.stop() == 0, s.text()


# ------------------------------------------------------------------------------------------ files

def run_import(folder, *words, code=0):
    r = subprocess.run([WEIR, "import", "--data", folder, *words], capture_output=True, text=True, timeout=120)
    assert r.returncode == code, (words, r.returncode, r.stdout, r.stderr)
    return r


def totals_of(folder, *words):
    r = subprocess.run([WEIR, "query", "--data", folder, "-o", "csv", "--dedup", "off", "--measure", "flows,bytes,packets", *words], capture_output=True,
                       text=True, timeout=120)
    assert r.returncode == 0, r.stderr
    return r.stdout


def payloads(pcap):
    """UDP payloads over IPv4 in Ethernet."""
    octets = pcap.read_bytes()
    order = "<" if octets[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    at, out = 24, []
    while at < len(octets):
        n = struct.unpack(order + "I", octets[at + 8:at + 12])[0]
        p = octets[at + 16:at + 16 + n]
        out.append(p[14 + (p[14] & 15) * 4 + 8:])
        at += 16 + n
    return out


def files_are_imported():
    pcap = DATA / "exporters/ipfixcol2/example_flows.pcap"
    octets = b"".join(payloads(pcap))
    with tempfile.TemporaryDirectory(prefix="weir-e2e-") as tmp:
        tmp = pathlib.Path(tmp)
        whole, cut, torn = tmp / "flows.ipfix", tmp / "cut.ipfix", tmp / "torn.ipfix"
        whole.write_bytes(octets)
        cut.write_bytes(octets[:-7])
        torn.write_bytes(octets[:50000] + b"\xee" * 100 + octets[50000:])
        run_import(tmp / "a", str(pcap))
        r = run_import(tmp / "b", "--exporter", "192.0.2.77", str(whole))
        assert "messages" in r.stdout and "incomplete" not in r.stdout, r.stdout
        assert totals_of(tmp / "a") == totals_of(tmp / "b")
        assert totals_of(tmp / "b", "router ip 192.0.2.77") == totals_of(tmp / "b")
        r = run_import(tmp / "b", str(whole), code=1)
        assert "imported before" in r.stderr, r.stderr
        r = run_import(tmp / "c", str(cut))
        assert "cut off" in r.stdout, r.stdout
        r = run_import(tmp / "d", str(torn))
        assert "incomplete" in r.stdout, r.stdout
        (tmp / "not.ipfix").write_bytes(struct.pack("!HH", 10, 20) + bytes(500))
        run_import(tmp / "e", str(tmp / "not.ipfix"), code=1)
    stream = DATA / "attacks/exports-softflowd/synscan.ipfix.tcpstream.bin"
    with tempfile.TemporaryDirectory(prefix="weir-e2e-") as tmp:
        tmp = pathlib.Path(tmp)
        run_import(tmp / "a", str(stream))
        run_import(tmp / "b", str(DATA / "attacks/exports-softflowd/synscan.ipfix.pcap"))
        assert totals_of(tmp / "a") == totals_of(tmp / "b"), (totals_of(tmp / "a"), totals_of(tmp / "b"))


def a_captured_session_is_received():
    stream = (DATA / "attacks/exports-softflowd/synscan.ipfix.tcpstream.bin").read_bytes()
    with serve() as s, tempfile.TemporaryDirectory(prefix="weir-e2e-") as tmp:
        c = socket.create_connection(("127.0.0.1", s.tcp), timeout=20)
        c.sendall(stream)
        c.close()
        s.wait(lambda: of(s)["ended"] == {"closed": 1}, "the end")
        s.wait(lambda: s.status()["datagrams"].get("session_ends") == 2, "the end to be heard")
        run_import(pathlib.Path(tmp) / "a", str(DATA / "attacks/exports-softflowd/synscan.ipfix.tcpstream.bin"))
        assert s.run("query", "-o", "csv", "--dedup", "off", "--measure", "flows,bytes,packets").stdout == totals_of(pathlib.Path(tmp) / "a")
        check_ledgers(s)


def softflowd_exports_by_tcp():
    if not shutil.which("softflowd"):
        print("softflowd is not installed: left out")
        return
    traffic = DATA / "attacks/exports-softflowd/bittorrent.v9.pcap"
    for version in ("5", "9", "10"):
        with serve() as s:
            for transport, port in (("udp", s.port), ("tcp", s.tcp)):
                before = flows(s)
                r = subprocess.run(["softflowd", "-r", str(traffic), "-n", f"127.0.0.1:{port}", "-P", transport, "-v", version,
                                    "-p", str(s.dir / "pid"), "-c", "none"], capture_output=True, text=True, timeout=60)
                assert r.returncode == 0, r.stderr
                s.wait(lambda: flows(s) > before, f"softflowd's flows of version {version} by {transport}")
                if transport == "udp":
                    time.sleep(0.5)
                    by_udp = flows(s)
            s.wait(lambda: flows(s) == 2 * by_udp, f"as many by TCP as by UDP, {by_udp}")
            s.wait(lambda: of(s)["open"] == 0, "its end")
            assert of(s)["ended"] == {"closed": 1}, of(s)
            check_ledgers(s)


def another_implementation_is_understood():
    n = 3000
    with serve() as s, tempfile.TemporaryDirectory(prefix="weir-e2e-") as tmp:
        tmp = pathlib.Path(tmp)
        sock = socket.create_connection(("127.0.0.1", s.tcp), timeout=20)
        with sock.makefile("wb") as f:
            sums = another_implementation(f, n)
        sock.close()
        if sums is None:
            print("python3-ipfix is not installed: left out")
            return
        s.wait(lambda: flows(s) == n, f"{n} records")
        s.wait(lambda: of(s)["ended"] == {"closed": 1}, "the end")
        t = s.totals("--measure", "flows,bytes,packets")
        assert (t["bytes"], t["packets"]) == sums, (t, sums)
        assert s.totals("src ip 10.1.1.44 and src port 1324 and bytes 360")["flows"] == 1
        check_ledgers(s)
        with open(tmp / "file.ipfix", "wb") as f:
            another_implementation(f, n)
        run_import(tmp / "a", str(tmp / "file.ipfix"))
        assert totals_of(tmp / "a") == s.run("query", "-o", "csv", "--dedup", "off", "--measure", "flows,bytes,packets").stdout


CASES = [messages_arrive_in_any_pieces, templates_live_and_die_with_their_session, older_versions_have_ends_too,
         what_is_no_message_ends_the_session, silence_ends_a_session, a_stranger_cannot_hold_places, a_stranger_cannot_hold_memory,
         a_full_ring_makes_the_exporter_wait, a_stop_takes_what_has_arrived, a_crash_ends_sessions_and_forgets_their_templates,
         crashes_between_datagrams_and_sessions_count_nothing_twice,
         an_upgrade_keeps_the_listener, files_are_imported, a_captured_session_is_received, softflowd_exports_by_tcp,
         another_implementation_is_understood]

if __name__ == "__main__":
    names = sys.argv[2:] or [c.__name__ for c in CASES]
    for case in CASES:
        if case.__name__ in names:
            begin = time.monotonic()
            case()
            print(f"{case.__name__}: {time.monotonic() - begin:.1f} s", flush=True)
    print(f"{len(names)} passed, 0 failed")
