// SPDX-License-Identifier: BSD-3-Clause
//
// Names in the runtime, published and found on all nodes, waited for, and ended with what they stand for.
#include "chan.h"

static const char *const odd_names[] = {
    "a", "results", "a name of words", "\xc3\xa4\xc3\xb6\xc3\xbc", "x/y:z", "%s%n"};

static dragon_err_t publish(dragon_runtime_t *runtime, const char *name, const char *text)
{
    return dragon_name_publish(runtime, name, text, NULL);
}

// ---- the ranks

// Waits for a name, and publishes another one: the first with " back" behind it.
static int answer(const char *name)
{
    char back[300], *text = NULL;
    dragon_error_t error;
    dragon_runtime_t *runtime = tap_attach();
    CHAN_DEMAND(dragon_name_find(runtime, name, TAP_WAIT_MS, &text, &error) == DRAGON_OK);
    snprintf(back, sizeof back, "%s back %d", name, chan_rank());
    CHAN_DEMAND(publish(runtime, back, text) == DRAGON_OK);
    free(text);
    dragon_runtime_detach(runtime);
    return 0;
}

// ---- the head

static void check_errors(dragon_runtime_t *runtime)
{
    char longest[DRAGON_NAME_MOST + 2], text[4097], *found = NULL;
    dragon_error_t error;
    memset(longest, 'n', sizeof longest);
    longest[DRAGON_NAME_MOST + 1] = 0;
    memset(text, 't', sizeof text);
    text[4096] = 0;
    tap_err(publish(NULL, "x", "y"), DRAGON_ERR_INVAL, "publish: no runtime");
    tap_err(publish(runtime, NULL, "y"), DRAGON_ERR_INVAL, "publish: no name");
    tap_err(publish(runtime, "", "y"), DRAGON_ERR_INVAL, "publish: an empty name");
    tap_err(publish(runtime, "a\nb", "y"), DRAGON_ERR_INVAL, "publish: a line");
    tap_err(publish(runtime, "a\x7f", "y"), DRAGON_ERR_INVAL, "publish: a control character");
    tap_err(publish(runtime, longest, "y"), DRAGON_ERR_INVAL, "publish: too long a name");
    tap_err(publish(runtime, "x", NULL), DRAGON_ERR_INVAL, "publish: no text");
    tap_err(publish(runtime, "x", text), DRAGON_ERR_INVAL, "publish: too long a text");
    text[4095] = longest[DRAGON_NAME_MOST] = 0;
    tap_err(publish(runtime, longest, text), DRAGON_OK, "publish: as long as can be");
    tap_err(dragon_name_find(runtime, longest, 0, &found, &error), DRAGON_OK, "find it");
    tap_check(found && strcmp(found, text) == 0, "whole");
    free(found);
    tap_err(publish(runtime, longest, text), DRAGON_OK, "the same again");
    tap_err(dragon_name_publish(runtime, longest, "z", &error), DRAGON_ERR_EXISTS, "another text");
    tap_has(error.text, "nnn", "the text of the error has the name");
    tap_err(dragon_name_withdraw(runtime, longest, &error), DRAGON_OK, "withdraw");
    tap_err(dragon_name_withdraw(runtime, longest, &error), DRAGON_ERR_NOT_FOUND,
            "withdraw it again");
    tap_err(dragon_name_find(runtime, longest, 0, &found, &error), DRAGON_ERR_AGAIN, "it is gone");
    tap_err(dragon_name_find(runtime, "x", 30, &found, &error), DRAGON_ERR_TIMEOUT,
            "nobody publishes it");
    tap_has(error.text, "x", "the text has the name");
    tap_err(dragon_name_find(NULL, "x", 0, &found, &error), DRAGON_ERR_INVAL, "find: no runtime");
    tap_err(dragon_name_find(runtime, NULL, 0, &found, &error), DRAGON_ERR_INVAL, "find: no name");
    tap_err(dragon_name_find(runtime, "x", 0, NULL, &error), DRAGON_ERR_INVAL, "find: no result");
    tap_err(dragon_name_withdraw(NULL, "x", &error), DRAGON_ERR_INVAL, "withdraw: no runtime");
    tap_err(dragon_name_withdraw(runtime, NULL, &error), DRAGON_ERR_INVAL, "withdraw: no name");
    tap_err(publish(runtime, "empty", ""), DRAGON_OK, "publish: an empty text");
    tap_err(dragon_name_find(runtime, "empty", 0, &found, &error), DRAGON_OK, "find it");
    tap_text(found, "", "it is empty");
    free(found);
}

static void check_nodes(dragon_runtime_t *runtime)
{
    dragon_group_t *groups[sizeof odd_names / sizeof *odd_names];
    uint32_t nodes = dragon_runtime_nodes(runtime);
    size_t count = sizeof odd_names / sizeof *odd_names;
    bool all = true;
    for (size_t i = 0; i < count; i++) {
        const char *const argv[] = {"answer", odd_names[i], NULL};
        groups[i] = chan_ranks(runtime, NULL, nodes, argv);
    }
    for (size_t i = 0; i < count; i++)
        all = publish(runtime, odd_names[i], odd_names[count - 1 - i]) == DRAGON_OK && all;
    tap_check(all, "%zu names are published", count);
    for (size_t i = 0; i < count; i++)
        for (uint32_t rank = 0; rank < nodes; rank++) {
            char back[300], *text = NULL;
            dragon_error_t error;
            snprintf(back, sizeof back, "%s back %u", odd_names[i], rank);
            if (dragon_name_find(runtime, back, TAP_WAIT_MS, &text, &error) != DRAGON_OK ||
                strcmp(text, odd_names[count - 1 - i]) != 0) {
                printf("# %s: %s\n", back, text ? text : error.text);
                all = false;
            }
            free(text);
        }
    tap_check(all, "and found on all nodes, which publish others");
    for (size_t i = 0; i < count; i++)
        all = chan_ranks_end(groups[i]) && all;
    tap_check(all, "everybody is content");
}

