/* Merge of segments: dictionary, exporters, shapes, what belongs to addresses, index of pages,
 * totals, options. */
#include <stdlib.h>
#include <string.h>

#include "codec/vec.h"
#include "codec/zst.h"
#include "store/merge_part.h"

#define OPTIONS_MAX  (4u << 20)
#define MARGINAL_MAX (2u << 20) /* rows of one table of totals: 150 MB while it is sorted */
#define FEW_PAGES    32u

static int no_memory(struct merge *m)
{
    (void)err_set(m->e, ERR_NOMEM, "%s: out of memory", m->path);
    return ERR_NOMEM; /* a constant: clang-tidy looks at one file at a time */
}

static int damaged(struct merge *m, size_t input, const char *what)
{
    return merge_blame(
        m, input, err_set(m->e, ERR_CORRUPT, "segment %s: %s damaged", m->in[input].s->name, what));
}

/* ------------------------------------------------------------------ dictionary */

/* The next address of an input that is not in the output yet. */
struct head {
    uint64_t hi, lo;
    uint32_t input, at;
};

static bool head_less(const struct head *a, const struct head *b)
{
    return a->hi != b->hi ? a->hi < b->hi : a->lo < b->lo;
}

static void head_fill(struct head *h, const struct rowset *rs)
{
    h->hi = be64(rs->addrs[h->at].b);
    h->lo = be64(rs->addrs[h->at].b + 8);
}

static void sift(struct head *h, size_t n, size_t i)
{
    struct head x = h[i];

    for (size_t k; (k = 2 * i + 1) < n; i = k) {
        if (k + 1 < n && head_less(&h[k + 1], &h[k]))
            k++;
        if (!head_less(&h[k], &x))
            break;
        h[i] = h[k];
    }
    h[i] = x;
}

/* Ascending union of the inputs' addresses, and every input's map to it. */
static void merge_addrs(struct merge *m, struct head *h)
{
    struct build *b = &m->b;
    size_t n = m->n_in;
    uint64_t hi = 0, lo = 0;

    for (size_t i = 0; i < n; i++) {
        h[i] = (struct head){ .input = (uint32_t)i };
        head_fill(&h[i], &m->in[i].s->rs);
    }
    for (size_t i = n; i-- > 0;)
        sift(h, n, i);
    while (n > 0) {
        const struct rowset *rs = &m->in[h[0].input].s->rs;
        if (b->n_addrs == 0 || h[0].hi != hi || h[0].lo != lo) {
            hi = h[0].hi;
            lo = h[0].lo;
            b->addrs[b->n_addrs++] = rs->addrs[h[0].at];
        }
        m->in[h[0].input].addr[h[0].at] = b->n_addrs - 1;
        if (++h[0].at < rs->n_addrs)
            head_fill(&h[0], rs);
        else
            h[0] = h[--n];
        sift(h, n, 0);
    }
}

static int number_addrs(struct merge *m)
{
    struct head *h = calloc(m->n_in + 1, sizeof *h);
    uint64_t total = 0;
    int rc = ERR_OK;

    for (size_t i = 0; i < m->n_in; i++) {
        uint32_t n = m->in[i].s->rs.n_addrs;
        total += n;
        m->in[i].addr = malloc(((size_t)n + 1) * sizeof *m->in[i].addr);
        if (m->in[i].addr == NULL)
            rc = ERR_NOMEM;
    }
    /* only what is used of it is touched */
    m->b.addrs = total < UINT32_MAX ? malloc((total + 1) * sizeof *m->b.addrs) : NULL;
    if (rc == ERR_OK && h != NULL && m->b.addrs != NULL)
        merge_addrs(m, h);
    else
        rc = no_memory(m);
    free(h);
    if (rc == ERR_OK && m->o->memory > 0 &&
        total * MERGE_IN_OCTETS + (uint64_t)m->b.n_addrs * MERGE_OUT_OCTETS > m->o->memory)
        rc = err_set(m->e, ERR_LIMIT,
                     "%u addresses need more memory than is allowed; merge fewer segments",
                     m->b.n_addrs);
    return rc;
}

