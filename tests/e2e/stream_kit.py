"""For the tests of TCP and TLS: IPFIX messages, sessions, and what the server says of them."""
import socket
import struct
import time

FIELDS = [(8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (1, 4), (2, 4), (152, 8), (153, 8)]


def free_port():
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    port = s.getsockname()[1]
    s.close()
    return port


def a_set(number, body):
    return struct.pack("!HH", number, 4 + len(body)) + body


def template(tid=300, fields=None):
    fields = FIELDS if fields is None else fields
    return a_set(2, struct.pack("!HH", tid, len(fields)) + b"".join(struct.pack("!HH", *f) for f in fields))


def withdrawal(tid=300):
    return a_set(2, struct.pack("!HH", tid, 0))


def records(n, tid=300, base=0, fields=None):
    fields = FIELDS if fields is None else fields
    now = int(time.time() * 1000)
    value = {8: 0x0A000000, 12: 0xC0A80001, 7: 1024, 11: 443, 4: 6, 1: 100, 2: 2, 152: now - 2000, 153: now - 1000}
    out = b""
    for i in range(n):
        for number, octets in fields:
            v = value[number] + ((base + i) % 60000 if number == 8 else 0)
            out += v.to_bytes(octets, "big")
    return a_set(tid, out)


def message(*sets, seq=0, domain=1):
    body = b"".join(sets)
    return struct.pack("!HHIII", 10, 16 + len(body), int(time.time()), seq, domain) + body


def v9(*sets, seq=0):
    return struct.pack("!HHIIII", 9, 1, 3600_000, int(time.time()), seq, 0) + b"".join(sets)


class Session:
    """An exporter's session; numbers its records."""

    def __init__(self, port, domain=1, address="127.0.0.1", wrap=None):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=20, source_address=(address, 0))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if wrap:
            self.sock = wrap(self.sock)
        self.domain, self.seq = domain, 0

    def send(self, *sets, n=0):
        self.sock.sendall(message(*sets, seq=self.seq, domain=self.domain))
        self.seq += n

    def data(self, n, **kw):
        self.send(records(n, **kw), n=n)

    def is_closed(self, seconds=10):
        self.sock.settimeout(seconds)
        try:
            while self.sock.recv(100):  # an alert
                pass
            return True
        except TimeoutError:
            return False
        except OSError:
            return True

    def close(self):
        self.sock.close()


def of(server, scheme="tcp"):
    """The sessions of the listener of that scheme."""
    return next(x for x in server.status()["listeners"] if x["listen"].startswith(scheme + "://"))["sessions"]


def check_ledgers(server):
    """Every octet that was a message is accounted for, and so is every session."""
    st = server.status()
    d, s = st["datagrams"], st["sets"]
    assert d["accepted"] + sum(d["refused"].values()) + d.get("session_ends", 0) == d["total"], d
    assert s["decoded"] + s["template"] + s["waiting"] + sum(s["expired"].values()) + sum(s["malformed"].values()) == s["total"], s
    for x in st["listeners"]:
        if "sessions" in x:
            t = x["sessions"]
            assert t["accepted"] == t["open"] + sum(t["ended"].values()), t
    return st


def another_implementation(stream, n, domain=9):
    """n records by Debian's python3-ipfix into a stream, with a text of any length and short counters; (bytes, packets).
    None: it is not installed."""
    try:
        import datetime
        import ipaddress

        import ipfix.ie
        import ipfix.template
        import ipfix.writer
    except ImportError:
        return None
    ipfix.ie.use_iana_default()
    spec = ["sourceIPv4Address", "destinationIPv4Address", "sourceTransportPort", "destinationTransportPort", "protocolIdentifier",
            "octetDeltaCount[4]", "packetDeltaCount[2]", "flowStartMilliseconds", "flowEndMilliseconds", "interfaceName"]
    w = ipfix.writer.to_stream(stream, mtu=1400)
    w.set_domain(domain)
    w.add_template(ipfix.template.from_ielist(256, ipfix.ie.spec_list(spec)))
    w.set_export_template(256)
    now = datetime.datetime.utcfromtimestamp(int(time.time()))
    total = 0
    for i in range(n):
        w.export_namedict({"sourceIPv4Address": ipaddress.ip_address(0x0A010000 + i), "destinationIPv4Address": ipaddress.ip_address("192.0.2.1"),
                           "sourceTransportPort": 1024 + i, "destinationTransportPort": 53, "protocolIdentifier": 17, "octetDeltaCount": 60 + i,
                           "packetDeltaCount": 1 + i % 3, "flowStartMilliseconds": now - datetime.timedelta(seconds=2),
                           "flowEndMilliseconds": now, "interfaceName": "eth" + "0" * (i % 300)})
        total += 60 + i
    w.flush()
    return total, sum(1 + i % 3 for i in range(n))
