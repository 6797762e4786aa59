// SPDX-License-Identifier: BSD-3-Clause
//
// Loads: what one client does to a dictionary. The first word of each value says which key it is of, and is looked at
// by who gets it.
#include "config.h"

#include "cli/bench_dict.h"

enum { SMALL = 64 << 10, CHUNK = 32, LOAD_WAIT_MS = BENCH_WAIT_MS };

// ---- keys

bool keys_init(struct keys *keys, const struct load *load)
{
    *keys = (struct keys){.each = load->key_bytes, .count = load->keys};
    keys->bytes = malloc((size_t)keys->each * keys->count + 1);
    if (!keys->bytes)
        return false;
    memset(keys->bytes, 'k', (size_t)keys->each * keys->count);
    for (uint32_t i = 0; i < keys->count; i++) {
        char text[KEY_BYTES_LEAST + 1];
        int length =
            snprintf(text, sizeof text, "%02u-key-%09u", load->client % 100, i % 1000000000);
        memcpy(keys->bytes + (size_t)i * keys->each, text, (size_t)length);
    }
    return true;
}

void keys_fini(struct keys *keys)
{
    free(keys->bytes);
    keys->bytes = NULL;
}

const char *keys_next(struct keys *keys)
{
    keys->at = (keys->at * 5 + 12345) & (keys->count - 1); // odd, and 1 of 4: all of them come
    return keys->bytes + (size_t)keys->at * keys->each;
}

// ---- one after the other

struct run {
    const struct load *load;
    dragon_dict_t *dict;
    struct keys keys;
    char *value;                  // owned; for each of a batch
    dragon_dict_put_item_t *puts; // owned
    dragon_dict_get_item_t *gets; // owned
    uint32_t at_once;             // how many keys a step is for
    dragon_err_t (*step)(struct run *run);
};

static char *value_of(struct run *run, uint32_t i)
{
    return run->value + i * run->load->value_bytes;
}

static void write_mark(struct run *run, uint32_t i)
{
    memcpy(value_of(run, i), &run->keys.at, sizeof run->keys.at);
}

static dragon_err_t check_mark(const void *value, uint64_t bytes, const struct run *run,
                               uint32_t key)
{
    bool good = bytes == run->load->value_bytes && memcmp(value, &key, sizeof key) == 0;
    return good ? DRAGON_OK : DRAGON_ERR_PROTO;
}

static dragon_err_t step_put(struct run *run)
{
    const char *key = keys_next(&run->keys);
    write_mark(run, 0);
    return dragon_dict_put(run->dict, key, run->keys.each, run->value, run->load->value_bytes,
                           LOAD_WAIT_MS);
}

static dragon_err_t step_get(struct run *run)
{
    size_t bytes = 0;
    const char *key = keys_next(&run->keys);
    dragon_err_t err = dragon_dict_get(run->dict, key, run->keys.each, run->value,
                                       run->load->value_bytes, &bytes, LOAD_WAIT_MS);
    return err == DRAGON_OK ? check_mark(run->value, bytes, run, run->keys.at) : err;
}

static dragon_err_t step_view(struct run *run)
{
    dragon_dict_view_t view;
    const char *key = keys_next(&run->keys);
    dragon_err_t err = dragon_dict_view(run->dict, key, run->keys.each, &view, LOAD_WAIT_MS);
    if (err != DRAGON_OK)
        return err;
    err = check_mark(view.data, view.bytes, run, run->keys.at);
    dragon_dict_view_end(run->dict, &view);
    return err;
}

// ---- many at once

static dragon_err_t step_put_many(struct run *run)
{
    for (uint32_t i = 0; i < run->at_once; i++) {
        const char *key = keys_next(&run->keys);
        write_mark(run, i);
        run->puts[i] = (dragon_dict_put_item_t){.key = key,
                                                .key_bytes = run->keys.each,
                                                .value = value_of(run, i),
                                                .value_bytes = run->load->value_bytes};
    }
    return dragon_dict_put_many(run->dict, run->puts, run->at_once, LOAD_WAIT_MS);
}

static dragon_err_t step_get_many(struct run *run)
{
    uint32_t marks[DICT_BATCH];
    for (uint32_t i = 0; i < run->at_once; i++) {
        const char *key = keys_next(&run->keys);
        marks[i] = run->keys.at;
        run->gets[i] = (dragon_dict_get_item_t){.key = key,
                                                .key_bytes = run->keys.each,
                                                .buffer = value_of(run, i),
                                                .room = run->load->value_bytes};
    }
    dragon_err_t err = dragon_dict_get_many(run->dict, run->gets, run->at_once, LOAD_WAIT_MS);
    for (uint32_t i = 0; err == DRAGON_OK && i < run->at_once; i++)
        err = check_mark(run->gets[i].buffer, run->gets[i].bytes, run, marks[i]);
    return err;
}

