/* The configuration file: any text is either refused with a message or gives values within bounds.
 */
#include <stdlib.h>

#include "conf/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct conf *c;
    struct err e = { 0 };

    if (conf_make(&c, "fuzz.yaml", (const char *)data, size, NULL, 0, &e) != ERR_OK) {
        if (c != NULL || e.msg[0] == '\0')
            abort();
        return 0;
    }
    for (size_t o = 0; o < OPT_N; o++)
        if (c->v[o].text == NULL)
            abort();
    if (conf_num(c, OPT_SHARDS) < 1 || conf_num(c, OPT_SHARDS) > 64)
        abort();
    conf_unref(c);
    return 0;
}
