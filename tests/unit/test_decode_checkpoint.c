/* A decoder that is saved, freed and loaded again in the midst of a stream must give what the
 * uninterrupted one gives: every row with its marks, every option record, every counter of every
 * exporter. Damage is refused, or harmless. */
#include <dirent.h>

#include "unit.h"

#include <xxhash.h>

#include "base/buf.h"
#include "capture.h"
#include "decode/checkpoint.h"
#include "ledger.h"

#define NOW 1700000000000

static const char *root;

/* ------------------------------------------------------------------------- a stream, kept to feed
 */

struct stream {
    struct datagram *g; /* octets owned */
    size_t n, cap;
};

static void stream_add(void *ctx, const struct datagram *g)
{
    struct stream *s = ctx;

    if (s->n == s->cap) {
        s->cap = s->cap > 0 ? s->cap * 2 : 256;
        s->g = realloc(s->g, s->cap * sizeof *s->g);
        assert_non_null(s->g);
    }
    s->g[s->n] = *g;
    s->g[s->n++].octets = t_dup(g->octets, g->len);
}

static void stream_free(struct stream *s)
{
    for (size_t i = 0; i < s->n; i++)
        free((void *)(uintptr_t)s->g[i].octets);
    free(s->g);
    *s = (struct stream){ 0 };
}

/* ------------------------------------------------------------- one run, and all that came of it */

struct run {
    struct decoder *d;
    struct decode_sink sink;
    struct buf out; /* rows and options, one behind the other; numbers resolved */
};

static void tell_addr(struct buf *out, const struct flow_batch *b, uint64_t code)
{
    buf_put(out, b->addrs[code].b, sizeof b->addrs[code].b);
}

static void tell(struct run *r)
{
    const struct flow_batch *b = r->sink.batch;
    struct rowset *rs;

    assert_int_equal(rowset_of_batch(&rs, r->sink.batch), ERR_OK);
    for (uint32_t row = 0; row < rs->n_rows; row++) {
        struct record rec = batch_record(b, row);
        for (unsigned c = 0; c < COL_N; c++)
            if (col_info[c].kind == COL_KIND_ADDR)
                tell_addr(&r->out, b, rec.v[c]);
            else if (c != COL_SHAPE && c != COL_EXPORTER)
                buf_le(&r->out, rec.v[c], 8);
        shape_write(rec.shape, &r->out);
        buf_put(&r->out, rec.exporter, sizeof *rec.exporter);
        buf_put(&r->out, rec.extra, rec.extra_len);
    }
    for (uint32_t i = 0; i < rs->n_options; i++) {
        struct rowset_option o;
        assert_int_equal(rs->ops->option(rs, i, &o, NULL), ERR_OK);
        buf_le(&r->out, (uint64_t)o.received_ms, 8);
        shape_write(rs->shapes[o.shape], &r->out);
        buf_put(&r->out, &rs->exporters[o.exporter], sizeof rs->exporters[0]);
        buf_put(&r->out, o.octets, o.len);
    }
    rowset_unref(rs);
}

static int next_batch(struct decode_sink *s)
{
    tell(s->ctx);
    flow_batch_unref(s->batch);
    return flow_batch_new(&s->batch);
}

static void run_begin(struct run *r, const struct decoder_limits *lim)
{
    *r = (struct run){ .out = buf_init((size_t)1 << 31) };
    assert_int_equal(decoder_new(&r->d, lim), ERR_OK);
    assert_int_equal(flow_batch_new(&r->sink.batch), ERR_OK);
    r->sink.next = next_batch;
    r->sink.ctx = r;
}

