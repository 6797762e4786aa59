// SPDX-License-Identifier: BSD-3-Clause
//
// The PMI-1 server, line by line over socketpairs: what a client sends, what comes back, and what
// the agent is told. Nothing sleeps: each wait turns the loop until there is something, with a
// deadline.
#include "config.h"

#include "pmi/pmi1.h"
#include "pmi/pmi1_kvs.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { RANKS = 3, DEADLINE_MS = 5000 };

// What the agent was told, as one text that tests compare.
static struct {
    struct loop *loop;
    struct pmi1_job *job;
    int fds[RANKS]; // the ranks' ends
    char told[1024];
    uint8_t barrier[4096];
    size_t barrier_length;
    bool answer_at_once;
    bool destroy_on_abort;
} the;

__attribute__((format(printf, 1, 2))) static void tell(const char *format, ...)
{
    size_t used = strlen(the.told);
    va_list args;
    va_start(args, format);
    vsnprintf(the.told + used, sizeof the.told - used, format, args);
    va_end(args);
}

static void on_connected(void *arg, uint32_t rank)
{
    cr_expect_eq(arg, &the);
    tell("connected %u;", rank);
}

static void on_finalized(void *arg, uint32_t rank)
{
    (void)arg;
    tell("finalized %u;", rank);
}

static void on_barrier(void *arg, const void *data, size_t length)
{
    (void)arg;
    tell("barrier;");
    cr_assert_lt(length, sizeof the.barrier);
    memcpy(the.barrier, data, length);
    the.barrier_length = length;
    if (the.answer_at_once) {
        struct pmi1_blob blob = {data, length};
        cr_expect_eq(pmi1_job_barrier_done(the.job, &blob, 1), DRAGON_OK);
    }
}

static void on_abort(void *arg, uint32_t rank, int32_t code, const char *text)
{
    (void)arg;
    tell("abort %u %d %s;", rank, code, text);
    if (the.destroy_on_abort) {
        pmi1_job_destroy(the.job);
        the.job = NULL;
    }
}

static void on_lost(void *arg, uint32_t rank, bool finalized)
{
    (void)arg;
    tell("lost %u%s;", rank, finalized ? " finalized" : "");
}

static const struct pmi1_handler the_handler = {
    .on_connected = on_connected,
    .on_finalized = on_finalized,
    .on_barrier = on_barrier,
    .on_abort = on_abort,
    .on_lost = on_lost,
};

static uint32_t the_nodes[] = {0, 1, 0, 1, 0};
static char *the_names[] = {"h0", "h1", NULL};
static uint32_t the_first[] = {0, 4}; // ranks 0 to 3 run one program, rank 4 another
static const struct pmi_map the_map = {.size = 5,
                                       .nodes = 2,
                                       .node_names = the_names,
                                       .node_of_rank = the_nodes,
                                       .app_count = 2,
                                       .app_first = the_first};

static const uint32_t the_ranks[RANKS] = {0, 2, 4};

// Three ranks here, 0, 2 and 4, of five on two nodes.
static void setup(void)
{
    the.loop = loop_create();
    the.job = pmi1_job_create(the.loop, &the_map, "kvs_1", &the_handler, &the);
    cr_assert(the.loop && the.job);
    for (size_t i = 0; i < RANKS; i++) {
        int pair[2];
        cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        cr_assert(pmi1_job_attach(the.job, the_ranks[i], pair[0]));
        cr_assert_eq(fcntl(pair[1], F_SETFL, O_NONBLOCK), 0);
        the.fds[i] = pair[1];
    }
}

static void teardown(void)
{
    pmi1_job_destroy(the.job);
    loop_destroy(the.loop);
    for (size_t i = 0; i < RANKS; i++)
        if (the.fds[i] >= 0)
            close(the.fds[i]);
}

