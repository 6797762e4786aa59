// SPDX-License-Identifier: BSD-3-Clause
//
// dragon-info doctor: looks at this host and says what works for a runtime, what does not, and what to do
// about it. It leaves nothing behind, and needs no runtime.
#ifndef CLI_INFO_DOCTOR_H
#define CLI_INFO_DOCTOR_H

#include <stdbool.h>

// Prints to standard output: a line for each check, or one JSON object. The exit code: 0, 1 when a check
// failed, 125 when memory or the output did.
int info_doctor(bool json);

#endif
