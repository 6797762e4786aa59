// SPDX-License-Identifier: BSD-3-Clause
//
// A PMIx client that is no MPI program: it tells whether a PMIx server gives a rank all that MPI
// libraries ask for, with the types they expect. A rank asks its server for each key of the_keys,
// about the job, the application, itself and every other rank; then it exchanges values with the
// others over a fence that collects them, or (`nodata`) over one that does not, where each value
// has to be fetched from the rank's own server. One line per failure; rank 0 has the last word.
// Values are not judged, except that a rank gets what another has put; `show` prints them, for
// whoever knows what they have to be.
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif

// Before pmix.h, which calls strncasecmp without declaring it.
#include <strings.h>

#include <pmix.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    BLOCK_BYTES = 3000,
    GET_SECONDS = 20,
    END_SECONDS = 30,
    // A server that forgets an answer must not leave ranks that wait for ever.
    LIFE_SECONDS = 120,
};

enum scope {
    SCOPE_JOB,      // asked about the job (PMIX_RANK_WILDCARD)
    SCOPE_APP,      // asked about every application
    SCOPE_PROC,     // asked about every rank
    SCOPE_SELF,     // asked about the own rank
    SCOPE_OPTIONAL, // asked about every rank, and may be missing: only its type is checked
};

struct key {
    const char *name;
    const char *key;
    enum scope scope;
    pmix_data_type_t type;
};

#define KEY(key) #key, key

static const struct key the_keys[] = {
    {KEY(PMIX_JOB_SIZE), SCOPE_JOB, PMIX_UINT32},
    {KEY(PMIX_MAX_PROCS), SCOPE_JOB, PMIX_UINT32},
    {KEY(PMIX_UNIV_SIZE), SCOPE_JOB, PMIX_UINT32},
    {KEY(PMIX_NUM_NODES), SCOPE_JOB, PMIX_UINT32},
    {KEY(PMIX_JOB_NUM_APPS), SCOPE_JOB, PMIX_UINT32},
    {KEY(PMIX_JOBID), SCOPE_JOB, PMIX_STRING},
    {KEY(PMIX_LOCAL_SIZE), SCOPE_JOB, PMIX_UINT32},
    {KEY(PMIX_LOCAL_PEERS), SCOPE_JOB, PMIX_STRING},
    {KEY(PMIX_LOCALLDR), SCOPE_JOB, PMIX_PROC_RANK},
    {KEY(PMIX_NODE_SIZE), SCOPE_JOB, PMIX_UINT32},
    {KEY(PMIX_NODE_OVERSUBSCRIBED), SCOPE_JOB, PMIX_BOOL},
    // What the library makes of the node map. The maps themselves and the session's number it
    // takes from a server but gives to no client (4.2.2), so nothing can ask for them.
    {KEY(PMIX_NODE_LIST), SCOPE_JOB, PMIX_STRING},
    {KEY(PMIX_TMPDIR), SCOPE_JOB, PMIX_STRING},
    {KEY(PMIX_NSDIR), SCOPE_JOB, PMIX_STRING},
    {KEY(PMIX_APP_SIZE), SCOPE_APP, PMIX_UINT32},
    {KEY(PMIX_APPLDR), SCOPE_APP, PMIX_PROC_RANK},
    {KEY(PMIX_WDIR), SCOPE_APP, PMIX_STRING},
    {KEY(PMIX_APP_ARGV), SCOPE_APP, PMIX_STRING},
    {KEY(PMIX_LOCAL_RANK), SCOPE_PROC, PMIX_UINT16},
    {KEY(PMIX_NODE_RANK), SCOPE_PROC, PMIX_UINT16},
    {KEY(PMIX_APPNUM), SCOPE_PROC, PMIX_UINT32},
    {KEY(PMIX_NODEID), SCOPE_PROC, PMIX_UINT32},
    {KEY(PMIX_HOSTNAME), SCOPE_PROC, PMIX_STRING},
    {KEY(PMIX_GLOBAL_RANK), SCOPE_PROC, PMIX_PROC_RANK},
    {KEY(PMIX_APP_RANK), SCOPE_PROC, PMIX_PROC_RANK},
    {KEY(PMIX_REINCARNATION), SCOPE_PROC, PMIX_UINT32},
    {KEY(PMIX_PROCDIR), SCOPE_SELF, PMIX_STRING},
    {KEY(PMIX_LOCALITY_STRING), SCOPE_OPTIONAL, PMIX_STRING},
    {KEY(PMIX_CPUSET), SCOPE_OPTIONAL, PMIX_STRING},
    {KEY(PMIX_SPAWNED), SCOPE_OPTIONAL, PMIX_BOOL},
    {KEY(PMIX_PARENT_ID), SCOPE_OPTIONAL, PMIX_PROC},
};

