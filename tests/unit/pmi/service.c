// SPDX-License-Identifier: BSD-3-Clause
//
// The agent's side of dragon-pmix against a link that plays the helper.
#include "config.h"

#include "net/link.h"
#include "pmi/service.h"

#include <criterion/criterion.h>
#include <sys/socket.h>

static struct {
    struct loop *loop;
    struct pmix_service *service;
    struct link *helper;
    char told[1024];
    bool destroy_when_told;
} the;

__attribute__((format(printf, 1, 2))) static void tell(const char *format, ...)
{
    size_t used = strlen(the.told);
    va_list args;
    va_start(args, format);
    vsnprintf(the.told + used, sizeof the.told - used, format, args);
    va_end(args);
    if (the.destroy_when_told) {
        pmix_service_destroy(the.service);
        the.service = NULL;
    }
}

static void on_job_ready(void *arg, uint64_t job, const char *error, char *const *const *envs,
                         uint32_t count)
{
    cr_expect_eq(arg, &the);
    tell("ready %u %s %u %s;", (unsigned)job, error, count, count ? envs[count - 1][0] : "");
}

static void on_connected(void *arg, uint64_t job, uint32_t rank)
{
    (void)arg;
    tell("connected %u %u;", (unsigned)job, rank);
}

static void on_finalized(void *arg, uint64_t job, uint32_t rank)
{
    (void)arg;
    tell("finalized %u %u;", (unsigned)job, rank);
}

static void on_abort(void *arg, uint64_t job, uint32_t rank, int32_t code, const char *text)
{
    (void)arg;
    tell("abort %u %u %d %s;", (unsigned)job, rank, code, text);
}

static void on_fence(void *arg, const struct pmi_fence_message *fence)
{
    (void)arg;
    tell("fence %u %u %u all %d collect %d %.*s;", (unsigned)fence->id, (unsigned)fence->job,
         fence->sequence, fence->all, fence->collect, (int)fence->length,
         (const char *)fence->data);
}

static void on_modex(void *arg, uint64_t id, uint64_t job, uint32_t rank)
{
    (void)arg;
    tell("modex %u %u %u;", (unsigned)id, (unsigned)job, rank);
}

static void on_modex_got(void *arg, uint64_t id, dragon_err_t err, const void *data, size_t length)
{
    (void)arg;
    tell("got %u %d %.*s;", (unsigned)id, err, (int)length, (const char *)data);
}

static void on_settled(void *arg, uint64_t job, uint32_t rank)
{
    (void)arg;
    tell("settled %u %u;", (unsigned)job, rank);
}

static void on_lost_rank(void *arg, uint64_t job, uint32_t rank)
{
    (void)arg;
    tell("lost %u %u;", (unsigned)job, rank);
}

static void on_gone(void *arg, const char *reason)
{
    (void)arg;
    tell("gone %s;", reason);
}

static const struct pmix_service_handler the_handler = {
    .on_job_ready = on_job_ready,
    .on_connected = on_connected,
    .on_finalized = on_finalized,
    .on_abort = on_abort,
    .on_fence = on_fence,
    .on_modex = on_modex,
    .on_modex_got = on_modex_got,
    .on_settled = on_settled,
    .on_lost_rank = on_lost_rank,
    .on_gone = on_gone,
};

static uint64_t read_id(const struct link_message *message)
{
    struct unpack body = unpack_start(message->body, message->length);
    return unpack_u64(&body);
}

// The helper notes what reached it.
static void on_helper_message(void *arg, const struct link_message *message)
{
    (void)arg;
    tell("%s %u;", pmi_message_name(message->type), (unsigned)read_id(message));
}

static void on_helper_closed(void *arg, const char *reason)
{
    (void)arg;
    (void)reason;
    tell("closed;");
}

static const struct link_handler the_helper_handler = {
    .on_message = on_helper_message,
    .on_closed = on_helper_closed,
};

