/* Questions as words, and their answers by plain loops over invented records (query_model.h): the
 * meaning is written down here a second time, from QUERY.md and DESIGN, with nothing of src/query.
 */
#ifndef WEIR_TESTS_QUERY_REF_H
#define WEIR_TESTS_QUERY_REF_H

#include "gen/apps.h"
#include "gen/services.h"
#include "query/exec.h"
#include "query_define.h"
#include "query_model.h"

/* ------------------------------------------------------------------ values of a record */

enum kind { K_ABSENT, K_NUMBER, K_ADDR, K_TEXT, K_PAIR };
struct kv {
    uint8_t kind;
    uint8_t b[39];
};

enum vf {
    V_SRC,
    V_DST,
    V_NEXT,
    V_EXPORTER,
    V_IE8,
    V_SPORT,
    V_DPORT,
    V_PROTO,
    V_FLAGS,
    V_TOS,
    V_IN_IF,
    V_OUT_IF,
    V_SRC_AS,
    V_DST_AS,
    V_SRC_COUNTRY,
    V_DST_COUNTRY,
    V_DOMAIN,
    V_VERSION,
    V_REASON,
    V_TTL,
    V_IE7,
    V_NAME,
    V_ICMP_TYPE,
    V_SERVICE,
    V_APP,
    V_HOUR,
    V_WEEKDAY,
    V_DAY,
    V_SRC_NAME,
    V_DST_NAME,
    V_DIRECTION,
    V_SITE,
    V_ROLE,
    V_EXPORTER_NAME,
    V_IN_BOUNDARY,
    V_OUT_BOUNDARY,
    V_IN_PROVIDER,
    V_OUT_PROVIDER,
    V_SRC_GROUP,
    V_DST_GROUP,
    V_LAST_KEY = V_DST_GROUP,
    V_DIRECTION_BACK,
    V_BYTES,
    V_PACKETS,
    V_RAW_BYTES,
    V_OUT_BYTES,
    V_BPS,
    V_PPS,
    V_BPP,
    V_DURATION,
    V_START,
    V_END,
    V_RECEIVED,
    V_RAW_PACKETS,
    V_OUT_PACKETS,
    V_RAW_BPS,
    V_N
};
static const char *const vf_name[V_N] = {
    [V_SRC] = "src ip",
    [V_DST] = "dst ip",
    [V_NEXT] = "next ip",
    [V_EXPORTER] = "exporter",
    [V_IE8] = "ie(sourceIPv4Address)",
    [V_SPORT] = "src port",
    [V_DPORT] = "dst port",
    [V_PROTO] = "proto",
    [V_FLAGS] = "flags",
    [V_TOS] = "tos",
    [V_IN_IF] = "in if",
    [V_OUT_IF] = "out if",
    [V_SRC_AS] = "src as",
    [V_DST_AS] = "dst as",
    [V_SRC_COUNTRY] = "src country",
    [V_DST_COUNTRY] = "dst country",
    [V_DOMAIN] = "domain",
    [V_VERSION] = "version",
    [V_REASON] = "ie(flowEndReason)",
    [V_TTL] = "ttl",
    [V_IE7] = "ie(sourceTransportPort)",
    [V_NAME] = "ie(interfaceName)",
    [V_ICMP_TYPE] = "icmp-type",
    [V_SERVICE] = "service",
    [V_APP] = "app",
    [V_HOUR] = "hour",
    [V_WEEKDAY] = "weekday",
    [V_DAY] = "day",
    [V_SRC_NAME] = "src name",
    [V_DST_NAME] = "dst name",
    [V_DIRECTION] = "direction",
    [V_SITE] = "site",
    [V_ROLE] = "role",
    [V_EXPORTER_NAME] = "exporter name",
    [V_IN_BOUNDARY] = "in boundary",
    [V_OUT_BOUNDARY] = "out boundary",
    [V_IN_PROVIDER] = "in provider",
    [V_OUT_PROVIDER] = "out provider",
    [V_SRC_GROUP] = "src group",
    [V_DST_GROUP] = "dst group",
    [V_BYTES] = "bytes",
    [V_PACKETS] = "packets",
    [V_RAW_BYTES] = "raw bytes",
    [V_OUT_BYTES] = "out bytes",
    [V_BPS] = "bps",
    [V_PPS] = "pps",
    [V_BPP] = "bpp",
    [V_DURATION] = "duration",
    [V_START] = "start",
    [V_END] = "end",
    [V_RECEIVED] = "received",
    [V_RAW_PACKETS] = "raw packets",
    [V_OUT_PACKETS] = "out packets",
    [V_RAW_BPS] = "raw bps",
};

static bool has(const struct model_record *r, enum model_field f)
{
    return (r->has >> f & 1) != 0;
}
static uint64_t rate_or_1(const struct model_record *r)
{
    return r->v[M_RATE] > 1 ? r->v[M_RATE] : 1;
}
static uint64_t lasted(const struct model_record *r)
{
    return r->end > r->start ? (uint64_t)(r->end - r->start) : 0;
}
static uint64_t per_ms(const struct model_record *r, uint64_t v, uint64_t factor)
{
    return lasted(r) > 0 ? v * factor / lasted(r) : 0;
}
static int64_t wall_ms(const struct model_record *r, int64_t zone_ms)
{
    return r->start + zone_ms;
}

#define REF_AS 300u        /* fake_geo.h */
static uint8_t ref_source; /* 0 the exporter's if it is public, 1 always, 2 never */

static uint64_t as_of(const struct model_record *r, bool dst, bool *there)
{
    uint64_t told = r->v[dst ? M_DST_AS : M_SRC_AS];
    uint64_t known = fake_value(r->salt, REF_AS, GEO_AS, dst ? &r->dst : &r->src);
    bool says = told != 0 && told != 23456 && (told < 64512 || told > 65535) && told < 4200000000;
    uint64_t as = ref_source == 1 || (ref_source == 0 && (says || known == 0)) ? told : known;

    *there = has(r, dst ? M_DST_AS : M_SRC_AS) || as != 0;
    return as;
}

static uint64_t country_of(const struct model_record *r, bool dst)
{
    return fake_value(r->salt, REF_AS, GEO_COUNTRY, dst ? &r->dst : &r->src);
}

/* A number; *there: the record was sent with what it is made of. */
static uint64_t number_of(const struct model_record *r, enum vf f, int64_t zone_ms, bool *there)
{
    static const uint8_t plain[V_N] = { [V_SPORT] = M_SPORT,
                                        [V_DPORT] = M_DPORT,
                                        [V_PROTO] = M_PROTO,
                                        [V_FLAGS] = M_FLAGS,
                                        [V_TOS] = M_TOS,
                                        [V_IN_IF] = M_IN_IF,
                                        [V_OUT_IF] = M_OUT_IF,
                                        [V_REASON] = M_REASON,
                                        [V_TTL] = M_TTL,
                                        [V_RAW_BYTES] = M_BYTES,
                                        [V_RAW_PACKETS] = M_PACKETS };
    uint64_t b = r->v[M_BYTES], p = r->v[M_PACKETS], rate = rate_or_1(r);
    uint64_t proto = r->v[M_PROTO];

    *there = true;
    switch ((unsigned)f) {
    case V_SRC_AS:
    case V_DST_AS:
        return as_of(r, f == V_DST_AS, there);
    case V_SRC_COUNTRY:
    case V_DST_COUNTRY:
        b = country_of(r, f == V_DST_COUNTRY);
        *there = b != 0;
        return b;
    case V_BYTES:
        *there = has(r, M_BYTES);
        return b * rate;
    case V_PACKETS:
        *there = has(r, M_PACKETS);
        return p * rate;
    case V_OUT_BYTES:
        *there = has(r, M_REV_BYTES) || has(r, M_OUT_BYTES);
        return (r->biflow ? r->v[M_REV_BYTES] : r->v[M_OUT_BYTES]) * rate;
    case V_OUT_PACKETS:
        *there = has(r, M_REV_PACKETS) || has(r, M_OUT_PACKETS);
        return (r->biflow ? r->v[M_REV_PACKETS] : r->v[M_OUT_PACKETS]) * rate;
    case V_BPS:
        *there = has(r, M_BYTES);
        return per_ms(r, b * rate, 8000);
    case V_RAW_BPS:
        *there = has(r, M_BYTES);
        return per_ms(r, b, 8000);
    case V_PPS:
        *there = has(r, M_PACKETS);
        return per_ms(r, p * rate, 1000);
    case V_BPP:
        *there = has(r, M_BYTES) || has(r, M_PACKETS);
        return p > 0 ? b / p : 0;
    case V_DURATION:
        return lasted(r);
    case V_START:
        return (uint64_t)r->start;
    case V_END:
        return (uint64_t)r->end;
    case V_RECEIVED:
        return (uint64_t)r->received;
    case V_DOMAIN:
        return model_exporters[r->exporter].domain;
    case V_VERSION:
        return model_exporters[r->exporter].version;
    case V_HOUR:
        return (uint64_t)(wall_ms(r, zone_ms) / 3600000 % 24);
    case V_WEEKDAY: /* 2026-03-02 was a Monday */
        return (uint64_t)((wall_ms(r, zone_ms) / MODEL_DAY_MS - 20514 + 700) % 7 + 1);
    case V_DAY:
        return (uint64_t)(wall_ms(r, zone_ms) / MODEL_DAY_MS);
    case V_ICMP_TYPE:
        return proto == 1 || proto == 58 ? r->v[M_DPORT] >> 8 : 0;
    case V_IE7:
        *there = has(r, M_IE7);
        return r->v[M_SPORT];
    default:
        break;
    }
    *there = has(r, plain[f]);
    return r->v[plain[f]];
}

