/* present/gaps.h - what was missing in a time frame, for people and programs.
 * Floor 5. Pure. */
#ifndef WEIR_PRESENT_GAPS_H
#define WEIR_PRESENT_GAPS_H

#include "base/buf.h"
#include "collect/gaps.h"
#include "query/parse.h"

#define GAPS_SHOWN 1000u /* in one answer; the rest is counted */

/* The frame of a question; all of time where it has none. */
struct gaps_frame {
    int64_t from_ms, to_ms;
};
static inline struct gaps_frame gaps_frame_of(const struct plan *p)
{
    return p->framed ? (struct gaps_frame){ p->from_ms, p->to_ms }
                     : (struct gaps_frame){ INT64_MIN, INT64_MAX };
}

/* [{"from":...,"to":...,"reason":"lost","exporter":"192.0.2.1",...,"count":12,"unit":"records"},...];
 * the newest GAPS_SHOWN where there are more. */
void gaps_json(struct buf *out, const struct gap_list *l, const struct zone *z);
/* "Gaps: lost 12 records (2 exporters), not running 40.000 s; ...\n" within the frame; nothing
 * where there are none. */
void gaps_line(struct buf *out, const struct gap_list *l, struct gaps_frame f);
/* {"gaps":[...],"not_shown":0} with a line end. */
void gaps_all_json(struct buf *out, const struct gap_list *l, const struct zone *z);
/* One line a gap. */
void gaps_table(struct buf *out, const struct gap_list *l, const struct zone *z);

#endif
