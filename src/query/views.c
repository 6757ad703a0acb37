#include "query/views.h"

#include <stdlib.h>
#include <string.h>

#include "flow/share.h"
#include "query/conv.h"
#include "query/pool.h"

/* ------------------------------------------------------------------ when it is asked for */

#define NAMES "the question names "
static const char exporters[] = NAMES "exporters", interfaces[] = NAMES "interfaces",
                  next_hops[] = NAMES "next hops", vlans[] = NAMES "VLANs",
                  meters[] = NAMES "directions of metering";

/* What an element says of the place a flow was seen at; NULL: nothing. */
static const char *elem_says(const struct value *v)
{
    static const struct {
        uint16_t id;
        const char *what;
    } of[] = {
        { 10, interfaces }, { 14, interfaces }, { 252, interfaces }, { 253, interfaces },
        { 82, interfaces }, { 83, interfaces }, { 15, next_hops },   { 18, next_hops },
        { 62, next_hops },  { 63, next_hops },  { 58, vlans },       { 59, vlans },
        { 243, vlans },     { 245, vlans },     { 254, vlans },      { 255, vlans },
        { 61, meters },     { 130, exporters }, { 131, exporters },  { 144, exporters },
        { 149, exporters }, { 138, exporters }, { 38, exporters },   { 39, exporters },
    };

    for (size_t i = 0; v->pen == 0 && i < ARRAY_LEN(of); i++)
        if (of[i].id == v->id)
            return of[i].what;
    return NULL;
}

static const char *value_says(const struct value *v)
{
    static const struct {
        uint8_t col;
        const char *what;
    } col[] = { { COL_EXPORTER, exporters },    { COL_IN_IF, interfaces },
                { COL_OUT_IF, interfaces },     { COL_SRC_VLAN, vlans },
                { COL_DST_VLAN, vlans },        { COL_NEXT_IP, next_hops },
                { COL_BGP_NEXT_IP, next_hops }, { COL_DIRECTION, meters } };

    if (v->kind == VALUE_EXPORTER)
        return exporters;
    if (v->kind == VALUE_DEF)
        return v->calc >= DEF_EXPORTER_NAME                               ? exporters
               : v->calc >= DEF_IN_BOUNDARY && v->calc <= DEF_OUT_IF_NAME ? interfaces
                                                                          : NULL;
    if (v->kind == VALUE_ELEM)
        return elem_says(v);
    if (v->kind == VALUE_SESSION)
        return NULL;
    if (v->kind == VALUE_CALC)
        return v->calc >= CALC_EXPORTER_DOMAIN && v->calc <= CALC_ENGINE_ID ? exporters : NULL;
    for (size_t i = 0; i < ARRAY_LEN(col); i++)
        if (v->col == col[i].col)
            return col[i].what;
    return NULL;
}

static const char *alts_say(const struct value_alts *a)
{
    const char *what = NULL;

    for (uint8_t i = 0; i < a->n && what == NULL; i++)
        what = value_says(&a->v[i]);
    return what;
}

static const char *expr_says(const struct expr *x)
{
    const char *what = alts_say(&x->value);

    for (uint32_t k = 0; k < x->n_kids && what == NULL; k++)
        what = expr_says(x->kid[k]);
    return what;
}

static const char *key_says(const struct key *k)
{
    const char *what = alts_say(&k->a);

    return what == NULL ? alts_say(&k->b) : what;
}

static const char *plan_says(const struct plan *p)
{
    const char *what = expr_says(p->filter);

    for (uint32_t k = 0; k < p->n_keys && what == NULL; k++)
        what = key_says(&p->keys[k]);
    for (uint32_t m = 0; m < p->n_measures && what == NULL; m++)
        if (p->measures[m].kind == MEASURE_DISTINCT)
            what = key_says(&p->measures[m].distinct);
    return what;
}

