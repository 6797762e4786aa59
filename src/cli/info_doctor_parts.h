// SPDX-License-Identifier: BSD-3-Clause
//
// What the files of the doctor share. Each looks at one subject and says what it found; info_doctor.c prints.
#ifndef CLI_INFO_DOCTOR_PARTS_H
#define CLI_INFO_DOCTOR_PARTS_H

#include "base/base.h"

struct doctor;

// One check: its name and what was found. A warning is for what works less well than it could, or not for
// everybody; a failure for what keeps a runtime from working. Both come with advice.
__attribute__((format(printf, 3, 4))) void doctor_fine(struct doctor *doctor, const char *name,
                                                       const char *format, ...);
__attribute__((format(printf, 4, 5))) void doctor_warn(struct doctor *doctor, const char *name,
                                                       const char *advice, const char *format, ...);
__attribute__((format(printf, 4, 5))) void doctor_fail(struct doctor *doctor, const char *name,
                                                       const char *advice, const char *format, ...);

void doctor_check_software(struct doctor *doctor);  // ours and its libraries, UCX
void doctor_check_launchers(struct doctor *doctor); // and the allocation
void doctor_check_network(struct doctor *doctor);
void doctor_check_limits(struct doctor *doctor); // of processes, and what the kernel lets us do
void doctor_check_places(struct doctor *doctor); // directories and memory files
void doctor_check_gpus(struct doctor *doctor);

// ---- commands (info_doctor.c)

// Runs the program argv[0], a path. What it writes to standard output and error is the caller's to free. NULL: it
// cannot be run, or takes longer than 5 s and was killed.
char *doctor_run(char *const argv[], char *const *env, int *status_out);

// ---- text

// The first line of `text` that has `word` in it ("" is in each), without blanks around it and cut
// off at `room`. False: there is none.
bool doctor_line(const char *text, const char *word, char *line, size_t room);
// The beginning of a file; false: it cannot be read, or is empty.
bool doctor_read(const char *path, char *text, size_t room);

#endif
