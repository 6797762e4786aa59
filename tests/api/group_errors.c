// SPDX-License-Identifier: BSD-3-Clause
//
// Every error that runtime.h and group.h speak of but those that need a runtime to die (group_lost.c),
// and what their texts name. argv[1]: a silent socket, argv[2]: one of another version's agent.
#include "tap.h"

#include <sys/socket.h>
#include <sys/un.h>

static const char *the_runtime;

// In a process of its own, because of the environment, and to wait in for long at once with the rest.
static dragon_err_t attach_at(const char *path, uid_t uid, dragon_error_t *error)
{
    int pair[2];
    dragon_err_t err = DRAGON_OK;
    if (pipe(pair) != 0)
        exit(1);
    pid_t child = fork();
    if (child == 0) {
        dragon_runtime_t *runtime;
        if (path)
            setenv("DRAGON_RUNTIME", path, 1);
        else
            unsetenv("DRAGON_RUNTIME");
        memset(error, 0, sizeof *error);
        if (uid && setuid(uid) != 0)
            _exit(1);
        error->code = dragon_runtime_attach(&runtime, error);
        _exit(write(pair[1], error, sizeof *error) != (ssize_t)sizeof *error);
    }
    close(pair[1]);
    if (read(pair[0], error, sizeof *error) == (ssize_t)sizeof *error)
        err = error->code;
    close(pair[0]);
    waitpid(child, NULL, 0);
    return err;
}

// A socket that accepts and then does what `fn` says, in a process of its own that we end.
static pid_t serve(const char *path, void (*fn)(int fd))
{
    struct sockaddr_un address;
    memset(&address, 0, sizeof address);
    address.sun_family = AF_UNIX;
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 8) != 0)
        exit(1);
    pid_t child = fork();
    if (child == 0)
        for (;;)
            fn(accept(fd, NULL, NULL));
    close(fd);
    return child;
}

static void answer_nothing(int fd)
{
    (void)fd;
}

static void answer_end(int fd)
{
    close(fd);
}