/* ------------------------------------------------------------------ exporters, shapes */

static int number_input(struct merge *m, struct merge_input *in)
{
    const struct rowset *rs = &in->s->rs;

    in->exporter = malloc(((size_t)rs->n_exporters + 1) * sizeof *in->exporter);
    in->shape = malloc(((size_t)rs->n_shapes + 1) * sizeof *in->shape);
    if (in->exporter == NULL || in->shape == NULL)
        return no_memory(m);
    in->same_exporters = in->same_shapes = true;
    for (uint32_t i = 0; i < rs->n_exporters; i++) {
        in->exporter[i] = build_exporter_number(&m->b, &m->exporter_slots, &rs->exporters[i]);
        in->same_exporters &= in->exporter[i] == i;
    }
    for (uint32_t i = 0; i < rs->n_shapes; i++) {
        in->shape[i] = build_shape_number(&m->b, &m->shape_slots, rs->shapes[i]);
        in->same_shapes &= in->shape[i] == i;
    }
    return ERR_OK;
}

static int number_others(struct merge *m)
{
    size_t exporters = 0, shapes = 0;
    int rc = ERR_OK;

    for (size_t i = 0; i < m->n_in; i++) {
        exporters += m->in[i].s->rs.n_exporters;
        shapes += m->in[i].s->rs.n_shapes;
    }
    m->b.exporters = calloc(exporters + 1, sizeof *m->b.exporters);
    m->b.shapes = calloc(shapes + 1, sizeof *m->b.shapes);
    if (m->b.exporters == NULL || m->b.shapes == NULL ||
        !build_numbers_new(&m->exporter_slots, exporters) ||
        !build_numbers_new(&m->shape_slots, shapes))
        return no_memory(m);
    for (size_t i = 0; i < m->n_in && rc == ERR_OK; i++)
        rc = number_input(m, &m->in[i]);
    if (rc == ERR_OK && (m->b.n_exporters > SEG_TABLES || m->b.n_shapes > SEG_TABLES))
        rc = err_set(m->e, ERR_LIMIT,
                     "%u exporters and %u shapes in one segment; at most %u fit; merge fewer",
                     m->b.n_exporters, m->b.n_shapes, SEG_TABLES);
    m->b.extra_form = calloc((size_t)m->b.n_shapes + 1, 1);
    if (rc == ERR_OK && m->b.extra_form == NULL)
        rc = no_memory(m);
    m->k.n_exporters = m->b.n_exporters;
    m->k.n_shapes = m->b.n_shapes;
    return rc;
}

/* ------------------------------------------------------------------ what belongs to addresses */

/* What an input says of an address, in numbers of the output. */
static uint32_t attr_of(const struct merge_input *in, unsigned a, const uint32_t *t, uint32_t code)
{
    if (a != ATTR_NEXT)
        return t[code];
    return t[code] < in->s->rs.n_addrs ? in->addr[t[code]] : 0;
}

/* The first that is known of each address, over the inputs in order of time. */
static int choose_attrs(struct merge *m, unsigned a)
{
    uint32_t *to = calloc((size_t)m->b.n_addrs + 1, sizeof *to);
    int rc;

    m->b.attr[a] = to;
    if (to == NULL)
        return no_memory(m);
    for (size_t i = 0; i < m->n_in; i++) {
        const struct merge_input *in = &m->in[i];
        const uint32_t *t;
        if (in->s->table[TABLE_ATTR + a].len == 0)
            continue;
        if ((rc = segment_attr(in->s, a, &t, m->e)) != ERR_OK)
            return merge_blame(m, i, rc);
        for (uint32_t c = 0; c < in->s->rs.n_addrs; c++) {
            uint32_t at = in->addr[c];
            to[at] = to[at] != 0 ? to[at] : attr_of(in, a, t, c);
        }
    }
    for (size_t i = 0; i < m->n_in; i++) {
        struct merge_input *in = &m->in[i];
        const uint32_t *t = NULL;
        uint32_t differ;
        if (in->s->table[TABLE_ATTR + a].len > 0 &&
            (rc = segment_attr(in->s, a, &t, m->e)) != ERR_OK)
            return merge_blame(m, i, rc);
        differ = t == NULL;
        for (uint32_t c = 0; t != NULL && c < in->s->rs.n_addrs; c++)
            differ |= to[in->addr[c]] ^ attr_of(in, a, t, c);
        in->same_attr[a] = differ == 0;
    }
    return ERR_OK;
}

