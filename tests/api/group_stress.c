// SPDX-License-Identifier: BSD-3-Clause
//
// A storm, from a seed: clients that start, add, remove, signal, stop and leave groups of all kinds at random, and are
// killed at random moments, as are ranks. When it is over the runtime has to be as it was: nothing runs, all cores and
// GPUs are free, and no agent has more descriptors or children than before, or much more memory.
//
//     group_stress SEED SECONDS [CLIENTS]      inside a runtime on one machine
#include "tap.h"

#include <dirent.h>
#include <fcntl.h>

enum { HANDLES = 6, CLIENTS_MOST = 32, NODES_MOST = 64, SETTLE_MS = 60000, GROWTH_KB = 8000 };

static uint64_t the_random;

// splitmix64: the same everywhere.
static uint32_t any(uint32_t below)
{
    uint64_t z = (the_random += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t)((z ^ (z >> 31)) % below);
}

static bool one_in(uint32_t n)
{
    return any(n) == 0;
}

#define ANY(texts) (texts)[any(sizeof(texts) / sizeof *(texts))]

// ---- what a client asks for

static dragon_template_t *any_template(void)
{
    static const char *const scripts[] = {
        "exit 0",
        "exit 3",
        "sleep 0.05",
        "kill -9 $$",
        "exec sleep 100",
        "trap '' TERM; sleep 100 & wait; wait",
        "head -c 3000000 /dev/zero",
        "while :; do echo line; echo error >&2; done",
        "cat >/dev/null; exit 1",
        "exec <&- >&- 2>&-; sleep 0.2",
        "sleep 100 & setsid sleep 0.3 & exit 0",
        "read -r line; echo \"$line\"; exec cat",
    };
    static const char *const outputs[] = {"",    "/dev/null",      "|", "out/{rank}.{group}",
                                          "all", "/nowhere/{rank}"};
    static const char *const errors[] = {"", "/dev/null", "|", "&1"};
    static const char *const inputs[] = {"", "/dev/null", "|", "/etc/hostname", "/nowhere/file"};
    dragon_template_t *made = tap_template(ANY(scripts));
    dragon_template_set_output(made, outputs[any(one_in(8) ? 6 : 5)]);
    dragon_template_set_error(made, ANY(errors));
    dragon_template_set_input(made, inputs[any(one_in(8) ? 5 : 4)]);
    if (one_in(20))
        dragon_template_set_cwd(made, "/nowhere");
    return made;
}

static dragon_policy_t *any_policy(void)
{
    dragon_policy_t *policy;
    if (one_in(3) || dragon_policy_create(&policy) != DRAGON_OK)
        return NULL;
    if (one_in(2))
        dragon_policy_set_cores(policy, any(6));
    if (one_in(3))
        dragon_policy_set_gpus(policy, (int)any(4) - 1);
    if (one_in(3))
        dragon_policy_set_map(policy, one_in(2) ? DRAGON_MAP_CYCLIC : DRAGON_MAP_BLOCK);
    if (one_in(4))
        dragon_policy_set_ppn(policy, 1 + any(4));
    if (one_in(5))
        dragon_policy_set_core_list(policy, one_in(2) ? "0-1:2" : "3,1");
    if (one_in(5))
        dragon_policy_set_gpu_list(policy, one_in(2) ? "0:1" : "1,0");
    if (one_in(6))
        dragon_policy_set_memory(policy, 64 << 20);
    return policy;
}

// Detached ones have to end by themselves.
static dragon_group_t *any_group(dragon_runtime_t *runtime)
{
    dragon_group_t *group = tap_group(runtime);
    dragon_policy_t *policy = any_policy();
    for (uint32_t i = 1 + any(3); i > 0; i--) {
        dragon_template_t *made = any_template();
        tap_add(group, made, any(one_in(10) ? 60 : 8));
        dragon_template_destroy(made);
    }
    dragon_group_set_policy(group, policy);
    dragon_group_set_detached(group, one_in(4));
    dragon_group_set_time_limit(group, 100 + any(3000));
    dragon_group_set_grace(group, any(300));
    dragon_group_set_full(group, (dragon_full_t)any(4), any(2000));
    dragon_group_set_failure(group, (dragon_failure_t)any(3));
    if (one_in(3))
        dragon_group_set_restart(group, (dragon_restart_t)any(3), any(100), 1 + any(100));
    if (one_in(4))
        dragon_group_set_input(group, 0, (int)any(4) - 2);
    dragon_policy_destroy(policy);
    return group;
}

// ---- what a client does

static void kill_a_rank(dragon_group_t *group, uint32_t rank)
{
    dragon_rank_status_t status;
    if (dragon_group_rank_status(group, rank, &status) == DRAGON_OK && status.pid > 0 &&
        !status.ended)
        kill(one_in(2) ? status.pid : -status.pid, one_in(4) ? SIGSEGV : SIGKILL);
}

static void read_some(dragon_group_t *group)
{
    static char data[100000];
    dragon_output_t output;
    for (uint32_t i = any(50); i > 0; i--)
        if (dragon_group_read(group, data, sizeof data, &output, (int)any(3)) != DRAGON_OK)
            return;
}

