// SPDX-License-Identifier: BSD-3-Clause
//
// Many operations on shards under way together. There are so many asks: each is one message and its answer, of one large
// operation (far_pair.c), or of small ones for one object (CU_PAIRS), which is filled until it is full, or its place is
// needed, or all are to be told. Nothing is allocated but the asks, once.
#include "config.h"

#include "chan/far_parts.h"

#include <stdlib.h>

enum {
    ASKS = 64,
    FILLING_MOST = ASKS / 2,
    SMALL_MOST = 4096,     // a record up to here goes with others
    MOVED_MOST = 32 << 20, // bytes of large values that are under way to others
    FIRST_GUESS = 1024,    // how large a value is, when none has come yet
};

struct item {
    size_t number;
    void *buffer; // of GET
    size_t room;
};

struct packed {
    struct item items[PAIRS_MOST];
    uint8_t asked[CHAN_SMALL], said[CHAN_SMALL];
};

struct ask {
    struct far_request request;
    struct far_moving moving;
    struct far_object *object; // NULL: it is free
    enum pair_op op;
    bool sent, alone;
    uint32_t count;        // in `packed`; 0: it is one operation
    struct item one;       // that
    size_t bytes, expects; // asked; in the answer, as far as we know
    struct packed *packed; // owned by far_many
};

struct far_many {
    struct far *far; // borrowed
    far_many_done *on_done;
    void *arg;
    int64_t deadline_ns, limit_ns;
    dragon_err_t over; // what is told without asking
    uint32_t sent, filling;
    size_t moved;    // bytes of large puts under way
    uint64_t larges; // puts, that there were
    struct spin spin;
    struct ask asks[ASKS];
    struct packed packed[ASKS];
};

dragon_err_t far_many_begin(struct far *far, int64_t deadline_ns, far_many_done *on_done, void *arg,
                            struct far_many **many_out)
{
    struct far_many *many = far->many;
    if (!many) {
        many = calloc(1, sizeof *many);
        if (!many)
            return DRAGON_ERR_NOMEM;
        far->many = many;
        many->far = far;
        for (int i = 0; i < ASKS; i++)
            many->asks[i].packed = &many->packed[i];
    }
    many->on_done = on_done;
    many->arg = arg;
    many->deadline_ns = deadline_ns;
    many->limit_ns = deadline_ns == 0 ? far_deadline(FAR_ANSWER_MS) : deadline_ns;
    many->over = DRAGON_OK;
    many->larges = 0;
    *many_out = many;
    return DRAGON_OK;
}

// ---- telling

// What others take while they are under way may be free when they are done.
static bool has_rivals(const struct far_many *many, const struct ask *ask)
{
    bool is_one_of_them = ask->count == 0;
    return !ask->alone && many->larges > is_one_of_them;
}

static void tell(struct far_many *many, const struct ask *ask, size_t number, dragon_err_t err,
                 size_t bytes)
{
    if (err == DRAGON_ERR_FULL && ask->op == PAIR_PUT && has_rivals(many, ask))
        err = DRAGON_ERR_AGAIN;
    many->on_done(many->arg, number, err, bytes);
}

// Near the largest of late: what does not fit takes a message of its own.
static void learn(struct far_object *object, size_t bytes)
{
    if (bytes > object->usual_bytes)
        object->usual_bytes = bytes;
    else
        object->usual_bytes -= (object->usual_bytes - bytes) / 64;
}

// One outcome. False: it makes no sense.
static bool take_said(const struct ask *ask, const struct item *item, const uint8_t **at,
                      size_t *left, struct pair_said *said_out)
{
    struct pair_said said;
    if (*left < sizeof said)
        return false;
    memcpy(&said, *at, sizeof said);
    bool value = ask->op == PAIR_GET && said.error == DRAGON_OK;
    size_t bytes = value ? said.value_bytes : 0;
    *at += sizeof said;
    *left -= sizeof said;
    if (!err_is_code(said.error) || bytes > *left || bytes > item->room)
        return false;
    *at += bytes;
    *left -= bytes;
    *said_out = said;
    return true;
}

static bool is_well_formed(const struct ask *ask)
{
    const uint8_t *at = ask->packed->said;
    size_t left = ask->request.bytes;
    struct pair_said said;
    for (uint32_t i = 0; i < ask->count; i++)
        if (!take_said(ask, &ask->packed->items[i], &at, &left, &said))
            return false;
    return left == 0;
}

