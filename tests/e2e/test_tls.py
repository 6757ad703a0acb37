#!/usr/bin/env python3
"""usage: test_tls.py WEIR
IPFIX over TLS with certificates on both sides, made here: who is let in, who is refused and why, and new certificates
while the server runs."""
import os
import pathlib
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import Server  # noqa: E402
from stream_kit import Session, another_implementation, check_ledgers, free_port, of, records, template  # noqa: E402

WEIR = sys.argv[1]


def openssl(*words):
    subprocess.run(["openssl", *words], check=True, capture_output=True, timeout=60)


class Certificates:
    """Two authorities; a server and clients of the first, a stranger of the second, one that has expired."""

    def __init__(self, folder):
        self.dir = pathlib.Path(folder)
        for ca in ("ca", "other-ca"):
            openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", f"/CN={ca}",
                    "-addext", "basicConstraints=critical,CA:TRUE", "-keyout", self.path(f"{ca}.key"), "-out", self.path(f"{ca}.pem"))
        for name, ca, days in (("server", "ca", 30), ("server2", "ca", 30), ("router", "ca", 30), ("stranger", "other-ca", 30), ("old", "ca", -1)):
            self.make(name, ca, days)

    def path(self, name):
        return str(self.dir / name)

    def make(self, name, ca, days):
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}", "-keyout",
                self.path(f"{name}.key"), "-out", self.path(f"{name}.csr"))
        openssl("x509", "-req", "-in", self.path(f"{name}.csr"), "-CA", self.path(f"{ca}.pem"), "-CAkey", self.path(f"{ca}.key"),
                "-CAcreateserial", "-days", str(days), "-out", self.path(f"{name}.pem"))

    def wrap(self, name=None, version=None):
        """A client's side of TLS, with the certificate of that name."""
        c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        c.check_hostname = False
        c.load_verify_locations(self.path("ca.pem"))
        if name:
            c.load_cert_chain(self.path(f"{name}.pem"), self.path(f"{name}.key"))
        if version:
            c.minimum_version = c.maximum_version = version
        return lambda sock: c.wrap_socket(sock)

    def options(self, server="server"):
        return ["--tls.certificate", self.path(f"{server}.pem"), "--tls.key", self.path(f"{server}.key"), "--tls.client_ca", self.path("ca.pem")]


def serve(*options, **kw):
    port = free_port()
    s = Server(WEIR, "--listen", f"tls://127.0.0.1:{port}", *options, **kw)
    s.tls = port
    return s


def refused(s, wrap, why, text=None, say=None):
    """This client is not let in, and that is counted and told."""
    before = of(s, "tls")["refused"].get(why, 0)
    try:
        x = Session(s.tls, wrap=wrap)
        if say:
            x.sock.sendall(say)
        else:  # with TLS 1.3 a client hears of it only with what it reads next
            x.send(template(), records(1), n=1)
        assert x.is_closed()
    except OSError:
        pass
    s.wait(lambda: of(s, "tls")["refused"].get(why, 0) == before + 1, f"{why} to be counted: {of(s, 'tls')}")
    o = of(s, "tls")
    assert why in o["refused_reason"] and "127.0.0.1" in o["refused_reason"], o
    assert text is None or text in o["refused_reason"], o
    assert why in s.run("status").stdout


def who_is_let_in(certs):
    with serve(*certs.options(), "--exporters.allow", "10.0.0.0/8") as s:
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            x = Session(s.tls, domain=int(version), wrap=certs.wrap("router", version))
            assert x.sock.version() == version.name.replace("_", "."), x.sock.version()
            x.send(template())
            for i in range(20):
                x.data(40, base=i)
            x.sock.unwrap().close()
        s.wait(lambda: s.status()["records"]["flows"] == 1600, "records by both versions")
        st = s.status()
        assert all(x["trusted"] and x["lost"] == 0 for x in st["exporters"]) and len(st["exporters"]) == 2, st["exporters"]
        s.wait(lambda: of(s, "tls")["ended"] == {"closed": 2}, "two regular ends")
        sock = certs.wrap("router")(socket.create_connection(("127.0.0.1", s.tls), timeout=20))
        with sock.makefile("wb") as f:
            more = 500 if another_implementation(f, 500) else 0
        sock.close()
        s.wait(lambda: s.status()["records"]["flows"] == 1600 + more, "those of another implementation")
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            refused(s, certs.wrap(None, version), "no_certificate", "the client showed no certificate")
            refused(s, certs.wrap("stranger", version), "bad_certificate", "ssuer")
            refused(s, certs.wrap("old", version), "bad_certificate", "expired")
        refused(s, None, "handshake", say=b"GET / HTTP/1.0\r\n\r\n")
        refused(s, None, "handshake", say=b"\x00\x0a\x00\x10" + bytes(12))
        assert s.status()["records"]["flows"] == 1600 + more
        check_ledgers(s)
        key = (certs.dir / "server.key").read_text().splitlines()[1]
        assert key not in s.text() and "PRIVATE" not in s.text()
        assert s.stop() == 0, s.text()