static void addr_of(const struct model_record *r, enum vf f, struct addr *a, bool *there)
{
    memset(a, 0, sizeof *a);
    *there = f == V_EXPORTER || has(r, f == V_SRC    ? M_SRC
                                       : f == V_DST  ? M_DST
                                       : f == V_NEXT ? M_NEXT
                                                     : M_IE8);
    if (!*there)
        return;
    *a = f == V_EXPORTER ? addr_from_v4(model_exporters[r->exporter].addr)
         : f == V_DST    ? r->dst
         : f == V_NEXT   ? r->next
                         : r->src;
}

static struct kv kv_number(uint64_t n)
{
    struct kv k = { .kind = K_NUMBER };

    memcpy(k.b, &n, 8);
    return k;
}
static uint64_t kv_n(const struct kv *k)
{
    uint64_t n;

    memcpy(&n, k->b, 8);
    return n;
}

static bool is_addr(enum vf f)
{
    return f <= V_IE8;
}

/* Octets are compared one by one: no net_has, no addr_mask. */
static bool in_net(const struct addr *a, const struct addr *net, unsigned len)
{
    for (unsigned i = 0; i < len; i++)
        if (((a->b[i / 8] ^ net->b[i / 8]) >> (7 - i % 8) & 1) != 0)
            return false;
    return true;
}
static bool mapped(const struct addr *a)
{
    static const struct addr v4 = { { [10] = 0xff, [11] = 0xff } };

    return in_net(a, &v4, 96);
}
static void cut(struct addr *a, unsigned len4, unsigned len6)
{
    for (unsigned i = mapped(a) ? 96 + len4 : len6; i < 128; i++)
        a->b[i / 8] &= (uint8_t) ~(0x80u >> i % 8);
}

/* The ports that model_port() chooses and their names. */
static const char *port_name(uint64_t proto, uint64_t port)
{
    static const struct {
        uint16_t port;
        const char *tcp, *udp, *sctp;
    } names[] = { { 22, "ssh", NULL, NULL },
                  { 53, "dns", "dns", NULL },
                  { 80, "http", NULL, NULL },
                  { 443, "https", "quic", NULL },
                  { 8080, "http-alt", NULL, NULL } };

    for (unsigned i = 0; i < ARRAY_LEN(names); i++)
        if (names[i].port == port)
            return proto == 6 ? names[i].tcp : proto == 17 ? names[i].udp : names[i].sctp;
    for (size_t i = 0; i < service_count; i++) /* a random port */
        if (service_table[i].proto == proto && service_table[i].port == port)
            return service_table[i].name;
    return NULL;
}

/* The port that has a name, of two the lower one; without a name the lower one. */
static void service_words(const struct model_record *r, char out[39])
{
    static const struct {
        uint8_t proto;
        const char *word;
    } words[] = { { 0, "hopopt" }, { 6, "tcp" },    { 17, "udp" },  { 1, "icmp" },
                  { 47, "gre" },   { 58, "icmp6" }, { 132, "sctp" } };
    uint64_t proto = r->v[M_PROTO], s = r->v[M_SPORT], d = r->v[M_DPORT], lo = s < d ? s : d;
    const char *a = port_name(proto, lo), *b = port_name(proto, s < d ? d : s), *word = "?";

    for (unsigned i = 0; i < ARRAY_LEN(words); i++)
        word = words[i].proto == proto ? words[i].word : word;
    if (proto != 6 && proto != 17 && proto != 132)
        (void)snprintf(out, 39, "%s", word);
    else if (a != NULL || b != NULL)
        (void)snprintf(out, 39, "%s", a != NULL ? a : b);
    else
        (void)snprintf(out, 39, "%s/%u", word, (unsigned)lo);
}

/* Words of the definitions; NULL = none. */
static bool is_word(enum vf f)
{
    return (f >= V_SRC_NAME && f < V_SRC_GROUP) || f == V_DIRECTION_BACK;
}
static const char *word_of(const struct model_record *r, enum vf f)
{
    switch ((unsigned)f) {
    case V_SRC_NAME:
    case V_DST_NAME:
        return ref_name(r, f == V_DST_NAME);
    case V_DIRECTION:
    case V_DIRECTION_BACK:
        return ref_direction(r, f == V_DIRECTION_BACK);
    case V_EXPORTER_NAME:
        return ref_exporter(r, 0);
    case V_SITE:
        return ref_exporter(r, 1);
    case V_ROLE:
        return ref_exporter(r, 2);
    case V_IN_BOUNDARY:
    case V_OUT_BOUNDARY:
        return ref_class(r, f == V_OUT_BOUNDARY, 0);
    default:
        return ref_class(r, f == V_OUT_PROVIDER, 1);
    }
}
static struct kv kv_text(const char *s)
{
    struct kv k = { .kind = s != NULL ? K_TEXT : K_ABSENT };

    if (s != NULL)
        memcpy(k.b, s, strlen(s));
    return k;
}
/* A side's groups behind each other. */
static struct kv groups_text(const struct model_record *r, bool dst)
{
    char text[sizeof((struct kv *)0)->b + 40] = "";

    for (unsigned g = 0; g < R_GROUPS; g++)
        if (ref_in_group(r, (enum ref_group)g, dst))
            (void)snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s",
                           text[0] != '\0' ? ", " : "", ref_group_name[g]);
    assert_true(strlen(text) <= sizeof((struct kv *)0)->b);
    return kv_text(text[0] != '\0' ? text : NULL);
}

/* Applications of our own, as rows of a file and as what they mean; the built-in ones follow. */
static const char ref_apps_text[] = "lan ssh,,10.0.0.0/24,tcp,22\n"
                                    "east,AS64509\neast,64503,,udp\n"
                                    "web,,,tcp,443\nweb,,,,80-81\n"
                                    "ten one,,10.0.1.0/24\n";
static const struct app ref_apps[] = {
    { "lan ssh", "10.0.0.0/24", 0, 22, 22, 6, 0 },
    { "east", "", 64509, 0, 0, 0, 0 },
    { "east", "", 64503, 0, 0, 17, 0 },
    { "web", "", 0, 443, 443, 6, 0 },
    { "web", "", 0, 80, 81, 0, 0 },
    { "ten one", "10.0.1.0/24", 0, 0, 0, 0, 0 },
};

static bool app_side_fits(const struct app *a, const struct model_record *r, bool dst)
{
    const struct addr *x = dst ? &r->dst : &r->src;
    uint64_t proto = r->v[M_PROTO], port = r->v[dst ? M_DPORT : M_SPORT];
    bool ports = proto == 6 || proto == 17 || proto == 132, there;
    struct net n;

    if (a->net[0] != '\0') {
        assert_true(net_parse(&n, a->net, strlen(a->net), NULL));
        if (!in_net(x, &n.a, n.len))
            return false;
    }
    return (a->as == 0 || as_of(r, dst, &there) == a->as) && (a->proto == 0 || a->proto == proto) &&
           (a->port_hi == 0 || (ports && port >= a->port_lo && port <= a->port_hi));
}

