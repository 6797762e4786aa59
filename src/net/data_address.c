// SPDX-License-Identifier: BSD-3-Clause
//
// Addresses of ports: UCX's own, which it would believe whatever it holds, with a head of ours:
//
//     magic u32, checksum u32 of what follows, UCX's version u16 u16, the port's id u64, its address u32-counted
#include "config.h"

#include "net/data_internal.h"

enum { ADDRESS_MAGIC = 0x64706f72, SUMMED_FROM = 8, ADDRESS_LIMIT = 65536 };

static uint32_t checksum(const uint8_t *bytes, size_t length)
{
    uint32_t sum = 2166136261u;
    for (size_t i = 0; i < length; i++)
        sum = (sum ^ bytes[i]) * 16777619u;
    return sum;
}

static void pack_version(struct pack *pack, const struct data_ucx *ucx)
{
    unsigned major, minor, release;
    ucx->ucp_get_version(&major, &minor, &release);
    pack_u16(pack, (uint16_t)major);
    pack_u16(pack, (uint16_t)minor);
}

bool address_make(struct pack *address, const struct data_ucx *ucx, uint64_t port,
                  const void *inner, size_t length)
{
    struct pack summed = PACK_EMPTY;
    pack_version(&summed, ucx);
    pack_u64(&summed, port);
    pack_bytes(&summed, inner, length);
    pack_u32(address, ADDRESS_MAGIC);
    pack_u32(address, summed.failed ? 0 : checksum(summed.data, summed.length));
    pack_raw(address, summed.data, summed.length);
    address->failed |= summed.failed;
    pack_fini(&summed);
    return !address->failed;
}

dragon_err_t address_check(const struct data_ucx *ucx, const void *address, size_t length,
                           uint64_t *port_out, const ucp_address_t **inner_out,
                           dragon_error_t *error)
{
    struct unpack unpack = unpack_start(address, length < ADDRESS_LIMIT ? length : 0);
    bool is_ours = unpack_u32(&unpack) == ADDRESS_MAGIC;
    uint32_t sum = unpack_u32(&unpack);
    unsigned its_major = unpack_u16(&unpack), its_minor = unpack_u16(&unpack);
    uint64_t port = unpack_u64(&unpack);
    size_t inner_length;
    const void *inner = unpack_bytes(&unpack, &inner_length);
    if (!unpack_done(&unpack) || !is_ours ||
        sum != checksum((const uint8_t *)address + SUMMED_FROM, length - SUMMED_FROM))
        return err_set(error, DRAGON_ERR_INVAL, "%zu bytes that are no address of a data port",
                       length);
    // What UCX sends is its own affair from one version to the next.
    unsigned major, minor, release;
    ucx->ucp_get_version(&major, &minor, &release);
    if (its_major != major || its_minor != minor)
        return err_set(
            error, DRAGON_ERR_UNSUPPORTED,
            "the other process has UCX %u.%u, this one %u.%u: they need the same; look at "
            "LD_LIBRARY_PATH and the modules that are loaded",
            its_major, its_minor, major, minor);
    *port_out = port;
    *inner_out = (const ucp_address_t *)inner;
    return DRAGON_OK;
}
