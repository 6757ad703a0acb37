/* What sealing costs, on one thread, and what a segment holds.
 *   seal PCAP [ROWS]     rows decoded from a capture (tools/flowgen -9 ... or any exporter's),
 * segments of ROWS (default 1 M) at least. Prints one JSON object: ns a row for sealing (CPU time
 * of the thread) in all and by stage, octets a row in all, by column and by table, and the speed of
 * reading each column back (M values/s, best of three; checksums verified before). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "collect/capture.h"
#include "decode/decode.h"
#include "enrich/geo.h"
#include "store/segment.h"

#define MAX_BATCHES 4096u

struct rows {
    struct flow_batch *b[MAX_BATCHES];
    size_t n;
    uint64_t rows;
};

static double now_s(void)
{
    struct timespec t;

    /* time of this thread: others on the machine disturb it less */
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint64_t now_ns(void)
{
    return (uint64_t)(now_s() * 1e9);
}

static int next_batch(struct decode_sink *s)
{
    struct rows *r = s->ctx;

    flow_batch_seal(s->batch);
    if (r->n >= MAX_BATCHES)
        return ERR_FULL;
    r->b[r->n++] = s->batch;
    r->rows += flow_batch_rows(s->batch);
    return flow_batch_new(&s->batch);
}

/* Ethernet, IPv4, UDP: what flowgen writes. */
static bool udp(const struct capture_packet *p, struct datagram *g)
{
    size_t at = 14, head;

    if (p->link != LINK_ETHERNET || p->len < 42 || be16(p->octets + 12) != 0x0800 ||
        p->octets[at + 9] != 17)
        return false;
    head = (size_t)(p->octets[at] & 15) * 4;
    g->peer = addr_from_v4(be32(p->octets + at + 12));
    at += head;
    if (p->len < at + 8)
        return false;
    g->peer_port = be16(p->octets + at);
    g->octets = p->octets + at + 8;
    g->len = p->len - at - 8;
    g->received_ms = p->time_ms;
    return true;
}

static bool decode(const struct os_map *file, struct rows *out)
{
    struct decode_sink sink = { .next = next_batch, .ctx = out };
    struct decoder_limits lim = { 0 };
    struct capture_packet p;
    struct capture *c;
    struct decoder *d;
    struct err e;

    if (capture_open(&c, file->p, file->len, &e) != ERR_OK || decoder_new(&d, &lim) != ERR_OK ||
        flow_batch_new(&sink.batch) != ERR_OK)
        return false;
    while (capture_next(c, &p, &e) == ERR_OK) {
        struct datagram g = { .trusted = true };
        if (udp(&p, &g) && decoder_feed(d, &g, &sink) != ERR_OK)
            return false;
    }
    if (next_batch(&sink) != ERR_OK)
        return false;
    flow_batch_unref(sink.batch);
    decoder_free(d);
    capture_close(c);
    return true;
}

/* M values/s of one column over all blocks. */
static double read_speed(const struct rowset *rs, enum col col)
{
    static uint64_t v[ROWSET_VECTOR];
    double best = 1e9;
    struct err e;

    for (int round = 0; round < 4; round++) {
        double t = now_s();
        for (uint32_t b = 0; b < rs->n_blocks; b++) {
            uint32_t n = rs->ops->block_rows(rs, b);
            for (uint32_t first = 0; first < n; first += ROWSET_VECTOR)
                if (rs->ops->read(rs, b, col, first, MIN(ROWSET_VECTOR, n - first), v, &e) !=
                    ERR_OK)
                    return 0;
        }
        t = now_s() - t;
        best = round > 0 && t < best ? t : best;
    }
    return rs->n_rows / best / 1e6;
}

static void print_sizes(const struct seg_sizes *z, uint64_t rows)
{
    static const char *const tables[TABLE_N] = {
        "addresses",     "pages",           "exporters",       "shapes",
        "options",       "by interface",    "by protocol",     "by service",
        "AS of address", "mask of address", "VLAN of address", "next hop of address",
        "looked up AS",  "country"
    };
    const char *sep = "";

    (void)printf("\"octets_per_row\": {");
    for (unsigned c = 0; c <= COL_N; c++) {
        if (z->column[c] == 0)
            continue;
        (void)printf("%s\"%s\": %.3f", sep, c < COL_N ? col_info[c].name : "extras",
                     (double)z->column[c] / (double)rows);
        sep = ", ";
    }
    for (unsigned t = 0; t < TABLE_N; t++)
        if (z->table[t] > 0)
            (void)printf(", \"%s\": %.3f", tables[t], (double)z->table[t] / (double)rows);
    (void)printf("}");
}

