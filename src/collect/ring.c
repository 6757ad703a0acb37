#include "collect/ring.h"

#include <stdatomic.h>
#include <string.h>

#include "os/share.h"

#define MEM_AT 4096u /* octets before the memory of the frames */

struct ring {
    /* written by the putting thread; positions only grow, place = position & mask */
    _Alignas(64) _Atomic uint64_t head;
    _Atomic uint64_t putting; /* where the last frame stands */
    _Atomic uint64_t put, put_octets, dropped, dropped_octets;
    uint64_t serial0; /* of the first datagram put, less one */
    /* written by the decoder */
    _Alignas(64) _Atomic uint64_t tail;
    uint64_t taken;                   /* decoder only: position behind what ring_next() showed */
    _Atomic uint64_t pass_want, pass; /* see ring_pass() */
    /* written by the journal */
    _Alignas(64) _Atomic uint64_t journal; /* position behind what it has copied */
    _Atomic uint64_t durable;
    uint64_t copied; /* serial of the last frame copied */
    _Atomic uint64_t passed;
    _Atomic bool copying;
    _Alignas(64) uint64_t mask;
    bool journaled, sync;
};
_Static_assert(sizeof(struct ring) <= MEM_AT, "stands before the memory");

static uint8_t *mem(const struct ring *r)
{
    return (uint8_t *)(uintptr_t)r + MEM_AT;
}

static struct frame *frame_at(const struct ring *r, uint64_t position)
{
    return (struct frame *)(void *)(mem(r) + (position & r->mask));
}

struct ring *ring_new(uint64_t octets)
{
    uint64_t cap = 4096;
    struct ring *r;

    while (cap * 2 <= octets)
        cap *= 2;
    r = os_share_new(MEM_AT + cap);
    if (r != NULL)
        r->mask = cap - 1;
    return r;
}

void ring_free(struct ring *r)
{
    if (r != NULL)
        os_share_free(r, MEM_AT + r->mask + 1);
}

void ring_begin(struct ring *r, uint64_t next_serial, bool journal, bool sync)
{
    r->serial0 = next_serial - 1 - r->put;
    r->copied = next_serial - 1;
    r->journaled = journal;
    r->sync = journal && sync;
}

static uint64_t get(const _Atomic uint64_t *x)
{
    return atomic_load_explicit(x, memory_order_acquire);
}

static void set(_Atomic uint64_t *x, uint64_t v)
{
    atomic_store_explicit(x, v, memory_order_release);
}