static const char *app_of(const struct model_record *r)
{
    for (size_t i = 0; i < ARRAY_LEN(ref_apps) + app_count; i++) {
        const struct app *a =
            i < ARRAY_LEN(ref_apps) ? &ref_apps[i] : &app_table[i - ARRAY_LEN(ref_apps)];
        if (app_side_fits(a, r, false) || app_side_fits(a, r, true))
            return a->name;
    }
    return NULL;
}

static struct kv value(const struct model_record *r, enum vf f, unsigned len4, unsigned len6,
                       int64_t zone_ms)
{
    struct kv k = { .kind = K_ABSENT };
    struct addr a;
    bool there;

    if (is_addr(f)) {
        addr_of(r, f, &a, &there);
        cut(&a, len4, len6);
        if (there) {
            k.kind = K_ADDR;
            memcpy(k.b, a.b, 16);
        }
    } else if (f == V_APP) {
        const char *app = app_of(r);
        if (app != NULL) {
            k.kind = K_TEXT;
            memcpy(k.b, app, strlen(app));
        }
    } else if (f == V_SERVICE) {
        if (has(r, M_PROTO)) {
            k.kind = K_TEXT;
            service_words(r, (char *)k.b);
        }
    } else if (is_word(f)) {
        k = kv_text(word_of(r, f));
    } else if (f == V_SRC_GROUP || f == V_DST_GROUP) {
        k = groups_text(r, f == V_DST_GROUP);
    } else if (f == V_NAME) {
        if (has(r, M_NAME)) {
            k.kind = K_TEXT;
            memcpy(k.b, r->name, strlen(r->name));
        }
    } else {
        uint64_t n = number_of(r, f, zone_ms, &there);
        if (there)
            k = kv_number(n);
        if (there && (f == V_SRC_COUNTRY || f == V_DST_COUNTRY)) {
            k = (struct kv){ .kind = K_TEXT };
            be_put(k.b, n, 2);
        }
    }
    return k;
}

/* ------------------------------------------------------------------ filters */

enum leaf_kind {
    L_ANY,
    L_ADDR,
    L_NUMBER,
    L_FLAGS,
    L_EXISTS,
    L_VERSION,
    L_AT,
    L_NAME,
    L_AS_NAME,   /* want: the last digit of the name; 10: names of text */
    L_GROUP,     /* want: enum ref_group */
    L_WORD,      /* text */
    L_INSIDE,    /* want: 1 = internal */
    L_DIRECTION, /* text */
};
enum side { S_SRC, S_DST, S_EITHER, S_BOTH, S_CLIENT, S_SERVER, S_NONE };
enum flags_form { F_ALL, F_OF, F_EXACT, F_ANY, F_NUMBER };

struct leaf {
    uint8_t kind, side, form;
    uint8_t a, b; /* enum vf of the sides */
    bool not ;    /* written with != or absent */
    struct {
        uint64_t lo, hi;
        bool out;
    } range[6];
    unsigned n;
    struct {
        struct addr a;
        uint8_t len;
        bool out;
    } net[5];
    unsigned n_nets;
    uint64_t mask, want;
    char text[12];
};

enum op { OP_LEAF, OP_NOT, OP_AND, OP_OR, OP_XOR };
struct tree {
    uint8_t op;
    struct leaf leaf;
    struct tree *kid[3];
    unsigned n;
};

static void tree_free(struct tree *t)
{
    for (unsigned i = 0; i < t->n; i++)
        tree_free(t->kid[i]);
    free(t);
}

static bool number_fits(const struct leaf *l, uint64_t v)
{
    bool in = false, only_out = true;

    for (unsigned i = 0; i < l->n; i++) {
        only_out &= l->range[i].out;
        in |= !l->range[i].out && v >= l->range[i].lo && v <= l->range[i].hi;
    }
    in |= only_out && l->n > 0;
    for (unsigned i = 0; i < l->n; i++)
        in &= !(l->range[i].out && v >= l->range[i].lo && v <= l->range[i].hi);
    return in;
}

static bool addr_fits(const struct leaf *l, const struct addr *a)
{
    int best = -1;
    bool yes = true;

    for (unsigned i = 0; i < l->n_nets; i++)
        yes &= l->net[i].out; /* only exceptions: all others */
    for (unsigned i = 0; i < l->n_nets; i++) {
        if (!in_net(a, &l->net[i].a, l->net[i].len) || l->net[i].len < best)
            continue;
        yes = l->net[i].len == best ? yes || !l->net[i].out : !l->net[i].out;
        best = l->net[i].len;
    }
    return yes;
}

static bool one_side(const struct model_record *r, const struct leaf *l, enum vf f, int64_t zone)
{
    struct addr a;
    bool there;
    uint64_t v;

    if (l->kind == L_INSIDE)
        return l->want ? ref_in_group(r, R_INTERNAL, f == V_DST) : ref_external(r, f == V_DST);
    if (f == V_SRC_GROUP || f == V_DST_GROUP) {
        bool any = false;
        for (unsigned g = 0; g < R_GROUPS; g++)
            any |= (l->kind == L_EXISTS || g == l->want) &&
                   ref_in_group(r, (enum ref_group)g, f == V_DST_GROUP);
        return any;
    }
    if (is_addr(f)) {
        addr_of(r, f, &a, &there);
        return l->kind == L_EXISTS ? there : addr_fits(l, &a);
    }
    if (l->kind == L_AS_NAME) { /* odd numbers have a name, "net NUMBER" */
        char name[32] = "";
        v = number_of(r, f, zone, &there);
        if (v % 2 == 1 && v <= REF_AS)
            (void)snprintf(name, sizeof name, "net %u", (unsigned)v);
        if (l->want == 10)
            return strcasecmp(name, l->text) == 0;
        return name[0] != '\0' && name[strlen(name) - 1] == (char)('0' + l->want);
    }
    if (f == V_APP)
        return strcasecmp(app_of(r) != NULL ? app_of(r) : "", l->text) == 0;
    if (f == V_NAME)
        return l->kind == L_EXISTS ? has(r, M_NAME) : strcasecmp(r->name, l->text) == 0;
    if (is_word(f)) {
        const char *w = word_of(r, f);
        return w != NULL && (l->kind == L_EXISTS || strcasecmp(w, l->text) == 0);
    }
    v = number_of(r, f, zone, &there);
    if (l->kind == L_EXISTS)
        return there;
    if (f == V_ICMP_TYPE && r->v[M_PROTO] != 1 && r->v[M_PROTO] != 58)
        return false;
    return number_fits(l, v);
}

/* The side that answered is the source where only its port is well known. */
static bool is_answer(const struct model_record *r)
{
    uint64_t p = r->v[M_PROTO], s = r->v[M_SPORT], d = r->v[M_DPORT];

    return !r->biflow && (p == 6 || p == 17 || p == 33 || p == 132) && s >= 1 && s <= 1023 &&
           d >= 1024;
}

static bool flags_fit(const struct model_record *r, const struct leaf *l)
{
    uint64_t v = r->v[M_FLAGS];

    if (r->v[M_PROTO] != 6)
        return false;
    return l->form == F_ALL      ? (v & l->want) == l->want
           : l->form == F_OF     ? (v & l->mask) == l->want
           : l->form == F_EXACT  ? (v & 0xff) == l->want
           : l->form == F_NUMBER ? v == l->want
                                 : (v & l->want) != 0;
}

static bool leaf_holds(const struct model_record *r, const struct leaf *l, int64_t zone)
{
    bool a, b, yes = true;

    switch ((enum leaf_kind)l->kind) {
    case L_ANY:
        return !l->not ;
    case L_FLAGS:
        return flags_fit(r, l);
    case L_VERSION: /* by the source, else by the destination */
        if (has(r, M_SRC) || has(r, M_DST))
            yes = mapped(has(r, M_SRC) ? &r->src : &r->dst) == (l->want == 4);
        else
            yes = false;
        return yes;
    case L_AT:
        return r->start <= (int64_t)l->want && r->end >= (int64_t)l->want;
    case L_DIRECTION:
        return word_of(r, V_DIRECTION) != NULL && strcmp(word_of(r, V_DIRECTION), l->text) == 0;
    case L_ADDR:
    case L_NUMBER:
    case L_EXISTS:
    case L_NAME:
    case L_AS_NAME:
    case L_GROUP:
    case L_WORD:
    case L_INSIDE:
        break;
    }
    a = one_side(r, l, l->a, zone);
    b = l->a == l->b ? a : one_side(r, l, l->b, zone);
    switch ((enum side)l->side) {
    case S_SRC:
    case S_NONE:
        yes = a;
        break;
    case S_DST:
        yes = b;
        break;
    case S_EITHER:
        yes = a || b;
        break;
    case S_BOTH: /* != means that neither side is equal, whatever stands before it */
        yes = l->not ? a || b : a && b;
        break;
    case S_CLIENT:
        yes = is_answer(r) ? b : a;
        break;
    case S_SERVER:
        yes = is_answer(r) ? a : b;
        break;
    }
    return yes != l->not ;
}

