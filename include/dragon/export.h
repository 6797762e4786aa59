/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Marks what libdragon exports. Nothing else is visible outside the library.
 */
#ifndef DRAGON_EXPORT_H
#define DRAGON_EXPORT_H

#if defined(__GNUC__)
#define DRAGON_API __attribute__((visibility("default")))
#else
#define DRAGON_API
#endif

#endif
