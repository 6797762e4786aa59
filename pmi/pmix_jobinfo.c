// SPDX-License-Identifier: BSD-3-Clause
//
// Job information: see pmix_jobinfo.h. The library derives much from the two maps, but not for
// ranks that have an array of their own: such an array must be complete, local and node rank above
// all, or MPI_Init hangs. Types matter as well: a client takes a value of another type for
// missing.
#include "config.h"

#include "pmi/pmix_jobinfo.h"

#include <sys/stat.h>

// An array of ten entries takes 6 KB of a rank. Above this many ranks only those of this node have
// one, and the library derives the others from the maps.
enum { ARRAYS_FOR_ALL_MAX = 4096 };

struct list {
    void *items; // the library's
    bool failed;
};

static struct list list_start(void)
{
    struct list list = {.items = PMIx_Info_list_start()};
    list.failed = !list.items;
    return list;
}

static void add(struct list *list, const char *key, const void *value, pmix_data_type_t type)
{
    if (!list->failed && PMIx_Info_list_add(list->items, key, value, type) != PMIX_SUCCESS)
        list->failed = true;
}

static void add_u32(struct list *list, const char *key, uint32_t value)
{
    add(list, key, &value, PMIX_UINT32);
}

static void add_u16(struct list *list, const char *key, uint32_t value)
{
    uint16_t narrow = (uint16_t)value;
    add(list, key, &narrow, PMIX_UINT16);
}

static void add_rank(struct list *list, const char *key, pmix_rank_t value)
{
    add(list, key, &value, PMIX_PROC_RANK);
}

static void add_bool(struct list *list, const char *key, bool value)
{
    add(list, key, &value, PMIX_BOOL);
}

// NULL: the text could not be made.
static void add_text(struct list *list, const char *key, const char *text)
{
    if (text)
        add(list, key, text, PMIX_STRING);
    else
        list->failed = true;
}

static void add_text_free(struct list *list, const char *key, char *text)
{
    add_text(list, key, text);
    free(text);
}

// Ends the list.
static bool list_take(struct list *list, pmix_data_array_t *array_out)
{
    pmix_data_array_t array = {0};
    bool done = !list->failed && PMIx_Info_list_convert(list->items, &array) == PMIX_SUCCESS;
    if (list->items)
        PMIx_Info_list_release(list->items);
    if (done)
        *array_out = array;
    return done;
}

static void add_array(struct list *to, const char *key, struct list *from)
{
    pmix_data_array_t array;
    if (!list_take(from, &array)) {
        to->failed = true;
        return;
    }
    add(to, key, &array, PMIX_DATA_ARRAY);
    PMIX_DATA_ARRAY_DESTRUCT(&array);
}

// Adds the compressed form of one of the two maps. Takes the text.
static void add_regex(struct list *list, const char *key, char *text,
                      pmix_status_t (*generate)(const char *, char **))
{
    char *regex = NULL;
    if (text && generate(text, &regex) == PMIX_SUCCESS)
        add(list, key, regex, PMIX_REGEX);
    else
        list->failed = true;
    free(regex);
    free(text);
}

// Where a local rank may run. NULL when the library cannot tell: it then looks for itself.
static char *make_locality(const char *cpuset_text)
{
    pmix_cpuset_t cpuset;
    PMIX_CPUSET_CONSTRUCT(&cpuset);
    pmix_status_t status;
    if (*cpuset_text) {
        char *text = NULL;
        if (asprintf(&text, "hwloc:%s", cpuset_text) < 0)
            return NULL;
        status = PMIx_Parse_cpuset_string(text, &cpuset);
        free(text);
    } else {
        status = PMIx_Get_cpuset(&cpuset, PMIX_CPUBIND_PROCESS);
    }
    if (status != PMIX_SUCCESS)
        return NULL;
    char *locality = NULL;
    if (PMIx_server_generate_locality_string(&cpuset, &locality) != PMIX_SUCCESS)
        locality = NULL;
    PMIx_Cpuset_destruct(&cpuset);
    return locality;
}

static char *join_words(char *const *words)
{
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    if (!out)
        return NULL;
    for (size_t i = 0; words && words[i]; i++)
        fprintf(out, "%s%s", i ? " " : "", words[i]);
    fclose(out);
    return text;
}

static void add_job_keys(struct list *list, const struct pmi_job_message *job)
{
    const struct pmi_map *map = &job->map;
    uint32_t here = pmi_map_local_size(map, map->here);
    add_regex(list, PMIX_NODE_MAP, pmi_map_node_list(map), PMIx_generate_regex);
    add_regex(list, PMIX_PROC_MAP, pmi_map_ppn(map), PMIx_generate_ppn);
    add_text_free(list, PMIX_ANL_MAP, pmi_map_process_mapping(map));
    add_u32(list, PMIX_JOB_SIZE, map->size);
    add_u32(list, PMIX_MAX_PROCS, map->size);
    add_u32(list, PMIX_NUM_NODES, map->nodes);
    add_u32(list, PMIX_JOB_NUM_APPS, pmi_map_apps(map));
    add_u32(list, PMIX_LOCAL_SIZE, here);
    add_u32(list, PMIX_NODE_SIZE, here);
    add_text_free(list, PMIX_LOCAL_PEERS, pmi_map_peers(map, map->here));
    add_text(list, PMIX_JOBID, job->nspace);
    add_bool(list, PMIX_NODE_OVERSUBSCRIBED, job->oversubscribed);
    add_text(list, PMIX_TMPDIR, job->dir);
    add_text(list, PMIX_NSDIR, job->dir);
    for (uint32_t rank = 0; rank < map->size; rank++) {
        if (map->node_of_rank[rank] == map->here) {
            add_rank(list, PMIX_LOCALLDR, rank);
            break;
        }
    }
}