static bool holds(const struct model_record *r, const struct tree *t, int64_t zone)
{
    bool yes = t->op == OP_AND, k;

    if (t->op == OP_LEAF)
        return leaf_holds(r, &t->leaf, zone);
    if (t->op == OP_NOT)
        return !holds(r, t->kid[0], zone);
    for (unsigned i = 0; i < t->n; i++) {
        k = holds(r, t->kid[i], zone);
        yes = t->op == OP_AND ? yes && k : t->op == OP_OR ? yes || k : yes != k;
    }
    return yes;
}

/* For the key "matched host": sides that an address leaf of the filter names and that fit it. */
static void matched(const struct model_record *r, const struct tree *t, int64_t zone, bool *src,
                    bool *dst)
{
    const struct leaf *l = &t->leaf;

    for (unsigned i = 0; i < t->n; i++)
        matched(r, t->kid[i], zone, src, dst);
    if (t->op != OP_LEAF || l->kind != L_ADDR || l->a != V_SRC || l->b != V_DST)
        return;
    if (l->side != S_DST)
        *src |= one_side(r, l, V_SRC, zone);
    if (l->side != S_SRC)
        *dst |= one_side(r, l, V_DST, zone);
}

/* ------------------------------------------------------------------ questions */

enum key_shape { KS_VALUE, KS_EITHER, KS_PAIR, KS_MATCHED, KS_GROUP, KS_CLIENT, KS_SERVER };
#define KEY_MAX_VALUES (R_GROUPS + 1u)
struct qkey {
    uint8_t shape, a, b; /* enum vf */
    uint8_t len4, len6;
    char name[48];
};

enum qmeasure_kind {
    Q_BYTES,
    Q_BITS,
    Q_PACKETS,
    Q_FLOWS,
    Q_ACTIVE,
    Q_BPS,
    Q_PPS,
    Q_BPP,
    Q_DURATION,
    Q_FIRST,
    Q_LAST,
    Q_DISTINCT,
    Q_SESSIONS,
    Q_INITIATED,
    Q_ACCEPTED
};
struct qmeasure {
    uint8_t kind;
    bool raw;
    struct qkey key; /* Q_DISTINCT */
};

enum qs {
    QS_NONE,
    QS_CLIENT_BYTES,
    QS_SERVER_PACKETS,
    QS_TOTAL_BYTES,
    QS_DURATION,
    QS_SLICES,
    QS_STATE
};

enum qview { Q_TOTALS, Q_RANK, Q_LIST };
#define Q_MAX_KEYS     3u
#define Q_MAX_MEASURES 4u
#define Q_MAX_COLUMNS  5u
#define Q_MAX_CELLS    (1u + Q_MAX_KEYS + Q_MAX_MEASURES + Q_MAX_COLUMNS)

struct question {
    struct tree *filter;
    uint8_t view;
    bool raw, whole, framed, bottom, auto_step, by_port;
    uint8_t dedup; /* 0 not said, 1 on, 2 off */
    uint8_t roles; /* the operator's, below: 1 given with the question, 2 defined */
    struct {
        uint8_t what; /* enum qs; QS_NONE: all sessions */
        uint64_t lo, hi;
    } session;
    int64_t from, to; /* INT64_MIN, INT64_MAX = open */
    int64_t step, zone_ms;
    unsigned n_keys, n_measures, n_columns;
    struct qkey key[Q_MAX_KEYS];
    struct qmeasure measure[Q_MAX_MEASURES];
    uint64_t top, limit;
    struct {
        bool on, below;
        uint8_t measure;
        uint64_t than;
    } having;
    uint8_t column[Q_MAX_COLUMNS];
    bool sorted, desc;
    uint8_t sort;
};

/* ------------------------------------------------------------------ sums */

struct sums {
    uint64_t bytes, packets, raw_bytes, raw_packets, flows, active, duration;
    uint64_t sessions, initiated, accepted;
    int64_t first, last;
    bool any;
    uint64_t distinct[Q_MAX_MEASURES];
};

/* A set of keys of up to Q_MAX_CELLS values, numbered as they come. */
struct keyset {
    struct kv *key;
    uint32_t *slot;
    uint32_t n, cap, mask, width;
};

static void keyset_init(struct keyset *s, uint32_t width)
{
    *s = (struct keyset){ .width = width, .mask = 255 };
    s->slot = calloc(s->mask + 1, sizeof *s->slot);
    assert_non_null(s->slot);
}
static void keyset_free(struct keyset *s)
{
    free(s->key);
    free(s->slot);
}
static uint64_t keyset_hash(const struct kv *k, uint32_t width)
{
    uint64_t h = 14695981039346656037u, w;

    for (uint32_t i = 0; i < width; i++)
        for (unsigned o = 0; o < sizeof *k; o += 8) {
            memcpy(&w, (const uint8_t *)&k[i] + o, 8);
            h = (h ^ w) * 0x9e3779b97f4a7c15u;
            h ^= h >> 29;
        }
    return h;
}
/* Number of the key; entered when `make`, else UINT32_MAX if it is not there. */
static uint32_t keyset_at(struct keyset *s, const struct kv *k, bool make)
{
    uint64_t h = keyset_hash(k, s->width);
    uint32_t at = (uint32_t)h & s->mask;

    for (; s->slot[at] != 0; at = (at + 1) & s->mask)
        if (memcmp(s->key + (size_t)(s->slot[at] - 1) * s->width, k, s->width * sizeof *k) == 0)
            return s->slot[at] - 1;
    if (!make)
        return UINT32_MAX;
    if (s->n == s->cap) {
        s->cap = s->cap * 2 + 64;
        s->key = realloc(s->key, (size_t)s->cap * s->width * sizeof *k);
        assert_non_null(s->key);
    }
    memcpy(s->key + (size_t)s->n * s->width, k, s->width * sizeof *k);
    s->slot[at] = ++s->n;
    if (s->n > s->mask / 2) {
        s->mask = s->mask * 2 + 1;
        free(s->slot);
        s->slot = calloc(s->mask + 1, sizeof *s->slot);
        assert_non_null(s->slot);
        for (uint32_t i = 0; i < s->n; i++) {
            at = (uint32_t)keyset_hash(s->key + (size_t)i * s->width, s->width) & s->mask;
            while (s->slot[at] != 0)
                at = (at + 1) & s->mask;
            s->slot[at] = i + 1;
        }
    }
    return s->n - 1;
}

/* Groups: keys and their sums. */
struct groups {
    struct keyset keys, seen;
    struct sums *sum;
    uint32_t cap;
};
static void groups_init(struct groups *g, uint32_t width)
{
    memset(g, 0, sizeof *g);
    keyset_init(&g->keys, width);
    keyset_init(&g->seen, 3);
}
static void groups_free(struct groups *g)
{
    keyset_free(&g->keys);
    keyset_free(&g->seen);
    free(g->sum);
}
static uint32_t groups_at(struct groups *g, const struct kv *key)
{
    uint32_t was = g->keys.n, i = keyset_at(&g->keys, key, true);

    if (g->keys.n > g->cap) {
        g->cap = g->cap * 2 + 64;
        g->sum = realloc(g->sum, g->cap * sizeof *g->sum);
        assert_non_null(g->sum);
    }
    if (g->keys.n > was)
        memset(&g->sum[i], 0, sizeof g->sum[i]);
    return i;
}

/* Part of v that lies in [from, to): v is spread evenly over [start, end), rounded down when summed
 * from the start; a record without duration lies in its millisecond. */
static uint64_t part_until(uint64_t v, const struct model_record *r, int64_t t)
{
    if (t <= r->start)
        return 0;
    if (r->end <= r->start || t >= r->end)
        return v;
    return (uint64_t)((unsigned __int128)v * (uint64_t)(t - r->start) / lasted(r));
}
static uint64_t part(uint64_t v, const struct model_record *r, int64_t from, int64_t to)
{
    return part_until(v, r, to) - part_until(v, r, from);
}

