/* present/recipe.h - what to type into an exporter: recipes of data/recipes with the user's values.
 * Floor 5. Pure. */
#ifndef WEIR_PRESENT_RECIPE_H
#define WEIR_PRESENT_RECIPE_H

#include "base/buf.h"
#include "gen/recipes.h"

/* NULL: there is none of that name. */
const struct recipe *recipe_find(const char *name);
/* A name that was probably meant: a part of it, or with an error of typing; NULL: none. */
const char *recipe_near(const char *name);

struct recipe_fill {
    const char *collector; /* an address as text, not checked */
    uint16_t port;         /* 0: the recipe's own */
    const char
        *source; /* NULL: the recipe's own; lines that need one are left out where it has none */
};
/* Append the lines of a section that are to be typed, each with '\n'. `remarks`: also what is to be
 * known, with "# " before it. Nothing where the recipe has no such section. */
void recipe_text(struct buf *out, const struct recipe *r, enum recipe_section s,
                 const struct recipe_fill *f, bool remarks);

#endif
