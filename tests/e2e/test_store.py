"""Backup, restore, repair, a full disk's rules and moving to a bigger disk, by the command line as the guide says."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import Server, v5  # noqa: E402

WEIR = sys.argv[1]


def run(*words, code=0):
    r = subprocess.run([WEIR, *map(str, words)], capture_output=True, text=True, timeout=60)
    assert r.returncode == code, f"weir {words}: exit {r.returncode}\n{r.stdout}\n{r.stderr}"
    return r.stdout + r.stderr


def records(folder):
    return json.loads(run("query", "--data", folder, "-o", "json", "--dedup", "off"))["totals"]["flows"]


def feed(s, first, n):
    """n datagrams of 30 records; waits until they are decoded."""
    before = s.status()["records"]["flows"]
    s.send(v5((first + i) * 30, 30) for i in range(n))
    s.wait(lambda: s.status()["records"]["flows"] >= before + 30 * n, "the records")


def segments(folder):
    return sorted(p for p in pathlib.Path(folder).iterdir() if p.name.startswith("seg-"))


def a_question_maps_few_files_of_many():
    """However many segments there are, and with few file descriptors."""
    many, most = 24, 4
    with tempfile.TemporaryDirectory(prefix="weir-e2e-") as t, Server(WEIR, "--compact.enabled", "no") as s:
        for i in range(many):
            feed(s, i * 10, 10)
            s.run("snapshot", f"{t}/{i}")  # seals
            shutil.rmtree(f"{t}/{i}")
        assert s.stop() == 0
        assert len(segments(s.data)) == many
        pathlib.Path(f"{t}/conf").write_text(f"store:\n  open_segments: {most}\n", encoding="utf-8")
        ask = ["sh", "-c", 'ulimit -n 24; exec "$@"', "sh", WEIR, "query", "--data", s.data, "--config", f"{t}/conf"]
        for words in (["--by", "src ip", "--top", "3"], ["--series", "1h", "--by", "dst ip", "--top", "2"], ["--list", "--sort", "bytes"]):
            few = subprocess.run([*map(str, ask), *words, "-o", "csv"], capture_output=True, text=True, timeout=60)
            assert few.returncode == 0 and few.stdout == s.run("query", *words, "-o", "csv").stdout, (words, few.stderr)
        # a list that nobody reads stands still in the middle: what is mapped then?
        p = subprocess.Popen([*map(str, ask), "--list", "--limit", "0", "-o", "ndjson"], stdout=subprocess.PIPE)
        p.stdout.read(100000)
        maps = {line.split()[-1] for line in open(f"/proc/{p.pid}/maps", encoding="utf-8") if line.rstrip().endswith(".seg")}
        rows = 0
        for line in p.stdout:
            rows += 1
        assert p.wait() == 0 and rows > 30 * 10 * many / 2, rows  # it was in the middle
        assert 0 < len(maps) <= 2 * most, maps  # of the question, and of the cache behind it


def a_snapshot_beside_a_server_has_all_of_it():
    with tempfile.TemporaryDirectory(prefix="weir-e2e-") as t, Server(WEIR) as s:
        snap, back = f"{t}/snap", f"{t}/back"
        feed(s, 0, 20)
        out = s.run("snapshot", snap).stdout  # sealed for it
        assert "600 records" in out and "1 files linked" in out, out
        assert s.status()["records"]["open"] == 0
        feed(s, 20, 10)
        assert records(snap) == 600
        assert "no damage" in run("fsck", "--data", snap)
        assert "not empty" in s.run("snapshot", snap, code=1).stderr
        out = run("restore", snap, back)
        assert "600 records" in out and "verified" in out, out
        assert run("restore", snap, back, code=1)
        assert s.stop() == 0
        # a server goes on with what was restored, and numbers nothing twice
        os.makedirs(f"{t}/again")
        shutil.move(back, f"{t}/again/data")
        with Server(WEIR, folder=f"{t}/again") as r:
            feed(r, 0, 5)
            assert r.totals()["flows"] == 750, r.text()
            assert r.stop() == 0
        assert records(f"{t}/again/data") == 750
        assert "no damage" in run("fsck", "--data", f"{t}/again/data")
        # a damaged snapshot is refused, and nothing is left of it
        seg = segments(snap)[0]
        data = bytearray(seg.read_bytes())
        data[30] ^= 1
        seg.write_bytes(data)
        assert "damaged" in run("restore", snap, f"{t}/bad", code=1)
        assert not os.path.exists(f"{t}/bad") and not os.path.exists(f"{t}/bad.part")


def damage_is_named_and_repaired():
    with Server(WEIR) as s:
        feed(s, 0, 20)
        s.run("snapshot", s.dir / "snap", "--copy")
        feed(s, 20, 10)
        assert "no damage" in s.run("fsck").stdout  # beside the server
        assert "stop it" in s.run("fsck", "--repair", code=1).stderr
        assert s.stop() == 0
        seg = segments(s.data)[0]
        data = bytearray(seg.read_bytes())
        data[40] ^= 1
        seg.write_bytes(data)
        out = run("fsck", "--data", s.data, code=1)
        assert seg.name in out and "600 records cannot be read" in out and "600 records and 0 option records lost" in out, out
        column = out.split(": column ")[1].split()[0]
        r = subprocess.run([WEIR, "query", "--data", s.data, "--list", "-o", "json"], capture_output=True, text=True, timeout=60)
        answer = json.loads(r.stdout)
        assert answer["stats"]["rows_unreadable"] in (0, 600), r.stdout[-500:]
        out = run("fsck", "--data", s.data, "--repair", code=1)
        assert "repaired" in out and column in out, out
        assert "no damage" in run("fsck", "--data", s.data)
        assert records(s.data) == 300
        assert (s.data / "quarantine" / seg.name).exists()
        # a lost manifest
        (s.data / "manifest").unlink()
        assert "the segments tell" in run("fsck", "--data", s.data, code=1)
        run("fsck", "--data", s.data, "--repair", code=1)
        assert "no damage" in run("fsck", "--data", s.data)
        assert records(s.data) == 300


def old_segments_move_and_are_answered():
    with tempfile.TemporaryDirectory(prefix="weir-e2e-") as slow, \
            Server(WEIR, "--storage.slow", slow, "--storage.slow_after", "1ms", "--seal.age", "1s") as s:
        feed(s, 0, 10)
        s.run("snapshot", s.dir / "snap")
        s.wait(lambda: s.status()["store"]["segments_moved"] > 0, "the move")
        assert segments(slow) and not segments(s.data)
        assert s.totals()["flows"] == 300
        assert s.stop() == 0
        assert records(s.data) == 300
        assert "no damage" in run("fsck", "--data", s.data)
        out = run("snapshot", "--data", s.data, s.dir / "all")
        assert "300 records" in out and records(s.dir / "all") == 300


def wrong_rules_are_explained():
    r = subprocess.run([WEIR, "serve", "--data", "/nonexistent/x", "--retention.classes", "lab=7d"], capture_output=True, text=True,
                       timeout=60)
    assert r.returncode != 0 and "NAME=NETWORK" in r.stderr or "nonexistent" in r.stderr, r.stderr


for test in (a_question_maps_few_files_of_many, a_snapshot_beside_a_server_has_all_of_it, damage_is_named_and_repaired,
             old_segments_move_and_are_answered, wrong_rules_are_explained):
    test()
    print("ok", test.__name__, flush=True)
