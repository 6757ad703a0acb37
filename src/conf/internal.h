/* conf/internal.h - between the files of src/conf only. */
#ifndef WEIR_CONF_INTERNAL_H
#define WEIR_CONF_INTERNAL_H

#include "conf/conf.h"

struct conf_place {
    enum conf_source source;
    uint32_t line, column; /* from 1 */
};

/* Set option o from text. Lists append to what the same source gave before. */
int conf_put(struct conf *c, enum opt o, const char *text, const struct conf_place *at,
             struct err *e) WARN_UNUSED;

/* Read a YAML text into c. */
int conf_read_yaml(struct conf *c, const char *text, size_t len, struct err *e) WARN_UNUSED;

#endif
