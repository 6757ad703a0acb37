#!/usr/bin/env python3
"""usage: filter.py UNIT PROGRAM [ARGUMENT...]
Run a program under what a unit file asks for and what can be had without systemd: its filter of system calls, no
memory that is both writable and executable, no new privileges; and, as root, as nobody without any capability."""
import configparser
import ctypes
import os
import subprocess
import sys

ERRNO = 0x00050000  # SCMP_ACT_ERRNO(n)
ALLOW = 0x7FFF0000
PR_SET_NO_NEW_PRIVS, PR_CAPBSET_DROP, PR_SET_MDWE = 38, 24, 65


def settings(unit):
    """Service settings, each with all of its values."""
    class Many(dict):
        def __setitem__(self, key, value):
            if isinstance(value, list) and key in self:
                self[key].extend(value)
            else:
                super().__setitem__(key, value)
    c = configparser.RawConfigParser(dict_type=Many, strict=False)
    c.optionxform = str
    c.read(unit)
    return {k: v.splitlines() for k, v in c["Service"].items()}


def group(name):
    out = set()
    for line in subprocess.run(["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, check=True).stdout.splitlines():
        word = line.strip()
        if word.startswith("@") and word != name:
            out |= group(word)
        elif word and not word.startswith(("@", "#")):
            out.add(word)
    return out


def allowed(lines):
    out = set()
    for line in lines:
        minus = line.startswith("~")
        for word in line.lstrip("~").split():
            names = group(word) if word.startswith("@") else {word}
            out = out - names if minus else out | names
    return out | {"execve", "exit", "exit_group", "rt_sigreturn"}


def main():
    unit, words = sys.argv[1], sys.argv[2:]
    want = settings(unit)
    names = allowed(want["SystemCallFilter"])
    libc = ctypes.CDLL(None, use_errno=True)
    lib = ctypes.CDLL("libseccomp.so.2")
    lib.seccomp_init.restype = ctypes.c_void_p
    lib.seccomp_rule_add.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint]
    lib.seccomp_load.argtypes = [ctypes.c_void_p]
    f = lib.seccomp_init(ERRNO | 1)
    n = 0
    for name in names:
        number = lib.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:
            n += lib.seccomp_rule_add(f, ALLOW, number, 0) == 0
    assert n > 200, n
    if os.geteuid() == 0:
        for cap in range(64):
            libc.prctl(PR_CAPBSET_DROP, cap, 0, 0, 0)
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
    assert libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    if want.get("MemoryDenyWriteExecute") == ["yes"]:
        libc.prctl(PR_SET_MDWE, 1, 0, 0, 0)  # since Linux 6.3
    assert lib.seccomp_load(f) == 0
    os.execv(words[0], words)


main()
