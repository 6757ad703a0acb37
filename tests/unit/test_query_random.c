/* Thousands of random questions to query_run(), as words through the parser, against the plain
 * loops of query_ref.h: over open batches, over sealed segments, and over both.
 *
 * PROP_SEED=N asks from another seed, PROP_DATA=N makes more or fewer sets of records. */
#include "query_ref.h"

#include <inttypes.h>
#include <stdio.h>
#include <strings.h>

#include "query/exec.h"
#include "query/parse.h"

#define NOW_MS (MODEL_T0 + MODEL_DAY_MS)

static struct rnd rnd;
static struct model model;
static struct defs *defs, *defs_with_roles; /* query_define.h */
static bool defined;                        /* the filter asks for what is defined */
static bool narrow;      /* ask for single addresses: most pages hold none of them */
static char words[8192]; /* the question */
static char where[160];  /* seed, records, form */
static struct {
    unsigned asked, some; /* some, but not all records matched */
    unsigned aside;       /* flows that were counted elsewhere */
    uint64_t segments_pruned, blocks_pruned, pages_skipped;
} met;

static uint64_t dice(uint64_t n)
{
    return below(&rnd, n);
}

static void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *fmt, ...)
{
    size_t n = strlen(words);
    va_list a;

    va_start(a, fmt);
    (void)vsnprintf(words + n, sizeof words - n, fmt, a);
    va_end(a);
}

#define WRONG(...)                                       \
    do {                                                 \
        print_error("%s\nquestion: %s\n", where, words); \
        fail_msg(__VA_ARGS__);                           \
    } while (0)

/* ------------------------------------------------------------------ filters: made and said */

static const char *const side_words[] = { "src ", "dst ", "", "both ", "client ", "server ", "" };

/* A record to borrow values from, so that terms match something. */
static const struct model_record *example(void)
{
    return &model.r[dice(model.n)];
}

static void say_time(int64_t ms)
{
    int64_t day = ms / MODEL_DAY_MS, left = ms % MODEL_DAY_MS;

    /* the invented records lie in March 2026 */
    say("2026-03-%02dT%02d:%02d:%02d.%03dZ", (int)(day - 20512), (int)(left / 3600000),
        (int)(left / 60000 % 60), (int)(left / 1000 % 60), (int)(left % 1000));
}

static void say_number(enum vf f, uint64_t v)
{
    if (f == V_START || f == V_END || f == V_RECEIVED)
        say_time((int64_t)v);
    else
        say("%" PRIu64, v);
}

static uint64_t pick_number(enum vf f)
{
    bool there;

    return number_of(example(), f, 0, &there);
}

static void add_range(struct leaf *l, uint64_t lo, uint64_t hi)
{
    l->range[l->n].lo = lo;
    l->range[l->n++].hi = hi;
}

static void make_numbers(struct leaf *l)
{
    enum vf f = (enum vf)(dice(2) == 0 ? l->a : l->b);
    uint64_t v = pick_number(f), w = pick_number(f);

    switch (dice(9)) {
    case 0:
        say("!= ");
        l->not = true;
        add_range(l, v, v);
        break;
    case 1:
        say("< ");
        if (v > 0)
            add_range(l, 0, v - 1);
        break;
    case 2:
        say("<= ");
        add_range(l, 0, v);
        break;
    case 3:
        say("> ");
        if (v < UINT64_MAX)
            add_range(l, v + 1, UINT64_MAX);
        break;
    case 4:
        say(">= ");
        add_range(l, v, UINT64_MAX);
        break;
    case 5:
        if (v > w) {
            uint64_t t = v;
            v = w;
            w = t;
        }
        say_number(f, v);
        say("..");
        say_number(f, w);
        add_range(l, v, w);
        return;
    case 6:
        say("in [");
        for (unsigned i = 0, n = 1 + (unsigned)dice(4); i < n; i++) {
            v = pick_number(f);
            w = dice(3) == 0 ? v + dice(50) : v;
            if (f == V_HOUR || f == V_WEEKDAY || f == V_ICMP_TYPE || f == V_TTL || f == V_PROTO ||
                f == V_TOS || w > 65535)
                w = v;
            say(i > 0 ? " " : "");
            if (i > 0 && dice(4) == 0) {
                l->range[l->n].out = true;
                say("!");
            }
            say_number(f, v);
            if (w > v) {
                say("..");
                say_number(f, w);
            }
            add_range(l, v, w);
        }
        say("]");
        return;
    default:
        add_range(l, v, v);
        break;
    }
    say_number(f, v);
}

static void make_net(struct leaf *l, bool six, bool out)
{
    const struct model_record *r = example();
    struct addr a = dice(2) == 0 ? r->src : r->dst;
    static const uint8_t len4[] = { 32, 32, 24, 16, 31, 8, 27 }, len6[] = { 128, 128, 64, 48, 127 };
    char text[ADDR_TEXT_MAX];
    unsigned len;

    if (memcmp(a.b, (uint8_t[16]){ 0 }, 16) == 0 || (six && mapped(&a)))
        a = six ? model_v6(0, 1) : addr_from_v4(0x0a000001);
    len = mapped(&a) ? len4[dice(ARRAY_LEN(len4))] : len6[dice(ARRAY_LEN(len6))];
    if (narrow)
        len = mapped(&a) ? 32 : 128;
    cut(&a, len, len);
    (void)addr_format(&a, text);
    say("%s%s", out ? "!" : "", text);
    if (len != (mapped(&a) ? 32u : 128u))
        say("/%u", len);
    l->net[l->n_nets].a = a;
    l->net[l->n_nets].len = (uint8_t)(mapped(&a) ? 96 + len : len);
    l->net[l->n_nets++].out = out;
}

static void make_addr(struct leaf *l)
{
    static const char *const names[] = { "ip", "host", "net", "addr" };

    l->kind = L_ADDR;
    l->a = V_SRC;
    l->b = V_DST;
    l->side = (uint8_t)dice(6);
    if (!narrow && dice(8) == 0) {
        l->a = l->b = dice(2) == 0 ? V_NEXT : V_EXPORTER;
        l->side = S_NONE;
        say("%s ", vf_name[l->a]);
    } else if (!narrow && dice(16) == 0) {
        l->a = l->b = V_IE8;
        l->side = S_NONE;
        say("%s ", vf_name[l->a]);
    } else {
        say("%s%s ", side_words[l->side], names[dice(4)]);
    }
    if (l->a == V_EXPORTER) {
        struct addr a = addr_from_v4(model_exporters[dice(4)].addr);
        char text[ADDR_TEXT_MAX];
        (void)addr_format(&a, text);
        say("%s", text);
        l->net[0].a = a;
        l->net[l->n_nets++].len = 128;
    } else if (dice(3) == 0) {
        bool only_out = dice(8) == 0;
        say("in [");
        for (unsigned i = 0, n = 1 + (unsigned)dice(4); i < n; i++) {
            say(i > 0 ? ", " : "");
            make_net(l, dice(4) == 0, only_out || (i > 0 && dice(3) == 0));
        }
        say("]");
    } else {
        if (dice(8) == 0) {
            say("!= ");
            l->not = true;
        }
        make_net(l, dice(4) == 0, false);
    }
}

static void make_flags(struct leaf *l)
{
    static const char letters[] = "FSRPAU";
    uint64_t want = 0, more = dice(64);

    l->kind = L_FLAGS;
    l->form = (uint8_t)dice(5);
    want = example()->v[M_FLAGS] & 0x3f;
    if (want == 0)
        want = 2;
    if (l->form == F_ALL && dice(2) == 0)
        want &= (uint64_t) - (int64_t)want; /* one letter */
    l->want = want;
    l->mask = want | more;
    say("flags ");
    if (l->form == F_NUMBER) {
        say("%u", (unsigned)want);
        return;
    }
    say("%s", l->form == F_EXACT ? "= " : l->form == F_ANY ? "any " : "");
    for (unsigned i = 0; i < 6; i++)
        if ((want >> i & 1) != 0)
            say("%c", letters[i]);
    if (l->form == F_OF) {
        say("/");
        for (unsigned i = 0; i < 6; i++)
            if ((l->mask >> i & 1) != 0)
                say("%c", letters[i]);
    }
}

