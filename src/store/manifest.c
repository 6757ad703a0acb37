#include "store/manifest.h"

#include <stdlib.h>
#include <string.h>

#define RECORD_HEAD 8u  /* u32 octets of the body, u32 checksum of it */
#define SEG_OCTETS  68u /* one segment in an add record */
#define MAX_BODY    (64u << 20)

enum record { RECORD_ADD = 1, RECORD_REMOVE = 2 };

void manifest_free(struct manifest *m)
{
    free(m->seg);
    free(m->import);
    memset(m, 0, sizeof *m);
}

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

/* Place of the first segment with an id not below `id`. */
static size_t find(const struct manifest *m, uint64_t id)
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

int manifest_add(struct manifest *m, const struct seg_info *seg, size_t n,
                 const struct manifest_import *import)
{
    uint32_t number = 0;

    if (!reserve((void **)&m->seg, &m->cap_seg, m->n_seg, n, sizeof *m->seg) ||
        !reserve((void **)&m->import, &m->cap_import, m->n_import, 1, sizeof *m->import))
        return ERR_NOMEM;
    if (import != NULL) {
        m->import[m->n_import++] = *import;
        number = (uint32_t)m->n_import;
    }
    for (size_t i = 0; i < n; i++) {
        size_t at = find(m, seg[i].id);
        if (at < m->n_seg && m->seg[at].info.id == seg[i].id)
            continue;
        memmove(&m->seg[at + 1], &m->seg[at], (m->n_seg - at) * sizeof *m->seg);
        m->seg[at] = (struct manifest_segment){ seg[i], number };
        m->n_seg++;
        m->next_id = MAX(m->next_id, seg[i].id + 1);
    }
    return ERR_OK;
}

void manifest_remove(struct manifest *m, uint64_t id)
{
    size_t at = find(m, id);

    if (at >= m->n_seg || m->seg[at].info.id != id)
        return;
    m->n_seg--;
    memmove(&m->seg[at], &m->seg[at + 1], (m->n_seg - at) * sizeof *m->seg);
    m->removed++;
}

/* ------------------------------------------------------------------ writing */

void manifest_put_head(struct buf *out)
{
    buf_put(out, MANIFEST_MAGIC, 8);
    buf_le(out, MANIFEST_DRAFT, 4);
    buf_le(out, 0, 4);
}

static void put_record(struct buf *out, const struct buf *body)
{
    out->bad |= body->bad;
    buf_le(out, body->len, 4);
    buf_le(out, seg_sum(body->p, body->len), 4);
    buf_put(out, body->p, body->len);
}

static void put_segment(struct buf *b, const struct seg_info *s)
{
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
}

void manifest_put_add(struct buf *out, const struct seg_info *seg, size_t n,
                      const struct manifest_import *import)
{
    struct buf b = buf_init(MAX_BODY);

    buf_le(&b, RECORD_ADD, 1);
    buf_le(&b, import != NULL, 1);
    if (import != NULL) {
        size_t len = strnlen(import->file, MANIFEST_NAME - 1);
        buf_put(&b, import->sha256, 32);
        buf_le(&b, (uint64_t)import->at_ms, 8);
        buf_le(&b, len, 2);
        buf_put(&b, import->file, len);
    }
    buf_le(&b, n, 4);
    for (size_t i = 0; i < n; i++)
        put_segment(&b, &seg[i]);
    put_record(out, &b);
    buf_free(&b);
}

void manifest_put_remove(struct buf *out, const uint64_t *id, size_t n)
{
    struct buf b = buf_init(MAX_BODY);

    buf_le(&b, RECORD_REMOVE, 1);
    buf_le(&b, n, 4);
    for (size_t i = 0; i < n; i++)
        buf_le(&b, id[i], 8);
    put_record(out, &b);
    buf_free(&b);
}

/* Imports one by one (an import whose segments are all gone is no longer known), then the live
 * ones. */
