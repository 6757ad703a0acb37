/* Octets as a manifest; checksums of records are made right first, so that mutations get behind
 * them. */
#include <stdlib.h>
#include <string.h>

#include "store/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
