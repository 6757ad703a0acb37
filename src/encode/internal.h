/* encode/internal.h - what encode.c and v5.c share. Floor 3, inside encode/ only. */
#ifndef WEIR_ENCODE_INTERNAL_H
#define WEIR_ENCODE_INTERNAL_H

#include "encode/encode.h"

#define V5_HEADER  24u
#define V5_RECORD  48u
#define V5_RECORDS 30u
#define V5_ENGINES 65536u

/* The open datagram of v5. */
struct v5 {
    uint8_t octets[V5_HEADER + V5_RECORDS * V5_RECORD];
    uint32_t n;
    struct addr exporter;
    uint16_t engine;
    uint32_t rate;
    int64_t export_ms, received_ms;
    uint32_t base_ms;
    bool boot_set;
    int64_t boot_ms;
    uint32_t *sequence; /* per engine */
};

struct encoder {
    struct encode_options opt;
    struct encode_stats stats;
    struct messages *messages;
    struct v5 v5;
    struct message_field f[SHAPE_MAX_FIELDS];
    struct buf octets; /* of one record */
};

int64_t encode_export_ms(const struct record *r);

int v5_record(struct encoder *e, const struct record *r) WARN_UNUSED;
int v5_flush(struct encoder *e) WARN_UNUSED;

#endif
