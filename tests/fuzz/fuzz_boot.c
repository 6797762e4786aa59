// SPDX-License-Identifier: BSD-3-Clause
//
// Fuzzing what boot/ reads from outside. The first byte chooses the reader, the rest is its input:
// 0 the header of rank 0, 1 its table, 2 a wrapped blob, 3 a PMI-1 line, 4 Base64.
#include "config.h"

#include "boot/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

static void read_table(const uint8_t *data, size_t length)
{
    enum { SIZE_LIMIT = 64 };
    if (length == 0)
        return;
    uint32_t size = data[0] % SIZE_LIMIT + 1;
    struct boot_blob *table = calloc(size, sizeof *table);
    if (table)
        boot_table_read(data + 1, length - 1, size, 0, table);
    boot_blobs_free(table, size);
}

static void read_wrapped(const uint8_t *data, size_t length)
{
    struct boot_blob blob;
    size_t total;
    boot_wrap_length(data, length, 1, &total);
    if (boot_unwrap(data, length, 1, &blob) == DRAGON_OK)
        free(blob.data);
}

static void read_line(const char *line)
{
    static const char *const keys[] = {"cmd", "rc", "value", "kvsname", "vallen_max", "rank"};
    char text[64];
    long long number;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        pmi1_word(line, keys[i], text, sizeof text);
        pmi1_number(line, keys[i], 0, 1 << 20, &number);
    }
}

// What is decoded encodes to the same text.
static void read_base64(const char *text)
{
    size_t room = strlen(text), length;
    uint8_t *data = malloc(room + 1);
    char *again = malloc(room + 1);
    if (data && again && pmi1_decode(text, data, room, &length)) {
        pmi1_encode(data, length, again);
        if (strcmp(text, again) != 0)
            abort();
    }
    free(data);
    free(again);
}

static void read_text(const uint8_t *data, size_t length, void (*reader)(const char *))
{
    char *text = malloc(length + 1);
    if (!text)
        return;
    memcpy(text, data, length);
    text[length] = '\0';
    reader(text);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    struct boot_header header;
    if (length == 0)
        return 0;
    const uint8_t *rest = data + 1;
    length--;
    switch (data[0] % 5) {
    case 0:
        if (length >= BOOT_HEADER_BYTES)
            boot_header_read(rest, 4, &header);
        break;
    case 1:
        read_table(rest, length);
        break;
    case 2:
        read_wrapped(rest, length);
        break;
    case 3:
        read_text(rest, length, read_line);
        break;
    case 4:
        read_text(rest, length, read_base64);
        break;
    }
    return 0;
}
