#!/bin/sh
# Install the Debian packages that a target needs and that are missing.
# usage: deps.sh build|test|bench ...
set -eu
here=$(dirname "$0")
missing=
for group in "$@"; do
    for p in $(awk -v g="$group" '$1 == g { print $2 }' "$here/packages.txt"); do
        case " $missing " in *" $p "*) continue ;; esac
        state=$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null || true)
        [ "$state" = installed ] || missing="$missing $p"
    done
done
[ -n "$missing" ] || exit 0
line="apt-get install -y --no-install-recommends$missing"
if ! command -v apt-get >/dev/null 2>&1; then
    echo "Weir needs these Debian packages, and there is no apt-get here:$missing" >&2
    exit 1
fi
if [ "$(id -u)" != 0 ]; then
    echo "Weir needs packages that are not installed. As root (or with sudo in front of each), type:" >&2
    echo "    apt-get update" >&2
    echo "    $line" >&2
    exit 1
fi
echo "Installing Debian packages (about a minute):$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { apt-get update && DEBIAN_FRONTEND=noninteractive $line; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "That did not work; the line was: $line" >&2
    exit 1
fi
