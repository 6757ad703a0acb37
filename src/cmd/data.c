/* weir data: what is known of addresses (AS number and name, country), where it comes from, and how
 * new data gets in. Nothing is fetched: files are given. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/cmd.h"
#include "enrich/geo.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/proc.h"
#include "store/store.h"

#define PATH_OCTETS 4096u
#define FILE_OCTETS (256u << 20)
#define DAY_MS      86400000

const struct cmd_option data_options[] = {
    { "source", 0, "TEXT",
      "where the data comes from; a package.json beside the files says it too" },
    { "licence", 0, "TEXT", "its licence" },
    { "date", 0, "YYYY-MM-DD", "when it was made; else what the files say, else today" },
    { 0 },
};
const char data_help[] =
    "Without operands: what is there, how old it is, and where it comes from.\n\n"
    "weir data import reads CSV files and MaxMind DB files (.mmdb), or all of them in a "
    "directory,\n"
    "and puts what they say of AS numbers or countries in place of what was there. A line of CSV "
    "is\n"
    "FIRST,LAST,AS,NAME or FIRST,LAST,COUNTRY; a network may stand for FIRST,LAST. Files for IPv4\n"
    "and IPv6 are given together. A running server takes the new data when it gets SIGHUP; "
    "records\n"
    "that are stored keep what was true when they were sealed.\n\n"
    "  weir data import asn-ipv4.csv asn-ipv6.csv --source 'my registry' --date 2026-11-01\n"
    "  weir data import GeoLite2-Country.mmdb\n"
    "  weir data lookup 192.0.2.1 2001:db8::1\n";

void cmd_facts_dir(const struct conf *c, char *out, size_t cap)
{
    char dir[PATH_OCTETS];

    if (conf_text(c, OPT_FACTS_DIR)[0] != '\0') {
        (void)snprintf(out, cap, "%s", conf_text(c, OPT_FACTS_DIR));
        return;
    }
    cmd_data_dir(c, dir, sizeof dir);
    (void)snprintf(out, cap, "%.*s/facts", (int)(cap - 7), dir);
}

int cmd_geo(const struct conf *c, struct geo **out, struct err *e)
{
    char dir[PATH_OCTETS];

    cmd_facts_dir(c, dir, sizeof dir);
    return geo_open(out, dir, e);
}

int cmd_use_geo(const struct conf *c, struct store *s, struct err *e)
{
    struct geo *g;
    int rc = cmd_geo(c, &g, e);

    if (rc != ERR_OK)
        return rc;
    store_set_geo(s, g);
    geo_unref(g);
    return ERR_OK;
}

/* ------------------------------------------------------------------ import */

struct import {
    const struct args *a;
    struct geo_source s;
    char source[RANGES_TEXT], licence[RANGES_TEXT];
    int64_t date_ms;
    struct ranges_about package; /* what a package.json beside the files says */
    bool settled[GEO_N];
    size_t files;
    const char *dir; /* that is being read */
};

static bool ends(const char *s, const char *with)
{
    size_t n = strlen(s), k = strlen(with);

    return n > k && strcmp(s + n - k, with) == 0;
}

static int read_file(struct import *x, const char *path, struct err *e)
{
    struct buf text = buf_init(FILE_OCTETS);
    int rc;

    x->files++;
    if (ends(path, ".mmdb"))
        return geo_source_mmdb(&x->s, path, e);
    rc = os_file_slurp(path, &text, e);
    if (rc == ERR_OK)
        rc = geo_source_csv(&x->s, path, (const char *)text.p, text.len, e);
    buf_free(&text);
    return rc;
}

/* Files of numbers instead of addresses say the same a second time. */
static int read_entry(void *ctx, const char *name)
{
    struct import *x = ctx;
    char path[PATH_OCTETS];
    struct err e;
    int rc;

    if (!ends(name, ".csv") && !ends(name, ".mmdb"))
        return ERR_OK;
    if (ends(name, "-num.csv"))
        return ERR_OK;
    (void)snprintf(path, sizeof path, "%s/%s", x->dir, name);
    if ((rc = read_file(x, path, &e)) != ERR_OK)
        (void)cmd_fail(x->a, &e);
    return rc;
}

