#!/usr/bin/env python3
"""Does the layer of disk.h know every system call that src/os/file.c and src/os/map.c make?

usage: disk_known.py LIBRARY CALL...   (the calls that the linker wraps)
"""
import re
import subprocess
import sys

# neither files nor folders change by these, or they cannot fail in a way that matters
HARMLESS = {"access", "clock_gettime", "closedir", "free", "getgrgid_r", "getpid", "getpwuid_r", "madvise", "munmap", "sysconf",
            "pthread_mutex_lock", "pthread_mutex_unlock", "pthread_once", "sigaction", "sigemptyset", "signal"}
# not system calls: libc's pure part, this tree's own functions, the compiler's
PURE = re.compile(r"^(_GLOBAL_OFFSET_TABLE_|__.*|buf_.*|err_.*|fault_.*|os_fail|mem\w+|str\w+|(v)?snprintf)$")


def undefined(library):
    out = subprocess.run(["nm", "-u", library], check=True, stdout=subprocess.PIPE, text=True).stdout
    inside, names = False, set()
    for line in out.splitlines():
        if line.endswith(":"):
            inside = line.rstrip(":").endswith(("src_os_file.c.o", "src_os_map.c.o"))
        elif inside and line.split():
            names.add(line.split()[-1].split("@")[0])
    return names


def main():
    calls, names = set(sys.argv[2:]), undefined(sys.argv[1])
    if "fsync" not in names:
        sys.exit("src/os/file.c is not in the library, or nm says nothing of it")
    forgotten = sorted(n for n in names if n not in calls | HARMLESS and not PURE.match(n))
    if forgotten:
        sys.exit("src/os calls " + ", ".join(forgotten) + ": not in the layer, see ARCHITECTURE.md")
    print(f"{len(names & calls)} system calls of src/os/file.c are in the layer")


main()
