#!/usr/bin/env python3
"""Check the rules of the house that a script can check. Prints each breach; exit 1 if there is one.

* a file includes its own folder and lower floors only (ARCHITECTURE.md, "Floors")
* no banned call; system headers beyond libc's pure part only where the table allows them
* each public header opens with the line "/* folder/name.h - what it is"
"""
import pathlib
import re
import sys

FLOOR = {"base": 0, "os": 1, "codec": 1, "gen": 1, "flow": 2, "conf": 2, "decode": 3, "encode": 3, "enrich": 3, "meta": 3, "store": 3,
         "detect": 3, "query": 4, "alert": 4, "notify": 4, "mitigate": 4, "collect": 4, "convert": 4, "present": 5,
         "http": 6, "cmd": 7}
# folders on one floor that may use each other, from the table of the design: collect feeds store and detect
SAME_FLOOR = {}
SYSTEM = {"unistd.h", "fcntl.h", "dirent.h", "poll.h", "pthread.h", "sched.h", "signal.h", "pwd.h", "grp.h", "syslog.h",
          "netdb.h"}
SYSTEM_OK = {"os"}
BANNED = re.compile(r"\b(sprintf|vsprintf|strcpy|strcat|strncpy|strtok|atoi|atol|rand|gmtime|localtime|alloca|gets)\s*\(")
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.M)


def strip(text):
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    text = re.sub(r"//[^\n]*", "", text)
    return re.sub(r'"(\\.|[^"\\\n])*"', '""', text)


def check(root):
    bad = []
    src = root / "src"
    for path in sorted(src.rglob("*.[ch]")):
        rel = path.relative_to(src)
        text = path.read_text(encoding="utf-8")
        folder = rel.parts[0] if len(rel.parts) > 1 else None
        level = FLOOR.get(folder, 7)
        if folder is not None and folder not in FLOOR:
            bad.append(f"src/{rel}: folder {folder} is on no floor")
        for kind, name in INCLUDE.findall(text):
            if kind == "<":
                if (name in SYSTEM or name.startswith(("sys/", "net/", "linux/"))) and folder not in SYSTEM_OK:
                    bad.append(f"src/{rel}: <{name}> belongs to src/os")
                continue
            other = name.split("/")[0] if "/" in name else folder
            if other == folder or folder is None:
                continue
            if other not in FLOOR:
                bad.append(f'src/{rel}: "{name}" is on no floor')
            elif FLOOR[other] >= level and other not in SAME_FLOOR.get(folder, ()):
                bad.append(f'src/{rel}: "{name}" is not below floor {level}')
        for m in BANNED.finditer(strip(text)):
            bad.append(f"src/{rel}: {m.group(1)}() is banned")
        if folder not in (None, "gen") and path.suffix == ".h" and not text.startswith(f"/* {rel} - "):
            bad.append(f'src/{rel}: the first line must be "/* {rel} - what it is"')
    return bad


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    bad = check(root)
    print("\n".join(bad) if bad else "floors: all includes go downward")
    sys.exit(1 if bad else 0)


main()
