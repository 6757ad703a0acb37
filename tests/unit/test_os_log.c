/* Levels, limits by kind, and a file that is renamed away. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/log.h"
#include "unit.h"

#define WINDOW_MS 60

static char dir[] = "/tmp/weir-log-XXXXXX", file[64], old[64];

static unsigned count(const char *path, const char *text)
{
    struct buf b = buf_init(1u << 20);
    unsigned n = 0;

    assert_int_equal(os_file_slurp(path, &b, NULL), ERR_OK);
    for (const char *s = buf_cstr(&b); (s = strstr(s, text)) != NULL; s += strlen(text))
        n++;
    buf_free(&b);
    return n;
}

static void levels_hold(void **state)
{
    (void)state;
    log_set_level(LOG_LEVEL_NOTICE);
    log_line(LOG_LEVEL_INFO, "level %d", 3);
    log_line(LOG_LEVEL_NOTICE, "level %d", 2);
    assert_int_equal(count(file, "level 3"), 0);
    assert_int_equal(count(file, " notice  level 2\n"), 1);
    log_set_level(LOG_LEVEL_INFO);
}

static void a_kind_is_limited_and_the_rest_counted(void **state)
{
    (void)state;
    log_set_burst(3, 3600000); /* not over while this runs */
    for (int i = 0; i < 50; i++)
        log_line(LOG_LEVEL_WARN, "one kind %d", i);
    log_line(LOG_LEVEL_WARN, "another kind");
    log_flush(); /* not yet */
    assert_int_equal(count(file, "one kind"), 3);
    assert_int_equal(count(file, "another kind"), 1);
    log_set_burst(3, WINDOW_MS);
    clock_sleep_ms(WINDOW_MS + 1);
    log_flush();
    assert_int_equal(count(file, "warning one kind 49 (47 more like this suppressed)\n"), 1);
    log_flush(); /* told once */
    assert_int_equal(count(file, "suppressed"), 1);
    log_set_burst(0, WINDOW_MS);
    for (int i = 0; i < 50; i++)
        log_line(LOG_LEVEL_WARN, "no limit %d", i);
    assert_int_equal(count(file, "no limit"), 50);
    log_set_burst(20, LOG_WINDOW_MS);
}

static void more_kinds_than_are_remembered_are_not_lost(void **state)
{
    static char fmt[200][8]; /* formats are told apart by their place */

    (void)state;
    log_set_burst(1, 3600000);
    for (int i = 0; i < 200; i++) {
        (void)snprintf(fmt[i], sizeof fmt[i], "many %%d");
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        log_line(LOG_LEVEL_INFO, fmt[i], i);
#pragma GCC diagnostic pop
    }
    assert_int_equal(count(file, "many"), 200);
    log_set_burst(20, LOG_WINDOW_MS);
}

static void a_renamed_file_is_left(void **state)
{
    struct err e;

    (void)state;
    assert_int_equal(os_rename(file, old, &e), ERR_OK);
    log_line(LOG_LEVEL_INFO, "still the old one");
    assert_int_equal(log_reopen(&e), ERR_OK);
    log_line(LOG_LEVEL_INFO, "the new one");
    assert_int_equal(count(old, "still the old one"), 1);
    assert_int_equal(count(old, "the new one"), 0);
    assert_int_equal(count(file, "the new one"), 1);
    assert_int_equal(log_open("relative", &e), ERR_ARG);
    assert_int_equal(log_open("/proc/no/file", &e), ERR_IO);
    log_line(LOG_LEVEL_INFO, "after a refusal");
    assert_int_equal(count(file, "after a refusal"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels_hold),
        cmocka_unit_test(a_kind_is_limited_and_the_rest_counted),
        cmocka_unit_test(more_kinds_than_are_remembered_are_not_lost),
        cmocka_unit_test(a_renamed_file_is_left),
    };
    struct err e;
    int rc;

    if (mkdtemp(dir) == NULL)
        return 1;
    (void)snprintf(file, sizeof file, "%s/log", dir);
    (void)snprintf(old, sizeof old, "%s/log.1", dir);
    if (log_open(file, &e) != ERR_OK)
        return 1;
    rc = cmocka_run_group_tests(tests, NULL, NULL);
    (void)os_unlink(file, &e);
    (void)os_unlink(old, &e);
    (void)os_rmdir(dir, &e);
    return rc;
}