// Each kind of object is found by a name for it, and not by one of something else.
#define CHECK_FIND(kind, made)                                                                \
    do {                                                                                      \
        dragon_##kind##_t *found = NULL;                                                      \
        publish(runtime, "the " #kind, dragon_##kind##_descriptor(made));                     \
        tap_err(dragon_##kind##_find(runtime, "the " #kind, TAP_WAIT_MS, &found, &error),     \
                DRAGON_OK, #kind ": found by its name");                                      \
        tap_text(dragon_##kind##_descriptor(found), dragon_##kind##_descriptor(made), "it");  \
        dragon_##kind##_detach(found);                                                        \
        tap_err(dragon_##kind##_find(runtime, "a text", 0, &found, &error), DRAGON_ERR_INVAL, \
                #kind ": not by a name of something else");                                   \
        tap_has(error.text, "a text", "the text of the error has the name");                  \
        tap_err(dragon_##kind##_find(runtime, "no name", 0, &found, NULL), DRAGON_ERR_AGAIN,  \
                #kind ": not by a name that nobody published");                               \
        tap_err(dragon_##kind##_find(runtime, "the " #kind, 0, NULL, NULL), DRAGON_ERR_INVAL, \
                #kind ": nowhere to put it");                                                 \
        dragon_##kind##_destroy(made, NULL);                                                  \
    } while (0)

static void check_finds(dragon_runtime_t *runtime)
{
    int last = (int)dragon_runtime_nodes(runtime) - 1;
    dragon_channel_t *channel = chan_at(runtime, last, 0);
    dragon_queue_t *queue = NULL;
    dragon_lock_t *lock = NULL;
    dragon_semaphore_t *semaphore = NULL;
    dragon_barrier_t *barrier = NULL;
    dragon_event_flag_t *event_flag = NULL;
    dragon_value_t *value = NULL;
    dragon_error_t error;
    publish(runtime, "a text", "of no object");
    dragon_queue_create(runtime, NULL, &queue, NULL);
    dragon_lock_create(runtime, last, &lock, NULL);
    dragon_semaphore_create(runtime, last, 1, 1, &semaphore, NULL);
    dragon_barrier_create(runtime, last, 1, &barrier, NULL);
    dragon_event_flag_create(runtime, last, &event_flag, NULL);
    dragon_value_create(runtime, last, 1, 0, &value, NULL);
    CHECK_FIND(channel, channel);
    CHECK_FIND(queue, queue);
    CHECK_FIND(lock, lock);
    CHECK_FIND(semaphore, semaphore);
    CHECK_FIND(barrier, barrier);
    CHECK_FIND(event_flag, event_flag);
    CHECK_FIND(value, value);
    dragon_name_withdraw(runtime, "a text", NULL);
}

// A name that stands for an object goes with it, whatever the object is and wherever.
static void check_objects(dragon_runtime_t *runtime)
{
    int last = (int)dragon_runtime_nodes(runtime) - 1;
    dragon_channel_t *channel = chan_at(runtime, last, 0), *found = NULL;
    dragon_lock_t *lock = NULL;
    dragon_error_t error;
    char *text = NULL;
    long deadline = tap_now_ms() + TAP_WAIT_MS;
    chan_need(dragon_lock_create(runtime, DRAGON_HERE, &lock, NULL), NULL, "no lock");
    publish(runtime, "the channel", dragon_channel_descriptor(channel));
    publish(runtime, "the channel too", dragon_channel_descriptor(channel));
    publish(runtime, "the lock", dragon_lock_descriptor(lock));
    tap_err(dragon_channel_find(runtime, "the lock", 0, &found, &error), DRAGON_ERR_INVAL,
            "what is found is no channel");
    dragon_channel_destroy(channel, NULL);
    while (dragon_name_find(runtime, "the channel too", 0, &text, NULL) == DRAGON_OK &&
           tap_now_ms() < deadline) {
        free(text);
        tap_nap();
    }
    tap_err(dragon_name_find(runtime, "the channel too", 0, &text, NULL), DRAGON_ERR_AGAIN,
            "a name ends with its object");
    tap_err(dragon_name_find(runtime, "the channel", TAP_WAIT_MS / 600, &text, NULL),
            DRAGON_ERR_TIMEOUT, "the other one, too");
    tap_err(dragon_name_find(runtime, "the lock", 0, &text, NULL), DRAGON_OK,
            "names of others do not");
    free(text);
    dragon_lock_destroy(lock, NULL);
    channel = chan_at(runtime, last, 0);
    tap_err(publish(runtime, "the channel", dragon_channel_descriptor(channel)), DRAGON_OK,
            "the name can be given again");
    dragon_channel_destroy(channel, NULL);
}

int main(int argc, char **argv)
{
    if (argc > 2)
        return answer(argv[2]);
    dragon_runtime_t *runtime = tap_attach();
    check_errors(runtime);
    check_nodes(runtime);
    check_finds(runtime);
    check_objects(runtime);
    dragon_runtime_detach(runtime);
    return tap_finish();
}
