/* Feed every file of the folders named on the command line to a fuzz target: any compiler replays
 * the corpora, no libFuzzer needed. Each input is an exact-size heap copy, so that ASan sees one
 * octet too many. Fails if a folder holds no file: an empty replay would prove nothing. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    uint8_t *all = malloc(16u << 20), *exact;
    size_t n;

    if (f == NULL || all == NULL) {
        perror(path);
        exit(1);
    }
    n = fread(all, 1, 16u << 20, f);
    (void)fclose(f);
    exact = malloc(n > 0 ? n : 1);
    if (exact == NULL)
        exit(1);
    memcpy(exact, all, n);
    free(all);
    (void)LLVMFuzzerTestOneInput(exact, n);
    free(exact);
    return 1;
}

int main(int argc, char **argv)
{
    int files = 0;

    for (int i = 1; i < argc; i++) {
        DIR *d = opendir(argv[i]);
        struct dirent *de;
        char path[4096];
        if (d == NULL) {
            perror(argv[i]);
            return 1;
        }
        while ((de = readdir(d)) != NULL) {
            if (de->d_name[0] == '.')
                continue;
            (void)snprintf(path, sizeof path, "%s/%s", argv[i], de->d_name);
            files += replay_file(path);
        }
        (void)closedir(d);
    }
    (void)printf("%d inputs\n", files);
    return files > 0 ? 0 : 1;
}
