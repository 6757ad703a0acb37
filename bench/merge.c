/* What a merge costs, on one thread, and what it saves.
 *   bench_merge PCAP OUT [ROWS]     rows decoded from a capture (Ethernet, IPv4, UDP; tools/flowgen
 * -9 ...), sealed into segments of ROWS (default 1 M), merged into the file OUT (removed again).
 * Prints one JSON object: ns a row of the merge (best of three), with blocks joined where that is
 * allowed and with blocks kept, and octets a row before and after, by column and table. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "collect/capture.h"
#include "decode/decode.h"
#include "store/merge.h"

#define MAX_SEGMENTS 1024u
#define MAX_BATCHES  4096u

struct work {
    struct flow_batch *b[MAX_BATCHES]; /* not sealed yet */
    size_t n_batches;
    uint64_t rows, want, all_rows, octets;
    struct rowset *rs[MAX_SEGMENTS];
    struct buf file[MAX_SEGMENTS];
    size_t n;
    struct seg_sizes sizes;
};

static double now_s(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool seal(struct work *w)
{
    struct seg_info info;
    struct seg_sizes z = { .clock_ns = NULL };
    struct err e;
    size_t k = w->n;

    if (k == MAX_SEGMENTS || w->rows == 0)
        return w->rows == 0;
    w->file[k] = buf_init((size_t)1 << 32);
    if (segment_build(w->b, w->n_batches, k + 1, &w->file[k], &info, &z, &e) != ERR_OK ||
        segment_open(&w->rs[k], "bench", (struct os_map){ w->file[k].p, w->file[k].len }, false,
                     &e) != ERR_OK)
        return false;
    for (unsigned c = 0; c <= COL_N; c++)
        w->sizes.column[c] += z.column[c];
    for (unsigned t = 0; t < TABLE_N; t++)
        w->sizes.table[t] += z.table[t];
    for (size_t i = 0; i < w->n_batches; i++)
        flow_batch_unref(w->b[i]);
    w->all_rows += w->rows;
    w->octets += info.octets;
    w->n_batches = 0;
    w->rows = 0;
    w->n++;
    return true;
}

static int next_batch(struct decode_sink *s)
{
    struct work *w = s->ctx;

    flow_batch_seal(s->batch);
    w->b[w->n_batches++] = s->batch;
    w->rows += flow_batch_rows(s->batch);
    if ((w->rows >= w->want || w->n_batches == MAX_BATCHES) && !seal(w))
        return ERR_FULL;
    return flow_batch_new(&s->batch);
}

static bool decode(const struct os_map *file, struct work *w)
{
    struct decode_sink sink = { .next = next_batch, .ctx = w };
    struct decoder_limits lim = { 0 };
    struct capture_packet p;
    struct capture *c;
    struct decoder *d;
    struct err e;

    if (capture_open(&c, file->p, file->len, &e) != ERR_OK || decoder_new(&d, &lim) != ERR_OK ||
        flow_batch_new(&sink.batch) != ERR_OK)
        return false;
    while (capture_next(c, &p, &e) == ERR_OK) {
        size_t at = 14 + (p.len > 14 ? (size_t)(p.octets[14] & 15) * 4 : 0);
        struct datagram g = { .trusted = true, .received_ms = p.time_ms };
        if (p.link != LINK_ETHERNET || p.len < at + 8 || be16(p.octets + 12) != 0x0800 ||
            p.octets[23] != 17)
            continue;
        g.peer = addr_from_v4(be32(p.octets + 26));
        g.peer_port = be16(p.octets + at);
        g.octets = p.octets + at + 8;
        g.len = p.len - at - 8;
        if (decoder_feed(d, &g, &sink) != ERR_OK)
            return false;
    }
    if (next_batch(&sink) != ERR_OK || !seal(w))
        return false;
    flow_batch_unref(sink.batch);
    decoder_free(d);
    capture_close(c);
    return w->all_rows > 0;
}

static void print_sizes(const char *what, const struct seg_sizes *z, uint64_t octets, uint64_t rows)
{
    static const char *const tables[TABLE_N] = {
        "addresses",     "pages",           "exporters",       "shapes",
        "options",       "by interface",    "by protocol",     "by service",
        "AS of address", "mask of address", "VLAN of address", "next hop of address",
        "looked up AS",  "country"
    };

    (void)printf(", \"%s\": {\"all\": %.3f", what, (double)octets / (double)rows);
    for (unsigned c = 0; c <= COL_N; c++)
        if (z->column[c] > 0)
            (void)printf(", \"%s\": %.3f", c < COL_N ? col_info[c].name : "extras",
                         (double)z->column[c] / (double)rows);
    for (unsigned t = 0; t < TABLE_N; t++)
        if (z->table[t] > 0)
            (void)printf(", \"%s\": %.3f", tables[t], (double)z->table[t] / (double)rows);
    (void)printf("}");
}

int main(int argc, char **argv)
{
    static struct work w = { .want = 1000000 };
    struct merge_result r;
    struct os_map file;
    struct err e = { 0 };

    if (argc > 3)
        w.want = strtoull(argv[3], NULL, 10);
    if (argc < 3 || os_map_file(&file, argv[1], &e) != ERR_OK || !decode(&file, &w)) {
        (void)fprintf(stderr, "usage: bench_merge PCAP OUT [ROWS] (Ethernet, IPv4, UDP)%s\n",
                      e.msg);
        return 1;
    }
    os_unmap(&file);
    (void)printf("{\"rows\": %llu, \"segments\": %zu", (unsigned long long)w.all_rows, w.n);
    for (int keep = 0; keep < 2; keep++) {
        struct merge_options o = { .id = 1, .keep_blocks = keep != 0 };
        double best = 1e9;
        for (int round = 0; round < 3; round++) {
            double t = now_s();
            if (segment_merge(w.rs, w.n, argv[2], &o, &r, &e) != ERR_OK) {
                (void)fprintf(stderr, "%s\n", e.msg);
                return 1;
            }
            t = now_s() - t;
            best = t < best ? t : best;
        }
        (void)printf(", \"%s\": %.1f", keep ? "ns_per_row_kept" : "ns_per_row",
                     best * 1e9 / (double)w.all_rows);
    }
    (void)os_unlink(argv[2], NULL);
    print_sizes("before", &w.sizes, w.octets, w.all_rows);
    print_sizes("after", &r.sizes, r.info.octets, w.all_rows);
    (void)printf("}\n");
    for (size_t i = 0; i < w.n; i++) {
        rowset_unref(w.rs[i]);
        buf_free(&w.file[i]);
    }
    return 0;
}