/* What stands at the end: ledgers and exporters. */
static void run_end(struct run *r)
{
    struct decode_counters t;
    struct decode_exporter x;

    tell(r);
    decoder_totals(r->d, &t);
    assert_true(ledger_holds(&t));
    buf_put(&r->out, &t, sizeof t);
    for (uint32_t i = 0;; i++) {
        memset(&x, 0, sizeof x);
        if (!decoder_exporter(r->d, i, &x))
            break;
        buf_put(&r->out, &x.key, sizeof x.key);
        buf_le(&r->out, x.trusted, 1);
        buf_le(&r->out, (uint64_t)x.first_ms, 8);
        buf_le(&r->out, (uint64_t)x.last_ms, 8);
        buf_le(&r->out, x.templates, 4);
        buf_le(&r->out, x.waiting_octets, 8);
        buf_le(&r->out, x.lost, 8);
        buf_le(&r->out, x.reordered, 8);
        buf_le(&r->out, x.duplicated, 8);
        buf_le(&r->out, x.restarts, 4);
        buf_le(&r->out, (uint64_t)x.clock_offset_ms, 8);
        buf_le(&r->out, x.clock_known, 1);
        buf_put(&r->out, &x.c, sizeof x.c);
    }
    assert_true(buf_ok(&r->out));
    decoder_free(r->d);
    flow_batch_unref(r->sink.batch);
}

static struct decoder *load(const struct decoder_limits *lim, const uint8_t *p, size_t n)
{
    uint8_t *exact = t_dup(p, n);
    struct decoder *d;
    struct err e = { 0 };

    if (decoder_load(&d, lim, exact, n, &e) != ERR_OK)
        fail_msg("%s", e.msg);
    free(exact);
    return d;
}

static void interrupt(struct run *r, const struct decoder_limits *lim)
{
    struct buf a = buf_init((size_t)1 << 30), b = buf_init((size_t)1 << 30);
    struct decoder_left_out left;

    assert_int_equal(decoder_save(r->d, &a), ERR_OK);
    decoder_free(r->d);
    r->d = load(lim, a.p, a.len);
    decoder_left_out(r->d, &left);
    assert_int_equal(left.exporters + left.templates + left.sets, 0);
    assert_int_equal(decoder_save(r->d, &b), ERR_OK); /* and says the same of itself */
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.p, b.p, a.len);
    buf_free(&a);
    buf_free(&b);
}

/* cuts: chance of an interruption before a datagram, of 1000. */
static struct buf run_stream(const struct stream *s, const struct decoder_limits *lim,
                             unsigned cuts)
{
    struct run r;
    int64_t ticked_ms = 0;

    run_begin(&r, lim);
    for (size_t i = 0; i < s->n; i++) {
        if ((unsigned)(random() % 1000) < cuts)
            interrupt(&r, lim);
        if (s->g[i].received_ms >= ticked_ms + 1000) {
            ticked_ms = s->g[i].received_ms;
            decoder_tick(r.d, ticked_ms);
        }
        assert_int_equal(decoder_feed(r.d, &s->g[i], &r.sink), ERR_OK);
    }
    if (cuts > 0)
        interrupt(&r, lim);
    run_end(&r);
    return r.out;
}

static void same(const struct stream *s, const struct decoder_limits *lim, unsigned cuts)
{
    struct buf whole = run_stream(s, lim, 0), cut = run_stream(s, lim, cuts);

    assert_int_equal(whole.len, cut.len);
    assert_memory_equal(whole.p, cut.p, whole.len);
    buf_free(&whole);
    buf_free(&cut);
}

/* ------------------------------------------------------------------------------------- captures */

static const char *const folders[] = { "exporters/logstash-codec-netflow/pcap",
                                       "exporters/softflowd-bitkeks",
                                       "exporters/ipfixcol2",
                                       "exporters/openvswitch",
                                       "exporters/linux-exporters",
                                       "attacks/exports-softflowd",
                                       "attacks/exports-pmacct" };

