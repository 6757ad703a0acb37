"""Write MaxMind DB files (format version 2.0): for tests and seeds."""
import struct


class U16(int):
    kind = 5


class U64(int):
    kind = 9


def encode(v):
    """A value of a MaxMind DB (its format, version 2.0)."""
    kind, body = ((2, v.encode()) if isinstance(v, str) else (7, b"".join(encode(k) + encode(x) for k, x in v.items()))
                  if isinstance(v, dict) else (11, b"".join(map(encode, v))) if isinstance(v, list)
                  else (getattr(v, 'kind', 6), v.to_bytes((v.bit_length() + 7) // 8, "big")))
    n = len(v) if isinstance(v, (dict, list)) else len(body)
    assert n < 285
    low, more = (n, b"") if n < 29 else (29, bytes([n - 29]))
    return (bytes([kind << 5 | low]) if kind < 8 else bytes([low, kind - 7])) + more + body


def mmdb(path, networks, bits=128, name="Made-Up"):
    """networks: (ip_network, dict) pairs; a more specific one lies on a less specific one."""
    tree, data, at = [[None, None]], b"", {}

    def put(net, value):
        nonlocal data
        key = repr(value)
        if key not in at:
            at[key] = len(data)
            data += encode(value)
        a = int(net.network_address)
        depth = net.prefixlen + (96 if bits == 128 and net.version == 4 else 0)
        node = 0
        for i in range(depth - 1):
            b = a >> (bits - 1 - i) & 1
            if not isinstance(tree[node][b], int):
                tree.append([tree[node][b], tree[node][b]])
                tree[node][b] = len(tree) - 1
            node = tree[node][b]
        tree[node][a >> (bits - depth) & 1] = ("data", at[key])

    for net, value in sorted(networks, key=lambda x: x[0].prefixlen + (96 if x[0].version == 4 else 0)):
        put(net, value)
    n = len(tree)
    out = b"".join(struct.pack("!I", n if r is None else r if isinstance(r, int) else n + 16 + r[1])
                   for node in tree for r in node)
    meta = {"node_count": n, "record_size": U16(32), "ip_version": U16(6 if bits == 128 else 4), "database_type": name, "languages": ["en"],
            "binary_format_major_version": U16(2), "binary_format_minor_version": U16(0), "build_epoch": U64(1767225600), "description": {"en": name}}
    path.write_bytes(out + bytes(16) + data + b"\xab\xcd\xefMaxMind.com" + encode(meta))