static void tell_packed(struct far_many *many, struct ask *ask, dragon_err_t err)
{
    const uint8_t *at = ask->packed->said;
    size_t left = ask->request.bytes;
    err = far_pair_outcome(&ask->request, err);
    if (err == DRAGON_OK && !is_well_formed(ask))
        err = DRAGON_ERR_PROTO;
    for (uint32_t i = 0; i < ask->count; i++) {
        const struct item *item = &ask->packed->items[i];
        struct pair_said said = {.error = err};
        if (err == DRAGON_OK)
            take_said(ask, item, &at, &left, &said);
        if (ask->op == PAIR_GET && said.value_bytes > 0)
            learn(ask->object, said.value_bytes);
        if (ask->op == PAIR_GET && said.error == DRAGON_OK && said.value_bytes > 0)
            memcpy(item->buffer, at - said.value_bytes, said.value_bytes);
        tell(many, ask, item->number, (dragon_err_t)said.error, said.value_bytes);
    }
}

static void tell_one(struct far_many *many, struct ask *ask, dragon_err_t err)
{
    err = far_pair_outcome(&ask->request, err);
    if (ask->op == PAIR_GET && err == DRAGON_OK)
        learn(ask->object, (size_t)ask->request.bytes);
    tell(many, ask, ask->one.number, err, (size_t)ask->request.bytes);
}

// It is free again.
static void end(struct far_many *many, struct ask *ask, dragon_err_t err)
{
    if (err == DRAGON_ERR_AGAIN) // of all of it: not in time
        err = DRAGON_ERR_TIMEOUT;
    if (ask->sent) {
        many->sent--;
        many->moved -= ask->op == PAIR_PUT && !ask->count ? ask->bytes : 0;
    }
    if (ask->count)
        tell_packed(many, ask, err);
    else
        tell_one(many, ask, err);
    ask->object = NULL;
    ask->sent = false;
}

// ---- waiting

static bool is_done(const struct ask *ask)
{
    return ask->sent && ask->request.done && ask->moving.done;
}

static bool any_done(void *arg)
{
    const struct far_many *many = arg;
    for (int i = 0; i < ASKS; i++)
        if (is_done(&many->asks[i]))
            return true;
    return false;
}

static bool all_done(void *arg)
{
    const struct far_many *many = arg;
    for (int i = 0; i < ASKS; i++)
        if (many->asks[i].sent && !is_done(&many->asks[i]))
            return false;
    return true;
}

static void collect(struct far_many *many)
{
    for (int i = 0; i < ASKS; i++)
        if (is_done(&many->asks[i]))
            end(many, &many->asks[i], many->asks[i].request.err);
}

// What was sent is answered, or lost with its connection. Nothing more is asked.
static void give_up(struct far_many *many, dragon_err_t err)
{
    struct far *far = many->far;
    many->over = err;
    for (int i = 0; i < ASKS && many->deadline_ns != 0; i++)
        if (many->asks[i].sent)
            far_request_cancel(&many->asks[i].request);
    if (many->deadline_ns != 0)
        (void)far_wait(far, all_done, many, DRAGON_WAIT_ADAPTIVE, NULL,
                       far_deadline(FAR_CANCEL_MS));
    for (int i = 0; i < ASKS; i++) {
        struct ask *ask = &many->asks[i];
        if (!ask->sent)
            continue;
        far_request_settle(&ask->request);
        far_wait_moved_out(far, &ask->moving);
    }
    collect(many);
}

// Until one of those that were sent is over.
static void wait_for_one(struct far_many *many)
{
    dragon_err_t err =
        far_wait(many->far, any_done, many, DRAGON_WAIT_ADAPTIVE, &many->spin, many->limit_ns);
    if (err == DRAGON_OK)
        collect(many);
    else
        give_up(many, err);
}

// ---- sending

static dragon_err_t send_packed(struct far_many *many, struct ask *ask)
{
    struct far_request *request = &ask->request;
    *request = (struct far_request){.buffer = ask->packed->said, .room = CHAN_SMALL};
    ask->moving.done = true;
    dragon_err_t err = many->over;
    if (err == DRAGON_OK)
        err = far_request_start(ask->object, request, many->deadline_ns);
    if (err != DRAGON_OK)
        return err;
    struct cu_pairs header = {.handle = ask->object->home.handle,
                              .request = request->id,
                              .op = (uint8_t)ask->op,
                              .count = ask->count};
    if (data_send(request->peer->data, CU_PAIRS, &header, sizeof header, ask->packed->asked,
                  ask->bytes, NULL, NULL) != DRAGON_OK)
        far_peer_lost(request->peer); // and the request with it
    return DRAGON_OK;
}

// With what was answered meanwhile.
static void sent(struct far_many *many, struct ask *ask, dragon_err_t err)
{
    if (err != DRAGON_OK) {
        end(many, ask, err);
        return;
    }
    ask->sent = true;
    many->sent++;
    data_port_progress(many->far->port);
    collect(many);
}

