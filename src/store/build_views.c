/* Does a segment hold flows that several observation points reported? Asked once, when it is built,
 * so that questions need not look. Time is taken coarsely, and only to the safe side: "apart" is
 * certain, "shared" may be a tuple that was merely used again. */
#include <stdlib.h>

#include "store/build.h"

#define AHEAD 16u /* entries between a slot's prefetch and its use */
/* Of more rows than that only some 5-tuples are looked at, and all rows of that many bytes: a few
 * small flows among millions change no answer, a tunnel seen at both its ends does. */
#define ALL_ROWS   (1u << 16)
#define MANY_BYTES 65536u

struct view_slot {
    uint32_t tag;            /* upper half of the hash; 0 = free */
    uint32_t point;          /* hash of the point; 0 = several, one after the other */
    uint32_t from_ms, to_ms; /* since base_ms, the skew allowed for added to both ends */
};

struct views {
    struct build *s;
    struct view_slot *slot;
    uint64_t mask, used;
    uint32_t sample; /* 5-tuples are looked at whose hash has none of these bits */
    int64_t base_ms;
    bool shared;
};

static uint64_t mix(uint64_t h, uint64_t v)
{
    unsigned __int128 m = (unsigned __int128)(h ^ v) * 0x9e3779b97f4a7c15u;

    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

/* Columns of a block; NULL = zero in every row. */
struct columns {
    const uint32_t *src, *dst, *in_if, *out_if;
    const uint16_t *sport, *dport, *exporter;
    const uint8_t *proto, *dir;
    const uint64_t *start, *end, *bytes, *rev_bytes, *rev_packets;
};

static const void *column(const struct build_block *k, enum col c)
{
    return (k->used >> c & 1) != 0 ? k->b->col[c] : NULL;
}

static struct columns columns_of(const struct build_block *k)
{
    return (struct columns){ .src = k->src,
                             .dst = k->dst,
                             .in_if = column(k, COL_IN_IF),
                             .out_if = column(k, COL_OUT_IF),
                             .sport = column(k, COL_SRC_PORT),
                             .dport = column(k, COL_DST_PORT),
                             .exporter = k->b->col[COL_EXPORTER],
                             .proto = column(k, COL_PROTO),
                             .dir = column(k, COL_DIRECTION),
                             .start = k->b->col[COL_START],
                             .end = k->b->col[COL_END],
                             .bytes = column(k, COL_BYTES),
                             .rev_bytes = column(k, COL_REV_BYTES),
                             .rev_packets = column(k, COL_REV_PACKETS) };
}

/* Exporters that differ by the import only are one. */
static uint32_t exporter_hash(const struct exporter_key *k)
{
    return (uint32_t)(mix(addr_hash(&k->addr), (uint64_t)k->domain << 16 | k->version) >> 32);
}

static uint32_t point_of(const struct columns *c, const uint32_t *exporter, uint32_t i)
{
    bool egress = c->dir != NULL && c->dir[i] == 1;
    const uint32_t *port = egress ? c->out_if : c->in_if;
    uint64_t h =
        mix(exporter[c->exporter[i]], (uint64_t)egress << 32 | (port != NULL ? port[i] : 0));

    return (uint32_t)(h >> 32) | 1;
}

static uint64_t tuple_of(const struct columns *c, uint32_t i, bool back)
{
    uint32_t a = back ? c->dst[i] : c->src[i], b = back ? c->src[i] : c->dst[i];
    const uint16_t *pa = back ? c->dport : c->sport, *pb = back ? c->sport : c->dport;
    uint64_t ports = (uint64_t)(pa != NULL ? pa[i] : 0) << 24 |
                     (uint64_t)(pb != NULL ? pb[i] : 0) << 8 | (c->proto != NULL ? c->proto[i] : 0);

    return mix(mix(0x2545f4914f6cdd1du, (uint64_t)a << 32 | b), ports + 1);
}

static uint32_t offset(const struct views *v, int64_t ms)
{
    return ms <= v->base_ms ? 0 : (uint32_t)MIN(ms - v->base_ms, (int64_t)UINT32_MAX);
}

static void enter(struct views *v, uint64_t h, uint32_t point, int64_t start_ms, int64_t end_ms)
{
    uint32_t tag = (uint32_t)(h >> 32) | 1, from = offset(v, start_ms - VIEWS_SKEW_MS),
             to = offset(v, end_ms + VIEWS_SKEW_MS);
    uint64_t at = h & v->mask;

    for (; v->slot[at].tag != 0; at = (at + 1) & v->mask) {
        struct view_slot *x = &v->slot[at];
        if (x->tag != tag)
            continue;
        if (x->point != point) {
            v->shared |= from <= x->to_ms && to >= x->from_ms;
            x->point = 0;
        }
        x->from_ms = MIN(x->from_ms, from);
        x->to_ms = MAX(x->to_ms, to);
        return;
    }
    v->slot[at] = (struct view_slot){ tag, point, from, to };
    v->shared |= ++v->used > v->mask / 4 * 3; /* more than were to be expected: to the safe side */
}

static bool looked_at(const struct views *v, const struct columns *c, uint32_t i, bool back,
                      uint64_t h)
{
    uint64_t rev = c->rev_bytes != NULL ? c->rev_bytes[i] : 0;

    if (c->src[i] == 0 || c->dst[i] == 0)
        return false;
    if (back && (rev | (c->rev_packets != NULL ? c->rev_packets[i] : 0)) == 0)
        return false;
    return (h >> 24 & v->sample) == 0 || (c->bytes != NULL && c->bytes[i] >= MANY_BYTES) ||
           rev >= MANY_BYTES;
}

/* One direction of a block's rows. */
static void block_views(struct views *v, const struct build_block *k, const uint32_t *exporter,
                        bool back)
{
    struct columns c = columns_of(k);
    struct {
        uint64_t hash;
        uint32_t row;
    } ahead[AHEAD];
    uint32_t in = 0, out = 0;

    for (uint32_t i = 0; (i < k->n || out < in) && !v->shared; i++) {
        if (in - out == AHEAD || (i >= k->n && out < in)) {
            uint32_t j = ahead[out % AHEAD].row;
            enter(v, ahead[out++ % AHEAD].hash, point_of(&c, exporter, j), (int64_t)c.start[j],
                  (int64_t)c.end[j]);
        }
        if (i < k->n) {
            uint64_t h = tuple_of(&c, i, back);
            if (!looked_at(v, &c, i, back, h))
                continue;
            ahead[in % AHEAD].hash = h;
            ahead[in++ % AHEAD].row = i;
            __builtin_prefetch(&v->slot[h & v->mask]);
        }
    }
}

/* Is there more than one point at all? */
static bool several_points(const struct build *s, uint32_t *const *exporter)
{
    uint32_t first = 0;

    for (size_t b = 0; b < s->n_blocks; b++) {
        struct columns c = columns_of(&s->block[b]);
        for (uint32_t i = 0; i < s->block[b].n; i++) {
            uint32_t p = point_of(&c, exporter[b], i);
            if (first != 0 && p != first)
                return true;
            first = p;
        }
    }
    return false;
}

/* Directions of rows of many bytes. */
static uint64_t many_bytes(const struct build_block *k)
{
    const uint64_t *b = column(k, COL_BYTES), *r = column(k, COL_REV_BYTES);
    uint64_t n = 0;

    for (uint32_t i = 0; i < k->n && b != NULL; i++)
        n += b[i] >= MANY_BYTES;
    n <<= r != NULL;
    for (uint32_t i = 0; i < k->n && r != NULL; i++)
        n += (uint64_t)(r[i] >= MANY_BYTES) << 1;
    return n;
}

static bool both_ways(const struct build_block *k)
{
    return ((k->used >> COL_REV_BYTES | k->used >> COL_REV_PACKETS) & 1) != 0;
}

static int look(struct build *s, const struct seg_info *info, uint32_t *const *exporter,
                enum rowset_views *out)
{
    struct views v = { .s = s, .base_ms = info->min_start_ms - 2 * (int64_t)VIEWS_SKEW_MS };
    uint64_t slots = 1024, entries = 0, many = 0;

    *out = VIEWS_APART;
    if (!several_points(s, exporter))
        return ERR_OK;
    for (size_t b = 0; b < s->n_blocks; b++)
        entries += (uint64_t)s->block[b].n << both_ways(&s->block[b]);
    while (entries > (uint64_t)ALL_ROWS * (v.sample + 1))
        v.sample = v.sample * 2 + 1;
    for (size_t b = 0; v.sample > 0 && b < s->n_blocks; b++)
        many += many_bytes(&s->block[b]);
    while (slots < entries / (v.sample + 1) * 2 + many * 2)
        slots *= 2;
    if ((v.slot = calloc(slots, sizeof *v.slot)) == NULL)
        return ERR_NOMEM;
    v.mask = slots - 1;
    for (size_t b = 0; b < s->n_blocks && !v.shared; b++) {
        const struct build_block *k = &s->block[b];
        block_views(&v, k, exporter[b], false);
        if (both_ways(k))
            block_views(&v, k, exporter[b], true);
    }
    *out = v.shared ? VIEWS_SHARED : VIEWS_APART;
    free(v.slot);
    return ERR_OK;
}

int build_views(struct build *s, struct seg_info *info)
{
    uint32_t **exporter = calloc(s->n_blocks + 1, sizeof(uint32_t *)), *hold, total = 0;
    enum rowset_views views = VIEWS_UNKNOWN;
    int rc = ERR_NOMEM;

    for (size_t b = 0; b < s->n_blocks; b++)
        total += s->block[b].n_exporters;
    hold = malloc((total + 1) * sizeof *hold);
    if (exporter != NULL && hold != NULL) {
        for (size_t b = 0, at = 0; b < s->n_blocks; b++) {
            exporter[b] = hold + at;
            for (uint32_t i = 0; i < s->block[b].n_exporters; i++)
                hold[at++] = exporter_hash(&s->block[b].b->exporters[i]);
        }
        rc = look(s, info, exporter, &views);
    }
    info->views = (uint8_t)views;
    free(exporter);
    free(hold);
    return rc;
}
