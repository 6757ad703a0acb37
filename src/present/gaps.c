#include "present/gaps.h"

#include <string.h>

#include "present/text.h"

static void exporter_json(struct buf *out, const struct gap *g)
{
    char addr[ADDR_TEXT_MAX];

    if (g->whose == GAP_OF_OTHERS)
        buf_str(out, ",\"exporter\":\"others\"");
    if (g->whose != GAP_OF_EXPORTER)
        return;
    (void)addr_format(&g->key.addr, addr);
    buf_printf(out, ",\"exporter\":\"%s\",\"domain\":%u,\"version\":%u", addr,
               (unsigned)g->key.domain, (unsigned)g->key.version);
}

void gaps_json(struct buf *out, const struct gap_list *l, const struct zone *z)
{
    size_t first = l->n > GAPS_SHOWN ? l->n - GAPS_SHOWN : 0;

    buf_char(out, '[');
    for (size_t i = first; i < l->n; i++) {
        const struct gap *g = &l->g[i];
        buf_str(out, i > first ? ",{\"from\":\"" : "{\"from\":\"");
        text_time(out, g->from_ms, z, 'T');
        buf_str(out, "\",\"to\":\"");
        text_time(out, g->to_ms, z, 'T');
        buf_printf(out, "\",\"reason\":\"%s\"", gap_reason_name(g->reason));
        exporter_json(out, g);
        if (gap_unit(g)[0] != '\0')
            buf_printf(out, ",\"count\":%llu,\"unit\":\"%s\"", (unsigned long long)g->count,
                       gap_unit(g));
        buf_char(out, '}');
    }
    buf_char(out, ']');
}

void gaps_all_json(struct buf *out, const struct gap_list *l, const struct zone *z)
{
    buf_str(out, "{\"gaps\":");
    gaps_json(out, l, z);
    buf_printf(out, ",\"not_shown\":%llu}\n",
               (unsigned long long)(l->left_out + (l->n > GAPS_SHOWN ? l->n - GAPS_SHOWN : 0)));
}

/* All gaps of one reason. */
struct sum {
    uint64_t count, ms, exporters, gaps;
    const char *unit;
};

static bool same_exporter(const struct gap *a, const struct gap *b)
{
    return a->whose == b->whose && exporter_key_equal(&a->key, &b->key);
}

/* Was this exporter counted for this reason? */
static bool counted(const struct gap_list *l, size_t i)
{
    for (size_t k = i; k-- > 0;)
        if (l->g[k].reason == l->g[i].reason && same_exporter(&l->g[k], &l->g[i]))
            return true;
    return false;
}

static void put_sum(struct buf *out, const struct sum *s, unsigned reason)
{
    const char *name = gap_reason_name(reason);

    for (; *name != '\0'; name++)
        buf_char(out, *name == '_' ? ' ' : *name);
    buf_char(out, ' ');
    if (s->unit[0] == '\0') {
        text_duration(out, s->ms);
    } else {
        text_human(out, s->count);
        buf_printf(out, " %.*s", (int)(strlen(s->unit) - (s->count == 1)), s->unit);
    }
    if (s->exporters > 0)
        buf_printf(out, " (%llu %s)", (unsigned long long)s->exporters,
                   s->exporters == 1 ? "exporter" : "exporters");
}

void gaps_line(struct buf *out, const struct gap_list *l, struct gaps_frame f)
{
    struct sum sum[GAP_REASON_N] = { 0 };
    bool any = false;

    for (size_t i = 0; i < l->n; i++) {
        const struct gap *g = &l->g[i];
        struct sum *s = &sum[g->reason];
        int64_t from = MAX(g->from_ms, f.from_ms), to = MIN(g->to_ms, f.to_ms);
        s->gaps++;
        s->count += g->count;
        s->ms += to > from ? (uint64_t)to - (uint64_t)from : 0;
        s->unit = s->unit == NULL || strcmp(s->unit, gap_unit(g)) == 0 ? gap_unit(g) : "items";
        if (l->n <= GAPS_SHOWN)
            s->exporters += g->whose == GAP_OF_EXPORTER && !counted(l, i);
    }
    for (unsigned r = 0; r < GAP_REASON_N; r++) {
        if (sum[r].gaps == 0)
            continue;
        buf_str(out, any ? ", " : "Gaps: ");
        put_sum(out, &sum[r], r);
        any = true;
    }
    if (l->left_out > 0)
        buf_printf(out, "%s%llu older ones are not known any more",
                   any ? ", " : "Gaps: ", (unsigned long long)l->left_out);
    if (any || l->left_out > 0)
        buf_str(out, "; weir status --gaps lists them.\n");
}

void gaps_table(struct buf *out, const struct gap_list *l, const struct zone *z)
{
    char addr[ADDR_TEXT_MAX];

    if (l->n == 0)
        buf_str(out, "no gaps\n");
    for (size_t i = 0; i < l->n; i++) {
        const struct gap *g = &l->g[i];
        text_time(out, g->from_ms, z, ' ');
        buf_str(out, "  ");
        text_time(out, g->to_ms, z, ' ');
        buf_printf(out, "  %-14s  ", gap_reason_name(g->reason));
        if (gap_unit(g)[0] == '\0')
            text_duration(out, (uint64_t)g->to_ms - (uint64_t)g->from_ms);
        else
            buf_printf(out, "%llu %.*s", (unsigned long long)g->count,
                       (int)(strlen(gap_unit(g)) - (g->count == 1)), gap_unit(g));
        if (g->whose == GAP_OF_EXPORTER) {
            (void)addr_format(&g->key.addr, addr);
            buf_printf(out, "  %s domain %u v%u", addr, (unsigned)g->key.domain,
                       (unsigned)g->key.version);
        } else if (g->whose == GAP_OF_OTHERS) {
            buf_str(out, "  other exporters");
        }
        buf_char(out, '\n');
    }
    if (l->left_out > 0)
        buf_printf(out, "%llu older gaps are not known any more\n",
                   (unsigned long long)l->left_out);
}
