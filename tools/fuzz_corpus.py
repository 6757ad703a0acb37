#!/usr/bin/env python3
"""Make the corpora of the fuzz targets nf5, nf9 and ipfix from the captures of tests/data.

usage: fuzz_corpus.py ROOT

One file a capture: its datagrams of that version as pieces of 2 octets length, 1 octet port, then the
datagram without its version (see tests/fuzz/fuzz_decode.h). At most 12 kB a file.
"""
import pathlib
import struct
import sys

ROOT = pathlib.Path(sys.argv[1])
TARGET = {5: "nf5", 9: "nf9", 10: "ipfix"}


def datagrams(path):
    data = path.read_bytes()
    at = 24
    while at + 16 <= len(data):
        n = struct.unpack_from("<I", data, at + 8)[0]
        p = data[at + 16:at + 16 + n]
        at += 16 + n
        if p[12:14] == b"\x08\x00" and p[23] == 17:
            yield p[14 + (p[14] & 15) * 4 + 8:]


for cap in sorted(ROOT.glob("tests/data/**/*.pcap")):
    out = {}
    for g in datagrams(cap):
        if len(g) < 2 or struct.unpack_from(">H", g)[0] not in TARGET:
            continue
        piece = struct.pack(">HB", len(g) - 2, 0) + g[2:]
        have = out.setdefault(struct.unpack_from(">H", g)[0], bytearray())
        if len(have) + len(piece) <= 12000:
            have += piece
    for version, octets in out.items():
        folder = ROOT / "tests/fuzz/corpus" / TARGET[version]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / cap.stem).write_bytes(bytes(octets))
