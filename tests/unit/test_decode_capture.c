/* Real exports: every record that a set holds is stored, and what is stored encodes to the octets
 * that came. The expected octets are found by a walk of its own over the sets, not by the decoder.
 */
#include <dirent.h>

#include "unit.h"

#include "capture.h"
#include "ledger.h"

static const char *root;

struct bench {
    struct decoder *d;
    struct decode_sink sink;
};

static int next_batch(struct decode_sink *s)
{
    flow_batch_unref(s->batch);
    return flow_batch_new(&s->batch);
}

/* The body of a data set, and how much of it rows have given back already. */
struct body {
    uint8_t *p;
    size_t n, at, last; /* last: octets of the last record */
};

struct encoded {
    struct bench *b;
    struct body *body;
    size_t n, current;
    bool encode;
};

static void body_add(struct encoded *en, const uint8_t *p, size_t n)
{
    en->body = realloc(en->body, (en->n + 1) * sizeof *en->body);
    assert_non_null(en->body);
    en->body[en->n++] = (struct body){ t_dup(p, n), n, 0, 0 };
}

static void fixed_bodies(struct encoded *en, const uint8_t *p, size_t n)
{
    static const struct {
        unsigned version, header, record;
    } kind[] = { { 1, 16, 52 }, { 1, 16, 48 }, { 5, 24, 48 }, { 7, 24, 52 } };

    for (size_t i = 0; i < ARRAY_LEN(kind); i++) {
        size_t octets = be16(p + 2) * (size_t)kind[i].record;
        if (be16(p) != kind[i].version || n < kind[i].header || n - kind[i].header < octets)
            continue; /* else the datagram is refused */
        body_add(en, p + kind[i].header, octets);
        return;
    }
}

/* Every sample is a body: data format, length, content. */
static void sflow_bodies(struct encoded *en, const uint8_t *p, size_t n)
{
    size_t at = be32(p + 4) == 2 ? 40 : 28;

    while (at + 8 <= n) {
        size_t len = be32(p + at + 4);
        if (len > n - at - 8)
            break;
        body_add(en, p + at, len + 8);
        at += 8 + len;
    }
}

/* The data sets of a datagram, found without the decoder. */
static void bodies_of(struct encoded *en, const uint8_t *p, size_t n)
{
    size_t at, end;

    if (n >= 28 && be32(p) == 5) {
        sflow_bodies(en, p, n);
        return;
    }
    if (n >= 16 && be16(p) <= 7) {
        fixed_bodies(en, p, n);
        return;
    }
    while (n >= 16 && (be16(p) == 9 || be16(p) == 10)) {
        bool v9 = be16(p) == 9;
        end = v9 ? n : MIN(n, be16(p + 2));
        for (at = v9 ? 20 : 16; at + 4 <= end && be16(p + at + 2) >= 4; at += be16(p + at + 2)) {
            size_t len = be16(p + at + 2);
            if (at + len > end)
                break;
            if (be16(p + at) >= 256)
                body_add(en, p + at + 4, len - 4);
        }
        if (v9 || end < 16)
            return;
        p += end;
        n -= end;
    }
}

static bool body_takes(struct body *b, const uint8_t *p, size_t n)
{
    if (n > b->n - b->at || memcmp(b->p + b->at, p, n) != 0)
        return false;
    b->at += n;
    b->last = n;
    return true;
}

/* The record must stand where its set goes on, or begin another. */
static void give_back(struct encoded *en, const uint8_t *p, size_t n)
{
    if (en->current < en->n && body_takes(&en->body[en->current], p, n))
        return;
    for (size_t i = 0; i < en->n; i++)
        if (en->body[i].at == 0 && body_takes(&en->body[i], p, n)) {
            en->current = i;
            return;
        }
    fail_msg("a record of %zu octets is not what came", n);
}

