// SPDX-License-Identifier: BSD-3-Clause
//
// The doctor on software: our programs and the libraries that they load here, and what UCX would use.
#include "config.h"

#include "cli/command.h"
#include "cli/info_doctor_parts.h"

#include <limits.h>
#include <sys/wait.h>
#include <unistd.h>

// ---- our programs

// Beside us (a build directory), or where it was installed.
static char *find_ours(const char *name)
{
    char *path = self_beside(name);
    if (!path && asprintf(&path, "%s/%s", DRAGON_LIBEXECDIR, name) < 0)
        return NULL;
    if (path && access(path, X_OK) != 0) {
        free(path);
        return NULL;
    }
    return path;
}

// What the loader says of the program's libraries, "libx.so.1 => /lib/libx.so.1 (0x...)", without running it.
static char *list_libraries(char *path)
{
    int status;
    char *argv[] = {path, NULL}, **env = strv_copy(environ), *text = NULL;
    if (env && env_set(&env, "LD_TRACE_LOADED_OBJECTS", "1"))
        text = doctor_run(argv, env, &status);
    strv_free(env);
    return text;
}

// The file behind the library's name, "libhwloc.so.15.6.2" in full. False: it is not told.
static bool library_file(const char *list, const char *library, char *file, size_t room)
{
    char line[PATH_MAX + 200], path[PATH_MAX];
    if (!doctor_line(list, library, line, sizeof line))
        return false;
    char *arrow = strstr(line, "=> "), *end = strstr(line, " (0x");
    if (!arrow || !end || end < arrow)
        return false;
    *end = 0;
    if (!realpath(arrow + 3, path))
        return false;
    snprintf(file, room, "%s", path);
    return true;
}

static void check_program(struct doctor *doctor, const char *name, const char *program,
                          const char *library, const char *built)
{
    static const char advice[] =
        "install the library, or set LD_LIBRARY_PATH to where it is, on every host";
    char file[PATH_MAX], line[400];
    char *path = find_ours(program);
    if (!path) {
        doctor_fail(doctor, name, "install dragon in full: \"make install\"",
                    "%s is neither beside this program nor in %s", program, DRAGON_LIBEXECDIR);
        return;
    }
    char *list = list_libraries(path);
    if (!list)
        doctor_fail(doctor, name, "see whether its file system answers", "%s cannot be run", path);
    else if (doctor_line(list, "not found", line, sizeof line))
        doctor_fail(doctor, name, advice, "%s cannot load %s", path, line);
    else if (library_file(list, library, file, sizeof file))
        doctor_fine(doctor, name, "built with %s, loads %s", built, file);
    else
        doctor_fine(doctor, name, "built with %s", built);
    free(list);
    free(path);
}

// ---- UCX

struct ucx_seen {
    char fast[200], slow[200]; // "mlx5_0 (rc_mlx5)"
};

// What is left over of the network's devices: inside a host, or of no use for messages.
static bool is_network(const char *transport)
{
    static const char *const networks[] = {"rc_", "dc_",  "ud_", "rc",   "dc",  "ud",
                                           "tcp", "ugni", "srd", "gga_", "efa", "bxi"};
    for (size_t i = 0; i < sizeof networks / sizeof *networks; i++) {
        size_t length = strlen(networks[i]);
        bool prefix = networks[i][length - 1] == '_';
        if (prefix ? strncmp(transport, networks[i], length) == 0
                   : strcmp(transport, networks[i]) == 0)
            return true;
    }
    return false;
}

static void ucx_note(struct ucx_seen *seen, const char *transport, const char *device)
{
    bool slow = strcmp(transport, "tcp") == 0;
    char *list = slow ? seen->slow : seen->fast;
    size_t used = strlen(list);
    if (!is_network(transport) || (slow && strcmp(device, "lo") == 0) || strstr(list, device))
        return;
    snprintf(list + used, sizeof seen->fast - used, "%s%s (%s)", used ? ", " : "", device,
             transport);
}

// Lines of `ucx_info -d`: "#      Transport: rc_mlx5", then "#         Device: mlx5_0:1" and others.
static void ucx_parse(const char *text, struct ucx_seen *seen)
{
    char transport[64] = "", device[64];
    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        if (*line != '#')
            continue;
        if (sscanf(line, "# Transport: %63s", transport) == 1)
            continue;
        if (*transport && sscanf(line, "# Device: %63s", device) == 1)
            ucx_note(seen, transport, device);
    }
}

static void ucx_version(char *ucx_info, char *version, size_t room)
{
    int status;
    char line[200], *argv[] = {ucx_info, "-v", NULL};
    char *text = doctor_run(argv, NULL, &status);
    snprintf(version, room, "of unknown version");
    // "# Library version: 1.13.1", or older "# UCT version=1.8.0 revision 0"
    if (text && (doctor_line(text, "ibrary version", line, sizeof line) ||
                 doctor_line(text, "version=", line, sizeof line))) {
        const char *at = line + strcspn(line, "0123456789");
        snprintf(version, room, "%.*s", (int)strcspn(at, " \t"), at);
    }
    free(text);
}

static void check_ucx(struct doctor *doctor)
{
    static const char advice[] =
        "harmless without a fast network; with one, UCX has to be built with its drivers";
    struct ucx_seen seen = {0};
    char version[64];
    int status;
    char *ucx_info = command_find("ucx_info");
    if (!ucx_info) {
        doctor_fine(doctor, "UCX", "not looked at: there is no ucx_info on PATH");
        return;
    }
    ucx_version(ucx_info, version, sizeof version);
    char *argv[] = {ucx_info, "-d", NULL}, *text = doctor_run(argv, NULL, &status);
    if (text)
        ucx_parse(text, &seen);
    if (!text)
        doctor_warn(doctor, "UCX", "MPI libraries that use it may hang alike: see to its devices",
                    "%s: \"ucx_info -d\" does not answer within 5 s", version);
    else if (*seen.fast)
        doctor_fine(doctor, "UCX", "%s, would use %s", version, seen.fast);
    else if (*seen.slow)
        doctor_warn(doctor, "UCX", advice, "%s, would use TCP only, %s", version, seen.slow);
    else
        doctor_warn(doctor, "UCX", advice, "%s, finds no network at all", version);
    free(text);
    free(ucx_info);
}

void doctor_check_software(struct doctor *doctor)
{
    doctor_fine(doctor, "release", "dragon %s", PACKAGE_VERSION);
    check_program(doctor, "hwloc", "dragon-agent", "libhwloc.so", DRAGON_BUILT_HWLOC);
    check_program(doctor, "PMIx", "dragon-pmix", "libpmix.so", DRAGON_BUILT_PMIX);
    check_ucx(doctor);
}