static bool starts_in(const struct model_record *r, int64_t from, int64_t to)
{
    return r->start >= from && r->start < to;
}
static bool in_frame(const struct question *q, const struct model_record *r)
{
    return !q->framed || (r->start < q->to && (r->end > q->from || r->start >= q->from));
}

/* One direction of a record into sums, as far as it lies in [from, to) unless `entire`. */
static void sums_add(struct sums *s, const struct question *q, const struct model_record *r,
                     bool reverse, int64_t from, int64_t to, bool entire, bool first_bin)
{
    uint64_t b = r->v[reverse ? M_REV_BYTES : M_BYTES];
    uint64_t p = r->v[reverse ? M_REV_PACKETS : M_PACKETS], rate = rate_or_1(r);

    s->bytes += entire ? b * rate : part(b * rate, r, from, to);
    s->packets += entire ? p * rate : part(p * rate, r, from, to);
    s->raw_bytes += entire ? b : part(b, r, from, to);
    s->raw_packets += entire ? p : part(p, r, from, to);
    if (!reverse) {
        s->active++;
        s->flows += first_bin && (!q->framed || q->whole || starts_in(r, q->from, q->to));
        s->duration += first_bin ? lasted(r) : 0;
    }
    s->first = s->any ? MIN(s->first, r->start) : r->start;
    s->last = s->any ? MAX(s->last, r->end) : r->end;
    s->any = true;
}

/* ------------------------------------------------------------------ keys of a record */

static uint8_t other_side(uint8_t f)
{
    static const uint8_t pair[][2] = { { V_SRC, V_DST },
                                       { V_SPORT, V_DPORT },
                                       { V_SRC_AS, V_DST_AS },
                                       { V_IN_IF, V_OUT_IF },
                                       { V_SRC_COUNTRY, V_DST_COUNTRY },
                                       { V_SRC_NAME, V_DST_NAME },
                                       { V_IN_BOUNDARY, V_OUT_BOUNDARY },
                                       { V_IN_PROVIDER, V_OUT_PROVIDER },
                                       { V_SRC_GROUP, V_DST_GROUP },
                                       { V_DIRECTION, V_DIRECTION_BACK } };

    for (unsigned i = 0; i < ARRAY_LEN(pair); i++)
        for (unsigned k = 0; k < 2; k++)
            if (f == pair[i][k])
                return pair[i][1 - k];
    return f;
}

/* A record counts once for each group that a side of it is in; which is none for who is in none. */
static unsigned group_values(const struct qkey *k, const struct model_record *r, bool reverse,
                             struct kv *out)
{
    bool src = k->shape == KS_GROUP || (k->a == V_SRC_GROUP) != reverse;
    bool dst = k->shape == KS_GROUP || !src;
    unsigned n = 0;

    for (unsigned g = 0; g < R_GROUPS; g++)
        if ((src && ref_in_group(r, (enum ref_group)g, false)) ||
            (dst && ref_in_group(r, (enum ref_group)g, true)))
            out[n++] = kv_text(ref_group_name[g]);
    if (n == 0)
        out[n++] = kv_text(NULL);
    return n;
}

/* All values of a key in one direction of a record; `swapped`: its source is the server. */
static unsigned key_values(const struct question *q, const struct qkey *k,
                           const struct model_record *r, bool reverse, bool swapped, struct kv *out)
{
    struct kv a = value(r, k->a, k->len4, k->len6, q->zone_ms), b;
    bool src = false, dst = false;

    if (k->a == V_SRC_GROUP || k->a == V_DST_GROUP)
        return group_values(k, r, reverse, out);

    if (k->shape == KS_CLIENT || k->shape == KS_SERVER) {
        out[0] = value(r, (k->shape == KS_SERVER) == swapped ? k->a : k->b, k->len4, k->len6,
                       q->zone_ms);
        return 1;
    }
    if (k->shape == KS_VALUE) {
        out[0] = reverse ? value(r, other_side(k->a), k->len4, k->len6, q->zone_ms) : a;
        return 1;
    }
    b = value(r, k->b, k->len4, k->len6, q->zone_ms);
    if (k->shape == KS_PAIR) {
        memset(&out[0], 0, sizeof out[0]);
        if (a.kind == K_ABSENT && b.kind == K_ABSENT)
            return 1;
        out[0].kind = K_PAIR;
        memcpy(out[0].b, memcmp(a.b, b.b, 16) < 0 ? a.b : b.b, 16);
        memcpy(out[0].b + 16, memcmp(a.b, b.b, 16) < 0 ? b.b : a.b, 16);
        return 1;
    }
    if (k->shape == KS_MATCHED) {
        matched(r, q->filter, q->zone_ms, &src, &dst);
        if (src != dst) {
            out[0] = src ? a : b;
            return 1;
        }
    }
    if (is_word(k->a) && (a.kind == K_ABSENT || b.kind == K_ABSENT)) {
        out[0] = a.kind == K_ABSENT ? b : a; /* no word is no value while there is one */
        return 1;
    }
    out[0] = a;
    out[1] = b;
    return memcmp(&a, &b, sizeof a) == 0 ? 1 : 2;
}

static void distinct_add(struct groups *g, const struct question *q, uint32_t group, struct sums *s,
                         const struct model_record *r, bool reverse, bool swapped)
{
    for (unsigned m = 0; m < q->n_measures; m++) {
        struct kv v[KEY_MAX_VALUES], key[3];
        unsigned n;
        if (q->measure[m].kind != Q_DISTINCT)
            continue;
        n = key_values(q, &q->measure[m].key, r, reverse, swapped, v);
        for (unsigned i = 0; i < n; i++) {
            uint32_t was = g->seen.n;
            if (v[i].kind == K_ABSENT)
                continue;
            key[0] = kv_number(m);
            key[1] = kv_number(group);
            key[2] = v[i];
            (void)keyset_at(&g->seen, key, true);
            s->distinct[m] += g->seen.n > was;
        }
    }
}

/* All combinations of the values of a record's keys; calls fn for each. */
struct visit {
    const struct question *q;
    void (*fn)(void *ctx, const struct kv *key, const struct model_record *r, bool reverse);
    void *ctx;
    bool swapped;
    unsigned side; /* of the first key's value: 0 source, 1 destination, 2 both */
};
static void combinations(struct visit *v, const struct model_record *r, bool reverse,
                         struct kv *key, unsigned k)
{
    struct kv one[KEY_MAX_VALUES];
    unsigned n;

    if (k >= v->q->n_keys || k >= Q_MAX_KEYS) {
        v->fn(v->ctx, key, r, reverse);
        return;
    }
    n = key_values(v->q, &v->q->key[k], r, reverse, v->swapped, one);
    for (unsigned i = 0; i < n; i++) {
        if (k == 0)
            v->side = n == 2 && v->q->key[0].shape != KS_GROUP ? i : 2;
        key[k] = one[i];
        combinations(v, r, reverse, key, k + 1);
    }
}
static void every_part(struct visit *v, const struct model_record *r, uint8_t aside)
{
    struct kv key[Q_MAX_KEYS + 1];

    memset(key, 0, sizeof key);
    if (v->q->by_port && (r->v[M_PROTO] == 1 || r->v[M_PROTO] == 58))
        return;
    if ((aside & 1) == 0)
        combinations(v, r, false, key, 0);
    if ((r->v[M_REV_BYTES] | r->v[M_REV_PACKETS]) != 0 && (aside & 2) == 0)
        combinations(v, r, true, key, 0);
}

/* ------------------------------------------------------------------ the answer */

struct ref {
    const struct question *q;
    const struct model *m;
    uint8_t *aside;  /* per record: 1 = its direction, 2 = the other one is counted elsewhere */
    uint8_t *begins; /* a session begins with its direction, with the other one */
    bool *swapped;   /* its source is the server of its session */
    struct visit *at;
    uint64_t n_aside, bytes_aside;
    uint32_t *row; /* rows that match, in order */
    uint32_t n;
    struct sums total;
    struct groups total_set; /* for distinct of the total */
    struct groups rank;
    int64_t span, step;
    /* series: bins by (time, rank + 1; 0 = the rest) */
    struct groups bins;
    struct keyset *shown; /* keys of the top, NULL without keys */
};

/* ------------------------------------------------------------------ each flow once */

