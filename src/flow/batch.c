#include "flow/batch.h"

#include <stdlib.h>
#include <string.h>

/* Open addressing, linear probing. A slot holds code + 1 (0 = empty) and a piece of the hash, so
 * that most misses do not touch the address. Rows come in runs of the same few exporters and
 * shapes, so those tables are searched through a small hash of the same kind. */
struct slot {
    uint32_t tag, code1;
};
/* Slots of addresses are single words, so that the table stays in the near cache: the upper 13 bits
 * of the hash over 19 bits of code + 1. */
#define ADDR_CODE_BITS 19u
_Static_assert(BATCH_MAX_ADDRS < 1u << ADDR_CODE_BITS, "code + 1 fits a slot");

struct batch_index {
    uint32_t *addr;
    uint32_t addr_mask;
    struct slot exporter[65536];
    struct slot shape[8192];
};

static _Atomic uint64_t next_id = 1;

/* Memory of the last batches, kept for the next ones: fresh pages from the system cost as much as
 * the decoding of the rows that fill them. Sanitizers must see every use after free, so they go
 * without. */
#ifdef WEIR_SANITIZED
#define SPARES 0u
#else
#define SPARES 24u
#endif
#define SPARE_EXTRA_OCTETS (8u << 20) /* one that grew beyond is given back to the system */
#define SPARE_OPT_OCTETS   (1u << 20)
#define SPARE_ADDR_MASK    ((1u << 18) - 1)

static _Atomic(struct flow_batch *) spare_batch[SPARES + 1];
static _Atomic(struct batch_index *) spare_index[SPARES + 1];

static void index_free(struct batch_index *ix)
{
    for (unsigned i = 0; ix != NULL && ix->addr_mask <= SPARE_ADDR_MASK && i < SPARES; i++) {
        struct batch_index *none = NULL;
        if (atomic_compare_exchange_strong(&spare_index[i], &none, ix))
            return;
    }
    if (ix != NULL)
        free(ix->addr);
    free(ix);
}

static struct batch_index *index_new(void)
{
    struct batch_index *ix = NULL;

    for (unsigned i = 0; i < SPARES && ix == NULL; i++)
        ix = atomic_exchange(&spare_index[i], NULL);
    if (ix != NULL) {
        memset(ix->addr, 0, ((size_t)ix->addr_mask + 1) * sizeof *ix->addr);
        memset(ix->exporter, 0, sizeof ix->exporter);
        memset(ix->shape, 0, sizeof ix->shape);
        return ix;
    }
    ix = calloc(1, sizeof *ix);
    if (ix == NULL)
        return NULL;
    ix->addr_mask = (1u << 15) - 1;
    ix->addr = calloc(ix->addr_mask + 1u, sizeof *ix->addr);
    if (ix->addr == NULL) {
        free(ix);
        return NULL;
    }
    return ix;
}

static void batch_free(struct flow_batch *b)
{
    for (unsigned c = 0; c < COL_N; c++)
        free(b->col[c]);
    free(b->addrs);
    free(b->shapes);
    free(b->exporters);
    free(b->extra_off);
    free(b->extra_len);
    free(b->extra_octets);
    free(b->options);
    free(b->opt_octets);
    free(b);
}

/* Columns read as zeros where nothing was written: make it true again. */
static void batch_wipe(struct flow_batch *b)
{
    uint64_t used = atomic_load(&b->used);
    uint32_t n = atomic_load(&b->n);

    for (unsigned c = 0; c < COL_N; c++)
        if ((used >> c & 1) != 0)
            memset(b->col[c], 0, (size_t)n * (col_info[c].bits / 8u));
    atomic_store(&b->n, 0);
    atomic_store(&b->n_options, 0);
    atomic_store(&b->n_shapes, 0);
    atomic_store(&b->n_exporters, 0);
    atomic_store(&b->used, 0);
    b->extra_used = b->opt_used = b->shape_octets = 0;
}

