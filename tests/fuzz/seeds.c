/* Write the inputs that a random walk from nothing does not find, as files DIR/<target>/seed-*:
 * segments in all their forms, manifests, journals, what a cut keeps, decoders' states. To be run
 * again, and its output kept in corpus/, when a draft of these formats changes. usage: seeds DIR */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collect/journal_file.h"
#include "collect/past.h"
#include "decode/checkpoint.h"
#include "fake_geo.h"
#include "os/file.h"
#include "random_batch.h"
#include "store/manifest.h"
#include "store/merge.h"

static const char *dir;

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    (void)fprintf(stderr, "seeds: %s\n", what);
    exit(1);
}

static void keep(const char *target, const char *name, const struct buf *b)
{
    char path[4096];
    FILE *f;

    (void)snprintf(path, sizeof path, "%s/%s", dir, target);
    must(os_mkdir(path, NULL) == ERR_OK, path);
    (void)snprintf(path, sizeof path, "%s/%s/seed-%s", dir, target, name);
    f = fopen(path, "wb");
    must(f != NULL && buf_ok(b) && fwrite(b->p, 1, b->len, f) == b->len && fclose(f) == 0, path);
    (void)printf("%s: %zu octets\n", path, b->len);
}

/* ------------------------------------------------------------------ segments */

#define EXTRAS 7u

/* Extras of every relation, a wide one and a variable one. */
static const struct shape *related_shape(void)
{
    static const struct shape_field f[] = {
        { .id = 8, .len = 4, .col = COL_SRC_IP, .conv = CONV_IP4 },
        { .id = 1, .len = 8, .col = COL_BYTES, .conv = CONV_UINT },
        { .pen = 9, .id = 1, .len = 2, .col = COL_NONE },
        { .pen = 9, .id = 2, .len = 4, .col = COL_NONE },
        { .pen = 9, .id = 3, .len = 2, .col = COL_NONE },
        { .pen = 9, .id = 4, .len = 2, .col = COL_NONE },
        { .pen = 9, .id = 5, .len = 8, .col = COL_NONE },
        { .pen = 9, .id = 6, .len = 16, .col = COL_NONE },
        { .pen = 9, .id = 7, .len = SHAPE_LEN_VAR, .col = COL_NONE },
    };
    struct shape *s = NULL;

    must(shape_new(&s, 10, SHAPE_FLOW, 0, f, EXTRAS + 2) == ERR_OK, "shape");
    return s;
}

static uint8_t *put_related(uint8_t *p, uint32_t i, uint64_t dst_port, uint64_t bytes, bool icmp)
{
    unsigned var = i % 400 == 0 ? 300 : i / 50 % 3;

    be_put(p, i / 64 * 7919u, 2);
    be_put(p + 2, bytes, 4);
    be_put(p + 6, icmp ? dst_port : 0, 2);
    be_put(p + 8, icmp ? 0 : dst_port, 2);
    be_put(p + 10, 1780000000000u + i, 8);
    memset(p + 18, (int)(i / 100), 16);
    p += 34;
    if (var >= 255) {
        *p++ = 255;
        be_put(p, var, 2);
        p += 2;
    } else {
        *p++ = (uint8_t)var;
    }
    memset(p, 'a', var);
    return p + var;
}

/* A number of row i in the form that suits codec `which`: constant, random, small, steadily rising,
 * few values, runs. */
static uint64_t pattern(struct rnd *r, unsigned which, uint32_t i)
{
    static const uint64_t few[] = { 3, 70000000, 12, UINT64_C(1) << 40, 99 };

    switch (which % 6) {
    case 0:
        return 77;
    case 1:
        return rnd_next(r) << 13 ^ rnd_next(r);
    case 2:
        return rnd_next(r) % 1000 + (i % 97 == 0 ? 1u << 30 : 0);
    case 3:
        return 1000000 + 1000 * (uint64_t)i + rnd_next(r) % 7;
    case 4:
        return few[rnd_next(r) % 5] + (i % 211 == 0 ? rnd_next(r) : 0);
    default:
        return 1u << i / 37 % 20;
    }
}

#define DULL 99u /* turn: all rows are nearly alike */

