/* Segment reader: extras, from columns and pieces back to the octets of each row. */
#include <stdlib.h>
#include <string.h>

#include "codec/vec.h"
#include "codec/zst.h"
#include "store/build.h"
#include "store/read.h"

#define NO_ROW UINT32_MAX

/* One shape's rows in a block, as the extras chunk holds them. */
struct group {
    const struct shape *shape;
    uint32_t form, rows;
    struct rd content;
    uint32_t before;     /* rows of the block in front of the asked ones */
    uint32_t head, tail; /* list of asked rows, by next[] */
};

struct reading {
    struct segment *s;
    uint32_t block, first, n;
    uint64_t *column[COL_N]; /* values of the asked rows; read when a field is related to them */
    struct group *g;
    uint32_t n_groups;
    uint32_t *of_shape; /* shape -> group + 1 */
    uint32_t next[ROWSET_VECTOR];
    uint64_t at[ROWSET_VECTOR]; /* octet in hold */
    struct rowset_extras *out;
    bool no_memory; /* why it failed, where it is not damage */
};

/* A field over the rows of one page of ranks. */
struct field {
    const struct shape_field *f;
    uint64_t *number;  /* fixed, up to eight octets */
    uint8_t relation;  /* of these */
    struct buf octets; /* else */
    struct rd left;
};

static bool open_groups(struct reading *x, struct rd r)
{
    uint32_t n = (uint32_t)rd_le(&r, 2);
    struct rd list = rd_sub(&r, (size_t)n * 11);

    if (!rd_ok(&list))
        return false;
    x->g = calloc((size_t)n + 1, sizeof *x->g);
    x->of_shape = calloc((size_t)x->s->rs.n_shapes + 1, sizeof *x->of_shape);
    if (x->g == NULL || x->of_shape == NULL) {
        x->no_memory = true;
        return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        struct group *g = &x->g[i];
        uint32_t shape = (uint32_t)rd_le(&list, 2);
        g->form = (uint32_t)rd_le(&list, 1);
        g->rows = (uint32_t)rd_le(&list, 4);
        g->content = rd_sub(&r, (size_t)rd_le(&list, 4));
        g->head = g->tail = NO_ROW;
        if (!rd_ok(&r) || shape >= x->s->rs.n_shapes || x->of_shape[shape] != 0 ||
            g->rows > BATCH_ROWS)
            return false;
        g->shape = x->s->shapes[shape];
        x->of_shape[shape] = i + 1;
    }
    x->n_groups = n;
    return r.left == 0;
}

/* Which rows belong to which group, and how many of each stand before them in the block. */
static int assign_rows(struct reading *x, uint32_t block, uint32_t first, uint32_t n, struct err *e)
{
    uint32_t shapes[ROWSET_VECTOR];
    int rc;

    for (uint32_t from = 0; from < first; from += ROWSET_VECTOR) {
        rc = segment_read(&x->s->rs, block, COL_SHAPE, from, ROWSET_VECTOR, shapes, e);
        if (rc != ERR_OK)
            return rc;
        for (uint32_t i = 0; i < ROWSET_VECTOR; i++)
            if (x->of_shape[shapes[i]] != 0)
                x->g[x->of_shape[shapes[i]] - 1].before++;
    }
    rc = segment_read(&x->s->rs, block, COL_SHAPE, first, n, shapes, e);
    for (uint32_t i = 0; rc == ERR_OK && i < n; i++) {
        struct group *g = &x->g[x->of_shape[shapes[i]] - (x->of_shape[shapes[i]] != 0)];
        x->next[i] = NO_ROW;
        if (x->of_shape[shapes[i]] == 0)
            continue;
        if (g->head == NO_ROW)
            g->head = i;
        else
            x->next[g->tail] = i;
        g->tail = i;
    }
    return rc;
}

/* Decode one field of the group for the page of ranks, moving g->content (a copy) over it. */
static bool field_open(struct reading *x, struct field *f, struct rd *r, const struct group *g,
                       uint32_t page)
{
    uint32_t pages = vec_pages(g->rows);
    struct vec v;

    if (f->f->len >= 1 && f->f->len <= 8) {
        f->number = malloc(PAGE_VALUES * sizeof *f->number);
        f->relation = (uint8_t)rd_le(r, 1);
        x->no_memory |= f->number == NULL;
        return f->number != NULL && (f->relation == 0 || relation_column(f->relation & 63)) &&
               vec_open(&v, r, g->rows) == ERR_OK && vec_page64(&v, page, f->number) == ERR_OK;
    }
    for (uint32_t i = 0; i < pages; i++) {
        int rc = i == page ? zst_decode(r, &f->octets, BATCH_EXTRA_OCTETS) : zst_skip(r);
        x->no_memory |= rc == ERR_NOMEM;
        if (rc != ERR_OK)
            return false;
    }
    f->left = rd_init(f->octets.p, f->octets.len);
    return true;
}

