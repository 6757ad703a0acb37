/* GENERATED from data/services.csv by tools/gen.py. Do not edit.
 * Floor 1. Names of services. */
#ifndef WEIR_GEN_SERVICES_H
#define WEIR_GEN_SERVICES_H

#include <stddef.h>
#include <stdint.h>

/* A name of a port of a protocol. Sorted by protocol and port; of several names the first is shown. */
struct service {
    const char *name;
    uint16_t port;
    uint16_t first; /* row that has this name first */
    uint8_t proto;
};

extern const struct service service_table[];
extern const size_t service_count;

#endif
