#include "store/manifest.h"

#include <stdlib.h>
#include <string.h>

#define RECORD_HEAD   8u  /* u32 octets of the body, u32 checksum of it */
#define SEG_OCTETS    69u /* one segment in a record */
#define IMPORT_OCTETS 42u /* at least, in a record */
#define MAX_BODY      (64u << 20)

enum record {
    RECORD_ADD = 1,
    RECORD_REMOVE,
    RECORD_CUT,
    RECORD_REPLACE,
    RECORD_MOVE,
    RECORD_IDS,
    RECORD_WITHIN,
    RECORD_N
};

void manifest_free(struct manifest *m)
{
    free(m->seg);
    free(m->import);
    memset(m, 0, sizeof *m);
}

void manifest_empty(struct manifest *m)
{
    *m = (struct manifest){ .next_id = 1 };
}

/* ------------------------------------------------------------------ state */

/* Room for n more of `size` octets behind *have. */
static bool reserve(void **p, size_t *cap, size_t have, size_t n, size_t size)
{
    size_t want = have + n, c = *cap < 64 ? 64 : *cap;
    void *q;

    if (want <= *cap)
        return true;
    while (c < want)
        c *= 2;
    q = realloc(*p, c * size);
    if (q == NULL)
        return false;
    *p = q;
    *cap = c;
    return true;
}

static bool room(struct manifest *m, size_t segments, size_t imports)
{
    return reserve((void **)&m->seg, &m->cap_seg, m->n_seg, segments, sizeof *m->seg) &&
           reserve((void **)&m->import, &m->cap_import, m->n_import, imports, sizeof *m->import);
}

int manifest_reserve(struct manifest *m, size_t octets)
{
    return room(m, octets / SEG_OCTETS + 1, octets / IMPORT_OCTETS + 1) ? ERR_OK : ERR_NOMEM;
}

