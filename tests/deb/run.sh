#!/bin/sh
# Install, upgrade under load, remove, install again and purge the package in a fresh Debian of its own.
# usage: run.sh BUILD      WORK: folder to make it in, kept if it is given; MIRROR, SUITE: of debootstrap
# Needs root, debootstrap and the network. Mounts end with the script: they are made in a namespace of their own.
set -eu
if [ "${1:-}" != --inside ]; then
    [ "$(id -u)" = 0 ] || { echo "run it as root: it makes a Debian of its own" >&2; exit 1; }
    exec unshare --mount --propagation private "$0" --inside "$@"
fi
build=$2
here=$(cd "$(dirname "$0")/../.." && pwd)
mirror=${MIRROR:-http://deb.debian.org/debian}
suite=${SUITE:-$(. /etc/os-release && echo "$VERSION_CODENAME")}
if [ -z "${WORK:-}" ]; then
    WORK=$(mktemp -d)
    trap 'umount -R "$WORK/root/proc" 2>/dev/null; rm -rf --one-file-system "$WORK"' EXIT
fi
root=$WORK/root
flows() { in_root weir query -o json | sed -n 's/.*"totals":{"flows":\([0-9]*\).*/\1/p'; }
step() { echo "== $*"; }
fail() { echo "FAILED: $*" >&2; exit 1; }
in_root() { chroot "$root" env DEBIAN_FRONTEND="${FRONTEND:-noninteractive}" LC_ALL=C "$@"; }
apt() { in_root apt-get -qq -y -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold "$@" >"$WORK/log" 2>&1 || { cat "$WORK/log"; fail "apt-get $*"; }; }
state() { in_root dpkg-query -W -f '${db:Status-Status} ${Version}' weir 2>/dev/null || true; }

step "packages"
old=$("$here/tools/deb.sh" "$build" 0.1.0-1)
new=$("$here/tools/deb.sh" "$build" 0.1.0-2)

step "debootstrap $suite"
mkdir -p "$root"
[ -x "$root/bin/sh" ] || debootstrap --variant=minbase "$suite" "$root" "$mirror" >"$WORK/log" 2>&1 || { tail -n 20 "$WORK/log"; fail debootstrap; }
[ ! -f /etc/resolv.conf ] || cp -L /etc/resolv.conf "$root/etc/resolv.conf"
mount -t proc proc "$root/proc"
cp "$old" "$root/old.deb"
cp "$new" "$root/new.deb"
apt update

step "install"
apt install --no-install-recommends /old.deb
[ "$(state)" = "installed 0.1.0-1" ] || fail "state: $(state)"
in_root weir --version | grep -q '^weir '
in_root getent passwd weir | grep -q ':/var/lib/weir:/usr/sbin/nologin$' || fail "user weir"
for d in /var/lib/weir /var/log/weir; do
    [ "$(in_root stat -c '%U:%G %a' $d)" = "weir:weir 750" ] || fail "$d: $(in_root stat -c '%U:%G %a' $d)"
done
in_root weir config check | grep -q "/etc/weir/weir.yaml is valid"
in_root weir config show | grep -q "^data  *//*var/lib/weir .*# /etc/weir/weir.yaml:" || fail "the file is not read"
in_root test -L /etc/systemd/system/multi-user.target.wants/weir.service || fail "the service is not enabled"
in_root dpkg --verify weir
in_root weir doctor >"$WORK/doctor" || { cat "$WORK/doctor"; fail "weir doctor"; }

step "upgrade under load, the admin's configuration kept"
python3 "$here/tests/deb/upgrade.py" "$build/weir" "$root" /new.deb
[ "$(state)" = "installed 0.1.0-2" ] || fail "state: $(state)"

step "remove keeps configuration and data"
records=$(flows)
apt remove weir
[ "$(state)" = "config-files 0.1.0-2" ] || fail "state: $(state)"
[ ! -e "$root/usr/bin/weir" ] && [ ! -e "$root/usr/lib/systemd/system/weir.service" ] || fail "files are left"
grep -q 'udp://127.0.0.1' "$root/etc/weir/weir.yaml" || fail "the configuration is gone"
ls "$root"/var/lib/weir/seg-* >/dev/null || fail "the data are gone"

step "install again: the same answers"
apt install --no-install-recommends /new.deb
grep -q 'udp://127.0.0.1' "$root/etc/weir/weir.yaml" || fail "the configuration was replaced"
[ -n "$records" ] && [ "$(flows)" = "$records" ] || fail "other answers"

step "purge keeps the data unless told otherwise"
apt purge weir
[ -z "$(state)" ] || fail "state: $(state)"
[ ! -e "$root/etc/weir" ] && [ ! -e "$root/var/log/weir" ] && [ ! -e "$root/etc/logrotate.d/weir" ] || fail "something is left"
ls "$root"/var/lib/weir/seg-* >/dev/null || fail "the data are gone"
grep -q "Recorded flows are kept in /var/lib/weir" "$WORK/log" || fail "purge says nothing of the data"

step "purge with the question answered by yes removes them"
apt install --no-install-recommends /new.deb
echo "weir weir/purge-data boolean true" | in_root debconf-set-selections
apt purge weir
[ ! -e "$root/var/lib/weir" ] || fail "the data are left"
left=$(in_root find / -xdev -name '*weir*' -not -path '/proc/*' -not -path '/var/log/*' -not -path '/var/cache/*')
[ -z "$left" ] || fail "left behind: $left"
umount "$root/proc"
echo "ok: installed, upgraded, removed, purged"
