#!/usr/bin/env python3
"""usage: test_facts.py WEIR
AS numbers and countries of addresses: made-up data in, the same out as MaxMind's own program says."""
import ipaddress
import json
import os
import pathlib
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import Server, v5  # noqa: E402
from mmdb import mmdb  # noqa: E402

WEIR = sys.argv[1]
SEED = 7


def run(*words, code=0):
    r = subprocess.run([WEIR, *map(str, words)], capture_output=True, text=True, timeout=60)
    assert r.returncode == code, (words, r.returncode, r.stdout, r.stderr)
    return r.stdout if code == 0 else r.stderr


def random_networks(rnd, v4, n):
    out = {}
    for _ in range(n):
        if v4:
            net = ipaddress.ip_network((rnd.choice([0x0A000000, 0xC0000200, 0xFFFFFF00]) + rnd.randrange(256), rnd.randrange(22, 33)),
                                       strict=False)
        else:
            net = ipaddress.ip_network(((0x20010db8 << 96) + (rnd.randrange(8) << 64) + rnd.randrange(4), rnd.randrange(40, 129)),
                                       strict=False)
        out[net] = 1
    return list(out)


def as_maxmind_says():
    rnd = random.Random(SEED)
    with tempfile.TemporaryDirectory(prefix="weir-facts-") as tmp:
        tmp = pathlib.Path(tmp)
        for bits in (32, 128):
            nets = random_networks(rnd, True, 40) + (random_networks(rnd, False, 40) if bits == 128 else [])
            country = [(n, {"country": {"iso_code": rnd.choice(["DE", "FR", "US"])}}) for n in nets]
            asn = [(n, {"autonomous_system_number": rnd.choice([1, 3320, 65536, 4199999999]),
                        "autonomous_system_organization": "Netz"}) for n in nets]
            mmdb(tmp / "country.mmdb", country, bits)
            mmdb(tmp / "asn.mmdb", asn, bits)
            said = run("data", "import", tmp / "country.mmdb", tmp / "asn.mmdb", "--facts.dir", tmp / "facts")
            assert "Made-Up" in said and "of 2026-01-01" in said, said
            ask = [str(n[rnd.randrange(min(n.num_addresses, 1 << 30))]) for n in nets] + \
                  [str(ipaddress.ip_address(int(n.broadcast_address) + 1)) for n in nets if int(n.broadcast_address) + 1 < 1 << 32
                   or n.version == 6]
            got = run("data", "lookup", *ask, "--facts.dir", tmp / "facts").splitlines()
            assert len(got) == len(ask)
            known = 0
            for address, line in zip(ask, got):
                word = [address, "-", "-"]
                for i, file, path in ((1, "country", ["country", "iso_code"]), (2, "asn", ["autonomous_system_number"])):
                    r = subprocess.run(["mmdblookup", "-f", tmp / f"{file}.mmdb", "-i", address, *path], capture_output=True,
                                       text=True, timeout=20)
                    if r.returncode == 0:
                        v = r.stdout.split()[0].strip('"')
                        word[i] = v if i == 1 else f"AS{v} Netz"
                        known += 1
                assert line == " ".join(word), (line, word)
            assert known > len(nets), known


def refused_by_name():
    with tempfile.TemporaryDirectory(prefix="weir-facts-") as tmp:
        tmp = pathlib.Path(tmp)
        facts = ["--facts.dir", tmp / "facts"]
        assert "weir data import" in run("data", *facts)
        (tmp / "a.csv").write_text("192.0.2.0/24,64500,Beispiel\n192.0.2.0/24,Deutschland\n")
        assert "a.csv: line 2: " in run("data", "import", tmp / "a.csv", *facts, code=1)
        (tmp / "b.mmdb").write_bytes(b"no such thing")
        assert "no MaxMind DB" in run("data", "import", tmp / "b.mmdb", *facts, code=1)
        assert not (tmp / "facts").exists()
        assert "only" not in run("data", "export", *facts, code=2)
        (tmp / "a.csv").write_text("192.0.2.0/24,64500,Beispiel\n")
        said = run("data", "import", tmp / "a.csv", "--source", "us", "--licence", "ours", "--date", "2026-02-03", *facts)
        for word in ("us\n", "of 2026-02-03", "licence: ours", "1 ranges of IPv4, 0 of IPv6, 1 names", "country    none"):
            assert word in said, (word, said)
        if os.geteuid() == 0:  # root imports into the directory of the server's user: that user may read it
            data = tmp / "theirs"
            data.mkdir()
            shutil.chown(data, "nobody")
            run("data", "import", tmp / "a.csv", "--data", data)
            for f in (data / "facts", data / "facts" / "as.rng"):
                assert f.owner() == "nobody", (f, f.owner())
        f = tmp / "facts" / "as.rng"
        f.write_bytes(f.read_bytes()[:-1] + b"x")
        assert "damaged" in run("data", *facts, code=1)


