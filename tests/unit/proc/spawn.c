// SPDX-License-Identifier: BSD-3-Clause
//
// Starting programs: what the child sees of itself, and what a failure says.
#include "config.h"

#include "proc/spawn.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct {
    char directory[64];
    int null, out[2];
} the;

static void set_up(void)
{
    snprintf(the.directory, sizeof the.directory, "/tmp/dragon-test-XXXXXX");
    cr_assert_not_null(mkdtemp(the.directory));
    the.null = open("/dev/null", O_RDWR | O_CLOEXEC);
    cr_assert(the.null >= 0 && pipe2(the.out, O_CLOEXEC) == 0);
}

static char *path_of(const char *name)
{
    static char paths[4][128];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", the.directory, name);
    return path;
}

static void make_file(const char *name, const char *text, mode_t mode)
{
    FILE *file = fopen(path_of(name), "w");
    cr_assert_not_null(file);
    fputs(text, file);
    fclose(file);
    cr_assert(chmod(path_of(name), mode) == 0);
}

static void tear_down(void)
{
    char command[256];
    snprintf(command, sizeof command, "chmod -R u+rwx %s; rm -rf %s", the.directory, the.directory);
    cr_expect(system(command) == 0);
}

TestSuite(proc_spawn, .init = set_up, .fini = tear_down);

// A spawn of the shell, its output into our pipe.
static char *the_script[] = {"sh", "-c", NULL, "zero", NULL};

static struct spawn spawn_of(char *script)
{
    the_script[2] = script;
    return (struct spawn){.path = "/bin/sh",
                          .argv = the_script,
                          .env = environ,
                          .stdio = {the.null, the.out[1], the.out[1]},
                          .fd3 = -1};
}

// What it writes until its end; its status is to be `code`.
static const char *output_of(const struct spawn *spawn, int code)
{
    static char text[8192];
    size_t used = 0;
    pid_t pid = -1;
    enum spawn_step step;
    int status;
    cr_assert_eq(spawn_start(spawn, &pid, &step), 0);
    close(the.out[1]);
    for (ssize_t got; (got = read(the.out[0], text + used, sizeof text - 1 - used)) > 0;)
        used += (size_t)got;
    text[used] = 0;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == code, "status %x: %s", status, text);
    return text;
}

Test(proc_spawn, exit_code)
{
    struct spawn spawn = spawn_of("exit 37");
    cr_expect_str_eq(output_of(&spawn, 37), "");
}

Test(proc_spawn, arguments_and_environment)
{
    char *argv[] = {
        "another name", "-c", "echo \"$1|$2|$A|$B|${HOME-none}\"", "x", "one two", "", NULL};
    char *env[] = {"A=1", "B=b b", NULL};
    struct spawn spawn = spawn_of("");
    spawn.argv = argv;
    spawn.env = env;
    cr_expect_str_eq(output_of(&spawn, 0), "one two||1|b b|none\n");
}

Test(proc_spawn, argv0_is_what_the_program_sees)
{
    struct spawn spawn = spawn_of("");
    spawn.argv = (char *[]){"a name", "-c", "tr '\\0' ' ' </proc/$$/cmdline | cut -c1-9", NULL};
    cr_expect_str_eq(output_of(&spawn, 0), "a name -c\n");
}

Test(proc_spawn, directory)
{
    struct spawn spawn = spawn_of("pwd -P");
    char wanted[80];
    spawn.cwd = the.directory;
    snprintf(wanted, sizeof wanted, "%s\n", the.directory);
    cr_expect_str_eq(output_of(&spawn, 0), wanted);
}

Test(proc_spawn, streams_are_placed)
{
    int in[2];
    char text[16] = "";
    FILE *err = tmpfile();
    struct spawn spawn = spawn_of("read line; echo \"got $line\"; echo wrong >&2");
    cr_assert(pipe2(in, O_CLOEXEC) == 0 && write(in[1], "hello\n", 6) == 6);
    spawn.stdio[0] = in[0];
    spawn.stdio[2] = fileno(err);
    cr_expect_str_eq(output_of(&spawn, 0), "got hello\n");
    rewind(err);
    cr_expect_not_null(fgets(text, sizeof text, err));
    cr_expect_str_eq(text, "wrong\n");
}

