#!/usr/bin/env python3
"""What an exporter lost and when Weir did not run is told with every answer, after a stop and after a crash."""
import json
import os
import signal
import sys
import tempfile
import time

from harness import Server, v5


def gaps(s, *words):
    return json.loads(s.run("status", "--gaps", "-o", "json", *words).stdout)["gaps"]


def main(weir):
    with tempfile.TemporaryDirectory(prefix="weir-e2e-") as folder:
        with Server(weir, folder=folder) as s:
            assert gaps(s) == [], gaps(s)
            assert "Gaps:" not in s.run("query").stdout
            s.send([v5(0, 10), v5(10, 10), v5(70, 10)])  # 50 records are missing
            s.wait(lambda: s.status()["records"]["flows"] == 30, "three datagrams")
            assert s.stop() == 0
            # without a server
            g = [x for x in gaps(s) if x["reason"] != "not_running"]
            assert [(x["reason"], x["exporter"], x["count"], x["unit"]) for x in g] == [("lost", "127.0.0.1", 50, "records")], g
            assert "lost 50 records (1 exporter)" in s.run("query").stdout
        time.sleep(1.2)
        with Server(weir, folder=folder) as s:
            g = gaps(s)
            assert [x["reason"] for x in g] == ["lost", "not_running"], g
            assert g[0]["to"] <= g[1]["from"] < g[1]["to"], g
            out = s.run("query", "--last", "1h").stdout
            assert "Gaps: lost 50 records (1 exporter), not running " in out, out
            assert gaps(s, "--last", "1h") == g
            stats = json.loads(s.run("query", "-o", "json", "--last", "1h").stdout)["stats"]
            assert stats["gaps"] == g, stats
            assert json.loads(s.run("query", "-o", "json", "--from", "2001-01-01", "--to", "2001-01-02").stdout)["stats"]["gaps"] == []
            table = s.run("status", "--gaps").stdout.splitlines()
            assert len(table) == 2 and "127.0.0.1 domain 0 v5" in table[0] and "not_running" in table[1], table
            s.send([v5(80, 10)])
            s.wait(lambda: s.status()["datagrams"]["received"] >= 4, "one more")
            s.kill_all()
            time.sleep(1.2)
        with Server(weir, folder=folder) as s:
            g = gaps(s)
            assert [x["reason"] for x in g][:2] == ["lost", "not_running"], g
            assert sum(x["reason"] == "not_running" for x in g) == 2 and g[-1]["reason"] == "not_running", g
            os.kill(s.status()["pid"], signal.SIGKILL)  # the data process alone: the sockets stay, nothing is missed
            s.wait(lambda: s.text().count("answers at") >= 4, "the next data process")
            s.wait(lambda: s.run("status", "-o", "json").stdout.find('"version"') > 0, "its answer")
            assert gaps(s) == g, (gaps(s), g)
            s.run("status", "--last", "1h", code=2)
            s.run("status", "--gaps", "--last", "nonsense", code=2)
            assert s.stop() == 0
            lost = [x for x in gaps(s) if x["reason"] == "lost"]
            assert [x["count"] for x in lost] == [50], lost  # replay told nothing twice
    print("gaps: ok")


main(sys.argv[1])