static bool names_place(uint8_t f)
{
    return f == V_EXPORTER || f == V_IN_IF || f == V_OUT_IF || f == V_NEXT || f == V_DOMAIN ||
           f == V_VERSION || f == V_NAME || f == V_EXPORTER_NAME || f == V_SITE || f == V_ROLE ||
           (f >= V_IN_BOUNDARY && f <= V_OUT_PROVIDER);
}
/* "< 0" and [4 !4] are just "none". */
static bool never_fits(const struct leaf *l)
{
    bool any = number_fits(l, 0) || number_fits(l, UINT64_MAX);

    for (unsigned i = 0; i < l->n; i++)
        any |= number_fits(l, l->range[i].lo) || number_fits(l, l->range[i].hi) ||
               number_fits(l, l->range[i].lo - 1) || number_fits(l, l->range[i].hi + 1);
    return !any;
}
static bool tree_names_place(const struct tree *t)
{
    const struct leaf *l = &t->leaf;
    bool yes = false;

    if (t->op == OP_LEAF &&
        ((l->kind == L_NAME && l->a != V_APP) || (l->kind == L_GROUP && l->want == R_PR) ||
         (l->kind == L_EXISTS && (l->a == V_SRC_GROUP || l->a == V_DST_GROUP)) ||
         (l->kind == L_WORD && names_place(l->a))))
        yes = true;
    if (t->op == OP_LEAF &&
        (l->kind == L_ADDR || l->kind == L_EXISTS || (l->kind == L_NUMBER && !never_fits(l))))
        yes |= names_place(l->a) || names_place(l->b);
    for (unsigned i = 0; i < t->n; i++)
        yes |= tree_names_place(t->kid[i]);
    return yes;
}
static bool each_once(const struct question *q)
{
    bool place = tree_names_place(q->filter);

    if (q->dedup != 0)
        return q->dedup == 1;
    for (unsigned k = 0; k < q->n_keys; k++)
        place |= names_place(q->key[k].a) || names_place(q->key[k].b);
    for (unsigned m = 0; m < q->n_measures; m++)
        place |= q->measure[m].kind == Q_DISTINCT &&
                 (names_place(q->measure[m].key.a) || names_place(q->measure[m].key.b));
    return q->view != Q_LIST && !place;
}

/* One direction of a record, at the place where it was seen. */
struct half {
    uint32_t row, group; /* group: of what lies together in time */
    bool reverse, aside;
    unsigned exporter, dir;
    uint64_t port, bytes, packets, rate; /* port: the interface */
    bool from_high;                      /* folded: it left the higher end */
    const struct model_record *r;
    int64_t start, end;
};
static int64_t gap(const struct half *x, const struct half *y)
{
    return MAX(MAX(x->start - y->end, y->start - x->end), 0);
}
static bool same_place(const struct half *x, const struct half *y)
{
    return x->exporter == y->exporter && x->dir == y->dir && x->port == y->port;
}

/* What the operator says of interfaces 1 to 4 of one exporter, of whatever domain. */
static const struct point_role ref_roles[] = {
    { { { [10] = 0xff, [11] = 0xff, [12] = 0xc0, [14] = 2, [15] = 1 } }, 1, POINT_EDGE },
    { { { [10] = 0xff, [11] = 0xff, [12] = 0xc0, [14] = 2, [15] = 1 } }, 2, POINT_INTERNAL },
    { { { [10] = 0xff, [11] = 0xff, [12] = 0xc0, [14] = 2, [15] = 1 } }, 3, POINT_DISJOINT },
    { { { [10] = 0xff, [11] = 0xff, [12] = 0xc0, [14] = 2, [15] = 1 } }, 4, POINT_IGNORE },
};
static unsigned role_of(const struct half *h)
{
    if (model_exporters[h->exporter].addr != 0xc0000201 || h->port < 1 || h->port > 4)
        return POINT_NONE;
    return ref_roles[h->port - 1].role;
}

struct place_sum {
    const struct half *h; /* any of it */
    uint64_t bytes, rate;
    unsigned role;
};
static bool place_before(const struct place_sum *x, const struct place_sum *y)
{
    const struct model_exporter *a = &model_exporters[x->h->exporter],
                                *b = &model_exporters[y->h->exporter];

    if (x->role != y->role)
        return x->role < y->role;
    if (x->rate != y->rate)
        return x->rate < y->rate;
    if (x->bytes != y->bytes)
        return x->bytes > y->bytes;
    if (a->addr != b->addr)
        return a->addr < b->addr;
    if (a->domain != b->domain)
        return a->domain < b->domain;
    if (x->h->dir != y->h->dir)
        return x->h->dir < y->h->dir;
    return x->h->port < y->h->port;
}

/* Halves of one directed 5-tuple and one stretch of time. */
static void choose_place(struct half **h, unsigned n, bool roles)
{
    struct place_sum *p = calloc(n, sizeof *p), t;
    struct half **kept = malloc(n * sizeof(struct half *));
    unsigned n_p = 0, n_kept = 0;

    assert_true(p != NULL && kept != NULL);
    for (unsigned i = 0, k; i < n; i++) {
        for (k = 0; k < n_p && !same_place(p[k].h, h[i]);)
            k++;
        p[k].h = h[i];
        p[k].role = roles ? role_of(h[i]) : POINT_NONE;
        p[k].bytes += h[i]->bytes;
        p[k].rate = MAX(p[k].rate, h[i]->rate);
        n_p = MAX(n_p, k + 1);
    }
    for (unsigned i = 0; i < n_p; i++)
        for (unsigned k = i + 1; k < n_p; k++)
            if (place_before(&p[k], &p[i])) {
                t = p[i];
                p[i] = p[k];
                p[k] = t;
            }
    for (unsigned k = 0; k < n_p; k++) {
        unsigned better = n_kept;
        for (unsigned i = 0; i < n; i++) {
            if (!same_place(h[i], p[k].h) || p[k].role == POINT_DISJOINT)
                continue;
            h[i]->aside |= p[k].role == POINT_IGNORE;
            for (unsigned j = 0; j < better; j++)
                h[i]->aside |=
                    gap(h[i], kept[j]) <=
                    (h[i]->exporter == kept[j]->exporter && h[i]->dir == kept[j]->dir ? 0 : 5000);
            if (!h[i]->aside)
                kept[n_kept++] = h[i];
        }
    }
    free(p);
    free(kept);
}

static void together(struct half **h, unsigned n, bool roles)
{
    struct half **one = malloc(n * sizeof(struct half *));

    assert_non_null(one);
    for (unsigned i = 0; i < n; i++)
        h[i]->group = i;
    for (bool again = true; again;) {
        again = false;
        for (unsigned i = 0; i < n; i++)
            for (unsigned k = 0; k < n; k++)
                if (h[i]->group < h[k]->group && gap(h[i], h[k]) <= 5000) {
                    h[k]->group = h[i]->group;
                    again = true;
                }
    }
    for (unsigned g = 0; g < n; g++) {
        unsigned m = 0;
        for (unsigned i = 0; i < n; i++)
            if (h[i]->group == g)
                one[m++] = h[i];
        if (m > 0)
            choose_place(one, m, roles);
    }
    free(one);
}

/* Halves of the records that pass, up to wide_ms outside the frame; of[i] numbers their 5-tuples:
 * directed, or with both directions as one. */
