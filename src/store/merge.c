/* Merge of segments: the order of blocks, their columns and extras, the file. */
#include "store/merge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/page.h"
#include "store/merge_part.h"

#define PENDING_OCTETS (1u << 20)
#define SYNC_OCTETS    (32u << 20) /* so that the last fsync does not write gigabytes at once */
#define APART_MS       600000      /* as in store/part.c */
#define CHUNK_MAX      ((size_t)UINT32_MAX)

/* ------------------------------------------------------------------ the file */

int merge_pace(struct merge *m, uint64_t octets)
{
    int rc = ERR_OK;

    m->unpaced += octets;
    if (m->unpaced >= PENDING_OCTETS / 4 && m->o->pace != NULL) {
        rc = m->o->pace(m->o->ctx, m->unpaced);
        m->unpaced = 0;
    }
    return rc == ERR_OK ? rc : err_set(m->e, rc, "%s: %s", m->path, err_name(rc));
}

static int flush(struct merge *m)
{
    int rc = os_file_write(m->fd, m->path, m->at, m->pending.p, m->pending.len, m->e);

    if (rc != ERR_OK)
        return rc;
    m->at += m->pending.len;
    buf_clear(&m->pending);
    if (m->at - m->synced < SYNC_OCTETS)
        return ERR_OK;
    m->synced = m->at;
    return os_file_sync(m->fd, m->path, m->e);
}

int merge_write(struct merge *m, const void *p, size_t n)
{
    const uint8_t *q = p;
    int rc = ERR_OK;

    while (n > 0 && rc == ERR_OK) {
        size_t k = MIN(n, PENDING_OCTETS - m->pending.len);
        buf_put(&m->pending, q, k);
        if (!buf_ok(&m->pending))
            return err_set(m->e, ERR_NOMEM, "%s: out of memory", m->path);
        q += k;
        n -= k;
        if (m->pending.len == PENDING_OCTETS)
            rc = flush(m);
        if (rc == ERR_OK)
            rc = merge_pace(m, k);
    }
    return rc;
}

static uint64_t place(const struct merge *m)
{
    return m->at + m->pending.len;
}

int merge_put_chunk(struct merge *m, struct seg_ref *ref)
{
    int rc;

    *ref = (struct seg_ref){ 0 };
    if (!buf_ok(&m->chunk))
        return err_set(m->e, ERR_NOMEM, "%s: out of memory", m->path);
    if (m->chunk.len == 0)
        return ERR_OK;
    *ref = build_ref(&m->chunk, 0);
    ref->off = place(m);
    rc = merge_write(m, m->chunk.p, m->chunk.len);
    buf_clear(&m->chunk);
    return rc;
}

void merge_begin(struct merge *m)
{
    (void)XXH3_64bits_reset(m->sum);
    m->chunk_at = place(m);
}

int merge_put(struct merge *m, const void *p, size_t n)
{
    (void)XXH3_64bits_update(m->sum, p, n);
    return merge_write(m, p, n);
}

int merge_end(struct merge *m, struct seg_ref *ref)
{
    uint64_t n = place(m) - m->chunk_at;

    if (n > UINT32_MAX)
        return err_set(m->e, ERR_LIMIT, "%s: a table of more than 4 GB; merge fewer segments",
                       m->path);
    *ref = (struct seg_ref){ m->chunk_at, (uint32_t)n, (uint32_t)XXH3_64bits_digest(m->sum) };
    return ERR_OK;
}

int merge_blame(struct merge *m, size_t input, int rc)
{
    if (rc == ERR_CORRUPT)
        m->r->damaged = input;
    return rc;
}

/* ------------------------------------------------------------------ order of blocks */

static int by_time(const void *x, const void *y)
{
    const struct merge_piece *a = x, *b = y;

    if (a->apart != b->apart)
        return a->apart ? 1 : -1;
    if (a->received_ms != b->received_ms)
        return a->received_ms < b->received_ms ? -1 : 1;
    if (a->input != b->input)
        return a->input < b->input ? -1 : 1;
    return a->block < b->block ? -1 : a->block > b->block;
}