void manifest_put_all(const struct manifest *m, struct buf *out)
{
    struct seg_info *list = malloc((m->n_seg + 1) * sizeof *list);

    manifest_put_head(out);
    out->bad |= list == NULL;
    for (size_t k = 0; list != NULL && k <= m->n_import; k++) {
        size_t n = 0;
        for (size_t i = 0; i < m->n_seg; i++)
            if (m->seg[i].import == k)
                list[n++] = m->seg[i].info;
        if (n > 0)
            manifest_put_add(out, list, n, k > 0 ? &m->import[k - 1] : NULL);
    }
    free(list);
}

/* ------------------------------------------------------------------ reading */

static bool get_add(struct manifest *m, struct rd *r, int *rc)
{
    struct manifest_import im = { .at_ms = 0 };
    bool import = rd_le(r, 1) != 0;
    struct seg_info *list;
    size_t n, len;
    const uint8_t *p;

    if (import) {
        p = rd_take(r, 32);
        if (p != NULL)
            memcpy(im.sha256, p, 32);
        im.at_ms = (int64_t)rd_le(r, 8);
        len = (size_t)rd_le(r, 2);
        p = rd_take(r, len);
        if (p == NULL || len >= MANIFEST_NAME)
            return false;
        memcpy(im.file, p, len);
    }
    n = (size_t)rd_le(r, 4);
    if (!rd_ok(r) || r->left != n * SEG_OCTETS)
        return false;
    list = calloc(n + 1, sizeof *list);
    if (list == NULL) {
        *rc = ERR_NOMEM;
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        struct seg_info *s = &list[i];
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
    }
    *rc = manifest_add(m, list, n, import ? &im : NULL);
    free(list);
    return *rc == ERR_OK;
}

static bool get_record(struct manifest *m, struct rd r, int *rc)
{
    unsigned type = (unsigned)rd_le(&r, 1);
    size_t n;

    *rc = ERR_CORRUPT;
    if (type == RECORD_ADD)
        return get_add(m, &r, rc);
    if (type != RECORD_REMOVE)
        return false;
    n = (size_t)rd_le(&r, 4);
    if (!rd_ok(&r) || r.left != n * 8)
        return false;
    for (size_t i = 0; i < n; i++)
        manifest_remove(m, rd_le(&r, 8));
    return true;
}

int manifest_read(struct manifest *m, const uint8_t *p, size_t n, struct err *e)
{
    struct rd r = rd_init(p, n);
    const uint8_t *magic = rd_take(&r, 8);
    uint32_t draft = (uint32_t)rd_le(&r, 4);
    int rc = ERR_CORRUPT;

    *m = (struct manifest){ .next_id = 1 };
    (void)rd_le(&r, 4);
    if (!rd_ok(&r) || memcmp(magic, MANIFEST_MAGIC, 8) != 0)
        return err_set(e, ERR_CORRUPT, "manifest: not a manifest");
    if (draft != MANIFEST_DRAFT)
        return err_set(
            e, ERR_VERSION,
            "manifest: written in draft %u of the format, this weir reads draft %u only; use "
            "another data directory, or the weir that wrote it",
            draft, MANIFEST_DRAFT);
    m->good = n - r.left;
    while (r.left > 0) {
        size_t len = (size_t)rd_le(&r, 4);
        uint32_t sum = (uint32_t)rd_le(&r, 4);
        const uint8_t *body = rd_take(&r, len);
        bool last = !rd_ok(&r) || r.left == 0;
        if (body == NULL || seg_sum(body, len) != sum) {
            if (last)
                return ERR_OK; /* torn: the write that made it never returned */
            rc = ERR_CORRUPT;
            break;
        }
        if (!get_record(m, rd_init(body, len), &rc))
            break;
        rc = ERR_OK;
        m->good = n - r.left;
    }
    if (m->good == n)
        return ERR_OK;
    manifest_free(m);
    return err_set(e, rc, rc == ERR_NOMEM ? "manifest: out of memory" : "manifest: damaged");
}