/* Of sFlow the sample stands in the record as it came. */
static void row_again(struct encoded *en, const struct record *r)
{
    struct buf out = buf_init(1u << 20);
    struct record_iter it = { 0 };
    struct record_field f = { 0 };

    assert_int_equal(record_encode(r, &out), ERR_OK);
    if (r->shape->proto == EXPORT_SFLOW5) {
        while (record_next(r, &it, &f)) {
        }
        assert_int_equal(f.f->pen, PEN_WEIR);
        give_back(en, f.p, f.len);
    } else {
        give_back(en, out.p, out.len);
    }
    buf_free(&out);
}

static void option_again(struct encoded *en, const struct rowset_option *o, const struct shape *s)
{
    size_t head = 0;

    for (unsigned i = 0; s->proto == EXPORT_SFLOW5 && i < s->n_fields; i++)
        head += s->f[i].len != SHAPE_LEN_VAR ? s->f[i].len : 3u;
    give_back(en, o->octets + head, o->len - head);
}

static void check_new(struct encoded *en, uint32_t row, uint32_t option)
{
    struct flow_batch *b = en->b->sink.batch;
    struct rowset *rs;

    assert_int_equal(rowset_of_batch(&rs, b), ERR_OK);
    for (; row < rs->n_rows; row++) {
        struct record r = batch_record(b, row);
        row_again(en, &r);
        assert_true(r.v[COL_START] <= r.v[COL_END]);
    }
    for (; option < rs->n_options; option++) {
        struct rowset_option o;
        assert_int_equal(rs->ops->option(rs, option, &o, NULL), ERR_OK);
        option_again(en, &o, rs->shapes[o.shape]);
    }
    rowset_unref(rs);
}

/* Whole sets only: what is left of each is padding, or all of it where the set waits or is bad. */
static void check_bodies(struct encoded *en, const struct decode_counters *t)
{
    uint64_t untouched = 0;

    for (size_t i = 0; i < en->n; i++) {
        const struct body *b = &en->body[i];
        if (b->at == 0 && b->n > 0)
            untouched++;
        if (b->at > 0 && ledger_sum(t->sets_malformed) == 0)
            assert_true(b->n - b->at <
                        b->last); /* padding need not be zero: exporters send rubbish */
        free(b->p);
    }
    free(en->body);
    if (getenv("VERBOSE") != NULL)
        print_message("untouched %lu\n", untouched);
    if (ledger_sum(t->sets_malformed) == 0)
        assert_int_equal(untouched, t->sets_waiting);
}

static void feed(void *ctx, const struct datagram *g)
{
    struct encoded *en = ctx;
    struct bench *b = en->b;
    uint8_t *exact = t_dup(g->octets, g->len);
    struct datagram c = *g;
    struct decode_counters t;
    uint32_t rows = flow_batch_rows(b->sink.batch), opts = atomic_load(&b->sink.batch->n_options);

    c.octets = exact;
    assert_int_equal(decoder_feed(b->d, &c, &b->sink), ERR_OK);
    decoder_totals(b->d, &t);
    assert_true(ledger_holds(&t));
    if (en->encode) {
        bodies_of(en, g->octets, g->len);
        check_new(en, rows, opts);
    }
    free(exact);
}

static struct decode_counters run_file(const char *path, bool encode)
{
    struct bench b = { 0 };
    struct encoded en = { .b = &b, .encode = encode };
    struct decoder_limits lim = { 0 };
    struct decode_counters t;

    assert_int_equal(decoder_new(&b.d, &lim), ERR_OK);
    assert_int_equal(flow_batch_new(&b.sink.batch), ERR_OK);
    b.sink.next = next_batch;
    if (getenv("VERBOSE") != NULL)
        print_message("%s\n", path);
    assert_true(capture_each(path, feed, &en) > 0);
    decoder_totals(b.d, &t);
    if (encode)
        check_bodies(&en, &t);
    decoder_free(b.d);
    flow_batch_unref(b.sink.batch);
    return t;
}

static void each_file(const char *sub, void (*fn)(const char *path, void *ctx), void *ctx, int *n)
{
    char path[4096];
    DIR *d;
    struct dirent *e;

    (void)snprintf(path, sizeof path, "%s/%s", root, sub);
    d = opendir(path);
    assert_non_null(d);
    while ((e = readdir(d)) != NULL)
        if (strstr(e->d_name, ".pcap") != NULL) {
            (void)snprintf(path, sizeof path, "%s/%s/%s", root, sub, e->d_name);
            fn(path, ctx);
            ++*n;
        }
    (void)closedir(d);
}