/* Only the owning thread writes a counter, so that load and store need not be one step. */
static void add(_Atomic uint64_t *c, uint64_t n)
{
    atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

uint64_t ring_take_over(struct ring *r)
{
    uint64_t head = get(&r->head), at = get(&r->putting);

    /* the frame was visible, and the counter not yet: count it */
    if (at < head && frame_at(r, at)->serial > r->serial0 + r->put) {
        r->put = frame_at(r, at)->serial - r->serial0;
        r->put_octets += frame_at(r, at)->len;
    }
    if (r->journaled)
        r->journal = r->tail = MAX(r->journal, r->pass);
    r->pass_want = r->pass = 0;
    r->copying = false;
    r->durable = 0;
    return r->serial0 + r->put + 1;
}

/* Where what must be kept begins. */
static uint64_t oldest(const struct ring *r)
{
    uint64_t tail = get(&r->tail), journal = get(&r->journal), pass = get(&r->pass);

    journal = MAX(journal, pass); /* each read once: MIN and MAX evaluate twice */
    return r->journaled ? MIN(tail, journal) : tail;
}

bool ring_put(struct ring *r, const struct frame *f, const uint8_t *octets)
{
    uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
    uint64_t cap = r->mask + 1, need = frame_room(f->len), left = cap - (head & r->mask);
    uint64_t fill = need > left ? left : 0;
    struct frame *to;

    if (need + fill > cap - (head - oldest(r))) {
        add(&r->dropped, 1);
        add(&r->dropped_octets, f->len);
        return false;
    }
    if (fill >= sizeof *to)
        frame_at(r, head)->len = FRAME_SKIP;
    head += fill;
    to = frame_at(r, head);
    *to = *f;
    to->serial = r->serial0 + atomic_load_explicit(&r->put, memory_order_relaxed) + 1;
    memcpy(to + 1, octets, f->len);
    set(&r->putting, head);
    set(&r->head, head + need);
    add(&r->put_octets, f->len);
    set(&r->put, atomic_load_explicit(&r->put, memory_order_relaxed) + 1);
    return true;
}

uint64_t ring_seen(const struct ring *r)
{
    return get(&r->put) + get(&r->dropped);
}

/* The frame at or behind a filler; *at moves over it. */
static const struct frame *frame_from(const struct ring *r, uint64_t *at)
{
    uint64_t left = r->mask + 1 - (*at & r->mask);

    if (left < sizeof(struct frame) || frame_at(r, *at)->len == FRAME_SKIP)
        *at += left;
    return frame_at(r, *at);
}

const struct frame *ring_next(struct ring *r)
{
    uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
    const struct frame *f;

    if (tail == get(&r->head) || (r->sync && tail >= get(&r->durable)))
        return NULL;
    f = frame_from(r, &tail);
    r->taken = tail + frame_room(f->len);
    return f;
}

unsigned ring_look(const struct ring *r, const struct frame *out[], unsigned n)
{
    uint64_t at = atomic_load_explicit(&r->tail, memory_order_relaxed), head = get(&r->head);
    unsigned k = 0;

    if (r->sync)
        head = MIN(head, get(&r->durable));
    for (; k < n && at < head; k++) {
        out[k] = frame_from(r, &at);
        at += frame_room(out[k]->len);
    }
    return k;
}

void ring_done(struct ring *r)
{
    set(&r->tail, r->taken);
}

bool ring_idle(struct ring *r)
{
    return ring_empty(r) || ring_next(r) == NULL;
}

bool ring_empty(const struct ring *r)
{
    return atomic_load_explicit(&r->head, memory_order_seq_cst) ==
           atomic_load_explicit(&r->tail, memory_order_relaxed);
}

/* The journal copies out of the ring in short moments between which it may wait for a disk. Only in
 * such a pause is its part given up: either it sees pass_want before it copies, or we see that it
 * copies and try again later. */
void ring_pass(struct ring *r)
{
    uint64_t tail;

    if (!r->journaled || get(&r->head) - oldest(r) < (r->mask + 1) / 4 * 3)
        return;
    tail = r->sync ? get(&r->head) : get(&r->tail);
    if (tail <= get(&r->journal) || tail <= get(&r->pass))
        return;
    atomic_store(&r->pass_want, tail);
    if (atomic_load(&r->copying))
        return;
    set(&r->pass, tail);
    if (r->sync)
        set(&r->durable, tail);
}

struct ring_piece ring_copy(struct ring *r, uint8_t *out, size_t cap)
{
    struct ring_piece p = { .len = 0 };
    uint64_t at, head;

    atomic_store(&r->copying, true);
    at = atomic_load(&r->pass_want);
    at = MAX(at, r->journal);
    head = get(&r->head);
    while (at < head) {
        const struct frame *f = frame_from(r, &at);
        size_t need = (size_t)frame_room(f->len);
        struct frame *to = (struct frame *)(void *)(out + p.len);
        if (p.len + need > cap)
            break;
        memcpy(to, f, need);
        if (p.n == 0) { /* serials have no gaps: what lies between was passed over */
            add(&r->passed, f->serial - r->copied - 1);
            p.first = f->serial;
        }
        p.last = f->serial;
        p.n++;
        p.len += need;
        at += need;
    }
    p.end = at;
    if (p.len == 0)
        atomic_store(&r->copying, false);
    return p;
}

void ring_copied(struct ring *r, const struct ring_piece *p)
{
    r->copied = p->last;
    set(&r->journal, p->end);
    atomic_store(&r->copying, false);
}

void ring_durable(struct ring *r, uint64_t end)
{
    if (end > get(&r->durable))
        set(&r->durable, end);
}

void ring_count(const struct ring *r, struct ring_counters *out)
{
    uint64_t from = oldest(r);

    *out = (struct ring_counters){
        .put = get(&r->put),
        .put_octets = get(&r->put_octets),
        .dropped = get(&r->dropped),
        .dropped_octets = get(&r->dropped_octets),
        .octets = get(&r->head) - from,
        .capacity = r->mask + 1,
        .passed = get(&r->passed),
    };
}
