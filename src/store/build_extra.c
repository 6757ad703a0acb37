/* Extras and option records of a segment. */
#include <stdlib.h>
#include <string.h>

#include "codec/vec.h"
#include "codec/zst.h"
#include "store/build.h"

static unsigned extra_fields(const struct shape *x)
{
    unsigned n = 0;

    for (unsigned i = 0; i < x->n_fields; i++)
        n += x->f[i].col == COL_NONE;
    return n;
}

/* Columns as long as the segment's budget of them lasts. */
void build_extra_forms(struct build *s)
{
    unsigned columns = 0;

    for (uint32_t i = 0; i < s->n_shapes; i++) {
        unsigned n = extra_fields(s->shapes[i]);
        if (n == 0 || s->shapes[i]->kind != SHAPE_FLOW) {
            s->extra_form[i] = EXTRA_NONE;
        } else if (columns + n <= SEG_EXTRA_COLUMNS) {
            columns += n;
            s->extra_form[i] = EXTRA_COLUMNS;
        } else {
            s->extra_form[i] = EXTRA_ROWS;
        }
    }
}

/* Rows of one shape in a block. */
struct group {
    const struct shape *shape;
    const struct flow_batch *b;
    const uint32_t *rows;
    uint32_t n;
    uint32_t *cursor; /* per row: octets of its extras used so far */
    uint64_t *column; /* room for the values of one column */
    struct buf scratch;
};

/* Octets of field f in the row whose extras stand at p: with its length in front as sent. */
static size_t field_octets(const struct shape_field *f, const uint8_t *p, size_t left)
{
    if (f->len != SHAPE_LEN_VAR)
        return f->len;
    if (left >= 1 && p[0] < 255)
        return 1u + p[0];
    return left >= 3 ? 3u + be16(p + 1) : SIZE_MAX;
}

/* Do the extras of every row follow the shape to the last octet? */
static bool rows_fit(const struct group *g)
{
    for (uint32_t i = 0; i < g->n; i++) {
        uint32_t row = g->rows[i];
        const uint8_t *p = g->b->extra_octets + g->b->extra_off[row];
        size_t left = g->b->extra_len[row];
        if (!g->shape->extra_var && left == g->shape->extra_octets)
            continue;
        for (unsigned k = 0; k < g->shape->n_fields; k++) {
            size_t n;
            if (g->shape->f[k].col != COL_NONE)
                continue;
            n = field_octets(&g->shape->f[k], p, left);
            if (n > left)
                return false;
            p += n;
            left -= n;
        }
        if (left != 0)
            return false;
    }
    return true;
}

/* Values of a column in the first n rows of the group. */
static void column_values(const struct group *g, unsigned col, uint32_t n, uint64_t *out)
{
    const void *v = g->b->col[col];

    switch (col_info[col].bits) {
    case 8:
        for (uint32_t i = 0; i < n; i++)
            out[i] = ((const uint8_t *)v)[g->rows[i]];
        return;
    case 16:
        for (uint32_t i = 0; i < n; i++)
            out[i] = ((const uint16_t *)v)[g->rows[i]];
        return;
    case 32:
        for (uint32_t i = 0; i < n; i++)
            out[i] = ((const uint32_t *)v)[g->rows[i]];
        return;
    default:
        for (uint32_t i = 0; i < n; i++)
            out[i] = ((const uint64_t *)v)[g->rows[i]];
    }
}

/* The rest of n numbers of the group over what they are related to, modulo their octets. */
static void relate(struct group *g, uint8_t relation, unsigned octets, const uint64_t *v,
                   uint32_t n, uint64_t *out)
{
    const uint8_t *proto = g->b->col[COL_PROTO];
    enum extra_relation kind = relation >> 6;
    uint64_t mask = octets < 8 ? (1ull << octets * 8) - 1 : UINT64_MAX;

    if (relation == 0) {
        memmove(out, v, n * sizeof *out);
        return;
    }
    column_values(g, relation & 63, n, g->column);
    if (kind == RELATION_COLUMN) {
        for (uint32_t i = 0; i < n; i++)
            out[i] = (v[i] - g->column[i]) & mask;
        return;
    }
    for (uint32_t i = 0; i < n; i++)
        out[i] = (v[i] - relation_value(kind, g->column[i], proto[g->rows[i]])) & mask;
}

static unsigned column_of(const struct shape_field *f)
{
    if (f->pen == 0 && (f->id == 32 || f->id == 139)) /* ICMP type and code in one */
        return COL_DST_PORT;
    for (size_t i = 0; i < fmap_count; i++)
        if (fmap_table[i].pen == f->pen && fmap_table[i].id == f->id)
            return fmap_table[i].col;
    return COL_N;
}

