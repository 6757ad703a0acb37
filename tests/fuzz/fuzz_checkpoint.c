/* Octets as the decoder's part of a checkpoint; length and sum are made right first, so that
 * mutations get behind them. What is understood must decode on, keep its ledgers, and be saved and
 * loaded as the same again. */
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "fuzz_decode.h"

#include "decode/checkpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct decoder_limits lim = { .max_exporters = 6,
                                           .max_untrusted = 3,
                                           .max_templates = 16,
                                           .max_fields = 64,
                                           .max_waiting_octets = 4096,
                                           .max_waiting_total = 16384,
                                           .waiting_ttl_s = 60,
                                           .reorder_window = 16 };
static struct decode_sink sink = { .next = fuzz_next };

static void again(const struct decoder *d)
{
    struct buf a = buf_init(64u << 20), b = buf_init(64u << 20);
    struct decoder *e;

    if (decoder_save(d, &a) != ERR_OK || decoder_load(&e, &lim, a.p, a.len, NULL) != ERR_OK ||
        decoder_save(e, &b) != ERR_OK || a.len != b.len || memcmp(a.p, b.p, a.len) != 0)
        abort();
    decoder_free(e);
    buf_free(&a);
    buf_free(&b);
}

/* A template and records of it, from and for the exporters of the corpus. */
static void go_on(struct decoder *d)
{
    static const uint8_t v9[] = { 0, 9, 0, 2, 0, 1, 0, 0,  0x65, 0x53, 0xf1, 0, 0, 0, 0, 9,
                                  0, 0, 0, 0, 0, 0, 0, 16, 1,    0,    0,    2, 0, 8, 0, 4,
                                  0, 1, 0, 4, 1, 0, 0, 12, 192,  0,    2,    1, 0, 0, 0, 77 };

    for (unsigned i = 0; i < 4; i++) {
        uint8_t *exact = malloc(sizeof v9);
        struct datagram g = { .octets = exact,
                              .len = sizeof v9,
                              .peer = addr_from_v4(0xc0000200u + i),
                              .peer_port = 2000,
                              .trusted = i != 0,
                              .received_ms = 1700000500000 + i };
        uint32_t row = flow_batch_rows(sink.batch);
        if (exact == NULL)
            abort();
        memcpy(exact, v9, sizeof v9);
        if (i == 3)
            exact[1] = 10;
        if (decoder_feed(d, &g, &sink) != ERR_OK)
            abort();
        fuzz_check(d, sink.batch, row);
        free(exact);
    }
    decoder_tick(d, 1700000600000);
    again(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *p = malloc(size + 1);
    struct decoder *d;
    struct err e;

    if (p == NULL || (sink.batch == NULL && flow_batch_new(&sink.batch) != ERR_OK))
        abort();
    if (flow_batch_rows(sink.batch) > 40000 && fuzz_next(&sink) != ERR_OK)
        abort();
    if (size > 0)
        memcpy(p, data, size);
    if (decoder_load(&d, &lim, p, size, &e) == ERR_OK)
        decoder_free(d);
    if (size >= 24) {
        le_put(p + 16, size, 8);
        le_put(p + 12, (uint32_t)XXH3_64bits(p + 16, size - 16), 4);
        if (decoder_load(&d, &lim, p, size, &e) == ERR_OK) {
            fuzz_check(d, sink.batch, flow_batch_rows(sink.batch));
            again(d);
            go_on(d);
            decoder_free(d);
        }
    }
    free(p);
    return 0;
}
