#!/bin/sh
# Build with Meson and Ninja. usage: build.sh BUILD [TARGET...]
set -eu
build=$1
shift
if [ ! -f "$build/build.ninja" ]; then
    echo "Building Weir in $build (about a minute the first time)"
    if ! said=$(meson setup "$build" 2>&1); then
        echo "$said" >&2
        exit 1
    fi
fi
said=$(ninja -C "$build" --quiet "$@" 2>&1) || { echo "$said" >&2; exit 1; }
