// SPDX-License-Identifier: BSD-3-Clause
//
// Channels and what is built on them, dictionaries and pools, from C++: every header is included, and one call of each is made.
#include <dragon/channel.h>
#include <dragon/dict.h>
#include <dragon/dragon.h>
#include <dragon/error.h>
#include <dragon/export.h>
#include <dragon/group.h>
#include <dragon/memory.h>
#include <dragon/name.h>
#include <dragon/policy.h>
#include <dragon/pool.h>
#include <dragon/queue.h>
#include <dragon/runtime.h>
#include <dragon/stream.h>
#include <dragon/sync.h>
#include <dragon/system.h>
#include <dragon/template.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "chan.h"

namespace
{
struct channel_deleter {
    void operator()(dragon_channel_t *channel) const
    {
        dragon_channel_destroy(channel, nullptr);
    }
};
using channel_ptr = std::unique_ptr<dragon_channel_t, channel_deleter>;

void check_channel(dragon_runtime_t *runtime)
{
    dragon_channel_spec_t spec = DRAGON_CHANNEL_SPEC_INIT;
    spec.capacity = 8;
    channel_ptr channel(chan_make(runtime, &spec));
    const std::string descriptor = dragon_channel_descriptor(channel.get());
    const std::string text = "from C++";
    // A thread has a runtime handle of its own.
    std::thread sender([&] {
        dragon_runtime_t *own = tap_attach();
        dragon_channel_t *there = chan_attach(own, descriptor.c_str());
        for (uint64_t i = 0; i < 100; i++)
            dragon_channel_send(there, text.data(), text.size(), i, TAP_WAIT_MS);
        dragon_channel_detach(there);
        dragon_runtime_detach(own);
    });
    std::vector<char> buffer(64);
    bool good = true;
    for (uint64_t i = 0; i < 100; i++) {
        dragon_message_t message = {};
        good = good &&
               dragon_channel_receive(channel.get(), buffer.data(), buffer.size(), &message,
                                      TAP_WAIT_MS) == DRAGON_OK &&
               message.tag == i && std::string(buffer.data(), message.bytes) == text;
    }
    sender.join();
    tap_check(good, "messages from another thread");
    dragon_channel_set_t *set = nullptr;
    dragon_ready_t ready = {};
    size_t count = 0;
    tap_err(dragon_channel_set_create(runtime, &set), DRAGON_OK, "a set");
    dragon_channel_set_add(set, channel.get(), DRAGON_POLL_SEND | DRAGON_POLL_RECEIVE, nullptr);
    tap_err(dragon_channel_set_wait_any(set, &ready, 1, &count, 0), DRAGON_OK, "with room");
    dragon_channel_set_destroy(set);
}

void check_memory(dragon_runtime_t *runtime)
{
    dragon_memory_spec_t spec = DRAGON_MEMORY_SPEC_INIT;
    dragon_error_t error = {};
    void *data = nullptr;
    tap_err(dragon_memory_alloc_at(runtime, 1000, &spec, &data, &error), DRAGON_OK, "memory");
    tap_err(dragon_memory_free(runtime, data), DRAGON_OK, "given back");
}

void check_others(dragon_runtime_t *runtime)
{
    dragon_error_t error = {};
    dragon_lock_t *lock = nullptr;
    dragon_semaphore_t *semaphore = nullptr;
    dragon_barrier_t *barrier = nullptr;
    dragon_event_flag_t *signal = nullptr;
    dragon_value_t *value = nullptr;
    dragon_queue_t *queue = nullptr;
    int64_t before = 0;
    char *text = nullptr;
    tap_err(dragon_lock_create(runtime, DRAGON_HERE, &lock, &error), DRAGON_OK, "a lock");
    tap_err(dragon_lock_acquire(lock, nullptr, 0), DRAGON_OK, "acquired");
    dragon_lock_destroy(lock, nullptr);
    tap_err(dragon_semaphore_create(runtime, DRAGON_HERE, 1, 0, &semaphore, &error), DRAGON_OK,
            "a semaphore");
    dragon_semaphore_destroy(semaphore, nullptr);
    tap_err(dragon_barrier_create(runtime, DRAGON_HERE, 1, &barrier, &error), DRAGON_OK,
            "a barrier");
    tap_err(dragon_barrier_wait(barrier, nullptr, TAP_WAIT_MS), DRAGON_OK, "passed");
    dragon_barrier_destroy(barrier, nullptr);
    tap_err(dragon_event_flag_create(runtime, DRAGON_HERE, &signal, &error), DRAGON_OK, "an event");
    dragon_event_flag_destroy(signal, nullptr);
    tap_err(dragon_value_create(runtime, DRAGON_HERE, 1, 41, &value, &error), DRAGON_OK, "a value");
    tap_err(dragon_value_do(value, 0, DRAGON_ATOMIC_ADD, 1, &before), DRAGON_OK, "one more");
    dragon_value_destroy(value, nullptr);
    tap_err(dragon_queue_create(runtime, nullptr, &queue, &error), DRAGON_OK, "a queue");
    tap_err(dragon_queue_put(queue, "x", 1, 0), DRAGON_OK, "with a value");
    dragon_queue_destroy(queue, nullptr);
    tap_err(dragon_name_publish(runtime, "a name", "a text", &error), DRAGON_OK, "a name");
    tap_err(dragon_name_find(runtime, "a name", 0, &text, &error), DRAGON_OK, "found");
    free(text);
}

void check_dict(dragon_runtime_t *runtime)
{
    dragon_dict_spec_t spec = DRAGON_DICT_SPEC_INIT;
    dragon_error_t error = {};
    dragon_dict_t *dict = nullptr;
    uint64_t length = 0;
    spec.managers = 1;
    tap_err(dragon_dict_create(runtime, &spec, &dict, &error), DRAGON_OK, "a dictionary");
    tap_err(dragon_dict_put(dict, "key", 3, "value", 5, TAP_WAIT_MS), DRAGON_OK, "with a pair");
    tap_err(dragon_dict_length(dict, &length, TAP_WAIT_MS), DRAGON_OK, "its length");
    tap_err(dragon_dict_destroy(dict, &error), DRAGON_OK, "its end");
}

int square(dragon_task_t *task)
{
    double x = *static_cast<const double *>(dragon_task_data(task, nullptr)), y = x * x;
    return dragon_task_return(task, &y, sizeof y) != DRAGON_OK;
}
const dragon_function_t functions[] = {{"square", square}, {}};

struct pool_deleter {
    void operator()(dragon_pool_t *pool) const
    {
        dragon_pool_destroy(pool);
    }
};

void check_pool(dragon_runtime_t *runtime)
{
    dragon_pool_spec_t spec = DRAGON_POOL_SPEC_INIT;
    dragon_error_t error = {};
    dragon_pool_t *made = nullptr;
    spec.workers = 1;
    tap_err(dragon_pool_create(runtime, &spec, &made, &error), DRAGON_OK, "a pool");
    std::unique_ptr<dragon_pool_t, pool_deleter> pool(made);
    std::vector<double> items(100), results(items.size());
    for (size_t i = 0; i < items.size(); i++)
        items[i] = static_cast<double>(i);
    tap_err(dragon_pool_map(pool.get(), "square", items.data(), sizeof(double), items.size(),
                            results.data(), sizeof(double), TAP_WAIT_MS, &error),
            DRAGON_OK, "a map");
    tap_check(results[9] > 80.9 && results[9] < 81.1, "its results");
    dragon_command_t command = DRAGON_COMMAND_INIT;
    std::string program = "true";
    char *argv[] = {&program[0], nullptr};
    dragon_result_t *result = nullptr;
    command.argv = argv;
    tap_err(dragon_pool_run(pool.get(), &command, &result), DRAGON_OK, "a command");
    tap_err(dragon_result_wait(result, TAP_WAIT_MS), DRAGON_OK, "its end");
    dragon_result_destroy(result);
}
} // namespace

int main()
{
    int code;
    if (dragon_pool_work(functions, &code))
        return code;
    dragon_runtime_t *runtime = tap_attach();
    check_channel(runtime);
    check_memory(runtime);
    check_others(runtime);
    check_dict(runtime);
    check_pool(runtime);
    dragon_runtime_detach(runtime);
    return tap_finish();
}
