/* Octets as what a cut keeps of the collector; lengths and sums of the decoders' parts are made
 * right first. What is understood is written as it was read. */
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/be.h"
#include "collect/past.h"
#include "decode/checkpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEAD  32u
#define SHARD 68u /* octets of a shard before its decoder's */

static const struct decoder_limits lim = { .max_exporters = 6,
                                           .max_untrusted = 3,
                                           .max_templates = 16,
                                           .max_fields = 64,
                                           .max_waiting_octets = 4096,
                                           .max_waiting_total = 16384,
                                           .waiting_ttl_s = 60,
                                           .reorder_window = 16 };

static void one(const uint8_t *p, size_t size)
{
    struct past *x = calloc(1, sizeof *x), *y = calloc(1, sizeof *y);
    struct buf out = buf_init(64u << 20);
    struct err e;

    (void)past_newer(p, size);
    if (x == NULL || y == NULL)
        abort();
    if (past_get(x, p, size, &lim, &e) == ERR_OK) {
        if (past_newer(p, size) != 0)
            abort();
        past_put_head(&out, x->n, x->sealed, x->refused);
        for (unsigned i = 0; i < x->n; i++) {
            x->shard[i].cut.decoder = buf_init(64u << 20);
            if (decoder_save(x->shard[i].decode, &x->shard[i].cut.decoder) != ERR_OK)
                abort();
            past_put_shard(&out, &x->shard[i].cut);
            buf_free(&x->shard[i].cut.decoder);
        }
        if (!buf_ok(&out) || past_get(y, out.p, out.len, &lim, &e) != ERR_OK || y->n != x->n ||
            y->sealed != x->sealed || y->refused != x->refused ||
            y->shard[y->n - 1].cut.serial != x->shard[x->n - 1].cut.serial ||
            y->shard[0].cut.not_journaled != x->shard[0].cut.not_journaled)
            abort();
    }
    past_clear(x);
    past_clear(y);
    free(x);
    free(y);
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *p = malloc(size + 1);

    if (p == NULL)
        return 0;
    one(data, size);
    if (size > 0)
        memcpy(p, data, size);
    for (size_t at = HEAD; at + SHARD <= size;) {
        size_t len = le32(p + at + SHARD - 4);
        at += SHARD;
        if (len > size - at)
            break;
        if (len >= 24) {
            le_put(p + at + 16, len, 8);
            le_put(p + at + 12, (uint32_t)XXH3_64bits(p + at + 16, len - 16), 4);
        }
        at += len;
    }
    one(p, size);
    free(p);
    return 0;
}