int merge_numbers(struct merge *m)
{
    int rc = number_addrs(m);

    if (rc == ERR_OK)
        rc = number_others(m);
    for (unsigned a = 0; a < ATTR_N && rc == ERR_OK; a++)
        rc = choose_attrs(m, a);
    if (rc == ERR_OK)
        rc = merge_geo(m);
    if (rc == ERR_OK)
        build_extra_forms(&m->b);
    return rc;
}

/* ------------------------------------------------------------------ index of pages */

int merge_index_new(struct merge *m)
{
    struct merge_index *x = &m->index;

    x->seen = calloc((size_t)m->b.n_addrs + 1, sizeof *x->seen);
    x->count = calloc((size_t)m->b.n_addrs + 1, sizeof *x->count);
    x->page_end = calloc(((size_t)m->n_pieces + 1) * ROWSET_BLOCK_PAGES, sizeof *x->page_end);
    return x->seen != NULL && x->count != NULL && x->page_end != NULL ? ERR_OK : ERR_NOMEM;
}

static void note(struct merge_index *x, const uint32_t *codes, uint32_t n, uint32_t page)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t c = codes[i];
        if (x->seen[c] == page + 1)
            continue;
        x->seen[c] = page + 1;
        x->count[c]++;
        x->code[x->n++] = c;
    }
}

int merge_index_note(struct merge *m, uint32_t block)
{
    struct merge_index *x = &m->index;
    const struct build_block *k = &m->k;

    for (uint32_t p = 0; p < ROWSET_BLOCK_PAGES; p++) {
        uint32_t first = p * ROWSET_VECTOR, page = block * ROWSET_BLOCK_PAGES + p;
        uint32_t n = first < k->n ? MIN(ROWSET_VECTOR, k->n - first) : 0;
        if (x->n + 2 * (size_t)n > x->cap) {
            size_t cap = MAX((size_t)1 << 16, x->cap * 2);
            uint32_t *code = realloc(x->code, cap * sizeof *code);
            if (code == NULL)
                return no_memory(m);
            x->code = code;
            x->cap = cap;
        }
        note(x, k->src + first, n, page);
        note(x, k->dst + first, n, page);
        x->page_end[page] = x->n;
    }
    return ERR_OK;
}

/* Postings of one input, read in order. */
struct posts {
    struct vec counts;
    const uint8_t *p;
    size_t left; /* octets */
    uint32_t width, at;
    uint64_t count[PAGE_VALUES];
};

static bool posts_open(struct posts *x, const struct segment *s, struct err *e)
{
    const uint8_t *p = segment_chunk(s, s->table[TABLE_PAGES], "index of addresses", e);
    struct rd r = rd_init(p, p != NULL ? s->table[TABLE_PAGES].len : 0);

    x->width = (uint32_t)rd_le(&r, 1);
    (void)rd_take(&r, (size_t)vec_pages(s->rs.n_addrs) * 4);
    if (!rd_ok(&r) || x->width > 2 || vec_open(&x->counts, &r, s->rs.n_addrs) != ERR_OK)
        return false;
    x->p = r.p;
    x->left = r.left;
    x->at = 0;
    return true;
}

/* The postings of the next address; false when damaged. */
static bool posts_next(struct posts *x, struct rd *list)
{
    uint64_t octets;

    if (x->at % PAGE_VALUES == 0 && vec_page64(&x->counts, x->at / PAGE_VALUES, x->count) != ERR_OK)
        return false;
    octets = x->count[x->at++ % PAGE_VALUES];
    if (octets > x->left || (octets *= MAX(1u, x->width)) > x->left)
        return false;
    *list = rd_init(x->p, octets);
    x->p += octets;
    x->left -= octets;
    return true;
}

