#!/bin/sh
# Start Weir from the build folder, in the foreground. usage: run.sh BUILD DATA [1 = with sample traffic]
set -eu
build=$1 data=$2 sample=${3:-}
here=$(dirname "$0")
mkdir -p "$data"
echo "Weir keeps its data in $data. Point an exporter at UDP port 2055 (NetFlow) or 4739 (IPFIX) of this machine."
echo "Ask in another terminal:  $build/weir query --data $data --by host --last 15m"
if [ -n "$sample" ]; then
    ninja -C "$build" --quiet tools/flowgen
    python3 "$here/sample.py" "$build/tools/flowgen" "$build/sample.pcap" &
    trap 'kill $! 2>/dev/null || true' EXIT INT TERM
    echo "Sample traffic: four generated exporters (127.0.0.11 to .14) send NetFlow v9 to 127.0.0.1:2055."
    "$build/weir" serve --data "$data"
else
    exec "$build/weir" serve --data "$data"
fi
