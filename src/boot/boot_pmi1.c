// SPDX-License-Identifier: BSD-3-Clause
//
// The pmi1 kind: a client of the PMI-1 line protocol, as MPICH's hydra and Slurm's pmi2 plugin
// serve it. One request is in flight at a time; each is one line, and so is its answer:
//
//     join      [port form: initack, set size, set rank,] init, get_maxes, get_my_kvsname
//     exchange  put of the own pieces, barrier_in (answered when all ranks are in it),
//               get of everybody's pieces
//     leave     finalize
//
// Values are short and must not hold blanks. Hydra silently cuts those above 1023 characters,
// whatever it announces, and Slurm takes a request line above 1024 for two. So a blob is cut into
// pieces in Base64 under numbered keys, dragon-boot-<rank>-<piece>, each put in one line of at most
// PUT_LIMIT; the first piece tells how many bytes there are. The protocol
// has no way to ask who is missing from a barrier.
#include "config.h"

#include "boot/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <unistd.h>

enum {
    NAME_BYTES = 260,
    KEY_BYTES = 40,
    PUT_LIMIT = 1000,  // characters of a line with a value
    PUT_OTHERS = 32,   // of these: commands and names of words
    VALUE_LEAST = 64,  // the first piece must hold the length at least
    LINE_LIMIT = 4096, // of an answer
    LEAVE_MS = 2000,
};

_Static_assert(PUT_LIMIT - PUT_OTHERS - KEY_BYTES - NAME_BYTES > VALUE_LEAST, "room for values");

struct pmi1 {
    int fd; // owned
    size_t value_limit;
    char name[NAME_BYTES]; // of the launcher's store
    char line[LINE_LIMIT]; // what has come and was not consumed yet
    size_t line_have;
    bool broken; // no longer in step with the server
};

static void pmi1_free(struct pmi1 *pmi)
{
    if (pmi->fd >= 0)
        close(pmi->fd);
    free(pmi);
}

static dragon_err_t garbage(struct pmi1 *pmi, const char *what, const char *line,
                            dragon_error_t *error)
{
    char shown[64];
    size_t length = 0;
    for (; line[length] && length < sizeof shown - 1; length++)
        shown[length] = line[length] < ' ' || line[length] > '~' ? '?' : line[length];
    shown[length] = '\0';
    pmi->broken = true;
    return err_set(error, DRAGON_ERR_PROTO, "the launcher answered \"%s\" to the PMI-1 request %s",
                   shown, what);
}

static dragon_err_t wait_failed(const struct boot *boot, struct pmi1 *pmi, dragon_err_t err,
                                const char *what, dragon_error_t *error)
{
    char text[BOOT_TEXT_BYTES];
    pmi->broken = true;
    snprintf(text, sizeof text, "the launcher's PMI-1 server, asked for %s", what);
    return boot_wait_error(boot, err, text, error);
}

// The next whole line, without its end; valid until the next call.
static dragon_err_t read_line(const struct boot *boot, struct pmi1 *pmi, const char *what,
                              uint64_t until_ms, char line_out[LINE_LIMIT], dragon_error_t *error)
{
    char *end;
    while (!(end = memchr(pmi->line, '\n', pmi->line_have))) {
        if (pmi->line_have == sizeof pmi->line) {
            pmi->line[sizeof pmi->line - 1] = '\0';
            return garbage(pmi, what, pmi->line, error);
        }
        size_t got;
        dragon_err_t err = boot_recv_some(boot, pmi->fd, pmi->line + pmi->line_have,
                                          sizeof pmi->line - pmi->line_have, until_ms, &got);
        if (err)
            return wait_failed(boot, pmi, err, what, error);
        pmi->line_have += got;
    }
    size_t length = (size_t)(end - pmi->line);
    memcpy(line_out, pmi->line, length);
    line_out[length] = '\0';
    pmi->line_have -= length + 1;
    memmove(pmi->line, end + 1, pmi->line_have);
    return DRAGON_OK;
}

