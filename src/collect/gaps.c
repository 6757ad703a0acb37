#include "collect/gaps.h"

#include <stdlib.h>
#include <string.h>

const char *gap_reason_name(unsigned reason)
{
    static const char *const name[GAP_REASON_N] = {
        [GAP_LOST] = "lost",
        [GAP_RESTART] = "restart",
        [GAP_SILENT] = "silent",
        [GAP_UNDECODED] = "undecoded",
        [GAP_KERNEL] = "kernel_dropped",
        [GAP_RING] = "ring_dropped",
        [GAP_JOURNAL] = "not_journaled",
        [GAP_REFUSED] = "refused",
        [GAP_EXPIRED] = "expired",
        [GAP_DAMAGED] = "damaged",
        [GAP_DOWN] = "not_running",
    };

    return reason < GAP_REASON_N ? name[reason] : "none";
}

const char *gap_unit(const struct gap *g)
{
    static const char *const unit[GAP_REASON_N] = {
        [GAP_LOST] = "records",
        [GAP_RESTART] = "restarts",
        [GAP_SILENT] = "",
        [GAP_UNDECODED] = "sets",
        [GAP_KERNEL] = "datagrams",
        [GAP_RING] = "datagrams",
        [GAP_JOURNAL] = "datagrams",
        [GAP_REFUSED] = "items",
        [GAP_EXPIRED] = "records",
        [GAP_DAMAGED] = "segments",
        [GAP_DOWN] = "",
    };

    if (g->reason == GAP_LOST && g->whose == GAP_OF_OTHERS)
        return "items"; /* of different versions */
    if (g->reason == GAP_LOST && (g->key.version == 9 || g->key.version == EXPORT_SFLOW5))
        return "datagrams"; /* these are numbered */
    return g->reason < GAP_REASON_N ? unit[g->reason] : "";
}

static size_t hash(const struct gap *g)
{
    uint64_t h = addr_hash(&g->key.addr) ^ ((uint64_t)g->key.domain << 32 | g->key.version);

    h ^= (uint64_t)g->key.import << 16 | (uint64_t)g->reason << 8 | g->whose;
    h *= 0x9e3779b97f4a7c15u;
    return (size_t)(h ^ h >> 31);
}

static bool alike(const struct gap *a, const struct gap *b)
{
    return a->reason == b->reason && a->whose == b->whose && exporter_key_equal(&a->key, &b->key);
}

/* The place of the last gap of this kind in slot[], or the free place where it belongs. */
static size_t place(const struct gap_list *l, const struct gap *g)
{
    size_t at = hash(g) & l->mask;

    while (l->slot[at] != 0 && !alike(&l->g[l->slot[at] - 1], g))
        at = (at + 1) & l->mask;
    return at;
}

static void places_again(struct gap_list *l)
{
    memset(l->slot, 0, (l->mask + 1) * sizeof *l->slot);
    for (size_t i = 0; i < l->n; i++)
        l->slot[place(l, &l->g[i])] = (uint32_t)i + 1;
}

static int grow(struct gap_list *l)
{
    size_t room = l->room > 0 ? l->room * 2 : 64;
    struct gap *g = realloc(l->g, room * sizeof *g);
    uint32_t *slot;

    if (g == NULL)
        return ERR_NOMEM;
    l->g = g;
    slot = malloc(room * 2 * sizeof *slot);
    if (slot == NULL)
        return ERR_NOMEM;
    free(l->slot);
    l->slot = slot;
    l->mask = room * 2 - 1;
    l->room = room;
    places_again(l);
    return ERR_OK;
}

static void drop_oldest(struct gap_list *l)
{
    size_t n = l->n / 4;

    for (size_t i = 0; i < n; i++)
        l->left_out_till_ms = MAX(l->left_out_till_ms, l->g[i].to_ms);
    l->left_out += n;
    l->n -= n;
    memmove(l->g, l->g + n, l->n * sizeof *l->g);
    places_again(l);
}

int gap_add(struct gap_list *l, const struct gap *g)
{
    /* two stops are two: Weir did run between them */
    int64_t join_ms = g->reason == GAP_DOWN ? 0 : GAP_JOIN_MS;
    size_t at;

    if (g->to_ms < g->from_ms || g->reason >= GAP_REASON_N)
        return ERR_OK;
    if (l->n == GAPS_MAX)
        drop_oldest(l);
    if (l->n == l->room && grow(l) != ERR_OK)
        return ERR_NOMEM;
    at = place(l, g);
    if (l->slot[at] != 0) {
        struct gap *last = &l->g[l->slot[at] - 1];
        if (g->from_ms <= last->to_ms + join_ms && g->to_ms + join_ms >= last->from_ms) {
            last->from_ms = MIN(last->from_ms, g->from_ms);
            last->to_ms = MAX(last->to_ms, g->to_ms);
            last->count += g->count;
            return ERR_OK;
        }
    }
    l->g[l->n++] = *g;
    l->slot[at] = (uint32_t)l->n;
    return ERR_OK;
}

void gap_take_back(struct gap_list *l, const struct gap *kind, uint64_t n)
{
    struct gap *last;
    size_t at;

    if (l->n == 0)
        return;
    at = place(l, kind);
    if (l->slot[at] == 0)
        return;
    last = &l->g[l->slot[at] - 1];
    last->count -= MIN(n, last->count);
}

/* A loss that was taken back entirely is none. */
static bool is_one(const struct gap *g)
{
    return g->count > 0 || gap_unit(g)[0] == '\0';
}

int gap_between(const struct gap_list *l, int64_t from_ms, int64_t to_ms, struct gap_list *out)
{
    for (size_t i = 0; i < l->n; i++) {
        const struct gap *g = &l->g[i];
        if (!is_one(g) || g->from_ms >= to_ms || (g->to_ms <= from_ms && g->from_ms < from_ms))
            continue;
        if (out->n == out->room) {
            size_t room = out->room > 0 ? out->room * 2 : 64;
            struct gap *more = realloc(out->g, room * sizeof *more);
            if (more == NULL)
                return ERR_NOMEM;
            out->g = more;
            out->room = room;
        }
        out->g[out->n++] = *g;
    }
    if (l->left_out > 0 && l->left_out_till_ms > from_ms) {
        out->left_out = l->left_out;
        out->left_out_till_ms = l->left_out_till_ms;
    }
    return ERR_OK;
}

void gap_only_of(struct gap_list *copy, const struct addr *exporter)
{
    size_t n = 0;

    for (size_t i = 0; i < copy->n; i++)
        if (copy->g[i].whose == GAP_OF_EXPORTER && addr_cmp(&copy->g[i].key.addr, exporter) == 0)
            copy->g[n++] = copy->g[i];
    copy->n = n;
}

void gap_list_free(struct gap_list *l)
{
    free(l->g);
    free(l->slot);
    *l = (struct gap_list){ 0 };
}