static void send_bytes(size_t client, const char *bytes, size_t length)
{
    cr_assert_eq(send(the.fds[client], bytes, length, MSG_NOSIGNAL), (ssize_t)length);
}

static void say(size_t client, const char *line)
{
    send_bytes(client, line, strlen(line));
    send_bytes(client, "\n", 1);
}

static void hang_up(size_t client)
{
    close(the.fds[client]);
    the.fds[client] = -1;
}

// The next line without its newline; "(end)" when the server closed.
static const char *hear(size_t client)
{
    static char line[PMI1_LINE_MAX];
    size_t length = 0;
    uint64_t deadline = time_now_ms() + DEADLINE_MS;
    while (time_left_ms(deadline) > 0) {
        ssize_t got = recv(the.fds[client], line + length, 1, 0);
        if (got == 0 || (got < 0 && errno == ECONNRESET))
            return "(end)";
        if (got < 0)
            loop_turn(the.loop, 10);
        else if (line[length++] == '\n') {
            line[length - 1] = 0;
            return line;
        }
    }
    return "(nothing)";
}

static void ask(size_t client, const char *line, const char *expected)
{
    say(client, line);
    const char *got = hear(client);
    cr_expect_str_eq(got, expected, "%s: got %s, expected %s", line, got, expected);
}

static void wait_told(const char *expected)
{
    uint64_t deadline = time_now_ms() + DEADLINE_MS;
    while (strcmp(the.told, expected) != 0 && time_left_ms(deadline) > 0)
        loop_turn(the.loop, 10);
    cr_expect_str_eq(the.told, expected, "told %s, expected %s", the.told, expected);
    the.told[0] = 0;
}

static void expect_quiet(size_t client)
{
    char byte;
    loop_turn(the.loop, 0);
    cr_expect(recv(the.fds[client], &byte, 1, 0) < 0 && errno == EAGAIN);
}

TestSuite(pmi1, .init = setup, .fini = teardown, .timeout = 60);

Test(pmi1, each_program_has_its_number)
{
    ask(1, "cmd=init pmi_version=1 pmi_subversion=1",
        "cmd=response_to_init pmi_version=1 pmi_subversion=1 rc=0");
    ask(2, "cmd=init pmi_version=1 pmi_subversion=1",
        "cmd=response_to_init pmi_version=1 pmi_subversion=1 rc=0");
    ask(1, "cmd=get_appnum", "cmd=appnum appnum=0");
    ask(2, "cmd=get_appnum", "cmd=appnum appnum=1");
}

Test(pmi1, each_line_of_a_session)
{
    ask(1, "cmd=init pmi_version=1 pmi_subversion=1",
        "cmd=response_to_init pmi_version=1 pmi_subversion=1 rc=0");
    wait_told("connected 2;");
    ask(1, "cmd=get_maxes", "cmd=maxes kvsname_max=256 keylen_max=64 vallen_max=1024");
    ask(1, "cmd=get_appnum", "cmd=appnum appnum=0");
    ask(1, "cmd=get_my_kvsname", "cmd=my_kvsname kvsname=kvs_1");
    ask(1, "cmd=get_universe_size", "cmd=universe_size size=5");
    ask(1, "cmd=get kvsname=kvs_1 key=PMI_process_mapping",
        "cmd=get_result rc=0 msg=success value=(vector,(0,2,1))");
    ask(1, "cmd=put kvsname=kvs_1 key=-bcast-1-0 value=00ff", "cmd=put_result rc=0 msg=success");
    ask(1, "cmd=get kvsname=kvs_1 key=-bcast-1-0", "cmd=get_result rc=0 msg=success value=00ff");
    ask(1, "cmd=get kvsname=kvs_1 key=other",
        "cmd=get_result rc=-1 msg=key_other_not_found value=unknown");
    ask(1, "cmd=finalize", "cmd=finalize_ack");
    wait_told("finalized 2;");
    hang_up(1);
    wait_told("lost 2 finalized;");
}