static int list_pieces(struct merge *m)
{
    uint32_t n = 0;

    for (size_t i = 0; i < m->n_in; i++)
        n += m->in[i].s->rs.n_blocks;
    m->piece = calloc((size_t)n + 1, sizeof *m->piece);
    if (m->piece == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < m->n_in; i++) {
        const struct rowset *rs = &m->in[i].s->rs;
        for (uint32_t b = 0; b < rs->n_blocks; b++) {
            uint64_t min = 0, start = 0, max;
            (void)rs->ops->zone(rs, b, COL_RECEIVED, &min, &max);
            (void)rs->ops->zone(rs, b, COL_START, &start, &max);
            m->piece[m->n_pieces++] =
                (struct merge_piece){ .received_ms = (int64_t)min,
                                      .input = (uint32_t)i,
                                      .block = b,
                                      .rows = m->in[i].s->block[b].n,
                                      .apart = (int64_t)start < (int64_t)min - APART_MS };
        }
    }
    qsort(m->piece, m->n_pieces, sizeof *m->piece, by_time);
    return ERR_OK;
}

/* How many pieces from `first` on make one block. */
static uint32_t group_of(const struct merge *m, uint32_t first)
{
    uint32_t rows = m->piece[first].rows, n = 1;

    while (m->join && first + n < m->n_pieces &&
           m->piece[first + n].apart == m->piece[first].apart &&
           rows + m->piece[first + n].rows <= BATCH_ROWS &&
           MIN(rows, m->piece[first + n].rows) < MERGE_SMALL_ROWS)
        rows += m->piece[first + n++].rows;
    return n;
}

/* ------------------------------------------------------------------ columns */

static const struct seg_column *column_of(const struct seg_block *b, enum col col)
{
    if ((b->present >> col & 1) == 0)
        return NULL;
    return &b->column[__builtin_popcountll(b->present & ((1ull << col) - 1))];
}

static const uint32_t *map_of(const struct merge_input *in, enum col col)
{
    if (col_info[col].kind == COL_KIND_ADDR)
        return in->addr;
    if (col == COL_EXPORTER)
        return in->exporter;
    return col == COL_SHAPE ? in->shape : NULL;
}

static void store_narrow(void *to, unsigned bits, uint32_t at, const uint32_t *v, uint32_t n)
{
    switch (bits) {
    case 8:
        for (uint32_t i = 0; i < n; i++)
            ((uint8_t *)to)[at + i] = (uint8_t)v[i];
        return;
    case 16:
        for (uint32_t i = 0; i < n; i++)
            ((uint16_t *)to)[at + i] = (uint16_t)v[i];
        return;
    default:
        memcpy((uint32_t *)to + at, v, n * sizeof *v);
    }
}

/* A column of a piece, in numbers of the output, to the rows from `at` on of the block at hand. */
static int load_column(struct merge *m, const struct merge_piece *p, enum col col, uint32_t at)
{
    const struct merge_input *in = &m->in[p->input];
    const uint32_t *map = map_of(in, col);
    unsigned bits = col_info[col].bits;
    void *to = col == COL_SRC_IP   ? (void *)m->k.src
               : col == COL_DST_IP ? (void *)m->k.dst
                                   : m->batch->col[col];
    uint32_t v[PAGE_VALUES];
    int rc = ERR_OK;

    for (uint32_t first = 0; first < p->rows && rc == ERR_OK; first += PAGE_VALUES) {
        uint32_t n = MIN(PAGE_VALUES, p->rows - first);
        if (bits > 32) {
            rc = segment_read(&in->s->rs, p->block, col, first, n, (uint64_t *)to + at + first,
                              m->e);
            continue;
        }
        rc = segment_read(&in->s->rs, p->block, col, first, n, v, m->e);
        for (uint32_t i = 0; map != NULL && rc == ERR_OK && i < n; i++)
            v[i] = map[v[i]];
        if (rc == ERR_OK)
            store_narrow(to, bits, at + first, v, n);
    }
    return merge_blame(m, p->input, rc);
}