def flow_facts(weir, tmp):
    """10.0/16 is ours in DE, 192.168.0.0/25 theirs in FR; v5 of the harness goes from 10.0.x.x to 192.168.0.1 .. 251."""
    (tmp / "a.csv").write_text("10.0.0.0,10.0.255.255,3320,\"Netz, eins\"\n192.168.0.0/25,64496,\n10.0.0.0/16,DE\n192.168.0.0/25,FR\n")
    run("data", "import", tmp / "a.csv", "--facts.dir", tmp / "facts")


def asked_while_it_runs_and_later():
    with tempfile.TemporaryDirectory(prefix="weir-facts-") as tmp:
        tmp = pathlib.Path(tmp)
        flow_facts(WEIR, tmp)
        with Server(WEIR, "--facts.dir", str(tmp / "facts")) as s:
            s.send([v5(i * 30, 30) for i in range(20)])
            s.wait(lambda: s.totals()["flows"] == 600, "600 records")
            near = sum(1 for n in range(600) if 1 + n % 251 < 128)

            def check():
                assert s.totals("src country DE")["flows"] == 600
                assert s.totals("dst country FR")["flows"] == near
                assert s.totals("dst country in [FR DE] and as 3320")["flows"] == near
                assert s.totals("not country FR")["flows"] == 600 - near
                assert s.totals("as name ~ /eins/")["flows"] == 600
                rows = json.loads(s.run("query", "--by", "src as,dst country", "-o", "json").stdout)["rows"]
                assert [(r["src as"], r["src as_name"], r["dst country"], r["flows"]) for r in rows] == \
                    [(3320, "Netz, eins", "FR", near), (3320, "Netz, eins", None, 600 - near)], rows
                text = s.run("query", "--by", "src as").stdout
                assert "AS3320 Netz, eins" in text, text
                text = s.run("query", "--by", "as pair", "-o", "csv").stdout.splitlines()
                assert text[1].startswith("AS3320 <-> AS64496,"), text
                rows = s.run("query", "--list", "--columns", "src as,src country,dst country", "--limit", "1", "-o", "csv").stdout
                assert rows.splitlines()[1] == "3320,DE,FR", rows

            check()
            # a name of one's own goes before; a group holds a country
            s.run("name", "set", "AS3320", "ours", "AS64496", "theirs")
            s.run("group", "add", "french", "FR", "!192.168.0.1")
            assert s.totals("as name ~ /eins/")["flows"] == 0 and s.totals('as name "ours"')["flows"] == 600
            assert s.totals('dst as name "theirs"')["flows"] == near
            assert "AS3320 ours" in s.run("query", "--by", "src as").stdout
            assert s.totals("dst group french")["flows"] == near - s.totals("host 192.168.0.1")["flows"] < near
            assert s.totals("src group french")["flows"] == 0
            rows = json.loads(s.run("query", "--by", "dst group", "--dedup", "off", "-o", "json").stdout)["rows"]
            assert {r["dst group"]: r["flows"] for r in rows}["french"] == s.totals("dst group french")["flows"], rows
            s.run("name", "remove", "AS3320")
            s.run("name", "remove", "AS64496")
            s.run("group", "delete", "french")
            check()
            assert s.stop() == 0, s.text()
            # what was sealed stays, whatever is known now
            (tmp / "b.csv").write_text("0.0.0.0/0,US\n0.0.0.0/0,1,else\n10.0.0.0/16,3320,\"Netz, eins\"\n")
            run("data", "import", tmp / "b.csv", "--facts.dir", tmp / "facts")
            s.start("--facts.dir", str(tmp / "facts"))
            check()
            s.send([v5(600, 30)])
            s.wait(lambda: s.totals()["flows"] == 630, "30 more")
            assert s.totals("country US")["flows"] == 30
            # new data while it runs
            (tmp / "b.csv").write_text("0.0.0.0/0,GB\n")
            run("data", "import", tmp / "b.csv", "--facts.dir", tmp / "facts")
            s.p.send_signal(signal.SIGHUP)
            s.wait(lambda: "configuration reloaded" in s.text(), "the reload")
            assert s.totals("country GB")["flows"] == 30 and s.totals("country US")["flows"] == 0


