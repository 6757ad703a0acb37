/* Definitions as YAML, and single members of groups (input that begins with "@"). What is read is
 * written, read again and compiled: the same rows. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "meta/defs.h"
#include "meta/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int differs(void *ctx, enum meta_table t, const struct meta_row *was,
                   const struct meta_row *is)
{
    const struct meta_row *r = was != NULL ? was : is;

    (void)ctx;
    (void)fprintf(stderr, "differs: %s %s\n", meta_table_info[t].one, r->v[0]);
    abort();
}

static void document(const char *text, size_t size)
{
    struct buf out = buf_init(META_YAML_MAX);
    struct meta_doc d = { 0 }, again = { 0 };
    struct defs *defs;
    struct err e = { 0 };

    if (meta_yaml_read(&d, "fuzz", text, size, &e) == ERR_OK) {
        meta_yaml_write(&out, &d);
        if (buf_ok(&out)) {
            int rc = meta_yaml_read(&again, "fuzz", buf_cstr(&out), out.len, &e);
            if (rc != ERR_OK && rc != ERR_NOMEM) {
                (void)fprintf(stderr, "%s\n%s\n", buf_cstr(&out), e.msg);
                abort();
            }
            if (rc == ERR_OK && meta_diff(&d, &again, differs, NULL) != ERR_OK)
                abort();
        }
        if (defs_make(&defs, &d, &e) == ERR_OK) {
            struct exporter_key x = { .addr = addr_from_v4(0xc0000201) };
            struct def_class c;
            defs_interface(defs, &x, 3, NULL, &c);
            (void)defs_exporter(defs, &x);
            (void)addr_map_get(&defs->sets, &x.addr);
            defs_unref(defs);
        }
    }
    meta_doc_free(&d);
    meta_doc_free(&again);
    buf_free(&out);
}

static void member(const char *text)
{
    struct buf a = buf_init(1u << 16), b = buf_init(1u << 16);
    struct item x, y;
    struct err e = { 0 };

    if (item_parse(&x, text, &e) == ERR_OK) {
        item_text(&a, &x);
        if (item_parse(&y, buf_cstr(&a), &e) != ERR_OK) {
            (void)fprintf(stderr, "%s: %s\n", buf_cstr(&a), e.msg);
            abort();
        }
        item_text(&b, &y);
        if (strcmp(buf_cstr(&a), buf_cstr(&b)) != 0)
            abort();
        item_free(&y);
    }
    item_free(&x);
    buf_free(&a);
    buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);

    if (text == NULL)
        return 0;
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    if (text[0] == '@')
        member(text + 1);
    else
        document(text, size);
    free(text);
    return 0;
}
