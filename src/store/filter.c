#include "store/filter.h"

#include <string.h>

_Static_assert(ROWSET_BLOCK_PAGES <= 32, "pages of a block fit a word");
#define ALL_PAGES ((uint32_t)((1ull << ROWSET_BLOCK_PAGES) - 1))

static uint64_t place(uint64_t key, unsigned probe, unsigned log)
{
    uint32_t a = (uint32_t)key, b = (uint32_t)(key >> 32) | 1;

    return (a + (uint64_t)probe * b) & ((1ull << log) - 1);
}

void filter_put(const uint64_t *keys, size_t n, struct buf *out, uint8_t *log)
{
    unsigned l = FILTER_LOG_MIN;
    uint8_t *bits;

    *log = 0;
    if (n == 0)
        return;
    while (l < FILTER_LOG_MAX && (1ull << l) < 8 * (uint64_t)n)
        l++;
    bits = buf_room(out, (size_t)1 << (l - 3));
    if (bits == NULL)
        return;
    *log = (uint8_t)l;
    memset(bits, 0, (size_t)1 << (l - 3));
    for (size_t i = 0; i < n; i++)
        for (unsigned k = 0; k < FILTER_PROBES; k++) {
            uint64_t at = place(keys[i], k, l);
            bits[at / 8] |= (uint8_t)(1u << at % 8);
        }
}

static bool may_hold(const uint8_t *bits, unsigned log, const uint64_t *keys, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        unsigned k = 0;
        for (; k < FILTER_PROBES; k++) {
            uint64_t at = place(keys[i], k, log);
            if ((bits[at / 8] >> at % 8 & 1) == 0)
                break;
        }
        if (k == FILTER_PROBES)
            return true;
    }
    return false;
}

uint32_t filter_pages(const uint8_t *p, size_t len, const uint64_t *keys, uint32_t n)
{
    struct rd r = rd_init(p, len);
    const uint8_t *logs = rd_take(&r, ROWSET_BLOCK_PAGES), *bits;
    uint32_t pages = 0;

    for (uint32_t i = 0; logs != NULL && i < ROWSET_BLOCK_PAGES; i++) {
        unsigned log = logs[i];
        if (log == FILTER_LOG_ALL) {
            pages |= 1u << i;
            continue;
        }
        if (log == 0)
            continue;
        if (log < FILTER_LOG_MIN || log > FILTER_LOG_MAX)
            return ALL_PAGES;
        bits = rd_take(&r, (size_t)1 << (log - 3));
        if (bits == NULL)
            return ALL_PAGES;
        pages |= may_hold(bits, log, keys, n) ? 1u << i : 0;
    }
    return rd_ok(&r) && r.left == 0 ? pages : ALL_PAGES;
}
