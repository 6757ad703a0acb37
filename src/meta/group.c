/* Groups: members read, groups inside groups followed, addresses made one sorted map. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gen/groups.h"
#include "meta/compile.h"

#define SETS_MAX (16u << 20) /* entries of sets of groups, in all */

static bool is_name(const char *w, const char *s, size_t len)
{
    return strlen(w) == len && strncasecmp(w, s, len) == 0;
}

int64_t defs_group(const struct defs *d, const char *name, size_t len)
{
    for (uint32_t i = 0; i < d->n_groups; i++)
        if (is_name(d->group[i].name, name, len))
            return i;
    return -1;
}

/* ------------------------------------------------------------------ members */

static int add_item(struct def_group *g, uint32_t *cap, const char *text, struct err *e)
{
    struct err why;
    int rc;

    if (g->n_items == *cap) {
        uint32_t more = *cap * 2 + 8;
        struct item *p = realloc(g->item, more * sizeof *p);
        if (p == NULL)
            return compile_oom(e);
        g->item = p;
        *cap = more;
    }
    rc = item_parse(&g->item[g->n_items], text, &why);
    if (rc != ERR_OK)
        return err_set(e, rc, "group %.64s: %.400s", g->name, why.msg);
    g->n_items++;
    return ERR_OK;
}

static int read_own(struct defs *d, struct def_group *g, struct err *e)
{
    const char *key[] = { g->name };
    size_t first, n = meta_find(&d->doc, META_MEMBERS, key, 1, &first);
    uint32_t cap = 0;
    int rc = ERR_OK;

    for (size_t i = first; i < first + n && rc == ERR_OK; i++)
        rc = add_item(g, &cap, d->doc.t[META_MEMBERS].row[i].v[1], e);
    return rc;
}

/* Weir's own: members separated by blanks; each is one word. */
static int read_ready(struct def_group *g, const char *members, struct err *e)
{
    uint32_t cap = 0;
    char word[128];
    int rc = ERR_OK;

    while (*members != '\0' && rc == ERR_OK) {
        size_t n = strcspn(members, " ");
        if (n >= sizeof word)
            return err_set(e, ERR_ARG, "group %s: a member is too long", g->name);
        memcpy(word, members, n);
        word[n] = '\0';
        rc = add_item(g, &cap, word, e);
        members += n + (members[n] != '\0');
    }
    return rc;
}

static int read_groups(struct defs *d, struct err *e)
{
    size_t n = d->doc.t[META_GROUPS].n;
    int rc = ERR_OK;

    if ((d->group = calloc(n + ready_groups_n + 1, sizeof *d->group)) == NULL)
        return compile_oom(e);
    for (size_t i = 0; i < n && rc == ERR_OK; i++) {
        struct def_group *g = &d->group[d->n_groups++];
        g->row = &d->doc.t[META_GROUPS].row[i];
        g->name = g->row->v[0];
        rc = read_own(d, g, e);
    }
    d->n_own = d->n_groups;
    for (size_t i = 0; i < ready_groups_n && rc == ERR_OK; i++) {
        const struct ready_group *r = &ready_groups[i];
        if (defs_group(d, r->name, strlen(r->name)) >= 0)
            continue; /* the user's stands before it */
        struct def_group *g = &d->group[d->n_groups++];
        g->name = r->name;
        rc = read_ready(g, r->members, e);
    }
    return rc;
}

/* ------------------------------------------------------------------ what they name */

static int find_group(const struct defs *d, struct def_group *g, struct item *x, struct err *e)
{
    int64_t at = defs_group(d, x->name, strlen(x->name));
    char why[256];

    if (at < 0) {
        defs_unknown(d, DEF_NAMES_GROUP, x->name, strlen(x->name), why, sizeof why);
        return err_set(e, ERR_ARG, "group %.64s: %s", g->name, why);
    }
    x->lo = (uint32_t)at;
    return ERR_OK;
}

