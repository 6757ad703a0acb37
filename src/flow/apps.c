#include "flow/apps.h"
#include "flow/word.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/csv.h"
#include "gen/apps.h"

#define FIELDS 6u
#define PORTS  65536u
#define NONE16 UINT16_MAX

_Static_assert(APPS_RULES < NONE16, "a rule's number fits 16 bits");

struct apps {
    _Atomic uint32_t refs;
    struct app_rule *rule;
    size_t n, cap;
    /* Rules by what they ask first, ascending within one: those of an AS by a hash, those of
     * networks, ids and the rest (ports alone) as lists. */
    uint16_t *as_slot; /* first rule of an AS in next[]'s chains; NONE16 = empty */
    uint32_t as_mask;
    uint16_t *next;     /* the next rule of the same AS or list */
    uint16_t nets, ids; /* heads of lists */
    uint16_t *port[2];  /* TCP, UDP: the first rule of a port alone, by port */
    uint16_t ports;     /* head of the list of other protocols */
};

struct apps *apps_ref(struct apps *a)
{
    if (a != NULL)
        atomic_fetch_add_explicit(&a->refs, 1, memory_order_relaxed);
    return a;
}

void apps_unref(struct apps *a)
{
    if (a == NULL || atomic_fetch_sub_explicit(&a->refs, 1, memory_order_acq_rel) != 1)
        return;
    free(a->rule);
    free(a->as_slot);
    free(a->next);
    free(a->port[0]);
    free(a->port[1]);
    free(a);
}

size_t apps_count(const struct apps *a)
{
    return a->n;
}

const struct app_rule *apps_rule(const struct apps *a, uint32_t i)
{
    return &a->rule[i];
}

/* ------------------------------------------------------------------ rows */

/* All of the text is one number up to max. */
static bool number(const char *s, uint64_t max, uint64_t *out)
{
    uint64_t v = 0;

    if (*s == '\0')
        return false;
    for (; *s >= '0' && *s <= '9' && v <= max; s++)
        v = v * 10 + (uint64_t)(*s - '0');
    *out = v;
    return *s == '\0' && v <= max;
}

static bool take_as(const char *s, struct app_rule *r)
{
    uint64_t v = 0;

    if (*s == '\0')
        return true;
    if ((s[0] & ~32) == 'A' && (s[1] & ~32) == 'S')
        s += 2;
    r->as = number(s, UINT32_MAX, &v) ? (uint32_t)v : 0;
    return r->as != 0;
}

static bool take_proto(const char *s, struct app_rule *r)
{
    const struct word_number *w = word_find(words_proto, words_proto_n, s, strlen(s));
    uint64_t v;

    if (*s == '\0')
        return true;
    if (w != NULL)
        r->proto = (uint8_t)w->lo;
    else if (number(s, 255, &v))
        r->proto = (uint8_t)v;
    return r->proto != 0;
}

/* "443" or "6881-6889" */
static bool take_ports(char *s, struct app_rule *r)
{
    char *dash = strchr(s, '-');
    uint64_t lo, hi;

    if (*s == '\0')
        return true;
    if (dash != NULL)
        *dash = '\0';
    if (!number(s, 65535, &lo) || !number(dash != NULL ? dash + 1 : s, 65535, &hi))
        return false;
    r->port_lo = (uint16_t)lo;
    r->port_hi = (uint16_t)hi;
    return lo > 0 && lo <= hi;
}

/* "13:496": engine and selector */
static bool take_id(char *s, struct app_rule *r)
{
    char *colon = strchr(s, ':');
    uint64_t engine, selector;

    if (*s == '\0')
        return true;
    if (colon == NULL)
        return false;
    *colon = '\0';
    if (!number(s, 255, &engine) || !number(colon + 1, UINT32_MAX, &selector))
        return false;
    r->app_id = engine << 56 | selector;
    return r->app_id != 0;
}

/* NULL: understood; else what is wrong. */
static const char *take(struct csv_field f[FIELDS], size_t n, struct app_rule *r)
{
    memset(r, 0, sizeof *r);
    for (size_t i = n; i < FIELDS; i++)
        f[i].text[f[i].len = 0] = '\0';
    if (f[0].len == 0 || f[0].len >= APP_NAME)
        return "a name of 1 to 63 octets is expected first";
    memcpy(r->name, f[0].text, f[0].len + 1);
    if (!take_as(f[1].text, r))
        return "the second field is an AS number: 2906";
    if (f[2].len > 0 && (!net_parse(&r->net, f[2].text, f[2].len, NULL) || r->net.len == 0))
        return "the third field is a network: 192.0.2.0/24";
    if (!take_proto(f[3].text, r))
        return "the fourth field is a protocol: tcp, udp, sctp or a number";
    if (!take_ports(f[4].text, r))
        return "the fifth field is a port or two: 443, 6881-6889";
    if (!take_id(f[5].text, r))
        return "the sixth field is an application id, engine and selector: 13:496";
    if (r->as == 0 && r->net.len == 0 && r->port_hi == 0 && r->app_id == 0)
        return "an AS, a network, a port or an application id is needed";
    return NULL;
}

