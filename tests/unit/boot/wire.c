// SPDX-License-Identifier: BSD-3-Clause
//
// The formats of boot/: what is written is read back, and nothing else is.
#include "config.h"

#include "boot/internal.h"

#include <criterion/criterion.h>

Test(boot_wire, wrapped_blobs)
{
    struct boot_blob blob = {(uint8_t *)"address", 7}, back;
    struct pack pack = PACK_EMPTY;
    size_t total;
    cr_assert(boot_wrap(&blob, 5, &pack));
    cr_assert(boot_wrap_length(pack.data, BOOT_WRAP_BYTES, 5, &total) && total == pack.length);
    cr_assert(boot_unwrap(pack.data, pack.length, 5, &back) == DRAGON_OK);
    cr_assert(back.length == 7 && memcmp(back.data, "address", 7) == 0);
    free(back.data);
    cr_assert(boot_unwrap(pack.data, pack.length, 6, &back) == DRAGON_ERR_PROTO);
    cr_assert(boot_unwrap(pack.data, pack.length - 1, 5, &back) == DRAGON_ERR_PROTO);
    cr_assert(boot_unwrap(pack.data, 3, 5, &back) == DRAGON_ERR_PROTO);
    pack.data[0] ^= 2;
    cr_assert(boot_unwrap(pack.data, pack.length, 5, &back) == DRAGON_ERR_PROTO);
    pack_fini(&pack);
}

Test(boot_wire, headers)
{
    uint8_t bytes[BOOT_HEADER_BYTES];
    struct boot_header header = {BOOT_WIRE_VERSION, DRAGON_ERR_TIMEOUT, 40}, back;
    boot_header_write(&header, bytes);
    cr_assert(boot_header_read(bytes, 4, &back));
    cr_assert(back.code == DRAGON_ERR_TIMEOUT && back.length == 40);
    header.length = BOOT_REPORT_LIMIT + 1;
    boot_header_write(&header, bytes);
    cr_assert(!boot_header_read(bytes, 4, &back));
    header = (struct boot_header){BOOT_WIRE_VERSION, (dragon_err_t)-99, 4};
    boot_header_write(&header, bytes);
    cr_assert(!boot_header_read(bytes, 4, &back));
    header = (struct boot_header){BOOT_WIRE_VERSION, DRAGON_OK, 4ull * (4 + BOOT_BLOB_LIMIT)};
    boot_header_write(&header, bytes);
    cr_assert(boot_header_read(bytes, 4, &back));
    cr_assert(!boot_header_read(bytes, 3, &back)); // more than three ranks can have offered
}

Test(boot_wire, tables)
{
    struct boot_blob table[3] = {{(uint8_t *)"a", 1}, {(uint8_t *)"", 0}, {(uint8_t *)"ccc", 3}};
    struct pack pack = PACK_EMPTY;
    cr_assert(boot_table_write(table, 3, &pack));
    struct boot_blob *back = calloc(3, sizeof *back);
    cr_assert(boot_table_read(pack.data, pack.length, 3, 0, back) == DRAGON_OK);
    cr_assert(!back[0].data && back[1].length == 0 && memcmp(back[2].data, "ccc", 3) == 0);
    boot_blobs_free(back, 3);
    for (size_t length = 0; length < pack.length; length++) {
        uint8_t *cut = malloc(length + 1);
        memcpy(cut, pack.data, length);
        back = calloc(3, sizeof *back);
        cr_assert(boot_table_read(cut, length, 3, 0, back) == DRAGON_ERR_PROTO);
        boot_blobs_free(back, 3);
        free(cut);
    }
    back = calloc(2, sizeof *back);
    cr_assert(boot_table_read(pack.data, pack.length, 2, 0, back) == DRAGON_ERR_PROTO);
    boot_blobs_free(back, 2);
    pack_fini(&pack);
}

Test(boot_wire, base64)
{
    uint8_t data[256], back[256];
    char text[400];
    size_t length;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 37 + 11);
    for (size_t size = 0; size <= sizeof data; size++) {
        pmi1_encode(data, size, text);
        cr_assert(strlen(text) == pmi1_encoded_length(size));
        cr_assert(strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                               "0123456789-_") == strlen(text));
        cr_assert(pmi1_decode(text, back, size, &length) && length == size);
        cr_assert(memcmp(data, back, size) == 0);
        cr_assert(size == 0 || !pmi1_decode(text, back, size - 1, &length)); // no room
    }
    cr_assert(!pmi1_decode("A", back, sizeof back, &length));
    cr_assert(!pmi1_decode("AAA=", back, sizeof back, &length));
    cr_assert(!pmi1_decode("A B", back, sizeof back, &length));
    cr_assert(!pmi1_decode("AB", back, sizeof back, &length)); // bits left over are not zero
}

Test(boot_wire, words_of_a_line)
{
    const char *line = "cmd=get_result rc=0 msg=success value=a=b kvsname=x";
    char text[16];
    long long number;
    cr_assert(pmi1_word(line, "value", text, sizeof text) && strcmp(text, "a=b") == 0);
    cr_assert(pmi1_word(line, "kvsname", text, sizeof text) && strcmp(text, "x") == 0);
    cr_assert(!pmi1_word(line, "name", text, sizeof text)); // the end of a word is no word
    cr_assert(!pmi1_word(line, "get_result", text, sizeof text));
    cr_assert(!pmi1_word(line, "msg", text, 7) && pmi1_word(line, "msg", text, 8));
    cr_assert(!pmi1_word("", "cmd", text, sizeof text));
    cr_assert(pmi1_word("cmd=", "cmd", text, sizeof text) && text[0] == '\0');
    cr_assert(pmi1_number(line, "rc", 0, 9, &number) && number == 0);
    cr_assert(!pmi1_number(line, "msg", 0, 9, &number));
}
