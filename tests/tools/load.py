"""Load for long and timed runs: flowgen's traffic sent as if it happened now (tests/soak/send.c), what was sent, what a process
takes."""
import collections
import json
import mmap
import os
import pathlib
import platform
import re
import struct
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
EXPORTERS = 4
FLOWS, DATAGRAMS, OCTETS, FIRST_MINUTE, LATE_MS, EXPORTER, SUM_BYTES, SUM_PACKETS, MINUTE, N = 0, 1, 2, 3, 4, 16, 80, 81, 128, 128 + 4096


def first():
    """For preexec_fn: before other work of the machine, where we may."""
    try:
        os.setpriority(os.PRIO_PROCESS, 0, -10)
    except PermissionError:
        pass


def first_or_not():
    return "nice -10" if os.geteuid() == 0 else "as any"


def build(folder, *targets):
    subprocess.run(["ninja", "-C", str(folder), "--quiet", *targets], check=True)


def capture(build_dir, folder, records=1000000):
    """IPFIX of `records`, made once."""
    out = pathlib.Path(folder) / f"load-{records}.pcap"
    if not out.exists():
        subprocess.run([build_dir / "tools/flowgen", "-n", str(records), "-i", out.with_suffix(".part")], check=True, stderr=subprocess.DEVNULL)
        out.with_suffix(".part").rename(out)
    return out


class Load:
    """A running sender and its book."""

    def __init__(self, build_dir, pcap, port, per_second, seconds, folder):
        book = pathlib.Path(folder) / "book"
        book.unlink(missing_ok=True)
        self.p = subprocess.Popen([build_dir / "tests/soak/soak_send", pcap, str(port), str(per_second), str(seconds), book], preexec_fn=first)
        end = time.monotonic() + 60
        while not (book.exists() and book.stat().st_size == N * 8):
            assert self.p.poll() is None and time.monotonic() < end, "the sender does not start"
            time.sleep(0.01)
        with open(book, "rb") as f:
            self.map = mmap.mmap(f.fileno(), N * 8, access=mmap.ACCESS_READ)
        while self[FLOWS] == 0:
            assert self.p.poll() is None and time.monotonic() < end, "the sender does not send"
            time.sleep(0.01)

    def __getitem__(self, i):
        return struct.unpack_from("=Q", self.map, i * 8)[0]

    def minutes(self):
        """Flows sent so far, by the Unix minute of their start."""
        base = self[FIRST_MINUTE]
        return {base + i: n for i, n in enumerate(struct.unpack_from("=4096Q", self.map, MINUTE * 8)) if n}

    def exporters(self):
        return {f"127.0.0.{11 + i}": self[EXPORTER + i] for i in range(EXPORTERS)}

    def stop(self):
        if self.p.poll() is None:
            self.p.terminate()
        assert self.p.wait(timeout=30) == 0, "the sender failed"


def memory(pid):
    """Anonymous memory, octets; None when it is gone."""
    try:
        m = re.search(r"RssAnon:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace"))
        return int(m.group(1)) * 1024 if m else None
    except OSError:
        return None


def descriptors(pid):
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return None


def cpu_s(pid):
    """User and system, of all threads."""
    try:
        words = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
    except OSError:
        return 0.0


def slope(points):
    """Theil-Sen: the median of the slopes of all pairs (t, value) apart by a tenth of the time or more."""
    if len(points) < 3:
        return 0.0
    apart = (points[-1][0] - points[0][0]) / 10
    all_of = sorted((b[1] - a[1]) / (b[0] - a[0]) for i, a in enumerate(points) for b in points[i + 1:] if b[0] - a[0] >= apart)
    return all_of[len(all_of) // 2] if all_of else 0.0


def stats(values):
    v = sorted(values)
    if not v:
        return {"count": 0}
    return {"count": len(v), "median": round(v[len(v) // 2], 4), "p99": round(v[min(len(v) - 1, len(v) * 99 // 100)], 4), "worst": round(v[-1], 4)}


def output(*cmd):
    return subprocess.run(cmd, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT).stdout.strip()


def origin():
    """Which program on which machine."""
    m = re.search(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text(errors="replace"))
    return {"commit": output("git", "rev-parse", "--short", "HEAD") + ("+changes" if output("git", "status", "--porcelain", "-uno") else ""),
            "compiler": output("cc", "--version").split("\n")[0], "date": time.strftime("%Y-%m-%d"),
            "machine": f"{os.cpu_count()} cores, {m.group(1) if m else platform.machine()}, "
                       f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') >> 30} GB, {platform.system()} {platform.release()}"}


def file_system(folder):
    return output("stat", "-f", "-c", "%T", str(folder))


def save(path, result):
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print("wrote", path, flush=True)


Sample = collections.namedtuple("Sample", "at pid memory descriptors files segments levels store_octets journal_octets ring_octets")