static struct app_rule *room(struct apps *a)
{
    size_t more = a->cap * 2 + 256;
    struct app_rule *p;

    if (a->n == a->cap) {
        if ((p = realloc(a->rule, more * sizeof *p)) == NULL)
            return NULL;
        a->rule = p;
        a->cap = more;
    }
    return &a->rule[a->n];
}

static int take_file(struct apps *a, const char *name, const char *text, size_t len, struct err *e)
{
    struct csv_field *f = malloc(FIELDS * sizeof *f);
    size_t at = 0, n, row = 0;
    const char *line;
    int rc = f != NULL ? ERR_OK : ERR_NOMEM;

    while (rc == ERR_OK && csv_line(text, len, &at, &line, &n)) {
        struct app_rule *r = room(a);
        const char *why;
        row++;
        if (n == 0 || line[0] == '#' || (row == 1 && n > 4 && memcmp(line, "app,", 4) == 0))
            continue;
        if (r == NULL)
            rc = ERR_NOMEM;
        else if (a->n == APPS_RULES - app_count)
            rc = err_set(e, ERR_LIMIT, "%s: line %zu: more than %zu applications", name, row, a->n);
        else if ((why = take(f, csv_split(line, n, f, FIELDS), r)) != NULL)
            rc = err_set(e, ERR_FORMAT, "%s: line %zu: %s (app,as,prefix,proto,port,appid)", name,
                         row, why);
        else
            a->n++;
    }
    free(f);
    return rc == ERR_NOMEM ? err_set(e, rc, "%s: out of memory", name) : rc;
}

static int take_own(struct apps *a)
{
    for (size_t i = 0; i < app_count; i++) {
        const struct app *x = &app_table[i];
        struct app_rule *r = room(a);
        if (r == NULL)
            return ERR_NOMEM;
        memset(r, 0, sizeof *r);
        (void)snprintf(r->name, sizeof r->name, "%s", x->name);
        r->as = x->as;
        if (x->net[0] != '\0' && !net_parse(&r->net, x->net, strlen(x->net), NULL))
            return ERR_FORMAT;
        r->proto = x->proto;
        r->port_lo = x->port_lo;
        r->port_hi = x->port_hi;
        r->app_id = x->app_id;
        a->n++;
    }
    return ERR_OK;
}

/* ------------------------------------------------------------------ index */

static uint32_t slot_of(const struct apps *a, uint32_t as)
{
    uint32_t i = (as * 0x9e3779b1u >> 8) & a->as_mask;

    while (a->as_slot[i] != NONE16 && a->rule[a->as_slot[i]].as != as)
        i = (i + 1) & a->as_mask;
    return i;
}

static void put_port(struct apps *a, unsigned k, const struct app_rule *r, uint16_t i)
{
    for (uint32_t p = r->port_lo; p <= r->port_hi; p++)
        a->port[k][p] = MIN(a->port[k][p], i);
}

/* From the last rule to the first, so that lists ascend. */
static void put_rule(struct apps *a, uint16_t i)
{
    const struct app_rule *r = &a->rule[i];
    uint16_t *head = &a->ports;

    if (r->app_id != 0)
        head = &a->ids;
    else if (r->as != 0)
        head = &a->as_slot[slot_of(a, r->as)];
    else if (r->net.len != 0)
        head = &a->nets;
    else if (r->proto == 6 || r->proto == 17) {
        put_port(a, r->proto == 17, r, i);
        return;
    } else if (r->proto == 0) {
        put_port(a, 0, r, i);
        put_port(a, 1, r, i);
    }
    a->next[i] = *head;
    *head = i;
}

static int index_rules(struct apps *a)
{
    uint32_t slots = 64;

    while (slots < a->n * 2)
        slots *= 2;
    a->as_mask = slots - 1;
    a->as_slot = malloc(slots * sizeof *a->as_slot);
    a->next = malloc((a->n + 1) * sizeof *a->next);
    a->port[0] = malloc(PORTS * sizeof **a->port);
    a->port[1] = malloc(PORTS * sizeof **a->port);
    if (a->as_slot == NULL || a->next == NULL || a->port[0] == NULL || a->port[1] == NULL)
        return ERR_NOMEM;
    memset(a->as_slot, 0xff, slots * sizeof *a->as_slot);
    memset(a->port[0], 0xff, PORTS * sizeof **a->port);
    memset(a->port[1], 0xff, PORTS * sizeof **a->port);
    a->nets = a->ids = a->ports = NONE16;
    for (size_t i = a->n; i-- > 0;)
        put_rule(a, (uint16_t)i);
    return ERR_OK;
}

