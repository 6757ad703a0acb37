/* How long the decoder's part of a checkpoint takes to write and to read.
 *   checkpoint [EXPORTERS [TEMPLATES]]   default 10000 exporters with 2 templates of 20 fields each
 * Prints one JSON object: octets, and the median of 9 saves and loads in ms. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/buf.h"
#include "decode/checkpoint.h"

#define ROUNDS 9
#define NOW    1700000000000

static int next_batch(struct decode_sink *s)
{
    flow_batch_unref(s->batch);
    return flow_batch_new(&s->batch);
}

/* Templates, then a set that waits for one that never comes, and a gap in the numbers. */
static void feed(struct decoder *d, struct decode_sink *sink, unsigned i, unsigned templates)
{
    struct buf g = buf_init(1u << 16);
    struct datagram in = { .peer = addr_from_v4(0x0a000000u + i),
                           .peer_port = (uint16_t)i,
                           .trusted = true,
                           .received_ms = NOW + i };

    for (unsigned n = 0; n < 2; n++) {
        buf_clear(&g);
        buf_be(&g, 9, 2);
        buf_be(&g, templates, 2);
        buf_be(&g, 1000000 + i, 4);
        buf_be(&g, NOW / 1000, 4);
        buf_be(&g, i + n * 5, 4);
        buf_be(&g, 0, 4);
        buf_be(&g, 0, 2);
        buf_be(&g, 4 + templates * 84, 2);
        for (unsigned t = 0; t < templates; t++) {
            buf_be(&g, 256 + t, 2);
            buf_be(&g, 20, 2);
            for (unsigned f = 0; f < 20; f++)
                buf_be(&g, (uint64_t)(f + 1 + t) << 16 | 4, 4);
        }
        buf_be(&g, 9999, 2);
        buf_be(&g, 84, 2);
        for (unsigned k = 0; k < 80; k++)
            buf_be(&g, k, 1);
        in.octets = g.p;
        in.len = g.len;
        if (decoder_feed(d, &in, sink) != ERR_OK)
            exit(1);
    }
    buf_free(&g);
}

static double now_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    unsigned exporters = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 10000;
    unsigned templates = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 2;
    struct decoder_limits lim = { 0 };
    struct decode_sink sink = { .next = next_batch };
    struct buf b = buf_init((size_t)1 << 31);
    double save[ROUNDS], load[ROUNDS];
    struct decoder *d, *again;

    if (decoder_new(&d, &lim) != ERR_OK || flow_batch_new(&sink.batch) != ERR_OK)
        return 1;
    for (unsigned i = 0; i < exporters; i++)
        feed(d, &sink, i, templates);
    for (unsigned i = 0; i < ROUNDS; i++) {
        double t = now_ms();
        buf_free(&b); /* as the collector does it: the buffer grows each time */
        if (decoder_save(d, &b) != ERR_OK)
            return 1;
        save[i] = now_ms() - t;
        t = now_ms();
        if (decoder_load(&again, &lim, b.p, b.len, NULL) != ERR_OK)
            return 1;
        load[i] = now_ms() - t;
        decoder_free(again);
    }
    qsort(save, ROUNDS, sizeof *save, ascending);
    qsort(load, ROUNDS, sizeof *load, ascending);
    (void)printf("{\"exporters\": %u, \"templates\": %u, \"octets\": %zu, \"save_ms\": %.2f, "
                 "\"load_ms\": %.2f}\n",
                 exporters, templates, b.len, save[ROUNDS / 2], load[ROUNDS / 2]);
    buf_free(&b);
    decoder_free(d);
    flow_batch_unref(sink.batch);
    return 0;
}