static pmix_proc_t the_self;
static uint32_t the_size, the_apps, the_failures;

static void leave_unless(bool good, const char *what, pmix_status_t status)
{
    if (good)
        return;
    printf("pmix_probe: rank %u: %s: %s\n", the_self.rank, what, PMIx_Error_string(status));
    exit(1);
}

static const char *rank_name(pmix_rank_t rank, char text[16])
{
    if (rank == PMIX_RANK_WILDCARD)
        snprintf(text, 16, "the job");
    else
        snprintf(text, 16, "rank %u", rank);
    return text;
}

// Asks about a rank, the job, or (SCOPE_APP) the application `app`. The caller releases the value.
static pmix_status_t ask(const struct key *key, pmix_rank_t rank, uint32_t app,
                         pmix_value_t **value_out)
{
    pmix_proc_t about;
    PMIX_LOAD_PROCID(&about, the_self.nspace, rank);
    bool yes = true, of_app = key->scope == SCOPE_APP;
    pmix_info_t info[3];
    // Optional: all of this is job information, which a client has from the start. Without it the
    // question for a missing key would travel to the rank's host and might wait there.
    PMIX_INFO_LOAD(&info[0], PMIX_OPTIONAL, &yes, PMIX_BOOL);
    PMIX_INFO_LOAD(&info[1], of_app ? PMIX_APP_INFO : PMIX_JOB_INFO, &yes, PMIX_BOOL);
    PMIX_INFO_LOAD(&info[2], PMIX_APPNUM, &app, PMIX_UINT32);
    size_t ninfo = of_app ? 3 : 1;
    // Unless told that a rank's node number is job information too, 4.2.2 looks for it in what it
    // knows of the nodes, and finds it for ranks of the own node only.
    if (strcmp(key->key, PMIX_NODEID) == 0)
        ninfo = 2;
    *value_out = NULL;
    return PMIx_Get(&about, key->key, info, ninfo, value_out);
}

// What was asked for goes through one of these.
typedef void visit_fn(const struct key *key, pmix_rank_t rank, uint32_t app);

static void visit_keys(visit_fn *visit)
{
    for (size_t i = 0; i < sizeof the_keys / sizeof *the_keys; i++) {
        const struct key *key = &the_keys[i];
        if (key->scope == SCOPE_JOB)
            visit(key, PMIX_RANK_WILDCARD, 0);
        for (uint32_t app = 0; key->scope == SCOPE_APP && app < the_apps; app++)
            visit(key, PMIX_RANK_WILDCARD, app);
        if (key->scope > SCOPE_APP)
            visit(key, the_self.rank, 0);
        bool others = key->scope == SCOPE_PROC || key->scope == SCOPE_OPTIONAL;
        for (pmix_rank_t rank = 0; others && rank < the_size; rank++)
            if (rank != the_self.rank)
                visit(key, rank, 0);
    }
}

