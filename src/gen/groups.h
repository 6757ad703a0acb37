/* GENERATED from data/groups.csv by tools/gen.py. Do not edit.
 * Floor 1. Groups that Weir brings. */
#ifndef WEIR_GEN_GROUPS_H
#define WEIR_GEN_GROUPS_H

#include <stddef.h>

/* Groups that Weir brings; a group of the user's of the same name stands before it. */
struct ready_group {
    const char *name, *kind;
    const char *members; /* meta/item.h, separated by blanks */
    const char *note;
};

extern const struct ready_group ready_groups[];
extern const size_t ready_groups_n;

#endif