static int find_exporter(const struct defs *d, struct def_group *g, struct item *x, struct err *e)
{
    struct def_exporter hold;
    uint32_t at = 0;
    char why[256];

    if (compile_exporter(d, x->name, &at, &hold) == NULL) {
        defs_unknown(d, DEF_NAMES_EXPORTER, x->name, strlen(x->name), why, sizeof why);
        return err_set(e, ERR_ARG, "group %.64s: %s", g->name, why);
    }
    if (x->port == NULL)
        return ERR_OK;
    for (uint32_t i = 0; i < d->n_ifaces; i++)
        if (is_name(defs_word(d, d->iface[i].c.name), x->port, strlen(x->port)))
            return ERR_OK;
    defs_unknown(d, DEF_NAMES_IF, x->port, strlen(x->port), why, sizeof why);
    return err_set(e, ERR_ARG, "group %.64s: %s; its ifIndex works without", g->name, why);
}

static int find_all(struct defs *d, struct err *e)
{
    int rc = ERR_OK;

    for (uint32_t i = 0; i < d->n_groups; i++)
        for (uint32_t k = 0; k < d->group[i].n_items && rc == ERR_OK; k++) {
            struct item *x = &d->group[i].item[k];
            if (x->kind == ITEM_GROUP)
                rc = find_group(d, &d->group[i], x, e);
            if (x->kind == ITEM_EXPORTER || x->kind == ITEM_IF)
                rc = find_exporter(d, &d->group[i], x, e);
        }
    return rc;
}

/* ------------------------------------------------------------------ one map of addresses */

/* Of two maps: what `join` makes of their numbers, place by place. */
static int join_maps(struct addr_map *to, const struct addr_map *b,
                     uint32_t (*join)(uint32_t a, uint32_t b))
{
    const struct addr_map a = *to;
    struct addr_map m = { .lo = malloc(((size_t)a.n + b->n + 1) * sizeof *m.lo),
                          .v = malloc(((size_t)a.n + b->n + 1) * sizeof *m.v) };
    uint32_t i = 0, k = 0;

    if (m.lo == NULL || m.v == NULL) {
        addr_map_free(&m);
        return ERR_NOMEM;
    }
    while (i < a.n || k < b->n) {
        int c = i == a.n ? 1 : k == b->n ? -1 : addr_cmp(&a.lo[i], &b->lo[k]);
        struct addr lo = c <= 0 ? a.lo[i] : b->lo[k];
        uint32_t v;
        i += c <= 0;
        k += c >= 0;
        v = join(i > 0 ? a.v[i - 1] : 0, k > 0 ? b->v[k - 1] : 0);
        if ((m.n > 0 ? m.v[m.n - 1] : 0) == v)
            continue;
        m.lo[m.n] = lo;
        m.v[m.n++] = v;
    }
    addr_map_free(to);
    *to = m;
    return ERR_OK;
}

/* 1 = in, 2 = an exception, 3 = both: out. */
static uint32_t with_group(uint32_t own, uint32_t other)
{
    return own | (other == 1 ? 1 : 0);
}
static uint32_t without_group(uint32_t own, uint32_t other)
{
    return own | (other == 1 ? 2 : 0);
}
static uint32_t only_in(uint32_t own, uint32_t unused)
{
    (void)unused;
    return own == 1;
}

/* A group of exceptions alone means all others, as a list of a filter does. */
static int own_map(struct def_group *g, struct err *e)
{
    static const struct addr zero;
    struct rules r = { 0 };
    bool all_out = g->n_items > 0;
    int rc = ERR_OK;

    for (uint32_t i = 0; i < g->n_items; i++)
        all_out &= g->item[i].out && (g->item[i].kind == ITEM_NET || g->item[i].kind == ITEM_GROUP);
    if (all_out) { /* first, so that an exception as wide goes before it */
        const struct addr four = addr_from_v4(0), end = addr_from_v4(UINT32_MAX);
        struct addr last;
        memset(last.b, 0xff, sizeof last.b);
        rc = compile_range(&r, zero, &last, 1, e);
        if (rc == ERR_OK)
            rc = compile_range(&r, four, &end, 1, e);
    }
    for (uint32_t i = 0; i < g->n_items && rc == ERR_OK; i++) {
        const struct item *x = &g->item[i];
        if (x->kind == ITEM_NET)
            rc = compile_range(&r, x->from, &x->to, x->out ? 2 : 1, e);
    }
    if (rc == ERR_OK && addr_map_make(&g->own, r.r, r.n) != ERR_OK)
        rc = compile_oom(e);
    free(r.r);
    return rc;
}