static int folder(const char *sub, struct stream *all)
{
    struct decoder_limits lim = { 0 };
    char path[4096];
    struct dirent *e;
    DIR *d;
    int n = 0;

    (void)snprintf(path, sizeof path, "%s/%s", root, sub);
    d = opendir(path);
    assert_non_null(d);
    while ((e = readdir(d)) != NULL) {
        struct stream s = { 0 };
        if (strstr(e->d_name, ".pcap") == NULL)
            continue;
        (void)snprintf(path, sizeof path, "%s/%s/%s", root, sub, e->d_name);
        assert_true(capture_each(path, stream_add, &s) > 0);
        same(&s, &lim, s.n < 50 ? 1000 : 50);
        for (size_t i = 0; i < s.n && i < 100; i++) {
            s.g[i].received_ms = NOW + (int64_t)all->n * 40;
            stream_add(all, &s.g[i]);
        }
        stream_free(&s);
        n++;
    }
    (void)closedir(d);
    return n;
}

static void every_capture(void **state)
{
    struct decoder_limits low = { .max_exporters = 20,
                                  .max_templates = 4,
                                  .max_waiting_octets = 2000,
                                  .max_waiting_total = 5000,
                                  .waiting_ttl_s = 3 };
    struct stream all = { 0 };
    int n = 0;

    (void)state;
    srandom(1);
    for (size_t i = 0; i < ARRAY_LEN(folders); i++)
        n += folder(folders[i], &all);
    assert_true(n > 90);
    same(&all, &low, 30); /* all of them at once, at the ceilings */
    stream_free(&all);
}

/* ------------------------------------------------------------------------------- random streams */

/* What the exporters of a random stream are like: few addresses, domains and ports, so that
 * they meet again. */
struct maker {
    struct stream s;
    struct buf b;
    int64_t now_ms;
    uint32_t seq[16], boot_s[16];
    unsigned n_peers, n_ports, n_ids;
    int64_t step_ms;
};

static unsigned upto(unsigned n)
{
    return (unsigned)random() % n;
}

static const uint16_t element[][2] = {
    { 8, 4 },   { 12, 4 },  { 27, 16 },    { 28, 16 }, { 7, 2 },   { 11, 2 },  { 4, 1 },
    { 1, 4 },   { 1, 8 },   { 2, 8 },      { 85, 8 },  { 86, 4 },  { 22, 4 },  { 21, 4 },
    { 152, 8 }, { 153, 8 }, { 150, 4 },    { 10, 2 },  { 14, 4 },  { 34, 4 },  { 61, 1 },
    { 16, 4 },  { 96, 8 },  { 95, 65535 }, { 231, 8 }, { 232, 8 }, { 999, 3 }, { 160, 8 },
};

static void make_fields(struct maker *m, unsigned n, bool v9)
{
    for (unsigned i = 0; i < n; i++) {
        const uint16_t *f = element[upto(ARRAY_LEN(element))];
        buf_be(&m->b, f[0], 2);
        buf_be(&m->b, f[1] == 65535 && v9 ? 5 : f[1], 2);
    }
}

static void make_template(struct maker *m, bool v9, bool option)
{
    size_t at = m->b.len;
    unsigned n = 1 + upto(12), scope = option ? 1 : 0;

    buf_be(&m->b, (v9 ? 0u : 2u) + option, 2);
    buf_be(&m->b, 0, 2);
    buf_be(&m->b, 256 + upto(m->n_ids), 2);
    if (!v9 && upto(30) == 0) {
        buf_be(&m->b, 0, 2); /* withdrawal */
    } else if (option && v9) {
        buf_be(&m->b, 4, 2);
        buf_be(&m->b, n * 4, 2);
        buf_be(&m->b, 1, 2);
        buf_be(&m->b, 4, 2);
        make_fields(m, n, v9);
    } else {
        buf_be(&m->b, n + scope, 2);
        if (option) {
            buf_be(&m->b, 1, 2);
            buf_be(&m->b, 149, 2);
            buf_be(&m->b, 4, 2);
        }
        make_fields(m, n, v9);
    }
    be_put(m->b.p + at + 2, m->b.len - at, 2);
}

