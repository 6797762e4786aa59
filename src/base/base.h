// SPDX-License-Identifier: BSD-3-Clause
//
// The face of base/: what every other folder may use. No I/O but logging, no threads.
#ifndef BASE_BASE_H
#define BASE_BASE_H

#include "base/banned.h"
#include "base/edits.h"
#include "base/err.h"
#include "base/log.h"
#include "base/pack.h"
#include "base/self.h"
#include "base/strv.h"
#include "base/time.h"
#include "base/words.h"

#endif
