/* Compaction: the choice.
 *
 * Segments stand in order of receive time; those of one UTC day are looked at together, so that
 * retention by age stays precise to a day. Their sizes fall into classes, a factor of 16 apart.
 * - 16 of a class, with smaller ones between them, become one (or fewer, where the result is full).
 * - When an hour is over, its neighbours below 4 M rows become one.
 * - When a day is over, its neighbours that are not full become one.
 * So a day has at most about rows / 128 M * 2 + 1 segments in the end, and every row is written
 * about three times. */
#include <stdlib.h>

#include "store/compact.h"
#include "store/merge.h"
#include "store/store.h"

#define HOUR_MS     3600000
#define DAY_MS      86400000
#define GRACE_MS    600000 /* segments of a closed window may still be sealed */
#define CLASS_FULL  6u
#define CLASS_DAY   5u /* up to here a closed day is merged */
#define CLASS_HOUR  4u
#define MAX_OPTIONS (4u << 20)

static unsigned class_of(const struct seg_info *i, uint64_t max_octets)
{
    static const uint32_t from[CLASS_FULL] = { 1u << 6,  1u << 10, 1u << 14,
                                               1u << 18, 1u << 22, 1u << 27 };
    unsigned c = 0;

    if ((max_octets > 0 && i->octets >= max_octets / 2) || i->n_blocks > SEG_BLOCKS / 2 ||
        i->n_options > MAX_OPTIONS / 2)
        return CLASS_FULL;
    while (c < CLASS_FULL && i->n_rows >= from[c])
        c++;
    return c;
}

unsigned compact_level(const struct seg_info *i)
{
    int64_t span_ms = i->max_received_ms - i->min_received_ms;

    if (i->n_rows >= 1u << 26 || span_ms >= 4 * (int64_t)HOUR_MS)
        return 2;
    return i->n_rows >= 1u << 22 || span_ms >= HOUR_MS / 2;
}

static int by_time(const void *x, const void *y)
{
    const struct compact_seg *a = x, *b = y;

    if (a->import != b->import)
        return a->import < b->import ? -1 : 1;
    if (a->tier != b->tier)
        return a->tier < b->tier ? -1 : 1;
    if (a->info.min_received_ms != b->info.min_received_ms)
        return a->info.min_received_ms < b->info.min_received_ms ? -1 : 1;
    return a->info.id < b->info.id ? -1 : a->info.id > b->info.id;
}

static int64_t window_of(const struct compact_seg *s, int64_t ms)
{
    int64_t t = s->info.min_received_ms;

    return t / ms - (t % ms < 0);
}

static bool closed(int64_t window, int64_t ms, int64_t now_ms)
{
    return now_ms - GRACE_MS >= 0 && (now_ms - GRACE_MS) / ms > window;
}

/* What a merge would make. */
struct sum {
    uint64_t rows, blocks, octets, options;
    size_t n;
};

static bool add(struct sum *a, const struct seg_info *i, uint64_t max_octets)
{
    struct sum s = { a->rows + i->n_rows, a->blocks + i->n_blocks, a->octets + i->octets,
                     a->options + i->n_options, a->n + 1 };
    uint64_t blocks = s.blocks;

    if (s.rows <= MERGE_REWRITE_ROWS) /* small ones are joined */
        blocks = MIN(blocks, 2 * s.rows / BATCH_ROWS + 1);
    if (s.rows > COMPACT_MAX_ROWS || blocks > SEG_BLOCKS || s.options > MAX_OPTIONS ||
        s.n > COMPACT_MAX_RUN || (max_octets > 0 && s.octets > max_octets))
        return false;
    *a = s;
    return true;
}

struct choice {
    const struct compact_seg *list;
    uint64_t max_octets;
    size_t first, n;
};

/* The first run of neighbours in [from, to) up to class `c` that is full, or has `need` segments of
 * at least class `least`. */
static bool find_run(struct choice *x, size_t from, size_t to, unsigned c, unsigned least,
                     size_t need)
{
    size_t i = from;

    while (i < to) {
        struct sum s = { .n = 0 };
        size_t k = i, have = 0;
        bool full = false;
        while (k < to && !full) {
            unsigned is = class_of(&x->list[k].info, x->max_octets);
            if (is > c)
                break;
            full = !add(&s, &x->list[k].info, x->max_octets);
            have += !full && is >= least;
            k += !full;
        }
        if (s.n >= 2 && (have >= need || full)) {
            x->first = i;
            x->n = s.n;
            return true;
        }
        i = MAX(k, i + 1);
    }
    return false;
}

/* [from, to): one day of one kind. */
static bool choose(struct choice *x, size_t from, size_t to, int64_t now_ms)
{
    if (closed(window_of(&x->list[from], DAY_MS), DAY_MS, now_ms) &&
        find_run(x, from, to, CLASS_DAY, 0, 2))
        return true;
    for (size_t i = from, k; i < to; i = k) {
        int64_t hour = window_of(&x->list[i], HOUR_MS);
        for (k = i + 1; k < to && window_of(&x->list[k], HOUR_MS) == hour;)
            k++;
        if (k - i >= 2 && closed(hour, HOUR_MS, now_ms) && find_run(x, i, k, CLASS_HOUR, 0, 2))
            return true;
    }
    for (unsigned c = 0; c < CLASS_FULL; c++)
        if (to - from >= 2 && find_run(x, from, to, c, c, COMPACT_FAN))
            return true;
    return false;
}

static bool same_day(const struct compact_seg *a, const struct compact_seg *b)
{
    return a->import == b->import && a->tier == b->tier &&
           window_of(a, DAY_MS) == window_of(b, DAY_MS);
}

bool compact_plan(struct compact_seg *list, size_t n_list, int64_t now_ms, uint64_t max_octets,
                  size_t *first, size_t *n)
{
    struct choice x = { .list = list, .max_octets = max_octets };
    bool sorted = true;

    for (size_t i = 1; i < n_list && sorted; i++)
        sorted = by_time(&list[i - 1], &list[i]) <= 0;
    if (!sorted)
        qsort(list, n_list, sizeof *list, by_time);
    for (size_t i = 0, k; i < n_list; i = k) {
        for (k = i + 1; k < n_list && same_day(&list[i], &list[k]);)
            k++;
        if (k - i >= 2 && choose(&x, i, k, now_ms)) {
            *first = x.first;
            *n = x.n;
            return true;
        }
    }
    return false;
}
