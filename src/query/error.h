/* query/error.h - variances of sampled rows. Floor 4, inside query/ only. */
#ifndef WEIR_QUERY_ERROR_H
#define WEIR_QUERY_ERROR_H

#include "base/defs.h"

#include <stdint.h>

struct error_rows {
    const uint64_t *rate;                    /* 0, 1: not sampled */
    const uint64_t *raw_bytes, *raw_packets; /* as exported */
    const uint64_t *bytes, *packets;         /* scaled, and cut to the frame */
};
/* What each row adds to the variances: bytes in two parts, packets. */
void error_rows(const struct error_rows *r, uint32_t n, uint64_t *lo, uint64_t *hi,
                uint64_t *packets);

#endif