static void make_data(struct maker *m)
{
    size_t at = m->b.len;
    unsigned n = upto(300), same_octet = upto(4);

    buf_be(&m->b, 256 + upto(m->n_ids), 2);
    buf_be(&m->b, 0, 2);
    for (unsigned i = 0; i < n; i++)
        buf_be(&m->b, same_octet == 0 ? i % 7 : upto(40), 1);
    be_put(m->b.p + at + 2, m->b.len - at, 2);
}

static void make_sets(struct maker *m, bool v9)
{
    for (unsigned n = 1 + upto(4); n > 0; n--) {
        if (upto(4) == 0)
            make_template(m, v9, upto(4) == 0);
        else
            make_data(m);
    }
}

static void make_one(struct maker *m)
{
    unsigned peer = upto(m->n_peers), kind = m->n_ports == 90 ? 3 : upto(10),
             who = (peer * 3 + kind % 3) % 16;
    unsigned version = kind < 2 ? 5 : kind < 6 ? 9 : 10, count = 1 + upto(4);
    uint32_t export_s, uptime_ms;
    struct datagram g;

    if (upto(200) == 0)
        m->boot_s[who] = (uint32_t)(m->now_ms / 1000) - upto(100); /* restarts */
    if (upto(20) == 0)
        m->seq[who] += upto(40) - 20; /* loses, or repeats */
    if (upto(300) == 0)
        m->seq[who] = upto(1u << 31);
    export_s = (uint32_t)(m->now_ms / 1000) + (upto(50) == 0 ? upto(4000) : 0);
    uptime_ms = (export_s - m->boot_s[who]) * 1000;
    buf_clear(&m->b);
    buf_be(&m->b, version, 2);
    buf_be(&m->b, count, 2);
    if (version != 10)
        buf_be(&m->b, uptime_ms, 4);
    buf_be(&m->b, export_s, 4);
    if (version == 5)
        buf_be(&m->b, 0, 4);
    buf_be(&m->b, m->seq[who], 4);
    if (version == 5) {
        buf_be(&m->b, upto(20) == 0 ? 100 : 0, 4);
        for (unsigned i = 0; i < count * 48; i++)
            buf_be(&m->b, upto(256), 1);
    } else {
        buf_be(&m->b, kind % 3, 4);
        make_sets(m, version == 9);
    }
    if (version == 10)
        be_put(m->b.p + 2, m->b.len, 2);
    m->seq[who] += version == 5 ? count : 1;
    g = (struct datagram){ .octets = m->b.p,
                           .len = upto(100) == 0 ? upto((unsigned)m->b.len) : m->b.len,
                           .peer = addr_from_v4(0xc0000200u + peer),
                           .peer_port = (uint16_t)(2000 + upto(m->n_ports)),
                           .import = peer == 5 ? 77 : 0,
                           .trusted = peer % 3 != 0 || upto(300) == 0,
                           .received_ms = m->now_ms };
    stream_add(&m->s, &g);
    m->now_ms += (int64_t)upto((unsigned)m->step_ms) + (upto(200) == 0 ? 700000 : 0);
}

static struct stream make(unsigned n)
{
    struct maker m = { .b = buf_init(70000),
                       .now_ms = NOW,
                       .n_peers = 1 + upto(12),
                       .n_ports = upto(4) == 0 ? 90 : 1 + upto(3),
                       .n_ids = 1 + upto(12),
                       .step_ms = 1 + upto(3000) };

    if (m.n_ports == 90) /* more than have state of their own */
        m.n_peers = 1;
    for (unsigned i = 0; i < ARRAY_LEN(m.boot_s); i++)
        m.boot_s[i] = (uint32_t)(NOW / 1000) - 100000;
    while (m.s.n < n)
        make_one(&m);
    buf_free(&m.b);
    return m.s;
}