/* Pages of one address, gathered from the inputs in any order. */
struct gather {
    uint32_t few[FEW_PAGES], n;
    bool many;
    uint64_t bits[ROWSET_PAGE_WORDS(SEG_BLOCKS + 1)];
    uint32_t words;
    /* as they stand in the file */
    uint32_t width, before;
    size_t octets;
    uint8_t out[(SEG_BLOCKS + 1) * ROWSET_BLOCK_PAGES * SEG_GAP_OCTETS];
};

static void gather_add(struct gather *g, uint32_t page)
{
    uint32_t i;

    if (!g->many && g->n < FEW_PAGES) {
        for (i = g->n++; i > 0 && g->few[i - 1] > page; i--)
            g->few[i] = g->few[i - 1];
        g->few[i] = page;
        return;
    }
    for (i = 0; !g->many && i < g->n; i++)
        g->bits[g->few[i] / 64] |= 1ull << g->few[i] % 64;
    g->many = true;
    g->bits[page / 64] |= 1ull << page % 64;
}

static void put_page(struct gather *g, uint32_t page)
{
    uint32_t gap = page - g->before;

    if (g->width > 0) {
        g->out[g->octets++] = (uint8_t)page;
        return;
    }
    for (; gap > 127; gap >>= 7)
        g->out[g->octets++] = (uint8_t)(gap | 128);
    g->out[g->octets++] = (uint8_t)gap;
    g->before = page + 1;
}

/* What was gathered, ascending, to g->out; empty for the next address. */
static void gather_encode(struct gather *g)
{
    g->before = 0;
    g->octets = 0;
    for (uint32_t i = 0; !g->many && i < g->n; i++)
        put_page(g, g->few[i]);
    for (uint32_t w = 0; g->many && w < g->words; w++) {
        for (uint64_t x = g->bits[w]; x != 0; x &= x - 1)
            put_page(g, w * 64 + (uint32_t)__builtin_ctzll(x));
        g->bits[w] = 0;
    }
    g->n = 0;
    g->many = false;
}

/* The postings of address `code` of the output, from every input that has it. */
static int gather_code(struct merge *m, struct posts *x, struct gather *g, uint32_t code)
{
    for (size_t i = 0; i < m->n_in; i++) {
        const struct merge_input *in = &m->in[i];
        uint32_t pages = in->s->rs.n_blocks * ROWSET_BLOCK_PAGES, before = 0, page;
        struct rd list;
        if (x[i].at >= in->s->rs.n_addrs || in->addr[x[i].at] != code)
            continue;
        if (!posts_next(&x[i], &list))
            return damaged(m, i, "index of addresses");
        while (list.left > 0) {
            if (!segment_next_page(&list, x[i].width, &before, &page) || page >= pages)
                return damaged(m, i, "index of addresses");
            gather_add(g, in->block_at[page / ROWSET_BLOCK_PAGES] * ROWSET_BLOCK_PAGES +
                              page % ROWSET_BLOCK_PAGES);
        }
    }
    return ERR_OK;
}

/* What was noted of the rows, by code and page: page_of[start[c]] .. are those of code c. */
static uint16_t *sort_noted(struct merge *m)
{
    struct merge_index *x = &m->index;
    uint32_t pages = m->r->info.n_blocks * ROWSET_BLOCK_PAGES, sum = 0;
    uint16_t *page_of = malloc((x->n + 1) * sizeof *page_of);

    for (uint32_t c = 0; c < m->b.n_addrs; c++) { /* seen: where its next page goes */
        x->seen[c] = sum;
        sum += x->count[c];
    }
    for (size_t p = 0, i = 0; page_of != NULL && p < pages; p++)
        for (; i < x->page_end[p]; i++)
            page_of[x->seen[x->code[i]]++] = (uint16_t)p;
    return page_of;
}