// Our descriptors 0 to 3 become files that hold their number; the child gets them in the order given and
// says what it got. In a process of its own, since the test's needs those descriptors.
static void place_and_run(const int order[4], int count, int result)
{
    char script[160];
    struct spawn spawn = spawn_of(script);
    enum spawn_step step;
    pid_t pid;
    alarm(20);
    snprintf(script, sizeof script, "for i in %s; do (cat /proc/$$/fd/$i >/proc/$$/fd/%d); done",
             count > 3 ? "0 1 2 3" : "0 1 2", result);
    for (int i = 0; i < 4; i++) {
        char name[8], digit[2] = {(char)('0' + i), 0};
        snprintf(name, sizeof name, "f%d", i);
        make_file(name, digit, 0600);
        int fd = open(path_of(name), O_RDONLY | O_CLOEXEC);
        if (fd != i && dup3(fd, i, O_CLOEXEC) != i)
            _exit(1);
        if (fd != i)
            close(fd);
        if (i < 3)
            spawn.stdio[i] = order[i];
        else
            spawn.fd3 = count > 3 ? order[i] : -1;
    }
    if (spawn_start(&spawn, &pid, &step) != 0)
        _exit(2);
    waitpid(pid, NULL, 0);
    _exit(0);
}

static void check_placed(const int order[4], int count)
{
    enum { SPARE = 60 };
    char wanted[8] = "", text[16] = "";
    int result[2], status;
    cr_assert(pipe2(result, O_CLOEXEC) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        if (dup2(result[1], SPARE) == SPARE)
            place_and_run(order, count, SPARE);
        _exit(3);
    }
    close(result[1]);
    for (int i = 0; i < count; i++)
        wanted[i] = (char)('0' + order[i]);
    for (ssize_t used = 0, got; (got = read(result[0], text + used, sizeof text - 1)) > 0;)
        used += got;
    cr_expect_str_eq(text, wanted, "%d %d %d %d", order[0], order[1], order[2], order[3]);
    waitpid(pid, &status, 0);
    cr_expect_eq(status, 0);
    close(result[0]);
}

Test(proc_spawn, descriptors_that_cross)
{
    static const int orders[][4] = {{0, 1, 2, 3}, {1, 0, 2, 3}, {1, 2, 0, 3}, {2, 1, 0, 3},
                                    {3, 2, 1, 0}, {1, 2, 3, 0}, {3, 0, 1, 2}, {2, 2, 1, 1}};
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++)
        check_placed(orders[i], 4);
    check_placed((const int[]){3, 1, 2, 0}, 3);
    check_placed((const int[]){2, 0, 1, 3}, 3);
}

Test(proc_spawn, descriptor_3_and_none_of_ours)
{
    int pair[2];
    char text[8] = "", script[160];
    struct spawn spawn = spawn_of(script);
    cr_assert(pipe2(pair, O_CLOEXEC) == 0);
    spawn.fd3 = pair[1];
    snprintf(script, sizeof script,
             "echo hi >&3; for i in %d %d %d %d; do [ -e /proc/$$/fd/$i ] && echo $i; done; true",
             the.null, the.out[0], the.out[1], pair[0]);
    cr_expect_str_eq(output_of(&spawn, 0), "");
    cr_expect_eq(read(pair[0], text, sizeof text), 3);
}

Test(proc_spawn, descriptors_3_and_4)
{
    int three[2], four[2];
    char text[16] = "";
    struct spawn spawn = spawn_of("echo three >&3; echo four >&4");
    cr_assert(pipe2(three, O_CLOEXEC) == 0 && pipe2(four, O_CLOEXEC) == 0);
    spawn.fd3 = three[1];
    spawn.fd4 = four[1];
    cr_expect_str_eq(output_of(&spawn, 0), "");
    cr_expect_eq(read(three[0], text, sizeof text), 6);
    cr_expect_eq(read(four[0], text, sizeof text), 5);
}