static void send_filled(struct far_many *many, struct ask *ask)
{
    ask->object->filling = NULL;
    many->filling--;
    sent(many, ask, send_packed(many, ask));
}

static void send_fullest(struct far_many *many)
{
    struct ask *fullest = NULL;
    for (int i = 0; i < ASKS; i++) {
        struct ask *ask = &many->asks[i];
        if (ask->object && !ask->sent && (!fullest || ask->bytes > fullest->bytes))
            fullest = ask;
    }
    send_filled(many, fullest);
}

static struct ask *find_free(struct far_many *many)
{
    for (int i = 0; i < ASKS; i++)
        if (!many->asks[i].object)
            return &many->asks[i];
    return NULL;
}

static struct ask *take(struct far_many *many, struct far_object *object, enum pair_op op,
                        bool alone)
{
    struct ask *ask;
    while (!(ask = find_free(many))) {
        if (many->filling > FILLING_MOST)
            send_fullest(many);
        else
            wait_for_one(many);
    }
    ask->object = object;
    ask->op = op;
    ask->alone = alone;
    ask->count = 0;
    ask->bytes = ask->expects = 0;
    return ask;
}

// ---- asking

static void ask_one(struct far_many *many, struct far_object *object, const struct pair_call *call,
                    struct item item, bool alone)
{
    bool put = call->op == PAIR_PUT;
    while (put && many->moved > 0 && many->moved + call->value_bytes > MOVED_MOST)
        wait_for_one(many);
    struct ask *ask = take(many, object, call->op, alone);
    ask->one = item;
    ask->request = (struct far_request){.buffer = item.buffer, .room = item.room};
    dragon_err_t err = many->over;
    if (err == DRAGON_OK)
        err = far_pair_start(object, call, &ask->request, &ask->moving, many->deadline_ns);
    if (err == DRAGON_OK && put) {
        ask->bytes = call->value_bytes;
        many->moved += ask->bytes;
        many->larges++;
    }
    sent(many, ask, err);
}

// How much room it may need in the answer.
static size_t expects(const struct far_object *object, const struct item *item)
{
    size_t usual = object->usual_bytes ? object->usual_bytes : FIRST_GUESS;
    return item->room < usual ? item->room : usual;
}

static void append(struct ask *ask, const void *data, size_t bytes)
{
    if (bytes > 0)
        memcpy(ask->packed->asked + ask->bytes, data, bytes);
    ask->bytes += bytes;
}

static void ask_packed(struct far_many *many, struct far_object *object,
                       const struct pair_call *call, struct item item)
{
    bool put = call->op == PAIR_PUT;
    struct pair_asked record = {.key_bytes = (uint32_t)call->key.bytes};
    size_t bytes = sizeof record + call->key.bytes + (put ? call->value_bytes : 0);
    size_t answer = sizeof(struct pair_said) + (put ? 0 : expects(object, &item));
    struct ask *ask = object->filling;
    if (ask && (ask->count == PAIRS_MOST || ask->bytes + bytes > CHAN_SMALL ||
                ask->expects + answer > CHAN_SMALL)) {
        send_filled(many, ask);
        ask = NULL;
    }
    if (!ask) {
        ask = object->filling = take(many, object, call->op, false);
        many->filling++;
    }
    if (put)
        record.value_bytes = (uint32_t)call->value_bytes;
    else
        record.value_bytes = item.room < UINT32_MAX ? (uint32_t)item.room : UINT32_MAX;
    ask->packed->items[ask->count++] = item;
    ask->expects += answer;
    append(ask, &record, sizeof record);
    append(ask, call->key.data, call->key.bytes);
    if (put)
        append(ask, call->value, call->value_bytes);
}

void far_many_ask(struct far_many *many, struct far_object *object, const struct pair_call *call,
                  void *buffer, size_t room, size_t number, bool alone)
{
    struct item item = {.number = number, .buffer = buffer, .room = room};
    dragon_err_t err = many->over;
    if (err == DRAGON_OK)
        err = far_pair_check(object, call);
    if (err != DRAGON_OK) {
        many->on_done(many->arg, number, err, 0);
        return;
    }
    size_t asked =
        call->key.bytes + (call->op == PAIR_PUT ? call->value_bytes : expects(object, &item));
    if (alone || asked > SMALL_MOST)
        ask_one(many, object, call, item, alone);
    else
        ask_packed(many, object, call, item);
}

void far_many_flush(struct far_many *many)
{
    while (many->filling > 0)
        send_fullest(many);
    while (many->sent > 0)
        wait_for_one(many);
}
