#!/usr/bin/env python3
"""Make the C tables of src/gen and the reference pages of docs/reference from data/*.csv.

usage: gen.py ROOT           write what changed
       gen.py ROOT --check   write nothing; exit 1 and name each file that would change
"""
import csv
import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1])
NOTE = "GENERATED from data/%s by tools/gen.py. Do not edit."
IANA_TOP = 4095  # higher numbers without an enterprise are vendors' in NetFlow v9, not IANA's


def rows(name):
    path = ROOT / "data" / name
    with open(path, newline="", encoding="utf-8") as f:
        return list(csv.DictReader(f))


def c_str(s):
    return '"' + s.replace("\\", "\\\\").replace('"', '\\"') + '"'


def header(guard, src, floor_note, body):
    return (f"/* {NOTE % src}\n * {floor_note} */\n#ifndef {guard}\n#define {guard}\n\n"
            f"{body}\n#endif\n")


def page(title, src, intro, head, table):
    cell = lambda v: str(v).replace("|", "\\|")
    out = [f"# {title}", "", f"<!-- {NOTE % src} -->", "", intro, "",
           "| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    out += ["| " + " | ".join(cell(v) for v in r) + " |" for r in table]
    return "\n".join(out) + "\n"


def columns():
    cs = rows("columns.csv")
    enum = "".join(f"    COL_{r['name'].upper()}, /* {r['doc']} */\n" for r in cs)
    body = ("#include <stdint.h>\n\nenum col {\n" + enum + "    COL_N,\n"
            "    COL_NONE = 255 /* no column: the element lives in the extras */\n};\n\n"
            "enum col_kind { COL_KIND_UINT, COL_KIND_TIME, COL_KIND_ADDR };\n\n"
            "struct col_info {\n    const char *name;       /* file format and code */\n"
            "    const char *short_name; /* query language and lists; \"\" = not offered there */\n"
            "    const char *doc;\n    uint8_t kind;  /* enum col_kind */\n"
            "    uint8_t bits;  /* width in a batch: 8, 16, 32, 64 */\n"
            "    uint8_t zone;  /* 1: min and max are kept per block */\n};\n\n"
            "extern const struct col_info col_info[COL_N];\n")
    h = header("WEIR_GEN_COLUMNS_H", "columns.csv", "Floor 1. The core columns of a flow record.", body)
    c = f"/* {NOTE % 'columns.csv'} */\n#include \"gen/columns.h\"\n\nconst struct col_info col_info[COL_N] = {{\n"
    for r in cs:
        c += (f"    [COL_{r['name'].upper()}] = {{ {c_str(r['name'])}, {c_str(r['short'])}, {c_str(r['doc'])},"
              f" COL_KIND_{r['kind'].upper()}, {r['bits']}, {r['zone']} }},\n")
    c += "};\n"
    doc = page("Columns", "columns.csv",
               "The columns into which Weir normalises every flow record for asking. "
               "What has no column is kept as it came and is asked for by element name.",
               ["column", "in queries", "bits", "meaning"],
               [(r["name"], r["short"] or "–", r["bits"], r["doc"]) for r in cs])
    return {"src/gen/columns.h": h, "src/gen/columns.c": c, "docs/reference/columns.md": doc}


def fieldmap():
    fs = rows("fieldmap.csv")
    convs = []
    for r in fs:
        if r["conv"] not in convs:
            convs.append(r["conv"])
    body = ("#include <stddef.h>\n#include <stdint.h>\n\n"
            "/* How octets become a column value; see decode/plan.h for each. */\nenum conv {\n    CONV_NONE,\n"
            + "".join(f"    CONV_{v.upper()},\n" for v in convs) + "    CONV_N\n};\n\n"
            "/* One element that can fill one column. Where a template holds several elements for one column,\n"
            " * the lowest rank that is present (for counters: present and not zero) gives it. */\n"
            "struct fmap {\n    uint32_t pen;\n    uint16_t id;\n    uint8_t col;  /* enum col */\n"
            "    uint8_t conv; /* enum conv */\n    uint8_t min, max; /* legal lengths, octets */\n"
            "    uint8_t rank;\n};\n\nextern const struct fmap fmap_table[];\nextern const size_t fmap_count;\n")
    h = header("WEIR_GEN_FIELDMAP_H", "fieldmap.csv", "Floor 1. Which element fills which column.", body)
    c = f"/* {NOTE % 'fieldmap.csv'} */\n#include \"gen/fieldmap.h\"\n\n#include \"gen/columns.h\"\n\n"
    c += "/* sorted by (pen, id) */\nconst struct fmap fmap_table[] = {\n"
    for r in sorted(fs, key=lambda r: (int(r["pen"]), int(r["id"]), int(r["rank"]))):
        c += (f"    {{ {r['pen']}, {r['id']}, COL_{r['column'].upper()}, CONV_{r['conv'].upper()},"
              f" {r['min']}, {r['max']}, {r['rank']} }}, /* {r['name']} */\n")
    c += "};\nconst size_t fmap_count = sizeof fmap_table / sizeof fmap_table[0];\n"
    return {"src/gen/fieldmap.h": h, "src/gen/fieldmap.c": c}


def services():
    numbers = {"tcp": 6, "udp": 17, "sctp": 132}
    ss = sorted(rows("services.csv"), key=lambda r: (numbers[r["proto"]], int(r["port"])))  # stable: first name, shown name
    body = ("#include <stddef.h>\n#include <stdint.h>\n\n"
            "/* A name of a port of a protocol. Sorted by protocol and port; of several names the first is shown. */\n"
            "struct service {\n    const char *name;\n    uint16_t port;\n    uint16_t first; /* row that has this name first */\n    uint8_t proto;\n};\n\n"
            "extern const struct service service_table[];\nextern const size_t service_count;\n")
    h = header("WEIR_GEN_SERVICES_H", "services.csv", "Floor 1. Names of services.", body)
    c = f"/* {NOTE % 'services.csv'} */\n#include \"gen/services.h\"\n\nconst struct service service_table[] = {{\n"
    first = {}
    for i, r in enumerate(ss):
        c += f"    {{ {c_str(r['name'])}, {r['port']}, {first.setdefault(r['name'], i)}, {numbers[r['proto']]} }},\n"
    c += "};\nconst size_t service_count = sizeof service_table / sizeof service_table[0];\n"
    names = {}
    for r in ss:
        names.setdefault((int(r["port"]), r["name"]), []).append(r["proto"])
    doc = page("Services", "services.csv",
               "Names of ports, for `service NAME`, `port NAME` and the ranking `--by service`. Facts as registered with IANA, and some that are "
               "used without being registered. Of several names of one port the first is the one that is shown.",
               ["port", "protocol", "name"], [(p, " ".join(protos), n) for (p, n), protos in sorted(names.items(), key=lambda x: x[0][0])])
    return {"src/gen/services.h": h, "src/gen/services.c": c, "docs/reference/services.md": doc}


def apps():
    import ipaddress
    numbers = {"": 0, "tcp": 6, "udp": 17, "sctp": 132}
    aa = rows("apps.csv")
    body = ("#include <stddef.h>\n#include <stdint.h>\n\n"
            "/* What an application is known by; 0 and \"\" = any. The first row that fits counts. */\n"
            "struct app {\n    const char *name, *net;\n    uint32_t as;\n    uint16_t port_lo, port_hi;\n    uint8_t proto;\n"
            "    uint64_t app_id; /* engine << 56 | selector */\n};\n\n"
            "extern const struct app app_table[];\nextern const size_t app_count;\n")
    h = header("WEIR_GEN_APPS_H", "apps.csv", "Floor 1. Applications.", body)
    c = f"/* {NOTE % 'apps.csv'} */\n#include \"gen/apps.h\"\n\nconst struct app app_table[] = {{\n"
    for r in aa:
        lo, _, hi = r["port"].partition("-")
        engine, _, selector = r["appid"].partition(":")
        if r["prefix"]:
            ipaddress.ip_network(r["prefix"])  # no host bits
        c += (f"    {{ {c_str(r['app'])}, {c_str(r['prefix'])}, {r['as'] or 0}u, {lo or 0}, {hi or lo or 0}, {numbers[r['proto']]},"
              f" {int(engine or 0) << 56 | int(selector or 0)}u }},\n")
    c += "};\nconst size_t app_count = sizeof app_table / sizeof app_table[0];\n"
    known = {}
    for r in aa:
        known.setdefault(r["app"], []).append(f"AS{r['as']}" if r["as"] else r["prefix"] if r["prefix"] else
                                              f"{r['proto']} {r['port']}" if r["port"] else r["appid"])
    doc = page("Applications", "apps.csv",
               "What `app NAME` and `--by app` know by themselves; the file named by the option `apps` stands before it. The first row that fits "
               "names a record. Numbers of networks are public facts of their owners.",
               ["application", "known by"], [(n, ", ".join(k)) for n, k in sorted(known.items(), key=lambda x: x[0].lower())])
    return {"src/gen/apps.h": h, "src/gen/apps.c": c, "docs/reference/apps.md": doc}


def elements():
    es = rows("elements.csv")
    vendors = {r["pen"]: r for r in rows("enterprises.csv")}
    types = ["octetArray", "unsigned8", "unsigned16", "unsigned32", "unsigned64", "signed8", "signed16",
             "signed32", "signed64", "float32", "float64", "boolean", "macAddress", "string",
             "dateTimeSeconds", "dateTimeMilliseconds", "dateTimeMicroseconds", "dateTimeNanoseconds",
             "ipv4Address", "ipv6Address", "basicList", "subTemplateList", "subTemplateMultiList"]
    written = list(es)
    known = {(int(r["pen"]), int(r["id"])) for r in es}
    for r in written:
        number = int(r["id"])
        if r["pen"] == "0":
            # RFC 5103: each IANA element has a reverse twin under its own enterprise number
            twin = (29305, number, "reverse" + r["name"][0].upper() + r["name"][1:])
            if number > IANA_TOP:
                continue
        elif vendors[r["pen"]]["v9_offset"]:
            # NetFlow v9 has no enterprise numbers: the vendor's elements stand behind IANA's there
            twin = (0, number + int(vendors[r["pen"]]["v9_offset"]), r["name"])
        else:
            continue
        if twin[:2] not in known and twin[1] < 65536:
            es.append(dict(r, pen=str(twin[0]), id=str(twin[1]), name=twin[2]))
    es.sort(key=lambda r: (int(r["pen"]), int(r["id"])))
    top = max(int(r["id"]) for r in es if r["pen"] == "0" and int(r["id"]) <= IANA_TOP)
    taken, inside = set(), set()
    for r in es:
        low = r["name"].lower()
        if (r["pen"], low) in inside:
            sys.exit(f"data/elements.csv: {r['pen']}/{r['name']} stands twice")
        inside.add((r["pen"], low))
        r["shared"] = int(low in taken)
        taken.add(low)

    def cname(t):
        out = "".join("_" + ch if ch.isupper() else ch.upper() for ch in t)
        return "ELEM_" + out.upper()
    body = ("#include <stddef.h>\n#include <stdint.h>\n\n"
            "/* RFC 7011 section 6.1 and RFC 6313: abstract data types of elements. */\nenum elem_type {\n"
            + "".join(f"    {cname(t)}, /* {t} */\n" for t in types) + "    ELEM_TYPE_N\n};\n\n"
            "extern const char *const elem_type_word[ELEM_TYPE_N];\n\n"
            "struct elem {\n    uint32_t pen;  /* 0 = IANA */\n    uint16_t id;\n    uint8_t type; /* enum elem_type */\n"
            "    uint8_t shared; /* 1: an element before it has that name too, so it is printed as PEN/NAME */\n"
            "    const char *name;\n    const char *semantics; /* IANA word, or \"\" */\n    const char *units; /* IANA word, or \"\" */\n};\n\n"
            "extern const struct elem elem_table[];\nextern const size_t elem_count;\n\n"
            "/* Place in elem_table of the IANA element with this number; ELEM_NO_PLACE where there is none. */\n"
            f"#define ELEM_PLACES {top + 1}\n#define ELEM_NO_PLACE 65535u\nextern const uint16_t elem_place[ELEM_PLACES];\n")
    h = header("WEIR_GEN_ELEMENTS_H", "elements.csv", "Floor 1. Information elements by enterprise and number.", body)
    c = f"/* {NOTE % 'elements.csv'} */\n#include \"gen/elements.h\"\n\nconst char *const elem_type_word[ELEM_TYPE_N] = {{\n"
    c += "".join(f"    [{cname(t)}] = {c_str(t)},\n" for t in types) + "};\n\n"
    c += "/* sorted by (pen, id) */\nconst struct elem elem_table[] = {\n"
    for r in es:
        c += (f"    {{ {r['pen']}, {r['id']}, {cname(r['type'])}, {r['shared']}, {c_str(r['name'])},"
              f" {c_str(r['semantics'])}, {c_str(r['units'])} }},\n")
    c += "};\nconst size_t elem_count = sizeof elem_table / sizeof elem_table[0];\n"
    place = {int(r["id"]): i for i, r in enumerate(es) if r["pen"] == "0"}
    cells = [str(place.get(i, 65535)) for i in range(top + 1)]
    c += "\nconst uint16_t elem_place[ELEM_PLACES] = {\n"
    c += "".join("    " + ", ".join(cells[i:i + 16]) + ",\n" for i in range(0, len(cells), 16)) + "};\n"

    out = ["# Information elements", "", f"<!-- {NOTE % 'elements.csv'} -->", "",
           "The elements that Weir knows by name, by enterprise. Each IANA element has a reverse twin (RFC 5103, enterprise "
           "29305): `reverseOctetDeltaCount` and so on. Any other element is kept too and is asked for as `ie(PEN/ID)`; "
           "your own names come from a file (option `elements`). A name that two enterprises use is asked for with its "
           "enterprise, as in `ie(9/clientPackets)`.", ""]
    for pen in sorted({int(r["pen"]) for r in written}):
        v = vendors[str(pen)]
        out += [f"## {v['name']}" + (f" ({pen})" if pen else ""), ""]
        if v["v9_offset"]:
            out += [f"In NetFlow v9, which has no enterprise numbers, these are the elements {v['v9_offset']} + id.", ""]
        if v["source"]:
            out += [f"Source: {v['source']}.", ""]
        out += ["| id | name | type | semantics | units |", "|" + "---|" * 5]
        out += [f"| {r['id']} | {r['name']} | {r['type']} | {r['semantics']} | {r['units']} |"
                for r in written if int(r["pen"]) == pen]
        out.append("")
    return {"src/gen/elements.h": h, "src/gen/elements.c": c, "docs/reference/elements.md": "\n".join(out[:-1]) + "\n"}


def options():
    os_ = rows("options.csv")
    cid = lambda n: "OPT_" + n.upper().replace(".", "_").replace("-", "_")
    body = ("#include <stdint.h>\n\nenum opt {\n"
            + "".join(f"    {cid(r['name'])}, /* {r['doc']} */\n" for r in os_) + "    OPT_N\n};\n\n"
            "enum opt_type { OPT_TYPE_BOOL, OPT_TYPE_UINT, OPT_TYPE_SIZE, OPT_TYPE_DURATION, OPT_TYPE_TEXT,\n"
            "                OPT_TYPE_ENUM, OPT_TYPE_LIST };\n\n"
            "struct opt_info {\n    const char *name;  /* dotted path in the file; --name on the command line */\n"
            "    uint8_t type;      /* enum opt_type */\n    const char *unit;  /* of the number: octets, ms, rows, ...; or \"\" */\n"
            "    const char *def;   /* default, as text */\n    const char *min, *max; /* bounds as text, or \"\" */\n"
            "    const char *words; /* OPT_TYPE_ENUM: allowed words, space separated */\n"
            "    uint8_t reload;    /* 1: a SIGHUP applies it; 0: needs a restart */\n    const char *doc;\n};\n\n"
            "extern const struct opt_info opt_info[OPT_N];\n")
    h = header("WEIR_GEN_OPTIONS_H", "options.csv", "Floor 1. Every option of the configuration.", body)
    c = f"/* {NOTE % 'options.csv'} */\n#include \"gen/options.h\"\n\nconst struct opt_info opt_info[OPT_N] = {{\n"
    for r in os_:
        c += (f"    [{cid(r['name'])}] = {{ {c_str(r['name'])}, OPT_TYPE_{r['type'].upper()}, {c_str(r['unit'])}, {c_str(r['default'])},\n"
              f"        {c_str(r['min'])}, {c_str(r['max'])}, {c_str(r['words'])}, {r['reload']}, {c_str(r['doc'])} }},\n")
    c += "};\n"
    doc = page("Options", "options.csv",
               "Every option of the YAML file; each is also `--NAME VALUE` on the command line of `weir serve`.",
               ["option", "type", "unit", "default", "bounds", "reload", "meaning"],
               [(f"`{r['name']}`", r["type"], r["unit"] or "–", f"`{r['default']}`" if r["default"] else "–",
                 (r["words"] or (f"{r['min']} … {r['max']}" if r["min"] or r["max"] else "–")),
                 "SIGHUP" if r["reload"] == "1" else "restart", r["doc"]) for r in os_])
    return {"src/gen/options.h": h, "src/gen/options.c": c, "docs/reference/options.md": doc}


def metrics():
    ms = rows("metrics.csv")
    cid = lambda n: "METRIC_" + n.upper()
    body = ("#include <stdint.h>\n\nenum metric {\n"
            + "".join(f"    {cid(r['name'])}, /* {r['doc']} */\n" for r in ms) + "    METRIC_N\n};\n\n"
            "struct metric_info {\n    const char *name;   /* without the prefix weir_ */\n    const char *type;   /* counter or gauge */\n"
            "    const char *labels; /* comma separated, or \"\" */\n    const char *doc;\n};\n\n"
            "extern const struct metric_info metric_info[METRIC_N];\n")
    h = header("WEIR_GEN_METRICS_H", "metrics.csv", "Floor 1. Every metric at /metrics.", body)
    c = f"/* {NOTE % 'metrics.csv'} */\n#include \"gen/metrics.h\"\n\nconst struct metric_info metric_info[METRIC_N] = {{\n"
    for r in ms:
        c += f"    [{cid(r['name'])}] = {{ {c_str(r['name'])}, {c_str(r['type'])}, {c_str(r['labels'])}, {c_str(r['doc'])} }},\n"
    c += "};\n"
    doc = page("Metrics", "metrics.csv", "What `/metrics` shows, in Prometheus' text form.",
               ["metric", "type", "labels", "meaning"],
               [(f"`weir_{r['name']}`", r["type"], r["labels"] or "–", r["doc"]) for r in ms])
    return {"src/gen/metrics.h": h, "src/gen/metrics.c": c, "docs/reference/metrics.md": doc}


def coverage():
    """Which case covers what; a case that is not there is an error."""
    known = {line.split("\t")[1] for line in (ROOT / "tests/case/cases.tsv").read_text(encoding="utf-8").splitlines() if not line.startswith("#")}
    table = []
    for r in rows("coverage.csv"):
        cases = r["cases"].split()
        for c in cases:
            path, _, word = c.partition(":")
            if c not in known and not (word and (ROOT / path).exists() and re.search(rf"\b{re.escape(word)}\b", (ROOT / path).read_text(encoding="utf-8"))):
                sys.exit(f"data/coverage.csv: there is no case {c}")
        table.append((r["what"], ", ".join(f"`{c}`" for c in cases)))
    return {"docs/reference/coverage.md": page("What is covered", "coverage.csv", "What exporters do, and the cases of `make test` that hold Weir to it. Names "
            "without a path are captures of real exporters (`tests/case/cases.tsv`), compared field by field.", ["what", "cases"], table)}


SECTIONS = ["all", "templates", "timeout", "sampling", "one-side", "clock"]


def recipe(path):
    """data/recipes/NAME.txt: lines "key: value", then sections "[name]" of lines to type; "> " begins a remark."""
    r = {"name": path.stem, "source": "", "source_default": "", "sections": {}}
    at = None
    for i, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        where = f"data/recipes/{path.name}:{i}"
        if line.startswith("[") and line.endswith("]"):
            at = line[1:-1]
            if at not in SECTIONS or at in r["sections"]:
                sys.exit(f"{where}: [{at}] is unknown or stands twice; sections are {' '.join(SECTIONS)}")
            r["sections"][at] = []
        elif at is None:
            key, colon, value = line.partition(": ")
            if not colon or key not in ("title", "sends", "port", "source", "source_default"):
                sys.exit(f"{where}: expected title, sends, port, source, source_default or a section")
            r[key] = value
        else:
            for word in re.findall(r"\{(\w+)\}", line):
                if word not in ("collector", "port", "place", "source"):
                    sys.exit(f"{where}: {{{word}}} is none of collector, port, place, source")
                if word == "source" and not r["source"]:
                    sys.exit(f"{where}: {{source}}, and no line source: says what it is")
            r["sections"][at].append(line)
    for key in ("title", "sends", "port"):
        if key not in r:
            sys.exit(f"data/recipes/{path.name}: no {key}")
    for at in ("all", "sampling", "one-side"):
        if at not in r["sections"]:
            sys.exit(f"data/recipes/{path.name}: no [{at}]")
    return r


def recipes():
    rs = [recipe(p) for p in sorted((ROOT / "data" / "recipes").glob("*.txt"))]
    cid = lambda n: "RECIPE_" + n.upper().replace("-", "_")
    body = ("#include <stddef.h>\n#include <stdint.h>\n\n/* What a part of a recipe is for. */\nenum recipe_section {\n"
            + "".join(f"    {cid(n)},\n" for n in SECTIONS) + "    RECIPE_SECTION_N\n};\n\n"
            "struct recipe {\n    const char *name, *title;\n    const char *sends; /* \"NetFlow v9\" */\n"
            "    uint16_t port;     /* Weir's own for that */\n"
            "    const char *source; /* what {source} is; NULL: it does not occur */\n"
            "    const char *source_default; /* NULL: lines that name it are left out where it is not given */\n"
            "    /* Lines that end with '\\n', those that begin with \"> \" being remarks; NULL: nothing can be typed.\n"
            "     * {collector} {port} {place} (both together) {source} stand for what the user has. */\n"
            "    const char *section[RECIPE_SECTION_N];\n};\n\n"
            "extern const struct recipe recipe_table[];\nextern const size_t recipe_count;\n")
    h = header("WEIR_GEN_RECIPES_H", "recipes", "Floor 1. What to type into exporters, by vendor; in order of names.", body)
    c = f"/* {NOTE % 'recipes'} */\n#include \"gen/recipes.h\"\n\nconst struct recipe recipe_table[] = {{\n"
    opt = lambda v: c_str(v) if v else "NULL"
    for r in rs:
        c += (f"    {{ {c_str(r['name'])}, {c_str(r['title'])}, {c_str(r['sends'])}, {int(r['port'])},\n"
              f"      {opt(r['source'])}, {opt(r['source_default'])},\n      {{\n")
        for n in SECTIONS:
            if n in r["sections"]:
                lines = "\n            ".join(c_str(line)[:-1] + "\\n\"" for line in r["sections"][n])
                c += f"        [{cid(n)}] =\n            {lines},\n"
        c += "      } },\n"
    c += "};\nconst size_t recipe_count = sizeof recipe_table / sizeof recipe_table[0];\n"

    heads = {"all": None, "templates": "Templates more often", "timeout": "Report long flows every minute",
             "sampling": "Tell the sampling rate", "one-side": "Count each packet once, in both directions", "clock": "Set the clock"}
    fill = lambda r, v: (v.replace("{place}", f"192.0.2.10:{r['port']}").replace("{collector}", "192.0.2.10")
                         .replace("{port}", r["port"]).replace("{source}", r["source_default"]))
    out = ["# Exporters", "", f"<!-- {NOTE % 'recipes'} -->", "",
           "What to type into a device so that it sends its flows to Weir, here at 192.0.2.10. `weir exporters config VENDOR --collector ADDR` "
           "prints the same with your address; `weir exporters` says which part an exporter needs. Names like WEIR, the interface and the "
           "sampling rate are examples.", ""]
    out += [f"* [{r['title']}](#{r['name']}): `weir exporters config {r['name']}`" for r in rs] + [""]
    for r in rs:
        out += [f'## <a id="{r["name"]}"></a>{r["title"]}', "", f"Sends {r['sends']}, to port {r['port']}." +
                (f" `--source`: {r['source']}." if r["source"] else ""), ""]
        for n in SECTIONS:
            lines = r["sections"].get(n, [])
            keep = [line for line in lines if "{source}" not in line or r["source_default"]]
            if heads[n] and lines:
                out += [f"### {heads[n]}", ""]
            for line in keep:
                if line.startswith("> "):
                    out += [line[2:], ""]
            typed = [fill(r, line) for line in keep if not line.startswith("> ")]
            if typed:
                out += ["```", *typed, "```", ""]
    return {"src/gen/recipes.h": h, "src/gen/recipes.c": c, "docs/reference/exporters.md": "\n".join(out[:-1]) + "\n"}


def groups():
    gs = rows("groups.csv")
    body = ("#include <stddef.h>\n\n"
            "/* Groups that Weir brings; a group of the user's of the same name stands before it. */\n"
            "struct ready_group {\n    const char *name, *kind;\n"
            "    const char *members; /* meta/item.h, separated by blanks */\n    const char *note;\n};\n\n"
            "extern const struct ready_group ready_groups[];\nextern const size_t ready_groups_n;\n")
    h = header("WEIR_GEN_GROUPS_H", "groups.csv", "Floor 1. Groups that Weir brings.", body)
    c = f"/* {NOTE % 'groups.csv'} */\n#include \"gen/groups.h\"\n\nconst struct ready_group ready_groups[] = {{\n"
    for r in gs:
        c += f"    {{ {c_str(r['name'])}, {c_str(r['kind'])}, {c_str(r['members'])},\n      {c_str(r['note'])} }},\n"
    c += "};\nconst size_t ready_groups_n = sizeof ready_groups / sizeof ready_groups[0];\n"
    doc = page("Groups that Weir brings", "groups.csv",
               "They work in every filter: `group netflix`, `dst group cdn`. A group of yours of the same name stands "
               "before it. AS members match what exporters send (`as`).",
               ["group", "members", "what it is"],
               [(r["name"], r["members"].replace("group:", "group "), r["note"]) for r in gs])
    return {"src/gen/groups.h": h, "src/gen/groups.c": c, "docs/reference/groups.md": doc}


def main():
    made = {}
    for f in (columns, fieldmap, elements, options, metrics, coverage, recipes, services, groups, apps):
        made.update(f())
    drift = []
    for name, text in made.items():
        path = ROOT / name
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        drift.append(name)
        if "--check" not in sys.argv:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    for name in drift:
        print("differs:" if "--check" in sys.argv else "wrote", name)
    if drift and "--check" in sys.argv:
        print("run: python3 tools/gen.py .")
        sys.exit(1)


main()
