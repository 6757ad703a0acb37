/* For hands that know nfdump: its options are answered with the equal Weir command. */
#include <stdio.h>
#include <strings.h>

#include "query/syntax.h"

static const struct {
    const char *nf, *weir;
} elements[] = {
    { "srcip", "src ip" },
    { "dstip", "dst ip" },
    { "ip", "host" },
    { "srcport", "src port" },
    { "dstport", "dst port" },
    { "port", "port" },
    { "proto", "proto" },
    { "srcas", "src as" },
    { "dstas", "dst as" },
    { "as", "as" },
    { "inif", "in if" },
    { "outif", "out if" },
    { "if", "if" },
    { "srcvlan", "src vlan" },
    { "dstvlan", "dst vlan" },
    { "vlan", "vlan" },
    { "srcmask", "src mask" },
    { "dstmask", "dst mask" },
    { "mask", "mask" },
    { "tos", "tos" },
    { "srctos", "tos" },
    { "dsttos", "dst tos" },
    { "dir", "dir" },
    { "nhip", "next ip" },
    { "next", "next ip" },
    { "nhbip", "bgpnext ip" },
    { "bgpnext", "bgpnext ip" },
    { "router", "exporter" },
    { "odid", "domain" },
    { "nextas", "next as" },
    { "prevas", "prev as" },
    { "insrcmac", "in src mac" },
    { "outdstmac", "out dst mac" },
    { "indstmac", "in dst mac" },
    { "outsrcmac", "out src mac" },
    { "srcip4", "src ip" },
    { "dstip4", "dst ip" },
    { "srcip6", "src ip" },
    { "dstip6", "dst ip" },
    { "srcgeo", "src country" },
    { "dstgeo", "dst country" },
    { "mpls1", "mpls label1" },
    { "mpls2", "mpls label2" },
    { "opid", "observation point id" },
    { "xsrcip", "src xip" },
    { "xdstip", "dst xip" },
    { "xsrcport", "src xport" },
    { "xdstport", "dst xport" },
    { "event", "asa event" },
    { "ivrf", "ingress vrf" },
    { "evrf", "egress vrf" },
    { "record", "src ip,dst ip,src port,dst port,proto" },
};
static const struct {
    const char *nf, *weir;
} orders[] = {
    { "tstart", "start" },    { "tend", "end" },     { "ibyte", "bytes" },
    { "obyte", "out bytes" }, { "ipkg", "packets" }, { "opkg", "out packets" },
    { "ipps", "pps" },        { "ibps", "bps" },     { "ibpp", "bpp" },
};
static const struct {
    const char *nf, *weir;
} formats[] = {
    { "ts", "start" },       { "te", "end" },           { "td", "duration" },
    { "pr", "proto" },       { "sa", "src ip" },        { "da", "dst ip" },
    { "sp", "src port" },    { "dp", "dst port" },      { "byt", "bytes" },
    { "ibyt", "bytes" },     { "obyt", "out bytes" },   { "pkt", "packets" },
    { "ipkt", "packets" },   { "opkt", "out packets" }, { "flg", "flags" },
    { "tos", "tos" },        { "bps", "bps" },          { "pps", "pps" },
    { "bpp", "bpp" },        { "in", "in if" },         { "out", "out if" },
    { "sas", "src as" },     { "das", "dst as" },       { "nh", "next ip" },
    { "nhb", "bgpnext ip" }, { "ra", "exporter" },      { "svln", "src vlan" },
    { "dvln", "dst vlan" },  { "smk", "src mask" },     { "dmk", "dst mask" },
    { "fl", "flows" },       { "dir", "dir" },
};

static const char *element(const char *s, size_t len)
{
    for (size_t i = 0; i < ARRAY_LEN(elements); i++)
        if (strlen(elements[i].nf) == len && strncasecmp(elements[i].nf, s, len) == 0)
            return elements[i].weir;
    return NULL;
}

static const char *order(const char *s, size_t len, char *hold, size_t cap)
{
    for (size_t i = 0; i < ARRAY_LEN(orders); i++)
        if (strlen(orders[i].nf) == len && strncasecmp(orders[i].nf, s, len) == 0)
            return orders[i].weir;
    (void)snprintf(hold, cap, "%.*s", (int)MIN(len, 30u), s);
    return hold;
}

