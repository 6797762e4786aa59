// SPDX-License-Identifier: BSD-3-Clause
//
// A load for Redis (RESP) or memcached (text). All keys and all values have one size, and so have all requests and
// all answers: a request is a text into which the key is put, and answers are counted by their bytes, and their heads
// looked at.
#include "config.h"

#include "cli/bench_dict.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEAD = 64, ANSWER_MS = 10000, CHUNK = 32 };

struct text {
    char *bytes; // owned
    size_t length;
};

struct talk {
    struct store *store;
    const struct load *load;
    struct keys keys;
    struct text request, answer; // one of each, with any key
    size_t key_at[2];            // in both; of the answer 0 when it is not there
    struct text requests;        // as many as are under way at once
    char *got;                   // owned; room for their answers
    size_t have[STORE_LINKS];    // bytes that came since the latest request
    uint64_t count;
};

// ---- what is said

static bool text_make(struct text *text, const char *head, const char *value, size_t value_bytes,
                      const char *tail)
{
    text->length = strlen(head) + value_bytes + strlen(tail);
    text->bytes = malloc(text->length + 1);
    if (!text->bytes)
        return false;
    memcpy(text->bytes, head, strlen(head));
    memcpy(text->bytes + strlen(head), value, value_bytes);
    memcpy(text->bytes + strlen(head) + value_bytes, tail, strlen(tail) + 1);
    return true;
}

static bool make_texts(struct talk *talk, const char *value)
{
    const struct load *load = talk->load;
    size_t bytes = load->value_bytes;
    int key = (int)load->key_bytes;
    const char *name = talk->keys.bytes;
    bool puts = load->op == LOAD_PUT || load->op == LOAD_FILL;
    char ask[HEAD + 256], head[HEAD + 256];
    if (talk->store->kind == STORE_REDIS && puts) {
        snprintf(ask, sizeof ask, "*3\r\n$3\r\nSET\r\n$%d\r\n%.*s\r\n$%zu\r\n", key, key, name,
                 bytes);
        return text_make(&talk->request, ask, value, bytes, "\r\n") &&
               text_make(&talk->answer, "+OK\r\n", "", 0, "");
    }
    if (talk->store->kind == STORE_REDIS) {
        snprintf(ask, sizeof ask, "*2\r\n$3\r\nGET\r\n$%d\r\n%.*s\r\n", key, key, name);
        snprintf(head, sizeof head, "$%zu\r\n", bytes);
        return text_make(&talk->request, ask, "", 0, "") &&
               text_make(&talk->answer, head, value, bytes, "\r\n");
    }
    if (puts) {
        snprintf(ask, sizeof ask, "set %.*s 0 0 %zu\r\n", key, name, bytes);
        return text_make(&talk->request, ask, value, bytes, "\r\n") &&
               text_make(&talk->answer, "STORED\r\n", "", 0, "");
    }
    snprintf(ask, sizeof ask, "get %.*s\r\n", key, name);
    snprintf(head, sizeof head, "VALUE %.*s 0 %zu\r\n", key, name, bytes);
    return text_make(&talk->request, ask, "", 0, "") &&
           text_make(&talk->answer, head, value, bytes, "\r\nEND\r\n");
}

// Where the key is in a text; 0: nowhere.
static size_t find_key(const struct talk *talk, const struct text *text)
{
    char *at = memmem(text->bytes, text->length, talk->keys.bytes, talk->keys.each);
    return at ? (size_t)(at - text->bytes) : 0;
}

static bool talk_init(struct talk *talk, struct store *store, const struct load *load)
{
    *talk = (struct talk){.store = store, .load = load};
    char *value = malloc(load->value_bytes + 1);
    bool good = value && load->key_bytes <= 200 && keys_init(&talk->keys, load);
    if (good) {
        memset(value, 'v', load->value_bytes);
        good = make_texts(talk, value);
    }
    free(value);
    if (!good)
        return false;
    talk->key_at[0] = find_key(talk, &talk->request);
    talk->key_at[1] = find_key(talk, &talk->answer);
    talk->requests.length = talk->request.length * load->batch;
    talk->requests.bytes = malloc(talk->requests.length + 1);
    talk->got = malloc(talk->answer.length * load->batch + 1);
    for (uint32_t i = 0; talk->requests.bytes && i < load->batch; i++)
        memcpy(talk->requests.bytes + i * talk->request.length, talk->request.bytes,
               talk->request.length);
    return talk->requests.bytes && talk->got;
}

