#include "query/define.h"

#include <stdlib.h>
#include <string.h>

#include "query/match.h"

#define IFACES 4096u /* interfaces of a rowset that are remembered; others push them out */

enum side_of { SIDE_OF_NONE, SIDE_OF_IN, SIDE_OF_OUT };

struct iface_slot {
    uint64_t key; /* exporter << 32 | ifIndex, plus one */
    struct def_class c;
};

struct define {
    const struct defs *d;
    uint64_t rowset; /* id + 1 of the rowset that the tables are of */
    uint32_t *name, *set, *side, *exporter[4];
    struct iface_slot *iface; /* IFACES */

    uint64_t vector; /* that col[] and hit[] are of */
    uint32_t have;   /* bit per enum def_value */
    bool have_mixed;
    uint32_t *col[DEF_N];

    struct node *mixed; /* of the plan's mixed groups, two each */
    uint32_t n_mixed;
    uint8_t *hit; /* ROWSET_VECTOR each */
};

static int no_memory(struct scan *s)
{
    return err_set(s->e, ERR_NOMEM, "query: out of memory");
}

struct define *define_new(const struct plan *p)
{
    struct define *d = calloc(1, sizeof *d);
    size_t n = (size_t)p->n_mixed * 2;

    if (d == NULL)
        return NULL;
    d->d = p->defs;
    d->iface = calloc(IFACES, sizeof *d->iface);
    d->mixed = calloc(n + 1, sizeof *d->mixed);
    d->hit = malloc(n * ROWSET_VECTOR + 1);
    if (d->iface == NULL || d->mixed == NULL || d->hit == NULL) {
        define_free(d);
        return NULL;
    }
    for (; d->n_mixed < n; d->n_mixed++)
        if (node_make(&d->mixed[d->n_mixed], p->mixed[d->n_mixed]) != ERR_OK) {
            d->n_mixed++;
            define_free(d);
            return NULL;
        }
    return d;
}

static void drop_tables(struct define *d)
{
    free(d->name);
    free(d->set);
    free(d->side);
    d->name = d->set = d->side = NULL;
    for (size_t i = 0; i < ARRAY_LEN(d->exporter); i++) {
        free(d->exporter[i]);
        d->exporter[i] = NULL;
    }
    memset(d->iface, 0, IFACES * sizeof *d->iface);
}

void define_free(struct define *d)
{
    if (d == NULL)
        return;
    if (d->iface != NULL)
        drop_tables(d);
    free(d->iface);
    for (uint32_t i = 0; i < d->n_mixed; i++)
        node_free(&d->mixed[i]);
    free(d->mixed);
    free(d->hit);
    for (size_t i = 0; i < DEF_N; i++)
        free(d->col[i]);
    free(d);
}

/* The scan's, with nothing in it of another rowset or vector. */
static int ready(struct scan *s, struct define **out)
{
    struct define *d = s->define;
    int rc = ERR_OK;

    if (d == NULL && (d = s->define = define_new(s->p)) == NULL)
        return no_memory(s);
    *out = d;
    if (d->rowset != s->rs->id + 1) {
        drop_tables(d);
        d->rowset = s->rs->id + 1;
        d->vector = 0;
        for (uint32_t i = 0; i < d->n_mixed && rc == ERR_OK; i++)
            rc = prune_node(s, &d->mixed[i]);
        if (rc != ERR_OK)
            d->rowset = 0;
    }
    if (d->vector != s->vector) {
        d->vector = s->vector;
        d->have = 0;
        d->have_mixed = false;
    }
    return rc;
}

/* ------------------------------------------------------------------ by address, by exporter */

static int by_map(struct scan *s, const struct addr_map *m, uint32_t **table)
{
    const struct rowset *rs = s->rs;

    if (*table != NULL)
        return ERR_OK;
    if ((*table = malloc(((size_t)rs->n_addrs + 1) * sizeof **table)) == NULL)
        return no_memory(s);
    addr_map_fill(m, rs->addrs, rs->n_addrs, rs->addrs_sorted, *table);
    return ERR_OK;
}

