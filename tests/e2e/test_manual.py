#!/usr/bin/env python3
"""usage: test_manual.py WEIR
Manual pages and shell completion, made from the table of commands: complete, and clean for their readers."""
import pathlib
import re
import shutil
import subprocess
import sys

WEIR = sys.argv[1]
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def run(*words, **how):
    r = subprocess.run(words, capture_output=True, text=True, timeout=120, **how)
    assert r.returncode == 0, (words, r.stdout, r.stderr)
    return r.stdout


def commands():
    return re.findall(r"^  (\w+) {2,}", run(WEIR, "help"), re.M)


def options(command):
    return re.findall(r"^  (?:-\w, |    )--(\S+)", run(WEIR, "help", command), re.M)


def every_command_has_its_page_and_is_installed():
    listed = re.search(r"manual_pages = \[(.*?)\]", (ROOT / "package/meson.build").read_text(), re.S).group(1)
    pages = re.findall(r"'([^']+)'", listed)
    assert sorted(pages) == sorted(["weir", "weir.yaml", *(f"weir-{c}" for c in commands())]), pages
    for page in pages:
        text = run(WEIR, "manual", page)
        for o in options(page[5:]) if page.startswith("weir-") else ():
            assert "\\fB\\-\\-" + o.replace("-", "\\-") + "\\fR" in text, (page, o)
        if shutil.which("mandoc"):
            r = subprocess.run(["mandoc", "-T", "lint"], input=text, capture_output=True, text=True, timeout=60)
            bad = [line for line in r.stdout.splitlines() if "input text line longer than 80 bytes" not in line]
            assert not bad, (page, bad)
        if shutil.which("man"):
            r = subprocess.run(["man", "--warnings", "-l", "-"], input=text, capture_output=True, text=True, timeout=60)
            assert r.returncode == 0 and not r.stderr.strip(), (page, r.stderr)
    every = (ROOT / "data/options.csv").read_text().splitlines()[1:]
    text = run(WEIR, "manual", "weir.yaml")
    for line in every:
        assert f"\\fB{line.split(',')[0]}\\fR: " in text, line


def bash_completes():
    script = run(WEIR, "completion", "bash")

    def ask(*words):
        return run("bash", "-c", 'eval "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _weir; '
                   'printf "%s\\n" "${COMPREPLY[@]}"', "bash", script, "weir", *words).split()

    assert set(ask("")) == {"help", "--version", *commands()}, ask("")
    for c in commands():
        assert set(ask(c, "--")) == {"--help", *(f"--{o}" for o in options(c))}, (c, ask(c, "--"))
    assert ask("query", "--output", "") == ask("query", "-o", "") == ["table", "csv", "json", "ndjson"]
    assert ask("serve", "--log.level", "n") == ["notice"]
    assert ask("config", "") == ["check", "show", "export", "apply"]
    assert ask("group", "re") == ["remove"]
    assert "/proc" in ask("config", "apply", "/pro")
    assert ask("help", "sn") == ["snapshot"]
    assert ask("query", "--data", "/pro") == ["/proc"]


def zsh_completes():
    script = run(WEIR, "completion", "zsh")
    # outside of the line editor: what would be offered, from stand-ins of the two functions that offer
    def ask(*words):
        return run("zsh", "-fc", 'script=$1; shift; _arguments() { print -rl -- "$@" }; _describe() { print -rl -- ${(P)2} }; '
                   'words=("$@"); CURRENT=$#; eval "$script"', "zsh", script, "weir", *words)

    assert {c for c in re.findall(r"^(\w+):", ask(""), re.M)} == {"help", *commands()}
    for c in commands():
        given = re.findall(r"^\*?--([^\[]+)\[", ask(c, ""), re.M)
        assert sorted(given) == sorted(["help", *options(c)]), (c, given)
    assert ":value:(table csv json ndjson)" in ask("query", "")


def fish_completes():
    script = run(WEIR, "completion", "fish")

    def ask(line):
        out = run("fish", "--no-config", "-c", script + f"\ncomplete -C {line!r}")
        return {x.split("\t")[0] for x in out.splitlines()}

    assert ask("weir ") >= {"help", *commands()}
    assert ask("weir query --output ") == {"table", "csv", "json", "ndjson"}
    assert ask("weir config ") == {"check", "show", "export", "apply"}
    for c in commands():
        assert ask(f"weir {c} --") >= {f"--{o}" for o in options(c)}, c


every_command_has_its_page_and_is_installed()
bash_completes()
if shutil.which("zsh"):
    zsh_completes()
if shutil.which("fish"):
    fish_completes()
