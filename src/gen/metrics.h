/* GENERATED from data/metrics.csv by tools/gen.py. Do not edit.
 * Floor 1. Every metric at /metrics. */
#ifndef WEIR_GEN_METRICS_H
#define WEIR_GEN_METRICS_H

#include <stdint.h>

enum metric {
    METRIC_UPTIME_SECONDS, /* seconds since the server started */
    METRIC_N
};

struct metric_info {
    const char *name;   /* without the prefix weir_ */
    const char *type;   /* counter or gauge */
    const char *labels; /* comma separated, or "" */
    const char *doc;
};

extern const struct metric_info metric_info[METRIC_N];

#endif