static int make_side(struct scan *s, struct define *d)
{
    uint32_t *out = NULL;
    int rc = by_map(s, &d->d->internal, &d->side);

    if (rc == ERR_OK)
        rc = by_map(s, &d->d->external, &out);
    if (rc != ERR_OK) {
        free(d->side);
        d->side = NULL;
        free(out);
        return rc;
    }
    for (uint32_t i = 0; i < s->rs->n_addrs; i++)
        d->side[i] = d->side[i] != 0 ? SIDE_OF_IN : out[i] != 0 ? SIDE_OF_OUT : SIDE_OF_NONE;
    free(out);
    return ERR_OK;
}

static int make_exporters(struct scan *s, struct define *d, unsigned which)
{
    const struct rowset *rs = s->rs;
    uint32_t *w = malloc(((size_t)rs->n_exporters + 1) * sizeof *w);

    if (w == NULL)
        return no_memory(s);
    for (uint32_t i = 0; i < rs->n_exporters; i++) {
        const struct def_exporter *x = defs_exporter(d->d, &rs->exporters[i]);
        w[i] = x == NULL    ? 0
               : which == 0 ? x->name
               : which == 1 ? x->site
               : which == 2 ? x->role
                            : x->region;
    }
    d->exporter[which] = w;
    return ERR_OK;
}

/* ------------------------------------------------------------------ words of a vector */

static int address_words(struct scan *s, struct define *d, enum col col, uint32_t *to)
{
    const uint32_t *code;
    int rc = by_map(s, &d->d->name, &d->name);

    if (rc != ERR_OK || (rc = scan_col32(s, col, &code)) != ERR_OK)
        return rc;
    for (uint32_t i = 0; i < s->n; i++)
        to[i] = d->name[code[i]];
    return ERR_OK;
}

static int direction_words(struct scan *s, struct define *d, bool back, uint32_t *to)
{
    /* by source and destination */
    static const uint8_t word[3][3] = {
        [SIDE_OF_IN] = { [SIDE_OF_IN] = WORD_INTERNAL, [SIDE_OF_OUT] = WORD_OUTBOUND },
        [SIDE_OF_OUT] = { [SIDE_OF_IN] = WORD_INBOUND, [SIDE_OF_OUT] = WORD_TRANSIT },
    };
    const uint32_t *src, *dst;
    int rc = d->side == NULL ? make_side(s, d) : ERR_OK;

    if (rc != ERR_OK || (rc = scan_col32(s, COL_SRC_IP, &src)) != ERR_OK ||
        (rc = scan_col32(s, COL_DST_IP, &dst)) != ERR_OK)
        return rc;
    for (uint32_t i = 0; i < s->n; i++) {
        uint32_t a = d->side[src[i]], b = d->side[dst[i]];
        to[i] = back ? word[b][a] : word[a][b];
    }
    return ERR_OK;
}

static int exporter_words(struct scan *s, struct define *d, unsigned which, uint32_t *to)
{
    const uint64_t *x;
    int rc = d->exporter[which] == NULL ? make_exporters(s, d, which) : ERR_OK;

    if (rc != ERR_OK || (rc = scan_col(s, COL_EXPORTER, &x)) != ERR_OK)
        return rc;
    for (uint32_t i = 0; i < s->n; i++)
        to[i] = d->exporter[which][x[i]];
    return ERR_OK;
}

static const struct def_class *iface(struct scan *s, struct define *d, uint64_t exporter,
                                     uint32_t index)
{
    uint64_t key = (exporter << 32 | index) + 1, h = key * 0x9e3779b97f4a7c15u;
    struct iface_slot *x = &d->iface[(h >> 40) % IFACES];

    if (x->key != key) {
        x->key = key;
        defs_interface(d->d, &s->rs->exporters[exporter], index, s->wire, &x->c);
    }
    return &x->c;
}