static void attach_another(dragon_runtime_t *runtime, dragon_group_t **handle)
{
    static char line[300];
    dragon_group_t *group;
    if (*handle)
        snprintf(line, sizeof line, "%s", dragon_group_descriptor(*handle));
    if (!line[0] || dragon_group_attach(runtime, line, &group, NULL) != DRAGON_OK)
        return;
    dragon_group_destroy(*handle);
    *handle = group;
}

static void add_some(dragon_group_t *group)
{
    dragon_template_t *made = any_template();
    dragon_group_add(group, made, any(6), NULL);
    dragon_template_destroy(made);
}

static void step(dragon_runtime_t *runtime, dragon_group_t **handle)
{
    dragon_group_t *group = *handle;
    dragon_system_t *system;
    static char data[70000];
    if (!group) {
        *handle = any_group(runtime);
        return;
    }
    uint32_t size = dragon_group_size(group), rank = size ? any(size) : 0;
    switch (any(16)) {
    case 0:
        dragon_group_start(group, NULL);
        break;
    case 1:
    case 2:
        dragon_group_submit(group, NULL);
        break;
    case 3:
        add_some(group);
        break;
    case 4:
        dragon_group_remove(group, rank);
        break;
    case 5:
        kill_a_rank(group, rank);
        break;
    case 6:
        dragon_group_signal(group, one_in(2) ? DRAGON_ALL_RANKS : (int)rank,
                            one_in(2) ? SIGUSR1 : SIGCONT);
        break;
    case 7:
        dragon_group_stop(group);
        break;
    case 8:
        dragon_group_stop_restart(group);
        break;
    case 9:
        read_some(group);
        break;
    case 10:
        dragon_group_write(group, rank, one_in(3) ? NULL : data, any(sizeof data), (int)any(20));
        break;
    case 11:
        attach_another(runtime, handle);
        break;
    case 12:
        dragon_group_wait(group, (int)any(100));
        break;
    case 13:
        dragon_group_destroy(group);
        *handle = NULL;
        break;
    case 14:
        if (dragon_system_look(runtime, &system, NULL) == DRAGON_OK)
            dragon_system_destroy(system);
        break;
    default:
        dragon_runtime_progress(runtime, (int)any(30));
    }
}

// Returns when the runtime is not as it promises: it was lost.
static int client(uint64_t seed)
{
    dragon_group_t *groups[HANDLES] = {NULL};
    the_random = seed;
    dragon_runtime_t *runtime = tap_attach();
    for (uint32_t left = 1 + any(400); left > 0; left--) {
        step(runtime, &groups[any(HANDLES)]);
        if (dragon_runtime_progress(runtime, 0) != DRAGON_OK)
            return 1;
    }
    for (int i = 0; i < HANDLES; i++)
        dragon_group_destroy(groups[i]);
    if (one_in(2))
        _exit(0); // without a word
    dragon_runtime_detach(runtime);
    return 0;
}

// ---- those who run the clients

static pid_t start_client(const char *self)
{
    char seed[32];
    snprintf(seed, sizeof seed, "%u%u", any(1u << 30), any(1u << 30));
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    int null_fd = open("/dev/null", O_RDWR);
    for (int fd = 0; fd < 3; fd++)
        dup2(null_fd, fd);
    execl(self, self, "client", seed, (char *)NULL);
    _exit(127);
}

// How many of them found something wrong.
static int storm(const char *self, int seconds, uint32_t count)
{
    pid_t pids[CLIENTS_MOST] = {0};
    int wrong = 0, status;
    long deadline = tap_now_ms() + 1000L * seconds;
    for (bool over = false, idle = false; !over || !idle;) {
        over = tap_now_ms() >= deadline;
        idle = true;
        for (uint32_t i = 0; i < count; i++) {
            if (pids[i] > 0 && (one_in(200) || over))
                kill(pids[i], SIGKILL);
            if (pids[i] > 0 && waitpid(pids[i], &status, WNOHANG) == pids[i]) {
                wrong += WIFEXITED(status) ? WEXITSTATUS(status) != 0 : WTERMSIG(status) != SIGKILL;
                pids[i] = 0;
            }
            if (pids[i] == 0 && !over)
                pids[i] = start_client(self);
            idle = idle && pids[i] == 0;
        }
        tap_nap();
    }
    return wrong;
}

// ---- what agents have

struct agent {
    int pid, descriptors, children;
    long memory_kb;
};

static int count_entries(const char *path)
{
    DIR *directory = opendir(path);
    int count = 0;
    while (directory && readdir(directory))
        count++;
    if (directory)
        closedir(directory);
    return count;
}

static void look_at(struct agent *agent)
{
    char path[64], text[4096];
    snprintf(path, sizeof path, "/proc/%d/fd", agent->pid);
    agent->descriptors = count_entries(path);
    snprintf(path, sizeof path, "/proc/%d/status", agent->pid);
    tap_read_file(path, text, sizeof text);
    const char *at = strstr(text, "VmRSS:");
    agent->memory_kb = at ? strtol(at + 6, NULL, 10) : 0;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", agent->pid, agent->pid);
    tap_read_file(path, text, sizeof text);
    agent->children = 0;
    for (at = strtok(text, " "); at; at = strtok(NULL, " "))
        agent->children++;
}