static int by_name(const void *a, const void *b)
{
    const struct app_rule *const *x = a, *const *y = b;
    int c = strcmp((*x)->name, (*y)->name);

    return c != 0 ? c : *x < *y ? -1 : *x > *y;
}

static int number_names(struct apps *a)
{
    struct app_rule **r = malloc((a->n + 1) * sizeof(struct app_rule *));

    if (r == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < a->n; i++)
        r[i] = &a->rule[i];
    qsort(r, a->n, sizeof *r, by_name);
    for (size_t i = 0; i < a->n; i++)
        r[i]->first = i > 0 && strcmp(r[i]->name, r[i - 1]->name) == 0 ? r[i - 1]->first
                                                                       : (uint32_t)(r[i] - a->rule);
    free(r);
    return ERR_OK;
}

int apps_make(struct apps **out, const char *name, const char *text, size_t len, struct err *e)
{
    struct apps *a = calloc(1, sizeof *a);
    int rc = a != NULL ? ERR_OK : ERR_NOMEM;

    *out = NULL;
    if (rc == ERR_OK)
        atomic_init(&a->refs, 1);
    if (rc == ERR_OK && text != NULL && (rc = take_file(a, name, text, len, e)) != ERR_OK) {
        apps_unref(a);
        return rc;
    }
    if (rc == ERR_OK)
        rc = take_own(a);
    if (rc == ERR_OK)
        rc = index_rules(a);
    if (rc == ERR_OK)
        rc = number_names(a);
    if (rc != ERR_OK) {
        apps_unref(a);
        return err_set(e, rc, "applications: %s", err_name(rc));
    }
    *out = a;
    return ERR_OK;
}

/* ------------------------------------------------------------------ asking */

uint32_t apps_net(const struct apps *a, uint32_t from, const struct addr *x)
{
    for (uint16_t i = a->nets; i != NONE16; i = a->next[i])
        if (i >= from && net_has(&a->rule[i].net, x))
            return i;
    return APP_NONE;
}

static bool port_fits(const struct app_rule *r, uint8_t proto, uint16_t port)
{
    return (r->proto == 0 || r->proto == proto) &&
           (r->port_hi == 0 || (port >= r->port_lo && port <= r->port_hi));
}

static bool fits(const struct app_rule *r, const struct app_side *s, uint8_t proto)
{
    return (r->as == 0 || r->as == s->as) && (r->net.len == 0 || net_has(&r->net, s->addr)) &&
           port_fits(r, proto, s->port);
}

static bool has_ports(uint8_t proto)
{
    return proto == 6 || proto == 17 || proto == 33 || proto == 132;
}

/* The first rule of one side; `best` is the one to beat. */
static uint32_t find_side(const struct apps *a, const struct app_side *s, uint8_t proto,
                          uint32_t best)
{
    const struct app_side x = *s;

    if (x.as != 0)
        for (uint16_t i = a->as_slot[slot_of(a, x.as)]; i != NONE16 && i < best; i = a->next[i])
            if (fits(&a->rule[i], &x, proto))
                best = i;
    for (uint32_t i = x.net; i != APP_NONE && i < best; i = apps_net(a, i + 1, x.addr))
        if (fits(&a->rule[i], &x, proto))
            best = i;
    if (x.port != 0 && (proto == 6 || proto == 17))
        return MIN(best, a->port[proto == 17][x.port] != NONE16 ? a->port[proto == 17][x.port]
                                                                : APP_NONE);
    for (uint16_t i = a->ports; x.port != 0 && i != NONE16 && i < best; i = a->next[i])
        if (fits(&a->rule[i], &x, proto))
            best = i;
    return best;
}

uint32_t apps_find(const struct apps *a, const struct app_side side[2], uint8_t proto,
                   uint64_t app_id)
{
    struct app_side x[2] = { side[0], side[1] };
    uint32_t best = APP_NONE;

    if (!has_ports(proto))
        x[0].port = x[1].port = 0; /* what stands there is no port */
    for (uint16_t i = app_id != 0 ? a->ids : NONE16; i != NONE16; i = a->next[i])
        if (a->rule[i].app_id == app_id &&
            (fits(&a->rule[i], &x[0], proto) || fits(&a->rule[i], &x[1], proto))) {
            best = i;
            break;
        }
    best = find_side(a, &x[0], proto, best);
    best = find_side(a, &x[1], proto, best);
    return best != APP_NONE ? a->rule[best].first : APP_NONE;
}