/* Do the tables of what belongs to addresses agree for every row of this column? */
static int rows_agree(struct merge *m, const struct merge_piece *p, const struct derive *d,
                      bool *agree)
{
    struct merge_input *in = &m->in[p->input];
    const uint32_t *was, *is = m->b.attr[d->attr];
    const uint32_t *to = d->parent == COL_SRC_IP ? m->k.src : m->k.dst;
    uint32_t v[PAGE_VALUES], differ = 0;
    int rc = segment_attr(in->s, d->attr, &was, m->e);

    for (uint32_t first = 0; first < p->rows && rc == ERR_OK; first += PAGE_VALUES) {
        uint32_t n = MIN(PAGE_VALUES, p->rows - first);
        rc = segment_read(&in->s->rs, p->block, d->parent, first, n, v, m->e);
        for (uint32_t i = 0; i < n && rc == ERR_OK; i++)
            differ |= was[v[i]] ^ is[to[first + i]];
    }
    *agree = differ == 0;
    return merge_blame(m, p->input, rc);
}

/* May the octets of a column be copied? */
static int may_copy(struct merge *m, const struct merge_piece *p, enum col col, bool *copy)
{
    const struct merge_input *in = &m->in[p->input];
    const struct seg_column *c = column_of(&in->s->block[p->block], col);
    const struct derive *d = &seg_derive[col];

    *copy = true;
    if (col == COL_EXPORTER)
        *copy = in->same_exporters;
    else if (col == COL_SHAPE)
        *copy = in->same_shapes;
    else if (c != NULL && col_info[col].kind == COL_KIND_ADDR)
        *copy = false;
    else if (c != NULL && c->form != 0 && d->kind == DERIVE_ATTR && !in->same_attr[d->attr])
        return rows_agree(m, p, d, copy);
    return ERR_OK;
}

static int copy_column(struct merge *m, const struct merge_piece *p, enum col col,
                       struct build_column *out)
{
    const struct segment *s = m->in[p->input].s;
    const struct seg_column *c = column_of(&s->block[p->block], col);
    const uint8_t *octets;

    if (c == NULL)
        return ERR_OK;
    octets = segment_chunk(s, c->ref, col_info[col].name, m->e);
    if (octets == NULL)
        return merge_blame(m, p->input, ERR_CORRUPT);
    *out = (struct build_column){ .ref = c->ref, .form = c->form, .min = c->min, .max = c->max };
    out->ref.off = place(m);
    if (c->form != 0 && seg_derive[col].kind == DERIVE_ATTR)
        m->b.attr_used[seg_derive[col].attr] = true;
    return merge_write(m, octets, c->ref.len);
}

/* Is there anything but zero in this column? */
static bool used(const struct merge *m, const struct merge_piece *p, uint32_t n, enum col col)
{
    for (uint32_t i = 0; i < n; i++)
        if (col == COL_EXPORTER || col == COL_SHAPE ||
            column_of(&m->in[p[i].input].s->block[p[i].block], col) != NULL)
            return true;
    return false;
}

static int load_all(struct merge *m, const struct merge_piece *p, uint32_t n, enum col col)
{
    int rc = ERR_OK;

    for (uint32_t i = 0, at = 0; i < n && rc == ERR_OK; at += p[i++].rows)
        rc = load_column(m, &p[i], col, at);
    return rc;
}

/* Columns of one block: the copied ones while the others are read, then these. */
static int put_columns(struct merge *m, const struct merge_piece *p, uint32_t n,
                       struct build_column c[COL_N])
{
    uint64_t made = 0;
    int rc = ERR_OK;

    for (unsigned i = 0; i < COL_N && rc == ERR_OK; i++) {
        bool copy = false;
        if (n == 1 && (rc = may_copy(m, p, i, &copy)) != ERR_OK)
            break;
        if (copy) {
            rc = copy_column(m, p, i, &c[i]);
        } else if (used(m, p, n, i)) {
            made |= 1ull << i;
            if (i != COL_SRC_IP && i != COL_DST_IP) /* these are there already */
                rc = load_all(m, p, n, i);
        }
    }
    for (unsigned i = 0; i < COL_N && rc == ERR_OK; i++) {
        struct seg_ref ref;
        if ((made >> i & 1) == 0)
            continue;
        build_put_column(&m->b, &m->k, i, &c[i]);
        rc = merge_put_chunk(m, &ref);
        c[i].ref = ref;
    }
    for (unsigned i = 0; i < COL_N; i++)
        m->r->sizes.column[i] += c[i].ref.len;
    return rc;
}

