#include "collect/journal_file.h"

#include <stdlib.h>
#include <string.h>

#include "base/rd.h"

#define MAGIC       "WEIR-JNL"
#define ORDER       0x01020304u /* in the processor's order: refuses a file of another one */
#define HEAD_SUMMED 40u

/* The first octets of a file; fields in the processor's order, like the frames. They stay the same
 * in every draft, so that a program knows a file that it cannot read. */
struct head {
    uint8_t magic[8];
    uint32_t draft, order, shard;
    uint32_t key;         /* of its frames; 0 in draft 1 */
    uint64_t first;       /* serial of its first frame */
    uint64_t last_before; /* last serial of the file before; 0 = none */
    uint32_t sum;         /* CRC32C of the octets before it */
};

void journal_head_put(uint8_t page[JOURNAL_HEAD], unsigned shard, uint32_t key, uint64_t first,
                      uint64_t last_before)
{
    struct head h = { .draft = JOURNAL_DRAFT,
                      .order = ORDER,
                      .shard = shard,
                      .key = key,
                      .first = first,
                      .last_before = last_before };

    memcpy(h.magic, MAGIC, 8);
    h.sum = crc32c(0, &h, HEAD_SUMMED);
    memset(page, 0, JOURNAL_HEAD);
    memcpy(page, &h, sizeof h);
}

int journal_head_get(struct journal_slot *s, const uint8_t *p, size_t n, unsigned shard,
                     const char *path, struct err *e)
{
    struct rd r = rd_init(p, n);
    const uint8_t *octets = rd_take(&r, sizeof(struct head));
    struct journal_walk w = { .p = p, .len = n, .at = JOURNAL_HEAD, .any_key = true };
    const struct frame *f;
    struct head h;

    *s = (struct journal_slot){ .number = s->number };
    if (octets == NULL)
        return ERR_OK;
    memcpy(&h, octets, sizeof h);
    if (memcmp(h.magic, MAGIC, 8) != 0 || h.sum != crc32c(0, &h, HEAD_SUMMED) ||
        (h.first > 0 && h.last_before >= h.first)) {
        f = journal_walk_next(&w);
        s->head_bad = true;
        s->used = f != NULL;
        s->first = f != NULL ? f->serial : 0;
        s->key = f != NULL ? f->key : 0;
        return ERR_OK;
    }
    if (h.order != ORDER)
        return err_set(e, ERR_VERSION,
                       "%s: written on a machine with another order of octets; start the weir that "
                       "wrote it there, stop it, and it is empty",
                       path);
    if (h.draft == 0 || h.draft > JOURNAL_DRAFT) /* in draft 1 the key is 0 */
        return err_set(e, ERR_VERSION,
                       "%s: written in draft %u of the format, this weir reads draft %u; start the "
                       "weir that wrote it once more, stop it, and it is empty",
                       path, h.draft, JOURNAL_DRAFT);
    s->used = h.first > 0 && h.shard == shard;
    s->draft = h.draft;
    s->key = h.key;
    s->first = h.first;
    s->last_before = h.last_before;
    return ERR_OK;
}

static int by_first(const void *a, const void *b)
{
    const struct journal_slot *x = a, *y = b;

    if (x->used != y->used)
        return x->used ? 1 : -1;
    return x->first < y->first ? -1 : x->first > y->first;
}

void journal_order(struct journal_slot *s, size_t n)
{
    if (n > 0)
        qsort(s, n, sizeof *s, by_first);
    for (size_t i = 0; i + 1 < n; i++)
        if (s[i].used)
            s[i].last = s[i + 1].first - 1;
}

/* The frame at the walk's place, if it is whole and its sum is right. Frames stand at multiples of
 * 8 in a file that is mapped or read at one. */
