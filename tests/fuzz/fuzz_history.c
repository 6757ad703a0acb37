/* Octets as a day of history; sums of records are made right first, so that mutations get behind
 * them. What is read is kept within bounds, and a day with hours for minutes tells the same gaps.
 */
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "collect/history_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(void *ctx, const struct history_minute *m)
{
    uint64_t *sum = ctx;

    if (m->to_ms < m->from_ms)
        abort();
    for (uint32_t i = 0; i < m->n; i++)
        *sum += m->x[i].datagrams + m->x[i].key.domain;
}

static void one(const uint8_t *p, size_t size)
{
    struct gap_list gaps = { 0 }, again = { 0 }, inside = { 0 };
    struct buf out = buf_init(64u << 20);
    uint64_t sum = 0;
    struct history_scan s = { .gaps = &gaps, .minute = check, .ctx = &sum };
    struct history_scan t = { .gaps = &again };

    history_scan(&s, p, size);
    if (s.good_octets > size || gaps.n > GAPS_MAX)
        abort();
    for (size_t i = 0; i < gaps.n; i++)
        if (gaps.g[i].from_ms > gaps.g[i].to_ms || gap_reason_name(gaps.g[i].reason)[0] == '\0')
            abort();
    if (gap_between(&gaps, 1700000000000, 1700000600000, &inside) != ERR_OK || inside.n > gaps.n)
        abort();
    if (history_thin(&out, p, size) != ERR_OK)
        abort();
    history_scan(&t, out.p, out.len);
    if (t.damaged > 0 || t.has_minutes || again.n > gaps.n)
        abort();
    gap_list_free(&gaps);
    gap_list_free(&again);
    gap_list_free(&inside);
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *p = malloc(size + 1);

    if (p == NULL)
        return 0;
    one(data, size);
    if (size > 0)
        memcpy(p, data, size);
    for (size_t at = HISTORY_HEAD_OCTETS; at + 8 <= size;) {
        size_t len = le32(p + at);
        if (len > size - at - 8)
            break;
        le_put(p + at + 4, (uint32_t)XXH3_64bits(p + at + 8, len), 4);
        at += 8 + len;
    }
    one(p, size);
    free(p);
    return 0;
}