// Each node's agent is the parent of the ranks there.
static uint32_t find_agents(dragon_runtime_t *runtime, struct agent *agents)
{
    static char text[4096];
    uint32_t count = 0, nodes = dragon_runtime_nodes(runtime);
    dragon_policy_t *policy;
    dragon_output_t output;
    dragon_group_t *group = tap_group(runtime);
    dragon_template_t *made = tap_template("echo $PPID");
    dragon_template_set_output(made, DRAGON_STREAM_PIPE);
    dragon_policy_create(&policy);
    dragon_policy_set_ppn(policy, 1);
    dragon_group_set_policy(group, policy);
    tap_add(group, made, nodes);
    tap_start(group);
    while (count < NODES_MOST &&
           dragon_group_read(group, text, sizeof text - 1, &output, TAP_WAIT_MS) == DRAGON_OK) {
        text[output.bytes] = 0;
        agents[count++].pid = (int)strtol(text, NULL, 10);
    }
    dragon_group_wait(group, TAP_WAIT_MS);
    dragon_group_destroy(group);
    dragon_template_destroy(made);
    dragon_policy_destroy(policy);
    return count;
}

// ---- the end

// Everything is free, and no group is there.
static bool is_calm(dragon_runtime_t *runtime, char *text, size_t room)
{
    dragon_system_t *system;
    dragon_error_t error;
    if (dragon_system_look(runtime, &system, &error) != DRAGON_OK) {
        snprintf(text, room, "no picture: %s", error.text);
        return false;
    }
    bool calm = dragon_system_groups(system) == 0;
    if (!calm) {
        const dragon_group_info_t *info = dragon_system_group(system, 0);
        snprintf(text, room, "%u groups; %s is %s, %u ranks, %u running, of %d, %s, waits for %s",
                 dragon_system_groups(system), info->name, dragon_group_state_name(info->state),
                 info->ranks, info->running, info->owner_pid,
                 info->detached ? "detached" : "not detached", info->waits_for);
    }
    for (uint32_t i = 0; calm && i < dragon_system_nodes(system); i++) {
        const dragon_node_t *node = dragon_system_node(system, i);
        calm = node->free_cores == node->cores && node->free_gpus == node->gpus;
        if (!calm)
            snprintf(text, room, "%s: %u of %u cores are free, %u of %u GPUs", node->name,
                     node->free_cores, node->cores, node->free_gpus, node->gpus);
    }
    dragon_system_destroy(system);
    return calm;
}

static bool gets_calm(dragon_runtime_t *runtime, const struct agent *before, uint32_t count)
{
    char text[600] = "";
    long deadline = tap_now_ms() + SETTLE_MS;
    bool calm = false;
    while (!calm && tap_now_ms() < deadline) {
        tap_nap();
        calm = is_calm(runtime, text, sizeof text);
        for (uint32_t i = 0; calm && i < count; i++) {
            struct agent now = {.pid = before[i].pid};
            look_at(&now);
            calm = now.descriptors <= before[i].descriptors && now.children <= before[i].children;
            snprintf(text, sizeof text, "agent %d: %d descriptors, were %d; %d children, were %d",
                     now.pid, now.descriptors, before[i].descriptors, now.children,
                     before[i].children);
        }
    }
    if (!calm)
        printf("# %s\n", text);
    return calm;
}

int main(int argc, char **argv)
{
    struct agent before[NODES_MOST], after;
    if (argc == 3 && strcmp(argv[1], "client") == 0)
        return client(strtoull(argv[2], NULL, 10));
    if (argc < 3)
        return 2;
    the_random = strtoull(argv[1], NULL, 10);
    int seconds = (int)strtol(argv[2], NULL, 10);
    uint32_t clients = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 4;
    dragon_runtime_t *runtime = tap_attach();
    uint32_t count = find_agents(runtime, before);
    tap_equal(count, dragon_runtime_nodes(runtime), "the agents are known");
    for (uint32_t i = 0; i < count; i++)
        look_at(&before[i]);
    // What is needed once, buffers say, is not what grows.
    tap_equal(storm(argv[0], seconds / 3 + 1, clients), 0,
              "no client of the first storm complains");
    tap_check(gets_calm(runtime, before, count), "then all is free, and nothing is left");
    for (uint32_t i = 0; i < count; i++)
        look_at(&before[i]);
    tap_equal(storm(argv[0], seconds, clients), 0, "no client of the second complains");
    tap_check(gets_calm(runtime, before, count), "then all is free, and nothing is left");
    for (uint32_t i = 0; i < count && !getenv("DRAGON_STRESS_ANY_MEMORY"); i++) {
        after.pid = before[i].pid;
        look_at(&after);
        if (!tap_check(after.memory_kb <= before[i].memory_kb + GROWTH_KB,
                       "agent %u has not grown much", i))
            printf("# from %ld to %ld KiB\n", before[i].memory_kb, after.memory_kb);
    }
    dragon_runtime_detach(runtime);
    return tap_finish();
}
