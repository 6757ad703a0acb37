/* GENERATED from data/metrics.csv by tools/gen.py. Do not edit. */
#include "gen/metrics.h"

const struct metric_info metric_info[METRIC_N] = {
    [METRIC_UPTIME_SECONDS] = { "uptime_seconds", "gauge", "", "seconds since the server started" },
};
