/* The octets of DIR/names. */
#include <string.h>

#include "base/crc.h"
#include "store/entry.h"

#define NAMES_MAGIC "WEIRNAME"
#define NAMES_DRAFT 1u
#define RECORD_HEAD 8u

void names_put_head(struct buf *b)
{
    buf_put(b, NAMES_MAGIC, 8);
    buf_le(b, NAMES_DRAFT, 4);
    buf_le(b, 0, 4);
}

void names_put(struct buf *b, const struct exporter_key *x, int64_t from_ms, const struct fact *f)
{
    size_t at = b->len;

    buf_le(b, 0, 8); /* octets and sum of what follows */
    buf_le(b, f->kind, 1);
    buf_le(b, x->version, 2);
    buf_le(b, x->import, 2);
    buf_le(b, x->domain, 4);
    buf_put(b, x->addr.b, 16);
    buf_le(b, (uint64_t)from_ms, 8);
    buf_le(b, f->id, 8);
    buf_le(b, f->number, 4);
    buf_put(b, f->text, f->len);
    if (!buf_ok(b))
        return;
    le_put(b->p + at, b->len - at - RECORD_HEAD, 4);
    le_put(b->p + at + 4, crc32c(0, b->p + at + RECORD_HEAD, b->len - at - RECORD_HEAD), 4);
}

static int read_fact(struct rd *r, struct fact_table *t)
{
    struct fact f = { .kind = (uint8_t)rd_le(r, 1) };
    struct exporter_key x = { .version = (uint16_t)rd_le(r, 2) };
    const uint8_t *addr;
    int64_t from_ms;
    bool news;
    int rc;

    x.import = (uint16_t)rd_le(r, 2);
    x.domain = (uint32_t)rd_le(r, 4);
    addr = rd_take(r, 16);
    from_ms = (int64_t)rd_le(r, 8);
    f.id = rd_le(r, 8);
    f.number = (uint32_t)rd_le(r, 4);
    if (!rd_ok(r) || f.kind >= FACT_KINDS || r->left > FACT_TEXT_MAX)
        return ERR_CORRUPT;
    memcpy(x.addr.b, addr, sizeof x.addr.b);
    f.text = r->p;
    f.len = (uint32_t)r->left;
    rc = fact_table_add(t, &x, from_ms, &f, &news);
    return rc == ERR_LIMIT ? ERR_OK : rc;
}

int names_read(const uint8_t *p, size_t n, const char *path, struct fact_table *t, size_t *good,
               struct err *e)
{
    struct rd r = rd_init(p, n);
    const uint8_t *magic = rd_take(&r, 8);
    uint32_t draft = (uint32_t)rd_le(&r, 4);
    int rc = ERR_OK;

    (void)rd_le(&r, 4);
    *good = 0;
    if (n == 0)
        return ERR_OK;
    if (!rd_ok(&r) || memcmp(magic, NAMES_MAGIC, 8) != 0)
        return err_set(e, ERR_CORRUPT, "%s: not a log of names", path);
    if (draft != NAMES_DRAFT)
        return err_set(e, ERR_VERSION,
                       "%s: draft %u, this Weir reads draft %u only: use the version that wrote it",
                       path, draft, NAMES_DRAFT);
    *good = NAMES_HEAD;
    while (rc == ERR_OK && r.left >= RECORD_HEAD) {
        size_t len = (size_t)rd_le(&r, 4);
        uint32_t sum = (uint32_t)rd_le(&r, 4);
        struct rd body = rd_sub(&r, len);
        if (!rd_ok(&body))
            break; /* a torn end */
        if (crc32c(0, body.p, body.left) != sum)
            continue; /* damage costs one record where what follows is whole */
        if ((rc = read_fact(&body, t)) == ERR_OK)
            *good = n - r.left;
    }
    if (rc == ERR_NOMEM)
        return err_set(e, rc, "%s: out of memory", path);
    return *good == n ? ERR_OK
                      : err_set(e, ERR_CORRUPT, "%s: damaged behind octet %zu", path, *good);
}
