/* sFlow: sequences of datagrams to the decoder; pieces begin behind the first half of the version,
 * which is 0. */
#include "fuzz_decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_datagrams(0, data, size);
    return 0;
}