static int settle_nets(struct defs *d, struct def_group *g, struct err *e)
{
    static const struct addr_map none;
    int rc;

    g->only_nets = true;
    for (uint32_t i = 0; i < g->n_items; i++)
        g->only_nets &= g->item[i].kind == ITEM_NET ||
                        (g->item[i].kind == ITEM_GROUP && d->group[g->item[i].lo].only_nets);
    if (!g->only_nets)
        return ERR_OK;
    if ((g->net.lo = malloc(((size_t)g->own.n + 1) * sizeof *g->net.lo)) == NULL ||
        (g->net.v = malloc(((size_t)g->own.n + 1) * sizeof *g->net.v)) == NULL)
        return compile_oom(e);
    g->net.n = g->own.n;
    memcpy(g->net.lo, g->own.lo, g->own.n * sizeof *g->net.lo);
    memcpy(g->net.v, g->own.v, g->own.n * sizeof *g->net.v);
    for (uint32_t i = 0; i < g->n_items; i++) {
        const struct item *x = &g->item[i];
        if (x->kind != ITEM_GROUP)
            continue;
        rc = join_maps(&g->net, &d->group[x->lo].net, x->out ? without_group : with_group);
        if (rc != ERR_OK)
            return compile_oom(e);
    }
    return join_maps(&g->net, &none, only_in) == ERR_OK ? ERR_OK : compile_oom(e);
}

/* Groups inside first. A cycle is refused with its path. */
struct visit {
    struct defs *d;
    uint8_t *state; /* 1 = begun, 2 = done */
    uint32_t *path; /* groups begun, in order */
    uint32_t depth;
    struct err *e;
};

static int cycle(const struct visit *v, uint32_t at)
{
    struct buf b = buf_init(400);
    uint32_t i = 0;
    int rc;

    while (v->path[i] != at)
        i++;
    for (; i < v->depth; i++)
        buf_printf(&b, "%s > ", v->d->group[v->path[i]].name);
    buf_str(&b, v->d->group[at].name);
    rc = err_set(v->e, ERR_ARG, "groups hold each other in a circle: %s",
                 buf_ok(&b) ? buf_cstr(&b) : v->d->group[at].name);
    buf_free(&b);
    return rc;
}

#define MAX_DEPTH 64u

static int visit(struct visit *v, uint32_t at)
{
    struct def_group *g = &v->d->group[at];
    int rc = ERR_OK;

    if (v->state[at] == 2)
        return ERR_OK;
    if (v->state[at] == 1)
        return cycle(v, at);
    if (v->depth >= MAX_DEPTH)
        return err_set(v->e, ERR_LIMIT, "group %.64s: groups more than %u deep in each other",
                       g->name, MAX_DEPTH);
    v->state[at] = 1;
    v->path[v->depth++] = at;
    for (uint32_t i = 0; i < g->n_items && rc == ERR_OK; i++)
        if (g->item[i].kind == ITEM_GROUP)
            rc = visit(v, g->item[i].lo);
    v->depth--;
    v->state[at] = 2;
    if (rc == ERR_OK)
        rc = own_map(g, v->e);
    return rc == ERR_OK ? settle_nets(v->d, g, v->e) : rc;
}