def sealed_without():
    with tempfile.TemporaryDirectory(prefix="weir-facts-") as tmp:
        tmp = pathlib.Path(tmp)
        with Server(WEIR) as s:
            s.send([v5(0, 30)])
            s.wait(lambda: s.totals()["flows"] == 30, "30 records")
            assert s.stop() == 0
            r = run("query", "--data", s.data, "--by", "country")
            assert "Nothing is known of the countries" in r, r
            flow_facts(WEIR, tmp)
            facts = ["--data", s.data, "--facts.dir", tmp / "facts"]
            r = run("query", *facts, "--by", "src country")
            assert " DE " in r and "looked up today" in r, r
            assert json.loads(run("query", *facts, "country DE", "-o", "json"))["stats"]["geo"] == "today"
            # which number counts: v5 of the harness says AS 0
            assert '"src as":3320' in run("query", *facts, "--by", "src as", "-o", "json")
            assert '"src as":0' in run("query", *facts, "--by", "src as", "-o", "json", "--as.source", "exporter")


def ipfix(seq, *sets):
    body = b"".join(struct.pack("!HH", i, 4 + len(s)) + s for i, s in sets)
    return struct.pack("!HHIII", 10, 16 + len(body), int(time.time()), seq, 5) + body


def applications():
    """The user's rows, the built-in ones behind them, and names that the exporter tells of its ids."""
    fields = ((8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (1, 4), (2, 4), (95, 4))
    template = struct.pack("!HH", 300, len(fields)) + b"".join(struct.pack("!HH", *f) for f in fields)
    named = struct.pack("!HHH", 301, 2, 1) + struct.pack("!HHHH", 95, 4, 96, 16)

    def record(src, dport, app):
        return struct.pack("!IIHHBIII", src, 0x0A000001, 40000, dport, 6, 1000, 1, app)

    with tempfile.TemporaryDirectory(prefix="weir-facts-") as tmp:
        tmp = pathlib.Path(tmp)
        (tmp / "apps.csv").write_text("app,as,prefix,proto,port,appid\nours,,10.0.0.0/8,tcp,8000-8010\nphone,,,,,13:7\n")
        (tmp / "bad.csv").write_text("ours,,,tcp,http\n")
        r = subprocess.run([WEIR, "serve", "--data", tmp / "x", "--apps", tmp / "bad.csv"], capture_output=True, text=True, timeout=60)
        assert r.returncode != 0 and "bad.csv: line 1: the fifth field" in r.stderr, r.stderr
        with Server(WEIR, "--apps", str(tmp / "apps.csv")) as s:
            s.send([ipfix(0, (2, template), (3, named)),
                    ipfix(0, (301, struct.pack("!I16s", 13 << 24 | 9, b"voice-of-router"))),
                    ipfix(1, (300, record(0xC0000201, 8001, 13 << 24 | 7) + record(0xC0000202, 9999, 13 << 24 | 7)
                              + record(0xC0000203, 9999, 13 << 24 | 9) + record(0x34710102, 443, 13 << 24 | 9)
                              + record(0xC0000204, 9999, 13 << 24 | 8)))])
            s.wait(lambda: s.totals()["flows"] == 5, "5 records")

            def check():
                rows = json.loads(s.run("query", "--by", "app", "--measure", "flows", "-o", "json").stdout)["rows"]
                assert sorted((str(r["app"]), r["flows"]) for r in rows) == [
                    ("Microsoft Teams", 1), ("None", 1), ("ours", 1), ("phone", 1), ("voice-of-router", 1)], rows
                assert s.totals("app PHONE")["flows"] == 1
                assert s.totals("app ~ /^(voice|micro)/i")["flows"] == 2
                assert s.totals("not app ~ /./")["flows"] == 1
                text = s.run("query", "app ours", "--list", "--columns", "src ip,app", "-o", "csv").stdout
                assert text == "src ip,app\n192.0.2.1,ours\n", text

            check()
            (tmp / "apps.csv").write_text("theirs,,10.0.0.0/8\n")
            s.p.send_signal(signal.SIGHUP)
            s.wait(lambda: "configuration reloaded" in s.text(), "the reload")
            assert s.totals("app theirs")["flows"] == 5
            (tmp / "apps.csv").write_text("ours,,10.0.0.0/8,tcp,8000-8010\nphone,,,,,13:7\n")
            assert s.stop() == 0
            r = run("query", "app ours or app phone", "--by", "app", "--data", s.data, "--apps", tmp / "apps.csv", "-o", "csv")
            assert len(r.splitlines()) == 3, r


for test in (applications, as_maxmind_says, refused_by_name, asked_while_it_runs_and_later, sealed_without):
    if test is as_maxmind_says and shutil.which("mmdblookup") is None:
        sys.exit("mmdblookup is missing: apt-get install mmdb-bin")
    test()
    print(f"ok {test.__name__}")