// In a process of its own, since the test needs its descriptor 3 for itself.
Test(proc_spawn, descriptor_3_stays_open_when_it_is_3_already)
{
    int status;
    pid_t ours = fork();
    if (ours == 0) {
        struct spawn spawn = spawn_of("echo hi >&3");
        enum spawn_step step;
        pid_t pid;
        alarm(20);
        spawn.stdio[1] = the.null;
        spawn.fd3 = 3;
        if (dup3(the.out[1], 3, O_CLOEXEC) != 3 || spawn_start(&spawn, &pid, &step) != 0)
            _exit(1);
        waitpid(pid, &status, 0);
        _exit(status == 0 ? 0 : 2);
    }
    char text[8] = "";
    waitpid(ours, &status, 0);
    cr_expect_eq(status, 0);
    cr_expect_eq(read(the.out[0], text, sizeof text), 3);
}

Test(proc_spawn, a_group_of_its_own_or_one_to_join)
{
    struct spawn first = spawn_of("read x");
    int in[2];
    pid_t leader, member;
    enum spawn_step step;
    cr_assert(pipe2(in, O_CLOEXEC) == 0);
    first.stdio[0] = in[0];
    cr_assert_eq(spawn_start(&first, &leader, &step), 0);
    cr_expect_eq(getpgid(leader), leader);
    struct spawn second = spawn_of("read x");
    second.stdio[0] = in[0];
    second.process_group = leader;
    cr_assert_eq(spawn_start(&second, &member, &step), 0);
    cr_expect_eq(getpgid(member), leader);
    cr_expect_eq(kill(-leader, SIGKILL), 0);
    waitpid(leader, NULL, 0);
    waitpid(member, NULL, 0);
    // A group that is gone cannot be joined.
    cr_expect_eq(spawn_start(&second, &member, &step), EPERM);
    cr_expect_eq(step, SPAWN_GROUP);
    waitpid(-1, NULL, 0);
}

Test(proc_spawn, signals_are_as_a_program_expects_them)
{
    sigset_t all;
    signal(SIGPIPE, SIG_IGN);
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    struct spawn spawn = spawn_of("grep -E '^Sig(Blk|Ign)' /proc/self/status | tr '\\t\\n' '  '");
    const char *said = output_of(&spawn, 0);
    cr_expect_not_null(strstr(said, "SigBlk: 0000000000000000"), "%s", said);
    unsigned long long ignored = strtoull(strstr(said, "SigIgn: ") + 8, NULL, 16);
    cr_expect_eq(ignored & 1ull << (SIGPIPE - 1), 0, "%s", said);
    sigset_t now;
    sigprocmask(SIG_SETMASK, NULL, &now);
    cr_expect(sigismember(&now, SIGTERM), "our own mask is as it was");
}

Test(proc_spawn, our_mask_stays_as_it_was)
{
    sigset_t before, after;
    struct spawn spawn = spawn_of("true");
    sigemptyset(&before);
    sigaddset(&before, SIGUSR1);
    sigprocmask(SIG_SETMASK, &before, NULL);
    output_of(&spawn, 0);
    sigprocmask(SIG_SETMASK, NULL, &after);
    for (int i = 1; i < 32; i++)
        cr_expect_eq(sigismember(&after, i), i == SIGUSR1, "signal %d", i);
}

Test(proc_spawn, open_files_limit)
{
    struct rlimit limit = {.rlim_cur = 99, .rlim_max = 99};
    struct spawn spawn = spawn_of("ulimit -n");
    spawn.nofile = &limit;
    cr_expect_str_eq(output_of(&spawn, 0), "99\n");
}

Test(proc_spawn, bound_to_a_thread)
{
    cpu_set_t ours, one;
    struct spawn spawn = spawn_of("sed -n 's/^Cpus_allowed_list:[^0-9]*//p' /proc/self/status");
    char wanted[16];
    int cpu = CPU_SETSIZE - 1;
    cr_assert(sched_getaffinity(0, sizeof ours, &ours) == 0);
    while (cpu > 0 && !CPU_ISSET(cpu, &ours))
        cpu--;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    spawn.cpus = &one;
    spawn.cpus_size = sizeof one;
    snprintf(wanted, sizeof wanted, "%d\n", cpu);
    cr_expect_str_eq(output_of(&spawn, 0), wanted);
    cr_expect(sched_getaffinity(0, sizeof one, &one) == 0 && CPU_EQUAL(&one, &ours),
              "we are as before");
}