// The next line must be cmd=`command`, with rc=0 if it has an rc.
static dragon_err_t expect(const struct boot *boot, struct pmi1 *pmi, const char *command,
                           uint64_t until_ms, char line_out[LINE_LIMIT], dragon_error_t *error)
{
    char word[64];
    long long rc = 0;
    dragon_err_t err = read_line(boot, pmi, command, until_ms, line_out, error);
    if (err)
        return err;
    if (!pmi1_word(line_out, "cmd", word, sizeof word) || strcmp(word, command) != 0)
        return garbage(pmi, command, line_out, error);
    if (pmi1_word(line_out, "rc", word, sizeof word) &&
        (!pmi1_number(line_out, "rc", -(1LL << 31), 1LL << 31, &rc) || rc != 0))
        return garbage(pmi, command, line_out, error);
    return DRAGON_OK;
}

__attribute__((format(printf, 4, 5))) static dragon_err_t send_line(const struct boot *boot,
                                                                    struct pmi1 *pmi,
                                                                    dragon_error_t *error,
                                                                    const char *format, ...)
{
    char line[LINE_LIMIT];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    dragon_err_t err = boot_send(boot, pmi->fd, line, (size_t)length, boot->deadline_ms);
    return err ? wait_failed(boot, pmi, err, "a request", error) : DRAGON_OK;
}

static dragon_err_t start_session(const struct boot *boot, struct pmi1 *pmi, dragon_error_t *error)
{
    char line[LINE_LIMIT];
    dragon_err_t err = send_line(boot, pmi, error, "cmd=init pmi_version=1 pmi_subversion=1\n");
    if (!err)
        err = expect(boot, pmi, "response_to_init", boot->deadline_ms, line, error);
    if (!err)
        err = send_line(boot, pmi, error, "cmd=get_maxes\n");
    if (!err)
        err = expect(boot, pmi, "maxes", boot->deadline_ms, line, error);
    if (err)
        return err;
    long long keys, values;
    if (!pmi1_number(line, "keylen_max", KEY_BYTES, 1 << 20, &keys) ||
        !pmi1_number(line, "vallen_max", VALUE_LEAST, 1 << 30, &values))
        return garbage(pmi, "get_maxes", line, error);
    pmi->value_limit = (size_t)values - 1;
    err = send_line(boot, pmi, error, "cmd=get_my_kvsname\n");
    if (!err)
        err = expect(boot, pmi, "my_kvsname", boot->deadline_ms, line, error);
    if (err)
        return err;
    if (!pmi1_word(line, "kvsname", pmi->name, sizeof pmi->name))
        return garbage(pmi, "get_my_kvsname", line, error);
    size_t fits = PUT_LIMIT - PUT_OTHERS - KEY_BYTES - strlen(pmi->name);
    if (pmi->value_limit > fits)
        pmi->value_limit = fits;
    return DRAGON_OK;
}

static dragon_err_t set_place(struct boot *boot, long long rank, long long size,
                              dragon_error_t *error)
{
    if (rank >= size)
        return err_set(error, DRAGON_ERR_INVAL,
                       "the launcher says rank %lld of %lld (PMI_RANK, PMI_SIZE)", rank, size);
    boot->rank = (uint32_t)rank;
    boot->size = (uint32_t)size;
    return DRAGON_OK;
}

static bool env_number(const char *name, long long low, long long high, long long *out)
{
    const char *text = getenv(name);
    return text && parse_number(text, low, high, out);
}

// PMI_FD is a descriptor which the launcher made, PMI_RANK and PMI_SIZE tell the rest.
static dragon_err_t use_fd(struct boot *boot, struct pmi1 *pmi, dragon_error_t *error)
{
    long long fd, rank, size;
    if (!env_number("PMI_FD", 0, 1 << 30, &fd) ||
        !env_number("PMI_RANK", 0, BOOT_SIZE_LIMIT - 1, &rank) ||
        !env_number("PMI_SIZE", 1, BOOT_SIZE_LIMIT, &size))
        return err_set(error, DRAGON_ERR_INVAL,
                       "PMI_FD is set, but PMI_FD, PMI_RANK and PMI_SIZE are not all numbers");
    if (fcntl((int)fd, F_SETFD, FD_CLOEXEC) < 0)
        return err_set_errno(error, errno, "PMI_FD=%lld is left over from another program", fd);
    pmi->fd = (int)fd;
    return set_place(boot, rank, size, error);
}

