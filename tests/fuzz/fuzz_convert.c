/* Text of other tools: 1 octet says the format and how it is read, the rest is the file. Whatever
 * it is, the messages made of it are such that the decoder takes every octet, and read in pieces it
 * says the same. */
#include "convert/convert.h"
#include "fuzz_decode.h"

enum { FORMAT = 7, MAPPED = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct feed {
    const uint8_t *p;
    size_t len, at, piece;
    struct decoder *d;
    uint64_t messages, octets;
};

static struct decode_sink sink = { .next = fuzz_next };

static int read_some(void *ctx, uint8_t *buf, size_t cap, size_t *got, struct err *e)
{
    struct feed *f = ctx;

    (void)e;
    *got = MIN(MIN(f->piece, cap), f->len - f->at);
    if (*got > 0)
        memcpy(buf, f->p + f->at, *got);
    f->at += *got;
    return ERR_OK;
}

static int take(void *ctx, const uint8_t *p, size_t len, const struct addr *exporter,
                int64_t received_ms)
{
    struct feed *f = ctx;
    uint8_t *exact = malloc(len);
    struct datagram g = { .octets = exact,
                          .len = len,
                          .peer = *exporter,
                          .import = 1,
                          .trusted = true,
                          .received_ms = received_ms };
    struct decode_counters c;

    if (exact == NULL)
        abort();
    memcpy(exact, p, len);
    if (decoder_feed(f->d, &g, &sink) != ERR_OK)
        abort();
    free(exact);
    decoder_totals(f->d, &c);
    for (unsigned i = 0; i < DECODE_REASON_N; i++)
        if (c.datagrams_refused[i] + c.sets_malformed[i] + c.sets_expired[i] != 0)
            abort();
    f->messages++;
    f->octets += len;
    return ERR_OK;
}

static void check_rows(uint32_t row)
{
    for (; row < flow_batch_rows(sink.batch); row++) {
        struct record r = batch_record(sink.batch, row);
        struct buf out = buf_init(1u << 18);
        if (record_encode(&r, &out) != ERR_OK || out.len < r.shape->min_octets ||
            r.v[COL_START] > r.v[COL_END])
            abort();
        buf_free(&out);
    }
}

static void run(enum convert_format format, const char *map, const uint8_t *p, size_t len,
                size_t piece, struct convert_stats *st, struct feed *f)
{
    struct decoder_limits lim = { .max_age_s = 315360000 };
    struct convert_options opt = {
        .format = format, .map = map, .read = read_some, .give = take, .ctx = f
    };
    struct decode_counters c;
    uint32_t row;
    uint64_t id;
    int rc;

    *f = (struct feed){ .p = p, .len = len, .piece = piece };
    if ((sink.batch == NULL && flow_batch_new(&sink.batch) != ERR_OK) ||
        decoder_new(&f->d, &lim) != ERR_OK)
        abort();
    row = flow_batch_rows(sink.batch);
    id = sink.batch->id;
    rc = convert_run(&opt, st, NULL);
    decoder_totals(f->d, &c);
    if (c.sets_waiting != 0 || (rc == ERR_OK && c.flows != st->rows) || c.flows > st->lines)
        abort();
    check_rows(id == sink.batch->id ? row : 0);
    decoder_free(f->d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char map[] = "start=a,end=b,duration=c,src ip=d,dst ip=e,proto=f,bytes=g,"
                              "src mask=h,sourceMacAddress=i,flowEndSeconds=j";
    struct convert_stats whole, pieces;
    struct feed a, b;
    enum convert_format format;

    if (size < 1)
        return 0;
    format = (enum convert_format)(data[0] & FORMAT);
    if (format > CONVERT_NFDUMP)
        return 0;
    (void)convert_detect(data + 1, size - 1);
    (void)convert_is_nfdump_file(data + 1, size - 1);
    run(format, (data[0] & MAPPED) != 0 ? map : NULL, data + 1, size - 1, 65536, &whole, &a);
    run(format, (data[0] & MAPPED) != 0 ? map : NULL, data + 1, size - 1, 7, &pieces, &b);
    if (whole.rows != pieces.rows || whole.lines != pieces.lines || a.messages != b.messages ||
        a.octets != b.octets)
        abort();
    return 0;
}