// ---- a load

static dragon_err_t (*const steps[])(struct run *run) = {
    [LOAD_FILL] = step_put,          [LOAD_PUT] = step_put,           [LOAD_GET] = step_get,
    [LOAD_PUT_MANY] = step_put_many, [LOAD_GET_MANY] = step_get_many, [LOAD_VIEW] = step_view,
};

static bool run_init(struct run *run, dragon_dict_t *dict, const struct load *load)
{
    bool many = load->op == LOAD_PUT_MANY || load->op == LOAD_GET_MANY;
    *run = (struct run){.load = load, .dict = dict, .step = steps[load->op], .at_once = 1};
    if (many && load->batch > 1)
        run->at_once = load->batch < load->keys ? load->batch : load->keys;
    if (run->at_once > DICT_BATCH)
        run->at_once = DICT_BATCH;
    run->value = malloc(run->at_once * load->value_bytes + 1);
    run->puts = calloc(run->at_once, sizeof *run->puts);
    run->gets = calloc(run->at_once, sizeof *run->gets);
    if (!run->value || !run->puts || !run->gets || !keys_init(&run->keys, load))
        return false;
    memset(run->value, 'v', run->at_once * load->value_bytes); // no page of it is new any more
    return true;
}

static void run_fini(struct run *run)
{
    keys_fini(&run->keys);
    free(run->gets);
    free(run->puts);
    free(run->value);
}

static dragon_err_t fill(struct run *run, struct partner_report *report)
{
    dragon_err_t err = DRAGON_OK;
    for (; err == DRAGON_OK && report->count < run->load->keys; report->count++)
        err = run->step(run);
    report->end_ns = time_now_ns();
    return err;
}

static dragon_err_t go_on(struct run *run, struct partner_report *report)
{
    dragon_err_t err = DRAGON_OK;
    uint64_t limit_ns = (uint64_t)run->load->ms * 1000000;
    bool is_short = run->load->value_bytes < SMALL || run->load->op == LOAD_VIEW;
    int chunk = is_short ? CHUNK : 1;
    while (err == DRAGON_OK && report->end_ns - report->begin_ns < limit_ns) {
        for (int i = 0; err == DRAGON_OK && i < chunk; i++)
            err = run->step(run);
        report->count += (uint64_t)chunk * run->at_once;
        report->end_ns = time_now_ns();
    }
    return err;
}

dragon_err_t load_run(dragon_dict_t *dict, const struct load *load,
                      struct partner_report *report_out)
{
    struct run run;
    dragon_err_t err = DRAGON_ERR_NOMEM;
    if (run_init(&run, dict, load)) {
        *report_out = (struct partner_report){.begin_ns = time_now_ns()};
        report_out->end_ns = report_out->begin_ns;
        err = load->op == LOAD_FILL ? fill(&run, report_out) : go_on(&run, report_out);
    }
    run_fini(&run);
    return err;
}

double load_rate(dragon_dict_t *dict, const struct load *load, struct figure *figure)
{
    struct partner_report report;
    struct load warm = *load;
    warm.ms = load->ms / 8;
    dragon_err_t err = load_run(dict, &warm, &report);
    if (err == DRAGON_OK)
        err = load_run(dict, load, &report);
    if (err != DRAGON_OK)
        return bench_channel_fail(figure, "the dictionary", err);
    return (double)report.count * 1e9 / (double)(report.end_ns - report.begin_ns);
}

// ---- the dictionary

dragon_dict_t *bench_dict_make(struct bench *bench, int node, uint32_t managers,
                               uint64_t bytes_each, struct figure *figure)
{
    dragon_dict_spec_t spec = DRAGON_DICT_SPEC_INIT;
    dragon_policy_t *policy = NULL;
    dragon_dict_t *dict = NULL;
    dragon_error_t error;
    char number[16];
    snprintf(number, sizeof number, "%d", node);
    dragon_err_t err = dragon_policy_create(&policy);
    if (err == DRAGON_OK)
        err = dragon_policy_set_hosts(policy, number);
    err_set(&error, err, "%s", dragon_err_text(err));
    spec.managers = managers;
    spec.policy = policy;
    spec.total_bytes = bytes_each * managers;
    if (err == DRAGON_OK)
        err = dragon_dict_create(bench->runtime, &spec, &dict, &error);
    dragon_policy_destroy(policy);
    if (err != DRAGON_OK)
        figure_fail(figure, "%.190s", error.text);
    return err == DRAGON_OK ? dict : NULL;
}