/* The cheapest relation of a field, by the first page. A field is an extra because its column may
 * say something else, which need not mean that it often does. */
static uint8_t best_relation(struct group *g, const struct shape_field *f, const uint64_t *v)
{
    unsigned col = column_of(f);
    uint32_t n = MIN(g->n, PAGE_VALUES);
    struct buf page = buf_init(1u << 20);
    uint64_t rest[PAGE_VALUES];
    size_t least = SIZE_MAX;
    uint8_t best = 0;

    for (unsigned kind = RELATION_NONE; kind <= RELATION_NOT_ICMP; kind++) {
        struct page_choice choice = { 0 };
        uint8_t relation = kind == RELATION_NONE ? 0 : (uint8_t)(kind << 6 | col);
        if (kind != RELATION_NONE && !relation_column(col))
            break;
        buf_clear(&page);
        relate(g, relation, f->len, v, n, rest);
        page_encode(&page, rest, n, &choice);
        if (buf_ok(&page) && page.len < least) {
            least = page.len;
            best = relation;
        }
    }
    buf_free(&page);
    return best;
}

/* A fixed field of up to eight octets: integers. */
static void put_numbers(struct group *g, const struct shape_field *f, struct buf *out, uint64_t *v)
{
    uint8_t relation;

    for (uint32_t i = 0; i < g->n; i++) {
        uint32_t row = g->rows[i];
        const uint8_t *p = g->b->extra_octets + g->b->extra_off[row] + g->cursor[i];
        v[i] = f->len == 2 ? be16(p) : f->len == 4 ? be32(p) : be_uint(p, f->len);
        g->cursor[i] += f->len;
    }
    relation = best_relation(g, f, v);
    buf_le(out, relation, 1);
    if (relation != 0)
        relate(g, relation, f->len, v, g->n, v);
    vec_encode(out, v, g->n);
}

/* Any other field: its octets one after the other, a piece for every PAGE_VALUES rows. */
static void put_octets(struct group *g, const struct shape_field *f, struct buf *out)
{
    for (uint32_t first = 0; first < g->n; first += PAGE_VALUES) {
        buf_clear(&g->scratch);
        for (uint32_t i = first; i < MIN(g->n, first + PAGE_VALUES); i++) {
            uint32_t row = g->rows[i];
            const uint8_t *p = g->b->extra_octets + g->b->extra_off[row] + g->cursor[i];
            size_t n = field_octets(f, p, g->b->extra_len[row] - g->cursor[i]);
            buf_put(&g->scratch, p, n);
            g->cursor[i] += (uint32_t)n;
        }
        out->bad |= g->scratch.bad;
        zst_encode(out, g->scratch.p, g->scratch.len);
    }
}

static void put_columns(struct group *g, struct buf *out, uint64_t *v)
{
    memset(g->cursor, 0, g->n * sizeof *g->cursor);
    for (unsigned k = 0; k < g->shape->n_fields; k++) {
        const struct shape_field *f = &g->shape->f[k];
        if (f->col != COL_NONE)
            continue;
        if (f->len >= 1 && f->len <= 8)
            put_numbers(g, f, out, v);
        else
            put_octets(g, f, out);
    }
}

static void put_rows(struct group *g, struct buf *out, uint64_t *v)
{
    for (uint32_t i = 0; i < g->n; i++)
        v[i] = g->b->extra_len[g->rows[i]];
    vec_encode(out, v, g->n);
    for (uint32_t first = 0; first < g->n; first += PAGE_VALUES) {
        buf_clear(&g->scratch);
        for (uint32_t i = first; i < MIN(g->n, first + PAGE_VALUES); i++)
            buf_put(&g->scratch, g->b->extra_octets + g->b->extra_off[g->rows[i]],
                    g->b->extra_len[g->rows[i]]);
        out->bad |= g->scratch.bad;
        zst_encode(out, g->scratch.p, g->scratch.len);
    }
}

/* Rows sorted by shape number (stable): rows[start[x]] .. rows[start[x + 1] - 1] have shape x. */
static void rows_by_shape(const struct build_block *k, const uint16_t *shape, uint32_t *start,
                          uint32_t *rows, uint32_t n_shapes)
{
    uint32_t sum = 0;

    for (uint32_t i = 0; i < k->n; i++)
        start[k->shape[shape[i]]]++;
    for (uint32_t x = 0; x < n_shapes; x++) {
        uint32_t c = start[x];
        start[x] = sum;
        sum += c;
    }
    for (uint32_t i = 0; i < k->n; i++)
        rows[start[k->shape[shape[i]]]++] = i;
    memmove(start + 1, start, n_shapes * sizeof *start);
    start[0] = 0;
}

/* u16 groups; for each u16 shape, u8 form, u32 rows, u32 octets; then their content. Only shapes
 * with extras in this block. */
