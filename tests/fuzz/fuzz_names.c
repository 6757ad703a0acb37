/* The log of names, and option records. The first octet says which: 0 a log as it stands, 1 records
 * of a log (length, body) to which the sums are made, 2 a shape and a record of it. */
#include <stdlib.h>
#include <string.h>

#include "base/crc.h"
#include "store/entry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_log(const uint8_t *p, size_t n)
{
    struct fact_table *t, *flat;
    struct err e;
    size_t good = 0;
    int rc;

    if (fact_table_new(&t, NULL) != ERR_OK)
        abort();
    rc = names_read(p, n, "names", t, &good, &e);
    if (good > n || (rc == ERR_OK && good != n))
        abort();
    if (fact_table_flat(&flat, t) != ERR_OK)
        abort();
    fact_table_unref(flat);
    fact_table_unref(t);
}

static void log_of(const uint8_t *data, size_t size)
{
    static const uint8_t head[16] = "WEIRNAME\1";
    struct rd r = rd_init(data, size);
    struct buf b = buf_init(1u << 20);

    buf_put(&b, head, sizeof head);
    while (r.left > 2) {
        size_t want = rd_u16(&r), len = MIN(want, r.left);
        const uint8_t *body = rd_take(&r, len);
        buf_le(&b, len, 4);
        buf_le(&b, crc32c(0, body, len), 4);
        buf_put(&b, body, len);
    }
    read_log(b.p, b.len);
    buf_free(&b);
}

struct checked {
    const uint8_t *p, *end;
};

static void check(void *ctx, const struct fact *f)
{
    const struct checked *c = ctx;

    if (f->kind >= FACT_KINDS || f->len > FACT_TEXT_MAX ||
        (f->len > 0 && (f->text < c->p || f->text + f->len > c->end)))
        abort();
}

static void option_record(const uint8_t *data, size_t size)
{
    struct rd r = rd_init(data, size);
    struct shape *s;
    struct checked c;
    uint8_t *exact;

    if (shape_read(&s, &r) != ERR_OK)
        return;
    exact = malloc(r.left + (r.left == 0));
    if (exact == NULL)
        abort();
    memcpy(exact, r.p, r.left);
    c = (struct checked){ exact, exact + r.left };
    fact_each(s, exact, r.left, check, &c);
    free(exact);
    shape_unref(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] == 0)
        read_log(data + 1, size - 1);
    else if (data[0] == 1)
        log_of(data + 1, size - 1);
    else
        option_record(data + 1, size - 1);
    return 0;
}
