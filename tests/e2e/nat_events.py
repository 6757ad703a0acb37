"""Made-up NAT devices: sessions and blocks of ports come and go; what they tell as IPFIX (RFC 8158), and the truth."""
import bisect
import collections
import heapq
import ipaddress
import random
import struct

SESSION, BLOCK = 256, 257
#           observationTimeMilliseconds, natEvent, source, post-NAT source, ports, protocol, destination
FIELDS = {SESSION: [(323, 8), (230, 1), (8, 4), (225, 4), (7, 2), (227, 2), (4, 1), (12, 4), (11, 2)],
          BLOCK: [(323, 8), (230, 1), (8, 4), (225, 4), (361, 2), (362, 2)]}
PACK = {SESSION: struct.Struct(">QB4s4sHHB4sH"), BLOCK: struct.Struct(">QB4s4sHH")}
START_MS = 1_772_000_000_000


class World:
    def __init__(self, sessions, blocks, publics=64, span_s=86400, seed=7, block_size=512, start_ms=START_MS):
        self.r, self.start_ms = random.Random(seed), start_ms
        self.publics = [ipaddress.ip_address("203.0.113.0") + i for i in range(publics)]
        self.packed = [a.packed for a in self.publics]
        self.span_ms, self.block_size = span_s * 1000, block_size
        self.truth = collections.defaultdict(list)  # (public, port, proto) -> [(from, to, inside, inside port)]
        self.blocks = collections.defaultdict(list)  # (public, first port) -> [(from, to, inside)]
        self.sessions, self.n_blocks = sessions, blocks

    def events(self):
        """(ms, template, record octets) in order of time."""
        r, heap, n = self.r, [], 0
        step = self.span_ms / max(self.sessions, 1)
        busy = {}
        pack = PACK[SESSION].pack
        plan = self._block_plan()
        k = 0
        for i in range(self.sessions):
            t = self.start_ms + int(i * step)
            while k < len(plan) and plan[k][0] <= t:
                yield plan[k]
                k += 1
            while heap and heap[0][0] <= t:
                e = heapq.heappop(heap)
                yield e[0], SESSION, e[2]
            for _ in range(50):
                pub, port, proto = r.randrange(len(self.packed)), r.randrange(1024, 32768), 6 if r.random() < 0.7 else 17
                key = (pub, port, proto)
                if busy.get(key, 0) < t:
                    break
            else:
                continue
            inside, inside_port = 0x64400000 + r.randrange(1 << 17), r.randrange(1024, 65536)
            took = int(r.expovariate(1 / 60000)) + 1
            over = t + took
            busy[key] = over
            a, dst = struct.pack(">I", inside), struct.pack(">I", 0x08000000 + r.randrange(1 << 16))
            dport = r.choice((443, 80, 53))
            yield t, SESSION, pack(t, 4, a, self.packed[pub], inside_port, port, proto, dst, dport)
            told = r.random() < 0.98
            if told:
                heapq.heappush(heap, (over, n, pack(over, 5, a, self.packed[pub], inside_port, port, proto, dst, dport)))
            n += 1
            self.truth[key].append((t, over if told else None, inside, inside_port))
        rest = [(e[0], SESSION, e[2]) for e in heap] + plan[k:]
        yield from sorted(rest, key=lambda e: e[0])

    def _block_plan(self):
        """Ports 32768 and above are given out in blocks."""
        r, out = self.r, []
        until = {}
        for _ in range(self.n_blocks):
            pub, first = r.randrange(len(self.packed)), 32768 + self.block_size * r.randrange(32768 // self.block_size)
            t = max(self.start_ms + r.randrange(self.span_ms), until.get((pub, first), 0) + 1)
            over = t + r.randrange(60_000, 6 * 3600_000)
            until[pub, first] = over
            inside = 0x64400000 + r.randrange(1 << 17)
            a = struct.pack(">I", inside)
            for at, what in ((t, 16), (over, 17)):
                out.append((at, BLOCK, PACK[BLOCK].pack(at, what, a, self.packed[pub], first, first + self.block_size - 1)))
            self.blocks[pub, first].append((t, over, inside))
        out.sort(key=lambda e: e[0])
        return out

    def owner(self, pub, port, proto, at):
        """(inside, inside port or None) at a moment; None: nobody."""
        if port >= 32768:
            first = port - (port - 32768) % self.block_size
            for a, b, inside in self.blocks.get((pub, first), ()):
                if a <= at < b:
                    return inside, None
            return None
        runs = self.truth.get((pub, port, proto), [])
        i = bisect.bisect_right([x[0] for x in runs], at) - 1
        if i < 0:
            return None
        a, b, inside, inside_port = runs[i]
        return (inside, inside_port) if b is None or at < b else None

    def lasting(self):
        """An event of any kind, at random: (public, port, protocol, moment inside it)."""
        if not hasattr(self, "keys"):
            self.keys, self.block_keys = list(self.truth), list(self.blocks)
        r = self.r
        if self.block_keys and r.random() < 0.3:
            pub, first = r.choice(self.block_keys)
            a, b, _ = r.choice(self.blocks[pub, first])
            return pub, first + r.randrange(self.block_size), 6, r.randrange(a, b)
        pub, port, proto = r.choice(self.keys)
        a, b, *_ = r.choice(self.truth[pub, port, proto])
        return pub, port, proto, r.randrange(a, b or a + 60_000)


def ipfix(events, domain=1, most=60, export_ms=None):
    """Messages of RFC 7011, one behind the other; export time is that of the newest record, where it is not given."""
    seq = 0
    head = b""
    for number, fields in FIELDS.items():
        head += struct.pack(">HH", number, len(fields)) + b"".join(struct.pack(">HH", *f) for f in fields)
    head = struct.pack(">HH", 2, 4 + len(head)) + head
    first = True

    def message(sets, n, ms):
        nonlocal seq, first
        body = (head if first else b"") + b"".join(struct.pack(">HH", k, 4 + len(v)) + v for k, v in sets)
        first = False
        m = struct.pack(">HHIII", 10, 16 + len(body), (export_ms or ms) // 1000, seq, domain) + body
        seq += n
        return m

    sets, n, last = [], 0, None
    for ms, kind, octets in events:
        if n >= most or (last is not None and ms // 1000 != last // 1000):
            yield message(sets, n, last)
            sets, n = [], 0
        if sets and sets[-1][0] == kind:
            sets[-1] = (kind, sets[-1][1] + octets)
        else:
            sets.append((kind, octets))
        n += 1
        last = ms
    if n:
        yield message(sets, n, last)
