/* GENERATED from data/recipes by tools/gen.py. Do not edit.
 * Floor 1. What to type into exporters, by vendor; in order of names. */
#ifndef WEIR_GEN_RECIPES_H
#define WEIR_GEN_RECIPES_H

#include <stddef.h>
#include <stdint.h>

/* What a part of a recipe is for. */
enum recipe_section {
    RECIPE_ALL,
    RECIPE_TEMPLATES,
    RECIPE_TIMEOUT,
    RECIPE_SAMPLING,
    RECIPE_ONE_SIDE,
    RECIPE_CLOCK,
    RECIPE_SECTION_N
};

struct recipe {
    const char *name, *title;
    const char *sends; /* "NetFlow v9" */
    uint16_t port;     /* Weir's own for that */
    const char *source; /* what {source} is; NULL: it does not occur */
    const char *source_default; /* NULL: lines that name it are left out where it is not given */
    /* Lines that end with '\n', those that begin with "> " being remarks; NULL: nothing can be typed.
     * {collector} {port} {place} (both together) {source} stand for what the user has. */
    const char *section[RECIPE_SECTION_N];
};

extern const struct recipe recipe_table[];
extern const size_t recipe_count;

#endif
