/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Everything of libdragon in one include.
 *
 * What is opaque here (what handles point to: dragon_runtime_t, dragon_group_t, dragon_channel_t and so on) may
 * change with any release. Structs that can be looked into are filled by the library and read by its users. Until
 * release 1.0 they may get further members, always behind those that they have, and enums further values; the
 * number in the name of the shared library (its soname) grows then, so that a program that was compiled before
 * does not start with a library that it does not fit. Compiling it again is enough.
 */
#ifndef DRAGON_DRAGON_H
#define DRAGON_DRAGON_H

#include <dragon/channel.h>
#include <dragon/dict.h>
#include <dragon/error.h>
#include <dragon/export.h>
#include <dragon/group.h>
#include <dragon/memory.h>
#include <dragon/name.h>
#include <dragon/policy.h>
#include <dragon/pool.h>
#include <dragon/queue.h>
#include <dragon/runtime.h>
#include <dragon/stream.h>
#include <dragon/sync.h>
#include <dragon/system.h>
#include <dragon/template.h>

#endif
