/* What is known before rows are read: tables of codes, zones, pages, shapes, times. */
#include <stdlib.h>
#include <string.h>

#include "flow/translated.h"
#include "query/match.h"

/* ------------------------------------------------------------------ before the rows are read */

/* First code whose address is not below a (sorted tables). */
static uint32_t code_bound(const struct rowset *rs, const struct addr *a)
{
    uint32_t lo = 0, hi = rs->n_addrs;

    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (addr_cmp(&rs->addrs[mid], a) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* Last address of a network, then the first code beyond it. */
static uint32_t code_after(const struct rowset *rs, const struct net *n)
{
    struct addr top = n->a;
    uint32_t at;

    for (unsigned i = n->len; i < 128; i++)
        top.b[i / 8] |= (uint8_t)(0x80u >> i % 8);
    at = code_bound(rs, &top);
    return at < rs->n_addrs && addr_cmp(&rs->addrs[at], &top) == 0 ? at + 1 : at;
}

void prune_codes(const struct rowset *rs, const struct net *n, uint32_t *lo, uint32_t *hi)
{
    *lo = code_bound(rs, &n->a);
    *hi = code_after(rs, n);
}

SIMD_CLONES
static uint32_t count_ones(const uint8_t *v, uint32_t n)
{
    uint32_t sum = 0;

    for (uint32_t i = 0; i < n; i++)
        sum += v[i];
    return sum;
}

static void count_hits(struct node *x)
{
    const uint8_t *first;

    x->hits = count_ones(x->table, x->table_n);
    if (x->hits == 0)
        return;
    first = memchr(x->table, 1, x->table_n);
    x->run_lo = (uint32_t)(first - x->table);
    if (x->hits <= x->table_n - x->run_lo && count_ones(first, x->hits) == x->hits)
        x->run_hi = x->run_lo + x->hits;
}

enum col match_table_col(const struct scan *s, const struct expr *x)
{
    const struct value *v = &x->value.v[0];

    if (x->value.n != 1)
        return COL_N;
    if (x->op == EXPR_NET)
        return v->kind == VALUE_COL ? (enum col)v->col : COL_N;
    if (x->op != EXPR_RANGE || v->kind != VALUE_CALC || !calc_is_geo(v->calc))
        return COL_N;
    if (v->calc < CALC_SRC_COUNTRY && geo_source(s) != GEO_AS_DATABASE)
        return COL_N;
    return geo_addr_col(v->calc);
}

/* Countries, and AS numbers where only those looked up count: once for each address. */
static int fill_geo(struct scan *s, struct node *x)
{
    bool as = x->x->value.v[0].calc < CALC_SRC_COUNTRY;
    const uint32_t *v;
    int rc = geo_codes(s, as ? GEO_AS : GEO_COUNTRY, &v);

    if (rc != ERR_OK)
        return rc;
    for (uint32_t c = 0; c < s->rs->n_addrs; c++)
        x->table[c] = c > 0 && v[c] == v[c - 1] ? x->table[c - 1] : match_ranges(x->x, v[c]);
    count_hits(x);
    return ERR_OK;
}

#define STEPS_OF_SEARCH 32u

/* Few ranges and many addresses: every range is a run of codes. */
static void fill_runs(const struct rowset *rs, struct node *x)
{
    const struct addr_map *m = x->x->map;

    memset(x->table, x->x->want == 0, rs->n_addrs);
    for (uint32_t i = 0; i < m->n; i++) {
        uint32_t lo = code_bound(rs, &m->lo[i]);
        uint32_t hi = i + 1 < m->n ? code_bound(rs, &m->lo[i + 1]) : rs->n_addrs;
        if (lo < hi)
            memset(x->table + lo, m->v[i] == x->x->want, hi - lo);
    }
}

static void fill_by_map(const struct rowset *rs, struct node *x)
{
    uint32_t v[1024];

    if (rs->addrs_sorted && x->x->map->n < rs->n_addrs / STEPS_OF_SEARCH) {
        fill_runs(rs, x);
        count_hits(x);
        return;
    }
    for (uint32_t c = 0; c < rs->n_addrs; c += ARRAY_LEN(v)) {
        uint32_t n = MIN(rs->n_addrs - c, (uint32_t)ARRAY_LEN(v));
        addr_map_fill(x->x->map, rs->addrs + c, n, rs->addrs_sorted, v);
        for (uint32_t i = 0; i < n; i++)
            x->table[c + i] = v[i] == x->x->want;
    }
    count_hits(x);
}

static int fill_table(struct scan *s, struct node *x)
{
    const struct rowset *rs = s->rs;

    if (rs->n_addrs > x->table_cap) {
        free(x->table);
        x->table_cap = 0;
        if ((x->table = malloc(rs->n_addrs)) == NULL)
            return err_set(s->e, ERR_NOMEM, "query: out of memory");
        x->table_cap = rs->n_addrs;
    }
    x->table_n = rs->n_addrs;
    x->hits = x->run_lo = x->run_hi = 0;
    if (x->x->op == EXPR_RANGE)
        return fill_geo(s, x);
    if (x->x->map != NULL) {
        fill_by_map(rs, x);
        return ERR_OK;
    }
    if (!rs->addrs_sorted) {
        for (uint32_t c = 0; c < rs->n_addrs; c++)
            x->hits += x->table[c] = match_net(x->x, &rs->addrs[c]);
        return ERR_OK;
    }
    memset(x->table, 0, rs->n_addrs);
    for (uint32_t i = x->x->n_nets; i-- > 0;) { /* short prefixes first: longer ones overwrite */
        const struct net_item *t = &x->x->net[i];
        uint32_t lo = code_bound(rs, &t->n.a), hi = code_after(rs, &t->n);
        if (lo < hi)
            memset(x->table + lo, !t->out, hi - lo);
    }
    count_hits(x);
    return ERR_OK;
}

int prune_node(struct scan *s, struct node *x)
{
    int rc = match_table_col(s, x->x) != COL_N && s->rs->n_addrs > 0 ? fill_table(s, x) : ERR_OK;

    for (uint32_t k = 0; rc == ERR_OK && k < x->n_kids; k++)
        rc = prune_node(s, &x->kid[k]);
    return rc;
}

static enum tri range_tri(struct scan *s, const struct expr *x, uint32_t block)
{
    uint64_t lo, hi;

    if (block == UINT32_MAX || x->value.n != 1 || x->value.v[0].kind != VALUE_COL ||
        !col_info[x->value.v[0].col].zone ||
        !s->rs->ops->zone(s->rs, block, (enum col)x->value.v[0].col, &lo, &hi))
        return TRI_MAYBE;
    for (uint32_t i = 0; i < x->n_ranges; i++) {
        if (x->range[i].lo <= lo && x->range[i].hi >= hi)
            return TRI_ALWAYS;
        if (x->range[i].lo <= hi && x->range[i].hi >= lo)
            return TRI_MAYBE;
    }
    return TRI_NEVER;
}

/* What is known of a node before rows are read; block UINT32_MAX = of the whole rowset. */
static enum tri node_tri(struct scan *s, const struct node *x, uint32_t block)
{
    bool conj = x->x->op == EXPR_AND;
    enum tri t = conj ? TRI_ALWAYS : TRI_NEVER, k;

    switch ((enum expr_op)x->x->op) {
    case EXPR_CONST:
        return x->x->yes ? TRI_ALWAYS : TRI_NEVER;
    case EXPR_NOT:
        return (enum tri)(TRI_ALWAYS - node_tri(s, &x->kid[0], block));
    case EXPR_AND:
    case EXPR_OR:
        for (uint32_t i = 0; i < x->n_kids; i++) {
            k = node_tri(s, &x->kid[i], block);
            t = conj ? MIN(t, k) : MAX(t, k);
        }
        return t;
    case EXPR_NET:
    case EXPR_RANGE:
        if (match_table_col(s, x->x) == COL_N)
            return x->x->op == EXPR_NET ? TRI_MAYBE : range_tri(s, x->x, block);
        if (x->table == NULL || x->table_n != s->rs->n_addrs)
            return TRI_MAYBE;
        return x->hits == 0 ? TRI_NEVER : x->hits == x->table_n ? TRI_ALWAYS : TRI_MAYBE;
    case EXPR_XOR:
    case EXPR_MASK:
    case EXPR_TEXT:
    case EXPR_REGEX:
    case EXPR_OCTETS:
    case EXPR_EXISTS:
    case EXPR_INSIDE:
    case EXPR_OVERLAP:
        break;
    }
    return TRI_MAYBE;
}

#define FEW_CODES 64u

/* A leaf on a value that is the elements ids[] (0 ends them), in this order. */
static bool is_of(const struct expr *x, enum expr_op op, const uint16_t *ids)
{
    unsigned n = 0;

    if (x->op != op)
        return false;
    for (; n < x->value.n && ids[n] != 0; n++) {
        const struct value *v = &x->value.v[n];
        if (v->kind != VALUE_ELEM || v->pen != 0 || v->id != ids[n] || v->occurrence != 1 ||
            v->part_len != 0)
            return false;
    }
    return n == x->value.n && ids[n] == 0;
}

/* Terms of one AND on a translated source, as the index of translations knows them. */
struct nat_terms {
    const struct addr *a; /* one address; NULL: none */
    bool has_port, no_port, no_block;
    uint64_t port, start_max, end_min; /* start_max UINT64_MAX, end_min 0: not said */
};

static void nat_term(struct nat_terms *t, const struct node *n)
{
    static const uint16_t ip[] = { TRANSLATED_IP4, TRANSLATED_IP6, TRANSLATED_IP4_CISCO, 0 },
                          port[] = { TRANSLATED_PORT, TRANSLATED_PORT_CISCO, 0 },
                          one_port[] = { TRANSLATED_PORT, 0 },
                          start[] = { TRANSLATED_BLOCK_START, 0 },
                          end[] = { TRANSLATED_BLOCK_END, 0 };
    const struct expr *x = n->x;

    /* an absent address reads as ::, an absent number as 0 */
    if (is_of(x, EXPR_NET, ip) && x->n_nets == 1 && !x->net[0].out && x->net[0].n.len == 128 &&
        !addr_is_zero(&x->net[0].n.a))
        t->a = &x->net[0].n.a;
    if (x->op == EXPR_RANGE && x->n_ranges == 1) {
        const struct num_range *r = &x->range[0];
        if ((is_of(x, EXPR_RANGE, port) || is_of(x, EXPR_RANGE, one_port)) && r->lo == r->hi &&
            r->lo > 0 && r->lo <= UINT16_MAX) {
            t->has_port = true;
            t->port = r->lo;
        }
        if (is_of(x, EXPR_RANGE, start))
            t->start_max = MIN(t->start_max, r->hi);
        if (is_of(x, EXPR_RANGE, end))
            t->end_min = MAX(t->end_min, r->lo);
    }
    if (x->op == EXPR_NOT && n->n_kids == 1) {
        t->no_port |= is_of(n->kid[0].x, EXPR_EXISTS, one_port);
        t->no_block |= is_of(n->kid[0].x, EXPR_EXISTS, end);
    }
}

/* Pages that tell of the translations that an AND asks for. False = no way to know. */
static bool nat_pages(struct scan *s, const struct node *x)
{
    struct nat_terms t = { .start_max = UINT64_MAX };
    uint64_t key;

    if (s->rs->ops->translated == NULL)
        return false;
    for (uint32_t k = 0; k < x->n_kids; k++)
        nat_term(&t, &x->kid[k]);
    if (t.a == NULL)
        return false;
    if (t.has_port)
        key = translated_key(TRANSLATED_WITH_PORT, t.a, (unsigned)t.port);
    else if (t.end_min > 0 && t.start_max <= t.end_min && t.end_min <= UINT16_MAX)
        key = translated_key(TRANSLATED_IN_BLOCK, t.a, (unsigned)t.end_min / TRANSLATED_CHUNK);
    else if (t.no_port && t.no_block)
        key = translated_key(TRANSLATED_OTHER, t.a, 0);
    else
        key = translated_key(TRANSLATED_ADDRESS, t.a, 0);
    s->rs->ops->translated(s->rs, &key, 1, s->pages);
    return true;
}

/* Pages that a node can match in, when few addresses decide it. False = no way to know. */
static bool node_pages(struct scan *s, const struct node *x)
{
    if (x->x->op == EXPR_AND) {
        if (nat_pages(s, x))
            return true;
        for (uint32_t k = 0; k < x->n_kids; k++)
            if (node_pages(s, &x->kid[k]))
                return true;
        return false;
    }
    if (x->x->op == EXPR_OR) {
        for (uint32_t k = 0; k < x->n_kids; k++)
            if (!node_pages(s, &x->kid[k]))
                return false;
        return x->n_kids > 0;
    }
    enum col c0 = match_table_col(s, x->x);
    if ((c0 != COL_SRC_IP && c0 != COL_DST_IP) || x->hits > FEW_CODES || x->table == NULL)
        return false;
    for (uint32_t c = x->run_lo; c < (x->run_hi > 0 ? x->run_hi : x->table_n); c++)
        if (x->table[c] && s->rs->ops->pages(s->rs, c, s->pages, NULL) != ERR_OK)
            return false;
    return true;
}

bool prune_pages(struct scan *s)
{
    size_t words = ROWSET_PAGE_WORDS((size_t)s->rs->n_blocks);

    if (s->root == NULL || s->rs->ops->pages == NULL || words == 0)
        return false;
    if (words > s->page_cap) {
        free(s->pages);
        s->page_cap = 0;
        if ((s->pages = malloc(words * sizeof *s->pages)) == NULL)
            return false;
        s->page_cap = words;
    }
    memset(s->pages, 0, words * sizeof *s->pages);
    return node_pages(s, s->root);
}

/* icmpTypeCode of IPv4 and IPv6, and type and code apart */
static bool is_icmp_elem(uint16_t id)
{
    return id == 32 || id == 139 || (id >= 176 && id <= 179);
}

static int shape_tables(struct scan *s)
{
    const struct rowset *rs = s->rs;

    if (rs->n_shapes > s->shape_cap) {
        free(s->shape_cols);
        s->shape_cap = 0;
        if ((s->shape_cols = malloc(rs->n_shapes * sizeof *s->shape_cols)) == NULL)
            return err_set(s->e, ERR_NOMEM, "query: out of memory");
        s->shape_cap = rs->n_shapes;
    }
    s->common_cols = UINT64_MAX;
    for (uint32_t i = 0; i < rs->n_shapes; i++) {
        uint64_t m = ALWAYS_COLS;
        for (uint32_t k = 0; k < rs->shapes[i]->n_fields; k++) {
            const struct shape_field *f = &rs->shapes[i]->f[k];
            if (f->col < COL_N)
                m |= COL_BIT(f->col);
            for (size_t t = 0; t < fmap_count; t++)
                if (fmap_table[t].pen == f->pen && fmap_table[t].id == f->id &&
                    fmap_table[t].col < COL_N)
                    m |= COL_BIT(fmap_table[t].col);
            if (f->pen == 0 && is_icmp_elem(f->id)) /* type and code stand in the port */
                m |= COL_BIT(COL_DST_PORT);
            m |= shape_section_cols(f->pen, f->id);
        }
        s->shape_cols[i] = m;
        s->common_cols &= m;
    }
    return ERR_OK;
}

int prune_tables(struct scan *s)
{
    int rc = s->root != NULL ? prune_node(s, s->root) : ERR_OK;

    return rc == ERR_OK ? shape_tables(s) : rc;
}

enum tri prune_filter(struct scan *s, uint32_t block)
{
    return s->root != NULL ? node_tri(s, s->root, block) : TRI_ALWAYS;
}

bool prune_rowset(const struct plan *p, const struct query_control *ctl, const struct rowset *rs)
{
    if (p->framed && (rs->max_end_ms < p->from_ms || rs->min_start_ms >= p->to_ms))
        return true;
    return ctl != NULL && ctl->received_to_ms != 0 &&
           (rs->max_received_ms < ctl->received_from_ms ||
            rs->min_received_ms >= ctl->received_to_ms);
}

bool prune_block(struct scan *s, uint32_t block)
{
    const struct query_control *ctl = s->ctl;
    uint64_t lo, hi;

    if (ctl != NULL && ctl->received_to_ms != 0 &&
        s->rs->ops->zone(s->rs, block, COL_RECEIVED, &lo, &hi) &&
        ((int64_t)lo >= ctl->received_to_ms || (int64_t)hi < ctl->received_from_ms))
        return true;
    if (!s->p->framed)
        return false;
    if (s->rs->ops->zone(s->rs, block, COL_START, &lo, &hi) && (int64_t)lo >= s->p->to_ms)
        return true;
    return s->rs->ops->zone(s->rs, block, COL_END, &lo, &hi) && (int64_t)hi < s->p->from_ms;
}

bool prune_inside(struct scan *s, uint32_t block)
{
    const struct rowset *rs = s->rs;
    uint64_t lo, hi;

    if (!s->p->framed || (rs->min_start_ms >= s->p->from_ms && rs->max_start_ms < s->p->to_ms &&
                          rs->max_end_ms <= s->p->to_ms))
        return true;
    return rs->ops->zone(rs, block, COL_START, &lo, &hi) && (int64_t)lo >= s->p->from_ms &&
           (int64_t)hi < s->p->to_ms && rs->ops->zone(rs, block, COL_END, &lo, &hi) &&
           (int64_t)hi <= s->p->to_ms;
}
