// SPDX-License-Identifier: BSD-3-Clause
//
// Where the managers of a dictionary go: its spec as a group with one template for each policy.
#include "config.h"

#include "client/dict_place.h"

#include <inttypes.h>

enum {
    GRACE_MS = 1000,
    EXIT_NOT_FOUND = 127, // of a group whose program is missing
};

dragon_err_t dict_place_check(const dragon_dict_spec_t *spec, dragon_error_t *error)
{
    if (!spec->policies != (spec->policy_count == 0))
        return err_set(error, DRAGON_ERR_INVAL,
                       "policies and policy_count go together: a list of %" PRIu32 " policies%s",
                       spec->policy_count, spec->policies ? "" : " that is NULL");
    const char *excluded = spec->policy              ? "policy"
                           : spec->nodes             ? "nodes"
                           : spec->managers_per_node ? "managers_per_node"
                                                     : NULL;
    if (spec->policies && excluded)
        return err_set(error, DRAGON_ERR_INVAL,
                       "a list of policies says where the managers go, it excludes %s", excluded);
    for (uint32_t i = 0; i < spec->policy_count; i++)
        if (!spec->policies[i])
            return err_set(error, DRAGON_ERR_INVAL, "policy %" PRIu32 " of the list is NULL", i);
    if (spec->managers > 0 && spec->managers < spec->nodes)
        return err_set(error, DRAGON_ERR_INVAL,
                       "%" PRIu32 " managers cannot be on %" PRIu32 " nodes", spec->managers,
                       spec->nodes);
    return DRAGON_OK;
}

// A copy with at most so many on a node; 0: as it says.
static dragon_err_t copy_policy(const dragon_policy_t *from, uint32_t ppn,
                                dragon_policy_t **policy_out)
{
    dragon_policy_t *policy = NULL;
    dragon_err_t err = from ? dragon_policy_copy(from, &policy) : dragon_policy_create(&policy);
    if (err == DRAGON_OK && ppn > 0)
        err = dragon_policy_set_ppn(policy, ppn);
    if (err == DRAGON_OK)
        *policy_out = policy;
    else
        dragon_policy_destroy(policy);
    return err;
}

// What they write goes nowhere, but for errors while this process waits for them. They go to one node after the other, unless
// a policy says otherwise.
static dragon_err_t set_up(dragon_group_t *group, dragon_template_t *made)
{
    dragon_policy_t *policy = NULL;
    dragon_err_t err = dragon_policy_create(&policy);
    if (err == DRAGON_OK)
        err = dragon_policy_set_map(policy, DRAGON_MAP_CYCLIC);
    if (err == DRAGON_OK)
        err = dragon_group_set_policy(group, policy);
    dragon_policy_destroy(policy);
    if (err == DRAGON_OK)
        err = dragon_template_set_output(made, DRAGON_STREAM_DISCARD);
    if (err == DRAGON_OK)
        err = dragon_group_set_name(group, "dictionary");
    if (err == DRAGON_OK)
        err = dragon_group_set_detached(group, true);
    if (err == DRAGON_OK)
        err = dragon_group_set_failure(group, DRAGON_FAILURE_CONTINUE);
    if (err == DRAGON_OK)
        err = dragon_group_set_grace(group, GRACE_MS);
    return err;
}

// So many of each policy, one template for each. 0: as many as the policy says.
static dragon_err_t add_all(dragon_group_t *group, dragon_template_t *made,
                            const dragon_policy_t *const *policies, uint32_t count,
                            uint32_t managers, dragon_error_t *error)
{
    dragon_err_t err = DRAGON_OK;
    for (uint32_t i = 0; i < count && err == DRAGON_OK; i++) {
        err = dragon_template_set_policy(made, policies[i]);
        err = err == DRAGON_OK ? dragon_group_add(group, made, managers, error)
                               : err_set(error, err, "out of memory");
    }
    return err;
}

// Not started.
static dragon_err_t make_group(struct dict_place *place, char *const argv[],
                               const dragon_policy_t *const *policies, uint32_t count,
                               uint32_t managers, dragon_group_t **group_out, dragon_error_t *error)
{
    dragon_template_t *made = NULL;
    dragon_group_t *group = NULL;
    dragon_err_t err = dragon_template_create(argv, &made, error);
    if (err == DRAGON_OK)
        err = dragon_group_create(place->runtime, &group, error);
    if (err == DRAGON_OK) {
        err = set_up(group, made);
        if (err != DRAGON_OK)
            err_set(error, err, "the managers cannot be described: %s", dragon_err_text(err));
    }
    if (err == DRAGON_OK)
        err = add_all(group, made, policies, count, managers, error);
    dragon_template_destroy(made);
    if (err == DRAGON_OK)
        *group_out = group;
    else
        dragon_group_destroy(group);
    return err;
}