static dragon_err_t connect_any(const struct boot *boot, struct pmi1 *pmi, const char *address,
                                dragon_error_t *error)
{
    struct boot_address *list;
    size_t count;
    int failure = 0;
    dragon_err_t err = boot_resolve(boot, address, boot->deadline_ms, &list, &count, error);
    if (err)
        return err;
    err = DRAGON_ERR_PEER;
    for (size_t i = 0; i < count && err && err != DRAGON_ERR_CANCELED; i++)
        err = boot_connect(boot, &list[i], boot->deadline_ms, &pmi->fd, &failure);
    free(list);
    if (err)
        err_set(error, err, "cannot connect to the launcher at PMI_PORT=%s: %s", address,
                failure ? strerror(failure) : dragon_err_text(err));
    return err;
}

// Three lines "cmd=set name=value" follow the greeting: size, rank, debug.
static dragon_err_t read_place(struct boot *boot, struct pmi1 *pmi, dragon_error_t *error)
{
    long long rank = -1, size = -1;
    char line[LINE_LIMIT];
    for (int i = 0; i < 3; i++) {
        dragon_err_t err = expect(boot, pmi, "set", boot->deadline_ms, line, error);
        if (err)
            return err;
        pmi1_number(line, "rank", 0, BOOT_SIZE_LIMIT - 1, &rank);
        pmi1_number(line, "size", 1, BOOT_SIZE_LIMIT, &size);
    }
    if (rank < 0 || size < 0)
        return garbage(pmi, "initack", line, error);
    return set_place(boot, rank, size, error);
}

// PMI_PORT is an address, PMI_ID what to say there.
static dragon_err_t use_port(struct boot *boot, struct pmi1 *pmi, dragon_error_t *error)
{
    char line[LINE_LIMIT];
    long long id;
    if (!env_number("PMI_ID", 0, 1 << 30, &id))
        return err_set(error, DRAGON_ERR_INVAL, "PMI_PORT is set, but PMI_ID is not a number");
    dragon_err_t err = connect_any(boot, pmi, getenv("PMI_PORT"), error);
    if (!err)
        err = send_line(boot, pmi, error, "cmd=initack pmiid=%lld\n", id);
    if (!err)
        err = expect(boot, pmi, "initack", boot->deadline_ms, line, error);
    return err ? err : read_place(boot, pmi, error);
}

static void key_name(char key_out[KEY_BYTES], uint32_t rank, uint32_t piece)
{
    snprintf(key_out, KEY_BYTES, "dragon-boot-%u-%u", rank, piece);
}

static dragon_err_t put_piece(struct boot *boot, struct pmi1 *pmi, uint32_t piece,
                              const uint8_t *data, size_t length, dragon_error_t *error)
{
    char key[KEY_BYTES], value[PUT_LIMIT], line[LINE_LIMIT];
    key_name(key, boot->rank, piece);
    pmi1_encode(data, length, value);
    dragon_err_t err =
        send_line(boot, pmi, error, "cmd=put kvsname=%s key=%s value=%s\n", pmi->name, key, value);
    return err ? err : expect(boot, pmi, "put_result", boot->deadline_ms, line, error);
}

static dragon_err_t put_blob(struct boot *boot, struct pmi1 *pmi, const struct boot_blob *blob,
                             dragon_error_t *error)
{
    struct pack pack = PACK_EMPTY;
    dragon_err_t err = DRAGON_OK;
    size_t step = pmi->value_limit / 4 * 3;
    if (!boot_wrap(blob, boot->rank, &pack))
        err = err_set(error, DRAGON_ERR_NOMEM, "no memory for this rank's address");
    for (size_t at = 0; !err && at < pack.length; at += step) {
        size_t length = pack.length - at < step ? pack.length - at : step;
        err = put_piece(boot, pmi, (uint32_t)(at / step), pack.data + at, length, error);
    }
    pack_fini(&pack);
    return err;
}

static dragon_err_t barrier(struct boot *boot, struct pmi1 *pmi, dragon_error_t *error)
{
    char line[LINE_LIMIT], waited[BOOT_TEXT_BYTES];
    dragon_err_t err = send_line(boot, pmi, error, "cmd=barrier_in\n");
    if (!err)
        err = expect(boot, pmi, "barrier_out", boot->deadline_ms, line, error);
    if (err == DRAGON_ERR_TIMEOUT)
        err_set(error, err,
                "not all of the %u ranks came within %s (a PMI-1 launcher cannot tell which); is "
                "every process of this mpiexec a dragon-run?",
                boot->size, boot_waited(boot, waited));
    return err;
}