static void random_streams(void **state)
{
    struct decoder_limits low = { .max_exporters = 8,
                                  .max_untrusted = 3,
                                  .max_templates = 12,
                                  .max_fields = 10,
                                  .max_waiting_octets = 2000,
                                  .max_waiting_total = 8000,
                                  .waiting_ttl_s = 60,
                                  .template_ttl_s = 90,
                                  .reorder_window = 16 };
    struct decoder_limits none = { 0 };

    (void)state;
    for (unsigned i = 0; i < 40; i++) {
        struct stream s;
        srandom(i + 100);
        s = make(400);
        same(&s, i % 2 == 0 ? &low : &none, i % 5 == 0 ? 1000 : 30);
        stream_free(&s);
    }
}

/* --------------------------------------------------------------------------------------- damage */

static struct buf small(void)
{
    struct buf b = buf_init(1u << 24);
    struct decoder_limits lim = { 0 };
    struct stream s;
    struct run r;

    srandom(7);
    s = make(12);
    run_begin(&r, &lim);
    for (size_t i = 0; i < s.n; i++)
        assert_int_equal(decoder_feed(r.d, &s.g[i], &r.sink), ERR_OK);
    assert_int_equal(decoder_save(r.d, &b), ERR_OK);
    run_end(&r);
    buf_free(&r.out);
    stream_free(&s);
    return b;
}

static void truncated(void **state)
{
    struct decoder_limits lim = { 0 };
    struct buf b = small();

    (void)state;
    print_message("%zu octets\n", b.len);
    for (size_t n = 0; n < b.len; n++) {
        uint8_t *exact = t_dup(b.p, n);
        struct decoder *d;
        struct err e = { 0 };
        assert_int_equal(decoder_load(&d, &lim, exact, n, &e), ERR_CORRUPT);
        assert_null(d);
        assert_true(e.msg[0] != 0);
        free(exact);
    }
    buf_free(&b);
}

/* The content behind the header, made right again: nothing worse than a refusal may come of it. */
static void guard(uint8_t *p, size_t n)
{
    le_put(p + 16, n, 8);
    le_put(p + 12, (uint32_t)XXH3_64bits(p + 16, n - 16), 4);
}

static void go_on(struct decoder *d, const struct stream *s)
{
    struct run r = { .d = d, .out = buf_init(1u << 24) };
    struct decode_counters t;

    assert_int_equal(flow_batch_new(&r.sink.batch), ERR_OK);
    r.sink.next = next_batch;
    r.sink.ctx = &r;
    for (size_t i = 0; i < s->n; i++)
        assert_int_equal(decoder_feed(d, &s->g[i], &r.sink), ERR_OK);
    decoder_totals(d, &t);
    assert_true(ledger_holds(&t));
    flow_batch_unref(r.sink.batch);
    buf_free(&r.out);
}

static void flipped(void **state)
{
    static const uint8_t with[] = { 1, 0x80, 0xff };
    struct decoder_limits lim = { .max_templates = 100, .max_fields = 100 };
    struct buf b = small();
    unsigned read = 0, refused = 0;
    struct stream s;

    (void)state;
    srandom(8);
    s = make(5);
    for (size_t i = 0; i < b.len * ARRAY_LEN(with); i++) {
        uint8_t *exact = t_dup(b.p, b.len);
        struct decoder *d;
        int rc;
        exact[i / ARRAY_LEN(with)] ^= with[i % ARRAY_LEN(with)];
        rc = decoder_load(&d, &lim, exact, b.len, NULL);
        assert_true(rc == ERR_CORRUPT || rc == ERR_VERSION);
        assert_null(d);
        guard(exact, b.len);
        rc = decoder_load(&d, &lim, exact, b.len, NULL);
        if (rc == ERR_OK) {
            if (read++ % 50 == 0)
                go_on(d, &s);
            decoder_free(d);
        } else {
            refused++;
            assert_true(rc == ERR_CORRUPT || rc == ERR_VERSION);
        }
        free(exact);
    }
    print_message("right sum: %u read, %u refused\n", read, refused);
    assert_true(read > 0 && refused > 0);
    buf_free(&b);
    stream_free(&s);
}