/* ------------------------------------------------------------------ extras */

/* The chunk with other numbers of shapes. */
static int copy_extras(struct merge *m, const struct merge_piece *p, struct seg_ref *out)
{
    const struct merge_input *in = &m->in[p->input];
    struct seg_ref was = in->s->block[p->block].extras;
    const uint8_t *octets;
    uint32_t groups;
    int rc;

    if (was.len == 0)
        return ERR_OK;
    octets = segment_chunk(in->s, was, "extras", m->e);
    if (octets == NULL)
        return merge_blame(m, p->input, ERR_CORRUPT);
    groups = was.len >= 2 ? le16(octets) : 0;
    if (was.len < 2 || was.len - 2 < groups * 11u)
        return merge_blame(m, p->input,
                           err_set(m->e, ERR_CORRUPT, "segment %s: extras damaged", in->s->name));
    buf_put(&m->chunk, octets, 2 + 11 * (size_t)groups);
    for (uint32_t g = 0; g < groups && buf_ok(&m->chunk); g++) {
        uint8_t *entry = m->chunk.p + 2 + 11 * (size_t)g;
        if (le16(entry) >= in->s->rs.n_shapes) {
            buf_clear(&m->chunk);
            return merge_blame(
                m, p->input, err_set(m->e, ERR_CORRUPT, "segment %s: extras damaged", in->s->name));
        }
        le_put(entry, in->shape[le16(entry)], 2);
    }
    merge_begin(m);
    rc = buf_ok(&m->chunk) ? merge_put(m, m->chunk.p, m->chunk.len)
                           : err_set(m->e, ERR_NOMEM, "%s: out of memory", m->path);
    buf_clear(&m->chunk);
    if (rc == ERR_OK)
        rc = merge_put(m, octets + 2 + 11 * (size_t)groups, was.len - 2 - 11 * (size_t)groups);
    return rc == ERR_OK ? merge_end(m, out) : rc;
}

/* What pages of a block tell does not depend on numbers. */
static int copy_filter(struct merge *m, const struct merge_piece *p, struct seg_ref *out)
{
    const struct merge_input *in = &m->in[p->input];
    struct seg_ref was = in->s->block[p->block].filter;
    const uint8_t *octets;

    if (was.len == 0)
        return ERR_OK;
    octets = segment_chunk(in->s, was, "index of translations", m->e);
    if (octets == NULL)
        return merge_blame(m, p->input, ERR_CORRUPT);
    *out = was;
    out->off = place(m);
    return merge_write(m, octets, was.len);
}

/* Extras of the rows of all pieces into the batch. ERR_FULL: more than one block may hold. */
static int load_extras(struct merge *m, const struct merge_piece *p, uint32_t n)
{
    struct rowset_extras *x = m->read_extras;
    uint32_t at = 0;

    buf_clear(&m->extras);
    for (uint32_t i = 0; i < n; at += p[i++].rows) {
        const struct rowset *rs = &m->in[p[i].input].s->rs;
        for (uint32_t first = 0; first < p[i].rows; first += ROWSET_VECTOR) {
            uint32_t k = MIN(ROWSET_VECTOR, p[i].rows - first);
            int rc = segment_extras(rs, p[i].block, first, k, x, m->e);
            if (rc != ERR_OK)
                return merge_blame(m, p[i].input, rc);
            for (uint32_t r = 0; r < k; r++) {
                m->batch->extra_off[at + first + r] = (uint32_t)m->extras.len;
                m->batch->extra_len[at + first + r] = x->len[r];
                buf_put(&m->extras, x->p[r], x->len[r]);
            }
            if (!buf_ok(&m->extras))
                return ERR_FULL;
        }
    }
    return ERR_OK;
}

static int put_extras(struct merge *m, struct seg_ref *out, struct seg_ref *filter)
{
    uint8_t *own = m->batch->extra_octets;
    int rc;

    m->batch->extra_octets = m->extras.p; /* borrowed for the call */
    rc = build_extras(&m->b, &m->k, &m->chunk);
    if (rc == ERR_OK && (rc = merge_put_chunk(m, out)) == ERR_OK &&
        (rc = build_filter(&m->b, &m->k, &m->chunk)) == ERR_OK)
        rc = merge_put_chunk(m, filter);
    m->batch->extra_octets = own;
    return rc == ERR_NOMEM ? err_set(m->e, rc, "%s: out of memory", m->path) : rc;
}

