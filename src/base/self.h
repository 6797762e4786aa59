// SPDX-License-Identifier: BSD-3-Clause
//
// Where this program lies, and what lies beside it: the programs of the project find each other that way
// in an installation and in a build directory alike.
#ifndef BASE_SELF_H
#define BASE_SELF_H

// Both are the caller's to free; NULL when it cannot be told or memory is out.
char *self_path(void);
char *self_beside(const char *name); // NULL also when there is no program of that name

// Opens /dev/null where standard input, output or error is closed, so that nothing that is opened later
// becomes one of them. For programs, at their start.
void self_fill_streams(void);

#endif
