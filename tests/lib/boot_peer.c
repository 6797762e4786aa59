// SPDX-License-Identifier: BSD-3-Clause
//
// Joins a run the explicit way as rank 1 of 2 and offers, in place of what dragon-run offers,
//
//     release   what a dragon-run of another release would
//     version   the same release with another version of what goes between nodes
//     short     the beginning of it only
//     garbage   bytes without sense
//     empty     nothing
//
// usage: boot_peer WHAT HOST:PORT SECRET_FILE. Exits with 0 when the exchange went well.
#include "config.h"

#include "base/base.h"
#include "boot/boot.h"

enum { MAGIC = 0x4e475244, WIRE_VERSION = 5, WAIT_MS = 30000 }; // as in cli/run_join.c

static bool make_offer(struct pack *pack, const char *what)
{
    if (strcmp(what, "empty") == 0)
        return true;
    if (strcmp(what, "garbage") == 0) {
        uint8_t bytes[5000];
        auth_random(bytes, sizeof bytes);
        pack_raw(pack, bytes, sizeof bytes);
        return true;
    }
    bool release = strcmp(what, "release") == 0, version = strcmp(what, "version") == 0;
    pack_u32(pack, MAGIC);
    pack_str(pack, release ? "99.1" : PACKAGE_VERSION);
    pack_u32(pack, version ? 4711 : WIRE_VERSION);
    pack_str(pack, "otherhost");
    return release || version || strcmp(what, "short") == 0;
}

int main(int argc, char **argv)
{
    struct pack pack = PACK_EMPTY;
    struct boot_blob *blobs;
    struct boot *boot;
    dragon_error_t error;
    if (argc != 4 || !auth_open() || !make_offer(&pack, argv[1]) || pack.failed) {
        fputs("usage: boot_peer release|version|short|garbage|empty HOST:PORT SECRET_FILE\n", stderr);
        return 2;
    }
    struct boot_options options = {.rank = 1,
                                   .size = 2,
                                   .address = argv[2],
                                   .secret_file = argv[3],
                                   .listen_fd = -1,
                                   .deadline_ms = time_now_ms() + WAIT_MS,
                                   .cancel_fd = -1};
    struct boot_blob mine = {.data = pack.data, .length = pack.length};
    dragon_err_t err = boot_join(&options, &boot, &error);
    if (err == DRAGON_OK) {
        err = boot_exchange(boot, &mine, &blobs, &error);
        if (err == DRAGON_OK)
            boot_blobs_free(blobs, 2);
        boot_destroy(boot);
    }
    pack_fini(&pack);
    if (err != DRAGON_OK)
        fprintf(stderr, "boot_peer: %s\n", error.text);
    return err != DRAGON_OK;
}
