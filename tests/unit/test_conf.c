#include "conf/conf.h"
#include "unit.h"

static int make(struct conf **c, const char *text, struct err *e)
{
    char *exact = (char *)t_dup(text, strlen(text));
    int rc = conf_make(c, "w.yaml", exact, strlen(text), NULL, 0, e);

    free(exact);
    return rc;
}

static void every_default_lies_within_its_bounds(void **s)
{
    struct conf *c;
    struct err e;

    (void)s;
    assert_int_equal(conf_make(&c, NULL, NULL, 0, NULL, 0, &e), ERR_OK);
    assert_int_equal(conf_num(c, OPT_RING_SIZE), 256u << 20);
    assert_int_equal(conf_num(c, OPT_SEAL_AGE), 300000);
    assert_int_equal(c->v[OPT_LISTEN].n_items, 3);
    assert_string_equal(c->v[OPT_LISTEN].item[1], "udp://[::]:4739");
    conf_unref(c);
}

static void nested_and_dotted_names_are_the_same_and_keep_their_line(void **s)
{
    struct conf *c;
    struct err e;
    char src[64];

    (void)s;
    assert_int_equal(
        make(&c,
             "# hello\nring:\n  size: 2M\nseal.age: 90\nlisten:\n - udp://127.0.0.1:1\n"
             " - udp://127.0.0.1:2\nexporters: {allow: [10/8]}\n",
             &e),
        ERR_OK);
    assert_int_equal(conf_num(c, OPT_RING_SIZE), 2u << 20);
    assert_int_equal(conf_num(c, OPT_SEAL_AGE), 90000);
    assert_int_equal(c->v[OPT_LISTEN].n_items, 2);
    assert_string_equal(conf_text(c, OPT_LISTEN), "udp://127.0.0.1:1 udp://127.0.0.1:2");
    assert_string_equal(conf_source_text(c, OPT_RING_SIZE, src, sizeof src), "w.yaml:3");
    assert_string_equal(conf_source_text(c, OPT_SEAL_AGE, src, sizeof src), "w.yaml:4");
    assert_string_equal(conf_source_text(c, OPT_SHARDS, src, sizeof src), "default");
    conf_unref(c);
}

static void the_command_line_wins_and_replaces_lists(void **s)
{
    static const struct conf_setting set[] = { { OPT_LISTEN, "udp://127.0.0.1:9" },
                                               { OPT_LISTEN, "udp://127.0.0.1:10,udp://[::1]:11" },
                                               { OPT_SEAL_ROWS, "1k" } };
    static const char text[] = "listen: udp://[::]:1\nseal: {rows: 7}";
    struct conf *c;
    struct err e;

    (void)s;
    assert_int_equal(conf_make(&c, "w", text, strlen(text), set, ARRAY_LEN(set), &e), ERR_OK);
    assert_int_equal(c->v[OPT_LISTEN].n_items, 3);
    assert_int_equal(conf_num(c, OPT_SEAL_ROWS), 1000);
    conf_unref(c);
}

static void what_is_wrong_is_named_with_its_place(void **s)
{
    static const struct {
        const char *text, *msg;
    } bad[] = {
        { "retenion:\n size: 1G\n",
          "w.yaml:1:1: unknown option \"retenion\"; did you mean retention?" },
        { "z: 1\n", "w.yaml:1:1: unknown option \"z\"; weir config show lists all options" },
        { "\nring:\n  sise: 1M\n",
          "w.yaml:3:3: unknown option \"ring.sise\"; did you mean ring.size?" },
        { "ring: 1M\n", "w.yaml:1:7: expected options inside ring" },
        { "ring: {size: 5}\n", "w.yaml:1:14: ring.size: 5 is out of bounds; allowed is 1M to 64G" },
        { "shards: many\n", "w.yaml:1:9: shards: \"many\" is not a whole number" },
        { "log: {level: loud}\n",
          "w.yaml:1:14: log.level: \"loud\" is none of: error warning notice info debug" },
        { "shards: 1\nshards: 2\n", "w.yaml:2:1: set twice: shards" },
        { "shards: [1]\n", "w.yaml:1:9: expected one value for shards" },
        { "listen: [[1]]\n", "w.yaml:1:10: expected a plain value in the list listen" },
        { "shards: &x 1\n", "w.yaml:1:9: tags and anchors are not used here" },
        { "- 1\n", "w.yaml:1:1: expected `option: value` lines" },
        { "shards: 1\n---\nshards: 2\n", "w.yaml:2:1: a second document; one is read" },
        { "z: 'x", "w.yaml:1:1: unknown option \"z\"; weir config show lists all options" },
        { "shards: 'x", "w.yaml:1:11: not YAML: found unexpected end of stream" },
        { "shards: 99999999999999999999\n",
          "w.yaml:1:9: shards: \"99999999999999999999\" is not a whole number" },
    };

    (void)s;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct conf *c;
        struct err e = { 0 };
        assert_int_not_equal(make(&c, bad[i].text, &e), ERR_OK);
        assert_null(c);
        assert_string_equal(e.msg, bad[i].msg);
    }
}

static void numbers_have_units(void **s)
{
    uint64_t v;

    (void)s;
    assert_true(conf_parse_number(OPT_TYPE_SIZE, "3G", &v) && v == 3ull << 30);
    assert_true(conf_parse_number(OPT_TYPE_DURATION, "250ms", &v) && v == 250);
    assert_true(conf_parse_number(OPT_TYPE_DURATION, "2d", &v) && v == 172800000);
    assert_true(conf_parse_number(OPT_TYPE_UINT, "5M", &v) && v == 5000000);
    assert_false(conf_parse_number(OPT_TYPE_SIZE, "", &v));
    assert_false(conf_parse_number(OPT_TYPE_SIZE, "-1", &v));
    assert_false(conf_parse_number(OPT_TYPE_SIZE, "1 M", &v));
    assert_false(conf_parse_number(OPT_TYPE_SIZE, "999999999999999P", &v));
    assert_false(conf_parse_number(OPT_TYPE_DURATION, "1M", &v));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_default_lies_within_its_bounds),
        cmocka_unit_test(nested_and_dotted_names_are_the_same_and_keep_their_line),
        cmocka_unit_test(the_command_line_wins_and_replaces_lists),
        cmocka_unit_test(what_is_wrong_is_named_with_its_place),
        cmocka_unit_test(numbers_have_units),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