Test(pmi1, wrong_version)
{
    ask(0, "cmd=init pmi_version=2 pmi_subversion=0",
        "cmd=response_to_init pmi_version=1 pmi_subversion=1 rc=-1");
    ask(0, "cmd=init", "cmd=response_to_init pmi_version=1 pmi_subversion=1 rc=-1");
    wait_told("");
}

Test(pmi1, puts_that_are_refused)
{
    char line[PMI1_LINE_MAX], text[PMI1_VALUE_MAX + 1];
    memset(text, 'x', sizeof text);
    text[PMI1_VALUE_MAX - 1] = 0;
    snprintf(line, sizeof line, "cmd=put kvsname=kvs_1 key=k value=%s", text);
    ask(0, line, "cmd=put_result rc=0 msg=success");
    text[PMI1_VALUE_MAX - 1] = 'x';
    text[PMI1_VALUE_MAX] = 0;
    snprintf(line, sizeof line, "cmd=put kvsname=kvs_1 key=k value=%s", text);
    ask(0, line, "cmd=put_result rc=-1 msg=key_or_value_too_long");
    snprintf(line, sizeof line, "cmd=put kvsname=kvs_1 key=%.*s value=v", PMI1_KEY_MAX, text);
    ask(0, line, "cmd=put_result rc=-1 msg=key_or_value_too_long");
    ask(0, "cmd=put kvsname=kvs_1 value=v", "cmd=put_result rc=-1 msg=key_or_value_missing");
    ask(0, "cmd=put kvsname=kvs_1 key=k", "cmd=put_result rc=-1 msg=key_or_value_missing");
    ask(0, "cmd=put kvsname=kvs_1 key= value=v", "cmd=put_result rc=-1 msg=key_or_value_too_long");
    ask(0, "cmd=put kvsname=kvs_2 key=k value=v", "cmd=put_result rc=-1 msg=unknown_kvs");
    ask(0, "cmd=put key=k value=v", "cmd=put_result rc=-1 msg=unknown_kvs");
    ask(0, "cmd=put kvsname=kvs_1 key=e value=a=b=c", "cmd=put_result rc=0 msg=success");
    ask(0, "cmd=get kvsname=kvs_1 key=e", "cmd=get_result rc=0 msg=success value=a=b=c");
    ask(0, "cmd=get kvsname=kvs_2 key=e", "cmd=get_result rc=-1 msg=unknown_kvs value=unknown");
    ask(0, "cmd=get kvsname=kvs_1", "cmd=get_result rc=-1 msg=key__not_found value=unknown");
}

Test(pmi1, a_second_put_replaces)
{
    ask(0, "cmd=put kvsname=kvs_1 key=k value=old", "cmd=put_result rc=0 msg=success");
    ask(0, "cmd=put kvsname=kvs_1 key=k value=newer", "cmd=put_result rc=0 msg=success");
    ask(1, "cmd=get kvsname=kvs_1 key=k", "cmd=get_result rc=0 msg=success value=newer");
}

Test(pmi1, what_is_not_supported_is_answered)
{
    ask(0, "cmd=publish_name service=s port=p",
        "cmd=publish_result info=failed rc=-1 msg=not_supported");
    ask(0, "cmd=lookup_name service=s", "cmd=lookup_result info=failed rc=-1 msg=not_supported");
    ask(0, "cmd=unpublish_name service=s",
        "cmd=unpublish_result info=failed rc=-1 msg=not_supported");
    ask(0, "cmd=something x=y", "cmd=something_result rc=-1 msg=unknown_command");
    say(0, "mcmd=spawn");
    say(0, "nprocs=2");
    say(0, "execname=./a.out");
    say(0, "arg1=with spaces and no sense");
    expect_quiet(0);
    ask(0, "endcmd", "cmd=spawn_result rc=-1 errcodes=-1");
    ask(0, "cmd=get_appnum", "cmd=appnum appnum=0");
}

