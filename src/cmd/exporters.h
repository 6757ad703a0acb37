/* cmd/exporters.h - the two halves of weir exporters. Floor 7. */
#ifndef WEIR_CMD_EXPORTERS_H
#define WEIR_CMD_EXPORTERS_H

#include "cmd/cmd.h"

/* weir exporters config [VENDOR]: what to type into a device. Returns an enum exit_code. */
int exporters_config(const struct args *a);

#endif