static void expect_problem(const struct spawn *spawn, int problem, enum spawn_step step)
{
    pid_t pid = 77;
    enum spawn_step failed;
    int status;
    cr_expect_eq(spawn_start(spawn, &pid, &failed), problem);
    cr_expect_eq(failed, step);
    cr_expect_eq(pid, 77, "written only on success");
    cr_expect_gt(waitpid(-1, &status, 0), 0, "the child has ended");
    while (waitpid(-1, &status, WNOHANG) > 0)
        ;
    cr_expect_eq(errno, ECHILD);
}

Test(proc_spawn, what_cannot_be_run)
{
    struct spawn spawn = spawn_of("true");
    spawn.path = path_of("nothing");
    expect_problem(&spawn, ENOENT, SPAWN_EXEC);
    make_file("plain", "exit 0\n", 0600);
    spawn.path = path_of("plain");
    expect_problem(&spawn, EACCES, SPAWN_EXEC);
    spawn.path = the.directory;
    expect_problem(&spawn, EACCES, SPAWN_EXEC);
    make_file("orphan", "#!/nothing/here\n", 0700);
    spawn.path = path_of("orphan");
    expect_problem(&spawn, ENOENT, SPAWN_EXEC);
}

Test(proc_spawn, a_directory_that_is_not_there)
{
    struct spawn spawn = spawn_of("true");
    spawn.cwd = path_of("nowhere");
    expect_problem(&spawn, ENOENT, SPAWN_CWD);
}

Test(proc_spawn, threads_that_are_not_there)
{
    cpu_set_t none;
    struct spawn spawn = spawn_of("true");
    CPU_ZERO(&none);
    spawn.cpus = &none;
    spawn.cpus_size = sizeof none;
    enum spawn_step step;
    pid_t pid = -1;
    cr_expect_eq(spawn_start(&spawn, &pid, &step), EINVAL);
    cr_expect(step == SPAWN_BIND && pid == -1, "there was no child");
}

Test(proc_spawn, a_control_group_that_is_not_there)
{
    struct spawn spawn = spawn_of("true");
    spawn.cgroup_procs = "/nowhere/cgroup.procs";
    expect_problem(&spawn, ENOENT, SPAWN_CGROUP);
}

Test(proc_spawn, every_step_has_a_name)
{
    for (int step = 0; step < SPAWN_STEPS; step++)
        cr_expect_not_null(spawn_step_name((enum spawn_step)step));
}

Test(proc_spawn, a_descriptor_that_is_not_open)
{
    struct spawn spawn = spawn_of("true");
    spawn.stdio[1] = 999;
    expect_problem(&spawn, EBADF, SPAWN_STDIO);
    spawn = spawn_of("true");
    spawn.fd3 = 999;
    expect_problem(&spawn, EBADF, SPAWN_STDIO);
}

Test(proc_spawn, a_script_without_an_interpreter_line)
{
    make_file("script", "echo \"$0 $1 $2\"\nexit 5\n", 0700);
    struct spawn spawn = spawn_of("");
    char wanted[128];
    spawn.path = path_of("script");
    spawn.argv = (char *[]){"script", "one", "two", NULL};
    snprintf(wanted, sizeof wanted, "%s one two\n", spawn.path);
    cr_expect_str_eq(output_of(&spawn, 5), wanted);
}