/* Days since 1970 of a date of the Gregorian calendar. */
static int64_t days(int64_t y, int64_t m, int64_t d)
{
    y -= m <= 2;
    int64_t era = y / 400, yoe = y - era * 400;
    int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;

    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

/* n digits, stepping over them; -1: something else stands there. */
static int64_t digits(const char **s, unsigned n)
{
    int64_t v = 0;

    for (; n > 0; n--, (*s)++) {
        if (**s < '0' || **s > '9')
            return -1;
        v = v * 10 + (**s - '0');
    }
    return v;
}

/* YYYY-MM-DD, or YYYYMMDD with anything behind it. */
static bool date(const char *s, bool dashes, int64_t *out)
{
    int64_t y = digits(&s, 4), m, d;

    if (y < 1970 || (dashes && *s++ != '-'))
        return false;
    m = digits(&s, 2);
    if (m < 1 || m > 12 || (dashes && *s++ != '-'))
        return false;
    d = digits(&s, 2);
    *out = days(y, m, d) * DAY_MS;
    return d >= 1 && d <= 31 && (!dashes || *s == '\0');
}

static void cut(char *out, const char *a, const char *b)
{
    (void)snprintf(out, RANGES_TEXT, "%.120s%s%.120s", a, b[0] != '\0' ? " " : "", b);
}

/* What an npm package says of itself; its version ends with the date. */
static void read_package(struct import *x, const char *dir)
{
    char path[PATH_OCTETS];
    json_t *j;

    memset(&x->package, 0, sizeof x->package);
    (void)snprintf(path, sizeof path, "%s/package.json", dir);
    if ((j = json_load_file(path, 0, NULL)) == NULL)
        return;
    const char *name = json_string_value(json_object_get(j, "name"));
    const char *version = json_string_value(json_object_get(j, "version"));
    const char *licence = json_string_value(json_object_get(j, "license"));
    if (name != NULL)
        cut(x->package.source, name, version != NULL ? version : "");
    if (licence != NULL)
        cut(x->package.licence, licence, "");
    const char *last = version != NULL ? strrchr(version, '.') : NULL;
    if (last != NULL && strlen(last) >= 9)
        (void)date(last + 1, false, &x->package.version.date_ms);
    json_decref(j);
}

static void settle_about(struct import *x, const char *file)
{
    const char *name = strrchr(file, '/');

    for (unsigned k = 0; k < GEO_N; k++) {
        struct ranges_about *b = &x->s.about[k];
        int64_t date_ms = x->date_ms != 0 ? x->date_ms : x->package.version.date_ms;
        if (x->s.draft[k] == NULL || x->settled[k])
            continue; /* nothing of it, or an operand before this one has told */
        x->settled[k] = true;
        if (x->source[0] != '\0' || x->package.source[0] != '\0')
            cut(b->source, x->source[0] != '\0' ? x->source : x->package.source, "");
        else if (b->source[0] == '\0')
            cut(b->source, name != NULL ? name + 1 : file, "");
        cut(b->licence, x->licence[0] != '\0' ? x->licence : x->package.licence, "");
        if (date_ms == 0 && b->version.date_ms == 0)
            date_ms = clock_now_ms() / DAY_MS * DAY_MS;
        b->version.date_ms = date_ms != 0 ? date_ms : b->version.date_ms;
    }
}

static int read_operand(struct import *x, const char *path, struct err *e)
{
    char dir[PATH_OCTETS];
    const char *slash = strrchr(path, '/');
    int rc;

    if (os_is_dir(path)) {
        x->dir = path;
        read_package(x, path);
        rc = os_dir_list(path, read_entry, x, e);
    } else {
        (void)snprintf(dir, sizeof dir, "%.*s", slash != NULL ? (int)(slash - path) : 1,
                       slash != NULL ? path : ".");
        read_package(x, dir);
        rc = read_file(x, path, e);
    }
    if (rc == ERR_OK)
        settle_about(x, path);
    return rc;
}

static int import(const struct args *a, const char *dir)
{
    struct import x = { .a = a };
    struct err e = { 0 };
    int rc = ERR_OK, code = EXIT_DONE;

    if (a->n_operands < 2)
        return cmd_usage(a, "name the files or a directory: weir data import FILE...");
    if (args_has(a, "date") && !date(args_get(a, "date"), true, &x.date_ms))
        return cmd_usage(a, "--date: YYYY-MM-DD is expected");
    cut(x.source, args_has(a, "source") ? args_get(a, "source") : "", "");
    cut(x.licence, args_has(a, "licence") ? args_get(a, "licence") : "", "");
    for (size_t i = 1; i < a->n_operands && rc == ERR_OK; i++)
        if ((rc = read_operand(&x, a->operand[i], &e)) != ERR_OK)
            code = e.msg[0] != '\0' ? cmd_fail(a, &e) : EXIT_FAILED;
    if (rc == ERR_OK && x.s.draft[GEO_AS] == NULL && x.s.draft[GEO_COUNTRY] == NULL) {
        (void)err_set(&e, ERR_FORMAT, "%s: %s; files end with .csv or .mmdb", a->operand[1],
                      x.files == 0 ? "no such files in it" : "no AS number and no country in it");
        rc = e.code;
        code = cmd_fail(a, &e);
    }
    if (rc == ERR_OK && geo_install(&x.s, dir, &e) != ERR_OK)
        code = cmd_fail(a, &e);
    geo_source_free(&x.s);
    return code;
}

/* ------------------------------------------------------------------ list */

static void list_one(const struct geo *g, enum geo_kind kind)
{
    static const char *const what[GEO_N] = { "AS number", "country" };
    const struct ranges_about *b = geo_about(g, kind);
    char t[CLOCK_TEXT_MAX];

    if (b == NULL) {
        (void)printf("%-10s none\n", what[kind]);
        return;
    }
    int64_t age_days = (clock_now_ms() - b->version.date_ms) / DAY_MS;
    (void)printf("%-10s %s\n", what[kind], b->source);
    (void)printf("           of %.10s, %" PRId64 " days old; version %016" PRIx64 "\n",
                 clock_text(b->version.date_ms, t), MAX(age_days, 0), b->version.id);
    (void)printf("           %u ranges of IPv4, %u of IPv6", b->n_v4, b->n_v6);
    if (b->n_names > 0)
        (void)printf(", %u names", b->n_names);
    (void)printf("\n");
    if (b->licence[0] != '\0')
        (void)printf("           licence: %s\n", b->licence);
}

static int list(const struct args *a, const char *dir)
{
    struct geo *g;
    struct err e = { 0 };

    if (geo_open(&g, dir, &e) != ERR_OK)
        return cmd_fail(a, &e);
    for (unsigned k = 0; k < GEO_N; k++)
        list_one(g, (enum geo_kind)k);
    if (g == NULL)
        (void)printf("Nothing is known of addresses yet: weir data import FILE... (make facts "
                     "fetches public data in the source tree)\n");
    geo_unref(g);
    return EXIT_DONE;
}

static int look_up(const struct args *a, const char *dir)
{
    struct geo *g;
    struct err e = { 0 };
    int code = EXIT_DONE;

    if (geo_open(&g, dir, &e) != ERR_OK)
        return cmd_fail(a, &e);
    for (size_t i = 1; i < a->n_operands && code == EXIT_DONE; i++) {
        struct addr x;
        struct geo_name name = { .len = 0 };
        uint32_t as, country;
        if (!addr_parse(&x, a->operand[i], strlen(a->operand[i]))) {
            code = cmd_usage(a, "%s: an address is expected", a->operand[i]);
            break;
        }
        geo_look_up(g, GEO_AS, &x, 1, &as);
        geo_look_up(g, GEO_COUNTRY, &x, 1, &country);
        (void)geo_name(g, as, &name);
        (void)printf("%s", a->operand[i]);
        if (country != 0)
            (void)printf(" %c%c", (int)(country >> 8), (int)(country & 255));
        else
            (void)printf(" -");
        if (as != 0)
            (void)printf(" AS%u %.*s\n", as, (int)name.len, name.len > 0 ? name.text : "");
        else
            (void)printf(" -\n");
    }
    geo_unref(g);
    return code;
}

/* What root brings into the data directory of another user is that user's: the server reads it. */
static int give(const struct conf *c, const char *dir, struct err *e)
{
    char data[PATH_OCTETS], path[PATH_OCTETS];
    struct os_owner o;
    int rc;

    cmd_data_dir(c, data, sizeof data);
    if (!proc_is_root() || conf_text(c, OPT_FACTS_DIR)[0] != '\0' ||
        os_owner(data, &o, NULL) != ERR_OK || strcmp(o.user, "root") == 0)
        return ERR_OK;
    rc = proc_give(dir, o.user, e);
    for (unsigned k = 0; k < GEO_N && rc == ERR_OK; k++) {
        struct os_stat st;
        (void)snprintf(path, sizeof path, "%.*s/%s", (int)(sizeof path - 16), dir, geo_files[k]);
        if (os_file_stat(path, &st, NULL) == ERR_OK)
            rc = proc_give(path, o.user, e);
    }
    return rc;
}

int cmd_data(const struct args *a)
{
    const char *word = a->n_operands > 0 ? a->operand[0] : "";
    char dir[PATH_OCTETS];
    struct conf *conf;
    struct err e = { 0 };
    int code = EXIT_DONE;

    if (word[0] != '\0' && strcmp(word, "import") != 0 && strcmp(word, "lookup") != 0)
        return cmd_usage(a, "%s: import and lookup are known here", word);
    if (cmd_conf(a, &conf, &e) != ERR_OK)
        return cmd_fail(a, &e);
    cmd_facts_dir(conf, dir, sizeof dir);
    if (word[0] == 'i')
        code = import(a, dir);
    if (word[0] == 'i' && code == EXIT_DONE && give(conf, dir, &e) != ERR_OK)
        code = cmd_fail(a, &e);
    conf_unref(conf);
    if (word[0] == 'l')
        return look_up(a, dir);
    return code == EXIT_DONE ? list(a, dir) : code;
}
