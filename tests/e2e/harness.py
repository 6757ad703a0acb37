"""Start a server in a folder of its own, send it datagrams, ask it. Ends only what it started."""
import json
import os
import pathlib
import signal
import socket
import struct
import subprocess
import tempfile
import time
import urllib.parse


def v5(seq, count, base_ip=0x0A000000, engine=0, at=None):
    """A NetFlow v5 datagram of `count` records, each 100 octets in 2 packets."""
    now = time.time() if at is None else at
    out = struct.pack("!HHIIIIBBH", 5, count, 3600_000, int(now), int(now % 1 * 1e9), seq, 0, engine, 0)
    for i in range(count):
        n = seq + i
        out += struct.pack("!IIIHHIIIIHHBBBBHHBBH", base_ip + n % 65536, 0xC0A80001 + n % 251, 0, 1, 2, 2, 100,
                           3590_000, 3595_000, 1024 + n % 60000, 443, 0, 0x1B, 6, 0, 0, 0, 24, 24, 0)
    return out


class Server:
    def __init__(self, weir, *options, folder=None, env=None, before=None, popen=None, logfile=None, quiet=False):
        """before: called in the child before it becomes weir. popen: starts it instead of subprocess.Popen. logfile: where it
        writes, if not to standard error. quiet: it does not say that it started."""
        self.weir, self.quiet, self.before = weir, quiet, before
        self.popen = popen or subprocess.Popen
        self.hold = None if folder else tempfile.TemporaryDirectory(prefix="weir-e2e-")
        self.dir = pathlib.Path(folder or self.hold.name)
        self.data = self.dir / "data"
        self.log = open(self.dir / "log", "ab+")
        self.logfile = logfile or self.dir / "log"
        probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        probe.bind(("127.0.0.1", 0))
        self.port = probe.getsockname()[1]
        probe.close()
        self.env = dict(os.environ, **(env or {}))
        self.start(*options)

    def start(self, *options):
        """Again, in the same folder and on the same port."""
        said = self.text().count("answers at")
        self.p = self.popen([self.weir, "serve", "--data", self.data, "--listen", f"udp://127.0.0.1:{self.port}",
                                   "--http.listen", "127.0.0.1:0", "--ring.size", "16M", *options],
                                  stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL, start_new_session=True, env=self.env,
                                  preexec_fn=self.before)
        try:
            self.wait(lambda: self.answers() if self.quiet else self.text().count("answers at") > said,
                      "the server to start", 60)
        except AssertionError:
            self.kill_all()
            raise

    def kill_all(self):
        """SIGKILL for the parent and the data process."""
        try:
            os.killpg(self.p.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.p.wait()
        while self.pids():
            time.sleep(0.01)

    def answers(self):
        r = subprocess.run([self.weir, "status", "--data", self.data, "-o", "json"], capture_output=True, timeout=60)
        return r.returncode == 0 and json.loads(r.stdout)["pid"] is not None

    def text(self):
        """What it said."""
        return self.logfile.read_text(errors="replace") if self.logfile.exists() else ""

    def wait(self, true, what, seconds=20):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if true():
                return
            if self.p.poll() is not None:
                break
            time.sleep(0.02)
        raise AssertionError(f"waited for {what}\n{self.text()[-6000:]}")

    def run(self, *words, code=0):
        r = subprocess.run([self.weir, words[0], "--data", self.data, *words[1:]], capture_output=True, text=True,
                           timeout=60)
        assert r.returncode == code, f"weir {words}: exit {r.returncode}\n{r.stdout}\n{r.stderr}\n{self.text()}"
        return r

    def status(self):
        return json.loads(self.run("status", "-o", "json").stdout)

    def get(self, path, seconds=60, **params):
        """What the server's socket answers, without a client's start. OSError: nobody answers, or not to the end."""
        url = path + ("?" + urllib.parse.urlencode(params) if params else "")
        out = b""
        with socket.socket(socket.AF_UNIX) as u:
            u.settimeout(seconds)
            u.connect(str(self.data / "weir.sock"))
            u.sendall(f"GET {url} HTTP/1.0\r\nHost: weir\r\n\r\n".encode())
            while piece := u.recv(1 << 20):
                out += piece
        head, _, body = out.partition(b"\r\n\r\n")
        if not head:
            raise ConnectionResetError(f"{url}: no answer")
        assert b" 200 " in head.split(b"\r\n")[0], (url, head[:200], body[:500])
        try:
            return json.loads(body)
        except ValueError:
            raise ConnectionResetError(f"{url}: cut short") from None

    def totals(self, *words):
        """Of every record: what was sent is accounted for, not flows."""
        return json.loads(self.run("query", "-o", "json", "--dedup", "off", *words).stdout)["totals"]

    def send(self, datagrams):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for d in datagrams:
            s.sendto(d, ("127.0.0.1", self.port))
        s.close()

    def stop(self):
        """SIGTERM; the exit code."""
        if self.p.poll() is None:
            self.p.send_signal(signal.SIGTERM)
        return self.p.wait(timeout=60)

    def pids(self):
        """Processes of this server that live: the parent, the data process."""
        out = []
        for d in pathlib.Path("/proc").iterdir():
            try:
                if not d.name.isdigit():
                    continue
                words = (d / "stat").read_text().rsplit(")", 1)[1].split()
                # a first thread that is dead may have others that still hold files and locks
                if int(words[2]) == self.p.pid and (words[0] != "Z" or len(list((d / "task").iterdir())) > 1):
                    out.append(int(d.name))
            except OSError:
                pass
        return out

    def data_pid(self):
        return next((p for p in self.pids() if p != self.p.pid), None)

    def __enter__(self):
        return self

    def __exit__(self, *why):
        self.kill_all()
        self.log.close()
        if self.hold:
            self.hold.cleanup()