static void talk_fini(struct talk *talk)
{
    free(talk->got);
    free(talk->requests.bytes);
    free(talk->answer.bytes);
    free(talk->request.bytes);
    keys_fini(&talk->keys);
}

// ---- saying it

static bool ask(struct talk *talk, int link)
{
    const struct text *all = &talk->requests;
    for (size_t at = talk->key_at[0]; at < all->length; at += talk->request.length)
        memcpy(all->bytes + at, keys_next(&talk->keys), talk->keys.each);
    talk->have[link] = 0;
    for (size_t sent = 0; sent < all->length;) {
        ssize_t now =
            send(talk->store->links[link], all->bytes + sent, all->length - sent, MSG_NOSIGNAL);
        if (now <= 0)
            return false;
        sent += (size_t)now;
    }
    return true;
}

// The values are all the same; between the heads keys may differ.
static bool is_answer(const struct talk *talk)
{
    const struct text *answer = &talk->answer;
    size_t from = talk->key_at[1] ? talk->key_at[1] + talk->keys.each : 0;
    for (uint32_t i = 0; i < talk->load->batch; i++) {
        const char *got = talk->got + i * answer->length;
        if (memcmp(got + from, answer->bytes + from, answer->length - from) != 0)
            return false;
    }
    return true;
}

// What there is. Below 0: no answer, or another one; 1: all is there.
static int listen_to(struct talk *talk, int link)
{
    size_t all = talk->answer.length * talk->load->batch, *have = &talk->have[link];
    ssize_t now = recv(talk->store->links[link], talk->got, all - *have, 0);
    if (now <= 0)
        return -1;
    bool whole = *have == 0 && (size_t)now == all; // otherwise it is counted only
    *have += (size_t)now;
    if (whole && !is_answer(talk))
        return -1;
    talk->count += *have == all ? talk->load->batch : 0;
    return *have == all;
}

static bool turn(struct talk *talk)
{
    int said = ask(talk, 0) ? 0 : -1;
    while (said == 0)
        said = listen_to(talk, 0);
    return said > 0;
}

static double speak_alone(struct talk *talk)
{
    uint64_t begin = time_now_ns(), end = begin, limit_ns = (uint64_t)talk->load->ms * 1000000;
    bool is_fill = talk->load->op == LOAD_FILL;
    while (is_fill ? talk->count < talk->load->keys : end - begin < limit_ns) {
        for (int i = 0; i < CHUNK; i++)
            if (!turn(talk))
                return -1;
        end = time_now_ns();
    }
    return (double)talk->count * 1e9 / (double)(end - begin + 1);
}

// ---- over many connections

static bool serve_ready(struct talk *talk, int epoll, bool asks)
{
    struct epoll_event events[STORE_LINKS];
    int ready = epoll_wait(epoll, events, STORE_LINKS, ANSWER_MS);
    for (int i = 0; i < ready; i++) {
        int link = (int)events[i].data.u32, said = listen_to(talk, link);
        if (said < 0 || (said > 0 && asks && !ask(talk, link)))
            return false;
    }
    return ready > 0;
}

static bool all_answered(const struct talk *talk, int links)
{
    for (int i = 0; i < links; i++)
        if (talk->have[i] != talk->answer.length * talk->load->batch)
            return false;
    return true;
}

static double speak_over(struct talk *talk, int epoll, int links)
{
    for (int i = 0; i < links; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, talk->store->links[i], &event) != 0 || !ask(talk, i))
            return -1;
    }
    uint64_t begin = time_now_ns(), end = begin, limit_ns = (uint64_t)talk->load->ms * 1000000;
    while (end - begin < limit_ns) {
        if (!serve_ready(talk, epoll, true))
            return -1;
        end = time_now_ns();
    }
    double rate = (double)talk->count * 1e9 / (double)(end - begin);
    while (!all_answered(talk, links))
        if (!serve_ready(talk, epoll, false))
            return -1;
    return rate;
}

static double speak(struct talk *talk, int links)
{
    if (links == 1)
        return speak_alone(talk);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    double rate = epoll < 0 ? -1 : speak_over(talk, epoll, links);
    if (epoll >= 0)
        close(epoll);
    return rate;
}

double store_rate(struct store *store, const struct load *load, int links)
{
    struct talk talk;
    struct load one = *load;
    one.batch = load->batch ? load->batch : 1;
    double rate = talk_init(&talk, store, &one) ? speak(&talk, links) : -1;
    talk_fini(&talk);
    return rate;
}
