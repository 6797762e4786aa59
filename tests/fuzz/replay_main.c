// SPDX-License-Identifier: BSD-3-Clause
//
// Stands in for libFuzzer: gives a fuzz target every file of a folder once, and prints TAP. An
// input that breaks the target ends the program, so its name is printed before.
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *folder, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (!file)
        return -1;
    uint8_t *data = NULL;
    size_t size = 0;
    if (fseek(file, 0, SEEK_END) == 0) {
        long length = ftell(file);
        rewind(file);
        // Exactly as long as the input, so that a sanitizer sees a read past its end.
        data = malloc(length > 0 ? (size_t)length : 1);
        size = data && length > 0 ? fread(data, 1, (size_t)length, file) : 0;
    }
    fclose(file);
    if (!data)
        return -1;
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    return 0;
}

static int is_input(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

int main(int argc, char **argv)
{
    struct dirent **entries;
    int count = argc == 2 ? scandir(argv[1], &entries, is_input, alphasort) : -1;
    if (count <= 0) {
        fprintf(stderr, "usage: %s FOLDER, with at least one input in it\n", argv[0]);
        return 2;
    }
    int failed = 0;
    printf("1..%d\n", count);
    for (int i = 0; i < count; i++) {
        printf("# %s\n", entries[i]->d_name);
        fflush(stdout);
        int status = replay(argv[1], entries[i]->d_name);
        printf("%s %d - %s\n", status == 0 ? "ok" : "not ok", i + 1, entries[i]->d_name);
        failed |= status;
        free(entries[i]);
    }
    free(entries);
    return failed ? 1 : 0;
}
