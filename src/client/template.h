// SPDX-License-Identifier: BSD-3-Clause
//
// What users describe: policies and templates, as the other files of libdragon see them.
#ifndef CLIENT_TEMPLATE_H
#define CLIENT_TEMPLATE_H

#include "group/proto.h"

#include <dragon/template.h>

struct dragon_policy {
    struct policy policy;
};

struct dragon_template {
    char *base; // owned, as all here: this process's directory when it was made
    char *cwd;  // absolute
    char **argv;
    char **env; // edits: "NAME=value", or "NAME" to remove it
    struct policy policy;
    struct stream_spec in, out, err;
};

struct dragon_template *template_copy(const struct dragon_template *from); // NULL: out of memory

#endif
