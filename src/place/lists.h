// SPDX-License-Identifier: BSD-3-Clause
//
// Lists of cores and GPUs as text, as users write them and plans show them.
#ifndef PLACE_LISTS_H
#define PLACE_LISTS_H

#include <stddef.h>
#include <stdint.h>

// "0-3,8": writes the numbers, in the order given, at most `limit`. Returns how many, -1 when it is no such
// list or it has more, names one twice, or one above `most`.
int lists_parse_cores(const char *text, uint32_t most, uint16_t *cores, size_t limit);
void lists_format_cores(const uint16_t *cores, size_t count, char *text, size_t room);
// "0,1.0": the same for GPU units.
int lists_parse_units(const char *text, uint16_t *units, size_t limit);
void lists_format_units(const uint16_t *units, size_t count, char *text, size_t room);

#endif
