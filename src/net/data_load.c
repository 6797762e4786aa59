// SPDX-License-Identifier: BSD-3-Clause
//
// Finding UCX at run time, and keeping it from changing the process that it is loaded into.
#include "config.h"

#include "net/data_load.h"

#include <dlfcn.h>
#include <pthread.h>
#include <unistd.h>

static const char library_name[] = "libucp.so.0";

// How UCX treats the process is decided when it is loaded, from the environment; what that says already stays.
static const struct {
    const char *variable, *value;
    bool unless_rdma;
} environment[] = {
    // What goes wrong is told by our codes; UCX would write to the terminal.
    {"UCX_LOG_LEVEL", "fatal", false},
    // A debugger, a language runtime or an MPI library may have these signals.
    {"UCX_HANDLE_ERRORS", "none", false},
    {"UCX_ERROR_SIGNALS", "", false},
    // It would patch mmap and its like in the running process, which only RDMA needs: to know what became of memory
    // that it has registered.
    {"UCX_MEM_EVENTS", "n", true},
    {"UCX_VFS_ENABLE", "n", false},
};
enum { VARIABLES = sizeof environment / sizeof environment[0] };

// Its own settings, where the version has such calls.
static ucs_status_t (*set_option)(const char *name, const char *value);
static ucs_status_t (*get_option)(const char *name, char *value, size_t room);

static void find_options(void *library)
{
    set_option =
        (ucs_status_t(*)(const char *, const char *))dlsym(library, "ucs_global_opts_set_value");
    get_option =
        (ucs_status_t(*)(const char *, char *, size_t))dlsym(library, "ucs_global_opts_get_value");
}

bool data_has_rdma(void)
{
    return access("/sys/class/infiniband", F_OK) == 0;
}

// It is in the environment for as long as it takes, so that programs that are started do not get it.
static void *load_as_we_want_it(void)
{
    bool is_set[VARIABLES] = {false};
    for (size_t i = 0; i < VARIABLES; i++) {
        if (getenv(environment[i].variable) || (environment[i].unless_rdma && data_has_rdma()))
            continue;
        is_set[i] = setenv(environment[i].variable, environment[i].value, 1) == 0;
    }
    void *library = dlopen(library_name, RTLD_NOW | RTLD_LOCAL);
    for (size_t i = 0; i < VARIABLES; i++)
        if (is_set[i])
            unsetenv(environment[i].variable);
    return library;
}

// Somebody else's, an MPI library's for instance, stays as they made it.
static void *load(void)
{
    void *library = dlopen(library_name, RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
    if (!library)
        library = load_as_we_want_it();
    if (library)
        find_options(library);
    return library;
}

static pthread_mutex_t hush_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned hushed; // so often
static char hushed_level[16];

void data_hush(void)
{
    pthread_mutex_lock(&hush_lock);
    if (hushed++ == 0) {
        if (!set_option || !get_option || getenv("UCX_LOG_LEVEL") ||
            get_option("LOG_LEVEL", hushed_level, sizeof hushed_level) != UCS_OK)
            hushed_level[0] = 0;
        else
            set_option("LOG_LEVEL", "fatal");
    }
    pthread_mutex_unlock(&hush_lock);
}

void data_unhush(void)
{
    pthread_mutex_lock(&hush_lock);
    if (--hushed == 0 && hushed_level[0])
        set_option("LOG_LEVEL", hushed_level);
    pthread_mutex_unlock(&hush_lock);
}

static bool find_all(struct data_ucx *ucx, dragon_error_t *error)
{
    void *library = load();
    if (!library) {
        err_set(error, DRAGON_ERR_UNSUPPORTED,
                "messages to other nodes need UCX, which cannot be loaded: %s; install libucx0, or "
                "put its folder on LD_LIBRARY_PATH",
                dlerror());
        return false;
    }
#define DATA_UCX_FIND(name)                                                          \
    if (!(ucx->name = (__typeof__(ucx->name))dlsym(library, #name))) {               \
        err_set(error, DRAGON_ERR_UNSUPPORTED,                                       \
                "the UCX found as %s is too old: it has no %s; install UCX 1.12 or " \
                "later, or put its folder first on LD_LIBRARY_PATH",                 \
                library_name, #name);                                                \
        return false;                                                                \
    }
    DATA_UCX_LIST(DATA_UCX_FIND)
#undef DATA_UCX_FIND
    return true;
}

const struct data_ucx *data_load(dragon_error_t *error)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static struct data_ucx ucx;
    static bool is_loaded;
    pthread_mutex_lock(&lock);
    if (!is_loaded)
        is_loaded = find_all(&ucx, error);
    bool succeeded = is_loaded;
    pthread_mutex_unlock(&lock);
    return succeeded ? &ucx : NULL;
}

dragon_err_t data_err(ucs_status_t status)
{
    switch (status) {
    case UCS_OK:
        return DRAGON_OK;
    case UCS_ERR_NO_MEMORY:
        return DRAGON_ERR_NOMEM;
    case UCS_ERR_INVALID_PARAM:
    case UCS_ERR_INVALID_ADDR:
        return DRAGON_ERR_INVAL;
    case UCS_ERR_NO_DEVICE:
    case UCS_ERR_UNSUPPORTED:
    case UCS_ERR_NOT_IMPLEMENTED:
        return DRAGON_ERR_UNSUPPORTED;
    case UCS_ERR_CANCELED: // by ourselves, when the peer was lost
    case UCS_ERR_UNREACHABLE:
    case UCS_ERR_CONNECTION_RESET:
    case UCS_ERR_ENDPOINT_TIMEOUT:
    case UCS_ERR_REJECTED:
    case UCS_ERR_NOT_CONNECTED:
    case UCS_ERR_TIMED_OUT:
        return DRAGON_ERR_PEER;
    case UCS_ERR_MESSAGE_TRUNCATED:
        return DRAGON_ERR_PROTO;
    default:
        return DRAGON_ERR_SYS;
    }
}