static int open_posts(struct merge *m, struct posts *x)
{
    int rc = ERR_OK;

    for (size_t i = 0; i < m->n_in && rc == ERR_OK; i++) {
        if (!posts_open(&x[i], m->in[i].s, m->e))
            rc = damaged(m, i, "index of addresses");
        else
            rc = merge_pace(m, m->in[i].s->table[TABLE_PAGES].len);
    }
    return rc;
}

/* All postings in the order of the codes: with `octets`, only how many octets each takes; else to
 * the file. `page_of` is what was noted of the rows, or NULL: what the inputs' indexes say. */
static int walk_postings(struct merge *m, struct posts *x, const uint16_t *page_of,
                         struct gather *g, uint32_t *octets)
{
    int rc = page_of != NULL ? ERR_OK : open_posts(m, x);

    for (uint32_t c = 0, at = 0; c < m->b.n_addrs && rc == ERR_OK; c++) {
        if (page_of != NULL)
            for (uint32_t i = 0; i < m->index.count[c]; i++)
                gather_add(g, page_of[at++]);
        else
            rc = gather_code(m, x, g, c);
        gather_encode(g);
        if (octets != NULL)
            octets[c] = (uint32_t)g->octets;
        else if (rc == ERR_OK)
            rc = merge_put(m, g->out, g->octets);
    }
    return rc;
}

/* As vec_encode, of 32-bit numbers. */
static void encode32(struct buf *out, const uint32_t *v, uint32_t n)
{
    size_t lens = out->len;
    struct page_choice c = { 0 };
    uint64_t page[PAGE_VALUES];

    (void)buf_room(out, (size_t)vec_pages(n) * 2);
    for (uint32_t i = 0; i < vec_pages(n); i++) {
        uint32_t k = MIN(PAGE_VALUES, n - i * PAGE_VALUES);
        size_t at = out->len;
        for (uint32_t x = 0; x < k; x++)
            page[x] = v[(size_t)i * PAGE_VALUES + x];
        page_encode(out, page, k, &c);
        if (buf_ok(out))
            le_put(out->p + lens + 2u * i, out->len - at, 2);
    }
}

/* u8 width; u32 place of the first posting for every PAGE_VALUES codes; octets of each; postings.
 */
static int put_index(struct merge *m, struct posts *x, const uint16_t *page_of, struct gather *g,
                     uint32_t *octets)
{
    uint64_t sum = 0;
    int rc;

    g->words = ROWSET_PAGE_WORDS(m->r->info.n_blocks);
    g->width = m->r->info.n_blocks * ROWSET_BLOCK_PAGES <= 256 ? 1 : 0;
    if ((rc = walk_postings(m, x, page_of, g, octets)) != ERR_OK)
        return rc;
    buf_le(&m->chunk, g->width, 1);
    for (uint32_t c = 0; c < m->b.n_addrs; c++) {
        if (c % PAGE_VALUES == 0)
            buf_le(&m->chunk, sum, 4);
        sum += octets[c];
    }
    if (sum > UINT32_MAX)
        return err_set(m->e, ERR_LIMIT, "%s: index too large; merge fewer segments", m->path);
    encode32(&m->chunk, octets, m->b.n_addrs);
    if (!buf_ok(&m->chunk))
        return no_memory(m);
    merge_begin(m);
    rc = merge_put(m, m->chunk.p, m->chunk.len);
    buf_clear(&m->chunk);
    if (rc == ERR_OK)
        rc = walk_postings(m, x, page_of, g, NULL);
    return rc == ERR_OK ? merge_end(m, &m->b.table[TABLE_PAGES]) : rc;
}

static int put_pages(struct merge *m)
{
    uint32_t *octets = calloc((size_t)m->b.n_addrs + 1, sizeof *octets);
    struct posts *x = calloc(m->n_in + 1, sizeof *x);
    struct gather *g = calloc(1, sizeof *g);
    uint16_t *page_of = m->join ? sort_noted(m) : NULL;
    int rc;

    for (size_t i = 0; !m->join && i < m->n_in; i++)
        m->r->octets_read += m->in[i].s->table[TABLE_PAGES].len;
    if (octets == NULL || x == NULL || g == NULL || (m->join && page_of == NULL))
        rc = no_memory(m);
    else
        rc = put_index(m, x, page_of, g, octets);
    free(octets);
    free(x);
    free(g);
    free(page_of);
    return rc;
}

