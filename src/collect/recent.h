/* collect/recent.h - what exporters sent and lost lately: counters that fade, an hour ago counts a
 * third. Floor 4. Pure. Threads: the owner's. */
#ifndef WEIR_COLLECT_RECENT_H
#define WEIR_COLLECT_RECENT_H

#include "collect/collect.h"

#define RECENT_FADE_MS 3600000

struct recent {
    struct exporter_key key;
    double lost, units, undecoded;
    uint64_t lost_base, units_base, undecoded_base; /* as they stood at the last note */
};
struct recent_list {
    struct recent *x; /* by exporter_key_cmp() */
    size_t n;
    double received, dropped; /* datagrams; dropped: by the kernel, by a full ring */
    uint64_t received_base, dropped_base;
    int64_t noted_ms; /* 0: never */
};

/* Counters as they stand now. `base`: only where they stand; what was before is not recent.
 * Errors: ERR_NOMEM (the next note tells of both times). */
int recent_note(struct recent_list *l, const struct collect_status *s, bool base) WARN_UNUSED;
int recent_copy(struct recent_list *out, const struct recent_list *l) WARN_UNUSED; /* ERR_NOMEM */
void recent_free(struct recent_list *l);

/* Up to now, with what came since the last note. `units` are what `lost` counts: datagrams (NetFlow
 * v9, sFlow), else records. */
struct recent recent_of(const struct recent_list *l, const struct decode_exporter *x);
/* The same of all datagrams, and of those that the kernel or a full ring dropped. */
double recent_received(const struct recent_list *l, const struct collect_status *s);
double recent_dropped(const struct recent_list *l, const struct collect_status *s);

#endif
