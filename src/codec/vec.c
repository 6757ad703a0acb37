#include "codec/vec.h"

#include <string.h>

void vec_encode(struct buf *out, const uint64_t *v, uint32_t n)
{
    uint32_t pages = vec_pages(n);
    size_t lens = out->len;
    struct page_choice c = { 0 };

    (void)buf_room(out, (size_t)pages * 2);
    for (uint32_t i = 0; i < pages; i++) {
        size_t at = out->len;
        page_encode(out, v + (size_t)i * PAGE_VALUES, MIN(PAGE_VALUES, n - i * PAGE_VALUES), &c);
        if (buf_ok(out))
            le_put(out->p + lens + 2u * i, out->len - at, 2);
    }
}

int vec_open(struct vec *v, struct rd *r, uint32_t n)
{
    uint32_t pages = vec_pages(n);

    *v = (struct vec){ .n = n };
    v->lens = rd_take(r, (size_t)pages * 2);
    if (v->lens == NULL)
        return ERR_FORMAT;
    for (uint32_t i = 0; i < pages; i++)
        v->octets += le16(v->lens + 2u * i);
    v->pages = rd_take(r, v->octets);
    return v->pages != NULL ? ERR_OK : ERR_FORMAT;
}

struct rd vec_page(const struct vec *v, uint32_t i, uint32_t *n)
{
    size_t at = 0;

    for (uint32_t k = 0; k < i; k++)
        at += le16(v->lens + 2u * k);
    *n = MIN(PAGE_VALUES, v->n - i * PAGE_VALUES);
    return rd_init(v->pages + at, le16(v->lens + 2u * i));
}

int vec_page64(const struct vec *v, uint32_t i, uint64_t *out)
{
    uint32_t n;
    struct rd r = vec_page(v, i, &n);

    return page_decode64(&r, out, n);
}

int vec_page32(const struct vec *v, uint32_t i, uint32_t *out)
{
    uint32_t n;
    struct rd r = vec_page(v, i, &n);

    return page_decode32(&r, out, n);
}

int vec_decode64(const struct vec *v, uint64_t *out)
{
    const uint8_t *p = v->pages;
    uint32_t pages = vec_pages(v->n);

    for (uint32_t i = 0; i < pages; i++) {
        uint32_t len = le16(v->lens + 2u * i);
        struct rd r = rd_init(p, len);
        int rc = page_decode64(&r, out + (size_t)i * PAGE_VALUES,
                               MIN(PAGE_VALUES, v->n - i * PAGE_VALUES));
        if (rc != ERR_OK)
            return rc;
        p += len;
    }
    return ERR_OK;
}