static void another_draft_is_refused(void **state)
{
    struct decoder_limits lim = { 0 };
    struct buf b = small();
    struct decoder *d;
    struct err e;

    (void)state;
    b.p[8]++;
    assert_int_equal(decoder_load(&d, &lim, b.p, b.len, &e), ERR_VERSION);
    assert_non_null(strstr(e.msg, "draft 3"));
    assert_non_null(strstr(e.msg, "draft 2"));
    b.p[8]--;
    b.p[24]++; /* another number of counters */
    guard(b.p, b.len);
    assert_int_equal(decoder_load(&d, &lim, b.p, b.len, &e), ERR_VERSION);
    buf_free(&b);
}

/* --------------------------------------------------------------------------------------- limits */

static void lower_limits_leave_out_the_last(void **state)
{
    struct decoder_limits lim = { 0 }, low = { .max_exporters = 5,
                                               .max_untrusted = 2,
                                               .max_templates = 3,
                                               .max_fields = 8,
                                               .max_waiting_octets = 1500,
                                               .max_waiting_total = 4000 };
    struct buf b = buf_init(1u << 24);
    struct decoder_left_out left;
    struct decode_counters before, after;
    struct decode_exporter x, was;
    struct stream s;
    struct decoder *d;
    struct run r;
    unsigned trusted = 0, untrusted = 0;

    (void)state;
    srandom(11);
    do {
        s = make(500);
        run_begin(&r, &lim);
        for (size_t i = 0; i < s.n; i++)
            assert_int_equal(decoder_feed(r.d, &s.g[i], &r.sink), ERR_OK);
        decoder_totals(r.d, &before);
        buf_clear(&b);
        assert_int_equal(decoder_save(r.d, &b), ERR_OK);
        d = load(&low, b.p, b.len);
        decoder_left_out(d, &left);
        if (left.exporters > 4 && left.templates > 4 && left.sets > 4)
            break;
        decoder_free(d);
        run_end(&r);
        buf_free(&r.out);
        stream_free(&s);
    } while (true);
    decoder_totals(d, &after);
    assert_true(ledger_holds(&after));
    assert_int_equal(after.datagrams, before.datagrams);
    assert_int_equal(after.flows, before.flows);
    assert_int_equal(after.sets, before.sets);
    assert_int_equal(before.sets_waiting, after.sets_waiting + left.sets);
    assert_int_equal(after.sets_expired[DECODE_WAITING_LIMIT],
                     before.sets_expired[DECODE_WAITING_LIMIT] + left.sets);
    for (uint32_t i = 0; decoder_exporter(d, i, &x); i++) {
        trusted += x.trusted;
        untrusted += !x.trusted;
        assert_true(x.templates <= 3 && x.waiting_octets <= 1500);
    }
    assert_true(trusted == 5 && untrusted == 2);
    assert_true(decoder_exporter(d, 0, &x) && decoder_exporter(r.d, 0, &was));
    assert_memory_equal(&x.key, &was.key, sizeof x.key);
    go_on(d, &s);
    decoder_free(d);
    run_end(&r);
    buf_free(&r.out);
    buf_free(&b);
    stream_free(&s);
}

static void a_full_buffer_is_said(void **state)
{
    struct decoder_limits lim = { 0 };
    struct buf b = small(), small_room;
    struct decoder *d = load(&lim, b.p, b.len);

    (void)state;
    for (size_t max = 0; max < b.len; max += 37) {
        small_room = buf_init(max);
        assert_int_equal(decoder_save(d, &small_room), ERR_NOMEM);
        buf_free(&small_room);
    }
    /* behind what stands there already */
    small_room = buf_init(1u << 24);
    buf_str(&small_room, "before");
    assert_int_equal(decoder_save(d, &small_room), ERR_OK);
    assert_int_equal(small_room.len, b.len + 6);
    assert_memory_equal(small_room.p + 6, b.p, b.len);
    buf_free(&small_room);
    decoder_free(d);
    buf_free(&b);
}