bool views_wanted(const struct plan *p, const char **why)
{
    *why = "";
    if (p->option_records || p->dedup == DEDUP_OFF)
        return false;
    if (p->dedup == DEDUP_ON)
        return true;
    if (p->view == VIEW_LIST) {
        return false; /* a list shows all records, and says nothing of it */
    }
    *why = plan_says(p);
    return *why == NULL;
}

void views_state(const struct plan *p, struct query_stats *st)
{
    st->dedup = views_wanted(p, &st->dedup_why);
    if (st->dedup_why == NULL)
        st->dedup_why = "";
}

/* ------------------------------------------------------------------ choosing */

#define ROLES 1024u /* points whose role a worker remembers; others push them out */
struct role_slot {
    uint64_t key; /* exporter << 32 | ifIndex, plus one */
    uint8_t role; /* enum point_role_kind */
};

struct views {
    struct group *g;
    uint64_t rows[POOL_MAX], bytes[POOL_MAX], shared[POOL_MAX]; /* by worker */
    bool look_only;
    bool roles, ignore;               /* some interface has a role; is not to count */
    struct role_slot *memo[POOL_MAX]; /* owned: what definitions say of points, by worker */
};

/* A point that saw a conversation. */
struct seen {
    uint64_t point, bytes;
    uint16_t rate;
    uint8_t role; /* enum point_role_kind */
};
#define SEEN_MAX 256u /* more points of one conversation: the others count as they are */

static uint8_t defined_role(const struct group *g, uint64_t point)
{
    static const uint8_t kind[] = { [ROLE_UNSET] = POINT_NONE,
                                    [ROLE_EDGE] = POINT_EDGE,
                                    [ROLE_INTERNAL] = POINT_INTERNAL,
                                    [ROLE_IGNORE] = POINT_IGNORE,
                                    [ROLE_DISJOINT] = POINT_DISJOINT };
    struct def_class c;

    defs_interface(g->p->defs, conv_exporter(g, CONV_POINT_EXPORTER(point)), CONV_POINT_IF(point),
                   g->snap->facts, &c);
    return kind[c.role];
}

/* What the caller says goes before definitions. ifIndex 0 is no interface: none defines it. */
static int role_of(struct views *v, unsigned worker, uint64_t point, uint8_t *out)
{
    const struct query_control *ctl = v->g->ctl;
    uint64_t key = ((uint64_t)CONV_POINT_EXPORTER(point) << 32 | CONV_POINT_IF(point)) + 1;
    const struct exporter_key *k = conv_exporter(v->g, CONV_POINT_EXPORTER(point));
    struct role_slot *s;

    *out = POINT_NONE;
    for (size_t i = 0; ctl != NULL && i < ctl->n_roles; i++)
        if (addr_cmp(&ctl->roles[i].exporter, &k->addr) == 0 &&
            ctl->roles[i].if_index == CONV_POINT_IF(point))
            *out = ctl->roles[i].role;
    if (*out != POINT_NONE || CONV_POINT_IF(point) == 0 || v->g->p->defs == NULL ||
        !v->g->p->defs->roles)
        return ERR_OK;
    if (v->memo[worker] == NULL && (v->memo[worker] = calloc(ROLES, sizeof *s)) == NULL)
        return ERR_NOMEM;
    s = &v->memo[worker][(key * 0x9e3779b97f4a7c15u) >> 32 & (ROLES - 1)];
    if (s->key != key)
        *s = (struct role_slot){ key, defined_role(v->g, point) };
    *out = s->role;
    return ERR_OK;
}

/* Of a question: are there roles at all, and must rows be looked at that one point saw alone? */
static void see_roles(struct views *v)
{
    const struct query_control *ctl = v->g->ctl;
    const struct defs *d = v->g->p->defs;

    v->roles = (d != NULL && d->roles) || (ctl != NULL && ctl->n_roles > 0);
    v->ignore = d != NULL && d->role_ignore;
    for (size_t i = 0; ctl != NULL && i < ctl->n_roles; i++)
        v->ignore |= ctl->roles[i].role == POINT_IGNORE;
}