static const struct frame *frame_at(const struct journal_walk *w)
{
    struct rd r = rd_init(w->p + w->at, w->len - w->at);
    const uint8_t *p = rd_take(&r, sizeof(struct frame));
    struct frame f;

    if (p == NULL)
        return NULL;
    memcpy(&f, p, sizeof f);
    if ((f.key != w->key && !w->any_key) || f.serial == 0 || f.len > FRAME_OCTETS_MAX ||
        rd_take(&r, (size_t)frame_room(f.len) - sizeof f) == NULL)
        return NULL;
    if (w->hold != NULL) {
        memcpy(w->hold, &f, sizeof f);
        memcpy(w->hold + sizeof f, p + sizeof f, f.len);
        p = w->hold;
    }
    return crc32c(0, p + sizeof f.sum, sizeof f - sizeof f.sum + f.len) == f.sum
               ? (const struct frame *)(const void *)p
               : NULL;
}

const struct frame *journal_walk_next(struct journal_walk *w)
{
    w->damaged = false;
    while (w->at < w->len) {
        const struct frame *f = frame_at(w);
        if (f == NULL) {
            w->damaged = true;
            w->at += FRAME_ALIGN;
            continue;
        }
        w->at += (size_t)frame_room(f->len);
        if (f->serial > w->last || (f->listener == FRAME_DROPS && f->serial == w->last)) {
            w->end = w->at;
            return f;
        }
    }
    return NULL;
}

static void note(struct journal_reading *r, enum journal_damage_kind kind, size_t from, size_t to,
                 uint64_t lost)
{
    struct journal_damage d = { .kind = kind, .from = from, .to = to, .lost = lost };

    if (lost > 0) {
        r->found.damaged_places++;
        r->found.frames_lost += lost;
    }
    if (r->damage != NULL)
        r->damage(r->ctx, &d);
}

bool journal_wants(struct journal_reading *r, const struct journal_slot *s, size_t n, size_t i)
{
    bool first = i == 0 || !s[i - 1].used;
    uint64_t from = MAX(r->found.last, r->after);

    if (s[i].head_bad && !s[i].used && r->damage != NULL)
        note(r, JOURNAL_NO_FRAMES, 0, 0, 0);
    if (!s[i].used || (i + 1 < n && s[i].last <= r->after) || s[i].first > r->upto)
        return false;
    if (s[i].head_bad)
        note(r, JOURNAL_HEAD_BAD, 0, JOURNAL_HEAD, 0);
    if (s[i].last_before > from && (!first || r->after > 0))
        note(r, JOURNAL_MISSING, 0, 0, s[i].last_before - from);
    r->found.last = MAX(r->found.last, s[i].first - 1);
    return true;
}

int journal_read_file(struct journal_reading *r, const struct journal_slot *s, const uint8_t *p,
                      size_t n)
{
    struct journal_found *found = &r->found;
    struct journal_walk w = { .p = p,
                              .len = n,
                              .key = s->key,
                              .at = JOURNAL_HEAD,
                              .end = JOURNAL_HEAD,
                              .last = found->last,
                              .hold = r->hold };
    const struct frame *f;
    int rc = ERR_OK;

    r->end = JOURNAL_HEAD;
    while (rc == ERR_OK && (f = journal_walk_next(&w)) != NULL) {
        uint64_t from = MAX(w.last, r->after);
        if (f->serial > r->upto)
            break;
        if (w.damaged && f->serial > from && f->serial - from > 1)
            note(r, JOURNAL_OCTETS_BAD, r->end, w.end - (size_t)frame_room(f->len),
                 f->serial - from - 1);
        r->end = w.end;
        w.last = found->last = f->serial;
        if (f->serial <= r->after)
            continue;
        found->frames++;
        found->octets += f->len;
        rc = r->fn(r->ctx, f, (const uint8_t *)(f + 1));
    }
    return rc;
}

bool journal_torn(const struct journal_reading *r, const struct journal_slot *s, const uint8_t *p,
                  size_t n)
{
    struct rd x = rd_init(p, n);
    struct frame f;
    const uint8_t *q;

    if (rd_take(&x, r->end) == NULL || (q = rd_take(&x, sizeof f)) == NULL)
        return false;
    memcpy(&f, q, sizeof f);
    return f.key == s->key && f.len <= FRAME_OCTETS_MAX && f.serial == r->found.last + 1;
}