/* Place of the first segment with an id not below `id`. */
static size_t place(const struct manifest *m, uint64_t id)
{
    size_t lo = 0, hi = m->n_seg;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (m->seg[mid].info.id < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static struct manifest_segment *find(const struct manifest *m, uint64_t id)
{
    size_t at = place(m, id);

    return at < m->n_seg && m->seg[at].info.id == id ? &m->seg[at] : NULL;
}

const struct manifest_segment *manifest_find(const struct manifest *m, uint64_t id)
{
    return find(m, id);
}

bool manifest_holds(const struct manifest *m, const struct manifest_import *im)
{
    uint32_t number = (uint32_t)(im - m->import) + 1;

    if (im->within != 0 && find(m, im->within) != NULL)
        return true;
    for (size_t i = 0; i < m->n_seg; i++)
        if (m->seg[i].import == number)
            return true;
    return false;
}

/* Room was made. */
static void add(struct manifest *m, const struct manifest_segment *x)
{
    size_t at = place(m, x->info.id);

    m->next_id = MAX(m->next_id, x->info.id + 1);
    if (at < m->n_seg && m->seg[at].info.id == x->info.id)
        return;
    memmove(&m->seg[at + 1], &m->seg[at], (m->n_seg - at) * sizeof *m->seg);
    m->seg[at] = *x;
    m->n_seg++;
}

bool manifest_gone(const struct manifest *m, uint64_t id)
{
    for (size_t i = 0; i < MIN(m->n_gone, MANIFEST_GONE); i++)
        if (m->gone[i] == id)
            return true;
    return false;
}

static void remove_one(struct manifest *m, uint64_t id)
{
    struct manifest_segment *x = find(m, id);

    m->gone[m->n_gone++ % MANIFEST_GONE] = id;
    if (x == NULL)
        return;
    m->n_seg--;
    memmove(x, x + 1, (size_t)(&m->seg[m->n_seg] - x) * sizeof *m->seg);
}

/* ------------------------------------------------------------------ writing */

void manifest_put_head(struct buf *out)
{
    buf_put(out, MANIFEST_MAGIC, 8);
    buf_le(out, MANIFEST_DRAFT, 4);
    buf_le(out, 0, 4);
}

/* Where the record begins; what is appended until end() is its body. */
static size_t begin(struct buf *out, enum record kind)
{
    size_t at = out->len;

    buf_le(out, 0, RECORD_HEAD);
    buf_le(out, kind, 1);
    return at;
}

static void end(struct buf *out, size_t at)
{
    size_t body = at + RECORD_HEAD;

    out->bad |= out->len < body || out->len - body > MAX_BODY;
    if (!buf_ok(out))
        return;
    le_put(out->p + at, out->len - body, 4);
    le_put(out->p + at + 4, seg_sum(out->p + body, out->len - body), 4);
}

static void put_segments(struct buf *b, const struct seg_info *s, size_t n, enum tier tier)
{
    buf_le(b, n, 4);
    for (; n > 0; n--, s++) {
        buf_le(b, s->id, 8);
        buf_le(b, s->octets, 8);
        buf_le(b, s->n_rows, 4);
        buf_le(b, s->n_blocks, 4);
        buf_le(b, s->n_options, 4);
        buf_le(b, (uint64_t)s->min_start_ms, 8);
        buf_le(b, (uint64_t)s->max_start_ms, 8);
        buf_le(b, (uint64_t)s->max_end_ms, 8);
        buf_le(b, (uint64_t)s->min_received_ms, 8);
        buf_le(b, (uint64_t)s->max_received_ms, 8);
        buf_le(b, tier, 1);
    }
}

static void put_numbers(struct buf *b, const uint64_t *id, size_t n)
{
    buf_le(b, n, 4);
    for (size_t i = 0; i < n; i++)
        buf_le(b, id[i], 8);
}

static void put_import(struct buf *b, const struct seg_import *im)
{
    size_t len = strnlen(im->file, SEG_FILE - 1);

    buf_put(b, im->sha256, 32);
    buf_le(b, (uint64_t)im->at_ms, 8);
    buf_le(b, len, 2);
    buf_put(b, im->file, len);
}

void manifest_put_add(struct buf *out, const struct seg_info *seg, size_t n, enum tier tier,
                      const struct seg_import *import)
{
    size_t at = begin(out, RECORD_ADD);

    buf_le(out, import != NULL, 1);
    if (import != NULL)
        put_import(out, import);
    put_segments(out, seg, n, tier);
    end(out, at);
}

void manifest_put_cut(struct buf *out, const struct manifest_cut *cut, const struct seg_info *seg,
                      size_t n)
{
    size_t at = begin(out, RECORD_CUT);

    buf_le(out, cut->id, 8);
    buf_le(out, cut->octets, 8);
    buf_le(out, cut->sum, 8);
    put_numbers(out, cut->journal, cut->n_shards);
    put_segments(out, seg, n, TIER_FAST);
    end(out, at);
}

void manifest_put_remove(struct buf *out, const uint64_t *id, size_t n)
{
    size_t at = begin(out, RECORD_REMOVE);

    put_numbers(out, id, n);
    end(out, at);
}

void manifest_put_replace(struct buf *out, const uint64_t *old, size_t n_old,
                          const struct seg_info *seg, size_t n, enum tier tier)
{
    size_t at = begin(out, RECORD_REPLACE);

    put_numbers(out, old, n_old);
    put_segments(out, seg, n, tier);
    end(out, at);
}

void manifest_put_move(struct buf *out, enum tier to, const uint64_t *id, size_t n)
{
    size_t at = begin(out, RECORD_MOVE);

    buf_le(out, to, 1);
    put_numbers(out, id, n);
    end(out, at);
}

void manifest_put_ids(struct buf *out, uint64_t reserved)
{
    size_t at = begin(out, RECORD_IDS);

    buf_le(out, reserved, 8);
    end(out, at);
}

void manifest_put_within(struct buf *out, const struct manifest_import *im)
{
    size_t at = begin(out, RECORD_WITHIN);

    put_import(out, &im->what);
    buf_le(out, im->within, 8);
    end(out, at);
}

/* The segments of one import (0: of none) in one directory. */
static void put_group(const struct manifest *m, struct buf *out, struct seg_info *list,
                      uint32_t import, enum tier tier)
{
    size_t n = 0;

    for (size_t i = 0; i < m->n_seg; i++)
        if (m->seg[i].import == import && m->seg[i].tier == tier)
            list[n++] = m->seg[i].info;
    if (n > 0)
        manifest_put_add(out, list, n, tier, import > 0 ? &m->import[import - 1].what : NULL);
}

/* Imports one by one (one whose segments are all gone is no longer known), then the live ones. */
void manifest_put_all(const struct manifest *m, struct buf *out)
{
    struct seg_info *list = malloc((m->n_seg + 1) * sizeof *list);

    manifest_put_head(out);
    manifest_put_ids(out, MAX(m->reserved, m->next_id));
    out->bad |= list == NULL;
    for (uint32_t k = 0; list != NULL && k <= m->n_import; k++)
        for (unsigned t = 0; t < TIER_N; t++)
            put_group(m, out, list, k, t);
    for (size_t k = 0; k < m->n_import; k++)
        if (m->import[k].within != 0 && find(m, m->import[k].within) != NULL)
            manifest_put_within(out, &m->import[k]);
    if (m->cut.id != 0)
        manifest_put_cut(out, &m->cut, NULL, 0);
    if (m->n_gone > 0)
        manifest_put_remove(out, m->gone, MIN(m->n_gone, MANIFEST_GONE));
    free(list);
}

/* ------------------------------------------------------------------ reading */

static bool get_segment(struct rd *r, struct manifest_segment *x)
{
    struct seg_info *s = &x->info;

    s->id = rd_le(r, 8);
    s->octets = rd_le(r, 8);
    s->n_rows = (uint32_t)rd_le(r, 4);
    s->n_blocks = (uint32_t)rd_le(r, 4);
    s->n_options = (uint32_t)rd_le(r, 4);
    s->min_start_ms = (int64_t)rd_le(r, 8);
    s->max_start_ms = (int64_t)rd_le(r, 8);
    s->max_end_ms = (int64_t)rd_le(r, 8);
    s->min_received_ms = (int64_t)rd_le(r, 8);
    s->max_received_ms = (int64_t)rd_le(r, 8);
    x->tier = (uint8_t)rd_le(r, 1);
    return rd_ok(r) && x->tier < TIER_N && s->id != 0 && s->id < UINT64_MAX / 2;
}

/* Segments to the end of the record; *first (may be NULL) is the number of the first. */
static int get_segments(struct manifest *m, struct rd *r, uint32_t import, uint64_t *first)
{
    size_t n = (size_t)rd_le(r, 4);

    if (!rd_ok(r) || r->left != n * SEG_OCTETS)
        return ERR_CORRUPT;
    if (!room(m, n, 0))
        return ERR_NOMEM;
    for (size_t i = 0; i < n; i++) {
        struct manifest_segment x = { .import = import };
        if (!get_segment(r, &x))
            return ERR_CORRUPT;
        add(m, &x);
        if (first != NULL && i == 0)
            *first = x.info.id;
    }
    return ERR_OK;
}

static bool get_import(struct rd *r, struct seg_import *im)
{
    const uint8_t *sha = rd_take(r, 32), *name;
    size_t len;

    memset(im, 0, sizeof *im);
    im->at_ms = (int64_t)rd_le(r, 8);
    len = (size_t)rd_le(r, 2);
    name = rd_take(r, len);
    if (name == NULL || len >= SEG_FILE)
        return false;
    memcpy(im->sha256, sha, 32);
    memcpy(im->file, name, len);
    return true;
}

/* Number + 1 of an import; the same file imported twice by force is two of them, unless everything
 * about them is equal (its segments stand in several records). */
static uint32_t import_number(struct manifest *m, const struct seg_import *im)
{
    for (size_t i = 0; i < m->n_import; i++)
        if (memcmp(&m->import[i].what, im, sizeof *im) == 0)
            return (uint32_t)i + 1;
    m->import[m->n_import++] = (struct manifest_import){ .what = *im };
    return (uint32_t)m->n_import;
}

static int get_add(struct manifest *m, struct rd *r)
{
    struct seg_import im;
    uint32_t number = 0;

    if (rd_le(r, 1) != 0) {
        if (!get_import(r, &im))
            return ERR_CORRUPT;
        if (!room(m, 0, 1))
            return ERR_NOMEM;
        number = import_number(m, &im);
    }
    return get_segments(m, r, number, NULL);
}

/* Reader over n numbers of 8 octets each. */
static bool get_numbers(struct rd *r, size_t *n, struct rd *numbers)
{
    *n = (size_t)rd_le(r, 4);
    if (!rd_ok(r) || *n > r->left / 8)
        return false;
    *numbers = rd_sub(r, *n * 8);
    return true;
}

static int get_remove(struct manifest *m, struct rd *r)
{
    struct rd ids;
    size_t n;

    if (!get_numbers(r, &n, &ids) || r->left != 0)
        return ERR_CORRUPT;
    while (n-- > 0)
        remove_one(m, rd_le(&ids, 8));
    return ERR_OK;
}

static int get_cut(struct manifest *m, struct rd *r)
{
    struct manifest_cut c = { .id = rd_le(r, 8) };
    struct rd at;
    size_t n;
    int rc;

    c.octets = rd_le(r, 8);
    c.sum = rd_le(r, 8);
    if (!get_numbers(r, &n, &at) || n > SEG_SHARDS || c.id == 0 || c.id >= UINT64_MAX / 2)
        return ERR_CORRUPT;
    c.n_shards = (uint32_t)n;
    for (size_t i = 0; i < n; i++)
        c.journal[i] = rd_le(&at, 8);
    if ((rc = get_segments(m, r, 0, NULL)) != ERR_OK)
        return rc;
    m->cut = c;
    m->next_id = MAX(m->next_id, c.id + 1);
    return ERR_OK;
}

/* The import that all of these belong to alone; 0: none, or they are mixed. */
static uint32_t common_import(const struct manifest *m, struct rd old)
{
    const struct manifest_segment *x = find(m, old.left >= 8 ? le64(old.p) : 0);
    uint32_t import = x != NULL ? x->import : 0;

    while (old.left > 0) {
        x = find(m, rd_le(&old, 8));
        if (x == NULL || x->import != import)
            return 0;
    }
    return import;
}

/* Imports whose rows lie in a segment that goes now lie within another. */
static void imports_follow(struct manifest *m, uint64_t old, uint64_t into, bool mixed)
{
    const struct manifest_segment *x = find(m, old);

    if (x == NULL)
        return;
    if (x->import > 0 && mixed)
        m->import[x->import - 1].within = into;
    for (size_t i = 0; i < m->n_import; i++)
        if (m->import[i].within == old)
            m->import[i].within = into;
}

static int get_replace(struct manifest *m, struct rd *r)
{
    struct rd old, again;
    uint64_t first = 0;
    uint32_t import;
    size_t n;
    int rc;

    if (!get_numbers(r, &n, &old))
        return ERR_CORRUPT;
    again = old;
    import = common_import(m, old);
    if ((rc = get_segments(m, r, import, &first)) != ERR_OK)
        return rc;
    for (size_t i = 0; i < n; i++) {
        uint64_t id = rd_le(&again, 8);
        imports_follow(m, id, first, import == 0);
        remove_one(m, id);
    }
    return ERR_OK;
}

static int get_move(struct manifest *m, struct rd *r)
{
    uint64_t to = rd_le(r, 1);
    struct rd ids;
    size_t n;

    if (!get_numbers(r, &n, &ids) || r->left != 0 || to >= TIER_N)
        return ERR_CORRUPT;
    while (n-- > 0) {
        struct manifest_segment *x = find(m, rd_le(&ids, 8));
        if (x != NULL)
            x->tier = (uint8_t)to;
    }
    return ERR_OK;
}

static int get_ids(struct manifest *m, struct rd *r)
{
    uint64_t reserved = rd_le(r, 8);

    /* one more than the highest id that get_segment() and get_cut() take */
    if (!rd_ok(r) || r->left != 0 || reserved > UINT64_MAX / 2)
        return ERR_CORRUPT;
    m->reserved = MAX(m->reserved, reserved);
    return ERR_OK;
}

static int get_within(struct manifest *m, struct rd *r)
{
    struct seg_import im;
    uint64_t within;

    if (!get_import(r, &im))
        return ERR_CORRUPT;
    within = rd_le(r, 8);
    if (!rd_ok(r) || r->left != 0)
        return ERR_CORRUPT;
    if (!room(m, 0, 1))
        return ERR_NOMEM;
    m->import[import_number(m, &im) - 1].within = within;
    return ERR_OK;
}

static int get_record(struct manifest *m, struct rd r)
{
    static int (*const get[RECORD_N])(struct manifest *, struct rd *) = {
        [RECORD_ADD] = get_add,         [RECORD_REMOVE] = get_remove, [RECORD_CUT] = get_cut,
        [RECORD_REPLACE] = get_replace, [RECORD_MOVE] = get_move,     [RECORD_IDS] = get_ids,
        [RECORD_WITHIN] = get_within,
    };
    uint64_t kind = rd_le(&r, 1);

    return kind == 0 || kind >= RECORD_N ? ERR_CORRUPT : get[kind](m, &r);
}

/* Does a whole record begin anywhere in these octets? A write that was cut short leaves none behind
 * it, a damaged one does. Few octets follow a torn record, so the search is short. */
static bool record_follows(const uint8_t *p, size_t n)
{
    size_t sums = 0;

    for (size_t at = 1; at + RECORD_HEAD < n && sums < 4096; at++) {
        size_t len = le32(p + at), kind = p[at + RECORD_HEAD];
        if (len == 0 || len > n - at - RECORD_HEAD || kind == 0 || kind >= RECORD_N)
            continue;
        if (seg_sum(p + at + RECORD_HEAD, len) == le32(p + at + 4))
            return true;
        sums++;
    }
    return false;
}

/* Records until the end, or until the last one that is torn. */
static int replay(struct manifest *m, struct rd *r)
{
    while (r->left > 0) {
        const uint8_t *at = r->p;
        size_t before = r->left, len = (size_t)rd_le(r, 4);
        uint32_t sum = (uint32_t)rd_le(r, 4);
        const uint8_t *body = rd_take(r, len);
        int rc;

        if (body == NULL || seg_sum(body, len) != sum) {
            m->torn = !record_follows(at, before); /* the write that made it never returned */
            return m->torn ? ERR_OK : ERR_CORRUPT;
        }
        if ((rc = get_record(m, rd_init(body, len))) != ERR_OK)
            return rc;
        m->good += before - r->left;
    }
    return ERR_OK;
}

int manifest_apply(struct manifest *m, const uint8_t *p, size_t n)
{
    struct rd r = rd_init(p, n);
    int rc;

    m->torn = false;
    rc = replay(m, &r);
    return rc == ERR_OK && m->torn ? ERR_CORRUPT : rc;
}

int manifest_read(struct manifest *m, const uint8_t *p, size_t n, struct err *e)
{
    struct rd r = rd_init(p, n);
    const uint8_t *magic = rd_take(&r, 8);
    uint32_t draft = (uint32_t)rd_le(&r, 4), zero = (uint32_t)rd_le(&r, 4);
    int rc;

    manifest_empty(m);
    if (!rd_ok(&r) || zero != 0 || memcmp(magic, MANIFEST_MAGIC, 8) != 0)
        return err_set(e, ERR_CORRUPT, "manifest: not a manifest");
    if (draft != MANIFEST_DRAFT)
        return err_set(
            e, ERR_VERSION,
            "manifest: written in draft %u of the format, this weir reads draft %u only; use "
            "another data directory, or the weir that wrote it",
            draft, MANIFEST_DRAFT);
    m->good = MANIFEST_HEAD;
    rc = replay(m, &r);
    if (rc == ERR_OK)
        return rc;
    manifest_free(m);
    return err_set(e, rc, rc == ERR_NOMEM ? "manifest: out of memory" : "manifest: damaged");
}