static void say_country(uint64_t v)
{
    say("%c%c", (int)(v >> 8), (int)(v & 255));
}

/* Mostly one that some record has. */
static uint64_t pick_country(enum vf f)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < 10 && v == 0; i++)
        v = pick_number(f);
    return v != 0 ? v : GEO_LETTERS('O', 'R');
}

static void make_country(struct leaf *l)
{
    uint64_t v;

    l->kind = L_NUMBER;
    l->a = V_SRC_COUNTRY;
    l->b = V_DST_COUNTRY;
    l->side = (uint8_t)dice(6);
    say("%s%s ", side_words[l->side], dice(2) == 0 ? "country" : "geo");
    if (dice(2) == 0) {
        l->not = dice(4) == 0;
        v = pick_country(l->a);
        say(l->not ? "!= " : "");
        say_country(v);
        add_range(l, v, v);
        return;
    }
    say("in [");
    for (unsigned i = 0, n = 1 + (unsigned)dice(6); i < n; i++) {
        v = pick_country(dice(2) == 0 ? l->a : l->b);
        l->range[l->n].out = dice(5) == 0;
        say("%s%s", i > 0 ? " " : "", l->range[l->n].out ? "!" : "");
        say_country(v);
        add_range(l, v, v);
    }
    say("]");
}

static void make_as_name(struct leaf *l)
{
    l->kind = L_AS_NAME;
    l->a = V_SRC_AS;
    l->b = V_DST_AS;
    l->side = (uint8_t)dice(6);
    l->not = dice(4) == 0;
    say("%sas name ", side_words[l->side]);
    l->want = dice(11);
    if (l->want < 10) {
        say("%s /%u$/", l->not ? "!~" : "~", (unsigned)l->want);
        return;
    }
    if (dice(3) > 0)
        (void)snprintf(l->text, sizeof l->text, "NET %u", (unsigned)dice(REF_AS));
    say("%s \"%s\"", l->not ? "!=" : "=", l->text);
}

static void make_exists(struct leaf *l)
{
    static const struct {
        const char *word;
        uint8_t a, b, side;
    } what[] = {
        { "src port", V_SPORT, V_SPORT, S_NONE },
        { "port", V_SPORT, V_DPORT, S_EITHER },
        { "dst ip", V_DST, V_DST, S_NONE },
        { "bytes", V_BYTES, V_BYTES, S_NONE },
        { "packets", V_PACKETS, V_PACKETS, S_NONE },
        { "next ip", V_NEXT, V_NEXT, S_NONE },
        { "as", V_SRC_AS, V_DST_AS, S_EITHER },
        { "country", V_SRC_COUNTRY, V_DST_COUNTRY, S_EITHER },
        { "in if", V_IN_IF, V_IN_IF, S_NONE },
        { "ttl", V_TTL, V_TTL, S_NONE },
        { "proto", V_PROTO, V_PROTO, S_NONE },
        { "flags", V_FLAGS, V_FLAGS, S_NONE },
        { "ip", V_SRC, V_DST, S_EITHER },
        { "ie(flowEndReason)", V_REASON, V_REASON, S_NONE },
        { "ie(interfaceName)", V_NAME, V_NAME, S_NONE },
        { "ie(sourceIPv4Address)", V_IE8, V_IE8, S_NONE },
    };
    size_t i = dice(ARRAY_LEN(what));

    l->kind = L_EXISTS;
    l->a = what[i].a;
    l->b = what[i].b;
    l->side = what[i].side;
    l->not = dice(2) == 0;
    say("%s %s", l->not ? "absent" : "exists", what[i].word);
}

/* Terms on definitions. */
static void make_defined(struct leaf *l)
{
    static const struct {
        uint8_t a, b;
        const char *field, *word[4];
    } fields[] = {
        { V_SRC_NAME, V_DST_NAME, "name", { "net", "Two", "six" } },
        { V_SITE, V_SITE, "site", { "A", "b" } },
        { V_ROLE, V_ROLE, "role", { "core", "edge" } },
        { V_EXPORTER_NAME, V_EXPORTER_NAME, "exporter name", { "r1", "R1B", "r3" } },
        { V_EXPORTER_NAME, V_EXPORTER_NAME, "exporter", { "r1", "R1B", "r3" } },
        { V_IN_BOUNDARY, V_OUT_BOUNDARY, "boundary", { "internal", "external" } },
        { V_IN_PROVIDER, V_OUT_PROVIDER, "provider", { "P1", "p2", "P3" } },
        { V_DIRECTION, V_DIRECTION, "direction", { "inbound", "outbound", "internal", "transit" } },
    };
    static const char *const ways[][2] = { { "inbound", "inbound" },
                                           { "outbound", "outbound" },
                                           { "internal", "internal traffic" },
                                           { "transit", "transit" } };
    static const char *const io[] = { "in ", "out ", "", "both " };
    size_t i, w = 0;

    defined = true;
    l->kind = L_WORD;
    switch (dice(6)) {
    case 0:
    case 1:
        l->kind = L_GROUP;
        l->a = V_SRC_GROUP;
        l->b = V_DST_GROUP;
        l->side = (uint8_t)dice(6);
        l->want = dice(R_GROUPS);
        l->not = dice(8) == 0;
        say("%sgroup %s%s", side_words[l->side], l->not ? "!= " : "", ref_group_name[l->want]);
        return;
    case 2:
        l->kind = L_INSIDE;
        l->a = V_SRC;
        l->b = V_DST;
        l->side = (uint8_t)dice(6);
        l->want = dice(2);
        say("%s%s", side_words[l->side], l->want ? "internal" : "external");
        return;
    case 3:
        i = dice(ARRAY_LEN(ways));
        l->kind = L_DIRECTION;
        (void)snprintf(l->text, sizeof l->text, "%s", ways[i][0]);
        say("%s", ways[i][1]);
        return;
    case 4:
        l->kind = L_EXISTS;
        l->a = V_SRC_GROUP;
        l->b = V_DST_GROUP;
        l->side = (uint8_t)dice(3);
        l->not = dice(2) == 0;
        if (dice(2) == 0) {
            l->a = V_SRC_NAME;
            l->b = V_DST_NAME;
        }
        say("%s %s%s", l->not ? "absent" : "exists", side_words[l->side],
            l->a == V_SRC_NAME ? "name" : "group");
        return;
    default:
        break;
    }
    i = dice(ARRAY_LEN(fields));
    l->a = fields[i].a;
    l->b = fields[i].b;
    while (w < 3 && fields[i].word[w + 1] != NULL)
        w++;
    w = dice(w + 1);
    l->side = S_NONE;
    if (l->a == V_SRC_NAME) {
        l->side = (uint8_t)dice(6);
        say("%s", side_words[l->side]);
    } else if (l->a == V_IN_BOUNDARY || l->a == V_IN_PROVIDER) {
        l->side = (uint8_t)dice(4);
        say("%s", io[l->side]);
    }
    l->not = dice(5) == 0;
    (void)snprintf(l->text, sizeof l->text, "%s", fields[i].word[w]);
    say("%s %s%s", fields[i].field, l->not ? "!= " : "", l->text);
}

