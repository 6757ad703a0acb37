/* GENERATED from data/options.csv by tools/gen.py. Do not edit.
 * Floor 1. Every option of the configuration. */
#ifndef WEIR_GEN_OPTIONS_H
#define WEIR_GEN_OPTIONS_H

#include <stdint.h>

enum opt {
    OPT_DATA, /* data directory */
    OPT_N
};

enum opt_type { OPT_TYPE_BOOL, OPT_TYPE_UINT, OPT_TYPE_SIZE, OPT_TYPE_DURATION, OPT_TYPE_TEXT,
                OPT_TYPE_ENUM, OPT_TYPE_LIST };

struct opt_info {
    const char *name;  /* dotted path in the file; --name on the command line */
    uint8_t type;      /* enum opt_type */
    const char *unit;  /* of the number: octets, ms, rows, ...; or "" */
    const char *def;   /* default, as text */
    const char *min, *max; /* bounds as text, or "" */
    const char *words; /* OPT_TYPE_ENUM: allowed words, space separated */
    uint8_t reload;    /* 1: a SIGHUP applies it; 0: needs a restart */
    const char *doc;
};

extern const struct opt_info opt_info[OPT_N];

#endif
