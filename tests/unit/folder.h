/* A folder of a test's own, and its end with all that is in it. */
#ifndef WEIR_TESTS_FOLDER_H
#define WEIR_TESTS_FOLDER_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "os/file.h"

#define FOLDER_NAME 64u

/* 0, or 1 if it cannot be made: what a setup of cmocka returns. */
static inline int folder_make(char name[FOLDER_NAME])
{
    (void)snprintf(name, FOLDER_NAME, "/tmp/weir-test-XXXXXX");
    return mkdtemp(name) != NULL ? 0 : 1;
}

static inline int folder_remove_one(void *ctx, const char *name)
{
    char path[512], target[512];

    (void)snprintf(path, sizeof path, "%s/%s", (const char *)ctx, name);
    if (os_is_dir(path) && os_readlink(path, target, sizeof target, NULL) != ERR_OK) {
        (void)os_dir_list(path, folder_remove_one, path, NULL);
        (void)rmdir(path);
    } else {
        (void)os_unlink(path, NULL);
    }
    return ERR_OK;
}

static inline void folder_empty(char *name)
{
    (void)os_dir_list(name, folder_remove_one, name, NULL);
}

/* 0, or other than 0 if something stayed. */
static inline int folder_remove(char *name)
{
    folder_empty(name);
    return rmdir(name);
}

#endif
