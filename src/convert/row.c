#include "convert/internal.h"

void row_clear(struct row *r, const struct addr *exporter)
{
    struct buf keep = r->octets;

    r->n = 0;
    r->v6 = r->has_start = r->has_end = r->has_duration = false;
    r->start_us = r->end_us = r->duration_us = r->received_ms = 0;
    r->icmp_type_set = r->icmp_code_set = false;
    r->icmp_type = r->icmp_code = r->proto = 0;
    r->proto_text = NULL;
    r->proto_len = 0;
    r->exporter = *exporter;
    buf_clear(&keep);
    r->octets = keep;
}

static bool room(struct row *r)
{
    if (r->n < ARRAY_LEN(r->f))
        return true;
    r->octets.bad = true;
    return false;
}

void row_uint(struct row *r, uint32_t pen, uint16_t id, unsigned len, uint64_t v)
{
    if (!room(r))
        return;
    r->f[r->n++] = (struct message_field){ pen, id, (uint16_t)len };
    buf_be(&r->octets, v, len);
}

void row_octets(struct row *r, uint32_t pen, uint16_t id, const void *p, size_t len)
{
    if (!room(r))
        return;
    r->f[r->n++] = (struct message_field){ pen, id, (uint16_t)len };
    buf_put(&r->octets, p, len);
}

static void put_length(struct row *r, uint32_t pen, uint16_t id, size_t len)
{
    if (!room(r))
        return;
    r->f[r->n++] = (struct message_field){ pen, id, SHAPE_LEN_VAR };
    if (len > UINT16_MAX) {
        r->octets.bad = true;
        return;
    }
    if (len >= 255)
        buf_be(&r->octets, 255, 1);
    buf_be(&r->octets, len, len >= 255 ? 2 : 1);
}

void row_text(struct row *r, uint32_t pen, uint16_t id, const char *s, size_t len)
{
    put_length(r, pen, id, len);
    buf_put(&r->octets, s, len);
}

void row_unknown(struct row *r, const char *name, size_t name_len, const char *s, size_t len)
{
    put_length(r, PEN_WEIR, IMPORTED_COLUMN, name_len + 1 + len);
    buf_put(&r->octets, name, name_len);
    buf_char(&r->octets, '=');
    buf_put(&r->octets, s, len);
}
