#include "query/conv.h"

#include <stdlib.h>
#include <string.h>

#include "query/match.h"
#include "query/pool.h"

#define LISTS      256u /* by the highest bits of the hash */
#define CHUNK_ROWS 128u
#define INSERT_MAX 24u /* so many rows are sorted by insertion */

struct chunk {
    struct chunk *next;
    uint32_t n;
    struct conv_row row[CHUNK_ROWS];
};

/* What one worker notes. */
struct noted {
    struct collecting *c;
    struct chunk *list[LISTS]; /* the newest first */
    size_t n[LISTS];
    const struct rowset *rs; /* whose exporters are in map[] */
    uint32_t *map, cap;
};

struct collecting {
    struct group *g;
    const struct conv_ask *ask;
    struct noted *noted; /* by worker */
    uint64_t part, parts;
    _Atomic uint32_t next; /* list */
};

static uint64_t mix(uint64_t h, uint64_t v)
{
    unsigned __int128 m = (unsigned __int128)(h ^ v) * 0x9e3779b97f4a7c15u;

    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static uint64_t hash_tuple(uint32_t a, uint32_t b, uint32_t pa, uint32_t pb, uint32_t proto)
{
    uint64_t ports = (uint64_t)pa << 32 | pb << 16 | proto;

    return mix(mix(0x2545f4914f6cdd1du, (uint64_t)a << 32 | b), ports + 1);
}
static uint64_t hash_of(const struct conv_row *r)
{
    return hash_tuple(r->a, r->b, r->pa, r->pb, r->proto);
}

/* ------------------------------------------------------------------ exporters */

const struct exporter_key *conv_exporter(const struct group *g, uint32_t number)
{
    return &g->exporter[number];
}

void conv_free(struct group *g)
{
    table_free(&g->points);
    free(g->exporter);
}

static int exporter_number(struct group *g, const struct exporter_key *k, uint32_t *out)
{
    uint64_t w[3] = { be64(k->addr.b), be64(k->addr.b + 8),
                      (uint64_t)k->domain << 16 | k->version };
    bool is_new = false;
    int rc = ERR_OK;

    os_lock(&g->points_lock);
    if (g->points.budget == NULL)
        rc = table_init(&g->points, &g->budget, 3, 0);
    if (rc == ERR_OK)
        rc = table_enter(&g->points, w, table_hash(w, 3), out, &is_new);
    if (rc == ERR_OK && *out >= g->exporter_cap) {
        uint32_t cap = g->exporter_cap * 2 + 64;
        struct exporter_key *p = realloc(g->exporter, cap * sizeof *p);
        rc = p != NULL ? ERR_OK : ERR_NOMEM;
        if (p != NULL) {
            g->exporter = p;
            g->exporter_cap = cap;
        }
    }
    /* a file cut in pieces is still one exporter's: the last piece, or the live one, names it */
    if (rc == ERR_OK && is_new)
        g->exporter[*out] = *k;
    else if (rc == ERR_OK && g->exporter[*out].import > 0 &&
             (k->import == 0 || k->import > g->exporter[*out].import))
        g->exporter[*out].import = k->import;
    os_unlock(&g->points_lock);
    return rc;
}

static int enter_exporters(struct noted *w, const struct rowset *rs)
{
    int rc = ERR_OK;

    if (rs->n_exporters > w->cap) {
        free(w->map);
        w->cap = 0;
        if ((w->map = malloc(rs->n_exporters * sizeof *w->map)) == NULL)
            return ERR_NOMEM;
        w->cap = rs->n_exporters;
    }
    for (uint32_t i = 0; i < rs->n_exporters && rc == ERR_OK; i++)
        rc = exporter_number(w->c->g, &rs->exporters[i], &w->map[i]);
    w->rs = rs;
    return rc;
}

/* ------------------------------------------------------------------ noting rows */

/* A place for a row of that hash; *out = NULL: it is of another part. */
static int place(struct noted *w, uint64_t h, struct conv_row **out)
{
    struct group *g = w->c->g;
    unsigned list = (unsigned)(h >> 56);
    struct chunk *k = w->list[list];

    *out = NULL;
    if (w->c->parts > 1 && (h & UINT32_MAX) * w->c->parts >> 32 != w->c->part)
        return ERR_OK;
    if (k == NULL || k->n == CHUNK_ROWS) {
        if (budget_take(&g->budget, sizeof *k) != ERR_OK)
            return ERR_LIMIT;
        if ((k = malloc(sizeof *k)) == NULL)
            return ERR_NOMEM;
        k->next = w->list[list];
        k->n = 0;
        w->list[list] = k;
    }
    *out = &k->row[k->n++];
    w->n[list]++;
    return ERR_OK;
}

/* Columns of a vector. */
struct columns {
    const uint32_t *src, *dst, *sport, *dport, *proto, *flags, *exporter, *dir, *in_if, *out_if,
        *shape;
    const uint64_t *start, *end, *bytes, *packets, *rev_bytes, *rev_packets, *rate;
};

static int load(struct scan *s, struct columns *c)
{
    const struct {
        enum col col;
        const uint32_t **to;
    } narrow[] = { { COL_SRC_IP, &c->src },        { COL_DST_IP, &c->dst },
                   { COL_SRC_PORT, &c->sport },    { COL_DST_PORT, &c->dport },
                   { COL_PROTO, &c->proto },       { COL_TCP_FLAGS, &c->flags },
                   { COL_EXPORTER, &c->exporter }, { COL_DIRECTION, &c->dir },
                   { COL_IN_IF, &c->in_if },       { COL_OUT_IF, &c->out_if },
                   { COL_SHAPE, &c->shape } };
    const struct {
        enum col col;
        const uint64_t **to;
    } wide[] = { { COL_START, &c->start },         { COL_END, &c->end },
                 { COL_BYTES, &c->bytes },         { COL_PACKETS, &c->packets },
                 { COL_REV_BYTES, &c->rev_bytes }, { COL_REV_PACKETS, &c->rev_packets } };
    int rc = ERR_OK;

    for (size_t i = 0; i < ARRAY_LEN(narrow) && rc == ERR_OK; i++)
        rc = scan_col32(s, narrow[i].col, narrow[i].to);
    for (size_t i = 0; i < ARRAY_LEN(wide) && rc == ERR_OK; i++)
        rc = scan_col(s, wide[i].col, wide[i].to);
    return rc == ERR_OK ? scan_rate(s, &c->rate) : rc;
}

static bool both_there(const struct scan *s, const struct columns *c, uint32_t i)
{
    const uint64_t both = COL_BIT(COL_SRC_IP) | COL_BIT(COL_DST_IP);

    return (s->common_cols & both) == both || (s->shape_cols[c->shape[i]] & both) == both;
}

/* One direction of a row. Written field by field where it stays: a copy of what was just written in
 * pieces would wait for them. */
static int one_half(struct noted *w, const struct scan *s, const struct columns *c, uint32_t i,
                    bool back, bool biflow)
{
    const struct group *g = w->c->g;
    const uint32_t *map = g->hosts->map[s->set];
    uint32_t from = map[c->src[i]], to = map[c->dst[i]], pf = c->sport[i], pt = c->dport[i],
             proto = c->proto[i];
    bool swap = back, egress = c->dir[i] == 1;
    uint64_t rate = c->rate[i], times = g->p->raw || rate < 1 ? 1 : rate;
    int64_t ms = (int64_t)c->end[i] - (int64_t)c->start[i];
    struct conv_row *r;
    int rc;

    /* Folded, the lower side comes first, so that both directions have one key; a host with itself
     * keeps its two directions apart. ICMP has no ports: what stands there is another thing in the
     * answer. */
    if (w->c->ask->folded) {
        swap = from > to || (from == to && pf > pt);
        if (proto == 1 || proto == 58)
            pf = pt = 0;
    }
    if ((rc = place(
             w, swap ? hash_tuple(to, from, pt, pf, proto) : hash_tuple(from, to, pf, pt, proto),
             &r)) != ERR_OK ||
        r == NULL)
        return rc;
    r->a = swap ? to : from;
    r->b = swap ? from : to;
    r->pa = (uint16_t)(swap ? pt : pf);
    r->pb = (uint16_t)(swap ? pf : pt);
    r->proto = (uint8_t)proto;
    r->bits = (uint8_t)((biflow ? CONV_BIFLOW : 0) | (back ? CONV_BACK : 0) |
                        (swap != back ? CONV_SWAP : 0));
    r->rate = conv_rate(rate);
    r->point = (uint64_t)w->map[c->exporter[i]] << 33 | (uint64_t)egress << 32 |
               (egress ? c->out_if[i] : c->in_if[i]);
    r->start_ms = (int64_t)c->start[i];
    r->ms = ms < 0 ? 0 : (uint32_t)MIN(ms, (int64_t)UINT32_MAX);
    r->flags = (uint16_t)c->flags[i];
    r->row = (uint64_t)s->set << 32 | (uint64_t)s->block << 16 | (s->first + i);
    r->bytes = (back ? c->rev_bytes[i] : c->bytes[i]) * times;
    r->packets = (back ? c->rev_packets[i] : c->packets[i]) * times;
    return ERR_OK;
}

static int one_row(struct noted *w, const struct scan *s, const struct columns *c, uint32_t i)
{
    const struct group *g = w->c->g;
    bool biflow = (c->rev_bytes[i] | c->rev_packets[i]) != 0;
    int rc = ERR_OK;

    if (!group_bit(g->aside[0], s, i))
        rc = one_half(w, s, c, i, false, biflow);
    if (rc == ERR_OK && biflow && !group_bit(g->aside[1], s, i))
        rc = one_half(w, s, c, i, true, true);
    return rc;
}

static int note_vector(struct scan *s, void *hand)
{
    struct noted *w = ((struct hand *)hand)->conv;
    struct columns c;
    int rc = load(s, &c);

    if (rc == ERR_OK && w->rs != s->rs)
        rc = enter_exporters(w, s->rs);
    for (uint32_t j = 0; j < s->n_sel && rc == ERR_OK; j++)
        if (both_there(s, &c, s->sel[j]))
            rc = one_row(w, s, &c, s->sel[j]);
    return rc;
}

/* ------------------------------------------------------------------ handing out */

static int by_tuple(const struct conv_row *x, const struct conv_row *y)
{
    if (x->a != y->a)
        return x->a < y->a ? -1 : 1;
    if (x->b != y->b)
        return x->b < y->b ? -1 : 1;
    if (x->pa != y->pa)
        return x->pa < y->pa ? -1 : 1;
    if (x->pb != y->pb)
        return x->pb < y->pb ? -1 : 1;
    return x->proto < y->proto ? -1 : x->proto > y->proto;
}

static int by_place(const void *a, const void *b)
{
    const struct conv_row *x = a, *y = b;
    int c = by_tuple(x, y);

    if (c != 0)
        return c;
    if (x->start_ms != y->start_ms)
        return x->start_ms < y->start_ms ? -1 : 1;
    if (x->row != y->row)
        return x->row < y->row ? -1 : 1;
    return (x->bits & CONV_BACK) - (y->bits & CONV_BACK);
}

static void sort_few(struct conv_row *r, size_t n)
{
    if (n > INSERT_MAX) {
        qsort(r, n, sizeof *r, by_place);
        return;
    }
    for (size_t i = 1; i < n; i++) {
        struct conv_row x = r[i];
        size_t k = i;
        for (; k > 0 && by_place(&r[k - 1], &x) > 0; k--)
            r[k] = r[k - 1];
        r[k] = x;
    }
}

static int hand_out(struct collecting *c, unsigned worker, struct conv_row *r, size_t n)
{
    int rc = ERR_OK;

    sort_few(r, n);
    for (size_t i = 0, end; i < n && rc == ERR_OK; i = end) {
        for (end = i + 1; end < n && by_tuple(&r[i], &r[end]) == 0;)
            end++;
        rc = c->ask->fn(c->ask->ctx, worker, r + i, end - i);
    }
    return rc;
}

/* All rows of a list into buckets of a few, by the hash's middle bits. */
static int one_list(struct collecting *c, unsigned worker, unsigned list)
{
    size_t n = 0, octets;
    unsigned bits = 0;
    uint32_t *at = NULL;
    struct conv_row *r = NULL;
    int rc = ERR_OK;

    for (unsigned w = 0; w < c->g->workers; w++)
        n += c->noted[w].n[list];
    if (n == 0)
        return ERR_OK;
    if (n > UINT32_MAX)
        return ERR_LIMIT;
    while (bits < 20 && n >> bits > 4)
        bits++;
    octets = n * sizeof *r + ((size_t)2 << bits) * sizeof *at;
    if (budget_take(&c->g->budget, octets) != ERR_OK)
        return ERR_LIMIT;
    r = malloc(n * sizeof *r);
    at = calloc(((size_t)1 << bits) + 1, sizeof *at);
    if (r == NULL || at == NULL) {
        rc = ERR_NOMEM;
        goto out;
    }
    for (unsigned w = 0; w < c->g->workers; w++)
        for (const struct chunk *k = c->noted[w].list[list]; k != NULL; k = k->next)
            for (uint32_t i = 0; i < k->n; i++)
                at[(hash_of(&k->row[i]) << 8 >> 8 >> (56 - bits)) + 1]++;
    for (size_t b = 0; b < (size_t)1 << bits; b++)
        at[b + 1] += at[b];
    for (unsigned w = 0; w < c->g->workers; w++)
        for (const struct chunk *k = c->noted[w].list[list]; k != NULL; k = k->next)
            for (uint32_t i = 0; i < k->n; i++)
                r[at[hash_of(&k->row[i]) << 8 >> 8 >> (56 - bits)]++] = k->row[i];
    for (size_t b = 0, from = 0; b < (size_t)1 << bits && rc == ERR_OK; from = at[b++])
        rc = hand_out(c, worker, r + from, at[b] - from);
out:
    free(r);
    free(at);
    budget_give(&c->g->budget, octets);
    return rc;
}

static int hand_out_lists(void *ctx, unsigned worker)
{
    struct collecting *c = ctx;
    uint32_t list;
    int rc = ERR_OK;

    while (rc == ERR_OK && (list = atomic_fetch_add(&c->next, 1)) < LISTS)
        rc = c->g->ctl != NULL && atomic_load(&c->g->ctl->cancel)
                 ? err_set(&c->g->hand[worker].e, ERR_CANCEL, "query: cancelled")
                 : one_list(c, worker, list);
    return rc;
}

static void forget(struct collecting *c)
{
    for (unsigned w = 0; w < c->g->workers; w++)
        for (unsigned i = 0; i < LISTS; i++) {
            for (struct chunk *k = c->noted[w].list[i], *next; k != NULL; k = next) {
                next = k->next;
                free(k);
                budget_give(&c->g->budget, sizeof *k);
            }
            c->noted[w].list[i] = NULL;
            c->noted[w].n[i] = 0;
        }
}

/* One scan; ERR_LIMIT before anything was handed out asks for smaller parts. */
static int one_part(struct collecting *c, bool *handed_out)
{
    struct plan frame = *c->g->p;
    int rc;

    *handed_out = false;
    plan_widen(&frame, c->ask->before_ms, c->ask->after_ms);
    rc = group_look(c->g, &frame, c->ask->out, c->ask->count && c->part == 0, note_vector);
    if (rc == ERR_OK) {
        *handed_out = true;
        atomic_store(&c->next, 0);
        rc = pool_run(c->g->workers, hand_out_lists, c);
    }
    forget(c);
    return rc;
}

int conv_each(struct group *g, const struct conv_ask *ask)
{
    struct collecting c = { .g = g, .ask = ask, .parts = 1 };
    uint64_t rows = 0;
    bool handed_out = false;
    int rc = group_hosts(g);

    if (rc != ERR_OK || (c.noted = calloc(g->workers, sizeof *c.noted)) == NULL)
        return rc != ERR_OK ? rc : ERR_NOMEM;
    for (unsigned w = 0; w < g->workers; w++) {
        c.noted[w].c = &c;
        g->hand[w].conv = &c.noted[w];
    }
    for (size_t i = 0; i < g->snap->n; i++)
        rows += ask->out == NULL || !ask->out[i] ? g->snap->sets[i]->n_rows : 0;
    if (g->p->filter->op == EXPR_CONST) /* what passes a filter is not known before */
        c.parts = rows * sizeof(struct conv_row) / (g->budget.max / 2) + 1;
    for (c.part = 0; c.part < c.parts && rc == ERR_OK; c.part++) {
        rc = one_part(&c, &handed_out);
        if (rc == ERR_LIMIT && !handed_out && c.part == 0 && c.parts < 4096) {
            c.parts *= 4;
            c.part = UINT64_MAX; /* from 0 again */
            rc = ERR_OK;
        }
    }
    for (unsigned w = 0; w < g->workers; w++) {
        free(c.noted[w].map);
        g->hand[w].conv = NULL;
    }
    free(c.noted);
    return rc;
}
