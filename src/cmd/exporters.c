/* weir exporters: what is to be said of each exporter, and what to type into it. */
#include <string.h>

#include "base/near.h"
#include "cmd/exporters.h"

const struct cmd_option exporters_options[] = {
    { "collector", 0, "ADDR", "with config: address of this machine, as the device reaches it" },
    { "port", 0, "N", "with config: the port that Weir listens on, if it is not the usual one" },
    { "source", 0, "NAME",
      "with config: interface or address that the device sends from, or that it watches" },
    { 0 },
};
const char exporters_help[] = "weir exporters config lists the vendors there are recipes for; with "
                              "VENDOR and --collector it\n"
                              "prints the lines to type into such a device.\n";

int cmd_exporters(const struct args *a)
{
    if (a->n_operands > 0 && strcmp(a->operand[0], "config") == 0)
        return exporters_config(a);
    return cmd_usage(a, "say what to do: weir exporters config");
}