/* One batch in which the columns go through all codecs, beginning with `turn`. */
static struct flow_batch *patterned(uint64_t seed, uint32_t rows, unsigned turn, bool extras,
                                    unsigned addresses, int64_t t)
{
    uint64_t apart = turn == DULL ? 2 : 60000;
    struct rnd r = { seed };
    struct flow_batch *b = NULL;
    const struct shape *shape = extras ? related_shape() : random_shape(1, 0, 0);
    struct exporter_key k = { .addr = addr_from_v4(0xc0000201u), .version = 10 };
    uint32_t number, exporter;

    must(flow_batch_new(&b) == ERR_OK, "batch");
    number = flow_batch_shape(b, shape);
    exporter = flow_batch_exporter(b, &k);
    for (uint32_t i = 0; i < rows; i++) {
        bool icmp = i % 5 == 0;
        uint64_t port = icmp ? 2048 : 1024 + rnd_next(&r) % apart;
        uint64_t bytes = 40 + rnd_next(&r) % MIN(apart, 1400);
        uint32_t code[4] = { 0 };
        for (unsigned c = 0; c < 3; c++) {
            struct addr a = addr_from_v4(0x0a000000u + (uint32_t)(rnd_next(&r) % addresses));
            if (rnd_next(&r) % 4 == 0) {
                memset(&a, 0, sizeof a);
                be_put(a.b, 0x20010db800000000u + rnd_next(&r) % 3, 8);
                be_put(a.b + 8, rnd_next(&r) % addresses, 8);
            }
            code[c] = flow_batch_addr(b, &a);
        }
        for (unsigned c = 0; c < COL_N; c++)
            set_col(b, c, i,
                    col_info[c].kind == COL_KIND_ADDR || turn == DULL ? 0
                                                                      : pattern(&r, c + turn, i));
        set_col(b, COL_RECEIVED, i, (uint64_t)t + i / 10);
        set_col(b, COL_END, i, (uint64_t)t + i / 10 - 100);
        set_col(b, COL_START, i, (uint64_t)t + i / 10 - 100 - rnd_next(&r) % apart / 10);
        set_col(b, COL_EXPORTER, i, exporter);
        set_col(b, COL_SHAPE, i, number);
        set_col(b, COL_SRC_IP, i, code[0]);
        set_col(b, COL_DST_IP, i, code[1]);
        set_col(b, COL_NEXT_IP, i, code[1] / 2);
        set_col(b, COL_PROTO, i, icmp ? 1 : 6);
        set_col(b, COL_DST_PORT, i, port);
        set_col(b, COL_BYTES, i, bytes);
        set_col(b, COL_SRC_AS, i, code[0] * 11);
        set_col(b, COL_DST_AS, i, code[1] * 11);
        set_col(b, COL_SRC_MASK, i, code[0] % 32);
        set_col(b, COL_DST_VLAN, i, code[1] % 3);
        b->extra_off[i] = b->extra_used;
        if (extras)
            b->extra_used =
                (uint32_t)(put_related(b->extra_octets + b->extra_used, i, port, bytes, icmp) -
                           b->extra_octets);
        b->extra_len[i] = b->extra_used - b->extra_off[i];
    }
    flow_batch_publish(b, rows, ~0ull >> (64 - COL_N));
    flow_batch_seal(b);
    shape_unref(shape);
    return b;
}

static void build(struct buf *out, struct flow_batch **b, size_t n, uint64_t id)
{
    struct fake_geo geo[2];
    struct seg_geo known = { .today = NULL };
    struct seg_info info;
    struct err e = { 0 };

    *out = buf_init(64u << 20);
    /* of three segments one was sealed without AS numbers and countries, the others by two data */
    fake_geo_init(&geo[0], 1, 50);
    fake_geo_init(&geo[1], 2, 50);
    known.today = id % 3 == 2 ? NULL : &geo[id % 3].geo;
    must(segment_build_from(b, n, id, NULL, &known, out, &info, NULL, &e) == ERR_OK, e.msg);
}

static void segment(const char *name, struct flow_batch *b)
{
    struct buf out;

    must(b != NULL, name);
    build(&out, &b, 1, 7);
    keep("segment", name, &out);
    buf_free(&out);
    flow_batch_unref(b);
}

