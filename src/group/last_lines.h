// SPDX-License-Identifier: BSD-3-Clause
//
// The last lines of a file that a failed rank wrote to, made fit for showing.
#ifndef GROUP_LAST_LINES_H
#define GROUP_LAST_LINES_H

#include "base/base.h"

enum { LAST_LINES_MOST = 10 };

// Makes a text of the `length` bytes in place, which are the end of something: whole lines, at most
// LAST_LINES_MOST, without control characters and what is no UTF-8. `cut`: they may begin within a line.
// There is room for a zero behind them.
void last_lines_clean(char *text, size_t length, bool cut);

// At most `room` - 1 bytes of the end of the file, so cleaned; "" when it is empty or cannot be read.
void last_lines_read(const char *path, char *text, size_t room);

#endif
