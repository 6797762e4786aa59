// SPDX-License-Identifier: BSD-3-Clause
//
// The arguments of tasks: every combination of the values of all sources, of which the last changes fastest, or several
// values of one, or the columns of one. The first source may be of any length: the others are read before.
#include "config.h"

#include "cli/pool.h"

#include <poll.h>

enum { COLUMNS_MOST = 10000 };

static bool is_streamed(const struct pool_input *input)
{
    return !input->sources[0].words;
}

// A tab is not what a regular expression of C says by "\t".
static bool compile_columns(struct pool_input *input, const char *colsep, dragon_error_t *error)
{
    char text[256], why[100];
    size_t used = 0;
    if (strlen(colsep) >= sizeof text) {
        err_set(error, DRAGON_ERR_INVAL, "--colsep: it is too long");
        return false;
    }
    for (const char *at = colsep; *at; at++) {
        bool tab = at[0] == '\\' && at[1] == 't';
        text[used++] = tab ? '\t' : *at;
        at += tab;
    }
    text[used] = 0;
    int problem = regcomp(&input->columns, text, REG_EXTENDED);
    if (problem) {
        regerror(problem, &input->columns, why, sizeof why);
        err_set(error, DRAGON_ERR_INVAL, "--colsep: \"%s\" is no regular expression: %s", colsep,
                why);
        return false;
    }
    input->has_columns = true;
    return true;
}

bool pool_input_open(struct pool_input *input, const struct pool_call *call, dragon_error_t *error)
{
    *input = (struct pool_input){.group = call->max_args};
    input->sources = calloc(call->source_count, sizeof *input->sources);
    input->at = calloc(call->source_count, sizeof *input->at);
    if (!input->sources || !input->at) {
        err_set(error, DRAGON_ERR_NOMEM, "out of memory");
        return false;
    }
    if (call->colsep && !compile_columns(input, call->colsep, error))
        return false;
    for (size_t i = 0; i < call->source_count; i++) {
        bool alone = i == 0 && (call->source_count == 1 || !call->sources[1].linked);
        if (!pool_source_open(&input->sources[i], &call->sources[i], call->separator, error))
            return false;
        input->count++;
        if (!alone && !pool_source_load(&input->sources[i], error))
            return false;
    }
    return true;
}

void pool_input_close(struct pool_input *input)
{
    for (size_t i = 0; i < input->count; i++)
        pool_source_close(&input->sources[i]);
    free(input->sources);
    free(input->at);
    strv_free(input->gathered);
    if (input->has_columns)
        regfree(&input->columns);
}

int pool_input_fd(const struct pool_input *input)
{
    return is_streamed(input) && pool_source_wants(&input->sources[0]) ? input->sources[0].fd : -1;
}

bool pool_input_read(struct pool_input *input, dragon_error_t *error)
{
    return pool_source_read(&input->sources[0], error);
}

// ---- combinations

// Values of a source and of those that are linked to it: as many as the shortest has.
static size_t length_of(const struct pool_input *input, size_t first)
{
    size_t length = input->sources[first].count;
    for (size_t i = first + 1; i < input->count && input->sources[i].linked; i++)
        if (input->sources[i].count < length)
            length = input->sources[i].count;
    return length;
}

static void set_at(struct pool_input *input, size_t first, size_t at)
{
    input->at[first] = at;
    for (size_t i = first + 1; i < input->count && input->sources[i].linked; i++)
        input->at[i] = at;
}

// To the next combination of the sources from the second on. False: it was the last, and stands at the first again.
static bool advance(struct pool_input *input)
{
    for (size_t i = input->count; i-- > 1;) {
        if (input->sources[i].linked || (i == 1 && input->sources[1].linked))
            continue;
        if (input->at[i] + 1 < length_of(input, i)) {
            set_at(input, i, input->at[i] + 1);
            return true;
        }
        set_at(input, i, 0);
    }
    return false;
}

static bool is_empty(const struct pool_input *input)
{
    for (size_t i = 1; i < input->count; i++)
        if (input->sources[i].count == 0)
            return true;
    return false;
}

