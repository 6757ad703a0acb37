/* cmd/foreign.h - files of other tools for weir import: which it is, and how its octets are read.
 * Floor 7. */
#ifndef WEIR_CMD_FOREIGN_H
#define WEIR_CMD_FOREIGN_H

#include <stdio.h>

#include "collect/import.h"
#include "convert/convert.h"

struct foreign {
    enum convert_format format; /* CONVERT_NONE: none of these; a capture, perhaps */
    const char *path, *map;
    const uint8_t *octets;
    size_t len;
    struct addr exporter;
    int64_t changed_ms;
    struct convert_stats stats;

    size_t at; /* of the file, read */
    struct gz *gz;
    struct os_pipe *pipe;
    import_give *give;
    void *door;
    bool enough; /* give() said that there is no need to go on */
};

/* By content, unless `format` says it ("zeek" ...) or a map is given (a CSV). f->octets and len are
 * set. Errors: ERR_ARG (no such format), ERR_NOMEM. */
int foreign_which(struct foreign *f, const char *format, struct err *e) WARN_UNUSED;
/* import_source.convert, with a struct foreign. */
int foreign_convert(void *ctx, import_give *give, void *door, struct err *e);
/* What was read and what not, after "weir import"'s first line. */
void foreign_show(FILE *out, const struct foreign *f);

#endif