static void make_leaf(struct leaf *l)
{
    static const uint8_t plain[] = { V_PROTO,     V_TOS,         V_BYTES,       V_PACKETS,
                                     V_RAW_BYTES, V_OUT_BYTES,   V_BPS,         V_PPS,
                                     V_BPP,       V_DURATION,    V_START,       V_END,
                                     V_RECEIVED,  V_DOMAIN,      V_VERSION,     V_HOUR,
                                     V_WEEKDAY,   V_REASON,      V_TTL,         V_IE7,
                                     V_ICMP_TYPE, V_RAW_PACKETS, V_OUT_PACKETS, V_RAW_BPS };
    static const uint8_t protos[] = { 6, 17, 1 };
    static const char *const proto_words[] = { "tcp", "udp", "icmp" };
    const struct model_record *r = example();
    size_t i;

    l->kind = L_NUMBER;
    l->side = S_NONE;
    if (!narrow && dice(5) == 0) {
        make_defined(l);
        return;
    }
    switch (narrow ? 0 : dice(16)) {
    case 14:
        make_country(l);
        return;
    case 15:
        make_as_name(l);
        return;
    case 0:
    case 1:
    case 2:
        make_addr(l);
        return;
    case 3:
    case 4:
        l->a = V_SPORT;
        l->b = V_DPORT;
        l->side = (uint8_t)dice(6);
        say("%sport ", side_words[l->side]);
        break;
    case 5:
        l->a = V_SRC_AS;
        l->b = V_DST_AS;
        l->side = (uint8_t)dice(4);
        say("%sas ", side_words[l->side]);
        break;
    case 6:
        l->a = V_IN_IF;
        l->b = V_OUT_IF;
        l->side = (uint8_t)dice(3);
        say("%sif ", l->side == S_SRC ? "in " : l->side == S_DST ? "out " : "");
        break;
    case 7:
        make_flags(l);
        return;
    case 8:
        make_exists(l);
        return;
    case 9:
        if (dice(2) == 0) {
            i = dice(3);
            say("%s", proto_words[i]);
            l->a = l->b = V_PROTO;
            add_range(l, protos[i], protos[i]);
            return;
        }
        l->kind = L_VERSION;
        l->want = dice(2) == 0 ? 4 : 6;
        say(l->want == 4 ? "ipv4" : "inet6");
        return;
    case 10:
        if (dice(2) == 0) {
            l->kind = L_AT;
            l->want = (uint64_t)r->start + dice(lasted(r) + 2);
            say("at ");
            say_time((int64_t)l->want);
            return;
        }
        l->kind = L_NAME;
        if (dice(2) == 0) {
            static const char *const names[] = { "EAST", "web", "lan ssh", "ten one", "", "Steam" };
            l->a = l->b = V_APP;
            l->not = dice(3) == 0;
            (void)snprintf(l->text, sizeof l->text, "%s", names[dice(ARRAY_LEN(names))]);
            say("app %s \"%s\"", l->not ? "!=" : "=", l->text);
            return;
        }
        l->a = l->b = V_NAME;
        (void)snprintf(l->text, sizeof l->text, "%s", dice(3) == 0 ? "ETH1" : r->name);
        l->not = dice(3) == 0;
        say("ie(interfaceName) %s \"%s\"", l->not ? "!=" : "=", l->text);
        return;
    case 11:
        if (dice(6) == 0) {
            l->kind = L_ANY;
            l->not = dice(2) == 0;
            say(l->not ? "none" : "any");
            return;
        }
        l->a = l->b = plain[dice(ARRAY_LEN(plain))];
        say("%s ", vf_name[l->a]);
        break;
    default:
        l->a = l->b = plain[dice(ARRAY_LEN(plain))];
        say("%s ", vf_name[l->a]);
        break;
    }
    make_numbers(l);
}

static struct tree *make_tree(unsigned depth, bool negated)
{
    static const char *const joins[] = { "", "", " and ", " or ", " xor " };
    struct tree *t = calloc(1, sizeof *t);

    assert_non_null(t);
    if (depth == 0 || dice(3) == 0) {
        make_leaf(&t->leaf);
        if (negated && t->leaf.kind == L_FLAGS && t->leaf.form == F_ALL)
            t->leaf.form = F_ANY; /* behind "not" letters mean none of them, as in nfdump */
        return t;
    }
    t->op = (uint8_t)(dice(4) == 0 ? OP_NOT : dice(6) == 0 ? OP_XOR : OP_AND + dice(2));
    t->n = t->op == OP_NOT ? 1 : 2 + (unsigned)dice(2);
    say(t->op == OP_NOT ? "not (" : "(");
    for (unsigned i = 0; i < t->n; i++) {
        say("%s", i > 0 ? joins[t->op] : "");
        t->kid[i] = make_tree(depth - 1, negated != (t->op == OP_NOT));
    }
    say(")");
    return t;
}

/* ------------------------------------------------------------------ views: made and said */

static bool of_sessions; /* the question is about sessions */

/* Keys that all records of a session share: which of them begins it is then all the same. */
static void make_session_key(struct qkey *k)
{
    static const struct {
        const char *word;
        uint8_t shape, a, b;
    } keys[] = { { "client", KS_CLIENT, V_SRC, V_DST },
                 { "server", KS_SERVER, V_SRC, V_DST },
                 { "server port", KS_SERVER, V_SPORT, V_DPORT },
                 { "client port", KS_CLIENT, V_SPORT, V_DPORT },
                 { "host", KS_EITHER, V_SRC, V_DST },
                 { "host pair", KS_PAIR, V_SRC, V_DST },
                 { "proto", KS_VALUE, V_PROTO, V_PROTO } };
    size_t i = dice(ARRAY_LEN(keys));

    k->shape = keys[i].shape;
    k->a = keys[i].a;
    k->b = keys[i].b;
    (void)snprintf(k->name, sizeof k->name, "%s", keys[i].word);
    if (i < 2 && dice(3) == 0) {
        k->len4 = 24;
        k->len6 = 48;
        (void)snprintf(k->name, sizeof k->name, "%s/24", keys[i].word);
    }
}

static void make_key(struct qkey *k)
{
    static const struct {
        const char *word;
        uint8_t shape, a, b;
    } two[] = { { "host", KS_EITHER, V_SRC, V_DST },
                { "port", KS_EITHER, V_SPORT, V_DPORT },
                { "as", KS_EITHER, V_SRC_AS, V_DST_AS },
                { "if", KS_EITHER, V_IN_IF, V_OUT_IF },
                { "country", KS_EITHER, V_SRC_COUNTRY, V_DST_COUNTRY },
                { "group", KS_GROUP, V_SRC_GROUP, V_DST_GROUP },
                { "name", KS_EITHER, V_SRC_NAME, V_DST_NAME },
                { "boundary", KS_EITHER, V_IN_BOUNDARY, V_OUT_BOUNDARY },
                { "provider", KS_EITHER, V_IN_PROVIDER, V_OUT_PROVIDER },
                { "host pair", KS_PAIR, V_SRC, V_DST },
                { "matched host", KS_MATCHED, V_SRC, V_DST } };
    static const uint8_t prefix4[] = { 0, 24, 16, 8, 31, 32 };
    size_t i = dice(ARRAY_LEN(two) + 12 - defined); /* matched host is of addresses written out */

    if (defined && i >= ARRAY_LEN(two) - 1)
        i++;
    size_t n;

    memset(k, 0, sizeof *k);
    k->len4 = 32;
    k->len6 = 128;
    if (of_sessions) {
        make_session_key(k);
        return;
    }
    if (i < ARRAY_LEN(two)) {
        k->shape = two[i].shape;
        k->a = two[i].a;
        k->b = two[i].b;
        (void)snprintf(k->name, sizeof k->name, "%s", two[i].word);
    } else {
        k->a = (uint8_t)dice(V_LAST_KEY + 1);
        if (dice(2) == 0)
            k->a = (uint8_t)dice(2);
        (void)snprintf(k->name, sizeof k->name, "%s", vf_name[k->a]);
    }
    if (!is_addr(k->a) || k->a == V_IE8 || dice(3) != 0)
        return;
    n = strlen(k->name);
    k->len4 = prefix4[dice(ARRAY_LEN(prefix4))];
    k->len6 = (uint8_t)(k->len4 * 2 > 63 ? 64 : k->len4 * 2);
    if (k->len4 * 2 != k->len6 || dice(2) == 0) {
        k->len6 = (uint8_t)(32 + dice(97));
        (void)snprintf(k->name + n, sizeof k->name - n, "/%u,%u", k->len4, k->len6);
    } else {
        (void)snprintf(k->name + n, sizeof k->name - n, "/%u", k->len4);
    }
}