struct halves {
    struct half *h;
    uint32_t *of, n;
    struct keyset tuples;
};
static void halves_make(struct halves *x, const struct ref *f, int64_t wide_ms, bool folded)
{
    const struct question *q = f->q;
    struct question wide = *q;

    *x = (struct halves){ .h = calloc(f->m->n * 2u + 1, sizeof *x->h),
                          .of = malloc((f->m->n * 2u + 1) * sizeof *x->of) };
    assert_true(x->h != NULL && x->of != NULL);
    wide.from = q->from == INT64_MIN ? q->from : q->from - wide_ms;
    wide.to = q->to == INT64_MAX ? q->to : q->to + wide_ms;
    keyset_init(&x->tuples, 5);
    for (uint32_t i = 0; i < f->m->n; i++) {
        const struct model_record *r = &f->m->r[i];
        bool back = (r->v[M_REV_BYTES] | r->v[M_REV_PACKETS]) != 0;
        bool icmp = folded && (r->v[M_PROTO] == 1 || r->v[M_PROTO] == 58);
        if (!in_frame(&wide, r) || !holds(r, q->filter, q->zone_ms) || !has(r, M_SRC) ||
            !has(r, M_DST))
            continue;
        for (unsigned d = 0; d < 1u + back; d++) {
            struct kv key[5];
            unsigned src = d;
            if ((f->aside[i] >> d & 1) != 0)
                continue;
            memset(key, 0, sizeof key);
            if (folded) { /* the lower end first */
                int c = memcmp(r->src.b, r->dst.b, 16);
                src = c > 0 || (c == 0 && r->v[M_SPORT] > r->v[M_DPORT]);
            }
            key[0].kind = key[1].kind = K_ADDR;
            memcpy(key[src].b, r->src.b, 16);
            memcpy(key[1 - src].b, r->dst.b, 16);
            key[2 + src] = kv_number(icmp ? 0 : r->v[M_SPORT]);
            key[3 - src] = kv_number(icmp ? 0 : r->v[M_DPORT]);
            key[4] = kv_number(r->v[M_PROTO]);
            x->of[x->n] = keyset_at(&x->tuples, key, true);
            x->h[x->n++] = (struct half){
                .row = i,
                .reverse = d == 1,
                .from_high = (src == 1) != (d == 1),
                .r = r,
                .exporter = r->exporter,
                .dir = r->v[M_DIR] == 1,
                .port = r->v[r->v[M_DIR] == 1 ? M_OUT_IF : M_IN_IF],
                .bytes = r->v[d == 1 ? M_REV_BYTES : M_BYTES] * (q->raw ? 1 : rate_or_1(r)),
                .packets = r->v[d == 1 ? M_REV_PACKETS : M_PACKETS] * (q->raw ? 1 : rate_or_1(r)),
                .rate = rate_or_1(r),
                .start = r->start,
                .end = MAX(r->end, r->start),
            };
        }
    }
}
static void halves_free(struct halves *x)
{
    keyset_free(&x->tuples);
    free(x->h);
    free(x->of);
}
/* Those of one tuple. */
static unsigned halves_of(const struct halves *x, uint32_t tuple, struct half **one)
{
    unsigned m = 0;

    for (uint32_t i = 0; i < x->n; i++)
        if (x->of[i] == tuple)
            one[m++] = &x->h[i];
    return m;
}

static void set_aside(struct ref *f)
{
    struct halves x;
    struct half **one;

    halves_make(&x, f, 5000, false);
    one = malloc((x.n + 1) * sizeof(struct half *));
    assert_non_null(one);
    for (uint32_t t = 0; t < x.tuples.n; t++) {
        unsigned m = halves_of(&x, t, one);
        if (m > 0)
            together(one, m, f->q->roles);
    }
    for (uint32_t i = 0; i < x.n; i++)
        if (x.h[i].aside)
            f->aside[x.h[i].row] |= x.h[i].reverse ? 2 : 1;
    free(one);
    halves_free(&x);
}

static void count_aside(struct ref *f)
{
    const struct question *q = f->q;

    for (uint32_t i = 0; i < f->m->n; i++) {
        const struct model_record *r = &f->m->r[i];
        if (!in_frame(q, r))
            continue;
        for (unsigned d = 0; d < 2; d++)
            if ((f->aside[i] >> d & 1) != 0) {
                uint64_t b = r->v[d == 1 ? M_REV_BYTES : M_BYTES] * (q->raw ? 1 : rate_or_1(r));
                f->n_aside++;
                f->bytes_aside += !q->framed || q->whole ? b : part(b, r, q->from, q->to);
            }
    }
}

/* ------------------------------------------------------------------ sessions */

static bool asks_sessions(const struct question *q)
{
    bool yes = false;

    for (unsigned k = 0; k < q->n_keys; k++)
        yes |= q->key[k].shape >= KS_CLIENT;
    for (unsigned m = 0; m < q->n_measures; m++)
        yes |= q->measure[m].kind >= Q_SESSIONS ||
               (q->measure[m].kind == Q_DISTINCT && q->measure[m].key.shape >= KS_CLIENT);
    return yes;
}

struct ref_session {
    struct half **h;
    unsigned n, slices, state; /* state: as the words are listed in QUERY.md */
    bool high;                 /* the client is the higher end */
    int64_t start, end;
    uint64_t bytes[2], packets[2];
};

static bool high_opened(struct half *const *h, unsigned n)
{
    const struct model_record *r = h[0]->r;
    /* ports of the lower and the higher end */
    uint64_t low = r->v[h[0]->from_high != h[0]->reverse ? M_DPORT : M_SPORT],
             high = r->v[h[0]->from_high != h[0]->reverse ? M_SPORT : M_DPORT];
    bool low_known, high_known;
    int64_t first[2] = { INT64_MAX, INT64_MAX };

    if (r->v[M_PROTO] == 1 || r->v[M_PROTO] == 58)
        low = high = 0;
    low_known = low > 0 && low < 1024;
    high_known = high > 0 && high < 1024;
    for (unsigned i = 0; i < n; i++)
        if ((h[i]->r->v[M_REV_BYTES] | h[i]->r->v[M_REV_PACKETS]) != 0)
            return h[i]->from_high != h[i]->reverse;
    for (unsigned i = 0; i < n; i++)
        if (r->v[M_PROTO] == 6 && (h[i]->r->v[M_FLAGS] & 0x12) == 2)
            return h[i]->from_high;
    for (unsigned i = 0; i < n; i++)
        first[h[i]->from_high] = MIN(first[h[i]->from_high], h[i]->start);
    if (first[0] != INT64_MAX && first[1] != INT64_MAX && llabs(first[0] - first[1]) > 1000)
        return first[1] < first[0];
    if (low_known != high_known)
        return low_known;
    if (first[0] != first[1])
        return first[1] < first[0];
    return high > low;
}

static void describe(struct ref_session *s)
{
    uint64_t flags[2] = { 0 };
    bool answered = false, tcp = s->h[0]->r->v[M_PROTO] == 6;

    s->start = s->h[0]->start;
    s->end = s->start;
    s->slices = 0;
    for (unsigned i = 0; i < s->n; i++) {
        const struct half *h = s->h[i];
        bool server = h->from_high != s->high;
        s->end = MAX(s->end, h->end);
        s->bytes[server] += h->bytes;
        s->packets[server] += h->packets;
        s->slices += !h->reverse;
        flags[server] |= h->r->v[M_FLAGS];
        answered |= server;
    }
    s->slices += s->slices == 0;
    if (!answered)
        s->state = tcp && flags[0] == 2 ? 4 : 3;
    else if (!tcp)
        s->state = 0;
    else if ((flags[1] & 7) == 4 && (flags[0] & 0x11) == 0)
        s->state = 2;
    else
        s->state = (flags[0] & flags[1] & 1) != 0 || ((flags[0] | flags[1]) & 4) != 0;
}

static bool session_passes(const struct question *q, const struct ref_session *s)
{
    uint64_t v = 0;

    switch ((enum qs)q->session.what) {
    case QS_NONE:
        return true;
    case QS_CLIENT_BYTES:
        v = s->bytes[0];
        break;
    case QS_SERVER_PACKETS:
        v = s->packets[1];
        break;
    case QS_TOTAL_BYTES:
        v = s->bytes[0] + s->bytes[1];
        break;
    case QS_DURATION:
        v = (uint64_t)(s->end - s->start);
        break;
    case QS_SLICES:
        v = s->slices;
        break;
    case QS_STATE:
        v = s->state;
        break;
    }
    return v >= q->session.lo && v <= q->session.hi;
}

/* All sessions; each that passes and begins in the frame goes to `each`, if that is given. */
struct each_session {
    void (*fn)(struct each_session *e, const struct ref_session *s);
};
static void stitch(struct ref *f, struct each_session *each)
{
    const struct question *q = f->q;
    struct halves x;
    struct half **one;

    halves_make(&x, f, 300000, true);
    one = malloc((x.n + 1) * sizeof(struct half *));
    assert_non_null(one);
    for (uint32_t t = 0; t < x.tuples.n; t++) {
        unsigned m = halves_of(&x, t, one);
        for (unsigned i = 1; i < m; i++) /* by start; halves of a record stay in their order */
            for (unsigned k = i; k > 0 && one[k]->start < one[k - 1]->start; k--) {
                struct half *h = one[k];
                one[k] = one[k - 1];
                one[k - 1] = h;
            }
        for (unsigned i = 0, end; i < m; i = end) {
            int64_t top = one[i]->end;
            struct ref_session s;
            bool pass;
            for (end = i + 1; end < m && one[end]->start <= top + 300000; end++)
                top = MAX(top, one[end]->end);
            memset(&s, 0, sizeof s);
            s.h = one + i;
            s.n = end - i;
            s.high = high_opened(s.h, s.n);
            describe(&s);
            pass = session_passes(q, &s);
            for (unsigned k = i; k < end; k++) {
                if (pass)
                    f->swapped[one[k]->row] = (one[k]->from_high != one[k]->reverse) != s.high;
                else
                    f->aside[one[k]->row] |= one[k]->reverse ? 2 : 1;
            }
            if (pass)
                f->begins[one[i]->row] |= one[i]->reverse ? 2 : 1;
            if (pass && each != NULL && (!q->framed || (s.start >= q->from && s.start < q->to)))
                each->fn(each, &s);
        }
    }
    free(one);
    halves_free(&x);
}

