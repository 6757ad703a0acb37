/* Octets as a checkpoint file; its two checksums are made right first. */
#include <stdlib.h>
#include <string.h>

#include "store/entry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void one(const uint8_t *p, size_t size)
{
    struct manifest_cut cut;
    struct rd content;
    struct err e;
    int rc = checkpoint_get(p, size, "x", &cut, &content, &e);

    if (cut.n_shards > SEG_SHARDS || (rc != ERR_OK && content.left > 0))
        abort();
    if (rc == ERR_OK) {
        struct buf in = buf_init(size + 1), out = buf_init(size + 1);
        buf_put(&in, content.p, content.left);
        checkpoint_put(&out, &cut, &in);
        if (!buf_ok(&out) || out.len != size || memcmp(out.p, p, size) != 0)
            abort();
        buf_free(&in);
        buf_free(&out);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *p = malloc(size + 1);
    size_t head;

    if (p == NULL)
        return 0;
    one(data, size);
    if (size > 0)
        memcpy(p, data, size);
    if (size >= 48) {
        head = 32 + 8 * (size_t)(le32(p + 12) % (SEG_SHARDS + 1));
        if (head + 16 <= size) {
            le_put(p + head, store_sum(p, head), 8);
            le_put(p + size - 8, store_sum(p + head + 8, size - head - 16), 8);
        }
    }
    one(p, size);
    free(p);
    return 0;
}