static void measure_words(const struct qmeasure *m)
{
    static const char *const w[] = { "bytes",     "bits", "packets",  "flows",     "active flows",
                                     "bps",       "pps",  "bpp",      "duration",  "first seen",
                                     "last seen", "",     "sessions", "initiated", "accepted" };

    if (m->kind == Q_DISTINCT)
        say("distinct %s", m->key.name);
    else
        say("%s%s", m->raw ? "raw " : "", w[m->kind]);
}

static void make_measures(struct question *q)
{
    q->n_measures = 1 + (unsigned)dice(Q_MAX_MEASURES);
    say(" | ");
    for (unsigned i = 0; i < q->n_measures; i++) {
        struct qmeasure *m = &q->measure[i];
        bool volume;
        m->kind = (uint8_t)dice(Q_DISTINCT + 1);
        if (of_sessions && dice(2) == 0)
            m->kind = (uint8_t)(Q_SESSIONS + dice(3));
        if (i == 0 && (dice(2) == 0 || (m->kind == Q_SESSIONS && q->view != Q_RANK)))
            m->kind = Q_BYTES; /* "| sessions" alone is a list */
        volume = m->kind <= Q_PACKETS || (m->kind >= Q_BPS && m->kind <= Q_BPP);
        m->raw = volume && dice(4) == 0;
        if (m->kind == Q_DISTINCT)
            make_key(&m->key);
        say(i > 0 ? ", " : "");
        measure_words(m);
    }
}

static void make_frame(struct question *q)
{
    int64_t a, b, span = model.now - MODEL_T0;

    q->from = INT64_MIN;
    q->to = INT64_MAX;
    if (dice(3) == 0)
        return;
    q->framed = true;
    a = MODEL_T0 - 1800000 + (int64_t)dice((uint64_t)span + 3600000);
    if (dice(3) == 0)
        a = dice(2) == 0 ? example()->start : example()->end;
    b = a + 1 + (int64_t)dice(dice(2) == 0 ? 60000 : 7200000);
    if (dice(8) == 0)
        b = a + MODEL_DAY_MS;
    say(" |");
    if (dice(6) != 0) {
        q->from = a;
        say(" from ");
        say_time(a);
    }
    if (q->from == INT64_MIN || dice(6) != 0) {
        q->to = b;
        say(" to ");
        say_time(b);
    }
    if (dice(4) == 0) {
        q->whole = true;
        say(" | whole");
    }
}

static void make_series(struct question *q)
{
    static const struct {
        int64_t ms;
        const char *text;
    } steps[] = { { 1000, "1s" },    { 7000, "7s" },    { 60000, "1m" },    { 300000, "5m" },
                  { 600000, "10m" }, { 3600000, "1h" }, { 25200000, "7h" }, { 86400000, "1d" } };
    int64_t span = MODEL_DAY_MS * 2;
    size_t i;

    if (q->from != INT64_MIN && q->to != INT64_MAX)
        span = q->to - q->from;
    if (!q->framed && dice(6) == 0) {
        q->auto_step = true;
        say(" | series auto");
        return;
    }
    do
        i = dice(ARRAY_LEN(steps));
    while (span / steps[i].ms > 400);
    q->step = steps[i].ms;
    say(" | series %s", steps[i].text);
}

static void make_rank(struct question *q)
{
    q->n_keys = 1 + (unsigned)(dice(3) == 0 ? dice(Q_MAX_KEYS) : 0);
    say(" | by ");
    for (unsigned i = 0; i < q->n_keys; i++) {
        bool port, proto = false;
        make_key(&q->key[i]);
        say("%s%s", i > 0 ? "," : "", q->key[i].name);
        port = q->key[i].a == V_SPORT || q->key[i].a == V_DPORT;
        q->by_port |= port;
        (void)proto;
    }
    for (unsigned i = 0; i < q->n_keys; i++) /* a port means something only with its protocol */
        if (q->key[i].a == V_PROTO)
            q->by_port = false;
}

static void make_top(struct question *q)
{
    const struct qmeasure *m;
    unsigned h;

    q->top = 10;
    if (dice(3) != 0) {
        q->top = dice(3) == 0 ? 0 : 1 + dice(30);
        q->bottom = dice(4) == 0;
        say(" | %s %" PRIu64, q->bottom ? "bottom" : "top", q->top);
    }
    h = (unsigned)dice(q->n_measures * 4);
    if (h >= q->n_measures)
        return;
    m = &q->measure[h];
    if (m->kind == Q_FIRST || m->kind == Q_LAST)
        return;
    q->having.on = true;
    q->having.measure = (uint8_t)h;
    q->having.below = dice(2) == 0;
    q->having.than = m->kind == Q_FLOWS || m->kind == Q_DISTINCT || m->kind == Q_ACTIVE
                         ? dice(20)
                         : dice(1u << dice(24));
    say(" | having ");
    measure_words(m);
    say(" %s %" PRIu64, q->having.below ? "<=" : ">", q->having.than);
}

static void make_list(struct question *q)
{
    static const uint8_t cols[] = {
        V_SRC,       V_DST,         V_NEXT,        V_SPORT,       V_DPORT,        V_PROTO,
        V_FLAGS,     V_TOS,         V_IN_IF,       V_OUT_IF,      V_SRC_AS,       V_DST_AS,
        V_BYTES,     V_PACKETS,     V_DURATION,    V_START,       V_END,          V_RECEIVED,
        V_EXPORTER,  V_REASON,      V_TTL,         V_NAME,        V_IE8,          V_IE7,
        V_BPS,       V_BPP,         V_OUT_BYTES,   V_RAW_BYTES,   V_DOMAIN,       V_HOUR,
        V_SRC_NAME,  V_DIRECTION,   V_SITE,        V_IN_BOUNDARY, V_OUT_PROVIDER, V_SRC_GROUP,
        V_DST_GROUP, V_SRC_COUNTRY, V_DST_COUNTRY, V_SERVICE,     V_APP,
    };

    q->n_columns = 1 + (unsigned)dice(Q_MAX_COLUMNS);
    say(" | list ");
    for (unsigned i = 0; i < q->n_columns; i++) {
        q->column[i] = cols[dice(ARRAY_LEN(cols))];
        say("%s%s", i > 0 ? "," : "", vf_name[q->column[i]]);
    }
    if (dice(2) == 0) {
        q->sorted = true;
        q->sort = q->column[dice(q->n_columns)];
        q->desc = dice(2) == 0;
        say(" | sort %s%s", vf_name[q->sort], q->desc ? " desc" : "");
    }
    q->limit = dice(2) == 0 ? 0 : 1 + dice(60);
    say(" | limit %" PRIu64, q->limit);
}

static void make_session_filter(struct question *q)
{
    static const char *const word[] = {
        "", "client bytes", "server packets", "total bytes", "session duration", "slices"
    };
    static const char *const state[] = { "open", "closed", "refused", "unanswered", "syn-only" };

    q->session.what = (uint8_t)(1 + dice(QS_STATE));
    q->session.hi = UINT64_MAX;
    if (q->session.what == QS_STATE && dice(4) == 0) {
        q->session.hi = 2;
        say(" and answered");
    } else if (q->session.what == QS_STATE) {
        q->session.lo = q->session.hi = dice(5);
        say(" and state %s", state[q->session.lo]);
    } else {
        q->session.lo = q->session.what == QS_SLICES           ? 1 + dice(3)
                        : q->session.what == QS_SERVER_PACKETS ? dice(60)
                                                               : 1u << dice(18);
        if (dice(3) == 0) {
            q->session.hi = q->session.lo;
            q->session.lo = 0;
        }
        say(" and %s %s %" PRIu64, word[q->session.what],
            q->session.lo == 0 ? "<=" : ">=", q->session.lo == 0 ? q->session.hi : q->session.lo);
    }
}

static bool by_opener(const struct question *q)
{
    bool yes = false;

    for (unsigned i = 0; i < q->n_measures; i++)
        yes |= q->measure[i].kind == Q_INITIATED || q->measure[i].kind == Q_ACCEPTED;
    return yes;
}

