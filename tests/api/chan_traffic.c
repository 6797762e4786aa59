// SPDX-License-Identifier: BSD-3-Clause
//
// Traffic for the tests that kill something meanwhile.
//
//   chan_traffic send NAME ID MS             sends for so long, then says that this was all
//   chan_traffic receive NAME SENDERS [late] until so many have said so; late: what came before is not known
//   chan_traffic wait NAME                   receives one message; says how long it took to fail after "now" was read
//
// A message has its sender's id, a number, and an epoch, which begins anew whenever the sender was told that something may be lost. So
// the receiver knows what has to come: within an epoch every number, once and in order. A gap is only right when the
// receiver itself was told.
#include "chan.h"

#include <inttypes.h>
#include <time.h>

enum { LARGEST = 700000, SENDERS_MOST = 64, LIMIT_MS = 30000 };

struct head {
    uint32_t id;
    uint32_t end;   // this is all
    uint64_t epoch; // when it began
    uint64_t first; // its first number
    uint64_t number;
};

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static dragon_channel_t *find(dragon_runtime_t *runtime, const char *name)
{
    dragon_channel_t *channel = NULL;
    dragon_error_t error;
    chan_need(dragon_channel_find(runtime, name, LIMIT_MS, &channel, &error), &error,
              "no channel of that name");
    return channel;
}

// ---- send

static size_t some_size(uint64_t number)
{
    uint32_t dice = (uint32_t)rand() % 100;
    size_t bytes = dice < 80   ? 8
                   : dice < 90 ? 2000
                   : dice < 97 ? 30000
                   : dice < 99 ? 200000
                               : 600000;
    return sizeof(struct head) + bytes + number % 8;
}

static int do_send(dragon_runtime_t *runtime, const char *name, uint32_t id, uint64_t ms)
{
    dragon_channel_t *channel = find(runtime, name);
    uint64_t began = now_us(), told = 0;
    struct head head = {.id = id, .epoch = began};
    uint8_t *data = malloc(LARGEST);
    srand((unsigned)began);
    for (;;) {
        head.end = now_us() - began > ms * 1000;
        size_t bytes = head.end ? sizeof head : some_size(head.number);
        memcpy(data, &head, sizeof head);
        chan_fill(data + sizeof head, bytes - sizeof head, head.number);
        dragon_channel_set_return(channel, head.end || rand() % 500 == 0 ? DRAGON_RETURN_RECEIVED
                                                                         : DRAGON_RETURN_BUFFERED);
        dragon_err_t err = dragon_channel_send(channel, data, bytes, id, LIMIT_MS);
        head.number++;
        if (err == DRAGON_ERR_PEER) {
            told++;
            head.epoch = now_us();
            head.first = head.number;
            continue;
        }
        if (err != DRAGON_OK) {
            printf("sender %" PRIu32 ": number %" PRIu64 ": %s\n", id, head.number,
                   dragon_err_name(err));
            return 1;
        }
        if (head.end)
            break;
    }
    dragon_err_t err = dragon_channel_detach(channel);
    printf("sender %" PRIu32 ": %" PRIu64 " sent, %" PRIu64 " times told of a loss, then %s\n", id,
           head.number, told, dragon_err_name(err));
    free(data);
    return err != DRAGON_OK && err != DRAGON_ERR_PEER;
}

// ---- receive

static struct known {
    bool seen, end;
    uint64_t epoch, next;
} senders[SENDERS_MOST];

static uint64_t excuses; // losses that we were told of and have not seen yet
static int wrong;

static void complain(const struct head *head, const char *what, uint64_t expected)
{
    printf("sender %" PRIu32 ", epoch %" PRIu64 ": number %" PRIu64 " %s, expected %" PRIu64 "\n",
           head->id, head->epoch, head->number, what, expected);
    wrong++;
}

static void look_at(const uint8_t *data, size_t bytes, bool late)
{
    struct head head;
    memcpy(&head, data, sizeof head);
    if (bytes < sizeof head || head.id >= SENDERS_MOST ||
        !chan_has(data + sizeof head, bytes - sizeof head, head.number)) {
        printf("%zu bytes that nobody has sent\n", bytes);
        wrong++;
        return;
    }
    struct known *known = &senders[head.id];
    if (known->seen && head.epoch < known->epoch) {
        complain(&head, "of an epoch that was over", known->next);
        return;
    }
    uint64_t expected = known->seen && head.epoch == known->epoch ? known->next : head.first;
    bool unknown = late && !known->seen;
    if (head.number < expected)
        complain(&head, "came again", expected);
    else if (head.number > expected && !unknown && head.number - expected > excuses)
        complain(&head, "came too early", expected);
    else if (head.number > expected && !unknown)
        excuses -= head.number - expected;
    *known = (struct known){true, head.end != 0, head.epoch, head.number + 1};
}

static int do_receive(dragon_runtime_t *runtime, const char *name, uint32_t count, bool late)
{
    dragon_channel_t *channel = find(runtime, name);
    uint8_t *data = malloc(LARGEST + 64);
    uint64_t received = 0, told = 0;
    uint32_t ended = 0;
    while (ended < count && wrong < 10) {
        dragon_message_t message;
        dragon_err_t err = dragon_channel_receive(channel, data, LARGEST + 64, &message, LIMIT_MS);
        if (err == DRAGON_ERR_PEER) {
            told++;
            excuses++;
            continue;
        }
        if (err != DRAGON_OK) {
            printf("receiver: %s after %" PRIu64 " messages, %" PRIu32 " of %" PRIu32
                   " senders have ended\n",
                   dragon_err_name(err), received, ended, count);
            return 1;
        }
        look_at(data, message.bytes, late);
        received++;
        ended = 0;
        for (uint32_t i = 0; i < SENDERS_MOST; i++)
            ended += senders[i].end;
    }
    printf("receiver: %" PRIu64 " received, %" PRIu64 " times told of a loss, %d wrong\n", received,
           told, wrong);
    free(data);
    dragon_channel_detach(channel);
    return wrong != 0;
}

// ---- wait

static int do_wait(dragon_runtime_t *runtime, const char *name)
{
    dragon_channel_t *channel = find(runtime, name);
    uint8_t byte;
    printf("waiting\n");
    fflush(stdout);
    dragon_err_t err = dragon_channel_receive(channel, &byte, 1, NULL, DRAGON_FOREVER);
    printf("%s at %" PRIu64 "\n", dragon_err_name(err), now_us());
    fflush(stdout);
    dragon_channel_detach(channel);
    return 0;
}

int main(int argc, char **argv)
{
    dragon_runtime_t *runtime;
    dragon_error_t error;
    setlinebuf(stdout);
    chan_need(dragon_runtime_attach(&runtime, &error), &error, "no runtime");
    int code = 2;
    if (argc == 5 && strcmp(argv[1], "send") == 0)
        code = do_send(runtime, argv[2], (uint32_t)strtoul(argv[3], NULL, 10),
                       strtoull(argv[4], NULL, 10));
    else if (argc >= 4 && strcmp(argv[1], "receive") == 0)
        code = do_receive(runtime, argv[2], (uint32_t)strtoul(argv[3], NULL, 10), argc > 4);
    else if (argc == 3 && strcmp(argv[1], "wait") == 0)
        code = do_wait(runtime, argv[2]);
    dragon_runtime_detach(runtime);
    return code;
}
