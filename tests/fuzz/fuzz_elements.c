/* A user's rows of the element dictionary: any text is refused with a message, or every row is
 * found by its number, and by its name as it is printed. */
#include <stdlib.h>
#include <string.h>

#include "flow/elem.h"

#define LOOKED_AT 64u /* rows of a text; looking a name up passes the whole dictionary */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct elem_own *o)
{
    char name[96];
    uint32_t pen;
    uint16_t id;

    for (size_t i = 0; i < o->n; i++) {
        const struct elem *row = &o->row[i];
        if (elem_find(row->pen, row->id) != row)
            abort();
        if (row->type >= ELEM_TYPE_N || strlen(row->name) > ELEM_OWN_NAME)
            abort();
        if (i >= LOOKED_AT)
            continue;
        if (!elem_parse(name, elem_name(row->pen, row->id, name, sizeof name), &pen, &id) ||
            pen != row->pen || id != row->id)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct elem_own *o;
    struct err e = { 0 };

    if (elem_own_parse(&o, "fuzz.csv", (const char *)data, size, &e) == ERR_OK) {
        elem_own_use(o);
        check(o);
        elem_own_use(NULL);
        elem_own_free(o);
    } else if (o != NULL || strncmp(e.msg, "fuzz.csv", 8) != 0)
        abort();
    return 0;
}