/* 17 blocks of a few rows: more pages than two octets are kept for, so that the index holds gaps.
 */
static void merged(void)
{
    struct rowset *rs[17];
    struct buf octets[17], out = buf_init(1u << 20);
    struct seg_import im = { .sha256 = { 1 }, .at_ms = 1780000000000, .file = "a.pcap" };
    const uint64_t old[] = { 1, 2, 3 }, at[] = { 5, 6 };
    struct seg_origin from = { .cut = 3,
                               .n_shards = 2,
                               .journal = at,
                               .replaced = old,
                               .n_replaced = 3,
                               .parts = 2,
                               .kind = SEG_MIXED,
                               .import = &im,
                               .n_import = 1 };
    struct merge_options o = { .id = 99, .from = &from, .keep_blocks = true };
    struct merge_result done;
    struct err e = { 0 };
    char path[4096];

    for (unsigned i = 0; i < 17; i++) {
        struct flow_batch *b = patterned(i + 1, 2, i, false, 9, 1780000000000 + 1000 * i);
        build(&octets[i], &b, 1, i + 1);
        must(segment_open(&rs[i], "seed", (struct os_map){ .p = octets[i].p, .len = octets[i].len },
                          false, &e) == ERR_OK,
             e.msg);
        flow_batch_unref(b);
    }
    (void)snprintf(path, sizeof path, "%s/merged.tmp", dir);
    must(segment_merge(rs, 17, path, &o, &done, &e) == ERR_OK, e.msg);
    must(os_file_slurp(path, &out, &e) == ERR_OK, e.msg);
    keep("segment", "merged", &out);
    (void)unlink(path);
    for (unsigned i = 0; i < 17; i++) {
        rowset_unref(rs[i]);
        buf_free(&octets[i]);
    }
    buf_free(&out);
}

static void segments(void)
{
    struct rnd r = { 11 };
    int64_t t = 1780000000000;

    segment("shapes", random_batch(&r, 200, 30, &t, 9, 0));
    segment("few-rows-a-shape", random_batch(&r, 60, 3, &t, 5, 0));
    segment("two-pages", patterned(3, 4200, DULL, true, 2, t));
    for (unsigned turn = 0; turn < 6; turn++) {
        char name[32];
        (void)snprintf(name, sizeof name, "codecs-%u", turn);
        segment(name, patterned(turn + 5, 150, turn, turn % 2 == 0, 40, t));
    }
    merged();
}

/* ------------------------------------------------------------------ manifest */

static struct seg_info info(uint64_t id)
{
    return (struct seg_info){ .id = id,
                              .octets = 1000 * id,
                              .n_rows = 10,
                              .n_blocks = 1,
                              .min_start_ms = 1780000000000,
                              .max_start_ms = 1780000001000,
                              .max_end_ms = 1780000001000,
                              .min_received_ms = 1780000002000,
                              .max_received_ms = 1780000003000 };
}

static void manifests(void)
{
    struct buf b = buf_init(1u << 20);
    struct seg_info s[6];
    struct seg_import a = { .sha256 = { 1 }, .at_ms = 5, .file = "a" },
                      c = { .sha256 = { 2 }, .at_ms = 6, .file = "c" };
    struct manifest_cut cut = { .id = 2, .n_shards = 2, .journal = { 10, 20 }, .octets = 100 };
    struct manifest_import within = { .what = a, .within = 6 };
    const uint64_t first[] = { 1 }, two[] = { 3, 4 }, mixed[] = { 1, 5 };

    for (unsigned i = 0; i < 6; i++)
        s[i] = info(i + 1);
    manifest_put_head(&b);
    manifest_put_ids(&b, 100);
    manifest_put_add(&b, &s[0], 1, TIER_FAST, &a);
    manifest_put_add(&b, &s[0], 1, TIER_FAST, &a);
    manifest_put_cut(&b, &cut, &s[1], 1);
    manifest_put_add(&b, &s[2], 2, TIER_SLOW, &c);
    manifest_put_replace(&b, two, 2, &s[4], 1, TIER_FAST);
    manifest_put_move(&b, TIER_SLOW, first, 1);
    manifest_put_replace(&b, mixed, 2, &s[5], 1, TIER_FAST);
    manifest_put_within(&b, &within);
    manifest_put_remove(&b, first, 1);
    keep("manifest", "all-records", &b);
    b.p[b.len - 3] ^= 1;
    keep("manifest", "torn", &b);
    b.p[30] ^= 1;
    keep("manifest", "damaged", &b);
    buf_free(&b);
}

