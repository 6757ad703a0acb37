#!/usr/bin/env python3
"""Send a small generated NetFlow v9 capture to 127.0.0.1:2055 in a loop, with current times.

usage: sample.py FLOWGEN PCAP [PORT]

Only the clock of the datagram headers is rewritten: v9 record times are relative to it, so every
record ends a few seconds ago. About 300 flows a second, from four loopback addresses. Stops by
itself after an hour.
"""
import os
import socket
import struct
import subprocess
import sys
import time

RECORDS, DATAGRAMS_PER_SECOND, STOP_AFTER_S = 40000, 15, 3600


def datagrams(path):
    with open(path, "rb") as f:
        data = f.read()
    at = 24
    while at + 16 <= len(data):
        (n,) = struct.unpack_from("<I", data, at + 8)
        packet = data[at + 16:at + 16 + n]
        at += 16 + n
        ip = packet[14:]
        udp = ip[(ip[0] & 15) * 4:]
        yield bytearray(udp[8:])


def main():
    flowgen, path = sys.argv[1], sys.argv[2]
    port = int(sys.argv[3]) if len(sys.argv) > 3 else 2055
    if not os.path.exists(path):
        subprocess.run([flowgen, "-n", str(RECORDS), "-9", path], check=True, stderr=subprocess.DEVNULL)
    all_ = list(datagrams(path))
    socks, sequence = {}, {}
    stop = time.monotonic() + STOP_AFTER_S
    boot = time.time() - 30 * 86400
    while time.monotonic() < stop:
        for d in all_:
            source = struct.unpack_from(">I", d, 16)[0]
            if source not in socks:
                s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                s.bind((f"127.0.0.{10 + source}", 0))
                socks[source], sequence[source] = s, 0
            was_up, now = struct.unpack_from(">I", d, 4)[0], time.time()
            up = int((now - boot) * 1000) & 0xffffffff
            struct.pack_into(">IIII", d, 4, up, int(now), sequence[source], source)
            shift_times(d, (up - was_up) & 0xffffffff)
            sequence[source] += 1
            try:
                socks[source].sendto(d, ("127.0.0.1", port))
            except OSError:
                pass  # the collector is not there (yet)
            if time.monotonic() > stop:
                return
            time.sleep(1 / DATAGRAMS_PER_SECOND)


templates = {}


def shift_times(d, by):
    """Move FIRST_SWITCHED (22) and LAST_SWITCHED (21) of every data record by `by` ms."""
    at = 20
    while at + 4 <= len(d):
        set_id, n = struct.unpack_from(">HH", d, at)
        if n < 4:
            return
        if set_id == 0:
            learn(d, at + 4, at + n)
        elif set_id in templates:
            size, times = templates[set_id]
            for rec in range(at + 4, at + n - size + 1, size):
                for off in times:
                    (v,) = struct.unpack_from(">I", d, rec + off)
                    struct.pack_into(">I", d, rec + off, (v + by) & 0xffffffff)
        at += n


def learn(d, at, end):
    while at + 4 <= end:
        tid, n = struct.unpack_from(">HH", d, at)
        at += 4
        size, times = 0, []
        for _ in range(n):
            fid, flen = struct.unpack_from(">HH", d, at)
            if fid in (21, 22):
                times.append(size)
            size += flen
            at += 4
        templates[tid] = (size, times)


main()