static int settle_all(struct defs *d, struct err *e)
{
    struct visit v = { .d = d,
                       .state = calloc(d->n_groups + 1u, 1),
                       .path = malloc((MAX_DEPTH + 1) * sizeof(uint32_t)),
                       .e = e };
    int rc = v.state != NULL && v.path != NULL ? ERR_OK : compile_oom(e);

    for (uint32_t i = 0; i < d->n_groups && rc == ERR_OK; i++)
        rc = visit(&v, i);
    free(v.state);
    free(v.path);
    return rc;
}

/* ------------------------------------------------------------------ inside and outside */

/* Neither inside nor outside is who has no address. */
static int inside(struct defs *d, struct err *e)
{
    static const struct addr zero;
    const struct addr four = addr_from_v4(0), end = addr_from_v4(UINT32_MAX);
    int64_t at = defs_group(d, "internal", 8);
    const struct def_group *g = &d->group[at < 0 ? 0 : at];
    struct addr_map *out = &d->external;
    struct rules r = { 0 };
    struct addr last;
    int rc;

    if (at >= 0 && !g->only_nets)
        return err_set(e, ERR_ARG,
                       "group internal says which addresses are your own: it takes addresses, "
                       "networks and groups of them only");
    memset(last.b, 0xff, sizeof last.b);
    rc = compile_range(&r, zero, &last, 1, e);
    if (rc == ERR_OK)
        rc = compile_range(&r, four, &end, 1, e);
    if (rc == ERR_OK)
        rc = compile_range(&r, zero, &zero, 2, e);
    if (rc == ERR_OK)
        rc = compile_range(&r, four, &four, 2, e);
    if (rc == ERR_OK && addr_map_make(out, r.r, r.n) != ERR_OK)
        rc = compile_oom(e);
    free(r.r);
    if (rc != ERR_OK || at < 0)
        return rc;
    if (join_maps(out, &g->net, without_group) != ERR_OK ||
        join_maps(&d->internal, &g->net, with_group) != ERR_OK)
        return compile_oom(e);
    return join_maps(out, &d->internal, only_in) == ERR_OK ? ERR_OK : compile_oom(e);
}

/* ------------------------------------------------------------------ sets of groups */

struct edge {
    struct addr lo;
    uint32_t group, v;
};
static int edge_order(const void *a, const void *b)
{
    return addr_cmp(&((const struct edge *)a)->lo, &((const struct edge *)b)->lo);
}

/* All sets seen, by their content. */
struct sets {
    struct defs *d;
    uint32_t *slot; /* set + 1 */
    uint32_t mask, cap, used;
    struct err *e;
};

static uint64_t set_hash(const uint32_t *g, uint32_t n)
{
    uint64_t h = n;

    for (uint32_t i = 0; i < n; i++) {
        h = (h ^ g[i]) * 0x9e3779b97f4a7c15u;
        h ^= h >> 29;
    }
    return h;
}

static bool sets_room(struct sets *s, uint32_t n)
{
    struct defs *d = s->d;

    if (d->n_sets + 1 >= s->mask / 2) {
        uint32_t mask = s->mask > 0 ? s->mask * 2 + 1 : 255;
        uint32_t *slot = calloc((size_t)mask + 1, sizeof *slot);
        uint32_t *off = realloc(d->set_off, ((size_t)mask + 3) * sizeof *off);
        if (off != NULL)
            d->set_off = off;
        if (slot == NULL || off == NULL) {
            free(slot);
            return false;
        }
        for (uint32_t i = 0; i < d->n_sets; i++) {
            uint64_t at =
                set_hash(d->set_group + d->set_off[i], d->set_off[i + 1] - d->set_off[i]) & mask;
            while (slot[at] != 0)
                at = (at + 1) & mask;
            slot[at] = i + 1;
        }
        free(s->slot);
        s->slot = slot;
        s->mask = mask;
    }
    if (s->used + n > s->cap) {
        uint32_t cap = (s->used + n) * 2 + 64;
        uint32_t *p = realloc(d->set_group, cap * sizeof *p);
        if (p == NULL)
            return false;
        d->set_group = p;
        s->cap = cap;
    }
    return true;
}

