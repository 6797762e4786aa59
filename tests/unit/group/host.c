// SPDX-License-Identifier: BSD-3-Clause
//
// The hosts of groups with real processes: the test plays the leader and the client, orders them about, and sees
// what each node tells of its ranks.
#include "config.h"

#include "group/host.h"

#include "group/proto.h"
#include "tests/unit/net/trees.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { GROUP = 77, SESSION = 5, NODES = 2, CORES = 2, RANKS = 64 };

static struct trees the_trees;
static struct {
    char directory[64];
    struct children *children;
    struct exchanges *exchanges[NODES];
    struct host *hosts[NODES];
    struct machine machine;
    struct ledger *ledger;
    uint32_t nodes;
    // what was told
    uint32_t started, exchanges_done;
    char failure[1000];
    uint32_t up[RANKS], downs;
    struct rank_report down[RANKS]; // the latest of each rank
    uint32_t down_count[RANKS];
    char lines[RANKS][400];
    char output[20000];
    uint64_t taken[RANKS + 1]; // the first: of the group's input
} the;

static void hear_output(struct unpack *unpack)
{
    unpack_u64(unpack);
    unpack_u32(unpack);
    while (unpack_left(unpack) > 0) {
        uint32_t rank;
        uint8_t stream;
        const uint8_t *data;
        size_t length, used = strlen(the.output);
        cr_assert(output_unpack(unpack, &rank, &stream, &data, &length));
        snprintf(the.output + used, sizeof the.output - used, "%.*s", (int)length,
                 (const char *)data);
    }
}

static void hear_taken(struct unpack *unpack)
{
    cr_expect_eq(unpack_u64(unpack), GROUP);
    unpack_u32(unpack);
    int32_t rank = unpack_i32(unpack);
    uint32_t bytes = unpack_u32(unpack);
    cr_assert(unpack_done(unpack) && rank >= -1 && rank < RANKS && bytes > 0);
    the.taken[rank + 1] += bytes;
}

static void hear_client(const struct link_message *message)
{
    struct unpack unpack = unpack_start(message->body, message->length);
    cr_expect_eq(unpack_u64(&unpack), SESSION);
    uint16_t type = unpack_u16(&unpack);
    if (type == GC_OUTPUT)
        hear_output(&unpack);
    else if (type == GC_TAKEN)
        hear_taken(&unpack);
}

static void hear_reports(const struct link_message *message)
{
    struct unpack unpack = unpack_start(message->body, message->length);
    struct rank_report report;
    cr_expect_eq(unpack_u64(&unpack), GROUP);
    while (unpack_left(&unpack) > 0) {
        cr_assert(rank_report_unpack(&unpack, &report) && report.rank < RANKS);
        cr_expect_eq(report.node, message->source);
        if (report.end == RANK_UP) {
            the.up[report.rank]++;
            continue;
        }
        the.down[report.rank] = report;
        the.down_count[report.rank]++;
        the.downs++;
    }
}

static void hear_lines(const struct link_message *message)
{
    struct unpack unpack = unpack_start(message->body, message->length);
    cr_expect_eq(unpack_u64(&unpack), GROUP);
    uint32_t rank = unpack_u32(&unpack);
    const char *text = unpack_str(&unpack);
    cr_assert(unpack_done(&unpack) && rank < RANKS);
    cr_expect_eq(the.down_count[rank], 0, "it comes before the report");
    snprintf(the.lines[rank], sizeof the.lines[rank], "%s", text);
}

static void on_tree_message(struct trees_node *node, const struct link_message *message)
{
    struct host *host = the.hosts[node->here];
    bool good = true;
    switch (message->type) {
    case GN_SLICE:
        good = host_on_slice(host, message);
        break;
    case GN_PREPARE:
        good = host_on_prepare(host, message);
        break;
    case GN_SIGNAL:
        good = host_on_signal(host, message);
        break;
    case GN_RANK:
        good = host_on_rank(host, message);
        break;
    case GN_DISCARD:
        good = host_on_discard(host, message);
        break;
    case GN_END:
        good = host_on_end(host, message);
        break;
    case GN_CREDIT:
        good = host_on_credit(host, message);
        break;
    case GN_INPUT:
        good = host_on_input(host, message);
        break;
    case GN_GATHER:
    case GN_SPREAD:
        good = exchanges_on_message(the.exchanges[node->here], message);
        break;
    case GN_REPORTS:
        hear_reports(message);
        break;
    case GN_LAST_LINES:
        hear_lines(message);
        break;
    case GN_CLIENT:
        hear_client(message);
        break;
    default:
        cr_expect_fail("type %u", message->type);
    }
    cr_expect(good, "type %u", message->type);
}