static const char *const folders[] = { "exporters/logstash-codec-netflow/pcap",
                                       "exporters/softflowd-bitkeks",
                                       "exporters/ipfixcol2",
                                       "exporters/openvswitch",
                                       "exporters/linux-exporters",
                                       "attacks/exports-softflowd",
                                       "attacks/exports-pmacct",
                                       "attacks/exports-fprobe",
                                       "exporters/tcpdump-sflow" };

static void encode_one(const char *path, void *ctx)
{
    struct decode_counters t = run_file(path, true);

    *(uint64_t *)ctx += t.flows;
    if (getenv("VERBOSE") != NULL)
        print_message("%s flows %lu options %lu sets %lu decoded %lu waiting %lu malformed %lu\n",
                      path, t.flows, t.options, t.sets, t.sets_decoded, t.sets_waiting,
                      ledger_sum(t.sets_malformed));
}

static void encode_again(void **state)
{
    uint64_t flows = 0;
    int files = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(folders); i++)
        each_file(folders[i], encode_one, &flows, &files);
    print_message("%d captures, %lu flow records\n", files, flows);
    assert_true(files > 90);
    assert_true(flows > 15000);
}

/* What the expected values say of each capture: flow and option records. */
struct expected {
    const char *file;
    uint64_t flows, options;
};
static const struct expected expected[] = {
    { "netflow-9-template-with-0-length-fields", 10, 0 },
    { "juniper-srx-options-template-with-0-scope-field-length", 0, 1 },
    { "netflow-9-h3c-netstream-with-varstring", 1, 0 },
    { "netflow-9-invalid-01", 2, 1 },
    { "netflow-9-valid-01", 7, 0 },
    { "ipfix-options-template-from-juniper-mx240-junos-15-1-r6-s3", 0, 1 },
};

static void counts(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        char path[4096];
        struct decode_counters t;
        (void)snprintf(path, sizeof path, "%s/exporters/logstash-codec-netflow/pcap/%s.pcap", root,
                       expected[i].file);
        t = run_file(path, false);
        assert_int_equal(t.flows, expected[i].flows);
        assert_int_equal(t.options, expected[i].options);
    }
}

/* Every truncation of every datagram, exact-size: nothing is read beyond, the ledgers hold. */
static void cut(void *ctx, const struct datagram *g)
{
    struct bench *b = ctx;

    for (size_t n = 0; n < g->len && g->len < 1600; n += n < 96 ? 1 : 7) {
        uint8_t *exact = t_dup(g->octets, n);
        struct datagram c = *g;
        struct decode_counters t;
        c.octets = exact;
        c.len = n;
        assert_int_equal(decoder_feed(b->d, &c, &b->sink), ERR_OK);
        decoder_totals(b->d, &t);
        assert_true(ledger_holds(&t));
        free(exact);
    }
}

static void cut_file(const char *path, void *ctx)
{
    assert_true(capture_each(path, cut, ctx) > 0);
}

static void every_truncation(void **state)
{
    struct bench b = { 0 };
    struct decoder_limits lim = { .max_exporters = 200, .max_waiting_octets = 100000 };
    int files = 0;

    (void)state;
    assert_int_equal(decoder_new(&b.d, &lim), ERR_OK);
    assert_int_equal(flow_batch_new(&b.sink.batch), ERR_OK);
    b.sink.next = next_batch;
    each_file(folders[0], cut_file, &b, &files);
    each_file(folders[1], cut_file, &b, &files);
    each_file(folders[ARRAY_LEN(folders) - 1], cut_file, &b, &files);
    assert_true(files > 50);
    decoder_free(b.d);
    flow_batch_unref(b.sink.batch);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encode_again),
        cmocka_unit_test(counts),
        cmocka_unit_test(every_truncation),
    };

    root = argc > 1 ? argv[1] : WEIR_TEST_DATA;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