static void check_key(const struct key *key, pmix_rank_t rank, uint32_t app)
{
    pmix_value_t *value;
    pmix_status_t status = ask(key, rank, app, &value);
    bool missing = status == PMIX_ERR_NOT_FOUND;
    if (status == PMIX_SUCCESS ? value->type != key->type
                               : !missing || key->scope != SCOPE_OPTIONAL) {
        char text[16];
        printf("%s: expected %s, got %s (rank %u asked about %s, application %u)\n", key->name,
               PMIx_Data_type_string(key->type),
               status == PMIX_SUCCESS ? PMIx_Data_type_string(value->type)
                                      : PMIx_Error_string(status),
               the_self.rank, rank_name(rank, text), app);
        the_failures++;
    }
    if (value)
        PMIX_VALUE_RELEASE(value);
}

static void print_value(const pmix_value_t *value)
{
    switch (value->type) {
    case PMIX_STRING:
        printf("%s\n", value->data.string);
        break;
    case PMIX_UINT16:
        printf("%u\n", value->data.uint16);
        break;
    case PMIX_UINT32:
        printf("%u\n", value->data.uint32);
        break;
    case PMIX_PROC_RANK:
        printf("%u\n", value->data.rank);
        break;
    case PMIX_BOOL:
        printf("%s\n", value->data.flag ? "true" : "false");
        break;
    default:
        printf("of type %s\n", PMIx_Data_type_string(value->type));
    }
}

// "0: PMIX_APPNUM of rank 3: 1"
static void show_key(const struct key *key, pmix_rank_t rank, uint32_t app)
{
    char text[16];
    pmix_value_t *value;
    pmix_status_t status = ask(key, rank, app, &value);
    printf("%u: %s of ", the_self.rank, key->name);
    if (key->scope == SCOPE_APP)
        printf("application %u: ", app);
    else
        printf("%s: ", rank_name(rank, text));
    if (status == PMIX_SUCCESS)
        print_value(value);
    else
        printf("%s\n", PMIx_Error_string(status));
    if (value)
        PMIX_VALUE_RELEASE(value);
}

// Returns the number of keys that have to be there.
static unsigned check_keys(void)
{
    unsigned required = 0;
    for (size_t i = 0; i < sizeof the_keys / sizeof *the_keys; i++)
        required += the_keys[i].scope != SCOPE_OPTIONAL;
    visit_keys(check_key);
    return required;
}

static pmix_value_t *get(pmix_rank_t rank, const char *key)
{
    pmix_proc_t about;
    PMIX_LOAD_PROCID(&about, the_self.nspace, rank);
    int seconds = GET_SECONDS;
    pmix_info_t info;
    PMIX_INFO_LOAD(&info, PMIX_TIMEOUT, &seconds, PMIX_INT);
    pmix_value_t *value = NULL;
    pmix_status_t status = PMIx_Get(&about, key, &info, 1, &value);
    leave_unless(status == PMIX_SUCCESS, key, status);
    return value;
}

static uint32_t learn_number(const char *key)
{
    pmix_value_t *value = get(PMIX_RANK_WILDCARD, key);
    leave_unless(value->type == PMIX_UINT32, key, PMIX_ERR_TYPE_MISMATCH);
    uint32_t number = value->data.uint32;
    PMIX_VALUE_RELEASE(value);
    return number;
}

static void fence(bool collect)
{
    pmix_proc_t all;
    PMIX_LOAD_PROCID(&all, the_self.nspace, PMIX_RANK_WILDCARD);
    pmix_info_t info;
    PMIX_INFO_LOAD(&info, PMIX_COLLECT_DATA, &collect, PMIX_BOOL);
    pmix_status_t status = PMIx_Fence(&all, 1, &info, 1);
    leave_unless(status == PMIX_SUCCESS, "PMIx_Fence", status);
}

// What a rank puts: different in each rank, and with every byte value, as it is no text.
static void fill_block(pmix_rank_t rank, char block[BLOCK_BYTES])
{
    for (unsigned i = 0; i < BLOCK_BYTES; i++)
        block[i] = (char)(rank * 17 + i);
}