static void batch_destroy(struct flow_batch *b)
{
    uint32_t n_shapes = b->shapes != NULL ? atomic_load(&b->n_shapes) : 0;
    bool keep = b->extra_used <= SPARE_EXTRA_OCTETS && b->opt_used <= SPARE_OPT_OCTETS;

    flow_batch_seal(b);
    for (uint32_t i = 0; i < n_shapes; i++)
        shape_unref(b->shapes[i]);
    if (SPARES == 0 || !keep) {
        batch_free(b);
        return;
    }
    batch_wipe(b);
    for (unsigned i = 0; i < SPARES; i++) {
        struct flow_batch *none = NULL;
        if (atomic_compare_exchange_strong(&spare_batch[i], &none, b))
            return;
    }
    batch_free(b);
}

static struct flow_batch *batch_memory(void)
{
    struct flow_batch *b = NULL;
    bool ok = true;

    for (unsigned i = 0; i < SPARES && b == NULL; i++)
        b = atomic_exchange(&spare_batch[i], NULL);
    if (b != NULL)
        return b;
    b = calloc(1, sizeof *b);
    if (b == NULL)
        return NULL;
    /* calloc of large pieces is lazy: pages cost memory only when rows reach them */
    for (unsigned c = 0; c < COL_N; c++) {
        b->col[c] = calloc(BATCH_ROWS, col_info[c].bits / 8u);
        ok &= b->col[c] != NULL;
    }
    b->addrs = calloc(BATCH_MAX_ADDRS, sizeof *b->addrs);
    b->shapes = calloc(BATCH_MAX_SHAPES, sizeof *b->shapes);
    b->exporters = calloc(BATCH_MAX_EXPORTERS, sizeof *b->exporters);
    b->extra_off = calloc(BATCH_ROWS, sizeof *b->extra_off);
    b->extra_len = calloc(BATCH_ROWS, sizeof *b->extra_len);
    b->extra_octets = calloc(1, BATCH_EXTRA_OCTETS);
    b->options = calloc(BATCH_MAX_OPTIONS, sizeof *b->options);
    b->opt_octets = calloc(1, BATCH_OPTION_OCTETS);
    ok &= b->addrs != NULL && b->shapes != NULL && b->exporters != NULL && b->extra_off != NULL &&
          b->extra_len != NULL && b->extra_octets != NULL && b->options != NULL &&
          b->opt_octets != NULL;
    if (ok)
        return b;
    batch_free(b);
    return NULL;
}

int flow_batch_new(struct flow_batch **out)
{
    struct flow_batch *b = batch_memory();

    *out = NULL;
    if (b == NULL)
        return ERR_NOMEM;
    b->index = index_new();
    if (b->index == NULL) {
        batch_free(b);
        return ERR_NOMEM;
    }
    atomic_store(&b->refs, 1);
    b->id = atomic_fetch_add(&next_id, 1);
    atomic_store(&b->n_addrs, 1); /* code 0 is :: */
    *out = b;
    return ERR_OK;
}

struct flow_batch *flow_batch_ref(struct flow_batch *b)
{
    atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    return b;
}

void flow_batch_unref(struct flow_batch *b)
{
    if (b != NULL && atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) == 1)
        batch_destroy(b);
}

void flow_batch_seal(struct flow_batch *b)
{
    index_free(b->index);
    b->index = NULL;
}

static inline uint32_t slot_of(uint32_t hash, uint32_t code)
{
    return hash >> ADDR_CODE_BITS << ADDR_CODE_BITS | (code + 1);
}
static inline uint32_t slot_code(uint32_t slot)
{
    return (slot & ((1u << ADDR_CODE_BITS) - 1)) - 1;
}

