#include "os/share.h"

#include <sys/mman.h>

void *os_share_new(size_t octets)
{
    void *p = mmap(NULL, octets, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);

    return p != MAP_FAILED ? p : NULL;
}

void os_share_free(void *p, size_t octets)
{
    if (p != NULL)
        (void)munmap(p, octets);
}
