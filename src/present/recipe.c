#include "present/recipe.h"

#include <string.h>

#include "base/near.h"

#define RECIPES_MAX 64u

const struct recipe *recipe_find(const char *name)
{
    for (size_t i = 0; i < recipe_count; i++)
        if (strcmp(recipe_table[i].name, name) == 0)
            return &recipe_table[i];
    return NULL;
}

const char *recipe_near(const char *name)
{
    const char *names[RECIPES_MAX];
    size_t n = MIN(recipe_count, RECIPES_MAX);

    for (size_t i = 0; i < n; i++)
        names[i] = recipe_table[i].name;
    for (size_t i = 0; i < n && name[0] != '\0'; i++)
        if (strstr(names[i], name) != NULL)
            return names[i];
    return near_word(name, strlen(name), names, n);
}

/* {collector} and the like at p? Its value is appended; returns its length, 0 = none. */
static size_t put_value(struct buf *out, const char *p, const struct recipe *r,
                        const struct recipe_fill *f)
{
    uint16_t port = f->port != 0 ? f->port : r->port;

    if (strncmp(p, "{collector}", 11) == 0) {
        buf_str(out, f->collector);
        return 11;
    }
    if (strncmp(p, "{port}", 6) == 0) {
        buf_printf(out, "%u", port);
        return 6;
    }
    if (strncmp(p, "{place}", 7) == 0) {
        buf_printf(out, strchr(f->collector, ':') == NULL ? "%s:%u" : "[%s]:%u", f->collector,
                   port);
        return 7;
    }
    if (strncmp(p, "{source}", 8) == 0) {
        buf_str(out, f->source != NULL ? f->source : r->source_default);
        return 8;
    }
    return 0;
}

static bool names_source(const char *p, size_t n)
{
    return memmem(p, n, "{source}", 8) != NULL;
}

void recipe_text(struct buf *out, const struct recipe *r, enum recipe_section s,
                 const struct recipe_fill *f, bool remarks)
{
    bool source = f->source != NULL || r->source_default != NULL;

    for (const char *p = r->section[s], *end; p != NULL && *p != '\0'; p = end + 1) {
        end = strchr(p, '\n');
        if ((names_source(p, (size_t)(end - p)) && !source) || (p[0] == '>' && !remarks))
            continue;
        if (p[0] == '>') {
            buf_char(out, '#');
            p++;
        }
        while (p < end) {
            size_t n = *p == '{' ? put_value(out, p, r, f) : 0;
            if (n == 0)
                buf_char(out, *p);
            p += n > 0 ? n : 1;
        }
        buf_char(out, '\n');
    }
}