def a_handshake_that_does_not_end(certs):
    with serve(*certs.options(), "--stream.patience", "1500ms", "--stream.sessions", "8") as s:
        silent = [socket.create_connection(("127.0.0.1", s.tls), timeout=20) for _ in range(2)]
        s.wait(lambda: of(s, "tls")["handshaking"] == 2, "two that say nothing")
        third = socket.create_connection(("127.0.0.1", s.tls), timeout=20)  # a quarter is for those who are not known yet
        s.wait(lambda: of(s, "tls")["refused"].get("untrusted_ceiling") == 1, "the third to be refused")
        s.wait(lambda: of(s, "tls")["refused"].get("slow") == 2, "patience to end")
        x = Session(s.tls, wrap=certs.wrap("router"))
        x.send(template(), records(2), n=2)
        s.wait(lambda: s.status()["records"]["flows"] == 2, "one who does")
        for c in silent + [third]:
            c.close()


def certificates_of_clients_may_be_left_out(certs):
    with serve(*certs.options(), "--tls.client_certificate", "no", "--exporters.allow", "10.0.0.0/8") as s:
        for domain, name in enumerate((None, "router")):
            x = Session(s.tls, domain=domain, wrap=certs.wrap(name))
            x.send(template(), records(3), n=3)
            s.wait(lambda: s.status()["records"]["flows"] == 3 * (domain + 1), "three records")
        assert {x["domain"]: x["trusted"] for x in s.status()["exporters"]} == {0: False, 1: True}
        refused(s, certs.wrap("stranger"), "bad_certificate")


def seen_by(s, certs):
    """The name in the server's certificate."""
    sock = certs.wrap("router")(socket.create_connection(("127.0.0.1", s.tls), timeout=20))
    name = dict(x[0] for x in sock.getpeercert()["subject"])["commonName"]
    sock.close()
    return name


def new_certificates_without_a_restart(certs):
    with tempfile.TemporaryDirectory(prefix="weir-e2e-") as tmp:
        tmp = pathlib.Path(tmp)
        tmp.chmod(0o755)
        (tmp / "data").mkdir()

        def put(name):
            for kind in ("pem", "key"):
                (tmp / f"new.{kind}").write_bytes((certs.dir / f"{name}.{kind}").read_bytes())
                (tmp / f"new.{kind}").chmod(0o600)
                (tmp / f"new.{kind}").rename(tmp / f"now.{kind}")

        put("server")
        user = ["--user", "nobody"] if os.geteuid() == 0 else []  # who may not read the key
        with serve("--tls.certificate", str(tmp / "now.pem"), "--tls.key", str(tmp / "now.key"), "--tls.client_ca", certs.path("ca.pem"), *user,
                   folder=tmp) as s:
            assert seen_by(s, certs) == "server"
            x = Session(s.tls, wrap=certs.wrap("router"))
            x.send(template(), records(1), n=1)
            s.wait(lambda: s.status()["records"]["flows"] == 1, "a record")
            put("server2")
            s.p.send_signal(signal.SIGHUP)
            s.wait(lambda: seen_by(s, certs) == "server2", "the new certificate")
            x.data(2)  # who is inside stays
            s.wait(lambda: s.status()["records"]["flows"] == 3, "two more")
            (tmp / "now.key").write_text("no key\n")
            s.p.send_signal(signal.SIGHUP)
            s.wait(lambda: "certificates from before stay" in s.text(), "the bad key to be told")
            assert seen_by(s, certs) == "server2"
            pid = s.data_pid()
            os.kill(pid, signal.SIGKILL)  # its successor has the certificates too
            s.wait(lambda: s.text().count("answers at") == 2, "the next data process", 60)
            assert seen_by(s, certs) == "server2"


def what_is_missing_is_said(certs):
    def fails(*options, say):
        with tempfile.TemporaryDirectory(prefix="weir-e2e-") as tmp:
            r = subprocess.run([WEIR, "serve", "--data", tmp + "/d", "--listen", f"tls://127.0.0.1:{free_port()}", "--http.listen", "off", *options],
                               capture_output=True, text=True, timeout=60)
            assert r.returncode != 0 and say in r.stderr, (options, r.stderr)

    one = ["--tls.certificate", certs.path("server.pem")]
    fails(say="tls.certificate")
    fails(*one, say="tls.key")
    fails(*one, "--tls.key", certs.path("server.key"), say="tls.client_ca")
    fails(*one, "--tls.key", certs.path("router.key"), "--tls.client_ca", certs.path("ca.pem"), say="tls.certificate, tls.key")
    fails(*one, "--tls.key", certs.path("server.key"), "--tls.client_ca", certs.path("server.key"), say="tls.client_ca")
    fails(*one, "--tls.key", certs.path("nothing"), "--tls.client_ca", certs.path("ca.pem"), say="No such file")


CASES = [who_is_let_in, a_handshake_that_does_not_end, certificates_of_clients_may_be_left_out, new_certificates_without_a_restart,
         what_is_missing_is_said]

if __name__ == "__main__":
    names = sys.argv[2:] or [c.__name__ for c in CASES]
    with tempfile.TemporaryDirectory(prefix="weir-e2e-") as hold:
        CERTS = Certificates(hold)
        os.chmod(hold, 0o755)
        for case in CASES:
            if case.__name__ in names:
                begin = time.monotonic()
                case(CERTS)
                print(f"{case.__name__}: {time.monotonic() - begin:.1f} s", flush=True)
    print(f"{len(names)} passed, 0 failed")
