/* cmd/foreign.c - what weir import reads besides captures. */
#include "cmd/foreign.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "codec/gz.h"
#include "os/pipe.h"

#define LOOK 65536u

/* The first octets, out of gzip where they are. */
static int begin_of(const struct foreign *f, uint8_t *buf, size_t *len)
{
    struct gz *z;
    size_t got;
    int rc;

    *len = 0;
    if (!gz_is(f->octets, f->len)) {
        *len = MIN(f->len, LOOK);
        if (*len > 0)
            memcpy(buf, f->octets, *len);
        return ERR_OK;
    }
    if ((rc = gz_open(&z, f->octets, f->len)) != ERR_OK)
        return rc;
    while (*len < LOOK && gz_read(z, buf + *len, LOOK - *len, &got, NULL) == ERR_OK && got > 0)
        *len += got;
    gz_close(z);
    return ERR_OK;
}

int foreign_which(struct foreign *f, const char *format, struct err *e)
{
    uint8_t buf[LOOK];
    size_t len;
    int rc;

    if (format != NULL) {
        f->format = convert_format_parse(format);
        return f->format != CONVERT_NONE
                   ? ERR_OK
                   : err_set(e, ERR_ARG, "--format %.40s: it is none of: zeek argus vpc csv nfdump",
                             format);
    }
    if (f->map != NULL) {
        f->format = CONVERT_CSV;
        return ERR_OK;
    }
    if ((rc = begin_of(f, buf, &len)) != ERR_OK)
        return err_set(e, rc, "out of memory");
    f->format = convert_is_nfdump_file(buf, len) ? CONVERT_NFDUMP : convert_detect(buf, len);
    return ERR_OK;
}

static int read_plain(void *ctx, uint8_t *buf, size_t cap, size_t *got, struct err *e)
{
    struct foreign *f = ctx;

    (void)e;
    *got = MIN(cap, f->len - f->at);
    if (*got > 0)
        memcpy(buf, f->octets + f->at, *got);
    f->at += *got;
    return ERR_OK;
}

static int read_gz(void *ctx, uint8_t *buf, size_t cap, size_t *got, struct err *e)
{
    struct foreign *f = ctx;

    return gz_read(f->gz, buf, cap, got, e);
}

static int read_pipe(void *ctx, uint8_t *buf, size_t cap, size_t *got, struct err *e)
{
    struct foreign *f = ctx;

    return os_pipe_read(f->pipe, buf, cap, got, e);
}

static int give(void *ctx, const uint8_t *p, size_t len, const struct addr *exporter,
                int64_t received_ms)
{
    struct foreign *f = ctx;
    int rc = f->give(f->door, p, len, exporter, received_ms);

    f->enough |= rc == ERR_CANCEL;
    return rc;
}

static int open_nfdump(struct foreign *f, struct err *e)
{
    const char *const argv[] = { "nfdump", "-r", f->path, "-o", "json", "-q", NULL };
    struct err why;
    int rc = os_pipe_open(f->pipe, argv, &why);

    if (rc == ERR_NOTFOUND)
        return err_set(e, rc,
                       "this is a file of nfdump, which is read by nfdump itself, and that is not "
                       "installed: apt-get install nfdump");
    return rc == ERR_OK ? rc : err_set(e, rc, "%s", why.msg);
}

int foreign_convert(void *ctx, import_give *to, void *door, struct err *e)
{
    struct foreign *f = ctx;
    struct os_pipe pipe = { .fd = -1, .complaints = -1 };
    struct convert_options opt = { .format = f->format,
                                   .map = f->map,
                                   .exporter = f->exporter,
                                   .default_ms = f->changed_ms,
                                   .read = read_plain,
                                   .give = give,
                                   .ctx = f };
    struct err why;
    int rc = ERR_OK, closed;

    f->give = to;
    f->door = door;
    f->pipe = &pipe;
    f->at = 0;
    if (f->format == CONVERT_NFDUMP && convert_is_nfdump_file(f->octets, f->len)) {
        rc = open_nfdump(f, e);
        opt.read = read_pipe;
    } else if (gz_is(f->octets, f->len)) {
        rc = gz_open(&f->gz, f->octets, f->len);
        opt.read = read_gz;
    }
    if (rc == ERR_OK)
        rc = convert_run(&opt, &f->stats, e);
    gz_close(f->gz);
    f->gz = NULL;
    closed = os_pipe_close(&pipe, &why);
    f->pipe = NULL;
    if (rc == ERR_OK && closed != ERR_OK && !f->enough)
        rc = err_set(e, closed, "nfdump: %.300s; nothing was imported", why.msg);
    return rc;
}

void foreign_show(FILE *out, const struct foreign *f)
{
    const struct convert_stats *s = &f->stats;
    const char *between = "";
    uint64_t sum = 0;

    for (size_t i = 0; i < CONVERT_REASON_N; i++)
        sum += s->not_taken[i];
    if (sum > 0) {
        (void)fprintf(out, "  not taken: %" PRIu64 " rows (", sum);
        for (size_t i = 0; i < CONVERT_REASON_N; i++) {
            if (s->not_taken[i] == 0)
                continue;
            (void)fprintf(out, "%s%s %" PRIu64, between,
                          convert_reason_name((enum convert_reason)i), s->not_taken[i]);
            between = ", ";
        }
        (void)fprintf(out, ")\n");
    }
    for (uint32_t i = 0; i < s->n_shown; i++)
        (void)fprintf(out, "    line %" PRIu64 ": %s: %s\n", s->shown[i].line,
                      convert_reason_name((enum convert_reason)s->shown[i].reason),
                      s->shown[i].text);
    if (s->unknown_columns)
        (void)fprintf(out,
                      "  columns without an element of their own are kept in importedColumn as "
                      "name=value\n");
}