dragon_err_t dict_place_error(const dragon_group_t *group, dragon_err_t err, dragon_error_t *error)
{
    dragon_error_t why = error ? *error : (dragon_error_t){.code = err};
    if (err != DRAGON_ERR_LAUNCH || dragon_group_exit_code(group) != EXIT_NOT_FOUND)
        return err;
    return err_set(error, DRAGON_ERR_NOT_FOUND,
                   "%s is not installed beside dragon-agent, or cannot be run: %s", DICT_MANAGER,
                   why.text);
}

// Where managers would go, as many as the policy allows. The caller destroys the group.
static dragon_err_t plan(struct dict_place *place, const dragon_policy_t *policy,
                         dragon_group_t **group_out, dragon_error_t *error)
{
    char program[] = DICT_MANAGER;
    dragon_err_t err =
        make_group(place, (char *[]){program, NULL}, &policy, 1, 0, group_out, error);
    if (err != DRAGON_OK)
        return err;
    err = dict_place_error(*group_out, dragon_group_plan(*group_out, error), error);
    if (err != DRAGON_OK)
        dragon_group_destroy(*group_out);
    return err;
}

// The first ones of a plan with one manager on each node, as a policy names them.
static dragon_err_t first_nodes(const dragon_group_t *planned, uint32_t count, char **hosts_out,
                                dragon_error_t *error)
{
    uint32_t nodes = dragon_group_size(planned);
    if (nodes < count)
        return err_set(error, DRAGON_ERR_INVAL,
                       "the dictionary is to be on %" PRIu32 " nodes, the policy allows %" PRIu32,
                       count, nodes);
    enum { DIGITS = 11 };
    char *hosts = calloc(count, DIGITS), *at = hosts;
    dragon_err_t err = hosts ? DRAGON_OK : DRAGON_ERR_NOMEM;
    for (uint32_t i = 0; i < count && err == DRAGON_OK; i++) {
        dragon_rank_place_t at_node;
        err = dragon_group_rank_place(planned, i, &at_node);
        if (err == DRAGON_OK)
            at += snprintf(at, DIGITS, "%s%" PRIu32, i ? "," : "", at_node.node);
    }
    if (err == DRAGON_OK) {
        *hosts_out = hosts;
        return err;
    }
    free(hosts);
    return err_set(error, err, "the nodes are not known: %s", dragon_err_text(err));
}

// Only to spec->nodes of the nodes that it allows.
static dragon_err_t narrow(struct dict_place *place, dragon_error_t *error)
{
    dragon_policy_t *each = NULL;
    dragon_group_t *planned;
    char *hosts = NULL;
    dragon_err_t err = copy_policy(place->policy, 1, &each);
    if (err != DRAGON_OK)
        return err_set(error, err, "out of memory");
    err = plan(place, each, &planned, error);
    dragon_policy_destroy(each);
    if (err != DRAGON_OK)
        return err;
    err = first_nodes(planned, place->spec->nodes, &hosts, error);
    dragon_group_destroy(planned);
    if (err != DRAGON_OK)
        return err;
    err = dragon_policy_set_hosts(place->policy, hosts);
    free(hosts);
    return err == DRAGON_OK ? err : err_set(error, err, "out of memory");
}

// Of the one policy that there is without a list.
static dragon_err_t make_policy(struct dict_place *place, dragon_error_t *error)
{
    const dragon_dict_spec_t *spec = place->spec;
    uint32_t ppn = spec->managers_per_node;
    if (ppn == 0 && spec->managers == 0)
        ppn = 1;
    dragon_err_t err = copy_policy(spec->policy, ppn, &place->policy);
    if (err != DRAGON_OK)
        return err_set(error, err, "out of memory");
    return spec->nodes > 0 ? narrow(place, error) : DRAGON_OK;
}

dragon_err_t dict_place_make(struct dict_place *place, dragon_error_t *error)
{
    const dragon_dict_spec_t *spec = place->spec;
    dragon_group_t *planned;
    if (spec->policies) {
        place->each = spec->managers ? spec->managers : 1;
        place->managers = (uint64_t)place->each * spec->policy_count;
        return DRAGON_OK;
    }
    dragon_err_t err = make_policy(place, error);
    place->managers = spec->managers;
    if (err == DRAGON_OK && place->managers == 0) {
        err = plan(place, place->policy, &planned, error);
        if (err != DRAGON_OK)
            return err;
        place->managers = dragon_group_size(planned);
        dragon_group_destroy(planned);
    }
    place->each = (uint32_t)place->managers;
    return err;
}

void dict_place_fini(struct dict_place *place)
{
    dragon_policy_destroy(place->policy);
}

dragon_err_t dict_place_group(struct dict_place *place, char *const argv[],
                              dragon_group_t **group_out, dragon_error_t *error)
{
    const dragon_policy_t *const one = place->policy;
    if (one)
        return make_group(place, argv, &one, 1, place->each, group_out, error);
    return make_group(place, argv, place->spec->policies, place->spec->policy_count, place->each,
                      group_out, error);
}
