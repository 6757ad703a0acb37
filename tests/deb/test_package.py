#!/usr/bin/env python3
"""usage: test_package.py BUILD
Make the Debian package out of a build folder, look through it, unpack it into a folder, and run what came out: the
program, and the unit as far as it goes without systemd."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.argv[1] = str(pathlib.Path(sys.argv[1]).resolve())
sys.path.insert(0, str(ROOT / "tests/e2e"))


def run(*words, **how):
    r = subprocess.run([str(w) for w in words], capture_output=True, text=True, timeout=300, **how)
    assert r.returncode == 0, (words, r.stdout, r.stderr)
    return r.stdout


def contents_are_what_debian_expects(deb, folder):
    listed = run("dpkg-deb", "-c", deb)
    for line in listed.splitlines():
        assert " root/root " in line, line
        assert not re.match(r".{4,8}s|.{8}w", line.split()[0]), line  # no setuid, nobody else writes
    names = {line.split()[5] for line in listed.splitlines()}
    for want in ("usr/bin/weir", "usr/lib/systemd/system/weir.service", "usr/share/man/man1/weir.1.gz", "usr/share/man/man5/weir.yaml.5.gz",
                 "usr/share/bash-completion/completions/weir", "usr/share/doc/weir/guide.md", "usr/share/doc/weir/copyright",
                 "etc/weir/weir.yaml", "etc/logrotate.d/weir", "usr/lib/sysctl.d/10-weir.conf"):
        assert f"./{want}" in names, (want, sorted(names))
    inside = run("dpkg-deb", "-f", deb)
    for library in ("libc6", "libzstd1", "libsystemd0", "libyaml-0-2"):
        assert re.search(rf"^Depends:.*\b{library} \(?|^Depends:.*\b{library},", inside, re.M), inside
    if shutil.which("lintian"):  # the address is of whoever makes it (DEBEMAIL)
        r = subprocess.run(["lintian", "--allow-root", "--suppress-tags", "bogus-mail-host,bogus-mail-host-in-debian-changelog", deb],
                           capture_output=True, text=True, timeout=300)
        assert not re.search(r"^[EW]: ", r.stdout, re.M) and r.returncode == 0, r.stdout + r.stderr
    run("dpkg-deb", "-x", deb, folder)
    control = pathlib.Path(folder) / "DEBIAN"
    run("dpkg-deb", "-e", deb, control)
    for script in ("config", "postinst", "prerm", "postrm"):
        run("sh", "-n", control / script)
    run("md5sum", "-c", "--quiet", control / "md5sums", cwd=folder)


def the_program_runs(folder):
    weir = pathlib.Path(folder) / "usr/bin/weir"
    assert run(weir, "--version").startswith("weir ")
    with tempfile.TemporaryDirectory() as d:
        conf = pathlib.Path(folder) / "etc/weir/weir.yaml"
        assert "is valid" in run(weir, "config", "check", "--config", conf)
        text = conf.read_text()
        for line in re.findall(r"^# (?=[a-z._]+:|  )(.*)$", text, re.M):  # what is commented out is valid too
            text = text.replace("# " + line, line)
        (pathlib.Path(d) / "all.yaml").write_text(text)
        shown = run(weir, "config", "show", "--config", f"{d}/all.yaml")
        assert re.search(r"^retention.free +20G ", shown, re.M) and re.search(r"^listen .*2055 .*4739", shown, re.M), shown
        if shutil.which("logrotate"):
            rotate = pathlib.Path(folder) / "etc/logrotate.d/weir"
            made = pathlib.Path(d) / "rotate"
            made.write_text(rotate.read_text().replace("su weir weir", "su root root").replace("weir weir", "root root"))
            made.chmod(0o644)
            if os.geteuid() == 0:
                run("logrotate", "-d", "-s", f"{d}/state", made)


def the_unit_is_valid_and_confined(folder):
    unit = pathlib.Path(folder) / "usr/lib/systemd/system/weir.service"
    if not shutil.which("systemd-analyze"):
        return
    with tempfile.TemporaryDirectory() as d:
        text = unit.read_text()
        assert "ExecStart=/usr/bin/weir serve\n" in text, text
        here = pathlib.Path(d) / "weir.service"
        here.write_text(re.sub(r"^Documentation=.*\n|^(User|Group)=.*\n", "", text, flags=re.M).replace("/usr/bin/weir", f"{folder}/usr/bin/weir"))
        r = subprocess.run(["systemd-analyze", "verify", "--man=no", here], capture_output=True, text=True, timeout=60)
        said = [line for line in r.stderr.splitlines() if "weir" in line]
        assert not said, r.stderr
        out = run("systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=20", unit)
        print(out.strip().splitlines()[-1])


def the_server_works_under_the_unit(folder):
    """Its filter of system calls, no capability, another user: receive, seal, ask, restart with the sockets kept."""
    from harness import Server, v5
    from manager import Manager
    unit = f"{folder}/usr/lib/systemd/system/weir.service"
    with tempfile.TemporaryDirectory() as d:
        os.chmod(d, 0o777)
        m = Manager(d)
        os.chmod(m.path, 0o777)
        confined = [sys.executable, str(ROOT / "tests/deb/filter.py"), unit]
        with Server(f"{folder}/usr/bin/weir", "--seal.rows", "500", folder=d,
                    popen=lambda words, **how: m.start([*confined, *words], **how)) as s:
            s.wait(lambda: "READY=1" in m.said, "READY=1")
            s.send([v5(i * 30, 30) for i in range(100)])
            s.wait(lambda: s.status()["records"]["flows"] == 3000, "the records")
            s.wait(lambda: s.status()["records"]["sealed"] > 0, "a segment")
            assert s.totals("--by", "src ip")["flows"] == 3000
            s.run("query", "payload content ~ 'x.*y' or port 443")  # an expression may want to be compiled
            assert s.stop() == 0, s.text()
            s.send([v5(3000, 30)])  # nobody runs; the manager keeps the socket
            s.start()
            s.wait(lambda: s.status()["records"]["flows"] == 3030, "what came meanwhile")
            status = pathlib.Path(f"/proc/{s.data_pid()}/status").read_text()
            assert re.search(r"^CapEff:\s0+$", status, re.M) and re.search(r"^NoNewPrivs:\s1$", status, re.M), status
            assert re.search(r"^Seccomp:\s2$", status, re.M), status
            assert s.stop() == 0, s.text()
            assert "cannot" not in s.text() and "not confined" not in s.text(), s.text()


def main():
    deb = run(ROOT / "tools/deb.sh", sys.argv[1]).strip()
    with tempfile.TemporaryDirectory(prefix="weir-deb-") as folder:
        os.chmod(folder, 0o755)
        contents_are_what_debian_expects(deb, folder)
        print("ok contents", flush=True)
        the_program_runs(folder)
        print("ok program", flush=True)
        the_unit_is_valid_and_confined(folder)
        print("ok unit", flush=True)
        sys.argv[1] = f"{folder}/usr/bin/weir"
        the_server_works_under_the_unit(folder)
        print("ok server under the unit's limits", flush=True)


main()
