/* collect/capture.c - pcap and pcapng. Layouts: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng.
 */
#include "collect/capture.h"

#include <stdlib.h>
#include <string.h>

#include "base/rd.h"

#define MAX_PACKET     (16u << 20) /* a longer one is damage, not a packet */
#define MAX_INTERFACES 65536u

enum block {
    BLOCK_SECTION = 0x0a0d0d0a,
    BLOCK_INTERFACE = 1,
    BLOCK_OLD_PACKET = 2,
    BLOCK_SIMPLE_PACKET = 3,
    BLOCK_PACKET = 6
};
enum option { OPTION_END = 0, OPTION_TSRESOL = 9, OPTION_TSOFFSET = 14 };

struct interface {
    uint16_t link;
    uint32_t snap_octets; /* 0 = no limit */
    uint64_t per_s;       /* timestamp units in a second */
    int64_t offset_s;
};

struct capture {
    struct rd r;
    size_t total;
    bool ng, big_endian;
    struct interface *ifs; /* owned; pcap uses ifs[0] */
    size_t n_ifs, cap_ifs;
    int64_t last_ms;
};

static uint64_t get(const struct capture *c, struct rd *r, size_t n)
{
    return c->big_endian ? rd_uint(r, n) : rd_le(r, n);
}
static uint32_t get32(const struct capture *c, struct rd *r)
{
    return (uint32_t)get(c, r, 4);
}
static uint16_t get16(const struct capture *c, struct rd *r)
{
    return (uint16_t)get(c, r, 2);
}

size_t capture_at(const struct capture *c)
{
    return c->total - c->r.left;
}

/* --- what else it may be --- */

struct known_file {
    const char *head;
    size_t len;
    const char *say;
};
static const struct known_file known_files[] = {
    { "\x1f\x8b", 2, "it is compressed by gzip; unpack it first: gzip -dk FILE" },
    { "\xfd"
      "7zXZ",
      5, "it is compressed by xz; unpack it first: xz -dk FILE" },
    { "\x28\xb5\x2f\xfd", 4, "it is compressed by zstd; unpack it first: zstd -d FILE" },
    { "BZh", 3, "it is compressed by bzip2; unpack it first: bzip2 -dk FILE" },
    { "\x04\x22\x4d\x18", 4, "it is compressed by lz4; unpack it first: lz4 -d FILE" },
    { "\xa5\x0c", 2,
      "it is an nfdump file, not a capture; export it again with: nfreplay -r FILE" },
    { "\x0c\xa5", 2,
      "it is an nfdump file, not a capture; export it again with: nfreplay -r FILE" },
    { "snoop\0", 6, "it is a snoop file; convert it first: editcap -F pcapng FILE NEW" },
    { "PK\x03\x04", 4, "it is a zip archive; unpack it first: unzip FILE" },
};

static int not_a_capture(const uint8_t *mem, size_t len, struct err *e)
{
    for (size_t i = 0; i < ARRAY_LEN(known_files); i++)
        if (len >= known_files[i].len && memcmp(mem, known_files[i].head, known_files[i].len) == 0)
            return err_set(e, ERR_FORMAT, "not a pcap or pcapng file: %s", known_files[i].say);
    if (len == 0)
        return err_set(e, ERR_FORMAT, "the file is empty");
    if (len < 24)
        return err_set(e, ERR_FORMAT, "too short for a capture: %zu octets", len);
    return err_set(e, ERR_FORMAT, "not a pcap or pcapng file (it begins %02x %02x %02x %02x)",
                   mem[0], mem[1], mem[2], mem[3]);
}

/* --- interfaces --- */

static struct interface *add_interface(struct capture *c, struct err *e)
{
    if (c->n_ifs == c->cap_ifs) {
        size_t cap = c->cap_ifs == 0 ? 4 : c->cap_ifs * 2;
        struct interface *more;
        if (c->n_ifs >= MAX_INTERFACES) {
            (void)err_set(e, ERR_FORMAT, "damaged: over %u interfaces in one section",
                          MAX_INTERFACES);
            return NULL;
        }
        more = realloc(c->ifs, cap * sizeof *more);
        if (more == NULL) {
            (void)err_set(e, ERR_NOMEM, "capture: out of memory");
            return NULL;
        }
        c->ifs = more;
        c->cap_ifs = cap;
    }
    c->ifs[c->n_ifs] = (struct interface){ .per_s = 1000000 };
    return &c->ifs[c->n_ifs++];
}

