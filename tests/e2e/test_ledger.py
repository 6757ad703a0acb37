#!/usr/bin/env python3
"""usage: test_ledger.py WEIR
A sender that loses, reorders and repeats datagrams of v5, v9 and IPFIX from several ports, while somebody asks all
the time and tiny segments are sealed: the three ledgers are exact, loss is what was left out, no count ever falls."""
import collections
import json
import pathlib
import random
import struct
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import Server  # noqa: E402
from ledger_kit import Source, ledgers  # noqa: E402

WEIR = sys.argv[1]
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else 20260303
ROUNDS = 24
AT = int(time.time())
def ask_all_the_time(server, sources, done, wrong):
    seen = collections.Counter()
    while not done.is_set():
        rows = json.loads(server.run("query", "-o", "json", "--by", "exporter,domain", "--top", "0").stdout)["rows"]
        # asked before: what had been sent when the answer came is no less
        sent = sum(s.sent["flows"] for s in sources)
        total = 0
        for r in rows:
            key = (r["exporter"], r["domain"])
            if r["flows"] < seen[key] or r["bytes"] != 100 * r["flows"] or r["packets"] != 2 * r["flows"]:
                wrong.append((key, seen[key], r))
            seen[key] = r["flows"]
            total += r["flows"]
        if total > sent:
            wrong.append(("more than was sent", total, sent))
        time.sleep(0.05)  # starting a client costs more than its question


def loss_reordering_and_repetition_are_counted_exactly():
    random.seed(SEED)
    sources = [Source(5, 0x0101), Source(5, 0x0102), Source(9, 7), Source(9, 8, first_template=4),
               Source(9, 9, first_template=None), Source(10, 20), Source(10, 21), Source(10, 21),
               Source(10, 20, address="127.0.0.2"), Source(9, 7, address="127.0.0.2")]
    bad = [b"\x00\x05", b"\x00\x63" + bytes(40), struct.pack("!HHIII", 10, 900, AT, 0, 20), b"", b"\x09"]
    with Server(WEIR, "--shards", "2", "--seal.rows", "400") as s:
        done, wrong, garbage = threading.Event(), [], 0
        asker = threading.Thread(target=ask_all_the_time, args=(s, sources, done, wrong))
        asker.start()
        try:
            for r in range(ROUNDS):
                for x in sources:
                    for datagram, adds in x.some(8 if x.first_template is not None else 3, r == ROUNDS - 1):
                        x.send(s.port, datagram, adds)
                if r % 10 == 5:
                    s.send(bad)
                    garbage += len(bad)
                sent = garbage + sum(x.sent["datagrams"] for x in sources)
                if r % 4 == 3 or r == ROUNDS - 1:  # not faster than a small receive buffer is read
                    s.wait(lambda: s.status()["datagrams"]["total"] == sent, f"{sent} datagrams", 60)
                time.sleep(0.005)
        finally:
            done.set()
            asker.join()
        assert not wrong, (SEED, wrong[:5])

        decoded = [x for x in sources if x.first_template is not None]
        flows = sum(x.sent["flows"] for x in decoded)
        s.wait(lambda: s.status()["records"]["flows"] == flows, "the last records", 30)
        st = s.status()
        d, r, sets = st["datagrams"], st["records"], st["sets"]
        assert d["kernel_dropped"] == 0 and d["ring_dropped"] == 0 and d["received"] == d["total"] == sent, d
        assert sum(d["refused"].values()) == garbage, (d, garbage)
        assert sets["waiting"] == sum(x.sent["data"] for x in sources if x not in decoded), sets
        assert sets["decoded"] == sum(x.sent["data"] for x in decoded), sets
        assert sets["template"] == sum(x.sent["template"] for x in sources), sets
        assert r["flows"] == flows == r["sealed"] + r["open"] + r["refused"] and r["refused"] == 0, r
        assert st["store"]["segments"] > 5, st["store"]
        ledgers(st)

        want = collections.defaultdict(collections.Counter)
        for x in sources:
            k = want[x.address, x.version, x.domain]
            k.update(x.sent)
            k.update(lost=x.lost, repeated=x.repeated)
            if x.first_template is None:
                k["flows"] = 0
        assert len(st["exporters"]) == len(want), st["exporters"]
        for o in st["exporters"]:
            k = want[o["address"], o["version"], o["domain"]]
            ledgers(o)
            assert o["datagrams"]["accepted"] == k["datagrams"] and o["records"]["flows"] == k["flows"], (SEED, o, k)
            assert o["lost"] == k["lost"], (SEED, o["lost"], k, o)
            assert o["duplicated"] == k["repeated"] and o["restarts"] == 0, (SEED, o, k)
            assert k["lost"] > 0 and (o["reordered"] > 0 or k["flows"] == 0), (SEED, o, k)

        def by_exporter():
            rows = json.loads(s.run("query", "-o", "json", "--by", "exporter,version,domain", "--top", "0").stdout)
            return {(x["exporter"], x["version"], x["domain"]): (x["flows"], x["bytes"], x["packets"])
                    for x in rows["rows"]}
        answer = {k: (v["flows"], 100 * v["flows"], 2 * v["flows"]) for k, v in want.items() if v["flows"]}
        assert by_exporter() == answer, (SEED, by_exporter(), answer)
        assert s.stop() == 0, s.text()
        assert by_exporter() == answer, (SEED, by_exporter(), answer)


loss_reordering_and_repetition_are_counted_exactly()
print("ok loss_reordering_and_repetition_are_counted_exactly")
