/* Text to plan to check text and back: what is printed parses again and prints the same. A line
 * "@name value" is that piece of the question ("@by src ip"), "@nfdump -s srcip" goes to the
 * translator of nfdump's options; all other lines are the filter. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "query/parse.h"

#define NOW_MS 1772546400000

/* Something to name: made once, for the life of the process. */
static struct defs *definitions(void)
{
    static const char *const rows[][6] = {
        { "0", "office" },
        { "0", "mixed" },
        { "0", "a b" },
        { "1", "office", "10.20.0.0/16" },
        { "1", "office", "!10.20.9.0/24" },
        { "1", "mixed", "group office" },
        { "1", "mixed", "tcp/443" },
        { "1", "mixed", "AS64500..64510" },
        { "1", "mixed", "exporter fra1" },
        { "1", "mixed", "if fra1 3" },
        { "1", "mixed", "!port 25" },
        { "1", "a b", "vlan 5" },
        { "2", "10.0.0.1", "gateway" },
        { "2", "10.0.0.0/8", "lab x" },
        { "3", "192.0.2.1", "fra1", "Frankfurt", "core", "eu" },
        { "3", "192.0.2.1#7", "fra7" },
        { "4", "fra1", "3", "xe-0/0/1" },
    };
    static struct defs *defs;
    struct meta_doc d = { 0 };
    struct err e = { 0 };

    for (size_t i = 0; defs == NULL && i < ARRAY_LEN(rows); i++) {
        enum meta_table t = (enum meta_table)(rows[i][0][0] - '0');
        struct meta_row *r = meta_row(&d, t, rows[i] + 1, NULL);
        for (unsigned c = meta_table_info[t].n_keys; r != NULL && c < 5 && rows[i][c + 1] != NULL;
             c++)
            if (meta_set(r, t, c, rows[i][c + 1], &e) != ERR_OK)
                abort();
    }
    if (defs == NULL && defs_make(&defs, &d, &e) != ERR_OK) {
        (void)fprintf(stderr, "%s\n", e.msg);
        abort();
    }
    return defs;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void translate(char *line)
{
    struct buf out = buf_init(1u << 20);
    char *argv[32];
    int argc = 0;

    for (char *s = line; *s != '\0' && argc < 32;) {
        size_t n = strcspn(s, " ");
        bool last = s[n] == '\0';
        s[n] = '\0';
        if (n > 0)
            argv[argc++] = s;
        s += n + !last;
    }
    (void)query_from_nfdump(&out, argc, argv);
    buf_free(&out);
}

/* Takes the "@" lines out of `text`. */
static void pieces(struct query_params *p, char *text)
{
    char *keep = text;

    for (char *s = text; *s != '\0';) {
        size_t n = strcspn(s, "\n");
        bool last = s[n] == '\0';
        struct err e = { 0 };
        if (*s == '@' && n > 1) {
            char *line = malloc(n), *space;
            if (line == NULL)
                return;
            memcpy(line, s + 1, n - 1);
            line[n - 1] = '\0';
            space = strchr(line, ' ');
            if (space != NULL)
                *space = '\0';
            if (strcmp(line, "nfdump") == 0 && space != NULL)
                translate(space + 1);
            else if (query_params_set(p, line, space != NULL ? space + 1 : NULL, &e) != ERR_OK)
                e.msg[0] = '\0'; /* a name that is none: refused, and the rest is asked */
            free(line);
        } else {
            memmove(keep, s, n + !last);
            keep += n + !last;
        }
        s += n + !last;
    }
    *keep = '\0';
}

/* The filter of a plan as text; owned by the caller, NULL if it is too long. */
static char *filter_text(const struct plan *plan)
{
    struct buf out = buf_init(QUERY_TEXT_MAX);
    char *text;

    query_filter_text(&out, plan->filter);
    text = buf_ok(&out) ? strdup(buf_cstr(&out)) : NULL;
    buf_free(&out);
    return text;
}

static void read_back(const struct plan *plan)
{
    struct query_params p = { .defs = definitions() };
    struct err e = { 0 };
    struct plan *again = NULL;
    char *first = filter_text(plan), *second;
    int rc;

    if (first == NULL || query_params_set(&p, "filter", first, &e) != ERR_OK) {
        free(first);
        query_params_free(&p);
        return;
    }
    rc = query_plan(&again, &p, NOW_MS, &e);
    if (rc == ERR_OK) {
        second = filter_text(again);
        if (second != NULL && strcmp(first, second) != 0) {
            (void)fprintf(stderr, "printed  %s\nand then %s\n", first, second);
            abort();
        }
        free(second);
        plan_free(again);
    } else if (rc != ERR_NOMEM && rc != ERR_LIMIT) {
        (void)fprintf(stderr, "printed %s\nwhich is refused: %s\n", first, e.msg);
        abort();
    }
    free(first);
    query_params_free(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct query_params p = { .defs = definitions() };
    struct buf out = buf_init(8u << 20);
    struct plan *plan;
    struct err e = { 0 };
    char *text = malloc(size + 1);

    if (text == NULL)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    pieces(&p, text);
    if (query_params_set(&p, "filter", text, &e) == ERR_OK) {
        if (query_plan(&plan, &p, NOW_MS, &e) == ERR_OK) {
            query_check(&out, plan);
            read_back(plan);
            plan_free(plan);
        } else {
            query_error_show(&out, &p, &e);
        }
    }
    query_params_free(&p);
    buf_free(&out);
    free(text);
    return 0;
}
