/* Octets as a manifest; checksums of records are made right first, so that mutations get behind
 * them. */
#include <stdlib.h>
#include <string.h>

#include "store/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a writer does with the state: one more segment, the first two replaced by it, all of the
 * rest moved, the last removed. Records just made always apply. */
static void change(struct manifest *m)
{
    struct buf b = buf_init(64u << 20);
    struct seg_info x = { .id = m->next_id, .n_rows = 1 };
    uint64_t *id = malloc((m->n_seg + 1) * sizeof *id);
    size_t n = m->n_seg, left = n - MIN(n, 2) + 1;

    if (id == NULL || n == 0 || m->next_id >= UINT64_MAX / 2) {
        free(id);
        return;
    }
    for (size_t i = 0; i < n; i++)
        id[i] = m->seg[i].info.id;
    manifest_put_replace(&b, id, MIN(n, 2), &x, 1, TIER_SLOW);
    manifest_put_move(&b, TIER_SLOW, id, n);
    if (!buf_ok(&b) || manifest_reserve(m, b.len) != ERR_OK ||
        manifest_apply(m, b.p, b.len) != ERR_OK || m->n_seg != left ||
        manifest_find(m, x.id) == NULL)
        abort();
    for (size_t i = 0; i < m->n_seg; i++)
        if (m->seg[i].tier != TIER_SLOW)
            abort();
    for (size_t i = 0; i < m->n_import; i++)
        if (manifest_holds(m, &m->import[i]) && m->import[i].within == id[0])
            abort(); /* it follows what replaced it */
    buf_clear(&b);
    manifest_put_remove(&b, &x.id, 1);
    if (!buf_ok(&b) || manifest_apply(m, b.p, b.len) != ERR_OK || manifest_find(m, x.id) != NULL)
        abort();
    free(id);
    buf_free(&b);
}

static void one(const uint8_t *p, size_t size)
{
    struct buf b = buf_init(64u << 20);
    struct manifest m, again;
    struct err e;

    if (manifest_read(&m, p, size, &e) != ERR_OK)
        return;
    manifest_put_all(&m, &b);
    /* what was understood can be written and is understood alike */
    if (!buf_ok(&b) || manifest_read(&again, b.p, b.len, &e) != ERR_OK || again.n_seg != m.n_seg)
        abort();
    manifest_free(&again);
    change(&m);
    manifest_free(&m);
    buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *p = malloc(size + 1);

    if (p == NULL)
        return 0;
    one(data, size);
    if (size > 0)
        memcpy(p, data, size);
    for (size_t at = 16; at + 8 <= size;) {
        size_t len = le32(p + at);
        if (len > size - at - 8)
            break;
        le_put(p + at + 4, seg_sum(p + at + 8, len), 4);
        at += 8 + len;
    }
    one(p, size);
    free(p);
    return 0;
}
