// SPDX-License-Identifier: BSD-3-Clause
//
// Making, finding and ending the dictionary that a name stands for; waiting; and what is said when a call fails.
#include "config.h"

#include "cli/dict.h"

enum { SLICE_MS = 100 }; // of waiting at a terminal, until Ctrl-C is looked for

int dict_code(dragon_err_t err)
{
    switch (err) {
    case DRAGON_OK:
        return 0;
    case DRAGON_ERR_TIMEOUT:
    case DRAGON_ERR_AGAIN:
        return DICT_EXIT_TIME;
    case DRAGON_ERR_PEER:
    case DRAGON_ERR_CLOSED:
    case DRAGON_ERR_EXISTS:
    case DRAGON_ERR_NOT_FOUND:
        return DICT_EXIT_MISSING;
    default:
        return DICT_EXIT_OURS;
    }
}

// Of calls for no key: what is not found is a host, or a program.
static int fail(dragon_err_t err, const dragon_error_t *error)
{
    log_error("%s", error->text);
    return err == DRAGON_ERR_NOT_FOUND ? DICT_EXIT_OURS : dict_code(err);
}

// ---- what went wrong

// The library knows most: the manager, its node and figures.
static void explain(const struct call *call, dragon_err_t err, dragon_error_t *error)
{
    if (err == DRAGON_ERR_CANCELED)
        err_set(error, err, "interrupted");
    else if (err == DRAGON_ERR_CLOSED)
        err_set(error, err, "the dictionary was destroyed");
    else if (dragon_dict_why(call->session->dict, error) != DRAGON_OK)
        err_set(error, err, "%s", dragon_err_text(err));
}

static void fail_for_key(const struct call *call, dragon_err_t err)
{
    const char *name = call->session->name;
    dragon_error_t error;
    char key[100];
    text_brief(&call->operands[0], key, sizeof key);
    if (err == DRAGON_ERR_NOT_FOUND)
        log_error("there is no \"%s\" in \"%s\"", key, name);
    else if (err == DRAGON_ERR_EXISTS)
        log_error("there is a \"%s\" in \"%s\" already", key, name);
    else {
        explain(call, err, &error);
        log_error("%s \"%s\" in \"%s\": %s", call->word->name, key, name, error.text);
    }
}

int call_fail(const struct call *call, dragon_err_t err)
{
    dragon_error_t error;
    if (call->word->flags & WORD_KEY)
        fail_for_key(call, err);
    else {
        explain(call, err, &error);
        log_error("%s \"%s\": %s", call->word->name, call->session->name, error.text);
    }
    if (err == DRAGON_ERR_DENIED && !call->session->prompt)
        log_notice("dragon-dict unfreeze %s lets it be changed again", call->session->name);
    return dict_code(err);
}

// ---- waiting

dragon_err_t call_wait(const struct call *call,
                       dragon_err_t (*step)(const struct call *call, int timeout_ms))
{
    if (!call->session->terminal)
        return step(call, call->timeout_ms);
    // Somebody who sits there knows how long to wait.
    uint64_t deadline_ms =
        call->timeout_ms < 0 ? UINT64_MAX : time_now_ms() + (uint64_t)call->timeout_ms;
    for (;;) {
        int left_ms = time_left_ms(deadline_ms);
        dragon_err_t err = step(call, left_ms < SLICE_MS ? left_ms : SLICE_MS);
        if (dict_code(err) != DICT_EXIT_TIME)
            return err;
        if (prompt_interrupted())
            return DRAGON_ERR_CANCELED;
        if (left_ms <= SLICE_MS)
            return err;
    }
}

// ---- finding

// The name is not there, or it is of something else.
static int say_not_found(struct session *session, const char *name, dragon_err_t err,
                         const dragon_error_t *error)
{
    char *text;
    if (err != DRAGON_ERR_INVAL ||
        dragon_name_find(session->runtime, name, 0, &text, NULL) != DRAGON_OK)
        return fail(err, error);
    log_error("\"%s\" is no dictionary, but %s", name, text);
    free(text);
    return DICT_EXIT_OURS;
}

int session_find(struct session *session, const char *name, dragon_dict_t **dict_out)
{
    dragon_error_t error;
    dragon_err_t err = dragon_dict_find(session->runtime, name, 0, dict_out, &error);
    if (err == DRAGON_OK)
        return 0;
    if (dict_code(err) != DICT_EXIT_TIME)
        return say_not_found(session, name, err, &error);
    log_error("there is no dictionary \"%s\"", name);
    return DICT_EXIT_MISSING;
}

int session_open(struct session *session, bool wait, int timeout_ms)
{
    dragon_error_t error;
    if (!wait)
        return session_find(session, session->name, &session->dict);
    dragon_err_t err =
        dragon_dict_find(session->runtime, session->name, timeout_ms, &session->dict, &error);
    if (err == DRAGON_OK)
        return 0;
    if (dict_code(err) != DICT_EXIT_TIME)
        return say_not_found(session, session->name, err, &error);
    log_error("nobody has made a dictionary \"%s\" in time; dragon-dict create %s makes one",
              session->name, session->name);
    return DICT_EXIT_TIME;
}

// ---- making

static dragon_err_t set_hosts(struct call *call, dragon_policy_t **policy_out,
                              dragon_error_t *error)
{
    dragon_policy_t *policy = NULL;
    dragon_err_t err = dragon_policy_create(&policy);
    if (err == DRAGON_OK && (err = dragon_policy_set_hosts(policy, call->hosts)) != DRAGON_OK) {
        dragon_policy_destroy(policy);
        policy = NULL;
    }
    if (err != DRAGON_OK)
        return err_set(error, err, "--host %s: %s", call->hosts, dragon_err_text(err));
    call->spec.policy = *policy_out = policy;
    return DRAGON_OK;
}

int do_create(struct call *call)
{
    dragon_policy_t *policy = NULL;
    dragon_dict_t *dict;
    dragon_error_t error;
    const char *name = call->session->name;
    call->spec.name = name;
    call->spec.timeout_ms = call->timeout_ms == DRAGON_DEFAULT_TIMEOUT ? 0 : call->timeout_ms;
    dragon_err_t err = call->hosts ? set_hosts(call, &policy, &error) : DRAGON_OK;
    if (err == DRAGON_OK)
        err = dragon_dict_create(call->session->runtime, &call->spec, &dict, &error);
    dragon_policy_destroy(policy);
    if (err == DRAGON_ERR_EXISTS) {
        log_error("there is a \"%s\" already; if it is a dictionary, dragon-dict destroy ends it",
                  name);
        return DICT_EXIT_MISSING;
    }
    if (err != DRAGON_OK)
        return fail(err, &error);
    log_verbose("a dictionary \"%s\" with %u managers was made: %s", name,
                dragon_dict_managers(dict), dragon_dict_descriptor(dict));
    dragon_dict_detach(dict);
    return 0;
}

// ---- ending

static int destroy(struct session *session, const char *name)
{
    dragon_dict_t *dict;
    dragon_error_t error;
    int code = session_find(session, name, &dict);
    if (code)
        return code;
    dragon_err_t err = dragon_dict_destroy(dict, &error);
    return err == DRAGON_OK ? 0 : fail(err, &error);
}

int do_destroy(struct call *call)
{
    int worst = destroy(call->session, call->session->name);
    for (size_t i = 0; i < call->count; i++) {
        int code = destroy(call->session, call->operands[i].data);
        if (code > worst)
            worst = code;
    }
    return worst;
}