/* One shell word. */
static void word(struct buf *out, const char *s)
{
    bool plain =
        *s != '\0' &&
        strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:,=+-") ==
            strlen(s);

    buf_char(out, ' ');
    if (plain) {
        buf_str(out, s);
        return;
    }
    buf_char(out, '\'');
    for (; *s != '\0'; s++) {
        if (*s == '\'')
            buf_str(out, "'\\''");
        else
            buf_char(out, *s);
    }
    buf_char(out, '\'');
}

static void option(struct buf *out, const char *name, const char *value)
{
    buf_printf(out, " --%s", name);
    word(out, value);
}

static void option_letter(struct buf *out, char letter, const char *value)
{
    buf_printf(out, " -%c", letter);
    word(out, value);
}

/* srcip[:p][/order...] */
static void stat(struct buf *out, const char *s)
{
    size_t len = strcspn(s, ":/");
    const char *key = element(s, len), *rest = s + len, *slash;
    char by[160], measures[160] = "", hold[32];

    (void)snprintf(by, sizeof by, "%.*s%s", key != NULL ? (int)strlen(key) : (int)MIN(len, 40u),
                   key != NULL ? key : s, strncmp(rest, ":p", 2) == 0 ? ",proto" : "");
    for (slash = strchr(rest, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        size_t n = strcspn(slash + 1, "/"), have = strlen(measures);
        (void)snprintf(measures + have, sizeof measures - have, "%s%s", have > 0 ? "," : "",
                       order(slash + 1, n, hold, sizeof hold));
    }
    option(out, "by", by);
    option(out, "measure", measures[0] != '\0' ? measures : "flows");
}

/* srcip4/24,dstport */
static void aggregate(struct buf *out, const char *s)
{
    struct buf by = buf_init(4096);

    while (*s != '\0') {
        size_t len = strcspn(s, ","), name = strcspn(s, ",/");
        const char *key = element(s, name);
        buf_printf(&by, "%s%.*s%.*s", by.len > 0 ? "," : "",
                   key != NULL ? (int)strlen(key) : (int)name, key != NULL ? key : s,
                   (int)(len - name), s + name);
        s += len + (s[len] == ',');
    }
    option(out, "by", buf_cstr(&by));
    buf_free(&by);
}

/* 2026/03/03.14:00:00[-2026/03/03.14:20:00], +n, -n */
static void window(struct buf *out, const char *s)
{
    const char *dash = strchr(s + (*s == '-'), '-');
    char t[64];

    for (unsigned i = 0; i < 2; i++) {
        const char *from = i == 0 ? s : dash + 1;
        (void)snprintf(t, sizeof t, "%.*s", i == 0 && dash != NULL ? (int)MIN(dash - s, 60) : 60,
                       from);
        for (char *c = t; *c != '\0'; c++)
            *c = *c == '/' ? '-' : *c == '.' ? 'T' : *c;
        if (strlen(t) == 19 && strcmp(t + 16, ":00") == 0)
            t[16] = '\0';
        option(out, i == 0 ? "from" : "to", t);
        if (dash == NULL)
            return;
    }
}

static void format(struct buf *out, const char *s)
{
    struct buf cols = buf_init(4096);

    if (strcmp(s, "json") == 0 || strcmp(s, "json-log") == 0) {
        buf_str(out, " --list -o ndjson");
    } else if (strcmp(s, "csv") == 0 || strcmp(s, "pipe") == 0) {
        buf_str(out, " --list -o csv");
    } else if (strcmp(s, "raw") == 0) {
        buf_str(out, " --list --columns all");
    } else if (strncmp(s, "fmt:", 4) == 0) {
        for (s = strchr(s, '%'); s != NULL; s = strchr(s, '%')) {
            size_t len = strspn(++s, "abcdefghijklmnopqrstuvwxyz0123456789");
            for (size_t i = 0; i < ARRAY_LEN(formats); i++)
                if (strlen(formats[i].nf) == len && strncmp(formats[i].nf, s, len) == 0)
                    buf_printf(&cols, "%s%s", cols.len > 0 ? "," : "", formats[i].weir);
        }
        buf_str(out, " --list");
        option(out, "columns", buf_cstr(&cols));
    } else {
        buf_str(out, " --list");
    }
    buf_free(&cols);
}

struct seen {
    bool ranked, aggregated, listed, format, quiet, any;
    const char *n, *c, *order, *filter, *tool;
    const char *note; /* what has no equal, and what to do instead */
};

/* One option with its value; false = it is none of nfdump's. */
static bool take(struct buf *out, struct seen *k, char c, const char *value)
{
    switch (c) {
    case 's':
        stat(out, value);
        k->ranked = true;
        break;
    case 'A':
        aggregate(out, value);
        k->aggregated = true;
        break;
    case 'a':
        aggregate(out, "srcip,dstip,srcport,dstport,proto");
        k->aggregated = true;
        break;
    case 'b':
    case 'B':
        k->note = "-b, -B: not yet; a biflow is one row, its two directions count in rankings";
        break;
    case 'n':
        k->n = value;
        break;
    case 'c':
        k->c = value;
        break;
    case 'O':
        k->order = value;
        break;
    case 't':
        window(out, value);
        break;
    case 'r':
    case 'R':
        k->note =
            "-r, -R: Weir asks its own data, --data DIR, and needs no list of files; captures "
            "come in with weir import";
        break;
    case 'X':
    case 'Z':
        buf_str(out, " --check");
        break;
    case 'E':
    case 'I':
        k->tool = "weir status";
        break;
    case 'q': /* no heads, plain numbers: for programs */
    case 'N':
        k->quiet = true;
        break;
    case '6':
        break;
    default:
        return false;
    }
    return true;
}

/* Is argv[i] the value of an option of ours before it ("--sort -bytes")? */
static bool our_value(char *const *argv, int i)
{
    const char *before = i > 0 ? argv[i - 1] : "";

    if (strncmp(before, "--", 2) != 0 || before[2] == '\0' || strchr(before, '=') != NULL ||
        strcmp(before, "--check") == 0)
        return false;
    for (size_t q = 0; q < QUERY_PARAM_N; q++)
        if (query_param_info[q].flag && strcmp(query_param_info[q].name, before + 2) == 0)
            return false;
    return true;
}

static bool their_format(const char *s)
{
    static const char *const names[] = { "raw", "line", "long", "extended", "pipe", "biline" };

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(s, names[i]) == 0)
            return true;
    return strncmp(s, "fmt:", 4) == 0;
}