/* Octets of a field in the next row; for variable ones with their length in front. */
static size_t next_octets(struct field *f, const uint8_t **p)
{
    struct rd peek = f->left;
    size_t n = f->f->len;

    if (n == SHAPE_LEN_VAR) {
        n = rd_u8(&peek);
        n = n == 255 ? 3u + rd_u16(&peek) : n + 1;
    }
    *p = rd_take(&f->left, n);
    return n;
}

static bool load_column(struct reading *x, unsigned col)
{
    uint32_t narrow[ROWSET_VECTOR];
    uint64_t *v = x->column[col];
    bool wide = col_info[col].bits > 32;
    int rc = ERR_NOMEM;

    if (v != NULL)
        return true;
    v = x->column[col] = malloc(ROWSET_VECTOR * sizeof *v);
    if (v != NULL)
        rc = segment_read(&x->s->rs, x->block, (enum col)col, x->first, x->n,
                          wide ? (void *)v : narrow, NULL);
    x->no_memory |= rc == ERR_NOMEM;
    for (uint32_t i = 0; rc == ERR_OK && !wide && i < x->n; i++)
        v[i] = narrow[i];
    return rc == ERR_OK;
}

static uint64_t number_of(const struct reading *x, const struct field *f, uint32_t rank,
                          uint32_t row)
{
    if (f->relation == 0)
        return f->number[rank];
    return f->number[rank] + relation_value(f->relation >> 6, x->column[f->relation & 63][row],
                                            x->column[COL_PROTO][row]);
}

/* Append the row of rank `rank` in its page; with out == NULL only move over it. */
static bool put_row(const struct reading *x, struct field *f, unsigned n_fields, uint32_t rank,
                    uint32_t row, struct buf *out)
{
    for (unsigned k = 0; k < n_fields; k++) {
        const uint8_t *p;
        size_t n;
        if (f[k].number != NULL) {
            if (out != NULL)
                buf_be(out, number_of(x, &f[k], rank, row), f[k].f->len);
            continue;
        }
        n = next_octets(&f[k], &p);
        if (p == NULL)
            return false;
        if (out != NULL)
            buf_put(out, p, n);
    }
    return true;
}

/* The rows of one group that lie in one page of ranks; *row is the first of them, and becomes the
 * first of the next page. */
static bool columns_page(struct reading *x, const struct group *g, struct field *f,
                         unsigned n_fields, uint32_t *row, uint32_t *rank)
{
    uint32_t page = *rank / PAGE_VALUES, in_page = 0;
    uint32_t rows = MIN(PAGE_VALUES, g->rows - page * PAGE_VALUES);
    struct rd r = g->content;
    struct buf *hold = &x->out->hold;

    for (unsigned k = 0; k < n_fields; k++) {
        f[k].relation = 0;
        if (!field_open(x, &f[k], &r, g, page))
            return false;
        if (f[k].relation != 0 &&
            (!load_column(x, f[k].relation & 63) || !load_column(x, COL_PROTO)))
            return false;
    }
    if (r.left != 0)
        return false;
    for (; in_page < *rank % PAGE_VALUES; in_page++)
        if (!put_row(x, f, n_fields, in_page, 0, NULL))
            return false;
    for (; in_page < rows && *row != NO_ROW; in_page++, (*rank)++, *row = x->next[*row]) {
        x->at[*row] = hold->len;
        if (!put_row(x, f, n_fields, in_page, *row, hold))
            return false;
        x->out->len[*row] = (uint32_t)(hold->len - x->at[*row]);
    }
    return true;
}

static bool read_columns(struct reading *x, const struct group *g)
{
    unsigned n_fields = 0;
    struct field *f = calloc((size_t)g->shape->n_fields + 1, sizeof *f);
    uint32_t row = g->head, rank = g->before;
    bool ok = f != NULL;

    x->no_memory |= f == NULL;
    for (unsigned k = 0; ok && k < g->shape->n_fields; k++)
        if (g->shape->f[k].col == COL_NONE)
            f[n_fields++] =
                (struct field){ .f = &g->shape->f[k], .octets = buf_init(BATCH_EXTRA_OCTETS) };
    while (ok && row != NO_ROW) {
        ok = columns_page(x, g, f, n_fields, &row, &rank);
        for (unsigned k = 0; k < n_fields; k++) {
            free(f[k].number);
            f[k].number = NULL;
            buf_clear(&f[k].octets);
        }
    }
    for (unsigned k = 0; k < n_fields; k++)
        buf_free(&f[k].octets);
    free(f);
    return ok;
}

