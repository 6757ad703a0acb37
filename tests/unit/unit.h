/* What every unit test includes: cmocka with the headers it wants, and exact-size copies. */
#ifndef WEIR_TESTS_UNIT_H
#define WEIR_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Exact-size heap copy: ASan sees one octet too many. */
static inline uint8_t *t_dup(const void *p, size_t n)
{
    uint8_t *q;

    assert_true(n <= SIZE_MAX / 2);
    q = malloc(n > 0 ? n : 1);
    assert_non_null(q);
    if (n > 0)
        memcpy(q, p, n);
    return q;
}

#endif