// Appends one piece to `have` bytes of `data`.
static dragon_err_t get_piece(struct boot *boot, struct pmi1 *pmi, uint32_t rank, uint32_t piece,
                              uint8_t *data, size_t room, size_t *length_out, dragon_error_t *error)
{
    char key[KEY_BYTES], line[LINE_LIMIT], value[LINE_LIMIT];
    key_name(key, rank, piece);
    dragon_err_t err = send_line(boot, pmi, error, "cmd=get kvsname=%s key=%s\n", pmi->name, key);
    if (!err)
        err = expect(boot, pmi, "get_result", boot->deadline_ms, line, error);
    if (err)
        return err;
    if (!pmi1_word(line, "value", value, sizeof value) ||
        !pmi1_decode(value, data, room, length_out) || *length_out == 0)
        return garbage(pmi, key, line, error);
    return DRAGON_OK;
}

static dragon_err_t get_pieces(struct boot *boot, struct pmi1 *pmi, uint32_t rank, uint8_t *data,
                               struct boot_blob *blob_out, dragon_error_t *error)
{
    size_t have = 0, total = BOOT_WRAP_BYTES;
    for (uint32_t piece = 0; have < total; piece++) {
        size_t length = 0;
        size_t room = (piece ? total : BOOT_WRAP_BYTES + BOOT_BLOB_LIMIT) - have;
        dragon_err_t err = get_piece(boot, pmi, rank, piece, data + have, room, &length, error);
        if (err)
            return err;
        have += length;
        if (piece == 0 && !boot_wrap_length(data, have, rank, &total))
            return err_set(error, DRAGON_ERR_PROTO,
                           "rank %u of %u offers something else than its address; is it a "
                           "dragon-run of this version?",
                           rank, boot->size);
    }
    dragon_err_t err = boot_unwrap(data, have, rank, blob_out);
    return err ? err_set(error, err, "the address of rank %u: %s", rank, dragon_err_text(err))
               : DRAGON_OK;
}

static dragon_err_t get_all(struct boot *boot, struct pmi1 *pmi, struct boot_blob *table,
                            dragon_error_t *error)
{
    uint8_t *data = malloc(BOOT_WRAP_BYTES + BOOT_BLOB_LIMIT);
    dragon_err_t err = DRAGON_OK;
    if (!data)
        return err_set(error, DRAGON_ERR_NOMEM, "no memory for the addresses of all ranks");
    for (uint32_t i = 0; !err && i < boot->size; i++)
        if (i != boot->rank)
            err = get_pieces(boot, pmi, i, data, &table[i], error);
    free(data);
    return err;
}

static dragon_err_t pmi1_exchange(struct boot *boot, struct boot_blob *table, dragon_error_t *error)
{
    struct pmi1 *pmi = boot->own;
    dragon_err_t err = put_blob(boot, pmi, &table[boot->rank], error);
    if (!err)
        err = barrier(boot, pmi, error);
    return err ? err : get_all(boot, pmi, table, error);
}

// The deadline was for the start; leaving has a short one of its own.
static void pmi1_leave(struct boot *boot)
{
    struct pmi1 *pmi = boot->own;
    char line[LINE_LIMIT];
    boot->deadline_ms = time_now_ms() + LEAVE_MS;
    boot->cancel_fd = -1;
    if (!pmi->broken && send_line(boot, pmi, NULL, "cmd=finalize\n") == DRAGON_OK)
        expect(boot, pmi, "finalize_ack", boot->deadline_ms, line, NULL);
    pmi1_free(pmi);
}

static const struct boot_ops pmi1_ops = {pmi1_exchange, pmi1_leave};

dragon_err_t boot_pmi1_join(struct boot *boot, dragon_error_t *error)
{
    struct pmi1 *pmi = calloc(1, sizeof *pmi);
    if (!pmi)
        return err_set(error, DRAGON_ERR_NOMEM, "no memory to join the run");
    pmi->fd = -1;
    const char *fd = getenv("PMI_FD");
    dragon_err_t err = fd && *fd ? use_fd(boot, pmi, error) : use_port(boot, pmi, error);
    if (!err)
        err = start_session(boot, pmi, error);
    if (err) {
        pmi1_free(pmi);
        return err;
    }
    boot->own = pmi;
    boot->ops = &pmi1_ops;
    return DRAGON_OK;
}