static void on_started(void *arg, uint64_t group, uint32_t part,
                       const struct exchange_piece *pieces, size_t count)
{
    (void)arg;
    cr_expect_eq(group, GROUP);
    the.exchanges_done++;
    bool good = true;
    for (size_t i = 0; i < count; i++) {
        struct unpack unpack = unpack_start(pieces[i].data, pieces[i].length);
        if (pieces[i].length == 0)
            continue;
        good = false;
        int32_t code = unpack_i32(&unpack);
        snprintf(the.failure, sizeof the.failure, "%d %s", code, unpack_str(&unpack));
    }
    the.started += good;
    (void)part;
}

static void on_rank_exit(void *arg)
{
    (void)arg;
}

static void make_machine(void)
{
    cpu_set_t ours;
    uint16_t found = 0;
    cr_assert(sched_getaffinity(0, sizeof ours, &ours) == 0);
    the.machine = (struct machine){.core_count = CORES,
                                   .numa_count = 1,
                                   .l3_count = 1,
                                   .socket_count = 1,
                                   .thread_count = CORES,
                                   .real = true};
    the.machine.cores = calloc(CORES, sizeof *the.machine.cores);
    for (uint16_t cpu = 0; cpu < CPU_SETSIZE && found < CORES; cpu++)
        if (CPU_ISSET(cpu, &ours))
            the.machine.cores[found++] = (struct machine_core){.thread_count = 1, .threads = {cpu}};
    if (found < CORES) // one is all we have: it stands for both
        the.machine.cores[1] = the.machine.cores[0];
}

static void host_up(uint32_t node)
{
    struct tree *tree = the_trees.at[node].tree;
    the.exchanges[node] = exchanges_create(tree);
    struct groups_options options = {.loop = the_trees.loop,
                                     .tree = tree,
                                     .children = the.children,
                                     .socket_path = "/nowhere/agent.sock",
                                     .run_dir = the.directory,
                                     .shm_dir = the.directory,
                                     .nspace_stem = "stem",
                                     .machine = &the.machine,
                                     .cpuset = "",
                                     .start_timeout_ms = 1000,
                                     .on_rank_exit = on_rank_exit};
    the.hosts[node] =
        host_create(&options, the.exchanges[node], node == 0 ? on_started : NULL, NULL);
    cr_assert_not_null(the.hosts[node]);
}

static void bring_up(uint32_t nodes)
{
    struct pack packed = PACK_EMPTY;
    the.nodes = nodes;
    trees_up(&the_trees, nodes, 2);
    the_trees.on_message = on_tree_message;
    the.children = children_create(the_trees.loop, NULL);
    snprintf(the.directory, sizeof the.directory, "/tmp/dragon-test-XXXXXX");
    cr_assert_not_null(mkdtemp(the.directory));
    make_machine();
    the.ledger = ledger_create(nodes);
    machine_pack(&packed, &the.machine);
    for (uint32_t node = 0; node < nodes; node++) {
        cr_assert(ledger_describe(the.ledger, node, the_trees.nodes[node].name, "host", packed.data,
                                  packed.length));
        host_up(node);
    }
    pack_fini(&packed);
}

static void set_up(void)
{
    signal(SIGPIPE, SIG_IGN);
    alarm(60);
    bring_up(1);
}

static void tear_down(void)
{
    char command[128];
    for (uint32_t node = 0; node < the.nodes; node++) {
        host_destroy(the.hosts[node]);
        exchanges_destroy(the.exchanges[node]);
    }
    children_destroy(the.children);
    trees_fini(&the_trees);
    ledger_destroy(the.ledger);
    machine_fini(&the.machine);
    snprintf(command, sizeof command, "rm -rf %s", the.directory);
    cr_expect(system(command) == 0);
}

static void set_up_two(void)
{
    signal(SIGPIPE, SIG_IGN);
    alarm(60);
    bring_up(2);
}

TestSuite(group_host, .init = set_up, .fini = tear_down);
TestSuite(group_hosts, .init = set_up_two, .fini = tear_down);

