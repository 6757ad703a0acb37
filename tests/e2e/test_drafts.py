#!/usr/bin/env python3
"""usage: test_drafts.py WEIR
Upgrade and downgrade. A file of each kind is made one that a newer (or older) weir wrote, by its draft and the sums
over it. A newer one is refused: the message names the file, both drafts and what to do, no octet of the directory
changes, and the weir that it belongs to goes on as if nothing had been. What becomes of older ones is stated in
docs/guide.md and held to here."""
import hashlib
import pathlib
import struct
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import Server, v5  # noqa: E402

WEIR = sys.argv[1]


def crc32c(octets):
    crc = 0xffffffff
    for o in octets:
        crc ^= o
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def tree(data):
    """Every file with what is in it; the lock says who looked last."""
    return {str(p.relative_to(data)): hashlib.sha256(p.read_bytes()).hexdigest()
            for p in sorted(data.rglob("*")) if p.is_file() and p.name != "lock"}


def with_draft(path, by):
    b = bytearray(path.read_bytes())
    draft = struct.unpack_from("<I", b, 8)[0] + by
    struct.pack_into("<I", b, 8, draft)
    if path.suffix == ".jnl":
        struct.pack_into("<I", b, 40, crc32c(b[:40]))
    path.write_bytes(b)
    return draft


def serve(s):
    """A start that must fail; what it said."""
    r = subprocess.run([WEIR, "serve", "--data", s.data, "--listen", f"udp://127.0.0.1:{s.port}", "--http.listen", "off",
                        "--ring.size", "16M"], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    assert r.returncode != 0, r.stdout + r.stderr
    return r.stdout + r.stderr


def refused(s, files, by, way_out):
    kept = {f: f.read_bytes() for f in files}
    drafts = {f: with_draft(f, by) for f in files}
    before = tree(s.data)
    said = serve(s)
    assert tree(s.data) == before, f"{files}: changed on disk"
    assert any(f.name in said or f.stem in said for f in files), said
    f = files[0]
    assert f"draft {drafts[f]}" in said and f"draft {drafts[f] - by}" in said and way_out in said, said
    for f, b in kept.items():
        f.write_bytes(b)


def main():
    with Server(WEIR) as s:
        # two segments, each by a stop
        for i in range(2):
            s.send([v5(i * 300 + k * 30, 30) for k in range(10)])
            s.wait(lambda n=i: s.totals()["flows"] >= 300 * (n + 1), "300 records")
            assert s.stop() == 0
            assert not list((s.data / "journal").glob("*.jnl")), "a clean stop leaves nothing in the journal"
            s.start()
        # and some in the journal only
        s.send([v5(600 + k * 30, 30) for k in range(10)])
        s.wait(lambda: s.totals()["flows"] >= 900, "900 records")
        s.wait(lambda: any(b"WEIR-JNL" == p.read_bytes()[:8] for p in (s.data / "journal").glob("*.jnl")), "the journal")
        time.sleep(1.5)  # async: on disk within a second
        s.kill_all()
        manifest, segments = s.data / "manifest", sorted(s.data.glob("seg-*.seg"))
        checkpoint, history = sorted(s.data.glob("checkpoint-*"))[-1], sorted((s.data / "history").glob("*.his"))[-1]
        journal = next(p for p in (s.data / "journal").glob("*.jnl") if p.read_bytes()[:8] == b"WEIR-JNL")
        assert len(segments) >= 2
        was = tree(s.data)

        # a downgrade
        refused(s, [manifest], 1, "use another data directory, or the weir that wrote it")
        refused(s, segments, 1, "use the weir that wrote it, or another data directory")
        refused(s, [checkpoint], 1, "use the weir that wrote it, or another data directory")
        refused(s, [journal], 1, "start the weir that wrote it once more, stop it, and it is empty")
        refused(s, [history], 1, "use the weir that wrote it, or move that file away")
        # an upgrade
        refused(s, [manifest], -1, "use another data directory, or the weir that wrote it")
        refused(s, segments, -1, "use the weir that wrote it, or another data directory")
        assert tree(s.data) == was

        # a repair lets alone what is no damage
        kept = {f: f.read_bytes() for f in segments}
        for f in segments[:1]:
            with_draft(f, 1)
        before = tree(s.data)
        r = s.run("fsck", code=1)
        assert "draft" in r.stdout and tree(s.data) == before, r.stdout
        r = s.run("fsck", "--repair", code=1)
        assert segments[0].exists() and not list((s.data / "quarantine").glob("*.seg")), r.stdout
        for f, b in kept.items():
            f.write_bytes(b)

        # of an older draft: templates are learned anew, the day is kept aside, the journal is replayed; no record is lost
        with_draft(journal, -1)
        with_draft(checkpoint, -1)
        with_draft(history, -1)
        s.start()
        assert "learned anew" in s.text()
        s.wait(lambda: s.totals()["flows"] >= 900, "the journal to be replayed")
        assert s.totals()["flows"] == 900, s.totals()
        assert list((s.data / "history").glob("*.aside"))
        assert s.stop() == 0
        assert "no damage" in s.run("fsck").stdout


main()
print("1 passed, 0 failed")