/* The better point first. */
static int better(const struct group *g, const struct seen *x, const struct seen *y)
{
    int c;

    if (x->role != y->role)
        return x->role < y->role ? -1 : 1;
    if (x->rate != y->rate)
        return x->rate < y->rate ? -1 : 1;
    if (x->bytes != y->bytes)
        return x->bytes > y->bytes ? -1 : 1;
    c = exporter_key_cmp(conv_exporter(g, CONV_POINT_EXPORTER(x->point)),
                         conv_exporter(g, CONV_POINT_EXPORTER(y->point)));
    if (c != 0)
        return c;
    return x->point << 31 < y->point << 31 ? -1 : x->point << 31 > y->point << 31;
}

static int set_aside(struct views *v, unsigned worker, const struct conv_row *r)
{
    struct group *g = v->g;
    const struct plan *p = g->p;
    int64_t end = conv_end(r);
    int rc;

    if (v->look_only) {
        v->shared[worker]++;
        return ERR_OK;
    }
    rc = group_set_bit(g, g->aside[(r->bits & CONV_BACK) != 0], r->row);
    if (rc != ERR_OK ||
        (p->framed && (r->start_ms >= p->to_ms || (end <= p->from_ms && r->start_ms < p->from_ms))))
        return rc;
    v->rows[worker]++;
    v->bytes[worker] += p->framed && !p->whole
                            ? share_inside(r->bytes, r->start_ms, end, p->from_ms, p->to_ms)
                            : r->bytes;
    return ERR_OK;
}

/* Rows that count so far, by start; top[i] is the latest end of rows 0 .. i. */
struct kept {
    const struct conv_row **row;
    int64_t *top;
    size_t n;
};

