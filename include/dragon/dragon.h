/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Everything of libdragon in one include.
 */
#ifndef DRAGON_DRAGON_H
#define DRAGON_DRAGON_H

#include <dragon/error.h>
#include <dragon/export.h>
#include <dragon/group.h>
#include <dragon/policy.h>
#include <dragon/runtime.h>
#include <dragon/system.h>
#include <dragon/template.h>

#endif
