/* Octets as the journal files of one shard. An input is: u8 how many files (low 2 bits, and 1 more)
 * and whether frames are copied (bit 7), u8 serial after which to read, u8 up to which (0: all),
 * and for each file 52 octets of head and u16 octets of frames, and these; the rest of a head's
 * 4096 octets is zero. Sums that are zero are made right first, others stand as they are: so
 * damage, too, is in reach. */
#include <stdlib.h>
#include <string.h>

#include "base/rd.h"
#include "collect/journal_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FILES 4u
#define ENTRY 52u /* octets of a head that say something */

struct file {
    uint8_t *p;
    size_t len;
};

static uint32_t u32_at(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof v); /* the order of the processor, as the journal has it */
    return v;
}

static void fix_sums(struct file *f)
{
    uint32_t sum = crc32c(0, f->p, 40);

    if (f->len >= ENTRY && u32_at(f->p + 40) == 0)
        memcpy(f->p + 40, &sum, sizeof sum);
    for (size_t at = JOURNAL_HEAD; at + sizeof(struct frame) <= f->len;) {
        uint32_t len = u32_at(f->p + at + 4);
        if (len > FRAME_OCTETS_MAX || frame_room(len) > f->len - at)
            return;
        sum = crc32c(0, f->p + at + 4, sizeof(struct frame) - 4 + len);
        if (u32_at(f->p + at) == 0)
            memcpy(f->p + at, &sum, sizeof sum);
        at += (size_t)frame_room(len);
    }
}

static void take_file(struct file *f, struct rd *r)
{
    size_t head = MIN(ENTRY, r->left), frames;
    const uint8_t *h = rd_take(r, head), *q;

    frames = (size_t)rd_le(r, 2);
    frames = MIN(frames, r->left);
    q = rd_take(r, frames);
    f->len = frames > 0 ? JOURNAL_HEAD + frames : head;
    f->p = calloc(1, MAX(f->len, ENTRY));
    if (f->p == NULL)
        abort();
    if (head > 0)
        memcpy(f->p, h, head);
    if (frames > 0)
        memcpy(f->p + JOURNAL_HEAD, q, frames);
    fix_sums(f);
}

struct seen {
    const struct file *f;
    bool copied;
    uint64_t after, upto, last, n, octets, sum, lost;
};

static int see(void *ctx, const struct frame *f, const uint8_t *octets)
{
    struct seen *x = ctx;

    if (f->serial <= x->after || f->serial > x->upto || f->serial < x->last ||
        (f->serial == x->last && f->listener != FRAME_DROPS))
        abort();
    if (octets != (const uint8_t *)(f + 1) || (!x->copied && octets + f->len > x->f->p + x->f->len))
        abort();
    for (uint32_t i = 0; i < f->len; i++)
        x->sum += octets[i];
    x->last = f->serial;
    x->n++;
    x->octets += f->len;
    return x->n < 1000 ? ERR_OK : ERR_CANCEL;
}

static void hear(void *ctx, const struct journal_damage *d)
{
    struct seen *x = ctx;

    if (d->kind > JOURNAL_END_TORN || d->from > d->to)
        abort();
    x->lost += d->lost;
}

static void read_files(const struct file *f, struct journal_slot *s, size_t n, uint64_t after,
                       uint64_t upto, uint8_t *hold)
{
    struct seen x = { .after = after, .upto = upto, .copied = hold != NULL };
    struct journal_reading r = {
        .after = after, .upto = upto, .fn = see, .ctx = &x, .hold = hold, .damage = hear
    };
    int rc = ERR_OK;

    for (size_t i = 0; rc == ERR_OK && i < n; i++) {
        if (!journal_wants(&r, s, n, i))
            continue;
        x.f = &f[s[i].number];
        rc = journal_read_file(&r, &s[i], x.f->p, x.f->len);
        (void)journal_torn(&r, &s[i], x.f->p, x.f->len);
    }
    if (rc != ERR_OK && rc != ERR_CANCEL)
        abort();
    if (r.found.frames != x.n || r.found.octets != x.octets || r.found.last < x.last)
        abort();
    /* what is counted as lost lies between what was there */
    if (r.found.frames_lost > r.found.last || r.found.frames_lost != x.lost ||
        (r.found.frames_lost > 0 && r.found.damaged_places == 0))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rd r = rd_init(data, size);
    uint8_t what = rd_u8(&r);
    size_t n = 1 + what % FILES, read = 0;
    uint64_t after = rd_u8(&r), upto = rd_u8(&r);
    struct file f[FILES] = { { 0 } };
    struct journal_slot s[FILES];
    uint8_t *hold;
    struct err e;

    for (size_t i = 0; i < n; i++) {
        struct journal_walk w = { .at = JOURNAL_HEAD, .end = JOURNAL_HEAD };
        const struct frame *x;
        take_file(&f[i], &r);
        s[read] = (struct journal_slot){ .number = (uint32_t)i };
        if (journal_head_get(&s[read], f[i].p, f[i].len, 3, "x", &e) == ERR_OK)
            read++;
        /* as the writer looks for the place at which it goes on */
        w.key = s[read > 0 ? read - 1 : 0].key;
        w.p = f[i].p;
        w.len = f[i].len;
        while ((x = journal_walk_next(&w)) != NULL)
            w.last = x->serial;
        if (w.end > MAX(w.len, JOURNAL_HEAD) || w.end % FRAME_ALIGN != 0)
            abort();
    }
    journal_order(s, read);
    hold = what > 127 ? malloc((size_t)frame_room(FRAME_OCTETS_MAX)) : NULL;
    read_files(f, s, read, after, upto == 0 ? UINT64_MAX : upto, hold);
    free(hold);
    for (size_t i = 0; i < n; i++)
        free(f[i].p);
    return 0;
}