static bool covered(const struct kept *k, const struct conv_row *r, int64_t skew_ms)
{
    size_t lo = 0, hi = k->n;

    while (lo < hi) { /* the first that begins too late */
        size_t mid = lo + (hi - lo) / 2;
        if (k->row[mid]->start_ms <= conv_end(r) + skew_ms)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo > 0 && k->top[lo - 1] + skew_ms >= r->start_ms;
}

static void tops(struct kept *k)
{
    for (size_t i = 0; i < k->n; i++)
        k->top[i] = i > 0 ? MAX(k->top[i - 1], conv_end(k->row[i])) : conv_end(k->row[i]);
}

/* The kept rows of the same meter, or all others. */
static void sort_out(struct kept *to, const struct kept *all, uint64_t meter, bool same)
{
    to->n = 0;
    for (size_t i = 0; i < all->n; i++)
        if ((CONV_POINT_METER(all->row[i]->point) == meter) == same)
            to->row[to->n++] = all->row[i];
    tops(to);
}

static bool true_overlap(const struct kept *k, const struct conv_row *r)
{
    return covered(k, r, 0);
}

/* Rows of one point: those that a better one covers are set aside, the others join the kept. */
static int one_point(struct views *v, unsigned worker, const struct seen *s, struct conv_row *r,
                     size_t n, struct kept *all, struct kept *same, struct kept *others)
{
    size_t before = all->n, i = 0, k = 0, m = 0;
    int rc = ERR_OK;

    sort_out(same, all, CONV_POINT_METER(s->point), true);
    sort_out(others, all, CONV_POINT_METER(s->point), false);
    for (size_t j = 0; j < n && rc == ERR_OK; j++) {
        if (r[j].point != s->point)
            continue;
        if (s->role == POINT_IGNORE || covered(others, &r[j], VIEWS_SKEW_MS) ||
            true_overlap(same, &r[j]))
            rc = set_aside(v, worker, &r[j]);
        else
            all->row[all->n++] = &r[j];
    }
    /* both runs are by start: one list */
    memcpy(same->row, all->row, all->n * sizeof(struct conv_row *));
    for (i = 0, k = before; i < before || k < all->n;)
        all->row[m++] =
            k == all->n || (i < before && same->row[i]->start_ms <= same->row[k]->start_ms)
                ? same->row[i++]
                : same->row[k++];
    return rc;
}

#define FEW 48u /* rows of a conversation that need no memory of their own */

static int by_points(struct views *v, unsigned worker, struct seen *seen, uint32_t n_seen,
                     struct conv_row *r, size_t n)
{
    const struct conv_row *few_row[3][FEW];
    int64_t few_top[3][FEW];
    struct kept k[3];
    void *more = n > FEW ? malloc(3 * n * (sizeof(struct conv_row *) + sizeof(int64_t))) : NULL;
    int rc = n > FEW && more == NULL ? ERR_NOMEM : ERR_OK;

    for (unsigned i = 0; i < 3; i++)
        k[i] = more == NULL ? (struct kept){ few_row[i], few_top[i], 0 }
                            : (struct kept){ (const struct conv_row **)more + i * n,
                                             (int64_t *)more + (3 + i) * n, 0 };
    for (uint32_t i = 1; i < n_seen; i++) /* the best first */
        for (uint32_t j = i; j > 0 && better(v->g, &seen[j], &seen[j - 1]) < 0; j--) {
            struct seen x = seen[j];
            seen[j] = seen[j - 1];
            seen[j - 1] = x;
        }
    for (uint32_t i = 0; i < n_seen && rc == ERR_OK; i++)
        if (seen[i].role != POINT_DISJOINT)
            rc = one_point(v, worker, &seen[i], r, n, &k[0], &k[1], &k[2]);
    free(more);
    return rc;
}

/* Rows that lie together in time. */
static int one_cluster(struct views *v, unsigned worker, struct conv_row *r, size_t n)
{
    struct seen seen[SEEN_MAX];
    uint32_t n_seen = 0;
    int rc;

    for (size_t i = 0; i < n; i++) {
        uint32_t k = 0;
        while (k < n_seen && seen[k].point != r[i].point)
            k++;
        if (k == SEEN_MAX)
            continue;
        if (k == n_seen) {
            seen[n_seen++] = (struct seen){ .point = r[i].point, .role = POINT_NONE };
            rc = v->roles ? role_of(v, worker, r[i].point, &seen[k].role) : ERR_OK;
            if (rc != ERR_OK)
                return rc;
        }
        seen[k].bytes += r[i].bytes;
        seen[k].rate = MAX(seen[k].rate, r[i].rate);
    }
    if (n_seen == 0 || (n_seen == 1 && seen[0].role != POINT_IGNORE))
        return ERR_OK;
    return by_points(v, worker, seen, n_seen, r, n);
}

static int one_tuple(void *ctx, unsigned worker, struct conv_row *r, size_t n)
{
    struct views *v = ctx;
    bool several = v->ignore;
    int64_t top;
    int rc = ERR_OK;

    for (size_t i = 1; i < n && !several; i++)
        several = r[i].point != r[0].point;
    if (!several)
        return ERR_OK;
    for (size_t i = 0, end; i < n && rc == ERR_OK; i = end) {
        top = conv_end(&r[i]);
        for (end = i + 1; end < n && r[end].start_ms <= top + VIEWS_SKEW_MS; end++)
            top = MAX(top, conv_end(&r[end]));
        rc = one_cluster(v, worker, r + i, end - i);
    }
    return rc;
}

/* ------------------------------------------------------------------ is there anything to choose?
 */

/* So many rows without a flow seen twice say that their exporters see none together. */
#define TELLING_ROWS (1u << 18)

enum need { NEED_NOTHING, NEED_LOOK, NEED_ALL };

static enum need see_rowset(const struct rowset *rs, struct exporter_key **most, uint32_t *n_most,
                            bool *nested)
{
    if (rs->views == VIEWS_SHARED)
        return NEED_ALL;
    if (rs->n_exporters > *n_most) { /* kept: the rowset may be closed */
        struct exporter_key *k = malloc(rs->n_exporters * sizeof *k);
        *nested &= k != NULL && exporters_within(*most, *n_most, rs->exporters, rs->n_exporters);
        if (k == NULL)
            return NEED_ALL;
        memcpy(k, rs->exporters, rs->n_exporters * sizeof *k);
        free(*most);
        *most = k;
        *n_most = rs->n_exporters;
    } else {
        *nested &= exporters_within(rs->exporters, rs->n_exporters, *most, *n_most);
    }
    return rs->views == VIEWS_APART && rs->n_rows >= TELLING_ROWS ? NEED_NOTHING : NEED_LOOK;
}

/* What the rowsets say of themselves. Where none of many rows holds a flow twice, and one of them
 * has all the exporters, those are no two points of a path: no flow lies in two rowsets either.
 * known[]: rowsets that say it; the others, with few rows, are looked at together. */
static int see_rowsets(struct group *g, bool *known, enum need *out)
{
    struct exporter_key *most = NULL;
    uint32_t n_most = 0;
    bool nested = true;
    size_t first = 0, end;
    int rc = ERR_OK;

    *out = NEED_NOTHING;
    for (; rc == ERR_OK && first < g->snap->n && *out != NEED_ALL; first = end) {
        rc = opened_wave(g->open, first, OPENED_ADDRS, &end, g->stats, g->e);
        for (size_t i = first; rc == ERR_OK && i < end && *out != NEED_ALL; i++) {
            if (g->open->unreadable[i] || g->snap->sets[i]->n_rows == 0)
                continue;
            enum need x = see_rowset(g->snap->sets[i], &most, &n_most, &nested);
            known[i] = x == NEED_NOTHING;
            *out = MAX(*out, x);
        }
        if (!nested)
            *out = NEED_ALL;
    }
    free(most);
    return rc;
}

static void views_free(struct views *v)
{
    for (size_t w = 0; w < ARRAY_LEN(v->memo); w++)
        free(v->memo[w]);
}

static int needed(struct group *g, bool *yes)
{
    struct views v = { .g = g, .look_only = true };
    bool *known = calloc(g->snap->n + 1, sizeof *known);
    struct conv_ask ask = { .out = known, .fn = one_tuple, .ctx = &v };
    enum need need = NEED_ALL;
    int rc = known != NULL ? see_rowsets(g, known, &need) : ERR_NOMEM;

    ask.before_ms = ask.after_ms = VIEWS_SKEW_MS;
    see_roles(&v);
    *yes = need == NEED_ALL || v.ignore;
    if (rc == ERR_OK && !*yes && need == NEED_LOOK) {
        rc = conv_each(g, &ask);
        for (unsigned w = 0; w < g->workers; w++)
            *yes |= v.shared[w] > 0;
    }
    views_free(&v);
    free(known);
    return rc;
}

int views_choose(struct group *g)
{
    struct views v = { .g = g };
    bool yes;
    struct conv_ask ask = {
        .before_ms = VIEWS_SKEW_MS, .after_ms = VIEWS_SKEW_MS, .fn = one_tuple, .ctx = &v
    };
    int rc;

    if (!g->stats->dedup)
        return ERR_OK;
    if (g->ctl != NULL && atomic_load(&g->ctl->cancel))
        return err_set(g->e, ERR_CANCEL, "query: cancelled");
    if ((rc = needed(g, &yes)) != ERR_OK || !yes)
        return rc;
    see_roles(&v);
    if ((rc = group_bits_new(g, &g->aside[0])) == ERR_OK &&
        (rc = group_bits_new(g, &g->aside[1])) == ERR_OK)
        rc = conv_each(g, &ask);
    views_free(&v);
    if (rc != ERR_OK)
        return rc;
    for (unsigned w = 0; w < g->workers; w++) {
        g->stats->aside_rows += v.rows[w];
        g->stats->aside_bytes += v.bytes[w];
    }
    return ERR_OK;
}
