#!/bin/sh
# Start Weir from the build folder, in the foreground. usage: run.sh BUILD DATA [1 = with sample traffic] [OPTION...]
set -eu
build=$1 data=$2 sample=${3:-}
shift 2
[ $# = 0 ] || shift
here=$(dirname "$0")
mkdir -p "$data"
echo
port=$(echo " $*" | sed -n 's/.* --listen[ =]udp:[^ ]*:\([0-9][0-9]*\).*/\1/p') # the last one
if [ -z "$port" ]; then
    echo "Weir keeps its data in $data. Point an exporter at UDP port 2055 (NetFlow), 4739 (IPFIX) or 6343 (sFlow) of this machine."
else
    echo "Weir keeps its data in $data. Point an exporter at UDP port $port of this machine."
fi
echo "Ask in another terminal, in this folder:"
echo "    $build/weir query --data $data --by host --last 15m"
echo "    $build/weir status --data $data"
if [ -z "$sample" ]; then
    echo "Ctrl-C stops it. No exporter at hand? make run SAMPLE=1 sends generated traffic."
    echo
    exec "$build/weir" serve --data "$data" "$@"
fi
echo "Sample traffic: four generated exporters (127.0.0.11 to .14) send NetFlow v9 to 127.0.0.1:${port:-2055}. Ctrl-C stops all."
echo
python3 "$here/sample.py" "$build/tools/flowgen" "$build/sample.pcap" ${port:+"$port"} &
trap 'kill $! 2>/dev/null || true' EXIT INT TERM
"$build/weir" serve --data "$data" "$@"