int build_extras(struct build *s, const struct build_block *k, struct buf *out)
{
    uint32_t *start = calloc((size_t)s->n_shapes + 2, sizeof *start);
    uint32_t *rows = malloc(((size_t)k->n + 1) * sizeof *rows);
    uint64_t *v = malloc(((size_t)k->n + 1) * sizeof *v);
    struct group g = { .b = k->b, .scratch = buf_init(BATCH_EXTRA_OCTETS) };
    uint32_t n_groups = 0;
    size_t head = out->len;
    int rc = ERR_NOMEM;

    g.cursor = malloc(((size_t)k->n + 1) * sizeof *g.cursor);
    g.column = malloc(((size_t)k->n + 1) * sizeof *g.column);
    if (start == NULL || rows == NULL || v == NULL || g.cursor == NULL || g.column == NULL)
        goto out;
    rc = ERR_OK;
    rows_by_shape(k, k->b->col[COL_SHAPE], start, rows, s->n_shapes);
    for (uint32_t x = 0; x < s->n_shapes; x++) {
        bool any = false;
        for (uint32_t i = start[x]; i < start[x + 1] && !any; i++)
            any = k->b->extra_len[rows[i]] > 0;
        start[x] |= any ? 1u << 31 : 0; /* marks the shapes that are written */
        n_groups += any;
    }
    if (n_groups == 0)
        goto out;
    buf_le(out, n_groups, 2);
    (void)buf_room(out, (size_t)n_groups * 11);
    for (uint32_t x = 0, i = 0; x < s->n_shapes && buf_ok(out); x++) {
        uint32_t from = start[x] & ~(1u << 31);
        size_t at = out->len, entry = head + 2 + 11u * (size_t)i;
        enum extra_form form;
        if (start[x] == from)
            continue;
        i++;
        g.shape = s->shapes[x];
        g.rows = rows + from;
        g.n = (start[x + 1] & ~(1u << 31)) - from;
        form = s->extra_form[x] == EXTRA_COLUMNS && g.n >= EXTRA_MIN_ROWS && rows_fit(&g)
                   ? EXTRA_COLUMNS
                   : EXTRA_ROWS;
        if (form == EXTRA_COLUMNS)
            put_columns(&g, out, v);
        else
            put_rows(&g, out, v);
        if (!buf_ok(out))
            break;
        le_put(out->p + entry, x, 2);
        le_put(out->p + entry + 2, form, 1);
        le_put(out->p + entry + 3, g.n, 4);
        le_put(out->p + entry + 7, out->len - at, 4);
    }
out:
    buf_free(&g.scratch);
    free(g.cursor);
    free(g.column);
    free(start);
    free(rows);
    free(v);
    return rc;
}

/* u32 records; vectors: received, exporter, shape, octets; u32 pieces; a zstd piece for each batch
 */
int build_options(struct build *s)
{
    uint32_t n = 0, pieces = 0;
    size_t at = s->out->len;
    uint64_t *v;

    for (size_t i = 0; i < s->n_blocks; i++) {
        uint32_t k = atomic_load_explicit(&s->block[i].b->n_options, memory_order_acquire);
        n += k;
        pieces += k > 0;
    }
    if (n == 0)
        return ERR_OK;
    v = malloc((size_t)n * 4 * sizeof *v);
    if (v == NULL)
        return ERR_NOMEM;
    for (size_t i = 0, k = 0; i < s->n_blocks; i++) {
        const struct build_block *b = &s->block[i];
        uint32_t m = atomic_load_explicit(&b->b->n_options, memory_order_acquire);
        for (uint32_t x = 0; x < m; x++, k++) {
            const struct option_row *o = &b->b->options[x];
            bool known = o->exporter < b->n_exporters && o->shape < b->n_shapes;
            v[k] = (uint64_t)o->received_ms;
            v[n + k] = known ? b->exporter[o->exporter] : 0;
            v[2 * (size_t)n + k] = known ? b->shape[o->shape] : 0;
            v[3 * (size_t)n + k] = o->len;
            s->out->bad |= !known;
        }
    }
    buf_le(s->out, n, 4);
    for (unsigned c = 0; c < 4; c++)
        vec_encode(s->out, v + (size_t)c * n, n);
    free(v);
    buf_le(s->out, pieces, 4);
    for (size_t i = 0; i < s->n_blocks; i++) {
        const struct flow_batch *b = s->block[i].b;
        uint32_t m = atomic_load_explicit(&b->n_options, memory_order_acquire);
        if (m > 0) /* records stand one behind the other from offset 0 on */
            zst_encode(s->out, b->opt_octets, b->options[m - 1].off + b->options[m - 1].len);
    }
    s->table[TABLE_OPTIONS] = build_ref(s->out, at);
    return ERR_OK;
}
