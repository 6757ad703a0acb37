#include "collect/ring.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define ALIGN_OCTETS 8u
#define SKIP         UINT32_MAX /* len of a filler: the next datagram stands at the start of the memory */

struct ring {
    /* written by the putting thread; positions only grow, place = position & mask */
    _Alignas(64) _Atomic uint64_t head;
    _Atomic uint64_t put, put_octets, dropped, dropped_octets;
    /* written by the taking thread */
    _Alignas(64) _Atomic uint64_t tail;
    uint64_t taken; /* reader only: position behind what ring_next() showed */
    _Alignas(64) uint64_t mask;
    uint8_t *mem;
};

struct ring *ring_new(uint64_t octets)
{
    struct ring *r = aligned_alloc(64, (sizeof *r + 63) / 64 * 64);
    uint64_t cap = 4096;

    if (r == NULL)
        return NULL;
    memset(r, 0, sizeof *r);
    while (cap * 2 <= octets)
        cap *= 2;
    r->mask = cap - 1;
    r->mem = calloc(1, cap);
    if (r->mem == NULL) {
        free(r);
        return NULL;
    }
    return r;
}

void ring_free(struct ring *r)
{
    if (r == NULL)
        return;
    free(r->mem);
    free(r);
}

static uint64_t room_of(uint32_t len)
{
    return (sizeof(struct ring_item) + len + ALIGN_OCTETS - 1) / ALIGN_OCTETS * ALIGN_OCTETS;
}

/* Only the owning thread writes a counter, so that load and store need not be one step. */
static void add(_Atomic uint64_t *c, uint64_t n)
{
    atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

bool ring_put(struct ring *r, const struct ring_item *item, const uint8_t *octets)
{
    uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
    uint64_t tail = atomic_load_explicit(&r->tail, memory_order_acquire);
    uint64_t cap = r->mask + 1, need = room_of(item->len), left = cap - (head & r->mask);
    uint64_t fill = need > left ? left : 0;

    if (need + fill > cap - (head - tail)) {
        add(&r->dropped, 1);
        add(&r->dropped_octets, item->len);
        return false;
    }
    if (fill >= sizeof(struct ring_item)) {
        struct ring_item skip = { .len = SKIP };
        memcpy(r->mem + (head & r->mask), &skip, sizeof skip);
    }
    head += fill;
    memcpy(r->mem + (head & r->mask), item, sizeof *item);
    memcpy(r->mem + (head & r->mask) + sizeof *item, octets, item->len);
    add(&r->put, 1);
    add(&r->put_octets, item->len);
    atomic_store_explicit(&r->head, head + need, memory_order_release);
    return true;
}

bool ring_next(struct ring *r, struct ring_item *item, const uint8_t **octets)
{
    uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
    uint64_t head = atomic_load_explicit(&r->head, memory_order_acquire), left;

    if (head == tail)
        return false;
    left = r->mask + 1 - (tail & r->mask);
    item->len = SKIP;
    if (left >= sizeof *item)
        memcpy(item, r->mem + (tail & r->mask), sizeof *item);
    if (item->len == SKIP) { /* a filler, or too little left even for one */
        tail += left;
        memcpy(item, r->mem, sizeof *item);
    }
    *octets = r->mem + (tail & r->mask) + sizeof *item;
    r->taken = tail + room_of(item->len);
    return true;
}

void ring_done(struct ring *r)
{
    atomic_store_explicit(&r->tail, r->taken, memory_order_release);
}

bool ring_empty(const struct ring *r)
{
    return atomic_load_explicit(&r->head, memory_order_seq_cst) ==
           atomic_load_explicit(&r->tail, memory_order_relaxed);
}

void ring_count(const struct ring *r, struct ring_counters *out)
{
    uint64_t tail = atomic_load_explicit(&r->tail, memory_order_acquire);

    *out = (struct ring_counters){
        .put = atomic_load_explicit(&r->put, memory_order_relaxed),
        .put_octets = atomic_load_explicit(&r->put_octets, memory_order_relaxed),
        .dropped = atomic_load_explicit(&r->dropped, memory_order_relaxed),
        .dropped_octets = atomic_load_explicit(&r->dropped_octets, memory_order_relaxed),
        .octets = atomic_load_explicit(&r->head, memory_order_acquire) - tail,
        .capacity = r->mask + 1,
    };
}