// The first source's next value: it is then its only word.
static enum pool_next first_next(struct pool_input *input, char **text_out, dragon_error_t *error)
{
    struct pool_source *source = &input->sources[0];
    if (is_streamed(input))
        return pool_source_next(source, text_out, error);
    if (source->taken == length_of(input, 0))
        return NEXT_END;
    set_at(input, 0, source->taken);
    *text_out = strdup(source->words[source->taken]);
    if (!*text_out) {
        err_set(error, DRAGON_ERR_NOMEM, "out of memory");
        return NEXT_FAILED;
    }
    source->taken++;
    return NEXT_ARGS;
}

static enum pool_next out_of_memory(dragon_error_t *error)
{
    err_set(error, DRAGON_ERR_NOMEM, "out of memory");
    return NEXT_FAILED;
}

// One value of the first source stays in `gathered` as long as the others go round.
static enum pool_next next_product(struct pool_input *input, char ***args_out,
                                   dragon_error_t *error)
{
    if (is_empty(input))
        return NEXT_END;
    if (!input->begun || !advance(input)) {
        char *text;
        enum pool_next next = first_next(input, &text, error);
        if (next != NEXT_ARGS) {
            // The others stand at their first value, and are to stay there.
            input->begun = false;
            return next;
        }
        strv_free(input->gathered);
        input->gathered = NULL;
        bool good = strv_push(&input->gathered, text);
        free(text);
        if (!good)
            return out_of_memory(error);
        input->begun = true;
    }
    char **args = strv_copy(input->gathered);
    bool good = args != NULL;
    for (size_t i = 1; good && i < input->count; i++)
        good = strv_push(&args, input->sources[i].words[input->at[i]]);
    if (!good) {
        strv_free(args);
        return out_of_memory(error);
    }
    *args_out = args;
    return NEXT_ARGS;
}

// ---- several of one source, and columns

static enum pool_next next_group(struct pool_input *input, char ***args_out, dragon_error_t *error)
{
    enum pool_next next = NEXT_ARGS;
    while (strv_count(input->gathered) < input->group) {
        char *text;
        next = first_next(input, &text, error);
        if (next != NEXT_ARGS)
            break;
        bool good = strv_push(&input->gathered, text);
        free(text);
        if (!good)
            return out_of_memory(error);
    }
    if (next != NEXT_ARGS && (next != NEXT_END || !input->gathered))
        return next;
    *args_out = input->gathered;
    input->gathered = NULL;
    return NEXT_ARGS;
}

char **pool_columns(const regex_t *columns, const char *text)
{
    char **fields = NULL;
    regmatch_t match;
    int flags = 0;
    for (size_t i = 0; i < COLUMNS_MOST; i++) {
        bool found = regexec(columns, text, 1, &match, flags) == 0;
        size_t skip = 0;
        // What matches nothing separates nothing.
        if (found && match.rm_eo == match.rm_so)
            found = false;
        if (!strv_pushf(&fields, "%.*s", found ? (int)match.rm_so : (int)strlen(text), text)) {
            strv_free(fields);
            return NULL;
        }
        if (!found)
            break;
        skip = (size_t)match.rm_eo;
        text += skip;
        flags = REG_NOTBOL;
    }
    return fields;
}

static bool split(struct pool_input *input, char ***args)
{
    char **all = NULL;
    bool good = true;
    for (char **arg = *args; good && *arg; arg++) {
        char **fields = pool_columns(&input->columns, *arg);
        good = fields != NULL;
        for (char **field = fields; good && *field; field++)
            good = strv_push(&all, *field);
        strv_free(fields);
    }
    strv_free(*args);
    *args = all;
    return good;
}

enum pool_next pool_input_next(struct pool_input *input, char ***args_out, dragon_error_t *error)
{
    char **args = NULL;
    enum pool_next next =
        input->group > 1 ? next_group(input, &args, error) : next_product(input, &args, error);
    if (next != NEXT_ARGS)
        return next;
    if (input->has_columns && !split(input, &args)) {
        strv_free(args);
        return out_of_memory(error);
    }
    *args_out = args;
    return NEXT_ARGS;
}

// ---- how many

uint64_t pool_input_total(const struct pool_input *input)
{
    const struct pool_source *first = &input->sources[0];
    uint64_t total = first->words ? length_of(input, 0) : first->taken + first->left;
    if (is_streamed(input) && !first->eof)
        return 0;
    for (size_t i = 1; i < input->count; i++)
        if (!input->sources[i].linked &&
            __builtin_mul_overflow(total, (uint64_t)length_of(input, i), &total))
            return 0;
    return input->group > 1 ? (total + input->group - 1) / input->group : total;
}
