#include "base/csv.h"

#include <string.h>

size_t csv_split(const char *p, size_t n, struct csv_field *f, size_t max)
{
    size_t count = 0, i = 0;

    do {
        struct csv_field *x = count < max ? &f[count] : NULL;
        bool quoted = i < n && p[i] == '"';
        size_t len = 0;
        for (i += quoted; i < n; i++) {
            if (quoted && p[i] == '"' && i + 1 < n && p[i + 1] == '"')
                i++;
            else if (quoted && p[i] == '"') {
                quoted = false;
                continue;
            } else if (!quoted && p[i] == ',')
                break;
            if (x != NULL && len + 1 < CSV_FIELD)
                x->text[len++] = p[i];
        }
        if (x != NULL) {
            x->text[len] = '\0';
            x->len = len;
        }
        count++;
    } while (i++ < n);
    return MIN(count, max);
}

bool csv_line(const char *text, size_t len, size_t *at, const char **line, size_t *n)
{
    const char *end;

    if (*at >= len)
        return false;
    *line = text + *at;
    end = memchr(*line, '\n', len - *at);
    *n = end != NULL ? (size_t)(end - *line) : len - *at;
    *at += *n + 1;
    if (*n > 0 && (*line)[*n - 1] == '\r')
        --*n;
    return true;
}