static int set_number(struct sets *s, const uint32_t *g, uint32_t n, uint32_t *out)
{
    struct defs *d = s->d;
    uint64_t at;

    if (s->used + n > SETS_MAX)
        return err_set(s->e, ERR_LIMIT, "too many groups overlap each other");
    if (!sets_room(s, n))
        return compile_oom(s->e);
    for (at = set_hash(g, n) & s->mask; s->slot[at] != 0; at = (at + 1) & s->mask) {
        uint32_t k = s->slot[at] - 1, from = d->set_off[k];
        if (d->set_off[k + 1] - from == n &&
            (n == 0 || memcmp(d->set_group + from, g, n * sizeof *g) == 0)) {
            *out = k;
            return ERR_OK;
        }
    }
    if (d->n_sets == 0)
        d->set_off[0] = 0;
    if (n > 0)
        memcpy(d->set_group + s->used, g, n * sizeof *g);
    s->used += n;
    *out = d->n_sets++;
    d->set_off[d->n_sets] = s->used;
    s->slot[at] = *out + 1;
    return ERR_OK;
}

/* Groups in which the place of an edge lies, sorted. */
static uint32_t change(uint32_t *now, uint32_t n, const struct edge *x)
{
    uint32_t i = 0;

    while (i < n && now[i] < x->group)
        i++;
    if (x->v != 0) {
        memmove(now + i + 1, now + i, (n - i) * sizeof *now);
        now[i] = x->group;
        return n + 1;
    }
    memmove(now + i, now + i + 1, (n - i - 1) * sizeof *now);
    return n - 1;
}

static int number_edges(struct sets *s, const struct edge *x, size_t n, uint32_t *now)
{
    struct addr_map *m = &s->d->sets;
    uint32_t in = 0;
    int rc = ERR_OK;

    for (size_t i = 0; i < n && rc == ERR_OK;) {
        struct addr lo = x[i].lo;
        uint32_t v = 0;
        for (; i < n && addr_cmp(&x[i].lo, &lo) == 0; i++)
            in = change(now, in, &x[i]);
        if ((rc = set_number(s, now, in, &v)) != ERR_OK)
            return rc;
        if ((m->n > 0 ? m->v[m->n - 1] : 0) == v)
            continue;
        m->lo[m->n] = lo;
        m->v[m->n++] = v;
    }
    return rc;
}

static int compile_sets(struct defs *d, struct err *e)
{
    struct sets s = { .d = d, .e = e };
    struct edge *x;
    uint32_t *now, none;
    size_t n = 0, k = 0;
    int rc;

    for (uint32_t i = 0; i < d->n_own; i++)
        n += d->group[i].net.n;
    x = malloc((n + 1) * sizeof *x);
    now = malloc((d->n_own + 1u) * sizeof *now);
    d->sets.lo = malloc((n + 1) * sizeof *d->sets.lo);
    d->sets.v = malloc((n + 1) * sizeof *d->sets.v);
    if (x == NULL || now == NULL || d->sets.lo == NULL || d->sets.v == NULL)
        rc = compile_oom(e);
    else
        rc = set_number(&s, now, 0, &none);
    for (uint32_t i = 0; i < d->n_own && rc == ERR_OK; i++)
        for (uint32_t r = 0; r < d->group[i].net.n; r++)
            x[k++] = (struct edge){ d->group[i].net.lo[r], i, d->group[i].net.v[r] };
    if (rc == ERR_OK && k > 0) {
        qsort(x, k, sizeof *x, edge_order);
        rc = number_edges(&s, x, k, now);
    }
    free(s.slot);
    free(x);
    free(now);
    return rc;
}

int compile_groups(struct defs *d, struct err *e)
{
    int rc = read_groups(d, e);

    if (rc == ERR_OK)
        rc = find_all(d, e);
    if (rc == ERR_OK)
        rc = settle_all(d, e);
    if (rc == ERR_OK)
        rc = inside(d, e);
    return rc == ERR_OK ? compile_sets(d, e) : rc;
}