/* ------------------------------------------------------------------ journal */

#define KEY 77u

static void frame(struct buf *b, uint64_t serial, uint32_t len, uint16_t listener)
{
    struct frame f = {
        .len = len, .serial = serial, .received_ms = 5, .listener = listener, .key = KEY
    };
    static const uint8_t octets[80] = { 0, 10 };
    size_t room = (size_t)frame_room(len) - sizeof f;

    buf_put(b, &f, sizeof f); /* its sum is made by the target */
    buf_put(b, octets, room);
}

static void journal_file(struct buf *out, unsigned shard, uint64_t first, uint64_t before,
                         const struct buf *frames)
{
    uint8_t head[JOURNAL_HEAD];

    journal_head_put(head, shard, KEY, first, before);
    buf_put(out, head, 52);
    buf_le(out, frames->len, 2);
    buf_put(out, frames->p, frames->len);
}

static void journals(void)
{
    struct buf b = buf_init(1u << 20), f = buf_init(1u << 20), g = buf_init(1u << 20);

    frame(&f, 5, 20, 0);
    frame(&f, 5, sizeof(struct frame_drops), FRAME_DROPS);
    frame(&f, 6, 7, 0);
    frame(&f, 9, 0, 1);  /* some never came to the journal */
    frame(&f, 2, 16, 1); /* of an earlier life */
    frame(&g, 12, 30, 0);
    frame(&g, 13, 3, 0);
    buf_le(&b, 0x000402, 3);
    journal_file(&b, 3, 12, 10, &g);
    journal_file(&b, 3, 5, 4, &f);
    journal_file(&b, 2, 1, 0, &g); /* of another shard: not used */
    keep("journal", "three-files", &b);
    b.p[0] |= 128;
    keep("journal", "copied", &b);
    buf_clear(&b);
    buf_le(&b, 0, 3);
    f.p[0] = 1; /* the first frame is damaged */
    journal_file(&b, 3, 5, 4, &f);
    keep("journal", "damaged-frame", &b);
    b.p[3 + 24]++; /* and the head too */
    keep("journal", "damaged-head", &b);
    b.p[3 + 8] = 99; /* another draft */
    memset(b.p + 3 + 40, 0, 4);
    keep("journal", "draft", &b);
    b.p[3 + 12] = 1; /* another order of octets */
    keep("journal", "order", &b);
    buf_free(&b);
    buf_free(&f);
    buf_free(&g);
}

/* ------------------------------------------------------------------ what a cut keeps */

static void pasts(void)
{
    const struct decoder_limits lim = { .max_exporters = 6, .max_templates = 16 };
    struct shard_cut c = { .serial = 9, .records = 8, .missing = 7, .decoder = buf_init(1u << 20) };
    struct buf b = buf_init(1u << 20);
    struct decoder *d;

    must(decoder_new(&d, &lim) == ERR_OK && decoder_save(d, &c.decoder) == ERR_OK, "decoder");
    past_put_head(&b, 2, 100, 1);
    past_put_shard(&b, &c);
    past_put_shard(&b, &c);
    keep("past", "two-shards", &b);
    b.p[8] = 99;
    keep("past", "draft", &b);
    b.p[8] = CUT_DRAFT;
    b.len -= 100;
    keep("past", "cut-short", &b);
    b.p[12] = 0;
    keep("past", "no-shards", &b);
    decoder_free(d);
    buf_free(&b);
    buf_free(&c.decoder);
}

/* ------------------------------------------------------------------ decoders' states */

static int next_batch(struct decode_sink *s)
{
    flow_batch_unref(s->batch);
    return flow_batch_new(&s->batch);
}

/* Who sends a message, how, and as what. */
struct sender {
    uint16_t version, port;
    uint32_t domain, session, seq;
    bool stranger;
};