static void put_values(void)
{
    char block[BLOCK_BYTES];
    fill_block(the_self.rank, block);
    pmix_value_t value = {.type = PMIX_BYTE_OBJECT, .data.bo = {block, BLOCK_BYTES}};
    pmix_status_t status = PMIx_Put(PMIX_GLOBAL, "probe.block", &value);
    leave_unless(status == PMIX_SUCCESS, "PMIx_Put", status);

    value = (pmix_value_t){.type = PMIX_UINT32, .data.uint32 = the_failures};
    status = PMIx_Put(PMIX_GLOBAL, "probe.failures", &value);
    leave_unless(status == PMIX_SUCCESS, "PMIx_Put", status);
    status = PMIx_Commit();
    leave_unless(status == PMIX_SUCCESS, "PMIx_Commit", status);
}

// Returns the number of failures that the other ranks had.
static uint32_t read_values(void)
{
    uint32_t failures = 0;
    for (pmix_rank_t rank = 0; rank < the_size; rank++) {
        if (rank == the_self.rank)
            continue;
        char block[BLOCK_BYTES];
        fill_block(rank, block);
        pmix_value_t *value = get(rank, "probe.block");
        bool same = value->type == PMIX_BYTE_OBJECT && value->data.bo.size == BLOCK_BYTES &&
                    memcmp(value->data.bo.bytes, block, BLOCK_BYTES) == 0;
        leave_unless(same, "probe.block of another rank is not what it put", PMIX_ERROR);
        PMIX_VALUE_RELEASE(value);

        value = get(rank, "probe.failures");
        leave_unless(value->type == PMIX_UINT32, "probe.failures is no uint32", PMIX_ERROR);
        failures += value->data.uint32;
        PMIX_VALUE_RELEASE(value);
    }
    return failures;
}

// PMIx_Abort comes back before the host has ended anything, so all wait for that.
static int run_abort(int code)
{
    fence(false);
    if (the_self.rank == 0)
        PMIx_Abort(code, "pmix_probe: asked to abort", NULL, 0);
    for (unsigned left = END_SECONDS; left > 0;)
        left = sleep(left);
    printf("pmix_probe: rank %u outlived PMIx_Abort\n", the_self.rank);
    return 1;
}

static int run_probe(bool collect)
{
    unsigned keys = check_keys();
    put_values();
    fence(collect);
    uint32_t failures = the_failures + read_values();
    // Nobody leaves before all have read: a rank that is gone cannot answer.
    fence(false);
    if (the_self.rank == 0 && failures == 0)
        printf("pmix_probe: %u keys ok\n", keys);
    return the_self.rank == 0 ? failures != 0 : the_failures != 0;
}

int main(int argc, char **argv)
{
    bool nodata = argc == 2 && strcmp(argv[1], "nodata") == 0;
    bool show = argc == 2 && strcmp(argv[1], "show") == 0;
    bool abort_asked = argc == 3 && strcmp(argv[1], "abort") == 0;
    if (argc != 1 && !nodata && !show && !abort_asked) {
        fprintf(stderr, "usage: pmix_probe [nodata | show | abort CODE]\n");
        return 2;
    }
    alarm(LIFE_SECONDS);
    pmix_status_t status = PMIx_Init(&the_self, NULL, 0);
    leave_unless(status == PMIX_SUCCESS, "PMIx_Init", status);
    if (abort_asked)
        return run_abort((int)strtol(argv[2], NULL, 10));
    the_size = learn_number(PMIX_JOB_SIZE);
    the_apps = learn_number(PMIX_JOB_NUM_APPS);
    int result = 0;
    if (show)
        visit_keys(show_key);
    else
        result = run_probe(!nodata);
    fflush(stdout);
    status = PMIx_Finalize(NULL, 0);
    leave_unless(status == PMIX_SUCCESS, "PMIx_Finalize", status);
    return result;
}