/* ------------------------------------------------------------------ blocks */

/* ERR_FULL: the pieces do not fit one block. */
static int put_block(struct merge *m, const struct merge_piece *p, uint32_t n)
{
    struct build_column c[COL_N] = { 0 };
    struct seg_ref extras = { 0 }, filter = { 0 };
    uint64_t octets = 0;
    int rc;

    m->k.n = 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct seg_block *b = &m->in[p[i].input].s->block[p[i].block];
        m->k.n += p[i].rows;
        octets += b->extras.len + b->filter.len;
        for (int x = 0; x < __builtin_popcountll(b->present); x++)
            octets += b->column[x].ref.len;
    }
    if (n > 1 && (rc = load_extras(m, p, n)) != ERR_OK)
        return rc;
    if ((rc = load_all(m, p, n, COL_SRC_IP)) != ERR_OK ||
        (rc = load_all(m, p, n, COL_DST_IP)) != ERR_OK || (rc = put_columns(m, p, n, c)) != ERR_OK)
        return rc;
    rc = n == 1 ? copy_extras(m, p, &extras) : put_extras(m, &extras, &filter);
    if (rc == ERR_OK && n == 1)
        rc = copy_filter(m, p, &filter);
    if (rc == ERR_OK && m->join)
        rc = merge_index_note(m, m->r->info.n_blocks);
    if (rc != ERR_OK)
        return rc;
    m->r->sizes.column[COL_N] += extras.len + filter.len;
    build_put_entry(&m->blocks, m->k.n, extras, filter, c);
    if (n == 1)
        m->in[p->input].block_at[p->block] = m->r->info.n_blocks;
    m->r->info.n_blocks++;
    m->r->octets_read += octets;
    if (!buf_ok(&m->blocks))
        return err_set(m->e, ERR_NOMEM, "%s: out of memory", m->path);
    return merge_pace(m, octets);
}

static int put_blocks(struct merge *m)
{
    int rc = ERR_OK;

    for (uint32_t i = 0, n; i < m->n_pieces && rc == ERR_OK; i += n) {
        n = group_of(m, i);
        rc = put_block(m, &m->piece[i], n);
        if (rc != ERR_FULL)
            continue;
        rc = ERR_OK; /* extras too long for one block: each by itself */
        for (uint32_t k = 0; k < n && rc == ERR_OK; k++)
            rc = put_block(m, &m->piece[i + k], 1);
    }
    return rc;
}

/* ------------------------------------------------------------------ all of it */

/* Two segments that hold no flow twice hold none together if the exporters of one are among the
 * other's: where they could be seen to share a flow, they did not. */
static uint8_t views_of(const struct merge *m)
{
    const struct segment *most = m->in[0].s;
    bool apart = true;

    for (size_t i = 0; i < m->n_in; i++) {
        const struct segment *s = m->in[i].s;
        if (s->info.n_rows > 0 && s->info.views == VIEWS_SHARED)
            return VIEWS_SHARED;
        most = s->rs.n_exporters > most->rs.n_exporters ? s : most;
    }
    for (size_t i = 0; i < m->n_in && apart; i++) {
        const struct segment *s = m->in[i].s;
        apart = s->info.n_rows == 0 || (s->info.views == VIEWS_APART &&
                                        exporters_within(s->exporters, s->rs.n_exporters,
                                                         most->exporters, most->rs.n_exporters));
    }
    return apart ? VIEWS_APART : VIEWS_UNKNOWN;
}