static void message(struct decoder *d, const struct sender *x, const struct buf *sets)
{
    static struct decode_sink sink = { .next = next_batch };
    static int64_t now_ms = 1700000000000;
    struct buf b = buf_init(1u << 16);
    struct datagram g = { .peer = addr_from_v4(0xc0000200 + x->domain % 4),
                          .peer_port = x->port,
                          .session = x->session,
                          .trusted = !x->stranger,
                          .received_ms = now_ms };

    must(sink.batch != NULL || flow_batch_new(&sink.batch) == ERR_OK, "batch");
    buf_be(&b, x->version, 2);
    buf_be(&b, x->version == 10 ? 16 + sets->len : 1, 2);
    if (x->version == 9)
        buf_be(&b, 100000 + (uint64_t)now_ms % 100000, 4);
    buf_be(&b, (uint64_t)now_ms / 1000, 4);
    buf_be(&b, x->seq, 4);
    buf_be(&b, x->domain, 4);
    buf_put(&b, sets->p, sets->len);
    g.octets = b.p;
    g.len = b.len;
    must(decoder_feed(d, &g, &sink) == ERR_OK, "feed");
    now_ms += 7;
    buf_free(&b);
}

/* Template `id` of four fields from `first` on, and a record; `waits`: the record only. */
static void told(struct decoder *d, const struct sender *x, uint16_t id, uint16_t first, bool waits)
{
    struct buf b = buf_init(1u << 12);

    if (!waits) {
        buf_be(&b, x->version == 10 ? 2 : 0, 2);
        buf_be(&b, 24, 2);
        buf_be(&b, id, 2);
        buf_be(&b, 4, 2);
        for (unsigned i = 0; i < 4; i++) {
            buf_be(&b, first + i, 2);
            buf_be(&b, 4, 2);
        }
    }
    buf_be(&b, id, 2);
    buf_be(&b, 20, 2);
    for (unsigned i = 0; i < 4; i++)
        buf_be(&b, 1000 + i, 4);
    message(d, x, &b);
    buf_free(&b);
}

static void keep_state(struct decoder *d, const char *name)
{
    struct buf b = buf_init(1u << 20);

    must(decoder_save(d, &b) == ERR_OK, name);
    keep("checkpoint", name, &b);
    buf_free(&b);
}

static void states(void)
{
    const struct decoder_limits lim = { .max_exporters = 6, .max_untrusted = 3 };
    struct decoder *d;

    must(decoder_new(&d, &lim) == ERR_OK, "decoder");
    keep_state(d, "empty");
    for (unsigned version = 9; version <= 10; version++)
        for (uint16_t port = 1; port <= 3; port++) {
            struct sender x = { .version = (uint16_t)version, .port = port, .domain = version };
            told(d, &x, 300, 1, false);
            x.seq = 9; /* some are lost */
            told(d, &x, (uint16_t)(300 + port), 8, false);
            told(d, &x, 400, 8, true);
        }
    keep_state(d, "ports");
    for (uint32_t session = 1; session <= 3; session++) {
        struct sender x = { .version = 10, .port = 5, .domain = 10, .session = session };
        told(d, &x, 300, (uint16_t)session, false);
        told(d, &x, 500, 1, true);
        x.domain = 20;
        told(d, &x, 301, 1, false);
    }
    keep_state(d, "sessions");
    decoder_session_end(d, 2);
    told(d, &(struct sender){ .version = 10, .port = 7, .domain = 3, .stranger = true }, 300, 1,
         false);
    told(d, &(struct sender){ .version = 9, .port = 7, .domain = 2, .stranger = true }, 300, 1,
         true);
    keep_state(d, "strangers");
    told(d, &(struct sender){ .version = 10, .port = 1, .domain = 10 }, 310, 85,
         false);                                /* totals */
    for (uint16_t port = 10; port < 80; port++) /* more than have a place */
        told(d, &(struct sender){ .version = 10, .port = port, .domain = 10 }, 300, 1,
             port % 9 == 0);
    keep_state(d, "many-ports");
    decoder_free(d);
}

int main(int argc, char **argv)
{
    must(argc == 2, "usage: seeds DIR");
    dir = argv[1];
    must(os_mkdir(dir, NULL) == ERR_OK, dir);
    segments();
    manifests();
    journals();
    pasts();
    states();
    return 0;
}