static void answer_noise(int fd)
{
    char noise[4096];
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (char)(i * 37 + 11);
    if (write(fd, noise, sizeof noise) < 0)
        _exit(1);
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void check_attach(void)
{
    dragon_error_t error;
    pid_t server;
    tap_err(attach_at(NULL, 0, &error), DRAGON_ERR_NOT_FOUND, "attach outside a runtime");
    tap_has(error.text, "dragon-run", "says what to use");
    tap_err(attach_at("", 0, &error), DRAGON_ERR_NOT_FOUND, "attach with an empty DRAGON_RUNTIME");
    tap_err(attach_at("nowhere/agent.sock", 0, &error), DRAGON_ERR_PEER,
            "attach to what has ended");
    tap_has(error.text, "nowhere/agent.sock", "names the socket");
    server = serve("closed.sock", answer_end);
    tap_err(attach_at("closed.sock", 0, &error), DRAGON_ERR_PEER, "attach to one that hangs up");
    end(server);
    tap_err(attach_at("closed.sock", 0, &error), DRAGON_ERR_PEER, "attach where nobody listens");
    server = serve("noise.sock", answer_noise);
    tap_err(attach_at("noise.sock", 0, &error), DRAGON_ERR_PROTO, "attach to one that talks noise");
    end(server);
    if (getuid() == 0)
        tap_err(attach_at(the_runtime, 65534, &error), DRAGON_ERR_DENIED,
                "attach to another user's runtime");
    else
        printf(
            "ok %d - attach to another user's runtime # SKIP only root can become another user\n",
            ++tap_count);
}

static void check_create(dragon_runtime_t *runtime)
{
    char empty[] = "";
    char *none[] = {NULL}, *nothing[] = {empty, NULL};
    dragon_error_t error;
    dragon_template_t *made = (dragon_template_t *)&error, *before = made;
    tap_err(dragon_template_create(NULL, &made, &error), DRAGON_ERR_INVAL, "template: argv NULL");
    tap_err(dragon_template_create(none, &made, &error), DRAGON_ERR_INVAL, "template: empty argv");
    tap_err(error.code, DRAGON_ERR_INVAL, "template: the code is in the error too");
    tap_check(*error.text != 0, "template: there is a text");
    tap_check(made == before, "template: the output is not touched on failure");
    tap_err(dragon_template_create(none, &made, NULL), DRAGON_ERR_INVAL, "template: error NULL");
    dragon_group_t *group = tap_group(runtime);
    tap_err(dragon_group_start(group, &error), DRAGON_ERR_INVAL, "start: no ranks");
    tap_err(dragon_group_plan(group, &error), DRAGON_ERR_INVAL, "plan: no ranks");
    if (dragon_template_create(nothing, &made, &error) == DRAGON_OK) {
        tap_add(group, made, 1);
        dragon_template_destroy(made);
        tap_err(dragon_group_start(group, &error), DRAGON_ERR_LAUNCH, "start: the empty name");
        tap_equal(dragon_group_exit_code(group), 127, "start: the empty name: 127");
    }
    dragon_group_destroy(group);
}

static void check_template(void)
{
    dragon_template_t *made = tap_template("true");
    tap_err(dragon_template_set_env(made, NULL, "x"), DRAGON_ERR_INVAL, "set_env without a name");
    tap_err(dragon_template_set_env(made, "", "x"), DRAGON_ERR_INVAL, "set_env of the empty name");
    tap_err(dragon_template_set_env(made, "A=B", "x"), DRAGON_ERR_INVAL,
            "set_env of a name with =");
    tap_err(dragon_template_set_cwd(made, NULL), DRAGON_ERR_INVAL, "set_cwd NULL");
    tap_err(dragon_template_set_cwd(made, ""), DRAGON_ERR_INVAL, "set_cwd of the empty name");
    tap_err(dragon_template_set_output(made, NULL), DRAGON_ERR_INVAL, "set_output NULL");
    tap_err(dragon_template_set_output(made, "&1"), DRAGON_ERR_INVAL, "output merged with itself");
    tap_err(dragon_template_set_error(made, "{who}"), DRAGON_ERR_INVAL, "a pattern of no meaning");
    tap_err(dragon_template_set_input(made, "&1"), DRAGON_ERR_INVAL, "merged input");
    dragon_template_destroy(made);
    dragon_template_destroy(NULL);
}

static void check_before(dragon_runtime_t *runtime, dragon_group_t *group)
{
    dragon_rank_status_t status;
    dragon_rank_place_t place;
    dragon_output_t output;
    char data[8];
    tap_err(dragon_group_set_name(group, ""), DRAGON_ERR_INVAL, "set_name of the empty name");
    tap_err(dragon_group_set_input(group, 0, -3), DRAGON_ERR_INVAL, "set_input of rank -3");
    tap_err(dragon_group_set_input(group, -1, 0), DRAGON_OK, "set_input of no descriptor");
    tap_err(dragon_group_set_warning(group, 1000, 1), DRAGON_ERR_INVAL,
            "set_warning of signal 1000");
    tap_err(dragon_group_set_full(group, (dragon_full_t)9, 0), DRAGON_ERR_INVAL, "set_full 9");
    tap_err(dragon_group_set_failure(group, (dragon_failure_t)9), DRAGON_ERR_INVAL,
            "set_failure 9");
    tap_err(dragon_group_set_restart(group, (dragon_restart_t)9, 0, 0), DRAGON_ERR_INVAL,
            "set_restart 9");
    tap_err(dragon_group_wait(group, 0), DRAGON_ERR_STATE, "wait before the start");
    tap_err(dragon_group_signal(group, 0, SIGTERM), DRAGON_ERR_STATE, "signal before the start");
    tap_err(dragon_group_stop(group), DRAGON_ERR_STATE, "stop before the start");
    tap_err(dragon_group_remove(group, 0), DRAGON_ERR_STATE, "remove before the start");
    tap_err(dragon_group_stop_restart(group), DRAGON_ERR_STATE, "stop_restart before the start");
    tap_err(dragon_group_read(group, data, sizeof data, &output, 0), DRAGON_ERR_STATE,
            "read before the start");
    tap_err(dragon_group_write(group, 0, "x", 1, 0), DRAGON_ERR_STATE, "write before the start");
    tap_err(dragon_group_rank_status(group, 0, &status), DRAGON_ERR_INVAL,
            "rank_status before the start");
    tap_err(dragon_group_rank_place(group, 0, &place), DRAGON_ERR_NOT_FOUND,
            "rank_place before the start");
    tap_err(dragon_policy_pop(runtime), DRAGON_ERR_STATE, "pop of nothing");
}

static void check_setters(dragon_runtime_t *runtime)
{
    dragon_rank_status_t status;
    dragon_group_t *group = tap_shell(runtime, "sleep 600", 2);
    dragon_template_t *more = tap_template("true");
    dragon_error_t error;
    tap_err(dragon_group_add(group, more, UINT32_MAX, &error), DRAGON_ERR_TOO_BIG,
            "add 4 milliards of ranks");
    check_before(runtime, group);
    tap_start(group);
    tap_err(dragon_group_start(group, &error), DRAGON_ERR_STATE, "start twice");
    tap_err(dragon_group_submit(group, &error), DRAGON_ERR_STATE, "submit after the start");
    tap_err(dragon_group_plan(group, &error), DRAGON_ERR_STATE, "plan after the start");
    tap_err(dragon_group_set_name(group, "a"), DRAGON_ERR_STATE, "set_name after the start");
    tap_err(dragon_group_set_policy(group, NULL), DRAGON_ERR_STATE, "set_policy after the start");
    tap_err(dragon_group_set_pmi(group, 1), DRAGON_ERR_STATE, "set_pmi after the start");
    tap_err(dragon_group_set_label(group, 1), DRAGON_ERR_STATE, "set_label after the start");
    tap_err(dragon_group_set_input(group, 0, 0), DRAGON_ERR_STATE, "set_input after the start");
    tap_err(dragon_group_set_time_limit(group, 1), DRAGON_ERR_STATE, "set_time_limit after it");
    tap_err(dragon_group_set_warning(group, 1, 1), DRAGON_ERR_STATE, "set_warning after the start");
    tap_err(dragon_group_set_grace(group, 1), DRAGON_ERR_STATE, "set_grace after the start");
    tap_err(dragon_group_set_full(group, DRAGON_FULL_FAIL, 0), DRAGON_ERR_STATE,
            "set_full after it");
    tap_err(dragon_group_set_failure(group, DRAGON_FAILURE_STOP), DRAGON_ERR_STATE,
            "set_failure after the start");
    tap_err(dragon_group_set_restart(group, DRAGON_RESTART_ALWAYS, 1, 1), DRAGON_ERR_STATE,
            "set_restart after the start");
    tap_err(dragon_group_set_detached(group, 1), DRAGON_ERR_STATE, "set_detached after the start");
    tap_err(dragon_group_signal(group, 2, SIGTERM), DRAGON_ERR_INVAL, "signal to no rank of it");
    tap_err(dragon_group_signal(group, -2, SIGTERM), DRAGON_ERR_INVAL, "signal to rank -2");
    tap_err(dragon_group_signal(group, 0, 0), DRAGON_ERR_INVAL, "signal 0");
    tap_err(dragon_group_signal(group, 0, 1000), DRAGON_ERR_INVAL, "signal 1000");
    tap_err(dragon_group_remove(group, 2), DRAGON_ERR_INVAL, "remove no rank of it");
    tap_err(dragon_group_write(group, 0, "x", 1, 0), DRAGON_ERR_INVAL, "write where no pipe is");
    tap_err(dragon_group_rank_status(group, 2, &status), DRAGON_ERR_INVAL, "rank_status of rank 2");
    dragon_group_stop(group);
    tap_err(dragon_group_add(group, more, 1, &error), DRAGON_ERR_STATE,
            "add to one that is stopping");
    dragon_group_wait(group, TAP_WAIT_MS);
    tap_err(dragon_group_signal(group, 0, SIGTERM), DRAGON_ERR_STATE, "signal after the end");
    tap_err(dragon_group_remove(group, 0), DRAGON_ERR_STATE, "remove after the end");
    tap_check(strcmp(dragon_group_state_name(DRAGON_GROUP_STOPPING), "stopping") == 0 &&
                  *dragon_group_state_name((dragon_group_state_t)77) != 0,
              "states have names");
    dragon_template_destroy(more);
    dragon_group_destroy(group);
}

// What a setter refuses must not have an effect: were it labelled now, this would not be found.
static void check_refused_label(dragon_runtime_t *runtime)
{
    int pair[2], saved = dup(STDOUT_FILENO);
    char text[64] = "";
    if (pipe(pair) != 0)
        exit(1);
    dragon_group_t *group = tap_shell(runtime, "read x; echo plain", 1);
    int input[2];
    if (pipe(input) != 0)
        exit(1);
    dragon_group_set_input(group, input[0], 0);
    fflush(stdout);
    dup2(pair[1], STDOUT_FILENO);
    tap_start(group);
    dragon_group_set_label(group, 1);
    close(input[1]);
    dragon_group_wait(group, TAP_WAIT_MS);
    dup2(saved, STDOUT_FILENO);
    if (read(pair[0], text, sizeof text - 1) < 0)
        text[0] = 0;
    tap_check(strcmp(text, "plain\n") == 0, "a set_label that is refused does nothing");
    dragon_group_destroy(group);
    close(pair[0]);
    close(pair[1]);
    close(input[0]);
    close(saved);
}

static void start_fails(dragon_runtime_t *runtime, const char *program, const char *cwd,
                        dragon_err_t wanted, int code, const char *part)
{
    char *name = strdup(program), host[64];
    char *argv[] = {name, NULL};
    dragon_group_t *group = tap_group(runtime);
    dragon_template_t *made;
    dragon_error_t error;
    gethostname(host, sizeof host);
    dragon_template_create(argv, &made, &error);
    if (cwd)
        dragon_template_set_cwd(made, cwd);
    tap_add(group, made, 2);
    dragon_template_destroy(made);
    tap_err(dragon_group_start(group, &error), wanted, program);
    tap_err(error.code, wanted, "the code is in the error too");
    tap_equal(dragon_group_exit_code(group), code, "and an exit code in the group");
    tap_equal(dragon_group_state(group), DRAGON_GROUP_ENDED, "which has ended");
    tap_has(error.text, part, "the text names what");
    tap_has(error.text, host, "the text names the host");
    tap_err(dragon_group_start(group, &error), wanted, "started again it fails in the same way");
    dragon_group_destroy(group);
    free(name);
}

static void check_start(dragon_runtime_t *runtime)
{
    dragon_error_t error;
    start_fails(runtime, "no-such-program-here", NULL, DRAGON_ERR_LAUNCH, 127,
                "no-such-program-here");
    start_fails(runtime, "./no-such-program", NULL, DRAGON_ERR_LAUNCH, 127, "./no-such-program");
    start_fails(runtime, "/etc/passwd", NULL, DRAGON_ERR_LAUNCH, 126, "/etc/passwd");
    start_fails(runtime, "/", NULL, DRAGON_ERR_LAUNCH, 126, "/");
    start_fails(runtime, "true", "/no/such/folder", DRAGON_ERR_LAUNCH, 125, "/no/such/folder");

    dragon_group_t *group = tap_shell(runtime, "true", 100);
    dragon_policy_t *policy;
    dragon_policy_create(&policy);
    dragon_policy_set_ppn(policy, 1);
    dragon_group_set_policy(group, policy);
    dragon_policy_destroy(policy);
    tap_err(dragon_group_start(group, &error), DRAGON_ERR_INVAL, "100 ranks, one on a node");
    tap_has(error.text, "100", "the text has the figures");
    tap_equal(dragon_group_exit_code(group), 125, "exit code 125");
    tap_err(dragon_group_start(group, NULL), DRAGON_ERR_INVAL, "start again, error NULL");
    dragon_group_destroy(group);
}

static void check_names(void)
{
    bool good = true;
#define NAME_IS(name, value, text)                                                         \
    good = good && strcmp(dragon_err_name(DRAGON_ERR_##name), "DRAGON_ERR_" #name) == 0 && \
           strcmp(dragon_err_text(DRAGON_ERR_##name), text) == 0;
    DRAGON_ERR_LIST(NAME_IS)
#undef NAME_IS
    tap_check(good, "each code has its name and its text");
    tap_check(strcmp(dragon_err_name(DRAGON_OK), "DRAGON_OK") == 0, "0 is DRAGON_OK");
    tap_check(strcmp(dragon_err_name((dragon_err_t)-999), "unknown error") == 0,
              "a value that is none of ours has a name too");
    tap_check(*dragon_version() != 0, "there is a version");
}

int main(void)
{
    dragon_error_t slow_error;
    the_runtime = getenv("DRAGON_RUNTIME");
    // Takes 10 seconds, so it runs beside the rest.
    pid_t silent = serve("silent.sock", answer_nothing);
    pid_t slow = fork();
    if (slow == 0) {
        long began = tap_now_ms();
        dragon_err_t err = attach_at("silent.sock", 0, &slow_error);
        _exit(err == DRAGON_ERR_TIMEOUT && tap_now_ms() - began >= 9000 ? 0 : 1);
    }
    check_names();
    check_attach();
    dragon_runtime_t *runtime = tap_attach();
    check_create(runtime);
    check_template();
    check_setters(runtime);
    check_refused_label(runtime);
    check_start(runtime);
    dragon_runtime_detach(runtime);
    int status = -1;
    waitpid(slow, &status, 0);
    tap_equal(status, 0, "attach to an agent that does not answer: DRAGON_ERR_TIMEOUT after 10 s");
    end(silent);
    return tap_finish();
}