static void fill_info(struct merge *m)
{
    struct seg_info *to = &m->r->info;

    *to = (struct seg_info){ .id = m->o->id,
                             .min_start_ms = INT64_MAX,
                             .max_start_ms = INT64_MIN,
                             .max_end_ms = INT64_MIN,
                             .min_received_ms = INT64_MAX,
                             .max_received_ms = INT64_MIN };
    for (size_t i = 0; i < m->n_in; i++) {
        const struct seg_info *x = &m->in[i].s->info;
        to->n_rows += x->n_rows;
        to->n_options += x->n_options;
        if (x->n_rows + x->n_options > 0) {
            to->min_received_ms = MIN(to->min_received_ms, x->min_received_ms);
            to->max_received_ms = MAX(to->max_received_ms, x->max_received_ms);
        }
        if (x->n_rows == 0)
            continue;
        to->min_start_ms = MIN(to->min_start_ms, x->min_start_ms);
        to->max_start_ms = MAX(to->max_start_ms, x->max_start_ms);
        to->max_end_ms = MAX(to->max_end_ms, x->max_end_ms);
    }
    to->views = views_of(m);
    if (to->n_rows == 0)
        to->min_start_ms = to->max_start_ms = to->max_end_ms = 0;
    if (to->min_received_ms > to->max_received_ms)
        to->min_received_ms = to->max_received_ms = 0;
}

/* What can be known before anything is written. */
static int check(struct merge *m)
{
    uint64_t rows = 0, blocks = 0, addrs = 0, options = 0;

    for (size_t i = 0; i < m->n_in; i++) {
        rows += m->in[i].s->info.n_rows;
        blocks += m->in[i].s->info.n_blocks;
        options += m->in[i].s->info.n_options;
        addrs += m->in[i].s->rs.n_addrs;
    }
    m->join = !m->o->keep_blocks && rows <= MERGE_REWRITE_ROWS;
    if (rows > UINT32_MAX || options > UINT32_MAX || (!m->join && blocks > SEG_BLOCKS))
        return err_set(m->e, ERR_LIMIT,
                       "%llu rows in %llu blocks do not fit one segment; merge fewer",
                       (unsigned long long)rows, (unsigned long long)blocks);
    if (m->o->memory > 0 && addrs * MERGE_IN_OCTETS + options * 32 > m->o->memory)
        return err_set(m->e, ERR_LIMIT,
                       "%llu addresses and %llu option records need more memory "
                       "than is allowed; merge fewer segments",
                       (unsigned long long)addrs, (unsigned long long)options);
    return ERR_OK;
}

static int prepare(struct merge *m, struct rowset *const *in, size_t n)
{
    int rc = ERR_NOMEM;

    m->in = calloc(n, sizeof *m->in);
    m->sum = XXH3_createState();
    m->same = malloc(sizeof *m->same << 16);
    m->b.codes = calloc(2 * BATCH_ROWS + 2 * PAGE_VALUES, sizeof *m->b.codes);
    m->read_extras = calloc(1, sizeof *m->read_extras);
    if (m->in == NULL || m->sum == NULL || m->same == NULL || m->b.codes == NULL ||
        m->read_extras == NULL || flow_batch_new(&m->batch) != ERR_OK)
        goto out;
    m->n_in = n;
    m->read_extras->hold = buf_init(SIZE_MAX / 2);
    for (uint32_t i = 0; i < 1u << 16; i++)
        m->same[i] = i;
    m->k = (struct build_block){ .b = m->batch,
                                 .exporter = m->same,
                                 .shape = m->same,
                                 .src = m->b.codes,
                                 .dst = m->b.codes + BATCH_ROWS + PAGE_VALUES };
    for (size_t i = 0; i < n; i++) {
        m->in[i].s = segment_of(in[i]);
        m->in[i].block_at = calloc((size_t)in[i]->n_blocks + 1, sizeof *m->in[i].block_at);
        if (m->in[i].block_at == NULL)
            goto out;
    }
    rc = check(m);
    if (rc == ERR_OK)
        fill_info(m);
out:
    return rc == ERR_NOMEM ? err_set(m->e, rc, "%s: out of memory", m->path) : rc;
}

static int put_footer(struct merge *m)
{
    struct buf f = buf_init((size_t)1 << 30);
    int rc;

    build_put_footer(&m->b, &m->r->info, &m->blocks, place(m), &f);
    rc = buf_ok(&f) && buf_ok(&m->blocks) ? merge_write(m, f.p, f.len)
                                          : err_set(m->e, ERR_NOMEM, "%s: out of memory", m->path);
    buf_free(&f);
    if (rc == ERR_OK)
        rc = flush(m);
    if (rc == ERR_OK)
        rc = os_file_sync(m->fd, m->path, m->e);
    m->r->info.octets = m->at;
    for (unsigned t = 0; t < TABLE_N; t++)
        m->r->sizes.table[t] = m->b.table[t].len;
    return rc;
}