static void print_stages(const struct seg_sizes *z, uint64_t rows)
{
    static const char *const stages[STAGE_N] = { "addresses", "views",   "attributes",
                                                 "geo",       "columns", "extras",
                                                 "tables",    "index",   "totals" };

    (void)printf("\"ns_per_row_by_stage\": {");
    for (unsigned i = 0; i < STAGE_N; i++)
        (void)printf("%s\"%s\": %.1f", i > 0 ? ", " : "", stages[i],
                     (double)z->stage_ns[i] / (double)rows);
    (void)printf("}, ");
}

static void print_speeds(const struct rowset *rs, const struct seg_sizes *z)
{
    const char *sep = "";

    (void)printf(", \"read_m_values_per_s\": {");
    for (unsigned c = 0; c < COL_N; c++) {
        if (z->column[c] == 0)
            continue;
        (void)printf("%s\"%s\": %.0f", sep, col_info[c].name, read_speed(rs, c));
        sep = ", ";
    }
    (void)printf("}");
}

int main(int argc, char **argv)
{
    uint64_t want = argc > 2 ? strtoull(argv[2], NULL, 10) : 1000000, octets = 0, segments = 0;
    struct rows rows = { .n = 0 };
    struct seg_sizes all = { .column = { 0 } }, z = { .clock_ns = now_ns };
    struct rowset *rs = NULL;
    struct geo *geo = NULL;
    struct seg_geo known = { .today = NULL };
    struct os_map file;
    double seconds = 0;
    struct err e;

    if (argc > 3 && geo_open(&geo, argv[3], &e) != ERR_OK)
        geo = NULL;
    known.today = geo;
    if (argc < 2 || (argc > 3 && geo == NULL) || os_map_file(&file, argv[1], &e) != ERR_OK ||
        !decode(&file, &rows) || rows.rows == 0) {
        (void)fprintf(stderr, "usage: seal PCAP [ROWS [FACTS_DIR]] (Ethernet, IPv4, UDP)\n");
        return 1;
    }
    for (size_t i = 0; i < rows.n; segments++) {
        struct buf out = buf_init((size_t)1 << 32);
        struct seg_info info;
        uint64_t n = 0;
        size_t k = i;
        double t;
        while (k < rows.n && n < want)
            n += flow_batch_rows(rows.b[k++]);
        t = now_s();
        if (segment_build_from(rows.b + i, k - i, segments + 1, NULL, &known, &out, &info, &z,
                               &e) != ERR_OK) {
            (void)fprintf(stderr, "%s\n", e.msg);
            return 1;
        }
        seconds += now_s() - t;
        octets += out.len;
        for (unsigned c = 0; c <= COL_N; c++)
            all.column[c] += z.column[c];
        for (unsigned x = 0; x < TABLE_N; x++)
            all.table[x] += z.table[x];
        for (unsigned x = 0; x < STAGE_N; x++)
            all.stage_ns[x] += z.stage_ns[x];
        i = k;
        if (i < rows.n) {
            buf_free(&out);
            continue;
        }
        (void)printf(
            "{\"rows\": %llu, \"segments\": %llu, \"ns_per_row\": %.1f, \"octets\": %.3f, ",
            (unsigned long long)rows.rows, (unsigned long long)segments + 1,
            seconds * 1e9 / (double)rows.rows, (double)octets / (double)rows.rows);
        print_stages(&all, rows.rows);
        print_sizes(&all, rows.rows);
        if (segment_open(&rs, "bench", (struct os_map){ out.p, out.len }, false, &e) != ERR_OK)
            return 1;
        print_speeds(rs, &z);
        (void)printf("}\n");
        rowset_unref(rs);
        buf_free(&out);
    }
    for (size_t i = 0; i < rows.n; i++)
        flow_batch_unref(rows.b[i]);
    os_unmap(&file);
    geo_unref(geo);
    return 0;
}