/* A session that begins here, for the group at hand. */
static void add_session(const struct ref *f, struct sums *s, const struct model_record *r,
                        bool reverse)
{
    const struct question *q = f->q;
    size_t i = (size_t)(r - f->m->r);
    bool total = f->at == NULL || q->n_keys == 0;
    uint8_t shape = total ? KS_PAIR : q->key[0].shape;
    unsigned side = total || shape == KS_VALUE ? 2 : f->at->side;

    if ((f->begins[i] >> reverse & 1) == 0 ||
        (q->framed && !q->whole && !starts_in(r, q->from, q->to)))
        return;
    s->sessions++;
    if (shape == KS_CLIENT || shape == KS_SERVER) {
        s->initiated += shape == KS_CLIENT;
        s->accepted += shape == KS_SERVER;
    } else {
        s->initiated += side == 2 || (side == 1) == f->swapped[i];
        s->accepted += side == 2 || (side == 1) != f->swapped[i];
    }
}

static void rank_part(void *ctx, const struct kv *key, const struct model_record *r, bool reverse)
{
    struct ref *f = ctx;
    const struct question *q = f->q;
    uint32_t i = groups_at(&f->rank, key);

    add_session(f, &f->rank.sum[i], r, reverse);

    sums_add(&f->rank.sum[i], q, r, reverse, q->from, q->to, !q->framed || q->whole, true);
    distinct_add(&f->rank, q, i, &f->rank.sum[i], r, reverse, f->swapped[r - f->m->r]);
}

static int64_t floor_step(int64_t t, int64_t step)
{
    int64_t n = t / step;

    return (t < 0 && n * step != t ? n - 1 : n) * step;
}

static void bin_part(void *ctx, const struct kv *key, const struct model_record *r, bool reverse)
{
    struct ref *f = ctx;
    const struct question *q = f->q;
    int64_t lo = r->start, hi = MAX(r->end, r->start + 1);
    struct kv at[2];
    bool first = true;

    memset(at, 0, sizeof at);
    at[1] = kv_number(f->shown != NULL ? keyset_at(f->shown, key, false) + 1u : 0);
    if (q->framed) {
        lo = MAX(lo, q->from);
        hi = MIN(hi, q->to);
    }
    for (int64_t t = lo; t < hi;) {
        int64_t bin = floor_step(t + q->zone_ms, f->step) - q->zone_ms, next = bin + f->step;
        uint32_t i;
        at[0] = kv_number((uint64_t)bin);
        i = groups_at(&f->bins, at);
        sums_add(&f->bins.sum[i], q, r, reverse, t, MIN(next, hi), q->whole, first);
        if (first)
            add_session(f, &f->bins.sum[i], r, reverse);
        distinct_add(&f->bins, q, i, &f->bins.sum[i], r, reverse, f->swapped[r - f->m->r]);
        if (q->whole)
            return;
        first = false;
        t = next;
    }
}

static void total_part(struct ref *f, const struct model_record *r, bool reverse)
{
    const struct question *q = f->q;

    sums_add(&f->total, q, r, reverse, q->from, q->to, !q->framed || q->whole, true);
    add_session(f, &f->total, r, reverse);
    distinct_add(&f->total_set, q, 0, &f->total, r, reverse, f->swapped[r - f->m->r]);
}

static void ref_init(struct ref *f, const struct question *q, const struct model *m)
{
    memset(f, 0, sizeof *f);
    f->q = q;
    f->m = m;
    groups_init(&f->total_set, 1);
    groups_init(&f->rank, MAX(q->n_keys, 1u));
    groups_init(&f->bins, 2);
    f->row = malloc((m->n + 1) * sizeof *f->row);
    f->aside = calloc(m->n + 1, 1);
    f->begins = calloc(m->n + 1, 1);
    f->swapped = calloc(m->n + 1, sizeof *f->swapped);
    assert_true(f->row != NULL && f->aside != NULL && f->begins != NULL && f->swapped != NULL);
}
static void ref_free(struct ref *f)
{
    groups_free(&f->total_set);
    groups_free(&f->rank);
    groups_free(&f->bins);
    free(f->row);
    free(f->aside);
    free(f->begins);
    free(f->swapped);
}

static void ref_run(struct ref *f)
{
    const struct question *q = f->q;
    struct visit v = { q, rank_part, f };

    if (each_once(q))
        set_aside(f);
    count_aside(f);
    if (q->session.what != QS_NONE || asks_sessions(q))
        stitch(f, NULL);
    for (uint32_t i = 0; i < f->m->n; i++) {
        const struct model_record *r = &f->m->r[i];
        if (!in_frame(q, r) || !holds(r, q->filter, q->zone_ms))
            continue;
        v.swapped = f->swapped[i];
        if (q->view != Q_LIST || (f->aside[i] & 1) == 0)
            f->row[f->n++] = i;
        if ((f->aside[i] & 1) == 0)
            total_part(f, r, false);
        if ((r->v[M_REV_BYTES] | r->v[M_REV_PACKETS]) != 0 && (f->aside[i] & 2) == 0)
            total_part(f, r, true);
        f->at = &v;
        if (q->view == Q_RANK)
            every_part(&v, r, f->aside[i]);
        f->at = NULL;
    }
    f->span = (q->to != INT64_MAX ? q->to
               : f->n > 0         ? MAX(f->total.last, f->total.first + 1)
                                  : 0) -
              (q->from != INT64_MIN ? q->from
               : f->n > 0           ? f->total.first
                                    : 0);
    f->step = q->step;
}

/* The second look, once the keys of the top are known. */
static void ref_bins(struct ref *f, struct keyset *shown)
{
    struct visit v = { f->q, bin_part, f };

    f->shown = shown;
    for (uint32_t i = 0; i < f->n; i++) {
        v.swapped = f->swapped[f->row[i]];
        every_part(&v, &f->m->r[f->row[i]], f->aside[f->row[i]]);
    }
}

struct measured {
    uint64_t v;
    double real;
};
static struct measured measured(const struct question *q, unsigned m, const struct sums *s,
                                int64_t span)
{
    bool raw = q->raw || q->measure[m].raw;
    uint64_t b = raw ? s->raw_bytes : s->bytes, p = raw ? s->raw_packets : s->packets;
    struct measured out = { 0, 0 };

    switch ((enum qmeasure_kind)q->measure[m].kind) {
    case Q_BYTES:
        out.v = b;
        break;
    case Q_BITS:
        out.v = b * 8;
        break;
    case Q_PACKETS:
        out.v = p;
        break;
    case Q_FLOWS:
        out.v = s->flows;
        break;
    case Q_ACTIVE:
        out.v = s->active;
        break;
    case Q_BPS:
        out.v = span > 0 ? (uint64_t)((unsigned __int128)b * 8000 / (uint64_t)span) : 0;
        break;
    case Q_PPS:
        out.v = span > 0 ? (uint64_t)((unsigned __int128)p * 1000 / (uint64_t)span) : 0;
        break;
    case Q_BPP:
        out.real = p > 0 ? (double)b / (double)p : 0;
        out.v = p > 0 ? b / p : 0;
        break;
    case Q_DURATION:
        out.v = s->duration;
        break;
    case Q_FIRST:
        out.v = (uint64_t)s->first;
        break;
    case Q_LAST:
        out.v = (uint64_t)s->last;
        break;
    case Q_DISTINCT:
        out.v = s->distinct[m];
        break;
    case Q_SESSIONS:
        out.v = s->sessions;
        break;
    case Q_INITIATED:
        out.v = s->initiated;
        break;
    case Q_ACCEPTED:
        out.v = s->accepted;
        break;
    }
    return out;
}

#endif