static int put_file(struct merge *m)
{
    uint8_t head[SEG_HEAD] = SEG_MAGIC;
    int rc;

    le_put(head + 8, SEG_DRAFT, 4);
    le_put(head + 12, 0, 4);
    if ((rc = merge_write(m, head, sizeof head)) != ERR_OK || (rc = put_blocks(m)) != ERR_OK)
        return rc;
    if (m->r->info.n_blocks > SEG_BLOCKS)
        return err_set(m->e, ERR_LIMIT, "%u blocks do not fit one segment; merge fewer",
                       m->r->info.n_blocks);
    if ((rc = merge_tables(m)) != ERR_OK)
        return rc;
    return put_footer(m);
}

static void merge_free(struct merge *m)
{
    for (size_t i = 0; i < m->n_in; i++) {
        free(m->in[i].addr);
        free(m->in[i].exporter);
        free(m->in[i].shape);
        free(m->in[i].block_at);
    }
    for (unsigned a = 0; a < ATTR_N; a++)
        free(m->b.attr[a]);
    build_geo_free(&m->b);
    if (m->read_extras != NULL)
        buf_free(&m->read_extras->hold);
    free(m->read_extras);
    free(m->b.codes);
    free(m->b.addrs);
    free(m->b.exporters);
    free(m->b.shapes);
    free(m->b.extra_form);
    free(m->exporter_slots.slot);
    free(m->shape_slots.slot);
    free(m->index.seen);
    free(m->index.count);
    free(m->index.code);
    free(m->index.page_end);
    free(m->piece);
    free(m->same);
    free(m->in);
    buf_free(&m->extras);
    buf_free(&m->chunk);
    buf_free(&m->pending);
    buf_free(&m->blocks);
    flow_batch_unref(m->batch);
    (void)XXH3_freeState(m->sum);
}

/* Zeros that stood for octets of an input that cannot be read may have been copied. */
static int inputs_held(struct merge *m)
{
    for (size_t i = 0; i < m->n_in; i++)
        if (os_map_faulted(&m->in[i].s->map))
            return merge_blame(m, i,
                               err_set(m->e, ERR_CORRUPT, "segment %s: part of it cannot be read",
                                       m->in[i].s->name));
    return ERR_OK;
}

int segment_merge(struct rowset *const *in, size_t n, const char *path,
                  const struct merge_options *o, struct merge_result *out, struct err *e)
{
    struct merge *m = calloc(1, sizeof *m);
    struct err own;
    int rc;

    memset(out, 0, sizeof *out);
    out->damaged = n;
    if (m == NULL)
        return err_set(e, ERR_NOMEM, "%s: out of memory", path);
    m->o = o;
    m->r = out;
    m->e = e != NULL ? e : &own;
    m->fd = -1;
    m->chunk = buf_init(CHUNK_MAX);
    m->pending = buf_init(PENDING_OCTETS);
    m->blocks = buf_init((size_t)1 << 30);
    m->extras = buf_init(BATCH_EXTRA_OCTETS);
    m->b.out = &m->chunk;
    m->b.from = o->from;
    (void)snprintf(m->path, sizeof m->path, "%s", path);
    rc = prepare(m, in, n);
    if (rc == ERR_OK && (rc = list_pieces(m)) != ERR_OK)
        rc = err_set(m->e, rc, "%s: out of memory", path);
    if (rc == ERR_OK)
        rc = merge_numbers(m);
    if (rc == ERR_OK && m->join && (rc = merge_index_new(m)) != ERR_OK)
        rc = err_set(m->e, rc, "%s: out of memory", path);
    if (rc == ERR_OK)
        rc = os_file_open(&m->fd, path, OS_OPEN_TRUNC, m->e);
    if (rc == ERR_OK) {
        rc = put_file(m);
        if (rc == ERR_OK)
            rc = inputs_held(m);
        os_file_close(&m->fd);
        if (rc != ERR_OK)
            (void)os_unlink(path, NULL);
    }
    merge_free(m);
    free(m);
    return rc;
}