Test(pmi1, lines_that_are_none_end_the_connection)
{
    static const char *const lines[] = {"rubbish", "=x", "cmd=get_maxes word"};
    for (size_t i = 0; i < RANKS; i++) {
        ask(i, lines[i], "(end)");
    }
    wait_told("lost 0;lost 2;lost 4;");
}

Test(pmi1, control_characters_end_the_connection)
{
    ask(0, "cmd=put kvsname=kvs_1 key=a value=\tb", "(end)");
    send_bytes(1, "cmd=get_maxes\0x\n", 16);
    cr_expect_str_eq(hear(1), "(end)");
    ask(2, "cmd=get_maxes", "cmd=maxes kvsname_max=256 keylen_max=64 vallen_max=1024");
    wait_told("lost 0;lost 2;");
}

Test(pmi1, empty_line_ends_the_connection)
{
    ask(0, "", "(end)");
    wait_told("lost 0;");
}

Test(pmi1, long_lines)
{
    char line[PMI1_LINE_MAX + 1];
    memset(line, 'x', sizeof line);
    memcpy(line, "cmd=y z=", 8);
    line[PMI1_LINE_MAX - 1] = 0; // with the newline just what is allowed
    ask(0, line, "cmd=y_result rc=-1 msg=unknown_command");
    line[PMI1_LINE_MAX - 1] = 'x';
    send_bytes(1, line, PMI1_LINE_MAX);
    cr_expect_str_eq(hear(1), "(end)");
    wait_told("lost 2;");
}

Test(pmi1, too_many_words)
{
    ask(0,
        "cmd=a a=1 a=1 a=1 a=1 a=1 a=1 a=1 a=1 a=1 a=1 a=1 a=1 a=1 a=1 a=1 a=1 a=1 a=1 a=1 a=1 "
        "a=1 a=1 a=1 a=1 a=1 a=1 a=1 a=1 a=1 a=1 a=1 a=1",
        "(end)");
    wait_told("lost 0;");
}

Test(pmi1, lines_in_pieces_and_many_at_once)
{
    send_bytes(0, "cmd=get", 7);
    expect_quiet(0);
    send_bytes(0, "_appnum\ncmd=get_universe_size\ncmd=get_my", 40);
    cr_expect_str_eq(hear(0), "cmd=appnum appnum=0");
    cr_expect_str_eq(hear(0), "cmd=universe_size size=5");
    ask(0, "_kvsname", "cmd=my_kvsname kvsname=kvs_1");
}

Test(pmi1, close_without_finalize)
{
    ask(0, "cmd=init pmi_version=1 pmi_subversion=1",
        "cmd=response_to_init pmi_version=1 pmi_subversion=1 rc=0");
    wait_told("connected 0;");
    hang_up(0);
    wait_told("lost 0;");
    hang_up(2);
    wait_told("lost 4;");
}

Test(pmi1, abort)
{
    say(1, "cmd=abort exitcode=42");
    wait_told("abort 2 42 ;");
    say(1, "cmd=abort exitcode=-7 error_msg=broken");
    wait_told("abort 2 -7 broken;");
    say(1, "cmd=abort");
    wait_told("abort 2 1 ;");
    say(1, "cmd=abort exitcode=12x");
    wait_told("abort 2 1 ;");
    expect_quiet(1);
}

Test(pmi1, destroy_inside_a_handler)
{
    the.destroy_on_abort = true;
    say(1, "cmd=abort exitcode=1");
    say(1, "cmd=get_maxes");
    wait_told("abort 2 1 ;");
    cr_expect_str_eq(hear(1), "(end)");
    cr_expect_str_eq(hear(0), "(end)");
    wait_told("");
}

// What another node would send.
static void pack_entries(struct pack *pack, size_t count, const char *const *words)
{
    pack_u32(pack, (uint32_t)count);
    for (size_t i = 0; i < 2 * count; i++)
        pack_str(pack, words[i]);
}