static void make_question(struct question *q)
{
    memset(q, 0, sizeof *q);
    words[0] = '\0';
    defined = false;
    narrow = model.n > 8000 && dice(3) == 0;
    of_sessions = dice(5) == 0;
    say("(");
    q->filter = make_tree((unsigned)dice(4), false);
    say(")");
    if (of_sessions && dice(2) == 0)
        make_session_filter(q);
    narrow = false;
    q->view = (uint8_t)(dice(6) == 0 ? Q_LIST : dice(4) == 0 ? Q_TOTALS : Q_RANK);
    make_frame(q);
    if (q->view == Q_RANK)
        make_rank(q);
    if (q->view == Q_LIST) {
        make_list(q);
        q->n_measures = 1; /* unused; bytes */
    } else {
        make_measures(q);
        if (dice(3) == 0 && !by_opener(q))
            make_series(q);
    }
    if (q->view == Q_RANK)
        make_top(q);
    if (dice(6) == 0) {
        q->raw = true;
        say(" | raw");
    }
    q->roles = dice(3) == 0 ? 1 + (uint8_t)dice(2) : 0;
    if (dice(5) == 0) {
        q->dedup = 1 + (uint8_t)dice(2);
        say(" | dedup %s", q->dedup == 1 ? "on" : "off");
    }
    if (dice(6) == 0) {
        q->zone_ms = 19800000;
        say(" | tz +05:30");
    }
}

/* ------------------------------------------------------------------ what query_run() answers */

struct got_row {
    uint8_t kind;
    struct kv cell[Q_MAX_CELLS];
    double real[Q_MAX_CELLS];
};
struct got {
    struct answer_sink sink;
    const struct question *q;
    uint32_t n_cols, n, cap;
    struct got_row *row;
    struct got_row total;
    bool has_total;
    struct answer_totals totals;
    struct query_stats stats;
};

static struct kv pair_of(const char *s, size_t len)
{
    const char *mid = memmem(s, len, " <-> ", 5);
    struct addr a, b;
    struct kv k = { .kind = K_PAIR };

    if (mid == NULL || !addr_parse(&a, s, (size_t)(mid - s)) ||
        !addr_parse(&b, mid + 5, len - (size_t)(mid - s) - 5))
        WRONG("a pair reads %.*s", (int)len, s);
    if (memcmp(a.b, b.b, 16) > 0)
        WRONG("a pair depends on the order of the records: %.*s", (int)len, s);
    memcpy(k.b, a.b, 16);
    memcpy(k.b + 16, b.b, 16);
    return k;
}

static void take(struct got *g, struct got_row *r, const struct cell *c)
{
    unsigned key0 = g->q->step != 0 || g->q->auto_step;

    memset(r, 0, sizeof *r);
    for (uint32_t i = 0; i < g->n_cols; i++) {
        bool key = g->q->view == Q_RANK && i >= key0 && i - key0 < g->q->n_keys;
        r->real[i] = c[i].kind == CELL_REAL ? c[i].real : (double)c[i].u;
        switch (c[i].kind) {
        case CELL_ABSENT:
            break;
        case CELL_ADDR:
            r->cell[i].kind = K_ADDR;
            memcpy(r->cell[i].b, c[i].a.b, 16);
            break;
        case CELL_TEXT:
            if (key && g->q->key[i - key0].shape == KS_PAIR) {
                r->cell[i] = pair_of(c[i].text, c[i].text_len);
                break;
            }
            r->cell[i].kind = K_TEXT;
            assert_true(c[i].text_len < sizeof r->cell[i].b);
            if (c[i].text_len > 0)
                memcpy(r->cell[i].b, c[i].text, c[i].text_len);
            break;
        default:
            r->cell[i] = kv_number(c[i].u);
        }
    }
}

static int on_begin(struct answer_sink *s, const struct answer_head *h)
{
    ((struct got *)(void *)s)->n_cols = h->n_cols;
    assert_true(h->n_cols <= Q_MAX_CELLS);
    return ERR_OK;
}
static int on_row(struct answer_sink *s, const struct answer_row *r)
{
    struct got *g = (struct got *)(void *)s;

    if (g->n == g->cap) {
        g->cap = g->cap * 2 + 64;
        g->row = realloc(g->row, g->cap * sizeof *g->row);
        assert_non_null(g->row);
    }
    take(g, &g->row[g->n], r->cell);
    g->row[g->n++].kind = r->kind;
    return ERR_OK;
}
static int on_end(struct answer_sink *s, const struct answer_end *e)
{
    struct got *g = (struct got *)(void *)s;

    g->totals = *e->totals;
    g->stats = *e->stats;
    g->has_total = e->total != NULL;
    if (e->total != NULL)
        take(g, &g->total, e->total);
    return ERR_OK;
}

/* ------------------------------------------------------------------ the two compared */

static void same_measures(const struct ref *f, const struct got_row *r, unsigned at,
                          const struct sums *s, int64_t span, bool rest, const char *what)
{
    const struct question *q = f->q;

    for (unsigned m = 0; m < q->n_measures; m++) {
        struct measured want = measured(q, m, s, span);
        const struct kv *c = &r->cell[at + m];
        unsigned kind = q->measure[m].kind;
        bool absent =
            (rest && kind == Q_DISTINCT) || (!s->any && (kind == Q_FIRST || kind == Q_LAST));
        double d = r->real[at + m] - want.real;
        if (absent ? c->kind == K_ABSENT
                   : c->kind == K_NUMBER && kv_n(c) == want.v &&
                         (kind != Q_BPP || (d < 1e-9 && d > -1e-9)))
            continue;
        WRONG("%s: measure %u is %" PRIu64 " (kind %u), not %" PRIu64, what, m, kv_n(c), c->kind,
              absent ? 0 : want.v);
    }
}

static bool kept_by_having(const struct ref *f, const struct sums *s)
{
    const struct question *q = f->q;
    uint64_t v;

    if (!q->having.on)
        return true;
    v = measured(q, q->having.measure, s, f->span).v;
    return q->having.below ? v <= q->having.than : v > q->having.than;
}

static void sums_join(struct sums *to, const struct sums *s)
{
    to->bytes += s->bytes;
    to->packets += s->packets;
    to->raw_bytes += s->raw_bytes;
    to->raw_packets += s->raw_packets;
    to->flows += s->flows;
    to->active += s->active;
    to->duration += s->duration;
    to->sessions += s->sessions;
    to->initiated += s->initiated;
    to->accepted += s->accepted;
    to->first = to->any ? MIN(to->first, s->first) : s->first;
    to->last = to->any ? MAX(to->last, s->last) : s->last;
    to->any = true;
}

static int falling(const void *a, const void *b)
{
    const struct measured *x = a, *y = b;

    if (x->v != y->v)
        return x->v > y->v ? -1 : 1;
    return x->real > y->real ? -1 : x->real < y->real;
}
static int rising(const void *a, const void *b)
{
    return falling(b, a);
}

/* The values that order, best first; how many of them the top holds. */
static struct measured *best(const struct ref *f, uint32_t *n)
{
    const struct question *q = f->q;
    struct measured *v = malloc((f->rank.keys.n + 1) * sizeof *v);

    assert_non_null(v);
    *n = 0;
    for (uint32_t i = 0; i < f->rank.keys.n; i++)
        if (kept_by_having(f, &f->rank.sum[i]))
            v[(*n)++] = measured(q, 0, &f->rank.sum[i], f->span);
    qsort(v, *n, sizeof *v, q->bottom ? rising : falling);
    if (q->top > 0)
        *n = (uint32_t)MIN((uint64_t)*n, q->top);
    return v;
}

