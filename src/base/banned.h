// SPDX-License-Identifier: BSD-3-Clause
//
// Calls that this project does not make, because each has a form that cannot overrun or that
// reports bad input. Using one is a compile error.
#ifndef BASE_BANNED_H
#define BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#undef strcpy
#undef strcat
#undef sprintf
#undef vsprintf
#undef strtok
#undef atoi
#undef atol
#undef strncpy
#define strcpy(a, b) use_snprintf_instead_of_strcpy
#define strcat(a, b) use_pack_or_snprintf_instead_of_strcat
#define sprintf use_snprintf_instead_of_sprintf
#define vsprintf use_vsnprintf_instead_of_vsprintf
#define strtok(a, b) use_strtok_r_instead_of_strtok
#define atoi(a) use_parse_number_instead_of_atoi
#define atol(a) use_parse_number_instead_of_atol
#define strncpy(a, b, c) use_snprintf_instead_of_strncpy

#endif