static bool grow_addr_index(const struct flow_batch *b, uint32_t n)
{
    struct batch_index *ix = b->index;
    uint32_t mask = ix->addr_mask * 2 + 1;
    uint32_t *s = calloc((size_t)mask + 1, sizeof *s);

    if (s == NULL)
        return false;
    for (uint32_t i = 1; i < n; i++) { /* code 0 is not in the table */
        uint32_t hash = (uint32_t)addr_hash(&b->addrs[i]), at = hash & mask;
        while (s[at] != 0)
            at = (at + 1) & mask;
        s[at] = slot_of(hash, i);
    }
    free(ix->addr);
    ix->addr = s;
    ix->addr_mask = mask;
    return true;
}

#define ADDR_AHEAD \
    32u /* addresses hashed before the first is looked up: their slots are on the way */

static inline struct addr addr_of_octets(const uint8_t *p, bool v6)
{
    struct addr a;

    if (!v6)
        return addr_from_v4(be32(p));
    memcpy(a.b, p, sizeof a.b);
    return a;
}

static inline bool same_addr(const struct addr *a, const struct addr *b)
{
    uint64_t x[2], y[2];

    memcpy(x, a->b, sizeof x);
    memcpy(y, b->b, sizeof y);
    return ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0;
}

static uint32_t addr_enter(struct flow_batch *b, const struct addr *a, uint32_t hash)
{
    struct batch_index *ix = b->index;
    uint32_t at, n;

    for (at = hash & ix->addr_mask; ix->addr[at] != 0; at = (at + 1) & ix->addr_mask)
        if ((ix->addr[at] ^ hash) >> ADDR_CODE_BITS == 0 &&
            same_addr(&b->addrs[slot_code(ix->addr[at])], a))
            return slot_code(ix->addr[at]);
    n = atomic_load_explicit(&b->n_addrs, memory_order_relaxed);
    if (n >= BATCH_MAX_ADDRS)
        return UINT32_MAX;
    if (n > ix->addr_mask / 2) {
        if (!grow_addr_index(b, n))
            return UINT32_MAX;
        for (at = hash & ix->addr_mask; ix->addr[at] != 0;)
            at = (at + 1) & ix->addr_mask;
    }
    ix->addr[at] = slot_of(hash, n);
    b->addrs[n] = *a;
    atomic_store_explicit(&b->n_addrs, n + 1, memory_order_release);
    return n;
}

uint32_t flow_batch_addr(struct flow_batch *b, const struct addr *a)
{
    return addr_is_zero(a) ? 0 : addr_enter(b, a, (uint32_t)addr_hash(a));
}

/* First the hashes, then the slots, then the addresses that the slots name, so that each finds the
 * next on its way into the near cache. */
bool flow_batch_addrs(struct flow_batch *b, const uint8_t *p, size_t stride, bool v6, uint32_t n,
                      uint32_t *codes)
{
    struct addr a[ADDR_AHEAD], last = { { 0 } };
    uint32_t hash[ADDR_AHEAD], last_code = 0;

    while (n > 0) {
        const struct batch_index *ix = b->index;
        uint32_t k = MIN(n, ADDR_AHEAD);
        for (uint32_t i = 0; i < k; i++, p += stride) {
            a[i] = addr_of_octets(p, v6);
            hash[i] = (uint32_t)addr_hash(&a[i]);
            __builtin_prefetch(&ix->addr[hash[i] & ix->addr_mask]);
        }
        for (uint32_t i = 0; i < k; i++) {
            uint32_t slot = ix->addr[hash[i] & ix->addr_mask];
            __builtin_prefetch(&b->addrs[slot != 0 ? slot_code(slot) : 0]);
        }
        for (uint32_t i = 0; i < k; i++) {
            if (!same_addr(&a[i], &last)) {
                last = a[i];
                last_code = addr_is_zero(&last) ? 0 : addr_enter(b, &last, hash[i]);
                if (last_code == UINT32_MAX)
                    return false;
            }
            codes[i] = last_code;
        }
        codes += k;
        n -= k;
    }
    return true;
}