/* ------------------------------------------------------------------ totals by minute */

static bool same_key(const struct marginal_row *a, const struct marginal_row *b)
{
    return a->minute_ms == b->minute_ms && memcmp(a->key, b->key, sizeof a->key) == 0 &&
           a->rate == b->rate;
}

/* Sum up rows of one key; they are sorted. Returns how many are left. */
static uint32_t fold(struct marginal_row *row, uint32_t n)
{
    uint32_t k = 0;

    for (uint32_t i = 1; i < n; i++) {
        if (!same_key(&row[k], &row[i])) {
            row[++k] = row[i];
            continue;
        }
        row[k].flows += row[i].flows;
        row[k].bytes += row[i].bytes;
        row[k].packets += row[i].packets;
        row[k].rev_bytes += row[i].rev_bytes;
        row[k].rev_packets += row[i].rev_packets;
    }
    return n > 0 ? k + 1 : 0;
}

/* The rows of every input, in numbers of the output. *keep false: some input has none of them. */
static int gather_marginal(struct merge *m, enum marginal which, struct marginal_row **row,
                           uint32_t *n, bool *keep)
{
    const struct marginal_row *r;
    uint32_t k;
    uint64_t total = 0;
    int rc;

    *keep = m->r->info.n_rows > 0;
    for (size_t i = 0; i < m->n_in && *keep; i++) {
        const struct segment *s = m->in[i].s;
        if (s->info.n_rows == 0)
            continue;
        rc = segment_marginal(&s->rs, which, &r, &k, m->e);
        if (rc != ERR_OK && rc != ERR_UNSUPPORTED)
            return merge_blame(m, i, rc);
        total += rc == ERR_OK ? k : 0;
        *keep = rc == ERR_OK && total <= MARGINAL_MAX;
    }
    if (!*keep)
        return ERR_OK;
    *row = malloc((total + 1) * sizeof **row);
    if (*row == NULL)
        return no_memory(m);
    for (size_t i = 0; i < m->n_in; i++) {
        const struct merge_input *in = &m->in[i];
        if (in->s->info.n_rows == 0)
            continue;
        if ((rc = segment_marginal(&in->s->rs, which, &r, &k, m->e)) != ERR_OK)
            return merge_blame(m, i, rc);
        memcpy(*row + *n, r, k * sizeof *r);
        for (uint32_t x = 0; which == MARGINAL_IF && x < k; x++)
            (*row)[*n + x].key[0] = in->exporter[r[x].key[0]];
        *n += k;
    }
    return ERR_OK;
}

static int put_marginals(struct merge *m)
{
    int rc = ERR_OK;

    for (unsigned w = 0; w < MARGINAL_N && rc == ERR_OK; w++) {
        struct marginal_row *row = NULL;
        uint64_t *v = NULL;
        uint32_t n = 0;
        bool keep;
        rc = gather_marginal(m, w, &row, &n, &keep);
        if (rc == ERR_OK && keep) {
            build_sort_marginal(row, n);
            n = fold(row, n);
            keep = n <= build_marginal_ceiling(m->r->info.n_rows);
            v = malloc(((size_t)n + 1) * sizeof *v);
            rc = v != NULL ? ERR_OK : no_memory(m);
        }
        if (rc == ERR_OK && keep) {
            build_put_marginal(&m->b, row, n, w, v);
            rc = merge_put_chunk(m, &m->b.table[TABLE_MARGINAL + w]);
        }
        free(row);
        free(v);
    }
    return rc;
}

/* ------------------------------------------------------------------ option records */

