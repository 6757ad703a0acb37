"""As much of a service manager as weir.service needs: it starts the server with the sockets that it keeps,
reads what the server tells it (sd_notify), and keeps the descriptors that come with FDSTORE."""
import array
import os
import pathlib
import socket
import subprocess
import threading


class Manager:
    def __init__(self, folder):
        self.path = str(pathlib.Path(folder) / "notify")
        self.s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.s.bind(self.path)
        self.kept = {}  # name: descriptor
        self.said = []
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while True:
            data, ancillary, _, _ = self.s.recvmsg(4096, 4096)
            fds = array.array("i")
            for level, kind, octets in ancillary:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    fds.frombytes(octets[:len(octets) - len(octets) % fds.itemsize])
            words = data.decode().split("\n")
            said = dict(w.split("=", 1) for w in words)
            name = said.get("FDNAME", "stored")
            assert ":" not in name, name  # systemd refuses it
            if "FDSTORE" in said:
                assert said["FDPOLL"] == "0" and len(fds) == 1, words
                same = name in self.kept and os.path.sameopenfile(self.kept[name], fds[0])
                if same:
                    os.close(fds[0])
                else:
                    assert name not in self.kept, name
                    self.kept[name] = fds[0]
            if "BARRIER" in said:  # what came before it is done
                os.close(fds[0])
            if "FDSTOREREMOVE" in said:
                os.close(self.kept.pop(name))
            self.said += words

    def start(self, words, env, **how):
        """Like subprocess.Popen, with NOTIFY_SOCKET and LISTEN_FDS."""
        names = list(self.kept)
        env = dict(env, NOTIFY_SOCKET=self.path, LISTEN_FDS=str(len(names)), LISTEN_FDNAMES=":".join(names))
        if not names:
            return subprocess.Popen(words, env=env, **how)
        high = [os.dup(self.kept[n]) for n in names]  # out of the way of 3, 4, ...
        assert min(high) >= 3
        free = max(max(high), 3 + len(names)) + 1
        shift = "".join(f" {free + i}<&{fd}" for i, fd in enumerate(high))
        place = "".join(f" {3 + i}<&{free + i}" for i in range(len(high)))
        close = "".join(f" {fd}<&-" for fd in [*range(free, free + len(high)), *(fd for fd in high if fd >= 3 + len(high))])
        script = f'exec{shift}; exec{place}; exec{close}; export LISTEN_PID=$$; exec "$@"'
        try:
            return subprocess.Popen(["bash", "-c", script, "bash", *map(str, words)], env=env, pass_fds=high, **how)
        finally:
            for fd in high:
                os.close(fd)
