/* GENERATED from data/apps.csv by tools/gen.py. Do not edit.
 * Floor 1. Applications. */
#ifndef WEIR_GEN_APPS_H
#define WEIR_GEN_APPS_H

#include <stddef.h>
#include <stdint.h>

/* What an application is known by; 0 and "" = any. The first row that fits counts. */
struct app {
    const char *name, *net;
    uint32_t as;
    uint16_t port_lo, port_hi;
    uint8_t proto;
    uint64_t app_id; /* engine << 56 | selector */
};

extern const struct app app_table[];
extern const size_t app_count;

#endif