/* if_tsresol: first bit clear = power of ten, set = power of two. 0 where it makes no sense. */
static uint64_t resolution(uint8_t v)
{
    uint64_t per_s = 1;

    if (v & 0x80)
        return (v & 0x7f) < 64 ? (uint64_t)1 << (v & 0x7f) : 0;
    if (v > 19)
        return 0;
    while (v-- > 0)
        per_s *= 10;
    return per_s;
}

static int64_t to_ms(const struct interface *i, uint64_t t)
{
    uint64_t s = t / i->per_s, rest = t % i->per_s;
    int64_t ms = (int64_t)((unsigned __int128)rest * 1000 / i->per_s);

    /* beyond any sensible date: bounded, so that sums stay in range */
    if (s > (uint64_t)1 << 40 || i->offset_s > (int64_t)1 << 40 ||
        i->offset_s < -((int64_t)1 << 40))
        return 0;
    return ((int64_t)s + i->offset_s) * 1000 + ms;
}

/* --- pcap --- */

static bool pcap_header(struct capture *c, struct err *e)
{
    static const struct {
        uint32_t magic;
        bool big_endian;
        uint32_t per_s;
    } kinds[] = {
        { 0xa1b2c3d4, true, 1000000 },
        { 0xd4c3b2a1, false, 1000000 },
        { 0xa1b23c4d, true, 1000000000 },
        { 0x4d3cb2a1, false, 1000000000 },
    };
    uint32_t magic = rd_u32(&c->r);
    struct interface *i;

    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        if (kinds[k].magic != magic)
            continue;
        c->big_endian = kinds[k].big_endian;
        i = add_interface(c, e);
        if (i == NULL)
            return false;
        i->per_s = kinds[k].per_s;
        (void)rd_take(&c->r, 16);            /* version, zone, accuracy, snap length */
        i->link = (uint16_t)get32(c, &c->r); /* above: octets of frame check sequence */
        return rd_ok(&c->r);
    }
    return false;
}

static int cut_off(const struct capture *c, size_t at, struct err *e)
{
    return err_set(e, ERR_FORMAT,
                   "the file is cut off: octet %zu of %zu begins a packet that does not end", at,
                   c->total);
}

static int pcap_next(struct capture *c, struct capture_packet *p, struct err *e)
{
    size_t at = capture_at(c);
    uint64_t s, part;

    if (c->r.left == 0)
        return ERR_NOTFOUND;
    s = get32(c, &c->r);
    part = get32(c, &c->r);
    p->len = get32(c, &c->r);
    p->wire_len = get32(c, &c->r);
    if (rd_ok(&c->r) && p->len > MAX_PACKET)
        return err_set(e, ERR_FORMAT, "damaged at octet %zu: a packet of %lu octets", at,
                       (unsigned long)p->len);
    p->octets = rd_take(&c->r, p->len);
    if (p->octets == NULL)
        return cut_off(c, at, e);
    p->link = c->ifs[0].link;
    c->last_ms = (int64_t)s * 1000 + (int64_t)(part * 1000 / c->ifs[0].per_s);
    p->time_ms = c->last_ms;
    return ERR_OK;
}

/* --- pcapng --- */

static int ng_interface(struct capture *c, struct rd body, struct err *e)
{
    struct interface *i = add_interface(c, e);

    if (i == NULL)
        return e != NULL ? e->code : ERR_NOMEM;
    i->link = get16(c, &body);
    (void)rd_take(&body, 2);
    i->snap_octets = get32(c, &body);
    while (rd_ok(&body) && body.left >= 4) {
        uint16_t code = get16(c, &body), len = get16(c, &body);
        struct rd value = rd_sub(&body, len);
        if (code == OPTION_END)
            break;
        if (code == OPTION_TSRESOL && len == 1)
            i->per_s = resolution(rd_u8(&value));
        if (code == OPTION_TSOFFSET && len == 8) {
            uint64_t v = get(c, &value, 8);
            i->offset_s = v <= INT64_MAX ? (int64_t)v : -(int64_t)(UINT64_MAX - v) - 1;
        }
        (void)rd_take(&body, (4u - len % 4u) % 4u);
    }
    if (i->per_s == 0)
        return err_set(e, ERR_FORMAT, "damaged: an interface without a sensible time resolution");
    return ERR_OK;
}

/* Enhanced (6) and obsolete (2) packet blocks differ in the first word only. */
static bool ng_packet(struct capture *c, uint32_t type, struct rd body, struct capture_packet *p)
{
    uint32_t number = type == BLOCK_PACKET ? get32(c, &body) : get16(c, &body);
    uint64_t t;

    if (type == BLOCK_OLD_PACKET)
        (void)rd_take(&body, 2); /* drops */
    t = (uint64_t)get32(c, &body) << 32;
    t |= get32(c, &body);
    p->len = get32(c, &body);
    p->wire_len = get32(c, &body);
    p->octets = rd_take(&body, p->len);
    p->link = LINK_UNKNOWN;
    if (number < c->n_ifs) {
        p->link = c->ifs[number].link;
        c->last_ms = to_ms(&c->ifs[number], t);
    }
    p->time_ms = c->last_ms;
    return p->octets != NULL;
}