static void enter_barrier(void)
{
    for (size_t i = 0; i < RANKS; i++) {
        expect_quiet(i);
        cr_expect_str_eq(the.told, "", "not all are in");
        say(i, "cmd=barrier_in");
    }
    wait_told("barrier;");
}

Test(pmi1, barrier_exchanges_puts)
{
    ask(0, "cmd=put kvsname=kvs_1 key=mine value=1", "cmd=put_result rc=0 msg=success");
    enter_barrier();
    struct pack ours = PACK_EMPTY, theirs = PACK_EMPTY;
    pack_entries(&ours, 1, (const char *const[]){"mine", "1"});
    cr_expect_eq(the.barrier_length, ours.length);
    cr_expect_arr_eq(the.barrier, ours.data, ours.length);
    expect_quiet(0);

    pack_entries(&theirs, 2, (const char *const[]){"far", "2", "further", "3"});
    const struct pmi1_blob blobs[] = {{ours.data, ours.length}, {theirs.data, theirs.length}};
    cr_expect_eq(pmi1_job_barrier_done(the.job, blobs, 2), DRAGON_OK);
    for (size_t i = 0; i < RANKS; i++)
        cr_expect_str_eq(hear(i), "cmd=barrier_out");
    ask(2, "cmd=get kvsname=kvs_1 key=further", "cmd=get_result rc=0 msg=success value=3");
    ask(1, "cmd=get kvsname=kvs_1 key=mine", "cmd=get_result rc=0 msg=success value=1");

    // What came from elsewhere, or went out before, is not sent again.
    enter_barrier();
    cr_expect_eq(the.barrier_length, 4);
    pack_fini(&theirs);
    pack_fini(&ours);
}

Test(pmi1, barrier_answered_inside_the_handler)
{
    the.answer_at_once = true;
    for (int round = 0; round < 3; round++) {
        enter_barrier();
        for (size_t i = 0; i < RANKS; i++)
            cr_expect_str_eq(hear(i), "cmd=barrier_out");
    }
}

Test(pmi1, barrier_twice_by_one_rank)
{
    say(0, "cmd=barrier_in");
    ask(0, "cmd=barrier_in", "(end)");
    wait_told("lost 0;");
}

Test(pmi1, barrier_not_asked_for)
{
    cr_expect_eq(pmi1_job_barrier_done(the.job, NULL, 0), DRAGON_ERR_STATE);
    say(0, "cmd=barrier_in");
    expect_quiet(0);
    cr_expect_eq(pmi1_job_barrier_done(the.job, NULL, 0), DRAGON_ERR_STATE);
}

static dragon_err_t done_with(struct pack *theirs)
{
    struct pmi1_blob blob = {theirs->data, theirs->length};
    dragon_err_t err = pmi1_job_barrier_done(the.job, &blob, 1);
    pack_fini(theirs);
    return err;
}

Test(pmi1, bad_data_of_another_node)
{
    enter_barrier();
    struct pack theirs = PACK_EMPTY;
    pack_u32(&theirs, UINT32_MAX);
    cr_expect_eq(done_with(&theirs), DRAGON_ERR_PROTO);
    cr_expect_eq(done_with(&theirs), DRAGON_ERR_PROTO, "empty");
    pack_entries(&theirs, 1, (const char *const[]){"key with space", "v"});
    cr_expect_eq(done_with(&theirs), DRAGON_ERR_PROTO);
    pack_entries(&theirs, 1, (const char *const[]){"k", "v\ncmd=x"});
    cr_expect_eq(done_with(&theirs), DRAGON_ERR_PROTO);
    pack_entries(&theirs, 1, (const char *const[]){"k", "v"});
    pack_u8(&theirs, 0);
    cr_expect_eq(done_with(&theirs), DRAGON_ERR_PROTO, "a byte too many");
    expect_quiet(0);
    pack_entries(&theirs, 1, (const char *const[]){"k", "v"});
    cr_expect_eq(done_with(&theirs), DRAGON_OK);
    cr_expect_str_eq(hear(0), "cmd=barrier_out");
}

