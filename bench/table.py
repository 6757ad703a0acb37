#!/usr/bin/env python3
"""Make docs/performance.md of the figures that run.py wrote.

usage: table.py [RESULTS.json ...]   (default: bench/results/*.json)
"""
import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def sec(s):
    """Seconds with three significant figures."""
    if s is None:
        return "–"
    return f"{s:.2f}" if s >= 1 else f"{s:.3f}" if s >= 0.1 else f"{s:.4f}"


def med(o, *path):
    for p in path:
        o = o.get(p) if isinstance(o, dict) else None
    return o["median"] if isinstance(o, dict) else o


def table(head, rows):
    return ["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *("| " + " | ".join(map(str, r)) + " |" for r in rows), ""]


def million(v):
    return "–" if v is None else f"{v / 1e6:.2f}"


def ingest(r):
    out = []
    if "ingest_pcap" in r:
        out += ["From a capture file (`weir import`; final segments, written and synced). DuckDB loads the same records from CSV.", ""]
        rows = [(f"Weir, {v}", x["mflows_per_s"], x["cpu_s_per_mflow"], x["octets_per_flow"], round(med(x, "peak_mib")),
                 f"{sec(x['seconds']['min'])} – {sec(x['seconds']['max'])}") for v, x in r["ingest_pcap"].items()]
        d = r.get("duckdb_load")
        if d:
            rows.append(("DuckDB, CSV", round(d["mflows_per_s"], 3), round(d["cpu_s_per_mflow"], 3), round(d["octets_per_flow"], 2), d["peak_mib"], sec(d["seconds"])))
        out += table(["", "M flows/s", "CPU s per M", "octets a flow", "peak MiB", "seconds, min – max"], rows)
    if "ingest_udp" in r:
        u = r["ingest_udp"]
        out += [f"By UDP over loopback, {u['seconds_each']:g} s a rate, the sender on the same cores: the highest rate without a loss. Weir with its journal.", ""]
        out += table(["", "M flows/s without loss", "CPU s per M there"], [(w, million(x["loss_free"]), x.get("cpu_s_per_mflow", "–")) for w, x in u.items()
                                                                            if isinstance(x, dict)])
    if "nfdump_octets_per_flow" in r:
        out += [f"nfcapd with lz4 keeps {r['nfdump_octets_per_flow']} octets a flow, Weir {r.get('weir_octets_per_flow', '–')}.", ""]
    return out


def queries(r):
    if "queries" not in r:
        return []
    rows, notes, duck = [], {}, r.get("duckdb", {})
    for name, q in r["queries"].items():
        w, n, s, d = q["weir"], q.get("nfdump"), q.get("weir_server"), duck.get(name)
        rows.append((name, q["what"] + (f", `{q['filter']}`" if q["filter"] else ""), sec(med(w, "seconds")), sec(med(n, "seconds")) if n else "–",
                     f"{q['nfdump_over_weir']:.1f}" if n else "–", sec(med(w, "cold_seconds")), sec(med(n, "cold_seconds")) if n else "–",
                     sec(med(s, "seconds")) if s else "–", sec(med(d, "seconds")) if d else "–", round(w["anon_mib"]), round(n["peak_mib"]) if n else "–"))
        if q["note"]:
            notes[name.rstrip("ab")] = q["note"]
    out = table(["", "question", "`weir query`, s", "nfdump, s", "nfdump / Weir", "cold: Weir", "cold: nfdump", "`weir serve`, s", "DuckDB, s", "Weir MiB", "nfdump MiB"], rows)
    out += [f"{k}: {v}." for k, v in notes.items()]
    differ = [m for m in r.get("flows_matched", []) if not m["same"]]
    out += ["", "Every filter selects the same number of records in Weir and nfdump." if not differ else
            "NOT the same number of records: " + "; ".join(f"`{m['filter']}` Weir {m['weir']}, nfdump {m['nfdump']}" for m in differ), ""]
    return out


def main():
    files = [pathlib.Path(f) for f in sys.argv[1:]] or sorted((ROOT / "bench/results").glob("*.json"))
    if not files:
        sys.exit("no results; make bench measures")
    out = ["# Performance", "", "Made by `bench/table.py` from what `make bench` measured. Only ratios within one run mean anything, and differences under a quarter mean",
           "nothing: machines differ and are shared. Medians; minimum, maximum, CPU seconds, memory and the commands stand in `bench/results/`.",
           "A command is timed as a whole process, start included, in turn with nfdump. `weir serve` is timed from the request to the last octet, DuckDB by",
           "its own clock in a process that runs. Cold: files put out of the page cache before. Memory is anonymous memory for Weir, peak for nfdump.", ""]
    for f in files:
        r = json.loads(f.read_text())
        out += [f"## {r['records'] / 1e6:g} M records", "", f"Commit {r['commit']}, {r['date']}; {r['compiler']}; {r['flags']}; {r['machine']}; nfdump {r['peers']['nfdump'].split(': ')[-1]}, "
                f"DuckDB {r['peers'].get('duckdb', '–')}. Data: {r['data']}.", "", "### Ingest", "", *ingest(r), "### Queries", "", *queries(r)]
    (ROOT / "docs/performance.md").write_text("\n".join(out).rstrip() + "\n", encoding="utf-8")


main()