/* An exporter with two templates costs this much and no more. */
static void many_exporters_are_small(void **state)
{
    struct decoder_limits lim = { 0 };
    struct buf g = buf_init(2000), b = buf_init(1u << 26);
    struct decoder *d;
    struct run r;

    (void)state;
    run_begin(&r, &lim);
    for (unsigned i = 0; i < 2000; i++) {
        struct datagram in = { .peer = addr_from_v4(0x0a000000u + i),
                               .peer_port = (uint16_t)(i + 1),
                               .trusted = true,
                               .received_ms = NOW + i };
        buf_clear(&g);
        buf_be(&g, 9, 2);
        buf_be(&g, 2, 2);
        buf_be(&g, 1000000 + i, 4);
        buf_be(&g, NOW / 1000, 4);
        buf_be(&g, i, 4);
        buf_be(&g, 0, 4);
        buf_be(&g, 0, 2);
        buf_be(&g, 4 + 2 * (4 + 20 * 4), 2);
        for (unsigned t = 0; t < 2; t++) {
            buf_be(&g, 256 + t, 2);
            buf_be(&g, 20, 2);
            for (unsigned f = 0; f < 20; f++)
                buf_be(&g, (uint64_t)(f + 1 + t) << 16 | 4, 4);
        }
        in.octets = g.p;
        in.len = g.len;
        assert_int_equal(decoder_feed(r.d, &in, &r.sink), ERR_OK);
    }
    assert_int_equal(decoder_save(r.d, &b), ERR_OK);
    print_message("%.1f octets an exporter\n", (double)b.len / 2000);
    assert_true(b.len < 2000 * 120);
    d = load(&lim, b.p, b.len);
    decoder_free(d);
    run_end(&r);
    buf_free(&r.out);
    buf_free(&g);
    buf_free(&b);
}

/* The corpus of the fuzz target: what short random streams leave. */
static void write_corpus(const char *to)
{
    struct decoder_limits none = { 0 }, lim = {
        .max_exporters = 6, .max_untrusted = 3, .max_templates = 16, .max_waiting_octets = 1000
    };

    for (unsigned i = 0; i < 12; i++) {
        struct buf b = buf_init(1u << 24);
        struct stream s;
        struct run r;
        char path[4096];
        FILE *f;
        srandom(i + 1000);
        s = make(i % 3 == 2 ? i * 3 : i * i * 3);
        run_begin(&r, i % 3 == 2 ? &none : &lim); /* the target's are as low as these */
        for (size_t k = 0; k < s.n; k++)
            assert_int_equal(decoder_feed(r.d, &s.g[k], &r.sink), ERR_OK);
        assert_int_equal(decoder_save(r.d, &b), ERR_OK);
        (void)snprintf(path, sizeof path, "%s/random-%02u", to, i);
        f = fopen(path, "wb");
        assert_non_null(f);
        if (b.len <= 16384)
            assert_int_equal(fwrite(b.p, 1, b.len, f), b.len);
        assert_int_equal(fclose(f), 0);
        run_end(&r);
        buf_free(&r.out);
        buf_free(&b);
        stream_free(&s);
    }
}

/* test_decode_checkpoint [DATA [CORPUS TO WRITE]] */
int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_capture),
        cmocka_unit_test(random_streams),
        cmocka_unit_test(truncated),
        cmocka_unit_test(flipped),
        cmocka_unit_test(another_draft_is_refused),
        cmocka_unit_test(lower_limits_leave_out_the_last),
        cmocka_unit_test(a_full_buffer_is_said),
        cmocka_unit_test(many_exporters_are_small),
    };

    root = argc > 1 ? argv[1] : WEIR_TEST_DATA;
    if (argc > 2) {
        write_corpus(argv[2]);
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