/* Row form: lengths, then pieces of whole rows. */
static bool read_rows(struct reading *x, const struct group *g)
{
    uint64_t lens[PAGE_VALUES];
    uint32_t row = g->head, rank = g->before;
    struct buf octets = buf_init(BATCH_EXTRA_OCTETS), *hold = &x->out->hold;
    struct vec v;
    bool ok = true;

    while (ok && row != NO_ROW) {
        uint32_t page = rank / PAGE_VALUES, rows = MIN(PAGE_VALUES, g->rows - page * PAGE_VALUES);
        struct rd r = g->content, in;
        buf_clear(&octets);
        ok = vec_open(&v, &r, g->rows) == ERR_OK && vec_page64(&v, page, lens) == ERR_OK;
        for (uint32_t i = 0; ok && i <= page; i++) {
            int rc = i == page ? zst_decode(&r, &octets, BATCH_EXTRA_OCTETS) : zst_skip(&r);
            x->no_memory |= rc == ERR_NOMEM;
            ok = rc == ERR_OK;
        }
        in = rd_init(octets.p, octets.len);
        for (uint32_t i = 0; ok && i < rank % PAGE_VALUES; i++)
            ok = rd_take(&in, lens[i]) != NULL;
        for (uint32_t i = rank % PAGE_VALUES; ok && i < rows && row != NO_ROW; i++, rank++) {
            const uint8_t *p = rd_take(&in, lens[i]);
            ok = p != NULL;
            if (!ok)
                break;
            x->at[row] = hold->len;
            x->out->len[row] = (uint32_t)lens[i];
            buf_put(hold, p, lens[i]);
            row = x->next[row];
        }
    }
    buf_free(&octets);
    return ok;
}

static int read_groups(struct reading *x)
{
    for (uint32_t i = 0; i < x->n_groups; i++) {
        struct group *g = &x->g[i];
        uint32_t rows = g->before;
        for (uint32_t k = g->head; k != NO_ROW; k = x->next[k])
            rows++;
        if (g->head == NO_ROW)
            continue;
        if (rows > g->rows)
            return ERR_CORRUPT;
        if (g->form == EXTRA_COLUMNS ? !read_columns(x, g) : !read_rows(x, g))
            return x->no_memory ? ERR_NOMEM : ERR_CORRUPT;
    }
    return buf_ok(&x->out->hold) ? ERR_OK : ERR_NOMEM;
}

static int damaged(const struct segment *s, uint32_t block, struct err *e)
{
    return err_set(e, ERR_CORRUPT,
                   "segment %s: extras of block %u are damaged; %u rows cannot be listed in full",
                   s->name, block, s->block[block].n);
}

static bool chunk_ok(const struct segment *s, struct seg_block *b)
{
    if (atomic_load_explicit(&b->extras_checked, memory_order_relaxed))
        return true;
    if (segment_chunk(s, b->extras, "extras", NULL) == NULL)
        return false;
    atomic_store_explicit(&b->extras_checked, true, memory_order_relaxed);
    return true;
}

int segment_extras(const struct rowset *rs, uint32_t block, uint32_t first, uint32_t n,
                   struct rowset_extras *out, struct err *e)
{
    static const uint8_t none[1] = { 0 };
    struct segment *s = segment_of(rs);
    struct reading *x;
    int rc = ERR_OK;

    buf_clear(&out->hold);
    if (block >= rs->n_blocks || first % ROWSET_VECTOR != 0 || n > ROWSET_VECTOR ||
        first > s->block[block].n || n > s->block[block].n - first)
        return err_set(e, ERR_ARG, "segment %s: no rows %u to %u in block %u", s->name, first,
                       first + n, block);
    memset(out->len, 0, n * sizeof out->len[0]);
    for (uint32_t i = 0; i < n; i++)
        out->p[i] = none;
    if (s->block[block].extras.len == 0)
        return ERR_OK;
    if (!chunk_ok(s, &s->block[block]))
        return damaged(s, block, e);
    x = calloc(1, sizeof *x);
    if (x == NULL)
        return err_set(e, ERR_NOMEM, "segment %s: out of memory", s->name);
    x->s = s;
    x->out = out;
    x->block = block;
    x->first = first;
    x->n = n;
    if (!open_groups(x, rd_init(s->map.p + s->block[block].extras.off, s->block[block].extras.len)))
        rc = x->no_memory ? ERR_NOMEM : ERR_CORRUPT;
    else if ((rc = assign_rows(x, block, first, n, e)) == ERR_OK)
        rc = read_groups(x);
    if (rc == ERR_NOMEM)
        rc = err_set(e, rc, "segment %s: out of memory", s->name);
    else if (rc != ERR_OK)
        rc = damaged(s, block, e);
    if (rc == ERR_OK && !segment_held(s, s->block[block].extras))
        rc = damaged(s, block, e);
    for (uint32_t i = 0; rc == ERR_OK && i < n; i++)
        if (out->len[i] > 0)
            out->p[i] = out->hold.p + x->at[i];
    for (unsigned c = 0; c < COL_N; c++)
        free(x->column[c]);
    free(x->g);
    free(x->of_shape);
    free(x);
    return rc;
}
