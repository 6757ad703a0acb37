/* GENERATED from data/fieldmap.csv by tools/gen.py. Do not edit.
 * Floor 1. Which element fills which column. */
#ifndef WEIR_GEN_FIELDMAP_H
#define WEIR_GEN_FIELDMAP_H

#include <stddef.h>
#include <stdint.h>

/* How octets become a column value; see decode/plan.h for each. */
enum conv {
    CONV_NONE,
    CONV_UINT,
    CONV_IP4,
    CONV_IP6,
    CONV_MS,
    CONV_SEC,
    CONV_NTP,
    CONV_UPTIME,
    CONV_DELTA_US,
    CONV_N
};

/* One element that can fill one column. Where a template holds several elements for one column,
 * the lowest rank that is present (for counters: present and not zero) gives it. */
struct fmap {
    uint32_t pen;
    uint16_t id;
    uint8_t col;  /* enum col */
    uint8_t conv; /* enum conv */
    uint8_t min, max; /* legal lengths, octets */
    uint8_t rank;
};

extern const struct fmap fmap_table[];
extern const size_t fmap_count;

#endif
