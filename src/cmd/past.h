/* cmd/past.h - weir status --gaps and --history: what was missing and what was counted, of a
 * running server or of a data directory. Floor 7. */
#ifndef WEIR_CMD_PAST_H
#define WEIR_CMD_PAST_H

#include "cmd/cmd.h"
#include "present/present.h"

/* sock: of the server; NULL: none runs. Returns an enum exit_code. */
int past_show(const struct args *a, const char *dir, const char *sock, enum present_format f);

#endif