Test(pmi1, drain_reads_what_is_there)
{
    say(1, "cmd=init pmi_version=1 pmi_subversion=1");
    say(1, "cmd=finalize");
    hang_up(1);
    pmi1_job_drain(the.job, 2); // without a turn of the loop
    cr_expect_str_eq(the.told, "connected 2;finalized 2;lost 2 finalized;");
    the.told[0] = 0;
    pmi1_job_drain(the.job, 2);
    pmi1_job_drain(the.job, 1);
    pmi1_job_drain(the.job, 0);
    wait_told("");
}

Test(pmi1, attach_is_for_local_ranks_once)
{
    static const uint32_t ranks[] = {0, 1, 5};
    for (size_t i = 0; i < 3; i++) {
        int pair[2];
        char byte;
        cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        cr_expect_not(pmi1_job_attach(the.job, ranks[i], pair[0]), "rank %u", ranks[i]);
        cr_expect_eq(recv(pair[1], &byte, 1, 0), 0, "the descriptor is closed");
        close(pair[1]);
    }
}

Test(pmi1, a_client_that_does_not_read_is_not_read)
{
    char value[PMI1_VALUE_MAX], line[PMI1_LINE_MAX];
    memset(value, 'v', sizeof value);
    value[sizeof value - 1] = 0;
    snprintf(line, sizeof line, "cmd=put kvsname=kvs_1 key=k value=%s", value);
    ask(0, line, "cmd=put_result rc=0 msg=success");
    // Each of these makes an answer many times its size: the answers fill the socket first.
    static const char get[] = "cmd=get kvsname=kvs_1 key=k\n";
    size_t sent = 0;
    for (int idle = 0; idle < 3; loop_turn(the.loop, 1)) {
        ssize_t now = send(the.fds[0], get, sizeof get - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        idle = now < 0 ? idle + 1 : 0;
        sent += now > 0 ? (size_t)now : 0;
        cr_assert_lt(sent, 64u << 20);
    }
    ask(1, "cmd=get_appnum", "cmd=appnum appnum=0");
    for (size_t whole = sent / (sizeof get - 1); whole > 0; whole--)
        cr_assert_str_eq(strrchr(hear(0), '=') + 1, value);
    expect_quiet(0);
}

Test(pmi1_job, names_that_are_refused)
{
    struct loop *loop = loop_create();
    char name[PMI1_KVSNAME_MAX + 1];
    memset(name, 'n', sizeof name);
    name[PMI1_KVSNAME_MAX] = 0;
    cr_expect_null(pmi1_job_create(loop, &the_map, name, &the_handler, &the));
    cr_expect_null(pmi1_job_create(loop, &the_map, "", &the_handler, &the));
    cr_expect_null(pmi1_job_create(loop, &the_map, "a b", &the_handler, &the));
    name[PMI1_KVSNAME_MAX - 1] = 0;
    struct pmi1_job *job = pmi1_job_create(loop, &the_map, name, &the_handler, &the);
    cr_expect(job);
    pmi1_job_destroy(job);
    pmi1_job_destroy(NULL);
    loop_destroy(loop);
}

Test(pmi1_kvs, full)
{
    struct pmi1_kvs kvs = {.bytes = PMI1_KVS_BYTES_MAX - 3};
    cr_expect_eq(pmi1_kvs_put(&kvs, "k", "v"), DRAGON_OK);
    cr_expect_eq(pmi1_kvs_put(&kvs, "k2", "v"), DRAGON_ERR_FULL);
    cr_expect_null(pmi1_kvs_get(&kvs, "k2"));
    pmi1_kvs_fini(&kvs);
}