static void same_ranking(struct ref *f, const struct got *g)
{
    const struct question *q = f->q;
    uint32_t n;
    struct measured *v = best(f, &n);
    uint8_t *shown = calloc(1, f->rank.keys.n + 1u);
    struct sums rest;

    assert_non_null(shown);
    memset(&rest, 0, sizeof rest);
    if (g->n != n + (n < f->rank.keys.n))
        WRONG("%u rows, not %u (%u groups)", g->n, n + (n < f->rank.keys.n), f->rank.keys.n);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t k = keyset_at(&f->rank.keys, g->row[i].cell, false);
        struct measured one;
        if (g->row[i].kind != ROW_NORMAL || k == UINT32_MAX || shown[k])
            WRONG("row %u has a key that no record has, or one twice", i);
        shown[k] = 1;
        if (!kept_by_having(f, &f->rank.sum[k]))
            WRONG("row %u does not fit having", i);
        same_measures(f, &g->row[i], q->n_keys, &f->rank.sum[k], f->span, false, "row");
        one = measured(q, 0, &f->rank.sum[k], f->span);
        if (falling(&one, &v[i]) != 0)
            WRONG("row %u is out of order", i);
    }
    for (uint32_t k = 0; k < f->rank.keys.n; k++)
        if (!shown[k])
            sums_join(&rest, &f->rank.sum[k]);
    if (n < f->rank.keys.n) {
        if (g->row[n].kind != ROW_REST)
            WRONG("the last row is not the rest");
        same_measures(f, &g->row[n], q->n_keys, &rest, f->span, true, "rest");
    }
    free(shown);
    free(v);
}

/* Which keys a series shows: any of equal order will do, but they must be the best ones. */
static void shown_keys(struct ref *f, const struct got *g, struct keyset *shown)
{
    const struct question *q = f->q;
    uint32_t n;
    struct measured *v = best(f, &n), *has_v = malloc((n + 1) * sizeof *has_v);

    assert_non_null(has_v);
    keyset_init(shown, MAX(q->n_keys, 1u));
    for (uint32_t i = 0; i < g->n; i++)
        if (g->row[i].kind == ROW_NORMAL)
            (void)keyset_at(shown, g->row[i].cell + 1, true);
    if (shown->n != n)
        WRONG("%u keys shown, not %u", shown->n, n);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t k = keyset_at(&f->rank.keys, shown->key + (size_t)i * shown->width, false);
        if (k == UINT32_MAX)
            WRONG("a key that no record has");
        has_v[i] = measured(q, 0, &f->rank.sum[k], f->span);
    }
    qsort(has_v, n, sizeof *has_v, q->bottom ? rising : falling);
    for (uint32_t i = 0; i < n; i++)
        if (falling(&v[i], &has_v[i]) != 0)
            WRONG("the keys shown are not the best");
    free(has_v);
    free(v);
}

static void same_series(struct ref *f, const struct got *g)
{
    const struct question *q = f->q;
    struct keyset shown;
    uint8_t *seen;
    bool keyed = q->view == Q_RANK;

    if (q->auto_step)
        f->step = query_auto_step(f->span);
    if (keyed)
        shown_keys(f, g, &shown);
    ref_bins(f, keyed ? &shown : NULL);
    if (g->n != f->bins.keys.n)
        WRONG("%u bins, not %u", g->n, f->bins.keys.n);
    seen = calloc(1, f->bins.keys.n + 1u);
    assert_non_null(seen);
    for (uint32_t i = 0; i < g->n; i++) {
        const struct got_row *r = &g->row[i];
        int64_t at = (int64_t)kv_n(&r->cell[0]), from = at, to = at + f->step;
        struct kv key[2];
        uint32_t k;
        memset(key, 0, sizeof key);
        key[0] = kv_number((uint64_t)at);
        key[1] = kv_number(
            keyed && r->kind == ROW_NORMAL ? keyset_at(&shown, r->cell + 1, false) + 1u : 0);
        k = keyset_at(&f->bins.keys, key, false);
        if (k == UINT32_MAX || seen[k])
            WRONG("row %u is of a bin that there is not, or stands twice", i);
        seen[k] = 1;
        if (i > 0 && kv_n(&g->row[i - 1].cell[0]) > (uint64_t)at)
            WRONG("bins are out of order at row %u", i);
        if (q->framed) {
            from = MAX(from, q->from);
            to = MIN(to, q->to);
        }
        same_measures(f, r, 1 + q->n_keys, &f->bins.sum[k], to - from, false, "bin");
    }
    free(seen);
    if (keyed)
        keyset_free(&shown);
}

static int by_octets(const void *a, const void *b)
{
    return memcmp(a, b, 16);
}

/* What a list is sorted by, as octets that compare as the values do; absent first. */
static void sort_octets(const struct kv *k, uint8_t out[16])
{
    memset(out, 0, 16);
    if (k->kind == K_NUMBER)
        be_put(out + 8, kv_n(k), 8);
    else if (k->kind != K_ABSENT)
        memcpy(out, k->b, 16);
}

static void same_list(const struct ref *f, const struct got *g)
{
    const struct question *q = f->q;
    uint64_t want = q->limit > 0 ? MIN(q->limit, (uint64_t)f->n) : f->n;
    struct keyset rows;
    uint32_t *count = calloc(f->n + 1, sizeof *count);
    uint8_t *order = malloc((f->n + 1) * 16u), o[16];

    assert_true(count != NULL && order != NULL);
    keyset_init(&rows, Q_MAX_COLUMNS);
    if (g->n != want)
        WRONG("%u records listed, not %" PRIu64, g->n, want);
    for (uint32_t i = 0; i < f->n; i++) {
        const struct model_record *r = &f->m->r[f->row[i]];
        struct kv key[Q_MAX_COLUMNS], s = value(r, q->sort, 32, 128, q->zone_ms);
        memset(key, 0, sizeof key);
        for (unsigned c = 0; c < q->n_columns; c++)
            key[c] = value(r, q->column[c], 32, 128, q->zone_ms);
        count[keyset_at(&rows, key, true)]++;
        sort_octets(&s, order + i * 16u);
    }
    if (q->sorted)
        qsort(order, f->n, 16, by_octets);
    for (uint32_t i = 0; i < g->n; i++) {
        uint32_t k = keyset_at(&rows, g->row[i].cell, false);
        if (k == UINT32_MAX || count[k]-- == 0)
            WRONG("listed row %u is no record that matches, or stands too often", i);
        for (unsigned c = 0; q->sorted && c < q->n_columns; c++) {
            if (q->column[c] != q->sort)
                continue;
            sort_octets(&g->row[i].cell[c], o);
            if (memcmp(o, order + (q->desc ? f->n - 1 - i : i) * 16u, 16) != 0)
                WRONG("listed row %u is out of order", i);
        }
    }
    keyset_free(&rows);
    free(count);
    free(order);
}

static void compare(const struct question *q, struct got *g)
{
    struct ref f;
    unsigned at = (q->step != 0 || q->auto_step) + q->n_keys;
    uint64_t bytes, packets;

    ref_init(&f, q, &model);
    ref_run(&f);
    bytes = q->raw ? f.total.raw_bytes : f.total.bytes;
    packets = q->raw ? f.total.raw_packets : f.total.packets;
    if (g->stats.rows_matched != f.n || g->stats.rows != model.n || g->stats.incomplete)
        WRONG("%" PRIu64 " of %" PRIu64 " records match, not %u of %u", g->stats.rows_matched,
              g->stats.rows, f.n, model.n);
    if (g->stats.dedup != each_once(q))
        WRONG("each flow once: %d (%s), not %d", g->stats.dedup,
              g->stats.dedup_why != NULL ? g->stats.dedup_why : "", each_once(q));
    if (g->stats.aside_rows != f.n_aside || g->stats.aside_bytes != f.bytes_aside)
        WRONG("%" PRIu64 " records and %" PRIu64 " bytes set aside, not %" PRIu64 " and %" PRIu64,
              g->stats.aside_rows, g->stats.aside_bytes, f.n_aside, f.bytes_aside);
    if (g->totals.flows != f.total.flows || g->totals.bytes != bytes ||
        g->totals.packets != packets)
        WRONG("totals %" PRIu64 " flows %" PRIu64 " bytes %" PRIu64 " packets, not %" PRIu64
              " %" PRIu64 " %" PRIu64,
              g->totals.flows, g->totals.bytes, g->totals.packets, f.total.flows, bytes, packets);
    if (q->view == Q_LIST) {
        same_list(&f, g);
    } else {
        assert_true(g->has_total);
        same_measures(&f, &g->total, at, &f.total, f.span, false, "total");
        if (q->step != 0 || q->auto_step)
            same_series(&f, g);
        else if (q->view == Q_RANK)
            same_ranking(&f, g);
        else
            assert_int_equal(g->n, 0);
    }
    ref_free(&f);
}