// The parent here is a process of its own, which starts one and is then killed.
Test(proc_spawn, dies_with_its_parent)
{
    int in[2];
    pid_t pid = -1;
    alarm(30); // what lives on would be waited for without end
    cr_assert(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0 && pipe2(in, O_CLOEXEC) == 0);
    pid_t parent = fork();
    if (parent == 0) {
        struct spawn spawn = spawn_of("echo started; read x");
        enum spawn_step step;
        spawn.stdio[0] = in[0];
        spawn.die_with_parent = true;
        if (spawn_start(&spawn, &pid, &step) != 0)
            _exit(1);
        pause();
    }
    char text[16] = "";
    cr_assert(read(the.out[0], text, sizeof text) == 8);
    cr_expect_eq(kill(parent, SIGKILL), 0);
    cr_expect_eq(waitpid(parent, NULL, 0), parent);
    int status = 0;
    cr_expect_gt(waitpid(-1, &status, 0), 0, "it has come to us");
    cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

// ---- finding

static int find(const char *name, const char *path_list, const char *cwd, const char *wanted)
{
    char *path = NULL;
    int problem = spawn_find(name, path_list, cwd, &path);
    cr_expect_eq(problem == 0, path != NULL);
    if (path && wanted)
        cr_expect_str_eq(path, wanted);
    free(path);
    return problem;
}

Test(proc_spawn, find)
{
    cr_assert(mkdir(path_of("a"), 0700) == 0 && mkdir(path_of("b"), 0700) == 0);
    cr_assert(mkdir(path_of("a/folder"), 0700) == 0);
    make_file("a/plain", "x", 0600);
    make_file("a/both", "x", 0700);
    make_file("b/both", "x", 0700);
    make_file("b/plain", "x", 0700);
    make_file("here", "x", 0700);
    static const struct {
        const char *name, *list; // of folders in our directory: "%" stands for it
        int problem;
        const char *wanted; // below our directory
    } rows[] = {
        {"both", "%/a:%/b", 0, "a/both"},
        {"both", "%/b:%/a", 0, "b/both"},
        {"both", "/nowhere:%/b", 0, "b/both"},
        {"plain", "%/a:%/b", 0, "b/plain"}, // what cannot be run is passed over
        {"plain", "%/a", EACCES, NULL},
        {"plain", "%/a:/nowhere", EACCES, NULL},
        {"folder", "%/a", EACCES, NULL},
        {"nothing", "%/a:%/b", ENOENT, NULL},
        {"both", "/nowhere", ENOENT, NULL},
        {"both", "%/a/plain:%/b", 0, "b/both"}, // a file in the list
        {"", "%/a", ENOENT, NULL},
        // relative folders, and empty ones, are taken from the working directory
        {"both", "a", 0, "a/both"},
        {"here", "", 0, "here"},
        {"here", ":/nowhere", 0, "here"},
        {"here", "/nowhere:", 0, "here"},
        {"here", "/nowhere::/nowhere", 0, "here"},
        {"here", "/nowhere", ENOENT, NULL},
        // a name with a slash is not looked for
        {"a/both", "%/b", 0, "a/both"},
        {"./here", "/nowhere", 0, "./here"},
        {"b/nothing", "%/a", ENOENT, NULL},
        {"a/plain", "%/b", EACCES, NULL},
        {"a/plain/below", "%/b", ENOENT, NULL},
        {"a/", "%/b", EACCES, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char list[512] = "", wanted[160] = "";
        for (const char *at = rows[i].list; *at; at++)
            snprintf(list + strlen(list), sizeof list - strlen(list), *at == '%' ? "%s" : "%.1s",
                     *at == '%' ? the.directory : at);
        if (rows[i].wanted)
            snprintf(wanted, sizeof wanted, "%s/%s", the.directory, rows[i].wanted);
        cr_expect_eq(find(rows[i].name, list, the.directory, wanted), rows[i].problem,
                     "\"%s\" along \"%s\"", rows[i].name, rows[i].list);
    }
    cr_expect_eq(find("/bin/sh", "/nowhere", "/nowhere", "/bin/sh"), 0);
    cr_expect_eq(find("sh", NULL, NULL, NULL), 0);
    cr_assert(chdir(the.directory) == 0);
    cr_expect_eq(find("both", "a", NULL, "a/both"), 0);
    cr_expect_eq(find("here", "", NULL, "here"), 0);
    cr_expect_eq(find("a/both", "", NULL, "a/both"), 0);
}