// Found by ranks only in an array of their own.
static void add_session(struct list *list, const struct pmi_job_message *job)
{
    struct list session = list_start();
    add_u32(&session, PMIX_SESSION_ID, (uint32_t)job->job);
    add_u32(&session, PMIX_UNIV_SIZE, job->map.size);
    add_array(list, PMIX_SESSION_INFO_ARRAY, &session);
}

static void add_app(struct list *list, const struct pmi_job_message *job, uint32_t number)
{
    struct list app = list_start();
    add_u32(&app, PMIX_APPNUM, number);
    add_u32(&app, PMIX_APP_SIZE, pmi_map_app_size(&job->map, number));
    add_rank(&app, PMIX_APPLDR, pmi_map_app_first(&job->map, number));
    add_text(&app, PMIX_WDIR, job->apps[number].cwd);
    add_text_free(&app, PMIX_APP_ARGV, join_words(job->apps[number].argv));
    add_array(list, PMIX_APP_INFO_ARRAY, &app);
}

static char *join_numbers(const struct pmi_map *map,
                          uint32_t (*number)(const struct pmi_map *map, uint32_t app))
{
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    if (!out)
        return NULL;
    for (uint32_t app = 0; app < pmi_map_apps(map); app++)
        fprintf(out, "%s%u", app ? " " : "", number(map, app));
    fclose(out);
    return text;
}

static void add_apps(struct list *list, const struct pmi_job_message *job)
{
    for (uint32_t app = 0; app < pmi_map_apps(&job->map); app++)
        add_app(list, job, app);
    if (pmi_map_apps(&job->map) == 1)
        return;
    // Open MPI 5 asks for these when there are several programs.
    add_text_free(list, "OMPI_APP_SIZES", join_numbers(&job->map, pmi_map_app_size));
    add_text_free(list, "OMPI_FIRST_RANKS", join_numbers(&job->map, pmi_map_app_first));
}

static void add_proc_dir(struct list *proc, const struct pmi_job_message *job, uint32_t rank)
{
    char *dir = NULL;
    if (asprintf(&dir, "%s/%u", job->dir, rank) < 0)
        dir = NULL;
    if (dir)
        mkdir(dir, 0700); // without it the rank makes one of its own elsewhere
    add_text_free(proc, PMIX_PROCDIR, dir);
}

// Ranks that are not bound, or bound alike one after another, have one text.
struct locality {
    const char *cpuset; // borrowed; NULL: none was looked at
    char *text;         // owned; NULL: not known
};

static const char *locality_of(struct locality *locality, const char *cpuset)
{
    if (locality->cpuset && strcmp(locality->cpuset, cpuset) == 0)
        return locality->text;
    free(locality->text);
    *locality = (struct locality){.cpuset = cpuset, .text = make_locality(cpuset)};
    return locality->text;
}

static void add_binding(struct list *proc, const struct pmi_job_message *job, uint32_t local_rank,
                        struct locality *locality)
{
    const char *cpuset = job->cpuset;
    if (job->bound && job->bound[0] && *job->bound[local_rank])
        cpuset = job->bound[local_rank];
    const char *text = locality_of(locality, cpuset);
    if (*cpuset)
        add_text(proc, PMIX_CPUSET, cpuset);
    if (text)
        add_text(proc, PMIX_LOCALITY_STRING, text);
}

static void add_proc(struct list *list, const struct pmi_job_message *job, uint32_t rank,
                     uint32_t local_rank, struct locality *locality)
{
    const struct pmi_map *map = &job->map;
    uint32_t node = map->node_of_rank[rank], app = pmi_map_app_of(map, rank);
    struct list proc = list_start();
    add_rank(&proc, PMIX_RANK, rank);
    add_u32(&proc, PMIX_APPNUM, app);
    add_rank(&proc, PMIX_GLOBAL_RANK, rank);
    add_rank(&proc, PMIX_APP_RANK, rank - pmi_map_app_first(map, app));
    add_u16(&proc, PMIX_LOCAL_RANK, local_rank);
    add_u16(&proc, PMIX_NODE_RANK, local_rank);
    add_u32(&proc, PMIX_NODEID, node);
    add_text(&proc, PMIX_HOSTNAME, map->node_names[node]);
    add_u32(&proc, PMIX_REINCARNATION, 0);
    if (node == map->here) {
        add_proc_dir(&proc, job, rank);
        add_binding(&proc, job, local_rank, locality);
    }
    add_array(list, PMIX_PROC_INFO_ARRAY, &proc);
}

bool helper_jobinfo(const struct pmi_job_message *job, const char *topology,
                    pmix_data_array_t *info_out)
{
    uint32_t *local_ranks = pmi_map_local_ranks(&job->map);
    if (!local_ranks)
        return false;
    struct locality locality = {0};
    struct list list = list_start();
    add_session(&list, job);
    add_job_keys(&list, job);
    add_apps(&list, job);
    if (topology)
        add_text(&list, PMIX_HWLOC_XML_V2, topology);
    for (uint32_t rank = 0; rank < job->map.size && !list.failed; rank++)
        if (job->map.size <= ARRAYS_FOR_ALL_MAX || job->map.node_of_rank[rank] == job->map.here)
            add_proc(&list, job, rank, local_ranks[rank], &locality);
    free(locality.text);
    free(local_ranks);
    return list_take(&list, info_out);
}

void helper_jobinfo_fini(pmix_data_array_t *info)
{
    PMIX_DATA_ARRAY_DESTRUCT(info);
    *info = (pmix_data_array_t){0};
}