// ---- orders

static struct stream_spec stream(uint8_t kind, const char *path)
{
    return (struct stream_spec){.kind = kind, .path = strdup(path)};
}

// A template of the shell.
static struct template_spec script(uint32_t ranks, const char *text)
{
    struct template_spec spec = {.ranks = ranks,
                                 .cwd = strdup(the.directory),
                                 .in = stream(STREAM_CLIENT, ""),
                                 .out = stream(STREAM_CLIENT, ""),
                                 .err = stream(STREAM_CLIENT, "")};
    strv_push(&spec.argv, "sh");
    strv_push(&spec.argv, "-c");
    strv_push(&spec.argv, text);
    return spec;
}

static void to_file(struct stream_spec *stream_out, const char *path)
{
    free(stream_out->path);
    *stream_out = stream(STREAM_FILE, path);
}

static struct group_spec spec_of(const struct template_spec *templates, uint32_t count)
{
    struct group_spec spec = {.name = strdup("test"),
                              .full = DRAGON_FULL_SHARE,
                              .failure = DRAGON_FAILURE_CONTINUE,
                              .input_rank = GROUP_NO_RANK,
                              .grace_ms = 1000,
                              .wait_ms = 1000,
                              .template_count = count};
    spec.templates = calloc(count, sizeof *spec.templates);
    memcpy(spec.templates, templates, count * sizeof *templates);
    strv_pushf(&spec.env, "PATH=%s", getenv("PATH"));
    strv_push(&spec.env, "COLOUR=red");
    strv_push(&spec.env, "DRAGON_CORES=stale");
    return spec;
}

static void order(uint16_t type, struct pack *body)
{
    tree_send(the_trees.at[0].tree, TREE_EVERYBODY, type, body);
}

// Takes the spec.
static void prepare(uint32_t number, uint32_t first_rank, struct group_spec *spec)
{
    struct plan_request request;
    struct plan_template *templates;
    struct plan plan;
    struct pack body = PACK_EMPTY;
    dragon_error_t error = {0};
    cr_assert(group_spec_request(spec, first_rank, &request, &templates));
    cr_assert_eq(plan_make(&request, the.ledger, &plan, &error), DRAGON_OK, "%s", error.text);
    free(templates);
    for (uint32_t node = 0; node < the.nodes; node++) {
        if (plan.count_on[node] == 0 || plan_slice_is_common(&plan, node))
            continue;
        pack_u64(&body, GROUP);
        pack_u32(&body, number);
        plan_pack_slice(&body, &plan, node);
        tree_send(the_trees.at[0].tree, node, GN_SLICE, &body);
    }
    pack_u64(&body, GROUP);
    pack_u32(&body, number);
    pack_u64(&body, SESSION);
    pack_u32(&body, 0);
    plan_pack_common(&body, &plan);
    group_spec_pack(&body, spec);
    order(GN_PREPARE, &body);
    plan_give_all(&plan, the.ledger);
    plan_fini(&plan);
    group_spec_fini(spec);
}

static void prepare_one(struct template_spec template)
{
    struct group_spec spec = spec_of(&template, 1);
    prepare(0, 0, &spec);
}

static void order_signal(int32_t rank, int signal, enum signal_why why)
{
    struct pack body = PACK_EMPTY;
    pack_u64(&body, GROUP);
    pack_i32(&body, rank);
    pack_u32(&body, (uint32_t)signal);
    pack_u8(&body, (uint8_t)why);
    order(GN_SIGNAL, &body);
}

static void order_rank(uint32_t rank, enum rank_order what, uint32_t ms)
{
    struct pack body = PACK_EMPTY;
    pack_u64(&body, GROUP);
    pack_u32(&body, rank);
    pack_u8(&body, (uint8_t)what);
    pack_u32(&body, ms);
    order(GN_RANK, &body);
}

static void order_end(uint32_t part)
{
    struct pack body = PACK_EMPTY;
    pack_u64(&body, GROUP);
    pack_u32(&body, part);
    order(GN_END, &body);
}

static void send_input(int32_t rank, const char *text)
{
    struct pack body = PACK_EMPTY;
    pack_u64(&body, GROUP);
    pack_i32(&body, rank);
    pack_bytes(&body, text, strlen(text));
    order(GN_INPUT, &body);
}