static bool ng_simple(struct capture *c, struct rd body, struct capture_packet *p)
{
    p->wire_len = get32(c, &body);
    p->len = (uint32_t)MIN(body.left, p->wire_len); /* what follows is padding */
    p->link = LINK_UNKNOWN;
    if (c->n_ifs > 0) {
        p->link = c->ifs[0].link;
        if (c->ifs[0].snap_octets > 0)
            p->len = MIN(p->len, c->ifs[0].snap_octets);
    }
    p->octets = rd_take(&body, p->len);
    p->time_ms = c->last_ms;
    return p->octets != NULL;
}

/* Octet order of a section, by its magic; the length before it can only be read with it. */
static bool section_order(struct capture *c)
{
    struct rd peek = c->r;
    uint32_t magic;

    (void)rd_take(&peek, 8);
    magic = rd_u32(&peek);
    if (magic != 0x1a2b3c4d && magic != 0x4d3c2b1a)
        return false;
    c->big_endian = magic == 0x1a2b3c4d;
    return true;
}

/* One block: its type and body. ERR_NOTFOUND at the end. */
static int ng_block(struct capture *c, uint32_t *type, struct rd *body, struct err *e)
{
    size_t at = capture_at(c);
    struct rd peek = c->r;
    uint32_t len;

    if (c->r.left == 0)
        return ERR_NOTFOUND;
    if (c->r.left < 12)
        return cut_off(c, at, e);
    if (rd_u32(&peek) == BLOCK_SECTION && !section_order(c))
        return err_set(e, ERR_FORMAT, "damaged at octet %zu: a section without octet order", at);
    *type = get32(c, &c->r);
    len = get32(c, &c->r);
    if (len < 12 || len % 4 != 0 || len > 2 * MAX_PACKET)
        return err_set(e, ERR_FORMAT, "damaged at octet %zu: a block of %lu octets", at,
                       (unsigned long)len);
    *body = rd_sub(&c->r, len - 12);
    if (get32(c, &c->r) != len)
        return rd_ok(&c->r) ? err_set(e, ERR_FORMAT,
                                      "damaged at octet %zu: a block's two lengths differ", at)
                            : cut_off(c, at, e);
    return ERR_OK;
}

static int ng_next(struct capture *c, struct capture_packet *p, struct err *e)
{
    uint32_t type = 0;
    struct rd body;
    int rc;

    while ((rc = ng_block(c, &type, &body, e)) == ERR_OK) {
        switch (type) {
        case BLOCK_SECTION:
            c->n_ifs = 0; /* interfaces are numbered per section */
            break;
        case BLOCK_INTERFACE:
            if ((rc = ng_interface(c, body, e)) != ERR_OK)
                return rc;
            break;
        case BLOCK_OLD_PACKET:
        case BLOCK_PACKET:
            if (ng_packet(c, type, body, p))
                return ERR_OK;
            return err_set(e, ERR_FORMAT,
                           "damaged before octet %zu: a packet longer than its block",
                           capture_at(c));
        case BLOCK_SIMPLE_PACKET:
            if (ng_simple(c, body, p))
                return ERR_OK;
            break;
        default:
            break;
        }
    }
    return rc;
}

/* --- both --- */

int capture_open(struct capture **out, const uint8_t *mem, size_t len, struct err *e)
{
    struct capture *c = calloc(1, sizeof *c);
    struct err local = { 0 };
    struct rd peek = rd_init(mem, len);
    bool good;

    *out = NULL;
    if (c == NULL)
        return err_set(e, ERR_NOMEM, "capture: out of memory");
    c->r = rd_init(mem, len);
    c->total = len;
    c->ng = rd_u32(&peek) == BLOCK_SECTION;
    good = c->ng ? section_order(c) : pcap_header(c, &local);
    if (!good) {
        capture_close(c);
        if (local.code != ERR_OK)
            return err_set(e, local.code, "%s", local.msg);
        return not_a_capture(mem, len, e);
    }
    *out = c;
    return ERR_OK;
}

void capture_close(struct capture *c)
{
    if (c == NULL)
        return;
    free(c->ifs);
    free(c);
}

int capture_next(struct capture *c, struct capture_packet *p, struct err *e)
{
    *p = (struct capture_packet){ 0 };
    return c->ng ? ng_next(c, p, e) : pcap_next(c, p, e);
}