static uint32_t class_word(const struct def_class *c, enum def_value v)
{
    return v <= DEF_OUT_BOUNDARY       ? c->boundary
           : v <= DEF_OUT_CONNECTIVITY ? c->connectivity
           : v <= DEF_OUT_PROVIDER     ? c->provider
                                       : c->name;
}

/* ifIndex 0 is no interface: what a router sends itself, or does not know. */
static int iface_words(struct scan *s, struct define *d, enum def_value v, uint32_t *to)
{
    bool in = (v & 1) == (DEF_IN_BOUNDARY & 1);
    const uint64_t *x, *index;
    uint64_t last = 0;
    uint32_t word = 0;
    int rc = scan_col(s, COL_EXPORTER, &x);

    if (rc != ERR_OK || (rc = scan_col(s, in ? COL_IN_IF : COL_OUT_IF, &index)) != ERR_OK)
        return rc;
    for (uint32_t i = 0; i < s->n; i++) {
        uint64_t key = (x[i] << 32 | index[i]) + 1;
        if (key != last)
            word = index[i] != 0 ? class_word(iface(s, d, x[i], (uint32_t)index[i]), v) : 0;
        last = key;
        to[i] = word;
    }
    return ERR_OK;
}

static int fill(struct scan *s, struct define *d, enum def_value v, uint32_t *to)
{
    switch (v) {
    case DEF_SRC_NAME:
        return address_words(s, d, COL_SRC_IP, to);
    case DEF_DST_NAME:
        return address_words(s, d, COL_DST_IP, to);
    case DEF_DIRECTION:
    case DEF_DIRECTION_BACK:
        return direction_words(s, d, v == DEF_DIRECTION_BACK, to);
    case DEF_EXPORTER_NAME:
    case DEF_SITE:
    case DEF_ROLE:
    case DEF_REGION:
        return exporter_words(s, d, (unsigned)(v - DEF_EXPORTER_NAME), to);
    case DEF_IN_BOUNDARY:
    case DEF_OUT_BOUNDARY:
    case DEF_IN_CONNECTIVITY:
    case DEF_OUT_CONNECTIVITY:
    case DEF_IN_PROVIDER:
    case DEF_OUT_PROVIDER:
    case DEF_IN_IF_NAME:
    case DEF_OUT_IF_NAME:
        return iface_words(s, d, v, to);
    case DEF_SRC_GROUP:
    case DEF_DST_GROUP:
    case DEF_N:
        break;
    }
    memset(to, 0, s->n * sizeof *to);
    return ERR_OK;
}

int define_words(struct scan *s, enum def_value v, const uint32_t **out)
{
    struct define *d;
    int rc = ready(s, &d);

    if (rc != ERR_OK)
        return rc;
    if (d->col[v] == NULL && (d->col[v] = malloc(ROWSET_VECTOR * sizeof(uint32_t))) == NULL)
        return no_memory(s);
    *out = d->col[v];
    if ((d->have >> v & 1) != 0)
        return ERR_OK;
    if (d->d == NULL)
        memset(d->col[v], 0, s->n * sizeof(uint32_t));
    else if ((rc = fill(s, d, v, d->col[v])) != ERR_OK)
        return rc;
    d->have |= UINT32_C(1) << v;
    return ERR_OK;
}

int define_word(struct scan *s, enum def_value v, uint32_t row, uint32_t *out)
{
    const uint32_t *w;
    int rc = define_words(s, v, &w);

    *out = rc == ERR_OK ? w[row] : 0;
    return rc;
}

/* ------------------------------------------------------------------ groups */