static void setup(void)
{
    int pair[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    the.loop = loop_create();
    the.service = pmix_service_create(the.loop, pair[0], &the_handler, &the);
    the.helper = link_create(the.loop, pair[1], PMI_PROTO_BODY_LIMIT, &the_helper_handler, NULL);
    cr_assert(the.service && the.helper);
}

static void teardown(void)
{
    pmix_service_destroy(the.service);
    link_destroy(the.helper);
    loop_destroy(the.loop);
}

static void wait_told(const char *expected)
{
    uint64_t deadline = time_now_ms() + 5000;
    while (strcmp(the.told, expected) != 0 && time_left_ms(deadline) > 0)
        loop_turn(the.loop, 10);
    cr_expect_str_eq(the.told, expected, "told %s, expected %s", the.told, expected);
    the.told[0] = 0;
}

static void helper_says(enum pmi_message_type type, struct pack *body)
{
    link_send_pack(the.helper, (uint16_t)type, 0, 0, body);
}

static void helper_says_rank(enum pmi_message_type type)
{
    struct pack body = PACK_EMPTY;
    pack_pmi_rank(&body, &(struct pmi_rank_message){1, 2});
    helper_says(type, &body);
}

TestSuite(pmi_service, .init = setup, .fini = teardown, .timeout = 30);

Test(pmi_service, every_message_of_the_helper_is_told)
{
    struct pack body = PACK_EMPTY;
    char *env[] = {"A=b", NULL};
    char **envs[] = {env};
    pack_pmi_ready(&body, &(struct pmi_ready_message){1, "", envs, 1});
    helper_says(PMI_MESSAGE_JOB_READY, &body);
    wait_told("ready 1  1 A=b;");
    pack_pmi_ready(&body, &(struct pmi_ready_message){1, "no", NULL, 0});
    helper_says(PMI_MESSAGE_JOB_READY, &body);
    wait_told("ready 1 no 0 ;");
    helper_says_rank(PMI_MESSAGE_CONNECTED);
    helper_says_rank(PMI_MESSAGE_FINALIZED);
    helper_says_rank(PMI_MESSAGE_LOST);
    helper_says_rank(PMI_MESSAGE_SETTLED);
    wait_told("connected 1 2;finalized 1 2;lost 1 2;settled 1 2;");
    pack_pmi_abort(&body, &(struct pmi_abort_message){1, 2, 3, "text"});
    helper_says(PMI_MESSAGE_ABORT, &body);
    wait_told("abort 1 2 3 text;");
    pack_pmi_fence(&body, &(struct pmi_fence_message){.id = 1,
                                                      .job = 2,
                                                      .sequence = 3,
                                                      .all = true,
                                                      .data = (const uint8_t *)"data",
                                                      .length = 4});
    helper_says(PMI_MESSAGE_FENCE, &body);
    wait_told("fence 1 2 3 all 1 collect 0 data;");
    pack_pmi_modex(&body, &(struct pmi_modex_message){1, 2, 3});
    helper_says(PMI_MESSAGE_MODEX, &body);
    wait_told("modex 1 2 3;");
    pack_pmi_answer(&body, &(struct pmi_answer_message){1, 0, (const uint8_t *)"data", 4});
    helper_says(PMI_MESSAGE_MODEX_GOT, &body);
    wait_told("got 1 0 data;");
}

Test(pmi_service, every_call_reaches_the_helper)
{
    uint32_t nodes[] = {0};
    char *names[] = {"h", NULL};
    struct pmi_app app = {.cwd = "/"};
    struct pmi_job_message job = {
        .job = 1,
        .nspace = "n",
        .map = {.size = 1, .nodes = 1, .node_names = names, .node_of_rank = nodes},
        .dir = "/",
        .apps = &app,
        .cpuset = ""};
    pmix_service_job(the.service, &job);
    pmix_service_fence_done(the.service, 2, DRAGON_OK, "x", 1);
    pmix_service_modex_get(the.service, 3, 1, 0);
    pmix_service_modex_done(the.service, 4, DRAGON_ERR_NOT_FOUND, NULL, 0);
    pmix_service_settle(the.service, 5, 0);
    pmix_service_job_end(the.service, 6);
    wait_told("job 1;fence-done 2;modex-get 3;modex-done 4;settle 5;job-end 6;");
}

Test(pmi_service, a_helper_that_goes_is_told_once)
{
    link_destroy(the.helper);
    the.helper = NULL;
    wait_told("gone it closed the connection;");
    pmix_service_settle(the.service, 1, 0);
    loop_turn(the.loop, 0);
    wait_told("");
}

Test(pmi_service, short_and_unknown_messages_end_it)
{
    struct pack body = PACK_EMPTY;
    pack_u8(&body, 1);
    helper_says(PMI_MESSAGE_CONNECTED, &body);
    helper_says_rank(PMI_MESSAGE_CONNECTED);
    wait_told("gone it sent a message that is not understood;");
    loop_turn(the.loop, 0);
    wait_told("");
}

Test(pmi_service, messages_of_the_wrong_direction_end_it)
{
    helper_says_rank(PMI_MESSAGE_SETTLE);
    wait_told("gone it sent a message that is not understood;");
}

Test(pmi_service, destroy_inside_a_handler)
{
    the.destroy_when_told = true;
    helper_says_rank(PMI_MESSAGE_CONNECTED);
    helper_says_rank(PMI_MESSAGE_FINALIZED);
    uint64_t deadline = time_now_ms() + 5000;
    while (!the.told[0] && time_left_ms(deadline) > 0)
        loop_turn(the.loop, 10);
    cr_expect(strncmp(the.told, "connected 1 2;", 14) == 0);
    cr_expect_null(strstr(the.told, "finalized"));
}
