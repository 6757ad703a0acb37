/* Lists inside records (RFC 6313). A basicList says what its values are; lists of a template hold
 * only its number, so their records are shown as octets. */
#include "flow/elem_list.h"

#include "base/rd.h"
#include "flow/elem.h"
#include "flow/shape.h"

#define MAX_DEPTH 4u /* a list in a list; deeper ones are shown as octets */

static void put_semantic(struct buf *out, uint8_t s)
{
    static const char *const name[] = { "noneOf", "exactlyOneOf", "oneOrMoreOf", "allOf",
                                        "ordered" };

    if (s < ARRAY_LEN(name))
        buf_str(out, name[s]);
    else if (s == 255)
        buf_str(out, "undefined");
    else
        buf_printf(out, "%u", s);
}

struct list {
    bool json;
    unsigned depth;
};

static bool put_list(struct buf *out, struct list l, uint8_t type, const uint8_t *p, size_t len);

static void put_value(struct buf *out, struct list l, uint32_t pen, uint16_t id, const uint8_t *p,
                      size_t len)
{
    const struct elem *e = elem_find(pen, id);

    if (e != NULL && elem_is_list(e->type) &&
        put_list(out, (struct list){ l.json, l.depth + 1 }, e->type, p, len))
        return;
    if (e != NULL && elem_is_list(e->type)) {
        buf_str(out, l.json ? "\"" : "");
        elem_hex(out, p, len);
        buf_str(out, l.json ? "\"" : "");
    } else if (l.json) {
        elem_json(out, pen, id, p, len);
    } else {
        elem_text(out, pen, id, p, len);
    }
}

/* RFC 6313 section 4.5.1 */
static bool put_basic(struct buf *out, struct list l, const uint8_t *p, size_t len)
{
    struct rd r = rd_init(p, len);
    uint8_t semantic = rd_u8(&r);
    uint16_t id = rd_u16(&r), each = rd_u16(&r);
    uint32_t pen = (id & 0x8000u) != 0 ? rd_u32(&r) : 0;
    char name[96];
    bool first = true;

    id &= 0x7fff;
    if (!rd_ok(&r) || each == 0)
        return false;
    (void)elem_name(pen, id, name, sizeof name);
    buf_str(out, l.json ? "{\"semantic\":\"" : "");
    put_semantic(out, semantic);
    buf_printf(out, l.json ? "\",\"element\":\"%s\",\"values\":[" : " %s [", name);
    while (r.left > 0) {
        size_t n = each;
        const uint8_t *v;
        if (n == SHAPE_LEN_VAR && (n = rd_u8(&r)) == 255)
            n = rd_u16(&r);
        v = rd_take(&r, n);
        if (v == NULL)
            return false;
        buf_str(out, first ? "" : ",");
        put_value(out, l, pen, id, v, n);
        first = false;
    }
    buf_str(out, l.json ? "]}" : "]");
    return true;
}

/* sections 4.5.2 and 4.5.3: of one template, or of several, each with the octets of its part */
static bool put_templates(struct buf *out, struct list l, bool several, const uint8_t *p,
                          size_t len)
{
    struct rd r = rd_init(p, len);
    uint8_t semantic = rd_u8(&r);
    bool first = true;

    if (!rd_ok(&r) || (!several && len < 3))
        return false;
    buf_str(out, l.json ? "{\"semantic\":\"" : "");
    put_semantic(out, semantic);
    buf_str(out, l.json ? "\",\"records\":[" : " [");
    while (r.left > 0) {
        uint16_t id = rd_u16(&r);
        size_t n = several ? (size_t)rd_u16(&r) : r.left + 4;
        const uint8_t *v = n >= 4 ? rd_take(&r, n - 4) : NULL;
        if (v == NULL)
            return false;
        buf_str(out, first ? "" : ",");
        buf_printf(out, l.json ? "{\"template\":%u,\"octets\":\"" : "template %u: ", id);
        elem_hex(out, v, n - 4);
        buf_str(out, l.json ? "\"}" : "");
        first = false;
    }
    buf_str(out, l.json ? "]}" : "]");
    return true;
}

static bool put_list(struct buf *out, struct list l, uint8_t type, const uint8_t *p, size_t len)
{
    size_t before = out->len;
    bool good = false;

    if (l.depth < MAX_DEPTH)
        good = type == ELEM_BASIC_LIST
                   ? put_basic(out, l, p, len)
                   : put_templates(out, l, type == ELEM_SUB_TEMPLATE_MULTI_LIST, p, len);
    if (!good) /* what stands there is no list: as octets */
        out->len = before;
    return good;
}

bool elem_list_put(struct buf *out, uint8_t type, bool json, const uint8_t *p, size_t len)
{
    return put_list(out, (struct list){ json, 0 }, type, p, len);
}