// Turns until it is so; what is waited for is written as a condition of its own each time.
#define WAIT(so)                                                                          \
    do {                                                                                  \
        uint64_t deadline = time_now_ms() + TREES_PATIENCE_MS;                            \
        while (!(so) && time_left_ms(deadline) > 0)                                       \
            loop_turn(the_trees.loop, 20);                                                \
        cr_assert(so, "%s; failure \"%s\", output \"%s\"", #so, the.failure, the.output); \
    } while (0)

static void turn(void)
{
    for (int i = 0; i < 5; i++)
        loop_turn(the_trees.loop, 1);
}

static const char *content(const char *name)
{
    static char text[1000];
    char path[128];
    snprintf(path, sizeof path, "%s/%s", the.directory, name);
    FILE *file = fopen(path, "r");
    text[0] = 0;
    if (!file)
        return "(not there)";
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    return text;
}

static void expect_down(uint32_t rank, enum rank_end end, int value, bool ours)
{
    const struct rank_report *report = &the.down[rank];
    cr_expect(the.down_count[rank] > 0 && report->end == end && report->value == value &&
                  report->ours == ours,
              "rank %u: end %u value %d ours %d", rank, report->end, report->value, report->ours);
}

// ---- plain groups

Test(group_host, ranks_run_and_are_reported)
{
    prepare_one(
        script(3, "echo $DRAGON_RANK/$DRAGON_SIZE/$DRAGON_LOCAL_RANK/$DRAGON_TEMPLATE/$COLOUR; "
                  "exit $DRAGON_RANK"));
    WAIT(the.downs == 3);
    cr_expect_eq(the.started, 1);
    for (uint32_t rank = 0; rank < 3; rank++) {
        char wanted[40];
        cr_expect_eq(the.up[rank], 1);
        expect_down(rank, RANK_EXITED, (int)rank, false);
        cr_expect_gt(the.down[rank].pid, 0);
        snprintf(wanted, sizeof wanted, "%u/3/%u/0/red\n", rank, rank);
        cr_expect(strstr(the.output, wanted), "%s", the.output);
    }
    order_end(GROUP_ALL_PARTS);
    turn();
    cr_expect_eq(host_running_ranks(the.hosts[0]), 0);
}

Test(group_host, templates_have_their_own)
{
    struct template_spec two[] = {script(1, "echo first $COLOUR $DRAGON_TEMPLATE"),
                                  script(2, "echo second $COLOUR ${SIZE-none} $DRAGON_TEMPLATE")};
    strv_push(&two[0].env, "COLOUR=blue");
    strv_push(&two[1].policy.env, "COLOUR=green");
    strv_push(&two[1].policy.env, "SIZE=big");
    strv_push(&two[1].env, "SIZE");
    struct group_spec spec = spec_of(two, 2);
    prepare(0, 0, &spec);
    WAIT(the.downs == 3);
    cr_expect(strstr(the.output, "first blue 0\n"), "%s", the.output);
    cr_expect(strstr(the.output, "second green none 1\n"), "%s", the.output);
}

Test(group_host, what_is_missing_is_told_before_anything_starts)
{
    static const struct {
        const char *program, *cwd, *wanted;
    } rows[] = {
        {"/nowhere/program", "/", "127 cannot run \"/nowhere/program\" on n0: there is no such"},
        {"no-such-program", "/", "127 cannot run"},
        {"/etc/passwd", "/", "126 cannot run"},
        {"sh", "/nowhere", "125 n0 has no directory /nowhere"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct template_spec two[] = {script(1, "echo no"), script(1, "echo no")};
        free(two[1].argv[0]);
        two[1].argv[0] = strdup(rows[i].program);
        free(two[1].cwd);
        two[1].cwd = strdup(rows[i].cwd);
        struct group_spec spec = spec_of(two, 2);
        prepare(0, 0, &spec);
        WAIT(the.exchanges_done == i + 1);
        cr_expect(strstr(the.failure, rows[i].wanted) == the.failure, "%s", the.failure);
        order_end(GROUP_ALL_PARTS);
        turn();
    }
    cr_expect_eq(the.started, 0);
    cr_expect_str_eq(the.output, "");
}

Test(group_host, binding_and_cores)
{
    struct template_spec template = script(2, "sed -n 's/^Cpus_allowed_list:[^0-9]*/cpus /p' "
                                              "/proc/self/status; echo cores $DRAGON_CORES");
    char wanted[60];
    template.policy.cores = 1;
    prepare_one(template);
    WAIT(the.downs == 2);
    for (uint32_t core = 0; core < CORES; core++) {
        snprintf(wanted, sizeof wanted, "cpus %u\n", the.machine.cores[core].threads[0]);
        cr_expect(strstr(the.output, wanted), "%s in %s", wanted, the.output);
        snprintf(wanted, sizeof wanted, "cores %u\n", core);
        cr_expect(strstr(the.output, wanted), "%s in %s", wanted, the.output);
    }
}

Test(group_host, a_memory_limit)
{
    struct template_spec template = script(1, "x=0123456789abcdef; while :; do x=$x$x; done");
    template.policy.memory_bytes = 32 << 20;
    prepare_one(template);
    WAIT(the.exchanges_done == 1);
    if (!the.started) { // this user may set none here
        cr_expect(strstr(the.failure, "125 memory limits cannot be set on n0: "), "%s",
                  the.failure);
        return;
    }
    WAIT(the.downs == 1);
    expect_down(0, RANK_NO_MEMORY, SIGKILL, false);
}

// What it leaves in its control group is killed, which must not hit the one that comes after it.
Test(group_host, a_rank_with_a_memory_limit_is_started_again)
{
    struct template_spec template =
        script(1, "test -e again && exec sleep 0.3; touch again; "
                  "for i in 1 2 3 4 5 6 7 8; do setsid sleep 100 & done");
    template.policy.memory_bytes = 64 << 20;
    to_file(&template.out, "out");
    to_file(&template.err, "out");
    prepare_one(template);
    WAIT(the.exchanges_done == 1);
    if (!the.started)
        return;
    WAIT(the.downs == 1);
    order_rank(0, RANK_START_AGAIN, 0);
    WAIT(the.downs == 2);
    expect_down(0, RANK_EXITED, 0, false);
    cr_expect_eq(the.up[0], 2);
}

// ---- files

Test(group_host, files)
{
    struct template_spec template = script(2, "echo out $DRAGON_RANK; echo err $DRAGON_RANK >&2");
    to_file(&template.out, "{rank}-{node}-{template}.out");
    to_file(&template.err, "both.err");
    prepare_one(template);
    WAIT(the.downs == 2);
    cr_expect_str_eq(content("0-0-0.out"), "out 0\n");
    cr_expect_str_eq(content("1-0-0.out"), "out 1\n");
    cr_expect_eq(strlen(content("both.err")), 12, "%s", content("both.err"));
    cr_expect_str_eq(the.output, "");
}

Test(group_host, output_and_errors_in_one_file)
{
    struct template_spec template = script(1, "echo a; echo b >&2; echo c");
    to_file(&template.out, "all");
    to_file(&template.err, "all");
    prepare_one(template);
    WAIT(the.downs == 1);
    cr_expect_str_eq(content("all"), "a\nb\nc\n");
}

Test(group_host, merged_and_discarded)
{
    struct template_spec two[] = {script(1, "echo a; echo b >&2; echo c"),
                                  script(1, "echo no; echo yes >&2")};
    two[0].err.kind = STREAM_MERGED;
    two[1].out.kind = STREAM_DISCARD;
    struct group_spec spec = spec_of(two, 2);
    prepare(0, 0, &spec);
    WAIT(the.downs == 2);
    // The other rank's line may come in between.
    const char *a = strstr(the.output, "a\n"), *b = strstr(the.output, "b\n");
    const char *c = strstr(the.output, "c\n");
    cr_expect(a && b && c && a < b && b < c, "%s", the.output);
    cr_expect(strstr(the.output, "yes\n") && !strstr(the.output, "no\n"));
}

Test(group_host, files_that_cannot_be)
{
    struct template_spec two[] = {script(1, "true"), script(1, "true")};
    to_file(&two[0].out, "made.out");
    to_file(&two[1].out, "nowhere/{rank}.out");
    struct group_spec spec = spec_of(two, 2);
    prepare(0, 0, &spec);
    WAIT(the.exchanges_done == 1);
    cr_expect(strstr(the.failure, "125 n0: rank 1 cannot write to ") == the.failure &&
                  strstr(the.failure, "/nowhere/1.out: No such file"),
              "%s", the.failure);
    cr_expect_str_eq(content("made.out"), "", "it is there");
    order_end(GROUP_ALL_PARTS);
    turn();
    cr_expect_str_eq(content("made.out"), "(not there)");
}

Test(group_hosts, files_go_when_another_node_fails)
{
    struct template_spec template = script(4, "true");
    char path[128];
    to_file(&template.out, "{node}/{rank}.out");
    snprintf(path, sizeof path, "%s/0", the.directory);
    cr_assert(mkdir(path, 0700) == 0);
    template.policy.ppn = 2;
    prepare_one(template);
    WAIT(the.exchanges_done == 1);
    cr_expect(strstr(the.failure, "125 n1: rank 2 cannot write"), "%s", the.failure);
    order_end(GROUP_ALL_PARTS);
    turn();
    cr_expect_str_eq(content("0/0.out"), "(not there)");
    cr_expect_eq(the.downs, 0);
}

Test(group_host, last_lines_of_a_rank_that_failed)
{
    struct template_spec two[] = {script(1, "echo wrong >&2; exit 3"),
                                  script(1, "echo out; exit 4")};
    for (int i = 0; i < 2; i++) {
        to_file(&two[i].out, "{rank}.out");
        to_file(&two[i].err, "{rank}.err");
    }
    struct group_spec spec = spec_of(two, 2);
    prepare(0, 0, &spec);
    WAIT(the.downs == 2);
    cr_expect_str_eq(the.lines[0], "wrong");
    cr_expect_str_eq(the.lines[1], "out");
}

Test(group_host, last_lines_of_merged_output)
{
    struct template_spec template = script(2, "echo out; echo wrong >&2; kill -$DRAGON_RANK $$");
    to_file(&template.out, "{rank}.out");
    template.err.kind = STREAM_MERGED;
    prepare_one(template);
    WAIT(the.downs == 2);
    cr_expect_str_eq(the.lines[0], "", "it did not fail");
    cr_expect_str_eq(the.lines[1], "out\nwrong");
}

// ---- input

Test(group_host, input_of_the_group_goes_to_its_readers)
{
    struct template_spec template = script(3, "while read x; do echo $DRAGON_RANK-$x; done");
    struct group_spec spec = spec_of(&template, 1);
    spec.input_rank = GROUP_ALL_RANKS;
    send_input(GROUP_ALL_RANKS, "nobody is here yet\n");
    prepare(0, 0, &spec);
    send_input(GROUP_ALL_RANKS, "one\n");
    WAIT(the.taken[0] == 4);
    send_input(GROUP_ALL_RANKS, "");
    WAIT(the.downs == 3);
    cr_expect(strstr(the.output, "0-one\n") && strstr(the.output, "1-one\n") &&
                  strstr(the.output, "2-one\n"),
              "%s", the.output);
    send_input(GROUP_ALL_RANKS, "late");
    WAIT(the.taken[0] == 8); // nobody reads it any more
}

Test(group_host, only_the_reader_reads)
{
    struct template_spec template = script(2, "read x; echo $DRAGON_RANK-${x:-none}");
    struct group_spec spec = spec_of(&template, 1);
    spec.input_rank = 1;
    prepare(0, 0, &spec);
    send_input(1, "mine\n");
    WAIT(the.downs == 2);
    cr_expect(strstr(the.output, "0-none\n") && strstr(the.output, "1-mine\n"), "%s", the.output);
    cr_expect_eq(the.taken[2], 5);
    send_input(0, "abc");
    WAIT(the.taken[1] == 3); // it has no input
    send_input(GROUP_ALL_RANKS, "abcd");
    WAIT(the.taken[0] == 4); // the reader takes the other kind
}

Test(group_host, pipes_of_single_ranks)
{
    struct template_spec template = script(2, "read x; echo $DRAGON_RANK-$x");
    template.in.kind = STREAM_PIPE;
    prepare_one(template);
    send_input(1, "b\n");
    send_input(0, "a\n");
    WAIT(the.downs == 2);
    cr_expect(strstr(the.output, "0-a\n") && strstr(the.output, "1-b\n"), "%s", the.output);
    cr_expect(the.taken[1] == 2 && the.taken[2] == 2);
}

Test(group_host, input_from_a_file)
{
    struct template_spec template = script(2, "read x; echo $DRAGON_RANK-$x");
    char path[128];
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%d.in", the.directory, i);
        FILE *file = fopen(path, "w");
        fprintf(file, "text %d\n", i);
        fclose(file);
    }
    to_file(&template.in, "{rank}.in");
    prepare_one(template);
    WAIT(the.downs == 2);
    cr_expect(strstr(the.output, "0-text 0\n") && strstr(the.output, "1-text 1\n"), "%s",
              the.output);
}

Test(group_host, an_input_file_that_is_not_there)
{
    struct template_spec template = script(1, "true");
    to_file(&template.in, "{rank}.in");
    prepare_one(template);
    WAIT(the.exchanges_done == 1);
    cr_expect(strstr(the.failure, "rank 0 cannot read from "), "%s", the.failure);
}

// ---- orders for a group that runs

Test(group_host, signals_pass)
{
    prepare_one(
        script(2, "trap 'echo got it; exit 7' USR1; echo ready; while :; do sleep 0.1; done"));
    WAIT(strlen(the.output) == 12);
    order_signal(1, SIGUSR1, SIGNAL_PASSED);
    WAIT(the.downs == 1);
    expect_down(1, RANK_EXITED, 7, false);
    order_signal(GROUP_ALL_RANKS, SIGKILL, SIGNAL_STOP);
    WAIT(the.downs == 2);
    expect_down(0, RANK_SIGNALED, SIGKILL, true);
}

Test(group_host, a_signal_that_comes_before_the_rest_is_started)
{
    prepare_one(script(40, "exec sleep 100"));
    WAIT(the.started == 1);
    order_signal(GROUP_ALL_RANKS, SIGKILL, SIGNAL_PASSED);
    WAIT(the.downs == 40);
    for (uint32_t rank = 0; rank < 40; rank++)
        expect_down(rank, RANK_SIGNALED, SIGKILL, false);
}

Test(group_host, a_stop_comes_before_the_rest_is_started)
{
    prepare_one(script(40, "exec sleep 100"));
    WAIT(the.started == 1);
    order_signal(GROUP_ALL_RANKS, SIGTERM, SIGNAL_STOP);
    WAIT(the.downs == 40);
    for (uint32_t rank = 0; rank < 40; rank++)
        expect_down(rank, RANK_SIGNALED, SIGTERM, true);
}

Test(group_host, a_rank_is_started_again)
{
    struct template_spec template = script(2, "echo run; test $DRAGON_RANK = 0 || exec sleep 100");
    to_file(&template.out, "{rank}.out");
    prepare_one(template);
    WAIT(the.downs == 1);
    order_rank(0, RANK_START_AGAIN, 10);
    order_rank(1, RANK_START_AGAIN, 0); // which still runs
    WAIT(the.downs == 2);
    cr_expect(the.up[0] == 2 && the.up[1] == 1);
    cr_expect_str_eq(content("0.out"), "run\nrun\n");
    order_rank(0, RANK_START_AGAIN, 100000);
    turn();
    order_signal(GROUP_ALL_RANKS, SIGTERM, SIGNAL_STOP);
    WAIT(the.downs == 4);
    expect_down(0, RANK_SIGNALED, SIGTERM, true);
    expect_down(1, RANK_SIGNALED, SIGTERM, true);
    cr_expect_eq(the.up[0], 2);
}

Test(group_host, a_rank_is_removed)
{
    prepare_one(script(2, "trap '' TERM; echo ready; while :; do sleep 0.1; done"));
    WAIT(strlen(the.output) == 12);
    order_rank(1, RANK_REMOVE, 50);
    WAIT(the.downs == 1);
    expect_down(1, RANK_SIGNALED, SIGKILL, true);
    cr_expect_eq(host_running_ranks(the.hosts[0]), 1);
    cr_expect_eq(host_signal_ranks(the.hosts[0], SIGKILL), 1);
    WAIT(the.downs == 2);
    expect_down(0, RANK_SIGNALED, SIGKILL, false);
}

Test(group_host, a_rank_is_removed_before_its_node_knows_that_all_are_ready)
{
    prepare_one(script(2, "exec sleep 100"));
    order_rank(1, RANK_REMOVE, 50); // it comes right behind
    WAIT(the.downs == 1 && the.up[0]);
    expect_down(1, RANK_SIGNALED, SIGTERM, true);
    cr_expect_eq(the.up[1], 0);
    order_signal(GROUP_ALL_RANKS, SIGTERM, SIGNAL_STOP);
    WAIT(the.downs == 2);
}

Test(group_host, no_more_restarts_ends_the_wait_for_one)
{
    prepare_one(script(2, "test $DRAGON_RANK = 0 || exec sleep 100; exit 3"));
    WAIT(the.downs == 1);
    order_rank(0, RANK_START_AGAIN, 100000);
    turn();
    order_signal(GROUP_ALL_RANKS, 0, SIGNAL_NO_RESTART);
    WAIT(the.downs == 2);
    expect_down(0, RANK_EXITED, 3, false);
    cr_expect(the.up[0] == 1 && the.down_count[1] == 0);
    order_signal(GROUP_ALL_RANKS, SIGTERM, SIGNAL_STOP);
    WAIT(the.downs == 3);
}

Test(group_host, ranks_are_added)
{
    struct template_spec template = script(2, "echo $DRAGON_RANK/$DRAGON_SIZE; exec sleep 100"),
                         other =
                             script(1, "echo added $DRAGON_RANK/$DRAGON_SIZE/$DRAGON_LOCAL_RANK");
    to_file(&template.out, "all");
    to_file(&other.out, "all");
    prepare_one(template);
    WAIT(the.up[0] && the.up[1] && strlen(content("all")) == 8);
    struct group_spec spec = spec_of(&other, 1);
    prepare(1, 2, &spec);
    WAIT(the.downs == 1);
    cr_expect_eq(the.started, 2);
    expect_down(2, RANK_EXITED, 0, false);
    cr_expect(strstr(content("all"), "0/2\n") && strstr(content("all"), "added 2/3/2\n"), "%s",
              content("all"));
    order_end(GROUP_ALL_PARTS);
    turn();
    cr_expect_eq(host_running_ranks(the.hosts[0]), 0);
}

Test(group_host, ranks_that_cannot_be_added_leave_the_others)
{
    struct template_spec other = script(1, "true");
    prepare_one(script(1, "exec sleep 100"));
    WAIT(the.up[0]);
    free(other.cwd);
    other.cwd = strdup("/nowhere");
    struct group_spec spec = spec_of(&other, 1);
    prepare(1, 1, &spec);
    WAIT(the.exchanges_done == 2);
    order_end(1);
    turn();
    cr_expect_eq(host_running_ranks(the.hosts[0]), 1);
    order_end(1); // once more
    order_end(0);
    turn();
    cr_expect_eq(host_running_ranks(the.hosts[0]), 0);
}

Test(group_hosts, ranks_on_both_nodes)
{
    struct template_spec template = script(4, "echo $DRAGON_RANK@$DRAGON_NODE-$DRAGON_LOCAL_RANK");
    template.policy.ppn = 2;
    template.policy.cores = 1;
    prepare_one(template);
    WAIT(the.downs == 4);
    cr_expect(strstr(the.output, "0@0-0\n") && strstr(the.output, "1@0-1\n") &&
                  strstr(the.output, "2@1-0\n") && strstr(the.output, "3@1-1\n"),
              "%s", the.output);
}

// Only where the second node's cores are others than the first's is a slice sent to it alone.
Test(group_hosts, nodes_with_different_cores)
{
    struct template_spec template = script(3, "echo $DRAGON_NODE has $DRAGON_CORES");
    template.policy.cores = 1;
    ledger_take_core(the.ledger, 0, 0);
    prepare_one(template);
    WAIT(the.downs == 3);
    cr_expect(strstr(the.output, "0 has 1\n") && strstr(the.output, "1 has 0\n") &&
                  strstr(the.output, "1 has 1\n"),
              "%s", the.output);
}

Test(group_host, messages_that_are_cut)
{
    bool (*const handlers[])(struct host * host, const struct link_message *message) = {
        host_on_prepare, host_on_slice, host_on_signal, host_on_rank,
        host_on_discard, host_on_end,   host_on_credit, host_on_input};
    static const uint8_t zeros[8];
    for (size_t i = 0; i < sizeof handlers / sizeof *handlers; i++)
        for (uint32_t length = 0; length < 8; length++) {
            struct link_message message = {.body = zeros, .length = length};
            cr_expect(!handlers[i](the.hosts[0], &message), "handler %zu, %u bytes", i, length);
        }
}
