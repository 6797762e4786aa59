// SPDX-License-Identifier: BSD-3-Clause
//
// Where the managers of a dictionary go, and how many there are.
#ifndef CLIENT_DICT_PLACE_H
#define CLIENT_DICT_PLACE_H

#include "client/dict.h"

#include <dragon/group.h>

struct dict_place {
    struct dragon_runtime *runtime; // borrowed
    const dragon_dict_spec_t *spec; // borrowed
    dragon_policy_t *policy;        // owned; NULL: spec->policies
    uint64_t managers;
    uint32_t each; // of them, of each policy
};

// What the spec says of it makes sense: else INVAL.
dragon_err_t dict_place_check(const dragon_dict_spec_t *spec, dragon_error_t *error);
// The runtime and the spec are known; the runtime may be asked for the rest. INVAL: it has not so many nodes.
dragon_err_t dict_place_make(struct dict_place *place, dragon_error_t *error);
void dict_place_fini(struct dict_place *place);
// Of managers with these arguments, not started.
dragon_err_t dict_place_group(struct dict_place *place, char *const argv[],
                              dragon_group_t **group_out, dragon_error_t *error);
// What a group said that was planned or started: NOT_FOUND when there is no such program.
dragon_err_t dict_place_error(const dragon_group_t *group, dragon_err_t err, dragon_error_t *error);

#endif
