/* base/csv.h - one line of a CSV file, cut into fields (RFC 4180).
 * Floor 0. No I/O, no allocation. */
#ifndef WEIR_BASE_CSV_H
#define WEIR_BASE_CSV_H

#include "base/defs.h"

#define CSV_FIELD 512u /* octets of a field with its terminator; longer ones are cut */

struct csv_field {
    char text[CSV_FIELD]; /* terminated */
    size_t len;
};

/* Cut a line (without its end) into at most `max` fields; returns how many there are. Fields may
 * stand in double quotes; a doubled quote stands for one. Those beyond `max` are left out. */
size_t csv_split(const char *p, size_t n, struct csv_field *f, size_t max);

/* The next line of a text from *at on, without its end (\n or \r\n); false behind the last one. */
bool csv_line(const char *text, size_t len, size_t *at, const char **line, size_t *n);

#endif
