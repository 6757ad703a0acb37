#include "codec/gz.h"

#include <limits.h>
#include <stdlib.h>

#include <zlib.h>

#define GZIP_ONLY (15 + 16) /* window of 32 KiB, gzip's header wanted */

struct gz {
    z_stream z;
    const uint8_t *p;
    size_t len, at;
    bool ended;
};

bool gz_is(const uint8_t *p, size_t len)
{
    return len >= 3 && p[0] == 0x1f && p[1] == 0x8b && p[2] == 8;
}

int gz_open(struct gz **out, const uint8_t *p, size_t len)
{
    struct gz *z = calloc(1, sizeof *z);

    *out = NULL;
    if (z == NULL)
        return ERR_NOMEM;
    if (inflateInit2(&z->z, GZIP_ONLY) != Z_OK) {
        free(z);
        return ERR_NOMEM;
    }
    z->p = p;
    z->len = len;
    *out = z;
    return ERR_OK;
}

void gz_close(struct gz *z)
{
    if (z == NULL)
        return;
    (void)inflateEnd(&z->z);
    free(z);
}

/* One step; *got octets came out. */
static int step(struct gz *z, uint8_t *buf, size_t cap, size_t *got, struct err *e)
{
    size_t in = MIN(z->len - z->at, (size_t)INT_MAX);
    int rc;

    z->z.next_in = (z_const Bytef *)(uintptr_t)(z->p + z->at);
    z->z.avail_in = (uInt)in;
    z->z.next_out = buf;
    z->z.avail_out = (uInt)MIN(cap, (size_t)INT_MAX);
    rc = inflate(&z->z, Z_NO_FLUSH);
    z->at += in - z->z.avail_in;
    *got = MIN(cap, (size_t)INT_MAX) - z->z.avail_out;
    if (rc == Z_STREAM_END) {
        z->ended = !gz_is(z->p + z->at, z->len - z->at); /* else another member */
        return inflateReset(&z->z) == Z_OK ? ERR_OK : ERR_NOMEM;
    }
    if (rc == Z_MEM_ERROR)
        return err_set(e, ERR_NOMEM, "gzip: out of memory");
    if (rc != Z_OK && rc != Z_BUF_ERROR)
        return err_set(e, ERR_FORMAT, "gzip: damaged at octet %zu", z->at);
    if (*got == 0 && z->at == z->len)
        return err_set(e, ERR_FORMAT, "gzip: the file is cut off");
    return ERR_OK;
}

int gz_read(struct gz *z, uint8_t *buf, size_t cap, size_t *got, struct err *e)
{
    int rc = ERR_OK;

    *got = 0;
    while (rc == ERR_OK && *got == 0 && !z->ended && cap > 0)
        rc = step(z, buf, cap, got, e);
    return rc;
}
