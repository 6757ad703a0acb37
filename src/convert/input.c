#include "convert/internal.h"

#include <stdlib.h>
#include <string.h>

#define PIECE 65536u

int input_open(struct input *in, const struct convert_options *opt)
{
    *in = (struct input){ .opt = opt, .cap = CONVERT_MAX_LINE + PIECE };
    in->p = malloc(in->cap);
    return in->p != NULL ? ERR_OK : ERR_NOMEM;
}

void input_close(struct input *in)
{
    free(in->p);
    in->p = NULL;
}

static int more(struct input *in, struct err *e)
{
    size_t got = 0;
    int rc;

    if (in->at > 0) {
        memmove(in->p, in->p + in->at, in->len - in->at);
        in->len -= in->at;
        in->at = 0;
    }
    rc = in->opt->read(in->opt->ctx, in->p + in->len, MIN(PIECE, in->cap - in->len), &got, e);
    in->len += got;
    in->ended = rc == ERR_OK && got == 0;
    return rc;
}

int input_peek(struct input *in, const uint8_t **p, size_t *len, struct err *e)
{
    int rc = in->at == in->len && !in->ended ? more(in, e) : ERR_OK;

    *p = in->p + in->at;
    *len = in->len - in->at;
    return rc;
}

int input_line(struct input *in, const char **line, size_t *len, struct err *e)
{
    size_t seen = 0;
    const uint8_t *nl;
    int rc;

    for (;;) {
        nl = in->len - in->at > seen ? memchr(in->p + in->at + seen, '\n', in->len - in->at - seen)
                                     : NULL;
        if (nl != NULL || in->ended)
            break;
        seen = in->len - in->at;
        if (seen > CONVERT_MAX_LINE) { /* its rest is read over */
            in->at = in->len;
            in->skipping = true;
            seen = 0;
        }
        if ((rc = more(in, e)) != ERR_OK)
            return rc;
    }
    if (nl == NULL && in->at == in->len && !in->skipping)
        return ERR_NOTFOUND;
    *line = (const char *)in->p + in->at;
    *len = nl != NULL ? (size_t)(nl - in->p) - in->at : in->len - in->at;
    in->at += *len + (nl != NULL);
    if (*len > 0 && (*line)[*len - 1] == '\r')
        --*len;
    if (in->skipping || *len > CONVERT_MAX_LINE)
        *len = SIZE_MAX;
    in->skipping = false;
    return ERR_OK;
}
