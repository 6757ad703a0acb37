/* Values of lists (RFC 6313) as JSON and as text: first octet = which kind of list. */
#include <stdlib.h>
#include <string.h>

#include "flow/elem.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static const uint16_t kind[] = { 291, 292, 293 };
    struct buf out = buf_init(1u << 20);
    uint8_t *exact;

    if (n == 0)
        return 0;
    exact = malloc(n); /* no octet behind the value: a read of it is found */
    if (exact == NULL)
        return 0;
    memcpy(exact, p + 1, n - 1);
    elem_json(&out, 0, kind[p[0] % 3], exact, n - 1);
    elem_text(&out, 0, kind[p[0] % 3], exact, n - 1);
    free(exact);
    buf_free(&out);
    return 0;
}