static int mixed_hits(struct scan *s, struct define *d)
{
    uint8_t live[ROWSET_VECTOR];
    int rc = ERR_OK;

    if (d->have_mixed)
        return ERR_OK;
    memset(live, 1, s->n);
    for (uint32_t i = 0; i < d->n_mixed && rc == ERR_OK; i++)
        rc = node_eval(s, &d->mixed[i], live, d->hit + (size_t)i * ROWSET_VECTOR);
    d->have_mixed = rc == ERR_OK;
    return rc;
}

static bool put_group(struct group_rows *g, uint32_t at, uint32_t group)
{
    if (at == g->cap) {
        size_t cap = g->cap * 2 + ROWSET_VECTOR;
        uint32_t *p = realloc(g->list, cap * sizeof *p);
        if (p == NULL)
            return false;
        g->list = p;
        g->cap = cap;
    }
    g->list[at] = group;
    return true;
}

/* Few, and mostly in order. */
static uint32_t sort_unique(uint32_t *v, uint32_t n)
{
    uint32_t k = 0;

    for (uint32_t i = 1; i < n; i++)
        for (uint32_t j = i; j > 0 && v[j - 1] > v[j]; j--) {
            uint32_t t = v[j];
            v[j] = v[j - 1];
            v[j - 1] = t;
        }
    for (uint32_t i = 0; i < n; i++)
        if (i == 0 || v[i] != v[k - 1])
            v[k++] = v[i];
    return k;
}

static bool put_set(const struct defs *d, struct group_rows *g, uint32_t *at, uint32_t set)
{
    for (uint32_t i = d->set_off[set]; i < d->set_off[set + 1]; i++)
        if (!put_group(g, (*at)++, d->set_group[i] + 1))
            return false;
    return true;
}

int define_groups(struct scan *s, enum def_value v, const uint16_t *row, uint32_t n,
                  struct group_rows *out)
{
    const uint32_t *code[2];
    bool side[2] = { v != DEF_DST_GROUP, v != DEF_SRC_GROUP };
    struct define *d;
    uint32_t at = 0;
    bool ok = true;
    int rc = ready(s, &d);

    if (rc == ERR_OK && d->d != NULL)
        rc = by_map(s, &d->d->sets, &d->set);
    if (rc == ERR_OK)
        rc = scan_col32(s, COL_SRC_IP, &code[0]);
    if (rc == ERR_OK)
        rc = scan_col32(s, COL_DST_IP, &code[1]);
    if (rc == ERR_OK)
        rc = mixed_hits(s, d);
    if (rc != ERR_OK)
        return rc;
    for (uint32_t j = 0; j < n && ok; j++) {
        uint32_t first = at;
        out->off[j] = at;
        for (unsigned o = 0; o < 2 && d->d != NULL; o++) {
            if (!side[o])
                continue;
            ok &= put_set(d->d, out, &at, d->set[code[o][row[j]]]);
            for (uint32_t m = o; m < d->n_mixed && ok; m += 2)
                if (d->hit[(size_t)m * ROWSET_VECTOR + row[j]] != 0)
                    ok = put_group(out, at++, s->p->mixed_group[m / 2] + 1);
        }
        if (ok && at > first)
            at = first + sort_unique(out->list + first, at - first);
        else if (ok)
            ok = put_group(out, at++, 0);
    }
    out->off[n] = at;
    return ok ? ERR_OK : no_memory(s);
}

int define_group_text(struct scan *s, enum def_value v, uint32_t row, bool *any)
{
    struct group_rows *g = calloc(1, sizeof *g);
    uint16_t one = (uint16_t)row;
    int rc = g != NULL ? define_groups(s, v, &one, 1, g) : no_memory(s);

    *any = false;
    for (uint32_t i = 0; rc == ERR_OK && i < g->off[1]; i++) {
        if (g->list[i] == 0)
            continue;
        if (*any)
            buf_str(&s->text, ", ");
        buf_str(&s->text, s->p->defs->group[g->list[i] - 1].name);
        *any = true;
    }
    if (g != NULL)
        free(g->list);
    free(g);
    return rc;
}
