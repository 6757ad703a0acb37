/* Streams of several sessions: cut into messages as they come, in pieces of any size, and decoded
 * with the rules of a reliable transport. Pieces: 1 octet of flags (below), 1 octet n, n octets.
 * What is a message in pieces is one in the whole; the ledgers hold; after a restart sessions are
 * as they were. */
#include "collect/framing.h"
#include "fuzz_decode.h"

enum { SESSION = 3, QUIET = 4, END = 8, RESTART = 16, DATAGRAM = 32, LATER = 64, ALL = 128 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct side {
    uint32_t number;
    bool over; /* its octets make no sense any more */
    uint8_t *p;
    size_t n;
};

static struct decode_sink sink = { .next = fuzz_next };

static void decode(struct decoder *d, uint32_t session, const uint8_t *p, size_t len,
                   int64_t now_ms)
{
    uint8_t *exact = malloc(len);
    struct datagram g = { .octets = exact,
                          .len = len,
                          .peer = addr_from_v4(0xc0000201),
                          .peer_port = 9,
                          .session = session,
                          .trusted = true,
                          .received_ms = now_ms };
    uint32_t row = flow_batch_rows(sink.batch);
    uint64_t id = sink.batch->id;

    if (exact == NULL)
        abort();
    memcpy(exact, p, len);
    if (decoder_feed(d, &g, &sink) != ERR_OK)
        abort();
    free(exact);
    fuzz_check(d, sink.batch, id == sink.batch->id ? row : 0);
}

static void cut(struct decoder *d, struct side *s, bool quiet, int64_t now_ms)
{
    size_t at = 0, len, len_quiet;
    enum framing f;

    while ((f = framing_next(s->p + at, s->n - at, quiet, &len)) == FRAMING_MESSAGE) {
        /* a message stays one, with or without what stands behind it */
        if (len == 0 || len > s->n - at || len > FRAMING_MAX ||
            framing_next(s->p + at, len, true, &len_quiet) != FRAMING_MESSAGE || len_quiet != len)
            abort();
        decode(d, s->number, s->p + at, len, now_ms);
        at += len;
    }
    s->over = f != FRAMING_MORE;
    if (at > 0)
        memmove(s->p, s->p + at, s->n - at);
    s->n -= at;
    if (!s->over && s->n > FRAMING_MAX + 4)
        abort(); /* more than a message is never held */
}

static void end(struct decoder *d, struct side *s)
{
    decoder_session_end(d, s->number);
    s->number += 4;
    s->n = 0;
    s->over = false;
}

static void restart(struct decoder **d, const struct decoder_limits *lim)
{
    struct buf saved = buf_init(64u << 20);
    struct decoder *fresh;

    if (decoder_save(*d, &saved) != ERR_OK ||
        decoder_load(&fresh, lim, saved.p, saved.len, NULL) != ERR_OK)
        abort();
    decoder_free(*d);
    *d = fresh;
    buf_free(&saved);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct decoder_limits lim = { .max_exporters = 4,
                                  .max_templates = 8,
                                  .max_fields = 64,
                                  .max_waiting_octets = 4096,
                                  .template_ttl_s = 600 };
    struct rd r = rd_init(data, size);
    struct side side[4] = { 0 };
    struct decoder *d;
    int64_t now_ms = 1700000000000;

    if (decoder_new(&d, &lim) != ERR_OK ||
        (sink.batch == NULL && flow_batch_new(&sink.batch) != ERR_OK))
        abort();
    for (uint32_t i = 0; i < 4; i++) {
        side[i].number = i + 1;
        side[i].p = malloc(FRAMING_MAX + 4 + 256);
        if (side[i].p == NULL)
            abort();
    }
    while (r.left > 2) {
        unsigned flags = rd_u8(&r);
        size_t want = rd_u8(&r), n = MIN(want, r.left);
        const uint8_t *p = rd_take(&r, n);
        struct side *s = &side[flags & SESSION];
        if ((flags & DATAGRAM) != 0) {
            if (n > 0)
                decode(d, 0, p, n, now_ms);
        } else if (!s->over && n > 0) {
            memcpy(s->p + s->n, p, n);
            s->n += n;
            cut(d, s, (flags & QUIET) != 0, now_ms);
        }
        if ((flags & END) != 0)
            end(d, s);
        if ((flags & (ALL | END)) == (ALL | END))
            decoder_session_end(d, DECODE_ALL_SESSIONS);
        if ((flags & RESTART) != 0)
            restart(&d, &lim);
        if ((flags & LATER) != 0) {
            now_ms += 700000;
            decoder_tick(d, now_ms);
        }
    }
    fuzz_check(d, sink.batch, flow_batch_rows(sink.batch));
    decoder_free(d);
    for (unsigned i = 0; i < 4; i++)
        free(side[i].p);
    return 0;
}
