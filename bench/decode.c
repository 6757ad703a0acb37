/* How fast datagrams become rows: decode PCAP from memory, on one thread.
 *   decode PCAP [ROUNDS]     prints one JSON object: records, seconds, records_per_s, ns_per_record
 * The capture is what tools/flowgen or any exporter made; each round begins with a new decoder, and
 * batches are made, filled and freed as in the collector. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/be.h"
#include "decode/decode.h"

struct packets {
    struct datagram *g;
    size_t n;
};

static bool udp(const uint8_t *p, size_t n, struct datagram *g)
{
    size_t at = 14, head;

    if (n < 42 || be16(p + 12) != 0x0800 || p[at + 9] != 17)
        return false;
    head = (size_t)(p[at] & 15) * 4;
    g->peer = addr_from_v4(be32(p + at + 12));
    at += head;
    if (n < at + 8)
        return false;
    g->peer_port = be16(p + at);
    g->octets = p + at + 8;
    g->len = n - at - 8;
    return true;
}

static bool load(const char *path, struct packets *out)
{
    FILE *f = fopen(path, "rb");
    long size = 0;
    uint8_t *p;

    if (f == NULL || fseek(f, 0, SEEK_END) != 0)
        return false;
    size = ftell(f);
    rewind(f);
    p = malloc((size_t)size);
    out->g = calloc((size_t)size / 60 + 1, sizeof *out->g);
    if (p == NULL || out->g == NULL || fread(p, 1, (size_t)size, f) != (size_t)size)
        return false;
    (void)fclose(f);
    for (size_t at = 24; at + 16 <= (size_t)size;) {
        struct datagram g = { .trusted = true };
        size_t len = le32(p + at + 8);
        g.received_ms = (int64_t)le32(p + at) * 1000 + le32(p + at + 4) / 1000;
        at += 16;
        if (len > (size_t)size - at)
            break;
        if (udp(p + at, len, &g))
            out->g[out->n++] = g;
        at += len;
    }
    return true;
}

static int next_batch(struct decode_sink *s)
{
    flow_batch_seal(s->batch);
    flow_batch_unref(s->batch);
    return flow_batch_new(&s->batch);
}

static double now_s(void)
{
    struct timespec t;

    /* time of this thread: others on the machine disturb it less */
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    struct packets all = { 0 };
    struct decoder_limits lim = { 0 };
    struct decode_counters c = { 0 };
    int rounds = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 3;
    double best = 1e9;

    if (argc < 2 || !load(argv[1], &all)) {
        (void)fprintf(stderr, "usage: decode PCAP [ROUNDS] (Ethernet, IPv4, UDP)\n");
        return 1;
    }
    for (int r = 0; r < rounds; r++) {
        struct decode_sink sink = { .next = next_batch };
        struct decoder *d;
        double t0, t;
        if (decoder_new(&d, &lim) != ERR_OK || flow_batch_new(&sink.batch) != ERR_OK)
            return 1;
        t0 = now_s();
        for (size_t i = 0; i < all.n; i++) {
            if (i % DECODE_AHEAD == 0)
                decoder_expect(d, &all.g[i], (unsigned)MIN(DECODE_AHEAD, all.n - i));
            if (i + 1 < all.n)
                be_prefetch(all.g[i + 1].octets, all.g[i + 1].len);
            if (decoder_feed(d, &all.g[i], &sink) != ERR_OK)
                return 1;
        }
        t = now_s() - t0;
        best = t < best ? t : best;
        decoder_totals(d, &c);
        decoder_free(d);
        flow_batch_unref(sink.batch);
    }
    (void)printf(
        "{\"datagrams\": %llu, \"records\": %llu, \"seconds\": %.6f, \"records_per_s\": %.0f, "
        "\"ns_per_record\": %.1f}\n",
        (unsigned long long)c.datagrams, (unsigned long long)c.flows, best, (double)c.flows / best,
        best * 1e9 / (double)c.flows);
    return 0;
}