/* Options that mean something together. */
static void finish(struct buf *cmd, const struct seen *k)
{
    bool ranked = k->ranked || k->aggregated;
    char hold[32];

    if (!ranked && !k->listed && (k->order != NULL || k->n != NULL || k->c != NULL))
        buf_str(cmd, " --list");
    if (k->order != NULL && (k->aggregated || !k->ranked)) /* -s has its own order */
        option(cmd, k->aggregated ? "measure" : "sort",
               order(k->order, strlen(k->order), hold, sizeof hold));
    if (k->n != NULL)
        option(cmd, ranked ? "top" : "limit", k->n);
    if (k->c != NULL && !ranked)
        option(cmd, "limit", k->c);
    if (k->quiet && !k->format)
        buf_str(cmd, " -o csv");
}

bool query_from_nfdump(struct buf *out, int argc, char *const *argv)
{
    struct buf cmd = buf_init(1u << 16);
    struct seen k = { 0 };

    for (int i = 0; i < argc; i++) {
        const char *a = argv[i], *value = "";
        if (our_value(argv, i) || strncmp(a, "--", 2) == 0) { /* ours: kept, with its value */
            k.listed = k.listed || strcmp(a, "--list") == 0;
            word(&cmd, a);
            continue;
        }
        if (a[0] != '-' || a[1] == '\0') {
            k.filter = a;
            continue;
        }
        if (strchr("sAnctOrRo", a[1]) != NULL)
            value = a[2] != '\0' ? a + 2 : i + 1 < argc ? argv[++i] : "";
        if (a[1] == 'o') {
            bool theirs = their_format(value) || k.any;
            k.any = theirs;
            k.format = true;
            k.listed = k.listed || theirs;
            if (theirs)
                format(&cmd, value);
            else
                option_letter(&cmd, 'o', value);
            continue;
        }
        if (!take(&cmd, &k, a[1], value)) {
            buf_printf(&cmd, " %s", a);
            continue;
        }
        k.any = true;
    }
    finish(&cmd, &k);
    if (k.any) {
        buf_str(out, "these are options of nfdump; the same in Weir:\n  ");
        buf_str(out, k.tool != NULL ? k.tool : "weir query");
        if (k.filter != NULL && k.tool == NULL)
            word(out, k.filter);
        if (k.tool == NULL)
            buf_str(out, buf_cstr(&cmd));
        buf_char(out, '\n');
        if (k.note != NULL)
            buf_printf(out, "%s\n", k.note);
    }
    buf_free(&cmd);
    return k.any;
}
