#include "collect/history_days.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/clock.h"
#include "os/file.h"

static int take_name(void *ctx, const char *name)
{
    struct history_days *d = ctx;

    if (strlen(name) != HISTORY_NAME_OCTETS || strcmp(name + 10, ".his") != 0)
        return ERR_OK;
    if (d->n == d->room) {
        size_t room = d->room > 0 ? d->room * 2 : 64;
        char(*more)[HISTORY_NAME_OCTETS + 1] = realloc(d->name, room * sizeof *more);
        if (more == NULL)
            return ERR_NOMEM;
        d->name = more;
        d->room = room;
    }
    memcpy(d->name[d->n++], name, HISTORY_NAME_OCTETS + 1);
    return ERR_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Files of this directory, oldest first. */
int history_days_list(const char *dir, struct history_days *out, struct err *e)
{
    int rc = os_dir_list(dir, take_name, out, e);

    if (rc == ERR_NOMEM)
        return err_set(e, rc, "history: out of memory");
    if (rc == ERR_OK && out->n > 0)
        qsort(out->name, out->n, sizeof *out->name, by_name);
    return rc;
}

void history_day_name(int64_t ms, char out[HISTORY_NAME_OCTETS + 1])
{
    char text[CLOCK_TEXT_MAX];

    (void)snprintf(out, HISTORY_NAME_OCTETS + 1, "%.10s.his", clock_text(ms, text));
}

int history_day_read(const char *dir, const char *name, struct buf *out, struct err *e)
{
    char path[HISTORY_PATH];

    buf_clear(out);
    if (snprintf(path, sizeof path, "%s/%s", dir, name) >= (int)sizeof path)
        return err_set(e, ERR_ARG, "history: the path %s is too long", dir);
    return os_file_slurp(path, out, e);
}

/* All files between two names, in order; the newest always. */
int history_days_scan(const char *dir, const char *from, const char *to, struct history_scan *s,
                      struct buf *day, char newest[HISTORY_NAME_OCTETS + 1], struct err *e)
{
    struct history_days d = { 0 };
    int rc = history_days_list(dir, &d, e);

    newest[0] = '\0';
    s->good_octets = 0;
    for (size_t i = 0; rc == ERR_OK && i < d.n; i++) {
        if (i + 1 < d.n && (strcmp(d.name[i], from) < 0 || strcmp(d.name[i], to) > 0))
            continue;
        memcpy(newest, d.name[i], HISTORY_NAME_OCTETS + 1);
        s->good_octets = 0;
        rc = history_day_read(dir, d.name[i], day, e);
        if (rc == ERR_NOTFOUND || rc == ERR_LIMIT) { /* thinned or dropped just now; or not ours */
            rc = ERR_OK;
            continue;
        }
        if (rc != ERR_OK)
            break;
        history_scan(s, day->p, day->len);
        if (s->no_memory)
            rc = err_set(e, ERR_NOMEM, "history: out of memory");
    }
    free(d.name);
    return rc;
}

/* When a server was last alive, to a second: history/alive. Not forced to disk: a killed server is
 * what it is for. 0: not known, or not to be believed. */
int64_t history_last_alive(const char *dir, int64_t now_ms)
{
    struct buf b = buf_init(64);
    int64_t t = 0;

    if (history_day_read(dir, "alive", &b, NULL) == ERR_OK && b.len == 16 &&
        le64(b.p) == ~le64(b.p + 8) && le64(b.p) <= (uint64_t)now_ms)
        t = (int64_t)le64(b.p);
    buf_free(&b);
    return t;
}