static struct apps *apps;

static struct query_control control_of(const struct question *q)
{
    static const enum geo_as_source sources[] = { GEO_AS_AUTO, GEO_AS_EXPORTER, GEO_AS_DATABASE };
    struct query_control ctl = { .as_source = sources[ref_source], .apps = apps };

    if (q->roles == 1) {
        ctl.roles = ref_roles;
        ctl.n_roles = ARRAY_LEN(ref_roles);
    }
    return ctl;
}

static void ask(const struct question *q, struct snapshot *snap)
{
    struct query_params params = { .defs = q->roles == 2 ? defs_with_roles : defs };
    struct plan *plan;
    struct err e = { 0 };
    struct got g = { .sink = { on_begin, on_row, on_end }, .q = q };
    struct query_control ctl = control_of(q);

    assert_int_equal(query_params_set(&params, "filter", words, &e), ERR_OK);
    if (query_plan(&plan, &params, NOW_MS, &e) != ERR_OK)
        WRONG("not understood: %s at %zu", e.msg, e.pos);
    if (query_run(plan, snap, &g.sink, &ctl, NULL, &e) != ERR_OK)
        WRONG("not run: %s", e.msg);
    compare(q, &g);
    met.asked++;
    met.some += g.stats.rows_matched > 0 && g.stats.rows_matched < model.n;
    met.aside += g.stats.aside_rows > 0;
    met.segments_pruned += g.stats.segments_pruned;
    met.blocks_pruned += g.stats.blocks_pruned;
    met.pages_skipped +=
        g.stats.segments_pruned + g.stats.blocks_pruned == 0 && g.stats.rows_scanned < g.stats.rows;
    plan_free(plan);
    query_params_free(&params);
    free(g.row);
}

/* ------------------------------------------------------------------ forms of the same records */

struct form {
    struct snapshot snap;
    struct rowset *set[16];
    struct model_segment seg[16];
    unsigned n_segs;
    uint8_t salt[16]; /* per batch */
};

static struct fake_geo geo[2]; /* then, today */

/* open: batches as they are; sealed: all in segments of one batch or more; mixed: the older ones
 * sealed. */
static void form_make(struct form *f, unsigned sealed_batches)
{
    memset(f, 0, sizeof *f);
    f->snap.sets = f->set;
    f->snap.geo = &geo[1].geo;
    for (uint32_t i = 0; i < model.n_batches;) {
        if (i < sealed_batches) {
            uint32_t k = 1 + (uint32_t)dice(MIN(3u, sealed_batches - i));
            bool known = dice(3) > 0;
            model_seal_by(&model, i, i + k, known ? &geo[0].geo : NULL, &f->seg[f->n_segs]);
            memset(f->salt + i, known ? 1 : 2, k);
            f->set[f->snap.n++] = f->seg[f->n_segs++].rs;
            i += k;
        } else {
            f->salt[i] = 2;
            assert_int_equal(rowset_of_batch(&f->set[f->snap.n++], model.batch[i++]), ERR_OK);
        }
    }
}
/* What is known of the records' addresses in this form of them. */
static void form_salts(const struct form *f)
{
    uint32_t at = 0;

    for (uint32_t b = 0; b < model.n_batches; b++)
        for (uint32_t i = flow_batch_rows(model.batch[b]); i > 0; i--)
            model.r[at++].salt = f->salt[b];
    assert_int_equal(at, model.n);
}

static void form_free(struct form *f)
{
    for (size_t i = 0; i < f->snap.n; i++)
        rowset_unref(f->set[i]);
    for (unsigned i = 0; i < f->n_segs; i++)
        buf_free(&f->seg[i].octets);
}

static unsigned long option(const char *name, unsigned long otherwise)
{
    const char *s = getenv(name);

    return s != NULL ? strtoul(s, NULL, 10) : otherwise;
}

static void questions_over(uint64_t seed, uint32_t rows, uint32_t cut_at, unsigned questions)
{
    static const char *const names[] = { "open", "sealed", "mixed" };
    struct form form[3];

    rnd.s = seed * 77 + 5;
    defs = ref_defs(false);
    defs_with_roles = ref_defs(true);
    model_init(&model, seed);
    model_fill(&model, rows, cut_at);
    form_make(&form[0], 0);
    form_make(&form[1], model.n_batches);
    form_make(&form[2], MAX(1u, model.n_batches / 2));
    for (unsigned i = 0; i < questions; i++) {
        struct question q;
        unsigned k = (unsigned)dice(3);
        ref_source = (uint8_t)dice(3);
        form_salts(&form[k]);
        make_question(&q);
        (void)snprintf(where, sizeof where,
                       "PROP_SEED=%" PRIu64 ": %u records in %u batches, %s, question %u, roles %u",
                       seed, model.n, model.n_batches, names[k], i, q.roles);
        ask(&q, &form[k].snap);
        tree_free(q.filter);
    }
    for (unsigned k = 0; k < 3; k++)
        form_free(&form[k]);
    model_free(&model);
    defs_unref(defs);
    defs_unref(defs_with_roles);
}

/* Everything follows from the seed, so that one that failed can be asked alone: PROP_DATA=1. */
static void small_sets(void **state)
{
    uint64_t seed = option("PROP_SEED", 1);

    (void)state;
    for (uint64_t i = seed; i < seed + option("PROP_DATA", 30); i++)
        questions_over(i, 50 + (uint32_t)(i * 37 % 700), 40 + (uint32_t)(i * 91 % 400), 100);
}

static void sets_of_many_pages(void **state)
{
    uint64_t seed = option("PROP_SEED", 1);

    (void)state;
    for (uint64_t i = seed; i < seed + MIN(option("PROP_DATA", 4), 4); i++)
        questions_over(i, 14000, 5500, 60);
}

/* Are two directed halves of records x, y the same 5-tuple seen at two places, and how far apart?
 */
static bool seen_twice(const struct model_record *x, const struct model_record *y, bool turned,
                       int64_t *apart)
{
    const uint64_t port_x = x->v[x->v[M_DIR] == 1 ? M_OUT_IF : M_IN_IF],
                   port_y = y->v[y->v[M_DIR] == 1 ? M_OUT_IF : M_IN_IF];
    const struct addr *src = turned ? &y->dst : &y->src, *dst = turned ? &y->src : &y->dst;

    if (!has(x, M_SRC) || !has(x, M_DST) || !has(y, M_SRC) || !has(y, M_DST) ||
        (x->exporter == y->exporter && (x->v[M_DIR] == 1) == (y->v[M_DIR] == 1) &&
         port_x == port_y))
        return false;
    *apart = MAX(MAX(x->start - y->end, y->start - x->end), 0);
    return addr_cmp(&x->src, src) == 0 && addr_cmp(&x->dst, dst) == 0 &&
           x->v[M_SPORT] == y->v[turned ? M_DPORT : M_SPORT] &&
           x->v[M_DPORT] == y->v[turned ? M_SPORT : M_DPORT] && x->v[M_PROTO] == y->v[M_PROTO];
}