uint32_t flow_batch_shape(struct flow_batch *b, const struct shape *s)
{
    struct slot *t = b->index->shape;
    uint32_t octets = (uint32_t)(sizeof *s + s->n_fields * sizeof s->f[0]);
    uint32_t tag = (uint32_t)s->hash, at,
             n = atomic_load_explicit(&b->n_shapes, memory_order_relaxed);

    for (at = tag & 8191; t[at].code1 != 0; at = (at + 1) & 8191)
        if (t[at].tag == tag && shape_equal(b->shapes[t[at].code1 - 1], s))
            return t[at].code1 - 1;
    if (n >= BATCH_MAX_SHAPES || b->shape_octets > BATCH_SHAPE_OCTETS - octets)
        return UINT32_MAX;
    b->shape_octets += octets;
    t[at] = (struct slot){ tag, n + 1 };
    b->shapes[n] = shape_ref(s);
    atomic_store_explicit(&b->n_shapes, n + 1, memory_order_release);
    return n;
}

uint32_t flow_batch_exporter(struct flow_batch *b, const struct exporter_key *k)
{
    struct slot *t = b->index->exporter;
    uint32_t n = atomic_load_explicit(&b->n_exporters, memory_order_relaxed), at;
    uint64_t h = addr_hash(&k->addr) + k->domain * 0x9e3779b97f4a7c15u + k->version * 0xff51u +
                 k->import * 0xc4ceb9feu;
    uint32_t tag = (uint32_t)(h ^ h >> 32);

    for (at = tag & 65535; t[at].code1 != 0; at = (at + 1) & 65535)
        if (t[at].tag == tag && exporter_key_equal(&b->exporters[t[at].code1 - 1], k))
            return t[at].code1 - 1;
    if (n >= BATCH_MAX_EXPORTERS)
        return UINT32_MAX;
    t[at] = (struct slot){ tag, n + 1 };
    b->exporters[n] = *k;
    atomic_store_explicit(&b->n_exporters, n + 1, memory_order_release);
    return n;
}

uint64_t flow_batch_octets(const struct flow_batch *b)
{
    uint64_t used = atomic_load_explicit(&b->used, memory_order_relaxed), row = 0, n;

    for (unsigned c = 0; c < COL_N; c++)
        row += (used >> c & 1) != 0 ? col_info[c].bits / 8u : 0;
    n = (row + sizeof *b->extra_off + sizeof *b->extra_len) * flow_batch_rows(b);
    n += (uint64_t)atomic_load_explicit(&b->n_addrs, memory_order_relaxed) * sizeof *b->addrs;
    n += (uint64_t)atomic_load_explicit(&b->n_exporters, memory_order_relaxed) *
         sizeof *b->exporters;
    n += (uint64_t)atomic_load_explicit(&b->n_options, memory_order_relaxed) * sizeof *b->options;
    return n + b->extra_used + b->opt_used + b->shape_octets;
}

void flow_batch_publish(struct flow_batch *b, uint32_t k, uint64_t used)
{
    uint64_t was = atomic_load_explicit(&b->used, memory_order_relaxed);

    if ((was | used) != was)
        atomic_store_explicit(&b->used, was | used, memory_order_release);
    atomic_store_explicit(&b->n, atomic_load_explicit(&b->n, memory_order_relaxed) + k,
                          memory_order_release);
}

int flow_batch_option(struct flow_batch *b, uint32_t exporter, uint32_t shape, int64_t received_ms,
                      const uint8_t *octets, size_t len)
{
    uint32_t n = atomic_load_explicit(&b->n_options, memory_order_relaxed);

    if (n >= BATCH_MAX_OPTIONS || len > BATCH_OPTION_OCTETS - b->opt_used)
        return ERR_FULL;
    if (len > 0)
        memcpy(b->opt_octets + b->opt_used, octets, len);
    b->options[n] = (struct option_row){ .received_ms = received_ms,
                                         .off = b->opt_used,
                                         .len = (uint32_t)len,
                                         .exporter = (uint16_t)exporter,
                                         .shape = (uint16_t)shape };
    b->opt_used += (uint32_t)len;
    atomic_store_explicit(&b->n_options, n + 1, memory_order_release);
    return ERR_OK;
}
