/* GENERATED from data/options.csv by tools/gen.py. Do not edit. */
#include "gen/options.h"

const struct opt_info opt_info[OPT_N] = {
    [OPT_DATA] = { "data", OPT_TYPE_TEXT, "", "",
        "", "", "", 0, "data directory" },
};
