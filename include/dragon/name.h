/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Names in the runtime: a process publishes a line of text, a channel's descriptor for instance, and any process on
 * any node finds it. A name lives until it is withdrawn, its object is destroyed, or the runtime ends.
 *
 * Threads: as for the runtime handle, one at a time.
 */
#ifndef DRAGON_NAME_H
#define DRAGON_NAME_H

#include <dragon/runtime.h>

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    DRAGON_NAME_MOST = 255, /* bytes of a name; what it stands for may have 4095 */
};

/* From now on the name stands for this text, on all nodes.
 *
 * EXISTS: it stands for something else already, and still does; publishing the same again is fine.
 * INVAL: the name is empty, too long, or has control characters. FULL: too many names. TIMEOUT, PEER. */
DRAGON_API dragon_err_t dragon_name_publish(dragon_runtime_t *runtime, const char *name,
                                            const char *text, dragon_error_t *error);

/* The text that it stands for, which the caller frees with free(); waits for it to be published, timeout_ms as in
 * channel.h. For what stands for a channel or another object dragon_channel_find and its like do this and attach.
 *
 * TIMEOUT (AGAIN with 0): nobody published it. INVAL: as for publish. PEER. NOMEM. */
DRAGON_API dragon_err_t dragon_name_find(dragon_runtime_t *runtime, const char *name,
                                         int timeout_ms, char **text_out, dragon_error_t *error);

/* Nobody finds the name any more; what it stood for lives on. NOT_FOUND: there is none. INVAL, TIMEOUT, PEER. */
DRAGON_API dragon_err_t dragon_name_withdraw(dragon_runtime_t *runtime, const char *name,
                                             dragon_error_t *error);

#ifdef __cplusplus
}
#endif

#endif
