/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Process templates: a program and how it is to be run. A group starts any number of ranks from each of its
 * templates.
 *
 *     dragon_template_t *template;
 *     char *argv[] = {"./work", "--fast", NULL};
 *     dragon_template_create(argv, &template, &error);
 *     dragon_template_set_output(template, "logs/{rank}.out");
 *     dragon_group_add(group, template, 16, &error);
 *     dragon_template_destroy(template);
 *
 * Without further calls ranks get the environment of this process as it is when their group is created, and
 * its working directory, on every node; they read nothing, but for the rank that
 * dragon_group_set_input names; what they write goes to this process's standard output and error.
 *
 * Whoever is given a template copies it. All calls copy what they are given.
 * INVAL: the value makes no sense; NOMEM. The template is unchanged then.
 * Threads: one at a time for each handle.
 */
#ifndef DRAGON_TEMPLATE_H
#define DRAGON_TEMPLATE_H

#include <dragon/policy.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct dragon_template dragon_template_t;

/* In place of a file's name. */
#define DRAGON_STREAM_INHERIT "" /* this process's own stream; the default for output */
#define DRAGON_STREAM_DISCARD "/dev/null"
#define DRAGON_STREAM_PIPE "|"   /* dragon_group_read, dragon_group_write */
#define DRAGON_STREAM_MERGE "&1" /* errors go where output goes */

/* argv  the program and its arguments, ended by NULL. A name without a slash is looked for along PATH, on
 *       each node.
 *
 * INVAL: argv is empty. NOMEM. SYS: this process has no working directory. */
DRAGON_API dragon_err_t dragon_template_create(char *const argv[], dragon_template_t **template_out,
                                               dragon_error_t *error);
DRAGON_API void dragon_template_destroy(dragon_template_t *process_template); /* NULL is fine */

/* A relative one is taken from this process's directory. */
DRAGON_API dragon_err_t dragon_template_set_cwd(dragon_template_t *process_template,
                                                const char *directory);
/* value NULL: removes the variable. It wins over the policy's. */
DRAGON_API dragon_err_t dragon_template_set_env(dragon_template_t *process_template,
                                                const char *name, const char *value);

/* NULL: none. */
DRAGON_API dragon_err_t dragon_template_set_policy(dragon_template_t *process_template,
                                                   const dragon_policy_t *policy);

/* Where the ranks' output and errors go: one of the DRAGON_STREAM_* or a file, made on the rank's node, a
 * relative name from its working directory. {rank}, {node}, {host}, {group} and {template} in it stand for
 * what they say. An existing file is overwritten when the rank starts; ranks of one node that
 * name the same file, and a rank's output and errors that do, share it. A missing
 * directory or a file that cannot be written is an error of dragon_group_start. */
DRAGON_API dragon_err_t dragon_template_set_output(dragon_template_t *process_template,
                                                   const char *where);
DRAGON_API dragon_err_t dragon_template_set_error(dragon_template_t *process_template,
                                                  const char *where);
/* What the ranks read: DRAGON_STREAM_PIPE, or a file as above (DRAGON_STREAM_DISCARD: nothing).
 * DRAGON_STREAM_INHERIT (the default): what dragon_group_set_input says. */
DRAGON_API dragon_err_t dragon_template_set_input(dragon_template_t *process_template,
                                                  const char *where);

#ifdef __cplusplus
}
#endif

#endif