/* The table of an input: its four vectors to v (stride records apart), and what is behind them. */
static bool get_options(const struct merge_input *in, struct rd *r, uint64_t *v, size_t stride)
{
    uint32_t n = (uint32_t)rd_le(r, 4);
    uint64_t page[PAGE_VALUES];

    if (!rd_ok(r) || n != in->s->info.n_options)
        return false;
    for (unsigned c = 0; c < 4; c++) {
        struct vec x;
        if (vec_open(&x, r, n) != ERR_OK)
            return false;
        for (uint32_t p = 0; p < vec_pages(n); p++) {
            uint32_t k = MIN(PAGE_VALUES, n - p * PAGE_VALUES);
            if (vec_page64(&x, p, page) != ERR_OK)
                return false;
            memcpy(v + c * stride + (size_t)p * PAGE_VALUES, page, k * sizeof *v);
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        uint64_t *exporter = &v[stride + i], *shape = &v[2 * stride + i];
        if (*exporter >= in->s->rs.n_exporters || *shape >= in->s->rs.n_shapes)
            return false;
        *exporter = in->exporter[*exporter];
        *shape = in->shape[*shape];
    }
    return true;
}

/* Pieces are copied as they are, one input behind the other. */
static int put_options(struct merge *m)
{
    uint32_t n = m->r->info.n_options, pieces = 0;
    struct rd *rest = calloc(m->n_in + 1, sizeof *rest);
    uint64_t *v = n <= OPTIONS_MAX ? malloc(((size_t)n + 1) * 4 * sizeof *v) : NULL;
    int rc = n > OPTIONS_MAX ? ERR_LIMIT : ERR_OK;

    if (rc != ERR_OK)
        (void)err_set(m->e, rc, "%u option records do not fit one segment; merge fewer", n);
    else if (rest == NULL || v == NULL)
        rc = no_memory(m);
    for (size_t i = 0, at = 0; i < m->n_in && n > 0 && rc == ERR_OK; i++) {
        const struct segment *s = m->in[i].s;
        struct seg_ref ref = s->table[TABLE_OPTIONS];
        const uint8_t *p;
        if (s->info.n_options == 0)
            continue;
        p = segment_chunk(s, ref, "table of option records", m->e);
        rest[i] = rd_init(p, p != NULL ? ref.len : 0);
        m->r->octets_read += ref.len;
        if (p == NULL || !get_options(&m->in[i], &rest[i], v + at, n))
            rc = damaged(m, i, "table of option records");
        pieces += (uint32_t)rd_le(&rest[i], 4);
        at += s->info.n_options;
    }
    if (rc == ERR_OK && n > 0) {
        buf_le(&m->chunk, n, 4);
        for (unsigned c = 0; c < 4; c++)
            vec_encode(&m->chunk, v + (size_t)c * n, n);
        buf_le(&m->chunk, pieces, 4);
        rc = buf_ok(&m->chunk) ? ERR_OK : no_memory(m);
        merge_begin(m);
        if (rc == ERR_OK)
            rc = merge_put(m, m->chunk.p, m->chunk.len);
        buf_clear(&m->chunk);
        for (size_t i = 0; i < m->n_in && rc == ERR_OK; i++)
            if (m->in[i].s->info.n_options > 0)
                rc = merge_put(m, rest[i].p, rest[i].left);
        if (rc == ERR_OK)
            rc = merge_end(m, &m->b.table[TABLE_OPTIONS]);
    }
    free(rest);
    free(v);
    return rc;
}

/* ------------------------------------------------------------------ all of them */

/* Addresses, exporters, shapes, what belongs to addresses: made in memory, then written at once,
 * so their places move with them. */
static int put_dictionary(struct merge *m)
{
    uint64_t at;
    struct seg_ref all;
    int rc;

    build_put_tables(&m->b);
    rc = merge_put_chunk(m, &all);
    at = all.off;
    for (unsigned t = 0; t < TABLE_N && rc == ERR_OK; t++)
        if (m->b.table[t].len > 0)
            m->b.table[t].off += at;
    return rc;
}

int merge_tables(struct merge *m)
{
    /* the dictionary first: it places what stands in m->b.table then */
    static int (*const put[])(struct merge *) = { put_dictionary, put_pages, put_options,
                                                  put_marginals };
    int rc = ERR_OK;

    for (unsigned i = 0; i < ARRAY_LEN(put) && rc == ERR_OK; i++)
        rc = put[i](m);
    return rc;
}