/* "Apart" is certain; "shared" is said only where a 5-tuple has two places at all. */
static void segments_say_whether_flows_stand_twice(void **state)
{
    unsigned said[3] = { 0 };

    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct model_segment seg;
        bool near = false, any = false;
        model_init(&model, seed + 5000);
        model_fill(&model, 6 + (uint32_t)seed * 5, 400);
        model_seal(&model, 0, model.n_batches, &seg);
        for (uint32_t i = 0; i < model.n; i++)
            for (uint32_t k = 0; k < model.n; k++) {
                const struct model_record *x = &model.r[i], *y = &model.r[k];
                bool back = (y->v[M_REV_BYTES] | y->v[M_REV_PACKETS]) != 0;
                int64_t apart = 0;
                bool twice =
                    seen_twice(x, y, false, &apart) || (back && seen_twice(x, y, true, &apart));
                any |= twice;
                near |= twice && apart <= VIEWS_SKEW_MS;
            }
        said[seg.rs->views]++;
        if (near ? seg.rs->views != VIEWS_SHARED : !any && seg.rs->views != VIEWS_APART)
            fail_msg("seed %u: views %u, seen twice %d, at about one time %d", (unsigned)seed,
                     seg.rs->views, any, near);
        rowset_unref(seg.rs);
        buf_free(&seg.octets);
        model_free(&model);
    }
    assert_true(said[VIEWS_APART] > 5 && said[VIEWS_SHARED] > 5 && said[VIEWS_UNKNOWN] == 0);
}

/* ------------------------------------------------------------------ lists of sessions */

struct lines {
    struct each_session each; /* first: the callback gets it */
    struct answer_sink sink;
    char (*line)[256];
    uint32_t n, cap;
};
static struct lines *more(struct lines *l)
{
    if (l->n == l->cap) {
        l->cap = l->cap * 2 + 64;
        l->line = realloc(l->line, l->cap * sizeof *l->line);
        assert_non_null(l->line);
    }
    l->n++;
    return l;
}

static void ref_line(struct each_session *e, const struct ref_session *s)
{
    static const char *const states[] = { "open", "closed", "refused", "unanswered", "syn-only" };
    struct lines *l = (struct lines *)(void *)e;
    const struct model_record *r = s->h[0]->r;
    bool turned = s->h[0]->from_high != s->h[0]->reverse; /* its source is the higher end */
    bool source = turned == s->high;                      /* ... and the client */
    bool icmp = r->v[M_PROTO] == 1 || r->v[M_PROTO] == 58;
    char client[ADDR_TEXT_MAX], server[ADDR_TEXT_MAX];

    (void)addr_format(source ? &r->src : &r->dst, client);
    (void)addr_format(source ? &r->dst : &r->src, server);
    (void)snprintf(
        more(l)->line[l->n - 1], sizeof *l->line,
        "%" PRId64 " %" PRId64 " %s %s %s %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64
        " %" PRIu64 " %" PRIu64 " %u %s",
        s->start, s->end - s->start, client, server, s->bytes[1] > s->bytes[0] ? server : client,
        icmp ? 0 : r->v[source ? M_SPORT : M_DPORT], icmp ? 0 : r->v[source ? M_DPORT : M_SPORT],
        r->v[M_PROTO], s->bytes[0], s->packets[0], s->bytes[1], s->packets[0] + s->packets[1],
        s->slices, states[s->state]);
}

static int line_begin(struct answer_sink *s, const struct answer_head *h)
{
    (void)s;
    assert_int_equal(h->n_cols, 14);
    return ERR_OK;
}
static int line_row(struct answer_sink *s, const struct answer_row *r)
{
    struct lines *l =
        (struct lines *)(void *)((char *)s - offsetof(struct lines, sink)); /* NOLINT */
    char *to = more(l)->line[l->n - 1];
    size_t n = 0;

    for (unsigned i = 0; i < 14; i++) {
        const struct cell *c = &r->cell[i];
        char a[ADDR_TEXT_MAX] = "";
        if (c->kind == CELL_ADDR)
            (void)addr_format(&c->a, a);
        n += (size_t)(c->kind == CELL_ADDR ? snprintf(to + n, 256 - n, "%s%s", i > 0 ? " " : "", a)
                      : c->kind == CELL_TEXT
                          ? snprintf(to + n, 256 - n, " %.*s", (int)c->text_len, c->text)
                          : snprintf(to + n, 256 - n, "%s%" PRIu64, i > 0 ? " " : "", c->u));
    }
    return ERR_OK;
}
static int line_end(struct answer_sink *s, const struct answer_end *e)
{
    (void)s;
    (void)e;
    return ERR_OK;
}
static int by_line(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void lists_of_sessions(void **state)
{
    unsigned many = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct form form;
        rnd.s = seed * 99;
        defs = ref_defs(false);
        ref_source = (uint8_t)(seed % 3);
        model_init(&model, seed + 9000);
        model_fill(&model, 60 + (uint32_t)seed * 20, 200);
        form_make(&form, seed % 2 == 0 ? model.n_batches : 0);
        form_salts(&form);
        for (unsigned i = 0; i < 5; i++) {
            struct question q;
            struct query_params params = { .defs = defs };
            struct lines want = { .each = { ref_line } }, got = { .n = 0 };
            struct err e = { 0 };
            struct plan *plan;
            struct ref f;
            struct query_control ctl;
            memset(&q, 0, sizeof q);
            ctl = control_of(&q);
            words[0] = '\0';
            q.filter = make_tree(i == 0 ? 0 : 1, false);
            if (i > 2)
                make_session_filter(&q);
            make_frame(&q);
            say(" | sessions start, duration, client, server, sender, client port, server port, "
                "proto, client bytes, client packets, server bytes, total packets, slices, state");
            q.view = Q_TOTALS;
            got.sink = (struct answer_sink){ line_begin, line_row, line_end };
            assert_int_equal(query_params_set(&params, "filter", words, &e), ERR_OK);
            if (query_plan(&plan, &params, NOW_MS, &e) != ERR_OK ||
                query_run(plan, &form.snap, &got.sink, &ctl, NULL, &e) != ERR_OK)
                fail_msg("%s: %s", words, e.msg);
            ref_init(&f, &q, &model);
            if (each_once(&q))
                set_aside(&f);
            stitch(&f, &want.each);
            if (want.n > 0)
                qsort(want.line, want.n, sizeof *want.line, by_line);
            if (got.n > 0)
                qsort(got.line, got.n, sizeof *got.line, by_line);
            for (uint32_t k = 0; k < MIN(want.n, got.n); k++)
                if (strcmp(want.line[k], got.line[k]) != 0)
                    fail_msg("seed %u: %s\n%s\n%s", (unsigned)seed, words, want.line[k],
                             got.line[k]);
            if (want.n != got.n)
                fail_msg("seed %u: %s: %u sessions, not %u", (unsigned)seed, words, got.n, want.n);
            many += want.n > 20;
            free(want.line);
            free(got.line);
            ref_free(&f);
            plan_free(plan);
            query_params_free(&params);
            tree_free(q.filter);
        }
        form_free(&form);
        model_free(&model);
        defs_unref(defs);
    }
    assert_true(many > 50);
}

/* The questions above are worth nothing if they match all or nothing, or never skip anything. */
static void questions_were_worth_asking(void **state)
{
    (void)state;
    if (getenv("PROP_DATA") != NULL)
        return;
    print_message("%u questions, %u of them select, %u set aside; skipped: %llu segments, %llu "
                  "blocks; pages in %llu\n",
                  met.asked, met.some, met.aside, (unsigned long long)met.segments_pruned,
                  (unsigned long long)met.blocks_pruned, (unsigned long long)met.pages_skipped);
    assert_true(met.some > met.asked / 2 && met.aside > met.asked / 10);
    assert_true(met.segments_pruned > 100 && met.blocks_pruned > 50 && met.pages_skipped > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_sets),
        cmocka_unit_test(sets_of_many_pages),
        cmocka_unit_test(questions_were_worth_asking),
        cmocka_unit_test(lists_of_sessions),
        cmocka_unit_test(segments_say_whether_flows_stand_twice),
    };

    int rc;

    fake_geo_init(&geo[0], 1, REF_AS);
    fake_geo_init(&geo[1], 2, REF_AS);
    if (apps_make(&apps, "own", ref_apps_text, strlen(ref_apps_text), NULL) != ERR_OK)
        return 1;
    rc = cmocka_run_group_tests(tests, NULL, NULL);
    apps_unref(apps);
    return rc;
}
